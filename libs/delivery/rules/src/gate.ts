/**
 * The gate: every delivery of every origin passes it when it is claimed. One visible array of small rules in order;
 * each leaves a line in the trace. Pure: facts and the time come in as arguments.
 */
import type { Channel, MessageClass, ReasonName, Status } from '@carillon/contracts';

export interface GateFacts {
  now: Date;
  channel: Channel;
  messageClass: MessageClass;
  topic: string | null;
  expiresAt: Date | null;
  /** Null when the recipient has no usable address on the channel. */
  address: string | null;
  /** Set when an address is there but cannot be valid. */
  addressInvalid: boolean;
  /** The profile was deleted since. */
  profileGone: boolean;
  /** For a later step of a route: how far the step before got, and how far is enough. */
  route: { before: Status; unless: 'sent' | 'delivered' | 'read' | null; beforeRead: boolean } | null;
  /** Addresses or @domains that may be written to; null when the mode is off. */
  allowList: readonly string[] | null;
  suppression: ReasonName | null;
  /** Words about this address or profile on this channel; topic '' is the whole channel, 'marketing' all marketing on it. */
  consents: readonly { topic: string; word: 'in' | 'out' }[];
  /** What the workspace takes no record for, in marketing. */
  noConsentMeans: 'in' | 'out';
  /** `wait`: there are some, and none may be used now. */
  accounts: 'ready' | 'none' | { wait: 'account_paused' | 'account_unavailable'; afterMs: number };
}

export type Verdict =
  | { kind: 'send' }
  | { kind: 'suppress'; reason: ReasonName }
  | { kind: 'expire'; reason: 'expired_before_sending' }
  | { kind: 'fail'; reason: ReasonName }
  | { kind: 'wait'; afterMs: number; reason: ReasonName };

interface Rule {
  name: string;
  judge(facts: GateFacts): Verdict | null;
}
const suppress = (reason: ReasonName): Verdict => ({ kind: 'suppress', reason });
const far: Record<'sent' | 'delivered' | 'read', readonly Status[]> = {
  sent: ['sent', 'delivered'],
  delivered: ['delivered'],
  read: [],
};

/** Topics whose "out" stops a message of this class: a block of the whole channel stops everything. */
export const blockingTopics = (messageClass: MessageClass, topic: string | null): string[] =>
  messageClass === 'transactional' ? [''] : ['', 'marketing', ...(topic ? [topic] : [])];

/** In order. Quiet hours, arbitration and frequency caps join here, before and after the account. */
export const gateRules: readonly Rule[] = [
  {
    name: 'expiry',
    judge: (f) =>
      f.expiresAt && f.expiresAt <= f.now ? { kind: 'expire', reason: 'expired_before_sending' } : null,
  },
  {
    name: 'route',
    judge: (f) =>
      f.route &&
      (f.route.unless === 'read'
        ? f.route.beforeRead
        : far[f.route.unless ?? 'sent'].includes(f.route.before))
        ? suppress('not_needed')
        : null,
  },
  {
    name: 'address',
    judge: (f) =>
      f.profileGone || f.address === null
        ? suppress('no_address')
        : f.addressInvalid
          ? suppress('invalid_address')
          : null,
  },
  {
    name: 'allow list',
    judge: (f) =>
      f.allowList && !onList(f.allowList, f.address ?? '') ? suppress('not_on_allow_list') : null,
  },
  { name: 'suppression', judge: (f) => (f.suppression ? suppress(f.suppression) : null) },
  {
    name: 'consent',
    judge: (f) => {
      const blocking = blockingTopics(f.messageClass, f.topic);
      if (f.consents.some((c) => c.word === 'out' && blocking.includes(c.topic)))
        return suppress('unsubscribed');
      if (f.messageClass === 'transactional' || f.noConsentMeans === 'in') return null;
      return f.consents.some((c) => c.word === 'in' && blocking.includes(c.topic))
        ? null
        : suppress('no_consent');
    },
  },
  {
    name: 'provider account',
    judge: (f) =>
      f.accounts === 'none'
        ? { kind: 'fail', reason: 'no_account' }
        : f.accounts === 'ready'
          ? null
          : { kind: 'wait', afterMs: f.accounts.afterMs, reason: f.accounts.wait },
  },
];

const onList = (list: readonly string[], address: string): boolean =>
  list.some((entry) => (entry.startsWith('@') ? address.endsWith(entry) : entry === address));

/** The first rule that objects decides; the trace names every rule that was asked. */
export function gate(facts: GateFacts): { verdict: Verdict; trace: string[] } {
  const trace: string[] = [];
  for (const rule of gateRules) {
    const verdict = rule.judge(facts);
    trace.push(
      `${rule.name}: ${verdict ? `${verdict.kind}${'reason' in verdict ? ` (${verdict.reason})` : ''}` : 'passed'}`,
    );
    if (verdict) return { verdict, trace };
  }
  return { verdict: { kind: 'send' }, trace };
}
