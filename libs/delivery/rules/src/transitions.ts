/** What may follow what. Retries go `sending → scheduled`; receipts never move a status back, with the named exceptions. */
import type { Status } from '@carillon/contracts';

const may: Record<Status, readonly Status[]> = {
  scheduled: ['queued', 'sending', 'suppressed', 'failed', 'cancelled', 'expired'],
  queued: ['sending', 'scheduled', 'suppressed', 'failed', 'cancelled', 'expired'],
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
  failed: [],
  suppressed: [],
  cancelled: [],
  expired: [],
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

/** Statuses in which nothing has left yet, so that cancelling and rescheduling are possible. */
export const notLeft: readonly Status[] = ['scheduled', 'queued'];
