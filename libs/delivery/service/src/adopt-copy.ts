/**
 * A restored database, and what a person decides about it. What waited in it when it was copied may have been sent since by the
 * database it was taken from; what was accepted after it came into use was not. Nothing leaves before it is adopted
 * (libs/database/src/installation.ts).
 */
import type { Sql } from '@carillon/database';

/** What waited at the time of the copy, over all workspaces. */
export interface CopyReport {
  /** Since when it has been in use as a copy; null when this database is no copy, or was never used as one. */
  copiedAt: Date | null;
  /** The last line of the log before: about when the copy was taken. */
  lastLineAt: Date | null;
  /** Deliveries that may have been sent since. */
  doubtful: { workspace: string; channel: string; count: number }[];
  /** Deliveries that are planned for later than now. */
  later: number;
  /** Runs that were under way. */
  runs: number;
  /** Calls of webhook endpoints that were due. */
  webhooks: number;
}

/** Waiting when the copy was made, and due since: `$1` is when it came into use. */
const DOUBTFUL = `d.created_at <= $1 AND (d.status IN ('queued', 'sending') OR (d.status = 'scheduled' AND d.due_at <= now()))`;

export async function copyReport(sql: Sql, copiedAt: Date | null): Promise<CopyReport> {
  if (!copiedAt) return { copiedAt, lastLineAt: null, doubtful: [], later: 0, runs: 0, webhooks: 0 };
  const [doubtful, [rest]] = await Promise.all([
    sql.query<CopyReport['doubtful'][number]>(
      `SELECT w.slug AS workspace, d.channel, count(*) AS count FROM deliveries d JOIN workspaces w ON w.id = d.workspace_id
        WHERE ${DOUBTFUL} GROUP BY 1, 2 ORDER BY 1, 2`,
      [copiedAt],
    ),
    sql.query<Omit<CopyReport, 'copiedAt' | 'doubtful'>>(
      `SELECT (SELECT max(at) FROM delivery_events WHERE at < $1) AS "lastLineAt",
              (SELECT count(*) FROM deliveries WHERE created_at <= $1 AND status = 'scheduled' AND due_at > now()) AS later,
              (SELECT count(*) FROM runs WHERE created_at <= $1 AND state = 'running') AS runs,
              (SELECT count(*) FROM webhook_messages WHERE created_at <= $1 AND due_at <= now()) AS webhooks`,
      [copiedAt],
    ),
  ]);
  return { copiedAt, doubtful, lastLineAt: null, later: 0, runs: 0, webhooks: 0, ...rest };
}

/**
 * From now on this database is the one that sends.
 *
 * @param waiting what becomes of what waited when it was copied: `send` it, or `hold` it: deliveries become `unknown` for a
 *   person to decide about, runs are paused, and webhooks are told late rather than never
 * @param anyTimeline a standby that takes over holds every commit (synchronous replication), so that its database is no copy
 */
export async function adoptCopy(
  sql: Sql,
  copiedAt: Date | null,
  { waiting, anyTimeline }: { waiting: 'send' | 'hold'; anyTimeline: boolean },
): Promise<{ held: number; paused: number }> {
  const held = { held: 0, paused: 0 };
  if (waiting === 'hold' && copiedAt) {
    held.held = await sql.execute(
      // A new attempt, so that whoever has one in hand writes nothing any more.
      `WITH held AS (
         UPDATE deliveries d SET status = 'unknown', reason = 'restored', due_at = NULL, attempt = d.attempt + 1 WHERE ${DOUBTFUL} RETURNING d.day, d.id, d.workspace_id)
       INSERT INTO delivery_events (day, delivery_id, workspace_id, type, reason) SELECT day, id, workspace_id, 'unknown', 'restored' FROM held`,
      [copiedAt],
    );
    held.paused = await sql.execute(
      `UPDATE runs SET state = 'paused', paused_reason = 'The database was restored from a copy: who is still to come may have got it already.'
        WHERE created_at <= $1 AND state = 'running'`,
      [copiedAt],
    );
  }
  await sql.query('SELECT adopt_database($1)', [anyTimeline]);
  return held;
}
