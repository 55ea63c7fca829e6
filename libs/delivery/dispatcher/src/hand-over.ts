/**
 * The hand-over mark: the last committed write before bytes leave, fenced by attempt. Suppression, consent, expiry and
 * cancellation are read again in it, and whether the account may be used: who opted out a moment ago is not written to,
 * and an account that was paused or told to wait a moment ago is not called. A row that does not get the mark
 * goes back to the queue, where the gate will say why; if that is not written, its lease ends and the clock sweeps it.
 */
import { bug } from '@carillon/config';
import type { Sql } from '@carillon/database';
import type { Ready } from './claim.js';

/**
 * Marks these deliveries (one day, one workspace, one account). The account and the address stand in the row before
 * bytes leave, so that after a crash the provider can still be asked. @returns the ids that may be sent
 */
export async function markHandedOver(
  sql: Sql,
  batch: readonly Ready[],
  account: { id: string; provider: string } | null = null,
): Promise<Set<string>> {
  const [first] = batch;
  if (!first) return new Set();
  const { day, workspaceId, channel } = first.delivery;
  const ids = batch.map((r) => r.delivery.id);
  const attempts = batch.map((r) => r.delivery.attempt);
  const rows = await sql.query<{ id: string }>(
    // The time of the statement, not of the row: what was committed before it is seen by it.
    `UPDATE deliveries d SET handed_over_at = ${bug('mark-not-written') ? 'NULL' : 'statement_timestamp()'}, tries = d.tries + 1,
            provider_account_id = coalesce($8::uuid, d.provider_account_id), provider = coalesce($9, d.provider),
            address = CASE WHEN $7 IN ('email', 'sms') THEN coalesce(d.address, u.address) ELSE d.address END
       FROM unnest($3::uuid[], $4::int[], $5::text[], $6::text[]) AS u(id, attempt, address, topics)
      WHERE d.day = $1::date AND d.id = ANY($3::uuid[]) AND d.id = u.id AND d.workspace_id = $2 AND d.attempt = u.attempt AND ${bug('cancel-unread-at-mark') ? "d.status IN ('sending', 'cancelled')" : "d.status = 'sending'"} AND d.handed_over_at IS NULL
        AND (d.expires_at IS NULL OR d.expires_at > clock_timestamp()${bug('expiry-ignored') ? ' OR true' : ''})
        AND NOT EXISTS (SELECT 1 FROM suppressions s WHERE ${bug('suppression-unread-at-mark') ? 'false AND' : ''} s.workspace_id = $2 AND s.channel = $7 AND s.address IN (u.address, substring(u.address FROM '@[^@]*$'))
                           AND NOT (s.reason = 'complained' AND d.class = 'transactional' AND ${COMPLAINTS_IGNORED}))
        AND NOT EXISTS (SELECT 1 FROM consents c WHERE c.workspace_id = $2 AND c.channel = $7 AND c.word = 'out' AND c.topic = ANY(u.topics::text[])
                           AND (c.address = u.address OR (c.address = '' AND c.profile_id = d.profile_id))
                           AND NOT ${NEARER_WORD})
        AND NOT EXISTS (SELECT 1 FROM provider_accounts a WHERE a.workspace_id = $2 AND a.id = $8::uuid AND (a.paused_at IS NOT NULL OR a.deleted_at IS NOT NULL))
        AND NOT EXISTS (SELECT 1 FROM account_flow f WHERE f.workspace_id = $2 AND f.account_id = $8::uuid AND greatest(f.open_until, f.held_until) > clock_timestamp())
     RETURNING d.id`,
    [
      day,
      workspaceId,
      ids,
      attempts,
      batch.map((r) => r.targets[0]?.address ?? ''),
      batch.map((r) => pgArray(r.countingTopics)),
      channel,
      account?.id ?? null,
      account?.provider ?? null,
    ],
  );
  return new Set(rows.map((r) => r.id));
}

/** Gives what got no mark back to the queue, where the gate will say why (one day, one workspace). */
export async function unclaim(sql: Sql, refused: readonly Ready[]): Promise<void> {
  const [first] = refused;
  if (!first) return;
  await sql.execute(
    `UPDATE deliveries d SET status = 'queued', due_at = now() FROM unnest($3::uuid[], $4::int[]) AS u(id, attempt)
      WHERE d.day = $1::date AND d.id = ANY($3::uuid[]) AND d.id = u.id AND d.workspace_id = $2 AND d.attempt = u.attempt AND d.status = 'sending' AND d.handed_over_at IS NULL`,
    [
      first.delivery.day,
      first.delivery.workspaceId,
      refused.map((r) => r.delivery.id),
      refused.map((r) => r.delivery.attempt),
    ],
  );
}

/** As the gate reads it: the first topic is the channel's and beaten by none; of the others the nearest decides. */
const NEARER_WORD = `EXISTS (SELECT 1 FROM consents n WHERE n.workspace_id = $2 AND n.channel = $7 AND n.address = c.address AND n.profile_id = c.profile_id
                               AND c.topic <> '' AND n.topic <> '' AND array_position(u.topics::text[], n.topic) < array_position(u.topics::text[], c.topic))`;
const COMPLAINTS_IGNORED = `EXISTS (SELECT 1 FROM workspaces w WHERE w.id = $2 AND w.settings->>'transactionalIgnoresComplaints' = 'true')`;

/** A text[] literal; topics are free text, so quotes and backslashes are escaped. */
const pgArray = (values: readonly string[]): string =>
  `{${values.map((v) => `"${v.replace(/["\\]/g, '\\$&')}"`).join(',')}}`;
