/** Why nothing happened: what hinders, and what is said in the end. */
import { describe, expect, it } from '@jest/globals';
import { JourneyDefinition } from '@carillon/contracts';
import { explainJourney, type JourneyRecord } from './index.js';

const at = (text: string) => new Date(`2026-12-${text}Z`);
const now = at('10T12:00:00');
const cart = JourneyDefinition.parse({
  entry: { kind: 'event', event: 'cart.updated', where: [{ property: 'total', above: 10 }] },
  reentry: { kind: 'after', wait: '1d' },
  start: 'remind',
  steps: { remind: { kind: 'wait', for: '1h' } },
});
const event = { id: 'e', name: 'cart.updated', properties: { total: 12 }, at: at('10T11:00:00') };
const record: JourneyRecord = {
  journey: { state: 'live', whilePaused: null, liveAt: at('01T00:00:00') },
  definition: cart,
  event,
  waiting: null,
  refusals: [],
  ways: [],
  messages: [],
  zone: 'UTC',
  now,
};
type Way = JourneyRecord['ways'][number];
const way = (more: Partial<Way>): Way => ({
  state: 'ended',
  key: '',
  step: 'remind',
  dueAt: null,
  outcome: 'goal',
  reason: null,
  enteredAt: at('02T00:00:00'),
  endedAt: at('03T00:00:00'),
  ...more,
});
const inside = (more: Partial<Way>) => way({ state: 'inside', outcome: null, endedAt: null, ...more });

describe('why nothing happened', () => {
  it.each<[string, Partial<JourneyRecord>, string[], string]>([
    ['nothing hinders', {}, [], 'Nothing is on record that hinders them, and they did not enter.'],
    ['a draft', { definition: null }, [], 'The journey was never live: nobody enters a draft.'],
    [
      'paused',
      { journey: { ...record.journey, state: 'paused', whilePaused: 'discard' } },
      ['The journey is paused: nobody moves, and what happens is forgotten.'],
      'Nobody enters it now.',
    ],
    [
      'closed',
      { journey: { ...record.journey, state: 'closed' } },
      ['The journey is closed: nobody enters.'],
      'Nobody enters it now.',
    ],
    [
      'nothing of the kind',
      { event: undefined },
      ['Nothing called cart.updated is among what they did.'],
      'Nothing that happened lets them in.',
    ],
    [
      'an event that is not there',
      { event: null },
      ['There is no such event of theirs on record.'],
      'Nothing that happened lets them in.',
    ],
    [
      'another event',
      { event: { ...event, name: 'page.viewed' } },
      ['It is entered by cart.updated, and this was page.viewed.'],
      'Nothing that happened lets them in.',
    ],
    [
      'a property that does not fit',
      { event: { ...event, properties: { total: 3 } } },
      ['total is 3, and must be above 10.'],
      'Nothing that happened lets them in.',
    ],
    [
      'an event of before',
      { event: { ...event, at: new Date('2026-11-01') } },
      ['They did cart.updated before the journey went live.'],
      'Nothing that happened lets them in.',
    ],
    [
      'not taken yet',
      { waiting: { since: now, held: false, problem: null } },
      [],
      'It has not been looked at yet.',
    ],
    [
      'set aside',
      { waiting: { since: now, held: true, problem: 'no such thing' } },
      ['What happened was set aside: no such thing'],
      'What happened could not be taken.',
    ],
    [
      'refused',
      { refusals: [{ reason: 'cap_reached', at: now }] },
      ['As many have entered as may.'],
      'They were not let in.',
    ],
    ['inside', { ways: [inside({ dueAt: at('11T00:00:00') })] }, [], 'They are inside, and wait.'],
    [
      'parked',
      { ways: [inside({ state: 'parked', reason: 'no template' })] },
      ['They are inside, and step “remind” failed: no template.'],
      'They are inside, and stand still: their step failed again and again.',
    ],
    [
      'too soon',
      { ways: [way({ endedAt: at('10T00:00:00') })], refusals: [{ reason: 'too_soon', at: now }] },
      ['The person has left it too shortly before.', 'They left as goal, and may come again 1d later.'],
      'They were not let in.',
    ],
    [
      'never again',
      { definition: { ...cart, reentry: { kind: 'never' } }, ways: [way({})] },
      ['They left as goal, and nobody enters twice.'],
      'Nothing is on record that hinders them, and they did not enter.',
    ],
    [
      'over already',
      { ways: [way({ enteredAt: at('10T11:00:01'), endedAt: at('10T11:30:00') })] },
      ['They left as goal, and may come again 1d later.'],
      'They were inside, and have left.',
    ],
    [
      'a message that the gate held back',
      {
        ways: [inside({})],
        messages: [
          { step: 'hello', channel: 'email', status: 'suppressed', reason: 'topic_opt_out', at: now },
        ],
      },
      ['What step “hello” says by email is suppressed: topic opt out.'],
      'They are inside.',
    ],
    [
      'a window that is over',
      { definition: { ...cart, window: { until: '2026-12-05T00:00:00Z' } } },
      [],
      'Its window is over.',
    ],
  ])('%s', (_, more, hindrances, verdict) => {
    const told = explainJourney({ ...record, ...more });
    expect(told.because.flatMap(({ good, sentence }) => (good ? [] : [sentence]))).toEqual(hindrances);
    expect(told.verdict).toBe(verdict);
    expect(told.next).toMatch(/\.$/);
  });
});
