import { freshDatabase } from '@carillon/testing';
import pg from 'pg';
import { describeQueues } from './queues.suite.js';

describeQueues('PostgreSQL', async () => {
  const database = await freshDatabase();
  const owner = new pg.Client({ connectionString: database.ownerUrl });
  await owner.connect();
  return {
    options: { databaseUrl: database.appUrl },
    port: Number(new URL(database.appUrl).port),
    through: (port) => {
      const url = new URL(database.appUrl);
      url.port = String(port);
      return { databaseUrl: url.href };
    },
    cutConnections: async () => {
      await owner.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()`);
    },
    stop: async () => {
      await owner.end();
      await database.drop();
    },
  };
});
