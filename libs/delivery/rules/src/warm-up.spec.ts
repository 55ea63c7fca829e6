import { describe, expect, it } from '@jest/globals';
import { domainQuotasNow, limitNow, msToTomorrow, paceMs, quotaFor, warmUpDay } from './warm-up.js';

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

describe('receiving domains', () => {
  const own = {
    ...plan,
    domains: [
      { domains: ['gmail.com', 'googlemail.com'], quotas: [10, 20, 30, 40] },
      { domains: ['gmx.de'], quotas: [5] },
    ],
  };
  it.each([
    ['before the first day', '2027-01-03T23:59:59Z', {}],
    ['on the first', '2027-01-04T00:00:00Z', { 'gmail.com': 10, 'gmx.de': 5 }],
    ['where one is over', '2027-01-05T12:00:00Z', { 'gmail.com': 20 }],
    ['longer than the account itself', '2027-01-07T12:00:00Z', { 'gmail.com': 40 }],
    ['after all', '2027-01-08T00:00:00Z', {}],
  ])('%s', (_, now, quotas) => {
    const found = domainQuotasNow(own, at(now)) ?? [];
    expect(Object.fromEntries(found.map(({ name, quota }) => [name, quota]))).toEqual(quotas);
  });
  it('count together, whatever the case of the address', () => {
    const quotas = domainQuotasNow(own, at('2027-01-04T10:00:00Z'))!;
    expect(quotaFor(quotas, 'Ada@GoogleMail.com')?.name).toBe('gmail.com');
    expect(quotaFor(quotas, 'ada@notgmail.com')).toBeUndefined();
    expect(domainQuotasNow(plan, at('2027-01-04T10:00:00Z'))).toBeNull();
    expect(msToTomorrow(at('2027-01-04T23:00:00Z'))).toBe(3_600_000);
  });
});

describe('how long so many take', () => {
  const HOUR = 3_600_000;
  const day = (n: number) => n * 24 * HOUR;
  const from = at('2027-01-04T12:00:00Z');
  const none = new Map<string, number>();
  const quick = { limit: fast, warmUp: null };
  const warming = { limit: null, warmUp: plan };
  const byDomain = {
    limit: null,
    warmUp: {
      from: '2027-01-04',
      quotas: [1_000_000],
      domains: [{ domains: ['gmail.com', 'googlemail.com'], quotas: [10, 20, 30] }],
    },
  };
  const gmail = (n: number) =>
    new Map([
      ['gmail.com', n / 2],
      ['googlemail.com', n / 2],
    ]);
  it.each<[string, number, number]>([
    ['at once, without limits', paceMs([{ limit: null, warmUp: null }], 1_000_000, none, { from }), 0],
    ['by the limit', paceMs([quick], 36_000, none, { from }), HOUR],
    [
      'by that of the mailing, when it is lower',
      paceMs([quick], 36_000, none, { from, perSecond: 5 }),
      2 * HOUR,
    ],
    ['of two accounts together', paceMs([quick, quick], 36_000, none, { from }), HOUR / 2],
    // Half of 50 today, all of 100 tomorrow, and half of 4,800 the day after.
    [
      'by the quotas of each day',
      paceMs([warming], 25 + 100 + 2400, none, { from }),
      12 * HOUR + day(1) + 12 * HOUR,
    ],
    [
      'of a domain, within the day',
      paceMs([byDomain], 100, gmail(10), { from }),
      (100 / 500_000) * 12 * HOUR,
    ],
    ['the day after', paceMs([byDomain], 100, gmail(30), { from }), 12 * HOUR],
    ['two days after', paceMs([byDomain], 100, gmail(31), { from }), 12 * HOUR + day(1)],
    ['when its quotas are over', paceMs([byDomain], 100, gmail(61), { from }), 12 * HOUR + day(2)],
    [
      'not where another account may',
      paceMs([byDomain, { limit: null, warmUp: null }], 100, gmail(61), { from }),
      0,
    ],
  ])('%s', (_, ms, expected) => expect(Math.abs(ms - expected)).toBeLessThan(100_000));
});
