/**
 * `npm run bench -- audience [people] [section …]`: a workspace of so many people (1,000,000) who have done ten times as much
 * (tools/people.mjs), and on it the figures of the audience service: events taken in, durable, in batches of 500; states of
 * profiles read at 1,000 a second; rules previewed, frozen into a run, and followed live. What each could be at best is measured in the same run.
 */
import pg from 'pg';
import { makePeople, progressBar } from '../people.mjs';
import { SERVICE_FLAGS } from '../service-process.mjs';
import { liveLag, previews, snapshots } from './parts/rules.mjs';
import { costCells, costHead, machine, measure, quantiles, round, startPart, table } from './harness.mjs';

/**
 * In this order; by name, where only some are wanted. What reads comes first: PostgreSQL tidies for minutes after what a section has
 * written, which the next would be measured with.
 */
export const sections = { previews, states, snapshots, liveLag, intake };
const CLIENTS = 3;
const BATCHES = 120;
const SIZE = 500;
const RATE = 1000;
const SECONDS = 15;
const ROUNDS = 3;

export default async function audience({
  url,
  apiKey,
  ownerUrl,
  appUrl,
  pids,
  setting,
  more: [count = '1000000', ...only],
}) {
  const people = Number(count);
  const owner = new pg.Client({ connectionString: ownerUrl });
  await owner.connect();
  const part = await startPart('people', { url, apiKey }, SERVICE_FLAGS);
  try {
    console.log(`${setting}; ${machine()}; generator and database on the same machine\n`);
    const { rows } = await owner.query('SELECT id FROM workspaces ORDER BY created_at LIMIT 1');
    const workspaceId = rows[0].id;
    const from = performance.now();
    await makePeople(owner, workspaceId, {
      people,
      events: people * 10,
      rebuild: true,
      progress: progressBar(),
    });
    console.log(
      `\n${round(people)} people and ${round(people * 10)} events made in ${round((performance.now() - from) / 1000)} s\n`,
    );
    const watched = { owner, processes: { ...pids, generator: part.pid } };
    const bench = { url, apiKey, appUrl, owner, workspaceId, people, part, watched };
    for (const [name, section] of Object.entries(sections)) {
      if (only.length > 0 && !only.includes(name)) continue;
      await section(bench);
      console.log();
    }
  } finally {
    await part.stop();
    await owner.end();
  }
}

async function intake({ owner, workspaceId, people, part, watched }) {
  const floor = await eventFloor(owner, workspaceId);
  await part.ask({ batches: 12, size: SIZE, clients: CLIENTS, people });
  let answer;
  const cost = await measure(watched, async () => {
    answer = await part.ask({ batches: BATCHES, size: SIZE, clients: CLIENTS, people });
    if (answer.failed > 0) throw new Error(`${answer.failed} refused: ${answer.firstFailure}`);
    return answer.done;
  });
  table([
    [
      `Events, ${CLIENTS} callers, batches of ${SIZE}`,
      'events/s',
      'of the floor',
      'answer p50 ms',
      'p95',
      'p99',
      ...costHead,
    ],
    [
      'POST /v1/events/batch, committed before the answer',
      round(cost.perSecond),
      (cost.perSecond / floor).toFixed(2),
      ...quantiles(answer.latencyMs),
      ...costCells(cost),
    ],
    ['floor: the same rows by unnest, one connection', round(floor), '1.00', '', '', '', '', '', '', ''],
  ]);
}

/** Events, keys and activity as intake writes them, by plain statements. @returns events per second */
async function eventFloor(owner, workspaceId) {
  const { rows } = await owner.query(
    `SELECT array_agg(id) AS ids FROM (SELECT id FROM profiles WHERE workspace_id = $1 ORDER BY external_id LIMIT 20000) p`,
    [workspaceId],
  );
  const { ids } = rows[0];
  const batches = 40;
  const started = performance.now();
  for (let b = 0; b < batches; b++) {
    const who = Array.from({ length: SIZE }, () => ids[Math.floor(ids.length * Math.random() ** 3)]);
    await owner.query('BEGIN');
    await owner.query(
      `INSERT INTO event_keys (workspace_id, key, event_id) SELECT $1, 'floor-' || k, gen_random_uuid() FROM unnest($2::text[]) AS u(k)`,
      [workspaceId, who.map(() => crypto.randomUUID())],
    );
    await owner.query(
      `INSERT INTO events (workspace_id, profile_id, at, id, name, properties)
       SELECT $1, id, now(), gen_random_uuid(), 'floor', '{"path": "/p/1", "total": 5, "currency": "EUR"}' FROM unnest($2::uuid[]) AS u(id)`,
      [workspaceId, who],
    );
    await owner.query(
      `INSERT INTO profile_activity AS a (workspace_id, profile_id, events, last_seen_at)
       SELECT $1, id, count(*), now() FROM unnest($2::uuid[]) AS u(id) GROUP BY id ORDER BY id
       ON CONFLICT (workspace_id, profile_id) DO UPDATE SET events = a.events + EXCLUDED.events, last_seen_at = EXCLUDED.last_seen_at`,
      [workspaceId, who],
    );
    await owner.query('COMMIT');
  }
  return (batches * SIZE) / ((performance.now() - started) / 1000);
}

async function states({ owner, workspaceId, people, part, watched }) {
  await part.ask({ rate: RATE, seconds: 10, people });
  const rounds = [];
  for (let i = 0; i < ROUNDS; i++) {
    let answer;
    const cost = await measure(watched, async () => {
      answer = await part.ask({ rate: RATE, seconds: SECONDS, people });
      if (answer.failed > 0) throw new Error(`${answer.failed} failed: ${answer.firstFailure}`);
      return answer.done;
    });
    rounds.push({ cost, latency: quantiles(answer.latencyMs) });
  }
  // A host that takes the cores away for half a second of a round's fifteen makes its slowest hundredth: so each is seen.
  rounds.sort((x, y) => x.latency[2] - y.latency[2]);
  const { cost, latency } = rounds[Math.floor(ROUNDS / 2)];
  const floor = await rowFloor(owner, workspaceId, people);
  table([
    [
      `State of a profile, ${round(RATE)}/s for ${SECONDS} s, median of ${ROUNDS}`,
      'reads/s',
      'p50 ms',
      'p95',
      'p99',
      'p99 of each',
      ...costHead,
    ],
    [
      'GET /v1/profiles/{id}/state',
      round(cost.perSecond),
      ...latency,
      rounds.map((r) => r.latency[2]).join(' '),
      ...costCells(cost),
    ],
    ['floor: the row alone, one connection, no HTTP', '', ...quantiles(floor, 2), '', '', '', '', ''],
  ]);
}

/** @returns milliseconds, rising */
async function rowFloor(owner, workspaceId, people) {
  const times = [];
  for (let i = 0; i < 2000; i++) {
    const from = performance.now();
    await owner.query('SELECT * FROM profiles WHERE workspace_id = $1 AND external_id = $2', [
      workspaceId,
      `person-${1 + Math.floor(people * Math.random())}`,
    ]);
    times.push(performance.now() - from);
  }
  return times.sort((a, b) => a - b);
}
