/**
 * Hears on PostgreSQL that a job came, on one connection for all workers of the process. BullMQ would listen on a connection per
 * worker, and PostgreSQL wakes every listening connection at every notice, whatever its channel (decision 0025).
 * Made by `PostgresQueues`.
 */
import type pg from 'pg';

/** Where BullMQ's functions tell the name of a queue that got a job. */
const CHANNEL = 'bullmq_jobs';
/** Also the question whether a connection still answers: saying it again changes nothing. */
const LISTEN = `LISTEN ${CHANNEL}`;
/** A connection that was silent for so long is asked whether it still answers. */
const SILENCE_MS = 5_000;

export class JobNotices {
  private readonly bells = new Set<Bell>();
  private client: pg.PoolClient | undefined;
  private connecting: Promise<void> | undefined;
  private signOfLifeAt = 0;
  private ended = false;

  /** @param pool has room for one connection more than others need: it is kept */
  constructor(private readonly pool: pg.Pool) {}

  bell(queue: string): Bell {
    const bell = new Bell(
      queue,
      () => this.listen(),
      () => this.bells.delete(bell),
    );
    this.bells.add(bell);
    return bell;
  }

  end(): void {
    this.ended = true;
    if (this.client) this.drop(this.client);
  }

  /** @throws when there is no connection to be had */
  private async listen(): Promise<void> {
    if (this.ended) return;
    if (this.client) {
      if (performance.now() - this.signOfLifeAt > SILENCE_MS) this.ask(this.client);
      return;
    }
    this.connecting ??= this.connect().finally(() => (this.connecting = undefined));
    await this.connecting;
  }

  private async connect(): Promise<void> {
    const client = await this.pool.connect();
    this.client = client;
    client.on('error', () => this.drop(client));
    client.on('notification', ({ channel, payload }) => {
      this.signOfLifeAt = performance.now();
      if (channel === CHANNEL) this.ring(payload);
    });
    try {
      await client.query(LISTEN);
    } catch (error) {
      this.drop(client);
      throw error;
    }
    this.signOfLifeAt = performance.now();
    // Who looked before now may have missed one.
    this.ring();
    if (this.ended) this.drop(client);
  }

  private ask(client: pg.PoolClient): void {
    this.signOfLifeAt = performance.now();
    client.query(LISTEN).catch(() => this.drop(client));
  }

  private ring(queue?: string): void {
    for (const bell of this.bells) if (queue === undefined || bell.queue === queue) bell.ring();
  }

  /** Whoever waits looks for himself, and listens anew when he has to wait again. */
  private drop(client: pg.PoolClient): void {
    if (this.client !== client) return;
    this.client = undefined;
    client.removeAllListeners('notification');
    client.release(true);
    this.ring();
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
