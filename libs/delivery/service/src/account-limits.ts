/**
 * What the processes tell each other about accounts (`account_flow`), for people: the circuit breaker and the quota, in
 * sentences. Reads only, but for bringing forward what waits for an account. Called by accounts.ts.
 */
import type { AccountBreaker, AccountQuota, Channel, RateLimit } from '@carillon/contracts';
import type { Sql } from '@carillon/database';
import { breakerPhase, inWords, periodMs, periodStart, quotaOf } from '@carillon/delivery-rules';

export interface Flow {
  openUntil: Date | null;
  openedAt: Date | null;
  openReason: string | null;
  failuresInRow: number;
  heldUntil: Date | null;
  used: number;
  periodAt: Date | null;
  /** On the database's clock. */
  now: Date;
}

/** @returns rows by account id; an account that never had a limit or a failure has none */
export async function flowsOf(sql: Sql, workspaceId: string): Promise<Map<string, Flow>> {
  const rows = await sql.query<Flow & { id: string }>(
    `SELECT account_id AS id, open_until AS "openUntil", opened_at AS "openedAt", open_reason AS "openReason", failures_in_row AS "failuresInRow",
            held_until AS "heldUntil", used, period_at AS "periodAt", clock_timestamp() AS now
       FROM account_flow WHERE workspace_id = $1`,
    [workspaceId],
  );
  return new Map(rows.map(({ id, ...flow }) => [id, flow]));
}

/** Pure: the breaker in words. */
export function breakerOf(flow: Flow | undefined): AccountBreaker {
  if (!flow)
    return {
      state: 'closed',
      sentence: 'Attempts go out.',
      reason: null,
      openedAt: null,
      retryAt: null,
      heldUntil: null,
    };
  const now = flow.now.getTime();
  const state = breakerPhase({ openUntil: flow.openUntil?.getTime() ?? null }, now);
  const held = flow.heldUntil && flow.heldUntil.getTime() > now ? flow.heldUntil : null;
  const when = (at: Date) => inWords(at.getTime() - now);
  const sentence =
    state === 'open' && flow.openUntil
      ? `Attempts stopped; the next probe goes out ${when(flow.openUntil)}.`
      : state === 'half-open'
        ? 'A few probes find out whether the provider is back.'
        : held
          ? `The provider asked to slow down: the next attempt goes out ${when(held)}.`
          : flow.failuresInRow > 0
            ? `Attempts go out; the last ${flow.failuresInRow} failed.`
            : 'Attempts go out.';
  return {
    state,
    sentence,
    reason: state === 'closed' ? null : flow.openReason,
    openedAt: flow.openedAt?.toISOString() ?? null,
    retryAt: flow.openUntil?.toISOString() ?? null,
    heldUntil: held?.toISOString() ?? null,
  };
}

/** Pure: how much of the present period is used. */
export function accountQuota(
  limit: RateLimit | null,
  flow: Flow | undefined,
  now: Date,
): AccountQuota | null {
  if (!limit) return null;
  const at = flow?.now ?? now;
  const start = periodStart(limit, at.getTime());
  const used = flow?.periodAt?.getTime() === start ? Math.round(flow.used) : 0;
  const most = quotaOf(limit);
  return {
    limit: most,
    per: limit.per,
    used,
    headroom: Math.max(0, most - used),
    resetsAt: new Date(start + periodMs[limit.per]).toISOString(),
  };
}

/** More than this comes by itself, at the latest ten minutes later. */
const MOST = 50_000;
/**
 * What waits for an account of the channel is looked at now: somebody resumed one, or changed its limit. Spread over half
 * a minute, transactional messages first.
 */
export async function wakeWaiting(sql: Sql, workspaceId: string, channel: Channel): Promise<void> {
  await sql.execute(
    `WITH waiting AS (
       SELECT day, id FROM deliveries
        WHERE due_at BETWEEN now() + interval '1 second' AND now() + interval '11 minutes' AND workspace_id = $1 AND channel = $2
          AND status = 'scheduled' AND reason IN ('account_paused', 'account_unavailable', 'account_rate')
        ORDER BY due_at LIMIT ${MOST} FOR UPDATE SKIP LOCKED)
     UPDATE deliveries d
        SET due_at = least(d.due_at, now() + random() * CASE d.lane WHEN 'transactional' THEN interval '1 second' WHEN 'journey' THEN interval '10 seconds' ELSE interval '30 seconds' END)
       FROM waiting w WHERE d.day = w.day AND d.id = w.id`,
    [workspaceId, channel],
  );
}
