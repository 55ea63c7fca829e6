/** The short way for numbers in E.164 says what the long way says: a blank in the number is enough to take the long one. */
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { getCountries, getCountryCallingCode } from 'libphonenumber-js/max';
import examples from 'libphonenumber-js/mobile/examples';
import { normalizePhone } from './index.js';
import { plainPhone } from './plain-phone.js';

const said = (text: string): unknown => {
  const result = normalizePhone(text);
  return result.ok ? [result.value, result.country] : result.code;
};
/** Some digits of a number that exists changed, one added in front, one more or less behind. */
const number = fc
  .record({
    country: fc.constantFrom(...getCountries()),
    changed: fc.array(fc.tuple(fc.nat(14), fc.nat(9)), { maxLength: 4 }),
    before: fc.constantFrom('', '', '', '0', '1', '15', '9'),
    behind: fc.constantFrom('', '', '', '7', '-'),
  })
  .map(({ country, changed, before, behind }) => {
    const digits = [...(examples[country] ?? '')];
    for (const [at, digit] of changed) if (at < digits.length) digits[at] = String(digit);
    const national = before + digits.join('');
    return [getCountryCallingCode(country), behind === '-' ? national.slice(0, -1) : national + behind];
  });

describe('a number in E.164', () => {
  it('is judged as if it were written otherwise', () =>
    fc.assert(
      fc.property(number, ([code, national]) => {
        expect(said(`+${code}${national}`)).toEqual(said(`+${code} ${national}`));
      }),
      { numRuns: 3_000 },
    ));

  it('is mostly judged the short way', () => {
    const plain = getCountries().filter((name) =>
      plainPhone(`+${getCountryCallingCode(name)}${examples[name] ?? ''}`),
    );
    expect(plain.length).toBeGreaterThan(getCountries().length * 0.8);
  });
});
