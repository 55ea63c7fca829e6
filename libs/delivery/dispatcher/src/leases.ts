/** Keeps this worker's leases alive: one UPDATE every few seconds for everything in hand. A dead worker stops; its rows fall due. */
import { keptByDay, type Database } from '@carillon/database';
import { groupBy } from '@carillon/delivery-service';
import { Logger } from '@nestjs/common';
import { LEASE_SECONDS, type Claimed } from './claim.js';

const RENEW_EVERY_MS = 3000;
// A row that is being marked or recorded at this moment is left out: waiting for each other's rows, two lists could wait for ever.
const RENEW = keptByDay(
  'renew',
  (day) => `WITH mine AS (
       SELECT d.id FROM deliveries d JOIN unnest($1::uuid[], $2::int[]) AS u(id, attempt) ON d.id = u.id
        WHERE d.day = ${day} AND d.id = ANY($1::uuid[]) AND d.attempt = u.attempt AND d.status = 'sending' FOR UPDATE OF d SKIP LOCKED)
     UPDATE deliveries d SET due_at = now() + make_interval(secs => $3) FROM mine WHERE d.day = ${day} AND d.id = ANY($1::uuid[]) AND d.id = mine.id`,
);

export class Leases {
  private readonly held = new Map<string, Claimed>();
  private timer: NodeJS.Timeout | undefined;
  private readonly log = new Logger('Leases');

  constructor(private readonly database: Database) {}

  hold(claimed: readonly Claimed[]): void {
    for (const d of claimed) this.held.set(d.id, d);
    this.timer ??= setInterval(() => void this.renew(), RENEW_EVERY_MS).unref();
  }
  release(claimed: readonly Claimed[]): void {
    for (const d of claimed) this.held.delete(d.id);
    if (this.held.size === 0) this.stop();
  }
  stop(): void {
    clearInterval(this.timer);
    this.timer = undefined;
  }

  /**
   * Gives back what has not been marked as handed over: another process, or the next one, takes it at once instead of
   * when the lease runs out. What was marked is left to its end, or to become unknown.
   * @returns how many
   */
  async handBack(): Promise<number> {
    this.stop();
    const rest = [...this.held.values()];
    this.held.clear();
    if (rest.length === 0) return 0;
    return this.database.acrossWorkspaces(async (sql) => {
      let count = 0;
      for (const [day, some] of groupBy(rest, (d) => d.day))
        count += await sql.execute(
          `UPDATE deliveries d SET status = 'queued', due_at = now(), attempt = d.attempt + 1
             FROM unnest($2::uuid[], $3::int[]) AS u(id, attempt)
            WHERE d.day = $1::date AND d.id = ANY($2::uuid[]) AND d.id = u.id AND d.attempt = u.attempt AND d.status = 'sending'
              AND d.handed_over_at IS NULL`,
          [day, some.map((d) => d.id), some.map((d) => d.attempt)],
        );
      return count;
    });
  }

  private async renew(): Promise<void> {
    try {
      await this.database.acrossWorkspaces(async (sql) => {
        for (const [day, some] of groupBy(this.held.values(), (d) => d.day))
          await sql.execute(RENEW(day), [some.map((d) => d.id), some.map((d) => d.attempt), LEASE_SECONDS]);
      });
    } catch (error) {
      // The next round tries again; if the database stays away the leases run out, and the fence keeps us from writing.
      this.log.warn(
        `leases could not be renewed: ${error instanceof Error ? error.message : 'unknown error'}`,
      );
    }
  }
}
