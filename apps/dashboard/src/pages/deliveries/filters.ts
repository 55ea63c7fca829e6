/** The deliveries page's query string: which words it may hold, and how it becomes a query of the API. Pure. */
import {
  channels,
  reasons,
  sources,
  statuses,
  type MessageClass,
  type ReasonName,
} from '@carillon/contracts';
import type { DeliveryPageQuery } from '../../api.js';

export const ranges = {
  '1h': { label: 'Last hour', hours: 1 },
  '24h': { label: 'Last 24 hours', hours: 24 },
  '7d': { label: 'Last 7 days', hours: 24 * 7 },
  '30d': { label: 'Last 30 days', hours: 24 * 30 },
} as const;
export type Range = keyof typeof ranges;

const messageClasses: readonly MessageClass[] = ['transactional', 'marketing'];
/** Filters with a closed list: several words separated by commas. */
export const listFilters = {
  channel: channels,
  status: statuses,
  reason: Object.keys(reasons) as ReasonName[],
  source: sources,
} as const;
export type ListFilter = keyof typeof listFilters;
export const textFilters = ['profile', 'address', 'template', 'messageId', 'class'] as const;
export type TextFilter = (typeof textFilters)[number];

export type DeliverySearch = Partial<Record<ListFilter | TextFilter | 'from' | 'to' | 'cursor', string>> & {
  range?: Range;
};

const text = (value: unknown) => (typeof value === 'string' && value.trim() ? value.trim() : undefined);
const time = (value: unknown) =>
  typeof value === 'string' && !Number.isNaN(Date.parse(value)) ? value : undefined;

/** Unknown words in an address typed by hand are left out rather than answered with an error. */
export const parseDeliverySearch = (raw: Record<string, unknown>): DeliverySearch => {
  const search: DeliverySearch = {};
  for (const name of Object.keys(listFilters) as ListFilter[]) {
    const known: readonly string[] = listFilters[name];
    const words = (text(raw[name]) ?? '').split(',').filter((word) => known.includes(word));
    if (words.length) search[name] = [...new Set(words)].join(',');
  }
  for (const name of [...textFilters, 'cursor'] as const) search[name] = text(raw[name]);
  search.from = time(raw.from);
  search.to = time(raw.to);
  if (typeof raw.range === 'string' && Object.hasOwn(ranges, raw.range) && !search.from && !search.to)
    search.range = raw.range as Range;
  return search;
};

/** A relative range becomes a time when the question is asked. */
export const toQuery = ({ range, ...search }: DeliverySearch, now: Date): DeliveryPageQuery => ({
  ...search,
  class: messageClasses.find((name) => name === search.class),
  channel: chosenOf(search, 'channel'),
  status: chosenOf(search, 'status'),
  reason: chosenOf(search, 'reason'),
  source: chosenOf(search, 'source'),
  ...(range && { from: new Date(now.getTime() - ranges[range].hours * 3_600_000) }),
});

/** The chosen words of a list filter, undefined when none is. */
export const chosenOf = <Name extends ListFilter>(
  search: DeliverySearch,
  name: Name,
): (typeof listFilters)[Name][number][] | undefined => {
  const words = search[name]?.split(',') ?? [];
  const known: readonly (typeof listFilters)[Name][number][] = listFilters[name];
  const chosen = known.filter((word) => words.includes(word));
  return chosen.length ? chosen : undefined;
};
export const isFiltered = ({ cursor: _, ...search }: DeliverySearch): boolean =>
  Object.values(search).some((value) => value !== undefined);

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
/** What a person typed into the one search box: an id, an address, or a profile. */
export const readSearchBox = (typed: string): { id: string } | { address: string } | { profile: string } => {
  const value = typed.trim();
  if (uuid.test(value)) return { id: value };
  if (value.includes('@') || /^\+?[\d ()-]{6,}$/.test(value))
    return { address: value.replace(/^(\+?)[\d ()-]+$/, (all) => all.replace(/[ ()-]/g, '')) };
  return { profile: value };
};
