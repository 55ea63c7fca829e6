/**
 * One key, one meaning: a repeat gets the first answer, another body under the same key is refused with the fields that
 * differ. The record is written in the transaction of the message itself. Of the key itself only a hash is kept: it may
 * name a person. Called by accept.ts.
 */
import type { AcceptedMessage, SendMessage } from '@carillon/contracts';
import { kept, type Sql } from '@carillon/database';
import { createHash } from 'node:crypto';
import type { AcceptResult, Plan, Refusal } from './plan-message.js';

/** How long an idempotency key is remembered. Stated in the API's documentation. */
export const IDEMPOTENCY_WINDOW_HOURS = 48;
/** How long a repeat waits for the first request to commit; then it is told that the first is still in flight. */
export const IN_FLIGHT_SECONDS = 5;

export interface Stored {
  fields: Record<string, string>;
  response: AcceptedMessage;
}
export const hashFields = (message: SendMessage): Record<string, string> =>
  Object.fromEntries(
    Object.entries(message)
      .filter(([name, value]) => value !== undefined && name !== 'idempotencyKey')
      .map(([name, value]) => [
        name,
        createHash('sha256').update(canonical(value)).digest('hex').slice(0, 16),
      ]),
  );
const keyHash = (workspaceId: string, key: string): string =>
  createHash('sha256').update(`${workspaceId}:${key}`).digest('hex');
/** JSON with sorted keys, so that the order of writing does not matter. */
const canonical = (value: unknown): string =>
  JSON.stringify(value, (_, v: unknown) =>
    v && typeof v === 'object' && !Array.isArray(v)
      ? Object.fromEntries(Object.entries(v).sort(([a], [b]) => (a < b ? -1 : 1)))
      : v,
  );

const STORED = kept(
  'stored-answers',
  'SELECT key, request_fields, response FROM idempotency_keys WHERE workspace_id = $1 AND key = ANY($2)',
);

export async function storedAnswers(
  sql: Sql,
  workspaceId: string,
  keys: string[],
): Promise<Map<string, Stored>> {
  if (keys.length === 0) return new Map();
  const byHash = new Map(keys.map((key) => [keyHash(workspaceId, key), key]));
  const rows = await sql.query<{
    key: string;
    request_fields: Record<string, string>;
    response: AcceptedMessage;
  }>(STORED, [workspaceId, [...byHash.keys()]]);
  return new Map(
    rows.map((r) => [byHash.get(r.key) ?? '', { fields: r.request_fields, response: r.response }]),
  );
}

/** PostgreSQL says 55P03 when another transaction holds the key for longer than that. */
export const isInFlight = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && error.code === '55P03';

export const inFlight: Refusal = {
  ok: false,
  code: 'idempotency_in_flight',
  detail: `A request with this idempotency key is being handled right now, and did not end within ${IN_FLIGHT_SECONDS} s. Send it again in a moment: it gets the first one's answer.`,
  errors: [],
};

export function replay(stored: Stored, fields: Record<string, string>): AcceptResult {
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

const CLAIM_KEYS = kept(
  'claim-keys',
  // An equal key that another transaction has not committed yet is waited for, but not for ever.
  `WITH patience AS MATERIALIZED (SELECT set_config('lock_timeout', $5, true))
     INSERT INTO idempotency_keys (workspace_id, key, request_fields, response)
     SELECT $1, k, f::jsonb, r::jsonb FROM patience, unnest($2::text[], $3::text[], $4::text[]) AS u(k, f, r)
     ON CONFLICT DO NOTHING RETURNING key`,
);

/** Inserts the keys; whoever lost a race gets the winner's answer. Returns the indexes that must not be written. */
export async function claimKeys(
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
  const hashed = [...first.keys()].map((key) => ({ key, hash: keyHash(workspaceId, key) }));
  hashed.sort((a, b) => (a.hash < b.hash ? -1 : 1));
  const keys = hashed.map(({ key }) => key);
  const won = await sql.query<{ key: string }>(CLAIM_KEYS, [
    workspaceId,
    hashed.map(({ hash }) => hash),
    keys.map((k) => JSON.stringify(fields[first.get(k)!])),
    keys.map((k) => JSON.stringify(plans.get(first.get(k)!)!.accepted)),
    `${IN_FLIGHT_SECONDS}s`,
  ]);
  const winners = new Set(won.map((w) => w.key));
  const losers = hashed.filter(({ hash }) => !winners.has(hash)).map(({ key }) => first.get(key)!);
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
