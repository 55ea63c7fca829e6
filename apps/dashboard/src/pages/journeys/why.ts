/** Why nothing happened to somebody: what is known about a journey and a person, in the order in which it decides. Pure. */
import type { Enrollment, Journey, JourneyDefinition } from '@carillon/contracts';

export interface Known {
  journey: Pick<Journey, 'state' | 'whilePaused' | 'liveAt'>;
  /** What newcomers take; null before it was live. */
  definition: JourneyDefinition | null;
  /** Null: there is no such person. The newest first. */
  events: readonly { name: string; at: string }[] | null;
  /** Of this person, the newest first. */
  enrollments: readonly Pick<Enrollment, 'state' | 'step' | 'outcome' | 'enteredAt' | 'endedAt' | 'reason'>[];
  now: Date;
}
/** `good`: no hindrance. */
export interface Because {
  good: boolean;
  sentence: string;
  at?: string;
}
const minutes: Record<string, number> = { s: 1 / 60, m: 1, h: 60, d: 1440 };
const milliseconds = (duration: string): number =>
  Number(duration.slice(0, -1)) * (minutes[duration.slice(-1)] ?? 0) * 60_000;

export function why({ journey, definition, events, enrollments, now }: Known): Because[] {
  const told: Because[] = [];
  const say = (good: boolean, sentence: string, at?: string) =>
    told.push(at === undefined ? { good, sentence } : { good, sentence, at });
  if (events === null) return [{ good: false, sentence: 'There is nobody with this external id.' }];
  if (!definition) return [{ good: false, sentence: 'The journey was never live: nobody enters a draft.' }];
  if (journey.state === 'live') say(true, 'The journey is live.');
  else if (journey.state === 'paused')
    say(
      false,
      `The journey is paused: nobody moves, and what happens is ${journey.whilePaused === 'discard' ? 'forgotten' : 'kept for later'}.`,
    );
  else say(false, `The journey is ${journey.state}: nobody enters.`);

  const { entry, window, reentry, perKey } = definition;
  if (window?.from && now < new Date(window.from)) say(false, 'Its window has not begun', window.from);
  else if (window?.until && now >= new Date(window.until)) say(false, 'Its window is over', window.until);
  else if (window) say(true, 'Its window is open.');

  if (entry.kind === 'event') {
    const last = events.find(({ name }) => name === entry.event);
    if (!last) say(false, `Nothing called ${entry.event} is among their last events.`);
    else if (journey.liveAt && last.at < journey.liveAt)
      say(false, `Their last ${entry.event} came before the journey went live`, last.at);
    else {
      say(true, `They did ${entry.event}`, last.at);
      if (entry.where) say(true, 'It enters only where its properties fit: compare them in their history.');
    }
  }
  const [newest] = enrollments;
  if (!newest) say(true, 'They have never been inside.');
  else if (newest.state !== 'ended') {
    const where = newest.step === null ? 'before the first step' : `at ${newest.step}`;
    if (newest.state === 'parked')
      say(
        false,
        `They are inside, and the step ${newest.step ?? ''} failed: ${newest.reason ?? 'see their way'}.`,
      );
    else
      say(
        reentry.kind === 'always',
        `They are inside already, ${where}${perKey ? '; each key enters once' : ''}, since`,
        newest.enteredAt,
      );
  } else if (reentry.kind === 'never')
    say(
      false,
      `They have been inside, and nobody enters twice${perKey ? ' with the same key' : ''}. They left as ${newest.outcome ?? 'done'}`,
      newest.endedAt ?? newest.enteredAt,
    );
  else if (
    reentry.kind === 'after' &&
    reentry.wait !== undefined &&
    newest.endedAt !== null &&
    Date.parse(newest.endedAt) + milliseconds(reentry.wait) > now.getTime()
  )
    say(false, `They may come again ${reentry.wait} after leaving, and left`, newest.endedAt);
  else
    say(
      true,
      `They have been inside before, and may come again. They left as ${newest.outcome ?? 'done'}`,
      newest.endedAt ?? newest.enteredAt,
    );
  if (definition.cap)
    say(
      true,
      `At most ${definition.cap.most} enter${definition.cap.per ? ` within ${definition.cap.per}` : ''}: the counts tell how many were refused.`,
    );
  return told;
}
