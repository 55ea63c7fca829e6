/**
 * What a rule looks at, as the words that writers leave in `stale_profiles`: a live audience is asked again about a person
 * only when something it mentions has changed.
 */
import type { AudienceDefinition, Clause, Test } from '@carillon/contracts';

export interface Mentions {
  /** `attribute:plan`, `field:email`, `activity`, `event:order.placed`, `message`, `consent`, `suppression`, `device`. */
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
    if (dated(test)) for (const field of ['timezone', 'phone']) words.add(`field:${field}`);
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
      words.add(`field:${clause.field}`);
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
      words.add('message');
      if (clause.within) mentions.moves = true;
    } else if ('consent' in clause) {
      words.add('consent');
      addressOf(clause.consent, words);
    } else if ('suppressed' in clause) {
      words.add('suppression');
      addressOf(clause.suppressed, words);
    } else if ('device' in clause) {
      words.add('device');
      if (clause.seenWithin) mentions.moves = true;
    } else if ('audience' in clause) mentions.audiences.add(clause.audience);
  };
  walk(definition.where);
  return mentions;
}

const addressOf = (channel: string, words: Set<string>): void => {
  if (channel === 'email') words.add('field:email');
  if (channel === 'sms') words.add('field:phone');
};
