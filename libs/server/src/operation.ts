/**
 * Mounts a handler for an operation of the contract: method, path, credentials, validated input, success status, and
 * a response that holds what the contract names and nothing else. The only way to add a /v1 route.
 *
 *   @Controller()
 *   export class MessagesController {
 *     @Operation('sendMessage')
 *     async send({ body, caller }: Call<'sendMessage'>): Promise<Result<'sendMessage'>> { … }
 *   }
 */
import {
  applyDecorators,
  createParamDecorator,
  HttpCode,
  RequestMapping,
  RequestMethod,
  SetMetadata,
} from '@nestjs/common';
import {
  operations,
  type BodyOf,
  type Operation as Contract,
  type OperationName,
  type ParamsOf,
  type QueryOf,
  type ResponseOf,
} from '@carillon/contracts';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Caller, CallerOf } from './caller.js';
import { readInput, type Input } from './input.js';
import { callerOf, callSignal } from './request-state.js';
import { answer, type WrittenJson } from './answer.js';
import { OPERATION, PUBLIC } from './metadata.js';

/** What a handler gets. Everything in it has been validated and belongs to `caller.workspaceId` or is refused. */
export interface Call<N extends OperationName> {
  params: ParamsOf<N>;
  query: QueryOf<N>;
  body: BodyOf<N>;
  caller: CallerOf<N>;
  request: FastifyRequest;
  /** For headers and cookies. Bodies are returned, never sent from here. */
  reply: FastifyReply;
  /** Aborts when the client is gone or the process stops. Streams must end on it. */
  signal: AbortSignal;
}

/** One event of a `text/event-stream` answer. `data` is sent as JSON. */
export interface StreamEvent {
  event?: string;
  id?: string;
  data: unknown;
}

/** What a handler returns: the contract's body, lines of a file, or events of a stream. */
export type Result<N extends OperationName> = (typeof operations)[N] extends { produces: 'text/event-stream' }
  ? AsyncIterable<StreamEvent>
  : (typeof operations)[N] extends { produces: 'text/csv' | 'application/x-ndjson' }
    ? AsyncIterable<string>
    : ResponseOf<N>;

type Handler<N extends OperationName> = (
  call: Call<N>,
) => Promise<Result<N> | WrittenJson<Result<N>>> | Result<N>;

/** A Call: of one shape, because one is made per request. */
class Given {
  readonly params: unknown;
  readonly query: unknown;
  readonly body: unknown;
  constructor(
    { params, query, body }: Input,
    readonly caller: Caller | null,
    readonly request: FastifyRequest,
    readonly reply: FastifyReply,
  ) {
    this.params = params;
    this.query = query;
    this.body = body;
  }
  /** Made when asked for: most handlers are done long before anyone could leave. */
  get signal(): AbortSignal {
    return callSignal(this.request, this.reply);
  }
}

const CallParameter = createParamDecorator((name: OperationName, context) => {
  const request = context.getArgByIndex<FastifyRequest>(0);
  const input = readInput(operations[name], request);
  return new Given(input, callerOf(request), request, context.getArgByIndex<FastifyReply>(1));
});

/** @param name of an operation in the contract; the handler takes one `Call` and returns its `Result` */
export function Operation<N extends OperationName>(name: N) {
  const operation: Contract = operations[name];
  return <H extends Handler<N>>(
    target: object,
    property: string | symbol,
    descriptor: TypedPropertyDescriptor<H>,
  ): void => {
    const handler = descriptor.value!;
    descriptor.value = function (this: unknown, call: Call<N>) {
      return answer(name, operation, call, () => handler.call(this, call));
    } as unknown as H;
    CallParameter(name)(target, property, 0);
    applyDecorators(
      RequestMapping({ path: operation.path, method: RequestMethod[operation.method] }),
      HttpCode(operation.status),
      SetMetadata(OPERATION, name),
    )(target, property, descriptor);
  };
}

/**
 * Marks a route outside the contract (webhooks, unsubscribe pages, health) as open: it checks its callers itself.
 * A route with neither this nor @Operation is refused to everyone. Its body is the raw bytes (`request.body`: Buffer).
 */
export const Public = () => SetMetadata(PUBLIC, true);
