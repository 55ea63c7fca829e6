import { describe, expect, it } from '@jest/globals';
import type { JourneyDefinition } from '@carillon/contracts';
import { ready } from './ready.js';
import { why, type Known } from './why.js';

const cart = ready.find(({ key }) => key === 'abandoned-cart')?.definition as JourneyDefinition;
const now = new Date('2026-12-10T12:00:00Z');
const known: Known = {
  journey: { state: 'live', whilePaused: null, liveAt: '2026-12-01T00:00:00Z' },
  definition: cart,
  events: [{ name: 'cart.updated', at: '2026-12-10T11:00:00Z' }],
  enrollments: [],
  now,
};
const left = (endedAt: string): Known['enrollments'] => [
  { state: 'ended', step: null, outcome: 'goal', enteredAt: '2026-12-02T00:00:00Z', endedAt, reason: null },
];
const hindrances = (more: Partial<Known>): string[] =>
  why({ ...known, ...more }).flatMap(({ good, sentence }) => (good ? [] : [sentence]));

describe('why nothing happened', () => {
  it.each<[string, Partial<Known>, string[]]>([
    ['nothing hinders', {}, []],
    ['nobody', { events: null }, ['There is nobody with this external id.']],
    ['a draft', { definition: null }, ['The journey was never live: nobody enters a draft.']],
    [
      'paused',
      { journey: { ...known.journey, state: 'paused', whilePaused: 'discard' } },
      ['The journey is paused: nobody moves, and what happens is forgotten.'],
    ],
    ['closed', { journey: { ...known.journey, state: 'closed' } }, ['The journey is closed: nobody enters.']],
    ['another event', { events: [] }, ['Nothing called cart.updated is among their last events.']],
    [
      'an event of before',
      { events: [{ name: 'cart.updated', at: '2026-11-01T00:00:00Z' }] },
      ['Their last cart.updated came before the journey went live'],
    ],
    [
      'inside',
      { enrollments: [{ ...left('')[0], state: 'inside', step: 'remind', endedAt: null } as never] },
      ['They are inside already, at remind, since'],
    ],
    [
      'parked',
      { enrollments: [{ ...left('')[0], state: 'parked', step: 'remind', reason: 'no template' } as never] },
      ['They are inside, and the step remind failed: no template.'],
    ],
    [
      'too soon',
      { enrollments: left('2026-12-10T00:00:00Z') },
      ['They may come again 1d after leaving, and left'],
    ],
    ['soon enough', { enrollments: left('2026-12-09T00:00:00Z') }, []],
    [
      'never again',
      { enrollments: left('2026-12-03T00:00:00Z'), definition: { ...cart, reentry: { kind: 'never' } } },
      ['They have been inside, and nobody enters twice. They left as goal'],
    ],
    [
      'a window that is over',
      { definition: { ...cart, window: { until: '2026-12-05T00:00:00Z' } } },
      ['Its window is over'],
    ],
  ])('%s', (_, more, told) => {
    expect(hindrances(more)).toEqual(told);
  });
});
