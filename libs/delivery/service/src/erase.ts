/**
 * Erasing what messages said and to whom: data, content, options, addresses, inbox items, and what providers answered,
 * which may quote addresses. The rows stay, with status, reason and times, so that counts and history still add up. What
 * has not left is cancelled first; what is being handed over at this moment is refused, because its record would write anew.
 */
import type { Sql } from '@carillon/database';
import { dayOf } from '@carillon/database';
import { cancelMessage } from './change-plans.js';

export type Erased = { ok: true; deliveries: number; cancelled: string[] } | { ok: false; busy: number };

/** @returns null when there is no such message */
export async function eraseMessage(sql: Sql, workspaceId: string, messageId: string): Promise<Erased | null> {
  const cancelled = await cancelMessage(sql, workspaceId, messageId);
  if (!cancelled) return null;
  const day = dayOf(messageId);
  const deliveries = await sql.query<{ id: string; busy: boolean }>(
    `SELECT id, status = 'sending' OR due_at IS NOT NULL AS busy FROM deliveries
      WHERE day = $2::date AND workspace_id = $1 AND id = ANY((SELECT delivery_ids FROM messages WHERE day = $2::date AND id = $3 AND workspace_id = $1)::uuid[])
      FOR UPDATE`,
    [workspaceId, day, messageId],
  );
  const busy = deliveries.filter((d) => d.busy).length;
  if (busy > 0) return { ok: false, busy };
  const ids = deliveries.map((d) => d.id);
  await sql.execute(
    `UPDATE messages SET content = NULL, data = '{}', options = '{}', erased_at = coalesce(erased_at, now()) WHERE day = $2::date AND id = $3 AND workspace_id = $1`,
    [workspaceId, day, messageId],
  );
  await sql.execute(
    'UPDATE deliveries SET address = NULL WHERE day = $2::date AND id = ANY($3::uuid[]) AND workspace_id = $1 AND address IS NOT NULL',
    [workspaceId, day, ids],
  );
  await sql.execute(
    `UPDATE receipts SET answer = '{}' WHERE day = $2::date AND delivery_id = ANY($3::uuid[]) AND workspace_id = $1`,
    [workspaceId, day, ids],
  );
  await sql.execute('DELETE FROM inbox_items WHERE workspace_id = $1 AND delivery_id = ANY($2::uuid[])', [
    workspaceId,
    ids,
  ]);
  await sql.query('SELECT erase_event_details($1, $2::date, $3::uuid[])', [workspaceId, day, ids]);
  return { ok: true, deliveries: ids.length, cancelled: cancelled.changed };
}
