import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { BoundedLog, plain } from './bounded-log.js';

describe('BoundedLog', () => {
  const lines: string[] = [];
  beforeEach(() => {
    lines.length = 0;
    jest.useFakeTimers();
  });
  afterEach(() => {
    jest.useRealTimers();
  });
  const log = new BoundedLog({ error: (line: string) => void lines.push(line) }, 'queue x');

  it('writes one line a second and counts the rest', () => {
    for (let n = 0; n < 6_000; n++) log.error('failed', new Error(`number ${n}`));
    expect(lines).toEqual(['queue x: failed: Error number 0']);
    jest.advanceTimersByTime(1_000);
    expect(lines[1]).toBe('queue x: 5999 more in the last second, the latest: Error number 5999');
    for (let n = 0; n < 10; n++) log.error('failed', new Error('again'));
    expect(lines).toHaveLength(2);
    jest.advanceTimersByTime(10_000);
    expect(lines).toHaveLength(3);
    log.error('failed', new Error('much later'));
    expect(lines[3]).toBe('queue x: failed: Error much later');
  });
});

describe('plain', () => {
  it.each([
    [new Error('to jane.doe@example.com refused'), 'Error to <address> refused'],
    [new Error('<jane@example.com>: no'), 'Error <<address>>: no'],
    [new Error('number +44 7700 900123 is barred'), 'Error number <number> is barred'],
    [new TypeError('two\nlines\r\nof it'), 'TypeError two lines of it'],
    [Object.assign(new Error('no'), { code: 'ECONNREFUSED' }), 'Error ECONNREFUSED no'],
    ['just text', 'just text'],
    [new Error('x'.repeat(1_000)), `Error ${'x'.repeat(294)}`],
  ])('%# keeps an error to one line without addresses', (error, line) => {
    expect(plain(error)).toBe(line);
  });
});
