/**
 * What a campaign brought about: the rate of those who were to get it beside that of those who were held out. Each true rate
 * is believed in as its beta distribution says after what was seen, with nothing known before (distributions: jStat), as in
 * tests of variants; what lies between two of them is read off the distribution of their difference, and of their ratio. Pure.
 */
import type { CampaignLift } from '@carillon/contracts';
import library from 'jstat';

const { beta } = library;

export interface Counted {
  people: number;
  converted: number;
}
/** The slices of equal probability in whose middles the held out's rate is looked at. */
const SLICES = 400;
const HALVINGS = 36;
/** A ratio beyond it says nothing but “very much”. */
const MOST = 1e6;

/** Null where one of the two has nobody. */
export function liftOf(told: Counted, heldOut: Counted): CampaignLift | null {
  if (told.people === 0 || heldOut.people === 0) return null;
  const [t, h] = [believed(told), believed(heldOut)];
  const rates = Array.from({ length: SLICES }, (_, n) => beta.inv((n + 0.5) / SLICES, h.a, h.b));
  const below = (bound: (rate: number) => number): number =>
    rates.reduce((sum, rate) => sum + cdf(bound(rate), t), 0) / SLICES;
  const apart = (share: number) => where((d) => below((rate) => rate + d), share, -1, 1);
  const times = (share: number) => where((r) => below((rate) => rate * r), share, 0, MOST);
  const difference = told.converted / told.people - heldOut.converted / heldOut.people;
  return {
    told: grouped(told, t),
    heldOut: grouped(heldOut, h),
    difference: { value: difference, low: apart(0.025), high: apart(0.975) },
    lift:
      heldOut.converted === 0
        ? null
        : {
            value: told.converted / told.people / (heldOut.converted / heldOut.people) - 1,
            low: times(0.025) - 1,
            high: times(0.975) - 1,
          },
    extra: Math.round(difference * told.people),
    better: 1 - below((rate) => rate),
  };
}

interface Belief {
  a: number;
  b: number;
}
const believed = ({ people, converted }: Counted): Belief => ({
  a: 1 + converted,
  b: 1 + Math.max(0, people - converted),
});
const grouped = ({ people, converted }: Counted, { a, b }: Belief): CampaignLift['told'] => ({
  people,
  converted,
  rate: converted / people,
  low: beta.inv(0.025, a, b),
  high: beta.inv(0.975, a, b),
});
const cdf = (x: number, { a, b }: Belief): number => (x <= 0 ? 0 : x >= 1 ? 1 : beta.cdf(x, a, b));

/** Where a rising function reaches a share. Of what reaches far the end is found first, so that halving is exact near zero too. */
function where(rising: (x: number) => number, share: number, from: number, to: number): number {
  let [low, high] = [from, Math.min(to, 1)];
  while (high < to && rising(high) < share) [low, high] = [high, high * 2];
  for (let n = 0; n < HALVINGS; n++) {
    const middle = (low + high) / 2;
    if (rising(middle) < share) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}
