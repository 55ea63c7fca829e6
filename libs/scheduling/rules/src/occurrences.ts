/**
 * When things recur: rules of RFC 5545 on the clock of the wall, so that nine o'clock stays nine o'clock when the clocks
 * change. A time that is skipped is read as if they had not changed; of one that comes twice it is the first. Pure.
 */
import { wallClock } from '@carillon/audience-rules';
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
  /** RFC 5545, without DTSTART. */
  rule: string;
  /** Local: 2026-12-01T09:00 */
  from: string;
  zone: string;
}

/** What is wrong with a rule, in a sentence; null when nothing is. */
export function recurrenceFault({ rule, from }: Pick<Recurrence, 'rule' | 'from'>): string | null {
  if (/DTSTART|EXDATE|RDATE|\n/i.test(rule)) return 'write the RRULE alone; its first time stands in `from`';
  if (/FREQ=(SECONDLY|MINUTELY)/i.test(rule)) return 'a campaign recurs hourly at most';
  try {
    setOf({ rule, from });
    return null;
  } catch (error) {
    return `is no rule of RFC 5545 (${error instanceof Error ? error.message : 'unknown'}): write for example FREQ=WEEKLY;BYDAY=MO`;
  }
}

/** The first occurrence after an instant; null when there is none any more. */
export function nextOccurrence(recurrence: Recurrence, after: Date): Date | null {
  const set = setOf(recurrence);
  // By a day earlier: the wall may be ahead or behind, and times of the wall are not in the order of instants.
  let wall = set.after(new Date(wallClock(after.getTime(), recurrence.zone) - DAY), true);
  for (let n = 0; wall && n < 1000; n++) {
    const at = instantOf(wall.getTime(), recurrence.zone);
    if (at > after.getTime()) return new Date(at);
    wall = set.after(wall, false);
  }
  return null;
}

function setOf({ rule, from }: Pick<Recurrence, 'rule' | 'from'>) {
  const options = library.RRule.parseString(rule.replace(/^RRULE:/i, ''));
  if (options.freq === undefined) throw new Error('it has no FREQ');
  return new library.RRule({ ...options, dtstart: new Date(`${from}:00Z`) });
}
