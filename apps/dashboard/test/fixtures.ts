/**
 * A workspace that never was, for browser specs and for looking at pages without the real stack. Deterministic but for
 * the clock. Everything is checked against the contracts when it is served.
 */
import type {
  ApiKey,
  ContentByChannel,
  Delivery,
  DeliveryDetail,
  DeliveryEvent,
  Profile,
  ProviderAccount,
  ProviderInfo,
  Reason,
  RenderedContent,
  Status,
  TemplateDetail,
} from '@carillon/contracts';
import { channels, reasons } from '@carillon/contracts';
import { z } from 'zod';

let seed = 7;
const random = () => (seed = (seed * 16807) % 2147483647) / 2147483647;
const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)] as T;
let ids = 0;
export const newId = (): string =>
  `01938${(++ids).toString(16).padStart(3, '0')}-7a1c-7000-8000-${(0xabc000000000 + ids * 7919).toString(16)}`;
const start = Date.now();
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
    timezone,
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
    settings: {
      host: 'mx2.example.com',
      port: 465,
      security: 'tls',
      from: 'Shop <hello@example.com>',
      maxConnections: 5,
      verifyCertificate: true,
    },
    health: {
      state: 'idle',
      sentence: 'Nothing was sent through it in the last hour.',
      sentLastHour: 0,
      failedLastHour: 0,
      lastSuccessAt: ago(86400 * 3),
      lastFailureAt: null,
      lastFailure: null,
    },
  }),
  account({
    channel: 'sms',
    provider: 'twilio',
    name: 'Twilio Europe',
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
const orderContent: ContentByChannel = {
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

const statusPlan: [Status, Reason | null, number][] = [
  ['delivered', null, 34],
  ['sent', null, 18],
  ['failed', 'recipient_unknown', 3],
  ['failed', 'retries_exhausted', 1],
  ['failed', 'bounced', 2],
  ['suppressed', 'unsubscribed', 3],
  ['suppressed', 'no_address', 1],
  ['scheduled', 'send_later', 2],
  ['scheduled', 'retry', 2],
  ['queued', null, 2],
  ['sending', null, 1],
  ['cancelled', 'cancelled_by_request', 1],
  ['expired', 'expired_before_sending', 1],
  ['unknown', 'no_answer', 1],
];
const bag = statusPlan.flatMap(([status, reason, weight]) =>
  Array.from({ length: weight }, () => [status, reason] as const),
);

export const makeDelivery = (index: number, seconds: number, given: Partial<Delivery> = {}): Delivery => {
  const channel = given.channel ?? pick(channels);
  const [status, reason] = pick(bag);
  const profile = pick(profiles.slice(0, 7));
  const marketing = index % 4 === 0;
  const left = status === 'sent' || status === 'delivered';
  const through = accounts.find((each) => each.channel === channel);
  const address = {
    email: profile.email,
    sms: profile.phone,
    push: `fcm-${profile.externalId}-0-x7Q2x7Q2x7Q2`,
    'in-app': null,
  }[channel];
  return {
    id: newId(),
    messageId: newId(),
    channel,
    class: marketing ? 'marketing' : 'transactional',
    lane: marketing ? 'bulk' : 'transactional',
    source: marketing ? 'campaign' : index % 7 === 0 ? 'journey' : 'api',
    status,
    reason,
    profile: index % 9 === 0 ? null : { id: profile.id, externalId: profile.externalId },
    address,
    template: index % 5 === 0 ? null : { key: pick(templates).key, version: 1 + (index % 3) },
    provider: status === 'suppressed' ? null : (through?.provider ?? null),
    providerAccountId: status === 'suppressed' ? null : (through?.id ?? null),
    providerMessageId: left ? `SM${(index * 7919).toString(16).padStart(12, '0')}` : null,
    attempts:
      status === 'suppressed' || status === 'queued'
        ? 0
        : reason === 'retry'
          ? 2
          : reason === 'retries_exhausted'
            ? 6
            : 1,
    possibleDuplicate: false,
    dueAt: status === 'scheduled' ? new Date(start + 3_600_000 * (1 + (index % 5))).toISOString() : null,
    createdAt: ago(seconds),
    sentAt: left ? ago(seconds - 1.2) : null,
    deliveredAt: status === 'delivered' ? ago(seconds - 4) : null,
    expiresAt: index % 6 === 0 ? new Date(start + 86_400_000).toISOString() : null,
    ...given,
  };
};

/** The delivery that browser specs open by hand: every kind of timeline line. */
export const showcase: Delivery = makeDelivery(1, 400, {
  channel: 'email',
  status: 'delivered',
  reason: null,
  source: 'api',
  profile: { id: profiles[0]?.id ?? newId(), externalId: 'ada' },
  address: 'ada@example.com',
  template: { key: 'order-shipped', version: 4 },
  provider: 'smtp',
  providerAccountId: accounts[0]?.id ?? null,
  providerMessageId: '<01938001@smtp.example.com>',
  attempts: 2,
  possibleDuplicate: true,
  dueAt: null,
  sentAt: ago(362),
  deliveredAt: ago(355),
});
export const waiting: Delivery = makeDelivery(2, 90, {
  channel: 'sms',
  status: 'scheduled',
  reason: 'send_later',
  address: '+442071838750',
  profile: { id: profiles[0]?.id ?? newId(), externalId: 'ada' },
  provider: null,
  providerAccountId: null,
  providerMessageId: null,
  attempts: 0,
  sentAt: null,
  deliveredAt: null,
  dueAt: new Date(start + 7_200_000).toISOString(),
});
export const hostile: Delivery = makeDelivery(3, 120, {
  channel: 'email',
  status: 'sent',
  reason: null,
  address: '"><img src=x onerror=alert(1)>@example.com',
  template: null,
  profile: { id: newId(), externalId: '<script>alert(2)</script>' },
});
export const oneOf = (channel: Delivery['channel']): Delivery => {
  const found = deliveries.find(
    (each) =>
      each.channel === channel && (each.status === 'delivered' || each.status === 'sent') && each !== hostile,
  );
  if (!found) throw new Error(`no ${channel} fixture`);
  return found;
};

export const deliveries: Delivery[] = [
  ...Array.from({ length: 240 }, (_, index) => makeDelivery(index + 10, 15 + index * index * 9)),
  showcase,
  waiting,
  hostile,
].sort((a, b) => Date.parse(b.createdAt) - Date.parse(a.createdAt));

const event = (
  type: DeliveryEvent['type'],
  seconds: number,
  given: Partial<DeliveryEvent> = {},
): DeliveryEvent => ({
  at: ago(seconds),
  type,
  attempt: null,
  reason: null,
  provider: null,
  detail: {},
  ...given,
});
export const detailOf = (delivery: Delivery): DeliveryDetail => {
  if (delivery === showcase)
    return {
      ...delivery,
      sentence: 'Delivered to ada@example.com at the second attempt, 45 seconds after it was accepted.',
      timeline: [
        event('accepted', 400),
        event('claimed', 399.96, { attempt: 1 }),
        event('handed_over', 399.94, { attempt: 1, provider: 'smtp' }),
        event('deferred', 399.2, {
          attempt: 1,
          reason: 'retry',
          provider: 'smtp',
          detail: {
            code: 451,
            enhancedCode: '4.7.1',
            response: 'Greylisted, please try again later',
            remote: { host: 'mx1.example.com', tls: true },
          },
        }),
        event('claimed', 364, { attempt: 2 }),
        event('handed_over', 363.9, { attempt: 2, provider: 'smtp' }),
        event('sent', 362, {
          attempt: 2,
          provider: 'smtp',
          detail: {
            code: 250,
            response: '2.0.0 Ok: queued as 4F1B22A0C1',
            messageId: '<01938001@smtp.example.com>',
          },
        }),
        event('delivered', 355, {
          provider: 'smtp',
          detail: { receipt: 'success', finalRecipient: 'ada@example.com' },
        }),
        event('opened', 61),
      ],
    };
  const age = (Date.now() - Date.parse(delivery.createdAt)) / 1000;
  return {
    ...delivery,
    sentence: delivery.reason ? reasons[delivery.reason].sentence : `It is ${delivery.status}.`,
    timeline: [
      event('accepted', age),
      ...(delivery.attempts
        ? [event('handed_over', age - 0.2, { attempt: 1, provider: delivery.provider })]
        : []),
      ...(delivery.status === 'scheduled' ||
      delivery.status === 'suppressed' ||
      delivery.status === 'failed' ||
      delivery.status === 'cancelled' ||
      delivery.status === 'expired' ||
      delivery.status === 'unknown'
        ? [event(delivery.status, age - 0.5, { reason: delivery.reason })]
        : delivery.sentAt
          ? [
              event('sent', age - 1.2, {
                attempt: 1,
                provider: delivery.provider,
                detail: { sid: delivery.providerMessageId ?? '', status: 'queued', numSegments: 1 },
              }),
            ]
          : []),
    ],
  };
};

/** Names filled into double braces: enough of Liquid for a picture. Returns the first unknown name, if any. */
export const fill = (text: string, data: Record<string, unknown>): { text: string; missing?: string } => {
  let missing: string | undefined;
  const filled = text.replace(/\{\{\s*([\w.]+)\s*\}\}/g, (_, path: string) => {
    const value = path
      .split('.')
      .reduce<unknown>((at, name) => (at as Record<string, unknown> | undefined)?.[name], data);
    if (value === undefined) missing ??= path;
    return String(value ?? '');
  });
  return { text: filled, missing };
};
export const payloads = `<h1>Attack</h1><script>alert('script');parent.document.body.append('owned')</script>
<img src="x" onerror="alert('onerror')"><svg onload="alert('svg')"></svg><iframe srcdoc="<script>alert('inner')</script>"></iframe>
<a href="javascript:alert('href')" id="bait">click</a><form action="javascript:alert('form')"><button>go</button></form>
<meta http-equiv="refresh" content="0;url=https://evil.example/"><base href="https://evil.example/">
<object data="javascript:alert('object')"></object><style>@import 'https://evil.example/x.css';</style>
<script>top.stolen = document.cookie; parent.postMessage(document.cookie, '*')</script>`;
export const contentOf = (delivery: Delivery): RenderedContent => {
  if (delivery === hostile)
    return {
      channel: 'email',
      email: {
        from: '<script>alert(3)</script>',
        to: delivery.address,
        subject: '<img src=x onerror=alert(4)>',
        html: payloads,
        text: payloads,
      },
    };
  const data = { name: 'Ada', order: { id: '1042' } };
  const { email, sms, push } = orderContent;
  switch (delivery.channel) {
    case 'email':
      return {
        channel: 'email',
        email: {
          from: 'Shop <hello@example.com>',
          to: delivery.address,
          subject: fill(email?.subject ?? '', data).text,
          html: fill(email?.html ?? '', data).text,
          text: 'On its way, Ada!\n\nYour order #1042 left our warehouse and should be with you in two days.\n\nFollow the parcel: https://example.com/orders/1042\n\n1 Bell Street, Ghent',
        },
      };
    case 'sms':
      return {
        channel: 'sms',
        sms: { body: fill(sms?.body ?? '', data).text, encoding: 'GSM-7', segments: 1 },
      };
    default:
      return {
        channel: delivery.channel,
        [delivery.channel]: {
          title: push?.title ?? '',
          body: fill(push?.body ?? '', data).text,
          url: 'https://example.com/orders/1042',
          imageUrl: null,
        },
      };
  }
};

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
