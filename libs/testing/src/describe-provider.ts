/**
 * The conformance suite that every provider passes: what the dispatcher counts on, tried against the sandbox's real
 * protocol servers. A provider's spec calls it with fixtures from the provider's own documents, and adds its own
 * cases (error table, headers) beside it. See docs/add-a-provider.md.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { MessageClass, ReasonName } from '@carillon/contracts';
import {
  WebhookRefused,
  type Outcome,
  type Outgoing,
  type Provider,
  type Receipt,
  type SendContext,
  type WebhookRequest,
} from '@carillon/delivery-rules';
import { startSandbox, type SandboxHandle } from '@carillon/sandbox';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { createServer as createTcpServer, type AddressInfo } from 'node:net';
import { z } from 'zod';
import { eventually } from './eventually.js';
import { sendContext, type TestContext } from './send-context.js';
import { startRow, transportRows } from './transport-rows.js';

/** Where the provider's server listens; a closed port stands for "nobody there". */
export type ProviderServer = Pick<SandboxHandle, 'url' | 'smtpPort'>;

/** `null` says that the provider's protocol has no such case; nothing may simply be left out. */
export interface ProviderFixtures<Rendered> {
  /** The sandbox's channel, to count what arrived; `null` for a provider that calls nobody. */
  channel: 'email' | 'sms' | 'push' | null;
  /** `http`: called by HTTP, so that the table of transport-rows.ts applies; `own`: its spec has a table of its own. */
  transport: 'http' | 'own' | null;
  /** Settings that work, as a person would enter them. */
  settings(server: ProviderServer): unknown;
  /** The same with a secret that the server refuses. */
  wrongCredentials: ((server: ProviderServer) => unknown) | null;
  /** What is said. Its longer words must not turn up in an `answer`. */
  rendered: Rendered;
  messageClass?: MessageClass;
  addresses: {
    /** Two different ones that are taken. */
    accepted: readonly [string, string];
    refused: { to: string; reason: ReasonName } | null;
    /** Turned away, and it may work later. */
    deferred: string | null;
    rateLimited: { to: string; retryAfterMs: number } | null;
    /** Taken, then the connection breaks before the answer. */
    resetAfter: string | null;
    /** Taken, and the answer never comes. */
    silent: string | null;
  };
  webhook:
    | {
        /** Addresses whose receipts the sandbox sends by itself, with what they must come to, in order. */
        receipts: readonly { to: string; receipts: readonly Pick<Receipt, 'status' | 'reason'>[] }[];
        /** The header that carries the signature, in small letters. */
        signatureHeader: string;
        /** A genuine request whose status word is not known. */
        strange(settings: unknown, url: string): WebhookRequest;
      }
    /** What it reads is not sent by the sandbox: a spec of its own has it. */
    | 'own spec'
    | null;
}

const messageId = (n: number) => `01890000-0000-7000-8000-${String(n).padStart(12, '0')}`;

export function describeProvider<Rendered, Settings>(
  provider: Provider<Rendered, Settings>,
  fixtures: ProviderFixtures<Rendered>,
): void {
  const { addresses, channel } = fixtures;
  /** A case that the protocol does not have is not counted, neither as passed nor as skipped. */
  const when = <F>(fixture: F | null, name: string, test: (fixture: F) => Promise<void>) => {
    if (fixture !== null) it(name, () => test(fixture));
  };

  describe(`provider ${provider.name}`, () => {
    let sandbox: SandboxHandle;
    let test: TestContext<Settings>;
    let abort: AbortController;
    let counter = 0;

    const open = (settings: unknown, parts: Parameters<typeof sendContext>[1] = {}) =>
      sendContext(provider.settings.parse(settings), { signal: abort.signal, ...parts });
    const outgoing = (address: string): Outgoing<Rendered> => ({
      deliveryId: messageId(++counter),
      attemptId: messageId(counter),
      address,
      messageClass: fixtures.messageClass ?? 'transactional',
      rendered: fixtures.rendered,
    });
    const sendTo = (context: SendContext<Settings>, ...to: string[]) =>
      provider.send(to.map(outgoing), context);
    const one = async (context: SendContext<Settings>, to: string): Promise<Outcome> => {
      const [outcome] = await sendTo(context, to);
      if (!outcome) throw new Error('There must be an outcome.');
      impersonalAnswer(outcome, to);
      return outcome;
    };
    /** How many messages for the address reached the server; refused ones only if asked. */
    const arrived = async (to: string, refused = false) =>
      channel ? (await sandbox.list({ channel, to, refused })).length : undefined;
    const settingsAt = (server: ProviderServer) => fixtures.settings(server);

    const words = [...wordsOf(fixtures.rendered)].filter((word) => word.length >= 8);
    function impersonalAnswer(outcome: Outcome, to: string): void {
      const told = JSON.stringify(outcome.answer);
      for (const word of [to, ...words, ...wordsOf(test.context.settings, secretsOf(provider))]) {
        expect(told).not.toContain(word);
      }
    }

    beforeAll(async () => {
      sandbox = await startSandbox({ port: 0, smtpPort: 0 });
    });
    afterAll(() => sandbox.close());
    beforeEach(() => {
      abort = new AbortController();
      sandbox.clear();
      test = open(settingsAt(sandbox));
    });
    afterEach(async () => {
      abort.abort();
      await test.close();
    });

    it('describes its settings well enough to draw a form, and marks what is secret', () => {
      expect(provider.title).not.toBe('');
      expect(provider.docs).toMatch(/^(https:\/\/|\/)/);
      const schema = formOf(provider);
      for (const [name, field] of Object.entries(schema)) {
        expect({ name, title: field.title }).toEqual({ name, title: expect.stringMatching(/./) });
        expect({ name, description: field.description }).toEqual({
          name,
          description: expect.stringMatching(/./),
        });
        const looksSecret = /token|password|secret|key|serviceAccount/i.test(name);
        if (looksSecret) expect({ name, secret: field.secret }).toEqual({ name, secret: true });
      }
      if (channel) expect(schema.endpoint).toMatchObject({ operatorOnly: true });
    });

    it('accepts a message and reports an id', async () => {
      const [to] = addresses.accepted;
      const outcome = await one(test.context, to);
      expect(outcome).toMatchObject({ kind: 'accepted', providerMessageId: expect.stringMatching(/./) });
      if (channel) expect(await arrived(to)).toBe(1);
    });

    it('gives one outcome per message, in the order of the messages', async () => {
      const { refused } = addresses;
      const to = [addresses.accepted[0], ...(refused ? [refused.to] : []), addresses.accepted[1]];
      const outcomes = await sendTo(test.context, ...to);
      expect(outcomes.map((o) => o.kind)).toEqual(
        to.map((a) => (a === refused?.to ? 'rejected' : 'accepted')),
      );
      expect(await sendTo(test.context)).toEqual([]);
    });

    when(addresses.refused, 'reports a refused address with its reason', async ({ to, reason }) => {
      expect(await one(test.context, to)).toMatchObject({ kind: 'rejected', reason });
      if (channel) expect(await arrived(to)).toBe(0);
    });

    when(addresses.deferred, 'reports what may pass as deferred, after a single try', async (to) => {
      expect(await one(test.context, to)).toMatchObject({ kind: 'deferred' });
      expect(await arrived(to, true)).toBe(1);
    });

    when(addresses.rateLimited, 'passes on how long to wait', async ({ to, retryAfterMs }) => {
      expect(await one(test.context, to)).toMatchObject({ kind: 'rateLimited', retryAfterMs });
      expect(await arrived(to, true)).toBe(1);
    });

    when(
      fixtures.wrongCredentials,
      'blames the account for wrong credentials, not the message',
      async (wrong) => {
        const other = open(wrong(sandbox));
        try {
          const [to] = addresses.accepted;
          expect(await one(other.context, to)).toMatchObject({ kind: 'misconfigured' });
          expect(await provider.test?.(other.context)).toMatchObject({ ok: false });
          expect(await arrived(to)).toBe(0);
        } finally {
          await other.close();
        }
      },
    );

    when(channel, 'defers when nobody listens', async () => {
      const port = await closedPort();
      const other = open(settingsAt({ url: `http://127.0.0.1:${port}`, smtpPort: port }));
      try {
        const outcomes = await sendTo(other.context, ...addresses.accepted);
        expect(outcomes.map((o) => o.kind)).toEqual(['deferred', 'deferred']);
        expect(await provider.test?.(other.context)).toMatchObject({ ok: false });
      } finally {
        await other.close();
      }
    });

    when(addresses.resetAfter, 'does not know about a connection lost after the hand-over', async (to) => {
      expect(await one(test.context, to)).toMatchObject({ kind: 'unknown' });
      expect(await arrived(to)).toBe(1);
    });

    when(addresses.silent, 'does not know about silence', async (to) => {
      // A server of its own: closing it ends the call that nobody waits for any more.
      const mute = await startSandbox({ port: 0, smtpPort: 0 });
      const other = open(settingsAt(mute));
      const outcome = one(other.context, to);
      await eventually(() => mute.totals()[channel ?? 'email'].accepted === 1);
      abort.abort();
      expect(await outcome).toMatchObject({ kind: 'unknown' });
      await mute.close();
      await other.close();
    });

    when(channel, 'sends nothing once nobody waits for it', async () => {
      abort.abort();
      const [to] = addresses.accepted;
      expect(await one(test.context, to)).toMatchObject({ kind: 'deferred' });
      expect(await arrived(to)).toBe(0);
    });

    if (fixtures.transport === 'http')
      it.each(transportRows)('judges $name, after a single request', async (row) => {
        const server = await startRow(row);
        const other = open(settingsAt({ url: server.url, smtpPort: 0 }));
        try {
          expect(await one(other.context, addresses.accepted[0])).toMatchObject(row.expect);
          expect(server.requests()).toBe(row.requests);
        } finally {
          await other.close();
          await server.close();
        }
      });

    it('blames the account for settings that do not fit its schema', async () => {
      const other = sendContext({ endpoint: 7 } as Settings);
      const known = provider.settings.safeParse(other.context.settings).success;
      const [outcome] = await sendTo(other.context, addresses.accepted[0]);
      expect(outcome?.kind).toBe(known ? 'accepted' : 'misconfigured');
      await other.close();
    });

    it('tries its credentials without sending', async () => {
      expect(await provider.test?.(test.context)).toEqual({
        ok: true,
        sentence: expect.stringMatching(/\.$/),
      });
      if (channel) expect(await sandbox.list({ channel, refused: true })).toEqual([]);
    });

    const { webhook } = fixtures;
    if (webhook === 'own spec') return;
    if (!webhook) {
      it('has no webhook', () => expect(provider.parseWebhook).toBeUndefined());
      return;
    }
    describe('webhook', () => {
      let listener: { url: string; requests: WebhookRequest[]; close(): Promise<void> };
      const parse = async (request: WebhookRequest) => {
        if (!provider.parseWebhook) throw new Error('The provider must read webhooks.');
        const id = new URL(request.url).searchParams.get('delivery');
        return provider.parseWebhook(request, test.context.settings, id);
      };
      beforeEach(async () => {
        await test.close();
        listener = await listen();
        test = open(settingsAt(sandbox), { callbackUrl: (id) => `${listener.url}/?delivery=${id}` });
      });
      afterEach(() => listener.close());

      it.each(webhook.receipts)('reads the receipts of $to', async ({ to, receipts }) => {
        await one(test.context, to);
        const deliveryId = messageId(counter);
        const requests = await eventually(
          () => listener.requests.length >= receipts.length && listener.requests,
        );
        const read = (await Promise.all(requests.map(parse))).flat();
        expect(read.map(({ status, reason }) => ({ status, ...(reason && { reason }) }))).toEqual(receipts);
        for (const receipt of read) {
          expect(receipt.deliveryId).toBe(deliveryId);
          expect(JSON.stringify(receipt.answer)).not.toContain(to);
        }
        // The same request again is the same event; different events differ.
        const again = (await Promise.all(requests.map(parse))).flat();
        expect(again.map((r) => r.eventId)).toEqual(read.map((r) => r.eventId));
        expect(new Set(read.map((r) => r.eventId)).size).toBe(read.length);
      });

      it('refuses what was altered, unsigned or meant for another address', async () => {
        await one(test.context, addresses.accepted[0]);
        const [genuine] = await eventually(() => listener.requests.length > 0 && listener.requests);
        if (!genuine) throw new Error('There must be a request.');
        const headers = { ...genuine.headers };
        delete headers[webhook.signatureHeader];
        const signature = genuine.headers[webhook.signatureHeader] ?? '';
        const flipped = (signature.startsWith('A') ? 'B' : 'A') + signature.slice(1);
        const forgeries: WebhookRequest[] = [
          { ...genuine, rawBody: Buffer.concat([genuine.rawBody, Buffer.from('1')]) },
          { ...genuine, rawBody: Buffer.alloc(0) },
          { ...genuine, headers },
          { ...genuine, headers: { ...headers, [webhook.signatureHeader]: flipped } },
          { ...genuine, headers: { ...headers, [webhook.signatureHeader]: '' } },
          { ...genuine, url: genuine.url.replace('delivery=0', 'delivery=1') },
        ];
        await expect(parse(genuine)).resolves.toHaveLength(1);
        for (const forgery of forgeries) {
          await expect((async () => parse(forgery))()).rejects.toThrow(WebhookRefused);
        }
      });

      it('records a status it does not know without guessing', async () => {
        const request = webhook.strange(test.context.settings, `${listener.url}/?delivery=${messageId(7)}`);
        expect(await parse(request)).toMatchObject([{ deliveryId: messageId(7), status: 'other' }]);
      });
    });
  });
}

interface Field {
  title?: string;
  description?: string;
  secret?: boolean;
}
/** The form's fields by name, as the dashboard gets them. */
const formOf = (provider: Pick<Provider, 'settings'>): Record<string, Field> =>
  (z.toJSONSchema(provider.settings, { io: 'input' }).properties ?? {}) as Record<string, Field>;
const secretsOf = (provider: Pick<Provider, 'settings'>): string[] =>
  Object.entries(formOf(provider)).flatMap(([name, field]) => (field.secret ? [name] : []));

/** Every text inside a value, or inside the named fields of it. */
function wordsOf(value: unknown, only?: readonly string[]): string[] {
  if (typeof value === 'string') return value === '' ? [] : [value];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => (!only || only.includes(key) ? wordsOf(inner) : []));
}

/** A port on which nothing listens: it was free a moment ago. */
async function closedPort(): Promise<number> {
  const server = createTcpServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** Takes webhooks as the API does: raw body, exact URL. */
async function listen(): Promise<{ url: string; requests: WebhookRequest[]; close(): Promise<void> }> {
  const requests: WebhookRequest[] = [];
  const server: Server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      requests.push({
        method: request.method ?? '',
        url: url + (request.url ?? ''),
        headers: request.headers as WebhookRequest['headers'],
        rawBody: Buffer.concat(chunks),
      });
      response.writeHead(204).end();
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url,
    requests,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
