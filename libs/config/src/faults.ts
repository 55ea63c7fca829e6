/**
 * Places where a process may be told to die, to stop or to be late, and bugs that it may be told to have: how
 * `npm run chaos` proves that nothing is lost at any commit boundary, and that it would notice. Nothing happens unless
 * CARILLON_FAILPOINTS or CARILLON_BUGS say so, and the configuration refuses both in production.
 */
import { config } from './config.js';
import type { ArmedFailpoint, Bug, Failpoint } from './fault-names.js';

const PAUSE_MS = 1000;
const passes = new Map<ArmedFailpoint, number>();

/** A place where chaos may strike; otherwise nothing. */
export function failpoint(name: Failpoint): void {
  const { armed } = config().faults;
  if (armed.length > 0) strike(name, armed);
}

/** Whether this process was told to have this bug. */
export function bug(name: Bug): boolean {
  const { bugs: told } = config().faults;
  return told.length > 0 && told.includes(name);
}

function strike(name: Failpoint, armed: readonly ArmedFailpoint[]): void {
  for (const point of armed) {
    if (point.name !== name) continue;
    const pass = (passes.get(point) ?? 0) + 1;
    passes.set(point, pass);
    if (pass % point.every > 0) continue;
    if (point.action === 'pause') Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PAUSE_MS);
    else process.kill(process.pid, point.action === 'kill' ? 'SIGKILL' : 'SIGSTOP');
  }
}
