/** The operator's command, as a container runs it: every workspace, by the database's address and no API key. */
import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { Database, ensurePartitions } from '@carillon/database';
import { freshDatabase } from '@carillon/testing';
import pg from 'pg';
import { root } from './data-folder.mjs';

let server;
let owner;
beforeAll(async () => {
  server = await freshDatabase();
  owner = new pg.Client({ connectionString: server.ownerUrl });
  await owner.connect();
  const database = new Database({ url: server.appUrl, max: 1 });
  await ensurePartitions(database);
  await database.close();
});
afterAll(async () => {
  await owner.end();
  await server.drop();
});

const role = (name, env) =>
  promisify(execFile)(process.execPath, [path.join(root, 'tools/role.mjs'), name], {
    env: { ...process.env, NODE_ENV: 'production', ...env },
  });

it('makes due what waits in all workspaces, and nothing that is planned or in hand', async () => {
  for (const slug of ['one', 'two'])
    await owner.query(
      `WITH w AS (INSERT INTO workspaces (id, slug, name) VALUES (gen_random_uuid(), $1, $1) RETURNING id)
       INSERT INTO deliveries (day, id, workspace_id, message_id, channel, class, lane, source, status, due_at)
       SELECT current_date, gen_random_uuid(), w.id, gen_random_uuid(), 'sms', 'transactional', 'transactional', 'api', status, now() + interval '1 minute'
         FROM w, unnest(ARRAY['queued', 'scheduled', 'sending']) AS status`,
      [slug],
    );
  const { stdout } = await role('rebuild-queues', { DATABASE_URL: server.appUrl });
  expect(stdout).toContain('in all workspaces: 2 deliveries, 0 pages of runs');
  const { rows } = await owner.query(
    `SELECT status, count(*)::int AS n FROM deliveries WHERE due_at <= now() GROUP BY 1`,
  );
  expect(rows).toEqual([{ status: 'queued', n: 2 }]);
});

it('says what it needs when it is told of no database', async () => {
  await expect(role('rebuild-queues', { DATABASE_URL: '', DATABASE_URL_FILE: '' })).rejects.toMatchObject({
    code: 1,
    stderr: expect.stringContaining('DATABASE_URL'),
  });
});
