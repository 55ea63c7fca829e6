/** What went out and what is to in a stretch of time, for the calendar. */
import type { CampaignOccurrence, CampaignRun, CampaignStart, CampaignState } from '@carillon/contracts';
import type { Sql } from '@carillon/database';
import { occurrencesBetween } from '@carillon/scheduling-rules';
import { ProblemException } from '@carillon/server';

const MOST = 2000;
const HOUR = 3_600_000;
/** How far clocks on the wall are ahead of UTC, and behind it. */
const AHEAD_MS = 14 * HOUR;
const BEHIND_MS = 12 * HOUR;

/** Which campaign it is. */
type Whose = Pick<CampaignOccurrence, 'campaignId' | 'name' | 'state'>;
interface Asked {
  from: Date;
  to: Date;
  state?: CampaignState | undefined;
}

/** The earliest first; refused when they are too many. */
export async function campaignCalendar(
  sql: Sql,
  workspaceId: string,
  asked: Asked,
): Promise<CampaignOccurrence[]> {
  const runs = await runsWithin(sql, workspaceId, asked);
  const items = runs.length > MOST ? runs : [...runs, ...(await plansWithin(sql, workspaceId, asked))];
  if (items.length > MOST)
    throw new ProblemException(
      'invalid_request',
      `More than ${MOST} would stand in it: ask for a shorter time, or for campaigns in one state.`,
    );
  return items
    .map((item) => ({ item, order: item.at ? Date.parse(item.at) : wallOf(item.local ?? '') }))
    .sort((a, b) => a.order - b.order || (a.item.campaignId < b.item.campaignId ? -1 : 1))
    .map(({ item }) => item);
}

async function runsWithin(
  sql: Sql,
  workspaceId: string,
  { from, to, state }: Asked,
): Promise<CampaignOccurrence[]> {
  const rows = await sql.query<
    Whose & {
      no: number;
      runState: CampaignRun['state'];
      startedAt: Date;
      endedAt: Date | null;
      start: CampaignStart;
    }
  >(
    // From earlier on: at people's own times it begins where the day does first.
    `SELECT r.campaign_id AS "campaignId", c.name, c.state, r.no, r.state AS "runState", r.started_at AS "startedAt",
            r.ended_at AS "endedAt", r.definition -> 'start' AS start
       FROM campaign_runs r JOIN campaigns c ON c.workspace_id = r.workspace_id AND c.id = r.campaign_id
      WHERE r.workspace_id = $1 AND r.started_at >= $2::timestamptz - interval '26 hours' AND r.started_at < $3
        AND ($4::text IS NULL OR c.state = $4) ORDER BY r.started_at DESC LIMIT $5`,
    [workspaceId, from, to, state ?? null, MOST * 2],
  );
  return rows.flatMap(({ startedAt, endedAt, start, ...row }) => {
    const local = localOf(start);
    // Begun when the day was over everywhere, it went out at once.
    const own = local !== null && startedAt.getTime() <= wallOf(local) + BEHIND_MS ? local : null;
    if (own ? !standsWithin(own, { from, to }) : startedAt < from) return [];
    return [
      {
        ...row,
        at: own ? null : startedAt.toISOString(),
        local: own,
        endedAt: endedAt?.toISOString() ?? null,
      },
    ];
  });
}

async function plansWithin(
  sql: Sql,
  workspaceId: string,
  { from, to, state }: Asked,
): Promise<CampaignOccurrence[]> {
  const rows = await sql.query<
    Whose & {
      startsAt: Date | null;
      start: CampaignStart;
      now: Date;
    }
  >(
    `SELECT id AS "campaignId", name, state, starts_at AS "startsAt", definition -> 'start' AS start, now() AS now
       FROM campaigns
      WHERE workspace_id = $1 AND NOT template AND ($4::text IS NULL OR state = $4)
        AND CASE WHEN state NOT IN ('draft', 'prepared', 'scheduled', 'running', 'paused') THEN false
                 WHEN definition #>> '{start,kind}' = 'recurring' THEN true
                 WHEN state IN ('running', 'paused') THEN false
                 WHEN definition #>> '{start,kind}' IN ('local', 'best')
                 THEN (definition #>> '{start,date}')::date BETWEEN $2::timestamptz::date - 2 AND $3::timestamptz::date + 2
                 WHEN state = 'scheduled' THEN starts_at >= $2 AND starts_at < $3
                 WHEN definition #>> '{start,kind}' = 'at'
                 THEN (definition #>> '{start,at}')::timestamptz >= $2 AND (definition #>> '{start,at}')::timestamptz < $3
                 ELSE false END
      ORDER BY id DESC LIMIT $5`,
    [workspaceId, from, to, state ?? null, MOST + 1],
  );
  const found: CampaignOccurrence[] = [];
  for (const { startsAt, start, now, ...row } of rows) {
    const plan = (at: Date | null, local: string | null = null) =>
      found.push({ ...row, no: null, runState: null, at: at?.toISOString() ?? null, local, endedAt: null });
    const local = localOf(start);
    if (local !== null) {
      if (standsWithin(local, { from, to })) plan(null, local);
    } else if (start.kind === 'recurring') {
      // What is scheduled begins then, however late the clock is; after it as the rule says.
      const first = row.state === 'scheduled' ? startsAt : null;
      if (first && first >= from && first < to) plan(first);
      const since = new Date(Math.max(from.getTime(), (first ?? now).getTime() + 1));
      for (const at of occurrencesBetween(start, { from: since, to, most: MOST + 1 - found.length }))
        plan(at);
    } else if (row.state === 'scheduled') plan(startsAt);
    else if (start.kind === 'at') plan(new Date(start.at));
    if (found.length > MOST) break;
  }
  return found;
}

/** What people's clocks show, where it goes by them. */
function localOf(start: CampaignStart): string | null {
  if (start.kind === 'local') return `${start.date}T${start.time}`;
  if (start.kind === 'best') return `${start.date}T${String(start.otherwise).padStart(2, '0')}:00`;
  return null;
}
const wallOf = (local: string): number => Date.parse(`${local}:00Z`);

/** Somewhere. */
const standsWithin = (local: string, { from, to }: { from: Date; to: Date }): boolean =>
  wallOf(local) + BEHIND_MS >= from.getTime() && wallOf(local) - AHEAD_MS < to.getTime();
