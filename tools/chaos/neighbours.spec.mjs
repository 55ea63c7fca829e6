import { expect, it } from '@jest/globals';
import { strangersAmong } from './neighbours.mjs';

it('counts what wants to run, and neither itself nor what it has started', () => {
  const process = (state, parent) => ({ state, parent });
  const all = new Map([
    ['1', process('S', '0')],
    ['10', process('S', '1')],
    ['11', process('R', '10')],
    ['12', process('R', '11')],
    ['20', process('R', '1')],
    ['21', process('S', '20')],
    ['22', process('R', '21')],
    // Its parent is gone.
    ['30', process('R', '29')],
  ]);
  expect(strangersAmong(all, '10')).toBe(3);
  expect(strangersAmong(all, '1')).toBe(1);
});
