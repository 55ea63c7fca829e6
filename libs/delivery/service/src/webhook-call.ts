/**
 * One call to an endpoint: signed by Standard Webhooks (https://www.standardwebhooks.com), through the guarded way out.
 * An answer of any status is a value, and so is its absence.
 */
import { config } from '@carillon/config';
import type { WebhookAttempt, WebhookBody } from '@carillon/contracts';
import { createHttpOut, hostsOfTenants, HttpOutError } from '@carillon/http-out';
import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { createHmac, randomBytes } from 'node:crypto';

/** An endpoint has this long to answer, from the connection to the last byte. Milliseconds. */
const DEADLINE_MS = 15_000;
const MOST_ANSWER_BYTES = 64 * 1024;
/** What is kept of an answer, in characters. */
const EXCERPT = 300;
const USER_AGENT = 'Carillon-Webhooks/1';

/** What is called: where, and with which secrets (as `whsec_…`) the call is signed. */
export interface Called {
  url: string;
  secrets: readonly string[];
}
export interface Answered extends WebhookAttempt {
  retryAfter: string | undefined;
}

export const newWebhookSecret = (): string => `whsec_${randomBytes(32).toString('base64')}`;

/**
 * The headers of a body.
 * @param seconds time of the attempt, since the epoch
 */
export function signedHeaders(
  secrets: readonly string[],
  id: string,
  seconds: number,
  body: string,
): Record<string, string> {
  const signatures = secrets.map((secret) => {
    const key = Buffer.from(secret.slice('whsec_'.length), 'base64');
    return `v1,${createHmac('sha256', key).update(`${id}.${seconds}.${body}`).digest('base64')}`;
  });
  return {
    'webhook-id': id,
    'webhook-timestamp': String(seconds),
    'webhook-signature': signatures.join(' '),
  };
}

@Injectable()
export class WebhookCalls implements OnApplicationShutdown {
  private readonly out = createHttpOut({
    ...hostsOfTenants(config().out.allowPrivateNetworks),
    deadlineMs: DEADLINE_MS,
    maxBytes: MOST_ANSWER_BYTES,
    connections: 256,
  });

  /** Never throws for what an endpoint does. */
  async call({ url, secrets }: Called, body: WebhookBody): Promise<Answered> {
    const text = JSON.stringify(body);
    const at = new Date();
    const began = performance.now();
    const told = (rest: Omit<Answered, 'at' | 'ms'>): Answered => ({
      at: at.toISOString(),
      ms: Math.round(performance.now() - began),
      ...rest,
    });
    try {
      const {
        status,
        headers,
        body: answer,
      } = await this.out.request({
        method: 'POST',
        url,
        headers: {
          'content-type': 'application/json',
          'user-agent': USER_AGENT,
          ...signedHeaders(secrets, body.id, Math.floor(at.getTime() / 1000), text),
        },
        body: text,
      });
      const hint = headers['retry-after'];
      return told({
        status,
        answer: excerpt(answer),
        error: failure(status),
        retryAfter: Array.isArray(hint) ? hint[0] : hint,
      });
    } catch (error) {
      if (!(error instanceof HttpOutError)) throw error;
      return told({ status: null, answer: null, error: error.message, retryAfter: undefined });
    }
  }

  async onApplicationShutdown(): Promise<void> {
    await this.out.close();
  }
}

function failure(status: number): string | null {
  if (status >= 200 && status < 300) return null;
  if (status >= 300 && status < 400)
    return `It answered ${status}: redirects are not followed, so give the address where they lead.`;
  return `It answered ${status}.`;
}

/** Text as a page can show it; null for none. */
function excerpt(answer: Buffer): string | null {
  const text = answer
    .subarray(0, EXCERPT * 4)
    .toString('utf8')
    // Neither NUL, which PostgreSQL refuses, nor what would change how a line looks.
    .replace(/[\p{Cc}\p{Cf}\p{Co}\p{Cs}\s]+/gu, ' ')
    .trim();
  return text === '' ? null : [...text].slice(0, EXCERPT).join('');
}
