/**
 * Marks and records of sub-batches that end together share a commit: one flush to the disk instead of one each. A
 * sub-batch still waits for its own mark before its bytes leave, so what can be unknown after a crash stays the same.
 */
import { GroupCommit, onceThere, type Database, type Sql } from '@carillon/database';
import { countSends, groupBy, unlessOvertaken } from '@carillon/delivery-service';
import { Logger } from '@nestjs/common';
import type { Rendered } from './deliver.js';
import { Domains, markHandedOver, underCaps, unclaim } from './hand-over.js';
import { notRecorded, recordAttempts, type Attempted, type Recorded } from './record.js';

/**
 * Sub-batches per commit, and commits of a kind under way in a workspace. Records are waited for by nobody's bytes, and begin so many
 * milliseconds after one another: what they do for one message after the other delays the marks of the next.
 */
const LIMITS = { marks: { size: 16, parallel: 2 }, records: { size: 16, parallel: 1, restMs: 25 } };

type Groups<Item, Result> = Map<string, GroupCommit<readonly Item[], PromiseSettledResult<Result>>>;

/** Who has the mark, and how long those wait whose receiving domain has had its share of their account's day. */
export interface Marks {
  marked: ReadonlySet<string>;
  waits: ReadonlyMap<string, number>;
}

export class Commits {
  private readonly marks: Groups<Rendered, Marks> = new Map();
  private readonly records: Groups<Attempted, void> = new Map();
  private readonly log = new Logger('Commits');

  /** @param tell called after each commit of records */
  constructor(
    private readonly database: Database,
    private readonly tell: (recorded: Recorded) => void,
  ) {}

  /**
   * The hand-over mark of a sub-batch. What gets neither it nor a reason to wait goes back to the queue.
   * @returns the ids that may be sent, and who waits for a place of a receiving domain; perhaps of other sub-batches, too
   */
  async mark(workspaceId: string, batch: readonly Rendered[]): Promise<Marks> {
    const write = async (sql: Sql, all: readonly Rendered[]): Promise<Marks> => {
      const domains = await Domains.hold(sql, all);
      const { allowed, counted } = await underCaps(sql, workspaceId, domains ? domains.take(all) : all);
      const groups = groupBy(allowed, (r) => `${r.delivery.day} ${r.account.id}`).values();
      const end = domains ? sql : sql.last;
      // In one breath; lists before rows, always: so nobody waits in a ring.
      const [, ...ids] = await Promise.all([
        countSends(end, workspaceId, counted),
        ...[...groups].map((some) => markHandedOver(end, some, some[0]?.account)),
      ]);
      const marked = new Set(ids.flatMap((some) => [...some]));
      await domains?.save(sql.last, marked);
      return { marked, waits: domains?.waits ?? new Map() };
    };
    const { marked, waits } = await this.add(this.marks, LIMITS.marks, workspaceId, batch, write, (m) => m);
    const refused = batch.filter(({ delivery: { id } }) => !marked.has(id) && !waits.has(id));
    if (refused.length > 0) await this.unclaim(workspaceId, refused);
    return { marked, waits };
  }

  /** Back to the queue, where the gate is asked again. */
  async unclaim(workspaceId: string, refused: readonly Rendered[]): Promise<void> {
    try {
      await this.database.inWorkspace(workspaceId, ({ last }) =>
        Promise.all([...groupBy(refused, (r) => r.delivery.day).values()].map((some) => unclaim(last, some))),
      );
    } catch (error) {
      // Those that have their mark must go on.
      this.log.warn(
        `${refused.length} deliveries wait for their leases to end: ${error instanceof Error ? error.message : 'unknown error'}`,
      );
    }
  }

  /** Writes what the provider said about a sub-batch, as soon as PostgreSQL is there to do it. Told with `tell`, once per commit. */
  record(workspaceId: string, attempted: readonly Attempted[]): Promise<void> {
    const write = async (sql: Sql, all: readonly Attempted[], again: boolean) => {
      const rest = again ? await notRecorded(sql, workspaceId, all) : all;
      return recordAttempts(sql.last, workspaceId, rest);
    };
    return this.add(this.records, LIMITS.records, workspaceId, attempted, write, this.tell, onceThere);
  }

  private async add<Item, Written, Result>(
    groups: Groups<Item, Result>,
    limits: { size: number; parallel: number; restMs?: number },
    workspaceId: string,
    batch: readonly Item[],
    write: (sql: Sql, all: readonly Item[], again: boolean) => Promise<Written>,
    committed: (written: Written) => Result,
    trying: typeof onceThere = (work) => work(false),
  ): Promise<Result> {
    let group = groups.get(workspaceId);
    if (!group) {
      const alone = (own: readonly Item[]): Promise<PromiseSettledResult<Result>> =>
        trying((again) =>
          unlessOvertaken(() => this.database.inWorkspace(workspaceId, (sql) => write(sql, own, again))),
        ).then(
          (written) => ({ status: 'fulfilled', value: committed(written) }),
          (reason: unknown) => ({ status: 'rejected', reason }),
        );
      group = new GroupCommit(async (batches) => {
        const whole = await alone(batches.flat());
        if (whole.status === 'fulfilled' || batches.length === 1) return batches.map(() => whole);
        // One that cannot be written must not take the others along.
        return Promise.all(batches.map(alone));
      }, limits);
      groups.set(workspaceId, group);
    }
    const result = await group.add(batch);
    if (result.status === 'rejected') throw result.reason;
    return result.value;
  }
}
