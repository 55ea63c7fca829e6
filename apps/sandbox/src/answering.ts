/** What a server does instead of a proper answer, shared by the three protocols: wait, fall silent, hang up, break. */
import type { FastifyReply } from 'fastify';

/** Never keeps the process alive: a sandbox that stops does not wait for its slow answers. */
export const wait = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms).unref();
  });

/** The request stays open until the client gives up or the sandbox stops. */
export function fallSilent(reply: FastifyReply): FastifyReply {
  return reply.hijack();
}

/** TCP reset: the client sees ECONNRESET and cannot know what became of its request. */
export function hangUp(reply: FastifyReply): FastifyReply {
  reply.hijack();
  reply.raw.socket?.resetAndDestroy();
  return reply;
}

/** A 500 that nobody asked for is a bug of the sandbox: told to whoever runs it, in any protocol's error handler. */
export function reportBug(error: Error & { statusCode?: number }): void {
  if ((error.statusCode ?? 500) >= 500) console.error('The sandbox failed:', error);
}
