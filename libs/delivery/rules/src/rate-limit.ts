/**
 * The rate limit of a provider account, as a token bucket that all processes share: a token lets one message out. Never
 * more than `burst` at once, and never more than `count` in a calendar second, minute, hour or day (UTC). Fractions add
 * up. Lanes share it unevenly: the last part of the bucket, and of a long quota, is kept for transactional messages.
 * Pure; the row is written by the dispatcher's account-flow.ts.
 */
import type { Lane, RateLimit } from '@carillon/contracts';

export const periodMs: Record<RateLimit['per'], number> = {
  second: 1_000,
  minute: 60_000,
  hour: 3_600_000,
  day: 86_400_000,
};
/** Of the bucket, and of an hour's or a day's quota, that lanes leave for those before them. */
const KEPT_OF_BURST: Record<Lane, number> = { transactional: 0, journey: 0.1, bulk: 0.2 };
const KEPT_OF_QUOTA: Record<Lane, number> = { transactional: 0, journey: 0.02, bulk: 0.05 };
/** Leases are for this long; a second's limit lets this much out at once unless it says otherwise. */
export const SLICE_MS = 100;

/** Times in milliseconds, on the clock that all processes share. */
export interface Bucket {
  tokens: number;
  filledAt: number | null;
  periodAt: number | null;
  used: number;
  promisedUntil: number | null;
}
export const emptyBucket: Bucket = {
  tokens: 0,
  filledAt: null,
  periodAt: null,
  used: 0,
  promisedUntil: null,
};

export const perMs = ({ count, per }: RateLimit): number => count / periodMs[per];
/** Room in the bucket: what was asked for, else what a moment brings (of a longer period: a second); two at the least. */
export const burstOf = (limit: RateLimit): number =>
  limit.burst ?? Math.max(2, perMs(limit) * (limit.per === 'second' ? SLICE_MS : 1_000));
/** The most messages of one period. */
export const quotaOf = ({ count }: RateLimit): number => Math.ceil(count);
export const periodStart = ({ per }: RateLimit, now: number): number => now - (now % periodMs[per]);

/** The bucket at this moment: filled since it was last looked at, and counting the present period. */
export function refill(before: Bucket, limit: RateLimit, now: number): Bucket {
  const burst = burstOf(limit);
  // A clock that was set back fills nothing, and does not begin an old period anew.
  const at = Math.max(now, before.filledAt ?? 0);
  const elapsed = at - (before.filledAt ?? at);
  const periodAt = periodStart(limit, at);
  return {
    ...before,
    tokens: before.filledAt === null ? burst : Math.min(burst, before.tokens + elapsed * perMs(limit)),
    filledAt: at,
    // A shorter or longer period starts counting anew.
    used: before.periodAt === periodAt ? before.used : 0,
    periodAt,
  };
}

/**
 * Takes up to `want` whole tokens.
 * @param returned tokens of an earlier lease that were not needed
 * @returns `waitMs`: when the next token is there for this lane; 0 when all were granted
 */
export function leaseTokens(
  before: Bucket,
  limit: RateLimit,
  ask: { want: number; lane: Lane; returned?: number },
  now: number,
): { bucket: Bucket; granted: number; waitMs: number } {
  const bucket = refill(before, limit, now);
  const burst = burstOf(limit);
  const back = ask.returned ?? 0;
  bucket.tokens = Math.min(burst, bucket.tokens + back);
  // What was leased in the period before is not given back to this one.
  bucket.used = Math.max(0, bucket.used - back);
  const kept = Math.min(burst - 1, burst * KEPT_OF_BURST[ask.lane]);
  const long = limit.per === 'hour' || limit.per === 'day';
  const quota = long ? Math.ceil(quotaOf(limit) * (1 - KEPT_OF_QUOTA[ask.lane])) : quotaOf(limit);
  const granted = Math.max(
    0,
    Math.min(ask.want, Math.floor(bucket.tokens - kept + 1e-9), Math.floor(quota - bucket.used)),
  );
  bucket.tokens -= granted;
  bucket.used += granted;
  if (granted === ask.want) return { bucket, granted, waitMs: 0 };
  const forToken = Math.max(0, (kept + 1 - bucket.tokens) / perMs(limit));
  const forPeriod = bucket.used >= quota ? (bucket.periodAt ?? now) + periodMs[limit.per] - now : 0;
  return { bucket, granted, waitMs: Math.max(1, Math.ceil(Math.max(forToken, forPeriod))) };
}

/** Rows that wait are not spread further than this, so that a limit that is raised reaches them soon enough. */
const PROMISE_AHEAD_MS = 600_000;
/**
 * Spreads rows that found no token over the time in which tokens will come, behind those that were told so before.
 * @returns how long the first of them waits, and how much longer each one after it
 */
export function promiseTokens(
  before: Bucket,
  limit: RateLimit,
  rows: number,
  waitMs: number,
  now: number,
): { bucket: Bucket; firstMs: number; eachMs: number } {
  const eachMs = 1 / perMs(limit);
  const from = Math.min(
    Math.max(now + waitMs, before.promisedUntil ?? 0),
    now + Math.max(waitMs, PROMISE_AHEAD_MS),
  );
  const till = Math.min(from + rows * eachMs, now + Math.max(waitMs, PROMISE_AHEAD_MS));
  return {
    bucket: { ...before, promisedUntil: till },
    firstMs: from - now,
    eachMs: rows > 0 ? Math.min(eachMs, Math.max(0, till - from) / rows) : 0,
  };
}
