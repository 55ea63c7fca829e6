/**
 * Webhooks out, on a real PostgreSQL, from the real API to real HTTP receivers, checked with the library that receivers
 * use (standardwebhooks) and with the SDK's own verifier.
 */
import { loadConfig, useConfig } from '@carillon/config';
import {
  deliveryEventTypes,
  webhookTypes,
  type AcceptedMessage,
  type Page,
  type WebhookBody,
  type WebhookEndpoint,
  type WebhookEndpointCreated,
  type WebhookMessage,
} from '@carillon/contracts';
import { Grace } from '@carillon/server';
import { dayOf, Database, newId } from '@carillon/database';
import { eventually } from '@carillon/testing';
import { startTestApi, type TestApi } from '@carillon/testing/api';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { Webhook } from 'standardwebhooks';
import { masterKeys } from './sending-accounts.js';
import { seal } from './secrets.js';
import { signedHeaders, WebhookCalls } from './webhook-call.js';
import { resealWebhooks } from './webhook-endpoints.js';
import { claimWebhooks, forgetWebhooks } from './webhook-messages.js';
import { WebhookSender } from './webhook-sender.js';

interface Received {
  path: string;
  headers: Record<string, string>;
  raw: string;
  body: WebhookBody;
}

let api: TestApi;
let receiver: http.Server;
let base: string;
let received: Received[];
let respond: (request: Received, response: http.ServerResponse) => void;
const senders: WebhookSender[] = [];

beforeAll(async () => {
  api = await startTestApi();
  receiver = http.createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const raw = Buffer.concat(chunks).toString();
      const one = {
        path: request.url ?? '',
        headers: request.headers as Record<string, string>,
        raw,
        body: JSON.parse(raw) as WebhookBody,
      };
      received.push(one);
      respond(one, response);
    });
  });
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
  base = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}`;
}, 60_000);
afterAll(async () => {
  receiver.closeAllConnections();
  await new Promise((resolve) => receiver.close(resolve));
  await api.close();
}, 30_000);
beforeEach(() => {
  received = [];
  respond = (_, response) => response.writeHead(204).end();
});
afterEach(async () => {
  for (const sender of senders.splice(0)) await sender.beforeApplicationShutdown();
  await api.owner.query(
    'DELETE FROM webhook_endpoints; DELETE FROM webhook_messages; DELETE FROM delivery_events',
  );
});

/** Until the expectations hold. */
const passes = (look: () => void | Promise<void>) =>
  eventually(async () => {
    await look();
    return true;
  }, 20_000);

function sender(): WebhookSender {
  const one = new WebhookSender(api.database, new WebhookCalls(), new Grace(15_000));
  senders.push(one);
  return one;
}
const start = () => sender().onApplicationBootstrap();

async function endpoint(path = '/hook', more: object = {}): Promise<WebhookEndpointCreated> {
  const answer = await api.call('/v1/webhook-endpoints', { body: { url: `${base}${path}`, ...more } });
  if (answer.status !== 201) throw new Error(`${answer.status} ${await answer.text()}`);
  return (await answer.json()) as WebhookEndpointCreated;
}
const read = async (id: string) =>
  (await (await api.call(`/v1/webhook-endpoints/${id}`)).json()) as WebhookEndpoint;
const messagesOf = async (id: string, query = '') =>
  ((await (await api.call(`/v1/webhook-endpoints/${id}/messages${query}`)).json()) as Page<WebhookMessage>)
    .items;

/** Accepted by the API, and waiting. */
async function message(metadata: Record<string, string> = {}): Promise<AcceptedMessage> {
  const answer = await api.call('/v1/messages', {
    body: {
      to: { profile: { externalId: 'ana' } },
      channels: ['in-app'],
      content: { 'in-app': { title: 'Secret words', body: 'Nobody is told these' } },
      topic: 'orders',
      metadata,
      sendAt: new Date(Date.now() + 3_600_000).toISOString(),
    },
  });
  if (answer.status !== 202) throw new Error(`${answer.status} ${await answer.text()}`);
  return (await answer.json()) as AcceptedMessage;
}
/** A line of a timeline, written as the services write it. */
const line = (deliveryId: string, type: string, reason: string | null = null) =>
  api.database.inWorkspace(api.workspaceId, (sql) => lineIn(sql, deliveryId, type, reason));
const lineIn = (
  sql: Parameters<Parameters<Database['inWorkspace']>[1]>[0],
  deliveryId: string,
  type: string,
  reason: string | null = null,
) =>
  sql.execute(
    'INSERT INTO delivery_events (day, delivery_id, workspace_id, type, reason) VALUES ($1, $2, $3, $4, $5)',
    [dayOf(deliveryId), deliveryId, api.workspaceId, type, reason],
  );
/** As when time passes. */
const makeDue = () => api.owner.query('UPDATE webhook_messages SET due_at = now() WHERE due_at IS NOT NULL');
const deliveryOf = (m: AcceptedMessage) => m.deliveries[0]?.id ?? '';

describe('what is told', () => {
  it('is the event, signed, with ids and words and nothing that was said', async () => {
    const { id, secret } = await endpoint('/hook', { types: ['delivery.cancelled'] });
    const sent = await message({ order: '1042' });
    await api.call(`/v1/messages/${sent.id}/cancel`, { method: 'POST' });
    start();
    await passes(() => expect(received).toHaveLength(1));
    const [one] = received as [Received];
    expect(one.headers).toMatchObject({
      'content-type': 'application/json',
      'webhook-id': one.body.id,
      'webhook-signature': expect.stringMatching(/^v1,[\w+/=]{44}$/),
    });
    expect(new Webhook(secret).verify(one.raw, one.headers)).toEqual(one.body);
    expect(() => new Webhook(secret).verify(`${one.raw} `, one.headers)).toThrow();
    expect(one.body).toEqual({
      id: expect.stringMatching(new RegExp(`^${deliveryOf(sent)}:\\d+$`)),
      type: 'delivery.cancelled',
      version: 1,
      timestamp: expect.any(String),
      data: {
        deliveryId: deliveryOf(sent),
        messageId: sent.id,
        profile: { id: expect.any(String), externalId: 'ana' },
        channel: 'in-app',
        class: 'transactional',
        source: 'api',
        sourceId: null,
        topic: 'orders',
        status: 'cancelled',
        reason: 'cancelled_by_request',
        attempt: null,
        provider: null,
        metadata: { order: '1042' },
      },
    });
    expect(one.raw).not.toMatch(/Secret words|Nobody is told/);
    await passes(async () =>
      expect(await messagesOf(id)).toMatchObject([
        {
          eventId: one.body.id,
          status: 'sent',
          nextAttemptAt: null,
          attempts: [{ status: 204, error: null }],
        },
      ]),
    );
  });

  it('fits the published vector of Standard Webhooks', () => {
    const headers = signedHeaders(
      ['whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'],
      'msg_p5jXN8AQM9LWM0D4loKWxJek',
      1614265330,
      '{"test": 2432232314}',
    );
    expect(headers['webhook-signature']).toBe('v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=');
  });

  it('is what the contract lists, line by line, and nothing else', async () => {
    const { id } = await endpoint();
    const sent = await message();
    await api.owner.query('DELETE FROM webhook_messages');
    for (const type of deliveryEventTypes) await line(deliveryOf(sent), type);
    const told = new Set((await messagesOf(id, '?limit=200')).map((m) => m.type));
    expect([...told].sort()).toEqual([...webhookTypes].sort());
  });

  it('is told only to endpoints of the workspace that are enabled and want it', async () => {
    const wants = await endpoint('/wants', { types: ['delivery.failed', 'delivery.sent'] });
    const other = await endpoint('/other', { types: ['delivery.opened'] });
    const off = await endpoint('/off');
    await api.call(`/v1/webhook-endpoints/${off.id}`, { method: 'PATCH', body: { enabled: false } });
    const foreign = newId();
    await api.owner.query(
      `INSERT INTO webhook_endpoints (id, workspace_id, url, secrets) VALUES ($1, $2, $3, '[]')`,
      [foreign, newId(), `${base}/foreign`],
    );
    const sent = await message();
    await line(deliveryOf(sent), 'sent');
    const rows = await api.owner.query<{ endpoint_id: string }>('SELECT endpoint_id FROM webhook_messages');
    expect(rows.rows.map((r) => r.endpoint_id)).toEqual([wants.id]);
    expect(await messagesOf(other.id)).toEqual([]);
  });

  it('is collected also when the machinery writes over all workspaces', async () => {
    const { id } = await endpoint();
    const sent = await message();
    await api.owner.query('DELETE FROM webhook_messages');
    await api.database.acrossWorkspaces((sql) => lineIn(sql, deliveryOf(sent), 'expired'));
    expect(await messagesOf(id)).toMatchObject([{ type: 'delivery.expired' }]);
  });

  it('exists if and only if the event does', async () => {
    const { id } = await endpoint();
    const sent = await message();
    await api.owner.query('DELETE FROM webhook_messages');
    const rolledBack = api.database.inWorkspace(api.workspaceId, async (sql) => {
      await lineIn(sql, deliveryOf(sent), 'sent');
      throw new Error('the process died here');
    });
    await expect(rolledBack).rejects.toThrow('died here');
    expect(await messagesOf(id)).toEqual([]);
    await line(deliveryOf(sent), 'sent');
    expect(await messagesOf(id)).toMatchObject([{ type: 'delivery.sent' }]);
  });
});

describe('a sender', () => {
  it('that dies after it claimed loses nothing: another tells it under the same id', async () => {
    const { id } = await endpoint('/hook', { types: ['delivery.sent'] });
    await line(deliveryOf(await message()), 'sent');
    // Claimed, and never heard of again.
    const claimed = await api.database.acrossWorkspaces((sql) =>
      claimWebhooks(sql, [{ endpointId: id, free: 10 }]),
    );
    expect(claimed).toHaveLength(1);
    expect(await sender().tick()).toBe(0);
    await makeDue();
    expect(await sender().tick()).toBe(1);
    await passes(() => expect(received.map((r) => r.body.id)).toEqual([claimed[0]?.eventId]));
    await passes(async () => expect(await messagesOf(id)).toMatchObject([{ status: 'sent' }]));
  });

  it('that was overtaken records nothing', async () => {
    const { id } = await endpoint('/hook', { types: ['delivery.sent'] });
    await line(deliveryOf(await message()), 'sent');
    let answer = () => {};
    respond = (_, response) => (answer = () => response.writeHead(500).end());
    const slow = sender();
    await slow.tick();
    await passes(() => expect(received).toHaveLength(1));
    const answerSlowly = answer;
    await makeDue();
    respond = (_, response) => response.writeHead(200).end();
    const quick = sender();
    await quick.tick();
    await passes(async () => expect(await messagesOf(id)).toMatchObject([{ status: 'sent' }]));
    answerSlowly();
    await slow.beforeApplicationShutdown();
    expect(await messagesOf(id)).toMatchObject([{ status: 'sent', attempts: [{ status: 200 }] }]);
    expect(received[0]?.headers['webhook-id']).toBe(received[1]?.headers['webhook-id']);
  });

  it('shares the work with others without telling twice', async () => {
    await endpoint('/hook', { types: ['delivery.sent'] });
    const sent = await message();
    await api.database.inWorkspace(api.workspaceId, (sql) =>
      sql.execute(
        `INSERT INTO delivery_events (day, delivery_id, workspace_id, type) SELECT $1::date, $2, $3, 'sent' FROM generate_series(1, 300)`,
        [dayOf(deliveryOf(sent)), deliveryOf(sent), api.workspaceId],
      ),
    );
    for (let n = 0; n < 3; n += 1) start();
    await passes(() => expect(new Set(received.map((r) => r.body.id)).size).toBe(300));
    await passes(async () =>
      expect(
        (await api.owner.query(`SELECT count(*)::int AS n FROM webhook_messages WHERE status = 'sent'`)).rows,
      ).toEqual([{ n: 300 }]),
    );
    expect(received).toHaveLength(300);
  });

  it('tries again on its schedule, with the same id, and gives up after eight', async () => {
    const { id, secret } = await endpoint('/hook', { types: ['delivery.sent'] });
    await line(deliveryOf(await message()), 'sent');
    respond = (_, response) => response.writeHead(503, { 'retry-after': '60' }).end('later\u0000 please');
    const one = sender();
    for (let n = 1; n <= 8; n += 1) {
      await makeDue();
      await passes(async () => expect(await one.tick()).toBe(1));
      await passes(async () => expect((await messagesOf(id))[0]?.attempts).toHaveLength(n));
      if (n === 1) {
        const due = Date.parse((await messagesOf(id))[0]?.nextAttemptAt ?? '') - Date.now();
        // What Retry-After asked for, and not the five seconds of the schedule.
        expect(due).toBeGreaterThan(30_000);
      }
    }
    expect(await messagesOf(id)).toMatchObject([{ status: 'failed', nextAttemptAt: null }]);
    expect((await messagesOf(id))[0]?.attempts[0]).toMatchObject({
      status: 503,
      answer: 'later please',
      error: 'It answered 503.',
    });
    expect(new Set(received.map((r) => r.headers['webhook-id'])).size).toBe(1);
    expect(new Set(received.map((r) => r.raw)).size).toBe(1);
    for (const { raw, headers } of received) new Webhook(secret).verify(raw, headers);
    expect(await read(id)).toMatchObject({ enabled: true, failingSince: expect.any(String) });
  });

  it('follows no redirect, and reads no more than 64 kB', async () => {
    const { id } = await endpoint('/hook', { types: ['delivery.sent', 'delivery.read'] });
    const sent = await message();
    respond = (one, response) =>
      one.body.type === 'delivery.sent'
        ? response.writeHead(307, { location: `${base}/elsewhere` }).end()
        : response.writeHead(200).end('x'.repeat(100_000));
    await line(deliveryOf(sent), 'sent');
    await line(deliveryOf(sent), 'read');
    await sender().tick();
    await passes(async () =>
      expect((await messagesOf(id)).map((m) => m.attempts[0]?.error).sort()).toEqual([
        expect.stringContaining('It answered 307: redirects are not followed'),
        expect.stringContaining('longer than 65536 bytes'),
      ]),
    );
    expect(received.map((r) => r.path)).toEqual(['/hook', '/hook']);
  });

  it('keeps a slow endpoint from delaying others', async () => {
    const held: http.ServerResponse[] = [];
    respond = (one, response) =>
      one.path === '/slow' ? void held.push(response) : void response.writeHead(204).end();
    await endpoint('/slow', { types: ['delivery.sent'] });
    await endpoint('/quick', { types: ['delivery.sent'] });
    const sent = await message();
    await api.database.inWorkspace(api.workspaceId, (sql) =>
      sql.execute(
        `INSERT INTO delivery_events (day, delivery_id, workspace_id, type) SELECT $1::date, $2, $3, 'sent' FROM generate_series(1, 80)`,
        [dayOf(deliveryOf(sent)), deliveryOf(sent), api.workspaceId],
      ),
    );
    start();
    await passes(() => expect(received.filter((r) => r.path === '/quick')).toHaveLength(80));
    // The slow one holds its own places and no more.
    expect(held).toHaveLength(32);
    respond = (_, response) => response.writeHead(204).end();
    for (const response of held) response.writeHead(204).end();
    await passes(() => expect(received.filter((r) => r.path === '/slow')).toHaveLength(80));
  });
});

describe('an endpoint', () => {
  it('that answers 410 is disabled at once; what waits goes out when it is enabled', async () => {
    const { id } = await endpoint('/hook', { types: ['delivery.sent'] });
    const sent = await message();
    await line(deliveryOf(sent), 'sent');
    respond = (_, response) => response.writeHead(410).end();
    await sender().tick();
    await passes(async () =>
      expect(await read(id)).toMatchObject({
        enabled: false,
        disabledReason: expect.stringContaining('410 Gone'),
      }),
    );
    await line(deliveryOf(sent), 'sent');
    expect(await messagesOf(id)).toHaveLength(1);
    respond = (_, response) => response.writeHead(204).end();
    await api.call(`/v1/webhook-endpoints/${id}`, { method: 'PATCH', body: { enabled: true } });
    expect(await read(id)).toMatchObject({ enabled: true, disabledReason: null, failingSince: null });
    await line(deliveryOf(sent), 'sent');
    start();
    await passes(async () =>
      expect((await messagesOf(id)).map((m) => m.status).sort()).toEqual(['failed', 'sent']),
    );
  });

  it('that has failed for five days is disabled, and says why; a success before that forgives', async () => {
    const { id } = await endpoint('/hook', { types: ['delivery.sent'] });
    const sent = await message();
    respond = (_, response) => response.writeHead(500).end();
    const one = sender();
    const fail = async (count: number) => {
      await line(deliveryOf(sent), 'sent');
      await passes(async () => expect(await one.tick()).toBe(1));
      await passes(async () =>
        expect((await messagesOf(id)).filter((m) => m.attempts.length > 0)).toHaveLength(count),
      );
    };
    await fail(1);
    const since = (await read(id)).failingSince;
    expect(since).not.toBeNull();
    await fail(2);
    expect((await read(id)).failingSince).toBe(since);
    respond = (_, response) => response.writeHead(200).end();
    await fail(3);
    await passes(async () => expect(await read(id)).toMatchObject({ enabled: true, failingSince: null }));

    respond = (_, response) => response.writeHead(500).end();
    await fail(4);
    await api.owner.query(
      `UPDATE webhook_endpoints SET failing_since = now() - interval '5 days' + interval '1 hour'`,
    );
    await fail(5);
    expect(await read(id)).toMatchObject({ enabled: true });
    await api.owner.query(`UPDATE webhook_endpoints SET failing_since = failing_since - interval '1 hour'`);
    await fail(6);
    await passes(async () =>
      expect(await read(id)).toMatchObject({
        enabled: false,
        disabledReason: expect.stringContaining('nothing for 5 days'),
      }),
    );
    expect(await one.tick()).toBe(0);
  });

  it('has two live secrets while they are changed over, and one after', async () => {
    const { id, secret: old } = await endpoint('/hook', { types: ['delivery.sent'] });
    const sent = await message();
    const tell = async () => {
      const before = received.length;
      await line(deliveryOf(sent), 'sent');
      await sender().tick();
      await passes(() => expect(received.length).toBe(before + 1));
      return received.at(-1) as Received;
    };
    const rotated = await api.call(`/v1/webhook-endpoints/${id}/rotate`, { body: { overlapSeconds: 3600 } });
    const { secret: fresh, secrets } = (await rotated.json()) as WebhookEndpointCreated;
    expect(secrets).toMatchObject([{ endsAt: null }, { endsAt: expect.any(String) }]);
    const during = await tell();
    expect(during.headers['webhook-signature']?.split(' ')).toHaveLength(2);
    for (const secret of [old, fresh]) new Webhook(secret).verify(during.raw, during.headers);

    await api.owner.query(
      `UPDATE webhook_endpoints SET secrets = jsonb_set(secrets, '{1,endsAt}', to_jsonb((now() - interval '1 second')::text))`,
    );
    const after = await tell();
    new Webhook(fresh).verify(after.raw, after.headers);
    expect(() => new Webhook(old).verify(after.raw, after.headers)).toThrow();
    expect((await read(id)).secrets).toHaveLength(1);
  });

  it('keeps its secret sealed, for itself alone, and no answer shows it again', async () => {
    const { id, secret } = await endpoint();
    const { rows } = await api.owner.query<{ row: string }>('SELECT w::text AS row FROM webhook_endpoints w');
    expect(rows[0]?.row).not.toContain(secret.slice(6, 20));
    for (const path of ['', `/${id}`, `/${id}/messages`])
      expect(await (await api.call(`/v1/webhook-endpoints${path}`)).text()).not.toContain('whsec_');
    expect(await resealWebhooks(api.database)).toBe(0);
    const config = loadConfig({ NODE_ENV: 'test' });
    try {
      useConfig({
        ...config,
        secrets: {
          ...config.secrets,
          masterKey: randomBytes(32),
          previousMasterKeys: [config.secrets.masterKey],
        },
      });
      expect(await resealWebhooks(api.database)).toBe(1);
      expect(await resealWebhooks(api.database)).toBe(0);
    } finally {
      useConfig(config);
    }
  });

  it('can be tested: one event, its answer at once, no second try', async () => {
    const { id, secret } = await endpoint();
    const good = (await (
      await api.call(`/v1/webhook-endpoints/${id}/test`, { method: 'POST' })
    ).json()) as WebhookMessage;
    expect(good).toMatchObject({ type: 'webhook.test', status: 'sent', attempts: [{ status: 204 }] });
    const [one] = received as [Received];
    expect(new Webhook(secret).verify(one.raw, one.headers)).toMatchObject({
      type: 'webhook.test',
      data: null,
    });
    respond = (_, response) => response.writeHead(404).end('no such page');
    const bad = await api.call(`/v1/webhook-endpoints/${id}/test`, { method: 'POST' });
    expect(await bad.json()).toMatchObject({
      status: 'failed',
      nextAttemptAt: null,
      attempts: [{ status: 404, answer: 'no such page', error: 'It answered 404.' }],
    });
    expect(await read(id)).toMatchObject({ failingSince: null });
  });

  it('is gone with what it had to be told when it is deleted', async () => {
    const { id } = await endpoint();
    await message();
    expect((await read(id)).pending).toBeGreaterThan(0);
    expect((await api.call(`/v1/webhook-endpoints/${id}`, { method: 'DELETE' })).status).toBe(204);
    expect((await api.owner.query('SELECT FROM webhook_messages')).rowCount).toBe(0);
    expect((await api.call(`/v1/webhook-endpoints/${id}`)).status).toBe(404);
  });
});

describe('replay', () => {
  const replay = async (id: string, body: object) => {
    const answer = await api.call(`/v1/webhook-endpoints/${id}/replay`, { body });
    return { status: answer.status, ...((await answer.json()) as { replayed?: number; detail?: string }) };
  };
  const from = new Date(Date.now() - 3_600_000).toISOString();

  it('of a time range tells it all again, under the ids it had', async () => {
    const { id } = await endpoint('/hook', { types: ['delivery.sent', 'delivery.read'] });
    const sent = await message();
    await line(deliveryOf(sent), 'sent');
    await line(deliveryOf(sent), 'read');
    start();
    await passes(async () => expect((await messagesOf(id)).map((m) => m.status)).toEqual(['sent', 'sent']));
    const told = received.find((r) => r.body.type === 'delivery.read')?.body;
    const { replayed } = await replay(id, { from, types: ['delivery.read'] });
    expect(replayed).toBeGreaterThan(0);
    await passes(() => expect(received.filter((r) => r.body.id === told?.id)).toHaveLength(2));
    expect(received.findLast((r) => r.body.id === told?.id)?.body).toEqual(told);
    expect(received.filter((r) => r.body.type === 'delivery.sent')).toHaveLength(1);
    expect((await replay(id, { from: new Date(Date.now() + 60_000).toISOString() })).replayed).toBe(0);
    await passes(async () => expect((await read(id)).pending).toBe(0));
  });

  it('fills the gap of an endpoint that was disabled or is new, and leaves out what it took', async () => {
    const sent = await message();
    const mine = deliveryOf(sent);
    await line(mine, 'sent');
    const { id } = await endpoint('/hook', { types: ['delivery.sent'] });
    expect(await messagesOf(id)).toEqual([]);
    const first = await replay(id, { from, onlyFailed: true });
    expect(first.status).toBe(202);
    start();
    await passes(async () => expect(await messagesOf(id, '?status=pending')).toEqual([]));
    expect(
      received.map((r) => r.body.data && 'deliveryId' in r.body.data && r.body.data.deliveryId),
    ).toContain(mine);
    expect((await replay(id, { from, onlyFailed: true })).replayed).toBe(0);
    expect((await replay(id, { from })).replayed).toBe(first.replayed);
    await passes(async () => expect(await messagesOf(id, '?status=pending')).toEqual([]));
  });

  it('by id tells one event again', async () => {
    const { id } = await endpoint('/hook', { types: ['delivery.sent'] });
    await line(deliveryOf(await message()), 'sent');
    start();
    await passes(async () => expect(await messagesOf(id, '?status=sent')).toHaveLength(1));
    const [one] = await messagesOf(id);
    const eventIds = [one?.eventId, 'no-such-event', `${newId()}:7`];
    expect(await replay(id, { eventIds })).toMatchObject({ status: 202, replayed: 1 });
    await passes(() => expect(received).toHaveLength(2));
    expect(received[1]?.body).toEqual(received[0]?.body);
    await passes(async () => expect((await messagesOf(id))[0]?.attempts).toHaveLength(2));
  });

  it('says what to write', async () => {
    const { id } = await endpoint();
    expect((await replay(id, {})).detail).toContain('Say from when on');
    expect((await replay(id, { from, eventIds: ['a'] })).detail).toContain('not both');
    await api.call(`/v1/webhook-endpoints/${id}`, { method: 'PATCH', body: { enabled: false } });
    expect(await replay(id, { from })).toMatchObject({
      status: 409,
      detail: expect.stringContaining('enable'),
    });
  });
});

it('what was told more than 30 days ago is forgotten', async () => {
  const { id } = await endpoint();
  await line(deliveryOf(await message()), 'sent');
  start();
  await passes(async () => expect(await messagesOf(id, '?status=pending')).toEqual([]));
  const forget = () => api.database.acrossWorkspaces((sql) => forgetWebhooks(sql));
  expect(await forget()).toBe(0);
  await api.owner.query(`UPDATE webhook_messages SET created_at = now() - interval '31 days'`);
  expect(await forget()).toBeGreaterThan(0);
  expect(await messagesOf(id)).toEqual([]);
});

describe('where tenants are not trusted', () => {
  let guarded: TestApi;
  beforeAll(async () => {
    guarded = await startTestApi({ CARILLON_ALLOW_PRIVATE_NETWORKS: 'false' });
  }, 60_000);
  afterAll(async () => {
    await guarded.close();
    useConfig(loadConfig({ NODE_ENV: 'test' }));
  }, 30_000);

  it.each([
    'https://127.0.0.1/',
    'https://2130706433/',
    'https://0177.0.0.1/',
    'https://0x7f.1/',
    'https://localhost/',
    'https://localhost./',
    'https://a.localhost/',
    'https://[::1]/',
    'https://[::ffff:127.0.0.1]/',
    'https://[64:ff9b::7f00:1]/',
    'https://[fd00:ec2::254]/',
    'https://0.0.0.0/',
    'https://10.0.0.1/',
    'https://192.168.1.1/',
    'https://172.16.0.1/',
    'https://169.254.169.254/latest/meta-data',
    'https://100.100.100.200/',
    'https://8.8.8.8:22/',
    'https://8.8.8.8:5432/',
    'http://8.8.8.8/',
    'https://user:pass@8.8.8.8/',
    'ftp://8.8.8.8/',
    'file:///etc/passwd',
    'gopher://8.8.8.8/',
    '//8.8.8.8/',
    'shop.example.com/hooks',
  ])('refuses %s when it is made and when it is changed', async (url) => {
    const refused = { code: 'invalid_request', errors: [{ pointer: '/url', code: 'url_refused' }] };
    const made = await guarded.call('/v1/webhook-endpoints', { body: { url } });
    expect({ status: made.status, ...((await made.json()) as object) }).toMatchObject({
      status: 422,
      ...refused,
    });
    const id = newId();
    await guarded.owner.query(
      `INSERT INTO webhook_endpoints (id, workspace_id, url, secrets) VALUES ($1, $2, 'https://8.8.8.8/', '[]')`,
      [id, guarded.workspaceId],
    );
    const changed = await guarded.call(`/v1/webhook-endpoints/${id}`, { method: 'PATCH', body: { url } });
    expect({ status: changed.status, ...((await changed.json()) as object) }).toMatchObject({
      status: 422,
      ...refused,
    });
    await guarded.owner.query('DELETE FROM webhook_endpoints');
  });

  it('refuses again when it connects: an address that came in otherwise is never dialled', async () => {
    let connections = 0;
    const count = () => (connections += 1);
    receiver.on('connection', count);
    const ids = [newId(), newId()];
    const port = new URL(base).port;
    for (const [n, host] of ['127.0.0.1', 'localhost'].entries()) {
      const id = ids[n] ?? '';
      const place = { workspaceId: guarded.workspaceId, accountId: id, field: 'webhook a' };
      const secrets = [{ id: 'a', envelope: seal(masterKeys(), place, 'whsec_YWJj'), endsAt: null }];
      await guarded.owner.query(
        'INSERT INTO webhook_endpoints (id, workspace_id, url, secrets) VALUES ($1, $2, $3, $4)',
        [id, guarded.workspaceId, `http://${host}:${port}/`, JSON.stringify(secrets)],
      );
      const tested = await guarded.call(`/v1/webhook-endpoints/${id}/test`, { method: 'POST' });
      expect(await tested.json()).toMatchObject({
        status: 'failed',
        attempts: [{ status: null, answer: null }],
      });
    }
    receiver.off('connection', count);
    expect(connections).toBe(0);
  });
});
