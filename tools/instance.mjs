/**
 * One running Carillon per data folder: `running.json` says which process it is and where it answers. Outlives a
 * kill -9, so every reader looks whether that process still is what the file says. Node's own modules only.
 * Called by start.mjs and services.mjs, which hold it, and by demo.mjs, which looks for one.
 */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Problem, writePrivately } from './data-folder.mjs';

const FILE = 'running.json';
/** What the command lines of our processes contain, so that a number reused by a stranger is not taken for ours. */
const OURS =
  /tools[\\/](start|services|demo|bench)\.mjs|apps[\\/][\w-]+[\\/]dist[\\/]main\.js|carillon[\\/]services[\\/][\w-]+\.main\.js/;
const CHECK_AGAIN_MS = 60;

/**
 * @param {string} folder the data folder
 * @returns {{ pid: number, children: number[], urls?: Record<string, string>, apiKey?: string } | undefined} the
 * instance that runs from it
 */
export function runningInstance(folder) {
  const found = read(folder);
  return found && isOurs(found.pid) ? found : undefined;
}

/**
 * Claims the data folder for this process, and ends what an earlier one left behind when it was killed.
 * @returns {Promise<{ note: (facts: object) => void, release: () => void }>} `note` adds facts to the file
 * @throws {Problem} when another process holds it
 */
export async function claimInstance(folder, say = () => {}) {
  const file = path.join(folder, FILE);
  const running = runningInstance(folder);
  if (running) throw alreadyRunning(running);
  const left = read(folder)?.children?.filter(isOurs) ?? [];
  if (left.length) {
    say('Ending services that an earlier start left behind.');
    await endProcesses(left);
  }
  const facts = { pid: process.pid, children: [] };
  writePrivately(file, facts);
  // Two starts at the same moment both get here; the later writer holds the folder.
  await sleep(CHECK_AGAIN_MS);
  const holder = read(folder);
  if (holder?.pid !== process.pid) throw alreadyRunning(holder);
  return {
    note: (more) => writePrivately(file, Object.assign(facts, more)),
    release: () => fs.rmSync(file, { force: true }),
  };
}

function alreadyRunning({ pid, urls }) {
  const where = urls?.dashboard ? `, at ${urls.dashboard}` : '';
  return new Problem(
    `Carillon is already running here (process ${pid})${where}. Stop it with Ctrl-C or \`kill ${pid}\`, ` +
      'or run another one from its own data folder: CARILLON_DATA_DIR=.data/second npm start',
  );
}

function read(folder) {
  try {
    return JSON.parse(fs.readFileSync(path.join(folder, FILE), 'utf8'));
  } catch {
    return undefined; // Nothing runs, or the file was cut short with its writer.
  }
}

function isOurs(pid) {
  try {
    process.kill(pid, 0);
  } catch {
    return false; // Gone, or another user's and so not ours.
  }
  const file = `/proc/${pid}/cmdline`;
  if (fs.existsSync(file)) return OURS.test(fs.readFileSync(file, 'utf8'));
  return OURS.test(spawnSync('ps', ['-p', String(pid), '-o', 'command='], { encoding: 'utf8' }).stdout ?? '');
}

/** SIGTERM, and SIGKILL for those that take longer than a drain may. */
async function endProcesses(pids, graceMs = 20_000) {
  const deadline = Date.now() + graceMs;
  for (const pid of pids) signal(pid, 'SIGTERM');
  while (pids.some(isOurs)) {
    if (Date.now() > deadline) for (const pid of pids.filter(isOurs)) signal(pid, 'SIGKILL');
    await sleep(50);
  }
}

function signal(pid, name) {
  try {
    process.kill(pid, name);
  } catch (error) {
    if (error.code !== 'ESRCH') throw error; // Already gone is what we want.
  }
}
