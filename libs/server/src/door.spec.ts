import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { operations, roleScopes, roles, scopes, type Operation, type Scope } from '@carillon/contracts';
import { openDoor, PASSWORD, type Door } from './door.fixture.js';

const everyScope = Object.keys(scopes) as Scope[];
const table: [string, Operation][] = Object.entries(operations);
const anId = '0193a1b2-7c4d-7e5f-8a9b-0c1d2e3f4a5b';
/** An address that fits the operation's path. */
const addressOf = ({ path }: Operation): string =>
  path
    .replace(':id', anId)
    .replace(':version', '1')
    .replace(/:[a-zA-Z]+/g, 'some-name');
const bearer = (key: string) => ({ authorization: `Bearer ${key}` });

let door: Door;
let workspaceId: string;
beforeAll(async () => {
  door = await openDoor();
  workspaceId = await door.workspace('acme');
}, 60_000);
afterAll(() => door.close(), 30_000);

const ask = (operation: Operation, headers: Record<string, string>, body = '{}') =>
  door.call(addressOf(operation), {
    method: operation.method,
    headers: { ...headers, ...(operation.body ? { 'content-type': 'application/json' } : {}) },
    ...(operation.body ? { body } : {}),
  });

describe('credentials, for every operation of the contract', () => {
  const guarded = table.filter(([, operation]) => operation.auth !== 'none');
  const scoped = guarded.flatMap(([name, operation]) =>
    typeof operation.auth === 'object' ? [{ name, operation, scope: operation.auth.scope }] : [],
  );

  it.each(guarded)('%s is 401 without any', async (_name, operation) => {
    const answer = await ask(operation, {});
    expect(answer.status).toBe(401);
    expect(answer.headers.get('content-type')).toMatch(/^application\/problem\+json/);
    expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer/);
    expect(await answer.json()).toMatchObject({
      code: 'unauthenticated',
      status: 401,
      requestId: expect.any(String),
    });
  });

  it('each is 401 with a key that does not exist, one that is cut short, and another scheme', async () => {
    const { key } = await door.key(workspaceId, everyScope);
    const wrong = [
      `Bearer ${key.slice(0, -4)}AAAA`,
      `Bearer ${key.slice(0, -1)}`,
      `Basic ${key}`,
      'Bearer ',
      `Bearer ck_dev_x`,
    ];
    for (const [, operation] of guarded)
      for (const authorization of wrong) expect((await ask(operation, { authorization })).status).toBe(401);
  });

  it('each is 403 with a key that has every scope but its own', async () => {
    for (const scope of new Set(scoped.map((s) => s.scope))) {
      const { key } = await door.key(
        workspaceId,
        everyScope.filter((s) => s !== scope),
      );
      for (const { operation } of scoped.filter((s) => s.scope === scope)) {
        const answer = await ask(operation, bearer(key));
        expect({ operation: operation.path, status: answer.status }).toEqual({
          operation: operation.path,
          status: 403,
        });
        expect(await answer.json()).toMatchObject({
          code: 'forbidden',
          detail: expect.stringContaining(scope),
        });
      }
    }
  });

  it('none is 401 or 403 with a key that has its scope alone', async () => {
    for (const { operation, scope } of scoped) {
      const { key } = await door.key(workspaceId, [scope]);
      expect([401, 403]).not.toContain((await ask(operation, bearer(key))).status);
    }
  });

  it('a person may what their role may, and nothing else', async () => {
    for (const role of roles) {
      const email = `${role}@matrix.example`;
      await door.user(workspaceId, email, role);
      const { cookie, csrfToken } = await signIn(email);
      for (const { operation, scope } of scoped) {
        const { status } = await ask(operation, { cookie, 'x-csrf-token': csrfToken });
        if (roleScopes[role].includes(scope)) expect([401, 403]).not.toContain(status);
        else
          expect({ role, path: operation.path, status }).toEqual({ role, path: operation.path, status: 403 });
      }
    }
  });

  it('what needs a person refuses a key', async () => {
    const { key } = await door.key(workspaceId, everyScope);
    const forPeople = table.filter(([, operation]) => operation.auth === 'session');
    expect(forPeople.length).toBeGreaterThan(0);
    for (const [, operation] of forPeople) expect((await ask(operation, bearer(key))).status).toBe(403);
  });
});

async function signIn(email: string, headers: Record<string, string> = {}) {
  const answer = await door.call('/v1/session', {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ email, password: PASSWORD }),
  });
  expect(answer.status).toBe(200);
  const setCookie = answer.headers.get('set-cookie') ?? '';
  const me = (await answer.json()) as { csrfToken: string };
  return { cookie: setCookie.split(';')[0] ?? '', setCookie, csrfToken: me.csrfToken, me };
}
