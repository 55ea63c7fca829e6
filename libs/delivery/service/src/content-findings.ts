/** What is not wrong with a content, and yet worth a look before it goes to many: texts that cost several, links that lead nowhere. Pure. */
import type { ContentByChannel } from '@carillon/contracts';
import { smsSegments, type SmsSegments } from '@carillon/content';

export interface ContentFinding {
  pointer: string;
  code: 'sms_parts' | 'broken_link';
  message: string;
}
/** A variable stands for about so much. */
const ABOUT = 'xxxxxxxx';
const LINKS = /<a\b[^>]*?\shref\s*=\s*(?:"([^"]*)"|'([^']*)')/gi;
/** What a mail program can follow, or what Liquid makes. */
const LEADS = /^\s*(?:(?:https?|mailto|tel|sms):\S|\{\{|\{%)/i;

/** How many parts a text takes, about: nobody knows yet what its variables hold. */
export const partsOf = (body: string): SmsSegments =>
  smsSegments(body.replace(/\{\{.*?\}\}/gs, ABOUT).replace(/\{%.*?%\}/gs, ''));

const ADDRESS = /https?:\/\/[^\s"'<>]+/gi;
/** Where it leads, as far as that is written out: what Liquid makes may be one person's own. */
export function addressesIn({ sms, email, push, 'in-app': inApp }: ContentByChannel): string[] {
  const hrefs = [...(email?.html ?? '').matchAll(LINKS)].map(([, double, single]) => double ?? single ?? '');
  const written = [email?.text, sms?.body].flatMap((text) => text?.match(ADDRESS) ?? []);
  const all = [...hrefs, ...written, push?.url ?? '', inApp?.url ?? ''].map((one) =>
    one
      .trim()
      .replaceAll('&amp;', '&')
      .replace(/[.,;:!?)]+$/, ''),
  );
  return [...new Set(all)].filter((one) => /^https?:\/\/[^{]*$/i.test(one));
}

export function contentFindings({ sms, email }: ContentByChannel): ContentFinding[] {
  const found: ContentFinding[] = [];
  const { segments, encoding, unicodeCharacters } = partsOf(sms?.body ?? '');
  if (segments > 1) {
    const why =
      encoding === 'UCS-2'
        ? `; without ${unicodeCharacters.slice(0, 5).join(' ')} more would fit into one`
        : '';
    found.push({
      pointer: '/sms/body',
      code: 'sms_parts',
      message: `The text takes about ${segments} parts, so each person costs ${segments} messages${why}.`,
    });
  }
  const dead = new Set<string>();
  for (const [, double, single] of (email?.html ?? '').matchAll(LINKS)) {
    const href = double ?? single ?? '';
    if (!LEADS.test(href)) dead.add(href);
  }
  for (const href of dead)
    found.push({
      pointer: '/email/html',
      code: 'broken_link',
      message: `The link “${href.slice(0, 100)}” leads nowhere: write its whole address, with https://.`,
    });
  return found;
}
