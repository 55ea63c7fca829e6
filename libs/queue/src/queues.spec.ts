import { freshDatabase, type FreshDatabase } from '@carillon/testing';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { queueBackend, type QueueBackend } from './backend.js';
import { describeQueues } from './queues.suite.js';

describeQueues('PostgreSQL', async () => {
  const database = await freshDatabase();
  const owner = new pg.Client({ connectionString: database.ownerUrl });
  await owner.connect();
  return {
    options: { databaseUrl: database.appUrl },
    port: Number(new URL(database.appUrl).port),
    through: (port) => {
      const url = new URL(database.appUrl);
      url.port = String(port);
      return { databaseUrl: url.href };
    },
    cutConnections: async () => {
      await owner.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()`);
    },
    stop: async () => {
      await owner.end();
      await database.drop();
    },
  };
});

describe('a process whose queues are in PostgreSQL', () => {
  let database: FreshDatabase;
  let owner: pg.Client;
  let backend: QueueBackend;
  const closing: (() => Promise<void>)[] = [];

  beforeAll(async () => {
    database = await freshDatabase();
    owner = new pg.Client({ connectionString: database.ownerUrl });
    await owner.connect();
    backend = queueBackend({ databaseUrl: database.appUrl });
  });
  afterAll(async () => {
    await Promise.all(closing.map((close) => close()));
    await backend.close();
    await owner.end();
    await database.drop();
  });

  it('hears on one connection of jobs for all its workers, and of each: none waits for the next look', async () => {
    const [first, second] = ['deliver-sms-transactional', 'deliver-email-transactional'] as const;
    const producers = { [first]: backend.producer(first), [second]: backend.producer(second) };
    const turns = 300;
    let handled = 0;
    // Each job is sent when the one before is worked, also while its worker is asking for more: a worker that missed a notice would
    // look again five seconds later, and these turns would take half an hour.
    await new Promise<void>((resolve, reject) => {
      const pass = async (): Promise<void> => {
        const turn = ++handled;
        if (turn >= turns) return resolve();
        const next = turn % 3 === 0 ? first : second;
        const send = () =>
          producers[next]
            .add(next, {}, { jobId: `turn-${turn}` })
            .then(undefined, reject) as Promise<unknown>;
        if (turn % 2) await send();
        else setImmediate(() => void send());
      };
      for (const queue of [first, second]) {
        const worker = backend.consumer(queue, pass, { concurrency: 4, alive: () => {} });
        worker.on('error', reject);
        closing.unshift(() => worker.close());
        closing.push(() => producers[queue].close());
      }
      void producers[first].add(first, {}, { jobId: 'turn-0' });
    });
    const { rows } = await owner.query<{ listeners: string }>(
      `SELECT count(*) AS listeners FROM pg_stat_activity WHERE datname = current_database() AND query ~ '^LISTEN'`,
    );
    expect(rows).toEqual([{ listeners: '1' }]);
  }, 60_000);

  it('writes no events, which nobody reads', async () => {
    const { rows } = await owner.query<{ events: string }>('SELECT count(*) AS events FROM bullmq.event');
    expect(rows).toEqual([{ events: '0' }]);
  });
});
