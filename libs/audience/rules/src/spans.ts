/** Words of rules about time: spans such as `30d`, moments such as `3d ago`, calendar days such as `in 3d`. */

const SECONDS = { m: 60, h: 3600, d: 86_400, w: 604_800 } as const;

/** Seconds in a span such as `30d`. */
export function secondsIn(span: string): number {
  const unit = span.at(-1) as keyof typeof SECONDS;
  return Number(span.slice(0, -1)) * SECONDS[unit];
}

export type Moment = { at: Date } | { dayFromToday: number } | { date: string };

/** What a word such as `now`, `today`, `3d ago`, `in 3d`, a date or a time means: a moment, or the start of a day in somebody's zone. */
export function momentOf(word: string, now: Date): Moment {
  if (word === 'now') return { at: now };
  const named = ({ today: 0, yesterday: -1, tomorrow: 1 } as Record<string, number>)[word];
  if (named !== undefined) return { dayFromToday: named };
  const relative = relativeSpan(word);
  if (relative) return { at: new Date(now.getTime() + relative.sign * secondsIn(relative.span) * 1000) };
  return /^\d{4}-\d{2}-\d{2}$/.test(word) ? { date: word } : { at: new Date(word) };
}

export type CalendarDay = { dayFromToday: number } | { date: string };

/** What a word such as `today`, `3d ago` or a date means as a day of the calendar. */
export function dayOfWord(word: string): CalendarDay {
  const named = ({ today: 0, yesterday: -1, tomorrow: 1 } as Record<string, number>)[word];
  if (named !== undefined) return { dayFromToday: named };
  const relative = relativeSpan(word);
  return relative ? { dayFromToday: relative.sign * (secondsIn(relative.span) / SECONDS.d) } : { date: word };
}

function relativeSpan(word: string): { span: string; sign: 1 | -1 } | undefined {
  const ago = /^(\d+[mhdw]) ago$/.exec(word)?.[1];
  if (ago) return { span: ago, sign: -1 };
  const ahead = /^in (\d+[mhdw])$/.exec(word)?.[1];
  return ahead ? { span: ahead, sign: 1 } : undefined;
}

/** The places of a stable share on the circle of 2^32 that people are hashed to: from … to before …. */
export const shareBounds = (share: { from: number; to: number }): [number, number] => [
  Math.round((share.from / 100) * 2 ** 32),
  Math.round((share.to / 100) * 2 ** 32),
];
