/**
 * The environment as one frozen tree. Read once, judged whole: a process with a bad value does not start, and says
 * everything that is wrong in one go. With tools/ and prisma.config.ts the only reader of process.env.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { z } from 'zod';
import type { ArmedFailpoint, Bug } from './fault-names.js';
import { Variables, variables, type VariableName } from './variables.js';

type Env = Readonly<Record<string, string | undefined>>;
type Values = z.infer<typeof Variables>;

/** What is wrong with the environment, one sentence per variable. Printed without a stack. */
export class ConfigError extends Error {
  override name = 'ConfigError';
  constructor(readonly sentences: readonly string[]) {
    super(`The configuration is not usable:\n${sentences.map((s) => `  - ${s}`).join('\n')}`);
  }
}

const workerServices = [
  'audience',
  'scheduling',
  'dispatcher-email',
  'dispatcher-sms',
  'dispatcher-push',
  'dispatcher-in-app',
] as const;
export type WorkerService = (typeof workerServices)[number];

/** The configuration as code reads it. Durations and sizes carry their unit in the name. */
export interface Config {
  mode: 'development' | 'production' | 'test';
  log: { level: Values['LOG_LEVEL'] };
  dataDir: string;
  database: { url: string; ownerUrl: string | undefined; poolSize: number; mayLose: boolean };
  /** No url: the queues live in the database. */
  queue: { url: string | undefined };
  api: {
    host: string;
    port: number;
    publicUrl: string;
    /** Where providers reach us: the base of every webhook address, and of what their signatures cover. */
    webhookUrl: string;
    trustProxy: readonly string[];
    metricsToken: string | undefined;
  };
  /** Raw bytes, 32 each. The first of a list is the current key. */
  secrets: {
    masterKey: Buffer;
    previousMasterKeys: readonly Buffer[];
    signingKey: Buffer;
    previousSigningKeys: readonly Buffer[];
  };
  inbox: { allowedOrigins: readonly string[] };
  out: { allowPrivateNetworks: boolean };
  limits: {
    ratePerSecond: number;
    rateBurst: number;
    backlogPerWorkspace: number;
    backlog: number;
    bodyBytes: number;
    sessionHours: number;
    retentionDays: number;
    importBytes: number;
    eventRetentionDays: number;
    shutdownGraceSeconds: number;
  };
  health: { host: string; ports: Readonly<Record<WorkerService, number>> };
  sandbox: { host: string; port: number; smtpPort: number; url: string };
  /** Of `npm run chaos`; empty otherwise. */
  faults: { armed: readonly ArmedFailpoint[]; bugs: readonly Bug[] };
}

/** Keys for specs. Refused outside `NODE_ENV=test`. */
const testKey = (name: string) => createHash('sha256').update(`carillon test ${name}`).digest();
const standardDatabase = 'postgresql://carillon_app@127.0.0.1:5433/carillon';

/**
 * Judges an environment. Pure: reads neither process.env nor files.
 * @throws ConfigError with a sentence per bad variable
 */
export function loadConfig(env: Env): Config {
  // `NAME=` in a compose file or a shell means "not set".
  const given = Object.fromEntries(
    variables.map(({ name }) => [name, env[name]?.trim() === '' ? undefined : env[name]?.trim()]),
  );
  const parsed = Variables.safeParse(given);
  if (!parsed.success)
    throw new ConfigError(
      parsed.error.issues.map((issue) => {
        const name = String(issue.path[0]);
        const secret = variables.find((v) => v.name === name)?.secret ?? true;
        const value = secret ? 'its value is kept out of this line' : `it is ${JSON.stringify(given[name])}`;
        return `${name}: ${issue.message.replace(/^Invalid input: /, '')} (${value})`;
      }),
    );
  const values = parsed.data;
  const sentences = [
    ...missing(values),
    ...(values.NODE_ENV === 'production' ? productionFaults(values, env) : []),
  ];
  if (sentences.length > 0) throw new ConfigError(sentences);
  return freeze(tree(values));
}

function missing(values: Values): string[] {
  if (values.NODE_ENV === 'test') return [];
  const needed: VariableName[] = ['CARILLON_MASTER_KEY', 'CARILLON_SIGNING_KEY'];
  if (values.NODE_ENV === 'production') needed.push('DATABASE_URL', 'PUBLIC_URL');
  const how: Partial<Record<VariableName, string>> = {
    DATABASE_URL: 'write postgresql://user:password@host:5432/name',
    PUBLIC_URL: 'write the address people reach this installation by, like https://carillon.example.com',
  };
  return needed
    .filter((name) => values[name] === undefined)
    .map(
      (name) =>
        `${name} is not set: ${how[name] ?? 'make one with  openssl rand -base64 32  (`npm start` does it for development)'}`,
    );
}

const weakPasswords =
  /^(carillon|carillon_app|postgres|password|secret|admin|changeme|change-me|test|root|app)?$/i;

/** What a development set-up may have and a production one may not. */
function productionFaults(values: Values, env: Env): string[] {
  const faults: string[] = [];
  for (const name of ['CARILLON_MASTER_KEY', 'CARILLON_SIGNING_KEY'] as const) {
    const key = values[name];
    if (key && isGuessable(key)) faults.push(`${name} is not random: make one with  openssl rand -base64 32`);
  }
  if (values.CARILLON_MASTER_KEY && values.CARILLON_SIGNING_KEY?.equals(values.CARILLON_MASTER_KEY))
    faults.push('CARILLON_SIGNING_KEY is the same as CARILLON_MASTER_KEY: make another one');
  if (values.DATABASE_URL) {
    const { hostname, password, username } = new URL(values.DATABASE_URL);
    // A socket or a peer-authenticated loopback needs no password; across a network a default one is an open door.
    const reachable = hostname !== '' && hostname !== 'localhost' && hostname !== '127.0.0.1';
    if (
      (reachable && weakPasswords.test(password)) ||
      (password !== '' && (password === username || weakPasswords.test(password)))
    )
      faults.push('DATABASE_URL holds no password or a default one: give the role a random password');
  }
  if (values.LOG_LEVEL === 'debug' || values.LOG_LEVEL === 'verbose')
    faults.push(`LOG_LEVEL is ${values.LOG_LEVEL}: write log, warn or error in production`);
  if (values.DATABASE_MAY_LOSE)
    faults.push('DATABASE_MAY_LOSE is set: unset it, accepted messages must be kept');
  if (values.CARILLON_FAILPOINTS.length > 0)
    faults.push('CARILLON_FAILPOINTS is set: unset it, it makes processes die on purpose');
  if (values.CARILLON_BUGS.length > 0)
    faults.push('CARILLON_BUGS is set: unset it, it switches on bugs that lose messages');
  if (env.DEBUG) faults.push('DEBUG is set: unset it, libraries would log what must not be logged');
  if (env.NODE_TLS_REJECT_UNAUTHORIZED === '0')
    faults.push(
      'NODE_TLS_REJECT_UNAUTHORIZED is 0: unset it and name the authority with NODE_EXTRA_CA_CERTS',
    );
  return faults;
}

/** Fewer than 12 different bytes out of 32, or a key of this file: nothing a random source gives. */
const isGuessable = (key: Buffer): boolean =>
  new Set(key).size < 12 ||
  ['master', 'signing'].some((name) => testKey(name).equals(key)) ||
  /^[\x20-\x7e]+$/.test(key.toString('latin1'));

const publicUrl = (values: Values): string =>
  (values.PUBLIC_URL ?? `http://localhost:${values.API_PORT}`).replace(/\/+$/, '');

function tree(values: Values): Config {
  const sandboxHost = values.SANDBOX_HOST === '0.0.0.0' ? '127.0.0.1' : values.SANDBOX_HOST;
  return {
    mode: values.NODE_ENV,
    log: { level: values.LOG_LEVEL },
    dataDir: values.CARILLON_DATA_DIR,
    database: {
      url: values.DATABASE_URL ?? standardDatabase,
      ownerUrl: values.DATABASE_OWNER_URL,
      poolSize: values.DATABASE_POOL_SIZE,
      mayLose: values.DATABASE_MAY_LOSE ?? values.NODE_ENV === 'test',
    },
    queue: { url: values.QUEUE_URL },
    api: {
      host: values.API_HOST,
      port: values.API_PORT,
      publicUrl: publicUrl(values),
      webhookUrl: values.WEBHOOK_URL?.replace(/\/+$/, '') ?? publicUrl(values),
      trustProxy: values.TRUST_PROXY,
      metricsToken: values.METRICS_TOKEN,
    },
    secrets: {
      masterKey: values.CARILLON_MASTER_KEY ?? testKey('master'),
      previousMasterKeys: values.CARILLON_MASTER_KEY_PREVIOUS,
      signingKey: values.CARILLON_SIGNING_KEY ?? testKey('signing'),
      previousSigningKeys: values.CARILLON_SIGNING_KEY_PREVIOUS,
    },
    inbox: { allowedOrigins: values.INBOX_ALLOWED_ORIGINS },
    out: { allowPrivateNetworks: values.CARILLON_ALLOW_PRIVATE_NETWORKS ?? values.NODE_ENV !== 'production' },
    limits: {
      ratePerSecond: values.RATE_LIMIT_PER_SECOND,
      rateBurst: values.RATE_LIMIT_BURST,
      backlogPerWorkspace: values.BACKLOG_LIMIT_WORKSPACE,
      backlog: values.BACKLOG_LIMIT,
      bodyBytes: values.BODY_LIMIT_BYTES,
      sessionHours: values.SESSION_HOURS,
      retentionDays: values.RETENTION_DAYS,
      importBytes: values.IMPORT_MAX_BYTES,
      eventRetentionDays: values.EVENT_RETENTION_DAYS,
      shutdownGraceSeconds: values.SHUTDOWN_GRACE_SECONDS,
    },
    health: {
      host: values.HEALTH_HOST,
      ports: {
        audience: values.AUDIENCE_PORT,
        scheduling: values.SCHEDULING_PORT,
        'dispatcher-email': values.DISPATCHER_EMAIL_PORT,
        'dispatcher-sms': values.DISPATCHER_SMS_PORT,
        'dispatcher-push': values.DISPATCHER_PUSH_PORT,
        'dispatcher-in-app': values.DISPATCHER_IN_APP_PORT,
      },
    },
    sandbox: {
      host: values.SANDBOX_HOST,
      port: values.SANDBOX_PORT,
      smtpPort: values.SANDBOX_SMTP_PORT,
      url: values.SANDBOX_URL ?? `http://${sandboxHost}:${values.SANDBOX_PORT}`,
    },
    faults: { armed: values.CARILLON_FAILPOINTS, bugs: values.CARILLON_BUGS },
  };
}

/** Deep freeze. Bytes stay as they are: a typed array cannot be frozen. */
function freeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !ArrayBuffer.isView(value)) {
    Object.values(value).forEach(freeze);
    Object.freeze(value);
  }
  return value;
}

/** Fills secrets from the files that `<NAME>_FILE` names, as container secrets come. */
function withSecretFiles(env: Env): Env {
  const filled: Record<string, string | undefined> = { ...env };
  const sentences: string[] = [];
  for (const { name, secret } of variables) {
    const file = env[`${name}_FILE`];
    if (!secret || !file || env[name]) continue;
    try {
      filled[name] = readFileSync(file, 'utf8').trim();
    } catch (error) {
      sentences.push(
        `${name}_FILE: ${file} cannot be read (${error instanceof Error ? error.message : 'unknown'})`,
      );
    }
  }
  if (sentences.length > 0) throw new ConfigError(sentences);
  return filled;
}

let current: Config | undefined;

/**
 * The configuration of this process, read at the first call.
 * @throws ConfigError with a sentence per bad variable
 */
export const config = (): Config => (current ??= loadConfig(withSecretFiles(process.env)));

/** For specs: what `config()` gives from now on in this process, instead of the environment. */
export const useConfig = (given: Config): void => {
  current = given;
};
