import { afterEach, describe, expect, it } from '@jest/globals';
import type { Outgoing } from '@carillon/delivery-rules';
import { describeProvider, sendContext, type TestContext } from '@carillon/testing';
import { createPublicKey, generateKeyPairSync, verify } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { RenderedPush } from '../render.js';
import { fcm } from './fcm.js';

const { privateKey } = generateKeyPairSync('rsa', {
  modulusLength: 2048,
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  publicKeyEncoding: { type: 'spki', format: 'pem' },
});
const serviceAccount = (client = 'sender') =>
  JSON.stringify({
    type: 'service_account',
    project_id: 'acme-parcels',
    private_key_id: 'key-1',
    client_email: `${client}@acme-parcels.iam.gserviceaccount.com`,
    private_key: privateKey,
  });
const rendered: RenderedPush = {
  title: 'Parcel on its way',
  body: 'It has left Rotterdam.',
  url: 'https://acme.test/parcels/7',
  imageUrl: null,
  data: { parcel: 'parcel-0007' },
  collapseKey: null,
};

describeProvider(fcm, {
  channel: 'push',
  transport: 'http',
  settings: ({ url }) => ({ serviceAccount: serviceAccount(), endpoint: url }),
  wrongCredentials: ({ url }) => ({ serviceAccount: serviceAccount('wrong'), endpoint: url }),
  rendered,
  addresses: {
    accepted: ['device-of-ada-000001', 'device-of-grace-00002'],
    refused: { to: 'token-unregistered-1', reason: 'device_unregistered' },
    deferred: 'token-unavailable-1',
    rateLimited: { to: 'token-quota-1', retryAfterMs: 2000 },
    resetAfter: 'token-reset-after-1',
    silent: 'token-silent-1',
  },
  webhook: null,
});

const message: Outgoing<RenderedPush> = {
  deliveryId: '01890000-0000-7000-8000-000000000001',
  attemptId: 'device-1',
  address: 'device-of-ada-000001',
  messageClass: 'transactional',
  rendered,
};

interface Answer {
  status: number;
  body: unknown;
  headers?: Record<string, string>;
}
const granted: Answer = { status: 200, body: { access_token: 'ya29.secret', expires_in: 3599 } };
const taken: Answer = { status: 200, body: { name: 'projects/acme-parcels/messages/1' } };

describe('what Google is asked and answers', () => {
  let server: Server | undefined;
  let test: TestContext<never> | undefined;
  let asked: { url: string; authorization: string | undefined; body: string }[] = [];
  const start = async (answers: { token?: Answer; send?: Answer }) => {
    asked = [];
    server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const url = request.url ?? '';
        asked.push({
          url,
          authorization: request.headers.authorization,
          body: Buffer.concat(chunks).toString(),
        });
        const { status, body, headers } = (url === '/token' ? answers.token : answers.send) ?? granted;
        response.writeHead(status, { 'content-type': 'application/json', ...headers });
        response.end(typeof body === 'string' ? body : JSON.stringify(body));
      });
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    test = sendContext(fcm.settings.parse({ serviceAccount: serviceAccount(), endpoint }) as never);
    return test.context;
  };
  afterEach(async () => {
    await test?.close();
    server?.closeAllConnections();
    server?.close();
  });
  const sends = () => asked.filter(({ url }) => url.endsWith('messages:send'));

  it('signs in once per hour, not per message', async () => {
    const context = await start({ send: taken });
    await fcm.send([message, message], context);
    await fcm.send([message], context);
    expect(asked.map(({ url }) => url).sort()).toEqual(
      ['/token', ...Array<string>(3).fill('/v1/projects/acme-parcels/messages:send')].sort(),
    );
    expect(sends().every(({ authorization }) => authorization === 'Bearer ya29.secret')).toBe(true);
    const form = new URLSearchParams(asked[0]?.body);
    expect(form.get('grant_type')).toBe('urn:ietf:params:oauth:grant-type:jwt-bearer');
    const [header = '', claims = '', signature = ''] = form.get('assertion')?.split('.') ?? [];
    const json = (part: string) => JSON.parse(Buffer.from(part, 'base64url').toString()) as object;
    expect(json(header)).toEqual({ alg: 'RS256', typ: 'JWT', kid: 'key-1' });
    expect(json(claims)).toMatchObject({
      iss: 'sender@acme-parcels.iam.gserviceaccount.com',
      scope: 'https://www.googleapis.com/auth/firebase.messaging',
      aud: 'https://oauth2.googleapis.com/token',
    });
    const signed = Buffer.from(`${header}.${claims}`);
    expect(
      verify('RSA-SHA256', signed, createPublicKey(privateKey), Buffer.from(signature, 'base64url')),
    ).toBe(true);
  });

  it('marks the message so that a duplicate replaces itself on the device', async () => {
    await fcm.send([message], await start({ send: taken }));
    const sent = JSON.parse(sends()[0]?.body ?? '{}') as { message: unknown };
    expect(sent.message).toEqual({
      token: message.address,
      notification: { title: rendered.title, body: rendered.body },
      data: { parcel: 'parcel-0007', url: rendered.url, deliveryId: message.deliveryId },
      android: { notification: { tag: message.deliveryId } },
      apns: { headers: { 'apns-collapse-id': message.deliveryId } },
      webpush: { notification: { tag: message.deliveryId }, fcmOptions: { link: rendered.url } },
    });
  });

  it('lets a message replace earlier ones', async () => {
    const score = { ...message, rendered: { ...rendered, collapseKey: 'score' } };
    await fcm.send([score], await start({ send: taken }));
    expect(JSON.parse(sends()[0]?.body ?? '{}')).toMatchObject({
      message: {
        android: { collapse_key: 'score', notification: { tag: 'score' } },
        apns: { headers: { 'apns-collapse-id': 'score' } },
      },
    });
  });

  const fcmError = (status: number, errorCode: string): Answer => ({
    status,
    headers: { 'retry-after': '7' },
    body: {
      error: {
        code: status,
        message: `no: ${message.address}`,
        status: 'SOME_STATUS',
        details: [{ '@type': 'type.googleapis.com/google.firebase.fcm.v1.FcmError', errorCode }],
      },
    },
  });
  // The two examples of https://firebase.google.com/docs/cloud-messaging/error-codes
  const badValue: Answer = {
    status: 400,
    body: {
      error: {
        code: 400,
        message: "Invalid value at 'message.data[0].value' (TYPE_STRING), 12",
        status: 'INVALID_ARGUMENT',
        details: [
          {
            '@type': 'type.googleapis.com/google.rpc.BadRequest',
            fieldViolations: [
              {
                field: 'message.data[0].value',
                description: "Invalid value at 'message.data[0].value' (TYPE_STRING), 12",
              },
            ],
          },
        ],
      },
    },
  };
  const badToken: Answer = {
    status: 400,
    body: {
      error: {
        code: 400,
        message: 'The registration token is not a valid FCM registration token',
        status: 'INVALID_ARGUMENT',
        details: [
          {
            '@type': 'type.googleapis.com/google.firebase.fcm.v1.FcmError',
            errorCode: 'INVALID_ARGUMENT',
          },
        ],
      },
    },
  };
  const googleError = (status: number, word: string): Answer => ({
    status,
    headers: { 'retry-after': '7' },
    body: { error: { code: status, message: 'no', status: word } },
  });
  it.each<[Answer, object]>([
    [fcmError(404, 'UNREGISTERED'), { kind: 'rejected', reason: 'device_unregistered' }],
    [badToken, { kind: 'rejected', reason: 'recipient_unknown' }],
    [badValue, { kind: 'rejected', reason: 'content_refused' }],
    // One stray token must not stop everybody's pushes.
    [fcmError(403, 'SENDER_ID_MISMATCH'), { kind: 'rejected', reason: 'recipient_unreachable' }],
    [fcmError(429, 'QUOTA_EXCEEDED'), { kind: 'rateLimited', retryAfterMs: 7000 }],
    [fcmError(503, 'UNAVAILABLE'), { kind: 'deferred', retryAfterMs: 7000 }],
    [fcmError(500, 'INTERNAL'), { kind: 'unknown' }],
    [fcmError(401, 'THIRD_PARTY_AUTH_ERROR'), { kind: 'misconfigured' }],
    [googleError(401, 'UNAUTHENTICATED'), { kind: 'misconfigured' }],
    [googleError(403, 'PERMISSION_DENIED'), { kind: 'misconfigured' }],
    [googleError(404, 'NOT_FOUND'), { kind: 'misconfigured' }],
    [googleError(429, 'RESOURCE_EXHAUSTED'), { kind: 'rateLimited', retryAfterMs: 7000 }],
    [googleError(503, 'UNAVAILABLE'), { kind: 'deferred', retryAfterMs: 7000 }],
    [{ status: 502, body: '<html>' }, { kind: 'unknown' }],
    [{ status: 200, body: '<html>' }, { kind: 'unknown' }],
    [{ status: 302, body: '' }, { kind: 'misconfigured' }],
  ])('%j is %j, after one request', async (answer, outcome) => {
    const [given] = await fcm.send([message], await start({ send: answer }));
    expect(given).toMatchObject(outcome);
    expect(JSON.stringify(given)).not.toContain(message.address);
    expect(sends()).toHaveLength(1);
  });

  it.each<[Answer, object]>([
    [
      { status: 400, body: { error: 'invalid_grant', error_description: 'No such account' } },
      { kind: 'misconfigured' },
    ],
    [{ status: 401, body: { error: 'invalid_client' } }, { kind: 'misconfigured' }],
    [{ status: 500, body: '' }, { kind: 'deferred' }],
    [{ status: 429, body: '' }, { kind: 'deferred' }],
    [{ status: 200, body: '<html>' }, { kind: 'deferred' }],
  ])('with %j for a token nothing is sent: %j', async (token, outcome) => {
    const context = await start({ token, send: taken });
    expect(await fcm.send([message], context)).toMatchObject([outcome]);
    expect(sends()).toHaveLength(0);
    // It is asked again for the next batch.
    await fcm.send([message], context);
    expect(asked).toHaveLength(2);
  });
});

describe('settings', () => {
  it.each(['', '{}', 'not JSON', serviceAccount().replace('BEGIN', 'BROKEN'), '[]', 'null'])(
    'a service account such as %j is refused',
    (text) => expect(fcm.settings.safeParse({ serviceAccount: text }).success).toBe(false),
  );
});
