/**
 * Addresses that must not be written to, and why. `@example.com` stands for all addresses of a domain. Read late, in the
 * transaction that hands over.
 */
import { normalizeEmail, normalizePhone } from '@carillon/audience-rules';
import type {
  Channel,
  ReasonName,
  Suppression,
  SuppressionReason,
  SuppressionRelease,
} from '@carillon/contracts';
import { kept, texts, type Sql } from '@carillon/database';
import { erasedWords } from './erased.js';
import { amongWriters, markStaleAt } from './stale.js';

export interface NewSuppression {
  channel: Channel;
  address: string;
  reason: SuppressionReason;
  source: string;
}

/** What the list may say of an address: itself, and its domain. */
const keysOf = (address: string): string[] => {
  const at = address.lastIndexOf('@');
  return at > 0 ? [address, address.slice(at)] : [address];
};

const SUPPRESSIONS = kept(
  'suppressions',
  `SELECT address, reason FROM suppressions WHERE workspace_id = $1 AND channel = $2 AND address = ANY($3)
     UNION ALL
     SELECT '', 'erased' WHERE EXISTS (SELECT FROM erased_addresses WHERE workspace_id = $1 AND kind = 'suppression')`,
);

/** Why each of these addresses must not be written to; the others are not in the map. One statement for the batch. */
export async function suppressionsOf(
  sql: Sql,
  workspaceId: string,
  channel: Channel,
  addresses: readonly string[],
): Promise<Map<string, ReasonName>> {
  if (addresses.length === 0) return new Map();
  const rows = await sql.query<{ address: string; reason: ReasonName }>(SUPPRESSIONS, [
    workspaceId,
    channel,
    texts([...new Set(addresses.flatMap(keysOf))]),
  ]);
  if (rows.length === 0) return new Map();
  const listed = new Map(rows.map((row) => [row.address, row.reason]));
  if (listed.delete(''))
    for (const { address, says } of await erasedWords(sql, workspaceId, channel, 'suppression', addresses))
      if (!listed.has(address)) listed.set(address, says as ReasonName);
  const found = new Map<string, ReasonName>();
  for (const address of addresses) {
    const reason = keysOf(address).flatMap((key) => listed.get(key) ?? [])[0];
    if (reason !== undefined) found.set(address, reason);
  }
  return found;
}

/** Adds addresses to the suppression list. Idempotent: the first reason stays. @returns how many are new */
export async function suppressAddresses(
  sql: Sql,
  workspaceId: string,
  suppressions: readonly NewSuppression[],
): Promise<number> {
  if (suppressions.length === 0) return 0;
  await amongWriters(sql, workspaceId);
  const added = await sql.query<{ address: string }>(
    `INSERT INTO suppressions (workspace_id, channel, address, reason, source)
     SELECT DISTINCT ON (channel, address) $1::uuid, channel, address, reason, source
     FROM unnest($2::text[], $3::text[], $4::text[], $5::text[]) WITH ORDINALITY AS u(channel, address, reason, source, nr)
     ORDER BY channel, address, nr
     ON CONFLICT (workspace_id, channel, address) DO NOTHING
     RETURNING address`,
    [
      workspaceId,
      suppressions.map((s) => s.channel),
      suppressions.map((s) => s.address),
      suppressions.map((s) => s.reason),
      suppressions.map((s) => s.source),
    ],
  );
  await markStaleAt(
    sql,
    workspaceId,
    added.map(({ address }) => address),
    'suppression',
  );
  return added.length;
}

/** The spelling in which the list keeps what somebody wrote: an address, a number, or `@` and a domain. */
export function blockedAddress(
  channel: 'email' | 'sms',
  text: string,
  defaultCountry?: string,
): { ok: true; value: string } | { ok: false; code: string; sentence: string } {
  const trimmed = text.trim();
  if (channel === 'sms') return normalizePhone(trimmed, defaultCountry);
  if (!trimmed.startsWith('@')) return normalizeEmail(trimmed);
  const whole = normalizeEmail(`x${trimmed}`);
  return whole.ok ? { ok: true, value: whole.value.slice(1) } : whole;
}

export interface SuppressionFilter {
  channel?: Channel | undefined;
  reason?: SuppressionReason | undefined;
  search?: string | undefined;
  from?: string | undefined;
  to?: string | undefined;
}
type Row = Omit<Suppression, 'createdAt'> & { createdAt: Date };

/** Newest first. @param after the last row of the page before */
export async function listSuppressions(
  sql: Sql,
  workspaceId: string,
  filter: SuppressionFilter,
  limit: number,
  after: { at: string; channel: string; address: string } | null,
): Promise<Suppression[]> {
  const { channel, reason, search, from, to } = filter;
  const like = (text: string) => text.replace(/[\\%_]/g, '\\$&');
  const rows = await sql.query<Row>(
    `SELECT channel, address, reason, source, created_at AS "createdAt" FROM suppressions
     WHERE workspace_id = $1 AND ($2::text IS NULL OR channel = $2) AND ($3::text IS NULL OR reason = $3)
       AND ($4::text IS NULL OR address LIKE $4) AND ($5::timestamptz IS NULL OR created_at >= $5) AND ($6::timestamptz IS NULL OR created_at < $6)
       AND ($7::timestamptz IS NULL OR (created_at, channel, address) < ($7, $8::text, $9::text))
     ORDER BY created_at DESC, channel DESC, address DESC LIMIT $10`,
    [
      workspaceId,
      channel ?? null,
      reason ?? null,
      search ? (search.startsWith('@') ? `%${like(search.toLowerCase())}` : `${like(search)}%`) : null,
      from ?? null,
      to ?? null,
      after?.at ?? null,
      after?.channel ?? null,
      after?.address ?? null,
      limit,
    ],
  );
  return rows.map((row) => ({ ...row, createdAt: row.createdAt.toISOString() }));
}

/** Takes addresses off the list. @returns how many match, and how many went */
export async function releaseSuppressions(
  sql: Sql,
  workspaceId: string,
  { dryRun, channel, addresses, domain, reason, from, to }: SuppressionRelease,
): Promise<{ matching: number; released: number }> {
  const params = [
    workspaceId,
    channel,
    addresses?.flatMap((text) => {
      const checked = blockedAddress(channel, text);
      return checked.ok ? [checked.value] : [];
    }) ?? null,
    domain === undefined
      ? null
      : `%@${domain
          .replace(/^@/, '')
          .toLowerCase()
          .replace(/[\\%_]/g, '\\$&')}`,
    reason ?? null,
    from ?? null,
    to ?? null,
  ];
  const which = `workspace_id = $1 AND channel = $2 AND ($3::text[] IS NULL OR address = ANY($3)) AND ($4::text IS NULL OR address LIKE $4)
    AND ($5::text IS NULL OR reason = $5) AND ($6::timestamptz IS NULL OR created_at >= $6) AND ($7::timestamptz IS NULL OR created_at < $7)`;
  if (dryRun) {
    const [row] = await sql.query<{ n: number }>(
      `SELECT count(*) AS n FROM suppressions WHERE ${which}`,
      params,
    );
    return { matching: row?.n ?? 0, released: 0 };
  }
  await amongWriters(sql, workspaceId);
  const gone = await sql.query<{ address: string }>(
    `DELETE FROM suppressions WHERE ${which} RETURNING address`,
    params,
  );
  const released = gone.map(({ address }) => address);
  // A released address begins anew.
  await sql.execute(
    'DELETE FROM soft_bounces WHERE workspace_id = $1 AND channel = $2 AND address = ANY($3)',
    [workspaceId, channel, released],
  );
  await markStaleAt(sql, workspaceId, released, 'suppression');
  return { matching: released.length, released: released.length };
}
