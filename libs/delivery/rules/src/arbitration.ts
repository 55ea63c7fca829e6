/**
 * Arbitration: when a person's cap has no room for all that is coming, the message of the higher priority gets the place,
 * also where the other one came first. What is coming is known as far as the workspace looks ahead. Pure.
 */
import type { Channel, FrequencyCap, MessageClass } from '@carillon/contracts';
import { counts, windowStart, type Counted } from './caps.js';

/** Of what says no score of its own. */
export const DEFAULT_PRIORITY = 50;

/** What a message is ordered by. */
export interface Rank {
  /** 0 to 100. */
  priority: number;
  /** The message's id, made in the order of time; of a campaign that has not begun `NOT_BEGUN`. */
  order: string;
}
/** After everything that is there already. */
export const NOT_BEGUN = 'g';

/**
 * The total order: the higher score; of equal ones what was accepted, or begun, earlier; and what came in the same
 * millisecond by its id, of which no two are the same.
 */
export const outranks = (a: Rank, b: Rank): boolean =>
  a.priority === b.priority ? a.order < b.order : a.priority > b.priority;

/** Another message to the same person that is to come. */
export interface Rival extends Rank {
  at: number;
  channel: Channel;
  messageClass: MessageClass;
  topic: string | null;
  /** As people know it. */
  name: string;
  /** What it is a part of, such as the mailings of one campaign on one channel: those of the message at hand are no rivals. */
  messageIds: readonly string[];
}
export interface Outranked {
  cap: FrequencyCap;
  by: Rival;
}
interface About extends Rank {
  channel: Channel;
  messageClass: MessageClass;
  topic: string | null;
  /** The delivery's. */
  id: string | null;
}

/**
 * Who would find no room because of this message, and is of higher rank; null when it takes nobody's place. Who finds no
 * room without it either loses nothing by it.
 */
export function outrankedBy(
  caps: readonly FrequencyCap[],
  about: About,
  sent: readonly Counted[],
  coming: readonly Rival[],
  now: number,
  zone: string,
): Outranked | null {
  const rivals = coming
    .filter((c) => !c.messageIds.includes(about.order) && outranks(c, about))
    .map((c) => ({ ...c, at: Math.max(c.at, now) }))
    .sort((a, b) => a.at - b.at || (outranks(a, b) ? -1 : 1));
  if (rivals.length === 0) return null;
  for (const cap of caps) {
    if (!counts(cap, about)) continue;
    const taken = sent.filter((s) => s.id !== about.id && counts(cap, s)).map((s) => s.at);
    for (const rival of rivals) {
      if (!counts(cap, rival)) continue;
      const start = windowStart(cap, rival.at, zone);
      const used = taken.filter((at) => at >= start).length;
      if (used >= cap.limit) continue;
      if (now >= start && used + 1 >= cap.limit) return { cap, by: rival };
      taken.push(rival.at);
    }
  }
  return null;
}
