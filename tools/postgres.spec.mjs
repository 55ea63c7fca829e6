/** The embedded PostgreSQL: started, adopted, killed, moved and refused. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { startPostgres, temporaryCluster } from './postgres.mjs';

let folder;
let servers;
beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'carillon-pg-spec-'));
  servers = [];
});
afterEach(async () => {
  for (const server of servers) await server.stop();
  const place = path.join(folder, 'pg');
  if (fs.existsSync(place) && fs.lstatSync(place).isSymbolicLink()) {
    fs.rmSync(path.dirname(fs.realpathSync(place)), { recursive: true });
  }
  fs.rmSync(folder, { recursive: true });
});

async function start(more = {}) {
  const server = await startPostgres({ folder, password: 'secret', preferredPort: 0, ...more });
  servers.push(server);
  return server;
}

async function query(url, sql) {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}

describe('a cluster', () => {
  it('keeps what was committed through a kill -9, and comes back where it was', async () => {
    const first = await start();
    await query(first.url(), "CREATE TABLE word AS SELECT 'kept' AS text");
    process.kill(first.pid, 'SIGKILL');
    const second = await start({ exactPort: first.port });
    expect(second).toMatchObject({ adopted: false, port: first.port });
    expect(await query(second.url(), 'SELECT text FROM word')).toEqual([{ text: 'kept' }]);
  });

  it('that still runs is used, not started twice', async () => {
    const first = await start();
    const second = await start();
    expect(second).toMatchObject({ adopted: true, pid: first.pid, port: first.port });
  });

  it('is not mistaken for a stranger with the number of its last process', async () => {
    const first = await start();
    await first.stop();
    const lock = `${process.pid}\n${folder}/pg\n1\n${first.port}\n\n127.0.0.1\n1 1\nready\n`;
    fs.writeFileSync(path.join(folder, 'pg/postmaster.pid'), lock);
    expect(await start()).toMatchObject({ adopted: false });
  });

  it('of another major version is left alone', async () => {
    const first = await start();
    await first.stop();
    fs.writeFileSync(path.join(folder, 'pg/PG_VERSION'), '17\n');
    await expect(start()).rejects.toThrow(/was written by PostgreSQL 17, and this is PostgreSQL 18/);
  });

  it('that does not know the password says which two do not belong together', async () => {
    const first = await start();
    await first.stop();
    await expect(start({ password: 'other' })).rejects.toThrow(/refuses the password in secrets\.json/);
  });

  it('sorts and folds every script alike on every machine', async () => {
    const { url } = await start();
    expect(await query(url(), "SELECT lower('ÉŁΩ') AS lower, 'Z' < 'a' AS by_code_point")).toEqual([
      { lower: 'éłω', by_code_point: true },
    ]);
  });

  it('keeps its files from other users', async () => {
    await start();
    expect(fs.statSync(path.join(folder, 'pg')).mode & 0o077).toBe(0);
    expect(fs.statSync(path.join(folder, 'postgres.log')).mode & 0o077).toBe(0);
  });
});

describe('without user namespaces', () => {
  beforeEach(() => {
    process.env.CARILLON_PG_USERNS = 'off';
  });
  afterEach(() => delete process.env.CARILLON_PG_USERNS);

  it('runs all the same, in a folder only we may enter, and says how', async () => {
    const said = [];
    const before = process.getuid();
    const server = await start({ say: (line) => said.push(line) });
    expect(await query(server.url(), 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    expect(said).toEqual(
      before === 0 ? [expect.stringMatching(/running it as \w+, with its files in /)] : [],
    );
  });

  it('goes on with a cluster that was made with them, and back', async () => {
    delete process.env.CARILLON_PG_USERNS;
    const first = await start();
    await query(first.url(), "CREATE TABLE word AS SELECT 'kept' AS text");
    await first.stop();
    process.env.CARILLON_PG_USERNS = 'off';
    const second = await start();
    await query(second.url(), "INSERT INTO word VALUES ('and added to')");
    await second.stop();
    delete process.env.CARILLON_PG_USERNS;
    const third = await start();
    expect(await query(third.url(), 'SELECT text FROM word')).toEqual([
      { text: 'kept' },
      { text: 'and added to' },
    ]);
  });
});

it('leaves no trace when it was temporary', async () => {
  const cluster = await temporaryCluster();
  await cluster.stop();
  expect(cluster.isAlive()).toBe(false);
  expect(fs.existsSync(cluster.folder)).toBe(false);
});
