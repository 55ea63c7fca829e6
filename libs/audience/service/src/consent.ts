/**
 * What people agreed to and which addresses must not be written to. A word is about an address, or about a profile;
 * topic '' is the whole channel, 'marketing' all marketing on it. Read late, in the transaction that hands over.
 */
import type { Channel, ReasonName } from '@carillon/contracts';
import type { Sql } from '@carillon/database';
import { amongWriters, markStale, markStaleAt } from './stale.js';

export interface ConsentWord {
  topic: string;
  word: 'in' | 'out';
}
export interface NewConsent extends ConsentWord {
  channel: Channel;
  /** One of the two; both write two words. */
  address: string | null;
  profileId: string | null;
  /** Who or what recorded it: one-click, page, api, import, provider … */
  source: string;
  textVersion?: string;
}
export interface NewSuppression {
  channel: Channel;
  address: string;
  reason: Extract<ReasonName, 'hard_bounced' | 'complained' | 'suppressed_manually'>;
  source: string;
}

/** Stands where a word is about an address alone. */
const NOBODY = '00000000-0000-0000-0000-000000000000';

/** @returns the words that apply to a profile at an address, whichever of the two is known */
export async function consentsOf(
  sql: Sql,
  workspaceId: string,
  channel: Channel,
  about: { addresses: readonly string[]; profileIds: readonly string[] },
): Promise<(profileId: string | null, address: string | null) => ConsentWord[]> {
  const rows = await sql.query<ConsentWord & { address: string; profileId: string }>(
    `SELECT address, profile_id AS "profileId", topic, word FROM consents
     WHERE workspace_id = $1 AND channel = $2 AND address = ANY($3) AND address <> ''
     UNION ALL
     SELECT address, profile_id, topic, word FROM consents
     WHERE workspace_id = $1 AND channel = $2 AND address = '' AND profile_id = ANY($4::uuid[])`,
    [workspaceId, channel, about.addresses, about.profileIds],
  );
  const words = new Map<string, ConsentWord[]>();
  for (const { address, profileId, topic, word } of rows) {
    const key = address === '' ? `profile ${profileId}` : `address ${address}`;
    words.set(key, [...(words.get(key) ?? []), { topic, word }]);
  }
  return (profileId, address) => [
    ...(words.get(`profile ${profileId}`) ?? []),
    ...(words.get(`address ${address}`) ?? []),
  ];
}

/** Writes the current word. The newest wins; writing the same again changes nothing but keeps the first record of it. */
export async function recordConsents(
  sql: Sql,
  workspaceId: string,
  consents: readonly NewConsent[],
): Promise<void> {
  const rows = consents.flatMap((c) => [
    ...(c.address ? [{ ...c, address: c.address, profileId: NOBODY }] : []),
    ...(c.profileId ? [{ ...c, address: '', profileId: c.profileId }] : []),
  ]);
  if (rows.length === 0) return;
  await amongWriters(sql, workspaceId);
  // In key order, so that two writers cannot wait for each other.
  rows.sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
  for (const row of rows)
    await sql.execute(
      `INSERT INTO consents AS c (workspace_id, channel, address, profile_id, topic, word, source, text_version)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
       ON CONFLICT (workspace_id, channel, address, profile_id, topic) DO UPDATE
         SET word = EXCLUDED.word, source = EXCLUDED.source, text_version = EXCLUDED.text_version, at = now()
         WHERE c.word <> EXCLUDED.word`,
      [
        workspaceId,
        row.channel,
        row.address,
        row.profileId,
        row.topic,
        row.word,
        row.source,
        row.textVersion ?? null,
      ],
    );
  const about = new Set(consents.flatMap(({ profileId }) => profileId ?? []));
  await markStale(
    sql,
    workspaceId,
    [...about].map((profileId) => ({ profileId, mentions: ['consent'] })),
  );
  await markStaleAt(
    sql,
    workspaceId,
    consents.flatMap(({ address }) => address ?? []),
    'consent',
  );
}
const keyOf = (row: { channel: string; address: string; profileId: string; topic: string }): string =>
  [row.channel, row.address, row.profileId, row.topic].join('\0');

/** Why each of these addresses must not be written to; the others are not in the map. */
export async function suppressionsOf(
  sql: Sql,
  workspaceId: string,
  channel: Channel,
  addresses: readonly string[],
): Promise<Map<string, ReasonName>> {
  if (addresses.length === 0) return new Map();
  const rows = await sql.query<{ address: string; reason: ReasonName }>(
    `SELECT address, reason FROM suppressions WHERE workspace_id = $1 AND channel = $2 AND address = ANY($3)`,
    [workspaceId, channel, addresses],
  );
  return new Map(rows.map((row) => [row.address, row.reason]));
}

/** Adds addresses to the suppression list. Idempotent: the first reason stays. @returns how many are new */
export async function suppressAddresses(
  sql: Sql,
  workspaceId: string,
  suppressions: readonly NewSuppression[],
): Promise<number> {
  if (suppressions.length === 0) return 0;
  await amongWriters(sql, workspaceId);
  const added = await sql.execute(
    `INSERT INTO suppressions (workspace_id, channel, address, reason, source)
     SELECT DISTINCT ON (channel, address) $1::uuid, channel, address, reason, source
     FROM unnest($2::text[], $3::text[], $4::text[], $5::text[]) AS u(channel, address, reason, source)
     ORDER BY channel, address
     ON CONFLICT (workspace_id, channel, address) DO NOTHING`,
    [
      workspaceId,
      suppressions.map((s) => s.channel),
      suppressions.map((s) => s.address),
      suppressions.map((s) => s.reason),
      suppressions.map((s) => s.source),
    ],
  );
  if (added > 0)
    await markStaleAt(
      sql,
      workspaceId,
      suppressions.map((s) => s.address),
      'suppression',
    );
  return added;
}
