/** The bytes of an open stream as events (HTML Living Standard §9.2). A connection that is silent for too long has died. */
import { createParser } from 'eventsource-parser';
import type { InboxStreamEvent } from './item.js';

/** The server says something at least every 16 seconds. */
const SILENCE_MS = 45_000;

/**
 * Ends when the server ends the stream.
 * @throws whatever broke the connection, and an Error after the silence
 */
export async function* eventsOf(
  response: Response,
  silenceMs = SILENCE_MS,
): AsyncGenerator<{ seq: number; event: InboxStreamEvent }, void, undefined> {
  if (!response.body) return;
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  const ready: { seq: number; event: InboxStreamEvent }[] = [];
  const parser = createParser({
    onEvent: ({ id, data }) => ready.push({ seq: Number(id), event: JSON.parse(data) as InboxStreamEvent }),
  });
  try {
    for (;;) {
      const { done, value } = await within(silenceMs, reader.read());
      if (done) return;
      parser.feed(decoder.decode(value, { stream: true }));
      yield* ready.splice(0);
    }
  } finally {
    // Lets go of the connection; one that broke has nothing left to cancel.
    await reader.cancel().catch(() => undefined);
  }
}

async function within<T>(ms: number, promise: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const silence = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error('The stream fell silent.')), ms);
  });
  try {
    return await Promise.race([promise, silence]);
  } finally {
    clearTimeout(timer);
  }
}
