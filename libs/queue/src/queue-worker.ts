/**
 * One queue's worker in this process: judges payloads, runs the handler, keeps errors from flooding the log, replaces
 * a BullMQ worker that died, and drains. Retries nothing: rows decide what is due again. Made by `BullServer`.
 */
import { setMaxListeners } from 'node:events';
import { queues, type QueueName } from '@carillon/contracts';
import type { LoggerService } from '@nestjs/common';
import { UnrecoverableError, type Job } from 'bullmq';
import type { JobWorker, QueueBackend } from './backend.js';
import { endsWithin, LAST_WORDS_MS } from './ends-within.js';
import { BoundedLog } from './bounded-log.js';
import { judge } from './payload.js';
import type { WorkContext } from './work.js';

/** The watchdog looks this often, and replaces a worker that gave no sign of life at so many looks in a row. */
export interface Watchdog {
  everyMs: number;
  strikes: number;
}
/** A worker with nothing to do asks every 5 s, so half a minute of silence is not idleness. */
export const watchdog: Watchdog = { everyMs: 5_000, strikes: 6 };

export type Handler = (payload: unknown, context: WorkContext) => Promise<void>;
type Log = Pick<LoggerService, 'error' | 'warn'>;

export class QueueWorker {
  private worker: JobWorker;
  private active = 0;
  private silentLooks = 0;
  /** The worker that could not connect, which BullMQ never tries again. */
  private unconnected: JobWorker | undefined;
  private closing = false;
  private idle: (() => void) | undefined;
  private readonly concurrency: number;
  private readonly stop = new AbortController();
  private readonly trouble: BoundedLog;
  private readonly watch: NodeJS.Timeout;

  constructor(
    private readonly queue: QueueName,
    private readonly handler: Handler,
    private readonly backend: QueueBackend,
    private readonly log: Log,
    private readonly dog: Watchdog = watchdog,
  ) {
    this.concurrency = queues[queue].concurrency;
    // Every message in hand may listen to it; that is no leak.
    setMaxListeners(0, this.stop.signal);
    this.trouble = new BoundedLog(log, `queue ${queue}`);
    this.worker = this.open();
    this.watch = setInterval(() => this.look(), dog.everyMs).unref();
  }

  async ready(): Promise<void> {
    await this.worker.waitUntilReady();
  }

  /** Stops fetching and waits for the handlers at work; after `graceMs` aborts their signal, and waits for their last words alone. */
  async close(graceMs: number): Promise<void> {
    this.closing = true;
    clearInterval(this.watch);
    if (await endsWithin(graceMs, this.worker.close())) return;
    this.log.warn(
      `queue ${this.queue}: ${this.active} at work did not end within ${graceMs} ms; their rows are taken up again when the lease runs out`,
    );
    this.stop.abort();
    if (this.active > 0)
      await endsWithin(LAST_WORDS_MS, new Promise<void>((resolve) => (this.idle = resolve)));
    this.worker.discard();
  }

  private open(): JobWorker {
    const worker = this.backend.consumer(this.queue, (job) => this.work(job), {
      concurrency: this.concurrency,
      alive: () => {
        if (worker === this.worker) this.silentLooks = 0;
      },
    });
    worker.on('error', (error) => {
      // After the grace a handler that ends late finds its connection closed, as it was told.
      if (!this.stop.signal.aborted) this.trouble.error('the worker is in trouble', error);
    });
    worker.waitUntilReady().catch(() => (this.unconnected = worker));
    return worker;
  }

  private async work(job: Job): Promise<void> {
    const judged = judge(this.queue, job.data);
    if (!judged.ok) {
      const why = `parked: ${judged.why}`;
      this.trouble.error(`job ${job.id} is parked`, new Error(judged.why));
      // Fails the job, and so keeps it; handlers never do.
      throw new UnrecoverableError(why);
    }
    this.active += 1;
    this.silentLooks = 0;
    try {
      const context = { queue: this.queue, jobId: job.id ?? '', signal: this.stop.signal };
      await this.handler(judged.payload, context);
    } catch (error) {
      // The job goes; its rows are still due, and the clock offers them again.
      this.trouble.error('the handler failed', error);
    } finally {
      this.active -= 1;
      this.silentLooks = 0;
      if (this.active === 0) this.idle?.();
    }
  }

  /** A worker that is full does not fetch, and is not silent for it. */
  private look(): void {
    const stopped = !this.worker.isRunning() || this.worker.closing !== undefined;
    const dead = stopped || this.unconnected === this.worker;
    this.silentLooks = this.active < this.concurrency ? this.silentLooks + 1 : 0;
    if (this.closing || (!dead && this.silentLooks < this.dog.strikes)) return;
    const seconds = Math.round((this.dog.everyMs * this.dog.strikes) / 1000);
    this.trouble.error(
      'the worker is replaced',
      new Error(
        stopped ? 'it had stopped' : dead ? 'it could not connect' : `no sign of life for ${seconds} s`,
      ),
    );
    this.silentLooks = 0;
    const old = this.worker;
    this.worker = this.open();
    // It may hang for ever: nobody waits for it.
    void old
      .close(true)
      .catch((error: unknown) => this.trouble.error('closing the old worker failed', error));
  }
}
