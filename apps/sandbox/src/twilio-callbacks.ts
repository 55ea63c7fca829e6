/**
 * Twilio's status callbacks: form encoded, signed with the account's auth token, made one after the other for each
 * message. See https://www.twilio.com/docs/usage/security#validating-requests and
 * https://www.twilio.com/docs/messaging/guides/outbound-message-status-in-status-callbacks.
 * Started by the message route. The URL comes from the client, as with Twilio; redirects are not followed.
 */
import { createHmac, randomUUID } from 'node:crypto';
import { Agent, request } from 'undici';
import { wait } from './answering.js';
import type { KnobsPanel } from './knobs.js';
import type { Receipt } from './magic.js';
import type { ReceivedMessages, ReceivedSms } from './received.js';

/** Beyond this many messages with receipts still to come, new ones get none: memory stays bounded. */
const maxWaiting = 50_000;

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
    if (this.#waiting >= maxWaiting) {
      course.message.callbacks.push({ status: 'sent', answer: 'Not made: too many receipts are waiting.' });
      return;
    }
    this.#waiting++;
    void this.#run(course).finally(() => this.#waiting--);
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
        message.callbacks.push({ status: receipt.status, answer });
      }
      this.received.touched();
    }
  }

  /** Like Twilio by default: one more try when the connection fails, none when the answer is an error. */
  async #post(url: string, authToken: string, params: Record<string, string>): Promise<string> {
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
        await answer.body.dump();
        return String(answer.statusCode);
      } catch (error) {
        const code = (error as { code?: string }).code ?? 'no answer';
        if (tries === 2 || this.#closed || !neverArrived.has(code)) return code;
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
