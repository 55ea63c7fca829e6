import { describe, expect, it } from '@jest/globals';
import type { CampaignOccurrence } from '@carillon/contracts';
import { daysOf, timeOf } from './campaign.js';

const shown = (at: string | null, local: string | null): Date => timeOf({ at, local } as CampaignOccurrence);

describe('a month of campaigns', () => {
  it('is six weeks from a Monday', () => {
    const days = daysOf('2027-03');
    expect(days).toHaveLength(42);
    expect(days[0]?.toDateString()).toBe('Mon Mar 01 2027');
    expect(days[41]?.toDateString()).toBe('Sun Apr 11 2027');
  });
  it('shows what goes by people’s own clocks on the day that they show', () => {
    expect(shown(null, '2027-03-20T23:30').getDate()).toBe(20);
    expect(shown(null, '2027-03-20T00:30').getHours()).toBe(0);
    expect(shown('2027-03-19T19:00:00Z', null).getTime()).toBe(Date.UTC(2027, 2, 19, 19));
  });
});
