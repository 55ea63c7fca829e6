/** Clauses and what was seen, in sentences: for `explain`, and for whoever reads a rule. Pure. */
import type { Clause, Leaf, Path, Test } from '@carillon/contracts';

const pathName = (path: Path): string => (typeof path === 'string' ? path : path.join('.'));
const shown = (value: unknown): string =>
  typeof value === 'string'
    ? `“${value}”`
    : value instanceof Date
      ? value.toISOString()
      : JSON.stringify(value);
const anyOf = (values: readonly unknown[]): string =>
  values.length > 5
    ? `${values.slice(0, 5).map(shown).join(', ')} … (${values.length})`
    : values.map(shown).join(', ');

/** What a comparison asks: `is “pro”`. */
export function testSentence(test: Test): string {
  if (test.is !== undefined) return `is ${shown(test.is)}`;
  if (test.isNot !== undefined) return `is not ${shown(test.isNot)}`;
  if (test.in) return `is one of ${anyOf(test.in)}`;
  if (test.notIn) return `is none of ${anyOf(test.notIn)}`;
  if (test.exists !== undefined) return test.exists ? 'has a value' : 'has no value';
  if (test.above !== undefined) return `is above ${test.above}`;
  if (test.atLeast !== undefined) return `is at least ${test.atLeast}`;
  if (test.below !== undefined) return `is below ${test.below}`;
  if (test.atMost !== undefined) return `is at most ${test.atMost}`;
  if (test.between) return `is between ${test.between[0]} and ${test.between[1]}`;
  if (test.contains !== undefined) return `contains ${shown(test.contains)}`;
  if (test.startsWith !== undefined) return `begins with ${shown(test.startsWith)}`;
  if (test.endsWith !== undefined) return `ends with ${shown(test.endsWith)}`;
  if (test.hasAny) return `has any of ${anyOf(test.hasAny)}`;
  if (test.hasAll) return `has all of ${anyOf(test.hasAll)}`;
  if (test.hasNone) return `has none of ${anyOf(test.hasNone)}`;
  if (test.before !== undefined) return `is before ${test.before}`;
  if (test.since !== undefined) return `is at or after ${test.since}`;
  if (test.on !== undefined) return `is on the day ${test.on}`;
  if (test.anniversary !== undefined) return `has its anniversary ${test.anniversary}`;
  if (test.withinLast !== undefined) return `is within the last ${spanWords(test.withinLast)}`;
  return `is within the next ${spanWords(test.withinNext ?? '')}`;
}

const UNITS: Readonly<Record<string, string>> = { m: 'minute', h: 'hour', d: 'day', w: 'week' };
/** `30d` as `30 days`, `1h` as `hour`: what stands after “the last”. */
function spanWords(span: string): string {
  const [, count = '', unit = ''] = /^(\d+)([mhdw])$/.exec(span) ?? [];
  const word = UNITS[unit];
  if (word === undefined) return span;
  return count === '1' ? word : `${count} ${word}s`;
}
const timesWord = (count: number): string => (count === 1 ? 'once' : `${count} times`);

const times = (clause: { atLeast?: number; atMost?: number }): string => {
  const { atLeast, atMost } = clause;
  if (atMost === 0) return 'never';
  if (atLeast !== undefined && atLeast === atMost) return `exactly ${timesWord(atLeast)}`;
  const bounds = [
    ...(atLeast === undefined ? [] : [`at least ${timesWord(atLeast)}`]),
    ...(atMost === undefined ? [] : [`at most ${timesWord(atMost)}`]),
  ];
  return bounds.join(' and ') || 'at least once';
};
const lately = (span: string | undefined): string => (span ? ` in the last ${spanWords(span)}` : '');

/** What a clause asks, as a sentence. */
export function clauseSentence(clause: Clause): string {
  if ('and' in clause)
    return clause.and.length === 0 ? 'Everybody.' : clause.and.map(clauseSentence).join(' And: ');
  if ('or' in clause) return clause.or.map(clauseSentence).join(' Or: ');
  if ('not' in clause) return `Not: ${clauseSentence(clause.not)}`;
  if ('attribute' in clause) return `${pathName(clause.attribute)} ${testSentence(clause)}.`;
  if ('field' in clause) return `${clause.field} ${testSentence(clause)}.`;
  if ('activity' in clause) return `${clause.activity} ${testSentence(clause)}.`;
  if ('event' in clause) {
    const where = (clause.where ?? []).map((test) => `${pathName(test.property)} ${testSentence(test)}`);
    const having = where.length > 0 ? ` where ${where.join(' and ')}` : '';
    const span = `${lately(clause.within)}${clause.since ? ` since ${clause.since}` : ''}${clause.before ? ` before ${clause.before}` : ''}`;
    if (clause.then) {
      const then = (clause.then.where ?? []).map(
        (test) => `${pathName(test.property)} ${testSentence(test)}`,
      );
      return `Did ${clause.event}${having}${span}, and after it ${clause.then.event}${then.length > 0 ? ` where ${then.join(' and ')}` : ''}${clause.then.within ? ` within ${within(clause.then.within)}` : ''}.`;
    }
    if (clause.occurrence) return `The ${clause.occurrence} ${clause.event} was${span || ' there'}${having}.`;
    return `Did ${clause.event}${having} ${times(clause)}${span}.`;
  }
  if ('message' in clause) {
    const of = (['channel', 'class', 'template', 'campaign', 'journey', 'topic'] as const).flatMap((key) =>
      clause[key] === undefined ? [] : [`${key} ${clause[key]}`],
    );
    return `A message${of.length > 0 ? ` of ${of.join(', ')}` : ''} was ${OUTCOMES[clause.message] ?? clause.message} ${times(clause)}${lately(clause.within)}.`;
  }
  if ('consent' in clause)
    return `Consent to ${clause.consent}${clause.topic ? ` (${clause.topic})` : ''} is ${clause.is}.`;
  if ('suppressed' in clause)
    return `The address for ${clause.suppressed} is on the suppression list${clause.reason ? ` (${clause.reason.join(', ')})` : ''}.`;
  if ('device' in clause)
    return `Has ${clause.device === 'any' ? 'a device' : `a device of ${clause.device}`}${clause.app ? ` with ${clause.app}` : ''} (${times(clause)})${clause.seenWithin ? ` seen in the last ${spanWords(clause.seenWithin)}` : ''}.`;
  if ('audience' in clause) return `Is in the audience ${clause.audience}.`;
  return `Is in the share from ${clause.share.from} to ${clause.share.to} percent${clause.share.salt ? ` (${clause.share.salt})` : ''}.`;
}
const OUTCOMES: Readonly<Record<string, string>> = {
  notOpened: 'sent and not opened',
  notClicked: 'sent and not clicked',
  replied: 'replied to',
  complained: 'complained of',
  unsubscribed: 'unsubscribed from',
};

const soOften = (seen: number): string => (seen === 0 ? 'It was never so.' : `It was so ${timesWord(seen)}.`);
const within = (span: string): string =>
  spanWords(span) === UNITS[span.at(-1) ?? ''] ? `one ${spanWords(span)}` : spanWords(span);

/** What there was, as a sentence. */
export function seenSentence(clause: Leaf, seen: unknown): string {
  const none = seen === undefined || seen === null;
  if ('attribute' in clause) return none ? 'There is no value.' : `It is ${shown(seen)}.`;
  if ('field' in clause || 'activity' in clause) return none ? 'There is no value.' : `It is ${shown(seen)}.`;
  if ('event' in clause) {
    if (clause.then) return none ? 'It did not come in this order.' : `The second came at ${shown(seen)}.`;
    if (clause.occurrence) return none ? 'There is none.' : `It was ${shown(seen)}.`;
    return soOften(Number(seen));
  }
  if ('message' in clause) return soOften(Number(seen));
  if ('consent' in clause) return `It is ${String(seen)}.`;
  if ('suppressed' in clause) return none ? 'It is not on the list.' : `It is there: ${String(seen)}.`;
  if ('device' in clause) return `There are ${String(seen)}.`;
  if ('audience' in clause) return seen === true ? 'It has this person.' : 'It does not have this person.';
  return `This person stands at ${Number(seen).toFixed(2)} percent.`;
}
