/**
 * Rules of audiences, written as code: each function makes a clause of the document, with its tests as methods.
 *
 * ```ts
 * const rule = audience()
 *   .where(attribute('plan').is('pro'))
 *   .and(event('order.placed').atLeast(3).within('30d'))
 *   .andNot(consent('email').out());
 * ```
 */
import type {
  AudienceDefinitionInput,
  ClauseInput,
  ConsentClause,
  DeviceClause,
  EventClause,
  MessageClause,
  Path,
  PropertyTest,
  Scalar,
  Subject,
  Test,
} from '@carillon/contracts';

/** A clause, or something that becomes one. */
export type ClauseLike = ClauseInput | { toClause(): ClauseInput };
const plain = (clause: ClauseLike): ClauseInput => ('toClause' in clause ? clause.toClause() : clause);

/** Every comparison; each ends what is compared and gives `Done`. */
export class Comparisons<Done> {
  readonly #done: (test: Test) => Done;
  /** @internal */
  constructor(done: (test: Test) => Done) {
    this.#done = done;
  }
  is(value: Scalar): Done {
    return this.#done({ is: value });
  }
  /** Another value, or none. */
  isNot(value: Scalar): Done {
    return this.#done({ isNot: value });
  }
  in(values: Scalar[]): Done {
    return this.#done({ in: values });
  }
  notIn(values: Scalar[]): Done {
    return this.#done({ notIn: values });
  }
  exists(): Done {
    return this.#done({ exists: true });
  }
  missing(): Done {
    return this.#done({ exists: false });
  }
  above(value: number): Done {
    return this.#done({ above: value });
  }
  atLeast(value: number): Done {
    return this.#done({ atLeast: value });
  }
  below(value: number): Done {
    return this.#done({ below: value });
  }
  atMost(value: number): Done {
    return this.#done({ atMost: value });
  }
  between(low: number, high: number): Done {
    return this.#done({ between: [low, high] });
  }
  contains(text: string): Done {
    return this.#done({ contains: text });
  }
  startsWith(text: string): Done {
    return this.#done({ startsWith: text });
  }
  endsWith(text: string): Done {
    return this.#done({ endsWith: text });
  }
  hasAny(values: Scalar[]): Done {
    return this.#done({ hasAny: values });
  }
  hasAll(values: Scalar[]): Done {
    return this.#done({ hasAll: values });
  }
  hasNone(values: Scalar[]): Done {
    return this.#done({ hasNone: values });
  }
  /** `now`, `today`, `3d ago`, `in 3d`, a date or a time. */
  before(when: string): Done {
    return this.#done({ before: when });
  }
  since(when: string): Done {
    return this.#done({ since: when });
  }
  /** `today`, `in 3d`, a date: a calendar day in the person's zone. */
  on(day: string): Done {
    return this.#done({ on: day });
  }
  /** Birthdays: `attribute('birthday').anniversary('today')`. */
  anniversary(day: string): Done {
    return this.#done({ anniversary: day });
  }
  withinLast(span: string): Done {
    return this.#done({ withinLast: span });
  }
  withinNext(span: string): Done {
    return this.#done({ withinNext: span });
  }
}

/** An attribute of the profile; a list of names leads into an object. */
export const attribute = (name: Path): Comparisons<ClauseInput> =>
  new Comparisons((test) => ({ attribute: name, ...test }));
/** A field of the profile. */
export const field = (
  name: 'email' | 'phone' | 'locale' | 'timezone' | 'externalId' | 'createdAt' | 'updatedAt',
): Comparisons<ClauseInput> => new Comparisons((test) => ({ field: name, ...test }) as ClauseInput);
/** A computed attribute. */
export const activity = (
  name:
    | 'events'
    | 'sent'
    | 'opened'
    | 'clicked'
    | 'firstSeenAt'
    | 'lastSeenAt'
    | 'lastSentAt'
    | 'lastOpenedAt'
    | 'lastClickedAt',
): Comparisons<ClauseInput> => new Comparisons((test) => ({ activity: name, ...test }) as ClauseInput);
/** A property of an event: for `event(…).with(…)`. */
export const property = <P extends Path>(name: P): Comparisons<PropertyTest & { property: P }> =>
  new Comparisons((test) => ({ ...test, property: name }));

class Counted<C extends { atLeast?: number | undefined; atMost?: number | undefined }> {
  /** @internal */
  constructor(protected readonly clause: C) {}
  protected with_(more: Partial<C>): this {
    return new (this.constructor as new (clause: C) => this)({ ...this.clause, ...more });
  }
  atLeast(times: number): this {
    return this.with_({ atLeast: times } as Partial<C>);
  }
  atMost(times: number): this {
    return this.with_({ atMost: times } as Partial<C>);
  }
  exactly(times: number): this {
    return times === 0 ? this.atMost(0) : this.atLeast(times).atMost(times);
  }
  never(): this {
    return this.atMost(0);
  }
  toClause(): ClauseInput {
    return this.clause as unknown as ClauseInput;
  }
}
/** About an event: its name and the properties that are asked for are known to the compiler. */
export class EventRule<
  Name extends string = string,
  Asked extends Path = never,
> extends Counted<EventClause> {
  /** Types only. */
  declare readonly asks?: readonly [name: Name, properties: Asked];
  within(span: string): this {
    return this.with_({ within: span });
  }
  since(time: string): this {
    return this.with_({ since: time });
  }
  before(time: string): this {
    return this.with_({ before: time });
  }
  /** Each must hold for the same event. */
  with<P extends Path[]>(
    ...tests: { [K in keyof P]: PropertyTest & { property: P[K] } }
  ): EventRule<Name, Asked | P[number]> {
    const where = [...(this.clause.where ?? []), ...(tests as PropertyTest[])];
    return this.with_({ where }) as EventRule<Name, Asked | P[number]>;
  }
  first(): this {
    return this.with_({ occurrence: 'first' });
  }
  last(): this {
    return this.with_({ occurrence: 'last' });
  }
  /** After it another one came, at most `within` later. */
  then(event: string, { within, where }: { within?: string; where?: PropertyTest[] } = {}): this {
    return this.with_({ then: { event, ...(within && { within }), ...(where && { where }) } });
  }
}
/** What the person did. */
export const event = <Name extends string>(name: Name): EventRule<Name> => new EventRule({ event: name });

export class MessageRule extends Counted<MessageClause> {
  of(what: Pick<MessageClause, 'channel' | 'template' | 'campaign' | 'journey' | 'topic' | 'class'>): this {
    return this.with_(what);
  }
  within(span: string): this {
    return this.with_({ within: span });
  }
}
/** What became of messages to the person. */
export const message = (outcome: MessageClause['message']): MessageRule =>
  new MessageRule({ message: outcome });

class DeviceRule extends Counted<DeviceClause> {
  app(app: string): this {
    return this.with_({ app });
  }
  seenWithin(span: string): this {
    return this.with_({ seenWithin: span });
  }
}
export const device = (platform: DeviceClause['device'] = 'any'): DeviceRule =>
  new DeviceRule({ device: platform });

/** What the person said about a channel or a topic on it. */
export const consent = (
  channel: ConsentClause['consent'],
  topic?: string,
): { in(): ClauseInput; out(): ClauseInput; unknown(): ClauseInput } => {
  const clause = (is: ConsentClause['is']): ClauseInput => ({
    consent: channel,
    ...(topic !== undefined && { topic }),
    is,
  });
  return { in: () => clause('in'), out: () => clause('out'), unknown: () => clause('unknown') };
};
/** The present address is on the suppression list. */
export const suppressed = (channel: 'email' | 'sms'): ClauseInput => ({ suppressed: channel });
/** Members of another audience. */
export const memberOf = (key: string): ClauseInput => ({ audience: key });
/** A stable share of all people in percent. */
export const share = (from: number, to: number, salt = ''): ClauseInput => ({ share: { from, to, salt } });

export const allOf = (...clauses: ClauseLike[]): ClauseInput => ({ and: clauses.map(plain) });
export const anyOf = (...clauses: ClauseLike[]): ClauseInput => ({ or: clauses.map(plain) });
export const not = (clause: ClauseLike): ClauseInput => ({ not: plain(clause) });

/** A definition in the making; each method gives a new one. */
export class AudienceRule {
  readonly #clauses: readonly ClauseInput[];
  readonly #rest: Omit<AudienceDefinitionInput, 'where'>;
  /** @internal */
  constructor(clauses: readonly ClauseInput[], rest: Omit<AudienceDefinitionInput, 'where'>) {
    this.#clauses = clauses;
    this.#rest = rest;
  }
  where(clause: ClauseLike): AudienceRule {
    return this.and(clause);
  }
  and(clause: ClauseLike): AudienceRule {
    return new AudienceRule([...this.#clauses, plain(clause)], this.#rest);
  }
  andNot(clause: ClauseLike): AudienceRule {
    return this.and(not(clause));
  }
  /** What there is so far, or this. */
  or(clause: ClauseLike): AudienceRule {
    return new AudienceRule([{ or: [this.#where(), plain(clause)] }], this.#rest);
  }
  /** One person per value: the first by `orderBy`. */
  onePer(subject: Subject): AudienceRule {
    return new AudienceRule(this.#clauses, { ...this.#rest, dedupe: subject });
  }
  orderBy(subject: Subject, direction: 'ascending' | 'descending' = 'ascending'): AudienceRule {
    const order = [...(this.#rest.order ?? []), { by: subject, direction }];
    return new AudienceRule(this.#clauses, { ...this.#rest, order });
  }
  sample(part: { percent: number; salt?: string } | { count: number; salt?: string }): AudienceRule {
    return new AudienceRule(this.#clauses, { ...this.#rest, sample: part });
  }
  limit(most: number): AudienceRule {
    return new AudienceRule(this.#clauses, { ...this.#rest, limit: most });
  }
  /** The document, as the API takes it. */
  toJSON(): AudienceDefinitionInput {
    return { where: this.#where(), ...this.#rest };
  }
  #where(): ClauseInput {
    const [only, ...others] = this.#clauses;
    return only && others.length === 0 ? only : { and: [...this.#clauses] };
  }
}

/** Begins a definition; with no clause it is everybody. */
export const audience = (): AudienceRule => new AudienceRule([], {});
