/** People, their devices, and what they agreed to. HTTP side for the API, worker side for `route-event`, and functions for delivery. */
export { AudienceHttpModule, AudienceWorkerModule } from './audience.module.js';
export { upsertProfiles } from './upsert-profiles.js';
export type { UpsertResult } from './upsert-profiles.js';
export { recipientsByIds } from './recipients.js';
export type { AudienceRecipient } from './recipients.js';
export { removeDevices, upsertDevice } from './devices.js';
export { consentsOf, recordConsents } from './consent.js';
export type { ConsentFacts, ConsentWord, NewConsent } from './consent.js';
export { suppressAddresses, suppressionsOf } from './suppression.js';
export type { NewSuppression } from './suppression.js';
export { readUnsubscribeToken, unsubscribeUrl } from './unsubscribe-token.js';
export type { UnsubscribeLinks, UnsubscribeSubject } from './unsubscribe-token.js';
export { amongWriters, EVERYTHING, markStale, withoutWriters } from './stale.js';
export type { Change } from './stale.js';
export { ensureEventMonths, keepEvents } from './event-months.js';
export { Intake } from './intake.js';
export type { EventResult } from './intake.js';
export { idsByExternalId, idsByIdentity } from './find-profiles.js';
