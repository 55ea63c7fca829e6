/** Retry policies as people read and type them. Pure. */
import type { ChannelRetry } from '@carillon/contracts';
import { span } from '../../time.js';

export type Policy = ChannelRetry['defaults'];

export const units = [
  { value: 'seconds', label: 'seconds', size: 1 },
  { value: 'minutes', label: 'minutes', size: 60 },
  { value: 'hours', label: 'hours', size: 3600 },
  { value: 'days', label: 'days', size: 86_400 },
] as const;
export type Unit = (typeof units)[number]['value'];
const sizeOf = (unit: Unit): number => units.find(({ value }) => value === unit)?.size ?? 1;

export interface TypedSpan {
  count: number | string;
  unit: Unit;
}
/** The largest unit that gives a whole number: 5,400 s are 90 minutes, 172,800 s are 2 days. */
export const typedSpan = (seconds: number): TypedSpan => {
  const fits = units.findLast(({ size }) => seconds >= size && seconds % size === 0) ?? units[0];
  return { count: seconds / fits.size, unit: fits.value };
};
export const secondsOf = ({ count, unit }: TypedSpan): number | null =>
  count === '' ? null : Number(count) * sizeOf(unit);

/** "5 s", "30 min", "4 h", "2 days": never rounded. */
export const spanWords = (seconds: number): string => {
  const { count, unit } = typedSpan(seconds);
  const short = { seconds: 's', minutes: 'min', hours: 'h', days: Number(count) === 1 ? 'day' : 'days' };
  return `${count} ${short[unit]}`;
};

/** The waits between attempts at the longest, without a provider's hint: what is cut off by the window is left out. */
export const waits = ({ attempts, windowSeconds, backoffSeconds, maxBackoffSeconds }: Policy): number[] => {
  const all: number[] = [];
  for (let sum = 0, n = 0; n < attempts - 1; n += 1) {
    const wait = Math.min(maxBackoffSeconds, backoffSeconds * 2 ** n);
    sum += wait;
    if (sum > windowSeconds) break;
    all.push(wait);
  }
  return all;
};

/** "Waits of at most 5 s, 10 s, 20 s … 4 h: the last of 12 attempts at most 9 h after the first." */
export const scheduleWords = (policy: Policy): string => {
  const all = waits(policy);
  if (all.length === 0) return 'It is tried once.';
  const shown = all.length > 5 ? [...all.slice(0, 3), '…' as const, all.at(-1) ?? 0] : all;
  const list = shown
    .map((wait) => (wait === '…' ? wait : spanWords(wait)))
    .join(', ')
    .replace(', …,', ' …');
  const total = all.reduce((sum, wait) => sum + wait, 0);
  return `Waits of at most ${list}: the last of ${all.length + 1} attempts at most about ${span(total * 1000)} after the first.`;
};
