/**
 * How long is kept what journeys have done. A way that ended goes with its history and its data when its time is over; where its
 * journey asks who was there before (`never` again, a long wait), the row itself stays, and nothing else of it. Refusals
 * are kept for a month, and what a throttle counted for as long as it counts. In slices, by the clock.
 */
import { JourneyDefinition } from '@carillon/contracts';
import type { Database, Sql } from '@carillon/database';
import { remembers } from '@carillon/scheduling-rules';

const SLICE = 1000;
const REFUSALS_DAYS = 30;

/** @param days since the way ended @param stopping ends between two slices @returns how many ways were forgotten */
export async function forgetJourneys(
  database: Database,
  days: number,
  stopping: () => boolean = () => false,
): Promise<number> {
  let forgotten = 0;
  const inSlices = async (slice: () => Promise<number>): Promise<void> => {
    while (!stopping()) {
      const gone = await slice();
      forgotten += gone;
      if (gone < SLICE) return;
    }
  };
  const busy = await database.acrossWorkspaces((sql) =>
    sql.query<{ id: string }>(
      `SELECT DISTINCT workspace_id AS id FROM enrollments WHERE ended_at < now() - $1 * interval '1 day' AND step IS NOT NULL`,
      [days],
    ),
  );
  for (const { id } of busy)
    await inSlices(() => database.inWorkspace(id, (sql) => forgetWays(sql, id, days)));
  for (const text of [
    `DELETE FROM journey_refusals WHERE id IN (SELECT id FROM journey_refusals WHERE at < now() - interval '${REFUSALS_DAYS} days' ORDER BY at LIMIT ${SLICE})`,
    `DELETE FROM journey_passes p USING (SELECT workspace_id, journey_id, step, key FROM journey_passes WHERE kept_until < now() ORDER BY kept_until LIMIT ${SLICE}) AS o
      WHERE p.workspace_id = o.workspace_id AND p.journey_id = o.journey_id AND p.step = o.step AND p.key = o.key AND p.kept_until < now()`,
  ]) {
    const before = forgotten;
    await inSlices(() => database.acrossWorkspaces((sql) => sql.execute(text)));
    forgotten = before;
  }
  return forgotten;
}

async function forgetWays(sql: Sql, workspaceId: string, days: number): Promise<number> {
  const old = await sql.query<{ id: string; journeyId: string }>(
    `SELECT id, journey_id AS "journeyId" FROM enrollments
      WHERE workspace_id = $1 AND ended_at < now() - $2 * interval '1 day' AND step IS NOT NULL ORDER BY ended_at LIMIT ${SLICE} FOR UPDATE SKIP LOCKED`,
    [workspaceId, days],
  );
  if (old.length === 0) return 0;
  const asked = await sql.query<{ id: string; definition: unknown }>(
    `SELECT j.id, v.definition FROM journeys j JOIN journey_versions v ON v.workspace_id = j.workspace_id AND v.journey_id = j.id AND v.version = j.version
      WHERE j.workspace_id = $1 AND j.id = ANY($2::uuid[])`,
    [workspaceId, [...new Set(old.map(({ journeyId }) => journeyId))]],
  );
  const remembering = new Set(
    asked
      .filter(({ definition }) => remembers(JourneyDefinition.parse(definition), days))
      .map(({ id }) => id),
  );
  const kept = old.filter(({ journeyId }) => remembering.has(journeyId)).map(({ id }) => id);
  const gone = old.filter(({ journeyId }) => !remembering.has(journeyId)).map(({ id }) => id);
  await Promise.all([
    sql.execute('DELETE FROM enrollments WHERE workspace_id = $1 AND id = ANY($2::uuid[])', [
      workspaceId,
      gone,
    ]),
    sql.execute('DELETE FROM enrollment_steps WHERE workspace_id = $1 AND enrollment_id = ANY($2::uuid[])', [
      workspaceId,
      kept,
    ]),
    sql.execute(
      'DELETE FROM enrollment_messages WHERE workspace_id = $1 AND enrollment_id = ANY($2::uuid[])',
      [workspaceId, kept],
    ),
    sql.execute(
      `UPDATE enrollments SET step = NULL, data = '{}' WHERE workspace_id = $1 AND id = ANY($2::uuid[])`,
      [workspaceId, kept],
    ),
  ]);
  return old.length;
}
