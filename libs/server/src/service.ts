/**
 * Starts a service: its modules, the queues it works, and a door: the API's, or a small one for health alone. Checks
 * everything at boot and stops in order: door, streams, handlers at work, queues, database.
 */
import { Global, Module, type DynamicModule, type INestApplicationContext, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { MicroserviceOptions } from '@nestjs/microservices';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { config, type WorkerService } from '@carillon/config';
import type { Service } from '@carillon/contracts';
import { DatabaseModule } from '@carillon/database';
import { BullServer, queueBackend, QueueModule, type QueueBackend } from '@carillon/queue';
import 'reflect-metadata';
import { ApiKeys } from './api-keys.js';
import { bootChecks } from './boot-checks.js';
import { checkOperations } from './check-operations.js';
import { DocsController } from './docs.controller.js';
import { Doorkeeper } from './doorkeeper.js';
import { Grace } from './grace.js';
import { HealthController } from './health.controller.js';
import { healthDoor } from './health-door.js';
import { Health } from './health.js';
import { KeysController } from './keys.controller.js';
import { MailFrameController } from './mail-frame.controller.js';
import { ServiceLogger } from './log.js';
import { RateLimit } from './rate-limit.js';
import { SessionController } from './session.controller.js';
import { Sessions } from './sessions.js';
import { untilStopped } from './until-stopped.js';

type AnyModule = Type | DynamicModule;

export interface ServiceOptions {
  /** Shown in logs and in pg_stat_activity. */
  name: string;
  /** What it consists of. */
  modules: readonly AnyModule[];
  /** The services whose queues it works. */
  services: readonly Service[];
}
export interface ApiOptions extends ServiceOptions {
  /** Folder of the dashboard's build; need not exist yet. Left out: no dashboard. */
  dashboard?: string;
}
/** A service at work. */
export interface Running {
  /** Where its door is, if it has one. */
  url: string | null;
  app: INestApplicationContext;
  /** Stops taking work, finishes what has begun, then closes. */
  close(): Promise<void>;
}

/** What every service has beside database and queues. */
@Global()
@Module({ providers: [Health], exports: [Health] })
class PlatformModule {
  static with(grace: Grace): DynamicModule {
    return { module: PlatformModule, providers: [{ provide: Grace, useValue: grace }], exports: [Grace] };
  }
}

/** Credentials, and the operations that belong to no service. */
@Global()
@Module({
  controllers: [SessionController, KeysController, HealthController, DocsController, MailFrameController],
  providers: [ApiKeys, Sessions, RateLimit, Doorkeeper],
  exports: [ApiKeys, Sessions, RateLimit, Doorkeeper],
})
class DoorModule {}

function assemble(
  options: ServiceOptions,
  backend: QueueBackend,
  grace: Grace,
  more: readonly AnyModule[],
): Type {
  const { database } = config();
  @Module({
    imports: [
      DatabaseModule.forRoot({ url: database.url, max: database.poolSize, name: `carillon ${options.name}` }),
      QueueModule.forRoot(backend),
      PlatformModule.with(grace),
      ...more,
      ...options.modules,
    ],
  })
  class ServiceModule {}
  return ServiceModule;
}

const backendOf = (): QueueBackend =>
  queueBackend({ databaseUrl: config().database.url, queueUrl: config().queue.url });

const graceOf = (): Grace => new Grace(config().limits.shutdownGraceSeconds * 1000);

const workers = ({ services }: ServiceOptions, backend: QueueBackend, grace: Grace): MicroserviceOptions => ({
  strategy: new BullServer({ backend, services, graceMs: () => grace.leftMs() }),
});

/** Starts a service without an HTTP door of its own, and its health door where the configuration gives it a port. */
export async function startWorker(options: ServiceOptions): Promise<Running> {
  const backend = backendOf();
  const grace = graceOf();
  const logger = new ServiceLogger(options.name);
  const app = await NestFactory.createMicroservice<MicroserviceOptions>(
    assemble(options, backend, grace, []),
    {
      ...workers(options, backend, grace),
      logger,
      abortOnError: false,
    },
  );
  const { host, ports } = config().health;
  try {
    await bootChecks(app, backend);
    await app.listen();
    const port = ports[options.name as WorkerService] ?? 0;
    const door = port === 0 ? undefined : await healthDoor(app.get(Health), host, port);
    return {
      url: door?.url ?? null,
      app,
      close: async () => {
        grace.leftMs();
        app.get(Health).stopping();
        await app.close();
        await door?.close();
      },
    };
  } catch (error) {
    await app.close();
    throw error;
  }
}

/** Starts the HTTP door with the services mounted behind it; works queues as well when `services` names some. */
export async function startApi(options: ApiOptions): Promise<Running> {
  const backend = backendOf();
  const grace = graceOf();
  const { dashboard } = options;
  // Loaded where there is a door: a worker begins without it, also after it was killed.
  const [{ httpAdapter, openDoor, prepareDoor }, { DashboardModule }] = await Promise.all([
    import('./http-door.js'),
    import('./dashboard.js'),
  ]);
  // Last, because its wildcard takes every address that nobody else answers.
  const root = assemble(
    { ...options, modules: [...options.modules, ...(dashboard ? [DashboardModule.at(dashboard)] : [])] },
    backend,
    grace,
    [DoorModule],
  );
  const app = await NestFactory.create<NestFastifyApplication>(root, httpAdapter(), {
    logger: new ServiceLogger(options.name),
    bodyParser: false,
    abortOnError: false,
  });
  try {
    await bootChecks(app, backend);
    if (options.services.length > 0)
      app.connectMicroservice<MicroserviceOptions>(workers(options, backend, grace));
    await prepareDoor(app, dashboard);
    await app.init();
    checkOperations(app);
    await app.startAllMicroservices();
    const url = await openDoor(app);
    return {
      url,
      app,
      close: async () => {
        grace.leftMs();
        app.get(Health).stopping();
        await app.close();
      },
    };
  } catch (error) {
    await app.close();
    throw error;
  }
}

/** Runs a worker service as this process, until a signal stops it. */
export const runService = (options: {
  name: string;
  module: AnyModule;
  services: readonly Service[];
}): Promise<void> => untilStopped(() => startWorker({ ...options, modules: [options.module] }));

/** Runs the HTTP door as this process, until a signal stops it. */
export const runApi = (options: ApiOptions): Promise<void> => untilStopped(() => startApi(options));
