/**
 * Judges what a template says when it is saved or previewed: every Liquid text, MJML made into HTML, links that would run
 * code, and the variables it needs. No database. Called by templates.ts and preview-template.ts.
 */
import type { ContentByChannel, ProblemError, TemplateSave, TemplateVariable } from '@carillon/contracts';
import {
  isMjml,
  mjmlToHtml,
  pointerOf,
  TemplateError,
  unsafeUrls,
  variablesOf,
  type TemplateVariable as FoundVariable,
} from '@carillon/content';
import { GIVEN_VARIABLES } from './check-content.js';

export interface CompiledContent {
  content: ContentByChannel;
  locales: Record<string, ContentByChannel>;
}
export interface CompiledTemplate {
  /** What is rendered: as authored, with MJML made into HTML. */
  compiled: CompiledContent;
  variables: TemplateVariable[];
  /** With pointers into the body of the save. Nothing else counts when there are any. */
  errors: ProblemError[];
}

/** @param save content, its translations, and what the author says of the variables */
export async function compileTemplateContent(
  save: Pick<TemplateSave, 'content' | 'locales' | 'variables'>,
): Promise<CompiledTemplate> {
  const errors: ProblemError[] = [];
  const found: FoundVariable[] = [];
  const compile = async (content: ContentByChannel, pointer: string): Promise<ContentByChannel> => {
    for (const text of textsIn(content, pointer))
      found.push(...attempt(errors, text.pointer, () => variablesOf(text.text), []));
    const html = content.email?.html;
    if (content.email === undefined || html === undefined) return content;
    const compiled = await compileHtml(html, `${pointer}/email/html`, errors, found);
    return { ...content, email: { ...content.email, html: compiled } };
  };

  const content = await compile(save.content, '/content');
  const locales: Record<string, ContentByChannel> = {};
  for (const [tag, translated] of Object.entries(save.locales ?? {}))
    if (isLocale(tag)) locales[tag] = await compile(translated, `/locales${pointerOf([tag])}`);
    else
      errors.push({
        pointer: `/locales${pointerOf([tag])}`,
        code: 'invalid_locale',
        message: `${JSON.stringify(tag)} is not a BCP 47 language tag: write one like de or pt-BR`,
      });
  return { compiled: { content, locales }, variables: mergeVariables(found, save.variables ?? {}), errors };
}

/** MJML becomes HTML; either is then judged as HTML, where escaping cannot make every place safe. */
async function compileHtml(
  source: string,
  pointer: string,
  errors: ProblemError[],
  found: FoundVariable[],
): Promise<string> {
  const before = errors.length;
  let html = source;
  if (isMjml(source)) {
    // Read as plain text first: its mistakes then carry the author's own lines.
    found.push(...attempt(errors, pointer, () => variablesOf(source), []));
    if (errors.length > before) return source;
    try {
      html = await mjmlToHtml(source);
    } catch (error) {
      errors.push(problemOf(error, pointer));
      return source;
    }
  }
  found.push(...attempt(errors, pointer, () => variablesOf(html, { html: true }), []));
  for (const { element, attribute } of unsafeUrls(html))
    errors.push({
      pointer,
      code: 'unsafe_url',
      message: `the ${attribute} of <${element}> holds an address that runs code: write an http, https, mailto or tel address`,
    });
  return html;
}

function attempt<T>(errors: ProblemError[], pointer: string, read: () => T, otherwise: T): T {
  try {
    return read();
  } catch (error) {
    errors.push(problemOf(error, pointer));
    return otherwise;
  }
}

/** @throws what is not a mistake of the author's */
function problemOf(error: unknown, pointer: string): ProblemError {
  if (!(error instanceof TemplateError)) throw error;
  const place = error.column
    ? ` (line ${error.line}, column ${error.column})`
    : error.line
      ? ` (line ${error.line})`
      : '';
  return { pointer, code: error.code, message: `${error.message}${place}` };
}

/** Every text with its JSON pointer, but for the HTML of an email. */
function textsIn(value: unknown, pointer: string): { pointer: string; text: string }[] {
  if (typeof value === 'string') return pointer.endsWith('/email/html') ? [] : [{ pointer, text: value }];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => textsIn(inner, pointer + pointerOf([key])));
}

/** `size`, `first` and `last` belong to Liquid, not to the data. */
const LIQUIDS_OWN = new Set(['size', 'first', 'last']);

/** What the Liquid reads, with what the author says of it. Sorted by name. */
export function mergeVariables(
  found: readonly FoundVariable[],
  declared: NonNullable<TemplateSave['variables']>,
): TemplateVariable[] {
  const variables = new Map<string, TemplateVariable>();
  for (const { keys, required } of found) {
    const { name, type } = nameOf(keys);
    if (!name || GIVEN_VARIABLES.includes(String(keys[0]))) continue;
    const known = variables.get(name);
    variables.set(name, {
      name,
      type: known && known.type !== 'unknown' ? known.type : type,
      required: required || (known?.required ?? false),
    });
  }
  for (const [name, { type, required, example }] of Object.entries(declared)) {
    variables.set(name, { name, type, required, ...(example === undefined ? {} : { example }) });
    // What the author calls optional may be missing with all that is in it.
    if (!required)
      for (const variable of variables.values())
        if (variable.name.startsWith(`${name}.`)) variable.required = false;
  }
  return [...variables.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** `order.items[0].name` is about `order.items`, which is an array. */
function nameOf(keys: FoundVariable['keys']): Pick<TemplateVariable, 'name' | 'type'> {
  const index = keys.findIndex((key) => typeof key === 'number' || /^\d+$/.test(key));
  const named = index < 0 ? [...keys] : keys.slice(0, index);
  if (index < 0 && named.length > 1 && LIQUIDS_OWN.has(String(named.at(-1)))) named.pop();
  return { name: named.join('.'), type: index < 0 ? 'unknown' : 'array' };
}

const isLocale = (tag: string): boolean => {
  try {
    return Intl.getCanonicalLocales(tag).length === 1;
  } catch {
    return false; // RangeError: not well-formed
  }
};
