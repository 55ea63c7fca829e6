import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { Database, dayOf, ensurePartitions, idInSeries, newId, newSeries } from '@carillon/database';
import { audienceFixture, type AudienceFixture } from './audience.fixture.js';
import { upsertProfiles } from './index.js';
import { mergeProfiles } from './merge-profiles.js';
import { Outcomes } from './outcomes.js';

let at: AudienceFixture;
beforeAll(async () => {
  at = await audienceFixture();
  await ensurePartitions(at.database);
}, 60_000);
afterAll(() => at.close(), 30_000);

const person = async (externalId: string): Promise<string> => {
  const [made] = await at.database.inWorkspace(at.here, (sql) =>
    upsertProfiles(sql, at.here, [{ externalId }]),
  );
  return made?.id ?? '';
};
const activity = async (profileId: string) =>
  (
    await at.owner.query<Record<string, unknown>>(
      `SELECT sent, opened, clicked, last_opened_at IS NOT NULL AS "wasOpened", last_seen_at IS NOT NULL AS seen
       FROM profile_activity WHERE profile_id = $1`,
      [profileId],
    )
  ).rows[0];
/** A delivery as single sends write it, with its lines. */
async function delivery(profileId: string | null, lines: string[]): Promise<string> {
  const id = newId();
  await at.owner.query(
    `INSERT INTO deliveries (day, id, workspace_id, message_id, profile_id, channel, class, lane, source, status, address)
     VALUES ($1, $2, $3, $4, $5, 'email', 'marketing', 'transactional', 'api', 'sent', 'a@x.example')`,
    [dayOf(id), id, at.here, newId(), profileId],
  );
  for (const line of lines) await tell(id, line);
  return id;
}
const tell = (id: string, type: string) =>
  at.owner.query(
    'INSERT INTO delivery_events (day, delivery_id, workspace_id, type) VALUES ($1, $2, $3, $4)',
    [dayOf(id), id, at.here, type],
  );

it('folds each outcome once into what is known of the person, whoever takes it and however often', async () => {
  const ana = await person('ana');
  await delivery(ana, ['accepted', 'queued', 'sent', 'delivered', 'opened', 'opened', 'clicked']);
  const other = new Database({ url: at.appUrl, max: 2 });
  await Promise.all(
    [at.database, other, at.database, other].map((database) => new Outcomes(database).drain()),
  );
  await new Outcomes(at.database).drain();
  await other.close();
  expect(await activity(ana)).toEqual({ sent: 1, opened: 2, clicked: 1, wasOpened: true, seen: true });
  expect((await at.owner.query('SELECT FROM pending_outcomes')).rowCount).toBe(0);
});

it('keeps at which hours somebody opens and clicks, and leaves out what machines did in their place', async () => {
  const hal = await person('hal');
  const id = await delivery(hal, []);
  const at8 = (by: string, hour: number) =>
    at.owner.query(
      `INSERT INTO delivery_events (day, delivery_id, workspace_id, type, at, detail) VALUES ($1, $2, $3, 'opened', $4, $5)`,
      [dayOf(id), id, at.here, `2026-11-23T${hour}:30:00Z`, JSON.stringify({ by })],
    );
  for (const [by, hour] of [
    ['person', 18],
    ['person', 18],
    ['machine', 11],
    ['proxy', 12],
  ] as const)
    await at8(by, hour);
  await new Outcomes(at.database).drain();
  await at8('person', 20);
  await new Outcomes(at.database).drain();
  const { rows } = await at.owner.query<{ hours: number[] }>(
    'SELECT hours FROM open_hours WHERE profile_id = $1',
    [hal],
  );
  expect(rows[0]?.hours.map((n, hour) => (n > 0 ? `${hour}: ${n}` : '')).filter(Boolean)).toEqual([
    '18: 2',
    '20: 1',
  ]);
});

it('takes a later line alone: those before it were learned already', async () => {
  const fay = await person('fay');
  const id = await delivery(fay, ['sent', 'opened']);
  await new Outcomes(at.database).drain();
  await tell(id, 'opened');
  await new Outcomes(at.database).drain();
  expect(await activity(fay)).toMatchObject({ sent: 1, opened: 2 });
});

it('loses none when it is interrupted: lines go with what follows from them, or stay', async () => {
  const bo = await person('bo');
  await delivery(bo, ['sent']);
  await at.owner.query('ALTER TABLE profile_activity ADD CONSTRAINT broken CHECK (sent < 1) NOT VALID');
  await expect(new Outcomes(at.database).drain()).rejects.toThrow(/broken/);
  await at.owner.query('ALTER TABLE profile_activity DROP CONSTRAINT broken');
  await new Outcomes(at.database).drain();
  expect(await activity(bo)).toMatchObject({ sent: 1 });
});

it('is about who somebody has become, through any number of merges', async () => {
  const [cy, di, ed] = [await person('cy'), await person('di'), await person('ed')];
  const id = await delivery(cy, []);
  const merge = (kept: string, merged: string) =>
    at.database.inWorkspace(at.here, (sql) => mergeProfiles(sql, at.here, kept, merged, 'spec'));
  await merge('di', 'cy');
  await merge('ed', 'di');
  await tell(id, 'clicked');
  await new Outcomes(at.database).drain();
  expect(await activity(ed)).toMatchObject({ clicked: 1 });
  expect(await activity(cy)).toBeUndefined();
  expect(await activity(di)).toBeUndefined();
});

it('counts what a run sent page by page, once, and leaves to its lines what left later', async () => {
  const people = await Promise.all(['p0', 'p1', 'p2', 'p3'].map(person));
  const message = newSeries(new Date());
  const [run, day] = [newId(), dayOf(message)];
  await at.owner.query(
    `INSERT INTO runs (id, workspace_id, source, channel, class, message_id, day, planned_at, state, members)
     VALUES ($1, $2, 'campaign', 'email', 'marketing', $3, $4, now(), 'running', 4)`,
    [run, at.here, message, day],
  );
  await at.owner.query(
    `INSERT INTO pages (id, workspace_id, run_id, no, lo, hi, channel, cursor, mark, state, done_at) VALUES ($1, $2, $3, 0, 0, 4, 'email', 4, 4, 'done', now())`,
    [newId(), at.here, run],
  );
  for (const [seq, profileId] of people.entries())
    await at.owner.query(
      `INSERT INTO deliveries (day, id, workspace_id, message_id, profile_id, channel, class, lane, source, status, reason, sent_at)
       VALUES ($1, $2, $3, $4, $5, 'email', 'marketing', 'bulk', 'campaign', $6, $7, $8)`,
      [
        day,
        idInSeries(message, seq),
        at.here,
        message,
        profileId,
        seq === 3 ? 'suppressed' : 'sent',
        seq === 3 ? 'unsubscribed' : null,
        seq === 3 ? null : new Date(),
      ],
    );
  await tell(idInSeries(message, 1), 'sent');
  await Promise.all([1, 2, 3].map(() => new Outcomes(at.database).drain()));
  await new Outcomes(at.database).drain();
  const sent: unknown[] = [];
  for (const id of people) sent.push((await activity(id))?.sent ?? 0);
  expect(sent).toEqual([1, 1, 1, 0]);
});

it('begins the count of soft bounces anew where something arrives at an address without a profile', async () => {
  await at.owner.query(
    `INSERT INTO soft_bounces (workspace_id, channel, address, count, last_at, last_delivery_id)
     VALUES ($1, 'email', 'a@x.example', 4, now() - interval '1 hour', $2)`,
    [at.here, newId()],
  );
  const counts = async () => (await at.owner.query('SELECT count FROM soft_bounces')).rows;
  await delivery(null, ['sent']);
  await new Outcomes(at.database).drain();
  expect(await counts()).toEqual([{ count: 4 }]);
  await delivery(null, ['sent', 'delivered']);
  await new Outcomes(at.database).drain();
  expect(await counts()).toEqual([]);
});
