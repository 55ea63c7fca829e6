/**
 * Capacity: how much a channel of the workspace takes in an hour or a day, such as what a call centre can answer. What is
 * left of a period goes out by priority: whoever is next leaves what those before it want. Pure.
 */
import { startOfDay, wallClock } from '@carillon/audience-rules';
import type { Capacity } from '@carillon/contracts';
import { outranks, type Rank } from './arbitration.js';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

/** What stands in front of others looks again so soon. */
export const TURN_MS = 5_000;

/** The hour or day that it is, as the clock of the zone shows it. */
export function capacityPeriod(
  { per, every }: Pick<Capacity, 'per' | 'every'>,
  now: number,
  zone: string,
): { start: number; end: number } {
  const wall = wallClock(now, zone);
  const today = Math.floor(wall / DAY);
  if (per === 'day') {
    const first = today - ((((today - 4) % every) + every) % every);
    const dayAt = (day: number) => startOfDay(new Date(day * DAY).toISOString().slice(0, 10), zone).getTime();
    return { start: dayAt(first), end: dayAt(first + every) };
  }
  // Hours of the day, from midnight; elapsed, so that an hour that comes twice is two.
  const sinceHour = wall % HOUR;
  const hour = Math.floor((wall - today * DAY) / HOUR);
  const start = now - sinceHour - (hour % every) * HOUR;
  return { start, end: start + every * HOUR };
}

/** What one capacity has for a message of some rank. */
export interface Room {
  key: string;
  limit: number;
  /** Places of this period that nobody of higher rank waits for; falls as they are taken. */
  free: number;
  /** Nothing is left of the period. */
  usedUp: boolean;
  /** Milliseconds until the next period. */
  opensMs: number;
}
/** How many messages of a rank want a place. */
export interface Demand extends Rank {
  messages: number;
}

/** @param before messages of other ranks that wait for the same capacity */
export function roomFor(
  { key, limit }: Pick<Capacity, 'key' | 'limit'>,
  used: number,
  before: readonly Demand[],
  rank: Rank,
  opensMs: number,
): Room {
  const left = Math.max(0, limit - used);
  const wanted = before.reduce((sum, d) => sum + (outranks(d, rank) ? d.messages : 0), 0);
  return { key, limit, free: Math.max(0, left - wanted), usedUp: left === 0, opensMs };
}

/** The first that has no place; null when all have. */
export const fullOf = (rooms: readonly Room[]): Room | null => rooms.find((room) => room.free <= 0) ?? null;

/** How long whoever found no place waits: for the next period, or for those before it to be served. */
export const waitMsOf = ({ usedUp, opensMs }: Room): number =>
  Math.max(1, usedUp ? opensMs : Math.min(opensMs, TURN_MS));
