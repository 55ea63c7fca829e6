/**
 * `npm run bench -- journey [first] [intake] [waiting] [due] [simulator]` (all of them unless said): how long from an event to the first
 * message of the journey that it begins; events taken in while 25 journeys listen, to the last person moved; what a look of
 * the clock costs beside a million who wait; how fast those are moved who are due at one second; and how long the simulator takes. What each could be at best is
 * measured in the same run. `PEOPLE=100000`: how many wait (1,000,000 unless said).
 */
import fs from 'node:fs';
import pg from 'pg';
import {
  costCells,
  costHead,
  machine,
  measure,
  pointAccount,
  quantiles,
  round,
  sleep,
  startPart,
  table,
  untilSent,
} from './harness.mjs';

const RATE = 300;
const SECONDS = 20;
const LISTENING = 25;
const CLIENTS = 3;
const SIZE = 500;
const BATCHES = 80;
const DUE = 100_000;
const TICKS = 200;
/** As tools/bench/parts/people.mjs tells them. */
const TOLD = ['page.viewed', 'product.viewed', 'cart.added', 'order.placed'];

export default async function journey({ url, apiKey, ownerUrl, appUrl, pids, setting, more }) {
  const owner = new pg.Client({ connectionString: ownerUrl });
  await owner.connect();
  const part = await startPart('people', { url, apiKey });
  const sink = await startPart('sink');
  try {
    console.log(`${setting}; ${machine()}; generator, sink and database on the same machine\n`);
    const { rows } = await owner.query('SELECT id FROM workspaces ORDER BY created_at LIMIT 1');
    await pointAccount(owner, 'sms', sink.ready.url);
    const bench = {
      appUrl,
      owner,
      workspaceId: rows[0].id,
      part,
      pids,
      watched: { owner, processes: { ...pids, generator: part.pid, sink: sink.pid } },
      ask: asker(url, apiKey),
    };
    await makePeople(bench, 20_000);
    for (const [name, section] of Object.entries({ first, intake, waiting, due, simulator }))
      if (more.length === 0 || more.includes(name)) {
        await section(bench);
        console.log();
      }
  } finally {
    await part.stop();
    await sink.stop();
    await owner.end();
  }
}

const asker = (url, apiKey) => async (method, path, body) => {
  const answer = await fetch(`${url}${path}`, {
    method,
    headers: { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' },
    body: body && JSON.stringify(body),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text.slice(0, 300)}`);
  return JSON.parse(text);
};
async function goLive({ ask }, key, definition) {
  const { id } = await ask('PUT', `/v1/journeys/${key}`, { name: key, definition });
  await ask('POST', `/v1/journeys/${key}/live`, {});
  return id;
}
/** Until everybody has left. */
async function stop({ ask, owner }, key) {
  const { id } = await ask('POST', `/v1/journeys/${key}/stop`, {});
  while (
    (await count(owner, `(SELECT FROM enrollments WHERE journey_id = $1 AND state <> 'ended' LIMIT 1) AS e`, [
      id,
    ])) > 0
  )
    await sleep(100);
}
const makePeople = ({ owner, workspaceId }, people) =>
  owner.query(
    `INSERT INTO profiles (id, workspace_id, external_id, phone, phone_original, attributes)
     SELECT gen_random_uuid(), $1, 'person-' || n, p, p, '{"plan": "pro"}' FROM generate_series(1, $2::int) AS n, LATERAL (SELECT '+1500' || lpad(n::text, 7, '0') AS p) AS phone`,
    [workspaceId, people],
  );
const count = async (owner, text, params = []) =>
  Number((await owner.query(`SELECT count(*) AS n FROM ${text}`, params)).rows[0].n);
/** Until the engine has taken all that happened. */
async function untilTaken(owner) {
  while ((await count(owner, '(SELECT FROM journey_signals LIMIT 1) AS s')) > 0) await sleep(20);
}
const memory = (pids) =>
  Object.values(pids).reduce(
    (sum, pid) =>
      sum + Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0),
    0,
  ) / 1024;

// ── from an event to a message ──

async function first(bench) {
  const { owner, part, watched } = bench;
  const begin = (n) => ({
    entry: { kind: 'event', event: `bench.begin${n}`, where: [{ property: 'n', above: -1 }] },
    reentry: { kind: 'always' },
    start: 'hello',
    steps: {
      hello: {
        kind: 'send',
        channels: ['sms'],
        content: { sms: { body: 'Order {{ event.n }} is on its way.' } },
        next: 'wait',
      },
      wait: { kind: 'wait', for: '30d' },
    },
  });
  for (const n of [1, 2]) await goLive(bench, `bench-first${n}`, begin(n));
  const run = async (n, seconds) => {
    const from = (await owner.query('SELECT now() AS now')).rows[0].now;
    return measure(watched, async () => {
      const answer = await part.ask({ rate: RATE, seconds, tell: `bench.begin${n}` });
      if (answer.failed > 0) throw new Error(`${answer.failed} refused: ${answer.firstFailure}`);
      await untilSent(owner, 'sms', from, answer.done);
      return answer.done;
    });
  };
  await run(1, 8);
  await owner.query('ANALYZE');
  const cost = await run(2, SECONDS);
  const ms = await handedOver(owner, 2);
  table([
    [
      `Event → first SMS handed over, ${RATE} events/s for ${SECONDS} s`,
      'events',
      'p50 ms',
      'p95',
      'p99',
      'worst',
      ...costHead,
    ],
    [
      'POST /v1/events to the hand-over mark',
      round(ms.length),
      ...quantiles(ms, 0),
      round(ms.at(-1)),
      ...costCells(cost),
    ],
  ]);
  for (const n of [1, 2]) await stop(bench, `bench-first${n}`);
}
/** @returns {Promise<number[]>} from the beginning of the transaction that took the event in, rising */
async function handedOver(owner, n) {
  const { rows } = await owner.query(
    `WITH v AS MATERIALIZED (SELECT profile_id, received_at FROM events WHERE name = $2 AND received_at > now() - interval '1 hour'),
          e AS MATERIALIZED (SELECT e.profile_id, m.message_id FROM journeys j JOIN enrollments e ON e.workspace_id = j.workspace_id AND e.journey_id = j.id
                               JOIN enrollment_messages m ON m.workspace_id = e.workspace_id AND m.enrollment_id = e.id WHERE j.key = $1)
     SELECT extract(epoch FROM d.handed_over_at - v.received_at) * 1000 AS ms
       FROM v JOIN e USING (profile_id) JOIN deliveries d ON d.message_id = e.message_id WHERE d.handed_over_at IS NOT NULL ORDER BY 1`,
    [`bench-first${n}`, `bench.begin${n}`],
  );
  return rows.map((row) => Number(row.ms));
}

// ── events while journeys listen ──

/** Each is entered by one of the events, under a condition, and has people wait for another. */
async function intake(bench) {
  const { owner, workspaceId, part, watched } = bench;
  for (let n = 0; n < LISTENING; n++)
    await goLive(bench, `bench-listening${n}`, {
      entry: {
        kind: 'event',
        event: TOLD[n % TOLD.length],
        where: [{ property: 'total', above: 60 + n }],
      },
      exits: [{ name: 'ordered', on: { event: 'order.placed', where: [{ property: 'total', below: 5 }] } }],
      start: 'listen',
      steps: {
        listen: {
          kind: 'listen',
          for: [{ on: { event: 'cart.added', where: [{ property: 'total', is: n }] } }],
          within: '30d',
        },
      },
    });
  await part.ask({ batches: 6, size: SIZE, clients: CLIENTS, people: 20_000 });
  await untilTaken(owner);
  let answer;
  let taken;
  const began = performance.now();
  const cost = await measure(watched, async () => {
    answer = await part.ask({ batches: BATCHES, size: SIZE, clients: CLIENTS, people: 20_000 });
    if (answer.failed > 0) throw new Error(`${answer.failed} refused: ${answer.firstFailure}`);
    taken = (performance.now() - began) / 1000;
    await untilTaken(owner);
    return answer.done;
  });
  // Every event that would let somebody in has let them in, or been refused with a reason, by each journey.
  const decided = await owner.query(
    `SELECT (SELECT count(*) FROM events v JOIN generate_series(0, ${LISTENING - 1}) AS n ON v.name = ($2::text[])[1 + n % ${TOLD.length}] AND (v.properties->>'total')::float8 > 60 + n WHERE v.workspace_id = $1) AS expected,
            (SELECT sum(count) FROM journey_counts c JOIN journeys j ON j.workspace_id = c.workspace_id AND j.id = c.journey_id WHERE j.key LIKE 'bench-listening%' AND c.step = '' AND (c.way = 'entered' OR c.way LIKE 'refused:%')) AS counted`,
    [workspaceId, TOLD],
  );
  const { expected, counted } = decided.rows[0];
  const parked = await count(owner, 'journey_signals');
  if (expected !== counted || parked > 0)
    throw new Error(`${expected} entries should have been decided, ${counted} were, ${parked} are set aside`);
  const floor = await signalFloor(bench);
  table([
    [
      `Events with ${LISTENING} live journeys listening, ${CLIENTS} callers, batches of ${SIZE}`,
      'events/s',
      'of the floor',
      'answer p50 ms',
      'p95',
      'p99',
      ...costHead,
    ],
    [
      'POST /v1/events/batch, committed before the answer',
      round(answer.done / taken),
      (answer.done / taken / floor).toFixed(2),
      ...quantiles(answer.latencyMs),
      '',
      '',
      '',
      '',
    ],
    [
      'the same, until the last person is moved',
      round(cost.perSecond),
      (cost.perSecond / floor).toFixed(2),
      '',
      '',
      '',
      ...costCells(cost),
    ],
    [
      'floor: event, key and signal by unnest, one connection',
      round(floor),
      '1.00',
      '',
      '',
      '',
      '',
      '',
      '',
      '',
    ],
  ]);
  console.log(`\n${round(expected)} entries were to be decided, ${round(counted)} were: none was lost.`);
  for (let n = 0; n < LISTENING; n++) await stop(bench, `bench-listening${n}`);
}
/** Events, keys and signals by plain statements. @returns events per second */
async function signalFloor({ owner, workspaceId }) {
  const { rows } = await owner.query(
    'SELECT array_agg(id) AS ids FROM (SELECT id FROM profiles WHERE workspace_id = $1 LIMIT 500) AS p',
    [workspaceId],
  );
  const began = performance.now();
  for (let n = 0; n < 40; n++) {
    await owner.query('BEGIN');
    await owner.query(
      `INSERT INTO event_keys (workspace_id, key, event_id) SELECT $1, $2 || '-' || i, gen_random_uuid() FROM generate_series(1, 500) AS i`,
      [workspaceId, `signal-floor-${n}`],
    );
    await owner.query(
      `INSERT INTO events (workspace_id, profile_id, at, id, name, properties) SELECT $1, id, now(), gen_random_uuid(), 'floor', '{"path": "/p/1", "total": 5, "currency": "EUR"}' FROM unnest($2::uuid[]) AS u(id)`,
      [workspaceId, rows[0].ids],
    );
    await owner.query(
      `INSERT INTO journey_signals (workspace_id, profile_id, kind, name, ref, payload, held) SELECT $1, id, 'event', 'floor', gen_random_uuid()::text, '{"path": "/p/1", "total": 5, "currency": "EUR"}', true FROM unnest($2::uuid[]) AS u(id)`,
      [workspaceId, rows[0].ids],
    );
    await owner.query('COMMIT');
  }
  const perSecond = (40 * 500) / ((performance.now() - began) / 1000);
  await owner.query(`DELETE FROM journey_signals WHERE name = 'floor'`);
  return perSecond;
}

// ── those who wait ──

const patient = {
  entry: { kind: 'api' },
  start: 'wait',
  steps: {
    wait: { kind: 'wait', for: '30d', next: 'fork' },
    fork: {
      kind: 'condition',
      branches: [{ if: { data: ['event', 'n'], above: 50_000 }, next: 'more' }],
      otherwise: 'rest',
    },
    more: { kind: 'wait', for: '30d', next: 'rest' },
    rest: { kind: 'wait', for: '30d' },
  },
};
/** People who have waited since long ago, each several times over: the same rows as so many people. */
const enroll = ({ owner, workspaceId }, journeyId, from, to) =>
  owner.query(
    `INSERT INTO enrollments (workspace_id, id, journey_id, version, profile_id, key, instance, step, phase, since, step_due_at, due_at, leave_by, data)
     SELECT $1, gen_random_uuid(), $2, 1, p.id, n::text, n::text, 'wait', 'waiting', now(), now() + interval '1 day' * (1 + n % 29), now() + interval '1 day' * (1 + n % 29), now() + interval '365 days',
            jsonb_build_object('event', jsonb_build_object('n', n % 100000), 'vars', '{}'::jsonb)
       FROM generate_series($3::int, $4::int) AS n JOIN (SELECT id, row_number() OVER () AS place FROM profiles WHERE workspace_id = $1) AS p ON p.place = 1 + n % 20000`,
    [workspaceId, journeyId, from, to],
  );

async function waiting(bench) {
  const { owner, appUrl, pids } = bench;
  const most = Number(process.env.PEOPLE ?? 1_000_000);
  const id = await goLive(bench, 'bench-waiting', patient);
  const { JourneyClock } = await import('../../libs/scheduling/service/dist/index.js');
  const { Database } = await import('../../libs/database/dist/index.js');
  const database = new Database({ url: appUrl, max: 2 });
  const clock = new JourneyClock(database, {}, {});
  const rows = [
    ['Waiting', 'a look: p50 ms', 'p95', 'p99', 'pages', 'installation at rest, CPU ms/s', 'services, MB'],
  ];
  let made = 0;
  for (const people of [0, most / 10, most]) {
    if (people > made) await enroll(bench, id, made + 1, people);
    made = people;
    await owner.query('VACUUM (ANALYZE) enrollments');
    const ms = [];
    for (let n = 0; n < TICKS; n++) {
      const from = performance.now();
      if ((await clock.tick()) > 0) throw new Error('Somebody was due.');
      ms.push(performance.now() - from);
    }
    const seconds = 8;
    const idle = await measure({ owner, processes: pids }, async () => {
      await sleep(seconds * 1000);
      return seconds;
    });
    rows.push([
      round(people),
      ...quantiles(
        ms.sort((a, b) => a - b),
        2,
      ),
      await pagesOfALook(database),
      (idle.cpuUs.all / 1000).toFixed(0),
      round(memory(pids)),
    ]);
  }
  await database.close();
  table(rows);
}
/** Pages that PostgreSQL looks at for one statement of the clock: the same on every machine. */
async function pagesOfALook(database) {
  const { LOOK } = await import('../../libs/scheduling/service/dist/index.js');
  const [row] = await database.acrossWorkspaces((sql) =>
    sql.query(`EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) ${LOOK}`),
  );
  const [{ Plan: plan }] = row['QUERY PLAN'];
  return plan['Shared Hit Blocks'] + plan['Shared Read Blocks'];
}

// ── due at one second ──

async function due(bench) {
  const { owner, pids, workspaceId } = bench;
  const id = await goLive(bench, 'bench-due', patient);
  const sending = await goLive(bench, 'bench-due-sends', {
    ...patient,
    steps: {
      wait: { kind: 'wait', for: '30d', next: 'hello' },
      hello: {
        kind: 'send',
        channels: ['in-app'],
        content: { 'in-app': { title: 'Hello', body: 'There' } },
        next: 'rest',
      },
      rest: { kind: 'wait', for: '30d' },
    },
  });
  const rows = [
    ['Due at the same second', 'people', 'steps/s', 'of the floor', 'MB before', 'most', ...costHead],
  ];
  const floor = await stepFloor(bench, id);
  for (const [what, journeyId, people] of [
    ['wait → condition → wait', id, DUE],
    ['wait → send in-app → wait, accepted', sending, DUE / 5],
  ]) {
    await enroll(bench, journeyId, 1, people);
    await owner.query('VACUUM (ANALYZE) enrollments');
    const before = memory(pids);
    let highest = before;
    const watch = setInterval(() => (highest = Math.max(highest, memory(pids))), 100);
    const { rows: at } = await owner.query(
      `WITH at AS (SELECT date_trunc('second', now() + interval '15 seconds') AS at),
            moved AS (UPDATE enrollments SET step_due_at = at, due_at = at, since = at - interval '30 days' FROM at WHERE workspace_id = $1 AND journey_id = $2)
       SELECT extract(epoch FROM at) * 1000 AS ms FROM at`,
      [workspaceId, journeyId],
    );
    await sleep(Math.max(0, Number(at[0].ms) - Date.now()));
    const cost = await measure({ owner, processes: pids }, async () => {
      while ((await count(owner, '(SELECT FROM enrollments WHERE due_at <= now() LIMIT 1) AS e')) > 0)
        await sleep(20);
      return people * 2;
    });
    clearInterval(watch);
    const moved = await count(
      owner,
      'enrollment_steps s JOIN enrollments e ON e.workspace_id = s.workspace_id AND e.id = s.enrollment_id WHERE e.journey_id = $1',
      [journeyId],
    );
    if (moved !== people * 2) throw new Error(`${people * 2} steps were to be taken, ${moved} were`);
    rows.push([
      what,
      round(people),
      round(cost.perSecond),
      (cost.perSecond / floor).toFixed(2),
      round(before),
      round(highest),
      ...costCells(cost),
    ]);
  }
  rows.push([
    'floor: rows moved and lines written by unnest, one connection',
    '',
    round(floor),
    '1.00',
    '',
    '',
    '',
    '',
    '',
    '',
  ]);
  table(rows);
}
/** Two lines a person and one change of their row, 500 people a commit. @returns steps per second */
async function stepFloor(bench, journeyId) {
  const { owner, workspaceId } = bench;
  await enroll(bench, journeyId, 1, 20_000);
  const { rows } = await owner.query('SELECT id FROM enrollments WHERE journey_id = $1', [journeyId]);
  const began = performance.now();
  for (let at = 0; at < rows.length; at += 500) {
    const ids = rows.slice(at, at + 500).map((row) => row.id);
    await owner.query('BEGIN');
    await owner.query(
      `UPDATE enrollments e SET step = 'rest', no = 2, due_at = now() + interval '30 days', data = e.data FROM unnest($2::uuid[]) AS u(id) WHERE e.workspace_id = $1 AND e.id = u.id`,
      [workspaceId, ids],
    );
    await owner.query(
      `INSERT INTO enrollment_steps (workspace_id, enrollment_id, no, step, kind, way, next) SELECT $1, id, no, 'wait', 'wait', 'next', 'fork' FROM unnest($2::uuid[]) AS u(id), generate_series(0, 1) AS no`,
      [workspaceId, ids],
    );
    await owner.query('COMMIT');
  }
  const perSecond = (2 * rows.length) / ((performance.now() - began) / 1000);
  await owner.query('DELETE FROM enrollments WHERE journey_id = $1', [journeyId]);
  return perSecond;
}

// ── the simulator ──

/** Ten steps of everybody, of all kinds that take time in it: messages with the gate, waits on clocks, conditions, shares, listening. */
async function simulator(bench) {
  const { ask, watched } = bench;
  const say = (next) => ({
    kind: 'send',
    channels: ['sms'],
    class: 'marketing',
    content: { sms: { body: 'Order {{ event.n }} is on its way.' } },
    next,
  });
  const definition = {
    entry: { kind: 'event', event: 'bench.simulated' },
    start: 'one',
    steps: {
      one: say('day'),
      day: { kind: 'wait', for: '1d', next: 'pro' },
      pro: {
        kind: 'condition',
        branches: [{ if: { attribute: 'plan', is: 'pro' }, next: 'two' }],
        otherwise: 'two',
      },
      two: say('heard'),
      heard: {
        kind: 'listen',
        within: '2d',
        for: [{ on: { message: 'clicked' }, next: 'mark' }],
        otherwise: 'mark',
      },
      mark: { kind: 'update', attributes: { seen: true }, next: 'morning' },
      morning: { kind: 'wait', until: { time: '09:00' }, next: 'share' },
      share: {
        kind: 'split',
        shares: [
          { name: 'a', percent: 50, next: 'three' },
          { name: 'b', percent: 50, next: 'three' },
        ],
      },
      three: say('end'),
      end: { kind: 'end' },
    },
  };
  const key = 'bench-simulated';
  await ask('PUT', `/v1/journeys/${key}`, { name: key, definition });
  const rows = [['Simulated: people × 10 steps', 'ms', 'people/s', 'steps', ...costHead]];
  for (const people of [1000, 10_000]) {
    let run;
    const cost = await measure(watched, async () => {
      run = await ask('POST', `/v1/journeys/${key}/simulations`, {
        random: people,
        data: { n: 1 },
        outcomes: { delivered: 0.98, clicked: 0.1 },
      });
      return people;
    });
    const steps = run.steps.reduce((sum, { ways }) => sum + ways.reduce((n, { count: c }) => n + c, 0), 0);
    if (steps !== people * 10) throw new Error(`${people * 10} steps were to be played, ${steps} were`);
    rows.push([
      round(people),
      round(run.ms),
      round((people / run.ms) * 1000),
      round(steps),
      ...costCells(cost),
    ]);
  }
  table(rows);
}
