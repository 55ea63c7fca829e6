/**
 * Reads profiles from CSV, one at a time: finds the separator and the encoding, guesses what the columns mean, and
 * judges each row as far as that can be done without the API. Yields good rows and bad ones alike, each with its line;
 * sends nothing. Used by `profiles import` and by the demo.
 */
import type { ProfileInput } from '@carillon/sdk';
import { type CsvError, parse } from 'csv-parse';
import fs from 'node:fs';
import { Readable } from 'node:stream';
import { TextDecoder } from 'node:util';
import { UsageError } from './settings.js';

/** What a column becomes: a field, an attribute by name and type, or nothing. */
export type Target =
  | { field: (typeof fields)[number] }
  | { attribute: string; type: 'text' | 'number' | 'boolean' }
  | { ignored: true };
export type Mapping = ReadonlyMap<string, Target>;

export interface GoodRow {
  line: number;
  profile: ProfileInput;
  /** The cells as they were, for the file of bad rows. */
  cells: readonly string[];
}
export interface BadRow {
  line: number;
  reason: string;
  cells: readonly string[];
}
export type Row = GoodRow | BadRow;
export const isBad = (row: Row): row is BadRow => 'reason' in row;

export interface ProfilesFile {
  columns: readonly string[];
  mapping: Mapping;
  /** Bytes of the file, for progress; undefined when it is a pipe. */
  size: number | undefined;
  /** Bytes read so far. */
  position: () => number;
  rows: AsyncIterable<Row>;
}

const fields = ['externalId', 'email', 'phone', 'locale', 'timezone'] as const;
/** Other names for the fields, compared in small letters without signs. */
const names: Record<(typeof fields)[number], readonly string[]> = {
  externalId: [
    'externalid',
    'id',
    'userid',
    'customerid',
    'profileid',
    'memberid',
    'contactid',
    'uid',
    'reference',
  ],
  email: ['email', 'emailaddress', 'mail', 'mailaddress'],
  phone: [
    'phone',
    'phonenumber',
    'mobile',
    'mobilephone',
    'mobilenumber',
    'tel',
    'telephone',
    'cell',
    'msisdn',
    'sms',
  ],
  locale: ['locale', 'language', 'lang', 'languagecode'],
  timezone: ['timezone', 'tz', 'zone', 'timezoneid'],
};
const plain = (text: string) => text.toLowerCase().replace(/[^\p{L}\p{N}]/gu, '');

/**
 * Says what each column becomes. Columns that nobody named and no field matches become attributes.
 * @param given from `--map`: `Column=field`, `Column=attributes.name`, `…:number`, `Column=-` to leave it out
 */
export function mapColumns(columns: readonly string[], given: readonly string[]): Mapping {
  const mapping = new Map<string, Target>();
  const taken = new Set<string>();
  const set = (column: string, target: Target) => {
    const what =
      'field' in target ? target.field : 'attribute' in target ? `attributes.${target.attribute}` : '';
    if (what && taken.has(what))
      throw new UsageError(
        `Two columns would become ${what}.`,
        `Say which: --map "${column}=-" leaves one out.`,
      );
    taken.add(what);
    mapping.set(column, target);
  };
  for (const one of given) {
    const at = one.lastIndexOf('=');
    const column =
      columns.find((name) => name === one.slice(0, at)) ??
      columns.find((name) => plain(name) === plain(one.slice(0, at)));
    if (at < 1 || column === undefined)
      throw new UsageError(`--map "${one}": the file has no such column.`, `It has ${columns.join(', ')}.`);
    set(column, targetFrom(one.slice(at + 1), one));
  }
  for (const field of fields) {
    if (taken.has(field)) continue;
    // In the order of the names: "externalId" wins over "id" when a file has both.
    const column = names[field]
      .map((name) => columns.find((c) => plain(c) === name && !mapping.has(c)))
      .find(Boolean);
    if (column !== undefined) set(column, { field });
  }
  for (const column of columns) {
    if (mapping.has(column)) continue;
    // Empty titles, and what `profiles import` itself wrote before bad rows.
    if (column.trim() === '' || column.startsWith('carillon ')) mapping.set(column, { ignored: true });
    else set(column, { attribute: column.trim().slice(0, 100), type: 'text' });
  }
  if (!taken.has('externalId'))
    throw new UsageError(
      'No column says who a row is about: one must become externalId.',
      `For example: --map "${columns[0] ?? 'Customer'}=externalId". The file has ${columns.join(', ')}.`,
    );
  return mapping;
}

function targetFrom(text: string, whole: string): Target {
  if (text === '-') return { ignored: true };
  const field = fields.find((name) => name === text);
  if (field) return { field };
  const attribute = /^attributes\.([^:]+)(?::(text|number|boolean))?$/.exec(text);
  if (attribute?.[1]) return { attribute: attribute[1], type: (attribute[2] ?? 'text') as 'text' };
  throw new UsageError(
    `--map "${whole}": a column becomes ${fields.join(', ')}, attributes.<name> or - (left out).`,
    'With a type: attributes.seats:number.',
  );
}

/**
 * Opens a file (or standard input for `-`) and reads its first line.
 * @throws UsageError when there is no header, or the mapping does not work
 */
export async function openProfiles(file: string, given: readonly string[]): Promise<ProfilesFile> {
  const size = file === '-' ? undefined : fs.statSync(file).size;
  let position = 0;
  const input = file === '-' ? process.stdin : fs.createReadStream(file);
  input.on('data', (chunk: Buffer | string) => (position += chunk.length));
  const text = decoded(input);

  // The first piece tells the separator; the parser then gets everything, that piece included.
  const first = await text.next();
  const head = first.done ? '' : first.value;
  const parser = parse({
    bom: true,
    delimiter: separatorOf(head),
    info: true,
    columns: false,
    skip_empty_lines: true,
    skip_records_with_error: true,
    relax_quotes: true,
    relax_column_count: true,
    trim: true,
    // A quote that is never closed would otherwise swallow the rest of the file into memory.
    max_record_size: 256 * 1024,
  });
  const skipped: BadRow[] = [];
  parser.on('skip', (error: CsvError) =>
    skipped.push({ line: error['lines'] as number, reason: sentence(error), cells: [] }),
  );
  const source = Readable.from(chain(head, text));
  source.on('error', (error) => parser.destroy(error));
  source.pipe(parser);

  const records = parser[Symbol.asyncIterator]() as AsyncIterator<{
    record: string[];
    info: { lines: number };
  }>;
  const header = await records.next();
  if (header.done) throw new UsageError(`${file} is empty: its first line must name the columns.`);
  const columns = header.value.record;
  const mapping = mapColumns(columns, given);
  return {
    columns,
    mapping,
    size,
    position: () => position,
    rows: rowsOf(records, columns, mapping, skipped),
  };
}

async function* rowsOf(
  records: AsyncIterator<{ record: string[]; info: { lines: number } }>,
  columns: readonly string[],
  mapping: Mapping,
  skipped: BadRow[],
): AsyncGenerator<Row> {
  const firstLine = new Map<string, number>();
  for (;;) {
    const next = await records.next();
    yield* skipped.splice(0);
    if (next.done) return;
    const { record: cells, info } = next.value;
    const row = judge(cells, info.lines, columns, mapping);
    if (!isBad(row)) {
      const { externalId } = row.profile;
      const before = firstLine.get(externalId);
      if (before !== undefined) {
        yield {
          line: row.line,
          cells,
          reason: `the id "${externalId}" is on line ${before} already; that one counts`,
        };
        continue;
      }
      firstLine.set(externalId, row.line);
    }
    yield row;
  }
}

function judge(cells: readonly string[], line: number, columns: readonly string[], mapping: Mapping): Row {
  if (cells.length !== columns.length)
    return {
      line,
      cells,
      reason: `it has ${cells.length} cells, the first line has ${columns.length}: is a separator missing, or a quote?`,
    };
  const profile: ProfileInput = { externalId: '' };
  const attributes: Record<string, string | number | boolean> = {};
  for (const [i, column] of columns.entries()) {
    const target = mapping.get(column);
    const cell = cells[i] ?? '';
    // An empty cell says nothing: it does not erase what is known.
    if (cell === '' || target === undefined || 'ignored' in target) continue;
    if ('field' in target) profile[target.field] = cell.trim();
    else {
      const value = typed(cell, target.type);
      if (value === undefined) return { line, cells, reason: `${column}: "${cell}" is not a ${target.type}` };
      attributes[target.attribute] = value;
    }
  }
  if (profile.externalId === '') {
    const column = columns.find(
      (name) =>
        'field' in (mapping.get(name) ?? {}) &&
        (mapping.get(name) as { field: string }).field === 'externalId',
    );
    return { line, cells, reason: `${column ?? 'externalId'} is empty: nothing says who it is about` };
  }
  if (Object.keys(attributes).length) profile.attributes = attributes;
  return { line, profile, cells };
}

function typed(cell: string, type: 'text' | 'number' | 'boolean'): string | number | boolean | undefined {
  if (type === 'text') return cell;
  if (type === 'number') return Number.isFinite(Number(cell)) ? Number(cell) : undefined;
  if (/^(true|yes|1)$/i.test(cell)) return true;
  return /^(false|no|0)$/i.test(cell) ? false : undefined;
}

/** UTF-8, or UTF-16 when it begins with that mark (what spreadsheets call "Unicode text"). */
async function* decoded(input: AsyncIterable<Buffer | string>): AsyncGenerator<string, void, undefined> {
  let decoder: TextDecoder | undefined;
  try {
    for await (const chunk of input) {
      const bytes = Buffer.from(chunk as Buffer);
      decoder ??= new TextDecoder(
        bytes[0] === 0xff && bytes[1] === 0xfe
          ? 'utf-16le'
          : bytes[0] === 0xfe && bytes[1] === 0xff
            ? 'utf-16be'
            : 'utf-8',
        { fatal: true },
      );
      yield decoder.decode(bytes, { stream: true });
    }
    const rest = decoder?.decode();
    if (rest) yield rest;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ERR_ENCODING_INVALID_ENCODED_DATA') throw error;
    throw new UsageError(
      'The file is neither UTF-8 nor UTF-16.',
      'Save it again as "CSV UTF-8" and import that.',
    );
  }
}

async function* chain(head: string, rest: AsyncIterable<string>): AsyncGenerator<string> {
  yield head;
  yield* rest;
}

/** Comma, semicolon, tab or bar: whichever the first line has most of, outside quotes. */
function separatorOf(head: string): string {
  const line = (head.split(/\r?\n/, 1)[0] ?? '').replace(/"[^"]*"/g, '');
  const counted = [',', ';', '\t', '|'].map((sign) => ({ sign, count: line.split(sign).length }));
  return counted.reduce((best, one) => (one.count > best.count ? one : best)).sign;
}

function sentence(error: CsvError): string {
  switch (error.code) {
    case 'CSV_QUOTE_NOT_CLOSED':
      return 'a quote is opened here and never closed';
    case 'CSV_MAX_RECORD_SIZE':
      return 'the row is longer than 256 KB: is a quote never closed?';
    default:
      return error.message;
  }
}

/** One line of CSV (RFC 4180). */
export const csvLine = (cells: readonly (string | number)[]) =>
  `${cells.map((cell) => (/[",\r\n]/.test(String(cell)) ? `"${String(cell).replaceAll('"', '""')}"` : String(cell))).join(',')}\n`;
