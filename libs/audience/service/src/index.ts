/** People, their devices, and what they agreed to. HTTP side for the API, worker side for `route-event`, and functions for delivery. */
export { AudienceHttpModule, AudienceWorkerModule } from './audience.module.js';
export { mergeProfiles } from './merge-profiles.js';
export { upsertProfiles } from './upsert-profiles.js';
export type { UpsertResult } from './upsert-profiles.js';
export { recipientsByIds } from './recipients.js';
export type { AudienceRecipient } from './recipients.js';
export { removeDevices, upsertDevice } from './devices.js';
export { consentsOf, recordConsents } from './consent.js';
export type { ConsentFacts, ConsentWord, NewConsent } from './consent.js';
export { actorOf, audit } from './audit.js';
export { consentsOfPerson } from './consent.controller.js';
export { eraseAddresses } from './erase-addresses.js';
export { takeInboundSms } from './keywords.js';
export type { KeywordClass } from './keywords.js';
export { confirmUrl, dueConfirmations, settleConfirmation } from './confirm-consent.js';
export { forgetImports, offerImports } from './imports.js';
export { suppressAddresses, suppressionsOf } from './suppression.js';
export type { NewSuppression } from './suppression.js';
export { textsFor } from './page-texts.js';
export { forgottenPage, gonePage } from './unsubscribe-page.js';
export { readUnsubscribeToken, unsubscribeUrl, unsubscribeUrls } from './unsubscribe-token.js';
export type { UnsubscribeLinks, UnsubscribeSubject } from './unsubscribe-token.js';
export { amongWriters, EVERYTHING, markStale, withoutWriters } from './stale.js';
export type { Change } from './stale.js';
export { ensureEventMonths, keepEvents } from './event-months.js';
export { Intake, recordEvents } from './intake.js';
export { Outcomes } from './outcomes.js';
export type { EventResult } from './intake.js';
export {
  identityText,
  idsByExternalId,
  idsByIdentity,
  idsOfPerson,
  presentNames,
  whoTheyBecame,
} from './find-profiles.js';
export { AudienceRefresher } from './refresh-audiences.js';
export {
  asAWhole,
  capped,
  membersAfter,
  membersQuery,
  previewAudience,
  profilesByIds,
  reachOf,
  ruleQuery,
} from './evaluate.js';
export { knownZones } from './zones.js';
export { audienceByKey, audiencesOf, scopeOf } from './audience-rows.js';
export { peopleInFull, type PersonInFull } from './people-in-full.js';
export { changeList, forgetChanges } from './members.js';
export type { AudienceRow } from './audience-rows.js';
