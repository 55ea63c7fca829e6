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
export const GIVEN_VARIABLES: readonly string[] = [
  'profile',
  'unsubscribe_url',
  'preferences_url',
  'view_url',
];

/** What can be said of a content whatever the data. */
interface Judged {
  /** With MJML made into HTML. One object for all messages that say the same: compiled templates are kept by it. */
  content: ContentByChannel;
  /** As JSON. */
  text: string;
  errors: ProblemError[];
  needed: { pointer: string; variables: TemplateVariable[] }[];
}

/** Services send the same few contents again and again. */
const judged = new Map<string, Judged>();
const KEPT = { contents: 1000, characters: 20_000_000 };
let characters = 0;

/** @returns the content with MJML made into HTML, the same as JSON, and what is wrong with it */
export async function checkContent(
  given: ContentByChannel,
  data: Readonly<Record<string, unknown>>,
): Promise<{ content: ContentByChannel; text: string; errors: ProblemError[] }> {
  const key = JSON.stringify(given);
  let known = judged.get(key);
  if (!known) {
    known = await judge(given, key);
    if (judged.size >= KEPT.contents || characters > KEPT.characters) {
      judged.clear();
      characters = 0;
    }
    judged.set(key, known);
    characters += key.length + known.text.length;
  }
  const { content, text, needed } = known;
  const lacking = needed.flatMap(({ pointer, variables }) =>
    missingVariables(variables, data).map(({ path, pointer: at }): ProblemError => ({
      pointer: `/data${at}`,
      code: 'missing_variable',
      message: `the content at ${pointer} needs ${path}: give it in data, or write {{ ${path} | default: "…" }}`,
    })),
  );
  return { content, text, errors: lacking.length > 0 ? [...known.errors, ...lacking] : known.errors };
}

async function judge(content: ContentByChannel, text: string): Promise<Judged> {
  const errors: ProblemError[] = [];
  const needed: Judged['needed'] = [];
  for (const { pointer, text } of liquidIn(content, '/content')) {
    try {
      const variables = variablesIn(text, pointer === '/content/email/html').filter(
        ({ keys }) => !GIVEN_VARIABLES.includes(String(keys[0])),
      );
      if (variables.length > 0) needed.push({ pointer, variables });
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
  if (errors.length > 0 || !content.email || !html || !isMjml(html)) return { content, text, errors, needed };
  try {
    const made = { ...content, email: { ...content.email, html: await mjmlToHtml(html) } };
    return { content: made, text: JSON.stringify(made), errors, needed };
  } catch (error) {
    if (!(error instanceof TemplateError)) throw error;
    errors.push({ pointer: '/content/email/html', code: error.code, message: error.message });
    return { content, text, errors, needed };
  }
}

const variablesIn = (text: string, html: boolean): TemplateVariable[] =>
  html || text.includes('{{') || text.includes('{%') ? variablesOf(text, { html }) : [];

/** Every text of the content with its JSON pointer. */
function liquidIn(value: unknown, pointer: string): { pointer: string; text: string }[] {
  if (typeof value === 'string') return [{ pointer, text: value }];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) =>
    liquidIn(inner, `${pointer}/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`),
  );
}
