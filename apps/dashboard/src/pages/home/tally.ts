/** From the API's counts to what the home page draws. Pure. */
import type { Channel, Counts, Status } from '@carillon/contracts';
import { channels } from '@carillon/contracts';

/** Statuses as a reader thinks of them; several may share one group. */
export const groups = {
  delivered: { label: 'Delivered', statuses: ['delivered'], color: 'var(--status-delivered)' },
  sent: { label: 'Sent', statuses: ['sent'], color: 'var(--status-sent)' },
  pending: {
    label: 'In progress',
    statuses: ['scheduled', 'queued', 'sending'],
    color: 'var(--status-pending)',
  },
  unknown: { label: 'Unknown', statuses: ['unknown'], color: 'var(--status-unknown)' },
  suppressed: { label: 'Suppressed', statuses: ['suppressed'], color: 'var(--status-suppressed)' },
  ended: { label: 'Cancelled or expired', statuses: ['cancelled', 'expired'], color: 'var(--status-ended)' },
  failed: { label: 'Failed', statuses: ['failed'], color: 'var(--status-failed)' },
} as const satisfies Record<string, { label: string; statuses: readonly Status[]; color: string }>;
export type Group = keyof typeof groups;
export const groupNames = Object.keys(groups) as Group[];
const groupOf = Object.fromEntries(
  groupNames.flatMap((name) => groups[name].statuses.map((status) => [status, name])),
) as Record<Status, Group>;

export interface Tally {
  total: number;
  byGroup: Record<Group, number>;
  byChannel: Record<Channel, { total: number; byGroup: Record<Group, number> }>;
}
const noGroups = () => Object.fromEntries(groupNames.map((name) => [name, 0])) as Record<Group, number>;
export const tally = (totals: Counts['totals']): Tally => {
  const result: Tally = {
    total: 0,
    byGroup: noGroups(),
    byChannel: Object.fromEntries(
      channels.map((channel) => [channel, { total: 0, byGroup: noGroups() }]),
    ) as Tally['byChannel'],
  };
  for (const { channel, status, count } of totals) {
    const group = groupOf[status];
    result.total += count;
    result.byGroup[group] += count;
    result.byChannel[channel].total += count;
    result.byChannel[channel].byGroup[group] += count;
  }
  return result;
};

const stepMs = { hour: 3_600_000, day: 86_400_000 };
export type Point = { at: number } & Partial<Record<Group | Channel, number>>;
/** One point per hour or day (UTC) of the period, zeros included: a gap in sending must look like one. */
export const points = (counts: Counts, interval: 'hour' | 'day', by: 'status' | 'channel'): Point[] => {
  const step = stepMs[interval];
  const floor = (time: string) => Math.floor(Date.parse(time) / step) * step;
  const all = new Map<number, Point>();
  for (let at = floor(counts.from); at <= Date.parse(counts.to); at += step) all.set(at, { at });
  for (const { at, channel, status, count } of counts.series) {
    const point = all.get(floor(at));
    const name = by === 'channel' ? channel : groupOf[status];
    if (point) point[name] = (point[name] ?? 0) + count;
  }
  return [...all.values()];
};

const number = new Intl.NumberFormat('en');
const short = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });
export const whole = (n: number): string => number.format(n);
export const brief = (n: number): string => (n < 100_000 ? whole(n) : short.format(n));
/** "98.2 %"; never rounds a remainder away: 99.96 stays below 100, and one failure in a million is not 0. */
export const percent = (part: number, total: number): string => {
  if (total === 0) return '—';
  const value = (part / total) * 100;
  if (part > 0 && value < 0.1) return '< 0.1 %';
  if (part < total && value > 99.9) return '> 99.9 %';
  return `${value === 100 || value === 0 ? value : value.toFixed(1)} %`;
};
