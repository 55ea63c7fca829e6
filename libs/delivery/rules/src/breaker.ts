/**
 * The circuit breaker of a provider account: after failures that say something about the account (nobody there, silence,
 * 5xx), attempts stop for a while, then a few probes find out whether it is back. Refusals of single recipients never open
 * it. A provider's 429 holds the account for as long as the provider asks. Pure; the row that all processes share is
 * written by the dispatcher's account-flow.ts.
 */
import type { Outcome } from './outcome.js';

/** Failures in a row that open it. */
export const BREAKER_IN_ROW = 5;
/** Or this share of at least so many attempts within the window. */
export const BREAKER_SHARE = 0.5;
export const BREAKER_LEAST = 20;
export const BREAKER_WINDOW_MS = 60_000;
/** Open for this long; doubled with each opening that no success came between. */
export const BREAKER_OPEN_MS = 5_000;
export const BREAKER_MAX_OPEN_MS = 300_000;
/** Attempts under way while half-open. */
export const BREAKER_PROBES = 3;
/** A probe whose worker died does not count for ever. */
export const BREAKER_PROBE_MS = 150_000;
/** A 429 without a hint: the wait is drawn between the base and three times the last one (decorrelated jitter). */
const HOLD_BASE_MS = 1_000;
const HOLD_MAX_MS = 120_000;

/** Times in milliseconds, on the clock that all processes share. */
export interface Breaker {
  failuresInRow: number;
  windowAt: number;
  windowOk: number;
  windowFailed: number;
  openUntil: number | null;
  openedAt: number | null;
  openReason: string | null;
  trips: number;
  probes: number;
  probesAt: number | null;
  heldUntil: number | null;
  holdMs: number;
}
export const closedBreaker = (now: number): Breaker => ({
  failuresInRow: 0,
  windowAt: now,
  windowOk: 0,
  windowFailed: 0,
  openUntil: null,
  openedAt: null,
  openReason: null,
  trips: 0,
  probes: 0,
  probesAt: null,
  heldUntil: null,
  holdMs: 0,
});

export type BreakerPhase = 'closed' | 'open' | 'half-open';
export const breakerPhase = (b: Pick<Breaker, 'openUntil'>, now: number): BreakerPhase =>
  b.openUntil === null ? 'closed' : b.openUntil > now ? 'open' : 'half-open';

/** What a batch of attempts says about the account itself. */
export interface AccountTally {
  ok: number;
  failed: number;
  /** Attempts that say neither, probes that were not used among them. */
  other: number;
  /** Of the last failure, in the provider's words. */
  reason: string | null;
  /** The longest wait that a 429 asked for; 0 when it asked for none; null without a 429. */
  holdMs: number | null;
}

/** Counts outcomes by what they say about the account. A refusal is an answer: the account works. */
export function tallyOf(outcomes: readonly Outcome[]): AccountTally {
  const tally: AccountTally = { ok: 0, failed: 0, other: 0, reason: null, holdMs: null };
  for (const outcome of outcomes)
    switch (outcome.kind) {
      case 'accepted':
      case 'rejected':
        tally.ok++;
        break;
      case 'deferred':
        if (outcome.blames === 'recipient') {
          tally.ok++;
          break;
        }
        tally.failed++;
        tally.reason = words(outcome);
        break;
      case 'unknown':
        tally.failed++;
        tally.reason = words(outcome);
        break;
      case 'rateLimited':
        tally.other++;
        tally.holdMs = Math.max(tally.holdMs ?? 0, outcome.retryAfterMs ?? 0);
        break;
      case 'misconfigured':
        // Pauses the account: a person must act, waiting does not help.
        tally.other++;
        break;
    }
  return tally;
}
/** Two batches told as one. */
export const addTallies = (a: AccountTally, b: AccountTally): AccountTally => ({
  ok: a.ok + b.ok,
  failed: a.failed + b.failed,
  other: a.other + b.other,
  reason: b.reason ?? a.reason,
  holdMs: a.holdMs === null ? b.holdMs : Math.max(a.holdMs, b.holdMs ?? 0),
});
const words = ({ answer }: Outcome): string =>
  [answer.code, answer.message].filter((word) => word !== undefined && word !== '').join(' ');

/**
 * The breaker after a batch.
 * @param random in [0, 1)
 */
export function afterTally(before: Breaker, tally: AccountTally, now: number, random: number): Breaker {
  const b = { ...before };
  const probing = breakerPhase(b, now) === 'half-open';
  b.probes = Math.max(0, b.probes - tally.ok - tally.failed - tally.other);
  if (now - b.windowAt >= BREAKER_WINDOW_MS)
    Object.assign(b, { windowAt: now, windowOk: 0, windowFailed: 0 });
  b.windowOk += tally.ok;
  b.windowFailed += tally.failed;
  b.failuresInRow = tally.ok > 0 ? 0 : b.failuresInRow + tally.failed;

  if (tally.holdMs !== null) {
    const drawn = HOLD_BASE_MS + random * (Math.max(HOLD_BASE_MS, b.holdMs) * 3 - HOLD_BASE_MS);
    const waitMs = tally.holdMs > 0 ? tally.holdMs : Math.min(HOLD_MAX_MS, Math.round(drawn));
    b.holdMs = tally.holdMs > 0 ? b.holdMs : waitMs;
    b.heldUntil = Math.max(b.heldUntil ?? 0, now + waitMs);
  } else if (tally.ok > 0) {
    b.holdMs = 0;
    if (b.heldUntil !== null && b.heldUntil <= now) b.heldUntil = null;
  }

  if (probing && tally.failed === 0 && tally.ok > 0) return { ...b, ...closed(now) };
  // A success that was under way when it opened says nothing about now.
  if (breakerPhase(b, now) === 'open') return b;
  const all = b.windowOk + b.windowFailed;
  const inRow = b.failuresInRow >= BREAKER_IN_ROW;
  const share = all >= BREAKER_LEAST && b.windowFailed / all >= BREAKER_SHARE;
  if (tally.failed === 0 || !(probing || inRow || share)) return b;
  const openMs = Math.min(BREAKER_MAX_OPEN_MS, BREAKER_OPEN_MS * 2 ** b.trips) * (1 + random / 4);
  const why = probing
    ? 'The probe failed as well'
    : inRow
      ? `${b.failuresInRow} attempts in a row failed`
      : `${b.windowFailed} of ${all} attempts failed`;
  return {
    ...b,
    trips: b.trips + 1,
    openedAt: b.trips === 0 ? now : b.openedAt,
    openUntil: now + Math.round(openMs),
    openReason: tally.reason ? `${why}: ${tally.reason}` : `${why}.`,
    probes: 0,
    windowAt: now,
    windowOk: 0,
    windowFailed: 0,
  };
}
const closed = (now: number): Partial<Breaker> => {
  const { heldUntil: _held, holdMs: _hold, ...rest } = closedBreaker(now);
  return rest;
};

/**
 * How many of `want` attempts may go now.
 * @returns the breaker with its probes counted; `waitMs` is when to ask again for the rest
 */
export function admit(
  before: Breaker,
  want: number,
  now: number,
): { breaker: Breaker; granted: number; waitMs: number } {
  const until = Math.max(before.openUntil ?? 0, before.heldUntil ?? 0);
  if (until > now) return { breaker: before, granted: 0, waitMs: until - now };
  if (breakerPhase(before, now) === 'closed') return { breaker: before, granted: want, waitMs: 0 };
  const stale = before.probesAt === null || now - before.probesAt > BREAKER_PROBE_MS;
  const probes = stale ? 0 : before.probes;
  const granted = Math.max(0, Math.min(want, BREAKER_PROBES - probes));
  const breaker = granted > 0 ? { ...before, probes: probes + granted, probesAt: now } : before;
  return { breaker, granted, waitMs: granted < want ? 1_000 : 0 };
}

/** Nothing that other processes need to hear about. */
export const untroubled = (b: Breaker): boolean =>
  b.failuresInRow === 0 && b.openUntil === null && b.heldUntil === null && b.holdMs === 0;
