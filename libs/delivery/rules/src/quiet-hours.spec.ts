/**
 * Quiet hours against an oracle that knows nothing of how they are computed: it walks minute by minute, with offsets that
 * it reads as text and in whole quarters of an hour.
 */
import { describe, expect, it } from '@jest/globals';
import type { QuietPeriod } from '@carillon/contracts';
import { isQuiet, openForAll, opensAt } from './quiet-hours.js';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const at = (text: string) => Date.parse(text);
const night: QuietPeriod = { from: '21:00', to: '08:00' };

describe('the oracle agrees on', () => {
  const texts = new Map<string, Intl.DateTimeFormat>();
  const offset = (ms: number, zone: string): number => {
    let format = texts.get(zone);
    if (!format)
      texts.set(
        zone,
        (format = new Intl.DateTimeFormat('en', { timeZone: zone, timeZoneName: 'longOffset' })),
      );
    const [, sign = '+', h = '0', m = '0'] = /GMT(?:([+-])(\d\d):(\d\d))?/.exec(format.format(ms)) ?? [];
    return (sign === '-' ? -1 : 1) * (Number(h) * 60 + Number(m)) * MINUTE;
  };
  const shows = (period: QuietPeriod, ms: number, ahead: number): boolean => {
    const wall = new Date(ms + ahead);
    const clock = wall.toISOString().slice(11, 16);
    const day = wall.getUTCDay() || 7;
    const before = day === 1 ? 7 : day - 1;
    const on = (d: number) => !period.days || period.days.includes(d);
    return period.from < period.to
      ? on(day) && clock >= period.from && clock < period.to
      : (on(day) && clock >= period.from) || (on(before) && clock < period.to);
  };
  const rules: QuietPeriod[][] = [
    [night],
    [{ from: '01:00', to: '03:00' }],
    [
      { from: '02:30', to: '03:30' },
      { days: [6, 7], from: '00:00', to: '24:00' },
    ],
    [{ days: [6], from: '22:00', to: '02:30' }],
    [{ from: '23:45', to: '00:15' }],
  ];

  /** The days on which this zone changes its clocks, 2026 to 2030: both ends of a week that differ are looked into. */
  const changes = (zone: string): number[] => {
    const found: number[] = [];
    const end = at('2031-01-01T00:00:00Z');
    let before = offset(at('2026-01-01T00:00:00Z'), zone);
    for (let week = at('2026-01-08T00:00:00Z'); week < end; week += 7 * DAY) {
      const now = offset(week, zone);
      if (now !== before)
        for (let day = week - 7 * DAY; day < week; day += DAY)
          if (offset(day, zone) !== offset(day + DAY, zone))
            for (let quarter = day + 15 * MINUTE; quarter <= day + DAY; quarter += 15 * MINUTE)
              if (offset(quarter, zone) !== offset(quarter - 15 * MINUTE, zone)) found.push(quarter);
      before = now;
    }
    return found;
  };
  /** Zones whose clocks do the same are looked at once. */
  const zones = new Map<string, string>();
  const alike = () => {
    for (const zone of Intl.supportedValuesOf('timeZone')) {
      const points = [];
      for (let t = at('2026-01-01T00:00:00Z'); t < at('2031-01-01T00:00:00Z'); t += 14 * DAY)
        points.push(offset(t, zone) / MINUTE);
      const looks = points.join();
      if (!zones.has(looks)) zones.set(looks, zone);
    }
    return zones.values();
  };

  it('every zone, around every change of its clocks from 2026 to 2030', () => {
    let looked = 0;
    for (const zone of alike()) {
      const days = changes(zone);
      for (const change of days.length > 0 ? days : [at('2026-06-10T10:00:00Z')]) {
        const from = change - 26 * HOUR;
        const [before, after] = [offset(change - 1, zone), offset(change, zone)];
        const ahead = (ms: number) => (ms < change ? before : after);
        for (const [n, periods] of rules.entries())
          for (const start of [0, 1].map((k) => from + ((k * 397 + n * 131) % 1500) * MINUTE + k * 1000)) {
            const quiet = (ms: number) => periods.some((p) => shows(p, ms, ahead(ms)));
            let opens = start;
            if (quiet(start))
              for (opens = Math.floor(start / MINUTE + 1) * MINUTE; quiet(opens);) opens += MINUTE;
            looked += 1;
            const said = opensAt(periods, start, zone);
            if (said !== opens)
              expect({ zone, start: new Date(start), periods, opens: said && new Date(said) }).toEqual({
                zone,
                start: new Date(start),
                periods,
                opens: new Date(opens),
              });
            expect(isQuiet(periods, start, zone)).toBe(opens !== start);
          }
      }
    }
    expect(zones.size).toBeGreaterThan(50);
    expect(looked).toBeGreaterThan(2_500);
  });
});

describe('quiet hours', () => {
  const table: [string, QuietPeriod[], string, string, string][] = [
    ['an evening in Berlin', [night], 'Europe/Berlin', '2026-11-26T21:00:00Z', '2026-11-27T07:00:00Z'],
    ['open by day', [night], 'Europe/Berlin', '2026-11-26T12:00:00Z', '2026-11-26T12:00:00Z'],
    ['its last minute', [night], 'Europe/Berlin', '2026-11-27T06:59:59Z', '2026-11-27T07:00:00Z'],
    ['its end is not quiet', [night], 'Europe/Berlin', '2026-11-27T07:00:00Z', '2026-11-27T07:00:00Z'],
    [
      'clocks go forward in the night: an hour less',
      [night],
      'Europe/Berlin',
      '2026-03-28T21:00:00Z',
      '2026-03-29T06:00:00Z',
    ],
    [
      'clocks go back in the night: an hour more',
      [night],
      'Europe/Berlin',
      '2026-10-24T19:00:00Z',
      '2026-10-25T07:00:00Z',
    ],
    [
      'the end is skipped: open when the clock is past it',
      [{ from: '00:00', to: '02:30' }],
      'Europe/Berlin',
      '2026-03-29T00:30:00Z',
      '2026-03-29T01:00:00Z',
    ],
    [
      'a night of Friday ends on Saturday',
      [{ ...night, days: [5] }],
      'UTC',
      '2026-11-28T03:00:00Z',
      '2026-11-28T08:00:00Z',
    ],
    [
      'and Saturday evening is open',
      [{ ...night, days: [5] }],
      'UTC',
      '2026-11-28T22:00:00Z',
      '2026-11-28T22:00:00Z',
    ],
    [
      'days of the calendar',
      [{ dates: { from: '2026-12-24', to: '2026-12-26' }, from: '00:00', to: '24:00' }],
      'UTC',
      '2026-12-25T10:00:00Z',
      '2026-12-27T00:00:00Z',
    ],
    [
      'periods that touch',
      [
        { from: '20:00', to: '22:00' },
        { from: '22:00', to: '23:00' },
      ],
      'UTC',
      '2026-11-26T20:30:00Z',
      '2026-11-26T23:00:00Z',
    ],
    [
      'half an hour of Lord Howe',
      [{ from: '01:00', to: '02:15' }],
      'Australia/Lord_Howe',
      '2026-10-03T15:00:00Z',
      '2026-10-03T15:30:00Z',
    ],
  ];
  it.each(table)('%s', (_, periods, zone, from, opens) =>
    expect(new Date(opensAt(periods, at(from), zone) ?? 0)).toEqual(new Date(opens)),
  );
  it('that never end have no end', () =>
    expect(opensAt([{ from: '00:00', to: '24:00' }], at('2026-11-26T00:00:00Z'), 'UTC')).toBeNull());
  it('of several zones are open where all are', () => {
    const quiet = [{ periods: [night], zones: ['America/New_York', 'America/Los_Angeles'] }];
    expect(new Date(openForAll(quiet, at('2026-11-26T02:30:00Z')) ?? 0)).toEqual(
      new Date('2026-11-26T16:00:00Z'),
    );
    expect(openForAll(quiet, at('2026-11-26T20:00:00Z'))).toBe(at('2026-11-26T20:00:00Z'));
  });
});
