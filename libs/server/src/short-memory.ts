/** Remembers what a look-up found for a few seconds, and lets look-ups that come together share one. */

const KEEP_MS = 2_000;
const MOST = 10_000;

export class ShortMemory<Value> {
  private readonly entries = new Map<string, { value: Promise<Value | null>; until: number }>();

  /** Misses are shared while they run, but not remembered: a guesser must not fill the memory. */
  recall(key: string, lookUp: () => Promise<Value | null>): Promise<Value | null> {
    const now = Date.now();
    const entry = this.entries.get(key);
    if (entry && entry.until > now) return entry.value;
    const forgetIt = () => {
      if (this.entries.get(key)?.value === value) this.entries.delete(key);
    };
    // Counted from the start of the look-up: what it read may change while it runs.
    const value = lookUp();
    this.entries.delete(key);
    this.entries.set(key, { value, until: now + KEEP_MS });
    value.then((found) => found === null && forgetIt(), forgetIt);
    if (this.entries.size > MOST) this.dropOldest();
    return value;
  }

  clear(): void {
    this.entries.clear();
  }

  private dropOldest(): void {
    for (const key of this.entries.keys()) {
      if (this.entries.size <= MOST) return;
      this.entries.delete(key);
    }
  }
}
