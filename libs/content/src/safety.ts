/**
 * Small checks on what comes from outside, shared by the API and the channels: text that becomes a header, and JSON whose
 * keys could reach a prototype.
 */
import { pointerOf } from './errors.js';

/** A header field must stay one line: CR, LF and NUL would start another one (RFC 5322 section 2.2). */
export function isHeaderSafe(value: string): boolean {
  return !/[\r\n\u0000]/.test(value);
}

/** A header that would have become two. The text is not quoted: it may be personal. */
export class HeaderUnsafe extends Error {
  constructor(readonly header: string) {
    super(`The ${header} holds a line break or NUL. Write it on one line.`);
    this.name = 'HeaderUnsafe';
  }
}

/**
 * Returns the value if it may become a header.
 * @param header how to call the field in the sentence, for example `subject`
 * @throws HeaderUnsafe
 */
export function assertHeaderSafe(value: string, header = 'header'): string {
  if (!isHeaderSafe(value)) throw new HeaderUnsafe(header);
  return value;
}

const DANGEROUS_KEYS = new Set(['__proto__', 'constructor', 'prototype']);

/**
 * JSON pointers (RFC 6901) of keys that could reach a prototype, also as a part of a dotted key: `a.__proto__.b`.
 * Empty when the value is harmless. Iterative, since the depth of JSON from outside is not ours to choose.
 */
export function rejectDangerousKeys(json: unknown): string[] {
  const found: string[] = [];
  const open: { value: unknown; path: string }[] = [{ value: json, path: '' }];
  for (let next = open.pop(); next; next = open.pop()) {
    const { value, path } = next;
    if (value === null || typeof value !== 'object') continue;
    for (const key of Object.keys(value)) {
      const here = path + pointerOf([key]);
      if (key.split('.').some((part) => DANGEROUS_KEYS.has(part))) found.push(here);
      const child = Object.getOwnPropertyDescriptor(value, key)?.value as unknown;
      if (typeof child === 'object') open.push({ value: child, path: here });
    }
  }
  return found.sort();
}
