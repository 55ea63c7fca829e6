/**
 * A test of variants while it goes on, and its end. The rest of the audience was frozen with everybody else and waits as
 * mailings that are planned and say nothing. Deciding is one transaction under the campaign's row: it keeps the decision,
 * tells the rest what the winner says, and starts it. So a crash leaves all of it or nothing, and nobody gets two variants.
 */
import type {
  CampaignDecision,
  CampaignDefinition,
  CampaignMetric,
  CampaignTestResult,
} from '@carillon/contracts';
import type { Sql } from '@carillon/database';
import { changeRun } from '@carillon/delivery-service';
import { durationMs, judge, winnerOf, type Seen } from '@carillon/scheduling-rules';
import { ProblemException } from '@carillon/server';
import { campaignById, type CampaignRow } from './campaign-rows.js';
import { partsOf, rangeOf, type KeptVoice, type Part } from './run-campaign.js';

/** How often the clock counts the outcomes of a test that may end early. */
export const JUDGE_MS = 5000;

interface TestRow {
  definition: CampaignDefinition & { said: KeptVoice[] };
  decision: CampaignDecision | null;
  state: string;
  startedAt: Date;
  judgedAt: Date | null;
  now: Date;
}
async function testOf(sql: Sql, workspaceId: string, id: string, no: number): Promise<TestRow | null> {
  const [row] = await sql.query<TestRow>(
    `SELECT definition, decision, state, started_at AS "startedAt", judged_at AS "judgedAt", clock_timestamp() AS now
       FROM campaign_runs WHERE workspace_id = $1 AND campaign_id = $2 AND no = $3`,
    [workspaceId, id, no],
  );
  return row ?? null;
}
/** What waits for a winner: its content is still to come. */
const isRest = (part: Part) => part.rest && part.state === 'planned';

/** @returns null when there is no such campaign or run, or it has no test */
export async function showTest(
  sql: Sql,
  workspaceId: string,
  id: string,
  asked?: number,
): Promise<CampaignTestResult | null> {
  const campaign = await campaignById(sql, workspaceId, id);
  const no = asked ?? campaign?.runNo ?? 0;
  const run = no > 0 ? await testOf(sql, workspaceId, id, no) : null;
  const definition = run?.definition ?? (asked === undefined ? campaign?.definition : undefined);
  if (!definition?.test) return null;
  const { metric, decideAfter } = definition.test;
  const parts = run ? await partsOf(sql, workspaceId, id, no) : [];
  const rest = parts.filter(isRest);
  const seen = await seenOf(sql, workspaceId, definition, parts);
  return {
    no,
    metric,
    variants: judge(seen),
    decidesAt:
      run && rest.length > 0
        ? new Date(run.startedAt.getTime() + durationMs(decideAfter)).toISOString()
        : null,
    waiting: rest.reduce((sum, part) => sum + part.members, 0),
    decision: run?.decision ?? null,
  };
}

/**
 * Decides when it is time, as the clock does.
 * @returns milliseconds until there is something to see again; null when nothing waits for a winner
 */
export async function moveTest(sql: Sql, workspaceId: string, campaign: CampaignRow): Promise<number | null> {
  const { id, runNo } = campaign;
  const { test } = campaign.definition;
  const parts = test ? await partsOf(sql, workspaceId, id, runNo) : [];
  const run = parts.some(isRest) ? await testOf(sql, workspaceId, id, runNo) : null;
  if (!test || !run) return null;
  const elapsedMs = run.now.getTime() - run.startedAt.getTime();
  const decideAfterMs = durationMs(test.decideAfter);
  const left = decideAfterMs - elapsedMs;
  const next = test.confidence === undefined ? left : Math.min(left, JUDGE_MS);
  const judgedBefore = run.judgedAt ? run.now.getTime() - run.judgedAt.getTime() : Infinity;
  if (left > 0 && (test.confidence === undefined || judgedBefore < JUDGE_MS)) return next;
  const variants = judge(await seenOf(sql, workspaceId, run.definition, parts));
  const won = winnerOf(test, variants, { elapsedMs, decideAfterMs });
  if (!won) {
    await sql.execute(
      'UPDATE campaign_runs SET judged_at = now() WHERE workspace_id = $1 AND campaign_id = $2 AND no = $3',
      [workspaceId, id, runNo],
    );
    return left > 0 ? next : JUDGE_MS;
  }
  await decide(
    sql,
    workspaceId,
    { id, no: runNo, run, parts },
    { ...won, by: null, at: run.now.toISOString(), variants },
  );
  return null;
}

/** A person's choice, of a run that is going on or paused. @throws ProblemException when there is nothing to choose */
export async function chooseWinner(
  sql: Sql,
  workspaceId: string,
  id: string,
  { variant, ifVersion }: { variant: string; ifVersion?: number | undefined },
  by: string,
): Promise<CampaignTestResult | null> {
  const campaign = await campaignById(sql, workspaceId, id, 'FOR UPDATE');
  if (!campaign) return null;
  if (ifVersion !== undefined && ifVersion !== campaign.version)
    throw conflict(
      `The campaign has been changed: it stands at version ${campaign.version}, not ${ifVersion}. Read it again.`,
    );
  const parts = await partsOf(sql, workspaceId, id, campaign.runNo);
  const run = await testOf(sql, workspaceId, id, campaign.runNo);
  if (!run || !parts.some(isRest) || run.state !== 'running')
    throw conflict('Nobody waits for a winner: it has no test under way.');
  if (!run.definition.said.some((voice) => voice.variant === variant))
    throw conflict(
      `It has no variant “${variant}”: choose ${run.definition.said.map((voice) => voice.variant).join(' or ')}.`,
    );
  const variants = judge(await seenOf(sql, workspaceId, run.definition, parts));
  const decision: CampaignDecision = {
    winner: variant,
    why: 'person',
    by,
    at: run.now.toISOString(),
    variants,
  };
  await decide(sql, workspaceId, { id, no: campaign.runNo, run, parts }, decision);
  // Of a paused campaign the rest waits with the others until it is resumed.
  if (campaign.state === 'paused')
    for (const part of parts.filter(isRest))
      await changeRun(sql, workspaceId, part.runId, 'pause', campaign.reason);
  return showTest(sql, workspaceId, id);
}

async function decide(
  sql: Sql,
  workspaceId: string,
  { id, no, run, parts }: { id: string; no: number; run: TestRow; parts: readonly Part[] },
  decision: CampaignDecision,
): Promise<void> {
  const voice = run.definition.said.find((one) => one.variant === decision.winner)!;
  const delayMs = voice.delayMs ?? 0;
  const { sendWithin } = run.definition;
  for (const part of parts.filter(isRest)) {
    await sql.execute(
      `UPDATE messages SET template_id = $4, template_version = $5, content = $6, data = $7
        WHERE day = $2::date AND id = $3 AND workspace_id = $1`,
      [
        workspaceId,
        part.day,
        part.messageId,
        voice.template?.id ?? null,
        voice.template?.version ?? null,
        voice.content ? JSON.stringify(voice.content) : null,
        JSON.stringify(voice.data),
      ],
    );
    await sql.execute('UPDATE campaign_parts SET variant = $3 WHERE workspace_id = $1 AND run_id = $2', [
      workspaceId,
      part.runId,
      decision.winner,
    ]);
    // What won does not go out there.
    if (voice.channels && !voice.channels.includes(part.channel)) {
      await changeRun(sql, workspaceId, part.runId, 'cancel');
      continue;
    }
    // Its time, and how long it may take, are counted from now; of those whose own time is still to come from that.
    await sql.execute(
      `UPDATE pages SET lease_until = CASE WHEN $3::float8 > 0 THEN greatest(lease_until, now()) + $3 * interval '1 millisecond' ELSE lease_until END,
              expires_at = greatest(lease_until, now()) + ($3 + $4::float8) * interval '1 millisecond'
        WHERE workspace_id = $1 AND run_id = $2`,
      [workspaceId, part.runId, delayMs, sendWithin ? durationMs(sendWithin) : null],
    );
    await changeRun(sql, workspaceId, part.runId, 'start');
  }
  await sql.execute(
    'UPDATE campaign_runs SET decision = $4, judged_at = now() WHERE workspace_id = $1 AND campaign_id = $2 AND no = $3',
    [workspaceId, id, no, JSON.stringify(decision)],
  );
}

/** Of each variant, whom it reached and how many of them did what the metric asks for: people, on whatever channels. */
function seenOf(
  sql: Sql,
  workspaceId: string,
  { variants, test }: CampaignDefinition,
  parts: readonly Part[],
): Promise<Seen[]> {
  const { metric, within } = test!;
  return Promise.all(
    variants
      .filter((v) => v.weight > 0)
      .map(async ({ name }): Promise<Seen> => {
        // Those who were told the winner later are no part of the test.
        const tried = parts.filter((part) => part.variant === name && !part.rest);
        const ranges = tried.map(rangeOf);
        const [row] = await sql.query<Omit<Seen, 'variant'>>(
          `SELECT count(*)::int AS people, count(*) FILTER (WHERE did)::int AS successes FROM (
             SELECT d.profile_id, bool_or(${didIt(metric)}) AS did
               FROM unnest($2::date[], $3::uuid[], $4::uuid[]) AS r(day, first, last)
               JOIN deliveries d ON d.day = r.day AND d.id BETWEEN r.first AND r.last, (SELECT $5::interval AS within, $6::text AS event) AS asked
              WHERE d.workspace_id = $1 AND d.sent_at IS NOT NULL GROUP BY d.profile_id) AS people`,
          [
            workspaceId,
            tried.map((part) => part.day),
            ranges.map(([first]) => first),
            ranges.map(([, last]) => last),
            `${durationMs(within)} milliseconds`,
            metric.kind === 'converted' ? metric.event : null,
          ],
        );
        return { variant: name, people: row?.people ?? 0, successes: row?.successes ?? 0 };
      }),
  );
}

/** Of a delivery `d`: did the person do it in time? Who clicked has opened. */
function didIt(metric: CampaignMetric): string {
  const inTime = (at: string) => `${at} >= d.sent_at AND ${at} <= d.sent_at + asked.within`;
  switch (metric.kind) {
    case 'delivered':
      return `d.status = 'delivered'`;
    case 'opened':
    case 'clicked':
      return `EXISTS (SELECT FROM delivery_events e WHERE e.day = d.day AND e.delivery_id = d.id AND e.workspace_id = d.workspace_id
                AND e.type IN (${metric.kind === 'opened' ? "'opened', 'read', 'clicked'" : "'clicked'"}) AND ${inTime('e.at')})`;
    case 'converted':
      // By person: by the name, which an index also begins with, each of them would look over all who did the same.
      return `EXISTS (SELECT FROM events e WHERE e.workspace_id = d.workspace_id AND e.profile_id = d.profile_id AND e.name || '' = asked.event AND ${inTime('e.at')})`;
  }
}

const conflict = (detail: string) => new ProblemException('conflict', detail);
