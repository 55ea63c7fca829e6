/**
 * The magic addresses: which recipient makes the sandbox misbehave, and how. Plain tables, read by the three
 * protocol servers, shown by the viewer and repeated in docs/sandbox.md (a spec compares the two).
 * Everything that is not listed here is simply accepted and, where the channel has receipts, delivered.
 */

/** What a mail server does with a recipient. `once`: only the first try; the next one is accepted. */
export type EmailMagic = { sentence: string } & (
  | { at: 'recipient' | 'data'; reply: [code: number, text: string]; once?: true }
  | { at: 'recipient' | 'data'; act: 'silence' | 'reset'; keep?: true }
  | { at: 'data'; act: 'slow' }
);

/** Keyed by the local part; `bounce+anything@any.domain` counts as `bounce`. */
export const emailMagic = {
  bounce: {
    at: 'recipient',
    reply: [550, '5.1.1 The mailbox does not exist'],
    sentence: 'Refused: the mailbox does not exist (550 5.1.1).',
  },
  blocked: {
    at: 'recipient',
    reply: [550, '5.7.1 Refused by policy'],
    sentence: 'Refused: the receiving side blocks the sender (550 5.7.1).',
  },
  full: {
    at: 'recipient',
    reply: [452, '4.2.2 The mailbox is full'],
    sentence: 'Refused for now, every time: the mailbox is full (452 4.2.2).',
  },
  defer: {
    at: 'recipient',
    reply: [451, '4.7.1 Greylisted, please try again'],
    once: true,
    sentence: 'Greylisted: refused once (451 4.7.1), accepted at the next try.',
  },
  busy: {
    at: 'recipient',
    reply: [421, '4.7.0 Too many messages, closing the connection'],
    sentence: 'The server asks to slow down and hangs up (421 4.7.0).',
  },
  'silent-recipient': {
    at: 'recipient',
    act: 'silence',
    sentence: 'No answer to RCPT TO: nothing was taken.',
  },
  slow: { at: 'data', act: 'slow', sentence: 'Accepted after knobs.email.slowMs.' },
  'reject-data': {
    at: 'data',
    reply: [554, '5.6.0 The content was refused'],
    sentence: 'Refused after the whole mail was read (554 5.6.0).',
  },
  'defer-data': {
    at: 'data',
    reply: [451, '4.3.0 Local error, please try again'],
    once: true,
    sentence: 'Read, then put off once (451 4.3.0), accepted at the next try.',
  },
  reset: { at: 'data', act: 'reset', sentence: 'The connection breaks inside the body: nothing was taken.' },
  'reset-after': {
    at: 'data',
    act: 'reset',
    keep: true,
    sentence: 'Taken, but the connection breaks before the answer.',
  },
  silent: { at: 'data', act: 'silence', keep: true, sentence: 'Taken, but the answer never comes.' },
} as const satisfies Record<string, EmailMagic>;

/** Looks up a recipient; undefined for an ordinary one. */
export function emailMagicFor(address: string): EmailMagic | undefined {
  const local = address.slice(0, address.lastIndexOf('@')).toLowerCase().split('+', 1)[0] ?? '';
  return Object.hasOwn(emailMagic, local) ? emailMagic[local as keyof typeof emailMagic] : undefined;
}

/** One status callback: what Twilio will say about the message later. */
export interface Receipt {
  status: 'sent' | 'delivered' | 'undelivered' | 'failed';
  errorCode?: number;
}
export type SmsMagic = { sentence: string } & (
  | { error: number; once?: true }
  | { act: 'silence' | 'reset' | 'slow'; keep?: true }
  | { receipts: readonly Receipt[]; forged?: true }
);

const undelivered = (errorCode: number) =>
  [{ status: 'sent' }, { status: 'undelivered', errorCode }] as const satisfies Receipt[];

/** What every number without magic gets. */
export const ordinaryReceipts = [{ status: 'sent' }, { status: 'delivered' }] as const satisfies Receipt[];

/**
 * Keyed by E.164 number. 0001 to 0009 mean what they mean to Twilio's own test credentials; the others are ours.
 * Source: https://www.twilio.com/docs/iam/test-credentials
 */
export const smsMagic = {
  '+15005550001': { error: 21211, sentence: 'Refused: not a valid number (21211).' },
  '+15005550002': { error: 21612, sentence: 'Refused: no route to this number (21612).' },
  '+15005550003': { error: 21408, sentence: 'Refused: the country is not enabled (21408).' },
  '+15005550004': { error: 21610, sentence: 'Refused: the person replied STOP (21610).' },
  '+15005550009': { error: 21614, sentence: 'Refused: not a mobile number (21614).' },
  '+15005550101': { receipts: ordinaryReceipts, sentence: 'Sent, then delivered, like any other number.' },
  '+15005550103': { receipts: undelivered(30003), sentence: 'Undelivered: the handset is off (30003).' },
  '+15005550104': {
    receipts: undelivered(30004),
    sentence: 'Undelivered: blocked by the recipient (30004).',
  },
  '+15005550105': { receipts: undelivered(30005), sentence: 'Undelivered: the number is unknown (30005).' },
  '+15005550106': { receipts: undelivered(30006), sentence: 'Undelivered: a landline (30006).' },
  '+15005550107': { receipts: undelivered(30007), sentence: 'Undelivered: filtered by the carrier (30007).' },
  '+15005550108': {
    receipts: [{ status: 'failed', errorCode: 30008 }],
    sentence: 'Failed: no reason given (30008).',
  },
  '+15005550129': { error: 20429, sentence: 'Too many requests (429, 20429), every time.' },
  '+15005550130': { error: 20429, once: true, sentence: 'Too many requests once, accepted at the next try.' },
  '+15005550150': { error: 20500, sentence: 'Server error (500), every time.' },
  '+15005550153': { error: 20503, sentence: 'Service unavailable (503), every time.' },
  '+15005550154': {
    error: 20503,
    once: true,
    sentence: 'Service unavailable once, accepted at the next try.',
  },
  '+15005550160': { act: 'slow', sentence: 'Accepted after knobs.sms.slowMs.' },
  '+15005550161': { act: 'silence', keep: true, sentence: 'Taken, but the answer never comes.' },
  '+15005550162': {
    act: 'reset',
    keep: true,
    sentence: 'Taken, but the connection breaks before the answer.',
  },
  '+15005550163': { act: 'reset', sentence: 'The connection breaks: nothing was taken.' },
  '+15005550170': { receipts: [], sentence: 'Accepted; no receipt ever comes.' },
  '+15005550171': {
    receipts: [{ status: 'delivered' }, { status: 'sent' }],
    sentence: 'Receipts out of order: delivered before sent.',
  },
  '+15005550172': {
    receipts: [{ status: 'sent' }, { status: 'delivered' }, { status: 'delivered' }, { status: 'delivered' }],
    sentence: 'The delivered receipt comes three times.',
  },
  '+15005550173': {
    receipts: ordinaryReceipts,
    forged: true,
    sentence: 'Receipts carry a wrong signature: they must be refused.',
  },
} as const satisfies Record<string, SmsMagic>;

/** Sender numbers with a meaning of their own, also Twilio's. */
export const smsSenderMagic: Record<string, number> = {
  '+15005550001': 21212,
  '+15005550007': 21606,
  '+15005550008': 21611,
};

export function smsMagicFor(to: string): SmsMagic | undefined {
  return Object.hasOwn(smsMagic, to) ? smsMagic[to as keyof typeof smsMagic] : undefined;
}

export type PushError =
  | 'UNREGISTERED'
  | 'INVALID_ARGUMENT'
  | 'SENDER_ID_MISMATCH'
  | 'QUOTA_EXCEEDED'
  | 'UNAVAILABLE'
  | 'INTERNAL'
  | 'THIRD_PARTY_AUTH_ERROR';
export type PushMagic = { sentence: string } & (
  { error: PushError; once?: true } | { act: 'silence' | 'reset' | 'slow'; keep?: true }
);

/** Keyed by the beginning of the device token; the longest match wins. */
export const pushMagic = {
  'token-unregistered-': { error: 'UNREGISTERED', sentence: 'The app was removed (404 UNREGISTERED).' },
  'token-invalid-': { error: 'INVALID_ARGUMENT', sentence: 'Not a token at all (400 INVALID_ARGUMENT).' },
  'token-mismatch-': {
    error: 'SENDER_ID_MISMATCH',
    sentence: 'The token belongs to another project (403 SENDER_ID_MISMATCH).',
  },
  'token-quota-': {
    error: 'QUOTA_EXCEEDED',
    sentence: 'Too many messages (429 QUOTA_EXCEEDED with Retry-After), every time.',
  },
  'token-quota-once-': {
    error: 'QUOTA_EXCEEDED',
    once: true,
    sentence: 'Too many messages once, accepted at the next try.',
  },
  'token-unavailable-': {
    error: 'UNAVAILABLE',
    sentence: 'FCM is overloaded (503 UNAVAILABLE), every time.',
  },
  'token-unavailable-once-': {
    error: 'UNAVAILABLE',
    once: true,
    sentence: 'FCM is overloaded once, accepted at the next try.',
  },
  'token-internal-': { error: 'INTERNAL', sentence: 'FCM has an internal error (500 INTERNAL), every time.' },
  'token-apns-': {
    error: 'THIRD_PARTY_AUTH_ERROR',
    sentence: 'The APNs or web push key is wrong (401 THIRD_PARTY_AUTH_ERROR).',
  },
  'token-slow-': { act: 'slow', sentence: 'Accepted after knobs.push.slowMs.' },
  'token-silent-': { act: 'silence', keep: true, sentence: 'Taken, but the answer never comes.' },
  'token-reset-after-': {
    act: 'reset',
    keep: true,
    sentence: 'Taken, but the connection breaks before the answer.',
  },
  'token-reset-': { act: 'reset', sentence: 'The connection breaks: nothing was taken.' },
} as const satisfies Record<string, PushMagic>;

const pushPrefixes = (Object.keys(pushMagic) as (keyof typeof pushMagic)[]).sort(
  (a, b) => b.length - a.length,
);

export function pushMagicFor(token: string): PushMagic | undefined {
  if (!token.startsWith('token-')) return undefined;
  const prefix = pushPrefixes.find((p) => token.startsWith(p));
  return prefix && pushMagic[prefix];
}

/**
 * Remembers who was refused once. An address leaves when it is accepted, so that every message to it sees the
 * refusal again. Bounded: the oldest is forgotten first.
 */
export class FirstTries {
  readonly #seen = new Set<string>();

  /** True at the first, third, … call for an address; false at the second, fourth, … */
  isFirst(address: string): boolean {
    if (this.#seen.delete(address)) return false;
    const [oldest] = this.#seen.size >= 10_000 ? this.#seen : [];
    if (oldest !== undefined) this.#seen.delete(oldest);
    this.#seen.add(address);
    return true;
  }

  clear(): void {
    this.#seen.clear();
  }
}
