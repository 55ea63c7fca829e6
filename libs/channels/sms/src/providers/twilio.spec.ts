import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { WebhookRefused, type Outgoing } from '@carillon/delivery-rules';
import { startSandbox, twilioSignature } from '@carillon/sandbox';
import { describeProvider, sendContext, type TestContext } from '@carillon/testing';
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { RenderedSms } from '../render.js';
import { twilio } from './twilio.js';

const accountSid = 'AC0123456789abcdef0123456789abcdef';
const authToken = '0123456789abcdef0123456789abcdef';
const from = '+15017122661';
const rendered: RenderedSms = { body: 'Your parcel has left Rotterdam', encoding: 'GSM-7', segments: 1 };

describeProvider(twilio, {
  channel: 'sms',
  transport: 'http',
  settings: ({ url }) => ({ accountSid, authToken, from, endpoint: url }),
  wrongCredentials: ({ url }) => ({ accountSid, authToken: 'wrong', from, endpoint: url }),
  rendered,
  // Numbers of https://www.twilio.com/docs/iam/test-credentials, and the sandbox's own beside them.
  addresses: {
    accepted: ['+447700900123', '+33612345678'],
    refused: { to: '+15005550001', reason: 'recipient_unknown' },
    deferred: '+15005550153',
    rateLimited: { to: '+15005550129', retryAfterMs: 2000 },
    resetAfter: '+15005550162',
    silent: '+15005550161',
  },
  webhook: {
    signatureHeader: 'x-twilio-signature',
    receipts: [
      { to: '+447700900123', receipts: [{ status: 'sent' }, { status: 'delivered' }] },
      {
        to: '+15005550103',
        receipts: [{ status: 'sent' }, { status: 'failed', reason: 'recipient_unreachable' }],
      },
      {
        to: '+15005550105',
        receipts: [{ status: 'sent' }, { status: 'failed', reason: 'recipient_unknown' }],
      },
      { to: '+15005550107', receipts: [{ status: 'sent' }, { status: 'failed', reason: 'carrier_blocked' }] },
      { to: '+15005550108', receipts: [{ status: 'failed', reason: 'rejected' }] },
    ],
    strange: (_settings, url) => signed(url, { MessageSid: 'SM1', MessageStatus: 'teleported' }),
  },
});

const signed = (url: string, fields: Record<string, string>, token = authToken) => ({
  method: 'POST',
  url,
  headers: { 'x-twilio-signature': twilioSignature(token, url, fields) },
  rawBody: Buffer.from(new URLSearchParams(fields).toString()),
});

const message: Outgoing<RenderedSms> = {
  deliveryId: '01890000-0000-7000-8000-000000000001',
  attemptId: '01890000-0000-7000-8000-000000000001',
  address: '+447700900123',
  messageClass: 'transactional',
  rendered,
};

describe('what Twilio is asked and answers', () => {
  let server: Server | undefined;
  let test: TestContext<never> | undefined;
  let asked: { url: string; headers: IncomingHttpHeaders; form: Record<string, string> }[] = [];
  const start = async (
    status: number,
    body: unknown,
    headers: Record<string, string> = {},
    settings = {},
  ) => {
    asked = [];
    server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const form = Object.fromEntries(new URLSearchParams(Buffer.concat(chunks).toString()));
        asked.push({ url: request.url ?? '', headers: request.headers, form });
        response.writeHead(status, { 'content-type': 'application/json', ...headers });
        response.end(typeof body === 'string' ? body : JSON.stringify(body));
      });
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}/proxy/`;
    test = sendContext(
      twilio.settings.parse({ accountSid, authToken, from, endpoint, ...settings }) as never,
      {
        callbackUrl: (id) => `https://carillon.test/v1/webhooks/sms/twilio/1?delivery=${id}`,
      },
    );
    return test.context;
  };
  afterEach(async () => {
    await test?.close();
    server?.closeAllConnections();
    server?.close();
  });
  const taken = { sid: 'SM1', status: 'queued', num_segments: '1' };

  it('sends one form, signed in, below the endpoint', async () => {
    const context = await start(201, taken);
    expect(await twilio.send([message], context)).toEqual([
      { kind: 'accepted', providerMessageId: 'SM1', answer: { code: 201, status: 'queued', segments: 1 } },
    ]);
    expect(asked).toHaveLength(1);
    expect(asked[0]?.url).toBe(`/proxy/2010-04-01/Accounts/${accountSid}/Messages.json`);
    expect(asked[0]?.headers.authorization).toBe(
      `Basic ${Buffer.from(`${accountSid}:${authToken}`).toString('base64')}`,
    );
    expect(asked[0]?.form).toEqual({
      To: message.address,
      From: from,
      Body: rendered.body,
      StatusCallback: `https://carillon.test/v1/webhooks/sms/twilio/1?delivery=${message.deliveryId}`,
    });
  });

  it('lets a messaging service pick the sender', async () => {
    const messagingServiceSid = 'MG0123456789abcdef0123456789abcdef';
    await twilio.send([message], await start(201, taken, {}, { messagingServiceSid }));
    expect(asked[0]?.form).toMatchObject({ MessagingServiceSid: messagingServiceSid });
    expect(asked[0]?.form).not.toHaveProperty('From');
  });

  const refusal = (code: number) => ({ code, message: `no: ${message.address}`, status: 400 });
  it.each<[number, unknown, object]>([
    [400, refusal(21211), { kind: 'rejected', reason: 'recipient_unknown' }],
    [400, refusal(21614), { kind: 'rejected', reason: 'recipient_unknown' }],
    [400, refusal(21610), { kind: 'rejected', reason: 'unsubscribed' }],
    [400, refusal(21612), { kind: 'rejected', reason: 'recipient_unreachable' }],
    [400, refusal(21408), { kind: 'rejected', reason: 'recipient_unreachable' }],
    [400, refusal(21617), { kind: 'rejected', reason: 'too_large' }],
    [400, refusal(21606), { kind: 'misconfigured' }],
    [400, refusal(21659), { kind: 'misconfigured' }],
    [400, refusal(21611), { kind: 'rateLimited' }],
    [400, refusal(99999), { kind: 'rejected', reason: 'rejected' }],
    [401, refusal(20003), { kind: 'misconfigured' }],
    [403, {}, { kind: 'misconfigured' }],
    [404, refusal(20404), { kind: 'misconfigured' }],
    [404, '<html>', { kind: 'misconfigured' }],
    [302, '', { kind: 'misconfigured' }],
    [429, refusal(20429), { kind: 'rateLimited', retryAfterMs: 7000 }],
    [429, '<html>', { kind: 'rateLimited', retryAfterMs: 7000 }],
    [503, refusal(20503), { kind: 'deferred', retryAfterMs: 7000 }],
    // Create has no idempotency key: these may come from behind the point where the message was made.
    [500, refusal(20500), { kind: 'unknown' }],
    [502, '<html>', { kind: 'unknown' }],
    [504, '<html>', { kind: 'unknown' }],
    [200, '<html>', { kind: 'unknown' }],
  ])('%i %j is %j, after one request', async (status, body, outcome) => {
    const [given] = await twilio.send([message], await start(status, body, { 'retry-after': '7' }));
    expect(given).toMatchObject(outcome);
    expect(JSON.stringify(given)).not.toContain(message.address);
    expect(asked).toHaveLength(1);
  });

  it.each(['447700900123', '+44 7700 900123', '+0123456789', 'eve@evil.test', '+447700900123\n'])(
    'asks nobody about %j',
    async (address) => {
      const [given] = await twilio.send([{ ...message, address }], await start(201, taken));
      expect(given).toMatchObject({ kind: 'rejected', reason: 'invalid_address' });
      expect(asked).toHaveLength(0);
    },
  );

  it('does not blame a short code for one message abroad', async () => {
    const abroad = await start(400, refusal(21659), {}, { from: '72975' });
    expect(await twilio.send([message], abroad)).toMatchObject([
      { kind: 'rejected', reason: 'recipient_unreachable' },
    ]);
  });

  it('keeps to the segments that the account pays for', async () => {
    const context = await start(201, taken, {}, { maxSegments: 2 });
    const long = { ...message, rendered: { ...rendered, segments: 3 } };
    expect(await twilio.send([long], context)).toMatchObject([{ kind: 'rejected', reason: 'too_large' }]);
    expect(asked).toHaveLength(0);
  });
});

describe('the signature of a callback', () => {
  // The example of https://www.twilio.com/docs/usage/security#validating-requests
  const example = {
    method: 'POST',
    url: 'https://mycompany.com/myapp.php?foo=1&bar=2',
    headers: { 'x-twilio-signature': '0/KCTR6DLpKmkAf8muzZqo1nDgQ=' },
    rawBody: Buffer.from(
      'CallSid=CA1234567890ABCDE&Caller=%2B12349013030&Digits=1234&From=%2B12349013030&To=%2B18005551212',
    ),
  };
  const settings = (token: string) => twilio.settings.parse({ accountSid, authToken: token, from });
  const parse = async (request: typeof example, token: string) =>
    twilio.parseWebhook?.({ ...request }, settings(token), message.deliveryId);

  it("matches Twilio's own example", async () => {
    await expect(parse(example, '12345')).resolves.toEqual([]);
    await expect(parse(example, '12346')).rejects.toThrow(WebhookRefused);
    await expect(parse({ ...example, url: `${example.url}&x=1` }, '12345')).rejects.toThrow(WebhookRefused);
  });

  it.each(['', 'x', '0/KCTR6DLpKmkAf8muzZqo1nDgQ', `${'A'.repeat(10_000)}`])(
    'refuses the signature %j',
    async (signature) => {
      const request = { ...example, headers: { 'x-twilio-signature': signature } };
      await expect(parse(request, '12345')).rejects.toThrow(WebhookRefused);
    },
  );

  it('covers names and values as they were sent, quotes, plus signs and repeats included', async () => {
    const url = 'https://carillon.test:8443/hook?d=1';
    const fields = { MessageSid: 'SM1', MessageStatus: 'delivered', To: '+1 "a\'b" ü&=' };
    await expect(parse(signed(url, fields) as typeof example, authToken)).resolves.toMatchObject([
      { deliveryId: message.deliveryId, status: 'delivered', eventId: 'SM1:delivered' },
    ]);
  });

  it('does not believe the secret of another account', async () => {
    const request = signed(
      'https://carillon.test/hook',
      { MessageSid: 'SM1', MessageStatus: 'sent' },
      'another',
    );
    await expect(parse(request as typeof example, authToken)).rejects.toThrow(WebhookRefused);
  });

  it('knows nothing of a delivery that the callback does not name', async () => {
    const request = signed('https://carillon.test/hook', { MessageSid: 'SM1', MessageStatus: 'sent' });
    expect(await twilio.parseWebhook?.(request, settings(authToken), null)).toEqual([]);
  });

  it.each(['constructor', '__proto__', 'toString'])('takes the word %j for a word', async (MessageStatus) => {
    const request = signed('https://carillon.test/hook', { MessageSid: 'SM1', MessageStatus });
    expect(await parse(request as typeof example, authToken)).toMatchObject([{ status: 'other' }]);
  });
});

describe('settings', () => {
  const good = { accountSid, authToken, from };
  it.each([
    [{ accountSid, authToken }, 'from'],
    [{ ...good, accountSid: 'SK1' }, 'accountSid'],
    [{ ...good, from: 'Aсme' }, 'from'], // the с is Cyrillic
    [{ ...good, from: 'a name that is too long' }, 'from'],
    [{ ...good, maxSegments: 11 }, 'maxSegments'],
    [{ ...good, endpoint: 'ftp://x' }, 'endpoint'],
  ])('%j is refused at %s', (settings, path) => {
    expect(twilio.settings.safeParse(settings).error?.issues.map((i) => i.path[0])).toContain(path);
  });
});

describe('a message whose answer was lost', () => {
  let sandbox: Awaited<ReturnType<typeof startSandbox>>;
  let test: TestContext<never>;
  beforeAll(async () => {
    sandbox = await startSandbox({ port: 0, smtpPort: 0 });
    test = sendContext(
      twilio.settings.parse({ accountSid, authToken, from, endpoint: sandbox.url }) as never,
    );
  });
  afterAll(async () => {
    await test.close();
    await sandbox.close();
  });
  const send = (address: string, body: string) =>
    twilio.send([{ ...message, address, rendered: { ...rendered, body } }], test.context);
  const ask = async (address: string, body: string | null, handedOverAt = new Date()) =>
    (
      await twilio.lookup?.(
        [
          {
            deliveryId: message.deliveryId,
            address,
            handedOverAt,
            content: body === null ? null : { channel: 'sms', sms: { body, encoding: 'GSM-7', segments: 1 } },
          },
        ],
        test.context,
      )
    )?.[0];

  it('is found by recipient, sender, text and time', async () => {
    // Taken, and then the connection breaks.
    const [outcome] = await send('+15005550162', 'Your parcel');
    expect(outcome).toMatchObject({ kind: 'unknown' });
    expect(await ask('+15005550162', 'Your parcel')).toMatchObject({
      kind: 'found',
      status: expect.stringMatching(/sent|delivered/),
      providerMessageId: expect.stringMatching(/^SM/),
    });
    expect(await ask('+15005550162', 'Another parcel')).toMatchObject({ kind: 'unclear' });
    expect(await ask('+447700900999', 'Your parcel')).toMatchObject({ kind: 'unclear' });
    expect(await ask('+15005550162', 'Your parcel', new Date(Date.now() - 3_600_000))).toMatchObject({
      kind: 'unclear',
    });
    expect(await ask('+15005550162', null)).toMatchObject({ kind: 'unclear' });
  });

  it('is not claimed to be one of two alike', async () => {
    await send('+447700900124', 'Twice');
    await send('+447700900124', 'Twice');
    expect(await ask('+447700900124', 'Twice')).toMatchObject({
      kind: 'unclear',
      answer: { message: 'Twilio lists 2 messages like it.' },
    });
  });
});
