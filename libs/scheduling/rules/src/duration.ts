/** Durations and rates as people write them. Pure. */
import type { CampaignDefinition } from '@carillon/contracts';

const unitMs = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/**
 * `5m` → 300000 milliseconds.
 * @throws RangeError when the text is not a number and s, m, h or d
 */
export function durationMs(text: string): number {
  const match = /^([1-9]\d{0,4})(s|m|h|d)$/.exec(text);
  if (!match)
    throw new RangeError(
      `${JSON.stringify(text)} is not a duration: write a number and s, m, h or d, for example 5m`,
    );
  return Number(match[1]) * unitMs[match[2] as keyof typeof unitMs];
}

const SECONDS = { second: 1, minute: 60, hour: 3600, day: 86_400 } as const;
/** How many that is in a second; without one there is no limit. */
export const perSecond = (rate: CampaignDefinition['rate']): number =>
  rate === undefined ? Infinity : typeof rate === 'number' ? rate : rate.count / SECONDS[rate.per];
