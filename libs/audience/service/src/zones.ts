/**
 * The zones that PostgreSQL knows. Rules are evaluated there, in people's own zones: one it does not know would end the
 * evaluation for everybody, so none is stored. Listing them takes it a while, so it is asked once per process.
 */
import type { Sql } from '@carillon/database';

let known: ReadonlySet<string> | undefined;

export async function knownZones(sql: Sql): Promise<ReadonlySet<string>> {
  if (!known) {
    const rows = await sql.query<{ name: string }>('SELECT name FROM pg_timezone_names');
    known = new Set(rows.map(({ name }) => name));
  }
  return known;
}
