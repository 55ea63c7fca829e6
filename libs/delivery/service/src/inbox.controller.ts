/**
 * The in-app inbox over HTTP: tokens for servers, and lists, marks and a stream for the browsers that hold one. The
 * profile is always the token's: no address names it. Origins are judged by the door (libs/server).
 */
import { idsByExternalId, whoTheyBecame } from '@carillon/audience-service';
import { Database, type Sql } from '@carillon/database';
import {
  mintInboxToken,
  Operation,
  ProblemException,
  type Call,
  type Result,
  type StreamEvent,
} from '@carillon/server';
import type { InboxItem, InboxStreamEvent } from '@carillon/contracts';
import { Controller, Inject } from '@nestjs/common';
import { HintListener } from './hint-listener.js';
import { DeliveryHints, INBOX_HINTS, inboxHints } from './hints.js';
import { countItems, itemsAfter, listItems, markItems, type Counts } from './inbox-items.js';
import { claimTicket, mintTicket, readTicket, type Ticket } from './inbox-ticket.js';

/** Per profile and process: more tabs than anyone reads, fewer than hurt. */
const MOST_STREAMS = 10;
/** Items read from the database at once when a stream catches up; the next ones wait until the reader took these. */
const READ_AT_ONCE = 50;
/** A reader that does not take the end of its stream is cut off this long after it. */
const CUT_OFF_MS = 4000;

@Controller()
export class InboxController {
  /** Open streams by profile. */
  private readonly open = new Map<string, number>();

  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(HintListener) private readonly listener: HintListener,
    @Inject(DeliveryHints) private readonly deliveryHints: DeliveryHints,
  ) {}

  @Operation('mintInboxToken')
  async mint({ body, caller }: Call<'mintInboxToken'>): Promise<Result<'mintInboxToken'>> {
    const { workspaceId } = caller;
    const ids = await this.database.inWorkspace(workspaceId, (sql) =>
      idsByExternalId(sql, workspaceId, [body.profile]),
    );
    const profileId = ids.get(body.profile);
    if (profileId === undefined) {
      const message = `there is no profile ${JSON.stringify(body.profile)}: create it with PUT /v1/profiles/${encodeURIComponent(body.profile)}`;
      throw new ProblemException('invalid_request', `The body is not valid: /profile: ${message}`, {
        errors: [{ pointer: '/profile', code: 'unknown_profile', message }],
      });
    }
    const { ttlSeconds } = body;
    const { token, expiresAt } = await mintInboxToken({ workspaceId, profileId, ttlSeconds });
    return { token, expiresAt: expiresAt.toISOString() };
  }

  @Operation('listInbox')
  list({ query, caller }: Call<'listInbox'>): Promise<Result<'listInbox'>> {
    const { cursor, filter, limit } = query;
    const before = cursor === undefined ? null : Number(cursor);
    return this.database.inWorkspace(caller.workspaceId, async (sql) =>
      listItems(sql, await present(sql, caller), filter, { limit, before }),
    );
  }

  @Operation('markInbox')
  async mark({ body, caller }: Call<'markInbox'>): Promise<Result<'markInbox'>> {
    const { deliveryIds, counts, profileId } = await this.database.inWorkspace(
      caller.workspaceId,
      async (sql) => {
        const owner = await present(sql, caller);
        return {
          deliveryIds: await markItems(sql, owner, body),
          counts: await countItems(sql, owner),
          profileId: owner.profileId,
        };
      },
    );
    if (deliveryIds.length > 0) inboxHints(this.database).changed(caller.workspaceId, [profileId]);
    this.deliveryHints.changed(caller.workspaceId, deliveryIds);
    return { changed: deliveryIds.length, ...counts };
  }

  @Operation('inboxTicket')
  async ticket({ caller }: Call<'inboxTicket'>): Promise<Result<'inboxTicket'>> {
    const owner = await this.database.inWorkspace(caller.workspaceId, (sql) => present(sql, caller));
    const { ticket, expiresAt } = await mintTicket(owner);
    return { ticket, expiresAt: expiresAt.toISOString() };
  }

  @Operation('streamInbox')
  async stream({ query, request, reply, signal }: Call<'streamInbox'>): Promise<Result<'streamInbox'>> {
    const ticket = await readTicket(query.ticket);
    const claimed =
      ticket && (await this.database.inWorkspace(ticket.workspaceId, (sql) => claimTicket(sql, ticket)));
    if (!claimed)
      throw new ProblemException(
        'unauthenticated',
        'This ticket was used, has expired, or is not one: get another from POST /v1/inbox/ticket.',
      );
    this.occupy(ticket.profileId, signal);
    const msLeft = Math.max(0, ticket.until.getTime() - Date.now());
    const cutOff = setTimeout(() => reply.raw.destroy(), msLeft + CUT_OFF_MS);
    signal.addEventListener('abort', () => clearTimeout(cutOff), { once: true });
    const lastEventId = request.headers['last-event-id'];
    const after = typeof lastEventId === 'string' ? seqOf(lastEventId) : null;
    return this.events(ticket, after, AbortSignal.any([signal, AbortSignal.timeout(msLeft)]));
  }

  /**
   * What came after `after`, or from now on, then what comes; and the counts whenever items were marked.
   * Hints only say when to look: the rows say what there is.
   */
  private async *events(
    inbox: Ticket,
    after: number | null,
    signal: AbortSignal,
  ): AsyncGenerator<StreamEvent> {
    const { workspaceId, profileId } = inbox;
    let told: Counts | undefined;
    for await (const _hint of this.listener.watch(
      { channel: INBOX_HINTS, workspaceId, id: profileId },
      signal,
    )) {
      const arrived: InboxItem[] = [];
      for (let more = true; more && !signal.aborted;) {
        const { items, counts, upTo } = await this.database.inWorkspace(workspaceId, (sql) =>
          itemsAfter(sql, inbox, after, READ_AT_ONCE),
        );
        for (const item of items) yield streamed({ type: 'item', item, ...counts }, item.seq);
        after = upTo;
        arrived.push(...items);
        more = items.length === READ_AT_ONCE;
        if (more) continue;
        // Without an item the hint was about marks; with some, their own numbers tell whether it was about marks too.
        if (arrived.length === 0 || !addUp(told, arrived, counts))
          yield streamed({ type: 'change', ...counts }, upTo);
        told = counts;
      }
    }
  }

  /** @throws ProblemException rate_limited */
  private occupy(profileId: string, signal: AbortSignal): void {
    const streams = this.open.get(profileId) ?? 0;
    if (streams >= MOST_STREAMS)
      throw new ProblemException(
        'rate_limited',
        `This profile has ${MOST_STREAMS} open streams: close one, or try again later.`,
        { headers: { 'retry-after': '30' } },
      );
    if (signal.aborted) return;
    this.open.set(profileId, streams + 1);
    signal.addEventListener('abort', () => this.leave(profileId), { once: true });
  }

  private leave(profileId: string): void {
    const left = (this.open.get(profileId) ?? 1) - 1;
    if (left > 0) this.open.set(profileId, left);
    else this.open.delete(profileId);
  }
}

/** Whether new items alone explain the counts. */
const addUp = (before: Counts | undefined, items: readonly InboxItem[], after: Counts): boolean =>
  before !== undefined &&
  before.unread + items.filter(({ readAt }) => readAt === null).length === after.unread &&
  before.unseen + items.filter(({ seenAt }) => seenAt === null).length === after.unseen;

const streamed = (data: InboxStreamEvent, seq: number): StreamEvent => ({
  event: data.type,
  id: String(seq),
  data,
});

/** A place in a feed, as cursors and event ids write it; null when it is none. */
const seqOf = (text: string): number | null => (/^\d{1,15}$/.test(text) ? Number(text) : null);

/** Whose inbox it is now: the profile of the token may have become part of another one. */
async function present<T extends { workspaceId: string; profileId: string }>(
  sql: Sql,
  caller: T,
): Promise<T> {
  const became = await whoTheyBecame(sql, caller.workspaceId, [caller.profileId]);
  return { ...caller, profileId: became.get(caller.profileId) ?? caller.profileId };
}
