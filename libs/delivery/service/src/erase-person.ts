/**
 * Erasing a person, and telling a person everything that is kept of them. One transaction: all of it, or nothing.
 *
 * What goes: the profile with its names, devices, events, memberships and consent; what every message to them said, and to
 * which address; what providers, endpoints and imports quoted of them. What stays: rows of the log without person and
 * address, so that counts add up; the history of consent without either; of each address a keyed hash of what was refused
 * there (erased.ts), so that an erased address stays as blocked as it was.
 */
import {
  consentsOfPerson,
  eraseAddresses,
  idsByExternalId,
  idsOfPerson,
  withoutWriters,
} from '@carillon/audience-service';
import { dayOf, type Sql } from '@carillon/database';
import { personOf } from '@carillon/delivery-rules';
import { eraseMessage } from './erase.js';
import { resetCaps } from './gate-rules.js';
import { groupBy } from './group-by.js';

export interface ErasedPerson {
  profileId: string;
  deliveries: number;
  messages: number;
  addresses: number;
}
export type Erasure = { ok: true; erased: ErasedPerson } | { ok: false; busy: number };

interface Person {
  id: string;
  externalId: string;
  email: string | null;
  emailOriginal: string | null;
  phone: string | null;
  phoneOriginal: string | null;
}

const personAt = async (sql: Sql, workspaceId: string, externalId: string): Promise<Person | null> => {
  const id = (await idsByExternalId(sql, workspaceId, [externalId])).get(externalId);
  const [row] = await sql.query<Person>(
    `SELECT id, external_id AS "externalId", email, email_original AS "emailOriginal", phone, phone_original AS "phoneOriginal"
     FROM profiles WHERE workspace_id = $1 AND id = $2 FOR UPDATE`,
    [workspaceId, id ?? null],
  );
  return row ?? null;
};

/** @returns null when there is no such person; `busy` when something to them is leaving at this moment: ask again */
export async function erasePerson(
  sql: Sql,
  workspaceId: string,
  externalId: string,
): Promise<Erasure | null> {
  // Alone, so that no event or device is on its way to somebody who is erased.
  await withoutWriters(sql, workspaceId);
  const person = await personAt(sql, workspaceId, externalId);
  if (!person) return null;
  const ids = await idsOfPerson(sql, workspaceId, person.id);
  const addresses = [person.email, person.phone].filter((a) => a !== null);
  const deliveries = await deliveriesTo(sql, workspaceId, ids, addresses);

  const messages = [...new Set(deliveries.flatMap((d) => (d.own ? [d.messageId] : [])))];
  let busy = 0;
  for (const id of messages) {
    const erased = await eraseMessage(sql, workspaceId, id);
    if (erased && !erased.ok) busy += erased.busy;
  }
  // Of a message to many only their own row; what it says belongs to all of them.
  const shared = deliveries.filter((d) => !d.own);
  busy += shared.filter((d) => d.status === 'sending').length;
  if (busy > 0) return { ok: false, busy };
  for (const [day, some] of groupBy(shared, (d) => d.day)) {
    const ids = some.map((d) => d.id);
    await sql.execute(
      `UPDATE deliveries SET address = NULL, status = CASE WHEN due_at IS NULL THEN status ELSE 'cancelled' END,
              reason = CASE WHEN due_at IS NULL THEN reason ELSE 'cancelled_by_request' END, due_at = NULL
       WHERE day = $2::date AND id = ANY($3::uuid[]) AND workspace_id = $1`,
      [workspaceId, day, ids],
    );
    await sql.execute(
      `UPDATE receipts SET answer = '{}' WHERE day = $2::date AND delivery_id = ANY($3::uuid[]) AND workspace_id = $1`,
      [workspaceId, day, ids],
    );
    await sql.query('SELECT erase_event_details($1, $2::date, $3::uuid[])', [workspaceId, day, ids]);
  }
  await forgetTold(
    sql,
    workspaceId,
    deliveries.map((d) => d.id),
  );
  await forgetToldOfAudiences(sql, workspaceId, ids);
  for (const [day, some] of groupBy(deliveries, (d) => d.day))
    await sql.execute(
      'UPDATE deliveries SET profile_id = NULL WHERE day = $2::date AND id = ANY($3::uuid[]) AND workspace_id = $1',
      [workspaceId, day, some.map((d) => d.id)],
    );
  for (const [day, ids] of groupBy(messages, dayOf))
    await sql.execute(
      'UPDATE messages SET profile_id = NULL WHERE day = $2::date AND id = ANY($3::uuid[]) AND workspace_id = $1',
      [workspaceId, day, ids],
    );
  await sql.execute(
    `UPDATE run_members m SET data = NULL FROM runs r
     WHERE r.workspace_id = $1 AND (r.id::text = ANY($3) OR r.state IN ('planned', 'running', 'paused'))
       AND m.day = r.day AND m.run_id = r.id AND m.workspace_id = $1 AND m.profile_id = ANY($2::uuid[]) AND m.data IS NOT NULL`,
    [workspaceId, ids, [...new Set(shared.flatMap((d) => d.sourceId ?? []))]],
  );
  const asAddresses = [
    personOf({ profileId: null, channel: 'email', address: person.email }),
    personOf({ profileId: null, channel: 'sms', address: person.phone }),
  ].filter((id) => id !== null);
  await resetCaps(sql, workspaceId, [...ids, ...asAddresses]);
  await eraseAddresses(sql, workspaceId, person);
  await sql.execute('DELETE FROM profiles WHERE workspace_id = $1 AND id = $2', [workspaceId, person.id]);
  return {
    ok: true,
    erased: {
      profileId: person.id,
      deliveries: deliveries.length,
      messages: messages.length,
      addresses: addresses.length,
    },
  };
}

interface Delivery {
  day: string;
  id: string;
  messageId: string;
  status: string;
  /** The run that it belongs to. */
  sourceId: string | null;
  /** Of a message to this person alone. */
  own: boolean;
}

/** By the person, and by their addresses where a message went to an address alone. */
async function deliveriesTo(
  sql: Sql,
  workspaceId: string,
  profileIds: readonly string[],
  addresses: readonly string[],
): Promise<Delivery[]> {
  const rows = await sql.query<Omit<Delivery, 'own'>>(
    `SELECT day::text AS day, id, message_id AS "messageId", status, source_id AS "sourceId" FROM deliveries WHERE workspace_id = $1 AND profile_id = ANY($2::uuid[])
     UNION
     SELECT day::text, id, message_id, status, source_id FROM deliveries WHERE workspace_id = $1 AND profile_id IS NULL AND address = ANY($3)`,
    [workspaceId, profileIds, addresses],
  );
  const own = new Set<string>();
  for (const [day, some] of groupBy(new Set(rows.map((r) => r.messageId)), dayOf))
    for (const { id } of await sql.query<{ id: string }>(
      `SELECT id FROM messages WHERE day = $2::date AND id = ANY($3::uuid[]) AND workspace_id = $1 AND cardinality(delivery_ids) > 0`,
      [workspaceId, day, some],
    ))
      own.add(id);
  return rows.map((row) => ({ ...row, own: own.has(row.messageId) }));
}

/** What endpoints were told of these deliveries, and what they answered. */
async function forgetTold(sql: Sql, workspaceId: string, deliveryIds: readonly string[]): Promise<void> {
  if (deliveryIds.length === 0) return;
  await sql.execute(
    `UPDATE webhook_messages w SET payload = NULL, attempts = '[]'
     FROM webhook_endpoints e, unnest($2::text[]) AS d(id)
     WHERE w.workspace_id = $1 AND e.workspace_id = $1 AND w.endpoint_id = e.id AND w.event_id >= d.id || ':' AND w.event_id < d.id || ';'`,
    [workspaceId, deliveryIds],
  );
}

/** What endpoints were told of audiences that these people entered or left. */
const forgetToldOfAudiences = (
  sql: Sql,
  workspaceId: string,
  profileIds: readonly string[],
): Promise<number> =>
  sql.execute(
    `UPDATE webhook_messages w SET payload = NULL, attempts = '[]'
     FROM webhook_endpoints e, audience_changes c
     WHERE w.workspace_id = $1 AND e.workspace_id = $1 AND w.endpoint_id = e.id
       AND c.workspace_id = $1 AND c.profile_id = ANY($2::uuid[]) AND w.event_id = c.audience_id || ':' || c.seq`,
    [workspaceId, profileIds],
  );

/** Everything that is kept of a person, as one document. @returns null when there is no such person */
export async function exportPerson(
  sql: Sql,
  workspaceId: string,
  externalId: string,
): Promise<Record<string, unknown> | null> {
  const person = await personAt(sql, workspaceId, externalId);
  if (!person) return null;
  const addresses = [person.email, person.phone].filter((a) => a !== null);
  const of = (text: string, ...params: unknown[]) =>
    sql.query<{ row: Record<string, unknown> }>(
      `SELECT to_jsonb(t) - 'workspace_id' AS row FROM (${text}) t`,
      [workspaceId, ...params],
    );
  const rows = async (text: string, ...params: unknown[]) =>
    (await of(text, ...params)).map(({ row }) => row);
  const ids = await idsOfPerson(sql, workspaceId, person.id);
  const deliveries = await deliveriesTo(sql, workspaceId, ids, addresses);
  const log: Record<string, unknown>[] = [];
  const messages: Record<string, unknown>[] = [];
  for (const [day, some] of groupBy(deliveries, (d) => d.day)) {
    const ids = some.map((d) => d.id);
    log.push(
      ...(await rows(
        `SELECT d.*, (SELECT jsonb_agg(jsonb_build_object('at', e.at, 'type', e.type, 'reason', e.reason, 'detail', e.detail) ORDER BY e.id)
                        FROM delivery_events e WHERE e.day = $2::date AND e.delivery_id = d.id) AS timeline
         FROM deliveries d WHERE d.workspace_id = $1 AND d.day = $2::date AND d.id = ANY($3::uuid[])`,
        day,
        ids,
      )),
    );
    messages.push(
      ...(await rows(
        `SELECT id, class, topic, content, data, options, created_at FROM messages WHERE workspace_id = $1 AND day = $2::date AND id = ANY($3::uuid[])`,
        day,
        [...new Set(some.flatMap((d) => (d.own ? [d.messageId] : [])))],
      )),
    );
  }
  const [profile] = await rows('SELECT * FROM profiles WHERE workspace_id = $1 AND id = $2', person.id);
  return {
    profile,
    identities: await rows('SELECT * FROM identities WHERE workspace_id = $1 AND profile_id = $2', person.id),
    devices: await rows('SELECT * FROM devices WHERE workspace_id = $1 AND profile_id = $2', person.id),
    activity: await rows(
      'SELECT * FROM profile_activity WHERE workspace_id = $1 AND profile_id = $2',
      person.id,
    ),
    ...(await consentsOfPerson(sql, workspaceId, person)),
    suppressions: await rows(
      'SELECT * FROM suppressions WHERE workspace_id = $1 AND address = ANY($2)',
      addresses,
    ),
    audiences: await rows(
      `SELECT a.key, a.name, m.since FROM audience_members m JOIN audiences a ON a.workspace_id = $1 AND a.id = m.audience_id
       WHERE m.workspace_id = $1 AND m.profile_id = $2`,
      person.id,
    ),
    events: await rows(
      'SELECT id, name, at, properties, received_at FROM events WHERE workspace_id = $1 AND profile_id = $2 ORDER BY at',
      person.id,
    ),
    messages,
    deliveries: log,
    journeys: await rows(
      `SELECT j.key AS journey, e.version, e.state, e.step, e.data, e.outcome, e.reason, e.entered_at, e.ended_at,
         (SELECT jsonb_agg(jsonb_build_object('at', s.at, 'step', s.step, 'way', s.way, 'detail', s.detail) ORDER BY s.no)
            FROM enrollment_steps s WHERE s.workspace_id = $1 AND s.enrollment_id = e.id) AS steps
       FROM enrollments e JOIN journeys j ON j.workspace_id = $1 AND j.id = e.journey_id
       WHERE e.workspace_id = $1 AND e.profile_id = $2 ORDER BY e.entered_at`,
      person.id,
    ),
    refused: await rows(
      `SELECT j.key AS journey, r.reason, r.at FROM journey_refusals r JOIN journeys j ON j.workspace_id = $1 AND j.id = r.journey_id
       WHERE r.workspace_id = $1 AND r.profile_id = $2 ORDER BY r.at`,
      person.id,
    ),
    // What was only played holds what is known of them all the same: addresses, attributes, what messages would have said.
    simulations: await rows(
      `SELECT j.key AS journey, s.created_at AS at, w.outcome, w.way FROM simulated_people w
         JOIN journey_simulations s ON s.workspace_id = $1 AND s.id = w.simulation_id JOIN journeys j ON j.workspace_id = $1 AND j.id = s.journey_id
       WHERE w.workspace_id = $1 AND w.profile_id = $2 ORDER BY s.created_at`,
      person.id,
    ),
    merges: await rows(
      'SELECT merged_external_id, rule, detail, by, at FROM profile_merges WHERE workspace_id = $1 AND kept_id = ANY($2::uuid[]) ORDER BY at',
      ids,
    ),
    inbox: await rows('SELECT * FROM inbox_items WHERE workspace_id = $1 AND profile_id = $2', person.id),
  };
}
