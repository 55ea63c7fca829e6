/**
 * What leaves: a body goes through the contract's schema, which drops what the contract does not name (S4), and is written out
 * here; streams become event-stream or CSV. A body that does not fit the contract is a bug of ours and is not sent. Called by
 * the handler that `@Operation` mounts: Nest's interceptors would be three objects and a queue per request.
 */
import { StreamableFile } from '@nestjs/common';
import type { Operation } from '@carillon/contracts';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Readable } from 'node:stream';
import { eventStream } from './event-stream.js';
import { endCall, isStillWelcome } from './request-state.js';
import { errorsOf } from './sentences.js';

/** A handler returned what its contract does not describe. */
export class ContractBroken extends Error {
  override name = 'ContractBroken';
}

/**
 * A body that is JSON already and names the contract's fields one by one, as a statement that builds it does. It is sent as it is:
 * for reads that are asked a thousand times a second.
 */
export class WrittenJson<Body> {
  declare readonly of: Body;
  constructor(readonly text: string) {}
}

/** @returns what Nest hands to Fastify */
export async function answer(
  name: string,
  operation: Operation,
  { request, reply }: { request: FastifyRequest; reply: FastifyReply },
  handle: () => unknown,
): Promise<unknown> {
  if (operation.produces === undefined) {
    // What one workspace reads must not be kept by caches between us and the caller.
    reply.header('cache-control', 'no-store');
    const text = jsonOf(name, operation, await handle());
    if (text !== undefined) reply.header('content-type', 'application/json; charset=utf-8');
    return text;
  }
  const pieces = await handle();
  if (!isAsyncIterable(pieces)) throw new ContractBroken(`${name} must return an async iterable`);
  reply.header('cache-control', 'no-store').header('x-accel-buffering', 'no');
  const chunks =
    operation.produces === 'text/event-stream'
      ? eventStream(
          pieces,
          () => isStillWelcome(request),
          () => endCall(request),
        )
      : await begun(pieces as AsyncIterable<string>);
  return new StreamableFile(Readable.from(chunks, { objectMode: false }), {
    type: `${operation.produces}; charset=utf-8`,
  });
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

function jsonOf(name: string, operation: Operation, body: unknown): string | undefined {
  if (operation.response === null) return undefined;
  if (body instanceof WrittenJson) return body.text;
  const result = operation.response.safeParse(body);
  if (result.success) return JSON.stringify(result.data);
  // Pointers and rules only: the values may be personal.
  const faults = errorsOf(operation.response, body, result.error).map((e) => `${e.pointer} ${e.code}`);
  throw new ContractBroken(`${name} returned what its contract does not describe: ${faults.join('; ')}`);
}

const isAsyncIterable = (value: unknown): value is AsyncIterable<unknown> =>
  typeof value === 'object' && value !== null && Symbol.asyncIterator in value;
