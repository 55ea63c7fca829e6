/**
 * Accepted means kept: a PostgreSQL that answers a COMMIT before it is on disk would make that a lie, so a service does
 * not start on one. Asked once at boot, on the connections that the services write through.
 */
import type { Database } from './database.js';

const OLDEST_POSTGRES = 15;
/** Beyond this, times of this process and of the database contradict each other in a timeline. Milliseconds. */
export const MOST_SKEW_MS = 2_000;

interface Settings {
  version: number;
  fsync: string;
  fullPageWrites: string;
  synchronousCommit: string;
}

/**
 * What is wrong with the database as a place to keep messages: a sentence each, with what to write instead; none when
 * all is well. `synchronous_commit` is read on our own connection: a role or a database may set it too.
 */
export async function durabilityFaults(database: Database): Promise<string[]> {
  const { rows } = await database.pool.query<Settings>(
    `SELECT current_setting('server_version_num')::int AS version, current_setting('fsync') AS fsync,
            current_setting('full_page_writes') AS "fullPageWrites", current_setting('synchronous_commit') AS "synchronousCommit"`,
  );
  const [found] = rows;
  if (!found) return ['PostgreSQL did not tell its settings.'];
  const faults: string[] = [];
  if (found.version < OLDEST_POSTGRES * 10_000)
    faults.push(`it is version ${Math.floor(found.version / 10_000)}: use ${OLDEST_POSTGRES} or newer`);
  const off = (setting: string, loses: string) =>
    `${setting} is off, so ${loses}: run  ALTER SYSTEM SET ${setting} = on; SELECT pg_reload_conf();`;
  if (found.fsync === 'off') faults.push(off('fsync', 'a power cut loses or breaks what was accepted'));
  if (found.fullPageWrites === 'off')
    faults.push(off('full_page_writes', 'a power cut can tear a page of the log'));
  if (found.synchronousCommit === 'off')
    faults.push(
      off('synchronous_commit', 'a crash loses messages that were answered with 202') +
        `  and look for ALTER ROLE … SET or ALTER DATABASE … SET of it`,
    );
  return faults;
}

/** @returns how far this process's clock is ahead of the database's. Milliseconds; exact to half the round trip. */
export async function clockSkewMs(database: Database): Promise<number> {
  const asked = Date.now();
  const { rows } = await database.pool.query<{ ms: number }>(
    'SELECT extract(epoch FROM clock_timestamp())::float8 * 1000 AS ms',
  );
  const answered = Date.now();
  return (asked + answered) / 2 - (rows[0]?.ms ?? answered);
}
