/** A clone of a database, as a restored backup is one: it says so, tells what waits, and is adopted by a person's word. */
import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { copiedAt, Database, ensurePartitions } from '@carillon/database';
import { freshDatabase } from '@carillon/testing';
import pg from 'pg';
import { root } from './data-folder.mjs';

const COPY = `copy_${process.pid}`;
const at = (url, name) => Object.assign(new URL(url), { pathname: `/${name}` }).href;

let server;
let owner;
let copy;
beforeAll(async () => {
  server = await freshDatabase();
  const database = new Database({ url: server.appUrl, max: 1 });
  await ensurePartitions(database);
  expect(await copiedAt(database)).toBeNull();
  await database.close();
  await query(
    server.ownerUrl,
    `WITH w AS (INSERT INTO workspaces (id, slug, name) VALUES (gen_random_uuid(), 'acme', 'Acme') RETURNING id),
          r AS (INSERT INTO runs (id, workspace_id, source, source_id, channel, class, message_id, day, planned_at, state, members)
                SELECT gen_random_uuid(), w.id, 'campaign', '1', 'sms', 'marketing', gen_random_uuid(), current_date, now(), 'running', 1 FROM w)
     INSERT INTO deliveries (day, id, workspace_id, message_id, channel, class, lane, source, status, due_at)
     SELECT current_date, gen_random_uuid(), w.id, gen_random_uuid(), 'sms', 'transactional', 'transactional', 'api', status, now() + due
       FROM w, (VALUES ('queued', interval '1 minute'), ('sending', '1 minute'), ('scheduled', '-1 minute'), ('scheduled', '1 day'), ('sent', NULL)) AS v(status, due)`,
  );
  await query(
    at(server.ownerUrl, 'postgres'),
    `CREATE DATABASE ${COPY} TEMPLATE ${new URL(server.ownerUrl).pathname.slice(1)}`,
  );
  owner = new pg.Client({ connectionString: at(server.ownerUrl, COPY) });
  await owner.connect();
  copy = new Database({ url: at(server.appUrl, COPY), max: 2 });
});
afterAll(async () => {
  await copy.close();
  await owner.end();
  await query(at(server.ownerUrl, 'postgres'), `DROP DATABASE ${COPY} WITH (FORCE)`);
  await server.drop();
});

async function query(connectionString, sql) {
  const client = new pg.Client({ connectionString });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}

const adopt = (...args) =>
  promisify(execFile)(process.execPath, [path.join(root, 'tools/role.mjs'), 'adopt-copy', ...args], {
    env: { ...process.env, NODE_ENV: 'production', DATABASE_URL: at(server.appUrl, COPY) },
  });
const statuses = async () =>
  (await owner.query('SELECT status, count(*)::int AS n FROM deliveries GROUP BY 1 ORDER BY 1')).rows;

it('is a copy until it is adopted; what waited is then for people to decide, and what came later is not', async () => {
  const since = await copiedAt(copy);
  expect(since).toBeInstanceOf(Date);
  // Accepted by the copy itself: nobody else can have sent it.
  await owner.query(
    `INSERT INTO deliveries (day, id, workspace_id, message_id, channel, class, lane, source, status, due_at, created_at)
     SELECT current_date, gen_random_uuid(), id, gen_random_uuid(), 'sms', 'transactional', 'transactional', 'api', 'queued', now(), now() + interval '1 second' FROM workspaces`,
  );
  const before = await statuses();
  const { stdout: told } = await adopt();
  expect(told).toMatch(/ 3 {2}sms, workspace acme\n +1 {2}runs under way/);
  expect(told).toContain('Nothing is changed.');
  expect(await statuses()).toEqual(before);
  expect(await copiedAt(copy)).toEqual(since);

  const { stdout: held } = await adopt('--hold');
  expect(held).toContain('3 deliveries are unknown now, 1 runs are paused');
  expect(await statuses()).toEqual([
    { status: 'queued', n: 1 },
    { status: 'scheduled', n: 1 },
    { status: 'sent', n: 1 },
    { status: 'unknown', n: 3 },
  ]);
  expect((await owner.query(`SELECT state FROM runs`)).rows).toEqual([{ state: 'paused' }]);
  // On the connections that it had before, too.
  expect(await copiedAt(copy)).toBeNull();
  expect((await adopt('--send')).stdout).toContain('This database is no copy');
}, 120_000);

it('is a copy again when a dump is played back over it', async () => {
  // As pg_restore --clean does: the table is made anew, its row is as it was.
  await owner.query(
    `BEGIN; ALTER TABLE installation RENAME TO dumped; CREATE TABLE installation (LIKE dumped INCLUDING ALL);
     INSERT INTO installation SELECT * FROM dumped; DROP TABLE dumped; GRANT SELECT ON installation TO carillon_app; COMMIT`,
  );
  const later = new Database({ url: at(server.appUrl, COPY), max: 1 });
  expect(await copiedAt(later)).toBeInstanceOf(Date);
  await later.close();
  await adopt('--send');
  expect(await copiedAt(copy)).toBeNull();
}, 60_000);

it('asks for one decision', async () => {
  await expect(adopt('--hold', '--send')).rejects.toMatchObject({
    code: 1,
    stderr: 'Either --hold or --send.\n',
  });
});
