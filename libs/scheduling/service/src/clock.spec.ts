/** Runs on a real PostgreSQL, to which the clock's own line can be cut. What it takes: due.spec.ts, release-pages.ts by their callers. */
import { loadConfig, useConfig } from '@carillon/config';
import { Database, dayOf, ensurePartitions, newId } from '@carillon/database';
import type { Acceptance, DeliveryHints } from '@carillon/delivery-service';
import type { Queues } from '@carillon/queue';
import { eventually, freshDatabase, lineTo, type FreshDatabase, type Line } from '@carillon/testing';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import pg from 'pg';
import { Clock } from './clock.js';

let fresh: FreshDatabase;
let owner: pg.Client;
let line: Line;
let database: Database;
const workspaceId = newId();

beforeAll(async () => {
  useConfig(loadConfig({ NODE_ENV: 'test' }));
  fresh = await freshDatabase();
  owner = new pg.Client({ connectionString: fresh.ownerUrl });
  await owner.connect();
  line = await lineTo(fresh.appUrl);
  database = new Database({ url: line.url, max: 4 });
  await ensurePartitions(database);
  await owner.query(`INSERT INTO workspaces (id, slug, name) VALUES ($1, 'w', 'W')`, [workspaceId]);
});
afterAll(async () => {
  await database.close();
  await line.close();
  await owner.end();
  await fresh.drop();
});

/** @param due seconds from now: of what is being sent, when its lease ends */
async function delivery(status: 'sending' | 'queued', due: number): Promise<string> {
  const id = newId();
  await owner.query(
    `INSERT INTO deliveries (day, id, workspace_id, message_id, channel, class, lane, source, address, status, attempt, due_at, handed_over_at)
     VALUES ($1::date, $2, $3, $2, 'email', 'marketing', 'bulk', 'api', 'a@example.com', $4, 1, now() + make_interval(secs => $5), CASE $4 WHEN 'sending' THEN now() END)`,
    [dayOf(id), id, workspaceId, status, due],
  );
  return id;
}
const statusOf = async (id: string) =>
  (await owner.query<{ status: string }>('SELECT status FROM deliveries WHERE id = $1', [id])).rows[0]
    ?.status;
const renewed = (id: string) =>
  owner.query(`UPDATE deliveries SET due_at = now() + interval '1 minute' WHERE id = $1`, [id]);

it('gives who lives the time to renew leases that ran out while PostgreSQL was away, and sweeps the others', async () => {
  const offered: string[] = [];
  const queues = {
    offer: (_: string, ids: readonly string[]) => (offered.push(...ids), Promise.resolve(true)),
    send: () => Promise.resolve(),
  } as unknown as Queues;
  const hints = { changed: () => undefined } as unknown as DeliveryHints;
  const clock = new Clock(database, queues, hints, {} as Acceptance);
  clock.onApplicationBootstrap();
  try {
    const before = await delivery('queued', 0);
    await eventually(() => Promise.resolve(offered.includes(before)));

    const { turnedAway } = line.cut();
    await eventually(() => Promise.resolve(turnedAway() > 0));
    const [living, dead] = [await delivery('sending', -1), await delivery('sending', -1)];
    const looks = `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%redrives%imports%' AND pid <> pg_backend_pid()`;
    const looking = async () => ((await owner.query(looks)).rowCount ?? 0) > 0;
    await eventually(async () => !(await looking()));
    line.mend();
    await eventually(looking);
    await renewed(living);
    await eventually(async () => (await statusOf(dead)) === 'unknown');
    expect(await statusOf(living)).toBe('sending');
  } finally {
    await clock.beforeApplicationShutdown();
  }
});
