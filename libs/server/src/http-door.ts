/**
 * The HTTP door: Fastify with limits, Nest with our guard and filter. Bodies reach handlers as bytes and are judged by
 * the operation, after the credentials; nothing is parsed for strangers.
 */
import type { INestApplication } from '@nestjs/common';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { config } from '@carillon/config';
import { newId } from '@carillon/database';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Socket } from 'node:net';
import { createRequire } from 'node:module';
import path from 'node:path';
import { accessLog } from './access-log.js';
import { serveFiles } from './dashboard.js';
import { Doorkeeper } from './doorkeeper.js';
import { Health } from './health.js';
import { inboxOrigins } from './inbox-origins.js';
import { problemBody } from './problem.js';
import { ProblemFilter } from './problem-filter.js';
import { endOpenCalls } from './request-state.js';
import { headersOfEveryAnswer, securityHeaders } from './security-headers.js';

/** Fastify with the limits of a door to the internet (S42). */
export function httpAdapter(): FastifyAdapter {
  const { api, limits } = config();
  return new FastifyAdapter({
    genReqId: () => newId(),
    requestIdHeader: false,
    bodyLimit: limits.bodyBytes,
    trustProxy: api.trustProxy.length > 0 ? [...api.trustProxy] : false,
    // A slow sender gets 10 s for its headers and 30 s for all of it.
    requestTimeout: 30_000,
    keepAliveTimeout: 65_000,
    http: { headersTimeout: 10_000, connectionsCheckingInterval: 2_000, maxHeaderSize: 16_384 },
    routerOptions: { maxParamLength: 4_096, ignoreTrailingSlash: false },
    clientErrorHandler: refuseConnection,
    // The router's own refusals come before any hook: a broken escape, a segment that is too long.
    frameworkErrors: refuseAddress,
    forceCloseConnections: 'idle',
    return503OnClosing: true,
  });
}

/** Puts guard, filter and hooks into place. Before `listen`. */
export async function prepareDoor(app: NestFastifyApplication, dashboard: string | undefined): Promise<void> {
  const fastify = app.getHttpAdapter().getInstance() as unknown as FastifyInstance;
  fastify.removeAllContentTypeParsers();
  fastify.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
  securityHeaders(fastify);
  accessLog(fastify, app.get(Health));
  inboxOrigins(fastify);
  fastify.addHook('preClose', (done) => {
    endOpenCalls(fastify.server);
    endConnections(fastify.server);
    done();
  });
  app.useGlobalGuards(app.get(Doorkeeper));
  app.useGlobalFilters(new ProblemFilter());
  const swagger = path.dirname(createRequire(import.meta.url).resolve('swagger-ui-dist/package.json'));
  await serveFiles(fastify, swagger, '/docs/ui/', ['swagger-ui.css', 'swagger-ui-bundle.js']);
  if (dashboard !== undefined) await serveFiles(fastify, dashboard, '/');
}

/** What a request that is being answered may still take when the door closes. */
const LAST_ANSWERS_MS = 10_000;

/**
 * Node ends idle connections once, when it is told to close: one whose answer was just leaving would be waited for as
 * long as it may be kept alive, and one that never asked for anything for as long as its caller likes.
 */
function endConnections(server: FastifyInstance['server']): void {
  const sweep = setInterval(() => server.closeIdleConnections(), 50);
  const late = setTimeout(() => server.closeAllConnections(), LAST_ANSWERS_MS);
  server.once('close', () => {
    clearInterval(sweep);
    clearTimeout(late);
  });
}

/** Listens where the configuration says. @returns the address to show people */
export async function openDoor(app: INestApplication): Promise<string> {
  const { api } = config();
  await app.listen(api.port, api.host);
  const bound = app.getHttpServer().address() as { port: number };
  return api.port === 0 ? `http://127.0.0.1:${bound.port}` : api.publicUrl;
}

const faults: Readonly<Record<string, { status: string; detail: string }>> = {
  HPE_HEADER_OVERFLOW: {
    status: '431 Request Header Fields Too Large',
    detail: 'The headers are larger than 16 KiB.',
  },
  ERR_HTTP_REQUEST_TIMEOUT: { status: '408 Request Timeout', detail: 'The request took too long to arrive.' },
};

function refuseAddress(_error: Error, request: FastifyRequest, reply: FastifyReply): void {
  const detail = 'The address is not well-formed: check its escapes and its length.';
  const body = problemBody('malformed_request', detail, request.id);
  void reply
    .status(body.status)
    .headers(headersOfEveryAnswer())
    .header('content-type', 'application/problem+json; charset=utf-8')
    .send(JSON.stringify(body));
}

/** What never becomes a request is answered on the socket. */
function refuseConnection(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const fault = faults[error.code ?? ''] ?? {
    status: '400 Bad Request',
    detail: 'This is not a request that HTTP knows.',
  };
  const body = JSON.stringify({
    ...problemBody('malformed_request', fault.detail),
    status: Number(fault.status.slice(0, 3)),
  });
  socket.end(
    `HTTP/1.1 ${fault.status}\r\nContent-Type: application/problem+json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
}
