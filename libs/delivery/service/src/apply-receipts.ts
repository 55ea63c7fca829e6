/**
 * What providers report later becomes part of the delivery: once per event of theirs, never moving a status back, and
 * every word recorded in the timeline. A receipt that comes before its delivery (bulk rows are written with their
 * outcome) is parked, and applied by the clock when the delivery is there. Verifies nothing: receive-webhook.ts does.
 */
import { bug, failpoint } from '@carillon/config';
import type { DeliveryEventType, ReasonName } from '@carillon/contracts';
import { dayOf, kept, timeOf, type Sql } from '@carillon/database';
import { receiptFrom, settledWhileWaiting, type Receipt } from '@carillon/delivery-rules';
import { groupBy } from './group-by.js';

export interface Applied {
  /** Deliveries whose timeline grew. */
  deliveryIds: string[];
  /** Failures, for the queue `route-event`: `<delivery id>:<event id>`. */
  eventIds: string[];
}

/** A UUIDv7, as ours are. */
const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$/;
/** How long a receipt waits for its delivery. */
export const PARKED_HOURS = 24;
/** A batch may tell of the same delivery twice, so each status is applied before the next one. */
const ranks = ['sent', 'delivered', 'failed'] as const;

/**
 * @param account that the receipts are of; they are about deliveries of its workspace, or about nothing
 */
export async function applyReceipts(
  sql: Sql,
  account: { id: string; workspaceId: string },
  receipts: readonly Receipt[],
): Promise<Applied> {
  const { workspaceId } = account;
  if (bug('receipt-lost')) return { deliveryIds: [], eventIds: [] };
  const known = await lockDeliveries(
    sql,
    workspaceId,
    receipts.map((r) => r.deliveryId),
  );
  const stored = await storeReceipts(
    sql,
    account,
    receipts.filter(({ deliveryId }) => known.has(deliveryId) || mayAppear(deliveryId)),
    known,
  );
  return bring(
    sql,
    account,
    stored.filter(({ deliveryId }) => known.has(deliveryId)),
  );
}

/** Planned once: the days of the log beside those of the receipts take ten times as long to plan as to look through. */
const PARKED = kept(
  'parked receipts',
  `SELECT EXISTS (SELECT FROM receipts WHERE applied_at IS NULL AND day >= (now() AT TIME ZONE 'UTC')::date - 2) AS "any"`,
);

/**
 * Receipts that came before their delivery, now that it is there. Run by the clock.
 * @returns what changed, by workspace, and how many were taken
 */
export async function applyParked(
  sql: Sql,
  limit: number,
): Promise<{ applied: (Applied & { workspaceId: string })[]; taken: number }> {
  const [parked] = await sql.query<{ any: boolean }>(PARKED);
  if (!parked?.any) return { applied: [], taken: 0 };
  const waiting = await sql.query<{ day: string; id: string }>(
    `SELECT DISTINCT r.day::text AS day, r.delivery_id AS id
       FROM receipts r
      WHERE r.applied_at IS NULL AND r.day >= (now() AT TIME ZONE 'UTC')::date - 2
        AND EXISTS (SELECT 1 FROM deliveries d WHERE d.day = r.day AND d.id = r.delivery_id AND d.workspace_id = r.workspace_id)
      LIMIT $1`,
    [limit],
  );
  if (waiting.length === 0) return { applied: [], taken: 0 };
  const days = [...new Set(waiting.map((w) => w.day))];
  // Deliveries first, as webhooks do; one that somebody holds at this moment is left for the next round.
  const locked = await sql.query<{ id: string; workspaceId: string }>(
    `SELECT id, workspace_id AS "workspaceId" FROM deliveries WHERE day = ANY($1::date[]) AND id = ANY($2::uuid[]) ORDER BY id FOR UPDATE SKIP LOCKED`,
    [days, waiting.map((w) => w.id)],
  );
  const rows = await sql.query<Parked>(
    `UPDATE receipts r SET applied_at = now() FROM unnest($2::uuid[], $3::uuid[]) AS u(id, workspace_id)
      WHERE r.day = ANY($1::date[]) AND r.delivery_id = ANY($2::uuid[]) AND r.delivery_id = u.id AND r.workspace_id = u.workspace_id AND r.applied_at IS NULL
     RETURNING r.workspace_id AS "workspaceId", r.provider_account_id AS "accountId", r.event_id AS "eventId", r.delivery_id AS "deliveryId", r.status, r.reason, r.answer, r.received_at AS "receivedAt"`,
    [days, locked.map((d) => d.id), locked.map((d) => d.workspaceId)],
  );
  rows.sort((a, b) => a.receivedAt.getTime() - b.receivedAt.getTime());
  const applied: (Applied & { workspaceId: string })[] = [];
  for (const some of groupBy(rows, (r) => `${r.workspaceId} ${r.accountId}`).values()) {
    const [first] = some;
    if (!first) continue;
    const account = { id: first.accountId, workspaceId: first.workspaceId };
    const receipts = some.map(({ reason, ...r }): Receipt => ({ ...r, ...(reason && { reason }) }));
    applied.push({ workspaceId: account.workspaceId, ...(await bring(sql, account, receipts)) });
  }
  return { applied, taken: rows.length };
}
interface Parked extends Pick<Receipt, 'eventId' | 'deliveryId' | 'status' | 'answer'> {
  workspaceId: string;
  accountId: string;
  reason: ReasonName | null;
  receivedAt: Date;
}

/** Forgets receipts whose delivery never appeared: of another installation, or about nothing. */
export const forgetParked = (sql: Sql): Promise<number> =>
  sql.execute(
    'DELETE FROM receipts WHERE applied_at IS NULL AND received_at < now() - make_interval(hours => $1)',
    [PARKED_HOURS],
  );

/** Its day has a partition, and its row may still be on its way to us. */
function mayAppear(deliveryId: string): boolean {
  if (!uuid.test(deliveryId)) return false;
  const ageMs = Date.now() - timeOf(deliveryId).getTime();
  return ageMs < PARKED_HOURS * 3_600_000 && ageMs > -60_000;
}

/** Moves the deliveries and writes their timelines. They are locked, and the receipts stored. */
async function bring(
  sql: Sql,
  account: { id: string; workspaceId: string },
  fresh: readonly Receipt[],
): Promise<Applied> {
  const { workspaceId } = account;
  if (fresh.length === 0) return { deliveryIds: [], eventIds: [] };

  const moved = new Set<Receipt>();
  for (const status of ranks) {
    const told = fresh.filter((receipt) => receipt.status === status);
    const ids = await move(sql, workspaceId, status, told);
    // Told twice under two event ids, the first one has moved it.
    for (const receipt of told) if (ids.delete(receipt.deliveryId)) moved.add(receipt);
  }
  await noteTimes(
    sql,
    workspaceId,
    fresh.filter((receipt) => !moved.has(receipt)),
  );
  const failed = fresh.filter((receipt) => moved.has(receipt) && receipt.status === 'failed');
  await bringNextStepForward(
    sql,
    workspaceId,
    failed.map((receipt) => receipt.deliveryId),
  );
  failpoint('receipts-before-commit');
  return {
    deliveryIds: [...new Set(fresh.map(({ deliveryId }) => deliveryId))],
    eventIds: await writeLines(sql, account, fresh, moved),
  };
}

/** Days first: only their partitions are looked at. */
const daysOf = (ids: readonly string[]): string[] => [...new Set(ids.map(dayOf))];

/** Locked in one order, so that two webhooks wait for each other instead of blocking each other. */
async function lockDeliveries(
  sql: Sql,
  workspaceId: string,
  deliveryIds: readonly string[],
): Promise<Set<string>> {
  const ids = [...new Set(deliveryIds)].filter((id) => uuid.test(id));
  if (ids.length === 0) return new Set();
  const rows = await sql.query<{ id: string }>(
    `SELECT id FROM deliveries WHERE day = ANY($2::date[]) AND id = ANY($3::uuid[]) AND workspace_id = $1 ORDER BY id FOR UPDATE`,
    [workspaceId, daysOf(ids), ids],
  );
  return new Set(rows.map(({ id }) => id));
}

/** @returns those that were not there yet, in the order given */
async function storeReceipts(
  sql: Sql,
  account: { id: string; workspaceId: string },
  receipts: readonly Receipt[],
  known: ReadonlySet<string>,
): Promise<Receipt[]> {
  const unique = [...new Map(receipts.map((r) => [`${dayOf(r.deliveryId)} ${r.eventId}`, r])).values()];
  if (unique.length === 0) return [];
  const rows = await sql.query<{ deliveryId: string; eventId: string }>(
    `INSERT INTO receipts (day, workspace_id, provider_account_id, event_id, delivery_id, status, reason, answer, applied_at)
     SELECT u.day, $1, $2, u.event_id, u.delivery_id, u.status, u.reason, u.answer::jsonb, CASE WHEN u.known THEN now() END
       FROM unnest($3::date[], $4::text[], $5::uuid[], $6::text[], $7::text[], $8::text[], $9::boolean[]) AS u(day, event_id, delivery_id, status, reason, answer, known)
         ON CONFLICT DO NOTHING
     RETURNING delivery_id AS "deliveryId", event_id AS "eventId"`,
    [
      account.workspaceId,
      account.id,
      unique.map((r) => dayOf(r.deliveryId)),
      unique.map((r) => r.eventId),
      unique.map((r) => r.deliveryId),
      unique.map((r) => r.status),
      unique.map((r) => r.reason ?? null),
      unique.map((r) => JSON.stringify(r.answer)),
      unique.map((r) => known.has(r.deliveryId)),
    ],
  );
  const stored = new Set(rows.map((row) => `${row.deliveryId} ${row.eventId}`));
  return unique.filter((r) => stored.has(`${r.deliveryId} ${r.eventId}`));
}

/** @returns the deliveries that the receipts moved */
async function move(
  sql: Sql,
  workspaceId: string,
  status: (typeof ranks)[number],
  told: readonly Receipt[],
): Promise<Set<string>> {
  const byDelivery = [...new Map(told.map((r) => [r.deliveryId, r])).values()];
  if (byDelivery.length === 0) return new Set();
  const rows = await sql.query<{ id: string }>(
    `UPDATE deliveries d
        SET status = $2, due_at = NULL,
            reason = CASE WHEN d.status = 'delivered' AND u.reason = 'rejected' THEN 'bounced' ELSE u.reason END,
            sent_at = CASE WHEN $2 = 'failed' THEN d.sent_at ELSE coalesce(d.sent_at, now()) END,
            delivered_at = CASE WHEN $2 = 'delivered' THEN coalesce(d.delivered_at, now()) ELSE d.delivered_at END
       FROM unnest($4::uuid[], $5::text[]) AS u(id, reason)
      WHERE d.day = ANY($3::date[]) AND d.id = ANY($4::uuid[]) AND d.id = u.id AND d.workspace_id = $1
        AND (d.status = ANY($6) OR (d.possible_duplicate AND d.status = ANY($7)))
     RETURNING d.id`,
    [
      workspaceId,
      status,
      daysOf(byDelivery.map((r) => r.deliveryId)),
      byDelivery.map((r) => r.deliveryId),
      byDelivery.map((r) => reasonOf(r)),
      bug('receipt-moves-back') ? [...receiptFrom(status), 'delivered', 'failed'] : receiptFrom(status),
      settledWhileWaiting(status),
    ],
  );
  return new Set(rows.map(({ id }) => id));
}

/** What was told late: a delivery that has failed meanwhile had still been sent, or had even arrived. */
async function noteTimes(sql: Sql, workspaceId: string, late: readonly Receipt[]): Promise<void> {
  const successes = late.filter(({ status }) => status === 'sent' || status === 'delivered');
  if (successes.length === 0) return;
  await sql.execute(
    `UPDATE deliveries d
        SET sent_at = coalesce(d.sent_at, now()), delivered_at = CASE WHEN d.id = ANY($4::uuid[]) THEN coalesce(d.delivered_at, now()) ELSE d.delivered_at END
      WHERE d.day = ANY($2::date[]) AND d.id = ANY($3::uuid[]) AND d.workspace_id = $1 AND d.status = 'failed'`,
    [
      workspaceId,
      daysOf(successes.map((r) => r.deliveryId)),
      successes.map((r) => r.deliveryId),
      successes.filter((r) => r.status === 'delivered').map((r) => r.deliveryId),
    ],
  );
}

const reasonOf = ({ status, reason }: Receipt): ReasonName | null =>
  status === 'failed' ? (reason ?? 'rejected') : null;

/** The next step of a route need not wait for its time when the step before has failed. */
export async function bringNextStepForward(
  sql: Sql,
  workspaceId: string,
  failed: readonly string[],
): Promise<void> {
  if (failed.length === 0) return;
  await sql.execute(
    `UPDATE deliveries next SET due_at = now()
       FROM deliveries d JOIN messages m ON m.day = d.day AND m.id = d.message_id
      WHERE d.day = ANY($2::date[]) AND d.id = ANY($3::uuid[]) AND d.workspace_id = $1
        AND m.day = ANY($2::date[]) AND next.day = ANY($2::date[]) AND next.day = m.day AND next.id = ANY(m.delivery_ids) AND next.workspace_id = $1
        AND next.route_step = d.route_step + 1 AND next.status = 'scheduled' AND next.reason = 'fallback'`,
    [workspaceId, daysOf(failed), failed],
  );
}

/** What moved nothing (late, unknown or repeated words) is recorded as it was told. @returns ids of failures */
async function writeLines(
  sql: Sql,
  account: { id: string; workspaceId: string },
  fresh: readonly Receipt[],
  moved: ReadonlySet<Receipt>,
): Promise<string[]> {
  const typeOf = (r: Receipt): DeliveryEventType =>
    r.status === 'complained' || (moved.has(r) && r.status !== 'other') ? r.status : 'receipt';
  const rows = await sql.query<{ deliveryId: string; id: number; type: DeliveryEventType }>(
    `INSERT INTO delivery_events (day, delivery_id, workspace_id, at, type, reason, provider_account_id, detail)
     SELECT u.day, u.delivery_id, $1, clock_timestamp(), u.type, u.reason, $2, u.detail::jsonb
       FROM unnest($3::date[], $4::uuid[], $5::text[], $6::text[], $7::text[]) WITH ORDINALITY AS u(day, delivery_id, type, reason, detail, n)
      ORDER BY u.n
     RETURNING delivery_id AS "deliveryId", id, type`,
    [
      account.workspaceId,
      account.id,
      fresh.map((r) => dayOf(r.deliveryId)),
      fresh.map((r) => r.deliveryId),
      fresh.map(typeOf),
      fresh.map(reasonOf),
      fresh.map((r) =>
        JSON.stringify({
          ...r.answer,
          ...(typeOf(r) === 'receipt' && r.status !== 'other' ? { reported: r.status } : {}),
          ...(r.at ? { providerTime: r.at.toISOString() } : {}),
        }),
      ),
    ],
  );
  return rows
    .filter(({ type }) => type === 'failed' || type === 'complained')
    .map(({ deliveryId, id }) => `${deliveryId}:${id}`);
}
