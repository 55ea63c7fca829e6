/** Phone numbers to E.164 (ITU-T), by the numbering plans of libphonenumber. */
import parsePhoneNumber, { type CountryCode } from 'libphonenumber-js/max';
import type { Normalized } from './normalized.js';

/** @param defaultCountry for numbers written without a country, by ISO 3166 code */
export function normalizePhone(
  text: string,
  defaultCountry?: string,
): Normalized<{ country: string | null }> {
  const number =
    text.length <= 40
      ? parsePhoneNumber(text, {
          ...(defaultCountry ? { defaultCountry: defaultCountry as CountryCode } : {}),
          extract: false,
        })
      : undefined;
  if (!number)
    return {
      ok: false,
      code: 'invalid_phone',
      sentence: `is not a phone number: write it with + and country code, like +442071838750`,
    };
  if (!number.isPossible())
    return {
      ok: false,
      code: 'invalid_phone',
      sentence: `has too few or too many digits for its country: write it in full, like +442071838750`,
    };
  return { ok: true, value: number.number, original: text, country: number.country ?? null };
}
