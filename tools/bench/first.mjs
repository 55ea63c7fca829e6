/**
 * `npm run bench -- first`: how fast a message gets from acceptance to the provider, and how many get through, beside
 * two floors measured in the same run: BullMQ with a no-op worker, and the same log rows by plain INSERT.
 * Handed a running installation by bench.mjs; talks to it through the SDK, reads the times from the delivery log.
 */
import pg from 'pg';
import { Carillon } from '@carillon/sdk';
import {
  bullFloor,
  handOffMs,
  insertFloor,
  machine,
  quantiles,
  round,
  table,
  untilSent,
} from './harness.mjs';

const RATE_PER_SECOND = 278; // a million an hour
const SECONDS = 8;
const BATCHES = 8;
const BATCH = 250;

const content = {
  email: { subject: 'Order {{ order }}', html: '<p>Hello, order {{ order }} is on its way.</p>' },
  sms: { body: 'Order {{ order }} is on its way.' },
  push: { title: 'On its way', body: 'Order {{ order }}' },
  'in-app': { title: 'On its way', body: 'Order {{ order }}' },
};
const to = {
  email: (n) => ({ email: `bench-${n}@example.com` }),
  sms: () => ({ phone: '+15005550170' }), // accepted, without a receipt: those are not measured here
  push: (n) => ({ deviceToken: `token-bench-${n}` }),
  'in-app': (n) => ({ profile: `bench-${n % 100}` }),
};

/** @param {{ url: string, apiKey: string, appUrl: string, ownerUrl: string, queueUrl?: string }} installation */
export default async function first({ url, apiKey, appUrl, ownerUrl, queueUrl }) {
  const carillon = new Carillon({ apiKey, baseUrl: url });
  const owner = new pg.Client({ connectionString: ownerUrl });
  await owner.connect();
  try {
    await carillon.profiles.bulkUpsert(Array.from({ length: 100 }, (_, n) => ({ externalId: `bench-${n}` })));
    const floor = await bullFloor({ queueUrl, databaseUrl: ownerUrl });
    const rows = await insertFloor(owner);
    console.log(`queues in ${queueUrl ? 'Redis' : 'PostgreSQL'}; ${machine()}; everything on this machine\n`);
    table([
      ['floor', 'per second', 'p50 ms', 'p95 ms', 'p99 ms'],
      ['BullMQ: add in lots of 500, no-op worker', round(floor.jobsPerSecond), ...quantiles(floor.pickUpMs)],
      ['PostgreSQL: log rows by unnest, 500 a commit', round(rows), '', '', ''],
    ]);
    const measured = [
      [
        'channel',
        'sent/s, all at once',
        `accept → hand-off at ${RATE_PER_SECOND}/s: p50 ms`,
        'p95 ms',
        'p99 ms',
        'messages',
      ],
    ];
    for (const channel of Object.keys(to)) {
      await steady(carillon, channel, 1); // warm
      const from = new Date();
      const count = await steady(carillon, channel, SECONDS);
      await untilSent(owner, channel, from, count);
      const latency = await handOffMs(owner, channel, from);
      measured.push([
        channel,
        round(await burst(carillon, owner, channel)),
        ...quantiles(latency),
        String(count),
      ]);
    }
    console.log();
    table(measured);
  } finally {
    await owner.end();
  }
}

/** Single sends at a fixed rate, whatever the answers take. @returns how many were accepted */
async function steady(carillon, channel, seconds) {
  const started = performance.now();
  const answers = [];
  for (let n = 0; n < RATE_PER_SECOND * seconds; n++) {
    const wait = started + (n * 1000) / RATE_PER_SECOND - performance.now();
    if (wait > 1) await new Promise((resolve) => setTimeout(resolve, wait));
    answers.push(
      carillon.messages.send({
        to: to[channel](n),
        channels: [channel],
        content: { [channel]: content[channel] },
        data: { order: String(n) },
      }),
    );
  }
  return (await Promise.all(answers)).length;
}

/** @returns deliveries per second from the first acceptance to the last provider's answer */
async function burst(carillon, owner, channel) {
  const from = new Date();
  const messages = (b) =>
    Array.from({ length: BATCH }, (_, n) => ({
      to: to[channel](b * BATCH + n),
      channels: [channel],
      content: { [channel]: content[channel] },
      data: { order: String(n) },
    }));
  await Promise.all(Array.from({ length: BATCHES }, (_, b) => carillon.messages.sendBatch(messages(b))));
  await untilSent(owner, channel, from, BATCHES * BATCH);
  const { rows } = await owner.query(
    `SELECT extract(epoch FROM max(sent_at) - min(created_at)) AS s FROM deliveries WHERE channel = $1 AND created_at >= $2`,
    [channel, from],
  );
  return (BATCHES * BATCH) / Number(rows[0].s);
}
