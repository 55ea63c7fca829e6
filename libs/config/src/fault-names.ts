/** The names of failpoints and deliberate bugs: what CARILLON_FAILPOINTS and CARILLON_BUGS may hold. See faults.ts. */

/** Every commit boundary on the way of a delivery, in order. */
export const failpoints = [
  'accept-before-commit',
  'accept-after-commit',
  'before-claim',
  'after-claim',
  'before-mark',
  'after-mark',
  'reply-read',
  'after-record',
  'clock-after-take',
  'receipts-before-commit',
  'receipts-after-commit',
  'journey-before-commit',
  'journey-after-commit',
] as const;
export type Failpoint = (typeof failpoints)[number];

/** Deliberate bugs, one for each promise. The drill of `npm run chaos` must catch every one. */
export const bugs = [
  'answer-before-commit',
  'idempotency-unchecked',
  'claim-takes-anyones',
  'suppression-unread-at-mark',
  'cancel-unread-at-mark',
  'expiry-ignored',
  'mark-not-written',
  'accepted-retried',
  'silence-called-sent',
  'record-unfenced',
  'lease-never-swept',
  'unknown-retried-blindly',
  'clock-skips-rows',
  'receipt-moves-back',
  'receipt-lost',
  'journey-signal-lost',
  'journey-counts-apart',
] as const;
export type Bug = (typeof bugs)[number];

/** What happens at a failpoint: `kill` is SIGKILL to itself, `stop` SIGSTOP, `pause` a second of nothing. */
export type FailpointAction = 'kill' | 'stop' | 'pause';
export interface ArmedFailpoint {
  name: Failpoint;
  action: FailpointAction;
  /** At every so many passes of this process. */
  every: number;
}
