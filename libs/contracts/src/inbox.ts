/** The in-app inbox, read by a browser with a short-lived token of one profile. */
import { z } from 'zod';
import { cursors, Id, PageQuery, Time } from './page.js';
import { ExternalId } from './profiles.js';

export const InboxTokenRequest = z
  .strictObject({ profile: ExternalId, ttlSeconds: z.int().min(60).max(3600).default(900) })
  .meta({ id: 'InboxTokenRequest' });
export const InboxToken = z.object({ token: z.string(), expiresAt: Time }).meta({ id: 'InboxToken' });
export const InboxItem = z
  .object({
    id: Id,
    seq: z.number().describe('Rises by one per item of the feed; the SSE event id.'),
    title: z.string(),
    body: z.string(),
    url: z.string().nullable(),
    imageUrl: z.string().nullable(),
    data: z.record(z.string(), z.json()),
    createdAt: Time,
    seenAt: Time.nullable(),
    readAt: Time.nullable(),
    archivedAt: Time.nullable(),
  })
  .meta({ id: 'InboxItem' });
export type InboxItem = z.infer<typeof InboxItem>;
export const InboxList = PageQuery.extend({
  ...cursors.byNumber,
  filter: z.enum(['all', 'unread', 'archived']).default('all'),
});
export type InboxList = z.infer<typeof InboxList>;
export const InboxPage = z
  .object({
    items: z.array(InboxItem),
    nextCursor: z.string().nullable(),
    unread: z.number(),
    unseen: z.number(),
  })
  .meta({ id: 'InboxPage' });
export type InboxPage = z.infer<typeof InboxPage>;
export const InboxMark = z
  .strictObject({
    ids: z.array(Id).min(1).max(200).optional().describe('Left out: all.'),
    as: z.enum(['seen', 'read', 'unread', 'archived', 'unarchived']),
  })
  .meta({ id: 'InboxMark' });
export type InboxMark = z.infer<typeof InboxMark>;
export const InboxMarked = z
  .object({ changed: z.number(), unread: z.number(), unseen: z.number() })
  .meta({ id: 'InboxMarked' });
/** A one-use ticket for the stream (≤ 60 s), because an EventSource cannot send a header. */
export const InboxTicket = z.object({ ticket: z.string(), expiresAt: Time }).meta({ id: 'InboxTicket' });
/** What the stream sends: `event: item|change` with `id: <cursor>`; `change` tells counts after marking elsewhere. */
export const InboxStreamEvent = z.discriminatedUnion('type', [
  z.object({ type: z.literal('item'), item: InboxItem, unread: z.number(), unseen: z.number() }),
  z.object({ type: z.literal('change'), unread: z.number(), unseen: z.number() }),
]);
export type InboxStreamEvent = z.infer<typeof InboxStreamEvent>;
