/**
 * What became of those who were to get a campaign. Everything is counted against the frozen snapshot: pending is what is
 * left of it, so that the sum holds at every instant. While a large run goes on, its pages tell (what they wrote when they
 * wrote it); otherwise the log does, which also knows of receipts and of what had to wait. A large part of the log is
 * counted so seldom that it costs little, however many watch.
 */
import type { CampaignNumbers, CampaignTally, Status } from '@carillon/contracts';
import type { Sql } from '@carillon/database';
import { campaignById, isOver } from './campaign-rows.js';
import { partsOf, rangeOf, type Part } from './run-campaign.js';

/** Up to here the log is counted each time: a range of its primary key. A million take more than a second. */
const COUNTED_EACH_TIME = 50_000;
/** So long after its end the last windows of a large part may still be written down. */
const JUST_ENDED_SECONDS = 60;
/** The share of the time that a process counts one large part of the log at most. */
const SHARE = 0.02;

/**
 * @param asked.no the newest run where none is named; `exact`: by the log, however long that takes
 * @returns null when there is no such campaign, or no such run of it
 */
export async function campaignNumbers(
  sql: Sql,
  workspaceId: string,
  id: string,
  asked: { no?: number | undefined; reasons?: boolean; exact?: boolean } = {},
): Promise<CampaignNumbers | null> {
  const campaign = await campaignById(sql, workspaceId, id);
  if (!campaign) return null;
  const no = asked.no ?? campaign.runNo;
  if (no > campaign.runNo) return null;
  const parts = no === 0 ? [] : await partsOf(sql, workspaceId, id, no);
  const counted = await Promise.all(
    parts.map(async (part) => {
      const where = asked.exact ? 'log' : countedIn(part, isOver(campaign.state));
      const counts = await HOW[where](sql, workspaceId, part);
      return { part, counts, tally: tallyOf(part, counts) };
    }),
  );
  const [run] = await sql.query<{ held: number }>(
    'SELECT held FROM campaign_runs WHERE workspace_id = $1 AND campaign_id = $2 AND no = $3',
    [workspaceId, id, no],
  );
  const all = counted.map((c) => c.tally);
  const sum = (of: (tally: CampaignTally) => number) => all.reduce((n, tally) => n + of(tally), 0);
  return {
    state: campaign.state,
    no,
    ...(Object.fromEntries(tallyNames.map((name) => [name, sum((t) => t[name])])) as CampaignTally),
    delivered: counted.reduce((n, { counts }) => n + (counts.delivered ?? 0), 0),
    heldOut: run?.held ?? 0,
    parts: counted.map(({ part, tally }) => ({
      runId: part.runId,
      channel: part.channel,
      variant: part.variant,
      rest: part.rest,
      state: part.state,
      ...tally,
    })),
    reasons: asked.reasons ? await reasonsOf(sql, workspaceId, parts) : [],
  };
}
/** The parts of the sum, `targeted` first. */
export const tallyNames = [
  'targeted',
  'pending',
  'sent',
  'suppressed',
  'failed',
  'cancelled',
  'expired',
  'unknown',
] as const satisfies (keyof CampaignTally)[];

type Counts = Partial<Record<Status, number>>;

/** What has no row yet is pending, or was cancelled with its run. */
export function tallyOf(part: Pick<Part, 'members' | 'state'>, counts: Counts): CampaignTally {
  const of = (status: Status) => counts[status] ?? 0;
  const logged = Object.values(counts).reduce((sum, n) => sum + n, 0);
  const ended = {
    sent: of('sent') + of('delivered'),
    suppressed: of('suppressed'),
    failed: of('failed'),
    cancelled: of('cancelled') + (part.state === 'cancelled' ? part.members - logged : 0),
    expired: of('expired'),
    unknown: of('unknown'),
  };
  const over = Object.values(ended).reduce((sum, n) => sum + n, 0);
  return { targeted: part.members, pending: part.members - over, ...ended };
}

/**
 * Where a part is counted. `remembered`: the log as it was counted some time ago.
 * @param over whether its campaign is
 */
export function countedIn(
  { members, endedSeconds }: Pick<Part, 'members' | 'endedSeconds'>,
  over: boolean,
): 'log' | 'remembered' | 'pages' {
  if (members <= COUNTED_EACH_TIME) return 'log';
  if (endedSeconds === null) return 'pages';
  if (endedSeconds > JUST_ENDED_SECONDS) return 'remembered';
  return over ? 'log' : 'pages';
}

/** What took long to find out, for as long as finding it out again would cost more than a share of the time. */
export class Remembered<T> {
  private readonly known = new Map<string, { value: T; until: number }>();

  /** @param now milliseconds */
  constructor(
    private readonly share: number,
    private readonly now: () => number = () => performance.now(),
  ) {}

  async of(key: string, find: () => Promise<T>): Promise<T> {
    const from = this.now();
    for (const [old, { until }] of this.known) if (until <= from) this.known.delete(old);
    const known = this.known.get(key);
    if (known) return known.value;
    const value = await find();
    const at = this.now();
    this.known.set(key, { value, until: at + (at - from) / this.share });
    return value;
  }
}

const remembered = new Remembered<Counts>(SHARE);
const HOW = {
  log: inLog,
  pages: inPages,
  remembered: (sql: Sql, workspaceId: string, part: Part) =>
    remembered.of(part.runId, () => inLog(sql, workspaceId, part)),
};

async function inLog(sql: Sql, workspaceId: string, part: Part): Promise<Counts> {
  const rows = await sql.query<{ status: Status; n: number }>(
    'SELECT status, count(*) AS n FROM deliveries WHERE day = $2::date AND id BETWEEN $3 AND $4 AND workspace_id = $1 GROUP BY status',
    [workspaceId, part.day, ...rangeOf(part)],
  );
  return Object.fromEntries(rows.map(({ status, n }) => [status, n]));
}

async function inPages(sql: Sql, workspaceId: string, part: Part): Promise<Counts> {
  const rows = await sql.query<{ status: Status; n: number }>(
    `SELECT c.key AS status, sum(c.value::int)::int AS n FROM pages p, jsonb_each_text(p.counts) AS c
      WHERE p.workspace_id = $1 AND p.run_id = $2 GROUP BY c.key`,
    [workspaceId, part.runId],
  );
  return Object.fromEntries(rows.map(({ status, n }) => [status, n]));
}

async function reasonsOf(
  sql: Sql,
  workspaceId: string,
  parts: readonly Part[],
): Promise<CampaignNumbers['reasons']> {
  const byReason = new Map<string, CampaignNumbers['reasons'][number]>();
  for (const part of parts)
    for (const row of await sql.query<{ status: Status; reason: string; count: number }>(
      `SELECT status, reason, count(*) AS count FROM deliveries
        WHERE day = $2::date AND id BETWEEN $3 AND $4 AND workspace_id = $1 AND reason IS NOT NULL GROUP BY 1, 2`,
      [workspaceId, part.day, ...rangeOf(part)],
    )) {
      const known = byReason.get(`${row.status} ${row.reason}`);
      if (known) known.count += row.count;
      else byReason.set(`${row.status} ${row.reason}`, { ...row });
    }
  return [...byReason.values()].sort((a, b) => b.count - a.count);
}

/** How often its people reported it as spam. */
export async function complaintsOf(sql: Sql, workspaceId: string, parts: readonly Part[]): Promise<number> {
  const counts = await Promise.all(
    parts.map((part) =>
      sql.query<{ n: number }>(
        `SELECT count(DISTINCT delivery_id) AS n FROM delivery_events
          WHERE day = $2::date AND delivery_id BETWEEN $3 AND $4 AND workspace_id = $1 AND type = 'complained'`,
        [workspaceId, part.day, ...rangeOf(part)],
      ),
    ),
  );
  return counts.flat().reduce((sum, row) => sum + row.n, 0);
}
