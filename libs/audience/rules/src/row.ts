/**
 * One row of a CSV file to one profile, by a mapping of columns. Pure: reading the file, its size and its encoding are the
 * importer's business. A row with a mistake gives no profile at all, and the mistake is named with its column.
 */
import { Attributes, type ProfileUpsert } from '@carillon/contracts';
import type { Checked } from './checked.js';

/** Which column fills which field. Columns that are not named are ignored. */
export interface RowMapping {
  externalId: string;
  email?: string;
  phone?: string;
  locale?: string;
  timezone?: string;
  /** Attribute name to column; text unless said. */
  attributes?: Record<string, string | { column: string; type: AttributeType }>;
  /** A column of JSON objects: all attributes, as an export has them. */
  allAttributes?: string;
}

/** The columns of an audience as CSV. */
export const EXPORT_COLUMNS = [
  'externalId',
  'email',
  'phone',
  'locale',
  'timezone',
  'createdAt',
  'attributes',
] as const;

export type AttributeType = 'text' | 'number' | 'boolean' | 'date';

export interface RowError {
  /** The heading of the column. */
  column: string;
  /** What it should have filled: `email`, `attributes.age`. */
  field: string;
  code: string;
  sentence: string;
}

export type RowResult = { ok: true; profile: ProfileUpsert } | { ok: false; errors: RowError[] };

/** More characters than any attribute has use for. */
const MOST_CELL = 32_000;

/**
 * A reader of rows with nothing looked up by name: what is to be done with each column is found out once. A blank cell
 * leaves its field alone. Fields are given as they stand; who writes them judges them.
 * @param mapping checked with `mappingErrors`
 */
export function rowReader(
  headings: readonly string[],
  mapping: RowMapping,
): (cells: readonly string[]) => RowResult {
  const places = (['email', 'phone', 'locale', 'timezone'] as const).flatMap((field) => {
    const column = mapping[field];
    return column === undefined ? [] : [{ field, at: headings.indexOf(column) }];
  });
  const attributes = Object.entries(mapping.attributes ?? {}).map(([name, source]) => {
    const { column, type } = typeof source === 'string' ? { column: source, type: 'text' as const } : source;
    return { name, column, at: headings.indexOf(column), check: type === 'text' ? null : ATTRIBUTE[type] };
  });
  const idAt = headings.indexOf(mapping.externalId);
  const allAt = mapping.allAttributes === undefined ? -1 : headings.indexOf(mapping.allAttributes);
  const width = headings.length;
  const bad = (column: string, field: string, code: string, sentence: string): RowResult => ({
    ok: false,
    errors: [{ column, field, code, sentence }],
  });
  return (cells) => {
    if (cells.length !== width)
      return bad(
        '',
        '',
        'cells',
        `It has ${cells.length} cells, the first line has ${width}: is a separator missing, or a quote?`,
      );
    for (let i = 0; i < width; i++) {
      const cell = cells[i]!;
      if (cell.length > MOST_CELL)
        return bad(headings[i]!, '', 'too_long', `The cell is longer than ${MOST_CELL} characters.`);
      if (cell.includes('\ufffd'))
        return bad(
          headings[i]!,
          '',
          'encoding',
          'The cell holds bytes that are not of the encoding of the file: save the file as UTF-8.',
        );
      if (cell.includes('\0'))
        return bad(headings[i]!, '', 'nul', 'The cell holds a NUL character: leave it out.');
    }
    const externalId = unprotected(cells[idAt]!.trim());
    if (externalId === '' || externalId.length > 200 || /[\r\n]/.test(externalId))
      return bad(
        mapping.externalId,
        'externalId',
        externalId ? 'value' : 'empty',
        'Give every row an id of 1 to 200 characters on one line: your own key for the person.',
      );
    const profile: ProfileUpsert = { externalId };
    for (const { field, at } of places) {
      const text = unprotected(cells[at]!.trim());
      if (text !== '') profile[field] = text;
    }
    if (attributes.length > 0) {
      const values: Record<string, string | number | boolean> = {};
      for (const { name, column, at, check } of attributes) {
        const text = unprotected(cells[at]!.trim());
        if (text === '') continue;
        if (check === null) values[name] = text;
        else {
          const checked = check(text);
          if (!checked.ok) return bad(column, `attributes.${name}`, checked.code, checked.sentence);
          values[name] = checked.value;
        }
      }
      profile.attributes = values;
    }
    const all = allAt === -1 ? '' : unprotected(cells[allAt]!.trim());
    if (all !== '') {
      const given = attributesIn(all);
      if (typeof given === 'string') return bad(headings[allAt]!, 'attributes', 'value', given);
      profile.attributes = { ...given, ...profile.attributes };
    }
    return { ok: true, profile };
  };
}

/** Attributes as JSON, or what is wrong with them. */
function attributesIn(text: string): ProfileUpsert['attributes'] | string {
  try {
    const given: unknown = JSON.parse(text);
    const { data } = Attributes.safeParse(given);
    // Asked of what was given: zod leaves out what it does not like.
    if (data) return Object.keys(given as object).some(isReserved) ? RESERVED : data;
  } catch {
    // Not JSON: said below.
  }
  return 'Write a JSON object, such as {"plan": "pro"}.';
}

const RESERVED = 'This attribute name is reserved: choose another one.';
export const isReserved = (name: string): boolean => /^(__proto__|constructor|prototype)$/.test(name);

/** Headings for a sentence: a file of one endless line must not make one of them. */
export const headingList = (headings: readonly string[]): string =>
  headings
    .slice(0, 20)
    .map((heading) => (heading.length > 40 ? `${heading.slice(0, 40)}…` : heading))
    .join(', ') + (headings.length > 20 ? ' …' : '');

/** What is wrong with a mapping for a file with these headings; empty when it can be used. */
export function mappingErrors(headings: readonly string[], mapping: RowMapping): RowError[] {
  const { attributes = {}, ...fields } = mapping;
  const wanted = [
    ...Object.entries(fields),
    ...Object.entries(attributes).map(([name, source]) => [
      `attributes.${name}`,
      typeof source === 'string' ? source : source.column,
    ]),
  ] as [field: string, column: string][];
  const errors = wanted
    .filter(([, column]) => !headings.includes(column))
    .map(([field, column]) => ({
      column,
      field,
      code: 'no_such_column',
      sentence: `The file has no column "${column}". It has: ${headingList(headings)}.`,
    }));
  const unsafe = wanted.filter(([field]) => /(^|\.)(__proto__|constructor|prototype)(\.|$)/.test(field));
  return errors.concat(
    unsafe.map(([field, column]) => ({
      column,
      field,
      code: 'name_not_allowed',
      sentence: RESERVED,
    })),
  );
}

const NAMES: Record<'externalId' | 'email' | 'phone' | 'locale' | 'timezone', RegExp> = {
  externalId: /^(external|user|customer|profile|contact|member)?id$/,
  email: /^(e?mail|emailaddress)$/,
  phone: /^(phone|phonenumber|mobile|mobilephone|mobilenumber|cell|tel|telephone|msisdn)$/,
  locale: /^(locale|language|lang)$/,
  timezone: /^(timezone|tz|zone)$/,
};

/** A mapping by the usual names of columns; every other column becomes an attribute of its name. Undefined without an id. */
export function suggestMapping(headings: readonly string[]): RowMapping | undefined {
  const rest = new Set(headings);
  const take = (pattern: RegExp) => {
    const found = [...rest].find((heading) => pattern.test(heading.toLowerCase().replace(/[\s_-]/g, '')));
    if (found !== undefined) rest.delete(found);
    return found;
  };
  const externalId = take(NAMES.externalId);
  if (externalId === undefined) return undefined;
  const mapping: RowMapping = { externalId };
  for (const field of ['email', 'phone', 'locale', 'timezone'] as const) {
    const column = take(NAMES[field]);
    if (column !== undefined) mapping[field] = column;
  }
  // Carillon's own export: what it says of itself is nobody's attribute.
  if (EXPORT_COLUMNS.every((column) => rest.has(column) || Object.values(mapping).includes(column))) {
    mapping.allAttributes = 'attributes';
    for (const column of EXPORT_COLUMNS) rest.delete(column);
  }
  const names = [...rest].filter((heading) => heading.trim() !== '');
  if (names.length > 0) {
    mapping.attributes = Object.fromEntries(names.map((heading) => [attributeName(heading), heading]));
  }
  return mapping;
}

/** `First name` becomes `firstName`, since templates write attributes without blanks. */
function attributeName(heading: string): string {
  return heading
    .trim()
    .replace(/[\s.-]+(.)/g, (_, letter: string) => letter.toUpperCase())
    .replace(/^[A-Z]+(?=[A-Z][a-z]|$)|^[A-Z]/, (start) => start.toLowerCase());
}

/** Exports put an apostrophe before cells that a spreadsheet would take for a formula; it is not part of the value. */
function unprotected(text: string): string {
  return /^'+[=+\-@]/.test(text) ? text.slice(1) : text;
}

const bad = (sentence: string) => ({ ok: false, code: 'value', sentence }) as const;

const ATTRIBUTE: Record<AttributeType, (text: string) => Checked<string | number | boolean>> = {
  text: (original) => ({ ok: true, value: original, original }),
  number: (original) => {
    const value = /^[+-]?(\d+(\.\d+)?|\.\d+)(e[+-]?\d+)?$/i.test(original) ? Number(original) : NaN;
    return Number.isFinite(value)
      ? { ok: true, value, original }
      : bad('Write a number with a point before the decimals: 1234.5.');
  },
  boolean: (original) => {
    if (/^(true|yes|1)$/i.test(original)) return { ok: true, value: true, original };
    if (/^(false|no|0)$/i.test(original)) return { ok: true, value: false, original };
    return bad('Write true or false.');
  },
  date: (original) => {
    const isDate = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)?)?$/.test(original);
    // Date takes 31 February for 3 March: the day must come back as it went in.
    const day = new Date(`${original.slice(0, 10)}T00:00Z`);
    const real =
      isDate && !Number.isNaN(day.getTime()) && day.toISOString().startsWith(original.slice(0, 10));
    return real && !Number.isNaN(Date.parse(original))
      ? { ok: true, value: original, original }
      : bad('Write a date such as 2027-03-31 or 2027-03-31T18:00:00Z.');
  },
};
