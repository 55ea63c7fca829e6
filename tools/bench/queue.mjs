/** `npm run bench -- queue [count]`: the run of `bulk` with the queues in PostgreSQL and in Redis (needs redis-server), in turns. */
import { spawn } from 'node:child_process';
import { machine, median, round, sleep, table } from './harness.mjs';
import { head, measured, withPeople } from './parts/campaign.mjs';
import { freePort } from '../data-folder.mjs';

export const alone = true;
const TURNS = 3;

export default async function queue({ more: [count = '50000'] }) {
  // Both are there in turns, whatever QUEUE_URL says.
  delete process.env.QUEUE_URL;
  const port = await freePort();
  const redis = spawn(
    'redis-server',
    ['--port', String(port), '--save', '', '--appendonly', 'no', '--maxmemory-policy', 'noeviction'],
    { stdio: 'ignore' },
  );
  const rows = [head];
  const rates = { PostgreSQL: [], Redis: [] };
  try {
    await sleep(500);
    await withPeople(async (people) => {
      for (let turn = 1; turn <= TURNS; turn++)
        for (const [name, url] of [['PostgreSQL'], ['Redis', `redis://127.0.0.1:${port}`]]) {
          const { row, perSecond } = await measured(people, `${name}, ${turn}`, Number(count), {
            queueUrl: url,
          });
          rates[name].push(perSecond);
          rows.push(row);
        }
    });
  } finally {
    redis.kill();
  }
  console.log(`${machine()}\n`);
  table(rows);
  const [postgres, inRedis] = [median(rates.PostgreSQL), median(rates.Redis)];
  console.log(
    `\nmedians: PostgreSQL ${round(postgres)}/s, Redis ${round(inRedis)}/s, ratio ${(postgres / inRedis).toFixed(2)}`,
  );
}
