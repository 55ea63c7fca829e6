/**
 * Accepting messages: one transaction writes the idempotency record, the message, its deliveries and the first line of
 * their timelines; the answer is given after the commit, never before. Sends that arrive together share it.
 * Nothing is queued before the commit, and nothing depends on the queue: a job that is lost is offered again by the clock.
 */
import { upsertProfiles } from '@carillon/audience-service';
import { normalizeEmail, normalizePhone } from '@carillon/audience-rules';
import { deliverQueue } from '@carillon/contracts';
import type {
  AcceptedMessage,
  Channel,
  ContentByChannel,
  Lane,
  ProblemCode,
  ProblemError,
  RouteStep,
  SendMessage,
  TemplateVariable,
} from '@carillon/contracts';
import { Database, dayOf, ensurePartitions, isMissingPartition, newId } from '@carillon/database';
import type { Sql } from '@carillon/database';
import { Queues } from '@carillon/queue';
import { durationMs } from '@carillon/scheduling-rules';
import { Inject, Injectable } from '@nestjs/common';
import { createHash } from 'node:crypto';
import { checkContent } from './check-content.js';
import { GroupCommit } from './group-commit.js';

export interface SendRequest {
  message: SendMessage;
  idempotencyKey: string | null;
  source?: { kind: 'api' | 'campaign' | 'journey' | 'test'; id?: string };
}
export interface Refusal {
  ok: false;
  code: ProblemCode;
  detail: string;
  errors: ProblemError[];
}
export type AcceptResult = { ok: true; message: AcceptedMessage; replayed: boolean } | Refusal;

/** How long an idempotency key is remembered. Stated in the API's documentation. */
export const IDEMPOTENCY_WINDOW_HOURS = 48;
/** A queued row nobody claimed is offered again after this: its job was lost, or the backlog is long. */
export const OFFER_AGAIN_SECONDS = 30;

interface Template {
  id: string;
  key: string;
  version: number;
  channels: Channel[];
  variables: TemplateVariable[];
}
/** A request that passed every check and has its ids; not written yet. */
interface Plan {
  request: SendRequest;
  accepted: AcceptedMessage;
  profileId: string | null;
  template: Template | null;
  content: ContentByChannel | null;
  lane: Lane;
  deliveries: {
    id: string;
    channel: Channel;
    address: string | null;
    step: number;
    dueAt: Date | null;
    reason: string | null;
  }[];
}

@Injectable()
export class Acceptance {
  private readonly groups = new Map<string, GroupCommit<SendRequest, AcceptResult>>();

  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(Queues) private readonly queues: Queues,
  ) {}

  /** Accepts one message. Resolves after the commit. */
  accept(workspaceId: string, request: SendRequest): Promise<AcceptResult> {
    let group = this.groups.get(workspaceId);
    if (!group) {
      group = new GroupCommit((requests) => this.acceptAll(workspaceId, requests));
      this.groups.set(workspaceId, group);
    }
    return group.add(request);
  }

  /** Accepts many in one transaction, each judged by itself, in the order given. */
  async acceptAll(workspaceId: string, requests: readonly SendRequest[]): Promise<AcceptResult[]> {
    const once = () => this.database.inWorkspace(workspaceId, (sql) => acceptIn(sql, workspaceId, requests));
    const { results, offers } = await once().catch(async (error: unknown) => {
      if (!isMissingPartition(error)) throw error;
      await ensurePartitions(this.database);
      return once();
    });
    for (const [queue, ids] of offers) void this.queues.offer(queue, ids);
    return results;
  }
}

type Offers = Map<ReturnType<typeof deliverQueue>, string[]>;

async function acceptIn(
  sql: Sql,
  workspaceId: string,
  requests: readonly SendRequest[],
): Promise<{ results: AcceptResult[]; offers: Offers }> {
  const now = new Date();
  const results = new Array<AcceptResult | undefined>(requests.length);
  const fields = requests.map((r) => (r.idempotencyKey === null ? null : hashFields(r.message)));

  // A repeat is answered before anything else is looked at: even when the message would be refused today.
  const known = await storedAnswers(
    sql,
    workspaceId,
    requests.flatMap((r) => r.idempotencyKey ?? []),
  );
  requests.forEach((request, i) => {
    const stored = request.idempotencyKey === null ? undefined : known.get(request.idempotencyKey);
    if (stored) results[i] = replay(stored, fields[i]!);
  });

  const open = requests.map((_, i) => i).filter((i) => !results[i]);
  const profiles = await resolveProfiles(sql, workspaceId, requests, open);
  const templates = await loadTemplates(
    sql,
    workspaceId,
    open.flatMap((i) => templateRef(requests[i]!.message) ?? []),
  );
  const plans = new Map<number, Plan>();
  for (const i of open) {
    const planned = await plan(requests[i]!, now, profiles.get(i), templates);
    if ('ok' in planned) results[i] = planned;
    else plans.set(i, planned);
  }

  const lost = await claimKeys(sql, workspaceId, plans, fields, results);
  for (const i of lost) plans.delete(i);
  await insert(sql, workspaceId, [...plans.values()], now);

  const offers: Offers = new Map();
  for (const [i, p] of plans) {
    results[i] = { ok: true, message: p.accepted, replayed: false };
    for (const d of p.deliveries) {
      if (d.dueAt) continue;
      const queue = deliverQueue(d.channel, p.lane);
      offers.set(queue, [...(offers.get(queue) ?? []), d.id]);
    }
  }
  return { results: results as AcceptResult[], offers };
}

// ── idempotency ──────────────────────────────────────────────────────────────────────────────────────────────────────

interface Stored {
  fields: Record<string, string>;
  response: AcceptedMessage;
}
const hashFields = (message: SendMessage): Record<string, string> =>
  Object.fromEntries(
    Object.entries(message)
      .filter(([name, value]) => value !== undefined && name !== 'idempotencyKey')
      .map(([name, value]) => [
        name,
        createHash('sha256').update(canonical(value)).digest('hex').slice(0, 16),
      ]),
  );
/** JSON with sorted keys, so that the order of writing does not matter. */
const canonical = (value: unknown): string =>
  JSON.stringify(value, (_, v: unknown) =>
    v && typeof v === 'object' && !Array.isArray(v)
      ? Object.fromEntries(Object.entries(v).sort(([a], [b]) => (a < b ? -1 : 1)))
      : v,
  );

async function storedAnswers(sql: Sql, workspaceId: string, keys: string[]): Promise<Map<string, Stored>> {
  if (keys.length === 0) return new Map();
  const rows = await sql.query<{
    key: string;
    request_fields: Record<string, string>;
    response: AcceptedMessage;
  }>('SELECT key, request_fields, response FROM idempotency_keys WHERE workspace_id = $1 AND key = ANY($2)', [
    workspaceId,
    keys,
  ]);
  return new Map(rows.map((r) => [r.key, { fields: r.request_fields, response: r.response }]));
}

function replay(stored: Stored, fields: Record<string, string>): AcceptResult {
  const names = new Set([...Object.keys(stored.fields), ...Object.keys(fields)]);
  const differing = [...names].filter((name) => stored.fields[name] !== fields[name]).sort();
  if (differing.length === 0) return { ok: true, message: stored.response, replayed: true };
  return {
    ok: false,
    code: 'idempotency_mismatch',
    detail: `This idempotency key was used with another body; ${differing.join(', ')} differ${differing.length === 1 ? 's' : ''}. Use a new key for a new message.`,
    errors: differing.map((name) => ({
      pointer: `/${name}`,
      code: 'differs',
      message: 'differs from the first request with this key',
    })),
  };
}

/** Inserts the keys; whoever lost a race gets the winner's answer. Returns the indexes that must not be written. */
async function claimKeys(
  sql: Sql,
  workspaceId: string,
  plans: Map<number, Plan>,
  fields: (Record<string, string> | null)[],
  results: (AcceptResult | undefined)[],
): Promise<number[]> {
  const first = new Map<string, number>();
  const repeated: number[] = [];
  for (const [i, p] of plans) {
    const key = p.request.idempotencyKey;
    if (key === null) continue;
    if (first.has(key)) repeated.push(i);
    else first.set(key, i);
  }
  if (first.size === 0) return [];
  // Sorted, so that two groups with the same keys wait for each other instead of locking each other out.
  const keys = [...first.keys()].sort();
  const won = await sql.query<{ key: string }>(
    `INSERT INTO idempotency_keys (workspace_id, key, request_fields, response)
     SELECT $1, k, f::jsonb, r::jsonb FROM unnest($2::text[], $3::text[], $4::text[]) AS u(k, f, r)
     ON CONFLICT DO NOTHING RETURNING key`,
    [
      workspaceId,
      keys,
      keys.map((k) => JSON.stringify(fields[first.get(k)!])),
      keys.map((k) => JSON.stringify(plans.get(first.get(k)!)!.accepted)),
    ],
  );
  const winners = new Set(won.map((w) => w.key));
  const losers = keys.filter((k) => !winners.has(k)).map((k) => first.get(k)!);
  const stored = await storedAnswers(
    sql,
    workspaceId,
    losers.map((i) => plans.get(i)!.request.idempotencyKey!),
  );
  for (const i of losers) results[i] = replay(stored.get(plans.get(i)!.request.idempotencyKey!)!, fields[i]!);
  for (const i of repeated) {
    const twin = first.get(plans.get(i)!.request.idempotencyKey!)!;
    results[i] = replay(
      losers.includes(twin)
        ? stored.get(plans.get(twin)!.request.idempotencyKey!)!
        : { fields: fields[twin]!, response: plans.get(twin)!.accepted },
      fields[i]!,
    );
  }
  return [...losers, ...repeated];
}

// ── planning ─────────────────────────────────────────────────────────────────────────────────────────────────────────

const refuse = (...errors: ProblemError[]): Refusal => ({
  ok: false,
  code: 'invalid_request',
  detail:
    errors.length === 1
      ? `${errors[0]!.pointer}: ${errors[0]!.message}`
      : `${errors.length} things in the message are not valid.`,
  errors,
});
const at = (pointer: string, code: string, message: string): ProblemError => ({ pointer, code, message });
const templateRef = (m: SendMessage) =>
  m.template === undefined
    ? null
    : typeof m.template === 'string'
      ? { key: m.template, version: null }
      : { key: m.template.key, version: m.template.version ?? null };

type ResolvedProfile = { id: string } | { errors: ProblemError[] };

/** Profiles named by external id are looked up, those given inline are created or changed first. */
async function resolveProfiles(
  sql: Sql,
  workspaceId: string,
  requests: readonly SendRequest[],
  open: number[],
): Promise<Map<number, ResolvedProfile>> {
  const found = new Map<number, ResolvedProfile>();
  const inline = open.flatMap((i) => {
    const profile = requests[i]!.message.to.profile;
    return profile !== undefined && typeof profile !== 'string' ? [{ i, profile }] : [];
  });
  if (inline.length > 0) {
    const upserted = await upsertProfiles(
      sql,
      workspaceId,
      inline.map((x) => x.profile),
    );
    inline.forEach(({ i }, n) => {
      const result = upserted[n]!;
      found.set(
        i,
        result.outcome === 'failed'
          ? { errors: result.errors.map((e) => ({ ...e, pointer: `/to/profile${e.pointer}` })) }
          : { id: result.id },
      );
    });
  }
  const named = open.flatMap((i) => {
    const profile = requests[i]!.message.to.profile;
    return typeof profile === 'string' ? [{ i, externalId: profile }] : [];
  });
  if (named.length > 0) {
    const rows = await sql.query<{ id: string; external_id: string }>(
      'SELECT id, external_id FROM profiles WHERE workspace_id = $1 AND external_id = ANY($2)',
      [workspaceId, [...new Set(named.map((n) => n.externalId))]],
    );
    const ids = new Map(rows.map((r) => [r.external_id, r.id]));
    for (const { i, externalId } of named) {
      const id = ids.get(externalId);
      found.set(
        i,
        id
          ? { id }
          : {
              errors: [
                at(
                  '/to/profile',
                  'unknown_profile',
                  `there is no profile ${JSON.stringify(externalId)}: create it first, or give {"externalId": …, "email": …} here to create it with the message`,
                ),
              ],
            },
      );
    }
  }
  return found;
}

async function loadTemplates(
  sql: Sql,
  workspaceId: string,
  refs: { key: string; version: number | null }[],
): Promise<(key: string, version: number | null) => Template | undefined> {
  const rows =
    refs.length === 0
      ? []
      : await sql.query<Template & { newest: number }>(
          `SELECT t.id, t.key, tv.version, t.version AS newest, tv.variables,
                  ARRAY(SELECT jsonb_object_keys(tv.content)) AS channels
             FROM (SELECT DISTINCT k, v FROM unnest($2::text[], $3::int[]) AS u(k, v)) AS ref
             JOIN templates t ON t.workspace_id = $1 AND t.key = ref.k AND t.archived_at IS NULL
             JOIN template_versions tv ON tv.workspace_id = $1 AND tv.template_id = t.id AND tv.version = coalesce(ref.v, t.version)`,
          [workspaceId, refs.map((r) => r.key), refs.map((r) => r.version)],
        );
  return (key, version) => rows.find((r) => r.key === key && r.version === (version ?? r.newest));
}

/** Everything that can be decided now. Consent, suppression and addresses of profiles are decided when it is claimed. */
async function plan(
  request: SendRequest,
  now: Date,
  profile: ResolvedProfile | undefined,
  templates: (key: string, version: number | null) => Template | undefined,
): Promise<Plan | Refusal> {
  const m = request.message;
  const errors: ProblemError[] = [];
  if (profile && 'errors' in profile) errors.push(...profile.errors);

  const address = {
    email: null as string | null,
    sms: null as string | null,
    push: m.to.deviceToken ?? null,
    'in-app': null,
  };
  if (m.to.email !== undefined) {
    const email = normalizeEmail(m.to.email);
    if (email.ok) address.email = email.value;
    else errors.push(at('/to/email', email.code, email.sentence));
  }
  if (m.to.phone !== undefined) {
    const phone = normalizePhone(m.to.phone);
    if (phone.ok) address.sms = phone.value;
    else errors.push(at('/to/phone', phone.code, phone.sentence));
  }
  if (m.replyTo !== undefined) {
    const replyTo = normalizeEmail(m.replyTo);
    if (!replyTo.ok) errors.push(at('/replyTo', replyTo.code, replyTo.sentence));
  }
  const expiresAt = m.expiresAt ? new Date(m.expiresAt) : null;
  if (expiresAt && expiresAt <= now)
    errors.push(
      at(
        '/expiresAt',
        'in_the_past',
        'is in the past: the message would never be sent; give a later time or leave it out',
      ),
    );
  const sendAt = m.sendAt && new Date(m.sendAt) > now ? new Date(m.sendAt) : null;

  const steps: RouteStep[] = m.route ?? (m.channels ?? []).map((channel) => ({ channel }));
  const ref = templateRef(m);
  let template: Template | null = null;
  let content: ContentByChannel | null = null;
  if (ref) {
    template = templates(ref.key, ref.version) ?? null;
    if (!template)
      errors.push(
        at(
          '/template',
          'unknown_template',
          `there is no template ${JSON.stringify(ref.key)}${ref.version ? ` with version ${ref.version}` : ''}: PUT /v1/templates/${ref.key} creates it`,
        ),
      );
    else {
      const has = template.channels;
      steps.forEach((s, n) => {
        if (!has.includes(s.channel))
          errors.push(
            at(
              `/${m.route ? 'route' : 'channels'}/${n}`,
              'no_content',
              `the template has no ${s.channel} content: it has ${has.join(', ')}`,
            ),
          );
      });
      for (const variable of template.variables) {
        const [top = ''] = variable.name.split('.');
        if (variable.required && top !== 'profile' && m.data?.[top] === undefined)
          errors.push(
            at(
              `/data/${top}`,
              'missing_variable',
              `the template needs ${JSON.stringify(top)}: give it in data`,
            ),
          );
      }
    }
  } else if (m.content) {
    const checked = await checkContent(m.content, m.data ?? {});
    errors.push(...checked.errors);
    content = checked.content;
  }
  if (errors.length > 0) return refuse(...errors);

  const lane: Lane =
    request.source?.kind === 'campaign'
      ? 'bulk'
      : request.source?.kind === 'journey'
        ? 'journey'
        : m.class === 'marketing'
          ? 'bulk'
          : 'transactional';
  let waitMs = 0;
  const deliveries = steps.map((step, n) => {
    // Steps of a route share the clock with everything else that waits; whether they are still needed is decided then.
    waitMs += step.after === undefined ? 0 : durationMs(step.after);
    const later = m.route && n > 0;
    const dueAt = later ? new Date((sendAt ?? now).getTime() + waitMs) : sendAt;
    return {
      id: newId(now),
      channel: step.channel,
      address: address[step.channel],
      step: n,
      dueAt,
      reason: later ? 'fallback' : dueAt ? 'send_later' : null,
    };
  });
  const accepted: AcceptedMessage = {
    id: newId(now),
    deliveries: deliveries.map((d) => ({
      id: d.id,
      channel: d.channel,
      status: d.dueAt ? 'scheduled' : 'queued',
      reason: d.reason as AcceptedMessage['deliveries'][number]['reason'],
    })),
  };
  return {
    request,
    accepted,
    profileId: profile && 'id' in profile ? profile.id : null,
    template,
    content,
    lane,
    deliveries,
  };
}

// ── writing ──────────────────────────────────────────────────────────────────────────────────────────────────────────

async function insert(sql: Sql, workspaceId: string, plans: Plan[], now: Date): Promise<void> {
  if (plans.length === 0) return;
  const day = dayOf(plans[0]!.accepted.id);
  const json = (value: unknown) => (value === null || value === undefined ? null : JSON.stringify(value));
  const rows = plans.flatMap((p) => p.deliveries.map((d) => ({ p, d })));
  await sql.execute(
    `INSERT INTO messages (day, id, workspace_id, class, lane, source, source_id, profile_id, topic, template_id, template_version, content, data, options, delivery_ids, route, send_at, expires_at, created_at)
     SELECT $1::date, u.id, $2::uuid, u.class, u.lane, u.source, u.source_id, u.profile_id, u.topic, u.template_id, u.template_version, u.content::jsonb, u.data::jsonb, u.options::jsonb, u.delivery_ids::uuid[], u.route::jsonb, u.send_at, u.expires_at, $3::timestamptz
       FROM unnest($4::uuid[], $5::text[], $6::text[], $7::text[], $8::text[], $9::uuid[], $10::text[], $11::uuid[], $12::int[], $13::text[], $14::text[], $15::text[], $16::text[], $17::text[], $18::timestamptz[], $19::timestamptz[])
         AS u(id, class, lane, source, source_id, profile_id, topic, template_id, template_version, content, data, options, delivery_ids, route, send_at, expires_at)`,
    [
      day,
      workspaceId,
      now,
      plans.map((p) => p.accepted.id),
      plans.map((p) => p.request.message.class),
      plans.map((p) => p.lane),
      plans.map((p) => p.request.source?.kind ?? 'api'),
      plans.map((p) => p.request.source?.id ?? null),
      plans.map((p) => p.profileId),
      plans.map((p) => p.request.message.topic ?? null),
      plans.map((p) => p.template?.id ?? null),
      plans.map((p) => p.template?.version ?? null),
      plans.map((p) => json(p.content)),
      plans.map((p) => json(p.request.message.data ?? {})),
      plans.map((p) => json(optionsOf(p.request.message))),
      plans.map((p) => `{${p.deliveries.map((d) => d.id).join(',')}}`),
      plans.map((p) => json(p.request.message.route)),
      plans.map((p) => p.request.message.sendAt ?? null),
      plans.map((p) => p.request.message.expiresAt ?? null),
    ],
  );
  await sql.execute(
    `INSERT INTO deliveries (day, id, workspace_id, message_id, profile_id, channel, class, lane, source, source_id, topic, template_id, template_version, address, status, reason, due_at, route_step, expires_at, created_at)
     SELECT $1::date, u.id, $2::uuid, u.message_id, u.profile_id, u.channel, u.class, u.lane, u.source, u.source_id, u.topic, u.template_id, u.template_version, u.address,
            CASE WHEN u.due_at IS NULL THEN 'queued' ELSE 'scheduled' END, u.reason,
            coalesce(u.due_at, now() + make_interval(secs => $4)), u.route_step, u.expires_at, $3::timestamptz
       FROM unnest($5::uuid[], $6::uuid[], $7::uuid[], $8::text[], $9::text[], $10::text[], $11::text[], $12::text[], $13::text[], $14::uuid[], $15::int[], $16::text[], $17::timestamptz[], $18::text[], $19::int[], $20::timestamptz[])
         AS u(id, message_id, profile_id, channel, class, lane, source, source_id, topic, template_id, template_version, address, due_at, reason, route_step, expires_at)`,
    [
      day,
      workspaceId,
      now,
      OFFER_AGAIN_SECONDS,
      rows.map((r) => r.d.id),
      rows.map((r) => r.p.accepted.id),
      rows.map((r) => r.p.profileId),
      rows.map((r) => r.d.channel),
      rows.map((r) => r.p.request.message.class),
      rows.map((r) => r.p.lane),
      rows.map((r) => r.p.request.source?.kind ?? 'api'),
      rows.map((r) => r.p.request.source?.id ?? null),
      rows.map((r) => r.p.request.message.topic ?? null),
      rows.map((r) => r.p.template?.id ?? null),
      rows.map((r) => r.p.template?.version ?? null),
      rows.map((r) => r.d.address),
      rows.map((r) => r.d.dueAt),
      rows.map((r) => r.d.reason),
      rows.map((r) => r.d.step),
      rows.map((r) => r.p.request.message.expiresAt ?? null),
    ],
  );
  await sql.execute(
    `INSERT INTO delivery_events (day, delivery_id, workspace_id, at, type, reason, detail)
     SELECT $1::date, u.id, $2::uuid, $3::timestamptz, 'accepted', u.reason, u.detail::jsonb FROM unnest($4::uuid[], $5::text[], $6::text[]) AS u(id, reason, detail)`,
    [
      day,
      workspaceId,
      now,
      rows.map((r) => r.d.id),
      rows.map((r) => r.d.reason),
      rows.map((r) => (r.d.dueAt ? JSON.stringify({ dueAt: r.d.dueAt.toISOString() }) : null)),
    ],
  );
}

const optionsOf = (m: SendMessage) => ({
  ...(m.replyTo ? { replyTo: m.replyTo } : {}),
  ...(m.attachments?.length ? { attachments: m.attachments } : {}),
  ...(m.metadata ? { metadata: m.metadata } : {}),
});
