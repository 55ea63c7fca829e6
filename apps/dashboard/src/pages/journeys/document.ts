/**
 * A journey's document as the canvas changes it: what leads where, and what it becomes when a step is put in, taken out or
 * exchanged. Every change gives a new document; nothing here knows how it is drawn. Pure.
 */
import type { JourneyDefinition, JourneyStep, JourneyStepKind, JourneyTrigger } from '@carillon/contracts';

export type Place = readonly (string | number)[];
/** A way out of a step. `at`: where in the step it is written. */
export interface Way {
  way: string;
  next: string | null;
  at: Place;
}
/** Something that leads to a step: the entry (`from` null), or a way out of a step. */
export interface Lead {
  from: string | null;
  at: Place;
}
export const theStart: Lead = { from: null, at: [] };

export const triggerWords = (on: JourneyTrigger): string =>
  'event' in on
    ? on.event
    : 'audience' in on
      ? `${on.change} ${on.audience}`
      : on.step
        ? `${on.message} ${on.step}`
        : on.message;

/** The ways out of a step, called as the engine counts them. */
export function waysOf(step: JourneyStep): Way[] {
  const to = (way: string, next: string | null | undefined, ...at: Place): Way => ({
    way,
    next: next ?? null,
    at,
  });
  switch (step.kind) {
    case 'end':
      return [];
    case 'condition':
      return [
        ...step.branches.map((branch, n) =>
          to(branch.name ?? `branch ${n + 1}`, branch.next, 'branches', n, 'next'),
        ),
        to('otherwise', step.otherwise, 'otherwise'),
      ];
    case 'split':
      return step.shares.map((share, n) => to(share.name, share.next, 'shares', n, 'next'));
    case 'listen':
      return [
        ...step.for.map(({ on, next }, n) => to(triggerWords(on), next, 'for', n, 'next')),
        to('otherwise', step.otherwise, 'otherwise'),
      ];
    case 'throttle':
      return [to('next', step.next, 'next'), to('otherwise', step.otherwise, 'otherwise')];
    case 'wait':
      return [
        to('next', step.next, 'next'),
        ...(step.otherwise === undefined ? [] : [to('otherwise', step.otherwise, 'otherwise')]),
      ];
    case 'send':
    case 'update':
    case 'emit':
    case 'call':
    case 'list':
    case 'start':
      return [
        to('next', step.next, 'next'),
        ...(step.onError === undefined ? [] : [to('error', step.onError, 'onError')]),
        ...('onTimeout' in step && step.onTimeout !== undefined
          ? [to('timeout', step.onTimeout, 'onTimeout')]
          : []),
      ];
    default:
      return [to('next', step.next, 'next')];
  }
}

/** The way that goes on when the step is taken out: the first that leads somewhere. */
const onward = (step: JourneyStep): string | null =>
  waysOf(step).find(({ next }) => next !== null)?.next ?? null;

/** Where a step that is put in between leads to what came next. */
const through: Record<JourneyStepKind, Place> = {
  send: ['next'],
  wait: ['next'],
  condition: ['branches', 0, 'next'],
  split: ['shares', 0, 'next'],
  // Whoever did not do it goes on: the reminder comes after the waiting.
  listen: ['otherwise'],
  update: ['next'],
  emit: ['next'],
  call: ['next'],
  list: ['next'],
  start: ['next'],
  throttle: ['next'],
  digest: ['next'],
  end: [],
};

export const stepKinds = Object.keys(through) as JourneyStepKind[];

/** The same thing with one place in it changed; `undefined` takes the place out. */
export function withAt<T>(thing: T, place: Place, value: unknown): T {
  const [first, ...rest] = place;
  if (first === undefined) return value as T;
  if (Array.isArray(thing)) {
    const copy = [...(thing as unknown[])];
    copy[Number(first)] = withAt(copy[Number(first)], rest, value);
    return copy as T;
  }
  const copy: Record<string | number, unknown> = { ...(thing as object) };
  const inner = withAt(copy[first] ?? {}, rest, value);
  if (inner === undefined) delete copy[first];
  else copy[first] = inner;
  return copy as T;
}

const stepOf = (document: JourneyDefinition, key: string): JourneyStep | undefined => document.steps[key];
const withStep = (document: JourneyDefinition, key: string, step: JourneyStep): JourneyDefinition => ({
  ...document,
  steps: { ...document.steps, [key]: step },
});
export const leadsTo = (document: JourneyDefinition, { from, at }: Lead): string | null => {
  if (from === null) return document.start || null;
  const step = stepOf(document, from);
  return (step && waysOf(step).find((way) => way.at.join() === at.join())?.next) ?? null;
};
export const lead = (
  document: JourneyDefinition,
  { from, at }: Lead,
  to: string | null,
): JourneyDefinition => {
  if (from === null) return { ...document, start: to ?? '' };
  const step = stepOf(document, from);
  return step ? withStep(document, from, withAt(step, at, to)) : document;
};
/** Everything that leads to a step. */
export const leadsInto = (document: JourneyDefinition, key: string): Lead[] => [
  ...(document.start === key ? [theStart] : []),
  ...Object.entries(document.steps).flatMap(([from, step]) =>
    waysOf(step)
      .filter(({ next }) => next === key)
      .map(({ at }) => ({ from, at })),
  ),
];
export function reachable({ start, steps }: JourneyDefinition): Set<string> {
  const reached = new Set<string>();
  const open = [start];
  for (let key = open.pop(); key !== undefined; key = open.pop()) {
    const step = steps[key];
    if (!step || reached.has(key)) continue;
    reached.add(key);
    for (const { next } of waysOf(step)) if (next !== null) open.push(next);
  }
  return reached;
}

/** A name that is free: send, send-2 … */
export function freeKey(document: JourneyDefinition, wanted: string): string {
  const base =
    wanted
      .toLowerCase()
      .normalize('NFKD')
      .replace(/[^a-z0-9_]+/g, '-')
      .replace(/^[-_]+|-+$/g, '')
      .slice(0, 44) || 'step';
  if (!document.steps[base]) return base;
  for (let n = 2; ; n++) if (!document.steps[`${base}-${n}`]) return `${base}-${n}`;
}

/** A new step of a kind, as far as it can be filled in without asking. */
export const newStep = (kind: JourneyStepKind): JourneyStep =>
  ({
    send: { kind: 'send', channels: ['email'], class: 'transactional' },
    wait: { kind: 'wait', for: '1d' },
    condition: { kind: 'condition', branches: [{ if: { and: [] } }], otherwise: null },
    split: {
      kind: 'split',
      shares: [
        { name: 'A', percent: 50 },
        { name: 'B', percent: 50 },
      ],
    },
    listen: { kind: 'listen', for: [{ on: { event: '' } }], within: '1d', otherwise: null },
    update: { kind: 'update', attributes: {} },
    emit: { kind: 'emit', event: '', properties: {} },
    call: { kind: 'call', url: 'https://', method: 'POST', headers: {}, timeout: '10s', tries: 3 },
    list: { kind: 'list', audience: '', change: 'join' },
    start: { kind: 'start', journey: '', data: {} },
    throttle: { kind: 'throttle', most: 1, per: '1d', otherwise: null },
    digest: { kind: 'digest', within: '1h', most: 100 },
    end: { kind: 'end', outcome: 'done' },
  })[kind] as JourneyStep;

/** Puts a step where something leads; what came there comes after it. */
export function insert(
  document: JourneyDefinition,
  where: Lead,
  kind: JourneyStepKind,
): { document: JourneyDefinition; key: string } {
  const key = freeKey(document, kind);
  const after = leadsTo(document, where);
  const place = through[kind];
  const step = place.length > 0 ? withAt(newStep(kind), place, after) : newStep(kind);
  return { document: lead(withStep(document, key, step), where, key), key };
}

/**
 * Takes a step out: what led to it leads to what came after it. Steps that only its other ways led to go with it: `gone`
 * names them all. Null when it is the only step.
 */
export function remove(
  document: JourneyDefinition,
  key: string,
): { document: JourneyDefinition; gone: string[] } | null {
  const step = stepOf(document, key);
  if (!step || Object.keys(document.steps).length < 2) return null;
  let after = onward(step);
  if (after === key) after = null;
  const before = reachable(document);
  let next = document;
  for (const way of leadsInto(document, key)) next = lead(next, way, after);
  if (next.start === '') {
    // The first step, and nothing after it: another one begins.
    const other = Object.keys(document.steps).find((one) => one !== key) ?? '';
    next = { ...next, start: other };
  }
  const { [key]: _, ...rest } = next.steps;
  next = { ...next, steps: rest };
  const now = reachable(next);
  const lost = Object.keys(rest).filter((one) => before.has(one) && !now.has(one));
  return {
    document: {
      ...next,
      steps: Object.fromEntries(Object.entries(rest).filter(([one]) => !lost.includes(one))),
    },
    gone: [key, ...lost],
  };
}

/** Another kind of step in the same place, leading on to the same. */
export function replace(document: JourneyDefinition, key: string, kind: JourneyStepKind): JourneyDefinition {
  const step = stepOf(document, key);
  if (!step || step.kind === kind) return document;
  const { name, note, place } = step;
  const fresh = newStep(kind);
  const way = through[kind];
  const kept = {
    ...fresh,
    ...(name !== undefined && { name }),
    ...(note !== undefined && { note }),
    ...(place !== undefined && { place }),
  } as JourneyStep;
  return withStep(document, key, way.length > 0 ? withAt(kept, way, onward(step)) : kept);
}

export const change = (document: JourneyDefinition, key: string, step: JourneyStep): JourneyDefinition =>
  withStep(document, key, step);

/** Calls a step by another key, wherever it is named: ways, triggers and conditions. */
export function rename(document: JourneyDefinition, key: string, to: string): JourneyDefinition {
  if (key === to || document.steps[to] || !document.steps[key]) return document;
  let next = document;
  for (const way of leadsInto(document, key)) next = lead(next, way, to);
  // Triggers and clauses name a step by `step`, beside what became of its `message`.
  const renamed = JSON.parse(JSON.stringify(next), function (this: object, name: string, value: unknown) {
    return name === 'step' && value === key && 'message' in this ? to : value;
  }) as JourneyDefinition;
  return {
    ...renamed,
    steps: Object.fromEntries(
      Object.entries(renamed.steps).map(([one, step]) => [one === key ? to : one, step]),
    ),
  };
}

/** Where a way of a step leads, and the ways that can be had on demand: an error, a date that is past. */
export const extraWays: Partial<Record<JourneyStepKind, { at: string; label: string }[]>> = {
  send: [{ at: 'onError', label: 'When it cannot be accepted' }],
  update: [{ at: 'onError', label: 'When it fails' }],
  emit: [{ at: 'onError', label: 'When the event is refused' }],
  call: [
    { at: 'onError', label: 'When no answer is 2xx' },
    { at: 'onTimeout', label: 'When no answer comes in time' },
  ],
  list: [{ at: 'onError', label: 'When the list is not there' }],
  start: [{ at: 'onError', label: 'When nobody can enter it' }],
  wait: [{ at: 'otherwise', label: 'When there is no such date, or it is past' }],
};

// ── comparing ──

const first = [
  'kind',
  'name',
  'note',
  'entry',
  'perKey',
  'reentry',
  'window',
  'cap',
  'guard',
  'zone',
  'mostStay',
];
const last = ['goal', 'exits', 'priority', 'next', 'otherwise', 'onError', 'onTimeout', 'start', 'steps'];
const rank = (key: string): number =>
  first.includes(key) ? first.indexOf(key) : last.includes(key) ? 100 + last.indexOf(key) : 50;
/** The same document with its keys in one order, whatever order they were written in; steps in the order they are come to. */
export function ordered<T>(value: T): T {
  if (Array.isArray(value)) return value.map(ordered) as T;
  if (value === null || typeof value !== 'object') return value;
  // No next and a next that is null are the same: it ends here.
  const entries = Object.entries(value as Record<string, unknown>).filter(
    ([key, one]) => one !== undefined && !(key === 'next' && one === null),
  );
  return Object.fromEntries(
    entries
      .sort(([a], [b]) => rank(a) - rank(b) || (a < b ? -1 : a > b ? 1 : 0))
      .map(([key, one]) => [key, ordered(one)]),
  ) as T;
}
export function textOf(document: JourneyDefinition): string {
  const { steps, ...rest } = document;
  const come = [...walk(document)];
  return JSON.stringify(
    { ...ordered(rest), steps: Object.fromEntries(come.map((key) => [key, ordered(steps[key])])) },
    null,
    2,
  );
}
/** Steps in the order they are come to, the first way first; those nobody comes to at the end. */
export function walk({ start, steps }: JourneyDefinition): Set<string> {
  const seen = new Set<string>();
  for (const root of [start, ...Object.keys(steps)]) {
    const open = [root];
    for (let key = open.pop(); key !== undefined; key = open.pop()) {
      const step = steps[key];
      if (!step || seen.has(key)) continue;
      seen.add(key);
      for (const { next } of waysOf(step).reverse()) if (next !== null) open.push(next);
    }
  }
  return seen;
}

export type Mark = 'added' | 'removed' | 'changed';
export interface Differences {
  steps: Map<string, Mark>;
  /** Fields beside the steps. */
  settings: string[];
}
export function differences(before: JourneyDefinition, after: JourneyDefinition): Differences {
  const steps = new Map<string, Mark>();
  const same = (a: unknown, b: unknown) => JSON.stringify(ordered(a)) === JSON.stringify(ordered(b));
  for (const [key, step] of Object.entries(after.steps))
    if (!before.steps[key]) steps.set(key, 'added');
    else if (!same(before.steps[key], step)) steps.set(key, 'changed');
  for (const key of Object.keys(before.steps)) if (!after.steps[key]) steps.set(key, 'removed');
  const names = new Set([...Object.keys(before), ...Object.keys(after)]);
  names.delete('steps');
  return {
    steps,
    settings: [...names].filter(
      (name) => !same(before[name as keyof JourneyDefinition], after[name as keyof JourneyDefinition]),
    ),
  };
}
/** What was taken out is drawn too: the new document with the old one's missing steps in it. */
export const together = (before: JourneyDefinition, after: JourneyDefinition): JourneyDefinition => ({
  ...after,
  steps: { ...before.steps, ...after.steps },
});

/** Ways of the old document to steps that were taken out, from where they can still be drawn. */
export const goneWays = (
  before: JourneyDefinition,
  after: JourneyDefinition,
): { from: string | null; to: string }[] =>
  Object.keys(before.steps)
    .filter((key) => !after.steps[key])
    .flatMap((to) =>
      leadsInto(before, to)
        .filter(({ from }) => from === null || after.steps[from])
        .map(({ from }) => ({ from, to })),
    );

export interface Line {
  mark: 'same' | 'added' | 'removed';
  text: string;
}
/** The lines of two texts, as few of them marked as can be. */
export function lineDifferences(before: string, after: string): Line[] {
  const a = before.split('\n');
  const b = after.split('\n');
  let head = 0;
  while (head < a.length && head < b.length && a[head] === b[head]) head++;
  let tail = 0;
  while (tail < a.length - head && tail < b.length - head && a.at(-1 - tail) === b.at(-1 - tail)) tail++;
  const x = a.slice(head, a.length - tail);
  const y = b.slice(head, b.length - tail);
  // Lengths of what is common to the rest of both, from each pair of lines on.
  const width = y.length + 1;
  const common = new Uint16Array((x.length + 1) * width);
  for (let i = x.length - 1; i >= 0; i--)
    for (let j = y.length - 1; j >= 0; j--)
      common[i * width + j] =
        x[i] === y[j]
          ? (common[(i + 1) * width + j + 1] ?? 0) + 1
          : Math.max(common[(i + 1) * width + j] ?? 0, common[i * width + j + 1] ?? 0);
  const lines: Line[] = a.slice(0, head).map((text) => ({ mark: 'same', text }));
  let i = 0;
  let j = 0;
  while (i < x.length || j < y.length) {
    if (i < x.length && j < y.length && x[i] === y[j]) {
      lines.push({ mark: 'same', text: x[i] ?? '' });
      i++;
      j++;
    } else if (
      i < x.length &&
      (j === y.length || (common[(i + 1) * width + j] ?? 0) >= (common[i * width + j + 1] ?? 0))
    )
      lines.push({ mark: 'removed', text: x[i++] ?? '' });
    else lines.push({ mark: 'added', text: y[j++] ?? '' });
  }
  return [...lines, ...a.slice(a.length - tail).map((text): Line => ({ mark: 'same', text }))];
}

// ── undo ──

export interface Past<T> {
  past: readonly T[];
  now: T;
  future: readonly T[];
  /** What was changed last: the same again in one go is undone in one go. */
  tag: string | null;
}
const MOST_PAST = 200;
export const begin = <T>(now: T): Past<T> => ({ past: [], now, future: [], tag: null });
export const put = <T>(state: Past<T>, now: T, tag: string | null = null): Past<T> =>
  now === state.now
    ? state
    : {
        past: tag !== null && tag === state.tag ? state.past : [...state.past, state.now].slice(-MOST_PAST),
        now,
        future: [],
        tag,
      };
export const undo = <T>({ past, now, future }: Past<T>): Past<T> => {
  const before = past.at(-1);
  return before === undefined
    ? { past, now, future, tag: null }
    : { past: past.slice(0, -1), now: before, future: [now, ...future], tag: null };
};
export const redo = <T>({ past, now, future }: Past<T>): Past<T> => {
  const [next, ...rest] = future;
  return next === undefined
    ? { past, now, future, tag: null }
    : { past: [...past, now], now: next, future: rest, tag: null };
};
