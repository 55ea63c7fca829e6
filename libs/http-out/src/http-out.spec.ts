import http from 'node:http';
import https from 'node:https';
import net, { type AddressInfo, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { AnswerTooLarge, ConnectionFailed, createHttpOut, DeadlineExceeded, EgressRefused } from './index.js';
import type { HttpOut, HttpOutError, HttpOutOptions, Resolver } from './index.js';

/** A real server that counts every connection made to it, and closes with the test. */
let server: http.Server;
let port: number;
let connections: number;
let answer: http.RequestListener;
const open: HttpOut[] = [];
const sockets = new Set<Socket>();

beforeEach(async () => {
  connections = 0;
  answer = (_request, response) => response.end('hello');
  server = http.createServer((request, response) => answer(request, response));
  server.on('connection', (socket) => {
    connections += 1;
    sockets.add(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '::', resolve));
  port = (server.address() as AddressInfo).port;
});

afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  sockets.clear();
  await Promise.all(open.splice(0).map((out) => out.close()));
  await new Promise((resolve) => server.close(resolve));
});

function out(options: Partial<HttpOutOptions>): HttpOut {
  const made = createHttpOut({ level: 'operator', allowPrivate: true, ...options });
  open.push(made);
  return made;
}
const local = (path = '/') => ({ method: 'GET', url: `http://127.0.0.1:${port}${path}` }) as const;
const untrusted = (resolve?: Resolver) =>
  out({ level: 'untrusted', ports: [port], ...(resolve && { resolve }) });
const failure = async (promise: Promise<unknown>): Promise<HttpOutError> =>
  promise.then(
    () => Promise.reject(new Error('it went through')),
    (error: HttpOutError) => error,
  );
const says =
  (...addresses: string[]): Resolver =>
  async () =>
    addresses.map((address) => ({ address, family: net.isIP(address) }));

describe('the guard, level untrusted', () => {
  const FORMS = `
    127.0.0.1  127.1  127.0.1  2130706433  0x7f000001  0x7f.0.0.1  0x7f.1  017700000001  0177.0.0.1  0177.1
    127.0.0.1.  127.255.255.254  localhost  localhost.  LOCALHOST  %6c%6f%63alhost  ①②⑦.⓪.⓪.①  127。0。0。1
    0  0.0.0.0  0.0.0.0.  0x0  00.00.00.00  [::]  [0:0:0:0:0:0:0:0]
    [::1]  [0:0:0:0:0:0:0:1]  [0000:0000:0000:0000:0000:0000:0000:0001]
    [::ffff:127.0.0.1]  [::ffff:7f00:1]  [0:0:0:0:0:ffff:7f00:0001]  [::127.0.0.1]  [::7f00:1]  [::ffff:0:127.0.0.1]
    [64:ff9b::127.0.0.1]  [64:ff9b::7f00:1]  [64:ff9b:1::7f00:1]  [2002:7f00:1::]  [2001:0:7f00:1::]
    [64:ff9b::169.254.169.254]  [::ffff:169.254.169.254]
    169.254.169.254  2852039166  0xa9fea9fe  0251.0376.0251.0376  [fd00:ec2::254]  100.100.100.200  168.63.129.16
    10.0.0.1  10.1  172.16.0.1  172.31.255.255  192.168.1.1  [fc00::1]  [fd12:3456::1]  [fec0::1]
    100.64.0.1  100.127.255.255  169.254.0.1  [fe80::1]  224.0.0.1  239.255.255.255  [ff02::1]
    255.255.255.255  240.0.0.1  198.18.0.1  192.0.0.192  192.0.2.1  203.0.113.9  [2001:db8::1]  [100::1]  [4000::1]`
    .trim()
    .split(/\s+/);

  it('knows at least sixty ways to write an address', () => {
    expect(new Set(FORMS).size).toBeGreaterThanOrEqual(60);
  });

  it.each(FORMS)('refuses http://%s and contacts nobody', async (host) => {
    const error = await failure(
      untrusted().request({ method: 'POST', url: `http://${host}:${port}/`, body: 'x' }),
    );
    expect(error).toBeInstanceOf(EgressRefused);
    expect(error).toMatchObject({ reason: 'address', phase: 'connect', nothingSent: true });
    expect(connections).toBe(0);
  });

  it.each(FORMS.map((form) => form.replace(/^\[|\]$/g, '')))('refuses a socket to %s', async (host) => {
    const error = await failure(untrusted().guardedSocket({ host, port, deadlineMs: 5_000 }));
    // Unlike a URL, a socket's host is not normalised: forms that only URLs know fail as unknown names.
    expect([EgressRefused, ConnectionFailed]).toContain(error.constructor);
    expect(error.nothingSent).toBe(true);
    expect(connections).toBe(0);
  });

  it.each(FORMS)('refuses an agent that is asked for %s', async (host) => {
    const url = `http://${host}:${port}/`;
    const agent = untrusted().agentFor(url);
    const error = await failure(
      new Promise((resolve, reject) => http.get(url, { agent }, resolve).on('error', reject)),
    );
    expect(error).toBeInstanceOf(EgressRefused);
    expect(connections).toBe(0);
  });

  it('refuses every private IPv4 address, however it is written', async () => {
    const guarded = untrusted();
    const byte = fc.integer({ min: 0, max: 255 });
    const inside = fc.oneof(
      fc.tuple(fc.constantFrom(0, 10, 127), byte, byte, byte),
      fc.tuple(fc.constant(192), fc.constant(168), byte, byte),
      fc.tuple(fc.constant(172), fc.integer({ min: 16, max: 31 }), byte, byte),
      fc.tuple(fc.constant(169), fc.constant(254), byte, byte),
    );
    const written = (bytes: number[], style: number): string => {
      const value = bytes.reduce((sum, b) => sum * 256 + b, 0);
      const mapped = `[::ffff:${(value >>> 16).toString(16)}:${(value & 0xffff).toString(16)}]`;
      return [bytes.join('.'), String(value), `0x${value.toString(16)}`, `0${value.toString(8)}`, mapped][
        style
      ] as string;
    };
    await fc.assert(
      fc.asyncProperty(inside, fc.integer({ min: 0, max: 4 }), async (bytes, style) => {
        const url = `http://${written(bytes, style)}:${port}/`;
        expect(await failure(guarded.request({ method: 'GET', url }))).toMatchObject({ reason: 'address' });
      }),
    );
    expect(connections).toBe(0);
  });

  it.each([
    ['http://user:pass@example.com/', 'credentials_in_url'],
    ['http://example.com@127.0.0.1/', 'credentials_in_url'],
    ['file:///etc/passwd', 'scheme'],
    ['gopher://127.0.0.1/', 'scheme'],
    ['//127.0.0.1/', 'malformed_url'],
    ['http://', 'malformed_url'],
    ['http://127.0.0.1:22/', 'port'],
    ['http://example.com:6379/', 'port'],
  ])('refuses %s', async (url, reason) => {
    expect(await failure(untrusted().request({ method: 'GET', url }))).toMatchObject({ reason });
    expect(connections).toBe(0);
  });

  it('refuses a name as soon as one of its addresses is internal', async () => {
    const guarded = untrusted(says('93.184.215.14', '127.0.0.1'));
    const error = await failure(guarded.request({ method: 'GET', url: `http://mixed.test:${port}/` }));
    expect(error).toMatchObject({ reason: 'address' });
    expect(connections).toBe(0);
  });

  it('refuses a tenant who sets the Host header', async () => {
    const headers = { host: 'internal' };
    expect(await failure(untrusted().request({ ...local(), headers }))).toMatchObject({
      reason: 'invalid_request',
    });
  });
});

describe('the guard against a name server that changes its mind', () => {
  it('resolves once per connection and dials exactly what it checked', async () => {
    const answers = [['127.0.0.1'], ['169.254.169.254']];
    let asked = 0;
    const guarded = out({ resolve: async (host, family) => says(...(answers[asked++] ?? []))(host, family) });
    answer = (_request, response) => response.setHeader('connection', 'close').end('first');
    const url = `http://rebinding.test:${port}/`;

    expect((await guarded.request({ method: 'GET', url })).body.toString()).toBe('first');
    expect(asked).toBe(1);
    expect(await failure(guarded.request({ method: 'GET', url }))).toMatchObject({ reason: 'address' });
    expect(asked).toBe(2);
    expect(connections).toBe(1);
  });

  it('does not follow a redirect', async () => {
    answer = (_request, response) =>
      response.writeHead(302, { location: `http://127.0.0.1:${port}/x` }).end();
    const { status, headers } = await out({}).request(local());
    expect({ status, location: headers.location }).toEqual({
      status: 302,
      location: `http://127.0.0.1:${port}/x`,
    });
    expect(connections).toBe(1);
  });
});

describe('the guard, level operator', () => {
  it('reaches loopback when private networks are allowed, by literal and by name', async () => {
    expect((await out({}).request(local())).status).toBe(200);
    const { status } = await out({}).request({ method: 'GET', url: `http://localhost:${port}/` });
    expect(status).toBe(200);
  });

  it('does not reach loopback otherwise', async () => {
    expect(await failure(out({ allowPrivate: false }).request(local()))).toMatchObject({ reason: 'address' });
    expect(connections).toBe(0);
  });

  it('ignores allowPrivate at level untrusted', async () => {
    const guarded = out({ level: 'untrusted', allowPrivate: true, ports: [port] });
    expect(await failure(guarded.request(local()))).toMatchObject({ reason: 'address' });
    expect(connections).toBe(0);
  });

  it.each(['169.254.169.254', 'fd00:ec2::254', '100.100.100.200', '168.63.129.16', '0.0.0.0', '224.0.0.1'])(
    'never opens %s',
    async (address) => {
      const url = `http://metadata.test:${port}/`;
      const error = await failure(out({ resolve: says(address) }).request({ method: 'GET', url }));
      expect(error).toMatchObject({ reason: 'address' });
    },
  );
});

describe('request', () => {
  it('carries method, headers, body and query there, and status, headers, body back', async () => {
    answer = (request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const body = Buffer.concat(chunks).toString();
        const { method, url, headers } = request;
        response
          .writeHead(503, { 'retry-after': '7', 'set-cookie': ['a=1', 'b=2'] })
          .end(JSON.stringify({ method, url, token: headers['x-token'], body }));
      });
    };
    const result = await out({}).request({
      method: 'PUT',
      url: `http://127.0.0.1:${port}/p?q=1`,
      headers: { 'x-token': 'T' },
      body: 'grüße',
    });
    expect(result.status).toBe(503);
    expect(result.headers).toMatchObject({ 'retry-after': '7', 'set-cookie': ['a=1', 'b=2'] });
    expect(JSON.parse(result.body.toString())).toEqual({
      method: 'PUT',
      url: '/p?q=1',
      token: 'T',
      body: 'grüße',
    });
  });

  it('keeps connections for requests that follow each other', async () => {
    const pooled = out({});
    for (let i = 0; i < 10; i++) await pooled.request(local());
    // Two, not one: undici frees a connection one turn of the event loop after its answer ended.
    expect(connections).toBeLessThanOrEqual(2);
  });

  it('opens no more connections than allowed', async () => {
    const pooled = out({ connections: 2 });
    await Promise.all(Array.from({ length: 20 }, () => pooled.request(local())));
    expect(connections).toBeLessThanOrEqual(2);
  });

  it('stops reading at the cap and still tells the status', async () => {
    answer = (_request, response) => response.writeHead(201).end(Buffer.alloc(200_000));
    const error = await failure(out({}).request({ ...local(), maxBytes: 64 * 1024 }));
    expect(error).toBeInstanceOf(AnswerTooLarge);
    expect(error).toMatchObject({ limit: 65_536, status: 201, phase: 'body', nothingSent: false });
    expect((await out({}).request({ ...local(), maxBytes: 200_000 })).body.length).toBe(200_000);
  });

  it('refuses a header with a line break before anything is sent', async () => {
    const headers = { 'x-name': 'a\r\nx-evil: 1' };
    expect(await failure(out({}).request({ ...local(), headers }))).toMatchObject({
      reason: 'invalid_request',
    });
    expect(connections).toBe(0);
  });
});

describe('how far a failed request had come', () => {
  it('connect: nobody listens', async () => {
    const free = net.createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => free.once('listening', resolve));
    const { port: closed } = free.address() as AddressInfo;
    await new Promise((resolve) => free.close(resolve));
    const error = await failure(
      out({}).request({ method: 'POST', url: `http://127.0.0.1:${closed}/`, body: 'x' }),
    );
    expect(error).toBeInstanceOf(ConnectionFailed);
    expect(error).toMatchObject({ code: 'ECONNREFUSED', phase: 'connect', nothingSent: true });
  });

  it('connect: the name does not exist', async () => {
    const error = await failure(
      out({ resolve: says() }).request({ method: 'GET', url: 'http://nowhere.test/' }),
    );
    expect(error).toMatchObject({ code: 'ENOTFOUND', phase: 'connect' });
  });

  it('connect: the name server is silent', async () => {
    const guarded = out({ resolve: () => new Promise(() => {}) });
    const error = await failure(guarded.request({ method: 'GET', url: 'http://slow.test/', deadlineMs: 60 }));
    expect(error).toBeInstanceOf(DeadlineExceeded);
    expect(error.phase).toBe('connect');
  });

  it('connect: TLS is spoken to a server that does not', async () => {
    const error = await failure(out({}).request({ method: 'GET', url: `https://127.0.0.1:${port}/` }));
    expect(error).toBeInstanceOf(ConnectionFailed);
    expect(error.phase).toBe('connect');
  });

  it('connect: it stood in line behind a slow request, and never leaves later', async () => {
    const seen: (string | undefined)[] = [];
    let release = () => {};
    answer = (request, response) => {
      seen.push(request.url);
      release = () => response.end();
    };
    const pooled = out({ connections: 1 });
    const first = pooled.request(local('/first'));
    const error = await failure(pooled.request({ ...local('/second'), method: 'POST', deadlineMs: 60 }));
    expect(error).toMatchObject({ name: 'DeadlineExceeded', phase: 'connect', nothingSent: true });
    release();
    await first;
    answer = (request, response) => {
      seen.push(request.url);
      response.end();
    };
    await pooled.request(local('/third'));
    expect(seen).toEqual(['/first', '/third']);
  });

  it('headers: the server takes the request and says nothing', async () => {
    let arrived = false;
    answer = () => (arrived = true);
    const error = await failure(out({}).request({ ...local(), deadlineMs: 100 }));
    expect(error).toBeInstanceOf(DeadlineExceeded);
    expect(error).toMatchObject({ phase: 'headers', nothingSent: false });
    expect(arrived).toBe(true);
  });

  it('headers: the server hangs up after the request', async () => {
    answer = (request) => request.socket.destroy();
    const error = await failure(out({}).request({ ...local(), method: 'POST', body: 'x' }));
    expect(error).toBeInstanceOf(ConnectionFailed);
    expect(error).toMatchObject({ phase: 'headers', nothingSent: false });
  });

  it('body: the answer stops halfway', async () => {
    answer = (_request, response) => void response.writeHead(202, { 'content-length': '100' }).write('half');
    const error = await failure(out({}).request({ ...local(), deadlineMs: 100 }));
    expect(error).toBeInstanceOf(DeadlineExceeded);
    expect(error).toMatchObject({ phase: 'body', status: 202 });
  });

  it('body: the server hangs up halfway', async () => {
    answer = (request, response) =>
      response.writeHead(202, { 'content-length': '100' }).write('half', () => request.socket.destroy());
    const error = await failure(out({}).request(local()));
    expect(error).toBeInstanceOf(ConnectionFailed);
    expect(error).toMatchObject({ phase: 'body', status: 202 });
  });
});

describe('close', () => {
  it('lets a running request finish and takes no new one', async () => {
    let release = () => {};
    answer = (_request, response) => (release = () => response.end('done'));
    const closing = out({});
    const arrived = new Promise((resolve) => server.once('request', resolve));
    const running = closing.request(local());
    await arrived;
    const closed = closing.close();
    expect(await failure(closing.request(local()))).toMatchObject({ code: 'CLOSED', phase: 'connect' });
    release();
    expect((await running).body.toString()).toBe('done');
    await closed;
  });
});

describe('agents and sockets', () => {
  it('an agent reaches what the policy allows', async () => {
    const agent = out({}).agentFor(local().url);
    const status = await new Promise((resolve, reject) =>
      http.get(local().url, { agent }, (r) => resolve(r.resume().statusCode)).on('error', reject),
    );
    expect(status).toBe(200);
  });

  it('agents and sockets check what a name resolves to', async () => {
    const guarded = untrusted(says('127.0.0.1'));
    const url = `http://inside.test:${port}/`;
    const agent = guarded.agentFor(url);
    const asked = new Promise((resolve, reject) => http.get(url, { agent }, resolve).on('error', reject));
    expect(await failure(asked)).toMatchObject({ reason: 'address' });
    expect(await failure(guarded.guardedSocket({ host: 'inside.test', port }))).toMatchObject({
      reason: 'address',
    });
    const pinned = guarded.agentTo(url);
    const sent = new Promise((resolve, reject) =>
      https.get('https://public.test/', { agent: pinned }, resolve).on('error', reject),
    );
    expect(await failure(sent)).toMatchObject({ reason: 'address' });
    expect(connections).toBe(0);
  });

  it('an agent to an endpoint carries https requests for another host there', async () => {
    answer = (request, response) => response.end(`${request.headers.host}${request.url}`);
    const agent = out({}).agentTo(`http://127.0.0.1:${port}`);
    const response = await new Promise<http.IncomingMessage>((resolve, reject) =>
      https.get('https://fcm.googleapis.com/v1/x', { agent }, resolve).on('error', reject),
    );
    expect(Buffer.concat(await response.toArray()).toString()).toBe('fcm.googleapis.com/v1/x');
  });

  it('an agent does not open local sockets', async () => {
    const agent = out({}).agentFor('http://x');
    const error = await failure(
      new Promise((resolve, reject) =>
        http.get({ agent, socketPath: '/tmp/none.sock' }, resolve).on('error', reject),
      ),
    );
    expect(error).toBeInstanceOf(EgressRefused);
  });

  it('hands over a connected socket and leaves it alone', async () => {
    const socket = await out({}).guardedSocket({ host: 'localhost', port });
    expect(socket.remotePort).toBe(port);
    expect(socket.listenerCount('error')).toBe(0);
    socket.destroy();
  });

  it('gives up on a socket at its deadline', async () => {
    const guarded = out({ resolve: () => new Promise(() => {}) });
    const error = await failure(guarded.guardedSocket({ host: 'slow.test', port, deadlineMs: 50 }));
    expect(error).toBeInstanceOf(DeadlineExceeded);
    expect(error.phase).toBe('connect');
  });

  it('reports a refused port and a refused TLS handshake', async () => {
    const guarded = out({});
    expect(await failure(guarded.guardedSocket({ host: '127.0.0.1', port: 1 }))).toMatchObject({
      code: 'ECONNREFUSED',
    });
    expect(await failure(guarded.guardedSocket({ host: '127.0.0.1', port, tls: true }))).toBeInstanceOf(
      ConnectionFailed,
    );
  });
});
