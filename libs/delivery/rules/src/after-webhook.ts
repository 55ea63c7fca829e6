/**
 * What follows an attempt to tell an endpoint of an event. Pure: time and randomness are arguments. The schedule is
 * stated in docs/webhooks.md and is the one that receivers know from elsewhere.
 */

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

/** Waits between attempts: the first is at once, the eighth and last some 28 hours later. */
export const webhookWaitsMs: readonly number[] = [
  5 * SECOND,
  5 * MINUTE,
  30 * MINUTE,
  2 * HOUR,
  5 * HOUR,
  10 * HOUR,
  10 * HOUR,
];
/** An endpoint that has taken nothing for this long is disabled. */
export const WEBHOOK_FAILING_DAYS = 5;
/** The longest that a Retry-After is followed. */
const LONGEST_HINT_MS = 10 * HOUR;

export interface WebhookFacts {
  /** HTTP status; null when there was no answer in time. */
  status: number | null;
  /** `Retry-After` as it came. */
  retryAfter?: string | undefined;
  /** Attempts begun since the event was last planned, this one included. */
  tries: number;
  /** When the endpoint first failed since its last success. */
  failingSince: Date | null;
  now: Date;
}
export type AfterWebhook = { disable: string | null } & (
  { kind: 'sent' } | { kind: 'retry'; afterMs: number } | { kind: 'failed' }
);

/** @param random in [0, 1): waits are between 0.9 and 1.1 of the schedule */
export function afterWebhook(facts: WebhookFacts, random: number): AfterWebhook {
  const { status, tries, failingSince, now } = facts;
  if (status !== null && status >= 200 && status < 300) return { kind: 'sent', disable: null };
  const failedForMs = failingSince ? now.getTime() - failingSince.getTime() : 0;
  const disable =
    status === 410
      ? 'It answered 410 Gone: it wants no more webhooks.'
      : failedForMs >= WEBHOOK_FAILING_DAYS * 24 * HOUR
        ? `It has taken nothing for ${WEBHOOK_FAILING_DAYS} days, since ${failingSince?.toISOString()}.`
        : null;
  const wait = webhookWaitsMs[tries - 1];
  if (status === 410 || wait === undefined) return { kind: 'failed', disable };
  const planned = Math.round(wait * (0.9 + random * 0.2));
  return { kind: 'retry', afterMs: Math.max(planned, hintMs(facts.retryAfter, now)), disable };
}

/** RFC 9110 §10.2.3: seconds or a date. What cannot be read is no hint. */
function hintMs(header: string | undefined, now: Date): number {
  if (!header?.trim()) return 0;
  const ms = /^\d+$/.test(header.trim()) ? Number(header) * SECOND : Date.parse(header) - now.getTime();
  return Number.isFinite(ms) ? Math.min(LONGEST_HINT_MS, Math.max(0, ms)) : 0;
}
