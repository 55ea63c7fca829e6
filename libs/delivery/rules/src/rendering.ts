/**
 * What the renderers of all channels share: which variables a template sees, templates compiled once, and failures told
 * as data with a pointer. Pure but for the cache of compiled templates. Called by `render` of each channel.
 */
import {
  compileTemplate,
  isHttpUrl,
  TemplateError,
  TOKEN_VARIABLE,
  unsafeTextCharacters,
  type Compiled,
  type RenderContext,
  type Text,
} from '@carillon/content';
import type { RenderInput, RenderResult } from './channel.js';

type Failure = Extract<RenderResult<never>, { ok: false }>;

/** Ends a rendering; caught by `rendering`, seen by nobody else. */
class CannotRender extends Error {
  constructor(readonly failure: Omit<Failure, 'ok'>) {
    super(failure.detail);
  }
}
/** To be thrown inside `rendering`. `pointer` leads into the request: `/content/sms/body`. */
export const cannotRender = (reason: Failure['reason'], detail: string, pointer: string): Error =>
  new CannotRender({ reason, detail, pointer });

/**
 * Thrown by a channel's `render` when it was asked to stay within what is compiled, and this message needs more: liquidjs,
 * or a text that is read again after rendering.
 */
export class NotHere extends Error {
  /** @param always whether that is the template's doing, so that no other message of it needs to be tried */
  constructor(readonly always: boolean) {
    super('This message is rendered elsewhere.');
  }
}

export interface Fields {
  /** Whether only what is compiled may run: see `Channel.render`. */
  readonly here: boolean;
  /** Renders one field as plain text. `pointer` tells the field apart and leads to it. */
  text(source: string, pointer: string): string;
  /** The same as HTML: what data brings along is escaped. */
  html(source: string, pointer: string): string;
  /** A body, left in pieces where that is possible. */
  body(source: string, pointer: string, kind: 'html' | 'text'): Text;
  /** Text that a device shows by itself: control characters and hidden changes of direction are refused. */
  shown(source: string, pointer: string): string;
  /** A complete http or https URL; null when the content has none. */
  link(source: string | undefined, pointer: string): string | null;
  /** What the author should know, although the message goes out. */
  warn(sentence: string): void;
}

/** Runs a channel's renderer and turns what is wrong with template or data into a result. */
export function rendering<Rendered>(
  input: RenderInput,
  build: (fields: Fields) => Rendered,
  here = false,
): RenderResult<Rendered> {
  const warnings: string[] = [];
  const variables = (here && variablesHere(input)) || variablesFor(input);
  const { locale, timezone } = input.recipient;
  const context: RenderContext = {};
  if (locale) context.locale = locale;
  if (timezone) context.timeZone = timezone;
  const run = (source: string, pointer: string, html: boolean): Text => {
    try {
      // Most subjects and many bodies are fixed text.
      if (!html && !source.includes('{')) return source;
      const template = compiledField(input, pointer, source, html);
      if (!here) return template.render(variables, context);
      const segments = template.segments(variables, context);
      if (segments === undefined) throw new NotHere(template.outside !== undefined);
      return segments;
    } catch (error) {
      throw error instanceof TemplateError ? new CannotRender(explained(error, pointer)) : error;
    }
  };
  const text = (source: string, pointer: string) => String(run(source, pointer, false));
  const fields: Fields = {
    here,
    text,
    html: (source, pointer) => String(run(source, pointer, true)),
    body: (source, pointer, kind) => run(source, pointer, kind === 'html'),
    shown(source, pointer) {
      const result = text(source, pointer);
      const [unsafe] = unsafeTextCharacters(result);
      if (!unsafe) return result;
      const what = `It holds the ${unsafe.kind} character ${unsafe.codePoint}, which cannot be seen.`;
      throw cannotRender('content_refused', `${what} Leave it out.`, pointer);
    },
    link(source, pointer) {
      if (source === undefined) return null;
      const url = text(source, pointer).trim();
      if (isHttpUrl(url)) return url;
      throw cannotRender(
        'content_refused',
        'A link must come out as a whole https:// or http:// URL.',
        pointer,
      );
    },
    warn: (sentence) => warnings.push(sentence),
  };
  try {
    return { ok: true, rendered: build(fields), warnings };
  } catch (error) {
    if (error instanceof CannotRender) return { ok: false, ...error.failure };
    throw error;
  }
}

/**
 * `data` at the top, and beside it `profile`, `unsubscribe_url`, `preferences_url` and `view_url`, which data cannot replace. A profile's empty fields
 * are left out, so that printing one without a default is a missing variable and not a hole in a sentence.
 */
function variablesFor({
  data,
  recipient,
  unsubscribeUrl,
  viewUrl,
  tracking,
}: RenderInput): Record<string, unknown> {
  const { attributes, externalId, email, phone, locale, timezone } = recipient;
  const own = { externalId, email, phone, locale, timezone, attributes };
  const rest = Object.entries(attributes).filter(([name]) => !Object.hasOwn(own, name));
  const profile = Object.fromEntries([...Object.entries(own), ...rest].filter(([, value]) => value !== null));
  return {
    ...data,
    profile,
    unsubscribe_url: unsubscribeUrl,
    preferences_url: preferencesUrl(unsubscribeUrl),
    view_url: viewUrl ?? NO_VIEW,
    [TOKEN_VARIABLE]: tracking?.token,
  };
}
/** Stands where the page's address would be, in what is only looked at. */
const NO_VIEW = 'https://view.invalid/';

/**
 * The same for a compiled template, a tenth as long in the making: objects in one go, with what is copied at their end.
 * An empty field is there and undefined, which a compiled template takes for missing, and lists or counts to nobody.
 * @returns null when a name stands twice, or an attribute is empty
 */
function variablesHere({
  data,
  recipient,
  unsubscribeUrl,
  viewUrl,
  tracking,
}: RenderInput): Record<string, unknown> | null {
  const { attributes: a } = recipient;
  if ('externalId' in a || 'email' in a || 'phone' in a || 'locale' in a || 'timezone' in a) return null;
  if ('attributes' in a || 'profile' in data) return null;
  if ('unsubscribe_url' in data || 'preferences_url' in data || 'view_url' in data) return null;
  if (TOKEN_VARIABLE in data) return null;
  for (const name in a) if (a[name] === null) return null;
  const profile = {
    externalId: recipient.externalId,
    email: recipient.email ?? undefined,
    phone: recipient.phone ?? undefined,
    locale: recipient.locale ?? undefined,
    timezone: recipient.timezone ?? undefined,
    attributes: a,
    ...a,
  };
  return {
    profile,
    unsubscribe_url: unsubscribeUrl,
    preferences_url: preferencesUrl(unsubscribeUrl),
    view_url: viewUrl ?? NO_VIEW,
    [TOKEN_VARIABLE]: tracking?.token,
    ...data,
  };
}

/** The same sealed link: who may leave may also choose. */
const preferencesUrl = (unsubscribeUrl: string): string => unsubscribeUrl.replace('/u/', '/p/');

function explained(error: TemplateError, pointer: string): Omit<Failure, 'ok'> {
  if (error.code !== 'missing_variable' || error.pointer === undefined) {
    const at = error.line ? ` (line ${error.line})` : '';
    return { reason: 'template_error', detail: error.sentence + at, pointer };
  }
  const ours = /^\/(profile|unsubscribe_url|preferences_url|view_url)(\/|$)/.test(error.pointer);
  return {
    reason: 'missing_variable',
    detail: error.sentence,
    pointer: ours ? error.pointer : `/data${error.pointer}`,
  };
}

/** The contents rendered last, and their templates by field: those of a campaign are found without reading them. */
const latest = new Map<unknown, Map<string, Field>>();
const KEPT_CONTENTS = 16;
interface Field {
  source: string;
  html: boolean;
  template: Compiled;
}

function compiledField(input: RenderInput, pointer: string, source: string, html: boolean): Compiled {
  let fields = latest.get(input.content);
  if (!fields) {
    if (latest.size >= KEPT_CONTENTS) latest.clear();
    latest.set(input.content, (fields = new Map()));
  }
  const known = fields.get(pointer);
  if (known?.source === source && known.html === html) return known.template;
  const template = compiled(`${input.cacheKey} ${pointer} ${html}`, source, html);
  fields.set(pointer, { source, html, template });
  return template;
}

/** Bytes of compiled templates kept, as far as they can be guessed. The process that renders has 64 MB in all. */
const CACHE_BYTES = 20_000_000;
/** What liquidjs holds for one `{{ … }}` or `{% … %}`; the fixed text between them costs its length. */
const TAG_BYTES = 1_200;
const cache = new Map<string, { source: string; template: Compiled; bytes: number }>();
let cachedBytes = 0;

/** The least recently used goes first. The source is compared too: a wrong cache key must not send a wrong mail. */
function compiled(key: string, source: string, html: boolean): Compiled {
  const known = cache.get(key);
  if (known) {
    cache.delete(key);
    if (known.source === source) {
      cache.set(key, known);
      return known.template;
    }
    cachedBytes -= known.bytes;
  }
  const template = compileTemplate(source, { html });
  const bytes = source.length + (source.match(/\{[{%]/g)?.length ?? 0) * TAG_BYTES;
  cache.set(key, { source, template, bytes });
  cachedBytes += bytes;
  for (const [oldest, entry] of cache) {
    if (cachedBytes <= CACHE_BYTES || oldest === key) break;
    cache.delete(oldest);
    cachedBytes -= entry.bytes;
  }
  return template;
}
