/** Device tokens. A token belongs to one profile: whoever registers it last has it. */
import type { Device, DeviceUpsert } from '@carillon/contracts';
import { newId, type Sql } from '@carillon/database';
import { amongWriters, markStale } from './stale.js';

/** More than a person owns; apps that register a new token at each start must not grow a profile without end. */
const MOST_DEVICES = 50;

interface Row {
  id: string;
  profile_id: string;
  token: string;
  platform: Device['platform'];
  app: string | null;
  created_at: Date;
  last_seen_at: Date;
}
const columns = 'id, profile_id, token, platform, app, created_at, last_seen_at';

const device = (row: Row): Device => ({
  id: row.id,
  token: row.token,
  platform: row.platform,
  app: row.app,
  createdAt: row.created_at.toISOString(),
  lastSeenAt: row.last_seen_at.toISOString(),
});

/** Registers a token, or moves it here from the profile that had it. Beyond 50 the one unseen for longest goes. */
export async function upsertDevice(
  sql: Sql,
  workspaceId: string,
  profileId: string,
  wish: DeviceUpsert,
): Promise<Device> {
  await amongWriters(sql, workspaceId);
  const before = await sql.query<{ profileId: string }>(
    `SELECT profile_id AS "profileId" FROM devices WHERE workspace_id = $1 AND token = $2`,
    [workspaceId, wish.token],
  );
  const [row] = await sql.query<Row>(
    `INSERT INTO devices AS d (id, workspace_id, profile_id, token, platform, app) VALUES ($1, $2, $3, $4, $5, $6)
     ON CONFLICT (workspace_id, token) DO UPDATE
       SET profile_id = EXCLUDED.profile_id, platform = EXCLUDED.platform, app = coalesce(EXCLUDED.app, d.app), last_seen_at = now()
     RETURNING ${columns}`,
    [newId(), workspaceId, profileId, wish.token, wish.platform, wish.app ?? null],
  );
  if (!row) throw new Error('INSERT returned no row');
  await sql.execute(
    `DELETE FROM devices WHERE workspace_id = $1 AND id IN (
       SELECT id FROM devices WHERE workspace_id = $1 AND profile_id = $2 ORDER BY last_seen_at DESC, id DESC OFFSET $3)`,
    [workspaceId, profileId, MOST_DEVICES],
  );
  await devicesChanged(sql, workspaceId, [profileId, ...before.map((b) => b.profileId)]);
  return device(row);
}

/** Devices by profile id. */
export async function devicesOf(
  sql: Sql,
  workspaceId: string,
  profileIds: readonly string[],
): Promise<Map<string, Device[]>> {
  const rows =
    profileIds.length === 0
      ? []
      : await sql.query<Row>(
          `SELECT ${columns} FROM devices WHERE workspace_id = $1 AND profile_id = ANY($2::uuid[]) ORDER BY id`,
          [workspaceId, profileIds],
        );
  const found = new Map<string, Device[]>();
  for (const row of rows) found.set(row.profile_id, [...(found.get(row.profile_id) ?? []), device(row)]);
  return found;
}

/** Removes tokens that a push service has declared dead. @returns how many there were */
export async function removeDevices(
  sql: Sql,
  workspaceId: string,
  tokens: readonly string[],
): Promise<number> {
  await amongWriters(sql, workspaceId);
  const rows = await sql.query<{ profileId: string }>(
    `DELETE FROM devices WHERE workspace_id = $1 AND token = ANY($2) RETURNING profile_id AS "profileId"`,
    [workspaceId, tokens],
  );
  await devicesChanged(
    sql,
    workspaceId,
    rows.map((row) => row.profileId),
  );
  return rows.length;
}

/** Removes one device of a profile. @returns whether it was there */
export async function removeDevice(
  sql: Sql,
  workspaceId: string,
  profileId: string,
  id: string,
): Promise<boolean> {
  await amongWriters(sql, workspaceId);
  const removed = await sql.execute(
    'DELETE FROM devices WHERE workspace_id = $1 AND profile_id = $2 AND id = $3',
    [workspaceId, profileId, id],
  );
  if (removed > 0) await devicesChanged(sql, workspaceId, [profileId]);
  return removed > 0;
}

const devicesChanged = (sql: Sql, workspaceId: string, profileIds: readonly string[]): Promise<void> =>
  markStale(
    sql,
    workspaceId,
    [...new Set(profileIds)].map((profileId) => ({ profileId, mentions: ['device'] })),
  );
