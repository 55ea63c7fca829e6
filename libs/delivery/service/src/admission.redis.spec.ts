/** Accepting beside a real Redis that is away or full: rows are kept, and go out when it is back. */
import { bulkQueue, deliverQueue, queuesOf } from '@carillon/contracts';
import { Database } from '@carillon/database';
import { BullServer, queueBackend, Queues, workController } from '@carillon/queue';
import { eventually, startRedis, type RunningRedis } from '@carillon/testing';
import { startTestApi, type TestApi } from '@carillon/testing/api';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Module, type INestMicroservice } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { channelShapes } from './channels.js';
import { takeDue } from './due.js';

let redis: RunningRedis;
let api: TestApi;
beforeAll(async () => {
  redis = await startRedis();
  api = await startTestApi({ QUEUE_URL: redis.url });
});
afterAll(async () => {
  await api.close();
  await redis.stop();
});

const message = {
  to: { email: 'ada@example.com' },
  channels: ['email'],
  content: { email: { subject: 'Hi', text: 'Hi' } },
};
/** Accepts some each way. @returns the ids of their deliveries */
async function accept(): Promise<string[]> {
  const answers = await Promise.all([
    ...Array.from({ length: 5 }, () => api.call('/v1/messages', { body: message })),
    api.call('/v1/messages/batch', { body: { messages: [message, message, message] } }),
  ]);
  expect(answers.map((answer) => answer.status)).toEqual(answers.map(() => 202));
  const { rows } = await api.owner.query<{ id: string }>(`SELECT id FROM deliveries WHERE status = 'queued'`);
  expect(rows).toHaveLength(8);
  return rows.map((row) => row.id).sort();
}

/** The clock half a minute later, and a dispatcher that says what it got. @returns the ids */
async function goOut(expected: number): Promise<string[]> {
  const backend = queueBackend({ queueUrl: redis.url, databaseUrl: 'postgresql://unused' });
  const queues = new Queues(backend);
  const got = new Set<string>();
  let service: INestMicroservice | undefined;
  try {
    @Module({
      controllers: [
        workController(queuesOf('dispatcher-email'), 'listener', (_: unknown, payload) => {
          if ('deliveryIds' in payload) for (const id of payload.deliveryIds) got.add(id);
          return Promise.resolve();
        }),
      ],
      providers: [{ provide: 'listener', useValue: 0 }],
    })
    class ServiceModule {}
    service = await NestFactory.createMicroservice(ServiceModule, {
      strategy: new BullServer({ backend, services: ['dispatcher-email'] }),
      logger: false,
    });
    await service.listen();
    await api.owner.query(`UPDATE deliveries SET due_at = now() WHERE status = 'queued'`);
    const { offer } = await clockOf(api.database);
    await eventually(() =>
      queues.offer(
        deliverQueue('email', 'transactional'),
        offer.map((d) => d.id),
      ),
    );
    await eventually(() => got.size >= expected, 15_000);
    return [...got].sort();
  } finally {
    await service?.close();
    await queues.close();
    await backend.close();
    await api.owner.query(`UPDATE deliveries SET status = 'sent', due_at = NULL WHERE status = 'queued'`);
  }
}
const clockOf = (database: Database) =>
  database.acrossWorkspaces((sql) =>
    takeDue(sql, 500, (channel) => channelShapes[channel].retry, Math.random),
  );

describe('messages accepted', () => {
  it('while Redis is full are kept, and go out when it has room', async () => {
    await redis.client.config('SET', 'maxmemory', '1');
    const ids = await accept();
    await redis.client.config('SET', 'maxmemory', '0');
    expect(await goOut(8)).toEqual(ids);
  });

  it('while Redis is away are kept, and go out when it is back, empty', async () => {
    const { port } = redis;
    await redis.stop();
    const ids = await accept();
    redis = await startRedis(port);
    expect(await goOut(8)).toEqual(ids);
  });
});

describe('a Redis that is nearly full', () => {
  it('gets nothing more for bulk lanes, the others go on, and bulk follows when there is room', async () => {
    const backend = queueBackend({ queueUrl: redis.url, databaseUrl: 'postgresql://unused' });
    const queues = new Queues(backend);
    const ids = ['00000000-0000-7000-8000-000000000001'];
    const bulk = () => queues.offer(bulkQueue('sms'), ids);
    try {
      expect(await bulk()).toBe(true);
      const used = Number(/used_memory:(\d+)/.exec(await redis.client.info('memory'))?.[1]);
      await redis.client.config('SET', 'maxmemory', String(Math.round(used * 1.15)));
      await eventually(async () => !(await bulk()));
      expect(await queues.offer(deliverQueue('sms', 'transactional'), ids)).toBe(true);
      expect(queues.offered).toMatchObject({ failedJobs: 0, heldBack: expect.any(Number) });
      await redis.client.config('SET', 'maxmemory', '0');
      await eventually(bulk);
    } finally {
      await redis.client.config('SET', 'maxmemory', '0');
      await queues.close();
      await backend.close();
    }
  });
});
