/**
 * How many calls to servers a process makes at once. When a hundred thousand people come to such a step in one second, the
 * first of them go; the others come again when there will be room, each at a time of its own, as fast as answers have come
 * lately. So a call that is marked as under way is under way: its lease does not run out in a queue, which would count as a try.
 */

/** Calls under way. */
const AT_ONCE = 64;
/** Beside those, such as wait for a turn: as many again, so that a turn is taken as soon as it is free. */
const WAITING = 64;
/** What is taken for usual before the first answer. */
const USUAL_MS = 200;

export class CallRoom {
  private taken = 0;
  private answersMs = USUAL_MS;
  private promised = 0;

  /** @returns null: there is room, and it is taken. Else when it is worth asking again */
  take(now: Date): Date | null {
    if (this.taken < AT_ONCE + WAITING) {
      this.taken += 1;
      return null;
    }
    this.promised = Math.max(this.promised, now.getTime() + this.answersMs) + this.answersMs / AT_ONCE;
    return new Date(this.promised);
  }

  /** The call is over, or was not made. @param ms how long it took */
  giveBack(ms?: number): void {
    this.taken -= 1;
    if (ms !== undefined) this.answersMs += (ms - this.answersMs) / 16;
  }
}
export const CALLS_AT_ONCE = AT_ONCE;
