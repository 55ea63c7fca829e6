/** The sandbox's own routes over HTTP: reading, knobs, the stream, and who may call them. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { request } from 'node:http';
import nodemailer from 'nodemailer';
import { emailMagic, KnobsError, pushMagic, smsMagic, startSandbox, type SandboxHandle } from './index.js';

let sandbox: SandboxHandle;
beforeEach(async () => {
  sandbox = await startSandbox({ port: 0, smtpPort: 0, publicUrl: 'http://sandbox.internal:3100/' });
});
afterEach(() => sandbox.close());

const base = () => `http://127.0.0.1:${sandbox.port}`;
const get = (path: string) => fetch(base() + path);
const json = async (path: string) => (await get(path)).json() as Promise<Record<string, unknown>>;
const put = (body: string, headers: Record<string, string> = {}) =>
  fetch(`${base()}/sandbox/knobs`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json', ...headers },
    body,
  });
const mail = (to: string, html = '<b>Hi</b><script>alert(1)</script>') =>
  nodemailer.createTransport({ host: '127.0.0.1', port: sandbox.smtpPort }).sendMail({
    from: 'Ada <a@x.example>',
    to,
    subject: 'Hello',
    html,
    attachments: [{ filename: 'a', content: 'x' }],
  });
/** `fetch` sets Host itself. */
async function statusFor(headers: Record<string, string>, method = 'GET', path = '/sandbox/knobs') {
  const call = request(base() + path, { method, headers });
  call.end();
  const [answer] = (await once(call, 'response')) as [{ statusCode: number; resume(): void }];
  answer.resume();
  return answer.statusCode;
}

describe('received', () => {
  it('lists the newest first, in full or as lines', async () => {
    await mail('a@example.com');
    await mail('b@example.com');
    await mail('bounce@example.com').catch(() => undefined);
    expect(await json('/sandbox/received')).toMatchObject({
      data: [
        { to: 'b@example.com' },
        { to: 'a@example.com', subject: 'Hello', html: expect.stringContaining('Hi') },
      ],
      totals: { email: { accepted: 2, refused: 1 } },
    });
    const { data } = (await json('/sandbox/received?view=list&refused=true&channel=email&limit=2')) as {
      data: object[];
    };
    expect(data).toMatchObject([
      { to: 'bounce@example.com', accepted: false, answer: '550 5.1.1 The mailbox does not exist' },
      { to: 'b@example.com', sender: '"Ada" <a@x.example>', snippet: 'Hi', hasHtml: true, attachments: 1 },
    ]);
    expect(data[1]).not.toHaveProperty('html');
  });

  it.each(['channel=fax', 'limit=0', 'limit=x', 'refused=maybe'])('refuses ?%s', async (query) => {
    const answer = await get(`/sandbox/received?${query}`);
    expect(answer.status).toBe(422);
    expect(answer.headers.get('content-type')).toContain('application/problem+json');
    expect(await answer.json()).toMatchObject({
      code: 'invalid_request',
      errors: [{ pointer: `?${query.split('=')[0]}` }],
    });
  });

  it('gives a mail, its HTML under a policy that runs nothing, and its source', async () => {
    await mail('a@example.com');
    const id = (await sandbox.received('email'))[0]?.id;
    expect(await json(`/sandbox/received/${id}`)).toMatchObject({ id, subject: 'Hello' });
    const html = await get(`/sandbox/received/${id}/html`);
    const policy = html.headers.get('content-security-policy') ?? '';
    expect(policy).toContain("default-src 'none'");
    expect(policy).toMatch(/sandbox allow-popups allow-popups-to-escape-sandbox$/);
    expect(policy).not.toMatch(/script-src|allow-scripts|allow-same-origin/);
    expect(await html.text()).toContain('<b>Hi</b>');
    const raw = await get(`/sandbox/received/${id}/raw`);
    expect(raw.headers.get('content-type')).toContain('text/plain');
    expect(await raw.text()).toContain('Subject: Hello');
    for (const path of ['', '/html', '/raw'])
      expect((await get(`/sandbox/received/no${path}`)).status).toBe(404);
  });

  it('is forgotten on clear', async () => {
    await mail('a@example.com');
    expect((await fetch(`${base()}/sandbox/clear`, { method: 'POST' })).status).toBe(204);
    expect(await sandbox.received()).toEqual([]);
  });
});

describe('knobs', () => {
  it('are read, turned one at a time, and reset', async () => {
    const calm = await json('/sandbox/knobs');
    const turned = await put('{"sms":{"failRate":0.5}}');
    expect(await turned.json()).toEqual({ ...calm, sms: { ...(calm.sms as object), failRate: 0.5 } });
    await put('{"email":{"latencyMs":7},"keep":5}');
    expect(await json('/sandbox/knobs')).toMatchObject({
      keep: 5,
      email: { latencyMs: 7 },
      sms: { failRate: 0.5 },
    });
    await fetch(`${base()}/sandbox/knobs`, { method: 'DELETE' });
    expect(await json('/sandbox/knobs')).toEqual(calm);
  });

  it.each([
    ['{"sms":{"failRate":2}}', '/sms/failRate', 'Write a share from 0 to 1.'],
    ['{"sms":{"failRate":"1"}}', '/sms/failRate', 'Write a share from 0 to 1.'],
    ['{"email":{"latencyMs":1.5}}', '/email/latencyMs', 'Write whole milliseconds from 0 to 600000.'],
    ['{"email":{"errorCode":250}}', '/email/errorCode', 'Write an SMTP reply code from 400 to 599.'],
    ['{"sms":{"errorCode":1}}', '/sms/errorCode', expect.stringMatching(/^Write one of: 20003, /)],
    [
      '{"push":{"errorCode":"NO"}}',
      '/push/errorCode',
      expect.stringMatching(/^Write one of: UNREGISTERED, /),
    ],
    [
      '{"push":{"latency":1}}',
      '/push/latency',
      expect.stringMatching(/^There is no such knob. Use one of: latencyMs/),
    ],
    ['{"fax":{}}', '/fax', 'There is no such knob. Use one of: keep, email, sms, push.'],
    ['[]', '', expect.any(String)],
  ])('refuse %s', async (body, pointer, message) => {
    const before = await json('/sandbox/knobs');
    const answer = await put(body);
    expect(answer.status).toBe(422);
    expect(await answer.json()).toMatchObject({ code: 'invalid_request', errors: [{ pointer, message }] });
    expect(await json('/sandbox/knobs')).toEqual(before);
  });

  it('refuse what is not JSON', async () => {
    expect((await put('{')).status).toBe(400);
    expect((await put('a=b', { 'content-type': 'application/x-www-form-urlencoded' })).status).toBe(415);
    expect((await put('{"__proto__":{"x":1}}')).status).toBe(400);
  });

  it('throw the same sentences in code', () => {
    expect(() => sandbox.knobs.set({ push: { failRate: -1 } })).toThrow(KnobsError);
    expect(() => sandbox.knobs.set({ push: { failRate: -1 } })).toThrow(
      '/push/failRate: Write a share from 0 to 1.',
    );
  });
});

it('the stream tells of every change', async () => {
  const answer = await get('/sandbox/stream');
  const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
  const next = async () => (await reader?.read())?.value;
  expect(await next()).toContain('"email":{"accepted":0');
  await mail('a@example.com');
  expect(await next()).toMatch(/^event: changed\ndata: .*"email":\{"accepted":1/);
  sandbox.knobs.set({ email: { latencyMs: 42 } });
  expect(await next()).toContain('"latencyMs":42');
  await sandbox.close();
  await expect(next().then((value) => value ?? Promise.reject(new Error('ended')))).rejects.toThrow();
});

describe('who may call', () => {
  it('the page is served whole, under a strict policy', async () => {
    const page = await get('/');
    expect(page.headers.get('content-security-policy')).not.toMatch(/unsafe|\*/);
    const html = await page.text();
    expect(html).not.toMatch(/<style|style="|<script(?! type="module" src=)/);
    for (const [, path] of html.matchAll(/(?:src|href)="(\/[^"]+)"/g))
      expect((await get(path ?? '')).status).toBe(200);
  });

  it.each(['127.0.0.1:1', 'localhost:3100', '[::1]:3100', 'sandbox.internal', '192.168.0.7'])(
    'by the name %s',
    async (host) => {
      expect(await statusFor({ host })).toBe(200);
    },
  );

  it.each([
    ['another name', { host: 'evil.example' }],
    ['another name with a port', { host: 'evil.example:3100' }],
    ['another page', { host: 'localhost:3100', origin: 'https://evil.example' }],
    ['a frame without origin', { host: 'localhost:3100', origin: 'null' }],
  ])('not by %s', async (_name, headers) => {
    expect(await statusFor(headers)).toBe(403);
    expect(await statusFor(headers, 'POST', '/sandbox/clear')).toBe(403);
    expect(await statusFor(headers, 'GET', '/')).toBe(403);
  });

  it('its own page may', async () => {
    expect(
      await statusFor({ host: 'localhost:3100', origin: 'http://localhost:3100' }, 'POST', '/sandbox/clear'),
    ).toBe(204);
  });
});

it('the magic addresses on the page and in docs/sandbox.md are those of the servers', async () => {
  const shown = (await json('/sandbox/magic')) as unknown as Record<string, { address: string }[]>;
  expect(shown.sms?.map(({ address }) => address)).toEqual(Object.keys(smsMagic));
  const page = await readFile(new URL('../../../docs/sandbox.md', import.meta.url), 'utf8');
  const rowsOfPage = page.replace(/ +/g, ' ');
  const rows = { ...emailMagic, ...smsMagic, ...pushMagic };
  for (const [key, { sentence }] of Object.entries(rows)) {
    const name = key in emailMagic ? `${key}@` : key;
    expect(rowsOfPage).toContain(`| \`${name}\` | ${sentence} |`);
  }
});

it('does not start on a port that is taken, and leaves nothing open', async () => {
  const options = { port: sandbox.port, smtpPort: 0 };
  await expect(startSandbox(options)).rejects.toMatchObject({ code: 'EADDRINUSE' });
  await expect(startSandbox({ port: 0, smtpPort: sandbox.smtpPort })).rejects.toMatchObject({
    code: 'EADDRINUSE',
  });
});
