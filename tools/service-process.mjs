/**
 * One service as a process of its own, and the ports that services listen on. Called by whoever starts services:
 * start.mjs, service-processes.mjs, stack.mjs. Node's own modules only.
 */
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import readline from 'node:readline';
import { freePort, isFree, Problem, root } from './data-folder.mjs';
import { BUNDLES } from './projects.mjs';

/**
 * Room for what lives as long as a list of messages does, so that it is not copied again and again while new ones are made: a third of
 * the collections, and of their time. One thread does a round with less work than five that wake each other on two cores. Costs up to
 * 96 MB of memory in a process that is busy. The Dockerfile has the same.
 */
export const SERVICE_FLAGS = [
  '--min-semi-space-size=32',
  '--max-semi-space-size=32',
  '--no-parallel-scavenge',
];
/** Longer than a service's own SHUTDOWN_GRACE_SECONDS. */
const STOP_GRACE_MS = 30_000;

/**
 * The usual ports where they are free, others where not, saying so. A port somebody asked for is never changed.
 * @param {Record<string, number>} usual variable name → usual port
 * @returns {Promise<Record<string, string>>} the same variables for the services' environment
 */
export async function choosePorts(usual, say) {
  const chosen = {};
  for (const [variable, port] of Object.entries(usual)) {
    if (process.env[variable]) {
      if (!(await isFree(Number(process.env[variable])))) {
        throw new Problem(
          `Port ${process.env[variable]}, which ${variable} asks for, is taken. Free it, or choose another.`,
        );
      }
      chosen[variable] = process.env[variable];
      continue;
    }
    const free = await freePort(port);
    if (free !== port) say(`Port ${port} is taken: using ${free} (${variable}).`);
    chosen[variable] = String(free);
  }
  return chosen;
}

/**
 * A service as a process of its own. It is not reached by the terminal's Ctrl-C, so that we decide the order.
 * It must end by itself when the IPC channel closes, which is how it learns that we were killed.
 * @param {{ entry: string, env: Record<string, string>, onLine: (line: string) => void }} options
 * `entry`: path from the root
 * @returns {{ pid: number, ready: Promise<any>, ended: Promise<string>, stop: () => Promise<void>, kill: () => void }}
 * `ready`: what it reported with `{ ready: true }`, rejected when it ends first; `ended`: how it ended
 */
export function startService({ entry, env, onLine }) {
  const color = process.stdout.isTTY ? { FORCE_COLOR: '1' } : { NO_COLOR: '1' };
  const profile = env.CARILLON_CPU_PROFILE
    ? ['--cpu-prof', `--cpu-prof-dir=${env.CARILLON_CPU_PROFILE}`]
    : ['--enable-source-maps'];
  const child = spawn(
    process.execPath,
    [...SERVICE_FLAGS, ...profile, env.CARILLON_CPU_PROFILE ? entry : quickEntry(entry)],
    {
      cwd: root,
      env: { ...process.env, ...color, ...env },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      detached: true,
    },
  );
  for (const input of [child.stdout, child.stderr]) readline.createInterface({ input }).on('line', onLine);
  const ended = new Promise((resolve) => {
    child.once('error', (error) => resolve(error.message));
    // `close`, not `exit`: its last words are still on their way at `exit`.
    child.once('close', (code, signal) => resolve(signal ?? `code ${code}`));
  });
  const ready = new Promise((resolve, reject) => {
    child.on('message', (message) => message?.ready && resolve(message));
    void ended.then((how) => reject(new Problem(`${entry} ended before it was ready (${how}).`)));
  });
  ready.catch(() => {}); // Whoever does not wait for it learns of the end from `ended`.
  return {
    pid: child.pid,
    ready,
    ended,
    kill: () => child.kill('SIGKILL'),
    stop: async () => {
      child.kill('SIGTERM');
      const late = setTimeout(() => child.kill('SIGKILL'), STOP_GRACE_MS);
      await ended;
      clearTimeout(late);
    },
  };
}

/** The same program in few files, which start in a fraction of the time (bundle.mjs). */
function quickEntry(entry) {
  const [, app, , file] = entry.split('/');
  const bundled = `${BUNDLES}/${app}.${file}`;
  return fs.existsSync(path.join(root, bundled)) ? bundled : entry;
}
