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
  /** Nothing was accepted, and it may work later (4xx, refused connection, TLS failure). `retryAfterMs` when the provider hinted. */
  | { kind: 'deferred'; retryAfterMs?: number; answer: ProviderAnswer }
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
  status: 'sent' | 'delivered' | 'failed' | 'other';
  /** For `failed`. */
  reason?: ReasonName;
  /** The provider's own time, when it tells one. */
  at?: Date;
  answer: ProviderAnswer;
}
