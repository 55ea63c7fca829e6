/** Journeys of the fixture server, and small imitations of what it finds, counts and remembers about them. */
import type {
  Enrollment,
  EnrollmentHistory,
  Journey,
  JourneyDefinition,
  JourneyExplanation,
  JourneyFinding,
  JourneyNumbers,
  JourneySimulation,
  JourneyVersion,
  SimulatedPerson,
  SimulatedWay,
  ParkedSignal,
} from '@carillon/contracts';
import { ready } from '../src/pages/journeys/ready.js';
import { ago, newId, profiles } from './fixtures.js';

const definitionOf = (key: string): JourneyDefinition =>
  ready.find((one) => one.key === key)?.definition as JourneyDefinition;

const journey = (key: string, more: Partial<Journey>): Journey => ({
  id: newId(),
  key,
  name: ready.find((one) => one.key === key)?.name ?? key,
  description: '',
  state: 'draft',
  definition: definitionOf(key),
  revision: 1,
  version: null,
  newest: 0,
  changed: true,
  reason: null,
  whilePaused: null,
  inside: 0,
  nextAt: null,
  createdBy: 'Dana Bell',
  createdAt: ago(900_000),
  updatedAt: ago(7200),
  liveAt: null,
  ...more,
});
const cart = definitionOf('abandoned-cart');
/** The draft of the cart waits longer, says more at the end and has lost its discount. */
const { discount: _, ...kept } = cart.steps;
export const cartDraft: JourneyDefinition = {
  ...cart,
  mostStay: '14d',
  steps: {
    ...kept,
    'a-day': { kind: 'wait', for: '2d', next: 'worth-it' },
    'worth-it': {
      kind: 'condition',
      name: 'Worth more?',
      branches: [
        {
          name: 'Above 100',
          if: {
            and: [
              { data: ['event', 'total'], above: 100 },
              { attribute: 'plan', is: 'pro' },
            ],
          },
          next: 'call-shop',
        },
      ],
      otherwise: null,
    },
    'call-shop': {
      kind: 'call',
      name: 'Tell the shop',
      url: 'https://shop.example/carts',
      method: 'POST',
      headers: {},
      timeout: '10s',
      tries: 3,
      next: null,
      onError: null,
    },
  },
};
export const journeys = (): Journey[] => [
  journey('abandoned-cart', {
    state: 'live',
    definition: cartDraft,
    revision: 7,
    version: 2,
    newest: 2,
    inside: 1304,
    liveAt: ago(400_000),
  }),
  journey('login-code', {
    state: 'live',
    version: 1,
    newest: 1,
    changed: false,
    inside: 3,
    liveAt: ago(9000),
  }),
  journey('welcome', {}),
  journey('win-back', {
    state: 'paused',
    version: 1,
    newest: 1,
    changed: false,
    inside: 88,
    reason: 'The offer is being looked at.',
    whilePaused: 'hold',
  }),
];
export const versionsOf = (one: Journey): JourneyVersion[] =>
  Array.from({ length: one.newest }, (_, n) => ({
    version: one.newest - n,
    definition: one.key === 'abandoned-cart' ? cart : one.definition,
    note: n === 0 ? 'Reminds an hour after the last change.' : 'The first.',
    inside: n === 0 ? one.inside - 13 : 13,
    createdBy: 'Dana Bell',
    createdAt: ago(400_000 + n * 100_000),
  }));
/** Steps of the first version where somebody stands, and what would stand for them. */
export const movedFrom = (steps: Record<string, string>) => [
  { step: 'a-day', people: 12, to: steps['a-day'] ?? 'a-day' },
  { step: 'old-offer', people: 1, to: steps['old-offer'] ?? null },
];
export const numbersOf = (one: Journey, version: number | null): JourneyNumbers => ({
  version,
  entered: 48_210,
  inside: one.inside,
  outcomes: [
    { outcome: 'goal', count: 9_377 },
    { outcome: 'done', count: 37_529 },
  ],
  refused: [{ reason: 'inside_already', count: 1_204 }],
  steps: Object.keys(definitionOf(one.key).steps).map((step, n) => ({
    step,
    entered: Math.round(48_210 / (n + 1)),
    waiting: n === 0 ? 1_100 : n === 2 ? 204 : 0,
    errors: n === 1 ? 3 : 0,
    ways: [
      { way: 'next', count: Math.round(40_000 / (n + 1)) },
      { way: 'otherwise', count: 812 },
    ],
  })),
});
export const enrollments: Enrollment[] = profiles.slice(0, 3).map((profile, n) => ({
  id: newId(),
  profile: { id: profile.id, externalId: profile.externalId },
  version: 2,
  key: '',
  state: n === 1 ? 'parked' : 'inside',
  step: n === 1 ? 'remind' : 'a-day',
  since: ago(3000 * (n + 1)),
  dueAt: n === 1 ? null : ago(-60_000),
  outcome: null,
  reason: n === 1 ? 'The template needs “cart.total”, which its data does not hold.' : null,
  data: { event: { total: 120, currency: 'EUR' } },
  enteredAt: ago(9000 * (n + 1)),
  endedAt: null,
}));
export const historyOf = (enrollment: Enrollment): EnrollmentHistory => ({
  enrollment,
  lines: [
    { no: 1, step: 'settle', kind: 'listen', way: 'otherwise', next: 'remind', detail: {}, at: ago(5400) },
    {
      no: 2,
      step: 'remind',
      kind: 'send',
      way: 'next',
      next: 'a-day',
      detail: { channels: 'email' },
      at: ago(5399),
    },
  ],
});
const simulatedAt = (hours: number): string => new Date(Date.UTC(2026, 11, 24, 9 + hours)).toISOString();
export const simulationOf = (one: Journey): JourneySimulation => ({
  id: newId(),
  version: null,
  definition: one.definition,
  createdBy: 'Dana Bell',
  createdAt: ago(60),
  seed: '1',
  startAt: simulatedAt(0),
  until: simulatedAt(720),
  ms: 412,
  people: 1000,
  entered: 1000,
  inside: 0,
  outcomes: [
    { outcome: 'done', count: 963 },
    { outcome: 'error', count: 37 },
  ],
  refused: [],
  steps: Object.keys(one.definition.steps).map((step, n) => ({
    step,
    entered: 1000 - n * 100,
    waiting: 0,
    errors: n === 1 ? 37 : 0,
    ways: [{ way: 'next', count: 1000 - n * 100 }],
  })),
  messages: [
    { step: 'remind', channel: 'email', status: 'delivered', reason: null, count: 871 },
    { step: 'remind', channel: 'email', status: 'suppressed', reason: 'unsubscribed', count: 92 },
  ],
  told: [{ step: 'remind', channel: 'email', type: 'opened', count: 344 }],
  kept: 1000,
});
export const simulatedPeople: SimulatedPerson[] = profiles.slice(0, 12).map((profile, no) => ({
  no,
  profile: profile.externalId,
  outcome: 'done',
  reason: null,
  step: null,
  entered: 1,
  steps: 3,
  messages: no % 3 === 0 ? 0 : 1,
}));
export const simulatedWay = (person: SimulatedPerson): SimulatedWay => ({
  person,
  visits: [
    {
      key: '',
      enteredAt: simulatedAt(0),
      endedAt: simulatedAt(25),
      outcome: 'done',
      reason: null,
      step: null,
      dueAt: null,
      lines: [
        { step: 'settle', kind: 'listen', way: 'otherwise', next: 'remind', detail: {}, at: simulatedAt(1) },
        { step: 'remind', kind: 'send', way: 'next', next: 'a-day', detail: {}, at: simulatedAt(1) },
        { step: 'a-day', kind: 'wait', way: 'next', next: 'worth-it', detail: {}, at: simulatedAt(25) },
      ],
      messages: [
        {
          step: 'remind',
          channel: 'email',
          class: 'marketing',
          status: 'delivered',
          reason: null,
          said: null,
          acceptedAt: simulatedAt(1),
          sentAt: simulatedAt(1),
          dueAt: null,
          timeline: [
            { type: 'accepted', at: simulatedAt(1) },
            { type: 'sent', at: simulatedAt(1) },
            { type: 'delivered', at: simulatedAt(1) },
            { type: 'opened', at: simulatedAt(4) },
          ],
          content: {
            channel: 'email',
            email: {
              from: null,
              to: 'ada@example.com',
              subject: 'You left something',
              html: null,
              text: 'Your cart waits for you.',
            },
          },
          problem: null,
        },
      ],
    },
  ],
  refused: [],
});
/** A little of what the linter finds. */
export const findingsOf = (definition: JourneyDefinition): JourneyFinding[] =>
  Object.entries(definition.steps).flatMap(([step, one]): JourneyFinding[] => {
    const say = (level: JourneyFinding['level'], at: string, message: string): JourneyFinding => ({
      level,
      code: 'fixture',
      at: `/steps/${step}${at}`,
      step,
      message,
    });
    if (one.kind === 'send' && !one.template && !one.content)
      return [say('error', '/template', 'say what to send: content, or template, not both')];
    if (one.kind === 'emit' && !one.event) return [say('error', '/event', 'say which event')];
    if (one.kind === 'call')
      return [say('warning', '/url', `Step “${step}” asks shop.example, which has not answered before.`)];
    return [];
  });

/** As the service says it of who is inside, and of who never was. */
export function explained(_one: Journey, profile: string): JourneyExplanation {
  const enrollment = enrollments.find((each) => each.profile.externalId === profile) ?? null;
  const live = { about: 'journey' as const, good: true, sentence: 'The journey is live.', at: ago(90_000) };
  return enrollment
    ? {
        verdict: 'They are inside, and wait.',
        because: [
          live,
          {
            about: 'way',
            good: true,
            sentence: `They are inside, at step “${enrollment.step ?? ''}”.`,
            at: enrollment.enteredAt,
          },
        ],
        next: 'They go on when their time comes, or when what they listen for happens.',
        nextAt: enrollment.dueAt,
        event: null,
        enrollment,
      }
    : {
        verdict: 'Nothing that happened lets them in.',
        because: [
          live,
          {
            about: 'event',
            good: false,
            sentence: 'Nothing called cart.updated is among what they did.',
            at: null,
          },
          { about: 'way', good: true, sentence: 'They have never been inside.', at: null },
        ],
        next: 'They enter when what it is entered by happens, as its conditions say.',
        nextAt: null,
        event: null,
        enrollment: null,
      };
}

export const parked: ParkedSignal[] = [
  {
    id: '42',
    profile: { id: profiles[0]!.id, externalId: profiles[0]!.externalId },
    kind: 'event',
    name: 'cart.updated',
    ref: newId(),
    reason: 'invalid input syntax for type uuid: "none"',
    at: ago(5000),
  },
];
