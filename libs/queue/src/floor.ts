/**
 * The floor that benchmarks stand on: what BullMQ itself does here, without anything of ours. Not used by services.
 */
import { createPostgresBackend, createRedisBackend, Queue, Worker, type Processor } from 'bullmq';
import { Redis } from 'ioredis';
import { randomUUID } from 'node:crypto';
import pg from 'pg';

export interface QueueFloor {
  /** Jobs added in lots of 500 while one worker with a no-op handler works them. */
  jobsPerSecond: number;
  /** From `add` of a single job to the start of its handler, at rest. Milliseconds, sorted. */
  pickUpMs: number[];
}
const LOT = 500;
const SINGLES = 50;

/** @param store either an address of Redis or one of PostgreSQL that has BullMQ's schema */
export async function queueFloor(
  store: { queueUrl?: string | undefined; databaseUrl: string },
  jobs = 5000,
): Promise<QueueFloor> {
  const name = `floor-${randomUUID()}`;
  let seen = (): void => undefined;
  const handler: Processor = async () => seen();
  const { queue, worker, close } = store.queueUrl
    ? onRedis(name, store.queueUrl, handler)
    : onPostgres(name, store.databaseUrl, handler);
  try {
    await worker.waitUntilReady();
    const pickUpMs: number[] = [];
    for (let i = 0; i < SINGLES; i++) {
      const started = new Promise<void>((resolve) => (seen = resolve));
      const from = performance.now();
      await queue.add(
        'floor',
        { deliveryIds: [randomUUID()] },
        { jobId: randomUUID(), removeOnComplete: true },
      );
      await started;
      pickUpMs.push(performance.now() - from);
    }
    let left = jobs;
    const done = new Promise<void>((resolve) => (seen = () => void (--left === 0 && resolve())));
    const from = performance.now();
    for (let added = 0; added < jobs; added += LOT)
      await queue.addBulk(
        Array.from({ length: Math.min(LOT, jobs - added) }, () => ({
          name: 'floor',
          data: { deliveryIds: [randomUUID()] },
          opts: { jobId: randomUUID(), removeOnComplete: true },
        })),
      );
    await done;
    return {
      jobsPerSecond: jobs / ((performance.now() - from) / 1000),
      pickUpMs: pickUpMs.sort((a, b) => a - b),
    };
  } finally {
    await worker.close();
    await queue.close();
    await close();
  }
}

function onPostgres(name: string, databaseUrl: string, handler: Processor) {
  const pool = new pg.Pool({
    connectionString: databaseUrl,
    options: '-c search_path=bullmq,public',
    max: 8,
  });
  return {
    queue: new Queue(name, { connection: pool }, createPostgresBackend),
    worker: new Worker(name, handler, { connection: pool, concurrency: 50 }, createPostgresBackend),
    close: () => pool.end(),
  };
}
function onRedis(name: string, url: string, handler: Processor) {
  const connection = new Redis(url, { maxRetriesPerRequest: null });
  return {
    queue: new Queue(name, { connection }, createRedisBackend),
    worker: new Worker(name, handler, { connection, concurrency: 50 }, createRedisBackend),
    close: async () => connection.disconnect(),
  };
}
