/**
 * Email by SMTP: any submission server. One pool of connections per provider account (nodemailer), every socket made
 * by the guarded `net`. What went wrong is judged by how far the message had come, since a connection that breaks
 * looks the same before and after the server took it. Not a relay: one recipient per message, no retries of its own.
 */
import { HttpOutError } from '@carillon/http-out';
import {
  defineProvider,
  impersonal,
  unanswered,
  type Outcome,
  type Outgoing,
  type SendContext,
} from '@carillon/delivery-rules';
import type { Socket } from 'node:net';
import type { SMTPPoolOptions, Transporter } from 'nodemailer';
import { z } from 'zod';
import { isAddress, parseMailbox } from '../mailbox.js';
import type { RenderedEmail } from '../render.js';

const mailbox = z
  .string()
  .max(320)
  .refine((text) => parseMailbox(text) !== undefined, 'write an address, or Name <address>');

const Settings = z
  .object({
    host: z.string().max(253).optional().meta({
      title: 'Host',
      description: 'Name of your submission server.',
      placeholder: 'smtp.example.com',
    }),
    port: z.int().min(1).max(65_535).default(587).meta({
      title: 'Port',
      description: '587 with STARTTLS, 465 with TLS.',
      placeholder: '587',
    }),
    security: z.enum(['starttls', 'tls', 'none']).default('starttls').meta({
      title: 'Encryption',
      description: 'Without encryption the password and every mail can be read on the way.',
    }),
    username: z
      .string()
      .max(320)
      .optional()
      .meta({ title: 'User name', description: 'Left out: no sign-in.', placeholder: 'postmaster' }),
    password: z
      .string()
      .max(1000)
      .optional()
      .meta({ title: 'Password', description: 'Goes with the user name.', secret: true }),
    from: mailbox.meta({
      title: 'Sender',
      description: 'Used unless a message names another.',
      placeholder: 'Acme <hello@example.com>',
    }),
    replyTo: mailbox.optional().meta({
      title: 'Reply to',
      description: 'Where answers go unless a message says otherwise.',
      placeholder: 'support@example.com',
    }),
    unsubscribeMailbox: z.string().max(320).refine(isAddress, 'write a plain address').optional().meta({
      title: 'Mailbox for opt-outs',
      description: 'A second way to unsubscribe, offered beside the one-click link.',
      placeholder: 'unsubscribe@example.com',
    }),
    endpoint: z
      .url({ protocol: /^smtps?$/ })
      .optional()
      .meta({
        title: 'Endpoint',
        description: 'Replaces host, port and encryption: smtp://host:port or smtps://host:port.',
        placeholder: 'smtp://127.0.0.1:3125',
        operatorOnly: true,
      }),
  })
  .refine((s) => s.host ?? s.endpoint, { path: ['host'], message: 'say which server: host' })
  .refine((s) => !s.username === !s.password, {
    path: ['password'],
    message: 'user name and password go together',
  });
type Settings = z.infer<typeof Settings>;
type Context = SendContext<Settings>;

/** How one message fared, as far as its bytes tell. */
interface Handover {
  abort: AbortController;
  /** The body's stream: read at all means that the server had said "go on" (354) and may have it whole. */
  stream: { readableDidRead: boolean } | undefined;
}
const handedOver = (h: Handover) => h.stream?.readableDidRead === true;

type Kind = 'deferred' | 'rateLimited' | 'misconfigured' | Extract<Outcome, { kind: 'rejected' }>['reason'];

/**
 * Enhanced status codes, RFC 3463 and its registry
 * (https://www.iana.org/assignments/smtp-enhanced-status-codes/). The longest match wins.
 */
const permanent: Record<string, Kind> = {
  '5.1': 'recipient_unknown',
  '5.1.4': 'rejected', // ambiguous address
  '5.1.7': 'misconfigured', // the sender's address is not valid
  '5.1.8': 'misconfigured', // the sender's domain is not valid
  '5.2': 'recipient_unreachable',
  '5.2.3': 'too_large',
  '5.3': 'rejected',
  '5.3.4': 'too_large',
  '5.4': 'recipient_unreachable',
  '5.5': 'rejected',
  '5.6': 'content_refused',
  '5.7': 'carrier_blocked',
  '5.7.8': 'misconfigured', // RFC 4954: credentials
  '5.7.9': 'misconfigured', // RFC 4954: mechanism too weak
  '5.7.11': 'misconfigured', // RFC 4954: encryption required
  '5.7.14': 'misconfigured', // RFC 5248: trust relationship required
};
/** Basic codes of servers that give no enhanced one, RFC 5321 section 4.2.3. */
const basic: Record<number, Kind> = {
  530: 'misconfigured',
  534: 'misconfigured',
  535: 'misconfigured',
  538: 'misconfigured',
  550: 'recipient_unknown',
  551: 'recipient_unknown',
  552: 'too_large',
  553: 'recipient_unknown',
};

/** What a reply means. `command` is the one that was answered; after DATA the server has read the content. */
function kindOf(code: number, status: string | undefined, command: string, ownSender: boolean): Kind {
  if (code < 500) return status === '4.7.28' ? 'rateLimited' : 'deferred'; // 4.7.28: mail flood detected
  if (code === 503) return 'deferred'; // "bad sequence": the session was in the wrong state, not the message
  // Refused before any message was named: it is about us.
  if (!['MAIL FROM', 'RCPT TO', 'DATA'].includes(command)) return 'misconfigured';
  const [class_, subject, detail] = (status ?? '').split('.');
  const known = permanent[`${class_}.${subject}.${detail}`] ?? permanent[`${class_}.${subject}`];
  const kind = known ?? basic[code] ?? 'rejected';
  if (command === 'MAIL FROM' && kind !== 'too_large') {
    // Who sends was refused: the account's own sender is a matter of settings, a message's own one is not.
    return ownSender ? 'rejected' : 'misconfigured';
  }
  if (command === 'DATA') {
    if (kind === 'carrier_blocked' || (!known && code === 554) || (!known && code === 550))
      return 'content_refused';
  } else if (code === 552 && !known) return 'recipient_unreachable'; // over quota
  return kind;
}

interface SmtpError extends Error {
  code?: string;
  command?: string;
  response?: string;
  responseCode?: number;
}

/** The outcome of a message whose sending failed. */
function outcomeOf(thrown: unknown, message: Outgoing<RenderedEmail>, left: boolean): Outcome {
  if (thrown instanceof HttpOutError) return unanswered(thrown);
  const error = thrown as SmtpError;
  const reply = error.response ?? error.message;
  const status = /^\d{3}[ -](\d\.\d{1,3}\.\d{1,3})\b/.exec(error.response ?? '')?.[1];
  const answer = {
    code: error.responseCode ?? error.code,
    ...(status && { status }),
    ...(error.command && { command: error.command }),
    message: impersonal(reply, message.address),
  };
  if (error.responseCode) {
    const kind = kindOf(error.responseCode, status, error.command ?? '', message.rendered.from !== null);
    // A reply to RCPT TO is about that mailbox, unless the server says goodbye.
    if (kind === 'deferred' && error.command === 'RCPT TO' && error.responseCode !== 421)
      return { kind, blames: 'recipient', answer };
    if (kind === 'deferred' || kind === 'rateLimited' || kind === 'misconfigured') return { kind, answer };
    return { kind: 'rejected', reason: kind, answer };
  }
  if (left) return { kind: 'unknown', answer };
  if (error.code === 'EAUTH' || error.code === 'ENOAUTH') return { kind: 'misconfigured', answer };
  if (error.code === 'EENVELOPE') return { kind: 'rejected', reason: 'invalid_address', answer };
  // nodemailer compares with the SIZE extension (RFC 1870) before it says MAIL FROM.
  if (error.code === 'EMESSAGE') return { kind: 'rejected', reason: 'too_large', answer };
  return { kind: 'deferred', answer };
}

/** Nobody else of the batch needs to find this out by himself. */
const concernsAll = (outcome: Outcome, error: unknown): boolean =>
  outcome.kind === 'misconfigured' || error instanceof HttpOutError || (error as SmtpError).code === 'ETLS';

function poolOptions(context: Context): SMTPPoolOptions & { pool: true } {
  const { settings, net } = context;
  const { host, port, security } = settings.endpoint
    ? whereTo(new URL(settings.endpoint))
    : { host: settings.host ?? '', port: settings.port, security: settings.security };
  return {
    pool: true,
    host,
    port,
    secure: security === 'tls',
    requireTLS: security === 'starttls',
    ignoreTLS: security === 'none',
    ...(settings.username && { auth: { user: settings.username, pass: settings.password ?? '' } }),
    maxConnections: 5,
    maxMessages: 100,
    // Only for a connection that the server dropped while idle; `followBody` sees to it that nothing goes twice.
    maxRequeues: 1,
    greetingTimeout: 30_000,
    // RFC 5321 section 4.5.3.2.6: a server may take ten minutes over the final dot. `signal` may end it earlier.
    socketTimeout: 600_000,
    disableFileAccess: true,
    disableUrlAccess: true,
    getSocket(_options, done) {
      net.connect({ host, port, deadlineMs: 10_000 }).then(
        (socket) => done(null, { connection: socket as Socket }),
        (error: Error) => done(error),
      );
    },
  };
}
function whereTo(endpoint: URL): { host: string; port: number; security: Settings['security'] } {
  const tls = endpoint.protocol === 'smtps:';
  return {
    host: endpoint.hostname.replace(/^\[|\]$/g, ''),
    port: Number(endpoint.port || (tls ? 465 : 25)),
    security: tls ? 'tls' : 'none',
  };
}

/** Kept per account and revision: connections outlive the batch. */
async function transportOf(context: Context): Promise<Transporter> {
  const { account } = context;
  return context.keep(
    `smtp ${account.id} ${account.revision}`,
    async () => {
      const { createTransport } = await import('nodemailer');
      const transport: Transporter = createTransport(poolOptions(context));
      transport.use('stream', followBody);
      return transport;
    },
    async (transport) => (await transport).close(),
  );
}

/** Lets `send` see whether the body was read, and stops nodemailer from sending a body for the second time. */
function followBody(
  mail: { data: object; message: { processFunc(f: (s: Handover['stream']) => unknown): void } },
  done: () => void,
): void {
  const handover = (mail.data as { handover: Handover }).handover;
  mail.message.processFunc((stream) => {
    if (handedOver(handover)) throw new Error('The body had left already.');
    handover.stream = stream;
    return stream;
  });
  done();
}

/** RFC 2369 and RFC 8058: asked for by the large mailbox operators of every bulk sender. */
function unsubscribeHeaders(message: Outgoing<RenderedEmail>, context: Context): Record<string, string> {
  if (message.messageClass !== 'marketing') return {};
  const mailTo = context.settings.unsubscribeMailbox;
  const ways = [context.unsubscribeUrl(message.deliveryId), ...(mailTo ? [`mailto:${mailTo}`] : [])];
  return {
    'List-Unsubscribe': ways.map((way) => `<${way}>`).join(', '),
    'List-Unsubscribe-Post': 'List-Unsubscribe=One-Click',
  };
}

function mailOf(message: Outgoing<RenderedEmail>, context: Context): object {
  const { rendered } = message;
  const { settings } = context;
  const from = parseMailbox(rendered.from ?? settings.from);
  const replyTo = rendered.replyTo ?? settings.replyTo;
  if (!from) throw new TypeError('A rendered email has a valid sender.');
  return {
    // The envelope is given apart: no header is ever parsed again to find out who gets the mail.
    envelope: { from: from.address, to: [message.address] },
    from,
    to: { name: '', address: message.address },
    ...(replyTo && { replyTo: parseMailbox(replyTo) }),
    subject: rendered.subject,
    text: String(rendered.text),
    ...(rendered.html !== null && { html: String(rendered.html) }),
    attachments: rendered.attachments.map((a) => ({ ...a, encoding: 'base64' })),
    messageId: `<${messageIdOf(message, from.address)}>`,
    headers: unsubscribeHeaders(message, context),
  };
}
/** The same at every attempt, so that mailboxes may fold a duplicate. */
const messageIdOf = (message: Outgoing<RenderedEmail>, from: string): string =>
  `${message.deliveryId}@${from.slice(from.lastIndexOf('@') + 1)}`;

async function send(batch: readonly Outgoing<RenderedEmail>[], context: Context): Promise<Outcome[]> {
  const transport = await transportOf(context);
  const handovers: Handover[] = batch.map(() => ({ abort: new AbortController(), stream: undefined }));
  let verdictOfAll: Outcome | undefined;
  const giveUp = () => {
    for (const h of handovers) h.abort.abort();
  };
  context.signal.addEventListener('abort', giveUp, { once: true });
  if (context.signal.aborted) giveUp();

  const sendOne = async (message: Outgoing<RenderedEmail>, handover: Handover): Promise<Outcome> => {
    if (!isAddress(message.address)) {
      return { kind: 'rejected', reason: 'invalid_address', answer: { message: 'Not a plain address.' } };
    }
    try {
      const mail = { ...mailOf(message, context), signal: handover.abort.signal, handover };
      const info = await transport.sendMail(mail);
      const answer = { code: 250, message: impersonal(info.response ?? '', message.address) };
      return { kind: 'accepted', providerMessageId: info.messageId.replace(/^<|>$/g, ''), answer };
    } catch (error) {
      if (verdictOfAll && !handedOver(handover)) return verdictOfAll;
      const outcome = outcomeOf(error, message, handedOver(handover));
      if (concernsAll(outcome, error)) {
        verdictOfAll ??= outcome;
        for (const h of handovers) if (!handedOver(h)) h.abort.abort();
      }
      return outcome;
    }
  };
  try {
    return await Promise.all(
      batch.map((message, i) =>
        sendOne(message, handovers[i] ?? { abort: new AbortController(), stream: undefined }),
      ),
    );
  } finally {
    context.signal.removeEventListener('abort', giveUp);
  }
}

async function test(context: Context): Promise<{ ok: boolean; sentence: string }> {
  const transport = await transportOf(context);
  try {
    await transport.verify();
    return { ok: true, sentence: 'The server is there and takes the credentials.' };
  } catch (error) {
    return { ok: false, sentence: impersonal(error instanceof Error ? error.message : String(error), '') };
  }
}

export const smtp = defineProvider<RenderedEmail, Settings>({
  name: 'smtp',
  title: 'SMTP server',
  docs: 'https://www.rfc-editor.org/rfc/rfc5321',
  settings: Settings,
  send,
  test,
});
