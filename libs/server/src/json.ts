/**
 * Parses JSON from outside: keys that could reach a prototype, text that PostgreSQL cannot hold and nesting that
 * would exhaust the stack are refused with a pointer, before any schema sees them (S15).
 */
import type { ProblemError } from '@carillon/contracts';
import { isUtf8 } from 'node:buffer';
import { ProblemException } from './problem.js';

const MAX_DEPTH = 64;
const dangerousKey = /(^|\.)(__proto__|constructor|prototype)(\.|$)/;
// NUL, and halves of surrogate pairs: neither can be stored as text.
const unstorable = /\0|\p{Surrogate}/u;

/** A segment of a JSON pointer (RFC 6901 §3). */
export const pointerSegment = (key: string | number): string =>
  `/${String(key).replaceAll('~', '~0').replaceAll('/', '~1')}`;

/** @throws ProblemException malformed_json (400) or invalid_request (422) */
export function parseJson(bytes: Uint8Array): unknown {
  if (bytes[0] === 0x1f && bytes[1] === 0x8b)
    throw new ProblemException(
      'malformed_json',
      'The body is compressed: send the JSON as it is, without Content-Encoding.',
    );
  if (!isUtf8(bytes)) throw new ProblemException('malformed_json', 'The body is not UTF-8.');
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder().decode(bytes));
  } catch (error) {
    throw new ProblemException('malformed_json', malformed(error), { cause: error });
  }
  const fault = faultIn(value);
  if (fault) throw new ProblemException('invalid_request', fault.message, { errors: [fault] });
  return value;
}

/** V8's sentence names the place but may quote the body; only the place is passed on. */
function malformed(error: unknown): string {
  const place = /position (\d+)(?: \(line (\d+) column (\d+)\))?/.exec(
    error instanceof Error ? error.message : '',
  );
  if (!place) return 'The body is not complete JSON.';
  return `The body is not JSON: it goes wrong at ${place[2] ? `line ${place[2]}, column ${place[3]}` : `character ${place[1]}`}.`;
}

/** What in this value must not go any further, if anything. Iterative: depth is bounded by us, not by the stack. */
export function faultIn(root: unknown): ProblemError | undefined {
  const open: Place[] = [{ value: root, key: '', parent: null, depth: 0 }];
  for (let item = open.pop(); item; item = open.pop()) {
    const { value, depth } = item;
    if (typeof value === 'string' && unstorable.test(value))
      return {
        pointer: pointerTo(item),
        code: 'invalid_text',
        message: 'This text holds a NUL character or half of a surrogate pair: remove it.',
      };
    if (typeof value !== 'object' || value === null) continue;
    if (depth >= MAX_DEPTH)
      return {
        pointer: pointerTo(item),
        code: 'too_deep',
        message: `Nested deeper than ${MAX_DEPTH} levels: flatten it.`,
      };
    for (const key of Object.keys(value)) {
      const child = (value as Record<string, unknown>)[key];
      if (!Array.isArray(value)) {
        if (dangerousKey.test(key))
          return {
            pointer: pointerTo(item) + pointerSegment(key),
            code: 'forbidden_key',
            message: `The key ${JSON.stringify(key)} is not allowed: choose another name.`,
          };
        if (unstorable.test(key))
          return {
            pointer: pointerTo(item) + pointerSegment(key),
            code: 'invalid_text',
            message: 'This key holds a NUL character or half of a surrogate pair: remove it.',
          };
      }
      if (typeof child === 'string' || (typeof child === 'object' && child !== null))
        open.push({ value: child, key, parent: item, depth: depth + 1 });
    }
  }
  return undefined;
}

interface Place {
  value: unknown;
  key: string;
  parent: Place | null;
  depth: number;
}
/** Written out only for what is at fault. */
function pointerTo(place: Place): string {
  let pointer = '';
  for (let p: Place = place; p.parent; p = p.parent) pointer = pointerSegment(p.key) + pointer;
  return pointer;
}
