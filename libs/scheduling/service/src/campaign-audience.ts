/** Who gets a campaign, as one statement: its audience without those left out, by variant, and when each of them gets it. */
import { audiencesOf, idsByExternalId, knownZones, ruleQuery } from '@carillon/audience-service';
import type { AudienceDefinition, CampaignDefinition, CampaignReport } from '@carillon/contracts';
import type { Sql } from '@carillon/database';
import { durationMs } from '@carillon/scheduling-rules';

export interface Statement {
  text: string;
  params: readonly unknown[];
}

/** The rule of a campaign to an audience; null for one to profiles by name that leaves nobody out. */
export function definitionOf({ audience, exclude }: CampaignDefinition): AudienceDefinition | null {
  const without = exclude.map((key) => ({ not: { audience: key } }));
  const all = typeof audience === 'string' ? [{ audience }, ...without] : without;
  return all.length === 0 ? null : ({ where: { and: all } } as AudienceDefinition);
}

/** What keeps a campaign from running, in a sentence. */
export class CannotRun extends Error {}

/**
 * Its column is `profile_id`.
 * @param looked audiences as preparing found them: what became of their rules since changes nothing
 * @throws CannotRun when a list that was looked at is not there any more
 */
export async function peopleOf(
  sql: Sql,
  workspaceId: string,
  definition: CampaignDefinition,
  looked: CampaignReport['audiences'] = [],
): Promise<Statement> {
  const rule = definitionOf(definition);
  const ruled = rule && (await ruleQuery(sql, workspaceId, rule, await frozenOf(sql, workspaceId, looked)));
  if (typeof definition.audience === 'string') return ruled!;
  const ids = [...(await idsByExternalId(sql, workspaceId, definition.audience.profiles)).values()];
  if (!ruled) return { text: 'SELECT unnest($1::uuid[]) AS profile_id', params: [ids] };
  const place = `$${ruled.params.length + 1}`;
  return {
    text: `SELECT named.profile_id FROM unnest(${place}::uuid[]) AS named(profile_id) WHERE named.profile_id IN (SELECT profile_id FROM (${ruled.text}) AS ruled)`,
    params: [...ruled.params, ids],
  };
}

/** The rules that preparing looked at, all of them once one is not as it was: members that are kept may follow from it. */
async function frozenOf(
  sql: Sql,
  workspaceId: string,
  looked: NonNullable<CampaignReport['audiences']>,
): Promise<ReadonlyMap<string, AudienceDefinition>> {
  const now =
    looked.length > 0 ? await audiencesOf(sql, workspaceId) : new Map<string, { version: number }>();
  const gone = looked.find(({ key, definition }) => !definition && !now.has(key));
  if (gone) throw new CannotRun(`The audience “${gone.key}” is not there any more.`);
  const stands = looked.every(({ key, version }) => now.get(key)?.version === version);
  return new Map(
    looked.flatMap(({ key, definition }) => (definition && !stands ? [[key, definition] as const] : [])),
  );
}

/** Fewer say nothing about when somebody opens. */
const ENOUGH_OPENS = 3;

/** Between 0 and 1, the same each time: of `$salt`, a profile, and what is drawn for. */
const drawn = (salt: string, what: '' | 'test' | 'holdout') =>
  `('x' || substr(md5(${salt} || '${what}' || c.profile_id::text), 1, 8))::bit(32)::bigint / 4294967296.0`;

export interface Share {
  from: number;
  to: number;
}
/** Who is meant of an audience: a variant's share of those who are tried out on, all of a variant, or the rest. */
export interface Slice {
  variant: Share | null;
  test: Share | null;
}
/** Where each variant's share of [0, 1) lies. */
export function sharesOf(weights: readonly number[]): Share[] {
  const sum = weights.reduce((a, b) => a + b, 0);
  let before = 0;
  return weights.map((weight, n) => {
    const from = before / sum;
    before += weight;
    // The last one ends where everything does, whatever rounding says.
    return { from, to: n === weights.length - 1 ? 1 : before / sum };
  });
}

const heldShare = ({ holdout }: CampaignDefinition): Share | null =>
  holdout ? { from: 0, to: holdout.percent / 100 } : null;

/** Who is held out of it, always the same ones; null where nobody is. Its column is `profile_id`. */
export function heldOutOf(definition: CampaignDefinition, people: Statement, salt: string): Statement | null {
  const share = heldShare(definition);
  if (!share) return null;
  const [s, to] = [1, 2].map((n) => `$${people.params.length + n}`);
  return {
    text: `SELECT c.profile_id FROM (${people.text}) AS c WHERE ${drawn(`${s}::text`, 'holdout')} < ${to}::float8`,
    params: [...people.params, salt, share.to],
  };
}

/**
 * As planRun freezes it.
 * @param salt of the campaign: who gets which variant, and who is in which wave
 */
export async function membersOf(
  sql: Sql,
  workspaceId: string,
  definition: CampaignDefinition,
  people: Statement,
  at: { salt: string; slice: Slice; startsAt: Date; delayMs?: number },
): Promise<Statement & { timed: boolean }> {
  const params: unknown[] = [...people.params];
  const param = (value: unknown, type: string) => `$${params.push(value)}::${type}`;
  const { start, waves } = definition;
  const salt = param(at.salt, 'text');
  const { delayMs = 0 } = at;
  const timed = start.kind === 'local' || start.kind === 'best' || waves !== undefined || delayMs > 0;
  const inside = (what: '' | 'test' | 'holdout', share: Share | null) =>
    share === null
      ? []
      : [
          `${drawn(salt, what)} >= ${param(share.from, 'float8')} AND ${drawn(salt, what)} < ${param(share.to, 'float8')}`,
        ];
  const held = heldShare(definition);
  const conditions = [
    ...inside('', at.slice.variant),
    ...inside('test', at.slice.test),
    ...inside('holdout', held && { from: held.to, to: 1 }),
  ];
  const where = conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')}`;
  // Every parameter must be used: its type is known from nothing else.
  const chosen = `SELECT c.profile_id, NULL::text AS key, NULL::jsonb AS data FROM (${people.text}) AS c, (SELECT ${salt}) AS s ${where}`;
  const { each } = definition;
  const property = each && `e.properties->>${param(each.key, 'text')}`;
  const plain = !each
    ? chosen
    : `SELECT DISTINCT ON (c.profile_id, ${property}) c.profile_id, ${property} AS key, jsonb_build_object('each', e.properties) AS data
         FROM (${chosen}) AS c JOIN events e ON e.workspace_id = ${param(workspaceId, 'uuid')} AND e.profile_id = c.profile_id AND e.name = ${param(each.event, 'text')}
          AND e.at > ${param(new Date(at.startsAt.getTime() - durationMs(each.within)), 'timestamptz')} AND ${property} <> ''
        ORDER BY c.profile_id, ${property}, e.at DESC`;
  if (!timed) return { text: plain, params, timed };
  const startsAt = param(at.startsAt, 'timestamptz');
  let begins = startsAt;
  let hours = '';
  if (start.kind === 'local' || start.kind === 'best') {
    const zones = param([...(await knownZones(sql))], 'text[]');
    const [workspace] = await sql.query<{ zone: string | null }>(
      `SELECT settings->>'timezone' AS zone FROM workspaces WHERE id = $1`,
      [workspaceId],
    );
    const zone = `CASE WHEN p.timezone = ANY(${zones}) THEN p.timezone WHEN p.phone_zone = ANY(${zones}) THEN p.phone_zone ELSE ${param(workspace?.zone ?? 'UTC', 'text')} END`;
    if (start.kind === 'local')
      begins = `greatest(${startsAt}, ${param(`${start.date} ${start.time}`, 'timestamp')} AT TIME ZONE ${zone})`;
    else {
      const day = param(start.date, 'timestamp');
      const otherwise = param(start.otherwise, 'int');
      // Of the hours that are allowed, in the order of how often they opened; of equal ones the nearest to the usual hour.
      hours = `LEFT JOIN open_hours o ON o.workspace_id = ${param(workspaceId, 'uuid')} AND o.profile_id = c.profile_id
        CROSS JOIN LATERAL (SELECT ${zone} AS zone) AS z
        CROSS JOIN LATERAL (SELECT coalesce((
          SELECT h FROM generate_series(${param(start.from, 'int')}, ${param(start.to - 1, 'int')}) AS h,
            LATERAL (SELECT o.hours[1 + extract(hour FROM (${day} + make_interval(hours => h)) AT TIME ZONE z.zone AT TIME ZONE 'UTC')::int] AS n) AS opened
           WHERE o.hours IS NOT NULL AND opened.n > 0 AND (SELECT sum(k) FROM unnest(o.hours) AS k) >= ${ENOUGH_OPENS}
           ORDER BY opened.n DESC, abs(h - ${otherwise}), h LIMIT 1), ${otherwise}) AS hour) AS best`;
      begins = `greatest(${startsAt}, (${day} + make_interval(hours => best.hour)) AT TIME ZONE z.zone)`;
    }
  }
  if (delayMs > 0) begins = `${begins} + ${param(delayMs, 'float8')} * interval '1 millisecond'`;
  const joined = `SELECT c.profile_id, c.key, c.data, ${begins} AS at, row_number() OVER (ORDER BY md5(${salt} || 'wave' || c.profile_id::text), c.profile_id) AS place, count(*) OVER () AS total
    FROM (${plain}) AS c JOIN profiles p ON p.workspace_id = ${param(workspaceId, 'uuid')} AND p.id = c.profile_id ${hours}`;
  if (!waves) return { text: `SELECT profile_id, key, data, at FROM (${joined}) AS j`, params, timed };
  const every = durationMs(waves.every);
  const parts = waves.sizes.reduce((all, size) => all + size, 0);
  let sum = 0;
  const bounds = waves.sizes.map((size) => (sum += waves.unit === 'parts' ? (size * 100) / parts : size));
  const beyond = waves.unit !== 'people' ? 'ceil(j.total * b.upto / 100.0)' : 'b.upto';
  const upto = param(bounds, 'float8[]');
  return {
    text: `SELECT j.profile_id, j.key, j.data, j.at + wave.n * ${param(every, 'float8')} * interval '1 millisecond' AS at
      FROM (${joined}) AS j, LATERAL (
        SELECT b.n - 1 AS n FROM unnest(${upto}) WITH ORDINALITY AS b(upto, n) WHERE j.place <= ${beyond} ORDER BY b.n LIMIT 1) AS wave`,
    params,
    timed,
  };
}
