/**
 * Failures by cause. Found by the partial index over timeline lines that tell of a failure (append-only: a receipt that
 * changes a delivery writes no index of it), confirmed by the delivery's status, grouped in the database by the
 * provider's raw words, and here by what those words have in common. One query a page; reads only.
 */
import type { Channel, FailureGroup, FailureQuery, Failures, ReasonName, Status } from '@carillon/contracts';
import { newId, type Sql } from '@carillon/database';
import { adviceFor, causeOf, normalWords } from '@carillon/delivery-rules';

const DAY_MS = 86_400_000;
/** More than this are not looked at for one page: the newest tell enough, and a re-drive takes no more either. */
export const MOST_FAILURES = 20_000;
const SAMPLES = 5;
/** Groups shown. */
const MOST_GROUPS = 200;

/**
 * The failures of a workspace between two ids ($2, $3) and days ($4, $5), newest first, each once, by its latest line of
 * failure. Ids rise with the time of acceptance, so they bound the index, and its order is the order asked for: with a
 * LIMIT no more lines are read than are wanted. OFFSET 0 keeps it to one look at the primary key per line.
 * @param ofLine more conditions on the line, as `e`
 * @param ofDelivery more conditions on the delivery, as `d`
 */
export const failed = (ofLine = '', ofDelivery = ''): string => `
  SELECT e.id, e.day, e.at, d.status, d.reason, d.channel, coalesce(d.provider, e.detail ->> 'provider') AS provider,
         e.detail ->> 'code' AS code, coalesce(e.detail ->> 'message', e.detail ->> 'status') AS message
    FROM (SELECT DISTINCT ON (e.delivery_id) e.delivery_id AS id, e.day, e.at, e.detail FROM delivery_events e
           WHERE e.workspace_id = $1 AND e.delivery_id >= $2::uuid AND e.delivery_id < $3::uuid AND e.day BETWEEN $4::date AND $5::date
             AND e.type IN ('failed', 'unknown', 'expired') ${ofLine}
           ORDER BY e.delivery_id DESC, e.id DESC) e
   CROSS JOIN LATERAL (
     SELECT d.status, d.reason, d.channel, d.provider FROM deliveries d
      WHERE d.day = e.day AND d.id = e.id AND d.workspace_id = $1 AND d.status IN ('failed', 'unknown', 'expired') ${ofDelivery} OFFSET 0) d
   ORDER BY e.id DESC`;

/**
 * Before a statement with `failed`, in its transaction. The planner cannot know how many lines pass row-level security
 * and expects next to none, so that it would rather read and sort all of them than follow the index.
 */
export const byTheIndex = (sql: Sql): Promise<unknown> =>
  sql.execute(
    `SELECT set_config('enable_bitmapscan', 'off', true), set_config('max_parallel_workers_per_gather', '0', true), set_config('work_mem', '32MB', true)`,
  );

/** The first parameters of `failed`. */
export const failedBetween = (workspaceId: string, from: Date, to: Date): unknown[] => [
  workspaceId,
  lowestId(from),
  lowestId(to),
  from,
  to,
];
/** No id of that millisecond is lower. */
const lowestId = (at: Date): string => `${newId(at).slice(0, 13)}-7000-8000-000000000000`;

interface Row {
  status: Status;
  reason: ReasonName;
  provider: string | null;
  code: string | null;
  message: string | null;
  channel: Channel;
  count: number;
  firstAt: Date;
  lastAt: Date;
  ids: string[];
}

export async function listFailures(
  sql: Sql,
  workspaceId: string,
  query: FailureQuery,
  now: Date,
): Promise<Failures> {
  const to = query.to ? new Date(query.to) : new Date(now.getTime() + 1000);
  const from = query.from ? new Date(query.from) : new Date(to.getTime() - DAY_MS);
  const ofDelivery =
    'AND ($6::text[] IS NULL OR d.channel = ANY($6)) AND ($7::text[] IS NULL OR d.status = ANY($7))';
  await byTheIndex(sql);
  // The samples come in the order of the list: sorting each group would cost more than all the rest.
  const rows = await sql.query<Row>(
    `WITH failed AS MATERIALIZED (${failed('', ofDelivery)} LIMIT $8)
     SELECT status, reason, provider, code, message, channel, count(*) AS count, min(at) AS "firstAt", max(at) AS "lastAt",
            (array_agg(id))[1:${SAMPLES}] AS ids
       FROM failed GROUP BY 1, 2, 3, 4, 5, 6`,
    [...failedBetween(workspaceId, from, to), query.channel ?? null, query.status ?? null, MOST_FAILURES],
  );
  const total = rows.reduce((sum, row) => sum + row.count, 0);
  return {
    from: from.toISOString(),
    to: to.toISOString(),
    total,
    truncated: total >= MOST_FAILURES,
    groups: grouped(rows).slice(0, MOST_GROUPS),
  };
}

/** The largest first. */
function grouped(rows: readonly Row[]): FailureGroup[] {
  const groups = new Map<string, FailureGroup>();
  for (const row of rows) {
    const cause = causeOf(row);
    const known = groups.get(cause);
    const firstAt = row.firstAt.toISOString();
    const lastAt = row.lastAt.toISOString();
    if (!known) {
      groups.set(cause, {
        cause,
        reason: row.reason,
        status: row.status,
        provider: row.provider,
        code: row.code,
        words: row.message === null ? null : normalWords(row.message),
        count: row.count,
        firstAt,
        lastAt,
        channels: [row.channel],
        sampleIds: row.ids,
        advice: adviceFor(row.reason),
      });
      continue;
    }
    known.count += row.count;
    if (firstAt < known.firstAt) known.firstAt = firstAt;
    if (lastAt > known.lastAt) known.lastAt = lastAt;
    if (!known.channels.includes(row.channel)) known.channels.push(row.channel);
    known.sampleIds = [...known.sampleIds, ...row.ids].sort().reverse().slice(0, SAMPLES);
  }
  return [...groups.values()].sort((a, b) => b.count - a.count || (a.lastAt < b.lastAt ? 1 : -1));
}
