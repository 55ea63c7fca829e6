/**
 * What enhanced status codes mean, RFC 3463 and its registry
 * (https://www.iana.org/assignments/smtp-enhanced-status-codes/): the same in a reply and in a report that comes later.
 */
import type { Outcome } from '@carillon/delivery-rules';

export type Kind =
  'deferred' | 'rateLimited' | 'misconfigured' | Extract<Outcome, { kind: 'rejected' }>['reason'];

const permanent: Record<string, Kind> = {
  '5.1': 'recipient_unknown',
  '5.1.4': 'rejected', // ambiguous address
  '5.1.7': 'misconfigured', // the sender's address is not valid
  '5.1.8': 'misconfigured', // the sender's domain is not valid
  '5.2': 'recipient_unreachable',
  '5.2.3': 'too_large',
  '5.3': 'rejected',
  '5.3.4': 'too_large',
  '5.4': 'recipient_unreachable',
  '5.5': 'rejected',
  '5.6': 'content_refused',
  '5.7': 'carrier_blocked',
  '5.7.8': 'misconfigured', // RFC 4954: credentials
  '5.7.9': 'misconfigured', // RFC 4954: mechanism too weak
  '5.7.11': 'misconfigured', // RFC 4954: encryption required
  '5.7.14': 'misconfigured', // RFC 5248: trust relationship required
};

/** The longest match wins. Undefined for a class of codes that says nothing by itself. */
export function permanentKind(status: string | undefined): Kind | undefined {
  const [class_, subject, detail] = (status ?? '').split('.');
  return permanent[`${class_}.${subject}.${detail}`] ?? permanent[`${class_}.${subject}`];
}
