import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Outcome, Outgoing } from '@carillon/delivery-rules';
import { startSandbox, type SandboxHandle } from '@carillon/sandbox';
import { describeProvider, sendContext, type TestContext } from '@carillon/testing';
import fc from 'fast-check';
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { isAddress } from '../mailbox.js';
import { render, type RenderedEmail } from '../render.js';
import { smtp } from './smtp.js';

const rendered: RenderedEmail = {
  unsubscribeUrl: 'https://carillon.test/u/ada',
  from: null,
  replyTo: null,
  subject: 'Your parcel has left Rotterdam',
  html: '<p>It should arrive on Thursday.</p>',
  text: 'It should arrive on Thursday.',
  attachments: [],
};
const recipient = {
  profileId: null,
  externalId: null,
  email: null,
  phone: null,
  locale: null,
  timezone: null,
  attributes: {},
  devices: [],
};
const settingsAt = (port: number, more = {}) => ({
  endpoint: `smtp://127.0.0.1:${port}`,
  username: 'postmaster',
  password: 'correct horse battery',
  from: 'Acme <hello@acme.test>',
  ...more,
});

describeProvider(smtp, {
  channel: 'email',
  transport: 'own',
  settings: ({ smtpPort }) => settingsAt(smtpPort),
  wrongCredentials: ({ smtpPort }) => settingsAt(smtpPort, { password: 'wrong' }),
  rendered,
  addresses: {
    accepted: ['ada@example.test', 'grace@example.test'],
    refused: { to: 'bounce@example.test', reason: 'recipient_unknown' },
    deferred: 'full@example.test',
    // A mail server has no way to say when to come back.
    rateLimited: null,
    resetAfter: 'reset-after@example.test',
    silent: 'silent@example.test',
  },
  webhook: 'own spec',
});

let counter = 0;
const outgoing = (address: string, more: Partial<Outgoing<RenderedEmail>> = {}): Outgoing<RenderedEmail> => {
  const deliveryId = `01890000-0000-7000-8000-${String(++counter).padStart(12, '0')}`;
  return { deliveryId, attemptId: deliveryId, address, messageClass: 'transactional', rendered, ...more };
};
let open: TestContext<never>[] = [];
const contextFor = (settings: unknown) => {
  const test = sendContext(smtp.settings.parse(settings) as never);
  open.push(test);
  return test.context;
};
afterEach(async () => {
  await Promise.all(open.map((test) => test.close()));
  open = [];
});

describe('the mail that arrives', () => {
  let sandbox: SandboxHandle;
  beforeEach(async () => {
    sandbox = await startSandbox({ port: 0, smtpPort: 0 });
  });
  afterEach(() => sandbox.close());
  const send = async (message: Outgoing<RenderedEmail>, more = {}) => {
    await smtp.send([message], contextFor(settingsAt(sandbox.smtpPort, more)));
    const mails = await sandbox.received('email');
    const mail = mails.at(-1);
    if (!mail) throw new Error('No mail arrived.');
    return mail;
  };

  it('says who sends, who gets it and where answers go', async () => {
    const mail = await send(outgoing('ada@example.test'), { replyTo: 'Help <help@acme.test>' });
    expect(mail).toMatchObject({
      from: 'hello@acme.test',
      to: 'ada@example.test',
      subject: rendered.subject,
    });
    expect(mail.header).toMatchObject({
      from: 'Acme <hello@acme.test>',
      'reply-to': 'Help <help@acme.test>',
    });
    expect(mail.text.trim()).toBe(rendered.text);
    expect(mail.html).toContain('Thursday');
  });

  it('keeps the sender and reply address that a message brings', async () => {
    const own = { ...rendered, from: 'Acme Parcels <parcels@acme.test>', replyTo: 'desk@acme.test' };
    const mail = await send(outgoing('ada@example.test', { rendered: own }), { replyTo: 'help@acme.test' });
    expect(mail.from).toBe('parcels@acme.test');
    expect(mail.header).toMatchObject({ 'reply-to': 'desk@acme.test' });
  });

  it('is signed when the account has a DKIM key, attachments or not', async () => {
    const { privateKey } = generateKeyPairSync('ed25519');
    const dkimKey = privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
    const signing = { dkimKey, dkimSelector: 'mail2026' };
    const attachments = [{ filename: 'a.txt', contentType: 'text/plain', content: 'YQ==' }];
    for (const content of [rendered, { ...rendered, attachments }]) {
      const mail = await send(outgoing('ada@example.test', { rendered: content }), signing);
      expect(mail.header['dkim-signature']).toMatch(/a=ed25519-sha256;.* d=acme\.test;\s+s=mail2026;/s);
    }
    const mail = await send(outgoing('ada@example.test', { messageClass: 'marketing' }), {
      ...signing,
      dkimDomain: 'mail.acme.test',
    });
    expect(mail.header['dkim-signature']).toMatch(
      /d=mail\.acme\.test;.*:\s*list-unsubscribe:\s*list-unsubscribe-post/s,
    );
    expect((await send(outgoing('ada@example.test'))).header).not.toHaveProperty('dkim-signature');
    expect(await smtp.test?.(contextFor(settingsAt(sandbox.smtpPort, signing)))).toEqual({
      ok: true,
      sentence: expect.stringMatching(
        /mail2026\._domainkey\.acme\.test TXT "v=DKIM1; k=ed25519; p=[\w+/]{43}="/,
      ),
    });
    const half = smtp.settings.safeParse(settingsAt(1, { dkimKey }));
    expect(half.error?.issues).toMatchObject([
      { path: ['dkimKey'], message: expect.stringContaining('go together') },
    ]);
    const wrong = smtp.settings.safeParse(settingsAt(1, { ...signing, dkimKey: 'secret' }));
    expect(wrong.error?.issues).toMatchObject([{ path: ['dkimKey'] }]);
  });

  it('has the same Message-ID at every attempt', async () => {
    const message = outgoing('ada@example.test');
    const [first, second] = [await send(message), await send(message)];
    expect(first.header['message-id']).toBe(`<${message.deliveryId}@acme.test>`);
    expect(second.header['message-id']).toBe(first.header['message-id']);
  });

  it('offers one-click opt-out in marketing (RFC 2369, RFC 8058), and only there', async () => {
    const message = outgoing('ada@example.test', { messageClass: 'marketing' });
    const mail = await send(message, { unsubscribeMailbox: 'stop@acme.test' });
    expect(mail.header['list-unsubscribe']).toBe(`<${rendered.unsubscribeUrl}>, <mailto:stop@acme.test>`);
    expect(mail.header['list-unsubscribe-post']).toBe('List-Unsubscribe=One-Click');
    const receipt = await send(outgoing('ada@example.test'), { unsubscribeMailbox: 'stop@acme.test' });
    expect(receipt.header).not.toHaveProperty('list-unsubscribe');
    expect(receipt.header).not.toHaveProperty('list-unsubscribe-post');
  });

  it('carries attachments', async () => {
    const content = Buffer.from('invoice no 7').toString('base64');
    const attachments = [{ filename: 'Rechnung für Ada.pdf', contentType: 'application/pdf', content }];
    const mail = await send(outgoing('ada@example.test', { rendered: { ...rendered, attachments } }));
    expect(mail.attachments).toMatchObject([
      { filename: 'Rechnung für Ada.pdf', contentType: 'application/pdf' },
    ]);
  });

  it.each([
    'ada@example.test\r\nRCPT TO:<eve@evil.test>',
    'ada@example.test> SIZE=1\r\n',
    'ada@example.test,eve@evil.test',
    '<ada@example.test>',
    '"ada"@example.test',
    'ada@example.test\0',
  ])('sends nothing to %j', async (address) => {
    const context = contextFor(settingsAt(sandbox.smtpPort));
    const [outcome] = await smtp.send([outgoing(address)], context);
    expect(outcome).toMatchObject({ kind: 'rejected', reason: 'invalid_address' });
    expect(await sandbox.list({ refused: true })).toEqual([]);
  });

  it('sends a batch over few connections, each mail once', async () => {
    const to = Array.from({ length: 60 }, (_, i) => `reader${i}@example.test`);
    const outcomes = await smtp.send(
      to.map((a) => outgoing(a)),
      contextFor(settingsAt(sandbox.smtpPort)),
    );
    expect(outcomes.every((o) => o.kind === 'accepted')).toBe(true);
    expect((await sandbox.received('email')).map((m) => m.to).sort()).toEqual([...to].sort());
  });
});

describe('whatever an address, name or subject holds', () => {
  // The characters that SMTP and mail headers are made of, and some that are not.
  const awkward = fc.string({ unit: fc.constantFrom(...'aé%+=?_-'), minLength: 1, maxLength: 20 });
  const odd = fc.string({ unit: fc.constantFrom(...'aé.@<>,;:"()[]\\ %+=?_-'), maxLength: 20 });
  const hostile = fc.string({
    unit: fc.constantFrom(
      ...'a@<>,;" \t\r\n\0',
      'RCPT TO:<eve@evil.test>',
      '\r\nBcc: eve@evil.test',
      '=?utf-8?Q?=0D=0A?=',
    ),
    maxLength: 10,
  });
  const local = fc.oneof(awkward, odd, hostile);
  const domain = fc.oneof(fc.constant('@example.test'), fc.constant(''), hostile);
  const header = fc.oneof(odd, odd, odd, hostile);

  it('the envelope is what was meant, and no header appears that was not (300 batches of 5)', async () => {
    const sandbox = await startSandbox({ port: 0, smtpPort: 0 });
    try {
      const context = contextFor(settingsAt(sandbox.smtpPort));
      let taken = 0;
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.tuple(local, domain, header, header), { minLength: 5, maxLength: 5 }),
          async (drawn) => {
            sandbox.clear();
            const batch = drawn.map(([start, end, name, subject]) => ({
              to: start + end,
              name,
              subject,
            }));
            const intended: string[] = [];
            const messages = batch.flatMap(({ to, name, subject }) => {
              const result = render({
                content: {
                  email: { subject: 'x{{ subject }}', text: 'x', from: '{{ name }} <hello@acme.test>' },
                },
                data: { subject, name },
                recipient,
                messageClass: 'transactional',
                replyTo: null,
                attachments: [],
                cacheKey: 'fuzz',
                unsubscribeUrl: 'https://carillon.test/u/1',
              });
              if (!result.ok) return [];
              if (isAddress(to)) intended.push(to);
              return [outgoing(to, { rendered: result.rendered })];
            });
            await smtp.send(messages, context);
            taken += intended.length;
            const arrived = await sandbox.list({ channel: 'email', refused: true });
            expect(arrived.map((mail) => mail.to).sort()).toEqual(intended.sort());
            for (const mail of arrived) {
              if (mail.channel !== 'email') throw new Error('Only mail was sent.');
              expect(mail.from).toBe('hello@acme.test');
              expect(Object.keys(mail.header).sort()).toEqual([
                'content-transfer-encoding',
                'content-type',
                'date',
                'from',
                'message-id',
                'mime-version',
                'subject',
                'to',
              ]);
            }
          },
        ),
        { numRuns: 300 },
      );
      // Enough of them were good enough to be sent.
      expect(taken).toBeGreaterThan(50);
    } finally {
      await sandbox.close();
    }
  }, 60_000);
});

/** What a server does at a stage: a reply, or nothing at all, or a broken connection. */
type Act = string | 'reset' | 'silence';
interface Script {
  greeting?: Act;
  ehlo?: Act;
  auth?: Act;
  mail?: Act;
  rcpt?: Act;
  data?: Act;
  /** After the final dot. */
  end?: Act;
}

describe('what a server says and how far a mail had come', () => {
  let server: Server;
  let seen: string[] = [];
  const sockets = new Set<Socket>();
  const start = async (script: Script): Promise<number> => {
    seen = [];
    server = createServer((socket) => {
      sockets.add(socket);
      socket.on('close', () => sockets.delete(socket));
      socket.on('error', () => undefined); // clients may vanish
      const act = (what: Act) => {
        if (what === 'reset') socket.resetAndDestroy();
        else if (what !== 'silence' && socket.writable) socket.write(`${what}\r\n`);
      };
      let inBody = false;
      act(script.greeting ?? '220 script');
      createInterface({ input: socket }).on('line', (line) => {
        if (inBody) {
          if (line !== '.') return;
          inBody = false;
          seen.push('.');
          return act(script.end ?? '250 2.0.0 taken');
        }
        const verb = line.split(' ')[0]?.toUpperCase() ?? '';
        seen.push(verb);
        if (verb === 'EHLO') act(script.ehlo ?? '250-script\r\n250 AUTH PLAIN');
        else if (verb === 'AUTH') act(script.auth ?? '235 2.7.0 ok');
        else if (verb === 'MAIL') act(script.mail ?? '250 2.1.0 ok');
        else if (verb === 'RCPT') act(script.rcpt ?? '250 2.1.5 ok');
        else if (verb === 'DATA') {
          inBody = !script.data;
          act(script.data ?? '354 go on');
        } else act('250 ok');
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return (server.address() as AddressInfo).port;
  };
  afterEach(async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, 'close');
  });
  const outcomeOf = async (
    script: Script,
    message = outgoing('ada@example.test'),
  ): Promise<Outcome | undefined> => {
    const [outcome] = await smtp.send([message], contextFor(settingsAt(await start(script))));
    return outcome;
  };
  const bad = (reason: string) => ({ kind: 'rejected', reason });

  it.each<[Script, object]>([
    [{ greeting: '421 4.3.2 too busy' }, { kind: 'deferred' }],
    [{ greeting: '554 5.3.2 no service' }, { kind: 'misconfigured' }],
    [{ greeting: 'reset' }, { kind: 'deferred' }],
    [{ ehlo: 'reset' }, { kind: 'deferred' }],
    [{ auth: '535 5.7.8 bad credentials' }, { kind: 'misconfigured' }],
    [{ auth: '454 4.7.0 try later' }, { kind: 'deferred' }],
    [{ auth: 'reset' }, { kind: 'deferred' }],
    [{ mail: '530 5.7.0 sign in first' }, { kind: 'misconfigured' }],
    [{ mail: '553 5.7.1 not your address' }, { kind: 'misconfigured' }],
    [{ mail: '452 4.3.1 out of storage' }, { kind: 'deferred' }],
    [{ mail: '552 5.3.4 too large' }, bad('too_large')],
    [{ mail: 'reset' }, { kind: 'deferred' }],
    [{ rcpt: '450 4.2.1 busy' }, { kind: 'deferred' }],
    [{ rcpt: '451 4.7.28 flood' }, { kind: 'rateLimited' }],
    [{ rcpt: '550 5.1.1 no such user' }, bad('recipient_unknown')],
    [{ rcpt: '550 5.1.10 null MX' }, bad('recipient_unknown')],
    [{ rcpt: '550 no such user' }, bad('recipient_unknown')],
    [{ rcpt: '552 over quota' }, bad('recipient_unreachable')],
    [{ rcpt: '552 5.2.2 over quota' }, bad('recipient_unreachable')],
    [{ rcpt: '550 5.2.1 disabled' }, bad('recipient_unreachable')],
    [{ rcpt: '550 5.4.1 no route' }, bad('recipient_unreachable')],
    [{ rcpt: '554 5.7.1 policy' }, bad('carrier_blocked')],
    [{ rcpt: '503 5.5.1 out of order' }, { kind: 'deferred' }],
    [{ rcpt: '503 out of order' }, { kind: 'deferred' }],
    [{ rcpt: 'reset' }, { kind: 'deferred' }],
    [{ data: '451 4.3.0 not now' }, { kind: 'deferred' }],
    [{ data: 'reset' }, { kind: 'deferred' }],
    [{ end: '451 4.3.0 not now' }, { kind: 'deferred' }],
    [{ end: '421 4.3.0 going down' }, { kind: 'deferred' }],
    [{ end: '550 5.7.1 spam' }, bad('content_refused')],
    [{ end: '554 looks like spam' }, bad('content_refused')],
    [{ end: '552 5.2.3 too long' }, bad('too_large')],
    [{ end: '552 too long' }, bad('too_large')],
    [{ end: '554 5.6.0 not MIME' }, bad('content_refused')],
    [{ end: 'reset' }, { kind: 'unknown' }],
    [{}, { kind: 'accepted' }],
  ])('%j is %j', async (script, outcome) => {
    expect(await outcomeOf(script)).toMatchObject(outcome);
    expect(seen.filter((verb) => verb === 'DATA').length).toBeLessThanOrEqual(1);
  });

  it('does not blame the account for a sender that the message chose', async () => {
    const message = outgoing('ada@example.test', { rendered: { ...rendered, from: 'eve@evil.test' } });
    expect(await outcomeOf({ mail: '553 5.7.1 not yours' }, message)).toMatchObject(bad('rejected'));
  });

  it('will not sign in without the encryption that the settings ask for', async () => {
    const port = await start({});
    const settings = { host: '127.0.0.1', port, username: 'a', password: 'b', from: 'hello@acme.test' };
    const [plain] = await smtp.send([outgoing('ada@example.test')], contextFor(settings));
    expect(plain).toMatchObject({ kind: 'deferred' });
    expect(seen).not.toContain('AUTH');
    const [tls] = await smtp.send(
      [outgoing('ada@example.test')],
      contextFor({ ...settings, security: 'tls' }),
    );
    expect(tls).toMatchObject({ kind: 'deferred' });
    expect(seen).not.toContain('AUTH');
  });

  it('finds out once per batch that the credentials are wrong', async () => {
    const port = await start({ auth: '535 5.7.8 bad credentials' });
    const batch = Array.from({ length: 40 }, (_, i) => outgoing(`reader${i}@example.test`));
    const outcomes = await smtp.send(batch, contextFor(settingsAt(port)));
    expect(new Set(outcomes.map((o) => o.kind))).toEqual(new Set(['misconfigured']));
    expect(seen.filter((verb) => verb === 'AUTH').length).toBeLessThanOrEqual(5);
  });

  it('replaces a connection that the server dropped while it was idle, without a second mail', async () => {
    const port = await start({});
    const context = contextFor(settingsAt(port));
    await smtp.send([outgoing('ada@example.test')], context);
    for (const socket of sockets) socket.end();
    const [outcome] = await smtp.send([outgoing('grace@example.test')], context);
    expect(outcome).toMatchObject({ kind: 'accepted' });
    expect(seen.filter((verb) => verb === '.').length).toBe(2);
  });

  it('leaves addresses out of the answer', async () => {
    const outcome = await outcomeOf({ rcpt: '550 5.1.1 <ada@example.test>: see postmaster@example.test' });
    expect(outcome?.answer).toMatchObject({ code: 550, status: '5.1.1', command: 'RCPT TO' });
    expect(JSON.stringify(outcome?.answer)).not.toContain('example.test');
  });
});

describe('settings', () => {
  const good = { host: 'smtp.example.com', from: 'hello@acme.test' };
  it.each([
    [{ from: 'hello@acme.test' }, 'host'],
    [{ ...good, username: 'a' }, 'password'],
    [{ ...good, from: 'a@b.test, c@d.test' }, 'from'],
    [{ ...good, from: 'A\r\nBcc: x <a@b.test>' }, 'from'],
    [{ ...good, endpoint: 'http://127.0.0.1' }, 'endpoint'],
    [{ ...good, port: 0 }, 'port'],
  ])('%j is refused at %s', (settings, path) => {
    expect(smtp.settings.safeParse(settings).error?.issues.map((i) => i.path[0])).toContain(path);
  });
  it('asks for encryption unless told otherwise', () => {
    expect(smtp.settings.parse(good)).toMatchObject({ port: 587, security: 'starttls' });
  });
});
