import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { mergeProfiles, type Mergeable } from './index.js';

const text = fc.option(fc.string({ minLength: 1, maxLength: 3 }), { nil: null });
const profile: fc.Arbitrary<Mergeable> = fc.record({
  email: text,
  emailOriginal: text,
  phone: text,
  phoneOriginal: text,
  phoneCountry: text,
  phoneZone: text,
  locale: text,
  timezone: text,
  attributes: fc.dictionary(fc.constantFrom('a', 'b', 'c', 'd'), fc.jsonValue()),
});
const fields = ['email', 'phone', 'locale', 'timezone'] as const;

describe('mergeProfiles', () => {
  it('loses nothing that only one of the two knew, and lets the kept one win', () => {
    fc.assert(
      fc.property(profile, profile, (kept, merged) => {
        const { values, from } = mergeProfiles(kept, merged);
        for (const field of fields) {
          expect(values[field]).toBe(kept[field] ?? merged[field]);
          expect(from[field]).toBe(
            merged[field] === null ? undefined : kept[field] === null ? 'merged' : 'kept',
          );
        }
        expect(values.attributes).toEqual({ ...merged.attributes, ...kept.attributes });
      }),
    );
  });

  it('never puts parts of two addresses together', () => {
    fc.assert(
      fc.property(profile, profile, (kept, merged) => {
        const { values } = mergeProfiles(kept, merged);
        const whose = kept.phone === null && merged.phone !== null ? merged : kept;
        expect([values.phone, values.phoneOriginal, values.phoneCountry, values.phoneZone]).toEqual([
          whose.phone,
          whose.phoneOriginal,
          whose.phoneCountry,
          whose.phoneZone,
        ]);
      }),
    );
  });

  it('gives the same in whatever groups three profiles come together', () => {
    fc.assert(
      fc.property(profile, profile, profile, (a, b, c) => {
        const left = mergeProfiles(mergeProfiles(a, b).values, c).values;
        const right = mergeProfiles(a, mergeProfiles(b, c).values).values;
        expect(left).toEqual(right);
      }),
    );
  });

  it('changes nothing when it is done again', () => {
    fc.assert(
      fc.property(profile, profile, (a, b) => {
        const once = mergeProfiles(a, b).values;
        expect(mergeProfiles(once, b).values).toEqual(once);
      }),
    );
  });
});
