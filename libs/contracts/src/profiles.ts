/** People and their devices. */
import { z } from 'zod';
import { AnyJson } from './json.js';
import { attributeTypes } from './lists.js';
import { Id, PageQuery, Time } from './page.js';

export const ExternalId = z
  .string()
  .trim()
  .min(1)
  .max(200)
  .refine((s) => !/[\r\n\0]/.test(s), 'must not hold line breaks or NUL');
/** `external_id` holds the ids of profiles that became part of this one. */
export const OWN_NAMESPACE = 'external_id';
export const IdentityKey = z
  .strictObject({
    namespace: z
      .string()
      .regex(
        /^[a-z][a-z0-9_.-]{0,49}$/,
        'must begin with a small letter, hold small letters, digits and _ . - only, and have at most 50 characters',
      ),
    value: z
      .string()
      .trim()
      .min(1)
      .max(149)
      .refine((s) => !/[\r\n\0]/.test(s), 'must not hold line breaks or NUL'),
  })
  .meta({
    id: 'IdentityKey',
    description: 'Another name of a person, e.g. {"namespace": "crm", "value": "0042"}.',
  });
export const Attributes = z.record(z.string().min(1).max(100), AnyJson);

const profileFields = {
  email: z.string().max(320).nullish().describe('Normalised on write; the original spelling is kept.'),
  phone: z.string().max(40).nullish().describe('International form (E.164), e.g. +442071838750.'),
  locale: z.string().max(35).nullish().describe('BCP 47, e.g. fr-CA.'),
  timezone: z.string().max(64).nullish().describe('IANA name, e.g. Europe/Paris.'),
  attributes: Attributes.optional().describe('Merged key by key; null removes a key.'),
};
export const ProfileUpsert = z
  .strictObject({ externalId: ExternalId, ...profileFields })
  .meta({ id: 'ProfileUpsert' });
export const ProfilePatch = z.strictObject(profileFields).meta({ id: 'ProfilePatch' });
export const Platform = z.enum(['ios', 'android', 'web']);
export const DeviceUpsert = z
  .strictObject({
    token: z.string().min(8).max(4096),
    platform: Platform,
    app: z.string().max(200).optional(),
  })
  .meta({ id: 'DeviceUpsert' });
export const Device = z
  .object({
    id: Id,
    token: z.string(),
    platform: Platform,
    app: z.string().nullable(),
    createdAt: Time,
    lastSeenAt: Time,
  })
  .meta({ id: 'Device' });
export const Identity = z
  .object({ namespace: z.string(), value: z.string(), createdAt: Time })
  .meta({ id: 'Identity' });
export const Activity = z
  .object({
    events: z.number(),
    sent: z.number().describe('Messages that left for them.'),
    opened: z.number(),
    clicked: z.number(),
    firstSeenAt: Time.nullable(),
    lastSeenAt: Time.nullable().describe('Of an event, an open, a click or a reply of theirs.'),
    lastSentAt: Time.nullable(),
    lastOpenedAt: Time.nullable(),
    lastClickedAt: Time.nullable(),
  })
  .meta({ id: 'Activity', description: 'Attributes that Carillon computes.' });
export const Profile = z
  .object({
    id: Id,
    externalId: z.string(),
    email: z.string().nullable(),
    phone: z.string().nullable(),
    locale: z.string().nullable(),
    timezone: z.string().nullable(),
    phoneZone: z
      .string()
      .nullable()
      .describe('Zone of the phone’s country, where that has but one; holds when timezone is not given.'),
    attributes: Attributes,
    activity: Activity,
    identities: z.array(Identity),
    devices: z.array(Device),
    createdAt: Time,
    updatedAt: Time,
  })
  .meta({ id: 'Profile' });
export const ProfileList = PageQuery.extend({
  search: z.string().max(200).optional().describe('External id, email or phone; a prefix will do.'),
});
export const ProfileBulk = z
  .strictObject({ profiles: z.array(z.unknown()).min(1).max(1000) })
  .meta({ id: 'ProfileBulk', description: 'Up to 1,000 ProfileUpsert, each judged by itself.' });
export const ProfileBulkResult = z
  .object({
    created: z.number(),
    updated: z.number(),
    failed: z.number(),
    results: z.array(
      z.object({
        index: z.number(),
        id: Id.optional(),
        outcome: z.enum(['created', 'updated', 'failed']),
        errors: z.array(z.object({ pointer: z.string(), code: z.string(), message: z.string() })).optional(),
      }),
    ),
  })
  .meta({ id: 'ProfileBulkResult' });
export const ProfileMerge = z
  .strictObject({
    from: ExternalId.describe('The profile that becomes part of this one. Its ids lead here from then on.'),
  })
  .meta({ id: 'ProfileMerge' });
export const MergeResult = z
  .object({
    profile: Profile,
    outcome: z.enum(['merged', 'already']).describe('already: they had been one before.'),
    rule: z.string().describe('Which rule decided whose values win.'),
    from: z
      .record(z.string(), z.enum(['kept', 'merged']))
      .describe('Whose value each field and attribute has, where both or only the merged one had one.'),
    moved: z.object({
      devices: z.number(),
      identities: z.number(),
      events: z.number(),
      consents: z.number(),
      inboxItems: z.number(),
      lists: z.number(),
    }),
  })
  .meta({ id: 'MergeResult' });
export const ProfileState = z
  .object({
    id: Id,
    externalId: z.string(),
    email: z.string().nullable(),
    phone: z.string().nullable(),
    locale: z.string().nullable(),
    zone: z
      .object({ name: z.string(), source: z.enum(['profile', 'phone', 'workspace']) })
      .describe('The zone to assume, and where it comes from.'),
    attributes: Attributes,
    activity: Activity,
    consents: z.array(
      z.object({
        channel: z.string(),
        topic: z.string().describe('Empty: the whole channel.'),
        word: z.enum(['in', 'out', 'pending']),
        about: z.enum(['profile', 'address']),
        at: Time,
      }),
    ),
    suppressed: z.array(z.object({ channel: z.string(), reason: z.string() })),
    audiences: z.array(z.object({ id: Id, key: z.string(), since: Time })),
    devices: z.number(),
    version: z.number(),
  })
  .meta({ id: 'ProfileState' });
export const AttributeName = z
  .string()
  .min(1)
  .max(100)
  .refine(
    (name) => !/[\0\r\n]|(^|\.)(__proto__|constructor|prototype)(\.|$)/.test(name),
    'is reserved: choose another one',
  );
export const AttributeTypeSet = z
  .strictObject({
    type: z.enum(attributeTypes),
    description: z.string().max(500).optional(),
  })
  .meta({ id: 'AttributeTypeSet' });
export const AttributeType = z
  .object({ name: z.string(), type: z.enum(attributeTypes), description: z.string(), createdAt: Time })
  .meta({ id: 'AttributeType' });
export type Identity = z.infer<typeof Identity>;
export type Activity = z.infer<typeof Activity>;
export type ProfileState = z.infer<typeof ProfileState>;
export type MergeResult = z.infer<typeof MergeResult>;
export type AttributeType = z.infer<typeof AttributeType>;
export type ProfileUpsert = z.infer<typeof ProfileUpsert>;
export type ProfilePatch = z.infer<typeof ProfilePatch>;
export type Profile = z.infer<typeof Profile>;
export type IdentityKey = z.infer<typeof IdentityKey>;
export type Device = z.infer<typeof Device>;
export type DeviceUpsert = z.infer<typeof DeviceUpsert>;
export type ProfileBulkResult = z.infer<typeof ProfileBulkResult>;
