/**
 * The gate: every delivery of every origin passes it when it is claimed. One visible array of small rules in order;
 * each leaves a line in the trace. Pure: facts and the time come in as arguments.
 */
import type { Channel, MessageClass, ReasonName, Status, TopicFacts } from '@carillon/contracts';

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
  /** Complaints do not stop transactional messages here. */
  transactionalIgnoresComplaints?: boolean;
  /** Words about this address or profile on this channel; topic '' is the whole channel, 'marketing' all marketing on it. */
  consents: readonly { about?: 'profile' | 'address'; topic: string; word: 'in' | 'out' | 'pending' }[];
  /** What is known of the topic; null where nobody has described it. */
  topicFacts?: TopicFacts | null;
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

/**
 * The topics whose words count for a message. First '', the whole channel, whose "out" stops everything; then the nearest
 * first: the topic, those above it, at last all marketing. A transactional message asks for no more than the channel,
 * unless its topic is one that people may leave.
 */
export function countingTopics(
  messageClass: MessageClass,
  topic: string | null,
  facts: TopicFacts | null | undefined,
): string[] {
  if (messageClass === 'transactional') return facts?.class === 'transactional' ? ['', ...facts.path] : [''];
  return ['', ...(facts?.path ?? (topic && topic !== 'marketing' ? [topic] : [])), 'marketing'];
}

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
  {
    name: 'suppression',
    judge: (f) =>
      f.suppression &&
      !(
        f.suppression === 'complained' &&
        f.messageClass === 'transactional' &&
        f.transactionalIgnoresComplaints
      )
        ? suppress(f.suppression)
        : null,
  },
  {
    name: 'consent',
    judge: (f) => {
      const [channel = '', ...topics] = countingTopics(f.messageClass, f.topic, f.topicFacts);
      if (f.consents.some((c) => c.word === 'out' && c.topic === channel)) return suppress('unsubscribed');
      // The person and the address each have their say.
      const nearest = (['profile', 'address'] as const).map((about) => {
        const words = f.consents.filter((c) => (c.about ?? 'profile') === about);
        return topics.flatMap((topic) => words.find((c) => c.topic === topic)?.word ?? [])[0];
      });
      if (nearest.includes('out')) return suppress('unsubscribed');
      if (f.messageClass === 'transactional') return null;
      if (nearest.includes('in')) return null;
      // What waits for its confirmation is no consent yet.
      if (nearest.includes('pending')) return suppress('no_consent');
      const open = f.consents.some((c) => c.word === 'in' && c.topic === channel);
      return open || (f.topicFacts?.byDefault ?? f.noConsentMeans) === 'in' ? null : suppress('no_consent');
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
