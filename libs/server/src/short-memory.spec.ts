import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { ShortMemory } from './short-memory.js';

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

/** A memory over look-ups that end when told to. */
function remembered() {
  const memory = new ShortMemory<string>();
  const under: { end: (value: string | null) => void; fail: (error: Error) => void }[] = [];
  const recall = () => memory.recall('key', () => new Promise((end, fail) => void under.push({ end, fail })));
  return { memory, under, recall };
}

/** The same, with `first` known for a second. */
async function aSecondOld() {
  const one = remembered();
  const first = one.recall();
  one.under[0]!.end('first');
  await first;
  jest.advanceTimersByTime(1_000);
  return one;
}

describe('what was looked up', () => {
  it('is shared by those who come together, and is looked up again after two seconds', async () => {
    const { under, recall } = remembered();
    const both = [recall(), recall()];
    under[0]!.end('first');
    expect(await Promise.all(both)).toEqual(['first', 'first']);
    jest.advanceTimersByTime(2_000);
    const next = recall();
    under[1]!.end('second');
    expect(await next).toBe('second');
    expect(under).toHaveLength(2);
  });

  it('is looked up beside its callers once it is a second old: none of them waits', async () => {
    const { under, recall } = await aSecondOld();
    expect(await recall()).toBe('first');
    expect(await recall()).toBe('first');
    expect(under).toHaveLength(2);
    under[1]!.end('second');
    await jest.advanceTimersByTimeAsync(0);
    expect(await recall()).toBe('second');
    // From when its look-up began.
    jest.advanceTimersByTime(999);
    expect(await recall()).toBe('second');
    expect(under).toHaveLength(2);
  });

  it('ends when the look-up beside finds nothing', async () => {
    const { under, recall } = await aSecondOld();
    await recall();
    under[1]!.end(null);
    await jest.advanceTimersByTimeAsync(0);
    const next = recall();
    under[2]!.end(null);
    expect(await next).toBeNull();
  });

  it('holds no longer than two seconds when looking it up beside fails', async () => {
    const { under, recall } = await aSecondOld();
    await recall();
    under[1]!.fail(new Error('away'));
    await jest.advanceTimersByTimeAsync(999);
    expect(await recall()).toBe('first');
    jest.advanceTimersByTime(1);
    const next = recall();
    under.at(-1)!.fail(new Error('still away'));
    await expect(next).rejects.toThrow('still away');
  });

  it('does not come back from a look-up that began before all was forgotten', async () => {
    const { memory, under, recall } = await aSecondOld();
    await recall();
    memory.clear();
    under[1]!.end('before');
    await jest.advanceTimersByTimeAsync(0);
    const next = recall();
    under[2]!.end('after');
    expect(await next).toBe('after');
  });
});
