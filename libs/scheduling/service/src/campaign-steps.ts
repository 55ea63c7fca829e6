/** What people do to a campaign. Each step is one transaction that begins with the campaign's row. */
import type { Campaign, CampaignApproval, CampaignSave, CampaignState } from '@carillon/contracts';
import { newId, type Sql } from '@carillon/database';
import { changeRun, readPolicies } from '@carillon/delivery-service';
import {
  approvalBy,
  approverWords,
  mayNotApprove,
  refusal,
  type Approver,
  type CampaignStepName,
} from '@carillon/scheduling-rules';
import { notFound, ProblemException } from '@carillon/server';
import { keepEdit } from './campaign-edits.js';
import { campaignById, moveCampaign, showCampaign, type CampaignRow } from './campaign-rows.js';
import { prepare, startsAt, type Tried } from './prepare-campaign.js';
import { endRun } from './end-run.js';
import { forget } from './foresee.js';
import { partsOf, rangeOf, WATCH_MS, type Part } from './run-campaign.js';

/** `actor`: `user:<id>` or `key:<id>`. */
export interface Who {
  name: string;
  actor: string;
}
interface Asked {
  ifVersion?: number | undefined;
  reason?: string | undefined;
}

export async function createCampaign(
  sql: Sql,
  workspaceId: string,
  {
    name,
    definition,
    template = false,
    clonedFrom = null,
  }: Pick<CampaignSave, 'name' | 'definition'> & { template?: boolean; clonedFrom?: string | null },
  who: Who,
): Promise<Campaign> {
  const id = newId();
  await sql.execute(
    `INSERT INTO campaigns (id, workspace_id, name, state, definition, created_by, author, template, cloned_from) VALUES ($1, $2, $3, 'draft', $4, $5, $6, $7, $8)`,
    [id, workspaceId, name, JSON.stringify(definition), who.name, who.actor, template, clonedFrom],
  );
  await keepEdit(sql, workspaceId, id, who.name);
  return shown(sql, workspaceId, id);
}

/** What is prepared or scheduled becomes a draft again: what starts is what was looked at. */
export async function saveCampaign(
  sql: Sql,
  workspaceId: string,
  id: string,
  save: CampaignSave,
  who: Who,
): Promise<Campaign> {
  await taken(sql, workspaceId, id, 'save', save);
  await sql.execute(
    `UPDATE campaigns SET name = $3, definition = $4, version = version + 1, state = 'draft', reason = NULL, report = NULL, approval = NULL, author = $5, starts_at = NULL, due_at = NULL, updated_at = now()
      WHERE workspace_id = $1 AND id = $2`,
    [workspaceId, id, save.name, JSON.stringify(save.definition), who.actor],
  );
  await keepEdit(sql, workspaceId, id, who.name);
  await forget(sql, workspaceId, id);
  return shown(sql, workspaceId, id);
}

/** @param tried of this version, beforehand: see try-campaign.ts */
export async function prepareCampaign(
  sql: Sql,
  workspaceId: string,
  id: string,
  asked: Asked,
  tried?: Tried,
): Promise<Campaign> {
  const row = await taken(sql, workspaceId, id, 'prepare', asked);
  const now = await clock(sql);
  const report = await prepare(sql, workspaceId, row, now, tried);
  const state: CampaignState = report.findings.some((f) => f.level === 'error') ? 'draft' : 'prepared';
  await sql.execute(
    'UPDATE campaigns SET report = $3, state = $4, reason = NULL, approval = NULL WHERE workspace_id = $1 AND id = $2',
    [workspaceId, id, JSON.stringify(report), state],
  );
  return shown(sql, workspaceId, id);
}

/** The clock begins the run, within a moment where it is due: whoever asks does not wait until a million people are frozen. */
export async function startCampaign(
  sql: Sql,
  workspaceId: string,
  id: string,
  asked: Asked,
): Promise<Campaign> {
  const row = await taken(sql, workspaceId, id, 'start', asked);
  const by = row.approval ? null : await approversOf(sql, workspaceId, row);
  if (by)
    throw conflict(
      `First it has to be approved of by ${approverWords(by)}: that is a policy of this workspace.`,
    );
  const now = await clock(sql);
  const at = startsAt(row.definition, now);
  if (!at) throw conflict('Its rule has no time left.');
  await moveCampaign(sql, workspaceId, id, {
    state: 'scheduled',
    startsAt: at,
    // The clock looks at once: what is to come must be known to what goes before it.
    dueMs: 0,
  });
  return shown(sql, workspaceId, id);
}

/** Of what was prepared, as it was prepared: an edit, or preparing it again, takes it back. */
export async function approveCampaign(
  sql: Sql,
  workspaceId: string,
  id: string,
  { ifVersion, comment }: { ifVersion?: number | undefined; comment: string },
  who: Who & Partial<Approver>,
): Promise<Campaign> {
  const row = await taken(sql, workspaceId, id, 'approve', { ifVersion });
  const { actor, role = null, email = null } = who;
  const by = (await approversOf(sql, workspaceId, row)) ?? {};
  const why = mayNotApprove(by, { actor, role, email }, row.author);
  if (why) throw conflict(why);
  const approval: CampaignApproval = { by: who.name, at: (await clock(sql)).toISOString(), comment };
  await sql.execute('UPDATE campaigns SET approval = $3 WHERE workspace_id = $1 AND id = $2', [
    workspaceId,
    id,
    JSON.stringify(approval),
  ]);
  return shown(sql, workspaceId, id);
}

const approversOf = async (sql: Sql, workspaceId: string, { definition, report }: CampaignRow) =>
  approvalBy((await readPolicies(sql, workspaceId)).approvals, definition, report?.audience ?? 0);

/** It is a draft again, and says why. */
export async function rejectCampaign(
  sql: Sql,
  workspaceId: string,
  id: string,
  { ifVersion, comment }: { ifVersion?: number | undefined; comment: string },
  who: Who,
): Promise<Campaign> {
  await taken(sql, workspaceId, id, 'reject', { ifVersion });
  await sql.execute(
    `UPDATE campaigns SET state = 'draft', approval = NULL, reason = $3, updated_at = now() WHERE workspace_id = $1 AND id = $2`,
    [workspaceId, id, `${who.name} asks for changes: ${comment}`],
  );
  return shown(sql, workspaceId, id);
}

export async function pauseCampaign(
  sql: Sql,
  workspaceId: string,
  id: string,
  asked: Asked,
): Promise<Campaign> {
  const row = await taken(sql, workspaceId, id, 'pause', asked);
  const reason = asked.reason ?? 'Somebody paused it.';
  for (const part of await partsOf(sql, workspaceId, id, row.runNo))
    if (!part.ended) await changeRun(sql, workspaceId, part.runId, 'pause', reason);
  await moveCampaign(sql, workspaceId, id, { state: 'paused', reason, dueMs: null });
  return shown(sql, workspaceId, id);
}

export async function resumeCampaign(
  sql: Sql,
  workspaceId: string,
  id: string,
  asked: Asked,
): Promise<Campaign> {
  const row = await taken(sql, workspaceId, id, 'resume', asked);
  const parts = await partsOf(sql, workspaceId, id, row.runNo);
  const open = parts.filter((part) => !part.ended);
  for (const part of open) await changeRun(sql, workspaceId, part.runId, 'resume');
  for (const part of parts) await releaseWaiting(sql, workspaceId, part);
  await sql.execute(
    'UPDATE campaign_runs SET guarded = false WHERE workspace_id = $1 AND campaign_id = $2 AND no = $3',
    [workspaceId, id, row.runNo],
  );
  const now = await clock(sql);
  await moveCampaign(
    sql,
    workspaceId,
    id,
    open.length > 0 || (await runs(sql, workspaceId, id, row.runNo))
      ? { state: 'running', dueMs: WATCH_MS }
      : { state: 'scheduled', dueMs: 0 },
  );
  return shown(sql, workspaceId, id);
}

/** What is still open of it ends as cancelled; what is leaving at this moment leaves. */
export async function cancelCampaign(
  sql: Sql,
  workspaceId: string,
  id: string,
  asked: Asked,
): Promise<Campaign> {
  const row = await taken(sql, workspaceId, id, 'cancel', asked);
  if (await runs(sql, workspaceId, id, row.runNo)) {
    for (const part of await partsOf(sql, workspaceId, id, row.runNo)) {
      if (!part.ended) await changeRun(sql, workspaceId, part.runId, 'cancel');
      await cancelWaiting(sql, workspaceId, part);
    }
    await endRun(sql, workspaceId, id, row.runNo, 'cancelled');
  }
  await moveCampaign(sql, workspaceId, id, {
    state: 'cancelled',
    reason: asked.reason ?? null,
    startsAt: null,
    dueMs: null,
  });
  return shown(sql, workspaceId, id);
}

/** Rows that came due while it was paused. */
async function releaseWaiting(sql: Sql, workspaceId: string, part: Part): Promise<void> {
  await sql.execute(
    `UPDATE deliveries SET due_at = now() WHERE day = $2::date AND id BETWEEN $3 AND $4 AND workspace_id = $1 AND status = 'scheduled' AND reason = 'campaign_paused'`,
    [workspaceId, part.day, ...rangeOf(part)],
  );
}

/** Rows that wait: for quiet hours, an account, or the next attempt. */
async function cancelWaiting(sql: Sql, workspaceId: string, part: Part): Promise<void> {
  await sql.execute(
    `WITH stopped AS (
       UPDATE deliveries SET status = 'cancelled', reason = 'cancelled_by_request', due_at = NULL
        WHERE day = $2::date AND id BETWEEN $3 AND $4 AND workspace_id = $1 AND status IN ('scheduled', 'queued') RETURNING id)
     INSERT INTO delivery_events (day, delivery_id, workspace_id, type, reason)
     SELECT $2::date, id, $1, 'cancelled', 'cancelled_by_request' FROM stopped`,
    [workspaceId, part.day, ...rangeOf(part)],
  );
}

/** As a campaign, or as a template for others. */
export async function cloneCampaign(
  sql: Sql,
  workspaceId: string,
  id: string,
  { name, template = false }: { name?: string | undefined; template?: boolean },
  who: Who,
): Promise<Campaign> {
  const row = await campaignById(sql, workspaceId, id);
  if (!row) throw notFound('campaign');
  return createCampaign(
    sql,
    workspaceId,
    {
      name: name ?? (template || row.template ? row.name : `${row.name.slice(0, 190)} (copy)`),
      definition: row.definition,
      template,
      clonedFrom: id,
    },
    who,
  );
}

async function runs(sql: Sql, workspaceId: string, id: string, no: number): Promise<boolean> {
  const [row] = await sql.query(
    `SELECT FROM campaign_runs WHERE workspace_id = $1 AND campaign_id = $2 AND no = $3 AND state = 'running'`,
    [workspaceId, id, no],
  );
  return row !== undefined;
}

/** Its row, held. @throws ProblemException when it is not there, was changed since, or may not take that step */
async function taken(
  sql: Sql,
  workspaceId: string,
  id: string,
  step: CampaignStepName,
  { ifVersion }: Asked,
): Promise<CampaignRow> {
  const row = await campaignById(sql, workspaceId, id, 'FOR UPDATE');
  if (!row) throw notFound('campaign');
  if (ifVersion !== undefined && ifVersion !== row.version)
    throw conflict(
      `The campaign has been changed: it stands at version ${row.version}, not ${ifVersion}. Read it again.`,
    );
  if (row.template && step !== 'save' && step !== 'cancel')
    throw conflict('It is a template and is never sent itself: copy it, and send the copy.');
  const why = refusal(step, row.state);
  if (why) throw conflict(why);
  return row;
}
const conflict = (detail: string) => new ProblemException('conflict', detail);

async function clock(sql: Sql): Promise<Date> {
  const [row] = await sql.query<{ now: Date }>('SELECT clock_timestamp() AS now');
  return row!.now;
}
async function shown(sql: Sql, workspaceId: string, id: string): Promise<Campaign> {
  const campaign = await showCampaign(sql, workspaceId, id);
  if (!campaign) throw notFound('campaign');
  return campaign;
}
