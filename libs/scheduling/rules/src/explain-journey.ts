/**
 * Why did nothing happen to somebody, or this: what is on record about a journey and a person, in the order in which it
 * decides, in sentences. Pure.
 */
import { testHolds } from '@carillon/audience-rules';
import {
  comparisons,
  type JourneyBecause,
  type JourneyDefinition,
  type JourneyState,
} from '@carillon/contracts';
import { entryRefusals, mayEnter, valueAt, type EntryRefusal } from './journey-step.js';

export interface JourneyRecord {
  journey: { state: JourneyState; whilePaused: 'hold' | 'discard' | null; liveAt: Date | null };
  /** What newcomers take; null before it was live. */
  definition: JourneyDefinition | null;
  /** What was asked about; null: there is no such event of theirs. Undefined: nothing was asked about, and they did none. */
  event: { id: string; name: string; properties: Record<string, unknown>; at: Date } | null | undefined;
  /** Null: all are taken. */
  waiting: { since: Date; held: boolean; problem: string | null } | null;
  /** Those of the event where there is one; the newest first. */
  refusals: readonly { reason: string; at: Date }[];
  /** Of this person, the newest first. */
  ways: readonly {
    state: 'inside' | 'held' | 'parked' | 'ended';
    key: string;
    step: string | null;
    dueAt: Date | null;
    outcome: string | null;
    reason: string | null;
    enteredAt: Date;
    endedAt: Date | null;
  }[];
  /** Of the newest way. */
  messages: readonly { step: string; channel: string; status: string; reason: string | null; at: Date }[];
  zone: string;
  now: Date;
}
export interface ExplainedJourney {
  verdict: string;
  because: JourneyBecause[];
  next: string;
  nextAt: Date | null;
}

export function explainJourney(record: JourneyRecord): ExplainedJourney {
  const { journey, definition, event, waiting, refusals, ways, messages, zone, now } = record;
  const because: JourneyBecause[] = [];
  const say = (about: JourneyBecause['about'], good: boolean, sentence: string, at: Date | null = null) =>
    because.push({ about, good, sentence, at: at?.toISOString() ?? null });
  const done = (verdict: string, next: string, nextAt: Date | null = null): ExplainedJourney => ({
    verdict,
    because,
    next,
    nextAt,
  });
  if (!definition) return done('The journey was never live: nobody enters a draft.', 'Let it go live.');

  if (journey.state === 'live') say('journey', true, 'The journey is live.', journey.liveAt);
  else if (journey.state === 'paused')
    say(
      'journey',
      false,
      `The journey is paused: nobody moves, and what happens is ${journey.whilePaused === 'discard' ? 'forgotten' : 'kept for later'}.`,
    );
  else say('journey', false, `The journey is ${journey.state}: nobody enters.`);

  const fits = eventSays();
  if (waiting)
    if (waiting.problem !== null)
      say('signal', false, `What happened was set aside: ${waiting.problem}`, waiting.since);
    else if (waiting.held)
      say('signal', false, 'What happened is kept until the journey goes on.', waiting.since);
    else say('signal', true, 'What happened is about to be taken.', waiting.since);
  for (const { reason, at } of refusals.slice(0, 3))
    say('guards', false, entryRefusals[reason as EntryRefusal] ?? `It was refused: ${reason}.`, at);

  const [newest] = ways;
  if (!newest) say('way', true, 'They have never been inside.');
  else waySays(newest);
  for (const { step, channel, status, reason, at } of messages) {
    const good = !['failed', 'suppressed', 'expired', 'cancelled'].includes(status);
    say(
      'message',
      good,
      `What step “${step}” says by ${channel} is ${status}${reason === null ? '' : `: ${reason.replaceAll('_', ' ')}`}.`,
      at,
    );
  }
  return judged();

  /** @returns whether it would let them in */
  function eventSays(): boolean {
    const { entry } = definition!;
    if (event === null) {
      say('event', false, 'There is no such event of theirs on record.');
      return false;
    }
    if (entry.kind !== 'event') {
      say(
        'event',
        true,
        entry.kind === 'audience'
          ? `People come in when they ${entry.change === 'both' ? 'enter or leave' : entry.change} “${entry.audience}”.`
          : entry.kind === 'schedule'
            ? `People of “${entry.audience}” come in by its schedule.`
            : entry.kind === 'business'
              ? `People of “${entry.audience}” come in when ${entry.event} is told.`
              : 'People come in only when somebody lets them in.',
      );
      return !event;
    }
    if (!event) {
      say('event', false, `Nothing called ${entry.event} is among what they did.`);
      return false;
    }
    if (event.name !== entry.event) {
      say('event', false, `It is entered by ${entry.event}, and this was ${event.name}.`, event.at);
      return false;
    }
    if (journey.liveAt && event.at < journey.liveAt) {
      say('event', false, `They did ${event.name} before the journey went live.`, event.at);
      return false;
    }
    say('event', true, `They did ${event.name}.`, event.at);
    let all = true;
    for (const { property, ...test } of entry.where ?? []) {
      const value = valueAt(event.properties, property);
      const holds = testHolds(value, test, { now, zone });
      const name = typeof property === 'string' ? property : property.join('.');
      const asked = comparisons
        .filter((c) => test[c] !== undefined)
        .map((c) => `${words(c)} ${shown(test[c])}`);
      say('event', holds, `${name} is ${shown(value)}, and must be ${asked.join(', ')}.`);
      all &&= holds;
    }
    return all;
  }

  function waySays(way: NonNullable<typeof newest>): void {
    const { reentry, perKey } = definition!;
    if (way.state !== 'ended') {
      const where = way.step === null ? 'before the first step' : `at step “${way.step}”`;
      if (way.state === 'parked')
        say(
          'way',
          false,
          `They are inside, and step “${way.step ?? ''}” failed: ${way.reason ?? 'see their way'}.`,
          way.enteredAt,
        );
      else if (way.state === 'held') say('way', false, `They are inside, held ${where}.`, way.enteredAt);
      else say('way', true, `They are inside, ${where}.`, way.enteredAt);
      return;
    }
    const left = `They left as ${way.outcome ?? 'done'}${way.reason === null ? '' : ` (${way.reason})`}`;
    const why = mayEnter(definition!, way, 0, now);
    if (why === null || why === 'outside_window' || why === 'guarded')
      say('way', true, `${left}, and may come again.`, way.endedAt);
    else if (why === 'too_soon' && reentry.kind === 'after')
      say('way', false, `${left}, and may come again ${reentry.wait} later.`, way.endedAt);
    else
      say(
        'way',
        false,
        `${left}, and nobody enters twice${perKey === undefined ? '' : ' with the same key'}.`,
        way.endedAt,
      );
  }

  function judged(): ExplainedJourney {
    const inside = ways.find(({ state }) => state !== 'ended');
    if (inside?.state === 'parked')
      return done(
        'They are inside, and stand still: their step failed again and again.',
        'Mend what the reason says, and try it again, or skip the step.',
      );
    if (inside?.state === 'held' || (inside && journey.state === 'paused'))
      return done('They are inside, and the journey is paused.', 'They go on when it is resumed.');
    if (inside)
      return done(
        inside.dueAt ? 'They are inside, and wait.' : 'They are inside.',
        inside.dueAt && inside.dueAt <= now
          ? 'They are moved in a moment.'
          : 'They go on when their time comes, or when what they listen for happens.',
        inside.dueAt,
      );
    if (waiting?.problem)
      return done(
        'What happened could not be taken.',
        'Mend what the reason says, and try it again, or skip it.',
      );
    if (waiting && !waiting.held)
      return done('It has not been looked at yet.', 'It is looked at in a moment.');
    if (refusals.length > 0)
      return done('They were not let in.', 'Change who may enter, or wait until they may.');
    if (newest && (!event || newest.enteredAt >= event.at))
      return done('They were inside, and have left.', 'Nothing more happens.');
    if (!fits)
      return done(
        'Nothing that happened lets them in.',
        'They enter when what it is entered by happens, as its conditions say.',
      );
    const { window } = definition!;
    if (window?.from !== undefined && now < new Date(window.from))
      return done('Its window has not begun.', 'They may enter from then on.', new Date(window.from));
    if (window?.until !== undefined && now >= new Date(window.until))
      return done('Its window is over.', 'Nobody enters any more.');
    if (journey.state !== 'live') return done('Nobody enters it now.', 'Let it go live.');
    if (definition!.entry.kind !== 'event') return done('Nothing has let them in yet.', 'They may enter.');
    return done(
      'Nothing is on record that hinders them, and they did not enter.',
      'Old refusals are forgotten after a month; what is told a day late starts nothing.',
    );
  }
}

/** `startsWith` as people say it. */
const words = (comparison: string): string =>
  comparison.replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
const shown = (value: unknown): string => {
  if (value === undefined) return 'not there';
  const text = JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
};
