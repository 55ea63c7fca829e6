/**
 * People inside go over to another version of their journey, each to the step that stands for theirs: the one of the same name, or
 * the one that was named for it. Looked at first; then done by the clock, in slices, under the fence of each. Who stands
 * where nothing stands for it stays, and finishes the old version.
 */
import { amongWriters } from '@carillon/audience-service';
import { JourneyDefinition, type JourneyMove, type JourneyMoved } from '@carillon/contracts';
import type { Sql } from '@carillon/database';
import { durationMs } from '@carillon/scheduling-rules';
import { ProblemException } from '@carillon/server';
import type { JourneyRow } from './journey-rows.js';
import { holding, Work, type Versions } from './journey-work.js';

const SLICE = 500;

/** What is being done to a journey's people: as it stands in its row. */
interface Moving {
  from: number;
  to: number;
  /** Each step that somebody may stand at, and what stands for it. */
  steps: Record<string, string>;
}

/** What would be done, or with `apply` is begun. */
export async function moveInsiders(
  sql: Sql,
  workspaceId: string,
  journey: JourneyRow,
  { from, to = journey.version ?? 0, steps: named, apply }: JourneyMove,
): Promise<JourneyMoved> {
  const rows = await sql.query<{ version: number; definition: unknown }>(
    'SELECT version, definition FROM journey_versions WHERE workspace_id = $1 AND journey_id = $2 AND version = ANY($3::int[])',
    [workspaceId, journey.id, [from, to]],
  );
  const definitionOf = (version: number, pointer: string): JourneyDefinition => {
    const row = rows.find((r) => r.version === version);
    if (!row)
      throw wrong(
        pointer,
        'no_such_version',
        `It has no version ${version}: the newest is ${journey.newest}.`,
      );
    return JourneyDefinition.parse(row.definition);
  };
  const [old, next] = [definitionOf(from, '/from'), definitionOf(to, '/to')];
  if (from === to) throw wrong('/to', 'same_version', 'They are in that version already: name another.');
  for (const [step, stands] of Object.entries(named)) {
    if (!old.steps[step])
      throw wrong(`/steps/${step}`, 'no_such_step', `Version ${from} has no step “${step}”.`);
    if (!next.steps[stands])
      throw wrong(`/steps/${step}`, 'no_such_step', `Version ${to} has no step “${stands}”.`);
  }
  const steps = Object.fromEntries(
    Object.keys(old.steps).flatMap((step) => {
      const stands = named[step] ?? (next.steps[step] ? step : undefined);
      return stands === undefined ? [] : [[step, stands]];
    }),
  );
  const there = await sql.query<{ step: string; people: number }>(
    `SELECT step, count(*)::int AS people FROM enrollments WHERE workspace_id = $1 AND journey_id = $2 AND version = $3 AND state <> 'ended' GROUP BY step ORDER BY step`,
    [workspaceId, journey.id, from],
  );
  if (apply)
    await sql.execute('UPDATE journeys SET moving = $3 WHERE workspace_id = $1 AND id = $2', [
      workspaceId,
      journey.id,
      JSON.stringify({ from, to, steps } satisfies Moving),
    ]);
  return {
    from,
    to,
    steps: there.map(({ step, people }) => ({ step, people, to: steps[step] ?? null })),
    moving: apply,
  };
}
const wrong = (pointer: string, code: string, message: string) =>
  new ProblemException('invalid_request', message, { errors: [{ pointer, code, message }] });

/** A slice of them. Who makes a call just now is moved when it is answered. @returns how many */
export async function moveSlice(sql: Sql, workspaceId: string, versions: Versions): Promise<number> {
  await amongWriters(sql, workspaceId);
  const [journey] = await sql.query<{ id: string; moving: Moving; now: Date }>(
    `SELECT id, moving, clock_timestamp() AS now FROM journeys WHERE workspace_id = $1 AND moving IS NOT NULL ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED`,
    [workspaceId],
  );
  if (!journey) return 0;
  const { from, to, steps } = journey.moving;
  const work = new Work(workspaceId, journey.now, versions);
  const rows = await work.hold(sql, STANDING, [journey.id, from, Object.keys(steps)]);
  if (rows.length === 0) {
    // Who is held by somebody else, or makes a call, is looked for again.
    await sql.execute(
      `UPDATE journeys SET moving = NULL WHERE workspace_id = $1 AND id = $2 AND NOT EXISTS (
         SELECT FROM enrollments WHERE workspace_id = $1 AND journey_id = $2 AND version = $3 AND state <> 'ended' AND step = ANY($4::text[]))`,
      [workspaceId, journey.id, from, Object.keys(steps)],
    );
    return 0;
  }
  await versions.load(sql, workspaceId, [{ journeyId: journey.id, version: to }]);
  const definition = versions.of(journey.id, to);
  for (const row of rows) work.moveOver(row, to, definition, steps[row.step]!);
  await sql.execute(
    `UPDATE enrollments SET version = $3, leave_by = entered_at + $4::float8 * interval '1 millisecond' WHERE workspace_id = $1 AND id = ANY($2::uuid[])`,
    [workspaceId, rows.map(({ id }) => id), to, durationMs(definition.mostStay)],
  );
  await work.write(sql);
  return rows.length;
}
const STANDING = holding(
  'standing',
  `AND e.journey_id = $2 AND e.version = $3 AND e.state <> 'ended' AND e.phase <> 'calling' AND e.step = ANY($4::text[])
    ORDER BY e.id LIMIT ${SLICE} FOR UPDATE SKIP LOCKED`,
);
