/**
 * Brings BullMQ's own schema up to date, and opens it to the role that the services act as. Called by
 * tools/migrate.mjs as the owner of the database; services never migrate.
 */
import { runMigrations } from 'bullmq';
import pg from 'pg';

/**
 * Idempotent, and safe when several run at once (BullMQ takes a lock of its own).
 * @param ownerUrl PostgreSQL address of who owns the schema
 * @param role who may use it; must exist
 */
export async function migrateQueues(ownerUrl: string, role = 'carillon_app'): Promise<void> {
  const client = new pg.Client({ connectionString: ownerUrl, application_name: 'carillon migrate' });
  await client.connect();
  try {
    await runMigrations(client);
    // Nobody reads BullMQ's stream of events, and it costs each job four rows and four notices (decision 0025).
    await client.query(`
      CREATE OR REPLACE FUNCTION bullmq.publish_event(p_queue text, p_event text, p_data jsonb) RETURNS bigint
      LANGUAGE sql IMMUTABLE AS 'SELECT 0::bigint'`);
    const user = client.escapeIdentifier(role);
    // No CREATE: jobs carry ids of our own, so BullMQ never makes its sequence per queue.
    await client.query(`
      GRANT USAGE ON SCHEMA bullmq TO ${user};
      GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA bullmq TO ${user};
      GRANT USAGE, SELECT, UPDATE ON ALL SEQUENCES IN SCHEMA bullmq TO ${user};
      GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA bullmq TO ${user}`);
  } finally {
    await client.end();
  }
}
