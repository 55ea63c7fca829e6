/** Pure rules about people: addresses made comparable, zones, languages. */
export { normalizeEmail } from './email.js';
export { normalizePhone } from './phone.js';
export type { Normalized } from './normalized.js';
export { localeChain, validLocale, validTimeZone, zoneOf } from './place.js';
