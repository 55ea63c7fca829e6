/** Runs on a real PostgreSQL. */
import { eventually, freshDatabase, lineTo, type FreshDatabase } from '@carillon/testing';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { Listening } from './listening.js';

let fresh: FreshDatabase;
let pool: pg.Pool;
let owner: pg.Client;

beforeAll(async () => {
  fresh = await freshDatabase();
  pool = new pg.Pool({ connectionString: fresh.appUrl, max: 2, application_name: 'listens' });
  pool.on('error', () => {});
  owner = new pg.Client({ connectionString: fresh.ownerUrl });
  await owner.connect();
});
afterAll(async () => {
  await pool.end();
  await owner.end();
  await fresh.drop();
});

const tell = (channel: string, payload: string) =>
  owner.query('SELECT pg_notify($1, $2)', [channel, payload]);
const kill = () =>
  owner.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'listens'`);
function ears() {
  const told: string[] = [];
  let began = 0;
  const heard = {
    told: (channel: string, payload: string | undefined) => told.push(`${channel} ${payload}`),
    began: () => (began += 1),
  };
  return { told, heard, began: () => began };
}
function listening() {
  const { told, heard, began } = ears();
  return { it: new Listening(pool, ['one', 'other'], heard), told, began };
}

describe('listening', () => {
  it('hears its channels and no others, on one connection however many ask', async () => {
    const { it, told, began } = listening();
    await Promise.all([it.begin(), it.begin()]);
    await it.begin();
    expect(began()).toBe(1);
    expect(pool.totalCount - pool.idleCount).toBe(1);
    for (const channel of ['one', 'none', 'other']) await tell(channel, 'a');
    await eventually(() => told.length === 2);
    expect(told).toEqual(['one a', 'other a']);
    it.end();
    expect(pool.totalCount).toBe(0);
  });

  it('begins anew when its connection is lost, and says so', async () => {
    const { it, told, began } = listening();
    await it.begin();
    await kill();
    await eventually(() => began() === 2);
    await tell('one', 'b');
    await eventually(() => told.length === 1);
    it.end();
    await it.begin();
    expect(began()).toBe(2);
    expect(pool.totalCount).toBe(0);
  });

  it('asks a connection that is silent, and leaves one that does not answer', async () => {
    const line = await lineTo(fresh.appUrl);
    const behind = new pg.Pool({ connectionString: line.url, max: 2 });
    behind.on('error', () => {});
    const { told, heard, began } = ears();
    const it = new Listening(behind, ['one'], heard, { look: 20, silence: 2_000 });
    await it.begin();
    // One that answers is kept.
    const asked = async () =>
      (
        await owner.query(
          `SELECT FROM pg_stat_activity WHERE query = 'LISTEN one' AND state_change > backend_start + interval '0.5 s'`,
        )
      ).rowCount;
    await eventually(async () => (await asked()) === 1);
    expect(began()).toBe(1);
    line.silence();
    await eventually(() => began() === 2);
    await tell('one', 'c');
    await eventually(() => told.length === 1);
    it.end();
    await behind.end();
    await line.close();
  });

  it('tells whoever asks that there is no connection, and has one when there is', async () => {
    const away = new pg.Pool({ connectionString: fresh.appUrl, max: 1 });
    const taken = await away.connect();
    // Only from here on: making the first connection may take its time.
    away.options.connectionTimeoutMillis = 50;
    let began = false;
    const it = new Listening(away, ['one'], { told: () => {}, began: () => (began = true) });
    await expect(it.begin()).rejects.toThrow('timeout');
    taken.release();
    await eventually(() => began);
    it.end();
    await away.end();
  });
});
