/**
 * The embedded PostgreSQL: a real server from npm packages, with no Docker and no download.
 * Starts it as whoever we are (see postgres-user.mjs), adopts one of ours that still runs, recovers after kill -9,
 * and stops it. It creates the cluster and its databases, not their tables: that is migrate.mjs.
 * Called by start.mjs, services.mjs, test.mjs, bench.mjs and prisma.mjs.
 */
import { spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { dataFolder, developmentSecrets, freePort, isFree, Problem } from './data-folder.mjs';
import { chooseWay } from './postgres-user.mjs';

/** The superuser of the embedded cluster and its database. Services log in as `carillon_app` instead. */
const OWNER = 'carillon';
const PREFERRED_PORT = 5433;
const LOG_LIMIT_BYTES = 10_000_000;
const START_ATTEMPTS = 20;

/**
 * A sixteenth of the memory this process may use, which is a day's log and its indexes on most machines: what does not fit is read
 * and written again and again, its indexes by person most of all. Taken as it is used.
 */
function sharedBuffersMb() {
  const may = process.constrainedMemory?.() || Infinity;
  const mb = Math.floor(Math.min(os.totalmem(), may) / 16 / 2 ** 20);
  return Math.min(1024, Math.max(128, mb));
}
const SETTINGS = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  // A process per service and several dispatchers of a kind, each with its pools.
  max_connections: 300,
  shared_buffers: `${sharedBuffersMb()}MB`,
  max_wal_size: '2GB',
  // Segments of WAL are used again, up to so much: making a new one holds every commit for some 50 ms.
  min_wal_size: '512MB',
  timezone: 'UTC',
  log_timezone: 'UTC',
};
/** For clusters that are thrown away, several at a time: nothing is lost that anyone wanted to keep. */
const NOT_DURABLE = {
  shared_buffers: '128MB',
  fsync: 'off',
  synchronous_commit: 'off',
  full_page_writes: 'off',
  autovacuum_naptime: '10s',
};

/**
 * Starts (or adopts) the cluster that lives in `<folder>/pg`, and waits until it answers.
 * @param {{ folder: string, password: string, preferredPort?: number, exactPort?: number, durable?: boolean, settings?: Record<string, string | number>, say?: (line: string) => void }} options
 * `folder` also takes postgres.log and postgres.port; `password` is the owner's; `preferredPort` 0 takes any free port,
 * `exactPort` waits until that one is free;
 * `settings` go on the server's command line.
 * @returns {Promise<{ port: number, pid: number, adopted: boolean, way: string, isAlive: () => boolean, url: (database?: string) => string, stop: () => Promise<void> }>}
 * @throws {Problem} with a sentence for a person when there is no way to run it.
 */
export async function startPostgres({
  folder,
  password,
  preferredPort = PREFERRED_PORT,
  exactPort,
  durable = true,
  settings = {},
  say = () => {},
}) {
  fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
  const place = path.join(folder, 'pg');
  const address = (port) => (database) => ownerUrl({ password, port, database });

  const running = await runningServer(place, address);
  if (running) return { ...running, adopted: true, way: 'already running' };

  const way = chooseWay({ place, folder });
  if (way.notice) say(way.notice);
  refuseOtherMajor(way.place, way.major);
  if (!fs.existsSync(path.join(way.place, 'PG_VERSION'))) createCluster(way, password, durable);

  const log = path.join(folder, 'postgres.log');
  const portFile = path.join(folder, 'postgres.port');
  const { child, port } = await launch({
    way,
    log,
    portFile,
    preferredPort,
    exactPort,
    address,
    settings: { ...SETTINGS, ...(durable ? {} : NOT_DURABLE), ...settings },
  });
  const url = address(port);
  await createDatabase(url('postgres'), OWNER);
  return { ...handle({ port, pid: child.pid, url }), adopted: false, way: way.name };
}

/**
 * The cluster of this checkout's data folder, for tools that need a database: the running one, or one started for
 * the moment, which `stop()` ends. Never stops a server that was already there.
 */
export async function developmentCluster() {
  const folder = dataFolder();
  const server = await startPostgres({ folder, password: developmentSecrets(folder).ownerPassword });
  return { ownerUrl: server.url(), stop: () => (server.adopted ? Promise.resolve() : server.stop()) };
}

/**
 * A cluster in its own temporary folder, without durability: for tests. `stop()` removes it.
 * @param {{ durable?: boolean, settings?: Record<string, string | number>, say?: (line: string) => void }} [options]
 */
export async function temporaryCluster(options = {}) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'carillon-pg-'));
  try {
    const server = await startPostgres({
      durable: false,
      preferredPort: 0,
      ...options,
      folder,
      password: randomBytes(18).toString('base64url'),
    });
    return {
      ...server,
      folder,
      stop: async () => {
        await server.stop();
        removeCluster(folder);
      },
    };
  } catch (error) {
    removeCluster(folder);
    throw error;
  }
}

/** Removes a folder that startPostgres was given, wherever the cluster had to live. */
export function removeCluster(folder) {
  const place = path.join(folder, 'pg');
  if (fs.existsSync(place)) fs.rmSync(path.dirname(fs.realpathSync(place)), { recursive: true, force: true });
  fs.rmSync(folder, { recursive: true, force: true });
}

function ownerUrl({ password, port, database = OWNER }) {
  return `postgresql://${OWNER}:${encodeURIComponent(password)}@127.0.0.1:${port}/${database}`;
}

const handle = (server) => ({
  ...server,
  isAlive: () => isPostgres(server.pid),
  stop: () => stopServer(server.pid),
});

/** A server of ours that outlived its launcher: its lock file, its process, its port and its folder must all agree. */
async function runningServer(place, address) {
  const lock = readLock(place);
  if (!lock) return undefined;
  if (!isPostgres(lock.pid)) {
    // After a reboot or in a restarted container the number may belong to someone else, and PostgreSQL would wait
    // for that stranger forever.
    fs.rmSync(path.join(fs.realpathSync(place), 'postmaster.pid'), { force: true });
    return undefined;
  }
  const url = address(lock.port);
  // It may be starting or still recovering: as long as its process lives, its answer is worth waiting for.
  for (let i = 0; i < 200 && isPostgres(lock.pid); i++) {
    const folder = await answer(url('postgres'), 'SHOW data_directory');
    if (folder) {
      if (fs.realpathSync(folder) !== fs.realpathSync(place)) return undefined;
      return handle({ port: lock.port, pid: lock.pid, url });
    }
    await sleep(50);
  }
  return undefined;
}

function readLock(place) {
  try {
    const [pid, , , port] = fs.readFileSync(path.join(place, 'postmaster.pid'), 'utf8').split('\n');
    return { pid: Number(pid), port: Number(port) };
  } catch {
    return undefined; // No lock file: no server.
  }
}

function isPostgres(pid) {
  try {
    const [, name, state] = /\((.*)\) (\w)/s.exec(fs.readFileSync(`/proc/${pid}/stat`, 'utf8'));
    // A dead one stays listed until its parent looks, which the first process of a container may never do.
    return name === 'postgres' && state !== 'Z';
  } catch (error) {
    if (error.code !== 'ENOENT' && error.code !== 'ESRCH') throw error;
  }
  if (process.platform === 'linux') return false;
  return /postgres/.test(
    spawnSync('ps', ['-p', String(pid), '-o', 'comm='], { encoding: 'utf8' }).stdout ?? '',
  );
}

const WRONG_PASSWORD = '28P01';

/** The single value a query gives, or undefined when the server does not answer (yet). */
async function answer(url, query) {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 1000 });
  client.on('error', () => {}); // A server that dies while we ask has simply not answered.
  try {
    await client.connect();
    const { rows } = await client.query(query);
    return Object.values(rows[0] ?? {})[0];
  } catch (error) {
    if (error.code !== WRONG_PASSWORD) return undefined;
    throw new Problem(
      'The embedded PostgreSQL refuses the password in secrets.json of the data folder: the two do not belong ' +
        'together. Restore that file, or remove the folder `pg` beside it to start empty.',
    );
  } finally {
    await client.end().catch(() => {});
  }
}

function refuseOtherMajor(place, major) {
  const file = path.join(place, 'PG_VERSION');
  const found = fs.existsSync(file) ? fs.readFileSync(file, 'utf8').trim() : major;
  if (found !== major) {
    throw new Problem(
      `${place} was written by PostgreSQL ${found}, and this is PostgreSQL ${major}: export it with pg_dump of ` +
        `version ${found}, or remove the folder to start empty.`,
    );
  }
}

function createCluster(way, password, durable) {
  // A cluster without PG_VERSION is one whose creation was cut short: nothing was ever stored in it.
  fs.rmSync(way.place, { recursive: true, force: true });
  fs.mkdirSync(way.place, { recursive: true, mode: 0o700 });
  const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'carillon-initdb-'));
  const passwordFile = path.join(scratch, 'password');
  fs.writeFileSync(passwordFile, `${password}\n`, { mode: 0o600 });
  for (const owned of [way.place, scratch, passwordFile]) way.own(owned);
  // The builtin C.UTF-8 sorts by code point and knows upper and lower case in every script, whatever the machine has.
  const options = [
    '-U',
    OWNER,
    `--pwfile=${passwordFile}`,
    '-A',
    'scram-sha-256',
    '-E',
    'UTF8',
    '--no-instructions',
  ];
  const locale = ['--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8'];
  // What a power cut in the first minute would take away is the ground that the log stands on: it is on disk first.
  const sync = durable ? [] : ['--no-sync'];
  const [command, ...args] = way.command('initdb', ['-D', way.place, ...options, ...locale, ...sync]);
  const result = spawnSync(command, args, { ...way.spawnOptions, encoding: 'utf8' });
  fs.rmSync(scratch, { recursive: true, force: true });
  if (result.status !== 0) {
    fs.rmSync(way.place, { recursive: true, force: true });
    throw new Problem(
      `PostgreSQL could not create its cluster in ${way.place}: ${result.stderr || result.error}`,
    );
  }
}

async function launch({ way, log, portFile, preferredPort, exactPort, address, settings }) {
  if (fs.existsSync(log) && fs.statSync(log).size > LOG_LIMIT_BYTES) fs.truncateSync(log);
  const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  let port = exactPort ? await untilFree(exactPort) : await choosePort(portFile, preferredPort);
  for (let attempt = 1; ; attempt++) {
    const from = fs.existsSync(log) ? fs.statSync(log).size : 0;
    const out = fs.openSync(log, 'a', 0o600);
    const [command, ...args] = way.command('postgres', ['-D', way.place, '-p', String(port), ...flags]);
    // Detached: Ctrl-C must reach the services first, which still need the database to finish what they hold.
    const child = spawn(command, args, {
      ...way.spawnOptions,
      stdio: ['ignore', out, out],
      detached: true,
      cwd: '/',
    });
    fs.closeSync(out);
    child.unref();
    let ended = false;
    child.once('exit', () => (ended = true));
    child.once('error', () => (ended = true));
    try {
      while (!ended && !(await answer(address(port)('postgres'), 'SELECT 1'))) await sleep(20);
    } catch (error) {
      await stopServer(child.pid);
      throw error;
    }
    if (!ended) {
      fs.writeFileSync(portFile, `${port}\n`);
      return { child, port };
    }
    const said = fs.readFileSync(log, 'utf8').slice(from);
    if (attempt >= START_ATTEMPTS || !/lock file|in use|shared memory/i.test(said)) {
      throw new Problem(
        `PostgreSQL did not start. Its last words, from ${log}:\n${said.split('\n').slice(-8).join('\n')}`,
      );
    }
    if (/Address already in use/i.test(said)) port = await freePort();
    // After a kill -9 the old server's children hold its memory for a moment.
    else await sleep(250);
  }
}

/** The port of last time, so that the address stays, else the preferred one, each if free; otherwise any free one. */
function choosePort(portFile, preferred) {
  const remembered = fs.existsSync(portFile) && Number(fs.readFileSync(portFile, 'utf8'));
  return freePort(remembered || preferred);
}

/** The children of a killed server hold its port for a moment. */
async function untilFree(port) {
  for (let i = 0; i < 200; i++) {
    if (await isFree(port)) return port;
    await sleep(50);
  }
  throw new Problem(`Port ${port}, where PostgreSQL was, stays taken.`);
}

async function createDatabase(url, name) {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const { rowCount } = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [name]);
    if (!rowCount) await client.query(`CREATE DATABASE ${client.escapeIdentifier(name)}`);
  } finally {
    await client.end();
  }
}

/** Fast shutdown: ends sessions, writes a checkpoint. Returns when the process is gone. */
async function stopServer(pid) {
  if (isPostgres(pid)) process.kill(pid, 'SIGINT');
  while (isPostgres(pid)) await sleep(10);
}
