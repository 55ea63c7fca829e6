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
export interface JudgedProfile {
  externalId: string;
  email?: string | null;
  emailOriginal?: string | null;
  phone?: string | null;
  phoneOriginal?: string | null;
  locale?: string | null;
  timezone?: string | null;
  /** ISO 3166-1 alpha-2; `NO_COUNTRY` for a number that is of none. */
  phoneCountry?: string | null;
  /** Of the phone's country, where that has but one. */
  phoneZone?: string | null;
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
  const profile: JudgedProfile = { externalId: given.externalId, attributes: {}, removed: [] };

  /** Undefined: left out, or at fault; null: to be cleared. */
  const checked = <Extra>(
    field: 'email' | 'phone' | 'locale' | 'timezone',
    check: (text: string) => Checked<string, Extra>,
  ) => {
    const text = given[field];
    if (text === undefined) return undefined;
    if (text === null) return null;
    const result = check(text);
    if (result.ok) return result;
    errors.push({ pointer: `/${field}`, code: result.code, message: result.sentence });
    return undefined;
  };
  const email = checked('email', normalizeEmail);
  const phone = checked('phone', (text) => normalizePhone(text, defaultCountry));
  const locale = checked('locale', validLocale);
  const timezone = checked('timezone', (name) => {
    const zone = validTimeZone(name);
    return zone.ok && !knowsZone(zone.value) ? unknownZone : zone;
  });
  if (email !== undefined)
    Object.assign(profile, { email: email?.value ?? null, emailOriginal: email?.original ?? null });
  if (phone !== undefined) {
    const assumed = zoneOf({ phoneCountry: phone?.country ?? null }, '');
    Object.assign(profile, {
      phone: phone?.value ?? null,
      phoneOriginal: phone?.original ?? null,
      phoneCountry: phone ? (phone.country ?? NO_COUNTRY) : null,
      phoneZone: assumed.source === 'phone' && knowsZone(assumed.zone) ? assumed.zone : null,
    });
  }
  if (locale !== undefined) profile.locale = locale?.value ?? null;
  if (timezone !== undefined) profile.timezone = timezone?.value ?? null;

  for (const [key, value] of Object.entries(given.attributes ?? {})) {
    if (value === null) profile.removed.push(key);
    else profile.attributes[key] = value;
    const type = value === null ? undefined : types?.get(key);
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
