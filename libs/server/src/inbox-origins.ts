/**
 * Which pages may read an inbox from a browser (S6): those of the configured origins and our own. Answers their
 * preflights, marks their answers readable (Fetch Standard, CORS protocol), and refuses every other origin. Callers
 * that are no browser send no Origin; they are judged by their token alone, as all are.
 */
import { config } from '@carillon/config';
import { operations, type Operation } from '@carillon/contracts';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { ProblemException } from './problem.js';

const PREFLIGHT_SECONDS = 600;

/** Method by path of what a browser may call: what an inbox token opens, and the stream. */
const open = new Map(
  Object.values<Operation>(operations)
    .filter((operation) => operation.auth === 'inbox-token' || operation === operations.streamInbox)
    .map(({ path, method }) => [path, method]),
);

export function inboxOrigins(fastify: FastifyInstance): void {
  fastify.addHook('onRequest', (request, reply, done) => {
    const { origin } = request.headers;
    if (origin === undefined) return done();
    const method = open.get(request.url.split('?', 1)[0] ?? '');
    if (method === undefined) return done();
    if (!isAllowed(origin, request))
      return done(
        new ProblemException(
          'forbidden',
          'This inbox is not open to pages of that origin: add it to INBOX_ALLOWED_ORIGINS.',
        ),
      );
    reply.headers({
      'access-control-allow-origin': origin,
      'access-control-expose-headers': 'Retry-After, X-Request-Id',
      vary: 'Origin',
    });
    if (request.method !== 'OPTIONS') return done();
    reply.headers({
      'access-control-allow-methods': method,
      'access-control-allow-headers': 'Authorization, Content-Type, Last-Event-ID',
      'access-control-max-age': String(PREFLIGHT_SECONDS),
    });
    void reply.status(204).send();
  });
}

function isAllowed(origin: string, request: FastifyRequest): boolean {
  const { inbox, api, mode } = config();
  if (inbox.allowedOrigins.includes(origin) || origin === new URL(api.publicUrl).origin) return true;
  if (!URL.canParse(origin)) return false;
  const { host, hostname } = new URL(origin);
  // Our own pages, by whatever name they were reached; and whoever builds a page on their own machine.
  return (
    host === request.host ||
    (mode === 'development' && ['localhost', '127.0.0.1', '[::1]'].includes(hostname))
  );
}
