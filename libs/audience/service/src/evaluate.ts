/** Rules evaluated over everybody: counting, previews, snapshots. Each in a transaction that is bounded in time. */
import { compileAudience } from '@carillon/audience-rules';
import { channels, type AudienceDefinition, type AudiencePreview, type Channel } from '@carillon/contracts';
import type { Sql } from '@carillon/database';
import { ProblemException } from '@carillon/server';
import { audiencesOf, scopeOf, type AudienceRow } from './audience-rows.js';
import { refuseUnknown } from './save-audience.js';

/** What somebody who waits for the answer may cost. */
export const PREVIEW_MS = 15_000;
/** What the audience service gives an evaluation. */
export const EVALUATION_MS = 55_000;

/**
 * For the rest of the transaction: joins by hash, whatever the planner believes about JSON, of which it knows nothing; room
 * for the tables; an end.
 */
export const asAWhole = (sql: Sql, mostMs: number): Promise<unknown> =>
  sql.query(
    `SELECT set_config('enable_nestloop', 'off', true), set_config('work_mem', '128MB', true), set_config('jit', 'off', true),
            set_config('statement_timeout', $1, true)`,
    [String(mostMs)],
  );

/** Runs an evaluation; one that is stopped for its cost is refused with a sentence. */
export async function capped<T>(mostMs: number, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if ((error as { code?: unknown }).code !== '57014') throw error;
    throw new ProblemException(
      'rule_too_costly',
      `It was stopped after ${mostMs / 1000} seconds: give its events a shorter span (within), or split it into audiences of their own.`,
      { cause: error },
    );
  }
}

/** How many, ten of them, and how they can be reached by marketing. */
export async function previewAudience(
  sql: Sql,
  workspaceId: string,
  definition: AudienceDefinition,
): Promise<AudiencePreview> {
  const begun = performance.now();
  const { total, sample, reach } = await counted(sql, workspaceId, definition, channels, true);
  const ms = Math.round(performance.now() - begun);
  return { total, sample: await profilesByIds(sql, workspaceId, sample), reach, ms };
}

/** How many can be reached by marketing, on some channels: each costs a look at all of them. */
export const reachOf = async (
  sql: Sql,
  workspaceId: string,
  definition: AudienceDefinition,
  on: readonly Channel[],
): Promise<AudiencePreview['reach']> => (await counted(sql, workspaceId, definition, on, false)).reach;

async function counted(
  sql: Sql,
  workspaceId: string,
  definition: AudienceDefinition,
  on: readonly Channel[],
  sampled: boolean,
): Promise<Pick<AudiencePreview, 'total' | 'reach'> & { sample: string[] }> {
  const audiences = await audiencesOf(sql, workspaceId);
  refuseUnknown(definition, audiences);
  const [policy] = await sql.query<{ out: boolean }>(
    `SELECT coalesce(settings->>'noConsentMeans', 'in') = 'out' AS out FROM workspaces WHERE id = $1`,
    [workspaceId],
  );
  await asAWhole(sql, PREVIEW_MS);
  const scope = await scopeOf(sql, workspaceId, audiences);
  const { text, params } = compileAudience(definition, scope, ['email', 'phone']);
  const [w, byDefault] = [`$${params.length + 1}::uuid`, `$${params.length + 2}::boolean`];
  const has: Record<Channel, string> = {
    email: 'c.email IS NOT NULL',
    sms: 'c.phone IS NOT NULL',
    push: 'device.profile_id IS NOT NULL',
    'in-app': 'TRUE',
  };
  const counts = on.flatMap((channel, i) => [
    `count(*) FILTER (WHERE NOT ${has[channel]}) AS a${i}`,
    `count(*) FILTER (WHERE ${has[channel]} AND s${i}.address IS NOT NULL) AS s${i}`,
    `count(*) FILTER (WHERE ${has[channel]} AND s${i}.address IS NULL AND (coalesce(w${i}.said_out, FALSE) OR NOT coalesce(w${i}.said_in, FALSE) AND (${byDefault} OR coalesce(w${i}.waits, FALSE)))) AS o${i}`,
  ]);
  const joins = on.map((channel, i) => {
    const address = { email: 'c.email', sms: 'c.phone' }[channel as string] ?? 'NULL::text';
    return (
      `LEFT JOIN suppressions s${i} ON s${i}.workspace_id = ${w} AND s${i}.channel = '${channel}' AND s${i}.address = ${address} ` +
      `LEFT JOIN words w${i} ON w${i}.channel = '${channel}' AND w${i}.profile_id = c.profile_id`
    );
  });
  const ten =
    '(SELECT array_agg(profile_id) FROM (SELECT profile_id FROM chosen ORDER BY uuid_hash(profile_id) LIMIT 10) AS ten) AS sample';
  const columns = ['count(*) AS total', ...(sampled ? [ten] : [])];
  const [row] = await sql.query<Record<string, number> & { sample?: string[] | null }>(
    `WITH chosen AS ${sampled ? 'MATERIALIZED ' : ''}(${text}),
     words AS MATERIALIZED (
       SELECT channel, profile_id, bool_or(word = 'out') AS said_out, bool_or(word = 'in') AS said_in, bool_or(word = 'pending') AS waits FROM (
         SELECT k.channel, k.profile_id, k.word FROM consents k
          WHERE k.workspace_id = ${w} AND k.address = '' AND k.topic IN ('', 'marketing')
         UNION ALL
         SELECT k.channel, p.id, k.word FROM consents k
           JOIN profiles p ON p.workspace_id = ${w} AND k.address = CASE k.channel WHEN 'email' THEN p.email WHEN 'sms' THEN p.phone END
          WHERE k.workspace_id = ${w} AND k.address <> '' AND k.topic IN ('', 'marketing')
       ) said GROUP BY channel, profile_id)
     SELECT ${[...columns, ...counts].join(', ')}
     FROM chosen c
     ${on.includes('push') ? `LEFT JOIN (SELECT DISTINCT profile_id FROM devices WHERE workspace_id = ${w}) device ON device.profile_id = c.profile_id` : ''}
     ${joins.join('\n')}`,
    [...params, workspaceId, policy?.out ?? false],
  );
  const of = (column: string): number => row?.[column] ?? 0;
  const total = of('total');
  return {
    total,
    sample: row?.sample ?? [],
    reach: on.map((channel, i) => ({
      channel,
      reachable: total - of(`a${i}`) - of(`s${i}`) - of(`o${i}`),
      noAddress: of(`a${i}`),
      optedOut: of(`o${i}`),
      suppressed: of(`s${i}`),
    })),
  };
}

/** How many a rule holds for. */
export async function countAudience(
  sql: Sql,
  workspaceId: string,
  audience: AudienceRow & { definition: AudienceDefinition },
): Promise<number> {
  const audiences = await audiencesOf(sql, workspaceId);
  await asAWhole(sql, EVALUATION_MS);
  const { text, params } = compileAudience(audience.definition, await scopeOf(sql, workspaceId, audiences));
  const [row] = await sql.query<{ count: number }>(
    `SELECT count(*) AS count FROM (${text}) AS chosen`,
    params,
  );
  return row?.count ?? 0;
}

/**
 * Who is in an audience, as a statement: its column is `profile_id`. For whoever freezes them: campaigns put it into a run
 * (delivery/service/plan-run.ts). Call `asAWhole` in the transaction first.
 */
export async function membersQuery(
  sql: Sql,
  workspaceId: string,
  audience: AudienceRow,
): Promise<{ text: string; params: readonly unknown[] }> {
  const { definition } = audience;
  if (!definition || audience.live)
    return {
      text: `SELECT m.profile_id FROM audience_members m WHERE m.workspace_id = $1::uuid AND m.audience_id = $2::uuid`,
      params: [workspaceId, audience.id],
    };
  return ruleQuery(sql, workspaceId, definition);
}

/**
 * The same by a rule that stands in no audience.
 * @param frozen rules that stand in for those of audiences, by key: whatever became of them, or of the audiences
 */
export async function ruleQuery(
  sql: Sql,
  workspaceId: string,
  definition: AudienceDefinition,
  frozen: ReadonlyMap<string, AudienceDefinition> = new Map(),
): Promise<{ text: string; params: readonly unknown[] }> {
  const scope = await scopeOf(sql, workspaceId, await audiencesOf(sql, workspaceId));
  const audiences = new Map(scope.audiences);
  for (const [key, rule] of frozen)
    audiences.set(key, { id: audiences.get(key)?.id ?? key, definition: rule });
  return compileAudience(definition, { ...scope, audiences });
}

/**
 * Some of its members, by id: those after one. Of a rule that is not live, those among the next few thousand people, so that
 * each look costs the same however many there are.
 * @returns `last`: where to go on; null when there is nobody left
 */
export async function membersAfter(
  sql: Sql,
  workspaceId: string,
  audience: AudienceRow,
  after: string | null,
  most: number,
): Promise<{ ids: string[]; last: string | null }> {
  const { definition } = audience;
  if (!definition || audience.live) {
    const rows = await sql.query<{ id: string }>(
      `SELECT profile_id AS id FROM audience_members WHERE workspace_id = $1 AND audience_id = $2 AND profile_id > $3 ORDER BY profile_id LIMIT $4`,
      [workspaceId, audience.id, after ?? NOBODY, most],
    );
    return { ids: rows.map(({ id }) => id), last: rows.length < most ? null : rows.at(-1)!.id };
  }
  const looked = await sql.query<{ id: string }>(
    `SELECT id FROM profiles WHERE workspace_id = $1 AND id > $2 ORDER BY id LIMIT $3`,
    [workspaceId, after ?? NOBODY, most],
  );
  if (looked.length === 0) return { ids: [], last: null };
  const { text, params } = compileAudience(definition, {
    ...(await scopeOf(sql, workspaceId, await audiencesOf(sql, workspaceId))),
    profileIds: looked.map(({ id }) => id),
  });
  const rows = await sql.query<{ profile_id: string }>(text, params);
  return {
    ids: rows.map((row) => row.profile_id).sort(),
    last: looked.length < most ? null : looked.at(-1)!.id,
  };
}
const NOBODY = '00000000-0000-0000-0000-000000000000';

export interface ShownProfile {
  id: string;
  externalId: string;
  email: string | null;
  phone: string | null;
}

/**
 * In the order asked for. OFFSET 0 makes it one look-up each, also where joins are by hash only (`asAWhole`): everybody would be read
 * for ten of them.
 */
export async function profilesByIds(
  sql: Sql,
  workspaceId: string,
  ids: readonly string[],
): Promise<ShownProfile[]> {
  if (ids.length === 0) return [];
  return sql.query<ShownProfile>(
    `SELECT p.id, p.external_id AS "externalId", p.email, p.phone
     FROM unnest($2::uuid[]) WITH ORDINALITY AS u(id, place)
     CROSS JOIN LATERAL (SELECT * FROM profiles WHERE workspace_id = $1 AND id = u.id OFFSET 0) p ORDER BY u.place`,
    [workspaceId, ids],
  );
}
