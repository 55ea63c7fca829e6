/** Reading the delivery log. */
import { z } from 'zod';
import { Id, PageQuery, Time } from './page.js';
import { Channel, DeliveryEventType, Lane, MessageClass, Reason, Source, Status } from './words.js';

const list = <T extends z.ZodType>(item: T) =>
  z
    .preprocess((v) => (typeof v === 'string' ? v.split(',').filter(Boolean) : v), z.array(item).min(1))
    .optional();

export const DeliveryFilter = z.object({
  profile: z.string().max(200).optional().describe('External id of the profile.'),
  address: z.string().max(4096).optional(),
  channel: list(Channel).describe('One or several, separated by commas.'),
  status: list(Status),
  reason: list(Reason),
  class: MessageClass.optional(),
  template: z.string().max(100).optional(),
  source: list(Source),
  messageId: Id.optional(),
  from: Time.optional().describe('Accepted at or after.'),
  to: Time.optional().describe('Accepted before.'),
});
export const DeliveryList = DeliveryFilter.extend(PageQuery.shape);
export type DeliveryFilter = z.infer<typeof DeliveryFilter>;
export type DeliveryList = z.infer<typeof DeliveryList>;

export const Delivery = z
  .object({
    id: Id,
    messageId: Id,
    channel: Channel,
    class: MessageClass,
    lane: Lane,
    source: Source,
    status: Status,
    reason: Reason.nullable(),
    profile: z.object({ id: Id, externalId: z.string() }).nullable(),
    address: z.string().nullable(),
    template: z.object({ key: z.string(), version: z.number() }).nullable(),
    provider: z.string().nullable(),
    providerAccountId: Id.nullable(),
    providerMessageId: z.string().nullable(),
    attempts: z.number(),
    possibleDuplicate: z.boolean(),
    dueAt: Time.nullable().describe('When the next thing happens by itself.'),
    createdAt: Time,
    sentAt: Time.nullable(),
    deliveredAt: Time.nullable(),
    expiresAt: Time.nullable(),
  })
  .meta({ id: 'Delivery' });
export type Delivery = z.infer<typeof Delivery>;

export const DeliveryEvent = z
  .object({
    at: Time,
    type: DeliveryEventType,
    attempt: z.number().nullable(),
    reason: Reason.nullable(),
    provider: z.string().nullable(),
    detail: z.record(z.string(), z.json()).describe("What the provider said, in the provider's words."),
  })
  .meta({ id: 'DeliveryEvent' });
export type DeliveryEvent = z.infer<typeof DeliveryEvent>;

export const DeliveryDetail = Delivery.extend({
  sentence: z.string().describe('Where it stands, in one sentence.'),
  timeline: z.array(DeliveryEvent),
}).meta({ id: 'DeliveryDetail' });
export type DeliveryDetail = z.infer<typeof DeliveryDetail>;

/** Rendered again from template version and data; the body is never stored per delivery. */
export const RenderedContent = z
  .object({
    channel: Channel,
    email: z
      .object({
        from: z.string().nullable(),
        to: z.string().nullable(),
        subject: z.string(),
        html: z.string().nullable(),
        text: z.string(),
      })
      .optional(),
    sms: z.object({ body: z.string(), encoding: z.string(), segments: z.number() }).optional(),
    push: z
      .object({
        title: z.string(),
        body: z.string(),
        url: z.string().nullable(),
        imageUrl: z.string().nullable(),
      })
      .optional(),
    'in-app': z
      .object({
        title: z.string(),
        body: z.string(),
        url: z.string().nullable(),
        imageUrl: z.string().nullable(),
      })
      .optional(),
  })
  .meta({ id: 'RenderedContent' });
export type RenderedContent = z.infer<typeof RenderedContent>;

export const Explanation = z
  .object({
    id: Id,
    verdict: z.string().describe('Did it arrive?'),
    because: z.array(z.string()).describe('Why, in sentences, the most telling first.'),
    next: z.string().describe('What happens next, if anything.'),
    youCan: z.array(z.string()).describe('What a person can do about it.'),
  })
  .meta({ id: 'Explanation' });
export type Explanation = z.infer<typeof Explanation>;

export const CountsQuery = z.object({
  from: Time.optional(),
  to: Time.optional(),
  interval: z.enum(['hour', 'day']).default('hour'),
});
export const Counts = z
  .object({
    from: Time,
    to: Time,
    totals: z.array(z.object({ channel: Channel, status: Status, count: z.number() })),
    series: z.array(z.object({ at: Time, channel: Channel, status: Status, count: z.number() })),
  })
  .meta({ id: 'Counts' });
export type Counts = z.infer<typeof Counts>;
