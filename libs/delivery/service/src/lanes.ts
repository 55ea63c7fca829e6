/**
 * What waits in a workspace's lanes, from the rows: queues hold hints and are not asked. And making everything that waits
 * for a worker fall due now, which refills queues that were lost. Called over HTTP by lanes.controller.ts.
 */
import type { Channel, Lane, LaneRun, LaneState, QueueRebuilt } from '@carillon/contracts';
import { newId, timeOf, type Database, type Sql } from '@carillon/database';

const MINUTE_MS = 60_000;

/** Every channel and lane that something waits in, or has lately been sent in. */
export async function lanesOf(database: Database, workspaceId: string): Promise<LaneState[]> {
  const { waiting, sent, runs } = await database.inWorkspace(workspaceId, (sql) => rowsOf(sql, workspaceId));
  const running = runs.filter((run) => run.state === 'running');
  // How many take turns is the same for all of them; whose runs they are is not told.
  const contenders = running.length > 0 ? await contendersOf(database) : new Map<Channel, number>();
  const lanes = new Map<string, LaneState>();
  const of = (channel: Channel, lane: Lane): LaneState => {
    const key = `${channel} ${lane}`;
    const known = lanes.get(key) ?? { channel, lane, ...NOTHING, runs: [] };
    lanes.set(key, known);
    return known;
  };
  const now = Date.now();
  for (const { channel, lane, oldest, ...counts } of waiting)
    Object.assign(of(channel, lane), {
      ...counts,
      oldestWaitSeconds: oldest && Math.max(0, now - timeOf(oldest).getTime()) / 1000,
    });
  for (const { channel, lane, n } of sent) of(channel, lane).perMinute += n;
  for (const run of runs) {
    const lane = of(run.channel, 'bulk');
    lane.perMinute += Number(run.lately);
    if (run.state !== 'running' && run.state !== 'paused') continue;
    const beside = running.filter(({ channel }) => channel === run.channel);
    const shown = toLaneRun(run, run.state, beside);
    lane.runs.push(shown);
    if (run.state !== 'running') continue;
    lane.queued += shown.pending;
    lane.share = 1 / Math.max(1, contenders.get(run.channel) ?? 1);
  }
  for (const lane of lanes.values())
    if (lane.queued > 0 && lane.perMinute > 0)
      lane.emptyAt = new Date(now + (lane.queued / lane.perMinute) * MINUTE_MS).toISOString();
  return [...lanes.values()].sort((a, b) => (`${a.channel} ${a.lane}` < `${b.channel} ${b.lane}` ? -1 : 1));
}

const NOTHING = {
  queued: 0,
  scheduled: 0,
  sending: 0,
  oldestWaitSeconds: null,
  perMinute: 0,
  emptyAt: null,
  share: null,
};

async function rowsOf(sql: Sql, workspaceId: string) {
  const waiting = await sql.query<Waiting>(
    `SELECT channel, lane, count(*) FILTER (WHERE status = 'queued') AS queued, count(*) FILTER (WHERE status = 'scheduled') AS scheduled,
            count(*) FILTER (WHERE status = 'sending') AS sending, min(id::text) FILTER (WHERE status = 'queued') AS oldest
       FROM deliveries WHERE workspace_id = $1 AND due_at IS NOT NULL GROUP BY 1, 2`,
    [workspaceId],
  );
  // Ids hold the planned time: what was sent within the minute was mostly planned within the quarter of an hour before.
  const sent = await sql.query<{ channel: Channel; lane: Lane; n: number }>(
    `SELECT channel, lane, count(*) AS n FROM deliveries WHERE workspace_id = $1 AND id >= $2 AND day >= (now() AT TIME ZONE 'UTC')::date - 1
        AND lane <> 'bulk' AND sent_at > now() - interval '1 minute' GROUP BY 1, 2`,
    [workspaceId, newId(new Date(Date.now() - 15 * MINUTE_MS))],
  );
  const runs = await sql.query<RunRow>(
    `SELECT r.channel, r.id, (SELECT coalesce(s.said ->> 'subject', s.said ->> 'title', left(s.said ->> 'body', 80), t.name)
                                FROM messages m LEFT JOIN templates t ON t.workspace_id = $1 AND t.id = m.template_id, LATERAL (SELECT m.content -> r.channel AS said) AS s
                               WHERE m.day = r.day AND m.id = r.message_id AND m.workspace_id = $1) AS title, r.source, r.source_id AS "sourceId", r.message_id AS "messageId", r.state, r.paused_reason AS "pausedReason",
            greatest(r.planned_at, r.created_at) AS "plannedAt", r.members, r.weight, r.rate,
            r.members - coalesce(p.logged, 0) AS pending, coalesce(p.flight, 0) AS "pagesInFlight", coalesce(p.lately, 0) AS lately
       FROM runs r LEFT JOIN LATERAL (
         SELECT sum((SELECT sum(value::int) FROM jsonb_each_text(pages.counts))) AS logged, count(*) FILTER (WHERE state IN ('released', 'working')) AS flight,
                sum(hi - lo) FILTER (WHERE done_at > now() - interval '1 minute') AS lately
           FROM pages WHERE run_id = r.id AND workspace_id = $1) AS p ON true
      WHERE r.workspace_id = $1 AND (r.state IN ('running', 'paused') OR r.ended_at > now() - interval '1 minute') ORDER BY r.created_at`,
    [workspaceId],
  );
  return { waiting, sent, runs };
}

/** Workspaces with a running run, by channel. */
async function contendersOf(database: Database): Promise<Map<Channel, number>> {
  const rows = await database.acrossWorkspaces((sql) =>
    sql.query<{ channel: Channel; n: number }>(
      `SELECT channel, count(DISTINCT workspace_id) AS n FROM runs WHERE state = 'running' GROUP BY 1`,
    ),
  );
  return new Map(rows.map(({ channel, n }) => [channel, n]));
}

function toLaneRun(run: RunRow, state: LaneRun['state'], beside: readonly RunRow[]): LaneRun {
  const { channel: _, weight, lately, ...shown } = run;
  return {
    ...shown,
    state,
    plannedAt: run.plannedAt.toISOString(),
    pending: Number(run.pending),
    perMinute: Number(lately),
    share: state === 'running' ? weight / beside.reduce((sum, other) => sum + other.weight, 0) : null,
  };
}

interface Waiting {
  channel: Channel;
  lane: Lane;
  queued: number;
  scheduled: number;
  sending: number;
  /** The id of the queued one that was first to leave. */
  oldest: string | null;
}
interface RunRow extends Pick<
  LaneRun,
  'id' | 'title' | 'source' | 'sourceId' | 'messageId' | 'pausedReason' | 'members' | 'pagesInFlight' | 'rate'
> {
  channel: Channel;
  state: string;
  plannedAt: Date;
  pending: number | string;
  lately: number | string;
  weight: number;
}

/**
 * Makes what waits for a worker due now, so that the clock offers it again; what a worker holds is left to it.
 * @param workspaceId null: of all workspaces, for whoever runs the installation (tools/rebuild-queues.mjs)
 */
export async function rebuildQueues(sql: Sql, workspaceId: string | null): Promise<QueueRebuilt> {
  const deliveries = await sql.execute(
    `UPDATE deliveries SET due_at = now() WHERE ($1::uuid IS NULL OR workspace_id = $1) AND due_at > now() AND status = 'queued'`,
    [workspaceId],
  );
  const pages = await sql.execute(
    `UPDATE pages SET lease_until = now() WHERE ($1::uuid IS NULL OR workspace_id = $1) AND lease_until > now() AND state = 'released'`,
    [workspaceId],
  );
  return { deliveries, pages };
}
