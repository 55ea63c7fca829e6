/**
 * What a provider may report about one attempt. Expected outcomes are values; a thrown error is a bug and is treated
 * as `unknown` once bytes may have left. The provider reports; `afterAttempt` alone decides what follows.
 */
import type { ReasonName } from '@carillon/contracts';

/** The provider's own words, kept with the attempt and shown as they are. Never an address or a body. */
export interface ProviderAnswer {
  code?: string | number;
  message?: string;
  [more: string]: string | number | boolean | undefined;
}

export type Outcome =
  /** The provider took responsibility. `delivered` when its acceptance is the arrival itself (in-app). */
  | { kind: 'accepted'; providerMessageId: string | null; delivered?: boolean; answer: ProviderAnswer }
  /**
   * Nothing was accepted, and it may work later (4xx, refused connection, TLS failure). `retryAfterMs` when the provider hinted;
   * `blames` when the answer is about this one recipient (greylisting, a full mailbox): the account is well.
   */
  | { kind: 'deferred'; retryAfterMs?: number; blames?: 'recipient'; answer: ProviderAnswer }
  /** The account is over its rate; nothing was accepted. */
  | { kind: 'rateLimited'; retryAfterMs?: number; answer: ProviderAnswer }
  /** Refused for good: this message to this address will not succeed. */
  | { kind: 'rejected'; reason: ReasonName; answer: ProviderAnswer }
  /** Credentials or settings of the account are wrong: pause the account, do not burn the message. */
  | { kind: 'misconfigured'; answer: ProviderAnswer }
  /** Bytes left and no answer came back: it may or may not have been accepted. */
  | { kind: 'unknown'; answer: ProviderAnswer };

/** What a provider reports later, by webhook. Unknown words become `receipt` lines: recorded, not guessed. */
export interface Receipt {
  /** From the callback URL or the provider's echo of our id. */
  deliveryId: string;
  /** Unique per provider event: the same receipt twice is stored once. */
  eventId: string;
  status: 'sent' | 'delivered' | 'failed' | 'complained' | 'other';
  /** For `failed`. */
  reason?: ReasonName;
  /** The provider's own time, when it tells one. */
  at?: Date;
  answer: ProviderAnswer;
}

/** What a provider finds when it is asked about a message whose answer was lost. */
export type Finding =
  | {
      kind: 'found';
      status: 'sent' | 'delivered' | 'failed';
      /** For `failed`. */
      reason?: ReasonName;
      providerMessageId: string | null;
      answer: ProviderAnswer;
    }
  /** The provider knows for certain that it never took it: it may be sent again, and that is no duplicate. */
  | { kind: 'absent'; answer: ProviderAnswer }
  /** It cannot tell, or not yet. */
  | { kind: 'unclear'; answer: ProviderAnswer };

/** What a call without a whole answer means. `error` is the `HttpOutError` of `@carillon/http-out`, or of its shape. */
export function unanswered(error: {
  name: string;
  message: string;
  nothingSent: boolean;
  status?: number | undefined;
}): Outcome {
  const answer = { code: error.status ?? error.name, message: error.message };
  // The guard's refusal will not pass by itself: someone has to change the address in the settings.
  if (error.name === 'EgressRefused') return { kind: 'misconfigured', answer };
  if (error.nothingSent) return { kind: 'deferred', answer };
  // It was taken; only the text that would have told its id broke off.
  if (error.status && error.status >= 200 && error.status < 300)
    return { kind: 'accepted', providerMessageId: null, answer };
  return { kind: 'unknown', answer };
}

/**
 * One attempt, for as long as somebody waits for it: once `signal` is aborted it is `unknown` at once, or `deferred`
 * if it had not begun. For clients that cannot be interrupted; `attempt` must not throw what it expects.
 */
export async function whileAwaited(signal: AbortSignal, attempt: () => Promise<Outcome>): Promise<Outcome> {
  const late = (kind: 'deferred' | 'unknown'): Outcome => ({
    kind,
    answer: { code: 'aborted', message: 'There was no time left to wait for an answer.' },
  });
  if (signal.aborted) return late('deferred');
  let stop = () => {};
  const aborted = new Promise<Outcome>((resolve) => (stop = () => resolve(late('unknown'))));
  const stops = stopsOf(signal);
  stops.add(stop);
  try {
    return await Promise.race([attempt(), aborted]);
  } finally {
    stops.delete(stop);
  }
}

/** One listener for all who wait at a signal: adding and removing one per message costs as much as sending it. */
const waiting = new WeakMap<AbortSignal, Set<() => void>>();
function stopsOf(signal: AbortSignal): Set<() => void> {
  const known = waiting.get(signal);
  if (known) return known;
  const stops = new Set<() => void>();
  waiting.set(signal, stops);
  signal.addEventListener('abort', () => stops.forEach((stop) => stop()), { once: true });
  return stops;
}

/**
 * `Retry-After` in milliseconds from `now`, or nothing when it is absent or unreadable.
 * Seconds or an HTTP date, RFC 9110 section 10.2.3; never more than a day, whatever a server claims.
 */
export function retryAfter(header: string | string[] | undefined, now: Date): { retryAfterMs?: number } {
  const text = (Array.isArray(header) ? header[0] : header)?.trim();
  if (!text) return {};
  const ms = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - now.getTime();
  return Number.isFinite(ms) ? { retryAfterMs: Math.min(Math.max(ms, 0), 86_400_000) } : {};
}

/**
 * A provider's sentence as it may be kept: without the recipient, other addresses and long numbers, which many
 * providers repeat; on one line; at most 300 characters.
 */
export const impersonal = (text: string, address: string): string =>
  (address ? text.replaceAll(address, '…') : text)
    .replace(/[^\s<>@:;,'"()]+@[^\s<>@:;,'"()]+/g, '…')
    .replace(/\+?\d(?:[ .-]?\d){7,}/g, '…')
    .replace(/[\u0000-\u001f\u007f]+/g, ' ')
    .slice(0, 300);
