import { Database, dayOf, ensurePartitions, newId } from '@carillon/database';
import { freshDatabase, type FreshDatabase } from '@carillon/testing';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { dropOld } from './retention.js';

const LOG = ['messages', 'deliveries', 'delivery_events', 'receipts'] as const;
const daysAgo = (days: number) => new Date(Date.now() - days * 86_400_000);
let fresh: FreshDatabase;
let database: Database;
let owner: pg.Client;
const workspaceId = newId();

beforeEach(async () => {
  fresh = await freshDatabase();
  owner = new pg.Client({ connectionString: fresh.ownerUrl });
  await owner.connect();
  database = new Database({ url: fresh.appUrl, max: 4 });
  await ensurePartitions(database);
});
afterEach(async () => {
  await database.close();
  await owner.end();
  await fresh.drop();
});

async function makeDay(day: string): Promise<void> {
  for (const table of LOG)
    await owner.query(
      `CREATE TABLE ${table}_${day.replaceAll('-', '')} PARTITION OF ${table} FOR VALUES FROM ('${day}') TO ('${day}'::date + 1)`,
    );
}
async function delivery(at: Date, status: string, due: Date | null): Promise<string> {
  const id = newId(at);
  await owner.query(
    `INSERT INTO deliveries (day, id, workspace_id, message_id, channel, class, lane, source, status, due_at)
     VALUES ($1, $2, $3, $4, 'email', 'transactional', 'transactional', 'api', $5, $6)`,
    [dayOf(id), id, workspaceId, newId(at), status, due],
  );
  return id;
}
const days = async () =>
  (
    await owner.query<{ day: string }>(
      `SELECT DISTINCT right(c.relname, 8) AS day FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = ANY($1::regclass[]) ORDER BY 1`,
      [`{${LOG.join(',')}}`],
    )
  ).rows.map(({ day }) => day);

describe('retention', () => {
  it('drops whole days past it, oldest first, and none of the others', async () => {
    const old = [daysAgo(120), daysAgo(100)];
    const kept = daysAgo(80);
    for (const at of [...old, kept]) await makeDay(dayOf(newId(at)));
    await delivery(old[0] ?? kept, 'sent', null);
    const stays = await delivery(kept, 'sent', null);
    const before = await days();

    const dropped = await dropOld(database, 90);

    expect(dropped).toMatchObject({ days: old.map((at) => dayOf(newId(at))), busy: false });
    expect(await days()).toEqual(before.slice(2));
    const { rows } = await owner.query('SELECT id FROM deliveries');
    expect(rows).toEqual([{ id: stays }]);
  });

  it('leaves a day in which something still waits', async () => {
    const at = daysAgo(100);
    await makeDay(dayOf(newId(at)));
    await delivery(at, 'scheduled', daysAgo(-30));
    expect((await dropOld(database, 90)).days).toEqual([]);
    await owner.query(`UPDATE deliveries SET status = 'sent', due_at = NULL`);
    expect((await dropOld(database, 90)).days).toEqual([dayOf(newId(at))]);
  });

  it('gives way to whoever holds the log, and tries again the next time', async () => {
    const at = daysAgo(100);
    await makeDay(dayOf(newId(at)));
    await owner.query('BEGIN; SELECT count(*) FROM deliveries');
    expect(await dropOld(database, 90)).toMatchObject({ days: [], busy: true });
    await owner.query('COMMIT');
    expect(await dropOld(database, 90)).toMatchObject({ days: [dayOf(newId(at))], busy: false });
  });

  it('never drops the recent past, whatever it is asked', async () => {
    await expect(dropOld(database, 0)).rejects.toThrow(/keep must be/);
  });

  it('deletes inbox items of that age', async () => {
    const item = async (at: Date, seq: number) => {
      const id = newId(at);
      await owner.query(
        `INSERT INTO inbox_items (id, workspace_id, profile_id, seq, delivery_id, title, body, created_at) VALUES ($1, $2, $2, $3, $1, '', '', $4)`,
        [id, workspaceId, seq, at],
      );
      return id;
    };
    await item(daysAgo(91), 1);
    const kept = await item(daysAgo(89), 2);
    expect((await dropOld(database, 90)).inboxItems).toBe(1);
    expect((await owner.query('SELECT id FROM inbox_items')).rows).toEqual([{ id: kept }]);
  });
});
