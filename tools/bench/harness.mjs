/**
 * What the measurements share: tables, quantiles, CPU by process, bytes of WAL, the share that the host took away, the
 * floors, and programs that run beside the system (load generator, sinks) in processes of their own.
 * CPU microseconds per message are the figure to compare: rates move with whatever else the machine does.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { Session } from 'node:inspector/promises';
import os from 'node:os';
import path from 'node:path';
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { Pool } from 'undici';

export { sleep };
export const round = (n) => Math.round(n).toLocaleString('en');
/** @param {number[]} sorted rising @returns {string[]} p50, p95, p99 */
export const quantiles = (sorted, digits = 1) =>
  [0.5, 0.95, 0.99].map((q) =>
    (sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? NaN).toFixed(digits),
  );
export const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];

/** Prints rows of cells, the first row as the heading, as Markdown: what is printed can be kept in docs/benchmarks.md. */
export function table(rows) {
  const widths = rows[0].map((_, c) => Math.max(3, ...rows.map((row) => String(row[c]).length)));
  const line = (row) =>
    `| ${row.map((cell, c) => (c === 0 ? String(cell).padEnd(widths[c]) : String(cell).padStart(widths[c]))).join(' | ')} |`;
  const [head, ...body] = rows;
  console.log(line(head));
  console.log(
    `|${widths.map((w, c) => (c === 0 ? ` ${'-'.repeat(w)} ` : ` ${'-'.repeat(w - 1)}: `)).join('|')}|`,
  );
  for (const row of body) console.log(line(row));
}

/** The machine, in a line: to stand above every table. */
export const machine = () =>
  `${os.availableParallelism()} cores (${os.cpus()[0]?.model.trim()}), Node ${process.versions.node}, load ${os.loadavg()[0].toFixed(1)}`;

// ── What it cost ───────────────────────────────────────────────────────────────────────────────────────────────────

/** Linux counts in hundredths of a second. */
const TICK_US = 10_000;
/** @returns microseconds of CPU (user and system) a process has used; 0 when it is gone */
function cpuOf(pid, withDeadChildren = false) {
  try {
    const fields = fs
      .readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
    const own = Number(fields[11]) + Number(fields[12]);
    return (withDeadChildren ? own + Number(fields[13]) + Number(fields[14]) : own) * TICK_US;
  } catch {
    return 0;
  }
}
const parentOf = (pid) => {
  try {
    return Number(
      fs
        .readFileSync(`/proc/${pid}/stat`, 'utf8')
        .replace(/^.*\) /s, '')
        .split(' ')[1],
    );
  } catch {
    return 0;
  }
};
const childrenOf = (pid) =>
  fs
    .readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && parentOf(Number(name)) === pid)
    .map(Number);
/** With its children, living and dead: a service with its render processes, a database with its backends. */
const cpuOfTree = (pid) =>
  cpuOf(pid, true) + childrenOf(pid).reduce((sum, child) => sum + cpuOfTree(child), 0);

/** @returns the share of CPU time that the host gave to others, between two readings of /proc/stat */
function readCpuTimes() {
  try {
    return fs.readFileSync('/proc/stat', 'utf8').split('\n')[0].trim().split(/\s+/).slice(1).map(Number);
  } catch {
    return [];
  }
}

/** The postmaster behind a connection, when it runs on this machine. */
async function postmasterOf(owner) {
  const { rows } = await owner.query('SELECT pg_backend_pid() AS pid');
  return parentOf(rows[0].pid);
}

/**
 * Runs `work` and tells what it took.
 * @param {{ owner: import('pg').Client, processes: Record<string, number | undefined> }} watched connection of the database's owner, and
 * the pids to count, by the name of their column; each with its children. PostgreSQL is counted too.
 * @param {() => Promise<number>} work returns how many messages
 * @returns {Promise<{ messages: number, seconds: number, perSecond: number, cpuUs: Record<string, number>, walBytes: number, steal: number }>}
 * per message: `cpuUs` by process and `all`, `walBytes`; `steal`: 0 to 1
 */
export async function measure({ owner, processes }, work) {
  const pids = { ...processes, PostgreSQL: await postmasterOf(owner) };
  const read = async () => ({
    cpu: Object.fromEntries(Object.entries(pids).map(([name, pid]) => [name, pid ? cpuOfTree(pid) : 0])),
    wal: (await owner.query(`SELECT pg_current_wal_lsn() - '0/0'::pg_lsn AS bytes`)).rows[0].bytes,
    times: readCpuTimes(),
  });
  const before = await read();
  const from = performance.now();
  const messages = await work();
  const seconds = (performance.now() - from) / 1000;
  const after = await read();
  const cpuUs = Object.fromEntries(
    Object.keys(pids).map((name) => [name, (after.cpu[name] - before.cpu[name]) / messages]),
  );
  const spent = after.times.map((t, i) => t - before.times[i]);
  return {
    messages,
    seconds,
    perSecond: messages / seconds,
    cpuUs: { ...cpuUs, all: Object.values(cpuUs).reduce((a, b) => a + b, 0) },
    walBytes: (Number(after.wal) - Number(before.wal)) / messages,
    steal: (spent[7] ?? 0) / (spent.slice(0, 8).reduce((a, b) => a + b, 0) || 1),
  };
}
/** Headings and cells of what `measure` tells, for tables. */
export const costHead = ['CPU µs/message: all', 'by process', 'WAL bytes', 'steal'];
export const costCells = ({ cpuUs: { all, ...each }, walBytes, steal }) => [
  round(all),
  Object.entries(each)
    .map(([name, us]) => `${name} ${round(us)}`)
    .join(', '),
  round(walBytes),
  `${(steal * 100).toFixed(0)} %`,
];

/**
 * Begins a CPU profile of this process, of what is measured and nothing else.
 * @param {string | undefined} folder undefined: no profile
 * @returns {Promise<(name: string) => Promise<void>>} ends it and leaves `<name>.cpuprofile` there
 */
export async function startProfile(folder) {
  if (!folder) return async () => {};
  const session = new Session();
  session.connect();
  await session.post('Profiler.enable');
  await session.post('Profiler.setSamplingInterval', { interval: 200 });
  await session.post('Profiler.start');
  return async (name) => {
    const { profile } = await session.post('Profiler.stop');
    session.disconnect();
    fs.mkdirSync(folder, { recursive: true });
    fs.writeFileSync(path.join(folder, `${name}.cpuprofile`), JSON.stringify(profile));
  };
}

// ── Programs beside the system ─────────────────────────────────────────────────────────────────────────────────────

/**
 * Starts `tools/bench/parts/<name>.mjs` in a process of its own. It answers `{ ask, … }` messages with `{ answer }`.
 * @param {string[]} [execArgv] flags of Node
 * @returns {Promise<{ pid: number, ready: any, ask: (question: object) => Promise<any>, stop: () => Promise<void> }>}
 */
export async function startPart(name, options = {}, execArgv = []) {
  const child = fork(path.join(import.meta.dirname, `parts/${name}.mjs`), [JSON.stringify(options)], {
    execArgv,
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const [ready] = await once(child, 'message');
  return {
    pid: child.pid,
    ready,
    async ask(question) {
      child.send(question);
      const [{ answer, error }] = await once(child, 'message');
      if (error) throw new Error(`${name}: ${error}`);
      return answer;
    },
    async stop() {
      const gone = once(child, 'exit');
      child.kill();
      await gone;
    },
  };
}

// ── Floors ─────────────────────────────────────────────────────────────────────────────────────────────────────────

/** The rows of the delivery log with their indexes, by unnest, 500 a commit. @returns rows per second on one connection */
export async function insertFloor(owner) {
  await owner.query('CREATE TABLE bench_log (LIKE deliveries INCLUDING ALL)');
  const insert = `INSERT INTO bench_log (day, id, workspace_id, message_id, channel, class, lane, source, status, created_at)
    SELECT current_date, u.id, gen_random_uuid(), u.id, 'email', 'transactional', 'transactional', 'api', 'sent', now() FROM unnest($1::uuid[]) AS u(id)`;
  const ids = () => Array.from({ length: 500 }, () => crypto.randomUUID());
  const started = performance.now();
  for (let i = 0; i < 40; i++) await owner.query(insert, [ids()]);
  const seconds = (performance.now() - started) / 1000;
  await owner.query('DROP TABLE bench_log');
  return (40 * 500) / seconds;
}

/** BullMQ itself: lots of 500 for a no-op worker. Imported late: it needs the build. */
export async function bullFloor({ queueUrl, databaseUrl }) {
  const { queueFloor } = await import('@carillon/queue');
  return queueFloor({ queueUrl, databaseUrl });
}

/** A form of an SMS's size posted to the sink, 16 connections. @returns requests per second from this process */
export async function httpFloor(sinkUrl, requests = 20_000) {
  const pool = new Pool(sinkUrl, { connections: 16 });
  const body = new URLSearchParams({
    To: '+15005550170',
    From: '+15017122661',
    Body: 'Order 123 is on its way.',
    StatusCallback: `https://carillon.example.com/v1/webhooks/sms/twilio?${'x'.repeat(100)}`,
  }).toString();
  const request = {
    method: 'POST',
    path: '/2010-04-01/Accounts/AC0/Messages.json',
    headers: { 'content-type': 'application/x-www-form-urlencoded', authorization: 'Basic QUM6dG9rZW4=' },
    body,
  };
  let left = requests;
  const started = performance.now();
  await Promise.all(
    Array.from({ length: 16 }, async () => {
      while (left-- > 0) await (await pool.request(request)).body.text();
    }),
  );
  const seconds = (performance.now() - started) / 1000;
  await pool.close();
  return requests / seconds;
}

// ── The log ────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Waits until so many deliveries of a channel accepted since `from` have been sent. */
export async function untilSent(owner, channel, from, count, everyMs = 50) {
  for (;;) {
    const { rows } = await owner.query(
      `SELECT count(*) FILTER (WHERE sent_at IS NOT NULL)::int AS sent, count(*) FILTER (WHERE status IN ('failed', 'suppressed', 'unknown'))::int AS lost
         FROM deliveries WHERE channel = $1 AND created_at >= $2`,
      [channel, from],
    );
    if (rows[0].lost > 0) throw new Error(`${rows[0].lost} ${channel} deliveries did not go out`);
    if (rows[0].sent >= count) return;
    await sleep(everyMs);
  }
}
/** @returns milliseconds from acceptance to the hand-over mark, rising */
export async function handOffMs(owner, channel, from) {
  const { rows } = await owner.query(
    `SELECT extract(epoch FROM handed_over_at - created_at) * 1000 AS ms FROM deliveries WHERE channel = $1 AND created_at >= $2 AND handed_over_at IS NOT NULL ORDER BY 1`,
    [channel, from],
  );
  return rows.map((row) => Number(row.ms));
}
/** Points the workspace's account of a channel at an address of ours. */
export const pointAccount = (owner, channel, endpoint) =>
  owner.query(
    `UPDATE provider_accounts SET settings = settings || jsonb_build_object('endpoint', $2::text), revision = revision + 1 WHERE channel = $1 AND deleted_at IS NULL`,
    [channel, endpoint],
  );
