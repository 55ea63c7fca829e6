/** What the rule builder knows about clauses: their kinds, comparisons, and what a new one looks like. Pure. */
import type { Clause, Scalar, Test } from '@carillon/contracts';

export type LeafKind =
  | 'attribute'
  | 'field'
  | 'activity'
  | 'event'
  | 'message'
  | 'consent'
  | 'suppressed'
  | 'device'
  | 'audience'
  | 'share';
export type Group = { and: Clause[] } | { or: Clause[] };

export const kinds: { kind: LeafKind; label: string }[] = [
  { kind: 'attribute', label: 'Attribute' },
  { kind: 'event', label: 'Event' },
  { kind: 'message', label: 'Message' },
  { kind: 'field', label: 'Profile field' },
  { kind: 'activity', label: 'Activity' },
  { kind: 'consent', label: 'Consent' },
  { kind: 'suppressed', label: 'Suppression' },
  { kind: 'device', label: 'Device' },
  { kind: 'audience', label: 'Other audience' },
  { kind: 'share', label: 'Share of people' },
];
export const newClause = (kind: LeafKind): Clause =>
  ({
    attribute: { attribute: '', is: '' },
    field: { field: 'email', exists: true },
    activity: { activity: 'lastSeenAt', withinLast: '30d' },
    event: { event: '', within: '30d' },
    message: { message: 'opened', within: '30d' },
    consent: { consent: 'email', is: 'in' },
    suppressed: { suppressed: 'email' },
    device: { device: 'any' },
    audience: { audience: '' },
    share: { share: { from: 0, to: 50 } },
  })[kind] as Clause;
export const kindOf = (clause: Clause): LeafKind | 'and' | 'or' | 'not' =>
  (Object.keys(clause).find((key) =>
    ['and', 'or', 'not', ...kinds.map(({ kind }) => kind as string)].includes(key),
  ) ?? 'and') as LeafKind;

/** Comparisons in the order people look for them, and what they take. */
export const comparisons: Record<
  keyof Test,
  { label: string; takes: 'one' | 'many' | 'number' | 'pair' | 'text' | 'yes' | 'when' | 'day' | 'span' }
> = {
  is: { label: 'is', takes: 'one' },
  isNot: { label: 'is not', takes: 'one' },
  in: { label: 'is one of', takes: 'many' },
  notIn: { label: 'is none of', takes: 'many' },
  exists: { label: 'has a value', takes: 'yes' },
  above: { label: 'is above', takes: 'number' },
  atLeast: { label: 'is at least', takes: 'number' },
  below: { label: 'is below', takes: 'number' },
  atMost: { label: 'is at most', takes: 'number' },
  between: { label: 'is between', takes: 'pair' },
  contains: { label: 'contains', takes: 'text' },
  startsWith: { label: 'begins with', takes: 'text' },
  endsWith: { label: 'ends with', takes: 'text' },
  hasAny: { label: 'has any of', takes: 'many' },
  hasAll: { label: 'has all of', takes: 'many' },
  hasNone: { label: 'has none of', takes: 'many' },
  before: { label: 'is before', takes: 'when' },
  since: { label: 'is at or after', takes: 'when' },
  on: { label: 'is on the day', takes: 'day' },
  anniversary: { label: 'has its anniversary', takes: 'day' },
  withinLast: { label: 'is within the last', takes: 'span' },
  withinNext: { label: 'is within the next', takes: 'span' },
};
export type Comparison = keyof Test;
const every = Object.keys(comparisons) as Comparison[];
const text: Comparison[] = ['is', 'isNot', 'in', 'notIn', 'exists', 'contains', 'startsWith', 'endsWith'];
const count: Comparison[] = ['is', 'above', 'atLeast', 'below', 'atMost', 'between'];
const time: Comparison[] = ['withinLast', 'withinNext', 'before', 'since', 'on', 'anniversary', 'exists'];
export const fields = ['email', 'phone', 'locale', 'timezone', 'externalId', 'createdAt', 'updatedAt'];
export const activities = [
  'events',
  'sent',
  'opened',
  'clicked',
  'firstSeenAt',
  'lastSeenAt',
  'lastSentAt',
  'lastOpenedAt',
  'lastClickedAt',
];
/** Which comparisons fit what is compared. */
export const comparisonsOf = (
  kind: 'attribute' | 'field' | 'activity' | 'property',
  name: string,
): Comparison[] => {
  if (kind === 'attribute' || kind === 'property') return every;
  if (name.endsWith('At')) return time;
  return kind === 'field' ? text : count;
};
export const comparisonIn = (test: object): Comparison | undefined =>
  every.find((key) => (test as Test)[key] !== undefined);

/** A clause with another comparison: a value that still fits is kept. */
export const withComparison = <C extends object>(clause: C, comparison: Comparison, value?: unknown): C => {
  const rest = Object.fromEntries(
    Object.entries(clause).filter(([key]) => !(every as string[]).includes(key)),
  );
  const before = comparisonIn(clause);
  const same = before && comparisons[before].takes === comparisons[comparison].takes;
  const first = {
    one: '',
    many: [],
    number: 0,
    pair: [0, 1],
    text: '',
    yes: true,
    when: 'today',
    day: 'today',
    span: '30d',
  };
  const kept = same ? (clause as Test)[before] : first[comparisons[comparison].takes];
  return { ...rest, [comparison]: value ?? kept } as C;
};

/** A number or a truth value where one was written, else text; quotes keep a text a text. */
export const scalarFrom = (typed: string): Scalar => {
  if (typed === 'true' || typed === 'false') return typed === 'true';
  if (/^-?\d+(\.\d+)?$/.test(typed)) return Number(typed);
  return /^".*"$/.test(typed) ? typed.slice(1, -1) : typed;
};
export const typedFrom = (value: unknown): string =>
  typeof value === 'string' && scalarFrom(value) !== value ? `"${value}"` : String(value ?? '');

/** A definition's rule as a group: what the builder draws. */
export const asGroup = (where: Clause): Group => ('and' in where || 'or' in where ? where : { and: [where] });
export const childrenOf = (group: Group): Clause[] => ('and' in group ? group.and : group.or);
export const regroup = (group: Group, children: Clause[]): Group =>
  'and' in group ? { and: children } : { or: children };
