/**
 * Whole ways through journeys: what must hold for any definition and whatever happens (fast-check), and ways that were
 * recorded once, which the code of today must take again (histories.json): who is inside when it changes goes by them.
 */
import { describe, expect, it } from '@jest/globals';
import { JourneyDefinition, waysOut, type JourneyDefinitionInput } from '@carillon/contracts';
import fc from 'fast-check';
import fs from 'node:fs';
import path from 'node:path';
import {
  afterEffect,
  durationMs,
  entryOf,
  journeySignal,
  journeyStep,
  lintJourney,
  type Done,
  type Effect,
  type Facts,
  type JourneyData,
  type Move,
  type Place,
  type Signal,
} from './index.js';

const START = new Date('2027-03-10T12:00:00Z');
const HOUR = 3_600_000;

interface Visit extends Place {
  state: 'inside' | 'ended';
  no: number;
  outcome: string | null;
}
const newVisit = (definition: JourneyDefinition, data: JourneyData): Visit => ({
  journeyId: 'j',
  profileId: 'p',
  key: '',
  step: definition.start,
  phase: 'arrived',
  since: START,
  dueAt: START,
  leaveBy: new Date(START.getTime() + durationMs(definition.mostStay)),
  tries: 0,
  removed: false,
  data,
  state: 'inside',
  no: 0,
  outcome: null,
});
function follow(visit: Visit, move: Exclude<Move, { kind: 'do' }>, now: Date): void {
  if (move.data) visit.data = move.data;
  if (move.kind === 'stay') {
    const dueAt = move.dueAt < visit.leaveBy ? move.dueAt : visit.leaveBy;
    return void Object.assign(visit, { phase: 'waiting', dueAt });
  }
  const next = move.kind === 'go' ? move.next : null;
  visit.no += 1;
  if (next !== null) Object.assign(visit, { step: next, phase: 'arrived', since: now, dueAt: now });
  else
    Object.assign(visit, {
      state: 'ended',
      outcome: move.kind === 'end' ? move.outcome : 'done',
      dueAt: null,
    });
}

/** Something that happens so long after the start: to the person, or nothing but a look before anything is due. */
interface Happening {
  afterMs: number;
  event?: string;
  properties?: Record<string, unknown>;
  told?: { step: string; outcome: string; channel: string };
  look?: boolean;
}
interface Line {
  no: number;
  step: string;
  way: string;
  next: string | null;
  at: string;
}
interface Way {
  lines: Line[];
  visit: Visit;
  effects: string[];
}
interface World {
  facts: Facts;
  /** What comes of an effect. */
  done: (effect: Effect, visit: Visit) => Done;
}

/** As the engine does it, for one person in no time. */
function play(definition: JourneyDefinition, happenings: readonly Happening[], { facts, done }: World): Way {
  const entry: JourneyData = { event: happenings[0]?.properties ?? {}, vars: {} };
  const visit = newVisit(definition, entry);
  const way: Way = { lines: [], visit, effects: [] };
  const move = (next: Exclude<ReturnType<typeof journeyStep>, { kind: 'do' }>, now: Date): void => {
    const { step, no } = visit;
    const before = visit.no;
    follow(visit, next, now);
    if (visit.no === before) return;
    const to = next.kind === 'go' ? next.next : null;
    way.lines.push({ no, step, way: 'way' in next ? next.way : '', next: to, at: now.toISOString() });
  };
  const settle = (now: Date): void => {
    for (let n = 0; visit.state === 'inside' && visit.dueAt !== null && visit.dueAt <= now; n++) {
      if (n > 1000) throw new Error('it goes round without waiting');
      const asked = journeyStep(definition, visit, facts, now);
      if (asked.kind !== 'do') {
        move(asked, now);
        continue;
      }
      way.effects.push(`${visit.no} ${asked.effect.kind}`);
      const after = afterEffect(definition, visit, done(asked.effect, visit));
      if (after.kind !== 'do') move(after, now);
    }
  };
  settle(START);
  for (const [n, happening] of happenings.slice(1).entries()) {
    const at = new Date(START.getTime() + happening.afterMs);
    while (visit.state === 'inside' && visit.dueAt !== null && visit.dueAt <= at) settle(visit.dueAt);
    if (visit.state !== 'inside') break;
    if (happening.look) {
      // Too early: whoever looks finds that they stay, until the same time.
      const early = journeyStep(definition, visit, facts, at);
      if (early.kind === 'stay') {
        const due = early.dueAt < visit.leaveBy ? early.dueAt : visit.leaveBy;
        expect(due).toEqual(visit.dueAt);
      }
      continue;
    }
    const heard = journeySignal(definition, visit, signalOf(happening, at, n), facts.zone, at);
    if (heard?.kind === 'note') visit.data = heard.data;
    else if (heard && heard.kind !== 'do') move(heard, at);
    settle(at);
  }
  while (visit.state === 'inside' && visit.dueAt !== null) settle(visit.dueAt);
  return way;
}
const signalOf = ({ event, properties, told }: Happening, at: Date, n: number): Signal =>
  told
    ? { kind: 'message', at, ref: `${n}`, messageId: 'm', ...told }
    : { kind: 'event', at, ref: `${n}`, name: event ?? '', properties: properties ?? {} };

// ── any definition, whatever happens ──

/** Only what holds people for a time may lead back: rings without a wait do not go live. */
const spans = fc.constantFrom('1h', '5h', '1d');
function anyStep(n: number, keys: readonly string[]): fc.Arbitrary<JourneyDefinitionInput['steps'][string]> {
  const after = keys.slice(n + 1);
  const later =
    after.length === 0 ? fc.constant(null) : fc.option(fc.constantFrom(...after), { nil: null, freq: 4 });
  const anywhere = fc.option(fc.constantFrom(...keys), { nil: null, freq: 4 });
  const on = fc.constantFrom({ event: 'ping' }, { event: 'pong' }, { message: 'clicked' as const });
  const test = fc.constantFrom(
    { attribute: 'x', exists: true },
    { data: ['event', 'n'], above: 3 },
    { not: { data: ['vars', 'answer'], exists: true } },
    { clock: { from: '09:00', until: '17:00' } },
  );
  const kinds = {
    wait: fc.record({ kind: fc.constant('wait' as const), for: spans, next: anywhere }),
    date: fc.record({
      kind: fc.constant('wait' as const),
      until: fc.constantFrom({ date: 'born' }, { date: 'soon' }, { date: 'none' }, { time: '09:00' }),
      next: later,
      otherwise: later,
    }),
    listen: fc.record({
      kind: fc.constant('listen' as const),
      within: spans,
      for: fc.array(fc.record({ on, next: later }), { minLength: 1, maxLength: 3 }),
      otherwise: anywhere,
    }),
    digest: fc.record({
      kind: fc.constant('digest' as const),
      within: spans,
      most: fc.constantFrom(2, 100),
      next: later,
    }),
    condition: fc.record({
      kind: fc.constant('condition' as const),
      branches: fc.array(fc.record({ if: test, next: later }), { minLength: 1, maxLength: 3 }),
      otherwise: later,
    }),
    split: fc
      .record({ a: later, b: later, share: fc.integer({ min: 0, max: 100 }) })
      .map(({ a, b, share }) => ({
        kind: 'split' as const,
        shares: [
          { name: 'a', percent: share, next: a },
          { name: 'b', percent: 100 - share, next: b },
        ],
      })),
    send: fc.record({
      kind: fc.constant('send' as const),
      channels: fc.constant(['sms' as const]),
      template: fc.constant('t'),
      next: later,
      onError: fc.option(later, { nil: undefined }),
    }),
    call: fc.record({
      kind: fc.constant('call' as const),
      url: fc.constant('https://example.com'),
      saveAs: fc.constant('answer'),
      next: later,
    }),
    throttle: fc.record({
      kind: fc.constant('throttle' as const),
      most: fc.constant(1),
      per: spans,
      next: later,
      otherwise: later,
    }),
    end: fc.constant({ kind: 'end' as const, outcome: 'won' }),
  };
  return fc.oneof(...(Object.values(kinds) as fc.Arbitrary<JourneyDefinitionInput['steps'][string]>[]));
}
const definitions = fc
  .integer({ min: 1, max: 9 })
  .chain((many) => {
    const keys = Array.from({ length: many }, (_, n) => `s${n}`);
    return fc.record({
      steps: fc.tuple(...keys.map((_, n) => anyStep(n, keys))),
      mostStay: fc.constantFrom('2d', '5d'),
      out: fc.boolean(),
      goal: fc.constantFrom(undefined, true, false),
    });
  })
  .map(({ steps, mostStay, out, goal }) =>
    JourneyDefinition.parse({
      entry: { kind: 'event', event: 'go' },
      mostStay,
      zone: 'Europe/Berlin',
      start: 's0',
      steps: Object.fromEntries(steps.map((step, n) => [`s${n}`, step])),
      exits: out ? [{ name: 'out', on: { event: 'out' } }] : [],
      ...(goal === undefined ? {} : { goal: { name: 'goal', on: { event: 'bought' }, ends: goal } }),
    }),
  );
const happenings = fc
  .array(
    fc.record({
      afterMs: fc.integer({ min: 0, max: 120 }).map((h) => h * HOUR),
      what: fc.constantFrom<Partial<Happening>>(
        { event: 'ping' },
        { event: 'pong' },
        { event: 'go' },
        { event: 'out' },
        { event: 'bought' },
        { told: { step: 's0', outcome: 'clicked', channel: 'sms' } },
        { look: true },
      ),
    }),
    { maxLength: 12 },
  )
  .map((list): Happening[] => [
    { afterMs: 0, event: 'go', properties: { n: 4 } },
    ...list.map(({ afterMs, what }) => ({ afterMs, ...what })).sort((a, b) => a.afterMs - b.afterMs),
  ]);
const luck = fc.array(fc.boolean(), { minLength: 1, maxLength: 8 });
/** What comes of effects is the same each time that the same is asked. */
const worldOf = (lucky: readonly boolean[]): World => ({
  facts: {
    zone: 'Europe/Berlin',
    attributes: { born: '1990-01-01', soon: '2027-03-12T00:00:00Z' },
    holds: (leaf) => lucky[JSON.stringify(leaf).length % lucky.length]!,
    quietEnds: (_, now) => now,
  },
  done: (effect, { no }) =>
    lucky[no % lucky.length]
      ? { ok: true, passed: lucky[(no + 1) % lucky.length]!, saved: { no } }
      : effect.kind === 'send'
        ? { ok: false, reason: 'refused' }
        : { ok: true, passed: false },
});

describe('any journey, whatever happens', () => {
  const over = { numRuns: 300 };

  it('is one chain of its own ways from the first step to an end with an outcome, within its stay', () => {
    fc.assert(
      fc.property(definitions, happenings, luck, (definition, list, lucky) => {
        expect(lintJourney(definition).filter(({ level }) => level === 'error')).toEqual([]);
        const { lines, visit } = play(definition, list, worldOf(lucky));
        expect(visit.state).toBe('ended');
        expect(visit.outcome).toMatch(/./);
        expect(visit.no).toBe(lines.length);
        lines.forEach((line, n) => {
          expect(line.no).toBe(n);
          expect(line.step).toBe(n === 0 ? definition.start : lines[n - 1]!.next);
          const ways = waysOut(definition.steps[line.step]!);
          const own = ways.some(({ way, next }) => way === line.way && next === line.next);
          // Goals, exits, the end of the stay and errors lead out from anywhere.
          const out = line.next === null && ['goal', 'exit', 'timed_out', 'error', 'end'].includes(line.way);
          if (!own && !out) throw new Error(`${line.step} has no way ${line.way} to ${line.next}`);
        });
        expect(lines.at(-1)!.next).toBeNull();
        expect(new Date(lines.at(-1)!.at).getTime()).toBeLessThanOrEqual(visit.leaveBy.getTime());
      }),
      over,
    );
  });

  it('is the same when it is played again, and when somebody looks in between', () => {
    fc.assert(
      fc.property(definitions, happenings, luck, (definition, list, lucky) => {
        const once = play(definition, list, worldOf(lucky));
        const before = JSON.stringify(definition);
        const looked = list.flatMap((one) => [one, { afterMs: one.afterMs + 1, look: true }]);
        const again = play(definition, looked, worldOf(lucky));
        expect(again.lines).toEqual(once.lines);
        expect(again.effects).toEqual(once.effects);
        expect(JSON.stringify(definition)).toBe(before);
      }),
      over,
    );
  });

  it('asks for each effect once per step that is taken', () => {
    fc.assert(
      fc.property(definitions, happenings, luck, (definition, list, lucky) => {
        const { effects } = play(definition, list, worldOf(lucky));
        expect(new Set(effects).size).toBe(effects.length);
      }),
      over,
    );
  });

  it('takes what happens at one instant in the order in which it was told', () => {
    const both = JourneyDefinition.parse({
      entry: { kind: 'event', event: 'go' },
      start: 'hear',
      steps: {
        hear: {
          kind: 'listen',
          within: '1d',
          for: [
            { on: { event: 'ping' }, next: 'a' },
            { on: { event: 'pong' }, next: 'b' },
          ],
        },
        a: { kind: 'end', outcome: 'ping' },
        b: { kind: 'end', outcome: 'pong' },
      },
    });
    fc.assert(
      fc.property(fc.array(fc.constantFrom('ping', 'pong'), { minLength: 1 }), (names) => {
        const told = names.map((event) => ({ afterMs: HOUR, event }));
        const { visit } = play(both, [{ afterMs: 0, event: 'go' }, ...told], worldOf([true]));
        expect(visit.outcome).toBe(names[0]);
      }),
    );
  });

  it('lets in under the same key what says the same, and never under one that is too long', () => {
    const perKey = JourneyDefinition.parse({
      entry: { kind: 'event', event: 'go' },
      perKey: 'id',
      start: 'a',
      steps: { a: { kind: 'end' } },
    });
    fc.assert(
      fc.property(fc.jsonValue(), (id) => {
        const properties = { id } as Record<string, unknown>;
        const signal: Signal = { kind: 'event', at: START, ref: 'e', name: 'go', properties };
        const key = entryOf(perKey, signal, 'UTC', START)!.key;
        expect(key).toBe(entryOf(perKey, { ...signal, ref: 'f' }, 'UTC', START)!.key);
        expect(key.length).toBeLessThanOrEqual(200);
      }),
    );
  });
});

// ── what was recorded ──

interface Recorded {
  name: string;
  definition: JourneyDefinitionInput;
  zone: string;
  attributes: Record<string, unknown>;
  holds: boolean;
  /** Steps whose effect fails. */
  fails: string[];
  happenings: Happening[];
  lines: Line[];
  outcome: string;
}
const recorded = JSON.parse(
  fs.readFileSync(path.join(import.meta.dirname, 'histories.json'), 'utf8'),
) as Recorded[];
const retrace = ({ definition, zone, attributes, holds, fails, happenings: list }: Recorded): Way =>
  play(JourneyDefinition.parse(definition), list, {
    facts: { zone, attributes, holds: () => holds, quietEnds: (_, now) => now },
    done: (_, { step }) =>
      fails.includes(step)
        ? { ok: false, reason: 'refused' }
        : { ok: true, passed: true, saved: { score: 42 } },
  });

describe('ways that were recorded', () => {
  it.each(recorded.map((one) => [one.name, one] as const))('%s is taken again, line by line', (_, one) => {
    const { lines, visit } = retrace(one);
    // Who is inside now came by these lines: a change here moves them elsewhere than yesterday. Only on purpose.
    expect(lines).toEqual(one.lines);
    expect(visit.outcome).toBe(one.outcome);
  });
  it('every kind of step is among them', () => {
    const kinds = new Set(
      recorded.flatMap(({ definition, lines }) => lines.map(({ step }) => definition.steps[step]!.kind)),
    );
    expect([...kinds].sort()).toEqual([
      'call',
      'condition',
      'digest',
      'emit',
      'end',
      'list',
      'listen',
      'send',
      'split',
      'start',
      'throttle',
      'update',
      'wait',
    ]);
  });
});
