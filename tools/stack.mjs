/**
 * What every command that runs Carillon does first: packages, build, database, migrations; and the environment the
 * services get. Called by start.mjs, services.mjs, demo.mjs and bench.mjs. Node's own modules only, until the
 * packages are there.
 */
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { build } from './build.mjs';
import { developmentSecrets, Problem, root } from './data-folder.mjs';
import { ensureInstalled } from './install.mjs';
import { choosePorts, startService } from './service-process.mjs';
import { startServices } from './service-processes.mjs';

const WATCH_EVERY_MS = 500;
/** Every service in one process. */
export const STANDALONE = 'apps/standalone/dist/main.js';

/**
 * Packages, build, database and migrations, in the order they need each other.
 * @param {{ folder: string, say: (line: string) => void, durable?: boolean, settings?: Record<string, string | number> }} options
 * `folder`: the data folder; `durable` and `settings`: of the embedded PostgreSQL
 * @returns {Promise<{ env: Record<string, string>, databases: { ownerUrl: string, appUrl: string }, stop: () => Promise<void> }>}
 * `env`: what services need besides ports
 * @throws {Problem} with a sentence for a person
 */
export async function prepare({ folder, say, durable = true, settings = {} }) {
  await ensureInstalled(say);
  const secrets = developmentSecrets(folder);
  const [database] = await settleAll([
    openDatabase({ folder, secrets, say, durable, settings }),
    build({ say }),
  ]);
  try {
    const { migrate } = await import('./migrate.mjs');
    const { QUEUE_URL } = process.env;
    const applied = await migrate({ ...database, ...(QUEUE_URL ? { queueUrl: QUEUE_URL } : {}) });
    if (applied.length)
      say(`Applied ${applied.length === 1 ? 'the migration' : 'the migrations'} ${applied.join(', ')}.`);
  } catch (error) {
    await database.stop();
    throw error;
  }
  const { ownerUrl, appUrl, stop } = database;
  return {
    env: { ...serviceEnv({ folder, secrets, appUrl }), ...(durable ? {} : { DATABASE_MAY_LOSE: 'true' }) },
    databases: { ownerUrl, appUrl },
    stop,
  };
}

/** Waits for both even when one fails, so that a database started meanwhile is stopped and not forgotten. */
async function settleAll([opening, building]) {
  const [database, built] = await Promise.allSettled([opening, building]);
  if (database.status === 'fulfilled' && built.status === 'rejected') await database.value.stop();
  const failed = [built, database].find(({ status }) => status === 'rejected');
  if (failed) throw failed.reason;
  return [database.value, built.value];
}

async function openDatabase({ folder, secrets, say, durable, settings }) {
  const { DATABASE_URL, DATABASE_OWNER_URL } = process.env;
  if (DATABASE_URL) {
    return {
      ownerUrl: DATABASE_OWNER_URL || DATABASE_URL,
      appUrl: DATABASE_URL,
      stop: () => Promise.resolve(),
    };
  }
  const { startPostgres } = await import('./postgres.mjs');
  const { APP_ROLE } = await import('./migrate.mjs');
  const start = (more) =>
    startPostgres({ folder, password: secrets.ownerPassword, durable, settings, say, ...more });
  let server = await start();
  if (server.adopted) say(`PostgreSQL was still running on port ${server.port}: using it.`);

  // Services hold its address, so a server that dies is started again where it was.
  let watching = true;
  const watched = (async () => {
    while (watching) {
      await sleep(WATCH_EVERY_MS, undefined, { ref: false });
      if (!watching || server.isAlive()) continue;
      say('PostgreSQL ended unexpectedly: starting it again.');
      server = await start({ exactPort: server.port });
    }
  })();
  watched.catch((error) => say(`PostgreSQL could not be started again: ${error.message}`));

  const app = new URL(server.url());
  app.username = APP_ROLE;
  app.password = secrets.appPassword;
  return {
    ownerUrl: server.url(),
    appUrl: app.href,
    stop: async () => {
      watching = false;
      await server.stop();
    },
  };
}

function serviceEnv({ folder, secrets, appUrl }) {
  const { NODE_ENV = 'development', CARILLON_MASTER_KEY, CARILLON_SIGNING_KEY } = process.env;
  const env = {
    NODE_ENV,
    DATABASE_URL: appUrl,
    CARILLON_DATA_DIR: folder,
    // Node 22 and newer keep compiled code there, which halves a start; older ones take no notice.
    NODE_COMPILE_CACHE: path.join(root, 'node_modules/.cache/carillon/compiled'),
  };
  // In production nobody should find out later that keys lay in a development folder.
  if (NODE_ENV !== 'production') {
    if (!CARILLON_MASTER_KEY && !process.env.CARILLON_MASTER_KEY_FILE)
      env.CARILLON_MASTER_KEY = secrets.masterKey;
    if (!CARILLON_SIGNING_KEY && !process.env.CARILLON_SIGNING_KEY_FILE)
      env.CARILLON_SIGNING_KEY = secrets.signingKey;
  }
  return env;
}

/**
 * An instance of its own for a command that needs one: in a temporary folder, on free ports, gone with the command.
 * @param {{ onStop: (stop: () => Promise<void>) => void, stopping: () => boolean }} until of runCommand
 * @param {{ services?: boolean, profile?: string }} options `services`: one process per service instead of one for all;
 * `profile`: a folder for their CPU profiles
 * @returns {Promise<{ urls: Record<string, string>, apiKey: string, databases: { ownerUrl: string, appUrl: string }, pids: Record<string, number> }>}
 * `pids`: by the name of the service
 */
export async function onInstance({ onStop, stopping }, { services = false, profile } = {}) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'carillon-'));
  onStop(async () => fs.rmSync(folder, { recursive: true, force: true }));
  const stack = await prepare({ folder, say: console.log });
  onStop(async () => {
    await stack.stop();
    const { removeCluster } = await import('./postgres.mjs');
    removeCluster(folder);
  });
  const { databases } = stack;
  const given = { ...stack.env, ...(profile ? { CARILLON_CPU_PROFILE: profile } : {}) };
  if (services) {
    // Warnings and errors are worth seeing; the rest is not.
    const onLine = (line) => void (/error|warn/i.test(line) && console.error(line));
    const all = await startServices({
      env: given,
      say: console.log,
      onLine,
      anyPorts: true,
      onStop,
      stopping,
    });
    if (!all) throw new Problem('Stopped before it was ready.');
    const pids = Object.fromEntries(all.running.map(({ name, pid }) => [name, pid]));
    return { ...all.development, urls: all.urls, databases, pids };
  }
  const ports = await choosePorts({ API_PORT: 0, SANDBOX_PORT: 0, SANDBOX_SMTP_PORT: 0 }, () => {});
  const lines = [];
  const env = { ...given, ...ports };
  const service = startService({ entry: STANDALONE, env, onLine: (line) => lines.push(line) });
  onStop(service.stop);
  const report = await service.ready.catch((error) => {
    throw new Problem([...lines, error.message].join('\n'));
  });
  return { ...report, databases, pids: { standalone: service.pid } };
}

/**
 * Runs a program of ours to its end in this terminal.
 * @returns {Promise<number>} its exit code
 */
export async function runProgram(file, args, env) {
  const child = spawn(process.execPath, [path.join(root, file), ...args], {
    stdio: 'inherit',
    env: { ...process.env, ...env },
  });
  return new Promise((resolve, reject) =>
    child.once('exit', (code) => resolve(code ?? 1)).once('error', reject),
  );
}

/**
 * Runs a command from beginning to end: its problems as sentences, Ctrl-C and SIGTERM as a stop in order, a second
 * one as an end at once.
 * @param {(until: { onStop: (stop: () => Promise<void>) => void, stopping: () => boolean }) => Promise<void>} work
 * registers with `onStop` what must be undone; the last registered is undone first
 */
export async function runCommand(work) {
  const undo = [];
  let stopping;
  const stop = () => (stopping ??= undoAll(undo));
  let interrupted = 0;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(signal, () => {
      if (++interrupted > 1 || undo.length === 0) process.exit(130);
      void stop().then(() => process.exit(0));
    });
  }
  // Whoever read our lines may leave (`npm start | head`); the services do not end for that.
  process.stdout.on('error', (error) => {
    if (error.code !== 'EPIPE') throw error;
  });
  try {
    await work({ onStop: (one) => undo.push(one), stopping: () => Boolean(stopping) });
    await stop();
  } catch (error) {
    if (!stopping) {
      console.error(error instanceof Problem ? error.message : error);
      process.exitCode = 1;
    }
    await stop();
  }
}

async function undoAll(undo) {
  for (const one of undo.reverse()) await one();
}
