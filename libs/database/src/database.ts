/**
 * The door to PostgreSQL. One pool per process; every call is one transaction that names its workspace, so that
 * row-level security stands behind the `workspace_id = …` of each query. Hot paths use `Sql` with fixed text and
 * arrays; admin reads and simple writes may use Prisma. Not an ORM layer: services write their own SQL.
 */
import pg from 'pg';
import type { Prisma, PrismaClient } from './generated/client.js';

/** bigint columns fit a JS number here (counts, sequences below 2^53). */
const types: pg.CustomTypesConfig = {
  getTypeParser: ((oid: number, format?: 'text' | 'binary') =>
    oid === pg.types.builtins.INT8
      ? (text: string) => Number(text)
      : pg.types.getTypeParser(oid, format)) as pg.CustomTypesConfig['getTypeParser'],
};

export interface Sql {
  /** Runs one statement. Values go in as parameters only. */
  query<Row extends object = Record<string, unknown>>(
    text: string,
    params?: readonly unknown[],
  ): Promise<Row[]>;
  /** The same, for statements whose row count matters. */
  execute(text: string, params?: readonly unknown[]): Promise<number>;
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
    const client = await this.pool.connect();
    let broken: Error | undefined;
    // While checked out, a lost connection is reported here as well as by the query it breaks.
    const onError = (error: Error) => (broken = error);
    client.on('error', onError);
    try {
      // One round trip for both; the value is a uuid or '*', checked here because it is not a parameter.
      if (workspace !== EVERY_WORKSPACE && !/^[0-9a-f-]{36}$/i.test(workspace))
        throw new TypeError('not a workspace id');
      await client.query(`BEGIN; SELECT set_config('app.workspace', '${workspace}', true)`);
      const result = await work(sqlOn(client));
      await client.query('COMMIT');
      return result;
    } catch (error) {
      await client.query('ROLLBACK').catch((e: Error) => (broken = e));
      throw error;
    } finally {
      client.off('error', onError);
      client.release(broken);
    }
  }
}

/** Loaded by who uses it: it takes as long as all the rest of this library's packages, and hot paths do without. */
async function prismaOn(pool: pg.Pool): Promise<PrismaClient> {
  const [{ PrismaClient }, { PrismaPg }] = await Promise.all([
    import('./generated/client.js'),
    import('@prisma/adapter-pg'),
  ]);
  return new PrismaClient({ adapter: new PrismaPg(pool) });
}

const sqlOn = (client: pg.PoolClient): Sql => ({
  query: async (text, params) => (await client.query(text, params as unknown[])).rows,
  execute: async (text, params) => (await client.query(text, params as unknown[])).rowCount ?? 0,
});
