/** What goes into an email: headers, HTML and text, all checked for what could break out of its place. Pure. */
import {
  Escaped,
  htmlToText,
  isHeaderSafe,
  isMjml,
  Literal,
  Segments,
  textBytes,
  trackedSource,
  unsafeUrls,
  type Segment,
  type Text,
} from '@carillon/content';
import {
  cannotRender,
  NotHere,
  rendering,
  type Fields,
  type RenderInput,
  type RenderResult,
  type TrackingInput,
} from '@carillon/delivery-rules';
import { parseMailbox } from './mailbox.js';

export interface RenderedEmail {
  /** Instead of the account's sender; `Name <address>`. */
  from: string | null;
  replyTo: string | null;
  subject: string;
  html: Text | null;
  text: Text;
  /** For headers: the link that `{{ unsubscribe_url }}` prints. */
  unsubscribeUrl: string;
  /** `content` is base64. */
  attachments: readonly {
    filename: string;
    contentType: string;
    content: string;
    contentId?: string | undefined;
  }[];
}

/** HTML and text together, attachments apart. Beyond 100 kB some mailboxes cut a mail off. */
const MOST_BYTES = 1_000_000;
const CUT_OFF_BYTES = 102_400;

export function render(input: RenderInput, here = false): RenderResult<RenderedEmail> {
  return rendering(
    input,
    (fields) => {
      const at = '/content/email';
      const content = input.content.email;
      if (!content) throw cannotRender('template_error', 'There is no content for email.', at);
      const subject = headerOf(fields, content.subject, `${at}/subject`);
      const from = content.from === undefined ? null : headerOf(fields, content.from, `${at}/from`);
      if (from !== null) requireMailbox(from, `${at}/from`);
      if (input.replyTo !== null) requireMailbox(input.replyTo, '/replyTo');
      for (const [i, { filename }] of input.attachments.entries()) {
        if (!isHeaderSafe(filename)) throw lineBreak(`/attachments/${i}/filename`);
      }

      const preheader = content.preheader && fields.html(content.preheader, `${at}/preheader`);
      const html =
        content.html === undefined
          ? null
          : htmlOf(fields, content.html, `${at}/html`, preheader, input.tracking);
      const text =
        content.text === undefined
          ? textFrom(fields, content.html ?? '', html ?? '', `${at}/html`)
          : fields.body(content.text, `${at}/text`, 'text');

      const bytes = mailBytes(html ?? '', text);
      if (bytes > MOST_BYTES) {
        throw cannotRender(
          'too_large',
          `It takes ${bytes} bytes; an email has ${MOST_BYTES} without attachments.`,
          at,
        );
      }
      if (bytes > CUT_OFF_BYTES)
        fields.warn('It is over 100 kB long: some mailboxes show only its beginning.');
      if (input.messageClass === 'marketing' && !offersOptOut(html ?? text, input.unsubscribeUrl)) {
        fields.warn('It offers no way to unsubscribe: put {{ unsubscribe_url }} behind a link.');
      }
      const { replyTo, attachments, unsubscribeUrl } = input;
      return { from, replyTo, subject, html, text, unsubscribeUrl, attachments };
    },
    here,
  );
}

/** A template's line ends at the end of a header are harmless; inside they would start another header. */
function headerOf(fields: Fields, source: string, pointer: string): string {
  const text = fields.text(source, pointer).trim();
  if (!isHeaderSafe(text)) throw lineBreak(pointer);
  return text;
}
const lineBreak = (pointer: string) =>
  cannotRender(
    'content_refused',
    'It holds a line break or NUL and becomes a header: write one line.',
    pointer,
  );

function requireMailbox(text: string, pointer: string): void {
  if (parseMailbox(text)) return;
  throw cannotRender(
    'content_refused',
    'It is not one address: write it like Ada <ada@example.com>.',
    pointer,
  );
}

function htmlOf(
  fields: Fields,
  source: string,
  pointer: string,
  preheader: string | undefined,
  tracking: TrackingInput | undefined,
): Text {
  if (isMjml(source)) {
    throw cannotRender(
      'template_error',
      'MJML is made into HTML when it is saved, not while sending.',
      pointer,
    );
  }
  // What data brings into a URL is checked where it is printed; this is about the author's own.
  if (factsOf(source).unsafe) {
    throw cannotRender(
      'content_refused',
      'A link or image has a URL that runs code, such as javascript:.',
      pointer,
    );
  }
  const html = fields.body(tracking ? marked(factsOf(source), source, tracking) : source, pointer, 'html');
  return preheader ? withPreheader(html, preheader) : html;
}

/** The line that mailboxes show after the subject: first in the body, hidden from who opens the mail. */
function withPreheader(html: Text, preheader: string): Text {
  const hidden = `<div style="display:none;max-height:0;overflow:hidden;mso-hide:all">${preheader}</div>`;
  const [first] = typeof html === 'string' ? [] : html.parts;
  const body = first instanceof Literal && BODY.exec(first.text);
  if (!body || typeof html === 'string') return inserted(String(html), hidden);
  const [before, after] = first.cut(body.index + body[0].length);
  return new Segments([before, hidden, after, ...html.parts.slice(1)]);
}
const BODY = /<body\b[^>]*>/i;

function inserted(html: string, hidden: string): string {
  const body = BODY.exec(html);
  const at = body ? body.index + body[0].length : 0;
  return html.slice(0, at) + hidden + html.slice(at);
}

function textFrom(fields: Fields, source: string, html: Text, pointer: string): Text {
  const { textTemplate } = factsOf(source);
  if (textTemplate !== null) return fields.body(textTemplate, `${pointer}#text`, 'text');
  if (fields.here) throw new NotHere(true);
  return htmlToText(String(html));
}

/** Counted exactly only when it could matter. */
function mailBytes(html: Text, text: Text): number {
  const most = (part: Text) => (typeof part === 'string' ? part.length * 3 : part.mostBytes());
  const bound = most(html) + most(text);
  return bound <= CUT_OFF_BYTES ? bound : textBytes(html) + textBytes(text);
}

/** The source with marks: made once, and found again for the next mail. */
function marked(facts: SourceFacts, source: string, tracking: TrackingInput): string {
  const { url, opens, clicks, utm } = tracking;
  const { marks } = facts;
  const utmKey = utm ? JSON.stringify(utm) : '';
  if (marks?.url === url && marks.opens === opens && marks.clicks === clicks && marks.utmKey === utmKey)
    return marks.html;
  const { html } = trackedSource(source, tracking);
  facts.marks = { url, opens, clicks, utmKey, html };
  return html;
}

/** Whether the text part of mails with this HTML is made from each of them, and not from the template once. */
export const needsConversion = (html: string): boolean => factsOf(html).textTemplate === null;

interface SourceFacts {
  unsafe: boolean;
  /** The text part as a template; null when Liquid does not survive the conversion, so that every mail is converted. */
  textTemplate: string | null;
  /** As it was marked last. */
  marks?: { url: string; opens: boolean; clicks: boolean; utmKey: string; html: string };
}
const facts = new Map<string, SourceFacts>();
/** Parsing HTML takes longer than rendering it: done once per source. The oldest goes first. */
function factsOf(source: string): SourceFacts {
  // Of a campaign it is the same text each time; looking for it by its 34 kB takes longer than all the rest.
  if (last.source !== source) last = { source, facts: foundIn(source) };
  // Each page of a campaign has a copy of its own, and those are compared to their ends: the one at hand will be asked for next.
  else last.source = source;
  return last.facts;
}
let last: { source: string; facts: SourceFacts } = {
  source: '',
  facts: { unsafe: false, textTemplate: '' },
};

function foundIn(source: string): SourceFacts {
  const known = facts.get(source);
  if (known) return known;
  const text = htmlToText(source);
  // Tags may stand where HTML has no text (attributes, between table rows) and get lost on the way; blanks and
  // entities inside an expression may be changed.
  const survived =
    (text.match(tags) ?? []).join() === (source.match(tags) ?? []).join() &&
    (text.match(outputs) ?? []).every((output) => source.includes(output));
  const found: SourceFacts = { unsafe: unsafeUrls(source).length > 0, textTemplate: survived ? text : null };
  const [oldest] = facts.size >= 100 ? facts.keys() : [];
  if (oldest !== undefined) facts.delete(oldest);
  facts.set(source, found);
  return found;
}
const tags = /\{%[^%]*%\}/g;
const outputs = /\{\{[^}]*\}\}/g;

function offersOptOut(text: Text, url: string): boolean {
  // As a rule a value of its own, near the end; else it may have been put together.
  if (typeof text !== 'string' && text.parts.findLast((part) => isValue(part, url)) !== undefined)
    return true;
  const whole = String(text);
  return whole.includes(url) || whole.includes(url.replaceAll('&', '&amp;'));
}
const isValue = (part: Segment, text: string): boolean =>
  typeof part === 'string' ? part === text : part instanceof Escaped && part.text === text;
