/** Cancelling and rescheduling: one UPDATE each. Possible as long as no bytes have left; the hand-over mark is the border. */
import type { Sql } from '@carillon/database';
import { dayOf } from '@carillon/database';
import { OFFER_AGAIN_SECONDS } from './accept.js';

interface Changed {
  id: string;
  lane: string;
  channel: string;
}
const NOT_LEFT = `(d.status IN ('scheduled', 'queued') OR (d.status = 'sending' AND d.handed_over_at IS NULL))`;

/** The deliveries of a message; null when there is no such message in the workspace. */
async function deliveriesOf(sql: Sql, workspaceId: string, messageId: string): Promise<string[] | null> {
  const [row] = await sql.query<{ ids: string[] }>(
    'SELECT delivery_ids AS ids FROM messages WHERE day = $2::date AND id = $3 AND workspace_id = $1',
    [workspaceId, dayOf(messageId), messageId],
  );
  return row?.ids ?? null;
}

/**
 * Stops every further attempt. Where an earlier one is in doubt (`possible_duplicate`: its worker died or froze after the
 * hand-over mark) it may have left, or still leave when a frozen process goes on: it counts among those that had left.
 *
 * @returns `cancelled`: what surely will not arrive; `changed`: these, and those in doubt; null when there is no such message
 */
export async function cancelMessage(
  sql: Sql,
  workspaceId: string,
  messageId: string,
): Promise<{ cancelled: string[]; changed: string[]; alreadyLeft: number } | null> {
  const ids = await deliveriesOf(sql, workspaceId, messageId);
  if (!ids) return null;
  const rows = await sql.query<{ id: string; inDoubt: boolean }>(
    `WITH changed AS (
       UPDATE deliveries d SET status = 'cancelled', reason = 'cancelled_by_request', due_at = NULL
        WHERE d.day = $2::date AND d.id = ANY($3::uuid[]) AND d.workspace_id = $1 AND ${NOT_LEFT} RETURNING d.day, d.id, d.possible_duplicate),
     told AS (
       INSERT INTO delivery_events (day, delivery_id, workspace_id, type, reason) SELECT day, id, $1, 'cancelled', 'cancelled_by_request' FROM changed)
     SELECT id, possible_duplicate AS "inDoubt" FROM changed`,
    [workspaceId, dayOf(messageId), ids],
  );
  const [ended] = await sql.query<{ count: number }>(
    `SELECT count(*) AS count FROM deliveries WHERE day = $2::date AND id = ANY($3::uuid[]) AND workspace_id = $1 AND (status <> 'cancelled' OR possible_duplicate)`,
    [workspaceId, dayOf(messageId), ids],
  );
  return {
    cancelled: rows.filter((r) => !r.inDoubt).map((r) => r.id),
    changed: rows.map((r) => r.id),
    alreadyLeft: ended?.count ?? 0,
  };
}

/** A time in the past means now. @returns null when there is no such message */
export async function rescheduleMessage(
  sql: Sql,
  workspaceId: string,
  messageId: string,
  sendAt: Date,
): Promise<{
  rescheduled: (Changed & { now: boolean })[];
  alreadyLeft: number;
  expiresAt: Date | null;
} | null> {
  const ids = await deliveriesOf(sql, workspaceId, messageId);
  if (!ids) return null;
  const day = dayOf(messageId);
  const rows = await sql.query<Changed & { now: boolean }>(
    // Later steps of a route keep their distance to the first.
    `WITH changed AS (
       UPDATE deliveries d
          SET status = CASE WHEN $4::timestamptz > now() OR d.reason = 'fallback' THEN 'scheduled' ELSE 'queued' END,
              reason = CASE WHEN d.reason = 'fallback' THEN d.reason WHEN $4::timestamptz > now() THEN 'send_later' END,
              due_at = CASE WHEN d.reason = 'fallback' THEN d.due_at + ($4::timestamptz - coalesce(m.send_at, m.created_at))
                            WHEN $4::timestamptz > now() THEN $4::timestamptz ELSE now() + make_interval(secs => $5) END
         FROM messages m
        WHERE m.day = $2::date AND m.id = $6 AND d.day = $2::date AND d.id = ANY($3::uuid[]) AND d.workspace_id = $1 AND m.workspace_id = $1 AND ${NOT_LEFT}
        RETURNING d.day, d.id, d.lane, d.channel, d.status = 'queued' AS now),
     told AS (
       INSERT INTO delivery_events (day, delivery_id, workspace_id, type, detail) SELECT day, id, $1, 'rescheduled', jsonb_build_object('sendAt', $4::timestamptz) FROM changed)
     SELECT id, lane, channel, now FROM changed`,
    [workspaceId, day, ids, sendAt, OFFER_AGAIN_SECONDS, messageId],
  );
  const [message] = await sql.query<{ expiresAt: Date | null }>(
    'UPDATE messages SET send_at = $4 WHERE day = $2::date AND id = $3 AND workspace_id = $1 RETURNING expires_at AS "expiresAt"',
    [workspaceId, day, messageId, sendAt],
  );
  return { rescheduled: rows, alreadyLeft: ids.length - rows.length, expiresAt: message?.expiresAt ?? null };
}
