/**
 * Where and in which language a person reads: names of zones and locales brought to one spelling by Intl, and what to
 * assume when a profile says nothing.
 */
import { refuse, type Checked } from './checked.js';

/**
 * A zone of the IANA database, in its usual spelling. Fixed offsets such as +02:00 are refused: they are wrong for half of
 * the year.
 */
export function validTimeZone(name: string): Checked<string> {
  const trimmed = name.trim();
  const known = zoneNames.get(trimmed);
  if (known !== undefined) return { ok: true, value: known, original: name };
  const resolved = /^[A-Za-z][\w+/-]{1,63}$/.test(trimmed) ? resolveZone(trimmed) : undefined;
  if (!resolved) return refuse('time_zone', 'Write a zone of the IANA database, such as Europe/Paris.');
  // Intl answers links by their old target (Asia/Kolkata by Asia/Calcutta): what people wrote is kept if well written.
  const spelled = resolved.toLowerCase() !== trimmed.toLowerCase() && /^[A-Z]/.test(trimmed);
  const value = spelled ? trimmed : resolved;
  if (zoneNames.size < MOST_NAMES) zoneNames.set(trimmed, value);
  return { ok: true, value, original: name };
}
/** Asking Intl takes longer than all the rest of a row of an import, and there are some 600 zones. */
const zoneNames = new Map<string, string>();
const localeNames = new Map<string, string>();
const MOST_NAMES = 2_000;

function resolveZone(name: string): string | undefined {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone;
  } catch {
    // Intl has no other way of saying that it does not know a name.
    return undefined;
  }
}

/** A language tag of BCP 47 in its usual spelling: `fr_ca` becomes `fr-CA`. */
export function validLocale(tag: string): Checked<string> {
  const trimmed = tag.trim().replaceAll('_', '-');
  const known = localeNames.get(trimmed);
  if (known !== undefined) return { ok: true, value: known, original: tag };
  try {
    const [value] = trimmed.length <= 35 ? Intl.getCanonicalLocales(trimmed) : [];
    if (value) {
      if (localeNames.size < MOST_NAMES) localeNames.set(trimmed, value);
      return { ok: true, value, original: tag };
    }
  } catch {
    // Not a tag; said below.
  }
  return refuse('locale', 'Write a language tag such as en, fr-CA or zh-Hant.');
}

/**
 * From the wanted locale to ever wider ones: `fr-CA` gives `fr-CA, fr`; `zh-Hant-TW` gives `zh-Hant-TW, zh-Hant, zh`
 * (RFC 4647 section 3.4, lookup). Empty for something that is no tag. The caller adds its own default at the end.
 */
export function localeChain(tag: string): string[] {
  const checked = validLocale(tag);
  if (!checked.ok) return [];
  const chain: string[] = [];
  const subtags = checked.value.split('-');
  while (subtags.length > 0) {
    chain.push(subtags.join('-'));
    subtags.pop();
    // A single letter only introduces what followed it.
    while (subtags.at(-1)?.length === 1) subtags.pop();
  }
  return chain;
}

export interface AssumedZone {
  /** The zone to show times in. */
  zone: string;
  /** What it was taken from. */
  source: 'profile' | 'phone' | 'workspace';
  /**
   * Zones the person may be in, one for each way the clocks can differ. More than one means: do not rely on `zone` where a
   * wrong hour would wake somebody, but ask for an hour that suits them all.
   */
  candidates: string[];
}

/**
 * The zone of a person: what the profile says, else the zone of the phone number's country when it has but one, else the
 * workspace's.
 */
export function zoneOf(
  profile: { timezone?: string | null; phoneCountry?: string | null },
  workspaceZone: string,
): AssumedZone {
  const own = profile.timezone ? validTimeZone(profile.timezone) : undefined;
  if (own?.ok) return { zone: own.value, source: 'profile', candidates: [own.value] };
  const candidates = profile.phoneCountry ? zonesOfCountry(profile.phoneCountry) : [];
  const [only, ...others] = candidates;
  if (only === undefined) return { zone: workspaceZone, source: 'workspace', candidates: [workspaceZone] };
  if (others.length === 0) return { zone: only, source: 'phone', candidates };
  return { zone: workspaceZone, source: 'workspace', candidates };
}

/** Of a number that belongs to none, such as +800 (CLDR's unknown region). It has no zones. */
export const NO_COUNTRY = 'ZZ';

const known = new Map<string, string[]>();

/**
 * The zones of a country (ISO 3166-1 alpha-2) whose clocks differ today, by CLDR; empty when the country is not known.
 * Germany has one, though the database also names Büsingen; Spain has two.
 */
export function zonesOfCountry(country: string): string[] {
  const code = country.toUpperCase();
  if (!/^[A-Z]{2}$/.test(code)) return [];
  const cached = known.get(code);
  if (cached) return cached;
  const locale = new Intl.Locale(`und-${code}`) as Intl.Locale & {
    getTimeZones?: () => string[] | undefined;
    timeZones?: string[];
  };
  // Newer engines have the method, Node 20 the property (ECMA-402, Intl.Locale info).
  const names = locale.getTimeZones?.() ?? locale.timeZones ?? [];
  const byClock = new Map<string, string>();
  for (const name of names) {
    const clock = clockOf(name);
    if (!byClock.has(clock)) byClock.set(clock, name);
  }
  const zones = [...byClock.values()];
  known.set(code, zones);
  return zones;
}

/** How a zone's clock stands in winter and in summer; which year is of no matter, so it is a fixed one. */
function clockOf(timeZone: string): string {
  const offset = new Intl.DateTimeFormat('en', { timeZone, timeZoneName: 'longOffset', year: 'numeric' });
  return [Date.UTC(2026, 0, 15), Date.UTC(2026, 6, 15)]
    .map((at) => offset.formatToParts(at).find(({ type }) => type === 'timeZoneName')?.value)
    .join();
}
