/**
 * BullMQ as a Nest transport, so that every service is an ordinary Nest microservice:
 * `NestFactory.createMicroservice(Module, { strategy: new BullServer({ backend, services: ['audience'] }) })`.
 * One worker per queue of the services it serves. At the start it compares handlers with contracts.
 */
import type { QueueName, Service } from '@carillon/contracts';
import { Logger, type LoggerService } from '@nestjs/common';
import { Server, type CustomTransportStrategy, type MessageHandler } from '@nestjs/microservices';
import { isObservable, lastValueFrom } from 'rxjs';
import type { QueueBackend } from './backend.js';
import { checkHandlers } from './check-handlers.js';
import { endsWithin } from './ends-within.js';
import { QueueWorker, type Handler, type Watchdog } from './queue-worker.js';

export interface BullServerOptions {
  backend: QueueBackend;
  /** The services whose queues this process works. */
  services: readonly Service[];
  /** How long `close` waits for handlers at work, asked when it begins. Milliseconds, default 10 s. */
  graceMs?: number | (() => number);
  watchdog?: Watchdog;
  log?: LoggerService;
}

/** A store that is away does not stop the start: its workers connect when it is back. */
const READY_WITHIN_MS = 3_000;

export class BullServer extends Server implements CustomTransportStrategy {
  /** Failures reach us, and are logged within bounds: Nest must not log each. */
  override readonly propagatesEventHandlerErrors = true;
  private readonly patterns: string[] = [];
  private readonly workers: QueueWorker[] = [];
  private readonly log: LoggerService;

  constructor(private readonly options: BullServerOptions) {
    super();
    this.log = options.log ?? new Logger('Queues');
  }

  /** Notes every handler: Nest would keep the last of two, or chain them. */
  override addHandler(
    pattern: unknown,
    callback: MessageHandler,
    isEventHandler = false,
    extras: Record<string, unknown> = {},
  ): void {
    this.patterns.push(this.normalizePattern(pattern as string));
    super.addHandler(pattern, callback, isEventHandler, extras);
  }

  /** Starts the workers; calls back with the sentences of `checkHandlers` when handlers and contracts disagree. */
  async listen(callback: (error?: unknown) => void): Promise<void> {
    try {
      checkHandlers(this.options.services, this.patterns);
      const { backend, watchdog } = this.options;
      for (const [queue, handler] of this.messageHandlers)
        this.workers.push(
          new QueueWorker(queue as QueueName, callNest(handler), backend, this.log, watchdog),
        );
      await this.ready();
      callback();
    } catch (error) {
      callback(error);
    }
  }

  /** Stops fetching, and waits for the handlers at work as long as the grace allows. */
  async close(): Promise<void> {
    const { graceMs = 10_000 } = this.options;
    const grace = typeof graceMs === 'function' ? graceMs() : graceMs;
    await Promise.all(this.workers.splice(0).map((worker) => worker.close(grace)));
  }

  override on(): never {
    throw new Error('Workers log their own errors; there is nothing to listen to.');
  }

  override unwrap<T>(): T {
    return this.workers as T;
  }

  private async ready(): Promise<void> {
    const trouble = await endsWithin(
      READY_WITHIN_MS,
      Promise.all(this.workers.map((worker) => worker.ready())),
    ).then(
      (inTime) => (inTime ? undefined : 'no answer yet'),
      () => 'refused',
    );
    if (trouble)
      this.log.warn(
        `The ${this.options.backend.kind} queues are not reachable (${trouble}); workers keep trying.`,
      );
  }
}

/** Nest answers with a value or a stream, and with a failing stream for what a handler threw. */
function callNest(handler: MessageHandler): Handler {
  return async (payload, context) => {
    const answer: unknown = await handler(payload, context);
    if (isObservable(answer)) await lastValueFrom(answer, { defaultValue: undefined });
  };
}
