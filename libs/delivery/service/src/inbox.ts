/**
 * Puts in-app messages into the inboxes of profiles. Called by the in-app provider through its `InboxPort`; reading and
 * marking stand in inbox-items.ts. A feed's counter row is locked by whoever adds to it, so that `seq` rises without
 * gaps in the order of commits: a reader that has seen n has seen everything before n.
 */
import { newId, type Database, type Sql } from '@carillon/database';
import type { InboxPort } from '@carillon/delivery-rules';
import { inboxHints } from './hints.js';

type Items = Parameters<InboxPort['store']>[0];

/** The inboxes of one workspace. Idempotent by delivery id, also between processes. */
export const inboxPort = (database: Database, workspaceId: string): InboxPort => ({
  async store(items) {
    if (items.length === 0) return [];
    const ids = await database.inWorkspace(workspaceId, (sql) => store(sql, workspaceId, items));
    // After the commit: a hint must not arrive before what it tells of.
    inboxHints(database).changed(
      workspaceId,
      items.map((item) => item.profileId),
    );
    return items.map((item) => {
      const id = ids.get(item.deliveryId);
      if (id === undefined) throw new Error('an inbox item was neither found nor made');
      return id;
    });
  },
  async find(deliveryIds) {
    const rows = await database.inWorkspace(workspaceId, (sql) =>
      sql.query<{ deliveryId: string; id: string }>(
        'SELECT delivery_id AS "deliveryId", id FROM inbox_items WHERE workspace_id = $1 AND delivery_id = ANY($2::uuid[])',
        [workspaceId, deliveryIds],
      ),
    );
    return new Map(rows.map((row) => [row.deliveryId, row.id]));
  },
});

/** @returns item id by delivery id */
async function store(sql: Sql, workspaceId: string, items: Items): Promise<Map<string, string>> {
  const unique = [...new Map(items.map((item) => [item.deliveryId, item])).values()];
  // Locks the feeds, always in the same order: two batches that meet wait for each other once, and never in a ring.
  await sql.execute(
    `INSERT INTO inbox_feeds AS f (workspace_id, profile_id)
     SELECT $1, profile_id FROM unnest($2::uuid[]) AS u(profile_id) GROUP BY profile_id ORDER BY profile_id
         ON CONFLICT (workspace_id, profile_id) DO UPDATE SET last_seq = f.last_seq`,
    [workspaceId, unique.map((item) => item.profileId)],
  );
  // A statement of its own, because it must see what was committed while it waited for the locks.
  const rows = await sql.query<{ deliveryId: string; id: string }>(
    `WITH given AS (
       SELECT * FROM unnest($2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[]) WITH ORDINALITY
           AS u(id, profile_id, delivery_id, title, body, url, image_url, data, n)
     ), known AS (
       SELECT delivery_id, id FROM inbox_items WHERE workspace_id = $1 AND delivery_id = ANY($4::uuid[])
     ), fresh AS (
       SELECT *, row_number() OVER (PARTITION BY profile_id ORDER BY n) AS place
         FROM given WHERE delivery_id NOT IN (SELECT delivery_id FROM known)
     ), counted AS (
       UPDATE inbox_feeds f SET last_seq = f.last_seq + u.count
         FROM (SELECT profile_id, count(*) AS count FROM fresh GROUP BY profile_id) AS u
        WHERE f.workspace_id = $1 AND f.profile_id = u.profile_id
       RETURNING f.profile_id, f.last_seq - u.count AS before
     ), added AS (
       INSERT INTO inbox_items (id, workspace_id, profile_id, seq, delivery_id, title, body, url, image_url, data)
       SELECT u.id, $1, u.profile_id, c.before + u.place, u.delivery_id, u.title, u.body, u.url, u.image_url, u.data::jsonb
         FROM fresh u JOIN counted c ON c.profile_id = u.profile_id
       RETURNING delivery_id, id
     )
     SELECT delivery_id AS "deliveryId", id FROM known UNION ALL SELECT delivery_id, id FROM added`,
    [
      workspaceId,
      unique.map(() => newId()),
      unique.map((item) => item.profileId),
      unique.map((item) => item.deliveryId),
      unique.map((item) => item.title),
      unique.map((item) => item.body),
      unique.map((item) => item.url),
      unique.map((item) => item.imageUrl),
      unique.map((item) => JSON.stringify(item.data)),
    ],
  );
  return new Map(rows.map((row) => [row.deliveryId, row.id]));
}
