/** How often and how long a channel tries again: the channel's defaults, and what a workspace changed of them. */
import { z } from 'zod';
import { Channel } from './words.js';

const fields = {
  attempts: z.int().min(1).max(50).describe('Attempts in all, the first included.'),
  windowSeconds: z
    .number()
    .min(60)
    .max(604_800)
    .describe('Nothing is tried again later than this after acceptance; at most 7 days.'),
  backoffSeconds: z
    .number()
    .min(0.1)
    .max(86_400)
    .describe('The first wait; doubled with each attempt, less a random part of up to a half.'),
  maxBackoffSeconds: z.number().min(0.1).max(86_400).describe('The longest wait, unless the provider asks.'),
};
export const RetryPolicyPatch = z
  .strictObject({
    attempts: fields.attempts.nullable().optional(),
    windowSeconds: fields.windowSeconds.nullable().optional(),
    backoffSeconds: fields.backoffSeconds.nullable().optional(),
    maxBackoffSeconds: fields.maxBackoffSeconds.nullable().optional(),
  })
  .meta({ id: 'RetryPolicyPatch', description: "Null goes back to the channel's default." });
export const ChannelRetry = z
  .object({
    channel: Channel,
    ...fields,
    changed: z.array(z.enum(Object.keys(fields) as [keyof typeof fields])).describe('What differs.'),
    defaults: z.object(fields),
  })
  .meta({ id: 'ChannelRetry' });
export type ChannelRetry = z.infer<typeof ChannelRetry>;
export type RetryPolicyPatch = z.infer<typeof RetryPolicyPatch>;
