/** Asks DNS for text records. Bounded; whoever has no name server hears null and not a failure. */
import { Resolver } from 'node:dns/promises';

/** @returns what stands there, [] when there is nothing; null when nobody could say */
export async function textRecords(name: string, deadlineMs = 2_000): Promise<string[] | null> {
  const resolver = new Resolver({ timeout: deadlineMs, tries: 1 });
  const timer = setTimeout(() => resolver.cancel(), deadlineMs);
  try {
    return (await resolver.resolveTxt(name)).map((parts) => parts.join(''));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === 'ENOTFOUND' || code === 'ENODATA' ? [] : null;
  } finally {
    clearTimeout(timer);
  }
}
