/**
 * A parsed template as steps: fixed text, values that are nothing but a path, and the rest, which liquidjs runs.
 * Only a shortcut: most of a mail is fixed text and plain paths, and for those liquidjs' machinery of generators costs
 * several times the work itself. Whatever is not plainly the same is left to liquidjs. Called by engine.ts only.
 */
import { Output, TokenKind, TypeGuards, type Template } from 'liquidjs';

export type Step = string | PlainPath | Template[];

/** `{{ order.id }}`: no index, no filter. */
export interface PlainPath {
  keys: string[];
  template: Template;
}

/** @param escape what the engine does with every value it prints, and so the only filter of a plain path */
export function readSteps(templates: readonly Template[], escape: unknown): Step[] {
  const steps: Step[] = [];
  for (const template of templates) {
    const last = steps.at(-1);
    const plain = fixedText(template) ?? plainPath(template, escape);
    if (plain !== undefined) steps.push(plain);
    else if (Array.isArray(last)) last.push(template);
    else steps.push([template]);
  }
  return steps;
}

/**
 * The value at a path if it is one to be printed as it is, else undefined: then liquidjs decides what it means.
 * Own properties of plain objects only, so nothing inherited can be reached.
 */
export function scalarAt(scope: object, keys: readonly string[]): string | number | boolean | undefined {
  let value: unknown = scope;
  for (const key of keys) {
    if (value === null || typeof value !== 'object' || Array.isArray(value) || !Object.hasOwn(value, key)) {
      return undefined;
    }
    value = (value as Record<string, unknown>)[key];
  }
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
    ? value
    : undefined;
}

function fixedText(template: Template): string | undefined {
  if (template.token.kind !== TokenKind.HTML) return undefined;
  const { str } = template as { str?: unknown };
  return typeof str === 'string' ? str : undefined;
}

function plainPath(template: Template, escape: unknown): PlainPath | undefined {
  if (!(template instanceof Output)) return undefined;
  const { filters, initial } = template.value;
  const [token, ...operators] = initial.postfix;
  if (filters.length !== 1 || handlerOf(filters[0]) !== escape || operators.length > 0) return undefined;
  if (!TypeGuards.isPropertyAccessToken(token) || token.variable) return undefined;
  const keys = token.props.map((prop) => (TypeGuards.isWordToken(prop) ? prop.content : undefined));
  return keys.every((key) => key !== undefined) ? { keys, template } : undefined;
}
const handlerOf = (filter: unknown) => (filter as { handler?: unknown } | undefined)?.handler;
