/** The delivery service: accepting, planning, reading the log. Sending itself is delivery/dispatcher. */
export { Acceptance } from './accept.js';
export type { AcceptResult, SendRequest } from './plan-message.js';
export { resealAccounts } from './accounts.js';
export { applyParked, applyReceipts, type Applied } from './apply-receipts.js';
export { channelShapes } from './channels.js';
export { contentFor, templateContent, type TemplateContent } from './content-for.js';
export { DeliveryCoreModule, DeliveryHttpModule } from './delivery.module.js';
export { forgetExpired, takeDue } from './due.js';
export { groupBy } from './group-by.js';
export { DeliveryHints } from './hints.js';
export { callbackLink, links, unsubscribeLink, type Links } from './links.js';
export { showContent } from './show-content.js';
export { masterKeys, usableAccounts, type SendingAccount } from './sending-accounts.js';
export { RenderPool } from './render-pool.js';
export { seal } from './secrets.js';
export { SendContexts, type SendContextsOptions } from './send-contexts.js';
export { saveTemplate } from './templates.js';
export { inboxPort } from './inbox.js';
