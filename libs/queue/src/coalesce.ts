/**
 * Lets what is offered within a few milliseconds travel as one job. At most one store is under way per lane, and what
 * arrives meanwhile goes with the next one, so a job grows with the load instead of the number of jobs: a queue on
 * PostgreSQL does about 1,200 jobs a second whatever they carry. Knows no queue; called by `Queues`.
 */
import { setImmediate, setTimeout as sleep } from 'node:timers/promises';

/** The most ids of one job. */
export const LIST_LIMIT = 1_000;
/**
 * How long a lane rests between two stores, and gathers: at least this, and as long as the last store took, up to the longest. What
 * comes to a lane that has rested leaves at once. Milliseconds. On PostgreSQL longer, because there a job costs its store and its
 * worker about two milliseconds of processor.
 */
export const SHORTEST_MS = { redis: 2, postgres: 8 };
const LONGEST_MS = 25;
/** Ids that may wait in memory, while the store is slow or away. More are turned away: they lie in rows. */
const MOST_WAITING = 50_000;

interface Offer {
  ids: readonly string[];
  done: (stored: boolean) => void;
}

export class CoalescingLane {
  private waiting: Offer[] = [];
  private waitingIds = 0;
  private running: Promise<void> | undefined;
  private restMs: number;
  /** When the last store ended. */
  private ended = -Infinity;

  /**
   * @param store stores one job of 1 to 1,000 ids
   * @param failed told of a store that failed; the offers in it resolve with false
   */
  constructor(
    private readonly store: (ids: string[]) => Promise<void>,
    private readonly failed: (error: unknown) => void,
    private readonly shortestMs = SHORTEST_MS.redis,
  ) {
    this.restMs = shortestMs;
  }

  /** Resolves when all ids are stored: true, or false when some could not be, or too many wait already. */
  async offer(ids: readonly string[]): Promise<boolean> {
    if (this.waitingIds + ids.length > MOST_WAITING) return false;
    this.waitingIds += ids.length;
    const parts: Promise<boolean>[] = [];
    for (let at = 0; at < ids.length; at += LIST_LIMIT) {
      const part = ids.slice(at, at + LIST_LIMIT);
      parts.push(new Promise((done) => this.waiting.push({ ids: part, done })));
    }
    this.running ??= this.run().finally(() => (this.running = undefined));
    return (await Promise.all(parts)).every(Boolean);
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> {
    while (this.running) await this.running;
  }

  private async run(): Promise<void> {
    while (this.waiting.length) {
      const rest = this.ended + this.restMs - performance.now();
      // What else is offered in this turn of the loop goes along in any case.
      await (rest > 0 ? sleep(rest) : setImmediate());
      const offers = this.take();
      this.waitingIds -= offers.reduce((sum, { ids }) => sum + ids.length, 0);
      const began = performance.now();
      const stored = await this.store([...new Set(offers.flatMap((offer) => offer.ids))]).then(
        () => true,
        (error: unknown) => {
          this.failed(error);
          return false;
        },
      );
      this.ended = performance.now();
      this.restMs = Math.min(LONGEST_MS, Math.max(this.shortestMs, this.ended - began));
      for (const offer of offers) offer.done(stored);
    }
  }

  private take(): Offer[] {
    let count = 0;
    const end = this.waiting.findIndex((offer) => (count += offer.ids.length) > LIST_LIMIT);
    return this.waiting.splice(0, end < 0 ? this.waiting.length : end);
  }
}
