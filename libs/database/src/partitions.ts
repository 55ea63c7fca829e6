/** Day partitions of the log: made ahead at start and by the clock, so that writing never waits for one. */
import type { Database } from './database.js';

export const PARTITIONS_AHEAD_DAYS = 7;

/** @returns how many tables were made */
export async function ensurePartitions(database: Database, ahead = PARTITIONS_AHEAD_DAYS): Promise<number> {
  return database.acrossWorkspaces(async (sql) => {
    const [row] = await sql.query<{ made: number }>('SELECT ensure_partitions($1) AS made', [ahead]);
    return row?.made ?? 0;
  });
}

/** PostgreSQL says 23514 when no partition takes a row: an API that ran for a week without its clock. */
export const isMissingPartition = (error: unknown): boolean =>
  error instanceof Error &&
  'code' in error &&
  error.code === '23514' &&
  /no partition of relation/.test(error.message);
