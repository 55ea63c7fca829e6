/** Audiences of the fixture server: a live rule, a rule that failed, a list, and answers about them. */
import type {
  Audience,
  AudienceExplanation,
  AudiencePreview,
  AudienceSave,
  AudienceVocabulary,
  Campaign,
  CampaignFunnel,
  CampaignNumbers,
  CampaignChanges,
  CampaignEdit,
  CampaignOccurrence,
  CampaignTestResult,
  CampaignReport,
  Gate,
  GateTried,
} from '@carillon/contracts';
import { profiles } from './fixtures.js';

const hoursAgo = (hours: number): string => new Date(Date.now() - hours * 3_600_000).toISOString();
let made = 0;
const audience = (key: string, name: string, more: Partial<Audience>): Audience => ({
  id: `0193a1b2-7c4d-7e5f-8a9b-${String(++made).padStart(12, '0')}`,
  key,
  name,
  description: '',
  kind: 'rule',
  definition: null,
  sentence: '',
  version: 1,
  live: false,
  state: 'ready',
  size: 0,
  lastSeq: 0,
  evaluatedAt: hoursAgo(1),
  evaluationMs: 412,
  problem: null,
  usedBy: [],
  createdAt: hoursAgo(200),
  updatedAt: hoursAgo(3),
  archivedAt: null,
  ...more,
});

export const audiences: Audience[] = [
  audience('active-pros', 'Active pros', {
    live: true,
    size: 12_430,
    lastSeq: 15_022,
    version: 3,
    definition: {
      where: {
        and: [
          { attribute: 'plan', in: ['pro', 'team'] },
          { event: 'order.placed', atLeast: 3, within: '30d', where: [{ property: 'total', atLeast: 50 }] },
          { not: { consent: 'email', is: 'out' } },
          {
            or: [
              { field: 'locale', startsWith: 'fr' },
              { activity: 'lastOpenedAt', withinLast: '90d' },
              { audience: 'vips' },
            ],
          },
        ],
      },
    },
  }),
  audience('birthday-today', 'Birthday today', {
    live: true,
    state: 'counting',
    size: null,
    evaluatedAt: null,
    definition: { where: { attribute: 'birthday', anniversary: 'today' } },
  }),
  audience('everything-ever', 'Everything ever', {
    state: 'failed',
    size: null,
    evaluatedAt: null,
    problem:
      'It was stopped after 55 seconds: give its events a shorter span (within), or split it into audiences of their own.',
    definition: { where: { event: 'page.viewed', then: { event: 'order.placed' } } },
  }),
  audience('vips', 'Our best', { kind: 'list', size: 214, lastSeq: 260, usedBy: ['active-pros'] }),
];
const SENTENCES: Record<string, string> = {
  'active-pros':
    'plan is one of “pro”, “team”. And: Did order.placed where total is at least 50 at least 3 times in the last 30 days. And: Not: Consent to email is out.',
  'birthday-today': 'birthday has its anniversary today.',
  'everything-ever': 'Did page.viewed, and after it order.placed.',
  vips: 'A list that is filled from outside.',
};
for (const one of audiences) one.sentence = SENTENCES[one.key] ?? '';

export const vocabulary: AudienceVocabulary = {
  attributes: [
    { name: 'plan', types: ['string'], values: ['free', 'pro', 'team'] },
    { name: 'orders', types: ['number'], values: [0, 3, 6] },
    { name: 'birthday', types: ['string'], values: [] },
  ],
  events: [
    {
      name: 'order.placed',
      properties: ['total', 'currency'],
      types: { total: ['number'], currency: ['string'] },
    },
    { name: 'page.viewed', properties: ['path'], types: { path: ['string'] } },
  ],
  topics: ['news', 'offers'],
  templates: ['order-shipped'],
  audiences: audiences.map(({ key, name }) => ({ key, name })),
};

const shown = profiles.map(({ id, externalId, email, phone }) => ({ id, externalId, email, phone }));
export const preview: AudiencePreview = {
  total: 12_430,
  sample: shown.slice(0, 10),
  reach: [
    { channel: 'email', reachable: 9871, noAddress: 2002, optedOut: 420, suppressed: 137 },
    { channel: 'sms', reachable: 4120, noAddress: 8290, optedOut: 20, suppressed: 0 },
    { channel: 'push', reachable: 3011, noAddress: 9419, optedOut: 0, suppressed: 0 },
    { channel: 'in-app', reachable: 12_430, noAddress: 0, optedOut: 0, suppressed: 0 },
  ],
  ms: 231,
};
export const members = shown.map((one, at) => ({ ...one, seq: at + 1, since: hoursAgo(at * 7 + 1) }));
export const explanation: AudienceExplanation = {
  profile: shown[0]!,
  holds: false,
  member: false,
  since: null,
  sentence: 'They are not in: the rule does not hold for them.',
  rule: {
    holds: false,
    asks: 'All of these hold.',
    seen: null,
    clauses: [
      { holds: true, asks: 'plan is one of “pro”, “team”.', seen: 'It is “pro”.', clauses: [] },
      {
        holds: false,
        asks: 'Did order.placed where total is at least 50 at least 3 times in the last 30 days.',
        seen: 'It was so once.',
        clauses: [],
      },
      {
        holds: true,
        asks: 'This does not hold.',
        seen: null,
        clauses: [{ holds: false, asks: 'Consent to email is out.', seen: 'It is in.', clauses: [] }],
      },
    ],
  },
};
/** What saving answers. */
export const savedAs = (key: string, save: AudienceSave, before?: Audience): Audience =>
  audience(key, save.name, {
    ...before,
    name: save.name,
    kind: save.definition ? 'rule' : 'list',
    definition: (save.definition ?? null) as Audience['definition'],
    sentence: save.definition ? 'plan is “pro”.' : 'A list that is filled from outside.',
    version: (before?.version ?? 0) + 1,
    live: save.live,
  });

export const noGate: Gate = {
  version: 0,
  rules: {
    allowList: null,
    testProfiles: [],
    seeds: [],
    transactionalTopics: [],
    holdouts: [],
    quietHours: [],
    caps: [],
  },
  note: '',
  by: null,
  at: null,
};
export const gate: Gate = {
  version: 7,
  rules: {
    ...noGate.rules,
    testProfiles: ['grace'],
    holdouts: [{ key: 'q4', channels: [], topics: [], percent: 5 }],
    quietHours: [
      {
        key: 'nights',
        channels: [],
        topics: [],
        periods: [{ from: '21:00', to: '08:00' }],
        zone: 'person',
        then: 'queue',
        keepForHours: 168,
      },
    ],
    caps: [
      {
        key: 'daily',
        channels: [],
        topics: [],
        class: 'marketing',
        limit: 2,
        per: 'day',
        every: 1,
        window: 'rolling',
      },
    ],
  },
  note: 'Nights are quiet',
  by: 'Ada Lovelace',
  at: '2026-11-20T09:00:00Z',
};
const passed = (rule: string): GateTried['rules'][number] => ({
  rule,
  verdict: 'passed',
  reason: null,
  until: null,
  said: null,
});
export const triedGate: GateTried = {
  version: 7,
  verdict: 'wait',
  reason: 'quiet_hours',
  until: '2026-11-24T08:00:00Z',
  zone: { zone: 'Europe/London', source: 'profile', candidates: ['Europe/London'] },
  rules: [
    ...['expiry', 'route', 'allow list', 'holdout', 'address', 'suppression', 'consent'].map(passed),
    {
      rule: 'quiet hours',
      verdict: 'wait',
      reason: 'quiet_hours',
      until: '2026-11-24T08:00:00Z',
      said: '“nights”, it is 23:10 in Europe/London, until 2026-11-24T08:00:00.000Z',
    },
    passed('provider account'),
    {
      rule: 'frequency caps',
      verdict: 'suppress',
      reason: 'frequency_cap',
      until: null,
      said: '“daily” allows 2, 2 were sent',
    },
  ],
};

export const campaignReport: CampaignReport = {
  version: 3,
  at: hoursAgo(1),
  findings: [
    {
      level: 'warning',
      code: 'accounts_paused',
      at: '/channels',
      message: 'All provider accounts for push are paused: it would wait.',
    },
  ],
  audience: 12_480,
  heldOut: 1246,
  byZone: [
    { zone: 'Europe/London', people: 7204 },
    { zone: 'America/New_York', people: 5276 },
  ],
  byChannel: [
    { channel: 'email', reachable: 11_902, noAddress: 120, suppressed: 58, optedOut: 400 },
    { channel: 'push', reachable: 4210, noAddress: 8100, suppressed: 0, optedOut: 170 },
  ],
  templates: [{ variant: null, key: 'order-shipped', version: 3 }],
  cost: { channel: 'sms', currency: 'EUR', amount: 812.4, parts: 10_155, unpriced: 12 },
  samples: [
    {
      profile: 'ada',
      channel: 'email',
      variant: null,
      says: 'Your order — It is on its way.',
      problem: null,
    },
    {
      profile: 'grace',
      channel: 'email',
      variant: null,
      says: null,
      problem: 'there is no value for profile.attributes.plan',
    },
  ],
  startsAt: hoursAgo(-24),
  endsAt: hoursAgo(-50),
};
const campaignId = (n: number) => `0193a1b2-7c4d-7e5f-8a9b-c0000000000${n}`;
export const newCampaignId = campaignId(9);
export const draftCampaign: Campaign = {
  id: campaignId(1),
  name: 'Spring offers',
  state: 'draft',
  version: 3,
  definition: {
    audience: 'active-pros',
    exclude: [],
    channels: ['email', 'push'],
    template: 'order-shipped',
    data: {},
    variants: [],
    class: 'marketing',
    topic: 'offers',
    start: { kind: 'local', date: '2026-12-01', time: '09:00' },
    waves: { sizes: [1, 9, 90], unit: 'percent', every: '1h' },
    stopWhen: { failedPercent: 50, complainedPercent: 1, after: 100 },
    priority: 50,
  },
  report: null,
  reason: null,
  startsAt: null,
  createdBy: 'Ada Lovelace',
  template: false,
  approval: null,
  approvalBy: null,
  clonedFrom: null,
  createdAt: hoursAgo(30),
  updatedAt: hoursAgo(2),
  runs: [],
};
export const campaigns: Campaign[] = [
  draftCampaign,
  {
    ...draftCampaign,
    id: campaignId(2),
    name: 'Winter sale',
    state: 'running',
    definition: {
      ...draftCampaign.definition,
      start: { kind: 'now' },
      variants: [
        { name: 'short', weight: 50, template: 'spring-short' },
        { name: 'long', weight: 50, template: 'spring-long' },
      ],
      test: {
        portion: 20,
        metric: { kind: 'clicked' },
        within: '1d',
        decideAfter: '4h',
        confidence: 95,
        atLeast: 100,
      },
    },
    report: campaignReport,
    runs: [{ no: 1, state: 'running', startedAt: hoursAgo(0.1), endedAt: null, targeted: 24_960 }],
  },
  {
    ...draftCampaign,
    id: campaignId(3),
    name: 'Weekly digest',
    state: 'completed',
    definition: {
      ...draftCampaign.definition,
      start: {
        kind: 'recurring',
        rule: 'FREQ=WEEKLY;BYDAY=MO',
        from: '2026-11-02T09:00',
        zone: 'Europe/London',
      },
    },
    report: campaignReport,
    runs: [
      { no: 2, state: 'completed', startedAt: hoursAgo(72), endedAt: hoursAgo(71), targeted: 24_960 },
      { no: 1, state: 'completed', startedAt: hoursAgo(240), endedAt: hoursAgo(239), targeted: 24_102 },
    ],
  },
];
/** The runs that were, and the digest each noon of the twenty days to come. */
export const campaignCalendar = (all: readonly Campaign[]): CampaignOccurrence[] => [
  ...all.flatMap(({ id, name, state, runs }) =>
    runs.map(({ no, state: runState, startedAt, endedAt }) => ({
      campaignId: id,
      name,
      state,
      no,
      runState,
      at: startedAt,
      local: null,
      endedAt,
    })),
  ),
  ...Array.from({ length: 20 }, (_, n) => ({
    campaignId: campaignId(3),
    name: 'Weekly digest',
    state: 'scheduled' as const,
    no: null,
    runState: null,
    at: hoursAgo(-24 * (n + 1)),
    local: null,
    endedAt: null,
  })),
];
/** Of a campaign that went out before. */
export const campaignChanges = ({ runs }: Campaign): CampaignChanges => {
  const [last] = runs;
  if (!last) return { no: null, against: null, changes: [] };
  return {
    no: null,
    against: { campaignId: campaignId(3), name: 'Weekly digest', no: last.no, at: last.startedAt },
    changes: [
      { at: '/templates/all', before: 'order-shipped, version 2', after: 'order-shipped, version 3' },
      { at: '/people/audience', before: 12_051, after: 12_480 },
    ],
  };
};
export const campaignEdits = ({ definition, name, version }: Campaign): CampaignEdit[] => [
  {
    version,
    at: hoursAgo(2),
    by: 'Ada Lovelace',
    name,
    definition,
    changes: [
      { at: '/start/time', before: '08:00', after: '09:00' },
      { at: '/waves', before: null, after: { every: '1h', sizes: [1, 9, 90], unit: 'percent' } },
    ],
  },
  {
    version: version - 1,
    at: hoursAgo(30),
    by: 'Grace Hopper',
    name: 'Spring',
    definition: { ...definition, priority: 70 },
    changes: [],
  },
];
export const campaignTest: CampaignTestResult = {
  no: 1,
  metric: { kind: 'clicked' },
  variants: [
    { variant: 'short', people: 2481, successes: 201, rate: 0.081, low: 0.0709, high: 0.0924, best: 0.0713 },
    { variant: 'long', people: 2511, successes: 231, rate: 0.092, low: 0.0813, high: 0.1039, best: 0.9287 },
  ],
  decidesAt: hoursAgo(-3.9),
  waiting: 9000,
  decision: null,
};
export function campaignNumbers(campaign: Campaign): CampaignNumbers {
  const pending = campaign.state === 'completed' ? 0 : 9000;
  const part = (channel: 'email' | 'push', n: number): CampaignNumbers['parts'][number] => ({
    runId: campaignId(n),
    channel,
    variant: null,
    rest: false,
    state: 'running',
    targeted: 12_480,
    pending: pending / 2,
    sent: 11_900 - pending / 2,
    suppressed: 440,
    failed: 100,
    cancelled: 0,
    expired: 0,
    unknown: 40,
  });
  return {
    state: campaign.state,
    no: campaign.runs[0]?.no ?? 0,
    targeted: 24_960,
    pending,
    sent: 23_800 - pending,
    suppressed: 880,
    failed: 200,
    cancelled: 0,
    expired: 0,
    unknown: 80,
    delivered: 14_000,
    heldOut: campaign.state === 'completed' ? 1246 : 0,
    parts: [part('email', 5), part('push', 6)],
    reasons:
      campaign.state === 'completed'
        ? [
            { status: 'suppressed', reason: 'unsubscribed', count: 700 },
            { status: 'suppressed', reason: 'frequency_cap', count: 180 },
            { status: 'failed', reason: 'recipient_unknown', count: 200 },
            { status: 'unknown', reason: 'no_answer', count: 80 },
          ]
        : [],
  };
}

/** Of a campaign by email: two variants, three links, some machines. */
export function campaignFunnel(query: { by?: string; event?: string }): CampaignFunnel {
  const row = (n: number): CampaignFunnel['total'] => ({
    targeted: 12_480 * n,
    sent: 11_900 * n,
    delivered: 11_420 * n,
    opened: 4_870 * n,
    openedByProxy: 1_930 * n,
    opens: 7_310 * n,
    openedByMachine: 2_240 * n,
    clicked: 812 * n,
    clicks: 1_104 * n,
    clickedByMachine: 96 * n,
    converted: query.event ? 141 * n : 0,
    unsubscribed: 31 * n,
    complained: 2 * n,
  });
  const names: Record<string, string[]> = {
    variant: ['a', 'b'],
    channel: ['email', 'push'],
    domain: ['gmail.com', 'outlook.com'],
    zone: ['Europe/Berlin', ''],
  };
  const by = (query.by ?? 'variant') as NonNullable<CampaignFunnel['by']>;
  const link = (id: string, href: string, label: string, clicked: number) => ({
    id,
    href,
    label,
    clicked,
    clicks: Math.round(clicked * 1.3),
    clickedByMachine: 40,
  });
  return {
    no: 1,
    event: query.event ?? null,
    within: '7d',
    total: row(2),
    lift: query.event
      ? {
          told: { people: 11_234, converted: 282, rate: 0.0251, low: 0.0224, high: 0.0282 },
          heldOut: { people: 1246, converted: 21, rate: 0.0169, low: 0.0111, high: 0.0257 },
          difference: { value: 0.0082, low: -0.0007, high: 0.0148 },
          lift: { value: 0.489, low: -0.026, high: 1.273 },
          extra: 93,
          better: 0.9654,
        }
      : null,
    by,
    groups: (names[by] ?? []).map((name) => ({ name, ...row(1) })),
    links: [
      link('q1w2e3r4', 'https://shop.example/autumn?ref=mail', 'See the autumn coats', 1_204),
      link('a1s2d3f4', 'https://shop.example/orders/{{ order.id }}/track', 'Where is my parcel?', 380),
      link('y1x2c3v4', 'https://shop.example/a-very/long/path/that/goes/on/and/on/for/ever', '', 40),
    ],
  };
}
