/**
 * Sending failed deliveries again: first a preview, which keeps the ids it is about, so that what is started is what a
 * person has seen; then the clock works it off in slices. Never what was accepted: only what has failed, and with
 * `includeUnknown` what may have arrived. Starting twice starts once; each delivery is looked at again when its turn comes.
 */
import {
  RedriveFilter,
  type Channel,
  type ReasonName,
  type Redrive,
  type RedrivePreview,
  type RedriveRequest,
} from '@carillon/contracts';
import { dayOf, newId, type Sql } from '@carillon/database';
import { causeOf, normalWords } from '@carillon/delivery-rules';
import { createHash } from 'node:crypto';
import { byTheIndex, failed, failedBetween } from './failures.js';
import { groupBy } from './group-by.js';

/** Of one re-drive. More are done by another. */
const MOST = 20_000;
/** A preview is about what it saw, so it does not live long. */
const PREVIEW_HOURS = 1;
const DEFAULT_DAYS = 7;
const DAY_MS = 86_400_000;
const LISTED = 50;
const SAMPLES = 10;
/** Re-drives that go forward at the same time; each in slices, so that none holds up the others. */
const AT_ONCE = 4;

interface Candidate {
  id: string;
  status: 'failed' | 'unknown';
  reason: ReasonName;
  provider: string | null;
  code: string | null;
  message: string | null;
  channel: Channel;
  possibleDuplicate: boolean;
  delivered: boolean;
  reached: boolean;
  expired: boolean;
  suppressed: boolean;
}

/** Another step of its route has got through: sending this one again would reach the person twice. */
const REACHED = `EXISTS (SELECT 1 FROM messages m JOIN deliveries o ON o.day = m.day AND o.id = ANY(m.delivery_ids)
    WHERE m.day = d.day AND m.id = d.message_id AND m.route IS NOT NULL AND o.id <> d.id AND o.workspace_id = $1 AND o.status IN ('sent', 'delivered', 'sending'))`;

/** Keeps a preview of what would be sent again. */
export async function previewRedrive(
  sql: Sql,
  workspaceId: string,
  request: RedriveRequest,
  who: string,
  now: Date,
): Promise<Redrive> {
  const filter = request.filter ?? {};
  const found = await candidates(sql, workspaceId, filter, now);
  const truncated = found.length > MOST;
  const { chosen, preview } = judged(found.slice(0, MOST), request.includeUnknown);
  const id = newId();
  const fingerprint = createHash('sha256')
    .update(`${id} ${chosen.map((c) => c.id).join()}`)
    .digest('hex');
  const [row] = await sql.query<Row>(
    `INSERT INTO redrives (id, workspace_id, state, fingerprint, filter, preview, delivery_ids, requested_by)
     VALUES ($2, $1, 'preview', $3, $4, $5, $6, $7) RETURNING ${COLUMNS}`,
    [
      workspaceId,
      id,
      fingerprint,
      JSON.stringify({ ...filter, includeUnknown: request.includeUnknown }),
      JSON.stringify({ ...preview, truncated }),
      chosen.map((c) => c.id),
      who,
    ],
  );
  if (!row) throw new Error('no redrive was made');
  return toRedrive(row);
}

/** @returns null when there is no such preview, or it is too old; the same re-drive when it has been started before */
export async function startRedrive(
  sql: Sql,
  workspaceId: string,
  fingerprint: string,
  who: string,
): Promise<Redrive | null> {
  await sql.execute(
    `UPDATE redrives SET state = 'running', started_at = now(), requested_by = $3
      WHERE workspace_id = $1 AND fingerprint = $2 AND state = 'preview' AND created_at > now() - make_interval(hours => ${PREVIEW_HOURS})`,
    [workspaceId, fingerprint, who],
  );
  const [row] = await sql.query<Row>(
    `SELECT ${COLUMNS} FROM redrives WHERE workspace_id = $1 AND fingerprint = $2 AND state <> 'preview'`,
    [workspaceId, fingerprint],
  );
  return row ? toRedrive(row) : null;
}

/** Newest first; previews that nobody started are left out. */
export async function listRedrives(sql: Sql, workspaceId: string): Promise<Redrive[]> {
  const rows = await sql.query<Row>(
    `SELECT ${COLUMNS} FROM redrives WHERE workspace_id = $1 AND state <> 'preview' ORDER BY id DESC LIMIT ${LISTED}`,
    [workspaceId],
  );
  return rows.map(toRedrive);
}

export async function readRedrive(sql: Sql, workspaceId: string, id: string): Promise<Redrive | null> {
  const [row] = await sql.query<Row>(`SELECT ${COLUMNS} FROM redrives WHERE workspace_id = $1 AND id = $2`, [
    workspaceId,
    id,
  ]);
  return row ? toRedrive(row) : null;
}

/** Stops what has not been looked at. @returns null when there is none */
export async function cancelRedrive(sql: Sql, workspaceId: string, id: string): Promise<Redrive | null> {
  await sql.execute(
    `UPDATE redrives SET state = 'cancelled', finished_at = now(), delivery_ids = '{}' WHERE workspace_id = $1 AND id = $2 AND state IN ('preview', 'running')`,
    [workspaceId, id],
  );
  return readRedrive(sql, workspaceId, id);
}

/**
 * The next slice of each re-drive that runs. Run by the clock, over all workspaces.
 * @returns the deliveries that are on their way again, by workspace, and how many were looked at
 */
export async function advanceRedrives(
  sql: Sql,
  slice: number,
): Promise<{ changed: { workspaceId: string; deliveryIds: string[] }[]; looked: number }> {
  const running = await sql.query<{
    id: string;
    workspaceId: string;
    includeUnknown: boolean;
    by: string;
    ids: string[];
    left: number;
  }>(
    `SELECT id, workspace_id AS "workspaceId", coalesce((filter ->> 'includeUnknown')::boolean, false) AS "includeUnknown", requested_by AS by,
            delivery_ids[position + 1 : position + $1] AS ids, cardinality(delivery_ids) - position AS left
       FROM redrives WHERE state = 'running' ORDER BY started_at LIMIT ${AT_ONCE} FOR UPDATE SKIP LOCKED`,
    [slice],
  );
  const changed: { workspaceId: string; deliveryIds: string[] }[] = [];
  let looked = 0;
  for (const { id, workspaceId, includeUnknown, by, ids, left } of running) {
    const deliveryIds: string[] = [];
    for (const [day, some] of groupBy(ids, dayOf))
      deliveryIds.push(
        ...(await sendAgain(sql, workspaceId, day, some, includeUnknown, { by, redrive: id })),
      );
    const over = left <= ids.length;
    await sql.execute(
      `UPDATE redrives SET position = position + $3, redriven = redriven + $4,
              state = CASE WHEN $5 THEN 'done' ELSE state END, finished_at = CASE WHEN $5 THEN now() END, delivery_ids = CASE WHEN $5 THEN '{}' ELSE delivery_ids END
        WHERE workspace_id = $1 AND id = $2`,
      [workspaceId, id, ids.length, deliveryIds.length, over],
    );
    looked += ids.length;
    if (deliveryIds.length > 0) changed.push({ workspaceId, deliveryIds });
  }
  return { changed, looked };
}

/** The guards stand in the UPDATE: what a receipt, a person or another re-drive has changed meanwhile is left alone. */
async function sendAgain(
  sql: Sql,
  workspaceId: string,
  day: string,
  ids: readonly string[],
  includeUnknown: boolean,
  line: { by: string; redrive: string },
): Promise<string[]> {
  const rows = await sql.query<{ id: string }>(
    `WITH again AS (
       UPDATE deliveries d
          SET status = 'scheduled', reason = 'redriven', due_at = now(), tries = 0, crashes = 0, redriven_at = now(),
              possible_duplicate = d.possible_duplicate OR d.status = 'unknown'
        WHERE d.day = $2::date AND d.id = ANY($3::uuid[]) AND d.workspace_id = $1 AND d.delivered_at IS NULL
          AND ((d.status = 'failed' AND (NOT d.possible_duplicate OR $4)) OR (d.status = 'unknown' AND $4))
          AND (d.expires_at IS NULL OR d.expires_at > now()) AND NOT ${REACHED}
       RETURNING d.day, d.id),
     told AS (
       INSERT INTO delivery_events (day, delivery_id, workspace_id, type, reason, detail) SELECT day, id, $1, 'redriven', 'redriven', $5::jsonb FROM again)
     SELECT id FROM again`,
    [workspaceId, day, ids, includeUnknown, JSON.stringify(line)],
  );
  return rows.map((row) => row.id);
}

/** Forgets previews that nobody started. */
export const forgetPreviews = (sql: Sql): Promise<number> =>
  sql.execute(
    `DELETE FROM redrives WHERE state = 'preview' AND created_at < now() - make_interval(hours => ${PREVIEW_HOURS})`,
  );

/** Newest first; one more than a re-drive takes, to tell that there are more. */
async function candidates(
  sql: Sql,
  workspaceId: string,
  filter: RedriveFilter,
  now: Date,
): Promise<Candidate[]> {
  const to = filter.to ? new Date(filter.to) : new Date(now.getTime() + 1000);
  const from = filter.from
    ? new Date(filter.from)
    : new Date(filter.ids ? 0 : to.getTime() - DEFAULT_DAYS * DAY_MS);
  const ofLine = 'AND ($11::uuid[] IS NULL OR e.delivery_id = ANY($11))';
  const ofDelivery = `AND ($6::text[] IS NULL OR d.channel = ANY($6)) AND d.status = ANY($7) AND ($8::text[] IS NULL OR d.reason = ANY($8))
         AND ($9::text IS NULL OR d.template_id = (SELECT t.id FROM templates t WHERE t.workspace_id = $1 AND t.key = $9))
         AND ($10::uuid IS NULL OR d.provider_account_id = $10)`;
  await byTheIndex(sql);
  const rows = await sql.query<Candidate>(
    `WITH failed AS MATERIALIZED (${failed(ofLine, ofDelivery)} LIMIT $12)
     SELECT f.id, f.status, f.reason, f.provider, f.code, f.message, f.channel, d.possible_duplicate AS "possibleDuplicate",
            d.delivered_at IS NOT NULL AS delivered, ${REACHED} AS reached, d.expires_at IS NOT NULL AND d.expires_at <= now() AS expired,
            EXISTS (SELECT 1 FROM suppressions s WHERE s.workspace_id = $1 AND s.channel = d.channel AND s.address IN (d.address, substring(d.address FROM '@[^@]*$')))
         OR EXISTS (SELECT 1 FROM consents c WHERE c.workspace_id = $1 AND c.channel = d.channel AND c.word = 'out'
                       AND (c.topic = '' OR (d.class = 'marketing' AND c.topic IN ('marketing', coalesce(d.topic, 'marketing'))))
                       AND (c.address = d.address OR (c.address = '' AND c.profile_id = d.profile_id))) AS suppressed
       FROM failed f CROSS JOIN LATERAL (SELECT * FROM deliveries d WHERE d.day = f.day AND d.id = f.id AND d.workspace_id = $1 OFFSET 0) d`,
    [
      ...failedBetween(workspaceId, from, to),
      filter.channel ?? null,
      filter.status ?? ['failed', 'unknown'],
      // A cause begins with its reason: the words after it are compared below.
      filter.reason ?? (filter.cause === undefined ? null : [filter.cause.split('|')[0]]),
      filter.template ?? null,
      filter.accountId ?? null,
      filter.ids ?? null,
      filter.cause === undefined ? MOST + 1 : null,
    ],
  );
  const matching = filter.cause === undefined ? rows : rows.filter((row) => causeOf(row) === filter.cause);
  return matching.slice(0, MOST + 1);
}

/** Pure: who is sent to again, and what a person should know before. */
function judged(
  found: readonly Candidate[],
  includeUnknown: boolean,
): { chosen: Candidate[]; preview: Omit<RedrivePreview, 'truncated'> } {
  const leftOut = { unknown: 0, delivered: 0, reached: 0, expired: 0 };
  const chosen = found.filter((c) => {
    const risky = c.status === 'unknown' || c.possibleDuplicate;
    const why = c.delivered
      ? 'delivered'
      : c.reached
        ? 'reached'
        : c.expired
          ? 'expired'
          : risky && !includeUnknown
            ? 'unknown'
            : null;
    if (why) leftOut[why] += 1;
    return why === null;
  });
  const causes = new Map<string, RedrivePreview['byCause'][number]>();
  for (const c of chosen) {
    const cause = causeOf(c);
    const known = causes.get(cause) ?? {
      cause,
      reason: c.reason,
      provider: c.provider,
      words: c.message === null ? null : normalWords(c.message),
      count: 0,
    };
    known.count += 1;
    causes.set(cause, known);
  }
  return {
    chosen,
    preview: {
      total: chosen.length,
      risky: chosen.filter((c) => c.status === 'unknown' || c.possibleDuplicate).length,
      suppressedNow: chosen.filter((c) => c.suppressed).length,
      leftOut,
      byCause: [...causes.values()].sort((a, b) => b.count - a.count).slice(0, 50),
      sampleIds: chosen.slice(0, SAMPLES).map((c) => c.id),
    },
  };
}

interface Row extends Omit<
  Redrive,
  'filter' | 'includeUnknown' | 'skipped' | 'createdAt' | 'startedAt' | 'finishedAt'
> {
  filter: RedriveFilter & { includeUnknown?: boolean };
  createdAt: Date;
  startedAt: Date | null;
  finishedAt: Date | null;
}
const COLUMNS = `id, state, fingerprint, filter, preview, position AS done, redriven, requested_by AS "requestedBy", created_at AS "createdAt", started_at AS "startedAt", finished_at AS "finishedAt"`;

const toRedrive = ({ filter: { includeUnknown, ...filter }, ...row }: Row): Redrive => ({
  ...row,
  filter,
  includeUnknown: includeUnknown ?? false,
  skipped: row.done - row.redriven,
  createdAt: row.createdAt.toISOString(),
  startedAt: row.startedAt?.toISOString() ?? null,
  finishedAt: row.finishedAt?.toISOString() ?? null,
});
