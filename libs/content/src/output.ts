/**
 * Where liquidjs writes to: bounded, and in HTML aware of the place where a value is printed (place.ts). How Liquid prints
 * and escapes a value. Called by engine.ts and, for the latter, by compiled templates.
 */
import { Drop, toValue } from 'liquidjs';
import { Place, TAIL } from './place.js';

/** Thrown when a text grows beyond its limit; engine.ts turns it into a TemplateError. */
export class OutputTooLong extends Error {}

export class BoundedOutput {
  /** liquidjs' name for what was written so far. */
  buffer = '';
  private tail = '';
  private readonly place = new Place(() => this.tail);

  constructor(
    private readonly limit: number,
    private readonly html: boolean,
  ) {}

  /** Called by liquidjs for every piece, static or not. */
  write(piece: unknown): void {
    const text = typeof piece === 'string' ? piece : printed(piece);
    if (text === '') return;
    if (this.buffer.length + text.length > this.limit) throw new OutputTooLong();
    this.buffer += text;
    if (!this.html) return;
    this.tail = text.length >= TAIL ? text : (this.tail + text).slice(-TAIL);
    this.place.follow(text);
  }

  /** Escapes a value for the place it is about to be printed at. */
  escape(value: unknown): string {
    const text = printed(value);
    return this.place.takes(text) ? escapeHtml(text) : '#';
  }
}

/** By character and not by pattern: most values are short and have nothing to escape. */
export function escapeHtml(text: string): string {
  let escaped = '';
  let from = 0;
  for (let i = 0; i < text.length; i++) {
    const entity = entityOf(text.charCodeAt(i));
    if (entity === undefined) continue;
    escaped += text.slice(from, i) + entity;
    from = i + 1;
  }
  return from === 0 ? text : escaped + text.slice(from);
}

/** Characters of the longest of them. */
export const LONGEST_ENTITY = 5;

/** What a character is written as in HTML, or undefined when it stands for itself. */
export function entityOf(unit: number): string | undefined {
  // Blanks, digits and what stands in addresses: most of what comes here.
  if (unit > 62 || unit < 34 || (unit > 39 && unit < 60)) return undefined;
  switch (unit) {
    case 38:
      return '&amp;';
    case 60:
      return '&lt;';
    case 62:
      return '&gt;';
    case 34:
      return '&#34;';
    case 39:
      return '&#39;';
    default:
      return undefined;
  }
}

/** How Liquid prints a value: nothing for null and undefined, lists joined, objects by their string form. */
export function printed(value: unknown): string {
  if (typeof value === 'string') return value;
  if (value === null || value === undefined) return '';
  if (Array.isArray(value)) return value.map(printed).join('');
  if (typeof value !== 'object') return String(value);
  // liquidjs' own stand-ins, such as `nil`, `empty` and `forloop`.
  if (value instanceof Drop) {
    const plain: unknown = toValue(value);
    return plain === value ? '' : printed(plain);
  }
  // Data has no behaviour: an object's own toString, if someone sent one, is never called.
  return value instanceof Date ? value.toISOString() : '[object]';
}
