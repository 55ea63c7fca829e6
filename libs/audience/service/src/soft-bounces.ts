/**
 * Failures that may pass, counted by address. One counts for each delivery, and that of another delivery only when the
 * last that counted is so many hours old; a success in between, or a quiet month, begins the count anew. At the threshold
 * the address is suppressed. Both figures are the workspace's (consent-policy.ts).
 */
import type { Channel } from '@carillon/contracts';
import { dayOf, type Sql } from '@carillon/database';
import { readConsentPolicy } from './consent-policy.js';
import { suppressAddresses } from './suppression.js';

export interface Bounce {
  deliveryId: string;
  channel: Channel;
  address: string;
  profileId: string | null;
}
interface Counted {
  channel: Channel;
  address: string;
  count: number;
}

/** @returns how many addresses are suppressed by it */
export async function noteBounces(
  sql: Sql,
  workspaceId: string,
  bounces: readonly Bounce[],
): Promise<number> {
  if (bounces.length === 0) return 0;
  const { softBounce } = await readConsentPolicy(sql, workspaceId);
  const full: Counted[] = [];
  // In one order, so that two workers cannot wait for each other.
  const inOrder = [...bounces].sort((a, b) => (a.channel + a.address < b.channel + b.address ? -1 : 1));
  for (const { deliveryId, channel, address, profileId } of inOrder) {
    const anew = (await succeededSince(sql, workspaceId, channel, address, profileId)) ? 'true' : 'false';
    const [counted] = await sql.query<Counted>(
      `INSERT INTO soft_bounces AS b (workspace_id, channel, address, last_delivery_id) VALUES ($1, $2, $3, $4)
       ON CONFLICT (workspace_id, channel, address) DO UPDATE
         SET count = CASE WHEN ${anew} OR b.last_at < now() - interval '30 days' THEN 1 ELSE b.count + 1 END,
             last_at = now(), last_delivery_id = EXCLUDED.last_delivery_id
         WHERE b.last_delivery_id <> EXCLUDED.last_delivery_id AND (${anew} OR b.last_at <= now() - make_interval(hours => $5))
       RETURNING channel, address, count`,
      [workspaceId, channel, address, deliveryId, softBounce.spacingHours],
    );
    if (counted && counted.count >= softBounce.threshold) full.push(counted);
  }
  return suppressAddresses(
    sql,
    workspaceId,
    full.map(({ channel, address }) => ({ channel, address, reason: 'soft_bounced', source: 'provider' })),
  );
}

/**
 * What arrived at an address that belongs to no profile begins its count anew at once: later its deliveries could be found
 * by nothing but a search through the log. "Sent" alone is not taken for it: the bounce may still come.
 */
export async function noteArrivals(
  sql: Sql,
  workspaceId: string,
  arrived: readonly { channel: Channel; address: string; at: Date }[],
): Promise<void> {
  if (arrived.length === 0) return;
  await sql.execute(
    `DELETE FROM soft_bounces b USING unnest($2::text[], $3::text[], $4::timestamptz[]) AS u(channel, address, at)
     WHERE b.workspace_id = $1 AND b.channel = u.channel AND b.address = u.address AND b.last_at < u.at`,
    [
      workspaceId,
      arrived.map(({ channel }) => channel),
      arrived.map(({ address }) => address),
      arrived.map(({ at }) => at),
    ],
  );
}

/** Whether something arrived there since the last failure that counted. Known by the person's deliveries. */
async function succeededSince(
  sql: Sql,
  workspaceId: string,
  channel: Channel,
  address: string,
  profileId: string | null,
): Promise<boolean> {
  if (profileId === null) return false;
  const [last] = await sql.query<{ id: string; at: Date }>(
    'SELECT last_delivery_id AS id, last_at AS at FROM soft_bounces WHERE workspace_id = $1 AND channel = $2 AND address = $3',
    [workspaceId, channel, address],
  );
  if (!last) return false;
  const [found] = await sql.query(
    `SELECT 1 AS yes FROM deliveries
     WHERE day >= $1::date AND workspace_id = $2 AND profile_id = $3 AND channel = $4 AND address = $5
       AND status IN ('sent', 'delivered') AND greatest(sent_at, delivered_at) > $6 LIMIT 1`,
    [dayOf(last.id), workspaceId, profileId, channel, address, last.at],
  );
  return found !== undefined;
}
