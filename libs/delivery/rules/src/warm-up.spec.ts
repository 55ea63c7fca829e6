import { describe, expect, it } from '@jest/globals';
import { limitNow, warmUpDay } from './warm-up.js';

const plan = { from: '2027-01-04', quotas: [50, 100, 4800] };
const at = (iso: string) => Date.parse(iso);
const fast = { count: 10, per: 'second' } as const;

describe('warming up', () => {
  it.each([
    ['before the first day', '2027-01-03T23:59:59Z', null],
    ['on the first', '2027-01-04T00:00:00Z', 1],
    ['on the second', '2027-01-05T12:00:00Z', 2],
    ['to the end of the last', '2027-01-06T23:59:59Z', 3],
    ['after it', '2027-01-07T00:00:00Z', null],
  ])('%s', (_, now, day) => expect(warmUpDay(plan, at(now))).toBe(day));

  it('is the quota of the day, an hour of it at once; then the limit of the account', () => {
    expect(limitNow(fast, plan, at('2027-01-04T10:00:00Z'))).toEqual({ count: 50, per: 'day', burst: 3 });
    expect(limitNow(null, plan, at('2027-01-06T10:00:00Z'))).toEqual({ count: 4800, per: 'day', burst: 200 });
    expect(limitNow(fast, plan, at('2027-01-07T10:00:00Z'))).toEqual(fast);
    expect(limitNow(null, null, 0)).toBeNull();
  });
});
