import { describe, expect, it } from '@jest/globals';
import { reasons, statuses, type ReasonName } from '@carillon/contracts';
import { explain, inWords, sentenceOf, type ExplainFacts } from './explain.js';

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

const facts: ExplainFacts = {
  delivery: { ...delivery, class: 'transactional' },
  timeline: [
    { at: '2026-11-23T11:58:00Z', type: 'accepted', attempt: null, reason: null, provider: null, detail: {} },
    {
      at: '2026-11-23T11:59:00Z',
      type: 'deferred',
      attempt: 1,
      reason: 'retry',
      provider: 'twilio',
      detail: { code: 30008, message: 'Unknown error' },
    },
  ],
  account: { name: 'Texts', provider: 'twilio', paused: null },
  route: null,
  retry: { attempts: 8, windowMs: 1_800_000 },
  plannedAt: new Date('2026-11-23T11:58:00Z'),
  looksUp: true,
};
/** The same, but for this. */
const but = (change: Partial<ExplainFacts['delivery']>, more: Partial<ExplainFacts> = {}): ExplainFacts => ({
  ...facts,
  ...more,
  delivery: { ...facts.delivery, ...change },
});

describe('explain', () => {
  it('says where it stands, why, and what comes next', () => {
    expect(explain(facts, now)).toEqual({
      id: 'd',
      verdict: 'This SMS is waiting: the last attempt failed in a way that may pass; it will be tried again.',
      because: [
        'twilio said: 30008 Unknown error.',
        'It went through the account “Texts” (twilio).',
        'It was handed over once. 7 more attempts are left, the last in 28 minutes at the latest.',
      ],
      next: 'It is tried again in 4 minutes (2026-11-23T12:04:00Z) by the account “Texts”, or by another account if there is one.',
      youCan: ['Cancel or reschedule its message.'],
    });
  });

  it('names the rule that stopped it, and those that did not', () => {
    const { because } = explain(
      but(
        { status: 'suppressed', reason: 'unsubscribed', attempts: 0, dueAt: null },
        {
          account: null,
          timeline: [
            {
              at: '2026-11-23T11:59:00Z',
              type: 'suppressed',
              attempt: null,
              reason: 'unsubscribed',
              provider: null,
              detail: { gate: 'expiry: passed; address: passed; consent: suppress (unsubscribed)' },
            },
          ],
        },
      ),
      now,
    );
    expect(because).toEqual([
      'The rule “consent” decided: suppress (unsubscribed). Before it, these had no objection: expiry, address.',
    ]);
  });

  it('tells of the steps of its route, and of a paused account', () => {
    const { because, next, youCan } = explain(
      but(
        { reason: 'account_paused', attempts: 0 },
        {
          timeline: [],
          account: { name: 'Texts', provider: 'twilio', paused: 'The provider refused the credentials' },
          route: [
            { channel: 'email', status: 'failed', own: false, unless: null },
            { channel: 'sms', status: 'scheduled', own: true, unless: 'delivered' },
          ],
        },
      ),
      now,
    );
    expect(because).toEqual([
      'The account “Texts” is paused: the provider refused the credentials.',
      'It is step 2 of 2 of a route. The others: 1. email: failed.',
    ]);
    expect(next).toContain('when the account is resumed');
    expect(youCan).toContain('Mend the account “Texts”, then resume it.');
  });

  it('says who decided, and that it may be a duplicate', () => {
    const { because } = explain(
      but(
        { status: 'sent', reason: null, possibleDuplicate: true, attempts: 2, dueAt: null },
        {
          timeline: [
            {
              at: '2026-11-23T11:59:00Z',
              type: 'resolved',
              attempt: null,
              reason: null,
              provider: null,
              detail: { by: 'Ada Bell', as: 'resend', note: 'she called' },
            },
          ],
        },
      ),
      now,
    );
    expect(because).toEqual([
      'It went through the account “Texts” (twilio).',
      'It was handed over twice.',
      'An earlier attempt ended without an answer and may have arrived, so this may be a duplicate.',
      'Ada Bell decided to send it again at 2026-11-23T11:59:00Z: “she called”.',
    ]);
  });

  it.each([
    [true, '2026-11-23T12:04:00Z', 'Its provider is asked again in 4 minutes'],
    [false, '2026-11-23T12:04:00Z', 'This provider cannot be asked'],
    [true, null, 'Nothing happens by itself'],
  ])('an unknown outcome: looks up %s, due %s', (looksUp, dueAt, words) => {
    const told = explain(but({ status: 'unknown', reason: 'no_answer', dueAt }, { looksUp }), now);
    expect(told.next).toContain(words);
    expect(told.youCan).toHaveLength(1);
  });

  it('has a sentence for every status and every reason', () => {
    for (const status of statuses)
      for (const [reason, { ends }] of Object.entries(reasons)) {
        const told = explain(but({ status, reason: ends === status ? (reason as ReasonName) : null }), now);
        for (const said of [told.verdict, told.next, ...told.because, ...told.youCan])
          expect(said).toMatch(/^[A-Z“a-z0-9].*[.”]$/);
        expect(JSON.stringify(told)).not.toMatch(/undefined|null|NaN/);
      }
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
