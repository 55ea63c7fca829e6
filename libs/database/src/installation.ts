/**
 * A database that is a copy of another (a backup that was restored, a dump, a clone, a standby that took over) holds work that
 * the other may have done since; one over which its dump was played back holds work that it has done itself. So nothing leaves
 * from it until a person has decided about that and adopted it. Each connection is told the name of the database it leads to
 * (`name_database()`, see the migration); claims and marks ask for `AT_HOME`.
 */
import type { Database } from './database.js';

/** A condition for a claim or a mark: true where this database is the one that was adopted. Asked once per statement. */
export const AT_HOME = `EXISTS (SELECT FROM installation WHERE "database" = current_setting('carillon.database', true) AND home = tableoid)`;

/** Since when a copy has been in use that nobody has adopted; null where the database is at home. */
export async function copiedAt(database: Database): Promise<Date | null> {
  const { rows } = await database.pool.query<{ at: Date | null }>(
    `SELECT CASE WHEN ${AT_HOME} THEN NULL ELSE coalesce(copied_at, now()) END AS at FROM installation`,
  );
  return rows[0]?.at ?? null;
}

/** What a person is told of it. */
export const copySentence =
  'This database is a copy of another, so nothing is sent from it: run  npm run adopt-copy  to see what waits, and decide.';
