/** The lanes of a workspace: what waits where, and how fast it goes. */
import { z } from 'zod';
import { Time } from './page.js';
import { Channel, Lane } from './words.js';

export const LaneState = z
  .object({
    channel: Channel,
    lane: Lane,
    queued: z.int().describe('Ready to be sent, people of running runs included.'),
    scheduled: z.int().describe('Waiting for a time: send-later, retries, paused accounts.'),
    sending: z.int().describe('In the hands of a dispatcher.'),
    oldestWaitSeconds: z.number().nullable().describe('How long the oldest queued delivery has waited.'),
    perMinute: z.int().describe('Sent in the last minute.'),
    emptyAt: Time.nullable().describe(
      'When it is empty if it goes on like that; null when nothing moves or waits.',
    ),
    runs: z
      .array(
        z.object({
          id: z.uuid(),
          state: z.string(),
          members: z.int(),
          pending: z.int(),
          pagesInFlight: z.int(),
        }),
      )
      .describe('Runs that are not over: bulk lanes only.'),
  })
  .meta({ id: 'LaneState' });
export type LaneState = z.infer<typeof LaneState>;

export const QueueRebuilt = z
  .object({ deliveries: z.int(), pages: z.int() })
  .meta({ id: 'QueueRebuilt', description: 'What the clock offers again within a moment.' });
export type QueueRebuilt = z.infer<typeof QueueRebuilt>;
