/**
 * Lets an audience into a journey, because its schedule says so, something happened that concerns them all, or somebody asked:
 * a slice at a time, each person as a signal, so that the rules of entry hold for them like for anybody. The next slice is
 * told when few wait, so that what happens to others meanwhile is not queued behind a million; how far it has come stands in
 * the journey's row, so that a crash repeats nothing. What comes meanwhile follows in its order.
 */
import { audienceByKey, membersAfter } from '@carillon/audience-service';
import { JourneyDefinition } from '@carillon/contracts';
import { newId, type Sql } from '@carillon/database';
import { nextEntry } from './change-journey.js';

/** People told in one transaction. */
const SLICE = 1000;
/** People looked at for a rule that is not live. */
const LOOKED = 5000;
/** Signals of the workspace that may wait while more are told. */
const MOST_WAITING = 1000;

/** That may wait for each other at one journey. */
const MOST_ENTERING = 100;

/** What is under way: as it stands in the journey's row, a list. */
interface Entering {
  audience: string;
  who: 'all' | 'new';
  ref: string;
  /** The last person who was told. */
  after: string | null;
  /** What they come in with. */
  data?: Record<string, unknown>;
}
/** Before there were several, one stood there by itself. */
const listOf = (stored: Entering | Entering[] | null): Entering[] =>
  stored === null ? [] : Array.isArray(stored) ? stored : [stored];

/** From now on, behind what is under way. @returns false where too much waits already */
export async function letAudienceIn(
  sql: Sql,
  workspaceId: string,
  journeyId: string,
  audience: string,
  data: Record<string, unknown>,
): Promise<boolean> {
  const [row] = await sql.query<{ entering: Entering | Entering[] | null }>(
    'SELECT entering FROM journeys WHERE workspace_id = $1 AND id = $2 FOR UPDATE',
    [workspaceId, journeyId],
  );
  const before = listOf(row?.entering ?? null);
  if (before.length >= MOST_ENTERING) return false;
  await store(sql, workspaceId, journeyId, [
    ...before,
    { audience, who: 'all', ref: newId(), after: null, data },
  ]);
  return true;
}
const store = (sql: Sql, workspaceId: string, id: string, all: readonly Entering[]): Promise<number> =>
  sql.execute('UPDATE journeys SET entering = $3 WHERE workspace_id = $1 AND id = $2', [
    workspaceId,
    id,
    all.length === 0 ? null : JSON.stringify(all),
  ]);

/** A journey that is held lets its audience in when it goes on; one whose events are discarded refuses each, and counts it. */
export const MAY_ENTER = `(state = 'live' AND (entering IS NOT NULL OR next_at <= now()) OR state = 'paused' AND while_paused = 'discard' AND entering IS NOT NULL)`;

/** Begins what is due, or goes on with what has begun. @returns how much was done */
export async function enterBySchedule(sql: Sql, workspaceId: string): Promise<number> {
  const [journey] = await sql.query<{
    id: string;
    version: number;
    entering: Entering | Entering[] | null;
    now: Date;
    waiting: number;
  }>(
    `SELECT id, version, entering, clock_timestamp() AS now,
            (SELECT count(*)::int FROM (SELECT FROM journey_signals WHERE workspace_id = $1 AND NOT held LIMIT ${MOST_WAITING}) AS s) AS waiting
       FROM journeys WHERE workspace_id = $1 AND ${MAY_ENTER}
      ORDER BY entering IS NULL, next_at LIMIT 1 FOR UPDATE SKIP LOCKED`,
    [workspaceId],
  );
  if (!journey) return 0;
  const [first, ...others] = listOf(journey.entering);
  if (first) return journey.waiting < MOST_WAITING ? goOn(sql, workspaceId, journey, first, others) : 0;
  return begin(sql, workspaceId, journey);
}

async function begin(
  sql: Sql,
  workspaceId: string,
  { id, version, now }: { id: string; version: number; now: Date },
): Promise<number> {
  const [row] = await sql.query<{ definition: unknown }>(
    'SELECT definition FROM journey_versions WHERE workspace_id = $1 AND journey_id = $2 AND version = $3',
    [workspaceId, id, version],
  );
  const definition = JourneyDefinition.parse(row?.definition);
  const { entry } = definition;
  const entering: Entering | null =
    entry.kind === 'schedule'
      ? { audience: entry.audience, who: entry.who, ref: newId(), after: null }
      : null;
  await sql.execute(
    'UPDATE journeys SET next_at = $3, entering = $4, reason = NULL WHERE workspace_id = $1 AND id = $2',
    [workspaceId, id, nextEntry(definition, now), entering && JSON.stringify([entering])],
  );
  return 1;
}

async function goOn(
  sql: Sql,
  workspaceId: string,
  { id }: { id: string },
  entering: Entering,
  others: readonly Entering[],
): Promise<number> {
  const audience = await audienceByKey(sql, workspaceId, entering.audience);
  if (!audience || audience.archivedAt) {
    await store(sql, workspaceId, id, others);
    await sql.execute('UPDATE journeys SET reason = $3 WHERE workspace_id = $1 AND id = $2', [
      workspaceId,
      id,
      entering.after === null
        ? `Its audience “${entering.audience}” is not there: nobody of it entered.`
        : `Its audience “${entering.audience}” was taken away while it was let in: not everybody entered.`,
    ]);
    return 1;
  }
  const most = audience.definition && !audience.live ? LOOKED : SLICE;
  const { ids, last } = await membersAfter(sql, workspaceId, audience, entering.after, most);
  if (ids.length > 0)
    await sql.execute(
      `INSERT INTO journey_signals (workspace_id, profile_id, journey_id, kind, name, ref, payload)
       SELECT $1, u.id, $2, 'enter', '', $3, $6::jsonb FROM unnest($4::uuid[]) WITH ORDINALITY AS u(id, place)
        WHERE NOT $5::boolean OR NOT EXISTS (SELECT FROM enrollments e WHERE e.workspace_id = $1 AND e.profile_id = u.id AND e.journey_id = $2)
        ORDER BY u.place`,
      [workspaceId, id, entering.ref, ids, entering.who === 'new', JSON.stringify(entering.data ?? {})],
    );
  await store(sql, workspaceId, id, last === null ? others : [{ ...entering, after: last }, ...others]);
  return Math.max(1, ids.length);
}
