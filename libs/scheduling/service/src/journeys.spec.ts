/** Journeys with their engine on a real database: events in, messages out, and what a crash, a twin or a bad row changes. */
import { Intake, mergeProfiles, Outcomes } from '@carillon/audience-service';
import { loadConfig, useConfig } from '@carillon/config';
import {
  journeyOutcomes,
  JourneyMove,
  JourneySave,
  type JourneyDefinitionInput,
  type JourneyNumbers,
  type StepOf,
} from '@carillon/contracts';
import { Database, ensurePartitions, newId } from '@carillon/database';
import { Acceptance } from '@carillon/delivery-service';
import type { Queues } from '@carillon/queue';
import { eventually, freshDatabase, type FreshDatabase } from '@carillon/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import pg from 'pg';
import {
  closeJourney,
  forgetJourneys,
  goLive,
  JourneyClock,
  journeyNumbers,
  pauseJourney,
  resumeJourney,
  saveJourney,
  showJourney,
  stopJourney,
} from './index.js';
import { explainFor } from './explain-journey.js';
import { signalEntry, tellBusinessEvent } from './let-in.js';
import { lintAnything } from './journey-findings.js';
import { journeyByKey } from './journey-rows.js';
import { holding, UNREADABLE, Versions, Work, type Enrolled } from './journey-work.js';
import { LOOK } from './journey-clock.js';
import { moveInsiders } from './move-insiders.js';
import { parkedSignals, retrySignal, skipSignal, skipStep } from './parked-signals.js';
import { SIGNALS_LOCK } from './take-signals.js';

let fresh: FreshDatabase;
let owner: pg.Client;
let database: Database;
let clock: JourneyClock;
let intake: Intake;
const workspaceId = newId();
const who = { name: 'Ada', actor: 'user:a' };
const queues = { offer: () => Promise.resolve(true), send: () => Promise.resolve() } as unknown as Queues;

type Means = ConstructorParameters<typeof JourneyClock>;
type CallResult = Awaited<ReturnType<Means[2]['call']>>;
let answers: (id: string, body: unknown) => CallResult;
let called: { id: string; url: string; body: unknown }[] = [];
const calls: Means[2] = {
  call: (step: StepOf<'call'>, id: string, body: unknown) => {
    called.push({ id, url: step.url, body });
    return Promise.resolve(answers(id, body));
  },
};

beforeAll(async () => {
  useConfig(loadConfig({ NODE_ENV: 'test' }));
  fresh = await freshDatabase();
  owner = new pg.Client({ connectionString: fresh.ownerUrl });
  await owner.connect();
  database = new Database({ url: fresh.appUrl, max: 8 });
  clock = new JourneyClock(database, new Acceptance(database, queues), calls);
  intake = new Intake(database);
  await ensurePartitions(database);
  await owner.query(`INSERT INTO workspaces (id, slug, name) VALUES ($1, 'w', 'W')`, [workspaceId]);
}, 60_000);
beforeEach(async () => {
  called = [];
  answers = () => ({ ok: true, again: false, saved: { score: 42 } });
  await owner.query('DELETE FROM journeys');
  await owner.query('DELETE FROM journey_signals');
  await owner.query('DELETE FROM messages');
});
afterAll(async () => {
  await clock.settled();
  await database.close();
  await owner.end();
  await fresh.drop();
});

const say = (text: string, more: object = {}) => ({
  kind: 'send' as const,
  channels: ['in-app' as const],
  content: { 'in-app': { title: text, body: text } },
  ...more,
});
const within = <T>(work: Parameters<typeof database.inWorkspace<T>>[1]) =>
  database.inWorkspace(workspaceId, work);
async function live(key: string, definition: JourneyDefinitionInput) {
  await within((sql) =>
    saveJourney(sql, workspaceId, key, JourneySave.parse({ name: key, definition }), who),
  );
  return within((sql) => goLive(sql, workspaceId, key, { note: '' }, who));
}
const track = (profile: string, name: string, properties: Record<string, unknown> = {}) =>
  intake.takeAll(workspaceId, [{ profile, name, properties }]);
/** Until nothing is left to do. */
async function settle(one = clock): Promise<void> {
  for (;;) {
    const moved = await one.tick();
    await one.settled();
    if (moved === 0) return;
  }
}
/** So much time goes by for everybody inside. */
const pass = (span: string) =>
  owner.query(
    `UPDATE enrollments SET since = since - $1::interval, step_due_at = step_due_at - $1::interval, due_at = due_at - $1::interval,
       leave_by = leave_by - $1::interval, entered_at = entered_at - $1::interval, ended_at = ended_at - $1::interval`,
    [span],
  );
const titles = async (): Promise<string[]> =>
  (
    await owner.query<{ title: string }>(
      `SELECT content->'in-app'->>'title' AS title FROM messages WHERE source = 'journey' ORDER BY id`,
    )
  ).rows.map(({ title }) => title);
const people = async () =>
  (
    await owner.query<{
      profile: string;
      state: string;
      step: string;
      outcome: string | null;
      reason: string | null;
      key: string;
      version: number;
      data: Record<string, unknown>;
    }>(
      `SELECT p.external_id AS profile, e.state, e.step, e.outcome, e.reason, e.key, e.version, e.data FROM enrollments e JOIN profiles p ON p.id = e.profile_id ORDER BY e.id`,
    )
  ).rows;
/** The sums hold whenever anybody looks. */
async function numbers(key: string): Promise<JourneyNumbers> {
  const journey = await within((sql) => showJourney(sql, workspaceId, key));
  const counted = await within((sql) => journeyNumbers(sql, workspaceId, journey!.id, undefined));
  const { rows } = await owner.query<{ inside: number; all: number }>(
    `SELECT count(*) FILTER (WHERE state <> 'ended')::int AS inside, count(*)::int AS all FROM enrollments WHERE journey_id = $1`,
    [journey!.id],
  );
  expect(counted).toMatchObject({ entered: rows[0]!.all, inside: rows[0]!.inside });
  expect(counted.steps.reduce((sum, { waiting }) => sum + waiting, 0)).toBe(counted.inside);
  return counted;
}

const cart: JourneyDefinitionInput = {
  entry: { kind: 'event', event: 'cart.updated', where: [{ property: 'total', above: 0 }] },
  exits: [{ name: 'ordered', on: { event: 'order.placed' } }],
  start: 'rest',
  steps: {
    rest: { kind: 'wait', for: '1h', next: 'remind' },
    remind: say('Your cart', { next: 'hear' }),
    hear: {
      kind: 'listen',
      within: '1d',
      for: [{ on: { message: 'clicked', step: 'remind' }, next: 'back' }],
      otherwise: 'last',
    },
    back: { kind: 'end', outcome: 'came-back' },
    last: say('Last call'),
  },
};

describe('a journey', () => {
  it('takes a person from an event to the end, one message per step, with numbers that add up', async () => {
    await live('cart', cart);
    await track('ana', 'cart.updated', { total: 12 });
    await track('bo', 'cart.updated', { total: 0 });
    await settle();
    expect(await people()).toMatchObject([{ profile: 'ana', state: 'inside', step: 'rest' }]);
    expect(await titles()).toEqual([]);
    await pass('1 hour');
    await settle();
    await settle();
    expect(await titles()).toEqual(['Your cart']);
    await pass('1 day');
    await settle();
    expect(await titles()).toEqual(['Your cart', 'Last call']);
    expect(await people()).toMatchObject([{ profile: 'ana', state: 'ended', outcome: 'done' }]);
    expect(await numbers('cart')).toMatchObject({
      entered: 1,
      inside: 0,
      outcomes: [{ outcome: 'done', count: 1 }],
    });
  });

  it('ends by an exit wherever the person is', async () => {
    await live('cart', cart);
    await track('ana', 'cart.updated', { total: 12 });
    await settle();
    await track('ana', 'order.placed');
    await settle();
    await pass('2 hours');
    await settle();
    expect(await titles()).toEqual([]);
    expect(await people()).toMatchObject([{ outcome: 'exit', reason: 'ordered' }]);
  });

  it('lets a person leave and come again in one go', async () => {
    await live('cart', cart);
    await track('ana', 'cart.updated', { total: 12 });
    await settle();
    await track('ana', 'order.placed');
    await track('ana', 'cart.updated', { total: 5 });
    await settle();
    expect(await people()).toMatchObject([
      { state: 'ended', outcome: 'exit' },
      { state: 'inside', data: { event: { total: 5 } } },
    ]);
    // Not one by one, as where a slice has failed.
    const { rows } = await owner.query(
      'SELECT count(DISTINCT xmin::text)::int AS transactions FROM enrollments',
    );
    expect(rows).toEqual([{ transactions: 1 }]);
  });

  it.each(journeyOutcomes)('hears that a message of its own was %s', async (message) => {
    const hear: StepOf<'listen'> = {
      kind: 'listen',
      within: '1d',
      for: [{ on: { message, step: 'remind' }, next: 'back' }],
      otherwise: 'last',
    };
    await live('cart', { ...cart, steps: { ...cart.steps, hear } });
    await track('ana', 'cart.updated', { total: 12 });
    await settle();
    await pass('1 hour');
    await settle();
    await owner.query(
      `INSERT INTO delivery_events (day, delivery_id, workspace_id, type) SELECT d.day, d.id, d.workspace_id, $1 FROM deliveries d JOIN messages m ON m.id = d.message_id`,
      [message],
    );
    await new Outcomes(database).drain();
    await settle();
    expect(await people()).toMatchObject([
      { outcome: 'came-back', data: { told: { remind: [message, `${message} in-app`] } } },
    ]);
  });

  it('answers conditions about the person, the data, and what a call answered', async () => {
    await live('score', {
      entry: { kind: 'event', event: 'signed.up' },
      start: 'write',
      steps: {
        write: { kind: 'update', attributes: { plan: { from: ['event', 'plan'] } }, next: 'ask' },
        ask: { kind: 'call', url: 'https://score.example/x', saveAs: 'score', next: 'choose', onError: null },
        choose: {
          kind: 'condition',
          branches: [
            {
              name: 'good',
              if: {
                and: [
                  { attribute: 'plan', is: 'pro' },
                  { data: ['vars', 'score', 'score'], above: 40 },
                ],
              },
              next: 'good',
            },
          ],
          otherwise: 'other',
        },
        good: say('Good'),
        other: say('Other'),
      },
    });
    await track('ana', 'signed.up', { plan: 'pro' });
    await track('bo', 'signed.up', { plan: 'free' });
    await settle();
    expect((await titles()).sort()).toEqual(['Good', 'Other']);
    expect(called[0]?.body).toMatchObject({
      journey: 'score',
      event: { plan: 'pro' },
      profile: { externalId: 'ana' },
    });
  });

  it('follows who becomes part of another person, and counts who is deleted', async () => {
    const rests = (event: string): JourneyDefinitionInput => ({
      entry: { kind: 'event', event },
      start: 'rest',
      steps: { rest: { kind: 'wait', for: '1d', next: 'hello' }, hello: say('Hello') },
    });
    await live('both', rests('go.both'));
    await live('solo', rests('go.solo'));
    for (const name of ['stays', 'goes']) await track(name, 'go.both');
    await track('goes', 'go.solo');
    await settle();
    await within((sql) => mergeProfiles(sql, workspaceId, 'stays', 'goes', 'user:a'));
    expect(await people()).toMatchObject([
      { profile: 'stays', state: 'inside' },
      { profile: 'stays', state: 'ended', outcome: 'merged' },
      { profile: 'stays', state: 'inside' },
    ]);
    expect(await numbers('both')).toMatchObject({
      entered: 2,
      inside: 1,
      outcomes: [{ outcome: 'merged', count: 1 }],
    });
    await pass('1 day');
    await settle();
    expect(await titles()).toEqual(['Hello', 'Hello']);

    await track('stays', 'go.solo');
    await settle();
    await owner.query(`DELETE FROM profiles WHERE external_id = 'stays'`);
    const solo = await within((sql) => showJourney(sql, workspaceId, 'solo'));
    expect(await within((sql) => journeyNumbers(sql, workspaceId, solo!.id, undefined))).toMatchObject({
      entered: 2,
      inside: 0,
      outcomes: [
        { outcome: 'done', count: 1 },
        { outcome: 'erased', count: 1 },
      ],
    });
  });

  it('lets a person be inside once per key, and each event in where it may always enter', async () => {
    const steps: JourneyDefinitionInput['steps'] = { rest: { kind: 'wait', for: '1d' } };
    await live('orders', {
      entry: { kind: 'event', event: 'order.placed' },
      perKey: 'id',
      start: 'rest',
      steps,
    });
    await live('all', {
      entry: { kind: 'event', event: 'order.placed' },
      reentry: { kind: 'always' },
      start: 'rest',
      steps,
    });
    for (const id of ['a', 'b', 'a']) await track('ana', 'order.placed', { id });
    await settle();
    const counted = await numbers('orders');
    expect(counted).toMatchObject({ entered: 2, refused: [{ reason: 'inside', count: 1 }] });
    expect((await numbers('all')).entered).toBe(3);
  });

  it('takes ten thousand events of one person for one visit', async () => {
    await live('cart', cart);
    for (let n = 0; n < 10; n++)
      await intake.takeAll(
        workspaceId,
        Array.from({ length: 1000 }, () => ({
          profile: 'ana',
          name: 'cart.updated',
          properties: { total: 1 },
        })),
      );
    await settle();
    expect(await numbers('cart')).toMatchObject({ entered: 1, refused: [{ reason: 'inside', count: 9999 }] });
  });
});

describe('steps', () => {
  it('put people into lists, record events, start other journeys and let so many pass', async () => {
    await owner.query(
      `INSERT INTO audiences (id, workspace_id, key, name, kind, mentions) VALUES ($1, $2, 'good', 'Good', 'list', '{}')`,
      [newId(), workspaceId],
    );
    await live('second', {
      entry: { kind: 'event', event: 'went.on' },
      start: 'hello',
      steps: { hello: say('Second') },
    });
    await live('third', { entry: { kind: 'api' }, start: 'hello', steps: { hello: say('Third') } });
    await live('first', {
      entry: { kind: 'event', event: 'began' },
      start: 'few',
      steps: {
        few: {
          kind: 'throttle',
          most: 1,
          per: '1d',
          key: ['event', 'shop'],
          next: 'join',
          otherwise: 'many',
        },
        join: { kind: 'list', audience: 'good', change: 'join', next: 'emit' },
        emit: {
          kind: 'emit',
          event: 'went.on',
          properties: { shop: { from: ['event', 'shop'] } },
          next: 'start',
        },
        start: { kind: 'start', journey: 'third', data: {} },
        many: { kind: 'end', outcome: 'too-many' },
      },
    });
    await track('ana', 'began', { shop: 1 });
    await track('bo', 'began', { shop: 1 });
    await track('cy', 'began', { shop: 2 });
    await settle();
    expect((await titles()).sort()).toEqual(['Second', 'Second', 'Third', 'Third']);
    expect((await numbers('first')).outcomes).toEqual([
      { outcome: 'done', count: 2 },
      { outcome: 'too-many', count: 1 },
    ]);
    const { rows } = await owner.query(`SELECT count(*)::int AS n FROM audience_members`);
    expect(rows).toEqual([{ n: 2 }]);
  });

  it('wait until quiet hours are over where the person is', async () => {
    const hour = new Date().getUTCHours();
    const pad = (n: number) => `${String((n + 24) % 24).padStart(2, '0')}:00`;
    const nights = {
      key: 'nights',
      channels: [],
      topics: [],
      periods: [{ from: pad(hour - 1), to: pad(hour + 3) }],
      zone: 'person',
      then: 'queue',
      keepForHours: 168,
    };
    await owner.query(`UPDATE workspaces SET settings = $1`, [
      JSON.stringify({ gate: { version: 1, quietHours: [nights] } }),
    ]);
    try {
      await live('calm', {
        entry: { kind: 'event', event: 'go' },
        start: 'calm',
        steps: { calm: { kind: 'wait', until: { quietHours: 'any' }, next: 'hello' }, hello: say('Hello') },
      });
      await track('here', 'go');
      await track('there', 'go');
      await owner.query(
        `UPDATE profiles SET timezone = CASE external_id WHEN 'here' THEN 'Etc/GMT' ELSE 'Etc/GMT-12' END WHERE external_id IN ('here', 'there')`,
      );
      const careful = new JourneyClock(database, new Acceptance(database, queues), calls);
      await settle(careful);
      expect(await people()).toMatchObject([
        { profile: 'here', step: 'calm', state: 'inside' },
        { profile: 'there', state: 'ended' },
      ]);
      const { rows } = await owner.query<{ due: Date }>(
        `SELECT due_at AS due FROM enrollments WHERE state = 'inside'`,
      );
      expect(rows[0]!.due.toISOString().slice(11)).toBe(`${pad(hour + 3)}:00.000Z`);
      // Somebody takes the hours away: whoever is looked at goes on.
      await owner.query(`UPDATE workspaces SET settings = '{}'`);
      await owner.query(
        `UPDATE enrollments SET due_at = now() - interval '1 second' WHERE due_at IS NOT NULL`,
      );
      await settle(new JourneyClock(database, new Acceptance(database, queues), calls));
      expect(await titles()).toEqual(['Hello', 'Hello']);
    } finally {
      await owner.query(`UPDATE workspaces SET settings = '{}'`);
    }
  });

  it('gather entry events into one digest', async () => {
    await live('digest', {
      entry: { kind: 'event', event: 'comment' },
      start: 'gather',
      steps: {
        gather: { kind: 'digest', within: '1h', most: 3, next: 'tell' },
        tell: say('{{ digest.size }} comments'),
      },
    });
    for (let n = 0; n < 2; n++) await track('ana', 'comment', { n });
    for (let n = 0; n < 3; n++) await track('bo', 'comment', { n });
    await settle();
    expect(await titles()).toHaveLength(1);
    await pass('1 hour');
    await settle();
    const { rows } = await owner.query<{ digest: { n: number }[] }>(
      `SELECT data->'digest' AS digest FROM messages ORDER BY jsonb_array_length(data->'digest')`,
    );
    expect(rows.map((row) => row.digest.map(({ n }) => n))).toEqual([
      [0, 1],
      [0, 1, 2],
    ]);
  });

  it('call again what did not answer, and take the way of errors in the end', async () => {
    await live('call', {
      entry: { kind: 'event', event: 'go' },
      start: 'ask',
      steps: {
        ask: { kind: 'call', url: 'https://score.example/x', tries: 3, next: 'ok', onError: 'failed' },
        ok: say('Ok'),
        failed: say('Failed'),
      },
    });
    answers = (_, body) =>
      (body as { profile: { externalId: string } }).profile.externalId === 'ana' && called.length > 2
        ? { ok: true, again: false }
        : { ok: false, again: true, reason: 'It answered 503.' };
    await track('ana', 'go');
    await settle();
    await pass('1 minute');
    await settle();
    await pass('1 minute');
    await settle();
    expect(await titles()).toEqual(['Ok']);
    expect(new Set(called.map(({ id }) => id)).size).toBe(1);
    await track('bo', 'go');
    for (let n = 0; n < 3; n++) {
      await settle();
      await pass('1 minute');
    }
    expect(await titles()).toEqual(['Ok', 'Failed']);
  });

  it('call no more at once than there are turns: who is too many comes again, and no try is lost in a queue', async () => {
    await live('call', {
      entry: { kind: 'event', event: 'go' },
      start: 'ask',
      steps: { ask: { kind: 'call', url: 'https://score.example/x', tries: 1 } },
    });
    const answers: (() => void)[] = [];
    const made: string[] = [];
    const slow = new JourneyClock(database, new Acceptance(database, queues), {
      call: (_, id) => {
        made.push(id);
        return new Promise((resolve) => answers.push(() => resolve({ ok: true, again: false })));
      },
    });
    await intake.takeAll(
      workspaceId,
      Array.from({ length: 200 }, (_, n) => ({ profile: `c${n}`, name: 'go', properties: {} })),
    );
    // What is taken back makes no call, and takes no turn.
    await owner.query(
      `CREATE FUNCTION spoilt() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no such thing'; END $$`,
    );
    await owner.query(
      `CREATE TRIGGER spoilt BEFORE INSERT ON enrollments FOR EACH ROW EXECUTE FUNCTION spoilt()`,
    );
    await slow.tick();
    await owner.query('DROP FUNCTION spoilt CASCADE');
    await slow.tick();
    await eventually(() => answers.length === 64);
    const { rows } = await owner.query(
      `SELECT e.phase, count(*)::int AS n FROM enrollments e JOIN journeys j ON j.id = e.journey_id WHERE j.key = 'call' GROUP BY 1 ORDER BY 1`,
    );
    expect(rows).toEqual([
      { phase: 'arrived', n: 72 },
      { phase: 'calling', n: 128 },
    ]);
    await eventually(async () => {
      for (const answer of answers.splice(0)) answer();
      await slow.tick();
      return (await people()).every(({ outcome }) => outcome === 'done');
    });
    expect((await numbers('call')).outcomes).toEqual([{ outcome: 'done', count: 200 }]);
    expect(made).toHaveLength(200);
    await slow.settled();
  });

  it('end with an error that is said, where they have no way for it', async () => {
    await live('missing', {
      entry: { kind: 'event', event: 'go' },
      start: 'hello',
      steps: { hello: say('Hello {{ missing | nosuchfilter }}') },
    });
    await track('ana', 'go');
    await settle();
    expect(await people()).toMatchObject([{ state: 'ended', outcome: 'error' }]);
    expect((await people())[0]?.reason).toContain('nosuchfilter');
  });
});

describe('its life', () => {
  it('holds people and what happens to them while it is paused, and goes on with both', async () => {
    await live('cart', cart);
    await track('ana', 'cart.updated', { total: 12 });
    await settle();
    await within((sql) => pauseJourney(sql, workspaceId, 'cart', { insiders: 'hold' }));
    await pass('1 hour');
    await track('bo', 'cart.updated', { total: 1 });
    await track('cy', 'order.placed');
    await settle();
    expect(await titles()).toEqual([]);
    expect(await people()).toMatchObject([{ profile: 'ana', state: 'held' }]);
    await within((sql) => resumeJourney(sql, workspaceId, 'cart'));
    await settle();
    expect(await titles()).toEqual(['Your cart']);
    expect(await people()).toMatchObject([{ profile: 'ana' }, { profile: 'bo', step: 'rest' }]);
    await numbers('cart');
  });

  it('keeps an exit that happened while it was paused', async () => {
    await live('cart', cart);
    await track('ana', 'cart.updated', { total: 12 });
    await settle();
    await within((sql) => pauseJourney(sql, workspaceId, 'cart', { insiders: 'hold' }));
    await track('ana', 'order.placed');
    await settle();
    await pass('1 hour');
    await within((sql) => resumeJourney(sql, workspaceId, 'cart'));
    await settle();
    expect(await titles()).toEqual([]);
    expect(await people()).toMatchObject([{ outcome: 'exit', reason: 'ordered' }]);
  });

  it('discards where that was asked for, and says so', async () => {
    await live('cart', cart);
    await track('ana', 'cart.updated', { total: 12 });
    await settle();
    await within((sql) => pauseJourney(sql, workspaceId, 'cart', { insiders: 'discard' }));
    await track('bo', 'cart.updated', { total: 1 });
    await pass('1 hour');
    await settle();
    expect(await people()).toMatchObject([{ profile: 'ana', outcome: 'discarded' }]);
    expect((await numbers('cart')).refused).toEqual([{ reason: 'paused', count: 1 }]);
  });

  it('lets nobody in when it is closed, and insiders finish; has everybody leave when it is stopped', async () => {
    await live('cart', cart);
    await track('ana', 'cart.updated', { total: 12 });
    await settle();
    await within((sql) => closeJourney(sql, workspaceId, 'cart', {}));
    await track('bo', 'cart.updated', { total: 1 });
    await pass('1 hour');
    await settle();
    expect(await titles()).toEqual(['Your cart']);
    await within((sql) => stopJourney(sql, workspaceId, 'cart', {}));
    await settle();
    await settle();
    expect(await people()).toMatchObject([{ profile: 'ana', outcome: 'stopped' }]);
    expect((await numbers('cart')).inside).toBe(0);
  });

  it('gives newcomers the new version; insiders finish theirs', async () => {
    await live('hello', {
      entry: { kind: 'event', event: 'go' },
      start: 'rest',
      steps: { rest: { kind: 'wait', for: '1h', next: 'hello' }, hello: say('One') },
    });
    await track('ana', 'go');
    await settle();
    await live('hello', {
      entry: { kind: 'event', event: 'go' },
      start: 'hello',
      steps: { hello: say('Two') },
    });
    await track('bo', 'go');
    await settle();
    await pass('1 hour');
    await settle();
    expect(await titles()).toEqual(['Two', 'One']);
    expect(await people()).toMatchObject([{ version: 1 }, { version: 2 }]);
  });

  it('moves insiders to a new version, each to the step that stands for theirs; who has none finishes the old', async () => {
    const entry = { kind: 'event' as const, event: 'go' };
    const rest = (next: string | null) => ({ kind: 'wait' as const, for: '2h', next });
    await live('hello', {
      entry,
      start: 'choose',
      steps: {
        choose: {
          kind: 'condition',
          branches: [
            { if: { data: ['event', 'to'], is: 'same' }, next: 'same' },
            { if: { data: ['event', 'to'], is: 'old' }, next: 'old' },
          ],
          otherwise: 'gone',
        },
        same: rest('one'),
        old: rest('one'),
        gone: rest('one'),
        one: say('One'),
      },
    });
    for (const to of ['same', 'old', 'gone']) await track(`p-${to}`, 'go', { to });
    await settle();
    await live('hello', {
      entry,
      start: 'same',
      steps: { same: rest('two'), fresh: rest('two'), two: say('Two') },
    });
    const hello = (await within((sql) => journeyByKey(sql, workspaceId, 'hello')))!;
    const move = (more: object) =>
      within((sql) => moveInsiders(sql, workspaceId, hello, JourneyMove.parse({ from: 1, ...more })));
    await expect(move({ steps: { old: 'nowhere' } })).rejects.toThrow('Version 2 has no step “nowhere”.');
    await expect(move({ to: 9 })).rejects.toThrow('It has no version 9');
    const seen = {
      from: 1,
      to: 2,
      steps: [
        { step: 'gone', people: 1, to: null },
        { step: 'old', people: 1, to: 'fresh' },
        { step: 'same', people: 1, to: 'same' },
      ],
    };
    expect(await move({ steps: { old: 'fresh' } })).toEqual({ ...seen, moving: false });
    await settle();
    expect((await people()).map(({ version }) => version)).toEqual([1, 1, 1]);
    await pass('1 hour');
    expect(await move({ steps: { old: 'fresh' }, apply: true })).toEqual({ ...seen, moving: true });
    const twin = new JourneyClock(database, new Acceptance(database, queues), calls);
    await Promise.all([settle(), settle(twin)]);
    await settle();
    expect(await people()).toMatchObject([
      { profile: 'p-same', version: 2, step: 'same' },
      { profile: 'p-old', version: 2, step: 'fresh' },
      { profile: 'p-gone', version: 1, step: 'gone' },
    ]);
    expect((await owner.query('SELECT count(moving)::int AS n FROM journeys')).rows).toEqual([{ n: 0 }]);
    await numbers('hello');
    const ofVersion = (version: number) =>
      within((sql) => journeyNumbers(sql, workspaceId, hello.id, version));
    expect(await ofVersion(1)).toMatchObject({ entered: 1, inside: 1 });
    expect(await ofVersion(2)).toMatchObject({ entered: 2, inside: 2 });
    // At the same step what was waited counts; elsewhere it begins anew.
    await pass('1 hour');
    await settle();
    expect((await titles()).sort()).toEqual(['One', 'Two']);
    await pass('1 hour');
    await settle();
    expect((await titles()).sort()).toEqual(['One', 'Two', 'Two']);
    const { rows } = await owner.query(
      `SELECT s.step, s.way, s.next FROM enrollment_steps s JOIN enrollments e ON e.id = s.enrollment_id JOIN profiles p ON p.id = e.profile_id WHERE p.external_id = 'p-old' ORDER BY s.no`,
    );
    expect(rows).toEqual([
      { step: 'choose', way: 'branch 2', next: 'old' },
      { step: 'old', way: 'migrated', next: 'fresh' },
      { step: 'fresh', way: 'next', next: 'two' },
      { step: 'two', way: 'next', next: null },
    ]);
  });

  it('has people leave who stay too long, as an outcome', async () => {
    await live('long', {
      entry: { kind: 'event', event: 'go' },
      mostStay: '2d',
      start: 'rest',
      steps: { rest: { kind: 'wait', for: '30d' } },
    });
    await track('ana', 'go');
    await settle();
    await pass('2 days');
    await settle();
    expect(await people()).toMatchObject([{ outcome: 'timed_out' }]);
  });

  it('forgets a way when its time is over; who was there stays known where nobody may come again', async () => {
    const steps: JourneyDefinitionInput['steps'] = { hello: say('Hello') };
    const entry = { kind: 'event' as const, event: 'go' };
    await live('again', { entry, start: 'hello', steps });
    await live('once', { entry, reentry: { kind: 'never' }, start: 'hello', steps });
    await live('rests', { entry, start: 'a', steps: { a: { kind: 'wait', for: '200d' } } });
    await track('ana', 'go');
    await settle();
    expect(await forgetJourneys(database, 90)).toBe(0);
    await pass('91 days');
    await track('bo', 'go');
    await settle();
    await owner.query(`UPDATE journey_refusals SET at = at - interval '31 days'`);
    expect(await forgetJourneys(database, 90)).toBe(2);
    const { rows } = await owner.query(
      `SELECT j.key, p.external_id AS profile, e.state, e.step FROM enrollments e JOIN journeys j ON j.id = e.journey_id JOIN profiles p ON p.id = e.profile_id ORDER BY 1, 2`,
    );
    expect(rows).toEqual([
      { key: 'again', profile: 'bo', state: 'ended', step: 'hello' },
      { key: 'once', profile: 'ana', state: 'ended', step: null },
      { key: 'once', profile: 'bo', state: 'ended', step: 'hello' },
      { key: 'rests', profile: 'ana', state: 'inside', step: 'a' },
      { key: 'rests', profile: 'bo', state: 'inside', step: 'a' },
    ]);
    expect((await owner.query('SELECT count(*)::int AS n FROM enrollment_steps')).rows).toEqual([{ n: 2 }]);
    await track('ana', 'go');
    await settle();
    expect(
      await within(async (sql) => {
        const once = await showJourney(sql, workspaceId, 'once');
        return journeyNumbers(sql, workspaceId, once!.id, undefined);
      }),
    ).toMatchObject({ entered: 2, inside: 0, refused: [{ reason: 'never_again', count: 1 }] });
  });

  it('lets an audience in by its schedule, slice by slice, each person once; the next time only who is new', async () => {
    await owner.query(
      `INSERT INTO profiles (id, workspace_id, external_id, attributes) SELECT gen_random_uuid(), $1, 'm' || n, jsonb_build_object('member', n <= 1200) FROM generate_series(1, 6000) AS n`,
      [workspaceId],
    );
    const [listed, ruled] = [newId(), newId()];
    await owner.query(
      `INSERT INTO audiences (id, workspace_id, key, name, kind, definition, mentions) VALUES ($1, $3, 'listed', 'L', 'list', NULL, '{}'), ($2, $3, 'ruled', 'R', 'rule', '{"where": {"attribute": "member", "is": true}}', '{}')`,
      [listed, ruled, workspaceId],
    );
    await owner.query(
      `INSERT INTO audience_members (workspace_id, audience_id, profile_id, seq) SELECT $1, $2, id, row_number() OVER () FROM profiles WHERE (attributes->>'member')::boolean`,
      [workspaceId, listed],
    );
    const soon = new Date(Date.now() + 3_600_000).toISOString();
    for (const audience of ['listed', 'ruled']) {
      const entry = { kind: 'schedule' as const, audience, who: 'new' as const, at: { at: soon } };
      await live(audience, {
        entry,
        start: 'hello',
        steps: { hello: { kind: 'update', attributes: { a: 1 } } },
      });
      await owner.query(`UPDATE journeys SET next_at = now() - interval '1 second' WHERE key = $1`, [
        audience,
      ]);
      let most = 0;
      for (let moved = 1; moved > 0;) {
        moved = await clock.tick();
        const { rows } = await owner.query<{ n: number }>('SELECT count(*)::int AS n FROM journey_signals');
        most = Math.max(most, rows[0]!.n);
      }
      expect((await numbers(audience)).entered).toBe(1200);
      // What happens to others meanwhile is never queued behind the whole audience.
      if (audience === 'listed') expect(most).toBeLessThan(1200);
      // Once more: one has come to it, and is new.
      await owner.query(`UPDATE profiles SET attributes = '{"member": true}' WHERE external_id = 'm6000';`);
      await owner.query(
        `INSERT INTO audience_members (workspace_id, audience_id, profile_id, seq) SELECT $1, $2, id, 9999 FROM profiles WHERE external_id = 'm6000' ON CONFLICT DO NOTHING`,
        [workspaceId, listed],
      );
      await owner.query(`UPDATE journeys SET next_at = now() - interval '1 second' WHERE key = $1`, [
        audience,
      ]);
      await settle();
      expect(await numbers(audience)).toMatchObject({ entered: 1201, refused: [] });
      await owner.query(`UPDATE profiles SET attributes = '{"member": false}' WHERE external_id = 'm6000'`);
    }
    await owner.query(`DELETE FROM audiences WHERE id IN ($1, $2)`, [listed, ruled]);
  });

  it('lets an audience in for something that happened to nobody, in slices and in order, each by its conditions', async () => {
    await owner.query(
      `INSERT INTO profiles (id, workspace_id, external_id) SELECT gen_random_uuid(), $1, 'w' || n FROM generate_series(1, 1100) AS n`,
      [workspaceId],
    );
    const watchers = newId();
    await owner.query(
      `INSERT INTO audiences (id, workspace_id, key, name, kind, mentions) VALUES ($1, $2, 'watchers', 'W', 'list', '{}')`,
      [watchers, workspaceId],
    );
    await owner.query(
      `INSERT INTO audience_members (workspace_id, audience_id, profile_id, seq) SELECT $1, $2, id, row_number() OVER () FROM profiles WHERE external_id LIKE 'w%'`,
      [workspaceId, watchers],
    );
    const definition: JourneyDefinitionInput = {
      entry: {
        kind: 'business',
        event: 'price.dropped',
        where: [{ property: 'price', below: 10 }],
        audience: 'watchers',
      },
      reentry: { kind: 'always' },
      start: 'rest',
      steps: { rest: { kind: 'wait', for: '1d' } },
    };
    await live('drops', definition);
    const tell = (properties: Record<string, unknown>, key?: string) =>
      within((sql) => tellBusinessEvent(sql, workspaceId, { name: 'price.dropped', properties, key }));
    try {
      expect(await tell({ price: 12 })).toEqual({ outcome: 'accepted', journeys: [] });
      expect(await tell({ price: 9 }, 'once')).toEqual({ outcome: 'accepted', journeys: ['drops'] });
      expect(await tell({ price: 9 }, 'once')).toEqual({ outcome: 'duplicate', journeys: [] });
      expect(await tell({ price: 8 })).toMatchObject({ journeys: ['drops'] });
      let most = 0;
      for (let moved = 1; moved > 0;) {
        moved = await clock.tick();
        const { rows } = await owner.query<{ n: number }>('SELECT count(*)::int AS n FROM journey_signals');
        most = Math.max(most, rows[0]!.n);
      }
      expect(most).toBeLessThan(1100);
      const prices = async () =>
        (
          await owner.query(
            `SELECT data->'event'->'price' AS price, count(*)::int AS n FROM enrollments GROUP BY 1 ORDER BY 1`,
          )
        ).rows;
      expect(await prices()).toEqual([
        { price: 8, n: 1100 },
        { price: 9, n: 1100 },
      ]);
      // Held, it is let in when the journey goes on; discarded, it is refused, person by person.
      await within((sql) => pauseJourney(sql, workspaceId, 'drops', { insiders: 'hold' }));
      await tell({ price: 7 });
      await settle();
      expect(await prices()).toHaveLength(2);
      await within((sql) => resumeJourney(sql, workspaceId, 'drops'));
      await settle();
      expect((await prices())[0]).toEqual({ price: 7, n: 1100 });
      await within((sql) => pauseJourney(sql, workspaceId, 'drops', { insiders: 'discard' }));
      await tell({ price: 6 });
      await settle();
      expect((await numbers('drops')).refused).toEqual([{ reason: 'paused', count: 1100 }]);
      // Whoever is asked for by hand comes in the same way.
      const drops = (await within((sql) => journeyByKey(sql, workspaceId, 'drops')))!;
      await within((sql) => resumeJourney(sql, workspaceId, 'drops'));
      const asked = { audience: 'watchers', data: { price: 1 } };
      expect(await within((sql) => signalEntry(sql, workspaceId, { ...drops, state: 'live' }, asked))).toBe(
        1100,
      );
      expect((await owner.query('SELECT FROM journey_signals')).rowCount).toBe(0);
      await settle();
      expect((await prices())[0]).toEqual({ price: 1, n: 1100 });
    } finally {
      await owner.query('DELETE FROM audiences WHERE id = $1', [watchers]);
      await owner.query(`DELETE FROM journeys`);
      await owner.query(`DELETE FROM profiles WHERE external_id LIKE 'w%'`);
    }
  });

  it('takes a person for one, whatever they are called: by identity, by id, by one that became part of them', async () => {
    await live('one', {
      entry: { kind: 'event', event: 'go' },
      start: 'rest',
      steps: { rest: { kind: 'wait', for: '1d' } },
    });
    await track('nora', 'seen');
    await owner.query(
      `INSERT INTO identities (workspace_id, namespace, value, profile_id) SELECT $1, 'crm', '42', id FROM profiles WHERE external_id = 'nora'`,
      [workspaceId],
    );
    const nora = { namespace: 'crm', value: '42' };
    await track('nora', 'go');
    await intake.takeAll(workspaceId, [{ profile: nora, name: 'go', properties: {} }]);
    const one = (await within((sql) => journeyByKey(sql, workspaceId, 'one')))!;
    const enter = (more: object) =>
      within((sql) => signalEntry(sql, workspaceId, one, { data: {}, ...more }));
    expect(await enter({ profile: nora })).toBe(1);
    expect(await enter({ profiles: ['nora', nora] })).toBe(1);
    await expect(enter({ profile: { namespace: 'crm', value: '43' } })).rejects.toThrow(
      'There is no profile "crm:43".',
    );
    await settle();
    expect(await numbers('one')).toMatchObject({ entered: 1, refused: [{ reason: 'inside', count: 3 }] });
  });

  it('goes back to an earlier version: newcomers take it again, whoever is inside finishes theirs', async () => {
    const says = (text: string): JourneyDefinitionInput => ({
      entry: { kind: 'event', event: 'go' },
      start: 'rest',
      steps: { rest: { kind: 'wait', for: '1h', next: 'hello' }, hello: say(text) },
    });
    await live('hello', says('One'));
    await live('hello', says('Two'));
    await track('ana', 'go');
    await settle();
    const back = await within((sql) => goLive(sql, workspaceId, 'hello', { note: '', version: 1 }, who));
    expect(back).toMatchObject({ version: 1, newest: 2, changed: true });
    await track('bo', 'go');
    await settle();
    await pass('1 hour');
    await settle();
    expect(await people()).toMatchObject([
      { profile: 'ana', version: 2 },
      { profile: 'bo', version: 1 },
    ]);
    expect((await titles()).sort()).toEqual(['One', 'Two']);
  });

  it('has everybody leave who is inside when it is stopped, a slice at a time, whatever they were at; then it may live again', async () => {
    await live('cart', { ...cart, reentry: { kind: 'always' } });
    const some = (from: number) =>
      intake.takeAll(
        workspaceId,
        Array.from({ length: 900 }, (_, n) => ({
          profile: `s${from + n}`,
          name: 'cart.updated',
          properties: { total: 1 },
        })),
      );
    for (const from of [0, 900, 1800]) await some(from);
    await settle();
    await owner.query(
      `UPDATE enrollments e SET state = 'parked', due_at = NULL, reason = 'x' FROM profiles p WHERE p.id = e.profile_id AND p.external_id = 's7'`,
    );
    await within((sql) => stopJourney(sql, workspaceId, 'cart', {}));
    await expect(live('cart', cart)).rejects.toThrow('2700 people are still leaving: try again in a moment.');
    // Others are due meanwhile, and have no crowd before them.
    let most = 0;
    for (let moved = 1; moved > 0;) {
      moved = await clock.tick();
      const { rows } = await owner.query<{ n: number }>(
        'SELECT count(*)::int AS n FROM enrollments WHERE due_at <= now()',
      );
      most = Math.max(most, rows[0]!.n);
    }
    expect(most).toBeLessThanOrEqual(1500);
    expect(await numbers('cart')).toMatchObject({
      inside: 0,
      outcomes: [{ outcome: 'stopped', count: 2700 }],
    });
    expect((await owner.query('SELECT FROM journeys WHERE leaving IS NOT NULL')).rowCount).toBe(0);
    await live('cart', cart);
  });

  it('lets in as many as it may, in all or within a time', async () => {
    const steps: JourneyDefinitionInput['steps'] = { hello: say('Hello') };
    const entry = { kind: 'event' as const, event: 'go' };
    await live('few', { entry, cap: { most: 2 }, start: 'hello', steps });
    await live('daily', { entry, cap: { most: 2, per: '1d' }, start: 'hello', steps });
    for (const name of ['ana', 'bo', 'cy']) await track(name, 'go');
    await settle();
    expect(await numbers('few')).toMatchObject({
      entered: 2,
      refused: [{ reason: 'cap_reached', count: 1 }],
    });
    expect(await numbers('daily')).toMatchObject({
      entered: 2,
      refused: [{ reason: 'cap_reached', count: 1 }],
    });
    await pass('1 day');
    for (const name of ['dee', 'eve']) await track(name, 'go');
    await settle();
    expect((await numbers('few')).entered).toBe(2);
    expect((await numbers('daily')).entered).toBe(4);
  });

  it('does not go live with what would not work, and says what', async () => {
    await expect(
      live('bad', {
        entry: { kind: 'event', event: 'go' },
        start: 'a',
        steps: { a: { kind: 'send', channels: ['email'], template: 'nowhere' } },
      }),
    ).rejects.toThrow('There is no template “nowhere”');
  });
});

describe('whatever crashes', () => {
  const aClock = (acceptWithin: Means[1]['acceptWithin']) =>
    new JourneyClock(database, { acceptWithin }, calls);
  const acceptance = () => new Acceptance(database, queues);

  it('nothing is lost and nothing doubled when a process dies before its commit', async () => {
    await live('cart', cart);
    for (let n = 0; n < 20; n++) await track(`p${n}`, 'cart.updated', { total: 1 });
    await settle();
    await pass('1 hour');
    // Everything is written, and then the process is gone.
    const dying = aClock(async (...asked) => {
      await acceptance().acceptWithin(...asked);
      throw Object.assign(new Error('the connection is gone'), { code: '57P01' });
    });
    await dying.tick();
    expect(await titles()).toEqual([]);
    await owner.query(`UPDATE enrollments SET due_at = now() - interval '1 second' WHERE due_at IS NOT NULL`);
    await settle();
    expect(await titles()).toHaveLength(20);
    await numbers('cart');
  });

  it('whoever comes too late with what was read before changes nothing: rows are fenced, not only locked', async () => {
    await live('cart', cart);
    await track('ana', 'cart.updated', { total: 1 });
    await settle();
    await pass('1 hour');
    // As if the lock had been lost on the way: the row is moved on by another while this one is at its messages.
    const [{ id }] = (await owner.query<{ id: string }>('SELECT id FROM enrollments')).rows as [
      { id: string },
    ];
    const rows = async () => (await owner.query('SELECT step, no, state FROM enrollments')).rows;
    const unlocked = holding('unlocked', 'AND e.id = $2');
    const late = (how: (work: Work, row: Enrolled) => void) =>
      within(async (sql) => {
        const work = new Work(workspaceId, new Date(), new Versions());
        const [row] = await work.hold(sql, unlocked, [id]);
        await settle();
        how(work, row!);
        await work.write(sql);
      });
    await expect(late((work, row) => work.note(row, { event: {}, vars: { old: true } }))).rejects.toThrow(
      'somebody else moved one of these enrollments',
    );
    await owner.query(
      `UPDATE enrollments SET due_at = now() - interval '1 second', leave_by = leave_by, since = since - interval '1 day'`,
    );
    // A step has its line of the history once, too.
    await expect(
      late((work, row) => work.move(row, { kind: 'go', way: 'next', next: 'back' })),
    ).rejects.toThrow(/somebody else moved|enrollment_steps_pkey/);
    expect(await rows()).toEqual([{ step: 'last', no: 4, state: 'ended' }]);
    expect(await titles()).toEqual(['Your cart', 'Last call']);
    expect((await people())[0]!.data).toMatchObject({ vars: {} });
    await numbers('cart');
  });

  it('a look costs the same whoever waits, also by a plan that was made when nobody did', async () => {
    await owner.query('BEGIN');
    await owner.query(
      `SELECT set_config(n, v, true) FROM (VALUES ('plan_cache_mode', 'force_generic_plan'), ('enable_seqscan', 'off'), ('enable_mergejoin', 'off')) AS t(n, v)`,
    );
    const { rows } = await owner.query<{ 'QUERY PLAN': string }>(`EXPLAIN ${LOOK}`);
    await owner.query('ROLLBACK');
    const plan = rows.map((row) => row['QUERY PLAN']).join('\n');
    expect(plan).toContain('enrollments_due_at_idx');
    expect(plan).not.toMatch(/Join|Seq Scan on enrollments/);
    // Of journeys that are over nothing is asked: a look at enrollments is for those who are due, alone.
    expect(new Set(plan.match(/enrollments_\w+/g))).toEqual(new Set(['enrollments_due_at_idx']));
  });

  it('what a start looks for is found by indexes that hold nothing else', async () => {
    await live('cart', cart);
    await track('ana', 'cart.updated', { total: 1 });
    await settle();
    await owner.query('BEGIN');
    await owner.query(
      `INSERT INTO enrollments (workspace_id, id, journey_id, version, profile_id, instance, step, leave_by)
       SELECT workspace_id, gen_random_uuid(), journey_id, version, profile_id, n::text, step, leave_by FROM enrollments, generate_series(1, 2000) AS n`,
    );
    await owner.query(
      `INSERT INTO journey_signals (workspace_id, profile_id, journey_id, kind, name, ref)
       SELECT workspace_id, profile_id, journey_id, 'enter', '', '' FROM enrollments`,
    );
    await owner.query('ANALYZE enrollments, journey_signals');
    await owner.query('SET LOCAL enable_seqscan = off');
    const plans = await Promise.all(
      [
        `SELECT FROM enrollments WHERE workspace_id = '${workspaceId}' AND state = 'parked' AND reason = 'x'`,
        `SELECT FROM journey_signals WHERE workspace_id = '${workspaceId}' AND journey_id = '${workspaceId}' AND held`,
        `SELECT FROM journey_signals WHERE workspace_id = '${workspaceId}' AND held AND payload ? 'problem' ORDER BY id LIMIT 10`,
      ].map(async (text) => {
        const { rows } = await owner.query<{ 'QUERY PLAN': string }>(`EXPLAIN ${text}`);
        return rows.map((row) => row['QUERY PLAN']).join('\n');
      }),
    );
    await owner.query('ROLLBACK');
    expect(plans).toEqual([
      expect.stringContaining('enrollments_parked'),
      expect.stringContaining('journey_signals_held'),
      expect.stringContaining('journey_signals_parked'),
    ]);
  });

  it('whoever is held by another engine is left to it, and nobody waits for that', async () => {
    await live('cart', cart);
    await track('ana', 'cart.updated', { total: 1 });
    await track('bo', 'cart.updated', { total: 1 });
    await settle();
    await pass('1 hour');
    await owner.query('BEGIN');
    try {
      await owner.query(
        `SELECT FROM enrollments e JOIN profiles p ON p.id = e.profile_id WHERE p.external_id = 'ana' FOR UPDATE OF e`,
      );
      await clock.tick();
    } finally {
      await owner.query('COMMIT');
    }
    expect(await people()).toMatchObject([
      { profile: 'ana', step: 'rest' },
      { profile: 'bo', step: 'hear' },
    ]);
    await settle();
    expect(await titles()).toHaveLength(2);
  });

  it('what happens in a workspace is taken by one engine at a time: entries are counted, and each person is seen in order', async () => {
    await live('cart', cart);
    await track('ana', 'cart.updated', { total: 1 });
    await owner.query('BEGIN');
    try {
      await owner.query('SELECT pg_advisory_xact_lock($1, hashtext($2))', [SIGNALS_LOCK, workspaceId]);
      expect(await clock.tick()).toBe(0);
    } finally {
      await owner.query('COMMIT');
    }
    expect(await people()).toEqual([]);
    await settle();
    expect(await people()).toMatchObject([{ profile: 'ana', step: 'rest' }]);
  });

  it('two engines at once move everybody once', async () => {
    await live('cart', cart);
    const events = Array.from({ length: 400 }, (_, n) => ({
      profile: `p${n % 200}`,
      name: 'cart.updated',
      properties: { total: 1 },
    }));
    await intake.takeAll(workspaceId, events);
    const twin = aClock((...asked) => acceptance().acceptWithin(...asked));
    await Promise.all([settle(), settle(twin)]);
    await settle();
    expect(await numbers('cart')).toMatchObject({ entered: 200 });
    await pass('1 hour');
    await Promise.all([settle(), settle(twin)]);
    await settle();
    expect(await titles()).toHaveLength(200);
  });

  it('any journeys, whatever happens to their people, with two engines: nobody twice, nothing lost, one chain each', async () => {
    const next = (n: number) =>
      fc.constantFrom<string | null>(...[1, 2, 3, 4, 5].filter((k) => k > n).map((k) => `s${k}`), null);
    const step = (n: number) =>
      fc.oneof(
        next(n).map((to) => say(`s${n}`, { next: to })),
        next(n).map((to) => ({ kind: 'wait' as const, for: '1h', next: to })),
        fc.tuple(next(n), next(n)).map(([to, late]) => ({
          kind: 'listen' as const,
          within: '2h',
          for: [{ on: { event: 'ping' }, next: to }],
          otherwise: late,
        })),
        fc.tuple(next(n), next(n)).map(([a, b]) => ({
          kind: 'split' as const,
          shares: [
            { name: 'a', percent: 50, next: a },
            { name: 'b', percent: 50, next: b },
          ],
        })),
        next(n).map((to) => ({ kind: 'update' as const, attributes: { at: `s${n}` }, next: to })),
        next(n).map((to) => ({ kind: 'throttle' as const, most: 2, per: '1h', next: to })),
      );
    const journeys = fc.record({
      reentry: fc.constantFrom<JourneyDefinitionInput['reentry']>(
        { kind: 'never' },
        { kind: 'after' },
        { kind: 'always' },
      ),
      steps: fc.tuple(...[0, 1, 2, 3, 4, 5].map(step)),
    });
    const told = fc.record({
      profile: fc.constantFrom('ana', 'bo', 'cy'),
      name: fc.constantFrom('go', 'go', 'ping', 'out'),
      again: fc.boolean(),
    });
    const rounds = fc.array(fc.array(told, { maxLength: 8 }), { minLength: 1, maxLength: 4 });
    const twin = aClock((...asked) => acceptance().acceptWithin(...asked));
    let played = 0;
    await fc.assert(
      fc.asyncProperty(journeys, rounds, async ({ reentry, steps }, all) => {
        for (const table of ['journeys', 'journey_signals', 'messages'])
          await owner.query(`DELETE FROM ${table}`);
        await live('any', {
          entry: { kind: 'event', event: 'go' },
          reentry,
          exits: [{ name: 'out', on: { event: 'out' } }],
          start: 's0',
          steps: Object.fromEntries(steps.map((one, n) => [`s${n}`, one])),
        });
        for (const round of all) {
          for (const [n, { again, ...event }] of round.entries()) {
            const key = `${played}-${n}-${newId()}`;
            for (let times = again ? 2 : 1; times > 0; times--)
              await intake.takeAll(workspaceId, [{ ...event, properties: {}, key }]);
          }
          await Promise.all([settle(), settle(twin)]);
          await settle();
          await pass('1 hour');
        }
        for (let n = 0; n < 12; n++) {
          await settle();
          await pass('2 hours');
        }
        await numbers('any');
        const { rows } = await owner.query<Record<string, number>>(
          `WITH lines AS (SELECT s.*, lead(s.step) OVER w AS after, lag(s.no) OVER w AS before FROM enrollment_steps s WINDOW w AS (PARTITION BY s.enrollment_id ORDER BY s.no))
           SELECT (SELECT count(*) FROM enrollments WHERE state <> 'ended' OR outcome IS NULL)::int AS inside,
                  (SELECT count(*) FROM lines WHERE no <> coalesce(before + 1, 0) OR next IS DISTINCT FROM after)::int AS broken,
                  (SELECT count(*) FROM enrollments e WHERE e.no <> (SELECT count(*) FROM enrollment_steps s WHERE s.enrollment_id = e.id))::int AS miscounted,
                  (SELECT count(*) FROM enrollment_steps WHERE kind = 'send' AND way = 'next')::int - (SELECT count(*) FROM messages)::int AS lost,
                  (SELECT count(*) FROM (SELECT FROM enrollment_messages GROUP BY enrollment_id, step HAVING count(*) > 1) AS d)::int AS doubled,
                  (SELECT count(*) FROM journey_signals)::int AS untaken`,
        );
        expect(rows[0]).toEqual({ inside: 0, broken: 0, miscounted: 0, lost: 0, doubled: 0, untaken: 0 });
        const begun = all.flat().filter(({ name }) => name === 'go');
        const { entered, refused } = await numbers('any');
        expect(entered + refused.reduce((sum, { count }) => sum + count, 0)).toBe(begun.length);
        played += 1;
      }),
      { numRuns: 8, seed: 42 },
    );
    expect(played).toBe(8);
  });

  it('one that cannot be moved is set aside with the reason, and the others go on', async () => {
    await live('cart', cart);
    for (const name of ['ana', 'poison', 'bo']) await track(name, 'cart.updated', { total: 1 });
    await settle();
    await pass('1 hour');
    const picky = aClock((sql, workspace, requests) => {
      if (requests.some(({ message }) => message.to.profile === 'poison'))
        throw new TypeError('no such thing');
      return acceptance().acceptWithin(sql, workspace, requests);
    });
    const untilParked = async () => {
      for (let n = 0; n < 6; n++) {
        await settle(picky);
        await owner.query(
          `UPDATE enrollments SET due_at = now() - interval '1 second' WHERE due_at < now() + interval '1 minute'`,
        );
      }
    };
    await untilParked();
    expect(await titles()).toEqual(['Your cart', 'Your cart']);
    expect((await people()).find(({ profile }) => profile === 'poison')).toMatchObject({
      state: 'parked',
      step: 'remind',
      reason: 'no such thing',
    });
    // At the step that fails, not at the wait before it.
    const cartOf = (await within((sql) => journeyByKey(sql, workspaceId, 'cart')))!;
    const why = () => within((sql) => explainFor(sql, workspaceId, cartOf, { profile: 'poison' }));
    expect(await why()).toMatchObject({
      verdict: 'They are inside, and stand still: their step failed again and again.',
      event: { name: 'cart.updated' },
      enrollment: { state: 'parked' },
    });
    const parked = (await why()).enrollment!.id;
    const skip = () => within((sql) => skipStep(sql, workspaceId, cartOf.id, parked));
    expect(await skip()).toBe(true);
    expect(await skip()).toBe(false);
    await settle(picky);
    expect((await people()).find(({ profile }) => profile === 'poison')).toMatchObject({
      state: 'inside',
      step: 'hear',
      reason: null,
    });
    expect((await why()).verdict).toBe('They are inside, and wait.');
    expect((await numbers('cart')).steps.find(({ step }) => step === 'remind')).toMatchObject({
      entered: 3,
      waiting: 0,
      ways: [
        { way: 'next', count: 2 },
        { way: 'skipped', count: 1 },
      ],
    });
  });

  it('what happened and could not be taken is kept, and is taken again or left out', async () => {
    await live('hello', {
      entry: { kind: 'event', event: 'go' },
      start: 'hello',
      steps: { hello: say('Hello') },
    });
    for (const name of ['ana', 'poison', 'bo']) await track(name, 'go');
    await owner.query(
      `CREATE FUNCTION spoilt() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
         IF (SELECT external_id FROM profiles WHERE id = NEW.profile_id) = 'poison' THEN RAISE 'no such thing'; END IF; RETURN NEW; END $$`,
    );
    await owner.query(
      `CREATE TRIGGER spoilt BEFORE INSERT ON enrollments FOR EACH ROW EXECUTE FUNCTION spoilt()`,
    );
    try {
      for (let n = 0; n < 7; n++) await clock.tick();
    } finally {
      await owner.query('DROP FUNCTION spoilt CASCADE');
    }
    expect(await titles()).toEqual(['Hello', 'Hello']);
    const aside = () => within((sql) => parkedSignals(sql, workspaceId, { after: undefined, limit: 10 }));
    const [one] = await aside();
    expect(one).toMatchObject({ profile: { externalId: 'poison' }, name: 'go', reason: 'no such thing' });
    const hello = (await within((sql) => journeyByKey(sql, workspaceId, 'hello')))!;
    expect(
      (await within((sql) => explainFor(sql, workspaceId, hello, { profile: 'poison', event: 'go' })))
        .verdict,
    ).toBe('What happened could not be taken.');
    expect(await within((sql) => retrySignal(sql, workspaceId, one!.id))).toBe(true);
    await settle();
    expect(await titles()).toEqual(['Hello', 'Hello', 'Hello']);
    expect(await aside()).toEqual([]);
    expect(await within((sql) => skipSignal(sql, workspaceId, one!.id))).toBe(false);
  });
});

describe('what is wrong is said, or is an outcome', () => {
  const entry = { kind: 'event' as const, event: 'go' };
  const end = { kind: 'end' as const };
  const made = (steps: object, more: object = {}) => ({
    entry,
    start: Object.keys(steps)[0],
    steps,
    ...more,
  });
  const rule = { rule: 'FREQ=DAILY', from: '2026-12-01T09:00', zone: 'Mars/Olympus' };
  const dated = (at: object) => made({ a: end }, { entry: { kind: 'schedule', audience: 'there', at } });
  beforeAll(() =>
    owner.query(
      `INSERT INTO audiences (id, workspace_id, key, name, kind, definition, archived_at, mentions) VALUES
         (gen_random_uuid(), $1, 'there', 'T', 'list', NULL, NULL, '{}'), (gen_random_uuid(), $1, 'ruled-by', 'R', 'rule', '{"where": {"attribute": "a", "exists": true}}', NULL, '{}'),
         (gen_random_uuid(), $1, 'gone', 'G', 'list', NULL, now(), '{}')`,
      [workspaceId],
    ),
  );

  it.each<[what: string, definition: object, pointer: string, sentence: string]>([
    [
      'a ring without a wait',
      made({
        a: { kind: 'update', attributes: { n: 1 }, next: 'b' },
        b: { kind: 'emit', event: 'x', next: 'a' },
      }),
      '/steps/a',
      'go round without waiting: put a wait among them, or lead out.',
    ],
    [
      'a ring whose only wait is for a date, which may be past',
      made({ a: { kind: 'wait', until: { date: 'birthday' }, next: 'a' } }),
      '/steps/a',
      'go round without waiting',
    ],
    [
      'a way to nowhere',
      made({ a: { kind: 'wait', for: '1h', next: 'b' } }),
      '/steps/a',
      'add it, or lead elsewhere.',
    ],
    [
      'a template that is missing',
      made({ a: { kind: 'send', channels: ['email'], template: 'nowhere' } }),
      '/steps/a/template',
      'There is no template “nowhere”: create it first',
    ],
    [
      'an audience that is missing',
      made({ a: { kind: 'list', audience: 'nowhere', change: 'join' } }),
      '/steps/a/audience',
      'There is no audience “nowhere”: create it first',
    ],
    [
      'an audience that was archived',
      made({ a: { kind: 'list', audience: 'gone', change: 'join' } }),
      '/steps/a/audience',
      'There is no audience “gone”',
    ],
    [
      'joining what has a rule',
      made({ a: { kind: 'list', audience: 'ruled-by', change: 'join' } }),
      '/steps/a/audience',
      'people can only be put into a list',
    ],
    [
      'entering what does not tell',
      made({ a: end }, { entry: { kind: 'audience', audience: 'ruled-by' } }),
      '/entry/audience',
      'make it live',
    ],
    [
      'another journey that is missing',
      made({ a: { kind: 'start', journey: 'nowhere' } }),
      '/steps/a/journey',
      'There is no journey “nowhere” to start.',
    ],
    [
      'a zone that is not there',
      made({ a: end }, { zone: 'Mars/Olympus' }),
      '/zone',
      'write one such as Europe/Paris',
    ],
    [
      'a schedule in a zone that is not there',
      dated(rule),
      '/entry/at/zone',
      'write one such as Europe/Paris',
    ],
    ['a schedule that is past', dated({ at: '2020-01-01T00:00:00Z' }), '/entry/at/at', 'Give a later time.'],
    [
      'a window that is past',
      made({ a: end }, { window: { until: '2020-01-01T00:00:00Z' } }),
      '/window/until',
      'nobody could enter',
    ],
    [
      'a step of a newer release',
      made({ a: { kind: 'teleport' } }),
      '/steps/a/kind',
      'Write send, wait, condition, split, listen, update, emit, call, list, start, throttle, digest or end.',
    ],
    [
      'a field of a newer release',
      made({ a: { ...end, flavour: 1 } }),
      '/steps/a/flavour',
      'There is no field "flavour"',
    ],
    [
      'a document of a newer release',
      made({ a: end }, { format: 2 }),
      '/format',
      'There is no field "format"',
    ],
    [
      'a condition of a newer release',
      made({ a: { kind: 'condition', branches: [{ if: { weather: 'sun' } }] } }),
      '/steps/a/branches/0/if',
      'Write an object with one of the fields attribute',
    ],
    ['no time', made({ a: { kind: 'wait', for: 'a day' } }), '/steps/a/for', 'number and s, m, h or d'],
    [
      'shares that are not all',
      made({
        a: {
          kind: 'split',
          shares: [
            { name: 'a', percent: 50 },
            { name: 'b', percent: 40 },
          ],
        },
      }),
      '/steps/a/shares',
      'ust make 100 per cent in all',
    ],
  ])('%s', async (_, definition, at, sentence) => {
    const found = await within((sql) => lintAnything(sql, workspaceId, definition));
    expect(found.filter(({ level }) => level === 'error')).toContainEqual(
      expect.objectContaining({ at, message: expect.stringContaining(sentence) as unknown }),
    );
    const read = JourneySave.safeParse({ name: 'bad', definition });
    if (!read.success) return;
    // What could be saved does not go live, and says the same.
    await expect(live('bad', definition as JourneyDefinitionInput)).rejects.toMatchObject({
      options: {
        errors: expect.arrayContaining([
          expect.objectContaining({
            pointer: `/definition${at}`,
            message: expect.stringContaining(sentence) as unknown,
          }),
        ]) as unknown,
      },
    });
  });

  it('a step that nobody comes to is said, and does no harm', async () => {
    const definition = made({ a: end, b: end }) as JourneyDefinitionInput;
    expect(await within((sql) => lintAnything(sql, workspaceId, definition))).toMatchObject([
      {
        level: 'warning',
        code: 'unreachable',
        at: '/steps/b',
        message: 'Nobody ever comes to step “b”: no step leads to it.',
      },
    ]);
    await live('lonely', definition);
  });

  it('an event of a megabyte is refused with a sentence, and the one beside it is taken', async () => {
    await live('cart', cart);
    const results = await intake.takeAll(workspaceId, [
      { profile: 'ana', name: 'cart.updated', properties: { total: 1, picture: 'x'.repeat(1_048_576) } },
      { profile: 'bo', name: 'cart.updated', properties: { total: 1 } },
    ]);
    expect(results).toMatchObject([
      { outcome: 'failed', errors: [{ pointer: '/properties', code: 'too_large' }] },
      { outcome: 'accepted' },
    ]);
    await settle();
    expect(await people()).toMatchObject([{ profile: 'bo' }]);
  });

  it('a list that is taken away under a live journey is an error with its own way, or an outcome', async () => {
    await live('joins', {
      entry,
      start: 'a',
      steps: { a: { kind: 'list', audience: 'there', change: 'join', next: 'b' }, b: { kind: 'end' } },
    });
    await owner.query(`UPDATE audiences SET archived_at = now() WHERE key = 'there'`);
    await track('ana', 'go');
    await settle();
    await owner.query(`UPDATE audiences SET archived_at = NULL WHERE key = 'there'`);
    expect(await people()).toMatchObject([
      { state: 'ended', outcome: 'error', reason: 'There is no list “there”.' },
    ]);
    expect((await numbers('joins')).steps[0]).toMatchObject({ step: 'a', errors: 1 });
  });

  it('a schedule whose audience is taken away says so on the journey', async () => {
    const at = { at: new Date(Date.now() + 3_600_000).toISOString() };
    await live('yearly', dated(at) as JourneyDefinitionInput);
    await owner.query(`UPDATE audiences SET archived_at = now() WHERE key = 'there'`);
    await owner.query(`UPDATE journeys SET next_at = now() - interval '1 second' WHERE key = 'yearly'`);
    await settle();
    await owner.query(`UPDATE audiences SET archived_at = NULL WHERE key = 'there'`);
    expect(await within((sql) => showJourney(sql, workspaceId, 'yearly'))).toMatchObject({
      state: 'live',
      reason: 'Its audience “there” is not there: nobody of it entered.',
    });
  });

  it('a date that is past is not waited for, and the way says so; an unknown zone is read as the workspace’s', async () => {
    await live('dates', {
      entry,
      start: 'date',
      steps: {
        date: { kind: 'wait', until: { data: ['event', 'at'] }, next: 'in-time', otherwise: 'late' },
        'in-time': { kind: 'end', outcome: 'in-time' },
        late: { kind: 'wait', until: { time: '00:00' }, next: 'in-time' },
      },
    });
    await track('ana', 'go', { at: '1999-12-31' });
    await track('bo', 'go', { at: 'some day' });
    await owner.query(`UPDATE profiles SET timezone = 'Mars/Olympus' WHERE external_id IN ('ana', 'bo')`);
    await settle();
    expect(await people()).toMatchObject([
      { profile: 'ana', state: 'inside', step: 'late' },
      { profile: 'bo', state: 'inside', step: 'late' },
    ]);
    expect((await numbers('dates')).steps.find(({ step }) => step === 'date')).toMatchObject({
      ways: [{ way: 'otherwise', count: 2 }],
    });
  });

  it('a version of a newer release: its people stand still with the reason, others go on, and nothing is lost', async () => {
    await live('newer', {
      entry,
      exits: [{ name: 'stop', on: { event: 'stop' } }],
      start: 'a',
      steps: { a: { kind: 'wait', for: '1h', next: 'b' }, b: say('Newer') },
    });
    await live('known', {
      entry,
      start: 'a',
      steps: { a: { kind: 'wait', for: '1h', next: 'b' }, b: say('Known') },
    });
    await track('ana', 'go');
    await settle();
    const spoil = (kind: string) =>
      owner.query(
        `UPDATE journey_versions v SET definition = jsonb_set(definition, '{steps,a,kind}', to_jsonb($1::text)) FROM journeys j WHERE j.id = v.journey_id AND j.key = 'newer'`,
        [kind],
      );
    await spoil('teleport');
    const older = new JourneyClock(database, new Acceptance(database, queues), calls);
    await track('bo', 'go');
    await pass('1 hour');
    await settle(older);
    expect(await titles()).toEqual(['Known']);
    const standing = (await people()).filter(({ state }) => state === 'parked');
    expect(standing).toMatchObject([{ profile: 'ana', step: 'a', reason: UNREADABLE }]);
    await expect(
      within((sql) => goLive(sql, workspaceId, 'newer', { note: '', version: 1 }, who)),
    ).rejects.toThrow('Version 1 cannot be read: it was written by a newer Carillon.');
    // The release that can read it starts: who stood still goes on, who came meanwhile comes in.
    await spoil('wait');
    const newer = new JourneyClock(database, new Acceptance(database, queues), calls);
    await newer.wake();
    await settle(newer);
    expect((await titles()).sort()).toEqual(['Known', 'Newer']);
    expect(await numbers('newer')).toMatchObject({ entered: 2, inside: 1 });
  });
});
