import { describe, expect, it } from '@jest/globals';
import { judge, liftOf, winnerOf, type Seen } from './index.js';

const seen = (...pairs: [people: number, successes: number][]): Seen[] =>
  pairs.map(([people, successes], n) => ({ variant: 'abcdefghij'[n]!, people, successes }));
const best = (...pairs: [number, number][]) => judge(seen(...pairs)).map((v) => v.best);

/**
 * The oracle for two: P(B > A) as a sum of whole beta functions, by logarithms of factorials. It shares nothing with the
 * integral over a library's densities.
 */
const logFactorials = [0];
for (let n = 1; n < 5000; n++) logFactorials.push(logFactorials[n - 1]! + Math.log(n));
const logBeta = (a: number, b: number) =>
  logFactorials[a - 1]! + logFactorials[b - 1]! - logFactorials[a + b - 1]!;
function secondIsBetter([people1, got1]: [number, number], [people2, got2]: [number, number]): number {
  const [a1, b1, a2, b2] = [1 + got1, 1 + people1 - got1, 1 + got2, 1 + people2 - got2];
  let sum = 0;
  for (let i = 0; i < a2; i++)
    sum += Math.exp(logBeta(a1 + i, b1 + b2) - Math.log(b2 + i) - logBeta(1 + i, b2) - logBeta(a1, b1));
  return sum;
}

describe('which variant does best', () => {
  it.each<[[number, number], [number, number]]>([
    [
      [100, 10],
      [100, 10],
    ],
    [
      [100, 10],
      [100, 20],
    ],
    [
      [1000, 120],
      [1000, 100],
    ],
    [
      [500, 3],
      [1500, 30],
    ],
    [
      [1, 0],
      [1, 1],
    ],
    [
      [40, 0],
      [1000, 0],
    ],
    [
      [40, 40],
      [30, 30],
    ],
    [
      [2000, 1000],
      [2000, 1031],
    ],
  ])('of two agrees with the sum of whole beta functions: %j, %j', (a, b) => {
    expect(best(a, b)[1]).toBeCloseTo(secondIsBetter(a, b), 5);
  });

  it('sums to one, and is even between equals, up to ten and up to millions', () => {
    for (const all of [
      best([50, 5], [50, 5], [50, 5]),
      best(...Array.from({ length: 10 }, (): [number, number] => [1000, 100])),
    ])
      for (const one of all) expect(one).toBeCloseTo(1 / all.length, 6);
    const large = best([1_000_000, 100_000], [1_000_000, 100_100], [1_000_000, 99_000]);
    expect(large.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 9);
    expect(large[1]).toBeGreaterThan(large[0]!);
    expect(large[2]).toBeLessThan(0.05);
  });

  it('says where the true rate lies', () => {
    const [one, none] = judge(seen([1000, 100], [0, 0]));
    // The quantiles of beta(101, 901), as R gives them.
    expect(one).toMatchObject({ rate: 0.1 });
    expect(one!.low).toBeCloseTo(0.0829, 3);
    expect(one!.high).toBeCloseTo(0.1202, 3);
    expect(none).toMatchObject({ rate: null });
    expect(none!.low).toBeCloseTo(0.025, 6);
    expect(none!.high).toBeCloseTo(0.975, 6);
  });
});

describe('the end of a test', () => {
  const end = (
    pairs: [number, number][],
    elapsedMs: number,
    test: { confidence?: number; atLeast: number } = { confidence: 95, atLeast: 100 },
  ) => winnerOf(test, judge(seen(...pairs)), { elapsedMs, decideAfterMs: 1000 });

  it.each<[string, [number, number][], number, ReturnType<typeof winnerOf>]>([
    [
      'sure enough, early',
      [
        [500, 20],
        [500, 60],
      ],
      10,
      { winner: 'b', why: 'confidence' },
    ],
    [
      'not sure, early',
      [
        [500, 50],
        [500, 52],
      ],
      10,
      null,
    ],
    [
      'sure, but of too few',
      [
        [99, 0],
        [500, 60],
      ],
      10,
      null,
    ],
    [
      'not sure, when the time is over',
      [
        [500, 50],
        [500, 52],
      ],
      1000,
      { winner: 'b', why: 'time' },
    ],
    [
      'equals: the first',
      [
        [500, 50],
        [500, 50],
      ],
      1000,
      { winner: 'a', why: 'time' },
    ],
    [
      'nobody reached: it goes on',
      [
        [0, 0],
        [0, 0],
      ],
      5000,
      null,
    ],
    [
      'what reached nobody does not win',
      [
        [500, 5],
        [0, 0],
      ],
      1000,
      { winner: 'a', why: 'time' },
    ],
  ])('%s', (_, pairs, elapsed, expected) => expect(end(pairs, elapsed)).toEqual(expected));

  it('comes early only where a confidence was asked for', () =>
    expect(
      end(
        [
          [500, 20],
          [500, 60],
        ],
        10,
        { atLeast: 1 },
      ),
    ).toBeNull());
});

describe('what a campaign brought about beside those who were held out', () => {
  /** Both curves on a grid, by logarithms of factorials: how much of the difference, and of the ratio, lies below. */
  function oracle([people1, got1]: [number, number], [people2, got2]: [number, number]) {
    const STEPS = 20_000;
    const curve = (people: number, got: number) => {
      const values = Array.from({ length: STEPS }, (_, n) => {
        const x = (n + 0.5) / STEPS;
        return Math.exp(
          got * Math.log(x) + (people - got) * Math.log(1 - x) - logBeta(1 + got, 1 + people - got),
        );
      });
      const sum = values.reduce((a, b) => a + b, 0);
      return values.map((value) => value / sum);
    };
    const [told, held] = [curve(people1, got1), curve(people2, got2)];
    const upTo = [0];
    for (const one of told) upTo.push(upTo.at(-1)! + one);
    const toldBelow = (x: number) => {
      const place = Math.min(Math.max(x * STEPS, 0), STEPS);
      const whole = Math.min(Math.floor(place), STEPS - 1);
      return upTo[whole]! + (place - whole) * told[whole]!;
    };
    const below = (bound: (rate: number) => number) =>
      held.reduce((sum, share, n) => sum + share * toldBelow(bound((n + 0.5) / STEPS)), 0);
    return {
      apart: (d: number) => below((rate) => rate + d),
      times: (r: number) => below((rate) => rate * r),
    };
  }

  it.each<[[number, number], [number, number]]>([
    [
      [900, 90],
      [100, 5],
    ],
    [
      [2000, 260],
      [200, 20],
    ],
    [
      [60, 3],
      [40, 4],
    ],
    [
      [10, 10],
      [5, 1],
    ],
  ])('has 95 of a hundred between its bounds: %j beside %j', (told, held) => {
    const lift = liftOf({ people: told[0], converted: told[1] }, { people: held[0], converted: held[1] })!;
    const { apart, times } = oracle(told, held);
    expect(apart(lift.difference.low)).toBeCloseTo(0.025, 3);
    expect(apart(lift.difference.high)).toBeCloseTo(0.975, 3);
    expect(times(1 + lift.lift!.low)).toBeCloseTo(0.025, 3);
    expect(times(1 + lift.lift!.high)).toBeCloseTo(0.975, 3);
    expect(lift.better).toBeCloseTo(secondIsBetter(held, told), 3);
    expect(lift.difference.value).toBeCloseTo(told[1] / told[0] - held[1] / held[0], 12);
  });

  it('says nothing of nobody, and no ratio to none', () => {
    expect(liftOf({ people: 0, converted: 0 }, { people: 10, converted: 1 })).toBeNull();
    expect(liftOf({ people: 10, converted: 1 }, { people: 0, converted: 0 })).toBeNull();
    const lift = liftOf({ people: 1000, converted: 100 }, { people: 100, converted: 0 })!;
    expect(lift.lift).toBeNull();
    expect(lift.difference.low).toBeGreaterThan(0);
    expect(lift.extra).toBe(100);
  });

  it('is even between equals, also of a million', () => {
    const lift = liftOf({ people: 950_000, converted: 95_000 }, { people: 50_000, converted: 5_000 })!;
    expect(lift.better).toBeGreaterThan(0.45);
    expect(lift.better).toBeLessThan(0.55);
    expect(lift.difference.low).toBeLessThan(0);
    expect(lift.difference.high).toBeLessThan(0.003);
  });
});
