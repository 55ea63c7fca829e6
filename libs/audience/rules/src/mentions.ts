/**
 * What a rule looks at, as the words that writers leave in `stale_profiles`: a live audience is asked again about a person
 * only when something it mentions has changed.
 */
import type { AudienceDefinition, Clause, Test } from '@carillon/contracts';

export interface Mentions {
  /** Those of audience/service/stale.ts: `attribute:plan`, `profile`, `event:order.placed`, `message:opened` … */
  words: Set<string>;
  /** Keys of other audiences. */
  audiences: Set<string>;
  /** Its truth changes with time alone. */
  moves: boolean;
}

const relativeTests = ['withinLast', 'withinNext', 'anniversary'] as const;

/** Whether a comparison's truth changes while nothing but time does. */
const movesWithTime = (test: Test): boolean =>
  relativeTests.some((key) => test[key] !== undefined) ||
  [test.before, test.since, test.on].some((word) => word !== undefined && !/^\d{4}-/.test(word));
const dated = (test: Test): boolean =>
  ['before', 'since', 'on', ...relativeTests].some(
    (key) => key in test && test[key as keyof Test] !== undefined,
  );

/** What a definition mentions. */
export function mentionsOf(definition: AudienceDefinition): Mentions {
  const mentions: Mentions = { words: new Set(), audiences: new Set(), moves: false };
  const { words } = mentions;
  const look = (test: Test): void => {
    if (movesWithTime(test)) mentions.moves = true;
    // The person's zone decides what day it is.
    if (dated(test)) words.add('profile');
  };
  const walk = (clause: Clause): void => {
    if ('and' in clause) return clause.and.forEach(walk);
    if ('or' in clause) return clause.or.forEach(walk);
    if ('not' in clause) return walk(clause.not);
    if ('attribute' in clause) {
      words.add(
        `attribute:${typeof clause.attribute === 'string' ? clause.attribute : (clause.attribute[0] ?? '')}`,
      );
      look(clause);
    } else if ('field' in clause) {
      words.add('profile');
      // A change of attributes alone moves it, and nobody says so.
      if (clause.field === 'updatedAt') mentions.moves = true;
      look(clause);
    } else if ('activity' in clause) {
      words.add('activity');
      look(clause);
    } else if ('event' in clause) {
      words.add(`event:${clause.event}`);
      if (clause.then) words.add(`event:${clause.then.event}`);
      if (clause.within) mentions.moves = true;
      for (const test of [...(clause.where ?? []), ...(clause.then?.where ?? [])]) look(test);
    } else if ('message' in clause) {
      for (const type of TOLD[clause.message] ?? [clause.message]) words.add(`message:${type}`);
      if (clause.within) mentions.moves = true;
    } else if ('consent' in clause) {
      // The present address too.
      words.add('consent').add('profile');
    } else if ('suppressed' in clause) {
      words.add('suppression').add('profile');
    } else if ('device' in clause) {
      words.add('device');
      if (clause.seenWithin) mentions.moves = true;
    } else if ('audience' in clause) mentions.audiences.add(clause.audience);
  };
  walk(definition.where);
  return mentions;
}

/** The lines of a timeline that an outcome is read from, where it is not one of its own name. */
const TOLD: Readonly<Record<string, readonly string[]>> = {
  notOpened: ['sent', 'opened'],
  notClicked: ['sent', 'clicked'],
  bounced: ['failed'],
};
