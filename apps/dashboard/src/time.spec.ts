import { describe, expect, it } from '@jest/globals';
import { fromLocalInput, gap, relative, tick, toLocalInput } from './time.js';

const now = new Date('2026-11-24T12:00:00Z');
const at = (seconds: number) => new Date(now.getTime() + seconds * 1000).toISOString();

describe('relative', () => {
  it.each([
    [-3, 'just now'],
    [-45, '45 seconds ago'],
    [-119, '1 minute ago'],
    [7300, 'in 2 hours'],
    [-86_400, 'yesterday'],
    [-86_400 * 400, 'last year'],
    [172_790, 'in 2 days'],
    [-172_790, 'yesterday'],
  ])('%d s', (seconds, text) => expect(relative(at(seconds), now)).toBe(text));
});
describe('gap', () => {
  it.each([
    [0, 0.04, '+40 ms'],
    [0, 2.06, '+2.1 s'],
    [0, 300, '+5 min'],
    [0, 5400, '+1.5 h'],
    [0, 86_400 * 3, '+3 days'],
    [5, 0, '+0 ms'],
  ])('%d to %d', (from, to, text) => expect(gap(at(from), at(to))).toBe(text));
});
it('names days in UTC, as they are counted', () => {
  expect(tick('2026-11-24T00:00:00Z', 'day')).toBe('24 Nov');
});
it('turns a local clock into an instant and back', () => {
  expect(fromLocalInput(toLocalInput(now))).toBe(now.toISOString());
  expect(fromLocalInput('')).toBeUndefined();
});
