import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { shareOut, type Contender } from './fair-share.js';

const run = (runId: string, workspaceId: string, pages: number, weight = 1, pass = 0): Contender => ({
  runId,
  workspaceId,
  pages,
  weight,
  pass,
});
/** Releases `room` pages at a time until nothing is left, remembering as the database does. */
function drain(contenders: Contender[], room: number): string[] {
  const last = new Map<string, number>();
  const all: string[] = [];
  for (;;) {
    const { turns, passes, lastTurns } = shareOut(contenders, last, room);
    if (turns.length === 0) return all;
    all.push(...turns);
    for (const [id, turn] of lastTurns) last.set(id, turn);
    for (const c of contenders) {
      c.pass = passes.get(c.runId) ?? c.pass;
      c.pages -= turns.filter((id) => id === c.runId).length;
    }
  }
}
/** 1 when all have the same, 1/n when one has everything. */
const jain = (shares: number[]): number =>
  shares.reduce((a, b) => a + b) ** 2 / (shares.length * shares.reduce((a, b) => a + b * b, 0));

describe('turns in the bulk lane', () => {
  it('let a small run pass a large one', () => {
    const order = drain([run('large', 'A', 100), run('small', 'B', 1)], 3);
    expect(order.indexOf('small')).toBeLessThan(2);
    expect(order).toHaveLength(101);
  });

  it('go round the workspaces, however many runs one of them starts', () => {
    const many = Array.from({ length: 10 }, (_, i) => run(`a${i}`, 'A', 10));
    const first = drain([...many, run('b', 'B', 20)], 3).slice(0, 40);
    expect(first.filter((id) => id === 'b')).toHaveLength(20);
  });

  it('follow the weights inside a workspace', () => {
    const first = drain([run('heavy', 'A', 300, 3), run('light', 'A', 300)], 4).slice(0, 100);
    expect(first.filter((id) => id === 'heavy')).toHaveLength(75);
  });

  it('are shared evenly for as long as all have pages, at any room', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 2, maxLength: 6 }),
        fc.integer({ min: 1, max: 7 }),
        (sizes, room) => {
          const order = drain(
            sizes.map((pages, i) => run(`r${i}`, `w${i}`, pages)),
            room,
          );
          const shared = Math.min(...sizes) * sizes.length;
          const had = sizes.map((_, i) => order.slice(0, shared).filter((id) => id === `r${i}`).length);
          expect(jain(had)).toBeGreaterThan(0.98);
          expect(order).toHaveLength(sizes.reduce((a, b) => a + b));
        },
      ),
    );
  });
});
