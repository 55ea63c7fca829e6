/**
 * Tells open pages that something changed (server-sent events). Only a hint with the totals: a page then asks for
 * what it shows, so that a flood of messages costs a browser four small events a second.
 */
import type { ServerResponse } from 'node:http';

export class ChangeStream {
  readonly #streams = new Set<ServerResponse>();
  #timer: NodeJS.Timeout | undefined;

  constructor(private readonly state: () => unknown) {}

  join(stream: ServerResponse): void {
    stream.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    stream.write(this.#event());
    this.#streams.add(stream);
    stream.once('close', () => this.#streams.delete(stream));
  }

  /** Cheap when nobody looks; called for every message. */
  tell(): void {
    if (this.#timer || !this.#streams.size) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      const event = this.#event();
      // A browser that does not read is dropped rather than buffered for; it comes back by itself.
      for (const stream of this.#streams) {
        if (!stream.write(event) && stream.writableLength > 1_000_000) stream.destroy();
      }
    }, 250);
    this.#timer.unref();
  }

  close(): void {
    clearTimeout(this.#timer);
    for (const stream of this.#streams) stream.destroy();
  }

  #event(): string {
    return `event: changed\ndata: ${JSON.stringify(this.state())}\n\n`;
  }
}
