/** The lanes of a workspace: what waits where, and how fast it goes. */
import { z } from 'zod';
import { Id, Time } from './page.js';
import { Channel, Lane, Source } from './words.js';

export const LaneRun = z
  .object({
    id: z.uuid(),
    title: z
      .string()
      .nullable()
      .describe(
        'What it says, in short: its subject, its title, the beginning of its text, or its template.',
      ),
    source: Source,
    sourceId: z.string().nullable().describe('The campaign it belongs to.'),
    messageId: Id.describe('Filters the delivery log: `GET /v1/deliveries?messageId=`.'),
    state: z.enum(['running', 'paused']),
    pausedReason: z.string().nullable(),
    plannedAt: Time,
    members: z.int(),
    pending: z.int().describe('Members that are still to come.'),
    pagesInFlight: z.int(),
    perMinute: z.int().describe('Its members worked in the last minute, by whole pages.'),
    rate: z.number().nullable().describe('Messages a second at most, where the run has a limit of its own.'),
    share: z
      .number()
      .nullable()
      .describe("Its part of the workspace's turns, by weight. Null while it is paused."),
  })
  .meta({ id: 'LaneRun', description: 'A message on its way to many people.' });
export type LaneRun = z.infer<typeof LaneRun>;

export const LaneState = z
  .object({
    channel: Channel,
    lane: Lane,
    queued: z.int().describe('Ready to be sent, people of running runs included.'),
    scheduled: z.int().describe('Waiting for a time: send-later, retries, paused accounts.'),
    sending: z.int().describe('In the hands of a dispatcher.'),
    oldestWaitSeconds: z
      .number()
      .nullable()
      .describe('How long ago the oldest queued delivery was first to leave.'),
    perMinute: z.int().describe('Sent in the last minute.'),
    emptyAt: Time.nullable().describe(
      'When it is empty if it goes on like that; null when nothing moves or waits.',
    ),
    share: z
      .number()
      .nullable()
      .describe(
        'Your part of the lane while others have runs in it too: workspaces take turns, a page each. Null where you have no running run.',
      ),
    runs: z.array(LaneRun).describe('Runs that are not over: bulk lanes only.'),
  })
  .meta({ id: 'LaneState' });
export type LaneState = z.infer<typeof LaneState>;

export const QueueRebuilt = z
  .object({ deliveries: z.int(), pages: z.int() })
  .meta({ id: 'QueueRebuilt', description: 'What the clock offers again within a moment.' });
export type QueueRebuilt = z.infer<typeof QueueRebuilt>;
