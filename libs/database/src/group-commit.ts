/**
 * Work that arrives together shares one transaction. While a flush runs, what arrives waits for the next one, so that
 * groups grow with the load and a lone caller waits for nobody. Reads are so quick that hardly two would meet: `restMs` lets
 * the next group begin so long after the last one did.
 */
export class GroupCommit<Item, Result> {
  private waiting: { item: Item; resolve: (r: Result) => void; reject: (e: unknown) => void }[] = [];
  private running = 0;
  private scheduled = false;
  private begun = -Infinity;

  /**
   * @param flush commits the items and returns one result each, in order. When it throws, every caller of the group sees it.
   * @param limits `size`: items per group; `parallel`: groups under way at once; `restMs`: between the beginnings of two groups
   */
  constructor(
    private readonly flush: (items: Item[]) => Promise<Result[]>,
    private readonly limits: { size: number; parallel: number; restMs?: number } = { size: 500, parallel: 2 },
  ) {}

  add(item: Item): Promise<Result> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ item, resolve, reject });
      this.schedule();
    });
  }

  private schedule(): void {
    if (this.scheduled || this.running >= this.limits.parallel || this.waiting.length === 0) return;
    this.scheduled = true;
    const go = () => {
      this.scheduled = false;
      void this.run();
    };
    const rest = this.begun + (this.limits.restMs ?? 0) - performance.now();
    if (rest > 0) setTimeout(go, rest);
    else setImmediate(go);
  }

  private async run(): Promise<void> {
    const group = this.waiting.splice(0, this.limits.size);
    if (group.length === 0) return;
    this.running += 1;
    this.begun = performance.now();
    this.schedule();
    try {
      const results = await this.flush(group.map((g) => g.item));
      group.forEach((g, i) => g.resolve(results[i] as Result));
    } catch (error) {
      for (const g of group) g.reject(error);
    } finally {
      this.running -= 1;
      this.schedule();
    }
  }
}
