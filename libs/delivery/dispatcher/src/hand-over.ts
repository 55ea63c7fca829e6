/**
 * The hand-over mark: the last committed write before bytes leave, fenced by attempt. Suppression, consent, expiry and
 * cancellation are read again in it, and whether the account may be used: who opted out a moment ago is not written to,
 * and an account that was paused or told to wait a moment ago is not called. A copy of the database marks nothing. A row that does not get the mark
 * goes back to the queue, where the gate will say why; if that is not written, its lease ends and the clock sweeps it.
 */
import { bug } from '@carillon/config';
import { AT_HOME, keptByDay, literal, type Sql } from '@carillon/database';
import {
  groupBy,
  holdDomains,
  holdLists,
  mayBeHeldBack,
  reserve,
  saveLists,
  takePlaces,
  wantedOf,
  type DomainPlaces,
  type Lists,
  type SendingAccount,
  type Wanted,
} from '@carillon/delivery-service';
import type { Ready } from './claim.js';

/**
 * Marks these deliveries (one day, one workspace, one account). The account and the address stand in the row before
 * bytes leave, so that after a crash the provider can still be asked. @returns the ids that may be sent
 */
export async function markHandedOver(
  sql: Sql,
  batch: readonly Ready[],
  account: { id: string; provider: string } | null = null,
): Promise<Set<string>> {
  const [first] = batch;
  if (!first) return new Set();
  const { day, workspaceId, channel } = first.delivery;
  const ids = batch.map((r) => r.delivery.id);
  const attempts = batch.map((r) => r.delivery.attempt);
  const rows = await sql.query<{ id: string }>(MARK(day), [
    workspaceId,
    ids,
    attempts,
    batch.map((r) => r.targets[0]?.address ?? ''),
    batch.map((r) => literal(r.countingTopics)),
    channel,
    account?.id ?? null,
    account?.provider ?? null,
    first.own?.version ?? null,
  ]);
  return new Set(rows.map((r) => r.id));
}

type Through = Ready & { account: SendingAccount };
const addressOf = ({ targets }: Ready): string | null => targets[0]?.address ?? null;

/** Places of receiving domains for a batch, by its accounts that warm up; in a breath of their own each, before all other locks. */
export class Domains {
  /** Who waits, and how long. */
  readonly waits = new Map<string, number>();
  private readonly taken: Through[] = [];

  private constructor(private readonly places: ReadonlyMap<string, DomainPlaces>) {}

  /** Held until the transaction ends. @returns null where no account of these has such quotas */
  static async hold(sql: Sql, batch: readonly Through[]): Promise<Domains | null> {
    const warming = batch.filter((r) => r.account.domainQuotas);
    if (warming.length === 0) return null;
    const places = new Map<string, DomainPlaces>();
    // One after the other, in the order of their ids: so nobody waits in a ring.
    for (const [id, some] of [...groupBy(warming, (r) => r.account.id)].sort(([a], [b]) =>
      a < b ? -1 : 1,
    )) {
      const held = await holdDomains(sql, some[0]!.account, some.map(addressOf));
      if (held) places.set(id, held);
    }
    return new Domains(places);
  }

  /** @returns those that have a place, or need none */
  take<R extends Through>(batch: readonly R[]): R[] {
    return batch.filter((r) => {
      const places = this.places.get(r.account.id);
      if (!places) return true;
      const there = places.take(addressOf(r));
      if (there) this.taken.push(r);
      else this.waits.set(r.delivery.id, places.waitMs);
      return there;
    });
  }

  /** Writes the places of those that go. */
  async save(sql: Sql, going: ReadonlySet<string>): Promise<void> {
    for (const r of this.taken)
      if (!going.has(r.delivery.id)) this.places.get(r.account.id)?.giveBack(addressOf(r));
    await Promise.all([...this.places.values()].map((places) => places.save(sql)));
  }
}

/**
 * Reserves places under the frequency caps and of capacities, in a breath of its own before the mark: nothing where there are
 * none. @returns those that may be marked, and what is only to be counted, with the mark
 */
export async function underCaps<R extends Ready>(
  sql: Sql,
  workspaceId: string,
  batch: readonly R[],
): Promise<{ allowed: readonly R[]; counted: readonly Wanted[] }> {
  const wanted = batch.flatMap((r) => wantedOf(r.delivery, r.own) ?? []);
  const needy = batch.flatMap((r) => (r.own?.rooms?.length ? [{ ...r.delivery, ...r.own.rank }] : []));
  if (needy.length === 0 && !wanted.some(mayBeHeldBack)) return { allowed: batch, counted: wanted };
  const held = await holdLists(sql, workspaceId, wanted);
  const refused = reserve(held.lists, wanted, held.now);
  const [first] = batch.flatMap((r) => (r.own?.rooms?.length ? [r.own] : []));
  // Always after the lists: so nobody waits in a ring.
  const full = first
    ? await takePlaces(
        sql,
        workspaceId,
        first,
        needy.filter((n) => !refused.has(n.id)),
        held.now,
      )
    : NOBODY;
  const taken = wanted.flatMap((w) => (refused.has(w.id) || full.has(w.id) ? [] : [w.profileId]));
  if (taken.length > 0)
    await saveLists(sql, workspaceId, { ...held, lists: without(held.lists, full) }, taken);
  const stays = (r: R) => !refused.has(r.delivery.id) && !full.has(r.delivery.id);
  return { allowed: refused.size === 0 && full.size === 0 ? batch : batch.filter(stays), counted: [] };
}
const NOBODY: ReadonlySet<string> = new Set();
const without = (lists: Lists, ids: ReadonlySet<string>): Lists =>
  ids.size === 0
    ? lists
    : new Map([...lists].map(([person, list]) => [person, list.filter((s) => !ids.has(s.id))]));

/** Gives what got no mark back to the queue, where the gate will say why (one day, one workspace). */
export async function unclaim(sql: Sql, refused: readonly Ready[]): Promise<void> {
  const [first] = refused;
  if (!first) return;
  await sql.execute(UNCLAIM(first.delivery.day), [
    first.delivery.workspaceId,
    refused.map((r) => r.delivery.id),
    refused.map((r) => r.delivery.attempt),
  ]);
}

/** As the gate reads it: the first topic is the channel's and beaten by none; of the others the nearest decides. */
const NEARER_WORD = `EXISTS (SELECT FROM consents n WHERE n.workspace_id = $1 AND n.channel = $6 AND n.address = c.address AND n.profile_id = c.profile_id
                               AND c.topic <> '' AND n.topic <> '' AND array_position(u.topics::text[], n.topic) < array_position(u.topics::text[], c.topic) OFFSET 0)`;
const OUT = `c.word = 'out' AND c.topic = ANY(u.topics::text[]) AND NOT ${NEARER_WORD}`;
const COMPLAINTS_IGNORED = `EXISTS (SELECT FROM workspaces w WHERE w.id = $1 AND w.settings->>'transactionalIgnoresComplaints' = 'true')`;

// The time of the statement, not of the row: what was committed before it is seen by it. Each OFFSET keeps its question one about
// the row at hand, by index, and ORDER BY says by which, whatever the tables held when the plan was made.
const MARK = keptByDay(
  'mark',
  (
    day,
  ) => `UPDATE deliveries d SET handed_over_at = ${bug('mark-not-written') ? 'NULL' : 'statement_timestamp()'}, tries = d.tries + 1,
          gate_version = coalesce($9::int, d.gate_version), provider_account_id = coalesce($7::uuid, d.provider_account_id), provider = coalesce($8, d.provider),
          address = CASE WHEN $6 IN ('email', 'sms') THEN coalesce(d.address, u.address) ELSE d.address END
     FROM unnest($2::uuid[], $3::int[], $4::text[], $5::text[]) AS u(id, attempt, address, topics)
    WHERE ${AT_HOME} AND d.day = ${day} AND d.id = ANY($2::uuid[]) AND d.id = u.id AND d.workspace_id IS NOT DISTINCT FROM $1 AND d.attempt = u.attempt AND ${bug('cancel-unread-at-mark') ? "d.status IN ('sending', 'cancelled')" : "d.status = 'sending'"} AND d.handed_over_at IS NULL
      AND (d.expires_at IS NULL OR d.expires_at > clock_timestamp()${bug('expiry-ignored') ? ' OR true' : ''})
      AND NOT EXISTS (SELECT FROM suppressions s WHERE ${bug('suppression-unread-at-mark') ? 'false AND' : ''} s.workspace_id = $1 AND s.channel = $6 AND s.address IN (u.address, substring(u.address FROM '@[^@]*$'))
                         AND NOT (s.reason = 'complained' AND d.class = 'transactional' AND ${COMPLAINTS_IGNORED}) OFFSET 0)
      AND NOT EXISTS (SELECT FROM consents c WHERE c.workspace_id = $1 AND c.channel = $6 AND c.address = u.address AND ${OUT} ORDER BY c.profile_id, c.topic OFFSET 0)
      AND NOT EXISTS (SELECT FROM consents c WHERE c.workspace_id = $1 AND c.channel = $6 AND c.address = '' AND c.profile_id = d.profile_id AND ${OUT} OFFSET 0)
      AND NOT EXISTS (SELECT FROM provider_accounts a WHERE a.workspace_id = $1 AND a.id = $7::uuid AND (a.paused_at IS NOT NULL OR a.deleted_at IS NOT NULL))
      AND NOT EXISTS (SELECT FROM account_flow f WHERE f.workspace_id = $1 AND f.account_id = $7::uuid AND greatest(f.open_until, f.held_until) > clock_timestamp())
   RETURNING d.id`,
);
const UNCLAIM = keptByDay(
  'unclaim',
  (
    day,
  ) => `UPDATE deliveries d SET status = 'queued', due_at = now() FROM unnest($2::uuid[], $3::int[]) AS u(id, attempt)
    WHERE d.day = ${day} AND d.id = ANY($2::uuid[]) AND d.id = u.id AND d.workspace_id IS NOT DISTINCT FROM $1 AND d.attempt = u.attempt AND d.status = 'sending' AND d.handed_over_at IS NULL`,
);
