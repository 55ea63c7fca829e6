/**
 * Claiming: one committed UPDATE makes this worker the only one that may act on a delivery (fence: `attempt`; lease:
 * `due_at`, on the database's clock). Then the facts are read, all in one trip or two, and the gate judges. Nothing has
 * left before; the hand-over mark comes later (hand-over.ts), and reads again what may have changed.
 */
import { consentsOf, recipientsByIds, suppressionsOf } from '@carillon/audience-service';
import { bug } from '@carillon/config';
import type { Channel, Lane, MessageClass, Status } from '@carillon/contracts';
import { AT_HOME, dayOf, kept, keptByDay, type Sql } from '@carillon/database';
import {
  countingTopics,
  gate,
  ownFactsFor,
  personOf,
  type GateFacts,
  type GateSettings,
  type OwnFacts,
  type Rank,
  type Recipient,
  type TrackingPolicy,
  type Verdict,
} from '@carillon/delivery-rules';
import type { Channel as ChannelShape, RetryPolicy } from '@carillon/delivery-rules';
import {
  groupBy,
  lateFactsFor,
  LEASE_SECONDS,
  memberDataOf,
  usableAccounts,
  type Claimed,
  type MessageFacts,
  type SendingAccount,
  mayBeUsed,
  rankOf,
  sentLately,
  stateOf,
  wantedOf,
} from '@carillon/delivery-service';
import { comeBack } from './account-flow.js';

export { LEASE_SECONDS, type Claimed, type MessageFacts };
/** A delivery that passed the gate. */
export interface Ready {
  delivery: Claimed;
  message: MessageFacts;
  recipient: Recipient;
  targets: { address: string; attemptId: string }[];
  /** Those that may be used now. */
  accounts: SendingAccount[];
  /** The workspace's own policy for unknown outcomes of its class. */
  onUnknown: 'retry' | 'hold' | null;
  /** Of the channel, as the workspace wants it. */
  retry: RetryPolicy;
  /** The topics whose words count for it: asked again when it is marked. */
  countingTopics: string[];
  /** The workspace's own rules that judged it; null where it has none. */
  own: OwnFacts | null;
  /** How the workspace wants opens and clicks counted. */
  tracking: TrackingPolicy | undefined;
}
/** A delivery that will not be sent now, and why. */
export interface Stopped {
  delivery: Claimed;
  verdict: Exclude<Verdict, { kind: 'send' }>;
  trace: readonly string[];
  /** Of the workspace's own rules; null where it has none. */
  gateVersion: number | null;
  /** Those rules, and its rank, of what waits for a place of a capacity. */
  own?: OwnFacts | null;
  /** The later step of its route, which is brought forward when this one will not do. */
  nextStepId: string | null;
}

/** Takes what is still queued of these ids. A row that someone else holds at this moment is left to them. */
export async function claim(sql: Sql, ids: readonly string[]): Promise<Claimed[]> {
  const byDay = await Promise.all(
    [...groupBy(ids, dayOf)].map(([day, some]) => sql.query<Claimed>(CLAIM(day), [some, LEASE_SECONDS])),
  );
  return byDay.flat();
}

const CLAIM = keptByDay(
  'claim',
  (day) => `WITH mine AS (
     SELECT id FROM deliveries WHERE ${AT_HOME} AND day = ${day} AND id = ANY($1::uuid[]) AND status ${bug('claim-takes-anyones') ? "IN ('queued', 'sending', 'sent')" : "= 'queued'"} FOR UPDATE SKIP LOCKED
   )
   UPDATE deliveries d
      SET status = 'sending', reason = NULL, attempt = d.attempt + 1, handed_over_at = NULL, due_at = now() + make_interval(secs => $2)
     FROM mine WHERE d.day = ${day} AND d.id = ANY($1::uuid[]) AND d.id = mine.id
   RETURNING d.day::text AS day, d.id, d.workspace_id AS "workspaceId", d.message_id AS "messageId", d.profile_id AS "profileId", d.channel,
             d.class AS "messageClass", d.lane, d.topic, d.template_id AS "templateId", d.template_version AS "templateVersion", d.address,
             d.attempt, d.tries, d.provider_account_id AS "lastAccountId", d.route_step AS "routeStep", d.expires_at AS "expiresAt", d.created_at AS "createdAt",
             d.redriven_at AS "redrivenAt", d.source`,
);

/**
 * Reads the facts of one workspace's claims and lets the gate judge them. Writes nothing.
 * @param known messages that need not be read again, by id
 */
export async function judge(
  sql: Sql,
  channel: ChannelShape,
  workspaceId: string,
  claimed: readonly Claimed[],
  random: () => number = Math.random,
  known: ReadonlyMap<string, MessageFacts> = new Map(),
): Promise<{ ready: Ready[]; stopped: Stopped[] }> {
  const profileIds = [...new Set(claimed.flatMap((d) => d.profileId ?? []))];
  const messagesNow = () => messagesOf(sql, workspaceId, claimed, known);
  // Two breaths: whom it is about, and of later steps what came before; then all the rest. One where it is about addresses.
  const [routed, people] = await Promise.all([
    claimed.some((d) => d.routeStep > 0) ? messagesNow() : null,
    recipientsByIds(sql, workspaceId, profileIds),
  ]);
  const recipients = new Map(people.map((r) => [r.profileId, r]));
  const withTargets = claimed.map((delivery) => {
    const recipient = recipientOf(delivery, recipients.get(delivery.profileId ?? ''));
    // An address given with the message wins over what the profile says today.
    const targets = (recipient ? channel.addresses(recipient) : []).map((t) => ({
      address: t.address,
      attemptId: t.attemptId ?? delivery.id,
    }));
    return { delivery, recipient, targets };
  });
  const addresses = [...new Set(withTargets.flatMap((w) => w.targets.map((t) => t.address)))];
  const [messages, workspaces, memberData, accounts, before, suppressions, consents, pausedRuns] =
    await Promise.all([
      routed ?? messagesNow(),
      sql.query<{ now: Date; settings: WorkspaceSettings }>(SETTINGS, [workspaceId]),
      memberDataOf(sql, workspaceId, claimed),
      usableAccounts(sql, workspaceId, channel.channel),
      routed ? stepsBefore(sql, workspaceId, claimed, routed) : NOTHING_BEFORE,
      suppressionsOf(sql, workspaceId, channel.channel, addresses),
      consentsOf(sql, workspaceId, channel.channel, {
        addresses,
        profileIds,
        topics: claimed.map((d) => d.topic),
      }),
      pausedRunsOf(sql, workspaceId, claimed),
    ]);
  const { now, settings } = workspaces[0] ?? { now: new Date(), settings: {} };
  const retry = { ...channel.retry, ...settings.retry?.[channel.channel] };
  const accountState = stateOf(accounts);
  const owns = await ownFactsOf(sql, workspaceId, settings, withTargets, messages, now);

  const ready: Ready[] = [];
  const stopped: Stopped[] = [];
  for (const { delivery, recipient, targets } of withTargets) {
    const shared = messages.get(delivery.messageId);
    const ofOne = memberData.get(delivery.id);
    const message = shared && ofOne ? { ...shared, data: { ...shared.data, ...ofOne } } : shared;
    if (!message) throw new Error(`message ${delivery.messageId} is missing`);
    const [first] = targets;
    const step = message.route?.[delivery.routeStep];
    const earlier = delivery.routeStep > 0 ? before.get(delivery.id) : undefined;
    const consent = consents(delivery.profileId, first?.address ?? null, delivery.topic);
    const own = owns(delivery, recipient);
    const { verdict, trace } = gate({
      now,
      channel: channel.channel,
      messageClass: delivery.messageClass,
      topic: delivery.topic,
      expiresAt: bug('expiry-ignored') ? null : delivery.expiresAt,
      address: first?.address ?? null,
      addressInvalid: false,
      profileGone: delivery.profileId !== null && recipient === null,
      route: earlier
        ? { before: earlier.status, unless: step?.unless ?? null, beforeRead: earlier.read }
        : null,
      allowList: settings.allowList ?? null,
      suppression: first ? (suppressions.get(first.address) ?? null) : null,
      ...consent,
      transactionalIgnoresComplaints: settings.transactionalIgnoresComplaints === true,
      noConsentMeans: settings.noConsentMeans ?? 'in',
      accounts: apart(accountState, delivery.lane, random()),
      own,
      campaignPaused: pausedRuns.has(delivery.messageId),
    });
    if (verdict.kind === 'send' && recipient)
      ready.push({
        delivery,
        message,
        recipient,
        targets,
        accounts: accounts.filter(mayBeUsed),
        retry,
        countingTopics: countingTopics(delivery.messageClass, delivery.topic, consent.topicFacts),
        onUnknown: settings.unknown?.[delivery.messageClass] ?? null,
        own,
        tracking: settings.tracking,
      });
    else if (verdict.kind !== 'send')
      stopped.push({
        delivery,
        verdict,
        trace,
        gateVersion: own?.version ?? null,
        own,
        nextStepId: nextStep(delivery, message),
      });
  }
  return { ready, stopped };
}

const SETTINGS = kept('settings', 'SELECT clock_timestamp() AS now, settings FROM workspaces WHERE id = $1');

/** Messages of campaigns that are paused. Nothing is asked where no delivery is of one. */
async function pausedRunsOf(
  sql: Sql,
  workspaceId: string,
  claimed: readonly Claimed[],
): Promise<Set<string>> {
  const ids = new Set(claimed.flatMap((d) => (d.source === 'campaign' ? [d.messageId] : [])));
  if (ids.size === 0) return ids;
  const rows = await sql.query<{ id: string }>(
    `SELECT r.message_id AS id FROM runs r JOIN campaigns c ON c.workspace_id = $1 AND c.id::text = r.source_id
      WHERE r.workspace_id = $1 AND r.message_id = ANY($2::uuid[]) AND c.state = 'paused'`,
    [workspaceId, [...ids]],
  );
  return new Set(rows.map((row) => row.id));
}

/** What the workspace's own rules ask. One more breath where it has caps or capacities, none where it has no rules. */
async function ownFactsOf(
  sql: Sql,
  workspaceId: string,
  settings: WorkspaceSettings,
  batch: readonly { delivery: Claimed; recipient: Recipient | null }[],
  messages: ReadonlyMap<string, MessageFacts>,
  now: Date,
): Promise<(delivery: Claimed, recipient: Recipient | null) => OwnFacts | null> {
  const own = ownFactsFor(settings);
  if (!own) return () => null;
  const wanted = batch.flatMap(
    ({ delivery, recipient }) => wantedOf(delivery, own({ ...delivery, recipient }, undefined)) ?? [],
  );
  const rank = (d: Claimed): Rank => rankOf(messages.get(d.messageId)?.options.priority, d.messageId);
  const late = await lateFactsFor(
    sql,
    workspaceId,
    settings,
    batch.map(({ delivery }) => ({ ...delivery, ...rank(delivery) })),
    now,
  );
  const lists = wanted.length > 0 ? await sentLately(sql, workspaceId, wanted, now) : null;
  return (delivery, recipient) =>
    own(
      { ...delivery, recipient },
      lists?.get(personOf(delivery) ?? ''),
      late({ ...delivery, ...rank(delivery) }),
    );
}

/** What waits comes back in no crowd. */
function apart(state: GateFacts['accounts'], lane: Lane, random: number): GateFacts['accounts'] {
  if (typeof state === 'string') return state;
  const { wait, afterMs } = state;
  return wait === 'account_paused'
    ? { wait, afterMs: Math.round(afterMs * (0.75 + random / 4)) }
    : { wait, afterMs: Math.round(afterMs) + comeBack(lane, random) };
}

export const nextStep = (delivery: Claimed, message: MessageFacts): string | null =>
  message.route ? (message.deliveryIds[delivery.routeStep + 1] ?? null) : null;

/** What the gate and the mark read of a workspace's settings. */
export interface WorkspaceSettings extends GateSettings {
  allowList?: string[] | null;
  noConsentMeans?: 'in' | 'out';
  transactionalIgnoresComplaints?: boolean;
  unknown?: Partial<Record<MessageClass, 'retry' | 'hold'>>;
  retry?: Partial<Record<Channel, Partial<RetryPolicy>>>;
  tracking?: TrackingPolicy;
}

async function messagesOf(
  sql: Sql,
  workspaceId: string,
  claimed: readonly Claimed[],
  known: ReadonlyMap<string, MessageFacts>,
): Promise<Map<string, MessageFacts>> {
  const found = new Map(known);
  const missing = claimed.filter((d) => !found.has(d.messageId));
  const byDay = await Promise.all(
    [...groupBy(missing, (d) => d.day)].map(([day, some]) =>
      sql.query<MessageFacts & { id: string }>(MESSAGES(day), [
        workspaceId,
        [...new Set(some.map((d) => d.messageId))],
      ]),
    ),
  );
  for (const row of byDay.flat()) found.set(row.id, row);
  return found;
}

const MESSAGES = keptByDay(
  'messages',
  (day) =>
    `SELECT id, content, data, options, route, delivery_ids AS "deliveryIds", send_at AS "sendAt" FROM messages WHERE day = ${day} AND workspace_id = $1 AND id = ANY($2::uuid[])`,
);

const NOTHING_BEFORE: Awaited<ReturnType<typeof stepsBefore>> = new Map();

/** For later steps of a route: how far any step before got. One query, whatever the batch. */
async function stepsBefore(
  sql: Sql,
  workspaceId: string,
  claimed: readonly Claimed[],
  messages: Map<string, MessageFacts>,
): Promise<Map<string, { status: Status; read: boolean }>> {
  const earlier = new Map<string, { day: string; ids: string[] }>();
  for (const delivery of claimed) {
    const message = messages.get(delivery.messageId);
    // `channels` go out side by side: only steps of a route wait for one another.
    const ids = message?.route ? message.deliveryIds.slice(0, delivery.routeStep) : [];
    if (ids.length > 0) earlier.set(delivery.id, { day: delivery.day, ids });
  }
  const byDay = await Promise.all(
    [...groupBy(earlier.values(), (e) => e.day)].map(([day, steps]) =>
      sql.query<{ id: string; status: Status; read: boolean }>(
        `SELECT d.id, d.status, EXISTS (SELECT 1 FROM delivery_events e WHERE e.day = $1::date AND e.delivery_id = d.id AND e.type IN ('opened', 'read', 'clicked')) AS read
           FROM deliveries d WHERE d.day = $1::date AND d.id = ANY($2::uuid[]) AND d.workspace_id = $3`,
        [day, steps.flatMap((e) => e.ids), workspaceId],
      ),
    ),
  );
  const rows = new Map(byDay.flat().map((row) => [row.id, row]));
  const found = new Map<string, { status: Status; read: boolean }>();
  for (const [id, { ids }] of earlier) {
    const steps = ids.flatMap((step) => rows.get(step) ?? []);
    const reached = (status: Status) => steps.some((row) => row.status === status);
    const status = reached('delivered')
      ? 'delivered'
      : reached('sent')
        ? 'sent'
        : (steps.at(-1)?.status ?? 'failed');
    found.set(id, { status, read: steps.some((row) => row.read) });
  }
  return found;
}

/** Null when the profile is gone. A delivery without a profile is its address. */
function recipientOf(delivery: Claimed, profile: Recipient | undefined): Recipient | null {
  if (delivery.profileId !== null) return profile ?? null;
  const { channel, address } = delivery;
  return {
    profileId: null,
    externalId: null,
    email: channel === 'email' ? address : null,
    phone: channel === 'sms' ? address : null,
    locale: null,
    timezone: null,
    attributes: {},
    devices: channel === 'push' && address ? [{ id: delivery.id, token: address, platform: 'android' }] : [],
  };
}
