/**
 * Two profiles become one, in one transaction that is alone with the workspace's people: no event, device or word of
 * consent can go to the one that is about to go. What belongs to it moves: devices, identities, events, activity, consents
 * (an opt-out of either holds), the inbox, places in lists. Its deliveries stay as they are in the log, which is history;
 * timelines read both. Rules are looked at again for who stays. Its external id becomes an identity of who stays, so that
 * every way in leads there; identities always point at a profile, never at another identity, so there can be no ring.
 */
import { MERGE_RULE, mergeProfiles as mergeValues, type Mergeable } from '@carillon/audience-rules';
import { OWN_NAMESPACE, type MergeResult } from '@carillon/contracts';
import { newId, type Sql } from '@carillon/database';
import { idsByExternalId } from './find-profiles.js';
import { EVERYTHING, markStale, withoutWriters } from './stale.js';

export type MergeOutcome =
  | { ok: true; keptId: string; result: Omit<MergeResult, 'profile'> }
  | { ok: false; unknown: 'kept' | 'merged' }
  | { ok: false; unknown: 'none' };

interface Row extends Mergeable {
  id: string;
  externalId: string;
}

/**
 * @param kept external id of who stays
 * @param merged external id of who becomes part of them
 * @param by who asked
 * @returns `unknown: 'none'`: the same external id was given twice
 */
export async function mergeProfiles(
  sql: Sql,
  workspaceId: string,
  kept: string,
  merged: string,
  by: string,
): Promise<MergeOutcome> {
  if (kept === merged) return { ok: false, unknown: 'none' };
  await withoutWriters(sql, workspaceId);
  const ids = await idsByExternalId(sql, workspaceId, [kept, merged]);
  const [keptId, mergedId] = [ids.get(kept), ids.get(merged)];
  if (keptId === undefined) return { ok: false, unknown: 'kept' };
  if (mergedId === undefined) return { ok: false, unknown: 'merged' };
  const none = { devices: 0, identities: 0, events: 0, consents: 0, inboxItems: 0, lists: 0 };
  if (keptId === mergedId)
    return { ok: true, keptId, result: { outcome: 'already', rule: MERGE_RULE, from: {}, moved: none } };

  const rows = await sql.query<Row>(
    `SELECT id, external_id AS "externalId", email, email_original AS "emailOriginal", phone, phone_original AS "phoneOriginal",
       phone_country AS "phoneCountry", phone_zone AS "phoneZone", locale, timezone, attributes
     FROM profiles WHERE workspace_id = $1 AND id = ANY($2::uuid[]) ORDER BY id FOR UPDATE`,
    [workspaceId, [keptId, mergedId]],
  );
  const [stays, goes] = [rows.find(({ id }) => id === keptId), rows.find(({ id }) => id === mergedId)];
  if (!stays || !goes) throw new Error('a profile was deleted by somebody who did not wait for writers');
  const { values, from } = mergeValues(stays, goes);
  const pair = [workspaceId, keptId, mergedId] as const;
  const move = (table: string) =>
    sql.execute(`UPDATE ${table} SET profile_id = $2 WHERE workspace_id = $1 AND profile_id = $3`, pair);

  const moved = {
    devices: await move('devices'),
    identities: await move('identities'),
    events: await move('events'),
    consents: await moveConsents(sql, pair),
    inboxItems: await moveInbox(sql, pair),
    lists: await moveListPlaces(sql, pair),
  };
  await move('consent_confirmations');
  await moveEnrollments(sql, pair);
  await move('journey_signals');
  await move('journey_refusals');
  await foldActivity(sql, pair);
  await foldCounted(sql, pair);
  // The row goes before its values are written elsewhere, and before its external id is free to be an identity.
  await sql.execute('DELETE FROM profiles WHERE workspace_id = $1 AND id = $2', [workspaceId, mergedId]);
  await sql.execute(
    'INSERT INTO identities (workspace_id, namespace, value, profile_id) VALUES ($1, $2, $3, $4)',
    [workspaceId, OWN_NAMESPACE, goes.externalId, keptId],
  );
  await sql.execute(
    `UPDATE profiles SET email = $3, email_original = $4, phone = $5, phone_original = $6, phone_country = $7, phone_zone = $8,
       locale = $9, timezone = $10, attributes = $11, version = version + 1, updated_at = now()
     WHERE workspace_id = $1 AND id = $2`,
    [
      workspaceId,
      keptId,
      values.email,
      values.emailOriginal,
      values.phone,
      values.phoneOriginal,
      values.phoneCountry,
      values.phoneZone,
      values.locale,
      values.timezone,
      JSON.stringify(values.attributes),
    ],
  );
  await sql.execute(
    `INSERT INTO profile_merges (id, workspace_id, kept_id, merged_id, merged_external_id, rule, detail, by)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
    [
      newId(),
      workspaceId,
      keptId,
      mergedId,
      goes.externalId,
      MERGE_RULE,
      JSON.stringify({ from, moved }),
      by,
    ],
  );
  // Test profiles of the gate's rules stand there by external id.
  await sql.execute(
    `UPDATE workspaces SET settings = jsonb_set(settings, '{gate,testProfiles}',
       (SELECT jsonb_agg(CASE tester WHEN $2 THEN $3::text ELSE tester END)
        FROM jsonb_array_elements_text(settings -> 'gate' -> 'testProfiles') AS t(tester)))
     WHERE id = $1 AND settings -> 'gate' -> 'testProfiles' ? $2`,
    [workspaceId, goes.externalId, stays.externalId],
  );
  await markStale(sql, workspaceId, [{ profileId: keptId, mentions: [EVERYTHING] }]);
  return { ok: true, keptId, result: { outcome: 'merged', rule: MERGE_RULE, from, moved } };
}

type Pair = readonly [workspaceId: string, keptId: string, mergedId: string];

/** A person is inside a journey once: where both are, the profile that stays goes on, and the other's way ends as `merged`. */
async function moveEnrollments(sql: Sql, pair: Pair): Promise<void> {
  await sql.execute(
    `WITH twice AS (
       UPDATE enrollments e SET state = 'ended', outcome = 'merged', reason = 'the profile became part of another that was inside', ended_at = now(), due_at = NULL, step_due_at = NULL
        WHERE e.workspace_id = $1 AND e.profile_id = $3 AND e.state <> 'ended'
          AND EXISTS (SELECT FROM enrollments k WHERE k.workspace_id = $1 AND k.profile_id = $2 AND k.journey_id = e.journey_id AND k.instance = e.instance AND k.state <> 'ended')
       RETURNING e.journey_id, e.version, e.step)
     SELECT count_ways($1, array_agg(t.journey_id), array_agg(t.version), array_agg(w.step), array_agg(w.way), array_agg(1::bigint))
       FROM twice t CROSS JOIN LATERAL (VALUES (coalesce(t.step, ''), 'merged'), ('', 'ended:merged')) AS w(step, way)
      WHERE w.step <> '' OR w.way = 'ended:merged'`,
    pair,
  );
  await sql.execute(
    'UPDATE enrollments SET profile_id = $2 WHERE workspace_id = $1 AND profile_id = $3',
    pair,
  );
}

/** Where both have said something, an opt-out holds, and a word that was confirmed before one that waits for it. */
async function moveConsents(sql: Sql, pair: Pair): Promise<number> {
  const moved = await sql.execute(
    `INSERT INTO consents AS c (workspace_id, channel, address, profile_id, topic, word, source, text_version, at)
     SELECT workspace_id, channel, address, $2, topic, word, source, text_version, at
     FROM consents WHERE workspace_id = $1 AND profile_id = $3 AND address = ''
     ON CONFLICT (workspace_id, channel, address, profile_id, topic) DO UPDATE
       SET word = EXCLUDED.word, source = EXCLUDED.source, text_version = EXCLUDED.text_version, at = EXCLUDED.at
       WHERE (EXCLUDED.word = 'out' AND c.word <> 'out') OR (EXCLUDED.word = 'in' AND c.word = 'pending')`,
    pair,
  );
  await sql.execute(`DELETE FROM consents WHERE workspace_id = $1 AND profile_id = $2 AND address = ''`, [
    pair[0],
    pair[2],
  ]);
  return moved;
}

/** What either was sent counts for frequency caps. */
async function foldCounted(sql: Sql, pair: Pair): Promise<void> {
  await sql.execute(
    `INSERT INTO counted_sends AS c (workspace_id, profile_id, sends)
     SELECT workspace_id, $2, sends FROM counted_sends WHERE workspace_id = $1 AND profile_id = $3
     ON CONFLICT (workspace_id, profile_id) DO UPDATE SET sends = c.sends || EXCLUDED.sends`,
    pair,
  );
  await sql.execute('DELETE FROM counted_sends WHERE workspace_id = $1 AND profile_id = $2', [
    pair[0],
    pair[2],
  ]);
}

/** Their items come after those that are there, so that open streams are told of them. */
async function moveInbox(sql: Sql, [workspaceId, keptId, mergedId]: Pair): Promise<number> {
  const [count] = await sql.query<{ items: number }>(
    'SELECT count(*)::int AS items FROM inbox_items WHERE workspace_id = $1 AND profile_id = $2',
    [workspaceId, mergedId],
  );
  if (!count?.items) return 0;
  const [feed] = await sql.query<{ last: number }>(
    `INSERT INTO inbox_feeds AS f (workspace_id, profile_id, last_seq) VALUES ($1, $2, $3)
     ON CONFLICT (workspace_id, profile_id) DO UPDATE SET last_seq = f.last_seq + EXCLUDED.last_seq
     RETURNING last_seq AS last`,
    [workspaceId, keptId, count.items],
  );
  return sql.execute(
    `UPDATE inbox_items i SET profile_id = $2, seq = $4::bigint - n.items + n.place
     FROM (SELECT id, row_number() OVER (ORDER BY seq) AS place, count(*) OVER () AS items
           FROM inbox_items WHERE workspace_id = $1 AND profile_id = $3) n
     WHERE i.workspace_id = $1 AND i.id = n.id`,
    [workspaceId, keptId, mergedId, feed?.last ?? count.items],
  );
}

/** A place in a list moves with its number, so that nobody reads the person as new. Rules judge anew. */
const moveListPlaces = (sql: Sql, pair: Pair): Promise<number> =>
  sql.execute(
    `UPDATE audience_members m SET profile_id = $2 FROM audiences a
     WHERE m.workspace_id = $1 AND m.profile_id = $3 AND a.workspace_id = $1 AND a.id = m.audience_id AND a.kind = 'list'
       AND NOT EXISTS (SELECT FROM audience_members k
                       WHERE k.workspace_id = $1 AND k.audience_id = m.audience_id AND k.profile_id = $2)`,
    pair,
  );

const foldActivity = (sql: Sql, pair: Pair): Promise<number> =>
  sql.execute(
    `INSERT INTO profile_activity AS a
       (workspace_id, profile_id, events, sent, opened, clicked, first_seen_at, last_seen_at, last_sent_at, last_opened_at, last_clicked_at)
     SELECT workspace_id, $2, events, sent, opened, clicked, first_seen_at, last_seen_at, last_sent_at, last_opened_at, last_clicked_at
     FROM profile_activity WHERE workspace_id = $1 AND profile_id = $3
     ON CONFLICT (workspace_id, profile_id) DO UPDATE SET
       events = a.events + EXCLUDED.events, sent = a.sent + EXCLUDED.sent,
       opened = a.opened + EXCLUDED.opened, clicked = a.clicked + EXCLUDED.clicked,
       first_seen_at = least(a.first_seen_at, EXCLUDED.first_seen_at),
       last_seen_at = greatest(a.last_seen_at, EXCLUDED.last_seen_at),
       last_sent_at = greatest(a.last_sent_at, EXCLUDED.last_sent_at),
       last_opened_at = greatest(a.last_opened_at, EXCLUDED.last_opened_at),
       last_clicked_at = greatest(a.last_clicked_at, EXCLUDED.last_clicked_at)`,
    pair,
  );
