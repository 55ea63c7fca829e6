/**
 * Journeys in memory, on a clock of their own: what the simulator and `@carillon/sdk/testing` run. It keeps places, people and
 * messages and does what steps ask for; what happens next is decided by the functions of the engine (`journeyStep`,
 * `journeySignal`, `mayEnter` …), and whether a message may leave by the gate of every delivery. What would leave the house
 * (providers, servers that are called) is played by `Means`. Nothing is sent, nothing is written. Pure: the same world and
 * seed give the same days.
 */
import { clauseHolds, hash32, zoneOf, type Person, type World as Rules } from '@carillon/audience-rules';
import type {
  Channel,
  JourneyDefinition,
  Leaf,
  MessageClass,
  ReasonName,
  Status,
  StepOf,
  TopicFacts,
} from '@carillon/contracts';
import {
  gate,
  ownFactsFor,
  ownRules,
  quietEnds,
  whereIs,
  type Counted,
  type GateSettings,
  type Recipient,
  type Verdict,
} from '@carillon/delivery-rules';
import { durationMs } from './duration.js';
import { follow, journeyMessage, newVisit, type JourneyMessage, type Visit } from './journey-place.js';
import {
  afterEffect,
  businessEntry,
  entryOf,
  journeySignal,
  journeyStep,
  mayEnter,
  type Done,
  type Effect,
  type EntryRefusal,
  type Facts,
  type Move,
  type Signal,
} from './journey-step.js';
import { TimedTasks } from './timed-tasks.js';

/** Somebody in the world. What happens there changes them. */
export interface Somebody extends Omit<
  Person,
  'attributes' | 'activity' | 'events' | 'messages' | 'consents' | 'suppressions' | 'devices' | 'memberOf'
> {
  attributes: Record<string, unknown>;
  activity: Record<string, number | Date | null>;
  events: Person['events'][number][];
  messages: (Omit<Person['messages'][number], 'told' | 'status' | 'reason' | 'sentAt' | 'deliveredAt'> & {
    status: string;
    reason: string | null;
    sentAt: Date | null;
    deliveredAt: Date | null;
    told: { type: string; at: Date }[];
  })[];
  consents: Person['consents'][number][];
  suppressions: Person['suppressions'][number][];
  devices: (Person['devices'][number] & Recipient['devices'][number])[];
  memberOf: Set<string>;
  /** What they were sent lately, for frequency caps. */
  counted: Counted[];
}

export interface WorldSettings extends GateSettings {
  allowList?: readonly string[] | null;
  noConsentMeans?: 'in' | 'out';
  transactionalIgnoresComplaints?: boolean;
}
export interface Played {
  id: string;
  key: string;
  definition: JourneyDefinition;
}

/** What becomes of a message that leaves: how long after, in milliseconds; left out or null: it does not happen. */
export interface Behaviour {
  /** The provider refuses it. */
  refused?: ReasonName | null;
  /** It comes back after it was taken. */
  bounced?: number | null;
  delivered?: number | null;
  opened?: number | null;
  clicked?: number | null;
  read?: number | null;
  replied?: number | null;
  complained?: number | null;
  unsubscribed?: number | null;
}
/** What a server that is called answers. */
export type Answer = { status: number; body?: unknown } | { failed: string };

/** Everything outside of the rules. */
export interface Means {
  seed: string;
  journeys: readonly Played[];
  settings: WorldSettings;
  topics: ReadonlyMap<string, TopicFacts>;
  /** By key; one with a definition is asked about each person, one without is a list. */
  audiences: Rules['audiences'];
  /** Names that are zones. */
  zones: ReadonlySet<string>;
  /** Journeys beside those that are played, which can be started: that is noted. */
  others?: ReadonlySet<string>;
  /** Why a message cannot be accepted; null when it can. */
  refuses(message: WorldMessage): string | null;
  /** What it says when it leaves; or why that cannot be made. */
  says(
    delivery: WorldDelivery,
    recipient: Recipient,
  ): { ok: true; content: unknown } | { ok: false; reason: ReasonName; detail: string };
  behaves(delivery: WorldDelivery): Behaviour;
  answers(call: StepOf<'call'>, body: Record<string, unknown>, walker: Walker): Answer;
}

/** Somebody's way through a journey. */
export interface Walker extends Visit {
  id: string;
  journey: Played;
  somebody: Somebody;
  enteredAt: Date;
  endedAt: Date | null;
  lines: WayLine[];
}
export interface WayLine {
  step: string;
  kind: string;
  way: string;
  next: string | null;
  detail: Record<string, unknown>;
  at: Date;
}
export interface WorldMessage {
  id: string;
  walker: Walker;
  step: string;
  ask: JourneyMessage;
  at: Date;
  deliveries: WorldDelivery[];
}
export interface WorldDelivery {
  id: string;
  message: WorldMessage;
  channel: Channel;
  /** Its place in the route. */
  place: number;
  unless: 'sent' | 'delivered' | 'read' | null;
  status: Status;
  reason: ReasonName | null;
  /** The facts that decided, where the reason alone does not tell. */
  said: string | null;
  address: string | null;
  dueAt: Date;
  sentAt: Date | null;
  content: unknown;
  timeline: { type: string; at: Date; reason?: string }[];
}
export interface Refused {
  journey: Played;
  somebody: Somebody;
  reason: EntryRefusal;
  at: Date;
}

/** Of one person in one go, as in the engine. */
const MOST_ROUNDS = 60;
/** What happens in one instant, before the world is taken for one that goes round for ever. */
const MOST_AT_ONCE = 1_000_000;

export class JourneyWorld {
  now: Date;
  readonly people = new Map<string, Somebody>();
  readonly walkers: Walker[] = [];
  readonly messages: WorldMessage[] = [];
  readonly refused: Refused[] = [];
  private readonly tasks = new TimedTasks();
  private readonly walking = new Map<string, Walker[]>();
  private readonly passes = new Map<string, number[]>();
  private readonly entries = new Map<string, number[]>();
  private ownFacts: { at: Date; of: ReturnType<typeof ownFactsFor> } | undefined;
  private readonly topicPaths: NonNullable<Rules['topics']>;
  private readonly rules: Rules;
  private readonly sentBy = new Map<string, WorldMessage[]>();
  private readonly refusals = new Map<string, Refused[]>();
  private made = 0;
  private atOnce = 0;

  constructor(
    private readonly means: Means,
    begins: Date,
  ) {
    this.now = begins;
    this.topicPaths = new Map(
      [...means.topics].map(([key, { path, class: c }]) => [
        key,
        { path, transactional: c === 'transactional' },
      ]),
    );
    this.rules = {
      now: begins,
      zone: this.workspaceZone,
      zones: means.zones,
      topics: this.topicPaths,
      audiences: means.audiences,
    };
  }

  add(somebody: Somebody): void {
    this.people.set(somebody.id, somebody);
  }

  // ── what happens ──

  /** Records an event of somebody, now or later. */
  event(id: string, name: string, properties: Record<string, unknown>, at = this.now): void {
    this.at(at, () => {
      const somebody = this.people.get(id);
      if (!somebody) return;
      const ref = this.name('event');
      somebody.events.push({ id: ref, name, at: this.now, properties });
      somebody.activity['events'] = Number(somebody.activity['events'] ?? 0) + 1;
      somebody.activity['firstSeenAt'] ??= this.now;
      somebody.activity['lastSeenAt'] = this.now;
      this.signal(somebody, { kind: 'event', at: this.now, ref, name, properties });
    });
  }

  /** Lets somebody into a journey, by its own rules of entry. */
  enter(id: string, journey: string, data: Record<string, unknown>, at = this.now): void {
    this.at(at, () => {
      const somebody = this.people.get(id);
      if (somebody)
        this.signal(somebody, { kind: 'enter', at: this.now, ref: this.name('enter'), data }, journey);
    });
  }

  /** Something happens to nobody: everybody in the audience of a journey that is entered by it comes in. */
  happened(name: string, properties: Record<string, unknown>): void {
    for (const { key, definition } of this.means.journeys) {
      const zone = definition.zone === 'person' ? this.workspaceZone : definition.zone;
      const audience = businessEntry(definition, { name, properties }, zone, this.now);
      if (audience === null) continue;
      const leaf = { audience };
      for (const [id, somebody] of this.people)
        if (this.holds(leaf, somebody)) this.enter(id, key, properties);
    }
  }

  /** Somebody enters or leaves an audience; with `again` also who has done so already. */
  change(id: string, audience: string, change: 'enter' | 'leave', at = this.now, again = false): void {
    this.at(at, () => {
      const somebody = this.people.get(id);
      if (somebody) this.changed(somebody, audience, change, again);
    });
  }

  /**
   * Lets time pass, and everything happen that is due meanwhile, in its order.
   * @param most so many things at a time
   * @returns whether all of it has happened
   */
  advance(until: Date, most = Infinity): boolean {
    for (let n = 0; n < most; n++) {
      const next = this.tasks.next(until.getTime());
      if (!next) {
        if (until > this.now) this.now = until;
        return true;
      }
      if (next.at > this.now.getTime()) {
        this.now = new Date(next.at);
        this.atOnce = 0;
      } else if (++this.atOnce > MOST_AT_ONCE)
        throw new Error(`At ${this.now.toISOString()} one thing leads to the next without end.`);
      next.run();
    }
    return false;
  }

  /** Somebody's ways, in the order in which they came in. */
  visitsOf(id: string): readonly Walker[] {
    return this.walking.get(id) ?? [];
  }
  messagesOf({ id }: Walker): readonly WorldMessage[] {
    return this.sentBy.get(id) ?? [];
  }
  refusalsOf(id: string): readonly Refused[] {
    return this.refusals.get(id) ?? [];
  }

  /** When something happens next; null when nothing is left. */
  get nextAt(): Date | null {
    const at = this.tasks.nextAt;
    return at === null ? null : new Date(at);
  }

  /** Something becomes of a message beside what was expected of it. */
  tell(delivery: WorldDelivery, type: Exclude<keyof Behaviour, 'refused'>, at = this.now): void {
    this.at(at, () => this.told(delivery, type));
  }

  /** In [0, 1), always the same for the same words. */
  draw(...words: readonly (string | number)[]): number {
    return hash32(`${this.means.seed}\n${words.join('\n')}`) / 2 ** 32;
  }

  // ── people in journeys: as take-signals.ts and advance-journey.ts do it with rows ──

  private signal(somebody: Somebody, signal: Signal, only?: string, of?: Walker): void {
    for (const walker of this.walking.get(somebody.id) ?? []) {
      if (walker.state !== 'inside' || signal.kind === 'enter') continue;
      // What became of a message is its own enrollment's affair.
      if (signal.kind === 'message' && walker !== of) continue;
      const zone = this.zoneIn(walker.journey, somebody);
      const move = journeySignal(walker.journey.definition, walker, signal, zone, this.now);
      if (!move) continue;
      if (move.kind === 'note') walker.data = move.data;
      else if (move.kind !== 'do') this.move(walker, move);
      this.goOn(walker);
    }
    if (signal.kind === 'message') return;
    for (const journey of this.means.journeys)
      if (only === undefined || journey.key === only) this.letIn(somebody, journey, signal);
  }

  private letIn(somebody: Somebody, journey: Played, signal: Signal): void {
    const { definition } = journey;
    const entry = entryOf(definition, signal, this.zoneIn(journey, somebody), this.now);
    if (!entry) return;
    const mine = (this.walking.get(somebody.id) ?? []).filter(
      (walker) => walker.journey === journey && walker.key === entry.key,
    );
    // A digest that is gathering has taken it already: it stays one visit.
    if (mine.some((w) => w.state === 'inside' && definition.steps[w.step]?.kind === 'digest')) return;
    const before = mine.length > 0 && {
      enteredAt: mine.at(-1)!.enteredAt,
      endedAt: mine.some((w) => w.state === 'inside')
        ? null
        : new Date(Math.max(...mine.map((w) => Number(w.endedAt)))),
    };
    const why = mayEnter(definition, before || null, this.enteredLately(journey), this.now);
    if (why) {
      const refusal = { journey, somebody, reason: why, at: this.now };
      this.refused.push(refusal);
      listOf(this.refusals, somebody.id).push(refusal);
      return;
    }
    const event = signal.kind === 'event' ? signal.properties : signal.kind === 'enter' ? signal.data : {};
    const who = { journeyId: journey.id, profileId: somebody.id, key: entry.key };
    const walker: Walker = {
      ...newVisit(definition, { ...who, data: { event, vars: {} } }, this.now),
      id: this.name('enrollment'),
      journey,
      somebody,
      enteredAt: this.now,
      endedAt: null,
      lines: [],
    };
    this.walkers.push(walker);
    listOf(this.walking, somebody.id).push(walker);
    listOf(this.entries, journey.id).push(this.now.getTime());
    this.goOn(walker);
  }

  private enteredLately({ id, definition: { cap } }: Played): number {
    if (!cap) return 0;
    const all = this.entries.get(id) ?? [];
    if (cap.per === undefined) return all.length;
    const since = this.now.getTime() - durationMs(cap.per);
    return all.filter((at) => at > since).length;
  }

  /** As far as it goes now. */
  private goOn(walker: Walker): void {
    for (let round = 0; round < MOST_ROUNDS; round++) {
      if (walker.state !== 'inside' || walker.dueAt === null) return;
      if (walker.dueAt > this.now) break;
      const { definition } = walker.journey;
      const move = journeyStep(definition, walker, this.factsOf(walker), this.now);
      if (move.kind !== 'do') this.move(walker, move);
      else {
        const next = afterEffect(definition, walker, this.done(walker, move.effect));
        if (next.kind !== 'do') this.move(walker, next);
      }
    }
    if (walker.state !== 'inside' || walker.dueAt === null) return;
    const { no } = walker;
    const due = walker.dueAt;
    this.at(due, () => {
      if (walker.no === no && walker.dueAt === due) this.goOn(walker);
    });
  }

  private move(walker: Walker, move: Exclude<Move, { kind: 'do' }>): void {
    const { step } = walker;
    follow(walker, move, this.now);
    if (move.kind === 'stay') return;
    walker.lines.push({
      step,
      kind: walker.journey.definition.steps[step]?.kind ?? 'gone',
      way: move.way,
      next: move.kind === 'go' ? move.next : null,
      detail: move.detail ?? {},
      at: this.now,
    });
    if (walker.state === 'ended') walker.endedAt = this.now;
  }

  private factsOf({ somebody, journey }: Walker): Facts {
    return {
      zone: this.zoneIn(journey, somebody),
      attributes: somebody.attributes,
      holds: (leaf) => this.holds(leaf, somebody),
      quietEnds: (channel, at) => {
        const { candidates } = whereIs(recipientOf(somebody), this.means.settings.timezone);
        const quiet = ownRules(this.means.settings)?.rules.quietHours ?? [];
        const ends = quietEnds(quiet, channel, candidates, at.getTime());
        return ends === null ? null : new Date(ends);
      },
    };
  }
  private holds(leaf: Leaf, somebody: Somebody): boolean {
    this.rules.now = this.now;
    return clauseHolds(leaf, somebody, this.rules);
  }

  /** Does what a step asks for. */
  private done(walker: Walker, effect: Effect): Done {
    const { somebody } = walker;
    switch (effect.kind) {
      case 'send':
        return this.send(walker, effect.step);
      case 'update':
        // As with profiles: null takes an attribute out.
        for (const [name, value] of Object.entries(effect.attributes))
          if (value === null) delete somebody.attributes[name];
          else somebody.attributes[name] = value;
        somebody.updatedAt = this.now;
        return { ok: true };
      case 'emit':
        this.event(somebody.id, effect.event, effect.properties);
        return { ok: true };
      case 'list': {
        const audience = this.means.audiences.get(effect.audience);
        if (!audience || audience.definition)
          return { ok: false, reason: `There is no list “${effect.audience}”.` };
        this.change(somebody.id, effect.audience, effect.change === 'join' ? 'enter' : 'leave');
        return { ok: true };
      }
      case 'start': {
        const played = this.means.journeys.some(({ key }) => key === effect.journey);
        if (played) this.enter(somebody.id, effect.journey, effect.data);
        return played || this.means.others?.has(effect.journey)
          ? { ok: true }
          : { ok: false, reason: `Journey “${effect.journey}” is not there, or nobody can enter it.` };
      }
      case 'throttle': {
        const key = `${walker.journeyId}\n${walker.step}\n${effect.key}`;
        const since = this.now.getTime() - effect.perMs;
        const passed = (this.passes.get(key) ?? []).filter((at) => at > since);
        const room = passed.length < effect.most;
        this.passes.set(key, room ? [...passed, this.now.getTime()] : passed);
        return { ok: true, passed: room };
      }
      case 'call': {
        const { email, phone, externalId, attributes } = somebody;
        const body = effect.body ?? {
          journey: walker.journey.key,
          step: walker.step,
          enrollment: walker.id,
          profile: { externalId, email, phone, attributes },
          event: walker.data.event,
          vars: walker.data.vars,
        };
        const answer = this.means.answers(effect.step, body, walker);
        if ('failed' in answer) return { ok: false, reason: answer.failed, detail: { status: null } };
        const { status } = answer;
        return status >= 200 && status < 300
          ? { ok: true, saved: answer.body ?? null, detail: { status } }
          : { ok: false, reason: `It answered ${status}.`, detail: { status } };
      }
    }
  }

  private changed(somebody: Somebody, key: string, change: 'enter' | 'leave', again: boolean): void {
    const audience = this.means.audiences.get(key);
    const id = audience?.id ?? key;
    const was = somebody.memberOf.has(id);
    if (was === (change === 'enter') && !again) return;
    if (change === 'leave') somebody.memberOf.delete(id);
    else somebody.memberOf.add(id);
    this.signal(somebody, { kind: 'audience', at: this.now, ref: this.name('change'), name: key, change });
  }

  // ── messages: as plan-message.ts, claim.ts and record.ts do it ──

  private send(walker: Walker, step: StepOf<'send'>): Done {
    const ask = journeyMessage(walker, step, walker.somebody.externalId, walker.journey.definition.priority, {
      journey: walker.journey.key,
      enrollment: walker.id,
    });
    const id = this.name('message');
    const message: WorldMessage = { id, walker, step: walker.step, ask, at: this.now, deliveries: [] };
    const why = this.means.refuses(message);
    if (why !== null) return { ok: false, reason: why };
    let waitMs = 0;
    const steps: NonNullable<JourneyMessage['route']> =
      ask.route ?? (ask.channels ?? []).map((channel) => ({ channel }));
    steps.forEach(({ channel, after, unless }, place) => {
      waitMs += after === undefined ? 0 : durationMs(after);
      const later = place > 0 && ask.route !== undefined;
      const delivery: WorldDelivery = {
        id: `${id}.${place}`,
        message,
        channel,
        place,
        unless: unless ?? null,
        status: later ? 'scheduled' : 'queued',
        reason: later ? 'fallback' : null,
        said: null,
        address: null,
        dueAt: new Date(this.now.getTime() + waitMs),
        sentAt: null,
        content: null,
        timeline: [{ type: 'accepted', at: this.now }],
      };
      message.deliveries.push(delivery);
      this.look(delivery);
    });
    this.messages.push(message);
    listOf(this.sentBy, walker.id).push(message);
    return { ok: true, detail: { messageId: id } };
  }

  /** When its time has come. */
  private look(delivery: WorldDelivery): void {
    const { dueAt } = delivery;
    this.at(dueAt, () => {
      if (delivery.dueAt === dueAt && (delivery.status === 'queued' || delivery.status === 'scheduled'))
        this.deliver(delivery);
    });
  }

  private deliver(delivery: WorldDelivery): void {
    const { walker, ask, deliveries } = delivery.message;
    const { somebody } = walker;
    const { settings, topics } = this.means;
    const { channel } = delivery;
    const topic = ask.topic ?? null;
    const recipient = recipientOf(somebody);
    const address = addressOf(recipient, channel);
    delivery.address = address;
    const about = { id: delivery.id, profileId: somebody.id, source: 'journey' as const, recipient };
    // What is quiet is kept for one time.
    if (this.ownFacts?.at !== this.now) this.ownFacts = { at: this.now, of: ownFactsFor(settings) };
    const own = this.ownFacts.of?.(about, somebody.counted) ?? null;
    const { verdict } = gate({
      now: this.now,
      channel,
      messageClass: ask.class,
      topic,
      expiresAt: null,
      address,
      addressInvalid: false,
      profileGone: false,
      route: ask.route && delivery.place > 0 ? before(deliveries.slice(0, delivery.place), delivery) : null,
      allowList: settings.allowList ?? null,
      suppression: (somebody.suppressions.find((s) => s.channel === channel)?.reason ??
        null) as ReasonName | null,
      consents: somebody.consents.filter((c) => c.channel === channel),
      topicFacts: topic === null ? null : (topics.get(topic) ?? null),
      transactionalIgnoresComplaints: settings.transactionalIgnoresComplaints === true,
      noConsentMeans: settings.noConsentMeans ?? 'in',
      // What stands for the providers takes everything.
      accounts: 'ready',
      own,
    });
    if (verdict.kind !== 'send') return this.stop(delivery, verdict);
    const said = this.means.says(delivery, recipient);
    if (!said.ok) {
      delivery.said = said.detail;
      return this.fail(delivery, said.reason);
    }
    delivery.content = said.content;
    if (own && !own.test && own.rules.caps.length > 0)
      somebody.counted.push({
        id: delivery.id,
        at: this.now.getTime(),
        channel,
        messageClass: ask.class,
        topic,
      });
    const { refused, ...then } = this.means.behaves(delivery);
    if (refused) return this.fail(delivery, refused);
    delivery.sentAt = this.now;
    this.ends(delivery, 'sent', null);
    somebody.activity['sent'] = Number(somebody.activity['sent'] ?? 0) + 1;
    somebody.activity['lastSentAt'] = this.now;
    somebody.messages.push(messageOf(delivery, ask, this.now));
    this.line(delivery, 'sent');
    for (const type of FURTHER) {
      const ms = then[type];
      if (typeof ms === 'number') this.tell(delivery, type, new Date(this.now.getTime() + ms));
    }
  }

  private stop(delivery: WorldDelivery, verdict: Exclude<Verdict, { kind: 'send' }>): void {
    delivery.said = ('said' in verdict && verdict.said) || null;
    if (verdict.kind === 'wait') {
      delivery.status = 'scheduled';
      delivery.reason = verdict.reason;
      delivery.dueAt = new Date(this.now.getTime() + verdict.afterMs);
      delivery.timeline.push({ type: 'deferred', at: this.now, reason: verdict.reason });
      return this.look(delivery);
    }
    if (verdict.kind === 'fail') return this.fail(delivery, verdict.reason);
    const status = verdict.kind === 'expire' ? 'expired' : 'suppressed';
    this.ends(delivery, status, verdict.reason);
    this.line(delivery, status, verdict.reason);
    if (verdict.reason !== 'not_needed') this.bringForward(delivery);
  }

  private fail(delivery: WorldDelivery, reason: ReasonName): void {
    this.ends(delivery, 'failed', reason);
    this.line(delivery, 'failed', reason);
    // A place under a cap is for what went out.
    const { somebody } = delivery.message.walker;
    somebody.counted = somebody.counted.filter(({ id }) => id !== delivery.id);
    if (['recipient_unknown', 'bounced'].includes(reason) && ['email', 'sms'].includes(delivery.channel))
      this.suppress(somebody, delivery.channel, 'hard_bounced');
    this.bringForward(delivery);
  }

  /** The next step of a route need not wait for its time when the one before has failed. */
  private bringForward({ message, place }: WorldDelivery): void {
    const next = message.ask.route && message.deliveries[place + 1];
    if (!next || next.status !== 'scheduled' || next.reason !== 'fallback') return;
    next.dueAt = this.now;
    this.look(next);
  }

  private told(delivery: WorldDelivery, type: Exclude<keyof Behaviour, 'refused'>): void {
    const { walker, ask } = delivery.message;
    const { somebody } = walker;
    if (delivery.status !== 'sent' && delivery.status !== 'delivered') return;
    if (type === 'bounced') return this.fail(delivery, 'bounced');
    if (type === 'delivered') {
      if (delivery.status === 'delivered') return;
      delivery.status = 'delivered';
    }
    if (type === 'unsubscribed') {
      const topic = ask.topic ?? (ask.class === 'marketing' ? 'marketing' : '');
      somebody.consents.push({ about: 'address', channel: delivery.channel, topic, word: 'out' });
    }
    if (type === 'complained') this.suppress(somebody, delivery.channel, 'complained');
    if (type === 'opened' || type === 'clicked') {
      somebody.activity[type] = Number(somebody.activity[type] ?? 0) + 1;
      somebody.activity[type === 'opened' ? 'lastOpenedAt' : 'lastClickedAt'] = this.now;
    }
    this.line(delivery, type);
  }
  private suppress(somebody: Somebody, channel: Channel, reason: ReasonName): void {
    if (!somebody.suppressions.some((s) => s.channel === channel))
      somebody.suppressions.push({ channel, reason });
  }

  private ends(delivery: WorldDelivery, status: Status, reason: ReasonName | null): void {
    delivery.status = status;
    delivery.reason = reason;
  }

  /** Into the timeline, to what rules read of the person, and to the journey that sent it. */
  private line(delivery: WorldDelivery, type: string, reason?: ReasonName): void {
    delivery.timeline.push({ type, at: this.now, ...(reason ? { reason } : {}) });
    const { walker, step, id } = delivery.message;
    const kept = walker.somebody.messages.find((m) => (m as { id?: string }).id === delivery.id);
    if (kept) {
      kept.told.push({ type, at: this.now });
      kept.status = delivery.status;
      kept.reason = delivery.reason;
      if (type === 'delivered') kept.deliveredAt = this.now;
    }
    if (reason === 'not_needed' || walker.state !== 'inside') return;
    const { channel } = delivery;
    const ref = this.name('line');
    this.signal(
      walker.somebody,
      { kind: 'message', at: this.now, ref, outcome: type, step, channel, messageId: id },
      undefined,
      walker,
    );
  }

  // ── parts ──

  private get workspaceZone(): string {
    const { timezone } = this.means.settings;
    return timezone && this.means.zones.has(timezone) ? timezone : 'UTC';
  }
  private zoneIn({ definition }: Played, { timezone, phoneZone }: Somebody): string {
    if (definition.zone !== 'person') return definition.zone;
    const { zones } = this.means;
    if (timezone !== null && zones.has(timezone)) return timezone;
    return phoneZone !== null && zones.has(phoneZone) ? phoneZone : this.workspaceZone;
  }
  private at(when: Date, run: () => void): void {
    this.tasks.add(Math.max(when.getTime(), this.now.getTime()), run);
  }
  private name(what: string): string {
    return `${what}-${++this.made}`;
  }
}

const FURTHER = [
  'delivered',
  'bounced',
  'opened',
  'read',
  'clicked',
  'replied',
  'complained',
  'unsubscribed',
] as const;
const READ: readonly string[] = ['opened', 'read', 'clicked'];

/** How far any step before got. */
function before(
  earlier: readonly WorldDelivery[],
  { unless }: WorldDelivery,
): { before: Status; unless: WorldDelivery['unless']; beforeRead: boolean } {
  const reached = (status: Status) => earlier.some((d) => d.status === status);
  return {
    before: reached('delivered')
      ? 'delivered'
      : reached('sent')
        ? 'sent'
        : (earlier.at(-1)?.status ?? 'failed'),
    unless,
    beforeRead: earlier.some((d) => d.timeline.some(({ type }) => READ.includes(type))),
  };
}

const recipientOf = (s: Somebody): Recipient => ({
  profileId: s.id,
  externalId: s.externalId,
  email: s.email,
  phone: s.phone,
  locale: s.locale,
  timezone: s.timezone,
  attributes: s.attributes,
  devices: s.devices,
});
/** As the channels find them. */
const addressOf = (recipient: Recipient, channel: Channel): string | null =>
  ({
    email: recipient.email,
    sms: recipient.phone,
    push: recipient.devices[0]?.token ?? null,
    'in-app': recipient.profileId,
  })[channel] ?? null;

function messageOf(delivery: WorldDelivery, ask: JourneyMessage, at: Date): Somebody['messages'][number] {
  const template = typeof ask.template === 'string' ? ask.template : (ask.template?.key ?? null);
  const kept = {
    id: delivery.id,
    channel: delivery.channel,
    class: ask.class satisfies MessageClass,
    topic: ask.topic ?? null,
    template,
    source: 'journey',
    sourceId: delivery.message.walker.journey.key,
    campaign: null,
    status: delivery.status as string,
    reason: null,
    createdAt: delivery.message.at,
    sentAt: at,
    deliveredAt: null,
    told: [],
  };
  return kept;
}

/** The zone of a phone's country, as it is kept with a profile. */
export const zoneOfPhone = (country: string | undefined): string | null =>
  country === undefined ? null : zoneOf({ phoneCountry: country }, '').zone || null;

function listOf<V>(map: Map<string, V[]>, key: string): V[] {
  let list = map.get(key);
  if (!list) map.set(key, (list = []));
  return list;
}
