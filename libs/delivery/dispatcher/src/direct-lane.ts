/**
 * What this process accepted and dispatches itself, on its way from the commit to the Deliverer. Bounded: when too many are in
 * hand, `reserve` says no and they are queued. What waits here keeps its lease; if the process dies, the lease ends and the
 * clock sweeps it.
 */
import type { Lane } from '@carillon/contracts';
import type { HandedOver, LocalDispatcher } from '@carillon/delivery-service';
import { endsWithin, LAST_WORDS_MS } from '@carillon/queue';
import type { Deliverer } from './deliver.js';
import type { Leases } from './leases.js';
import { Line } from './line.js';

/** `inHand`: deliveries per lane; `subBatch` × `parallel` bounds what can be unknown when the process is killed. */
export const directLimits = { inHand: 1_000, subBatch: 100, parallel: 6 };

interface Held {
  inHand: number;
  line: Line;
}

export class DirectLane implements LocalDispatcher {
  private readonly lanes = new Map<Lane, Held>();
  private readonly stop = new AbortController();
  private closing = false;
  private idle: (() => void) | undefined;

  constructor(
    private readonly deliverer: Pick<Deliverer, 'deliverClaimed'>,
    private readonly leases: Pick<Leases, 'hold' | 'release'>,
    private readonly limits = directLimits,
  ) {}

  reserve(lane: Lane): boolean {
    const held = this.of(lane);
    if (this.closing || held.inHand >= this.limits.inHand) return false;
    held.inHand += 1;
    return true;
  }

  cancel(lane: Lane): void {
    this.done(this.of(lane), 1);
  }

  take(lane: Lane, handed: readonly HandedOver[]): void {
    if (handed.length === 0) return;
    this.leases.hold(handed.map((h) => h.delivery));
    const held = this.of(lane);
    // Reports its own troubles: rows whose turn failed are swept when the lease ends.
    void held.line.add(handed);
  }

  /** Takes no more, and waits for what is in hand; after `graceMs` aborts its signal, and waits for its last words alone. */
  async close(graceMs: number, lastWordsMs = LAST_WORDS_MS): Promise<void> {
    this.closing = true;
    await this.idleWithin(graceMs);
    this.stop.abort();
    await this.idleWithin(lastWordsMs);
  }

  private async idleWithin(ms: number): Promise<void> {
    if (!this.busy()) return;
    await endsWithin(ms, new Promise<void>((resolve) => (this.idle = resolve)));
  }

  private of(lane: Lane): Held {
    let held = this.lanes.get(lane);
    if (!held) {
      const own: Held = {
        inHand: 0,
        line: new Line(async (workspaceId, list, judged) => {
          await this.deliverer.deliverClaimed(workspaceId, list, this.stop.signal, judged);
          this.done(own, list.length);
        }, this.limits),
      };
      this.lanes.set(lane, (held = own));
    }
    return held;
  }

  private done(held: Held, count: number): void {
    held.inHand -= count;
    if (this.closing && !this.busy()) this.idle?.();
  }
  private busy(): boolean {
    return [...this.lanes.values()].some((held) => held.inHand > 0);
  }
}
