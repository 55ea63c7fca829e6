/** Profiles as delivery needs them: addresses, language, attributes, devices. Read by the dispatcher in its claim. */
import type { Sql } from '@carillon/database';

export interface AudienceRecipient {
  profileId: string;
  externalId: string;
  email: string | null;
  phone: string | null;
  locale: string | null;
  timezone: string | null;
  attributes: Readonly<Record<string, unknown>>;
  devices: readonly { id: string; token: string; platform: 'ios' | 'android' | 'web' }[];
}

/** The recipients that still exist, in no order. One statement for the whole list. */
export function recipientsByIds(
  sql: Sql,
  workspaceId: string,
  profileIds: readonly string[],
): Promise<AudienceRecipient[]> {
  if (profileIds.length === 0) return Promise.resolve([]);
  return sql.query<AudienceRecipient>(
    `SELECT p.id AS "profileId", p.external_id AS "externalId", p.email, p.phone, p.locale, p.timezone, p.attributes,
       coalesce(d.devices, '[]') AS devices
     FROM profiles p
     LEFT JOIN (
       SELECT profile_id, json_agg(json_build_object('id', id, 'token', token, 'platform', platform) ORDER BY id) AS devices
       FROM devices WHERE workspace_id = $1 AND profile_id = ANY($2::uuid[]) GROUP BY profile_id
     ) d ON d.profile_id = p.id
     WHERE p.workspace_id = $1 AND p.id = ANY($2::uuid[])`,
    [workspaceId, profileIds],
  );
}
