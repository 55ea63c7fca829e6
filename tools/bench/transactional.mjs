/**
 * `npm run bench -- transactional [channel …]`: single sends. How long from acceptance to the hand-over mark at 278 a
 * second (a million an hour), and how many a second get through from the request to the provider's recorded answer
 * when callers never pause. Load generator and provider are processes of their own. SMS (the default) goes through the
 * twilio client to an HTTP sink on this machine, the other channels to the sandbox.
 */
import pg from 'pg';
import {
  bullFloor,
  costCells,
  costHead,
  handOffMs,
  httpFloor,
  insertFloor,
  machine,
  measure,
  pointAccount,
  quantiles,
  round,
  startPart,
  table,
  untilSent,
} from './harness.mjs';

const RATE = 278;
const STEADY_SECONDS = 10;
const SUSTAINED_SECONDS = 10;
const CLIENTS = 64;
const WARM_SECONDS = 8;

export default async function transactional({ url, apiKey, ownerUrl, queueUrl, pids, setting, more }) {
  const channels = more.length ? more : ['sms'];
  const owner = new pg.Client({ connectionString: ownerUrl });
  await owner.connect();
  const sink = await startPart('sink');
  const load = await startPart('load', { url, apiKey });
  try {
    console.log(`${setting}; ${machine()}; generator, sink and database on the same machine\n`);
    const queue = await bullFloor({ queueUrl, databaseUrl: ownerUrl });
    table([
      ['Floor', 'per second', 'p50 ms', 'p95 ms', 'p99 ms'],
      ['BullMQ: lots of 500, no-op worker', round(queue.jobsPerSecond), ...quantiles(queue.pickUpMs)],
      ['PostgreSQL: log rows by unnest, 500 a commit', round(await insertFloor(owner)), '', '', ''],
      ['HTTP: undici, 16 connections, to the sink', round(await httpFloor(sink.ready.url)), '', '', ''],
    ]);
    await pointAccount(owner, 'sms', sink.ready.url);
    const watched = { owner, processes: { ...pids, generator: load.pid, sink: sink.pid } };
    const steady = [
      [
        'Accept → hand-off at 278/s',
        'messages',
        'p50 ms',
        'p95 ms',
        'p99 ms',
        'request → provider p50',
        'p95',
        'p99',
        'answer p50',
        'p95',
        'p99',
        ...costHead,
      ],
    ];
    const sustained = [
      [`${CLIENTS} callers without a pause`, 'sent/s', 'answer p50 ms', 'p95', 'p99', ...costHead],
    ];
    for (const channel of channels) {
      const run = async (question) => {
        const { rows } = await owner.query('SELECT now() AS now');
        let answer;
        const cost = await measure(watched, async () => {
          answer = await load.ask({ ...question, channel });
          if (answer.refused > 0) throw new Error(`${answer.refused} refused: ${answer.firstRefusal}`);
          await untilSent(owner, channel, rows[0].now, answer.accepted);
          return answer.accepted;
        });
        return { answer, cost, from: rows[0].now };
      };
      // Services that have run for a moment, at both paces: code that V8 has not compiled yet takes five times as long, and compiling
      // was a third of what they did in the ten seconds behind the first pace.
      await run({ clients: CLIENTS, seconds: WARM_SECONDS });
      await run({ rate: RATE, seconds: WARM_SECONDS });
      await sink.ask({ note: true });
      const calm = await run({ rate: RATE, seconds: STEADY_SECONDS });
      const { arrivals } = await sink.ask({});
      steady.push([
        channel,
        round(calm.answer.accepted),
        ...quantiles(await handOffMs(owner, channel, calm.from)),
        ...(arrivals.length ? quantiles(untilProvider(calm.answer.sentAt, arrivals)) : ['', '', '']),
        ...quantiles(calm.answer.latencyMs),
        ...costCells(calm.cost),
      ]);
      const full = await run({ clients: CLIENTS, seconds: SUSTAINED_SECONDS });
      sustained.push([
        channel,
        round(full.cost.perSecond),
        ...quantiles(full.answer.latencyMs),
        ...costCells(full.cost),
      ]);
    }
    console.log();
    table(steady);
    console.log();
    table(sustained);
  } finally {
    await load.stop();
    await sink.stop();
    await owner.end();
  }
}

/** From outside: between the callers' writing a request and the provider's reading the message. @returns milliseconds, rising */
function untilProvider(sentAt, arrivals) {
  const arrived = new Map(arrivals);
  return sentAt.map(([order, at]) => arrived.get(order) - at).sort((a, b) => a - b);
}
