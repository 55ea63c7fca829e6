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

const CLIENTS = 8;
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
      ['the same with the message and the first line of each', round(await messagesFloor(owner))],
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
      await load.ask({ prepare: true, batches: BATCHES, channel: 'sms', later });
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

/** What a message of a batch leaves in three tables with their indexes, 500 a commit. @returns messages per second on one connection */
async function messagesFloor(owner) {
  const tables = ['messages', 'deliveries', 'delivery_events'];
  for (const table of tables) await owner.query(`CREATE TABLE bench_${table} (LIKE ${table} INCLUDING ALL)`);
  const insert = `WITH m AS (
      INSERT INTO bench_messages (day, id, workspace_id, class, lane, source, content, data, delivery_ids, send_at)
      SELECT current_date, u.id, $3, 'transactional', 'transactional', 'api', $4, '{"order":"1"}', ARRAY[u.delivery], now() FROM unnest($1::uuid[], $2::uuid[]) AS u(id, delivery)),
    d AS (
      INSERT INTO bench_deliveries (day, id, workspace_id, message_id, channel, class, lane, source, address, status, due_at)
      SELECT current_date, u.delivery, $3, u.id, 'sms', 'transactional', 'transactional', 'api', '+15005550170', 'scheduled', now() FROM unnest($1::uuid[], $2::uuid[]) AS u(id, delivery))
    INSERT INTO bench_delivery_events (day, delivery_id, workspace_id, type) SELECT current_date, id, $3, 'accepted' FROM unnest($2::uuid[]) AS u(id)`;
  const { newId } = await import('../../libs/database/dist/index.js');
  const ids = () => Array.from({ length: 500 }, () => newId());
  const content = JSON.stringify({ sms: { body: 'Order {{ order }} is on its way.' } });
  const workspace = newId();
  const started = performance.now();
  for (let i = 0; i < 30; i++) await owner.query(insert, [ids(), ids(), workspace, content]);
  const seconds = (performance.now() - started) / 1000;
  for (const table of tables) await owner.query(`DROP TABLE bench_${table}`);
  return (30 * 500) / seconds;
}
