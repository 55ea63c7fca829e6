/**
 * What is claimed, of one lane, on its way through the Deliverer: lists of at most a sub-batch, so many side by side, workspaces in
 * turns. While a list of a workspace is judged, what comes for it gathers and goes together, so that lists grow with the load
 * and a lone message waits for nobody. The same whether it came by a job or was accepted by this process (direct-lane.ts).
 */
import { groupBy, type HandedOver } from '@carillon/delivery-service';

export interface LineLimits {
  /** Deliveries of a list. */
  subBatch: number;
  /** Lists at once. */
  parallel: number;
}

/** Takes a list of one workspace to its end. @param judged to be called when others may follow */
export type ListWork = (
  workspaceId: string,
  list: readonly HandedOver[],
  judged: () => void,
) => Promise<void>;

interface Waiting extends HandedOver {
  ended: (failure?: Error) => void;
}

export class Line {
  private running = 0;
  /** Insertion order is the order of turns. */
  private readonly waiting = new Map<string, Waiting[]>();
  /** Workspaces of which a list is being judged. */
  private readonly atGate = new Set<string>();
  private scheduled = false;

  constructor(
    private readonly work: ListWork,
    private readonly limits: LineLimits,
  ) {}

  /**
   * Takes these along, once whoever called has had their turn; what else comes in this turn of the loop goes with them.
   * @returns resolves when all of them are at their end, as far as it goes; rejects when a list of theirs failed
   */
  async add(handed: readonly HandedOver[]): Promise<void> {
    const ends = [...groupBy(handed, (h) => h.delivery.workspaceId)].map(
      ([workspaceId, own]) =>
        new Promise<void>((resolve, reject) => {
          let left = own.length;
          let failed: Error | undefined;
          const ended = (failure?: Error) => {
            failed ??= failure;
            if (--left > 0) return;
            if (failed) reject(failed);
            else resolve();
          };
          const before = this.waiting.get(workspaceId) ?? [];
          this.waiting.set(workspaceId, [...before, ...own.map((one) => ({ ...one, ended }))]);
        }),
    );
    if (!this.scheduled) {
      this.scheduled = true;
      setImmediate(() => {
        this.scheduled = false;
        this.start();
      });
    }
    await Promise.all(ends);
  }

  private start(): void {
    for (const [workspaceId, waiting] of this.waiting) {
      if (this.running >= this.limits.parallel) return;
      const gathers = this.atGate.has(workspaceId);
      if (gathers && waiting.length < this.limits.subBatch) continue;
      this.waiting.delete(workspaceId);
      const list = waiting.splice(0, this.limits.subBatch);
      // Behind the others: the loop comes to it again.
      if (waiting.length > 0) this.waiting.set(workspaceId, waiting);
      this.running += 1;
      if (!gathers) this.atGate.add(workspaceId);
      const judged = () => void (gathers || this.atGate.delete(workspaceId));
      const end = (failure?: Error) => {
        judged();
        this.running -= 1;
        for (const { ended } of list) ended(failure);
        this.start();
      };
      this.work(workspaceId, list, () => {
        judged();
        this.start();
      }).then(() => end(), end);
    }
  }
}
