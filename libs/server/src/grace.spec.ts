import { loadConfig, useConfig } from '@carillon/config';
import { queuesOf } from '@carillon/contracts';
import { Queues, workController, type WorkContext } from '@carillon/queue';
import { eventually, freshDatabase } from '@carillon/testing';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { Inject, Module, type BeforeApplicationShutdown } from '@nestjs/common';
import { setTimeout as sleep } from 'node:timers/promises';
import { standIns } from './door.fixture.js';
import { Grace } from './grace.js';
import { startApi, startWorker } from './service.js';

/** Every queue needs a handler; one of them gets something to do. */
const served = queuesOf('audience');

afterEach(() => {
  jest.restoreAllMocks();
});

describe('the grace of a stopping process', () => {
  it('is one deadline, set by who asks first, for all who ask', () => {
    let now = 1000;
    const grace = new Grace(15_000, () => now);
    now = 50_000;
    expect(grace.leftMs()).toBe(15_000);
    now += 9_000;
    expect(grace.leftMs()).toBe(6_000);
    now += 9_000;
    expect(grace.leftMs()).toBe(0);
  });

  it('lets nothing begin in its last two thirds, so that what has begun may end', () => {
    let now = 1000;
    const grace = new Grace(15_000, () => now);
    now = 50_000;
    expect([grace.begun(), grace.mayBegin()]).toEqual([false, true]);
    grace.leftMs();
    now += 4_999;
    expect([grace.begun(), grace.mayBegin()]).toEqual([true, true]);
    now += 1;
    expect(grace.mayBegin()).toBe(false);
  });

  // A service stops its workers before its hooks run, and what has an HTTP door the other way round.
  it.each([
    ['a service', startWorker, []],
    // Every operation needs a handler there.
    ['the API', startApi, [standIns({})]],
  ])(
    'of %s is shared by what stops one after the other',
    async (_, start, more) => {
      const fresh = await freshDatabase();
      useConfig(
        loadConfig({
          NODE_ENV: 'test',
          DATABASE_URL: fresh.appUrl,
          API_PORT: '0',
          LOG_LEVEL: 'warn',
          SHUTDOWN_GRACE_SECONDS: '1',
        }),
      );
      let stuck: AbortSignal | undefined;
      class Stuck {
        /** Never ends: only its signal tells it that nobody waits any more. */
        work({ signal }: WorkContext): Promise<void> {
          stuck = signal;
          return new Promise((ended) => signal.addEventListener('abort', () => ended()));
        }
      }
      const controller = workController(served, Stuck, (to, _, context) => to.work(context));
      let laneMs = NaN;
      class Lane implements BeforeApplicationShutdown {
        constructor(@Inject(Grace) private readonly grace: Grace) {}
        /** As a direct lane does whose provider does not answer. */
        async beforeApplicationShutdown(): Promise<void> {
          laneMs = this.grace.leftMs();
          await sleep(laneMs);
        }
      }
      @Module({ controllers: [controller], providers: [Stuck, Lane] })
      class StuckModule {}

      let log = '';
      jest.spyOn(process.stdout, 'write').mockImplementation((chunk) => ((log += String(chunk)), true));
      jest.spyOn(process.stderr, 'write').mockImplementation((chunk) => ((log += String(chunk)), true));
      const running = await start({
        name: 'spec',
        modules: [StuckModule, ...more],
        services: ['audience'],
      });
      try {
        await eventually(() => running.app.get(Queues).offer('route-event', ['e']));
        await eventually(() => stuck !== undefined);
      } finally {
        await running.close();
        jest.restoreAllMocks();
      }
      const [, workersMs] = /1 at work did not end within (\d+) ms/.exec(log) ?? [];
      // Each is told what is left: together no more than there is.
      expect(laneMs + Number(workersMs)).toBeLessThanOrEqual(1000);
      await fresh.drop();
    },
    60_000,
  );
});
