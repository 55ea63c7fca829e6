/**
 * An installation that is made to suffer: PostgreSQL, Redis when it carries the queues, the services (one process or
 * one each), the providers' stand-in and the proxies before it. Starts again what dies, as whoever runs services does,
 * and writes down when it died. Gone with everything it made when `close` returns.
 */
import { fork, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { Carillon } from '@carillon/sdk';
import { developmentSecrets, freePort, Problem, root } from '../data-folder.mjs';
import { APP_ROLE, migrate } from '../migrate.mjs';
import { startPostgres } from '../postgres.mjs';
import { startService } from '../service-process.mjs';

const AGAIN_AFTER_MS = 300;
/** Lines of a timeline that an endpoint is told of. */
export const TOLD = ['sent', 'delivered', 'failed', 'suppressed', 'cancelled', 'expired', 'unknown'];
const APART = [
  'api',
  'audience',
  'scheduling',
  'dispatcher-email',
  'dispatcher-sms',
  'dispatcher-push',
  'dispatcher-in-app',
];
const here = (file) => fileURLToPath(new URL(file, import.meta.url));

/**
 * @param {{ apart: boolean, queue: 'postgres' | 'redis', seed: number, folder?: string, env?: Record<string, string>, prepare?: (folder: string) => (() => void) | undefined }} options
 * `apart`: one process per service; `prepare` is given the folder of the data before anything is in it, and may put a file
 * system of its own there; what it returns takes that away
 */
export async function openStage({ apart, queue, seed, env: more = {}, prepare }) {
  const own = fs.mkdtempSync(path.join(os.tmpdir(), 'carillon-chaos-'));
  const data = path.join(own, 'data');
  fs.mkdirSync(data, { recursive: true, mode: 0o700 });
  const undo = [async () => fs.rmSync(own, { recursive: true, force: true })];
  const away = prepare?.(data);
  if (away) undo.push(async () => away());
  undo.push(async () => removeData(data));
  const stage = new Stage({ folder: own, data, apart, queue, seed, more, undo });
  try {
    await stage.open();
    return stage;
  } catch (error) {
    await stage.close();
    throw error;
  }
}

class Stage {
  services = new Map();
  /** Where faults are written down; a scenario gives it. */
  onFault = () => {};
  closing = false;
  /** The longest that one of the services took from its end until it was ready again. */
  downMs = 0;
  /** Failpoints for the next lives of whatever ends. */
  upNext = [];

  constructor(facts) {
    Object.assign(this, facts);
    this.log = fs.createWriteStream(path.join(this.folder, 'services.log'), { flags: 'a' });
  }

  async open() {
    const secrets = developmentSecrets(this.data);
    this.password = secrets.ownerPassword;
    await this.startPostgres();
    this.undo.push(() => this.postgres.stop());
    this.ownerUrl = this.postgres.url();
    const app = new URL(this.ownerUrl);
    app.username = APP_ROLE;
    app.password = secrets.appPassword;
    if (this.queue === 'redis') await this.startRedis();
    const queueUrl = this.queue === 'redis' ? this.redis.url : undefined;
    await migrate({ ownerUrl: this.ownerUrl, appUrl: app.href, ...(queueUrl ? { queueUrl } : {}) });

    this.apiPort = await freePort();
    this.env = {
      NODE_ENV: 'development',
      LOG_LEVEL: 'warn',
      DATABASE_URL: app.href,
      DATABASE_POOL_SIZE: '10',
      ...(queueUrl ? { QUEUE_URL: queueUrl } : {}),
      CARILLON_DATA_DIR: this.data,
      CARILLON_MASTER_KEY: secrets.masterKey,
      CARILLON_SIGNING_KEY: secrets.signingKey,
      API_PORT: String(this.apiPort),
      PUBLIC_URL: `http://127.0.0.1:${this.apiPort}`,
      SANDBOX_PORT: String(await freePort()),
      SANDBOX_SMTP_PORT: String(await freePort()),
      RATE_LIMIT_PER_SECOND: '100000',
      RATE_LIMIT_BURST: '1000000',
      NODE_COMPILE_CACHE: path.join(root, 'node_modules/.cache/carillon/compiled'),
      ...this.more,
    };
    for (const name of APART)
      if (name !== 'api') this.env[portOf(name)] = this.apart ? String(await freePort()) : '0';
    this.url = `http://127.0.0.1:${this.apiPort}`;
    await this.startSink();
    await this.seedAccounts();
  }

  async startPostgres(exactPort) {
    this.postgres = await startPostgres({
      folder: this.data,
      password: this.password,
      preferredPort: 0,
      ...(exactPort ? { exactPort } : {}),
      settings: { shared_buffers: '32MB', max_wal_size: '128MB', min_wal_size: '32MB' },
    });
  }

  /** kill -9, of the server and all its children; nobody answers for a while; then it recovers from its log. */
  async killPostgres(downMs) {
    killTree(this.postgres.pid, 'SIGKILL');
    await sleep(downMs);
    await this.startPostgres(this.postgres.port);
    this.fault('postgres is back');
  }

  async startRedis() {
    const port = this.redis?.port ?? (await freePort());
    const dir = path.join(this.data, 'redis');
    fs.mkdirSync(dir, { recursive: true });
    const server = spawn(
      process.env.TEST_REDIS_SERVER ?? 'redis-server',
      [
        '--port',
        `${port}`,
        '--bind',
        '127.0.0.1',
        '--dir',
        dir,
        '--save',
        '',
        '--appendonly',
        'yes',
        '--maxmemory-policy',
        'noeviction',
        '--loglevel',
        'warning',
      ],
      { stdio: 'ignore', detached: true },
    );
    const ended = once(server, 'exit');
    this.redis = { port, url: `redis://127.0.0.1:${port}`, pid: server.pid, ended };
    while (!(await this.askRedis('PING'))) await sleep(30);
    if (!this.redisKnown) {
      this.redisKnown = true;
      this.undo.push(async () => {
        signal(this.redis.pid, 'SIGCONT');
        signal(this.redis.pid, 'SIGKILL');
        await this.redis.ended;
      });
    }
  }

  /** One command by inline protocol, on a connection of its own. Undefined when nobody answers. */
  async askRedis(command) {
    const { connect } = await import('node:net');
    return new Promise((resolve) => {
      const socket = connect(this.redis.port, '127.0.0.1', () => socket.write(`${command}\r\n`));
      socket.setTimeout(2000, () => socket.destroy());
      socket.once('data', (data) => {
        resolve(data.toString());
        socket.destroy();
      });
      socket.on('error', () => {});
      socket.once('close', () => resolve(undefined));
    });
  }

  async startSink() {
    this.ledgers = {
      arrivals: path.join(this.folder, 'b.jsonl'),
      receipts: path.join(this.folder, 'e.jsonl'),
      webhooks: path.join(this.folder, 'd.jsonl'),
    };
    this.sink = fork(here('sink.mjs'), [JSON.stringify({ seed: this.seed, ...this.ledgers })], {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    const [ready] = await once(this.sink, 'message');
    this.hookUrl = `http://127.0.0.1:${ready.webPort}/hook`;
    this.sink.once('exit', (code) => {
      if (!this.closing) console.error(`The providers' side ended (${code}): this run proves nothing.`);
      if (!this.closing) process.kill(process.pid, 'SIGTERM');
    });
    this.undo.push(async () => void this.sink.kill());
    this.ports = ready.ports;
  }

  /** What becomes of the lines to the providers of these channels: see fault-proxy.mjs. @param {{ spare?: boolean }} [how] */
  setLines(lines, how) {
    return this.tellSink({ lines, ...how });
  }

  /** Tells the providers' side something. @returns how many receipts it still has to make */
  async tellSink(message) {
    const n = (this.told = (this.told ?? 0) + 1);
    this.sink.send({ ...message, n });
    for (;;) {
      const [answer] = await once(this.sink, 'message');
      if (answer.answers === n) return answer.callbacksUnderWay;
    }
  }

  /** The accounts that an installation starts with, pointed at our proxies; the sandbox that the standalone process brings stays paused. */
  async seedAccounts() {
    const { apiKey } = await this.seedOnce();
    this.apiKey = apiKey;
    const endpoints = {
      email: `smtp://127.0.0.1:${this.ports.email}`,
      sms: `http://127.0.0.1:${this.ports.sms}`,
      push: `http://127.0.0.1:${this.ports.push}`,
    };
    const owner = new pg.Client({ connectionString: this.ownerUrl });
    await owner.connect();
    for (const [channel, endpoint] of Object.entries(endpoints))
      await owner.query(
        `UPDATE provider_accounts SET name = 'Chaos', settings = settings || jsonb_build_object('endpoint', $2::text), revision = revision + 1 WHERE channel = $1 AND name = 'Sandbox'`,
        [channel, endpoint],
      );
    await this.seedOnce();
    // Waits of seconds, not of minutes: a row of the matrix comes to rest soon.
    await owner.query(
      `UPDATE workspaces SET settings = settings || jsonb_build_object('retry', (
         SELECT jsonb_object_agg(channel, '{"backoffMs": 1000, "maxBackoffMs": 4000, "attempts": 20}'::jsonb) FROM unnest($1::text[]) AS channel))`,
      [Object.keys(endpoints)],
    );
    await owner.query(
      `UPDATE provider_accounts SET paused_at = now(), paused_reason = 'chaos', position = 90 WHERE name = 'Sandbox'`,
    );
    await owner.end();
  }

  /** The providers' side is told of every end by webhooks. Once for each installation. */
  async listenToWebhooks() {
    if (this.listening) return;
    this.listening = true;
    const carillon = new Carillon({ apiKey: this.apiKey, baseUrl: this.url });
    const { secret } = await carillon.webhooks.create({
      url: this.hookUrl,
      types: TOLD.map((type) => `delivery.${type}`),
    });
    await this.tellSink({ webhookSecret: secret });
  }

  async seedOnce() {
    const lines = [];
    const seed = startService({
      entry: 'apps/standalone/dist/seed-once.js',
      env: this.env,
      onLine: (line) => lines.push(line),
    });
    const report = await seed.ready.catch((error) => {
      throw new Problem([...lines, error.message].join('\n'));
    });
    await seed.ended;
    return report;
  }

  names() {
    return this.apart ? APART : ['standalone'];
  }

  /**
   * Starts all services, or those named.
   * @param {{ env?: Record<string, string>, only?: Record<string, Record<string, string>>, extra?: string[], strikes?: number }} [how]
   * `env`: for all of them; `only`: for one by name; `extra`: a second process of these; `strikes`: of their failpoints
   */
  async startServices({ env = {}, only = {}, extra = [], strikes = 1 } = {}) {
    const names = [...this.names(), ...extra.map((name) => `${name} 2`)];
    for (const name of names) this.startOne(name, { ...env, ...only[name] }, strikes);
    await Promise.all(this.names().map((name) => this.untilReady(name)));
  }

  /** @param {number} strikes how often its failpoints may end it before it is left alone */
  startOne(name, env = {}, strikes = 1) {
    const [app] = name.split(' ');
    const child = startService({
      entry: `apps/${app}/dist/main.js`,
      // A second process of the same has no door.
      env: { ...this.env, ...(name === app ? {} : { [portOf(app)]: '0' }), ...env },
      onLine: (line) => this.log.write(`${new Date().toISOString()} ${name} | ${line}\n`),
    });
    const service = { name, child, env, stopping: false };
    this.services.set(name, service);
    void child.ended.then(async (how) => {
      if (service.stopping || this.closing) return;
      this.fault(`${name} ended (${how})`, channelOf(name));
      const since = Date.now();
      await sleep(AGAIN_AFTER_MS);
      if (service.stopping || this.closing || this.services.get(name) !== service) return;
      const CARILLON_FAILPOINTS = this.upNext.shift() ?? (strikes > 1 ? env.CARILLON_FAILPOINTS : '');
      this.startOne(name, { ...env, CARILLON_FAILPOINTS }, strikes - 1);
      await this.untilReady(name).catch(() => {});
      this.downMs = Math.max(this.downMs, Date.now() - since);
    });
    return service;
  }

  async untilReady(name) {
    if (name.includes(' ')) return; // It has no door.
    if (name === 'api' || name === 'standalone') return this.untilUp();
    const deadline = Date.now() + 180_000;
    while (!this.closing && !(await answers(`http://127.0.0.1:${this.env[portOf(name)]}/health/ready`))) {
      if (Date.now() > deadline) throw new Problem(`${name} did not start; see ${this.folder}/services.log`);
      await sleep(100);
    }
  }

  async untilUp() {
    const deadline = Date.now() + 180_000;
    while (!this.closing && !(await answers(`${this.url}/health/live`))) {
      if (Date.now() > deadline) throw new Problem(`The API did not start; see ${this.folder}/services.log`);
      await sleep(100);
    }
  }

  /** Ends whatever is still open in the database, which only a bug leaves behind. */
  async endAll() {
    const owner = new pg.Client({ connectionString: this.ownerUrl });
    await owner.connect();
    await owner.query(
      `UPDATE deliveries SET status = 'failed', reason = 'poisonous', due_at = NULL WHERE status IN ('scheduled', 'queued', 'sending')`,
    );
    await owner.end();
  }

  /** How many deliveries were sent although an earlier attempt of theirs may have arrived. */
  sentAgain() {
    return this.count(`possible_duplicate AND status IN ('sent', 'delivered') AND tries > 1`);
  }

  /** How many may have left and are not recorded. */
  underWay(channel) {
    return this.count(`channel = '${channel}' AND status = 'sending' AND handed_over_at IS NOT NULL`);
  }

  async count(condition) {
    const owner = new pg.Client({ connectionString: this.ownerUrl });
    await owner.connect();
    const { rows } = await owner.query(`SELECT count(*)::int AS n FROM deliveries WHERE ${condition}`);
    await owner.end();
    return rows[0].n;
  }

  pidOf(name) {
    return this.services.get(name)?.child.pid;
  }

  signal(name, which) {
    signal(this.pidOf(name), which);
  }

  /** SIGTERM to one, a new one when it has ended, and nothing more until that is ready: a rolling restart. @returns how it ended, and how long it took to end and to be there again */
  async restart(name) {
    const service = this.services.get(name);
    service.stopping = true;
    const asked = performance.now();
    await service.child.stop();
    const how = await service.child.ended;
    const ended = performance.now();
    this.startOne(name, service.env);
    await this.untilReady(name);
    return { how, endMs: ended - asked, startMs: performance.now() - ended };
  }

  async stopServices(which = 'SIGTERM') {
    const all = [...this.services.values()];
    for (const service of all) service.stopping = true;
    for (const { child } of all) signal(child.pid, 'SIGCONT');
    if (which === 'SIGKILL') for (const { child } of all) child.kill();
    await Promise.all(all.map(({ child }) => child.stop()));
    this.services.clear();
  }

  /** @param {string} [channel] the only one whose deliveries it disturbs */
  fault(what, channel) {
    this.onFault({ at: Date.now(), what, ...(channel ? { channel } : {}) });
  }

  /** @param {{ keep?: boolean }} [how] `keep`: leaves the ledgers of a scenario that failed */
  async close({ keep = false } = {}) {
    this.closing = true;
    await this.stopServices('SIGKILL');
    const [removeFolder, ...others] = this.undo;
    for (const one of others.reverse()) await one();
    this.log.end();
    if (!(keep && this.kept)) await removeFolder();
  }
}

/** Whose deliveries a dispatcher works. */
export const channelOf = (name) => /^dispatcher-([a-z-]+)/.exec(name)?.[1];
const portOf = (name) => `${name.toUpperCase().replaceAll('-', '_')}_PORT`;
const answers = (url) =>
  fetch(url, { signal: AbortSignal.timeout(2000) }).then(
    (response) => response.ok,
    () => false,
  );

/** What the cluster left, wherever it had to live. The folder may be a mount, so it stays itself. */
function removeData(data) {
  const place = path.join(data, 'pg');
  if (fs.existsSync(place) && fs.lstatSync(place).isSymbolicLink())
    fs.rmSync(path.dirname(fs.realpathSync(place)), { recursive: true, force: true });
  for (const entry of fs.readdirSync(data))
    fs.rmSync(path.join(data, entry), { recursive: true, force: true });
}

/** A process and all that it has started, found in /proc: PostgreSQL's children must not outlive it in this play. */
export function killTree(pid, which) {
  for (const one of treeOf(pid)) signal(one, which);
}
export function treeOf(pid) {
  const listed = spawnSync('ps', ['-e', '-o', 'pid=,ppid='], { encoding: 'utf8' }).stdout.trim().split('\n');
  const pairs = listed.map((line) => line.trim().split(/\s+/).map(Number));
  const tree = [pid];
  for (let i = 0; i < tree.length; i++)
    tree.push(...pairs.filter(([, parent]) => parent === tree[i]).map(([one]) => one));
  return tree;
}

/** By SIGSTOP. */
export const isStopped = (pid) =>
  /^\d+ \(.*\) T/.test(
    fs.existsSync(`/proc/${pid}/stat`) ? fs.readFileSync(`/proc/${pid}/stat`, 'utf8') : '',
  );

/** Not even as a zombie, which nobody may ever reap in a container. */
export function isAlive(pid) {
  try {
    return !/^\d+ \(.*\) [ZX]/.test(fs.readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false; // Gone.
  }
}

export function signal(pid, which) {
  try {
    process.kill(pid, which);
  } catch (error) {
    if (error.code !== 'ESRCH') throw error; // Already gone is what we want.
  }
}
