/** What is erased is nowhere: the whole database is searched for words that occur nowhere else. */
import type { AcceptedMessage } from '@carillon/contracts';
import { dayOf, newId } from '@carillon/database';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { apiFixture, type ApiFixture } from './api.fixture.js';

let at: ApiFixture;
beforeAll(async () => {
  at = await apiFixture();
});
afterAll(() => at.close());

const CANARY = /kanarie/i;
async function whereFound(): Promise<string[]> {
  const { rows: tables } = await at.owner.query<{ name: string }>(
    `SELECT oid::regclass::text AS name FROM pg_class WHERE relkind = 'r' AND relnamespace IN ('public'::regnamespace, to_regnamespace('bullmq'))`,
  );
  const found: string[] = [];
  for (const { name } of tables) {
    const { rows } = await at.owner.query<{ text: string }>(`SELECT t::text AS text FROM ${name} t`);
    if (rows.some(({ text }) => CANARY.test(text))) found.push(name.replace(/_\d{8}$/, ''));
  }
  return found.sort();
}

async function sent(idempotencyKey?: string): Promise<AcceptedMessage> {
  const answer = await at.ask(at.here, 'sendMessage', {
    ...(idempotencyKey ? { headers: { 'idempotency-key': idempotencyKey } } : {}),
    body: {
      to: { email: 'kanarie@example.com' },
      channels: ['email'],
      content: { email: { subject: 'Hi Kanarie {{ code }}', text: 'Hello' } },
      data: { code: 'kanarie-1' },
      replyTo: 'kanarie-reply@example.com',
      metadata: { who: 'kanarie' },
    },
  });
  expect([answer.status, answer.text]).toEqual([202, expect.any(String)]);
  return answer.json as AcceptedMessage;
}
const erase = (id: string) => at.ask(at.here, 'eraseMessage', { params: { id } });

describe('erasing a message', () => {
  it('leaves its rows, and none of its words', async () => {
    const message = await sent('one key');
    const [delivery] = message.deliveries;
    const day = dayOf(message.id);
    await at.owner.query(
      `INSERT INTO receipts (day, workspace_id, provider_account_id, event_id, delivery_id, status, answer) VALUES ($1, $2, $3, 'e', $4, 'failed', '{"message": "kanarie@example.com bounced"}')`,
      [day, at.here.id, newId(), delivery?.id],
    );
    await at.owner.query(
      `INSERT INTO delivery_events (day, delivery_id, workspace_id, type, detail) VALUES ($1, $2, $3, 'failed', '{"message": "no mailbox kanarie@example.com"}')`,
      [day, delivery?.id, at.here.id],
    );
    await at.owner.query(
      `INSERT INTO inbox_items (id, workspace_id, profile_id, seq, delivery_id, title, body) VALUES ($1, $2, $1, 1, $3, 'Kanarie', '')`,
      [newId(), at.here.id, delivery?.id],
    );
    expect(await whereFound()).toEqual([
      'deliveries',
      'delivery_events',
      'inbox_items',
      'messages',
      'receipts',
    ]);

    const answer = await erase(message.id);

    expect([answer.status, answer.json]).toEqual([200, { id: message.id, deliveries: 1, cancelled: 1 }]);
    expect(await whereFound()).toEqual([]);
    const shown = await at.ask(at.here, 'getDelivery', { params: { id: delivery?.id ?? '' } });
    expect(shown.json).toMatchObject({ status: 'cancelled', reason: 'cancelled_by_request' });
    expect((await erase(message.id)).json).toEqual({ id: message.id, deliveries: 1, cancelled: 0 });
  });

  it('is refused while it is being handed over, and changes nothing then', async () => {
    const message = await sent();
    await at.owner.query(`UPDATE deliveries SET status = 'sending', handed_over_at = now() WHERE id = $1`, [
      message.deliveries[0]?.id,
    ]);
    expect((await erase(message.id)).json).toMatchObject({ code: 'conflict' });
    expect(await whereFound()).toEqual(['deliveries', 'messages']);
  });

  it('belongs to the workspace', async () => {
    const message = await sent();
    expect((await at.ask(at.elsewhere, 'eraseMessage', { params: { id: message.id } })).status).toBe(404);
  });

  it('may not be asked of the timeline in another workspace’s name', async () => {
    const client = at.owner;
    await client.query('BEGIN');
    await client.query(`SELECT set_config('app.workspace', $1, true)`, [at.elsewhere.id]);
    await expect(
      client.query('SELECT erase_event_details($1, now()::date, $2::uuid[])', [at.here.id, [newId()]]),
    ).rejects.toThrow(/not the workspace/);
    await client.query('ROLLBACK');
  });
});

describe('deleting a profile', () => {
  it('takes its inbox along', async () => {
    await at.ask(at.here, 'upsertProfile', { params: { externalId: 'ida' }, body: { locale: 'fr' } });
    const { rows } = await at.owner.query<{ id: string }>(
      `SELECT id FROM profiles WHERE external_id = 'ida' AND workspace_id = $1`,
      [at.here.id],
    );
    const id = rows[0]?.id;
    for (const profile of [id, newId()]) {
      await at.owner.query(
        `INSERT INTO inbox_items (id, workspace_id, profile_id, seq, delivery_id, title, body) VALUES ($1, $2, $3, 1, $1, 'x', '')`,
        [newId(), at.here.id, profile],
      );
      await at.owner.query(
        'INSERT INTO inbox_feeds (workspace_id, profile_id, last_seq) VALUES ($1, $2, 1)',
        [at.here.id, profile],
      );
    }
    expect((await at.ask(at.here, 'deleteProfile', { params: { externalId: 'ida' } })).status).toBe(204);
    for (const table of ['inbox_items', 'inbox_feeds'])
      expect((await at.owner.query(`SELECT 1 FROM ${table} WHERE profile_id = $1`, [id])).rowCount).toBe(0);
    expect((await at.owner.query('SELECT 1 FROM inbox_items')).rowCount).toBe(1);
  });
});
