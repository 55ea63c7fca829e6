/**
 * A list of rows as parameters of a statement, column by column (`unnest`). Most columns of a list say the same in every row, or
 * nothing: those are sent once. That takes half of the bytes and of the reading from a list of 500, and nearly all from a list of one.
 */

type Type = 'uuid' | 'text' | 'int' | 'float8' | 'boolean' | 'timestamptz' | 'jsonb';

export interface RowParameters<Name extends string> {
  /** To stand after FROM: has the columns, in as many rows as the first of them has values. */
  text: string;
  /** @param values of the first column one per row, of the others as many, in their order; jsonb as text */
  params(values: Readonly<Record<Name, readonly unknown[]>>): unknown[];
}

/**
 * @param from number of the first parameter it takes; it takes two for each column
 * @param columns names, as the statement knows them, and types; the first one is different in every row
 */
export function rowParameters<Name extends string>(
  from: number,
  columns: Readonly<Record<Name, Type>>,
): RowParameters<Name> {
  const all = Object.entries(columns) as [Name, Type][];
  const each = all.map(([, type], i) => `$${from + 2 * i}::${type}[]`);
  const shown = all.map(([name, type], i) => `coalesce(${name}, $${from + 2 * i + 1}::${type}) AS ${name}`);
  return {
    text: `(SELECT ${shown.join(', ')} FROM unnest(${each.join(', ')}) AS r(${all.map(([name]) => name).join(', ')}))`,
    params: (values) =>
      all.flatMap(([name, type], i) => {
        const column = values[name];
        const [first = null] = column;
        // An empty array is filled up with nulls, and what all rows say stands in for each of them.
        if (i > 0 && column.every((value) => isSame(value ?? null, first))) return ['{}', written(first)];
        const quote = type === 'text' || type === 'jsonb';
        let list = '';
        for (const value of column) {
          const text = written(value);
          list += `${list && ','}${text === null ? 'NULL' : quote ? quoted(text) : text}`;
        }
        return [`{${list}}`, null];
      }),
  };
}

/** A list as one parameter, for `ANY` or `unnest`: what pg makes of an array takes several times as long. */
export const uuids = (ids: readonly string[]): string => `{${ids.join(',')}}`;
export function texts(values: readonly (string | null)[]): string {
  // Most lists hold plain words: one string is made of them, not three for each.
  if (values.length > 0 && !values.some((value) => value === null || ESCAPED.test(value)))
    return `{"${values.join('","')}"}`;
  return `{${values.map((value) => (value === null ? 'NULL' : quoted(value))).join(',')}}`;
}
const ESCAPED = /["\\]/;

const isSame = (a: unknown, b: unknown): boolean =>
  a === b || (a instanceof Date && b instanceof Date && a.getTime() === b.getTime());

function written(value: unknown): string | null {
  if (value === null || value === undefined) return null;
  if (typeof value === 'string') return value;
  if (value instanceof Date) return value.toISOString();
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  throw new TypeError('a value of a list is text, a number, a boolean or a time');
}
const quoted = (text: string): string => `"${text.replace(/["\\]/g, '\\$&')}"`;
