/**
 * What arrived at the sandbox, in memory and bounded: one ring per channel, so that a flood on one does not wash
 * the others away. Mails are kept as bytes and parsed only when somebody looks, which keeps arrival cheap.
 * No database: a restart forgets everything.
 */
import type { Receipt } from './magic.js';
import { parseMail, type Mail } from './mail.js';

export const sandboxChannels = ['email', 'sms', 'push'] as const;
export type SandboxChannel = (typeof sandboxChannels)[number];

interface Arrival {
  id: string;
  /** The recipient: mail address, E.164 number, device token or topic. */
  to: string;
  /** ISO 8601. */
  at: string;
  /** Whether the sandbox took the message. Refused ones are kept to look at, but were not "received". */
  accepted: boolean;
  /** What the client was told, or why it was told nothing. */
  answer: string;
}
interface RawEmail extends Arrival {
  channel: 'email';
  /** Envelope sender (MAIL FROM). */
  from: string;
  /** RFC 5322 bytes as they came. Empty for a recipient refused before DATA. */
  raw: Buffer;
}
/** A mail as it lay in one recipient's mailbox. */
export type ReceivedEmail = Omit<RawEmail, 'raw'> & Mail & { size: number };
export interface ReceivedSms extends Arrival {
  channel: 'sms';
  from: string | null;
  /** Twilio's message id, `SM…`; the account's, `AC…`. */
  sid: string;
  accountSid: string;
  messagingServiceSid: string | null;
  body: string;
  mediaUrls: string[];
  segments: number;
  encoding: 'GSM-7' | 'UCS-2';
  status: 'accepted' | 'queued' | Receipt['status'];
  errorCode: number | null;
  sentAt: string | null;
  updatedAt: string;
  /** The status callbacks made so far and how they were answered. */
  callbacks: { status: Receipt['status']; answer: string }[];
  /** What the phone wrote back, oldest first. */
  replies: SmsReply[];
}
export interface SmsReply {
  /** Twilio's id of it, `SM…`. */
  sid: string;
  at: string;
  body: string;
  /** How the webhook answered: its status, or why there was none. */
  answer: string;
  /** The text that the webhook wants to be sent back (TwiML). */
  answered: string | null;
}
export interface ReceivedPush extends Arrival {
  channel: 'push';
  project: string;
  /** FCM's message name, `projects/…/messages/…`. */
  name: string;
  title: string | null;
  body: string | null;
  image: string | null;
  data: Record<string, string>;
  /** The whole `message` object as sent. */
  message: Record<string, unknown>;
}
export type Received = ReceivedEmail | ReceivedSms | ReceivedPush;
export type ReceivedOn<C extends SandboxChannel> = Extract<Received, { channel: C }>;
type Kept = RawEmail | ReceivedSms | ReceivedPush;
type KeptOn<C extends SandboxChannel> = Extract<Kept, { channel: C }>;

export type Totals = Record<SandboxChannel, { accepted: number; refused: number }>;

export interface ReceivedFilter {
  channel?: SandboxChannel | undefined;
  /** Exact recipient, case-insensitive. */
  to?: string | undefined;
  /** Words to find anywhere in what the recipient would read. */
  search?: string | undefined;
  /** Also the messages that were refused. */
  refused?: boolean;
  limit?: number;
}

/** Mails with large attachments could fill the memory long before `keep` of them are here. */
const maxBytesPerChannel = 64 * 1024 * 1024;

class Ring<T extends Kept> {
  items: T[] = [];
  #bytes = 0;
  #start = 0;

  add(item: T, keep: number): void {
    this.items.push(item);
    this.#bytes += bytesOf(item);
    while (this.items.length - this.#start > keep || this.#bytes > maxBytesPerChannel) {
      const oldest = this.items[this.#start];
      if (!oldest) break;
      this.#bytes -= bytesOf(oldest);
      // Freed at once; the array itself is compacted now and then, which makes dropping O(1).
      delete this.items[this.#start++];
    }
    if (this.#start > 1024 && this.#start * 2 > this.items.length) this.#compact();
  }

  /** Oldest first. */
  list(): T[] {
    this.#compact();
    return this.items;
  }

  clear(): void {
    this.items = [];
    this.#bytes = 0;
    this.#start = 0;
  }

  #compact(): void {
    if (this.#start) this.items = this.items.slice(this.#start);
    this.#start = 0;
  }
}

const bytesOf = (item: Kept): number => {
  if (item.channel === 'email') return item.raw.length + 500;
  if (item.channel === 'sms') return item.body.length * 2 + 1000;
  return 5000;
};

export class ReceivedMessages {
  readonly #rings = {
    email: new Ring<RawEmail>(),
    sms: new Ring<ReceivedSms>(),
    push: new Ring<ReceivedPush>(),
  };
  readonly #parsed = new WeakMap<RawEmail, Promise<ReceivedEmail>>();
  /** Tells ids of this run from those of an earlier one that a browser may still show. */
  readonly #run = Date.now().toString(36);
  #sequence = 0;
  totals: Totals = noTotals();

  constructor(
    private readonly keep: () => number,
    private readonly changed: () => void,
  ) {}

  /** False in cheap mode: callers then need not collect what `add` would drop. */
  get keeping(): boolean {
    return this.keep() > 0;
  }

  nextId(): string {
    return `${this.#run}-${++this.#sequence}`;
  }

  add(item: Kept): void {
    this.totals[item.channel][item.accepted ? 'accepted' : 'refused']++;
    const keep = this.keep();
    if (keep > 0) {
      if (item.channel === 'email') this.#rings.email.add(item, keep);
      else if (item.channel === 'sms') this.#rings.sms.add(item, keep);
      else this.#rings.push.add(item, keep);
    }
    this.changed();
  }

  /** An SMS moved on after it was added. */
  touched(): void {
    this.changed();
  }

  /** For the lookups of the protocols; oldest first. */
  sms(): readonly ReceivedSms[] {
    return this.#rings.sms.list();
  }

  rawMail(id: string): Buffer | undefined {
    return this.#rings.email.list().find((mail) => mail.id === id)?.raw;
  }

  async find(id: string): Promise<Received | undefined> {
    for (const channel of sandboxChannels) {
      const kept = (this.#rings[channel].list() as Kept[]).find((item) => item.id === id);
      if (kept) return this.#open(kept);
    }
    return undefined;
  }

  /** The latest `limit` (default all) that match, oldest first. */
  async list(filter: ReceivedFilter = {}): Promise<Received[]> {
    const { channel, to, search, refused = false, limit = Infinity } = filter;
    const lists: Kept[][] = (channel ? [channel] : sandboxChannels).map(
      (c) => this.#rings[c].list() as Kept[],
    );
    const wanted = to?.toLowerCase();
    const candidates = lists
      .flat()
      .filter((item) => (refused || item.accepted) && (!wanted || item.to.toLowerCase() === wanted))
      .sort((a, b) => sequenceOf(a) - sequenceOf(b));
    const found: Received[] = [];
    for (let i = candidates.length - 1; i >= 0 && found.length < limit; i--) {
      const kept = candidates[i];
      if (!kept) continue;
      const item = await this.#open(kept);
      if (!search || textOf(item).includes(search.toLowerCase())) found.push(item);
    }
    return found.reverse();
  }

  clear(): void {
    for (const channel of sandboxChannels) this.#rings[channel].clear();
    this.totals = noTotals();
    this.changed();
  }

  #open(item: KeptOn<SandboxChannel>): Promise<Received> | Received {
    if (item.channel !== 'email') return item;
    let opened = this.#parsed.get(item);
    if (!opened) {
      const { raw, ...arrival } = item;
      opened = parseMail(raw).then((mail) => ({ ...arrival, ...mail, size: raw.length }));
      this.#parsed.set(item, opened);
    }
    return opened;
  }
}

const sequenceOf = (item: Kept): number => Number.parseInt(item.id.slice(item.id.indexOf('-') + 1), 10);

function noTotals(): Totals {
  return {
    email: { accepted: 0, refused: 0 },
    sms: { accepted: 0, refused: 0 },
    push: { accepted: 0, refused: 0 },
  };
}

function textOf(item: Received): string {
  const parts: (string | null)[] = [item.to, item.answer];
  if (item.channel === 'email') parts.push(item.from, item.sender, item.subject, item.text);
  else if (item.channel === 'sms') parts.push(item.from, item.body, item.sid);
  else parts.push(item.title, item.body, JSON.stringify(item.data));
  return parts.join('\n').toLowerCase();
}
