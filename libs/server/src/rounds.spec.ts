import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Rounds } from './rounds.js';

let rounds: Rounds;
let begun: number;
let troubles: string[];
/** What the next round waits for. */
let work: () => Promise<unknown>;
const passing = (ms: number) => jest.advanceTimersByTimeAsync(ms);

beforeEach(() => {
  jest.useFakeTimers();
  begun = 0;
  troubles = [];
  work = () => Promise.resolve();
  rounds = new Rounds(
    () => {
      begun += 1;
      return work();
    },
    {
      restMs: 100,
      troubledMs: 1000,
      trouble: 'a round failed',
      log: { error: (line: string) => troubles.push(line) },
    },
  );
});
afterEach(async () => {
  await rounds.stop();
  jest.useRealTimers();
});

describe('rounds', () => {
  it('follow each other with a rest between them, the first at once', async () => {
    rounds.start();
    await passing(0);
    expect(begun).toBe(1);
    await passing(99);
    expect(begun).toBe(1);
    await passing(1);
    expect(begun).toBe(2);
  });

  it('rest longer after one that failed, and say so', async () => {
    work = () => Promise.reject(new Error('the database is away'));
    rounds.start();
    await passing(999);
    expect(begun).toBe(1);
    expect(troubles).toEqual(['a round failed: the database is away']);
    work = () => Promise.resolve();
    await passing(1);
    await passing(100);
    expect(begun).toBe(3);
  });

  it('never overlap; one that was hurried meanwhile follows at once', async () => {
    let end = () => {};
    work = () => new Promise<void>((resolve) => (end = resolve));
    rounds.start();
    await passing(5000);
    rounds.hurry();
    rounds.hurry();
    await passing(5000);
    expect(begun).toBe(1);
    end();
    await passing(0);
    expect(begun).toBe(2);
    end();
    await passing(99);
    expect(begun).toBe(2);
  });

  it('do not wait when they are hurried while they rest', async () => {
    rounds.start();
    await passing(1);
    rounds.hurry();
    await passing(0);
    expect(begun).toBe(2);
  });

  it('stop after the one that is under way', async () => {
    let end = () => {};
    work = () => new Promise<void>((resolve) => (end = resolve));
    rounds.start();
    await passing(0);
    let stopped = false;
    const stop = rounds.stop().then(() => (stopped = true));
    expect(rounds.stopping).toBe(true);
    await passing(1000);
    expect(stopped).toBe(false);
    end();
    await stop;
    rounds.hurry();
    await passing(5000);
    expect(begun).toBe(1);
  });
});
