/** People, their devices, and what they agreed to. HTTP side for the API, worker side for `route-event`, and functions for delivery. */
export { AudienceHttpModule, AudienceWorkerModule } from './audience.module.js';
export { upsertProfiles } from './upsert-profiles.js';
export type { UpsertResult } from './upsert-profiles.js';
export { recipientsByIds } from './recipients.js';
export type { AudienceRecipient } from './recipients.js';
export { removeDevices, upsertDevice } from './devices.js';
export { consentsOf, recordConsents, suppressAddresses, suppressionsOf } from './consent.js';
export type { ConsentWord, NewConsent, NewSuppression } from './consent.js';
export { readUnsubscribeToken, unsubscribeUrl } from './unsubscribe-token.js';
export type { UnsubscribeLinks, UnsubscribeSubject } from './unsubscribe-token.js';
export { amongWriters, EVERYTHING, markStale, withoutWriters } from './stale.js';
export type { Change } from './stale.js';
export { ensureEventMonths, keepEvents } from './event-months.js';
export { Intake } from './intake.js';
export type { EventResult } from './intake.js';
export { idsByExternalId, idsByIdentity } from './find-profiles.js';
