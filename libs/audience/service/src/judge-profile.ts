/** Judges one profile as it was given: addresses made comparable, zone and language made canonical. Pure. */
import {
  normalizeEmail,
  normalizePhone,
  validLocale,
  validTimeZone,
  type Checked,
} from '@carillon/audience-rules';
import type { ProblemError, ProfileUpsert } from '@carillon/contracts';

/** A field that was left out stays as it is (undefined); null clears it. */
export interface JudgedProfile {
  externalId: string;
  email?: string | null;
  emailOriginal?: string | null;
  phone?: string | null;
  phoneOriginal?: string | null;
  locale?: string | null;
  timezone?: string | null;
  /** Keys to set. */
  attributes: Record<string, unknown>;
  /** Keys to remove. */
  removed: string[];
}

const MOST_ATTRIBUTE_BYTES = 32_768;

/** @param defaultCountry for phone numbers written without a country, by ISO 3166 code */
export function judgeProfile(
  given: ProfileUpsert,
  defaultCountry?: string,
): { ok: true; profile: JudgedProfile } | { ok: false; errors: ProblemError[] } {
  const errors: ProblemError[] = [];
  const profile: JudgedProfile = { externalId: given.externalId, attributes: {}, removed: [] };

  /** Undefined: left out, or at fault; null: to be cleared. */
  const checked = (
    field: 'email' | 'phone' | 'locale' | 'timezone',
    check: (text: string) => Checked<string>,
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
  const timezone = checked('timezone', validTimeZone);
  if (email !== undefined)
    Object.assign(profile, { email: email?.value ?? null, emailOriginal: email?.original ?? null });
  if (phone !== undefined)
    Object.assign(profile, { phone: phone?.value ?? null, phoneOriginal: phone?.original ?? null });
  if (locale !== undefined) profile.locale = locale?.value ?? null;
  if (timezone !== undefined) profile.timezone = timezone?.value ?? null;

  for (const [key, value] of Object.entries(given.attributes ?? {})) {
    if (value === null) profile.removed.push(key);
    else profile.attributes[key] = value;
  }
  if (Buffer.byteLength(JSON.stringify(profile.attributes)) > MOST_ATTRIBUTE_BYTES)
    errors.push({
      pointer: '/attributes',
      code: 'too_large',
      message: `These are more than ${MOST_ATTRIBUTE_BYTES / 1024} KiB: keep large content elsewhere.`,
    });
  return errors.length > 0 ? { ok: false, errors } : { ok: true, profile };
}
