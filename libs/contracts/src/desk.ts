/** What a person does about trouble: deciding unknown deliveries, failures by cause, sending again. */
import { z } from 'zod';
import { Id, Time } from './page.js';
import { Tracking } from './tracking.js';
import { Channel, MessageClass, Reason, Role, Status } from './words.js';

const list = <T extends z.ZodType>(item: T) =>
  z
    .preprocess((v) => (typeof v === 'string' ? v.split(',').filter(Boolean) : v), z.array(item).min(1))
    .optional();

export const Resolve = z
  .strictObject({
    as: z
      .enum(['sent', 'failed', 'resend'])
      .describe('`resend` sends it again, marked as a possible duplicate.'),
    note: z.string().min(1).max(500).optional().describe('How you know. Kept in the timeline.'),
  })
  .meta({ id: 'Resolve', description: 'What a person decided about a delivery whose outcome is unknown.' });
export type Resolve = z.infer<typeof Resolve>;

export const FailureQuery = z.object({
  from: Time.optional().describe('Accepted at or after; 24 hours ago unless said.'),
  to: Time.optional().describe('Accepted before.'),
  channel: list(Channel).describe('One or several, separated by commas.'),
  status: list(z.enum(['failed', 'unknown', 'expired'])),
});
export type FailureQuery = z.infer<typeof FailureQuery>;

export const FailureGroup = z
  .object({
    cause: z.string().describe('Names the group; usable in the filter of a re-drive.'),
    reason: Reason,
    status: Status,
    provider: z.string().nullable(),
    code: z.string().nullable().describe("The provider's code."),
    words: z
      .string()
      .nullable()
      .describe("The provider's words, without addresses, ids, numbers and quotes."),
    count: z.number(),
    firstAt: Time,
    lastAt: Time,
    channels: z.array(Channel),
    sampleIds: z.array(Id).describe('Up to five, the newest first.'),
    advice: z.string().describe('What to do about it, in a sentence.'),
  })
  .meta({ id: 'FailureGroup' });
export const Failures = z
  .object({
    from: Time,
    to: Time,
    total: z.number(),
    truncated: z
      .boolean()
      .describe('True when there are more failures than are looked at; the newest count.'),
    groups: z.array(FailureGroup).describe('The largest first.'),
  })
  .meta({ id: 'Failures' });
export type FailureGroup = z.infer<typeof FailureGroup>;
export type Failures = z.infer<typeof Failures>;

export const RedriveFilter = z
  .strictObject({
    ids: z.array(Id).min(1).max(1000).optional().describe('These deliveries.'),
    status: z
      .array(z.enum(['failed', 'unknown']))
      .min(1)
      .optional(),
    reason: z.array(Reason).min(1).optional(),
    cause: z.string().max(1000).optional().describe('A group of `GET /v1/failures`.'),
    channel: z.array(Channel).min(1).optional(),
    template: z.string().max(100).optional().describe('Key of a template.'),
    accountId: Id.optional().describe('The provider account that it went through.'),
    from: Time.optional().describe('Accepted at or after; 7 days ago unless said.'),
    to: Time.optional().describe('Accepted before.'),
  })
  .meta({ id: 'RedriveFilter' });
export type RedriveFilter = z.infer<typeof RedriveFilter>;

export const RedriveRequest = z
  .strictObject({
    dryRun: z.boolean().default(true).describe('True previews and sends nothing.'),
    filter: RedriveFilter.optional().describe('Which deliveries. For a preview.'),
    includeUnknown: z
      .boolean()
      .default(false)
      .describe('Also what may have arrived already: people may get it twice.'),
    fingerprint: z
      .string()
      .max(100)
      .optional()
      .describe('Of the preview that is to be started. With `dryRun: false`.'),
  })
  .check((ctx) => {
    const { dryRun, filter, fingerprint } = ctx.value;
    const issue = (path: string, message: string) =>
      ctx.issues.push({ code: 'custom', input: ctx.value, path: [path], message });
    if (dryRun && !filter)
      issue('filter', 'say which deliveries, for example {"reason": ["retries_exhausted"]}');
    if (!dryRun && !fingerprint)
      issue('fingerprint', 'preview first (dryRun: true) and give the fingerprint of that answer');
  })
  .meta({ id: 'RedriveRequest' });
export type RedriveRequest = z.infer<typeof RedriveRequest>;

export const RedrivePreview = z.object({
  total: z.number().describe('How many would be sent again.'),
  truncated: z
    .boolean()
    .describe('True when more match than one re-drive takes: start it, then preview again.'),
  risky: z.number().describe('Of those, how many may have arrived already.'),
  suppressedNow: z
    .number()
    .describe('Of those, how many the gate would stop: opted out or suppressed since.'),
  leftOut: z
    .object({ unknown: z.number(), delivered: z.number(), reached: z.number(), expired: z.number() })
    .describe(
      'Matched, but not sent again: may have arrived (see includeUnknown), had arrived, were reached by another step of the route, are past their expiry.',
    ),
  byCause: z.array(
    z.object({
      cause: z.string(),
      reason: Reason,
      provider: z.string().nullable(),
      words: z.string().nullable(),
      count: z.number(),
    }),
  ),
  sampleIds: z.array(Id).describe('Up to ten.'),
});
export type RedrivePreview = z.infer<typeof RedrivePreview>;

export const Redrive = z
  .object({
    id: Id,
    state: z.enum(['preview', 'running', 'done', 'cancelled']),
    fingerprint: z.string().describe('Names this preview: starting it twice starts it once.'),
    filter: RedriveFilter,
    includeUnknown: z.boolean(),
    preview: RedrivePreview,
    done: z.number().describe('How many have been looked at.'),
    redriven: z.number().describe('How many are on their way again.'),
    skipped: z.number().describe('How many had changed since the preview and were left alone.'),
    requestedBy: z.string(),
    createdAt: Time,
    startedAt: Time.nullable(),
    finishedAt: Time.nullable(),
  })
  .meta({ id: 'Redrive' });
export type Redrive = z.infer<typeof Redrive>;

export const Installation = z
  .object({
    retentionDays: z
      .int()
      .describe(
        'Messages, deliveries, their timelines and inbox items are dropped by whole UTC days after this.',
      ),
    eventRetentionDays: z
      .int()
      .describe('What people did is dropped by whole months after this, by the time at which it happened.'),
    idempotencyHours: z.int().describe('How long an idempotency key is remembered.'),
    backlogLimit: z
      .int()
      .describe(
        'Past so many of your deliveries due and not yet sent, messages are refused: 429 `backlog_full`.',
      ),
  })
  .meta({ id: 'Installation', description: 'What the operator has set for all workspaces.' });
export type Installation = z.infer<typeof Installation>;

export const OnUnknown = z.enum(['retry', 'hold']);
export const ApprovalBy = z
  .strictObject({
    roles: z.array(Role).min(1).max(3).optional().describe('People with one of these roles.'),
    people: z.array(z.string().min(3).max(320)).min(1).max(50).optional().describe('Or these, by email.'),
  })
  .meta({
    id: 'ApprovalBy',
    description: 'Nobody approves of their own. With neither: anybody else who may write campaigns.',
  });
export type ApprovalBy = z.infer<typeof ApprovalBy>;
export const ApprovalRule = z
  .strictObject({
    when: z
      .strictObject({
        channels: z.array(Channel).min(1).max(4).optional().describe('It goes out on one of these.'),
        classes: z.array(MessageClass).min(1).max(2).optional(),
        topics: z.array(z.string().min(1).max(100)).min(1).max(50).optional(),
        audiences: z.array(z.string().min(1).max(100)).min(1).max(50).optional(),
        morePeopleThan: z.int().min(0).optional(),
      })
      .default({})
      .describe('All that is said must fit; nothing said fits always.'),
    by: ApprovalBy.default({}),
  })
  .meta({ id: 'ApprovalRule' });
export type ApprovalRule = z.infer<typeof ApprovalRule>;

export const Policies = z
  .strictObject({
    unknown: z
      .strictObject({ transactional: OnUnknown, marketing: OnUnknown })
      .describe(
        'When a provider never answered: `retry` sends again, marked as a possible duplicate; `hold` waits for a receipt, a look-up or a person.',
      ),
    approvals: z
      .union([z.enum(['none', 'another_person']), z.array(ApprovalRule).min(1).max(20)])
      .optional()
      .describe(
        'Who has to approve of a campaign before it starts; nobody unless said. Of rules the first that fits counts; where none does, nobody has to.',
      ),
    tracking: z
      .strictObject({ transactional: Tracking.optional(), marketing: Tracking.optional() })
      .optional()
      .describe(
        'Unless a message or a campaign says otherwise. Opens and clicks of marketing are counted, those of transactional mail are not, unless said.',
      ),
  })
  .meta({ id: 'Policies' });
export type Policies = z.infer<typeof Policies>;
