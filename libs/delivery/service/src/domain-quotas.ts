/**
 * Quotas of an account for receiving domains while it warms up: one row per account and group of domains, held for a moment
 * while a batch takes its places. A place that was taken and not needed is given back, but for those that a crash leaves: it is at
 * most so many. Called by the dispatcher before it hands over; an account without such quotas costs nothing.
 */
import type { Database } from '@carillon/database';
import { msToTomorrow, quotaFor } from '@carillon/delivery-rules';
import type { SendingAccount } from './sending-accounts.js';

/**
 * Takes places for those who need one.
 * @returns whom the quotas of today have no place for, by id, and how long they wait
 */
export async function takeOfDomains(
  database: Database,
  { id, workspaceId, domainQuotas }: SendingAccount,
  wanted: readonly { id: string; address: string | null }[],
): Promise<{ over: ReadonlySet<string>; waitMs: number }> {
  const needy = wanted.flatMap((one) => {
    const quota = one.address === null ? undefined : quotaFor(domainQuotas ?? [], one.address);
    return quota ? [{ id: one.id, quota }] : [];
  });
  const over = new Set<string>();
  if (needy.length === 0) return { over, waitMs: 0 };
  const names = [...new Set(needy.map((n) => n.quota.name))].sort();
  const now = await database.inWorkspace(workspaceId, async (sql) => {
    await sql.execute(
      `INSERT INTO domain_uses (workspace_id, account_id, name) SELECT $1::uuid, $2::uuid, name FROM unnest($3::text[]) AS name ORDER BY name ON CONFLICT DO NOTHING`,
      [workspaceId, id, names],
    );
    const rows = await sql.query<{ name: string; used: number; now: Date }>(
      `SELECT name, CASE WHEN day = (now() AT TIME ZONE 'UTC')::date THEN used ELSE 0 END AS used, now() AS now FROM domain_uses
        WHERE workspace_id = $1 AND account_id = $2 AND name = ANY($3::text[]) ORDER BY name FOR UPDATE`,
      [workspaceId, id, names],
    );
    const used = new Map(rows.map((row) => [row.name, row.used]));
    for (const one of needy) {
      const before = used.get(one.quota.name) ?? 0;
      if (before >= one.quota.quota) over.add(one.id);
      else used.set(one.quota.name, before + 1);
    }
    await sql.execute(
      `UPDATE domain_uses d SET used = u.used, day = (now() AT TIME ZONE 'UTC')::date FROM unnest($3::text[], $4::int[]) AS u(name, used)
        WHERE d.workspace_id = $1 AND d.account_id = $2 AND d.name = u.name`,
      [workspaceId, id, names, names.map((name) => used.get(name) ?? 0)],
    );
    return rows[0]?.now ?? new Date();
  });
  return { over, waitMs: msToTomorrow(now.getTime()) };
}

/** Places of today that were taken for these, who have not been written to after all. */
export async function giveBackToDomains(
  database: Database,
  { id, workspaceId, domainQuotas }: SendingAccount,
  addresses: readonly (string | null)[],
): Promise<void> {
  const places = new Map<string, number>();
  for (const address of addresses) {
    const name = address === null ? undefined : quotaFor(domainQuotas ?? [], address)?.name;
    if (name !== undefined) places.set(name, (places.get(name) ?? 0) + 1);
  }
  if (places.size === 0) return;
  await database.inWorkspace(workspaceId, (sql) =>
    sql.execute(
      `WITH held AS (
         SELECT name FROM domain_uses WHERE workspace_id = $1 AND account_id = $2 AND name = ANY($3::text[]) AND day = (now() AT TIME ZONE 'UTC')::date ORDER BY name FOR UPDATE)
       UPDATE domain_uses d SET used = greatest(0, d.used - u.places) FROM unnest($3::text[], $4::int[]) AS u(name, places), held
        WHERE d.workspace_id = $1 AND d.account_id = $2 AND d.name = u.name AND held.name = u.name`,
      [workspaceId, id, [...places.keys()], [...places.values()]],
    ),
  );
}

/** Who waits for the next day comes within this of its beginning, not all at once. */
export const TOMORROW_SPREAD_MS = 3_600_000;
