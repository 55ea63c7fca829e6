/**
 * Phone numbers in E.164, by Google's numbering metadata in its full edition. Whether somebody answers is not known here.
 */
import {
  getCountries,
  getCountryCallingCode,
  isSupportedCountry,
  Metadata,
  parsePhoneNumberWithError,
  ParseError,
  type CountryCode,
} from 'libphonenumber-js/max';
import { refuse, type Checked } from './checked.js';
import { plainPhone } from './plain-phone.js';

type Phone = Checked<string, { country: string | undefined; assigned: boolean }>;

/**
 * @param defaultCountry ISO 3166-1 alpha-2, for numbers written without + and country code
 * @returns `value` in E.164 (`+442071838750`) · `country`, undefined for numbers that belong to none, such as +800 ·
 *   `assigned`, false when the number has a right length but lies in no range known to be given out. Such numbers are
 *   accepted, because the metadata is always behind the regulators and because the ranges for films and examples are among
 *   them; callers may warn.
 */
export function normalizePhone(text: string, defaultCountry?: string): Phone {
  const usual = !defaultCountry || isSupportedCountry(defaultCountry.toUpperCase());
  return (usual ? asItStands(text) : undefined) ?? read(text, defaultCountry);
}

function read(text: string, defaultCountry?: string): Phone {
  // NFKC turns full-width digits and signs into plain ones.
  const trimmed = text.normalize('NFKC').trim().replace(/^tel:/i, '');
  if (!trimmed) return refuse('empty', 'Write a number such as +442071838750.');
  if (trimmed.length > 60) return refuse('too_long', 'A phone number has at most 15 digits.');
  if (/[\u0000-\u001f\u007f-\u009f]/.test(trimmed)) {
    return refuse('control_character', 'A phone number has no line breaks or control characters.');
  }
  const plain = plainPhone(trimmed);
  if (plain)
    return {
      ok: true,
      value: trimmed,
      original: text,
      country: plain.country,
      get assigned() {
        return parsePhoneNumberWithError(trimmed).isValid();
      },
    };
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
      // Asked by few, and half of the work.
      get assigned() {
        return number.isValid();
      },
    };
  } catch (error) {
    if (!(error instanceof ParseError)) throw error;
    if (error.message === 'INVALID_COUNTRY') {
      return refuse('no_country', 'Write the number with + and its country code: +442071838750.');
    }
    return refuse('not_a_phone', 'Write the number in digits, with + and its country code: +442071838750.');
  }
}

/** What is known of the numbers behind a country code, whichever of its countries they are of. */
interface Plan {
  /** Of the number without its country code: right in every one of them. */
  lengths: ReadonlySet<number>;
  /** Begins with what is to be taken off, or is written differently. */
  prefix: RegExp | undefined;
}
let plans: Map<string, Plan> | undefined;

function plansByCode(): Map<string, Plan> {
  const byCode = new Map<string, Plan>();
  for (const country of getCountries()) {
    const code: string = getCountryCallingCode(country);
    const lengths = new Set(planOf(country).possibleLengths());
    const known = byCode.get(code);
    const prefix = planOf(code).nationalPrefixForParsing();
    byCode.set(code, {
      lengths: known ? new Set([...known.lengths].filter((n) => lengths.has(n))) : lengths,
      prefix: prefix ? new RegExp(`^(?:${prefix})`) : undefined,
    });
  }
  return byCode;
}

/** As the package reads its own metadata when it parses; its types tell a part of it. */
function planOf(countryOrCode: string): {
  possibleLengths(): number[];
  nationalPrefixForParsing(): string | undefined;
} {
  const metadata = new Metadata();
  metadata.selectNumberingPlan(countryOrCode as CountryCode);
  return metadata.numberingPlan as unknown as ReturnType<typeof planOf>;
}

const WRITTEN_IN_FULL = /^\+[1-9]\d{6,14}$/;

/**
 * Most numbers come as they are kept. What parsing would find then follows from their length, at a fiftieth of the cost;
 * which country they are of is found out when somebody asks.
 * @returns undefined where it takes parsing to know
 */
function asItStands(text: string): Phone | undefined {
  if (!WRITTEN_IN_FULL.test(text)) return undefined;
  plans ??= plansByCode();
  for (let end = 2; end <= 4; end++) {
    // No code begins with another one.
    const plan = plans.get(text.slice(1, end));
    if (!plan) continue;
    const rest = text.slice(end);
    if (rest.startsWith('0') || !plan.lengths.has(rest.length) || plan.prefix?.test(rest)) return undefined;
    const parsed = once(() => read(text) as Extract<Phone, { ok: true }>);
    return {
      ok: true,
      value: text,
      original: text,
      get country() {
        return parsed().country;
      },
      get assigned() {
        return parsed().assigned;
      },
    };
  }
  return undefined;
}

function once<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => (made ??= make());
}
