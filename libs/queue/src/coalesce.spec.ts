import { describe, expect, it } from '@jest/globals';
import { CoalescingLane } from './coalesce.js';

describe('a lane whose store does not answer', () => {
  it('lets no more than 50,000 ids wait in memory, and takes more when it answers', async () => {
    let answer = () => {};
    const slow = new Promise<void>((resolve) => (answer = resolve));
    const lane = new CoalescingLane(
      () => slow,
      () => {},
    );
    const ids = (from: number) => Array.from({ length: 1_000 }, (_, i) => `${from + i}`);
    const first = lane.offer(ids(0));
    const waiting = Array.from({ length: 49 }, (_, n) => lane.offer(ids(n * 1_000)));
    expect(await lane.offer([...ids(0), ...ids(1_000)])).toBe(false);
    answer();
    expect(await Promise.all([first, ...waiting])).toEqual(Array.from({ length: 50 }, () => true));
    expect(await lane.offer(ids(0))).toBe(true);
  });
});
