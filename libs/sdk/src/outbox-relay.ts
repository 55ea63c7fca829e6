/**
 * `@carillon/sdk/outbox`: hands over what was committed to the outbox. Runs beside the caller's database, in any of its
 * processes; several may run. A row is claimed under a lease, sent with its idempotency key, then deleted: a relay that
 * dies in between costs a repeat, which the key makes harmless. Imports nothing of the client, which is a bundle of its
 * own: errors are known by what they carry.
 */
import type { BatchResult } from '@carillon/contracts';
import { outbox, type Outbox, type OutboxTransaction } from './outbox.js';

export { outbox, type Outbox, type OutboxTransaction };

/** The table, for your migrations. Safe to run again. */
export const outboxSchema = `CREATE TABLE IF NOT EXISTS carillon_outbox (
  id uuid PRIMARY KEY,
  idempotency_key text NOT NULL,
  message jsonb NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  -- The next hand-over, or the end of a relay's lease. Null: refused, see problem.
  due_at timestamptz DEFAULT now(),
  problem jsonb
);
CREATE INDEX IF NOT EXISTS carillon_outbox_due ON carillon_outbox (due_at) WHERE due_at IS NOT NULL;
`;

/** Whatever runs a statement and gives its rows: a `pg` Pool or Client, or a Prisma client. */
export type OutboxDatabase =
  | { query(text: string, values: unknown[]): Promise<{ rows: unknown[] }> }
  | { $queryRawUnsafe(text: string, ...values: unknown[]): PromiseLike<unknown> };

/** Why a message was refused, as the API said it. */
export interface OutboxProblem {
  code: string;
  detail: string;
  errors?: { pointer: string; code: string; message: string }[];
}
export interface RefusedMessage {
  id: string;
  idempotencyKey: string;
  createdAt: Date;
  problem: OutboxProblem;
}
export interface OutboxStatus {
  waiting: number;
  /** Seconds that the oldest of them has waited; 0 when there is none. */
  oldestSeconds: number;
  /** The newest 100. */
  refused: RefusedMessage[];
}

export interface OutboxRelayOptions {
  /** The client; its key needs the scope messages:write. */
  carillon: {
    messages: {
      sendBatch(
        messages: never[],
        options?: { maxRetries?: number; timeoutMs?: number },
      ): Promise<BatchResult>;
    };
  };
  database: OutboxDatabase;
  /** Messages of one request, at most 500. */
  batchSize?: number;
  /** Milliseconds between looks at an empty outbox, at most 500. Default 250. */
  pollMs?: number;
  /** Told of each refused message. It stays in the outbox with its problem. */
  onRefused?: (message: Omit<RefusedMessage, 'createdAt'>) => void;
  /** Told when the API or the database cannot be reached, and how long the relay pauses. */
  onTrouble?: (error: unknown, pauseMs: number) => void;
}

/** Longer than a request may take. */
const LEASE_SECONDS = 60;
const REQUEST_MS = 30_000;
const LONGEST_PAUSE_MS = 30_000;
/** For a message that the API could not take just now. */
const LATER_SECONDS = 5;
const PASSING = ['idempotency_in_flight', 'rate_limited', 'unavailable', 'internal'];

interface Row {
  id: string;
  idempotency_key: string;
  message: Record<string, unknown>;
}

export class OutboxRelay {
  readonly #options: OutboxRelayOptions;
  #running: Promise<void> | undefined;
  #stopped = false;
  #wake: () => void = () => undefined;

  constructor(options: OutboxRelayOptions) {
    this.#options = options;
  }

  /** Begins to hand over. @returns itself */
  start(): this {
    this.#stopped = false;
    this.#running ??= this.#run().finally(() => (this.#running = undefined));
    return this;
  }

  /** Finishes the batch at hand, then rests. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#wake();
    await this.#running;
  }

  /** Hands over one batch of what is due. @returns how many left the outbox or were refused */
  async handOver(): Promise<number> {
    const limit = Math.min(500, this.#options.batchSize ?? 500);
    const rows = await all<Row>(
      this.#options.database,
      `WITH due AS MATERIALIZED (
         SELECT id FROM carillon_outbox WHERE due_at <= now() ORDER BY due_at, id LIMIT $1::int FOR UPDATE SKIP LOCKED)
       UPDATE carillon_outbox o SET due_at = now() + make_interval(secs => $2::float8) FROM due WHERE o.id = due.id
       RETURNING o.id::text AS id, o.idempotency_key, o.message`,
      [limit, LEASE_SECONDS],
    );
    rows.sort((a, b) => (a.id < b.id ? -1 : 1));
    return rows.length === 0 ? 0 : this.#send(rows);
  }

  async #send(rows: Row[]): Promise<number> {
    let answer: BatchResult;
    try {
      const messages = rows.map((row) => ({ ...row.message, idempotencyKey: row.idempotency_key }));
      answer = await this.#options.carillon.messages.sendBatch(messages as never[], {
        maxRetries: 0,
        timeoutMs: REQUEST_MS,
      });
    } catch (error) {
      if (carries(error, 'status') && error.status === 413) return this.#sendLess(rows, error);
      await this.#again(rows, 0);
      throw error;
    }
    const told = new Map(answer.results.map((result) => [result.index, result]));
    const gone: Row[] = [];
    const later: Row[] = [];
    let refused = 0;
    for (const [index, row] of rows.entries()) {
      const result = told.get(index);
      if (result?.ok) gone.push(row);
      else if (!result || PASSING.includes(result.code)) later.push(row);
      else {
        await this.#refuse(row, { code: result.code, detail: result.detail, errors: result.errors });
        refused += 1;
      }
    }
    if (gone.length > 0)
      await all(this.#options.database, 'DELETE FROM carillon_outbox WHERE id = ANY($1::uuid[])', [
        gone.map((row) => row.id),
      ]);
    if (later.length > 0) await this.#again(later, LATER_SECONDS);
    return gone.length + refused;
  }

  /** Together too large for one request: in halves, until one is too large by itself. */
  async #sendLess(rows: Row[], error: unknown): Promise<number> {
    const [first] = rows;
    if (rows.length === 1 && first) {
      const detail = carries(error, 'detail') ? String(error.detail) : 'It is too large for one request.';
      await this.#refuse(first, { code: 'body_too_large', detail });
      return 1;
    }
    const half = Math.ceil(rows.length / 2);
    return (await this.#send(rows.slice(0, half))) + (await this.#send(rows.slice(half)));
  }

  async #refuse(row: Row, problem: OutboxProblem): Promise<void> {
    await all(
      this.#options.database,
      'UPDATE carillon_outbox SET due_at = NULL, problem = $2::text::jsonb WHERE id = $1::uuid',
      [row.id, JSON.stringify(problem)],
    );
    this.#options.onRefused?.({ id: row.id, idempotencyKey: row.idempotency_key, problem });
  }

  async #again(rows: Row[], seconds: number): Promise<void> {
    await all(
      this.#options.database,
      'UPDATE carillon_outbox SET due_at = now() + make_interval(secs => $2::float8) WHERE id = ANY($1::uuid[]) AND due_at IS NOT NULL',
      [rows.map((row) => row.id), seconds],
    );
  }

  async #run(): Promise<void> {
    const pollMs = Math.min(500, this.#options.pollMs ?? 250);
    for (let failures = 0; !this.#stopped;) {
      try {
        const handed = await this.handOver();
        failures = 0;
        if (handed === 0) await this.#rest(pollMs);
      } catch (error) {
        const asked = carries(error, 'retryAfterMs') ? Number(error.retryAfterMs) || 0 : 0;
        const pauseMs = Math.max(asked, Math.min(LONGEST_PAUSE_MS, 500 * 2 ** Math.min(failures, 10)));
        failures += 1;
        this.#options.onTrouble?.(error, pauseMs);
        await this.#rest(pauseMs);
      }
    }
  }

  #rest(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
      if (this.#stopped) this.#wake();
    });
  }
}

/** What waits, and what was refused and why. */
export async function outboxStatus(database: OutboxDatabase): Promise<OutboxStatus> {
  const [row] = await all<{ waiting: number; oldest: number }>(
    database,
    `SELECT count(*)::int AS waiting, coalesce(extract(epoch FROM now() - min(created_at)), 0)::float8 AS oldest FROM carillon_outbox WHERE due_at IS NOT NULL`,
    [],
  );
  const refused = await all<RefusedMessage>(
    database,
    `SELECT id::text AS id, idempotency_key AS "idempotencyKey", created_at AS "createdAt", problem FROM carillon_outbox
      WHERE due_at IS NULL ORDER BY created_at DESC LIMIT 100`,
    [],
  );
  return { waiting: row?.waiting ?? 0, oldestSeconds: Math.round(row?.oldest ?? 0), refused };
}

/** Lets refused messages go again, once their cause is mended. @returns how many */
export async function retryRefused(database: OutboxDatabase): Promise<number> {
  const rows = await all(
    database,
    'UPDATE carillon_outbox SET due_at = now(), problem = NULL WHERE due_at IS NULL RETURNING id::text AS id',
    [],
  );
  return rows.length;
}

async function all<R>(database: OutboxDatabase, text: string, values: unknown[]): Promise<R[]> {
  if ('$queryRawUnsafe' in database) return (await database.$queryRawUnsafe(text, ...values)) as R[];
  return (await database.query(text, values)).rows as R[];
}

const carries = <K extends string>(value: unknown, key: K): value is Record<K, unknown> =>
  typeof value === 'object' && value !== null && key in value;
