/**
 * What would go wrong with a journey, in sentences: as far as the document itself tells. What it names elsewhere (templates,
 * audiences, other journeys) is looked at by the service. Pure.
 */
import { validTimeZone } from '@carillon/audience-rules';
import {
  waysOut,
  type JourneyClause,
  type JourneyDefinition,
  type JourneyFinding,
  type JourneyStep,
  type JourneyTrigger,
} from '@carillon/contracts';
import { durationMs } from './duration.js';
import { nextOccurrence, recurrenceFault } from './occurrences.js';

/** What has to be there for it to work. */
export interface JourneyNames {
  /** `at`: pointer to who names it. */
  templates: { key: string; version: number | null; channels: readonly string[]; at: string; step: string }[];
  audiences: { key: string; use: 'live' | 'list' | 'any'; at: string; step: string | null }[];
  journeys: { key: string; at: string; step: string }[];
  channels: { channel: string; at: string; step: string }[];
}

const pointer = (...parts: (string | number)[]): string => parts.map((part) => `/${part}`).join('');

/** Findings about the document alone. @param now without it, nothing is past */
export function lintJourney(definition: JourneyDefinition, now?: Date): JourneyFinding[] {
  const findings: JourneyFinding[] = [];
  const { steps, start } = definition;
  const say = (
    level: JourneyFinding['level'],
    code: string,
    at: string,
    message: string,
    step: string | null = null,
  ) => findings.push({ level, code, at, step, message });

  if (!steps[start])
    say(
      'error',
      'no_such_step',
      '/start',
      `The first step is ${quoted(start)}, which is not among its steps.`,
    );
  for (const [key, step] of Object.entries(steps))
    for (const { way, next } of waysOut(step))
      if (next !== null && !steps[next])
        say(
          'error',
          'no_such_step',
          pointer('steps', key),
          `Step ${quoted(key)} leads (${way}) to ${quoted(next)}, which is not among its steps: add it, or lead elsewhere.`,
          key,
        );

  const reached = reachable(definition);
  for (const key of Object.keys(steps))
    if (!reached.has(key))
      say(
        'warning',
        'unreachable',
        pointer('steps', key),
        `Nobody ever comes to step ${quoted(key)}: no step leads to it.`,
        key,
      );
  for (const ring of ringsWithoutWait(steps))
    say(
      'error',
      'ring_without_wait',
      pointer('steps', ring[0] ?? ''),
      `Steps ${ring.map(quoted).join(' → ')} → ${quoted(ring[0] ?? '')} go round without waiting: put a wait among them, or lead out.`,
      ring[0] ?? null,
    );

  const trigger = (on: JourneyTrigger, at: string, step: string | null): void => {
    if (!('message' in on)) return;
    if (on.step === undefined) return;
    const sender = steps[on.step];
    if (sender?.kind !== 'send')
      say(
        'error',
        'no_such_message',
        at,
        sender
          ? `Step ${quoted(on.step)} sends nothing: name one that sends.`
          : `It waits for a message of step ${quoted(on.step)}, which is not among its steps.`,
        step,
      );
  };
  const clause = (asked: JourneyClause, at: string, step: string | null): void => {
    if ('and' in asked) return asked.and.forEach((inner, n) => clause(inner, `${at}/and/${n}`, step));
    if ('or' in asked) return asked.or.forEach((inner, n) => clause(inner, `${at}/or/${n}`, step));
    if ('not' in asked) return clause(asked.not, `${at}/not`, step);
    if ('step' in asked && steps[asked.step]?.kind !== 'send')
      say(
        'error',
        'no_such_message',
        at,
        `It asks about step ${quoted(asked.step)}, which is not a step that sends.`,
        step,
      );
  };

  /** It emits what lets people in: for ever, where nothing holds them up on the way and nothing keeps them out. */
  const feedsItself = (key: string, event: string, at: string): void => {
    const { entry, reentry, guard, cap } = definition;
    if (entry.kind !== 'event' || entry.event !== event || reentry.kind === 'never') return;
    const kept = entry.where ?? guard ?? cap ?? (reentry.kind === 'after' ? reentry.wait : undefined);
    const endless = kept === undefined && reachable(definition, waits).has(key);
    say(
      endless ? 'error' : 'warning',
      'feeds_itself',
      `${at}/event`,
      `Step ${quoted(key)} emits ${quoted(event)}, which lets people into this journey: ${
        endless
          ? 'it would go round for ever. Let people in again only after a time ("reentry"), wait before it, or emit another event.'
          : 'they may come in again by it.'
      }`,
      key,
    );
  };
  for (const [key, step] of Object.entries(steps)) {
    const at = pointer('steps', key);
    switch (step.kind) {
      case 'send':
        if (step.content)
          step.channels.forEach((channel, n) => {
            if (!step.content?.[channel])
              say(
                'error',
                'no_content',
                `${at}/channels/${n}`,
                `Step ${quoted(key)} sends by ${channel}, so give its content.`,
                key,
              );
          });
        if (step.channels.length === 1 && (step.until ?? step.patience))
          say(
            'warning',
            'one_channel',
            `${at}/channels`,
            `Step ${quoted(key)} has one channel, so there is nothing to fall back to.`,
            key,
          );
        break;
      case 'condition':
        step.branches.forEach((branch, n) => clause(branch.if, `${at}/branches/${n}/if`, key));
        if (step.otherwise === undefined)
          say(
            'warning',
            'no_otherwise',
            at,
            `For whom no branch of ${quoted(key)} holds, the journey ends here.`,
            key,
          );
        break;
      case 'listen':
        step.for.forEach(({ on }, n) => trigger(on, `${at}/for/${n}/on`, key));
        break;
      case 'call':
        if (durationMs(step.timeout) > 30_000)
          say(
            'error',
            'too_long',
            `${at}/timeout`,
            `Step ${quoted(key)} may wait at most 30s for its answer.`,
            key,
          );
        break;
      case 'emit':
        feedsItself(key, step.event, at);
        break;
      case 'digest':
        if (definition.entry.kind !== 'event')
          say(
            'warning',
            'nothing_to_gather',
            at,
            `Step ${quoted(key)} gathers entry events, but this journey is not entered by an event.`,
            key,
          );
        break;
      default:
    }
    const long = step.kind === 'wait' ? step.for : step.kind === 'listen' ? step.within : undefined;
    if (long !== undefined && durationMs(long) > durationMs(definition.mostStay))
      say(
        'warning',
        'longer_than_stay',
        at,
        `Step ${quoted(key)} takes ${long}, but people leave after ${definition.mostStay} (mostStay).`,
        key,
      );
  }
  definition.exits.forEach((exit, n) =>
    'on' in exit ? trigger(exit.on, `/exits/${n}/on`, null) : clause(exit.if, `/exits/${n}/if`, null),
  );
  if (definition.goal) trigger(definition.goal.on, '/goal/on', null);

  if (definition.zone !== 'person' && !validTimeZone(definition.zone).ok)
    say(
      'error',
      'unknown_zone',
      '/zone',
      `${quoted(definition.zone)} is no zone of the IANA database: write one such as Europe/Paris, or person.`,
    );
  const { entry, window } = definition;
  if (entry.kind === 'schedule' && 'rule' in entry.at) {
    const { zone } = entry.at;
    if (!validTimeZone(zone).ok)
      say(
        'error',
        'unknown_zone',
        '/entry/at/zone',
        `${quoted(zone)} is no zone of the IANA database: write one such as Europe/Paris.`,
      );
    const fault = recurrenceFault(entry.at);
    if (fault) say('error', 'unknown_rule', '/entry/at/rule', `Its schedule: ${fault}`);
    else if (now && validTimeZone(zone).ok && nextOccurrence(entry.at, now) === null)
      say(
        'error',
        'past',
        '/entry/at',
        'Its schedule is over: nobody would enter by it. Let it go on, or give a later one.',
      );
  } else if (entry.kind === 'schedule' && 'at' in entry.at && now && new Date(entry.at.at) <= now)
    say(
      'error',
      'past',
      '/entry/at/at',
      `${entry.at.at} is past: nobody would enter by it. Give a later time.`,
    );
  if (now && window?.until !== undefined && new Date(window.until) <= now)
    say(
      'error',
      'past',
      '/window/until',
      `Its window ended at ${window.until}: nobody could enter. Give a later time, or none.`,
    );
  if (window?.from && window.until && Date.parse(window.from) >= Date.parse(window.until))
    say('error', 'empty_window', '/window', 'Its window ends before it begins, so nobody could enter.');
  if (definition.perKey && entry.kind !== 'event')
    say(
      'warning',
      'no_key',
      '/perKey',
      'Only entry events have properties: people who enter otherwise have the empty key.',
    );
  return findings;
}

/** Everything that it names and that has to be there. */
export function journeyNames(definition: JourneyDefinition): JourneyNames {
  const names: JourneyNames = { templates: [], audiences: [], journeys: [], channels: [] };
  const { entry } = definition;
  if (entry.kind === 'audience')
    names.audiences.push({ key: entry.audience, use: 'live', at: '/entry/audience', step: null });
  if (entry.kind === 'schedule' || entry.kind === 'business')
    names.audiences.push({ key: entry.audience, use: 'any', at: '/entry/audience', step: null });
  const trigger = (on: JourneyTrigger, at: string, step: string | null) => {
    if ('audience' in on) names.audiences.push({ key: on.audience, use: 'live', at: `${at}/audience`, step });
  };
  const clause = (asked: JourneyClause, at: string, step: string | null): void => {
    if ('and' in asked) asked.and.forEach((inner, n) => clause(inner, `${at}/and/${n}`, step));
    else if ('or' in asked) asked.or.forEach((inner, n) => clause(inner, `${at}/or/${n}`, step));
    else if ('not' in asked) clause(asked.not, `${at}/not`, step);
    else if ('audience' in asked)
      names.audiences.push({ key: asked.audience, use: 'any', at: `${at}/audience`, step });
  };
  for (const [key, step] of Object.entries(definition.steps)) {
    const at = pointer('steps', key);
    if (step.kind === 'send') {
      if (step.template !== undefined) {
        const ref = typeof step.template === 'string' ? { key: step.template } : step.template;
        names.templates.push({
          key: ref.key,
          version: 'version' in ref ? (ref.version ?? null) : null,
          channels: step.channels,
          at: `${at}/template`,
          step: key,
        });
      }
      step.channels.forEach((channel, n) =>
        names.channels.push({ channel, at: `${at}/channels/${n}`, step: key }),
      );
    }
    if (step.kind === 'condition')
      step.branches.forEach((branch, n) => clause(branch.if, `${at}/branches/${n}/if`, key));
    if (step.kind === 'listen') step.for.forEach(({ on }, n) => trigger(on, `${at}/for/${n}/on`, key));
    if (step.kind === 'list')
      names.audiences.push({ key: step.audience, use: 'list', at: `${at}/audience`, step: key });
    if (step.kind === 'start') names.journeys.push({ key: step.journey, at: `${at}/journey`, step: key });
  }
  definition.exits.forEach((exit, n) =>
    'on' in exit ? trigger(exit.on, `/exits/${n}/on`, null) : clause(exit.if, `/exits/${n}/if`, null),
  );
  if (definition.goal) trigger(definition.goal.on, '/goal/on', null);
  return names;
}

/** What its people and its entry wait for: `event:<name>`, `audience:<key>`, `message`. */
export function journeyListens(definition: JourneyDefinition): string[] {
  const heard = new Set<string>();
  const trigger = (on: JourneyTrigger): void => {
    if ('event' in on) heard.add(`event:${on.event}`);
    else if ('audience' in on) heard.add(`audience:${on.audience}`);
    else heard.add('message');
  };
  const { entry } = definition;
  if (entry.kind === 'event') heard.add(`event:${entry.event}`);
  if (entry.kind === 'audience') heard.add(`audience:${entry.audience}`);
  if (entry.kind === 'business') heard.add(`business:${entry.event}`);
  // What became of messages is remembered where a condition asks for it later.
  const clause = (asked: JourneyClause): void => {
    if ('and' in asked) asked.and.forEach(clause);
    else if ('or' in asked) asked.or.forEach(clause);
    else if ('not' in asked) clause(asked.not);
    else if ('step' in asked) heard.add('message');
  };
  for (const step of Object.values(definition.steps))
    if (step.kind === 'listen') step.for.forEach(({ on }) => trigger(on));
    else if (step.kind === 'condition') step.branches.forEach((branch) => clause(branch.if));
  for (const exit of definition.exits)
    if ('on' in exit) trigger(exit.on);
    else clause(exit.if);
  if (definition.goal) trigger(definition.goal.on);
  return [...heard].sort();
}

/** @param holds steps behind which nobody looks */
function reachable(
  { steps, start }: JourneyDefinition,
  holds: (step: JourneyStep) => boolean = () => false,
): Set<string> {
  const reached = new Set<string>();
  const open = [start];
  for (let key = open.pop(); key !== undefined; key = open.pop()) {
    const step = steps[key];
    if (!step || reached.has(key)) continue;
    reached.add(key);
    if (holds(step)) continue;
    for (const { next } of waysOut(step)) if (next !== null) open.push(next);
  }
  return reached;
}

/** Whether somebody who comes to it stays for a time, on every way out. */
const waits = (step: JourneyStep): boolean =>
  step.kind === 'listen' || step.kind === 'digest' || (step.kind === 'wait' && step.for !== undefined);

/** One ring per group of steps that lead into each other without a wait. A date may be past, so waiting for it is no wait. */
function ringsWithoutWait(steps: Readonly<Record<string, JourneyStep>>): string[][] {
  const rings: string[][] = [];
  const state = new Map<string, 'open' | 'done'>();
  for (const root of Object.keys(steps)) {
    if (state.has(root)) continue;
    // By hand, not by recursion: a chain may be as long as a journey.
    const path: { key: string; ways: string[] }[] = [];
    const enter = (key: string): void => {
      const step = steps[key];
      state.set(key, 'open');
      const ways =
        !step || waits(step) ? [] : waysOut(step).flatMap(({ next }) => (next === null ? [] : [next]));
      path.push({ key, ways });
    };
    enter(root);
    for (let top = path.at(-1); top; top = path.at(-1)) {
      const next = top.ways.pop();
      if (next === undefined) {
        state.set(top.key, 'done');
        path.pop();
      } else if (state.get(next) === 'open') {
        const keys = path.map(({ key }) => key);
        rings.push(keys.slice(keys.indexOf(next)));
      } else if (!state.has(next) && steps[next]) enter(next);
    }
  }
  return rings;
}

const quoted = (text: string): string => `“${text}”`;
