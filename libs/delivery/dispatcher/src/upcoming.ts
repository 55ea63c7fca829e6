/**
 * Who of a page is still to go, read a window at a time, while the window before is leaving. A page at once would be a thousand people
 * who wait with all that is known of them, and each collection of garbage would carry them from one place to the next.
 */
import type { Member, PageInHand } from './claim-page.js';

export class Upcoming {
  private there: readonly Member[] = [];
  private reading: Promise<void> | undefined;
  private from: number;

  /**
   * @param logged ids that are in the log already
   * @param read members from one place to before another
   * @param most places that are read at once, asked each time
   */
  constructor(
    private readonly page: Pick<PageInHand, 'mark' | 'hi'>,
    private readonly logged: ReadonlySet<string>,
    private readonly read: (from: number, to: number) => Promise<readonly Member[]>,
    private readonly most: () => number,
  ) {
    this.from = page.mark;
  }

  /** Begins to read them. What fails is told to whoever asks for them. */
  ahead(): void {
    this.reading ??= this.more().catch((error: unknown) => {
      // Whoever asks again has them read again.
      this.reading = undefined;
      throw error;
    });
    this.reading.catch(() => undefined);
  }

  /** @returns those who are next; none when the page is at its end */
  async next(): Promise<readonly Member[]> {
    this.ahead();
    await this.reading;
    return this.there;
  }

  /** So many of them went. */
  went(count: number): void {
    this.there = this.there.slice(count);
    this.reading = undefined;
  }

  private async more(): Promise<void> {
    const { hi } = this.page;
    while (this.there.length === 0 && this.from < hi) {
      const to = Math.min(hi, this.from + this.most());
      const read = await this.read(this.from, to);
      this.there = this.logged.size === 0 ? read : read.filter(({ id }) => !this.logged.has(id));
      this.from = to;
    }
  }
}
