/** The simulator on a real database: with people as they are, the same ways as the engine, nothing written but the result. */
import { Intake } from '@carillon/audience-service';
import { loadConfig, useConfig } from '@carillon/config';
import { JourneySave, JourneySimulate, type JourneyDefinitionInput } from '@carillon/contracts';
import { Database, ensurePartitions, newId } from '@carillon/database';
import { Acceptance, RenderPool } from '@carillon/delivery-service';
import type { Queues } from '@carillon/queue';
import { freshDatabase, type FreshDatabase } from '@carillon/testing';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import pg from 'pg';
import {
  goLive,
  JourneyClock,
  saveJourney,
  showJourney,
  simulatedPeople,
  simulatedWay,
  simulateJourney,
  simulationsOf,
} from './index.js';

let fresh: FreshDatabase;
let owner: pg.Client;
let database: Database;
const renderer = new RenderPool();
const workspaceId = newId();
const who = { name: 'Ada', actor: 'user:a' };
const queues = { offer: () => Promise.resolve(true), send: () => Promise.resolve() } as unknown as Queues;

beforeAll(async () => {
  useConfig(loadConfig({ NODE_ENV: 'test' }));
  fresh = await freshDatabase();
  owner = new pg.Client({ connectionString: fresh.ownerUrl });
  await owner.connect();
  database = new Database({ url: fresh.appUrl, max: 4 });
  await ensurePartitions(database);
  await owner.query(`INSERT INTO workspaces (id, slug, name, settings) VALUES ($1, 'w', 'W', $2)`, [
    workspaceId,
    {
      gate: {
        version: 1,
        caps: [
          {
            key: 'daily',
            channels: [],
            topics: [],
            class: 'marketing',
            limit: 1,
            per: 'day',
            every: 1,
            window: 'rolling',
          },
        ],
      },
    },
  ]);
  await owner.query(
    `INSERT INTO profiles (id, workspace_id, external_id, email, attributes)
     SELECT gen_random_uuid(), $1, 'p' || n, CASE WHEN n % 10 <> 9 THEN 'p' || n || '@example.com' END, jsonb_build_object('plan', CASE WHEN n % 3 = 0 THEN 'pro' ELSE 'free' END)
       FROM generate_series(0, 39) n`,
    [workspaceId],
  );
  await owner.query(
    `INSERT INTO consents (workspace_id, profile_id, address, channel, topic, word, source) SELECT workspace_id, id, '', 'email', 'marketing', 'out', 'api' FROM profiles WHERE external_id = 'p1'`,
  );
}, 60_000);
afterAll(async () => {
  await renderer.onApplicationShutdown();
  await database.close();
  await owner.end();
  await fresh.drop();
});

const within = <T>(work: Parameters<typeof database.inWorkspace<T>>[1]) =>
  database.inWorkspace(workspaceId, work);
const save = (key: string, definition: JourneyDefinitionInput) =>
  within((sql) => saveJourney(sql, workspaceId, key, JourneySave.parse({ name: key, definition }), who));
const play = (key: string, asked: object) =>
  simulateJourney(database, workspaceId, key, JourneySimulate.parse(asked), 'Ada');
const mail = (subject: string) => ({
  kind: 'send' as const,
  channels: ['email' as const],
  class: 'marketing' as const,
  content: { email: { subject, text: 'About {{ event.what }}, {{ profile.externalId }}.' } },
});

it('plays people through the gate, keeps their ways with what messages said, and writes nothing else', async () => {
  await save('offers', {
    entry: { kind: 'event', event: 'asked' },
    start: 'which',
    steps: {
      which: {
        kind: 'condition',
        branches: [{ name: 'pro', if: { attribute: 'plan', is: 'pro' }, next: 'first' }],
        otherwise: 'rest',
      },
      first: { ...mail('First'), next: 'again' },
      again: { ...mail('Again'), next: 'rest' },
      rest: {
        kind: 'listen',
        for: [{ on: { message: 'clicked' }, next: null }],
        within: '3d',
        otherwise: 'late',
      },
      late: { kind: 'update', attributes: { late: true } },
    },
  });
  const log = async () =>
    (
      await owner.query<{ n: number }>(
        `SELECT (SELECT count(*) FROM messages)::int + (SELECT count(*) FROM events)::int + (SELECT count(*) FROM enrollments)::int
              + (SELECT count(*) FROM profiles WHERE attributes ? 'late')::int + (SELECT count(*) FROM counted_sends)::int AS n`,
      )
    ).rows[0]?.n;
  const asked = {
    random: 40,
    startAt: '2026-03-02T09:00:00Z',
    data: { what: 'tea' },
    outcomes: { clicked: 0.5 },
  };
  const run = await play('offers', asked);
  expect(await log()).toBe(0);
  expect(run).toMatchObject({ people: 40, entered: 40, inside: 0, until: '2026-04-01T09:00:00.000Z' });
  expect(run.outcomes.reduce((sum, { count }) => sum + count, 0)).toBe(40);
  for (const step of run.steps)
    expect(step.entered).toBe(step.waiting + step.ways.reduce((sum, { count }) => sum + count, 0));
  // Every third is pro: fourteen; two of those have no address, and the cap lets one mail a day through.
  const of = (step: string) =>
    run.messages
      .filter((one) => one.step === step)
      .map(({ status, reason, count }) => [status, reason, count]);
  expect(of('first')).toEqual([
    ['delivered', null, 12],
    ['suppressed', 'no_address', 2],
  ]);
  expect(of('again')).toEqual([
    ['suppressed', 'frequency_cap', 12],
    ['suppressed', 'no_address', 2],
  ]);
  // The same seed, the same days.
  const { id: _, createdAt: __, ms: ___, ...rest } = await play('offers', asked);
  expect(run).toMatchObject(rest);

  const journey = await within((sql) => showJourney(sql, workspaceId, 'offers'));
  const kept = await within((sql) => simulationsOf(sql, workspaceId, journey!.id));
  expect(kept.map(({ id }) => id)).toContain(run.id);
  const clicked = await within((sql) =>
    simulatedPeople(sql, workspaceId, run.id, { after: -1, limit: 100, step: 'first' }),
  );
  expect(clicked).toHaveLength(14);
  const one = clicked.find(({ messages }) => messages > 0)!;
  const way = await simulatedWay(database, renderer, workspaceId, journey!.id, run.id, one.no);
  expect(way?.visits[0]?.messages[0]).toMatchObject({
    step: 'first',
    sentAt: '2026-03-02T09:00:00.000Z',
    problem: null,
    content: {
      email: { to: `${one.profile}@example.com`, subject: 'First', text: `About tea, ${one.profile}.` },
    },
  });

  // With the person goes what was played with them.
  await owner.query('DELETE FROM profiles WHERE external_id = $1', [one.profile]);
  expect(await simulatedWay(database, renderer, workspaceId, journey!.id, run.id, one.no)).toBeNull();
});

it('refuses what could not go live, and who is not there', async () => {
  await save('broken', {
    entry: { kind: 'api' },
    start: 'a',
    steps: { a: { kind: 'send', channels: ['email'], template: 'nothing' } },
  });
  await expect(play('broken', {})).rejects.toThrow('There is no template “nothing”');
  await save('well', { entry: { kind: 'api' }, start: 'a', steps: { a: { kind: 'end' } } });
  await expect(play('well', { profiles: ['nobody'] })).rejects.toThrow('there is no profile "nobody"');
  await expect(play('well', { audience: 'nothing' })).rejects.toThrow('there is no audience “nothing”');
  await expect(play('gone', {})).rejects.toThrow('no journey');
});

it('goes the ways that the engine goes', async () => {
  const intake = new Intake(database);
  const clock = new JourneyClock(database, new Acceptance(database, queues), {
    call: () => Promise.resolve({ ok: true, again: false, saved: { value: 7 } }),
  });
  await save('same', {
    entry: { kind: 'event', event: 'began' },
    exits: [{ name: 'gone', if: { attribute: 'plan', is: 'gone' } }],
    start: 'share',
    steps: {
      share: {
        kind: 'split',
        shares: [
          { name: 'a', percent: 40, next: 'score' },
          { name: 'b', percent: 60, next: 'pro' },
        ],
      },
      score: { kind: 'call', url: 'https://example.com', saveAs: 'score', next: 'keep' },
      keep: { kind: 'update', attributes: { score: { from: ['vars', 'score', 'value'] } }, next: 'pro' },
      pro: {
        kind: 'condition',
        branches: [
          {
            name: 'both',
            if: {
              and: [
                { attribute: 'plan', is: 'pro' },
                { attribute: 'score', atLeast: 5 },
              ],
            },
            next: 'mail',
          },
          { name: 'much', if: { data: ['event', 'n'], above: 20 }, next: 'few' },
        ],
        otherwise: null,
      },
      mail: { ...mail('Hello'), content: { email: { subject: 'Hello', text: 'You' } }, next: 'few' },
      few: { kind: 'throttle', most: 5, per: '1d', key: ['event', 'n'], next: 'done', otherwise: 'many' },
      many: { kind: 'end', outcome: 'many' },
      done: { kind: 'wait', for: '40d' },
    },
  });
  await within((sql) => goLive(sql, workspaceId, 'same', { note: '' }, who));
  const people = (
    await owner.query<{ id: string }>('SELECT external_id AS id FROM profiles ORDER BY external_id')
  ).rows.map(({ id }) => id);
  const run = await simulateJourney(
    database,
    workspaceId,
    'same',
    JourneySimulate.parse({
      profiles: people,
      data: { n: 30 },
      calls: { score: { status: 200, body: { value: 7 } } },
    }),
    'Ada',
  );
  const journey = await within((sql) => showJourney(sql, workspaceId, 'same'));
  const played = await Promise.all(
    people.map(async (_, no) => {
      const way = await simulatedWay(database, renderer, workspaceId, journey!.id, run.id, no);
      return way?.visits[0]?.lines.map(({ step, way: taken }) => `${step} ${taken}`).join(', ');
    }),
  );
  await intake.takeAll(
    workspaceId,
    people.map((profile) => ({ profile, name: 'began', properties: { n: 30 } })),
  );
  for (let moved = 1; moved > 0;) {
    moved = await clock.tick();
    await clock.settled();
  }
  const { rows } = await owner.query<{ id: string; way: string; outcome: string | null }>(
    `SELECT p.external_id AS id, string_agg(s.step || ' ' || s.way, ', ' ORDER BY s.no) AS way FROM profiles p
       JOIN enrollments e ON e.profile_id = p.id LEFT JOIN enrollment_steps s ON s.enrollment_id = e.id GROUP BY 1 ORDER BY 1`,
  );
  // Who is one of the few depends on the order of calls; how many there are does not.
  const without = (way: string | undefined) =>
    way?.replace(/few (next|otherwise)/, 'few').replace(/, many end/, '');
  expect(played.map(without)).toEqual(rows.map(({ way }) => without(way)));
  const many = (ways: (string | undefined)[]) => ways.filter((way) => way?.includes('few otherwise')).length;
  expect(many(played)).toBe(many(rows.map(({ way }) => way)));
  expect(many(played)).toBeGreaterThan(0);
});
