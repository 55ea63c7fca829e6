/**
 * Who goes first in a process that does both: a page of a campaign keeps its thread and the database busy for milliseconds on
 * end, and a login code needs some four of their moments one after the other. So bulk work asks for room between its steps.
 * It waits for what is under way and for no answer of a provider, and never long: under a steady stream of single messages
 * it goes on all the same. Knows neither pages nor messages.
 */
import { setImmediate as others } from 'node:timers/promises';
import { endsWithin } from '@carillon/queue';
import { Turns } from '@carillon/server';
import { Injectable } from '@nestjs/common';

/** A single message is accepted, judged and marked within this, as a rule. */
const MOST_MS = 20;
/** So long after the last single message another one is expected. */
const EXPECTED_MS = 1000;
/** A turn is over after this at the latest: a step may wait for a process, and the next one writes down what was sent. */
const TURN_MS = 50;

@Injectable()
export class Precedence {
  private urgent = 0;
  private waiting: (() => void)[] = [];
  private lastAt = -Infinity;
  private readonly turns = new Turns(1);

  /** Does something that somebody waits for. */
  async first<T>(work: () => Promise<T>): Promise<T> {
    this.urgent += 1;
    this.lastAt = performance.now();
    try {
      return await work();
    } finally {
      this.urgent -= 1;
      if (this.urgent === 0) for (const go of this.waiting.splice(0)) go();
    }
  }

  /**
   * A step of bulk work, when there is room for it. While single messages come, steps go one after the other: whoever needs a
   * processor for a moment would find each of them taken.
   */
  step<T>(work: () => Promise<T>): Promise<T> {
    const inRoom = async () => {
      await this.room();
      return work();
    };
    if (!this.expected()) return inRoom();
    return new Promise<T>((resolve, reject) => {
      void this.turns.take(async () => {
        const done = inRoom().then(resolve, reject);
        await endsWithin(TURN_MS, done);
      });
    });
  }

  /** Whether single messages come: one is under way, or was a moment ago. */
  expected(): boolean {
    return this.urgent > 0 || performance.now() - this.lastAt <= EXPECTED_MS;
  }

  /** Resolves when nothing urgent is under way, or has been for too long. */
  async room(mostMs = MOST_MS): Promise<void> {
    // What has arrived meanwhile is looked at before one goes on.
    await others();
    if (this.urgent === 0) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, mostMs);
      this.waiting.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }
}
