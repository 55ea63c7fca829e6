/**
 * Why deliveries fail, as few groups as there are causes: the provider's words without what differs from message to
 * message. Pure. Used by the list of failures and by re-drives.
 */
import type { ReasonName } from '@carillon/contracts';

export interface FailureFacts {
  reason: ReasonName;
  provider: string | null;
  code: string | null;
  message: string | null;
}

const MOST = 200;
/** `5.1.1`: what kind of refusal it is (RFC 3463), so it stays, unlike other numbers. */
const enhancedCode = /(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?![\d.])/g;

/** The provider's words without addresses, links, ids, numbers and quotes. */
export function normalWords(message: string): string {
  const kept: string[] = [];
  return message
    .slice(0, 2000)
    .replace(enhancedCode, (code) => `\u0001${'x'.repeat(kept.push(code))}\u0002`)
    .replace(/\bhttps?:\/\/\S+/gi, '…')
    .replace(/[^\s<>@:;,"()]+@[^\s<>@:;,"()]+/g, '…')
    .replace(/(["'`“‘«])(?:(?!\1).)*?["'`”’»]/g, '…')
    .replace(/\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b/gi, '…')
    .replace(/\b(?=[\w-]*\d)(?=[\w-]*[a-z])[\w-]{8,}\b/gi, '…')
    .replace(/\+?\d(?:[\d.,:\-/ ]*\d)?/g, '…')
    .replace(/\u0001(x+)\u0002/g, (_, xs: string) => kept[xs.length - 1] ?? '')
    .replace(/[\u0000-\u001f\u007f]+/g, ' ')
    .replace(/…(?:[\s<>(),;:[\]-]*…)+/g, '…')
    .replace(/\s+/g, ' ')
    .trim()
    .slice(0, MOST);
}

/** Names the cause: equal for failures that differ only in whom they are about. */
export const causeOf = ({ reason, provider, code, message }: FailureFacts): string =>
  [reason, provider ?? '', code ?? '', message === null ? '' : normalWords(message).toLowerCase()].join('|');

const later = 'It may pass: send them again once the provider is well.';
const address = 'Sending again will not help: correct or remove these addresses.';
const unknownAdvice =
  'They may have arrived. Look at the provider, then decide for each, or send them again and accept duplicates.';
const advice: Partial<Record<ReasonName, string>> = {
  bounced: address,
  recipient_unknown: address,
  recipient_unreachable:
    'The recipient could not be reached: another channel, or another time, may reach them.',
  device_unregistered: 'Their apps are gone; the devices have been removed. Use another channel.',
  rejected: 'Read what the provider said, mend the cause, then send them again.',
  content_refused: 'Change the content; sending the same again will fail again.',
  too_large: 'Make the message smaller: sending the same again will fail again.',
  carrier_blocked: 'The operator filters this: register the sender, or change sender or content.',
  template_error: 'Mend the template; what failed keeps its version, so send those messages anew.',
  missing_variable:
    'Give the variable in `data`, or a default in the template, and send those messages anew.',
  no_account: 'Add a provider account for this channel, then send them again.',
  retries_exhausted: later,
  decided_by_person: 'A person decided that these did not arrive: send them again if they still matter.',
  poisonous: 'Handling these stopped a worker: look at the content before sending them again.',
  expired_before_sending:
    'They came too late to be useful. Find out what held them up: a paused account or a backlog.',
  no_answer: unknownAdvice,
  worker_lost: unknownAdvice,
  restored: unknownAdvice,
};
/** What to do about failures of a reason. */
export const adviceFor = (reason: ReasonName): string =>
  advice[reason] ?? 'Read what the provider said, mend the cause, then send them again.';
