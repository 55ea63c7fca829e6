/**
 * Serves the built dashboard with the real content policy, and the API's operations from fixtures held in memory. For
 * browser specs and screenshots only; the whole system's browser suite drives the real stack instead.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import {
  operations,
  problems,
  roleScopes,
  type Delivery,
  type OperationName,
  type Operation,
  type Role,
} from '@carillon/contracts';
import type { z } from 'zod';
import { makeAnswers, Refusal, refuse } from './fixture-answers.js';
import * as log from './fixture-deliveries.js';

export interface FixtureServer {
  url: string;
  /** What the pages did against the content policy. */
  violations: string[];
  /** Operations that answer 500 until taken out again. */
  broken: Set<OperationName>;
  /** Bodies of the unsafe requests, newest last. */
  writes: { operation: OperationName; body: unknown }[];
  /** Tells the live streams that something changed. */
  arrive(delivery: Delivery): void;
  close(): Promise<void>;
}
/** `dist`: the built dashboard. `empty`: a workspace in which nothing was ever sent. */
export const startFixtureServer = async ({
  dist,
  empty = false,
}: {
  dist: string;
  empty?: boolean;
}): Promise<FixtureServer> => {
  const deliveries = empty ? [] : [...log.deliveries];
  const streams = new Set<ServerResponse>();
  const violations: string[] = [];
  const broken = new Set<OperationName>();
  const writes: FixtureServer['writes'] = [];

  const answers = makeAnswers(deliveries, streams, empty);
  const table = (Object.entries(operations) as [OperationName, Operation][])
    .map(([name, operation]) => ({
      name,
      operation,
      pattern: new RegExp(`^${operation.path.replace('.', '\\.').replace(/:(\w+)/g, '(?<$1>[^/]+)')}$`),
    }))
    // Fixed words before placeholders: /deliveries/stream is not a delivery.
    .sort((a, b) => Number(a.operation.path.includes(':')) - Number(b.operation.path.includes(':')));

  const answer = async (request: IncomingMessage, response: ServerResponse, url: URL) => {
    const found = table.find(
      ({ operation, pattern }) => operation.method === request.method && pattern.test(url.pathname),
    );
    if (!found) return refuse('not_found', `There is no ${request.method} ${url.pathname}.`);
    const { name, operation, pattern } = found;
    const role = /session=(owner|editor|viewer)/.exec(request.headers.cookie ?? '')?.[1] as Role | undefined;
    if (operation.auth !== 'none' && !role) return refuse('unauthenticated', 'Your session has ended.');
    if (typeof operation.auth === 'object' && role && !roleScopes[role].includes(operation.auth.scope))
      return refuse('forbidden', `Your role does not have the scope ${operation.auth.scope}.`);
    if (broken.has(name)) return refuse('internal', 'The fixture was told to fail.');
    const check = (schema: z.ZodType | undefined, value: unknown, prefix: string) => {
      const read = schema?.safeParse(value);
      if (read && !read.success)
        return refuse(
          'invalid_request',
          'Some fields are not valid.',
          read.error.issues.map((issue) => ({
            pointer: `${prefix}${issue.path.map((part) => `/${String(part)}`).join('')}`,
            code: issue.code,
            message: issue.message,
          })),
        );
      return (read?.data ?? value) as Record<string, unknown>;
    };
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString();
    // The parts of a file are bytes, and no operation of theirs has a body.
    const body = text && operation.body ? check(operation.body, JSON.parse(text), '') : {};
    const query = check(operation.query, Object.fromEntries(url.searchParams), '?');
    if (request.method !== 'GET') {
      writes.push({ operation: name, body });
      if (name !== 'signIn' && request.headers['x-csrf-token'] !== 'csrf')
        return refuse('csrf', 'The token is missing.');
    }
    const handler = answers[name] ?? (() => refuse('not_found', `The fixtures have no ${name}.`));
    const params = Object.fromEntries(
      Object.entries(pattern.exec(url.pathname)?.groups ?? {}).map(([key, value]) => [
        key,
        decodeURIComponent(value),
      ]),
    );
    const result = handler({ params, query, body, role: role ?? 'viewer', response });
    if (operation.produces) return;
    response.writeHead(operation.status, { 'content-type': 'application/json' });
    response.end(operation.response ? JSON.stringify(operation.response.parse(result)) : undefined);
  };
  const types: Record<string, string> = {
    '.js': 'text/javascript',
    '.css': 'text/css',
    '.svg': 'image/svg+xml',
    '.html': 'text/html; charset=utf-8',
  };
  const serveFile = async (response: ServerResponse, url: URL) => {
    const name = /\.(js|css|svg)$/.test(url.pathname)
      ? path.join(dist, path.normalize(url.pathname))
      : path.join(dist, 'index.html');
    const file = await readFile(name).catch(() => refuse('not_found', 'No such file.'));
    const extension = path.extname(name);
    response.setHeader('content-type', types[extension] ?? 'application/octet-stream');
    if (extension !== '.html') return void response.end(file);
    const nonce = randomBytes(16).toString('base64url');
    response.setHeader('content-security-policy', dashboardPolicy(nonce));
    response.end(file.toString().replaceAll('__CSP_NONCE__', nonce));
  };
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://fixtures');
    const work =
      url.pathname === '/csp'
        ? (async () => {
            let text = '';
            for await (const chunk of request) text += String(chunk);
            violations.push(text);
            response.writeHead(204).end();
          })()
        : url.pathname === '/mail-frame'
          ? (async () => {
              let text = '';
              for await (const chunk of request) text += String(chunk);
              const form = new URLSearchParams(text);
              response.setHeader('content-security-policy', mailPolicy(form.get('images') === '1'));
              response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end(form.get('html'));
            })()
          : url.pathname.startsWith('/v1/')
            ? answer(request, response, url)
            : serveFile(response, url);
    work.catch((error: unknown) => {
      const refusal = error instanceof Refusal ? error : new Refusal('internal', String(error));
      const { status, title } = problems[refusal.code];
      response.writeHead(status, { 'content-type': 'application/problem+json' });
      response.end(
        JSON.stringify({
          type: 'about:blank',
          title,
          status,
          code: refusal.code,
          detail: refusal.detail,
          requestId: 'req_fixture',
          errors: refusal.errors,
        }),
      );
    });
  });
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    violations,
    broken,
    writes,
    arrive: (delivery) => {
      deliveries.unshift(delivery);
      for (const stream of streams)
        stream.write(`event: delivery\nid: ${delivery.id}\ndata: ${JSON.stringify(delivery)}\n\n`);
    },
    close: () =>
      new Promise((closed) => {
        for (const stream of streams) stream.destroy();
        server.close(() => closed());
        server.closeAllConnections();
      }),
  };
};

/** As the API sends it for its pages, plus an address for reports. */
export const dashboardPolicy = (nonce: string): string =>
  [
    "default-src 'none'",
    `script-src 'self' 'nonce-${nonce}'`,
    `style-src 'self' 'nonce-${nonce}'`,
    "img-src 'self' data:",
    "font-src 'self'",
    "connect-src 'self'",
    "frame-src 'self'",
    "manifest-src 'self'",
    "base-uri 'none'",
    "form-action 'self'",
    "frame-ancestors 'none'",
    'report-uri /csp',
  ].join('; ');
/** As the API sends it for mail. */
const mailPolicy = (pictures: boolean): string =>
  `sandbox allow-popups; default-src 'none'; style-src 'unsafe-inline'; img-src data:${pictures ? ' https: http:' : ''}; font-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'`;
