import { describe, expect, it } from '@jest/globals';
import { countedIn, Remembered } from './campaign-numbers.js';

describe('a part of a campaign is counted', () => {
  const SMALL = 50_000;
  const LARGE = 50_001;
  it.each([
    [SMALL, null, false, 'log'],
    [SMALL, 1, false, 'log'],
    [SMALL, 3600, true, 'log'],
    [LARGE, null, false, 'pages'],
    // Its last windows may be under way, and counting takes longer than a second.
    [LARGE, 60, false, 'pages'],
    [LARGE, 60, true, 'log'],
    [LARGE, 61, false, 'remembered'],
    [LARGE, 3600, true, 'remembered'],
  ])('%s people, ended since %s s, its campaign over: %s → %s', (members, endedSeconds, over, where) => {
    expect(countedIn({ members, endedSeconds }, over)).toBe(where);
  });
});

describe('what takes long to find out', () => {
  /** Each finding takes two seconds and says the how manieth it is. */
  function slow() {
    let [now, found] = [0, 0];
    const remembered = new Remembered<number>(0.02, () => now);
    const ask = (key: string) =>
      remembered.of(key, () => {
        now += 2_000;
        return Promise.resolve(++found);
      });
    return { ask, pass: (ms: number) => (now += ms) };
  }

  it('is remembered for fifty times as long as that took, by its key', async () => {
    const { ask, pass } = slow();
    expect(await ask('a')).toBe(1);
    expect(await ask('b')).toBe(2);
    pass(97_999);
    expect(await ask('a')).toBe(1);
    pass(1);
    expect(await ask('a')).toBe(3);
  });

  it('is not remembered when it failed', async () => {
    const remembered = new Remembered<string>(0.02, () => 0);
    await expect(remembered.of('a', () => Promise.reject(new Error('away')))).rejects.toThrow('away');
    expect(await remembered.of('a', () => Promise.resolve('there'))).toBe('there');
  });
});
