/** What people agreed to: topics, words of consent, addresses that must not be written to, and the workspace's rules. */
import { z } from 'zod';
import { cursors, PageQuery, Time } from './page.js';
import { consentSources, suppressionReasons } from './lists.js';
import { Channel, MessageClass } from './words.js';

const Words = z.enum(['in', 'out']);
/** Text by locale; `en` or the first one where the person's is not there. */
const Localised = z
  .record(
    z.string().regex(/^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$/, 'must be a language tag such as en or fr-CA'),
    z.string().min(1).max(500),
  )
  .refine((texts) => Object.keys(texts).length <= 50, 'must have at most 50 locales');

export const TopicKey = z
  .string()
  .regex(
    /^[a-z0-9][a-z0-9_.-]{0,99}$/,
    'must hold small letters, digits and _ . - only, and at most 100 of them',
  )
  .refine((key) => key !== 'marketing', 'must not be "marketing": that is above all topics');
export const TopicSave = z
  .strictObject({
    name: Localised.refine(
      (texts) => Object.keys(texts).length > 0,
      'must have at least one locale',
    ).describe('By locale.'),
    description: Localised.default({}).describe('By locale. Shown on the preference page.'),
    parent: TopicKey.nullable().default(null).describe('Who opts out of it is out of this topic too.'),
    class: MessageClass.default('marketing').describe(
      'Of a transactional topic people can opt out by its name alone; consent is not needed for it.',
    ),
    byDefault: Words.nullable()
      .default(null)
      .describe('What no record means; null: as its parent says, and at the top the workspace.'),
    doubleOptIn: z
      .strictObject({
        template: z
          .string()
          .min(1)
          .max(100)
          .describe('Key of the message that asks; it gets {{ confirm_url }}.'),
      })
      .nullable()
      .default(null)
      .describe('An "in" counts only after its confirmation.'),
    position: z.int().min(0).max(100_000).default(0).describe('Order on the preference page.'),
  })
  .meta({ id: 'TopicSave' });
export const Topic = z
  .object({
    key: z.string(),
    name: z.record(z.string(), z.string()),
    description: z.record(z.string(), z.string()),
    parent: z.string().nullable(),
    class: MessageClass,
    byDefault: Words.nullable(),
    doubleOptIn: z.object({ template: z.string() }).nullable(),
    position: z.number(),
    createdAt: Time,
    updatedAt: Time,
  })
  .meta({ id: 'Topic' });
export type TopicSave = z.infer<typeof TopicSave>;
export type Topic = z.infer<typeof Topic>;

/** What the gate needs to know of a topic. */
export interface TopicFacts {
  /** The topic and those above it, the nearest first. */
  path: readonly string[];
  class: MessageClass;
  byDefault: 'in' | 'out' | null;
}

export const ConsentChange = z.strictObject({
  channel: Channel,
  topic: z
    .string()
    .max(200)
    .default('')
    .describe('A topic, "marketing" for all marketing of the channel, or empty for the whole channel.'),
  word: Words,
  address: z
    .string()
    .min(1)
    .max(320)
    .optional()
    .describe('About this address alone, and not about the profile.'),
  source: z.enum(consentSources).default('api').describe('Where the person said it.'),
  textVersion: z.string().min(1).max(200).optional().describe('Which text the person agreed to.'),
  confirmed: z
    .boolean()
    .default(false)
    .describe('You have confirmed it yourself: a topic with double opt-in sends no confirmation.'),
});
export const ConsentsPut = z
  .strictObject({ consents: z.array(ConsentChange).min(1).max(100) })
  .meta({ id: 'ConsentsPut' });
export const ConsentRecord = z
  .object({
    channel: Channel,
    topic: z.string(),
    address: z.string().nullable().describe('Null: it is about the profile.'),
    word: z.enum(['in', 'out', 'pending']).describe('`pending` waits for its confirmation.'),
    source: z.string(),
    textVersion: z.string().nullable(),
    by: z.string().nullable(),
    at: Time,
  })
  .meta({ id: 'Consent' });
export const PersonConsents = z
  .object({
    consents: z.array(ConsentRecord).describe('The words that hold now.'),
    history: z.array(ConsentRecord).describe('Every word that changed something, newest first; up to 200.'),
  })
  .meta({ id: 'PersonConsents' });
export type ConsentsPut = z.infer<typeof ConsentsPut>;
export type ConsentRecord = z.infer<typeof ConsentRecord>;
export type PersonConsents = z.infer<typeof PersonConsents>;

/** An address, or `@example.com` for a whole domain. */
const Blocked = z.string().trim().min(2).max(320);
export const SuppressionReason = z.enum(suppressionReasons);
export const SuppressionList = PageQuery.extend({
  ...cursors.sealed,
  channel: Channel.optional(),
  reason: SuppressionReason.optional(),
  search: z
    .string()
    .max(320)
    .optional()
    .describe('An address or the beginning of one; @example.com for a domain and its addresses.'),
  from: Time.optional().describe('Added at or after.'),
  to: Time.optional().describe('Added before.'),
});
export const Suppression = z
  .object({
    channel: Channel,
    address: z.string().describe('`@example.com` stands for all addresses of a domain.'),
    reason: SuppressionReason,
    source: z.string(),
    createdAt: Time,
  })
  .meta({ id: 'Suppression' });
export const SuppressionAdd = z
  .strictObject({
    suppressions: z
      .array(
        z.strictObject({
          channel: z.enum(['email', 'sms']).default('email'),
          address: Blocked.describe('An address, a phone number, or @example.com for a domain.'),
          reason: SuppressionReason.default('suppressed_manually'),
        }),
      )
      .min(1)
      .max(1000),
  })
  .meta({ id: 'SuppressionAdd' });
export const SuppressionRelease = z
  .strictObject({
    dryRun: z.boolean().default(true).describe('True counts and releases nothing.'),
    channel: z.enum(['email', 'sms']).default('email'),
    addresses: z.array(Blocked).min(1).max(1000).optional(),
    domain: z
      .string()
      .trim()
      .min(3)
      .max(253)
      .optional()
      .describe('All addresses of this domain, e.g. example.com.'),
    reason: SuppressionReason.optional(),
    from: Time.optional().describe('Added at or after.'),
    to: Time.optional().describe('Added before.'),
  })
  .check((ctx) => {
    const { addresses, domain, reason, from, to } = ctx.value;
    if (!addresses && !domain && !reason && !from && !to)
      ctx.issues.push({
        code: 'custom',
        input: ctx.value,
        path: ['domain'],
        message: 'say which: addresses, a domain, a reason, or the dates between which they were added',
      });
  })
  .meta({ id: 'SuppressionRelease' });
export const SuppressionReleased = z
  .object({ dryRun: z.boolean(), matching: z.number(), released: z.number() })
  .meta({ id: 'SuppressionReleased' });
export type Suppression = z.infer<typeof Suppression>;
export type SuppressionReason = z.infer<typeof SuppressionReason>;
export type SuppressionList = z.infer<typeof SuppressionList>;
export type SuppressionRelease = z.infer<typeof SuppressionRelease>;

export const ErasureRequest = z
  .strictObject({ externalId: z.string().min(1).max(200).describe('Of the profile.') })
  .meta({ id: 'ErasureRequest' });
export const ErasureResult = z
  .object({
    profileId: z.string(),
    deliveries: z.number().describe('Rows of the log that no longer name the person or an address.'),
    messages: z.number().describe('Messages whose content was erased.'),
    addresses: z
      .number()
      .describe('Addresses of which only a keyed hash is kept, where something was refused there.'),
  })
  .meta({ id: 'ErasureResult' });
export const PersonExport = z
  .record(z.string(), z.unknown())
  .meta({ id: 'PersonExport', description: 'Everything that is kept of a person.' });
export const AuditEntry = z
  .object({
    id: z.string(),
    at: Time,
    by: z.string().describe('`user:<id>` or `key:<id>`.'),
    action: z.string(),
    subject: z.string(),
    detail: z.record(z.string(), z.unknown()),
  })
  .meta({ id: 'AuditEntry' });
export type AuditEntry = z.infer<typeof AuditEntry>;
export const AuditVerification = z
  .object({
    intact: z.boolean().describe('Whether each line still follows from the one before.'),
    lines: z.number(),
    brokenAt: z
      .number()
      .nullable()
      .describe('The place of the first line that was changed, put in, or follows one that was taken out.'),
    head: z
      .object({ seq: z.number(), hash: z.string() })
      .nullable()
      .describe('The last line. Keep it elsewhere: later it must still be there, or the end was cut off.'),
  })
  .meta({ id: 'AuditVerification' });
export type AuditVerification = z.infer<typeof AuditVerification>;

const keyword = z.string().trim().min(1).max(40).toUpperCase();
const keywords = z.array(keyword).max(50).default([]);
const reply = z.string().min(1).max(480).nullable().default(null);
/** The rules of the workspace about consent and suppression. */
export const ConsentPolicy = z
  .strictObject({
    noConsentMeans: Words.default('in').describe(
      'What no record means for marketing, where the topic does not say.',
    ),
    softBounce: z
      .strictObject({
        threshold: z.int().min(1).max(20).default(5).describe('So many suppress the address.'),
        spacingHours: z
          .int()
          .min(0)
          .max(720)
          .default(24)
          .describe('One of another delivery counts only so long after the last that counted.'),
      })
      .default({ threshold: 5, spacingHours: 24 })
      .describe('Failures that may pass. A success sets the count back to nothing.'),
    transactionalIgnoresComplaints: z
      .boolean()
      .default(false)
      .describe(
        'Transactional messages reach addresses that are suppressed for a complaint, and for that alone.',
      ),
    sms: z
      .strictObject({
        stop: keywords.describe(
          'Beside STOP, STOPALL, UNSUBSCRIBE, CANCEL, END, QUIT, REVOKE, OPTOUT and ARRET, which always count.',
        ),
        start: keywords.describe('Beside START, YES and UNSTOP, which always count.'),
        help: keywords.describe('Beside HELP and INFO, which always count.'),
        replies: z
          .strictObject({ stop: reply, start: reply, help: reply })
          .default({ stop: null, start: null, help: null })
          .describe('Answers that we give. Null gives none: Twilio answers its own keywords itself.'),
      })
      .default({ stop: [], start: [], help: [], replies: { stop: null, start: null, help: null } }),
  })
  .meta({ id: 'ConsentPolicy' });
export type ConsentPolicy = z.infer<typeof ConsentPolicy>;
