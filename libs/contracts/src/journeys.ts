/**
 * Journeys: one person at a time. A journey is one document, the same whether it is written as code, as JSON or drawn: what
 * lets people in, and steps that name what comes after them. A step that names nothing after it ends the journey.
 */
import { z } from 'zod';
import { AudienceKey, Leaf, Path, PropertyTest, Test, type Comparison, comparisons } from './audiences.js';
import { AnyJson } from './json.js';
import { ContentByChannel } from './content.js';
import { EventName } from './events.js';
import { Data, Duration } from './messages.js';
import { cursors, Id, PageQuery, Time } from './page.js';
import { ExternalId, IdentityKey } from './profiles.js';
import { channels, journeyOutcomes, weekdays } from './lists.js';
import { Channel, MessageClass } from './words.js';

export const journeyStates = ['draft', 'live', 'paused', 'closed', 'stopped'] as const;
export const JourneyState = z.enum(journeyStates).meta({ id: 'JourneyState' });

/** Of one journey. */
export const MOST_STEPS = 500;

export const JourneyKey = z
  .string()
  .regex(/^[a-z0-9][a-z0-9._-]{0,99}$/, 'write lower-case letters, digits, dots, dashes and underscores');
export const StepKey = z
  .string()
  .regex(
    /^[a-z0-9][a-z0-9_-]{0,49}$/,
    'write lower-case letters, digits, dashes and underscores, at most 50',
  );
/** Which step comes next; left out or null: the journey ends here. */
const Next = StepKey.nullable().optional();
const TemplateRef = z.union([
  z.string().min(1).max(100),
  z.strictObject({ key: z.string().min(1).max(100), version: z.int().min(1).optional() }),
]);
const Zone = z.string().min(1).max(64);
const LocalTime = z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$/, 'must be a time of the day such as 09:00');
const Weekdays = z.array(z.enum(weekdays)).min(1).max(7);
const eventName = z.string().trim().min(1).max(100);
const where = z.array(PropertyTest).min(1).max(20).optional().describe('Each must hold for the event.');

// ── what it listens to ──

const MessageOutcome = z.enum(journeyOutcomes);

export const EventTrigger = z.strictObject({ event: eventName, where });
export const AudienceTrigger = z.strictObject({
  audience: AudienceKey.describe('A live audience, or a list.'),
  change: z.enum(['enter', 'leave', 'both']).default('enter'),
});
export const MessageTrigger = z.strictObject({
  message: MessageOutcome.describe('What became of a message.'),
  step: StepKey.optional().describe('Of the step that sent it; any earlier one of this journey unless said.'),
  channel: Channel.optional(),
});
export const JourneyTrigger = z
  .union([EventTrigger, AudienceTrigger, MessageTrigger])
  .meta({ id: 'JourneyTrigger', description: 'Something that happens to the person.' });

export const JourneyEntry = z
  .discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('event'), event: eventName, where }),
    z.strictObject({
      kind: z.literal('audience'),
      audience: AudienceKey,
      change: z.enum(['enter', 'leave', 'both']).default('enter'),
    }),
    z.strictObject({
      kind: z.literal('schedule'),
      audience: AudienceKey,
      who: z
        .enum(['all', 'new'])
        .default('all')
        .describe('new: only those who have never entered this journey.'),
      at: z.union([
        z.strictObject({ at: Time }),
        z.strictObject({
          rule: z
            .string()
            .max(500)
            .describe('RFC 5545 without DTSTART, such as FREQ=DAILY; or cron, such as 0 9 * * MON.'),
          from: z
            .string()
            .regex(
              /^\d{4}-\d\d-\d\dT([01]\d|2[0-3]):[0-5]\d$/,
              'must be a local time such as 2026-12-01T09:00',
            ),
          zone: Zone,
        }),
      ]),
    }),
    z.strictObject({
      kind: z.literal('business'),
      event: eventName.describe('Something that happened, though to nobody: price.dropped.'),
      where,
      audience: AudienceKey.describe('Everybody who is in it then comes in.'),
    }),
    z.strictObject({ kind: z.literal('api') }),
  ])
  .meta({
    id: 'JourneyEntry',
    description:
      'What lets people in: an event of theirs, entering or leaving an audience, a schedule over an audience, an event of nobody that concerns an audience (`business`), or you (`api`, which is possible with every kind).',
  });

export const JourneyReentry = z
  .discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('never') }),
    z.strictObject({ kind: z.literal('after'), wait: Duration.optional() }),
    z.strictObject({ kind: z.literal('always') }),
  ])
  .meta({
    id: 'JourneyReentry',
    description:
      '`never`: once. `after`: when the person has left, and so long after. `always`: also while inside. With `perKey`, each key is counted apart.',
  });

// ── what it asks ──

/** A value of the journey's data: `event.total`, `vars.coupon`. */
export const DataClause = z
  .strictObject({
    data: Path.describe('A path into its data: ["event", "total"], or "event" alone.'),
    ...Test.shape,
  })
  .check(({ value, issues }) => {
    const given = comparisons.filter((name: Comparison) => value[name] !== undefined);
    if (given.length !== 1)
      issues.push({
        code: 'custom',
        input: value,
        path: given.length > 1 ? [given[1]!] : [],
        message: `say what must hold, with one of ${comparisons.join(', ')}`,
      });
  });
export const ClockClause = z
  .strictObject({
    clock: z
      .strictObject({ days: Weekdays.optional(), from: LocalTime.optional(), until: LocalTime.optional() })
      .describe('What the clock shows where the person is; `until` is not part of it.'),
  })
  .refine((c) => c.clock.days ?? c.clock.from ?? c.clock.until, {
    message: 'say which days, or from and until which time',
  });
export const StepClause = z.strictObject({
  step: StepKey.describe('A step that sends.'),
  message: MessageOutcome.describe('What has become of what it sent.'),
  channel: Channel.optional().describe('By this channel; by any unless said.'),
});
export const JourneyClause: z.ZodType<JourneyClause, JourneyClause> = z
  .lazy(() =>
    z.union([
      z.strictObject({ and: z.array(JourneyClause).max(50) }),
      z.strictObject({ or: z.array(JourneyClause).min(1).max(50) }),
      z.strictObject({ not: JourneyClause }),
      DataClause,
      ClockClause,
      StepClause,
      Leaf,
    ]),
  )
  .meta({
    id: 'JourneyClause',
    description:
      'A clause of an audience, or one about the journey itself: its data, the clock, what became of a message.',
  });
export type DataClause = z.infer<typeof DataClause>;
export type ClockClause = z.infer<typeof ClockClause>;
export type StepClause = z.infer<typeof StepClause>;
export type JourneyClause =
  | { and: JourneyClause[] }
  | { or: JourneyClause[] }
  | { not: JourneyClause }
  | DataClause
  | ClockClause
  | StepClause
  | Leaf;

/** A value as it is written, or one taken from the journey's data. */
const Value = z.union([z.strictObject({ from: Path.describe('A path into the journey’s data.') }), AnyJson]);

// ── steps ──

const note = z.string().max(500).optional().describe('For those who read it.');
const place = z
  .strictObject({ x: z.number(), y: z.number() })
  .optional()
  .describe('Where it stands when it is drawn; means nothing else.');
const step = { name: z.string().max(100).optional(), note, place };

export const SendStep = z
  .strictObject({
    kind: z.literal('send'),
    ...step,
    channels: z
      .array(Channel)
      .min(1)
      .max(4)
      .refine((c) => new Set(c).size === c.length, 'each channel once')
      .describe(
        'One; or several in order, each tried when the one before did not get as far as `until` in time.',
      ),
    until: z
      .enum(['sent', 'delivered', 'read'])
      .optional()
      .describe('How far a channel has to get: delivered unless said.'),
    patience: Duration.optional().describe('How long each channel is given before the next: 5m unless said.'),
    template: TemplateRef.optional(),
    content: ContentByChannel.optional(),
    data: Data.optional().describe('Beside `event`, `vars` and `journey`, which templates always get.'),
    class: MessageClass.default('transactional'),
    topic: z.string().min(1).max(100).optional(),
    replyTo: z.string().max(320).optional(),
    next: Next,
    onError: Next.describe('When it could not be accepted, such as a variable that is missing.'),
  })
  .check(({ value, issues }) => {
    if (Number(!!value.template) + Number(!!value.content) !== 1)
      issues.push({
        code: 'custom',
        input: value,
        path: ['template'],
        message: 'say what to send: content, or template, not both',
      });
  });
export const WaitStep = z
  .strictObject({
    kind: z.literal('wait'),
    ...step,
    for: Duration.optional(),
    until: z
      .strictObject({
        date: Path.optional().describe('An attribute of the person that holds a date or a time.'),
        data: Path.optional().describe('A date or a time in the journey’s data: ["event", "appointment"].'),
        shift: z
          .string()
          .regex(/^-?[1-9]\d{0,4}(s|m|h|d)$/, 'a number and s, m, h or d, with - for before: -24h')
          .optional(),
        time: LocalTime.optional().describe('The next time the clock shows this where the person is.'),
        days: Weekdays.optional().describe('On one of these days.'),
        quietHours: z
          .enum(['any', ...channels])
          .optional()
          .describe(
            'Until the workspace’s quiet hours are over where the person is: those for this channel, or any.',
          ),
      })
      .optional()
      .describe(
        'A date of the person or of its data, shifted; or the next such time of the day; or both: that time on that day. Or the end of quiet hours.',
      ),
    next: Next,
    otherwise: Next.describe('When there is no such date, or it is past. The same as `next` unless said.'),
  })
  .check(({ value, issues }) => {
    const issue = (path: string[], message: string) =>
      issues.push({ code: 'custom', input: value, path, message });
    if (Number(value.for !== undefined) + Number(value.until !== undefined) !== 1)
      issue(['for'], 'say how long (for), or until when (until), not both');
    const until = value.until;
    if (until?.date !== undefined && until.data !== undefined)
      issue(['until', 'data'], 'give a date of the person, or one of the data, not both');
    const { quietHours, ...others } = until ?? {};
    if (quietHours !== undefined && Object.values(others).some((other) => other !== undefined))
      issue(['until', 'quietHours'], 'stands alone: put another wait before or after it');
    else if (
      until &&
      !quietHours &&
      until.date === undefined &&
      until.data === undefined &&
      !until.time &&
      !until.days
    )
      issue(['until'], 'say until when: date, data, time, days or quietHours');
    if (until?.shift && until.date === undefined && until.data === undefined)
      issue(['until', 'shift'], 'is counted from a date: give date or data');
  });
export const ConditionStep = z.strictObject({
  kind: z.literal('condition'),
  ...step,
  branches: z
    .array(z.strictObject({ name: z.string().max(100).optional(), if: JourneyClause, next: Next }))
    .min(1)
    .max(20)
    .describe('The first that holds is taken.'),
  otherwise: Next,
});
export const SplitStep = z
  .strictObject({
    kind: z.literal('split'),
    ...step,
    shares: z
      .array(
        z.strictObject({ name: z.string().min(1).max(100), percent: z.number().min(0).max(100), next: Next }),
      )
      .min(2)
      .max(20)
      .describe('Each person gets one of them, always the same.'),
  })
  .refine((s) => Math.abs(s.shares.reduce((sum, { percent }) => sum + percent, 0) - 100) < 0.001, {
    path: ['shares'],
    message: 'must make 100 per cent in all',
  })
  .refine((s) => new Set(s.shares.map(({ name }) => name)).size === s.shares.length, {
    path: ['shares'],
    message: 'each name once',
  });
export const ListenStep = z.strictObject({
  kind: z.literal('listen'),
  ...step,
  for: z
    .array(z.strictObject({ on: JourneyTrigger, next: Next }))
    .min(1)
    .max(20)
    .describe('The first that happens is taken.'),
  within: Duration.describe('How long it listens.'),
  otherwise: Next.describe('When nothing has happened in time.'),
});
export const UpdateStep = z.strictObject({
  kind: z.literal('update'),
  ...step,
  attributes: z
    .record(z.string().min(1).max(100), Value)
    .refine((a) => Object.keys(a).length > 0 && Object.keys(a).length <= 50, 'between 1 and 50 attributes'),
  next: Next,
  onError: Next,
});
export const EmitStep = z.strictObject({
  kind: z.literal('emit'),
  ...step,
  event: eventName,
  properties: z.record(z.string().min(1).max(100), Value).default({}),
  next: Next,
  onError: Next.describe('When the event is refused, such as for its size.'),
});
export const CallStep = z.strictObject({
  kind: z.literal('call'),
  ...step,
  url: z.url({ protocol: /^https?$/ }).max(2000),
  method: z.enum(['GET', 'POST', 'PUT']).default('POST'),
  headers: z.record(z.string().max(100), z.string().max(1000)).default({}),
  body: z.record(z.string().min(1).max(100), Value).optional().describe('JSON. Person and data unless said.'),
  timeout: Duration.default('10s').describe('At most 30s.'),
  tries: z.int().min(1).max(10).default(3),
  saveAs: z
    .string()
    .regex(/^[a-zA-Z][a-zA-Z0-9_]{0,49}$/)
    .optional()
    .describe('Its answer (JSON, up to 64 KiB) is kept as vars.<this>.'),
  next: Next,
  onError: Next.describe('When it did not answer with 2xx, after all tries.'),
  onTimeout: Next.describe(
    'When no answer came in time, after all tries. The same as `onError` unless said.',
  ),
});
export const ListStep = z.strictObject({
  kind: z.literal('list'),
  ...step,
  audience: AudienceKey.describe('A list.'),
  change: z.enum(['join', 'leave']),
  next: Next,
  onError: Next.describe('When the list is not there any more.'),
});
export const StartStep = z.strictObject({
  kind: z.literal('start'),
  ...step,
  journey: JourneyKey.describe('Another journey, which the person enters beside this one.'),
  data: z.record(z.string().min(1).max(100), Value).default({}),
  next: Next,
  onError: Next.describe('When that journey is not there, or nobody can enter it.'),
});
export const ThrottleStep = z.strictObject({
  kind: z.literal('throttle'),
  ...step,
  most: z.int().min(1).max(1000).describe('So many may pass …'),
  per: Duration.describe('… within this time.'),
  key: Path.optional().describe(
    'A path into its data: each value is counted apart. Each person unless said.',
  ),
  next: Next,
  otherwise: Next.describe('Who is too many.'),
});
export const DigestStep = z.strictObject({
  kind: z.literal('digest'),
  ...step,
  within: Duration.describe(
    'Further entry events of the person (and key) within it are gathered as `digest`.',
  ),
  most: z.int().min(1).max(1000).default(100).describe('With so many it goes on at once.'),
  next: Next,
});
export const EndStep = z.strictObject({
  kind: z.literal('end'),
  ...step,
  outcome: z
    .string()
    .regex(/^[a-z0-9][a-z0-9_-]{0,49}$/)
    .default('done'),
});
export const JourneyStep = z
  .discriminatedUnion('kind', [
    SendStep,
    WaitStep,
    ConditionStep,
    SplitStep,
    ListenStep,
    UpdateStep,
    EmitStep,
    CallStep,
    ListStep,
    StartStep,
    ThrottleStep,
    DigestStep,
    EndStep,
  ])
  .meta({ id: 'JourneyStep' });
export const stepKinds = [
  'send',
  'wait',
  'condition',
  'split',
  'listen',
  'update',
  'emit',
  'call',
  'list',
  'start',
  'throttle',
  'digest',
  'end',
] as const;

export const JourneyExit = z
  .union([
    z.strictObject({ name: z.string().min(1).max(100), on: JourneyTrigger }),
    z.strictObject({
      name: z.string().min(1).max(100),
      /** Looked at before every step. */
      if: JourneyClause,
    }),
  ])
  .meta({ id: 'JourneyExit' });

const Definition = z.strictObject({
  entry: JourneyEntry,
  perKey: Path.optional().describe(
    'A property of the entry event, such as an order id: a person may be inside once for each of its values.',
  ),
  reentry: JourneyReentry.default({ kind: 'after' }),
  window: z
    .strictObject({ from: Time.optional(), until: Time.optional() })
    .optional()
    .describe('Nobody enters outside of it.'),
  cap: z
    .strictObject({ most: z.int().min(1).max(100_000_000), per: Duration.optional() })
    .optional()
    .describe('At most so many enter: in all, or within a time.'),
  guard: Duration.optional().describe(
    'Entry events so soon after the last of the same person and key are ignored.',
  ),
  zone: z
    .union([z.literal('person'), Zone])
    .default('person')
    .describe('Whose clock waits and conditions read.'),
  mostStay: Duration.default('365d').describe('Who is inside for longer leaves, as timed_out.'),
  goal: z
    .strictObject({ name: z.string().min(1).max(100), on: JourneyTrigger, ends: z.boolean().default(true) })
    .optional(),
  exits: z.array(JourneyExit).max(20).default([]).describe('Looked at in order, all the time.'),
  priority: z.int().min(0).max(100).default(50),
  start: StepKey.describe('The first step.'),
  steps: z
    .record(StepKey, JourneyStep)
    .refine((s) => Object.keys(s).length > 0, 'a journey has at least one step')
    .refine((s) => Object.keys(s).length <= MOST_STEPS, `a journey has at most ${MOST_STEPS} steps`),
});
export const JourneyDefinition = Definition.meta({
  id: 'JourneyDefinition',
  description: 'A journey as one document.',
});
export type JourneyDefinition = z.infer<typeof Definition>;
export type JourneyDefinitionInput = z.input<typeof Definition>;
export type JourneyStep = z.infer<typeof JourneyStep>;
export type JourneyStepKind = JourneyStep['kind'];
export type StepOf<K extends JourneyStepKind> = Extract<JourneyStep, { kind: K }>;
export type JourneyTrigger = z.infer<typeof JourneyTrigger>;
export type JourneyEntry = z.infer<typeof JourneyEntry>;
export type JourneyExit = z.infer<typeof JourneyExit>;

/** The ways out of a step: what stands at the edge, and where it leads. Null: the end. */
export function waysOut(step: JourneyStep): { way: string; next: string | null }[] {
  const to = (way: string, next: string | null | undefined) => ({ way, next: next ?? null });
  switch (step.kind) {
    case 'end':
      return [];
    case 'condition':
      return [
        ...step.branches.map((b, n) => to(b.name ?? `branch ${n + 1}`, b.next)),
        to('otherwise', step.otherwise),
      ];
    case 'split':
      return step.shares.map((share) => to(share.name, share.next));
    case 'listen':
      return [...step.for.map(({ on, next }) => to(triggerWords(on), next)), to('otherwise', step.otherwise)];
    case 'throttle':
      return [to('next', step.next), to('otherwise', step.otherwise)];
    case 'wait':
      return [
        to('next', step.next),
        ...(step.otherwise === undefined ? [] : [to('otherwise', step.otherwise)]),
      ];
    case 'send':
    case 'update':
    case 'emit':
    case 'call':
    case 'list':
    case 'start':
      return [
        to('next', step.next),
        ...(step.onError === undefined ? [] : [to('error', step.onError)]),
        ...('onTimeout' in step && step.onTimeout !== undefined ? [to('timeout', step.onTimeout)] : []),
      ];
    default:
      return [to('next', step.next)];
  }
}

/** What stands at the edge of a trigger. */
export const triggerWords = (on: JourneyTrigger): string =>
  'event' in on
    ? on.event
    : 'audience' in on
      ? `${on.change} ${on.audience}`
      : on.step
        ? `${on.message} ${on.step}`
        : on.message;

// ── over HTTP ──

export const JourneySave = z
  .strictObject({
    name: z.string().min(1).max(200),
    description: z.string().max(2000).default(''),
    definition: JourneyDefinition,
    ifRevision: z
      .int()
      .min(0)
      .optional()
      .describe(
        'The revision you read; 0 for one that must not be there yet. Refused with 409 when it is another.',
      ),
  })
  .meta({ id: 'JourneySave' });
export const JourneyFinding = z
  .object({
    level: z.enum(['error', 'warning']),
    code: z.string(),
    at: z.string().describe('Pointer into the definition.'),
    step: z.string().nullable(),
    message: z.string(),
  })
  .meta({ id: 'JourneyFinding' });
export const JourneyLint = z
  .object({ findings: z.array(JourneyFinding).describe('With an error it cannot go live.') })
  .meta({ id: 'JourneyLint' });
export const JourneyLintRequest = z
  .strictObject({ definition: z.unknown().describe('A JourneyDefinition, finished or not.') })
  .meta({ id: 'JourneyLintRequest' });

export const Journey = z
  .object({
    id: Id,
    key: z.string(),
    name: z.string(),
    description: z.string(),
    state: JourneyState,
    definition: JourneyDefinition.describe('The draft: what was saved last.'),
    revision: z.number().describe('Rises with each save.'),
    version: z.number().nullable().describe('The version that newcomers take; null before it was live.'),
    newest: z.number().describe('The highest version; 0 before it was live.'),
    changed: z.boolean().describe('The draft is not what is live.'),
    reason: z.string().nullable().describe('Why it is paused, or stopped.'),
    whilePaused: z.enum(['hold', 'discard']).nullable(),
    inside: z.number().describe('People inside now.'),
    nextAt: Time.nullable().describe('When its schedule lets people in next.'),
    createdBy: z.string(),
    createdAt: Time,
    updatedAt: Time,
    liveAt: Time.nullable(),
  })
  .meta({ id: 'Journey' });
export const JourneyList = PageQuery.extend({
  ...cursors.byKey,
  state: JourneyState.optional(),
  search: z.string().max(200).optional().describe('Part of its key or name.'),
});
export const JourneyVersion = z
  .object({
    version: z.number(),
    definition: JourneyDefinition,
    note: z.string(),
    inside: z.number(),
    createdBy: z.string(),
    createdAt: Time,
  })
  .meta({ id: 'JourneyVersion' });
export const JourneyGoLive = z
  .strictObject({
    ifRevision: z.int().min(1).optional(),
    version: z.int().min(1).optional().describe('An earlier version again, instead of the draft.'),
    note: z.string().max(500).default(''),
  })
  .meta({ id: 'JourneyGoLive' });
export const JourneyMove = z
  .strictObject({
    from: z.int().min(1).describe('The version in which they are.'),
    to: z.int().min(1).optional().describe('Where they go: what newcomers take, unless said.'),
    steps: z
      .record(StepKey, StepKey)
      .default({})
      .describe('What stands for a step of the old version; the step of the same key unless said.'),
    apply: z.boolean().default(false).describe('Do it. Otherwise only what would be done is told.'),
  })
  .meta({ id: 'JourneyMove' });
export const JourneyMoved = z
  .object({
    from: z.number(),
    to: z.number(),
    steps: z
      .array(
        z.object({
          step: z.string(),
          people: z.number(),
          to: z.string().nullable().describe('Null: nothing stands for it, and they finish the old version.'),
        }),
      )
      .describe('Where they are now.'),
    moving: z.boolean().describe('They are moved in the background.'),
  })
  .meta({ id: 'JourneyMoved' });
export const JourneyPause = z
  .strictObject({
    insiders: z
      .enum(['hold', 'discard'])
      .default('hold')
      .describe(
        'hold: they and what happens meanwhile are kept for later. discard: who comes to a step leaves.',
      ),
    reason: z.string().max(500).optional(),
  })
  .meta({ id: 'JourneyPause' });
export const JourneyAsk = z
  .strictObject({ reason: z.string().max(500).optional() })
  .meta({ id: 'JourneyAsk' });

export const enrollmentStates = ['inside', 'held', 'parked', 'ended'] as const;
export const EnrollmentState = z.enum(enrollmentStates).meta({ id: 'EnrollmentState' });
export const Enrollment = z
  .object({
    id: Id,
    profile: z.object({ id: Id, externalId: z.string() }),
    version: z.number(),
    key: z.string().describe('Which of the person’s own, such as an order id; empty where it has none.'),
    state: EnrollmentState.describe('parked: its step failed again and again; see reason.'),
    step: z.string().nullable(),
    since: Time.describe('When it came to this step.'),
    dueAt: Time.nullable().describe('When it is looked at next.'),
    outcome: z.string().nullable().describe('How it ended: done, goal, exit, error, timed_out, stopped …'),
    reason: z.string().nullable(),
    data: z.record(z.string(), z.unknown()),
    enteredAt: Time,
    endedAt: Time.nullable(),
  })
  .meta({ id: 'Enrollment' });
export const EnrollmentLine = z
  .object({
    no: z.number(),
    step: z.string(),
    kind: z.string(),
    way: z.string().describe('How it left the step.'),
    next: z.string().nullable(),
    detail: z.record(z.string(), z.unknown()),
    at: Time,
  })
  .meta({ id: 'EnrollmentLine' });
export const EnrollmentHistory = z
  .object({ enrollment: Enrollment, lines: z.array(EnrollmentLine) })
  .meta({ id: 'EnrollmentHistory' });
export const EnrollmentList = PageQuery.extend({
  step: StepKey.optional().describe('Who is at this step.'),
  state: EnrollmentState.optional(),
  profile: z.string().max(255).optional().describe('External id.'),
  version: z.coerce.number().int().min(1).optional(),
});
const Who = z
  .union([ExternalId, IdentityKey])
  .describe('An external id, or another identity of theirs {"namespace", "value"}.');
export const JourneyEnter = z
  .strictObject({
    profile: Who.optional(),
    profiles: z.array(Who).min(1).max(1000).optional(),
    audience: AudienceKey.optional().describe(
      'Everybody who is in it: told in slices, so that what happens to others meanwhile does not wait behind them.',
    ),
    data: z.record(z.string().min(1).max(100), z.unknown()).default({}).describe('Kept as `event`.'),
    eventKey: z
      .string()
      .min(1)
      .max(200)
      .optional()
      .describe('Your own id of this: within 7 days the same lets nobody in again.'),
  })
  .check(({ value, issues }) => {
    const given = [value.profile, value.profiles, value.audience].filter((v) => v !== undefined).length;
    if (given !== 1)
      issues.push({
        code: 'custom',
        input: value,
        path: ['profile'],
        message: 'say who: profile, profiles or audience, one of them',
      });
  })
  .meta({ id: 'JourneyEnter' });
export const JourneyEntered = z
  .object({ signalled: z.number().describe('For so many people it will be decided whether they enter.') })
  .meta({ id: 'JourneyEntered' });

export const BusinessEvent = z
  .strictObject({
    name: EventName.describe('What happened: price.dropped.'),
    properties: z.record(z.string().min(1).max(100), z.unknown()).default({}).describe('JSON, up to 64 KiB.'),
    key: z
      .string()
      .trim()
      .min(1)
      .max(200)
      .optional()
      .describe('Your own id of it: within 7 days the same lets nobody in again.'),
  })
  .meta({ id: 'BusinessEvent', description: 'Something that happened, though to nobody.' });
export const BusinessEventTaken = z
  .object({
    outcome: z.enum(['accepted', 'duplicate']),
    journeys: z.array(z.string()).describe('Keys of the journeys that let their audiences in because of it.'),
  })
  .meta({ id: 'BusinessEventTaken' });

export const JourneyExplain = z.object({
  profile: ExternalId,
  event: z
    .string()
    .min(1)
    .max(100)
    .optional()
    .describe(
      'The id of an event of theirs, or its name: the last one. Unless said, the last that lets people in.',
    ),
});
export const JourneyBecause = z.object({
  about: z.enum(['journey', 'event', 'signal', 'guards', 'way', 'message']),
  good: z.boolean().describe('Does not hinder.'),
  sentence: z.string(),
  at: Time.nullable(),
});
export const JourneyExplanation = z
  .object({
    verdict: z.string(),
    because: z.array(JourneyBecause).describe('In the order in which it decides.'),
    next: z.string().describe('What happens next, or what you can do.'),
    nextAt: Time.nullable().describe('When they are looked at next.'),
    event: z.object({ id: Id, name: z.string(), at: Time }).nullable().describe('What it is about.'),
    enrollment: Enrollment.nullable().describe('Their newest way through it.'),
  })
  .meta({ id: 'JourneyExplanation', description: 'Why something, or nothing, happened to somebody.' });

/** A number, written as text. */
export const SignalId = z.string().regex(/^[1-9]\d{0,17}$/, 'must be the id of a signal');
export const ParkedSignal = z
  .object({
    id: z.string(),
    profile: z.object({ id: Id, externalId: z.string() }),
    kind: z.enum(['event', 'audience', 'message', 'enter']),
    name: z.string().describe('Of the event, the audience or the outcome.'),
    ref: z.string().describe('Id of the event or what else it was about.'),
    reason: z.string(),
    at: Time,
  })
  .meta({
    id: 'ParkedSignal',
    description:
      'Something that happened to somebody and failed again and again when it was taken: it is kept until you retry or skip it.',
  });

export const JourneyNumbers = z
  .object({
    version: z.number().nullable().describe('Null: all versions together.'),
    entered: z.number(),
    inside: z.number(),
    outcomes: z.array(z.object({ outcome: z.string(), count: z.number() })),
    refused: z
      .array(z.object({ reason: z.string(), count: z.number() }))
      .describe('Who did not enter, and why.'),
    steps: z.array(
      z.object({
        step: z.string(),
        entered: z.number(),
        waiting: z.number(),
        errors: z.number(),
        ways: z.array(z.object({ way: z.string(), count: z.number() })),
      }),
    ),
  })
  .meta({
    id: 'JourneyNumbers',
    description: 'entered = inside + all outcomes; of each step, entered = waiting + all ways.',
  });
export const JourneyNumbersQuery = z.object({ version: z.coerce.number().int().min(1).optional() });

export type JourneyState = z.infer<typeof JourneyState>;
export type JourneySave = z.infer<typeof JourneySave>;
export type JourneyFinding = z.infer<typeof JourneyFinding>;
export type Journey = z.infer<typeof Journey>;
export type JourneyVersion = z.infer<typeof JourneyVersion>;
export type JourneyGoLive = z.infer<typeof JourneyGoLive>;
export type JourneyPause = z.infer<typeof JourneyPause>;
export type JourneyMove = z.infer<typeof JourneyMove>;
export type JourneyMoved = z.infer<typeof JourneyMoved>;
export type JourneyEnter = z.infer<typeof JourneyEnter>;
export type BusinessEvent = z.infer<typeof BusinessEvent>;
export type BusinessEventTaken = z.infer<typeof BusinessEventTaken>;
export type JourneyBecause = z.infer<typeof JourneyBecause>;
export type JourneyExplanation = z.infer<typeof JourneyExplanation>;
export type ParkedSignal = z.infer<typeof ParkedSignal>;
export type JourneyNumbers = z.infer<typeof JourneyNumbers>;
export type EnrollmentState = z.infer<typeof EnrollmentState>;
export type Enrollment = z.infer<typeof Enrollment>;
export type EnrollmentLine = z.infer<typeof EnrollmentLine>;
export type EnrollmentHistory = z.infer<typeof EnrollmentHistory>;
