/**
 * Checks that a webhook came from Carillon: Standard Webhooks, by Web Crypto, so that it runs in Node, on edge runtimes
 * and in workers.
 */
import type { WebhookBody } from '@carillon/contracts';
import { CarillonError } from './problems.js';

/** The request is not what Carillon sent, or is too old to be believed: answer 400 and do nothing. */
export class WebhookVerificationError extends CarillonError {
  override name = 'WebhookVerificationError';
}

/** Headers as any framework has them: Fetch's Headers, or an object. */
export type WebhookHeaders =
  { get(name: string): string | null } | Readonly<Record<string, string | readonly string[] | undefined>>;

/** How far the clocks may be apart, and how old a recorded request may be. Seconds. */
const TOLERANCE_SECONDS = 300;

/**
 * Gives the event, or throws WebhookVerificationError.
 *
 * @param body the raw body as it arrived: parsed and written again it would not be the same bytes
 * @param headers of the request
 * @param secret the endpoint's `whsec_…`, or several while you change over
 */
export async function verifyWebhook(
  body: string | Uint8Array,
  headers: WebhookHeaders,
  secret: string | readonly string[],
): Promise<WebhookBody> {
  const id = header(headers, 'webhook-id');
  const timestamp = header(headers, 'webhook-timestamp');
  const signatures = header(headers, 'webhook-signature');
  if (!/^\d{1,12}$/.test(timestamp))
    throw new WebhookVerificationError('webhook-timestamp is not a number of seconds.');
  const ageSeconds = Date.now() / 1000 - Number(timestamp);
  if (Math.abs(ageSeconds) > TOLERANCE_SECONDS)
    throw new WebhookVerificationError(
      `The webhook is ${Math.round(ageSeconds)} s old: more than ${TOLERANCE_SECONDS} s. Is this machine's clock right?`,
    );
  const text = typeof body === 'string' ? body : new TextDecoder().decode(body);
  const signed = concat(
    new TextEncoder().encode(`${id}.${timestamp}.`),
    typeof body === 'string' ? new TextEncoder().encode(body) : body,
  );
  const given = signatures.split(' ').flatMap((part) => {
    const [version, signature] = part.split(',');
    return version === 'v1' && signature ? [bytesOf(signature)] : [];
  });
  for (const one of typeof secret === 'string' ? [secret] : secret) {
    const key = await crypto.subtle.importKey(
      'raw',
      secretBytes(one),
      { name: 'HMAC', hash: 'SHA-256' },
      false,
      ['verify'],
    );
    for (const signature of given)
      // Compares in constant time.
      if (signature && (await crypto.subtle.verify('HMAC', key, signature, signed)))
        return JSON.parse(text) as WebhookBody;
  }
  throw new WebhookVerificationError(
    'No signature fits: verify the raw body, with the secret of this endpoint.',
  );
}

function header(headers: WebhookHeaders, name: string): string {
  const { get } = headers as { get?: unknown };
  const found =
    typeof get === 'function'
      ? (headers as { get(name: string): string | null }).get(name)
      : Object.entries(headers as Record<string, string | readonly string[] | undefined>).find(
          ([key]) => key.toLowerCase() === name,
        )?.[1];
  const value = typeof found === 'object' && found !== null ? found[0] : found;
  if (!value) throw new WebhookVerificationError(`The header ${name} is missing.`);
  return value;
}

function secretBytes(secret: string): Uint8Array<ArrayBuffer> {
  const bytes = bytesOf(secret.replace(/^whsec_/, ''));
  if (!bytes || bytes.length === 0)
    throw new CarillonError(
      'The webhook secret is not one: it looks like whsec_… and is shown when it is made.',
    );
  return bytes;
}

/** Base64 to bytes; null when it is not base64. */
function bytesOf(base64: string): Uint8Array<ArrayBuffer> | null {
  try {
    return Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
  } catch {
    return null;
  }
}

function concat(a: Uint8Array, b: Uint8Array): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(a.length + b.length);
  whole.set(a);
  whole.set(b, a.length);
  return whole;
}
