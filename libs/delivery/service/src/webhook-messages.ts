/**
 * What endpoints are told: rows that the database writes beside the timeline (see the trigger of migration
 * webhooks_out), claimed here under a lease, and their bodies, read from the log when they are sent. Ids and words only:
 * no content, no address.
 */
import type {
  Page,
  Status,
  WebhookAttempt,
  DeliveryWebhookData,
  WebhookBody,
  WebhookMessage,
  WebhookReplay,
} from '@carillon/contracts';
import { statuses, webhookTypes } from '@carillon/contracts';
import { AT_HOME, dayOf, kept, newId, type Database, type Sql } from '@carillon/database';
import { groupBy } from './group-by.js';
import type { KeptSecret } from './webhook-endpoints.js';

/** Longer than a call may take. A sender that died leaves its rows due again after it. */
const LEASE_SECONDS = 30;
const KEPT_ATTEMPTS = 16;
export const WEBHOOKS_KEPT_DAYS = 30;
/** An event may be about a delivery this much older: a click in an old mail. */
const EVENTS_AFTER_DAYS = 30;
/** Deliveries may be planned this far ahead; see partitions.ts. */
const PLANNED_DAYS = 8;
const FORGET_SLICE = 5000;
const DAY_MS = 86_400_000;

/** An endpoint with something due. */
export interface DueEndpoint {
  id: string;
  workspaceId: string;
  url: string;
  secrets: KeptSecret[];
  failingSince: Date | null;
  now: Date;
}
export interface ClaimedWebhook {
  endpointId: string;
  eventId: string;
  workspaceId: string;
  type: string;
  happenedAt: Date;
  payload: WebhookBody['data'] | null;
  /** Fence: only this attempt may record. */
  tries: number;
}
export interface WebhookOutcome {
  endpointId: string;
  eventId: string;
  tries: number;
  attempt: WebhookAttempt;
  status: 'pending' | 'sent' | 'failed';
  /** Until the next attempt, while pending. */
  afterMs: number | null;
}

/** Enabled endpoints that have something due, over all workspaces. */
export function dueEndpoints(sql: Sql): Promise<DueEndpoint[]> {
  return sql.query<DueEndpoint>(DUE_ENDPOINTS);
}
const DUE_ENDPOINTS = kept(
  'due-endpoints',
  `SELECT w.id, w.workspace_id AS "workspaceId", w.url, w.secrets, w.failing_since AS "failingSince", now() AS now
     FROM webhook_endpoints w
    WHERE ${AT_HOME} AND w.enabled AND EXISTS (SELECT FROM webhook_messages m WHERE m.endpoint_id = w.id AND m.due_at <= now() OFFSET 0)`,
);

/** Takes what is due, at most so many per endpoint: a slow one holds its own places and nobody else's. */
export function claimWebhooks(
  sql: Sql,
  places: readonly { endpointId: string; free: number }[],
): Promise<ClaimedWebhook[]> {
  return sql.query<ClaimedWebhook>(
    // Materialized: joined directly, the planner might take the due ones more than once, and so more than there are places.
    `WITH due AS MATERIALIZED (
       SELECT p.endpoint_id, d.event_id FROM unnest($1::uuid[], $2::int[]) AS p(endpoint_id, free)
        CROSS JOIN LATERAL (
          SELECT event_id FROM webhook_messages WHERE endpoint_id = p.endpoint_id AND due_at <= now()
           ORDER BY due_at LIMIT p.free FOR UPDATE SKIP LOCKED) AS d)
     UPDATE webhook_messages m SET tries = m.tries + 1, due_at = now() + make_interval(secs => $3)
       FROM due WHERE m.endpoint_id = due.endpoint_id AND m.event_id = due.event_id
     RETURNING m.endpoint_id AS "endpointId", m.event_id AS "eventId", m.workspace_id AS "workspaceId", m.type, m.happened_at AS "happenedAt", m.payload, m.tries`,
    [places.map((p) => p.endpointId), places.map((p) => p.free), LEASE_SECONDS],
  );
}

interface EventRow extends DeliveryWebhookData {
  eventId: string;
  type: string;
  profileId: string | null;
  externalId: string | null;
  /** What a person decided about an unknown delivery. */
  decision: string | null;
}

/** The bodies of events of one workspace, by event id. What the log no longer holds has none. */
export async function bodiesOf(
  sql: Sql,
  workspaceId: string,
  events: readonly Pick<ClaimedWebhook, 'eventId' | 'type' | 'happenedAt' | 'payload'>[],
): Promise<Map<string, WebhookBody>> {
  const bodies = new Map<string, WebhookBody>();
  const bodyOf = ({ eventId, type, happenedAt }: (typeof events)[number], data: WebhookBody['data']) =>
    bodies.set(eventId, { id: eventId, type, version: 1, timestamp: happenedAt.toISOString(), data });
  for (const event of events)
    if (event.payload !== null || event.type === 'webhook.test') bodyOf(event, event.payload);
  const inLog = events.filter((event) => !bodies.has(event.eventId));
  const byId = new Map(inLog.map((event) => [event.eventId, event]));
  for (const [day, ofDay] of groupBy([...byId.values()], (event) => dayOf(deliveryOf(event.eventId)))) {
    const rows = await sql.query<EventRow>(
      `SELECT e.delivery_id || ':' || e.id AS "eventId", e.type, d.id AS "deliveryId", d.message_id AS "messageId", d.profile_id AS "profileId", p.external_id AS "externalId",
              d.channel, d.class, d.source, d.source_id AS "sourceId", d.topic, e.reason, e.attempt, coalesce(a.provider, e.detail->>'provider') AS provider,
              coalesce(m.options->'metadata', '{}') AS metadata, e.detail->>'as' AS decision
         FROM delivery_events e
         JOIN deliveries d ON d.day = e.day AND d.id = e.delivery_id
         JOIN messages m ON m.day = d.day AND m.id = d.message_id
         LEFT JOIN profiles p ON p.workspace_id = d.workspace_id AND p.id = d.profile_id
         LEFT JOIN provider_accounts a ON a.workspace_id = d.workspace_id AND a.id = e.provider_account_id
        WHERE e.day = $2::date AND e.delivery_id = ANY($3::uuid[]) AND e.id = ANY($4::bigint[]) AND e.workspace_id = $1
          AND d.day = $2::date AND m.day = $2::date AND d.workspace_id = $1 AND m.workspace_id = $1`,
      [
        workspaceId,
        day,
        ofDay.map((event) => deliveryOf(event.eventId)),
        ofDay.map((event) => event.eventId.split(':')[1] ?? '0'),
      ],
    );
    for (const { eventId, type, profileId, externalId, decision, ...data } of rows) {
      const event = byId.get(eventId);
      if (!event) continue;
      bodyOf(event, {
        ...data,
        profile: profileId && externalId ? { id: profileId, externalId } : null,
        status: statusAfter(type, decision),
      });
    }
  }
  return bodies;
}
/** Where an event leaves its delivery; null for those that move nothing. */
function statusAfter(type: string, decision: string | null): Status | null {
  if (type === 'deferred' || type === 'redriven' || (type === 'resolved' && decision === 'resend'))
    return 'scheduled';
  return statuses.find((status) => status === (type === 'resolved' ? decision : type)) ?? null;
}
const deliveryOf = (eventId: string): string => eventId.split(':')[0] ?? '';

/** Writes what endpoints answered. One workspace. A lease that ran out belongs to another sender, and is not touched. */
export async function recordWebhooks(
  sql: Sql,
  workspaceId: string,
  outcomes: readonly WebhookOutcome[],
): Promise<void> {
  await sql.execute(
    `UPDATE webhook_messages m
        SET status = u.status, due_at = CASE WHEN u.status = 'pending' THEN now() + u.after_ms * interval '1 millisecond' END,
            attempts = CASE WHEN jsonb_array_length(m.attempts) >= ${KEPT_ATTEMPTS} THEN m.attempts - 0 ELSE m.attempts END || u.attempt::jsonb
       FROM unnest($2::uuid[], $3::text[], $4::int[], $5::text[], $6::float8[], $7::text[]) AS u(endpoint_id, event_id, tries, status, after_ms, attempt)
      WHERE m.endpoint_id = u.endpoint_id AND m.event_id = u.event_id AND m.workspace_id = $1 AND m.tries = u.tries AND m.status = 'pending'`,
    [
      workspaceId,
      outcomes.map((o) => o.endpointId),
      outcomes.map((o) => o.eventId),
      outcomes.map((o) => o.tries),
      outcomes.map((o) => o.status),
      outcomes.map((o) => o.afterMs),
      outcomes.map((o) => JSON.stringify(o.attempt)),
    ],
  );
}

/** Notes what the answers say about the endpoints themselves. One workspace. */
export async function recordHealth(
  sql: Sql,
  workspaceId: string,
  { working, failing, disable }: { working: string[]; failing: string[]; disable: Map<string, string> },
): Promise<void> {
  if (working.length > 0)
    await sql.execute(
      'UPDATE webhook_endpoints SET failing_since = NULL WHERE workspace_id = $1 AND id = ANY($2::uuid[]) AND failing_since IS NOT NULL',
      [workspaceId, working],
    );
  if (failing.length > 0)
    await sql.execute(
      'UPDATE webhook_endpoints SET failing_since = now() WHERE workspace_id = $1 AND id = ANY($2::uuid[]) AND failing_since IS NULL',
      [workspaceId, failing],
    );
  for (const [id, reason] of disable)
    await sql.execute(
      'UPDATE webhook_endpoints SET enabled = false, disabled_reason = $3, updated_at = now() WHERE workspace_id = $1 AND id = $2 AND enabled',
      [workspaceId, id, reason],
    );
}

/** An event that only tests the way; claimed at once by whoever asked for it. */
export async function testMessage(
  sql: Sql,
  workspaceId: string,
  endpointId: string,
): Promise<ClaimedWebhook> {
  const [claimed] = await sql.query<ClaimedWebhook>(
    `INSERT INTO webhook_messages (endpoint_id, event_id, workspace_id, type, happened_at, tries, due_at)
     VALUES ($2, $3, $1, 'webhook.test', now(), 1, now() + make_interval(secs => $4))
     RETURNING endpoint_id AS "endpointId", event_id AS "eventId", workspace_id AS "workspaceId", type, happened_at AS "happenedAt", payload, tries`,
    [workspaceId, endpointId, newId(), LEASE_SECONDS],
  );
  if (!claimed) throw new Error('the test was not written');
  return claimed;
}

interface MessageRow {
  eventId: string;
  type: string;
  happenedAt: Date;
  status: WebhookMessage['status'];
  dueAt: Date | null;
  attempts: WebhookAttempt[];
}
const MESSAGE = `SELECT event_id AS "eventId", type, happened_at AS "happenedAt", status, due_at AS "dueAt", attempts FROM webhook_messages`;
const toMessage = ({ happenedAt, dueAt, ...row }: MessageRow): WebhookMessage => ({
  ...row,
  happenedAt: happenedAt.toISOString(),
  nextAttemptAt: dueAt?.toISOString() ?? null,
});

/** What an endpoint was told: by delivery, newest first. */
export async function listWebhookMessages(
  sql: Sql,
  workspaceId: string,
  endpointId: string,
  page: { limit: number; cursor?: string | undefined; status?: string | undefined },
): Promise<Page<WebhookMessage>> {
  const rows = await sql.query<MessageRow>(
    `${MESSAGE} WHERE workspace_id = $1 AND endpoint_id = $2 AND ($3::text IS NULL OR event_id < $3) AND ($4::text IS NULL OR status = $4)
      ORDER BY event_id DESC LIMIT $5`,
    [workspaceId, endpointId, page.cursor ?? null, page.status ?? null, page.limit + 1],
  );
  const items = rows.slice(0, page.limit).map(toMessage);
  return { items, nextCursor: rows.length > page.limit ? (items.at(-1)?.eventId ?? null) : null };
}

export async function readWebhookMessage(
  sql: Sql,
  workspaceId: string,
  endpointId: string,
  eventId: string,
): Promise<WebhookMessage | null> {
  const [row] = await sql.query<MessageRow>(
    `${MESSAGE} WHERE workspace_id = $1 AND endpoint_id = $2 AND event_id = $3`,
    [workspaceId, endpointId, eventId],
  );
  return row ? toMessage(row) : null;
}

/** What an endpoint has taken is told again under the same id; what is still to be told keeps its turn. */
const AGAIN = `ON CONFLICT (endpoint_id, event_id) DO UPDATE SET status = 'pending', due_at = now(), tries = 0
   WHERE webhook_messages.status <> 'pending' AND (webhook_messages.status = 'failed' OR NOT $5)`;

/**
 * Plans events anew, from the log: also those that the endpoint was never told of, because it was disabled or did not
 * exist. A transaction per day of the log, so that a long range holds nothing up.
 * @param wanted the endpoint's types; none means all
 */
export async function replayWebhooks(
  database: Database,
  workspaceId: string,
  endpoint: { id: string; types: readonly string[] },
  { from, to, types, onlyFailed, eventIds }: WebhookReplay,
): Promise<number> {
  if (eventIds) return replayEvents(database, workspaceId, endpoint.id, eventIds, onlyFailed);
  const since = new Date(Math.max(Date.parse(from ?? ''), Date.now() - WEBHOOKS_KEPT_DAYS * DAY_MS));
  const until = to ? new Date(to) : new Date();
  const wanted = types ?? (endpoint.types.length > 0 ? endpoint.types : webhookTypes);
  let count = 0;
  const last = until.getTime() + PLANNED_DAYS * DAY_MS;
  for (let day = since.getTime() - EVENTS_AFTER_DAYS * DAY_MS; day < last + DAY_MS; day += DAY_MS)
    count += await database.inWorkspace(workspaceId, (sql) =>
      sql.execute(
        `INSERT INTO webhook_messages (endpoint_id, event_id, workspace_id, type, happened_at)
         SELECT $2, e.delivery_id || ':' || e.id, $1, 'delivery.' || e.type, e.at FROM delivery_events e
          WHERE e.day = $3::date AND e.workspace_id = $1 AND 'delivery.' || e.type = ANY($4::text[]) AND e.at >= $6 AND e.at < $7 ${AGAIN}`,
        [
          workspaceId,
          endpoint.id,
          new Date(day).toISOString().slice(0, 10),
          wanted,
          onlyFailed,
          since,
          until,
        ],
      ),
    );
  return count;
}

async function replayEvents(
  database: Database,
  workspaceId: string,
  endpointId: string,
  eventIds: readonly string[],
  onlyFailed: boolean,
): Promise<number> {
  const inLog = eventIds.filter((id) => /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}:\d{1,18}$/.test(id));
  return database.inWorkspace(workspaceId, async (sql) => {
    let count = await sql.execute(
      `UPDATE webhook_messages SET status = 'pending', due_at = now(), tries = 0
        WHERE workspace_id = $1 AND endpoint_id = $2 AND event_id = ANY($3::text[]) AND status <> 'pending' AND (status = 'failed' OR NOT $4)`,
      [workspaceId, endpointId, eventIds, onlyFailed],
    );
    for (const [day, ofDay] of groupBy(inLog, (id) => dayOf(deliveryOf(id))))
      count += await sql.execute(
        `INSERT INTO webhook_messages (endpoint_id, event_id, workspace_id, type, happened_at)
         SELECT $2, e.delivery_id || ':' || e.id, $1, 'delivery.' || e.type, e.at FROM delivery_events e
          WHERE e.day = $3::date AND e.workspace_id = $1 AND e.delivery_id = ANY($4::uuid[]) AND e.id = ANY($5::bigint[]) AND 'delivery.' || e.type = ANY($6::text[])
         ON CONFLICT DO NOTHING`,
        [
          workspaceId,
          endpointId,
          day,
          ofDay.map(deliveryOf),
          ofDay.map((id) => id.split(':')[1]),
          webhookTypes,
        ],
      );
    return count;
  });
}

/** Forgets what was told long ago, a slice at a time. What still waits is given twice as long. @returns how many */
export function forgetWebhooks(sql: Sql): Promise<number> {
  return sql.execute(
    `DELETE FROM webhook_messages WHERE ctid = ANY(ARRAY(
       SELECT ctid FROM webhook_messages
        WHERE created_at < now() - make_interval(days => $1) AND (due_at IS NULL OR created_at < now() - make_interval(days => 2 * $1)) LIMIT ${FORGET_SLICE}))`,
    [WEBHOOKS_KEPT_DAYS],
  );
}
