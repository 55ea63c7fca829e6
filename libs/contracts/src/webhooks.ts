/** Webhooks out: endpoints of the workspace's own systems, what they are told, and the body they are sent. */
import { z } from 'zod';
import { Id, PageQuery, Time } from './page.js';
import { Channel, MessageClass, Reason, Source, Status, webhookStatuses, allWebhookTypes } from './words.js';

export const WebhookType = z.enum(allWebhookTypes).meta({ id: 'WebhookType', description: 'What happened.' });
export type WebhookType = z.infer<typeof WebhookType>;

const types = z
  .array(WebhookType)
  .max(100)
  .describe(
    'Events to be told of; none (an empty list) means all `delivery.…`, also those added later. `audience.…` come only when they are named.',
  );
const url = z.string().min(1).max(2000).describe('An https address on the public internet.');

export const WebhookEndpointCreate = z
  .strictObject({ url, description: z.string().max(500).default(''), types: types.default([]) })
  .meta({ id: 'WebhookEndpointCreate' });
export type WebhookEndpointCreate = z.infer<typeof WebhookEndpointCreate>;
export const WebhookEndpointPatch = z
  .strictObject({
    url: url.optional(),
    description: z.string().max(500).optional(),
    types: types.optional(),
    enabled: z
      .boolean()
      .optional()
      .describe('A disabled endpoint is told nothing, and nothing new is kept for it: replay the gap.'),
  })
  .meta({ id: 'WebhookEndpointPatch' });
export type WebhookEndpointPatch = z.infer<typeof WebhookEndpointPatch>;
export const WebhookSecretRotate = z
  .strictObject({
    overlapSeconds: z
      .int()
      .min(0)
      .max(604_800)
      .default(86_400)
      .describe('How long the old secret signs as well.'),
  })
  .meta({ id: 'WebhookSecretRotate' });

export const WebhookEndpoint = z
  .object({
    id: Id,
    url: z.string(),
    description: z.string(),
    types: z.array(WebhookType).describe('Empty: all.'),
    enabled: z.boolean(),
    disabledReason: z.string().nullable(),
    failingSince: Time.nullable().describe('The first failure since the last success.'),
    secrets: z
      .array(z.object({ id: z.string(), endsAt: Time.nullable() }))
      .describe('Which secrets sign, newest first; the secrets themselves are shown once.'),
    pending: z.number().describe('Events it has still to be told, counted up to 10,000.'),
    createdAt: Time,
    updatedAt: Time,
  })
  .meta({ id: 'WebhookEndpoint' });
export type WebhookEndpoint = z.infer<typeof WebhookEndpoint>;
export const WebhookEndpointCreated = WebhookEndpoint.extend({
  secret: z.string().describe('`whsec_…`, shown once: verify signatures with it.'),
}).meta({ id: 'WebhookEndpointCreated' });
export type WebhookEndpointCreated = z.infer<typeof WebhookEndpointCreated>;

export const WebhookReplay = z
  .strictObject({
    from: Time.optional().describe('Events that happened at this time or later, at most 30 days ago.'),
    to: Time.optional().describe('… and before this one. Left out: until now.'),
    types: z.array(WebhookType).min(1).max(100).optional(),
    onlyFailed: z.boolean().default(false).describe('Leave out what the endpoint has taken.'),
    eventIds: z.array(z.string().max(100)).min(1).max(1000).optional().describe('Instead of a time range.'),
  })
  .check((ctx) => {
    const { from, to, types, eventIds } = ctx.value;
    const issue = (path: string[], message: string) =>
      ctx.issues.push({ code: 'custom', input: ctx.value, path, message });
    if (eventIds && (from ?? to ?? types))
      issue(['eventIds'], 'give either eventIds or a time range (from, to, types), not both');
    if (!eventIds && !from) issue(['from'], 'say from when on, or which events: eventIds');
    if (from && to && Date.parse(to) <= Date.parse(from)) issue(['to'], 'must be later than from');
  })
  .meta({ id: 'WebhookReplay' });
export type WebhookReplay = z.infer<typeof WebhookReplay>;
export const WebhookReplayed = z
  .object({ replayed: z.number().describe('How many events will be told again.') })
  .meta({ id: 'WebhookReplayed' });

export const WebhookAttempt = z
  .object({
    at: Time,
    status: z.number().nullable().describe('HTTP status; null when there was no answer.'),
    ms: z.number(),
    answer: z.string().nullable().describe('How the answer begins.'),
    error: z.string().nullable().describe('What went wrong, in a sentence.'),
  })
  .meta({ id: 'WebhookAttempt' });
export type WebhookAttempt = z.infer<typeof WebhookAttempt>;
export const WebhookMessage = z
  .object({
    eventId: z.string().describe('The webhook-id header: the same on every attempt.'),
    type: z.string(),
    happenedAt: Time,
    status: z.enum(webhookStatuses),
    nextAttemptAt: Time.nullable(),
    attempts: z.array(WebhookAttempt).describe('Newest last; the last 16 are kept.'),
  })
  .meta({ id: 'WebhookMessage' });
export type WebhookMessage = z.infer<typeof WebhookMessage>;
export const WebhookMessageList = PageQuery.extend({ status: z.enum(webhookStatuses).optional() });

const DeliveryWebhookData = z.object({
  deliveryId: Id,
  messageId: Id,
  profile: z.object({ id: Id, externalId: z.string() }).nullable(),
  channel: Channel,
  class: MessageClass,
  source: Source,
  sourceId: z.string().nullable(),
  topic: z.string().nullable(),
  status: Status.nullable().describe('Where the event left the delivery; null when it moves no status.'),
  reason: Reason.nullable(),
  attempt: z.number().nullable(),
  provider: z.string().nullable(),
  metadata: z.record(z.string(), z.string()),
});
export type DeliveryWebhookData = z.infer<typeof DeliveryWebhookData>;
const AudienceWebhookData = z.object({
  audience: z.object({ id: Id, key: z.string(), name: z.string() }),
  seq: z.number().describe('Of the change: later ones are larger, within one audience.'),
  cause: z.string(),
  profile: z.object({ id: Id, externalId: z.string() }),
});

/** What is posted. Grows by fields; a change of meaning raises `version`. No content, no address of a person. */
export const WebhookBody = z
  .object({
    id: z.string().describe('The webhook-id header.'),
    type: z.string().describe('A WebhookType, or `webhook.test`.'),
    version: z.literal(1),
    timestamp: Time.describe('When it happened.'),
    data: z.union([DeliveryWebhookData, AudienceWebhookData]).nullable().describe('Null in a test.'),
  })
  .meta({ id: 'WebhookBody' });
export type WebhookBody = z.infer<typeof WebhookBody>;
