/** What a newcomer does, through the SDK, on the stack that the README's command starts. Run on each queue backend. */
import { Carillon, IdempotencyMismatchProblem, ValidationProblem, type DeliveryDetail } from '@carillon/sdk';
import { eventually } from '@carillon/testing';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { startStack, type Stack } from './stack.js';

const CLI = fileURLToPath(new URL('../../cli/bin/carillon.mjs', import.meta.url));

interface Received {
  data: { channel: string; to: string; [more: string]: unknown }[];
}
const content = {
  email: {
    subject: 'Order {{ order }}',
    html: '<p>Hello {{ profile.attributes.name }}, order {{ order }} is on its way.</p>',
  },
  sms: { body: 'Order {{ order }} is on its way.' },
  push: { title: 'On its way', body: 'Order {{ order }}' },
  'in-app': { title: 'On its way', body: 'Order {{ order }}' },
};
const ended = ['delivered', 'failed', 'suppressed', 'cancelled', 'expired', 'unknown'];

export function describeFirstMessage(
  name: string,
  environment: () => Promise<{ env: Record<string, string>; close: () => Promise<void> }>,
): void {
  describe(`the first message, ${name}`, () => {
    let stack: Stack;
    let carillon: Carillon;
    let close: () => Promise<void>;

    beforeAll(async () => {
      const { env, close: end } = await environment();
      close = end;
      stack = await startStack({ env });
      carillon = new Carillon({ apiKey: stack.apiKey, baseUrl: stack.url });
    }, 120_000);
    afterAll(async () => {
      const code = await stack?.stop();
      await close?.();
      expect(code).toBe(0);
    }, 60_000);

    const inSandbox = async (query: string): Promise<Received['data']> => {
      const answer = await fetch(`${stack.sandboxUrl}/sandbox/received?${query}`);
      return ((await answer.json()) as Received).data;
    };
    const settled = (id: string, statuses: string[] = ended): Promise<DeliveryDetail> =>
      eventually(async () => {
        const detail = await carillon.deliveries.get(id);
        if (!statuses.includes(detail.status)) throw new Error(`still ${detail.status} (${detail.reason})`);
        return detail;
      }, 20_000);

    it('goes out on all four channels by the real client libraries and comes back as receipts', async () => {
      await carillon.profiles.upsert('grace', {
        email: 'Grace@Example.com',
        phone: '+44 7400 123457',
        timezone: 'Europe/London',
        attributes: { name: 'Grace' },
      });
      await carillon.profiles.addDevice('grace', { token: 'token-grace-1', platform: 'ios' });
      const message = await carillon.messages.send({
        to: { profile: 'grace' },
        channels: ['email', 'sms', 'push', 'in-app'],
        content,
        data: { order: '1042' },
      });
      expect(message.deliveries.map((d) => d.channel)).toEqual(['email', 'sms', 'push', 'in-app']);
      const byChannel = Object.fromEntries(message.deliveries.map((d) => [d.channel, d.id]));

      const email = await settled(byChannel['email'] ?? '', ['sent']);
      expect(email).toMatchObject({
        provider: 'smtp',
        address: 'grace@example.com',
        attempts: 1,
        profile: { externalId: 'grace' },
      });
      expect(email.timeline.map((e) => e.type)).toEqual(['accepted', 'handed_over', 'sent']);
      // The receipt may overtake our own record of the provider's answer.
      const sms = await eventually(async () => {
        const detail = await settled(byChannel['sms'] ?? '', ['delivered']);
        return detail.providerMessageId !== null && detail;
      }, 20_000);
      expect(sms).toMatchObject({
        provider: 'twilio',
        address: '+447400123457',
        providerMessageId: expect.stringMatching(/^SM[0-9a-f]{32}$/),
      });
      const push = await settled(byChannel['push'] ?? '', ['sent']);
      expect(push.timeline.map((e) => e.type)).toEqual(['accepted', 'handed_over', 'device_sent', 'sent']);
      expect(await settled(byChannel['in-app'] ?? '', ['delivered'])).toMatchObject({ provider: 'inbox' });

      expect(await inSandbox('channel=email&to=grace@example.com')).toHaveLength(1);
      expect(await inSandbox(`channel=sms&to=${encodeURIComponent('+447400123457')}`)).toHaveLength(1);
      expect(await inSandbox('channel=push&to=token-grace-1')).toHaveLength(1);
      const rendered = await carillon.deliveries.content(email.id);
      expect(rendered.email?.html).toContain('Hello Grace, order 1042');
    }, 40_000);

    it('tells failures apart: refused, put off, and out of reach', async () => {
      const send = (
        to: { email: string } | { phone: string } | { deviceToken: string },
        channel: 'email' | 'sms' | 'push',
      ) => carillon.messages.send({ to, channels: [channel], content, data: { order: '7' } });
      const [bounce, undelivered, gone] = await Promise.all([
        carillon.messages.send({
          to: { email: 'bounce@example.com' },
          channels: ['email'],
          content: { email: { subject: 'Hi', text: 'Hi' } },
        }),
        send({ phone: '+15005550105' }, 'sms'),
        send({ deviceToken: 'token-unregistered-1' }, 'push'),
      ]);
      expect(await settled(bounce.deliveries[0]?.id ?? '')).toMatchObject({
        status: 'failed',
        reason: 'recipient_unknown',
      });
      expect(await settled(undelivered.deliveries[0]?.id ?? '')).toMatchObject({ status: 'failed' });
      expect(await settled(gone.deliveries[0]?.id ?? '')).toMatchObject({
        status: 'failed',
        reason: 'device_unregistered',
      });
      const explained = await carillon.deliveries.explain(bounce.deliveries[0]?.id ?? '');
      expect(explained.verdict).toBe(
        'This email failed: the provider says that this recipient does not exist.',
      );

      // A hard bounce keeps the next message from that address.
      await eventually(async () => {
        const again = await carillon.messages.send({
          to: { email: 'bounce@example.com' },
          channels: ['email'],
          content: { email: { subject: 'Hi', text: 'Hi' } },
        });
        const detail = await settled(again.deliveries[0]?.id ?? '');
        return detail.status === 'suppressed' && detail.reason === 'hard_bounced';
      }, 15_000);
    }, 60_000);

    it('is one message for 200 equal requests at once, each of which gets its answer', async () => {
      const body = JSON.stringify({
        to: { email: 'parallel@example.com' },
        channels: ['email'],
        content: { email: { subject: 'Once', text: 'Once' } },
      });
      const post = async () => {
        const answer = await fetch(`${stack.url}/v1/messages`, {
          method: 'POST',
          headers: {
            authorization: `Bearer ${stack.apiKey}`,
            'content-type': 'application/json',
            'idempotency-key': 'two-hundred',
          },
          body,
        });
        return {
          status: answer.status,
          replayed: answer.headers.get('idempotent-replayed'),
          text: await answer.text(),
        };
      };
      const answers = await Promise.all(Array.from({ length: 200 }, post));
      expect(new Set(answers.map(({ status, text }) => `${status} ${text}`)).size).toBe(1);
      expect(answers[0]?.status).toBe(202);
      expect(answers.filter(({ replayed }) => replayed === null)).toHaveLength(1);
      expect(answers.filter(({ replayed }) => replayed === 'true')).toHaveLength(199);
    }, 60_000);

    it('is accepted once per idempotency key, and tells what differs', async () => {
      const send = {
        to: { email: 'once@example.com' },
        channels: ['email' as const],
        content: { email: { subject: 'Once', text: 'Once' } },
        idempotencyKey: 'key-1',
      };
      const answers = await Promise.all(Array.from({ length: 30 }, () => carillon.messages.send(send)));
      expect(new Set(answers.map((a) => a.id)).size).toBe(1);
      await settled(answers[0]?.deliveries[0]?.id ?? '', ['sent']);
      expect(await inSandbox('channel=email&to=once@example.com')).toHaveLength(1);
      const other = carillon.messages.send({
        ...send,
        content: { email: { subject: 'Twice', text: 'Once' } },
      });
      await expect(other).rejects.toBeInstanceOf(IdempotencyMismatchProblem);
      await expect(other).rejects.toMatchObject({ errors: [{ pointer: '/content' }] });
    }, 40_000);

    it('waits, moves and can be called back until it leaves', async () => {
      const hour = new Date(Date.now() + 3_600_000);
      const later = {
        channels: ['email' as const],
        content: { email: { subject: 'Later', text: 'Later' } },
        sendAt: hour.toISOString(),
      };
      const cancelled = await carillon.messages.send({ ...later, to: { email: 'cancelled@example.com' } });
      expect(cancelled.deliveries[0]).toMatchObject({ status: 'scheduled', reason: 'send_later' });
      expect(await carillon.messages.cancel(cancelled.id)).toMatchObject({ cancelled: 1, alreadyLeft: 0 });
      expect(await settled(cancelled.deliveries[0]?.id ?? '')).toMatchObject({
        status: 'cancelled',
        reason: 'cancelled_by_request',
      });

      const moved = await carillon.messages.send({ ...later, to: { email: 'moved@example.com' } });
      await carillon.messages.reschedule(moved.id, new Date());
      expect((await settled(moved.deliveries[0]?.id ?? '', ['sent'])).timeline.map((e) => e.type)).toContain(
        'rescheduled',
      );

      const soon = await carillon.messages.send({
        ...later,
        to: { email: 'soon@example.com' },
        sendAt: new Date(Date.now() + 1500).toISOString(),
      });
      const sent = await settled(soon.deliveries[0]?.id ?? '', ['sent']);
      expect(Date.parse(sent.sentAt ?? '')).toBeGreaterThanOrEqual(Date.parse(sent.createdAt) + 1400);
      expect(await inSandbox('channel=email&to=cancelled@example.com')).toHaveLength(0);
    }, 60_000);

    it('comes again after a passing trouble, on the clock of the database', async () => {
      const put = await carillon.messages.send({
        to: { email: 'defer@example.com' },
        channels: ['email'],
        content: { email: { subject: 'Again', text: 'Again' } },
      });
      const sent = await settled(put.deliveries[0]?.id ?? '', ['sent']);
      expect(sent.attempts).toBe(2);
      expect(sent.timeline.map((e) => e.type)).toEqual([
        'accepted',
        'handed_over',
        'deferred',
        'handed_over',
        'sent',
      ]);
    }, 90_000);

    it('refuses what cannot be right with a sentence and a pointer, and lets the good rows of a batch go on', async () => {
      const email = { email: { subject: 'x', text: 'x' } };
      const bad: [Record<string, unknown>, string][] = [
        [{ to: { email: 'a@example.com' }, channels: ['fax'], content: email }, '/channels/0'],
        [
          {
            to: { email: 'a@example.com' },
            channels: ['email'],
            route: [{ channel: 'email' }],
            content: email,
          },
          '/route',
        ],
        [{ to: { email: 'not an address' }, channels: ['email'], content: email }, '/to/email'],
        [{ to: { phone: '12' }, channels: ['sms'], content: { sms: { body: 'x' } } }, '/to/phone'],
        [{ to: { profile: 'nobody-has-this-id' }, channels: ['email'], content: email }, '/to/profile'],
        [{ to: { email: 'a@example.com' }, channels: ['email'], template: 'no-such-template' }, '/template'],
        [
          {
            to: { email: 'a@example.com' },
            channels: ['email'],
            content: { email: { subject: 'Hi {{ name }}', text: 'x' } },
          },
          '/data/name',
        ],
        [
          {
            to: { email: 'a@example.com' },
            channels: ['email'],
            content: { email: { subject: 'Hi {{ name', text: 'x' } },
          },
          '/content/email/subject',
        ],
        [
          {
            to: { email: 'a@example.com' },
            channels: ['email'],
            content: { email: { subject: 'a\r\nBcc: b@example.com', text: 'x' } },
          },
          '/content/email/subject',
        ],
        [
          {
            to: { email: 'a@example.com' },
            channels: ['email'],
            content: email,
            expiresAt: '2020-01-01T00:00:00Z',
          },
          '/expiresAt',
        ],
        [
          {
            to: { profile: { externalId: 'z', timezone: 'Mars/Olympus' } },
            channels: ['email'],
            content: email,
          },
          '/to/profile/timezone',
        ],
        [{ to: { email: 'a@example.com' }, channels: ['email'], content: email, colour: 'red' }, '/colour'],
      ];
      const key = { idempotencyKey: 'batch-1' };
      const good = { to: { email: 'good@example.com' }, channels: ['email' as const], content: email };
      // Sent as they are: the SDK's types would not let them pass.
      const batch = await carillon.messages.sendBatch([
        ...bad.map(([m]) => m),
        { ...good, ...key },
        { ...good, ...key },
      ] as never);
      for (const [n, [, pointer]] of bad.entries()) {
        const result = batch.results[n];
        expect(result).toMatchObject({ index: n, ok: false });
        expect({ n, pointers: result && !result.ok ? result.errors.map((e) => e.pointer) : [] }).toEqual({
          n,
          pointers: expect.arrayContaining([pointer]) as unknown as string[],
        });
      }
      expect(batch).toMatchObject({ accepted: 2, failed: bad.length });
      expect(batch.results.slice(-2)).toEqual([
        expect.objectContaining({ ok: true, replayed: false }),
        expect.objectContaining({ ok: true, replayed: true }),
      ]);
      await expect(carillon.messages.send(bad[2]?.[0] as never)).rejects.toBeInstanceOf(ValidationProblem);
      // A key that reaches for a prototype is no mistake of one row.
      const forged = JSON.parse('{"__proto__": {"admin": true}}') as Record<string, string>;
      await expect(carillon.messages.send({ ...good, data: forged })).rejects.toMatchObject({
        errors: [{ pointer: '/data/__proto__' }],
      });
      const answer = await fetch(`${stack.url}/v1/messages`, {
        method: 'POST',
        headers: { authorization: `Bearer ${stack.apiKey}`, 'content-type': 'application/json' },
        body: `{"x": "${'y'.repeat(2_000_000)}"}`,
      });
      expect(answer.status).toBe(413);
      expect(answer.headers.get('content-type')).toContain('application/problem+json');
    }, 40_000);

    it('follows a route: the next step goes when the one before fails, and not when it arrived', async () => {
      const route = [
        { channel: 'push' as const },
        { channel: 'sms' as const, after: '1h', unless: 'delivered' as const },
      ];
      await carillon.profiles.upsert('fallback', { phone: '+447400123458' });
      const fallen = await carillon.messages.send({
        to: { profile: 'fallback' },
        route,
        content,
        data: { order: '9' },
      });
      expect(await settled(fallen.deliveries[0]?.id ?? '')).toMatchObject({
        status: 'suppressed',
        reason: 'no_address',
      });
      expect(await settled(fallen.deliveries[1]?.id ?? '', ['delivered'])).toMatchObject({ channel: 'sms' });
    }, 40_000);

    it('hears STOP and START from the phone: nothing leaves in between', async () => {
      const phone = '+447400123459';
      await carillon.profiles.upsert('stan', { phone });
      const text = async (): Promise<DeliveryDetail> => {
        const sent = await carillon.messages.send({
          to: { profile: 'stan' },
          channels: ['sms'],
          content,
          data: { order: '9' },
        });
        return settled(sent.deliveries[0]?.id ?? '');
      };
      const id = (await text()).id;
      const [kept] = await inSandbox(`channel=sms&to=${encodeURIComponent(phone)}`);
      const write = async (body: string): Promise<void> => {
        const answer = await fetch(`${stack.sandboxUrl}/sandbox/received/${String(kept?.['id'])}/replies`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ body }),
        });
        expect(await answer.json()).toMatchObject({ answer: '200' });
      };
      await write('Stop please');
      expect(await text()).toMatchObject({ status: 'suppressed', reason: 'unsubscribed' });
      const { timeline } = await carillon.deliveries.get(id);
      expect(timeline.filter(({ type }) => type === 'replied')).toHaveLength(1);
      await write('START');
      expect(await text()).toMatchObject({ status: 'delivered' });
    }, 40_000);

    it('takes a file of people by the command, and says what became of each row', async () => {
      const file = path.join(stack.dataDir, 'people.csv');
      const people = Array.from(
        { length: 1_500 },
        (_, i) => `csv-${i},csv-${i}@example.com,${i % 2 ? 'pro' : 'free'}`,
      );
      writeFileSync(
        file,
        `\ufeffid;email;plan\n${people.join('\n').replaceAll(',', ';')}\nbad;nowhere;free\n`,
      );
      const { code, output } = await run(['import', file]);
      expect(output).toContain('1,501 rows: 1,500 created, 0 changed, 0 known, 1 bad.');
      expect(code).toBe(1);
      expect(readFileSync(file.replace('.csv', '.bad.csv'), 'utf8')).toMatch(/1502.*email/);
      expect(await carillon.profiles.get('csv-7')).toMatchObject({
        email: 'csv-7@example.com',
        attributes: { plan: 'pro' },
      });
      expect((await run(['import', file])).output).toContain('0 created, 0 changed, 1,500 known, 1 bad.');
    }, 60_000);

    it('asks once more by mail before somebody is in, and counts the answer of the page', async () => {
      await carillon.templates.save('confirm-letters', {
        content: { email: { subject: 'Are you sure?', text: 'Please confirm: {{ confirm_url }}' } },
      });
      await carillon.topics.save('letters', {
        name: { en: 'Letters' },
        doubleOptIn: { template: 'confirm-letters' },
      });
      await carillon.profiles.upsert('reader', { email: 'reader@example.com' });
      const word = async () =>
        (await carillon.consents.get('reader')).consents.find(({ topic }) => topic === 'letters')?.word;
      await carillon.consents.set('reader', [{ channel: 'email', topic: 'letters', word: 'in' }]);
      expect(await word()).toBe('pending');
      const link = await eventually(async () => {
        const mails = await inSandbox('channel=email');
        const mail = mails.find(({ to }) => to === 'reader@example.com');
        return /https?:\/\/\S+/.exec(String(mail?.['text'] ?? ''))?.[0];
      }, 20_000);
      const url = `${stack.url}${new URL(link).pathname}`;
      expect(await (await fetch(url)).text()).toContain('Yes, I want this');
      expect(await word()).toBe('pending');
      const answer = await fetch(url, { method: 'POST', body: new URLSearchParams({ action: 'confirm' }) });
      expect(answer.status).toBe(200);
      expect(await word()).toBe('in');
    }, 60_000);

    /** The command as people run it. */
    async function run(words: string[]): Promise<{ code: number | null; output: string }> {
      const child = spawn(process.execPath, [CLI, '--url', stack.url, '--key', stack.apiKey, ...words]);
      let output = '';
      for (const stream of [child.stdout, child.stderr])
        stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
      const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
      return { code, output };
    }
  });
}
