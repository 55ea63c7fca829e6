import { describe, expect, it } from '@jest/globals';
import { explain, inWords, sentenceOf } from './explain.js';

const delivery = {
  id: 'd',
  channel: 'sms',
  status: 'scheduled',
  reason: 'retry',
  provider: 'twilio',
  attempts: 1,
  dueAt: '2026-11-23T12:04:00Z',
  possibleDuplicate: false,
  expiresAt: null,
} as const;
const now = new Date('2026-11-23T12:00:00Z');

describe('explain', () => {
  it('says where it stands, why, and what comes next', () => {
    const said = explain(
      delivery,
      [
        {
          at: '2026-11-23T11:59:00Z',
          type: 'deferred',
          attempt: 2,
          reason: 'retry',
          provider: 'twilio',
          detail: { code: 30008, message: 'Unknown error' },
        },
      ],
      now,
    );
    expect(said.verdict).toBe(
      'This SMS is waiting: the last attempt failed in a way that may pass; it will be tried again.',
    );
    expect(said.because).toEqual([
      '2026-11-23T11:59:00Z deferred in attempt 2. The last attempt failed in a way that may pass; it will be tried again. (twilio said: 30008 Unknown error)',
    ]);
    expect(said.next).toBe('It is looked at again in 4 minutes.');
  });
  it('does not claim arrival without a receipt', () => {
    expect(sentenceOf({ ...delivery, status: 'sent', reason: null })).toBe(
      'This SMS was accepted by twilio; there is no delivery receipt yet.',
    );
  });
  it.each([
    [0, 'now'],
    [5000, 'in 5 seconds'],
    [60_000, 'in 1 minute'],
    [7_200_000, 'in 2 hours'],
    [200_000_000, 'in 2 days'],
  ])('%d ms is %s', (ms, words) => expect(inWords(ms)).toBe(words));
});
