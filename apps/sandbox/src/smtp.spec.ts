/** The mail server as nodemailer sees it. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { setImmediate } from 'node:timers/promises';
import nodemailer from 'nodemailer';
import { startSandbox, type SandboxHandle } from './index.js';

let sandbox: SandboxHandle;
beforeEach(async () => {
  sandbox = await startSandbox({ port: 0, smtpPort: 0 });
  sandbox.knobs.set({ email: { slowMs: 50 } });
});
afterEach(() => sandbox.close());

const transport = (more: object = {}) =>
  nodemailer.createTransport({
    host: '127.0.0.1',
    port: sandbox.smtpPort,
    secure: false,
    socketTimeout: 1500,
    ...more,
  });
const send = (to: string, more: object = {}, settings: object = {}) =>
  transport(settings).sendMail({ from: 'Ada <ada@shop.example>', to, subject: 'Hi', text: 'Hello', ...more });
const refusal = (
  to: string,
  more: object = {},
  settings: object = {},
): Promise<{ responseCode?: number; code?: string }> =>
  send(to, more, settings).then(
    () => {
      throw new Error(`${to} was accepted`);
    },
    (error: { responseCode?: number; code?: string }) => error,
  );

describe('an ordinary mail', () => {
  it('is accepted with a queue id and lies in the mailbox as it was written', async () => {
    const info = await send('Zoë <zoe@example.com>', {
      subject: 'Grüße 🎉',
      html: '<p>Hällo</p>',
      attachments: [{ filename: 'a.txt', content: 'abc' }],
      headers: { 'List-Unsubscribe': '<https://shop.example/u?x=1>' },
    });
    const [mail] = await sandbox.received('email');
    expect(info.response).toBe(`250 2.0.0 Ok: queued as ${mail?.id}`);
    expect(mail).toMatchObject({
      to: 'zoe@example.com',
      from: 'ada@shop.example',
      subject: 'Grüße 🎉',
      text: 'Hello',
      html: '<p>Hällo</p>',
      attachments: [{ filename: 'a.txt', contentType: 'text/plain', size: 3 }],
      accepted: true,
    });
    expect(mail?.header['list-unsubscribe']).toBe('<https://shop.example/u?x=1>');
    expect(mail?.header['message-id']).toBe(info.messageId);
  });

  it('is one mail per recipient, and a refused one does not stop the others', async () => {
    await send('a@example.com, bounce@example.com, b@example.com');
    expect((await sandbox.received('email')).map((m) => m.to)).toEqual(['a@example.com', 'b@example.com']);
    expect(sandbox.totals().email).toEqual({ accepted: 2, refused: 1 });
  });

  it('passes through a pool of connections', async () => {
    const pool = transport({ pool: true, maxConnections: 3 });
    const mails = Array.from({ length: 60 }, (_, i) => ({
      from: 'a@x.example',
      to: `p${i}@example.com`,
      text: 'x',
    }));
    await Promise.all(mails.map((mail) => pool.sendMail(mail)));
    pool.close();
    expect(new Set((await sandbox.received('email')).map((m) => m.to)).size).toBe(60);
  });

  it('may come with a login or over STARTTLS', async () => {
    await send('a@example.com', {}, { auth: { user: 'me', pass: 'secret' } });
    await send('b@example.com', {}, { requireTLS: true, tls: { rejectUnauthorized: false } });
    expect(await sandbox.received('email')).toHaveLength(2);
  });
});

describe('magic recipients', () => {
  it.each([
    ['bounce@example.com', 550],
    ['bounce+42@example.com', 550],
    ['BOUNCE@example.com', 550],
    ['blocked@example.com', 550],
    ['full@example.com', 452],
    ['busy@example.com', 421],
    ['reject-data@example.com', 554],
  ])('%s is refused with %i', async (to, code) => {
    expect(await refusal(to)).toMatchObject({ responseCode: code });
    expect(await sandbox.received('email')).toEqual([]);
    expect(await sandbox.list({ refused: true })).toMatchObject([{ accepted: false, to }]);
  });

  it.each([
    ['defer@example.com', 451],
    ['defer-data@example.com', 451],
  ])('%s is refused with %i once, for each message again', async (to, code) => {
    for (const round of [1, 2]) {
      expect(await refusal(to)).toMatchObject({ responseCode: code });
      await send(to);
      expect(await sandbox.received('email')).toHaveLength(round);
    }
  });

  it('slow@ is accepted, later', async () => {
    sandbox.knobs.set({ email: { slowMs: 300 } });
    const before = performance.now();
    await send('slow@example.com');
    expect(performance.now() - before).toBeGreaterThan(290);
  });

  it.each([
    ['reset@example.com', 0],
    ['reset-after@example.com', 1],
    ['silent@example.com', 1],
    ['silent-recipient@example.com', 0],
  ])('%s gives no answer, and has taken %i', async (to, taken) => {
    const error = await refusal(to, {}, { socketTimeout: 400 });
    expect(error.responseCode).toBeUndefined();
    expect(await sandbox.received('email')).toHaveLength(taken);
  });

  it('reset@ breaks inside a body that is still being written', async () => {
    await refusal('reset@example.com', { text: 'x'.repeat(4_000_000) });
    expect(await sandbox.received('email')).toEqual([]);
  });

  it('the password "wrong" and the sender denied@ are refused', async () => {
    expect(await refusal('a@example.com', {}, { auth: { user: 'me', pass: 'wrong' } })).toMatchObject({
      responseCode: 535,
    });
    expect(await refusal('a@example.com', { from: 'denied@example.com' })).toMatchObject({
      responseCode: 553,
    });
  });

  it('refuses more than 25 MB with 552', async () => {
    const settings = { socketTimeout: 20_000 };
    const raw = Buffer.alloc(26 * 1024 * 1024, 'abcdefghi\r\n');
    expect(await refusal('a@example.com', { raw }, settings)).toMatchObject({ responseCode: 552 });
    expect(await sandbox.received('email')).toEqual([]);
  });
});

describe('knobs', () => {
  it('failRate refuses with the chosen code', async () => {
    sandbox.knobs.set({ email: { failRate: 1, errorCode: 550 } });
    expect(await refusal('a@example.com')).toMatchObject({ responseCode: 550 });
    sandbox.knobs.reset();
    await send('a@example.com');
  });

  it('silentRate takes the mail and says nothing', async () => {
    sandbox.knobs.set({ email: { silentRate: 1 } });
    await refusal('a@example.com', {}, { socketTimeout: 300 });
    expect(await sandbox.received('email')).toHaveLength(1);
  });

  it('keep 0 counts but keeps nothing', async () => {
    sandbox.knobs.set({ keep: 0 });
    await send('a@example.com');
    expect(await sandbox.received()).toEqual([]);
    expect(sandbox.totals().email.accepted).toBe(1);
  });
});

it('stops at once while connections are open and answers are due', async () => {
  const pool = transport({ pool: true, socketTimeout: 60_000 });
  await pool.sendMail({ from: 'a@x.example', to: 'b@example.com', text: 'x' });
  const silent = refusal('silent@example.com', {}, { socketTimeout: 60_000 });
  while (sandbox.totals().email.accepted < 2) await setImmediate();
  const before = performance.now();
  await sandbox.close();
  expect(performance.now() - before).toBeLessThan(500);
  await silent;
  pool.close();
});
