/**
 * A campaign's run: its audience is frozen into mailings of the bulk lane, one per channel and variant, all of it in one
 * transaction with the campaign's own row. So a run exists with all its people or not at all, and a crash changes nothing
 * twice. From there on pages, gate, dispatchers and log are those of every mailing.
 */
import { asAWhole } from '@carillon/audience-service';
import type { CampaignDefinition } from '@carillon/contracts';
import { idInSeries, newId, type Sql } from '@carillon/database';
import { changeRun, freezeAside, planRun, type PlannedRun } from '@carillon/delivery-service';
import { durationMs, perSecond } from '@carillon/scheduling-rules';
import { CannotRun, heldOutOf, membersOf, peopleOf, sharesOf, type Slice } from './campaign-audience.js';
import { moveCampaign, type CampaignRow } from './campaign-rows.js';
import { foreseeFrozen } from './foresee.js';
import { saidBy, type Said } from './prepare-campaign.js';

/** Freezing a million people is one statement. */
const FREEZE_MS = 600_000;

/** How soon the clock looks again whether a run is over. */
export const WATCH_MS = 1000;

/** @throws CannotRun when something is missing by now */
export async function launch(sql: Sql, workspaceId: string, campaign: CampaignRow, now: Date): Promise<void> {
  const { definition } = campaign;
  const { said, findings } = await saidBy(sql, workspaceId, definition, campaign.report?.templates);
  const fault = findings.find((f) => f.level === 'error');
  if (fault) throw new CannotRun(`${fault.message} (${fault.at})`);
  const no = campaign.runNo + 1;
  await sql.execute(
    `INSERT INTO campaign_runs (workspace_id, campaign_id, no, state, definition, report) VALUES ($1, $2, $3, 'running', $4, $5)`,
    [
      workspaceId,
      campaign.id,
      no,
      JSON.stringify({ ...definition, said: said.map(keptOf) }),
      campaign.report && JSON.stringify(campaign.report),
    ],
  );
  await asAWhole(sql, FREEZE_MS);
  const people = await peopleOf(sql, workspaceId, definition, campaign.report?.audiences);
  const held = heldOutOf(definition, people, campaign.id);
  const heldId = held && newId();
  const heldOut = held && heldId ? await freezeAside(sql, workspaceId, heldId, held) : 0;
  let targeted = 0;
  for (const { voice, slice } of groupsOf(definition, said))
    for (const channel of voice?.channels ?? definition.channels) {
      const query = await membersOf(sql, workspaceId, definition, people, {
        salt: campaign.id,
        slice,
        startsAt: now,
        delayMs: voice?.delayMs ?? 0,
      });
      const run = await planRun(sql, workspaceId, {
        source: { kind: 'campaign', id: campaign.id },
        channel,
        messageClass: definition.class,
        ...optional(definition),
        ...(voice ? saidIn(voice) : {}),
        plannedAt: now,
        // Of those who wait for a winner it is counted from when they have one.
        ...(voice ? expiring(definition, now, query.timed) : {}),
        audience: { query },
      });
      targeted += run.members;
      const variant = voice?.variant ?? null;
      await enter(sql, workspaceId, { campaign, no, channel, variant, rest: !voice }, run);
      // The rest of a test is frozen with the others, and waits for what it is to be told: campaign-test.ts.
      if (voice) await changeRun(sql, workspaceId, run.id, 'start');
    }
  if (targeted === 0) throw new CannotRun('There is nobody in its audience.');
  await sql.execute(
    `UPDATE campaign_runs SET targeted = $4, held_id = $5, held = $6 WHERE workspace_id = $1 AND campaign_id = $2 AND no = $3`,
    [workspaceId, campaign.id, no, targeted, heldId, heldOut],
  );
  await sql.execute('UPDATE campaigns SET run_no = $3 WHERE workspace_id = $1 AND id = $2', [
    workspaceId,
    campaign.id,
    no,
  ]);
  await foreseeFrozen(sql, workspaceId, campaign.id, no);
  await moveCampaign(sql, workspaceId, campaign.id, { state: 'running', dueMs: WATCH_MS });
}

/** Who is told what. Without a voice: those who wait until a test is decided. */
function groupsOf(
  definition: CampaignDefinition,
  said: readonly Said[],
): { voice: Said | null; slice: Slice }[] {
  const portion = (definition.test?.portion ?? 100) / 100;
  const tried = portion < 1 ? { from: 0, to: portion } : null;
  const shares = sharesOf(definition.variants.map((v) => v.weight));
  const groups = said.flatMap((voice, n) => {
    const variant = voice.variant === null ? null : shares[n]!;
    return variant && variant.from === variant.to ? [] : [{ voice, slice: { variant, test: tried } }];
  });
  return tried
    ? [...groups, { voice: null, slice: { variant: null, test: { from: portion, to: 1 } } }]
    : groups;
}

/** What is kept of a voice with its run: what deciding a test needs. */
const keptOf = ({ variant, template, content, data, channels, delayMs }: Said) => ({
  variant,
  template,
  content,
  data,
  channels,
  delayMs,
});
export type KeptVoice = ReturnType<typeof keptOf>;

/** As a run is planned with it. */
const saidIn = ({ template, content, data }: Said) => ({
  ...(template ? { template } : { content: content! }),
  data,
});

/** What has not left so long after its time expires: the run's, or each one's own. */
const expiring = (
  { sendWithin }: CampaignDefinition,
  from: Date,
  timed: boolean,
): { expiresAt?: Date; expiresAfterMs?: number } =>
  !sendWithin
    ? {}
    : timed
      ? { expiresAfterMs: durationMs(sendWithin) }
      : { expiresAt: new Date(from.getTime() + durationMs(sendWithin)) };

const optional = ({ topic, replyTo, rate, tracking, priority, attachments }: CampaignDefinition) => ({
  ...(topic ? { topic } : {}),
  options: {
    priority,
    ...(replyTo ? { replyTo } : {}),
    ...(tracking ? { tracking } : {}),
    ...(attachments?.length ? { attachments } : {}),
  },
  ...(rate ? { rate: perSecond(rate) } : {}),
});

async function enter(
  sql: Sql,
  workspaceId: string,
  part: { campaign: CampaignRow; no: number; channel: string; variant: string | null; rest: boolean },
  run: PlannedRun,
): Promise<void> {
  await sql.execute(
    `INSERT INTO campaign_parts (workspace_id, campaign_id, no, run_id, channel, variant, rest) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
    [workspaceId, part.campaign.id, part.no, run.id, part.channel, part.variant, part.rest],
  );
}

export interface Part {
  runId: string;
  channel: CampaignDefinition['channels'][number];
  variant: string | null;
  /** Waits, or has waited, for the winner of a test. */
  rest: boolean;
  state: string;
  pausedReason: string | null;
  members: number;
  messageId: string;
  day: string;
  ended: boolean;
  /** Since its end; null before. */
  endedSeconds: number | null;
}

/** The mailings of a run. */
export const partsOf = (sql: Sql, workspaceId: string, id: string, no: number): Promise<Part[]> =>
  sql.query<Part>(
    `SELECT p.run_id AS "runId", p.channel, p.variant, p.rest, r.state, r.paused_reason AS "pausedReason", r.members, r.message_id AS "messageId", r.day::text AS day,
            r.state IN ('completed', 'cancelled') AS ended,
            extract(epoch FROM now() - r.ended_at)::float8 AS "endedSeconds"
       FROM campaign_parts p JOIN runs r ON r.workspace_id = $1 AND r.id = p.run_id
      WHERE p.workspace_id = $1 AND p.campaign_id = $2 AND p.no = $3 ORDER BY p.channel, p.variant`,
    [workspaceId, id, no],
  );

/** The first and the last id of its deliveries: they are one range of the log. */
export const rangeOf = ({ messageId, members }: Pick<Part, 'messageId' | 'members'>): [string, string] => [
  idInSeries(messageId, 1),
  idInSeries(messageId, Math.max(1, members)),
];
