/**
 * The compiled SQL against the naive evaluator, on random rules and random people in a real PostgreSQL: both must choose
 * the same people. Values are drawn from few, so that rules and people meet; zones with odd clocks, leap days, texts that
 * are almost dates and values of the wrong JSON type are among them.
 */
import {
  compileAudience,
  compileRules,
  evaluateAudience,
  type NamedAudience,
  type Person,
  type World,
} from '@carillon/audience-rules';
import { AudienceDefinition, messageOutcomes, type Clause, type ClauseInput } from '@carillon/contracts';
import { newId } from '@carillon/database';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { audienceFixture, type AudienceFixture } from './audience.fixture.js';
import { storePeople } from './people.fixture.js';

const RUNS = 40;
/** Rules that are asked about each group of people. */
const RULES = 12;

// ── what there is ──

const zones = [
  'Europe/London',
  'America/New_York',
  'Pacific/Kiritimati',
  'Pacific/Pago_Pago',
  'Asia/Kathmandu',
  'Africa/Cairo',
  'America/Havana',
  'Australia/Lord_Howe',
  'Asia/Beirut',
  'UTC',
];
const strange = fc.constantFrom('Mars/Olympus', 'Europe/Nowhere');
const zone = fc.constantFrom(...zones);
/** Near the changes of clocks, the leap day and the ends of years. */
const now = fc.oneof(
  fc.constantFrom(
    '2026-03-29T00:59:59.999Z',
    '2026-10-25T01:00:00.000Z',
    '2027-02-28T12:00:00.000Z',
    '2028-02-29T23:30:00.000Z',
    '2026-04-24T22:00:00.000Z',
    '2026-12-31T23:59:59.999Z',
    '2026-03-08T05:00:00.000Z',
  ),
  fc
    .date({
      min: new Date('2026-01-01T00:00:00Z'),
      max: new Date('2028-12-31T00:00:00Z'),
      noInvalidDate: true,
    })
    .map((d) => d.toISOString()),
);
const HOUR = 3_600_000;
/** How far from now, in ms: on and beside the edges of the spans that rules use. */
const apart = fc
  .tuple(
    fc.constantFrom(0, 1, 12, 24, 48, 72, 24 * 7, 24 * 30, 24 * 365),
    fc.constantFrom(0, 0, 1, -1, HOUR, -HOUR),
  )
  .map(([hours, more]) => hours * HOUR + more);

const word = fc.constantFrom(
  'pro',
  'Pro',
  'basic',
  '',
  'ß',
  'é',
  'e\u0301',
  '日本',
  '🎉',
  "o'hara",
  '%_\\',
  '$1',
  'pro-max',
);
const number = fc.constantFrom(0, -0, 1, 2, 3, 0.1, 1e21 / 1e7, -5, 2.5, 1e-7);
const dateText = (base: Date): fc.Arbitrary<string> =>
  fc.oneof(
    apart.map((ms) => new Date(base.getTime() - ms).toISOString()),
    apart.map((ms) => new Date(base.getTime() + ms).toISOString()),
    apart.map((ms) => new Date(base.getTime() - ms).toISOString().slice(0, 10)),
    apart.map((ms) => new Date(base.getTime() + ms).toISOString().slice(0, 10)),
    fc.constantFrom(
      '1988-02-29',
      '1990-02-28',
      '2026-02-29',
      '2026-02-30',
      '2026-13-01',
      '0000-01-01',
      '2026-1-1',
      '2026-03-29T00:30:00+14:00',
      '2026-03-29T24:00:00Z',
      '2026-03-29T23:59:60Z',
      '2026-03-29T10:00Z',
      '2026-03-29T10:00:00.1239999Z',
      '2026-03-29T10:00:00+16:00',
      '2026-03-29 10:00:00Z',
      '2026-03-29\n',
      '٢٠٢٦-٠٣-٢٩',
      '1999-12-31T23:59:59-0500',
      'today',
    ),
  );
const scalar = fc.oneof(word, number, fc.boolean());
const jsonValue = (base: Date): fc.Arbitrary<unknown> =>
  fc.oneof(
    { weight: 4, arbitrary: scalar },
    { weight: 3, arbitrary: dateText(base) },
    { weight: 2, arbitrary: fc.array(scalar, { maxLength: 3 }) },
    fc.constant(null),
    fc.constant([['pro']]),
    fc.record(
      { city: fc.oneof(word, number), deep: fc.record({ city: word }, { requiredKeys: [] }) },
      { requiredKeys: [] },
    ),
  );
const attributeNames = ['plan', 'born', 'tags', 'größe', "it's", 'a.b'] as const;
const bag = (base: Date) =>
  fc.dictionary(fc.constantFrom(...attributeNames), jsonValue(base), { maxKeys: 5, noNullPrototype: true });
const eventNames = ['order.placed', 'app.opened', 'Größe'] as const;
const channels = ['email', 'sms', 'push', 'in-app'] as const;
const topics = ['', 'marketing', 'news', 'offers', 'daily', 'bills'] as const;
const described = new Map([
  ['daily', { path: ['daily', 'news'], transactional: false }],
  ['bills', { path: ['bills'], transactional: true }],
]);

const person = (base: Date): fc.Arbitrary<Person> => {
  const past = apart.map((ms) => new Date(base.getTime() - ms));
  const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: null });
  return fc
    .record({
      email: maybe(fc.constantFrom('ana@example.com', 'bo@example.org', 'cy@example.com')),
      phone: maybe(fc.constantFrom('+442071838750', '+13125550123')),
      locale: maybe(fc.constantFrom('en', 'fr-CA', 'fr')),
      timezone: maybe(fc.oneof({ weight: 5, arbitrary: zone }, strange)),
      phoneZone: maybe(fc.oneof({ weight: 5, arbitrary: zone }, strange)),
      createdAt: past,
      updatedAt: past,
      attributes: bag(base),
      activity: fc.oneof(
        fc.constant({}),
        fc.record({
          events: fc.nat(3),
          sent: fc.nat(3),
          opened: fc.nat(3),
          clicked: fc.nat(3),
          firstSeenAt: maybe(past),
          lastSeenAt: maybe(past),
          lastSentAt: maybe(past),
          lastOpenedAt: maybe(past),
          lastClickedAt: maybe(past),
        }),
      ),
      events: fc.array(fc.record({ name: fc.constantFrom(...eventNames), at: past, properties: bag(base) }), {
        maxLength: 5,
      }),
      messages: fc.array(
        fc.record({
          channel: fc.constantFrom(...channels),
          class: fc.constantFrom('marketing', 'transactional'),
          topic: maybe(fc.constantFrom('news', 'offers')),
          template: maybe(fc.constantFrom('welcome', 'spring')),
          from: fc.constantFrom(
            { source: 'api', sourceId: null, campaign: null },
            { source: 'campaign', sourceId: 'run-1', campaign: null },
            { source: 'campaign', sourceId: 'run-of-spring', campaign: 'spring' },
            { source: 'journey', sourceId: 'run-1', campaign: null },
          ),
          end: fc.constantFrom(
            ['sent', null],
            ['delivered', null],
            ['failed', 'bounced'],
            ['failed', 'rejected'],
            ['suppressed', 'unsubscribed'],
            ['unknown', 'no_answer'],
          ),
          createdAt: past,
          sentAt: maybe(past),
          deliveredAt: maybe(past),
          told: fc.array(
            fc.record({
              type: fc.constantFrom(
                'opened',
                'clicked',
                'read',
                'replied',
                'complained',
                'unsubscribed',
                'seen',
              ),
              at: past,
            }),
            { maxLength: 2 },
          ),
        }),
        { maxLength: 3 },
      ),
      consents: fc.uniqueArray(
        fc.record({
          channel: fc.constantFrom(...channels),
          topic: fc.constantFrom(...topics),
          word: fc.constantFrom('in' as const, 'out' as const, 'pending' as const),
          about: fc.constant('profile' as const),
        }),
        { maxLength: 6, selector: ({ channel, topic }) => `${channel} ${topic}` },
      ),
      devices: fc.array(
        fc.record({
          platform: fc.constantFrom('ios', 'android', 'web'),
          app: maybe(fc.constantFrom('shop', 'Größe')),
          lastSeenAt: past,
        }),
        { maxLength: 2 },
      ),
      listed: fc.boolean(),
    })
    .map(({ messages, events, listed, ...fields }) => {
      const id = newId();
      return {
        ...fields,
        id,
        externalId: `person ${id}`,
        events: events.map((event) => ({ ...event, id: newId() })),
        messages: messages.map(({ from, end, ...message }) => ({
          ...message,
          ...from,
          status: end[0] ?? 'sent',
          reason: end[1] ?? null,
        })),
        suppressions: [],
        memberOf: new Set(listed ? [LIST] : []),
      };
    });
};
const LIST = newId();

// ── what is asked ──

const span = fc.constantFrom('30m', '1h', '12h', '1d', '2d', '3d', '1w', '30d', '52w', '9999w');
const dayWord = fc.oneof(
  fc.constantFrom('today', 'yesterday', 'tomorrow', '1d ago', '3d ago', 'in 1d', 'in 1w', '365d ago'),
);
const moment = (base: Date): fc.Arbitrary<string> =>
  fc.oneof(
    fc.constantFrom('now', '1h ago', '24h ago', 'in 12h', '1w ago', 'in 52w'),
    dayWord,
    apart.map((ms) => new Date(base.getTime() - ms).toISOString()),
    apart.map((ms) => new Date(base.getTime() - ms).toISOString().slice(0, 10)),
  );
const values = fc.array(scalar, { minLength: 1, maxLength: 3 });
const filled = word.filter((s) => s !== '');
type Shape = Record<string, fc.Arbitrary<unknown>>;
const sizes: Shape = {
  above: number,
  atLeast: number,
  below: number,
  atMost: number,
  between: fc.tuple(number, number).map(([a, b]) => (a <= b ? [a, b] : [b, a])),
};
const same: Shape = { is: scalar, isNot: scalar, in: values, notIn: values, exists: fc.boolean() };
const texts: Shape = { contains: filled, startsWith: filled, endsWith: filled };
const timely = (base: Date): Shape => ({
  before: moment(base),
  since: moment(base),
  on: fc.oneof(
    dayWord,
    apart.map((ms) => new Date(base.getTime() - ms).toISOString().slice(0, 10)),
  ),
  anniversary: dayWord,
  withinLast: span,
  withinNext: span,
});
const oneOf = (...shapes: Shape[]): fc.Arbitrary<object> =>
  fc.oneof(
    ...Object.entries(Object.assign({}, ...shapes) as Shape).map(([key, value]) =>
      value.map((v) => ({ [key]: v })),
    ),
  );
const jsonTest = (base: Date) =>
  oneOf(same, sizes, texts, { hasAny: values, hasAll: values, hasNone: values }, timely(base));
const path = fc.oneof(
  fc.constantFrom(...attributeNames),
  fc.constantFrom(['plan', 'city'], ['plan', 'deep', 'city'], ['tags', '0'], ['born', 'city']),
);
const howOften = fc.constantFrom<object>(
  {},
  { atLeast: 1 },
  { atLeast: 2 },
  { atMost: 0 },
  { atMost: 1 },
  { atLeast: 1, atMost: 2 },
);
const optional = <T>(key: string, value: fc.Arbitrary<T>): fc.Arbitrary<object> =>
  fc.oneof(
    fc.constant({}),
    value.map((v) => ({ [key]: v })),
  );
const merged = (...parts: fc.Arbitrary<object>[]): fc.Arbitrary<object> =>
  fc.tuple(...parts).map((all) => Object.assign({}, ...all) as object);
const properties = (base: Date) =>
  optional(
    'where',
    fc.array(merged(fc.record({ property: path }), jsonTest(base)), { minLength: 1, maxLength: 2 }),
  );
const eventName = fc.constantFrom(...eventNames);

const leaf = (base: Date): fc.Arbitrary<ClauseInput> => {
  const window = merged(
    optional('within', span),
    optional(
      'since',
      apart.map((ms) => new Date(base.getTime() - ms).toISOString()),
    ),
    optional(
      'before',
      apart.map((ms) => new Date(base.getTime() - ms).toISOString()),
    ),
  );
  return fc.oneof(
    { weight: 5, arbitrary: merged(fc.record({ attribute: path }), jsonTest(base)) },
    {
      weight: 2,
      arbitrary: merged(
        fc.record({ field: fc.constantFrom('email', 'phone', 'locale', 'timezone', 'externalId') }),
        oneOf(same, texts, {
          is: fc.constantFrom('ana@EXAMPLE.com', 'Cy@example.com', 'fr', '+44 20 7183 8750'),
        }),
      ),
    },
    {
      weight: 1,
      arbitrary: merged(
        fc.record({ field: fc.constantFrom('createdAt', 'updatedAt') }),
        oneOf(timely(base), { exists: fc.boolean() }),
      ),
    },
    {
      weight: 1,
      arbitrary: merged(
        fc.record({ activity: fc.constantFrom('events', 'sent', 'opened', 'clicked') }),
        oneOf(sizes, { is: number }),
      ),
    },
    {
      weight: 1,
      arbitrary: merged(
        fc.record({
          activity: fc.constantFrom(
            'firstSeenAt',
            'lastSeenAt',
            'lastSentAt',
            'lastOpenedAt',
            'lastClickedAt',
          ),
        }),
        oneOf(timely(base), { exists: fc.boolean() }),
      ),
    },
    { weight: 4, arbitrary: merged(fc.record({ event: eventName }), howOften, window, properties(base)) },
    {
      weight: 2,
      arbitrary: merged(
        fc.record({ event: eventName, occurrence: fc.constantFrom('first', 'last') }),
        window,
        properties(base),
      ),
    },
    {
      weight: 2,
      arbitrary: merged(
        fc.record({ event: eventName }),
        window,
        properties(base),
        fc.record({
          then: merged(fc.record({ event: eventName }), optional('within', span), properties(base)),
        }),
      ),
    },
    {
      weight: 3,
      arbitrary: merged(
        fc.record({
          message: fc.constantFrom(...messageOutcomes),
        }),
        howOften,
        optional('within', span),
        optional('channel', fc.constantFrom(...channels)),
        optional('class', fc.constantFrom('marketing', 'transactional')),
        optional('topic', fc.constantFrom('news', 'offers')),
        optional('template', fc.constantFrom('welcome', 'spring', 'nowhere')),
        optional('campaign', fc.constantFrom('run-1', 'spring', 'run-of-spring')),
        optional('journey', fc.constantFrom('run-1')),
      ),
    },
    {
      weight: 2,
      arbitrary: merged(
        fc.record({ consent: fc.constantFrom(...channels), is: fc.constantFrom('in', 'out', 'unknown') }),
        optional('topic', fc.constantFrom('news', 'offers', 'daily', 'bills', 'marketing')),
      ),
    },
    {
      weight: 1,
      arbitrary: merged(
        fc.record({ suppressed: fc.constantFrom('email', 'sms') }),
        optional('reason', fc.constantFrom(['complained'], ['hard_bounced', 'suppressed_manually'])),
      ),
    },
    {
      weight: 1,
      arbitrary: merged(
        fc.record({ device: fc.constantFrom('any', 'ios', 'android', 'web') }),
        howOften,
        optional('app', fc.constantFrom('shop', 'Größe')),
        optional('seenWithin', span),
      ),
    },
    {
      weight: 1,
      arbitrary: fc.record({ audience: fc.constantFrom('listed', 'pros', 'few', 'part', 'nobody') }),
    },
    {
      weight: 1,
      arbitrary: fc.constantFrom(
        { share: { from: 0, to: 50 } },
        { share: { from: 50, to: 100 } },
        { share: { from: 12.5, to: 33.34, salt: 'Größe' } },
      ),
    },
  ) as fc.Arbitrary<ClauseInput>;
};
const clause = (base: Date): fc.Arbitrary<ClauseInput> =>
  fc.letrec<{ clause: ClauseInput; leaf: ClauseInput }>((tie) => ({
    leaf: leaf(base),
    clause: fc.oneof(
      { maxDepth: 3, depthIdentifier: 'clause' },
      { weight: 5, arbitrary: tie('leaf') },
      {
        weight: 2,
        arbitrary: fc
          .array(tie('clause'), { maxLength: 3, depthIdentifier: 'clause' })
          .map((and) => ({ and })),
      },
      {
        weight: 2,
        arbitrary: fc
          .array(tie('clause'), { minLength: 1, maxLength: 3, depthIdentifier: 'clause' })
          .map((or) => ({ or })),
      },
      { weight: 2, arbitrary: tie('clause').map((not) => ({ not })) },
    ),
  })).clause;
const subject = fc.oneof(
  fc.record({ attribute: path }),
  fc.record({ field: fc.constantFrom('email', 'locale', 'createdAt') }),
  fc.record({ activity: fc.constantFrom('events', 'lastSeenAt') }),
);
const definition = (base: Date): fc.Arbitrary<object> =>
  merged(
    fc.record({ where: clause(base) }),
    fc.oneof(
      { weight: 2, arbitrary: fc.constant({}) },
      merged(
        optional('dedupe', subject),
        optional(
          'order',
          fc.array(
            merged(
              fc.record({ by: subject }),
              optional('direction', fc.constantFrom('ascending', 'descending')),
            ),
            {
              maxLength: 2,
            },
          ),
        ),
        optional(
          'sample',
          fc.constantFrom(
            { percent: 50 },
            { percent: 30, salt: 'x' },
            { count: 3 },
            { count: 5, salt: '日' },
          ),
        ),
        optional('limit', fc.constantFrom(1, 3, 10)),
      ),
    ),
  );

// ── the two answers ──

const named = new Map<string, NamedAudience>([
  ['listed', { id: LIST }],
  [
    'pros',
    {
      id: newId(),
      definition: AudienceDefinition.parse({ where: { attribute: 'plan', in: ['pro', 'Pro'] } }),
    },
  ],
  [
    'few',
    {
      id: newId(),
      definition: AudienceDefinition.parse({
        where: { and: [] },
        order: [{ by: { attribute: 'plan' } }],
        limit: 4,
      }),
    },
  ],
  [
    'part',
    { id: newId(), definition: AudienceDefinition.parse({ where: { and: [] }, sample: { percent: 40 } }) },
  ],
]);

describe('rules in SQL and in memory', () => {
  let fixture: AudienceFixture;
  let known: string[];
  beforeAll(async () => {
    fixture = await audienceFixture();
    const { rows } = await fixture.owner.query<{ name: string }>('SELECT name FROM pg_timezone_names');
    known = rows.map(({ name }) => name);
  });
  afterAll(() => fixture.close());

  const chosen = (text: string, params: unknown[]) =>
    fixture.database.inWorkspace(fixture.here, (sql) =>
      sql.query<{ profile_id: string; holds?: number[] }>(text, params),
    );

  it('choose the same people', async () => {
    await fc.assert(
      fc.asyncProperty(
        now
          .map((text) => new Date(text))
          .chain((at) =>
            fc.record({
              at: fc.constant(at),
              zone,
              people: fc.array(person(at), { minLength: 1, maxLength: 25 }),
              suppressed: fc.subarray(['ana@example.com', 'bo@example.org', '+442071838750']),
              merges: fc.boolean(),
              definitions: fc.array(definition(at), { minLength: RULES, maxLength: RULES }),
            }),
          ),
        async ({ at, zone: workspaceZone, people: drawn, suppressed, merges, definitions }) => {
          const people = await storePeople(fixture, fixture.here, drawn, suppressed, merges);
          const world: World = {
            now: at,
            zone: workspaceZone,
            zones: new Set(known),
            audiences: new Map(named),
            topics: described,
          };
          const scope = {
            workspaceId: fixture.here,
            now: at,
            zone: workspaceZone,
            zones: known,
            audiences: named,
            topics: described,
            merges,
          };
          const some = people.filter((_, i) => i % 2 === 0).map(({ id }) => id);
          for (const given of definitions) {
            const parsed = AudienceDefinition.parse(given);
            const expected = evaluateAudience(parsed, people, world);
            // Read in one go, and looked up one by one.
            for (const few of [0, 1_000]) {
              const { text, params } = compileAudience(parsed, { ...scope, few });
              const found = await chosen(text, params);
              const told = JSON.stringify(given);
              expect([told, found.length, new Set(found.map((row) => row.profile_id))]).toEqual([
                told,
                expected.size,
                expected,
              ]);
              if (!text.includes(' few ')) break;
            }
          }
          // Several rules in one statement, about some of the people.
          const rules = definitions.map((given) => AudienceDefinition.parse(given).where);
          const { text, params } = compileRules(rules, { ...scope, profileIds: some });
          const rows = await chosen(text, params);
          expect(new Set(rows.map((row) => row.profile_id))).toEqual(new Set(some));
          rules.forEach((where, i) => {
            const expected = [...evaluateAudience({ where }, people, world)].filter((id) =>
              some.includes(id),
            );
            const found = rows.filter((row) => row.holds?.includes(i)).map((row) => row.profile_id);
            expect([JSON.stringify(where), found.sort()]).toEqual([JSON.stringify(where), expected.sort()]);
          });
        },
      ),
      { numRuns: RUNS },
    );
  }, 600_000);

  it('a rule and its negation divide everybody, whatever is missing', async () => {
    const rules: Clause[] = [
      { attribute: 'plan', is: 'pro' },
      { attribute: 'plan', above: 3 },
      { attribute: 'plan', before: 'now' },
      { event: 'order.placed', where: [{ property: 'total', atLeast: 5 }] },
      { field: 'email', contains: 'x' },
      { activity: 'lastSeenAt', withinLast: '1d' },
      { consent: 'email', is: 'out' },
    ];
    const [someone] = fc.sample(person(new Date()), 1);
    await storePeople(
      fixture,
      fixture.here,
      [{ ...someone!, attributes: {}, email: null, events: [], activity: {} }],
      [],
    );
    const scope = { workspaceId: fixture.here, now: new Date(), zone: 'UTC', zones: known, audiences: named };
    for (const where of rules) {
      const yes = compileAudience({ where }, scope);
      const no = compileAudience({ where: { not: where } }, scope);
      expect((await chosen(yes.text, yes.params)).length + (await chosen(no.text, no.params)).length).toBe(1);
    }
  });

  it('nothing of the user stands in the text', () => {
    const evil = `'); DROP TABLE profiles; --`;
    const where: Clause = {
      and: [
        { attribute: [evil, evil], is: evil },
        { event: evil, where: [{ property: evil, contains: evil }], then: { event: evil } },
        { event: evil, atLeast: 1 },
        { message: 'opened', template: evil, topic: evil, campaign: evil, journey: evil },
        { consent: 'email', topic: evil, is: 'in' },
        { device: 'any', app: evil },
        { audience: evil },
        { share: { from: 0, to: 50, salt: evil } },
      ],
    };
    const { text } = compileAudience(
      {
        where,
        dedupe: { attribute: evil },
        order: [{ by: { attribute: evil }, direction: 'ascending' }],
        sample: { count: 3, salt: evil },
      },
      { workspaceId: newId(), now: new Date(), zone: evil, zones: [evil], audiences: new Map() },
    );
    expect(text).not.toContain('DROP');
  });
});
