/** The gate's rules of a workspace: one document, versioned; every delivery is stamped with the version that judged it. */
import { z } from 'zod';
import { Duration } from './messages.js';
import { Time } from './page.js';
import { ExternalId } from './profiles.js';
import { Channel, MessageClass, Reason } from './words.js';

const Key = z
  .string()
  .regex(
    /^[a-z0-9][a-z0-9_-]{0,59}$/,
    'must hold small letters, digits, _ and - only, and at most 60 of them',
  )
  .describe('Names the rule in traces.');
const TopicName = z.string().min(1).max(100);
const scope = {
  channels: z.array(Channel).max(4).default([]).describe('On which channels it holds; none named means all.'),
  topics: z.array(TopicName).max(50).default([]).describe('For which topics it holds; none named means all.'),
};
const Clock = z
  .string()
  .regex(/^(([01]\d|2[0-3]):[0-5]\d|24:00)$/, 'must be a time of the day such as 21:00');
const Day = z.iso.date('must be a date such as 2026-12-24');

export const QuietPeriod = z
  .strictObject({
    days: z
      .array(z.int().min(1).max(7))
      .min(1)
      .max(7)
      .optional()
      .describe('Days of the week, 1 is Monday. With neither these nor dates: every day.'),
    dates: z
      .strictObject({ from: Day, to: Day })
      .refine((d) => d.from <= d.to, 'must not end before it begins')
      .optional()
      .describe('The first and the last day, both included.'),
    from: Clock.default('00:00'),
    to: Clock.default('24:00').describe(
      'Not included. Earlier than `from`, or the same: on the next day; the night belongs to the day on which it begins.',
    ),
  })
  .refine((p) => p.from !== '24:00', { path: ['from'], message: 'must be before 24:00' });
export const QuietHours = z
  .strictObject({
    key: Key,
    ...scope,
    periods: z.array(QuietPeriod).min(1).max(20),
    zone: z
      .string()
      .max(64)
      .default('person')
      .describe(
        '`person`: of the profile, else of the country of the phone, else of the workspace. Or a zone of the IANA database.',
      ),
    then: z
      .enum(['queue', 'discard'])
      .default('queue')
      .describe('`queue`: it waits until the hours are over. `discard`: it is suppressed.'),
    keepForHours: z
      .int()
      .min(1)
      .max(720)
      .default(168)
      .describe('What would have to wait longer than this is suppressed.'),
  })
  .meta({ id: 'QuietHours' });

export const FrequencyCap = z
  .strictObject({
    key: Key,
    ...scope,
    class: z
      .enum(['marketing', 'transactional', 'all'])
      .default('marketing')
      .describe('Which messages are counted and held back.'),
    limit: z.int().min(0).max(10_000).describe('Messages to one person; 0 lets none through.'),
    per: z.enum(['hour', 'day', 'week', 'month']),
    every: z
      .int()
      .min(1)
      .max(90)
      .default(1)
      .describe('So many hours, days, weeks or months; at most 92 days.'),
    window: z
      .enum(['rolling', 'calendar'])
      .default('rolling')
      .describe(
        '`rolling`: the last so many hours, days … (a month is 30 days). `calendar`: since the hour, day, week (Monday) or month began where the person is.',
      ),
  })
  .refine((c) => c.every * { hour: 1, day: 24, week: 168, month: 744 }[c.per] <= 92 * 24 + 24, {
    path: ['every'],
    message: 'must not make more than 92 days',
  })
  .meta({ id: 'FrequencyCap' });

export const Holdout = z
  .strictObject({
    key: Key.describe('Names the group. Another key draws other people.'),
    ...scope,
    percent: z.number().min(0).max(100).describe('So many of a hundred people get nothing of this.'),
  })
  .meta({ id: 'Holdout' });

export const Capacity = z
  .strictObject({
    key: Key,
    ...scope,
    limit: z.int().min(0).max(100_000_000).describe('Messages of the whole workspace in a period.'),
    per: z.enum(['hour', 'day']),
    every: z
      .int()
      .min(1)
      .max(31)
      .default(1)
      .describe('So many hours, counted from midnight, or days, counted from a Monday.'),
  })
  .refine((c) => c.per === 'day' || 24 % c.every === 0, {
    path: ['every'],
    message: 'must divide a day: 1, 2, 3, 4, 6, 8, 12 or 24 hours',
  })
  .meta({
    id: 'Capacity',
    description:
      'What a channel takes, such as what a call centre can answer. What it has no place for waits for the next period, by priority.',
  });

const MOST_AHEAD_S = 30 * 86_400;
const seconds = { s: 1, m: 60, h: 3600, d: 86_400 } as const;
export const Arbitration = z
  .strictObject({
    lookAhead: Duration.refine(
      (d) => Number.parseInt(d, 10) * seconds[d.at(-1) as keyof typeof seconds] <= MOST_AHEAD_S,
      'must be at most 30d',
    ).describe('How far ahead messages are known: what is scheduled, waits, or is about to go out.'),
    then: z
      .enum(['wait', 'suppress'])
      .default('wait')
      .describe(
        '`wait`: until the other one has gone; what finds no room then ends by the cap. `suppress`: it is not sent.',
      ),
  })
  .meta({
    id: 'Arbitration',
    description: 'When caps have no room for all that comes to a person, the higher priority gets the place.',
  });

const unique = (rules: readonly { key: string }[]) => new Set(rules.map((r) => r.key)).size === rules.length;
const rulesOf = <T extends z.ZodType<{ key: string }>>(rule: T, most: number) =>
  z.array(rule).max(most).refine(unique, 'must not have two rules of one key').default([]);

export const GateRules = z
  .strictObject({
    allowList: z
      .array(z.string().min(1).max(320))
      .max(10_000)
      .nullable()
      .default(null)
      .describe(
        'Addresses, or @domains: nobody else is written to. Null: off. For installations that only try things out.',
      ),
    testProfiles: z
      .array(ExternalId)
      .max(1000)
      .default([])
      .describe('People who test: no holdout, quiet hours or caps, and nothing to them is counted.'),
    seeds: z
      .array(ExternalId)
      .max(300)
      .default([])
      .describe('Profiles that get a copy of each campaign, outside its numbers.'),
    transactionalTopics: z
      .array(TopicName)
      .max(200)
      .default([])
      .describe('Topics whose transactional messages keep quiet hours and caps too.'),
    holdouts: rulesOf(Holdout, 20),
    quietHours: rulesOf(QuietHours, 20),
    caps: rulesOf(FrequencyCap, 30),
    arbitration: Arbitration.nullable().default(null).describe('Null: who comes first gets the place.'),
    capacities: rulesOf(Capacity, 20),
  })
  .meta({ id: 'GateRules' });
export const GateChange = GateRules.extend({
  ifVersion: z
    .int()
    .min(0)
    .optional()
    .describe('Refused with 409 when somebody else has changed the rules since this version.'),
  note: z.string().max(500).default('').describe('Why. Kept with the version.'),
}).meta({ id: 'GateChange', description: 'The whole document: what is left out gets its default.' });
export const Gate = z
  .object({
    version: z.number().describe('0: nobody has set rules yet.'),
    rules: GateRules,
    note: z.string(),
    by: z.string().nullable(),
    at: Time.nullable(),
  })
  .meta({ id: 'Gate' });

export const GateTry = z
  .strictObject({
    profile: ExternalId,
    channel: Channel,
    class: MessageClass.default('marketing'),
    topic: TopicName.optional(),
    priority: z.int().min(0).max(100).default(50).describe('Its score beside what else is to come.'),
    at: Time.optional().describe('As if it were then; now unless said.'),
    rules: GateRules.optional().describe('Rules that are not saved. The workspace’s unless said.'),
  })
  .meta({ id: 'GateTry' });
export const TriedRule = z.object({
  rule: z.string(),
  verdict: z.enum(['passed', 'send', 'suppress', 'wait', 'expire', 'fail']),
  reason: Reason.nullable(),
  until: Time.nullable(),
  said: z.string().nullable().describe('The facts that decided.'),
});
export const GateTried = z
  .object({
    version: z.number(),
    verdict: z.enum(['send', 'suppress', 'wait', 'expire', 'fail']),
    reason: Reason.nullable(),
    until: Time.nullable().describe('When it would be looked at again, of a `wait`.'),
    zone: z
      .object({
        zone: z.string(),
        source: z.enum(['profile', 'phone', 'workspace']),
        candidates: z.array(z.string()),
      })
      .describe('Where the person is taken to be.'),
    rules: z.array(TriedRule).describe('All rules in their order; the first that objects decides.'),
  })
  .meta({ id: 'GateTried' });
/** How full a capacity is. */
export const CapacityUse = z.object({
  key: z.string(),
  limit: z.number(),
  used: z.number(),
  waiting: z
    .number()
    .describe('Messages that wait for a place: those of mailings under way, and single ones.'),
  resetsAt: Time,
});
export const CapsReset = z.strictObject({ profile: ExternalId }).meta({ id: 'CapsReset' });
export const CapsResetResult = z.object({ forgotten: z.number().describe('Messages that no longer count.') });

export type QuietPeriod = z.infer<typeof QuietPeriod>;
export type QuietHours = z.infer<typeof QuietHours>;
export type FrequencyCap = z.infer<typeof FrequencyCap>;
export type Capacity = z.infer<typeof Capacity>;
export type Arbitration = z.infer<typeof Arbitration>;
export type CapacityUse = z.infer<typeof CapacityUse>;
export type Holdout = z.infer<typeof Holdout>;
export type GateRules = z.infer<typeof GateRules>;
export type GateRulesInput = z.input<typeof GateRules>;
export type GateChange = z.infer<typeof GateChange>;
export type Gate = z.infer<typeof Gate>;
export type GateTry = z.infer<typeof GateTry>;
export type GateTried = z.infer<typeof GateTried>;
