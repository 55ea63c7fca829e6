/** People and their devices. */
import { z } from 'zod';
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
export const Attributes = z.record(z.string().min(1).max(100), z.json());

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
export const Profile = z
  .object({
    id: Id,
    externalId: z.string(),
    email: z.string().nullable(),
    phone: z.string().nullable(),
    locale: z.string().nullable(),
    timezone: z.string().nullable(),
    attributes: Attributes,
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
export type ProfileUpsert = z.infer<typeof ProfileUpsert>;
export type ProfilePatch = z.infer<typeof ProfilePatch>;
export type Profile = z.infer<typeof Profile>;
export type IdentityKey = z.infer<typeof IdentityKey>;
export type Device = z.infer<typeof Device>;
export type DeviceUpsert = z.infer<typeof DeviceUpsert>;
export type ProfileBulkResult = z.infer<typeof ProfileBulkResult>;
