/**
 * Releasing pages of runs to the dispatchers: fair between workspaces and runs (rules: fair-share.ts), and only a few
 * ahead of those that are being worked, so that a run that starts now does not wait behind one of a million people.
 * Called by the clock, and by dispatchers as they go; the clock also takes back what a dead worker or a lost job left behind.
 */
import type { Channel } from '@carillon/contracts';
import { kept, type Sql } from '@carillon/database';
import { shareOut, type Contender } from '@carillon/delivery-rules';

/** Pages of a channel that wait for a worker: enough for none to be idle, few enough for a new run to be served soon. */
const AHEAD = 4;
/** A released page that nobody has taken by then is released again: its job was lost, or the backlog is long. */
const TAKE_WITHIN_SECONDS = 12;
/** A page whose workers die this often without getting further stops its run. */
const HOPELESS_CRASHES = 5;

// Asked for each page: kept, so that none of it is planned each time.
const MY_TURN = kept('release-turn', `SELECT pg_advisory_xact_lock(72707371, hashtext($1))`);
const WAITING = kept(
  'pages-waiting',
  `SELECT count(*) AS waiting FROM pages p JOIN runs r ON r.id = p.run_id WHERE p.lease_until IS NOT NULL AND p.channel = $1 AND p.state = 'released' AND r.state = 'running'`,
);
const CONTENDERS = kept(
  'page-contenders',
  `SELECT r.id AS "runId", r.workspace_id AS "workspaceId", r.weight, r.pass, t.turn, open.n AS pages,
            open.n = 0 AND NOT EXISTS (SELECT 1 FROM pages p WHERE p.run_id = r.id AND p.state <> 'done') AS over
       FROM runs r
       LEFT JOIN lane_turns t ON t.workspace_id = r.workspace_id AND t.channel = r.channel
      CROSS JOIN LATERAL (
        SELECT count(*) AS n FROM (
          SELECT 1 FROM pages p WHERE p.run_id = r.id AND p.state = 'open' AND (p.lease_until IS NULL OR p.lease_until <= now()) LIMIT $2
        ) AS ready) AS open
      WHERE r.channel = $1 AND r.state = 'running' AND (r.next_release_at IS NULL OR r.next_release_at <= now() OR open.n = 0)`,
);
const TAKE_TURNS = kept(
  'take-turns',
  `INSERT INTO lane_turns (workspace_id, channel, turn) SELECT u.id, $1, u.turn FROM unnest($2::uuid[], $3::bigint[]) AS u(id, turn)
         ON CONFLICT (workspace_id, channel) DO UPDATE SET turn = EXCLUDED.turn`,
);
const RELEASE = kept(
  'release-pages',
  `WITH run AS (SELECT rate FROM runs WHERE id = $1),
     next AS (
       SELECT id FROM pages WHERE run_id = $1 AND state = 'open' AND (lease_until IS NULL OR lease_until <= now())
        ORDER BY no LIMIT CASE WHEN (SELECT rate FROM run) IS NULL THEN $2::int ELSE 1 END FOR UPDATE SKIP LOCKED),
     released AS (
       UPDATE pages p SET state = 'released', lease_until = now() + make_interval(secs => $3) FROM next WHERE p.id = next.id RETURNING p.id, p.no, p.hi - p.cursor AS left),
     counted AS (
       UPDATE runs r SET pass = $4, next_release_at = CASE WHEN r.rate IS NOT NULL
           THEN greatest(now() - interval '1 second', coalesce(r.next_release_at, now())) + (SELECT coalesce(sum(released.left), 0) FROM released) / r.rate::float8 * interval '1 second' END
        WHERE r.id = $1)
     SELECT id FROM released ORDER BY no`,
);
/** What had been given out and was not done in its time. */
const TAKE_BACK = kept(
  'take-back-pages',
  `WITH late AS (
       SELECT id, state = 'working' AS died FROM pages WHERE lease_until <= now() AND channel = $1 AND state IN ('released', 'working') FOR UPDATE SKIP LOCKED)
     UPDATE pages p SET state = 'open', lease_until = NULL, crashes = p.crashes + late.died::int FROM late WHERE p.id = late.id
     RETURNING p.run_id AS "runId", p.crashes`,
);

/** Takes back pages that nobody worked in their time. In turn with who releases: both lock runs. */
export async function takeBackPages(sql: Sql, channel: Channel): Promise<void> {
  const [, back] = await Promise.all([
    sql.execute(MY_TURN, [channel]),
    sql.query<{ runId: string; crashes: number }>(TAKE_BACK, [channel]),
  ]);
  const hopeless = back.filter((page) => page.crashes >= HOPELESS_CRASHES).map((page) => page.runId);
  if (hopeless.length > 0) await pauseHopeless(sql, hopeless);
}

/** @returns ids of pages, to be queued after the commit */
export async function releasePages(sql: Sql, channel: Channel, ahead = AHEAD): Promise<string[]> {
  // In one breath, in this order. One releaser at a time keeps the turns; it takes a millisecond or two.
  const [, [{ waiting } = { waiting: 0 }], runs] = await Promise.all([
    sql.execute(MY_TURN, [channel]),
    sql.query<{ waiting: number }>(WAITING, [channel]),
    sql.query<Contender & { turn: number | null; over: boolean }>(CONTENDERS, [channel, ahead]),
  ]);
  const over = runs.filter((r) => r.over).map((r) => r.runId);
  if (over.length > 0)
    await sql.execute(`UPDATE runs SET state = 'completed', ended_at = now() WHERE id = ANY($1::uuid[])`, [
      over,
    ]);
  const room = ahead - waiting;
  if (room <= 0) return [];
  const lastTurns = new Map(runs.flatMap((r) => (r.turn === null ? [] : [[r.workspaceId, r.turn]])));
  const { turns, passes, lastTurns: taken } = shareOut(runs, lastTurns, room);
  if (turns.length === 0) return [];
  const [released] = await Promise.all([
    Promise.all(
      [...passes].map(([runId, pass]) =>
        // Of a run that has a rate one, and the next when that one's time is over.
        sql.query<{ id: string }>(RELEASE, [
          runId,
          turns.filter((id) => id === runId).length,
          TAKE_WITHIN_SECONDS,
          pass,
        ]),
      ),
    ),
    sql.execute(TAKE_TURNS, [channel, [...taken.keys()], [...taken.values()]]),
  ]);
  return released.flat().map((row) => row.id);
}

/** A page that kills its workers stops its run. */
const pauseHopeless = (sql: Sql, runIds: readonly string[]): Promise<number> =>
  sql.execute(
    `UPDATE runs SET state = 'paused', paused_reason = $2 WHERE id = ANY($1::uuid[]) AND state = 'running'`,
    [
      runIds,
      `The worker of one of its pages died ${HOPELESS_CRASHES} times. Look into the log, then resume.`,
    ],
  );
