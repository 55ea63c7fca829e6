/**
 * How a service says what works a queue: `@Work(queue)` on a method of a Nest controller, or, when the queues follow
 * from a value, `workController`. The payload's type comes from the contract.
 */
import type { PayloadOf, QueueName } from '@carillon/contracts';
import {
  Catch,
  Controller,
  Inject,
  UseFilters,
  type ExceptionFilter,
  type InjectionToken,
  type Type,
} from '@nestjs/common';
import { Ctx, EventPattern, Payload } from '@nestjs/microservices';
import { throwError, type Observable } from 'rxjs';

/** What a handler may want to know besides the payload: its second argument. */
export interface WorkContext {
  queue: QueueName;
  jobId: string;
  /** Aborted when the process stops and its grace is over. */
  signal: AbortSignal;
}

/** Hands the error to the transport, which logs it within bounds; Nest's own filter would log each one. */
@Catch()
class HandOver implements ExceptionFilter {
  catch(error: unknown): Observable<never> {
    return throwError(() => error);
  }
}
const handOver = UseFilters(new HandOver());

/**
 * This method works the queue. What it throws is logged and the job is gone: rows decide what is due again.
 * @example `@Work('route-event') route({ eventIds }: PayloadOf<'route-event'>): Promise<void> { … }`
 */
export const Work =
  <Q extends QueueName>(queue: Q) =>
  (
    target: object,
    method: string | symbol,
    descriptor: TypedPropertyDescriptor<(payload: PayloadOf<Q>, context: WorkContext) => Promise<void>>,
  ): void => {
    EventPattern(queue)(
      target,
      method,
      descriptor as TypedPropertyDescriptor<(payload: unknown, ...more: unknown[]) => unknown>,
    );
    handOver(target, method, descriptor);
    // Nest hands over what is asked for: without these lines the payload alone.
    Payload()(target, method, 0);
    Ctx()(target, method, 1);
  };

/**
 * A controller that works several queues with one function, for services whose queues follow from a value: a
 * dispatcher works the three lanes of its channel.
 * @param queues the queues to work
 * @param worker what Nest injects
 * @param work called with it and each payload
 */
export function workController<Q extends QueueName, W>(
  queues: readonly Q[],
  worker: InjectionToken<W>,
  work: (worker: W, payload: PayloadOf<Q>, context: WorkContext) => Promise<void>,
): Type<object> {
  class WorkController {
    constructor(readonly worker: W) {}
  }
  Inject(worker)(WorkController, undefined, 0);
  for (const queue of queues) {
    const descriptor = {
      value(this: WorkController, payload: PayloadOf<Q>, context: WorkContext): Promise<void> {
        return work(this.worker, payload, context);
      },
      writable: true,
      configurable: true,
    };
    Object.defineProperty(WorkController.prototype, queue, descriptor);
    Work(queue)(WorkController.prototype, queue, descriptor);
  }
  Controller()(WorkController);
  return WorkController;
}
