/**
 * Logs errors that may come thousands a second (a store that is away) as at most one line a second, with the number
 * left unsaid. Strips what may be personal: an error's text can quote an address. Used for workers and for offers.
 */
import type { LoggerService } from '@nestjs/common';

const EVERY_MS = 1_000;
const LONGEST = 300;

export class BoundedLog {
  private unsaid = 0;
  private last: unknown;
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly log: Pick<LoggerService, 'error'>,
    /** What the line is about, for example `queue deliver-email-bulk`. */
    private readonly subject: string,
  ) {}

  error(sentence: string, error: unknown): void {
    if (this.timer) {
      this.unsaid += 1;
      this.last = error;
      return;
    }
    this.log.error(`${this.subject}: ${sentence}: ${plain(error)}`);
    this.timer = setTimeout(() => this.catchUp(), EVERY_MS).unref();
  }

  private catchUp(): void {
    this.timer = undefined;
    if (!this.unsaid) return;
    const more = this.unsaid;
    this.unsaid = 0;
    this.error(`${more} more in the last second, the latest`, this.last);
  }
}

/** An error's name and text on one line, without addresses and numbers. */
export function plain(error: unknown): string {
  const { name, code, message } = error instanceof Error ? (error as NodeJS.ErrnoException) : {};
  const text = [name, code, message || String(error)].filter(Boolean).join(' ');
  return text
    .replace(/[^\s@"'<>(),;]+@[^\s@"'<>(),;]+/g, '<address>')
    .replace(/\+?\d(?:[ ().-]?\d){6,}/g, '<number>')
    .replace(/\s+/g, ' ')
    .slice(0, LONGEST);
}
