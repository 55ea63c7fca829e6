/** Runs what the compose file runs, by hand: every service's command with its environment, on a PostgreSQL and a Redis of the test's own. */
import { Carillon } from '@carillon/sdk';
import { eventually, freePort } from '@carillon/testing';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { compose, root, serviceEnvironment } from './compose.js';

interface Cluster {
  port: number;
  stop(): Promise<void>;
}
let folder: string;
let secrets: string;
let cluster: Cluster;
let seeded: string;
const running: ChildProcess[] = [];
/** What the services said, for whoever reads a failure. */
const printed: string[] = [];
const ports = { postgres: 0, valkey: 0, api: 0, sandbox: 0, smtp: 0 };

beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'carillon-compose-'));
  secrets = path.join(folder, 'secrets');
  for (const name of Object.keys(ports) as (keyof typeof ports)[]) ports[name] = await freePort();
  await once('init', {
    POSTGRES_ADDRESS: `127.0.0.1:${ports.postgres}`,
    VALKEY_ADDRESS: `127.0.0.1:${ports.valkey}`,
  });
  const { startPostgres } = (await import(`${root}tools/postgres.mjs`)) as {
    startPostgres(options: object): Promise<Cluster>;
  };
  cluster = await startPostgres({
    folder: path.join(folder, 'data'),
    password: secret('postgres-owner-password'),
    exactPort: ports.postgres,
    durable: true,
  });
  const valkey = spawn(
    process.env['TEST_REDIS_SERVER'] ?? 'redis-server',
    [
      path.join(secrets, 'valkey.conf'),
      '--port',
      String(ports.valkey),
      '--bind',
      '127.0.0.1',
      '--dir',
      folder,
    ],
    { stdio: 'ignore' },
  );
  running.push(valkey);
  await once('migrate');
  seeded = await once('seed');
  for (const name of [
    'sandbox',
    'api',
    'audience',
    'scheduling',
    'dispatcher-email',
    'dispatcher-sms',
    'dispatcher-push',
    'dispatcher-in-app',
  ]) {
    const child = start(name);
    for (const stream of [child.stdout, child.stderr])
      stream?.on('data', (chunk: Buffer) => printed.push(`${name}: ${chunk.toString()}`));
    running.push(child);
  }
}, 120_000);

afterAll(async () => {
  const codes = await Promise.all(running.reverse().map(ended));
  await cluster?.stop();
  rmSync(folder, { recursive: true, force: true });
  // Every service ends in order when it is asked to.
  expect(codes.slice(0, -1)).toEqual(codes.slice(0, -1).map(() => 0));
}, 60_000);

const secret = (name: string): string => readFileSync(path.join(secrets, name), 'utf8');
const ended = (child: ChildProcess): Promise<number | null> =>
  child.exitCode !== null
    ? Promise.resolve(child.exitCode)
    : new Promise((resolve) => (child.once('close', resolve), child.kill('SIGTERM')));

/** The container's environment, with the names of other containers and its mounts as they are here. */
function environment(name: string, more: Record<string, string> = {}): NodeJS.ProcessEnv {
  const service = compose.services[name];
  if (!service) throw new Error(`the compose file has no ${name}`);
  const here = Object.entries(serviceEnvironment(service)).map(([variable, value]) => [
    variable,
    value
      .replace('http://api:3000', `http://127.0.0.1:${ports.api}`)
      .replace('http://localhost:3000', `http://127.0.0.1:${ports.api}`)
      .replace('http://sandbox:3100', `http://127.0.0.1:${ports.sandbox}`)
      .replace(/^\/secrets/, secrets)
      .replace(/^\/(tmp|state)$/, folder)
      .replace(/^0\.0\.0\.0$/, '127.0.0.1'),
  ]);
  const healthPort = here.find(([variable]) => /_PORT$/.test(variable ?? ''))?.[0];
  return {
    PATH: process.env['PATH'],
    ...Object.fromEntries(here),
    // In containers every service may use the same port.
    ...(healthPort ? { [healthPort]: '0' } : {}),
    API_PORT: String(ports.api),
    SANDBOX_PORT: String(ports.sandbox),
    SANDBOX_SMTP_PORT: String(ports.smtp),
    ...more,
  };
}
const start = (name: string, more?: Record<string, string>): ChildProcess =>
  spawn(process.execPath, [`${root}tools/role.mjs`, ...(compose.services[name]?.command ?? [])], {
    cwd: folder,
    env: environment(name, more),
    stdio: ['ignore', 'pipe', 'pipe'],
  });

/** Runs a one-shot service to its end. @returns what it printed */
async function once(name: string, more?: Record<string, string>): Promise<string> {
  const child = start(name, more);
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const code = await new Promise((resolve) => child.once('close', resolve));
  if (code !== 0) throw new Error(`${name} ended with ${String(code)}:\n${output}`);
  return output;
}

describe('the commands of docker-compose.yml', () => {
  it('make secrets once, and find the same ones again', async () => {
    const before = secret('master-key');
    expect(Buffer.from(before, 'base64')).toHaveLength(32);
    await once('init');
    expect(secret('master-key')).toBe(before);
    expect(statSync(path.join(secrets, 'master-key')).mode & 0o222).toBe(0);
  });

  it('let nobody into the queues without their password', async () => {
    const said = await new Promise<string>((resolve, reject) => {
      const socket = connect(ports.valkey, '127.0.0.1', () => socket.write('PING\r\n'));
      socket.once('data', (chunk: Buffer) => (socket.destroy(), resolve(chunk.toString())));
      socket.once('error', reject);
    });
    expect(said).toMatch(/^-NOAUTH /);
  });

  it('deliver a message through one process per service, with the queues in Redis', async () => {
    const apiKey = /ck_dev_\S+/.exec(seeded)?.[0] ?? '';
    expect(apiKey).not.toBe('');
    const carillon = new Carillon({ apiKey, baseUrl: `http://127.0.0.1:${ports.api}` });
    await eventually(() => carillon.me(), 90_000).catch((error: unknown) => {
      throw new Error(`the API did not answer: ${String(error)}\n${printed.join('')}`);
    });
    const message = await carillon.messages.send({
      to: { profile: 'ada' },
      channels: ['email', 'sms', 'push', 'in-app'],
      template: 'welcome',
    });
    await eventually(async () => {
      const { deliveries } = await carillon.messages.get(message.id);
      const seen = Object.fromEntries(deliveries.map((d) => [d.channel, d.status]));
      expect(seen).toEqual({ email: 'sent', sms: 'delivered', push: 'sent', 'in-app': 'delivered' });
      return true;
    }, 60_000);
  }, 180_000);
});
