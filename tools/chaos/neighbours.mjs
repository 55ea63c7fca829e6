/** What else wants to run on this machine meanwhile: a play's times prove something only while that is little. */
import fs from 'node:fs';
import os from 'node:os';

const LOOK_MS = 1000;
/** Processes of others that want to run, per core and on average: from here on times prove nothing. */
const TOO_MANY = 0.5;

/** Looks until it is asked. Where there is no /proc nobody else is seen. */
export class Neighbours {
  looks = 0;
  seen = 0;
  #timer = setInterval(() => this.#look(), LOOK_MS).unref();

  #look() {
    this.looks += 1;
    this.seen += runnable();
  }

  /** @returns {boolean} whether they were too many */
  stop() {
    clearInterval(this.#timer);
    return this.seen / Math.max(1, this.looks) / os.availableParallelism() > TOO_MANY;
  }
}

function runnable() {
  const all = new Map();
  for (const pid of pids()) {
    const [, state, parent] = statOf(pid);
    if (state) all.set(pid, { state, parent });
  }
  return strangersAmong(all, String(process.pid));
}

/**
 * @param {Map<string, { state: string, parent: string }>} all processes by id
 * @returns {number} how many of them want to run (state R) and do not descend from `own`
 */
export function strangersAmong(all, own) {
  const isOurs = (pid) => {
    for (let at = pid; all.has(at); at = all.get(at).parent) if (at === own) return true;
    return false;
  };
  return [...all].filter(([pid, { state }]) => state === 'R' && !isOurs(pid)).length;
}

function pids() {
  try {
    return fs.readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  } catch {
    return []; // Not Linux.
  }
}
function statOf(pid) {
  try {
    return /\) (\w) (\d+)/.exec(fs.readFileSync(`/proc/${pid}/stat`, 'latin1')) ?? [];
  } catch {
    return []; // Gone meanwhile.
  }
}
