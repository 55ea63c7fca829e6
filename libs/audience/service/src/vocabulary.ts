/** What occurs in a workspace, for whoever writes rules. From the newest profiles and events: a suggestion, not a count. */
import type { AudienceVocabulary } from '@carillon/contracts';
import type { Sql } from '@carillon/database';

export async function vocabularyOf(sql: Sql, workspaceId: string): Promise<AudienceVocabulary> {
  const attributes = await sql.query<AudienceVocabulary['attributes'][number]>(
    `SELECT name, array_agg(DISTINCT type) AS types,
       coalesce((jsonb_agg(DISTINCT value) FILTER (WHERE type IN ('string', 'number', 'boolean') AND length(value::text) <= 60)), '[]') AS values
     FROM (SELECT e.key AS name, jsonb_typeof(e.value) AS type, e.value
             FROM (SELECT attributes FROM profiles WHERE workspace_id = $1 ORDER BY id DESC LIMIT 1000) AS p, jsonb_each(p.attributes) AS e) AS all_of_them
     GROUP BY name ORDER BY count(*) DESC, name LIMIT 200`,
    [workspaceId],
  );
  const events = await sql.query<AudienceVocabulary['events'][number]>(
    // From name to name by the index: there are few names and many events.
    `WITH RECURSIVE names AS (
       (SELECT name FROM events WHERE workspace_id = $1 ORDER BY name LIMIT 1)
       UNION ALL
       SELECT (SELECT e.name FROM events e WHERE e.workspace_id = $1 AND e.name > n.name ORDER BY e.name LIMIT 1) FROM names n WHERE n.name IS NOT NULL)
     SELECT n.name, coalesce(array_agg(p.property ORDER BY p.property) FILTER (WHERE p.property IS NOT NULL), '{}') AS properties,
            coalesce(jsonb_object_agg(p.property, p.types) FILTER (WHERE p.property IS NOT NULL), '{}') AS types
       FROM (SELECT name FROM names WHERE name IS NOT NULL LIMIT 200) AS n
       LEFT JOIN LATERAL (
         WITH newest AS MATERIALIZED (SELECT properties FROM events e WHERE e.workspace_id = $1 AND e.name = n.name ORDER BY e.at DESC LIMIT 20)
         SELECT k AS property, array_agg(DISTINCT jsonb_typeof(v)) || CASE WHEN count(*) < (SELECT count(*) FROM newest) THEN ARRAY['missing'] ELSE '{}' END AS types
           FROM newest, jsonb_each(newest.properties) AS e(k, v) GROUP BY k ORDER BY k LIMIT 50) AS p ON true
      GROUP BY n.name ORDER BY n.name`,
    [workspaceId],
  );
  const [others] = await sql.query<{ topics: string[]; templates: string[] }>(
    `SELECT ARRAY(SELECT DISTINCT topic FROM (SELECT topic FROM consents WHERE workspace_id = $1 LIMIT 50000) AS c
                   WHERE topic NOT IN ('', 'marketing') ORDER BY topic LIMIT 200) AS topics,
            ARRAY(SELECT key FROM templates WHERE workspace_id = $1 AND archived_at IS NULL ORDER BY key LIMIT 500) AS templates`,
    [workspaceId],
  );
  const audiences = await sql.query<{ key: string; name: string }>(
    `SELECT key, name FROM audiences WHERE workspace_id = $1 AND archived_at IS NULL ORDER BY key LIMIT 500`,
    [workspaceId],
  );
  return {
    attributes: attributes.map(({ values, ...attribute }) => ({ ...attribute, values: values.slice(0, 12) })),
    events,
    topics: others?.topics ?? [],
    templates: others?.templates ?? [],
    audiences,
  };
}
