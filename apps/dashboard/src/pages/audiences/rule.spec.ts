import { describe, expect, it } from '@jest/globals';
import { Clause } from '@carillon/contracts';
import {
  comparisons,
  comparisonsOf,
  kindOf,
  kinds,
  newClause,
  scalarFrom,
  typedFrom,
  withComparison,
} from './rule.js';

describe('the rule builder', () => {
  it.each(kinds)('a new $kind is one the contract takes, once its names are filled in', ({ kind }) => {
    const filled = JSON.parse(
      JSON.stringify(newClause(kind)).replace(/"(attribute|event|audience)":""/, '"$1":"name"'),
    ) as unknown;
    expect(Clause.safeParse(filled).error).toBeUndefined();
    expect(kindOf(newClause(kind))).toBe(kind);
  });
  it.each(Object.keys(comparisons) as (keyof typeof comparisons)[])(
    '%s begins with a value the contract takes',
    (one) => {
      const clause = withComparison({ attribute: 'a' }, one) as Record<string, unknown>;
      const value = clause[one];
      const given = value === '' ? 'x' : Array.isArray(value) && value.length === 0 ? ['x'] : value;
      expect(Clause.safeParse({ ...clause, [one]: given }).error).toBeUndefined();
    },
  );
  it('fields and activity know only what fits them', () => {
    for (const name of ['email', 'createdAt'])
      for (const one of comparisonsOf('field', name))
        expect(
          JSON.stringify(Clause.safeParse(withComparison({ field: name }, one, undefined)).error ?? ''),
        ).not.toMatch(/cannot be compared/);
  });
  it('reads what people type, and writes it so that it is read the same', () => {
    for (const value of ['pro', 'true', '3', '-1.5', '"x"', 3, true, ''])
      expect(scalarFrom(typedFrom(value))).toBe(value);
  });
});
