/**
 * What people agreed to. A word is about an address, or about a profile; topic '' is the whole channel, 'marketing' all
 * marketing on it. Read late, in the transaction that hands over.
 *
 * The nearest word decides: of the topic itself, of the one above it …, at last of 'marketing'. Saying "out" takes the
 * topics below along, whatever was said of them before; so who is out of a parent is out of its children, unless the
 * person says "in" to one of them later. A word about the whole channel stands beside all that: out is out.
 */
import type { Channel, MessageClass, TopicFacts } from '@carillon/contracts';
import { kept, newId, texts, uuids, type Sql } from '@carillon/database';
import { erasedWords, forgetErased } from './erased.js';
import { whoTheyBecame } from './find-profiles.js';
import { amongWriters, markStale, markStaleAt } from './stale.js';
import { belowOf } from './topics.js';

export interface ConsentWord {
  /** Whose word it is: the nearest of each decides for itself. */
  about: 'profile' | 'address';
  topic: string;
  word: 'in' | 'out' | 'pending';
}
/** What the gate needs about one person at one address. */
export interface ConsentFacts {
  consents: ConsentWord[];
  /** Null where the message has no topic, or one that nobody has described. */
  topicFacts: TopicFacts | null;
}
export interface NewConsent {
  channel: Channel;
  /** One of the two; both write two words. */
  address: string | null;
  profileId: string | null;
  topic: string;
  word: ConsentWord['word'];
  /** Who or what recorded it: one-click, page, api, import, provider … */
  source: string;
  textVersion?: string | undefined;
  /** The person or key that said it for the profile. */
  by?: string | undefined;
}

/** Stands where a word is about an address alone. */
export const NOBODY = '00000000-0000-0000-0000-000000000000';

interface Row {
  kind: 'word' | 'topic' | 'erased';
  address: string;
  profileId: string;
  topic: string;
  word: string;
  path: string[] | null;
}

/**
 * One statement for the whole batch, whatever it holds.
 * @param about.topics of the messages; what is known of them comes along
 */
export async function consentsOf(
  sql: Sql,
  workspaceId: string,
  channel: Channel,
  about: {
    addresses: readonly string[];
    profileIds: readonly string[];
    topics?: readonly (string | null)[];
  },
): Promise<(profileId: string | null, address: string | null, topic?: string | null) => ConsentFacts> {
  const topics = [...new Set((about.topics ?? []).filter((topic) => topic !== null))];
  const rows = await sql.query<Row>(topics.length > 0 ? WORDS_AND_TOPICS : WORDS, [
    workspaceId,
    channel,
    texts(about.addresses),
    uuids(about.profileIds),
    NOBODY,
    ...(topics.length > 0 ? [topics] : []),
  ]);
  const words = new Map<string, ConsentWord[]>();
  const facts = new Map<string, TopicFacts>();
  const add = (key: string, word: ConsentWord) => words.set(key, [...(words.get(key) ?? []), word]);
  let erased = false;
  for (const { kind, address, profileId, topic, word, path } of rows)
    if (kind === 'erased') erased = true;
    else if (kind === 'topic') facts.set(topic, factsFrom(word, path ?? [topic]));
    else if (address === '')
      add(`profile ${profileId}`, { about: 'profile', topic, word: word as ConsentWord['word'] });
    else add(`address ${address}`, { about: 'address', topic, word: word as ConsentWord['word'] });
  if (erased)
    for (const { address, says } of await erasedWords(sql, workspaceId, channel, 'topic', about.addresses))
      add(`address ${address}`, { about: 'address', topic: says, word: 'out' });
  return (profileId, address, topic = null) => ({
    // Of most lists nobody has said a word.
    consents:
      words.size === 0
        ? []
        : [...(words.get(`profile ${profileId}`) ?? []), ...(words.get(`address ${address}`) ?? [])],
    topicFacts: topic === null ? null : (facts.get(topic) ?? null),
  });
}

/** Each wanted topic with those above it, the nearest first; what no record means is said by the first that says it. */
const PATHS = `SELECT 'topic', '', $5::uuid, key, concat(class, ' ', by_default), path FROM (
  WITH RECURSIVE up AS (
    SELECT key AS wanted, key, parent, class, by_default, 1 AS height FROM topics WHERE workspace_id = $1 AND key = ANY($6)
    UNION ALL
    SELECT u.wanted, t.key, t.parent, t.class, t.by_default, u.height + 1
    FROM up u JOIN topics t ON t.workspace_id = $1 AND t.key = u.parent WHERE u.height < 10
  )
  SELECT wanted AS key, (array_agg(class ORDER BY height))[1] AS class,
         (array_agg(by_default ORDER BY height) FILTER (WHERE by_default IS NOT NULL))[1] AS by_default,
         array_agg(key ORDER BY height) AS path
  FROM up GROUP BY wanted) p`;
const SAID = `SELECT 'word' AS kind, address, profile_id AS "profileId", topic, word, NULL::text[] AS path FROM consents
     WHERE workspace_id = $1 AND channel = $2 AND address = ANY($3) AND address <> ''
     UNION ALL
     SELECT 'word', address, profile_id, topic, word, NULL FROM consents
     WHERE workspace_id = $1 AND channel = $2 AND address = '' AND profile_id = ANY($4::uuid[])
     UNION ALL
     SELECT 'erased', '', $5::uuid, '', '', NULL WHERE EXISTS (SELECT FROM erased_addresses WHERE workspace_id = $1 AND kind = 'topic')`;
const WORDS = kept('consents', SAID);
const WORDS_AND_TOPICS = kept('consents-topics', `${SAID} UNION ALL ${PATHS}`);

function factsFrom(text: string, path: string[]): TopicFacts {
  const [messageClass, byDefault] = text.split(' ');
  return {
    path,
    class: messageClass as MessageClass,
    byDefault: byDefault === 'in' || byDefault === 'out' ? byDefault : null,
  };
}

/**
 * Writes the current words and, of those that changed something, the history. The newest wins; writing the same again
 * keeps the first record of it, and a word that waits for confirmation does not replace one that has it.
 */
export async function recordConsents(
  sql: Sql,
  workspaceId: string,
  consents: readonly NewConsent[],
): Promise<void> {
  if (consents.length === 0) return;
  await amongWriters(sql, workspaceId);
  // A link in a message may be of a profile that has become part of another one since.
  const became = await whoTheyBecame(
    sql,
    workspaceId,
    consents.flatMap(({ profileId }) => profileId ?? []),
  );
  const rows = new Map<string, NewConsent & { address: string; profileId: string }>();
  for (const c of consents) {
    const about = [
      ...(c.address ? [{ ...c, address: c.address, profileId: NOBODY }] : []),
      ...(c.profileId ? [{ ...c, address: '', profileId: became.get(c.profileId) ?? c.profileId }] : []),
    ];
    // The last one of a list is the newest.
    for (const row of about) rows.set(keyOf(row), row);
  }
  // In key order, so that two writers cannot wait for each other.
  const sorted = [...rows.values()].sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
  const columns = [
    sorted.map((r) => r.channel),
    sorted.map((r) => r.address),
    sorted.map((r) => r.profileId),
    sorted.map((r) => r.topic),
    sorted.map((r) => r.word),
    sorted.map((r) => r.source),
    sorted.map((r) => r.textVersion ?? null),
    sorted.map((r) => r.by ?? null),
  ];
  const changed = await sql.query<{ key: string }>(
    `INSERT INTO consents AS c (workspace_id, channel, address, profile_id, topic, word, source, text_version, by)
     SELECT $1, * FROM unnest($2::text[], $3::text[], $4::uuid[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[])
     ON CONFLICT (workspace_id, channel, address, profile_id, topic) DO UPDATE
       SET word = EXCLUDED.word, source = EXCLUDED.source, text_version = EXCLUDED.text_version, by = EXCLUDED.by, at = now()
       WHERE c.word <> EXCLUDED.word AND NOT (c.word = 'in' AND EXCLUDED.word = 'pending')
     RETURNING concat_ws(chr(1), channel, address, profile_id, topic) AS key`,
    [workspaceId, ...columns],
  );
  await takeBelowAlong(sql, workspaceId, sorted);
  const keys = new Set(changed.map(({ key }) => key));
  await log(
    sql,
    workspaceId,
    sorted.filter((row) => keys.has(keyOf(row))),
  );
  await forgetErased(
    sql,
    workspaceId,
    sorted.filter((row) => row.word === 'in' && row.address !== ''),
  );
  const people = new Set(sorted.flatMap(({ profileId }) => (profileId === NOBODY ? [] : [profileId])));
  await markStale(
    sql,
    workspaceId,
    [...people].map((profileId) => ({ profileId, mentions: ['consent'] })),
  );
  await markStaleAt(
    sql,
    workspaceId,
    sorted.flatMap(({ address }) => (address === '' ? [] : [address])),
    'consent',
  );
}
const keyOf = (row: { channel: string; address: string; profileId: string; topic: string }): string =>
  [row.channel, row.address, row.profileId, row.topic].join('\u0001');

/** An "out" of a topic is one of the topics below it, for the same subject. */
async function takeBelowAlong(
  sql: Sql,
  workspaceId: string,
  rows: readonly (NewConsent & { address: string; profileId: string })[],
): Promise<void> {
  const outs = rows.filter((row) => row.word === 'out' && row.topic !== '');
  if (outs.length === 0) return;
  const below = await belowOf(
    sql,
    workspaceId,
    outs.map((row) => row.topic),
  );
  const wide = outs.filter((row) => row.topic === 'marketing' || below.has(row.topic));
  if (wide.length === 0) return;
  await sql.execute(
    `UPDATE consents c SET word = 'out', source = u.source, text_version = NULL, by = u.by, at = now()
     FROM unnest($2::text[], $3::text[], $4::uuid[], $5::text[], $6::text[], $7::text[]) AS u(channel, address, profile_id, topics, source, by)
     WHERE c.workspace_id = $1 AND c.channel = u.channel AND c.address = u.address AND c.profile_id = u.profile_id
       AND c.word <> 'out' AND c.topic NOT IN ('', 'marketing') AND (u.topics = '*' OR c.topic = ANY(string_to_array(u.topics, chr(1))))`,
    [
      workspaceId,
      wide.map((r) => r.channel),
      wide.map((r) => r.address),
      wide.map((r) => r.profileId),
      wide.map((r) => (r.topic === 'marketing' ? '*' : (below.get(r.topic) ?? []).join('\u0001'))),
      wide.map((r) => r.source),
      wide.map((r) => r.by ?? null),
    ],
  );
}

const log = async (
  sql: Sql,
  workspaceId: string,
  rows: readonly (NewConsent & { address: string; profileId: string })[],
): Promise<void> => {
  if (rows.length === 0) return;
  await sql.execute(
    `INSERT INTO consent_log (workspace_id, id, channel, address, profile_id, topic, word, source, text_version, by)
     SELECT $1, * FROM unnest($2::uuid[], $3::text[], $4::text[], $5::uuid[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[])`,
    [
      workspaceId,
      rows.map(() => newId()),
      rows.map((r) => r.channel),
      rows.map((r) => r.address),
      rows.map((r) => r.profileId),
      rows.map((r) => r.topic),
      rows.map((r) => r.word),
      rows.map((r) => r.source),
      rows.map((r) => r.textVersion ?? null),
      rows.map((r) => r.by ?? null),
    ],
  );
};
