/** Journeys as rows: reading, listing. What changes them stands in change-journey.ts, what moves people in journey-clock.ts. */
import type { Journey, JourneyDefinition, JourneyState, JourneyVersion } from '@carillon/contracts';
import { JourneyDefinition as Shape } from '@carillon/contracts';
import type { Sql } from '@carillon/database';

export interface JourneyRow {
  id: string;
  key: string;
  name: string;
  description: string;
  state: JourneyState;
  draft: JourneyDefinition;
  revision: number;
  version: number | null;
  newest: number;
  liveRevision: number | null;
  whilePaused: 'hold' | 'discard' | null;
  reason: string | null;
  nextAt: Date | null;
  createdBy: string;
  createdAt: Date;
  updatedAt: Date;
  liveAt: Date | null;
}
const COLUMNS = `id, key, name, description, state, draft, revision, version, newest, live_revision AS "liveRevision",
  while_paused AS "whilePaused", reason, next_at AS "nextAt", created_by AS "createdBy", created_at AS "createdAt",
  updated_at AS "updatedAt", live_at AS "liveAt"`;

/** @param lock holds it until the transaction ends: every change begins so */
export async function journeyByKey(
  sql: Sql,
  workspaceId: string,
  key: string,
  lock: '' | 'FOR UPDATE' = '',
): Promise<JourneyRow | null> {
  const [row] = await sql.query<JourneyRow>(
    `SELECT ${COLUMNS} FROM journeys WHERE workspace_id = $1 AND key = $2 ${lock}`,
    [workspaceId, key],
  );
  return row ?? null;
}

/** By key. */
export function journeysAfter(
  sql: Sql,
  workspaceId: string,
  asked: {
    state?: string | undefined;
    search?: string | undefined;
    after?: string | undefined;
    limit: number;
  },
): Promise<JourneyRow[]> {
  return sql.query<JourneyRow>(
    `SELECT ${COLUMNS} FROM journeys WHERE workspace_id = $1 AND ($2::text IS NULL OR state = $2) AND ($3::text IS NULL OR key > $3)
       AND ($4::text IS NULL OR position(lower($4) IN lower(key || ' ' || name)) > 0)
      ORDER BY key LIMIT $5`,
    [workspaceId, asked.state ?? null, asked.after ?? null, asked.search ?? null, asked.limit],
  );
}

/** How many are inside each, by version. */
export async function insideOf(
  sql: Sql,
  workspaceId: string,
  ids: readonly string[],
): Promise<{ id: string; version: number; inside: number }[]> {
  if (ids.length === 0) return [];
  return sql.query(
    `SELECT journey_id AS id, version, (sum(count) FILTER (WHERE way = 'entered') - coalesce(sum(count) FILTER (WHERE way <> 'entered'), 0))::int AS inside
       FROM journey_counts WHERE workspace_id = $1 AND journey_id = ANY($2::uuid[]) AND step = '' AND (way = 'entered' OR way LIKE 'ended:%') GROUP BY 1, 2`,
    [workspaceId, ids],
  );
}

export const toJourney = (
  { draft, liveRevision, nextAt, createdAt, updatedAt, liveAt, ...row }: JourneyRow,
  inside: number,
): Journey => ({
  ...row,
  // What a newer Carillon wrote is shown as it stands.
  definition: Shape.safeParse(draft).data ?? draft,
  changed: liveRevision !== row.revision,
  inside,
  nextAt: nextAt?.toISOString() ?? null,
  createdAt: createdAt.toISOString(),
  updatedAt: updatedAt.toISOString(),
  liveAt: liveAt?.toISOString() ?? null,
});

/** As it stands now. */
export async function showJourney(sql: Sql, workspaceId: string, key: string): Promise<Journey | null> {
  const row = await journeyByKey(sql, workspaceId, key);
  if (!row) return null;
  const inside = await insideOf(sql, workspaceId, [row.id]);
  return toJourney(
    row,
    inside.reduce((sum, part) => sum + part.inside, 0),
  );
}

export async function versionsOf(sql: Sql, workspaceId: string, id: string): Promise<JourneyVersion[]> {
  const inside = await insideOf(sql, workspaceId, [id]);
  const rows = await sql.query<Omit<JourneyVersion, 'inside' | 'createdAt'> & { createdAt: Date }>(
    `SELECT version, definition, note, created_by AS "createdBy", created_at AS "createdAt" FROM journey_versions
      WHERE workspace_id = $1 AND journey_id = $2 ORDER BY version DESC LIMIT 200`,
    [workspaceId, id],
  );
  return rows.map((row) => ({
    ...row,
    createdAt: row.createdAt.toISOString(),
    inside: inside.find(({ version }) => version === row.version)?.inside ?? 0,
  }));
}
