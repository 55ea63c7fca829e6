/**
 * Mail submission over few long-lived connections: STARTTLS or TLS, AUTH, and where the server offers PIPELINING the
 * envelope in one write, the next one before the answer to the mail before it. What makes it ours: it knows for each mail
 * how far it had come. Until its final dot has been handed to the system, no server can have taken it; from then on only
 * an answer tells. Knows nothing of templates and outcomes. Called by smtp.ts.
 */
import { hostname } from 'node:os';
import type { Socket } from 'node:net';
import { connect as startTls } from 'node:tls';
import type { WireMail } from './mime.js';

export interface Envelope extends WireMail {
  from: string;
  to: string;
  /** An address is not ASCII (RFC 6531). */
  international: boolean;
}

export interface Server {
  /** For certificates. */
  host: string;
  security: 'starttls' | 'tls' | 'none';
  auth: { user: string; pass: string } | undefined;
  /** A connected socket. Rejects with whatever tells why there is none. */
  connect(): Promise<Socket>;
}

/** What became of a mail. */
export type Fate =
  | { kind: 'answered'; command: Command; code: number; text: string }
  /** The connection broke, or nobody waits any longer. `left`: the server may have the whole mail. */
  | { kind: 'broken'; left: boolean; why: string }
  /** The mail cannot go by this server. */
  | { kind: 'unfit'; why: 'too_large' | 'international'; text: string }
  /** There was no connection to send it over, for a reason that concerns every mail. */
  | { kind: 'unreachable'; error: unknown };

export type Command = 'CONN' | 'EHLO' | 'STARTTLS' | 'AUTH' | 'MAIL FROM' | 'RCPT TO' | 'DATA' | 'END';

/** A server said no before any mail was named. */
export class Refused extends Error {
  constructor(
    readonly command: Command,
    readonly code: number,
    readonly text: string,
  ) {
    super(text);
  }
}
/** The session cannot be had as the settings want it. */
export class NoSession extends Error {
  /** @param settings whether only other settings will help */
  constructor(
    message: string,
    readonly settings: boolean,
  ) {
    super(message);
  }
}

const MOST_CONNECTIONS = 5;
/**
 * Servers count, and RFC 5321 has no number: one that ends a session earlier (421) is given no more from then on than it took,
 * or than the usual number where it may have had other reasons.
 */
const MAILS_PER_CONNECTION = { most: 1000, usual: 100 };
/** Silence, in milliseconds, by what is waited for (RFC 5321 section 4.5.3.2; shorter where nothing can be lost). */
const PATIENCE = { session: 30_000, command: 120_000, body: 180_000, end: 600_000 };
const IDLE_MS = 30_000;
const MOST_REPLY_BYTES = 64 * 1024;

interface Job {
  mail: Envelope;
  stage: 'waiting' | 'named' | 'writing' | 'left';
  again: boolean;
  settle(fate: Fate): void;
  settled: boolean;
}

export class SmtpPipeline {
  private readonly queue: Job[] = [];
  private readonly connections = new Set<Connection>();
  private opening = 0;
  private closed = false;
  private readonly most = { mails: MAILS_PER_CONNECTION.most };

  constructor(private readonly server: Server) {}

  /**
   * One fate per mail, in the order given; never rejects. Mails of several calls share the connections.
   * @param signal once aborted, nothing more is sent, and what has no answer is told as it stands
   */
  send(
    mails: readonly Envelope[],
    signal: AbortSignal,
    onFate?: (fate: Fate, index: number) => Fate | undefined,
  ): Promise<Fate[]> {
    return new Promise((resolve) => {
      const fates: Fate[] = [];
      let missing = mails.length;
      if (missing === 0) return resolve(fates);
      const jobs = mails.map((mail, index): Job => {
        const job: Job = {
          mail,
          stage: 'waiting',
          again: false,
          settled: false,
          settle: (fate) => {
            if (job.settled) return;
            job.settled = true;
            fates[index] = fate;
            missing--;
            const forAll = onFate?.(fate, index);
            if (forAll) for (const other of jobs) if (other.stage === 'waiting') this.drop(other, forAll);
            if (missing > 0) return;
            signal.removeEventListener('abort', give);
            resolve(fates);
          },
        };
        return job;
      });
      const give = () => {
        for (const job of jobs) this.giveUp(job, 'Nobody waits for it any longer.');
      };
      signal.addEventListener('abort', give, { once: true });
      if (signal.aborted) return give();
      this.queue.push(...jobs);
      this.open();
    });
  }

  /** Whether a session can be had. @throws what keeps it from being one */
  async verify(): Promise<void> {
    const connection = new Connection(this.server, this.most);
    try {
      await connection.start();
    } finally {
      connection.end();
    }
  }

  close(): void {
    this.closed = true;
    for (const job of this.queue.splice(0)) job.settle({ kind: 'broken', left: false, why: 'Shut down.' });
    for (const connection of this.connections) connection.end();
  }

  private drop(job: Job, fate: Fate): void {
    const at = this.queue.indexOf(job);
    if (at !== -1) this.queue.splice(at, 1);
    job.settle(fate);
  }

  private giveUp(job: Job, why: string): void {
    if (job.settled) return;
    const { stage } = job;
    this.drop(job, { kind: 'broken', left: stage === 'left', why });
    if (stage !== 'waiting') for (const c of this.connections) if (c.carries(job)) c.end();
  }

  /** One connection finds out whether there is a server; the others follow when it is there and there is work for them. */
  private open(): void {
    if (this.closed || this.queue.length === 0) return;
    let idle = this.queue.length;
    for (const connection of this.connections) if (idle > 0 && connection.wake()) idle--;
    if (idle === 0) return;
    const ready = this.connections.size - this.opening;
    const wanted = ready === 0 ? 1 : Math.min(MOST_CONNECTIONS, ready + Math.ceil(this.queue.length / 4));
    while (this.connections.size < wanted) void this.work();
  }

  private async work(): Promise<void> {
    const connection = new Connection(this.server, this.most);
    this.connections.add(connection);
    this.opening++;
    try {
      await connection.start();
    } catch (error) {
      this.opening--;
      this.connections.delete(connection);
      connection.end();
      // Another one may do the rest.
      if (this.connections.size > 0) return;
      for (const job of this.queue.splice(0)) job.settle({ kind: 'unreachable', error });
      return;
    }
    this.opening--;
    if (!this.closed && this.queue.length > 1) this.open();
    await connection.work(() => this.queue.shift());
    this.connections.delete(connection);
    for (const job of connection.unsent()) {
      if (job.settled) continue;
      job.stage = 'waiting';
      this.queue.unshift(job);
    }
    this.open();
  }
}

interface Reply {
  code: number;
  text: string;
}

class Connection {
  private socket: Socket | undefined;
  private broken: Error | undefined;
  private heard = '';
  private lines: string[] = [];
  private readonly replies: Reply[] = [];
  private waiting: { resolve(reply: Reply): void; reject(error: Error): void } | undefined;
  private extensions = new Map<string, string>();
  private ready = false;
  private served = 0;
  private current: Job | undefined;
  private next: Job | undefined;
  private idle: (() => void) | undefined;
  private idleTimer: NodeJS.Timeout | undefined;
  private patience = 0;
  private slab = Buffer.allocUnsafe(0);
  private slabFree = true;

  /** @param most of the server, as far as it is known */
  constructor(
    private readonly server: Server,
    private readonly most: { mails: number },
  ) {}

  carries(job: Job): boolean {
    return this.current === job || this.next === job;
  }

  /** Tells a connection that there is work. @returns whether it will take some now */
  wake(): boolean {
    if (this.broken || !this.ready) return false;
    if (this.idle) this.idle();
    // Its mail has an answer: it looks for the next one in a moment.
    else if (this.current && !this.current.settled) return false;
    return true;
  }

  /** What the connection had taken and nobody has heard of: named at most. */
  *unsent(): Iterable<Job> {
    for (const job of [this.current, this.next]) if (job && !job.settled) yield job;
  }

  end(): void {
    this.fail(new Error('The connection was closed.'));
  }

  /** Greeting, encryption, sign-in. */
  async start(): Promise<void> {
    const { server } = this;
    let socket = await server.connect();
    if (this.broken) {
      socket.destroy();
      throw this.broken;
    }
    if (server.security === 'tls') socket = await this.secure(socket);
    else this.attach(socket);
    this.wait(PATIENCE.session);
    await this.expect('CONN', 220);
    await this.greet();
    if (server.security === 'starttls') {
      if (!this.extensions.has('STARTTLS')) {
        throw new NoSession('The server does not offer the encryption that the settings ask for.', false);
      }
      await this.command('STARTTLS', 'STARTTLS', 220);
      // What came in plain text beside the answer was not said by the server (CVE-2011-0411).
      if (this.heard !== '' || this.replies.length > 0)
        throw new NoSession('The server spoke out of turn.', false);
      await this.secure(socket);
      this.wait(PATIENCE.session);
      await this.greet();
    }
    if (server.auth) await this.signIn(server.auth);
  }

  private async greet(): Promise<void> {
    this.write(`EHLO ${OWN_NAME}\r\n`);
    let reply = await this.reply();
    if (reply.code >= 500 && reply.code !== 521 && reply.code !== 554) {
      this.write(`HELO ${OWN_NAME}\r\n`);
      reply = await this.reply();
    }
    if (reply.code !== 250) throw new Refused('EHLO', reply.code, reply.text);
    this.extensions = new Map(
      reply.text
        .split('\n')
        .slice(1)
        .map((line): [string, string] => {
          const [name = '', ...more] = line.slice(4).trim().split(/[ =]/);
          return [name.toUpperCase(), more.join(' ').toUpperCase()];
        }),
    );
  }

  private async signIn({ user, pass }: { user: string; pass: string }): Promise<void> {
    const offered = this.extensions.get('AUTH')?.split(' ') ?? [];
    const base64 = (text: string) => Buffer.from(text).toString('base64');
    if (offered.includes('PLAIN')) {
      await this.command('AUTH', `AUTH PLAIN ${base64(`\0${user}\0${pass}`)}`, 235);
    } else if (offered.includes('LOGIN')) {
      await this.command('AUTH', 'AUTH LOGIN', 334);
      await this.command('AUTH', base64(user), 334);
      await this.command('AUTH', base64(pass), 235);
    } else throw new NoSession('The server offers no way to sign in with a password.', true);
  }

  private async command(command: Command, line: string, wanted: number): Promise<void> {
    this.write(`${line}\r\n`);
    await this.expect(command, wanted);
  }

  private async expect(command: Command, wanted: number): Promise<void> {
    const { code, text } = await this.reply();
    if (code !== wanted) throw new Refused(command, code, text);
  }

  /** Sends what `take` gives until the connection ends or has been idle for long. Never rejects. */
  async work(take: () => Job | undefined): Promise<void> {
    this.ready = true;
    try {
      while (!this.broken && this.served < this.most.mails) {
        const named: Job | undefined = this.next;
        this.next = undefined;
        this.current = named ?? this.begin(take());
        if (!this.current) {
          if (!(await this.rest())) break;
          continue;
        }
        await this.serve(this.current, take);
        this.served++;
        this.current = undefined;
      }
      if (!this.broken && !this.next) this.write('QUIT\r\n');
    } catch (error) {
      this.fail(error as Error);
    }
    this.tellBroken();
    this.end();
  }

  /** What was on its way when the connection broke. A job that was only named, over a connection that had worked, goes again. */
  private tellBroken(): void {
    for (const job of [this.current, this.next]) {
      if (!job || job.settled) continue;
      const named = job.stage === 'named' || job.stage === 'waiting';
      if (named && !job.again && (this.served > 0 || job === this.next)) {
        job.again = true;
        continue;
      }
      job.settle({
        kind: 'broken',
        left: job.stage === 'left',
        why: this.broken?.message ?? 'The connection ended.',
      });
    }
  }

  /** Checks what the server can do, and names the mail: all at once where it may. */
  private begin(job: Job | undefined): Job | undefined {
    if (!job) return undefined;
    const { mail } = job;
    const size = Number(this.extensions.get('SIZE') ?? 0);
    if (mail.international && !this.extensions.has('SMTPUTF8')) {
      job.settle({
        kind: 'unfit',
        why: 'international',
        text: 'The server takes no addresses beyond ASCII.',
      });
    } else if (size > 0 && mail.bound > size && mail.write(Buffer.allocUnsafe(mail.bound), 0) > size) {
      // RFC 1870
      job.settle({ kind: 'unfit', why: 'too_large', text: `The server takes mails of up to ${size} bytes.` });
    } else {
      job.stage = 'named';
      this.wait(PATIENCE.command);
      if (this.pipelines) this.write(mailLine(mail) + rcptLine(mail) + DATA);
    }
    return job;
  }

  private get pipelines(): boolean {
    return this.extensions.has('PIPELINING');
  }

  private async serve(job: Job, take: () => Job | undefined): Promise<void> {
    if (job.settled) return;
    if (!(await this.named(job))) return;
    await this.writeBody(job);
    // RFC 2920: the next envelope may follow without waiting for what becomes of this mail.
    if (this.pipelines && this.served + 1 < this.most.mails) {
      do this.next = this.begin(take());
      while (this.next?.settled);
    }
    this.wait(PATIENCE.end);
    const reply = await this.reply();
    job.settle({ kind: 'answered', command: 'END', ...reply });
    if (reply.code === 421) throw this.over();
  }

  /** The server ended the session: the next one is to be over before that. */
  private over(): Error {
    const { usual } = MAILS_PER_CONNECTION;
    if (this.served > 0) this.most.mails = Math.min(this.most.mails, Math.max(usual, this.served));
    return new Error('The server ended the session.');
  }

  /** @returns whether the server waits for the body */
  private async named(job: Job): Promise<boolean> {
    const { mail } = job;
    const steps: [Command, string, (code: number) => boolean][] = [
      ['MAIL FROM', mailLine(mail), (code) => code === 250],
      ['RCPT TO', rcptLine(mail), (code) => code === 250 || code === 251],
      ['DATA', DATA, (code) => code === 354],
    ];
    let refused: { command: Command; reply: Reply } | undefined;
    for (const [command, line, fine] of steps) {
      if (refused && !this.pipelines) break;
      if (!this.pipelines) this.write(line);
      const reply = await this.reply();
      if (!refused && !fine(reply.code)) refused = { command, reply };
      if (refused && command !== 'DATA' && reply.code === 421) break;
      // A server that refused and yet waits for a mail gets an empty one, which it has promised to nobody.
      if (refused && command === 'DATA' && reply.code === 354) {
        this.write('.\r\n');
        await this.reply();
      }
    }
    if (!refused) return true;
    const { command, reply } = refused;
    if (reply.code === 421 && this.served > 0 && !job.again) throw this.over();
    job.settle({ kind: 'answered', command, ...reply });
    if (reply.code === 421) throw this.over();
    if (command !== 'MAIL FROM') {
      this.write('RSET\r\n');
      await this.reply();
    }
    return false;
  }

  private async writeBody(job: Job): Promise<void> {
    const { mail } = job;
    if (!this.slabFree) this.slab = Buffer.allocUnsafe(0);
    if (this.slab.length < mail.bound) this.slab = Buffer.allocUnsafe(Math.max(mail.bound, 64 * 1024));
    const { slab, socket } = this;
    const body = slab.subarray(0, mail.write(slab, 0));
    this.slabFree = false;
    if (mail.seal) {
      await mail.seal(slab, 0, body.length);
      if (this.broken) throw this.broken;
    }
    job.stage = 'writing';
    this.wait(PATIENCE.body);
    // By itself: when this write is done, the final dot is out of our hands, and not before.
    socket?.write(body, (error) => {
      if (error) return;
      job.stage = 'left';
      if (this.slab === slab) this.slabFree = true;
    });
  }

  /** Waits for work. @returns false when there was none for long or the server went */
  private rest(): Promise<boolean> {
    this.wait(0);
    this.setRef(false);
    return new Promise((resolve) => {
      const done = (work: boolean) => {
        clearTimeout(this.idleTimer);
        this.idle = undefined;
        this.setRef(true);
        resolve(work);
      };
      this.idle = () => done(!this.broken);
      this.idleTimer = setTimeout(() => done(false), IDLE_MS).unref();
    });
  }

  private setRef(on: boolean): void {
    if (on) this.socket?.ref();
    else this.socket?.unref();
  }

  private write(text: string): void {
    // Nothing of a mail is ever in here but its addresses, which hold no line ends.
    this.socket?.write(text);
  }

  private secure(socket: Socket): Promise<Socket> {
    socket.removeAllListeners('data');
    socket.removeAllListeners('close');
    const { host } = this.server;
    return new Promise((resolve, reject) => {
      const secured = startTls({ socket, ...(!/^[\d.]+$|:/.test(host) && { servername: host }) });
      const timer = setTimeout(
        () => secured.destroy(new Error('The encryption took too long.')),
        PATIENCE.session,
      );
      const fail = (error?: Error) => {
        clearTimeout(timer);
        this.fail(error ?? new Error('The connection ended while it was being encrypted.'));
        reject(error ?? this.broken ?? new Error('closed'));
      };
      secured.once('error', fail);
      secured.once('close', () => fail());
      secured.once('secureConnect', () => {
        clearTimeout(timer);
        secured.removeAllListeners('close');
        secured.removeListener('error', fail);
        this.attach(secured);
        resolve(secured);
      });
      this.socket = secured;
    });
  }

  private attach(socket: Socket): void {
    this.socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (bytes) => this.read(bytes));
    socket.on('error', (error) => this.fail(error));
    socket.on('close', () => this.fail(new Error('The server closed the connection.')));
    socket.on('end', () => this.fail(new Error('The server closed the connection.')));
    socket.on('timeout', () => this.fail(new Error('The server was silent for too long.')));
  }

  /** @param ms of silence after which the connection counts as broken */
  private wait(ms: number): void {
    if (ms === this.patience) return;
    this.patience = ms;
    this.socket?.setTimeout(ms);
  }

  private fail(error: Error): void {
    if (this.broken) return;
    this.broken = error;
    this.socket?.destroy();
    this.waiting?.reject(error);
    this.waiting = undefined;
    this.idle?.();
  }

  private read(bytes: Buffer): void {
    this.heard += bytes.toString('latin1');
    if (this.heard.length > MOST_REPLY_BYTES) return this.fail(new Error('The server said too much.'));
    for (let at = this.heard.indexOf('\n'); at !== -1; at = this.heard.indexOf('\n')) {
      const line = this.heard.slice(0, at).replace(/\r$/, '');
      this.heard = this.heard.slice(at + 1);
      if (!/^\d{3}(?:[ -]|$)/.test(line)) return this.fail(new Error('The server does not speak SMTP.'));
      this.lines.push(line);
      if (line[3] === '-') {
        if (this.lines.length > 200) return this.fail(new Error('The server said too much.'));
        continue;
      }
      const reply = { code: Number(line.slice(0, 3)), text: this.lines.join('\n') };
      this.lines = [];
      const { waiting } = this;
      this.waiting = undefined;
      if (waiting) waiting.resolve(reply);
      else this.replies.push(reply);
    }
    // An idle connection has nothing to be told: it is being ended.
    if (this.idle && this.replies.length > 0) this.fail(new Error('The server ended the session.'));
  }

  private reply(): Promise<Reply> {
    const reply = this.replies.shift();
    if (reply) return Promise.resolve(reply);
    if (this.broken) return Promise.reject(this.broken);
    return new Promise((resolve, reject) => {
      this.waiting = { resolve, reject };
    });
  }
}

const DATA = 'DATA\r\n';
const mailLine = ({ from, international }: Envelope): string =>
  `MAIL FROM:<${from}>${international ? ' SMTPUTF8' : ''}\r\n`;
const rcptLine = ({ to }: Envelope): string => `RCPT TO:<${to}>\r\n`;

/** RFC 5321 section 4.1.1.1: a name that is one, or the address of this end. */
const OWN_NAME = /^[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$/.test(hostname()) ? hostname() : '[127.0.0.1]';
