/**
 * Letting people in from outside: named people, an audience, or whoever something concerns that happened to nobody. Who enters is
 * decided by the engine, which takes a signal of each.
 */
import {
  audienceByKey,
  idsByExternalId,
  idsByIdentity,
  identityText,
  membersQuery,
} from '@carillon/audience-service';
import {
  JourneyDefinition,
  MOST_EVENT_BYTES,
  type BusinessEvent,
  type BusinessEventTaken,
  type IdentityKey,
  type JourneyEnter,
} from '@carillon/contracts';
import { newId, type Sql } from '@carillon/database';
import { businessEntry } from '@carillon/scheduling-rules';
import { ProblemException } from '@carillon/server';
import { letAudienceIn } from './enter-by-schedule.js';
import type { JourneyRow } from './journey-rows.js';

/** For this journey alone. @returns for how many it will be decided */
export async function signalEntry(
  sql: Sql,
  workspaceId: string,
  journey: JourneyRow,
  { profile, profiles, audience, data, eventKey }: JourneyEnter,
): Promise<number> {
  if (journey.state !== 'live' && journey.state !== 'paused')
    throw new ProblemException('conflict', `The journey is ${journey.state}: nobody can enter it.`);
  const payload = small(data, '/data');
  if (eventKey !== undefined && !(await fresh(sql, workspaceId, `journey:${journey.id}:${eventKey}`)))
    return 0;
  if (audience !== undefined) return audienceIn(sql, workspaceId, journey, audience, data);
  const wanted = profiles ?? [profile!];
  const ids = await idsOf(sql, workspaceId, wanted);
  const unknown = wanted.flatMap((who, n) => (ids[n] === undefined ? [{ who: nameOf(who), n }] : []));
  if (unknown.length > 0)
    throw new ProblemException('invalid_request', `There is no profile ${unknown[0]!.who}.`, {
      errors: unknown.slice(0, 20).map(({ who, n }) => ({
        pointer: profiles ? `/profiles/${n}` : '/profile',
        code: 'unknown_profile',
        message: `there is no profile ${who}: create it first`,
      })),
    });
  const people = [...new Set(ids as string[])];
  return sql.execute(
    `INSERT INTO journey_signals (workspace_id, profile_id, journey_id, kind, name, ref, payload)
     SELECT $1, profile_id, $3, 'enter', '', ref, $5::jsonb FROM unnest($2::uuid[], $4::text[]) AS u(profile_id, ref)`,
    [workspaceId, people, journey.id, people.map(() => newId()), payload],
  );
}

/** Every live journey that is entered by it lets its audience in. */
export async function tellBusinessEvent(
  sql: Sql,
  workspaceId: string,
  { name, properties, key }: BusinessEvent,
): Promise<BusinessEventTaken> {
  small(properties, '/properties');
  if (key !== undefined && !(await fresh(sql, workspaceId, `business:${key}`)))
    return { outcome: 'duplicate', journeys: [] };
  const rows = await sql.query<{ id: string; key: string; definition: unknown; zone: string; now: Date }>(
    `SELECT j.id, j.key, v.definition, coalesce(w.settings->>'timezone', 'UTC') AS zone, now() AS now
       FROM journeys j JOIN journey_versions v ON v.workspace_id = j.workspace_id AND v.journey_id = j.id AND v.version = j.version
       JOIN workspaces w ON w.id = j.workspace_id
      WHERE j.workspace_id = $1 AND j.state IN ('live', 'paused') AND j.listens @> ARRAY[$2] ORDER BY j.id`,
    [workspaceId, `business:${name}`],
  );
  const journeys: string[] = [];
  for (const { id, key: journey, definition: given, zone, now } of rows) {
    const definition = JourneyDefinition.safeParse(given).data;
    if (!definition) continue;
    const whose = definition.zone === 'person' ? zone : definition.zone;
    const audience = businessEntry(definition, { name, properties }, whose, now);
    if (audience === null) continue;
    if (!(await letAudienceIn(sql, workspaceId, id, audience, properties))) throw tooMany(journey);
    journeys.push(journey);
  }
  return { outcome: 'accepted', journeys };
}

/** @returns how many are in it now: who is let in is who is in it when its slice is told */
async function audienceIn(
  sql: Sql,
  workspaceId: string,
  journey: JourneyRow,
  key: string,
  data: Record<string, unknown>,
): Promise<number> {
  const audience = await audienceByKey(sql, workspaceId, key);
  if (!audience || audience.archivedAt)
    throw new ProblemException('invalid_request', `There is no audience “${key}”.`, {
      errors: [{ pointer: '/audience', code: 'unknown_audience', message: `there is no audience “${key}”` }],
    });
  const { text, params } = await membersQuery(sql, workspaceId, audience);
  const [row] = await sql.query<{ n: number }>(`SELECT count(*)::float8 AS n FROM (${text}) AS them`, params);
  if (!(await letAudienceIn(sql, workspaceId, journey.id, key, data))) throw tooMany(journey.key);
  return row?.n ?? 0;
}

const tooMany = (journey: string) =>
  new ProblemException(
    'conflict',
    `A hundred audiences wait to be let into journey “${journey}” already: try again when some of them are inside.`,
  );

/** @returns the JSON @throws ProblemException when it is larger than an event may be */
function small(data: Record<string, unknown>, pointer: string): string {
  const text = JSON.stringify(data);
  if (Buffer.byteLength(text) <= MOST_EVENT_BYTES) return text;
  throw new ProblemException('invalid_request', 'The data is more than 64 KiB.', {
    errors: [
      { pointer, code: 'too_large', message: 'is more than 64 KiB: give the address of large content' },
    ],
  });
}

/** @returns whether the key has not been used within the time that keys are kept */
const fresh = async (sql: Sql, workspaceId: string, key: string): Promise<boolean> =>
  (await sql.execute(
    `INSERT INTO event_keys (workspace_id, key, event_id) VALUES ($1, encode(sha256(convert_to($2, 'UTF8')), 'hex'), $3) ON CONFLICT DO NOTHING`,
    [workspaceId, key, newId()],
  )) > 0;

/** @returns their ids in the order in which they are named; undefined for who is not there */
async function idsOf(
  sql: Sql,
  workspaceId: string,
  wanted: readonly (string | IdentityKey)[],
): Promise<(string | undefined)[]> {
  const [byName, byIdentity] = await Promise.all([
    idsByExternalId(
      sql,
      workspaceId,
      wanted.filter((who) => typeof who === 'string'),
    ),
    idsByIdentity(
      sql,
      workspaceId,
      wanted.filter((who) => typeof who !== 'string'),
    ),
  ]);
  return wanted.map((who) => (typeof who === 'string' ? byName.get(who) : byIdentity.get(identityText(who))));
}
const nameOf = (who: string | IdentityKey): string =>
  JSON.stringify(typeof who === 'string' ? who : identityText(who));
