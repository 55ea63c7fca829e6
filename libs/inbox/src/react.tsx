/** The inbox for React 18 and newer: a provider, a hook, and a finished bell. Its looks are in `@carillon/inbox/styles.css`. */
export { Inbox, type InboxProps } from './bell.js';
export { InboxProvider, useInbox, type InboxProviderProps } from './provider.js';
export type { InboxTexts } from './texts.js';
