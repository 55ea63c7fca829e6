/**
 * A person decides about a delivery whose outcome is unknown: it arrived, it did not, or it is sent again and may arrive
 * twice. One UPDATE that only an unknown delivery meets, and a line of the timeline that says who.
 */
import type { Resolve } from '@carillon/contracts';
import { dayOf, type Sql } from '@carillon/database';
import { bringNextStepForward } from './apply-receipts.js';

const outcomes = {
  sent: { status: 'sent', reason: null },
  failed: { status: 'failed', reason: 'decided_by_person' },
  resend: { status: 'scheduled', reason: 'redriven' },
} as const;

/** @returns false when it is not unknown, or not there */
export async function resolveDelivery(
  sql: Sql,
  workspaceId: string,
  id: string,
  decision: Resolve,
  who: string,
): Promise<boolean> {
  const { status, reason } = outcomes[decision.as];
  const changed = await sql.execute(
    `UPDATE deliveries
        SET status = $4, reason = $5, due_at = CASE WHEN $4 = 'scheduled' THEN now() END,
            sent_at = CASE WHEN $4 = 'sent' THEN coalesce(sent_at, handed_over_at, now()) ELSE sent_at END,
            possible_duplicate = possible_duplicate OR $4 = 'scheduled',
            tries = CASE WHEN $4 = 'scheduled' THEN 0 ELSE tries END, crashes = CASE WHEN $4 = 'scheduled' THEN 0 ELSE crashes END,
            redriven_at = CASE WHEN $4 = 'scheduled' THEN now() ELSE redriven_at END
      WHERE day = $2::date AND id = $3 AND workspace_id = $1 AND status = 'unknown'`,
    [workspaceId, dayOf(id), id, status, reason],
  );
  if (changed === 0) return false;
  await sql.execute(
    `INSERT INTO delivery_events (day, delivery_id, workspace_id, type, reason, detail) VALUES ($2::date, $3, $1, 'resolved', $4, $5::jsonb)`,
    [
      workspaceId,
      dayOf(id),
      id,
      reason,
      JSON.stringify({ by: who, as: decision.as, ...(decision.note && { note: decision.note }) }),
    ],
  );
  if (status === 'failed') await bringNextStepForward(sql, workspaceId, [id]);
  return true;
}
