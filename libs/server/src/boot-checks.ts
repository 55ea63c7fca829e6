/**
 * What a service asks of its stores before it takes work. It refuses a database that may forget what it answered for;
 * it only warns of what costs time and not messages. Called by service.ts.
 */
import { config } from '@carillon/config';
import {
  clockSkewMs,
  copiedAt,
  copySentence,
  Database,
  durabilityFaults,
  MOST_SKEW_MS,
} from '@carillon/database';
import type { QueueBackend } from '@carillon/queue';
import { Logger, type INestApplicationContext } from '@nestjs/common';

/** What stops a start, in sentences: printed without a stack. */
export class UnsafeStore extends Error {
  override name = 'UnsafeStore';
}

/** @throws UnsafeStore with a sentence per fault, unless DATABASE_MAY_LOSE says that nothing there is to be kept */
export async function bootChecks(
  app: INestApplicationContext,
  backend: Pick<QueueBackend, 'doubts'>,
): Promise<void> {
  const log = new Logger('Boot');
  const database = app.get(Database);
  const [faults, skewMs, copied, doubts] = await Promise.all([
    asked(durabilityFaults(database), log, 'PostgreSQL'),
    asked(clockSkewMs(database), log, 'PostgreSQL'),
    asked(copiedAt(database), log, 'PostgreSQL'),
    asked(backend.doubts(), log, 'the queues'),
  ]);
  if (faults && faults.length > 0 && !config().database.mayLose)
    throw new UnsafeStore(
      `This PostgreSQL may lose what was accepted, so nothing is accepted on it:\n  ${faults.join('\n  ')}\nFor a database that is thrown away, set DATABASE_MAY_LOSE=true.`,
    );
  if (copied) log.warn(copySentence);
  for (const doubt of doubts ?? []) log.warn(doubt);
  if (skewMs !== null && Math.abs(skewMs) > MOST_SKEW_MS)
    log.warn(
      `the clock of this machine is ${Math.round(skewMs)} ms ahead of the database's: let both follow NTP (due times keep to the database's)`,
    );
}

/** A store that is away does not stop the start; readiness says that it is away. */
async function asked<T>(question: Promise<T>, log: Logger, whom: string): Promise<T | null> {
  try {
    return await question;
  } catch (error) {
    log.warn(
      `${whom} could not be asked at boot: ${error instanceof Error ? error.message : 'unknown error'}`,
    );
    return null;
  }
}
