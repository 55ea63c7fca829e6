/**
 * A page of a run, from claim to its last commit, a sub-batch at a time: read (upcoming.ts) · commit (log-page.ts) · render · send. Rows
 * enter the log with their outcome; what needs more than one line (a retry, a refusal, several devices) is entered as
 * being sent and recorded by the ordinary code in the same transaction. Beside `Deliverer`, which works lists.
 */
import { failpoint } from '@carillon/config';
import { Database, onceThere, type Sql } from '@carillon/database';
import { afterAttempt, chooseAccount, combineDevices } from '@carillon/delivery-rules';
import type {
  Channel,
  Next as After,
  Outcome,
  Outgoing,
  Recipient,
  RenderInput,
  RenderResult,
} from '@carillon/delivery-rules';
import { bulkQueue, reasons, type Status } from '@carillon/contracts';
import {
  contentFor,
  linksToPrint,
  releasePages,
  templateContent,
  usableAccounts,
  Precedence,
  type DeliveryHints,
  type LinksToPrint,
  type RenderPool,
  type SendContexts,
  type SendingAccount,
  mayBeUsed,
  saveLists,
  giveBackToDomains,
  holdDomains,
  unlessOvertaken,
} from '@carillon/delivery-service';
import type { Queues } from '@carillon/queue';
import { Turns } from '@carillon/server';
import { Logger } from '@nestjs/common';
import { setTimeout } from 'node:timers/promises';
import { OVERFLOW_MS, type AccountFlow } from './account-flow.js';
import { callProvider } from './call-provider.js';
import { claimPage, loggedOf, membersOf, renewPage, type Member, type PageInHand } from './claim-page.js';
import { LEASE_SECONDS, type Claimed, type WorkspaceSettings } from './claim.js';
import {
  factsOf,
  insertRows,
  judgeMembers,
  lateFor,
  listsFor,
  lockPage,
  restRun,
  savePage,
  savePlaces,
  takenByAnother,
  type Going,
  type Logged,
  type Window,
} from './log-page.js';
import { recordAttempts, recordUnrenderable, type Attempted } from './record.js';
import { Upcoming } from './upcoming.js';

/** Messages handed over between two commits: what a crash may leave in doubt, per page in hand. */
export const SUB_BATCH = 250;
/** The same while single messages come: they wait for the statement and the flush that are under way, which are shorter then. */
export const SMALL_SUB_BATCH = 60;
/** A millisecond or two of this thread. */
const RENDERED_AT_ONCE = 50;
/** Pages with a window open, per process. One more is claimed meanwhile, and its first window read: the contract of the queue says how many jobs are worked. */
const PAGES_LEAVING = 2;
const RENEW_EVERY_MS = 3000;
/** A run whose accounts are all paused, or kept away from, looks again after this. */
const PAUSED_MS = 10_000;
/** A page waits itself this long for its account's rate; for longer it goes back. */
const PATIENCE_MS = 1_500;

type Content = (locale: string | null) => ReturnType<typeof contentFor>;

/** What a sub-batch came to, to be written by the next commit. */
interface Done {
  handedOver: { at: Date; account: SendingAccount } | null;
  gateVersion: number | null;
  rows: Logged[];
  attempted: Attempted[];
  unrenderable: Parameters<typeof recordUnrenderable>[2][number][];
  /** Rows that nothing renders now. They have not left, and go on as single messages when their lease ends. */
  unrendered: Logged[];
  /** Rows whose window a dead worker had opened: they may have left. */
  lost: Logged[];
  /** What the provider said. */
  outcomes: Outcome[];
}
const nothing = (): Done => ({
  handedOver: null,
  gateVersion: null,
  rows: [],
  attempted: [],
  unrenderable: [],
  unrendered: [],
  lost: [],
  outcomes: [],
});

/** What is to go next, and through which account; or how long there is none. */
type Next =
  { members: readonly Member[]; account: SendingAccount | null } | { members: null; restMs: number };

export class PageDeliverer {
  private readonly log: Logger;
  private readonly turns = new Turns(PAGES_LEAVING);

  constructor(
    private readonly channel: Channel,
    private readonly database: Database,
    private readonly queues: Pick<Queues, 'offer' | 'send'>,
    private readonly contexts: SendContexts,
    private readonly hints: DeliveryHints,
    private readonly renderer: Pick<RenderPool, 'render'>,
    private readonly flow: Pick<AccountFlow, 'take' | 'report'>,
    private readonly random: () => number = Math.random,
    private readonly precedence: Precedence = new Precedence(),
    /** Whether this process is stopping: what is leaving leaves, and pages go back from where they stand. */
    private readonly stopping: () => boolean = () => false,
  ) {
    this.log = new Logger(`PageDeliverer ${channel.channel}`);
  }

  /** Works a page to its end, or until its run is paused or cancelled, or this process stops. Throws when the database is away: the page falls due again. */
  async deliver(pageId: string, signal: AbortSignal): Promise<void> {
    if (this.stopping()) return;
    const page = await this.database.acrossWorkspaces(({ last }) => claimPage(last, pageId));
    if (!page) return;
    // One waits less: the next one is released while this one is worked.
    void this.release();
    let renewing = Promise.resolve();
    const renewal = setInterval(() => {
      renewing = this.renew(page);
    }, RENEW_EVERY_MS).unref();
    try {
      await this.work(page, signal);
    } finally {
      clearInterval(renewal);
      await renewing;
    }
  }

  private async work(page: PageInHand, signal: AbortSignal): Promise<void> {
    const { lost, upcoming, content } = await this.read(page);
    await this.turns.take(() => this.leave(page, upcoming, { ...nothing(), lost }, content, signal));
  }

  private async read(page: PageInHand): Promise<{ lost: Logged[]; upcoming: Upcoming; content: Content }> {
    const reading = <T>(work: (sql: Sql) => Promise<T>): Promise<T> =>
      this.precedence.step(() => this.database.reading(page.workspaceId, work));
    const [logged, template, doubtful] = await reading((sql) =>
      Promise.all([
        loggedOf(sql, page),
        templateContent(sql, page.workspaceId, [refOf(page)]).then((of) => of(refOf(page))),
        page.mark > page.cursor ? membersOf(sql, page, page.cursor, page.mark) : [],
      ]),
    );
    page.counts = logged.counts;
    const members = (from: number, to: number) => reading((sql) => membersOf(sql, page, from, to));
    const upcoming = new Upcoming(page, logged.ids, members, () =>
      this.precedence.expected() ? SMALL_SUB_BATCH : SUB_BATCH,
    );
    upcoming.ahead();
    return {
      lost: doubtful.filter((m) => !logged.ids.has(m.id)).map((m) => sendingRow(m, this.addressOf(m))),
      upcoming,
      content: byLocale((locale) => contentFor(refOf(page), page.content, template, locale)),
    };
  }

  /** Window after window, to the end of the page or until there is nothing to go on with. */
  private async leave(
    page: PageInHand,
    upcoming: Upcoming,
    done: Done,
    content: Content,
    signal: AbortSignal,
  ): Promise<void> {
    let accounts: Window['accounts'] = [];
    for (;;) {
      const next: Next =
        done.unrendered.length > 0
          ? { members: null, restMs: PAUSED_MS }
          : await onceThere(async () => this.permitted(page, await upcoming.next(), accounts, signal));
      const doing = done;
      const window = await this.precedence.step(() => this.commit(page, doing, next));
      failpoint('after-mark');
      const asked = next.members?.length ?? 0;
      if (!window) {
        if (next.members && next.account) await this.flow.report(next.account, [], asked);
        return;
      }
      upcoming.went(window.asked);
      upcoming.ahead();
      accounts = window.accounts;
      done = await this.send(page, window, content, signal);
      const { account } = window;
      if (account?.domainQuotas) {
        const stayed = [...done.unrenderable.map(({ delivery }) => delivery), ...done.unrendered];
        await onceThere(() =>
          giveBackToDomains(
            this.database,
            account,
            stayed.map((one) => one.address),
          ),
        );
      }
      // What a shutdown cut off tells nothing of the account.
      if (account)
        await this.flow.report(account, signal.aborted ? [] : done.outcomes, asked - done.outcomes.length);
      failpoint('reply-read');
    }
  }

  /**
   * As many of these as an account takes now. A wait of a moment is spent here.
   * @param known accounts as the last commit saw them: the next one will look again anyway
   */
  private async permitted(
    page: PageInHand,
    members: readonly Member[],
    known: readonly SendingAccount[],
    signal: AbortSignal,
  ): Promise<Next> {
    if (members.length === 0) return { members, account: null };
    const full = new Set<string>();
    for (let patienceMs = PATIENCE_MS; ; known = []) {
      const all =
        known.length > 0
          ? known
          : await this.database.reading(page.workspaceId, (sql) =>
              usableAccounts(sql, page.workspaceId, page.channel),
            );
      if (all.length === 0) return { members, account: null };
      const open = all.filter((a) => mayBeUsed(a) && !full.has(a.id));
      const account = chooseAccount(open, { tries: 0, lastAccountId: null }, this.random());
      if (!account && known.length > 0) continue;
      if (!account) return { members: null, restMs: PAUSED_MS };
      const { granted, waitMs } = await this.flow.take(account, 'bulk', members.length);
      if (granted > 0) return { members: members.slice(0, granted), account };
      // A day's quota that is used up leaves the rest to another account.
      if (waitMs > OVERFLOW_MS) full.add(account.id);
      else if (waitMs > patienceMs || signal.aborted || this.stopping())
        return { members: null, restMs: waitMs };
      else {
        patienceMs -= waitMs;
        await setTimeout(waitMs);
      }
    }
  }

  private addressOf({ recipient }: Member): string | null {
    return recipient ? (this.channel.addresses(recipient)[0]?.address ?? null) : null;
  }

  /** Writes what was done, and opens the window of what is next. @returns null when there is nothing to go on with */
  private async commit(page: PageInHand, done: Done, next: Next): Promise<Window | null> {
    const { workspaceId } = page;
    const { counts, cursor: from, mark: to } = page;
    const work = async (sql: Sql) => {
      // Where it stood, whatever an earlier try made of it.
      Object.assign(page, { counts: { ...counts }, cursor: from, mark: to });
      // In one breath. Should the page not be ours any more, nothing of it stays.
      const [head, eventIds, facts] = await Promise.all([
        lockPage(sql, page),
        this.write(sql, page, done),
        next.members?.length ? factsOf(sql, this.channel, page, next.members) : null,
      ]);
      const cursor = page.mark;
      if (next.members?.length === 0) {
        await savePage(sql.last, page, { state: 'done', cursor: page.hi, mark: page.hi, leaseSeconds: 0 });
        return { window: null, eventIds, ids: idsOf(done) };
      }
      const may = head.running && !this.stopping();
      const domains =
        may && next.members && next.account?.domainQuotas
          ? await holdDomains(
              sql,
              next.account,
              next.members.map((member) => this.addressOf(member)),
            )
          : null;
      // After the domains, always: so nobody waits in a ring.
      const held = may && next.members ? await listsFor(sql, page, head, next.members) : null;
      // After the lists, for the same reason.
      const late = may && next.members ? await lateFor(sql, page, head, next.members) : undefined;
      const judged =
        may && facts && next.members
          ? judgeMembers(page, head, next.account, facts, held, late, domains, this.random)
          : null;
      if (!judged || !facts || !next.members || judged.asked === 0) {
        if (next.members === null) await restRun(sql, page, next.restMs);
        else if (judged?.waitMs) await restRun(sql, page, judged.waitMs);
        await savePage(sql.last, page, { state: 'open', cursor, mark: cursor, leaseSeconds: 0 });
        return { window: null, eventIds, ids: idsOf(done) };
      }
      for (const row of judged.stopped) count(page, row.status);
      const mark = (next.members[judged.asked - 1]?.seq ?? 0) + 1;
      const { last } = sql;
      const taken = judged.going.map((g) => g.member.profileId);
      await Promise.all([
        insertRows(last, page, judged.stopped, null, judged.gateVersion),
        held && saveLists(last, workspaceId, held, taken),
        late && late.capacities.length > 0 && savePlaces(last, page, head, late, judged.going.length),
        domains?.save(last),
        savePage(last, page, { state: 'working', cursor, mark, leaseSeconds: LEASE_SECONDS }),
      ]);
      page.cursor = cursor;
      page.mark = mark;
      const window: Window = {
        openedAt: head.now,
        asked: judged.asked,
        account: next.account,
        going: judged.going,
        gateVersion: judged.gateVersion,
        settings: head.settings,
        accounts: facts.accounts,
      };
      return { window, eventIds, ids: [...idsOf(done), ...judged.stopped.map((r) => r.member.id)] };
    };
    const { window, eventIds, ids } = await onceThere(() =>
      unlessOvertaken(() => this.database.inWorkspace(workspaceId, work)),
    ).catch((error: { code?: string }) => {
      throw error.code === DUPLICATE ? takenByAnother(page, error) : error;
    });
    void this.queues.offer('route-event', eventIds);
    this.hints.changed(workspaceId, ids);
    return window;
  }

  /** @returns events that the audience service learns from */
  private async write(sql: Sql, page: PageInHand, done: Done): Promise<string[]> {
    await insertRows(sql, page, done.rows, done.handedOver, done.gateVersion);
    for (const row of done.rows) if (row.status !== 'sending') count(page, row.status);
    await insertRows(sql, page, done.lost, { at: new Date(), account: null });
    // The clock says within a moment what follows from a worker's death; for marketing it is this.
    for (const _ of done.lost) count(page, 'unknown');
    await insertRows(sql, page, done.unrendered, null);
    for (const _ of done.unrendered) count(page, 'scheduled');
    const recorded = [];
    if (done.attempted.length > 0) {
      recorded.push(await recordAttempts(sql, page.workspaceId, done.attempted));
      for (const { next } of done.attempted) count(page, statusAfter(next));
    }
    if (done.unrenderable.length > 0) {
      const rows = done.unrenderable.map(({ delivery }) => sendingRow(memberOf(delivery), delivery.address));
      await insertRows(sql, page, rows, null);
      recorded.push(await recordUnrenderable(sql, page.workspaceId, done.unrenderable));
      for (const _ of done.unrenderable) count(page, 'failed');
    }
    return recorded.flatMap((r) => r.eventIds);
  }

  private async send(
    page: PageInHand,
    { account, going, openedAt, gateVersion, settings }: Window,
    content: Content,
    signal: AbortSignal,
  ): Promise<Done> {
    const done = nothing();
    if (!account || going.length === 0) return done;
    const links = linksToPrint(
      this.contexts.links,
      going.map(({ member: { id, profileId }, targets }) => ({
        id,
        workspaceId: page.workspaceId,
        channel: page.channel,
        messageClass: page.messageClass,
        profileId,
        address: targets[0]?.address ?? null,
        topic: page.topic,
        tracking: { policy: settings.tracking, own: page.options.tracking },
      })),
    );
    const leaving: Going[] = [];
    const calls: Promise<Outcome[]>[] = [];
    // What is rendered leaves before the next are: a mail is held no longer than its provider needs.
    for (let at = 0; at < going.length; at += this.channel.batchSize) {
      const some = going.slice(at, at + this.channel.batchSize);
      const inputs = some.map((g, i) => this.inputOf(page, g, content, links[at + i]!));
      const results = await this.render(inputs.flatMap((input) => input ?? [])).catch((error: unknown) => {
        this.log.error(
          `rendering a page failed: ${error instanceof Error ? error.message : 'unknown error'}`,
        );
        return null;
      });
      if (!results) {
        done.unrendered = going.slice(at).map(enteredRow);
        break;
      }
      const outgoing: Outgoing<unknown>[] = [];
      let n = 0;
      for (const [i, one] of some.entries()) {
        const result = inputs[i] ? results[n++] : undefined;
        if (result?.ok) {
          leaving.push(one);
          for (const { address, attemptId } of one.targets)
            outgoing.push({
              deliveryId: one.member.id,
              attemptId,
              address,
              messageClass: page.messageClass,
              rendered: result.rendered,
            });
        } else done.unrenderable.push({ delivery: this.asDelivery(page, one), ...(result ?? NO_TEMPLATE) });
      }
      calls.push(this.call(account, outgoing, signal));
    }
    const outcomes = (await Promise.all(calls)).flat();
    done.handedOver = { at: openedAt, account };
    done.gateVersion = gateVersion;
    let o = 0;
    for (const one of leaving) {
      const own = outcomes.slice(o, (o += one.targets.length));
      const outcome = combineDevices(own);
      done.outcomes.push(outcome);
      if (own.length === 1 && outcome.kind === 'accepted') done.rows.push(acceptedRow(page, one, outcome));
      else {
        done.rows.push(enteredRow(one));
        done.attempted.push({
          delivery: this.asDelivery(page, one),
          account,
          handedOverAt: openedAt,
          attempts: one.targets.map((t, i) => ({ ...t, outcome: own[i]! })),
          outcome,
          next: this.after(page, outcome, settings),
          nextStepId: null,
        });
      }
    }
    return done;
  }

  /** Some at a time, so that nobody waits long who waits for one message. */
  private async render(inputs: readonly RenderInput[]): Promise<RenderResult<unknown>[]> {
    const results: RenderResult<unknown>[] = [];
    for (let at = 0; at < inputs.length; at += RENDERED_AT_ONCE) {
      const some = inputs.slice(at, at + RENDERED_AT_ONCE);
      results.push(...(await this.precedence.step(() => this.renderer.render(this.channel.channel, some))));
    }
    return results;
  }

  /** In the provider's own measure, all at once: its connections are what limits it. */
  private async call(
    account: SendingAccount,
    outgoing: readonly Outgoing<unknown>[],
    signal: AbortSignal,
  ): Promise<Outcome[]> {
    const { channel, contexts, log } = this;
    const parts: Promise<Outcome[]>[] = [];
    for (let at = 0; at < outgoing.length; at += channel.batchSize)
      parts.push(
        callProvider(channel, contexts, account, outgoing.slice(at, at + channel.batchSize), signal, log),
      );
    return (await Promise.all(parts)).flat();
  }

  private after(page: PageInHand, outcome: Outcome, settings: WorkspaceSettings): After {
    return afterAttempt(
      outcome,
      {
        attempt: 1,
        messageClass: page.messageClass,
        ageMs: 0,
        expiresInMs: page.expiresAt ? page.expiresAt.getTime() - Date.now() : null,
        otherAccounts: 0,
        onUnknown: settings.unknown?.[page.messageClass] ?? null,
      },
      { ...this.channel.retry, ...settings.retry?.[page.channel] },
      this.random(),
    );
  }

  private inputOf(
    page: PageInHand,
    { member }: Going,
    content: Content,
    links: LinksToPrint,
  ): RenderInput | null {
    const chosen = content(member.recipient.locale);
    return (
      chosen && {
        content: chosen.content,
        cacheKey: chosen.cacheKey,
        data: member.data ? { ...page.data, ...member.data } : page.data,
        recipient: recipientOf(member),
        messageClass: page.messageClass,
        replyTo: page.options.replyTo ?? null,
        attachments: page.options.attachments ?? [],
        unsubscribeUrl: links.unsubscribeUrl,
        viewUrl: links.viewUrl,
        tracking: links.tracking,
      }
    );
  }

  /** As the ordinary code knows a delivery. */
  private asDelivery(page: PageInHand, { member, targets }: Going): Claimed {
    return {
      day: page.day,
      id: member.id,
      workspaceId: page.workspaceId,
      messageId: page.messageId,
      profileId: member.profileId,
      channel: page.channel,
      messageClass: page.messageClass,
      lane: 'bulk',
      topic: page.topic,
      templateId: page.templateId,
      templateVersion: page.templateVersion,
      address: targets[0]?.address ?? null,
      attempt: 1,
      tries: 0,
      lastAccountId: null,
      routeStep: 0,
      expiresAt: page.expiresAt,
      createdAt: new Date(),
      redrivenAt: null,
      source: page.source,
    };
  }

  private async release(): Promise<void> {
    try {
      const { channel } = this.channel;
      const ids = await this.database.acrossWorkspaces((sql) => releasePages(sql, channel));
      await Promise.all(ids.map((pageId) => this.queues.send(bulkQueue(channel), { pageId })));
    } catch (error) {
      this.log.debug(
        `the clock will release the next page: ${error instanceof Error ? error.message : 'unknown error'}`,
      );
    }
  }

  private async renew(page: PageInHand): Promise<void> {
    try {
      await this.database.inWorkspace(page.workspaceId, ({ last }) => renewPage(last, page));
    } catch (error) {
      // The next round tries again; if the database stays away the lease runs out, and the fence keeps us from writing.
      this.log.warn(
        `a page could not be renewed: ${error instanceof Error ? error.message : 'unknown error'}`,
      );
    }
  }
}

// Field by field: copying what it holds takes longer.
const recipientOf = ({ recipient: r, attributes }: Going['member']): Recipient => ({
  profileId: r.profileId,
  externalId: r.externalId,
  email: r.email,
  phone: r.phone,
  phoneCountry: r.phoneCountry ?? null,
  locale: r.locale,
  timezone: r.timezone,
  attributes: attributes === null ? {} : (JSON.parse(attributes) as Recipient['attributes']),
  devices: r.devices,
});

/** PostgreSQL's word for a row that is there already. */
const DUPLICATE = '23505';

const refOf = (page: PageInHand) => ({ ...page, id: page.messageId });

/** Chosen once per locale of a page, not once per person. */
function byLocale(choose: Content): Content {
  const chosen = new Map<string | null, ReturnType<Content>>();
  return (locale) => {
    if (!chosen.has(locale)) chosen.set(locale, choose(locale));
    return chosen.get(locale) ?? null;
  };
}

const count = (page: PageInHand, status: Status): void => {
  page.counts[status] = (page.counts[status] ?? 0) + 1;
};
const statusAfter = (next: After): Status =>
  next.kind === 'done'
    ? next.status
    : next.kind === 'retry'
      ? 'scheduled'
      : next.kind === 'pauseAccount'
        ? 'queued'
        : next.kind === 'unknown'
          ? 'unknown'
          : reasons[next.reason].ends;

const acceptedRow = (
  { channel }: PageInHand,
  { member, targets }: Going,
  outcome: Extract<Outcome, { kind: 'accepted' }>,
): Logged => ({
  member,
  // A device's token is no address to keep.
  address: channel === 'push' || channel === 'in-app' ? null : (targets[0]?.address ?? null),
  status: outcome.delivered ? 'delivered' : 'sent',
  reason: null,
  afterMs: null,
  providerMessageId: outcome.providerMessageId,
});
const sendingRow = (member: Pick<Member, 'id' | 'profileId'>, address: string | null): Logged => ({
  member,
  address,
  status: 'sending',
  reason: null,
  afterMs: null,
  providerMessageId: null,
});
/** What may have gone, or was about to. */
const enteredRow = ({ member, targets }: Going): Logged => sendingRow(member, targets[0]?.address ?? null);
const memberOf = ({ id, profileId }: Claimed): Pick<Member, 'id' | 'profileId'> => ({
  id,
  profileId: profileId ?? '',
});
const NO_TEMPLATE = {
  reason: 'template_error',
  detail: 'its template version is missing',
  pointer: '',
} as const satisfies Partial<RenderResult<never>>;
const idsOf = ({ rows, lost, unrendered, unrenderable }: Done): string[] => [
  ...rows.map((r) => r.member.id),
  ...lost.map((r) => r.member.id),
  ...unrendered.map((r) => r.member.id),
  ...unrenderable.map((u) => u.delivery.id),
];
