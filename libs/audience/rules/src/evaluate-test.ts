/** One comparison in memory. The naive twin of compile-test.ts: shares no code with it but the words. Pure. */
import type { Test } from '@carillon/contracts';
import { dayAfter, dayIn, isAnniversary, localDay, momentIn, startOfDay } from './local-time.js';
import { dayOfWord, momentOf, secondsIn } from './spans.js';

export interface Place {
  now: Date;
  /** The person's zone. */
  zone: string;
}

/** @param value of JSON, a Date, or undefined where there is none */
export function testHolds(value: unknown, test: Test, { now, zone }: Place): boolean {
  // Rules compare with texts, numbers and booleans only; 0 and -0 are one number.
  const equals = (other: unknown): boolean => value === other;
  const among = (others: readonly unknown[]): boolean => others.some(equals);
  const number = typeof value === 'number' ? value : NaN;
  const text = typeof value === 'string' ? value : undefined;
  const list = Array.isArray(value) ? (value as unknown[]) : undefined;
  const moment = (): Date | undefined =>
    value instanceof Date ? value : text === undefined ? undefined : momentIn(text, zone);
  const day = (): string | undefined =>
    value instanceof Date ? localDay(value, zone) : text === undefined ? undefined : dayIn(text, zone);
  const today = (): string => localDay(now, zone);
  const when = (word: string): Date => {
    const meant = momentOf(word, now);
    if ('at' in meant) return meant.at;
    return startOfDay('date' in meant ? meant.date : dayAfter(today(), meant.dayFromToday), zone);
  };
  const dayWord = (word: string): string => {
    const meant = dayOfWord(word);
    return 'date' in meant ? meant.date : dayAfter(today(), meant.dayFromToday);
  };
  const compare = (limit: Date, holds: (a: number, b: number) => boolean): boolean => {
    const at = moment();
    return at !== undefined && holds(at.getTime(), limit.getTime());
  };
  const shifted = (span: string, sign: number): number => now.getTime() + sign * secondsIn(span) * 1000;

  if (test.is !== undefined) return among([test.is]);
  if (test.isNot !== undefined) return !among([test.isNot]);
  if (test.in) return among(test.in);
  if (test.notIn) return !among(test.notIn);
  if (test.exists !== undefined) return (value !== undefined && value !== null) === test.exists;
  if (test.above !== undefined) return number > test.above;
  if (test.atLeast !== undefined) return number >= test.atLeast;
  if (test.below !== undefined) return number < test.below;
  if (test.atMost !== undefined) return number <= test.atMost;
  if (test.between) return number >= test.between[0] && number <= test.between[1];
  if (test.contains !== undefined) return text?.includes(test.contains) ?? false;
  if (test.startsWith !== undefined) return text?.startsWith(test.startsWith) ?? false;
  if (test.endsWith !== undefined) return text?.endsWith(test.endsWith) ?? false;
  if (test.hasAny) return test.hasAny.some((one) => list?.includes(one));
  if (test.hasAll) return test.hasAll.every((one) => list?.includes(one));
  if (test.hasNone) return !test.hasNone.some((one) => list?.includes(one));
  if (test.before !== undefined) return compare(when(test.before), (a, b) => a < b);
  if (test.since !== undefined) return compare(when(test.since), (a, b) => a >= b);
  if (test.on !== undefined) return day() === dayWord(test.on);
  if (test.anniversary !== undefined) {
    const of = day();
    return of !== undefined && isAnniversary(of, dayWord(test.anniversary));
  }
  const at = moment()?.getTime();
  if (test.withinLast !== undefined)
    return at !== undefined && at > shifted(test.withinLast, -1) && at <= now.getTime();
  if (test.withinNext !== undefined)
    return at !== undefined && at >= now.getTime() && at < shifted(test.withinNext, 1);
  return false;
}
