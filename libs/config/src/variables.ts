/**
 * Every environment variable of Carillon, written once: shape, default, meaning. `docs/configuration.md` is made from
 * this table, and `config.ts` folds it into the tree that code reads. Not here: settings of provider accounts, which
 * are rows and not variables.
 */
import { z } from 'zod';
import { bugs, failpoints, type ArmedFailpoint } from './fault-names.js';

export const groups = [
  'General',
  'Database',
  'Queue',
  'API',
  'Secrets',
  'Limits',
  'Services',
  'Sandbox',
  'Chaos',
] as const;

interface VariableMeta {
  group: (typeof groups)[number];
  meaning: string;
  /** May hold a password or a key: also read from the file named by `<NAME>_FILE`, and never printed. */
  secret?: true;
  /** What applies when the variable is absent, where a schema default cannot say it. */
  otherwise?: string;
}

const port = (meta: VariableMeta, standard: number) =>
  z.coerce
    .number('a port number, 0 to 65535')
    .int()
    .min(0)
    .max(65_535)
    .default(standard)
    .meta({ ...meta });
const count = (meta: VariableMeta, standard: number, min: number, max: number) =>
  z.coerce
    .number(`a whole number from ${min} to ${max}`)
    .int()
    .min(min)
    .max(max)
    .default(standard)
    .meta({ ...meta });
const flag = z
  .enum(['true', 'false', '1', '0', 'yes', 'no'], 'true or false')
  .transform((word) => ['true', '1', 'yes'].includes(word));
const url = (schemes: RegExp, example: string) =>
  z.string().refine((text) => URL.canParse(text) && schemes.test(text), `an address like ${example}`);
const commaList = z.string().transform((text) =>
  text
    .split(',')
    .map((part) => part.trim())
    .filter(Boolean),
);
const origin = (text: string) => URL.canParse(text) && new URL(text).origin === text;
const servicePort = (service: string) =>
  port({ group: 'Services', meaning: `Port of the health and metrics door of ${service}; 0 for none.` }, 0);

/** `after-mark:kill:40` */
const failpointShape = z.string().transform((text, ctx): ArmedFailpoint => {
  const [name, action, every] = text.split(':');
  const place = failpoints.find((known) => known === name);
  if (
    place &&
    (action === 'kill' || action === 'stop' || action === 'pause') &&
    /^[1-9]\d{0,6}$/.test(every ?? '')
  )
    return { name: place, action, every: Number(every) };
  ctx.addIssue({
    code: 'custom',
    message: `<place>:<kill|stop|pause>:<n>, with a place out of ${failpoints.join(', ')}`,
  });
  return z.NEVER;
});

/** 32 bytes in base64 (also base64url) or hex. */
const key32 = z.string().transform((text, ctx) => {
  const bytes = /^[0-9a-f]{64}$/i.test(text) ? Buffer.from(text, 'hex') : Buffer.from(text, 'base64');
  if (bytes.length === 32) return bytes;
  ctx.addIssue({
    code: 'custom',
    message: `32 random bytes in base64 (these are ${bytes.length}): make them with  openssl rand -base64 32`,
  });
  return z.NEVER;
});
const keyList = (meta: VariableMeta) =>
  commaList
    .pipe(z.array(key32))
    .default([])
    .meta({ ...meta });

export const Variables = z.object({
  NODE_ENV: z
    .enum(['development', 'production', 'test'], 'development, production or test')
    .default('development')
    .meta({
      group: 'General',
      meaning:
        'In production, weak or missing secrets and debugging logs stop the start, and sends may not reach private networks.',
    }),
  LOG_LEVEL: z
    .enum(['error', 'warn', 'log', 'debug', 'verbose'], 'error, warn, log, debug or verbose')
    .default('log')
    .meta({
      group: 'General',
      meaning:
        'What is logged: this level and the graver ones. `debug` and `verbose` are refused in production.',
    }),
  CARILLON_DATA_DIR: z.string().min(1).default('.data').meta({
    group: 'General',
    meaning: 'Folder of the embedded PostgreSQL, its logs and the development secrets.',
  }),
  CARILLON_ALLOW_PRIVATE_NETWORKS: flag.optional().meta({
    group: 'General',
    meaning: 'Whether provider accounts may point at private, loopback and link-local addresses.',
    otherwise: '`true` in development, `false` in production',
  }),

  DATABASE_URL: url(/^postgres(ql)?:/, 'postgresql://carillon_app:password@host:5432/carillon')
    .optional()
    .meta({
      group: 'Database',
      secret: true,
      meaning: 'PostgreSQL 15 or newer, as the role that owns nothing and cannot pass row-level security.',
      otherwise: 'the embedded PostgreSQL that `npm start` runs',
    }),
  DATABASE_OWNER_URL: url(/^postgres(ql)?:/, 'postgresql://carillon:password@host:5432/carillon')
    .optional()
    .meta({
      group: 'Database',
      secret: true,
      meaning:
        'The same database as the owner of the tables. Used by migrations only; services do not need it.',
    }),
  DATABASE_POOL_SIZE: count(
    {
      group: 'Database',
      meaning: 'Most connections of one process to the database, besides those of its queues.',
    },
    20,
    2,
    500,
  ),
  DATABASE_MAY_LOSE: flag.optional().meta({
    group: 'Database',
    meaning:
      'Start even on a PostgreSQL whose settings lose accepted messages in a crash (`fsync`, `synchronous_commit` or `full_page_writes` off): for databases that are thrown away. Refused in production.',
    otherwise: '`true` in tests, `false` elsewhere',
  }),

  QUEUE_URL: url(/^(rediss?|postgres(ql)?):/, 'redis://host:6379')
    .optional()
    .meta({
      group: 'Queue',
      secret: true,
      meaning: 'Redis or Valkey for the queues (`redis://`, `rediss://`), or another PostgreSQL.',
      otherwise: 'the queues live in `DATABASE_URL`',
    }),

  API_HOST: z.string().min(1).default('127.0.0.1').meta({
    group: 'API',
    meaning: 'Address the API listens on; `0.0.0.0` for all.',
  }),
  API_PORT: port({ group: 'API', meaning: 'Port of the API and the dashboard.' }, 3000),
  PUBLIC_URL: url(/^https?:/, 'https://carillon.example.com')
    .optional()
    .meta({
      group: 'API',
      meaning: 'Where people and providers reach the API: in unsubscribe links, webhooks and cookies.',
      otherwise: '`http://localhost:<API_PORT>`; required in production',
    }),
  WEBHOOK_URL: url(/^https?:/, 'https://hooks.example.com')
    .optional()
    .meta({
      group: 'API',
      meaning: 'Where providers reach the API with their webhooks, when that is not PUBLIC_URL.',
      otherwise: 'PUBLIC_URL',
    }),
  TRUST_PROXY: commaList.default([]).meta({
    group: 'API',
    meaning:
      'Addresses or networks (`10.0.0.0/8`) of the reverse proxies whose X-Forwarded headers are believed, separated by commas.',
  }),
  INBOX_ALLOWED_ORIGINS: commaList
    .refine(
      (list) => list.every(origin),
      'origins like https://app.example.com, without a path, separated by commas',
    )
    .default([])
    .meta({
      group: 'API',
      meaning:
        'Web origins whose pages may read the in-app inbox, separated by commas. In development localhost is allowed as well.',
    }),
  METRICS_TOKEN: z.string().min(16, 'at least 16 characters').optional().meta({
    group: 'API',
    secret: true,
    meaning: 'Bearer token for /metrics and /health/ready from other machines.',
    otherwise: 'they answer to the loopback only',
  }),

  CARILLON_MASTER_KEY: key32.optional().meta({
    group: 'Secrets',
    secret: true,
    meaning:
      'Encrypts the settings of provider accounts. 32 random bytes in base64: `openssl rand -base64 32`. Losing it loses those settings.',
    otherwise: 'made by `npm start` in the data folder; required in production',
  }),
  CARILLON_MASTER_KEY_PREVIOUS: keyList({
    group: 'Secrets',
    secret: true,
    meaning:
      'Earlier master keys, separated by commas: they still decrypt, until everything is wrapped anew.',
  }),
  CARILLON_SIGNING_KEY: key32.optional().meta({
    group: 'Secrets',
    secret: true,
    meaning: 'Signs inbox tokens, unsubscribe links and callback addresses. 32 random bytes in base64.',
    otherwise: 'made by `npm start` in the data folder; required in production',
  }),
  CARILLON_SIGNING_KEY_PREVIOUS: keyList({
    group: 'Secrets',
    secret: true,
    meaning: 'Earlier signing keys, separated by commas: what they signed stays valid.',
  }),

  RATE_LIMIT_PER_SECOND: count(
    {
      group: 'Limits',
      meaning: 'Requests a second that one API key, session or inbox token may keep up, per API process.',
    },
    1_000,
    1,
    100_000,
  ),
  RATE_LIMIT_BURST: count(
    { group: 'Limits', meaning: 'Requests that may come at once before that rate applies.' },
    2_000,
    1,
    1_000_000,
  ),
  BACKLOG_LIMIT_WORKSPACE: count(
    {
      group: 'Limits',
      meaning:
        'Deliveries of one workspace that are due and not yet worked. Past that its messages are refused with 429 `backlog_full`.',
    },
    200_000,
    1,
    100_000_000,
  ),
  BACKLOG_LIMIT: count(
    {
      group: 'Limits',
      meaning: 'The same over all workspaces. Past that messages are refused with 503 `overloaded`.',
    },
    1_000_000,
    1,
    100_000_000,
  ),
  BODY_LIMIT_BYTES: count({ group: 'Limits', meaning: 'Largest request body.' }, 1_048_576, 1024, 20_000_000),
  IMPORT_MAX_BYTES: count(
    {
      group: 'Limits',
      meaning: 'Largest file that may be imported, as it is sent and as it is unpacked.',
    },
    2_000_000_000,
    1_000_000,
    100_000_000_000,
  ),
  SESSION_HOURS: count(
    { group: 'Limits', meaning: 'How long a sign-in to the dashboard lasts.' },
    12,
    1,
    720,
  ),
  RETENTION_DAYS: count(
    {
      group: 'Limits',
      meaning:
        'How many days messages, deliveries, their timelines, receipts, inbox items and ways through journeys that ended are kept. Whole days are dropped; one in which something still waits stays.',
    },
    90,
    2,
    3_650,
  ),
  EVENT_RETENTION_DAYS: count(
    {
      group: 'Limits',
      meaning:
        'How many days what people did is kept, by the time at which it happened; an older event is refused. Whole months are dropped. Changes of audiences are kept as long.',
    },
    365,
    31,
    3_650,
  ),
  SHUTDOWN_GRACE_SECONDS: count(
    {
      group: 'Limits',
      meaning:
        'How long a stopping process may finish what it has begun; it begins nothing more after a third of it.',
    },
    15,
    1,
    300,
  ),

  HEALTH_HOST: z.string().min(1).default('127.0.0.1').meta({
    group: 'Services',
    meaning: 'Address the health doors of services without an HTTP door of their own listen on.',
  }),
  AUDIENCE_PORT: servicePort('audience'),
  SCHEDULING_PORT: servicePort('scheduling'),
  DISPATCHER_EMAIL_PORT: servicePort('dispatcher-email'),
  DISPATCHER_SMS_PORT: servicePort('dispatcher-sms'),
  DISPATCHER_PUSH_PORT: servicePort('dispatcher-push'),
  DISPATCHER_IN_APP_PORT: servicePort('dispatcher-in-app'),

  SANDBOX_HOST: z.string().min(1).default('127.0.0.1').meta({
    group: 'Sandbox',
    meaning: 'Address the sandbox listens on.',
  }),
  SANDBOX_PORT: port(
    { group: 'Sandbox', meaning: 'Port of the sandbox: its viewer and its stand-ins for Twilio and FCM.' },
    3100,
  ),
  SANDBOX_SMTP_PORT: port({ group: 'Sandbox', meaning: 'Port of its SMTP server.' }, 3125),
  SANDBOX_URL: url(/^https?:/, 'http://127.0.0.1:3100')
    .optional()
    .meta({
      group: 'Sandbox',
      meaning: 'Where the other services reach the sandbox.',
      otherwise: '`http://<SANDBOX_HOST>:<SANDBOX_PORT>`',
    }),

  CARILLON_FAILPOINTS: commaList.pipe(z.array(failpointShape)).default([]).meta({
    group: 'Chaos',
    meaning:
      'For `npm run chaos`: where this process kills, stops or delays itself, `<place>:<kill|stop|pause>:<at every n-th pass>`, separated by commas. Refused in production.',
  }),
  CARILLON_BUGS: commaList
    .pipe(z.array(z.enum(bugs, `bugs out of: ${bugs.join(', ')}`)))
    .default([])
    .meta({
      group: 'Chaos',
      meaning:
        'For the drill of `npm run chaos`: bugs that this process has on purpose, separated by commas. Refused in production.',
    }),
});
export type VariableName = keyof typeof Variables.shape;

/** A row of docs/configuration.md. */
export interface Variable {
  name: VariableName;
  group: (typeof groups)[number];
  meaning: string;
  secret: boolean;
  /** As text for people: a literal value in backticks, a sentence, or empty when there is none. */
  standard: string;
}

/** The table of all variables, in the order they are written above. */
export const variables: readonly Variable[] = Object.entries(Variables.shape).map(([name, schema]) => {
  // `.meta()` is written on every variable above; a spec keeps it so.
  const meta = schema.meta() as unknown as VariableMeta;
  const value: unknown = schema.safeParse(undefined).data;
  const literal =
    value === undefined || (Array.isArray(value) && value.length === 0) ? '' : `\`${String(value)}\``;
  return {
    name: name as VariableName,
    group: meta.group,
    meaning: meta.meaning,
    secret: meta.secret ?? false,
    standard: meta.otherwise ?? literal,
  };
});
