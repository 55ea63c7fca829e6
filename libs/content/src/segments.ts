/**
 * A rendered text as what it is made of: pieces of the template, encoded once for all messages, and values, encoded once
 * for each. Nobody makes 34 kB of text to encode it again: whoever sends writes the pieces one after another.
 */
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

  /** Cut in two, the same two each time. */
  cut(at: number): [Literal, Literal] {
    if (this.parts?.at !== at) {
      this.parts = { at, parts: [new Literal(this.text.slice(0, at)), new Literal(this.text.slice(at))] };
    }
    return this.parts.parts;
  }
}

export type Segment = Literal | string;

export class Segments {
  /** @param parts values among them are well-formed UTF-16, so that each can be encoded by itself */
  constructor(readonly parts: readonly Segment[]) {}

  toString(): string {
    let text = '';
    for (const part of this.parts) text += typeof part === 'string' ? part : part.text;
    return text;
  }
  toJSON(): string {
    return this.toString();
  }

  /** No more than this in UTF-8, without looking at the values. */
  mostBytes(): number {
    let bytes = 0;
    for (const part of this.parts) bytes += typeof part === 'string' ? part.length * 3 : part.bytes.length;
    return bytes;
  }

  /** In UTF-8. */
  byteLength(): number {
    let bytes = 0;
    for (const part of this.parts)
      bytes += typeof part === 'string' ? Buffer.byteLength(part) : part.bytes.length;
    return bytes;
  }

  /**
   * Writes UTF-8 into memory that is reused, as far as three bytes per UTF-16 unit fit.
   * @returns where it ends, or -1 when the rest of the slab is too short
   */
  writeTo(slab: Buffer, at: number): number {
    for (const part of this.parts) {
      if (typeof part !== 'string') {
        const { bytes } = part;
        if (at + bytes.length > slab.length) return -1;
        slab.set(bytes, at);
        at += bytes.length;
        continue;
      }
      if (at + part.length * 3 > slab.length) return -1;
      at = part.length <= SHORT ? writeShort(part, slab, at) : at + slab.write(part, at);
    }
    return at;
  }

  toBytes(): Buffer {
    const bytes = Buffer.allocUnsafe(this.mostBytes());
    return bytes.subarray(0, this.writeTo(bytes, 0));
  }
}

/** Up to here a loop is faster than a call out of JavaScript. */
const SHORT = 80;

function writeShort(text: string, slab: Buffer, at: number): number {
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit > 127) return at + i + slab.write(i === 0 ? text : text.slice(i), at + i);
    slab[at + i] = unit;
  }
  return at + text.length;
}

/** A text that may still be in pieces. */
export type Text = string | Segments;

export const textBytes = (text: Text): number =>
  typeof text === 'string' ? Buffer.byteLength(text) : text.byteLength();
