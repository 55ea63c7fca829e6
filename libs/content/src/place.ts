/**
 * Where in HTML the next value will stand, as far as its safety depends on it: at the start of a URL attribute, where
 * `javascript:…` is harmful although no character of it needs escaping. Follows what is written and nothing else. Called
 * by output.ts and by compiled templates, which know beforehand what their fixed text means.
 */
import { isSafeUrl } from './urls.js';

const URL_ATTRIBUTE_BEGINS =
  /[\s"'/<](?:href|src|action|formaction|xlink:href|background|poster|cite|data|longdesc)\s*=\s*["']?\s*$/i;
/** Longer than any match of the pattern above with reasonable blanks. */
export const TAIL = 48;
/** A character that no match holds: behind it, what was written before does not matter. */
const OUTSIDE_OF_MATCH = /[^a-z:\s="'/<]/i;
const ENDS_URL = /["'\s<>]/;

export class Place {
  /** What stands so far in the URL attribute being written, or undefined outside of one. */
  private url: string | undefined;

  /** @param tail the end of all that was written, at least `TAIL` long if there is as much */
  constructor(private readonly tail: () => string) {}

  /** Whether a value may be printed here. */
  takes(text: string): boolean {
    if (this.url === undefined) return true;
    return mayBeginUrl(this.url + text);
  }

  /** @param text what has just been written; not empty */
  follow(text: string): void {
    if (this.url !== undefined) {
      if (!ENDS_URL.test(text)) {
        this.url += text;
        return;
      }
      this.url = undefined;
    }
    if (mayBegin(text) && URL_ATTRIBUTE_BEGINS.test(this.tail().slice(-TAIL))) this.url = '';
  }

  followLiteral(literal: LiteralPlace): void {
    if (!literal.decides || (this.url !== undefined && !literal.ends)) return this.follow(literal.text);
    this.settle(literal);
  }

  /** Behind a fixed text that decides by itself, whatever was written before. */
  settle(literal: LiteralPlace): void {
    this.url = literal.begins ? '' : undefined;
  }
}

/** Whether a URL attribute may begin with this. */
export const mayBeginUrl = (url: string): boolean =>
  url.startsWith('https://') || url.startsWith('http://') || isSafeUrl(url);

/** What a fixed text means for the place behind it, found out once. */
export class LiteralPlace {
  /** Whether it ends a URL that was being written. */
  readonly ends: boolean;
  /** Whether it alone decides if a URL begins behind it. */
  readonly decides: boolean;
  readonly begins: boolean;

  constructor(readonly text: string) {
    this.ends = ENDS_URL.test(text);
    this.decides = text.length >= TAIL || OUTSIDE_OF_MATCH.test(text) || !mayBegin(text);
    this.begins = URL_ATTRIBUTE_BEGINS.test(text.slice(-TAIL));
  }
}

/** Whether a match of the pattern can end where this text does: from its end, blanks, a quote, blanks and an `=`. */
function mayBegin(text: string): boolean {
  let i = beforeBlanks(text, text.length - 1);
  let unit = text.charCodeAt(i);
  if (unit === 34 || unit === 39) {
    i = beforeBlanks(text, i - 1);
    unit = text.charCodeAt(i);
  }
  // Or it reaches further back.
  return i < 0 || unit === 61;
}

function beforeBlanks(text: string, i: number): number {
  while (i >= 0 && isBlank(text.charCodeAt(i))) i--;
  return i;
}

/** Whatever `\s` matches, and a few control characters more. */
const isBlank = (unit: number): boolean =>
  unit <= 32 || (unit >= 0xa0 && /\s/.test(String.fromCharCode(unit)));
