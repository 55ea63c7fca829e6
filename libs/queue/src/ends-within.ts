/** Patience at shutdown: of whoever waits for what is at work. */

/** For what was aborted when the grace was over: it writes what it knows. Milliseconds. */
export const LAST_WORDS_MS = 3_000;

/** Waits for an end, and no longer than `ms`. @returns whether it came in time; rejects when it fails before */
export async function endsWithin(ms: number, end: Promise<unknown>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const patience = new Promise<boolean>((resolve) => (timer = setTimeout(() => resolve(false), ms)));
  try {
    return await Promise.race([end.then(() => true), patience]);
  } finally {
    clearTimeout(timer);
  }
}
