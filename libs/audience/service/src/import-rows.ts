/**
 * The rows of an import's text: how the file is to be read (found out from its beginning), and each row as what would be
 * stored, or as the reason why it cannot be. Writes nothing; used by the worker and by the preview.
 */
import {
  CsvRecords,
  delimiterOf,
  headingList,
  isReserved,
  looksLikeJsonLines,
  mappingErrors,
  MOST_RECORD_BYTES,
  RecordTooLong,
  rowReader,
  suggestMapping,
  type RowMapping,
  type RowResult,
} from '@carillon/audience-rules';
import {
  ProfileUpsert,
  suppressionReasons,
  type Import,
  type ImportMapping,
  type SuppressionReason,
} from '@carillon/contracts';
import { errorsOf } from '@carillon/server';
import { UnreadableFile } from './import-text.js';
import type { ImportOptions } from './imports.js';
import { blockedAddress } from './suppression.js';

export interface SuppressionRow {
  channel: 'email' | 'sms';
  address: string;
  reason: SuppressionReason;
}
export type ImportedRow<T = ProfileUpsert | SuppressionRow> =
  | { line: number; end: number; value: T; cells: string[] }
  | { line: number; end: number; value: null; reason: string; cells: string[] };

/** How a file is read. */
export interface Layout {
  format: 'csv' | 'jsonl';
  delimiter: string | null;
  headings: string[];
  /** Null where no column says who a row is about. */
  mapping: ImportMapping | null;
}

const MOST_COLUMNS = 500;
/** A piece of the file may hold ten thousand rows: they are cut as they are taken. */
const ROWS_AT_ONCE = 250;

/** @param head the beginning of the text @throws UnreadableFile when it is nothing that could be read */
export function layoutOf(head: Buffer, kind: Import['kind'], options: ImportOptions): Layout {
  const text = head.toString('utf8', 0, 262_144);
  const format = options.format ?? (looksLikeJsonLines(text) ? 'jsonl' : 'csv');
  if (text.trim() === '') throw new UnreadableFile('The file is empty.');
  if (format === 'jsonl') return { format, delimiter: null, headings: [], mapping: null };
  const delimiter = options.delimiter ?? delimiterOf(text);
  const records = new CsvRecords(delimiter);
  const [first] = [...records.feed(head), ...records.finish()];
  const headings = (first?.cells ?? []).map((cell) => cell.trim());
  if (headings.length > MOST_COLUMNS)
    throw new UnreadableFile(
      `The first line has ${headings.length} cells: a file has at most ${MOST_COLUMNS} columns.`,
    );
  return { format, delimiter, headings, mapping: mappingFor(headings, kind, options) };
}

function mappingFor(headings: string[], kind: Import['kind'], options: ImportOptions): ImportMapping | null {
  const given = options.mapping;
  if (kind === 'suppressions') {
    const find = (pattern: RegExp) =>
      headings.find((h) => pattern.test(h.toLowerCase().replace(/[\s_-]/g, '')));
    const address =
      given?.address ?? find(/^(e?mail|emailaddress|address|phone|phonenumber|mobile|msisdn|domain)$/);
    const reason = given?.reason ?? find(/^(reason|why)$/);
    return address === undefined ? null : { address, ...(reason !== undefined && { reason }) };
  }
  if (given?.externalId !== undefined) return given;
  const suggested = suggestMapping(headings);
  if (!suggested) return null;
  const { attributes, ...fields } = suggested;
  return {
    ...fields,
    ...(options.unknownColumns === 'attributes' && attributes && { attributes }),
    ...given,
  };
}

/** Why a file of this layout cannot be taken; null when it can. */
export function faultOf(layout: Layout, kind: Import['kind']): string | null {
  if (layout.format === 'jsonl') return null;
  const { mapping, headings } = layout;
  const twice = headings.find((h, i) => h !== '' && headings.indexOf(h) !== i);
  if (twice !== undefined) return `Two columns are called "${headingList([twice])}": give each its own name.`;
  if (!mapping)
    return kind === 'profiles'
      ? `No column says who a row is about: map one to externalId. The file has: ${headingList(headings)}.`
      : `No column holds the address: map one to address. The file has: ${headingList(headings)}.`;
  const wanted =
    kind === 'profiles'
      ? mappingErrors(headings, rowMapping(mapping)).map((e) => e.sentence)
      : [mapping.address, mapping.reason].flatMap((c) =>
          c === undefined || headings.includes(c)
            ? []
            : [`The file has no column "${c}". It has: ${headingList(headings)}.`],
        );
  return wanted[0] ?? null;
}

const rowMapping = ({ address: _, reason: __, externalId = '', ...rest }: ImportMapping): RowMapping =>
  JSON.parse(JSON.stringify({ externalId, ...rest })) as RowMapping;

/**
 * Every row, in order.
 * @param from where to go on: bytes of text and lines that are done; 0 for the beginning
 * @throws UnreadableFile
 */
export async function* importRows(
  pieces: AsyncIterable<Buffer>,
  layout: Layout,
  kind: Import['kind'],
  from: { cursor: number; line: number },
): AsyncGenerator<ImportedRow[]> {
  const cutter =
    layout.format === 'csv'
      ? new CsvRecords(layout.delimiter ?? ',', { end: from.cursor, line: from.line + 1 })
      : new JsonLines({ end: from.cursor, line: from.line + 1 });
  const read = readerFor(layout, kind);
  let skip = from.cursor;
  let heading = layout.format === 'csv' && from.cursor === 0;
  const rowsOf = function* (records: Iterable<{ cells: string[]; line: number; end: number }>) {
    let rows: ImportedRow[] = [];
    for (const { cells, line, end } of records)
      if (heading) heading = false;
      else if (rows.push(read(cells, line, end)) === ROWS_AT_ONCE) {
        yield rows;
        rows = [];
      }
    if (rows.length > 0) yield rows;
  };
  try {
    for await (const piece of pieces) {
      if (skip >= piece.length) {
        skip -= piece.length;
        continue;
      }
      yield* rowsOf(cutter.feed(skip > 0 ? piece.subarray(skip) : piece));
      skip = 0;
    }
    yield* rowsOf(cutter.finish());
  } catch (error) {
    if (error instanceof RecordTooLong) throw new UnreadableFile(error.message);
    throw error;
  }
}

function readerFor(
  layout: Layout,
  kind: Import['kind'],
): (cells: string[], line: number, end: number) => ImportedRow {
  const result =
    (read: (cells: string[]) => RowResult | { ok: true; value: SuppressionRow }) =>
    (cells: string[], line: number, end: number): ImportedRow => {
      const row = read(cells);
      if (row.ok) return { line, end, cells, value: 'profile' in row ? row.profile : row.value };
      const reason = row.errors.map((e) => (e.column ? `${e.column}: ${e.sentence}` : e.sentence)).join(' ');
      return { line, end, cells, value: null, reason };
    };
  if (layout.format === 'jsonl')
    return result(kind === 'profiles' ? profileFromJson : ([text = '']) => suppressionFrom(fieldsOf(text)));
  const mapping = layout.mapping ?? {};
  if (kind === 'profiles') return result(rowReader(layout.headings, rowMapping(mapping)));
  const [address, reason] = [mapping.address, mapping.reason].map((c) =>
    c === undefined ? -1 : layout.headings.indexOf(c),
  );
  return result((cells) => suppressionFrom({ address: cells[address ?? -1], reason: cells[reason ?? -1] }));
}

const bad = (sentence: string, column = '', code = 'value'): RowResult => ({
  ok: false,
  errors: [{ column, field: column, code, sentence }],
});

function profileFromJson([text = '']: string[]): RowResult {
  const given = fieldsOf(text);
  if (given === null)
    return bad('The line is not a JSON object such as {"externalId": "ada", "email": "ada@example.com"}.');
  // An export says when it was made: nobody sets that.
  delete given['createdAt'];
  const read = ProfileUpsert.safeParse(given);
  if (!read.success) {
    const errors = errorsOf(ProfileUpsert, given, read.error);
    return {
      ok: false,
      errors: errors.map((e) => ({
        column: e.pointer.slice(1),
        field: e.pointer.slice(1),
        code: e.code,
        sentence: e.message,
      })),
    };
  }
  if (text.includes('\\u0000') || text.includes('\ufffd'))
    return bad('The line holds a NUL character, or bytes that are not UTF-8.');
  const keys = Object.keys((given as { attributes?: object }).attributes ?? {});
  const reserved = keys.find(isReserved);
  if (reserved) return bad('This attribute name is reserved: choose another one.', `attributes.${reserved}`);
  return { ok: true, profile: read.data };
}

function fieldsOf(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : null;
  } catch {
    // Not JSON: the caller says so, by line.
    return null;
  }
}

function suppressionFrom(
  fields: Record<string, unknown> | null,
): RowResult | { ok: true; value: SuppressionRow } {
  const address = fields?.['address'] ?? fields?.['email'] ?? fields?.['phone'];
  const reason = fields?.['reason'];
  if (typeof address !== 'string') return bad('There is no address on this line.');
  const text = address.trim().replace(/^'(?=[=+\-@])/, '');
  const channel = /^\+?[\d\s().-]+$/.test(text) ? 'sms' : 'email';
  const checked = blockedAddress(channel, text);
  if (!checked.ok) return bad(checked.sentence, 'address', checked.code);
  const known = suppressionReasons.find((name) => name === reason);
  if (typeof reason === 'string' && reason.trim() !== '' && !known)
    return bad(`Write one of ${suppressionReasons.join(', ')}.`, 'reason');
  return { ok: true, value: { channel, address: checked.value, reason: known ?? 'suppressed_manually' } };
}

/** Lines, as the records of JSONL: one cell each. */
class JsonLines {
  private rest: Buffer = Buffer.alloc(0);
  constructor(private at: { end: number; line: number }) {}

  *feed(piece: Buffer): Generator<{ cells: string[]; line: number; end: number }> {
    const bytes = this.rest.length > 0 ? Buffer.concat([this.rest, piece]) : piece;
    let from = 0;
    for (let stop = bytes.indexOf(0x0a); stop !== -1; stop = bytes.indexOf(0x0a, from)) {
      const text = bytes.toString('utf8', from, stop).trim();
      this.at = { end: this.at.end + stop + 1 - from, line: this.at.line + 1 };
      if (text !== '') yield { cells: [text], line: this.at.line - 1, end: this.at.end };
      from = stop + 1;
    }
    this.rest = bytes.subarray(from);
    if (this.rest.length > MOST_RECORD_BYTES) throw new RecordTooLong(this.at.line);
  }

  *finish(): Generator<{ cells: string[]; line: number; end: number }> {
    if (this.rest.length > 0) yield* this.feed(Buffer.from('\n'));
  }
}
