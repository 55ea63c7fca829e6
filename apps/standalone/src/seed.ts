/**
 * What an installation starts with: a workspace, a person who may sign in, an API key, and, with a sandbox, accounts
 * that point at it and something to send to somebody. Does nothing to what is already there, except that the sandbox
 * accounts follow the sandbox's address.
 */
import { upsertDevice, upsertProfiles } from '@carillon/audience-service';
import { config } from '@carillon/config';
import { scopes, type Channel } from '@carillon/contracts';
import { newId, type Database, type Sql } from '@carillon/database';
import { masterKeys, saveTemplate, seal } from '@carillon/delivery-service';
import { hashPassword, newApiKey, prefixOf } from '@carillon/server';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';

export interface Development {
  email: string;
  password: string;
  apiKey: string;
}
export interface SandboxPlace {
  /** Of its HTTP side: Twilio, FCM and the viewer. */
  url: string;
  /** `smtp://host:port` */
  smtpUrl: string;
}
const EMAIL = 'admin@carillon.localhost';

/** @param sandbox null where there is none: then nothing is made that only makes sense with one */
export async function seed(database: Database, sandbox: SandboxPlace | null): Promise<Development> {
  const file = path.join(config().dataDir, 'development.json');
  const kept = readKept(file);
  const workspaceId = await database.acrossWorkspaces(async (sql) => {
    const [row] = await sql.query<{ id: string }>(
      `INSERT INTO workspaces (id, slug, name) VALUES ($1, 'development', 'Development') ON CONFLICT (slug) DO UPDATE SET name = workspaces.name RETURNING id`,
      [newId()],
    );
    if (!row) throw new Error('the workspace was not written');
    return row.id;
  });
  return database.inWorkspace(workspaceId, async (sql) => {
    const development = await access(sql, workspaceId, kept);
    if (development !== kept)
      writeFileSync(file, `${JSON.stringify(development, null, 2)}\n`, { mode: 0o600 });
    if (sandbox) {
      await accounts(sql, workspaceId, sandbox);
      await firstContent(sql, workspaceId);
    }
    return development;
  });
}

function readKept(file: string): Development | null {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Development;
  } catch {
    // Not there yet, or not readable: made anew below.
    return null;
  }
}

/** Credentials stand in the data folder, because the database keeps only their hashes. */
async function access(sql: Sql, workspaceId: string, kept: Development | null): Promise<Development> {
  const [user] = await sql.query('SELECT 1 FROM users WHERE workspace_id = $1 AND email = $2', [
    workspaceId,
    EMAIL,
  ]);
  const [key] = await sql.query(
    'SELECT 1 FROM api_keys WHERE workspace_id = $1 AND revoked_at IS NULL AND prefix = $2',
    [workspaceId, kept && (prefixOf(kept.apiKey) ?? null)],
  );
  if (kept && user && key) return kept;
  const development: Development = {
    email: EMAIL,
    password: kept && user ? kept.password : randomBytes(9).toString('base64url'),
    apiKey: kept?.apiKey ?? '',
  };
  if (!kept || !user)
    await sql.execute(
      `INSERT INTO users (id, workspace_id, email, name, password_hash, role) VALUES ($1, $2, $3, 'Admin', $4, 'owner')
       ON CONFLICT (email) DO UPDATE SET password_hash = excluded.password_hash`,
      [newId(), workspaceId, EMAIL, await hashPassword(development.password)],
    );
  if (!kept || !key) {
    const made = newApiKey();
    development.apiKey = made.key;
    await sql.execute(
      'INSERT INTO api_keys (id, workspace_id, name, prefix, hash, scopes) VALUES ($1, $2, $3, $4, $5, $6)',
      [newId(), workspaceId, 'Development', made.prefix, made.hash, Object.keys(scopes)],
    );
  }
  return development;
}

type Settings = Record<string, string | number | boolean>;
/** The sandbox, as each provider's real client is pointed at it. */
const sandboxSettings = (
  sandbox: SandboxPlace,
): Record<
  Exclude<Channel, 'in-app'>,
  { provider: string; settings: Settings; secrets: () => Record<string, string> }
> => ({
  email: {
    provider: 'smtp',
    settings: { endpoint: sandbox.smtpUrl, from: 'Carillon <hello@carillon.example>' },
    secrets: () => ({}),
  },
  sms: {
    provider: 'twilio',
    settings: { endpoint: sandbox.url, accountSid: `AC${'0'.repeat(31)}1`, from: '+15017122661' },
    secrets: () => ({ authToken: randomBytes(16).toString('hex') }),
  },
  push: {
    provider: 'fcm',
    settings: { endpoint: sandbox.url },
    secrets: () => ({ serviceAccount: serviceAccount() }),
  },
});
const serviceAccount = (): string =>
  JSON.stringify({
    type: 'service_account',
    project_id: 'sandbox',
    client_email: 'sender@sandbox.iam.gserviceaccount.com',
    private_key: generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({
      type: 'pkcs8',
      format: 'pem',
    }),
  });

async function accounts(sql: Sql, workspaceId: string, sandbox: SandboxPlace): Promise<void> {
  for (const [channel, { provider, settings, secrets }] of Object.entries(sandboxSettings(sandbox))) {
    // Ports may differ from start to start.
    const moved = await sql.execute(
      `UPDATE provider_accounts SET settings = $4::jsonb, revision = revision + (settings <> $4::jsonb)::int
        WHERE workspace_id = $1 AND channel = $2 AND name = $3 AND deleted_at IS NULL`,
      [workspaceId, channel, 'Sandbox', JSON.stringify(settings)],
    );
    if (moved > 0) continue;
    const id = newId();
    const sealed = Object.fromEntries(
      Object.entries(secrets()).map(([field, secret]) => [
        field,
        seal(masterKeys(), { workspaceId, accountId: id, field }, secret),
      ]),
    );
    await insertAccount(sql, {
      id,
      workspaceId,
      channel,
      provider,
      name: 'Sandbox',
      settings,
      secrets: sealed,
    });
  }
  const [inbox] = await sql.query(
    `SELECT 1 FROM provider_accounts WHERE workspace_id = $1 AND channel = 'in-app' AND deleted_at IS NULL`,
    [workspaceId],
  );
  if (!inbox)
    await insertAccount(sql, {
      id: newId(),
      workspaceId,
      channel: 'in-app',
      provider: 'inbox',
      name: 'Inbox',
      settings: {},
      secrets: {},
    });
}

const insertAccount = (
  sql: Sql,
  a: {
    id: string;
    workspaceId: string;
    channel: string;
    provider: string;
    name: string;
    settings: Settings;
    secrets: Record<string, string>;
  },
): Promise<number> =>
  sql.execute(
    'INSERT INTO provider_accounts (id, workspace_id, channel, provider, name, settings, secrets) VALUES ($1, $2, $3, $4, $5, $6::jsonb, $7::jsonb)',
    [
      a.id,
      a.workspaceId,
      a.channel,
      a.provider,
      a.name,
      JSON.stringify(a.settings),
      JSON.stringify(a.secrets),
    ],
  );

/** Somebody to write to, and something to say. */
async function firstContent(sql: Sql, workspaceId: string): Promise<void> {
  const [template] = await sql.query('SELECT 1 FROM templates WHERE workspace_id = $1 LIMIT 1', [
    workspaceId,
  ]);
  if (template) return;
  const [ada] = await upsertProfiles(sql, workspaceId, [
    {
      externalId: 'ada',
      email: 'ada@example.com',
      phone: '+447400123456',
      locale: 'en-GB',
      timezone: 'Europe/London',
      attributes: { firstName: 'Ada' },
    },
  ]);
  if (ada?.id)
    await upsertDevice(sql, workspaceId, ada.id, { token: 'token-ada-phone', platform: 'android' });
  await saveTemplate(sql, workspaceId, 'welcome', {
    name: 'Welcome',
    content: {
      email: {
        subject: 'Welcome, {{ profile.attributes.firstName }}',
        html: '<h1>Welcome, {{ profile.attributes.firstName }}.</h1><p>Your first message came by email, was accepted by a real SMTP server, and stands in the delivery log.</p><p><a href="{{ unsubscribe_url }}">Unsubscribe</a></p>',
      },
      sms: { body: 'Welcome, {{ profile.attributes.firstName }}. This is your first SMS from Carillon.' },
      push: {
        title: 'Welcome, {{ profile.attributes.firstName }}',
        body: 'Your first push message has arrived.',
      },
      'in-app': {
        title: 'Welcome, {{ profile.attributes.firstName }}',
        body: 'Your first in-app message is waiting in your inbox.',
      },
    },
  });
}
