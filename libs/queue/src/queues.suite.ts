/** What queues promise, whatever they are stored in. Run by one spec per backend. */
import { once } from 'node:events';
import { createServer, connect, type AddressInfo, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { queueNames, queues as contracts, type QueueName, type Service } from '@carillon/contracts';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { Module, type INestMicroservice, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { Queue } from 'bullmq';
import {
  BullServer,
  queueBackend,
  Queues,
  QueueModule,
  Work,
  workController,
  type BullServerOptions,
  type ListQueue,
  type QueueBackend,
  type QueueBackendOptions,
  type WorkContext,
} from './index.js';

export interface Store {
  options: QueueBackendOptions;
  /** The same store through another address. */
  through(port: number): QueueBackendOptions;
  port: number;
  /** Cuts every connection that is open now. */
  cutConnections(): Promise<void>;
  stop(): Promise<void>;
}

const everyService = [...new Set(queueNames.map((name) => contracts[name].workedBy))];
const id = (n: number) => `00000000-0000-7000-8000-${String(n).padStart(12, '0')}`;

interface Handled {
  queue: QueueName;
  ids: string[];
  context: WorkContext;
}
/** What the handlers of a test got, and a way to wait for it. */
class Recorder {
  readonly handled: Handled[] = [];
  /** Runs inside every handler. */
  during: (handled: Handled) => Promise<void> | void = () => {};
  private readonly waiting: { enough: () => boolean; done: () => void }[] = [];

  async record(handled: Handled): Promise<void> {
    this.handled.push(handled);
    for (const one of this.waiting) if (one.enough()) one.done();
    await this.during(handled);
  }
  get ids(): string[] {
    return this.handled.flatMap((one) => one.ids);
  }
  until(enough: () => boolean): Promise<void> {
    return new Promise((done) => {
      if (enough()) done();
      else this.waiting.push({ enough, done });
    });
  }
}

/** Lines as they would stand in the log. */
class Lines {
  readonly all: string[] = [];
  error = (line: string): void => void this.all.push(`error ${line}`);
  warn = (line: string): void => void this.all.push(`warn ${line}`);
  log = (): void => {};
}

export function describeQueues(name: string, start: () => Promise<Store>): void {
  describe(`queues on ${name}`, () => {
    let store: Store;
    let backend: QueueBackend;
    let queues: Queues;
    let recorder: Recorder;
    let lines: Lines;
    const services: INestMicroservice[] = [];
    const backends: QueueBackend[] = [];

    beforeAll(async () => {
      store = await start();
    }, 60_000);
    afterAll(async () => {
      await store.stop();
    });

    function open(options: QueueBackendOptions = store.options): void {
      recorder = new Recorder();
      lines = new Lines();
      backend = queueBackend(options);
      backends.push(backend);
      queues = new Queues(backend, lines);
    }
    afterEach(async () => {
      for (const service of services.splice(0)) await service.close();
      await queues.close();
      for (const one of backends.splice(0)) await one.close();
      for (const queue of queueNames) {
        const cleaner = queueBackend(store.options);
        const stored = cleaner.producer(queue) as Queue;
        await stored.obliterate({ force: true });
        await stored.close();
        await cleaner.close();
      }
    }, 30_000);

    /** A service with a handler for each of its queues. */
    async function serve(
      served: readonly Service[],
      options: Partial<BullServerOptions> = {},
      controllers: Type<object>[] = [
        workController(
          queueNames.filter((queue) => served.includes(contracts[queue].workedBy)),
          Recorder,
          (to, payload, context) => {
            const ids =
              'deliveryIds' in payload
                ? payload.deliveryIds
                : 'pageId' in payload
                  ? [payload.pageId]
                  : 'importIds' in payload
                    ? payload.importIds
                    : payload.eventIds;
            return to.record({ queue: context.queue, ids, context });
          },
        ),
      ],
    ): Promise<INestMicroservice> {
      @Module({ controllers, providers: [{ provide: Recorder, useValue: recorder }] })
      class ServiceModule {}
      const service = await NestFactory.createMicroservice(ServiceModule, {
        strategy: new BullServer({ backend, services: served, log: lines, ...options }),
        logger: false,
      });
      services.push(service);
      await service.listen();
      return service;
    }

    it('hand a job to the handler of its queue within a second', async () => {
      open();
      await serve(['dispatcher-email']);
      const sent = performance.now();
      await queues.send('deliver-email-transactional', { deliveryIds: [id(1)] });
      await recorder.until(() => recorder.ids.length === 1);
      expect(performance.now() - sent).toBeLessThan(1_000);
      expect(recorder.handled[0]).toMatchObject({ queue: 'deliver-email-transactional', ids: [id(1)] });
    });

    it('wake an idle worker within a second', async () => {
      open();
      await serve(['audience']);
      for (const n of [1, 2, 3]) {
        await sleep(300); // Long enough for the worker to find nothing and block.
        const sent = performance.now();
        await queues.send('route-event', { eventIds: [`e${n}`] });
        await recorder.until(() => recorder.handled.length === n);
        expect(performance.now() - sent).toBeLessThan(1_000);
      }
    });

    it('serve every queue from one process', async () => {
      open();
      await serve(everyService);
      await Promise.all(queueNames.map((queue) => queues.offer(queue, [id(1)])));
      await recorder.until(() => recorder.handled.length === queueNames.length);
      expect(recorder.handled.map((one) => one.queue).sort()).toEqual([...queueNames].sort());
    }, 15_000);

    it('let handlers be written as methods with @Work', async () => {
      open();
      const seen = recorder;
      class Route {
        route({ eventIds }: { eventIds: string[] }, context: WorkContext): Promise<void> {
          return seen.record({ queue: 'route-event', ids: eventIds, context });
        }
      }
      const method = Object.getOwnPropertyDescriptor(Route.prototype, 'route') ?? {};
      Work('route-event')(Route.prototype, 'route', method);
      const rest = workController(['import-profiles'], Recorder, () => Promise.resolve());
      await serve(['audience'], {}, [Route, rest]);
      await queues.send('route-event', { eventIds: ['a'] });
      await recorder.until(() => recorder.ids.includes('a'));
      const [handled] = recorder.handled;
      expect(handled?.context).toMatchObject({ queue: 'route-event', jobId: expect.any(String) });
      expect(handled?.context.signal.aborted).toBe(false);
    });

    it('refuse to start when handlers and contracts disagree', async () => {
      open();
      await expect(serve(['dispatcher-sms'], {}, [])).rejects.toThrow(
        `Nothing works the queue "deliver-sms-transactional", which dispatcher-sms serves: add @Work('deliver-sms-transactional')`,
      );
      const two = [0, 1].map(() => workController(['route-event'], Recorder, () => Promise.resolve()));
      await expect(serve(['audience'], {}, two)).rejects.toThrow('The queue "route-event" has 2 handlers');
      services.splice(0);
    });

    it('let offers that come together travel as few jobs, each id once', async () => {
      open();
      await serve(['dispatcher-push']);
      const ids = Array.from({ length: 2_500 }, (_, n) => id(n));
      const stored = await Promise.all(ids.map((one) => queues.offer('deliver-push-bulk', [one])));
      expect(stored.every(Boolean)).toBe(true);
      await recorder.until(() => recorder.ids.length >= ids.length);
      expect(recorder.ids.sort()).toEqual(ids);
      expect(queues.offered).toEqual({ ids: 2_500, jobs: 3, failedJobs: 0, heldBack: 0 });
    });

    it('split an offer that is larger than a job', async () => {
      open();
      await serve(['dispatcher-push']);
      const ids = Array.from({ length: 1_001 }, (_, n) => id(n));
      expect(await queues.offer('deliver-push-bulk', ids)).toBe(true);
      await recorder.until(() => recorder.ids.length === 1_001);
      expect(recorder.handled.map((one) => one.ids.length).sort((a, b) => a - b)).toEqual([1, 1_000]);
    });

    it('drop a job whose handler throws, go on, and log within bounds', async () => {
      open();
      await serve(['audience']);
      recorder.during = () => {
        throw new Error('refused by jane@example.com at +44 7700 900123');
      };
      const began = performance.now();
      const jobs = Array.from({ length: 60 }, (_, n) => queues.send('route-event', { eventIds: [`e${n}`] }));
      await Promise.all(jobs);
      await recorder.until(() => recorder.handled.length === 60);
      recorder.during = () => {};
      await queues.send('route-event', { eventIds: ['after'] });
      await recorder.until(() => recorder.ids.includes('after'));
      await depthOf('route-event', 0);
      const seconds = (performance.now() - began) / 1_000;
      expect(lines.all.length).toBeLessThanOrEqual(1 + Math.ceil(seconds));
      expect(lines.all[0]).toBe(
        'error queue route-event: the handler failed: Error refused by <address> at <number>',
      );
      expect(await failed('route-event')).toEqual([]);
    });

    it('park a payload of another version, and say so', async () => {
      open();
      await serve(['audience']);
      const raw = backend.producer('route-event') as Queue;
      await raw.add('route-event', { v: 7, eventIds: ['e'] }, { jobId: 'from-the-future' });
      await queues.send('route-event', { eventIds: ['now'] });
      await recorder.until(() => recorder.ids.includes('now'));
      await raw.close();
      expect(recorder.ids).toEqual(['now']);
      expect(
        await eventually(
          () => failed('route-event'),
          (jobs) => jobs.length > 0,
        ),
      ).toEqual(['parked: unknown payload version 7; this build knows 1']);
      expect(lines.all.join()).toContain('job from-the-future is parked');
    });

    it('refuse to send what is not in the contract', async () => {
      open();
      await expect(queues.send('deliver-sms-bulk', { deliveryIds: ['+44 7700 900123'] })).rejects.toThrow(
        'Invalid UUID',
      );
    });

    it('drop a second job of the same id while the first one waits', async () => {
      open();
      for (const n of [1, 2]) await queues.send('route-event', { eventIds: [`e${n}`] }, { jobId: 'same' });
      await serve(['audience']);
      await queues.send('route-event', { eventIds: ['last'] });
      await recorder.until(() => recorder.ids.includes('last'));
      expect(recorder.ids.sort()).toEqual(['e1', 'last']);
    });

    it('wait for handlers at work before they close, and fetch no more', async () => {
      open();
      const service = await serve(['audience']);
      let finish = (): void => {};
      recorder.during = () => new Promise((resolve) => (finish = resolve));
      await queues.send('route-event', { eventIds: ['slow'] });
      await recorder.until(() => recorder.handled.length === 1);
      let closed = false;
      const closing = service.close().then(() => (closed = true));
      // A full round trip to the store, in which a close that does not wait would be over.
      await queues.depths();
      expect(closed).toBe(false);
      finish();
      await closing;
      // Only now: a fetch that was under way when the close began may still bring a job, and finishes it.
      await queues.send('route-event', { eventIds: ['later'] });
      expect(recorder.ids).toEqual(['slow']);
      expect(await queues.depths()).toMatchObject({ 'route-event': { waiting: 1, active: 0 } });
    });

    it('wait no longer than the grace, abort the handler and say so', async () => {
      open();
      const service = await serve(['audience'], { graceMs: 200 });
      recorder.during = ({ context: { signal } }) =>
        new Promise((resolve) => signal.addEventListener('abort', () => resolve()));
      await queues.send('route-event', { eventIds: ['stuck'] });
      await recorder.until(() => recorder.handled.length === 1);
      const began = performance.now();
      await service.close();
      expect(performance.now() - began).toBeLessThan(2_000);
      expect(recorder.handled[0]?.context.signal.aborted).toBe(true);
      expect(lines.all.join()).toContain('queue route-event: 1 at work did not end within 200 ms');
    });

    it('let a handler that was aborted write what it knows, and wait for it no longer than a moment', async () => {
      open();
      const service = await serve(['audience'], { graceMs: 50 });
      let written = false;
      recorder.during = async ({ context: { signal } }) => {
        await once(signal, 'abort');
        // As a record does: a trip to the store.
        await queues.depths();
        written = true;
      };
      await queues.send('route-event', { eventIds: ['cut off'] });
      await recorder.until(() => recorder.handled.length === 1);
      await service.close();
      expect(written).toBe(true);
      const another = await serve(['audience'], { graceMs: 50 });
      let hear = (): void => {};
      recorder.during = () => new Promise((resolve) => (hear = resolve));
      await queues.send('route-event', { eventIds: ['deaf'] });
      await recorder.until(() => recorder.ids.includes('deaf'));
      await another.close();
      hear();
    });

    it('work on after their connections were cut', async () => {
      open();
      await serve(['audience']);
      await queues.send('route-event', { eventIds: ['before'] });
      await recorder.until(() => recorder.ids.includes('before'));
      await store.cutConnections();
      await eventually(() => queues.offer('route-event', ['after']), Boolean);
      await recorder.until(() => recorder.ids.includes('after'));
    }, 20_000);

    it('replace a worker that stopped', async () => {
      open();
      const made: ReturnType<QueueBackend['consumer']>[] = [];
      const spied: QueueBackend = {
        kind: backend.kind,
        reachable: () => backend.reachable(),
        doubts: () => backend.doubts(),
        fullness: () => backend.fullness(),
        producer: (queue) => backend.producer(queue),
        consumer: (...args) => {
          const worker = backend.consumer(...args);
          made.push(worker);
          return worker;
        },
        close: () => backend.close(),
      };
      await serve(['audience'], { backend: spied, watchdog: { everyMs: 100, strikes: 1_000 } });
      await made[0]?.close();
      await queues.send('route-event', { eventIds: ['revived'] });
      await recorder.until(() => recorder.ids.includes('revived'));
      expect(made).toMatchObject([
        { name: 'route-event' },
        { name: 'import-profiles' },
        { name: 'route-event' },
      ]);
      expect(lines.all.join()).toContain('queue route-event: the worker is replaced: Error it had stopped');
    }, 10_000);

    it('replace a worker whose connection hangs', async () => {
      const proxy = await FreezingProxy.before(store.port);
      open({ ...store.through(proxy.port), deadlineMs: 1_000 });
      // An idle worker asks every 5 s, so silence starts after that.
      await serve(['audience'], { watchdog: { everyMs: 1_000, strikes: 7 } });
      await queues.send('route-event', { eventIds: ['before'] });
      await recorder.until(() => recorder.ids.includes('before'));
      proxy.freeze();
      const direct = queueBackend(store.options);
      const sender = new Queues(direct, lines);
      await sender.send('route-event', { eventIds: ['after'] });
      await recorder.until(() => recorder.ids.includes('after'));
      expect(lines.all.join()).toMatch(/the worker is replaced|the worker is in trouble/);
      await sender.close();
      await direct.close();
      proxy.close();
    }, 30_000);

    it('start while the store is away, and work when it is back', async () => {
      const port = await unusedPort();
      open(store.through(port));
      await serve(['audience']);
      expect(lines.all.join()).toContain('queues are not reachable');
      expect(await queues.offer('route-event', ['too early'])).toBe(false);
      const proxy = await FreezingProxy.before(store.port, port);
      await eventually(() => queues.offer('route-event', ['e']), Boolean);
      await recorder.until(() => recorder.ids.includes('e'));
      for (const service of services.splice(0)) await service.close();
      await queues.close();
      proxy.close();
    }, 30_000);

    it('stop while the store is away', async () => {
      open(store.through(await unusedPort()));
      const service = await serve(everyService, { graceMs: 500 });
      const began = performance.now();
      await service.close();
      expect(performance.now() - began).toBeLessThan(1_500);
    }, 10_000);

    it('tell how many jobs wait', async () => {
      open();
      await queues.send('deliver-in-app-journey', { deliveryIds: [id(1)] });
      await queues.send('deliver-in-app-journey', { deliveryIds: [id(2)] });
      const depths = await queues.depths();
      expect(depths['deliver-in-app-journey']).toEqual({ waiting: 2, active: 0 });
      expect(Object.keys(depths).sort()).toEqual([...queueNames].sort());
    });

    it('answer an offer that cannot be stored with false, count it and go on', async () => {
      open(store.through(await unusedPort()));
      expect(await queues.offer('route-event', ['e'])).toBe(false);
      expect(queues.offered).toEqual({ ids: 1, jobs: 0, failedJobs: 1, heldBack: 0 });
      expect(lines.all.join()).toContain('an offer could not be stored, the clock repeats it');
    }, 20_000);

    it('close with the application, after its workers', async () => {
      open();
      const own = queueBackend(store.options);
      @Module({ imports: [QueueModule.forRoot(own)] })
      class AppModule {}
      const app = await NestFactory.createApplicationContext(AppModule, { logger: false });
      const offered = app.get(Queues).offer('route-event' satisfies ListQueue, ['last words']);
      await app.close();
      expect(await offered).toBe(true);
      expect(await queues.depths()).toMatchObject({ 'route-event': { waiting: 1 } });
    });

    async function failed(queue: QueueName): Promise<(string | undefined)[]> {
      const raw = backend.producer(queue) as Queue;
      const jobs = await raw.getFailed();
      await raw.close();
      return jobs.map((job) => job.failedReason);
    }
    async function depthOf(queue: QueueName, count: number): Promise<void> {
      await eventually(
        async () => (await queues.depths())[queue],
        ({ waiting, active }) => waiting + active === count,
      );
    }
  });
}

/** Asks until the answer is good; the test's own timeout is the limit. */
async function eventually<T>(ask: () => Promise<T>, good: (answer: T) => boolean): Promise<T> {
  for (;;) {
    const answer = await ask();
    if (good(answer)) return answer;
    await sleep(20);
  }
}

async function unusedPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Passes bytes on until it is frozen: then connections stay open and silent, and only new ones pass. */
class FreezingProxy {
  private readonly open = new Set<Socket>();
  private constructor(private readonly server: ReturnType<typeof createServer>) {}

  static async before(port: number, at = 0): Promise<FreezingProxy> {
    const server = createServer();
    const proxy = new FreezingProxy(server);
    server.on('connection', (from) => {
      const to = connect(port, '127.0.0.1');
      from.pipe(to).pipe(from);
      for (const socket of [from, to]) {
        proxy.open.add(socket);
        socket.on('error', () => {}); // A cut connection is what these tests are about.
        socket.on('close', () => proxy.open.delete(socket));
      }
    });
    await new Promise<void>((resolve) => server.listen(at, '127.0.0.1', resolve));
    return proxy;
  }
  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }
  freeze(): void {
    for (const socket of this.open) socket.unpipe().pause();
  }
  close(): void {
    for (const socket of this.open) socket.destroy();
    this.server.close();
  }
}
