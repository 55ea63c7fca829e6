/** /health/live for everyone; /health/ready and /metrics for this machine, or with METRICS_TOKEN (S40). */
import { Controller, Get, Res, Req } from '@nestjs/common';
import { config } from '@carillon/config';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { Health, type Readiness } from './health.js';
import { Public } from './operation.js';
import { ProblemException } from './problem.js';

@Public()
@Controller()
export class HealthController {
  constructor(private readonly health: Health) {}

  @Get('health/live')
  live(): { status: 'ok' } {
    return { status: 'ok' };
  }

  @Get('health/ready')
  async ready(
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Readiness> {
    insiders(request.raw);
    const readiness = await this.health.readiness();
    reply.status(readiness.ready ? 200 : 503).header('cache-control', 'no-store');
    return readiness;
  }

  @Get('metrics')
  async metrics(
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<string> {
    insiders(request.raw);
    reply.header('cache-control', 'no-store').type(this.health.registry.contentType);
    return this.health.registry.metrics();
  }
}

/** Whether the request comes from this machine itself or bears the token. A proxy on this machine does not count. */
export function isInsider(request: IncomingMessage): boolean {
  const { authorization, forwarded } = request.headers;
  const proxied = forwarded !== undefined || request.headers['x-forwarded-for'] !== undefined;
  const from = request.socket.remoteAddress ?? '';
  if (!proxied && (from === '::1' || /^(::ffff:)?127\./.test(from))) return true;
  const wanted = config().api.metricsToken;
  const given = /^Bearer +(\S+)$/i.exec(authorization ?? '')?.[1];
  return wanted !== undefined && given !== undefined && timingSafeEqual(sha256(given), sha256(wanted));
}

function insiders(request: IncomingMessage): void {
  if (!isInsider(request))
    throw new ProblemException('not_found', 'There is no such address: see /docs for all of them.');
}
const sha256 = (text: string): Buffer => createHash('sha256').update(text).digest();
