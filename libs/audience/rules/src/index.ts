/** Pure rules about people: their addresses, their place, rows of files that become profiles, and who is in an audience. */
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
export { compileAudience, compileRules, selects } from './compile-audience.js';
export type { Compiled, NamedAudience, Scope } from './compile-audience.js';
export { clauseHolds, evaluateAudience, explainClause } from './evaluate-audience.js';
export type { Explained, World } from './evaluate-audience.js';
export { mentionsOf } from './mentions.js';
export type { Mentions } from './mentions.js';
export type { Person, PersonEvent, PersonMessage } from './person.js';
export { clauseSentence } from './sentences.js';
