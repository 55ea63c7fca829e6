import { Database, dayOf, ensurePartitions, newId } from '@carillon/database';
import { freshDatabase, type FreshDatabase } from '@carillon/testing';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { claim } from './claim.js';
import { Leases } from './leases.js';

let fresh: FreshDatabase;
let database: Database;
let owner: pg.Client;
const workspaceId = newId();

beforeAll(async () => {
  fresh = await freshDatabase();
  owner = new pg.Client({ connectionString: fresh.ownerUrl });
  await owner.connect();
  database = new Database({ url: fresh.appUrl, max: 4 });
  await ensurePartitions(database);
});
afterAll(async () => {
  await database.close();
  await owner.end();
  await fresh.drop();
});

async function queued(): Promise<string> {
  const id = newId();
  await owner.query(
    `INSERT INTO deliveries (day, id, workspace_id, message_id, channel, class, lane, source, status, due_at)
     VALUES ($1, $2, $3, $4, 'email', 'transactional', 'transactional', 'api', 'queued', now())`,
    [dayOf(id), id, workspaceId, newId()],
  );
  return id;
}
const rowOf = async (id: string) =>
  (
    await owner.query<{ status: string; due: boolean }>(
      'SELECT status, due_at <= now() AS due FROM deliveries WHERE day = $1 AND id = $2',
      [dayOf(id), id],
    )
  ).rows[0];

describe('what a stopping process gives back', () => {
  it('is what it has not marked, and is due at once', async () => {
    const [unmarked, marked] = [await queued(), await queued()];
    const leases = new Leases(database);
    const claimed = await database.acrossWorkspaces((sql) => claim(sql, [unmarked, marked]));
    leases.hold(claimed);
    await owner.query('UPDATE deliveries SET handed_over_at = now() WHERE id = $1', [marked]);

    expect(await leases.handBack()).toBe(1);
    expect(await rowOf(unmarked)).toEqual({ status: 'queued', due: true });
    // Bytes may have left: only its end or its lease decides.
    expect(await rowOf(marked)).toEqual({ status: 'sending', due: false });
  });

  it('can no longer be written by whoever had it', async () => {
    const id = await queued();
    const leases = new Leases(database);
    const [before] = await database.acrossWorkspaces((sql) => claim(sql, [id]));
    leases.hold(before ? [before] : []);
    await leases.handBack();
    const [again] = await database.acrossWorkspaces((sql) => claim(sql, [id]));
    expect(again?.attempt).toBeGreaterThan(before?.attempt ?? 0);
  });

  it('is nothing when everything has ended', async () => {
    const id = await queued();
    const leases = new Leases(database);
    const claimed = await database.acrossWorkspaces((sql) => claim(sql, [id]));
    leases.hold(claimed);
    leases.release(claimed);
    expect(await leases.handBack()).toBe(0);
    expect(await rowOf(id)).toEqual({ status: 'sending', due: false });
  });
});
