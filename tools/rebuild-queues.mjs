#!/usr/bin/env node
/**
 * Offers everything that waits for a worker again, in all workspaces at once: after a Redis came back empty, say, when
 * nobody wants to wait for the clock. An operator's command: an API key reaches its own workspace only, so what counts here is the
 * address of the installation's database, as services have it. `npm run rebuild-queues`, or the role `rebuild-queues` in a
 * container; without an address the embedded PostgreSQL of this checkout. Nothing is sent twice by it.
 */
import { readArguments } from './arguments.mjs';
import { Problem } from './data-folder.mjs';
import { operatorsDatabase } from './operators-database.mjs';

const HELP = `npm run rebuild-queues   offers everything that waits for a worker again, in all workspaces

  DATABASE_URL   the installation's database; without it the embedded PostgreSQL of this checkout`;

try {
  readArguments(HELP);
  const { url, stop } = await operatorsDatabase();
  try {
    const { Database } = await import('@carillon/database');
    const { rebuildQueues } = await import('@carillon/delivery-service');
    const db = new Database({ url, max: 1, name: 'carillon rebuild-queues' });
    const { deliveries, pages } = await db
      .acrossWorkspaces((sql) => rebuildQueues(sql, null))
      .finally(() => db.close());
    console.log(
      `Offered again within a moment, in all workspaces: ${deliveries} deliveries, ${pages} pages of runs.`,
    );
  } finally {
    await stop();
  }
} catch (error) {
  console.error(error instanceof Problem ? error.message : error);
  process.exitCode = 1;
}
