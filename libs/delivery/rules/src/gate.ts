/**
 * The gate: every delivery of every origin passes it when it is claimed. One visible array of small rules in order;
 * each leaves a line in the trace. Pure: facts and the time come in as arguments.
 */
import { normalizePhone, wallClock, zoneOf, type AssumedZone } from '@carillon/audience-rules';
import type {
  Channel,
  GateRules,
  MessageClass,
  QuietHours,
  ReasonName,
  Source,
  Status,
  TopicFacts,
} from '@carillon/contracts';
import { DEFAULT_PRIORITY, outrankedBy, type Rival, type Rank } from './arbitration.js';
import { fullOf, waitMsOf, type Room } from './capacity.js';
import { overCap, personOf, type Counted } from './caps.js';
import type { Addressee } from './channel.js';
import { drawn } from './holdout.js';
import { isQuiet, openForAll, quietFor } from './quiet-hours.js';
import { inScope } from './scope.js';

/** What the rules of the workspace ask beside everything else; there is none where it has set no rules. */
export interface OwnFacts {
  rules: GateRules;
  version: number;
  /** Null for a message to an address alone. */
  profileId: string | null;
  /** Whom caps count for: the profile, or the address of a message to an address alone. */
  personId: string | null;
  deliveryId: string | null;
  rank: Rank;
  /** What else is to come to the person, where the workspace looks ahead. */
  rivals?: readonly Rival[] | undefined;
  /** Of the capacities that it needs a place of. */
  rooms?: readonly Room[] | undefined;
  /** A test or a proof, or to somebody who tests: never held back for comfort, never counted. */
  test: boolean;
  /** Asked only where the hour counts. */
  where: () => AssumedZone;
  workspaceZone: string | null;
  /** What the person was sent lately, as far as it may count. */
  sent: readonly Counted[];
  /** Of one batch at one time: many people of one zone get one answer. */
  quiet?: Map<string, Verdict | null>;
}

/** Where a workspace's own rules stand, and its zone, among its settings. */
export interface GateSettings {
  gate?: (Partial<GateRules> & { version: number }) | null;
  timezone?: string | null;
}

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
  own?: OwnFacts | null;
  /** Of a message of a campaign that waits as a row of its own. */
  campaignPaused?: boolean;
}

/** `said`: the facts that decided, where the reason alone does not tell. */
export type Verdict =
  | { kind: 'send' }
  | { kind: 'suppress'; reason: ReasonName; said?: string }
  | { kind: 'expire'; reason: 'expired_before_sending' }
  | { kind: 'fail'; reason: ReasonName }
  | { kind: 'wait'; afterMs: number; reason: ReasonName; said?: string };

interface Rule {
  name: string;
  judge(facts: GateFacts): Verdict | null;
}
const suppress = (reason: ReasonName, said?: string): Verdict =>
  said === undefined ? { kind: 'suppress', reason } : { kind: 'suppress', reason, said };
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

/** What waits for its campaign is looked at again after this, or as soon as it is resumed. */
const PAUSED_AGAIN_MS = 600_000;

/** A message that lets another go first is looked at again so long after that one's time. */
const AFTER_RIVAL_MS = 120_000;

/** In order. Arbitration, caps and capacity come last, because they give away room. */
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
    name: 'campaign',
    judge: (f) =>
      f.campaignPaused ? { kind: 'wait', afterMs: PAUSED_AGAIN_MS, reason: 'campaign_paused' } : null,
  },
  {
    name: 'allow list',
    judge: (f) =>
      f.allowList && f.address !== null && !onList(f.allowList, f.address)
        ? suppress('not_on_allow_list')
        : null,
  },
  {
    name: 'holdout',
    judge: (f) => {
      const { own } = f;
      if (!own || own.profileId === null || !applies(f, own)) return null;
      for (const group of own.rules.holdouts)
        if (inScope(group, f) && drawn(group.key, own.profileId) * 100 < group.percent)
          return suppress('holdout', `“${group.key}” holds ${group.percent} % out`);
      return null;
    },
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
      // Of most people there are no words.
      if (f.consents.length === 0)
        return f.messageClass === 'transactional' || (f.topicFacts?.byDefault ?? f.noConsentMeans) === 'in'
          ? null
          : suppress('no_consent');
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
    name: 'quiet hours',
    judge: (f) => {
      const { own } = f;
      if (!own || own.rules.quietHours.length === 0 || !applies(f, own)) return null;
      const where = own.where();
      const key = `${f.channel} ${f.topic ?? ''} ${where.candidates.join()}`;
      const known = own.quiet?.get(key);
      if (known !== undefined) return known;
      const verdict = judgeQuiet(f, own.rules.quietHours, where);
      own.quiet?.set(key, verdict);
      return verdict;
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
  {
    name: 'arbitration',
    judge: (f) => {
      const { own } = f;
      if (!own?.rivals?.length || !own.rules.arbitration || !applies(f, own)) return null;
      // It has its place: it is tried again.
      if (own.sent.some((s) => s.id === own.deliveryId)) return null;
      const now = f.now.getTime();
      const about = { ...f, ...own.rank, id: own.deliveryId };
      const over = outrankedBy(own.rules.caps, about, own.sent, own.rivals, now, own.where().zone);
      if (!over) return null;
      const { cap, by } = over;
      const said = `“${cap.key}” allows ${cap.limit}, and “${by.name}” comes ${by.at <= now ? 'now' : `at ${new Date(by.at).toISOString()}`} (priority ${by.priority}; this one has ${own.rank.priority})`;
      return own.rules.arbitration.then === 'suppress'
        ? suppress('outranked', said)
        : {
            kind: 'wait',
            afterMs: Math.max(0, by.at - now) + AFTER_RIVAL_MS,
            reason: 'higher_priority',
            said,
          };
    },
  },
  {
    name: 'frequency caps',
    judge: (f) => {
      const { own } = f;
      if (!own || own.personId === null || own.rules.caps.length === 0 || !applies(f, own)) return null;
      const { channel, messageClass, topic } = f;
      const about = { id: own.deliveryId, channel, messageClass, topic };
      const over = overCap(own.rules.caps, about, own.sent, f.now.getTime(), own.where().zone);
      return (
        over &&
        suppress('frequency_cap', `“${over.cap.key}” allows ${over.cap.limit}, ${over.used} were sent`)
      );
    },
  },
  {
    name: 'capacity',
    judge: (f) => {
      const full = f.own?.rooms?.length && applies(f, f.own) ? fullOf(f.own.rooms) : null;
      return (
        full && {
          kind: 'wait',
          afterMs: waitMsOf(full),
          reason: 'capacity',
          said: full.usedUp
            ? `“${full.key}” takes ${full.limit}, and all of them are gone`
            : `“${full.key}” has places left, and what is of higher priority wants them`,
        }
      );
    },
  },
];

/** Rules for people's comfort are for marketing, and for topics that ask for them. */
export const heldForComfort = (
  { messageClass, topic }: Pick<GateFacts, 'messageClass' | 'topic'>,
  { transactionalTopics }: Pick<GateRules, 'transactionalTopics'>,
): boolean => messageClass === 'marketing' || (topic !== null && transactionalTopics.includes(topic));
/** Tests pass. */
const applies = (f: GateFacts, own: OwnFacts): boolean => !own.test && heldForComfort(f, own.rules);

function judgeQuiet(f: GateFacts, all: readonly QuietHours[], where: AssumedZone): Verdict | null {
  const now = f.now.getTime();
  const rules = all
    .filter((rule) => inScope(rule, f))
    .map((rule) => ({ rule, ...quietFor(rule, where.candidates) }));
  const quiet = rules.flatMap((r) => {
    const zone = r.zones.find((z) => isQuiet(r.periods, now, z));
    return zone === undefined ? [] : [{ ...r.rule, in: zone }];
  });
  const [first] = quiet;
  if (!first) return null;
  const is = `“${first.key}”, it is ${timeIn(now, first.in)} in ${first.in}`;
  const discarding = quiet.find((rule) => rule.then === 'discard');
  if (discarding)
    return suppress(
      'quiet_hours_discarded',
      `“${discarding.key}”, it is ${timeIn(now, discarding.in)} in ${discarding.in}`,
    );
  const opens = openForAll(rules, now);
  const keep = Math.min(...quiet.map((rule) => rule.keepForHours));
  if (opens === null || opens - now > keep * 3_600_000)
    return suppress('quiet_hours_discarded', `${is}, and not over within ${keep} hours`);
  return {
    kind: 'wait',
    afterMs: opens - now,
    reason: 'quiet_hours',
    said: `${is}, until ${new Date(opens).toISOString()}`,
  };
}
const timeIn = (at: number, zone: string): string =>
  new Date(wallClock(at, zone)).toISOString().slice(11, 16);

const onList = (list: readonly string[], given: string): boolean => {
  const address = given.toLowerCase();
  return list.some((entry) =>
    entry.startsWith('@') ? address.endsWith(entry.toLowerCase()) : entry.toLowerCase() === address,
  );
};

/** The first rule that objects decides; the trace names every rule that was asked, and what it said. */
export function gate(facts: GateFacts): { verdict: Verdict; trace: readonly string[] } {
  for (let i = 0; i < gateRules.length; i++) {
    const rule = gateRules[i]!;
    const verdict = rule.judge(facts);
    if (verdict) return { verdict, trace: [...passed.slice(0, i), `${rule.name}: ${lineOf(verdict)}`] };
  }
  return SENT;
}
/** Made once: most deliveries pass all rules. */
const passed = gateRules.map((rule) => `${rule.name}: passed`);
const SENT = { verdict: { kind: 'send' }, trace: passed } as const;
function lineOf(verdict: Verdict): string {
  const reason = 'reason' in verdict ? ` (${verdict.reason})` : '';
  return `${verdict.kind}${reason}${'said' in verdict && verdict.said ? ` ${verdict.said}` : ''}`;
}

/** What each rule says for itself, also behind one that objects: to show what rules would do. */
export const gateInFull = (facts: GateFacts): { rule: string; verdict: Verdict | null }[] =>
  gateRules.map((rule) => ({ rule: rule.name, verdict: rule.judge(facts) }));

/** What the workspace has set, as it stands in its settings; null where it has set nothing. */
export function ownRules({ gate }: GateSettings): { version: number; rules: GateRules } | null {
  if (!gate) return null;
  const { version, ...rules } = gate;
  // A version of the document may be older than a field.
  return { version, rules: { ...noRules, ...rules } };
}
/**
 * The facts that the workspace's own rules ask, about each delivery of one batch at one time. Null where it has no rules.
 * @returns given a delivery and what its person was sent lately
 */
export function ownFactsFor(
  settings: GateSettings,
): ((about: AskedAbout, sent: readonly Counted[] | undefined, late?: LateFacts) => OwnFacts) | null {
  const own = ownRules(settings);
  if (!own) return null;
  const testers = new Set(own.rules.testProfiles);
  const quiet: OwnFacts['quiet'] = new Map();
  return (about, sent = [], late) => {
    const { id, profileId, source, recipient } = about;
    // Several rules ask, and reading the country of a phone number costs more than they do.
    let where: AssumedZone | undefined;
    // Field by field: copying the rest of an object takes longer than most rules.
    return {
      rules: own.rules,
      version: own.version,
      profileId,
      personId: own.rules.caps.length > 0 ? personOf(about) : profileId,
      deliveryId: id,
      rank: late?.rank ?? NO_RANK,
      rivals: late?.rivals,
      rooms: late?.rooms,
      test: source === 'test' || testers.has(recipient?.externalId ?? ''),
      workspaceZone: settings.timezone ?? null,
      where: () => (where ??= whereIs(recipient, settings.timezone)),
      sent,
      quiet,
    };
  };
}
export interface AskedAbout {
  id: string;
  profileId: string | null;
  source: Source;
  recipient: Addressee | null;
  /** Of a message to an address alone. */
  channel?: Channel;
  address?: string | null;
}
/** What is read only where the workspace looks ahead, or has capacities. */
export type LateFacts = Pick<OwnFacts, 'rank' | 'rivals' | 'rooms'>;
const NO_RANK: Rank = { priority: DEFAULT_PRIORITY, order: '' };
export const noRules: GateRules = {
  allowList: null,
  testProfiles: [],
  seeds: [],
  transactionalTopics: [],
  holdouts: [],
  quietHours: [],
  caps: [],
  arbitration: null,
  capacities: [],
};

/**
 * Where a person is: by the profile, the country of the phone, the workspace. With none of them they may be anywhere, and
 * all zones must agree.
 */
export function whereIs(
  person: Pick<Addressee, 'timezone' | 'phone' | 'phoneCountry'> | null,
  workspaceZone: string | null | undefined,
): AssumedZone {
  const country =
    person && !person.timezone && person.phone ? (person.phoneCountry ?? countryOf(person.phone)) : null;
  const found = zoneOf({ timezone: person?.timezone ?? null, phoneCountry: country }, workspaceZone ?? 'UTC');
  if (found.source !== 'workspace' || workspaceZone || found.candidates.length > 1) return found;
  return { ...found, candidates: EVERYWHERE };
}
const countryOf = (phone: string): string | null => {
  const read = normalizePhone(phone);
  return read.ok ? (read.country ?? null) : null;
};
/** Whatever the clock may show on earth. Etc/GMT-14 is fourteen hours ahead. */
const EVERYWHERE = Array.from({ length: 27 }, (_, i) => `Etc/GMT${i - 14 >= 0 ? '+' : ''}${i - 14}`);
