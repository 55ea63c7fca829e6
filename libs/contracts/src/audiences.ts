/**
 * Who: the rule of an audience as one document. A clause is an object with one telling key (`attribute`, `event`,
 * `and` …); a test beside it says what must hold, such as `"is": "pro"`. The compiler (audience/rules) makes SQL of it,
 * the evaluator explains it. Nothing here is text of a query, and there are no regular expressions.
 */
import { z } from 'zod';
import { cursors, Id, PageQuery, Time } from './page.js';
import { ExternalId } from './profiles.js';
import { Channel, MessageClass, messageOutcomes } from './words.js';

/** How deep clauses may stand in each other, and how many one definition may have. */
export const MOST_CLAUSE_DEPTH = 20;
export const MOST_CLAUSES = 200;
const MOST_VALUES = 1000;

const text = z.string().min(1).max(1000);
const number = z.number().min(-1e15).max(1e15);
export const Scalar = z.union([z.string().max(1000), number, z.boolean()]);
export type Scalar = z.infer<typeof Scalar>;
const Scalars = z.array(Scalar).min(1).max(MOST_VALUES);
const name = z.string().min(1).max(100);
export const Path = z.union([name, z.array(name).min(1).max(5)]);
export type Path = z.infer<typeof Path>;

/** A length of time: 30m, 12h, 30d, 6w. A day is 24 hours. */
export const Span = z
  .string()
  .regex(/^[1-9][0-9]{0,3}[mhdw]$/, 'write a number and m, h, d or w, such as 30d')
  .meta({ id: 'Span', description: 'A length of time: 30m, 12h, 30d, 6w.' });
const isDate = (s: string): boolean =>
  /^(?!0000)\d{4}-\d{2}-\d{2}$/.test(s) && new Date(`${s}T00:00:00Z`).toJSON()?.slice(0, 10) === s;
const isTime = (s: string): boolean => Time.safeParse(s).success && !s.startsWith('0000');
const When = z
  .string()
  .max(40)
  .refine(
    (s) =>
      /^(now|today|yesterday|tomorrow|[1-9]\d{0,3}[mhdw] ago|in [1-9]\d{0,3}[mhdw])$/.test(s) ||
      isDate(s) ||
      isTime(s),
    'write now, today, yesterday, tomorrow, 3d ago, in 3d, a date such as 2027-01-31 or a time with an offset',
  );
const relativeDay = /^(today|yesterday|tomorrow|[1-9]\d{0,3}[dw] ago|in [1-9]\d{0,3}[dw])$/;
const Day = z
  .string()
  .max(20)
  .refine(
    (s) => relativeDay.test(s) || isDate(s),
    'write today, yesterday, tomorrow, 3d ago, in 3d or a date such as 2027-01-31',
  );

const sameness = {
  is: Scalar.optional(),
  isNot: Scalar.optional().describe('Another value, or none.'),
  in: Scalars.optional(),
  notIn: Scalars.optional().describe('None of these; no value at all holds too.'),
};
const existence = {
  exists: z.boolean().optional().describe('true: there is a value; false: there is none, or null.'),
};
const sizes = {
  above: number.optional(),
  atLeast: number.optional(),
  below: number.optional(),
  atMost: number.optional(),
  between: z.tuple([number, number]).optional().describe('Both ends belong to it.'),
};
const texts = {
  contains: text.optional().describe('Upper and lower case differ.'),
  startsWith: text.optional(),
  endsWith: text.optional(),
};
const lists = {
  hasAny: Scalars.optional(),
  hasAll: Scalars.optional(),
  hasNone: Scalars.optional().describe('No list at all holds too.'),
};
const times = {
  before: When.optional(),
  since: When.optional().describe('At this time or later.'),
  on: Day.optional().describe("The calendar day in the person's zone."),
  anniversary: z
    .string()
    .max(20)
    .regex(relativeDay, 'write today, yesterday, tomorrow, 3d ago or in 3d')
    .optional()
    .describe("Day and month in the person's zone; 29 February counts on the 28th in other years."),
  withinLast: Span.optional(),
  withinNext: Span.optional(),
};
const jsonTests = { ...sameness, ...existence, ...sizes, ...texts, ...lists, ...times };
const textTests = { ...sameness, ...existence, ...texts };
const countTests = { ...sizes, is: number.optional() };
const timeTests = { ...existence, ...times };

/** Every comparison, whichever value it is about. */
export const comparisons = Object.keys(jsonTests) as (keyof typeof jsonTests)[];
export type Comparison = (typeof comparisons)[number];
export const Test = z.object(jsonTests);
export type Test = z.infer<typeof Test>;

type Ctx = z.core.ParsePayload<object>;
const present = (value: object, keys: readonly string[]): string[] =>
  keys.filter((key) => (value as Record<string, unknown>)[key] !== undefined);
const one =
  (shape: object) =>
  ({ value, issues }: Ctx): void => {
    const keys = Object.keys(shape);
    const given = present(value, keys);
    if (given.length === 1) return;
    issues.push({
      code: 'custom',
      input: value,
      path: given.length > 1 ? [given[1]!] : [],
      message:
        given.length === 0
          ? `say what must hold, with one of ${keys.join(', ')}`
          : `only one comparison may stand here: join two with "and"`,
    });
  };
const ordered = ({ value, issues }: Ctx): void => {
  const { between } = value as Test;
  if (between && between[0] > between[1])
    issues.push({
      code: 'custom',
      input: value,
      path: ['between'],
      message: 'write the lower end first',
    });
};

export const AttributeClause = z
  .strictObject({ attribute: Path.describe('Its name; a list of names leads into an object.'), ...jsonTests })
  .check(one(jsonTests), ordered);
export const textFields = ['email', 'phone', 'locale', 'timezone', 'externalId'] as const;
export const timeFields = ['createdAt', 'updatedAt'] as const;
export const activityCounts = ['events', 'sent', 'opened', 'clicked'] as const;
export const activityTimes = [
  'firstSeenAt',
  'lastSeenAt',
  'lastSentAt',
  'lastOpenedAt',
  'lastClickedAt',
] as const;
/** Which comparisons a field of a profile or of its activity knows. */
const testsOf = (field: string): readonly string[] =>
  Object.keys(
    (textFields as readonly string[]).includes(field)
      ? textTests
      : (activityCounts as readonly string[]).includes(field)
        ? countTests
        : timeTests,
  );
const fitting =
  (key: 'field' | 'activity') =>
  ({ value, issues }: Ctx): void => {
    const field = (value as Record<string, string>)[key] ?? '';
    const allowed = testsOf(field);
    for (const wrong of present(value, comparisons).filter((given) => !allowed.includes(given)))
      issues.push({
        code: 'custom',
        input: value,
        path: [wrong],
        message: `${field} cannot be compared by ${wrong}: use ${allowed.join(', ')}`,
      });
    const is = (value as Test).is;
    if ((activityCounts as readonly string[]).includes(field) && is !== undefined && typeof is !== 'number')
      issues.push({ code: 'custom', input: value, path: ['is'], message: 'write a number' });
  };
const { hasAny: _any, hasAll: _all, hasNone: _none, ...fieldTests } = jsonTests;
export const FieldClause = z
  .strictObject({ field: z.enum([...textFields, ...timeFields]), ...fieldTests })
  .check(one(fieldTests), fitting('field'));
const activityTests = { ...countTests, ...timeTests, is: Scalar.optional() };
export const ActivityClause = z
  .strictObject({ activity: z.enum([...activityCounts, ...activityTimes]), ...activityTests })
  .check(one(activityTests), ordered, fitting('activity'));

const how = {
  atLeast: z.int().min(1).max(1_000_000).optional(),
  atMost: z.int().min(0).max(1_000_000).optional(),
};
const countable = ({ value, issues }: Ctx): void => {
  const { atLeast, atMost } = value as { atLeast?: number; atMost?: number };
  if (atLeast !== undefined && atMost !== undefined && atLeast > atMost)
    issues.push({
      code: 'custom',
      input: value,
      path: ['atMost'],
      message: 'must not be less than atLeast',
    });
};
export const PropertyTest = z
  .strictObject({ property: Path, ...jsonTests })
  .check(one(jsonTests), ordered)
  .meta({ id: 'PropertyTest' });
export type PropertyTest = z.infer<typeof PropertyTest>;
const eventName = z
  .string()
  .min(1)
  .max(100)
  .refine(
    (n) => !n.startsWith('message.'),
    'outcomes of messages stand in clauses of their own: {"message": "opened"}',
  );
const properties = z.array(PropertyTest).max(10).optional().describe('Each must hold for the same event.');
export const EventClause = z
  .strictObject({
    event: eventName.describe('What the person did. How often: once or more unless said.'),
    ...how,
    within: Span.optional().describe('Only events of the last …'),
    since: Time.optional(),
    before: Time.optional(),
    where: properties,
    occurrence: z
      .enum(['first', 'last'])
      .optional()
      .describe(
        'Only the first or the last event of this name, and the rest of the clause is about that one.',
      ),
    then: z
      .strictObject({
        event: eventName,
        within: Span.optional().describe('At most this long after the first.'),
        where: properties,
      })
      .optional()
      .describe('After it this one came.'),
  })
  .check(countable, ({ value, issues }) => {
    const counted = value.atLeast !== undefined || value.atMost !== undefined;
    if (value.then && counted)
      issues.push({
        code: 'custom',
        input: value,
        path: ['then'],
        message: 'a sequence is not counted: leave out atLeast and atMost',
      });
    if (value.occurrence && (counted || value.then))
      issues.push({
        code: 'custom',
        input: value,
        path: ['occurrence'],
        message: 'the first or last event is one event: leave out atLeast, atMost and then',
      });
  });
export const MessageClause = z
  .strictObject({
    message: z
      .enum(messageOutcomes)
      .describe('What became of messages to the person; notOpened: sent and not opened.'),
    channel: Channel.optional(),
    template: z.string().min(1).max(100).optional().describe('Key of a template.'),
    campaign: z.string().min(1).max(100).optional().describe('Id of a campaign or of one run of it.'),
    journey: z.string().min(1).max(100).optional(),
    topic: z.string().min(1).max(100).optional(),
    class: MessageClass.optional(),
    ...how,
    within: Span.optional(),
  })
  .check(countable);
export const ConsentClause = z.strictObject({
  consent: Channel.describe('What the person said about this channel, at their present address too.'),
  topic: z.string().min(1).max(100).optional(),
  is: z
    .enum(['in', 'out', 'unknown'])
    .describe('out: opted out of the channel, of marketing or of the topic; unknown: no word on record.'),
});
export const SuppressedClause = z.strictObject({
  suppressed: z.enum(['email', 'sms']).describe('The present address is on the suppression list.'),
  reason: z
    .array(z.enum(['hard_bounced', 'complained', 'suppressed_manually']))
    .min(1)
    .optional(),
});
export const DeviceClause = z
  .strictObject({
    device: z.enum(['any', 'ios', 'android', 'web']),
    app: z.string().min(1).max(200).optional(),
    ...how,
    seenWithin: Span.optional(),
  })
  .check(countable);
export const AudienceKey = z
  .string()
  .regex(/^[a-z0-9][a-z0-9._-]{0,99}$/, 'write lower-case letters, digits, dots, dashes and underscores');
export const MemberClause = z.strictObject({
  audience: AudienceKey.describe('Members of this other audience.'),
});
export const ShareClause = z.strictObject({
  share: z
    .strictObject({
      from: z.number().min(0).max(100),
      to: z.number().min(0).max(100),
      salt: z.string().max(100).optional().describe('Another salt gives another division.'),
    })
    .check(({ value, issues }) => {
      if (value.from >= value.to)
        issues.push({ code: 'custom', input: value, path: ['to'], message: 'must be above from' });
    })
    .describe(
      'A stable share of all people in percent, from … to before …: shares with one salt never overlap.',
    ),
});
const leaves = [
  AttributeClause,
  FieldClause,
  ActivityClause,
  EventClause,
  MessageClause,
  ConsentClause,
  SuppressedClause,
  DeviceClause,
  MemberClause,
  ShareClause,
] as const;

export type AttributeClause = z.infer<typeof AttributeClause>;
export type FieldClause = z.infer<typeof FieldClause>;
export type ActivityClause = z.infer<typeof ActivityClause>;
export type EventClause = z.infer<typeof EventClause>;
export type MessageClause = z.infer<typeof MessageClause>;
export type ConsentClause = z.infer<typeof ConsentClause>;
export type SuppressedClause = z.infer<typeof SuppressedClause>;
export type DeviceClause = z.infer<typeof DeviceClause>;
export type MemberClause = z.infer<typeof MemberClause>;
export type ShareClause = z.infer<typeof ShareClause>;
/** A clause that holds no others. */
export const Leaf = z.union(leaves);
export type Leaf = z.infer<(typeof leaves)[number]>;
export type Clause = { and: Clause[] } | { or: Clause[] } | { not: Clause } | Leaf;
/** Nothing in a clause has a default: what is written and what is kept are one. */
export type ClauseInput = Clause;

export const Clause: z.ZodType<Clause, Clause> = z
  .lazy(() =>
    z.union([
      z.strictObject({ and: z.array(Clause).max(MOST_CLAUSES).describe('Empty: everybody.') }),
      z.strictObject({ or: z.array(Clause).min(1).max(MOST_CLAUSES) }),
      z.strictObject({ not: Clause }),
      ...leaves,
    ]),
  )
  .meta({ id: 'Clause' });

/** What people are ordered by, or are one per. */
export const Subject = z
  .union([
    z.strictObject({ attribute: Path }),
    z.strictObject({ field: z.enum([...textFields, ...timeFields]) }),
    z.strictObject({ activity: z.enum([...activityCounts, ...activityTimes]) }),
  ])
  .meta({ id: 'AudienceSubject' });
export type Subject = z.infer<typeof Subject>;

const Definition = z.strictObject({
  where: Clause,
  dedupe: Subject.optional().describe('One person per value: the first by `order`. Who has no value stays.'),
  order: z
    .array(
      z.strictObject({ by: Subject, direction: z.enum(['ascending', 'descending']).default('ascending') }),
    )
    .max(5)
    .optional()
    .describe('Numbers before texts; who has no value comes last.'),
  sample: z
    .union([
      z.strictObject({ percent: z.number().gt(0).max(100), salt: z.string().max(100).default('') }),
      z.strictObject({ count: z.int().min(1).max(100_000_000), salt: z.string().max(100).default('') }),
    ])
    .optional()
    .describe('A stable part of them: a share, or so many.'),
  limit: z.int().min(1).max(100_000_000).optional().describe('The first so many by `order`.'),
});

/** Looks at depth and number before anything walks it by recursion. */
function withinLimits(given: unknown, ctx: z.core.$RefinementCtx): unknown {
  type Place = { value: unknown; path: PropertyKey[]; depth: number };
  const root = typeof given === 'object' && given !== null ? (given as { where?: unknown }).where : undefined;
  const open: Place[] = [{ value: root, path: ['where'], depth: 1 }];
  let clauses = 0;
  const refuse = (path: PropertyKey[], message: string): unknown => {
    ctx.issues.push({ code: 'custom', input: given, path, message });
    return z.NEVER;
  };
  for (let place = open.pop(); place; place = open.pop()) {
    const { value, path, depth } = place;
    if (typeof value !== 'object' || value === null) continue;
    clauses += 1;
    if (depth > MOST_CLAUSE_DEPTH)
      return refuse(
        path.slice(0, 12),
        `clauses stand more than ${MOST_CLAUSE_DEPTH} deep in each other: flatten them`,
      );
    if (clauses > MOST_CLAUSES)
      return refuse(
        path,
        `there are more than ${MOST_CLAUSES} clauses: make audiences of parts of them and name those`,
      );
    const { and, or, not } = value as Record<string, unknown>;
    for (const [key, list] of [
      ['and', and],
      ['or', or],
    ] as const)
      if (Array.isArray(list))
        for (let i = Math.min(list.length, MOST_CLAUSES + 1) - 1; i >= 0; i--)
          open.push({ value: list[i], path: [...path, key, i], depth: depth + 1 });
    if (not !== undefined) open.push({ value: not, path: [...path, 'not'], depth: depth + 1 });
  }
  return given;
}

/** Typed by what it takes: a schema that looks first calls its input unknown. */
export const AudienceDefinition = z.preprocess(withinLimits, Definition).meta({
  id: 'AudienceDefinition',
  description: 'Who belongs, and what is done with them then.',
}) as unknown as z.ZodType<AudienceDefinition, AudienceDefinitionInput>;
export type AudienceDefinition = z.infer<typeof Definition>;
export type AudienceDefinitionInput = z.input<typeof Definition>;

/** What a clause is about: its telling key. */
export const clauseKinds = [
  'and',
  'or',
  'not',
  'attribute',
  'field',
  'activity',
  'event',
  'message',
  'consent',
  'suppressed',
  'device',
  'audience',
  'share',
] as const;
export type ClauseKind = (typeof clauseKinds)[number];

// ── over HTTP ──

export const AudienceSave = z
  .strictObject({
    name: z.string().min(1).max(200),
    description: z.string().max(2000).default(''),
    kind: z.enum(['rule', 'list']).optional().describe('rule: with a definition; list: filled by you.'),
    definition: AudienceDefinition.optional(),
    live: z
      .boolean()
      .default(false)
      .describe('A rule that keeps its members up to date, and tells who enters and leaves.'),
    version: z
      .int()
      .min(0)
      .optional()
      .describe('The version you read; 0 for one that must not be there yet. Left out: whichever it is.'),
  })
  .check(({ value, issues }) => {
    const kind = value.kind ?? (value.definition ? 'rule' : 'list');
    const issue = (path: string, message: string) =>
      issues.push({ code: 'custom', input: value, path: [path], message });
    if (kind === 'rule' && !value.definition)
      issue('definition', 'a rule needs one, such as {"where": {"attribute": "plan", "is": "pro"}}');
    if (kind === 'list' && value.definition)
      issue('definition', 'a list has none: leave it out, or make it a rule');
    if (kind === 'list' && value.live)
      issue('live', 'a list always tells who enters and leaves: leave it out');
  })
  .meta({ id: 'AudienceSave' });
export type AudienceSave = z.infer<typeof AudienceSave>;

export const Audience = z
  .object({
    id: Id,
    key: z.string(),
    name: z.string(),
    description: z.string(),
    kind: z.enum(['rule', 'list']),
    definition: z.json().nullable().describe('An AudienceDefinition; null for a list.'),
    sentence: z.string().describe('What the rule asks, in words.'),
    version: z.number(),
    live: z.boolean(),
    state: z
      .enum(['counting', 'ready', 'failed'])
      .describe('counting: it is being evaluated as a whole; failed: see problem.'),
    size: z
      .number()
      .nullable()
      .describe('How many it held when it was last evaluated; null before the first time.'),
    lastSeq: z.number().describe('The seq of its newest change.'),
    evaluatedAt: Time.nullable(),
    evaluationMs: z.number().nullable(),
    problem: z.string().nullable(),
    usedBy: z.array(z.string()).describe('Keys of audiences whose rules name it.'),
    createdAt: Time,
    updatedAt: Time,
    archivedAt: Time.nullable(),
  })
  .meta({ id: 'Audience' });
export type Audience = z.infer<typeof Audience>;
export const AudienceList = PageQuery.extend({
  ...cursors.byKey,
  search: z.string().max(200).optional().describe('Part of its key or name.'),
  archived: z.enum(['true', 'false']).optional(),
});

export const AudiencePreviewRequest = z
  .strictObject({ definition: AudienceDefinition })
  .meta({ id: 'AudiencePreviewRequest' });
const Reach = z.object({
  channel: Channel,
  reachable: z.number().describe('Have an address, and neither opted out nor are on the suppression list.'),
  noAddress: z.number(),
  optedOut: z
    .number()
    .describe('Opted out of the channel or of marketing, or, where your policy asks for consent, gave none.'),
  suppressed: z.number(),
});
const MemberProfile = z.object({
  id: Id,
  externalId: z.string(),
  email: z.string().nullable(),
  phone: z.string().nullable(),
});
export const AudiencePreview = z
  .object({
    total: z.number(),
    sample: z.array(MemberProfile).describe('Up to ten of them.'),
    reach: z
      .array(Reach)
      .describe('Per channel; reachable, noAddress, optedOut and suppressed add up to the total.'),
    ms: z.number().describe('How long counting took.'),
  })
  .meta({ id: 'AudiencePreview' });
export type AudiencePreview = z.infer<typeof AudiencePreview>;

export interface ClauseExplanation {
  holds: boolean;
  asks: string;
  seen: string | null;
  clauses: ClauseExplanation[];
}
export const ClauseExplanation: z.ZodType<ClauseExplanation> = z
  .lazy(() =>
    z.object({
      holds: z.boolean(),
      asks: z.string().describe('What the clause asks.'),
      seen: z.string().nullable().describe('What there was; null where clauses are only joined.'),
      clauses: z.array(ClauseExplanation),
    }),
  )
  .meta({ id: 'ClauseExplanation' });
export const AudienceExplanation = z
  .object({
    profile: MemberProfile,
    holds: z.boolean().describe('Whether the rule holds for the person now.'),
    member: z
      .boolean()
      .describe('Whether the person is in: the rule holds, and what comes after it chose them.'),
    since: Time.nullable().describe('Since when, where members are kept.'),
    sentence: z.string(),
    rule: ClauseExplanation.nullable(),
  })
  .meta({ id: 'AudienceExplanation' });
export type AudienceExplanation = z.infer<typeof AudienceExplanation>;
export const AudienceExplainQuery = z.object({ profile: ExternalId.describe('External id of the person.') });

export const AudienceMember = MemberProfile.extend({
  seq: z.number().nullable().describe('The change by which they entered; null where members are not kept.'),
  since: Time.nullable(),
}).meta({ id: 'AudienceMember' });
export type AudienceMember = z.infer<typeof AudienceMember>;
export const AudienceMemberList = PageQuery.extend({
  ...cursors.byNumberOrId,
  limit: z.coerce.number().int().min(1).max(1000).default(50),
  after: z.coerce
    .number()
    .int()
    .min(0)
    .optional()
    .describe('Only who entered by a later change than this seq, in the order of entering.'),
});
export const AudienceChange = z
  .object({
    seq: z.number(),
    change: z.enum(['enter', 'leave']),
    cause: z.string(),
    at: Time,
    profile: z.object({ id: Id, externalId: z.string() }),
  })
  .meta({ id: 'AudienceChange' });
export type AudienceChange = z.infer<typeof AudienceChange>;
export const AudienceChangeList = z.object({
  after: z.coerce
    .number()
    .int()
    .min(0)
    .default(0)
    .describe('`lastSeq` of your last answer; 0 from the beginning.'),
  limit: z.coerce.number().int().min(1).max(1000).default(500),
});
export const AudienceChanges = z
  .object({
    items: z.array(AudienceChange),
    lastSeq: z.number().describe('Ask after this next.'),
    more: z.boolean(),
  })
  .meta({ id: 'AudienceChanges' });
export type AudienceChanges = z.infer<typeof AudienceChanges>;

const People = z.array(ExternalId).max(10_000);
export const MemberChange = z
  .strictObject({
    add: People.default([]).describe('External ids.'),
    remove: People.default([]),
  })
  .meta({ id: 'MemberChange' });
export const MemberReplace = z
  .strictObject({ profiles: People.describe('External ids of everybody that is to be in it.') })
  .meta({ id: 'MemberReplace' });
export const MembersChanged = z
  .object({
    entered: z.number(),
    left: z.number(),
    unknown: z.array(z.string()).describe('External ids of nobody: left out.'),
    size: z.number(),
    lastSeq: z.number(),
  })
  .meta({ id: 'MembersChanged' });
export type MembersChanged = z.infer<typeof MembersChanged>;

/** What there is to make rules of: suggested, never required. */
export const AudienceVocabulary = z
  .object({
    attributes: z.array(
      z.object({
        name: z.string(),
        types: z.array(z.string()).describe('string, number, boolean, array, object.'),
        values: z.array(Scalar).describe('A few that occur.'),
      }),
    ),
    events: z.array(
      z.object({
        name: z.string(),
        properties: z.array(z.string()),
        types: z
          .record(z.string(), z.array(z.string()))
          .describe(
            'Of each property: string, number, boolean, array, object, null; `missing` where one was without.',
          ),
      }),
    ),
    topics: z.array(z.string()),
    templates: z.array(z.string()),
    audiences: z.array(z.object({ key: z.string(), name: z.string() })),
  })
  .meta({ id: 'AudienceVocabulary' });
export type AudienceVocabulary = z.infer<typeof AudienceVocabulary>;
