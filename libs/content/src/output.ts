/**
 * Where rendered text goes: bounded, and in HTML aware of one thing that escaping alone cannot know, namely that a value
 * stands at the start of a URL attribute. There `javascript:…` is harmful although no character of it needs escaping.
 * Reads the text it is given and nothing else, so that it costs next to nothing per value. Called by engine.ts only.
 */
import { Drop, toValue } from 'liquidjs';
import { isSafeUrl } from './urls.js';

const URL_ATTRIBUTE_BEGINS =
  /[\s"'/<](?:href|src|action|formaction|xlink:href|background|poster|cite|data|longdesc)\s*=\s*["']?\s*$/i;
/** Longer than any match of the pattern above with reasonable blanks. */
const TAIL = 48;

/** Thrown when a text grows beyond its limit; engine.ts turns it into a TemplateError. */
export class OutputTooLong extends Error {}

export class BoundedOutput {
  /** liquidjs' name for what was written so far. */
  buffer = '';
  private tail = '';
  /** What stands so far in the URL attribute being written, or undefined outside of one. */
  private url: string | undefined;

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
    if (this.html) this.follow(text);
  }

  /** Escapes a value for the place it is about to be printed at. */
  escape(value: unknown): string {
    const text = printed(value);
    if (this.url !== undefined && !isSafeUrl(this.url + text)) return '#';
    return ESCAPABLE.test(text) ? text.replace(/[&<>"']/g, (c) => ENTITIES[c] as string) : text;
  }

  private follow(text: string): void {
    if (this.url !== undefined) {
      const end = text.search(/["'\s<>]/);
      if (end === -1) {
        this.url += text;
        return;
      }
      this.url = undefined;
    }
    this.tail = text.length >= TAIL ? text.slice(-TAIL) : (this.tail + text).slice(-TAIL);
    if (URL_ATTRIBUTE_BEGINS.test(this.tail)) this.url = '';
  }
}

const ESCAPABLE = /[&<>"']/;
const ENTITIES: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&#34;',
  "'": '&#39;',
};

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
