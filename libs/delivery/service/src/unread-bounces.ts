/**
 * Mails to return addresses that told of no delivery. Kept for a person to look at; no more of them than anybody reads, since
 * whoever finds the address can write to it.
 */
import type { UnreadBounce } from '@carillon/contracts';
import { newId, type Sql } from '@carillon/database';
import type { WebhookUnreadable } from '@carillon/delivery-rules';

const SHOWN = 100;
/** Of an account; the oldest go. */
const KEPT = 1000;

export async function keepUnreadable(
  sql: Sql,
  account: { id: string; workspaceId: string },
  { why, head }: WebhookUnreadable,
): Promise<void> {
  const { id, workspaceId } = account;
  await sql.execute(
    'INSERT INTO unread_bounces (id, workspace_id, provider_account_id, why, head) VALUES ($1, $2, $3, $4, $5)',
    [newId(), workspaceId, id, why, head.replaceAll('\0', '')],
  );
  await sql.execute(
    `DELETE FROM unread_bounces WHERE workspace_id = $1 AND provider_account_id = $2 AND id <= (
       SELECT id FROM unread_bounces WHERE workspace_id = $1 AND provider_account_id = $2 ORDER BY id DESC OFFSET ${KEPT} LIMIT 1)`,
    [workspaceId, id],
  );
}

/** The newest first. */
export async function unreadBounces(sql: Sql, workspaceId: string): Promise<UnreadBounce[]> {
  const rows = await sql.query<Omit<UnreadBounce, 'receivedAt'> & { receivedAt: Date }>(
    `SELECT id, provider_account_id AS "accountId", received_at AS "receivedAt", why, head
       FROM unread_bounces WHERE workspace_id = $1 ORDER BY id DESC LIMIT ${SHOWN}`,
    [workspaceId],
  );
  return rows.map((row) => ({ ...row, receivedAt: row.receivedAt.toISOString() }));
}
