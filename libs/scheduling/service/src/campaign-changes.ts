/**
 * What is not as it was the last time: a campaign as it stands, or a run of it, beside an earlier run; of a first one beside
 * the last run of the campaign it was cloned from. Compared are the records: what was written, and what preparing took and counted.
 */
import type { CampaignChanges, CampaignDefinition, CampaignReport } from '@carillon/contracts';
import type { Sql } from '@carillon/database';
import { differences } from '@carillon/scheduling-rules';
import { notFound } from '@carillon/server';
import { campaignById, type CampaignRow } from './campaign-rows.js';

interface Kept {
  definition: CampaignDefinition & { said?: unknown };
  report: CampaignReport | null;
}
interface KeptRun extends Kept {
  no: number;
  startedAt: Date;
}

/** @returns null when there is no such campaign @throws ProblemException when it has no such run */
export async function campaignChanges(
  sql: Sql,
  workspaceId: string,
  id: string,
  { no, against }: { no?: number | undefined; against?: number | undefined },
): Promise<CampaignChanges | null> {
  const campaign = await campaignById(sql, workspaceId, id);
  if (!campaign) return null;
  const shown = no === undefined ? campaign : await runOf(sql, workspaceId, id, { no });
  if (!shown) throw notFound('run of this campaign');
  const before = await earlier(sql, workspaceId, campaign, no, against);
  if (!before && against !== undefined) throw notFound('run of this campaign');
  return {
    no: no ?? null,
    against: before && {
      campaignId: before.of.id,
      name: before.of.name,
      no: before.run.no,
      at: before.run.startedAt.toISOString(),
    },
    changes: before ? differences(...recordsOf(before.run, shown)) : [],
  };
}

async function earlier(
  sql: Sql,
  workspaceId: string,
  campaign: CampaignRow,
  no: number | undefined,
  against: number | undefined,
): Promise<{ of: CampaignRow; run: KeptRun } | null> {
  const own = await runOf(
    sql,
    workspaceId,
    campaign.id,
    against === undefined ? { before: no ?? campaign.runNo + 1 } : { no: against },
  );
  if (own) return { of: campaign, run: own };
  const model =
    against === undefined && campaign.clonedFrom
      ? await campaignById(sql, workspaceId, campaign.clonedFrom)
      : null;
  const run = model && (await runOf(sql, workspaceId, model.id, { before: model.runNo + 1 }));
  return run ? { of: model, run } : null;
}

async function runOf(
  sql: Sql,
  workspaceId: string,
  id: string,
  which: { no: number } | { before: number },
): Promise<KeptRun | null> {
  const exact = 'no' in which;
  const [run] = await sql.query<KeptRun>(
    `SELECT no, definition, report, started_at AS "startedAt" FROM campaign_runs
      WHERE workspace_id = $1 AND campaign_id = $2 AND no ${exact ? '=' : '<'} $3 ORDER BY no DESC LIMIT 1`,
    [workspaceId, id, exact ? which.no : which.before],
  );
  return run ?? null;
}

/** What preparing found is compared where both were prepared. */
function recordsOf(before: Kept, after: Kept): [unknown, unknown] {
  const both = before.report && after.report;
  return [
    { ...writtenOf(before), ...(both ? foundOf(before.report!) : {}) },
    { ...writtenOf(after), ...(both ? foundOf(after.report!) : {}) },
  ];
}

/** A definition as it is compared: variants by their names. */
export function writtenOf({
  definition: { said: _, ...definition },
}: Pick<Kept, 'definition'>): Record<string, unknown> {
  return {
    ...definition,
    variants: Object.fromEntries(definition.variants.map(({ name, ...variant }) => [name, variant])),
  };
}

const foundOf = (report: CampaignReport): Record<string, unknown> => ({
  templates: Object.fromEntries(
    report.templates.map(({ variant, key, version }) => [variant ?? 'all', `${key}, version ${version}`]),
  ),
  audiences: Object.fromEntries((report.audiences ?? []).map(({ key, definition }) => [key, definition])),
  people: {
    audience: report.audience,
    messages: report.messages ?? null,
    heldOut: report.heldOut ?? null,
    reach: Object.fromEntries(report.byChannel.map(({ channel, ...counts }) => [channel, counts])),
    zones: Object.fromEntries(report.byZone.map(({ zone, people }) => [zone, people])),
  },
  cost: report.cost ? `${report.cost.amount} ${report.cost.currency}` : null,
});
