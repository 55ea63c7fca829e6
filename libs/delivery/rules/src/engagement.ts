/**
 * Who opened a mail or followed a link: a person, a mailbox that loads pictures when the person looks (a proxy), or a
 * machine that nobody asked. Only the first two count. In doubt it is a person: a click that is thrown away is a person who
 * is written to again. Pure; the table is in engagement.spec.ts and docs/tracking.md.
 */
import type { EngagementBy } from '@carillon/contracts';
import { isbot } from 'isbot';

export interface Hit {
  kind: 'open' | 'click';
  method: string;
  agent: string;
  /** `Sec-Purpose`, `Purpose` or `X-Purpose`, if any. */
  purpose: string;
  /** Since the provider took the mail; null when it has not said so yet. */
  sinceSentMs: number | null;
  /** Different links of the same mail that were asked for around the same moment, this one included. */
  linksAtOnce: number;
}
export interface Judgement {
  by: EngagementBy;
  why:
    | 'person'
    | 'picture_proxy'
    | 'loads_beforehand'
    | 'asks_for_headers'
    | 'prefetch'
    | 'known_machine'
    | 'no_agent'
    | 'too_soon'
    | 'all_links_at_once';
}

/** Nobody reads a mail and follows a link in less, counted from the moment the provider took it. */
export const TOO_SOON_MS = 3_000;
/** So many links within two seconds are a scanner's. */
export const LINKS_AT_ONCE = 3;

/** They load pictures when the mail is shown, under their own name. */
const PICTURE_PROXIES = /GoogleImageProxy|YahooMailProxy|\bymail\b.*proxy|DuckDuckGo-Image-Proxy/i;
/** Apple Mail Privacy Protection: everything is loaded when the mail arrives, by an agent that says no more than this. */
const BEFOREHAND = /^Mozilla\/5\.0$/;
/** Scanners of mail that lists of web crawlers do not know. */
const SCANNERS =
  /barracuda|mimecast|proofpoint|symantec|messagelabs|trendmicro|trend micro|sophos|fireeye|forcepoint|ironport|cisco-?(?:email|esa)|safelinks|ms ?defender|cloudmark|vade|hornetsecurity|zscaler|bitdefender|kaspersky|avast|fortinet|fortiguard|checkpoint|mailguard|spamhaus|spamtitan/i;

/** First that fits, from the surest. */
export function judgeHit({ kind, method, agent, purpose, sinceSentMs, linksAtOnce }: Hit): Judgement {
  if (method === 'HEAD') return { by: 'machine', why: 'asks_for_headers' };
  if (/prefetch|prerender|preview/i.test(purpose)) return { by: 'machine', why: 'prefetch' };
  if (kind === 'open' && PICTURE_PROXIES.test(agent)) return { by: 'proxy', why: 'picture_proxy' };
  if (BEFOREHAND.test(agent.trim())) return { by: 'machine', why: 'loads_beforehand' };
  if (agent.trim() === '') return { by: 'machine', why: 'no_agent' };
  if (SCANNERS.test(agent) || isbot(agent)) return { by: 'machine', why: 'known_machine' };
  if (linksAtOnce >= LINKS_AT_ONCE) return { by: 'machine', why: 'all_links_at_once' };
  if (sinceSentMs !== null && sinceSentMs < TOO_SOON_MS) return { by: 'machine', why: 'too_soon' };
  return { by: 'person', why: 'person' };
}
