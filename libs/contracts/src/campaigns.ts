/** Campaigns: what is said to an audience, when, and what became of it. */
import { z } from 'zod';
import { AudienceDefinition } from './audiences.js';
import { ContentByChannel } from './content.js';
import { ApprovalBy } from './desk.js';
import { AnyJson } from './json.js';
import { Attachment, Data, Duration } from './messages.js';
import { cursors, Id, PageQuery, Time } from './page.js';
import { ExternalId } from './profiles.js';
import { Tracking } from './tracking.js';
import { Channel, MessageClass, Status } from './words.js';

export const campaignStates = [
  'draft',
  'prepared',
  'scheduled',
  'running',
  'paused',
  'completed',
  'cancelled',
  'failed',
] as const;
export const CampaignState = z.enum(campaignStates).meta({ id: 'CampaignState' });

const AudienceKey = z.string().min(1).max(100);
const TemplateRef = z.union([
  z.string().min(1).max(100),
  z.strictObject({ key: z.string().min(1).max(100), version: z.int().min(1).optional() }),
]);
/** Of base64: everybody gets them. */
const MOST_ATTACHED = 270_000;
const LocalTime = z
  .string()
  .regex(/^\d{4}-\d\d-\d\dT([01]\d|2[0-3]):[0-5]\d$/, 'must be a local time such as 2026-12-01T09:00');
const Zone = z.string().max(64).describe('A zone of the IANA database.');

export const CampaignVariant = z
  .strictObject({
    name: z
      .string()
      .regex(/^[a-z0-9][a-z0-9_-]{0,29}$/, 'must hold small letters, digits, _ and - only, and at most 30'),
    weight: z.number().min(0).max(100).describe('Its share beside the others.'),
    template: TemplateRef.optional(),
    content: ContentByChannel.optional(),
    data: Data.optional(),
    channels: z
      .array(Channel)
      .min(1)
      .max(4)
      .optional()
      .describe('On which of the campaign’s channels it goes out; on all of them unless said.'),
    delay: Duration.optional().describe('So much later than it would: to try out another time of the day.'),
  })
  .meta({ id: 'CampaignVariant' });

export const CampaignStart = z
  .discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('now') }),
    z.strictObject({ kind: z.literal('at'), at: Time }),
    z.strictObject({
      kind: z.literal('local'),
      date: z.iso.date(),
      time: z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$/, 'must be a time of the day such as 09:00'),
    }),
    z
      .strictObject({
        kind: z.literal('best'),
        date: z.iso.date(),
        from: z.int().min(0).max(23).default(8).describe('Not before this hour of the day.'),
        to: z.int().min(1).max(24).default(20).describe('Before this hour.'),
        otherwise: z
          .int()
          .min(0)
          .max(23)
          .default(10)
          .describe('The hour for those of whom too little is known.'),
      })
      .refine((s) => s.from < s.to, { path: ['to'], message: 'must be after `from`' })
      .refine((s) => s.otherwise >= s.from && s.otherwise < s.to, {
        path: ['otherwise'],
        message: 'must lie between `from` and `to`',
      }),
    z.strictObject({
      kind: z.literal('recurring'),
      rule: z
        .string()
        .max(500)
        .describe(
          'RFC 5545 without DTSTART: FREQ=WEEKLY;BYDAY=MO, at the time of `from`. Or the five fields of cron: 0 9 * * MON, not before `from`.',
        ),
      from: LocalTime,
      until: LocalTime.optional().describe('Not after this. RFC 5545 has UNTIL and COUNT as well.'),
      zone: Zone,
    }),
  ])
  .meta({
    id: 'CampaignStart',
    description:
      '`now`: when it is started. `local`: at that time where each person is; who is past it already gets it at once. `best`: at the hour of that day at which each person has opened most, where they are.',
  });

export const CampaignWaves = z
  .strictObject({
    sizes: z.array(z.number().positive()).min(2).max(50),
    unit: z.enum(['percent', 'people', 'parts']).default('percent'),
    every: Duration,
  })
  .refine((w) => w.unit !== 'percent' || Math.abs(w.sizes.reduce((sum, n) => sum + n, 0) - 100) < 0.001, {
    path: ['sizes'],
    message: 'must make 100 in all',
  })
  .meta({
    id: 'CampaignWaves',
    description:
      'Consent and attributes are read when a wave leaves. `parts` are of the whole: 1, 1, 1 are three equal waves. By `people`, who is beyond the last wave gets nothing and is reported.',
  });

export const CampaignStop = z
  .strictObject({
    failedPercent: z
      .number()
      .min(0.1)
      .max(100)
      .default(50)
      .describe('Failed or unknown, of those handed over.'),
    complainedPercent: z.number().min(0.01).max(100).default(1).describe('Complaints, of those sent.'),
    after: z.int().min(1).max(1_000_000).default(100).describe('Not before so many were handed over.'),
  })
  .meta({
    id: 'CampaignStop',
    description:
      'When it pauses by itself. With a small first wave: a canary. Whoever resumes it has decided, for this run.',
  });

export const CampaignMetric = z
  .discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('delivered') }),
    z.strictObject({ kind: z.literal('opened') }),
    z.strictObject({ kind: z.literal('clicked') }),
    z.strictObject({ kind: z.literal('converted'), event: z.string().min(1).max(100) }),
  ])
  .meta({
    id: 'CampaignMetric',
    description: 'What a variant is to bring about. `converted`: the person does this event.',
  });

export const CampaignTest = z
  .strictObject({
    portion: z
      .number()
      .min(1)
      .max(100)
      .default(20)
      .describe(
        'So many of a hundred people are tried out on, always the same. The rest wait for the winner.',
      ),
    metric: CampaignMetric,
    within: Duration.default('1d').describe(
      'What a person does later than this after it was sent does not count.',
    ),
    decideAfter: Duration.describe('After this time since the start the best of them wins, however sure.'),
    confidence: z
      .number()
      .min(50)
      .max(99.99)
      .optional()
      .describe('Earlier, when one is the best with this probability, in per cent.'),
    atLeast: z
      .int()
      .min(1)
      .max(1_000_000)
      .default(100)
      .describe('Nothing is decided earlier before each variant has reached so many people.'),
  })
  .meta({
    id: 'CampaignTest',
    description: 'Variants are tried out on a portion; the one that does best goes to the rest by itself.',
  });

export const CampaignHoldout = z
  .strictObject({
    percent: z.number().min(0.1).max(50).describe('Of its audience.'),
    event: z
      .string()
      .min(1)
      .max(100)
      .optional()
      .describe('What it is measured by: the people do this event.'),
    within: Duration.default('7d').describe('Since the run began.'),
  })
  .meta({
    id: 'CampaignHoldout',
    description:
      'Some people get nothing of it, always the same ones, to be compared with the others: what it brings about beyond what would have happened anyway.',
  });

export const CampaignDefinition = z
  .strictObject({
    audience: z
      .union([AudienceKey, z.strictObject({ profiles: z.array(ExternalId).min(1).max(10_000) })])
      .describe('Key of an audience, or profiles by name.'),
    exclude: z.array(AudienceKey).max(20).default([]).describe('Members of these audiences get nothing.'),
    each: z
      .strictObject({
        event: z.string().min(1).max(100),
        key: z.string().min(1).max(100).describe('The property that tells them apart, such as orderId.'),
        within: Duration.default('30d').describe('Those that happened so long before it begins.'),
      })
      .optional()
      .describe(
        'Several messages to one person: one for each value of a property of their events, with the properties of the latest as `each`. Who has none gets nothing.',
      ),
    channels: z
      .array(Channel)
      .min(1)
      .max(4)
      .refine((c) => new Set(c).size === c.length, 'each channel once'),
    template: TemplateRef.optional(),
    content: ContentByChannel.optional(),
    data: Data.default({}),
    variants: z
      .array(CampaignVariant)
      .max(10)
      .default([])
      .describe('Each person gets one of them, always the same.'),
    test: CampaignTest.optional(),
    holdout: CampaignHoldout.optional(),
    class: MessageClass.default('marketing'),
    topic: z.string().min(1).max(100).optional(),
    replyTo: z.string().max(320).optional(),
    attachments: z
      .array(Attachment)
      .max(3)
      .refine(
        (all) => all.reduce((sum, one) => sum + one.content.length, 0) <= MOST_ATTACHED,
        'must be 200 kB at most in all: put what is larger behind a link',
      )
      .optional()
      .describe('Of its emails: the same for everybody, pictures in the text among them.'),
    tracking: Tracking.optional(),
    brokenLinks: z
      .enum(['stop', 'warn'])
      .optional()
      .describe(
        'What becomes of a campaign with a link that is known to lead nowhere (404, 410, no such host): it cannot start (`stop`, unless said), or the report warns (`warn`), as of a page that is not published yet.',
      ),
    start: CampaignStart.default({ kind: 'now' }),
    waves: CampaignWaves.optional(),
    rate: z
      .union([
        z.int().min(1).max(1_000_000),
        z.strictObject({
          count: z.int().min(1).max(100_000_000),
          per: z.enum(['second', 'minute', 'hour', 'day']),
        }),
      ])
      .optional()
      .describe('Messages on each channel, at most: so many a second, or in another period.'),
    sendWithin: Duration.optional().describe(
      'What has not left so long after its time expires: after the start, or the time of each person or wave.',
    ),
    stopWhen: CampaignStop.default({ failedPercent: 50, complainedPercent: 1, after: 100 }),
    priority: z.int().min(0).max(100).default(50),
  })
  .check(({ value, issues }) => {
    const issue = (path: (string | number)[], message: string) =>
      issues.push({ code: 'custom', input: value, path, message });
    const own = (v: { template?: unknown; content?: unknown }) => Number(!!v.template) + Number(!!v.content);
    if (own(value) > 1) issue(['content'], 'give either content or template, not both');
    if (own(value) === 0 && !(value.variants.length > 0 && value.variants.every((v) => own(v) === 1)))
      issue(['content'], 'say what to send: content, or template with data');
    value.variants.forEach((v, n) => {
      if (own(v) > 1) issue(['variants', n, 'content'], 'give either content or template, not both');
      if (v.channels?.some((c) => !value.channels.includes(c)))
        issue(['variants', n, 'channels'], 'must be some of the channels of the campaign');
    });
    if (value.variants.length === 1)
      issue(['variants'], 'one variant is no choice: give two or more, or none');
    if (value.variants.length > 0 && value.variants.every((v) => v.weight === 0))
      issue(['variants'], 'at least one must have a weight');
    if (new Set(value.variants.map((v) => v.name)).size !== value.variants.length)
      issue(['variants'], 'each name once');
    if (value.test && value.variants.filter((v) => v.weight > 0).length < 2)
      issue(['test'], 'a test needs two variants with a weight, or more');
  })
  .meta({ id: 'CampaignDefinition' });

export const CampaignSave = z
  .strictObject({
    name: z.string().min(1).max(200),
    definition: CampaignDefinition,
    ifVersion: z
      .int()
      .min(1)
      .optional()
      .describe('Refused with 409 when somebody else has changed it since this version.'),
  })
  .meta({ id: 'CampaignSave' });
export const CampaignClone = z
  .strictObject({
    name: z.string().min(1).max(200).optional(),
    template: z
      .boolean()
      .default(false)
      .describe('Keeps it as a template, to begin others with: it is never sent itself.'),
  })
  .meta({ id: 'CampaignClone' });
export const CampaignStep = z
  .strictObject({
    ifVersion: z.int().min(1).optional(),
    reason: z.string().max(500).optional(),
  })
  .meta({ id: 'CampaignStep' });

export const CampaignRejection = z
  .strictObject({
    ifVersion: z.int().min(1).optional(),
    comment: z.string().min(1).max(500).describe('What is to be changed.'),
  })
  .meta({ id: 'CampaignRejection' });
export const CampaignApprove = z
  .strictObject({ ifVersion: z.int().min(1).optional(), comment: z.string().max(500).default('') })
  .meta({ id: 'CampaignApprove' });
export const CampaignApproval = z
  .object({ by: z.string(), at: Time, comment: z.string() })
  .meta({ id: 'CampaignApproval' });
export const CampaignProof = z
  .strictObject({
    profiles: z
      .array(ExternalId)
      .min(1)
      .max(100)
      .describe('Who gets it, on all its channels, in all variants.'),
  })
  .meta({ id: 'CampaignProof' });
export const CampaignProofs = z
  .object({
    sent: z.array(
      z.object({ profile: z.string(), channel: Channel, variant: z.string().nullable(), messageId: Id }),
    ),
    refused: z.array(z.object({ profile: z.string(), channel: Channel, message: z.string() })),
  })
  .meta({ id: 'CampaignProofs' });

/** One variant of a test. */
export const CampaignTestVariant = z
  .object({
    variant: z.string(),
    people: z.number().describe('Whom it reached.'),
    successes: z.number().describe('How many of them did what the metric asks for.'),
    rate: z.number().nullable().describe('0 to 1; null when it reached nobody.'),
    low: z.number().describe('The true rate lies between `low` and `high` with 95 % probability.'),
    high: z.number(),
    best: z.number().describe('The probability, 0 to 1, that no other is better.'),
  })
  .meta({ id: 'CampaignTestVariant' });
export const CampaignDecision = z
  .object({
    winner: z.string(),
    why: z.enum(['time', 'confidence', 'person']),
    by: z.string().nullable().describe('Who chose, when a person did.'),
    at: Time,
    variants: z.array(CampaignTestVariant).describe('As it stood then.'),
  })
  .meta({ id: 'CampaignDecision' });
export const CampaignTestResult = z
  .object({
    no: z.number().describe('Which run of the campaign; 0 before the first.'),
    metric: CampaignMetric,
    variants: z.array(CampaignTestVariant),
    decidesAt: Time.nullable().describe('When the best of them wins at the latest; null when nothing waits.'),
    waiting: z.number().describe('Messages of the rest, which wait for the winner.'),
    decision: CampaignDecision.nullable(),
  })
  .meta({ id: 'CampaignTestResult' });
export const CampaignTestQuery = z.object({
  no: z.coerce.number().int().min(1).optional().describe('A run; the latest unless said.'),
});
export const CampaignChoice = z
  .strictObject({ variant: z.string().min(1).max(30), ifVersion: z.int().min(1).optional() })
  .meta({ id: 'CampaignChoice' });

export const CampaignFinding = z.object({
  level: z.enum(['error', 'warning']),
  code: z.string(),
  at: z.string().describe('Pointer into the definition.'),
  message: z.string(),
});
export const CampaignSample = z
  .object({
    profile: z.string(),
    channel: Channel,
    variant: z.string().nullable(),
    says: z.string().nullable().describe('How it begins, rendered; null when it could not be.'),
    problem: z.string().nullable(),
  })
  .meta({ id: 'CampaignSample' });
export const CampaignCost = z
  .object({
    channel: Channel,
    currency: z.string(),
    amount: z.number(),
    parts: z.number().describe('Of all texts together.'),
    unpriced: z.number().describe('People whose number has no price.'),
  })
  .meta({
    id: 'CampaignCost',
    description:
      'At most: if everybody with a number got it. By the prices of the first account that has some.',
  });
export const CampaignReport = z
  .object({
    version: z.number().describe('Of the campaign that was prepared.'),
    at: Time,
    findings: z.array(CampaignFinding).describe('An error keeps it from starting.'),
    audience: z.number(),
    messages: z
      .number()
      .optional()
      .describe('On each channel, where people get one for each of several things.'),
    heldOut: z.number().optional().describe('Of the audience: they get nothing.'),
    byZone: z.array(z.object({ zone: z.string(), people: z.number() })).describe('The largest first.'),
    byChannel: z.array(
      z.object({
        channel: Channel,
        reachable: z.number(),
        noAddress: z.number(),
        suppressed: z.number(),
        optedOut: z.number(),
      }),
    ),
    templates: z.array(z.object({ variant: z.string().nullable(), key: z.string(), version: z.number() })),
    audiences: z
      .array(z.object({ key: z.string(), version: z.number(), definition: AudienceDefinition.nullable() }))
      .optional()
      .describe('Whose rules were looked at: it goes to those, whatever becomes of the rules.'),
    cost: CampaignCost.nullable().optional().describe('Where an account has prices.'),
    samples: z.array(CampaignSample).optional().describe('For a few of its people.'),
    startsAt: Time.nullable(),
    endsAt: Time.nullable().describe(
      'When the last would leave, as far as its waves, its rate, and the limits and quotas of accounts tell.',
    ),
  })
  .meta({ id: 'CampaignReport' });
export const CampaignChangesQuery = z.object({
  no: z.coerce.number().int().min(1).optional().describe('A run; unless said, what would go out next.'),
  against: z.coerce
    .number()
    .int()
    .min(1)
    .optional()
    .describe('A run of it; unless said the one before, else the last of the campaign it was cloned from.'),
});
export const CampaignChange = z
  .object({
    at: z.string().describe('Pointer into the record.'),
    before: AnyJson.describe('Null where there was nothing.'),
    after: AnyJson,
  })
  .meta({ id: 'CampaignChange' });
export const CampaignChanges = z
  .object({
    no: z.number().nullable().describe('Null: as it stands now.'),
    against: z
      .object({ campaignId: Id, name: z.string(), no: z.number(), at: Time })
      .nullable()
      .describe('Null: there is nothing to compare it with.'),
    changes: z.array(CampaignChange),
  })
  .meta({
    id: 'CampaignChanges',
    description:
      'What is not as it was: of what is said and when, of templates and audiences, and of the people that preparing counted.',
  });

export const CampaignEdits = PageQuery.extend(cursors.byNumber);
export const CampaignEdit = z
  .object({
    version: z.number(),
    at: Time,
    by: z.string(),
    name: z.string(),
    definition: CampaignDefinition,
    changes: z
      .array(CampaignChange)
      .describe(
        'Beside the version before; none of the first, and of what was written before edits were kept.',
      ),
  })
  .meta({ id: 'CampaignEdit' });
export type CampaignEdit = z.infer<typeof CampaignEdit>;

/** What became of those who were to get it. The sum of the others is `targeted`, at every instant. */
const Tally = {
  targeted: z.number(),
  pending: z.number().describe('To come, waiting, or on its way.'),
  sent: z.number().describe('Delivered ones among them.'),
  suppressed: z.number(),
  failed: z.number(),
  cancelled: z.number(),
  expired: z.number(),
  unknown: z.number(),
};
export const CampaignTally = z.object(Tally).meta({
  id: 'CampaignTally',
  description: 'targeted = pending + sent + suppressed + failed + cancelled + expired + unknown.',
});
export const CampaignNumbers = z
  .object({
    ...Tally,
    state: CampaignState,
    no: z.number().describe('Which run of the campaign; 0 before the first.'),
    delivered: z.number(),
    heldOut: z.number().describe('People of its holdout: not among the targeted.'),
    parts: z.array(
      z.object({
        runId: Id,
        channel: Channel,
        variant: z.string().nullable(),
        rest: z.boolean().describe('Of a test: those who waited for its winner.'),
        state: z.string(),
        ...Tally,
      }),
    ),
    reasons: z
      .array(z.object({ status: Status, reason: z.string(), count: z.number() }))
      .describe('Of those that did not go out. Only with ?reasons=true.'),
  })
  .meta({ id: 'CampaignNumbers' });
export const CampaignNumbersQuery = z.object({
  no: z.coerce.number().int().min(1).optional().describe('A run; the latest unless said.'),
  reasons: z.enum(['true', 'false']).optional().describe('Counts by reason too: reads the log.'),
});

export const FunnelQuery = z.object({
  no: z.coerce.number().int().min(1).optional().describe('A run; the latest unless said.'),
  by: z.enum(['variant', 'channel', 'domain', 'zone']).optional().describe('Told apart by this as well.'),
  event: z
    .string()
    .min(1)
    .max(100)
    .optional()
    .describe('The event that counts as conversion, such as order.placed; unless said that of its holdout.'),
  within: Duration.optional().describe('How long after it was sent; unless said as its holdout, or 7d.'),
});
export const FunnelExportQuery = FunnelQuery.extend({
  by: z.enum(['variant', 'channel', 'domain', 'zone', 'link']).default('variant'),
});
const Funnel = {
  targeted: z.number().describe('In the log so far.'),
  sent: z.number(),
  delivered: z.number().describe('As far as providers say so.'),
  opened: z.number().describe('Messages, however often each was opened. Who clicked has opened.'),
  openedByProxy: z
    .number()
    .describe('Of those, the ones of which only a mailbox that hides its people tells.'),
  opens: z.number(),
  openedByMachine: z.number().describe('Not among the opened: loaded by machines alone.'),
  clicked: z.number(),
  clicks: z.number(),
  clickedByMachine: z.number().describe('Not among the clicked: followed by machines alone.'),
  converted: z.number(),
  unsubscribed: z.number(),
  complained: z.number(),
};
const LiftGroup = z
  .object({
    people: z.number(),
    converted: z.number(),
    rate: z.number(),
    low: z.number().describe('The true rate lies between `low` and `high` with 95 % probability.'),
    high: z.number(),
  })
  .meta({ id: 'CampaignLiftGroup' });
const Between = z.object({ value: z.number(), low: z.number(), high: z.number() }).meta({ id: 'Between' });
export const CampaignLift = z
  .object({
    told: LiftGroup.describe('Everybody whom it targeted, reached or not.'),
    heldOut: LiftGroup,
    difference: Between.describe('Of the rates, 0.02 being two of a hundred; with 95 % between.'),
    lift: Between.nullable().describe('How much more, 0.2 being a fifth; null where nobody held out did it.'),
    extra: z.number().describe('About so many people would not have done it.'),
    better: z.number().describe('The probability, 0 to 1, that it brought about anything.'),
  })
  .meta({
    id: 'CampaignLift',
    description:
      'Those who were to get it beside those who were held out. Both are counted from when the run began, so that both have the same time.',
  });
export type CampaignLift = z.infer<typeof CampaignLift>;
export const FunnelRow = z.object(Funnel).meta({ id: 'FunnelRow' });
export const CampaignFunnel = z
  .object({
    no: z.number(),
    event: z.string().nullable(),
    within: z.string(),
    total: FunnelRow,
    lift: CampaignLift.nullable().describe('Null without a holdout, or without an event that counts.'),
    by: z.enum(['variant', 'channel', 'domain', 'zone']).nullable(),
    groups: z
      .array(z.object({ name: z.string(), ...Funnel }))
      .describe('The largest first, at most fifty; the others stand together as the last.'),
    links: z
      .array(
        z.object({
          id: z.string(),
          href: z.string().describe('As it stands in the template.'),
          label: z.string(),
          clicked: z.number(),
          clicks: z.number(),
          clickedByMachine: z.number(),
        }),
      )
      .describe('Of its emails, the most clicked first.'),
  })
  .meta({ id: 'CampaignFunnel', description: 'How far a run got with its people.' });
export type FunnelQuery = z.infer<typeof FunnelQuery>;
export type FunnelRow = z.infer<typeof FunnelRow>;
export type CampaignFunnel = z.infer<typeof CampaignFunnel>;

export const CampaignRun = z
  .object({
    no: z.number(),
    state: z.enum(['running', 'completed', 'cancelled', 'failed']),
    startedAt: Time,
    endedAt: Time.nullable(),
    targeted: z.number(),
  })
  .meta({ id: 'CampaignRun' });
export const Campaign = z
  .object({
    id: Id,
    name: z.string(),
    state: CampaignState,
    version: z.number(),
    template: z.boolean().describe('Others begin as copies of it; it is never sent itself.'),
    definition: CampaignDefinition,
    report: CampaignReport.nullable(),
    reason: z.string().nullable().describe('Why it is paused, or failed.'),
    startsAt: Time.nullable().describe('When it starts next.'),
    createdBy: z.string(),
    approval: CampaignApproval.nullable(),
    approvalBy: ApprovalBy.nullable().describe('Who would have to approve of it, before it is started.'),
    clonedFrom: Id.nullable().describe('The campaign it began as a copy of.'),
    createdAt: Time,
    updatedAt: Time,
    runs: z.array(CampaignRun).describe('The latest first, at most fifty.'),
  })
  .meta({ id: 'Campaign' });
export const CampaignList = PageQuery.extend({
  state: CampaignState.optional(),
  template: z.enum(['true', 'false']).optional().describe('Templates instead of campaigns.'),
});

/** A month as a page shows it, and some more. */
export const CALENDAR_DAYS = 62;
export const CampaignCalendarQuery = z
  .object({
    from: Time,
    to: Time.describe(`Before this time, at most ${CALENDAR_DAYS} days after \`from\`.`),
    state: CampaignState.optional().describe('Only campaigns that are in this state now.'),
  })
  .check(({ value, issues }) => {
    const days = (Date.parse(value.to) - Date.parse(value.from)) / 86_400_000;
    const issue = (message: string) => issues.push({ code: 'custom', input: value, path: ['to'], message });
    if (days <= 0) issue('must be after `from`');
    if (days > CALENDAR_DAYS)
      issue(`must be at most ${CALENDAR_DAYS} days after \`from\`: ask for the rest by itself`);
  });
export const CampaignOccurrence = z
  .object({
    campaignId: Id,
    name: z.string(),
    state: CampaignState.describe('Of the campaign, now.'),
    no: z.number().nullable().describe('Of a run that began; null of what is to come.'),
    runState: CampaignRun.shape.state.nullable(),
    at: Time.nullable().describe('When it began, or begins; null where `local` says it.'),
    local: LocalTime.nullable().describe(
      'At each person’s own time: what their clocks show. Of one at the hour that suits each, the hour for those of whom too little is known.',
    ),
    endedAt: Time.nullable(),
  })
  .meta({ id: 'CampaignOccurrence' });
export const CampaignCalendar = z
  .object({ items: z.array(CampaignOccurrence).describe('The earliest first.') })
  .meta({ id: 'CampaignCalendar' });

export type CampaignOccurrence = z.infer<typeof CampaignOccurrence>;
export type CampaignCalendar = z.infer<typeof CampaignCalendar>;
export type CampaignState = z.infer<typeof CampaignState>;
export type CampaignDefinition = z.infer<typeof CampaignDefinition>;
export type CampaignVariant = z.infer<typeof CampaignVariant>;
export type CampaignStart = z.infer<typeof CampaignStart>;
export type CampaignMetric = z.infer<typeof CampaignMetric>;
export type CampaignTest = z.infer<typeof CampaignTest>;
export type CampaignTestVariant = z.infer<typeof CampaignTestVariant>;
export type CampaignDecision = z.infer<typeof CampaignDecision>;
export type CampaignTestResult = z.infer<typeof CampaignTestResult>;
export type CampaignSave = z.infer<typeof CampaignSave>;
export type CampaignFinding = z.infer<typeof CampaignFinding>;
export type CampaignReport = z.infer<typeof CampaignReport>;
export type CampaignSample = z.infer<typeof CampaignSample>;
export type CampaignCost = z.infer<typeof CampaignCost>;
export type CampaignChanges = z.infer<typeof CampaignChanges>;
export type CampaignTally = z.infer<typeof CampaignTally>;
export type CampaignNumbers = z.infer<typeof CampaignNumbers>;
export type CampaignRun = z.infer<typeof CampaignRun>;
export type CampaignApproval = z.infer<typeof CampaignApproval>;
export type CampaignProofs = z.infer<typeof CampaignProofs>;
export type Campaign = z.infer<typeof Campaign>;
