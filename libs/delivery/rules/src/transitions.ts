/**
 * What may follow what. Retries go `sending → scheduled`; receipts never move a status back, with the named exceptions.
 * `failed → scheduled` and `unknown → scheduled` are a person's word: a re-drive, with a line of the timeline that names who.
 */
import type { Status } from '@carillon/contracts';

const may: Record<Status, readonly Status[]> = {
  // `sent` and `delivered`: an earlier attempt whose fate was unknown turns out to have succeeded before the next began.
  scheduled: ['queued', 'sending', 'sent', 'delivered', 'suppressed', 'failed', 'cancelled', 'expired'],
  queued: ['sending', 'scheduled', 'sent', 'delivered', 'suppressed', 'failed', 'cancelled', 'expired'],
  // `cancelled` and `queued` only before the hand-over mark: nothing has left.
  sending: [
    'sent',
    'delivered',
    'failed',
    'suppressed',
    'scheduled',
    'queued',
    'cancelled',
    'expired',
    'unknown',
  ],
  sent: ['delivered', 'failed'],
  // A mailbox may accept first and bounce later: the one late failure.
  delivered: ['failed'],
  // The provider's word, or a person's, settles what we did not know.
  unknown: ['sent', 'delivered', 'failed', 'scheduled'],
  // Only by a re-drive.
  failed: ['scheduled'],
  // Only what `settledWhileWaiting` says: an earlier attempt arrived after all.
  suppressed: ['sent', 'delivered'],
  cancelled: ['sent', 'delivered'],
  expired: ['sent', 'delivered'],
};
/** May a delivery go from one status to another? */
export const mayFollow = (from: Status, to: Status): boolean => may[from].includes(to);

/** Statuses from which a receipt may move a delivery to `status`; used as the guard of the UPDATE. */
export const receiptFrom = (status: 'sent' | 'delivered' | 'failed'): Status[] =>
  // `sending`: a callback can overtake our own commit of the provider's answer.
  (
    ({
      sent: ['sending', 'unknown'],
      delivered: ['sending', 'sent', 'unknown'],
      failed: ['sending', 'sent', 'delivered', 'unknown'],
    }) as const
  )[status].slice();

/**
 * Statuses from which a success settles a delivery of which an earlier attempt may have arrived (`possible_duplicate`):
 * it waits to be sent again, and need not be; or it was stopped while it waited, and yet it had left before.
 */
export const settledWhileWaiting = (status: 'sent' | 'delivered' | 'failed'): Status[] =>
  status === 'failed' ? [] : ['scheduled', 'queued', 'cancelled', 'suppressed', 'expired'];

/** What a person may send again. Nothing that was accepted is among them. */
export const redrivable: readonly Status[] = ['failed', 'unknown'];

/** Statuses in which nothing has left yet, so that cancelling and rescheduling are possible. */
export const notLeft: readonly Status[] = ['scheduled', 'queued'];
