/**
 * The links of a mail's source, and the same source with links that can be counted and a picture that says when it is
 * opened. Made once per source, not per mail: the only thing of a mail's own is its token, a value like any other. Where a
 * link leads is never written into the mail; it is read again from the source that was sent. Pure.
 */
import { createHash } from 'node:crypto';
import { Parser } from 'htmlparser2';
import { variablesOf } from './engine.js';
import { TemplateError } from './errors.js';
import { isHttpUrl } from './urls.js';

export interface SourceLink {
  /** The same for the same address, whatever the version or locale. */
  id: string;
  /** Liquid, entities decoded. */
  href: string;
  /** What a person sees of it, as far as it is text. */
  label: string;
}
export interface TrackedSource {
  html: string;
  links: readonly SourceLink[];
}
export interface TrackingMarks {
  /** Public address of this installation. */
  url: string;
  opens: boolean;
  clicks: boolean;
  /** Added to links that are not counted: who counts adds them on the way. */
  utm?: Readonly<Record<string, string>> | undefined;
}
/** The variable that holds a mail's token. Data cannot bring one of this name. */
export const TOKEN_VARIABLE = '__token';

/** Never counted: who leaves must not be sent a detour, and the page shows the mail itself. */
const OURS = new Set(['unsubscribe_url', 'preferences_url', 'view_url']);
const MOST_LABEL = 120;

interface Found extends SourceLink {
  /** The attribute in the source, in UTF-16 units. */
  start: number;
  end: number;
}

/** All links that can be counted. `data-track="off"` on a link leaves it as it is. */
export const linksIn = (source: string): SourceLink[] => [
  ...new Map(
    foundIn(source).map(({ id, href, label }): [string, SourceLink] => [id, { id, href, label }]),
  ).values(),
];

/** @returns the source to be rendered, with `{{ __token }}` where the mail's token belongs */
export function trackedSource(source: string, { url, opens, clicks, utm }: TrackingMarks): TrackedSource {
  const found = foundIn(source);
  let html = '';
  let from = 0;
  for (const { id, href, start, end } of found) {
    const to = clicks
      ? `${url}/l/{{ ${TOKEN_VARIABLE} }}/${id}`
      : utm && !href.includes('{') && withUtm(href, utm);
    if (!to) continue;
    html += `${source.slice(from, start)}href="${clicks ? to : escaped(to)}"`;
    from = end;
  }
  html += source.slice(from);
  if (opens) html = withPixel(html, `${url}/o/{{ ${TOKEN_VARIABLE} }}`);
  return { html, links: found };
}

/** An address with these parameters; those that it has already stay. */
export function withUtm(address: string, utm: Readonly<Record<string, string>>): string {
  const url = new URL(address);
  for (const [name, value] of Object.entries(utm)) {
    const parameter = `utm_${name}`;
    if (!url.searchParams.has(parameter)) url.searchParams.append(parameter, value);
  }
  return url.href;
}

const escaped = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('"', '&quot;');

function withPixel(html: string, src: string): string {
  const pixel = `<img src="${src}" width="1" height="1" alt="" style="display:block;width:1px;height:1px;border:0">`;
  const at = html.toLowerCase().lastIndexOf('</body>');
  return at === -1 ? html + pixel : html.slice(0, at) + pixel + html.slice(at);
}

function foundIn(source: string): Found[] {
  const found: Found[] = [];
  const bound = namesBoundIn(source);
  let attribute: { start: number; end: number } | undefined;
  let open: Found | undefined;
  const parser = new Parser({
    onattribute(name) {
      // The first of two counts, as for a browser.
      if (name === 'href') attribute ??= { start: parser.startIndex, end: parser.endIndex };
    },
    onopentag(name, attributes) {
      const { href, 'data-track': track, 'data-link': given = '' } = attributes;
      const at = attribute;
      attribute = undefined;
      if ((name !== 'a' && name !== 'area') || !at || href === undefined || track === 'off') return;
      if (!source.slice(at.start, at.end).toLowerCase().startsWith('href')) return;
      const address = href.trim();
      if (!canBeCounted(address, bound)) return;
      open = { id: idOf(address, given), href: address, label: given, ...at };
      found.push(open);
    },
    ontext(text) {
      if (open && open.label.length < MOST_LABEL)
        open.label = `${open.label} ${text}`.replace(/\s+/g, ' ').trim().slice(0, MOST_LABEL);
    },
    onclosetag(name) {
      if (name === 'a') open = undefined;
    },
  });
  parser.end(source);
  return found;
}

const idOf = (href: string, name: string): string =>
  createHash('sha256').update(`${href}\0${name}`).digest('base64url').slice(0, 8);

/** Whole http(s) addresses, and Liquid that can be read again without the steps of the template around it. */
function canBeCounted(href: string, bound: ReadonlySet<string>): boolean {
  if (!href.includes('{')) return isHttpUrl(href);
  if (href.includes('{%') || !/^(https?:\/\/|\{\{)/i.test(href)) return false;
  try {
    const variables = variablesOf(href);
    return (
      variables.length > 0 &&
      variables.every(({ keys: [name] }) => !bound.has(String(name)) && !OURS.has(String(name)))
    );
  } catch (error) {
    // Quotes inside an expression end the attribute: what is left of it is no Liquid.
    if (error instanceof TemplateError) return false;
    throw error;
  }
}

/** Names that mean something inside the template only: of loops and assignments. */
function namesBoundIn(source: string): Set<string> {
  const names = new Set(['forloop', 'tablerowloop']);
  for (const [, name] of source.matchAll(
    /\{%-?\s*(?:for|tablerow|assign|capture|increment|decrement)\s+["']?([\w-]+)/g,
  ))
    if (name !== undefined) names.add(name);
  // A block of several tags in one: its names are not looked for.
  if (/\{%-?\s*liquid\b/.test(source))
    for (const [name] of source.matchAll(/[A-Za-z_][\w-]*/g)) names.add(name);
  return names;
}
