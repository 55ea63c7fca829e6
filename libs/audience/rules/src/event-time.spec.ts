import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { judgeEventTime, MOST_AHEAD_MS } from './index.js';

const DAY = 86_400_000;
const now = new Date('2026-11-26T12:00:00Z');
const at = (ms: number) => new Date(now.getTime() + ms);

describe('judgeEventTime', () => {
  it.each<[string, number | undefined, unknown]>([
    ['nothing said', undefined, { ok: true, at: now, corrected: false }],
    ['now', 0, { ok: true, at: now, corrected: false }],
    ['a clock that runs ahead', MOST_AHEAD_MS, { ok: true, at: now, corrected: true }],
    ['further ahead', MOST_AHEAD_MS + 1, { ok: false, code: 'time_in_future' }],
    ['ten years ahead', 3650 * DAY, { ok: false, code: 'time_in_future' }],
    ['as old as is kept', -30 * DAY, { ok: true, at: at(-30 * DAY), corrected: false }],
    ['older', -30 * DAY - 1, { ok: false, code: 'too_old' }],
  ])('%s', (_, ms, expected) => {
    expect(judgeEventTime(ms === undefined ? undefined : at(ms), now, 30)).toMatchObject(expected as object);
  });

  it('never records a time ahead of us or older than what is kept, and moves no time that has passed', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: -400 * DAY, max: 4000 * DAY }),
        fc.integer({ min: 1, max: 365 }),
        (ms, days) => {
          const result = judgeEventTime(at(ms), now, days);
          if (!result.ok) {
            expect(result.sentence).toMatch(/^This is .*\.$/);
            expect(ms > MOST_AHEAD_MS || ms < -days * DAY).toBe(true);
            return;
          }
          expect(result.at <= now && result.at >= at(-days * DAY)).toBe(true);
          expect(result.at.getTime()).toBe(now.getTime() + Math.min(ms, 0));
          expect(result.corrected).toBe(ms > 0);
        },
      ),
    );
  });
});
