/** Waiting for something that happens by itself, without guessing how long it takes. */

/**
 * Calls `look` until it neither throws nor returns `undefined` or `false`, and returns what it returned.
 * Gives up after `withinMs` with the last error, so that a failing test tells what was missing.
 */
export async function eventually<T>(
  look: () => T | Promise<T>,
  withinMs = 20_000,
): Promise<Exclude<T, undefined | false>> {
  const end = Date.now() + withinMs;
  for (;;) {
    let missing: unknown = new Error(`It did not happen within ${withinMs} ms.`);
    try {
      const seen = await look();
      if (seen !== undefined && seen !== false) return seen as Exclude<T, undefined | false>;
    } catch (error) {
      missing = error;
    }
    if (Date.now() > end) throw missing;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
