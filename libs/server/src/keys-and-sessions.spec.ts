import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { scopes, type ApiKey, type ApiKeyCreated, type Me, type Scope } from '@carillon/contracts';
import { prefixOf } from './api-keys.js';
import { openDoor, PASSWORD, type Door } from './door.fixture.js';

const everyScope = Object.keys(scopes) as Scope[];
const bearer = (key: string) => ({ authorization: `Bearer ${key}` });
const json = (body: unknown, headers: Record<string, string> = {}, method = 'POST') => ({
  method,
  headers: { 'content-type': 'application/json', ...headers },
  body: JSON.stringify(body),
});

let door: Door;
let workspaceId: string;
beforeAll(async () => {
  door = await openDoor();
  workspaceId = await door.workspace('acme');
}, 60_000);
afterAll(() => door.close(), 30_000);

async function signIn(email: string, headers: Record<string, string> = {}) {
  const answer = await door.call('/v1/session', json({ email, password: PASSWORD }, headers));
  expect(answer.status).toBe(200);
  const setCookie = answer.headers.get('set-cookie') ?? '';
  const me = (await answer.json()) as Me;
  return { cookie: setCookie.split(';')[0] ?? '', setCookie, csrf: me.csrfToken ?? '', me };
}
const meWith = async (headers: Record<string, string>) => (await door.call('/v1/me', { headers })).status;

describe('API keys', () => {
  it('are shown once, and only their SHA-256 is stored', async () => {
    const admin = await door.key(workspaceId, everyScope);
    const made = await door.call(
      '/v1/api-keys',
      json({ name: 'shop', scopes: ['messages:write'] }, bearer(admin.key)),
    );
    expect(made.status).toBe(201);
    const { key, id, prefix } = (await made.json()) as ApiKeyCreated;
    expect(key).toMatch(/^ck_dev_[a-z0-9]{12}_[A-Za-z0-9_-]{43}$/);
    expect(key.startsWith(prefix)).toBe(true);

    const list = (await (await door.call('/v1/api-keys', { headers: bearer(admin.key) })).json()) as {
      items: ApiKey[];
    };
    expect(list.items.map((k) => k.id)).toContain(id);
    const secret = key.slice(prefix.length + 1);
    expect(JSON.stringify(list)).not.toContain(secret);
    const { rows } = await door.owner.query(
      'SELECT to_jsonb(k)::text AS row, encode(hash, $1) AS hash FROM api_keys k',
      ['hex'],
    );
    expect(rows.some((row: { row: string }) => row.row.includes(secret))).toBe(false);
    expect(rows.every((row: { hash: string }) => row.hash.length === 64)).toBe(true);
    expect(await meWith(bearer(key))).toBe(200);
  });

  it.each(['', '_', '__', '-_'])('are known by their prefix when the secret begins with %j', (begin) => {
    const prefix = 'ck_dev_abcdefghijkl';
    expect(prefixOf(`${prefix}_${begin.padEnd(43, 'x')}`)).toBe(prefix);
    expect(prefixOf(`${prefix}_${begin}`)).toBeUndefined();
  });

  it('say who is calling', async () => {
    const { key } = await door.key(workspaceId, ['profiles:read']);
    const me = (await (await door.call('/v1/me', { headers: bearer(key) })).json()) as Me;
    expect(me).toEqual({
      user: null,
      workspace: { id: workspaceId, name: 'acme', slug: 'acme' },
      scopes: ['profiles:read'],
      csrfToken: null,
    });
  });

  it('end at once where they are revoked, and within 5 s elsewhere', async () => {
    const admin = await door.key(workspaceId, everyScope);
    const { id, key } = await door.key(workspaceId, ['profiles:read']);
    expect(await meWith(bearer(key))).toBe(200);
    // As another process would do it: this one still remembers the key, for less than 5 seconds.
    await door.owner.query('UPDATE api_keys SET revoked_at = now() WHERE id = $1', [id]);
    const revokedAt = Date.now();
    while ((await meWith(bearer(key))) === 200) expect(Date.now() - revokedAt).toBeLessThan(5_000);
    expect(await meWith(bearer(key))).toBe(401);

    const other = await door.key(workspaceId, ['profiles:read']);
    expect(await meWith(bearer(other.key))).toBe(200);
    expect(
      (await door.call(`/v1/api-keys/${other.id}`, { method: 'DELETE', headers: bearer(admin.key) })).status,
    ).toBe(204);
    expect(await meWith(bearer(other.key))).toBe(401);
  }, 15_000);

  it('end when they expire, even while they are remembered', async () => {
    const { key } = await door.key(workspaceId, [], new Date(Date.now() + 700));
    expect(await meWith(bearer(key))).toBe(200);
    const until = Date.now() + 2_000;
    while ((await meWith(bearer(key))) === 200) expect(Date.now()).toBeLessThan(until);
    expect(await meWith(bearer(key))).toBe(401);
  });

  it('are rotated with an overlap of two live keys', async () => {
    const admin = await door.key(workspaceId, everyScope);
    const old = await door.key(workspaceId, ['templates:read']);
    const rotate = (id: string, body: unknown = {}) =>
      door.call(`/v1/api-keys/${id}/rotate`, json(body, bearer(admin.key)));
    const first = await rotate(old.id, { overlapSeconds: 3600 });
    expect(first.status).toBe(201);
    const next = (await first.json()) as ApiKeyCreated;
    expect(next.scopes).toEqual(['templates:read']);
    expect(await meWith(bearer(old.key))).toBe(200);
    expect(await meWith(bearer(next.key))).toBe(200);
    expect((await rotate(old.id)).status).toBe(409);

    const last = (await (await rotate(next.id, { overlapSeconds: 0 })).json()) as ApiKeyCreated;
    expect(await meWith(bearer(next.key))).toBe(401);
    expect(await meWith(bearer(last.key))).toBe(200);
    expect((await rotate(next.id)).status).toBe(409);
  });

  it('cannot give what they do not have', async () => {
    const { key } = await door.key(workspaceId, ['keys:write']);
    const strong = await door.key(workspaceId, ['accounts:write']);
    for (const [path, body] of [
      ['/v1/api-keys', { name: 'x', scopes: ['keys:write', 'accounts:write'] }],
      [`/v1/api-keys/${strong.id}/rotate`, {}],
    ] as const) {
      const answer = await door.call(path, json(body, bearer(key)));
      expect(answer.status).toBe(403);
      expect(await answer.json()).toMatchObject({ detail: expect.stringContaining('accounts:write') });
    }
  });

  it('of another workspace do not exist', async () => {
    const elsewhere = await door.workspace('elsewhere');
    const stranger = await door.key(elsewhere, everyScope);
    const { id, key } = await door.key(workspaceId, []);
    expect(
      (await door.call(`/v1/api-keys/${id}`, { method: 'DELETE', headers: bearer(stranger.key) })).status,
    ).toBe(404);
    expect((await door.call(`/v1/api-keys/${id}/rotate`, json({}, bearer(stranger.key)))).status).toBe(404);
    const { items } = (await (await door.call('/v1/api-keys', { headers: bearer(stranger.key) })).json()) as {
      items: ApiKey[];
    };
    expect(items.map((k) => k.id)).toEqual([stranger.id]);
    expect(await meWith(bearer(key))).toBe(200);
  });

  it('note when they were last used, at most once a minute', async () => {
    const { id, key } = await door.key(workspaceId, []);
    const lastUsed = async () =>
      (
        await door.owner.query<{ at: Date | null }>('SELECT last_used_at AS at FROM api_keys WHERE id = $1', [
          id,
        ])
      ).rows[0]?.at;
    expect(await lastUsed()).toBeNull();
    await meWith(bearer(key));
    const first = await lastUsed();
    expect(first).toBeInstanceOf(Date);
    await meWith(bearer(key));
    expect(await lastUsed()).toEqual(first);
  });
});

describe('sessions', () => {
  it('begin with a cookie that no other site, script or host can touch', async () => {
    await door.user(workspaceId, 'ana@acme.example', 'owner');
    const { setCookie, me, csrf } = await signIn(' ANA@acme.example');
    expect(setCookie).toMatch(/^__Host-carillon=[A-Za-z0-9_-]{43}; /);
    for (const flag of ['Secure', 'HttpOnly', 'SameSite=Lax', 'Path=/'])
      expect(setCookie.split('; ')).toContain(flag);
    expect(setCookie).not.toMatch(/domain/i);
    expect(me).toMatchObject({
      user: { email: 'ana@acme.example', role: 'owner' },
      workspace: { id: workspaceId },
    });
    expect(csrf.length).toBeGreaterThan(40);
    const { rows } = await door.owner.query('SELECT to_jsonb(s)::text AS row FROM sessions s');
    const secret = setCookie.slice('__Host-carillon='.length).split(';')[0] ?? '';
    expect(rows.some((row: { row: string }) => row.row.includes(secret))).toBe(false);
  });

  it('say the same of a wrong password, an unknown person and a disabled one', async () => {
    const id = await door.user(workspaceId, 'gone@acme.example', 'viewer');
    await door.owner.query('UPDATE users SET disabled_at = now() WHERE id = $1', [id]);
    const answers = await Promise.all(
      [
        { email: 'ana@acme.example', password: 'wrong' },
        { email: 'nobody@acme.example', password: 'wrong' },
        { email: 'gone@acme.example', password: PASSWORD },
      ].map(async (body) => {
        const answer = await door.call('/v1/session', json(body));
        return { status: answer.status, detail: ((await answer.json()) as { detail: string }).detail };
      }),
    );
    expect(answers).toEqual(Array(3).fill({ status: 401, detail: 'Email or password is wrong.' }));
  });

  it('change their id with every sign-in: an old one the browser brings along ends', async () => {
    await door.user(workspaceId, 'bo@acme.example', 'editor');
    const first = await signIn('bo@acme.example');
    const second = await signIn('bo@acme.example', { cookie: first.cookie });
    expect(second.cookie).not.toBe(first.cookie);
    expect(await meWith({ cookie: first.cookie })).toBe(401);
    expect(await meWith({ cookie: second.cookie })).toBe(200);
  });

  it('do not accept an id that we did not make', async () => {
    expect(await meWith({ cookie: `__Host-carillon=${'A'.repeat(43)}` })).toBe(401);
    expect(await meWith({ cookie: `__Host-carillon=x' OR 1=1` })).toBe(401);
  });

  it('end with signing out', async () => {
    await door.user(workspaceId, 'cy@acme.example', 'viewer');
    const { cookie, csrf } = await signIn('cy@acme.example');
    const out = await door.call('/v1/session', {
      method: 'DELETE',
      headers: { cookie, 'x-csrf-token': csrf },
    });
    expect(out.status).toBe(204);
    expect(out.headers.get('set-cookie')).toMatch(/^__Host-carillon=; .*Max-Age=0/);
    expect(await meWith({ cookie })).toBe(401);
  });

  it('all others end when the password changes, and the old password with them', async () => {
    await door.user(workspaceId, 'di@acme.example', 'owner');
    const here = await signIn('di@acme.example');
    const there = await signIn('di@acme.example');
    const change = (body: unknown) =>
      door.call('/v1/session/password', json(body, { cookie: here.cookie, 'x-csrf-token': here.csrf }));
    expect((await change({ current: 'wrong', next: 'a much better password' })).status).toBe(401);
    expect((await change({ current: PASSWORD, next: 'short' })).status).toBe(422);
    expect((await change({ current: PASSWORD, next: 'a much better password' })).status).toBe(204);
    expect(await meWith({ cookie: here.cookie })).toBe(200);
    expect(await meWith({ cookie: there.cookie })).toBe(401);
    const old = await door.call('/v1/session', json({ email: 'di@acme.example', password: PASSWORD }));
    expect(old.status).toBe(401);
    const { rows } = await door.owner.query<{ hash: string }>(
      `SELECT password_hash AS hash FROM users WHERE email = 'di@acme.example'`,
    );
    expect(rows[0]?.hash).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
  });

  it('brake somebody who guesses, without locking out the others', async () => {
    await door.user(workspaceId, 'ed@acme.example', 'viewer');
    await door.user(workspaceId, 'flo@acme.example', 'viewer');
    const tries: number[] = [];
    for (let i = 0; i < 7; i++)
      tries.push(
        (await door.call('/v1/session', json({ email: 'ed@acme.example', password: `guess ${i}` }))).status,
      );
    expect(tries).toEqual([401, 401, 401, 401, 401, 429, 429]);
    const right = await door.call('/v1/session', json({ email: 'ed@acme.example', password: PASSWORD }));
    expect(right.status).toBe(429);
    expect(Number(right.headers.get('retry-after'))).toBeGreaterThan(60);
    await signIn('flo@acme.example');
  });
});

describe('the frame that shows mail', () => {
  const show = (headers: Record<string, string>) =>
    door.call('/mail-frame', {
      method: 'POST',
      headers,
      body: new URLSearchParams({ html: '<h1 style="color:red">Hi</h1>' }),
    });

  it('gives HTML back without scripts, origin or remote pictures', async () => {
    await door.user(workspaceId, 'hal@acme.example', 'viewer');
    const { cookie } = await signIn('hal@acme.example');
    const answer = await show({ cookie, origin: door.url });
    expect([answer.status, await answer.text()]).toEqual([200, '<h1 style="color:red">Hi</h1>']);
    const policy = answer.headers.get('content-security-policy') ?? '';
    expect(policy).toMatch(/^sandbox allow-popups; default-src 'none'/);
    expect(policy).toContain('img-src data:;');
    expect(policy).not.toContain('script-src');
  });
  it('is for people who are signed in, from our own pages', async () => {
    const { cookie } = await signIn('hal@acme.example');
    expect((await show({})).status).toBe(401);
    expect((await show({ cookie, origin: 'https://evil.example' })).status).toBe(403);
    expect((await show({ cookie, 'sec-fetch-site': 'cross-site' })).status).toBe(403);
  });
});

describe('requests forged by another site', () => {
  it('are refused: no token, another token, another origin, or the browser says so', async () => {
    await door.user(workspaceId, 'gil@acme.example', 'owner');
    const { cookie, csrf } = await signIn('gil@acme.example');
    const create = (headers: Record<string, string>) =>
      door.call('/v1/api-keys', json({ name: 'x', scopes: ['keys:read'] }, { cookie, ...headers }));
    const forged: Record<string, string>[] = [
      {},
      { 'x-csrf-token': 'A'.repeat(csrf.length) },
      { 'x-csrf-token': csrf, origin: 'https://evil.example' },
      { 'x-csrf-token': csrf, origin: 'null' },
      { 'x-csrf-token': csrf, 'sec-fetch-site': 'cross-site' },
      { 'x-csrf-token': csrf, 'sec-fetch-site': 'same-site' },
    ];
    for (const headers of forged) {
      const answer = await create(headers);
      expect({ headers, status: answer.status }).toEqual({ headers, status: 403 });
      expect(await answer.json()).toMatchObject({ code: 'csrf' });
    }
    expect(
      (await create({ 'x-csrf-token': csrf, origin: door.url, 'sec-fetch-site': 'same-origin' })).status,
    ).toBe(201);
    expect((await create({ 'x-csrf-token': csrf })).status).toBe(201);
  });

  it('cannot sign a browser in as somebody else', async () => {
    const answer = await door.call(
      '/v1/session',
      json({ email: 'gil@acme.example', password: PASSWORD }, { origin: 'https://evil.example' }),
    );
    expect(answer.status).toBe(403);
    expect(answer.headers.get('set-cookie')).toBeNull();
  });

  it('do not work as a plain form either', async () => {
    const { cookie, csrf } = await signIn('gil@acme.example');
    const answer = await door.call('/v1/api-keys', {
      method: 'POST',
      headers: { cookie, 'x-csrf-token': csrf, 'content-type': 'text/plain' },
      body: '{"name":"x","scopes":["keys:read"]}',
    });
    expect(answer.status).toBe(415);
  });
});
