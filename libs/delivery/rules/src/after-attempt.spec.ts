import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  afterAttempt,
  backoff,
  combineDevices,
  type AttemptFacts,
  type Next,
  type RetryPolicy,
} from './after-attempt.js';
import type { Outcome } from './outcome.js';

const policy: RetryPolicy = { attempts: 3, windowMs: 3_600_000, backoffMs: 1000, maxBackoffMs: 60_000 };
const first: AttemptFacts = {
  attempt: 1,
  messageClass: 'transactional',
  ageMs: 0,
  expiresInMs: null,
  otherAccounts: 0,
};
const marketing: AttemptFacts = { ...first, messageClass: 'marketing' };
const last: AttemptFacts = { ...first, attempt: 3 };
const accepted: Outcome = { kind: 'accepted', providerMessageId: 'p1', answer: {} };
const deferred: Outcome = { kind: 'deferred', answer: {} };
const unknown: Outcome = { kind: 'unknown', answer: {} };
const rejected: Outcome = { kind: 'rejected', reason: 'recipient_unknown', answer: {} };
const misconfigured: Outcome = { kind: 'misconfigured', answer: { code: 401 } };

const cases: [string, Outcome, AttemptFacts, Partial<Next>][] = [
  ['accepted is sent', accepted, first, { kind: 'done', status: 'sent', providerMessageId: 'p1' }],
  [
    'accepted on arrival is delivered',
    { ...accepted, delivered: true },
    first,
    { kind: 'done', status: 'delivered' },
  ],
  ['a refusal for good ends it', rejected, first, { kind: 'giveUp', reason: 'recipient_unknown' }],
  [
    'a passing trouble is tried again',
    deferred,
    first,
    { kind: 'retry', reason: 'retry', possibleDuplicate: false },
  ],
  [
    'a hint is honoured',
    { kind: 'deferred', retryAfterMs: 90_000, answer: {} },
    first,
    { kind: 'retry', afterMs: 90_000 },
  ],
  [
    'a hint shorter than our own wait does not shorten it',
    { kind: 'deferred', retryAfterMs: 1, answer: {} },
    first,
    { kind: 'retry', afterMs: 750 },
  ],
  [
    'a rate limit is a wait of its own kind',
    { kind: 'rateLimited', retryAfterMs: 5000, answer: {} },
    first,
    { kind: 'retry', reason: 'rate_limited', afterMs: 5000 },
  ],
  ['the last attempt gives up', deferred, last, { kind: 'giveUp', reason: 'retries_exhausted' }],
  [
    'past the window it gives up',
    deferred,
    { ...first, ageMs: 3_600_000 },
    { kind: 'giveUp', reason: 'retries_exhausted' },
  ],
  [
    'a hint past the window gives up',
    { kind: 'deferred', retryAfterMs: 7_200_000, answer: {} },
    first,
    { kind: 'giveUp', reason: 'retries_exhausted' },
  ],
  [
    'wrong credentials pause the account, whatever the attempt',
    misconfigured,
    last,
    { kind: 'pauseAccount' },
  ],
  [
    'no answer, transactional: again, and said to be a possible duplicate',
    unknown,
    first,
    { kind: 'retry', possibleDuplicate: true },
  ],
  ['no answer, marketing: not again by itself', unknown, marketing, { kind: 'unknown', reason: 'no_answer' }],
  [
    'no answer to the last attempt stays unknown, it is not called failed',
    unknown,
    last,
    { kind: 'unknown', reason: 'no_answer' },
  ],
  [
    'with another account the retry avoids this one',
    deferred,
    { ...first, otherAccounts: 1 },
    { kind: 'retry', avoidAccount: true },
  ],
];

describe('afterAttempt', () => {
  it.each(cases)('%s', (_, outcome, facts, next) => {
    expect(afterAttempt(outcome, facts, policy, 0.5)).toMatchObject(next);
  });

  it('sends what may have arrived six times at most, however many attempts there are', () => {
    const next = (attempt: number, outcome: Outcome) =>
      afterAttempt(outcome, { ...first, attempt }, { ...policy, attempts: 40 }, 0).kind;
    expect(next(5, unknown)).toBe('retry');
    expect(next(6, unknown)).toBe('unknown');
    expect(next(6, deferred)).toBe('retry');
  });

  it('never waits less than half a step or more than the longest', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 40 }),
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        (attempt, random) => {
          const wait = backoff(policy, attempt, random);
          const step = Math.min(policy.maxBackoffMs, policy.backoffMs * 2 ** (attempt - 1));
          expect(wait).toBeGreaterThanOrEqual(step / 2 - 1);
          expect(wait).toBeLessThanOrEqual(step);
        },
      ),
    );
  });

  it('ends: no sequence of failures is retried more often than the policy says', () => {
    const failing = fc.constantFrom<Outcome>(deferred, unknown, { kind: 'rateLimited', answer: {} });
    fc.assert(
      fc.property(fc.array(failing, { minLength: 10, maxLength: 10 }), (outcomes) => {
        let attempts = 0;
        for (const outcome of outcomes) {
          attempts += 1;
          if (afterAttempt(outcome, { ...first, attempt: attempts }, policy, 0).kind !== 'retry') break;
        }
        expect(attempts).toBeLessThanOrEqual(policy.attempts);
      }),
    );
  });
});

describe('combineDevices', () => {
  const combos: [string, Outcome[], Outcome['kind']][] = [
    ['one device accepted is enough', [rejected, deferred, accepted], 'accepted'],
    ['all refused is refused', [rejected, rejected], 'rejected'],
    ['some may still answer', [rejected, deferred], 'deferred'],
    ['unknown beside refused stays unknown', [rejected, unknown], 'unknown'],
    ['an account that is wrong is wrong for every device', [rejected, misconfigured], 'misconfigured'],
    ['no device at all is refused', [], 'rejected'],
  ];
  it.each(combos)('%s', (_, outcomes, kind) => expect(combineDevices(outcomes).kind).toBe(kind));
});
