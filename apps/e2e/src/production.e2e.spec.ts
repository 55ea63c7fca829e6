/**
 * Starting in production (S29): every role refuses an environment that is not fit for it, in a sentence and without
 * repeating a secret; a sound one starts, tells browsers to stay with https, and logs a line of JSON per entry.
 */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually, freePort } from '@carillon/testing';
import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { roles, root } from './compose.js';
import { startStack, type Stack } from './stack.js';

const key = () => randomBytes(32).toString('base64');
const services = roles.filter((role) => !['init', 'migrate', 'seed', 'sandbox'].includes(role));

let stack: Stack;
let sound: Record<string, string>;
beforeAll(async () => {
  stack = await startStack();
  const { appPassword } = JSON.parse(readFileSync(path.join(stack.dataDir, 'secrets.json'), 'utf8')) as {
    appPassword: string;
  };
  const database = new URL(stack.databaseUrl);
  sound = {
    NODE_ENV: 'production',
    DATABASE_URL: `postgresql://carillon_app:${appPassword}@127.0.0.1:${database.port}/carillon`,
    PUBLIC_URL: 'https://carillon.example.com',
    CARILLON_MASTER_KEY: key(),
    CARILLON_SIGNING_KEY: key(),
    CARILLON_DATA_DIR: stack.dataDir,
  };
}, 120_000);
afterAll(async () => {
  expect(await stack?.stop()).toBe(0);
}, 60_000);

function start(role: string, env: Record<string, string | undefined>) {
  const child: ChildProcess = spawn(process.execPath, [`${root}tools/role.mjs`, role], {
    env: { PATH: process.env['PATH'], ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  return { child, ended, output: () => output };
}

describe('a start in production', () => {
  const unfit: [string, Record<string, string | undefined>, RegExp][] = [
    [
      'no keys',
      { CARILLON_MASTER_KEY: undefined, CARILLON_SIGNING_KEY: undefined },
      /CARILLON_MASTER_KEY is not set/,
    ],
    ['a short key', { CARILLON_MASTER_KEY: 'c2hvcnQgc2VjcmV0' }, /CARILLON_MASTER_KEY: 32 random bytes/],
    ['a key of one letter', { CARILLON_SIGNING_KEY: Buffer.alloc(32, 'x').toString('base64') }, /not random/],
    ['a default password', { DATABASE_URL: 'postgresql://carillon:carillon@db/carillon' }, /default/],
    ['debugging', { DEBUG: '*' }, /DEBUG is set/],
    ['certificates unchecked', { NODE_TLS_REJECT_UNAUTHORIZED: '0' }, /NODE_TLS_REJECT_UNAUTHORIZED/],
  ];

  it.each(services)('of %s is refused without keys', async (role) => {
    const { ended, output } = start(role, {
      ...sound,
      CARILLON_MASTER_KEY: undefined,
      CARILLON_SIGNING_KEY: undefined,
    });
    expect(await ended).toBe(1);
    expect(output()).toMatch(/CARILLON_MASTER_KEY is not set.*\n.*CARILLON_SIGNING_KEY is not set/);
    expect(output()).not.toMatch(/\bat .+:\d+:\d+/);
  });

  it.each(unfit)(
    'with %s is refused in a sentence that repeats no secret',
    async (_what, change, sentence) => {
      const { ended, output } = start('api', { ...sound, ...change });
      expect(await ended).toBe(1);
      expect(output()).toMatch(sentence);
      for (const [name, value] of Object.entries({ ...sound, ...change }))
        if (value !== undefined && /KEY|DATABASE/.test(name)) expect(output()).not.toContain(value);
    },
  );

  it.each(services)('of %s is refused on a database that answers before it has written', async (role) => {
    const careless = new URL(sound['DATABASE_URL'] ?? '');
    careless.searchParams.set('options', '-c synchronous_commit=off');
    const { ended, output } = start(role, {
      ...sound,
      DATABASE_URL: careless.href,
      API_PORT: String(await freePort()),
    });
    expect(await ended).toBe(1);
    expect(output()).toMatch(/may lose what was accepted.*\n.*synchronous_commit is off/);
    expect(output()).not.toContain(careless.password);
  });

  it('that is sound runs, asks browsers to stay with https, and logs JSON', async () => {
    const port = await freePort();
    const api = start('api', { ...sound, API_PORT: String(port), METRICS_TOKEN: key() });
    try {
      const url = `http://127.0.0.1:${port}`;
      const answer = await eventually(async () => {
        if (api.child.exitCode !== null) throw new Error(api.output());
        return fetch(`${url}/v1/me`);
      }, 30_000);
      expect(answer.status).toBe(401);
      expect(answer.headers.get('strict-transport-security')).toMatch(/^max-age=31536000/);
      // Development's own key opens development's data, and so this door too; a stranger's does not.
      const me = await fetch(`${url}/v1/me`, { headers: { authorization: `Bearer ${stack.apiKey}` } });
      expect(me.status).toBe(200);
    } finally {
      api.child.kill('SIGTERM');
    }
    expect(await api.ended).toBe(0);
    const lines = api.output().trim().split('\n');
    expect(lines.length).toBeGreaterThan(1);
    for (const line of lines) expect(JSON.parse(line)).toMatchObject({ service: 'api' });
    expect(api.output()).not.toContain(stack.apiKey.slice(-43));
  }, 60_000);
});
