/** A rate limit as it is typed: pure. */
import type { ProviderAccount, WarmUp } from '@carillon/contracts';

export type Limit = NonNullable<ProviderAccount['rateLimit']>;
export interface TypedLimit {
  count: number | string;
  per: Limit['per'];
  burst: number | string;
}
export const periods = ['second', 'minute', 'hour', 'day'] as const;

export const typedLimit = (limit: Limit | null | undefined): TypedLimit => ({
  count: limit?.count ?? '',
  per: limit?.per ?? 'second',
  burst: limit?.burst ?? '',
});
/** Null: none. */
export const limitFrom = ({ count, per, burst }: TypedLimit): Limit | null =>
  count === '' ? null : { count: Number(count), per, ...(burst !== '' && { burst: Number(burst) }) };
/** `50 a day`, `2.5 a second`. */
export const limitWords = ({ count, per }: Pick<Limit, 'count' | 'per'>): string =>
  `${count.toLocaleString('en')} ${per === 'hour' ? 'an' : 'a'} ${per}`;

/** A warm-up as it is typed. */
export interface TypedWarmUp {
  from: string;
  quotas: string;
}
export const typedWarmUp = (plan: WarmUp | null | undefined): TypedWarmUp => ({
  from: plan?.from ?? new Date().toISOString().slice(0, 10),
  quotas: plan?.quotas.join(', ') ?? '',
});
/** Null: none. */
export function warmUpFrom({ from, quotas }: TypedWarmUp): WarmUp | null {
  const numbers = quotas
    .split(/[,;\s]+/)
    .filter(Boolean)
    .map(Number);
  return numbers.length === 0 ? null : { from, quotas: numbers };
}
/** `Day 3 of 14: 500 at most`. */
export function warmUpWords({ from, quotas }: WarmUp, now = Date.now()): string {
  const day = Math.floor((now - Date.parse(`${from}T00:00:00Z`)) / 86_400_000) + 1;
  if (day < 1) return `Begins on ${from}, with ${(quotas[0] ?? 0).toLocaleString('en')} a day`;
  if (day > quotas.length)
    return `Over since ${new Date(Date.parse(`${from}T00:00:00Z`) + quotas.length * 86_400_000).toISOString().slice(0, 10)}`;
  return `Day ${day} of ${quotas.length}: ${(quotas[day - 1] ?? 0).toLocaleString('en')} at most`;
}
