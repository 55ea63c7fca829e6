/** The people that are made up: the same for the same seed, and such as the product itself would have stored. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { freshDatabase } from '@carillon/testing';
import pg from 'pg';
import { makePeople } from './people.mjs';

describe('makePeople', () => {
  let database;
  let owner;
  const made = {};
  beforeAll(async () => {
    database = await freshDatabase();
    owner = new pg.Client({ connectionString: database.ownerUrl });
    await owner.connect();
    for (const [slug, seed] of [
      ['one', 7],
      ['same', 7],
      ['other', 8],
    ]) {
      const { rows } = await owner.query(
        'INSERT INTO workspaces (id, slug, name) VALUES (gen_random_uuid(), $1, $1) RETURNING id',
        [slug],
      );
      made[slug] = rows[0].id;
      // Profile ids are made from the seed too, and are unique over workspaces.
      if (slug === 'same') await owner.query('DELETE FROM profiles');
      const now = new Date('2026-11-20T12:00:00Z');
      await makePeople(owner, made[slug], { people: 500, events: 4000, seed, now, rebuild: slug === 'one' });
      const all = await owner.query(
        `SELECT md5(string_agg(p.external_id || p.attributes::text || coalesce(p.email, '') || coalesce(p.phone, ''), ',' ORDER BY p.external_id)) AS people,
           (SELECT md5(string_agg(e.profile_id::text || e.at || e.name || e.properties::text, ',' ORDER BY e.profile_id, e.at, e.name)) FROM events e WHERE e.workspace_id = $1) AS events
         FROM profiles p WHERE workspace_id = $1`,
        [made[slug]],
      );
      made[`${slug} text`] = all.rows[0];
    }
  }, 120_000);
  afterAll(async () => {
    await owner.end();
    await database.drop();
  });

  it('makes the same for the same seed, and others for another', () => {
    expect(made['same text']).toEqual(made['one text']);
    expect(made['other text'].people).not.toBe(made['one text'].people);
  });

  it('makes people as they are stored, most of whom did little and a few most', async () => {
    const { rows } = await owner.query(
      `SELECT count(*)::int AS people, count(email)::int AS emails, count(phone)::int AS phones,
         count(*) FILTER (WHERE timezone IS NULL OR now() AT TIME ZONE timezone IS NOT NULL)::int AS zones,
         bool_and(email ~ '^[!-~]+@[a-z.]+$') AS addresses, bool_and(phone ~ '^[+][0-9]{9,14}$') AS numbers
       FROM profiles WHERE workspace_id = $1`,
      [made.other],
    );
    expect(rows[0]).toMatchObject({ people: 500, zones: 500, addresses: true, numbers: true });
    expect(rows[0].emails).toBeGreaterThan(400);
    expect(rows[0].phones).toBeGreaterThan(100);
    const { rows: activity } = await owner.query(
      `SELECT sum(events)::int AS events, (sum(events) FILTER (WHERE place <= 50))::int AS busiest
       FROM (SELECT events, row_number() OVER (ORDER BY events DESC) AS place FROM profile_activity WHERE workspace_id = $1) a`,
      [made.other],
    );
    expect(activity[0].events).toBe(4000);
    expect(activity[0].busiest).toBeGreaterThan(1200);
  });
});
