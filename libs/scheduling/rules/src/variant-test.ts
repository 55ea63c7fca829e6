/**
 * Which variant does best: each one's true rate is believed in as its beta distribution says after what was seen, with
 * nothing known before (distributions: jStat). The probability to be the best is that of the largest of independent rates,
 * and how often somebody looked does not change it. Pure.
 */
import type { CampaignTest, CampaignTestVariant } from '@carillon/contracts';
import library from 'jstat';

const { beta } = library;

export interface Seen {
  variant: string;
  /** Whom it reached. */
  people: number;
  successes: number;
}

/** Beyond so many standard deviations there is nothing that a sum would notice, not even of a curve with a long tail. */
const REACH = 30;
/** In whose middles the curve is read: at its ends it may not be finite. Exact to about five digits. */
const STEPS = 4000;
/** What adds nothing is not asked about further. */
const NOTHING = 1e-12;

/** Rates, where they lie with 95 % probability, and how likely each is the best. */
export function judge(seen: readonly Seen[]): CampaignTestVariant[] {
  const believed = seen.map(({ people, successes }) => ({
    a: 1 + successes,
    b: 1 + Math.max(0, people - successes),
  }));
  const best = believed.map((_, n) => chanceOfBest(believed, n));
  const sum = best.reduce((all, one) => all + one, 0) || 1;
  return seen.map(({ variant, people, successes }, n) => {
    const { a, b } = believed[n]!;
    return {
      variant,
      people,
      successes,
      rate: people === 0 ? null : successes / people,
      low: beta.inv(0.025, a, b),
      high: beta.inv(0.975, a, b),
      best: best[n]! / sum,
    };
  });
}

interface Belief {
  a: number;
  b: number;
}
/** ∫ density of this one × probability that each other is below. */
function chanceOfBest(all: readonly Belief[], n: number): number {
  const { a, b } = all[n]!;
  const mean = a / (a + b);
  const deviation = Math.sqrt((mean * (1 - mean)) / (a + b + 1));
  const from = Math.max(0, mean - REACH * deviation);
  const width = Math.min(1, mean + REACH * deviation) - from;
  let sum = 0;
  for (let step = 0; step < STEPS; step++) {
    const x = from + (width * (step + 0.5)) / STEPS;
    let value = beta.pdf(x, a, b);
    for (let m = 0; value * width > NOTHING && m < all.length; m++)
      if (m !== n) value *= beta.cdf(x, all[m]!.a, all[m]!.b);
    sum += value;
  }
  return (sum * width) / STEPS;
}

/**
 * Whether the test is over, and who won. Of equals the first; a test that has reached nobody goes on.
 * @param elapsedMs since the run began
 * @param decideAfterMs `decideAfter` of the test
 */
export function winnerOf(
  { confidence, atLeast }: Pick<CampaignTest, 'confidence' | 'atLeast'>,
  judged: readonly CampaignTestVariant[],
  { elapsedMs, decideAfterMs }: { elapsedMs: number; decideAfterMs: number },
): { winner: string; why: 'time' | 'confidence' } | null {
  const [first] = judged;
  if (!first || judged.every((one) => one.people === 0)) return null;
  // What reached nobody has shown nothing: an even chance must not make it the winner.
  const reached = judged.filter((one) => one.people > 0);
  const best = reached.reduce((a, b) => (b.best > a.best ? b : a));
  if (
    confidence !== undefined &&
    judged.every((one) => one.people >= atLeast) &&
    best.best * 100 >= confidence
  )
    return { winner: best.variant, why: 'confidence' };
  return elapsedMs >= decideAfterMs ? { winner: best.variant, why: 'time' } : null;
}
