/**
 * The outbox on a real PostgreSQL, in transactions of pg and of Prisma, handed over to the real API. The outbox stands in
 * a database of its own, as the caller's does.
 */
import { eventually, freshDatabase, type FreshDatabase } from '@carillon/testing';
import { startTestApi, type TestApi } from '@carillon/testing/api';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { createHash } from 'node:crypto';
import pg from 'pg';
import { Carillon } from './index.js';
import {
  OutboxRelay,
  outboxSchema,
  outboxStatus,
  retryRefused,
  type OutboxRelayOptions,
} from './outbox-relay.js';
import type { Send } from './templates.js';

let api: TestApi;
let theirs: FreshDatabase;
let pool: pg.Pool;
let carillon: Carillon;
const relays: OutboxRelay[] = [];

beforeAll(async () => {
  api = await startTestApi();
  theirs = await freshDatabase();
  pool = new pg.Pool({ connectionString: theirs.ownerUrl, max: 8 });
  await pool.query(outboxSchema);
  await pool.query(outboxSchema);
  carillon = new Carillon({ apiKey: api.key, baseUrl: api.url });
}, 60_000);
afterAll(async () => {
  await pool.end();
  await theirs.drop();
  await api.close();
}, 30_000);
beforeEach(async () => {
  await pool.query('TRUNCATE carillon_outbox');
  await api.owner.query('TRUNCATE messages, deliveries, delivery_events, idempotency_keys');
});
afterEach(async () => {
  await Promise.all(relays.splice(0).map((relay) => relay.stop()));
});

const message = (name = 'ada'): Send => ({
  to: { profile: { externalId: name } },
  channels: ['in-app'],
  content: { 'in-app': { title: 'Paid', body: 'Thank you' } },
  sendAt: new Date(Date.now() + 3_600_000),
});
const relay = (more: Partial<OutboxRelayOptions> = {}) => {
  const one = new OutboxRelay({ carillon, database: pool, ...more });
  relays.push(one);
  return one;
};
const keys = async () =>
  (
    await api.owner.query<{ key: string }>('SELECT key FROM idempotency_keys WHERE workspace_id = $1', [
      api.workspaceId,
    ])
  ).rows.map((row) => row.key);
/** What is kept of a key. */
const hashed = (key: string) => createHash('sha256').update(`${api.workspaceId}:${key}`).digest('hex');
const count = async (table: string) =>
  (await api.owner.query<{ n: number }>(`SELECT count(*)::int AS n FROM ${table}`)).rows[0]?.n;
const passes = (look: () => Promise<void>, withinMs = 20_000) =>
  eventually(async () => {
    await look();
    return true;
  }, withinMs);
/** A transaction of the caller. */
async function within(work: (tx: pg.PoolClient) => Promise<void>): Promise<void> {
  const client = await pool.connect();
  try {
    await client.query('BEGIN');
    await work(client);
    await client.query('COMMIT');
  } catch (error) {
    await client.query('ROLLBACK');
    throw error;
  } finally {
    client.release();
  }
}

describe('a transaction of pg', () => {
  it('that commits sends its message, under the key it was given', async () => {
    relay().start();
    let key = '';
    await within(async (tx) => {
      key = (await carillon.outbox(tx).messages.send(message())).idempotencyKey;
    });
    await passes(async () => expect(await keys()).toEqual([hashed(key)]));
    await passes(async () => expect(await outboxStatus(pool)).toMatchObject({ waiting: 0, refused: [] }));
    expect(await count('messages')).toBe(1);
  });

  it('that rolls back sends nothing, and neither does one that is open', async () => {
    const one = relay();
    const failed = within(async (tx) => {
      await carillon.outbox(tx).messages.send(message());
      expect(await one.handOver()).toBe(0);
      throw new Error('the order was not paid');
    });
    await expect(failed).rejects.toThrow('not paid');
    expect(await one.handOver()).toBe(0);
    expect(await count('messages')).toBe(0);
  });

  it.each<[string, unknown]>([
    ['to whom', { channels: ['sms'], content: {} }],
    ['channels or route', { to: { phone: '1' }, content: {} }],
    ['content or template', { to: { phone: '1' }, channels: ['sms'] }],
    ['NUL', { to: { phone: '1' }, channels: ['sms'], content: { sms: { body: 'a\u0000b' } } }],
  ])('is refused what can never be sent: %s', async (sentence, bad) => {
    await expect(carillon.outbox(pool).messages.send(bad as Send)).rejects.toThrow(sentence);
  });

  it('keeps a key of its own', async () => {
    await carillon.outbox(pool).messages.send({ ...message(), idempotencyKey: 'order-1042' });
    await relay().handOver();
    expect(await keys()).toEqual([hashed('order-1042')]);
  });
});

it('a Prisma transaction sends its message if it commits, and not otherwise', async () => {
  // The Prisma client at hand is of the API's own database, so this outbox stands there.
  await api.owner.query(`${outboxSchema}; GRANT ALL ON carillon_outbox TO carillon_app`);
  const { database, workspaceId } = api;
  let key = '';
  await database.prismaIn(workspaceId, async (tx) => {
    const rows = await carillon.outbox(tx).messages.sendBatch([message(), message('bo')]);
    key = rows[0]?.idempotencyKey ?? '';
  });
  const failed = database.prismaIn(workspaceId, async (tx) => {
    await carillon.outbox(tx).messages.send(message('cy'));
    throw new Error('no');
  });
  await expect(failed).rejects.toThrow('no');
  // The relay works over Prisma as well.
  await database.prismaIn(workspaceId, async (tx) => {
    expect(await relay({ database: tx }).handOver()).toBe(2);
  });
  expect(await keys()).toContain(hashed(key));
  expect(await count('messages')).toBe(2);
});

describe('a relay', () => {
  it('that dies between the answer and the delete sends nothing twice', async () => {
    await carillon.outbox(pool).messages.send(message());
    const dying = relay({
      database: {
        query: (text: string, values: unknown[]) =>
          text.startsWith('DELETE') ? Promise.reject(new Error('killed')) : pool.query(text, values),
      },
    });
    await expect(dying.handOver()).rejects.toThrow('killed');
    expect(await count('messages')).toBe(1);
    expect(await relay().handOver()).toBe(0);
    await pool.query('UPDATE carillon_outbox SET due_at = now()');
    expect(await relay().handOver()).toBe(1);
    expect(await count('messages')).toBe(1);
    expect(await outboxStatus(pool)).toMatchObject({ waiting: 0 });
  });

  it('waits while the API is away, and hands over when it is back', async () => {
    await carillon.outbox(pool).messages.send(message());
    const away = new Carillon({ apiKey: api.key, baseUrl: 'http://127.0.0.1:9' });
    const pauses: number[] = [];
    const one = relay({ carillon: away, onTrouble: (_, pauseMs) => void pauses.push(pauseMs) }).start();
    await passes(async () => expect(pauses.slice(0, 3)).toEqual([500, 1000, 2000]));
    await one.stop();
    expect(await outboxStatus(pool)).toMatchObject({ waiting: 1 });
    relay().start();
    await passes(async () => expect(await count('messages')).toBe(1));
  }, 30_000);

  it('leaves a refused message with its problem, and goes on with the others', async () => {
    const { idempotencyKey } = await carillon
      .outbox(pool)
      .messages.send({ to: { profile: 'nobody' }, channels: ['in-app'], template: 'no-such-template' });
    await carillon.outbox(pool).messages.sendBatch(['ada', 'bo', 'cy'].map(message));
    const refused: string[] = [];
    expect(await relay({ onRefused: (m) => void refused.push(m.idempotencyKey) }).handOver()).toBe(4);
    expect(refused).toEqual([idempotencyKey]);
    expect(await count('messages')).toBe(3);
    expect(await outboxStatus(pool)).toMatchObject({
      waiting: 0,
      refused: [{ idempotencyKey, problem: { code: 'invalid_request', detail: expect.any(String) } }],
    });
    expect(await relay().handOver()).toBe(0);
    expect(await retryRefused(pool)).toBe(1);
    expect(await outboxStatus(pool)).toMatchObject({ waiting: 1, refused: [] });
  });

  it('with others hands over 10,000 rows, each once', async () => {
    const many = Array.from({ length: 1000 }, (_, n) => message(`p${n}`));
    for (let n = 0; n < 10; n += 1)
      await within(async (tx) => void (await carillon.outbox(tx).messages.sendBatch(many)));
    for (let n = 0; n < 3; n += 1) relay().start();
    await passes(async () => expect((await outboxStatus(pool)).waiting).toBe(0), 60_000);
    expect(await count('messages')).toBe(10_000);
    expect(new Set(await keys()).size).toBe(10_000);
  }, 90_000);
});
