/** The outbox by command, on a real PostgreSQL, with a real relay between the two sides. */
import { Carillon } from '@carillon/sdk';
import { OutboxRelay, outboxSchema } from '@carillon/sdk/outbox';
import { freshDatabase, type FreshDatabase } from '@carillon/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { main } from '../main.js';

let fresh: FreshDatabase;
let pool: pg.Pool;
beforeAll(async () => {
  fresh = await freshDatabase();
  pool = new pg.Pool({ connectionString: fresh.ownerUrl, max: 2 });
});
afterAll(async () => {
  await pool.end();
  await fresh.drop();
});
beforeEach(() => pool.query('DROP TABLE IF EXISTS carillon_outbox'));

async function carillon(words: string[], env: Record<string, string> = { DATABASE_URL: fresh.ownerUrl }) {
  let out = '';
  let err = '';
  const code = await main(words, env, {
    out: { write: (text: string) => (out += text) },
    err: { write: (text: string) => (err += text) },
    stop: new AbortController().signal,
  });
  return { code, out, err };
}
const write = async (name: string) => {
  const client = new Carillon({ apiKey: 'ck_dev_1', baseUrl: 'http://127.0.0.1:9' });
  await client.outbox(pool).messages.send({
    to: { profile: { externalId: name } },
    channels: ['in-app'],
    content: { 'in-app': { title: 't', body: 'b' } },
    idempotencyKey: `order-${name}`,
  });
};
/** What the API would say to a batch, in its place. */
const relayTold = (result: object) =>
  new OutboxRelay({
    database: pool,
    carillon: {
      messages: {
        sendBatch: (messages) =>
          Promise.resolve({
            accepted: 0,
            failed: messages.length,
            results: messages.map((_, index) => ({ index, ...result })),
          } as never),
      },
    },
  });

describe('carillon outbox', () => {
  it('makes the table, says whether it was there, and prints its SQL for migrations', async () => {
    expect((await carillon(['outbox', 'migrate'])).out).toContain('Made the table');
    expect((await carillon(['outbox', 'migrate'])).out).toContain('is there');
    await write('ada');
    expect((await carillon(['outbox', 'migrate', '--print'], {})).out).toBe(outboxSchema);
  });

  it('tells what waits, and fails when it waits for long', async () => {
    await carillon(['outbox', 'migrate']);
    expect(await carillon(['outbox', 'status'])).toMatchObject({
      code: 0,
      out: expect.stringContaining('Nothing waits'),
    });
    await write('ada');
    expect(await carillon(['outbox', 'status'])).toMatchObject({
      code: 0,
      out: expect.stringContaining('1 message waits'),
    });
    await pool.query(`UPDATE carillon_outbox SET created_at = now() - interval '2 minutes'`);
    const late = await carillon(['outbox', 'status']);
    expect(late.code).toBe(1);
    expect(late.out).toContain('the oldest for 2 min');
    expect(late.out).toContain('Does a relay run?');
  });

  it('tells what was refused and why, and lets it go again', async () => {
    await carillon(['outbox', 'migrate']);
    await write('ada');
    const errors = [{ pointer: '/to', code: 'unknown', message: 'there is no such profile' }];
    await relayTold({ ok: false, code: 'invalid_request', detail: 'not valid', errors }).handOver();
    const refused = await carillon(['outbox', 'status']);
    expect(refused.code).toBe(1);
    expect(refused.out).toMatch(/order-ada\s+invalid_request: \/to: there is no such profile/);
    expect((await carillon(['outbox', 'retry'])).out).toContain('1 message goes again');
    expect((await carillon(['outbox', 'status', '--json'])).out).toContain('"waiting":1');
  });

  it('says what to do when something is missing, and never repeats a password', async () => {
    expect(await carillon(['outbox', 'status'])).toMatchObject({
      code: 2,
      err: expect.stringContaining('carillon outbox migrate'),
    });
    expect(await carillon(['outbox', 'status'], {})).toMatchObject({
      code: 2,
      err: expect.stringContaining('--database postgresql://'),
    });
    const away = 'postgresql://shop:s3cret-word@127.0.0.1:9/shop';
    const failed = await carillon(['outbox', 'status', '--database', away]);
    expect(failed.code).toBe(1);
    expect(failed.err).toContain('The database shop at 127.0.0.1 cannot be reached');
    expect(failed.err + failed.out).not.toContain('s3cret-word');
  });
});
