/**
 * Phone numbers in E.164, by Google's numbering metadata in its full edition. Whether somebody answers is not known here.
 */
import {
  isSupportedCountry,
  parsePhoneNumberWithError,
  ParseError,
  type CountryCode,
} from 'libphonenumber-js/max';
import { refuse, type Checked } from './checked.js';
import { plainPhone } from './plain-phone.js';

/**
 * @param defaultCountry ISO 3166-1 alpha-2, for numbers written without + and country code
 * @returns `value` in E.164 (`+442071838750`) · `country`, undefined for numbers that belong to none, such as +800. A number
 *   that has a right length but lies in no range known to be given out is accepted, because the metadata is always behind the
 *   regulators and because the ranges for films and examples are among them.
 */
export function normalizePhone(
  text: string,
  defaultCountry?: string,
): Checked<string, { country: string | undefined }> {
  const usual = !defaultCountry || isSupportedCountry(defaultCountry.toUpperCase());
  const plain = usual ? plainPhone(text) : undefined;
  if (plain) return { ok: true, value: text, original: text, country: plain.country };
  // NFKC turns full-width digits and signs into plain ones.
  const trimmed = text.normalize('NFKC').trim().replace(/^tel:/i, '');
  if (!trimmed) return refuse('empty', 'Write a number such as +442071838750.');
  if (trimmed.length > 60) return refuse('too_long', 'A phone number has at most 15 digits.');
  if (/[\u0000-\u001f\u007f-\u009f]/.test(trimmed)) {
    return refuse('control_character', 'A phone number has no line breaks or control characters.');
  }
  try {
    const number = parsePhoneNumberWithError(trimmed, {
      ...(defaultCountry && { defaultCountry: defaultCountry.toUpperCase() as CountryCode }),
      extract: false,
    });
    if (number.ext) return refuse('extension', 'Leave the extension out: messages cannot be sent to one.');
    if (!number.isPossible()) {
      return refuse('not_a_phone', 'A number of that country has another length: check for missing digits.');
    }
    const { country, number: value } = number;
    // A national prefix is taken off once; what then begins with another would change each time it is read.
    if (number.nationalNumber.startsWith('0') && parsePhoneNumberWithError(value).number !== value) {
      return refuse(
        'not_a_phone',
        'Write the number without the 0 that stands before it inside its country.',
      );
    }
    const countries = country ? [country] : number.getPossibleCountries();
    return {
      ok: true,
      value,
      original: text,
      country: countries.length === 1 ? countries[0] : undefined,
    };
  } catch (error) {
    if (!(error instanceof ParseError)) throw error;
    if (error.message === 'INVALID_COUNTRY') {
      return refuse('no_country', 'Write the number with + and its country code: +442071838750.');
    }
    return refuse('not_a_phone', 'Write the number in digits, with + and its country code: +442071838750.');
  }
}
