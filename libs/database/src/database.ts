/**
 * The door to PostgreSQL. One pool per process; every call is one transaction that names its workspace, so that
 * row-level security stands behind the `workspace_id = …` of each query. Hot paths use `Sql` with fixed text and
 * arrays; admin reads and simple writes may use Prisma. Not an ORM layer: services write their own SQL.
 */
import pg from 'pg';
import type { Prisma, PrismaClient } from './generated/client.js';
import { roundTrip, type Statement } from './round-trip.js';

/** bigint columns fit a JS number here (counts, sequences below 2^53). */
const types: pg.CustomTypesConfig = {
  getTypeParser: ((oid: number, format?: 'text' | 'binary') =>
    oid === pg.types.builtins.INT8
      ? (text: string) => Number(text)
      : pg.types.getTypeParser(oid, format)) as pg.CustomTypesConfig['getTypeParser'],
};

/** The statements of a transaction. Those that are asked in one breath (`Promise.all`) share a trip to the database. */
export interface Sql {
  /** Runs one statement. Values go in as parameters only. */
  query<Row extends object = Record<string, unknown>>(
    text: string,
    params?: readonly unknown[],
  ): Promise<Row[]>;
  /** The same, for statements whose row count matters. */
  execute(text: string, params?: readonly unknown[]): Promise<number>;
  /** The last breath of the transaction: its COMMIT travels along, and nothing can be asked after it. */
  readonly last: Sql;
}
/** A statement that PostgreSQL keeps, see `readPrepared`. */
export interface Prepared {
  /** Unlike any other of the process. */
  name: string;
  text: string;
}
export type PrismaTx = Prisma.TransactionClient;

/** Over all workspaces: for the machinery only. */
const EVERY_WORKSPACE = '*';

export interface DatabaseOptions {
  url: string;
  /** Connections of this process. */
  max?: number;
  /** Shown in pg_stat_activity. */
  name?: string;
}

export class Database {
  readonly pool: pg.Pool;
  private prismaClient: Promise<PrismaClient> | undefined;

  constructor(options: DatabaseOptions) {
    this.pool = new pg.Pool({
      connectionString: options.url,
      max: options.max ?? 12,
      types,
      keepAlive: true,
      connectionTimeoutMillis: 10_000,
      application_name: options.name ?? 'carillon',
      // The role owns nothing and cannot bypass row-level security, whoever the connection logs in as.
      // A generic plan made on a partition's first day is wrong on its second: plan each time.
      options:
        '-c role=carillon_app -c plan_cache_mode=force_custom_plan -c statement_timeout=60s -c idle_in_transaction_session_timeout=60s',
    });
    // A connection that breaks while idle is replaced by the pool; without a listener it would end the process.
    this.pool.on('error', () => undefined);
  }

  /** One transaction inside a workspace. Rolls back when `work` throws. */
  inWorkspace<T>(workspaceId: string, work: (sql: Sql) => Promise<T>): Promise<T> {
    return this.transaction(workspaceId, work);
  }

  /** One transaction over all workspaces: claims, clock, sign-in look-ups. Never for a caller's request. */
  acrossWorkspaces<T>(work: (sql: Sql) => Promise<T>): Promise<T> {
    return this.transaction(EVERY_WORKSPACE, work);
  }

  /**
   * Reads inside a workspace, without a transaction to begin or to end: each breath sees the latest that is committed.
   * For facts that are read again, under the fence, before anything is done.
   */
  async reading<T>(workspaceId: string, work: (sql: Sql) => Promise<T>): Promise<T> {
    const scope = scopeOf(workspaceId, READ_ONLY);
    return work(
      breaths(async (statements) => {
        const results = await this.onClient((trip) => trip([scope, ...statements]));
        return results.slice(1);
      }),
    );
  }

  /**
   * One statement that reads, planned once per connection: planning takes ten times as long as running it where a statement
   * touches many small tables. Not for partitioned ones, whose plan depends on the day that is asked for.
   */
  async readPrepared<Row extends object>(
    workspaceId: string,
    statement: Prepared,
    params: readonly unknown[],
  ): Promise<Row[]> {
    const scope = scopeOf(workspaceId, READ_ONLY + PLANNED_ONCE);
    const results = await this.onClient((trip) => trip([scope, { ...statement, params }]));
    return (results[1]?.rows ?? []) as Row[];
  }

  /** One Prisma transaction inside a workspace. */
  async prismaIn<T>(workspaceId: string, work: (tx: PrismaTx) => Promise<T>): Promise<T> {
    this.prismaClient ??= prismaOn(this.pool);
    return (await this.prismaClient).$transaction(async (tx) => {
      await tx.$executeRaw`SELECT set_config('app.workspace', ${workspaceId}, true)`;
      return work(tx);
    });
  }

  async close(): Promise<void> {
    await (await this.prismaClient)?.$disconnect();
    if (!this.pool.ended) await this.pool.end();
  }

  private async transaction<T>(workspace: string, work: (sql: Sql) => Promise<T>): Promise<T> {
    const scope = scopeOf(workspace);
    return this.onClient(async (trip, discard) => {
      const tx: { state: 'new' | 'open' | 'over' } = { state: 'new' };
      const send = async (statements: readonly Statement[], last: boolean): Promise<pg.Result[]> => {
        if (tx.state === 'over') throw new Error('this transaction has had its last statement');
        // A transaction of one trip needs neither BEGIN nor COMMIT.
        const before = tx.state === 'open' ? [] : last ? [scope] : [BEGIN, scope];
        const after = tx.state === 'open' && last ? [COMMIT] : [];
        if (!last) tx.state = 'open';
        const results = await trip([...before, ...statements, ...after]);
        if (last) tx.state = 'over';
        return results.slice(before.length, before.length + statements.length);
      };
      try {
        const result = await work(
          breaths(
            (statements) => send(statements, false),
            (statements) => send(statements, true),
          ),
        );
        if (tx.state !== 'open') return result;
        const [committed] = await trip([COMMIT]);
        // PostgreSQL ends a transaction in which a statement has failed, and calls that a success.
        if (committed?.command !== 'COMMIT') throw new Error('a statement of this transaction has failed');
        return result;
      } catch (error) {
        if (tx.state === 'open') await trip([ROLLBACK]).catch(discard);
        throw error;
      }
    });
  }

  private async onClient<T>(work: (trip: Send, discard: (why: Error) => void) => Promise<T>): Promise<T> {
    const client = await this.pool.connect();
    let broken: Error | undefined;
    // While checked out, a lost connection is reported here as well as by the query it breaks.
    const onError = (error: Error) => void (broken = error);
    client.on('error', onError);
    try {
      return await work((statements) => roundTrip(client, statements, types), onError);
    } finally {
      client.off('error', onError);
      client.release(broken);
    }
  }
}

const BEGIN: Statement = { text: 'BEGIN' };
const COMMIT: Statement = { text: 'COMMIT' };
const ROLLBACK: Statement = { text: 'ROLLBACK' };
const READ_ONLY = `, set_config('transaction_read_only', 'on', true)`;
const PLANNED_ONCE = `, set_config('plan_cache_mode', 'force_generic_plan', true)`;

/** Names the workspace to row-level security, until the transaction ends. */
function scopeOf(workspace: string, more = ''): Statement {
  if (workspace !== EVERY_WORKSPACE && !/^[0-9a-f-]{36}$/i.test(workspace))
    throw new TypeError('not a workspace id');
  return { text: `SELECT set_config('app.workspace', $1, true)${more}`, params: [workspace] };
}

/** Loaded by who uses it: it takes as long as all the rest of this library's packages, and hot paths do without. */
async function prismaOn(pool: pg.Pool): Promise<PrismaClient> {
  const [{ PrismaClient }, { PrismaPg }] = await Promise.all([
    import('./generated/client.js'),
    import('@prisma/adapter-pg'),
  ]);
  return new PrismaClient({ adapter: new PrismaPg(pool) });
}

type Send = (statements: readonly Statement[]) => Promise<pg.Result[]>;

/** Gathers what is asked in one breath: until whoever asks waits for an answer. */
function breaths(send: Send, sendLast: Send = send): Sql {
  const on = (send: Send, last: () => Sql): Sql => {
    let breath: Statement[] = [];
    let answers: Promise<pg.Result[]> | undefined;
    const ask = async (text: string, params: readonly unknown[] = []): Promise<pg.Result> => {
      const place = breath.push({ text, params }) - 1;
      answers ??= Promise.resolve().then(() => {
        const statements = breath;
        breath = [];
        answers = undefined;
        return send(statements);
      });
      return (await answers)[place]!;
    };
    return {
      query: async <Row extends object>(text: string, params?: readonly unknown[]) =>
        (await ask(text, params)).rows as Row[],
      execute: async (text, params) => (await ask(text, params)).rowCount ?? 0,
      get last() {
        return last();
      },
    };
  };
  let end: Sql | undefined;
  const last = (): Sql => (end ??= on(sendLast, last));
  return on(send, last);
}
