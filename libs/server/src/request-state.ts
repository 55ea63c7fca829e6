/** What is known about a request, kept beside it: who called, and when it is over. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Caller } from './caller.js';

/** On the request itself: a weak map of every request is looked through by each collection. */
const CALLER = Symbol('caller');
interface Known {
  [CALLER]?: Caller;
}

export const setCaller = (request: FastifyRequest, caller: Caller): void =>
  void ((request as Known)[CALLER] = caller);
/** Who called, or null where the operation asks for no credentials. */
export const callerOf = (request: FastifyRequest): Caller | null => (request as Known)[CALLER] ?? null;

/** Of streams: whether the credentials with which they were opened still hold. */
const welcomes = new WeakMap<FastifyRequest, () => Promise<boolean>>();
export const setWelcome = (request: FastifyRequest, isWelcome: () => Promise<boolean>): void =>
  void welcomes.set(request, isWelcome);
export const isStillWelcome = async (request: FastifyRequest): Promise<boolean> =>
  (await welcomes.get(request)?.()) ?? false;

/** Calls whose handler asked for the signal, by request and by server. */
const calls = new WeakMap<FastifyRequest, AbortController>();
const open = new WeakMap<FastifyInstance['server'], Set<AbortController>>();

/** Aborts when the connection is gone, the caller is no longer welcome, or the server stops. */
export function callSignal(request: FastifyRequest, reply: FastifyReply): AbortSignal {
  const known = calls.get(request);
  if (known) return known.signal;
  const { server } = request.server;
  const all = open.get(server) ?? new Set();
  open.set(server, all);
  const call = new AbortController();
  calls.set(request, call);
  all.add(call);
  reply.raw.once('close', () => {
    all.delete(call);
    call.abort();
  });
  if (reply.raw.closed) call.abort();
  return call.signal;
}

/** Ends one call. */
export const endCall = (request: FastifyRequest): void => calls.get(request)?.abort();

/** Ends what would run for as long as the client stays: streams. */
export const endOpenCalls = (server: FastifyInstance['server']): void =>
  open.get(server)?.forEach((call) => call.abort());
