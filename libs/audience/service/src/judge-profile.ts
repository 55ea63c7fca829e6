/** Judges one profile as it was given: addresses made comparable, zone and language made canonical. Pure. */
import {
  attributeFault,
  NO_COUNTRY,
  normalizeEmail,
  normalizePhone,
  validLocale,
  validTimeZone,
  zoneOf,
  type Checked,
} from '@carillon/audience-rules';
import type { AttributeTypeName, ProblemError, ProfileUpsert } from '@carillon/contracts';

/** A field that was left out stays as it is (undefined); null clears it. */
type Wish = string | null | undefined;
export interface JudgedProfile {
  externalId: string;
  email: Wish;
  emailOriginal: Wish;
  phone: Wish;
  phoneOriginal: Wish;
  locale: Wish;
  timezone: Wish;
  /** ISO 3166-1 alpha-2; `NO_COUNTRY` for a number that is of none. */
  phoneCountry: Wish;
  /** Of the phone's country, where that has but one. */
  phoneZone: Wish;
  /** Keys to set. */
  attributes: Record<string, unknown>;
  /** Keys to remove. */
  removed: string[];
}

const MOST_ATTRIBUTE_BYTES = 32_768;
const unknownZone = {
  ok: false,
  code: 'time_zone',
  sentence: 'The database does not know this zone: write its usual name, such as Europe/Paris.',
} as const;

/** What a workspace says about its profiles. */
export interface ProfileRules {
  /** For phone numbers written without a country, by ISO 3166 code. */
  defaultCountry?: string | undefined;
  /** The types of attributes that have one. */
  types?: ReadonlyMap<string, AttributeTypeName> | undefined;
  /** Whether the database knows a zone; every zone if undefined. */
  knowsZone?: ((name: string) => boolean) | undefined;
}

export function judgeProfile(
  given: ProfileUpsert,
  { defaultCountry, types, knowsZone = () => true }: ProfileRules = {},
): { ok: true; profile: JudgedProfile } | { ok: false; errors: ProblemError[] } {
  const errors: ProblemError[] = [];
  const email = judged('email', given.email, normalizeEmail, errors);
  const phone = judged('phone', given.phone, (text) => normalizePhone(text, defaultCountry), errors);
  const locale = judged('locale', given.locale, validLocale, errors);
  const timezone = judged('timezone', given.timezone, (name) => zoneBy(name, knowsZone), errors);
  const own = given.attributes ?? {};
  const removed = Object.keys(own).filter((key) => own[key] === null);
  // All at once: a million objects that each grow field by field are much work for the collector of garbage.
  const profile: JudgedProfile = {
    externalId: given.externalId,
    email: email && email.value,
    emailOriginal: email && email.original,
    phone: phone && phone.value,
    phoneOriginal: phone && phone.original,
    locale: locale && locale.value,
    timezone: timezone && timezone.value,
    phoneCountry: phone && (phone.country ?? NO_COUNTRY),
    phoneZone: phone && zoneOfPhone(phone.country, knowsZone),
    attributes:
      removed.length === 0
        ? own
        : Object.fromEntries(Object.entries(own).filter(([, value]) => value !== null)),
    removed,
  };
  if (types)
    for (const [key, value] of Object.entries(profile.attributes)) {
      const type = types.get(key);
      const sentence = type && attributeFault(type, value);
      if (sentence)
        errors.push({
          pointer: `/attributes/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`,
          code: 'attribute_type',
          message: sentence,
        });
    }
  if (Buffer.byteLength(JSON.stringify(profile.attributes)) > MOST_ATTRIBUTE_BYTES)
    errors.push({
      pointer: '/attributes',
      code: 'too_large',
      message: `These are more than ${MOST_ATTRIBUTE_BYTES / 1024} KiB: keep large content elsewhere.`,
    });
  return errors.length > 0 ? { ok: false, errors } : { ok: true, profile };
}

/** Undefined: left out, or at fault; null: to be cleared. */
function judged<Extra>(
  field: 'email' | 'phone' | 'locale' | 'timezone',
  text: string | null | undefined,
  check: (text: string) => Checked<string, Extra>,
  errors: ProblemError[],
) {
  if (text === undefined || text === null) return text;
  const result = check(text);
  if (result.ok) return result;
  errors.push({ pointer: `/${field}`, code: result.code, message: result.sentence });
  return undefined;
}

function zoneBy(name: string, knowsZone: (name: string) => boolean): Checked<string> {
  const zone = validTimeZone(name);
  return zone.ok && !knowsZone(zone.value) ? unknownZone : zone;
}

function zoneOfPhone(phoneCountry: string | undefined, knowsZone: (name: string) => boolean): string | null {
  const assumed = zoneOf({ phoneCountry: phoneCountry ?? null }, '');
  return assumed.source === 'phone' && knowsZone(assumed.zone) ? assumed.zone : null;
}
