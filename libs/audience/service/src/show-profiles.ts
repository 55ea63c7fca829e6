/** Profiles as the API shows them: the row, what is computed, other names, devices. */
import type { Activity, Identity, Profile } from '@carillon/contracts';
import type { Sql } from '@carillon/database';
import { devicesOf } from './devices.js';
import { idsByExternalId } from './find-profiles.js';

export interface ProfileRow {
  id: string;
  external_id: string;
  email: string | null;
  phone: string | null;
  locale: string | null;
  timezone: string | null;
  phone_zone: string | null;
  attributes: Profile['attributes'];
  version: number;
  created_at: Date;
  updated_at: Date;
}
export const profileColumns =
  'id, external_id, email, phone, locale, timezone, phone_zone, attributes, version, created_at, updated_at';

/** @returns null when nobody is known by this external id, nor was */
export async function readProfile(
  sql: Sql,
  workspaceId: string,
  externalId: string,
): Promise<{ profile: Profile; version: number } | null> {
  const id = (await idsByExternalId(sql, workspaceId, [externalId])).get(externalId);
  const [row] =
    id === undefined
      ? []
      : await sql.query<ProfileRow>(
          `SELECT ${profileColumns} FROM profiles WHERE workspace_id = $1 AND id = $2`,
          [workspaceId, id],
        );
  const [profile] = row ? await showProfiles(sql, workspaceId, [row]) : [];
  return row && profile ? { profile, version: row.version } : null;
}

export async function showProfiles(
  sql: Sql,
  workspaceId: string,
  rows: readonly ProfileRow[],
): Promise<Profile[]> {
  const ids = rows.map((row) => row.id);
  const devices = await devicesOf(sql, workspaceId, ids);
  const more = new Map(
    ids.length === 0
      ? []
      : (
          await sql.query<{ id: string; activity: Activity | null; identities: Identity[] | null }>(
            `SELECT u.id, ${activityJson('a')} AS activity,
               (SELECT json_agg(json_build_object('namespace', namespace, 'value', value, 'createdAt', ${jsonTime('created_at')}) ORDER BY namespace, value)
                FROM identities WHERE workspace_id = $1 AND profile_id = u.id) AS identities
             FROM unnest($2::uuid[]) AS u(id)
             LEFT JOIN profile_activity a ON a.workspace_id = $1 AND a.profile_id = u.id`,
            [workspaceId, ids],
          )
        ).map((row) => [row.id, row] as const),
  );
  return rows.map((row) => ({
    id: row.id,
    externalId: row.external_id,
    email: row.email,
    phone: row.phone,
    locale: row.locale,
    timezone: row.timezone,
    phoneZone: row.phone_zone,
    attributes: row.attributes,
    activity: more.get(row.id)?.activity ?? noActivity,
    identities: more.get(row.id)?.identities ?? [],
    devices: devices.get(row.id) ?? [],
    createdAt: row.created_at.toISOString(),
    updatedAt: row.updated_at.toISOString(),
  }));
}

export const noActivity: Activity = {
  events: 0,
  sent: 0,
  opened: 0,
  clicked: 0,
  firstSeenAt: null,
  lastSeenAt: null,
  lastSentAt: null,
  lastOpenedAt: null,
  lastClickedAt: null,
};

/** A time as ISO text, for JSON that PostgreSQL builds. */
export const jsonTime = (column: string): string =>
  `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;

/** An Activity as JSON, from a row of profile_activity by that name; null where there is none. */
export const activityJson = (row: string): string =>
  `CASE WHEN ${row}.profile_id IS NOT NULL THEN json_build_object('events', ${row}.events, 'sent', ${row}.sent, 'opened', ${row}.opened, 'clicked', ${row}.clicked,
     ${['first_seen_at', 'last_seen_at', 'last_sent_at', 'last_opened_at', 'last_clicked_at']
       .map(
         (column) =>
           `'${column.replace(/_(.)/g, (_, l: string) => l.toUpperCase())}', ${jsonTime(`${row}.${column}`)}`,
       )
       .join(', ')}) END`;
