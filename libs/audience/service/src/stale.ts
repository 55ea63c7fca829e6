/**
 * Whoever changes a person says what changed, in the transaction of the change; when a live audience of the workspace
 * mentions it, a row in `stale_profiles` asks the audience service to look at that person again. Where no live audience
 * does, this costs two short statements and writes nothing.
 *
 * The words: `attribute:<name>` · `profile` (email, phone, locale, zone) · `device` · `consent` · `suppression` ·
 * `event:<name>` · `message:<opened|clicked|…>` · `activity` · `*`, which every audience mentions: a person who is new.
 */
import { literal, type Sql } from '@carillon/database';

export interface Change {
  profileId: string;
  mentions: readonly string[];
}

/** Every audience is concerned: the person was not there before. */
export const EVERYTHING = '*';

/** First key of the workspace's advisory lock. */
const PEOPLE_LOCK = 72707372;

/**
 * Writers of people and events hold this together, to the end of their transaction. Taken before any row is locked, so
 * that who waits to be alone never waits for a writer that waits for him.
 */
export const amongWriters = (sql: Sql, workspaceId: string): Promise<unknown> =>
  sql.query('SELECT pg_advisory_xact_lock_shared($1, hashtext($2))', [PEOPLE_LOCK, workspaceId]);

/**
 * Alone with the workspace's people: an audience goes live, profiles become one, a profile goes. After it every writer
 * sees what was done, and none has been missed. For moments; on PostgreSQL's 55P03 ask again.
 */
export async function withoutWriters(sql: Sql, workspaceId: string): Promise<void> {
  await sql.query(`SELECT set_config('lock_timeout', '5s', true)`);
  await sql.query('SELECT pg_advisory_xact_lock($1, hashtext($2))', [PEOPLE_LOCK, workspaceId]);
}

/** What the live audiences of the workspace mention. Empty where there is none. Call after the change. */
export async function liveMentions(sql: Sql, workspaceId: string): Promise<ReadonlySet<string>> {
  // A statement of its own: the next one sees what was committed while this one waited.
  await amongWriters(sql, workspaceId);
  const rows = await sql.query<{ mention: string }>(
    `SELECT DISTINCT unnest(mentions) AS mention FROM audiences WHERE workspace_id = $1 AND live AND archived_at IS NULL`,
    [workspaceId],
  );
  return rows.length === 0 ? new Set() : new Set(rows.map(({ mention }) => mention)).add(EVERYTHING);
}

/** Leaves a row for each person whose live memberships the change may move. */
export async function markStale(sql: Sql, workspaceId: string, changes: readonly Change[]): Promise<void> {
  if (changes.length > 0) await leaveRows(sql, workspaceId, changes, await liveMentions(sql, workspaceId));
}

/** The same for words about addresses: those who have one of them are looked for only when it matters. */
export async function markStaleAt(
  sql: Sql,
  workspaceId: string,
  addresses: readonly string[],
  mention: 'consent' | 'suppression',
): Promise<void> {
  if (addresses.length === 0) return;
  const mentioned = await liveMentions(sql, workspaceId);
  if (!mentioned.has(mention)) return;
  const rows = await sql.query<{ id: string }>(
    `SELECT id FROM profiles WHERE workspace_id = $1 AND email = ANY($2)
     UNION SELECT id FROM profiles WHERE workspace_id = $1 AND phone = ANY($2)`,
    [workspaceId, addresses],
  );
  const changes = rows.map(({ id }) => ({ profileId: id, mentions: [mention] }));
  await leaveRows(sql, workspaceId, changes, mentioned);
}

async function leaveRows(
  sql: Sql,
  workspaceId: string,
  changes: readonly Change[],
  mentioned: ReadonlySet<string>,
): Promise<void> {
  const stale = new Map<string, Set<string>>();
  for (const { profileId, mentions } of changes)
    for (const mention of mentions)
      if (mentioned.has(mention)) stale.set(profileId, (stale.get(profileId) ?? new Set()).add(mention));
  if (stale.size === 0) return;
  await sql.execute(
    `INSERT INTO stale_profiles (workspace_id, profile_id, mentions)
     SELECT $1, profile_id, mentions::text[] FROM unnest($2::uuid[], $3::text[]) AS u(profile_id, mentions)`,
    [workspaceId, [...stale.keys()], [...stale.values()].map((words) => literal([...words]))],
  );
}
