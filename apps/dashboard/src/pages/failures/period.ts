/** The periods the failures page offers, and its query string. */
export const periods = {
  '1h': { label: '1 hour', hours: 1 },
  '24h': { label: '24 hours', hours: 24 },
  '7d': { label: '7 days', hours: 24 * 7 },
} as const;
export type Period = keyof typeof periods;
export interface FailuresSearch {
  period?: Period;
}
export const parseFailuresSearch = (search: Record<string, unknown>): FailuresSearch => ({
  period:
    typeof search.period === 'string' && Object.hasOwn(periods, search.period)
      ? (search.period as Period)
      : undefined,
});
