/** Provider accounts over the real API; the sandbox answers as SMTP server and as Twilio. */
import { randomBytes } from 'node:crypto';
import { loadConfig, useConfig, config } from '@carillon/config';
import type { ChannelRetry, Problem, ProviderAccount, ProviderInfo } from '@carillon/contracts';
import { startSandbox, type SandboxHandle } from '@carillon/sandbox';
import { startTestApi, type TestApi } from '@carillon/testing/api';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { resealAccounts } from './accounts.js';
import { usableAccounts } from './sending-accounts.js';

let api: TestApi;
let sandbox: SandboxHandle;
beforeAll(async () => {
  api = await startTestApi();
  sandbox = await startSandbox({ port: 0, smtpPort: 0 });
}, 60_000);
afterAll(async () => {
  await sandbox.close();
  await api.close();
});

const secret = 'a-secret-that-nobody-may-read';
const sid = `AC${'1'.repeat(32)}`;
const twilio = (settings: object = {}) => ({
  channel: 'sms',
  provider: 'twilio',
  name: 'Texts',
  settings: { accountSid: sid, authToken: secret, from: '+15017122661', ...settings },
});
const read = async <T>(answer: Promise<Response>, status = 200): Promise<T> => {
  const got = await answer;
  const text = await got.text();
  expect({ status: got.status, text }).toMatchObject({ status });
  return (text ? JSON.parse(text) : undefined) as T;
};
const create = (body: object) => read<ProviderAccount>(api.call('/v1/provider-accounts', { body }), 201);
const refused = async (body: object) =>
  (await read<Problem>(api.call('/v1/provider-accounts', { body }), 422)).errors;
const change = (id: string, body: object, status = 200) =>
  read<ProviderAccount & Problem>(api.call(`/v1/provider-accounts/${id}`, { method: 'PATCH', body }), status);
const stored = async (id: string) =>
  (
    await api.owner.query<{
      settings: Record<string, unknown>;
      secrets: Record<string, string>;
      revision: number;
    }>('SELECT settings, secrets, revision FROM provider_accounts WHERE id = $1', [id])
  ).rows[0];

describe('providers', () => {
  it('are described with JSON Schema, secrets marked', async () => {
    const { items } = await read<{ items: ProviderInfo[] }>(api.call('/v1/providers'));
    const info = items.find((p) => p.name === 'twilio');
    expect(info).toMatchObject({
      channel: 'sms',
      webhooks: true,
      settings: {
        type: 'object',
        properties: { authToken: { 'x-secret': true }, endpoint: { operatorOnly: true } },
      },
    });
    expect(JSON.stringify(info)).not.toContain('"secret"');
    expect(new Set(items.map((p) => p.channel))).toEqual(new Set(['email', 'sms', 'push', 'in-app']));
  });
});

describe('creating', () => {
  it('seals secrets and never shows them again', async () => {
    const made = await create(twilio());
    expect(made).toMatchObject({
      settings: { accountSid: sid, from: '+15017122661' },
      secretsSet: ['authToken'],
      paused: false,
      health: { state: 'idle' },
      webhookUrl: `${config().api.webhookUrl}/v1/webhooks/sms/twilio/${made.id}`,
    });
    const all = await (await api.call('/v1/provider-accounts')).text();
    const one = await (await api.call(`/v1/provider-accounts/${made.id}`)).text();
    const row = await stored(made.id);
    expect([JSON.stringify(made), all, one, JSON.stringify(row)].join()).not.toContain(secret);
    expect(row?.secrets.authToken).toMatch(/^v1\./);
    // Sending finds it again.
    const accounts = await api.database.inWorkspace(api.workspaceId, (sql) =>
      usableAccounts(sql, api.workspaceId, 'sms'),
    );
    expect(accounts.find((a) => a.id === made.id)?.settings).toMatchObject({ authToken: secret });
  });

  it('says what is wrong with each field, without its value', async () => {
    const errors = await refused(
      twilio({ accountSid: 'nonsense', authToken: undefined, maxSegments: 99, colour: 'red' }),
    );
    expect(errors?.map((e) => e.pointer).sort()).toEqual([
      '/settings/accountSid',
      '/settings/authToken',
      '/settings/colour',
      '/settings/maxSegments',
    ]);
    expect(JSON.stringify(errors)).not.toContain('nonsense');
  });

  it('names the providers there are', async () => {
    expect(await refused({ ...twilio(), provider: 'carrier-pigeon' })).toEqual([
      {
        pointer: '/provider',
        code: 'unknown_provider',
        message: 'there is no such provider for sms: write twilio',
      },
    ]);
  });

  it('leaves the endpoint to operators', async () => {
    const given = config();
    const env = {
      NODE_ENV: 'test',
      CARILLON_ALLOW_PRIVATE_NETWORKS: 'false',
      DATABASE_URL: given.database.url,
    };
    useConfig(loadConfig(env));
    try {
      expect(await refused(twilio({ endpoint: 'http://169.254.169.254' }))).toMatchObject([
        { pointer: '/settings/endpoint', code: 'operator_only' },
      ]);
    } finally {
      useConfig(given);
    }
  });
});

describe('changing', () => {
  it('keeps what is not named, secrets included', async () => {
    const { id } = await create(twilio());
    const before = await stored(id);
    const changed = await change(id, { settings: { from: 'ACME' }, name: 'Other' });
    expect(changed).toMatchObject({
      name: 'Other',
      settings: { accountSid: sid, from: 'ACME' },
      secretsSet: ['authToken'],
    });
    const after = await stored(id);
    expect(after?.secrets).toEqual(before?.secrets);
    expect(after?.revision).toBe((before?.revision ?? 0) + 1);
  });

  it('replaces a secret', async () => {
    const { id } = await create(twilio());
    const before = await stored(id);
    await change(id, { settings: { authToken: 'another-secret-0123456789abcdef' } });
    expect((await stored(id))?.secrets.authToken).not.toBe(before?.secrets.authToken);
  });

  it('removes a field that is set to null, unless it is needed', async () => {
    const { id } = await create(twilio({ maxSegments: 3 }));
    const { settings } = await change(id, { settings: { maxSegments: null } });
    expect(settings).not.toHaveProperty('maxSegments');
    const { errors } = await change(id, { settings: { authToken: null } }, 422);
    expect(errors).toMatchObject([{ pointer: '/settings/authToken', code: 'required' }]);
  });

  it('leaves settings alone when only the name changes', async () => {
    const { id } = await create(twilio());
    await change(id, { name: 'N', position: 3 });
    expect(await stored(id)).toMatchObject({ revision: 1 });
  });

  it('pauses and resumes', async () => {
    const { id } = await create(twilio());
    const path = `/v1/provider-accounts/${id}`;
    const post = { method: 'POST' };
    expect(await read(api.call(`${path}/pause`, post))).toMatchObject({
      paused: true,
      pausedReason: 'Paused by hand.',
      health: { state: 'paused' },
    });
    expect(await read(api.call(`${path}/resume`, post))).toMatchObject({ paused: false, pausedReason: null });
  });

  it('forgets the secrets of what is deleted', async () => {
    const { id } = await create(twilio());
    const path = `/v1/provider-accounts/${id}`;
    expect((await api.call(path, { method: 'DELETE' })).status).toBe(204);
    expect((await api.call(path)).status).toBe(404);
    expect((await api.call(path, { method: 'DELETE' })).status).toBe(404);
    expect((await stored(id))?.secrets).toEqual({});
  });
});

describe('trying', () => {
  const test = (id: string, body: object = {}) =>
    read<{ ok: boolean; sentence: string }>(api.call(`/v1/provider-accounts/${id}/test`, { body }));
  const mail = (settings: object = {}) =>
    create({
      channel: 'email',
      provider: 'smtp',
      name: 'Mail',
      settings: {
        endpoint: `smtp://127.0.0.1:${sandbox.smtpPort}`,
        from: 'Acme <hello@acme.test>',
        ...settings,
      },
    });

  it('tries the credentials', async () => {
    expect(await test((await mail()).id)).toMatchObject({ ok: true });
    const nowhere = await mail({ endpoint: 'smtp://127.0.0.1:1' });
    const { ok, sentence } = await test(nowhere.id);
    expect(ok).toBe(false);
    expect(sentence).not.toBe('');
  });

  it('sends one message to an address', async () => {
    const { id } = await mail();
    expect(await test(id, { to: 'ada@example.com' })).toEqual({
      ok: true,
      sentence: 'The provider took the message.',
    });
    expect(await sandbox.received('email')).toHaveLength(1);
    const refusal = await test(id, { to: 'bounce@example.com' });
    expect(refusal).toMatchObject({ ok: false, sentence: expect.stringContaining('does not exist') });
    expect(refusal.sentence).not.toContain('bounce@');
  });

  it('says that an address is none', async () => {
    const { id } = await create(twilio({ endpoint: sandbox.url }));
    const answer = await api.call(`/v1/provider-accounts/${id}/test`, { body: { to: '12' } });
    expect(await answer.json()).toMatchObject({ errors: [{ pointer: '/to', code: 'invalid_address' }] });
  });

  it('knows a provider without credentials', async () => {
    const { id } = await create({ channel: 'in-app', provider: 'inbox', name: 'Inbox', settings: {} });
    expect(await test(id)).toMatchObject({ ok: true });
  });
});

describe('a new master key', () => {
  it('seals every secret anew, and the old key is needed no longer', async () => {
    const { id } = await create(twilio());
    const given = config();
    const newer = randomBytes(32).toString('base64');
    const older = given.secrets.masterKey.toString('base64');
    const env = { NODE_ENV: 'test', DATABASE_URL: given.database.url, CARILLON_MASTER_KEY: newer };
    const before = await stored(id);
    try {
      useConfig(loadConfig({ ...env, CARILLON_MASTER_KEY_PREVIOUS: older }));
      expect(await resealAccounts(api.database)).toBeGreaterThan(0);
      expect(await resealAccounts(api.database)).toBe(0);
      expect((await stored(id))?.secrets.authToken).not.toBe(before?.secrets.authToken);
      useConfig(loadConfig(env));
      // Needs to open what is sealed.
      await change(id, { settings: { from: 'ACME' } });
    } finally {
      useConfig(loadConfig({ ...env, CARILLON_MASTER_KEY: older, CARILLON_MASTER_KEY_PREVIOUS: newer }));
      await resealAccounts(api.database);
      useConfig(given);
    }
  });
});

describe('health', () => {
  it('follows from what the account took in the last hour', async () => {
    const { id } = await create(twilio());
    const accepted = await read<{ deliveries: { id: string }[] }>(
      api.call('/v1/messages', {
        body: { to: { phone: '+447400123456' }, channels: ['sms'], content: { sms: { body: 'x' } } },
      }),
      202,
    );
    await api.owner.query(
      `UPDATE deliveries SET status = 'failed', reason = 'rejected', due_at = NULL, provider_account_id = $2, handed_over_at = now() WHERE id = $1`,
      [accepted.deliveries[0]?.id, id],
    );
    expect((await read<ProviderAccount>(api.call(`/v1/provider-accounts/${id}`))).health).toMatchObject({
      state: 'failing',
      failedLastHour: 1,
      sentence: '100 % of the last hour failed. The provider refused this message for good.',
    });
  });
});

describe('retry policies', () => {
  type Listed = { items: ChannelRetry[] };
  const email = async () =>
    (await read<Listed>(api.call('/v1/retry-policies'))).items.find(({ channel }) => channel === 'email');
  const patch = (body: object, status = 200) =>
    read<ChannelRetry & Problem>(api.call('/v1/retry-policies/email', { method: 'PATCH', body }), status);

  it('start with what the channel says, change in parts, and go back', async () => {
    const { defaults } = (await email()) as ChannelRetry;
    expect(defaults).toMatchObject({ attempts: 40, windowSeconds: 172_800, backoffSeconds: 5 });
    await patch({ attempts: 3, backoffSeconds: 0.5 });
    expect(await email()).toMatchObject({
      ...defaults,
      attempts: 3,
      backoffSeconds: 0.5,
      changed: ['attempts', 'backoffSeconds'],
    });
    await patch({ attempts: null, backoffSeconds: null });
    expect(await email()).toMatchObject({ ...defaults, changed: [] });
  });

  it('refuse what does not fit, and say what to write', async () => {
    expect((await patch({ attempts: 0 }, 422)).errors).toMatchObject([{ pointer: '/attempts' }]);
    expect((await patch({ maxBackoffSeconds: 1 }, 422)).errors).toMatchObject([
      { pointer: '/maxBackoffSeconds', message: expect.stringContaining('at least backoffSeconds') },
    ]);
    expect((await patch({ forever: true }, 422)).errors).toHaveLength(1);
    await read(api.call('/v1/retry-policies/pigeon', { method: 'PATCH', body: {} }), 404);
  });
});

describe('a rate limit', () => {
  it('is set, shown with its quota, changed and taken away', async () => {
    const made = await create({ ...twilio(), weight: 3, rateLimit: { count: 50, per: 'day' } });
    expect(made).toMatchObject({
      weight: 3,
      rateLimit: { count: 50, per: 'day' },
      quota: { limit: 50, used: 0, headroom: 50, per: 'day' },
      breaker: { state: 'closed', reason: null },
    });
    await api.owner.query(
      `INSERT INTO account_flow (workspace_id, account_id, used, period_at) VALUES ($1, $2, 20, date_trunc('day', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC')`,
      [api.workspaceId, made.id],
    );
    expect(await change(made.id, { rateLimit: { count: 2.5, per: 'second', burst: 4 } })).toMatchObject({
      quota: { limit: 3, used: 0, per: 'second' },
    });
    expect(await change(made.id, { rateLimit: { count: 60, per: 'day' } })).toMatchObject({
      quota: { limit: 60, used: 20, headroom: 40 },
    });
    expect(await change(made.id, { rateLimit: null })).toMatchObject({ rateLimit: null, quota: null });
    expect((await change(made.id, { rateLimit: { count: -1, per: 'week' } }, 422)).errors).toMatchObject([
      { pointer: '/rateLimit/count' },
      { pointer: '/rateLimit/per' },
    ]);
  });
});

describe('a breaker', () => {
  it('is shown with its reason and its next probe, and forgets when somebody resumes the account', async () => {
    const made = await create(twilio());
    await api.owner.query(
      `INSERT INTO account_flow (workspace_id, account_id, failures_in_row, trips, open_until, opened_at, open_reason)
       VALUES ($1, $2, 5, 1, now() + interval '20 seconds', now(), '5 attempts in a row failed: ECONNREFUSED')`,
      [api.workspaceId, made.id],
    );
    const shown = await read<ProviderAccount>(api.call(`/v1/provider-accounts/${made.id}`));
    expect(shown).toMatchObject({
      breaker: {
        state: 'open',
        reason: '5 attempts in a row failed: ECONNREFUSED',
        sentence: expect.stringMatching(/the next probe goes out in \d+ seconds\.$/),
      },
      health: { state: 'failing', sentence: expect.stringContaining('ECONNREFUSED') },
    });
    const resumed = await read<ProviderAccount>(
      api.call(`/v1/provider-accounts/${made.id}/resume`, { method: 'POST' }),
    );
    expect(resumed.breaker).toMatchObject({ state: 'closed', reason: null });
  });
});
