/**
 * Recording: outcome, timeline, paused accounts and dead devices in one transaction per sub-batch and one trip,
 * fenced by attempt, so that a stale worker cannot write. A receipt that overtook us keeps its higher status.
 */
import { removeDevices } from '@carillon/audience-service';
import { bug } from '@carillon/config';
import { reasons, type DeliveryEventType, type ReasonName, type Status } from '@carillon/contracts';
import { keptByDay, type Sql } from '@carillon/database';
import { FIRST_LOOKUP_MS, type Next, type Outcome, type ProviderAnswer } from '@carillon/delivery-rules';
import { groupBy } from '@carillon/delivery-service';
import type { Claimed, Stopped } from './claim.js';

export interface Attempted {
  delivery: Claimed;
  account: { id: string; provider: string; revision: number };
  handedOverAt: Date;
  /** Push: one per device; elsewhere one. */
  attempts: { attemptId: string; address: string; outcome: Outcome }[];
  outcome: Outcome;
  next: Next;
  /** The later step of its route, which a failure brings forward. */
  nextStepId: string | null;
}

interface Change {
  delivery: Claimed;
  status: Status;
  reason: ReasonName | null;
  afterMs: number | null;
  accountId: string | null;
  provider: string | null;
  providerMessageId: string | null;
  address: string | null;
  possibleDuplicate: boolean;
  /** -1 gives back a try that the account, not the message, has failed. */
  triesDelta: number;
}
interface Line {
  delivery: Claimed;
  at: Date | null;
  type: DeliveryEventType;
  attempt: number | null;
  reason: ReasonName | null;
  accountId: string | null;
  deviceId: string | null;
  detail: ProviderAnswer | null;
}

/** Lines that the audience service learns from. */
const telling: readonly string[] = ['failed', 'unsubscribed'] satisfies DeliveryEventType[];

/** Those written: `<delivery id>:<event id>`. */
export interface Recorded {
  eventIds: string[];
}

/** Ends or puts off what the gate stopped. One workspace. */
export async function recordStopped(
  sql: Sql,
  workspaceId: string,
  stopped: readonly Stopped[],
): Promise<Recorded> {
  const statusOf = { suppress: 'suppressed', expire: 'expired', fail: 'failed', wait: 'scheduled' } as const;
  const typeOf = { suppress: 'suppressed', expire: 'expired', fail: 'failed', wait: 'deferred' } as const;
  const changes = stopped.map(({ delivery, verdict }): Change => ({
    ...unchanged(delivery),
    status: statusOf[verdict.kind],
    reason: verdict.reason,
    afterMs: verdict.kind === 'wait' ? verdict.afterMs : null,
  }));
  const lines = stopped.map(({ delivery, verdict, trace, gateVersion }): Line => ({
    ...line(delivery, typeOf[verdict.kind]),
    reason: verdict.reason,
    detail: { gate: trace.join('; '), ...(gateVersion === null ? {} : { gateVersion }) },
  }));
  const over = stopped.filter(({ verdict }) => verdict.kind !== 'wait' && verdict.reason !== 'not_needed');
  const [recorded] = await Promise.all([
    write(sql, workspaceId, changes, lines, stopped[0]?.gateVersion ?? null),
    bringForward(sql, workspaceId, over),
  ]);
  return recorded;
}

/** The next step of a route need not wait for its time when the step before has failed. */
async function bringForward(
  sql: Sql,
  workspaceId: string,
  over: readonly { delivery: Claimed; nextStepId: string | null }[],
): Promise<void> {
  const next = over.flatMap(({ delivery, nextStepId }) =>
    nextStepId ? [{ day: delivery.day, id: nextStepId }] : [],
  );
  await Promise.all(
    [...groupBy(next, (n) => n.day)].map(([day, steps]) =>
      sql.execute(BRING_FORWARD(day), [workspaceId, steps.map((n) => n.id)]),
    ),
  );
}

const BRING_FORWARD = keptByDay(
  'bring-forward',
  (day) =>
    `UPDATE deliveries SET due_at = now() WHERE day = ${day} AND id = ANY($2::uuid[]) AND workspace_id IS NOT DISTINCT FROM $1 AND status = 'scheduled' AND reason = 'fallback'`,
);

/** Ends what could not be rendered. One workspace. */
export async function recordUnrenderable(
  sql: Sql,
  workspaceId: string,
  failures: readonly { delivery: Claimed; reason: ReasonName; detail: string; pointer: string }[],
): Promise<Recorded> {
  return write(
    sql,
    workspaceId,
    failures.map((f) => ({ ...unchanged(f.delivery), status: 'failed', reason: f.reason, afterMs: null })),
    failures.map((f) => ({
      ...line(f.delivery, 'failed'),
      reason: f.reason,
      detail: { message: f.detail, at: f.pointer },
    })),
  );
}

/** Writes what the provider said and what follows from it. One workspace. */
export async function recordAttempts(
  sql: Sql,
  workspaceId: string,
  attempted: readonly Attempted[],
): Promise<Recorded> {
  const refusing = new Map(
    attempted.flatMap(({ account, next }) =>
      next.kind === 'pauseAccount' ? [[account.id, { account, answer: next.answer }]] : [],
    ),
  );
  const pauses = [...refusing.values()].map(({ account, answer }) =>
    // What was tried with settings that were corrected meanwhile says nothing about the new ones.
    ({
      ...account,
      why: `The provider refused the credentials or settings${said(answer)}. Correct them, then resume.`,
    }),
  );
  const dead = attempted.flatMap((a) =>
    a.attempts
      .filter((t) => t.outcome.kind === 'rejected' && t.outcome.reason === 'device_unregistered')
      .map((t) => t.address),
  );
  const failed = attempted.filter((a) => a.next.kind === 'giveUp' || a.next.kind === 'unknown');
  const [recorded] = await Promise.all([
    write(sql, workspaceId, attempted.map(changeOf), attempted.flatMap(linesOf)),
    ...pauses.map(({ id, revision, why }) =>
      sql.execute(
        `UPDATE provider_accounts SET paused_at = now(), paused_reason = $3, updated_at = now() WHERE workspace_id = $1 AND id = $2 AND revision = $4 AND paused_at IS NULL`,
        [workspaceId, id, why, revision],
      ),
    ),
    dead.length > 0 ? removeDevices(sql, workspaceId, dead) : 0,
    bringForward(sql, workspaceId, failed),
  ]);
  return recorded;
}

/** Those whose hand-over the timeline does not have: for who did not hear whether they were committed. */
export async function notRecorded(
  sql: Sql,
  workspaceId: string,
  attempted: readonly Attempted[],
): Promise<Attempted[]> {
  const byDay = await Promise.all(
    [...groupBy(attempted, (a) => a.delivery.day)].map(([day, some]) =>
      sql.query<{ id: string; at: Date }>(
        `SELECT delivery_id AS id, at FROM delivery_events WHERE day = $1::date AND delivery_id = ANY($2::uuid[]) AND workspace_id = $3 AND type = 'handed_over'`,
        [day, some.map((a) => a.delivery.id), workspaceId],
      ),
    ),
  );
  const there = new Set(byDay.flat().map(({ id, at }) => `${id} ${at.getTime()}`));
  return attempted.filter((a) => !there.has(`${a.delivery.id} ${a.handedOverAt.getTime()}`));
}

const said = (answer: ProviderAnswer): string =>
  answer.message ? `: ${answer.code ? `${answer.code} ` : ''}${answer.message}` : '';
const unchanged = (delivery: Claimed): Change => ({
  delivery,
  status: 'queued',
  reason: null,
  afterMs: null,
  accountId: null,
  provider: null,
  providerMessageId: null,
  address: null,
  possibleDuplicate: false,
  triesDelta: 0,
});
const line = (delivery: Claimed, type: DeliveryEventType): Line => ({
  delivery,
  at: null,
  type,
  attempt: null,
  reason: null,
  accountId: null,
  deviceId: null,
  detail: null,
});

function changeOf({ delivery, account, attempts, next }: Attempted): Change {
  const change: Change = {
    ...unchanged(delivery),
    accountId: account.id,
    provider: account.provider,
    // A push with several devices keeps its addresses in the timeline, by device id.
    address:
      delivery.channel === 'push' || delivery.channel === 'in-app' ? null : (attempts[0]?.address ?? null),
  };
  switch (next.kind) {
    case 'done':
      return { ...change, status: next.status, providerMessageId: next.providerMessageId };
    case 'retry':
      return {
        ...change,
        status: 'scheduled',
        reason: next.reason,
        afterMs: next.afterMs,
        possibleDuplicate: next.possibleDuplicate,
      };
    case 'pauseAccount':
      // Back to the gate at once: it finds another account, or waits for this one.
      return { ...change, status: 'queued', afterMs: 0, triesDelta: -1 };
    case 'giveUp':
      // Most refusals are failures; a person who has opted out at the provider is not.
      return { ...change, status: reasons[next.reason].ends, reason: next.reason };
    case 'unknown':
      // Held: a receipt or the provider may still tell.
      return { ...change, status: 'unknown', reason: next.reason, afterMs: FIRST_LOOKUP_MS };
  }
}

function linesOf({ delivery, account, handedOverAt, attempts, outcome, next }: Attempted): Line[] {
  const base = { ...line(delivery, 'handed_over'), attempt: delivery.tries + 1, accountId: account.id };
  const lines: Line[] = [{ ...base, at: handedOverAt, detail: { provider: account.provider } }];
  if (delivery.channel === 'push')
    for (const a of attempts)
      lines.push({
        ...base,
        type: a.outcome.kind === 'accepted' ? 'device_sent' : 'device_failed',
        deviceId: a.attemptId === delivery.id ? null : a.attemptId,
        reason: a.outcome.kind === 'rejected' ? a.outcome.reason : null,
        detail: a.outcome.answer,
      });
  const type: Record<Next['kind'], DeliveryEventType> = {
    done: 'sent',
    retry: 'deferred',
    pauseAccount: 'deferred',
    giveUp: 'failed',
    unknown: 'unknown',
  };
  const reason =
    next.kind === 'giveUp' || next.kind === 'unknown' || next.kind === 'retry' ? next.reason : null;
  const detail: ProviderAnswer = {
    ...outcome.answer,
    ...(next.kind === 'retry' ? { retryInMs: next.afterMs } : {}),
    provider: account.provider,
  };
  const optedOut = next.kind === 'giveUp' && next.reason === 'unsubscribed';
  // A line of its own, because the audience service learns from it.
  if (optedOut) lines.push({ ...base, type: 'unsubscribed', detail });
  const arrived = next.kind === 'done' && next.status === 'delivered';
  lines.push({
    ...base,
    type: arrived ? 'delivered' : optedOut ? 'suppressed' : type[next.kind],
    reason,
    detail,
  });
  return lines;
}

/** Writes changes and their timeline. One day at a time: a fixed day and a list of ids lead straight to the rows. */
async function write(
  sql: Sql,
  workspaceId: string,
  changes: readonly Change[],
  lines: readonly Line[],
  gateVersion: number | null = null,
): Promise<Recorded> {
  const told = await Promise.all(
    [...groupBy(changes, (c) => c.delivery.day)].map(([day, ofDay]) => {
      const own = new Set(ofDay.map((c) => c.delivery.id));
      return writeDay(
        sql,
        workspaceId,
        day,
        ofDay,
        lines.filter((l) => own.has(l.delivery.id)),
        gateVersion,
      );
    }),
  );
  return { eventIds: told.flat().map(({ deliveryId, id }) => `${deliveryId}:${id}`) };
}

/**
 * Changes and lines in one statement: what was fenced off belongs to another worker, and so does its timeline.
 * @returns the lines that others learn from
 */
function writeDay(
  sql: Sql,
  workspaceId: string,
  day: string,
  changes: readonly Change[],
  lines: readonly Line[],
  gateVersion: number | null,
): Promise<{ deliveryId: string; id: string }[]> {
  return sql.query(RECORD(day), [
    workspaceId,
    changes.map((c) => c.delivery.id),
    changes.map((c) => c.delivery.attempt),
    changes.map((c) => c.status),
    changes.map((c) => c.reason),
    changes.map((c) => c.afterMs),
    changes.map((c) => c.accountId),
    changes.map((c) => c.provider),
    changes.map((c) => c.providerMessageId),
    changes.map((c) => c.address),
    changes.map((c) => c.possibleDuplicate),
    changes.map((c) => c.triesDelta),
    lines.map((l) => l.delivery.id),
    lines.map((l) => l.at),
    lines.map((l) => l.type),
    lines.map((l) => l.attempt),
    lines.map((l) => l.reason),
    lines.map((l) => l.accountId),
    lines.map((l) => l.deviceId),
    lines.map((l) => (l.detail ? JSON.stringify(l.detail) : null)),
    telling,
    gateVersion,
  ]);
}

// A success may also settle what the sweep has meanwhile declared unknown or due again, or what was stopped since, as long as no
// newer attempt began; a success after a receipt that overtook it only adds the provider's id.
const RECORD = keptByDay(
  'record',
  (day) => `WITH changed AS (
     UPDATE deliveries d
        SET status = CASE WHEN d.status IN ('delivered', 'failed') THEN d.status ELSE u.status END,
            reason = CASE WHEN d.status IN ('delivered', 'failed') THEN d.reason ELSE u.reason END,
            due_at = CASE WHEN u.after_ms IS NULL OR d.status IN ('delivered', 'failed') THEN NULL ELSE now() + u.after_ms * interval '1 millisecond' END,
            provider_account_id = coalesce(u.account_id, d.provider_account_id), provider = coalesce(u.provider, d.provider),
            provider_message_id = coalesce(u.provider_message_id, d.provider_message_id), address = coalesce(d.address, u.address),
            possible_duplicate = d.possible_duplicate OR u.possible_duplicate, tries = d.tries + u.tries_delta,
            sent_at = CASE WHEN u.status IN ('sent', 'delivered') THEN coalesce(d.sent_at, now()) ELSE d.sent_at END,
            delivered_at = CASE WHEN u.status = 'delivered' THEN coalesce(d.delivered_at, now()) ELSE d.delivered_at END,
            gate_version = coalesce($22::int, d.gate_version)
       FROM unnest($2::uuid[], $3::int[], $4::text[], $5::text[], $6::float8[], $7::uuid[], $8::text[], $9::text[], $10::text[], $11::boolean[], $12::int[])
         AS u(id, attempt, status, reason, after_ms, account_id, provider, provider_message_id, address, possible_duplicate, tries_delta)
      WHERE d.day = ${day} AND d.id = ANY($2::uuid[]) AND d.id = u.id AND d.workspace_id IS NOT DISTINCT FROM $1 AND ${bug('record-unfenced') ? 'true' : 'd.attempt = u.attempt'}
        AND (${bug('record-unfenced') ? 'true OR' : ''} d.status = 'sending' OR (u.status IN ('sent', 'delivered') AND (d.status IN ('unknown', 'queued', 'scheduled', 'delivered', 'failed') OR (d.possible_duplicate AND d.status IN ('cancelled', 'suppressed', 'expired')))))
     RETURNING d.id),
     told AS (
     INSERT INTO delivery_events (day, delivery_id, workspace_id, at, type, attempt, reason, provider_account_id, device_id, detail)
     SELECT ${day}, l.delivery_id, $1, coalesce(l.at, clock_timestamp()), l.type, l.attempt, l.reason, l.account_id, l.device_id, l.detail::jsonb
       FROM unnest($13::uuid[], $14::timestamptz[], $15::text[], $16::int[], $17::text[], $18::uuid[], $19::uuid[], $20::text[])
         WITH ORDINALITY AS l(delivery_id, at, type, attempt, reason, account_id, device_id, detail, n)
       JOIN changed c ON c.id = l.delivery_id ORDER BY l.n
     RETURNING delivery_id, id, type)
     SELECT delivery_id AS "deliveryId", id FROM told WHERE type = ANY($21)`,
);
