/**
 * A rendered text as what it is made of: pieces of the template, encoded once for all messages, and values, encoded once
 * for each. Nobody makes 34 kB of text to encode it again: whoever sends writes the pieces one after another.
 */
import { entityOf, escapeHtml, LONGEST_ENTITY } from './output.js';
import { LiteralPlace } from './place.js';

/** Fixed text of a template. */
export class Literal {
  readonly bytes: Buffer;
  readonly place: LiteralPlace;
  /** Kept by whoever sends it: the same text as the channel's wire wants it. */
  wire: Uint8Array | undefined;
  private parts: { at: number; parts: [Literal, Literal] } | undefined;

  constructor(readonly text: string) {
    this.bytes = Buffer.from(text);
    this.place = new LiteralPlace(text);
  }

  toString(): string {
    return this.text;
  }

  /** Cut in two, the same two each time. */
  cut(at: number): [Literal, Literal] {
    if (this.parts?.at !== at) {
      this.parts = { at, parts: [new Literal(this.text.slice(0, at)), new Literal(this.text.slice(at))] };
    }
    return this.parts.parts;
  }
}

/** A value that is escaped for HTML while it is written: that takes half the time of escaping first. */
export class Escaped {
  /** @param text as the data holds it */
  constructor(readonly text: string) {}

  toString(): string {
    return escapeHtml(this.text);
  }
}

/** A string is written as it is. */
export type Segment = Literal | Escaped | string;

export class Segments {
  /**
   * @param parts values among them are well-formed UTF-16, so that each can be encoded by itself
   * @param most bytes that they take at most, if the caller has counted
   */
  constructor(
    readonly parts: readonly Segment[],
    private readonly most?: number,
  ) {}

  toString(): string {
    let text = '';
    for (const part of this.parts) text += typeof part === 'string' ? part : part.toString();
    return text;
  }
  toJSON(): string {
    return this.toString();
  }

  /** No more than this in UTF-8, without looking at the values. */
  mostBytes(): number {
    if (this.most !== undefined) return this.most;
    let bytes = 0;
    for (const part of this.parts) bytes += part instanceof Literal ? part.bytes.length : mostOf(part);
    return bytes;
  }

  /** In UTF-8. */
  byteLength(): number {
    let bytes = 0;
    for (const part of this.parts)
      bytes += part instanceof Literal ? part.bytes.length : Buffer.byteLength(part.toString());
    return bytes;
  }

  /**
   * Writes UTF-8 into memory that is reused, as far as what a value could take at most fits.
   * @returns where it ends, or -1 when the rest of the slab is too short
   */
  writeTo(slab: Buffer, at: number): number {
    for (const part of this.parts) {
      if (part instanceof Literal) {
        const { bytes } = part;
        if (at + bytes.length > slab.length) return -1;
        slab.set(bytes, at);
        at += bytes.length;
        continue;
      }
      if (at + mostOf(part) > slab.length) return -1;
      if (typeof part !== 'string') at = written(part.text, true, slab, at);
      else at = part.length <= SHORT ? written(part, false, slab, at) : at + slab.write(part, at);
    }
    return at;
  }

  toBytes(): Buffer {
    const bytes = Buffer.allocUnsafe(this.mostBytes());
    return bytes.subarray(0, this.writeTo(bytes, 0));
  }
}

const mostOf = (value: string | Escaped): number =>
  typeof value === 'string' ? value.length * 3 : value.text.length * LONGEST_ENTITY;

/** Up to here a loop is faster than a call out of JavaScript. */
const SHORT = 80;

/** UTF-8, escaped for HTML or not, in one pass. */
function written(text: string, html: boolean, slab: Buffer, at: number): number {
  const start = at;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 128) {
      const entity = html ? entityOf(unit) : undefined;
      if (entity === undefined) slab[at++] = unit;
      else for (let e = 0; e < entity.length; e++) slab[at++] = entity.charCodeAt(e);
    } else if (unit < 0x800) {
      slab[at++] = 0xc0 | (unit >> 6);
      slab[at++] = 0x80 | (unit & 0x3f);
    } else if (unit >= 0xd800 && unit < 0xe000) {
      // Two units for one character: rare enough to begin anew.
      return start + slab.write(html ? escapeHtml(text) : text, start);
    } else {
      slab[at++] = 0xe0 | (unit >> 12);
      slab[at++] = 0x80 | ((unit >> 6) & 0x3f);
      slab[at++] = 0x80 | (unit & 0x3f);
    }
  }
  return at;
}

/** A text that may still be in pieces. */
export type Text = string | Segments;

export const textBytes = (text: Text): number =>
  typeof text === 'string' ? Buffer.byteLength(text) : text.byteLength();
