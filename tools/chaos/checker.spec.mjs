/** The checker itself, with faults planted in its ledgers: each must show in its figure, and in no other. */
import { describe, expect, it } from '@jest/globals';
import { check, ZEROS } from './checker.mjs';

/** A run of two deliveries in which everything is well. */
function sound() {
  const line = (at, type, more = {}) => ({ at, type, ...more });
  const row = (n, more = {}) => ({
    key: `k${n}`,
    message: `m${n}`,
    delivery: `d${n}`,
    channel: 'sms',
    status: 'sent',
    tries: 1,
    possibleDuplicate: false,
    address: `+1555000000${n}`,
    handedOverAt: 1010 + n,
    timeline: [
      line(1000 + n, 'accepted'),
      line(1010 + n, 'handed_over'),
      line(1020 + n, 'sent', { attempt: 1 }),
    ],
    ...more,
  });
  return {
    promised: [1, 2].map((n) => ({
      kind: 'accepted',
      at: 1001 + n,
      key: `k${n}`,
      message: `m${n}`,
      deliveries: [{ id: `d${n}`, channel: 'sms' }],
    })),
    arrived: [1, 2].map((n) => ({ at: 1015 + n, channel: 'sms', delivery: `d${n}`, key: `k${n}` })),
    log: [row(1), row(2)],
    receipts: [],
    faults: [],
    webhooks: [],
  };
}
const zerosOf = (ledgers) => {
  const { figures } = check(ledgers);
  return Object.fromEntries(ZEROS.filter((name) => figures[name] > 0).map((name) => [name, figures[name]]));
};
const planted = (change) => {
  const ledgers = sound();
  change(ledgers);
  return zerosOf(ledgers);
};

describe('the checker', () => {
  it('finds nothing in a sound run', () => {
    const { figures, examples } = check(sound());
    expect(figures).toMatchObject({ accepted: 2, unknown: 0, duplicatesUnknown: 0, recoverySeconds: 0 });
    expect(zerosOf(sound())).toEqual({});
    expect(examples).toEqual({});
  });

  it.each([
    [
      'an accepted message that the log does not know',
      (l) => {
        l.log.pop();
        l.arrived.pop();
      },
      { logMissing: 1 },
    ],
    ['one that is called sent and never arrived', (l) => l.arrived.pop(), { lost: 1 }],
    [
      'an arrival that the log does not know',
      (l) => l.arrived.push({ at: 1, channel: 'sms', delivery: 'd9', key: 'k9' }),
      { phantom: 1 },
    ],
    [
      'an arrival of what the log never handed over',
      (l) => Object.assign(l.log[0], { status: 'suppressed', tries: 0, handedOverAt: null, timeline: [] }),
      { phantom: 1 },
    ],
    [
      'an arrival without an id',
      (l) => l.arrived.push({ at: 1, channel: 'email', delivery: null, key: null }),
      { phantom: 1 },
    ],
    [
      'a second arrival that the log has no doubt about',
      (l) => l.arrived.push({ ...l.arrived[0], at: 1050 }),
      { duplicatesKnown: 1 },
    ],
    [
      'a third arrival when the log doubts one attempt',
      (l) => {
        doubt(l.log[0]);
        l.arrived.push({ ...l.arrived[0] }, { ...l.arrived[0] });
      },
      { duplicatesKnown: 1 },
    ],
    [
      'a mark of a possible duplicate without an attempt in doubt',
      (l) => {
        l.log[0].possibleDuplicate = true;
        l.arrived.push({ ...l.arrived[0] });
      },
      { duplicatesKnown: 1 },
    ],
    [
      'two messages for one key',
      (l) => {
        l.promised[1].key = 'k1';
      },
      { duplicatesKnown: 1 },
    ],
    [
      'two deliveries for one key',
      (l) => {
        l.log[1].key = 'k1';
      },
      { duplicatesKnown: 1 },
    ],
    [
      'cancelled, yet sent',
      (l) => l.promised.push({ kind: 'cancelled', at: 1005, message: 'm1', alreadyLeft: 0 }),
      { forbidden: 1 },
    ],
    [
      'suppressed, yet handed over later',
      (l) => l.promised.push({ kind: 'suppressed', at: 1005, channel: 'sms', address: '+15550000001' }),
      { forbidden: 1 },
    ],
    [
      'expired, yet handed over later',
      (l) => {
        l.promised[0].expiresAt = 1008;
      },
      { forbidden: 1 },
    ],
    [
      'one that never comes to an end',
      (l) => {
        Object.assign(l.log[0], { status: 'queued', timeline: [] });
      },
      { stuck: 1 },
    ],
    [
      'one that is sent twice in its own timeline',
      (l) => l.log[0].timeline.push({ at: 1030, type: 'sent', attempt: 2 }),
      { contradictions: 1 },
    ],
    [
      'a receipt that was taken and forgotten',
      (l) => l.receipts.push({ delivery: 'd1', status: 'sent' }, { delivery: 'd1', status: 'delivered' }),
      { contradictions: 1 },
    ],
    [
      'a webhook about what never was',
      (l) => l.webhooks.push({ delivery: 'd1', status: 'failed' }),
      { contradictions: 1 },
    ],
  ])('shows %s', (_what, change, figures) => {
    expect(planted(change)).toEqual(figures);
  });

  it.each([
    [
      'a cancellation that came too late and says so',
      (l) => l.promised.push({ kind: 'cancelled', at: 1025, message: 'm1', alreadyLeft: 1 }),
    ],
    [
      'a suppression after the hand-over',
      (l) => l.promised.push({ kind: 'suppressed', at: 1013, channel: 'sms', address: '+15550000001' }),
    ],
    [
      'an end with a reason and no arrival',
      (l) => {
        l.arrived.shift();
        Object.assign(l.log[0], { status: 'expired', tries: 0, handedOverAt: null });
      },
    ],
    [
      'a receipt that overtook the record of its own attempt',
      (l) => l.log[0].timeline.push({ at: 1019, type: 'sent' }),
    ],
    ['an answer repeated for the same key', (l) => l.promised.push(l.promised[0])],
    [
      'a receipt that the log has',
      (l) => {
        l.receipts.push({ delivery: 'd1', status: 'delivered' });
        l.log[0].status = 'delivered';
      },
    ],
  ])('has nothing against %s', (_what, change) => {
    expect(planted(change)).toEqual({});
  });

  it('counts a second arrival as one of the unknown when the log doubts the first attempt', () => {
    const ledgers = sound();
    doubt(ledgers.log[0]);
    ledgers.arrived.push({ ...ledgers.arrived[0], at: 1090 });
    expect(zerosOf(ledgers)).toEqual({});
    expect(check(ledgers).figures).toMatchObject({ unknown: 1, duplicatesUnknown: 1 });
  });

  it('measures how long what was under way stood still after a fault, and what it left in doubt', () => {
    const ledgers = sound();
    ledgers.faults = [{ at: 2000, what: 'kill' }];
    ledgers.log[0].timeline = [
      { at: 1900, type: 'accepted' },
      { at: 12_500, type: 'unknown', lostAfterMark: true },
    ];
    // Not due before, so it did not stand still.
    ledgers.log[1].timeline = [
      { at: 1900, type: 'accepted', plannedAt: 60_000 },
      { at: 60_100, type: 'sent' },
    ];
    expect(check(ledgers).figures).toMatchObject({ recoverySeconds: 10.5, unknownPerKill: 1 });
  });
});

function doubt(row) {
  row.possibleDuplicate = true;
  row.timeline.splice(1, 0, { at: 1005, type: 'deferred', reason: 'retry' });
}
