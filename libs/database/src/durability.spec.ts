import { freshDatabase, type FreshDatabase } from '@carillon/testing';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { clockSkewMs, Database, durabilityFaults } from './index.js';

let fresh: FreshDatabase;
let owner: pg.Client;
beforeAll(async () => {
  fresh = await freshDatabase();
  owner = new pg.Client({ connectionString: fresh.ownerUrl });
  await owner.connect();
});
afterAll(async () => {
  await owner.end();
  await fresh.drop();
});

/** Asks as a service would: on a connection of its own. */
async function asked<T>(question: (database: Database) => Promise<T>): Promise<T> {
  const database = new Database({ url: fresh.appUrl, max: 1 });
  try {
    return await question(database);
  } finally {
    await database.close();
  }
}

describe('a place to keep messages', () => {
  it('is doubted where a setting of the database lets a commit be answered early, and says what to run', async () => {
    const name = new URL(fresh.ownerUrl).pathname.slice(1);
    await owner.query(`ALTER DATABASE ${name} SET synchronous_commit = off`);
    expect(await asked(durabilityFaults)).toContainEqual(
      expect.stringMatching(/^synchronous_commit is off, .*ALTER SYSTEM SET synchronous_commit = on/),
    );
    await owner.query(`ALTER DATABASE ${name} SET synchronous_commit = local`);
    expect((await asked(durabilityFaults)).join()).not.toContain('synchronous_commit');
  });

  it('is doubted where writes are not flushed: the cluster of the tests is such a one', async () => {
    const { rows } = await owner.query<{ fsync: string }>('SHOW fsync');
    const faults = await asked(durabilityFaults);
    expect(faults.some((fault) => fault.startsWith('fsync is off'))).toBe(rows[0]?.fsync === 'off');
  });

  it('tells how far the clocks are apart', async () => {
    // Both are this machine's.
    expect(Math.abs(await asked(clockSkewMs))).toBeLessThan(2_000);
  });
});
