/** FCM as firebase-admin sees it, through the agent that providers inject: HTTP/1.1, no TLS. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { cert, deleteApp, initializeApp, type App, type Credential } from 'firebase-admin/app';
import { getMessaging, type Message } from 'firebase-admin/messaging';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { Agent } from 'node:https';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startSandbox, type SandboxHandle } from './index.js';

let sandbox: SandboxHandle;
let agent: Agent;
let apps: App[];
beforeEach(async () => {
  sandbox = await startSandbox({ port: 0, smtpPort: 0 });
  apps = [];
  agent = new Agent({ keepAlive: true });
  // Whatever host is asked for, the connection leads to the sandbox, in the clear.
  agent.createConnection = () => connect(Number(new URL(sandbox.url).port), '127.0.0.1');
});
afterEach(async () => {
  agent.destroy();
  await Promise.all([...apps.map((app) => deleteApp(app)), sandbox.close()]);
});

const anyone: Credential = { getAccessToken: async () => ({ access_token: 'anything', expires_in: 3600 }) };
function messaging(credential: Credential = anyone) {
  const app = initializeApp({ projectId: 'acme', credential, httpAgent: agent }, String(Math.random()));
  apps.push(app);
  const service = getMessaging(app);
  service.enableLegacyHttpTransport();
  return service;
}
const push = (token: string): Message => ({
  token,
  notification: { title: 'Hi', body: 'Your parcel is here' },
  data: { deliveryId: 'd1' },
  android: { collapseKey: 'd1', ttl: 3600_000 },
  apns: { payload: { aps: { badge: 1 } } },
  webpush: { fcmOptions: { link: 'https://shop.example/' } },
});

describe('an ordinary push', () => {
  it('is accepted and kept as a person would see it', async () => {
    const name = await messaging().send(push('device-1'));
    expect(name).toMatch(/^projects\/acme\/messages\/0:\d+%[0-9a-f]{16}$/);
    expect(await sandbox.received('push')).toMatchObject([
      {
        to: 'device-1',
        project: 'acme',
        name,
        title: 'Hi',
        body: 'Your parcel is here',
        data: { deliveryId: 'd1' },
      },
    ]);
  });

  it('may go to many devices at once; each has its own answer', async () => {
    const { responses, successCount } = await messaging().sendEach([
      push('device-1'),
      push('token-unregistered-2'),
      push('device-3'),
    ]);
    expect(successCount).toBe(2);
    expect(responses[1]?.error?.code).toBe('messaging/registration-token-not-registered');
    expect((await sandbox.received('push')).map((p) => p.to).sort()).toEqual(['device-1', 'device-3']);
  });

  it('to a topic, or as a dry run', async () => {
    await messaging().send({ topic: 'news', data: { a: '1' } });
    await messaging().send(push('device-1'), true);
    expect((await sandbox.received('push')).map((p) => p.to)).toEqual(['news']);
  });
});

describe('credentials', () => {
  it('a real service account gets its access token here', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'sandbox-'));
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const account = {
      type: 'service_account',
      project_id: 'acme',
      client_email: 'pusher@acme.iam.gserviceaccount.com',
      private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    };
    // firebase-admin hands its agent to the token request only when the account comes from a file.
    const credential = async (email: string) => {
      const path = join(folder, `${email}.json`);
      await writeFile(path, JSON.stringify({ ...account, client_email: email }));
      return cert(path, agent);
    };
    await messaging(await credential('pusher@acme.iam.gserviceaccount.com')).send(push('device-1'));
    expect(await sandbox.received('push')).toHaveLength(1);
    await expect(
      messaging(await credential('wrong@acme.example')).send(push('device-1')),
    ).rejects.toMatchObject({
      code: 'app/invalid-credential',
      message: expect.stringContaining('invalid_grant'),
    });
    await rm(folder, { recursive: true });
  });

  it('an access token that is refused, or none', async () => {
    const wrong: Credential = { getAccessToken: async () => ({ access_token: 'wrong', expires_in: 3600 }) };
    await expect(messaging(wrong).send(push('device-1'))).rejects.toMatchObject({
      code: expect.stringMatching(/^messaging\//),
    });
    const answer = await fetch(`${sandbox.url}/v1/projects/acme/messages:send`, { method: 'POST' });
    expect([answer.status, await answer.json()]).toMatchObject([
      401,
      { error: { status: 'UNAUTHENTICATED' } },
    ]);
  });

  it.each([
    ['another grant', { grant_type: 'password', assertion: 'x' }],
    ['no JWT', { grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', assertion: 'a.b.c' }],
    [
      'an expired JWT',
      {
        grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer',
        assertion: `x.${Buffer.from('{"iss":"a","exp":1}').toString('base64url')}.x`,
      },
    ],
  ])('no access token for %s', async (_name, form) => {
    const answer = await fetch(`${sandbox.url}/token`, { method: 'POST', body: new URLSearchParams(form) });
    expect(answer.status).toBe(400);
    expect(await answer.json()).toHaveProperty('error_description');
  });
});

/** Google's own shape; firebase-admin hides it, so it is looked at over plain HTTP. */
const raw = (message: object, more: object = {}) =>
  fetch(`${sandbox.url}/v1/projects/acme/messages:send`, {
    method: 'POST',
    headers: { authorization: 'Bearer x', 'content-type': 'application/json' },
    body: JSON.stringify({ message, ...more }),
    signal: AbortSignal.timeout(1000),
  });

describe('magic tokens', () => {
  it.each([
    ['token-unregistered-1', 404, 'NOT_FOUND', 'UNREGISTERED'],
    ['token-invalid-1', 400, 'INVALID_ARGUMENT', 'INVALID_ARGUMENT'],
    ['token-mismatch-1', 403, 'PERMISSION_DENIED', 'SENDER_ID_MISMATCH'],
    ['token-quota-1', 429, 'RESOURCE_EXHAUSTED', 'QUOTA_EXCEEDED'],
    ['token-unavailable-1', 503, 'UNAVAILABLE', 'UNAVAILABLE'],
    ['token-internal-1', 500, 'INTERNAL', 'INTERNAL'],
    ['token-apns-1', 401, 'UNAUTHENTICATED', 'THIRD_PARTY_AUTH_ERROR'],
  ])('%s is refused with %i %s %s', async (token, code, status, errorCode) => {
    const answer = await raw({ token });
    expect(answer.status).toBe(code);
    expect(answer.headers.get('retry-after')).toBe(code === 429 || code === 503 ? '2' : null);
    const { error } = (await answer.json()) as { error: object };
    expect(error).toMatchObject({
      code,
      status,
      details: [{ '@type': 'type.googleapis.com/google.firebase.fcm.v1.FcmError', errorCode }],
    });
    expect(sandbox.totals().push).toEqual({ accepted: 0, refused: 1 });
  });

  it.each([
    ['token-unregistered-1', 'messaging/registration-token-not-registered'],
    ['token-invalid-1', 'messaging/invalid-argument'],
    ['token-mismatch-1', 'messaging/mismatched-credential'],
    ['token-quota-1', 'messaging/message-rate-exceeded'],
    ['token-internal-1', 'messaging/internal-error'],
    ['token-apns-1', 'messaging/third-party-auth-error'],
  ])('%s is %s to firebase-admin', async (token, code) => {
    await expect(messaging().send(push(token))).rejects.toMatchObject({ code });
  });

  it.each([
    ['token-quota-once-1', 429],
    ['token-unavailable-once-1', 503],
  ])('%s is refused with %i once', async (token, status) => {
    expect((await raw({ token })).status).toBe(status);
    expect((await raw({ token })).status).toBe(200);
  });

  it.each([
    ['token-silent-1', 1],
    ['token-reset-after-1', 1],
    ['token-reset-1', 0],
  ])('%s gives no answer, and has taken %i', async (token, taken) => {
    await expect(raw({ token })).rejects.toThrow();
    expect(await sandbox.received('push')).toHaveLength(taken);
  });

  it('token-slow- is slow', async () => {
    sandbox.knobs.set({ push: { slowMs: 300 } });
    const before = performance.now();
    await raw({ token: 'token-slow-1' });
    expect(performance.now() - before).toBeGreaterThan(290);
  });
});

it.each([
  ['no recipient', { data: {} }],
  ['two recipients', { token: 'a', topic: 'b' }],
  ['an empty token', { token: '' }],
  ['a field that does not exist', { token: 'a', notificaton: {} }],
  ['data that is not text', { token: 'a', data: { n: 1 } }],
  ['more than 4096 bytes', { token: 'a', data: { n: 'x'.repeat(4096) } }],
])('%s is an INVALID_ARGUMENT', async (_name, message) => {
  const answer = await raw(message);
  expect([answer.status, await answer.json()]).toMatchObject([
    400,
    { error: { status: 'INVALID_ARGUMENT' } },
  ]);
  expect(await sandbox.received('push')).toEqual([]);
});

it('knobs make every token fail', async () => {
  sandbox.knobs.set({ push: { failRate: 1, errorCode: 'INTERNAL' } });
  expect((await raw({ token: 'a' })).status).toBe(500);
});
