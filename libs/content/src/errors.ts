/** The one error of this library: something a template's author, or whoever supplied its data, can mend. */

export type TemplateErrorCode =
  /** The source is not valid Liquid, or uses a tag or filter that does not exist here. */
  | 'template_syntax'
  /** The data lacks something that the template prints without a default. */
  | 'missing_variable'
  /** Too long, too slow or too much memory. */
  | 'template_limit'
  /** A filter was given something it cannot work with. */
  | 'template_filter'
  /** A value would land where HTML escaping cannot make it safe. */
  | 'template_unsafe'
  /** The MJML source is not valid. */
  | 'mjml_invalid';

/** Expected, and shown to people: `message` says what is wrong and what to write instead; it never quotes data. */
export class TemplateError extends Error {
  /** Where in the source, both counted from 1; 0 when unknown. */
  readonly line: number;
  readonly column: number;
  /** The path that was missing, as Liquid writes it: `order.items[0]`. */
  readonly variable: string | undefined;
  /** JSON pointer (RFC 6901) into the data to what was missing: `/order/items/0`. */
  readonly pointer: string | undefined;

  constructor(
    readonly code: TemplateErrorCode,
    sentence: string,
    at: { line?: number; column?: number; keys?: readonly (string | number)[]; cause?: unknown } = {},
  ) {
    super(sentence, { cause: at.cause });
    this.name = 'TemplateError';
    this.line = at.line ?? 0;
    this.column = at.column ?? 0;
    this.variable = at.keys && liquidPath(at.keys);
    this.pointer = at.keys && pointerOf(at.keys);
  }

  /** The same as `message`, under the word that the API uses. */
  get sentence(): string {
    return this.message;
  }
}

/** JSON pointer of a path of keys (RFC 6901 section 3). */
export function pointerOf(path: readonly (string | number)[]): string {
  return path.map((key) => `/${String(key).replace(/~/g, '~0').replace(/\//g, '~1')}`).join('');
}

const PLAIN_KEY = /^[A-Za-z_][\w-]*$/;

/** A path of keys as Liquid writes it: `order.items[0]["odd key"]`. */
export function liquidPath(keys: readonly (string | number)[]): string {
  return keys
    .map((key, i) => {
      if (/^\d+$/.test(String(key))) return `[${key}]`;
      return PLAIN_KEY.test(String(key)) ? `${i ? '.' : ''}${key}` : `[${JSON.stringify(key)}]`;
    })
    .join('');
}
