/** `carillon webhooks listen` against the real API: signatures are the ones that receivers will see. */
import { Carillon } from '@carillon/sdk';
import { eventually } from '@carillon/testing';
import { startTestApi, type TestApi } from '@carillon/testing/api';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { main } from '../main.js';

let api: TestApi;
let client: Carillon;
beforeAll(async () => {
  api = await startTestApi();
  client = new Carillon({ apiKey: api.key, baseUrl: api.url });
}, 60_000);
afterAll(() => api.close());

interface Listening {
  out: () => string;
  err: () => string;
  ended: Promise<number>;
  /** Presses Ctrl-C. @returns the exit code */
  stop: () => Promise<number>;
}
const listening: Listening[] = [];
afterEach(() => Promise.all(listening.splice(0).map(({ stop }) => stop())));

function listen(...words: string[]): Listening {
  const [out, err]: [string[], string[]] = [[], []];
  const ctrlC = new AbortController();
  const env = { CARILLON_API_URL: api.url, CARILLON_API_KEY: api.key };
  const ended = main(['webhooks', 'listen', ...words], env, {
    out: { write: (text: string) => out.push(text) },
    err: { write: (text: string) => err.push(text) },
    stop: ctrlC.signal,
  });
  const one = {
    out: () => out.join(''),
    err: () => err.join(''),
    ended,
    stop: () => {
      ctrlC.abort();
      return ended;
    },
  };
  listening.push(one);
  return one;
}
const only = async () => {
  const [endpoint] = await eventually(async () => {
    const found = await client.webhooks.list();
    return found.length === 1 && found;
  });
  if (!endpoint) throw new Error('none');
  return endpoint;
};

describe('carillon webhooks listen', () => {
  it('makes an endpoint, verifies and shows what it is told, and leaves nothing behind', async () => {
    const one = listen('--type', 'delivery.failed');
    const endpoint = await only();
    expect(endpoint.types).toEqual(['delivery.failed']);
    await eventually(() => /Signing secret whsec_/.test(one.err()));
    const told = await client.webhooks.test(endpoint.id);
    expect(told).toMatchObject({ status: 'sent', attempts: [{ status: 204 }] });
    expect(one.out()).toMatch(/webhook\.test\s+a test of the endpoint/);
    expect(await one.stop()).toBe(0);
    expect(await client.webhooks.list()).toEqual([]);
  });

  it('refuses what Carillon did not sign, and says so', async () => {
    const one = listen('--json');
    const { url } = await only();
    await eventually(() => one.err().includes('Listening'));
    const forged = await fetch(url, {
      method: 'POST',
      body: '{"type":"delivery.sent"}',
      headers: {
        'webhook-id': 'x',
        'webhook-timestamp': String(Math.floor(Date.now() / 1000)),
        'webhook-signature': 'v1,AAAA',
      },
    });
    expect(forged.status).toBe(400);
    expect(one.out()).toBe('');
    expect(one.err()).toContain('No signature fits');
    await client.webhooks.test((await only()).id);
    expect(JSON.parse(one.out())).toMatchObject({ type: 'webhook.test', version: 1 });
  });

  describe('with a receiver behind it', () => {
    let receiver: Server;
    let seen: { headers: IncomingHttpHeaders; body: string }[];
    let status: number;
    let at: string;
    beforeAll(async () => {
      receiver = createServer((request, response) => {
        let body = '';
        request.on('data', (chunk) => (body += String(chunk)));
        request.on('end', () => {
          seen.push({ headers: request.headers, body });
          response.writeHead(status).end('so says the receiver');
        });
      });
      await new Promise<void>((ready) => receiver.listen(0, '127.0.0.1', ready));
      at = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/hooks?x=1`;
    });
    afterAll(() => new Promise((closed) => receiver.close(closed)));

    it('passes each event on as it came, and what that answers is what Carillon is told', async () => {
      seen = [];
      status = 201;
      const one = listen('--forward-to', at);
      const endpoint = await only();
      await eventually(() => one.err().includes('Passed on to'));
      expect(await client.webhooks.test(endpoint.id)).toMatchObject({ attempts: [{ status: 201 }] });
      expect(seen[0]?.headers).toMatchObject({
        'webhook-signature': expect.stringMatching(/^v1,/),
        'content-type': 'application/json',
      });
      expect(JSON.parse(seen[0]?.body ?? '')).toMatchObject({ type: 'webhook.test' });
      expect(one.out()).toMatch(/→ 201 in \d+ ms/);
      status = 500;
      expect(await client.webhooks.test(endpoint.id)).toMatchObject({
        attempts: [{ status: 500, answer: 'so says the receiver' }],
      });
    });

    it('tells a receiver that is not there as such', async () => {
      const one = listen('--forward-to', 'http://127.0.0.1:9/');
      const endpoint = await only();
      await eventually(() => one.err().includes('Passed on to'));
      expect(await client.webhooks.test(endpoint.id)).toMatchObject({ attempts: [{ status: 502 }] });
      expect(one.out()).toContain('→ no answer:');
    });
  });

  it.each([
    [['--forward-to', 'localhost:4000'], 'Write it whole'],
    [['--port', '99999999'], 'whole number'],
    [['--type', 'delivery.lost'], 'Write one of'],
  ])('says what to write for %j', async (words, sentence) => {
    const one = listen(...words);
    expect(await one.ended).toBe(2);
    expect(one.err()).toContain(sentence);
    expect(await client.webhooks.list()).toEqual([]);
  });
});
