/** Twilio's REST API as the official client sees it, and its callbacks as a webhook route sees them. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import parsePhoneNumber from 'libphonenumber-js/max';
import { EventEmitter, once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import twilio from 'twilio';
import { smsMagic, startSandbox, type SandboxHandle } from './index.js';

const sid = `AC${'a1'.repeat(16)}`;
const token = 'a-secret-token';
const from = '+15005550006';
const mobile = '+12025550143';

let sandbox: SandboxHandle;
let hook: Server;
let hookUrl: string;
let arrivals: EventEmitter;
let posts: { signature: string; params: Record<string, string> }[];

/** Requests for api.twilio.com go to the sandbox instead: all that a test or a provider account has to change. */
class Redirected extends twilio.RequestClient {
  override request<T>(options: Parameters<typeof twilio.RequestClient.prototype.request<T>>[0]) {
    const { pathname, search } = new URL(options.uri);
    return super.request<T>({ ...options, uri: sandbox.url + pathname + search });
  }
}
const client = (authToken = token, timeout = 5000) =>
  twilio(sid, authToken, { httpClient: new Redirected({ timeout }) });
const send = (to: string, more: object = {}, using = client()) =>
  using.messages.create({ to, from, body: 'Hello', statusCallback: hookUrl, ...more });

async function callbacks(count: number) {
  while (posts.length < count) await once(arrivals, 'post');
  return posts;
}

beforeEach(async () => {
  sandbox = await startSandbox({ port: 0, smtpPort: 0 });
  sandbox.knobs.set({ sms: { receiptMs: 0, slowMs: 50 } });
  posts = [];
  arrivals = new EventEmitter();
  const receive = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    let body = '';
    for await (const chunk of request) body += chunk;
    posts.push({
      signature: String(request.headers['x-twilio-signature']),
      params: Object.fromEntries(new URLSearchParams(body)),
    });
    if (body.includes('SmsStatus=received'))
      response.writeHead(200).end('<Response><Message>Bye &amp; thanks &lt;3</Message></Response>');
    else response.writeHead(204).end();
    arrivals.emit('post');
  };
  hook = createServer((request, response) => void receive(request, response));
  hook.listen(0, '127.0.0.1');
  await once(hook, 'listening');
  hookUrl = `http://127.0.0.1:${(hook.address() as AddressInfo).port}/v1/webhooks/sms/twilio/acc_1?b=2&a=1`;
});
afterEach(async () => {
  await sandbox.close();
  hook.closeAllConnections();
  hook.close();
});

describe('an ordinary message', () => {
  it('is answered in the shape that the client expects', async () => {
    sandbox.knobs.set({ sms: { receiptMs: 600_000 } });
    const message = await send(mobile, { body: 'Grüße '.repeat(40) });
    expect(message).toMatchObject({
      status: 'queued',
      to: mobile,
      from,
      accountSid: sid,
      numSegments: '2',
      direction: 'outbound-api',
      errorCode: null,
      apiVersion: '2010-04-01',
      dateSent: null,
    });
    expect(message.sid).toMatch(/^SM[0-9a-f]{32}$/);
    expect(Math.abs(message.dateCreated.getTime() - Date.now())).toBeLessThan(5000);
    expect(await sandbox.received('sms')).toMatchObject([
      { sid: message.sid, segments: 2, encoding: 'GSM-7' },
    ]);
  });

  it('is followed by signed callbacks: sent, then delivered', async () => {
    const message = await send(mobile);
    const [sent, delivered] = await callbacks(2);
    expect(sent?.params).toEqual({
      AccountSid: sid,
      ApiVersion: '2010-04-01',
      From: from,
      To: mobile,
      MessageSid: message.sid,
      SmsSid: message.sid,
      MessageStatus: 'sent',
      SmsStatus: 'sent',
    });
    expect(delivered?.params.MessageStatus).toBe('delivered');
    for (const { signature, params } of posts) {
      expect(twilio.validateRequest(token, signature, hookUrl, params)).toBe(true);
      expect(twilio.validateRequest('another-token', signature, hookUrl, params)).toBe(false);
      expect(twilio.validateRequest(token, signature, hookUrl, { ...params, To: '+1' })).toBe(false);
    }
  });

  it('can be looked up by id and by recipient, over pages', async () => {
    for (let i = 0; i < 5; i++) await send(mobile, { body: `n${i}`, statusCallback: undefined });
    const other = await send('+12025550199');
    await callbacks(2);
    expect(await client().messages(other.sid).fetch()).toMatchObject({
      status: 'delivered',
      to: '+12025550199',
    });
    const found = await client().messages.list({ to: mobile, pageSize: 2 });
    expect(found.map((m) => m.body)).toEqual(['n4', 'n3', 'n2', 'n1', 'n0']);
    expect(
      await client().messages.list({ to: mobile, dateSentAfter: new Date(Date.now() + 60_000) }),
    ).toEqual([]);
    const another = twilio(`AC${'b'.repeat(32)}`, token, { httpClient: new Redirected() });
    expect(await another.messages.list()).toEqual([]);
    await expect(another.messages(other.sid).fetch()).rejects.toMatchObject({ status: 404, code: 20404 });
  });

  it('of a messaging service starts as accepted', async () => {
    const message = await send(mobile, { from: undefined, messagingServiceSid: `MG${'c'.repeat(32)}` });
    expect(message).toMatchObject({ status: 'accepted', from: null });
    const [sent] = await callbacks(1);
    expect(sent?.params).toMatchObject({ MessagingServiceSid: `MG${'c'.repeat(32)}` });
  });
});

describe('a reply', () => {
  const reply = async (id: string | undefined, body: unknown): Promise<Response> =>
    fetch(`${sandbox.url}/sandbox/received/${id}/replies`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ body }),
    });
  const latest = async () => (await sandbox.received('sms')).at(-1);

  it('is posted to the webhook as Twilio signs it, and its answer is shown', async () => {
    await send(mobile);
    await callbacks(2);
    const answer = await reply((await latest())?.id, ' Stop, please ');
    expect(answer.status).toBe(201);
    const written = { body: 'Stop, please', answer: '200', answered: 'Bye & thanks <3' };
    expect(await answer.json()).toMatchObject(written);
    const { signature = '', params = {} } = posts[2] ?? {};
    expect(params).toEqual({
      AccountSid: sid,
      ApiVersion: '2010-04-01',
      Body: 'Stop, please',
      From: mobile,
      To: from,
      MessageSid: expect.stringMatching(/^SM[0-9a-f]{32}$/),
      SmsMessageSid: params.MessageSid,
      SmsSid: params.MessageSid,
      NumMedia: '0',
      NumSegments: '1',
      SmsStatus: 'received',
    });
    // Texts go where the number points, which knows nothing of one message.
    const number = hookUrl.replace(/\?.*/, '');
    expect(twilio.validateRequest(token, signature, number, params)).toBe(true);
    expect(twilio.validateRequest(token, signature, hookUrl, params)).toBe(false);
    expect((await latest())?.replies).toEqual([expect.objectContaining(written)]);
    // Who looks at the sandbox does not learn the token of the account.
    expect(JSON.stringify(await latest())).not.toContain(token);
  });

  it.each([
    ['without a callback', { statusCallback: undefined }, 'named no status callback'],
    ['from a name', { from: 'Carillon' }, 'Nobody can write to the name Carillon'],
  ])('to a message %s is refused with a sentence', async (_name, more, sentence) => {
    await send(mobile, more);
    const answer = await reply((await latest())?.id, 'STOP');
    expect([answer.status, await answer.json()]).toMatchObject([
      409,
      { detail: expect.stringContaining(sentence) },
    ]);
  });

  it('needs a text, and a message that is kept', async () => {
    await send(mobile, { statusCallback: undefined });
    expect((await reply((await latest())?.id, ' ')).status).toBe(422);
    expect((await reply('none', 'STOP')).status).toBe(404);
  });
});

describe('refusals', () => {
  it.each([
    ['no number', 'hello', {}, 21211],
    ['a national number', '2025550143', {}, 21211],
    ['no body', mobile, { body: undefined }, 21602],
    ['no sender', mobile, { from: undefined }, 21603],
    ['to itself', mobile, { from: mobile }, 21266],
    ['a sender that is not one', mobile, { from: 'much too long a name' }, 21212],
    ['a sender of somebody else', mobile, { from: '+15005550007' }, 21606],
    ['a full sender queue', mobile, { from: '+15005550008' }, 21611],
    ['1601 characters', mobile, { body: 'x'.repeat(1601) }, 21617],
    ['a callback that is no URL', mobile, { statusCallback: 'ftp://x' }, 21609],
  ])('%s', async (_name, to, more, code) => {
    await expect(send(to, more)).rejects.toMatchObject({
      status: 400,
      code,
      moreInfo: `https://www.twilio.com/docs/errors/${code}`,
    });
    expect(await sandbox.received('sms')).toEqual([]);
  });

  it('asks for credentials that fit the account', async () => {
    await expect(send(mobile, {}, client('wrong'))).rejects.toMatchObject({ status: 401, code: 20003 });
    const path = `${sandbox.url}/2010-04-01/Accounts/${sid}/Messages.json`;
    const body = new URLSearchParams({ To: mobile, From: from, Body: 'x' });
    const bare = await fetch(path, { method: 'POST', body });
    expect(bare.status).toBe(401);
    expect(await bare.json()).toMatchObject({ code: 20003, status: 401 });
    const authorization = `Basic ${Buffer.from(`AC${'b'.repeat(32)}:x`).toString('base64')}`;
    expect((await fetch(path, { method: 'POST', body, headers: { authorization } })).status).toBe(401);
  });
});

describe('magic numbers', () => {
  it.each(Object.keys(smsMagic))('%s passes for a number', (number) => {
    const parsed = parsePhoneNumber(number);
    expect([parsed?.isPossible(), parsed?.isValid(), parsed?.number]).toEqual([true, true, number]);
  });

  it.each([
    ['+15005550001', 400, 21211],
    ['+15005550002', 400, 21612],
    ['+15005550003', 400, 21408],
    ['+15005550004', 400, 21610],
    ['+15005550009', 400, 21614],
    ['+15005550129', 429, 20429],
    ['+15005550150', 500, 20500],
    ['+15005550153', 503, 20503],
  ])('%s is refused with %i, %i', async (to, status, code) => {
    await expect(send(to)).rejects.toMatchObject({ status, code });
    expect(sandbox.totals().sms).toEqual({ accepted: 0, refused: 1 });
  });

  it.each([
    ['+15005550130', 20429],
    ['+15005550154', 20503],
  ])('%s is refused with %i once', async (to, code) => {
    await expect(send(to)).rejects.toMatchObject({ code });
    expect((await send(to)).status).toBe('queued');
  });

  it.each([
    ['+15005550101', ['sent', 'delivered'], undefined],
    ['+15005550103', ['sent', 'undelivered'], '30003'],
    ['+15005550104', ['sent', 'undelivered'], '30004'],
    ['+15005550105', ['sent', 'undelivered'], '30005'],
    ['+15005550106', ['sent', 'undelivered'], '30006'],
    ['+15005550107', ['sent', 'undelivered'], '30007'],
    ['+15005550108', ['failed'], '30008'],
    ['+15005550171', ['delivered', 'sent'], undefined],
    ['+15005550172', ['sent', 'delivered', 'delivered', 'delivered'], undefined],
  ])('%s: receipts %j', async (to, statuses, errorCode) => {
    const { sid: messageSid } = await send(to);
    const made = await callbacks(statuses.length);
    expect(made.map(({ params }) => params.MessageStatus)).toEqual(statuses);
    expect(made.at(-1)?.params.ErrorCode).toBe(errorCode);
    const end = statuses.find((status) => status !== 'sent');
    expect((await client().messages(messageSid).fetch()).status).toBe(end);
  });

  it('+15005550173 signs wrongly', async () => {
    await send('+15005550173');
    for (const { signature, params } of await callbacks(2))
      expect(twilio.validateRequest(token, signature, hookUrl, params)).toBe(false);
  });

  it('+15005550170 is accepted and never heard of again', async () => {
    const { sid: messageSid } = await send('+15005550170');
    await send(mobile);
    await callbacks(2); // those of the other message
    expect(posts.filter(({ params }) => params.MessageSid === messageSid)).toEqual([]);
    expect((await client().messages(messageSid).fetch()).status).toBe('queued');
  });

  it.each([
    ['+15005550161', 1],
    ['+15005550162', 1],
    ['+15005550163', 0],
  ])('%s gives no answer, and has taken %i', async (to, taken) => {
    await expect(send(to, {}, client(token, 400))).rejects.not.toHaveProperty('status');
    expect(await client().messages.list({ to })).toHaveLength(taken);
  });

  it('+15005550160 is slow', async () => {
    sandbox.knobs.set({ sms: { slowMs: 300 } });
    const before = performance.now();
    await send('+15005550160');
    expect(performance.now() - before).toBeGreaterThan(290);
  });
});

it('knobs make every number fail, or every receipt bad', async () => {
  sandbox.knobs.set({ sms: { failRate: 1, errorCode: 20429, retryAfterSeconds: 7 } });
  await expect(send(mobile)).rejects.toMatchObject({ status: 429, code: 20429 });
  sandbox.knobs.set({ sms: { failRate: 0, undeliveredRate: 1 } });
  await send(mobile);
  expect((await callbacks(2))[1]?.params).toMatchObject({ MessageStatus: 'undelivered', ErrorCode: '30003' });
});

it('notes a callback that could not be made', async () => {
  const { sid: messageSid } = await send(mobile, { statusCallback: 'http://127.0.0.1:1/nobody' });
  while ((await client().messages(messageSid).fetch()).status !== 'delivered');
  const [kept] = await sandbox.received('sms');
  expect(kept?.callbacks[0]).toEqual({ status: 'sent', answer: 'ECONNREFUSED' });
});
