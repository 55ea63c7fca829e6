/**
 * What a parsed template reads from its data, by liquidjs' static analysis, and which of it cannot be left out.
 * Called by engine.ts; its result feeds generated types, preview forms and the check of data before a send is accepted.
 */
import {
  analyzeSync,
  AssignTag,
  CaptureTag,
  CaseTag,
  IfTag,
  LiquidTag,
  UnlessTag,
  Value,
  type Template,
  type Variable,
} from 'liquidjs';
import { liquidPath, pointerOf } from './errors.js';

export interface TemplateVariable {
  /** As in Liquid: `order.items`. Names with odd characters appear in brackets: `order["a b"]`. */
  path: string;
  /** The keys that lead to it. A key that is itself a variable ends the path: what lies below is not known. */
  keys: (string | number)[];
  /** True when rendering certainly fails without it: printed outside every condition and loop, and without default. */
  required: boolean;
  /** Line of its first use, from 1. */
  line: number;
}

/** All variables a template expects from outside, sorted by path. */
export function readVariables(templates: Template[]): TemplateVariable[] {
  const certain = new Set(globals(unconditional(templates)).map((variable) => pathOf(variable).path));
  const found = new Map<string, TemplateVariable>();
  for (const variable of globals(templates)) {
    const { path, keys } = pathOf(variable);
    if (!found.has(path)) {
      found.set(path, { path, keys, required: certain.has(path), line: variable.location.row });
    }
  }
  return [...found.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** Paths of `required` that the data does not hold, with JSON pointers into it: for a clear answer before anything is sent. */
export function missingVariables(
  variables: readonly Pick<TemplateVariable, 'path' | 'keys' | 'required'>[],
  data: Readonly<Record<string, unknown>>,
): { path: string; pointer: string }[] {
  return variables
    .filter(({ required, keys }) => required && !holds(data, keys))
    .map(({ path, keys }) => ({ path, pointer: pointerOf(keys) }));
}

function globals(templates: Template[]): Variable[] {
  return Object.values(analyzeSync(templates, { partials: false }).globals).flat();
}

/** Tags for which a missing variable is nothing special: conditions, and assignments, which fail when they are printed. */
const LENIENT = [IfTag, UnlessTag, CaseTag, AssignTag];

/**
 * The steps that always run, without what they hold: for a loop its list but not its body, for conditions and
 * assignments nothing.
 */
function unconditional(templates: Template[]): Template[] {
  return templates.flatMap((template): Template[] => {
    if (LENIENT.some((tag) => template instanceof tag)) return [];
    const { value } = template as { value?: unknown };
    if (value instanceof Value && value.filters.some(({ name }) => name === 'default')) return [];
    const inside =
      template instanceof CaptureTag || template instanceof LiquidTag
        ? unconditional(template.templates)
        : [];
    return [{ ...template, children: undefined, arguments: () => template.arguments?.() ?? [] }, ...inside];
  });
}

function pathOf({ segments }: Variable): { path: string; keys: (string | number)[] } {
  const keys: (string | number)[] = [];
  for (const segment of segments) {
    if (typeof segment !== 'string' && typeof segment !== 'number') break;
    keys.push(segment);
  }
  return { path: liquidPath(keys), keys };
}

/** `size`, `first` and `last` are Liquid's own: they are there as soon as what they belong to is. */
function holds(data: unknown, keys: readonly (string | number)[]): boolean {
  let value = data;
  for (const key of keys) {
    if (value === null || typeof value !== 'object') return typeof value === 'string' && key === 'size';
    if (Array.isArray(value) && typeof key === 'number') value = value.at(key);
    else if (Object.hasOwn(value, key)) value = (value as Record<string | number, unknown>)[key];
    else return key === 'size' || (Array.isArray(value) && (key === 'first' || key === 'last'));
    if (value === undefined) return false;
  }
  return true;
}
