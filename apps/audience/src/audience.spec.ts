import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { loadConfig, useConfig } from '@carillon/config';
import { Database, dayOf, ensurePartitions, newId } from '@carillon/database';
import { Queues } from '@carillon/queue';
import { startWorker, type Running } from '@carillon/server';
import { eventually, freePort, freshDatabase, type FreshDatabase } from '@carillon/testing';
import pg from 'pg';
import { AudienceWorkerModule } from './index.js';

let fresh: FreshDatabase;
let owner: pg.Client;
let running: Running;
beforeAll(async () => {
  fresh = await freshDatabase();
  owner = new pg.Client({ connectionString: fresh.ownerUrl });
  await owner.connect();
  useConfig(
    loadConfig({
      NODE_ENV: 'test',
      DATABASE_URL: fresh.appUrl,
      DATABASE_POOL_SIZE: '4',
      LOG_LEVEL: 'error',
      AUDIENCE_PORT: `${await freePort()}`,
    }),
  );
  running = await startWorker({ name: 'audience', modules: [AudienceWorkerModule], services: ['audience'] });
}, 60_000);
afterAll(async () => {
  await running.close();
  await owner.end();
  await fresh.drop();
}, 30_000);

describe('the audience service', () => {
  it('works route-event: an address that bounced for good is written to no more', async () => {
    const database = running.app.get(Database);
    await ensurePartitions(database);
    const [workspaceId, deliveryId] = [newId(), newId()];
    await owner.query(`INSERT INTO workspaces (id, slug, name) VALUES ($1, 'w', 'W')`, [workspaceId]);
    await owner.query(
      `INSERT INTO deliveries (day, id, workspace_id, message_id, channel, class, lane, source, status, reason, address)
       VALUES ($1, $2, $3, $4, 'email', 'marketing', 'bulk', 'api', 'failed', 'recipient_unknown', 'gone@x.example')`,
      [dayOf(deliveryId), deliveryId, workspaceId, newId()],
    );
    const { rows } = await owner.query<{ id: string }>(
      `INSERT INTO delivery_events (day, delivery_id, workspace_id, type, reason) VALUES ($1, $2, $3, 'failed', 'recipient_unknown') RETURNING id`,
      [dayOf(deliveryId), deliveryId, workspaceId],
    );
    expect(await running.app.get(Queues).offer('route-event', [`${deliveryId}:${rows[0]?.id}`])).toBe(true);
    await eventually(async () => {
      const found = await owner.query('SELECT address, reason FROM suppressions WHERE workspace_id = $1', [
        workspaceId,
      ]);
      expect(found.rows).toEqual([{ address: 'gone@x.example', reason: 'hard_bounced' }]);
      return true;
    }, 15_000);
  }, 30_000);

  it('has a door for health and figures alone', async () => {
    const ask = async (path: string, headers: Record<string, string> = {}) => {
      const answer = await fetch(`${running.url}${path}`, { headers });
      return [answer.status, await answer.text()] as const;
    };
    expect(await ask('/health/live')).toEqual([200, '{"status":"ok"}']);
    expect((await ask('/health/ready'))[0]).toBe(200);
    expect((await ask('/metrics'))[1]).toContain('carillon_queue_jobs{queue="route-event"');
    expect((await ask('/metrics', { 'x-forwarded-for': '203.0.113.9' }))[0]).toBe(404);
    expect((await ask('/v1/profiles'))[0]).toBe(404);
  });
});

describe('a start with a hole in it', () => {
  it('stops with a sentence: a queue that nobody works', async () => {
    await expect(startWorker({ name: 'hole', modules: [], services: ['audience'] })).rejects.toThrow(
      /Nothing works the queue "route-event".*add @Work\('route-event'\)/,
    );
  }, 30_000);
  it('stops with a sentence: a handler for a queue of somebody else', async () => {
    await expect(
      startWorker({ name: 'hole', modules: [AudienceWorkerModule], services: [] }),
    ).rejects.toThrow(/"route-event" belongs to audience/);
  }, 30_000);
});
