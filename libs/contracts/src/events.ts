/** What people did: events, as they are told to us. What became of messages is read from the log instead. */
import { z } from 'zod';
import { cursors, Id, PageQuery, Time } from './page.js';
import { ExternalId, IdentityKey } from './profiles.js';
import { timelineKinds } from './lists.js';
import { Channel, DeliveryEventType, MessageClass, Reason, Status } from './words.js';

/** How long the `key` of an event is remembered: the same key within it changes nothing. */
export const EVENT_KEY_DAYS = 7;
/** Of one event's properties, as JSON. */
export const MOST_EVENT_BYTES = 65_536;
/** Names that are ours: outcomes of messages, and who entered or left an audience. */
export const RESERVED_EVENT_NAMES = /^(message|audience)\./i;

export const EventName = z
  .string()
  .trim()
  .regex(
    /^[\p{L}\p{N}][\p{L}\p{N} _.:/-]{0,99}$/u,
    'must begin with a letter or digit, hold letters, digits, spaces and _ . : / - only, and have at most 100 characters',
  )
  .refine(
    (name) => !RESERVED_EVENT_NAMES.test(name),
    'must not begin with message. or audience.: such events are recorded by Carillon itself',
  );

export const TrackEvent = z
  .strictObject({
    profile: z
      .union([ExternalId, IdentityKey])
      .describe('Who did it: an external id, or another identity of theirs {"namespace", "value"}.'),
    name: EventName.describe('What they did, e.g. order.placed.'),
    at: Time.optional().describe(
      'When it happened; the time of receipt unless said. Up to 5 minutes ahead is taken for a wrong clock and corrected; further ahead is refused, and so is what is older than events are kept.',
    ),
    key: z
      .string()
      .trim()
      .min(1)
      .max(200)
      .optional()
      .describe(
        `Your own id of this event, so that it may be sent again: within ${EVENT_KEY_DAYS} days the same key changes nothing.`,
      ),
    properties: z.record(z.string().min(1).max(100), z.unknown()).optional().describe('JSON, up to 64 KiB.'),
    unknownProfile: z
      .enum(['create', 'refuse'])
      .optional()
      .describe('What to do when there is no such profile: create it (so unless said), or refuse the event.'),
  })
  .meta({ id: 'TrackEvent' });
export const TrackedEvent = z
  .object({
    id: Id,
    outcome: z
      .enum(['accepted', 'duplicate'])
      .describe('duplicate: the key had been used; id is the first one’s.'),
    profileId: Id,
    at: Time.describe('When it is taken to have happened.'),
  })
  .meta({ id: 'TrackedEvent' });
export const TrackBatch = z
  .strictObject({ events: z.array(z.unknown()).min(1).max(1000) })
  .meta({ id: 'TrackBatch', description: 'Up to 1,000 TrackEvent, each judged by itself.' });
export const TrackBatchResult = z
  .object({
    accepted: z.number(),
    duplicates: z.number(),
    failed: z.number(),
    results: z.array(
      z.object({
        index: z.number(),
        outcome: z.enum(['accepted', 'duplicate', 'failed']),
        id: Id.optional(),
        errors: z.array(z.object({ pointer: z.string(), code: z.string(), message: z.string() })).optional(),
      }),
    ),
  })
  .meta({ id: 'TrackBatchResult' });

export const TimelineQuery = PageQuery.extend({
  ...cursors.sealed,
  kind: z
    .preprocess(
      (v) => (typeof v === 'string' ? v.split(',').filter(Boolean) : v),
      z.array(z.enum(timelineKinds)).min(1),
    )
    .optional()
    .describe('One or several, separated by commas; all unless said.'),
});
const entry = { id: z.string(), at: Time };
export const TimelineEntry = z
  .discriminatedUnion('kind', [
    z.object({
      ...entry,
      kind: z.literal('event'),
      name: z.string(),
      properties: z.record(z.string(), z.unknown()),
    }),
    z.object({
      ...entry,
      kind: z.literal('message'),
      messageId: Id,
      channel: Channel,
      class: MessageClass,
      topic: z.string().nullable(),
      template: z.string().nullable(),
      status: Status,
      reason: Reason.nullable(),
      outcomes: z
        .array(z.object({ type: DeliveryEventType, at: Time }))
        .describe('What became of it, oldest first.'),
    }),
    z.object({
      ...entry,
      kind: z.literal('membership'),
      audience: z.object({ id: Id, key: z.string(), name: z.string() }),
      change: z.enum(['enter', 'leave']),
      cause: z.string(),
    }),
    z.object({
      ...entry,
      kind: z.literal('consent'),
      channel: z.string(),
      topic: z.string(),
      word: z.enum(['in', 'out', 'pending']),
      about: z.enum(['profile', 'address']),
      source: z.string(),
    }),
    z.object({
      ...entry,
      kind: z.literal('profile'),
      change: z.enum(['created', 'merged']),
      mergedExternalId: z.string().nullable(),
    }),
  ])
  .meta({ id: 'TimelineEntry' });
export type TimelineEntry = z.infer<typeof TimelineEntry>;
export type TimelineQuery = z.infer<typeof TimelineQuery>;
export type TrackEvent = z.infer<typeof TrackEvent>;
export type TrackedEvent = z.infer<typeof TrackedEvent>;
export type TrackBatchResult = z.infer<typeof TrackBatchResult>;
