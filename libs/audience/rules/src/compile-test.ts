/**
 * One comparison as SQL. Every answer is true or false, never null: what is missing, or of another JSON type, does not
 * match, and its negation does. Nothing here can raise: no cast meets a value that was not looked at before.
 */
import type { Test } from '@carillon/contracts';
import type { Params } from './params.js';
import { dayOfWord, momentOf, secondsIn } from './spans.js';

export interface Operand {
  /** json: a value of an attribute or a property; count: never null. */
  kind: 'json' | 'text' | 'count' | 'time';
  sql: string;
  /** The person's zone, as SQL: asked for only when the comparison needs it. */
  zone: () => string;
}

export interface Moments {
  now: Date;
}

/** @returns an expression that is true or false */
export function testSql(operand: Operand, test: Test, params: Params, { now }: Moments): string {
  const { kind, sql: v } = operand;
  const json = kind === 'json';
  const some = (values: readonly unknown[]): string =>
    json
      ? `${v} = ANY(${params.add(
          values.map((value) => JSON.stringify(value)),
          'jsonb[]',
        )})`
      : `${v} = ANY(${params.add(
          values.filter((value) => typeof value === (kind === 'count' ? 'number' : 'string')),
          kind === 'count' ? 'numeric[]' : 'text[]',
        )})`;
  // Each by itself: where the first is null, an AND of both would still ask the second, which mostly costs far more.
  const truly = (...conditions: string[]): string =>
    `(${conditions.map((condition) => `(${condition}) IS TRUE`).join(' AND ')})`;
  const size = (comparison: string, limit: number): string =>
    json
      ? truly(
          `jsonb_typeof(${v}) = 'number'`,
          `${v} ${comparison} ${params.add(JSON.stringify(limit), 'jsonb')}`,
        )
      : truly(`${v} ${comparison} ${params.add(limit, 'numeric')}`);
  const asText = json ? `(${v} #>> '{}')` : v;
  const textual = (condition: string): string =>
    json ? truly(`jsonb_typeof(${v}) = 'string'`, condition) : truly(condition);
  const moment = (): string => (json ? `moment_in(${asText}, ${operand.zone()})` : v);
  const day = (): string =>
    json ? `day_in(${asText}, ${operand.zone()})` : `(${v} AT TIME ZONE ${operand.zone()})::date`;
  const nowSql = (): string => params.add(now.toISOString(), 'timestamptz');
  const today = (shift: number): string =>
    `((${nowSql()} AT TIME ZONE ${operand.zone()})::date + ${params.add(shift, 'integer')})`;
  const startOf = (date: string): string => `(${date}::timestamp AT TIME ZONE ${operand.zone()})`;
  const when = (word: string): string => {
    const meant = momentOf(word, now);
    if ('at' in meant) return params.add(meant.at.toISOString(), 'timestamptz');
    return startOf('date' in meant ? params.add(meant.date, 'date') : today(meant.dayFromToday));
  };
  // A text that tells a moment begins with a date at most two days away from it: comparing texts costs a hundredth of
  // reading them, and leaves few to be read.
  const near = (from: Span, to: Span): string => {
    if (!json) return 'TRUE';
    const bounds = [from && dateText(from, -3), to && dateText(to, 3)];
    const begins = `(left(${asText}, 10) COLLATE "C")`;
    return [
      ...(bounds[0] ? [`${begins} >= ${params.add(bounds[0], 'text')}`] : []),
      ...(bounds[1] ? [`${begins} <= ${params.add(bounds[1], 'text')}`] : []),
      'TRUE',
    ].join(' AND ');
  };
  const about = (word: string): Date => {
    const meant = momentOf(word, now);
    if ('at' in meant) return meant.at;
    return 'date' in meant ? new Date(meant.date) : new Date(now.getTime() + meant.dayFromToday * DAY);
  };
  const nearAnniversary = (word: string): string => {
    if (!json) return 'TRUE';
    const base = about(word);
    const days = Array.from({ length: 7 }, (_, i) => dateText(base, i - 3)?.slice(5) ?? '');
    const leap = ['02-27', '02-28', '02-29', '03-01', '03-02'];
    const all = days.some((day) => leap.includes(day)) ? [...new Set([...days, ...leap])] : days;
    return `substr(${asText}, 6, 5) = ANY(${params.add(all, 'text[]')})`;
  };
  const dayWord = (word: string): string => {
    const meant = dayOfWord(word);
    return 'date' in meant ? params.add(meant.date, 'date') : today(meant.dayFromToday);
  };
  const ahead = (span: string, sign: 1 | -1): Date => new Date(now.getTime() + sign * secondsIn(span) * 1000);
  const shifted = (span: string, sign: 1 | -1): string =>
    params.add(ahead(span, sign).toISOString(), 'timestamptz');

  if (test.is !== undefined) return truly(some([test.is]));
  if (test.isNot !== undefined) return `(NOT ${truly(some([test.isNot]))})`;
  if (test.in) return truly(some(test.in));
  if (test.notIn) return `(NOT ${truly(some(test.notIn))})`;
  if (test.exists !== undefined) {
    const there = json ? truly(`jsonb_typeof(${v}) <> 'null'`) : `(${v} IS NOT NULL)`;
    return test.exists ? there : `(NOT ${there})`;
  }
  if (test.above !== undefined) return size('>', test.above);
  if (test.atLeast !== undefined) return size('>=', test.atLeast);
  if (test.below !== undefined) return size('<', test.below);
  if (test.atMost !== undefined) return size('<=', test.atMost);
  if (test.between) return `(${size('>=', test.between[0])} AND ${size('<=', test.between[1])})`;
  if (test.contains !== undefined)
    return textual(`strpos(${asText}, ${params.add(test.contains, 'text')}) > 0`);
  if (test.startsWith !== undefined)
    return textual(`starts_with(${asText}, ${params.add(test.startsWith, 'text')})`);
  if (test.endsWith !== undefined) {
    const end = params.add(test.endsWith, 'text');
    return textual(`right(${asText}, length(${end})) = ${end}`);
  }
  // A list of one is contained in a list that has it; nothing else contains a list.
  const each = (values: readonly unknown[]): string =>
    params.add(
      values.map((value) => JSON.stringify([value])),
      'jsonb[]',
    );
  if (test.hasAny) return truly(`${v} @> ANY(${each(test.hasAny)})`);
  if (test.hasAll) return truly(`${v} @> ${params.add(JSON.stringify(test.hasAll), 'jsonb')}`);
  if (test.hasNone) return `(NOT ${truly(`${v} @> ANY(${each(test.hasNone)})`)})`;
  if (test.before !== undefined)
    return truly(near(undefined, about(test.before)), `${moment()} < ${when(test.before)}`);
  if (test.since !== undefined)
    return truly(near(about(test.since), undefined), `${moment()} >= ${when(test.since)}`);
  if (test.on !== undefined)
    return truly(near(about(test.on), about(test.on)), `${day()} = ${dayWord(test.on)}`);
  if (test.anniversary !== undefined)
    return truly(
      nearAnniversary(test.anniversary),
      `same_day_of_year(${day()}, ${dayWord(test.anniversary)})`,
    );
  if (test.withinLast !== undefined)
    return truly(
      near(ahead(test.withinLast, -1), now),
      `${moment()} > ${shifted(test.withinLast, -1)} AND ${moment()} <= ${nowSql()}`,
    );
  if (test.withinNext !== undefined)
    return truly(
      near(now, ahead(test.withinNext, 1)),
      `${moment()} >= ${nowSql()} AND ${moment()} < ${shifted(test.withinNext, 1)}`,
    );
  return 'FALSE';
}

type Span = Date | undefined;
const DAY = 86_400_000;

/** The date so many days from another, as text; nothing where it would have no four digits for its year. */
function dateText(at: Date, days: number): string | undefined {
  const date = new Date(at.getTime() + days * DAY);
  const year = date.getUTCFullYear();
  return year >= 1 && year <= 9999 ? date.toISOString().slice(0, 10) : undefined;
}
