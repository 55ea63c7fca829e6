/**
 * What is known and only has to be written waits for PostgreSQL here while it is away: restarted, failed over, cut off, its disk
 * full. A known outcome does not become a guess because of that.
 */
import { setTimeout } from 'node:timers/promises';

/** PostgreSQL classes 08, 28 (it refuses us, whoever asks), 53, 57 (https://www.postgresql.org/docs/current/errcodes-appendix.html) and lost sockets. */
const AWAY =
  /^(08|28|53|57)|^(40001|40P01|55P03)$|^(ECONNREFUSED|ECONNRESET|EPIPE|ETIMEDOUT|ENOTFOUND|EAI_AGAIN)$/;

/** Whether it failed because PostgreSQL was not to be had for it, so that the same may succeed later. */
export function isAway(error: unknown): error is Error {
  if (!(error instanceof Error)) return false;
  if ('code' in error && typeof error.code === 'string' && AWAY.test(error.code)) return true;
  return /^(Connection terminated|timeout exceeded when trying to connect)/.test(error.message);
}

/** Milliseconds between two tries. */
const PAUSE = { first: 100, longest: 1_000 };

/**
 * Does it again for as long as PostgreSQL is away. Ends with the pool: who closes it has waited long enough.
 * @param work changes nothing twice. `again`: whether it was tried before, and may have been committed without our hearing of it
 */
export async function onceThere<T>(work: (again: boolean) => Promise<T>): Promise<T> {
  for (let pauseMs = PAUSE.first, again = false; ; again = true) {
    try {
      return await work(again);
    } catch (error) {
      if (!isAway(error)) throw error;
    }
    await setTimeout(pauseMs);
    pauseMs = Math.min(2 * pauseMs, PAUSE.longest);
  }
}
