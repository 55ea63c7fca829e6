/** Starts the real thing by the README's command, in a data folder of its own, and stops it. For e2e specs. */
import { eventually, freePort } from '@carillon/testing';
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const PORTS = [
  'API_PORT',
  'SANDBOX_PORT',
  'SANDBOX_SMTP_PORT',
  'AUDIENCE_PORT',
  'SCHEDULING_PORT',
  'DISPATCHER_EMAIL_PORT',
  'DISPATCHER_SMS_PORT',
  'DISPATCHER_PUSH_PORT',
  'DISPATCHER_IN_APP_PORT',
];
const START_WITHIN_MS = 90_000;

export interface Stack {
  url: string;
  sandboxUrl: string;
  /** `smtp://host:port` of the sandbox. */
  smtpUrl: string;
  apiKey: string;
  signIn: { email: string; password: string };
  /** The process of the command itself. */
  pid: number;
  dataDir: string;
  /** The embedded database as its owner sees it: row-level security does not bind this one. */
  databaseUrl: string;
  /** Everything it printed. */
  output(): string;
  /** Ctrl-C. Resolves with the exit code. */
  stop(): Promise<number | null>;
  /** kill -9 of the command; what it leaves behind stays. */
  kill(): Promise<void>;
}
export interface StackOptions {
  env?: Record<string, string>;
  /** Kept from an earlier stack, to start again where it was. */
  dataDir?: string;
  /** `start` or `start:services`. */
  command?: 'start' | 'services';
}

export async function startStack({
  env = {},
  dataDir,
  command = 'start',
}: StackOptions = {}): Promise<Stack> {
  const folder = dataDir ?? mkdtempSync(path.join(tmpdir(), 'carillon-e2e-'));
  const ports: Record<string, string> = {};
  for (const name of PORTS) ports[name] = String(await freePort());
  let output = '';
  const child = spawn(process.execPath, [path.join(root, `tools/${command}.mjs`)], {
    cwd: root,
    // A run under jest has options and a mode of its own, which the product must not see.
    env: {
      ...process.env,
      NODE_OPTIONS: '',
      NODE_ENV: 'development',
      JEST_WORKER_ID: undefined,
      CARILLON_DATA_DIR: folder,
      ...ports,
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  let over = false;
  void ended.then(() => (over = true));
  interface Running {
    pid: number;
    urls: { dashboard: string; sandbox: string; smtp: string };
    apiKey: string;
  }
  const running = await eventually(() => {
    if (over) throw new Error(`the command ended:\n${output}`);
    const facts = readJson(path.join(folder, 'running.json')) as Running | null;
    return facts !== null && facts.pid === child.pid && 'urls' in facts ? facts : undefined;
  }, START_WITHIN_MS).catch((error: unknown) => {
    child.kill('SIGKILL');
    throw new Error(`it did not start: ${String(error)}\n${output}`);
  });
  const development = readJson(path.join(folder, 'development.json')) as { email: string; password: string };
  const secrets = readJson(path.join(folder, 'secrets.json')) as Record<'ownerPassword', string>;
  const port = readFileSync(path.join(folder, 'postgres.port'), 'utf8').trim();
  return {
    url: running.urls.dashboard,
    sandboxUrl: running.urls.sandbox,
    smtpUrl: running.urls.smtp,
    apiKey: running.apiKey,
    signIn: development,
    pid: running.pid,
    dataDir: folder,
    databaseUrl: `postgresql://carillon:${secrets.ownerPassword}@127.0.0.1:${port}/carillon`,
    output: () => output,
    stop: async () => {
      child.kill('SIGINT');
      const code = await ended;
      rmSync(folder, { recursive: true, force: true });
      return code;
    },
    kill: () => killed(child, ended),
  };
}

async function killed(child: ChildProcess, ended: Promise<unknown>): Promise<void> {
  child.kill('SIGKILL');
  await ended;
}

function readJson(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return null;
  }
}
