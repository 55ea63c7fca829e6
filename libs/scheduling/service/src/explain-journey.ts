/** Why something, or nothing, happened to somebody in a journey: reads what is on record, and has it put into sentences. */
import { idsByExternalId } from '@carillon/audience-service';
import { JourneyDefinition, type JourneyExplanation } from '@carillon/contracts';
import { dayOf, type Sql } from '@carillon/database';
import { explainJourney, type JourneyRecord } from '@carillon/scheduling-rules';
import { enrollmentsBefore } from './enrollment-rows.js';
import type { JourneyRow } from './journey-rows.js';

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

export async function explainFor(
  sql: Sql,
  workspaceId: string,
  journey: JourneyRow,
  { profile, event: asked }: { profile: string; event?: string | undefined },
): Promise<JourneyExplanation> {
  const profileId = (await idsByExternalId(sql, workspaceId, [profile])).get(profile);
  if (profileId === undefined)
    return {
      verdict: `There is nobody with the external id ${JSON.stringify(profile)}.`,
      because: [],
      next: 'People are there once something is told of them: an event, or their profile.',
      nextAt: null,
      event: null,
      enrollment: null,
    };
  const [version] = await sql.query<{ definition: unknown }>(
    'SELECT definition FROM journey_versions WHERE workspace_id = $1 AND journey_id = $2 AND version = $3',
    [workspaceId, journey.id, journey.version],
  );
  const definition = (version && JourneyDefinition.safeParse(version.definition).data) ?? null;
  const event = await eventOf(
    sql,
    workspaceId,
    profileId,
    asked ?? (definition?.entry.kind === 'event' ? definition.entry.event : undefined),
  );
  const [refusals, waiting, ways, zones, clock] = await Promise.all([
    sql.query<{ reason: string; at: Date }>(
      `SELECT reason, at FROM journey_refusals WHERE workspace_id = $1 AND profile_id = $2 AND journey_id = $3 AND ($4::text IS NULL OR ref = $4) ORDER BY at DESC, id DESC LIMIT 5`,
      [workspaceId, profileId, journey.id, event?.id ?? null],
    ),
    sql.query<{ since: Date; held: boolean; problem: string | null }>(
      `SELECT at AS since, held, payload->>'problem' AS problem FROM journey_signals
        WHERE workspace_id = $1 AND profile_id = $2 AND (journey_id IS NULL OR journey_id = $3) AND ($4::text IS NULL OR ref = $4) ORDER BY id LIMIT 1`,
      [workspaceId, profileId, journey.id, event?.id ?? null],
    ),
    enrollmentsBefore(sql, workspaceId, journey.id, { profile, limit: 5 }),
    sql.query<{ zone: string }>(
      `SELECT coalesce(p.timezone, p.phone_zone, w.settings->>'timezone', 'UTC') AS zone FROM profiles p JOIN workspaces w ON w.id = p.workspace_id WHERE p.workspace_id = $1 AND p.id = $2`,
      [workspaceId, profileId],
    ),
    sql.query<{ now: Date }>('SELECT now() AS now'),
  ]);
  const told = explainJourney({
    journey,
    definition,
    event: event ?? (asked === undefined ? undefined : null),
    waiting: waiting[0] ?? null,
    refusals,
    ways: ways.map((way) => ({
      ...way,
      dueAt: dateOf(way.dueAt),
      enteredAt: new Date(way.enteredAt),
      endedAt: dateOf(way.endedAt),
    })),
    messages: ways[0] ? await messagesOf(sql, workspaceId, ways[0].id) : [],
    zone: definition && definition.zone !== 'person' ? definition.zone : (zones[0]?.zone ?? 'UTC'),
    now: clock[0]!.now,
  });
  return {
    ...told,
    nextAt: told.nextAt?.toISOString() ?? null,
    event: event ? { id: event.id, name: event.name, at: event.at.toISOString() } : null,
    enrollment: ways[0] ?? null,
  };
}
const dateOf = (text: string | null): Date | null => (text === null ? null : new Date(text));

/** By its id, or the last of its name. */
async function eventOf(
  sql: Sql,
  workspaceId: string,
  profileId: string,
  asked: string | undefined,
): Promise<JourneyRecord['event']> {
  if (asked === undefined) return undefined;
  const [row] = await sql.query<NonNullable<JourneyRecord['event']>>(
    `SELECT id, name, properties, at FROM events WHERE workspace_id = $1 AND profile_id = $2 AND ${UUID.test(asked) ? 'id = $3::uuid' : 'name = $3'} ORDER BY at DESC LIMIT 1`,
    [workspaceId, profileId, asked],
  );
  return row;
}

/** What became of what it sent: the gate's word, too. */
async function messagesOf(
  sql: Sql,
  workspaceId: string,
  enrollmentId: string,
): Promise<JourneyRecord['messages']> {
  const sent = await sql.query<{ id: string; step: string }>(
    'SELECT message_id AS id, step FROM enrollment_messages WHERE workspace_id = $1 AND enrollment_id = $2 ORDER BY message_id DESC LIMIT 10',
    [workspaceId, enrollmentId],
  );
  if (sent.length === 0) return [];
  const rows = await sql.query<{
    id: string;
    channel: string;
    status: string;
    reason: string | null;
    at: Date;
  }>(
    `SELECT message_id AS id, channel, status, reason, created_at AS at FROM deliveries
      WHERE day = ANY($2::date[]) AND workspace_id = $1 AND message_id = ANY($3::uuid[]) ORDER BY created_at, route_step`,
    [workspaceId, [...new Set(sent.map(({ id }) => dayOf(id)))], sent.map(({ id }) => id)],
  );
  const stepOf = new Map(sent.map(({ id, step }) => [id, step]));
  return rows.map(({ id, ...row }) => ({ ...row, step: stepOf.get(id)! }));
}
