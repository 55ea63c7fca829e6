/**
 * Hears on PostgreSQL that a job came, for all workers of the process on one connection, where BullMQ would listen on one per worker
 * (decision 0025). Made by `PostgresQueues`.
 */
import { Listening } from '@carillon/database';
import type pg from 'pg';

/** Where BullMQ's functions tell the name of a queue that got a job. */
const CHANNEL = 'bullmq_jobs';

export class JobNotices {
  private readonly bells = new Set<Bell>();
  private readonly listening: Listening;

  /** @param pool has room for one connection more than others need: it is kept */
  constructor(pool: pg.Pool) {
    this.listening = new Listening(pool, [CHANNEL], {
      told: (_, queue) => this.ring(queue),
      // Who looked before now may have missed one.
      began: () => this.ring(),
    });
  }

  bell(queue: string): Bell {
    const bell = new Bell(
      queue,
      () => this.listening.begin(),
      () => this.bells.delete(bell),
    );
    this.bells.add(bell);
    return bell;
  }

  end(): void {
    this.listening.end();
  }

  private ring(queue?: string): void {
    for (const bell of this.bells) if (queue === undefined || bell.queue === queue) bell.ring();
  }
}

/** One worker's bell: rings from the moment a job may have come until the worker looks. */
export class Bell {
  private ringing = true;
  private muted = false;
  private wake: () => void = () => {};

  constructor(
    readonly queue: string,
    private readonly listen: () => Promise<void>,
    private readonly forget: () => void,
  ) {}

  ring(): void {
    this.ringing = true;
    this.wake();
  }

  /** To be called before looking: what comes from now on may be missed by it. */
  silence(): void {
    this.ringing = false;
  }

  /**
   * Resolves when it rings (also if it rang since it was silenced last), is muted, or the time is over.
   * @returns whether it rings
   * @throws when nothing can be heard
   */
  async wait(seconds: number): Promise<boolean> {
    if (!this.muted) await this.listen();
    if (!this.ringing && !this.muted)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, seconds * 1_000);
        this.wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    this.wake = () => {};
    return this.ringing;
  }

  /** Nobody waits by it until it is opened again. */
  mute(muted = true): void {
    this.muted = muted;
    this.wake();
  }

  end(): void {
    this.mute();
    this.forget();
  }
}
