import { describe, expect, it } from '@jest/globals';
import { brief, percent, points, tally } from './tally.js';

describe('tally', () => {
  it('adds up every status once', () => {
    const sum = tally([
      { channel: 'email', status: 'delivered', count: 5 },
      { channel: 'email', status: 'queued', count: 2 },
      { channel: 'sms', status: 'scheduled', count: 1 },
      { channel: 'sms', status: 'expired', count: 3 },
    ]);
    expect(sum.total).toBe(11);
    expect(sum.byGroup).toMatchObject({ delivered: 5, pending: 3, ended: 3, failed: 0 });
    expect(sum.byChannel.sms.total).toBe(4);
    expect(sum.byChannel.push.total).toBe(0);
  });
});

describe('points', () => {
  const counts = {
    from: '2026-11-24T09:20:00.000Z',
    to: '2026-11-24T12:10:00.000Z',
    totals: [],
    series: [
      { at: '2026-11-24T10:00:00.000Z', channel: 'email' as const, status: 'sent' as const, count: 2 },
      { at: '2026-11-24T10:00:00.000Z', channel: 'sms' as const, status: 'sent' as const, count: 3 },
      { at: '2026-11-24T12:00:00.000Z', channel: 'sms' as const, status: 'failed' as const, count: 1 },
    ],
  };
  it('fill the hours in which nothing was sent', () => {
    const all = points(counts, 'hour', 'status');
    expect(all.map(({ at }) => new Date(at).getUTCHours())).toEqual([9, 10, 11, 12]);
    expect(all[1]).toMatchObject({ sent: 5 });
    expect(all[2]).toEqual({ at: Date.parse('2026-11-24T11:00:00Z') });
  });
  it('go by channel as well', () => {
    expect(points(counts, 'day', 'channel')).toEqual([{ at: Date.parse('2026-11-24'), email: 2, sms: 4 }]);
  });
});

describe('numbers', () => {
  it.each([
    [0, 0, '—'],
    [0, 10, '0 %'],
    [10, 10, '100 %'],
    [1, 1_000_000, '< 0.1 %'],
    [999_999, 1_000_000, '> 99.9 %'],
    [1, 3, '33.3 %'],
  ])('%d of %d is %s', (part, total, text) => expect(percent(part, total)).toBe(text));
  it('shorten only when they are long', () => {
    expect(brief(30_001)).toBe('30,001');
    expect(brief(1_250_000)).toBe('1.3M');
  });
});
