/**
 * Server-sent events over fetch (EventSource cannot send the key): parsed, with heartbeats dropped, reconnected with
 * Last-Event-ID until the caller stops. Events are hints; whoever needs the truth reads the rows.
 */
import { createParser } from 'eventsource-parser';
import { CarillonError } from './problems.js';
import type { CallOptions } from './requests.js';
import { sleep } from './requests.js';

/** The server says something at least every 15 s; a connection silent for longer than this is taken for dead. */
const SILENCE_MS = 60_000;
/** A server that hangs up at once must not be called in a tight loop. */
const RECONNECT_MS = 1000;

export interface StreamEvent {
  /** The server's word; `reconnected` is ours: something may have been missed meanwhile. */
  event: string;
  id: string | undefined;
  data: string;
}

/**
 * Yields events until the signal aborts (ends quietly) or the server refuses for good (throws).
 * @param open opens the response; called again with the last event id after a lost connection
 */
export async function* events(
  open: (headers: Record<string, string>) => Promise<Response>,
  options: CallOptions | undefined,
): AsyncGenerator<StreamEvent, void, undefined> {
  let lastId: string | undefined;
  for (let first = true; ; first = false) {
    try {
      const response = await open({
        accept: 'text/event-stream',
        ...(lastId === undefined ? {} : { 'last-event-id': lastId }),
      });
      if (!response.headers.get('content-type')?.startsWith('text/event-stream'))
        throw new CarillonError('The stream was answered with something else: check baseUrl and any proxy.');
      if (!first) yield { event: 'reconnected', id: undefined, data: '' };
      for await (const event of read(response)) {
        lastId = event.id ?? lastId;
        yield event;
      }
    } catch (error) {
      if (options?.signal?.aborted) return;
      // `open` has tried again by itself already, so what it throws is meant; anything else is a broken connection.
      if (error instanceof CarillonError) throw error;
    }
    try {
      await sleep(RECONNECT_MS, options?.signal);
    } catch {
      return; // Aborted while waiting: the quiet end.
    }
  }
}

async function* read(response: Response): AsyncGenerator<StreamEvent, void, undefined> {
  if (response.body === null) return;
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  const ready: StreamEvent[] = [];
  const parser = createParser({
    onEvent: ({ event, id, data }) => ready.push({ event: event ?? 'message', id, data }),
  });
  try {
    for (;;) {
      const { done, value } = await withinSilence(reader.read());
      if (done) return;
      parser.feed(decoder.decode(value, { stream: true }));
      yield* ready.splice(0);
    }
  } finally {
    // Left early by `break`: lets go of the connection. A reader that broke already has nothing to cancel.
    await reader.cancel().catch(() => undefined);
  }
}

async function withinSilence<T>(reading: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const silence = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('The stream fell silent.')), SILENCE_MS);
  });
  try {
    return await Promise.race([reading, silence]);
  } finally {
    clearTimeout(timer);
  }
}
