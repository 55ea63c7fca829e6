/** Which messages a rule of the gate is for. Pure. */
import type { Channel } from '@carillon/contracts';

/** A rule that names no channel, or no topic, is for all of them. */
export const inScope = (
  rule: { channels: readonly Channel[]; topics: readonly string[] },
  { channel, topic }: { channel: Channel; topic: string | null },
): boolean =>
  (rule.channels.length === 0 || rule.channels.includes(channel)) &&
  (rule.topics.length === 0 || (topic !== null && rule.topics.includes(topic)));
