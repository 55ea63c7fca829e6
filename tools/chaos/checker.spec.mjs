/** The checker itself, with faults planted in its ledgers: each must show in its figure, and in no other. */
import { describe, expect, it } from '@jest/globals';
import { check, verdict, ZEROS } from './checker.mjs';

/** A run of two deliveries in which everything is well. */
function sound() {
  const line = (at, type, more = {}) => ({ at, type, ...more });
  const row = (n, more = {}) => ({
    key: `k${n}`,
    message: `m${n}`,
    profile: null,
    inRun: false,
    delivery: `d${n}`,
    channel: 'sms',
    lane: 'transactional',
    status: 'sent',
    tries: 1,
    possibleDuplicate: false,
    address: `+1555000000${n}`,
    handedOverAt: 1010 + n,
    timeline: [
      line(1000 + n, 'accepted', { id: 1 }),
      line(1010 + n, 'handed_over', { id: 2 }),
      line(1020 + n, 'sent', { id: 3, attempt: 1 }),
    ],
    ...more,
  });
  // A run to two people.
  const member = (n) =>
    row(n, {
      message: 'm0',
      profile: `p${n}`,
      inRun: true,
      channel: 'email',
      lane: 'bulk',
      address: `p${n}@example.com`,
      timeline: [],
    });
  return {
    promised: [
      ...[1, 2].map((n) => ({
        kind: 'accepted',
        at: 1001 + n,
        key: `k${n}`,
        message: `m${n}`,
        deliveries: [{ id: `d${n}`, channel: 'sms' }],
      })),
      { kind: 'run', at: 1000, message: 'm0', profiles: ['p3', 'p4'] },
    ],
    arrived: [1, 2, 3, 4].map((n) => ({
      at: 1015 + n,
      channel: n > 2 ? 'email' : 'sms',
      delivery: `d${n}`,
      key: `k${n}`,
    })),
    log: [row(1), row(2), member(3), member(4)],
    runs: [{ message: 'm0', state: 'completed' }],
    receipts: [],
    faults: [],
    webhooks: [1, 2].map((n) => ({ id: `d${n}:3`, type: 'delivery.sent', forged: false })),
    told: ['sent'],
    unknownAtMost: 1,
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
    expect(figures).toMatchObject({ accepted: 4, unknown: 0, duplicatesUnknown: 0, recoverySeconds: 0 });
    expect(zerosOf(sound())).toEqual({});
    expect(examples).toEqual({});
  });

  it.each([
    [
      'an accepted message that the log does not know',
      (l) => {
        l.log.shift();
        l.arrived.shift();
        l.webhooks.shift();
      },
      { logMissing: 1 },
    ],
    [
      'a member of a run that the log does not know',
      (l) => {
        l.log.pop();
        l.arrived.pop();
      },
      { logMissing: 1 },
    ],
    [
      'a member of a run who has two rows',
      (l) => {
        l.log.push({ ...l.log[3], delivery: 'd5' });
        l.arrived.push({ ...l.arrived[3], delivery: 'd5' });
      },
      { duplicatesKnown: 1 },
    ],
    [
      'somebody who got none of the variants of a campaign',
      (l) => {
        Object.assign(l.promised.at(-1), { messages: ['m0', 'm9'], profiles: ['p3', 'p4', 'p5'] });
        l.log.at(-1).message = 'm9';
      },
      { logMissing: 1 },
    ],
    [
      'a run that never comes to an end',
      (l) => {
        l.runs[0].state = 'paused';
      },
      { stuck: 1 },
    ],
    [
      'a member of a cancelled run who was yet sent to',
      (l) => l.promised.push({ kind: 'runCancelled', at: 1013.5, message: 'm0' }),
      { forbidden: 1 },
    ],
    ['one that is called sent and never arrived', (l) => l.arrived.pop(), { lost: 1 }],
    [
      'an arrival that the log does not know',
      (l) => l.arrived.push({ at: 1, channel: 'sms', delivery: 'd9', key: 'k9' }),
      { phantom: 1 },
    ],
    [
      'an arrival of what the log never handed over',
      (l) =>
        Object.assign(l.log[0], {
          status: 'suppressed',
          tries: 0,
          handedOverAt: null,
          timeline: l.log[0].timeline.slice(2),
        }),
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
      'one that had left when its process died, and is called an end in which nothing leaves',
      (l) => {
        l.webhooks.shift();
        Object.assign(l.log[0], { status: 'failed', timeline: l.log[0].timeline.slice(0, 2) });
      },
      { denied: 1 },
    ],
    [
      'one that had left twice, of which the log admits one',
      (l) => {
        l.webhooks.shift();
        doubt(l.log[0]);
        Object.assign(l.log[0], { status: 'expired', timeline: l.log[0].timeline.slice(0, 3) });
        l.arrived.push({ ...l.arrived[0] });
      },
      { denied: 1 },
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
        Object.assign(l.log[0], { status: 'queued' });
      },
      { stuck: 1 },
    ],
    [
      'one that is sent twice in its own timeline',
      (l) => l.log[0].timeline.push({ id: 3, at: 1030, type: 'sent', attempt: 2 }),
      { contradictions: 1 },
    ],
    [
      'a receipt that was taken and forgotten',
      (l) => l.receipts.push({ delivery: 'd1', status: 'sent' }, { delivery: 'd1', status: 'delivered' }),
      { contradictions: 1 },
    ],
    [
      'a webhook about what never was',
      (l) => l.webhooks.push({ id: 'd1:9', type: 'delivery.sent', forged: false }),
      { contradictions: 1 },
    ],
    [
      'a webhook that says something else than the log',
      (l) => l.webhooks.push({ id: 'd1:3', type: 'delivery.failed', forged: false }),
      { contradictions: 1 },
    ],
    [
      'a webhook that somebody else signed',
      (l) => l.webhooks.push({ ...l.webhooks[0], forged: true }),
      { contradictions: 1 },
    ],
    ['a line that no webhook told of', (l) => l.webhooks.pop(), { untold: 1 }],
    [
      'more in doubt after one fault than may leave between two commits',
      (l) => {
        l.faults.push({ at: 2000, what: 'kill' });
        for (const row of l.log.slice(2)) {
          row.status = 'unknown';
          row.timeline = [{ id: 4, at: 12_000, type: 'unknown', lostAfterMark: true }];
        }
      },
      { unknownBeyond: 1 },
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
        l.webhooks.shift();
        Object.assign(l.log[0], { status: 'expired', tries: 0, handedOverAt: null, timeline: [] });
      },
    ],
    [
      'a receipt that overtook the record of its own attempt',
      (l) => l.log[0].timeline.push({ id: 3, at: 1019, type: 'sent' }),
    ],
    ['an answer repeated for the same key', (l) => l.promised.push(l.promised[0])],
    ['a webhook that came twice', (l) => l.webhooks.push(l.webhooks[0])],
    [
      'members of a cancelled run who were still to come',
      (l) => {
        l.promised.push({ kind: 'runCancelled', at: 1100, message: 'm0' });
        l.runs[0].state = 'cancelled';
        l.log.pop();
        l.arrived.pop();
      },
    ],
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
    ledgers.log[2].handedOverAt = 3500;
    // Not due before, so it did not stand still.
    ledgers.log[1].timeline = [
      { at: 1900, type: 'accepted', plannedAt: 60_000 },
      { at: 60_100, type: 'sent' },
    ];
    // A member of a run who had it, and whose provider said so in two words.
    ledgers.log[3].timeline = [
      { at: 1900, type: 'receipt' },
      { at: 90_000, type: 'delivered' },
    ];
    expect(check(ledgers).figures).toMatchObject({ recoverySeconds: 10.5, unknownPerKill: 1 });
  });

  it('counts what a killed process held from that kill, whatever dies of other channels meanwhile', () => {
    const ledgers = sound();
    ledgers.faults = [
      { at: 2000, what: 'kill', channel: 'sms' },
      { at: 12_000, what: 'kill', channel: 'email' },
    ];
    ledgers.log[0].timeline = [
      { at: 1900, type: 'accepted' },
      { at: 20_000, type: 'unknown', lostAfterMark: true },
    ];
    expect(check(ledgers)).toMatchObject({
      figures: { recoverySeconds: 18, unknownPerKill: 1 },
      examples: { slowest: ['d1 after kill'] },
    });
    // Of its own channel: it may have been taken up, and struck again.
    ledgers.faults[1].channel = 'sms';
    expect(check(ledgers).figures).toMatchObject({ recoverySeconds: 8, unknownPerKill: 1 });
  });

  it('measures how long a run stood still', () => {
    const ledgers = sound();
    ledgers.faults = [{ at: 2000, what: 'kill' }];
    ledgers.log[2].handedOverAt = 13_000;
    expect(check(ledgers)).toMatchObject({
      figures: { recoverySeconds: 11 },
      examples: { slowest: ['run of m0 after kill'] },
    });
  });
});

describe('the verdict', () => {
  const figures = (more) => ({ ...check(sound()).figures, recoverySeconds: 12, faults: 3, ...more });
  const bounds = { recoverySeconds: 15 };
  const against = (more, bound = bounds) => {
    const { why, slow } = verdict(figures(more), bound);
    return [...why, ...slow];
  };

  it('has nothing against a sound row', () => {
    expect(against()).toEqual([]);
  });

  it.each(ZEROS)('is against a row with one that is %s', (name) => {
    expect(against({ [name]: 1 })).toEqual([`${name} 1`]);
    // A figure that is not there proves nothing.
    expect(against({ [name]: undefined })).toHaveLength(1);
  });

  it.each([
    ['a recovery past its bound', { recoverySeconds: 15.1 }, bounds],
    ['a recovery without a bound', {}, {}],
    ['one past the time that its process was away', { recoverySeconds: 30 }, { ...bounds, downSeconds: 24 }],
    ['one past its slack', { recoverySeconds: 31 }, { ...bounds, slack: 2 }],
    ['more in doubt than may be', { unknown: 1 }, { ...bounds, unknownAtMost: 0 }],
    [
      'less in doubt than was to be proved',
      { unknownPerKill: 399 },
      { ...bounds, unknownPerKillAtLeast: 400 },
    ],
    ['fewer faults than were to strike', {}, { ...bounds, faultsAtLeast: 4 }],
    ['nothing accepted', { accepted: 0 }, bounds],
  ])('is against %s', (_what, more, bound) => {
    expect(against(more, bound)).toHaveLength(1);
  });

  it('grants a process that nobody stands in for the time that it was away', () => {
    expect(against({ recoverySeconds: 28 }, { ...bounds, downSeconds: 24 })).toEqual([]);
  });
});

function doubt(row) {
  row.possibleDuplicate = true;
  row.timeline.splice(1, 0, { id: 9, at: 1005, type: 'deferred', reason: 'retry' });
}

/** Two people's ways through a journey: hello (a message), hear, and then `went` or the end. */
function travels() {
  const ledgers = sound();
  const line = (no, step, kind, way, next) => ({ no, step, kind, way, next });
  ledgers.promised.push(
    { kind: 'began', at: 1000, key: '1', goes: true },
    { kind: 'began', at: 1000, key: '2', goes: false },
  );
  ledgers.enrollments = [1, 2].map((n) => ({
    id: `e${n}`,
    key: `${n}`,
    state: 'ended',
    no: n === 1 ? 3 : 2,
    step: 'hear',
    outcome: 'done',
    reason: null,
    lines: [
      line(0, 'hello', 'send', 'next', 'hear'),
      ...(n === 1
        ? [line(1, 'hear', 'listen', 'went', 'went'), line(2, 'went', 'send', 'next', null)]
        : [line(1, 'hear', 'listen', 'otherwise', null)]),
    ],
  }));
  const sends = [
    ['e1', 'hello'],
    ['e1', 'went'],
    ['e2', 'hello'],
  ];
  sends.forEach(([enrollment, step], n) => {
    const delivery = `j${n}`;
    const row = { ...ledgers.log[0], key: `${enrollment}:${step}`, message: `jm${n}`, delivery };
    ledgers.log.push({ ...row, timeline: [], journey: { enrollment, step } });
    ledgers.arrived.push({ at: 1020, channel: 'sms', delivery, key: null });
  });
  const count = (step, way, n) => ({ step, way, count: n });
  ledgers.counts = [
    count('', 'entered', 2),
    count('', 'ended:done', 2),
    count('', 'refused:never_again', 7),
    count('hello', 'entered', 2),
    count('hello', 'next', 2),
    count('hear', 'entered', 2),
    count('hear', 'went', 1),
    count('hear', 'otherwise', 1),
    count('went', 'entered', 1),
    count('went', 'next', 1),
  ];
  return ledgers;
}

describe('the checker, of a journey', () => {
  it('finds nothing in a sound run', () => {
    expect(check(travels()).examples).toEqual({});
  });

  it.each([
    [
      'an event for which nobody entered',
      (l) => l.promised.push({ kind: 'began', key: '3' }),
      { logMissing: 1 },
    ],
    [
      'an event that began two ways',
      (l) => {
        l.enrollments.push({ ...l.enrollments[1], id: 'e3', no: 0, lines: [] });
      },
      // Its counts and its history show it, too.
      { duplicatesKnown: 1, contradictions: 3 },
    ],
    [
      'one who never came to an end',
      (l) => void (l.enrollments[0].state = 'parked'),
      { stuck: 1, contradictions: 2 },
    ],
    ['one who ended with an error', (l) => void (l.enrollments[0].outcome = 'error'), { contradictions: 3 }],
    [
      'a step that sends without its message',
      (l) => {
        l.log.pop();
        l.arrived.pop();
      },
      { logMissing: 1 },
    ],
    [
      'a second message of one step',
      (l) => {
        l.log.push({ ...l.log.at(-1), message: 'jm9', delivery: 'j9' });
        l.arrived.push({ ...l.arrived.at(-1), delivery: 'j9' });
      },
      { duplicatesKnown: 1 },
    ],
    [
      'a message of a step that nobody took',
      (l) => void (l.log.at(-1).journey.step = 'late'),
      { logMissing: 1, phantom: 1 },
    ],
    ['a line that is missing', (l) => void l.enrollments[0].lines.splice(1, 1), { contradictions: 3 }],
    [
      'a line that leads elsewhere',
      (l) => void (l.enrollments[0].lines[0].next = 'rest'),
      { contradictions: 1 },
    ],
    ['a step after the end', (l) => void (l.enrollments[1].lines[1].next = 'went'), { contradictions: 1 }],
    [
      'somebody who heard what nobody told',
      (l) => void (l.promised.at(-2).goes = false),
      { contradictions: 1 },
    ],
    ['a count that is one too high', (l) => void (l.counts[0].count += 1), { contradictions: 1 }],
  ])('sees %s', (_, change, expected) => {
    const ledgers = travels();
    change(ledgers);
    expect(zerosOf(ledgers)).toEqual(expected);
  });
});
