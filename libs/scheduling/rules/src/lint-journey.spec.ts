/** What is said about journeys that would not work. */
import { describe, expect, it } from '@jest/globals';
import { JourneyDefinition, type JourneyDefinitionInput } from '@carillon/contracts';
import { journeyListens, journeyNames, lintJourney } from './index.js';

const journey = (steps: JourneyDefinitionInput['steps'], more: Partial<JourneyDefinitionInput> = {}) =>
  JourneyDefinition.parse({
    entry: { kind: 'event', event: 'cart.updated' },
    start: Object.keys(steps)[0],
    steps,
    ...more,
  });
const codes = (...given: Parameters<typeof journey>) =>
  lintJourney(journey(...given)).map(({ code }) => code);

describe('linting', () => {
  it('has nothing to say about a journey that works', () => {
    expect(
      lintJourney(
        journey({
          pause: { kind: 'wait', for: '1h', next: 'say' },
          say: { kind: 'send', channels: ['email'], template: 'cart', next: 'hear' },
          hear: {
            kind: 'listen',
            within: '1d',
            for: [{ on: { message: 'clicked', step: 'say' } }],
            otherwise: 'say',
          },
        }),
      ),
    ).toEqual([]);
  });

  it('finds a ring without a wait, and names its steps', () => {
    const [finding] = lintJourney(
      journey({
        a: { kind: 'emit', event: 'tick', next: 'b' },
        b: { kind: 'condition', branches: [{ if: { data: 'x', exists: true }, next: 'a' }], otherwise: null },
      }),
    );
    expect(finding).toMatchObject({ level: 'error', code: 'ring_without_wait' });
    expect(finding?.message).toContain('“a” → “b” → “a”');
  });
  it('lets a ring be that waits', () => {
    expect(
      codes({ a: { kind: 'wait', for: '1d', next: 'b' }, b: { kind: 'emit', event: 'tick', next: 'a' } }),
    ).toEqual([]);
  });
  it('does not take waiting until a date for a wait in a ring: the date may be past', () => {
    expect(codes({ a: { kind: 'wait', until: { date: 'birthday' }, next: 'a' } })).toEqual([
      'ring_without_wait',
    ]);
  });
  it('walks a chain of five hundred steps', () => {
    const steps: JourneyDefinitionInput['steps'] = {};
    for (let n = 0; n < 500; n++)
      steps[`s${n}`] = { kind: 'emit', event: 'e', next: n < 499 ? `s${n + 1}` : null };
    expect(lintJourney(journey(steps))).toEqual([]);
  });

  const table: [string, Parameters<typeof journey>, string][] = [
    [
      'a way to a step that is not there',
      [{ a: { kind: 'wait', for: '1h', next: 'nowhere' } }],
      'no_such_step',
    ],
    ['a start that is not there', [{ a: { kind: 'end' } }, { start: 'b' }], 'no_such_step'],
    ['a step nobody comes to', [{ a: { kind: 'end' }, b: { kind: 'end' } }], 'unreachable'],
    [
      'content that is missing for a channel',
      [{ a: { kind: 'send', channels: ['email', 'sms'], content: { sms: { body: 'x' } } } }],
      'no_content',
    ],
    [
      'listening for a step that sends nothing',
      [{ a: { kind: 'listen', within: '1d', for: [{ on: { message: 'opened', step: 'a' } }] } }],
      'no_such_message',
    ],
    ['a zone that is not there', [{ a: { kind: 'end' } }, { zone: 'Mars/Olympus' }], 'unknown_zone'],
    [
      'a wait longer than the stay',
      [{ a: { kind: 'wait', for: '90d' } }, { mostStay: '30d' }],
      'longer_than_stay',
    ],
    [
      'a window that is empty',
      [{ a: { kind: 'end' } }, { window: { from: '2027-01-02T00:00:00Z', until: '2027-01-01T00:00:00Z' } }],
      'empty_window',
    ],
    [
      'a schedule that is no rule',
      [
        { a: { kind: 'end' } },
        {
          entry: {
            kind: 'schedule',
            audience: 'all',
            at: { rule: 'OFTEN', from: '2027-01-01T09:00', zone: 'UTC' },
          },
        },
      ],
      'unknown_rule',
    ],
    [
      'a call that would be waited for too long',
      [{ a: { kind: 'call', url: 'https://example.com', timeout: '5m' } }],
      'too_long',
    ],
  ];
  it.each(table)('finds %s', (_, given, code) => {
    expect(codes(...given)).toContain(code);
  });

  it.each<[string, Parameters<typeof journey>[1], string]>([
    [
      'a time',
      { entry: { kind: 'schedule', audience: 'all', at: { at: '2027-01-01T09:00:00Z' } } },
      '/entry/at/at',
    ],
    [
      'a schedule',
      {
        entry: {
          kind: 'schedule',
          audience: 'all',
          at: { rule: 'FREQ=DAILY;COUNT=2', from: '2027-01-01T09:00', zone: 'UTC' },
        },
      },
      '/entry/at',
    ],
    ['a window', { window: { until: '2027-01-01T00:00:00Z' } }, '/window/until'],
  ])('finds %s that is past', (_, more, pointer) => {
    const definition = journey({ a: { kind: 'end' } }, more);
    expect(lintJourney(definition)).toEqual([]);
    expect(lintJourney(definition, new Date('2026-12-31T00:00:00Z'))).toEqual([]);
    expect(lintJourney(definition, new Date('2027-02-01T00:00:00Z'))).toMatchObject([
      { level: 'error', code: 'past', at: pointer },
    ]);
  });

  it('says what has to be there elsewhere, with where it is named', () => {
    const names = journeyNames(
      journey(
        {
          say: { kind: 'send', channels: ['email'], template: { key: 'cart', version: 2 }, next: 'ask' },
          ask: {
            kind: 'condition',
            branches: [{ if: { not: { audience: 'vip' } }, next: 'put' }],
            otherwise: null,
          },
          put: { kind: 'list', audience: 'seen', change: 'join', next: 'go' },
          go: { kind: 'start', journey: 'welcome' },
        },
        { exits: [{ name: 'left', on: { audience: 'buyers', change: 'leave' } }] },
      ),
    );
    expect(names.templates).toMatchObject([{ key: 'cart', version: 2, at: '/steps/say/template' }]);
    expect(names.audiences).toMatchObject([
      { key: 'vip', use: 'any', at: '/steps/ask/branches/0/if/not/audience' },
      { key: 'seen', use: 'list' },
      { key: 'buyers', use: 'live', at: '/exits/0/on/audience' },
    ]);
    expect(names.journeys).toMatchObject([{ key: 'welcome', step: 'go' }]);
  });

  it('tells what a journey listens for', () => {
    const definition = journey(
      {
        hear: {
          kind: 'listen',
          within: '1d',
          for: [{ on: { message: 'opened' } }, { on: { event: 'paid' } }],
        },
      },
      { goal: { name: 'vip', on: { audience: 'vip', change: 'enter' } } },
    );
    expect(journeyListens(definition)).toEqual([
      'audience:vip',
      'event:cart.updated',
      'event:paid',
      'message',
    ]);
  });
});

describe('a journey that emits what lets people in', () => {
  const emit = { kind: 'emit' as const, event: 'go' };
  const rest = { kind: 'wait' as const, for: '1h', next: 'b' };
  const entry = { kind: 'event' as const, event: 'go' };
  const table: [string, JourneyDefinitionInput['steps'], Partial<JourneyDefinitionInput>, string[]][] = [
    ['for ever', { a: emit }, {}, ['error']],
    ['for ever, always', { a: emit }, { reentry: { kind: 'always' } }, ['error']],
    ['after a wait', { a: rest, b: emit }, {}, ['warning']],
    ['only so often', { a: emit }, { reentry: { kind: 'after', wait: '1d' } }, ['warning']],
    [
      'under a condition',
      { a: emit },
      { entry: { ...entry, where: [{ property: 'n', above: 0 }] } },
      ['warning'],
    ],
    ['once', { a: emit }, { reentry: { kind: 'never' } }, []],
    ['another event', { a: { ...emit, event: 'went' } }, {}, []],
  ];
  it.each(table)('%s', (_, steps, more, levels) => {
    const found = lintJourney(journey(steps, { entry, ...more })).filter(
      ({ code }) => code === 'feeds_itself',
    );
    expect(found.map(({ level }) => level)).toEqual(levels);
  });
});
