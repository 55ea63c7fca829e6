/**
 * What this process accepted and dispatches itself, on its way from the commit to the Deliverer: lists of at most a
 * sub-batch, so many side by side, workspaces in turns. While a list of a workspace is judged, what is accepted gathers
 * and goes together, so that lists grow with the load and a lone message waits for nobody. Bounded: when too many are in
 * hand, `reserve` says no and they are queued. What waits here keeps its lease; if the process dies, the lease ends and the clock sweeps it.
 */
import type { Lane } from '@carillon/contracts';
import type { HandedOver, LocalDispatcher } from '@carillon/delivery-service';
import type { Deliverer } from './deliver.js';
import type { Leases } from './leases.js';

/** `inHand`: deliveries per lane; `subBatch` × `parallel` bounds what can be unknown when the process is killed. */
export const directLimits = { inHand: 1_000, subBatch: 100, parallel: 6 };

class Line {
  inHand = 0;
  running = 0;
  /** Insertion order is the order of turns. */
  readonly waiting = new Map<string, HandedOver[]>();
  /** Workspaces of which a list is being judged. */
  readonly atGate = new Set<string>();
}

export class DirectLane implements LocalDispatcher {
  private readonly lines = new Map<Lane, Line>();
  private readonly stop = new AbortController();
  private closing = false;
  private scheduled = false;
  private idle: (() => void) | undefined;

  constructor(
    private readonly deliverer: Pick<Deliverer, 'deliverClaimed'>,
    private readonly leases: Pick<Leases, 'hold' | 'release'>,
    private readonly limits = directLimits,
  ) {}

  reserve(lane: Lane): boolean {
    const line = this.line(lane);
    if (this.closing || line.inHand >= this.limits.inHand) return false;
    line.inHand += 1;
    return true;
  }

  cancel(lane: Lane): void {
    this.done(this.line(lane), 1);
  }

  take(lane: Lane, handed: readonly HandedOver[]): void {
    const [first] = handed;
    if (!first) return;
    this.leases.hold(handed.map((h) => h.delivery));
    const { waiting } = this.line(lane);
    const { workspaceId } = first.delivery;
    waiting.set(workspaceId, [...(waiting.get(workspaceId) ?? []), ...handed]);
    if (this.scheduled) return;
    this.scheduled = true;
    // Answers to the callers go out first; what else is accepted in this turn of the loop comes along.
    setImmediate(() => {
      this.scheduled = false;
      for (const line of this.lines.values()) this.start(line);
    });
  }

  /** Takes no more, and waits for what is in hand; after `graceMs` aborts its signal and waits no longer. */
  async close(graceMs: number): Promise<void> {
    this.closing = true;
    if (!this.busy()) return;
    let timer: NodeJS.Timeout | undefined;
    await Promise.race([
      new Promise<void>((resolve) => (this.idle = resolve)),
      new Promise<void>((resolve) => (timer = setTimeout(resolve, graceMs))),
    ]);
    clearTimeout(timer);
    this.stop.abort();
  }

  private line(lane: Lane): Line {
    let line = this.lines.get(lane);
    if (!line) this.lines.set(lane, (line = new Line()));
    return line;
  }

  private start(line: Line): void {
    for (const [workspaceId, waiting] of line.waiting) {
      if (line.running >= this.limits.parallel) return;
      const gathers = line.atGate.has(workspaceId);
      if (gathers && waiting.length < this.limits.subBatch) continue;
      line.waiting.delete(workspaceId);
      const batch = waiting.splice(0, this.limits.subBatch);
      // Behind the others: the loop comes to it again.
      if (waiting.length > 0) line.waiting.set(workspaceId, waiting);
      line.running += 1;
      if (!gathers) line.atGate.add(workspaceId);
      const judged = () => void (gathers || line.atGate.delete(workspaceId));
      // Reports its own troubles: rows whose turn failed are swept when the lease ends.
      void this.deliverer
        .deliverClaimed(workspaceId, batch, this.stop.signal, () => {
          judged();
          this.start(line);
        })
        .finally(() => {
          judged();
          line.running -= 1;
          this.done(line, batch.length);
          this.start(line);
        });
    }
  }

  private done(line: Line, count: number): void {
    line.inHand -= count;
    if (this.closing && !this.busy()) this.idle?.();
  }
  private busy(): boolean {
    return [...this.lines.values()].some((line) => line.inHand > 0);
  }
}
