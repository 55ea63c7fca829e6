/** Pure rules about people: their addresses, their place, and rows of files that become profiles. */
export type { AddressProblem, Checked } from './checked.js';
export { normalizeEmail } from './email.js';
export { normalizePhone } from './phone.js';
export { localeChain, validLocale, validTimeZone, zoneOf, zonesOfCountry } from './place.js';
export type { AssumedZone } from './place.js';
export { mappingErrors, profileFromRow, suggestMapping } from './row.js';
export type { AttributeType, RowError, RowMapping, RowResult } from './row.js';
export { judgeEventTime, MOST_AHEAD_MS } from './event-time.js';
export type { EventTime } from './event-time.js';
export { attributeFault } from './attribute-type.js';
