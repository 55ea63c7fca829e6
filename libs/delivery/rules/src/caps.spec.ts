import { describe, expect, it } from '@jest/globals';
import type { FrequencyCap } from '@carillon/contracts';
import fc from 'fast-check';
import { overCap, windowStart, type Counted } from './caps.js';
import { drawn } from './holdout.js';

const cap = (more: Partial<FrequencyCap>): FrequencyCap => ({
  key: 'cap',
  channels: [],
  topics: [],
  class: 'marketing',
  limit: 1,
  per: 'day',
  every: 1,
  window: 'rolling',
  ...more,
});
const at = (text: string) => Date.parse(text);
const about = { id: null, channel: 'email', messageClass: 'marketing', topic: 'news' } as const;
const sent = (id: string, when: string, more: Partial<Counted> = {}): Counted => ({
  ...about,
  id,
  at: at(when),
  ...more,
});
const now = at('2026-03-29T12:00:00Z');

describe('windows', () => {
  const table: [string, Partial<FrequencyCap>, string, string, string][] = [
    ['a rolling day', {}, 'UTC', '2026-11-26T10:00:00Z', '2026-11-25T10:00:00Z'],
    [
      'a day where the person is',
      { window: 'calendar' },
      'Asia/Tokyo',
      '2026-11-26T16:00:00Z',
      '2026-11-26T15:00:00Z',
    ],
    [
      'a day that has 23 hours',
      { window: 'calendar' },
      'Europe/Berlin',
      '2026-03-29T20:00:00Z',
      '2026-03-28T23:00:00Z',
    ],
    [
      'an hour',
      { window: 'calendar', per: 'hour' },
      'Asia/Kolkata',
      '2026-11-26T10:15:00Z',
      '2026-11-26T09:30:00Z',
    ],
    [
      'six hours of the day',
      { window: 'calendar', per: 'hour', every: 6 },
      'UTC',
      '2026-11-26T16:59:00Z',
      '2026-11-26T12:00:00Z',
    ],
    [
      'a week begins on Monday',
      { window: 'calendar', per: 'week' },
      'UTC',
      '2026-11-29T23:59:00Z',
      '2026-11-23T00:00:00Z',
    ],
    [
      'a month',
      { window: 'calendar', per: 'month' },
      'Europe/Berlin',
      '2026-11-01T00:30:00Z',
      '2026-10-31T23:00:00Z',
    ],
    [
      'a quarter',
      { window: 'calendar', per: 'month', every: 3 },
      'UTC',
      '2026-11-26T00:00:00Z',
      '2026-10-01T00:00:00Z',
    ],
  ];
  it.each(table)('%s', (_, more, zone, from, start) =>
    expect(new Date(windowStart(cap(more), at(from), zone))).toEqual(new Date(start)),
  );
  it('begin before now, and not long before', () =>
    fc.assert(
      fc.property(
        fc.constantFrom('hour', 'day', 'week', 'month'),
        fc.integer({ min: 1, max: 3 }),
        fc.constantFrom('rolling', 'calendar'),
        fc.constantFrom(...Intl.supportedValuesOf('timeZone')),
        fc.integer({ min: at('2026-01-01T00:00:00Z'), max: at('2030-12-31T00:00:00Z') }),
        (per, every, window, zone, t) => {
          const start = windowStart(cap({ per, every, window }), t, zone);
          const most = { hour: 1, day: 24, week: 168, month: 744 }[per] * every + 3;
          expect(t - start).toBeGreaterThanOrEqual(0);
          expect(t - start).toBeLessThanOrEqual(most * 3_600_000);
        },
      ),
    ));
});

describe('caps', () => {
  const over = (caps: FrequencyCap[], list: Counted[], more: Partial<Counted> = {}) =>
    overCap(caps, { ...about, ...more }, list, now, 'UTC')?.cap.key ?? null;
  const one = [sent('a', '2026-03-29T08:00:00Z')];

  it('of one let one through', () => {
    expect(over([cap({})], [])).toBeNull();
    expect(over([cap({})], one)).toBe('cap');
    expect(over([cap({})], [sent('a', '2026-03-28T11:00:00Z')])).toBeNull();
  });
  it('of none let none through', () => expect(over([cap({ limit: 0 })], [])).toBe('cap'));
  it('the lowest wins, whatever the order', () => {
    const caps = [cap({ key: 'high', limit: 5 }), cap({ key: 'low', limit: 1 })];
    expect(over(caps, one)).toBe('low');
    expect(over(caps.reverse(), one)).toBe('low');
  });
  it('count by channel, class and topic, or all together', () => {
    expect(over([cap({ channels: ['sms'] })], one, { channel: 'sms' })).toBeNull();
    expect(over([cap({})], one, { channel: 'sms' })).toBe('cap');
    expect(over([cap({ topics: ['offers'] })], one)).toBeNull();
    expect(
      over([cap({})], [sent('a', '2026-03-29T08:00:00Z', { messageClass: 'transactional' })]),
    ).toBeNull();
    expect(
      over([cap({ class: 'all' })], [sent('a', '2026-03-29T08:00:00Z', { messageClass: 'transactional' })]),
    ).toBe('cap');
  });
  it('count a message once, however often it is tried', () =>
    expect(over([cap({})], one, { id: 'a' })).toBeNull());
});

describe('draws', () => {
  it('are the same each time, spread, and others under another key', () => {
    const people = Array.from({ length: 20_000 }, (_, i) => `person-${i}`);
    const held = (key: string) => people.filter((p) => drawn(key, p) < 0.1);
    expect(held('q4')).toEqual(held('q4'));
    expect(held('q4').length).toBeGreaterThan(1_850);
    expect(held('q4').length).toBeLessThan(2_150);
    const both = new Set(held('q4'));
    expect(held('q1').filter((p) => both.has(p)).length).toBeLessThan(280);
  });
});
