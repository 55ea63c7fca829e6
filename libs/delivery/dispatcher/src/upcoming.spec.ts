import { describe, expect, it } from '@jest/globals';
import type { Member } from './claim-page.js';
import { Upcoming } from './upcoming.js';

const member = (seq: number) => ({ id: `id-${seq}`, seq }) as Member;
const places = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => member(from + i));

/** A page of ten whose first two places are done with, read four at a time where nothing else is said. */
function page(
  logged: number[],
  read = (from: number, to: number) => Promise.resolve(places(from, to)),
  most = () => 4,
) {
  const asked: string[] = [];
  const upcoming = new Upcoming(
    { mark: 2, hi: 10 },
    new Set(logged.map((n) => `id-${n}`)),
    (from, to) => (asked.push(`${from}-${to}`), read(from, to)),
    most,
  );
  const next = async () => (await upcoming.next()).map(({ seq }) => seq);
  return { upcoming, next, asked };
}

describe('who of a page is still to go', () => {
  it('is read a window at a time, from the mark to the end, and asked for again until somebody went', async () => {
    const { upcoming, next, asked } = page([]);
    expect(await next()).toEqual([2, 3, 4, 5]);
    expect(await next()).toEqual([2, 3, 4, 5]);
    upcoming.went(3);
    expect(await next()).toEqual([5]);
    expect(asked).toEqual(['2-6']);
    upcoming.went(1);
    expect(await next()).toEqual([6, 7, 8, 9]);
    upcoming.went(4);
    expect(await next()).toEqual([]);
    expect(asked).toEqual(['2-6', '6-10']);
  });

  it('is read in windows of the size that is right at the moment', async () => {
    const sizes = [3, 1, 9];
    const { upcoming, next } = page([], undefined, () => sizes.shift() ?? 0);
    for (const window of [[2, 3, 4], [5], [6, 7, 8, 9]]) {
      expect(await next()).toEqual(window);
      upcoming.went(window.length);
    }
  });

  it('leaves out who is in the log, windows and all, and is not at its end because of it', async () => {
    const { upcoming, next } = page([2, 3, 4, 5, 7]);
    expect(await next()).toEqual([6, 8, 9]);
    upcoming.went(3);
    expect(await next()).toEqual([]);
  });

  it('is read ahead once, and a reading that fails is told to whoever asks', async () => {
    const { upcoming, next, asked } = page([], () => Promise.reject(new Error('the database is away')));
    upcoming.ahead();
    upcoming.ahead();
    await expect(next()).rejects.toThrow('the database is away');
    expect(asked).toEqual(['2-6']);
  });
});
