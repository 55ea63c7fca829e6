/** The transport against servers that misbehave at every phase: what became of a mail, and that none goes twice. */
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect, createServer, type AddressInfo, type Server as TcpServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import tls, { createSecureContext, TLSSocket } from 'node:tls';
import { writtenMail } from './mime.js';
import { NoSession, Refused, SmtpPipeline, type Envelope, type Fate, type Server } from './smtp-pipeline.js';

const mail = (to: string, text = 'Hello'): Envelope => ({
  ...writtenMail(`To: ${to}\r\n`, text, null),
  from: 'hello@acme.test',
  to,
  international: /[^\x20-\x7e]/.test(to),
});

type Act = string | 'reset' | 'end' | 'silence';
interface Script {
  greeting?: Act;
  extensions?: string[];
  starttls?: Act;
  /** Shown after STARTTLS; without one, one that nobody signed. */
  certificate?: ReturnType<typeof certificate>;
  auth?: Act;
  mail?: Act;
  rcpt?: Act;
  data?: Act;
  /** After so many bytes of a body. */
  bodyBytes?: number;
  end?: Act;
  /** After the answer to a mail. */
  afterEnd?: Act;
  /** Mails of a session before it is ended, by 421 at the next one. */
  session?: number;
  /** The script holds for so many connections; later ones are served well. */
  connections?: number;
}

let tcp: TcpServer | undefined;
let pipeline: SmtpPipeline | undefined;
const sockets = new Set<Socket>();
/** What the server has heard, over all connections: verbs, and `.` for a whole mail. */
let seen: string[] = [];
/** Recipients of mails whose final dot arrived. */
let taken: string[] = [];
let connections = 0;
/** Sessions that the server ended. */
let ended = 0;
afterEach(async () => {
  pipeline?.close();
  for (const socket of sockets) socket.destroy();
  tcp?.close();
  if (tcp) await once(tcp, 'close');
  tcp = undefined;
});

const certificate = () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'carillon-tls-'));
  const [key, cert] = [path.join(folder, 'key'), path.join(folder, 'cert')];
  execFileSync(
    'openssl',
    [
      'req',
      '-x509',
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-keyout',
      key,
      '-out',
      cert,
      '-days',
      '1',
      '-subj',
      '/CN=localhost',
    ],
    { stdio: 'ignore' },
  );
  const made = { key: readFileSync(key), cert: readFileSync(cert) };
  rmSync(folder, { recursive: true });
  return made;
};

async function start(script: Script): Promise<number> {
  seen = [];
  taken = [];
  connections = 0;
  ended = 0;
  tcp = createServer((raw) => {
    sockets.add(raw);
    raw.on('error', () => undefined); // clients may vanish
    const good = ++connections > (script.connections ?? Infinity);
    talk(raw, good ? { extensions: script.extensions ?? [] } : script);
  });
  tcp.listen(0, '127.0.0.1');
  await once(tcp, 'listening');
  return (tcp.address() as AddressInfo).port;
}

function talk(socket: Socket, script: Script, greet = true): void {
  const extensions = script.extensions ?? ['PIPELINING'];
  const act = (what: Act) => {
    if (what === 'reset') socket.resetAndDestroy();
    else if (what === 'end') socket.end();
    else if (what !== 'silence' && socket.writable) socket.write(`${what}\r\n`);
  };
  let heard = '';
  let to = '';
  let body = -1;
  let mails = 0;
  if (greet) act(script.greeting ?? '220 script');
  socket.on('data', (bytes: Buffer) => {
    heard += bytes.toString('latin1');
    for (;;) {
      if (body >= 0) {
        const end = heard.startsWith('.\r\n') ? 0 : heard.indexOf('\r\n.\r\n');
        body += end === -1 ? heard.length : end;
        if (script.bodyBytes !== undefined && body >= script.bodyBytes) return act('reset');
        if (end === -1) {
          heard = heard.slice(-4);
          return;
        }
        heard = heard.slice(end === 0 && heard.startsWith('.\r\n') ? 3 : end + 5);
        body = -1;
        seen.push('.');
        taken.push(to);
        act(script.end ?? '250 2.0.0 taken');
        if (script.afterEnd) act(script.afterEnd);
        continue;
      }
      const at = heard.indexOf('\r\n');
      if (at === -1) return;
      const line = heard.slice(0, at);
      heard = heard.slice(at + 2);
      const verb = line.split(' ')[0]?.toUpperCase() ?? '';
      seen.push(verb);
      if (verb === 'EHLO')
        act(
          ['script', ...extensions]
            .map((e, i, all) => `250${i === all.length - 1 ? ' ' : '-'}${e}`)
            .join('\r\n'),
        );
      else if (verb === 'STARTTLS') {
        act(script.starttls ?? '220 go');
        if (script.starttls) continue;
        socket.removeAllListeners('data');
        const secured = new TLSSocket(socket, {
          isServer: true,
          secureContext: createSecureContext(script.certificate ?? certificate()),
        });
        secured.on('error', () => undefined);
        return talk(secured, script, false);
      } else if (verb === 'AUTH')
        act(line.startsWith('AUTH LOGIN') ? '334 VXNlcg==' : (script.auth ?? '235 2.7.0 ok'));
      else if (
        /^[A-Za-z0-9+/]+=*$/.test(line) &&
        line.length > 6 &&
        !line.includes(' ') &&
        verb === line.toUpperCase() &&
        !['RSET', 'QUIT', 'DATA'].includes(verb)
      ) {
        const word = Buffer.from(line, 'base64').toString();
        act(
          word === 'postmaster' ? '334 UGFzcw==' : word === 'correct horse' ? '235 2.7.0 ok' : '535 5.7.8 no',
        );
      } else if (verb === 'MAIL') {
        if (++mails <= (script.session ?? Infinity)) act(script.mail ?? '250 2.1.0 ok');
        else {
          ended++;
          act('421 4.7.0 enough for one session');
          return act('end');
        }
      } else if (verb === 'RCPT') {
        to = /<(.*)>/.exec(line)?.[1] ?? '';
        act(to.startsWith('bad') ? '550 5.1.1 no such user' : (script.rcpt ?? '250 2.1.5 ok'));
      } else if (verb === 'DATA') {
        if (to.startsWith('bad')) {
          act('554 5.5.1 nobody to send it to');
          continue;
        }
        body = script.data ? -1 : 0;
        act(script.data ?? '354 go on');
      } else act('250 ok');
    }
  });
}

function pipelineTo(port: number, more: Partial<Server> = {}): SmtpPipeline {
  pipeline = new SmtpPipeline({
    host: '127.0.0.1',
    security: 'none',
    auth: undefined,
    async connect() {
      const socket = connect(port, '127.0.0.1');
      await once(socket, 'connect');
      return socket;
    },
    ...more,
  });
  return pipeline;
}
const never = new AbortController().signal;
const sendOne = async (script: Script, text?: string, more?: Partial<Server>): Promise<Fate> => {
  const [fate] = await pipelineTo(await start(script), more).send([mail('ada@example.test', text)], never);
  return fate as Fate;
};
const answered = (command: string, code: number) => ({ kind: 'answered', command, code });
const broken = (left: boolean) => ({ kind: 'broken', left });
const LONG = 'a line of a long mail that no system takes at once\n'.repeat(600_000);

describe.each([
  ['one by one', []],
  ['pipelined', ['PIPELINING']],
])('how far a mail had come, %s', (_how, extensions) => {
  it.each<[string, Script, object, string?]>([
    ['greeting refused', { greeting: '554 5.3.2 no' }, { kind: 'unreachable', error: expect.any(Refused) }],
    ['reset instead of a greeting', { greeting: 'reset' }, { kind: 'unreachable' }],
    ['end instead of a greeting', { greeting: 'end' }, { kind: 'unreachable' }],
    ['not SMTP at all', { greeting: 'HTTP/1.1 400 Bad Request' }, { kind: 'unreachable' }],
    ['reset at MAIL', { mail: 'reset' }, broken(false)],
    ['reset at RCPT', { rcpt: 'reset' }, broken(false)],
    ['reset at DATA', { data: 'reset' }, broken(false)],
    ['end at DATA', { data: 'end' }, broken(false)],
    ['reset in the body', { bodyBytes: 100_000 }, broken(false), LONG],
    ['reset in the body of a mail that had left as a whole', { bodyBytes: 1 }, broken(true)],
    ['reset after the final dot', { end: 'reset' }, broken(true)],
    ['end after the final dot', { end: 'end' }, broken(true)],
    ['no SMTP after the final dot', { end: 'hm' }, broken(true)],
    ['250, then reset', { afterEnd: 'end' }, answered('END', 250)],
    ['4xx at MAIL', { mail: '452 4.3.1 full' }, answered('MAIL FROM', 452)],
    ['5xx at RCPT', { rcpt: '550 5.1.1 who' }, answered('RCPT TO', 550)],
    ['4xx at DATA', { data: '451 4.3.0 later' }, answered('DATA', 451)],
    ['5xx after the final dot', { end: '554 5.7.1 spam' }, answered('END', 554)],
    ['421 at MAIL', { mail: '421 4.3.2 bye' }, answered('MAIL FROM', 421)],
    ['all well', {}, answered('END', 250)],
  ])('%s', async (_name, script, fate, text = 'Hello') => {
    expect(await sendOne({ extensions, ...script }, text)).toMatchObject(fate);
    expect(taken.length).toBeLessThanOrEqual(1);
  });

  it('a refused recipient between good ones does not hurt them', async () => {
    const to = ['a@x.test', 'bad1@x.test', 'b@x.test', 'bad2@x.test', 'bad3@x.test', 'c@x.test'];
    const fates = await pipelineTo(await start({ extensions })).send(
      to.map((t) => mail(t)),
      never,
    );
    expect(fates.map((f) => f.kind === 'answered' && f.code)).toEqual([250, 550, 250, 550, 550, 250]);
    expect(taken.sort()).toEqual(['a@x.test', 'b@x.test', 'c@x.test']);
  });

  it('five hundred mails over five connections, each once', async () => {
    const to = Array.from({ length: 500 }, (_, i) => `r${i}@x.test`);
    const fates = await pipelineTo(await start({ extensions })).send(
      to.map((t) => mail(t)),
      never,
    );
    expect(fates.every((f) => f.kind === 'answered' && f.code === 250)).toBe(true);
    expect(taken.sort()).toEqual([...to].sort());
    expect(connections).toBeLessThanOrEqual(10);
  });
});

describe('connections', () => {
  it('one that breaks over a mail leaves the named one behind it to another, once', async () => {
    const port = await start({ end: 'reset', connections: 1, extensions: ['PIPELINING'] });
    const fates = await pipelineTo(port).send([mail('a@x.test'), mail('b@x.test')], never);
    expect(fates).toMatchObject([broken(true), answered('END', 250)]);
    expect(taken.sort()).toEqual(['a@x.test', 'b@x.test']);
  });

  it('are given up while idle, and replaced without a second mail', async () => {
    const p = pipelineTo(await start({}));
    expect(await p.send([mail('a@x.test')], never)).toMatchObject([answered('END', 250)]);
    for (const socket of sockets) socket.destroy();
    expect(await p.send([mail('b@x.test')], never)).toMatchObject([answered('END', 250)]);
    expect(taken).toEqual(['a@x.test', 'b@x.test']);
  });

  it('are shared by batches', async () => {
    const p = pipelineTo(await start({}));
    for (let n = 0; n < 30; n++) await p.send([mail(`r${n}@x.test`)], never);
    expect(connections).toBe(1);
  });

  it('end with who waits: what was not written has not left, what was may have', async () => {
    const controller = new AbortController();
    const p = pipelineTo(await start({ end: 'silence' }));
    const sending = p.send(
      Array.from({ length: 20 }, (_, n) => mail(`r${n}@x.test`)),
      controller.signal,
    );
    while (taken.length === 0) await new Promise((resolve) => setImmediate(resolve));
    controller.abort();
    const fates = await sending;
    expect(fates.filter((f) => f.kind === 'broken' && f.left).length).toBeGreaterThanOrEqual(taken.length);
    expect(fates.filter((f) => f.kind === 'broken' && f.left).length).toBeLessThanOrEqual(5);
    expect(fates.every((f) => f.kind === 'broken')).toBe(true);
    const late = await p.send([mail('late@x.test')], controller.signal);
    expect(late).toMatchObject([broken(false)]);
  });
});

describe('sessions', () => {
  it('are ended by us before a server that counts its mails ends them', async () => {
    const p = pipelineTo(await start({ session: 120 }));
    const round = async (name: string) => {
      const mails = Array.from({ length: 700 }, (_, n) => mail(`${name}${n}@x.test`));
      const fates = await p.send(mails, never);
      expect(fates.every((fate) => fate.kind === 'answered' && fate.code === 250)).toBe(true);
    };
    await round('a');
    expect(ended).toBeGreaterThan(0);
    expect(taken).toHaveLength(new Set(taken).size);
    const sofar = ended;
    await round('b');
    await round('c');
    // Those that were open already may still come to their end once more.
    expect(ended - sofar).toBeLessThanOrEqual(5);
    expect(taken).toHaveLength(2100);
  });
  const auth = { user: 'postmaster', pass: 'correct horse' };
  it('sign in with what the server offers', async () => {
    for (const offered of ['AUTH PLAIN LOGIN', 'AUTH LOGIN']) {
      expect(await sendOne({ extensions: [offered] }, 'x', { auth })).toMatchObject(answered('END', 250));
      tcp?.close();
    }
    expect(
      await sendOne({ extensions: ['AUTH LOGIN'] }, 'x', { auth: { ...auth, pass: 'wrong horse' } }),
    ).toMatchObject({
      kind: 'unreachable',
      error: { command: 'AUTH', code: 535 },
    });
  });
  it('are not had without a way to sign in', async () => {
    expect(await sendOne({ extensions: ['AUTH CRAM-MD5'] }, 'x', { auth })).toMatchObject({
      error: expect.any(NoSession),
    });
  });
  it.each<[string, Script]>([
    ['is not offered', { extensions: ['SIZE 100'] }],
    ['is refused', { extensions: ['STARTTLS'], starttls: '454 4.7.0 no' }],
    ['breaks', { extensions: ['STARTTLS'], starttls: 'reset' }],
    ['brings words of before with it', { extensions: ['STARTTLS'], starttls: '220 go\r\n250 injected' }],
    ['has a certificate that nobody signed', { extensions: ['STARTTLS'] }],
  ])('say nothing of a mail or password when encryption %s', async (_name, script) => {
    const fate = await sendOne(script, 'x', { security: 'starttls', auth, host: 'localhost' });
    expect(fate.kind).toBe('unreachable');
    expect(seen).not.toContain('AUTH');
    expect(seen).not.toContain('MAIL');
  });
  describe('on a machine that trusts the certificate', () => {
    const trusted = certificate();
    beforeEach(() => {
      const { createSecureContext: usual } = tls;
      jest.spyOn(tls, 'createSecureContext').mockImplementation((options) => {
        const made = usual(options);
        (made.context as { addCACert(pem: Buffer): void }).addCACert(trusted.cert);
        return made;
      });
    });
    afterEach(() => {
      jest.restoreAllMocks();
    });
    const extensions = ['STARTTLS', 'AUTH PLAIN', 'PIPELINING'];
    const secured = { security: 'starttls', auth, host: 'localhost' } as const;

    it('sign in and send under encryption, after the server was asked anew what it offers', async () => {
      expect(await sendOne({ extensions, certificate: trusted }, 'x', secured)).toMatchObject(
        answered('END', 250),
      );
      // What comes after STARTTLS is read through TLS alone.
      expect(seen.slice(0, 5)).toEqual(['EHLO', 'STARTTLS', 'EHLO', 'AUTH', 'MAIL']);
      expect(taken).toEqual(['ada@example.test']);
    });
    it('say nothing to a server whose certificate names another', async () => {
      const script = { extensions, certificate: trusted };
      expect(await sendOne(script, 'x', { ...secured, host: 'mail.example.test' })).toMatchObject({
        kind: 'unreachable',
      });
      expect(seen).toEqual(['EHLO', 'STARTTLS']);
    });
  });
  it('say before what a server will not take', async () => {
    const p = pipelineTo(await start({ extensions: ['SIZE 2000', 'PIPELINING'] }));
    const fates = await p.send(
      [mail('a@x.test', 'x'.repeat(3000)), mail('ü@x.test'), mail('b@x.test')],
      never,
    );
    expect(fates).toMatchObject([
      { kind: 'unfit', why: 'too_large' },
      { kind: 'unfit', why: 'international' },
      answered('END', 250),
    ]);
    expect(taken).toEqual(['b@x.test']);
  });
});
