/** The shapes of the inbox as the API writes them. Written out here so that the package needs nothing else to be typed; a spec compares them with the contracts. */

/** What JSON can hold. */
export type JsonValue = string | number | boolean | null | JsonValue[] | { [key: string]: JsonValue };

/** One message in a person's inbox. Title and body are text, never HTML. Times are RFC 3339. */
export interface InboxItem {
  id: string;
  /** Rises by one per item of the feed. */
  seq: number;
  title: string;
  body: string;
  /** Where a click leads. Judge it before you make a link of it: see `safeUrl`. */
  url: string | null;
  imageUrl: string | null;
  /** What the sender attached for your own use. */
  data: Record<string, JsonValue>;
  createdAt: string;
  seenAt: string | null;
  readAt: string | null;
  archivedAt: string | null;
}

/** One page of a list, with the counts of the whole inbox. */
export interface InboxPage {
  items: InboxItem[];
  nextCursor: string | null;
  unread: number;
  unseen: number;
}

/** What was marked, and the counts after it. */
export interface InboxMarked {
  changed: number;
  unread: number;
  unseen: number;
}

/** As what items can be marked. */
export type InboxWord = 'seen' | 'read' | 'unread' | 'archived' | 'unarchived';

/** What the stream sends. */
export type InboxStreamEvent =
  | { type: 'item'; item: InboxItem; unread: number; unseen: number }
  | { type: 'change'; unread: number; unseen: number };
