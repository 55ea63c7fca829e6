/**
 * Cross-site request forgery: an unsafe request that rides on a cookie must come from our own pages (S36). Fetch
 * metadata and Origin where the browser sends them, and always the session's token, which another site cannot read.
 */
import { config } from '@carillon/config';
import type { FastifyRequest } from 'fastify';
import { timingSafeEqual } from 'node:crypto';
import { ProblemException } from './problem.js';

export const isUnsafe = (method: string): boolean => !['GET', 'HEAD', 'OPTIONS'].includes(method);

/** @throws ProblemException csrf when the browser says that another site sent this */
export function checkSameSite(request: FastifyRequest): void {
  const site = request.headers['sec-fetch-site'];
  if (site !== undefined && site !== 'same-origin' && site !== 'none') throw refused();
  const { origin } = request.headers;
  if (origin === undefined) return;
  const ours = new URL(config().api.publicUrl).host;
  const from = URL.canParse(origin) ? new URL(origin).host : '';
  // The host asked for is ours as well: development is reached as localhost and as 127.0.0.1.
  if (from === '' || (from !== ours && from !== request.host)) throw refused();
}

/** @throws ProblemException csrf */
export function checkCsrf(request: FastifyRequest, token: string): void {
  checkSameSite(request);
  const given = Buffer.from(String(request.headers['x-csrf-token'] ?? ''));
  const wanted = Buffer.from(token);
  if (given.length !== wanted.length || !timingSafeEqual(given, wanted)) throw refused();
}

const refused = () =>
  new ProblemException(
    'csrf',
    'Send the csrfToken of GET /v1/me in the header X-CSRF-Token, from a page of this installation.',
  );
