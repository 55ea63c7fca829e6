/**
 * Being in a journey: coming in, going where a move leads, and what a step says to whoever is there. Shared by all who run
 * journeys (the engine on rows, the simulator in memory), so that they cannot differ. Pure.
 */
import type { JourneyDefinition, StepOf } from '@carillon/contracts';
import { durationMs } from './duration.js';
import type { JourneyData, Move, Place } from './journey-step.js';

/** Somebody who is inside, or was. */
export interface Visit extends Place {
  state: 'inside' | 'held' | 'parked' | 'ended';
  /** How many steps they have left. */
  no: number;
  outcome: string | null;
  reason: string | null;
}

/** Before the first step. */
export const newVisit = (
  definition: JourneyDefinition,
  who: { journeyId: string; profileId: string; key: string; data: JourneyData },
  now: Date,
): Visit => ({
  ...who,
  state: 'inside',
  step: definition.start,
  phase: 'arrived',
  no: 0,
  tries: 0,
  since: now,
  dueAt: now,
  leaveBy: new Date(now.getTime() + durationMs(definition.mostStay)),
  removed: false,
  outcome: null,
  reason: null,
});

/** Goes where a move leads. */
export function follow(visit: Visit, move: Exclude<Move, { kind: 'do' }>, now: Date): void {
  if (move.data) visit.data = move.data;
  if (move.kind === 'stay') {
    visit.phase = 'waiting';
    visit.dueAt = move.dueAt < visit.leaveBy ? move.dueAt : visit.leaveBy;
    return;
  }
  const next = move.kind === 'go' ? move.next : null;
  visit.no += 1;
  visit.tries = 0;
  if (next === null) {
    visit.state = 'ended';
    visit.outcome = move.kind === 'end' ? move.outcome : 'done';
    visit.reason = (move.kind === 'end' ? move.reason : null) ?? visit.reason;
    visit.dueAt = null;
    return;
  }
  visit.step = next;
  visit.phase = 'arrived';
  visit.since = now;
  visit.dueAt = now;
}

/**
 * What a step says to its person, as a message is asked for. Templates get the entry event, answers of calls and what a
 * digest gathered.
 * @param of the journey's key, and what its enrollment is called
 */
export function journeyMessage(
  { data: { event, vars, digest }, step: key }: Pick<Place, 'data' | 'step'>,
  step: StepOf<'send'>,
  profile: string,
  priority: number,
  of: { journey: string; enrollment: string },
): JourneyMessage {
  const { channels, template, content, topic, replyTo } = step;
  const [first, ...others] = channels;
  return {
    to: { profile },
    priority,
    ...(others.length === 0
      ? { channels: [first!] }
      : {
          route: [
            { channel: first! },
            ...others.map((channel) => ({
              channel,
              after: step.patience ?? '5m',
              unless: step.until ?? ('delivered' as const),
            })),
          ],
        }),
    ...(template === undefined ? { content: pick(content, channels) } : { template }),
    data: {
      ...step.data,
      event,
      vars,
      ...(digest ? { digest: [event, ...digest] } : {}),
      journey: { key: of.journey, step: key, enrollment: of.enrollment },
    },
    class: step.class,
    ...(topic === undefined ? {} : { topic }),
    ...(replyTo === undefined ? {} : { replyTo }),
  };
}
type Channel = StepOf<'send'>['channels'][number];
export interface JourneyMessage {
  to: { profile: string };
  priority: number;
  channels?: Channel[];
  route?: { channel: Channel; after?: string; unless?: 'sent' | 'delivered' | 'read' }[];
  content?: NonNullable<StepOf<'send'>['content']>;
  template?: NonNullable<StepOf<'send'>['template']>;
  data: Record<string, unknown>;
  class: StepOf<'send'>['class'];
  topic?: string;
  replyTo?: string;
}
const pick = (
  content: StepOf<'send'>['content'],
  channels: readonly Channel[],
): NonNullable<StepOf<'send'>['content']> =>
  Object.fromEntries(
    channels.flatMap((channel) => (content?.[channel] ? [[channel, content[channel]]] : [])),
  );
