import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { scopes, type Problem, type Scope } from '@carillon/contracts';
import { connect } from 'node:net';
import { openDoor, type Door } from './door.fixture.js';
import type { StreamEvent } from './operation.js';

const everyScope = Object.keys(scopes) as Scope[];
const anId = '0193a1b2-7c4d-7e5f-8a9b-0c1d2e3f4a5b';
let door: Door;
let workspaceId: string;
let headers: Record<string, string>;

/** What the stand-in of `streamDeliveries` yields until its reader is gone. */
async function* ticks(signal: AbortSignal): AsyncGenerator<StreamEvent> {
  for (let n = 1; !signal.aborted; n++) {
    yield { event: 'tick', id: `${n}`, data: { n, text: 'two\nlines' } };
    if (n >= 2) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
  }
  ended.push('ticks');
}
const ended: string[] = [];

beforeAll(async () => {
  door = await openDoor(
    {
      getTemplate: () => {
        throw new Error('connect to postgresql://carillon:hunter2@db/x failed for SELECT secret FROM users');
      },
      listProviders: () => ({
        items: [
          {
            channel: 'email',
            name: 'smtp',
            title: 'SMTP',
            docs: '',
            webhooks: false,
            settings: {},
            apiKey: 'leaked',
          },
        ],
      }),
      listAccounts: () => ({ items: [{ id: 'not what the contract says' }] }),
      streamDeliveries: ({ signal }) => ticks(signal),
      exportDeliveries: async function* ({ query }) {
        if (query !== undefined && 'channel' in query)
          throw Object.assign(new Error('gone'), { code: 'ECONNREFUSED' });
        yield 'id,status\r\n';
        yield `${anId},sent\r\n`;
      },
      getMessage: () => {
        throw Object.assign(new Error('Connection terminated unexpectedly'), { code: 'ECONNREFUSED' });
      },
    },
    { RATE_LIMIT_PER_SECOND: '2000', RATE_LIMIT_BURST: '1500' },
  );
  workspaceId = await door.workspace('acme');
  headers = {
    authorization: `Bearer ${(await door.key(workspaceId, everyScope)).key}`,
    'content-type': 'application/json',
  };
}, 60_000);
afterAll(() => door.close(), 30_000);

const post = (path: string, body: string, more: Record<string, string> = {}) =>
  door.call(path, { method: 'POST', headers: { ...headers, ...more }, body });
const problem = async (answer: Response): Promise<Problem & { http: number }> => {
  expect(answer.headers.get('content-type')).toBe('application/problem+json; charset=utf-8');
  return { ...((await answer.json()) as Problem), http: answer.status };
};

describe('what cannot be read', () => {
  it.each<[string, number, string, () => Promise<Response>]>([
    ['a body that is not JSON', 400, 'malformed_json', () => post('/v1/messages', '{"to":')],
    [
      'a body of another type',
      415,
      'unsupported_media_type',
      () => post('/v1/messages', '{}', { 'content-type': 'text/plain' }),
    ],
    [
      'a body without a type',
      415,
      'unsupported_media_type',
      () => post('/v1/messages', '{}', { 'content-type': '' }),
    ],
    [
      'a body of 2 MB',
      413,
      'body_too_large',
      () => post('/v1/messages', JSON.stringify({ data: 'x'.repeat(2_000_000) })),
    ],
    [
      'a body that is missing',
      422,
      'invalid_request',
      () => door.call('/v1/messages', { method: 'POST', headers }),
    ],
    ['an address of nothing', 404, 'not_found', () => door.call('/v1/nothing', { headers })],
    ['an address outside the API', 404, 'not_found', () => door.call('/nothing.txt')],
    [
      'a method the address does not take',
      405,
      'method_not_allowed',
      () => door.call('/v1/messages', { method: 'PUT', headers, body: '{}' }),
    ],
    ['GET where there is only POST', 405, 'method_not_allowed', () => door.call('/v1/messages', { headers })],
    ['an id that is none', 404, 'not_found', () => door.call('/v1/messages/42', { headers })],
    [
      'a broken escape in the address',
      400,
      'malformed_request',
      () => door.call('/v1/profiles/%E0%A4%A', { headers }),
    ],
    ['a NUL in the address', 404, 'not_found', () => door.call('/v1/profiles/a%00b', { headers })],
    [
      'a misspelt filter',
      422,
      'invalid_request',
      () => door.call('/v1/deliveries?staus=failed', { headers }),
    ],
    [
      'a limit beyond the limit',
      422,
      'invalid_request',
      () => door.call('/v1/deliveries?limit=9999', { headers }),
    ],
  ])('%s is %i %s', async (_what, status, code, ask) => {
    expect(await problem(await ask())).toMatchObject({
      http: status,
      status,
      code,
      type: `urn:carillon:problem:${code}`,
      title: expect.any(String),
      detail: expect.stringMatching(/^[A-Z].*\.$/s),
      requestId: expect.stringMatching(/^[0-9a-f-]{36}$/),
    });
  });

  it('names the methods that would do', async () => {
    const answer = await door.call('/v1/messages', { method: 'DELETE', headers });
    expect(answer.headers.get('allow')).toBe('POST');
  });

  it('points at each fault of a body and each parameter of a query', async () => {
    const body = await problem(await post('/v1/messages', '{"to":{"emial":"a"},"channels":["fax"]}'));
    expect(body.errors?.map((e) => e.pointer)).toEqual(expect.arrayContaining(['/to/emial', '/channels/0']));
    expect(body.detail).toContain(body.errors?.[0]?.pointer);
    const query = await problem(await door.call('/v1/deliveries?limit=x&staus=failed', { headers }));
    expect(query.errors?.map((e) => e.pointer).sort()).toEqual(['?limit', '?staus']);
    expect(query.errors?.find((e) => e.pointer === '?staus')?.message).toMatch(/did you mean status\?/);
  });

  it('refuses keys that could reach a prototype, with a pointer', async () => {
    for (const key of ['__proto__', 'constructor', 'prototype'])
      expect(await problem(await post('/v1/messages', `{"data":{"${key}":{"x":1}}}`))).toMatchObject({
        http: 422,
        errors: [{ pointer: `/data/${key}` }],
      });
    expect(({} as { x?: unknown }).x).toBeUndefined();
  });

  it('judges nothing before the credentials', async () => {
    expect((await post('/v1/messages', '{"to":', { authorization: 'Bearer wrong' })).status).toBe(401);
  });
});

describe('what goes wrong on our side', () => {
  it('is a plain 500 with the id under which the log has the rest', async () => {
    const answer = await door.call('/v1/templates/welcome', { headers });
    const text = await answer.text();
    expect(answer.status).toBe(500);
    expect(JSON.parse(text)).toMatchObject({
      code: 'internal',
      requestId: answer.headers.get('x-request-id'),
    });
    expect(text).not.toMatch(/SELECT|postgresql|hunter2|\bat .*:\d+|Error:/);
  });
  it('is a 503 with Retry-After when the database is away', async () => {
    const answer = await door.call(`/v1/messages/${anId}`, { headers });
    expect(await problem(answer)).toMatchObject({ http: 503, code: 'unavailable' });
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
  });
});

describe('what leaves', () => {
  it('holds what the contract names and nothing else', async () => {
    const text = await (await door.call('/v1/providers', { headers })).text();
    expect(JSON.parse(text)).toMatchObject({ items: [{ name: 'smtp' }] });
    expect(text).not.toContain('leaked');
  });
  it('is not sent at all when it is not what the contract says', async () => {
    expect((await door.call('/v1/provider-accounts', { headers })).status).toBe(500);
  });
  it('may be lines of CSV', async () => {
    const answer = await door.call('/v1/deliveries.csv', { headers });
    expect(answer.headers.get('content-type')).toBe('text/csv; charset=utf-8');
    expect(await answer.text()).toBe(`id,status\r\n${anId},sent\r\n`);
  });
  it('is no half CSV when it cannot even begin', async () => {
    const answer = await door.call('/v1/deliveries.csv?channel=sms', { headers });
    expect([answer.status, answer.headers.get('content-type')]).toEqual([
      503,
      'application/problem+json; charset=utf-8',
    ]);
  });
});

describe('streams', () => {
  it('send events as they come, and end when the reader leaves', async () => {
    const reader = new AbortController();
    const answer = await door.call('/v1/deliveries/stream', { headers, signal: reader.signal });
    expect(answer.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    let text = '';
    for await (const chunk of answer.body ?? []) {
      text += Buffer.from(chunk as Uint8Array).toString();
      if (text.includes('id: 2')) break;
    }
    expect(text).toBe(
      ': open\n\nid: 1\nevent: tick\ndata: {"n":1,"text":"two\\nlines"}\n\nid: 2\nevent: tick\ndata: {"n":2,"text":"two\\nlines"}\n\n',
    );
    reader.abort();
    const until = Date.now() + 6_000;
    while (!ended.includes('ticks')) {
      expect(Date.now()).toBeLessThan(until);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }, 10_000);

  it('end within 5 s when the key is revoked', async () => {
    const { id, key } = await door.key(workspaceId, everyScope);
    const answer = await door.call('/v1/deliveries/stream', { headers: { authorization: `Bearer ${key}` } });
    const chunks = answer.body?.[Symbol.asyncIterator]();
    await chunks?.next();
    await door.owner.query('UPDATE api_keys SET revoked_at = now() WHERE id = $1', [id]);
    const revokedAt = Date.now();
    while (!(await chunks?.next())?.done);
    expect(Date.now() - revokedAt).toBeLessThan(5_000);
  }, 15_000);
});

describe('headers', () => {
  it('keep every answer from being framed, sniffed or scripted', async () => {
    for (const path of ['/', '/docs', '/v1/me', '/openapi.json', '/health/live', '/nothing']) {
      const answer = await door.call(path, { headers: { accept: 'text/html' } });
      const policy = answer.headers.get('content-security-policy') ?? '';
      expect(policy).toContain("frame-ancestors 'none'");
      expect(policy).toContain("default-src 'none'");
      expect(policy).not.toContain('unsafe-inline');
      expect(policy).not.toContain('unsafe-eval');
      expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
      expect(answer.headers.get('referrer-policy')).toBe('same-origin');
      expect(answer.headers.get('x-powered-by')).toBeNull();
      expect(answer.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
    }
  });
  it('carry a new nonce with every page, and the page carries it too', async () => {
    const nonces = await Promise.all(
      [1, 2].map(async () => {
        const answer = await door.call('/docs');
        const nonce = /'nonce-([^']+)'/.exec(answer.headers.get('content-security-policy') ?? '')?.[1];
        expect(await answer.text()).toContain(`nonce="${nonce}"`);
        return nonce;
      }),
    );
    expect(new Set(nonces).size).toBe(2);
  });
});

describe('pages', () => {
  it('show the dashboard, or that it has not been built', async () => {
    for (const path of ['/', '/deliveries/42?x=1']) {
      const answer = await door.call(path, { headers: { accept: 'text/html' } });
      expect(answer.status).toBe(200);
      expect(await answer.text()).toContain('npm run build');
    }
  });
  it('show the documentation from here alone', async () => {
    const page = await (await door.call('/docs')).text();
    expect(page).not.toMatch(/https?:\/\//);
    for (const file of ['package.json', 'index.html', 'oauth2-redirect.html', 'swagger-ui.css.map'])
      expect((await door.call(`/docs/ui/${file}`)).status).toBe(404);
    for (const [, file] of page.matchAll(/(?:src|href)="(\/[^"]+)"/g)) {
      const answer = await door.call(file ?? '');
      expect({ file, status: answer.status }).toEqual({ file, status: 200 });
    }
    expect(await (await door.call('/openapi.json')).json()).toMatchObject({ openapi: '3.1.0' });
  });
});

describe('health and figures', () => {
  it('live, ready and metrics answer to this machine', async () => {
    expect(await (await door.call('/health/live')).json()).toEqual({ status: 'ok' });
    const ready = await door.call('/health/ready');
    expect([ready.status, await ready.json()]).toEqual([
      200,
      {
        ready: true,
        checks: { database: 'ok', migrations: 'ok', durability: 'ok', queue: 'ok', open: 'ok' },
        sentences: [],
      },
    ]);
    const metrics = await (await door.call('/metrics')).text();
    expect(metrics).toMatch(
      /carillon_http_request_seconds_count\{method="GET",route="\/v1\/messages\/:id",status="503"\} \d/,
    );
    expect(metrics).toMatch(/carillon_queue_jobs\{queue="route-event",state="waiting"\} 0/);
    expect(metrics).not.toContain(anId);
  });
  it('only live answers to what a proxy brings from elsewhere', async () => {
    for (const path of ['/health/ready', '/metrics']) {
      const answer = await door.call(path, { headers: { 'x-forwarded-for': '203.0.113.9' } });
      expect(answer.status).toBe(404);
    }
    expect((await door.call('/health/live', { headers: { 'x-forwarded-for': '203.0.113.9' } })).status).toBe(
      200,
    );
  });
});

describe('limits', () => {
  it('tell every caller where they stand', async () => {
    const { key } = await door.key(workspaceId, []);
    const ask = () => door.call('/v1/me', { headers: { authorization: `Bearer ${key}` } });
    const first = await ask();
    expect(first.headers.get('ratelimit-policy')).toBe('"default";q=1500;w=1');
    expect(first.headers.get('ratelimit')).toMatch(/^"default";r=1499;t=\d$/);
    expect(first.headers.get('ratelimit-limit')).toBe('1500');
  });

  it('give up on one who sends headers too large, or nothing that is HTTP', async () => {
    const raw = (text: string) =>
      new Promise<string>((resolve, reject) => {
        const { port } = new URL(door.url);
        const socket = connect(Number(port), '127.0.0.1', () => socket.write(text));
        let answer = '';
        socket.on('data', (chunk: Buffer) => (answer += chunk.toString()));
        socket.on('close', () => resolve(answer));
        socket.on('error', reject);
      });
    expect(await raw(`GET / HTTP/1.1\r\nhost: x\r\nx: ${'a'.repeat(20_000)}\r\n\r\n`)).toMatch(
      /^HTTP\/1\.1 431 [\s\S]*application\/problem\+json/,
    );
    expect(await raw('EHLO mail\r\n\r\n')).toMatch(/^HTTP\/1\.1 400 /);
    // Two lengths: the classic of request smuggling.
    expect(
      await raw(
        'POST /v1/messages HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
      ),
    ).toMatch(/^HTTP\/1\.1 400 /);
  });
});
