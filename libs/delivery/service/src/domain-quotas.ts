/**
 * Quotas of an account for receiving domains while it warms up: one row per account and group of domains. Places are taken in the
 * transaction of the hand-over mark, or of the commit that opens a page's window, before the lists of frequency caps: so they
 * are neither lost by a crash, nor does anybody wait in a ring. Called by the dispatcher; an account without such quotas costs nothing.
 */
import type { Database, Sql } from '@carillon/database';
import { msToTomorrow, quotaFor } from '@carillon/delivery-rules';
import type { SendingAccount } from './sending-accounts.js';

/** Places of today, held until the transaction ends. */
export interface DomainPlaces {
  /** How long those wait for whom there is none. Milliseconds. */
  waitMs: number;
  /** @returns whether there was one; an address that no quota is for needs none */
  take(address: string | null): boolean;
  /** Whoever took it is not written to after all. */
  giveBack(address: string | null): void;
  /** Writes how many are taken. */
  save(sql: Sql): Promise<void>;
}

/** Holds what these need a place of. @returns null where no quota is for any of them */
export async function holdDomains(
  sql: Sql,
  { id, workspaceId, domainQuotas }: SendingAccount,
  addresses: readonly (string | null)[],
): Promise<DomainPlaces | null> {
  const quotaOf = quotasOf(domainQuotas);
  const names = [...new Set(addresses.flatMap((address) => quotaOf(address)?.name ?? []))].sort();
  if (names.length === 0) return null;
  const [, rows] = await Promise.all([
    sql.execute(
      `INSERT INTO domain_uses (workspace_id, account_id, name) SELECT $1::uuid, $2::uuid, name FROM unnest($3::text[]) AS name ORDER BY name ON CONFLICT DO NOTHING`,
      [workspaceId, id, names],
    ),
    sql.query<{ name: string; used: number; now: Date }>(
      `SELECT name, CASE WHEN day = (now() AT TIME ZONE 'UTC')::date THEN used ELSE 0 END AS used, now() AS now FROM domain_uses
        WHERE workspace_id = $1 AND account_id = $2 AND name = ANY($3::text[]) ORDER BY name FOR UPDATE`,
      [workspaceId, id, names],
    ),
  ]);
  const used = new Map(rows.map((row) => [row.name, row.used]));
  const add = (name: string, places: number) => used.set(name, (used.get(name) ?? 0) + places);
  return {
    waitMs: msToTomorrow((rows[0]?.now ?? new Date()).getTime()),
    take(address) {
      const quota = quotaOf(address);
      if (!quota) return true;
      if ((used.get(quota.name) ?? 0) >= quota.quota) return false;
      add(quota.name, 1);
      return true;
    },
    giveBack(address) {
      const quota = quotaOf(address);
      if (quota) add(quota.name, -1);
    },
    async save(last) {
      await last.execute(
        `UPDATE domain_uses d SET used = u.used, day = (now() AT TIME ZONE 'UTC')::date FROM unnest($3::text[], $4::int[]) AS u(name, used)
          WHERE d.workspace_id = $1 AND d.account_id = $2 AND d.name = u.name`,
        [workspaceId, id, names, names.map((name) => used.get(name) ?? 0)],
      );
    },
  };
}

/** Places of today that a page took for these, whose message could not be rendered. */
export async function giveBackToDomains(
  database: Database,
  { id, workspaceId, domainQuotas }: SendingAccount,
  addresses: readonly (string | null)[],
): Promise<void> {
  const quotaOf = quotasOf(domainQuotas);
  const places = new Map<string, number>();
  for (const address of addresses) {
    const name = quotaOf(address)?.name;
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

/** The quota of each address that has one. */
const quotasOf = (quotas: SendingAccount['domainQuotas']) => (address: string | null) =>
  address === null ? undefined : quotaFor(quotas ?? [], address);

/** Who waits for the next day comes within this of its beginning, not all at once. */
export const TOMORROW_SPREAD_MS = 3_600_000;
