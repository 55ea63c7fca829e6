/**
 * One list of deliveries on one channel, from claim to record: claim · gate · render · hand-over mark · send · record.
 * The same code serves a login code (a list of one) and a page of a campaign. The runtime of every dispatcher; knows no
 * channel and no provider.
 */
import { bug, failpoint } from '@carillon/config';
import { deliverQueue, type Channel as ChannelName } from '@carillon/contracts';
import { GroupCommit, type Database } from '@carillon/database';
import { afterAttempt, chooseAccount, combineDevices, SLICE_MS } from '@carillon/delivery-rules';
import type { Channel, Outcome, Outgoing, RenderInput, RenderResult } from '@carillon/delivery-rules';
import {
  DeliveryHints,
  contentFor,
  groupBy,
  linksToPrint,
  type HandedOver,
  type LinksToPrint,
  type MessageFacts,
  Precedence,
  type RenderPool,
  type SendingAccount,
  type TemplateContent,
  templateContent,
  type SendContexts,
  waitForPlaces,
  TOMORROW_SPREAD_MS,
} from '@carillon/delivery-service';
import { BoundedLog, Queues } from '@carillon/queue';
import { Logger } from '@nestjs/common';
import { setTimeout } from 'node:timers/promises';
import { AccountFlow, type Permit, OVERFLOW_MS } from './account-flow.js';
import { callProvider } from './call-provider.js';
import { claim, judge, nextStep, type Claimed, type Ready, type Stopped } from './claim.js';
import { Commits } from './commits.js';
import type { Leases } from './leases.js';
import { Line } from './line.js';
import { reconcile } from './reconcile.js';
import { recordStopped, recordUnrenderable, type Attempted, type Recorded } from './record.js';

type Templates = (delivery: Claimed) => TemplateContent | undefined;
/** Ready to be handed over by an account. */
export interface Rendered extends Ready {
  rendered: unknown;
  account: SendingAccount;
}

/** Jobs whose rows are claimed together, such claims at once, and the milliseconds between the beginnings of two. */
const JOBS_CLAIMED = { size: 16, parallel: 1, restMs: 10 };
/** Lists of the jobs of one queue, as long as a job may be. */
const LISTS = { subBatch: 1_000, parallel: 4 };

/** What comes by the jobs of one queue. */
interface JobLane {
  signal: AbortSignal;
  claims: GroupCommit<readonly string[], HandedOver[]>;
  line: Line;
}

export class Deliverer {
  private readonly log: Logger;
  private readonly trouble: BoundedLog;
  private readonly commits: Commits;
  private readonly lanes = new Map<string, JobLane>();

  constructor(
    private readonly channel: Channel,
    private readonly database: Database,
    private readonly queues: Queues,
    private readonly leases: Leases,
    private readonly contexts: SendContexts,
    private readonly hints: DeliveryHints,
    private readonly renderer: Pick<RenderPool, 'render'>,
    private readonly flow: AccountFlow,
    private readonly random: () => number = Math.random,
    private readonly precedence: Precedence = new Precedence(),
    /** Asked before each hand-over: whether this process lives long enough to hear how it ends. */
    private readonly mayBegin: () => boolean = () => true,
  ) {
    this.log = new Logger(`Deliverer ${channel.channel}`);
    this.trouble = new BoundedLog(this.log, channel.channel);
    this.commits = new Commits(database, (recorded) => this.tell(recorded));
  }

  get channelName(): ChannelName {
    return this.channel.channel;
  }

  /**
   * Takes what this process accepted and claimed in one (direct hand-over), all of one workspace, as far as it goes.
   * Never throws: what failed is said in the log, and the rows are swept when their lease ends.
   * @param judged called when the facts have been read
   */
  async deliverClaimed(
    workspaceId: string,
    handed: readonly HandedOver[],
    signal: AbortSignal,
    judged?: () => void,
  ): Promise<void> {
    try {
      await this.deliverHeld(workspaceId, handed, signal, judged);
    } catch (error) {
      this.trouble.error('handing over failed', error);
    }
  }

  /**
   * Takes what is still due of these ids as far as it goes. Throws only when the database or the renderer is away: the rows fall due again.
   * @param queue that the job came by: jobs of one that come together are claimed together, and go on as lists of their workspaces
   */
  async deliver(ids: readonly string[], signal: AbortSignal, queue = ''): Promise<void> {
    failpoint('before-claim');
    const { claims, line } = this.laneOf(queue, signal);
    const claimed = await claims.add(ids);
    const ready = line.add(claimed);
    // What is left is someone else's, or unknown: its provider is asked.
    const rest = claimed.length < ids.length ? this.reconcile(ids, claimed, signal) : undefined;
    await Promise.all([ready, rest]);
  }

  private laneOf(queue: string, signal: AbortSignal): JobLane {
    const known = this.lanes.get(queue);
    // A queue's worker that was stopped does not come back; specs bring their own signals.
    if (known && known.signal === signal) return known;
    const lane: JobLane = {
      signal,
      claims: new GroupCommit((jobs) => this.claimAll(jobs), JOBS_CLAIMED),
      line: new Line(
        (workspaceId, list, judged) => this.deliverHeld(workspaceId, list, signal, judged),
        LISTS,
      ),
    };
    this.lanes.set(queue, lane);
    return lane;
  }

  /** @returns what each job got */
  private async claimAll(jobs: readonly (readonly string[])[]): Promise<HandedOver[][]> {
    const ids = [...new Set(jobs.flat())];
    const rows = await this.database.acrossWorkspacesUnflushed(({ last }) => claim(last, ids));
    this.leases.hold(rows);
    const claimed = new Map(rows.map((row) => [row.id, row]));
    return jobs.map((job) =>
      job.flatMap((id) => {
        const delivery = claimed.get(id);
        claimed.delete(id);
        return delivery ? { delivery, message: null } : [];
      }),
    );
  }

  private async deliverHeld(
    workspaceId: string,
    handed: readonly HandedOver[],
    signal: AbortSignal,
    judged?: () => void,
  ): Promise<void> {
    const claimed = handed.map((h) => h.delivery);
    const known = new Map(handed.flatMap((h) => (h.message ? [[h.delivery.messageId, h.message]] : [])));
    failpoint('after-claim');
    try {
      await this.work(workspaceId, claimed, known, signal, judged);
    } finally {
      this.leases.release(claimed);
    }
  }

  private async reconcile(
    ids: readonly string[],
    claimed: readonly HandedOver[],
    signal: AbortSignal,
  ): Promise<void> {
    const taken = new Set(claimed.map((h) => h.delivery.id));
    const rest = ids.filter((id) => !taken.has(id));
    const { database, contexts, renderer, channel } = this;
    const settled = await reconcile({ database, contexts, renderer, channel }, rest, signal);
    for (const { workspaceId, deliveryIds, eventIds } of settled) {
      this.hints.changed(workspaceId, deliveryIds);
      if (eventIds.length > 0) this.tell({ eventIds });
    }
  }

  /** From the gate to the record. What cannot even be judged counts as a crash when its lease ends: it does not come back for ever. */
  private async work(
    workspaceId: string,
    claimed: readonly Claimed[],
    known: ReadonlyMap<string, MessageFacts>,
    signal: AbortSignal,
    judged: () => void = () => undefined,
  ): Promise<void> {
    const [{ ready, stopped }, templates] = await this.first(claimed, () =>
      this.database.reading(workspaceId, (sql) =>
        Promise.all([
          judge(sql, this.channel, workspaceId, claimed, this.random, known),
          templateContent(sql, workspaceId, claimed),
        ]),
      ),
    );
    judged();
    if (stopped.length > 0) await this.stop(workspaceId, stopped);
    const rendered = await this.render(workspaceId, ready, templates);
    // One sub-batch per account and day; each ends in a commit of its own.
    for (const batch of groupBy(rendered, (r) => `${r.account.id} ${r.delivery.day}`).values())
      await this.sendAll(workspaceId, batch, signal);
  }

  /** Before bulk work of this process. */
  private first<T>([one]: readonly Claimed[], work: () => Promise<T>): Promise<T> {
    return one?.lane === 'bulk' ? work() : this.precedence.first(work);
  }

  /** Ends or puts off. */
  private async stop(workspaceId: string, stopped: readonly Stopped[]): Promise<void> {
    this.tell(
      await this.database.inWorkspace(workspaceId, async (sql) => {
        for (const { own, rows } of waitingForPlaces(stopped))
          await waitForPlaces(sql, workspaceId, own, rows);
        return recordStopped(sql.last, workspaceId, stopped);
      }),
    );
    this.hints.changed(
      workspaceId,
      stopped.map((s) => s.delivery.id),
    );
  }

  private async render(
    workspaceId: string,
    ready: readonly Ready[],
    templates: Templates,
  ): Promise<Rendered[]> {
    const rendered: Rendered[] = [];
    const failures: Parameters<typeof recordUnrenderable>[2][number][] = [];
    const links = linksToPrint(
      this.contexts.links,
      ready.map((r) => ({
        ...r.delivery,
        address: r.targets[0]?.address ?? null,
        tracking: { policy: r.tracking, own: r.message.options.tracking },
      })),
    );
    const inputs = ready.map((r, i) => this.inputOf(r, templates, links[i]!));
    const results = await this.renderer.render(
      this.channel.channel,
      inputs.flatMap((input) => input ?? []),
    );
    let n = 0;
    for (const [i, r] of ready.entries()) {
      const result = inputs[i] ? results[n++] : undefined;
      if (result?.ok) rendered.push({ ...r, rendered: result.rendered, account: this.accountFor(r) });
      else failures.push({ delivery: r.delivery, ...(result ?? NO_TEMPLATE) });
    }
    if (failures.length > 0) {
      this.tell(
        await this.database.inWorkspace(workspaceId, ({ last }) =>
          recordUnrenderable(last, workspaceId, failures),
        ),
      );
      this.hints.changed(
        workspaceId,
        failures.map((f) => f.delivery.id),
      );
    }
    return rendered;
  }

  private accountFor({ accounts, delivery }: Ready): SendingAccount {
    const chosen = chooseAccount(accounts, delivery, this.random());
    if (!chosen) throw new Error('the gate let a delivery through without an account');
    return chosen;
  }

  /** @returns null when its template version is gone */
  private inputOf(r: Ready, templates: Templates, links: LinksToPrint): RenderInput | null {
    const chosen = contentFor(r.delivery, r.message.content, templates(r.delivery), r.recipient.locale);
    return (
      chosen && {
        content: chosen.content,
        cacheKey: chosen.cacheKey,
        data: r.message.data,
        recipient: r.recipient,
        messageClass: r.delivery.messageClass,
        replyTo: r.message.options.replyTo ?? null,
        attachments: r.message.options.attachments ?? [],
        ...links,
      }
    );
  }

  /** As many as the account lets out, in sub-batches. The others take another account, or wait as rows: no try is lost. */
  private async sendAll(workspaceId: string, batch: readonly Rendered[], signal: AbortSignal): Promise<void> {
    let rest = batch;
    // A slice's wait is spent here; a longer one would keep other accounts and workspaces of the lane waiting.
    let patienceMs = 1.5 * SLICE_MS;
    for (let [first] = rest; first; [first] = rest) {
      if (!this.mayBegin()) return this.giveBack(workspaceId, rest);
      const { account, delivery } = first;
      const want = Math.min(rest.length, this.channel.batchSize);
      const permit = await this.flow.take(account, delivery.lane, want);
      if (permit.granted > 0) {
        const asked = rest.slice(0, permit.granted);
        rest = rest.slice(permit.granted);
        const { waiting, waitMs } = await this.sendBatch(workspaceId, asked, signal);
        const tomorrow = { granted: 0, waitMs, why: 'account_rate', spreadMs: TOMORROW_SPREAD_MS } as const;
        if (waiting.length > 0) await this.sendElsewhere(workspaceId, waiting, account, tomorrow, signal);
      } else if (permit.why === 'account_rate' && permit.waitMs <= patienceMs && !signal.aborted) {
        patienceMs -= permit.waitMs;
        await setTimeout(permit.waitMs);
      } else {
        const elsewhere = permit.why === 'account_unavailable' || permit.waitMs > OVERFLOW_MS;
        if (elsewhere) await this.sendElsewhere(workspaceId, rest, account, permit, signal);
        else await this.park(workspaceId, rest, account, permit);
        return;
      }
    }
  }

  /** What the account does not take goes through another one, or waits. */
  private async sendElsewhere(
    workspaceId: string,
    rest: readonly Rendered[],
    account: SendingAccount,
    permit: Permit,
    signal: AbortSignal,
  ): Promise<void> {
    const others = rest.map((r) => ({ ...r, accounts: r.accounts.filter((a) => a.id !== account.id) }));
    const waiting = others.filter((r) => r.accounts.length === 0);
    if (waiting.length > 0) await this.park(workspaceId, waiting, account, permit);
    const chosen = others
      .filter((r) => r.accounts.length > 0)
      .map((r) => ({ ...r, account: this.accountFor(r) }));
    for (const some of groupBy(chosen, (r) => r.account.id).values())
      await this.sendAll(workspaceId, some, signal);
  }

  /** This process stops: the clock offers them to another one, or to the next, in a moment. */
  private async giveBack(workspaceId: string, rest: readonly Rendered[]): Promise<void> {
    await this.commits.unclaim(workspaceId, rest);
    this.leases.release(rest.map((r) => r.delivery));
  }

  /** Without waiting for the clock. */
  private toTheGate(rows: readonly { delivery: Claimed }[]): void {
    for (const [queue, some] of groupBy(rows, ({ delivery: d }) => deliverQueue(d.channel, d.lane)))
      void this.queues.offer(
        queue,
        some.map(({ delivery }) => delivery.id),
      );
  }

  /** Puts off what its account does not take now. */
  private async park(
    workspaceId: string,
    waiting: readonly Rendered[],
    account: SendingAccount,
    permit: Permit,
  ): Promise<void> {
    const [first] = waiting;
    if (!first) return;
    const { spreadMs } = permit;
    const waits =
      spreadMs === undefined
        ? await this.flow.waits(account, first.delivery.lane, waiting.length, permit)
        : waiting.map(() => permit.waitMs + this.random() * spreadMs);
    const stopped = waiting.map((r, i): Stopped => ({
      delivery: r.delivery,
      verdict: { kind: 'wait', afterMs: waits[i] ?? permit.waitMs, reason: permit.why },
      trace: [`provider account ${account.name}: wait (${permit.why})`],
      gateVersion: r.own?.version ?? null,
      nextStepId: nextStep(r.delivery, r.message),
    }));
    await this.stop(workspaceId, stopped);
    this.leases.release(waiting.map((r) => r.delivery));
  }

  /** @returns who waits for a place of a receiving domain, while the account warms up */
  private async sendBatch(
    workspaceId: string,
    batch: readonly Rendered[],
    signal: AbortSignal,
  ): Promise<{ waiting: Rendered[]; waitMs: number }> {
    const [{ account } = { account: null }] = batch;
    if (!account) return NOBODY_WAITS;
    failpoint('before-mark');
    const { marked, waits } = await this.first(
      batch.map((r) => r.delivery),
      () => this.commits.mark(workspaceId, batch),
    );
    failpoint('after-mark');
    const handedOverAt = new Date();
    const going = batch.filter((r) => marked.has(r.delivery.id));
    const waiting = batch.filter((r) => waits.has(r.delivery.id));
    const held = batch.filter(({ delivery: { id } }) => !marked.has(id) && !waits.has(id));
    this.toTheGate(held);
    const stays = { waiting, waitMs: Math.max(0, ...waiting.map((r) => waits.get(r.delivery.id)!)) };
    const idle = batch.length - going.length;
    if (going.length === 0) {
      await this.flow.report(account, [], idle);
      return stays;
    }

    const outgoing = going.flatMap((r) =>
      r.targets.map((t): Outgoing<unknown> => ({
        deliveryId: r.delivery.id,
        attemptId: t.attemptId,
        address: t.address,
        messageClass: r.delivery.messageClass,
        rendered: r.rendered,
      })),
    );
    const outcomes = await callProvider(this.channel, this.contexts, account, outgoing, signal, this.log);
    failpoint('reply-read');

    let n = 0;
    const attempted = going.map((r): Attempted => {
      const attempts = r.targets.map((t) => ({
        ...t,
        outcome: outcomes[n++] ?? unknown('the provider gave no outcome'),
      }));
      const outcome = asBuggy(combineDevices(attempts.map((a) => a.outcome)));
      const planned = Math.max(
        r.delivery.createdAt.getTime(),
        r.message.sendAt?.getTime() ?? 0,
        r.delivery.redrivenAt?.getTime() ?? 0,
      );
      const now = Date.now();
      const next = afterAttempt(
        outcome,
        {
          attempt: r.delivery.tries + 1,
          messageClass: r.delivery.messageClass,
          onUnknown: r.onUnknown,
          ageMs: now - planned,
          expiresInMs: r.delivery.expiresAt ? r.delivery.expiresAt.getTime() - now : null,
          otherAccounts: r.accounts.length - 1,
        },
        r.retry,
        this.random(),
      );
      return {
        delivery: r.delivery,
        account: r.account,
        handedOverAt,
        attempts,
        outcome,
        next,
        nextStepId: nextStep(r.delivery, r.message),
      };
    });
    // Before the rows: the others must not call an account that asked to wait. What a shutdown cut off tells nothing.
    await this.flow.report(
      account,
      signal.aborted ? [] : attempted.map((a) => a.outcome),
      idle + (signal.aborted ? going.length : 0),
    );
    await this.commits.record(workspaceId, attempted);
    failpoint('after-record');
    this.leases.release(going.map((r) => r.delivery));
    this.hints.changed(
      workspaceId,
      going.map((r) => r.delivery.id),
    );

    this.toTheGate(attempted.filter((a) => a.next.kind === 'pauseAccount'));
    return stays;
  }

  private tell(recorded: Recorded): void {
    void this.queues.offer('route-event', recorded.eventIds);
  }
}

const NOBODY_WAITS = { waiting: [], waitMs: 0 };
const NO_TEMPLATE = {
  reason: 'template_error',
  detail: 'its template version is missing',
  pointer: '',
} as const satisfies Partial<RenderResult<never>>;

/** What waits for a place of a capacity, by the rules that said so. */
function waitingForPlaces(stopped: readonly Stopped[]) {
  const waiting = stopped.flatMap(({ delivery, verdict, own }) =>
    own && verdict.kind === 'wait' && verdict.reason === 'capacity'
      ? [{ ...delivery, ...own.rank, afterMs: verdict.afterMs, rules: own.rules }]
      : [],
  );
  return [...groupBy(waiting, (w) => w.rules)].map(([own, rows]) => ({ own, rows }));
}

const unknown = (message: string): Outcome => ({ kind: 'unknown', answer: { message } });

/** Two deliberate bugs of the drill (tools/chaos): an acceptance tried again, a silence taken for an acceptance. */
function asBuggy(outcome: Outcome): Outcome {
  if (outcome.kind === 'accepted' && bug('accepted-retried') && Math.random() < 0.1)
    return { kind: 'deferred', answer: outcome.answer };
  if (outcome.kind === 'unknown' && bug('silence-called-sent'))
    return { kind: 'accepted', providerMessageId: null, answer: outcome.answer };
  return outcome;
}
