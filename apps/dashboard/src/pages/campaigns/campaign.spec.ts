import { describe, expect, it } from '@jest/globals';
import type { Campaign } from '@carillon/contracts';
import { weeksOf } from './campaign.js';

const planned = (state: string, startsAt: string | null, start: object): Campaign =>
  ({ state, startsAt, definition: { start }, runs: [] }) as unknown as Campaign;
const daysOf = (campaign: Campaign): string[] =>
  weeksOf('2027-03', [campaign]).flatMap(({ day, marks }) =>
    marks.map(() => `${day.getMonth() + 1}-${day.getDate()}`),
  );

describe('a month of campaigns', () => {
  const local = { kind: 'local', date: '2027-03-20', time: '09:00' };
  it.each([
    // Its run begins where the day begins first, most of a day before it is that time here.
    ['at times of people, scheduled', planned('scheduled', '2027-03-19T19:00:00Z', local), ['3-20']],
    ['at times of people, a draft', planned('draft', null, local), ['3-20']],
    [
      'at hours of people, scheduled',
      planned('scheduled', '2027-03-19T22:00:00Z', { kind: 'best', date: '2027-03-20', otherwise: 12 }),
      ['3-20'],
    ],
    [
      'recurring, scheduled',
      planned('scheduled', '2027-03-08T12:00:00Z', { kind: 'recurring', rule: 'FREQ=WEEKLY' }),
      ['3-8'],
    ],
    ['over', planned('completed', '2027-03-19T19:00:00Z', local), []],
  ])('shows one %s on its day', (_what, campaign, days) => {
    expect(daysOf(campaign)).toEqual(days);
  });
});
