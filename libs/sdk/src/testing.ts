/**
 * Journeys in your own tests: no server, no database, a clock that you turn. The functions that decide are those of the
 * engine and of the gate, bundled into this file; only people, providers and servers that are called are played.
 *
 * ```ts
 * import { testWorld } from '@carillon/sdk/testing';
 *
 * const world = testWorld({ journeys: [welcome], people: [{ externalId: 'ada', email: 'ada@example.com' }] });
 * await world.event('user.signed_up');
 * expect(world.messages).toMatchObject([{ step: 'welcome', to: 'ada@example.com' }]);
 * await world.advance('7d');
 * expect(world.messages).toHaveLength(2);
 * ```
 */
import { normalizeEmail, normalizePhone, zonesOfCountry, type World } from '@carillon/audience-rules';
import {
  GateRules,
  JourneyDefinition,
  type AudienceDefinitionInput,
  type Channel,
  type ContentByChannel,
  type GateRulesInput,
  type JourneyDefinitionInput,
  type MessageClass,
  type Reason,
  type Status,
} from '@carillon/contracts';
import { rendering } from '@carillon/delivery-rules';
import { durationMs, journeyNames, lintJourney } from '@carillon/scheduling-rules';
import {
  Behaviours,
  JourneyWorld,
  WorldContents,
  type Answer,
  type Means,
  type Somebody,
  type Walker,
  type WorldDelivery,
} from '@carillon/scheduling-rules/world';

/** Somebody in a test. */
export interface TestPerson {
  externalId: string;
  email?: string;
  phone?: string;
  locale?: string;
  timezone?: string;
  attributes?: Record<string, unknown>;
  /** A platform is enough: the app is there and may be pushed to. */
  devices?: ('ios' | 'android' | 'web')[];
  /** What they have said: of a topic, of `marketing`, or of the whole channel where there is no topic. */
  consents?: { channel: Channel; topic?: string; word: 'in' | 'out' }[];
  /** Why their address is not written to. */
  suppressed?: { channel: Channel; reason: 'hard_bounced' | 'complained' | 'suppressed_manually' }[];
  /** Audiences and lists that they are in. */
  audiences?: string[];
}
/** What becomes of messages: chances between 0 (never) and 1 (always). Delivered is 1, the others 0, unless said. */
export interface TestChances {
  /** The provider refuses it. */
  failed?: number;
  /** It is returned later. */
  bounced?: number;
  delivered?: number;
  opened?: number;
  clicked?: number;
  replied?: number;
  complained?: number;
  unsubscribed?: number;
}
/** What a step calls. */
export interface TestCall {
  url: string;
  method: string;
  body: Record<string, unknown>;
  step: string;
  profile: string;
}
export interface TestWorldOptions {
  journeys: readonly { readonly key: string; readonly definition: JourneyDefinitionInput }[];
  people?: readonly TestPerson[];
  /** When it begins: Monday, 5 January 2026, 09:00 UTC unless said. */
  now?: Date | string;
  /** By key: content, or content with its locales. */
  templates?: Record<
    string,
    ContentByChannel | { content: ContentByChannel; locales: Record<string, ContentByChannel> }
  >;
  /** Quiet hours, caps, holdouts …, as they stand in the workspace. */
  gate?: GateRulesInput;
  /** The workspace's. */
  timezone?: string;
  /** What no record of consent means for marketing: `in` unless said. */
  noConsentMeans?: 'in' | 'out';
  topics?: Record<string, { class?: MessageClass; parent?: string; byDefault?: 'in' | 'out' }>;
  /** Audiences with their rules; `list` is one that people are put into. Those that journeys name are there. */
  audiences?: Record<string, AudienceDefinitionInput | 'list'>;
  /** What becomes of messages, and by step where it differs. */
  outcomes?: TestChances & { steps?: Record<string, TestChances> };
  /** Answers calls. A 200 without a body unless said. */
  calls?: (call: TestCall) => { status: number; body?: unknown } | { failed: string };
  /** Other words draw other chances. */
  seed?: string;
}

/** A message on one channel. */
export interface TestMessage {
  readonly id: string;
  readonly profile: string;
  readonly journey: string;
  readonly step: string;
  readonly channel: Channel;
  readonly class: MessageClass;
  readonly topic: string | null;
  readonly template: string | null;
  readonly status: Status;
  readonly reason: Reason | null;
  /** The facts that decided, where the reason alone does not tell. */
  readonly said: string | null;
  readonly to: string | null;
  /** When it left; null where it has not. */
  readonly at: Date | null;
  /** When it is looked at next, of one that waits. */
  readonly dueAt: Date | null;
  readonly subject: string | null;
  readonly title: string | null;
  /** Of an email its text, else its body. */
  readonly text: string | null;
  readonly html: string | null;
  readonly url: string | null;
  readonly timeline: readonly { type: string; at: Date; reason?: string }[];
}
/** Somebody's way through a journey. */
export interface TestVisit {
  readonly id: string;
  readonly profile: string;
  readonly journey: string;
  /** Which of the person's own, such as an order id. */
  readonly key: string;
  readonly state: 'inside' | 'ended';
  /** Where they are; null when it has ended. */
  readonly step: string | null;
  /** How it ended: done, goal, exit, error, timed_out, or an outcome of your own. */
  readonly outcome: string | null;
  readonly reason: string | null;
  readonly enteredAt: Date;
  readonly endedAt: Date | null;
  readonly dueAt: Date | null;
  /** Steps that were left, in order. */
  readonly steps: readonly {
    readonly step: string;
    readonly way: string;
    readonly at: Date;
    readonly detail: Record<string, unknown>;
  }[];
  readonly data: Record<string, unknown>;
}
type Of = { profile?: string };

const MONDAY = '2026-01-05T09:00:00Z';

export class TestWorld {
  readonly #world: JourneyWorld;
  readonly #ids = new Map<string, string>();
  readonly #delivery = new Map<string, WorldDelivery>();

  /** @internal */
  constructor(options: TestWorldOptions) {
    const { people = [], outcomes = {}, calls, topics = {}, seed = 'carillon' } = options;
    const { steps = {}, ...ofAll } = outcomes;
    const now = new Date(options.now ?? MONDAY);
    const journeys = options.journeys.map(({ key, definition }) => ({
      id: key,
      key,
      definition: readJourney(key, definition),
    }));
    const contents = new WorldContents(
      Object.entries(options.templates ?? {}).map(([key, given]) =>
        'content' in given
          ? { key, version: 1, ...given }
          : { key, version: 1, content: given as ContentByChannel, locales: {} },
      ),
    );
    const audiences = new Map<string, { id: string; definition?: AudienceOf }>();
    for (const { key, definition } of journeys) {
      const names = journeyNames(definition);
      for (const { key: name } of names.audiences) audiences.set(name, { id: name });
      for (const { key: template, step, channels } of names.templates) {
        const there = options.templates?.[template];
        if (!there)
          throw new Error(
            `Journey ${key}: step ${step} sends template “${template}”, which is not in this world: give it in templates.`,
          );
        const content = 'content' in there ? there.content : there;
        const lacking = channels.find((channel) => !(channel in content));
        if (lacking)
          throw new Error(`Template “${template}” says nothing for ${lacking}: step ${step} sends it there.`);
      }
    }
    for (const person of people) for (const key of person.audiences ?? []) audiences.set(key, { id: key });
    for (const [key, rule] of Object.entries(options.audiences ?? {}))
      audiences.set(key, rule === 'list' ? { id: key } : { id: key, definition: rule as AudienceOf });

    const means: Means = {
      seed,
      journeys,
      settings: {
        gate: options.gate ? { ...GateRules.parse(options.gate), version: 1 } : null,
        allowList: options.gate?.allowList ?? null,
        timezone: options.timezone ?? null,
        noConsentMeans: options.noConsentMeans ?? 'in',
      },
      topics: new Map(Object.keys(topics).map((key) => [key, topicFacts(key, topics)])),
      audiences,
      zones: new Set([...Intl.supportedValuesOf('timeZone'), 'UTC']),
      refuses: (message) => contents.refuses(message),
      says: (delivery, recipient) => {
        const said = contents.of(delivery, recipient);
        if (!said) return { ok: false, reason: 'template_error', detail: 'There is no content.' };
        const { ask } = delivery.message;
        const result = rendering(
          {
            content: said.content,
            data: ask.data,
            recipient,
            messageClass: ask.class,
            replyTo: null,
            attachments: [],
            cacheKey: `${said.template?.key ?? delivery.message.step} ${said.locale ?? ''}`,
            unsubscribeUrl: 'https://unsubscribe.invalid/u/test',
          },
          (fields) => renderedOf(fields, delivery.channel, said.content),
        );
        return result.ok
          ? { ok: true, content: result.rendered }
          : { ok: false, reason: result.reason, detail: result.detail };
      },
      behaves: (delivery) => behaviours.of(delivery),
      answers: ({ url, method }, body, walker): Answer =>
        calls?.({ url, method, body, step: walker.step, profile: walker.somebody.externalId }) ?? {
          status: 200,
        },
    };
    this.#world = new JourneyWorld(means, now);
    const behaviours = new Behaviours(() => this.#world, ofAll, steps);
    for (const person of people) this.add(person);
  }

  /** The time. */
  get now(): Date {
    return new Date(this.#world.now);
  }

  /** Somebody more. */
  add(person: TestPerson): void {
    const id = `profile-${person.externalId}`;
    if (this.#ids.has(person.externalId))
      throw new Error(`There are two people called ${person.externalId}.`);
    this.#ids.set(person.externalId, id);
    this.#world.add(somebodyOf(id, person, this.#world.now));
  }

  /** Records an event of somebody: of the only person there is, unless said. */
  event(name: string, properties: Record<string, unknown> = {}, of: Of = {}): Promise<void> {
    this.#world.event(this.#idOf(of), name, properties);
    return this.#settle();
  }

  /** Lets somebody into a journey, by its own rules of entry. */
  enter(journey: string, data: Record<string, unknown> = {}, of: Of = {}): Promise<void> {
    this.#world.enter(this.#idOf(of), journey, data);
    return this.#settle();
  }

  /** Something happens to nobody in particular: audiences come into the journeys that are entered by it. */
  happened(name: string, properties: Record<string, unknown> = {}): Promise<void> {
    this.#world.happened(name, properties);
    return this.#settle();
  }

  /** Somebody comes into an audience. */
  joins(audience: string, of: Of = {}): Promise<void> {
    this.#world.change(this.#idOf(of), audience, 'enter');
    return this.#settle();
  }
  /** Somebody leaves an audience. */
  leaves(audience: string, of: Of = {}): Promise<void> {
    this.#world.change(this.#idOf(of), audience, 'leave');
    return this.#settle();
  }

  /** Changes attributes of somebody; null takes one out. */
  update(attributes: Record<string, unknown>, of: Of = {}): Promise<void> {
    const somebody = this.#world.people.get(this.#idOf(of))!;
    for (const [name, value] of Object.entries(attributes))
      if (value === null) delete somebody.attributes[name];
      else somebody.attributes[name] = value;
    return this.#settle();
  }

  /** Somebody agrees to something, or takes it back. */
  consent(channel: Channel, word: 'in' | 'out', of: Of & { topic?: string } = {}): Promise<void> {
    const somebody = this.#world.people.get(this.#idOf(of))!;
    const { topic = '' } = of;
    somebody.consents = [
      ...somebody.consents.filter((c) => c.channel !== channel || c.topic !== topic),
      { about: 'profile', channel, topic, word },
    ];
    return this.#settle();
  }

  /** Something becomes of a message: `await world.tell(world.messages[0], 'clicked')`. */
  tell(
    message: TestMessage | undefined,
    what: 'delivered' | 'bounced' | 'opened' | 'clicked' | 'read' | 'replied' | 'complained' | 'unsubscribed',
  ): Promise<void> {
    const delivery = message && this.#delivery.get(message.id);
    if (!delivery) return Promise.reject(new Error('There is no such message.'));
    this.#world.tell(delivery, what);
    return this.#settle();
  }

  /** Lets time pass: `30s`, `5m`, `2h`, `7d`, or until a time; everything that is due meanwhile happens. */
  advance(time: string | Date): Promise<void> {
    this.#world.advance(
      typeof time === 'string' ? new Date(Number(this.#world.now) + durationMs(time)) : time,
    );
    return Promise.resolve();
  }

  /** When something happens next; null when nothing is left. */
  get nextAt(): Date | null {
    return this.#world.nextAt;
  }

  /** What left, in order. */
  get messages(): readonly TestMessage[] {
    const left = this.deliveries.filter(({ at }) => at !== null);
    return left.sort((a, b) => Number(a.at) - Number(b.at));
  }

  /** Every message on every channel: also those that wait, were held back by the gate, or failed. */
  get deliveries(): TestMessage[] {
    return this.#world.messages.flatMap(({ deliveries }) =>
      deliveries.map((delivery) => {
        this.#delivery.set(delivery.id, delivery);
        return shown(delivery);
      }),
    );
  }

  /** Everybody's ways, in the order in which they came in. */
  get visits(): readonly TestVisit[] {
    return this.#world.walkers.map(visitOf);
  }

  /** The last way of somebody through a journey. */
  visit(journey: string, of: Of = {}): TestVisit | undefined {
    const { externalId } = this.#world.people.get(this.#idOf(of))!;
    return this.visits.findLast((visit) => visit.journey === journey && visit.profile === externalId);
  }

  /** Who was not let in, and why. */
  get refused(): readonly { journey: string; profile: string; reason: string; at: Date }[] {
    return this.#world.refused.map(({ journey, somebody, reason, at }) => ({
      journey: journey.key,
      profile: somebody.externalId,
      reason,
      at,
    }));
  }

  /** What somebody is like now. */
  attributes(of: Of = {}): Record<string, unknown> {
    return { ...this.#world.people.get(this.#idOf(of))!.attributes };
  }

  /** Whether somebody is in an audience or list. */
  isIn(audience: string, of: Of = {}): boolean {
    return this.#world.people.get(this.#idOf(of))!.memberOf.has(audience);
  }

  #idOf({ profile }: Of): string {
    const [only, ...others] = this.#ids;
    if (profile === undefined && only && others.length === 0) return only[1];
    if (profile === undefined) throw new Error('Say of whom: { profile: … }.');
    const id = this.#ids.get(profile);
    if (id === undefined) throw new Error(`There is nobody called ${profile} in this world.`);
    return id;
  }
  /** What is due at once happens at once. */
  #settle(): Promise<void> {
    this.#world.advance(this.#world.now);
    return Promise.resolve();
  }
}

/**
 * A world for a test.
 * @throws Error with sentences where a journey could not go live, or names what is not there
 */
export const testWorld = (options: TestWorldOptions): TestWorld => new TestWorld(options);

// ── parts ──

type AudienceOf = NonNullable<
  (World['audiences'] extends ReadonlyMap<string, infer A> ? A : never)['definition']
>;

function readJourney(key: string, given: JourneyDefinitionInput): JourneyDefinition {
  const read = JourneyDefinition.safeParse(given);
  const faults = read.success
    ? lintJourney(read.data)
        .filter(({ level }) => level === 'error')
        .map(({ message }) => message)
    : read.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`);
  if (faults.length > 0 || !read.success) throw new Error(`Journey ${key}: ${faults.join(' ')}`);
  return read.data;
}

function topicFacts(key: string, topics: NonNullable<TestWorldOptions['topics']>) {
  const path: string[] = [];
  for (let at: string | undefined = key; at !== undefined && !path.includes(at); at = topics[at]?.parent)
    path.push(at);
  const byDefault = path.map((one) => topics[one]?.byDefault).find((word) => word !== undefined);
  return { path, class: topics[key]?.class ?? ('marketing' as const), byDefault: byDefault ?? null };
}

function somebodyOf(id: string, person: TestPerson, now: Date): Somebody {
  const email = person.email === undefined ? null : checked(normalizeEmail(person.email));
  const phone = person.phone === undefined ? null : normalizePhone(person.phone);
  const country = phone?.ok ? phone.country : undefined;
  const [zone, ...others] = country ? zonesOfCountry(country) : [];
  return {
    id,
    externalId: person.externalId,
    email,
    phone: phone && checked(phone),
    locale: person.locale ?? null,
    timezone: person.timezone ?? null,
    phoneZone: zone !== undefined && others.length === 0 ? zone : null,
    createdAt: now,
    updatedAt: now,
    attributes: { ...person.attributes },
    activity: {},
    events: [],
    messages: [],
    consents: (person.consents ?? []).map((c) => ({ about: 'profile' as const, ...c, topic: c.topic ?? '' })),
    suppressions: person.suppressed ?? [],
    devices: (person.devices ?? []).map((platform, n) => ({
      id: `${id}-device-${n + 1}`,
      token: `${id}-token-${n + 1}`,
      platform,
      app: null,
      lastSeenAt: now,
    })),
    memberOf: new Set(person.audiences),
    counted: [],
  };
}
function checked(read: { ok: true; value: string } | { ok: false; sentence: string }): string {
  if (!read.ok) throw new Error(read.sentence);
  return read.value;
}

interface Rendered {
  subject?: string;
  title?: string;
  text?: string;
  html?: string;
  url?: string | null;
}
function renderedOf(
  fields: Parameters<Parameters<typeof rendering>[1]>[0],
  channel: Channel,
  content: ContentByChannel,
): Rendered {
  const at = `/content/${channel}`;
  switch (channel) {
    case 'email': {
      const { subject, html, text } = content.email!;
      return {
        subject: fields.text(subject, `${at}/subject`).trim(),
        ...(html === undefined ? {} : { html: fields.html(html, `${at}/html`) }),
        ...(text === undefined ? {} : { text: fields.text(text, `${at}/text`) }),
      };
    }
    case 'sms':
      return { text: fields.shown(content.sms!.body, `${at}/body`).trim() };
    default: {
      const { title, body, url } = content[channel]!;
      return {
        title: fields.shown(title, `${at}/title`),
        text: fields.shown(body, `${at}/body`),
        url: fields.link(url, `${at}/url`),
      };
    }
  }
}

function shown(delivery: WorldDelivery): TestMessage {
  const { message, content, status, sentAt, dueAt } = delivery;
  const { ask, walker, step } = message;
  const says = (content ?? {}) as Rendered;
  return {
    id: delivery.id,
    profile: walker.somebody.externalId,
    journey: walker.journey.key,
    step,
    channel: delivery.channel,
    class: ask.class,
    topic: ask.topic ?? null,
    template: typeof ask.template === 'string' ? ask.template : (ask.template?.key ?? null),
    status,
    reason: delivery.reason,
    said: delivery.said,
    to: delivery.address,
    at: sentAt,
    dueAt: status === 'scheduled' || status === 'queued' ? dueAt : null,
    subject: says.subject ?? null,
    title: says.title ?? null,
    text: says.text ?? null,
    html: says.html ?? null,
    url: says.url ?? null,
    timeline: delivery.timeline.map((line) => ({ ...line })),
  };
}

const visitOf = (walker: Walker): TestVisit => ({
  id: walker.id,
  profile: walker.somebody.externalId,
  journey: walker.journey.key,
  key: walker.key,
  state: walker.state === 'ended' ? 'ended' : 'inside',
  step: walker.state === 'ended' ? null : walker.step,
  outcome: walker.outcome,
  reason: walker.reason,
  enteredAt: walker.enteredAt,
  endedAt: walker.endedAt,
  dueAt: walker.dueAt,
  steps: walker.lines.map(({ step, way, at, detail }) => ({ step, way, at, detail })),
  data: { ...walker.data },
});
