/** Listens for hints that deliveries changed (hints.ts) on one connection per process, and hands them to whoever watches. */
import { Database } from '@carillon/database';
import { Inject, Injectable, Logger } from '@nestjs/common';
import type { OnApplicationShutdown } from '@nestjs/common';
import type { PoolClient } from 'pg';
import { DELIVERY_HINTS, type DeliveryHint } from './hints.js';

/** A watcher that reads slower than this many hints is told to read the list again. */
const BUFFERED_HINTS = 50;
const RECONNECT_MS = 1000;

interface Watcher {
  workspaceId: string;
  waiting: (string[] | null)[];
  wake: () => void;
}

@Injectable()
export class HintListener implements OnApplicationShutdown {
  private readonly log = new Logger('HintListener');
  private readonly watchers = new Set<Watcher>();
  private client: PoolClient | undefined;
  private connecting: Promise<void> | undefined;
  private stopped = false;

  constructor(@Inject(Database) private readonly database: Database) {}

  /** Ids that changed, as they change; null for "many". Ends when `signal` aborts. */
  async *watch(workspaceId: string, signal: AbortSignal): AsyncGenerator<string[] | null> {
    const watcher: Watcher = { workspaceId, waiting: [], wake: () => undefined };
    this.watchers.add(watcher);
    const wake = () => watcher.wake();
    signal.addEventListener('abort', wake);
    try {
      await this.listen();
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
    this.client?.release(true);
    this.client = undefined;
  }

  private listen(): Promise<void> {
    this.connecting ??= this.connect().finally(() => (this.connecting = undefined));
    return this.client ? Promise.resolve() : this.connecting;
  }

  private async connect(): Promise<void> {
    if (this.client || this.stopped) return;
    const client = await this.database.pool.connect();
    this.client = client;
    client.on('notification', ({ payload }) => this.hand(payload));
    client.once('error', (error) => {
      this.log.warn(`the hint connection broke: ${error.message}`);
      this.client = undefined;
      client.release(true);
      if (this.watchers.size > 0)
        setTimeout(() => void this.listen().catch(() => undefined), RECONNECT_MS).unref();
      // What was missed meanwhile is read from the rows.
      for (const watcher of this.watchers) push(watcher, null);
    });
    await client.query(`LISTEN ${DELIVERY_HINTS}`);
  }

  private hand(payload: string | undefined): void {
    if (payload === undefined) return;
    const hint = JSON.parse(payload) as DeliveryHint;
    for (const watcher of this.watchers)
      if (watcher.workspaceId === hint.workspaceId) push(watcher, hint.ids);
  }
}

function push(watcher: Watcher, ids: string[] | null): void {
  if (watcher.waiting.length >= BUFFERED_HINTS) watcher.waiting = [null];
  else watcher.waiting.push(ids);
  watcher.wake();
}
