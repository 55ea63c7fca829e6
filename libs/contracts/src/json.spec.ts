/** What is looked over by hand is judged as zod would judge it, in zod's words. */
import { expect, it } from '@jest/globals';
import fc from 'fast-check';
import { z } from 'zod';
import { Data } from './messages.js';

const byZod = z.record(z.string().min(1).max(100), z.json());

it('judges whatever it is given as zod does (1,500)', () => {
  const anything = fc.oneof(
    fc.dictionary(fc.string(), fc.anything({ withDate: true, withNullPrototype: true, maxDepth: 3 })),
    fc.dictionary(fc.string({ minLength: 1 }), fc.jsonValue()),
    fc.anything(),
  );
  fc.assert(
    fc.property(anything, (given) => {
      const [ours, zods] = [Data.safeParse(given), byZod.safeParse(given)];
      expect(ours.error?.issues).toEqual(zods.error?.issues);
      if (ours.success) expect(JSON.stringify(ours.data)).toBe(JSON.stringify(zods.data));
    }),
    { numRuns: 1500 },
  );
});
