/** A rate limit as it is typed: pure. */
import type { ProviderAccount } from '@carillon/contracts';

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
