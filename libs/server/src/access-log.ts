/** One line and one measurement per request. The route's pattern, never the address: that may hold ids and tokens. */
import { Logger } from '@nestjs/common';
import { config } from '@carillon/config';
import type { FastifyInstance } from 'fastify';
import type { Health } from './health.js';
import { callerOf } from './request-state.js';

export function accessLog(fastify: FastifyInstance, health: Health): void {
  const log = new Logger('Http');
  const production = config().mode === 'production';
  fastify.addHook('onRequest', (request, reply, done) => {
    reply.header('x-request-id', request.id);
    done();
  });
  fastify.addHook('onResponse', (request, reply, done) => {
    const route = request.routeOptions.url ?? 'none';
    const labels = { method: request.method, route, status: String(reply.statusCode) };
    // A stream lasts as long as its reader stays: no measure of us.
    if (!String(reply.getHeader('content-type')).startsWith('text/event-stream'))
      health.requests.observe(labels, reply.elapsedTime / 1000);
    const caller = callerOf(request);
    const line = `${labels.method} ${route} ${labels.status} ${Math.round(reply.elapsedTime)} ms`;
    const facts = { requestId: request.id, caller: caller?.kind ?? 'none', workspace: caller?.workspaceId };
    // People who develop look at their own output; each request would bury it.
    if (production) log.log(line, facts);
    else log.debug(line);
    done();
  });
}
