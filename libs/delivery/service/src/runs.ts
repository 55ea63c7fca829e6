/**
 * Runs while they run: starting, pausing, resuming and cancelling are one UPDATE each, which the page under way sees in
 * its next commit; and what has become of a run, from the counts of its pages. Planning: plan-run.ts.
 */
import type { Status } from '@carillon/contracts';
import type { Sql } from '@carillon/database';

export type RunState = 'planned' | 'running' | 'paused' | 'completed' | 'cancelled';

const steps = {
  start: { from: ['planned'], to: 'running' },
  pause: { from: ['running'], to: 'paused' },
  resume: { from: ['paused'], to: 'running' },
  cancel: { from: ['planned', 'running', 'paused'], to: 'cancelled' },
} as const satisfies Record<string, { from: RunState[]; to: RunState }>;

/**
 * What is already leaving leaves: at most one sub-batch of each page under way.
 * @param reason why it is paused, for who looks at it later
 * @returns false when the run is not there or not in a state from which this is possible
 */
export async function changeRun(
  sql: Sql,
  workspaceId: string,
  id: string,
  step: keyof typeof steps,
  reason: string | null = null,
): Promise<boolean> {
  const { from, to } = steps[step];
  // Who joins the others has had no fewer turns than the least served of them.
  const changed = await sql.execute(
    `UPDATE runs r
        SET state = $3, paused_reason = $4, ended_at = CASE WHEN $3 = 'cancelled' THEN now() END,
            pass = CASE WHEN $3 = 'running' THEN greatest(r.pass, coalesce(
                     (SELECT min(o.pass) FROM runs o WHERE o.workspace_id = $1 AND o.channel = r.channel AND o.state = 'running'), 0)) ELSE r.pass END
      WHERE r.workspace_id = $1 AND r.id = $2 AND r.state = ANY($5)`,
    [workspaceId, id, to, to === 'paused' ? reason : null, from],
  );
  return changed > 0;
}

export interface RunProgress {
  state: RunState;
  members: number;
  /** Members that have a row in the log. */
  logged: number;
  /** Members that are still to come; of a cancelled run they are cancelled. */
  pending: number;
  /** By the status they were logged with: receipts and retries move the rows on, not these. */
  counts: Partial<Record<Status, number>>;
}

/** How far a run is; null when there is no such run. Reads its pages, not the log. */
export async function progressOf(sql: Sql, workspaceId: string, id: string): Promise<RunProgress | null> {
  const [run] = await sql.query<{ state: RunState; members: number; counts: RunProgress['counts'] | null }>(
    `SELECT r.state, r.members,
            (SELECT jsonb_object_agg(status, n) FROM (
               SELECT c.key AS status, sum(c.value::int) AS n FROM pages p, jsonb_each_text(p.counts) AS c
                WHERE p.run_id = r.id AND p.workspace_id = $1 GROUP BY c.key) AS by_status) AS counts
       FROM runs r WHERE r.workspace_id = $1 AND r.id = $2`,
    [workspaceId, id],
  );
  if (!run) return null;
  const counts = run.counts ?? {};
  const logged = Object.values(counts).reduce((sum, n) => sum + n, 0);
  return { state: run.state, members: run.members, logged, pending: run.members - logged, counts };
}
