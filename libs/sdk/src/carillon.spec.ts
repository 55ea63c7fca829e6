/** The client against a real HTTP server that answers in the shapes of the contracts. */
import { afterEach, describe, expect, it } from '@jest/globals';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  ApiProblem,
  AuthenticationProblem,
  Carillon,
  CarillonError,
  type CarillonOptions,
  ConflictProblem,
  ConnectionError,
  ForbiddenProblem,
  IdempotencyMismatchProblem,
  NotFoundProblem,
  RateLimitedProblem,
  ServerProblem,
  TimeoutError,
  ValidationProblem,
} from './index.js';

interface Seen {
  method: string;
  url: string;
  headers: IncomingMessage['headers'];
  body: unknown;
}
type Answer = (response: ServerResponse, request: Seen) => void;

const servers: Server[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

/** A server that gives these answers in turn, the last one for ever, and a client that talks to it. */
async function answering(answers: Answer[], options: Partial<CarillonOptions> = {}) {
  const seen: Seen[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const text = Buffer.concat(chunks).toString();
      const one: Seen = {
        method: request.method ?? '',
        url: request.url ?? '',
        headers: request.headers,
        body: text ? JSON.parse(text) : undefined,
      };
      seen.push(one);
      answers[Math.min(seen.length, answers.length) - 1]?.(response, one);
    });
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const credentials = options.session ? {} : { apiKey: 'ck_test_1' };
  return { seen, url, carillon: new Carillon({ ...credentials, baseUrl: url, ...options }) };
}

const ok =
  (body: unknown, status = 200): Answer =>
  (response) =>
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
const refuse =
  (status: number, code: string, more: object = {}, headers: Record<string, string> = {}): Answer =>
  (response) =>
    response.writeHead(status, { 'content-type': 'application/problem+json', ...headers }).end(
      JSON.stringify({
        type: `urn:carillon:problem:${code}`,
        title: 'T',
        status,
        code,
        detail: 'D.',
        ...more,
      }),
    );
const hangUp: Answer = (response) => response.destroy();
const silence: Answer = () => undefined;
const now = { 'retry-after': '0' };

const accepted = { id: '0193a1b2-7c4d-7e5f-8a9b-0c1d2e3f4a5b', deliveries: [] };
const message = {
  to: { email: 'ada@example.com' },
  channels: ['sms' as const],
  content: { sms: { body: 'Hi' } },
};
const failure = async (promise: Promise<unknown>): Promise<unknown> => {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error('It succeeded, and should not have.');
};

describe('a send', () => {
  it('posts the message with the key in a header and gives the accepted message', async () => {
    const { carillon, seen } = await answering([ok(accepted, 202)]);
    const sendAt = new Date('2027-01-31T09:00:00Z');
    expect(await carillon.messages.send({ ...message, sendAt, idempotencyKey: 'order-1' })).toEqual(accepted);
    expect(seen).toMatchObject([
      {
        method: 'POST',
        url: '/v1/messages',
        headers: { authorization: 'Bearer ck_test_1', 'idempotency-key': 'order-1' },
        body: { ...message, sendAt: '2027-01-31T09:00:00.000Z' },
      },
    ]);
    expect(seen[0]?.body).not.toHaveProperty('idempotencyKey');
  });

  it.each<[string, Answer]>([
    ['503', refuse(503, 'unavailable', {}, now)],
    ['429', refuse(429, 'rate_limited', {}, now)],
    ['a broken connection', hangUp],
    ['its own earlier attempt still in flight', refuse(409, 'idempotency_in_flight', {}, now)],
  ])('is repeated after %s, with the same key each time', async (_, trouble) => {
    const { carillon, seen } = await answering([trouble, trouble, ok(accepted, 202)]);
    expect(await carillon.messages.send(message)).toEqual(accepted);
    const keys = seen.map(({ headers }) => headers['idempotency-key']);
    expect(keys).toHaveLength(3);
    expect(new Set(keys).size).toBe(1);
    expect(keys[0]).toMatch(/^[0-9a-f-]{32,36}$/);
  });

  it('takes a new key for each call', async () => {
    const { carillon, seen } = await answering([ok(accepted, 202)]);
    await carillon.messages.send(message);
    await carillon.messages.send(message);
    expect(seen[0]?.headers['idempotency-key']).not.toBe(seen[1]?.headers['idempotency-key']);
  });

  it('gives each message of a batch a key and repeats the batch with the same keys', async () => {
    const result = { accepted: 2, failed: 0, results: [] };
    const { carillon, seen } = await answering([hangUp, ok(result, 202)]);
    await carillon.messages.sendBatch([message, { ...message, idempotencyKey: 'mine' }]);
    const keys = seen.map(({ body }) =>
      (body as { messages: { idempotencyKey: string }[] }).messages.map((m) => m.idempotencyKey),
    );
    expect(keys[1]).toEqual(keys[0]);
    expect(keys[0]).toEqual([expect.stringMatching(/^[0-9a-f-]{36}$/), 'mine']);
  });
});

describe('retries', () => {
  it.each<[string, Answer]>([
    ['503', refuse(503, 'unavailable', {}, now)],
    ['429', refuse(429, 'rate_limited', {}, now)],
    ['a broken connection', hangUp],
  ])('never repeat a POST without a key: %s', async (_, trouble) => {
    const { carillon, seen } = await answering([trouble]);
    await failure(carillon.profiles.bulkUpsert([{ externalId: 'ada' }]));
    await failure(carillon.accounts.pause('a1'));
    await failure(carillon.accounts.update('a1', { name: 'x' }));
    await failure(carillon.messages.cancel('m1'));
    expect(seen.map(({ method }) => method)).toEqual(['POST', 'POST', 'PATCH', 'POST']);
  });

  it('repeat GET, PUT and DELETE', async () => {
    const trouble = refuse(503, 'unavailable', {}, now);
    const { carillon, seen } = await answering([
      trouble,
      ok({}),
      trouble,
      ok({}),
      trouble,
      (r) => r.writeHead(204).end(),
    ]);
    await carillon.me();
    await carillon.profiles.upsert('ada', {});
    await carillon.keys.revoke('k1');
    expect(seen.map(({ method }) => method)).toEqual(['GET', 'GET', 'PUT', 'PUT', 'DELETE', 'DELETE']);
  });

  it('stop after maxRetries, and after the first failure that will not pass', async () => {
    const { carillon, seen } = await answering([refuse(503, 'unavailable', {}, now)], { maxRetries: 2 });
    expect(await failure(carillon.me())).toBeInstanceOf(ServerProblem);
    expect(seen).toHaveLength(3);
    const other = await answering([refuse(500, 'internal')]);
    expect(await failure(other.carillon.me())).toBeInstanceOf(ServerProblem);
    expect(other.seen).toHaveLength(1);
  });

  it('wait as long as Retry-After says, in seconds', async () => {
    const { carillon } = await answering([refuse(429, 'rate_limited', {}, { 'retry-after': '1' }), ok({})]);
    const started = performance.now();
    await carillon.me();
    expect(performance.now() - started).toBeGreaterThanOrEqual(990);
  });

  it('give up at once when Retry-After lies beyond the total time', async () => {
    const inAnHour = new Date(Date.now() + 3_600_000).toUTCString();
    const { carillon, seen } = await answering([
      refuse(429, 'rate_limited', {}, { 'retry-after': inAnHour }),
    ]);
    const error = await failure(carillon.me());
    expect(error).toBeInstanceOf(RateLimitedProblem);
    expect((error as RateLimitedProblem).retryAfterMs).toBeGreaterThan(3_500_000);
    expect(seen).toHaveLength(1);
  });

  it('end when the caller aborts, with the reason of the signal', async () => {
    const { carillon, seen } = await answering([refuse(503, 'unavailable', {}, { 'retry-after': '30' })]);
    const controller = new AbortController();
    const call = failure(carillon.me({ signal: controller.signal }));
    controller.abort(new Error('enough'));
    expect(await call).toEqual(new Error('enough'));
    expect(seen.length).toBeLessThanOrEqual(1);
  });
});

describe('time', () => {
  it('ends an attempt after timeoutMs and says so', async () => {
    const { carillon, seen } = await answering([silence], { timeoutMs: 50, maxRetries: 1 });
    const error = await failure(carillon.me());
    expect(error).toBeInstanceOf(TimeoutError);
    expect((error as Error).message).toContain('did not answer within 50 ms');
    expect(seen).toHaveLength(2);
  });

  it('covers a body that never ends', async () => {
    const half: Answer = (response) => response.writeHead(200).write('{"a":');
    const { carillon } = await answering([half], { timeoutMs: 50, maxRetries: 0 });
    expect(await failure(carillon.me())).toBeInstanceOf(TimeoutError);
  });

  it('ends the call after totalTimeoutMs, whatever retries are left', async () => {
    const { carillon } = await answering([silence], { timeoutMs: 60, totalTimeoutMs: 100, maxRetries: 50 });
    const started = performance.now();
    expect(await failure(carillon.me())).toBeInstanceOf(TimeoutError);
    expect(performance.now() - started).toBeLessThan(1000);
  });
});

describe('errors', () => {
  it.each<[number, string, typeof ApiProblem]>([
    [400, 'malformed_json', ValidationProblem],
    [401, 'unauthenticated', AuthenticationProblem],
    [403, 'forbidden', ForbiddenProblem],
    [404, 'not_found', NotFoundProblem],
    [409, 'already_left', ConflictProblem],
    [413, 'body_too_large', ValidationProblem],
    [415, 'unsupported_media_type', ValidationProblem],
    [422, 'invalid_request', ValidationProblem],
    [422, 'idempotency_mismatch', IdempotencyMismatchProblem],
    [429, 'rate_limited', RateLimitedProblem],
    [500, 'internal', ServerProblem],
    [503, 'unavailable', ServerProblem],
  ])('%i %s is a %p', async (status, code, kind) => {
    const { carillon } = await answering([refuse(status, code, { requestId: 'r1' }, now)], { maxRetries: 0 });
    const error = await failure(carillon.messages.send(message));
    expect(error).toBeInstanceOf(kind);
    expect(error).toBeInstanceOf(CarillonError);
    expect(error).toMatchObject({
      name: kind.name,
      status,
      code,
      requestId: 'r1',
      message: 'D.',
      errors: [],
    });
  });

  it('lists the fields when several are wrong', async () => {
    const errors = [
      { pointer: '/to', code: 'required', message: 'Say who.' },
      { pointer: '/channels', code: 'required', message: 'Say how.' },
    ];
    const { carillon } = await answering([refuse(422, 'invalid_request', { errors })]);
    const error = await failure(carillon.messages.send(message));
    expect(error).toMatchObject({ errors, message: 'D.\n  /to: Say who.\n  /channels: Say how.' });
  });

  it('names an answer that is not from Carillon, and does not follow a redirect with the key', async () => {
    const elsewhere = await answering([ok({})]);
    const { carillon } = await answering([
      (r) => r.writeHead(404, { 'content-type': 'text/html' }).end('<h1>nginx</h1>'),
      (r) => r.writeHead(200, { 'content-type': 'text/html' }).end('<h1>hello</h1>'),
      (r) => r.writeHead(302, { location: `${elsewhere.url}/v1/me` }).end(),
    ]);
    const missing = await failure(carillon.me());
    expect(missing).toBeInstanceOf(NotFoundProblem);
    expect(missing).toMatchObject({
      code: 'unexpected_answer',
      message: expect.stringContaining('check baseUrl'),
    });
    expect(await failure(carillon.me())).toMatchObject({ code: 'unexpected_answer', status: 200 });
    expect(await failure(carillon.me())).toMatchObject({ message: expect.stringContaining('redirect') });
    expect(elsewhere.seen).toHaveLength(0);
  });

  it('says where nobody answers', async () => {
    const { carillon, url } = await answering([ok({})], { maxRetries: 0 });
    for (const server of servers.splice(0)) await new Promise((resolve) => server.close(resolve));
    const error = await failure(carillon.me());
    expect(error).toBeInstanceOf(ConnectionError);
    expect((error as Error).message).toContain(`Could not reach ${url} (ECONNREFUSED)`);
  });
});

describe('lists', () => {
  const page = (ids: number[], nextCursor: string | null) =>
    ok({ items: ids.map((id) => ({ id })), nextCursor });

  it('go over all pages, fetching each when it is needed', async () => {
    const pages = [page([1, 2], 'c1'), page([3], 'c2'), page([], null)];
    const { carillon, seen } = await answering(pages);
    const ids: unknown[] = [];
    for await (const delivery of carillon.deliveries.list({
      channel: ['email', 'sms'],
      status: 'failed',
      limit: 2,
    }))
      ids.push(delivery.id);
    expect(ids).toEqual([1, 2, 3]);
    expect(seen.map(({ url }) => url)).toEqual([
      '/v1/deliveries?channel=email%2Csms&status=failed&limit=2',
      '/v1/deliveries?channel=email%2Csms&status=failed&limit=2&cursor=c1',
      '/v1/deliveries?channel=email%2Csms&status=failed&limit=2&cursor=c2',
    ]);
  });

  it('stop asking when the loop is left', async () => {
    const { carillon, seen } = await answering([page([1, 2], 'c1')]);
    for await (const profile of carillon.profiles.list()) if (profile) break;
    expect(seen).toHaveLength(1);
  });

  it('give one page at a cursor', async () => {
    const { carillon, seen } = await answering([page([9], 'c8')]);
    expect(await carillon.templates.list({ cursor: 'c7', search: 'a b' }).page()).toEqual({
      items: [{ id: 9 }],
      nextCursor: 'c8',
    });
    expect(seen[0]?.url).toBe('/v1/templates?search=a+b&cursor=c7');
  });
});

describe('streams', () => {
  it('yield changes, come back with the last event id, and end quietly at an abort', async () => {
    const events =
      (text: string): Answer =>
      (response) =>
        response.writeHead(200, { 'content-type': 'text/event-stream' }).end(text);
    const { carillon, seen } = await answering([
      events(
        ': open\n\nid: 7\nevent: delivery\ndata: {"id":"d1","status":"sent"}\n\nevent: delivery\ndata: {"id":',
      ),
      events(
        'event: changed\ndata: {}\n\nid: 8\nevent: delivery\ndata: {"id":"d1",\ndata: "status":"delivered"}\n\n',
      ),
    ]);
    const controller = new AbortController();
    const got: unknown[] = [];
    for await (const change of carillon.deliveries.stream(
      { channel: 'sms' },
      { signal: controller.signal },
    )) {
      got.push(change);
      if (got.length === 4) controller.abort();
    }
    expect(got).toEqual([
      { type: 'delivery', delivery: { id: 'd1', status: 'sent' } },
      { type: 'changed' }, // Reconnected: something may have been missed.
      { type: 'changed' },
      { type: 'delivery', delivery: { id: 'd1', status: 'delivered' } },
    ]);
    expect(seen.map(({ url, headers }) => [url, headers['last-event-id']])).toEqual([
      ['/v1/deliveries/stream?channel=sms', undefined],
      ['/v1/deliveries/stream?channel=sms', '7'],
    ]);
  });

  it('throw what the server refuses', async () => {
    const { carillon } = await answering([refuse(403, 'forbidden')]);
    expect(await failure(carillon.deliveries.stream().next())).toBeInstanceOf(ForbiddenProblem);
  });

  it('export CSV in pieces without cutting letters', async () => {
    const text = Buffer.from('id,name\n1,Zoë\n');
    const { carillon, seen } = await answering([
      (response) => {
        response.writeHead(200, { 'content-type': 'text/csv' });
        // Cut inside the two bytes of ë.
        response.write(text.subarray(0, 13), () => response.end(text.subarray(13)));
      },
    ]);
    let csv = '';
    for await (const piece of carillon.deliveries.exportCsv({ from: new Date(0) })) csv += piece;
    expect(csv).toBe('id,name\n1,Zoë\n');
    expect(seen[0]?.url).toBe('/v1/deliveries.csv?from=1970-01-01T00%3A00%3A00.000Z');
  });
});

describe('a session', () => {
  const me = (csrfToken: string) => ok({ user: null, workspace: {}, scopes: [], csrfToken });

  it('asks once for the CSRF token and sends it with unsafe requests only', async () => {
    const { carillon, seen } = await answering([me('t1'), ok({}), ok({}), ok({ items: [] })], {
      session: true,
    });
    await carillon.accounts.pause('a1');
    await carillon.accounts.resume('a1');
    await carillon.accounts.list();
    expect(seen.map(({ url, headers }) => [url, headers['x-csrf-token']])).toEqual([
      ['/v1/me', undefined],
      ['/v1/provider-accounts/a1/pause', 't1'],
      ['/v1/provider-accounts/a1/resume', 't1'],
      ['/v1/provider-accounts', undefined],
    ]);
    expect(seen[1]?.headers.authorization).toBeUndefined();
  });

  it('learns the token when signing in, and renews it once when it is refused', async () => {
    const { carillon, seen } = await answering(
      [me('t1'), refuse(403, 'csrf'), me('t2'), ok({}), refuse(403, 'csrf')],
      {
        session: true,
      },
    );
    await carillon.session.signIn({ email: 'a@example.com', password: 'x' });
    await carillon.accounts.pause('a1');
    expect(seen.map(({ headers }) => headers['x-csrf-token'])).toEqual([undefined, 't1', undefined, 't2']);
    const refused = await answering([me('t1'), refuse(403, 'csrf'), me('t1'), refuse(403, 'csrf')], {
      session: true,
    });
    expect(await failure(refused.carillon.accounts.pause('a1'))).toMatchObject({ code: 'csrf' });
    expect(refused.seen).toHaveLength(4);
  });
});

describe('refusals before anything is sent', () => {
  it('a key in a browser', () => {
    const page = globalThis as { window?: unknown; document?: unknown };
    page.window = page.document = {};
    try {
      expect(() => new Carillon({ apiKey: 'ck_live_1' })).toThrow(/in a browser can be read by everyone/);
      expect(() => new Carillon({ session: true })).not.toThrow();
    } finally {
      delete page.window;
      delete page.document;
    }
  });

  it.each([
    [{ apiKey: 'ck_1', baseUrl: 'http://carillon.example.com' }, /https/],
    [{ apiKey: 'ck_1', baseUrl: 'http://localhost.evil.example' }, /https/],
    [{ apiKey: 'ck_1', baseUrl: 'ftp://localhost' }, /https/],
    [{ apiKey: 'ck_1', baseUrl: 'carillon.example.com' }, /whole address/],
    [{ apiKey: 'ck_1\n' }, /line break/],
    [{}, /Give an API key/],
  ])('%j', (options, sentence) => {
    expect(() => new Carillon(options)).toThrow(sentence);
  });

  it.each(['http://localhost:3000', 'http://[::1]:3000/', 'https://carillon.example.com'])(
    'but not %s',
    (baseUrl) => {
      expect(() => new Carillon({ apiKey: 'ck_1', baseUrl })).not.toThrow();
    },
  );

  it.each(['', '.', '..'])('an id that would call another operation: "%s"', async (id) => {
    const { carillon, seen } = await answering([ok({})]);
    expect(await failure(carillon.profiles.delete(id))).toBeInstanceOf(CarillonError);
    expect(seen).toHaveLength(0);
  });

  it('writes any other id as one segment', async () => {
    const { carillon, seen } = await answering([ok({})]);
    await carillon.profiles.get('a/b?c#d%é');
    expect(seen[0]?.url).toBe('/v1/profiles/a%2Fb%3Fc%23d%25%C3%A9');
  });
});

describe('events', () => {
  const lost: Answer = (response) => response.destroy();
  const kept: Answer = (response) =>
    response.writeHead(202, { 'content-type': 'application/json' }).end('{"outcome":"accepted"}');

  it('have a time and a key before the first try, and the same ones after it', async () => {
    const { carillon, seen } = await answering([lost, kept]);
    const before = Date.now();
    await carillon.events.track({ profile: 'ada', name: 'order.placed' });
    expect(seen).toHaveLength(2);
    expect(seen[1]?.body).toEqual(seen[0]?.body);
    const { at, key } = seen[0]?.body as { at: string; key: string };
    expect(Date.parse(at)).toBeGreaterThanOrEqual(before);
    expect(key).toMatch(/^[0-9a-f-]{32,36}$/);
  });

  it('of a batch have each their own, unless they were given', async () => {
    const { carillon, seen } = await answering([kept]);
    const at = new Date('2026-01-02T03:04:05Z');
    await carillon.events.trackBatch([
      { profile: 'ada', name: 'a', at, key: 'mine' },
      { profile: 'ada', name: 'a' },
      { profile: 'ada', name: 'a' },
    ]);
    const { events } = seen[0]?.body as { events: { at: string; key: string }[] };
    expect(events[0]).toMatchObject({ at: at.toISOString(), key: 'mine' });
    expect(new Set(events.map(({ key }) => key)).size).toBe(3);
  });
});
