import type { FrequencyCap } from '@carillon/contracts';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { NOT_BEGUN, outrankedBy, outranks, type Rank, type Rival } from './arbitration.js';
import { overCap, type Counted } from './caps.js';

const HOUR = 3_600_000;
const now = Date.parse('2026-11-23T12:00:00Z');
const about = { channel: 'email', messageClass: 'marketing', topic: null } as const;
const cap = (limit: number, more: Partial<FrequencyCap> = {}): FrequencyCap => ({
  key: `cap-${limit}`,
  channels: [],
  topics: [],
  class: 'marketing',
  limit,
  per: 'day',
  every: 1,
  window: 'rolling',
  ...more,
});
const rival = (inHours: number, priority: number, more: Partial<Rival> = {}): Rival => ({
  ...about,
  at: now + inHours * HOUR,
  priority,
  order: 'b',
  name: 'other',
  messageIds: ['b'],
  ...more,
});
const before = (hours: number): Counted => ({ ...about, id: `sent ${hours}`, at: now - hours * HOUR });
const mine = { ...about, id: 'd', priority: 50, order: 'a' };
const asked = (
  caps: FrequencyCap[],
  sent: Counted[],
  rivals: Rival[],
  me: Partial<typeof mine> = {},
): string | null => outrankedBy(caps, { ...mine, ...me }, sent, rivals, now, 'UTC')?.cap.key ?? null;

describe('the order of messages', () => {
  const ranks: Rank[] = [
    { priority: 90, order: 'b' },
    { priority: 50, order: 'a' },
    { priority: 50, order: 'b' },
    { priority: 50, order: NOT_BEGUN },
    { priority: 0, order: '0' },
  ];
  it('is by score, then by who was there first', () => {
    expect([...ranks].reverse().sort((a, b) => (outranks(a, b) ? -1 : 1))).toEqual(ranks);
  });
  it('is total: of two different ones exactly one is before the other, and three never go round', () => {
    const rank = fc.record({
      priority: fc.integer({ min: 0, max: 3 }),
      order: fc.constantFrom('a', 'b', 'c', NOT_BEGUN),
    });
    fc.assert(
      fc.property(rank, rank, rank, (a, b, c) => {
        const same = a.priority === b.priority && a.order === b.order;
        expect(Number(outranks(a, b)) + Number(outranks(b, a))).toBe(same ? 0 : 1);
        if (outranks(a, b) && outranks(b, c)) expect(outranks(a, c)).toBe(true);
      }),
    );
  });
});

describe('a message lets another go first', () => {
  const cases: [string, string | null, string | null][] = [
    ['when the last place is wanted by one of higher score', asked([cap(1)], [], [rival(3, 80)]), 'cap-1'],
    ['not of lower score', asked([cap(1)], [], [rival(3, 20)]), null],
    ['not when there is room for both', asked([cap(2)], [], [rival(3, 80)]), null],
    ['when what was sent leaves room for one', asked([cap(2)], [before(1)], [rival(3, 80)]), 'cap-2'],
    ['not when that no longer counts by then', asked([cap(2)], [before(22)], [rival(3, 80)]), null],
    ['not when its own place is over by then', asked([cap(1)], [], [rival(25, 80)]), null],
    ['when two are coming for two places', asked([cap(2)], [], [rival(1, 80), rival(3, 80)]), 'cap-2'],
    ['not when they find no room anyway', asked([cap(1)], [before(1)], [rival(3, 80)]), null],
    [
      'of equal score when the other was there first',
      asked([cap(1)], [], [rival(1, 50, { order: '0' })]),
      'cap-1',
    ],
    ['not when this one was', asked([cap(1)], [], [rival(1, 50)]), null],
    ['not for what it is a part of', asked([cap(1)], [], [rival(1, 80, { messageIds: ['a'] })]), null],
    [
      'not for what the cap does not count',
      asked([cap(1)], [], [rival(1, 80, { messageClass: 'transactional' })]),
      null,
    ],
    [
      'not where the cap does not count this one',
      asked([cap(1, { channels: ['sms'] })], [], [rival(1, 80, { channel: 'sms' })]),
      null,
    ],
    ['also when that should have gone by now', asked([cap(1)], [], [rival(-5, 80)]), 'cap-1'],
    [
      'by any of the caps',
      asked([cap(9), cap(2, { per: 'hour' }), cap(1, { per: 'week' })], [], [rival(30, 80)]),
      'cap-1',
    ],
  ];
  it.each(cases)('%s', (_, got, expected) => expect(got).toBe(expected));

  it('exactly when somebody of higher rank would find no room because of it', () => {
    const times = fc.array(fc.integer({ min: -30, max: 0 }), { maxLength: 4 });
    const coming = fc.array(
      fc.record({ at: fc.integer({ min: 0, max: 40 }), score: fc.constantFrom(20, 80) }),
      { maxLength: 4 },
    );
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 4 }), times, coming, (limit, past, next) => {
        const caps = [cap(limit)];
        const sent = past.map((h, n) => ({ ...before(-h), id: `s${n}` }));
        const rivals = next.map((c) => rival(c.at, c.score));
        // As time goes on, with this message sent and without.
        const served = (first: Counted[]): string => {
          const list = [...sent, ...first];
          return rivals
            .filter((r) => r.priority > 50)
            .sort((a, b) => a.at - b.at)
            .map((r, n) => {
              const full = overCap(
                caps,
                { ...r, id: null },
                list.filter((s) => s.at <= r.at),
                r.at,
                'UTC',
              );
              if (!full) list.push({ ...about, id: `r${n}`, at: r.at });
              return full ? 'no' : 'yes';
            })
            .join();
        };
        const takes = served([]) !== served([{ ...about, id: 'd', at: now }]);
        expect(outrankedBy(caps, mine, sent, rivals, now, 'UTC') !== null).toBe(takes);
      }),
    );
  });
});
