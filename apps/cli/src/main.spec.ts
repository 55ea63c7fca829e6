/** The command line as a person or a script uses it, against a server that answers in the shapes of the contracts. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { operations, type OperationName } from '@carillon/contracts';
import fs from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { main } from './main.js';
import type { Env } from './terminal.js';

const ID = '0193a1b2-7c4d-7e5f-8a9b-0c1d2e3f4a5b';
const MESSAGE = '0193a1b2-7c4d-7e5f-8a9b-0c1d2e3f4a5c';
const at = '2027-01-31T09:00:00.000Z';

const delivery = {
  id: ID,
  messageId: MESSAGE,
  channel: 'sms',
  class: 'transactional',
  lane: 'transactional',
  source: 'api',
  status: 'failed',
  reason: 'carrier_blocked',
  profile: { id: ID, externalId: 'ada' },
  address: '+442079460123',
  template: { key: 'code', version: 3 },
  provider: 'twilio',
  providerAccountId: ID,
  providerMessageId: 'SM1',
  attempts: 1,
  possibleDuplicate: false,
  dueAt: null,
  createdAt: at,
  sentAt: at,
  deliveredAt: null,
  expiresAt: null,
};
const line = { attempt: null, reason: null, provider: null, detail: {} };
const detail = {
  ...delivery,
  sentence: 'This SMS failed: the carrier or mailbox operator blocked the message.',
  timeline: [
    { ...line, at, type: 'accepted' },
    {
      ...line,
      at: '2027-01-31T09:00:01.500Z',
      type: 'failed',
      provider: 'twilio',
      reason: 'carrier_blocked',
      detail: { message: 'code 30007 \u001b[31m', status: 'undelivered' },
    },
  ],
};
const accepted = { id: MESSAGE, deliveries: [{ id: ID, channel: 'sms', status: 'queued', reason: null }] };
const me = {
  user: null,
  workspace: { id: ID, name: 'Workshop', slug: 'workshop' },
  scopes: ['messages:write', 'deliveries:read', 'accounts:read'],
  csrfToken: null,
};
const account = {
  id: ID,
  channel: 'sms',
  provider: 'twilio',
  name: 'Main',
  position: 0,
  weight: 1,
  rateLimit: null,
  warmUp: null,
  prices: null,
  quota: null,
  breaker: {
    state: 'closed',
    sentence: 'Attempts go out.',
    reason: null,
    openedAt: null,
    retryAt: null,
    heldUntil: null,
  },
  paused: true,
  pausedReason: 'auth',
  settings: {},
  secretsSet: [],
  webhookUrl: null,
  health: {
    state: 'paused',
    sentence: 'It was paused: the credentials are wrong.',
    sentLastHour: 0,
    failedLastHour: 1,
    lastSuccessAt: null,
    lastFailureAt: at,
    lastFailure: null,
  },
  createdAt: at,
  updatedAt: at,
};

interface Seen {
  name: string;
  url: string;
  body: unknown;
  key: string | undefined;
}
type Handler = (seen: Seen) => {
  status?: number;
  body?: unknown;
  headers?: Record<string, string>;
  text?: string;
};

let server: Server;
let url = '';
let folder = '';
let handlers: Record<string, Handler>;
const seen: Seen[] = [];

const answer =
  (body: unknown): Handler =>
  () => ({ body });
const refuse =
  (status: number, code: string, text: string, more: object = {}): Handler =>
  () => ({
    status,
    body: {
      type: `urn:carillon:problem:${code}`,
      title: code,
      status,
      code,
      detail: text,
      requestId: 'req-7',
      ...more,
    },
  });

beforeEach(async () => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'carillon-cli-'));
  seen.length = 0;
  handlers = {};
  server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { pathname } = new URL(request.url ?? '', 'http://x');
      const name = nameOf(request.method ?? '', pathname);
      const text = Buffer.concat(chunks).toString();
      const one: Seen = {
        name,
        url: request.url ?? '',
        body: text ? JSON.parse(text) : undefined,
        key: request.headers.authorization,
      };
      seen.push(one);
      const handler = handlers[name];
      if (!handler) {
        response.writeHead(404, { 'content-type': 'text/plain' }).end(`no handler for ${name}`);
        return;
      }
      const { status, body, headers, text: plain } = handler(one);
      const operation = operations[name as OperationName] as (typeof operations)[OperationName] | undefined;
      // What the fake says must be what the API could say.
      if (operation?.response && status === undefined && plain === undefined) operation.response.parse(body);
      response.writeHead(status ?? operation?.status ?? 200, {
        'content-type': 'application/json',
        ...headers,
      });
      response.end(plain ?? (body === undefined ? undefined : JSON.stringify(body)));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  fs.rmSync(folder, { recursive: true });
});

function nameOf(method: string, pathname: string): string {
  for (const [name, operation] of Object.entries(operations)) {
    const pattern = new RegExp(`^${operation.path.replaceAll('.', '\\.').replace(/:\w+/g, '[^/]+')}$`);
    // `/v1/deliveries/counts` also fits `/v1/deliveries/:id`: the table has the exact ones first.
    if (operation.method === method && pattern.test(pathname)) return name;
  }
  return pathname;
}

async function carillon(
  words: string[],
  { env = {}, width, stop }: { env?: Env; width?: number; stop?: AbortSignal } = {},
) {
  let out = '';
  let err = '';
  const stream = (write: (text: string) => void) => ({
    write,
    ...(width ? { isTTY: true, columns: width } : {}),
  });
  const code = await main(
    words,
    { CARILLON_API_URL: url, CARILLON_API_KEY: 'ck_test_1', ...env },
    {
      out: stream((text) => (out += text)),
      err: stream((text) => (err += text)),
      folder,
      ...(stop ? { stop } : { stop: new AbortController().signal }),
    },
  );
  return { code, out, err };
}

describe('help', () => {
  const help = async (path: string[]) => (await carillon([...path, '--help'])).out;
  /** Names and summaries of the commands below, as the help lists them. */
  const below = (text: string) =>
    [...(/\nCommands:\n((?: .*\n?)+)/.exec(text)?.[1] ?? '').matchAll(/^ {2}(\S+).*? {2,}(\S.*)$/gm)].map(
      ([, name = '', summary = '']) => ({ name, summary }),
    );

  it('speaks one way: a summary tells what it does, a description is a sentence, and each command has an example', async () => {
    const told: string[] = [];
    const walk = async (path: string[]): Promise<void> => {
      const text = await help(path);
      const commands = below(text);
      const [, description = ''] = text.split('\n\n');
      told.push(path.join(' '));
      expect({ path, description }).toEqual({ path, description: expect.stringMatching(/^[A-Z][^]*[.)]$/) });
      if (commands.length === 0)
        expect({ path, text }).toEqual({ path, text: expect.stringMatching(/\nExamples:\n {2}\S/) });
      for (const { name, summary } of commands) {
        expect({ name, summary }).toEqual({
          name: expect.not.stringMatching(/^help$/),
          // A verb first, so that the list reads as what one can do.
          summary: expect.stringMatching(
            /^(send|watch|say|read|show|import|list|write|see|make|keep|find|print|save|render|create|search|stop|set|let|refill|end|tell|delete|add|remove|put|take|forget)\b.*[^.]$/,
          ),
        });
        await walk([...path, name]);
      }
    };
    await walk([]);
    expect(told).toEqual(expect.arrayContaining(['webhooks listen', 'outbox status', 'policies retry']));
  });

  it('is told in the README, command by command', async () => {
    const readme = fs.readFileSync(new URL('../README.md', import.meta.url), 'utf8');
    for (const { name } of below(await help([]))) expect(readme).toContain(`carillon ${name}`);
  });
});

describe('webhooks', () => {
  const endpoint = {
    id: ID,
    url: 'https://shop.example.com/carillon',
    description: '',
    types: [],
    enabled: true,
    disabledReason: null,
    failingSince: null,
    secrets: [{ id: 's1', endsAt: null }],
    pending: 3,
    createdAt: at,
    updatedAt: at,
  };
  const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
  const told = (more: object = {}) => ({
    eventId: `${ID}:7`,
    type: 'delivery.failed',
    happenedAt: at,
    status: 'failed',
    nextAttemptAt: null,
    attempts: [{ at, status: 500, ms: 12, answer: 'no', error: 'It answered 500.' }],
    ...more,
  });

  it('are listed with how they fare', async () => {
    handlers['listWebhookEndpoints'] = answer({
      items: [
        endpoint,
        { ...endpoint, url: 'https://a.example', failingSince: at },
        { ...endpoint, url: 'https://b.example', enabled: false, disabledReason: 'It said 410 Gone.' },
      ],
    });
    const { out } = await carillon(['webhooks', 'list']);
    expect(out).toMatch(/shop\.example\.com\/carillon\s+live\s+3/);
    expect(out).toMatch(/a\.example\s+failing since/);
    expect(out).toMatch(/b\.example\s+disabled/);
  });

  it('are made, and rotated, with a secret that is shown once', async () => {
    handlers['createWebhookEndpoint'] = answer({ ...endpoint, secret });
    handlers['rotateWebhookSecret'] = answer({
      ...endpoint,
      secret,
      secrets: [
        { id: 's2', endsAt: null },
        { id: 's1', endsAt: '2027-02-01T09:00:00.000Z' },
      ],
    });
    const made = await carillon(['webhooks', 'create', endpoint.url, '--type', 'delivery.failed']);
    expect(seen[0]?.body).toEqual({ url: endpoint.url, description: '', types: ['delivery.failed'] });
    expect(made.out).toContain(secret);
    expect(made.out).toContain('not shown again');
    const rotated = await carillon(['webhooks', 'rotate', ID, '--overlap', '2h']);
    expect(seen[1]?.body).toEqual({ overlapSeconds: 7200 });
    expect(rotated.out).toMatch(/old secret\s+ends 2027-02-01/);
  });

  it('show what they were told and answered', async () => {
    handlers['listWebhookMessages'] = answer({ items: [told()], nextCursor: null });
    const { out } = await carillon(['webhooks', 'attempts', ID, '--status', 'failed', '--limit', '5']);
    expect(seen[0]?.url).toContain('status=failed');
    expect(out).toMatch(/delivery\.failed\s+failed\s+It answered 500\./);
  });

  it('are tested: what they do not take is a failure', async () => {
    handlers['testWebhookEndpoint'] = answer(told({ type: 'webhook.test' }));
    expect(await carillon(['webhooks', 'test', ID])).toMatchObject({
      code: 1,
      out: expect.stringContaining('✗ It answered 500.'),
    });
    handlers['testWebhookEndpoint'] = answer(
      told({ status: 'sent', attempts: [{ at, status: 204, ms: 9, answer: null, error: null }] }),
    );
    expect(await carillon(['webhooks', 'test', ID])).toMatchObject({
      code: 0,
      out: expect.stringContaining('It answered 204 in 9 ms.'),
    });
  });

  it('are told again, by time or by event', async () => {
    handlers['replayWebhooks'] = answer({ replayed: 12 });
    const { out } = await carillon(['webhooks', 'replay', ID, '--from', '2h', '--only-failed']);
    expect(out).toContain('12 events will be told again');
    const { from, ...rest } = seen[0]?.body as { from: string };
    expect(Date.now() - Date.parse(from)).toBeGreaterThanOrEqual(7_200_000);
    expect(rest).toEqual({ onlyFailed: true });
    await carillon(['webhooks', 'replay', ID, '--event', `${ID}:7,${ID}:8`]);
    expect(seen[1]?.body).toEqual({ eventIds: [`${ID}:7`, `${ID}:8`], onlyFailed: false });
  });

  it('are enabled, disabled and deleted', async () => {
    handlers['updateWebhookEndpoint'] = answer(endpoint);
    handlers['deleteWebhookEndpoint'] = () => ({});
    expect((await carillon(['webhooks', 'enable', ID])).out).toContain('Enabled.');
    expect((await carillon(['webhooks', 'disable', ID])).out).toContain('Disabled.');
    expect(seen.map(({ body }) => body)).toEqual([{ enabled: true }, { enabled: false }]);
    expect((await carillon(['webhooks', 'delete', ID])).out).toContain('Deleted.');
  });
});

describe('send', () => {
  beforeEach(() => {
    handlers['sendMessage'] = answer(accepted);
  });

  it('guesses the kind of recipient and says what to do next', async () => {
    const { code, out } = await carillon([
      'send',
      '--to',
      '+442079460123',
      '--text',
      'Your code is 123456',
      '--expires',
      '+10m',
    ]);
    expect(code).toBe(0);
    expect(seen[0]?.body).toMatchObject({
      to: { phone: '+442079460123' },
      channels: ['sms'],
      content: { sms: { body: 'Your code is 123456' } },
    });
    expect(Date.parse((seen[0]?.body as { expiresAt: string }).expiresAt) - Date.now()).toBeGreaterThan(
      590_000,
    );
    expect(out).toContain(`✓ Accepted. Message ${MESSAGE}`);
    expect(out).toContain(`carillon explain ${ID}`);
  });

  it.each<[string[], object]>([
    [
      ['--to', 'ada@example.com', '--subject', 'S', '--text', 'T'],
      {
        to: { email: 'ada@example.com' },
        channels: ['email'],
        content: { email: { subject: 'S', text: 'T' } },
      },
    ],
    [
      ['--to', 'ada', '-c', 'push,in-app', '--title', 'A', '--text', 'B'],
      {
        to: { profile: 'ada' },
        channels: ['push', 'in-app'],
        content: { push: { title: 'A', body: 'B' }, 'in-app': { title: 'A', body: 'B' } },
      },
    ],
    [
      [
        '--to',
        'ada',
        '--route',
        'push,sms@10m',
        '--template',
        'code',
        '-d',
        'n=7',
        '-d',
        'zip=01067',
        '-d',
        'l=["a"]',
      ],
      {
        route: [{ channel: 'push' }, { channel: 'sms', after: '10m', unless: 'delivered' }],
        template: 'code',
        data: { n: 7, zip: '01067', l: ['a'] },
      },
    ],
  ])('%j', async (words, body) => {
    expect((await carillon(['send', ...words])).code).toBe(0);
    expect(seen[0]?.body).toMatchObject(body);
  });

  it('reads a message from a file and adds options to it', async () => {
    const message = {
      to: { profile: 'ada' },
      channels: ['sms'],
      content: { sms: { body: 'x' } },
      metadata: { a: 'b' },
    };
    fs.writeFileSync(path.join(folder, 'm.json'), JSON.stringify(message));
    expect((await carillon(['send', '--file', 'm.json', '--topic', 'news'])).code).toBe(0);
    expect(seen[0]?.body).toEqual({ ...message, topic: 'news' });
  });

  it.each<[string[], RegExp]>([
    [['--text', 'x'], /Say who/],
    [['--to', 'ada', '--text', 'x'], /Say how/],
    [['--to', 'ada@example.com', '--text', 'x'], /email, so give --subject/],
    [['--to', 'ada@example.com'], /Say what/],
    [['--to', 'ada', '--channel', 'fax', '--text', 'x'], /Write one of email, sms, push, in-app/],
    [['--to', 'ada', '--route', 'push,fax', '--text', 'x'], /no channel "fax"/],
    [['--file', 'none.json'], /There is no file .*none\.json/],
    [['--to', 'a@example.com', '--subject', 's', '--text', 'x', '--at', 'soon'], /Write a time such as/],
  ])('asks before sending anything: %j', async (words, sentence) => {
    const { code, err } = await carillon(['send', ...words]);
    expect(code).toBeGreaterThan(0);
    expect(err).toMatch(sentence);
    expect(seen).toHaveLength(0);
  });

  it('--wait shows how it ended, and fails when it did not go', async () => {
    handlers['getDelivery'] = answer(detail);
    const { code, out } = await carillon(['send', '--to', '+442079460123', '--text', 'x', '--wait']);
    expect(code).toBe(1);
    expect(out).toContain('This SMS failed');
    expect(out).toContain('+1.5 s');
  });
});

describe('reading', () => {
  beforeEach(() => {
    handlers['getDelivery'] = answer(detail);
    handlers['explainDelivery'] = answer({
      id: ID,
      verdict: 'It did not arrive.',
      because: ['The carrier blocked it.'],
      next: 'Nothing more happens.',
      youCan: ['Register the sender.'],
    });
    handlers['listDeliveries'] = ({ url: asked }) => ({
      body: {
        items: asked.includes('cursor') ? [] : [delivery, delivery],
        nextCursor: asked.includes('cursor') ? null : 'c1',
      },
    });
  });

  it('explain tells verdict, reasons and what is next, and lets nobody colour the window', async () => {
    const { code, out } = await carillon(['explain', ID], { width: 80 });
    expect(code).toBe(0);
    for (const part of [
      'It did not arrive.',
      '• The carrier blocked it.',
      '→ Nothing more happens.',
      '→ Register the sender.',
      'accepted',
    ])
      expect(out).toContain(part);
    expect(out).not.toContain('30007 \u001b');
    expect(out).toContain('30007 ·[31m');
  });

  it('failures shows the causes, the largest first, and what to do', async () => {
    handlers['listFailures'] = answer({
      from: at,
      to: at,
      total: 1205,
      truncated: false,
      groups: [
        {
          cause: 'carrier_blocked|twilio|30007|message filtered',
          reason: 'carrier_blocked',
          status: 'failed',
          provider: 'twilio',
          code: '30007',
          words: 'Message filtered',
          count: 1200,
          firstAt: at,
          lastAt: at,
          channels: ['sms'],
          sampleIds: [ID],
          advice: 'Register the sender.',
        },
      ],
    });
    const { code, out } = await carillon(['failures', '--since', '1d', '--channel', 'sms'], { width: 100 });
    expect(code).toBe(0);
    for (const part of ['1200', '30007', 'Message filtered', 'Register the sender.', ID, 'carillon redrive'])
      expect(out).toContain(part);
  });

  it('redrive shows the preview and sends nothing; with --yes it starts that one and waits', async () => {
    const redrive = {
      id: ID,
      state: 'preview',
      fingerprint: 'f1',
      filter: { reason: ['retries_exhausted'] },
      includeUnknown: false,
      preview: {
        total: 12,
        truncated: false,
        risky: 0,
        suppressedNow: 2,
        leftOut: { unknown: 3, delivered: 0, reached: 0, expired: 1 },
        byCause: [
          { cause: 'c', reason: 'retries_exhausted', provider: 'smtp', words: 'try later', count: 12 },
        ],
        sampleIds: [ID],
      },
      done: 0,
      redriven: 0,
      skipped: 0,
      requestedBy: 'spec',
      createdAt: at,
      startedAt: null,
      finishedAt: null,
    };
    const bodies: unknown[] = [];
    handlers['redrive'] = ({ body }) => {
      bodies.push(body);
      const { dryRun } = body as { dryRun: boolean };
      return { body: { ...redrive, state: dryRun ? 'preview' : 'running' } };
    };
    handlers['getRedrive'] = answer({ ...redrive, state: 'done', done: 12, redriven: 11, skipped: 1 });
    const shown = await carillon(['redrive', '--reason', 'retries_exhausted']);
    expect(shown.code).toBe(0);
    for (const part of ['12', 'try later', '3 may have arrived', '2 have opted out', '--yes'])
      expect(shown.out).toContain(part);
    expect(bodies).toMatchObject([{ dryRun: true, filter: { reason: ['retries_exhausted'] } }]);

    const started = await carillon(['redrive', '--reason', 'retries_exhausted', '--yes']);
    expect(started.out).toContain('11 are on their way again');
    expect(started.out).toContain('1 had changed');
    expect(bodies.at(-1)).toMatchObject({ dryRun: false, fingerprint: 'f1' });

    expect((await carillon(['redrive'])).code).toBe(2);
  });

  it('explain takes the id of a message', async () => {
    const getDelivery = handlers['getDelivery'];
    handlers['getDelivery'] = (request) =>
      request.url.includes(MESSAGE)
        ? refuse(404, 'not_found', 'There is no delivery.')(request)
        : (getDelivery?.(request) ?? {});
    handlers['getMessage'] = answer({
      id: MESSAGE,
      class: 'transactional',
      source: 'api',
      topic: null,
      template: null,
      sendAt: null,
      expiresAt: null,
      metadata: {},
      createdAt: at,
      deliveries: accepted.deliveries,
    });
    expect((await carillon(['explain', MESSAGE])).out).toContain('It did not arrive.');
  });

  it('deliveries list fits the window and never cuts an id', async () => {
    const { out } = await carillon(
      ['deliveries', 'list', '-n', '2', '--status', 'failed,unknown', '--since', '1d'],
      { width: 80, env: { NO_COLOR: '1' } },
    );
    expect(seen[0]?.url).toContain('status=failed%2Cunknown');
    for (const row of out.trimEnd().split('\n')) expect(row.length).toBeLessThanOrEqual(80);
    expect(out.match(new RegExp(ID, 'g'))).toHaveLength(2);
    expect(out).not.toContain('\u001b[');
  });

  it('has colours on a terminal, none in a pipe and none with NO_COLOR', async () => {
    expect((await carillon(['deliveries', 'list'], { width: 80 })).out).toContain('\u001b[31mfailed');
    expect((await carillon(['deliveries', 'list'])).out).not.toContain('\u001b[');
  });

  it('--json prints one document that a script can read', async () => {
    const { out } = await carillon(['deliveries', 'get', ID, '--json']);
    expect(JSON.parse(out)).toEqual(detail);
    expect(JSON.parse((await carillon(['--json', 'deliveries', 'list'])).out)).toHaveLength(2);
  });

  it('tail shows what is there and what comes, each state once', async () => {
    const stop = new AbortController();
    const delivered = { ...delivery, status: 'delivered', reason: null };
    handlers['streamDeliveries'] = () => {
      // Ends the tail when it comes back for more, having read all of this.
      if (seen.filter(({ name }) => name === 'streamDeliveries').length > 1) stop.abort();
      const event = (one: object) => `event: delivery\ndata: ${JSON.stringify(one)}\n\n`;
      return {
        headers: { 'content-type': 'text/event-stream' },
        text: event(delivery) + event(delivered) + event(delivered),
      };
    };
    const { code, out } = await carillon(['tail', '-n', '1', '--json'], { stop: stop.signal });
    expect(code).toBe(0);
    expect(
      out
        .trim()
        .split('\n')
        .map((row) => (JSON.parse(row) as { status: string }).status),
    ).toEqual(['failed', 'delivered']);
  });

  it('tail asks again and again where there is no stream', async () => {
    const stop = new AbortController();
    const list = handlers['listDeliveries'];
    handlers['listDeliveries'] = (request) => {
      if (seen.filter(({ name }) => name === 'listDeliveries').length > 1) stop.abort();
      return list?.(request) ?? {};
    };
    handlers['streamDeliveries'] = () => ({ status: 502, text: 'Bad gateway' });
    const { code, err } = await carillon(['tail'], { stop: stop.signal });
    expect(code).toBe(0);
    expect(err).toContain('There is no live stream here');
    expect(seen.filter(({ name }) => name === 'listDeliveries').length).toBe(2);
  });
});

describe('profiles import', () => {
  const text = 'id,email\n1,a@example.com\n2,b@@example.com\n3\n4,d@example.com\n';
  const errors = [{ pointer: '/profiles/1/email', code: 'invalid', message: 'Write one @.' }];
  beforeEach(() => {
    fs.writeFileSync(path.join(folder, 'people.csv'), text);
    handlers['bulkUpsertProfiles'] = ({ body }) => {
      const results = (body as { profiles: { email: string }[] }).profiles.map(({ email }, index) =>
        email.includes('@@') ? { index, outcome: 'failed', errors } : { index, id: ID, outcome: 'created' },
      );
      const failed = results.filter(({ outcome }) => outcome === 'failed').length;
      return { body: { created: results.length - failed, updated: 0, failed, results } };
    };
  });

  it('sends good rows, tells bad ones by line and keeps them in a file that can be imported again', async () => {
    const { code, out } = await carillon(['profiles', 'import', 'people.csv', '--batch', '2']);
    expect(code).toBe(1);
    expect(out).toContain('line     3  email: Write one @.');
    expect(out).toContain('line     4  it has 1 cells');
    expect(out).toContain('4 rows: 2 created, 0 changed, 2 bad.');
    expect(seen.map(({ body }) => (body as { profiles: unknown[] }).profiles.length)).toEqual([2, 1]);

    const file = path.join(folder, 'people.bad.csv');
    expect(fs.readFileSync(file, 'utf8')).toContain('3,email: Write one @.,2,b@@example.com\n');
    fs.writeFileSync(
      file,
      fs
        .readFileSync(file, 'utf8')
        .replace('@@', '@')
        .replace(/^4,.*\n/m, ''),
    );
    const again = await carillon(['profiles', 'import', 'people.bad.csv']);
    expect(again.code).toBe(0);
    expect(seen.at(-1)?.body).toEqual({ profiles: [{ externalId: '2', email: 'b@example.com' }] });
  });

  it('waits when it is asked to slow down, and goes on', async () => {
    const good = handlers['bulkUpsertProfiles'];
    handlers['bulkUpsertProfiles'] = (request) =>
      seen.length === 1
        ? { ...refuse(429, 'rate_limited', 'Slow down.')(request), headers: { 'retry-after': '0' } }
        : (good?.(request) ?? {});
    const { out } = await carillon(['profiles', 'import', 'people.csv', '--json']);
    expect(JSON.parse(out)).toMatchObject({
      rows: 4,
      created: 2,
      bad: [{ line: 3 }, { line: 4 }],
      badFile: 'people.bad.csv',
    });
    expect(seen).toHaveLength(2);
  });

  it('--dry-run sends nothing and needs no key', async () => {
    const { code, out } = await carillon(['profiles', 'import', 'people.csv', '--dry-run'], {
      env: { CARILLON_API_KEY: '' },
    });
    expect(out).toContain('3 rows of 4 can be sent');
    expect(code).toBe(1);
    expect(seen).toHaveLength(0);
    expect(fs.existsSync(path.join(folder, 'people.bad.csv'))).toBe(false);
  });
});

describe('people', () => {
  it('track tells what somebody did, under any of their names', async () => {
    handlers['trackEvent'] = answer({ id: ID, outcome: 'accepted', profileId: ID, at });
    const { code, out } = await carillon([
      'track',
      'crm=0042',
      'order.placed',
      '-p',
      'total=49.9',
      '-p',
      'currency=EUR',
      '--event-key',
      'o-1',
      '--known-only',
    ]);
    expect(code).toBe(0);
    expect(out).toContain('Kept');
    expect(seen[0]?.body).toMatchObject({
      profile: { namespace: 'crm', value: '0042' },
      name: 'order.placed',
      key: 'o-1',
      properties: { total: 49.9, currency: 'EUR' },
      unknownProfile: 'refuse',
    });
    handlers['trackEvent'] = answer({ id: ID, outcome: 'duplicate', profileId: ID, at });
    expect((await carillon(['track', 'ada', 'order.placed'])).out).toContain('told before');
  });

  it('profiles timeline says in a line what happened', async () => {
    const outcome = { type: 'opened', at };
    const message = { class: 'marketing', topic: null, template: 'news', status: 'delivered', reason: null };
    handlers['getTimeline'] = answer({
      items: [
        { kind: 'event', id: ID, at, name: 'order.placed', properties: { total: 3, evil: '\u001b[31m' } },
        { kind: 'message', id: ID, at, messageId: ID, channel: 'email', ...message, outcomes: [outcome] },
        { kind: 'profile', id: ID, at, change: 'merged', mergedExternalId: 'old-ada' },
      ],
      nextCursor: null,
    });
    const { out } = await carillon(['profiles', 'timeline', 'ada', '--kind', 'event,message,profile']);
    expect(out).toContain('order.placed  total=3');
    expect(out).not.toContain('\u001b[31m');
    expect(out).toContain('email news: delivered, opened');
    expect(out).toContain('old-ada became part of this profile');
    expect(decodeURIComponent(seen[0]?.url ?? '')).toContain('kind=event,message,profile');
  });

  it('profiles identify wants a namespace', async () => {
    const { code, err } = await carillon(['profiles', 'identify', 'ada', '0042']);
    expect(code).toBe(2);
    expect(err).toContain('write it as namespace=value');
    expect(seen).toHaveLength(0);
  });
});

describe('what goes wrong', () => {
  it.each<[string, Handler, RegExp]>([
    [
      'a wrong key',
      refuse(401, 'unauthenticated', 'No.'),
      /key from CARILLON_API_KEY is not accepted.*\n\s*Make a new one/s,
    ],
    [
      'a missing scope',
      refuse(403, 'forbidden', 'This key may not list keys (keys:read).'),
      /keys:read.*carillon doctor/s,
    ],
    [
      'a fault of the server',
      refuse(500, 'internal', 'Something went wrong on our side.'),
      /our side.*Request req-7/s,
    ],
    ['another server', () => ({ status: 200, text: '<h1>Hi</h1>' }), /not by Carillon: check --url/],
    [
      'several wrong fields',
      refuse(422, 'invalid_request', 'Two.', {
        errors: [
          { pointer: '/a', code: 'x', message: 'A.' },
          { pointer: '/b', code: 'x', message: 'B.' },
        ],
      }),
      /Two\.\n\s+\/a: A\.\n\s+\/b: B\./,
    ],
  ])('%s is a sentence with a next step and no stack', async (_, handler, sentence) => {
    handlers['listKeys'] = handler;
    const { code, err, out } = await carillon(['keys', 'list']);
    expect(code).toBe(1);
    expect(err).toMatch(sentence);
    expect(err).not.toMatch(/\n\s+at |node:internal/);
    expect(out).toBe('');
  });

  it('nobody there', async () => {
    const { code, err } = await carillon(['keys', 'revoke', ID, '--url', 'http://127.0.0.1:9'], {});
    expect(code).toBe(1);
    expect(err).toMatch(/Could not reach http:\/\/127\.0\.0\.1:9.*npm start/s);
  });

  it('is JSON with --json', async () => {
    handlers['listKeys'] = refuse(403, 'forbidden', 'No.');
    const { err } = await carillon(['keys', 'list', '--json']);
    expect(JSON.parse(err)).toMatchObject({ error: { message: 'No.', code: 'forbidden', status: 403 } });
  });

  it('wrong words end with code 2 and where to look', async () => {
    expect(await carillon(['snd'])).toMatchObject({
      code: 2,
      err: expect.stringContaining('Did you mean send?'),
    });
    expect(await carillon(['keys', 'create', 'x'])).toMatchObject({
      code: 2,
      err: expect.stringContaining('See: carillon keys create --help'),
    });
    expect(await carillon(['keys', 'list', '--key', ''], { env: { CARILLON_API_KEY: '' } })).toMatchObject({
      code: 2,
      err: expect.stringContaining('There is no API key'),
    });
  });
});

describe('settings', () => {
  it('come from a running development stack in the working folder, for its own address only', async () => {
    fs.mkdirSync(path.join(folder, '.data'));
    fs.writeFileSync(
      path.join(folder, '.data/running.json'),
      JSON.stringify({ pid: 1, apiKey: 'ck_dev_1', urls: { dashboard: `${url}/` } }),
    );
    handlers['listKeys'] = answer({ items: [] });
    const env = { CARILLON_API_URL: '', CARILLON_API_KEY: '' };
    expect((await carillon(['keys', 'list'], { env })).code).toBe(0);
    expect(seen[0]?.key).toBe('Bearer ck_dev_1');
    const elsewhere = await carillon(['keys', 'list', '--url', 'https://carillon.example.com'], { env });
    expect(elsewhere.err).toContain('There is no API key for https://carillon.example.com');
  });
});

describe('keys and templates', () => {
  it('a new key is shown once, with what it may do', async () => {
    const key = {
      id: ID,
      name: 'shop',
      prefix: 'ck_dev_abc',
      scopes: ['messages:write'],
      createdAt: at,
      lastUsedAt: null,
      expiresAt: null,
      revokedAt: null,
      key: 'ck_dev_abc_secret',
    };
    handlers['createKey'] = answer(key);
    handlers['rotateKey'] = answer(key);
    const { out } = await carillon(['keys', 'create', 'shop', '--scope', 'messages:write']);
    expect(out).toContain('ck_dev_abc_secret');
    expect(out).toContain('not shown again');
    await carillon(['keys', 'rotate', ID, '--overlap', '2h']);
    expect(seen[1]?.body).toEqual({ overlapSeconds: 7200 });
  });

  it('types --check tells whether the file is up to date', async () => {
    handlers['listTemplates'] = answer({
      items: [
        {
          id: ID,
          key: 'code',
          name: 'Code',
          version: 1,
          channels: ['sms'],
          variables: [{ name: 'code', type: 'string', required: true }],
          createdAt: at,
          updatedAt: at,
        },
      ],
      nextCursor: null,
    });
    expect((await carillon(['types', '--out', 'src/t.ts', '--check'])).code).toBe(1);
    expect((await carillon(['types', '--out', 'src/t.ts'])).code).toBe(0);
    expect(fs.readFileSync(path.join(folder, 'src/t.ts'), 'utf8')).toContain('code: string;');
    expect((await carillon(['types', '--out', 'src/t.ts', '--check'])).code).toBe(0);
  });
});

describe('accounts', () => {
  beforeEach(() => {
    handlers['listAccounts'] = answer({ items: [account] });
    handlers['updateAccount'] = ({ body }) => ({
      body: { ...account, rateLimit: (body as { rateLimit: unknown }).rateLimit },
    });
    handlers['pauseAccount'] = answer(account);
    handlers['resumeAccount'] = answer({
      ...account,
      paused: false,
      health: { ...account.health, state: 'idle', sentence: 'It sent nothing in the last hour.' },
    });
  });

  it('are listed with what keeps them from sending', async () => {
    const { out, code } = await carillon(['accounts', 'list']);
    expect(out).toContain('Main');
    expect(out).toContain('It was paused: the credentials are wrong.');
    expect(code).toBe(0);
  });

  it('are paused and resumed by name, whatever its case', async () => {
    expect((await carillon(['accounts', 'pause', 'main'])).out).toContain('Main: Paused.');
    expect((await carillon(['accounts', 'resume', 'MAIN'])).out).toContain('Main: Resumed.');
    expect(seen.map(({ name }) => name)).toEqual(expect.arrayContaining(['pauseAccount', 'resumeAccount']));
  });

  it.each([
    [['2.5/s'], { count: 2.5, per: 'second' }],
    [['50000/day', '--burst', '500'], { count: 50_000, per: 'day', burst: 500 }],
    [['none'], null],
  ])('are limited by %j', async (args, rateLimit) => {
    expect((await carillon(['accounts', 'limit', 'Main', ...args])).code).toBe(0);
    expect(seen.find(({ name }) => name === 'updateAccount')?.body).toEqual({ rateLimit });
  });

  it.each([['fast'], ['0/s'], ['-1/s'], ['5/week']])('say what to write for %j', async (text) => {
    const { code, err } = await carillon(['accounts', 'limit', 'Main', '--', text]);
    expect(err).toContain('14/second');
    expect(code).not.toBe(0);
  });

  it('that are not there are answered with those that are', async () => {
    const { err, code } = await carillon(['accounts', 'pause', 'Nobody']);
    expect(err).toContain('There are: Main');
    expect(code).not.toBe(0);
  });
});

describe('policies', () => {
  const usual = { attempts: 6, windowSeconds: 21_600, backoffSeconds: 5, maxBackoffSeconds: 1800 };
  const retry = { channel: 'sms', ...usual, changed: [], defaults: usual };
  beforeEach(() => {
    handlers['listRetryPolicies'] = answer({ items: [retry] });
    handlers['getPolicies'] = answer({ unknown: { transactional: 'retry', marketing: 'hold' } });
    handlers['getInstallation'] = answer({
      retentionDays: 90,
      eventRetentionDays: 365,
      idempotencyHours: 48,
      backlogLimit: 200_000,
    });
    handlers['updateRetryPolicy'] = ({ body }) => ({
      body: {
        ...retry,
        attempts: (body as { attempts: number | null }).attempts ?? 6,
        changed: ['attempts'],
      },
    });
    handlers['setPolicies'] = ({ body }) => ({ body });
  });

  it('are shown together: retries, unknown outcomes, retention', async () => {
    const { out, code } = await carillon(['policies', 'show']);
    expect(out).toMatch(/SMS\s+6\s+6 h 0 min\s+5 s\s+30 min/);
    expect(out).toMatch(/unknown, marketing\s+hold: waits/);
    expect(out).toMatch(/log is kept\s+90 days/);
    expect(out).toMatch(/events are kept\s+365 days/);
    expect(code).toBe(0);
  });

  it('are changed in parts, and go back to the default', async () => {
    await carillon(['policies', 'retry', 'sms', '--attempts', '3', '--window', '10m']);
    expect(seen.at(-1)?.body).toEqual({ attempts: 3, windowSeconds: 600 });
    await carillon(['policies', 'retry', 'sms', '--default']);
    expect(seen.at(-1)?.body).toEqual({
      attempts: null,
      windowSeconds: null,
      backoffSeconds: null,
      maxBackoffSeconds: null,
    });
    await carillon(['policies', 'unknown', '--marketing', 'retry']);
    expect(seen.at(-1)?.body).toEqual({ unknown: { transactional: 'retry', marketing: 'retry' } });
  });

  it.each([
    [['retry', 'sms'], 'Nothing is to be changed'],
    [['retry', 'sms', '--default', '--attempts', '3'], '--default goes alone'],
    [['retry', 'fax', '--attempts', '3'], 'email, sms, push, in-app'],
    [['retry', 'sms', '--window', 'long'], 'for example 2h'],
    [['unknown'], 'Give --transactional or --marketing'],
    [['unknown', '--marketing', 'maybe'], 'retry, hold'],
  ])('say what to write for %j', async (words, sentence) => {
    const { err, code } = await carillon(['policies', ...words]);
    expect(err).toContain(sentence);
    expect(code).toBe(2);
    expect(seen).toEqual([]);
  });
});

describe('queue', () => {
  it('lanes are shown with their runs and the share of the whole lane', async () => {
    handlers['listLanes'] = answer({
      items: [
        {
          channel: 'email',
          lane: 'bulk',
          queued: 900,
          scheduled: 0,
          sending: 100,
          oldestWaitSeconds: null,
          perMinute: 60,
          emptyAt: at,
          share: 0.5,
          runs: [
            {
              id: ID,
              title: 'Spring is here',
              source: 'campaign',
              sourceId: 'spring',
              messageId: MESSAGE,
              state: 'running',
              pausedReason: null,
              plannedAt: at,
              members: 1000,
              pending: 900,
              pagesInFlight: 1,
              perMinute: 60,
              rate: null,
              share: 0.5,
            },
          ],
        },
      ],
    });
    const { out } = await carillon(['queue', 'lanes']);
    expect(out).toMatch(/email bulk\s+900/);
    expect(out).toMatch(/Spring is here\s+email\s+100\s+1,000\s+60\s+25 %\s+running/);
  });
  it('rebuild says what was offered again', async () => {
    handlers['rebuildQueues'] = answer({ deliveries: 12, pages: 3 });
    expect((await carillon(['queue', 'rebuild'])).out).toContain('12 deliveries, 3 pages of runs');
  });
});

describe('doctor', () => {
  const healthy: Handler = () => ({
    body: { ready: true, checks: { database: 'ok', migrations: 'ok', queue: 'ok' } },
  });
  beforeEach(() => {
    handlers['/health/live'] = answer({ status: 'ok' });
    handlers['/health/ready'] = healthy;
    handlers['me'] = answer(me);
    handlers['listAccounts'] = answer({
      items: [
        {
          ...account,
          paused: false,
          pausedReason: null,
          health: { ...account.health, state: 'healthy', sentence: 'All is well.' },
        },
      ],
    });
  });

  it('is content when all is well', async () => {
    const { code, out } = await carillon(['doctor']);
    expect(out).toContain('✓ The key from CARILLON_API_KEY is valid, for the workspace Workshop.');
    expect(out).toContain('✓ SMS: Main: All is well.');
    expect(out).toContain('! There is no provider account for email');
    expect(out).not.toContain('✗');
    expect(code).toBe(0);
  });

  it.each<[string, string, Handler, RegExp]>([
    [
      'a queue that does not answer',
      '/health/ready',
      () => ({
        status: 503,
        body: { ready: false, checks: { database: 'ok', migrations: 'ok', queue: 'failing' } },
      }),
      /✗ Queue: not ready\.\n\s+→ .*QUEUE_URL/,
    ],
    [
      'a revoked key',
      'me',
      refuse(401, 'unauthenticated', 'No.'),
      /✗ The key from CARILLON_API_KEY is not accepted.*\n\s+→ Make one/,
    ],
    [
      'a paused account',
      'listAccounts',
      answer({ items: [account] }),
      /✗ No provider account for SMS works\. Main: It was paused/,
    ],
    [
      'another server',
      '/health/live',
      () => ({ status: 404, text: 'nginx' }),
      /✗ .* answers, but not as Carillon does/,
    ],
  ])('finds %s and says what to do', async (_, name, handler, sentence) => {
    handlers[name] = handler;
    const { code, out } = await carillon(['doctor']);
    expect(out.replace(/\n {2,}(?!→)/g, ' ')).toMatch(sentence);
    expect(code).toBe(1);
  });

  it('notices that the clocks differ', async () => {
    handlers['/health/live'] = () => ({
      body: {},
      headers: { date: new Date(Date.now() - 600_000).toUTCString() },
    });
    expect((await carillon(['doctor'])).out).toMatch(/! The clocks .* are 10 min apart/s);
  });
});
