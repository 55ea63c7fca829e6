/** What single messages need to know beside their people, where the workspace looks ahead or has capacities; nothing is read where it has not. */
import type { Channel, MessageClass } from '@carillon/contracts';
import type { Sql } from '@carillon/database';
import {
  DEFAULT_PRIORITY,
  heldForComfort,
  ownRules,
  type GateSettings,
  type LateFacts,
  type Rank,
} from '@carillon/delivery-rules';
import { capacitiesFor, roomsOf } from './capacity.js';
import { rivalsFor, lookAheadMs } from './rivals.js';

interface About extends Rank {
  profileId: string | null;
  channel: Channel;
  messageClass: MessageClass;
  topic: string | null;
  /** Times it was handed over: what has been, has its place. */
  tries: number;
}

export const rankOf = (priority: number | undefined, messageId: string): Rank => ({
  priority: priority ?? DEFAULT_PRIORITY,
  order: messageId,
});

export async function lateFactsFor(
  sql: Sql,
  workspaceId: string,
  settings: GateSettings,
  batch: readonly About[],
  now: Date,
): Promise<(about: About) => LateFacts> {
  const rules = ownRules(settings)?.rules;
  const held = rules ? batch.filter((about) => about.tries === 0 && heldForComfort(about, rules)) : [];
  const capacities = new Map(held.flatMap((h) => capacitiesFor(rules, h).map((c) => [c.key, c])));
  const [rivals, rooms] = await Promise.all([
    rivalsFor(sql, workspaceId, {
      profileIds: [...new Set(held.flatMap((h) => h.profileId ?? []))],
      lowest: Math.min(...held.map((h) => h.priority)),
      aheadMs: lookAheadMs(rules),
      now,
    }),
    roomsOf(sql, workspaceId, [...capacities.values()], { workspaceZone: settings.timezone }, now),
  ]);
  return (about) => {
    const rank: Rank = { priority: about.priority, order: about.order };
    if (about.tries > 0 || capacities.size + rivals.size === 0) return { rank };
    const own = new Set(capacitiesFor(rules, about).map((c) => c.key));
    return {
      rank,
      rivals: rivals.get(about.profileId ?? ''),
      rooms: own.size === 0 ? undefined : rooms(rank).filter((room) => own.has(room.key)),
    };
  };
}
