/**
 * A workspace that never was, for browser specs and for looking at pages without the real stack. Deterministic but for
 * the clock. Everything is checked against the contracts when it is served.
 */
import type {
  AuditEntry,
  Import,
  ImportPreview,
  ApiKey,
  ConsentPolicy,
  ChannelRetry,
  ContentByChannel,
  FailureGroup,
  LaneRun,
  LaneState,
  Profile,
  ProviderAccount,
  ProviderInfo,
  Redrive,
  Suppression,
  TemplateDetail,
  TimelineEntry,
  Topic,
  WebhookAttempt,
  WebhookEndpoint,
  WebhookMessage,
} from '@carillon/contracts';
import { channels } from '@carillon/contracts';
import { z } from 'zod';

let seed = 7;
const random = () => (seed = (seed * 16807) % 2147483647) / 2147483647;
export const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)] as T;
let ids = 0;
export const newId = (): string =>
  `01938${(++ids).toString(16).padStart(3, '0')}-7a1c-7000-8000-${(0xabc000000000 + ids * 7919).toString(16)}`;
export const start = Date.now();
export const ago = (seconds: number): string => new Date(start - seconds * 1000).toISOString();

const people: [string, string, string, string, string, string][] = [
  ['ada', 'Ada Lovelace', 'ada@example.com', '+442071838750', 'en-GB', 'Europe/London'],
  ['grace', 'Grace Hopper', 'grace.hopper@example.org', '+12025550143', 'en-US', 'America/New_York'],
  ['zoe-muller', 'Zoë Müller', 'zoe.mueller@example.de', '+4930901820', 'de-DE', 'Europe/Berlin'],
  ['u_10293', '山田 花子', 'hanako@example.jp', '+81312345678', 'ja-JP', 'Asia/Tokyo'],
  [
    'maria.silva',
    'Maria da Silva',
    'maria.silva@example.com.br',
    '+5511912345678',
    'pt-BR',
    'America/Sao_Paulo',
  ],
  ['amelie', 'Amélie Dubois', 'amelie@example.fr', '+33142685300', 'fr-FR', 'Europe/Paris'],
  ['omar', 'عمر الفارسي', 'omar@example.ae', '+97144321000', 'ar-AE', 'Asia/Dubai'],
  ['no-address', 'Nemo', '', '', 'en', 'Pacific/Auckland'],
];
export const profiles: Profile[] = people.map(
  ([externalId, name, email, phone, locale, timezone], index) => ({
    id: newId(),
    externalId,
    email: email || null,
    phone: phone || null,
    locale,
    timezone: index === 5 ? null : timezone,
    phoneZone: index === 5 ? timezone : null,
    activity: {
      events: email ? 41 * (index + 1) : 0,
      sent: email ? 12 + index : 0,
      opened: email ? 7 + index : 0,
      clicked: email ? index : 0,
      firstSeenAt: email ? ago(86400 * 59) : null,
      lastSeenAt: email ? ago(700 * (index + 1)) : null,
      lastSentAt: email ? ago(86400) : null,
      lastOpenedAt: email ? ago(80_000) : null,
      lastClickedAt: email && index ? ago(79_000) : null,
    },
    identities:
      index === 0
        ? [
            { namespace: 'crm', value: '00420017', createdAt: ago(86400 * 40) },
            { namespace: 'external_id', value: 'ada-from-the-shop', createdAt: ago(86400 * 3) },
          ]
        : [],
    attributes: (email
      ? {
          name,
          plan: pick(['free', 'pro', 'team']),
          orders: index * 3,
          address: { city: timezone.split('/')[1] ?? '', newsletter: index % 2 === 0 },
        }
      : {}) satisfies Profile['attributes'] as Profile['attributes'],
    devices: email
      ? Array.from({ length: index % 3 }, (_, device) => ({
          id: newId(),
          token: `fcm-${externalId}-${device}-${'x7Q2'.repeat(12)}`,
          platform: device ? ('ios' as const) : ('android' as const),
          app: 'com.example.shop',
          createdAt: ago(86400 * 40),
          lastSeenAt: ago(3600 * (index + 1)),
        }))
      : [],
    createdAt: ago(86400 * (60 - index)),
    updatedAt: ago(3000 * (index + 1)),
  }),
);

/** Of everybody who has an address. */
export const timeline: TimelineEntry[] = [
  {
    kind: 'event',
    id: newId(),
    at: ago(700),
    name: 'order.placed',
    properties: { total: 49.9, currency: 'EUR', items: 2 },
  },
  { kind: 'event', id: newId(), at: ago(760), name: 'cart.added', properties: { path: '/p/brass-bell' } },
  {
    kind: 'message',
    id: newId(),
    at: ago(86_400),
    messageId: newId(),
    channel: 'email',
    class: 'marketing',
    topic: 'news',
    template: 'autumn-news',
    status: 'delivered',
    reason: null,
    outcomes: [
      { type: 'sent', at: ago(86_399) },
      { type: 'delivered', at: ago(86_390) },
      { type: 'opened', at: ago(80_000) },
      { type: 'clicked', at: ago(79_000) },
    ],
  },
  {
    kind: 'membership',
    id: `${newId()}:1`,
    at: ago(86_500),
    audience: { id: newId(), key: 'loyal', name: 'Loyal customers' },
    change: 'enter',
    cause: 'event',
  },
  {
    kind: 'message',
    id: newId(),
    at: ago(2 * 86_400),
    messageId: newId(),
    channel: 'sms',
    class: 'transactional',
    topic: null,
    template: null,
    status: 'failed',
    reason: 'recipient_unreachable',
    outcomes: [{ type: 'failed', at: ago(2 * 86_400 - 4) }],
  },
  {
    kind: 'consent',
    id: newId(),
    at: ago(2 * 86_400 + 60),
    channel: 'email',
    topic: 'offers',
    word: 'out',
    about: 'address',
    source: 'one-click',
  },
  {
    kind: 'consent',
    id: newId(),
    at: ago(20 * 86_400),
    channel: 'email',
    topic: 'news',
    word: 'in',
    about: 'profile',
    source: 'page',
  },
  {
    kind: 'profile',
    id: newId(),
    at: ago(3 * 86_400),
    change: 'merged',
    mergedExternalId: 'ada-from-the-shop',
  },
  { kind: 'profile', id: newId(), at: ago(60 * 86_400), change: 'created', mergedExternalId: null },
].sort((a, b) => Date.parse(b.at) - Date.parse(a.at)) as TimelineEntry[];

const secret = (schema: z.ZodType) => schema.meta({ ...schema.meta(), 'x-secret': true });
const asSettings = (schema: z.ZodType) => z.toJSONSchema(schema, { io: 'input' }) as ProviderInfo['settings'];
export const providers: ProviderInfo[] = [
  {
    channel: 'email',
    name: 'smtp',
    title: 'SMTP server',
    docs: 'https://www.rfc-editor.org/rfc/rfc5321',
    webhooks: false,
    settings: asSettings(
      z.strictObject({
        host: z
          .string()
          .min(1)
          .describe('Name or address of the server.')
          .meta({ examples: ['smtp.example.com'] }),
        port: z
          .int()
          .min(1)
          .max(65535)
          .default(587)
          .describe('587 with STARTTLS, 465 with TLS from the start.'),
        security: z
          .enum(['starttls', 'tls', 'none'])
          .default('starttls')
          .describe('How the connection is protected.'),
        username: z.string().nullable().default(null).describe('Empty: no sign-in.'),
        password: secret(z.string().nullable().default(null).describe('Of the user above.')),
        from: z
          .string()
          .describe('The sender, as Name <address>.')
          .meta({ examples: ['Shop <hello@example.com>'] }),
        maxConnections: z.int().min(1).max(50).default(5).describe('Connections kept open at a time.'),
        verifyCertificate: z.boolean().default(true).describe('Turn off for a test server only.'),
      }),
    ),
  },
  {
    channel: 'sms',
    name: 'twilio',
    title: 'Twilio',
    docs: 'https://www.twilio.com/docs/messaging/api',
    webhooks: true,
    settings: asSettings(
      z.strictObject({
        accountSid: z
          .string()
          .regex(/^AC[0-9a-f]{32}$/)
          .describe('Begins with AC.')
          .meta({ title: 'Account SID' }),
        authToken: secret(z.string().min(8).describe('Also verifies status callbacks.')),
        from: z
          .string()
          .nullable()
          .default(null)
          .describe('A number in international form, or leave empty with a messaging service.'),
        messagingServiceSid: z.string().nullable().default(null).meta({ title: 'Messaging service SID' }),
        countries: z.array(z.string()).default([]).describe('Only these countries; empty: all.'),
      }),
    ),
  },
  {
    channel: 'push',
    name: 'fcm',
    title: 'Firebase Cloud Messaging',
    docs: 'https://firebase.google.com/docs/cloud-messaging',
    webhooks: false,
    settings: asSettings(
      z.strictObject({
        projectId: z.string().min(1).describe('From the Firebase console.'),
        serviceAccount: secret(z.string().min(20).describe('The key file of a service account, as JSON.')),
        dryRun: z.boolean().default(false).describe('Checked by Google, but not delivered.'),
      }),
    ),
  },
  {
    channel: 'in-app',
    name: 'inbox',
    title: 'Carillon inbox',
    docs: 'https://example.com/docs/inbox',
    webhooks: false,
    settings: asSettings(z.strictObject({})),
  },
];

const account = (
  given: Pick<ProviderAccount, 'channel' | 'provider' | 'name' | 'settings'> & Partial<ProviderAccount>,
): ProviderAccount => ({
  id: newId(),
  position: 0,
  weight: 1,
  rateLimit: null,
  warmUp: null,
  prices: null,
  quota: null,
  breaker: {
    state: 'closed',
    sentence: 'Attempts go out.',
    reason: null,
    openedAt: null,
    retryAt: null,
    heldUntil: null,
  },
  paused: false,
  pausedReason: null,
  secretsSet: [],
  webhookUrl: null,
  health: {
    state: 'healthy',
    sentence: 'All 1,204 messages of the last hour were taken.',
    sentLastHour: 1204,
    failedLastHour: 0,
    lastSuccessAt: ago(12),
    lastFailureAt: null,
    lastFailure: null,
  },
  createdAt: ago(86400 * 30),
  updatedAt: ago(86400 * 2),
  ...given,
});
export const accounts: ProviderAccount[] = [
  account({
    channel: 'email',
    provider: 'smtp',
    name: 'Main mail server',
    weight: 3,
    rateLimit: { count: 50_000, per: 'day', burst: 500 },
    quota: { limit: 50_000, per: 'day', used: 41_870, headroom: 8_130, resetsAt: ago(-36_000) },
    settings: {
      host: 'smtp.example.com',
      port: 587,
      security: 'starttls',
      username: 'carillon',
      from: 'Shop <hello@example.com>',
      maxConnections: 8,
      verifyCertificate: true,
    },
    secretsSet: ['password'],
    health: {
      state: 'degraded',
      sentence: '3.1 % of the messages of the last hour failed: 451 4.7.1 greylisted.',
      sentLastHour: 1204,
      failedLastHour: 38,
      lastSuccessAt: ago(9),
      lastFailureAt: ago(140),
      lastFailure: '451 4.7.1 Greylisted, please try again later',
    },
  }),
  account({
    channel: 'email',
    provider: 'smtp',
    name: 'Spare mail server',
    position: 10,
    breaker: {
      state: 'open',
      sentence: 'Attempts stopped; the next probe goes out in 18 seconds.',
      reason: '5 attempts in a row failed: ECONNREFUSED The connection could not be made.',
      openedAt: ago(65),
      retryAt: ago(-18),
      heldUntil: null,
    },
    settings: {
      host: 'mx2.example.com',
      port: 465,
      security: 'tls',
      from: 'Shop <hello@example.com>',
      maxConnections: 5,
      verifyCertificate: true,
    },
    health: {
      state: 'failing',
      sentence:
        'Attempts stopped; the next probe goes out in 18 seconds. 5 attempts in a row failed: ECONNREFUSED The connection could not be made.',
      sentLastHour: 0,
      failedLastHour: 5,
      lastSuccessAt: ago(86400 * 3),
      lastFailureAt: null,
      lastFailure: null,
    },
  }),
  account({
    channel: 'sms',
    provider: 'twilio',
    name: 'Twilio Europe',
    rateLimit: { count: 2.5, per: 'second' },
    quota: { limit: 3, per: 'second', used: 2, headroom: 1, resetsAt: ago(0) },
    settings: {
      accountSid: `AC${'0123456789abcdef'.repeat(2)}`,
      from: '+4930901820',
      countries: ['DE', 'FR'],
    },
    secretsSet: ['authToken'],
    webhookUrl: 'https://carillon.example.com/v1/webhooks/sms/twilio/019380a0-7a1c-7000-8000-abc0000003b7',
  }),
  account({
    channel: 'push',
    provider: 'fcm',
    name: 'Shop app',
    settings: { projectId: 'shop-app', dryRun: false },
    secretsSet: ['serviceAccount'],
    paused: true,
    pausedReason: 'Google refused the credentials: invalid_grant. Nothing was burned; what is due waits.',
    health: {
      state: 'paused',
      sentence: 'Paused because its credentials were refused.',
      sentLastHour: 0,
      failedLastHour: 4,
      lastSuccessAt: ago(4000),
      lastFailureAt: ago(3500),
      lastFailure: '401 UNAUTHENTICATED invalid_grant',
    },
  }),
  account({
    channel: 'in-app',
    provider: 'inbox',
    name: 'Inbox',
    settings: {},
    health: {
      state: 'healthy',
      sentence: 'All 312 messages of the last hour were stored.',
      sentLastHour: 312,
      failedLastHour: 0,
      lastSuccessAt: ago(31),
      lastFailureAt: null,
      lastFailure: null,
    },
  }),
];

const mail = `<style>.button { background: #9f5f26; color: #ffffff; padding: 11px 20px; border-radius: 6px; text-decoration: none; display: inline-block } @media (max-width: 500px) { .wide { padding: 16px !important } }</style>
<div style="background:#f4f1ec;padding:24px;font-family:Helvetica,Arial,sans-serif"><div class="wide" style="background:#fff;max-width:520px;margin:0 auto;padding:32px;border-radius:10px">
<h1 style="font-size:22px;margin:0 0 12px;color:#201f1d">On its way, {{ name }}!</h1>
<p style="color:#55534e;line-height:1.6;margin:0 0 20px">Your order <b>#{{ order.id }}</b> left our warehouse and should be with you in two days.</p>
<a class="button" href="https://example.com/orders/{{ order.id }}">Follow the parcel</a>
<p style="color:#a5a39d;font-size:12px;margin:28px 0 0"><img src="https://example.com/logo.png" width="80" height="20" alt="Shop"> 1 Bell Street, Ghent</p></div></div>`;
export const orderContent: ContentByChannel = {
  email: { subject: 'Your order #{{ order.id }} is on its way', preheader: 'Two days to go.', html: mail },
  sms: {
    body: 'Hi {{ name }}, your order {{ order.id }} is on its way. Follow it: https://example.com/o/{{ order.id }}',
  },
  push: {
    title: 'On its way 📦',
    body: 'Order {{ order.id }} should be with you in two days.',
    url: 'https://example.com/orders/{{ order.id }}',
  },
};
const version = (number: number, content: ContentByChannel, seconds: number): TemplateDetail['current'] => ({
  version: number,
  content,
  locales: { fr: { sms: { body: 'Bonjour {{ name }}, votre commande {{ order.id }} est en route.' } } },
  variables: [
    { name: 'name', type: 'string', required: true, example: 'Ada' },
    { name: 'order.id', type: 'string', required: true, example: '1042' },
  ],
  createdAt: ago(seconds),
});
const template = (
  key: string,
  name: string,
  content: ContentByChannel,
  versions: number,
): TemplateDetail => ({
  id: newId(),
  key,
  name,
  version: versions,
  channels: channels.filter((channel) => content[channel]),
  variables: version(versions, content, 0).variables,
  createdAt: ago(86400 * 50),
  updatedAt: ago(86400 / versions),
  current: version(versions, content, 86400 / versions),
  rendering: 'fast',
  warnings: [],
  versions: Array.from({ length: versions }, (_, index) => ({
    version: index + 1,
    createdAt: ago(86400 * (versions - index)),
  })),
});
export const templates: TemplateDetail[] = [
  template('order-shipped', 'Order shipped', orderContent, 4),
  template(
    'login-code',
    'Login code',
    {
      sms: { body: '{{ code }} is your code. It ends in 10 minutes.' },
      email: { subject: 'Your code', text: '{{ code }}' },
    },
    2,
  ),
  template(
    'weekly-digest',
    'Weekly digest',
    {
      email: { subject: 'This week', html: '<h1>{{ name }}</h1>' },
      'in-app': { title: 'This week', body: 'Three things you missed.' },
    },
    9,
  ),
  template(
    'welcome',
    'Welcome',
    {
      'in-app': { title: 'Welcome, {{ name }}', body: 'Good to have you here.' },
      push: { title: 'Welcome', body: 'Good to have you.' },
    },
    1,
  ),
];

const key = (name: string, given: Partial<ApiKey> = {}): ApiKey => ({
  id: newId(),
  name,
  prefix: `ck_${(name.length * 7919).toString(36)}9Q`,
  scopes: ['messages:write', 'deliveries:read', 'profiles:write'],
  createdAt: ago(86400 * 20),
  lastUsedAt: ago(40),
  expiresAt: null,
  revokedAt: null,
  ...given,
});
export const keys: ApiKey[] = [
  key('shop backend'),
  key('warehouse', {
    lastUsedAt: ago(86400 * 2),
    expiresAt: new Date(start + 86_400_000 * 60).toISOString(),
  }),
  key('reporting', { scopes: ['deliveries:read'], lastUsedAt: null }),
  key('old importer', { revokedAt: ago(86400 * 3), lastUsedAt: ago(86400 * 4) }),
];

export const failures: FailureGroup[] = [
  {
    cause: 'retries_exhausted|smtp|421|4.7.0 try again later, closing connection',
    reason: 'retries_exhausted',
    status: 'failed',
    provider: 'smtp',
    code: '421',
    words: '4.7.0 Try again later, closing connection',
    count: 1204,
    firstAt: ago(22800),
    lastAt: ago(240),
    channels: ['email'],
    sampleIds: [newId()],
    advice: 'It may pass: send them again once the provider is well.',
  },
  {
    cause: 'recipient_unknown|smtp|550|…',
    reason: 'recipient_unknown',
    status: 'failed',
    provider: 'smtp',
    code: '550',
    words: '5.1.1 <…>: Recipient address rejected: User unknown in virtual mailbox table',
    count: 82,
    firstAt: ago(84000),
    lastAt: ago(1860),
    channels: ['email'],
    sampleIds: [newId()],
    advice: 'Sending again will not help: correct or remove these addresses.',
  },
  {
    cause: 'no_answer|twilio||',
    reason: 'no_answer',
    status: 'unknown',
    provider: 'twilio',
    code: null,
    words: 'the connection broke before an answer came',
    count: 15,
    firstAt: ago(4200),
    lastAt: ago(3960),
    channels: ['sms'],
    sampleIds: [newId()],
    advice:
      'They may have arrived. Look at the provider, then decide for each, or send them again and accept duplicates.',
  },
];
const laneRun = (more: Partial<LaneRun>): LaneRun => ({
  id: newId(),
  title: 'Spring is here: 20 % off everything that flowers',
  source: 'campaign',
  sourceId: 'spring-sale',
  messageId: newId(),
  state: 'running',
  pausedReason: null,
  plannedAt: ago(1500),
  members: 240_000,
  pending: 171_400,
  pagesInFlight: 3,
  perMinute: 41_000,
  rate: null,
  share: 0.75,
  ...more,
});
const laneState = (
  channel: LaneState['channel'],
  lane: LaneState['lane'],
  more: Partial<LaneState>,
): LaneState => ({
  channel,
  lane,
  queued: 0,
  scheduled: 0,
  sending: 0,
  oldestWaitSeconds: null,
  perMinute: 0,
  emptyAt: null,
  share: null,
  runs: [],
  ...more,
});
export const lanes: LaneState[] = [
  laneState('email', 'bulk', {
    queued: 180_800,
    scheduled: 320,
    sending: 750,
    perMinute: 43_400,
    emptyAt: ago(-250),
    share: 1 / 3,
    runs: [
      laneRun({}),
      laneRun({
        title: 'We miss you, {{ profile.firstName }}',
        sourceId: 'win-back',
        members: 12_000,
        pending: 9_400,
        pagesInFlight: 1,
        perMinute: 2_400,
        rate: 40,
        share: 0.25,
        plannedAt: ago(65),
      }),
    ],
  }),
  laneState('push', 'bulk', {
    runs: [
      laneRun({
        title: null,
        sourceId: null,
        source: 'api',
        state: 'paused',
        pausedReason: 'The worker of one of its pages died 5 times. Look into the log, then resume.',
        members: 4_000,
        pending: 3_000,
        pagesInFlight: 0,
        perMinute: 0,
        share: null,
      }),
    ],
  }),
  laneState('email', 'transactional', {
    queued: 18,
    scheduled: 42,
    sending: 64,
    oldestWaitSeconds: 0.4,
    perMinute: 3_120,
    emptyAt: ago(-1),
  }),
  laneState('in-app', 'transactional', { scheduled: 3, perMinute: 210 }),
  laneState('sms', 'transactional', { queued: 1_186, oldestWaitSeconds: 252, scheduled: 7 }),
  laneState('email', 'journey', {
    queued: 212,
    sending: 100,
    oldestWaitSeconds: 6.2,
    perMinute: 1_900,
    emptyAt: ago(-7),
  }),
];
const retry = (channel: ChannelRetry['channel'], defaults: ChannelRetry['defaults']): ChannelRetry => ({
  channel,
  ...defaults,
  changed: [],
  defaults,
});
export const retries: ChannelRetry[] = [
  {
    ...retry('email', { attempts: 40, windowSeconds: 172_800, backoffSeconds: 5, maxBackoffSeconds: 14_400 }),
    attempts: 8,
    windowSeconds: 86_400,
    changed: ['attempts', 'windowSeconds'],
  },
  retry('sms', { attempts: 40, windowSeconds: 21_600, backoffSeconds: 5, maxBackoffSeconds: 1800 }),
  retry('push', { attempts: 40, windowSeconds: 21_600, backoffSeconds: 2, maxBackoffSeconds: 1800 }),
  retry('in-app', { attempts: 40, windowSeconds: 86_400, backoffSeconds: 0.5, maxBackoffSeconds: 7200 }),
];
export const redrive = (includeUnknown: boolean): Redrive => ({
  id: newId(),
  state: 'preview',
  fingerprint: includeUnknown ? 'with-unknown' : 'safe',
  filter: { reason: ['retries_exhausted'] },
  includeUnknown,
  preview: {
    total: includeUnknown ? 1204 : 1189,
    truncated: false,
    risky: includeUnknown ? 15 : 0,
    suppressedNow: 7,
    leftOut: { unknown: includeUnknown ? 0 : 15, delivered: 0, reached: 3, expired: 12 },
    byCause: [
      {
        cause: 'retries_exhausted|smtp|421|4.7.0 try again later, closing connection',
        reason: 'retries_exhausted',
        provider: 'smtp',
        words: '4.7.0 Try again later, closing connection',
        count: includeUnknown ? 1204 : 1189,
      },
    ],
    sampleIds: [newId()],
  },
  done: 0,
  redriven: 0,
  skipped: 0,
  requestedBy: 'Dana Bell',
  createdAt: ago(0),
  startedAt: ago(0),
  finishedAt: null,
});
const endpoint = (given: Partial<WebhookEndpoint>): WebhookEndpoint => ({
  id: newId(),
  url: 'https://shop.example.com/carillon',
  description: 'The shop: marks orders whose mail bounced',
  types: ['delivery.failed', 'delivery.delivered'],
  enabled: true,
  disabledReason: null,
  failingSince: null,
  secrets: [{ id: 'a1b2c3d4', endsAt: null }],
  pending: 0,
  createdAt: ago(86400 * 40),
  updatedAt: ago(86400 * 2),
  ...given,
});
export const webhookEndpoints: WebhookEndpoint[] = [
  endpoint({}),
  endpoint({
    url: 'https://warehouse.example.net/hooks/carillon?tenant=bell-street',
    description: '',
    types: [],
    failingSince: ago(7200),
    pending: 214,
  }),
  endpoint({
    url: 'https://old.example.org/in',
    description: 'Former CRM',
    enabled: false,
    disabledReason: 'It answered 410 Gone: it wants no more webhooks.',
  }),
];
const attempt = (given: Partial<WebhookAttempt>): WebhookAttempt => ({
  at: ago(60),
  status: 200,
  ms: 84,
  answer: null,
  error: null,
  ...given,
});
const told = (n: number, given: Partial<WebhookMessage>): WebhookMessage => ({
  eventId: `${newId()}:${n}`,
  type: 'delivery.delivered',
  happenedAt: ago(60 * n),
  status: 'sent',
  nextAttemptAt: null,
  attempts: [attempt({ at: ago(60 * n) })],
  ...given,
});
export const webhookMessages: WebhookMessage[] = [
  told(1, {
    type: 'delivery.failed',
    status: 'pending',
    nextAttemptAt: new Date(start + 280_000).toISOString(),
    attempts: [
      attempt({ status: 503, ms: 1204, error: 'It answered 503.', answer: 'upstream is being restarted' }),
      attempt({
        at: ago(20),
        status: null,
        ms: 15_000,
        error: 'No luck within 15000 ms: still waiting for an answer.',
      }),
    ],
  }),
  told(2, {}),
  told(3, { type: 'delivery.opened' }),
  told(9, {
    status: 'failed',
    attempts: [attempt({ status: 404, error: 'It answered 404.', answer: '<h1>Not found</h1>' })],
  }),
];

const imported = (given: Partial<Import>): Import => ({
  id: newId(),
  kind: 'profiles',
  name: 'people.csv',
  state: 'done',
  problem: null,
  mapping: null,
  bytes: { declared: 104_000_000, received: 104_000_000, read: 104_000_000 },
  parts: 104,
  rows: 1_000_000,
  created: 981_204,
  updated: 12_406,
  unchanged: 6_182,
  failed: 208,
  audience: null,
  joined: 0,
  rate: 21_400,
  etaSeconds: null,
  requestedBy: 'user:x',
  createdAt: ago(86_400),
  startedAt: ago(86_390),
  finishedAt: ago(86_340),
  ...given,
});
export const imports: Import[] = [
  imported({
    name: 'newsletter-subscribers-of-the-autumn-fair-2026.csv.gz',
    state: 'running',
    bytes: { declared: 40_000_000, received: 40_000_000, read: 16_000_000 },
    rows: 412_000,
    created: 411_950,
    updated: 0,
    unchanged: 0,
    failed: 50,
    audience: 'autumn-fair',
    joined: 411_950,
    etaSeconds: 28,
    createdAt: ago(22),
    finishedAt: null,
  }),
  imported({}),
  imported({
    name: 'do-not-mail.csv',
    kind: 'suppressions',
    rows: 1_204,
    created: 1_190,
    updated: 0,
    unchanged: 14,
    failed: 0,
  }),
  imported({
    name: 'crm-export.xlsx',
    state: 'failed',
    problem:
      'This is a zip archive (or a spreadsheet): unpack it, or save it as CSV. gzip is taken as it is.',
    rows: 0,
    created: 0,
    updated: 0,
    unchanged: 0,
    failed: 0,
    rate: null,
  }),
];
export const importPreview: ImportPreview = {
  format: 'csv',
  encoding: 'windows-1252',
  delimiter: ';',
  headings: ['Kundennr', 'E-Mail', 'First name', 'Notes'],
  mapping: {
    externalId: 'Kundennr',
    email: 'E-Mail',
    attributes: { firstName: 'First name', notes: 'Notes' },
  },
  problem: null,
  rows: [
    { line: 2, row: { externalId: 'k-1', email: 'zoe@example.com', attributes: { firstName: 'Zoë' } } },
    { line: 3, row: { externalId: 'k-2', email: 'rene@example.com', attributes: { firstName: 'René' } } },
  ],
  bad: [
    {
      line: 4,
      reason: 'email: An address has exactly one @ with something on both sides.',
      cells: ['k-3', 'nobody'],
    },
  ],
};

const topic = (key: string, name: Record<string, string>, more: Partial<Topic> = {}): Topic => ({
  key,
  name,
  description: {},
  parent: null,
  class: 'marketing',
  byDefault: null,
  doubleOptIn: null,
  position: 0,
  createdAt: ago(900_000),
  updatedAt: ago(90_000),
  ...more,
});
export const topics: Topic[] = [
  topic('news', { en: 'News', de: 'Neues' }, { description: { en: 'What is new, once a month.' } }),
  topic(
    'news.weekly',
    { en: 'The weekly letter' },
    { parent: 'news', doubleOptIn: { template: 'confirm-letter' } },
  ),
  topic('news.events', { en: 'Events near you' }, { parent: 'news', byDefault: 'out' }),
  topic('offers', { en: 'Offers and sales', fr: 'Offres et soldes' }, { position: 1 }),
  topic('orders', { en: 'Order updates' }, { class: 'transactional', position: 2 }),
];
export const consentPolicy: ConsentPolicy = {
  noConsentMeans: 'in',
  softBounce: { threshold: 5, spacingHours: 24 },
  transactionalIgnoresComplaints: false,
  sms: { stop: [], start: [], help: [], replies: { stop: null, start: null, help: null } },
};
const suppressed = (
  address: string,
  reason: Suppression['reason'],
  source: string,
  since: number,
  channel: Suppression['channel'] = 'email',
): Suppression => ({ channel, address, reason, source, createdAt: ago(since) });
export const suppressions: Suppression[] = [
  suppressed('gone@example.com', 'hard_bounced', 'receipt', 4_000),
  suppressed('angry@mail.example', 'complained', 'receipt', 40_000),
  suppressed(
    'full.mailbox.of.somebody.who.never.reads.any.mail@example.org',
    'soft_bounced',
    'receipt',
    90_000,
  ),
  suppressed('@competitor.example', 'suppressed_manually', 'user', 300_000),
  suppressed('+447911123456', 'unsubscribed', 'keyword', 500_000, 'sms'),
  suppressed('old-list@example.net', 'suppressed_manually', 'import', 800_000),
];

/** The signed-in user, as the log names them. */
export const userId = '01938000-0000-7000-8000-000000000001';
const noted = (
  action: string,
  since: number,
  detail: AuditEntry['detail'] = {},
  by = `user:${userId}`,
): AuditEntry => ({ id: newId(), at: ago(since), by, action, subject: newId(), detail });
export const auditLog: AuditEntry[] = [
  noted('profile.erased', 3_600, { deliveries: 14, messages: 12, addresses: 2 }),
  noted('audience.exported', 9_000, { key: 'active-pros', format: 'csv' }, `key:${keys[0]?.id}`),
  noted('suppression.released', 86_400, { matching: 214, domain: 'example.com' }, `user:${newId()}`),
  noted('gate.changed', 172_800),
];
