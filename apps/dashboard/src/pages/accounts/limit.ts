/** A rate limit as it is typed: pure. */
import type { Prices, ProviderAccount, WarmUp } from '@carillon/contracts';

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
  /** A line for each group: `gmail.com googlemail.com: 20, 50, 100`. */
  domains: string;
}
export const typedWarmUp = (plan: WarmUp | null | undefined): TypedWarmUp => ({
  from: plan?.from ?? new Date().toISOString().slice(0, 10),
  quotas: plan?.quotas.join(', ') ?? '',
  domains:
    plan?.domains?.map((group) => `${group.domains.join(' ')}: ${group.quotas.join(', ')}`).join('\n') ?? '',
});
const words = (text: string): string[] => text.split(/[,;\s]+/).filter(Boolean);
/** Null: none. */
export function warmUpFrom({ from, quotas, domains }: TypedWarmUp): WarmUp | null {
  const numbers = words(quotas).map(Number);
  if (numbers.length === 0) return null;
  const groups = domains
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => {
      const [names = '', own = ''] = line.split(':');
      return { domains: words(names.toLowerCase()), quotas: words(own).map(Number) };
    });
  return { from, quotas: numbers, ...(groups.length > 0 && { domains: groups }) };
}
/** `Day 3 of 14: 500 at most`. */
export function warmUpWords({ from, quotas }: WarmUp, now = Date.now()): string {
  const day = Math.floor((now - Date.parse(`${from}T00:00:00Z`)) / 86_400_000) + 1;
  if (day < 1) return `Begins on ${from}, with ${(quotas[0] ?? 0).toLocaleString('en')} a day`;
  if (day > quotas.length)
    return `Over since ${new Date(Date.parse(`${from}T00:00:00Z`) + quotas.length * 86_400_000).toISOString().slice(0, 10)}`;
  return `Day ${day} of ${quotas.length}: ${(quotas[day - 1] ?? 0).toLocaleString('en')} at most`;
}

/** Prices as they are typed: `0.05, +49 0.075`, and a currency. */
export interface TypedPrices {
  currency: string;
  text: string;
}
export const typedPrices = (prices: Prices | null | undefined): TypedPrices => ({
  currency: prices?.currency ?? 'EUR',
  text: prices?.byPrefix.map(({ prefix, price }) => `${prefix} ${price}`.trim()).join(', ') ?? '',
});
/** Null: none. */
export function pricesFrom({ currency, text }: TypedPrices): Prices | null {
  const byPrefix = text
    .split(/[,;\n]/)
    .map((one) => one.trim())
    .filter(Boolean)
    .map((one) => {
      const [, prefix = '', price] = /^(\+\d+)?\s*(.*)$/.exec(one) ?? [];
      return { prefix, price: Number(price) };
    });
  return byPrefix.length === 0 ? null : { currency: currency.trim().toUpperCase(), byPrefix };
}
