/** Zones and languages: are they real, and which one counts. */
import { parsePhoneNumberFromString } from 'libphonenumber-js/max';

/** The canonical IANA name, or null. */
export function validTimeZone(name: string): string | null {
  try {
    return /^[A-Za-z][\w+/-]*$/.test(name)
      ? new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone
      : null;
  } catch {
    return null;
  }
}

/** The canonical BCP 47 tag, or null. */
export function validLocale(tag: string): string | null {
  try {
    return Intl.getCanonicalLocales(tag.replaceAll('_', '-'))[0] ?? null;
  } catch {
    return null;
  }
}

/** From the most special to the most general: `fr-CA` → `fr-CA`, `fr`. */
export function localeChain(tag: string | null): string[] {
  if (tag === null) return [];
  const parts = tag.split('-');
  return parts.map((_, i) => parts.slice(0, parts.length - i).join('-'));
}

/** Countries whose people live in one zone; for the others a phone number does not tell. */
const onlyZone: Readonly<Record<string, string>> = {
  AT: 'Europe/Vienna', BE: 'Europe/Brussels', BG: 'Europe/Sofia', CH: 'Europe/Zurich', CN: 'Asia/Shanghai', CZ: 'Europe/Prague',
  DE: 'Europe/Berlin', DK: 'Europe/Copenhagen', EG: 'Africa/Cairo', FI: 'Europe/Helsinki', FR: 'Europe/Paris', GB: 'Europe/London',
  GR: 'Europe/Athens', HK: 'Asia/Hong_Kong', HU: 'Europe/Budapest', IE: 'Europe/Dublin', IL: 'Asia/Jerusalem', IN: 'Asia/Kolkata',
  IT: 'Europe/Rome', JP: 'Asia/Tokyo', KE: 'Africa/Nairobi', KR: 'Asia/Seoul', NG: 'Africa/Lagos', NL: 'Europe/Amsterdam',
  NO: 'Europe/Oslo', PH: 'Asia/Manila', PK: 'Asia/Karachi', PL: 'Europe/Warsaw', RO: 'Europe/Bucharest', SE: 'Europe/Stockholm',
  SG: 'Asia/Singapore', TH: 'Asia/Bangkok', TR: 'Europe/Istanbul', TW: 'Asia/Taipei', VN: 'Asia/Ho_Chi_Minh', ZA: 'Africa/Johannesburg',
}; // prettier-ignore

/** The zone that counts for a person: their own, else that of the phone's country, else the workspace's. */
export function zoneOf(
  profile: { timezone: string | null; phone: string | null },
  workspaceZone: string | null,
): { zone: string | null; from: 'profile' | 'phone' | 'workspace' | 'none' } {
  if (profile.timezone) return { zone: profile.timezone, from: 'profile' };
  const country = profile.phone ? parsePhoneNumberFromString(profile.phone)?.country : undefined;
  const zone = country ? onlyZone[country] : undefined;
  if (zone) return { zone, from: 'phone' };
  return workspaceZone ? { zone: workspaceZone, from: 'workspace' } : { zone: null, from: 'none' };
}
