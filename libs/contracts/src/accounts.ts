/** Provider accounts: credentials and limits at a provider. Secrets go in and never come out. */
import { z } from 'zod';
import { Id, Time } from './page.js';
import { Channel } from './words.js';

export const RateLimit = z
  .strictObject({
    count: z.number().min(0.001).max(1_000_000).describe('Messages in a period; fractions add up.'),
    per: z.enum(['second', 'minute', 'hour', 'day']),
    burst: z
      .number()
      .min(1)
      .max(1_000_000)
      .optional()
      .describe("The most at once. Left out: a tenth of a second's, or one second of a longer period."),
  })
  .meta({ id: 'RateLimit', description: 'Shared by all processes; a change holds within a second.' });
export type RateLimit = z.infer<typeof RateLimit>;
const Quotas = z
  .array(z.int().min(1).max(100_000_000))
  .min(1)
  .max(90)
  .describe('Messages at most on the first day, the second, and so on. After the last it is over.');
export const WarmUp = z
  .strictObject({
    from: z.iso.date('must be a date such as 2027-01-04').describe('The first day (UTC).'),
    quotas: Quotas,
    domains: z
      .array(
        z.strictObject({
          domains: z
            .array(
              z
                .string()
                .max(253)
                .regex(/^[a-z0-9-]+(\.[a-z0-9-]+)+$/, 'must be a domain in small letters such as gmail.com'),
            )
            .min(1)
            .max(50),
          quotas: Quotas,
        }),
      )
      .max(20)
      .refine((groups) => {
        const all = groups.flatMap((g) => g.domains);
        return new Set(all).size === all.length;
      }, 'each domain once')
      .optional()
      .describe(
        'Of these at most so many to addresses of such domains: what has no place takes another account, or waits for the next day.',
      ),
  })
  .meta({
    id: 'WarmUp',
    description:
      'A new address or domain gains its reputation slowly. While it lasts it stands in place of the rate limit, spread over the day; what has no place takes another account, or waits.',
  });
export type WarmUp = z.infer<typeof WarmUp>;
export const Prices = z
  .strictObject({
    currency: z.string().regex(/^[A-Z]{3}$/, 'must be a code such as EUR'),
    byPrefix: z
      .array(
        z.strictObject({
          prefix: z
            .string()
            .regex(
              /^(\+[1-9]\d{0,6})?$/,
              'must be the beginning of a number such as +49, or empty for all others',
            ),
          price: z.number().min(0).max(1000),
        }),
      )
      .min(1)
      .max(300)
      .refine((all) => new Set(all.map((p) => p.prefix)).size === all.length, 'each prefix once'),
  })
  .meta({
    id: 'Prices',
    description:
      'What a part of a text costs, by the beginning of the number; the longest that fits counts. For what preparing a campaign foretells.',
  });
export type Prices = z.infer<typeof Prices>;
const Weight = z
  .int()
  .min(0)
  .max(1000)
  .describe('Share among the accounts of the same position; 0 takes part only when all others are away.');
export const ProviderAccountCreate = z
  .strictObject({
    channel: Channel,
    provider: z.string().max(50).describe('Name of a provider, see GET /v1/providers.'),
    name: z.string().min(1).max(100),
    settings: z.record(z.string(), z.json()).describe("By the provider's settings schema."),
    position: z.int().min(0).max(100).default(0).describe('Lower is tried first.'),
    weight: Weight.default(1),
    rateLimit: RateLimit.nullable().default(null).describe('Null: as fast as the provider takes it.'),
    warmUp: WarmUp.nullable().default(null),
    prices: Prices.nullable().default(null),
  })
  .meta({ id: 'ProviderAccountCreate' });
export const ProviderAccountPatch = z
  .strictObject({
    name: z.string().min(1).max(100).optional(),
    settings: z.record(z.string(), z.json()).optional().describe('Only the fields to change.'),
    position: z.int().min(0).max(100).optional(),
    weight: Weight.optional(),
    rateLimit: RateLimit.nullable().optional(),
    warmUp: WarmUp.nullable().optional(),
    prices: Prices.nullable().optional(),
  })
  .meta({ id: 'ProviderAccountPatch' });
export const AccountHealth = z.object({
  state: z.enum(['healthy', 'degraded', 'failing', 'paused', 'idle']),
  sentence: z.string(),
  sentLastHour: z.number(),
  failedLastHour: z.number(),
  lastSuccessAt: Time.nullable(),
  lastFailureAt: Time.nullable(),
  lastFailure: z.string().nullable(),
});
export const AccountBreaker = z.object({
  state: z.enum(['closed', 'open', 'half-open']),
  sentence: z.string(),
  reason: z.string().nullable().describe('Why it opened, in the words of the last failure.'),
  openedAt: Time.nullable(),
  retryAt: Time.nullable().describe('When the next probe may go out.'),
  heldUntil: Time.nullable().describe('The provider asked to wait (429): no call before this.'),
});
export type AccountBreaker = z.infer<typeof AccountBreaker>;
export const AccountQuota = z.object({
  limit: z.number().describe('The most in one period.'),
  per: RateLimit.shape.per,
  used: z.number().describe('In the present period (UTC).'),
  headroom: z.number(),
  resetsAt: Time,
});
export type AccountQuota = z.infer<typeof AccountQuota>;
export const ProviderAccount = z
  .object({
    id: Id,
    channel: Channel,
    provider: z.string(),
    name: z.string(),
    position: z.number(),
    weight: z.number(),
    rateLimit: RateLimit.nullable(),
    warmUp: WarmUp.nullable(),
    prices: Prices.nullable(),
    quota: AccountQuota.nullable().describe('Null without a rate limit. While it warms up: that of the day.'),
    breaker: AccountBreaker,
    paused: z.boolean(),
    pausedReason: z.string().nullable(),
    settings: z
      .record(z.string(), z.json())
      .describe('Without secrets: a secret that is set reads as true in `secretsSet`.'),
    secretsSet: z.array(z.string()),
    webhookUrl: z.string().nullable(),
    health: AccountHealth,
    createdAt: Time,
    updatedAt: Time,
  })
  .meta({ id: 'ProviderAccount' });
export type ProviderAccount = z.infer<typeof ProviderAccount>;
export type AccountHealth = z.infer<typeof AccountHealth>;
export type ProviderAccountCreate = z.infer<typeof ProviderAccountCreate>;
export type ProviderAccountPatch = z.infer<typeof ProviderAccountPatch>;

/** A provider that this installation knows. `settings` is JSON Schema; fields with `x-secret` are write-only. */
export const ProviderInfo = z
  .object({
    channel: Channel,
    name: z.string(),
    title: z.string(),
    docs: z.string(),
    webhooks: z.boolean(),
    settings: z.record(z.string(), z.json()),
  })
  .meta({ id: 'ProviderInfo' });
export type ProviderInfo = z.infer<typeof ProviderInfo>;
export const AccountTest = z
  .strictObject({
    to: z
      .string()
      .max(4096)
      .optional()
      .describe('Send one test message to this address; without it only the credentials are tried.'),
  })
  .meta({ id: 'AccountTest' });
export const AccountTestResult = z
  .object({ ok: z.boolean(), sentence: z.string() })
  .meta({ id: 'AccountTestResult' });

export const UnreadBounce = z
  .object({
    id: Id,
    accountId: Id,
    receivedAt: Time,
    why: z.string().describe('A sentence.'),
    head: z.string().describe('Its first characters, without addresses.'),
  })
  .meta({
    id: 'UnreadBounce',
    description: 'A mail that came to a return address and told of no delivery: kept, and not guessed at.',
  });
export type UnreadBounce = z.infer<typeof UnreadBounce>;
