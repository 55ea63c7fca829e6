/**
 * What can go wrong between us and a provider that is called by HTTP, as a table: each row is a server that misbehaves in
 * one way, and what the provider must report. Access tokens are granted as usual. Used by the conformance suite.
 */
import type { Outcome } from '@carillon/delivery-rules';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTcpServer, type AddressInfo, type Socket } from 'node:net';

export interface TransportRow {
  name: string;
  /** How the send request is treated; left out: no request can arrive. */
  treat?: (request: IncomingMessage, response: ServerResponse) => void;
  /** Where nobody answers as an HTTP server does. */
  url?: (port: number) => string;
  /** Plain TCP in place of HTTP. */
  raw?: (socket: Socket) => void;
  expect: Partial<Outcome>;
  /** Send requests that may have reached the server: a client that tries again by itself is found out. */
  requests: number;
}

const reset = (request: IncomingMessage) => request.socket.resetAndDestroy();
const whole = (request: IncomingMessage, then: () => void) => request.resume().once('end', then);
const status =
  (code: number, headers: Record<string, string> = {}, body = '{}'): TransportRow['treat'] =>
  (request, response) =>
    whole(request, () =>
      response.writeHead(code, { 'content-type': 'application/json', ...headers }).end(body),
    );
/** Whole seconds: an HTTP date knows no others. */
const inTwoMinutes = () => new Date(Math.ceil(Date.now() / 1000) * 1000 + 120_000).toUTCString();

export const transportRows: readonly TransportRow[] = [
  // Nothing was sent: it may be tried again without fear.
  {
    name: 'a name that does not resolve',
    url: (port) => `http://nobody.invalid:${port}`,
    expect: { kind: 'deferred' },
    requests: 0,
  },
  {
    name: 'a TLS handshake that fails',
    url: (port) => `https://127.0.0.1:${port}`,
    raw: (socket) => socket.once('data', () => socket.end('no TLS here')),
    expect: { kind: 'deferred' },
    requests: 0,
  },
  // It was sent, wholly or in part, and nothing came back: nobody knows.
  {
    name: 'a reset while the request is read',
    treat: (request) => reset(request),
    expect: { kind: 'unknown' },
    requests: 1,
  },
  {
    name: 'a reset after the whole request',
    treat: (request) => whole(request, () => reset(request)),
    expect: { kind: 'unknown' },
    requests: 1,
  },
  {
    name: 'a connection closed without an answer',
    treat: (request) => whole(request, () => request.socket.end()),
    expect: { kind: 'unknown' },
    requests: 1,
  },
  {
    name: 'an answer that is no HTTP',
    treat: (request) => whole(request, () => request.socket.end('220 mail.example ESMTP\r\n')),
    expect: { kind: 'unknown' },
    requests: 1,
  },
  // It answered.
  {
    name: 'a good status with a body that cannot be read',
    treat: status(200, {}, '<html>'),
    expect: { kind: 'unknown' },
    requests: 1,
  },
  {
    name: 'a good status, then a reset: it was taken, only its id is lost',
    treat: (request, response) =>
      whole(request, () => {
        response.writeHead(200, { 'content-type': 'application/json', 'content-length': '500' });
        response.write('{"', () => setImmediate(() => reset(request)));
      }),
    expect: { kind: 'accepted', providerMessageId: null },
    requests: 1,
  },
  {
    name: 'a refusal, then a reset',
    treat: (request, response) =>
      whole(request, () => {
        response.writeHead(500, { 'content-length': '500' });
        response.write('{"', () => setImmediate(() => reset(request)));
      }),
    expect: { kind: 'unknown' },
    requests: 1,
  },
  { name: 'a 401', treat: status(401), expect: { kind: 'misconfigured' }, requests: 1 },
  { name: 'a 403', treat: status(403), expect: { kind: 'misconfigured' }, requests: 1 },
  {
    name: 'a redirect, which is not followed',
    treat: status(302, { location: '/elsewhere' }),
    expect: { kind: 'misconfigured' },
    requests: 1,
  },
  { name: 'a 500', treat: status(500), expect: { kind: 'unknown' }, requests: 1 },
  { name: 'a 502', treat: status(502, {}, '<html>'), expect: { kind: 'unknown' }, requests: 1 },
  { name: 'a 503', treat: status(503), expect: { kind: 'deferred' }, requests: 1 },
  {
    name: 'a 503 that names a time',
    treat: status(503, { 'retry-after': '30' }),
    expect: { kind: 'deferred', retryAfterMs: 30_000 },
    requests: 1,
  },
  { name: 'a 429', treat: status(429), expect: { kind: 'rateLimited' }, requests: 1 },
  {
    name: 'a 429 that names seconds',
    treat: status(429, { 'retry-after': '7' }),
    expect: { kind: 'rateLimited', retryAfterMs: 7_000 },
    requests: 1,
  },
  {
    name: 'a 429 that names a date',
    treat: (request, response) => status(429, { 'retry-after': inTwoMinutes() })?.(request, response),
    expect: { kind: 'rateLimited', retryAfterMs: expect120() },
    requests: 1,
  },
  {
    name: 'a 429 that names nonsense',
    treat: status(429, { 'retry-after': 'soon' }),
    expect: { kind: 'rateLimited' },
    requests: 1,
  },
];

/** Between one and two minutes from now, whatever the clock did meanwhile. */
function expect120(): number {
  return {
    asymmetricMatch: (ms: unknown) => typeof ms === 'number' && ms > 60_000 && ms <= 121_000,
    toString: () => 'a wait of up to two minutes',
  } as unknown as number;
}

export interface RowServer {
  url: string;
  /** Send requests seen so far. */
  requests(): number;
  close(): Promise<void>;
}

/** Starts the server of a row. */
export async function startRow(row: TransportRow): Promise<RowServer> {
  let requests = 0;
  const sockets = new Set<Socket>();
  const server: Server | ReturnType<typeof createTcpServer> = row.raw
    ? createTcpServer((socket) => row.raw?.(socket.on('error', () => undefined)))
    : createServer((request, response) => {
        request.socket.on('error', () => undefined);
        if (request.url?.endsWith('/token')) {
          const token = JSON.stringify({ access_token: 'ya29.granted-for-this-test', expires_in: 3599 });
          whole(request, () => response.writeHead(200, { 'content-type': 'application/json' }).end(token));
          return;
        }
        requests++;
        row.treat?.(request, response);
      });
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: row.url?.(port) ?? `http://127.0.0.1:${port}`,
    requests: () => requests,
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
