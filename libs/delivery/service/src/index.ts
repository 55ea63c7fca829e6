/** The delivery service: accepting, planning, reading the log. Sending itself is delivery/dispatcher. */
export { Acceptance } from './accept.js';
export type { AcceptResult, SendRequest } from './plan-message.js';
export { resealAccounts } from './accounts.js';
export { adoptCopy, copyReport, type CopyReport } from './adopt-copy.js';
export { applyParked, applyReceipts, type Applied } from './apply-receipts.js';
export {
  countSends,
  holdLists,
  mayBeHeldBack,
  reserve,
  saveLists,
  sentLately,
  take,
  unlessOvertaken,
  wantedOf,
  type Held,
  type Lists,
  type Wanted,
} from './counted-sends.js';
export { giveBackToDomains, holdDomains, TOMORROW_SPREAD_MS, type DomainPlaces } from './domain-quotas.js';
export { rivalsFor, lookAheadMs, type Rivals } from './rivals.js';
export {
  capacitiesFor,
  capacityUses,
  roomsOf,
  saveRooms,
  takePlaces,
  takeRoom,
  waitForPlaces,
} from './capacity.js';
export { lateFactsFor, rankOf } from './late-facts.js';
export { addressesIn, contentFindings, partsOf } from './content-findings.js';
export { followLinks, senderFaultsOf } from './look-outside.js';
export { previewTemplate } from './preview-template.js';
export { checkContent } from './check-content.js';
export { cancelMessage } from './change-plans.js';
export { channelShapes } from './channels.js';
export { LEASE_SECONDS, type Claimed, type MessageFacts } from './claimed.js';
export { contentFor, templateContent, type TemplateContent } from './content-for.js';
export { DeliveryCoreModule, DeliveryHttpModule } from './delivery.module.js';
export { forgetExpired, takeDue } from './due.js';
export { rebuildQueues } from './lanes.js';
export { advanceRedrives } from './redrive.js';
export { gateVersions, readGate, resetCaps, writeGate } from './gate-rules.js';
export { tryGate } from './try-gate.js';
export { groupBy } from './group-by.js';
export { DeliveryHints } from './hints.js';
export { LocalDispatchers, type HandedOver, type LocalDispatcher } from './local-dispatchers.js';
export { callbackLink, deliveryToken, links, linksToPrint, type Links, type LinksToPrint } from './links.js';
export { showContent } from './show-content.js';
export { Precedence } from './precedence.js';
export { linksOfMessages } from './message-links.js';
export { memberDataOf } from './member-data.js';
export { freezeAside, planRun, type NewRun, type PlannedRun, type RunOptions } from './plan-run.js';
export { releasePages, takeBackPages } from './release-pages.js';
export { changeRun, progressOf, type RunProgress } from './runs.js';
export { masterKeys, mayBeUsed, stateOf, usableAccounts, type SendingAccount } from './sending-accounts.js';
export { RenderPool } from './render-pool.js';
export { seal } from './secrets.js';
export { SendContexts, type SendContextsOptions } from './send-contexts.js';
export { saveTemplate } from './templates.js';
export { inboxPort } from './inbox.js';
export { resealWebhooks } from './webhook-endpoints.js';
export { WebhookSender, WebhookWorkerModule } from './webhook-sender.js';
export { readPolicies } from './policies.js';
export { whoIs } from './who.js';
export { dropOld, type Dropped } from './retention.js';
