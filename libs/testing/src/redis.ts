/** A real Redis of its own for a spec, on a free port. Needs redis-server; `npm test` names it when it is missing. */
import { Redis } from 'ioredis';
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { freePort } from './free-port.js';

export interface RunningRedis {
  port: number;
  url: string;
  client: Redis;
  stop(): Promise<void>;
}

/** @param at the port to listen on, where a specific one is wanted */
export async function startRedis(at?: number): Promise<RunningRedis> {
  const port = at ?? (await freePort());
  const folder = await mkdtemp(path.join(tmpdir(), 'carillon-redis-'));
  const program = process.env.TEST_REDIS_SERVER ?? 'redis-server';
  const server = spawn(
    program,
    ['--port', `${port}`, '--bind', '127.0.0.1', '--dir', folder, '--save', '', '--loglevel', 'warning'],
    { stdio: 'ignore' },
  );
  const ended = new Promise<void>((resolve) => server.once('exit', () => resolve()));
  const url = `redis://127.0.0.1:${port}`;
  const client = new Redis(url, { maxRetriesPerRequest: null, retryStrategy: () => 20 });
  client.on('error', () => {}); // Until the server listens.
  await client.ping();
  return {
    port,
    url,
    client,
    stop: async () => {
      client.disconnect();
      server.kill();
      await ended;
      await rm(folder, { recursive: true });
    },
  };
}
