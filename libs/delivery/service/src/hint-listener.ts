/** Listens for hints that rows changed (hints.ts) on one connection per process, and hands them to whoever watches. */
import { Database, Listening } from '@carillon/database';
import { Inject, Injectable } from '@nestjs/common';
import type { OnApplicationShutdown } from '@nestjs/common';
import { DELIVERY_HINTS, INBOX_HINTS, type Hint, type HintChannel } from './hints.js';

/** A watcher that reads slower than this many hints is told to read again. */
const BUFFERED_HINTS = 50;

export interface Watched {
  channel: HintChannel;
  workspaceId: string;
  /** Only what concerns this id; left out: everything in the workspace. */
  id?: string;
}
interface Watcher {
  of: Watched;
  waiting: (readonly string[] | null)[];
  wake: () => void;
}

@Injectable()
export class HintListener implements OnApplicationShutdown {
  private readonly watchers = new Set<Watcher>();
  private readonly listening: Listening;
  private stopped = false;

  constructor(@Inject(Database) database: Database) {
    this.listening = new Listening(database.pool, [DELIVERY_HINTS, INBOX_HINTS], {
      told: (channel, payload) => this.hand(channel, payload),
      // What was missed meanwhile is read from the rows.
      began: () => this.watchers.forEach((watcher) => push(watcher, null)),
    });
  }

  /**
   * Ids that changed, as they change; null for "many, or some may have been missed: read the rows". The first is always
   * null and comes when listening has begun, so that rows read after it leave no gap. Ends when `signal` aborts.
   */
  async *watch(of: Watched, signal: AbortSignal): AsyncGenerator<readonly string[] | null> {
    const watcher: Watcher = { of, waiting: [], wake: () => undefined };
    const wake = () => watcher.wake();
    signal.addEventListener('abort', wake);
    this.watchers.add(watcher);
    try {
      await this.listening.begin();
      // Whatever it was told until now is in what it reads now.
      watcher.waiting = [null];
      while (!signal.aborted && !this.stopped) {
        const next = watcher.waiting.shift();
        if (next !== undefined) yield next;
        else await new Promise<void>((resolve) => (watcher.wake = resolve));
      }
    } finally {
      signal.removeEventListener('abort', wake);
      this.watchers.delete(watcher);
    }
  }

  onApplicationShutdown(): void {
    this.stopped = true;
    for (const watcher of this.watchers) watcher.wake();
    this.listening.end();
  }

  private hand(channel: string, payload: string | undefined): void {
    if (payload === undefined) return;
    const hint = JSON.parse(payload) as Hint;
    const named = hint.ids && new Set(hint.ids);
    for (const watcher of this.watchers) {
      const { of } = watcher;
      if (of.channel !== channel || of.workspaceId !== hint.workspaceId) continue;
      if (of.id === undefined || named === null) push(watcher, hint.ids);
      else if (named.has(of.id)) push(watcher, [of.id]);
    }
  }
}

function push(watcher: Watcher, ids: readonly string[] | null): void {
  if (watcher.waiting.length >= BUFFERED_HINTS) watcher.waiting = [null];
  else watcher.waiting.push(ids);
  watcher.wake();
}
