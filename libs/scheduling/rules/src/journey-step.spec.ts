/** What happens next to one person: tables of the rules, and what must hold for any journey that goes live. */
import { describe, expect, it } from '@jest/globals';
import { JourneyDefinition, waysOut, type JourneyDefinitionInput } from '@carillon/contracts';
import {
  afterEffect,
  entryOf,
  journeySignal,
  journeyStep,
  lintJourney,
  mayEnter,
  MOST_DIGEST,
  type Facts,
  type Place,
  type Signal,
} from './index.js';

const at = (text: string) => new Date(text);
const NOW = at('2027-03-10T12:00:00Z');
const journey = (steps: JourneyDefinitionInput['steps'], more: Partial<JourneyDefinitionInput> = {}) =>
  JourneyDefinition.parse({
    entry: { kind: 'event', event: 'go' },
    start: Object.keys(steps)[0],
    steps,
    ...more,
  });
const place = (more: Partial<Place> = {}): Place => ({
  journeyId: 'j',
  profileId: 'p',
  key: '',
  step: 'a',
  phase: 'arrived',
  since: NOW,
  dueAt: NOW,
  leaveBy: at('2028-01-01T00:00:00Z'),
  tries: 0,
  removed: false,
  data: { event: {}, vars: {} },
  ...more,
});
const facts = (more: Partial<Facts> = {}): Facts => ({
  zone: 'UTC',
  attributes: {},
  holds: () => false,
  quietEnds: (_, now) => now,
  ...more,
});
const step = (
  steps: JourneyDefinitionInput['steps'],
  where: Partial<Place> = {},
  known: Partial<Facts> = {},
  now = NOW,
  more: Partial<JourneyDefinitionInput> = {},
) => journeyStep(journey(steps, more), place(where), facts(known), now);

describe('waiting', () => {
  type Until = NonNullable<Extract<JourneyDefinitionInput['steps'][string], { kind: 'wait' }>['until']>;
  const table: [string, Until, Partial<Facts>, Record<string, unknown>, string][] = [
    [
      'the next nine o’clock where the person is',
      { time: '09:00' },
      { zone: 'America/New_York' },
      {},
      '2027-03-10T14:00:00Z',
    ],
    ['tomorrow’s, when it is past', { time: '09:00' }, {}, {}, '2027-03-11T09:00:00Z'],
    ['a time on a weekday', { time: '09:00', days: ['mon'] }, {}, {}, '2027-03-15T09:00:00Z'],
    [
      'a date of the person',
      { date: 'trialEnds' },
      { attributes: { trialEnds: '2027-03-20' }, zone: 'Europe/Berlin' },
      {},
      '2027-03-19T23:00:00Z',
    ],
    [
      'a day before an appointment',
      { data: ['event', 'at'], shift: '-24h' },
      {},
      { at: '2027-03-12T15:00:00Z' },
      '2027-03-11T15:00:00Z',
    ],
    [
      'a time on the day of a date',
      { date: 'trialEnds', time: '08:30' },
      { attributes: { trialEnds: '2027-03-20' }, zone: 'Europe/Berlin' },
      {},
      '2027-03-20T07:30:00Z',
    ],
    [
      'the next nine o’clock across a change of clocks',
      { time: '09:00', days: ['mon'] },
      { zone: 'America/New_York' },
      {},
      '2027-03-15T13:00:00Z',
    ],
  ];
  it.each(table)('takes until %s', (_, until, known, event, expected) => {
    const move = step({ a: { kind: 'wait', until } }, { data: { event, vars: {} } }, known);
    expect(move).toEqual({ kind: 'stay', dueAt: at(expected) });
  });
  it('goes on when it is over, and not a moment before', () => {
    const steps: JourneyDefinitionInput['steps'] = {
      a: { kind: 'wait', for: '1h', next: 'b' },
      b: { kind: 'end' },
    };
    const waiting = { phase: 'waiting' as const, dueAt: at('2027-03-10T13:00:00Z') };
    expect(step(steps, waiting, {}, at('2027-03-10T12:59:59Z'))).toMatchObject({ kind: 'stay' });
    expect(step(steps, waiting, {}, at('2027-03-10T13:00:00Z'))).toMatchObject({ kind: 'go', next: 'b' });
  });
  it('waits while it is quiet, asks anew at each look, and takes the other way where it is always quiet', () => {
    const steps: JourneyDefinitionInput['steps'] = {
      a: { kind: 'wait', until: { quietHours: 'sms' }, next: 'b', otherwise: 'c' },
      b: { kind: 'end' },
      c: { kind: 'end' },
    };
    const ends = at('2027-03-10T20:00:00Z');
    const quiet = { quietEnds: (channel: string) => (channel === 'sms' ? ends : NOW) };
    expect(step(steps, {}, quiet)).toEqual({ kind: 'stay', dueAt: ends });
    expect(step(steps, { phase: 'waiting' }, quiet, ends)).toMatchObject({ kind: 'go', next: 'b' });
    expect(step(steps, {}, { quietEnds: () => null })).toMatchObject({ way: 'otherwise', next: 'c' });
  });
  it('does not wait for a date that is past or is not there: it takes the other way', () => {
    const steps: JourneyDefinitionInput['steps'] = {
      a: { kind: 'wait', until: { date: 'born' }, next: 'b', otherwise: 'c' },
      b: { kind: 'end' },
      c: { kind: 'end' },
    };
    expect(step(steps, {}, { attributes: { born: '1990-01-01' } })).toMatchObject({
      way: 'otherwise',
      next: 'c',
    });
    expect(step(steps, {}, {})).toMatchObject({ way: 'otherwise' });
    expect(step(steps, {}, { attributes: { born: 'soon' } })).toMatchObject({ way: 'otherwise' });
  });
});

describe('conditions', () => {
  it('take the first branch that holds, else the other way, else the end', () => {
    const steps: JourneyDefinitionInput['steps'] = {
      a: {
        kind: 'condition',
        branches: [
          { name: 'rich', if: { data: ['event', 'total'], above: 100 }, next: 'b' },
          {
            if: {
              or: [{ attribute: 'vip', is: true }, { not: { clock: { from: '08:00', until: '18:00' } } }],
            },
            next: 'c',
          },
        ],
      },
      b: { kind: 'end' },
      c: { kind: 'end' },
    };
    expect(step(steps, { data: { event: { total: 101 }, vars: {} } })).toMatchObject({ way: 'rich' });
    expect(step(steps, {}, { holds: (leaf) => 'attribute' in leaf })).toMatchObject({
      way: 'branch 2',
      next: 'c',
    });
    expect(step(steps, {}, { zone: 'Asia/Tokyo' })).toMatchObject({ way: 'branch 2' });
    expect(step(steps)).toEqual({ kind: 'go', way: 'otherwise', next: null });
  });
  it('split sticks to a person, and shares come out as asked', () => {
    const steps: JourneyDefinitionInput['steps'] = {
      a: {
        kind: 'split',
        shares: [
          { name: 'x', percent: 30 },
          { name: 'y', percent: 70 },
          { name: 'z', percent: 0 },
        ],
      },
    };
    const counts = { x: 0, y: 0, z: 0 };
    for (let n = 0; n < 4000; n++) {
      const move = step(steps, { profileId: `p${n}` });
      expect(step(steps, { profileId: `p${n}` })).toEqual(move);
      counts[(move as { way: keyof typeof counts }).way] += 1;
    }
    // The hash is fixed, so these counts are too.
    expect(counts.z).toBe(0);
    expect(counts.x / 4000).toBeCloseTo(0.3, 1);
  });
});

describe('entering', () => {
  const before = (enteredAt: string, endedAt: string | null) => ({
    enteredAt: at(enteredAt),
    endedAt: endedAt ? at(endedAt) : null,
  });
  const table: [
    string,
    Partial<JourneyDefinitionInput>,
    ReturnType<typeof before> | null,
    number,
    string | null,
  ][] = [
    ['a newcomer', {}, null, 0, null],
    ['who is inside', {}, before('2027-03-01T00:00:00Z', null), 0, 'inside'],
    ['who has left', {}, before('2027-03-01T00:00:00Z', '2027-03-10T11:00:00Z'), 0, null],
    [
      'who left too shortly before',
      { reentry: { kind: 'after', wait: '2h' } },
      before('2027-03-01T00:00:00Z', '2027-03-10T11:00:00Z'),
      0,
      'too_soon',
    ],
    [
      'who was here, where nobody comes again',
      { reentry: { kind: 'never' } },
      before('2020-03-01T00:00:00Z', '2020-03-02T00:00:00Z'),
      0,
      'never_again',
    ],
    [
      'who is inside, where all may enter',
      { reentry: { kind: 'always' } },
      before('2027-03-10T00:00:00Z', null),
      0,
      null,
    ],
    [
      'the same again within the guard',
      { reentry: { kind: 'always' }, guard: '5m' },
      before('2027-03-10T11:56:00Z', null),
      0,
      'guarded',
    ],
    ['one too many', { cap: { most: 5, per: '1d' } }, null, 5, 'cap_reached'],
    ['the last of as many as may', { cap: { most: 5 } }, null, 4, null],
    ['before the window', { window: { from: '2027-03-11T00:00:00Z' } }, null, 0, 'outside_window'],
    ['at the end of the window', { window: { until: '2027-03-10T12:00:00Z' } }, null, 0, 'outside_window'],
  ];
  it.each(table)('%s', (_, more, last, entered, expected) => {
    expect(mayEnter(journey({ a: { kind: 'end' } }, more), last, entered, NOW)).toBe(expected);
  });
  it('reads the key from the event', () => {
    const definition = journey({ a: { kind: 'end' } }, { perKey: ['order', 'id'] });
    const event = (properties: Record<string, unknown>): Signal => ({
      kind: 'event',
      name: 'go',
      at: NOW,
      ref: 'e',
      properties,
    });
    expect(entryOf(definition, event({ order: { id: 7 } }), 'UTC', NOW)).toEqual({ key: '7' });
    expect(entryOf(definition, event({ order: 'x' }), 'UTC', NOW)).toEqual({ key: '' });
    expect(
      entryOf(definition, { ...event({}), kind: 'event', name: 'other' } as Signal, 'UTC', NOW),
    ).toBeNull();
  });
});

describe('errors', () => {
  it('take their way where there is one, and end with a reason where there is none', () => {
    const send = { kind: 'send' as const, channels: ['email' as const], template: 't' };
    const failed = { ok: false, reason: 'no template' } as const;
    expect(afterEffect(journey({ a: send }), place(), failed)).toMatchObject({
      kind: 'end',
      outcome: 'error',
      reason: 'no template',
    });
    expect(afterEffect(journey({ a: { ...send, onError: null } }), place(), failed)).toMatchObject({
      kind: 'go',
      way: 'error',
      next: null,
    });
  });
  it('a call that was tried as often as it may is not tried again', () => {
    const steps: JourneyDefinitionInput['steps'] = {
      a: { kind: 'call', url: 'https://example.com', tries: 2 },
    };
    expect(step(steps, { phase: 'calling', tries: 1 })).toMatchObject({ kind: 'do' });
    expect(step(steps, { phase: 'calling', tries: 2 })).toMatchObject({ kind: 'end', outcome: 'error' });
  });
});

describe('what is known of a person', () => {
  const more: Partial<JourneyDefinitionInput> = { perKey: 'shop' };
  const digest = journey(
    { a: { kind: 'digest', within: '1h', most: 5, next: 'b' }, b: { kind: 'end' } },
    more,
  );
  const told = (properties: Record<string, unknown>): Signal => ({
    kind: 'event',
    at: NOW,
    ref: 'e',
    name: 'go',
    properties,
  });
  it('a digest gathers what comes under its key, and goes on when it has enough, of events or of bytes; its line says which', () => {
    const inside = place({ key: 'one', phase: 'waiting', data: { event: { shop: 'one' }, vars: {} } });
    expect(journeySignal(digest, inside, told({ shop: 'two' }), 'UTC', NOW)).toBeNull();
    const gather = (properties: Record<string, unknown>) => {
      let moved: ReturnType<typeof journeySignal> = null;
      let data = inside.data;
      let taken = 0;
      do {
        moved = journeySignal(digest, { ...inside, data }, told({ shop: 'one', ...properties }), 'UTC', NOW);
        data = (moved as { data: typeof data }).data;
        taken += 1;
      } while (moved?.kind === 'note');
      return { moved, taken, size: JSON.stringify(data.digest).length };
    };
    expect(gather({ n: 1 })).toMatchObject({
      taken: 4,
      moved: { kind: 'go', next: 'b', detail: { gathered: 5, by: 'most' } },
    });
    const large = gather({ text: 'x'.repeat(100_000) });
    // Nothing is lost: the event that made it so many is the last in it.
    expect(large).toMatchObject({ taken: 3, moved: { kind: 'go', detail: { gathered: 4, by: 'size' } } });
    expect(large.size).toBeGreaterThan(MOST_DIGEST);
    expect(journeyStep(digest, inside, facts(), at('2027-03-10T13:00:00Z'))).toMatchObject({
      kind: 'go',
      detail: { gathered: 1, by: 'time' },
    });
  });
  it('what became of a message is remembered by channel too: heard by who listens later, and by conditions', () => {
    const definition = journey({
      a: {
        kind: 'listen',
        within: '1h',
        for: [
          { on: { message: 'delivered', step: 's', channel: 'push' }, next: 'b' },
          { on: { message: 'delivered', channel: 'sms' }, next: 'c' },
        ],
      },
      b: { kind: 'end' },
      c: {
        kind: 'condition',
        branches: [
          { if: { step: 's', message: 'delivered', channel: 'push' }, next: null },
          { name: 'sms', if: { step: 's', message: 'delivered', channel: 'sms' }, next: null },
        ],
      },
      s: { kind: 'send', channels: ['push', 'sms'], template: 't' },
    });
    const before = place({ step: 's' });
    const heard = journeySignal(
      definition,
      before,
      { kind: 'message', at: NOW, ref: 'm', outcome: 'delivered', step: 's', channel: 'sms', messageId: 'm' },
      'UTC',
      NOW,
    );
    expect(heard).toMatchObject({ kind: 'note' });
    const { data } = heard as { data: Place['data'] };
    expect(journeyStep(definition, place({ data }), facts(), NOW)).toMatchObject({
      way: 'delivered',
      next: 'c',
    });
    expect(journeyStep(definition, place({ data, step: 'c' }), facts(), NOW)).toMatchObject({ way: 'sms' });
  });
  it('an answer that would make it too much is an error, and is not kept', () => {
    const definition = journey({
      a: { kind: 'call', url: 'https://example.com', saveAs: 'big', onError: null },
    });
    const saved = 'x'.repeat(60_000);
    const vars = Object.fromEntries(Array.from({ length: 17 }, (_, n) => [`v${n}`, saved]));
    const moved = afterEffect(definition, place({ data: { event: {}, vars } }), { ok: true, saved });
    expect(moved).toMatchObject({
      kind: 'go',
      way: 'error',
      detail: { reason: expect.stringContaining('1 MiB') },
    });
    expect(moved).not.toHaveProperty('data');
    expect(afterEffect(definition, place(), { ok: true, saved })).toMatchObject({
      way: 'next',
      data: { vars: { big: saved } },
    });
  });
});

describe('every deed that can fail', () => {
  it.each<JourneyDefinitionInput['steps'][string]>([
    { kind: 'send', channels: ['sms'], template: 't', onError: 'b' },
    { kind: 'update', attributes: { a: 1 }, onError: 'b' },
    { kind: 'emit', event: 'e', onError: 'b' },
    { kind: 'list', audience: 'l', change: 'join', onError: 'b' },
    { kind: 'start', journey: 'j', onError: 'b' },
    { kind: 'call', url: 'https://example.com', onError: 'b' },
  ])('has a way for errors: $kind', (deed) => {
    const definition = journey({ a: deed, b: { kind: 'end' } });
    const failed = { ok: false, reason: 'no', late: true } as const;
    expect(afterEffect(definition, place(), failed)).toMatchObject({ kind: 'go', way: 'error', next: 'b' });
    expect(waysOut(definition.steps['a']!)).toContainEqual({ way: 'error', next: 'b' });
  });
  it('a call has one for when no answer came in time, too', () => {
    const definition = journey({
      a: { kind: 'call', url: 'https://example.com', tries: 1, onError: 'b', onTimeout: 'c' },
      b: { kind: 'end' },
      c: { kind: 'end' },
    });
    expect(afterEffect(definition, place(), { ok: false, reason: 'slow', late: true })).toMatchObject({
      way: 'timeout',
      next: 'c',
      detail: { reason: 'slow' },
    });
    expect(afterEffect(definition, place(), { ok: false, reason: 'It answered 500.' })).toMatchObject({
      way: 'error',
      next: 'b',
    });
    const lost = journeyStep(definition, place({ phase: 'calling', tries: 1 }), facts(), NOW);
    expect(lost).toMatchObject({ way: 'timeout', next: 'c' });
  });
});

/** Numbers that look random and are the same each time. */
function* dice(seed: number): Generator<number, never> {
  let state = seed >>> 0;
  for (;;) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    yield state / 2 ** 32;
  }
}
/** A journey nobody thought of: any kinds of steps, any ways between them. */
function anyJourney(roll: () => number): JourneyDefinition {
  const pick = <T>(list: readonly T[]): T => list[Math.floor(roll() * list.length)]!;
  const keys = Array.from({ length: 2 + Math.floor(roll() * 8) }, (_, n) => `s${n}`);
  const to = () => (roll() < 0.2 ? null : pick(keys));
  const make = (): JourneyDefinitionInput['steps'][string] =>
    pick<() => JourneyDefinitionInput['steps'][string]>([
      () => ({ kind: 'wait', for: pick(['1h', '3d']), next: to() }),
      () => ({ kind: 'wait', until: { date: pick(['born', 'soon', 'none']) }, next: to(), otherwise: to() }),
      () => ({
        kind: 'condition',
        branches: [{ if: { attribute: 'x', exists: true }, next: to() }],
        otherwise: to(),
      }),
      () => ({
        kind: 'split',
        shares: [
          { name: 'a', percent: 50, next: to() },
          { name: 'b', percent: 50, next: to() },
        ],
      }),
      () => ({ kind: 'listen', within: '1d', for: [{ on: { event: 'ping' }, next: to() }], otherwise: to() }),
      () => ({
        kind: 'send',
        channels: ['sms'],
        template: 't',
        next: to(),
        ...(roll() < 0.5 ? { onError: to() } : {}),
      }),
      () => ({ kind: 'emit', event: 'e', next: to() }),
      () => ({ kind: 'throttle', most: 1, per: '1d', next: to(), otherwise: to() }),
      () => ({ kind: 'digest', within: '1h', next: to() }),
      () => ({ kind: 'call', url: 'https://example.com', next: to() }),
      () => ({ kind: 'end', outcome: 'won' }),
    ])();
  return JourneyDefinition.parse({
    entry: { kind: 'event', event: 'go' },
    start: 's0',
    steps: Object.fromEntries(keys.map((key) => [key, make()])),
    exits: [{ name: 'out', on: { event: 'out' } }],
  });
}

describe('any journey that may go live', () => {
  it('moves along its own ways, never goes round without waiting, and ends within its stay', () => {
    let walked = 0;
    for (let seed = 1; seed <= 400; seed++) {
      const rolls = dice(seed);
      const roll = () => rolls.next().value;
      const definition = anyJourney(roll);
      if (lintJourney(definition).some(({ level }) => level === 'error')) continue;
      walked += 1;
      let here = place({ step: definition.start, leaveBy: new Date(NOW.getTime() + 7 * 86_400_000) });
      let now = NOW;
      let without = 0;
      let over = false;
      for (let n = 0; n < 5000 && !over; n++) {
        const known = facts({
          attributes: { born: '1990-01-01', soon: '2027-03-12T00:00:00Z' },
          holds: () => roll() < 0.5,
          quietEnds: (_, now) => new Date(now.getTime() + (roll() < 0.5 ? 0 : 3_600_000)),
        });
        // Now and then something happens to them meanwhile.
        const signal: Signal | null =
          roll() < 0.1
            ? { kind: 'event', name: roll() < 0.9 ? 'ping' : 'out', at: now, ref: 'e', properties: {} }
            : null;
        const heard =
          signal && here.phase === 'waiting' ? journeySignal(definition, here, signal, 'UTC', now) : null;
        const asked = heard && heard.kind !== 'note' ? heard : journeyStep(definition, here, known, now);
        const move =
          asked.kind === 'do'
            ? afterEffect(
                definition,
                here,
                roll() < 0.8 ? { ok: true, passed: roll() < 0.5 } : { ok: false, reason: 'r' },
              )
            : asked;
        if (move.kind === 'stay') {
          if (move.dueAt <= now) throw new Error(`seed ${seed}: it waits for what is over`);
          now = new Date(Math.min(move.dueAt.getTime(), here.leaveBy.getTime()));
          here = { ...here, phase: 'waiting', dueAt: now };
          without = 0;
        } else if (move.kind === 'end') over = true;
        else if (move.kind === 'go') {
          const ways = waysOut(definition.steps[here.step]!);
          if (!ways.some(({ way, next }) => way === move.way && next === move.next))
            throw new Error(`seed ${seed}: ${here.step} has no way ${move.way} to ${move.next}`);
          without += 1;
          if (without > Object.keys(definition.steps).length)
            throw new Error(`seed ${seed}: it goes round without waiting`);
          if (move.next === null) over = true;
          else here = { ...here, step: move.next, phase: 'arrived', since: now, dueAt: now };
        }
        if (now > here.leaveBy) throw new Error(`seed ${seed}: it stays for longer than it may`);
      }
      expect({ seed, over }).toEqual({ seed, over: true });
    }
    expect(walked).toBeGreaterThan(5);
  });

  it('is not changed by looking at it: the same place gives the same move', () => {
    for (let seed = 1; seed <= 100; seed++) {
      const rolls = dice(seed);
      const definition = anyJourney(() => rolls.next().value);
      for (const key of Object.keys(definition.steps)) {
        const here = place({ step: key });
        const before = JSON.stringify([definition, here]);
        const once = journeyStep(definition, here, facts(), NOW);
        expect(journeyStep(definition, here, facts(), NOW)).toEqual(once);
        expect(JSON.stringify([definition, here])).toBe(before);
      }
    }
  });
});
