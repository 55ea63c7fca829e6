/** The life of a journey: what may follow what. Pure. */
import type { JourneyDefinition, JourneyState } from '@carillon/contracts';
import { durationMs } from './duration.js';

/** What a person may ask for. */
export type JourneyAsked = 'live' | 'pause' | 'resume' | 'close' | 'stop' | 'delete';

const may: Record<JourneyAsked, readonly JourneyState[]> = {
  // What is closed or stopped may be opened again: who left stays out, newcomers come.
  live: ['draft', 'live', 'closed', 'stopped'],
  pause: ['live'],
  resume: ['paused'],
  close: ['live', 'paused'],
  stop: ['live', 'paused', 'closed'],
  delete: ['draft', 'closed', 'stopped'],
};
const done: Record<JourneyAsked, string> = {
  live: 'go live',
  pause: 'be paused',
  resume: 'be resumed',
  close: 'be closed',
  stop: 'be stopped',
  delete: 'be deleted',
};

/** Null when it may; else why not, in a sentence. */
export function journeyRefusal(asked: JourneyAsked, state: JourneyState): string | null {
  if (may[asked].includes(state)) return null;
  if (asked === 'live' && state === 'paused')
    return 'It is paused: resume it first, then let the change go live.';
  const list = may[asked].join(', ').replace(/, ([^,]*)$/, ' or $1');
  return `A journey that is ${state} cannot ${done[asked]}: that is for one that is ${list}.`;
}

/** Whether it asks who was in it longer ago than so many days: the row of a way that ended is kept then, without what was in it. */
export const remembers = (
  { entry, reentry, guard }: Pick<JourneyDefinition, 'entry' | 'reentry' | 'guard'>,
  days: number,
): boolean => {
  const longer = (span: string | undefined) => span !== undefined && durationMs(span) > days * 86_400_000;
  return (
    reentry.kind === 'never' ||
    (reentry.kind === 'after' && longer(reentry.wait)) ||
    longer(guard) ||
    (entry.kind === 'schedule' && entry.who === 'new')
  );
};
