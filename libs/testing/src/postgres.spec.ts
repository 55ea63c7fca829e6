import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { freshDatabase, type FreshDatabase } from './postgres.js';

describe('freshDatabase', () => {
  let one: FreshDatabase;
  let other: FreshDatabase;
  beforeAll(async () => {
    one = await freshDatabase();
    other = await freshDatabase();
  });
  afterAll(async () => {
    await one.drop();
    await other.drop();
  });

  async function query(url: string, sql: string): Promise<unknown[]> {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    try {
      return (await client.query<Record<string, unknown>>(sql)).rows;
    } finally {
      await client.end();
    }
  }

  it('gives databases that know nothing of each other', async () => {
    await query(one.ownerUrl, 'CREATE TABLE mark ()');
    expect(await query(other.ownerUrl, "SELECT to_regclass('mark') AS mark")).toEqual([{ mark: null }]);
  });

  it('lets services in as a role that owns nothing and is bound by row-level security', async () => {
    const rows = await query(
      one.appUrl,
      `SELECT rolname, rolsuper, rolbypassrls, rolcreaterole, rolcreatedb,
              (SELECT count(*)::int FROM pg_class WHERE relowner = r.oid) AS owned
         FROM pg_roles r WHERE rolname = current_user`,
    );
    expect(rows).toEqual([
      {
        rolname: 'carillon_app',
        rolsuper: false,
        rolbypassrls: false,
        rolcreaterole: false,
        rolcreatedb: false,
        owned: 0,
      },
    ]);
    await expect(query(one.appUrl, 'CREATE TABLE mine ()')).rejects.toThrow('permission denied');
  });

  it('is gone after drop, whoever was still connected', async () => {
    const third = await freshDatabase();
    const idle = new pg.Client({ connectionString: third.appUrl });
    const ended = new Promise((resolve) => idle.once('end', resolve));
    idle.on('error', () => {}); // Being cut off is the point.
    await idle.connect();
    await third.drop();
    await ended;
    await expect(query(third.ownerUrl, 'SELECT 1')).rejects.toThrow('does not exist');
  });
});
