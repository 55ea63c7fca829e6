/**
 * What comes back to the return address of a mail: delivery reports (RFC 3464 in RFC 6522), complaints (RFC 5965), and
 * the notes of servers that write neither. Each mail has a return address of its own, signed (VERP), which alone says what
 * the report is about: what is quoted inside may be anybody's. What cannot be read is said to be unreadable.
 */
import {
  impersonal,
  WebhookRefused,
  WebhookUnreadable,
  type Receipt,
  type WebhookRequest,
} from '@carillon/delivery-rules';
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import PostalMime, { type Attachment, type Email } from 'postal-mime';
import { permanentKind } from './reply-codes.js';

type ReasonName = NonNullable<Receipt['reason']>;

export interface BounceSettings {
  bounceMailbox?: string | undefined;
  bounceSecret?: string | undefined;
}

const ID_BYTES = 16;
const MAC_BYTES = 8;
/** Of RFC 4648, in small letters: mail servers do not keep the others apart. */
const LETTERS = 'abcdefghijklmnopqrstuvwxyz234567';
const TOKEN_LENGTH = Math.ceil(((ID_BYTES + MAC_BYTES) * 8) / 5);
const MOST_HEAD = 2000;

/** The return address of one mail; undefined where the account collects no reports. */
export function returnPathOf(
  { bounceMailbox, bounceSecret }: BounceSettings,
  deliveryId: string,
): string | undefined {
  if (!bounceMailbox || !bounceSecret) return undefined;
  const id = Buffer.from(deliveryId.replaceAll('-', ''), 'hex');
  const at = bounceMailbox.lastIndexOf('@');
  const token = base32(Buffer.concat([id, macOf(bounceSecret, id)]));
  return `${bounceMailbox.slice(0, at)}+${token}${bounceMailbox.slice(at)}`;
}

const macOf = (secret: string, id: Buffer): Buffer =>
  createHmac('sha256', secret).update('return path:').update(id).digest().subarray(0, MAC_BYTES);

/** @returns the delivery that a return address names, if the signature is ours */
export function deliveryOfReturnPath(secret: string, text: string): string | null {
  for (const [, token = ''] of text.matchAll(new RegExp(`\\+([a-z2-7]{${TOKEN_LENGTH}})@`, 'gi'))) {
    const bytes = fromBase32(token.toLowerCase());
    const id = bytes.subarray(0, ID_BYTES);
    if (timingSafeEqual(bytes.subarray(ID_BYTES), macOf(secret, id)))
      return id.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
  }
  return null;
}

function base32(bytes: Buffer): string {
  let text = '';
  let held = 0;
  let bits = 0;
  for (const byte of bytes) {
    held = (held << 8) | byte;
    for (bits += 8; bits >= 5; bits -= 5) text += LETTERS[(held >> (bits - 5)) & 31];
    held &= (1 << bits) - 1;
  }
  return bits > 0 ? text + LETTERS[(held << (5 - bits)) & 31] : text;
}
function fromBase32(text: string): Buffer {
  const bytes = Buffer.alloc(ID_BYTES + MAC_BYTES);
  let held = 0;
  let bits = 0;
  let at = 0;
  for (const letter of text) {
    held = ((held & 0xff) << 5) | LETTERS.indexOf(letter);
    bits += 5;
    if (bits >= 8 && at < bytes.length) bytes[at++] = (held >> (bits -= 8)) & 0xff;
  }
  return bytes;
}

/** A mail as it came to the return address, forwarded here by whoever receives mail for it. */
export async function readBounce(request: WebhookRequest, settings: BounceSettings): Promise<Receipt[]> {
  const { bounceSecret } = settings;
  if (!bounceSecret || !showsSecret(request, bounceSecret))
    throw new WebhookRefused('It does not show the secret.');
  const text = Buffer.from(request.rawBody).toString('latin1');
  const mail = await parsed(request.rawBody);
  const head = impersonal(text.slice(0, MOST_HEAD * 2), '').slice(0, MOST_HEAD);
  if (!mail) throw new WebhookUnreadable('It is no mail that can be read.', head);
  const envelope = request.headers['x-envelope-to'] ?? '';
  const deliveryId =
    deliveryOfReturnPath(bounceSecret, envelope) ?? deliveryOfReturnPath(bounceSecret, addressedTo(mail));
  if (!deliveryId)
    throw new WebhookUnreadable(
      'It came to no return address of ours: it cannot be said which mail it is about.',
      head,
    );
  const eventId = createHash('sha256').update(request.rawBody).digest('base64url');
  return [{ deliveryId, eventId, ...readReport(mail) }];
}

/** `Authorization: Bearer …`, or the password of Basic: what forwarders can be given. */
function showsSecret({ headers }: WebhookRequest, secret: string): boolean {
  const [, scheme = '', given = ''] = /^(\S+)\s+(.*)$/.exec(headers['authorization'] ?? '') ?? [];
  const shown = /^basic$/i.test(scheme)
    ? Buffer.from(given, 'base64').toString().split(':').slice(1).join(':')
    : given;
  const digest = (of: string) => createHash('sha256').update(of).digest();
  return timingSafeEqual(digest(shown), digest(secret));
}

async function parsed(raw: Uint8Array): Promise<Email | null> {
  try {
    const mail = await PostalMime.parse(raw, { maxNestingDepth: 20, forceRfc822Attachments: true });
    return mail.headers.length > 0 ? mail : null;
  } catch {
    // Whatever a stranger sends; it is kept and shown as unreadable.
    return null;
  }
}

/** Headers that name to whom it came. Not those of what it quotes. */
const ADDRESSED = new Set([
  'delivered-to',
  'x-original-to',
  'envelope-to',
  'x-envelope-to',
  'x-forwarded-to',
  'to',
]);
const addressedTo = (mail: Email): string =>
  mail.headers.flatMap(({ key, value }) => (ADDRESSED.has(key) ? [value] : [])).join(' ');

type Report = Pick<Receipt, 'status' | 'answer'> & { reason?: ReasonName };

/** What a mail to a return address says. */
export function readReport(mail: Email): Report {
  const part = (type: string) => mail.attachments.find((a) => a.mimeType.toLowerCase() === type);
  const complaint = part('message/feedback-report');
  if (complaint) {
    const [fields = {}] = fieldsOf(complaint);
    const kind = fields['feedback-type'] ?? '';
    const answer = {
      code: `feedback ${kind}`.trim(),
      message: impersonal(fields['user-agent'] ?? 'A complaint.', ''),
    };
    return { status: /^(abuse|fraud|virus)$/i.test(kind) ? 'complained' : 'other', answer };
  }
  const status = part('message/delivery-status') ?? part('message/global-delivery-status');
  if (status) return ofFields(fieldsOf(status).find((fields) => fields['action']) ?? {}, mail.text ?? '');
  const failed = mail.headers.find(({ key }) => key === 'x-failed-recipients');
  if (failed) return failedWith('', mail.text ?? '', failed.value);
  const automatic = mail.headers.find(({ key }) => key === 'auto-submitted' || key === 'x-autoreply');
  const what = automatic && automatic.value !== 'no' ? 'An automatic answer.' : 'A mail that is no report.';
  return { status: 'other', answer: { message: `${what} ${impersonal(mail.subject ?? '', '')}`.trim() } };
}

type Fields = Record<string, string>;

/** RFC 3464 section 2.1: groups of fields, apart by blank lines. The first one is about the mail as a whole. */
function fieldsOf({ content }: Attachment): Fields[] {
  const text = typeof content === 'string' ? content : Buffer.from(content as ArrayBuffer).toString('utf8');
  return text
    .replaceAll('\r\n', '\n')
    .split(/\n[ \t]*\n/)
    .map((group) =>
      Object.fromEntries(
        group
          .replace(/\n[ \t]+/g, ' ')
          .split('\n')
          .flatMap((line) => {
            const [, name, value] = /^([\w-]+)\s*:\s*(.*)$/.exec(line) ?? [];
            return name && value !== undefined ? [[name.toLowerCase(), value.trim()]] : [];
          }),
      ),
    );
}

function ofFields(fields: Fields, text: string): Report {
  const action = fields['action']?.toLowerCase() ?? '';
  const diagnostic = (fields['diagnostic-code'] ?? '').replace(/^[\w-]+\s*;\s*/, '');
  const recipient = (fields['final-recipient'] ?? fields['original-recipient'] ?? '').replace(
    /^[\w-]+\s*;\s*/,
    '',
  );
  const code = /\d\.\d{1,3}\.\d{1,3}/.exec(fields['status'] ?? '')?.[0] ?? '';
  if (action === 'failed') return failedWith(code, diagnostic || text, recipient);
  const answer = {
    ...(code && { code }),
    message: impersonal(`${action || 'no action'}: ${diagnostic || 'no words'}`, recipient),
  };
  return { status: action === 'delivered' ? 'delivered' : 'other', answer };
}

/**
 * What servers write where they give no code, or one that says nothing. Only what cannot mean anything else: an address
 * is never written to again for it.
 */
const words: readonly [RegExp, ReasonName][] = [
  [
    /(?:over|exceed\w*|out of).{0,20}(?:quota|storage)|mailbox.{0,20}full|quota exceeded/i,
    'recipient_unreachable',
  ],
  [/spam|blacklist|block ?list|blocked|reputation|policy|dmarc|spf\b|dkim/i, 'carrier_blocked'],
  [/message.{0,20}too (?:large|big)|size limit/i, 'too_large'],
  [
    /(?:user|mailbox|recipient|address|account|alias).{0,40}(?:unknown|not found|does ?n[o']t exist|invalid|no longer|disabled|inactive)|no such (?:user|mailbox|recipient|person)|unknown (?:user|recipient|address)|unrouteable address|domain.{0,20}not found|host (?:or domain name )?not found/i,
    'recipient_unknown',
  ],
];

/** In the classes that the provider's own answers have. */
function failedWith(given: string, said: string, recipient: string): Report {
  const inWords = /\b([245]\.\d{1,3}\.\d{1,3})\b/.exec(said)?.[1];
  // 5.0.0 and its like leave it to the words.
  const code = /^\d\.0\.0$/.test(given) || given === '' ? (inWords ?? given) : given;
  const message = impersonal(said.replace(/\s+/g, ' ').trim(), recipient);
  const answer = { ...(code && { code }), message };
  const byWords = () => words.find(([pattern]) => pattern.test(said))?.[1];
  // A server that gave up what it had put off: nothing is wrong with the address for good.
  const soft = code.startsWith('4.') || /^\s*4\d\d[ -]/.test(said);
  if (soft) return { status: 'failed', reason: 'recipient_unreachable', answer };
  const kind = permanentKind(code) ?? byWords() ?? 'rejected';
  const known = kind === 'misconfigured' || kind === 'deferred' || kind === 'rateLimited' ? 'rejected' : kind;
  return { status: 'failed', reason: known, answer };
}
