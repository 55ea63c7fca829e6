import { describe, expect, it } from '@jest/globals';
import { afterWebhook, webhookWaitsMs, type WebhookFacts } from './after-webhook.js';

const now = new Date('2027-03-01T12:00:00Z');
const facts = (over: Partial<WebhookFacts>): WebhookFacts => ({
  status: 500,
  tries: 1,
  failingSince: null,
  now,
  ...over,
});
const ago = (ms: number) => new Date(now.getTime() - ms);
const DAY = 86_400_000;

describe('afterWebhook', () => {
  it.each([200, 201, 202, 204, 299])('%d is a success', (status) => {
    expect(afterWebhook(facts({ status, failingSince: ago(9 * DAY) }), 0)).toEqual({
      kind: 'sent',
      disable: null,
    });
  });

  it.each([null, 300, 301, 302, 304, 307, 308, 400, 401, 404, 429, 500, 503])('%s is a failure', (status) => {
    expect(afterWebhook(facts({ status }), 0.5)).toEqual({ kind: 'retry', afterMs: 5000, disable: null });
  });

  it('waits 5 s, 5 m, 30 m, 2 h, 5 h, 10 h, 10 h, and gives up after the eighth attempt', () => {
    const waits = Array.from({ length: 8 }, (_, n) => afterWebhook(facts({ tries: n + 1 }), 0.5));
    expect(waits.map((w) => (w.kind === 'retry' ? w.afterMs / 1000 : w.kind))).toEqual([
      5,
      300,
      1800,
      7200,
      18_000,
      36_000,
      36_000,
      'failed',
    ]);
  });

  it('spreads its waits', () => {
    expect(afterWebhook(facts({ tries: 2 }), 0)).toMatchObject({ afterMs: 270_000 });
    expect(afterWebhook(facts({ tries: 2 }), 0.999)).toMatchObject({ afterMs: 329_940 });
  });

  it.each<[string | undefined, number]>([
    ['120', 120_000],
    ['2', 5000], // shorter than the schedule: the schedule stands
    ['999999', 36_000_000], // no longer than 10 hours
    [new Date(now.getTime() + 60_000).toUTCString(), 60_000],
    ['yesterday', 5000],
    ['-7', 5000],
    ['', 5000],
    [undefined, 5000],
  ])('Retry-After %s', (retryAfter, afterMs) => {
    expect(afterWebhook(facts({ status: 503, retryAfter }), 0.5)).toMatchObject({ afterMs });
  });

  it('410 ends it at once', () => {
    expect(afterWebhook(facts({ status: 410 }), 0)).toEqual({
      kind: 'failed',
      disable: expect.stringContaining('410'),
    });
  });

  it('five days of failures disable the endpoint, and not a moment less', () => {
    const after = (failingSince: Date) => afterWebhook(facts({ failingSince }), 0).disable;
    expect(after(ago(5 * DAY - 1))).toBeNull();
    expect(after(ago(5 * DAY))).toContain('5 days');
    // The message itself is not lost: it goes out when somebody enables the endpoint.
    expect(afterWebhook(facts({ failingSince: ago(5 * DAY) }), 0).kind).toBe('retry');
  });

  it('all attempts take less than the endpoint is given', () => {
    expect(webhookWaitsMs.reduce((a, b) => a + b * 1.1, 0)).toBeLessThan(2 * DAY);
  });
});
