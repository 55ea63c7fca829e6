/** What to say about an address that nothing answers: 405 when another method would do, else 404. */
import { operations, type Operation } from '@carillon/contracts';
import type { FastifyRequest } from 'fastify';
import { ProblemException } from './problem.js';

const table = Object.values(operations as Record<string, Operation>).map(({ method, path }) => ({
  method,
  path,
  pattern: new RegExp(`^${path.replace(/[.]/g, '\\.').replace(/:[a-zA-Z]+/g, '[^/]+')}/?$`),
}));

export function noSuchRoute(request: FastifyRequest): ProblemException {
  const path = request.url.split('?')[0] ?? '';
  const methods = table.filter(({ pattern }) => pattern.test(path)).map(({ method }) => method);
  const others = [...new Set(methods)].filter((method) => method !== request.method);
  if (methods.length > 0 && others.length === methods.length)
    return new ProblemException(
      'method_not_allowed',
      `This address takes ${others.join(', ')}, not ${request.method}.`,
      {
        headers: { allow: others.join(', ') },
      },
    );
  return new ProblemException('not_found', 'There is no such address: see /docs for all of them.');
}
