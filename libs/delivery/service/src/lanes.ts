/**
 * What waits in a workspace's lanes, from the rows: queues hold hints and are not asked. And making everything that waits
 * for a worker fall due now, which refills queues that were lost. Called over HTTP by lanes.controller.ts.
 */
import type { Channel, Lane, LaneState, QueueRebuilt } from '@carillon/contracts';
import { newId, type Sql } from '@carillon/database';

const MINUTE_MS = 60_000;

/** Every channel and lane that something waits in, or has lately been sent in. */
export async function lanesOf(sql: Sql, workspaceId: string): Promise<LaneState[]> {
  const waiting = await sql.query<Waiting>(
    `SELECT channel, lane, count(*) FILTER (WHERE status = 'queued') AS queued, count(*) FILTER (WHERE status = 'scheduled') AS scheduled,
            count(*) FILTER (WHERE status = 'sending') AS sending,
            extract(epoch FROM now() - min(created_at) FILTER (WHERE status = 'queued'))::float8 AS "oldestWaitSeconds"
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
    `SELECT r.channel, r.id, r.state, r.members, r.members - coalesce(p.logged, 0) AS pending, coalesce(p.flight, 0) AS "pagesInFlight",
            coalesce(p.lately, 0) AS lately
       FROM runs r LEFT JOIN LATERAL (
         SELECT sum((SELECT sum(value::int) FROM jsonb_each_text(pages.counts))) AS logged, count(*) FILTER (WHERE state IN ('released', 'working')) AS flight,
                sum(hi - lo) FILTER (WHERE done_at > now() - interval '1 minute') AS lately
           FROM pages WHERE run_id = r.id AND workspace_id = $1) AS p ON true
      WHERE r.workspace_id = $1 AND (r.state IN ('running', 'paused') OR r.ended_at > now() - interval '1 minute') ORDER BY r.created_at`,
    [workspaceId],
  );
  const lanes = new Map<string, LaneState>();
  const of = (channel: Channel, lane: Lane): LaneState => {
    const key = `${channel} ${lane}`;
    const known = lanes.get(key) ?? {
      channel,
      lane,
      queued: 0,
      scheduled: 0,
      sending: 0,
      oldestWaitSeconds: null,
      perMinute: 0,
      emptyAt: null,
      runs: [],
    };
    lanes.set(key, known);
    return known;
  };
  for (const { channel, lane, ...counts } of waiting) Object.assign(of(channel, lane), counts);
  for (const { channel, lane, n } of sent) of(channel, lane).perMinute += n;
  for (const { channel, lately, ...run } of runs) {
    const lane = of(channel, 'bulk');
    lane.perMinute += Number(lately);
    if (run.state !== 'running' && run.state !== 'paused') continue;
    const pending = Number(run.pending);
    lane.runs.push({ ...run, pending });
    if (run.state === 'running') lane.queued += pending;
  }
  const now = Date.now();
  for (const lane of lanes.values())
    if (lane.queued > 0 && lane.perMinute > 0)
      lane.emptyAt = new Date(now + (lane.queued / lane.perMinute) * MINUTE_MS).toISOString();
  return [...lanes.values()].sort((a, b) => (`${a.channel} ${a.lane}` < `${b.channel} ${b.lane}` ? -1 : 1));
}

interface Waiting {
  channel: Channel;
  lane: Lane;
  queued: number;
  scheduled: number;
  sending: number;
  oldestWaitSeconds: number | null;
}
interface RunRow {
  channel: Channel;
  id: string;
  state: string;
  members: number;
  pending: number | string;
  pagesInFlight: number;
  lately: number | string;
}

/** Makes what waits for a worker due now, so that the clock offers it again; what a worker holds is left to it. */
export async function rebuildQueues(sql: Sql, workspaceId: string): Promise<QueueRebuilt> {
  const deliveries = await sql.execute(
    `UPDATE deliveries SET due_at = now() WHERE workspace_id = $1 AND due_at > now() AND status = 'queued'`,
    [workspaceId],
  );
  const pages = await sql.execute(
    `UPDATE pages SET lease_until = now() WHERE workspace_id = $1 AND lease_until > now() AND state = 'released'`,
    [workspaceId],
  );
  return { deliveries, pages };
}
