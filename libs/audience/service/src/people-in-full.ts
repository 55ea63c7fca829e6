/**
 * Many people with what rules about them look at, read in a few statements: what the simulator of journeys plays with. Of
 * events, messages and lists only what the rules at hand mention, so that a thousand people are no burden.
 */
import { mentionsOf, type Person } from '@carillon/audience-rules';
import { channels, type Channel, type Leaf, type TopicFacts } from '@carillon/contracts';
import type { Sql } from '@carillon/database';
import { consentsOf } from './consent.js';
import { suppressionsOf } from './suppression.js';

export interface PersonInFull extends Omit<
  Person,
  'attributes' | 'activity' | 'events' | 'messages' | 'consents' | 'suppressions' | 'devices' | 'memberOf'
> {
  attributes: Record<string, unknown>;
  activity: Record<string, number | Date | null>;
  events: Person['events'][number][];
  messages: (Omit<Person['messages'][number], 'told'> & { told: { type: string; at: Date }[] })[];
  consents: Person['consents'][number][];
  suppressions: Person['suppressions'][number][];
  memberOf: Set<string>;
  devices: (Person['devices'][number] & { id: string; token: string; platform: 'ios' | 'android' | 'web' })[];
}
/** Of one person, of each kind: the newest. */
const MOST = 1000;

/**
 * @param leaves clauses that will be asked
 * @param topics whose words will be asked
 * @returns in the order of ids; who is gone is left out
 */
export async function peopleInFull(
  sql: Sql,
  workspaceId: string,
  ids: readonly string[],
  leaves: readonly Leaf[],
  topics: readonly string[],
): Promise<{ people: PersonInFull[]; topics: Map<string, TopicFacts> }> {
  const { words, audiences } = mentionsOf({ where: { and: [...leaves] } });
  const mentioned = (what: string) =>
    [...words].flatMap((word) => (word.startsWith(what) ? [word.slice(what.length)] : []));
  const events = mentioned('event:');
  // Of a list that names another audience its rule may ask for anything.
  const all = audiences.size > 0;
  const of = [workspaceId, ids];
  const [profiles, activity, done, messages, devices, members] = await Promise.all([
    sql.query<
      Omit<
        PersonInFull,
        'activity' | 'events' | 'messages' | 'consents' | 'suppressions' | 'devices' | 'memberOf'
      >
    >(
      `SELECT id, external_id AS "externalId", email, phone, locale, timezone, phone_zone AS "phoneZone", attributes,
              created_at AS "createdAt", updated_at AS "updatedAt"
         FROM profiles WHERE workspace_id = $1 AND id = ANY($2::uuid[])`,
      of,
    ),
    sql.query<{ id: string } & Record<string, number | Date | null>>(
      `SELECT profile_id AS id, events, sent, opened, clicked, first_seen_at AS "firstSeenAt", last_seen_at AS "lastSeenAt",
              last_sent_at AS "lastSentAt", last_opened_at AS "lastOpenedAt", last_clicked_at AS "lastClickedAt"
         FROM profile_activity WHERE workspace_id = $1 AND profile_id = ANY($2::uuid[])`,
      of,
    ),
    events.length > 0 || all
      ? sql.query<{
          profileId: string;
          id: string;
          name: string;
          at: Date;
          properties: Record<string, unknown>;
        }>(
          `SELECT p.id AS "profileId", e.id, e.name, e.at, e.properties FROM unnest($2::uuid[]) AS p(id)
             CROSS JOIN LATERAL (SELECT id, name, at, properties FROM events
                WHERE workspace_id = $1 AND profile_id = p.id AND ($3::text[] IS NULL OR name = ANY($3)) ORDER BY at DESC LIMIT ${MOST}) e`,
          [...of, all ? null : events],
        )
      : [],
    mentioned('message:').length > 0 || all
      ? sql.query<{ profileId: string } & Person['messages'][number]>(
          `SELECT p.id AS "profileId", d.channel, d.class, d.topic, t.key AS template, d.source, d.source_id AS "sourceId", r.source_id AS campaign,
                  d.status, d.reason, d.created_at AS "createdAt", d.sent_at AS "sentAt", d.delivered_at AS "deliveredAt",
                  (SELECT coalesce(jsonb_agg(jsonb_build_object('type', l.type, 'at', l.at)), '[]') FROM delivery_events l
                    WHERE l.workspace_id = $1 AND l.day = d.day AND l.delivery_id = d.id) AS told
             FROM unnest($2::uuid[]) AS p(id)
             CROSS JOIN LATERAL (SELECT * FROM deliveries WHERE workspace_id = $1 AND profile_id = p.id ORDER BY id DESC LIMIT ${MOST}) d
             LEFT JOIN templates t ON t.workspace_id = $1 AND t.id = d.template_id
             LEFT JOIN runs r ON r.workspace_id = $1 AND r.id::text = d.source_id`,
          of,
        )
      : [],
    sql.query<{ profileId: string } & PersonInFull['devices'][number]>(
      `SELECT profile_id AS "profileId", id, token, platform, app, last_seen_at AS "lastSeenAt" FROM devices
        WHERE workspace_id = $1 AND profile_id = ANY($2::uuid[]) ORDER BY id`,
      of,
    ),
    sql.query<{ profileId: string; id: string }>(
      `SELECT profile_id AS "profileId", audience_id AS id FROM audience_members WHERE workspace_id = $1 AND profile_id = ANY($2::uuid[])`,
      of,
    ),
  ]);
  const addressOf = (p: { email: string | null; phone: string | null }, channel: Channel) =>
    channel === 'email' ? p.email : channel === 'sms' ? p.phone : null;
  const facts = new Map<string, TopicFacts>();
  const judged = await Promise.all(
    channels.map(async (channel) => {
      const addresses = profiles.flatMap((p) => addressOf(p, channel) ?? []);
      const [words, stops] = await Promise.all([
        consentsOf(sql, workspaceId, channel, { addresses, profileIds: ids, topics }),
        suppressionsOf(sql, workspaceId, channel, addresses),
      ]);
      return { channel, words, stops };
    }),
  );
  for (const topic of topics) {
    const found = judged[0]?.words(null, null, topic).topicFacts;
    if (found) facts.set(topic, found);
  }
  const activityOf = new Map(activity.map(({ id, ...rest }) => [id, rest]));
  const eventsOf = byPerson(done);
  const messagesOf = byPerson(messages);
  const devicesOf = byPerson(devices);
  const membersOf = byPerson(members);
  const byId = new Map(
    profiles.map((p) => [
      p.id,
      {
        ...p,
        activity: activityOf.get(p.id) ?? {},
        events: eventsOf.get(p.id) ?? [],
        messages: (messagesOf.get(p.id) ?? []).map((m) => ({
          ...m,
          told: m.told.map(({ type, at }) => ({ type, at: new Date(at) })),
        })),
        consents: judged.flatMap(({ channel, words }) =>
          words(p.id, addressOf(p, channel)).consents.map((c) => ({
            ...c,
            about: c.about ?? 'profile',
            channel,
          })),
        ),
        suppressions: judged.flatMap(({ channel, stops }) => {
          const reason = stops.get(addressOf(p, channel) ?? '');
          return reason === undefined ? [] : [{ channel, reason }];
        }),
        devices: devicesOf.get(p.id) ?? [],
        memberOf: new Set((membersOf.get(p.id) ?? []).map(({ id }) => id)),
      } satisfies PersonInFull,
    ]),
  );
  return { people: ids.flatMap((id) => byId.get(id) ?? []), topics: facts };
}

function byPerson<R extends { profileId: string }>(rows: readonly R[]): Map<string, R[]> {
  const found = new Map<string, R[]>();
  for (const row of rows) {
    const list = found.get(row.profileId);
    if (list) list.push(row);
    else found.set(row.profileId, [row]);
  }
  return found;
}
