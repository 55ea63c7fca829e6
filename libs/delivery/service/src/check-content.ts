/** Judges inline content when it is accepted: Liquid that cannot be read, or data that certainly lacks something, is refused now. */
import type { ContentByChannel, ProblemError } from '@carillon/contracts';
import {
  isMjml,
  missingVariables,
  mjmlToHtml,
  TemplateError,
  variablesOf,
  type TemplateVariable,
} from '@carillon/content';

/** What every template may use besides `data`. */
export const GIVEN_VARIABLES: readonly string[] = ['profile', 'unsubscribe_url'];

/** Services send the same few texts again and again. */
const read = new Map<string, TemplateVariable[]>();
const KEPT_SOURCES = 1000;

/** @returns the content with MJML made into HTML, and what is wrong with it */
export async function checkContent(
  content: ContentByChannel,
  data: Readonly<Record<string, unknown>>,
): Promise<{ content: ContentByChannel; errors: ProblemError[] }> {
  const errors: ProblemError[] = [];
  for (const { pointer, text } of liquidIn(content, '/content')) {
    try {
      const needed = variables(text, pointer === '/content/email/html').filter(
        ({ keys }) => !GIVEN_VARIABLES.includes(String(keys[0])),
      );
      for (const { path, pointer: at } of missingVariables(needed, data))
        errors.push({
          pointer: `/data${at}`,
          code: 'missing_variable',
          message: `the content at ${pointer} needs ${path}: give it in data, or write {{ ${path} | default: "…" }}`,
        });
    } catch (error) {
      if (!(error instanceof TemplateError)) throw error;
      errors.push({
        pointer,
        code: error.code,
        message: `${error.message} (line ${error.line}, column ${error.column})`,
      });
    }
  }
  const html = content.email?.html;
  if (errors.length > 0 || !content.email || !html || !isMjml(html)) return { content, errors };
  try {
    return { content: { ...content, email: { ...content.email, html: await mjmlToHtml(html) } }, errors };
  } catch (error) {
    if (!(error instanceof TemplateError)) throw error;
    return {
      content,
      errors: [{ pointer: '/content/email/html', code: error.code, message: error.message }],
    };
  }
}

function variables(text: string, html: boolean): TemplateVariable[] {
  if (!html && !text.includes('{{') && !text.includes('{%')) return [];
  const key = `${html} ${text}`;
  const kept = read.get(key);
  if (kept) return kept;
  const found = variablesOf(text, { html });
  if (read.size >= KEPT_SOURCES) read.clear();
  read.set(key, found);
  return found;
}

/** Every text of the content with its JSON pointer. */
function liquidIn(value: unknown, pointer: string): { pointer: string; text: string }[] {
  if (typeof value === 'string') return [{ pointer, text: value }];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) =>
    liquidIn(inner, `${pointer}/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`),
  );
}
