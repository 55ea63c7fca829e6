/** The migration runner on a real PostgreSQL: what it applies, refuses and tells. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Database, ensurePartitions, newId } from '@carillon/database';
import { Acceptance } from '@carillon/delivery-service';
import { freshDatabase } from '@carillon/testing';
import pg from 'pg';
import { migrate } from './migrate.mjs';

let server;
let ownerUrl;
let folder;
let number = 0;

beforeAll(async () => {
  server = await freshDatabase();
});
afterAll(() => server.drop());

beforeEach(async () => {
  const name = `${new URL(server.ownerUrl).pathname.slice(1)}_${++number}`;
  await query(server.ownerUrl, `CREATE DATABASE ${name} TEMPLATE template0`);
  ownerUrl = at(server.ownerUrl, { pathname: `/${name}` });
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'carillon-migrations-'));
});
afterEach(async () => {
  fs.rmSync(folder, { recursive: true });
  await query(server.ownerUrl, `DROP DATABASE ${databaseName()} WITH (FORCE)`);
});

const databaseName = () => new URL(ownerUrl).pathname.slice(1);

function at(url, parts) {
  return Object.assign(new URL(url), parts).href;
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

function write(name, sql) {
  fs.mkdirSync(path.join(folder, name), { recursive: true });
  fs.writeFileSync(path.join(folder, name, 'migration.sql'), sql);
}

const run = (more = {}) =>
  migrate({
    ownerUrl,
    appUrl: at(server.appUrl, { pathname: new URL(ownerUrl).pathname }),
    queueUrl: null,
    migrations: folder,
    ...more,
  });

describe('migrations', () => {
  it('are applied once, in order, however many start at the same moment', async () => {
    write(
      '2_fill',
      "INSERT INTO word VALUES ('a'); CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$ SELECT 1; $$;",
    );
    write('1_make', 'CREATE TABLE word (text text)');
    const applied = await Promise.all([run(), run(), run()]);
    expect(applied.flat()).toEqual(['1_make', '2_fill']);
    expect(await query(ownerUrl, 'SELECT text, f() FROM word')).toEqual([{ text: 'a', f: 1 }]);
    expect(await run()).toEqual([]);
  });

  it('leave nothing behind when they fail, and are tried again once mended', async () => {
    write('1_half', 'CREATE TABLE half (); SELECT 1/0');
    await expect(run()).rejects.toThrow('The migration 1_half could not be applied: division by zero');
    expect(await query(ownerUrl, "SELECT to_regclass('half') AS half")).toEqual([{ half: null }]);
    write('1_half', 'CREATE TABLE half ()');
    expect(await run()).toEqual(['1_half']);
  });

  it('may not be edited once applied', async () => {
    write('1_make', 'CREATE TABLE word ()');
    await run();
    write('1_make', 'CREATE TABLE words ()');
    await expect(run()).rejects.toThrow('1_make was edited after it was applied');
  });

  it('run outside a transaction when they say so', async () => {
    write('1_make', 'CREATE TABLE word (text text)');
    write('2_index', '-- no transaction\nCREATE INDEX CONCURRENTLY word_text ON word (text)');
    expect(await run()).toEqual(['1_make', '2_index']);
  });

  it('that failed outside a transaction stop the next run until a person has looked', async () => {
    write('1_index', '-- no transaction\nCREATE INDEX CONCURRENTLY x ON nowhere (text)');
    await expect(run()).rejects.toThrow('"nowhere" does not exist');
    await expect(run()).rejects.toThrow('migrate resolve --rolled-back 1_index');
  });

  it('wait for a table lock that is soon released', async () => {
    write('1_make', 'CREATE TABLE word (text text)');
    await run();
    write('2_alter', 'ALTER TABLE word ADD COLUMN language text');
    const reader = new pg.Client({ connectionString: ownerUrl });
    await reader.connect();
    await reader.query('BEGIN; SELECT * FROM word');
    const applied = run();
    const waiting = () =>
      query(ownerUrl, "SELECT FROM pg_locks WHERE relation = 'word'::regclass AND NOT granted");
    while ((await waiting()).length === 0);
    await reader.query('COMMIT');
    await reader.end();
    expect(await applied).toEqual(['2_alter']);
  });
});

it('accepting goes on while a migration waits for a table that somebody holds', async () => {
  const database = new Database({ url: server.appUrl, max: 2 });
  const acceptance = new Acceptance(database, { offer: () => Promise.resolve(true) });
  const workspaceId = newId();
  await query(server.ownerUrl, `INSERT INTO workspaces (id, slug, name) VALUES ('${workspaceId}', 'w', 'W')`);
  await ensurePartitions(database);
  write('9_note', 'ALTER TABLE messages ADD COLUMN note text; ALTER TABLE deliveries ADD COLUMN note text');
  // Somebody's long report, which reads the log all the time.
  const reader = new pg.Client({ connectionString: server.ownerUrl });
  await reader.connect();
  await reader.query('BEGIN; SELECT count(*) FROM messages');
  const applied = run({ ownerUrl: server.ownerUrl, appUrl: server.appUrl });
  const waiting = () =>
    query(server.ownerUrl, "SELECT FROM pg_locks WHERE relation = 'messages'::regclass AND NOT granted");
  for (let n = 0; n < 2; n++) {
    while ((await waiting()).length === 0);
    // Behind the migration in the queue for the table, which therefore must give up its place.
    const message = {
      to: { email: 'ada@example.com' },
      channels: ['email'],
      content: { email: { subject: 'Hi', text: 'Hi' } },
      class: 'transactional',
      data: {},
    };
    expect(await acceptance.accept(workspaceId, { message, idempotencyKey: null })).toMatchObject({
      ok: true,
    });
  }
  await reader.query('COMMIT');
  await reader.end();
  expect(await applied).toEqual(['9_note']);
  await database.close();
}, 60_000);

describe('the app role', () => {
  const roles = [];
  afterAll(async () => {
    for (const role of roles) await query(server.ownerUrl, `DROP ROLE ${role}`);
  });
  async function makeRole(name, options) {
    const role = `${name}_${databaseName()}`;
    await query(ownerUrl, `CREATE ROLE ${role} LOGIN PASSWORD 'secret' ${options}`);
    roles.push(role);
    return role;
  }

  it('is what a user of another name may act as', async () => {
    const user = await makeRole('mailer', '');
    const appUrl = at(ownerUrl, { username: user, password: 'secret' });
    write('1_make', 'CREATE TABLE word (text text); GRANT SELECT ON word TO carillon_app');
    await run({ appUrl });
    const asApp = at(appUrl, { search: '?options=-c%20role%3Dcarillon_app' });
    expect(
      await query(
        asApp,
        'SELECT current_user, count(*)::int FROM word GROUP BY 1 UNION ALL SELECT current_user, 0',
      ),
    ).toEqual([{ current_user: 'carillon_app', count: 0 }]);
  });

  it('is asked of an administrator, in a sentence, when the owner may not grant it', async () => {
    const owner = await makeRole('owner', '');
    await query(ownerUrl, `ALTER DATABASE "${databaseName()}" OWNER TO ${owner}`);
    const plain = at(ownerUrl, { username: owner, password: 'secret' });
    await expect(run({ ownerUrl: plain, appUrl: plain })).rejects.toThrow(
      `run, once: GRANT carillon_app TO "${owner}"`,
    );
  });

  it('may own nothing', async () => {
    await run();
    await query(ownerUrl, 'CREATE TABLE mine (); ALTER TABLE mine OWNER TO carillon_app');
    await expect(run()).rejects.toThrow('cannot keep workspaces apart');
  });
});

it('says where no PostgreSQL answers, without the password', async () => {
  const nowhere = 'postgresql://carillon:hunter2@127.0.0.1:1/carillon';
  const error = await run({ ownerUrl: nowhere }).catch((caught) => caught);
  expect(error.message).toMatch(/No connection to PostgreSQL at 127\.0\.0\.1:1\/carillon/);
  expect(error.message).not.toContain('hunter2');
});
