import { describe, expect, it } from '@jest/globals';
import { instantOf, nextOccurrence, occurrencesBetween, recurrenceFault, refusal } from './index.js';

const next = (rule: string, from: string, zone: string, after: string) =>
  nextOccurrence({ rule, from, zone }, new Date(after))?.toISOString() ?? null;

describe('occurrences', () => {
  const table: [string, string, string, string, string, string | null][] = [
    [
      'nine in the morning stays nine in winter',
      'FREQ=DAILY',
      '2026-10-20T09:00',
      'Europe/Berlin',
      '2026-10-25T00:00:00Z',
      '2026-10-25T08:00:00.000Z',
    ],
    [
      'and in summer',
      'FREQ=DAILY',
      '2026-10-20T09:00',
      'Europe/Berlin',
      '2026-10-24T00:00:00Z',
      '2026-10-24T07:00:00.000Z',
    ],
    [
      'a time that is skipped is read as if clocks had not changed',
      'FREQ=DAILY',
      '2026-03-01T02:30',
      'Europe/Berlin',
      '2026-03-28T12:00:00Z',
      '2026-03-29T01:30:00.000Z',
    ],
    [
      'of a time that comes twice the first',
      'FREQ=DAILY',
      '2026-10-01T02:30',
      'Europe/Berlin',
      '2026-10-24T12:00:00Z',
      '2026-10-25T00:30:00.000Z',
    ],
    [
      'on Mondays',
      'FREQ=WEEKLY;BYDAY=MO',
      '2026-11-01T09:00',
      'Asia/Tokyo',
      '2026-11-26T00:00:00Z',
      '2026-11-30T00:00:00.000Z',
    ],
    [
      'the last day of a month',
      'FREQ=MONTHLY;BYMONTHDAY=-1',
      '2026-01-01T09:00',
      'UTC',
      '2026-02-01T00:00:00Z',
      '2026-02-28T09:00:00.000Z',
    ],
    [
      'three times and no more',
      'FREQ=DAILY;COUNT=3',
      '2026-11-01T09:00',
      'UTC',
      '2026-11-03T09:00:00Z',
      null,
    ],
    [
      'until a day',
      'FREQ=DAILY;UNTIL=20261103T000000Z',
      '2026-11-01T09:00',
      'UTC',
      '2026-11-02T10:00:00Z',
      null,
    ],
    [
      'not before its first',
      'FREQ=DAILY',
      '2027-01-01T09:00',
      'America/New_York',
      '2026-11-02T10:00:00Z',
      '2027-01-01T14:00:00.000Z',
    ],
    [
      'cron: on Mondays, at nine in winter',
      '0 9 * * MON',
      '2026-10-01T00:00',
      'Europe/Berlin',
      '2026-10-24T00:00:00Z',
      '2026-10-26T08:00:00.000Z',
    ],
    [
      'cron: at nine in summer',
      '0 9 * * 1-5',
      '2026-10-01T00:00',
      'Europe/Berlin',
      '2026-10-22T07:00:00Z',
      '2026-10-23T07:00:00.000Z',
    ],
    [
      'cron: a time that is skipped',
      '30 2 * * *',
      '2026-03-01T00:00',
      'Europe/Berlin',
      '2026-03-28T12:00:00Z',
      '2026-03-29T01:30:00.000Z',
    ],
    [
      'cron: of a time that comes twice the first, and once',
      '30 2 * * *',
      '2026-10-01T00:00',
      'Europe/Berlin',
      '2026-10-25T00:30:00Z',
      '2026-10-26T01:30:00.000Z',
    ],
    [
      'cron: not before its first, which counts',
      '0 9 * * *',
      '2027-01-01T09:00',
      'America/New_York',
      '2026-11-02T10:00:00Z',
      '2027-01-01T14:00:00.000Z',
    ],
    [
      'cron: the last day of a month',
      '0 9 L * *',
      '2026-01-01T09:00',
      'UTC',
      '2026-02-01T00:00:00Z',
      '2026-02-28T09:00:00.000Z',
    ],
    [
      'cron by name',
      '@weekly',
      '2026-11-01T00:00',
      'Asia/Tokyo',
      '2026-11-26T00:00:00Z',
      '2026-11-28T15:00:00.000Z',
    ],
  ];
  it.each(table)('%s', (_, rule, from, zone, after, at) => expect(next(rule, from, zone, after)).toBe(at));

  it.each(['FREQ=DAILY', '0 9 * * *'])('end with the time that they end at: %s', (rule) => {
    const ends = { rule, from: '2026-11-01T09:00', zone: 'Asia/Tokyo', until: '2026-11-03T09:00' };
    const last = nextOccurrence(ends, new Date('2026-11-02T12:00:00Z'));
    expect(last?.toISOString()).toBe('2026-11-03T00:00:00.000Z');
    expect(nextOccurrence(ends, last!)).toBeNull();
  });

  it('show the time they were asked for, on every day of five years, in zones that change their clocks', () => {
    for (const zone of [
      'Europe/Berlin',
      'America/New_York',
      'Australia/Lord_Howe',
      'Africa/Casablanca',
      'Asia/Kolkata',
    ]) {
      const clock = new Intl.DateTimeFormat('en-GB', {
        timeZone: zone,
        dateStyle: 'short',
        timeStyle: 'short',
      });
      for (let day = Date.UTC(2026, 0, 1); day < Date.UTC(2031, 0, 1); day += 86_400_000) {
        const shown = clock.format(instantOf(day + 9 * 3_600_000, zone));
        const [y, m, d] = new Date(day).toISOString().slice(0, 10).split('-');
        if (shown !== `${d}/${m}/${y}, 09:00`) expect({ zone, day: new Date(day), shown }).toBeNull();
      }
    }
  });

  it('of what is no rule are refused with a sentence', () => {
    expect(recurrenceFault({ rule: 'FREQ=DAILY', from: '2026-01-01T09:00' })).toBeNull();
    expect(recurrenceFault({ rule: 'every monday', from: '2026-01-01T09:00' })).toContain('RFC 5545');
    expect(recurrenceFault({ rule: 'FREQ=MINUTELY', from: '2026-01-01T09:00' })).toContain('hourly');
    for (const [rule, sentence] of [
      ['0 9 * * MON', null],
      ['@hourly', null],
      ['*/5 * * * *', 'hourly'],
      ['0,30 9 * * *', 'hourly'],
      ['0 0 9 * * MON', 'five fields'],
      ['0 25 * * *', 'cron'],
      ['0 9 31 2 *', 'cron'],
    ] as const) {
      const fault = recurrenceFault({ rule, from: '2026-01-01T09:00' });
      if (sentence === null) expect({ rule, fault }).toEqual({ rule, fault: null });
      else expect(fault).toContain(sentence);
    }
    expect(
      recurrenceFault({ rule: 'FREQ=DAILY', from: '2026-01-02T09:00', until: '2026-01-01T09:00' }),
    ).toContain('before it begins');
    expect(
      recurrenceFault({ rule: 'DTSTART:20260101T090000Z\nRRULE:FREQ=DAILY', from: '2026-01-01T09:00' }),
    ).toContain('alone');
  });
});

describe('all occurrences between two instants', () => {
  const between = {
    from: new Date('2026-10-20T00:00:00Z'),
    to: new Date('2026-11-05T00:00:00Z'),
    most: 5000,
  };
  it.each([
    ['daily, over the end of summer time', 'FREQ=DAILY', '2026-10-01T09:00', 'America/New_York', undefined],
    ['hourly, where an hour comes twice', 'FREQ=HOURLY', '2026-10-31T00:30', 'America/New_York', undefined],
    ['by cron, hourly', '30 * * * *', '2026-10-01T00:00', 'Europe/Berlin', undefined],
    ['by cron, until', '0 9 * * *', '2026-10-01T00:00', 'Europe/Berlin', '2026-11-01T08:00'],
    ['a number of times', 'FREQ=DAILY;COUNT=33', '2026-10-01T09:00', 'Asia/Tokyo', undefined],
    ['not yet begun', 'FREQ=WEEKLY;BYDAY=MO,TH', '2026-10-28T09:00', 'UTC', '2026-11-02T08:59'],
    ['over', 'FREQ=DAILY', '2026-10-01T09:00', 'UTC', '2026-10-10T09:00'],
  ])('%s: those that are found one after the other', (_what, rule, from, zone, until) => {
    const recurrence = { rule, from, zone, until };
    const one: string[] = [];
    let at = nextOccurrence(recurrence, new Date(between.from.getTime() - 1));
    for (; at && at < between.to; at = nextOccurrence(recurrence, at)) one.push(at.toISOString());
    expect(occurrencesBetween(recurrence, between).map((found) => found.toISOString())).toEqual(one);
  });
  it('are as many as are asked for', () => {
    const hourly = { rule: 'FREQ=HOURLY', from: '2026-10-31T00:30', zone: 'UTC' };
    expect(occurrencesBetween(hourly, { ...between, most: 7 })).toHaveLength(7);
  });
});

describe('the life of a campaign', () => {
  it('refuses steps with a sentence', () => {
    expect(refusal('start', 'prepared')).toBeNull();
    expect(refusal('start', 'draft')).toContain('prepare it');
    expect(refusal('resume', 'completed')).toBe(
      'A campaign that is completed cannot be resumed: that is for one that is paused.',
    );
  });
});
