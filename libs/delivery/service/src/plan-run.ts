/**
 * Planning a run: who gets it is frozen into members with a dense `seq`, cut into pages, and what is said becomes one
 * message that all its deliveries name. Nothing is sent before `changeRun(…, 'start')`. Called by whoever mails many
 * people: campaigns. One transaction, the caller's, so that a run exists with all its members or not at all.
 */
import type { Attachment, Channel, ContentByChannel, MessageClass, Tracking } from '@carillon/contracts';
import { dayOf, newId, newSeries, PARTITIONS_AHEAD_DAYS, type Sql } from '@carillon/database';

/** Members of a page. Larger gains nothing; smaller pays for more commits. */
export const PAGE_SIZE = 1000;

/**
 * A statement of ours, never of a caller; its columns are `profile_id`, `key` (text), `data` (jsonb), and with `timed` also
 * `at` (timestamptz): nobody gets it earlier.
 */
export interface Query {
  text: string;
  params: readonly unknown[];
  timed?: boolean;
}
/** Kept with its message. */
export interface RunOptions {
  replyTo?: string;
  tracking?: Tracking;
  priority?: number;
  attachments?: Attachment[];
}
export interface NewRun {
  source: { kind: 'campaign' | 'journey' | 'api'; id: string | null };
  channel: Channel;
  messageClass: MessageClass;
  topic?: string;
  /** Either a version of a template or content. */
  template?: { id: string; version: number };
  content?: ContentByChannel;
  data?: Record<string, unknown>;
  options?: RunOptions;
  /** Decides the day that the log keeps it under; at most a week ahead. Default now. */
  plannedAt?: Date;
  expiresAt?: Date;
  /** Of a timed audience: so long after each one's time, beside `expiresAt`. */
  expiresAfterMs?: number;
  /** Its share of the workspace's turns, 1 to 100. */
  weight?: number;
  /** Messages a second at most. */
  rate?: number;
  audience: { profileIds: readonly string[] } | { query: Query };
  pageSize?: number;
}
export interface PlannedRun {
  id: string;
  messageId: string;
  members: number;
  pages: number;
}

/**
 * @returns the run, in state `planned`; a person who is in the audience twice under one key is in it once
 * @throws {RangeError} when it is planned for a day that the log has no room for yet
 */
export async function planRun(sql: Sql, workspaceId: string, run: NewRun): Promise<PlannedRun> {
  const plannedAt = run.plannedAt ?? new Date();
  if (Math.abs(plannedAt.getTime() - Date.now()) > PARTITIONS_AHEAD_DAYS * DAY_MS)
    throw new RangeError(`A run is planned for a day at most ${PARTITIONS_AHEAD_DAYS} days away.`);
  const id = newId();
  const messageId = newSeries(plannedAt);
  const day = dayOf(messageId);
  await sql.execute(
    `INSERT INTO messages (day, id, workspace_id, class, lane, source, source_id, topic, template_id, template_version, content, data, options, delivery_ids, expires_at)
     VALUES ($1::date, $2, $3, $4, 'bulk', $5, $6, $7, $8, $9, $10, $11, $12, '{}', $13)`,
    [
      day,
      messageId,
      workspaceId,
      run.messageClass,
      run.source.kind,
      id,
      run.topic ?? null,
      run.template?.id ?? null,
      run.template?.version ?? null,
      run.content ? JSON.stringify(run.content) : null,
      JSON.stringify(run.data ?? {}),
      JSON.stringify(run.options ?? {}),
      run.expiresAt ?? null,
    ],
  );
  await sql.execute(
    `INSERT INTO runs (id, workspace_id, source, source_id, channel, class, topic, message_id, day, planned_at, expires_at, state, weight, rate)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9::date, $10, $11, 'planned', $12, $13)`,
    [
      id,
      workspaceId,
      run.source.kind,
      run.source.id,
      run.channel,
      run.messageClass,
      run.topic ?? null,
      messageId,
      day,
      plannedAt,
      run.expiresAt ?? null,
      run.weight ?? 1,
      run.rate ?? null,
    ],
  );
  // At a low rate a page is a second's worth, so that the rate is kept within a second.
  const size = Math.max(1, Math.min(run.pageSize ?? PAGE_SIZE, Math.floor(run.rate ?? PAGE_SIZE)));
  const { members, pages } = await freeze(
    sql,
    workspaceId,
    { id, day, channel: run.channel, size, expiresAfterMs: run.expiresAfterMs ?? null },
    run.audience,
  );
  await sql.execute('UPDATE runs SET members = $3 WHERE workspace_id = $1 AND id = $2', [
    workspaceId,
    id,
    members,
  ]);
  return { id, messageId, members, pages };
}

/**
 * Members and their pages in one statement. Those of one time lie together, and no page holds two times: it waits, open,
 * until its own.
 */
async function freeze(
  sql: Sql,
  workspaceId: string,
  run: { id: string; day: string; channel: Channel; size: number; expiresAfterMs: number | null },
  audience: NewRun['audience'],
): Promise<{ members: number; pages: number }> {
  const query: Query =
    'query' in audience
      ? audience.query
      : {
          text: `SELECT id AS profile_id, NULL::text AS key, NULL::jsonb AS data FROM profiles WHERE workspace_id = $1 AND id = ANY($2::uuid[])`,
          params: [workspaceId, audience.profileIds],
        };
  const [a, b, c] = [1, 2, 3].map((n) => `$${query.params.length + n}`);
  const params = [...query.params, run.day, run.id, workspaceId];
  // By profile: people made together lie together, and are read together.
  const members = (before: string) =>
    `INSERT INTO run_members (day, run_id, seq, workspace_id, profile_id, key, data)
     SELECT ${a}::date, ${b}::uuid, ${before}, ${c}::uuid, m.profile_id, m.key, m.data`;
  const once = (at: string) =>
    `SELECT DISTINCT ON (profile_id, key) profile_id, key, data${at} FROM (${query.text}) AS people ORDER BY profile_id, key${at}`;
  if (!query.timed) {
    const count = await sql.execute(
      `${members('row_number() OVER (ORDER BY m.profile_id, m.key)')} FROM (${once('')}) AS m`,
      params,
    );
    const pages = await sql.execute(
      `INSERT INTO pages (id, workspace_id, run_id, no, lo, hi, channel, cursor, mark)
       SELECT gen_random_uuid(), $1::uuid, $2::uuid, n, lo, least(lo + $4, $5 + 1), $3, lo, lo
         FROM generate_series(0, ($5::int + $4::int - 1) / $4::int - 1) AS n, LATERAL (SELECT 1 + n * $4::int AS lo) AS at`,
      [workspaceId, run.id, run.channel, run.size, count],
    );
    return { members: count, pages };
  }
  const [d, e, f] = [4, 5, 6].map((n) => `$${query.params.length + n}`);
  const [row] = await sql.query<{ members: number; pages: number }>(
    `WITH placed AS MATERIALIZED (
       SELECT m.*, (row_number() OVER (ORDER BY m.at NULLS FIRST, m.profile_id, m.key))::int AS seq FROM (${once(', at')}) AS m),
     frozen AS (${members('m.seq')} FROM placed AS m RETURNING 1),
     times AS (SELECT at, min(seq) AS lo, max(seq) + 1 AS hi FROM placed GROUP BY at),
     cut AS (
       INSERT INTO pages (id, workspace_id, run_id, no, lo, hi, channel, cursor, mark, lease_until, expires_at)
       SELECT gen_random_uuid(), ${c}::uuid, ${b}::uuid, (row_number() OVER (ORDER BY page.first))::int - 1, page.first, least(page.first + ${e}::int, t.hi), ${d}::text, page.first, page.first, t.at, t.at + ${f}::float8 * interval '1 millisecond'
         FROM times t, LATERAL generate_series(t.lo, t.hi - 1, ${e}::int) AS page(first) RETURNING 1)
     SELECT (SELECT count(*) FROM frozen) AS members, (SELECT count(*) FROM cut) AS pages`,
    [...params, run.channel, run.size, run.expiresAfterMs],
  );
  return { members: row?.members ?? 0, pages: row?.pages ?? 0 };
}

/**
 * Freezes people who get nothing, among the members and as long as those: to be compared with.
 * @param id new: of nothing else
 */
export const freezeAside = (sql: Sql, workspaceId: string, id: string, query: Query): Promise<number> => {
  const [a, b, c] = [1, 2, 3].map((n) => `$${query.params.length + n}`);
  return sql.execute(
    `INSERT INTO run_members (day, run_id, seq, workspace_id, profile_id)
     SELECT ${a}::date, ${b}::uuid, row_number() OVER (ORDER BY profile_id), ${c}::uuid, profile_id
       FROM (SELECT DISTINCT profile_id FROM (${query.text}) AS people) AS once`,
    [...query.params, dayOf(id), id, workspaceId],
  );
};

const DAY_MS = 86_400_000;
