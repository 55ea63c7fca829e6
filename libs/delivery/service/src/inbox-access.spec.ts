/** Who may read an inbox: forged, foreign and expired tokens (S5); origins, tickets and what the log keeps (S6). */
import { config, loadConfig, useConfig } from '@carillon/config';
import { newId } from '@carillon/database';
import { mintInboxToken } from '@carillon/server';
import { startTestApi, type TestApi } from '@carillon/testing/api';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { SignJWT } from 'jose';
import { createHash, createHmac, generateKeyPairSync, hkdfSync, randomBytes } from 'node:crypto';

const SHOP = 'https://shop.example';
let api: TestApi;
let profileId: string;
let token: string;
/** Everything this process printed, as the access log of a person who debugs. */
let printed = '';
const print = jest.spyOn(process.stdout, 'write').mockImplementation((chunk) => {
  printed += String(chunk);
  return true;
});

beforeAll(async () => {
  api = await startTestApi({ INBOX_ALLOWED_ORIGINS: `${SHOP},https://m.shop.example`, LOG_LEVEL: 'debug' });
  profileId = await api.profile('ada');
  token = await api.inboxToken('ada');
}, 60_000);
afterAll(async () => {
  await api.close();
  print.mockRestore();
});

const bearer = (t: string) => ({ authorization: `Bearer ${t}` });
const listWith = async (t: string) => (await api.call('/v1/inbox/items', { headers: bearer(t) })).status;
const ticket = async (t = token) => {
  const answer = await api.call('/v1/inbox/ticket', { method: 'POST', headers: bearer(t) });
  expect(answer.status).toBe(201);
  return ((await answer.json()) as { ticket: string }).ticket;
};
const streamWith = (t: string, headers: Record<string, string> = {}) =>
  fetch(`${api.url}/v1/inbox/stream?ticket=${encodeURIComponent(t)}`, { headers });

/** A key as the product derives it. */
const keyFor = (purpose: string, signingKey: Buffer = config().secrets.signingKey) =>
  Buffer.from(hkdfSync('sha256', signingKey, '', `carillon inbox ${purpose}`, 32));
const kidOf = (key: Buffer) => createHash('sha256').update(key).digest('base64url').slice(0, 12);
const now = () => Math.floor(Date.now() / 1000);

const segment = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
interface Change {
  header?: Record<string, unknown>;
  claims?: Record<string, unknown>;
  key?: Buffer;
  hash?: string;
}

/** A token that is right in every point but those given. By hand: a library would refuse to make some of them. */
function forged({ header, claims, key = keyFor('token'), hash = 'sha256' }: Change): string {
  const right = { ws: api.workspaceId, sub: profileId, aud: 'inbox', iat: now(), exp: now() + 600 };
  const text = [
    segment({ alg: 'HS256', kid: kidOf(keyFor('token')), ...header }),
    segment({ ...right, ...claims }),
  ].join('.');
  return `${text}.${createHmac(hash, key).update(text).digest('base64url')}`;
}

describe('a token', () => {
  it('reads when nothing about it is wrong', async () => {
    expect(await listWith(token)).toBe(200);
    expect(await listWith(forged({}))).toBe(200);
  });

  it.each(['none', 'None', 'NONE', ''])('with alg %j is refused, signed or not', async (alg) => {
    const [, payload, signature] = token.split('.');
    const header = segment({ alg, kid: kidOf(keyFor('token')), typ: 'JWT' });
    expect(await listWith(`${header}.${payload}.`)).toBe(401);
    expect(await listWith(`${header}.${payload}.${signature}`)).toBe(401);
  });

  it('is refused with another algorithm, also one whose key an attacker may know', async () => {
    const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const pem = Buffer.from(publicKey.export({ type: 'spki', format: 'pem' }));
    expect(await listWith(forged({ header: { alg: 'RS256' }, key: pem }))).toBe(401);
    expect(await listWith(forged({ header: { alg: 'HS256' }, key: pem }))).toBe(401);
    expect(await listWith(forged({ header: { alg: 'HS512' }, hash: 'sha512' }))).toBe(401);
  });

  it.each([
    ['another audience', { claims: { aud: 'inbox-stream' } }],
    ['no audience', { claims: { aud: undefined } }],
    ['no workspace', { claims: { ws: undefined } }],
    ['a workspace that is a wildcard', { claims: { ws: '*' } }],
    ['no profile', { claims: { sub: undefined } }],
    ['no end', { claims: { exp: undefined } }],
    ['an end in the past', { claims: { exp: now() - 1 } }],
    ['an age of more than an hour', { claims: { iat: now() - 3700 } }],
    ['a start in the future', { claims: { nbf: now() + 60 } }],
    ['a key id that nobody has', { header: { kid: 'AAAAAAAAAAAA' } }],
    ['no key id', { header: { kid: undefined } }],
    ['a key of its own', { header: { jwk: { kty: 'oct', k: 'AAAA' } }, key: Buffer.alloc(32) }],
    ['an unknown critical header', { header: { crit: ['x'], x: 1 } }],
  ] satisfies [string, Change][])('is refused with %s', async (_what, change) => {
    expect(await listWith(forged(change))).toBe(401);
  });

  it('is refused when one character of it differs', async () => {
    const parts = token.split('.');
    for (const [i, part] of parts.entries()) {
      const other = part.startsWith('A') ? `B${part.slice(1)}` : `A${part.slice(1)}`;
      expect(await listWith(parts.with(i, other).join('.'))).toBe(401);
    }
  });

  it('of another workspace reads that one, where the same profile id is nobody', async () => {
    await api.store([
      { deliveryId: newId(), profileId, title: 'secret', body: '', url: null, imageUrl: null, data: {} },
    ]);
    const foreign = await mintInboxToken({ workspaceId: newId(), profileId, ttlSeconds: 60 });
    const answer = await api.call('/v1/inbox/items', { headers: bearer(foreign.token) });
    expect(await answer.json()).toEqual({ items: [], nextCursor: null, unread: 0, unseen: 0 });
  });

  it('opens nothing but an inbox, and an API key opens none', async () => {
    expect((await api.call('/v1/messages', { headers: bearer(token), body: {} })).status).toBe(401);
    expect((await api.call('/v1/inbox/tokens', { headers: bearer(token), body: {} })).status).toBe(401);
    expect(await listWith(api.key)).toBe(401);
    expect(await listWith(await ticket())).toBe(401);
    expect((await streamWith(token)).status).toBe(401);
  });

  it('outlives the key that signed it, for as long as that is kept, and not longer', async () => {
    const before = config();
    const next = randomBytes(32).toString('base64');
    const old = before.secrets.signingKey.toString('base64');
    const rotated = (previous: string) =>
      useConfig(
        loadConfig({
          NODE_ENV: 'test',
          CARILLON_SIGNING_KEY: next,
          CARILLON_SIGNING_KEY_PREVIOUS: previous,
        }),
      );
    try {
      const oldTicket = await ticket();
      rotated(old);
      expect(await listWith(token)).toBe(200);
      expect(await listWith(await api.inboxToken('ada'))).toBe(200);
      const stream = await streamWith(oldTicket);
      expect(stream.status).toBe(200);
      await stream.body?.cancel();
      rotated('');
      expect(await listWith(token)).toBe(401);
    } finally {
      useConfig(before);
    }
  });

  it('takes its stream with it when it ends', async () => {
    const { token: short, expiresAt } = await mintInboxToken({
      workspaceId: api.workspaceId,
      profileId,
      ttlSeconds: 2,
    });
    const stream = await streamWith(await ticket(short));
    expect(stream.status).toBe(200);
    await stream.text();
    const late = Date.now() - expiresAt.getTime();
    expect(late).toBeGreaterThanOrEqual(-50);
    expect(late).toBeLessThan(5000);
    expect(await listWith(short)).toBe(401);
  }, 10_000);
});

describe('a ticket', () => {
  it('opens one stream, however many ask at once', async () => {
    const once = await ticket();
    const answers = await Promise.all(Array.from({ length: 6 }, () => streamWith(once)));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 401, 401, 401, 401, 401]);
    for (const answer of answers) await answer.body?.cancel();
    const again = await streamWith(once);
    expect(again.status).toBe(401);
    expect(await again.json()).toMatchObject({ code: 'unauthenticated' });
  });

  it('is good for a minute, and never longer than the token it was had for', async () => {
    const had = async (t: string) => {
      const answer = await api.call('/v1/inbox/ticket', { method: 'POST', headers: bearer(t) });
      return Date.parse(((await answer.json()) as { expiresAt: string }).expiresAt);
    };
    expect(await had(token)).toBeLessThanOrEqual(Date.now() + 60_000);
    const short = await mintInboxToken({ workspaceId: api.workspaceId, profileId, ttlSeconds: 5 });
    expect(await had(short.token)).toBe(short.expiresAt.getTime());
  });

  it.each([
    ['too old', { exp: now() - 1 }, 'ticket'],
    ['signed for tokens', {}, 'token'],
    ['for another use', { aud: 'inbox' }, 'ticket'],
  ])('is refused when it is %s', async (_what, claims, purpose) => {
    const right = {
      ws: api.workspaceId,
      sub: profileId,
      aud: 'inbox-stream',
      jti: newId(),
      exp: now() + 30,
      until: now() + 60,
    };
    const wrong = await new SignJWT({ ...right, ...claims })
      .setProtectedHeader({ alg: 'HS256' })
      .sign(keyFor(purpose));
    expect((await streamWith(wrong)).status).toBe(401);
  });
});

describe('a page of another origin', () => {
  const from = (origin: string) => ({ origin });
  const preflight = (path: string, origin: string, method = 'GET') =>
    fetch(`${api.url}${path}`, {
      method: 'OPTIONS',
      headers: { origin, 'access-control-request-method': method },
    });

  it.each(['https://evil.example', 'http://shop.example', 'https://shop.example.evil.example', 'null'])(
    'like %s is refused at every door, and uses no ticket up',
    async (origin) => {
      const once = await ticket();
      expect((await streamWith(once, from(origin))).status).toBe(403);
      const headers = { ...bearer(token), origin };
      const answers = [
        await api.call('/v1/inbox/items', { headers }),
        await api.call('/v1/inbox/mark', { headers, body: { as: 'seen' } }),
        await api.call('/v1/inbox/ticket', { headers, method: 'POST' }),
        await preflight('/v1/inbox/items', origin),
        await preflight('/v1/inbox/stream', origin),
      ];
      for (const answer of answers) {
        expect(answer.status).toBe(403);
        expect(answer.headers.get('access-control-allow-origin')).toBeNull();
        expect(answer.headers.get('content-type')).toMatch('application/problem+json');
      }
      const stream = await streamWith(once);
      expect(stream.status).toBe(200);
      await stream.body?.cancel();
    },
  );

  it('that is allowed may ask, read and listen', async () => {
    const asked = await preflight('/v1/inbox/mark?x=1', SHOP, 'POST');
    expect(asked.status).toBe(204);
    expect(Object.fromEntries(asked.headers)).toMatchObject({
      'access-control-allow-origin': SHOP,
      'access-control-allow-methods': 'POST',
      'access-control-allow-headers': 'Authorization, Content-Type, Last-Event-ID',
      vary: 'Origin',
    });
    expect(asked.headers.get('access-control-allow-credentials')).toBeNull();
    const listed = await api.call('/v1/inbox/items', { headers: { ...bearer(token), origin: SHOP } });
    expect([listed.status, listed.headers.get('access-control-allow-origin')]).toEqual([200, SHOP]);
    // A refusal must be readable too, or the page cannot tell an expired token from a broken network.
    const refused = await api.call('/v1/inbox/items', { headers: { ...bearer('x.y.z'), origin: SHOP } });
    expect([refused.status, refused.headers.get('access-control-allow-origin')]).toEqual([401, SHOP]);
    const stream = await streamWith(await ticket(), from(SHOP));
    expect([stream.status, stream.headers.get('access-control-allow-origin')]).toEqual([200, SHOP]);
    await stream.body?.cancel();
  });

  it('that is our own needs no word', async () => {
    expect(
      (await api.call('/v1/inbox/items', { headers: { ...bearer(token), origin: api.url } })).status,
    ).toBe(200);
  });

  it('gets no key to anything that takes API keys', async () => {
    for (const path of ['/v1/inbox/tokens', '/v1/messages', '/v1/deliveries', '/v1/session']) {
      const answer = await preflight(path, SHOP, 'POST');
      expect(answer.ok).toBe(false);
      expect(answer.headers.get('access-control-allow-origin')).toBeNull();
    }
  });
});

describe('the access log', () => {
  it('names the routes and holds no token, ticket or profile', async () => {
    const used = await ticket();
    const stream = await streamWith(used);
    await stream.body?.cancel();
    await listWith(token);
    expect(printed).toMatch(/GET \/v1\/inbox\/stream 200/);
    expect(printed).toMatch(/GET \/v1\/inbox\/items 200/);
    for (const secret of [token, used])
      for (const part of secret.split('.')) expect(printed).not.toContain(part);
    expect(printed).not.toContain('ticket=');
    expect(printed).not.toContain(profileId);
  });
});
