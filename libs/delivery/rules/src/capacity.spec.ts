import type { Capacity } from '@carillon/contracts';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { capacityPeriod, fullOf, roomFor, TURN_MS, waitMsOf } from './capacity.js';
import { inScope } from './scope.js';

const capacity: Capacity = { key: 'calls', channels: ['sms'], topics: [], limit: 10, per: 'hour', every: 1 };
const at = (iso: string) => Date.parse(iso);
const iso = ({ start, end }: { start: number; end: number }) =>
  `${new Date(start).toISOString()} ${new Date(end).toISOString()}`;

describe('the period of a capacity', () => {
  const cases: [string, Partial<Capacity>, string, string, string][] = [
    ['an hour', {}, '2026-11-23T12:34:56Z', 'UTC', '2026-11-23T12:00:00.000Z 2026-11-23T13:00:00.000Z'],
    [
      'an hour of a zone half an hour off',
      {},
      '2026-11-23T12:34:56Z',
      'Asia/Kolkata',
      '2026-11-23T12:30:00.000Z 2026-11-23T13:30:00.000Z',
    ],
    [
      'six hours since midnight',
      { every: 6 },
      '2026-11-23T13:00:00Z',
      'Europe/Berlin',
      '2026-11-23T11:00:00.000Z 2026-11-23T17:00:00.000Z',
    ],
    [
      'a day',
      { per: 'day' },
      '2026-11-23T23:30:00Z',
      'Europe/Berlin',
      '2026-11-23T23:00:00.000Z 2026-11-24T23:00:00.000Z',
    ],
    [
      'a day of 23 hours',
      { per: 'day' },
      '2027-03-28T12:00:00Z',
      'Europe/Berlin',
      '2027-03-27T23:00:00.000Z 2027-03-28T22:00:00.000Z',
    ],
    [
      'seven days from Monday',
      { per: 'day', every: 7 },
      '2026-11-25T12:00:00Z',
      'UTC',
      '2026-11-23T00:00:00.000Z 2026-11-30T00:00:00.000Z',
    ],
  ];
  it.each(cases)('%s', (_, of, now, zone, expected) => {
    expect(iso(capacityPeriod({ ...capacity, ...of }, at(now), zone))).toBe(expected);
  });
  it('holds its moment, and is the same for all of its moments', () => {
    const zones = fc.constantFrom(
      'UTC',
      'Europe/Berlin',
      'America/New_York',
      'Australia/Lord_Howe',
      'Asia/Kathmandu',
    );
    const moment = fc.integer({ min: at('2026-01-01T00:00:00Z'), max: at('2030-01-01T00:00:00Z') });
    fc.assert(
      fc.property(zones, moment, fc.constantFrom<'hour' | 'day'>('hour', 'day'), (zone, now, per) => {
        const period = capacityPeriod({ per, every: 1 }, now, zone);
        expect(period.start <= now && now < period.end).toBe(true);
        expect(capacityPeriod({ per, every: 1 }, period.start, zone)).toEqual(period);
      }),
    );
  });
});

describe('the places of a capacity', () => {
  const rank = { priority: 50, order: 'b' };
  const higher = { priority: 80, order: 'c', messages: 4 };
  const lower = { priority: 20, order: 'a', messages: 99 };
  const equal = { priority: 50, order: 'a', messages: 3 };
  it.each([
    ['all are free', 0, [], 10],
    ['what is used is not', 7, [], 3],
    ['those of higher rank come first', 0, [higher], 6],
    ['of equal score those who were first', 0, [equal], 7],
    ['those of lower rank wait', 0, [lower], 10],
    ['its own demand is no rival', 0, [{ ...rank, messages: 50 }], 10],
    ['never less than none', 8, [higher, equal], 0],
    ['a limit that was lowered', 30, [], 0],
  ] as const)('%s', (_, used, demand, free) => {
    expect(roomFor(capacity, used, demand, rank, 1000).free).toBe(free);
  });
  it('whoever finds none waits for the next period, or for the turn of the others', () => {
    const wait = (used: number) =>
      waitMsOf(fullOf([roomFor(capacity, used, [{ ...higher, messages: 10 }], rank, 600_000)])!);
    expect([wait(10), wait(3)]).toEqual([600_000, TURN_MS]);
  });
  it('are for the channels and topics that it names', () => {
    const of = (channel: 'sms' | 'email', topic: string | null, more: Partial<Capacity> = {}) =>
      inScope({ ...capacity, ...more }, { channel, topic });
    expect([
      of('sms', null),
      of('email', null),
      of('sms', 'a', { topics: ['a'] }),
      of('sms', null, { topics: ['a'] }),
    ]).toEqual([true, false, true, false]);
  });
});
