/**
 * When things recur: rules of RFC 5545, or cron, on the clock of the wall, so that nine o'clock stays nine o'clock when the
 * clocks change. A time that is skipped is read as if they had not changed; of one that comes twice it is the first. Pure.
 */
import { wallClock } from '@carillon/audience-rules';
import { CronExpressionParser } from 'cron-parser';
import library from 'rrule';

const DAY = 86_400_000;

/** The instant at which the clock of a zone shows a time of the wall (milliseconds of a UTC that shows the same). */
export function instantOf(wall: number, zone: string): number {
  const before = wall - (wallClock(wall - DAY, zone) - (wall - DAY));
  const after = wall - (wallClock(wall + DAY, zone) - (wall + DAY));
  const shown = [before, after].filter((at) => wallClock(at, zone) === wall);
  return shown.length > 0 ? Math.min(...shown) : before;
}

export interface Recurrence {
  /** RFC 5545 without DTSTART, or the five fields of cron. */
  rule: string;
  /** Local: 2026-12-01T09:00 */
  from: string;
  zone: string;
  /** Local as well: not after. */
  until?: string | undefined;
}
type Rule = Omit<Recurrence, 'zone'>;

/** What is wrong with a rule, in a sentence; null when nothing is. */
export function recurrenceFault({ rule, from, until }: Rule): string | null {
  if (/DTSTART|EXDATE|RDATE|\n/i.test(rule)) return 'write the RRULE alone; its first time stands in `from`';
  if (/FREQ=(SECONDLY|MINUTELY)/i.test(rule)) return OFTEN;
  if (until !== undefined && until < from) return 'ends before it begins: `until` must not be before `from`';
  const cron = isCron(rule);
  if (cron) {
    const fields = rule.trim().split(/\s+/);
    if (fields.length !== 5 && !rule.startsWith('@'))
      return `must have the five fields of cron (minute, hour, day, month, day of the week), not ${fields.length}: write for example 0 9 * * MON`;
    if (!/^(\d{1,2}|@(?!minutely|secondly)[a-z]+)$/.test(fields[0] ?? '')) return OFTEN;
  }
  try {
    timesOf({ rule, from, until })(new Date(`${from}:00Z`), true);
    return null;
  } catch (error) {
    const why = error instanceof Error ? error.message : 'unknown';
    return cron
      ? `cannot be read as cron (${why}): write for example 0 9 * * MON`
      : `is no rule of RFC 5545 (${why}): write for example FREQ=WEEKLY;BYDAY=MO, or cron such as 0 9 * * MON`;
  }
}
const OFTEN = 'must recur hourly at most';

/** Rules of RFC 5545 name their parts. */
const isCron = (rule: string): boolean => !rule.includes('=') && /^\s*(@|[\d*])/.test(rule);

/** The first occurrence after an instant; null when there is none any more. */
export function nextOccurrence(recurrence: Recurrence, after: Date): Date | null {
  const next = timesOf(recurrence);
  // By a day earlier: the wall may be ahead or behind, and times of the wall are not in the order of instants.
  let wall = next(new Date(wallClock(after.getTime(), recurrence.zone) - DAY), true);
  for (let n = 0; wall && n < 1000; n++) {
    const at = instantOf(wall.getTime(), recurrence.zone);
    if (at > after.getTime()) return new Date(at);
    wall = next(wall, false);
  }
  return null;
}

/**
 * Every occurrence from an instant to before another; so many at most. A rule is gone through once: asked for the next one
 * by one, it would begin at its first time again for each of them.
 */
export function occurrencesBetween(
  { zone, ...rule }: Recurrence,
  { from, to, most }: { from: Date; to: Date; most: number },
): Date[] {
  // Times of the wall are not in the order of instants, and what is skipped may be the instant of another.
  const found = new Set<number>();
  const take = (wall: Date): boolean => {
    const at = instantOf(wall.getTime(), zone);
    if (at >= from.getTime() && at < to.getTime()) found.add(at);
    return found.size < most;
  };
  const begin = new Date(wallClock(from.getTime(), zone) - DAY);
  const end = new Date(wallClock(to.getTime(), zone) + DAY);
  const last =
    rule.until === undefined ? end : new Date(Math.min(end.getTime(), Date.parse(`${rule.until}:00Z`)));
  if (isCron(rule.rule)) {
    const next = timesOf(rule);
    for (let wall = next(begin, true); wall && wall <= last && take(wall); wall = next(wall, false));
  } else ruleSet(rule.rule, new Date(`${rule.from}:00Z`)).between(begin, last, true, take);
  return [...found].sort((a, b) => a - b).map((at) => new Date(at));
}

/** The first time of the wall after another, or at it. */
type Times = (wall: Date, inclusive: boolean) => Date | null;

function timesOf({ rule, from, until }: Rule): Times {
  const first = new Date(`${from}:00Z`);
  const next = isCron(rule) ? cronTimes(rule, first) : ruleTimes(rule, first);
  const last = until === undefined ? null : new Date(`${until}:00Z`);
  return (wall, inclusive) => {
    const at = next(wall, inclusive);
    return at && last && at > last ? null : at;
  };
}

function ruleTimes(rule: string, first: Date): Times {
  const set = ruleSet(rule, first);
  return (wall, inclusive) => set.after(wall, inclusive);
}

function ruleSet(rule: string, first: Date): InstanceType<typeof library.RRule> {
  const options = library.RRule.parseString(rule.replace(/^RRULE:/i, ''));
  if (options.freq === undefined) throw new Error('it has no FREQ');
  return new library.RRule({ ...options, dtstart: first });
}

/** In UTC, where no clock changes: which instant a time of the wall is, is decided afterwards. */
function cronTimes(rule: string, first: Date): Times {
  return (wall, inclusive) => {
    const after = Math.max(inclusive ? wall.getTime() - 1 : wall.getTime(), first.getTime() - 1);
    return CronExpressionParser.parse(rule.trim(), { currentDate: new Date(after), tz: 'UTC' })
      .next()
      .toDate();
  };
}
