/** What people are told about rules that do not hold together: the clause at fault, and what to write instead. */
import { AudienceDefinition } from '@carillon/contracts';
import { describe, expect, it } from '@jest/globals';
import { errorsOf } from './sentences.js';

const errors = (where: unknown, more: object = {}) => {
  const input = { where, ...more };
  const result = AudienceDefinition.safeParse(input);
  return result.success ? [] : errorsOf(AudienceDefinition, input, result.error);
};
const nested = (depth: number): unknown => {
  let clause: unknown = { attribute: 'plan', is: 'pro' };
  for (let i = 1; i < depth; i++) clause = i % 2 ? { not: clause } : { and: [clause] };
  return clause;
};

describe('a rule at fault', () => {
  it.each<[string, unknown, string, RegExp]>([
    ['no clause', { plan: 'pro' }, '/where', /one of the fields and, or, not, attribute, field/],
    ['a misspelt test', { attribute: 'plan', iss: 'pro' }, '/where/iss', /did you mean is\?/],
    [
      'no test',
      { and: [{ attribute: 'plan' }] },
      '/where/and/0',
      /Say what must hold, with one of is, isNot/,
    ],
    [
      'two tests',
      { or: [{ not: { attribute: 'visits', above: 1, below: 5 } }] },
      '/where/or/0/not/below',
      /Only one comparison may stand here/,
    ],
    [
      'a value of another type',
      { attribute: 'visits', above: 'many' },
      '/where/above',
      /Write a number, not a string/,
    ],
    ['a span of nothing', { event: 'a', within: '0d' }, '/where/within', /such as 30d/],
    ['a day that is none', { attribute: 'a', on: '2027-02-30' }, '/where/on', /today, yesterday/],
    [
      'a field compared wrongly',
      { field: 'email', above: 3 },
      '/where/above',
      /cannot be compared by above: use is/,
    ],
    ['an outcome as event', { event: 'message.opened' }, '/where/event', /\{"message": "opened"\}/],
    ['limits the wrong way round', { event: 'a', atLeast: 3, atMost: 2 }, '/where/atMost', /not be less/],
    ['a counted sequence', { event: 'a', atLeast: 3, then: { event: 'b' } }, '/where/then', /not counted/],
    ['an empty share', { share: { from: 5, to: 5 } }, '/where/share/to', /above from/],
    ['nothing to choose from', { or: [] }, '/where/or', /at least 1/],
    [
      'too many values',
      { attribute: 'a', in: Array.from({ length: 1001 }, (_, i) => i) },
      '/where/in',
      /at most 1000/,
    ],
    ['a regular expression', { attribute: 'a', matches: '(a+)+$' }, '/where/matches', /no field "matches"/],
  ])('%s', (_, where, pointer, message) => {
    const [first] = errors(where);
    expect(first).toMatchObject({ pointer, message: expect.stringMatching(message) });
  });

  it.each([21, 200, 100_000])('%d deep is refused without recursion', (depth) => {
    expect(errors(nested(depth))[0]?.message).toMatch(/more than 20 deep/);
  });

  it('20 deep, and 200 clauses, are taken; one more is not', () => {
    expect(errors(nested(20))).toEqual([]);
    const many = (n: number) => ({ or: Array.from({ length: n }, () => ({ attribute: 'plan', is: 'pro' })) });
    expect(errors(many(199))).toEqual([]);
    expect(errors(many(200))[0]?.message).toMatch(/more than 200 clauses/);
  });
});
