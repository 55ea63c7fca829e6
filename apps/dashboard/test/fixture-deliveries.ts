/** The delivery log of the workspace that never was: some hundred deliveries, and a few that specs open by name. */
import type {
  Delivery,
  DeliveryDetail,
  DeliveryEvent,
  Reason,
  RenderedContent,
  Status,
} from '@carillon/contracts';
import { channels, reasons } from '@carillon/contracts';
import { accounts, ago, newId, orderContent, pick, profiles, start, templates } from './fixtures.js';

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
