/** Profiles as delivery needs them: addresses, language, attributes, devices. Read by the dispatcher in its claim. */
import { kept, type Sql } from '@carillon/database';
import { whoTheyBecame } from './find-profiles.js';

export interface AudienceRecipient {
  profileId: string;
  externalId: string;
  email: string | null;
  phone: string | null;
  phoneCountry: string | null;
  locale: string | null;
  timezone: string | null;
  attributes: Readonly<Record<string, unknown>>;
  devices: readonly { id: string; token: string; platform: 'ios' | 'android' | 'web' }[];
}

/**
 * The recipients that still exist, in no order, by the id that was asked for: one that has become part of another profile
 * is that one now. One statement for the whole list, a second one where somebody is missing.
 */
export async function recipientsByIds(
  sql: Sql,
  workspaceId: string,
  profileIds: readonly string[],
): Promise<AudienceRecipient[]> {
  const found = await recipients(sql, workspaceId, profileIds);
  if (found.length >= new Set(profileIds).size) return found;
  const here = new Set(found.map(({ profileId }) => profileId));
  const became = await whoTheyBecame(
    sql,
    workspaceId,
    profileIds.filter((id) => !here.has(id)),
  );
  const now = await recipients(sql, workspaceId, [...became.values()]);
  const byId = new Map(now.map((recipient) => [recipient.profileId, recipient]));
  return [
    ...found,
    ...[...became].flatMap(([asked, kept]) => {
      const recipient = byId.get(kept);
      return recipient ? [{ ...recipient, profileId: asked }] : [];
    }),
  ];
}

async function recipients(
  sql: Sql,
  workspaceId: string,
  profileIds: readonly string[],
): Promise<AudienceRecipient[]> {
  if (profileIds.length === 0) return [];
  return sql.query<AudienceRecipient>(RECIPIENTS, [workspaceId, profileIds]);
}

const RECIPIENTS = kept(
  'recipients',
  `SELECT p.id AS "profileId", p.external_id AS "externalId", p.email, p.phone, p.phone_country AS "phoneCountry", p.locale, p.timezone, p.attributes,
       coalesce(d.devices, '[]') AS devices
     FROM profiles p
     LEFT JOIN (
       SELECT profile_id, json_agg(json_build_object('id', id, 'token', token, 'platform', platform) ORDER BY id) AS devices
       FROM devices WHERE workspace_id = $1 AND profile_id = ANY($2::uuid[]) GROUP BY profile_id
     ) d ON d.profile_id = p.id
     WHERE p.workspace_id = $1 AND p.id = ANY($2::uuid[])`,
);
