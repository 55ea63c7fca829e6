/** The gate's rules in words. */
import type {
  Arbitration,
  Capacity,
  CapacityUse,
  FrequencyCap,
  Holdout,
  QuietHours,
  QuietPeriod,
} from '@carillon/contracts';
import { channelLooks } from '../../words.js';

const weekdays = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'];
export const dayOptions = weekdays.map((label, n) => ({ value: String(n + 1), label }));

export function periodWords({ days, dates, from, to }: QuietPeriod): string {
  const when = dates
    ? dates.from === dates.to
      ? `on ${dates.from}`
      : `from ${dates.from} to ${dates.to}`
    : days
      ? days.map((d) => weekdays[d - 1]).join(', ')
      : 'every day';
  const whole = from === '00:00' && to === '24:00';
  return whole ? `${when}, all day` : `${when}, ${from} to ${to}${to <= from ? ' the next day' : ''}`;
}

export const scopeWords = ({ channels, topics }: Pick<Holdout, 'channels' | 'topics'>): string =>
  [
    channels.length > 0 ? channels.map((c) => channelLooks[c].label).join(', ') : 'all channels',
    ...(topics.length > 0 ? [`topics ${topics.join(', ')}`] : []),
  ].join(' · ');

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);
export const quietWords = (rule: QuietHours): string =>
  `${capital(rule.periods.map(periodWords).join('; '))}. ${rule.zone === 'person' ? 'Where the person is' : `In ${rule.zone}`}; what falls into it ${
    rule.then === 'queue' ? `waits, at most ${rule.keepForHours} hours` : 'is not sent'
  }.`;

export function capWords({ limit, per, every, window, class: of }: FrequencyCap): string {
  const span = every === 1 ? per : `${every} ${per}s`;
  const what = of === 'all' ? 'messages of any class' : `${of} messages`;
  return limit === 0
    ? `No ${what} at all.`
    : `At most ${limit} ${limit === 1 ? what.replace('messages', 'message') : what} per ${span}, ${
        window === 'rolling' ? 'counted back from now' : `by the calendar where the person is`
      }.`;
}

export const capacityWords = ({ limit, per, every }: Capacity): string =>
  `At most ${limit.toLocaleString('en')} ${limit === 1 ? 'message' : 'messages'} of the whole workspace in ${every > 1 ? `${every} ${per}s` : per === 'hour' ? 'an hour' : 'a day'}. What finds no place waits, the higher priority first.`;

export const useWords = ({ used, limit, waiting }: CapacityUse): string =>
  `${used.toLocaleString('en')} of ${limit.toLocaleString('en')} used${waiting > 0 ? `, ${waiting.toLocaleString('en')} waiting` : ''}`;

export const arbitrationWords = (rule: Arbitration | null): string =>
  rule === null
    ? 'Off: whichever message comes first gets the place.'
    : `Where caps have no room for all that comes within ${rule.lookAhead}, the higher priority gets the place; the other one ${rule.then === 'wait' ? 'waits until it has gone' : 'is not sent'}.`;

/** A key out of a name that somebody types. */
export const keyOf = (text: string): string =>
  text
    .toLowerCase()
    .replace(/[^a-z0-9_-]+/g, '-')
    .replace(/^[^a-z0-9]+|-+$/g, '')
    .slice(0, 60);
