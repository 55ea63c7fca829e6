/** One person with everything that a rule looks at, read from the database: what `explain` shows. */
import type { Person } from '@carillon/audience-rules';
import type { Sql } from '@carillon/database';
import { idsByExternalId, idsOfPerson } from './find-profiles.js';

/** The newest of each kind that are looked at. */
const MOST = 5000;

/** @returns nothing when there is no such profile */
export async function personByExternalId(
  sql: Sql,
  workspaceId: string,
  externalId: string,
): Promise<Person | undefined> {
  const id = (await idsByExternalId(sql, workspaceId, [externalId])).get(externalId);
  const [profile] = await sql.query<
    Omit<Person, 'activity' | 'events' | 'messages' | 'consents' | 'suppressions' | 'devices' | 'memberOf'>
  >(
    `SELECT id, external_id AS "externalId", email, phone, locale, timezone, phone_zone AS "phoneZone", attributes,
       created_at AS "createdAt", updated_at AS "updatedAt"
     FROM profiles WHERE workspace_id = $1 AND id = $2`,
    [workspaceId, id ?? null],
  );
  if (!profile) return undefined;
  const of = [workspaceId, profile.id];
  const [activity] = await sql.query<Record<string, number | Date | null>>(
    `SELECT events, sent, opened, clicked, first_seen_at AS "firstSeenAt", last_seen_at AS "lastSeenAt", last_sent_at AS "lastSentAt",
       last_opened_at AS "lastOpenedAt", last_clicked_at AS "lastClickedAt"
     FROM profile_activity WHERE workspace_id = $1 AND profile_id = $2`,
    of,
  );
  const events = await sql.query<Person['events'][number]>(
    `SELECT id, name, at, properties FROM events WHERE workspace_id = $1 AND profile_id = $2 ORDER BY at DESC LIMIT ${MOST}`,
    of,
  );
  const messages = await sql.query<Person['messages'][number]>(
    `SELECT d.channel, d.class, d.topic, t.key AS template, d.source, d.source_id AS "sourceId", r.source_id AS campaign, d.status, d.reason,
       d.created_at AS "createdAt", d.sent_at AS "sentAt", d.delivered_at AS "deliveredAt", '[]'::jsonb AS told, d.id, d.day::text AS day
     FROM (SELECT * FROM deliveries WHERE workspace_id = $1 AND profile_id = ANY($2::uuid[]) ORDER BY id DESC LIMIT ${MOST}) d
     LEFT JOIN templates t ON t.workspace_id = $1 AND t.id = d.template_id
     LEFT JOIN runs r ON r.workspace_id = $1 AND r.id::text = d.source_id`,
    [workspaceId, await idsOfPerson(sql, workspaceId, profile.id)],
  );
  const told = await linesOf(sql, workspaceId, messages as unknown as { id: string; day: string }[]);
  const consents = await sql.query<Person['consents'][number]>(
    `SELECT 'profile' AS about, channel, topic, word FROM consents WHERE workspace_id = $1 AND address = '' AND profile_id = $2
     UNION ALL
     SELECT 'address', channel, topic, word FROM consents WHERE workspace_id = $1 AND ((channel = 'email' AND address = $3) OR (channel = 'sms' AND address = $4))`,
    [...of, profile.email, profile.phone],
  );
  const suppressions = await sql.query<Person['suppressions'][number]>(
    `SELECT channel, reason FROM suppressions WHERE workspace_id = $1 AND ((channel = 'email' AND address = $2) OR (channel = 'sms' AND address = $3))`,
    [workspaceId, profile.email, profile.phone],
  );
  const devices = await sql.query<Person['devices'][number]>(
    `SELECT platform, app, last_seen_at AS "lastSeenAt" FROM devices WHERE workspace_id = $1 AND profile_id = $2`,
    of,
  );
  const members = await sql.query<{ id: string }>(
    `SELECT audience_id AS id FROM audience_members WHERE workspace_id = $1 AND profile_id = $2`,
    of,
  );
  return {
    ...profile,
    activity: activity ?? {},
    events,
    messages: messages.map((message) => ({
      ...message,
      told: told.get((message as unknown as { id: string }).id) ?? [],
    })),
    consents,
    suppressions,
    devices,
    memberOf: new Set(members.map(({ id }) => id)),
  };
}

async function linesOf(
  sql: Sql,
  workspaceId: string,
  deliveries: readonly { id: string; day: string }[],
): Promise<Map<string, { type: string; at: Date }[]>> {
  const lines = new Map<string, { type: string; at: Date }[]>();
  for (const day of new Set(deliveries.map((delivery) => delivery.day))) {
    const rows = await sql.query<{ id: string; type: string; at: Date }>(
      `SELECT delivery_id AS id, type, at FROM delivery_events WHERE day = $2::date AND delivery_id = ANY($3::uuid[]) AND workspace_id = $1`,
      [workspaceId, day, deliveries.filter((delivery) => delivery.day === day).map(({ id }) => id)],
    );
    for (const { id, ...line } of rows) lines.set(id, [...(lines.get(id) ?? []), line]);
  }
  return lines;
}
