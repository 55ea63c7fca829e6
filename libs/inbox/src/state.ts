/** What the inbox looks like right now, and how items and marks change it. Pure: create-inbox.ts does the talking. */
import type { InboxItem, InboxWord } from './item.js';
import type { InboxError } from './requests.js';

/**
 * `idle` before `load` · `connecting` the first time · `live` · `reconnecting` by itself after a lost connection ·
 * `refused` for good: the token is not accepted, or the page's origin is not allowed · `closed` by `close`
 */
export type InboxStatus = 'idle' | 'connecting' | 'live' | 'reconnecting' | 'refused' | 'closed';

/** Never changed in place: every change makes a new one. */
export interface InboxState {
  readonly status: InboxStatus;
  /** Whether the first page is there. */
  readonly loaded: boolean;
  /** What is not archived, newest first, as far as it has been loaded. */
  readonly items: readonly InboxItem[];
  readonly unread: number;
  readonly unseen: number;
  /** Whether there are older items to load. */
  readonly hasMore: boolean;
  readonly loadingMore: boolean;
  /** What went wrong last, until something works again. */
  readonly error: InboxError | null;
}

export const emptyState: InboxState = {
  status: 'idle',
  loaded: false,
  items: [],
  unread: 0,
  unseen: 0,
  hasMore: false,
  loadingMore: false,
  error: null,
};

/** Items with others put in, each once, newest first. Archived ones leave. */
export function withItems(items: readonly InboxItem[], others: readonly InboxItem[]): readonly InboxItem[] {
  const byId = new Map([...items, ...others].map((item) => [item.id, item]));
  return [...byId.values()].filter((item) => item.archivedAt === null).sort((a, b) => b.seq - a.seq);
}

/**
 * The state as it will be when the server has marked the items.
 * @param ids null for all
 */
export function withMark(
  state: InboxState,
  ids: ReadonlySet<string> | null,
  as: InboxWord,
  at: string,
): InboxState {
  let { unread, unseen } = state;
  const items = state.items.map((before) => {
    if (ids && !ids.has(before.id)) return before;
    const after = markedItem(before, as, at);
    const gone = after.archivedAt !== null;
    unread += Number(!gone && after.readAt === null) - Number(before.readAt === null);
    unseen += Number(!gone && after.seenAt === null) - Number(before.seenAt === null);
    return after;
  });
  // Of all of them only some are loaded.
  if (!ids && as === 'read') unread = 0;
  if (!ids && (as === 'read' || as === 'seen')) unseen = 0;
  return { ...state, items: withItems(items, []), unread: Math.max(0, unread), unseen: Math.max(0, unseen) };
}

function markedItem(item: InboxItem, as: InboxWord, at: string): InboxItem {
  const seenAt = item.seenAt ?? at;
  switch (as) {
    case 'seen':
      return { ...item, seenAt };
    case 'read':
      return { ...item, seenAt, readAt: item.readAt ?? at };
    case 'unread':
      return { ...item, readAt: null };
    case 'archived':
      return { ...item, seenAt, archivedAt: at };
    case 'unarchived':
      return { ...item, archivedAt: null };
  }
}
