/**
 * How far a campaign's run got with its people: sent, delivered, opened, clicked, converted, all counted per delivery, so
 * that who opens twice counts once. Machines stand apart and are in none of these. Converted is who did the event asked
 * for within the time asked for after it was sent, whether or not a link was followed: a mail may be read and acted on
 * without one. Read from the log and the counts of opens and clicks, over ranges of their primary keys.
 */
import type { CampaignDefinition, CampaignFunnel, FunnelQuery, FunnelRow } from '@carillon/contracts';
import { dayOf, type Sql } from '@carillon/database';
import { linksOfMessages } from '@carillon/delivery-service';
import { durationMs, liftOf } from '@carillon/scheduling-rules';
import { campaignById } from './campaign-rows.js';
import { partsOf, rangeOf, type Part } from './run-campaign.js';

/** Groups shown; the others stand together as `…`. */
const MOST_GROUPS = 50;

/** @returns null when there is no such campaign, or no such run of it */
export async function campaignFunnel(
  sql: Sql,
  workspaceId: string,
  id: string,
  { no: asked, by, ...query }: FunnelQuery,
): Promise<CampaignFunnel | null> {
  const campaign = await campaignById(sql, workspaceId, id);
  if (!campaign) return null;
  const no = asked ?? campaign.runNo;
  if (no > campaign.runNo) return null;
  const run = no === 0 ? null : await heldIn(sql, workspaceId, id, no);
  const holdout = (run?.definition ?? campaign.definition).holdout;
  const event = query.event ?? holdout?.event;
  const within = query.within ?? holdout?.within ?? '7d';
  const parts = no === 0 ? [] : await partsOf(sql, workspaceId, id, no);
  const groups = new Map<string, FunnelRow>();
  const total = emptyRow();
  for (const part of parts)
    for (const { name, ...row } of await funnelOf(sql, workspaceId, part, by, event, durationMs(within))) {
      const key = by === 'variant' ? (part.variant ?? '') : by === 'channel' ? part.channel : name;
      addTo(total, row);
      if (by) addTo(groups.get(key) ?? put(groups, key), row);
    }
  const named = [...groups].map(([name, row]) => ({ name, ...row }));
  named.sort((a, b) => b.targeted - a.targeted || (a.name < b.name ? -1 : 1));
  return {
    no,
    event: event ?? null,
    within,
    total,
    lift: run && event ? await liftIn(sql, workspaceId, run, parts, { event, within }) : null,
    by: by ?? null,
    groups: withRest(named),
    links: await linksOf(sql, workspaceId, parts),
  };
}

interface HeldRun {
  definition: CampaignDefinition;
  startedAt: Date;
  heldId: string | null;
}
async function heldIn(sql: Sql, workspaceId: string, id: string, no: number): Promise<HeldRun | null> {
  const [run] = await sql.query<HeldRun>(
    `SELECT definition, started_at AS "startedAt", held_id AS "heldId" FROM campaign_runs WHERE workspace_id = $1 AND campaign_id = $2 AND no = $3`,
    [workspaceId, id, no],
  );
  return run ?? null;
}

/**
 * Everybody whom it targeted beside those who were held out, by what they did since it began: who could not be reached counts
 * on both sides. Who did it is read once, by the name of the event.
 */
async function liftIn(
  sql: Sql,
  workspaceId: string,
  { startedAt, heldId }: HeldRun,
  parts: readonly Part[],
  { event, within }: { event: string; within: string },
): Promise<CampaignFunnel['lift']> {
  if (!heldId) return null;
  const [row] = await sql.query<{ told: number; toldDid: number; held: number; heldDid: number }>(
    `WITH did AS MATERIALIZED (
       SELECT DISTINCT profile_id FROM events WHERE workspace_id = $1 AND name = $2 AND at >= $3 AND at < $3 + $4 * interval '1 millisecond'
     ), told AS MATERIALIZED (
       SELECT DISTINCT m.profile_id FROM unnest($5::date[], $6::uuid[]) AS r(day, run_id)
         JOIN run_members m ON m.day = r.day AND m.run_id = r.run_id WHERE m.workspace_id = $1
     ), held AS MATERIALIZED (SELECT profile_id FROM run_members WHERE workspace_id = $1 AND day = $7::date AND run_id = $8)
     SELECT (SELECT count(*)::int FROM told) AS told, (SELECT count(*)::int FROM told JOIN did USING (profile_id)) AS "toldDid",
            (SELECT count(*)::int FROM held) AS held, (SELECT count(*)::int FROM held JOIN did USING (profile_id)) AS "heldDid"`,
    [
      workspaceId,
      event,
      startedAt,
      durationMs(within),
      parts.map((part) => part.day),
      parts.map((part) => part.runId),
      dayOf(heldId),
      heldId,
    ],
  );
  return row
    ? liftOf({ people: row.told, converted: row.toldDid }, { people: row.held, converted: row.heldDid })
    : null;
}

const emptyRow = (): FunnelRow => ({
  targeted: 0,
  sent: 0,
  delivered: 0,
  opened: 0,
  openedByProxy: 0,
  opens: 0,
  openedByMachine: 0,
  clicked: 0,
  clicks: 0,
  clickedByMachine: 0,
  converted: 0,
  unsubscribed: 0,
  complained: 0,
});
/** In the order of how far they got. */
export const funnelNames = Object.keys(emptyRow()) as (keyof FunnelRow)[];
function addTo(sum: FunnelRow, row: FunnelRow): void {
  for (const name of funnelNames) sum[name] += row[name];
}
function put(groups: Map<string, FunnelRow>, key: string): FunnelRow {
  const row = emptyRow();
  groups.set(key, row);
  return row;
}
function withRest(rows: CampaignFunnel['groups']): CampaignFunnel['groups'] {
  if (rows.length <= MOST_GROUPS) return rows;
  const rest = { name: '…', ...emptyRow() };
  for (const row of rows.slice(MOST_GROUPS)) addTo(rest, row);
  return [...rows.slice(0, MOST_GROUPS), rest];
}

const nameOf: Record<NonNullable<FunnelQuery['by']>, string> = {
  variant: `''`,
  channel: `''`,
  domain: `coalesce(lower(substring(d.address FROM '@([^@]+)$')), '')`,
  zone: `coalesce(p.timezone, p.phone_zone, '')`,
};

function funnelOf(
  sql: Sql,
  workspaceId: string,
  part: Part,
  by: FunnelQuery['by'],
  event: string | undefined,
  withinMs: number,
): Promise<({ name: string } & FunnelRow)[]> {
  const profiles = by === 'zone' ? 'LEFT JOIN profiles p ON p.workspace_id = $1 AND p.id = d.profile_id' : '';
  return sql.query<{ name: string } & FunnelRow>(
    `WITH log AS MATERIALIZED (
       SELECT d.id, d.profile_id, d.sent_at, d.status, ${by ? nameOf[by] : `''`} AS name
         FROM deliveries d ${profiles}
        WHERE d.day = $2::date AND d.id BETWEEN $3 AND $4 AND d.workspace_id = $1
     ), hits AS (
       SELECT delivery_id,
              bool_or(kind = 'open' AND by <> 'machine') AS opened, bool_or(kind = 'open' AND by = 'person') AS in_person,
              coalesce(sum(count) FILTER (WHERE kind = 'open' AND by <> 'machine'), 0) AS opens,
              bool_or(kind = 'open' AND by = 'machine') AS open_machine,
              bool_or(kind = 'click' AND by <> 'machine') AS clicked,
              coalesce(sum(count) FILTER (WHERE kind = 'click' AND by <> 'machine'), 0) AS clicks,
              bool_or(kind = 'click' AND by = 'machine') AS click_machine
         FROM engagements WHERE day = $2::date AND delivery_id BETWEEN $3 AND $4 AND workspace_id = $1 GROUP BY delivery_id
     ), said AS (
       SELECT delivery_id, bool_or(type = 'unsubscribed') AS unsubscribed, bool_or(type = 'complained') AS complained,
              bool_or(type IN ('seen', 'read', 'opened')) AS opened, bool_or(type = 'clicked') AS clicked
         FROM delivery_events
        WHERE day = $2::date AND delivery_id BETWEEN $3 AND $4 AND workspace_id = $1
          AND type IN ('unsubscribed', 'complained', 'seen', 'read', 'opened', 'clicked') GROUP BY delivery_id
     ), did AS (
       SELECT DISTINCT l.id FROM log l
         JOIN events e ON e.workspace_id = $1 AND e.name = $5 AND e.profile_id = l.profile_id
          AND e.at >= l.sent_at AND e.at < l.sent_at + make_interval(secs => $6)
        WHERE $5::text IS NOT NULL AND l.status IN ('sent', 'delivered')
     )
     SELECT l.name, count(*)::int AS targeted,
            (count(*) FILTER (WHERE l.status IN ('sent', 'delivered')))::int AS sent,
            (count(*) FILTER (WHERE l.status = 'delivered'))::int AS delivered,
            (count(*) FILTER (WHERE h.opened OR s.opened))::int AS opened,
            (count(*) FILTER (WHERE h.opened AND NOT h.in_person))::int AS "openedByProxy",
            coalesce(sum(h.opens), 0)::int AS opens,
            (count(*) FILTER (WHERE h.open_machine AND NOT h.opened))::int AS "openedByMachine",
            (count(*) FILTER (WHERE h.clicked OR s.clicked))::int AS clicked,
            coalesce(sum(h.clicks), 0)::int AS clicks,
            (count(*) FILTER (WHERE h.click_machine AND NOT h.clicked))::int AS "clickedByMachine",
            count(c.id)::int AS converted,
            (count(*) FILTER (WHERE s.unsubscribed))::int AS unsubscribed,
            (count(*) FILTER (WHERE s.complained))::int AS complained
       FROM log l LEFT JOIN hits h ON h.delivery_id = l.id LEFT JOIN said s ON s.delivery_id = l.id LEFT JOIN did c ON c.id = l.id
      GROUP BY l.name`,
    [workspaceId, part.day, ...rangeOf(part), event ?? null, withinMs / 1000],
  );
}

/** Links by their address: the same in all variants, versions and locales. */
async function linksOf(
  sql: Sql,
  workspaceId: string,
  parts: readonly Part[],
): Promise<CampaignFunnel['links']> {
  const links = new Map<string, CampaignFunnel['links'][number]>();
  const emails = parts.filter((part) => part.channel === 'email');
  const known = await linksOfMessages(sql, workspaceId, emails);
  for (const { id, href, label } of known)
    links.set(id, { id, href, label, clicked: 0, clicks: 0, clickedByMachine: 0 });
  for (const part of emails)
    for (const row of await sql.query<{
      link: string;
      clicked: number;
      clicks: number;
      clickedByMachine: number;
    }>(
      `SELECT link, (count(DISTINCT delivery_id) FILTER (WHERE by <> 'machine'))::int AS clicked,
              coalesce(sum(count) FILTER (WHERE by <> 'machine'), 0)::int AS clicks,
              (count(DISTINCT delivery_id) FILTER (WHERE by = 'machine'))::int AS "clickedByMachine"
         FROM engagements WHERE day = $2::date AND delivery_id BETWEEN $3 AND $4 AND workspace_id = $1 AND kind = 'click' GROUP BY link`,
      [workspaceId, part.day, ...rangeOf(part)],
    )) {
      const link = links.get(row.link);
      if (!link) continue;
      link.clicked += row.clicked;
      link.clicks += row.clicks;
      link.clickedByMachine += row.clickedByMachine;
    }
  return [...links.values()].sort((a, b) => b.clicked - a.clicked || (a.href < b.href ? -1 : 1));
}
