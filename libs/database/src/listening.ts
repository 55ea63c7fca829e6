/**
 * One connection that listens on channels of PostgreSQL for all of a process, and is made anew when it is lost: PostgreSQL wakes every
 * listening connection at every notice, whatever its channel, so a process has as few as it can (decision 0025).
 */
import { Logger } from '@nestjs/common';
import type pg from 'pg';

/** How often one looks whether it is there; and how long it may be silent before it is asked, and may take to answer. Milliseconds. */
const PATIENCE = { look: 1_000, silence: 5_000 };

export interface Heard {
  /** A notice came. */
  told: (channel: string, payload: string | undefined) => void;
  /** Listening has begun, also anew: what was told before is not known. */
  began: () => void;
}

export class Listening {
  private readonly log = new Logger('Listening');
  /** Also the question whether the connection still answers: saying it again changes nothing. */
  private readonly words: string;
  private client: pg.PoolClient | undefined;
  private connecting: Promise<void> | undefined;
  private looking: NodeJS.Timeout | undefined;
  private signOfLifeAt = 0;
  /** When it was asked what it has not answered yet. */
  private askedAt: number | null = null;
  private ended = false;

  /** @param pool has room for one connection more than others need: it is kept */
  constructor(
    private readonly pool: pg.Pool,
    channels: readonly string[],
    private readonly heard: Heard,
    private readonly patience = PATIENCE,
  ) {
    this.words = channels.map((channel) => `LISTEN ${channel}`).join('; ');
  }

  /** Resolves when it listens; goes on until it ends. @throws when there is no connection to be had, which is tried again */
  async begin(): Promise<void> {
    if (this.ended) return;
    this.looking ??= setInterval(() => this.look(), this.patience.look).unref();
    if (!this.client) this.connecting ??= this.connect().finally(() => (this.connecting = undefined));
    await this.connecting;
  }

  end(): void {
    this.ended = true;
    clearInterval(this.looking);
    if (this.client) this.drop(this.client);
  }

  private async connect(): Promise<void> {
    const client = await this.pool.connect();
    this.client = client;
    client.on('error', (error) => this.drop(client, error));
    client.on('notification', ({ channel, payload }) => {
      this.signOfLifeAt = performance.now();
      this.heard.told(channel, payload);
    });
    try {
      await client.query(this.words);
    } catch (error) {
      this.drop(client);
      throw error;
    }
    this.signOfLifeAt = performance.now();
    this.askedAt = null;
    this.heard.began();
    if (this.ended) this.drop(client);
  }

  private look(): void {
    const { client } = this;
    // Whoever waits for it is told why not; here it is tried again.
    if (!client) return void this.begin().catch(() => {});
    const now = performance.now();
    if (this.askedAt !== null) {
      if (now - this.askedAt > this.patience.silence) this.drop(client, new Error('it does not answer'));
    } else if (now - this.signOfLifeAt > this.patience.silence) this.ask(client);
  }

  private ask(client: pg.PoolClient): void {
    this.askedAt = performance.now();
    client.query(this.words).then(
      () => {
        if (this.client !== client) return;
        this.signOfLifeAt = performance.now();
        this.askedAt = null;
      },
      (error: Error) => this.drop(client, error),
    );
  }

  private drop(client: pg.PoolClient, error?: Error): void {
    if (this.client !== client) return;
    this.client = undefined;
    client.removeAllListeners('notification');
    client.release(true);
    if (!error || this.ended) return;
    this.log.warn(`the connection that listens broke: ${error.message}`);
    this.look();
  }
}
