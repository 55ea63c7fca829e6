/**
 * What Twilio posts to its customer, form encoded and signed with the account's auth token: status callbacks, made one
 * after the other for each message, and the texts that a phone writes back. See
 * https://www.twilio.com/docs/usage/security#validating-requests,
 * https://www.twilio.com/docs/messaging/guides/outbound-message-status-in-status-callbacks and
 * https://www.twilio.com/docs/messaging/guides/webhook-request.
 * The URL comes from the client, as with Twilio; redirects are not followed.
 */
import { createHmac, randomBytes, randomUUID } from 'node:crypto';
import { Agent, request } from 'undici';
import { wait } from './answering.js';
import type { KnobsPanel } from './knobs.js';
import type { Receipt } from './magic.js';
import type { ReceivedMessages, ReceivedSms, SmsReply } from './received.js';
import { countSegments } from './segments.js';

/** Beyond this many messages with receipts still to come, new ones get none: memory stays bounded. */
const maxWaiting = 50_000;

/** Kept of one message. */
const mostReplies = 100;

const neverArrived = new Set(['ECONNREFUSED', 'ECONNRESET', 'UND_ERR_CONNECT_TIMEOUT', 'UND_ERR_SOCKET']);

interface Course {
  message: ReceivedSms;
  receipts: readonly Receipt[];
  url: string | undefined;
  authToken: string;
}

/** X-Twilio-Signature: base64 of HMAC-SHA1 over the URL followed by the sorted parameters. */
export function twilioSignature(authToken: string, url: string, params: Record<string, string>): string {
  const signed = Object.keys(params)
    .sort()
    .reduce((text, key) => text + key + params[key], url);
  return createHmac('sha1', authToken).update(signed, 'utf8').digest('base64');
}

export class TwilioCallbacks {
  /** By whom a message was sent; not with the message itself, which the viewer shows. */
  readonly #senders = new WeakMap<ReceivedSms, Pick<Course, 'url' | 'authToken'>>();
  readonly #agent = new Agent({
    connections: 64,
    connectTimeout: 5000,
    headersTimeout: 15_000,
    bodyTimeout: 15_000,
  });
  #waiting = 0;
  #closed = false;

  constructor(
    private readonly knobs: KnobsPanel,
    private readonly received: ReceivedMessages,
  ) {}

  /** Lets the message take its course; does not wait for it. */
  start(course: Course): void {
    if (this.received.keeping)
      this.#senders.set(course.message, { url: course.url, authToken: course.authToken });
    if (this.#waiting >= maxWaiting) {
      course.message.callbacks.push({ status: 'sent', answer: 'Not made: too many receipts are waiting.' });
      return;
    }
    this.#waiting++;
    void this.#run(course).finally(() => this.#waiting--);
  }

  /**
   * Writes back from the phone that got the message. With Twilio the number says where texts go; here it is where the
   * message asked to be reported on, without its query.
   * @returns a sentence where nobody can be written to
   */
  async reply(message: ReceivedSms, body: string): Promise<SmsReply | { refused: string }> {
    const { url, authToken = '' } = this.#senders.get(message) ?? {};
    if (!message.accepted) return { refused: 'This message was refused: it never came to a phone.' };
    if (!url)
      return {
        refused: 'The message named no status callback, so nobody is known who would hear of a reply.',
      };
    if (message.from !== null && !/^\+?\d+$/.test(message.from))
      return { refused: `Nobody can write to the name ${message.from}: only numbers take replies.` };
    const { origin, pathname } = new URL(url);
    const sid = `SM${randomBytes(16).toString('hex')}`;
    const { status, text } = await this.#post(origin + pathname, authToken, inboundOf(message, sid, body));
    const reply: SmsReply = {
      sid,
      at: new Date().toISOString(),
      body,
      answer: status,
      answered: status.startsWith('2') ? messageIn(text) : null,
    };
    message.replies.push(reply);
    if (message.replies.length > mostReplies) message.replies.shift();
    this.received.touched();
    return reply;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#agent.destroy();
  }

  async #run({ message, receipts, url, authToken }: Course): Promise<void> {
    for (const receipt of receipts) {
      await wait(this.knobs.current.sms.receiptMs);
      if (this.#closed) return;
      const now = new Date().toISOString();
      // Twilio's own record never goes back, whatever order its callbacks arrive in.
      if (receipt.status !== 'sent' || !['delivered', 'undelivered', 'failed'].includes(message.status)) {
        message.status = receipt.status;
      }
      message.errorCode = receipt.errorCode ?? message.errorCode;
      message.sentAt ??= now;
      message.updatedAt = now;
      if (url) {
        const answer = await this.#post(url, authToken, formOf(message, receipt));
        message.callbacks.push({ status: receipt.status, answer: answer.status });
      }
      this.received.touched();
    }
  }

  /** Like Twilio by default: one more try when the connection fails, none when the answer is an error. */
  async #post(
    url: string,
    authToken: string,
    params: Record<string, string>,
  ): Promise<{ status: string; text: string }> {
    const headers = {
      'content-type': 'application/x-www-form-urlencoded; charset=UTF-8',
      'user-agent': 'TwilioProxy/1.1',
      'i-twilio-idempotency-token': randomUUID(),
      'x-twilio-signature': twilioSignature(authToken, url, params),
    };
    const body = new URLSearchParams(params).toString();
    for (let tries = 1; ; tries++) {
      try {
        const answer = await request(url, { method: 'POST', headers, body, dispatcher: this.#agent });
        return { status: String(answer.statusCode), text: await answer.body.text() };
      } catch (error) {
        const code = (error as { code?: string }).code ?? 'no answer';
        if (tries === 2 || this.#closed || !neverArrived.has(code)) return { status: code, text: '' };
      }
    }
  }
}

function formOf(message: ReceivedSms, receipt: Receipt): Record<string, string> {
  return {
    AccountSid: message.accountSid,
    ApiVersion: '2010-04-01',
    ...(message.from && { From: message.from }),
    MessageSid: message.sid,
    MessageStatus: receipt.status,
    ...(message.messagingServiceSid && { MessagingServiceSid: message.messagingServiceSid }),
    SmsSid: message.sid,
    SmsStatus: receipt.status,
    To: message.to,
    ...(receipt.errorCode && { ErrorCode: String(receipt.errorCode) }),
  };
}

/** The sender that Twilio would have picked for a messaging service. */
const PICKED = '+15005550006';

function inboundOf(message: ReceivedSms, sid: string, body: string): Record<string, string> {
  return {
    AccountSid: message.accountSid,
    ApiVersion: '2010-04-01',
    Body: body,
    From: message.to,
    MessageSid: sid,
    ...(message.messagingServiceSid && { MessagingServiceSid: message.messagingServiceSid }),
    NumMedia: '0',
    NumSegments: String(countSegments(body).segments),
    SmsMessageSid: sid,
    SmsSid: sid,
    SmsStatus: 'received',
    To: message.from ?? PICKED,
  };
}

const entities: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

/** The text of a TwiML answer; null for none. */
function messageIn(twiml: string): string | null {
  const text = /<Message[^>]*>\s*(?:<Body>)?([^<]*)/.exec(twiml)?.[1];
  return text?.replace(/&(amp|lt|gt|quot|apos);/g, (all, name: string) => entities[name] ?? all) ?? null;
}
