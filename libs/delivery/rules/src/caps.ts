/**
 * Frequency caps: how many messages a person may have in a window. What counts is what was sent to them, kept as a short
 * list by person; each cap reads its own window out of it, so that a cap that is changed counts what was sent before. Pure.
 */
import { startOfDay, wallClock } from '@carillon/audience-rules';
import type { Channel, FrequencyCap, MessageClass } from '@carillon/contracts';
import { createHash } from 'node:crypto';
import { inScope } from './scope.js';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const rollingMs = { hour: HOUR, day: DAY, week: 7 * DAY, month: 30 * DAY } as const;

/** A message that a person was sent, or is about to be. */
export interface Counted {
  id: string;
  /** Milliseconds since 1970. */
  at: number;
  channel: Channel;
  messageClass: MessageClass;
  topic: string | null;
}
type About = Omit<Counted, 'id' | 'at'>;

/** No window of a cap is longer. */
export const LONGEST_WINDOW_MS = 94 * DAY;

/** Is it one of those that the cap counts and holds back? */
export const counts = (cap: FrequencyCap, about: About): boolean =>
  (cap.class === 'all' || cap.class === about.messageClass) && inScope(cap, about);

/**
 * From when on messages count. Of a calendar window of several periods the periods are counted from Monday, 5 January
 * 1970 (hours of the day: from midnight; months: from January 1970), so that all people of a zone share them.
 */
export function windowStart(cap: FrequencyCap, now: number, zone: string): number {
  if (cap.window === 'rolling') return now - cap.every * rollingMs[cap.per];
  const wall = wallClock(now, zone);
  const today = Math.floor(wall / DAY);
  if (cap.per === 'hour') {
    const hour = Math.floor((wall - today * DAY) / HOUR);
    const begins = today * DAY + (hour - (hour % cap.every)) * HOUR;
    const at = now - (wall - begins);
    // The clock may have been changed since.
    return at - (wallClock(at, zone) - begins);
  }
  const first =
    cap.per === 'day'
      ? today - mod(today - 4, cap.every)
      : cap.per === 'week'
        ? today - mod(today - 4, 7 * cap.every)
        : monthsBefore(today, cap.every);
  return startOfDay(new Date(first * DAY).toISOString().slice(0, 10), zone).getTime();
}
const mod = (n: number, by: number): number => ((n % by) + by) % by;
function monthsBefore(day: number, every: number): number {
  const date = new Date(day * DAY);
  const month = (date.getUTCFullYear() - 1970) * 12 + date.getUTCMonth();
  return Date.UTC(1970, month - mod(month, every), 1) / DAY;
}

export interface Capped {
  cap: FrequencyCap;
  used: number;
  /** Those that used it up. */
  ids: string[];
}

/** The first cap that has no room for one more; null when all have. A message that is counted already takes no more room. */
export function overCap(
  caps: readonly FrequencyCap[],
  about: About & { id: string | null },
  sent: readonly Counted[],
  now: number,
  zone: string,
): Capped | null {
  for (const cap of caps) {
    if (sent.length < cap.limit || !counts(cap, about)) continue;
    const all = sent.filter((s) => s.id !== about.id && counts(cap, s));
    // The start of a window asks the calendar of a zone, which costs more than all the rest: only where it decides.
    if (all.length < cap.limit) continue;
    const start = windowStart(cap, now, zone);
    const inside = all.filter((s) => s.at >= start);
    if (inside.length >= cap.limit) return { cap, used: inside.length, ids: inside.map((s) => s.id) };
  }
  return null;
}

/**
 * Whom a message counts for: the profile; of one to an address alone, the address on that channel, as an id made of a hash.
 * @returns null where there is neither
 */
export function personOf(about: {
  profileId: string | null;
  channel?: Channel;
  address?: string | null;
}): string | null {
  const { profileId, channel, address } = about;
  if (profileId !== null || !channel || !address) return profileId;
  const hash = createHash('sha256').update(`${channel} ${address}`).digest('hex');
  // As a UUID of RFC 9562, version 8: never one of ours, which are of version 4 and 7.
  return `${hash.slice(0, 8)}-${hash.slice(8, 12)}-8${hash.slice(13, 16)}-8${hash.slice(17, 20)}-${hash.slice(20, 32)}`;
}
