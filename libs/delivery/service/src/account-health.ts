/**
 * How provider accounts are doing, judged by the deliveries they took: of the last hour for the counts, of the last day
 * for the latest success and failure. Reads only. Called by accounts.ts.
 */
import {
  reasons,
  type AccountBreaker,
  type AccountHealth,
  type ReasonName,
  type Status,
} from '@carillon/contracts';
import { newId, type Sql } from '@carillon/database';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** A workspace that sends more than this in a day is judged by its newest ones: a page must not read a whole log. */
const NEWEST = 20_000;
const DEGRADED = 0.1;
const FAILING = 0.5;

/** What one account did, by status and reason. */
export interface Tally {
  status: Status;
  reason: ReasonName | null;
  lastHour: number;
  lastAt: Date;
}

/** @returns tallies by account id; an account that took nothing has none */
export async function talliesOf(sql: Sql, workspaceId: string, now: Date): Promise<Map<string, Tally[]>> {
  const rows = await sql.query<Tally & { accountId: string }>(
    `SELECT provider_account_id AS "accountId", status, reason, count(*) FILTER (WHERE at > $3)::int AS "lastHour", max(at) AS "lastAt"
       FROM (SELECT provider_account_id, status, reason, coalesce(delivered_at, sent_at, handed_over_at, created_at) AS at
               FROM deliveries WHERE workspace_id = $1 AND id > $2 AND day >= $4::date ORDER BY id DESC LIMIT ${NEWEST}) AS newest
      WHERE provider_account_id IS NOT NULL
      GROUP BY provider_account_id, status, reason`,
    [
      workspaceId,
      // Ids rise with time, so an id of yesterday bounds the index.
      newId(new Date(now.getTime() - DAY_MS)),
      new Date(now.getTime() - HOUR_MS),
      new Date(now.getTime() - DAY_MS),
    ],
  );
  const tallies = new Map<string, Tally[]>();
  for (const { accountId, ...tally } of rows)
    tallies.set(accountId, [...(tallies.get(accountId) ?? []), tally]);
  return tallies;
}

/** Failures that say something about the recipient or the message, and nothing about the account. */
const notTheAccount = new Set<ReasonName>([
  'bounced',
  'recipient_unknown',
  'recipient_unreachable',
  'device_unregistered',
  'content_refused',
  'too_large',
  'invalid_address',
  'unsubscribed',
]);
const failed = ({ status, reason }: Tally): boolean =>
  status === 'failed' ||
  status === 'unknown' ||
  // Waits for its next try.
  (status === 'scheduled' && (reason === 'retry' || reason === 'rate_limited'));
const succeeded = ({ status }: Tally): boolean => status === 'sent' || status === 'delivered';

/** Pure: what the tallies say. */
export function healthOf(
  tallies: readonly Tally[],
  paused: { reason: string | null } | null,
  breaker: Pick<AccountBreaker, 'state' | 'sentence' | 'reason' | 'heldUntil'> | null = null,
): AccountHealth {
  const sum = (some: readonly Tally[]) => some.reduce((total, { lastHour }) => total + lastHour, 0);
  const latest = (some: readonly Tally[]) =>
    some.reduce<Tally | null>((last, t) => (last && last.lastAt >= t.lastAt ? last : t), null);
  const failures = tallies.filter(failed);
  const successes = tallies.filter(succeeded);
  const sentLastHour = sum(successes);
  const failedLastHour = sum(failures);
  const ours = sum(failures.filter(({ reason }) => reason === null || !notTheAccount.has(reason)));
  const lastFailure = latest(failures);
  const share = ours / Math.max(1, sentLastHour + failedLastHour);
  const facts = {
    sentLastHour,
    failedLastHour,
    lastSuccessAt: latest(successes)?.lastAt.toISOString() ?? null,
    lastFailureAt: lastFailure?.lastAt.toISOString() ?? null,
    lastFailure: lastFailure?.reason ? reasons[lastFailure.reason].sentence : null,
  };
  const percent = `${Math.round(share * 100)} %`;
  if (paused) return { ...facts, state: 'paused', sentence: paused.reason ?? 'It is paused.' };
  if (breaker && breaker.state !== 'closed')
    return {
      ...facts,
      state: 'failing',
      sentence: breaker.reason ? `${breaker.sentence} ${breaker.reason}` : breaker.sentence,
    };
  if (breaker?.heldUntil) return { ...facts, state: 'degraded', sentence: breaker.sentence };
  if (sentLastHour + failedLastHour === 0)
    return { ...facts, state: 'idle', sentence: 'It sent nothing in the last hour.' };
  if (share >= FAILING)
    return {
      ...facts,
      state: 'failing',
      sentence: `${percent} of the last hour failed. ${facts.lastFailure ?? ''}`.trim(),
    };
  if (share >= DEGRADED)
    return {
      ...facts,
      state: 'degraded',
      sentence: `${percent} of the last hour failed. ${facts.lastFailure ?? ''}`.trim(),
    };
  return { ...facts, state: 'healthy', sentence: `It sent ${sentLastHour} in the last hour.` };
}
