#!/usr/bin/env node
/**
 * The PostgreSQL that tests run on: a temporary cluster with a migrated template database, which each spec file
 * clones (libs/testing, freshDatabase). A process of its own, which prints the environment as a line of JSON and ends
 * with its standard input, and so also when its user is killed: test.mjs starts one per run, and a spec run alone by
 * plain jest one for itself.
 */
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { spawn, spawnSync } from 'node:child_process';
import readline from 'node:readline';
import { fileURLToPath, pathToFileURL } from 'node:url';
import pg from 'pg';
import { Problem, root } from './data-folder.mjs';
import { APP_ROLE, migrate } from './migrate.mjs';
import { temporaryCluster } from './postgres.mjs';

const TEMPLATE = 'carillon_template';

/**
 * Starts that process.
 * @returns {Promise<{ env: Record<string, string>, stop: () => Promise<void> }>} `env` is what freshDatabase() reads
 */
export async function startTestCluster() {
  // Detached: a signal for the whole run must not reach it before those who use it.
  const child = spawn(process.execPath, [fileURLToPath(import.meta.url)], {
    stdio: ['pipe', 'pipe', 'inherit'],
    detached: true,
  });
  const ended = new Promise((resolve) => child.once('close', resolve));
  const lines = readline.createInterface({ input: child.stdout });
  const first = await Promise.race([
    new Promise((resolve) => lines.once('line', resolve)),
    ended.then(() => undefined),
  ]);
  if (first === undefined) throw new Problem('The test cluster did not start; its reason stands above.');
  return {
    env: JSON.parse(first),
    stop: async () => {
      child.stdin.end();
      await ended;
    },
  };
}

async function testCluster() {
  const cluster = await temporaryCluster();
  try {
    await execute(cluster.url('postgres'), `CREATE DATABASE ${TEMPLATE}`);
    const app = new URL(cluster.url(TEMPLATE));
    app.username = APP_ROLE;
    app.password = randomBytes(18).toString('base64url');
    await migrate({
      ownerUrl: cluster.url(TEMPLATE),
      appUrl: app.href,
      queueUrl: compiledQueues() ? undefined : null,
    });
    app.pathname = '/postgres';
    return {
      env: {
        TEST_DATABASE_OWNER_URL: cluster.url('postgres'),
        TEST_DATABASE_APP_URL: app.href,
        TEST_DATABASE_TEMPLATE: TEMPLATE,
      },
      stop: cluster.stop,
    };
  } catch (error) {
    await cluster.stop();
    throw error;
  }
}

/** BullMQ's schema is made by libs/queue, which must be compiled for it. */
function compiledQueues() {
  const compiled = path.join(root, 'libs/queue/dist/index.js');
  if (fs.existsSync(compiled)) return true;
  const tsc = spawnSync(
    process.execPath,
    [path.join(root, 'node_modules/typescript-7/bin/tsc'), '-b', 'libs/queue'],
    { cwd: root, encoding: 'utf8' },
  );
  if (tsc.status !== 0)
    process.stderr.write(
      `Test databases are without queues, because libs/queue does not compile:\n${tsc.stdout}`,
    );
  return fs.existsSync(compiled);
}

async function execute(url, sql) {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}

if (process.argv[1] && import.meta.url === pathToFileURL(fs.realpathSync(process.argv[1])).href) {
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => {}); // The end of the input decides.
  const { env, stop } = await testCluster();
  process.stdout.write(`${JSON.stringify(env)}\n`);
  process.stdin.resume().once('close', stop).once('end', stop);
}
