/**
 * What leaves: a body goes through the contract's schema, which drops what the contract does not name (S4); streams
 * become event-stream or CSV. A body that does not fit the contract is a bug of ours and is not sent.
 */
import {
  Injectable,
  StreamableFile,
  type CallHandler,
  type ExecutionContext,
  type NestInterceptor,
} from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { operations, type Operation, type OperationName } from '@carillon/contracts';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Readable } from 'node:stream';
import { map, mergeMap, type Observable } from 'rxjs';
import { Doorkeeper } from './doorkeeper.js';
import { eventStream } from './event-stream.js';
import { OPERATION } from './metadata.js';
import { endCall } from './request-state.js';
import { errorsOf } from './sentences.js';

/** A handler returned what its contract does not describe. */
export class ContractBroken extends Error {
  override name = 'ContractBroken';
}

@Injectable()
export class AnswerInterceptor implements NestInterceptor {
  constructor(
    private readonly reflector: Reflector,
    private readonly doorkeeper: Doorkeeper,
  ) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const name = this.reflector.get<OperationName>(OPERATION, context.getHandler());
    const operation: Operation = operations[name];
    const http = context.switchToHttp();
    const request = http.getRequest<FastifyRequest>();
    const reply = http.getResponse<FastifyReply>();
    if (operation.produces === undefined) {
      // What one workspace reads must not be kept by caches between us and the caller.
      reply.header('cache-control', 'no-store');
      return next.handle().pipe(map((answer: unknown) => fit(name, operation, answer)));
    }
    return next.handle().pipe(
      mergeMap(async (answer: unknown) => {
        if (!isAsyncIterable(answer)) throw new ContractBroken(`${name} must return an async iterable`);
        reply.header('cache-control', 'no-store').header('x-accel-buffering', 'no');
        const chunks =
          operation.produces === 'text/event-stream'
            ? eventStream(
                answer,
                () => this.doorkeeper.stillWelcome(operation, request),
                () => endCall(request),
              )
            : await begun(answer as AsyncIterable<string>);
        return new StreamableFile(Readable.from(chunks, { objectMode: false }), {
          type: `${operation.produces}; charset=utf-8`,
        });
      }),
    );
  }
}

/** Waits for the first piece: what fails before it can still be said with a status. */
async function begun(pieces: AsyncIterable<string>): Promise<AsyncIterable<string>> {
  const rest = pieces[Symbol.asyncIterator]();
  let next = await rest.next();
  return (async function* () {
    try {
      for (; !next.done; next = await rest.next()) yield next.value;
    } finally {
      await rest.return?.();
    }
  })();
}

function fit(name: string, operation: Operation, answer: unknown): unknown {
  if (operation.response === null) return undefined;
  const result = operation.response.safeParse(answer);
  if (result.success) return result.data;
  // Pointers and rules only: the values may be personal.
  const faults = errorsOf(operation.response, answer, result.error).map((e) => `${e.pointer} ${e.code}`);
  throw new ContractBroken(`${name} returned what its contract does not describe: ${faults.join('; ')}`);
}

const isAsyncIterable = (value: unknown): value is AsyncIterable<unknown> =>
  typeof value === 'object' && value !== null && Symbol.asyncIterator in value;
