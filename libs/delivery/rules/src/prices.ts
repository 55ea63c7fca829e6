/** What texts cost, by the beginning of the number. Pure. */
import type { Prices } from '@carillon/contracts';

/** Of the longest prefix that fits; null where none does. */
export function priceOf({ byPrefix }: Prices, number: string): number | null {
  let best: Prices['byPrefix'][number] | undefined;
  for (const one of byPrefix)
    if (number.startsWith(one.prefix) && one.prefix.length >= (best?.prefix.length ?? 0)) best = one;
  return best?.price ?? null;
}

/** As much of a number as decides. */
export const decidingDigits = ({ byPrefix }: Prices): number =>
  Math.max(...byPrefix.map(({ prefix }) => prefix.length));
