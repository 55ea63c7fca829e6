/** Journeys played on a clock of their own: for whom, when, what happens to them, and what came of it. Nothing is sent. */
import { z } from 'zod';
import { AudienceKey } from './audiences.js';
import { RenderedContent } from './deliveries.js';
import { JourneyDefinition, StepKey } from './journeys.js';
import { Duration } from './messages.js';
import { cursors, Id, PageQuery, Time } from './page.js';
import { ExternalId } from './profiles.js';
import { Channel, MessageClass, Reason, Status } from './words.js';

/** People in one run. */
export const MOST_SIMULATED = 20_000;

const chance = (means: string) => z.number().min(0).max(1).optional().describe(means);
export const SimulatedChances = z
  .strictObject({
    failed: chance('The provider refuses it.'),
    bounced: chance('Of those taken: returned later.'),
    delivered: chance('Of those taken; 1 unless said.'),
    opened: chance('Of those delivered.'),
    clicked: chance('Of those delivered; who clicks has opened.'),
    replied: chance('Of those delivered.'),
    complained: chance('Of those delivered.'),
    unsubscribed: chance('Of those delivered.'),
  })
  .meta({ id: 'SimulatedChances', description: 'Between 0 (never) and 1 (always).' });

export const JourneySimulate = z
  .strictObject({
    definition: JourneyDefinition.optional().describe('One that is not saved. The draft unless said.'),
    version: z.int().min(1).optional().describe('A version that was live, instead of the draft.'),
    profiles: z.array(ExternalId).min(1).max(1000).optional().describe('These people.'),
    audience: AudienceKey.optional().describe('People of this audience; of everybody unless said.'),
    random: z
      .int()
      .min(1)
      .max(MOST_SIMULATED)
      .optional()
      .describe('So many, drawn at random: 100 unless said.'),
    startAt: Time.optional().describe('When the first of them comes in; now unless said.'),
    over: Duration.optional().describe(
      'They come in one after the other within this time; all at once unless said.',
    ),
    within: Duration.default('30d').describe('How long the clock runs.'),
    data: z
      .record(z.string().min(1).max(100), z.unknown())
      .default({})
      .describe('Properties of the event that lets them in.'),
    events: z
      .array(
        z.strictObject({
          event: z.string().trim().min(1).max(100),
          properties: z.record(z.string().min(1).max(100), z.unknown()).default({}),
          after: Duration.describe('So long after the person came in.'),
          share: z.number().min(0).max(1).default(1).describe('To how many of them it happens.'),
        }),
      )
      .max(50)
      .default([])
      .describe('What happens to them meanwhile.'),
    outcomes: SimulatedChances.default({}).describe('What becomes of messages.'),
    steps: z.record(StepKey, SimulatedChances).default({}).describe('Where it differs, by step.'),
    calls: z
      .record(StepKey, z.strictObject({ status: z.int().min(100).max(599), body: z.unknown().optional() }))
      .default({})
      .describe('What servers answer, by step; 200 with nothing unless said.'),
    seed: z.string().min(1).max(100).default('1').describe('Another one draws other people and chances.'),
  })
  .check(({ value, issues }) => {
    const both = (a: 'definition' | 'profiles', b: 'version' | 'audience' | 'random') => {
      if (value[a] !== undefined && value[b] !== undefined)
        issues.push({
          code: 'custom',
          input: value,
          path: [b],
          message: `give either ${a} or ${b}, not both`,
        });
    };
    both('definition', 'version');
    both('profiles', 'audience');
    both('profiles', 'random');
  })
  .meta({ id: 'JourneySimulate' });

const counted = z.array(z.object({ way: z.string(), count: z.number() }));
export const JourneySimulation = z
  .object({
    id: Id,
    version: z.number().nullable().describe('Null: the draft, or one that was not saved.'),
    definition: JourneyDefinition.describe('What was played.'),
    createdBy: z.string(),
    createdAt: Time,
    seed: z.string(),
    startAt: Time,
    until: Time,
    ms: z.number().describe('How long it took.'),
    people: z.number(),
    entered: z.number(),
    inside: z.number().describe('When the clock stopped.'),
    outcomes: z.array(z.object({ outcome: z.string(), count: z.number() })),
    refused: z.array(z.object({ reason: z.string(), count: z.number() })),
    steps: z.array(
      z.object({
        step: z.string(),
        entered: z.number(),
        waiting: z.number(),
        errors: z.number(),
        ways: counted,
      }),
    ),
    messages: z.array(
      z.object({
        step: z.string(),
        channel: Channel,
        status: Status,
        reason: Reason.nullable(),
        count: z.number(),
      }),
    ),
    told: z
      .array(z.object({ step: z.string(), channel: Channel, type: z.string(), count: z.number() }))
      .describe('Opened, clicked and so on, by step.'),
    kept: z.number().describe('Of so many people the way can be looked at.'),
  })
  .meta({
    id: 'JourneySimulation',
    description: 'entered = inside + all outcomes; of each step, entered = waiting + all ways.',
  });

export const SimulatedPerson = z
  .object({
    no: z.number(),
    profile: ExternalId,
    outcome: z.string().nullable().describe('Null: still inside, or never let in.'),
    reason: z.string().nullable(),
    step: z.string().nullable().describe('Where they were when the clock stopped.'),
    entered: z.number().describe('How often they came in.'),
    steps: z.number(),
    messages: z.number().describe('Those that left.'),
  })
  .meta({ id: 'SimulatedPerson' });
export const SimulatedMessage = z
  .object({
    step: z.string(),
    channel: Channel,
    class: MessageClass,
    status: Status,
    reason: Reason.nullable(),
    said: z.string().nullable().describe('The facts that decided, where the reason alone does not tell.'),
    acceptedAt: Time,
    sentAt: Time.nullable(),
    dueAt: Time.nullable().describe('When it would be looked at next.'),
    timeline: z.array(z.object({ type: z.string(), at: Time, reason: z.string().optional() })),
    content: RenderedContent.nullable().describe('What it says; null where it did not leave.'),
    problem: z.string().nullable().describe('Why that cannot be shown.'),
  })
  .meta({ id: 'SimulatedMessage' });
export const SimulatedWay = z
  .object({
    person: SimulatedPerson,
    visits: z.array(
      z.object({
        key: z.string(),
        enteredAt: Time,
        endedAt: Time.nullable(),
        outcome: z.string().nullable(),
        reason: z.string().nullable(),
        step: z.string().nullable(),
        dueAt: Time.nullable(),
        lines: z.array(
          z.object({
            step: z.string(),
            kind: z.string(),
            way: z.string(),
            next: z.string().nullable(),
            detail: z.record(z.string(), z.unknown()),
            at: Time,
          }),
        ),
        messages: z.array(SimulatedMessage),
      }),
    ),
    refused: z.array(z.object({ reason: z.string(), at: Time })),
  })
  .meta({ id: 'SimulatedWay' });
export const SimulatedPeopleQuery = PageQuery.extend({
  ...cursors.byNumber,
  outcome: z.string().max(50).optional(),
  step: StepKey.optional().describe('Who came to this step.'),
  profile: z.string().max(255).optional().describe('External id.'),
});

export type SimulatedChances = z.infer<typeof SimulatedChances>;
export type JourneySimulate = z.infer<typeof JourneySimulate>;
export type JourneySimulation = z.infer<typeof JourneySimulation>;
export type SimulatedPerson = z.infer<typeof SimulatedPerson>;
export type SimulatedMessage = z.infer<typeof SimulatedMessage>;
export type SimulatedWay = z.infer<typeof SimulatedWay>;
