/** Runs what is started as this process: says what stops the start in a sentence, and ends in order on a signal. */
import { config, ConfigError } from '@carillon/config';
import { UnsafeStore } from './boot-checks.js';

/** Beyond the grace, something hangs that no patience mends. */
const SLACK_MS = 10_000;

/**
 * @param start gives what is to be closed; may throw
 * @returns when it has stopped. A second signal ends at once.
 */
export async function untilStopped(start: () => Promise<{ close(): Promise<void> }>): Promise<void> {
  const signalled = new Promise<void>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.once(signal, () => {
        process.once(signal, () => process.exit(1));
        resolve();
      });
    }
    // The launcher at the other end of the channel was killed: nobody else would stop us.
    process.once('disconnect', resolve);
    // It may have been killed while we were still loading. Undefined means that there never was a launcher.
    if (process.connected === false) resolve();
  });
  try {
    const running = await start();
    await signalled;
    const impatient = setTimeout(
      () => process.exit(1),
      config().limits.shutdownGraceSeconds * 1000 + SLACK_MS,
    );
    await running.close();
    clearTimeout(impatient);
    process.exit(0);
  } catch (error) {
    process.stderr.write(
      `${error instanceof ConfigError || error instanceof UnsafeStore ? error.message : reason(error)}\n`,
    );
    process.exit(1);
  }
}

/** A start that fails is read by a person: the sentence first, then where. */
const reason = (error: unknown): string =>
  error instanceof Error ? (error.stack ?? error.message) : String(error);
