/**
 * Members and their changes. Whoever writes them holds the audience's lock, so that an audience has one writer at a time:
 * its counter is the order in which its changes were committed, and readers that go on from a `seq` miss nothing.
 */
import type { AudienceChange, AudienceMember } from '@carillon/contracts';
import type { Database, Sql } from '@carillon/database';
import { liveMentions, markStale, type Change } from './stale.js';

/** First key of the advisory lock of one audience. */
const AUDIENCE_LOCK = 72707373;

export interface MemberChange {
  audienceId: string;
  profileId: string;
  change: 'enter' | 'leave';
}

/** Waits until nobody else writes the audience's members. */
export const aloneWith = (sql: Sql, audienceId: string): Promise<unknown> =>
  sql.query('SELECT pg_advisory_xact_lock($1, hashtext($2))', [AUDIENCE_LOCK, audienceId]);

/** @returns those of the audiences that nobody else writes just now: they are ours to the end of the transaction */
export async function freeAudiences(sql: Sql, audienceIds: readonly string[]): Promise<Set<string>> {
  const rows = await sql.query<{ id: string; free: boolean }>(
    `SELECT id, pg_try_advisory_xact_lock($1, hashtext(id)) AS free FROM unnest($2::text[]) AS u(id)`,
    [AUDIENCE_LOCK, audienceIds],
  );
  return new Set(rows.filter(({ free }) => free).map(({ id }) => id));
}

/**
 * Writes changes that are known to be changes: members, changes and counters together. Call with the audience's lock and
 * among writers.
 * @param tell who is to be looked at again, because live rules name the audience
 */
export async function writeChanges(
  sql: Sql,
  workspaceId: string,
  changes: readonly MemberChange[],
  cause: string,
  tell = (moved: readonly Change[]): Promise<void> => markStale(sql, workspaceId, moved),
): Promise<void> {
  if (changes.length === 0) return;
  const of = new Map<string, MemberChange[]>();
  for (const change of changes) {
    const same = of.get(change.audienceId);
    if (same) same.push(change);
    else of.set(change.audienceId, [change]);
  }
  const ids = [...of.keys()].sort();
  const counters = await sql.query<{ id: string; seq: number }>(
    `UPDATE audiences a SET last_seq = a.last_seq + u.changes, size = a.size + u.more
     FROM unnest($2::uuid[], $3::integer[], $4::integer[]) AS u(id, changes, more)
     WHERE a.workspace_id = $1 AND a.id = u.id RETURNING a.id, a.last_seq - u.changes AS seq`,
    [
      workspaceId,
      ids,
      ids.map((id) => of.get(id)?.length ?? 0),
      ids.map((id) => (of.get(id) ?? []).reduce((sum, { change }) => sum + (change === 'enter' ? 1 : -1), 0)),
    ],
  );
  const written = counters.flatMap(({ id, seq }) =>
    (of.get(id) ?? []).map((change, i) => ({ ...change, seq: seq + i + 1 })),
  );
  const [entered, left] = (['enter', 'leave'] as const).map((kind) =>
    written.filter(({ change }) => change === kind),
  );
  if (entered?.length)
    await sql.execute(
      `INSERT INTO audience_members (workspace_id, audience_id, profile_id, seq)
       SELECT $1, u.* FROM unnest($2::uuid[], $3::uuid[], $4::bigint[]) AS u(audience_id, profile_id, seq)`,
      [
        workspaceId,
        entered.map((c) => c.audienceId),
        entered.map((c) => c.profileId),
        entered.map((c) => c.seq),
      ],
    );
  if (left?.length)
    await sql.execute(
      `DELETE FROM audience_members m USING unnest($2::uuid[], $3::uuid[]) AS u(audience_id, profile_id)
       WHERE m.workspace_id = $1 AND m.audience_id = u.audience_id AND m.profile_id = u.profile_id`,
      [workspaceId, left.map((c) => c.audienceId), left.map((c) => c.profileId)],
    );
  await sql.execute(
    `INSERT INTO audience_changes (workspace_id, audience_id, seq, profile_id, change, cause, at)
     SELECT $1, u.audience_id, u.seq, u.profile_id, u.change, $6, clock_timestamp()
     FROM unnest($2::uuid[], $3::bigint[], $4::uuid[], $5::text[]) AS u(audience_id, seq, profile_id, change)`,
    [
      workspaceId,
      written.map((c) => c.audienceId),
      written.map((c) => c.seq),
      written.map((c) => c.profileId),
      written.map((c) => c.change),
      cause,
    ],
  );
  await tellWebhooks(sql, workspaceId, counters);
  const mentioned = await liveMentions(sql, workspaceId);
  await tell(
    written
      .filter(({ audienceId }) => mentioned.has(`audience:${audienceId}`))
      .map(({ profileId, audienceId }) => ({ profileId, mentions: [`audience:${audienceId}`] })),
  );
}

/**
 * Rows for the endpoints that ask for changes of audiences by name: those that take everything do not get them. In the
 * transaction of the changes, which come after `seq` of each audience.
 */
export const tellWebhooks = (
  sql: Sql,
  workspaceId: string,
  after: readonly { id: string; seq: number }[],
): Promise<number> =>
  sql.execute(
    `INSERT INTO webhook_messages (endpoint_id, event_id, workspace_id, type, happened_at, payload)
     SELECT w.id, c.audience_id || ':' || c.seq, c.workspace_id, CASE c.change WHEN 'enter' THEN 'audience.entered' ELSE 'audience.left' END, c.at,
       jsonb_build_object('audience', jsonb_build_object('id', a.id, 'key', a.key, 'name', a.name), 'seq', c.seq, 'cause', c.cause,
         'profile', jsonb_build_object('id', p.id, 'externalId', p.external_id))
     FROM webhook_endpoints w
     CROSS JOIN unnest($2::uuid[], $3::bigint[]) AS u(id, seq)
     JOIN audience_changes c ON c.workspace_id = $1 AND c.audience_id = u.id AND c.seq > u.seq
     JOIN audiences a ON a.workspace_id = $1 AND a.id = u.id
     JOIN profiles p ON p.workspace_id = $1 AND p.id = c.profile_id
     WHERE w.workspace_id = $1 AND w.enabled
       AND CASE c.change WHEN 'enter' THEN 'audience.entered' ELSE 'audience.left' END = ANY(w.types)`,
    [workspaceId, after.map(({ id }) => id), after.map(({ seq }) => seq)],
  );

/** Ids of those of these people who are members, or of all members. */
export async function membersAmong(
  sql: Sql,
  workspaceId: string,
  audienceId: string,
  profileIds?: readonly string[],
): Promise<Set<string>> {
  const rows = await sql.query<{ id: string }>(
    `SELECT profile_id AS id FROM audience_members WHERE workspace_id = $1 AND audience_id = $2${profileIds ? ' AND profile_id = ANY($3::uuid[])' : ''}`,
    [workspaceId, audienceId, ...(profileIds ? [profileIds] : [])],
  );
  return new Set(rows.map(({ id }) => id));
}

/**
 * Puts people into a list and takes others out; who is there already, or is not, stays as they are. Call among writers.
 * @returns how many entered
 */
export async function changeList(
  sql: Sql,
  workspaceId: string,
  audienceId: string,
  { join, leave }: { join: readonly string[]; leave: readonly string[] },
  { cause = 'list', tell }: { cause?: string; tell?: Parameters<typeof writeChanges>[4] } = {},
): Promise<number> {
  await aloneWith(sql, audienceId);
  const members = await membersAmong(sql, workspaceId, audienceId, [...join, ...leave]);
  const entering = [...new Set(join)].filter((id) => !members.has(id));
  const leaving = [...new Set(leave)].filter((id) => members.has(id));
  await writeChanges(
    sql,
    workspaceId,
    [
      ...entering.map((profileId) => ({ audienceId, profileId, change: 'enter' as const })),
      ...leaving.map((profileId) => ({ audienceId, profileId, change: 'leave' as const })),
    ],
    cause,
    tell,
  );
  return entering.length;
}

/** Members in the order of entering, after a seq. */
export function membersAfter(
  sql: Sql,
  workspaceId: string,
  audienceId: string,
  after: number,
  limit: number,
): Promise<(Omit<AudienceMember, 'since' | 'seq'> & { seq: number; since: Date })[]> {
  return sql.query(
    `SELECT p.id, p.external_id AS "externalId", p.email, p.phone, m.seq, m.since
     FROM audience_members m JOIN profiles p ON p.workspace_id = $1 AND p.id = m.profile_id
     WHERE m.workspace_id = $1 AND m.audience_id = $2 AND m.seq > $3 ORDER BY m.seq LIMIT $4`,
    [workspaceId, audienceId, after, limit],
  );
}

/** Changes after a seq, in the order they were committed. */
export async function changesAfter(
  sql: Sql,
  workspaceId: string,
  audienceId: string,
  after: number,
  limit: number,
): Promise<AudienceChange[]> {
  const rows = await sql.query<{
    seq: number;
    change: 'enter' | 'leave';
    cause: string;
    at: Date;
    id: string;
    externalId: string;
  }>(
    `SELECT c.seq, c.change, c.cause, c.at, p.id, p.external_id AS "externalId"
     FROM audience_changes c JOIN profiles p ON p.workspace_id = $1 AND p.id = c.profile_id
     WHERE c.workspace_id = $1 AND c.audience_id = $2 AND c.seq > $3 ORDER BY c.seq LIMIT $4`,
    [workspaceId, audienceId, after, limit],
  );
  return rows.map(({ at, id, externalId, ...change }) => ({
    ...change,
    at: at.toISOString(),
    profile: { id, externalId },
  }));
}

/** Up to which seq changes have been forgotten. To be asked after they were read: what went meanwhile is known then. */
export async function forgottenUpTo(sql: Sql, workspaceId: string, audienceId: string): Promise<number> {
  const [row] = await sql.query<{ seq: number }>(
    'SELECT forgotten_seq AS seq FROM audiences WHERE workspace_id = $1 AND id = $2',
    [workspaceId, audienceId],
  );
  return row?.seq ?? 0;
}

/** Changes that are forgotten by one statement. */
const SLICE = 5_000;

/** Called by the clock: forgets changes past their retention, and how far. Members stay. @returns how many */
export async function forgetChanges(database: Database, keepDays: number): Promise<number> {
  const audiences = await database.acrossWorkspaces((sql) =>
    sql.query<{ workspaceId: string; id: string }>(
      `SELECT a.workspace_id AS "workspaceId", a.id FROM audiences a
        WHERE (SELECT c.at FROM audience_changes c WHERE c.workspace_id = a.workspace_id AND c.audience_id = a.id ORDER BY c.seq LIMIT 1)
              < now() - make_interval(days => $1)`,
      [keepDays],
    ),
  );
  let all = 0;
  for (const { workspaceId, id } of audiences)
    for (let gone = SLICE; gone === SLICE; all += gone) {
      const [row] = await database.inWorkspace(workspaceId, ({ last }) =>
        last.query<{ gone: number }>(
          `WITH old AS (
             DELETE FROM audience_changes c
              WHERE c.workspace_id = $1 AND c.audience_id = $2 AND c.at < now() - make_interval(days => $3)
                AND c.seq = ANY(ARRAY(SELECT seq FROM audience_changes WHERE workspace_id = $1 AND audience_id = $2 ORDER BY seq LIMIT $4))
             RETURNING c.seq),
           noted AS (
             UPDATE audiences SET forgotten_seq = greatest(forgotten_seq, (SELECT max(seq) FROM old)) WHERE workspace_id = $1 AND id = $2)
           SELECT count(*)::int AS gone FROM old`,
          [workspaceId, id, keepDays, SLICE],
        ),
      );
      gone = row?.gone ?? 0;
    }
  return all;
}
