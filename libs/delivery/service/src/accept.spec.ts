import { SendMessage } from '@carillon/contracts';
import { Database, ensurePartitions, newId } from '@carillon/database';
import type { Queues } from '@carillon/queue';
import { freshDatabase, type FreshDatabase } from '@carillon/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { createHash } from 'node:crypto';
import pg from 'pg';
import { Acceptance } from './accept.js';
import type { SendRequest } from './plan-message.js';

let fresh: FreshDatabase;
let owner: pg.Client;
let databases: Database[];
let accepting: Acceptance[];
let offered: string[];
const workspaceId = newId();

beforeAll(async () => {
  fresh = await freshDatabase();
  owner = new pg.Client({ connectionString: fresh.ownerUrl });
  await owner.connect();
  // Two processes that accept for the same workspace.
  databases = [1, 2].map(() => new Database({ url: fresh.appUrl, max: 4 }));
  const queues = {
    offer: (_: string, ids: readonly string[]) => (offered.push(...ids), Promise.resolve(true)),
  } as unknown as Queues;
  accepting = databases.map((database) => new Acceptance(database, queues));
  await owner.query(`INSERT INTO workspaces (id, slug, name) VALUES ($1, 'w', 'W')`, [workspaceId]);
});
beforeEach(() => {
  offered = [];
});
afterAll(async () => {
  for (const database of databases) await database.close();
  await owner.end();
  await fresh.drop();
});

const request = (
  message: Record<string, unknown> = {},
  idempotencyKey: string | null = null,
): SendRequest => ({
  message: SendMessage.parse({
    to: { email: 'ada@example.com' },
    channels: ['email'],
    content: { email: { subject: 'Hi', text: 'Hi' } },
    ...message,
  }),
  idempotencyKey,
});
const count = async (table: string) =>
  Number((await owner.query<{ n: string }>(`SELECT count(*) AS n FROM ${table}`)).rows[0]?.n);
const first = (): Acceptance => accepting[0] as Acceptance;

describe('accept', () => {
  it('makes the partition of a day that nobody prepared', async () => {
    expect(await first().accept(workspaceId, request())).toMatchObject({ ok: true });
    expect(await ensurePartitions(databases[0] as Database)).toBe(0);
  });

  it('writes one message for 200 equal requests that race in two processes', async () => {
    const before = await count('messages');
    const results = await Promise.all(
      Array.from({ length: 200 }, (_, i) =>
        (accepting[i % 2] as Acceptance).accept(workspaceId, request({}, 'race')),
      ),
    );
    expect(new Set(results.map((r) => r.ok && r.message.id)).size).toBe(1);
    expect(results.filter((r) => r.ok && !r.replayed)).toHaveLength(1);
    expect(await count('messages')).toBe(before + 1);
    expect(offered).toHaveLength(1);
  });

  it('does not wait for ever for a request with the same key that does not end', async () => {
    const other = new pg.Client({ connectionString: fresh.ownerUrl });
    await other.connect();
    await other.query('BEGIN');
    await other.query(
      `INSERT INTO idempotency_keys (workspace_id, key, request_fields, response) VALUES ($1, $2, '{}', '{}')`,
      [workspaceId, createHash('sha256').update(`${workspaceId}:held`).digest('hex')],
    );
    try {
      const [held, free, keyless] = await first().acceptAll(workspaceId, [
        request({}, 'held'),
        request({}, 'free'),
        request(),
      ]);
      expect(held).toMatchObject({ ok: false, code: 'idempotency_in_flight' });
      expect(free).toMatchObject({ ok: true, replayed: false });
      expect(keyless).toMatchObject({ ok: true, replayed: false });
    } finally {
      await other.query('ROLLBACK');
      await other.end();
    }
    expect(await first().accept(workspaceId, request({}, 'held'))).toMatchObject({
      ok: true,
      replayed: false,
    });
  }, 30_000);

  it('names the fields that differ under a used key, and does not mind the order of keys', async () => {
    await first().accept(workspaceId, request({ data: { a: 1, b: 2 } }, 'k1'));
    expect(await first().accept(workspaceId, request({ data: { b: 2, a: 1 } }, 'k1'))).toMatchObject({
      ok: true,
      replayed: true,
    });
    expect(
      await first().accept(workspaceId, request({ data: { a: 1, b: 3 }, class: 'marketing' }, 'k1')),
    ).toMatchObject({
      ok: false,
      code: 'idempotency_mismatch',
      errors: [{ pointer: '/class' }, { pointer: '/data' }],
    });
  });

  it('answers a repeat even when the same request would be refused today', async () => {
    await owner.query(`INSERT INTO profiles (id, workspace_id, external_id) VALUES ($1, $2, 'short-lived')`, [
      newId(),
      workspaceId,
    ]);
    const send = request({ to: { profile: 'short-lived' } }, 'k2');
    const accepted = await first().accept(workspaceId, send);
    await owner.query(`DELETE FROM profiles WHERE external_id = 'short-lived'`);
    expect(await first().accept(workspaceId, send)).toEqual({ ...accepted, replayed: true });
  });

  it('judges each of many by itself, in order, and writes nothing of the bad ones', async () => {
    const before = await count('deliveries');
    const results = await first().acceptAll(workspaceId, [
      request({ to: { email: 'nobody' } }),
      request({
        to: { profile: { externalId: 'ada', email: 'ada@example.com' } },
        channels: ['email', 'sms'],
        content: { email: { subject: 'x', text: 'x' }, sms: { body: 'x' } },
      }),
      request({ template: 'none', content: undefined }),
      request({}, 'twice'),
      request({}, 'twice'),
      request({ class: 'marketing' }, 'twice'),
    ]);
    expect(
      results.map((r) => (r.ok ? (r.replayed ? 'replayed' : 'ok') : `${r.code} ${r.errors[0]?.pointer}`)),
    ).toEqual([
      'invalid_request /to/email',
      'ok',
      'invalid_request /template',
      'ok',
      'replayed',
      'idempotency_mismatch /class',
    ]);
    expect(await count('deliveries')).toBe(before + 3);
    expect(offered).toHaveLength(3);
  });

  it('lets what is planned for later wait in a row, and what was planned for the past go now', async () => {
    const [later, past] = await first().acceptAll(workspaceId, [
      request({ sendAt: new Date(Date.now() + 60_000).toISOString() }),
      request({ sendAt: '2020-01-01T00:00:00Z' }),
    ]);
    expect(later).toMatchObject({ message: { deliveries: [{ status: 'scheduled', reason: 'send_later' }] } });
    expect(past).toMatchObject({ message: { deliveries: [{ status: 'queued', reason: null }] } });
    expect(offered).toHaveLength(1);
    const ids = [later, past].map((r) => (r?.ok ? r.message.deliveries[0]?.id : ''));
    const { rows } = await owner.query(
      `SELECT status, due_at > now() + interval '50 s' AS "late" FROM deliveries WHERE id = ANY($1) ORDER BY late DESC`,
      [ids],
    );
    expect(rows).toEqual([
      { status: 'scheduled', late: true },
      { status: 'queued', late: false },
    ]);
  });

  it('leaves nothing behind when its transaction cannot be committed', async () => {
    const before = [await count('messages'), await count('deliveries'), await count('idempotency_keys')];
    await owner.query(
      `ALTER TABLE delivery_events ADD CONSTRAINT out_of_order CHECK (type <> 'accepted') NOT VALID`,
    );
    await expect(first().accept(workspaceId, request({}, 'lost'))).rejects.toThrow(/out_of_order/);
    await owner.query('ALTER TABLE delivery_events DROP CONSTRAINT out_of_order');
    expect([await count('messages'), await count('deliveries'), await count('idempotency_keys')]).toEqual(
      before,
    );
    expect(offered).toEqual([]);
    expect(await first().accept(workspaceId, request({}, 'lost'))).toMatchObject({
      ok: true,
      replayed: false,
    });
  });
});
