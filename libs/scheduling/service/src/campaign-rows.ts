/** Campaigns as rows: reading, writing, listing. What moves them stands in campaign-steps.ts and campaign-clock.ts. */
import type {
  Campaign,
  CampaignApproval,
  CampaignDefinition,
  CampaignReport,
  CampaignRun,
  CampaignState,
  Policies,
} from '@carillon/contracts';
import type { Sql } from '@carillon/database';
import { readPolicies } from '@carillon/delivery-service';
import { approvalBy } from '@carillon/scheduling-rules';
import { forget } from './foresee.js';

export interface CampaignRow {
  id: string;
  name: string;
  state: CampaignState;
  version: number;
  template: boolean;
  definition: CampaignDefinition;
  report: CampaignReport | null;
  reason: string | null;
  runNo: number;
  startsAt: Date | null;
  createdBy: string;
  author: string;
  approval: CampaignApproval | null;
  clonedFrom: string | null;
  createdAt: Date;
  updatedAt: Date;
}
const COLUMNS = `id, name, state, version, template, definition, report, reason, run_no AS "runNo", starts_at AS "startsAt",
  created_by AS "createdBy", author, approval, cloned_from AS "clonedFrom", created_at AS "createdAt", updated_at AS "updatedAt"`;

/** @param lock holds it until the transaction ends: every change begins so */
export async function campaignById(
  sql: Sql,
  workspaceId: string,
  id: string,
  lock: '' | 'FOR UPDATE' = '',
): Promise<CampaignRow | null> {
  const [row] = await sql.query<CampaignRow>(
    `SELECT ${COLUMNS} FROM campaigns WHERE workspace_id = $1 AND id = $2 ${lock}`,
    [workspaceId, id],
  );
  return row ?? null;
}

/** The newest first: ids are made in the order of time. */
export function campaignsBefore(
  sql: Sql,
  workspaceId: string,
  {
    state,
    cursor,
    limit,
    template = false,
  }: { state?: string | undefined; cursor?: string | undefined; limit: number; template?: boolean },
): Promise<CampaignRow[]> {
  return sql.query<CampaignRow>(
    `SELECT ${COLUMNS} FROM campaigns WHERE workspace_id = $1 AND ($2::text IS NULL OR state = $2) AND ($3::uuid IS NULL OR id < $3) AND template = $5
      ORDER BY id DESC LIMIT $4`,
    [workspaceId, state ?? null, cursor ?? null, limit, template],
  );
}

export async function runsOf(
  sql: Sql,
  workspaceId: string,
  ids: readonly string[],
): Promise<Map<string, CampaignRun[]>> {
  const rows = await sql.query<{
    campaignId: string;
    no: number;
    state: CampaignRun['state'];
    startedAt: Date;
    endedAt: Date | null;
    targeted: number;
  }>(
    `SELECT campaign_id AS "campaignId", no, state, started_at AS "startedAt", ended_at AS "endedAt", targeted FROM (
       SELECT *, row_number() OVER (PARTITION BY campaign_id ORDER BY no DESC) AS place FROM campaign_runs
        WHERE workspace_id = $1 AND campaign_id = ANY($2::uuid[])) r WHERE place <= 50 ORDER BY no DESC`,
    [workspaceId, ids],
  );
  const found = new Map<string, CampaignRun[]>();
  for (const { campaignId, startedAt, endedAt, ...row } of rows)
    found.set(campaignId, [
      ...(found.get(campaignId) ?? []),
      { ...row, startedAt: startedAt.toISOString(), endedAt: endedAt?.toISOString() ?? null },
    ]);
  return found;
}

export const toCampaign = (
  { runNo: _, author: __, ...row }: CampaignRow,
  runs: CampaignRun[],
  policies: Policies,
): Campaign => ({
  ...row,
  approvalBy: approvalBy(policies.approvals, row.definition, row.report?.audience ?? 0),
  startsAt: row.startsAt?.toISOString() ?? null,
  createdAt: row.createdAt.toISOString(),
  updatedAt: row.updatedAt.toISOString(),
  runs,
});

/** As it stands now, with its runs. */
export async function showCampaign(sql: Sql, workspaceId: string, id: string): Promise<Campaign | null> {
  const row = await campaignById(sql, workspaceId, id);
  if (!row) return null;
  const runs = (await runsOf(sql, workspaceId, [id])).get(id) ?? [];
  return toCampaign(row, runs, await readPolicies(sql, workspaceId));
}

/** Whether it has come to its end, one way or another. */
export const isOver = (state: CampaignState): boolean => ['completed', 'cancelled', 'failed'].includes(state);

/** Writes where it stands. `due`: milliseconds until the clock looks at it; null: not by itself. */
export async function moveCampaign(
  sql: Sql,
  workspaceId: string,
  id: string,
  to: { state: CampaignState; reason?: string | null; startsAt?: Date | null; dueMs: number | null },
): Promise<void> {
  await sql.execute(
    `UPDATE campaigns SET state = $3, reason = $4, starts_at = CASE WHEN $5 THEN $6::timestamptz ELSE starts_at END,
            due_at = now() + $7::float8 * interval '1 millisecond', updated_at = now() WHERE workspace_id = $1 AND id = $2`,
    [workspaceId, id, to.state, to.reason ?? null, to.startsAt !== undefined, to.startsAt ?? null, to.dueMs],
  );
  if (isOver(to.state)) await forget(sql, workspaceId, id);
}
