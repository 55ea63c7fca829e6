/**
 * Reading and marking the items of one profile's inbox. Rows and their `seq` are the truth for lists and streams alike.
 * Called by inbox.controller.ts; adding items stands in inbox.ts.
 */
import type { InboxItem, InboxList, InboxMark, InboxPage } from '@carillon/contracts';
import { dayOf, type Sql } from '@carillon/database';

/** Whose inbox. */
export interface Inbox {
  workspaceId: string;
  profileId: string;
}
export interface Counts {
  unread: number;
  unseen: number;
}

interface Feed extends Counts {
  lastSeq: number;
}
interface Row extends Omit<InboxItem, 'createdAt' | 'seenAt' | 'readAt' | 'archivedAt'>, Feed {
  createdAt: Date;
  seenAt: Date | null;
  readAt: Date | null;
  archivedAt: Date | null;
}

const COLUMNS = `id, seq, title, body, url, image_url AS "imageUrl", data, created_at AS "createdAt", seen_at AS "seenAt",
  read_at AS "readAt", archived_at AS "archivedAt"`;
/** What is archived counts no more. */
const COUNTS = `SELECT count(*) FILTER (WHERE read_at IS NULL) AS unread, count(*) FILTER (WHERE seen_at IS NULL) AS unseen
  FROM inbox_items WHERE workspace_id = $1 AND profile_id = $2 AND archived_at IS NULL AND (read_at IS NULL OR seen_at IS NULL)`;

const itemOf = ({ unread: _unread, unseen: _unseen, lastSeq: _lastSeq, ...row }: Row): InboxItem => ({
  ...row,
  createdAt: row.createdAt.toISOString(),
  seenAt: row.seenAt?.toISOString() ?? null,
  readAt: row.readAt?.toISOString() ?? null,
  archivedAt: row.archivedAt?.toISOString() ?? null,
});

/** Items, counts and the newest `seq` of one moment: one statement is one snapshot. An empty page gives a row without an id. */
async function pageAndCounts(
  sql: Sql,
  page: string,
  params: readonly unknown[],
): Promise<{ items: InboxItem[]; counts: Counts; lastSeq: number }> {
  const rows = await sql.query<Row | (Feed & { id: null })>(
    `WITH feed AS (
       SELECT coalesce(max(last_seq), 0) AS "lastSeq" FROM inbox_feeds WHERE workspace_id = $1 AND profile_id = $2
     ), counts AS (${COUNTS}), page AS (${page})
     SELECT feed.*, counts.*, page.* FROM feed CROSS JOIN counts LEFT JOIN page ON true`,
    params,
  );
  const { unread = 0, unseen = 0, lastSeq = 0 }: Partial<Feed> = rows[0] ?? {};
  return {
    items: rows.flatMap((row) => (row.id === null ? [] : [itemOf(row)])),
    counts: { unread, unseen },
    lastSeq,
  };
}

/**
 * One page, newest first. `all` is what is not archived.
 * @param before only what is older than this `seq`
 */
export async function listItems(
  sql: Sql,
  { workspaceId, profileId }: Inbox,
  filter: InboxList['filter'],
  page: { limit: number; before: number | null },
): Promise<InboxPage> {
  const { items, counts } = await pageAndCounts(
    sql,
    `SELECT ${COLUMNS} FROM inbox_items
      WHERE workspace_id = $1 AND profile_id = $2 AND ($3::bigint IS NULL OR seq < $3)
        AND (archived_at IS NOT NULL) = ($4 = 'archived') AND ($4 <> 'unread' OR read_at IS NULL)
      ORDER BY seq DESC LIMIT $5`,
    [workspaceId, profileId, page.before, filter, page.limit + 1],
  );
  items.sort((a, b) => b.seq - a.seq);
  const shown = items.slice(0, page.limit);
  return {
    items: shown,
    nextCursor: items.length > page.limit ? String(shown.at(-1)?.seq) : null,
    ...counts,
  };
}

/**
 * What came after `seq` and is not archived, oldest first, at most `limit`; nothing when `seq` is null.
 * @returns `upTo`: everything up to here has been given
 */
export async function itemsAfter(
  sql: Sql,
  { workspaceId, profileId }: Inbox,
  seq: number | null,
  limit: number,
): Promise<{ items: InboxItem[]; counts: Counts; upTo: number }> {
  const { items, counts, lastSeq } = await pageAndCounts(
    sql,
    `SELECT ${COLUMNS} FROM inbox_items
      WHERE workspace_id = $1 AND profile_id = $2 AND seq > $3 AND archived_at IS NULL ORDER BY seq LIMIT $4`,
    [workspaceId, profileId, seq, limit],
  );
  items.sort((a, b) => a.seq - b.seq);
  return { items, counts, upTo: items.length < limit ? lastSeq : (items.at(-1)?.seq ?? lastSeq) };
}

export async function countItems(sql: Sql, { workspaceId, profileId }: Inbox): Promise<Counts> {
  const [counts] = await sql.query<Counts>(COUNTS, [workspaceId, profileId]);
  return counts ?? { unread: 0, unseen: 0 };
}

/** Which rows a mark changes and how, and the lines it leaves in the timeline: what is read has been seen. */
const marks: Readonly<Record<InboxMark['as'], { where: string; set: string; lines: readonly string[] }>> = {
  seen: { where: 'seen_at IS NULL AND archived_at IS NULL', set: 'seen_at = now()', lines: ['seen'] },
  read: {
    where: 'read_at IS NULL AND archived_at IS NULL',
    set: 'read_at = now(), seen_at = coalesce(seen_at, now())',
    lines: ['seen', 'read'],
  },
  unread: { where: 'read_at IS NOT NULL AND archived_at IS NULL', set: 'read_at = NULL', lines: [] },
  archived: {
    where: 'archived_at IS NULL',
    set: 'archived_at = now(), seen_at = coalesce(seen_at, now())',
    lines: ['seen', 'archived'],
  },
  unarchived: { where: 'archived_at IS NOT NULL', set: 'archived_at = NULL', lines: [] },
};

/**
 * Marks items, or all of the inbox. Ids of other inboxes and items that are so already are passed over.
 * @returns the deliveries whose item changed
 */
export async function markItems(
  sql: Sql,
  { workspaceId, profileId }: Inbox,
  { ids, as }: InboxMark,
): Promise<string[]> {
  const { where, set, lines } = marks[as];
  const changed = await sql.query<{ deliveryId: string }>(
    // Locked in order, so that two marks of everything cannot wait for each other in a ring.
    `WITH target AS (
       SELECT id FROM inbox_items
        WHERE workspace_id = $1 AND profile_id = $2 AND ($3::uuid[] IS NULL OR id = ANY($3)) AND ${where} ORDER BY seq FOR UPDATE
     )
     UPDATE inbox_items i SET ${set} FROM target t WHERE i.id = t.id AND i.workspace_id = $1 RETURNING i.delivery_id AS "deliveryId"`,
    [workspaceId, profileId, ids ?? null],
  );
  const deliveryIds = changed.map((row) => row.deliveryId);
  // In a statement of its own, which sees the lines of whoever held the rows before. A delivery whose day is no longer
  // kept has no timeline either.
  if (deliveryIds.length > 0 && lines.length > 0)
    await sql.execute(
      `INSERT INTO delivery_events (day, delivery_id, workspace_id, type)
       SELECT d.day, d.id, $1, l.type
         FROM unnest($2::date[], $3::uuid[]) AS u(day, id)
         JOIN deliveries d ON d.day = u.day AND d.id = u.id AND d.workspace_id = $1
        CROSS JOIN unnest($4::text[]) WITH ORDINALITY AS l(type, n)
        WHERE NOT EXISTS (SELECT 1 FROM delivery_events e WHERE e.day = d.day AND e.delivery_id = d.id AND e.type = l.type)
        ORDER BY l.n`,
      [workspaceId, deliveryIds.map(dayOf), deliveryIds, lines],
    );
  return deliveryIds;
}
