/**
 * When the last of a campaign would have left: as its waves, local times and rate tell, and what its accounts let out, day by
 * day while they warm up.
 */
import type { CampaignDefinition, Channel } from '@carillon/contracts';
import type { Sql } from '@carillon/database';
import { paceMs, type Pace } from '@carillon/delivery-rules';
import { durationMs, perSecond } from '@carillon/scheduling-rules';
import type { Statement } from './campaign-audience.js';

const HOUR = 3_600_000;

export interface Forecast {
  endsAt: string;
  /** Those of one time take longer than its deadline lets them. */
  late: boolean;
}
/**
 * @param messages on each channel
 * @param people of its audience
 * @param largestZone how much of it has the same time, 0 to 1
 */
export async function forecast(
  sql: Sql,
  workspaceId: string,
  definition: CampaignDefinition,
  {
    begins,
    messages,
    people,
    largestZone,
  }: { begins: Date; messages: number; people: Statement; largestZone: number },
): Promise<Forecast> {
  const { channels, rate, waves, start, sendWithin } = definition;
  const from = begins.getTime();
  const spread = spreadMs(definition);
  const sizes = waves?.sizes ?? [1];
  const sum = sizes.reduce((all, size) => all + size, 0);
  const deadlineMs = sendWithin ? durationMs(sendWithin) : Infinity;
  let [end, late] = [from, false];
  for (const channel of channels) {
    const paces = await pacesOf(sql, workspaceId, channel);
    const byDomain = channel === 'email' ? await byDomainOf(sql, workspaceId, paces, people) : new Map();
    const takes = (part: number, at: number) =>
      paceMs(paces, messages * part, new Map([...byDomain].map(([domain, n]) => [domain, n * part])), {
        from: at,
        perSecond: perSecond(rate),
      });
    const whole = takes(1, from);
    const last = waves ? takes(sizes.at(-1)! / sum, from + spread) : whole;
    end = Math.max(end, from + whole, from + spread + last);
    const ownTimes = start.kind === 'local' || start.kind === 'best';
    late ||= takes((Math.max(...sizes) / sum) * (ownTimes ? largestZone : 1), from) > deadlineMs;
  }
  return { endsAt: new Date(end).toISOString(), late };
}

/** How much later than the first the last of them may get it. */
function spreadMs({ waves, start, test, variants }: CampaignDefinition): number {
  return (
    (waves ? (waves.sizes.length - 1) * durationMs(waves.every) : 0) +
    (start.kind === 'local' ? 26 * HOUR : start.kind === 'best' ? (26 + start.to - start.from) * HOUR : 0) +
    Math.max(0, ...variants.map(({ delay }) => (delay ? durationMs(delay) : 0))) +
    (test && test.portion < 100 ? durationMs(test.decideAfter) : 0)
  );
}

/** Of the accounts that are not paused; when all of them are, as if none were. */
async function pacesOf(sql: Sql, workspaceId: string, channel: Channel): Promise<Pace[]> {
  const rows = await sql.query<Pace & { paused: boolean }>(
    `SELECT rate_limit AS "limit", warm_up AS "warmUp", paused_at IS NOT NULL AS paused FROM provider_accounts
      WHERE workspace_id = $1 AND channel = $2 AND deleted_at IS NULL`,
    [workspaceId, channel],
  );
  const open = rows.filter(({ paused }) => !paused);
  return open.length > 0 ? open : rows.length > 0 ? rows : [{ limit: null, warmUp: null }];
}

/** How many of them have an address of a domain that has a quota. */
async function byDomainOf(
  sql: Sql,
  workspaceId: string,
  paces: readonly Pace[],
  people: Statement,
): Promise<Map<string, number>> {
  const domains = paces.flatMap(({ warmUp }) => warmUp?.domains?.flatMap((group) => group.domains) ?? []);
  if (domains.length === 0) return new Map();
  const [w, d] = [1, 2].map((n) => `$${people.params.length + n}`);
  const rows = await sql.query<{ domain: string; people: number }>(
    `SELECT split_part(p.email, '@', 2) AS domain, count(*)::int AS people FROM (${people.text}) AS c
       JOIN profiles p ON p.workspace_id = ${w}::uuid AND p.id = c.profile_id WHERE split_part(p.email, '@', 2) = ANY(${d}::text[]) GROUP BY 1`,
    [...people.params, workspaceId, domains],
  );
  return new Map(rows.map(({ domain, people: n }) => [domain, n]));
}
