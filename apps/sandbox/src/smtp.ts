/**
 * The mail server: real SMTP on a real socket (smtp-server), taking mail for every address. Accepts any login but
 * the password `wrong`; STARTTLS works when a client asks for it, but is not offered, because the certificate is a
 * built-in test one. Called by `startSandbox`; knows nothing of HTTP.
 */
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { SMTPServer, type SMTPServerSession } from 'smtp-server';
import { wait } from './answering.js';
import type { KnobsPanel } from './knobs.js';
import { emailMagicFor, type FirstTries } from './magic.js';
import type { ReceivedMessages } from './received.js';

type Reply = readonly [code: number, text: string];

const replyError = ([code, text]: Reply) => Object.assign(new Error(text), { responseCode: code });

export interface SmtpHandle {
  port: number;
  close(): Promise<void>;
}

export async function startSmtp(options: {
  host: string;
  port: number;
  knobs: KnobsPanel;
  received: ReceivedMessages;
  firstTries: FirstTries;
}): Promise<SmtpHandle> {
  const { knobs, received, firstTries } = options;
  const sockets = new Map<number, Socket>();
  const nothing: Buffer = Buffer.alloc(0);

  const break_ = (session: SMTPServerSession) => sockets.get(session.remotePort)?.resetAndDestroy();
  const add = (
    session: SMTPServerSession,
    to: string,
    accepted: boolean,
    answer: string,
    { raw = nothing, id = received.nextId() }: { raw?: Buffer; id?: string } = {},
  ) => {
    const from = session.envelope.mailFrom ? session.envelope.mailFrom.address : '';
    const at = new Date().toISOString();
    received.add({ channel: 'email', id, to, at, accepted, answer, from, raw });
  };

  /** Everything that a server may say to the finished mail. The first recipient with magic decides for all. */
  const answerMail = async (
    session: SMTPServerSession,
    raw: Buffer,
    reply: (error: Error | null, text?: string) => void,
  ) => {
    const { latencyMs, slowMs, silentRate } = knobs.current.email;
    const recipients = session.envelope.rcptTo.map((r) => r.address);
    const magicRecipient = recipients.find((to) => emailMagicFor(to)?.at === 'data');
    const magic = magicRecipient === undefined ? undefined : emailMagicFor(magicRecipient);
    if (latencyMs) await wait(latencyMs);
    if (magic && 'reply' in magic && !(magic.once && !firstTries.isFirst(magicRecipient ?? ''))) {
      for (const to of recipients) add(session, to, false, magic.reply.join(' '), { raw });
      return reply(replyError(magic.reply));
    }
    if (magic && 'act' in magic && magic.act === 'slow') await wait(slowMs);
    const act = magic && 'act' in magic ? magic.act : undefined;
    if (act === 'reset') {
      const keep = magic && 'keep' in magic;
      const answer = 'The connection was broken, no answer.';
      for (const to of recipients) add(session, to, Boolean(keep), answer, { raw });
      return break_(session);
    }
    const silent = act === 'silence' || (silentRate > 0 && Math.random() < silentRate);
    const id = received.nextId();
    const answer = `2.0.0 Ok: queued as ${id}`;
    recipients.forEach((to, i) => {
      add(session, to, true, silent ? 'No answer was given.' : `250 ${answer}`, {
        raw,
        ...(i === 0 && { id }),
      });
    });
    if (!silent) reply(null, answer);
  };

  const server = new SMTPServer({
    name: 'sandbox.carillon.test',
    banner: 'Carillon sandbox',
    // Enhanced codes (RFC 3463) are written into our own texts, as large receivers do.
    hideENHANCEDSTATUSCODES: true,
    disableReverseLookup: true,
    authOptional: true,
    allowInsecureAuth: true,
    authMethods: ['PLAIN', 'LOGIN'],
    hideSTARTTLS: true,
    logger: false,
    size: 25 * 1024 * 1024,
    rejectOversized: true,
    socketTimeout: 600_000,
    closeTimeout: 1000,
    maxAllowedUnauthenticatedCommands: false,
    onAuth(auth, _session, done) {
      if (auth.password === 'wrong') done(replyError([535, '5.7.8 Username and password not accepted']));
      else done(null, { user: auth.username ?? 'anonymous' });
    },
    onMailFrom(address, _session, done) {
      if (address.address.toLowerCase().startsWith('denied@'))
        done(replyError([553, '5.7.1 Sender address rejected: not owned by this account']));
      else done();
    },
    onRcptTo({ address }, session, done) {
      const { failRate, errorCode } = knobs.current.email;
      const magic = emailMagicFor(address);
      const refuse = (reply: Reply) => {
        add(session, address, false, reply.join(' '));
        done(replyError(reply));
      };
      if (failRate > 0 && Math.random() < failRate)
        return refuse([errorCode, `${String(errorCode)[0]}.0.0 Refused by the sandbox's knobs`]);
      if (magic?.at === 'recipient') {
        if ('reply' in magic) {
          if (!magic.once || firstTries.isFirst(address)) return refuse(magic.reply);
        } else {
          return add(session, address, false, 'No answer was given to RCPT TO.');
        }
      }
      done();
    },
    onData(stream, session, done) {
      const breaksInside = session.envelope.rcptTo.some(({ address }) => {
        const magic = emailMagicFor(address);
        return magic?.at === 'data' && 'act' in magic && magic.act === 'reset' && !magic.keep;
      });
      if (breaksInside) {
        stream.once('data', () => {
          for (const { address } of session.envelope.rcptTo)
            add(session, address, false, 'The connection was broken inside the body.');
          break_(session);
        });
        return;
      }
      const chunks: Buffer[] = [];
      if (received.keeping) stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      else stream.resume();
      stream.on('end', () => {
        if (stream.sizeExceeded) return done(); // answered 552 by the server itself
        void answerMail(session, Buffer.concat(chunks), done);
      });
    },
  });
  // Clients that vanish are part of the game; a bug of ours would surface as an unhandled rejection instead.
  server.on('error', () => undefined);
  server.server.on('connection', (socket: Socket) => {
    const port = socket.remotePort ?? 0;
    sockets.set(port, socket);
    socket.once('close', () => sockets.delete(port));
  });

  server.server.listen(options.port, options.host);
  await once(server.server, 'listening'); // rejects when the port is taken
  const address = server.server.address();
  if (!address || typeof address === 'string') throw new Error('The SMTP server has no port.');
  return {
    port: address.port,
    close: () =>
      new Promise((resolve) => {
        server.close(resolve);
        for (const socket of sockets.values()) socket.destroy();
      }),
  };
}
