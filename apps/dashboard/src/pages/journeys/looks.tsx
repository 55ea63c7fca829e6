/** How journeys look to a person: a word, an icon and a colour for each state and kind of step, and a line for each step. */
import type {
  JourneyClause,
  JourneyEntry,
  JourneyState,
  JourneyStep,
  JourneyStepKind,
  JourneyTrigger,
} from '@carillon/contracts';
import {
  IconArrowsSplit2,
  IconBan,
  IconBolt,
  IconBroadcast,
  IconClock,
  IconDoorExit,
  IconEar,
  IconFilter,
  IconGitBranch,
  IconListCheck,
  IconLock,
  IconPencil,
  IconPlayerPause,
  IconRoute,
  IconSend,
  IconStack2,
  IconUserEdit,
  IconWebhook,
  type Icon,
} from '@tabler/icons-react';
import { Pill } from '../../parts/Badges.js';
import { absolute } from '../../time.js';
import { channelLooks, sentenceCase } from '../../words.js';
import { comparisonIn, comparisons } from '../audiences/rule.js';
import { triggerWords } from './document.js';

export const stateLooks: Record<JourneyState, { icon: Icon; label: string; color: string }> = {
  draft: { icon: IconPencil, label: 'Draft', color: 'var(--status-ended)' },
  live: { icon: IconBroadcast, label: 'Live', color: 'var(--status-delivered)' },
  paused: { icon: IconPlayerPause, label: 'Paused', color: 'var(--status-suppressed)' },
  closed: { icon: IconLock, label: 'Closed', color: 'var(--status-pending)' },
  stopped: { icon: IconBan, label: 'Stopped', color: 'var(--status-ended)' },
};
export const JourneyMark = ({ state, large }: { state: JourneyState; large?: boolean }) => (
  <Pill {...stateLooks[state]} large={large} />
);

export const kindLooks: Record<JourneyStepKind, { label: string; icon: Icon; color: string; means: string }> =
  {
    send: {
      label: 'Send',
      icon: IconSend,
      color: 'var(--channel-email)',
      means: 'A message, by one channel or by several in order',
    },
    wait: {
      label: 'Wait',
      icon: IconClock,
      color: 'var(--status-pending)',
      means: 'For a time, until a date, a time of the day, a weekday, or the end of quiet hours',
    },
    listen: {
      label: 'Wait for something',
      icon: IconEar,
      color: 'var(--status-unknown)',
      means: 'An event, an audience, what became of a message; or a time without it',
    },
    condition: {
      label: 'Condition',
      icon: IconGitBranch,
      color: 'var(--status-sent)',
      means: 'Branches by what is so of the person; the first that holds is taken',
    },
    split: {
      label: 'Split',
      icon: IconArrowsSplit2,
      color: 'var(--status-sent)',
      means: 'Shares of people by chance, each person always the same',
    },
    update: {
      label: 'Update the profile',
      icon: IconUserEdit,
      color: 'var(--status-delivered)',
      means: 'Sets attributes of the person',
    },
    list: {
      label: 'Join or leave a list',
      icon: IconListCheck,
      color: 'var(--status-delivered)',
      means: 'Puts the person on a list, or takes them off',
    },
    emit: {
      label: 'Emit an event',
      icon: IconBolt,
      color: 'var(--status-delivered)',
      means: 'An event of the person, as if it came from outside',
    },
    call: {
      label: 'Call a webhook',
      icon: IconWebhook,
      color: 'var(--status-unknown)',
      means: 'Asks another system; its answer can be used later',
    },
    start: {
      label: 'Start another journey',
      icon: IconRoute,
      color: 'var(--status-unknown)',
      means: 'The person enters it beside this one',
    },
    throttle: {
      label: 'Let only so many pass',
      icon: IconFilter,
      color: 'var(--status-suppressed)',
      means: 'Within a time, per person or per key; others take another way',
    },
    digest: {
      label: 'Gather',
      icon: IconStack2,
      color: 'var(--status-suppressed)',
      means: 'Collects further events for a time, then goes on once with all of them',
    },
    end: {
      label: 'End',
      icon: IconDoorExit,
      color: 'var(--status-ended)',
      means: 'Ends here, with an outcome of its own',
    },
  };
export const kindList = Object.keys(kindLooks) as JourneyStepKind[];

const list = (words: readonly string[], and: string): string =>
  words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} ${and} ${words.at(-1)}`;
const path = (of: string | readonly string[]): string => (typeof of === 'string' ? of : of.join('.'));

const test = (of: object): string => {
  const comparison = comparisonIn(of);
  if (!comparison) return '…';
  const value = (of as Record<string, unknown>)[comparison];
  if (comparison === 'exists') return value === false ? 'has no value' : 'has a value';
  const said = Array.isArray(value)
    ? list(value.map(String), comparison === 'between' ? 'and' : 'or')
    : String(value);
  return `${comparisons[comparison].label} ${said === '' ? '…' : said}`;
};
const where = (tests: readonly object[] | undefined): string =>
  tests?.length
    ? ` where ${list(
        tests.map((one) => `${path((one as { property: string }).property)} ${test(one)}`),
        'and',
      )}`
    : '';
/** A condition in a few words. */
export function clauseWords(clause: JourneyClause): string {
  if ('and' in clause)
    return clause.and.length === 0 ? 'everybody' : list(clause.and.map(clauseWords), 'and');
  if ('or' in clause) return list(clause.or.map(clauseWords), 'or');
  if ('not' in clause) return `not (${clauseWords(clause.not)})`;
  if ('data' in clause) return `${path(clause.data)} ${test(clause)}`;
  if ('clock' in clause) {
    const { days, from, until } = clause.clock;
    return [
      days && `on ${list(days.map(sentenceCase), 'or')}`,
      from && `from ${from}`,
      until && `until ${until}`,
    ]
      .filter(Boolean)
      .join(' ');
  }
  if ('step' in clause)
    return `the message of ${clause.step || '…'} was ${clause.message}${clause.channel ? ` (${channelLooks[clause.channel].label})` : ''}`;
  if ('attribute' in clause) return `${path(clause.attribute) || '…'} ${test(clause)}`;
  if ('field' in clause) return `${clause.field} ${test(clause)}`;
  if ('activity' in clause) return `${clause.activity} ${test(clause)}`;
  if ('event' in clause)
    return `${clause.atMost === 0 ? 'did not do' : 'did'} ${clause.event || '…'}${where(clause.where)}${clause.within ? ` within ${clause.within}` : ''}`;
  if ('message' in clause)
    return `a message was ${clause.message}${clause.within ? ` within ${clause.within}` : ''}`;
  if ('consent' in clause)
    return `${clause.topic ?? channelLooks[clause.consent].label}: ${{ in: 'opted in', out: 'opted out', unknown: 'said nothing' }[clause.is]}`;
  if ('suppressed' in clause) return `${channelLooks[clause.suppressed].label} is suppressed`;
  if ('device' in clause)
    return clause.device === 'any' ? 'has a device' : `has a device with ${clause.device}`;
  if ('audience' in clause) return `is in ${clause.audience || '…'}`;
  if ('share' in clause) return `is in the share ${clause.share.from}–${clause.share.to} %`;
  return '…';
}
export const triggerSentence = (on: JourneyTrigger): string =>
  'event' in on
    ? `${on.event || '…'}${where(on.where)}`
    : 'audience' in on
      ? `${on.change === 'leave' ? 'leaves' : on.change === 'both' ? 'enters or leaves' : 'enters'} ${on.audience || '…'}`
      : `the message${on.step ? ` of ${on.step}` : ''} is ${on.message}${on.channel ? ` (${channelLooks[on.channel].label})` : ''}`;

export function entryWords(entry: JourneyEntry): string {
  switch (entry.kind) {
    case 'event':
      return `When ${entry.event || '…'} happens${where(entry.where)}`;
    case 'audience':
      return `Whoever ${triggerSentence({ audience: entry.audience, change: entry.change })}`;
    case 'schedule': {
      const who = entry.who === 'new' ? 'Whoever is new in' : 'Everybody in';
      const at = 'at' in entry.at ? absolute(entry.at.at) : entry.at.rule.toLowerCase().replaceAll(';', ', ');
      return `${who} ${entry.audience || '…'}, ${at}`;
    }
    case 'business':
      return `Everybody in ${entry.audience || '…'}, when ${entry.event || '…'} is told${where(entry.where)}`;
    case 'api':
      return 'Whom you let in, by the API';
  }
}

/** What a step does, in one line. */
export function stepWords(step: JourneyStep): string {
  switch (step.kind) {
    case 'send': {
      const what =
        step.template !== undefined
          ? typeof step.template === 'string'
            ? step.template
            : step.template.key
          : contentWords(step.content);
      const by = step.channels.map((channel) => channelLooks[channel].label).join(', then ');
      return `${by || 'No channel'}: ${what || 'nothing yet'}`;
    }
    case 'wait': {
      if (step.for !== undefined) return `For ${step.for}`;
      const { date, data, shift, time, days, quietHours } = step.until ?? {};
      if (quietHours !== undefined)
        return `Until quiet hours are over${quietHours === 'any' ? '' : `, for ${channelLooks[quietHours].label}`}`;
      const of = date ?? data;
      return [
        'Until',
        of !== undefined && `${path(of)}${shift ? ` ${shift}` : ''}`,
        time,
        days && `on ${list(days.map(sentenceCase), 'or')}`,
      ]
        .filter(Boolean)
        .join(' ');
    }
    case 'condition':
      return step.branches.map((branch) => branch.name ?? clauseWords(branch.if)).join(' · ');
    case 'split':
      return step.shares.map(({ name, percent }) => `${name} ${percent} %`).join(' · ');
    case 'listen':
      return `${step.for.map(({ on }) => triggerSentence(on)).join(' · ')}; within ${step.within}`;
    case 'update':
      return Object.keys(step.attributes).join(', ') || 'Nothing yet';
    case 'emit':
      return step.event || 'Nothing yet';
    case 'call':
      return `${step.method} ${step.url.replace(/^https?:\/\//, '')}`;
    case 'list':
      return `${step.change === 'join' ? 'Joins' : 'Leaves'} ${step.audience || '…'}`;
    case 'start':
      return step.journey || 'Nothing yet';
    case 'throttle':
      return `${step.most} per ${step.per}${step.key ? `, by ${path(step.key)}` : ''}`;
    case 'digest':
      return `For ${step.within}, at most ${step.most}`;
    case 'end':
      return `Outcome ${step.outcome}`;
  }
}
const contentWords = (content: object | undefined): string => {
  for (const one of Object.values(content ?? {}) as Record<string, string | undefined>[]) {
    const said = one.subject ?? one.title ?? one.body;
    if (said) return said;
  }
  return '';
};
export const peopleWords = (n: number): string => (n === 1 ? '1 person' : `${n.toLocaleString('en')} people`);
/** What stands at an edge. A plain next needs no word. */
export const wayLabel = (way: string): string =>
  way === 'next' ? '' : ['otherwise', 'error', 'timeout'].includes(way) ? sentenceCase(way) : way;
export { triggerWords };
