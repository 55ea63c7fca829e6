/**
 * How much of a workspace's capacities is used, and who waits for them. A capacity is one row, held by each batch for a moment:
 * a batch takes its places in the transaction of its hand-over mark, or of the commit that opens a page's window, and nothing
 * is locked by the message. Mailings wait as pages, single messages as rows that stand in `capacity_waits`; both count as
 * demand, and whoever is next leaves what those of higher rank want.
 */
import type { Capacity, CapacityUse, Channel, GateRules, MessageClass } from '@carillon/contracts';
import type { Sql } from '@carillon/database';
import {
  capacityPeriod,
  DEFAULT_PRIORITY,
  heldForComfort,
  inScope,
  outranks,
  ownRules,
  roomFor,
  type Demand,
  type GateSettings,
  type Rank,
  type Room,
} from '@carillon/delivery-rules';

interface About {
  channel: Channel;
  messageClass: MessageClass;
  topic: string | null;
}
/** What a row that waits stands for after its time: somebody else may have ended it. */
const STALE_MS = 600_000;

/** Those that a message of this kind needs a place of. */
export const capacitiesFor = (rules: GateRules | undefined, about: About): Capacity[] =>
  rules && rules.capacities.length > 0 && heldForComfort(about, rules)
    ? rules.capacities.filter((capacity) => inScope(capacity, about)).sort(byKey)
    : [];
const byKey = (a: Capacity, b: Capacity): number => (a.key < b.key ? -1 : 1);

/** The workspace's own rules, and where its hours and days begin. */
export interface Own {
  rules: GateRules;
  workspaceZone: string | null | undefined;
}
interface Known {
  capacity: Capacity;
  used: number;
  /** All that wants a place of it. */
  demand: Demand[];
  opensMs: number;
}

/**
 * What there is of these capacities.
 * @param hold keeps them until the transaction ends, in the order of their keys
 */
async function readCapacities(
  sql: Sql,
  workspaceId: string,
  capacities: readonly Capacity[],
  zone: string | null | undefined,
  now: Date,
  hold: boolean,
): Promise<Known[]> {
  if (capacities.length === 0) return [];
  const keys = capacities.map((c) => c.key);
  const [, uses, waits, mailings] = await Promise.all([
    hold
      ? sql.execute(
          `INSERT INTO capacity_uses (workspace_id, key) SELECT $1::uuid, key FROM unnest($2::text[]) AS key ORDER BY key ON CONFLICT DO NOTHING`,
          [workspaceId, keys],
        )
      : 0,
    sql.query<{ key: string; periodAt: Date; used: number }>(
      `SELECT key, period_at AS "periodAt", used FROM capacity_uses WHERE workspace_id = $1 AND key = ANY($2::text[]) ORDER BY key ${hold ? 'FOR UPDATE' : ''}`,
      [workspaceId, keys],
    ),
    sql.query<Demand & { key: string }>(
      `SELECT key, priority, message_id AS "order", count(*) AS messages FROM capacity_waits
        WHERE workspace_id = $1 AND key = ANY($2::text[]) AND stale_at > now() GROUP BY 1, 2, 3`,
      [workspaceId, keys],
    ),
    mailingsOf(sql, workspaceId),
  ]);
  return capacities.map((capacity) => {
    const { start, end } = capacityPeriod(capacity, now.getTime(), zone ?? 'UTC');
    const use = uses.find((u) => u.key === capacity.key && u.periodAt.getTime() === start);
    const demand = [
      ...waits.filter((w) => w.key === capacity.key),
      ...mailings.filter((m) => inScope(capacity, m)),
    ];
    return { capacity, used: use?.used ?? 0, demand, opensMs: end - now.getTime() };
  });
}

/** @returns rooms by rank: each leaves what those of higher rank want */
export async function roomsOf(
  sql: Sql,
  workspaceId: string,
  capacities: readonly Capacity[],
  { workspaceZone }: Pick<Own, 'workspaceZone'>,
  now: Date,
  hold = false,
): Promise<(rank: Rank) => Room[]> {
  const known = await readCapacities(sql, workspaceId, capacities, workspaceZone, now, hold);
  return (rank) => known.map((k) => roomFor(k.capacity, k.used, k.demand, rank, k.opensMs));
}

/** Mailings under way, and how many of their members are due and to come. */
function mailingsOf(sql: Sql, workspaceId: string): Promise<(Demand & About)[]> {
  return sql.query<Demand & About>(
    `SELECT coalesce((m.options->>'priority')::int, ${DEFAULT_PRIORITY}) AS priority, r.message_id AS "order", r.channel, r.class AS "messageClass", r.topic,
            (SELECT coalesce(sum(p.hi - p.cursor), 0) FROM pages p
              WHERE p.run_id = r.id AND p.state <> 'done' AND (p.state <> 'open' OR p.lease_until IS NULL OR p.lease_until <= now()))::int AS messages
       FROM runs r JOIN messages m ON m.day = r.day AND m.id = r.message_id AND m.workspace_id = $1
      WHERE r.workspace_id = $1 AND r.state = 'running'`,
    [workspaceId],
  );
}

/** Takes the place of one message in each; there must be one. */
export const takeRoom = (rooms: readonly Room[]): void => {
  for (const room of rooms) room.free--;
};

/** Writes what was taken of capacities that are held. */
export async function saveRooms(
  sql: Sql,
  workspaceId: string,
  capacities: readonly Capacity[],
  taken: ReadonlyMap<string, number>,
  { workspaceZone }: Pick<Own, 'workspaceZone'>,
  now: Date,
): Promise<void> {
  const used = capacities.filter((c) => (taken.get(c.key) ?? 0) > 0);
  if (used.length === 0) return;
  await sql.execute(
    `UPDATE capacity_uses c SET used = u.taken + CASE WHEN c.period_at = u.start THEN c.used ELSE 0 END, period_at = u.start
       FROM unnest($2::text[], $3::int[], $4::timestamptz[]) AS u(key, taken, start) WHERE c.workspace_id = $1 AND c.key = u.key`,
    [
      workspaceId,
      used.map((c) => c.key),
      used.map((c) => taken.get(c.key) ?? 0),
      used.map((c) => new Date(capacityPeriod(c, now.getTime(), workspaceZone ?? 'UTC').start)),
    ],
  );
}

/** A single message that needs places. */
export interface Needy extends Rank, About {
  id: string;
}

/** Takes places for messages, in the order of their ranks. @returns those for whom there was none */
export async function takePlaces(
  sql: Sql,
  workspaceId: string,
  own: Own,
  needy: readonly Needy[],
  now: Date,
): Promise<Set<string>> {
  const all = new Map(needy.flatMap((n) => capacitiesFor(own.rules, n).map((c) => [c.key, c])));
  const capacities = [...all.values()].sort(byKey);
  const refused = new Set<string>();
  if (capacities.length === 0) return refused;
  const rooms = await roomsOf(sql, workspaceId, capacities, own, now, true);
  const taken = new Map<string, number>();
  for (const one of [...needy].sort((a, b) => (outranks(a, b) ? -1 : 1))) {
    const keys = new Set(capacitiesFor(own.rules, one).map((c) => c.key));
    const wanted = rooms(one).filter((room) => keys.has(room.key));
    if (wanted.some((room) => room.free - (taken.get(room.key) ?? 0) <= 0)) refused.add(one.id);
    else for (const { key } of wanted) taken.set(key, (taken.get(key) ?? 0) + 1);
  }
  await saveRooms(sql, workspaceId, capacities, taken, own, now);
  const served = needy.flatMap((n) => (refused.has(n.id) ? [] : [n.id]));
  if (served.length > 0)
    await sql.execute(
      'DELETE FROM capacity_waits WHERE workspace_id = $1 AND delivery_id = ANY($2::uuid[])',
      [workspaceId, served],
    );
  return refused;
}

/** These wait for places from now on; whoever is of lower rank leaves them theirs. */
export async function waitForPlaces(
  sql: Sql,
  workspaceId: string,
  rules: GateRules,
  needy: readonly (Needy & { afterMs: number })[],
): Promise<void> {
  const rows = needy.flatMap((n) => capacitiesFor(rules, n).map((c) => ({ ...n, key: c.key })));
  if (rows.length === 0) return;
  await sql.execute(
    `INSERT INTO capacity_waits (workspace_id, key, delivery_id, message_id, priority, stale_at)
     SELECT $1::uuid, u.key, u.id, u.message_id, u.priority, now() + u.ms * interval '1 millisecond'
       FROM unnest($2::text[], $3::uuid[], $4::uuid[], $5::int[], $6::float8[]) AS u(key, id, message_id, priority, ms) ORDER BY u.key, u.id
     ON CONFLICT (workspace_id, key, delivery_id) DO UPDATE SET stale_at = EXCLUDED.stale_at`,
    [
      workspaceId,
      rows.map((r) => r.key),
      rows.map((r) => r.id),
      rows.map((r) => r.order),
      rows.map((r) => r.priority),
      rows.map((r) => r.afterMs + STALE_MS),
    ],
  );
  // What was ended by somebody else meanwhile.
  await sql.execute(
    `DELETE FROM capacity_waits w USING (
       SELECT workspace_id, key, delivery_id FROM capacity_waits WHERE workspace_id = $1 AND stale_at <= now() LIMIT 1000 FOR UPDATE SKIP LOCKED) AS s
      WHERE w.workspace_id = $1 AND w.key = s.key AND w.delivery_id = s.delivery_id`,
    [workspaceId],
  );
}

/** For people: how full each is. */
export async function capacityUses(sql: Sql, workspaceId: string): Promise<CapacityUse[]> {
  const [workspace] = await sql.query<{ now: Date; settings: GateSettings }>(
    'SELECT clock_timestamp() AS now, settings FROM workspaces WHERE id = $1',
    [workspaceId],
  );
  const rules = workspace && ownRules(workspace.settings)?.rules;
  if (!rules) return [];
  const { now, settings } = workspace;
  const known = await readCapacities(sql, workspaceId, rules.capacities, settings.timezone, now, false);
  return known.map(({ capacity: { key, limit }, used, demand, opensMs }) => ({
    key,
    limit,
    used,
    waiting: demand.reduce((sum, d) => sum + d.messages, 0),
    resetsAt: new Date(now.getTime() + opensMs).toISOString(),
  }));
}
