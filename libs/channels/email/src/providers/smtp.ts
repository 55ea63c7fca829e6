/**
 * Email by SMTP: any submission server. Our own transport (smtp-pipeline.ts) over sockets made by the guarded `net`; here
 * stands what its settings are, what goes into a mail's header, and what each answer means. Not a relay: one recipient per
 * message, no retries of its own but for a connection that was dropped while it was idle.
 */
import { HttpOutError } from '@carillon/http-out';
import {
  defineProvider,
  impersonal,
  unanswered,
  type Outcome,
  type Outgoing,
  type SendContext,
  type SenderIdentity,
} from '@carillon/delivery-rules';
import type { Socket } from 'node:net';
import { domainToASCII } from 'node:url';
import { z } from 'zod';
import { readBounce, returnPathOf } from './bounces.js';
import { permanentKind, type Kind } from './reply-codes.js';
import { isAddress, parseMailbox, type Mailbox } from '../mailbox.js';
import type { RenderedEmail } from '../render.js';
import { DkimSigner, readDkimKey } from './dkim.js';
import { addressOf, headerLine, rawMail, writtenMail } from './mime.js';
import {
  NoSession,
  Refused,
  SmtpPipeline,
  type Command,
  type Envelope,
  type Fate,
  type Server,
} from './smtp-pipeline.js';

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
    bounceMailbox: z
      .string()
      .max(320)
      .refine((text) => isAddress(text) && text.indexOf('@') <= 24, 'write a plain address with a short name')
      .optional()
      .meta({
        title: 'Mailbox for bounces',
        description:
          'Mails are sent as name+…@domain, so that each report that comes back names its mail. Forward what it gets: docs/bounces.md.',
        placeholder: 'bounces@mail.example.com',
      }),
    bounceSecret: z.string().min(16).max(200).optional().meta({
      title: 'Secret for bounces',
      description: 'Signs return addresses, and is shown by whoever forwards reports here.',
      secret: true,
    }),
    dkimSelector: z
      .string()
      .max(63)
      .regex(
        /^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*$/,
        'a name such as mail2026',
      )
      .optional()
      .meta({
        title: 'DKIM selector',
        description: 'To sign mails here; leave it out where your server or provider signs.',
        placeholder: 'mail2026',
      }),
    dkimKey: z
      .string()
      .max(20_000)
      .refine(
        (text) => readDkimKey(text) !== undefined,
        'a private key in PEM: RSA of 1024 bits or more, or Ed25519',
      )
      .optional()
      .meta({
        title: 'DKIM private key',
        description: 'PEM; goes with the selector. "Test" tells the DNS record that belongs to it.',
        secret: true,
      }),
    dkimDomain: z
      .string()
      .max(253)
      .regex(
        /^([A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?\.)+[A-Za-z0-9-]*[A-Za-z0-9]$/,
        'a domain in ASCII such as example.com',
      )
      .optional()
      .meta({
        title: 'DKIM domain',
        description: "Left out: the sender's.",
        placeholder: 'example.com',
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
  })
  .refine((s) => !s.bounceMailbox === !s.bounceSecret, {
    path: ['bounceSecret'],
    message: 'mailbox and secret for bounces go together',
  })
  .refine((s) => !s.dkimSelector === !s.dkimKey, {
    path: ['dkimKey'],
    message: 'DKIM selector and private key go together',
  });
type Settings = z.infer<typeof Settings>;
type Context = SendContext<Settings>;

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
  const known = permanentKind(status);
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

/** What a mail's fate means. */
function outcomeOf(fate: Fate, message: Outgoing<RenderedEmail>, messageId: string): Outcome {
  switch (fate.kind) {
    case 'answered':
      return judged(fate, message, messageId);
    case 'broken':
      return { kind: fate.left ? 'unknown' : 'deferred', answer: said(fate.why, message) };
    case 'unfit':
      return {
        kind: 'rejected',
        reason: fate.why === 'too_large' ? 'too_large' : 'invalid_address',
        answer: said(fate.text, message),
      };
    case 'unreachable':
      return unreachable(fate.error, message);
  }
}

function judged(
  { command, code, text }: { command: Command; code: number; text: string },
  message: Outgoing<RenderedEmail>,
  messageId: string,
): Outcome {
  const status = /^\d{3}[ -](\d\.\d{1,3}\.\d{1,3})\b/.exec(text)?.[1];
  const answer = { code, ...(status && { status }), message: impersonal(text, message.address) };
  if (command === 'END' && code === 250) return { kind: 'accepted', providerMessageId: messageId, answer };
  const of = command === 'END' ? 'DATA' : command;
  const kind = kindOf(code, status, of, message.rendered.from !== null);
  const named = { ...answer, command: of };
  // A reply to RCPT TO is about that mailbox, unless the server says goodbye.
  if (kind === 'deferred' && command === 'RCPT TO' && code !== 421)
    return { kind, blames: 'recipient', answer: named };
  if (kind === 'deferred' || kind === 'rateLimited' || kind === 'misconfigured')
    return { kind, answer: named };
  return { kind: 'rejected', reason: kind, answer: named };
}

/** What the first mail found out for all. */
class Verdict {
  constructor(readonly outcome: Outcome) {}
}

/** No session: nothing of any mail has left. */
function unreachable(error: unknown, message: Outgoing<RenderedEmail>): Outcome {
  if (error instanceof HttpOutError) return unanswered(error);
  if (error instanceof Verdict) return error.outcome;
  if (error instanceof Refused) return judged(error, message, '');
  const why = error instanceof Error ? error.message : String(error);
  const settings = error instanceof NoSession && error.settings;
  return { kind: settings ? 'misconfigured' : 'deferred', answer: said(why, message) };
}

const said = (text: string, { address }: Outgoing<RenderedEmail>) => ({ message: impersonal(text, address) });

function serverOf({ settings, net }: Context): Server {
  const { host, port, security } = settings.endpoint
    ? whereTo(new URL(settings.endpoint))
    : { host: settings.host ?? '', port: settings.port, security: settings.security };
  return {
    host,
    security,
    auth: settings.username ? { user: settings.username, pass: settings.password ?? '' } : undefined,
    connect: () => net.connect({ host, port, deadlineMs: 10_000 }) as Promise<Socket>,
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
const pipelineOf = (context: Context): SmtpPipeline =>
  context.keep(
    `smtp ${context.account.id} ${context.account.revision}`,
    () => new SmtpPipeline(serverOf(context)),
    (pipeline) => pipeline.close(),
  );

/** Undefined when this account does not sign. */
function signerOf(context: Context): DkimSigner | undefined {
  const { settings, account } = context;
  if (!settings.dkimSelector) return undefined;
  return context.keep(
    `dkim ${account.id} ${account.revision}`,
    () => signerFor(settings),
    () => undefined,
  );
}
function signerFor({ dkimSelector, dkimKey, dkimDomain, from }: Settings): DkimSigner | undefined {
  if (!dkimSelector || !dkimKey) return undefined;
  const key = readDkimKey(dkimKey);
  if (!key) throw new TypeError('The settings have been checked.');
  return new DkimSigner(dkimDomain ?? domainOf(senderOf(from).address), dkimSelector, key);
}
const domainOf = (address: string): string => address.slice(address.lastIndexOf('@') + 1);

/** RFC 2369 and RFC 8058: asked for by the large mailbox operators of every bulk sender. */
function unsubscribeHeaders(message: Outgoing<RenderedEmail>, context: Context): Record<string, string> {
  if (message.messageClass !== 'marketing') return {};
  const mailTo = context.settings.unsubscribeMailbox;
  const ways = [message.rendered.unsubscribeUrl, ...(mailTo ? [`mailto:${mailTo}`] : [])];
  return {
    'List-Unsubscribe': ways.map((way) => `<${way}>`).join(', '),
    'List-Unsubscribe-Post': 'List-Unsubscribe=One-Click',
  };
}

/** A sender or reply address with its domain in ASCII, as headers and envelope want it. */
interface Sender extends Mailbox {
  header: string;
}
const senders = new Map<string, Sender>();
const KEPT_SENDERS = 500;

/** Campaigns have few senders, and many mails. */
function senderOf(text: string): Sender {
  const known = senders.get(text);
  if (known) return known;
  const parsed = parseMailbox(text);
  if (!parsed) throw new TypeError('A rendered email has valid senders.');
  const mailbox = { ...parsed, address: asciiDomain(parsed.address) };
  const sender = { ...mailbox, header: addressOf(mailbox) };
  if (senders.size >= KEPT_SENDERS) senders.clear();
  senders.set(text, sender);
  return sender;
}

/** RFC 5891; what cannot be written in ASCII stays as it is. */
function asciiDomain(address: string): string {
  if (ASCII.test(address)) return address;
  const at = address.lastIndexOf('@') + 1;
  return address.slice(0, at) + (domainToASCII(address.slice(at)) || address.slice(at));
}
const ASCII = /^[\x20-\x7e]*$/;

/** The envelope is made apart from the headers: none of them is ever read again to find out who gets the mail. */
async function mailOf(
  message: Outgoing<RenderedEmail>,
  context: Context,
  messageId: string,
): Promise<Envelope> {
  const { rendered } = message;
  const from = senderOf(rendered.from ?? context.settings.from);
  const to = asciiDomain(message.address);
  const replyTo = rendered.replyTo ?? context.settings.replyTo;
  const unsubscribe = Object.entries(unsubscribeHeaders(message, context));
  const dkim = signerOf(context);
  const mail =
    rendered.attachments.length > 0
      ? await rawMail(await composed(message, { from, to, replyTo, messageId, unsubscribe }), dkim)
      : writtenMail(
          `From: ${from.header}\r\nTo: ${to}\r\n` +
            (replyTo ? `Reply-To: ${senderOf(replyTo).header}\r\n` : '') +
            headerLine('Subject', rendered.subject) +
            `Message-ID: <${messageId}>\r\nDate: ${dateHeader()}\r\nMIME-Version: 1.0\r\n` +
            unsubscribe.map(([name, value]) => `${name}: ${value}\r\n`).join(''),
          rendered.text,
          rendered.html,
          dkim,
        );
  const returnPath = returnPathOf(context.settings, message.deliveryId) ?? from.address;
  return { ...mail, from: returnPath, to, international: !ASCII.test(returnPath + to) };
}

/** Attachments: nodemailer knows all about them. */
async function composed(
  { rendered }: Outgoing<RenderedEmail>,
  {
    from,
    to,
    replyTo,
    messageId,
    unsubscribe,
  }: {
    from: Sender;
    to: string;
    replyTo: string | undefined;
    messageId: string;
    unsubscribe: [string, string][];
  },
): Promise<Buffer> {
  const { default: MailComposer } = await import('nodemailer/lib/mail-composer');
  return new MailComposer({
    from: { name: from.name, address: from.address },
    to: { name: '', address: to },
    ...(replyTo && { replyTo: { name: senderOf(replyTo).name, address: senderOf(replyTo).address } }),
    subject: rendered.subject,
    text: String(rendered.text),
    ...(rendered.html !== null && { html: String(rendered.html) }),
    attachments: rendered.attachments.map(({ contentId, ...a }) => ({
      ...a,
      encoding: 'base64' as const,
      ...(contentId && { cid: contentId, contentDisposition: 'inline' as const }),
    })),
    messageId: `<${messageId}>`,
    headers: Object.fromEntries(unsubscribe),
    disableFileAccess: true,
    disableUrlAccess: true,
  })
    .compile()
    .build();
}

let date = { second: 0, text: '' };
/** RFC 5322 section 3.3 */
function dateHeader(now = Date.now()): string {
  const second = Math.floor(now / 1000);
  if (date.second !== second) date = { second, text: new Date(now).toUTCString().replace('GMT', '+0000') };
  return date.text;
}

/** The same at every attempt, so that mailboxes may fold a duplicate. */
function messageIdOf(message: Outgoing<RenderedEmail>, context: Context): string {
  const { address } = senderOf(message.rendered.from ?? context.settings.from);
  return `${message.deliveryId}@${domainOf(address)}`;
}

async function send(batch: readonly Outgoing<RenderedEmail>[], context: Context): Promise<Outcome[]> {
  const outcomes = new Map<Outgoing<RenderedEmail>, Outcome>();
  const going: { message: Outgoing<RenderedEmail>; messageId: string; mail: Envelope }[] = [];
  for (const message of batch) {
    if (isAddress(message.address)) {
      const messageId = messageIdOf(message, context);
      going.push({ message, messageId, mail: await mailOf(message, context, messageId) });
    } else {
      const answer = { message: 'Not a plain address.' };
      outcomes.set(message, { kind: 'rejected', reason: 'invalid_address', answer });
    }
  }
  const outcomeAt = (fate: Fate, index: number): Outcome => {
    const { message, messageId } = going[index] as (typeof going)[number];
    return outcomeOf(fate, message, messageId);
  };
  const fates = await pipelineOf(context).send(
    going.map(({ mail }) => mail),
    context.signal,
    // Nobody else of the batch needs to find out by himself that the account is not set up.
    (fate, index) => {
      const outcome = outcomeAt(fate, index);
      if (outcome.kind !== 'misconfigured') return undefined;
      return { kind: 'unreachable', error: new Verdict(outcome) };
    },
  );
  for (const [i, { message }] of going.entries()) outcomes.set(message, outcomeAt(fates[i] as Fate, i));
  return batch.map((message) => outcomes.get(message) as Outcome);
}

async function test(context: Context): Promise<{ ok: boolean; sentence: string }> {
  try {
    await pipelineOf(context).verify();
    const sentence = 'The server is there and takes the credentials.';
    const record = signerOf(context)?.record();
    if (!record) return { ok: true, sentence };
    return { ok: true, sentence: `${sentence} Publish in DNS: ${record.name} TXT "${record.value}"` };
  } catch (error) {
    return { ok: false, sentence: impersonal(error instanceof Error ? error.message : String(error), '') };
  }
}

function sender(settings: Settings): SenderIdentity | null {
  // Through a relay of the operator's own, or the sandbox, nothing goes out under this name from here.
  if (settings.endpoint) return null;
  const domain = domainToASCII(domainOf(senderOf(settings.from).address));
  return domain ? { domain, dkim: signerFor(settings)?.record() ?? null } : null;
}

export const smtp = defineProvider<RenderedEmail, Settings>({
  name: 'smtp',
  title: 'SMTP server',
  docs: 'https://www.rfc-editor.org/rfc/rfc5321',
  settings: Settings,
  send,
  sender,
  test,
  parseWebhook: readBounce,
});
