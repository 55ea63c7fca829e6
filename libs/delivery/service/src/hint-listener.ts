/** Listens for hints that rows changed (hints.ts) on one connection per process, and hands them to whoever watches. */
import { Database } from '@carillon/database';
import { Inject, Injectable, Logger } from '@nestjs/common';
import type { OnApplicationShutdown } from '@nestjs/common';
import { DELIVERY_HINTS, INBOX_HINTS, type Hint, type HintChannel } from './hints.js';

/** A watcher that reads slower than this many hints is told to read again. */
const BUFFERED_HINTS = 50;
const RECONNECT_MS = 1000;

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
  private readonly log = new Logger('HintListener');
  private readonly watchers = new Set<Watcher>();
  /** Ends the connection; undefined while there is none. */
  private hangUp: (() => void) | undefined;
  private connecting: Promise<void> | undefined;
  private retry: NodeJS.Timeout | undefined;
  private stopped = false;

  constructor(@Inject(Database) private readonly database: Database) {}

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
      await this.listen();
      push(watcher, null);
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
    clearTimeout(this.retry);
    for (const watcher of this.watchers) watcher.wake();
    this.hangUp?.();
  }

  private async listen(): Promise<void> {
    if (this.hangUp || this.stopped) return;
    this.connecting ??= this.connect().finally(() => (this.connecting = undefined));
    await this.connecting;
  }

  private async connect(): Promise<void> {
    const client = await this.database.pool.connect();
    let released = false;
    const release = () => {
      if (!released) client.release(true);
      released = true;
      if (this.hangUp === release) this.hangUp = undefined;
    };
    client.on('error', (error) => {
      const wasOurs = this.hangUp === release;
      release();
      if (!wasOurs) return;
      this.log.warn(`the hint connection broke: ${error.message}`);
      this.listenAgain();
    });
    client.on('notification', ({ channel, payload }) => this.hand(channel, payload));
    try {
      await client.query(`LISTEN ${DELIVERY_HINTS}; LISTEN ${INBOX_HINTS}`);
    } catch (error) {
      release();
      throw error;
    }
    if (this.stopped) release();
    else this.hangUp = release;
  }

  private listenAgain(): void {
    if (this.stopped || this.watchers.size === 0) return;
    this.retry = setTimeout(() => {
      this.listen().then(
        // What was missed meanwhile is read from the rows.
        () => this.watchers.forEach((watcher) => push(watcher, null)),
        () => this.listenAgain(),
      );
    }, RECONNECT_MS).unref();
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
