/**
 * Quiet hours: periods of the clock on the wall where a person is. An instant is quiet when that clock shows a time of a
 * period, so that an hour that comes twice is quiet twice, and one that is skipped is skipped. Pure.
 */
import { wallClock } from '@carillon/audience-rules';
import type { Channel, QuietHours, QuietPeriod } from '@carillon/contracts';

const DAY = 86_400_000;
const MINUTE = 60_000;
/** Nothing is looked for beyond this. */
const HORIZON_MS = 62 * DAY;

const minutes = (clock: string): number => Number(clock.slice(0, 2)) * 60 + Number(clock.slice(3, 5));
const dateOf = (day: number): string => new Date(day * DAY).toISOString().slice(0, 10);
/** 1 is Monday; the day 0 of 1970 was a Thursday. */
const weekday = (day: number): number => ((((day + 3) % 7) + 7) % 7) + 1;

function belongs(period: QuietPeriod, day: number): boolean {
  if (period.days && !period.days.includes(weekday(day))) return false;
  const date = dateOf(day);
  return !period.dates || (date >= period.dates.from && date <= period.dates.to);
}

/** Where on the wall the quiet time around a time of the wall ends, as one of its periods says; null when none holds. */
function endOn(periods: readonly QuietPeriod[], wall: number): number | null {
  const today = Math.floor(wall / DAY);
  let end: number | null = null;
  for (const period of periods) {
    const from = minutes(period.from);
    const to = minutes(period.to);
    const length = to > from ? to - from : to - from + 1440;
    // The night of yesterday may still last.
    for (const day of [today - 1, today]) {
      const begins = day * DAY + from * MINUTE;
      const ends = begins + length * MINUTE;
      if (wall >= begins && wall < ends && belongs(period, day)) end = Math.max(end ?? ends, ends);
    }
  }
  return end;
}

/** Does the clock show a time of these periods? */
export const isQuiet = (periods: readonly QuietPeriod[], at: number, zone: string): boolean =>
  endOn(periods, wallClock(at, zone)) !== null;

/** The first instant from `at` on that is not quiet in this zone; null when there is none for two months. */
export function opensAt(periods: readonly QuietPeriod[], at: number, zone: string): number | null {
  let t = at;
  while (t - at < HORIZON_MS) {
    const wall = wallClock(t, zone);
    const end = endOn(periods, wall);
    if (end === null) return t;
    const then = t + (end - wall);
    const shifted = wallClock(then, zone) - then !== wall - t;
    t = shifted ? firstShift(t, then, wall - t, zone) : then;
  }
  return null;
}

/** The first instant at which the clock no longer stands `offset` ahead of UTC; there is one up to `until`. */
function firstShift(from: number, until: number, offset: number, zone: string): number {
  let [before, after] = [from, until];
  while (after - before > 1) {
    const middle = Math.floor((before + after) / 2);
    if (wallClock(middle, zone) - middle === offset) before = middle;
    else after = middle;
  }
  return after;
}

export interface Quiet {
  periods: readonly QuietPeriod[];
  /** All of them must be open: more than one where it is not known in which a person is. */
  zones: readonly string[];
}

/** Where the clock of a rule of the workspace is read, for a person who may be in these zones. */
export const quietFor = (rule: QuietHours, candidates: readonly string[]): Quiet => ({
  periods: rule.periods,
  zones: rule.zone === 'person' ? candidates : [rule.zone],
});

/**
 * When quiet hours are over for somebody, as far as they hold for every message of a channel: now, where none are. Null: not
 * within two months.
 */
export function quietEnds(
  all: readonly QuietHours[],
  channel: Channel | 'any',
  candidates: readonly string[],
  at: number,
): number | null {
  const mine = all.filter(
    ({ channels, topics }) =>
      topics.length === 0 && (channel === 'any' || channels.length === 0 || channels.includes(channel)),
  );
  return openForAll(
    mine.map((rule) => quietFor(rule, candidates)),
    at,
  );
}

/** The first instant from `at` on at which nothing of these is quiet anywhere; null when there is none for two months. */
export function openForAll(quiet: readonly Quiet[], at: number): number | null {
  let t = at;
  for (let moved = true; moved;) {
    moved = false;
    for (const { periods, zones } of quiet)
      for (const zone of zones) {
        const opens = opensAt(periods, t, zone);
        if (opens === null || opens - at > HORIZON_MS) return null;
        if (opens > t) {
          t = opens;
          moved = true;
        }
      }
  }
  return t;
}
