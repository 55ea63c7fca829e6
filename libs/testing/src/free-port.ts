/** Ports for stacks that start side by side: two that both look for the usual ones may find the same one free. */
import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

/** Below the range from which the system takes the ports of outgoing connections (32768 on Linux). */
const RANGE = [20_000, 32_000] as const;
/** Whoever got one may not listen on it yet. */
const given = new Set<number>();

/** A port of the loopback that nobody listens on, chosen by chance, and no port twice. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(...RANGE);
    if (given.has(port)) continue;
    const probe = createServer();
    const free = await new Promise<boolean>((resolve) => {
      probe.once('error', () => resolve(false));
      probe.listen(port, '127.0.0.1', () => resolve(true));
    });
    await new Promise((resolve) => probe.close(resolve));
    if (!free) continue;
    given.add(port);
    return port;
  }
}
