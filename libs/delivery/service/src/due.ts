/**
 * What the clock does with due rows: send-later, retries, routes, paused accounts, lost jobs and dead workers are one
 * mechanism. Takes a bounded slice with SKIP LOCKED on the database's time, decides, commits; the caller queues the ids.
 */
import { bug } from '@carillon/config';
import type { Channel, Lane, MessageClass } from '@carillon/contracts';
import { kept, type Kept, type Sql } from '@carillon/database';
import { afterAttempt, afterHold, FIRST_LOOKUP_MS, type RetryPolicy } from '@carillon/delivery-rules';
import { providerOf } from './account-settings.js';
import { forgetParked } from './apply-receipts.js';
import { groupBy } from './group-by.js';
import { forgetPreviews } from './redrive.js';
import { OFFER_AGAIN_SECONDS } from './accept.js';
import { IDEMPOTENCY_WINDOW_HOURS } from './idempotency.js';

/** A worker that dies this often on the same delivery is killed by it. */
const POISONOUS_CRASHES = 5;

interface DueRow {
  day: string;
  id: string;
  workspaceId: string;
  status: 'scheduled' | 'queued' | 'sending' | 'unknown';
  reason: string | null;
  channel: Channel;
  provider: string | null;
  lane: Lane;
  messageClass: MessageClass;
  attempt: number;
  tries: number;
  crashes: number;
  handedOverAt: Date | null;
  createdAt: Date;
  expiresAt: Date | null;
  redrivenAt: Date | null;
  /** The workspace's own policy for unknown outcomes of this class. */
  onUnknown: 'retry' | 'hold' | null;
  now: Date;
  /** What the workspace changed of the channel's policy. */
  ownRetry: Partial<RetryPolicy> | null;
}
export interface Taken {
  /** To be queued, after the commit. */
  offer: { id: string; channel: Channel; lane: Lane; workspaceId: string }[];
  /** Changed, for hints. */
  changed: { id: string; workspaceId: string }[];
  /** How many rows were due; a full slice means that there is more. */
  taken: number;
}

let dueRows: Kept | undefined;
const due = (): Kept =>
  (dueRows ??= kept(
    'due',
    `SELECT day::text AS day, id, workspace_id AS "workspaceId", status, reason, channel, provider, lane, class AS "messageClass", attempt, tries, crashes, handed_over_at AS "handedOverAt",
            created_at AS "createdAt", expires_at AS "expiresAt", redriven_at AS "redrivenAt",
            CASE WHEN status = 'sending' THEN (SELECT w.settings -> 'unknown' ->> class FROM workspaces w WHERE w.id = workspace_id) END AS "onUnknown",
            CASE WHEN status = 'sending' THEN (SELECT w.settings -> 'retry' -> d.channel FROM workspaces w WHERE w.id = d.workspace_id) END AS "ownRetry", clock_timestamp() AS now
       FROM deliveries d WHERE due_at <= now()${hiddenRows()} ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED`,
  ));

/**
 * @param limit most rows of one call
 * @param retry the policy of each channel, for attempts whose worker died
 * @param random in [0, 1)
 * @param looksUp can the provider be asked what became of a message
 */
export async function takeDue(
  sql: Sql,
  limit: number,
  retry: (channel: Channel) => RetryPolicy,
  random: () => number,
  looksUp: (channel: Channel, provider: string) => boolean = providerLooksUp,
): Promise<Taken> {
  const rows = await sql.query<DueRow>(due(), [limit]);
  if (rows.length === 0) return { offer: [], changed: [], taken: 0 };
  const changes = rows.map((row) => ({
    row,
    ...(row.status === 'unknown'
      ? held(row, row.provider !== null && looksUp(row.channel, row.provider))
      : decide(row, { ...retry(row.channel), ...row.ownRetry }, random())),
  }));
  // A fixed day and a list of ids lead straight to the rows.
  for (const [day, ofDay] of groupBy(changes, (c) => c.row.day))
    await sql.execute(
      `UPDATE deliveries d
          SET status = u.status, reason = u.reason, crashes = d.crashes + u.crash, possible_duplicate = d.possible_duplicate OR u.duplicate,
              due_at = CASE WHEN u.after_ms IS NULL THEN NULL ELSE now() + u.after_ms * interval '1 millisecond' END
         FROM unnest($2::uuid[], $3::text[], $4::text[], $5::float8[], $6::int[], $7::boolean[]) AS u(id, status, reason, after_ms, crash, duplicate)
        WHERE d.day = $1::date AND d.id = ANY($2::uuid[]) AND d.id = u.id`,
      [
        day,
        ofDay.map((c) => c.row.id),
        ofDay.map((c) => c.status),
        ofDay.map((c) => c.reason),
        ofDay.map((c) => c.afterMs),
        ofDay.map((c) => (c.row.status === 'sending' ? 1 : 0)),
        ofDay.map((c) => c.duplicate),
      ],
    );
  const told = changes.filter((c) => c.line !== null);
  await sql.execute(
    `INSERT INTO delivery_events (day, delivery_id, workspace_id, type, attempt, reason, detail)
     SELECT u.day, u.id, u.workspace_id, u.type, u.attempt, u.reason, u.detail::jsonb
       FROM unnest($1::date[], $2::uuid[], $3::uuid[], $4::text[], $5::int[], $6::text[], $7::text[]) AS u(day, id, workspace_id, type, attempt, reason, detail)`,
    [
      told.map((c) => c.row.day),
      told.map((c) => c.row.id),
      told.map((c) => c.row.workspaceId),
      told.map((c) => c.line),
      told.map((c) => c.row.tries || null),
      told.map((c) => c.reason),
      told.map((c) => JSON.stringify({ message: c.why })),
    ],
  );
  return {
    offer: changes
      .filter((c) => c.status === 'queued' || c.lookUp)
      .map(({ row }) => ({ id: row.id, channel: row.channel, lane: row.lane, workspaceId: row.workspaceId })),
    changed: told.map(({ row }) => ({ id: row.id, workspaceId: row.workspaceId })),
    taken: rows.length,
  };
}

/** Two deliberate bugs of the drill (tools/chaos). */
const hiddenRows = (): string =>
  `${bug('lease-never-swept') ? " AND status <> 'sending'" : ''}${bug('clock-skips-rows') ? " AND id::text !~ '[0-3]$'" : ''}`;

interface Decision {
  status: 'queued' | 'scheduled' | 'failed' | 'unknown' | 'expired';
  reason: string | null;
  afterMs: number | null;
  duplicate: boolean;
  /** A line of the timeline, when something happened that a person would want to know. */
  line: 'queued' | 'deferred' | 'failed' | 'unknown' | 'looked_up' | 'expired' | null;
  why: string;
  /** Its dispatcher asks the provider; it stays unknown until that settles it. */
  lookUp?: true;
}

const providerLooksUp = (channel: Channel, provider: string): boolean =>
  providerOf(channel, provider)?.lookup !== undefined;

/** An unknown delivery that waits to be reconciled. */
function held(row: DueRow, canLookUp: boolean): Decision {
  const unknown = { status: 'unknown', reason: row.reason, duplicate: false, line: null, why: '' } as const;
  const since = row.handedOverAt ?? row.createdAt;
  const next = afterHold(row.now.getTime() - since.getTime(), canLookUp);
  if (next.kind === 'person')
    return {
      ...unknown,
      afterMs: null,
      line: 'looked_up',
      why: 'neither a receipt nor the provider could tell in time: a person decides',
    };
  return { ...unknown, afterMs: next.againMs, ...(next.kind === 'lookUp' && { lookUp: true }) };
}

function decide(row: DueRow, policy: RetryPolicy, random: number): Decision {
  const queued: Decision = {
    status: 'queued',
    reason: null,
    afterMs: OFFER_AGAIN_SECONDS * 1000,
    duplicate: false,
    line: null,
    why: '',
  };
  if (row.status !== 'sending') {
    // Here as well as in the gate: what nobody works must end too.
    if (row.expiresAt && row.expiresAt <= row.now && !bug('expiry-ignored'))
      return {
        status: 'expired',
        reason: 'expired_before_sending',
        afterMs: null,
        duplicate: false,
        line: 'expired',
        why: 'its expiry time came first',
      };
    return queued;
  }
  if (row.handedOverAt === null) {
    if (row.crashes + 1 >= POISONOUS_CRASHES)
      return {
        status: 'failed',
        reason: 'poisonous',
        afterMs: null,
        duplicate: false,
        line: 'failed',
        why: `its worker died ${row.crashes + 1} times`,
      };
    return { ...queued, line: 'queued', why: 'its worker died before anything left' };
  }
  const next = afterAttempt(
    { kind: 'unknown', answer: {} },
    {
      attempt: row.tries,
      messageClass: bug('unknown-retried-blindly') ? 'transactional' : row.messageClass,
      onUnknown: row.onUnknown,
      ageMs: row.now.getTime() - (row.redrivenAt ?? row.createdAt).getTime(),
      expiresInMs: null,
      otherAccounts: 0,
    },
    policy,
    random,
  );
  const why = 'its worker died after the hand-over: it may have been sent';
  if (next.kind === 'retry')
    return {
      status: 'scheduled',
      reason: 'retry',
      afterMs: next.afterMs,
      duplicate: !bug('unknown-retried-blindly'),
      line: 'deferred',
      why,
    };
  return {
    status: 'unknown',
    reason: 'worker_lost',
    afterMs: FIRST_LOOKUP_MS,
    duplicate: false,
    line: 'unknown',
    why,
  };
}

/** Forgets idempotency keys past their window, tickets past their time, receipts whose delivery never came. */
export async function forgetExpired(sql: Sql): Promise<void> {
  await sql.execute('DELETE FROM idempotency_keys WHERE created_at < now() - make_interval(hours => $1)', [
    IDEMPOTENCY_WINDOW_HOURS,
  ]);
  await sql.execute('DELETE FROM used_tickets WHERE expires_at < now()');
  await sql.execute('DELETE FROM sessions WHERE expires_at < now()');
  await forgetParked(sql);
  await forgetPreviews(sql);
}
