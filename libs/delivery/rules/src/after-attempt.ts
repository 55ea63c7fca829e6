/**
 * The one place that decides what follows an attempt. Pure: time and randomness are arguments. Called by the
 * dispatcher for every outcome, and by the sweep for attempts whose worker died.
 */
import type { MessageClass, ReasonName } from '@carillon/contracts';
import type { Outcome, ProviderAnswer } from './outcome.js';

export interface RetryPolicy {
  /** Attempts in all, the first included. */
  attempts: number;
  /** Nothing is tried again later than this after acceptance. Milliseconds. */
  windowMs: number;
  /** First wait; doubles each time up to `maxBackoffMs`, with full jitter above half. Milliseconds. */
  backoffMs: number;
  maxBackoffMs: number;
}

export type Next =
  | { kind: 'done'; status: 'sent' | 'delivered'; providerMessageId: string | null }
  | {
      kind: 'retry';
      afterMs: number;
      reason: 'retry' | 'rate_limited';
      possibleDuplicate: boolean;
      avoidAccount: boolean;
    }
  | { kind: 'pauseAccount'; answer: ProviderAnswer }
  | { kind: 'giveUp'; reason: ReasonName }
  | { kind: 'unknown'; reason: 'no_answer' | 'worker_lost' };

export interface AttemptFacts {
  /** 1 for the first. */
  attempt: number;
  messageClass: MessageClass;
  /** The workspace's own word for this class; left out, transactional is sent again and marketing held. */
  onUnknown?: 'retry' | 'hold' | null;
  /** Since acceptance (or the planned time). Milliseconds. */
  ageMs: number;
  /** Until expiry, if any. Milliseconds. */
  expiresInMs: number | null;
  otherAccounts: number;
}

/** A login code that may not have arrived is worth a possible duplicate; a newsletter is not. */
export const defaultOnUnknown = { transactional: 'retry', marketing: 'hold' } as const satisfies Record<
  MessageClass,
  'retry' | 'hold'
>;

/** What may have arrived is not sent more often than this, however many attempts a policy has. */
const DOUBTFUL_ATTEMPTS = 6;

/** Full jitter above half: between 0.5 and 1 times the exponential step. `random` in [0, 1). */
export const backoff = (policy: RetryPolicy, attempt: number, random: number): number => {
  const step = Math.min(policy.maxBackoffMs, policy.backoffMs * 2 ** (attempt - 1));
  return Math.round(step * (0.5 + random / 2));
};

/**
 * @param outcome what the provider reported
 * @param facts the attempt so far
 * @param policy of the channel
 * @param random in [0, 1)
 */
export function afterAttempt(
  outcome: Outcome,
  facts: AttemptFacts,
  policy: RetryPolicy,
  random: number,
): Next {
  const retry = (
    hint: number | undefined,
    reason: 'retry' | 'rate_limited',
    possibleDuplicate = false,
  ): Next => {
    const waitMs = Math.max(hint ?? 0, backoff(policy, facts.attempt, random));
    const attempts = possibleDuplicate ? Math.min(policy.attempts, DOUBTFUL_ATTEMPTS) : policy.attempts;
    const over = facts.attempt >= attempts || facts.ageMs + waitMs > policy.windowMs;
    // What would come after its expiry ends at its expiry: the clock says so then.
    const afterMs = Math.max(0, Math.min(waitMs, facts.expiresInMs ?? Infinity));
    if (over)
      return possibleDuplicate
        ? { kind: 'unknown', reason: 'no_answer' }
        : { kind: 'giveUp', reason: 'retries_exhausted' };
    return { kind: 'retry', afterMs, reason, possibleDuplicate, avoidAccount: facts.otherAccounts > 0 };
  };
  switch (outcome.kind) {
    case 'accepted':
      return {
        kind: 'done',
        status: outcome.delivered ? 'delivered' : 'sent',
        providerMessageId: outcome.providerMessageId,
      };
    case 'rejected':
      return { kind: 'giveUp', reason: outcome.reason };
    case 'deferred':
      return retry(outcome.retryAfterMs, 'retry');
    case 'rateLimited':
      return retry(outcome.retryAfterMs, 'rate_limited');
    case 'misconfigured':
      return { kind: 'pauseAccount', answer: outcome.answer };
    case 'unknown':
      return (facts.onUnknown ?? defaultOnUnknown[facts.messageClass]) === 'retry'
        ? retry(undefined, 'retry', true)
        : { kind: 'unknown', reason: 'no_answer' };
  }
}

/** A push goes to several devices: sent if any accepted, failed if all were refused, else decided by the rest. */
export function combineDevices(outcomes: readonly Outcome[]): Outcome {
  const first = (kind: Outcome['kind']) => outcomes.find((o) => o.kind === kind);
  return (
    first('accepted') ??
    first('misconfigured') ??
    first('rateLimited') ??
    first('deferred') ??
    first('unknown') ??
    first('rejected') ?? { kind: 'rejected', reason: 'no_address', answer: {} }
  );
}
