/** Topics: what a person can agree to, in a tree. Topic keys of messages need not be described here. */
import type { MessageClass, Topic, TopicSave } from '@carillon/contracts';
import type { Sql } from '@carillon/database';
import { ProblemException } from '@carillon/server';

interface Row {
  key: string;
  parent: string | null;
  class: MessageClass;
  names: Record<string, string>;
  descriptions: Record<string, string>;
  by_default: 'in' | 'out' | null;
  double_opt_in: { template: string } | null;
  position: number;
  created_at: Date;
  updated_at: Date;
}
const columns =
  'key, parent, class, names, descriptions, by_default, double_opt_in, position, created_at, updated_at';
/** Higher trees than this are a mistake; PATHS in consent.ts looks no further. */
const HIGHEST = 10;

const topic = (row: Row): Topic => ({
  key: row.key,
  name: row.names,
  description: row.descriptions,
  parent: row.parent,
  class: row.class,
  byDefault: row.by_default,
  doubleOptIn: row.double_opt_in,
  position: row.position,
  createdAt: row.created_at.toISOString(),
  updatedAt: row.updated_at.toISOString(),
});

/** Those that are not put away, as the preference page orders them. */
export async function listTopics(sql: Sql, workspaceId: string): Promise<Topic[]> {
  const rows = await sql.query<Row>(
    `SELECT ${columns} FROM topics WHERE workspace_id = $1 AND archived_at IS NULL ORDER BY position, key`,
    [workspaceId],
  );
  return rows.map(topic);
}

/** @throws ProblemException when the parent is not there, or the tree would bite its own tail */
export async function saveTopic(sql: Sql, workspaceId: string, key: string, wish: TopicSave): Promise<Topic> {
  const refuse = (message: string) =>
    new ProblemException('invalid_request', `The topic is not valid: /parent: ${message}`, {
      errors: [{ pointer: '/parent', code: 'invalid_parent', message }],
    });
  // One tree at a time: two that become each other's parent would pass each other otherwise.
  await sql.query(`SELECT pg_advisory_xact_lock(72707373, hashtext($1))`, [workspaceId]);
  if (wish.parent !== null) {
    const parents = new Map(
      (
        await sql.query<{ key: string; parent: string | null }>(
          'SELECT key, parent FROM topics WHERE workspace_id = $1 AND archived_at IS NULL',
          [workspaceId],
        )
      ).map((row) => [row.key, row.parent]),
    );
    if (!parents.has(wish.parent)) throw refuse(`There is no topic "${wish.parent}": make it first.`);
    let height = 1;
    for (let above: string | null = wish.parent; above !== null; above = parents.get(above) ?? null) {
      if (above === key) throw refuse('A topic cannot stand below itself: choose another parent.');
      if (++height > HIGHEST) throw refuse(`A tree of topics is at most ${HIGHEST} high.`);
    }
  }
  const [row] = await sql.query<Row>(
    `INSERT INTO topics AS t (workspace_id, key, parent, class, names, descriptions, by_default, double_opt_in, position)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
     ON CONFLICT (workspace_id, key) DO UPDATE
       SET parent = EXCLUDED.parent, class = EXCLUDED.class, names = EXCLUDED.names, descriptions = EXCLUDED.descriptions,
           by_default = EXCLUDED.by_default, double_opt_in = EXCLUDED.double_opt_in, position = EXCLUDED.position,
           updated_at = now(), archived_at = NULL
     RETURNING ${columns}`,
    [
      workspaceId,
      key,
      wish.parent,
      wish.class,
      JSON.stringify(wish.name),
      JSON.stringify(wish.description),
      wish.byDefault,
      wish.doubleOptIn && JSON.stringify(wish.doubleOptIn),
      wish.position,
    ],
  );
  if (!row) throw new Error('INSERT returned no row');
  return topic(row);
}

/** @returns whether it was there; what people said about it stays and counts */
export const archiveTopic = async (sql: Sql, workspaceId: string, key: string): Promise<boolean> =>
  (await sql.execute(
    'UPDATE topics SET archived_at = now() WHERE workspace_id = $1 AND key = $2 AND archived_at IS NULL',
    [workspaceId, key],
  )) > 0;

/** The topics below each of these, at any depth; a topic that has none is not in the map. */
export async function belowOf(
  sql: Sql,
  workspaceId: string,
  topics: readonly string[],
): Promise<Map<string, string[]>> {
  const rows = await sql.query<{ top: string; keys: string[] }>(
    `WITH RECURSIVE down AS (
       SELECT parent AS top, key, 1 AS depth FROM topics WHERE workspace_id = $1 AND parent = ANY($2)
       UNION ALL
       SELECT d.top, t.key, d.depth + 1 FROM down d JOIN topics t ON t.workspace_id = $1 AND t.parent = d.key WHERE d.depth < ${HIGHEST}
     )
     SELECT top, array_agg(key) AS keys FROM down GROUP BY top`,
    [workspaceId, [...new Set(topics)]],
  );
  return new Map(rows.map(({ top, keys }) => [top, keys]));
}

/** Of these topics, those whose "in" has to be confirmed, with the template that asks. */
export async function confirmationsOf(
  sql: Sql,
  workspaceId: string,
  topics: readonly string[],
): Promise<Map<string, string>> {
  const rows = await sql.query<{ key: string; template: string }>(
    `SELECT key, double_opt_in->>'template' AS template FROM topics
     WHERE workspace_id = $1 AND key = ANY($2) AND double_opt_in IS NOT NULL AND archived_at IS NULL`,
    [workspaceId, topics],
  );
  return new Map(rows.map(({ key, template }) => [key, template]));
}
