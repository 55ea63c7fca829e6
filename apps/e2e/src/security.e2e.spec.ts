/**
 * The running product as a stranger meets it: what it opens and to whom (S40), what its pages allow (S18), what it does
 * with a crowd of slow senders (S42) and without its database (S44), and whom a mail really goes to (S19).
 */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { operations, type Operation } from '@carillon/contracts';
import { Carillon } from '@carillon/sdk';
import { eventually } from '@carillon/testing';
import fc from 'fast-check';
import { networkInterfaces } from 'node:os';
import pg from 'pg';
import { listening, raw, reachable, slowSender, type Slow } from './sockets.js';
import { startStack, type Stack } from './stack.js';

const table = Object.entries(operations) as [string, Operation][];
const anId = '0193a1b2-7c4d-7e5f-8a9b-0c1d2e3f4a5b';
const addressOf = ({ path }: Operation): string =>
  path
    .replace(':id', anId)
    .replace(':version', '1')
    .replace(/:[a-zA-Z]+/g, 'some-name');

let stack: Stack;
let carillon: Carillon;
let owner: pg.Client;
beforeAll(async () => {
  stack = await startStack();
  carillon = new Carillon({ apiKey: stack.apiKey, baseUrl: stack.url });
  owner = new pg.Client({ connectionString: stack.databaseUrl });
  await owner.connect();
}, 120_000);
afterAll(async () => {
  await owner?.end();
  expect(await stack?.stop()).toBe(0);
}, 60_000);

const port = () => Number(new URL(stack.url).port);
/** Asks for an operation, with a body where it takes one. */
const ask = (operation: Operation, headers: Record<string, string> = {}): Promise<Response> =>
  fetch(`${stack.url}${addressOf(operation)}`, {
    method: operation.method,
    headers: { ...headers, ...(operation.body ? { 'content-type': 'application/json' } : {}) },
    ...(operation.body ? { body: '{}' } : {}),
    signal: AbortSignal.timeout(20_000),
  });
const withKey = () => ({ authorization: `Bearer ${stack.apiKey}` });

describe('ports', () => {
  it('are those it tells of, and none is open to another machine', async () => {
    const told = [stack.url, stack.sandboxUrl, stack.smtpUrl, stack.databaseUrl].map((url) =>
      Number(new URL(url).port),
    );
    expect(new Set(told).size).toBe(4);
    const opened = listening(stack.pid) ?? told;
    expect([...opened].sort()).toEqual([...told].sort());
    const ours = Object.values(networkInterfaces())
      .flat()
      .flatMap((one) => (one && !one.internal && !one.address.startsWith('fe80') ? [one.address] : []));
    for (const port of told) {
      expect(await reachable('127.0.0.1', port)).toBe(true);
      for (const address of ours)
        expect({ address, port, reachable: await reachable(address, port) }).toEqual({
          address,
          port,
          reachable: false,
        });
    }
  });

  it('of the database ask for a password', async () => {
    const url = new URL(stack.databaseUrl);
    for (const [user, password] of [
      ['carillon', ''],
      ['carillon', 'carillon'],
      ['postgres', 'postgres'],
      ['carillon_app', 'carillon_app'],
    ]) {
      const client = new pg.Client({ host: '127.0.0.1', port: Number(url.port), user, password });
      await expect(client.connect()).rejects.toThrow(/password/);
    }
  });
});

describe('addresses', () => {
  it('answer nobody who does not say who they are', async () => {
    const guarded = table.filter(([, { auth }]) => auth !== 'none');
    expect(guarded.length).toBeGreaterThan(40);
    for (const [name, operation] of guarded) {
      const answer = await ask(operation);
      expect({ name, status: answer.status }).toEqual({ name, status: 401 });
      expect(Object.keys((await answer.json()) as object).sort()).toEqual([
        'code',
        'detail',
        'requestId',
        'status',
        'title',
        'type',
      ]);
    }
  });

  it('are not there for who looks for a board, a console or a file', async () => {
    const wanted = [
      '/admin',
      '/admin/queues',
      '/queues',
      '/bull',
      '/bull-board',
      '/arena',
      '/graphql',
      '/debug',
      '/env',
      '/.env',
      '/.git/config',
      '/package.json',
      '/docs/ui/package.json',
      '/docs/ui/../../package.json',
      '/docs/ui/..%2f..%2fpackage.json',
      '/assets/../index.html.map',
      '/%2e%2e/%2e%2e/etc/passwd',
      '/server-status',
      '/actuator/health',
      '/health',
      '/metrics/',
    ];
    for (const path of wanted) {
      const answer = await raw(
        port(),
        `GET ${path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n`,
      );
      expect({ path, status: answer.slice(0, 12) }).toEqual({
        path,
        status: expect.stringMatching(/^HTTP\/1\.1 (40[04]|30\d)/),
      });
      expect(answer).not.toMatch(/"dependencies"|root:|\[core\]|CARILLON_/);
    }
  });

  it('for those who run it answer this machine alone, and never what a proxy brings', async () => {
    for (const path of ['/metrics', '/health/ready']) {
      expect((await fetch(`${stack.url}${path}`)).status).toBe(200);
      for (const [name, value] of [
        ['x-forwarded-for', '127.0.0.1'],
        ['forwarded', 'for=127.0.0.1'],
        ['x-forwarded-for', '203.0.113.7'],
      ] as const)
        expect((await fetch(`${stack.url}${path}`, { headers: { [name]: value } })).status).toBe(404);
    }
    const figures = await (await fetch(`${stack.url}/metrics`)).text();
    expect(figures).not.toMatch(/@|\bck_|Bearer/);
  });
});

describe('pages', () => {
  it('of every kind may be framed, sniffed or scripted by nobody', async () => {
    const html = { accept: 'text/html' };
    const dashboard = await (await fetch(stack.url, { headers: html })).text();
    const assets = [...dashboard.matchAll(/(?:src|href)="(\/[^"]+)"/g)].map(([, path]) => path ?? '');
    expect(assets.length).toBeGreaterThan(1);
    const asked: [string, RequestInit, number][] = [
      ...['/', '/deliveries', '/sign-in', '/docs', '/docs/ui/swagger-ui-bundle.js', ...assets].map(
        (path) => [path, { headers: html }, 200] as [string, RequestInit, number],
      ),
      ['/openapi.json', {}, 200],
      ['/health/live', {}, 200],
      ['/v1/me', {}, 401],
      ['/v1/me', { headers: withKey() }, 200],
      ['/v1/deliveries.csv', { headers: withKey() }, 200],
      ['/u/forged', { headers: html }, 404],
      ['/u/forged', { method: 'POST', body: 'List-Unsubscribe=One-Click' }, 404],
      ['/mail-frame', { method: 'POST', body: 'html=x' }, 401],
      ['/nothing', {}, 404],
      ['/v1/%zz', {}, 400],
      [`/v1/templates/${'x'.repeat(5_000)}`, { headers: withKey() }, 404],
      ['/v1/messages', { method: 'POST', headers: withKey(), body: 'x'.repeat(2_000_000) }, 413],
    ];
    for (const [path, init, status] of asked) {
      const answer = await fetch(`${stack.url}${path}`, init);
      const policy = answer.headers.get('content-security-policy') ?? '';
      const where = path.slice(0, 60);
      expect({ where, status: answer.status }).toEqual({ where, status });
      expect({ where, policy }).toEqual({ where, policy: expect.stringContaining("default-src 'none'") });
      expect({ where, policy }).toEqual({ where, policy: expect.stringContaining("frame-ancestors 'none'") });
      expect(policy).not.toMatch(/unsafe-|\*|https?:/);
      expect(Object.fromEntries(answer.headers)).toMatchObject({
        'x-content-type-options': 'nosniff',
        'referrer-policy': expect.stringMatching(/^(same-origin|no-referrer)$/),
        'cross-origin-opener-policy': 'same-origin',
      });
      expect(answer.headers.get('x-powered-by') ?? answer.headers.get('server')).toBeNull();
      expect(answer.headers.get('access-control-allow-origin')).toBeNull();
      await answer.body?.cancel();
    }
  }, 40_000);
});

describe('a crowd of slow senders', () => {
  /** Some dribble headers, some say nothing at all, some dribble a body, which is given more time. */
  const beginnings = (): string[] => [
    'GET /v1/me HTTP/1.1\r\nhost: localhost\r\nx-a: ',
    '',
    `POST /v1/messages HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ${stack.apiKey}\r\ncontent-type: application/json\r\ncontent-length: 100000\r\n\r\n{`,
  ];
  let crowd: Slow[] = [];
  let dribble: NodeJS.Timeout;
  beforeAll(() => {
    crowd = Array.from({ length: 500 }, (_, n) => slowSender(port(), beginnings()[n % 3] ?? ''));
    dribble = setInterval(() => {
      for (const { socket, begun } of crowd) if (begun !== '' && socket.writable) socket.write('x');
    }, 500);
  });
  afterAll(() => {
    clearInterval(dribble);
    for (const { socket } of crowd) socket.destroy();
  });

  it('keeps nobody else waiting', async () => {
    await eventually(() => crowd.every(({ socket }) => !socket.connecting), 10_000);
    expect(await Promise.all(Array.from({ length: 50 }, () => carillon.me()))).toHaveLength(50);
    const accepted = await carillon.messages.send({
      to: { email: 'quick@example.com' },
      channels: ['email'],
      content: { email: { subject: 'Quick', text: 'Quick' } },
    });
    await eventually(
      async () => (await carillon.deliveries.get(accepted.deliveries[0]?.id ?? '')).status === 'sent',
      10_000,
    );
    // All of that while the crowd stood at the door: nobody had to be sent away first.
    expect(crowd.filter(({ socket }) => socket.destroyed)).toEqual([]);
  }, 30_000);

  it('is let go', async () => {
    for (const { said } of crowd) expect(await said).toMatch(/^(HTTP\/1\.1 408 |$)/);
  }, 60_000);
});

describe('without its database', () => {
  /** What must never stand in an answer: our own words for how it is built, and PostgreSQL's for what went wrong. */
  const telling =
    /\bat .+:\d+:\d+|node_modules|\.ts\b|\.js\b|SELECT|INSERT|relation|column|syntax|ECONN|carillon_app|pg_|permission/;

  const walk = async (): Promise<Map<number, number>> => {
    const counts = new Map<number, number>();
    for (const [name, operation] of table.filter(([, { produces }]) => produces !== 'text/event-stream')) {
      const known = await ask(operation, withKey());
      counts.set(known.status, (counts.get(known.status) ?? 0) + 1);
      const text = await known.text();
      expect({ name, told: telling.exec(text)?.[0] }).toEqual({ name, told: undefined });
      if (known.status >= 400) expect(JSON.parse(text)).toMatchObject({ requestId: expect.any(String) });
      if (operation.auth === 'none') continue;
      // Not knowing somebody is never a reason to let them in.
      const strangers: Record<string, string>[] = [
        {},
        { authorization: `Bearer ${stack.apiKey.slice(0, -6)}AAAAAA` },
        cookie(),
      ];
      for (const headers of strangers) {
        const { status } = await ask(operation, headers);
        expect({ name, status, refused: [401, 403, 503, 500].includes(status) }).toMatchObject({
          refused: true,
        });
      }
    }
    return counts;
  };
  const cookie = () => ({ cookie: `__Host-carillon=${'A'.repeat(43)}` });

  it('it says so, lets nobody in, and goes on when it is back', async () => {
    const waiting = await carillon.messages.send({
      to: { email: 'patient@example.com' },
      channels: ['email'],
      content: { email: { subject: 'Still here', text: 'Still here' } },
      sendAt: new Date(Date.now() + 1_000).toISOString(),
    });
    await owner.query('ALTER ROLE carillon_app NOLOGIN');
    try {
      await owner.query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'carillon_app'`,
      );
      const counts = await walk();
      expect(counts.get(503) ?? 0).toBeGreaterThan(15);
      const live = await fetch(`${stack.url}/health/live`);
      const ready = await fetch(`${stack.url}/health/ready`);
      expect([live.status, ready.status]).toEqual([200, 503]);
      expect(await ready.text()).not.toMatch(telling);
    } finally {
      await owner.query('ALTER ROLE carillon_app LOGIN');
    }
    await eventually(async () => (await fetch(`${stack.url}/health/ready`)).status === 200, 20_000);
    await eventually(
      async () => (await carillon.deliveries.get(waiting.deliveries[0]?.id ?? '')).status === 'sent',
      30_000,
    );
  }, 120_000);

  it('or with a broken one, it tells nothing of how it is built', async () => {
    const reconnect = () =>
      owner.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'carillon_app'`);
    await owner.query('ALTER ROLE carillon_app SET search_path = nowhere');
    try {
      await reconnect();
      const counts = await walk();
      expect(counts.get(500) ?? 0).toBeGreaterThan(10);
    } finally {
      await owner.query('ALTER ROLE carillon_app RESET search_path');
      await reconnect();
    }
    await eventually(async () => (await carillon.me()).workspace.slug === 'development', 20_000);
  }, 120_000);
});

describe('a mail', () => {
  const pieces = [
    'a',
    'é',
    '.',
    '@',
    '<',
    '>',
    ',',
    ';',
    ':',
    '"',
    '(',
    ')',
    '\\',
    ' ',
    '\t',
    '%',
    '+',
    '\r\n',
    '\n',
    '\0',
  ];
  const hostile = fc.string({
    unit: fc.constantFrom(
      ...pieces,
      '\r\nRCPT TO:<eve@evil.test>\r\n',
      '\r\nBcc: eve@evil.test',
      '> SIZE=1 <eve@evil.test',
    ),
    maxLength: 8,
  });
  const plain = fc.string({ unit: fc.constantFrom(...'abcxyz019.+-_'), minLength: 1, maxLength: 12 });
  const asked = fc.record({
    to: fc.oneof(
      plain.map((local) => `${local}@example.test`),
      fc.tuple(hostile, plain).map(([before, local]) => `${before}${local}@example.test`),
      fc.tuple(plain, hostile).map(([local, after]) => `${local}@example.test${after}`),
    ),
    name: fc.oneof(plain, hostile),
    subject: fc.oneof(plain, hostile),
    replyTo: fc.option(fc.oneof(fc.constant('desk@acme.test'), hostile)),
  });

  it('goes to those it was addressed to, whatever stands in its fields', async () => {
    await fetch(`${stack.sandboxUrl}/sandbox/clear`, { method: 'POST' });
    const messages = fc
      .sample(asked, { numRuns: 1000, seed: 20261123 })
      .map(({ to, name, subject, replyTo }) => ({
        to: { email: to },
        channels: ['email'],
        content: { email: { subject: 'x {{ subject }}', text: 'x', from: '{{ name }} <hello@acme.test>' } },
        data: { name: name.replaceAll('\0', ''), subject: subject.replaceAll('\0', '') },
        ...(replyTo === null ? {} : { replyTo }),
      }));
    // NUL is refused before anything reads the batch: here it would hide the rest.
    const batch = messages.filter((message) => !JSON.stringify(message).includes('\\u0000'));
    const { results, accepted } = await carillon.messages.sendBatch(batch as never);
    const ids = results.flatMap((one) => (one.ok ? [one.message.deliveries[0]?.id ?? ''] : []));
    expect(accepted).toBeGreaterThan(200);
    expect(accepted).toBeLessThan(batch.length);

    const ends = ['sent', 'failed', 'suppressed'];
    const intended: string[] = [];
    for (const id of ids) {
      const delivery = await eventually(async () => {
        const seen = await carillon.deliveries.get(id);
        return ends.includes(seen.status) ? seen : undefined;
      }, 30_000);
      if (delivery.status === 'sent') intended.push(delivery.address ?? '');
      // What was asked for is what was written down: no part of an address becomes another one.
      expect(delivery.address ?? '').toMatch(/^(?!.*evil)[^\s<>,;:"()\\@]+@[a-z0-9.-]+$/);
    }
    const answer = await fetch(`${stack.sandboxUrl}/sandbox/received?channel=email&limit=1000`);
    const { data } = (await answer.json()) as {
      data: { to: string; from: string; header: Record<string, string> }[];
    };
    expect(data.map(({ to }) => to).sort()).toEqual(intended.sort());
    for (const { from, header } of data) {
      expect(from).toBe('hello@acme.test');
      expect(Object.keys(header)).not.toContain('bcc');
      expect(JSON.stringify(header.to ?? '')).not.toContain('evil');
    }
  }, 120_000);
});
