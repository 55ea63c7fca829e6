/**
 * Hints that rows changed, for whoever watches (dashboard, `carillon tail`, inboxes in browsers). Sent outside the hot
 * transactions and at most every 100 ms, because NOTIFY takes a lock that all commits share. Rows are the truth: a lost
 * hint costs a refresh, nothing else. hint-listener.ts hears them.
 */
import { Database, kept } from '@carillon/database';
import { Inject, Injectable, Logger } from '@nestjs/common';
import type { OnApplicationShutdown } from '@nestjs/common';

/** Named by the ids of deliveries. */
export const DELIVERY_HINTS = 'carillon_deliveries';
/** Named by the ids of profiles. */
export const INBOX_HINTS = 'carillon_inboxes';
export type HintChannel = typeof DELIVERY_HINTS | typeof INBOX_HINTS;

const NOTIFY = kept('notify', 'SELECT pg_notify($1, h) FROM unnest($2::text[]) AS h');
const EVERY_MS = 100;
/** More ids than this are not worth naming: the watcher reads again. */
const NAMED_IDS = 100;

export interface Hint {
  workspaceId: string;
  /** Null: many. */
  ids: string[] | null;
}

export class Hints {
  private readonly log = new Logger('Hints');
  private readonly pending = new Map<string, Set<string>>();
  private timer: NodeJS.Timeout | undefined;
  private sentAt = -EVERY_MS;

  constructor(
    private readonly database: Database,
    private readonly channel: HintChannel,
  ) {}

  changed(workspaceId: string, ids: readonly string[]): void {
    if (ids.length === 0) return;
    const set = this.pending.get(workspaceId) ?? new Set();
    // One more than named is enough to know that they are many.
    for (const id of ids) if (set.size <= NAMED_IDS) set.add(id);
    this.pending.set(workspaceId, set);
    this.plan();
  }

  stop(): void {
    clearTimeout(this.timer);
  }

  /** The first change after a pause goes out at once; those behind it travel together. */
  private plan(): void {
    const waitMs = Math.max(0, this.sentAt + EVERY_MS - performance.now());
    this.timer ??= setTimeout(() => void this.send(), waitMs).unref();
  }

  private async send(): Promise<void> {
    const hints = [...this.pending].map(([workspaceId, ids]): Hint => ({
      workspaceId,
      ids: ids.size > NAMED_IDS ? null : [...ids],
    }));
    this.pending.clear();
    try {
      await this.database.acrossWorkspaces((sql) =>
        sql.last.execute(NOTIFY, [this.channel, hints.map((h) => JSON.stringify(h))]),
      );
    } catch (error) {
      this.log.debug(`a hint was lost: ${error instanceof Error ? error.message : 'unknown error'}`);
    }
    this.sentAt = performance.now();
    this.timer = undefined;
    if (this.pending.size > 0) this.plan();
  }
}

@Injectable()
export class DeliveryHints extends Hints implements OnApplicationShutdown {
  constructor(@Inject(Database) database: Database) {
    super(database, DELIVERY_HINTS);
  }

  onApplicationShutdown(): void {
    this.stop();
  }
}

const inboxes = new WeakMap<Database, Hints>();
/** One per process: a provider stores items through a port that knows the database alone. */
export function inboxHints(database: Database): Hints {
  const hints = inboxes.get(database) ?? new Hints(database, INBOX_HINTS);
  inboxes.set(database, hints);
  return hints;
}
