import { describe, expect, it } from '@jest/globals';
import { scheduleWords, secondsOf, spanWords, typedSpan, waits } from './waits.js';

describe('spans of time', () => {
  it.each([
    [0.5, 0.5, 'seconds', '0.5 s'],
    [5, 5, 'seconds', '5 s'],
    [90, 90, 'seconds', '90 s'],
    [1800, 30, 'minutes', '30 min'],
    [5400, 90, 'minutes', '90 min'],
    [14_400, 4, 'hours', '4 h'],
    [86_400, 1, 'days', '1 day'],
    [172_800, 2, 'days', '2 days'],
  ] as const)('%d seconds are %d %s', (seconds, count, unit, words) => {
    expect(typedSpan(seconds)).toEqual({ count, unit });
    expect(secondsOf({ count, unit })).toBe(seconds);
    expect(spanWords(seconds)).toBe(words);
  });
  it('an empty field is no time', () => {
    expect(secondsOf({ count: '', unit: 'hours' })).toBeNull();
  });
});

describe('the waits of a policy', () => {
  const sms = { attempts: 6, windowSeconds: 21_600, backoffSeconds: 5, maxBackoffSeconds: 1800 };
  it('double up to the longest', () => {
    expect(waits(sms)).toEqual([5, 10, 20, 40, 80]);
    expect(waits({ ...sms, maxBackoffSeconds: 15 })).toEqual([5, 10, 15, 15, 15]);
  });
  it('end with the window', () => {
    expect(waits({ ...sms, windowSeconds: 60 })).toEqual([5, 10, 20]);
    expect(scheduleWords({ ...sms, windowSeconds: 60 })).toContain('the last of 4 attempts');
  });
  it('are told in a sentence', () => {
    expect(scheduleWords(sms)).toBe(
      'Waits of at most 5 s, 10 s, 20 s, 40 s, 80 s: the last of 6 attempts at most about 3 min after the first.',
    );
    expect(scheduleWords({ ...sms, attempts: 12, maxBackoffSeconds: 600 })).toContain(
      '5 s, 10 s, 20 s … 10 min:',
    );
    expect(scheduleWords({ ...sms, attempts: 1 })).toBe('It is tried once.');
  });
});
