/** A delivery of a run has no lines for what went as planned: its timeline is whole all the same. */
import { Database, dayOf, ensurePartitions, newId } from '@carillon/database';
import { freshDatabase, type FreshDatabase } from '@carillon/testing';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import pg from 'pg';
import { applyReceipts } from './apply-receipts.js';
import { timelineOf } from './list.js';

let fresh: FreshDatabase;
let owner: pg.Client;
let database: Database;
const workspaceId = newId();
const accountId = newId();

beforeAll(async () => {
  fresh = await freshDatabase();
  owner = new pg.Client({ connectionString: fresh.ownerUrl });
  await owner.connect();
  database = new Database({ url: fresh.appUrl });
  await ensurePartitions(database);
  await owner.query(`INSERT INTO workspaces (id, slug, name) VALUES ($1, 'w', 'W')`, [workspaceId]);
});
afterAll(async () => {
  await database.close();
  await owner.end();
  await fresh.drop();
});

const aRow = async (status: string, reason: string | null, handed: boolean): Promise<string> => {
  const id = newId();
  await owner.query(
    `INSERT INTO deliveries (day, id, workspace_id, message_id, channel, class, lane, source, status, reason, provider, handed_over_at, sent_at)
     VALUES ($1, $2, $3, $2, 'email', 'marketing', 'bulk', 'campaign', $4, $5, 'smtp', CASE WHEN $6 THEN now() END, CASE WHEN $6 THEN now() END)`,
    [dayOf(id), id, workspaceId, status, reason, handed],
  );
  return id;
};
const types = (id: string) =>
  database.inWorkspace(workspaceId, async (sql) =>
    (await timelineOf(sql, workspaceId, id)).map((line) => [line.type, line.provider, line.reason]),
  );

it('of what was sent', async () => {
  const id = await aRow('sent', null, true);
  expect(await types(id)).toEqual([
    ['accepted', null, null],
    ['handed_over', 'smtp', null],
    ['sent', 'smtp', null],
  ]);
  await database.inWorkspace(workspaceId, (sql) =>
    applyReceipts(sql, { id: accountId, workspaceId }, [
      { deliveryId: id, eventId: 'e', status: 'delivered', answer: {} },
    ]),
  );
  expect((await types(id)).map(([type]) => type)).toEqual(['accepted', 'handed_over', 'sent', 'delivered']);
});

it('of what was not sent', async () => {
  expect(await types(await aRow('suppressed', 'unsubscribed', false))).toEqual([
    ['accepted', null, null],
    ['suppressed', null, 'unsubscribed'],
  ]);
});
