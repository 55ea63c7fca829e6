/**
 * Which URLs may stand in content. Mail clients and browsers run a few schemes as code; those are refused everywhere,
 * while schemes of apps (`shop://order/7`) are let through, since deep links are made of them.
 */
import { Parser } from 'htmlparser2';

/** Schemes that run code, carry a document of their own, or read local files. */
const DANGEROUS = new Set(
  'javascript vbscript livescript mocha data blob file filesystem about view-source jar'.split(' '),
);
const URL_ATTRIBUTES = new Set(
  'href src action formaction xlink:href background poster cite data longdesc usemap'.split(' '),
);
/** Pictures written inline; SVG is left out because it can hold scripts. */
const INLINE_IMAGE = /^data:image\/(png|gif|jpe?g|webp|avif)[;,]/i;

/**
 * Whether a link may be followed by a click. Relative URLs are safe.
 * Control characters and blanks are dropped before reading the scheme, as browsers do (WHATWG URL, basic parser).
 */
export function isSafeUrl(url: string): boolean {
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(
    url.replace(/[\u0000-\u0020\u007f-\u00a0\u2028\u2029\ufeff]/g, ''),
  );
  return !scheme?.[1] || !DANGEROUS.has(scheme[1].toLowerCase());
}

/** Whether a rendered text is a complete http or https URL without credentials: for links of push and in-app messages. */
export function isHttpUrl(url: string): boolean {
  if (!/^https?:\/\//i.test(url) || !URL.canParse(url)) return false;
  const { username, password } = new URL(url);
  return !username && !password;
}

export interface UnsafeUrl {
  /** Lower case names, such as `a` and `href`. */
  element: string;
  attribute: string;
  url: string;
  /** Where the attribute begins and ends in the given HTML, in UTF-16 units. */
  start: number;
  end: number;
}

/** Every URL in an HTML text that may not be there, entities decoded. */
export function unsafeUrls(html: string): UnsafeUrl[] {
  const found: UnsafeUrl[] = [];
  let element = '';
  const parser = new Parser({
    onopentagname: (name) => (element = name),
    onattribute(attribute, url) {
      if (!URL_ATTRIBUTES.has(attribute.toLowerCase()) || isSafeUrl(url)) return;
      if (attribute === 'src' && element === 'img' && INLINE_IMAGE.test(url)) return;
      found.push({ element, attribute, url, start: parser.startIndex, end: parser.endIndex });
    },
  });
  parser.end(html);
  return found;
}

/** The same HTML with every unsafe URL replaced by `#`; untouched, and the same string, when there is none. */
export function withoutUnsafeUrls(html: string): string {
  return unsafeUrls(html).reduceRight(
    (text, { attribute, start, end }) => `${text.slice(0, start)}${attribute}="#"${text.slice(end)}`,
    html,
  );
}
