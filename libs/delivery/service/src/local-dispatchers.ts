/**
 * Direct hand-over: where the dispatcher of a channel runs in the process that accepts, rows are committed as claimed by
 * it and go to it after the commit, without a queue between. A dispatcher registers here when its process has started.
 * Nothing else differs from a delivery that came by a job: same gate, mark, record, same lease, same sweep.
 */
import type { Channel, Lane } from '@carillon/contracts';
import { Injectable } from '@nestjs/common';
import type { Claimed, MessageFacts } from './claimed.js';

/** A row committed as 'sending', attempt 1, with a lease. */
export interface HandedOver {
  delivery: Claimed;
  /** Null when it is too large to wait in memory: read again when its turn comes. */
  message: MessageFacts | null;
}
export interface LocalDispatcher {
  /** Takes room for one delivery; false when so many are in hand that it has to be queued. */
  reserve(lane: Lane): boolean;
  /** Gives the room of one back that was not committed. */
  cancel(lane: Lane): void;
  /** For each a room was reserved; the rows are committed, all of one workspace. Returns at once. */
  take(lane: Lane, handed: readonly HandedOver[]): void;
}

@Injectable()
export class LocalDispatchers {
  private readonly byChannel = new Map<Channel, LocalDispatcher>();

  register(channel: Channel, dispatcher: LocalDispatcher): void {
    this.byChannel.set(channel, dispatcher);
  }
  /** What is accepted from now on is queued. */
  withdraw(channel: Channel): void {
    this.byChannel.delete(channel);
  }
  /** @returns undefined when the channel is dispatched by another process */
  of(channel: Channel): LocalDispatcher | undefined {
    return this.byChannel.get(channel);
  }
}
