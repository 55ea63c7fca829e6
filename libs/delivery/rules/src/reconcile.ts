/**
 * How an unknown delivery that is held is reconciled: a receipt or a look-up at the provider may settle it within a
 * quarter of an hour; after that a person decides. Pure; the waiting is the row's `due_at`.
 */
import type { Finding } from './outcome.js';

/** A receipt or a look-up has this long; then a person decides. Milliseconds. */
export const RECONCILE_WINDOW_MS = 15 * 60_000;
/** The first look-up: a receipt is usually sooner. Milliseconds. */
export const FIRST_LOOKUP_MS = 15_000;
const LONGEST_STEP_MS = 5 * 60_000;

export type Reconciling =
  { kind: 'lookUp'; againMs: number } | { kind: 'wait'; againMs: number } | { kind: 'person' };

/**
 * @param heldMs since the hand-over
 * @param canLookUp does its provider answer look-ups
 */
export function afterHold(heldMs: number, canLookUp: boolean): Reconciling {
  const left = RECONCILE_WINDOW_MS - heldMs;
  if (left <= 0) return { kind: 'person' };
  if (!canLookUp) return { kind: 'wait', againMs: left };
  // Each wait is as long as all before it, so that a slow provider is not asked all the time.
  const step = Math.min(LONGEST_STEP_MS, Math.max(FIRST_LOOKUP_MS, heldMs));
  return { kind: 'lookUp', againMs: Math.min(step, left) };
}

export type Settled =
  | { kind: 'settled'; status: 'sent' | 'delivered' | 'failed' }
  /** Nothing had left: it is sent, and that is no duplicate. */
  | { kind: 'send' }
  | { kind: 'stillUnknown' };

/** What follows from what the provider found. */
export const afterFinding = (finding: Finding): Settled =>
  finding.kind === 'found'
    ? { kind: 'settled', status: finding.status }
    : finding.kind === 'absent'
      ? { kind: 'send' }
      : { kind: 'stillUnknown' };
