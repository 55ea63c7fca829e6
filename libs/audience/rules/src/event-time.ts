/** When an event is taken to have happened. Clocks of phones and browsers are wrong, and queues of theirs are long. */

/** So far ahead of us a clock may be; what happened is then put at the time of receipt. */
export const MOST_AHEAD_MS = 5 * 60_000;
const DAY_MS = 86_400_000;

export type EventTime =
  | { ok: true; at: Date; corrected: boolean }
  | { ok: false; code: 'time_in_future' | 'too_old'; sentence: string };

/**
 * @param given undefined when nothing was said
 * @param now time of receipt
 * @param keepDays how long events are kept
 */
export function judgeEventTime(given: Date | undefined, now: Date, keepDays: number): EventTime {
  if (given === undefined) return { ok: true, at: now, corrected: false };
  const ahead = given.getTime() - now.getTime();
  if (ahead > MOST_AHEAD_MS)
    return {
      ok: false,
      code: 'time_in_future',
      sentence: `This is ${span(ahead)} in the future: write when it happened, with its offset, or leave "at" out.`,
    };
  if (-ahead > keepDays * DAY_MS)
    return {
      ok: false,
      code: 'too_old',
      sentence: `This is older than the ${keepDays} days for which events are kept: leave it out.`,
    };
  return ahead > 0 ? { ok: true, at: now, corrected: true } : { ok: true, at: given, corrected: false };
}

function span(ms: number): string {
  const [size, word] =
    ms >= 2 * DAY_MS ? [DAY_MS, 'days'] : ms >= 7_200_000 ? [3_600_000, 'hours'] : [60_000, 'minutes'];
  return `${Math.round(ms / size)} ${word}`;
}
