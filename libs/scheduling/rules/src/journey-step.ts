/**
 * What happens next to one person in a journey. Pure: the document, where the person is, what is known of them, the time.
 * What has to be done outside is given back as an effect; what came of it comes in through `afterEffect`. Whoever runs this
 * (the engine, the simulator) keeps the places and does the effects; nobody else decides.
 */
import { hash32, momentIn, testHolds, wallClock } from '@carillon/audience-rules';
import {
  weekdays,
  type Channel,
  type JourneyClause,
  type JourneyDefinition,
  type JourneyTrigger,
  type Leaf,
  type Path,
  type StepOf,
} from '@carillon/contracts';
import { durationMs } from './duration.js';
import { instantOf } from './occurrences.js';

/** What a digest gathers before it goes on at once, in characters of JSON. The event that makes it so many is still in it. */
export const MOST_DIGEST = 262_144;
/** What a journey may know of one person, in characters of JSON: an answer that makes it more is not kept, which is an error. */
export const MOST_KNOWN = 1_048_576;

/** What a journey knows about its person's way. Grows by entry events, answers of calls and outcomes of messages only. */
export interface JourneyData {
  /** Properties of the entry event, or what `enter` was given. */
  event: Record<string, unknown>;
  /** Answers of calls, by name. */
  vars: Record<string, unknown>;
  /** What became of messages, by the step that sent them: `delivered`, and by which channel: `delivered sms`. */
  told?: Record<string, string[]>;
  /** Entry events that a digest gathered, after the first. */
  digest?: Record<string, unknown>[];
  /** The goal was reached, where it does not end the journey. */
  goal?: true;
}

/** Where somebody is. */
export interface Place {
  journeyId: string;
  profileId: string;
  key: string;
  step: string;
  /** arrived: the step is to be done. waiting: for a time or for something to happen. calling: a call is on its way. */
  phase: 'arrived' | 'waiting' | 'calling';
  since: Date;
  dueAt: Date | null;
  leaveBy: Date;
  /** How often this step's call was tried. */
  tries: number;
  /** Somebody had them leave. */
  removed: boolean;
  data: JourneyData;
}

/** What is known of the person. Asked for only what the step needs (see `factsWanted`). */
export interface Facts {
  /** Whose clock is read: the person's, or the journey's. */
  zone: string;
  attributes: Readonly<Record<string, unknown>>;
  holds(clause: Leaf): boolean;
  /** When quiet hours are over for the person: `now`, where it is not quiet. Null: not within two months. */
  quietEnds(channel: Channel | 'any', now: Date): Date | null;
}

export type Effect =
  | { kind: 'send'; step: StepOf<'send'> }
  | { kind: 'update'; attributes: Record<string, unknown> }
  | { kind: 'emit'; event: string; properties: Record<string, unknown> }
  | { kind: 'call'; step: StepOf<'call'>; body: Record<string, unknown> | null }
  | { kind: 'list'; audience: string; change: 'join' | 'leave' }
  | { kind: 'start'; journey: string; data: Record<string, unknown> }
  | { kind: 'throttle'; most: number; perMs: number; key: string };

export type Move =
  /** Leaves the step. */
  | { kind: 'go'; way: string; next: string | null; detail?: Record<string, unknown>; data?: JourneyData }
  | { kind: 'stay'; dueAt: Date; data?: JourneyData }
  | { kind: 'do'; effect: Effect }
  /** Leaves the journey from here. */
  | {
      kind: 'end';
      way: string;
      outcome: string;
      reason?: string;
      detail?: Record<string, unknown>;
      data?: JourneyData;
    };

/** What came of an effect. */
export type Done =
  | { ok: true; detail?: Record<string, unknown>; saved?: unknown; passed?: boolean }
  /** late: no answer came in time. */
  | { ok: false; reason: string; late?: boolean; detail?: Record<string, unknown> };

/** The next thing that happens at this place. Staying is an answer too: a look too early changes nothing. */
export function journeyStep(definition: JourneyDefinition, place: Place, facts: Facts, now: Date): Move {
  if (now >= place.leaveBy)
    return place.removed
      ? { kind: 'end', way: 'removed', outcome: 'removed' }
      : { kind: 'end', way: 'timed_out', outcome: 'timed_out', reason: 'longer inside than mostStay' };
  const step = definition.steps[place.step];
  if (!step) return { kind: 'end', way: 'error', outcome: 'error', reason: 'its step is not there' };
  if (place.phase === 'arrived')
    for (const exit of definition.exits)
      if ('if' in exit && clauseHoldsAt(exit.if, place, facts, now))
        return { kind: 'end', way: 'exit', outcome: 'exit', reason: exit.name };

  switch (step.kind) {
    case 'end':
      return { kind: 'end', way: 'end', outcome: step.outcome };
    case 'condition': {
      const n = step.branches.findIndex((branch) => clauseHoldsAt(branch.if, place, facts, now));
      const branch = step.branches[n];
      return branch ? go(branch.name ?? `branch ${n + 1}`, branch.next) : go('otherwise', step.otherwise);
    }
    case 'split': {
      const share = shareOf(step, place);
      return go(share.name, share.next);
    }
    case 'wait': {
      const quiet = step.until?.quietHours;
      if (quiet !== undefined) {
        // Asked anew at each look: somebody may have changed the hours.
        const ends = facts.quietEnds(quiet, now);
        if (!ends) return pastDate(step);
        return ends > now ? { kind: 'stay', dueAt: ends } : go('next', step.next);
      }
      const until = waitsUntil(step, place, facts);
      if (!until) return pastDate(step);
      if (until > now) return { kind: 'stay', dueAt: until };
      // A date that was past already when the person came is not waited for.
      return (step.until?.date ?? step.until?.data) !== undefined && until <= place.since
        ? pastDate(step)
        : go('next', step.next);
    }
    case 'listen': {
      const end = new Date(place.since.getTime() + durationMs(step.within));
      if (place.phase === 'arrived') {
        const n = step.for.findIndex(({ on }) => 'message' in on && wasTold(on, place.data));
        const already = step.for[n];
        if (already) return go(wayOf(already.on), already.next);
      }
      return now >= end ? go('otherwise', step.otherwise) : { kind: 'stay', dueAt: end };
    }
    case 'digest': {
      const end = new Date(place.since.getTime() + durationMs(step.within));
      return now >= end ? gathered(step, place.data, 'time') : { kind: 'stay', dueAt: end };
    }
    case 'send':
      return { kind: 'do', effect: { kind: 'send', step } };
    case 'update':
      return { kind: 'do', effect: { kind: 'update', attributes: values(step.attributes, place.data) } };
    case 'emit':
      return {
        kind: 'do',
        effect: { kind: 'emit', event: step.event, properties: values(step.properties, place.data) },
      };
    case 'list':
      return { kind: 'do', effect: { kind: 'list', audience: step.audience, change: step.change } };
    case 'start':
      return {
        kind: 'do',
        effect: { kind: 'start', journey: step.journey, data: values(step.data, place.data) },
      };
    case 'throttle':
      return {
        kind: 'do',
        effect: {
          kind: 'throttle',
          most: step.most,
          perMs: durationMs(step.per),
          key: step.key === undefined ? place.profileId : text(valueAt(place.data, step.key)),
        },
      };
    case 'call':
      if (place.phase === 'calling' && place.tries >= step.tries)
        return afterEffect(definition, place, {
          ok: false,
          late: true,
          reason: 'it was never heard of again',
        });
      return {
        kind: 'do',
        effect: { kind: 'call', step, body: step.body ? values(step.body, place.data) : null },
      };
  }
}

/** What follows from what came of an effect. An error without a way of its own ends the journey, and says so. */
export function afterEffect(definition: JourneyDefinition, place: Place, done: Done): Move {
  const step = definition.steps[place.step];
  if (!step) return { kind: 'end', way: 'error', outcome: 'error', reason: 'its step is not there' };
  const detail = done.detail ? { detail: done.detail } : {};
  if (!done.ok) {
    const more = { detail: { ...done.detail, reason: done.reason } };
    if (done.late && step.kind === 'call' && step.onTimeout !== undefined)
      return { ...go('timeout', step.onTimeout), ...more };
    const onError = 'onError' in step ? step.onError : undefined;
    return onError === undefined
      ? { kind: 'end', way: 'error', outcome: 'error', reason: done.reason, ...more }
      : { ...go('error', onError), ...more };
  }
  if (step.kind === 'throttle')
    return {
      ...(done.passed === false ? go('otherwise', step.otherwise) : go('next', step.next)),
      ...detail,
    };
  const next = 'next' in step ? step.next : null;
  const saveAs = step.kind === 'call' ? step.saveAs : undefined;
  if (saveAs === undefined) return { ...go('next', next), ...detail };
  const data = { ...place.data, vars: { ...place.data.vars, [saveAs]: done.saved ?? null } };
  return JSON.stringify(data).length > MOST_KNOWN
    ? afterEffect(definition, place, {
        ok: false,
        reason: 'With its answer the person’s data would be more than 1 MiB.',
        ...detail,
      })
    : { ...go('next', next), ...detail, data };
}

// ── what happens to people ──

export type Signal = { at: Date; ref: string } & (
  | { kind: 'event'; name: string; properties: Record<string, unknown> }
  | { kind: 'audience'; name: string; change: 'enter' | 'leave' }
  /** What became of a message of this journey. */
  | { kind: 'message'; outcome: string; step: string; channel: string; messageId: string }
  /** Somebody lets them in. */
  | { kind: 'enter'; data: Record<string, unknown> }
);

/** What a signal does to somebody inside: null where it does not concern them. */
export function journeySignal(
  definition: JourneyDefinition,
  place: Place,
  signal: Signal,
  zone: string,
  now: Date,
): Move | { kind: 'note'; data: JourneyData } | null {
  let data = place.data;
  if (signal.kind === 'message') {
    const known = data.told?.[signal.step] ?? [];
    const fresh = [signal.outcome, `${signal.outcome} ${signal.channel}`].filter((w) => !known.includes(w));
    if (fresh.length > 0) data = { ...data, told: { ...data.told, [signal.step]: [...known, ...fresh] } };
  }
  const hears = (on: JourneyTrigger): boolean => triggered(on, signal, zone, now);
  const { goal } = definition;
  if (goal && hears(goal.on)) {
    if (goal.ends) return { kind: 'end', way: 'goal', outcome: 'goal', reason: goal.name, data };
    data = { ...data, goal: true };
  }
  for (const exit of definition.exits)
    if ('on' in exit && hears(exit.on))
      return { kind: 'end', way: 'exit', outcome: 'exit', reason: exit.name, data };
  const step = definition.steps[place.step];
  if (step?.kind === 'listen') {
    const heard = step.for.find(({ on }) => hears(on));
    if (heard) return { ...go(wayOf(heard.on), heard.next), data, detail: { ref: signal.ref } };
  }
  if (
    step?.kind === 'digest' &&
    signal.kind === 'event' &&
    entryOf(definition, signal, zone, now)?.key === place.key
  ) {
    data = { ...data, digest: [...(data.digest ?? []), signal.properties] };
    // The first one, which let them in, counts.
    if (data.digest!.length + 1 >= step.most) return gathered(step, data, 'most');
    if (JSON.stringify(data.digest).length >= MOST_DIGEST) return gathered(step, data, 'size');
  }
  return data === place.data ? null : { kind: 'note', data };
}

/** Whether a signal is one of those that let people in, and under which key. */
export function entryOf(
  definition: JourneyDefinition,
  signal: Signal,
  zone: string,
  now: Date,
): { key: string } | null {
  const { entry, perKey } = definition;
  if (signal.kind === 'enter') return { key: '' };
  if (entry.kind === 'audience')
    return signal.kind === 'audience' &&
      triggered({ audience: entry.audience, change: entry.change }, signal, zone, now)
      ? { key: '' }
      : null;
  if (entry.kind !== 'event' || signal.kind !== 'event') return null;
  if (!triggered({ event: entry.event, where: entry.where }, signal, zone, now)) return null;
  return { key: perKey === undefined ? '' : text(valueAt(signal.properties, perKey)).slice(0, 200) };
}

/** The last time that the person entered, with this key. */
export interface Before {
  enteredAt: Date;
  /** Null: still inside. */
  endedAt: Date | null;
}
export const entryRefusals = {
  outside_window: 'It came outside of the window of the journey.',
  guarded: 'The last one had come too shortly before.',
  never_again: 'The person has been in it before, and it lets nobody in again.',
  inside: 'The person is inside already.',
  too_soon: 'The person has left it too shortly before.',
  cap_reached: 'As many have entered as may.',
  paused: 'The journey was paused, and what happened meanwhile is not kept.',
} as const;
export type EntryRefusal = keyof typeof entryRefusals;

/** Null: may enter. */
export function mayEnter(
  definition: JourneyDefinition,
  before: Before | null,
  /** How many have entered within the cap's time. */
  entered: number,
  now: Date,
): EntryRefusal | null {
  const { window, guard, reentry, cap } = definition;
  if (window?.from !== undefined && now < new Date(window.from)) return 'outside_window';
  if (window?.until !== undefined && now >= new Date(window.until)) return 'outside_window';
  if (before) {
    if (guard !== undefined && now.getTime() - before.enteredAt.getTime() < durationMs(guard))
      return 'guarded';
    if (reentry.kind === 'never') return before.endedAt ? 'never_again' : 'inside';
    if (reentry.kind === 'after') {
      if (!before.endedAt) return 'inside';
      if (reentry.wait !== undefined && now.getTime() - before.endedAt.getTime() < durationMs(reentry.wait))
        return 'too_soon';
    }
  }
  return cap && entered >= cap.most ? 'cap_reached' : null;
}

/** Which clauses about the person the step asks: to be looked up for many at once. */
export function factsWanted(definition: JourneyDefinition, place: Pick<Place, 'step' | 'phase'>): Leaf[] {
  const step = definition.steps[place.step];
  const asked: JourneyClause[] = [];
  if (place.phase === 'arrived') for (const exit of definition.exits) if ('if' in exit) asked.push(exit.if);
  if (step?.kind === 'condition') asked.push(...step.branches.map((branch) => branch.if));
  const leaves: Leaf[] = [];
  for (let clause = asked.pop(); clause; clause = asked.pop()) {
    if ('and' in clause) asked.push(...clause.and);
    else if ('or' in clause) asked.push(...clause.or);
    else if ('not' in clause) asked.push(clause.not);
    else if (!('data' in clause || 'clock' in clause || 'step' in clause)) leaves.push(clause);
  }
  return leaves;
}

// ── parts ──

const go = (way: string, next: string | null | undefined): Extract<Move, { kind: 'go' }> => ({
  kind: 'go',
  way,
  next: next ?? null,
});
/** There is no date, or it is past: straight on, unless there is another way. */
const pastDate = (step: StepOf<'wait'>): Move =>
  step.otherwise === undefined ? go('next', step.next) : go('otherwise', step.otherwise);

/** A digest goes on, and its line says with how many and what ended it. */
const gathered = (step: StepOf<'digest'>, data: JourneyData, by: 'time' | 'most' | 'size'): Move => ({
  ...go('next', step.next),
  data,
  detail: { gathered: (data.digest?.length ?? 0) + 1, by },
});

/** The same words as `waysOut`. */
const wayOf = (on: JourneyTrigger): string =>
  'event' in on
    ? on.event
    : 'audience' in on
      ? `${on.change} ${on.audience}`
      : on.step === undefined
        ? on.message
        : `${on.message} ${on.step}`;

/** Whether something that happened to nobody lets an audience in. @returns its key */
export function businessEntry(
  { entry }: JourneyDefinition,
  event: { name: string; properties: Record<string, unknown> },
  zone: string,
  now: Date,
): string | null {
  if (entry.kind !== 'business') return null;
  const { event: name, where, audience } = entry;
  const signal = { kind: 'event', at: now, ref: '', ...event } as const;
  return triggered({ event: name, where }, signal, zone, now) ? audience : null;
}

function triggered(on: JourneyTrigger, signal: Signal, zone: string, now: Date): boolean {
  if ('event' in on)
    return (
      signal.kind === 'event' &&
      signal.name === on.event &&
      (on.where ?? []).every(({ property, ...test }) =>
        testHolds(valueAt(signal.properties, property), test, { now, zone }),
      )
    );
  if ('audience' in on)
    return (
      signal.kind === 'audience' &&
      signal.name === on.audience &&
      (on.change === 'both' || on.change === signal.change)
    );
  return (
    signal.kind === 'message' &&
    signal.outcome === on.message &&
    (on.step === undefined || on.step === signal.step) &&
    (on.channel === undefined || on.channel === signal.channel)
  );
}

function wasTold(on: Extract<JourneyTrigger, { message: unknown }>, { told = {} }: JourneyData): boolean {
  const lists = on.step === undefined ? Object.values(told) : [told[on.step] ?? []];
  return lists.some((list) => list.includes(said(on)));
}

/** As it is kept. */
const said = ({ message, channel }: { message: string; channel?: Channel | undefined }): string =>
  channel === undefined ? message : `${message} ${channel}`;

/** Whether a condition holds for somebody who is in a journey. */
export function clauseHoldsAt(clause: JourneyClause, place: Place, facts: Facts, now: Date): boolean {
  const holds = (inner: JourneyClause): boolean => clauseHoldsAt(inner, place, facts, now);
  if ('and' in clause) return clause.and.every(holds);
  if ('or' in clause) return clause.or.some(holds);
  if ('not' in clause) return !holds(clause.not);
  if ('data' in clause) {
    const { data, ...test } = clause;
    return testHolds(valueAt(place.data, data), test, { now, zone: facts.zone });
  }
  if ('clock' in clause) return clockShows(clause.clock, facts.zone, now);
  if ('step' in clause) return (place.data.told?.[clause.step] ?? []).includes(said(clause));
  return facts.holds(clause);
}

const DAY = 86_400_000;
const dayOf = (wall: number): string => weekdays[(new Date(wall).getUTCDay() + 6) % 7]!;
const minutes = (time: string): number => Number(time.slice(0, 2)) * 60 + Number(time.slice(3));

function clockShows(
  shows: { days?: readonly string[] | undefined; from?: string | undefined; until?: string | undefined },
  zone: string,
  now: Date,
): boolean {
  const wall = wallClock(now.getTime(), zone);
  const minute = Math.floor((wall % DAY) / 60_000);
  const from = shows.from === undefined ? 0 : minutes(shows.from);
  const until = shows.until === undefined ? 1440 : minutes(shows.until);
  // A night belongs to the day on which it begins.
  const overnight = from >= until;
  const late = overnight && minute < until;
  if (overnight ? minute < from && !late : minute < from || minute >= until) return false;
  return !shows.days || shows.days.includes(dayOf(late ? wall - DAY : wall));
}

/** Until when the step waits; null where there is no such date. */
function waitsUntil(step: StepOf<'wait'>, place: Place, { zone, attributes }: Facts): Date | null {
  const { since } = place;
  if (step.for !== undefined) return new Date(since.getTime() + durationMs(step.for));
  const { date, data, shift, time, days } = step.until ?? {};
  const path = date ?? data;
  if (path === undefined) return nextShown(since, zone, time ?? '00:00', days, time === undefined);
  const given = valueAt(date === undefined ? place.data : attributes, path);
  const moment = typeof given === 'string' ? momentIn(given, zone) : undefined;
  if (!moment) return null;
  const ms = shift === undefined ? 0 : (shift.startsWith('-') ? -1 : 1) * durationMs(shift.replace('-', ''));
  const shifted = new Date(moment.getTime() + ms);
  if (time === undefined && days === undefined) return shifted;
  const wall = wallClock(shifted.getTime(), zone);
  const dayStart = new Date(instantOf(wall - (wall % DAY), zone));
  return nextShown(time === undefined ? shifted : dayStart, zone, time ?? '00:00', days, time === undefined);
}

/**
 * The first instant from `after` on at which the clock shows a time, on one of the days. Where any time of such a day will
 * do, it is at once on such a day.
 */
function nextShown(
  after: Date,
  zone: string,
  time: string,
  days: readonly string[] | undefined,
  anyTime: boolean,
): Date {
  const wall = wallClock(after.getTime(), zone);
  if (anyTime && (!days || days.includes(dayOf(wall)))) return after;
  const midnight = wall - (wall % DAY);
  for (let n = 0; n <= 8; n++) {
    const shown = midnight + n * DAY + minutes(time) * 60_000;
    if (days && !days.includes(dayOf(shown))) continue;
    const at = instantOf(shown, zone);
    if (at >= after.getTime()) return new Date(at);
  }
  return after;
}

/** Sticky: the same for the same person, journey and step, whatever else changes. */
function shareOf(
  { shares }: StepOf<'split'>,
  { journeyId, profileId, step }: Place,
): StepOf<'split'>['shares'][number] {
  const drawn = (hash32(`${journeyId}\n${step}\n${profileId}`) / 2 ** 32) * 100;
  let sum = 0;
  for (const share of shares) {
    sum += share.percent;
    if (drawn < sum) return share;
  }
  // What rounding leaves.
  return shares.findLast(({ percent }) => percent > 0) ?? shares[0]!;
}

/** What stands at a path; undefined where nothing does. */
export function valueAt(from: unknown, path: Path): unknown {
  let value = from;
  for (const part of typeof path === 'string' ? [path] : path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) return undefined;
    value = (value as Record<string, unknown>)[part];
  }
  return value;
}
const text = (value: unknown): string =>
  typeof value === 'string' ? value : value === undefined || value === null ? '' : JSON.stringify(value);

/** Values as they are written, or taken from the data: null where there is nothing. */
function values(given: Record<string, unknown>, data: JourneyData): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(given).map(([name, value]) => [
      name,
      isFrom(value) ? (valueAt(data, value.from) ?? null) : value,
    ]),
  );
}
const isFrom = (value: unknown): value is { from: Path } =>
  typeof value === 'object' &&
  value !== null &&
  Object.keys(value).length === 1 &&
  'from' in value &&
  (typeof value.from === 'string' || Array.isArray(value.from));
