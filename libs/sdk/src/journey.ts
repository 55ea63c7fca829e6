/**
 * Journeys, written as code. What comes out is the document that the API takes and the canvas draws.
 *
 * ```ts
 * const cart = journey('abandoned-cart')
 *   .on(event('cart.updated').with(property('total').above(0)))
 *   .exitWhen('ordered', event('order.placed'))
 *   .wait('1h')
 *   .send({ channels: ['push', 'email'], template: 'cart-reminder', class: 'marketing' })
 *   .listen('1d', { on: message('clicked'), then: (j) => j.end('came-back') })
 *   .send({ channels: ['email'], template: 'cart-discount', class: 'marketing' });
 * await carillon.journeys.save(cart);
 * ```
 *
 * Steps follow each other as they are written. A branch is written as a function of the journey so far; where it does not
 * end, it comes back to what is written behind. Steps get names (`send-1`) unless you give one.
 */
import type {
  Channel,
  ContentByChannel,
  JourneyClause,
  JourneyDefinitionInput,
  MessageClass,
  Path,
  Test,
} from '@carillon/contracts';
import { Comparisons, type ClauseLike, type EventRule, type MessageRule } from './audience.js';
import type { AnyEvents, AnyTemplates, Json } from './templates.js';

type Steps = JourneyDefinitionInput['steps'];
type Step = Steps[string];
type Of<K extends Step['kind']> = Extract<Step, { kind: K }>;
type Trigger = Extract<NonNullable<JourneyDefinitionInput['exits']>[number], { on: unknown }>['on'];
type Outcome = Extract<Trigger, { message: unknown }>['message'];
type Settings = Omit<JourneyDefinitionInput, 'start' | 'steps'>;

/** Each of the events, asked about properties that it has. */
type Known<E> = {
  [Name in keyof E & string]: EventRule<Name, (keyof E[Name] & string) | string[]>;
}[keyof E & string];
type OfEvent = Extract<Trigger, { event: unknown }>;
/**
 * What a journey waits for: `event('order.placed')`, `enters('vip')`, `outcome('clicked', 'remind')`. With the interface of
 * events that `carillon types` writes, an event or a property that is not there does not compile.
 */
export type Happening<E = AnyEvents> =
  Exclude<Trigger, OfEvent> | (OfEvent & { event: keyof E & string }) | Known<E> | MessageRule;
/** Properties of the event that lets people in. */
type Properties<W, E> =
  W extends EventRule<infer Name, infer _>
    ? Name extends keyof E
      ? E[Name]
      : AnyProperties
    : W extends { event: infer Name }
      ? Name extends keyof E
        ? E[Name]
        : AnyProperties
      : AnyProperties;
type AnyProperties = Record<string, Json>;
/** A condition: a clause of an audience, or about the journey: `data('event', 'total').above(50)`. */
export type Condition = ClauseLike | JourneyClause;

/** The person enters an audience. */
export const enters = (audience: string): Trigger => ({ audience, change: 'enter' });
/** The person leaves an audience. */
export const leaves = (audience: string): Trigger => ({ audience, change: 'leave' });
/** What becomes of a message of this journey: of the named step, or of any earlier one; by one channel, where that is said. */
export const outcome = (
  what: Outcome,
  step?: string,
  channel?: Channel,
): Extract<Trigger, { message: unknown }> => ({
  message: what,
  ...(step !== undefined && { step }),
  ...(channel && { channel }),
});
/** A value of the journey's data: `data('event', 'total').above(50)`, `data('vars', 'offer', 'code').exists()`. */
export const data = (...path: [string, ...string[]]): Comparisons<JourneyClause> =>
  new Comparisons<JourneyClause>((test: Test) => ({ data: path, ...test }) as JourneyClause);
/** What has become of what a step sent; by one channel, where that is said. */
export const sent = (step: string, what: Outcome, channel?: Channel): JourneyClause => ({
  step,
  message: what,
  ...(channel && { channel }),
});
/** What the clock shows where the person is. */
export const clock = (shows: {
  days?: ('mon' | 'tue' | 'wed' | 'thu' | 'fri' | 'sat' | 'sun')[];
  from?: string;
  until?: string;
}): JourneyClause => ({ clock: shows });
/** A value taken from the journey's data, where one may be written. */
export const from = (...path: [string, ...string[]]): { from: string[] } => ({ from: path });

/** What an SDK call takes: the document under its key. */
export interface BuiltJourney {
  readonly key: string;
  readonly name: string;
  readonly definition: JourneyDefinitionInput;
}

interface Named {
  /** Its key in the document; `send-1` unless said. */
  as?: string;
  /** What stands on it when it is drawn; its key unless said. */
  name?: string;
  note?: string;
}
/** Of what is written about a step, what stands in its document as it is. */
const told = ({ name, note }: Named) => ({ ...(name && { name }), ...(note && { note }) });
/** Variables that a journey gives to each of its templates by itself. */
type Given = 'event' | 'vars' | 'digest' | 'journey';
/** What a template asks for beside them. */
type Needed<D> = { [K in keyof D as K extends Given ? never : K]: D[K] };
/** Its key, where the event that lets people in has what the template asks of `event`. */
type Fits<T, Key extends keyof T, In> = string extends keyof In
  ? Key
  : T[Key] extends { event: infer Asked }
    ? In extends Asked
      ? Key
      : never
    : Key;
type What<T, In> =
  | {
      content: ContentByChannel;
      template?: undefined;
      /** Beside `event`, `vars` and `journey`. */
      data?: Record<string, Json>;
    }
  | {
      [Key in keyof T & string]: {
        template: Fits<T, Key, In> | { key: Fits<T, Key, In>; version?: number };
        content?: undefined;
      } & (Record<never, never> extends Needed<T[Key]>
        ? { data?: Needed<T[Key]> }
        : { data: Needed<T[Key]> });
    }[keyof T & string];
/** One channel; or several in order, each tried when the one before did not get as far as `until` in time. */
export type SendIn<T, E = AnyEvents, In = AnyProperties> = Named &
  What<T, In> & {
    channels: Channel[];
    until?: 'sent' | 'delivered' | 'read';
    patience?: string;
    class?: MessageClass;
    topic?: string;
    replyTo?: string;
    /** When it could not be accepted. */
    onError?: Branch<T, E, In>;
  };
/** A branch: what is written on the journey it is given. */
export type Branch<T, E = AnyEvents, In = AnyProperties> = (so: JourneyBuilder<T, E, In>) => unknown;
/** What an emitted event carries: values, or `from('event', 'plan')`. */
type Emitted<P> = { [K in keyof P]?: P[K] | { from: Path } };

type Edge = (to: string) => void;
interface Draft {
  key: string;
  name: string;
  settings: Partial<Settings>;
  steps: Steps;
  counts: Map<string, number>;
  start: string | undefined;
}

/** @typeParam T templates, @typeParam E events, @typeParam In properties of the event that lets people in */
export class JourneyBuilder<T = AnyTemplates, E = AnyEvents, In = AnyProperties> implements BuiltJourney {
  readonly #draft: Draft;
  /** Where the next step is tied to. */
  #ends: Edge[];
  /** @internal */
  constructor(draft: Draft, ends: Edge[]) {
    this.#draft = draft;
    this.#ends = ends;
  }

  get key(): string {
    return this.#draft.key;
  }
  get name(): string {
    return this.#draft.name;
  }
  /** The document. @throws Error when it has no entry or no step */
  get definition(): JourneyDefinitionInput {
    const { settings, steps, start, key } = this.#draft;
    if (!settings.entry)
      throw new Error(`Journey ${key}: say what lets people in, with .on(…), .every(…) or .byApi().`);
    if (start === undefined) throw new Error(`Journey ${key} has no step.`);
    // A copy, so that what is saved is what was there.
    return structuredClone({ ...settings, entry: settings.entry, start, steps });
  }
  toJSON(): JourneyDefinitionInput {
    return this.definition;
  }

  // ── what lets people in ──

  /** An event of the person, or entering or leaving an audience. */
  on<W extends Happening<E>>(what: W): JourneyBuilder<T, E, Properties<W, E>> {
    const on = trigger(what);
    if ('message' in on) throw new Error('A message of the journey cannot let people into it.');
    return this.#set({
      entry: 'event' in on ? { kind: 'event', ...on } : { kind: 'audience', ...on },
    }) as unknown as JourneyBuilder<T, E, Properties<W, E>>;
  }
  /**
   * Something that happens to nobody and concerns everybody in an audience: `onBusiness(event('price.dropped'), 'watchers')`,
   * told by `carillon.journeys.happened('price.dropped', …)`.
   */
  onBusiness<W extends Known<E>>(what: W, audience: string): JourneyBuilder<T, E, Properties<W, E>> {
    const on = trigger(what) as OfEvent;
    return this.#set({ entry: { kind: 'business', ...on, audience } }) as unknown as JourneyBuilder<
      T,
      E,
      Properties<W, E>
    >;
  }
  /** A schedule over an audience: `{ at }` once, or `{ rule, from, zone }`. `who: 'new'`: only who never entered. */
  every(
    at: Extract<Settings['entry'], { kind: 'schedule' }>['at'],
    audience: string,
    who: 'all' | 'new' = 'all',
  ): this {
    return this.#set({ entry: { kind: 'schedule', audience, who, at } });
  }
  /** Only `carillon.journeys.enter(…)` lets people in. */
  byApi(): this {
    return this.#set({ entry: { kind: 'api' } });
  }
  /** A property of the entry event: a person may be inside once for each of its values. */
  perKey(...path: [keyof In & string, ...string[]]): this {
    return this.#set({ perKey: path });
  }
  /** `never` again, `after` leaving (and so long after), or `always`. After leaving, unless said. */
  reentry(when: 'never' | 'after' | 'always', wait?: string): this {
    return this.#set({
      reentry: when === 'after' ? { kind: 'after', ...(wait && { wait }) } : { kind: when },
    });
  }
  /** Nobody enters outside of it. */
  window(from: string | undefined, until?: string): this {
    return this.#set({ window: { ...(from && { from }), ...(until && { until }) } });
  }
  /** At most so many enter, in all or within a time. */
  cap(most: number, per?: string): this {
    return this.#set({ cap: { most, ...(per && { per }) } });
  }
  /** Entry events so soon after the last are ignored. */
  guard(within: string): this {
    return this.#set({ guard: within });
  }
  /** Whose clock waits and conditions read: `person`, or a zone. */
  zone(zone: string): this {
    return this.#set({ zone });
  }
  /** Against other journeys, wherever the gate decides between their messages: 0 to 100, 50 unless said. */
  priority(priority: number): this {
    return this.#set({ priority });
  }
  /** Who is inside for longer leaves, as `timed_out`. */
  mostStay(span: string): this {
    return this.#set({ mostStay: span });
  }
  /** Reaching it ends the journey as `goal`, unless `ends` is false. */
  goal(name: string, on: Happening<E>, ends = true): this {
    return this.#set({ goal: { name, on: trigger(on), ends } });
  }
  /** It happens: the person leaves, wherever they are. */
  exitWhen(name: string, on: Happening<E>): this {
    return this.#set({ exits: [...(this.#draft.settings.exits ?? []), { name, on: trigger(on) }] });
  }
  /** It holds before a step: the person leaves. */
  exitIf(name: string, condition: Condition): this {
    return this.#set({ exits: [...(this.#draft.settings.exits ?? []), { name, if: plain(condition) }] });
  }

  // ── steps ──

  /** Sends a message. */
  send({ as, name, note, onError, ...what }: SendIn<T, E, In>): this {
    const step = { kind: 'send', ...told({ name, note }), ...what } as Of<'send'>;
    return this.#add(as, step, () => [
      this.#edge(step),
      ...(onError ? this.#branch(onError, (to) => (step.onError = to)) : []),
    ]);
  }
  /** Waits for so long (`1h`), or until a date of the person or of the journey's data, or until a time of the day. */
  wait(
    how: string | NonNullable<Of<'wait'>['until']>,
    { as, otherwise, ...named }: Named & { otherwise?: Branch<T, E, In> } = {},
  ): this {
    const step: Of<'wait'> = {
      kind: 'wait',
      ...(typeof how === 'string' ? { for: how } : { until: how }),
      ...told(named),
    };
    return this.#add(as, step, () => [
      this.#edge(step),
      ...(otherwise ? this.#branch(otherwise, (to) => (step.otherwise = to)) : []),
    ]);
  }
  /** If it holds, one branch; else the other, or straight on. */
  when(condition: Condition, then: Branch<T, E, In>, otherwise?: Branch<T, E, In>, named: Named = {}): this {
    return this.choose([{ if: condition, then }], otherwise, named);
  }
  /** The first branch that holds; else `otherwise`, or straight on. */
  choose(
    branches: { name?: string; if: Condition; then: Branch<T, E, In> }[],
    otherwise?: Branch<T, E, In>,
    { as, ...named }: Named = {},
  ): this {
    const step: Of<'condition'> = {
      kind: 'condition',
      branches: branches.map((b) => ({ ...(b.name && { name: b.name }), if: plain(b.if) })),
      ...told(named),
    };
    const ends = () => [
      ...branches.flatMap((b, n) => this.#branch(b.then, (to) => (step.branches[n]!.next = to))),
      ...this.#branch(otherwise ?? (() => undefined), (to) => (step.otherwise = to)),
    ];
    return this.#add(as, step, ends);
  }
  /** Shares of people in per cent, always the same for each person. */
  split(
    shares: Record<string, [percent: number, then: Branch<T, E, In>]>,
    { as, ...named }: Named = {},
  ): this {
    const all = Object.entries(shares);
    const step: Of<'split'> = {
      kind: 'split',
      shares: all.map(([name, [percent]]) => ({ name, percent })),
      ...told(named),
    };
    const ends = () =>
      all.flatMap(([, [, then]], n) => this.#branch(then, (to) => (step.shares[n]!.next = to)));
    return this.#add(as, step, ends);
  }
  /** Listens for so long; the first thing that happens is taken. When nothing has: `otherwise`, or straight on. */
  listen(
    within: string,
    what: { on: Happening<E>; then?: Branch<T, E, In> } | { on: Happening<E>; then?: Branch<T, E, In> }[],
    otherwise?: Branch<T, E, In>,
    { as, ...named }: Named = {},
  ): this {
    const heard = Array.isArray(what) ? what : [what];
    const step: Of<'listen'> = {
      kind: 'listen',
      within,
      for: heard.map(({ on }) => ({ on: trigger(on) })),
      ...told(named),
    };
    const straightOn: Branch<T, E, In> = () => undefined;
    const ends = () => [
      ...heard.flatMap(({ then }, n) => this.#branch(then ?? straightOn, (to) => (step.for[n]!.next = to))),
      ...this.#branch(otherwise ?? straightOn, (to) => (step.otherwise = to)),
    ];
    return this.#add(as, step, ends);
  }
  /** Writes attributes of the person: values, or `from('event', 'plan')`. */
  update(attributes: Of<'update'>['attributes'], how: Named & { onError?: Branch<T, E, In> } = {}): this {
    return this.#do({ kind: 'update', attributes }, how);
  }
  /** Records an event of the person. */
  emit<Name extends keyof E & string>(
    event: Name,
    properties: Emitted<E[Name]> = {},
    how: Named & { onError?: Branch<T, E, In> } = {},
  ): this {
    return this.#do({ kind: 'emit', event, properties: properties as Of<'emit'>['properties'] }, how);
  }
  /** Calls a server of yours. With `saveAs`, what it answers is kept as `vars`. */
  call(
    url: string,
    {
      as,
      name,
      note,
      onError,
      onTimeout,
      ...how
    }: Named &
      Partial<Omit<Of<'call'>, 'kind' | 'url' | 'next' | 'onError' | 'onTimeout' | 'name' | 'note'>> & {
        /** When it did not answer with 2xx, after all tries. */
        onError?: Branch<T, E, In>;
        /** When no answer came in time, after all tries; `onError` unless said. */
        onTimeout?: Branch<T, E, In>;
      } = {},
  ): this {
    const step = { kind: 'call', url, ...how, ...told({ name, note }) } as Of<'call'>;
    return this.#add(as, step, () => [
      this.#edge(step),
      ...(onError ? this.#branch(onError, (to) => (step.onError = to)) : []),
      ...(onTimeout ? this.#branch(onTimeout, (to) => (step.onTimeout = to)) : []),
    ]);
  }
  /** Puts the person into a list. */
  join(audience: string, how: Named & { onError?: Branch<T, E, In> } = {}): this {
    return this.#do({ kind: 'list', audience, change: 'join' }, how);
  }
  /** Takes the person out of a list. */
  leave(audience: string, how: Named & { onError?: Branch<T, E, In> } = {}): this {
    return this.#do({ kind: 'list', audience, change: 'leave' }, how);
  }
  /** Lets the person into another journey too. */
  start(
    journey: string,
    given: Of<'start'>['data'] = {},
    how: Named & { onError?: Branch<T, E, In> } = {},
  ): this {
    return this.#do({ kind: 'start', journey, data: given }, how);
  }
  /** So many may pass within a time; who is too many takes `otherwise`, or leaves. */
  throttle(
    most: number,
    per: string,
    { as, key, otherwise, ...named }: Named & { key?: Path; otherwise?: Branch<T, E, In> } = {},
  ): this {
    const step: Of<'throttle'> = { kind: 'throttle', most, per, ...(key && { key }), ...told(named) };
    return this.#add(as, step, () => [
      this.#edge(step),
      ...(otherwise ? this.#branch(otherwise, (to) => (step.otherwise = to)) : []),
    ]);
  }
  /** Gathers further entry events of the person for so long; templates get them as `digest`. */
  digest(within: string, { as, most, ...named }: Named & { most?: number } = {}): this {
    const step: Of<'digest'> = { kind: 'digest', within, ...(most && { most }), ...told(named) };
    return this.#add(as, step, [this.#edge(step)]);
  }
  /** Ends here. */
  end(outcome = 'done', { as, ...named }: Named = {}): this {
    return this.#add(as, { kind: 'end', outcome, ...told(named) }, []);
  }
  /** Goes on at a step that is there already. */
  goTo(step: string): this {
    this.#tie(step);
    this.#ends = [];
    return this;
  }

  /** A step that goes on, and may have a way for errors. */
  #do(
    what: Of<'update'> | Of<'emit'> | Of<'list'> | Of<'start'>,
    { as, onError, ...named }: Named & { onError?: Branch<T, E, In> },
  ): this {
    const step = { ...what, ...told(named) };
    return this.#add(as, step, () => [
      this.#edge(step),
      ...(onError ? this.#branch(onError, (to) => (step.onError = to)) : []),
    ]);
  }
  #set(more: Partial<Settings>): this {
    Object.assign(this.#draft.settings, more);
    return this;
  }
  #edge(step: { next?: string | null | undefined }): Edge {
    return (to) => (step.next = to);
  }
  /** @param ends in a function where they are branches, which come behind this step in the document */
  #add(as: string | undefined, step: Step, ends: Edge[] | (() => Edge[])): this {
    const { steps, counts } = this.#draft;
    const no = (counts.get(step.kind) ?? 0) + 1;
    counts.set(step.kind, no);
    const key = as ?? `${step.kind}-${no}`;
    if (steps[key]) throw new Error(`There are two steps called ${key}.`);
    if (this.#ends.length === 0)
      throw new Error(`Nothing leads to step ${key}: what is written before it ends.`);
    this.#tie(key);
    steps[key] = step;
    this.#ends = typeof ends === 'function' ? ends() : ends;
    return this;
  }
  #tie(key: string): void {
    for (const end of this.#ends) end(key);
  }
  /** @returns where the branch is still open */
  #branch(write: Branch<T, E, In>, edge: Edge): Edge[] {
    const branch = new JourneyBuilder<T, E, In>(this.#draft, [edge]);
    write(branch);
    return branch.#ends;
  }
}

/**
 * Begins a journey. `journey<Templates, Events>(…)` with the interfaces that `carillon types` writes has the compiler look at
 * templates, what they ask for, events and their properties.
 * @param key its name in the API: small letters, digits, dots, dashes and underscores
 * @param name what people read; the key unless given
 */
export function journey<T = AnyTemplates, E = AnyEvents>(key: string, name = key): JourneyBuilder<T, E> {
  const draft: Draft = { key, name, settings: {}, steps: {}, counts: new Map(), start: undefined };
  return new JourneyBuilder<T, E>(draft, [(to) => (draft.start = to)]);
}

const plain = (condition: Condition): JourneyClause =>
  'toClause' in condition ? condition.toClause() : condition;

/** Of a clause about events only its name and what must hold for the one event are meant here. */
function trigger(what: Trigger | { toClause(): unknown }): Trigger {
  if (!('toClause' in what)) return what;
  const clause = what.toClause() as { event?: string; where?: unknown; message?: Outcome };
  if (clause.message !== undefined) return { message: clause.message };
  if (clause.event === undefined)
    throw new Error('A journey can wait for an event, an audience or a message.');
  const others = Object.keys(clause).filter((key) => key !== 'event' && key !== 'where');
  if (others.length > 0)
    throw new Error(
      `A journey waits for one event: leave out ${others.join(', ')}, or ask for it in a condition.`,
    );
  return { event: clause.event, ...(clause.where ? { where: clause.where } : {}) } as Trigger;
}
