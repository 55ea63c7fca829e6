/** A person's in-app inbox in their browser, live. React: see `@carillon/inbox/react`. */
export { createInbox, type Inbox, type InboxOptions } from './create-inbox.js';
export { InboxError, type RequestOptions, type TokenSource } from './requests.js';
export { safeUrl } from './safe-url.js';
export type { InboxState, InboxStatus } from './state.js';
export type { InboxItem, JsonValue } from './item.js';
