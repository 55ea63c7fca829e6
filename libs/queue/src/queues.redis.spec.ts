import { startRedis, type RunningRedis } from '@carillon/testing';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Redis } from 'ioredis';
import { BullServer, queueBackend, Queues, workController } from './index.js';
import { describeQueues } from './queues.suite.js';

describeQueues('Redis', async () => {
  const redis = await startRedis();
  const through = (port: number) => ({
    queueUrl: `redis://127.0.0.1:${port}`,
    databaseUrl: 'postgresql://unused',
  });
  return {
    options: through(redis.port),
    through,
    port: redis.port,
    cutConnections: async () => {
      await redis.client.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    },
    stop: () => redis.stop(),
  };
});

describe('queues on a Redis that misbehaves', () => {
  let redis: RunningRedis;
  beforeAll(async () => {
    redis = await startRedis();
  });
  afterAll(async () => {
    await redis.stop();
  });

  it.each([
    ['was emptied', (client: Redis) => client.flushall()],
    [
      'was full for a while',
      async (client: Redis) => {
        await client.config('SET', 'maxmemory', '1');
        await new Promise((resolve) => setTimeout(resolve, 1_000));
        await client.config('SET', 'maxmemory', '0');
      },
    ],
  ])(
    'work on after it %s, with few lines',
    async (_name, misbehave) => {
      const backend = queueBackend({ queueUrl: redis.url, databaseUrl: 'postgresql://unused' });
      const queues = new Queues(backend);
      const lines: string[] = [];
      const log = { log: () => {}, warn: () => {}, error: (line: string) => void lines.push(line) };
      let got = (_ids: string[]): void => {};
      @Module({
        controllers: [
          workController(['route-event'], 'listener', (_: unknown, { eventIds }) =>
            Promise.resolve(got(eventIds)),
          ),
          workController(['import-profiles'], 'listener', () => Promise.resolve()),
        ],
        providers: [{ provide: 'listener', useValue: 0 }],
      })
      class ServiceModule {}
      const service = await NestFactory.createMicroservice(ServiceModule, {
        strategy: new BullServer({ backend, services: ['audience'], log }),
        logger: false,
      });
      await service.listen();
      const began = performance.now();
      await misbehave(redis.client);
      const received = new Promise<string[]>((resolve) => (got = resolve));
      await queues.send('route-event', { eventIds: ['after'] });
      expect(await received).toEqual(['after']);
      expect(lines.length).toBeLessThanOrEqual(1 + Math.ceil((performance.now() - began) / 1_000));
      await service.close();
      await queues.close();
      await backend.close();
    },
    20_000,
  );
});

describe('doubts about a Redis', () => {
  it('name what evicts and what keeps nothing, and end when it is mended', async () => {
    const redis = await startRedis();
    const backend = queueBackend({ queueUrl: redis.url, databaseUrl: 'postgresql://unused' });
    try {
      expect(await backend.doubts()).toEqual([expect.stringContaining('keeps nothing over a restart')]);
      await redis.client.config('SET', 'maxmemory-policy', 'allkeys-lru');
      await redis.client.config('SET', 'save', '3600 1');
      expect(await backend.doubts()).toEqual([expect.stringContaining('maxmemory-policy allkeys-lru')]);
      await redis.client.config('SET', 'maxmemory-policy', 'noeviction');
      expect(await backend.doubts()).toEqual([]);
    } finally {
      await backend.close();
      await redis.stop();
    }
  });
});
