/** Server-sent events (HTML Living Standard §9.2) from an async iterable, with a heartbeat and a credential check. */
import type { StreamEvent } from './operation.js';

/** Proxies close what is silent for longer; a client that left is noticed by the write. */
const HEARTBEAT_MS = 15_000;
/** With what is remembered of a look-up (short-memory.ts), a revoked key loses its stream within 5 seconds. */
const CHECK_MS = 2_000;

/**
 * @param events must end when the call's signal aborts
 * @param stillWelcome asked every few seconds; false ends the stream
 * @param end aborts the call's signal
 */
export async function* eventStream(
  events: AsyncIterable<unknown>,
  stillWelcome: () => Promise<boolean>,
  end: () => void,
): AsyncGenerator<string> {
  // Sends the headers now, so that the client knows the stream is open before the first event.
  yield ': open\n\n';
  const iterator = events[Symbol.asyncIterator]();
  const ticker = new Ticker(CHECK_MS);
  let sinceWrite = 0;
  try {
    let next = iterator.next();
    for (;;) {
      const turn = await Promise.race([next, ticker.tick()]);
      if (turn === undefined) {
        sinceWrite += CHECK_MS;
        if (!(await stillWelcome())) return;
        if (sinceWrite >= HEARTBEAT_MS) {
          sinceWrite = 0;
          yield ': \n\n';
        }
        continue;
      }
      if (turn.done) return;
      sinceWrite = 0;
      yield frame(turn.value as StreamEvent);
      next = iterator.next();
    }
  } finally {
    ticker.stop();
    // First, or a source that waits for its next event would never hear of it.
    end();
    await iterator.return?.();
  }
}

const oneLine = (text: string): string => text.replace(/[\r\n\0]/g, ' ');

function frame(event: StreamEvent): string {
  // JSON holds no raw line breaks, so one data line is always enough.
  const lines = [`data: ${JSON.stringify(event.data)}`];
  if (event.event !== undefined) lines.unshift(`event: ${oneLine(event.event)}`);
  if (event.id !== undefined) lines.unshift(`id: ${oneLine(event.id)}`);
  return `${lines.join('\n')}\n\n`;
}

/** A promise per period, without a new timer for every event that comes in between. */
class Ticker {
  private waiting: Promise<undefined> | undefined;
  private timer: NodeJS.Timeout | undefined;
  private release: (() => void) | undefined;
  constructor(private readonly periodMs: number) {}

  tick(): Promise<undefined> {
    this.waiting ??= new Promise((resolve) => {
      this.release = () => resolve(undefined);
      this.timer = setTimeout(() => {
        this.waiting = undefined;
        resolve(undefined);
      }, this.periodMs);
    });
    return this.waiting;
  }

  stop(): void {
    clearTimeout(this.timer);
    this.release?.();
  }
}
