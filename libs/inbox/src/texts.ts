/** Every word the bell shows or says, in English. Give `<Inbox texts={…}>` your own, whole or in part. */
export interface InboxTexts {
  title: string;
  /** What the bell is called for those who do not see it. */
  bell: (unread: number) => string;
  markAllRead: string;
  /** `title` is the item's. */
  markRead: (title: string) => string;
  markUnread: (title: string) => string;
  archive: (title: string) => string;
  unread: string;
  close: string;
  loading: string;
  loadMore: string;
  empty: string;
  emptyHint: string;
  /** Said when an item arrives. */
  arrived: (title: string) => string;
  reconnecting: string;
  refused: string;
  failed: string;
  tryAgain: string;
  now: string;
}

export const english: InboxTexts = {
  title: 'Notifications',
  bell: (unread) => (unread > 0 ? `Notifications, ${unread} unread` : 'Notifications'),
  markAllRead: 'Mark all as read',
  markRead: (title) => `Mark “${title}” as read`,
  markUnread: (title) => `Mark “${title}” as unread`,
  archive: (title) => `Archive “${title}”`,
  unread: 'Unread',
  close: 'Close',
  loading: 'Loading notifications',
  loadMore: 'Load more',
  empty: 'You are all caught up',
  emptyHint: 'What is new will show up here by itself.',
  arrived: (title) => `New: ${title}`,
  reconnecting: 'Connecting again. What is new will follow.',
  refused: 'The inbox cannot be opened right now.',
  failed: 'That did not work. Please try again.',
  tryAgain: 'Try again',
  now: 'just now',
};
