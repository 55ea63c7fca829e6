/**
 * Moves campaigns by themselves: begins runs that are due, sees that runs are over, plans the next time of those that recur.
 * A round of its own beside the clock's: freezing a million people must not keep what is due waiting. Several may run: a
 * campaign's row is locked while it is moved, and who finds it locked leaves it.
 */
import { Database, kept, type Sql } from '@carillon/database';
import { Acceptance, changeRun, readGate } from '@carillon/delivery-service';
import { alarm, nextOccurrence } from '@carillon/scheduling-rules';
import { Rounds } from '@carillon/server';
import {
  Inject,
  Injectable,
  Logger,
  type BeforeApplicationShutdown,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import { CannotRun } from './campaign-audience.js';
import { campaignNumbers, complaintsOf } from './campaign-numbers.js';
import { campaignById, moveCampaign, type CampaignRow } from './campaign-rows.js';
import { moveTest } from './campaign-test.js';
import { endRun } from './end-run.js';
import { FORESEE_MS, foresee, forget } from './foresee.js';
import { proofsOf, sendProofs } from './prove-campaign.js';
import { launch, partsOf, WATCH_MS } from './run-campaign.js';

const TICK_MS = 250;
const SLICE = 20;
const DUE = kept(
  'due-campaigns',
  'SELECT workspace_id AS "workspaceId", id FROM campaigns WHERE due_at <= now() ORDER BY due_at LIMIT $1',
);
/** How soon it looks again whether what waits has gone. */
const WAITING_MS = 10_000;

@Injectable()
export class CampaignClock implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly log = new Logger('CampaignClock');
  private readonly rounds = new Rounds(() => this.tick(), {
    restMs: TICK_MS,
    log: this.log,
    trouble: 'campaigns could not be moved',
  });

  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(Acceptance) private readonly acceptance: Pick<Acceptance, 'acceptAll'>,
  ) {}

  onApplicationBootstrap(): void {
    this.rounds.start();
  }
  beforeApplicationShutdown(): Promise<void> {
    return this.rounds.stop();
  }

  /** Moves what is due. @returns how many were moved */
  async tick(): Promise<number> {
    const due = await this.database.acrossWorkspaces(({ last }) =>
      last.query<{ workspaceId: string; id: string }>(DUE, [SLICE]),
    );
    let moved = 0;
    for (const { workspaceId, id } of due) {
      if (this.rounds.stopping) break;
      moved += await this.move(workspaceId, id);
    }
    return moved;
  }

  private async move(workspaceId: string, id: string): Promise<number> {
    try {
      let begun = 0;
      const moved = await this.database.inWorkspace(workspaceId, async (sql) => {
        const [mine] = await sql.query<{ now: Date }>(
          `SELECT clock_timestamp() AS now FROM campaigns WHERE workspace_id = $1 AND id = $2 AND due_at <= now() FOR UPDATE SKIP LOCKED`,
          [workspaceId, id],
        );
        const campaign = mine && (await campaignById(sql, workspaceId, id));
        if (!mine || !campaign) return 0;
        const untilMs = (campaign.startsAt?.getTime() ?? 0) - mine.now.getTime();
        if (campaign.state === 'scheduled' && untilMs > 0) {
          await foresee(sql, workspaceId, campaign, mine.now);
          await lookAgain(sql, workspaceId, id, Math.min(untilMs, FORESEE_MS));
        } else if (campaign.state === 'scheduled') {
          await launch(sql, workspaceId, campaign, mine.now);
          begun = campaign.runNo + 1;
        } else if (campaign.state === 'running') await watch(sql, workspaceId, campaign, mine.now);
        else await moveCampaign(sql, workspaceId, id, { state: campaign.state, dueMs: null });
        return 1;
      });
      if (begun > 0) await this.seed(workspaceId, id, begun);
      return moved;
    } catch (error) {
      await this.failed(workspaceId, id, error);
      return 0;
    }
  }

  /** A copy to those who watch every campaign: beside its run, and in none of its numbers. */
  private async seed(workspaceId: string, id: string, no: number): Promise<void> {
    const proofs = await this.database.inWorkspace(workspaceId, async (sql) => {
      const { rules } = await readGate(sql, workspaceId);
      return rules.seeds.length > 0 ? proofsOf(sql, workspaceId, id, rules.seeds) : null;
    });
    if (proofs) await sendProofs(this.acceptance, workspaceId, id, proofs, `seed ${id} ${no}`);
  }

  /** What cannot run says so; what the database or a bug stopped is tried again later. */
  private async failed(workspaceId: string, id: string, error: unknown): Promise<void> {
    const why = error instanceof Error ? error.message : 'unknown error';
    const final = error instanceof CannotRun;
    if (!final) this.log.error(`campaign ${id} could not be moved: ${why}`);
    await this.database.inWorkspace(workspaceId, (sql) =>
      sql.execute(
        final
          ? `UPDATE campaigns SET state = 'failed', reason = $3, due_at = NULL, updated_at = now() WHERE workspace_id = $1 AND id = $2 AND due_at <= now()`
          : `UPDATE campaigns SET due_at = now() + interval '10 seconds', reason = $3 WHERE workspace_id = $1 AND id = $2 AND due_at <= now()`,
        [workspaceId, id, final ? why : 'It could not begin; it is tried again.'],
      ),
    );
  }
}

/** Is the run over? A mailing that was stopped for its own sake pauses the whole of it. */
async function watch(sql: Sql, workspaceId: string, campaign: CampaignRow, now: Date): Promise<void> {
  const { id, runNo } = campaign;
  const parts = await partsOf(sql, workspaceId, id, runNo);
  const stopped = parts.find((part) => part.state === 'paused');
  if (stopped) {
    for (const part of parts)
      if (part.state === 'running')
        await changeRun(sql, workspaceId, part.runId, 'pause', stopped.pausedReason);
    return moveCampaign(sql, workspaceId, id, {
      state: 'paused',
      reason: stopped.pausedReason ?? 'One of its mailings was paused.',
      dueMs: null,
    });
  }
  const why = parts.every((part) => part.ended) ? null : await alarming(sql, workspaceId, campaign);
  if (why) {
    for (const part of parts)
      if (part.state === 'running') await changeRun(sql, workspaceId, part.runId, 'pause', why);
    return moveCampaign(sql, workspaceId, id, { state: 'paused', reason: why, dueMs: null });
  }
  const untilJudged = await moveTest(sql, workspaceId, campaign);
  if (!parts.every((part) => part.ended)) {
    // Where all that is left waits for the winner, there is nothing to watch before.
    const resting = untilJudged !== null && parts.every((part) => part.ended || part.state === 'planned');
    const dueMs = resting ? Math.max(WATCH_MS, untilJudged) : WATCH_MS;
    return moveCampaign(sql, workspaceId, id, { state: 'running', dueMs });
  }
  // Its pages are done; some of what they wrote may wait for quiet hours or the next attempt.
  const { pending = 0 } = (await campaignNumbers(sql, workspaceId, id, { exact: true })) ?? {};
  if (pending > 0) return moveCampaign(sql, workspaceId, id, { state: 'running', dueMs: WAITING_MS });
  await endRun(sql, workspaceId, id, runNo, 'completed');
  await forget(sql, workspaceId, id);
  const { start } = campaign.definition;
  const next = start.kind === 'recurring' ? nextOccurrence(start, now) : null;
  await moveCampaign(
    sql,
    workspaceId,
    id,
    next
      ? { state: 'scheduled', startsAt: next, dueMs: 0 }
      : { state: 'completed', startsAt: null, dueMs: null },
  );
}

const lookAgain = (sql: Sql, workspaceId: string, id: string, ms: number): Promise<number> =>
  sql.execute(
    `UPDATE campaigns SET due_at = now() + $3::float8 * interval '1 millisecond' WHERE workspace_id = $1 AND id = $2`,
    [workspaceId, id, ms],
  );

/** Does too much go wrong? */
async function alarming(sql: Sql, workspaceId: string, campaign: CampaignRow): Promise<string | null> {
  const { id, runNo, definition } = campaign;
  const [run] = await sql.query<{ guarded: boolean }>(
    'SELECT guarded FROM campaign_runs WHERE workspace_id = $1 AND campaign_id = $2 AND no = $3',
    [workspaceId, id, runNo],
  );
  const numbers = run?.guarded ? await campaignNumbers(sql, workspaceId, id) : null;
  if (!numbers) return null;
  const complaints = await complaintsOf(sql, workspaceId, await partsOf(sql, workspaceId, id, runNo));
  return alarm(definition.stopWhen, numbers, complaints);
}
