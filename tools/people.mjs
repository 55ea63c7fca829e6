/**
 * People and what they did, made up: the same for the same seed. Countries with their names, phones, zones and languages,
 * plans, values that lean to the small side, sessions of several events, a few people who do most of it. Made by PostgreSQL
 * itself from hashes of row numbers, so that a million people and ten million events take minutes and no transfer. Used by
 * `npm run bench -- audience`; needs the owner's connection.
 */

/** Share, country, locale, zones, phone prefix, digits after it, names. Numbers have the right length and no owner we know. */
const COUNTRIES = [
  [
    24,
    'US',
    'en-US',
    ['America/New_York', 'America/Chicago', 'America/Denver', 'America/Los_Angeles'],
    '+1212',
    7,
    'Emma Olivia Liam Noah Ava James Sophia Lucas Mia Henry',
    'Smith Johnson Brown Davis Miller Wilson Moore Taylor',
  ],
  [
    16,
    'GB',
    'en-GB',
    ['Europe/London'],
    '+4420',
    8,
    'Amelia Oliver Isla George Freya Arthur Poppy Alfie',
    'Jones Williams Evans Thomas Roberts Walker Wright Hughes',
  ],
  [
    14,
    'DE',
    'de',
    ['Europe/Berlin'],
    '+4930',
    8,
    'Anna Lukas Lena Jonas Mia Felix Clara Jürgen',
    'Müller Schmidt Schneider Fischer Weber Wagner Becker',
  ],
  [
    10,
    'FR',
    'fr',
    ['Europe/Paris'],
    '+331',
    8,
    'Chloé Hugo Léa Louis Manon Jules Camille Théo',
    'Martin Bernard Dubois Moreau Laurent Lefèvre Roux',
  ],
  [
    10,
    'IN',
    'en-IN',
    ['Asia/Kolkata'],
    '+9198',
    8,
    'Aarav Saanvi Vihaan Ananya Arjun Diya Kabir Meera',
    'Sharma Patel Singh Gupta Iyer Reddy Das',
  ],
  [
    8,
    'BR',
    'pt-BR',
    ['America/Sao_Paulo', 'America/Manaus'],
    '+55119',
    8,
    'Ana João Maria Pedro Júlia Lucas Beatriz Rafael',
    'Silva Santos Oliveira Souza Lima Costa',
  ],
  [
    6,
    'ES',
    'es',
    ['Europe/Madrid'],
    '+3491',
    7,
    'Lucía Hugo Martina Daniel Sofía Pablo Valeria',
    'García Fernández López Martínez Sánchez Pérez',
  ],
  [5, 'JP', 'ja', ['Asia/Tokyo'], '+813', 8, '陽菜 蓮 結衣 湊 葵 樹', '佐藤 鈴木 高橋 田中 伊藤 渡辺'],
  [
    4,
    'NL',
    'nl',
    ['Europe/Amsterdam'],
    '+3120',
    7,
    'Emma Daan Sophie Sem Julia Lucas',
    'de-Jong Jansen de-Vries Bakker Visser Smit',
  ],
  [
    3,
    'AU',
    'en-AU',
    ['Australia/Sydney', 'Australia/Perth'],
    '+612',
    8,
    'Charlotte Jack Matilda William Ruby Thomas',
    'Nguyen Kelly Walsh Murphy Campbell',
  ],
];
const CHUNK = 20_000;

/** A number from 0 to 1 that is the same for the same two numbers and seed. */
const setUp = (seed) => `
  CREATE OR REPLACE FUNCTION pg_temp.r(i bigint, k integer) RETURNS float8 LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
    $f$ SELECT (hashint8extended(i, ${seed}::bigint * 1000 + k) & 9007199254740991)::float8 / 9007199254740992 $f$;
  CREATE TEMP TABLE made_countries AS
    SELECT (c->>0)::float8 AS upto, c->>1 AS country, c->>2 AS locale, c->3 AS zones, c->>4 AS prefix, (c->>5)::int AS digits,
      string_to_array(c->>6, ' ') AS first, string_to_array(replace(c->>7, '-', '_'), ' ') AS last
    FROM jsonb_array_elements(current_setting('made.countries')::jsonb) c;
  CREATE TEMP TABLE made_people (n bigint PRIMARY KEY, id uuid NOT NULL);`;

/** Rows $3 to $4 of the people of $1, made up over the two years before $2. */
const PEOPLE = `
  WITH n AS (
    SELECT i, $2::timestamptz - pg_temp.r(i, 1) * interval '730 days' AS at, pg_temp.r(i, 2) * 100 AS where_from,
      md5(i::text || pg_temp.r(i, 3)::text) AS hex
    FROM generate_series($3::bigint, $4::bigint) AS i
  ), person AS (
    SELECT n.*, c.*, lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') AS ms,
      c.first[1 + floor(pg_temp.r(i, 4) * array_length(c.first, 1))::int] AS given,
      replace(c.last[1 + floor(pg_temp.r(i, 5) * array_length(c.last, 1))::int], '_', ' ') AS family
    FROM n CROSS JOIN LATERAL (SELECT * FROM made_countries WHERE upto > n.where_from ORDER BY upto LIMIT 1) c
  ), made AS (
    INSERT INTO profiles (id, workspace_id, external_id, email, email_original, phone, phone_original, locale, timezone, phone_country, phone_zone, attributes, created_at, updated_at)
    SELECT (substr(ms, 1, 8) || '-' || substr(ms, 9, 4) || '-7' || substr(hex, 1, 3) || '-8' || substr(hex, 4, 3) || '-' || substr(hex, 7, 12))::uuid,
      $1, 'person-' || i, email, email, phone, phone, CASE WHEN pg_temp.r(i, 6) < 0.93 THEN locale END,
      CASE WHEN pg_temp.r(i, 7) < 0.8 THEN zones->>floor(pg_temp.r(i, 8) * jsonb_array_length(zones))::int END,
      CASE WHEN phone IS NOT NULL THEN country END, CASE WHEN phone IS NOT NULL AND jsonb_array_length(zones) = 1 THEN zones->>0 END,
      jsonb_strip_nulls(jsonb_build_object(
        'firstName', given, 'lastName', family, 'country', country,
        'plan', CASE WHEN pg_temp.r(i, 9) < 0.70 THEN 'free' WHEN pg_temp.r(i, 9) < 0.92 THEN 'pro' WHEN pg_temp.r(i, 9) < 0.985 THEN 'team' ELSE 'enterprise' END,
        'age', CASE WHEN pg_temp.r(i, 10) < 0.6 THEN 16 + floor(pg_temp.r(i, 11) * pg_temp.r(i, 12) * 70)::int END,
        'birthday', CASE WHEN pg_temp.r(i, 10) < 0.6 THEN to_char(date '1955-01-01' + floor(pg_temp.r(i, 13) * 18000)::int, 'YYYY-MM-DD') END,
        'spent', round((exp(pg_temp.r(i, 14) * 8) - 1)::numeric, 2),
        'newsletter', pg_temp.r(i, 15) < 0.45,
        'source', (ARRAY['search', 'friend', 'ad', 'event', 'partner'])[1 + floor(pg_temp.r(i, 16) * pg_temp.r(i, 17) * 5)::int],
        'interests', CASE WHEN pg_temp.r(i, 18) < 0.5 THEN to_jsonb((ARRAY['sport', 'music', 'travel', 'food', 'books', 'garden'])[1:1 + floor(pg_temp.r(i, 19) * 4)::int]) END,
        'signedUpOn', to_char(at, 'YYYY-MM-DD'))),
      at, at
    FROM (SELECT *,
        CASE WHEN pg_temp.r(i, 20) < 0.94 THEN translate(lower(translate(given, 'éèüöäíúãõóñáÉ', 'eeuoaiuaoonaE')), ' ', '') || '.' || i || '@' || (ARRAY['example.com', 'mail.example', 'post.example', 'example.org'])[1 + floor(pg_temp.r(i, 21) * 4)::int] END AS email_any,
        CASE WHEN pg_temp.r(i, 22) < 0.42 THEN prefix || lpad(floor(pg_temp.r(i, 23) * power(10, digits))::bigint::text, digits, '2') END AS phone
      FROM person) p
    CROSS JOIN LATERAL (SELECT CASE WHEN email_any ~ '^[ -~]+$' THEN email_any WHEN email_any IS NOT NULL THEN 'p.' || i || '@example.com' END AS email) e
    RETURNING id, external_id
  )
  INSERT INTO made_people SELECT substr(external_id, 8)::bigint, id FROM made`;

/**
 * Events $3 to $4: eight to a session, which is one person's and begins at a time that leans to the recent. $5 people, $6
 * days back. Low numbers do most of it.
 */
const EVENTS = `
  WITH e AS (
    SELECT i, i / 8 AS session, i % 8 AS step, pg_temp.r(i, 40) AS what FROM generate_series($3::bigint, $4::bigint) AS i
  ), done AS (
    SELECT i, 1 + floor($5::float8 * power(pg_temp.r(session, 41), 3))::bigint AS n, what,
      $2::timestamptz - power(pg_temp.r(session, 42), 1.5) * ($6::float8 * interval '1 day')
        - (7 - step) * (pg_temp.r(i, 43) * interval '90 seconds') - interval '1 minute' AS at,
      CASE WHEN step = 0 THEN 'session.started' WHEN what < 0.55 THEN 'page.viewed' WHEN what < 0.78 THEN 'product.viewed'
           WHEN what < 0.88 THEN 'cart.added' WHEN what < 0.94 THEN 'order.placed' WHEN what < 0.98 THEN 'search.made' ELSE 'support.asked' END AS name
    FROM e
  )
  INSERT INTO events (workspace_id, profile_id, at, id, name, properties, received_at)
  SELECT $1, p.id, date_trunc('milliseconds', at), gen_random_uuid(), name,
    CASE name
      WHEN 'session.started' THEN jsonb_build_object('device', (ARRAY['phone', 'desktop', 'tablet'])[1 + floor(what * 3)::int])
      WHEN 'order.placed' THEN jsonb_build_object('total', round((5 + exp(pg_temp.r(i, 44) * 6))::numeric, 2), 'currency', 'EUR', 'items', 1 + floor(pg_temp.r(i, 45) * 5)::int)
      WHEN 'search.made' THEN jsonb_build_object('query', (ARRAY['shoes', 'tent', 'lamp', 'book'])[1 + floor(pg_temp.r(i, 46) * 4)::int])
      WHEN 'support.asked' THEN jsonb_build_object('topic', 'delivery')
      ELSE jsonb_build_object('path', '/p/' || floor(pg_temp.r(i, 47) * 5000)::int) END,
    date_trunc('milliseconds', at)
  FROM done JOIN made_people p ON p.n = done.n`;

const ACTIVITY = `
  INSERT INTO profile_activity (workspace_id, profile_id, events, first_seen_at, last_seen_at)
  SELECT workspace_id, profile_id, count(*), min(at), max(at) FROM events WHERE workspace_id = $1 GROUP BY 1, 2
  ON CONFLICT (workspace_id, profile_id) DO UPDATE SET events = EXCLUDED.events, first_seen_at = EXCLUDED.first_seen_at, last_seen_at = EXCLUDED.last_seen_at`;

/**
 * Fills a workspace. With `rebuild` the indexes of events are made after the rows, which is much faster, and nothing else may
 * use that table meanwhile.
 * @param {import('pg').Client} owner of the tables
 * @param {string} workspaceId
 * @param {{ people: number, events: number, seed?: number, now?: Date, days?: number, rebuild?: boolean,
 *   progress?: (what: string, done: number, all: number) => void }} wanted
 */
export async function makePeople(
  owner,
  workspaceId,
  { people, events, seed = 1, now = new Date(), days = 330, rebuild = false, progress = () => {} },
) {
  let upto = 0;
  const countries = COUNTRIES.map(([share, ...rest]) => [(upto += share), ...rest]);
  await owner.query(`SELECT set_config('made.countries', $1, false)`, [JSON.stringify(countries)]);
  await owner.query(setUp(Math.trunc(seed)));
  // Made up can be made up again: it need not be on the disk before the next statement.
  await owner.query(
    `SET synchronous_commit = off; SET work_mem = '64MB'; SET maintenance_work_mem = '256MB'`,
  );
  try {
    for (let lo = 1; lo <= people; lo += CHUNK) {
      const hi = Math.min(people, lo + CHUNK - 1);
      await owner.query(PEOPLE, [workspaceId, now, lo, hi]);
      progress('people', hi, people);
    }
    await owner.query('ANALYZE made_people');
    const from = new Date(now.getTime() - (days + 1) * 86_400_000);
    await owner.query('SELECT ensure_event_months($1::date, $2::date)', [from, now]);
    const indexes = rebuild ? await dropIndexes(owner) : [];
    for (let lo = 0; lo < events; lo += CHUNK * 4) {
      const hi = Math.min(events, lo + CHUNK * 4) - 1;
      await owner.query(EVENTS, [workspaceId, now, lo, hi, people, days]);
      progress('events', hi + 1, events);
    }
    for (const [i, index] of indexes.entries()) {
      await owner.query(index);
      progress('indexes', i + 1, indexes.length);
    }
    await owner.query(ACTIVITY, [workspaceId]);
    await owner.query('VACUUM (ANALYZE) profiles, events, profile_activity');
  } finally {
    await owner.query('RESET synchronous_commit; RESET work_mem; RESET maintenance_work_mem');
    await owner.query('DROP TABLE IF EXISTS made_people, made_countries');
  }
}

/** @returns the statements that make them again */
async function dropIndexes(owner) {
  const { rows } = await owner.query(
    `SELECT i.indexrelid::regclass::text AS name, pg_get_indexdef(i.indexrelid) AS text, c.conname AS key, pg_get_constraintdef(c.oid) AS definition
     FROM pg_index i LEFT JOIN pg_constraint c ON c.conindid = i.indexrelid WHERE i.indrelid = 'events'::regclass`,
  );
  for (const { name, key } of rows)
    await owner.query(key ? `ALTER TABLE events DROP CONSTRAINT "${key}"` : `DROP INDEX ${name}`);
  return rows.map(({ text, key, definition }) =>
    key ? `ALTER TABLE events ADD CONSTRAINT "${key}" ${definition}` : text.replace(' ON ONLY ', ' ON '),
  );
}

/** A bar in one line of the terminal; lines of their own where there is none. */
export function progressBar(out = process.stdout) {
  let last = '';
  return (what, done, all) => {
    const share = all === 0 ? 1 : done / all;
    const line = `${what.padEnd(8)} ${'█'.repeat(Math.round(share * 30)).padEnd(30, '░')} ${Math.floor(share * 100)} %  ${done.toLocaleString('en')} of ${all.toLocaleString('en')}`;
    if (out.isTTY) out.write(`\r${line}${done >= all ? '\n' : ''}`);
    else if (done >= all && line !== last) out.write(`${line}\n`);
    last = line;
  };
}
