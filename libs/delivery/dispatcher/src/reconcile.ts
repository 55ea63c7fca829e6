/**
 * Asking providers what became of deliveries whose answer was lost. The clock says when (libs/delivery/rules/reconcile.ts);
 * here they are read, their provider is asked, and what it found is written, fenced by attempt: a receipt or a person
 * may have been faster.
 */
import type { ReasonName } from '@carillon/contracts';
import { dayOf, type Database, type Sql } from '@carillon/database';
import {
  afterFinding,
  type Channel,
  type Finding,
  type Missing,
  type Provider,
} from '@carillon/delivery-rules';
import {
  groupBy,
  showContent,
  usableAccounts,
  type RenderPool,
  type SendContexts,
} from '@carillon/delivery-service';
import { patienceFor } from './call-provider.js';

export interface ReconcileParts {
  database: Database;
  contexts: SendContexts;
  renderer: Pick<RenderPool, 'render'>;
  channel: Channel;
}
interface Held {
  day: string;
  id: string;
  workspaceId: string;
  attempt: number;
  accountId: string;
  provider: string;
  address: string | null;
  profileId: string | null;
  handedOverAt: Date;
}

/** How long a provider may take over a batch. Milliseconds. */
const PATIENCE_MS = 30_000;
/** Asked about at once. */
const BATCH = 50;

export interface Settled {
  workspaceId: string;
  /** Deliveries whose timeline grew. */
  deliveryIds: string[];
  /** Failures, for the queue `route-event`: `<delivery id>:<event id>`. */
  eventIds: string[];
}

/** Asks the providers of those that are unknown and held; all others are left alone. */
export async function reconcile(
  parts: ReconcileParts,
  ids: readonly string[],
  signal: AbortSignal,
): Promise<Settled[]> {
  const held = await parts.database.acrossWorkspaces((sql) => read(sql, parts.channel.channel, ids));
  const settled: Settled[] = [];
  for (const [workspaceId, own] of groupBy(held, (h) => h.workspaceId)) {
    const accounts = await parts.database.inWorkspace(workspaceId, (sql) =>
      usableAccounts(sql, workspaceId, parts.channel.channel),
    );
    for (const [accountId, all] of groupBy(own, (h) => h.accountId)) {
      const account = accounts.find((a) => a.id === accountId);
      const provider = parts.channel.providers.find((p: Provider) => p.name === account?.provider);
      if (!account || !provider?.lookup) continue;
      for (let at = 0; at < all.length; at += BATCH) {
        const some = all.slice(at, at + BATCH);
        const asked = await Promise.all(some.map((h) => missing(parts, h)));
        const patience = patienceFor(signal, PATIENCE_MS);
        const findings = await provider
          .lookup(asked, parts.contexts.for(account, patience.signal))
          .finally(patience.end);
        settled.push({
          workspaceId,
          ...(await parts.database.inWorkspace(workspaceId, (sql) =>
            settle(sql, workspaceId, some, findings),
          )),
        });
      }
    }
  }
  return settled;
}

async function read(sql: Sql, channel: string, ids: readonly string[]): Promise<Held[]> {
  const held: Held[] = [];
  for (const [day, some] of groupBy(ids, dayOf))
    held.push(
      ...(await sql.query<Held>(
        `SELECT day::text AS day, id, workspace_id AS "workspaceId", attempt, provider_account_id AS "accountId", provider, address, profile_id AS "profileId",
                handed_over_at AS "handedOverAt"
           FROM deliveries
          WHERE day = $1::date AND id = ANY($2::uuid[]) AND status = 'unknown' AND channel = $3 AND due_at IS NOT NULL
            AND provider_account_id IS NOT NULL AND handed_over_at IS NOT NULL`,
        [day, some, channel],
      )),
    );
  return held;
}

async function missing({ database, renderer }: ReconcileParts, h: Held): Promise<Missing> {
  const shown = await showContent(database, renderer, h.workspaceId, h.id);
  return {
    deliveryId: h.id,
    address: h.address ?? h.profileId,
    handedOverAt: h.handedOverAt,
    content: shown?.ok ? shown.content : null,
  };
}

/** Writes what was found about those that are still unknown. */
async function settle(
  sql: Sql,
  workspaceId: string,
  held: readonly Held[],
  findings: readonly Finding[],
): Promise<Omit<Settled, 'workspaceId'>> {
  const settled: Omit<Settled, 'workspaceId'> = { deliveryIds: [], eventIds: [] };
  const taken = await takenByOthers(sql, workspaceId, held, findings);
  for (const [n, h] of held.entries()) {
    const found = findings[n];
    if (!found) throw new Error('the provider gave no finding');
    const finding: Finding =
      found.kind === 'found' && found.providerMessageId !== null && taken.has(found.providerMessageId)
        ? { kind: 'unclear', answer: { message: 'The only message like it belongs to another delivery.' } }
        : found;
    const next = afterFinding(finding);
    const reason: ReasonName | null =
      finding.kind === 'found' && finding.status === 'failed' ? (finding.reason ?? 'rejected') : null;
    const fence = [workspaceId, h.day, h.id, h.attempt];
    const mine = `WHERE day = $2::date AND id = $3 AND workspace_id = $1 AND attempt = $4 AND status = 'unknown'`;
    let changed: number;
    if (next.kind === 'settled')
      changed = await sql.execute(
        `UPDATE deliveries SET status = $5, reason = $6, due_at = NULL, provider_message_id = coalesce(provider_message_id, $7),
                sent_at = coalesce(sent_at, handed_over_at), delivered_at = CASE WHEN $5 = 'delivered' THEN now() ELSE delivered_at END ${mine}`,
        [...fence, next.status, reason, finding.kind === 'found' ? finding.providerMessageId : null],
      );
    else if (next.kind === 'send')
      changed = await sql.execute(
        `UPDATE deliveries SET status = 'scheduled', reason = 'retry', due_at = now() ${mine}`,
        fence,
      );
    else changed = await sql.execute(`SELECT 1 FROM deliveries ${mine} FOR UPDATE`, fence);
    if (changed === 0) continue;
    const type = next.kind === 'settled' ? next.status : 'looked_up';
    const [line] = await sql.query<{ id: number }>(
      `INSERT INTO delivery_events (day, delivery_id, workspace_id, type, reason, provider_account_id, detail) VALUES ($2::date, $3, $1, $4, $5, $6, $7::jsonb) RETURNING id`,
      [
        workspaceId,
        h.day,
        h.id,
        type,
        reason,
        h.accountId,
        JSON.stringify({ ...finding.answer, found: finding.kind, provider: h.provider }),
      ],
    );
    settled.deliveryIds.push(h.id);
    if (type === 'failed' && line) settled.eventIds.push(`${h.id}:${line.id}`);
  }
  return settled;
}

/** Messages of the provider that are known to be other deliveries: the same words to the same number, say. */
async function takenByOthers(
  sql: Sql,
  workspaceId: string,
  held: readonly Held[],
  findings: readonly Finding[],
): Promise<Set<string>> {
  const ids = findings.flatMap((f) => (f.kind === 'found' ? (f.providerMessageId ?? []) : []));
  if (ids.length === 0) return new Set();
  const days = held.map((h) => h.day).sort();
  const rows = await sql.query<{ id: string }>(
    `SELECT provider_message_id AS id FROM deliveries
      WHERE day BETWEEN $2::date - 1 AND $3::date + 1 AND workspace_id = $1 AND provider_message_id = ANY($4::text[]) AND status <> 'unknown'`,
    [workspaceId, days[0], days.at(-1), ids],
  );
  return new Set(rows.map((row) => row.id));
}
