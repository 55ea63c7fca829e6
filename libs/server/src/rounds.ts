/**
 * Work that a process looks for again and again: one round at a time, a rest after each, a longer one after a round that
 * failed, because the database is then away or overloaded. The clock, the learning of outcomes, audiences and webhooks.
 */
import type { LoggerService } from '@nestjs/common';

/** After a round that failed. */
const TROUBLED_MS = 2000;

export interface RoundsOptions {
  /** Milliseconds between two rounds. */
  restMs: number;
  log: Pick<LoggerService, 'error'>;
  /** Begins the line about a round that failed. */
  trouble: string;
  troubledMs?: number;
}

export class Rounds {
  private timer: NodeJS.Timeout | undefined;
  private round: Promise<void> | undefined;
  private hurried = false;
  private over = false;

  constructor(
    private readonly work: () => Promise<unknown>,
    private readonly options: RoundsOptions,
  ) {}

  /** A round that takes long looks at it, and ends between two steps. */
  get stopping(): boolean {
    return this.over;
  }

  start(): void {
    this.plan(0);
  }

  /** The next round begins at once; the one that is under way may have looked too early, and is followed by another. */
  hurry(): void {
    if (this.round) this.hurried = true;
    else this.plan(0);
  }

  /** No further round; resolves when the last has ended. */
  async stop(): Promise<void> {
    this.over = true;
    clearTimeout(this.timer);
    await this.round;
  }

  private plan(afterMs: number): void {
    clearTimeout(this.timer);
    if (this.over) return;
    this.timer = setTimeout(() => {
      this.round = this.once();
    }, afterMs);
  }

  private async once(): Promise<void> {
    const { restMs, log, trouble, troubledMs = TROUBLED_MS } = this.options;
    this.hurried = false;
    let rest = restMs;
    try {
      await this.work();
    } catch (error) {
      rest = troubledMs;
      log.error(`${trouble}: ${error instanceof Error ? error.message : 'unknown error'}`);
    }
    this.round = undefined;
    this.plan(this.hurried && rest === restMs ? 0 : rest);
  }
}
