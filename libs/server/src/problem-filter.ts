/**
 * Everything that goes wrong on HTTP becomes problem+json with a request id. Refusals keep their sentence; the rest is
 * a plain 500 or 503 outside and a full entry in our log: no stack, SQL or value leaves the process (S44).
 */
import { Catch, HttpException, Logger, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import type { ProblemCode } from '@carillon/contracts';
import { isAway } from '@carillon/database';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ProblemException } from './problem.js';
import { noSuchRoute } from './routes.js';

@Catch()
export class ProblemFilter implements ExceptionFilter {
  private readonly log = new Logger('Http');

  catch(thrown: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    const request = http.getRequest<FastifyRequest>();
    const reply = http.getResponse<FastifyReply>();
    const problem = this.problemOf(thrown, request);
    // A stream that broke off half way: the status has been said already, so the connection is all that is left to end.
    if (reply.sent || reply.raw.headersSent) {
      reply.raw.destroy();
      return;
    }
    void reply
      .status(problem.status)
      .headers(problem.options.headers ?? {})
      .header('content-type', 'application/problem+json; charset=utf-8')
      .header('cache-control', 'no-store')
      .send(JSON.stringify(problem.toProblem(request.id)));
  }

  private problemOf(thrown: unknown, request: FastifyRequest): ProblemException {
    if (thrown instanceof ProblemException) return thrown;
    const status = statusOf(thrown);
    if (status === 404) return noSuchRoute(request);
    const known = status === undefined ? undefined : byStatus[status];
    if (known) return new ProblemException(known.code, known.detail);
    if (status !== undefined && status >= 400 && status < 500)
      return new ProblemException(
        'malformed_request',
        'This request cannot be read: check its address and headers.',
      );
    const away = isAway(thrown);
    this.log[away ? 'warn' : 'error'](
      `${request.method} ${request.routeOptions.url ?? 'unknown route'} failed, request ${request.id}: ${describe(thrown)}`,
      ...(away ? [] : [framesOf(thrown)]),
    );
    return away
      ? storeAway(codeOf(thrown))
      : new ProblemException(
          'internal',
          'Something went wrong on our side. The request id finds it in the log.',
        );
  }
}

const byStatus: Readonly<Record<number, { code: ProblemCode; detail: string }>> = {
  413: {
    code: 'body_too_large',
    detail: 'The body is larger than this server takes: split it, or link to large content.',
  },
  415: {
    code: 'unsupported_media_type',
    detail: 'Send the body as JSON, with the header  Content-Type: application/json.',
  },
  414: { code: 'malformed_request', detail: 'The address is too long.' },
  503: { code: 'unavailable', detail: 'This process is stopping: send the request again.' },
};

/** The status that Nest or Fastify gave an error of theirs. */
function statusOf(thrown: unknown): number | undefined {
  if (thrown instanceof HttpException) return thrown.getStatus();
  if (thrown instanceof Error && 'statusCode' in thrown && typeof thrown.statusCode === 'number')
    return thrown.statusCode;
  return undefined;
}

const codeOf = (thrown: unknown): string =>
  thrown instanceof Error && 'code' in thrown && typeof thrown.code === 'string' ? thrown.code : '';

/** What may pass by itself: the sentence, and when to come again. */
function storeAway(code: string): ProblemException {
  const away = (problem: ProblemCode, detail: string, seconds: number) =>
    new ProblemException(problem, detail, { headers: { 'retry-after': String(seconds) } });
  if (code === '53100')
    return away(
      'storage_full',
      "The database's disk is full, nothing was stored: send the request again later.",
      30,
    );
  // Out of memory, too many connections, a limit of its configuration.
  if (code.startsWith('53'))
    return away(
      'overloaded',
      'The database has more to do than it can take: send the request again in a moment.',
      5,
    );
  if (code === '55P03')
    return away(
      'unavailable',
      'Others hold what this request needs for longer than it waits: send it again in a moment.',
      1,
    );
  return away(
    'unavailable',
    'The database does not answer right now: send the request again in a moment.',
    2,
  );
}

/**
 * What our log may hold: messages of PostgreSQL quote values ("Key (email)=(…)" stands in `detail`, but a bad literal
 * stands in the message), so for those the code and the constraint must do.
 */
function describe(thrown: unknown): string {
  if (!(thrown instanceof Error)) return 'something that is no Error was thrown';
  const code = codeOf(thrown);
  if (/^[0-9A-Z]{5}$/.test(code))
    return `PostgreSQL ${code}${'constraint' in thrown && thrown.constraint ? ` on ${String(thrown.constraint)}` : ''}`;
  return `${thrown.name}: ${thrown.message}`;
}

/** Where, without the message that a stack begins with. */
const framesOf = (thrown: unknown): string | undefined =>
  thrown instanceof Error ? thrown.stack?.match(/^ {4}at .+$/gm)?.join('\n') : undefined;
