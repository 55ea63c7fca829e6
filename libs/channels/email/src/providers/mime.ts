/**
 * A mail as bytes on the wire, without making it anew for each reader: what the template says is encoded once and kept
 * with it (`Literal.wire`), values are encoded as they are written. Everything is quoted-printable: any server takes it
 * (no 8BITMIME needed, no line too long, no line that is only a dot), nothing is encoded again on the way, and no text can
 * look like a boundary. Mails with attachments are composed by nodemailer and only made fit for the wire here. Pure.
 */
import { entityOf, Escaped, Literal, type Text } from '@carillon/content';
import type { Mailbox } from '../mailbox.js';
import type { DkimSigner } from './dkim.js';

/** A mail that can be written into memory that is used again for the next one. */
export interface WireMail {
  /** No more bytes than this. */
  bound: number;
  /** Writes it with its final dot. @returns where it ends */
  write(slab: Buffer, at: number): number;
  /** To be awaited between writing and sending: fills in what depends on all the rest. */
  seal?(slab: Buffer, at: number, end: number): Promise<void>;
}

const CRLF = '\r\n';
/** Cannot appear in quoted-printable text, where `=` is always followed by two digits or the end of the line. */
const BOUNDARY = '=_carillon';
const partHead = (type: 'plain' | 'html') =>
  `Content-Type: text/${type}; charset=utf-8${CRLF}Content-Transfer-Encoding: quoted-printable${CRLF}${CRLF}`;
const fixed = (text: string) => Buffer.from(text, 'latin1');
const FIRST_PART = fixed(
  `Content-Type: multipart/alternative; boundary="${BOUNDARY}"${CRLF}${CRLF}--${BOUNDARY}${CRLF}${partHead('plain')}`,
);
const SECOND_PART = fixed(`${CRLF}--${BOUNDARY}${CRLF}${partHead('html')}`);
const LAST = fixed(`${CRLF}--${BOUNDARY}--${CRLF}.${CRLF}`);
const ONLY_PART = fixed(partHead('plain'));
const END = fixed(`${CRLF}.${CRLF}`);

/**
 * Text and, if there is one, HTML.
 * @param header complete lines, made with `headerLine` and its like
 */
export function writtenMail(header: string, text: Text, html: Text | null, dkim?: DkimSigner): WireMail {
  const [before, between, after] =
    html === null ? [ONLY_PART, undefined, END] : [FIRST_PART, SECOND_PART, LAST];
  const headerEnd = before.indexOf(BLANK_LINE);
  const signature = dkim?.open(header + before.toString('latin1', 0, headerEnd + CRLF.length));
  const room = signature?.length ?? 0;
  let bodyAt = 0;
  return {
    bound: room + header.length * 3 + most(text) + (html === null ? 0 : most(html)) + 1000,
    write(slab, at) {
      // Of Latin-1 there are only addresses (SMTPUTF8) that are not ASCII: UTF-8 suits both.
      at += room;
      at += slab.write(header, at);
      bodyAt = at + headerEnd + BLANK_LINE.length;
      at = put(before, slab, at);
      at = writeText(text, slab, at);
      if (html !== null && between) at = writeText(html, slab, put(between, slab, at));
      return put(after, slab, at);
    },
    ...(signature && {
      async seal(slab, at, end) {
        slab.write(await signature.make(slab.subarray(bodyAt, end - FINAL_DOT.length)), at, 'latin1');
      },
    }),
  };
}
const BLANK_LINE = CRLF + CRLF;
const FINAL_DOT = `.${CRLF}`;

/** A message composed elsewhere: line ends made CRLF, dots at the start of lines doubled (RFC 5321 section 4.5.2). */
export async function rawMail(message: Buffer, dkim?: DkimSigner): Promise<WireMail> {
  let text = message.toString('latin1').replace(/\r?\n|\r/g, CRLF);
  if (!text.endsWith(CRLF)) text += CRLF;
  if (dkim) {
    const bodyAt = text.indexOf(BLANK_LINE) + BLANK_LINE.length;
    const header = Buffer.from(text.slice(0, bodyAt - CRLF.length), 'latin1').toString();
    text = (await dkim.open(header).make(Buffer.from(text.slice(bodyAt), 'latin1'))) + text;
  }
  const bytes = Buffer.from(text.replace(/^\./gm, '..') + FINAL_DOT, 'latin1');
  return { bound: bytes.length, write: (slab, at) => put(bytes, slab, at) };
}

function put(bytes: Uint8Array, slab: Buffer, at: number): number {
  slab.set(bytes, at);
  return at + bytes.length;
}

/** Three characters for each byte, a line break for every 75, one before. An entity is no longer than that. */
const mostOf = (text: string): number => text.length * 10 + 6;
function most(text: Text): number {
  if (typeof text === 'string') return mostOf(text);
  let bound = 0;
  for (const part of text.parts) {
    if (part instanceof Literal) bound += wireOf(part).length + 3;
    else bound += mostOf(part instanceof Escaped ? part.text : part);
  }
  return bound;
}

function writeText(text: Text, slab: Buffer, at: number): number {
  if (typeof text === 'string') return quoted(text, slab, at);
  const start = at;
  for (const part of text.parts) {
    // Each piece is encoded for the start of a line, so that it is the same wherever it stands: a soft break before it.
    if (at > start && !(slab[at - 1] === 10 && slab[at - 2] === 13)) {
      slab[at] = 61;
      slab[at + 1] = 13;
      slab[at + 2] = 10;
      at += 3;
    }
    if (part instanceof Literal) at = put(wireOf(part), slab, at);
    else if (typeof part === 'string') at = quoted(part, slab, at);
    else at = quotedEscaped(part, slab, at);
  }
  return at;
}

function wireOf(literal: Literal): Uint8Array {
  if (!literal.wire) {
    const bytes = Buffer.allocUnsafe(mostOf(literal.text));
    literal.wire = Buffer.from(bytes.subarray(0, quoted(literal.text, bytes, 0)));
  }
  return literal.wire;
}

const LINE = 75;
const HEX = Buffer.from('0123456789ABCDEF');

/** Quoted-printable (RFC 2045 section 6.7) from the start of a line. */
export function quoted(text: string, slab: Buffer, at: number): number {
  const end = oneLine(text, false, slab, at);
  return end === -1 ? manyLines(text, slab, at) : end;
}

function quotedEscaped(value: Escaped, slab: Buffer, at: number): number {
  const end = oneLine(value.text, true, slab, at);
  return end === -1 ? manyLines(value.toString(), slab, at) : end;
}

/**
 * Nearly all values: they fit on a line and are written in one pass, escaped for HTML or not.
 * @returns -1 for all others, whatever was written
 */
function oneLine(text: string, html: boolean, slab: Buffer, at: number): number {
  const { length } = text;
  if (length === 0 || length > LINE || text.charCodeAt(0) === 46) return -1;
  const written = html ? IN_HTML : IN_TEXT;
  const end = at + LINE;
  let unit = 0;
  for (let i = 0; i < length; i++) {
    unit = text.charCodeAt(i);
    if (unit < 128) {
      const longer = written[unit];
      if (longer === undefined) {
        slab[at++] = unit;
        continue;
      }
      if (longer === null) return -1;
      for (let e = 0; e < longer.length; e++) slab[at++] = longer[e] as number;
    } else if (unit >= 0xd800 && unit < 0xe000) return -1;
    else {
      if (unit < 0x800) at = hex(0xc0 | (unit >> 6), slab, at);
      else {
        at = hex(0xe0 | (unit >> 12), slab, at);
        at = hex(0x80 | ((unit >> 6) & 0x3f), slab, at);
      }
      at = hex(0x80 | (unit & 0x3f), slab, at);
    }
    if (at > end) return -1;
  }
  // A blank at the end of a line would be lost.
  return unit === 32 || at > end ? -1 : at;
}

/** By ASCII character: what it is written as, undefined when as itself, null when not on one line. */
const IN_TEXT = asciiWritten(() => undefined);
const IN_HTML = asciiWritten(entityOf);
function asciiWritten(entityOf: (unit: number) => string | undefined): (Uint8Array | null | undefined)[] {
  return Array.from({ length: 128 }, (_, unit) => {
    if (unit < 32 || unit === 127) return null;
    const entity = entityOf(unit) ?? (unit === 61 ? '=3D' : undefined);
    return entity === undefined ? undefined : fixed(entity);
  });
}

function hex(byte: number, slab: Buffer, at: number): number {
  slab[at] = 61;
  slab[at + 1] = HEX[byte >> 4] as number;
  slab[at + 2] = HEX[byte & 15] as number;
  return at + 3;
}

function manyLines(text: string, slab: Buffer, at: number): number {
  const bytes = Buffer.from(text);
  const { length } = bytes;
  let column = 0;
  for (let i = 0; i < length; i++) {
    const byte = bytes[i] as number;
    if (byte === 10 || byte === 13) {
      if (byte === 13 && bytes[i + 1] === 10) i++;
      slab[at++] = 13;
      slab[at++] = 10;
      column = 0;
      continue;
    }
    const next = bytes[i + 1];
    let plain = byte > 32 && byte < 127 && byte !== 61;
    // A blank at the end of a line would be lost, and what follows this text is not known here.
    if (byte === 32 || byte === 9) plain = next !== undefined && next !== 10 && next !== 13;
    if (column + (plain ? 1 : 3) > LINE) {
      slab[at++] = 61;
      slab[at++] = 13;
      slab[at++] = 10;
      column = 0;
    }
    if (plain && !(byte === 46 && column === 0)) {
      slab[at++] = byte;
      column++;
      continue;
    }
    at = hex(byte, slab, at);
    column += 3;
  }
  return at;
}

/** A header line from text of any language (RFC 2047). Whatever it holds, it stays one header. */
export const headerLine = (name: string, text: string): string =>
  `${name}: ${worded(text, name.length + 2)}${CRLF}`;

/** Header lines of one or more addresses are made of this. @param domain already in ASCII */
export function addressOf({ name, address }: Mailbox): string {
  if (name === '') return address;
  if (/^[A-Za-z0-9 !#$%&'*+/=?^_`{|}~-]+$/.test(name) && !name.includes('=?')) return `${name} <${address}>`;
  const words =
    PRINTABLE.test(name) && !name.includes('=?') ? `"${name.replace(/["\\]/g, '\\$&')}"` : encoded(name);
  return `${words} <${address}>`;
}

const PRINTABLE = /^[\x20-\x7e]*$/;
const SHORT_LINE = 76;
/** RFC 5322 section 2.1.1: a line may be longer than it should be, never longer than it must be. */
const LONG_WORD = 900;

function worded(text: string, used: number): string {
  if (!PRINTABLE.test(text) || text.includes('=?')) return encoded(text);
  if (used + text.length <= SHORT_LINE) return text;
  let line = used;
  let folded = '';
  for (const word of text.split(/(?= )/)) {
    if (word.length > LONG_WORD) return encoded(text);
    if (folded !== '' && line + word.length > SHORT_LINE && word.trim() !== '') {
      folded += CRLF;
      line = 0;
    }
    folded += word;
    line += word.length;
  }
  return folded;
}

/** Encoded words of at most 75 characters, cut between characters. */
function encoded(text: string): string {
  const words: string[] = [];
  let chunk = '';
  let bytes = 0;
  const close = () => words.push(`=?UTF-8?B?${Buffer.from(chunk).toString('base64')}?=`);
  for (const character of text) {
    const size = Buffer.byteLength(character);
    if (bytes + size > 42) {
      close();
      chunk = '';
      bytes = 0;
    }
    chunk += character;
    bytes += size;
  }
  close();
  return words.join(`${CRLF} `);
}
