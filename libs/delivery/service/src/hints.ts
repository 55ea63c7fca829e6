/**
 * Hints that deliveries changed, for whoever watches (dashboard, `carillon tail`). Sent outside the hot transactions and
 * at most every 100 ms, because NOTIFY takes a lock that all commits share. Rows are the truth: a lost hint costs a
 * refresh, nothing else.
 */
import { Database } from '@carillon/database';
import { Inject, Injectable, Logger } from '@nestjs/common';
import type { OnApplicationShutdown } from '@nestjs/common';

export const DELIVERY_HINTS = 'carillon_deliveries';
const EVERY_MS = 100;
/** More ids than this are not worth naming: the watcher reads the list again. */
const NAMED_IDS = 100;

export interface DeliveryHint {
  workspaceId: string;
  /** Null: many. */
  ids: string[] | null;
}

@Injectable()
export class DeliveryHints implements OnApplicationShutdown {
  private readonly log = new Logger('DeliveryHints');
  private readonly pending = new Map<string, Set<string>>();
  private timer: NodeJS.Timeout | undefined;

  constructor(@Inject(Database) private readonly database: Database) {}

  changed(workspaceId: string, ids: readonly string[]): void {
    if (ids.length === 0) return;
    const set = this.pending.get(workspaceId) ?? new Set();
    // One more than named is enough to know that they are many.
    for (const id of ids) if (set.size <= NAMED_IDS) set.add(id);
    this.pending.set(workspaceId, set);
    this.timer ??= setTimeout(() => void this.send(), EVERY_MS).unref();
  }

  onApplicationShutdown(): void {
    clearTimeout(this.timer);
  }

  private async send(): Promise<void> {
    this.timer = undefined;
    const hints = [...this.pending].map(([workspaceId, ids]): DeliveryHint => ({
      workspaceId,
      ids: ids.size > NAMED_IDS ? null : [...ids],
    }));
    this.pending.clear();
    try {
      await this.database.acrossWorkspaces((sql) =>
        sql.execute('SELECT pg_notify($1, h) FROM unnest($2::text[]) AS h', [
          DELIVERY_HINTS,
          hints.map((h) => JSON.stringify(h)),
        ]),
      );
    } catch (error) {
      this.log.debug(`a hint was lost: ${error instanceof Error ? error.message : 'unknown error'}`);
    }
  }
}
