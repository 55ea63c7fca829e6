/** What is looked over by hand is judged as zod would judge it, in zod's words. */
import { expect, it } from '@jest/globals';
import fc from 'fast-check';
import { z } from 'zod';
import { Data } from './messages.js';

const byZod = z.record(z.string().min(1).max(100), z.json());

it('judges whatever it is given as zod does (400)', () => {
  const anything = fc.oneof(
    fc.dictionary(fc.string(), fc.anything({ withDate: true, withNullPrototype: true, maxDepth: 3 })),
    fc.dictionary(fc.string({ minLength: 1 }), fc.jsonValue()),
    fc.anything(),
    // What only a program can give.
    fc
      .constantFrom(NaN, Infinity, -0, undefined, 1n, new Date(0), new Map(), Symbol.iterator, () => 1)
      .chain((odd) => fc.constantFrom<unknown>({ a: odd }, { a: [1, odd] }, { a: { b: odd } }, odd)),
  );
  fc.assert(
    fc.property(anything, (given) => {
      const [ours, zods] = [Data.safeParse(given), byZod.safeParse(given)];
      expect(ours.error?.issues).toEqual(zods.error?.issues);
      if (ours.success) expect(JSON.stringify(ours.data)).toBe(JSON.stringify(zods.data));
    }),
    { numRuns: 400 },
  );
});
