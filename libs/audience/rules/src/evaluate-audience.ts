/**
 * A rule asked in memory, one person at a time: the oracle that the compiler is tested against, and what `explain`
 * tells. Written to be obvious, not fast.
 */
import type {
  AudienceDefinition,
  Clause,
  EventClause,
  Leaf,
  MessageClause,
  Path,
  Subject,
} from '@carillon/contracts';
import { createHash } from 'node:crypto';
import { comparable } from './comparable.js';
import type { TopicPath } from './compile-audience.js';
import { testHolds } from './evaluate-test.js';
import type { Person, PersonEvent, PersonMessage } from './person.js';
import { clauseSentence, seenSentence } from './sentences.js';
import { secondsIn, shareBounds } from './spans.js';

export interface World {
  now: Date;
  /** The workspace's zone. */
  zone: string;
  zones: ReadonlySet<string>;
  topics?: ReadonlyMap<string, TopicPath>;
  /** By key; one with a definition is evaluated in place. `members`: ids of people, where it looks at everybody. */
  audiences: ReadonlyMap<
    string,
    { id: string; definition?: AudienceDefinition; members?: () => ReadonlySet<string> }
  >;
}

/** One clause of a rule, what it came to for a person, and what was looked at. */
export interface Explained {
  holds: boolean;
  /** What the clause asks. */
  asks: string;
  /** What there was; null for and, or, not, which only join. */
  seen: string | null;
  clauses: Explained[];
}

/** Why a person is or is not in: the tree of the rule, each clause with what was seen. */
export function explainClause(clause: Clause, person: Person, world: World): Explained {
  if ('and' in clause) {
    const clauses = clause.and.map((inner) => explainClause(inner, person, world));
    return { holds: clauses.every(({ holds }) => holds), asks: 'All of these hold.', seen: null, clauses };
  }
  if ('or' in clause) {
    const clauses = clause.or.map((inner) => explainClause(inner, person, world));
    return { holds: clauses.some(({ holds }) => holds), asks: 'One of these holds.', seen: null, clauses };
  }
  if ('not' in clause) {
    const inner = explainClause(clause.not, person, world);
    return { holds: !inner.holds, asks: 'This does not hold.', seen: null, clauses: [inner] };
  }
  const { holds, seen } = leaf(clause, person, world);
  return { holds, asks: clauseSentence(clause), seen: seenSentence(clause, seen), clauses: [] };
}

/** Whether a clause holds for a person. */
export function clauseHolds(clause: Clause, person: Person, world: World): boolean {
  if ('and' in clause) return clause.and.every((inner) => clauseHolds(inner, person, world));
  if ('or' in clause) return clause.or.some((inner) => clauseHolds(inner, person, world));
  if ('not' in clause) return !clauseHolds(clause.not, person, world);
  return leaf(clause, person, world).holds;
}

/** Who of these people a definition chooses. */
export function evaluateAudience(
  definition: AudienceDefinition,
  people: readonly Person[],
  world: World,
): Set<string> {
  const { dedupe, sample, limit } = definition;
  const inside: World = { ...world, audiences: withMembers(world, people) };
  let chosen = people.filter((person) => clauseHolds(definition.where, person, inside));
  const rank = (a: Person, b: Person): number => {
    for (const { by, direction } of definition.order ?? []) {
      const order = compareBy(valueOf(by, a), valueOf(by, b), direction);
      if (order !== 0) return order;
    }
    return a.id < b.id ? -1 : 1;
  };
  chosen = [...chosen].sort(rank);
  if (dedupe) {
    const taken = new Set<string>();
    chosen = chosen.filter((person) => {
      const value = valueOf(dedupe, person);
      if (value === undefined || value === null) return true;
      const key = canonical(value);
      return !taken.has(key) && taken.add(key);
    });
  }
  if (sample && 'percent' in sample)
    chosen = chosen.filter(({ id }) => inShare({ from: 0, to: sample.percent, salt: sample.salt }, id));
  if (sample && 'count' in sample) {
    const luck = new Map(chosen.map(({ id }) => [id, hash(sample.salt, id)]));
    const drawn = [...chosen].sort((a, b) => ((luck.get(a.id) ?? '') < (luck.get(b.id) ?? '') ? -1 : 1));
    const kept = new Set(drawn.slice(0, sample.count));
    chosen = chosen.filter((person) => kept.has(person));
  }
  return new Set((limit === undefined ? chosen : chosen.slice(0, limit)).map(({ id }) => id));
}

/** Other audiences with their members, found when a clause asks for them. */
function withMembers(world: World, people: readonly Person[]): World['audiences'] {
  const audiences = new Map(world.audiences);
  for (const [key, { id, definition, members }] of world.audiences) {
    if (!definition || members) continue;
    let found: ReadonlySet<string> | undefined;
    audiences.set(key, {
      id,
      members: () => (found ??= evaluateAudience(definition, people, { ...world, audiences })),
    });
  }
  return audiences;
}

function leaf(clause: Leaf, person: Person, world: World): { holds: boolean; seen: unknown } {
  const place = { now: world.now, zone: zoneOfPerson(person, world) };
  const within = (at: Date | null, span: string | undefined): boolean =>
    span === undefined || (at !== null && at.getTime() > world.now.getTime() - secondsIn(span) * 1000);
  if ('attribute' in clause) {
    const seen = at(person.attributes, clause.attribute);
    return { holds: testHolds(seen, clause, place), seen };
  }
  if ('field' in clause) {
    const seen = person[clause.field];
    return { holds: testHolds(seen, comparable(clause.field, clause), place), seen };
  }
  if ('activity' in clause) {
    const seen = valueOf(clause, person);
    return { holds: testHolds(seen, clause, place), seen };
  }
  if ('event' in clause) return did(clause, person, place, within);
  if ('message' in clause) {
    const seen = person.messages.filter((message) => matches(clause, message, within)).length;
    return { holds: often(seen, clause), seen };
  }
  if ('consent' in clause) {
    const seen = wordOf(clause.consent, clause.topic, person, world);
    return { holds: seen === clause.is, seen };
  }
  if ('suppressed' in clause) {
    const seen = person.suppressions.find(({ channel }) => channel === clause.suppressed)?.reason;
    const reasons: readonly string[] | undefined = clause.reason;
    return { holds: seen !== undefined && (reasons?.includes(seen) ?? true), seen };
  }
  if ('device' in clause) {
    const seen = person.devices.filter(
      ({ platform, app, lastSeenAt }) =>
        (clause.device === 'any' || platform === clause.device) &&
        (clause.app === undefined || app === clause.app) &&
        within(lastSeenAt, clause.seenWithin),
    ).length;
    return { holds: often(seen, clause), seen };
  }
  if ('audience' in clause) {
    const named = world.audiences.get(clause.audience);
    let seen = false;
    if (named?.members) seen = named.members().has(person.id);
    else if (named?.definition)
      seen =
        clauseHolds(named.definition.where, person, world) &&
        (!named.definition.sample ||
          !('percent' in named.definition.sample) ||
          inShare(
            { from: 0, to: named.definition.sample.percent, salt: named.definition.sample.salt },
            person.id,
          ));
    else if (named) seen = person.memberOf.has(named.id);
    return { holds: seen, seen };
  }
  const seen = Number.parseInt(hash(clause.share.salt ?? '', person.id).slice(0, 8), 16);
  return { holds: inShare(clause.share, person.id), seen: (seen / 2 ** 32) * 100 };
}

/** What a person says about a topic of a channel, as the gate judges. */
function wordOf(
  channel: string,
  topic: string | undefined,
  person: Person,
  world: World,
): 'in' | 'out' | 'unknown' {
  const words = person.consents.filter((word) => word.channel === channel);
  const ofChannel = words.filter((word) => word.topic === '').map(({ word }) => word);
  if (ofChannel.includes('out')) return 'out';
  const described = topic === undefined ? undefined : world.topics?.get(topic);
  const path: readonly (string | undefined)[] = described?.transactional
    ? described.path
    : [...(described?.path ?? [topic]), 'marketing'];
  const nearest = (['profile', 'address'] as const).map((about) => {
    for (const key of path) {
      const said = words.find((word) => word.about === about && word.topic === key);
      if (said) return said.word;
    }
    return undefined;
  });
  if (nearest.includes('out')) return 'out';
  if (nearest.includes('in')) return 'in';
  return ofChannel.includes('in') && !nearest.includes('pending') ? 'in' : 'unknown';
}

function did(
  clause: EventClause,
  person: Person,
  place: { now: Date; zone: string },
  within: (at: Date, span: string | undefined) => boolean,
): { holds: boolean; seen: unknown } {
  const sorted = [...person.events].sort((a, b) => a.at.getTime() - b.at.getTime() || (a.id < b.id ? -1 : 1));
  const has = (event: PersonEvent, tests: EventClause['where']): boolean =>
    (tests ?? []).every((test) => testHolds(at(event.properties, test.property), test, place));
  const fits = (event: PersonEvent): boolean =>
    event.name === clause.event &&
    within(event.at, clause.within) &&
    (clause.since === undefined || event.at >= new Date(clause.since)) &&
    (clause.before === undefined || event.at < new Date(clause.before)) &&
    has(event, clause.where);
  const { then, occurrence } = clause;
  if (then) {
    const after = sorted.find(
      (second) =>
        second.name === then.event &&
        has(second, then.where) &&
        sorted.some(
          (first) =>
            fits(first) &&
            first.at < second.at &&
            (then.within === undefined ||
              second.at.getTime() <= first.at.getTime() + secondsIn(then.within) * 1000),
        ),
    );
    return { holds: after !== undefined, seen: after?.at };
  }
  if (occurrence) {
    const named = sorted.filter(({ name }) => name === clause.event);
    const event = occurrence === 'first' ? named.at(0) : named.at(-1);
    return {
      holds: event !== undefined && fits(event),
      seen: event && { at: event.at, ...event.properties },
    };
  }
  const seen = sorted.filter(fits).length;
  return { holds: often(seen, clause), seen };
}

function matches(
  clause: MessageClause,
  message: PersonMessage,
  within: (at: Date | null, span: string | undefined) => boolean,
): boolean {
  const { campaign, journey } = clause;
  if (clause.channel !== undefined && message.channel !== clause.channel) return false;
  if (clause.class !== undefined && message.class !== clause.class) return false;
  if (clause.topic !== undefined && message.topic !== clause.topic) return false;
  if (clause.template !== undefined && message.template !== clause.template) return false;
  if (
    campaign !== undefined &&
    !(message.source === 'campaign' && (message.sourceId === campaign || message.campaign === campaign))
  )
    return false;
  if (journey !== undefined && !(message.source === 'journey' && message.sourceId === journey)) return false;
  const told = (type: string): boolean => message.told.some((line) => line.type === type);
  switch (clause.message) {
    case 'sent':
      return message.sentAt !== null && within(message.sentAt, clause.within);
    case 'delivered':
      return message.deliveredAt !== null && within(message.deliveredAt, clause.within);
    case 'notOpened':
      return message.sentAt !== null && within(message.sentAt, clause.within) && !told('opened');
    case 'notClicked':
      return message.sentAt !== null && within(message.sentAt, clause.within) && !told('clicked');
    case 'failed':
    case 'suppressed':
    case 'unknown':
      return message.status === clause.message && within(message.sentAt ?? message.createdAt, clause.within);
    case 'bounced':
      return (
        message.status === 'failed' &&
        message.reason === 'bounced' &&
        within(message.sentAt ?? message.createdAt, clause.within)
      );
    default:
      return message.told.some((line) => line.type === clause.message && within(line.at, clause.within));
  }
}

function often(count: number, { atLeast, atMost }: { atLeast?: number; atMost?: number }): boolean {
  if (atLeast === undefined && atMost === undefined) return count >= 1;
  return count >= (atLeast ?? 0) && count <= (atMost ?? Infinity);
}

/** A value inside nested objects; undefined where the path leads nowhere. */
function at(root: unknown, path: Path): unknown {
  let value: unknown = root;
  for (const step of typeof path === 'string' ? [path] : path) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
    if (!Object.hasOwn(value, step)) return undefined;
    value = (value as Record<string, unknown>)[step];
  }
  return value;
}

/** The chain profile → phone → workspace; a zone that the database does not know is none. */
function zoneOfPerson({ timezone, phoneZone }: Person, { zone, zones }: World): string {
  if (timezone !== null && zones.has(timezone)) return timezone;
  return phoneZone !== null && zones.has(phoneZone) ? phoneZone : zone;
}

function valueOf(subject: Subject, person: Person): unknown {
  if ('attribute' in subject) return at(person.attributes, subject.attribute);
  if ('field' in subject) return person[subject.field];
  const value = person.activity[subject.activity];
  const counted = ['events', 'sent', 'opened', 'clicked'].includes(subject.activity);
  return value ?? (counted ? 0 : undefined);
}

/** Numbers and times before texts before everything else, whichever the direction. */
function compareBy(a: unknown, b: unknown, direction: 'ascending' | 'descending'): number {
  const sign = direction === 'descending' ? -1 : 1;
  const kind = (value: unknown): number =>
    typeof value === 'number' || value instanceof Date ? 0 : typeof value === 'string' ? 1 : 2;
  if (kind(a) !== kind(b)) return kind(a) - kind(b);
  if (kind(a) === 0) return sign * (Number(a) - Number(b));
  return kind(a) === 1 ? sign * Buffer.compare(Buffer.from(a as string), Buffer.from(b as string)) : 0;
}

const hash = (salt: string, id: string): string => createHash('md5').update(`${salt}:${id}`).digest('hex');

function inShare(share: { from: number; to: number; salt?: string | undefined }, id: string): boolean {
  const place = Number.parseInt(hash(share.salt ?? '', id).slice(0, 8), 16);
  const [from, to] = shareBounds(share);
  return place >= from && place < to;
}

/** Equal for equal JSON, whatever the order of keys. */
function canonical(value: unknown): string {
  if (value instanceof Date) return value.toISOString();
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([key, inner]) => `${JSON.stringify(key)}:${canonical(inner)}`).join()}}`;
}
