import { describe, expect, it } from '@jest/globals';
import { reasons, type ReasonName } from '@carillon/contracts';
import fc from 'fast-check';
import { adviceFor, causeOf, normalWords } from './cause.js';

describe('the words of a cause', () => {
  it.each([
    ['550 5.1.1 <ada@example.com>: Recipient address rejected', '… 5.1.1 <…>: Recipient address rejected'],
    [
      '550-5.7.26 This mail has been blocked, see https://support.example.com/a?id=77 for details.',
      '…-5.7.26 This mail has been blocked, see … for details.',
    ],
    ['connect to 192.0.2.17:25 timed out after 30000 ms', 'connect to … timed out after … ms'],
    [`The number '+15005550101' is not a valid phone number`, 'The number … is not a valid phone number'],
    ['queued as 4F9A1B22C3D for 0193a1b2-7c4d-7e5f-8a9b-0c1d2e3f4a5b', 'queued as … for …'],
    ['Mailbox full', 'Mailbox full'],
    ['try again\r\nlater', 'try again later'],
  ])('%s', (said, words) => expect(normalWords(said)).toBe(words));

  it('do not depend on whom a failure is about', () => {
    fc.assert(
      fc.property(fc.emailAddress(), fc.uuid(), fc.nat(), (email, id, n) => {
        const said = (e: string, i: string, k: number) =>
          `Message ${i} to <${e}> was refused after ${k} tries (5.7.1)`;
        expect(normalWords(said(email, id, n))).toBe(
          normalWords(said('ada@example.com', '0193a1b2-7c4d-7e5f-8a9b-0c1d2e3f4a5b', 7)),
        );
      }),
    );
  });

  it('are short, whatever was said, and stay what they are', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 4000, unit: 'grapheme' }), (said) => {
        const words = normalWords(said);
        expect(words.length).toBeLessThanOrEqual(200);
        expect(words).not.toMatch(/[\u0000-\u001f]/);
      }),
    );
  });
});

describe('a cause', () => {
  const facts = {
    reason: 'rejected',
    provider: 'smtp',
    code: '550',
    message: 'No such user bo@x.org',
  } as const;
  it('is the same for people who differ, and another for another code, provider or reason', () => {
    expect(causeOf({ ...facts, message: 'No such user al@y.org' })).toBe(causeOf(facts));
    expect(causeOf({ ...facts, code: '554' })).not.toBe(causeOf(facts));
    expect(causeOf({ ...facts, provider: 'ses' })).not.toBe(causeOf(facts));
    expect(causeOf({ ...facts, reason: 'bounced' })).not.toBe(causeOf(facts));
  });
  it('has a sentence on what to do', () => {
    for (const [reason, { ends }] of Object.entries(reasons))
      if (['failed', 'unknown', 'expired'].includes(ends))
        expect(adviceFor(reason as ReasonName)).toMatch(/^[A-Z].*\.$/);
  });
});
