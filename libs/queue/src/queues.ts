/**
 * The sending side: `send` for one job, `offer` for lists of ids that coalesce. Payloads hold ids only; what must
 * happen is committed in rows before anything is sent, so a queue may be lost and an offer may fail.
 * Called by whoever makes work due: accept, the clock, delivery outcomes.
 */
import { randomUUID } from 'node:crypto';
import { queueNames, type QueueName } from '@carillon/contracts';
import { Logger, type LoggerService } from '@nestjs/common';
import type { JobQueue, QueueBackend } from './backend.js';
import { BoundedLog } from './bounded-log.js';
import { CoalescingLane, SHORTEST_MS } from './coalesce.js';
import { listPayload, stamp, type ListQueue, type Unstamped } from './payload.js';

export interface QueueDepth {
  waiting: number;
  active: number;
}
/** Counted since the start of the process. */
export interface OfferCounts {
  ids: number;
  jobs: number;
  failedJobs: number;
  /** Ids for bulk lanes that were not offered, because the store was nearly full. */
  heldBack: number;
}

/** From this part of the store's memory on, bulk lanes get nothing more: what is left serves the others. */
const BULK_UP_TO = 0.8;
/** How old a figure of the store's fullness may be. */
const FULLNESS_MS = 1_000;

export class Queues {
  /** What `offer` did, for metrics: `ids / jobs` tells how well it coalesces. */
  readonly offered: OfferCounts = { ids: 0, jobs: 0, failedJobs: 0, heldBack: 0 };
  private readonly open = new Map<QueueName, JobQueue>();
  private readonly lanes = new Map<QueueName, CoalescingLane>();
  private readonly trouble: BoundedLog;
  private fullness = { known: 0, askedAt: -Infinity };

  constructor(
    private readonly backend: QueueBackend,
    log: Pick<LoggerService, 'error'> = new Logger('Queues'),
  ) {
    this.trouble = new BoundedLog(log, 'queues');
  }

  /**
   * Stores one job.
   * @param options.jobId a second job of this id is dropped while the first one waits or is worked. Neither a bare
   * integer nor with `:` (BullMQ refuses both).
   * @throws {z.ZodError} when the payload is not what the contract says
   * @throws when the store is away
   */
  async send<Q extends QueueName>(
    queue: Q,
    payload: Unstamped<Q>,
    options: { jobId?: string } = {},
  ): Promise<void> {
    // Always an id of our own: for its own numbering BullMQ would create sequences, which the app's role may not.
    const job = stamp(queue, payload);
    await this.ask(queue, (store) => store.add(queue, job, { jobId: options.jobId ?? randomUUID() }));
  }

  /**
   * Offers ids of rows that are due. Coalesces with what else arrives within a few milliseconds; resolves when stored.
   * @returns false when they could not be stored, or may not be now (counted in `offered`): the clock offers them again.
   */
  offer<Q extends ListQueue>(queue: Q, ids: readonly string[]): Promise<boolean> {
    if (!ids.length) return Promise.resolve(true);
    this.offered.ids += ids.length;
    if (queue.endsWith('-bulk') && this.nearlyFull()) {
      this.offered.heldBack += ids.length;
      return Promise.resolve(false);
    }
    return this.lane(queue).offer(ids);
  }

  /** Jobs per queue, for metrics. Throws when the store is away. */
  async depths(): Promise<Record<QueueName, QueueDepth>> {
    const depths = await Promise.all(
      queueNames.map(async (name) => {
        const count = (store: JobQueue) => store.getJobCounts('waiting', 'active');
        const { waiting = 0, active = 0 } = await this.ask(name, count);
        return [name, { waiting, active }] as const;
      }),
    );
    return Object.fromEntries(depths) as Record<QueueName, QueueDepth>;
  }

  /** What an operator should change about the store: a sentence each. Throws when it is away. */
  doubts(): Promise<string[]> {
    return this.backend.doubts();
  }

  /** Stores what was offered, then closes. */
  async close(): Promise<void> {
    await Promise.all([...this.lanes.values()].map((lane) => lane.idle()));
    await Promise.all([...this.open.values()].map((queue) => queue.close()));
  }

  /** By the last figure; the next one is asked for beside. A store that is away is not full: that an offer finds out. */
  private nearlyFull(): boolean {
    if (performance.now() - this.fullness.askedAt > FULLNESS_MS) {
      this.fullness.askedAt = performance.now();
      this.backend.fullness().then(
        (part) => (this.fullness.known = part ?? 0),
        () => (this.fullness.known = 0),
      );
    }
    return this.fullness.known > BULK_UP_TO;
  }

  /** A queue that failed is opened anew the next time: BullMQ remembers a connection that could not be made for ever. */
  private async ask<T>(name: QueueName, question: (queue: JobQueue) => Promise<T>): Promise<T> {
    await this.backend.reachable();
    const queue = this.open.get(name) ?? this.start(name);
    try {
      return await question(queue);
    } catch (error) {
      if (this.open.get(name) === queue) this.open.delete(name);
      void queue.close().catch((why: unknown) => this.trouble.error('a queue could not be closed', why));
      throw error;
    }
  }

  private start(name: QueueName): JobQueue {
    const queue = this.backend.producer(name);
    queue.on('error', (error) => this.trouble.error('the store of the queues is in trouble', error));
    this.open.set(name, queue);
    return queue;
  }

  private lane<Q extends ListQueue>(name: Q): CoalescingLane {
    let lane = this.lanes.get(name);
    if (!lane) {
      lane = new CoalescingLane(
        async (ids) => {
          await this.send(name, listPayload(name, ids));
          this.offered.jobs += 1;
        },
        (error) => {
          this.offered.failedJobs += 1;
          this.trouble.error('an offer could not be stored, the clock repeats it', error);
        },
        SHORTEST_MS[this.backend.kind],
      );
      this.lanes.set(name, lane);
    }
    return lane;
  }
}
