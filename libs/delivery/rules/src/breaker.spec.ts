import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  addTallies,
  admit,
  afterTally,
  BREAKER_IN_ROW,
  BREAKER_MAX_OPEN_MS,
  BREAKER_OPEN_MS,
  BREAKER_PROBES,
  breakerPhase,
  closedBreaker,
  tallyOf,
  untroubled,
  type AccountTally,
  type Breaker,
} from './breaker.js';
import type { Outcome } from './outcome.js';

const now = Date.UTC(2026, 2, 1);
const ok: Outcome = { kind: 'accepted', providerMessageId: '1', answer: {} };
const refused: Outcome = { kind: 'rejected', reason: 'recipient_unknown', answer: { code: 550 } };
const grey: Outcome = { kind: 'deferred', blames: 'recipient', answer: { code: 450 } };
const away: Outcome = { kind: 'deferred', answer: { code: 'ECONNREFUSED', message: 'refused' } };
const silent: Outcome = { kind: 'unknown', answer: { code: 504 } };
const slower = (retryAfterMs?: number): Outcome => ({
  kind: 'rateLimited',
  ...(retryAfterMs !== undefined && { retryAfterMs }),
  answer: { code: 429 },
});
const times = (n: number, outcome: Outcome) => Array.from({ length: n }, () => outcome);
const after = (b: Breaker, outcomes: Outcome[], at = now, random = 0) =>
  afterTally(b, tallyOf(outcomes), at, random);
const fresh = closedBreaker(now);

describe('the breaker', () => {
  it.each<[string, Outcome[], 'closed' | 'open']>([
    ['nothing', [], 'closed'],
    ['successes', times(100, ok), 'closed'],
    ['refused recipients, however many', times(1000, refused), 'closed'],
    ['greylisting, however much', times(1000, grey), 'closed'],
    ['a 429, which holds instead', times(100, slower()), 'closed'],
    ['wrong credentials, which pause instead', times(100, { kind: 'misconfigured', answer: {} }), 'closed'],
    ['a few failures', times(BREAKER_IN_ROW - 1, away), 'closed'],
    ['failures in a row', times(BREAKER_IN_ROW, away), 'open'],
    ['silence in a row', times(BREAKER_IN_ROW, silent), 'open'],
    ['half of many', [...times(10, ok), ...times(10, away)], 'open'],
    ['less than half', [...times(60, ok), ...times(40, away)], 'closed'],
    ['half of few', [...times(5, ok), ...times(5, away)], 'closed'],
  ])('after %s', (_, outcomes, phase) => {
    expect(breakerPhase(after(fresh, outcomes), now)).toBe(phase);
  });

  it('counts failures in a row over batches and processes, and a success ends the row', () => {
    let b = fresh;
    for (let i = 0; i < BREAKER_IN_ROW - 1; i++) b = after(b, [away]);
    expect(breakerPhase(after(b, [away]), now)).toBe('open');
    expect(breakerPhase(after(after(b, [ok]), [away]), now)).toBe('closed');
  });

  it('says why it opened in the words of the provider', () => {
    expect(after(fresh, times(5, away))).toMatchObject({
      openReason: '5 attempts in a row failed: ECONNREFUSED refused',
      openedAt: now,
      openUntil: now + BREAKER_OPEN_MS,
    });
  });

  it('forgets failures older than its window', () => {
    const b = after(fresh, [...times(10, ok), ...times(9, away)]);
    expect(breakerPhase(after(b, times(4, away), now + 59_000), now + 59_000)).toBe('open');
    expect(breakerPhase(after(b, times(4, away), now + 60_000), now + 60_000)).toBe('closed');
  });

  it('lets few probes out when its time is over, closes with their success, opens for longer with their failure', () => {
    const open = after(fresh, times(5, away));
    expect(admit(open, 10, now + 1)).toMatchObject({ granted: 0, waitMs: BREAKER_OPEN_MS - 1 });
    const later = now + BREAKER_OPEN_MS;
    const probing = admit(open, 10, later);
    expect(probing.granted).toBe(BREAKER_PROBES);
    expect(admit(probing.breaker, 10, later + 1).granted).toBe(0);
    const closed = after(probing.breaker, times(3, ok), later);
    expect(closed).toMatchObject({ openUntil: null, trips: 0, openReason: null });
    expect(untroubled(closed)).toBe(true);
    const again = after(probing.breaker, [away], later);
    expect(again).toMatchObject({ trips: 2, openUntil: later + 2 * BREAKER_OPEN_MS, openedAt: now });
  });

  it('gives a probe back that was not used, and one whose worker died after a while', () => {
    const open = after(fresh, times(5, away));
    const later = now + BREAKER_OPEN_MS;
    const { breaker } = admit(open, BREAKER_PROBES, later);
    const unused: AccountTally = { ok: 0, failed: 0, other: 2, reason: null, holdMs: null };
    expect(admit(afterTally(breaker, unused, later, 0), 9, later).granted).toBe(2);
    expect(admit(breaker, 9, later + 150_001).granted).toBe(BREAKER_PROBES);
  });

  it('is not closed by a success that was under way when it opened', () => {
    const open = after(fresh, times(5, away));
    expect(breakerPhase(after(open, [ok], now + 1), now + 1)).toBe('open');
  });

  it('is never open for longer than its bound, whatever happens', () => {
    const outcomes = fc.constantFrom(ok, refused, grey, away, silent, slower(), slower(3000));
    fc.assert(
      fc.property(
        fc.array(
          fc.record({
            batch: fc.array(outcomes, { maxLength: 30 }),
            afterMs: fc.nat(200_000),
            random: fc.double({ min: 0, max: 0.999, noNaN: true }),
          }),
          { maxLength: 60 },
        ),
        (steps) => {
          let b = fresh;
          let at = now;
          for (const { batch, afterMs, random } of steps) {
            at += afterMs;
            b = after(admit(b, batch.length, at).breaker, batch, at, random);
            expect((b.openUntil ?? 0) - at).toBeLessThanOrEqual(BREAKER_MAX_OPEN_MS * 1.25);
            expect((b.heldUntil ?? 0) - at).toBeLessThanOrEqual(120_000);
            expect(b.probes).toBeGreaterThanOrEqual(0);
          }
        },
      ),
    );
  });
});

describe('a 429', () => {
  it('holds the account for as long as the provider asks, the longest of a batch', () => {
    const held = after(fresh, [slower(1000), slower(7000), ok]);
    expect(held.heldUntil).toBe(now + 7000);
    expect(admit(held, 5, now + 6999)).toMatchObject({ granted: 0, waitMs: 1 });
    expect(admit(held, 5, now + 7000).granted).toBe(5);
  });

  it('without a hint waits for a drawn time that grows, until a success', () => {
    const first = after(fresh, [slower()], now, 0.5);
    expect(first.holdMs).toBe(2000);
    const second = after(first, [slower()], now + 2000, 0.999);
    expect(second.holdMs).toBeGreaterThan(5000);
    expect(after(second, [ok], now + 10_000)).toMatchObject({ holdMs: 0, heldUntil: null });
  });

  it('does not shorten a longer wait', () => {
    const long = after(fresh, [slower(60_000)]);
    expect(after(long, [slower(1000)], now + 1).heldUntil).toBe(now + 60_000);
  });
});

it('two batches told as one are as two', () => {
  const a = tallyOf([ok, away, slower(5)]);
  const b = tallyOf([silent, refused]);
  expect(addTallies(a, b)).toEqual(tallyOf([ok, away, slower(5), silent, refused]));
});
