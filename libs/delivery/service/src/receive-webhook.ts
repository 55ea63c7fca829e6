/**
 * Where providers report: `POST /v1/webhooks/:channel/:provider/:accountId`. The provider verifies the raw body before
 * anything reads it; whoever is not who he claims to be gets one answer after one time, whatever was wrong.
 */
import { failpoint } from '@carillon/config';
import type { Channel } from '@carillon/contracts';
import { Database, GroupCommit } from '@carillon/database';
import {
  WebhookRefused,
  WebhookUnreadable,
  type Inbound,
  type Provider,
  type Receipt,
} from '@carillon/delivery-rules';
import { ProblemException, Public } from '@carillon/server';
import { Queues } from '@carillon/queue';
import { Controller, HttpCode, Inject, Param, Post, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { setTimeout as sleep } from 'node:timers/promises';
import { providerOf } from './account-settings.js';
import { applyReceipts } from './apply-receipts.js';
import { channelShapes } from './channels.js';
import { DeliveryHints } from './hints.js';
import { takeInbound } from './inbound.js';
import { links, verifyCallback } from './links.js';
import { openSettings } from './sending-accounts.js';
import type { Envelope } from './secrets.js';
import { keepUnreadable } from './unread-bounces.js';

const MOST_BYTES = 1_048_576;
/** Receipts of one account that come together share a transaction; a campaign by SMS brings two per person. */
const TOGETHER = { size: 200, parallel: 2 };
/** Longer than any verification takes, so that the time of a refusal does not tell which accounts exist. Milliseconds. */
const REFUSED_AFTER_MS = 50;

interface Address {
  channel: string;
  provider: string;
  accountId: string;
}
interface Account {
  id: string;
  workspaceId: string;
  revision: number;
  settings: Record<string, unknown>;
  secrets: Record<string, Envelope>;
}

@Controller()
export class WebhooksController {
  /** By account. */
  private readonly desks = new Map<string, GroupCommit<readonly Receipt[], PromiseSettledResult<void>>>();

  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(Queues) private readonly queues: Queues,
    @Inject(DeliveryHints) private readonly hints: DeliveryHints,
  ) {}

  @Public()
  @Post('/v1/webhooks/:channel/:provider/:accountId')
  @HttpCode(204)
  async receive(
    @Param() address: Address,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<string | void> {
    const body = request.body instanceof Uint8Array ? request.body : new Uint8Array();
    if (body.length > MOST_BYTES)
      throw new ProblemException('body_too_large', 'A webhook is at most 1 MB: send fewer events at once.');
    const refusedAt = performance.now() + REFUSED_AFTER_MS;
    const authentic = await this.verify(address, request, body);
    if (!authentic) {
      await sleep(Math.max(0, refusedAt - performance.now()));
      throw new ProblemException(
        'webhook_refused',
        'The signature does not fit this address: check the account, its secrets and the public address of this installation.',
      );
    }
    const { account, receipts, inbound } = authentic;
    if (inbound) return this.takeInbound(account, inbound, authentic.answer, reply);
    const { unreadable } = authentic;
    if (unreadable)
      await this.database.inWorkspace(account.workspaceId, (sql) => keepUnreadable(sql, account, unreadable));
    if (receipts.length === 0) return;
    const kept = await this.deskOf(account).add(receipts);
    if (kept.status === 'rejected') throw kept.reason;
  }

  private deskOf({ id, workspaceId }: Account): GroupCommit<readonly Receipt[], PromiseSettledResult<void>> {
    let desk = this.desks.get(id);
    if (!desk) {
      desk = new GroupCommit((calls) => this.applyAll({ id, workspaceId }, calls), TOGETHER);
      this.desks.set(id, desk);
    }
    return desk;
  }

  private async applyAll(
    account: Pick<Account, 'id' | 'workspaceId'>,
    calls: readonly (readonly Receipt[])[],
  ): Promise<PromiseSettledResult<void>[]> {
    const together = calls.length > 1 && (await Promise.allSettled([this.apply(account, calls.flat())]))[0];
    // One that cannot be written does not take the others along: then each goes by itself, and fails by itself.
    return together && together.status === 'fulfilled'
      ? calls.map(() => together)
      : Promise.allSettled(calls.map((call) => this.apply(account, call)));
  }

  private async apply(
    account: Pick<Account, 'id' | 'workspaceId'>,
    receipts: readonly Receipt[],
  ): Promise<void> {
    const { deliveryIds, eventIds } = await this.database.inWorkspace(account.workspaceId, (sql) =>
      applyReceipts(sql, account, receipts),
    );
    failpoint('receipts-after-commit');
    this.hints.changed(account.workspaceId, deliveryIds);
    if (eventIds.length > 0) await this.queues.offer('route-event', eventIds);
  }

  /** What a person wrote back: what it says holds before this answers. */
  private async takeInbound(
    account: Account,
    inbound: Inbound,
    answer: Provider['inboundAnswer'],
    reply: FastifyReply,
  ): Promise<string | void> {
    const taken = await this.database.inWorkspace(account.workspaceId, (sql) =>
      takeInbound(sql, account.workspaceId, inbound),
    );
    this.hints.changed(account.workspaceId, taken.deliveryIds);
    if (taken.eventIds.length > 0) void this.queues.offer('route-event', taken.eventIds);
    if (!answer) return;
    const { type, body } = answer(taken.reply);
    reply.status(200).header('content-type', type);
    return body;
  }

  /** @returns null when there is no such account, or the request is not of its provider */
  private async verify(
    address: Address,
    request: FastifyRequest,
    rawBody: Uint8Array,
  ): Promise<{
    account: Account;
    receipts: Receipt[];
    inbound: Inbound | null;
    unreadable: WebhookUnreadable | null;
    answer: Provider['inboundAnswer'];
  } | null> {
    const provider = isChannel(address.channel) ? providerOf(address.channel, address.provider) : undefined;
    const account = provider?.parseWebhook ? await this.accountAt(address) : null;
    if (!account || !provider) return null;
    const parsed = await parse(provider, account, request, rawBody);
    return parsed && { account, ...parsed, answer: provider.inboundAnswer };
  }

  private async accountAt({ channel, provider, accountId }: Address): Promise<Account | null> {
    if (!/^[0-9a-f-]{36}$/.test(accountId)) return null;
    // The address alone tells which workspace it is about.
    const [account] = await this.database.acrossWorkspaces(({ last }) =>
      last.query<Account>(
        `SELECT id, workspace_id AS "workspaceId", revision, settings, secrets FROM provider_accounts
          WHERE id::text = $1 AND channel = $2 AND provider = $3 AND deleted_at IS NULL`,
        [accountId, channel, provider],
      ),
    );
    return account ?? null;
  }
}

const isChannel = (name: string): name is Channel => Object.hasOwn(channelShapes, name);

async function parse(
  provider: Provider,
  account: Account,
  request: FastifyRequest,
  rawBody: Uint8Array,
): Promise<{
  receipts: Receipt[];
  inbound: Inbound | null;
  unreadable: WebhookUnreadable | null;
} | null> {
  const ours = links();
  // What the provider called, as it signed it: proxies in between may have changed host and scheme.
  const url = `${ours.webhookUrl}${request.url}`;
  const { searchParams } = new URL(url);
  const deliveryId = verifyCallback(ours, account.id, {
    delivery: searchParams.get('delivery') ?? undefined,
    signature: searchParams.get('signature') ?? undefined,
  });
  const headers = Object.fromEntries(
    Object.entries(request.headers).map(([name, value]) => [
      name,
      Array.isArray(value) ? value.join(', ') : value,
    ]),
  );
  try {
    const settings = openSettings(account, account.secrets);
    const called = { method: request.method, url, headers, rawBody };
    const inbound = (await provider.parseInbound?.(called, settings)) ?? null;
    const receipts = inbound ? [] : await provider.parseWebhook?.(called, settings, deliveryId);
    return receipts ? { receipts, inbound, unreadable: null } : null;
  } catch (error) {
    if (error instanceof WebhookUnreadable) return { receipts: [], inbound: null, unreadable: error };
    if (error instanceof WebhookRefused) return null;
    throw error;
  }
}
