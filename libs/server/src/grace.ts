/**
 * How long a stopping process may still take. One deadline for whoever finishes something there, so that waits that
 * follow each other (door, direct lanes, webhooks, workers) do not add up past the moment at which the process gives up.
 */
export class Grace {
  private endsAt: number | undefined;

  constructor(
    private readonly wholeMs: number,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** Whether the process is stopping. */
  begun(): boolean {
    return this.endsAt !== undefined;
  }

  /** Whether what begins now may still come to its end: two thirds of it are for that. */
  mayBegin(): boolean {
    return !this.begun() || this.leftMs() > (this.wholeMs * 2) / 3;
  }

  /** The deadline is set by the first call. @returns what is left of it, never below 0 */
  leftMs(): number {
    const now = this.now();
    this.endsAt ??= now + this.wholeMs;
    return Math.max(0, Math.round(this.endsAt - now));
  }
}
