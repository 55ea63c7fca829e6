import { lanes, type Lane, type RateLimit } from '@carillon/contracts';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  burstOf,
  emptyBucket,
  leaseTokens,
  perMs,
  periodMs,
  periodStart,
  promiseTokens,
  quotaOf,
  type Bucket,
} from './rate-limit.js';

const start = Date.UTC(2026, 2, 1, 12);
const limits: fc.Arbitrary<RateLimit> = fc
  .record({
    count: fc.double({ min: 0.01, max: 5_000, noNaN: true }),
    per: fc.constantFrom('second', 'minute', 'hour', 'day'),
    burst: fc.option(fc.double({ min: 1, max: 500, noNaN: true }), { nil: undefined }),
  })
  .map(({ burst, ...limit }) => (burst === undefined ? limit : { ...limit, burst }) as RateLimit);
const asks = fc.array(
  fc.record({
    afterMs: fc.oneof(fc.integer({ min: 0, max: 50 }), fc.integer({ min: -5_000, max: 90_000 })),
    want: fc.integer({ min: 0, max: 300 }),
    lane: fc.constantFrom(...lanes),
    /** Part of the grant that goes back with the next ask. */
    unused: fc.double({ min: 0, max: 1, noNaN: true }),
  }),
  { minLength: 1, maxLength: 60 },
);
const lease = (bucket: Bucket, limit: RateLimit, want: number, now: number, lane: Lane = 'transactional') =>
  leaseTokens(bucket, limit, { want, lane }, now);

describe('leaseTokens', () => {
  it('never lets out more than the burst and what time brought, nor more than the count of a period', () => {
    fc.assert(
      fc.property(limits, asks, (limit, list) => {
        let bucket: Bucket = emptyBucket;
        let now = start;
        let latest = 0;
        const out: { at: number; n: number }[] = [];
        const perPeriod = new Map<number, number>();
        for (const { afterMs, want, lane } of list) {
          now += afterMs; // clocks may go back
          latest = Math.max(latest, now);
          const { bucket: after, granted, waitMs } = leaseTokens(bucket, limit, { want, lane }, now);
          bucket = after;
          expect(granted).toBeLessThanOrEqual(want);
          expect(Number.isInteger(granted) && granted >= 0).toBe(true);
          expect(granted === want).toBe(waitMs === 0);
          out.push({ at: latest, n: granted });
          const period = periodStart(limit, latest);
          perPeriod.set(period, (perPeriod.get(period) ?? 0) + granted);
        }
        for (const n of perPeriod.values()) expect(n).toBeLessThanOrEqual(quotaOf(limit));
        // In every stretch of time.
        const over: unknown[] = [];
        for (const [i, from] of out.entries()) {
          let sum = 0;
          for (const { at, n } of out.slice(i)) {
            sum += n;
            const most = burstOf(limit) + (at - from.at) * perMs(limit) + 1e-6;
            if (sum > most) over.push({ from, at, sum, most });
          }
        }
        expect(over).toEqual([]);
      }),
      { numRuns: 500 },
    );
  });

  it('takes back what was not needed, and never more than there is room for', () => {
    fc.assert(
      fc.property(limits, asks, (limit, list) => {
        let bucket: Bucket = emptyBucket;
        let now = start;
        let returned = 0;
        let sent = 0;
        for (const { afterMs, want, lane, unused } of list) {
          now += Math.abs(afterMs);
          const got = leaseTokens(bucket, limit, { want, lane, returned }, now);
          bucket = got.bucket;
          sent += got.granted - returned;
          returned = Math.floor(got.granted * unused);
          expect(bucket.tokens).toBeLessThanOrEqual(burstOf(limit) + 1e-9);
        }
        expect(sent).toBeLessThanOrEqual(burstOf(limit) + (now - start) * perMs(limit) + 1e-6);
      }),
    );
  });

  it('grants after the wait it named', () => {
    fc.assert(
      fc.property(limits, fc.constantFrom(...lanes), (limit, lane) => {
        fc.pre(limit.count >= 1 && burstOf(limit) >= 2);
        let now = start;
        let bucket: Bucket = emptyBucket;
        for (let granted = 1, waitMs = 0; granted > 0;)
          ({ bucket, granted, waitMs } = lease(bucket, limit, 1_000, (now += waitMs && 0), lane));
        const { waitMs } = lease(bucket, limit, 1, now, lane);
        expect(waitMs).toBeGreaterThan(0);
        expect(lease(bucket, limit, 1, now + waitMs, lane).granted).toBe(1);
      }),
    );
  });

  it.each<[RateLimit, number]>([
    [{ count: 10, per: 'second' }, 10],
    [{ count: 2.5, per: 'second' }, 2.5],
    [{ count: 0.5, per: 'second' }, 0.5],
    [{ count: 90, per: 'minute' }, 1.5],
    [{ count: 500, per: 'second' }, 500],
  ])('lets nine tenths of %j out when it is asked all the time', (limit, perSecond) => {
    let bucket: Bucket = emptyBucket;
    let sent = 0;
    for (let ms = 0; ms < 120_000; ms += 20) {
      const got = lease(bucket, limit, 1_000, start + ms);
      bucket = got.bucket;
      sent += got.granted;
    }
    expect(sent).toBeLessThanOrEqual(perSecond * 120 + burstOf(limit));
    expect(sent).toBeGreaterThanOrEqual(perSecond * 120 * 0.9);
  });

  it('keeps the last part of the bucket for those before', () => {
    const limit: RateLimit = { count: 100, per: 'second', burst: 10 };
    const bulk = lease(emptyBucket, limit, 100, start, 'bulk');
    expect(bulk.granted).toBe(8);
    const journey = lease(bulk.bucket, limit, 100, start, 'journey');
    expect(journey.granted).toBe(1);
    const code = lease(journey.bucket, limit, 100, start);
    expect(code.granted).toBe(1);
    // Whoever came first waits behind them.
    expect(lease(code.bucket, limit, 100, start + 10, 'bulk').granted).toBe(0);
    expect(lease(code.bucket, limit, 100, start + 10).granted).toBe(1);
  });

  it('keeps a twentieth of a day for what is not bulk, and starts anew at midnight UTC', () => {
    const limit: RateLimit = { count: 100, per: 'day', burst: 100 };
    const bulk = lease(emptyBucket, limit, 100, start, 'bulk');
    expect(bulk.granted).toBe(80);
    const later = start + 6 * 3_600_000;
    const more = lease(bulk.bucket, limit, 100, later, 'bulk');
    expect(bulk.granted + more.granted).toBe(95);
    expect(more.waitMs).toBe(6 * 3_600_000);
    expect(lease(more.bucket, limit, 100, later).granted).toBe(5);
    expect(lease(more.bucket, limit, 1, later + periodMs.day / 4, 'bulk').granted).toBe(1);
  });

  it('obeys a new limit at once', () => {
    const { bucket } = lease(emptyBucket, { count: 1_000, per: 'second' }, 50, start);
    expect(lease(bucket, { count: 1, per: 'second' }, 100, start + 1000).granted).toBe(1);
  });
});

describe('promiseTokens', () => {
  it('spreads rows over the time in which tokens come, behind earlier ones', () => {
    const limit: RateLimit = { count: 10, per: 'second' };
    const first = promiseTokens(emptyBucket, limit, 50, 200, start);
    expect(first).toMatchObject({ firstMs: 200, eachMs: 100 });
    const second = promiseTokens(first.bucket, limit, 10, 200, start + 1000);
    expect(second.firstMs).toBe(4200);
  });

  it('puts nobody off for more than ten minutes, but for a longer quota', () => {
    const limit: RateLimit = { count: 1, per: 'minute' };
    const { firstMs, eachMs } = promiseTokens(emptyBucket, limit, 1000, 60_000, start);
    expect(firstMs + eachMs * 1000).toBeLessThanOrEqual(600_001);
    const day = promiseTokens(emptyBucket, { count: 5, per: 'day' }, 10, 3_600_000, start);
    expect(day).toMatchObject({ firstMs: 3_600_000, eachMs: 0 });
  });
});
