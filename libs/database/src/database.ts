/**
 * The door to PostgreSQL. One pool per process; every call is one transaction that names its workspace, so that
 * row-level security stands behind the `workspace_id = …` of each query. Hot paths use `Sql` with fixed text and
 * arrays; admin reads and simple writes may use Prisma. Not an ORM layer: services write their own SQL.
 */
import pg from 'pg';
import type { Prisma, PrismaClient } from './generated/client.js';
import { planningOf, toPlan, type Kept, type Planning } from './kept.js';
import { roundTrip, type Answer, type Statement } from './round-trip.js';

/** bigint columns fit a JS number here (counts, sequences below 2^53). */
const types: pg.CustomTypesConfig = {
  getTypeParser: ((oid: number, format?: 'text' | 'binary') =>
    oid === pg.types.builtins.INT8
      ? (text: string) => Number(text)
      : pg.types.getTypeParser(oid, format)) as pg.CustomTypesConfig['getTypeParser'],
};

/** The statements of a transaction. Those that are asked in one breath (`Promise.all`) share a trip to the database. */
export interface Sql {
  /** Runs one statement: its text, planned for these values, or one whose plan is kept. Values go in as parameters only. */
  query<Row extends object = Record<string, unknown>>(
    statement: string | Kept,
    params?: readonly unknown[],
  ): Promise<Row[]>;
  /** The same, for statements whose row count matters. */
  execute(statement: string | Kept, params?: readonly unknown[]): Promise<number>;
  /** The last breath of the transaction: its COMMIT travels along, and nothing can be asked after it. */
  readonly last: Sql;
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
      options: '-c role=carillon_app -c statement_timeout=60s -c idle_in_transaction_session_timeout=60s',
      // The pool waits for it, which its types do not know.
      onConnect: nameDatabase as (client: pg.ClientBase) => void,
    });
    // A connection that breaks while idle is replaced by the pool; without a listener it would end the process.
    this.pool.on('error', () => undefined);
    // One may break between the pool's handing it out and our listening: as early as in the packet that greets it. Whoever uses it
    // then is told by the first statement.
    this.pool.on('connect', (client) => client.on('error', () => undefined));
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
   * The same, without waiting for the disk: a crash of PostgreSQL within the next moment may undo what has been answered. For what is
   * only true as long as its process lives, and is flushed with the next commit that counts.
   */
  acrossWorkspacesUnflushed<T>(work: (sql: Sql) => Promise<T>): Promise<T> {
    return this.transaction(EVERY_WORKSPACE, work, 'unflushed');
  }

  /**
   * Reads inside a workspace, without a transaction to begin or to end: each breath sees the latest that is committed.
   * For facts that are read again, under the fence, before anything is done.
   */
  async reading<T>(workspaceId: string, work: (sql: Sql) => Promise<T>): Promise<T> {
    const inside = scopeOf(workspaceId, 'read');
    return work(
      new Breaths((statements) => {
        const planning = planningOf(statements[0]);
        const { all, places } = inTurn(statements, planning);
        return this.onClient(async (trip) => {
          const results = await trip([inside(planning), ...all]);
          return places.map((place) => results[1 + place]!);
        });
      }),
    );
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

  private async transaction<T>(
    workspace: string,
    work: (sql: Sql) => Promise<T>,
    access?: 'unflushed',
  ): Promise<T> {
    const inside = scopeOf(workspace, access);
    return this.onClient(async (trip, discard) => {
      const tx: { state: 'new' | 'open' | 'over'; planning: Planning } = { state: 'new', planning: 'each' };
      const send = async (statements: readonly Statement[], last: boolean): Promise<Answer[]> => {
        if (tx.state === 'over') throw new Error('this transaction has had its last statement');
        const opens = tx.state === 'new';
        if (opens) tx.planning = planningOf(statements[0]);
        // A transaction of one trip needs neither BEGIN nor COMMIT.
        const before = opens ? [...(last ? [] : [BEGIN]), inside(tx.planning)] : [];
        const after = !opens && last ? [COMMIT] : [];
        const { all, places, planning } = inTurn(statements, tx.planning);
        tx.planning = planning;
        if (!last) tx.state = 'open';
        const results = await trip([...before, ...all, ...after]);
        if (last) tx.state = 'over';
        return places.map((place) => results[before.length + place]!);
      };
      try {
        const result = await work(
          new Breaths(
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

/** PostgreSQL's words for a schema that has no such function yet: it is to be migrated, and nobody sends from it. */
const NO_SUCH_FUNCTION = '42883';
/** Tells a new connection which database it leads to (installation.ts). */
async function nameDatabase(client: pg.ClientBase): Promise<void> {
  await client.query('SELECT name_database()').catch((error: pg.DatabaseError) => {
    if (error.code !== NO_SUCH_FUNCTION) throw error;
  });
}

const BEGIN: Statement = { text: 'BEGIN' };
const COMMIT: Statement = { text: 'COMMIT' };
const ROLLBACK: Statement = { text: 'ROLLBACK' };

const ACCESS = {
  read: `set_config('transaction_read_only', 'on', true)`,
  unflushed: `set_config('synchronous_commit', 'off', true)`,
};
/** Names the workspace to row-level security, and how to plan, until the transaction ends. */
function scopeOf(workspace: string, access?: keyof typeof ACCESS): (planning: Planning) => Statement {
  if (workspace !== EVERY_WORKSPACE && !/^[0-9a-f-]{36}$/i.test(workspace))
    throw new TypeError('not a workspace id');
  const settings = access ? [ACCESS[access]] : [];
  return (planning) => ({
    name: `scope ${planning} ${access ?? ''}`,
    text: `SELECT ${[`set_config('app.workspace', $1, true)`, ...settings, ...toPlan(planning, 'each')].join(', ')}`,
    params: [workspace],
  });
}

/** Has PostgreSQL told how to plan wherever that changes from one statement to the next. */
function inTurn(
  statements: readonly Statement[],
  planning: Planning,
): { all: Statement[]; places: number[]; planning: Planning } {
  const all: Statement[] = [];
  const places = statements.map((statement) => {
    const next = planningOf(statement);
    if (next !== planning) all.push({ text: `SELECT ${toPlan(next, planning).join(', ')}` });
    planning = next;
    return all.push(statement) - 1;
  });
  return { all, places, planning };
}

/** Loaded by who uses it: it takes as long as all the rest of this library's packages, and hot paths do without. */
async function prismaOn(pool: pg.Pool): Promise<PrismaClient> {
  const [{ PrismaClient }, { PrismaPg }] = await Promise.all([
    import('./generated/client.js'),
    import('@prisma/adapter-pg'),
  ]);
  return new PrismaClient({ adapter: new PrismaPg(pool) });
}

type Send = (statements: readonly Statement[]) => Promise<Answer[]>;

/**
 * Gathers what is asked in one breath: until whoever asks waits for an answer. A class, since a literal with a getter gets a shape of
 * its own each time: V8 keeps shapes in old memory, from where a dead one holds all that its transaction touched past the collections.
 */
class Breaths implements Sql {
  private breath: Statement[] = [];
  private answers: Promise<Answer[]> | undefined;
  private end: Breaths | undefined;

  constructor(
    private readonly send: Send,
    private readonly sendLast: Send = send,
  ) {}

  async query<Row extends object>(statement: string | Kept, params?: readonly unknown[]): Promise<Row[]> {
    return (await this.ask(statement, params)).rows as Row[];
  }

  async execute(statement: string | Kept, params?: readonly unknown[]): Promise<number> {
    return (await this.ask(statement, params)).rowCount;
  }

  get last(): Breaths {
    return this.send === this.sendLast ? this : (this.end ??= new Breaths(this.sendLast));
  }

  private async ask(statement: string | Kept, params: readonly unknown[] = []): Promise<Answer> {
    const asked = typeof statement === 'string' ? { text: statement, params } : { ...statement, params };
    const place = this.breath.push(asked) - 1;
    this.answers ??= Promise.resolve().then(() => {
      const statements = this.breath;
      this.breath = [];
      this.answers = undefined;
      return this.send(statements);
    });
    return (await this.answers)[place]!;
  }
}
