/** The periods the home page offers, and its query string. */
export const periods = {
  '24h': { label: '24 hours', hours: 24, interval: 'hour' },
  '7d': { label: '7 days', hours: 24 * 7, interval: 'day' },
  '30d': { label: '30 days', hours: 24 * 30, interval: 'day' },
  '90d': { label: '90 days', hours: 24 * 90, interval: 'day' },
} as const;
export type Period = keyof typeof periods;
export interface HomeSearch {
  period?: Period;
  by?: 'channel';
}
export const parseHomeSearch = (search: Record<string, unknown>): HomeSearch => ({
  period:
    typeof search.period === 'string' && Object.hasOwn(periods, search.period)
      ? (search.period as Period)
      : undefined,
  by: search.by === 'channel' ? 'channel' : undefined,
});
