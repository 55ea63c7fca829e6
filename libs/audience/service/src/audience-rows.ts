/** Audiences as rows, how they name each other, and what a rule needs to be evaluated. */
import {
  clauseSentence,
  mentionsOf,
  selects,
  type NamedAudience,
  type Scope,
  type TopicPath,
} from '@carillon/audience-rules';
import type { Audience, AudienceDefinition, Clause } from '@carillon/contracts';
import type { Sql } from '@carillon/database';
import { knownZones } from './zones.js';

export interface AudienceRow {
  id: string;
  key: string;
  name: string;
  description: string;
  kind: 'rule' | 'list';
  definition: AudienceDefinition | null;
  version: number;
  mentions: string[];
  live: boolean;
  swept: boolean;
  lastSeq: number;
  size: number;
  evaluatedAt: Date | null;
  evaluationMs: number | null;
  problem: string | null;
  dueAt: Date | null;
  createdAt: Date;
  updatedAt: Date;
  archivedAt: Date | null;
}

export const AUDIENCE_COLUMNS = `id, key, name, description, kind, definition, version, mentions, live, swept,
  last_seq AS "lastSeq", size, evaluated_at AS "evaluatedAt", evaluation_ms AS "evaluationMs", problem, due_at AS "dueAt",
  created_at AS "createdAt", updated_at AS "updatedAt", archived_at AS "archivedAt"`;

/** Whether its members stand in rows. */
export const keepsMembers = ({ kind, live }: Pick<AudienceRow, 'kind' | 'live'>): boolean =>
  kind === 'list' || live;

/** All that are not archived, by key. */
export async function audiencesOf(sql: Sql, workspaceId: string): Promise<Map<string, AudienceRow>> {
  const rows = await sql.query<AudienceRow>(
    `SELECT ${AUDIENCE_COLUMNS} FROM audiences WHERE workspace_id = $1 AND archived_at IS NULL ORDER BY key`,
    [workspaceId],
  );
  return new Map(rows.map((row) => [row.key, row]));
}

/** One, archived or not. */
export async function audienceByKey(
  sql: Sql,
  workspaceId: string,
  key: string,
): Promise<AudienceRow | undefined> {
  const [row] = await sql.query<AudienceRow>(
    `SELECT ${AUDIENCE_COLUMNS} FROM audiences WHERE workspace_id = $1 AND key = $2`,
    [workspaceId, key],
  );
  return row;
}

/** The list of a key that people may enter from outside, or why there is none. */
export async function listToFill(
  sql: Sql,
  workspaceId: string,
  key: string,
): Promise<{ ok: true; id: string } | { ok: false; code: string; sentence: string }> {
  const row = await audienceByKey(sql, workspaceId, key);
  if (!row)
    return {
      ok: false,
      code: 'unknown_audience',
      sentence: `There is no audience ${key}: make it first, or name another.`,
    };
  if (row.kind !== 'list')
    return {
      ok: false,
      code: 'not_a_list',
      sentence: `The rule of ${key} says who is in it: name a list, which has no rule.`,
    };
  return row.archivedAt === null
    ? { ok: true, id: row.id }
    : {
        ok: false,
        code: 'archived',
        sentence: `${key} is archived: save it again to bring it back, or name another.`,
      };
}

/** What rules of a workspace are evaluated with, on the database's time. */
export async function scopeOf(
  sql: Sql,
  workspaceId: string,
  audiences: ReadonlyMap<string, AudienceRow>,
): Promise<Scope> {
  const [row] = await sql.query<{ now: Date; zone: string | null; merges: boolean }>(
    `SELECT now() AS now, settings->>'timezone' AS zone, EXISTS (SELECT FROM profile_merges WHERE workspace_id = $1) AS merges
     FROM workspaces WHERE id = $1`,
    [workspaceId],
  );
  const zones = await knownZones(sql);
  const zone = row?.zone && zones.has(row.zone) ? row.zone : 'UTC';
  const named = new Map<string, NamedAudience>();
  for (const [key, audience] of audiences)
    named.set(key, {
      id: audience.id,
      ...(!keepsMembers(audience) && audience.definition && { definition: audience.definition }),
    });
  const topics = await sql.query<TopicPath & { key: string }>(
    `WITH RECURSIVE up AS (
       SELECT key AS wanted, key, parent, class, 1 AS height FROM topics WHERE workspace_id = $1
       UNION ALL
       SELECT u.wanted, t.key, t.parent, u.class, u.height + 1 FROM up u JOIN topics t ON t.workspace_id = $1 AND t.key = u.parent WHERE u.height < 10)
     SELECT wanted AS key, array_agg(key ORDER BY height) AS path, bool_or(class = 'transactional') AS transactional FROM up GROUP BY wanted`,
    [workspaceId],
  );
  return {
    topics: new Map(topics.map((topic) => [topic.key, topic])),
    workspaceId,
    now: row?.now ?? new Date(),
    merges: row?.merges ?? false,
    zone,
    zones: [...zones],
    audiences: named,
  };
}

/** What a rule looks at, with what the rules look at that it names and that keep no members. */
export function mentionsWithin(
  definition: AudienceDefinition,
  audiences: ReadonlyMap<string, AudienceRow>,
): { mentions: string[]; swept: boolean } {
  const own = mentionsOf(definition);
  const mentions = new Set(own.words);
  let swept = own.moves || selects(definition);
  for (const key of own.audiences) {
    const named = audiences.get(key);
    if (!named) continue;
    mentions.add(`audience:${named.id}`);
    if (keepsMembers(named) || !named.definition) continue;
    const inner = mentionsWithin(named.definition, audiences);
    inner.mentions.forEach((mention) => mentions.add(mention));
    swept ||= inner.swept;
  }
  return { mentions: [...mentions].sort(), swept };
}

/** The way by which a rule leads back to a key, if there is one. */
export function cycleThrough(
  key: string,
  definition: AudienceDefinition,
  audiences: ReadonlyMap<string, AudienceRow>,
): string[] | undefined {
  const seen = new Set<string>();
  const open = [...mentionsOf(definition).audiences].map((next) => [next]);
  for (let way = open.pop(); way; way = open.pop()) {
    const last = way.at(-1) ?? '';
    if (last === key) return way;
    if (seen.has(last)) continue;
    seen.add(last);
    const named = audiences.get(last);
    if (named?.definition)
      for (const next of mentionsOf(named.definition).audiences) open.push([...way, next]);
  }
  return undefined;
}

/** Where a rule names an audience: JSON pointers below `where`, by key. */
export function namesIn(clause: Clause, pointer: string): { key: string; pointer: string }[] {
  if ('and' in clause) return clause.and.flatMap((inner, i) => namesIn(inner, `${pointer}/and/${i}`));
  if ('or' in clause) return clause.or.flatMap((inner, i) => namesIn(inner, `${pointer}/or/${i}`));
  if ('not' in clause) return namesIn(clause.not, `${pointer}/not`);
  return 'audience' in clause ? [{ key: clause.audience, pointer: `${pointer}/audience` }] : [];
}

/** As the contract shows it. */
export function shown(row: AudienceRow, audiences: ReadonlyMap<string, AudienceRow>): Audience {
  const counted = row.kind === 'list' || row.evaluatedAt !== null;
  const waits = row.kind === 'rule' && (row.evaluatedAt === null || row.evaluatedAt < row.updatedAt);
  return {
    id: row.id,
    key: row.key,
    name: row.name,
    description: row.description,
    kind: row.kind,
    definition: row.definition as Audience['definition'],
    sentence: row.definition ? clauseSentence(row.definition.where) : 'A list that is filled from outside.',
    version: row.version,
    live: row.live,
    state: row.problem === null ? (waits && row.archivedAt === null ? 'counting' : 'ready') : 'failed',
    size: counted ? row.size : null,
    lastSeq: row.lastSeq,
    evaluatedAt: row.evaluatedAt?.toISOString() ?? null,
    evaluationMs: row.evaluationMs,
    problem: row.problem,
    usedBy: [...audiences.values()]
      .filter(({ definition }) => definition && mentionsOf(definition).audiences.has(row.key))
      .map(({ key }) => key),
    createdAt: row.createdAt.toISOString(),
    updatedAt: row.updatedAt.toISOString(),
    archivedAt: row.archivedAt?.toISOString() ?? null,
  };
}
