/**
 * One process that renders, seen from outside: it is given a list of messages at a time, and is killed when one of them
 * takes too long. A process and not a thread, because V8 ends the whole process when a thread outgrows its heap by one
 * large allocation. What follows from a death is render-pool.ts' affair.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { Socket } from 'node:net';
import type { RenderAnswer, RenderOrder } from './render-worker.js';

/** What rendering one message may take, in milliseconds. */
export const RENDER_MS = 250;
/** On top, when the process meets a template for the first time and has to read it. */
const READ_TEMPLATE_MS = 250;
/** Node and our code take some 20 MB, compiled templates at most as much again; the rest is the message's. */
const FLAGS = [
  '--max-old-space-size=64',
  '--max-semi-space-size=8',
  '--disallow-code-generation-from-strings',
];
const START_MS = 30_000;
/** How often a busy process is looked at. */
const LOOK_MS = 25;
/** A process that is kept waiting by other programs is given this many times its limit by the clock. */
const PATIENCE = 20;
/** Templates that a process is thought to know. */
const KNOWN_TEMPLATES = 10_000;

/** Why a process ended before all was answered. */
export type Death = 'time' | 'memory' | 'unknown';

interface Task {
  inputs: RenderOrder['inputs'];
  /** How many have an answer: the place of the one that is being rendered. */
  done: number;
  answered(answer: RenderAnswer, index: number): void;
  end(death: Death | null): void;
}

export class RenderProcess {
  /** Resolves when it can render; rejects when it ended before. */
  readonly ready: Promise<void>;
  /** Resolves when it is gone and all that it had sent has been heard. */
  readonly gone: Promise<void>;
  /** Messages it has answered. */
  answered = 0;
  private readonly child: ChildProcess;
  private readonly known = new Set<string>();
  private task: Task | null = null;
  private tookTooLong = false;
  private isGone = false;
  private lastWords = '';

  /** @param worker the compiled render-worker.ts */
  constructor(worker: URL) {
    const child = fork(worker, {
      execArgv: FLAGS,
      env: {},
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    this.child = child;
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.lastWords = (this.lastWords + text).slice(-2000);
    });
    this.gone = new Promise((resolve) => {
      child.on('error', (error) => {
        this.lastWords += error.message;
        if (child.pid === undefined) resolve();
      });
      // What it had sent may still be on its way when it is gone.
      child.once('exit', () => (child.connected ? child.once('disconnect', resolve) : resolve()));
    });
    this.ready = new Promise((resolve, reject) => {
      const late = setTimeout(() => this.kill(), START_MS).unref();
      child.once('message', () => {
        clearTimeout(late);
        child.on('message', (answer: RenderAnswer) => this.heard(answer));
        this.holdUp(false);
        resolve();
      });
      void this.gone.then(() =>
        reject(new Error(`A process for rendering did not start: ${this.lastWords}`)),
      );
    });
    this.ready.catch(() => undefined);
    void this.gone.then(() => {
      this.isGone = true;
      this.task?.end(this.causeOfDeath());
    });
  }

  /**
   * Renders in order. Only one list at a time, after `ready`.
   * @param answered called with each answer; what it was not called for has none
   * @returns null when all are answered, else why the process ended, at the first without an answer
   * @throws when the inputs hold what cannot be sent to another process, such as a function
   */
  render(order: RenderOrder, answered: Task['answered']): Promise<Death | null> {
    return new Promise((resolve) => {
      if (this.isGone) return resolve('unknown');
      // That it cannot be sent means that the process is ending, which is heard of anyway.
      this.child.send(order, () => undefined);
      this.holdUp(true);
      const looking = this.look();
      this.task = {
        inputs: order.inputs,
        done: 0,
        answered,
        end: (death) => {
          clearInterval(looking);
          this.task = null;
          this.holdUp(false);
          resolve(death);
        },
      };
    });
  }

  kill(): void {
    this.child.kill('SIGKILL');
  }

  private heard(answer: RenderAnswer): void {
    const { task } = this;
    if (!task) return;
    task.answered(answer, task.done);
    this.learn(task.inputs[task.done]?.cacheKey);
    task.done++;
    this.answered++;
    if (task.done === task.inputs.length) task.end(null);
  }

  private learn(cacheKey: string | undefined): void {
    if (cacheKey === undefined) return;
    if (this.known.size >= KNOWN_TEMPLATES) this.known.clear();
    this.known.add(cacheKey);
  }

  /**
   * Kills the process when it is at one message for too long. Looks are counted, not the clock read: when this process or
   * the machine was asleep, that is one look. And what counts is what the process itself used of the processor.
   */
  private look(): NodeJS.Timeout {
    let at = -1;
    let looks = 0;
    let before: number | null = null;
    return setInterval(() => {
      const { task } = this;
      if (!task) return;
      if (task.done !== at) {
        at = task.done;
        looks = 0;
        before = processorMs(this.child.pid);
        return;
      }
      looks++;
      const limit = RENDER_MS + (this.known.has(task.inputs[at]?.cacheKey ?? '') ? 0 : READ_TEMPLATE_MS);
      const elapsed = looks * LOOK_MS;
      if (elapsed < limit) return;
      const now = processorMs(this.child.pid);
      // Where the system does not tell, four times as much by the clock.
      const used = now === null || before === null ? elapsed / 4 : now - before;
      if (used < limit && elapsed < limit * PATIENCE) return;
      this.tookTooLong = true;
      this.kill();
    }, LOOK_MS);
  }

  private causeOfDeath(): Death {
    if (this.tookTooLong) return 'time';
    // V8 aborts when its heap is full.
    return this.child.signalCode === 'SIGABRT' ? 'memory' : 'unknown';
  }

  /** Whether it keeps this process from ending: while it starts or renders, not while it waits for work. */
  private holdUp(busy: boolean): void {
    const { child } = this;
    if (busy) return child.channel?.ref();
    child.channel?.unref();
    child.unref();
    if (child.stderr instanceof Socket) child.stderr.unref();
  }
}

/** What the main thread of a process has used of the processor so far; null where the system has no such file. */
function processorMs(pid: number | undefined): number | null {
  try {
    const [nanoseconds] = readFileSync(`/proc/${pid}/schedstat`, 'utf8').split(' ');
    return Number(nanoseconds) / 1e6;
  } catch {
    return null; // not Linux, or the process has just ended
  }
}
