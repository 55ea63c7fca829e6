/**
 * `npm run bench -- batch`: messages a second through POST /v1/messages/batch with 500 in each, every one durable before
 * the answer. Once with messages that wait for a later time (accepting alone), once with messages that leave at once
 * through the same process.
 */
import pg from 'pg';
import {
  costCells,
  costHead,
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

const CLIENTS = 4;
const BATCHES = 60;

export default async function batch({ url, apiKey, ownerUrl, pids, setting }) {
  const owner = new pg.Client({ connectionString: ownerUrl });
  await owner.connect();
  const sink = await startPart('sink');
  const load = await startPart('load', { url, apiKey });
  try {
    console.log(`${setting}; ${machine()}; generator, sink and database on the same machine\n`);
    await pointAccount(owner, 'sms', sink.ready.url);
    table([
      ['Floor', 'rows/s'],
      ['PostgreSQL: log rows by unnest, 500 a commit', round(await insertFloor(owner))],
    ]);
    const watched = { owner, processes: { ...pids, generator: load.pid } };
    const rows = [
      [`${CLIENTS} callers, batches of 500`, 'accepted/s', 'answer p50 ms', 'p95', 'p99', ...costHead],
    ];
    for (const [label, later] of [
      ['to be sent later: accepting alone', true],
      ['sent at once by the same process', false],
    ]) {
      await load.ask({ clients: CLIENTS, batches: 12, channel: 'sms', later });
      const { rows: times } = await owner.query('SELECT now() AS now');
      let answer;
      const cost = await measure(watched, async () => {
        answer = await load.ask({ clients: CLIENTS, batches: BATCHES, channel: 'sms', later });
        if (answer.refused > 0) throw new Error(`${answer.refused} refused: ${answer.firstRefusal}`);
        return answer.accepted;
      });
      if (!later) await untilSent(owner, 'sms', times[0].now, answer.accepted);
      rows.push([label, round(cost.perSecond), ...quantiles(answer.latencyMs), ...costCells(cost)]);
    }
    console.log();
    table(rows);
  } finally {
    await load.stop();
    await sink.stop();
    await owner.end();
  }
}
