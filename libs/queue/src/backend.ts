/**
 * Where the queues live: Redis or Valkey when an address is given, else the PostgreSQL that keeps the ledger.
 * Knows BullMQ's two backends and how many connections each needs; knows nothing of payloads and handlers.
 * Made once per process and handed to `Queues` (sends) and `BullServer` (works).
 */
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { QueueName } from '@carillon/contracts';
import {
  createPostgresBackend,
  createRedisBackend,
  Queue,
  Worker,
  type BackendFactory,
  type IQueueBackend,
  type JobProgress,
  type Processor,
} from 'bullmq';
import { Redis } from 'ioredis';
import pg from 'pg';
import { JobNotices, type Bell } from './job-notices.js';

/** Connections that queries share, besides the one on which the process listens. */
const SHARED_CONNECTIONS = 6;
/** Pause after a failed fetch: a store that refuses (a full Redis) would else be asked thousands of times a second. */
const FETCH_PAUSE_MS = 250;

export interface QueueBackendOptions {
  /** `redis://…` or `rediss://…`; without it the queues live in `databaseUrl`. */
  queueUrl?: string | undefined;
  databaseUrl: string;
  /** The role that connections to PostgreSQL act as. */
  role?: string;
  /** A store that does not answer within this is an error for the caller. Milliseconds. */
  deadlineMs?: number;
}

export interface ConsumerOptions {
  concurrency: number;
  /** Called whenever the store answered a fetch: the sign of life that the watchdog looks at. */
  alive: () => void;
}

/** As much of BullMQ's queue and worker as we use, the same on either store. */
export type JobQueue = Pick<Queue, 'add' | 'getJobCounts' | 'close'> & ReportsErrors;
export type JobWorker = Pick<Worker, 'isRunning' | 'closing' | 'close' | 'waitUntilReady'> &
  ReportsErrors & {
    /** Ends its connections at once, also those that hang or were never made; `close` alone would wait for them. */
    discard(): void;
  };
interface ReportsErrors {
  on(event: 'error', listener: (error: Error) => void): unknown;
}

/** BullMQ's objects for this process. Used inside this library only. */
export interface QueueBackend {
  readonly kind: 'postgres' | 'redis';
  /** Resolves when the store can be asked. @throws soon when it is away */
  reachable(): Promise<void>;
  /** What an operator should change about the store: a sentence each. Nothing is lost by it, but delivery stalls or slows. */
  doubts(): Promise<string[]>;
  /** Used part of what the store may hold, 0 to 1; null where it has no limit. @throws when it is away */
  fullness(): Promise<number | null>;
  producer(queue: QueueName): JobQueue;
  consumer(queue: QueueName, process: Processor, options: ConsumerOptions): JobWorker;
  /** Ends what is shared. The queues and workers made here are closed by who made them, before. */
  close(): Promise<void>;
}

/** Chooses by `queueUrl`. Connects lazily: a store that is away does not stop the start. */
export function queueBackend({
  queueUrl,
  databaseUrl,
  role = 'carillon_app',
  deadlineMs = 10_000,
}: QueueBackendOptions): QueueBackend {
  return queueUrl ? new RedisQueues(queueUrl, deadlineMs) : new PostgresQueues(databaseUrl, role, deadlineMs);
}

const producerOptions = {
  defaultJobOptions: {
    // Retries live in rows: a job is a hint that something is due.
    attempts: 1,
    removeOnComplete: true,
    // Only parked jobs fail; they are kept for a person to look at.
    removeOnFail: { count: 1_000, age: 7 * 86_400 },
  },
  streams: { events: { maxLen: 100 } },
};

const consumerOptions = {
  // A killed worker's job comes back within 12 s instead of BullMQ's 61 s: its lock ends, one look marks it, the next takes it
  // back. Its own next life may be the first to look. The lock is never the guard: rows are fenced.
  lockDuration: 8_000,
  stalledInterval: 2_000,
  // Poison is counted in rows, where one bad delivery can be set aside without its neighbours.
  maxStalledCount: 1_000_000,
  drainDelay: 5,
  runRetryDelay: 1_000,
};

function consume<B extends IQueueBackend, C>(
  queue: QueueName,
  process: Processor,
  connection: C,
  factory: BackendFactory<B, C>,
  { concurrency, alive }: ConsumerOptions,
  prepare: (backend: B) => void = () => {},
): Worker<unknown, unknown, string, B, JobProgress, C> {
  const watched: BackendFactory<B, C> = (...args) => {
    const backend = factory(...args);
    prepare(backend);
    const fetch = backend.moveToActive.bind(backend);
    backend.moveToActive = async (...job) => {
      try {
        const answer = await fetch(...job);
        alive();
        return answer;
      } catch (error) {
        await sleep(FETCH_PAUSE_MS, undefined, { ref: false });
        throw error;
      }
    };
    return backend;
  };
  return new Worker(queue, process, { ...consumerOptions, concurrency, connection }, watched);
}

/** A worker that waits by a bell needs no connection to listen on, and no question before each wait whether a job came meanwhile. */
function waitBy(bell: Bell, backend: IQueueBackend): void {
  const fetch = backend.moveToActive.bind(backend);
  backend.moveToActive = (...job) => {
    bell.silence();
    return fetch(...job);
  };
  const complete = backend.moveToCompleted.bind(backend);
  backend.moveToCompleted = (job, value, remove, token, fetchNext) => {
    if (fetchNext) bell.silence();
    return complete(job, value, remove, token, fetchNext);
  };
  backend.waitForJob = async (seconds) =>
    (await bell.wait(seconds)) ? { member: bell.queue, score: 0 } : null;
  backend.disconnectBlocking = () => Promise.resolve(bell.mute());
  backend.reconnectBlocking = () => Promise.resolve(bell.mute(false));
  // Names the connection it would listen on.
  backend.setName = () => Promise.resolve();
}

/** Its jobs' locks are renewed no longer, so that another process may take them. */
function abandon<B extends IQueueBackend, C>(
  worker: Worker<unknown, unknown, string, B, JobProgress, C>,
  disconnect: () => void,
): void {
  // Not public, and the only way: `close` waits for the handlers before it stops these two.
  void worker['lockManager'].close();
  worker['stalledCheckStopper']?.();
  disconnect();
}

/** All queues of the process on one pool, one connection of which hears for all workers that jobs came. */
class PostgresQueues implements QueueBackend {
  readonly kind = 'postgres';
  private readonly pool: pg.Pool;
  private readonly notices: JobNotices;

  constructor(databaseUrl: string, role: string, deadlineMs: number) {
    const url = new URL(databaseUrl);
    const given = url.searchParams.get('options');
    url.searchParams.delete('options');
    this.pool = new pg.Pool({
      connectionString: url.href,
      // BullMQ applies its schema option to pools of its own making only. A job lost in a crash is offered again by the
      // clock, so nobody waits for a disk here; what must not be lost is written through other connections.
      options: [given, `-c role=${role}`, '-c search_path=bullmq,public', '-c synchronous_commit=off']
        .filter(Boolean)
        .join(' '),
      application_name: 'carillon queues',
      max: SHARED_CONNECTIONS + 1,
      keepAlive: true,
      connectionTimeoutMillis: deadlineMs,
      query_timeout: deadlineMs,
    });
    this.pool.setMaxListeners(0);
    // BullMQ uses some clients without listening for their errors, and one that dies then would end the process.
    // Whoever uses a dead client is told by his query.
    this.pool.on('connect', (client) => client.on('error', () => {}));
    this.notices = new JobNotices(this.pool);
  }

  /** A pool connects when it is asked, and fails at once when nobody answers. */
  reachable(): Promise<void> {
    return Promise.resolve();
  }

  /** Its tables are as durable as the ledger's; what its own connections relax is said where they are made. */
  doubts(): Promise<string[]> {
    return Promise.resolve([]);
  }

  fullness(): Promise<null> {
    return Promise.resolve(null);
  }

  producer(queue: QueueName): JobQueue {
    return new Queue(queue, { ...producerOptions, connection: this.pool }, createPostgresBackend);
  }

  consumer(queue: QueueName, process: Processor, options: ConsumerOptions): JobWorker {
    const bell = this.notices.bell(queue);
    const worker = consume(queue, process, this.pool, createPostgresBackend, options, (backend) =>
      waitBy(bell, backend),
    );
    worker.once('closed', () => bell.end());
    const disconnect = () => {
      bell.end();
      void worker.disconnect();
    };
    return Object.assign(worker, { discard: () => abandon(worker, disconnect) });
  }

  close(): Promise<void> {
    this.notices.end();
    return this.pool.end();
  }
}

class RedisQueues implements QueueBackend {
  readonly kind = 'redis';
  private readonly producers: Redis;

  constructor(
    private readonly url: string,
    private readonly deadlineMs: number,
  ) {
    this.producers = new Redis(url, {
      maxRetriesPerRequest: 1,
      commandTimeout: deadlineMs,
      connectTimeout: deadlineMs,
      connectionName: 'carillon queues',
    });
    this.producers.on('error', () => {}); // Told to whoever sends, by `reachable`.
  }

  /** BullMQ would wait for a connection without end; what could not be offered lies in rows, so give up soon. */
  async reachable(): Promise<void> {
    if (this.producers.status === 'ready') return;
    const waiting = AbortSignal.timeout(Math.min(this.deadlineMs, 1_000));
    await once(this.producers, 'ready', { signal: waiting }).catch((error: unknown) => {
      throw new Error(`no connection to the queues' Redis (${this.producers.status})`, { cause: error });
    });
  }

  async doubts(): Promise<string[]> {
    await this.reachable();
    const doubts: string[] = [];
    // Hosted stores may refuse CONFIG; INFO tells what matters as well, in other words.
    const [memory, persistence] = await Promise.all([this.info('memory'), this.info('persistence')]);
    const policy = memory.get('maxmemory_policy') ?? 'noeviction';
    if (policy !== 'noeviction')
      doubts.push(
        `the queues' Redis throws jobs away when it is full (maxmemory-policy ${policy}): set it to noeviction`,
      );
    const snapshots = await this.producers.config('GET', 'save').then(
      (answer) => (answer as string[])[1] !== '',
      () => true,
    );
    if (persistence.get('aof_enabled') === '0' && !snapshots)
      doubts.push(
        "the queues' Redis keeps nothing over a restart (no append-only file, no snapshots): set appendonly yes, or expect up to half a minute until the rows are offered again",
      );
    return doubts;
  }

  async fullness(): Promise<number | null> {
    await this.reachable();
    const memory = await this.info('memory');
    const most = Number(memory.get('maxmemory') ?? 0);
    return most > 0 ? Number(memory.get('used_memory') ?? 0) / most : null;
  }

  private async info(section: string): Promise<Map<string, string>> {
    const text = await this.producers.info(section);
    return new Map(
      text.split('\r\n').flatMap((line) => {
        const at = line.indexOf(':');
        return at < 0 ? [] : [[line.slice(0, at), line.slice(at + 1)] as const];
      }),
    );
  }

  producer(queue: QueueName): JobQueue {
    return new Queue(queue, { ...producerOptions, connection: this.producers }, createRedisBackend);
  }

  /** Two connections per worker, so that replacing a worker also replaces a connection that hangs. */
  consumer(queue: QueueName, process: Processor, options: ConsumerOptions): JobWorker {
    const client = new Redis(this.url, { maxRetriesPerRequest: null, connectTimeout: this.deadlineMs });
    const clients = [client];
    const duplicate = client.duplicate.bind(client);
    client.duplicate = (...args) => {
      const copy = duplicate(...args);
      clients.push(copy);
      return copy;
    };
    const worker = consume(queue, process, client, createRedisBackend, options);
    const disconnect = () => clients.forEach((one) => one.disconnect());
    worker.once('closed', disconnect);
    return Object.assign(worker, { discard: () => abandon(worker, disconnect) });
  }

  close(): Promise<void> {
    this.producers.disconnect();
    return Promise.resolve();
  }
}
