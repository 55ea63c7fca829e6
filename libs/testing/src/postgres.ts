/**
 * A database of its own for every spec file, on a real PostgreSQL, in some tens of milliseconds: a clone of a
 * template that was migrated once. `npm test` provides the cluster; a spec run alone by plain jest starts one for
 * itself (tools/test-cluster.mjs), which ends with the process. Used by specs only.
 */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import pg from 'pg';

export interface FreshDatabase {
  /** Owner of the tables, and superuser: for arranging and asserting. Row-level security does not bind it. */
  ownerUrl: string;
  /** What the services connect with: the app role, bound by row-level security. */
  appUrl: string;
  /** Drops the database, ending whoever is still connected. For `afterAll`. */
  drop(): Promise<void>;
}

interface Cluster {
  ownerUrl: string;
  appUrl: string;
  template: string;
  stop(): Promise<void>;
}

/** A migrated database, with BullMQ's schema in it, that nobody else uses. */
export async function freshDatabase(): Promise<FreshDatabase> {
  const cluster = givenCluster() ?? (await (own ??= ownCluster()));
  clones++;
  const name = `test_${randomBytes(6).toString('hex')}`;
  await execute(cluster.ownerUrl, `CREATE DATABASE ${name} TEMPLATE ${cluster.template}`);
  // A clone is a copy, and nothing would leave from it.
  await execute(inDatabase(cluster.ownerUrl, name), 'SELECT adopt_database(false)');
  return {
    ownerUrl: inDatabase(cluster.ownerUrl, name),
    appUrl: inDatabase(cluster.appUrl, name),
    drop: async () => {
      await execute(cluster.ownerUrl, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
      if (--clones > 0) return;
      own = undefined;
      await cluster.stop();
    },
  };
}

/** This spec file's own cluster, when the run provides none, and how many of its databases are in use. */
let own: Promise<Cluster> | undefined;
let clones = 0;

function inDatabase(url: string, name: string): string {
  const address = new URL(url);
  address.pathname = `/${name}`;
  return address.href;
}

async function execute(url: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}

function givenCluster(): Cluster | undefined {
  const cluster = clusterOf(process.env);
  return cluster && { ...cluster, stop: () => Promise.resolve() };
}

function clusterOf(env: NodeJS.ProcessEnv): Omit<Cluster, 'stop'> | undefined {
  const {
    TEST_DATABASE_OWNER_URL: ownerUrl,
    TEST_DATABASE_APP_URL: appUrl,
    TEST_DATABASE_TEMPLATE: template,
  } = env;
  return ownerUrl && appUrl && template ? { ownerUrl, appUrl, template } : undefined;
}

async function ownCluster(): Promise<Cluster> {
  const program = fileURLToPath(new URL('../../../tools/test-cluster.mjs', import.meta.url));
  const child = spawn(process.execPath, [program], { stdio: ['pipe', 'pipe', 'inherit'], detached: true });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  // Its input stays open while we live and closes however we end, even by kill -9.
  const lines = createInterface({ input: child.stdout });
  const first = await Promise.race([
    new Promise<string>((resolve) => lines.once('line', resolve)),
    ended.then(() => undefined),
  ]);
  const cluster = first === undefined ? undefined : clusterOf(JSON.parse(first) as NodeJS.ProcessEnv);
  if (!cluster) throw new Error('The test cluster did not start; its reason stands above.');
  return {
    ...cluster,
    stop: async () => {
      child.stdin.end();
      await ended;
    },
  };
}
