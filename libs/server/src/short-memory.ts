/**
 * Remembers what a look-up found for two seconds, and lets look-ups that come together share one. After the first of them it looks
 * again beside its callers, who go on with what is known: those of a busy key never wait for the database.
 */

const FRESH_MS = 1_000;
const KEEP_MS = 2_000;
const MOST = 10_000;

interface Entry<Value> {
  value: Promise<Value | null>;
  /** When the look-up began: what it read may change while it runs. */
  from: number;
  renewing: boolean;
}

export class ShortMemory<Value> {
  private readonly entries = new Map<string, Entry<Value>>();

  /** Misses are shared while they run, but not remembered: a guesser must not fill the memory. */
  recall(key: string, lookUp: () => Promise<Value | null>): Promise<Value | null> {
    const known = this.entries.get(key);
    const age = known ? Date.now() - known.from : Infinity;
    if (!known || age >= KEEP_MS) return this.begin(key, lookUp).value;
    if (age >= FRESH_MS && !known.renewing) this.renew(key, known, lookUp);
    return known.value;
  }

  clear(): void {
    this.entries.clear();
  }

  private begin(key: string, lookUp: () => Promise<Value | null>): Entry<Value> {
    const from = Date.now();
    const entry = { value: lookUp(), from, renewing: false };
    this.keep(key, entry);
    const forgetIt = () => {
      if (this.entries.get(key) === entry) this.entries.delete(key);
    };
    entry.value.then((found) => found === null && forgetIt(), forgetIt);
    return entry;
  }

  /** What fails here is left to whoever asks when the time is over. */
  private renew(key: string, known: Entry<Value>, lookUp: () => Promise<Value | null>): void {
    known.renewing = true;
    const from = Date.now();
    const value = lookUp();
    value.then(
      (found) => {
        if (this.entries.get(key) !== known) return;
        if (found === null) this.entries.delete(key);
        else this.keep(key, { value, from, renewing: false });
      },
      () => (known.renewing = false),
    );
  }

  /** In order of their look-ups, so that the oldest is dropped. */
  private keep(key: string, entry: Entry<Value>): void {
    this.entries.delete(key);
    this.entries.set(key, entry);
    for (const oldest of this.entries.keys()) {
      if (this.entries.size <= MOST) return;
      this.entries.delete(oldest);
    }
  }
}
