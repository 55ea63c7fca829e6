import { describe, expect, it } from '@jest/globals';
import type { GateRules } from '@carillon/contracts';
import {
  gate,
  gateRules,
  noRules,
  ownRules,
  whereIs,
  type GateFacts,
  type OwnFacts,
  type Verdict,
} from './gate.js';

const now = new Date('2026-11-23T12:00:00Z');
const good: GateFacts = {
  now,
  channel: 'email',
  messageClass: 'marketing',
  topic: 'news',
  expiresAt: null,
  address: 'ada@example.com',
  addressInvalid: false,
  profileGone: false,
  route: null,
  allowList: null,
  suppression: null,
  consents: [],
  noConsentMeans: 'in',
  accounts: 'ready',
};
const out = (topic: string) => [{ topic, word: 'out' as const }];
const shopNews = { path: ['news', 'shop'], class: 'marketing' as const, byDefault: null };
const send: Verdict = { kind: 'send' };
const suppress = (reason: string) => ({ kind: 'suppress', reason });

const cases: [string, Partial<GateFacts>, Partial<Verdict> | object][] = [
  ['nothing objects', {}, send],
  ['expired a moment ago', { expiresAt: now }, { kind: 'expire', reason: 'expired_before_sending' }],
  ['expires later', { expiresAt: new Date(now.getTime() + 1) }, send],
  ['no address', { address: null }, suppress('no_address')],
  ['the profile is gone', { profileGone: true }, suppress('no_address')],
  ['not on the allow list', { allowList: ['eve@example.com'] }, suppress('not_on_allow_list')],
  ['on the allow list by address', { allowList: ['ada@example.com'] }, send],
  ['on the allow list by domain', { allowList: ['@example.com'] }, send],
  [
    'a domain entry is no suffix of another domain',
    { allowList: ['@ample.com'] },
    suppress('not_on_allow_list'),
  ],
  ['an empty allow list lets nobody through', { allowList: [] }, suppress('not_on_allow_list')],
  ['hard bounced before', { suppression: 'hard_bounced' }, suppress('hard_bounced')],
  [
    'transactional mail does not reach a bounced address either',
    { messageClass: 'transactional', suppression: 'hard_bounced' },
    suppress('hard_bounced'),
  ],
  [
    'a complaint, transactional',
    { messageClass: 'transactional', suppression: 'complained' },
    suppress('complained'),
  ],
  [
    'a complaint that the workspace ignores for transactional',
    { messageClass: 'transactional', suppression: 'complained', transactionalIgnoresComplaints: true },
    send,
  ],
  [
    'which it cannot for marketing',
    { suppression: 'complained', transactionalIgnoresComplaints: true },
    suppress('complained'),
  ],
  [
    'nor for a bounce',
    { messageClass: 'transactional', suppression: 'hard_bounced', transactionalIgnoresComplaints: true },
    suppress('hard_bounced'),
  ],
  ['out of the topic above', { consents: out('shop'), topicFacts: shopNews }, suppress('unsubscribed')],
  [
    'in to the topic, out of the one above',
    { consents: [...out('shop'), { topic: 'news', word: 'in' }], topicFacts: shopNews },
    send,
  ],
  [
    'in as a person, out at the address',
    {
      consents: [
        { about: 'profile', topic: 'news', word: 'in' },
        { about: 'address', topic: 'news', word: 'out' },
      ],
      topicFacts: shopNews,
    },
    suppress('unsubscribed'),
  ],
  [
    'in to the topic, out of the channel',
    { consents: [...out(''), { topic: 'news', word: 'in' }], topicFacts: shopNews },
    suppress('unsubscribed'),
  ],
  [
    'the topic says that no record is no consent',
    { topicFacts: { ...shopNews, byDefault: 'out' } },
    suppress('no_consent'),
  ],
  [
    'the topic says that no record will do',
    { noConsentMeans: 'out', topicFacts: { ...shopNews, byDefault: 'in' } },
    send,
  ],
  [
    'not confirmed yet',
    { consents: [{ topic: 'news', word: 'pending' }], topicFacts: shopNews },
    suppress('no_consent'),
  ],
  [
    'out of a transactional topic',
    {
      messageClass: 'transactional',
      consents: out('news'),
      topicFacts: { ...shopNews, class: 'transactional' },
    },
    suppress('unsubscribed'),
  ],
  ['out of the topic', { consents: out('news') }, suppress('unsubscribed')],
  ['out of another topic', { consents: out('offers') }, send],
  ['out of all marketing', { consents: out('marketing') }, suppress('unsubscribed')],
  ['out of the channel', { consents: out('') }, suppress('unsubscribed')],
  [
    'transactional passes an opt-out of marketing',
    { messageClass: 'transactional', consents: out('marketing') },
    send,
  ],
  [
    'transactional passes an opt-out of its topic',
    { messageClass: 'transactional', consents: out('news') },
    send,
  ],
  [
    'transactional is stopped by a block of the channel',
    { messageClass: 'transactional', consents: out('') },
    suppress('unsubscribed'),
  ],
  ['consent required, none on record', { noConsentMeans: 'out' }, suppress('no_consent')],
  ['consent required and given', { noConsentMeans: 'out', consents: [{ topic: 'news', word: 'in' }] }, send],
  [
    'an opt-out of the channel beats an opt-in to the topic',
    { consents: [{ topic: 'news', word: 'in' }, ...out('')] },
    suppress('unsubscribed'),
  ],
  ['transactional needs no opt-in', { messageClass: 'transactional', noConsentMeans: 'out' }, send],
  ['no account', { accounts: 'none' }, { kind: 'fail', reason: 'no_account' }],
  [
    'accounts paused',
    { accounts: { wait: 'account_paused', afterMs: 7 } },
    { kind: 'wait', reason: 'account_paused', afterMs: 7 },
  ],
  [
    'accounts behind open breakers',
    { accounts: { wait: 'account_unavailable', afterMs: 7 } },
    { kind: 'wait', reason: 'account_unavailable', afterMs: 7 },
  ],
  [
    'the step before was delivered',
    { route: { before: 'delivered', unless: 'delivered', beforeRead: false } },
    suppress('not_needed'),
  ],
  [
    'the step before was only sent',
    { route: { before: 'sent', unless: 'delivered', beforeRead: false } },
    send,
  ],
  ['the step before failed', { route: { before: 'failed', unless: null, beforeRead: false } }, send],
  [
    'the step before was delivered but not read',
    { route: { before: 'delivered', unless: 'read', beforeRead: false } },
    send,
  ],
  [
    'the step before was read',
    { route: { before: 'delivered', unless: 'read', beforeRead: true } },
    suppress('not_needed'),
  ],
];

describe('gate', () => {
  it.each(cases)('%s', (_, facts, verdict) =>
    expect(gate({ ...good, ...facts }).verdict).toEqual(expect.objectContaining(verdict)),
  );

  it('leaves a line per rule that was asked, and stops at the first that objects', () => {
    const { trace } = gate({ ...good, suppression: 'complained' });
    expect(trace).toEqual([
      'expiry: passed',
      'route: passed',
      'campaign: passed',
      'allow list: passed',
      'holdout: passed',
      'address: passed',
      'suppression: suppress (complained)',
    ]);
    expect(gate(good).trace).toHaveLength(gateRules.length);
  });
});

describe('own rules', () => {
  const own = (rules: Partial<GateRules>, more: Partial<OwnFacts> = {}): Partial<GateFacts> => ({
    own: {
      rules: { ...noRules, ...rules },
      version: 3,
      profileId: 'p',
      personId: 'p',
      deliveryId: null,
      rank: { priority: 50, order: 'a' },
      workspaceZone: null,
      test: false,
      where: () => whereIs({ timezone: 'Europe/Berlin', phone: null }, null),
      sent: [],
      ...more,
    },
  });
  const all = { channels: [], topics: [] };
  const days = {
    key: 'days',
    ...all,
    periods: [{ from: '09:00', to: '17:00' }],
    zone: 'person',
    then: 'queue' as const,
    keepForHours: 168,
  };
  const one = {
    key: 'one',
    ...all,
    class: 'marketing' as const,
    limit: 1,
    per: 'day' as const,
    every: 1,
    window: 'rolling' as const,
  };
  const sent = [
    { id: 'd', at: now.getTime() - 1000, channel: 'email', messageClass: 'marketing', topic: null } as const,
  ];
  const everybody = { key: 'everybody', ...all, percent: 100 };
  const transactional = { messageClass: 'transactional' as const };
  const rival = {
    at: now.getTime() + 3_600_000,
    channel: 'email' as const,
    messageClass: 'marketing' as const,
    topic: null,
    priority: 90,
    order: 'b',
    name: 'Spring',
    messageIds: ['b'],
  };
  const ahead = { caps: [one], arbitration: { lookAhead: '1d', then: 'wait' as const } };
  const full = { key: 'calls', limit: 5, free: 0, usedUp: true, opensMs: 1000 };
  const tables: [string, Partial<GateFacts>, object][] = [
    [
      'arbitration: it waits for what is of higher priority',
      own(ahead, { rivals: [rival] }),
      {
        kind: 'wait',
        reason: 'higher_priority',
        afterMs: 3_600_000 + 120_000,
        said: '“one” allows 1, and “Spring” comes at 2026-11-23T13:00:00.000Z (priority 90; this one has 50)',
      },
    ],
    [
      'arbitration: it is not sent, where that is the rule',
      own({ ...ahead, arbitration: { lookAhead: '1d', then: 'suppress' } }, { rivals: [rival] }),
      { kind: 'suppress', reason: 'outranked' },
    ],
    ['arbitration: nobody looks ahead', own({ caps: [one] }, { rivals: [rival] }), send],
    ['arbitration: not for what has its place', own(ahead, { rivals: [rival], deliveryId: 'd', sent }), send],
    [
      'arbitration: not for what is transactional',
      { ...own(ahead, { rivals: [rival] }), ...transactional },
      send,
    ],
    [
      'capacity: it waits for the next period',
      own({}, { rooms: [full] }),
      { kind: 'wait', reason: 'capacity', afterMs: 1000, said: '“calls” takes 5, and all of them are gone' },
    ],
    ['capacity: not for tests', own({}, { rooms: [full], test: true }), send],
    ['capacity: caps come first', own({ caps: [one] }, { rooms: [full], sent }), suppress('frequency_cap')],
    [
      'quiet: it waits until the hours are over',
      own({ quietHours: [days] }),
      { kind: 'wait', reason: 'quiet_hours', afterMs: 4 * 3_600_000 },
    ],
    ['quiet: a fixed zone', own({ quietHours: [{ ...days, zone: 'America/New_York' }] }), send],
    [
      'quiet: discarded',
      own({ quietHours: [{ ...days, then: 'discard' }] }),
      suppress('quiet_hours_discarded'),
    ],
    [
      'quiet for longer than it is kept',
      own({ quietHours: [{ ...days, keepForHours: 1 }] }),
      suppress('quiet_hours_discarded'),
    ],
    ['quiet on another channel', own({ quietHours: [{ ...days, channels: ['sms'] }] }), send],
    ['quiet: transactional goes', { ...own({ quietHours: [days] }), ...transactional }, send],
    [
      'quiet: unless its topic keeps quiet hours',
      { ...own({ quietHours: [days], transactionalTopics: ['news'] }), ...transactional },
      { kind: 'wait', reason: 'quiet_hours' },
    ],
    ['quiet: tests go', own({ quietHours: [days] }, { test: true }), send],
    [
      'quiet: with a phone of several zones all must be open',
      own(
        { quietHours: [{ ...days, periods: [{ from: '21:00', to: '08:00' }] }] },
        { where: () => whereIs({ timezone: null, phone: '+12025550123' }, 'Europe/Berlin') },
      ),
      { kind: 'wait', reason: 'quiet_hours' },
    ],
    [
      'quiet: the country that is kept with the number decides',
      own(
        { quietHours: [{ ...days, periods: [{ from: '21:00', to: '08:00' }] }] },
        {
          where: () =>
            whereIs({ timezone: null, phone: '+15005550123', phoneCountry: 'US' }, 'Europe/Berlin'),
        },
      ),
      { kind: 'wait', reason: 'quiet_hours' },
    ],
    [
      'quiet: somewhere on earth it is night',
      own(
        { quietHours: [{ ...days, periods: [{ from: '21:00', to: '08:00' }] }] },
        { where: () => whereIs(null, null) },
      ),
      suppress('quiet_hours_discarded'),
    ],
    ['capped', own({ caps: [one] }, { sent }), suppress('frequency_cap')],
    ['capped: room for one more', own({ caps: [{ ...one, limit: 2 }] }, { sent }), send],
    ['capped: transactional goes', { ...own({ caps: [one] }, { sent }), ...transactional }, send],
    ['capped: tests go', own({ caps: [one] }, { sent, test: true }), send],
    ['held out', own({ holdouts: [everybody] }), suppress('holdout')],
    ['held out of another topic', own({ holdouts: [{ ...everybody, topics: ['offers'] }] }), send],
    ['held out: nobody', own({ holdouts: [{ ...everybody, percent: 0 }] }), send],
    ['held out: transactional goes', { ...own({ holdouts: [everybody] }), ...transactional }, send],
  ];
  it.each(tables)('%s', (_, facts, verdict) =>
    expect(gate({ ...good, ...facts }).verdict).toEqual(expect.objectContaining(verdict)),
  );

  it('say in the trace what decided', () => {
    expect(gate({ ...good, ...own({ caps: [one] }, { sent }) }).trace.at(-1)).toBe(
      'frequency caps: suppress (frequency_cap) “one” allows 1, 1 were sent',
    );
    expect(gate({ ...good, ...own({ quietHours: [days] }) }).trace.at(-1)).toBe(
      'quiet hours: wait (quiet_hours) “days”, it is 13:00 in Europe/Berlin, until 2026-11-23T16:00:00.000Z',
    );
  });
  it('of an older document get what it did not know', () =>
    expect(ownRules({ gate: { version: 2, caps: [one] } })).toEqual({
      version: 2,
      rules: { ...noRules, caps: [one] },
    }));
});
