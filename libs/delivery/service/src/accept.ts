/**
 * Accepting messages: one transaction writes the idempotency record, the message, its deliveries and the first line of
 * their timelines; the answer is given after the commit, never before. Sends that arrive together share it.
 * Nothing is queued before the commit, and nothing depends on the queue: a job that is lost is offered again by the clock.
 * What a dispatcher in this process has room for is committed as claimed by it, and handed over directly.
 */
import { bug, failpoint } from '@carillon/config';
import { deliverQueue, type Lane, type SendMessage } from '@carillon/contracts';
import {
  Database,
  ensurePartitions,
  GroupCommit,
  isMissingPartition,
  kept,
  rowParameters,
} from '@carillon/database';
import type { Sql } from '@carillon/database';
import { Queues } from '@carillon/queue';
import { Inject, Injectable } from '@nestjs/common';
import { LEASE_SECONDS, type Claimed, type MessageFacts } from './claimed.js';
import { groupBy } from './group-by.js';
import { claimKeys, hashFields, inFlight, isInFlight, replay, storedAnswers } from './idempotency.js';
import { LocalDispatchers, type HandedOver, type LocalDispatcher } from './local-dispatchers.js';
import { Precedence } from './precedence.js';
import {
  laneOf,
  loadTemplates,
  plan,
  resolveProfiles,
  templateRef,
  type AcceptResult,
  type Plan,
  type SendRequest,
} from './plan-message.js';

/** A queued row nobody claimed is offered again after this: its job was lost, or the backlog is long. */
export const OFFER_AGAIN_SECONDS = 20;

/**
 * Messages per transaction, transactions of a workspace under way, and the milliseconds between the beginnings of two. Who comes alone
 * waits for nobody. At 278 a second three share what each paid for by itself, from the acceptance to the record.
 */
const TOGETHER = { size: 500, parallel: 2, restMs: 8 };

@Injectable()
export class Acceptance {
  private readonly groups = new Map<string, GroupCommit<SendRequest, AcceptResult>>();

  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(Queues) private readonly queues: Queues,
    @Inject(LocalDispatchers) private readonly dispatchers: LocalDispatchers = new LocalDispatchers(),
    @Inject(Precedence) private readonly precedence: Precedence = new Precedence(),
  ) {}

  /** Accepts one message. Resolves after the commit. */
  accept(workspaceId: string, request: SendRequest): Promise<AcceptResult> {
    let group = this.groups.get(workspaceId);
    if (!group) {
      group = new GroupCommit((requests) => this.acceptAll(workspaceId, requests), TOGETHER);
      this.groups.set(workspaceId, group);
    }
    return group.add(request);
  }

  /** Accepts many in one transaction, each judged by itself, in the order given. */
  async acceptAll(workspaceId: string, requests: readonly SendRequest[]): Promise<AcceptResult[]> {
    let accepted: Accepted;
    try {
      accepted = await this.once(workspaceId, requests);
    } catch (error) {
      if (isInFlight(error)) return this.apart(workspaceId, requests);
      if (!isMissingPartition(error)) throw error;
      await ensurePartitions(this.database);
      accepted = await this.once(workspaceId, requests);
    }
    const { results, offers, direct } = accepted;
    failpoint('accept-after-commit');
    direct.handOver();
    for (const [queue, ids] of offers) void this.queues.offer(queue, ids);
    return results;
  }

  /**
   * Accepts many within the transaction of whoever asks: what they write and the messages are kept together, or neither.
   * `committed` is called after the commit and hands over, `givenUp` when there was none.
   */
  async acceptWithin(
    sql: Sql,
    workspaceId: string,
    requests: readonly SendRequest[],
  ): Promise<{ results: AcceptResult[]; committed(): void; givenUp(): void }> {
    const direct = new Direct(this.dispatchers);
    try {
      const { results, offers } = await acceptIn(sql, workspaceId, requests, direct, sql);
      return {
        results,
        committed: () => {
          direct.handOver();
          for (const [queue, ids] of offers) void this.queues.offer(queue, ids);
        },
        givenUp: () => direct.cancel(),
      };
    } catch (error) {
      direct.cancel();
      throw error;
    }
  }

  /** One of the keys is held by another transaction for too long: the others must not wait with it. */
  private async apart(workspaceId: string, requests: readonly SendRequest[]): Promise<AcceptResult[]> {
    const results = new Array<AcceptResult | undefined>(requests.length);
    const own = async (some: readonly number[]) => {
      const answers = await this.acceptAll(
        workspaceId,
        some.map((i) => requests[i]!),
      );
      some.forEach((i, n) => (results[i] = answers[n]));
    };
    // Equal keys stay together, in their order.
    const groups = groupBy(requests.keys(), (i) => requests[i]!.idempotencyKey ?? '');
    if (groups.size === 1) return requests.map(() => inFlight);
    await Promise.all([...groups.values()].map(own));
    return results as AcceptResult[];
  }

  private async once(workspaceId: string, requests: readonly SendRequest[]): Promise<Accepted> {
    const direct = new Direct(this.dispatchers);
    const work = () => this.commit(workspaceId, (sql) => acceptIn(sql, workspaceId, requests, direct));
    try {
      return await (requests.some((r) => laneOf(r) !== 'bulk') ? this.precedence.first(work) : work());
    } catch (error) {
      // If it was the answer to the commit that was lost, the rows are swept when their lease ends.
      direct.cancel();
      throw error;
    }
  }

  private commit<T>(workspaceId: string, work: (sql: Sql) => Promise<T>): Promise<T> {
    if (!bug('answer-before-commit')) return this.database.inWorkspace(workspaceId, work);
    return new Promise((resolve, reject) => {
      const late = async (sql: Sql) => {
        resolve(await work(Object.create(sql, { last: { value: sql } }) as Sql));
        await sql.query('SELECT pg_sleep(0.3)');
      };
      this.database.inWorkspace(workspaceId, late).catch(reject);
    });
  }
}

type Offers = Map<ReturnType<typeof deliverQueue>, string[]>;
interface Accepted {
  results: AcceptResult[];
  offers: Offers;
  direct: Direct;
}

/** The deliveries of one transaction that dispatchers of this process have made room for. */
class Direct {
  private readonly parts: { dispatcher: LocalDispatcher; lane: Lane; handed: HandedOver[] }[] = [];

  constructor(private readonly dispatchers: LocalDispatchers) {}

  /** Whether it may be committed as claimed. Campaigns wait in their queue, whoever has room. */
  take(claimed: Claimed, message: MessageFacts): boolean {
    const { channel, lane } = claimed;
    const dispatcher = lane === 'bulk' ? undefined : this.dispatchers.of(channel);
    if (!dispatcher?.reserve(lane)) return false;
    let part = this.parts.find((p) => p.dispatcher === dispatcher && p.lane === lane);
    if (!part) this.parts.push((part = { dispatcher, lane, handed: [] }));
    part.handed.push({ delivery: claimed, message: message.options.attachments ? null : message });
    return true;
  }
  handOver(): void {
    for (const { dispatcher, lane, handed } of this.parts) dispatcher.take(lane, handed);
  }
  cancel(): void {
    for (const { dispatcher, lane, handed } of this.parts) for (const _ of handed) dispatcher.cancel(lane);
  }
}

async function acceptIn(
  sql: Sql,
  workspaceId: string,
  requests: readonly SendRequest[],
  direct: Direct,
  last: Sql = sql.last,
): Promise<Accepted> {
  const now = new Date();
  const results = new Array<AcceptResult | undefined>(requests.length);
  if (bug('idempotency-unchecked')) requests = requests.map((r) => ({ ...r, idempotencyKey: null }));
  const fields = requests.map((r) => (r.idempotencyKey === null ? null : hashFields(r.message)));

  // A repeat is answered before anything else is looked at: even when the message would be refused today.
  const [known, templates] = await Promise.all([
    storedAnswers(
      sql,
      workspaceId,
      requests.flatMap((r) => r.idempotencyKey ?? []),
    ),
    loadTemplates(
      sql,
      workspaceId,
      requests.flatMap((r) => templateRef(r.message) ?? []),
    ),
  ]);
  requests.forEach((request, i) => {
    const stored = request.idempotencyKey === null ? undefined : known.get(request.idempotencyKey);
    if (stored) results[i] = replay(stored, fields[i]!);
  });

  const open = requests.map((_, i) => i).filter((i) => !results[i]);
  const profiles = await resolveProfiles(sql, workspaceId, requests, open);
  const plans = new Map<number, Plan>();
  for (const i of open) {
    const planned = await plan(requests[i]!, now, profiles.get(i), templates);
    if ('ok' in planned) results[i] = planned;
    else plans.set(i, planned);
  }

  const lost = await claimKeys(sql, workspaceId, plans, fields, results);
  for (const i of lost) plans.delete(i);
  const day = dayAt(now);
  const handed = new Set<string>();
  const offers: Offers = new Map();
  for (const [i, p] of plans) {
    results[i] = { ok: true, message: p.accepted, replayed: false };
    let message: MessageFacts | undefined;
    for (const d of p.deliveries) {
      if (d.dueAt) continue;
      message ??= factsOf(p);
      if (direct.take(claimedOf(workspaceId, day, now, p, d), message)) {
        handed.add(d.id);
        continue;
      }
      const queue = deliverQueue(d.channel, p.lane);
      const ids = offers.get(queue);
      if (ids) ids.push(d.id);
      else offers.set(queue, [d.id]);
    }
  }
  failpoint('accept-before-commit');
  await insert(last, workspaceId, day, [...plans.values()], now, handed);
  return { results: results as AcceptResult[], offers, direct };
}

/** The day partition of ids made at that time. */
const dayAt = (time: Date): string => time.toISOString().slice(0, 10);

/** The row as `insert` writes it for the dispatcher it is handed to. */
const claimedOf = (
  workspaceId: string,
  day: string,
  now: Date,
  p: Plan,
  d: Plan['deliveries'][number],
): Claimed => ({
  day,
  id: d.id,
  workspaceId,
  messageId: p.accepted.id,
  profileId: p.profileId,
  channel: d.channel,
  messageClass: p.request.message.class,
  lane: p.lane,
  topic: p.request.message.topic ?? null,
  templateId: p.template?.id ?? null,
  templateVersion: p.template?.version ?? null,
  address: d.address,
  attempt: 1,
  tries: 0,
  lastAccountId: null,
  routeStep: d.step,
  expiresAt: p.request.message.expiresAt ? new Date(p.request.message.expiresAt) : null,
  createdAt: now,
  redrivenAt: null,
  source: p.request.source?.kind ?? 'api',
});
const factsOf = (p: Plan): MessageFacts => ({
  content: p.content,
  data: p.request.message.data ?? {},
  options: optionsOf(p.request.message),
  route: p.request.message.route ?? null,
  deliveryIds: p.deliveries.map((d) => d.id),
  sendAt: p.request.message.sendAt ? new Date(p.request.message.sendAt) : null,
});

const MESSAGES = rowParameters(4, {
  id: 'uuid',
  class: 'text',
  lane: 'text',
  source: 'text',
  source_id: 'text',
  profile_id: 'uuid',
  topic: 'text',
  template_id: 'uuid',
  template_version: 'int',
  content: 'jsonb',
  data: 'jsonb',
  options: 'jsonb',
  delivery_ids: 'text',
  route: 'jsonb',
  send_at: 'timestamptz',
  expires_at: 'timestamptz',
});
const INSERT_MESSAGES = kept(
  'insert-messages',
  `INSERT INTO messages (day, id, workspace_id, class, lane, source, source_id, profile_id, topic, template_id, template_version, content, data, options, delivery_ids, route, send_at, expires_at, created_at)
     SELECT $1::date, u.id, $2::uuid, u.class, u.lane, u.source, u.source_id, u.profile_id, u.topic, u.template_id, u.template_version, u.content, u.data, u.options, u.delivery_ids::uuid[], u.route, u.send_at, u.expires_at, $3::timestamptz
       FROM ${MESSAGES.text} AS u`,
);
const DELIVERIES = rowParameters(6, {
  id: 'uuid',
  message_id: 'uuid',
  profile_id: 'uuid',
  channel: 'text',
  class: 'text',
  lane: 'text',
  source: 'text',
  source_id: 'text',
  topic: 'text',
  template_id: 'uuid',
  template_version: 'int',
  address: 'text',
  due_at: 'timestamptz',
  reason: 'text',
  route_step: 'int',
  expires_at: 'timestamptz',
  handed: 'boolean',
});
const INSERT_DELIVERIES = kept(
  'insert-deliveries',
  `WITH d AS (
     INSERT INTO deliveries (day, id, workspace_id, message_id, profile_id, channel, class, lane, source, source_id, topic, template_id, template_version, address, status, reason, attempt, due_at, route_step, expires_at, created_at)
     SELECT $1::date, u.id, $2::uuid, u.message_id, u.profile_id, u.channel, u.class, u.lane, u.source, u.source_id, u.topic, u.template_id, u.template_version, u.address,
            CASE WHEN u.due_at IS NOT NULL THEN 'scheduled' WHEN u.handed THEN 'sending' ELSE 'queued' END, u.reason, u.handed::int,
            coalesce(u.due_at, now() + make_interval(secs => CASE WHEN u.handed THEN $5::float8 ELSE $4::float8 END)), u.route_step, u.expires_at, $3::timestamptz
       FROM ${DELIVERIES.text} AS u
     RETURNING id, status, reason, due_at)
     INSERT INTO delivery_events (day, delivery_id, workspace_id, at, type, reason, detail)
     SELECT $1::date, d.id, $2::uuid, $3::timestamptz, 'accepted', d.reason,
            CASE WHEN d.status = 'scheduled' THEN jsonb_build_object('dueAt', to_char(d.due_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')) END FROM d`,
);

/**
 * Everything in one breath, for the commit to travel along.
 * @param handed ids of deliveries that are claimed by a dispatcher of this process
 */
async function insert(
  sql: Sql,
  workspaceId: string,
  day: string,
  plans: Plan[],
  now: Date,
  handed: ReadonlySet<string>,
): Promise<void> {
  if (plans.length === 0) return;
  const rows = plans.flatMap((p) => p.deliveries.map((d) => ({ p, d })));
  const messages = sql.execute(INSERT_MESSAGES, [
    day,
    workspaceId,
    now,
    ...MESSAGES.params({
      ...commonOf(plans),
      id: plans.map((p) => p.accepted.id),
      content: plans.map((p) => p.contentText),
      data: plans.map((p) => JSON.stringify(p.request.message.data ?? {})),
      options: plans.map((p) => JSON.stringify(optionsOf(p.request.message))),
      delivery_ids: plans.map((p) => `{${p.deliveries.map((d) => d.id).join(',')}}`),
      route: plans.map((p) => p.request.message.route && JSON.stringify(p.request.message.route)),
      send_at: plans.map((p) => p.request.message.sendAt),
    }),
  ]);
  const deliveries = sql.execute(INSERT_DELIVERIES, [
    day,
    workspaceId,
    now,
    OFFER_AGAIN_SECONDS,
    LEASE_SECONDS,
    ...DELIVERIES.params({
      ...commonOf(rows.map((r) => r.p)),
      id: rows.map((r) => r.d.id),
      message_id: rows.map((r) => r.p.accepted.id),
      channel: rows.map((r) => r.d.channel),
      address: rows.map((r) => r.d.address),
      due_at: rows.map((r) => r.d.dueAt),
      reason: rows.map((r) => r.d.reason),
      route_step: rows.map((r) => r.d.step),
      handed: rows.map((r) => handed.has(r.d.id)),
    }),
  ]);
  await Promise.all([messages, deliveries]);
}

/** What a message and its deliveries have in common. */
const commonOf = (plans: readonly Plan[]) => ({
  class: plans.map((p) => p.request.message.class),
  lane: plans.map((p) => p.lane),
  source: plans.map((p) => p.request.source?.kind ?? 'api'),
  source_id: plans.map((p) => p.request.source?.id),
  profile_id: plans.map((p) => p.profileId),
  topic: plans.map((p) => p.request.message.topic),
  template_id: plans.map((p) => p.template?.id),
  template_version: plans.map((p) => p.template?.version),
  expires_at: plans.map((p) => p.request.message.expiresAt),
});

const optionsOf = (m: SendMessage) => ({
  ...(m.replyTo ? { replyTo: m.replyTo } : {}),
  ...(m.attachments?.length ? { attachments: m.attachments } : {}),
  ...(m.metadata ? { metadata: m.metadata } : {}),
  ...(m.tracking ? { tracking: m.tracking } : {}),
  ...(m.priority === undefined ? {} : { priority: m.priority }),
});
