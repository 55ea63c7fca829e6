import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { getEventListeners } from 'node:events';
import { patienceFor } from './call-provider.js';

describe('the patience with a provider', () => {
  beforeEach(() => void jest.useFakeTimers());
  afterEach(() => void jest.useRealTimers());

  it('ends with the signal that stops all', () => {
    const all = new AbortController();
    const { signal } = patienceFor(all.signal, 1000);
    expect(signal.aborted).toBe(false);
    all.abort(new Error('stopping'));
    expect(signal.reason).toEqual(new Error('stopping'));
    expect(patienceFor(all.signal, 1000).signal.reason).toEqual(new Error('stopping'));
  });

  it('ends when its time is over', () => {
    const { signal } = patienceFor(new AbortController().signal, 1000);
    jest.advanceTimersByTime(999);
    expect(signal.aborted).toBe(false);
    jest.advanceTimersByTime(1);
    expect(signal.reason).toMatchObject({ name: 'TimeoutError' });
  });

  it('leaves nothing behind of a call that was answered', () => {
    const all = new AbortController();
    const patience = patienceFor(all.signal, 1000);
    expect(jest.getTimerCount()).toBe(1);
    patience.end();
    expect(jest.getTimerCount()).toBe(0);
    expect(getEventListeners(all.signal, 'abort')).toEqual([]);
    all.abort();
    expect(patience.signal.aborted).toBe(false);
  });
});
