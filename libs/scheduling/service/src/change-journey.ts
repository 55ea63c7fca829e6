/** What people do to a journey. Each is one transaction that begins with the journey's row. */
import {
  JourneyDefinition,
  type Journey,
  type JourneyFinding,
  type JourneyGoLive,
  type JourneyPause,
  type JourneySave,
} from '@carillon/contracts';
import { newId, type Sql } from '@carillon/database';
import {
  journeyListens,
  journeyRefusal,
  nextOccurrence,
  type JourneyAsked,
} from '@carillon/scheduling-rules';
import { errorsOf, notFound, ProblemException } from '@carillon/server';
import type { Who } from './campaign-steps.js';
import { findingsOf } from './journey-findings.js';
import { insideOf, journeyByKey, showJourney, type JourneyRow } from './journey-rows.js';
import { NOBODY } from './journey-work.js';

export async function saveJourney(
  sql: Sql,
  workspaceId: string,
  key: string,
  { name, description, definition, ifRevision }: JourneySave,
  who: Who,
): Promise<Journey> {
  const row = await journeyByKey(sql, workspaceId, key, 'FOR UPDATE');
  if (ifRevision !== undefined && ifRevision !== (row?.revision ?? 0))
    throw conflict(
      row
        ? `The journey has been changed: it stands at revision ${row.revision}, not ${ifRevision}. Read it again.`
        : `There is no journey ${JSON.stringify(key)} any more.`,
    );
  const text = JSON.stringify(definition);
  if (row)
    await sql.execute(
      `UPDATE journeys SET name = $3, description = $4, draft = $5, author = $6, updated_at = now(),
              revision = revision + CASE WHEN draft = $5::jsonb THEN 0 ELSE 1 END
        WHERE workspace_id = $1 AND id = $2`,
      [workspaceId, row.id, name, description, text, who.actor],
    );
  else {
    const made = await sql.execute(
      `INSERT INTO journeys (id, workspace_id, key, name, description, draft, created_by, author)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (workspace_id, key) DO NOTHING`,
      [newId(), workspaceId, key, name, description, text, who.name, who.actor],
    );
    if (made === 0) throw conflict('Somebody else has just created it. Read it, and save again.');
  }
  return shown(sql, workspaceId, key);
}

/** The draft becomes a version, or an earlier version comes again; what it names is looked at once more. */
export async function goLive(
  sql: Sql,
  workspaceId: string,
  key: string,
  asked: JourneyGoLive,
  who: Who,
): Promise<Journey> {
  const row = await taken(sql, workspaceId, key, 'live');
  const leaving = row.state === 'stopped' ? await peopleInside(sql, workspaceId, row.id) : 0;
  if (leaving > 0)
    throw conflict(
      `${leaving === 1 ? 'One person is' : `${leaving} people are`} still leaving: try again in a moment.`,
    );
  if (asked.ifRevision !== undefined && asked.ifRevision !== row.revision)
    throw conflict(
      `The journey has been changed: it stands at revision ${row.revision}, not ${asked.ifRevision}. Read it again.`,
    );
  const definition = await definitionToLive(sql, workspaceId, row, asked.version);
  const findings = await findingsOf(sql, workspaceId, definition);
  // Who goes back to an earlier version may, though its one time is past.
  refuseErrors(asked.version === undefined ? findings : findings.filter(({ code }) => code !== 'past'));
  // What is live already, again: no version of its own.
  const same = asked.version === undefined && row.state === 'live' && row.liveRevision === row.revision;
  const version = asked.version ?? (same ? row.version! : row.newest + 1);
  if (asked.version === undefined && !same)
    await sql.execute(
      `INSERT INTO journey_versions (workspace_id, journey_id, version, definition, note, created_by) VALUES ($1, $2, $3, $4, $5, $6)`,
      [workspaceId, row.id, version, JSON.stringify(definition), asked.note, who.name],
    );
  const [clock] = await sql.query<{ now: Date }>('SELECT clock_timestamp() AS now');
  await sql.execute(
    `UPDATE journeys SET state = 'live', version = $3, newest = greatest(newest, $3), live_revision = CASE WHEN $4 THEN revision ELSE NULL END,
            reason = NULL, while_paused = NULL, next_at = $5, live_at = now(), updated_at = now() WHERE workspace_id = $1 AND id = $2`,
    [workspaceId, row.id, version, asked.version === undefined, nextEntry(definition, clock!.now)],
  );
  await listen(sql, workspaceId, row.id);
  // What was kept while it was paused, or while its version could not be read.
  await release(sql, workspaceId, row.id);
  return shown(sql, workspaceId, key);
}

/** When its schedule lets people in next. A single time that has passed is over. */
export function nextEntry({ entry, window }: JourneyDefinition, after: Date): Date | null {
  if (entry.kind !== 'schedule') return null;
  const from = window?.from && new Date(window.from) > after ? new Date(window.from) : after;
  if ('rule' in entry.at) return nextOccurrence(entry.at, from);
  const at = new Date(entry.at.at);
  return at > after ? at : null;
}

export async function pauseJourney(
  sql: Sql,
  workspaceId: string,
  key: string,
  { insiders, reason }: JourneyPause,
): Promise<Journey> {
  const row = await taken(sql, workspaceId, key, 'pause');
  await sql.execute(
    `UPDATE journeys SET state = 'paused', while_paused = $3, reason = $4, updated_at = now() WHERE workspace_id = $1 AND id = $2`,
    [workspaceId, row.id, insiders, reason ?? 'Somebody paused it.'],
  );
  return shown(sql, workspaceId, key);
}

/** Who was held goes on, in the order in which they would have. */
export async function resumeJourney(sql: Sql, workspaceId: string, key: string): Promise<Journey> {
  const row = await taken(sql, workspaceId, key, 'resume');
  await sql.execute(
    `UPDATE journeys SET state = 'live', while_paused = NULL, reason = NULL, updated_at = now() WHERE workspace_id = $1 AND id = $2`,
    [workspaceId, row.id],
  );
  await sql.execute(
    `UPDATE enrollments SET state = 'inside', due_at = least(coalesce(step_due_at, now()), leave_by, now())
      WHERE workspace_id = $1 AND journey_id = $2 AND state = 'held'`,
    [workspaceId, row.id],
  );
  await release(sql, workspaceId, row.id);
  return shown(sql, workspaceId, key);
}

const release = (sql: Sql, workspaceId: string, id: string): Promise<number> =>
  sql.execute(
    `UPDATE journey_signals SET held = false WHERE workspace_id = $1 AND journey_id = $2 AND held AND NOT payload ? 'problem'`,
    [workspaceId, id],
  );

export async function closeJourney(
  sql: Sql,
  workspaceId: string,
  key: string,
  { reason }: { reason?: string | undefined },
): Promise<Journey> {
  const row = await taken(sql, workspaceId, key, 'close');
  if (row.state === 'paused') await resumeJourney(sql, workspaceId, key);
  await sql.execute(
    `UPDATE journeys SET state = 'closed', reason = $3, next_at = NULL, entering = NULL, updated_at = now() WHERE workspace_id = $1 AND id = $2`,
    [workspaceId, row.id, reason ?? null],
  );
  await listen(sql, workspaceId, row.id);
  return shown(sql, workspaceId, key);
}

/** Everybody leaves: the clock sees to it, a slice at a time. Nobody takes a step from this commit on. */
export async function stopJourney(
  sql: Sql,
  workspaceId: string,
  key: string,
  { reason }: { reason?: string | undefined },
): Promise<Journey> {
  const row = await taken(sql, workspaceId, key, 'stop');
  await sql.execute(
    `UPDATE journeys SET state = 'stopped', reason = $3, next_at = NULL, entering = NULL, listens = '{}', leaving = $4, updated_at = now() WHERE workspace_id = $1 AND id = $2`,
    [workspaceId, row.id, reason ?? 'Somebody stopped it.', NOBODY],
  );
  await sql.execute('DELETE FROM journey_signals WHERE workspace_id = $1 AND journey_id = $2', [
    workspaceId,
    row.id,
  ]);
  return shown(sql, workspaceId, key);
}

export async function deleteJourney(sql: Sql, workspaceId: string, key: string): Promise<string> {
  const row = await taken(sql, workspaceId, key, 'delete');
  const inside = await peopleInside(sql, workspaceId, row.id);
  if (inside > 0)
    throw conflict(`${inside === 1 ? 'One person is' : `${inside} people are`} still inside: stop it first.`);
  await sql.execute('DELETE FROM journeys WHERE workspace_id = $1 AND id = $2', [workspaceId, row.id]);
  return row.id;
}

const peopleInside = async (sql: Sql, workspaceId: string, id: string): Promise<number> =>
  (await insideOf(sql, workspaceId, [id])).reduce((sum, part) => sum + part.inside, 0);

/** What any of its versions may wait for: one with nobody inside costs a look and no more. */
async function listen(sql: Sql, workspaceId: string, id: string): Promise<void> {
  const rows = await sql.query<{ definition: unknown }>(
    'SELECT definition FROM journey_versions WHERE workspace_id = $1 AND journey_id = $2',
    [workspaceId, id],
  );
  const read = rows.map(({ definition }) => JourneyDefinition.safeParse(definition).data);
  const heard = new Set(read.flatMap((definition) => (definition ? journeyListens(definition) : [])));
  // What a version waits for that cannot be read here stays.
  const whole = read.every((definition) => definition !== undefined);
  await sql.execute(
    `UPDATE journeys SET listens = ARRAY(SELECT DISTINCT t FROM unnest($3::text[] || CASE WHEN $4 THEN '{}'::text[] ELSE listens END) AS t ORDER BY t) WHERE workspace_id = $1 AND id = $2`,
    [workspaceId, id, [...heard], whole],
  );
}

async function definitionToLive(
  sql: Sql,
  workspaceId: string,
  row: JourneyRow,
  version: number | undefined,
): Promise<JourneyDefinition> {
  if (version === undefined) return readable(row.draft, 'Its draft');
  const [earlier] = await sql.query<{ definition: unknown }>(
    'SELECT definition FROM journey_versions WHERE workspace_id = $1 AND journey_id = $2 AND version = $3',
    [workspaceId, row.id, version],
  );
  if (!earlier) throw conflict(`It has no version ${version}: the newest is ${row.newest}.`);
  return readable(earlier.definition, `Version ${version}`);
}

/** @throws ProblemException for what is written in words that this installation does not know */
function readable(given: unknown, what: string): JourneyDefinition {
  const read = JourneyDefinition.safeParse(given);
  if (read.success) return read.data;
  throw new ProblemException(
    'invalid_request',
    `${what} cannot be read: it was written by a newer Carillon. Update this one, or save it anew.`,
    {
      errors: errorsOf(JourneyDefinition, given, read.error, '/definition').slice(0, 20),
    },
  );
}

function refuseErrors(findings: readonly JourneyFinding[]): void {
  const errors = findings.filter(({ level }) => level === 'error');
  if (errors.length === 0) return;
  throw new ProblemException(
    'invalid_request',
    errors.length === 1
      ? errors[0]!.message
      : `${errors.length} things keep it from going live. The first: ${errors[0]!.message}`,
    { errors: errors.map(({ at, code, message }) => ({ pointer: `/definition${at}`, code, message })) },
  );
}

/** Its row, held. @throws ProblemException when it is not there, or may not be asked that */
async function taken(sql: Sql, workspaceId: string, key: string, asked: JourneyAsked): Promise<JourneyRow> {
  const row = await journeyByKey(sql, workspaceId, key, 'FOR UPDATE');
  if (!row) throw notFound('journey');
  const why = journeyRefusal(asked, row.state);
  if (why) throw conflict(why);
  return row;
}
const conflict = (detail: string) => new ProblemException('conflict', detail);

async function shown(sql: Sql, workspaceId: string, key: string): Promise<Journey> {
  const journey = await showJourney(sql, workspaceId, key);
  if (!journey) throw notFound('journey');
  return journey;
}
