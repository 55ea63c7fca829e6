/**
 * Turns what zod found into errors for people: a JSON pointer (RFC 6901), a stable code, and a sentence that says what
 * to write instead. Pure. Used for request bodies here, and by services that judge the rows of a batch one by one.
 */
import type { ProblemError } from '@carillon/contracts';
import type { z } from 'zod';
import { pointerSegment } from './json.js';

type Issue = z.core.$ZodIssue;
type Path = readonly PropertyKey[];

const pointerOf = (path: Path): string => path.map((p) => pointerSegment(String(p))).join('');
const valueAt = (root: unknown, path: Path): unknown =>
  path.reduce<unknown>(
    (value, key) => (typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined),
    root,
  );

/**
 * @param schema that judged
 * @param input what it judged
 * @param error what it found
 * @param base pointer that is put before each, for a row of a batch: `/messages/3`
 */
export function errorsOf(
  schema: z.ZodType,
  input: unknown,
  error: { readonly issues: readonly Issue[] },
  base = '',
): ProblemError[] {
  return error.issues
    .flatMap((issue) => explain(issue, issue.path, schema, input))
    .map((e) => ({ ...e, pointer: `${base}${e.pointer}` }));
}

function explain(issue: Issue, path: Path, schema: z.ZodType, input: unknown): ProblemError[] {
  const one = (code: string, message: string, at: Path = path): ProblemError[] => [
    { pointer: pointerOf(at), code, message: sentence(message) },
  ];
  const value = valueAt(input, path);
  switch (issue.code) {
    case 'invalid_type':
      return value === undefined
        ? one('required', `this is missing: write ${article(issue.expected)}`)
        : one('invalid_type', `write ${article(issue.expected)}, not ${kindOf(value)}`);
    case 'unrecognized_keys': {
      const allowed = fieldsAt(schema, path, input);
      return issue.keys.flatMap((key) => one('unknown_field', unknownField(key, allowed), [...path, key]));
    }
    case 'invalid_value':
      return value === undefined
        ? one('required', `this is missing: write ${listed(issue.values.map(String))}`)
        : one('invalid_value', `write ${listed(issue.values.map(String))}`);
    case 'too_small':
      return one('too_small', bound(issue.origin, 'at least', issue.minimum, issue.inclusive, issue.message));
    case 'too_big':
      return one('too_big', bound(issue.origin, 'at most', issue.maximum, issue.inclusive, issue.message));
    case 'invalid_format':
      return one(
        'invalid_format',
        formats[issue.format] ?? own(issue.message) ?? `this is not a valid ${issue.format}`,
      );
    case 'invalid_union':
      return union(issue, path, schema, input);
    case 'invalid_key':
    case 'invalid_element':
      return issue.issues.flatMap((inner) => explain(inner, [...path, ...inner.path], schema, input));
    default:
      return one('invalid', own(issue.message) ?? 'this value is not allowed here');
  }
}

/** Explains the branch that was most likely meant: the one that fails deepest, not the ones of another type. */
function union(
  issue: z.core.$ZodIssueInvalidUnion,
  path: Path,
  schema: z.ZodType,
  input: unknown,
): ProblemError[] {
  const one = 'options' in issue && Array.isArray(issue.options) ? issue.options.map(String) : [];
  if (issue.errors.length === 0 && one.length > 0) {
    const missing = valueAt(input, path) === undefined;
    return [
      {
        pointer: pointerOf(path),
        code: missing ? 'required' : 'invalid_value',
        message: sentence(`${missing ? 'this is missing: ' : ''}write ${listed(one)}`),
      },
    ];
  }
  const fitting = issue.errors.filter(
    (issues) => !issues.some((i) => i.path.length === 0 && i.code === 'invalid_type'),
  );
  // Where branches are told apart by a field, the one whose field is there is meant.
  const told = fitting.filter((issues) => keysMissing(issues, path, input).length === 0);
  const meant = told.length > 0 ? told : fitting;
  if (told.length === 0 && fitting.length > 2) {
    const keys = [...new Set(fitting.flatMap((issues) => keysMissing(issues, path, input)))];
    return [
      {
        pointer: pointerOf(path),
        code: 'invalid',
        message: sentence(`write an object with one of the fields ${listed(keys)}`),
      },
    ];
  }
  const [branch] = meant.length > 0 ? meant : [];
  if (branch && (meant.length === 1 || branch.some((i) => i.path.length > 0)))
    return branch.flatMap((inner) => explain(inner, [...path, ...inner.path], schema, input));
  const kinds = issue.errors.flat().flatMap((i) => (i.code === 'invalid_type' ? [article(i.expected)] : []));
  const given = valueAt(input, path) === undefined ? 'this is missing: ' : '';
  const custom = meant.flat().flatMap((i) => own(i.message) ?? formatSentence(i) ?? []);
  const wanted = [...new Set(custom.length > 0 ? custom : kinds)];
  return [
    {
      pointer: pointerOf(path),
      code: given ? 'required' : 'invalid',
      message: sentence(
        wanted.length > 0 ? `${given}write ${listed(wanted)}` : `${given}this value is not allowed here`,
      ),
    },
  ];
}
/** Fields that a branch asks for and that are not there. */
const keysMissing = (issues: readonly Issue[], path: Path, input: unknown): string[] =>
  issues.flatMap((i) =>
    i.path.length === 1 && i.code !== 'custom' && valueAt(input, [...path, ...i.path]) === undefined
      ? [String(i.path[0])]
      : [],
  );
const formatSentence = (issue: Issue): string | undefined =>
  issue.code === 'invalid_format' ? formats[issue.format] : undefined;

const formats: Readonly<Record<string, string>> = {
  datetime: 'write a time with an offset, such as 2027-01-31T09:00:00Z or 2027-01-31T10:00:00+01:00',
  uuid: 'write an id as it was given to you, such as 0193a1b2-7c4d-7e5f-8a9b-0c1d2e3f4a5b',
  url: 'write an address that begins with https:// or http://',
  base64: 'write base64 (RFC 4648), without a data: prefix',
};

/** Words of the contract, unless they are zod's own. */
const own = (message: string): string | undefined =>
  /^(Invalid|Too big|Too small|Unrecognized)/.test(message) ? undefined : message;

function bound(
  origin: string,
  than: string,
  limit: number | bigint,
  inclusive: boolean | undefined,
  message: string,
): string {
  const mine = own(message);
  if (mine) return mine;
  if (origin === 'string')
    return than === 'at least' && limit === 1
      ? 'this must not be empty'
      : `write ${than} ${limit} characters`;
  if (origin === 'array' || origin === 'set')
    return `give ${than} ${limit} ${Number(limit) === 1 ? 'entry' : 'entries'}`;
  return `write a number ${inclusive === false ? (than === 'at least' ? 'above' : 'below') : `of ${than}`} ${limit}`;
}

const articles: Readonly<Record<string, string>> = {
  string: 'a string',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  object: 'an object',
  record: 'an object',
  array: 'a list',
  null: 'null',
};
const article = (expected: string): string => articles[expected] ?? expected;
const kindOf = (value: unknown): string =>
  value === null ? 'null' : Array.isArray(value) ? 'a list' : article(typeof value);

const listed = (words: readonly string[]): string =>
  words.length < 2 ? (words[0] ?? 'something else') : `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`;

function sentence(text: string): string {
  const start = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(start) ? start : `${start}.`;
}

/** The sentence for a name nobody knows. Also used for query parameters. */
export function unknownField(name: string, allowed: readonly string[]): string {
  if (allowed.length === 0) return `there is no field ${JSON.stringify(name)} here`;
  const nearest = allowed
    .map((candidate) => ({ candidate, distance: distance(name.toLowerCase(), candidate.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance)[0];
  const hint =
    nearest && nearest.distance <= Math.max(1, name.length / 3) ? `did you mean ${nearest.candidate}? ` : '';
  return `there is no field ${JSON.stringify(name)}: ${hint}allowed are ${allowed.join(', ')}`;
}

/** Edits from one word to another (Levenshtein, two neighbours swapped count as one). Names are short. */
function distance(a: string, b: string): number {
  if (a.length > 60) return a.length;
  let before: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      let best = Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, (row[j - 1] ?? 0) + same);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        best = Math.min(best, (before[j - 2] ?? 0) + 1);
      next.push(best);
    }
    before = row;
    row = next;
  }
  return row[b.length] ?? 0;
}

/**
 * The field names a schema allows at a path, looking through optionals, unions, arrays, records, pipes and recursion. Of a
 * union, those of the branches whose required fields are there.
 */
function fieldsAt(schema: z.core.$ZodType, path: Path, value: unknown): string[] {
  const def = defOf(schema);
  const [head, ...rest] = path;
  if (def.getter) return fieldsAt(def.getter(), path, value);
  if (def.innerType) return fieldsAt(def.innerType, path, value);
  if (def.type === 'pipe') return [def.in, def.out].flatMap((s) => (s ? fieldsAt(s, path, value) : []));
  if (def.options) {
    const meant = def.options.filter((option) =>
      requiredOf(option).every((key) => keysOf(value).includes(key)),
    );
    const options = meant.length > 0 ? meant : def.options;
    return [...new Set(options.flatMap((option) => fieldsAt(option, path, value)))];
  }
  if (def.shape) {
    if (head === undefined) return Object.keys(def.shape);
    const child = def.shape[String(head)];
    return child ? fieldsAt(child, rest, valueAt(value, [head])) : [];
  }
  const child = def.element ?? def.valueType;
  return child && head !== undefined ? fieldsAt(child, rest, valueAt(value, [head])) : [];
}

interface Def {
  type: string;
  getter?: () => z.core.$ZodType;
  innerType?: z.core.$ZodType;
  in?: z.core.$ZodType;
  out?: z.core.$ZodType;
  options?: z.core.$ZodType[];
  element?: z.core.$ZodType;
  valueType?: z.core.$ZodType;
  shape?: Record<string, z.core.$ZodType>;
}
const defOf = (schema: z.core.$ZodType): Def => (schema as z.ZodType).def as unknown as Def;
const keysOf = (value: unknown): string[] =>
  typeof value === 'object' && value !== null ? Object.keys(value) : [];
const requiredOf = (schema: z.core.$ZodType): string[] =>
  Object.entries(defOf(schema).shape ?? {}).flatMap(([key, field]) =>
    ['optional', 'default', 'nullable', 'prefault'].includes(defOf(field).type) ? [] : [key],
  );
