/** Signing in, who I am, API keys. */
import { z } from 'zod';
import { Id, Time } from './page.js';
import { Role, Scope } from './words.js';

export const SignIn = z
  .strictObject({ email: z.string().max(320), password: z.string().min(1).max(1000) })
  .meta({ id: 'SignIn' });
export const Me = z
  .object({
    user: z
      .object({ id: Id, email: z.string(), name: z.string(), role: Role })
      .nullable()
      .describe('Null when an API key is used.'),
    workspace: z.object({ id: Id, name: z.string(), slug: z.string() }),
    scopes: z.array(Scope),
    csrfToken: z.string().nullable().describe('Send as X-CSRF-Token with every unsafe request of a session.'),
  })
  .meta({ id: 'Me' });
export type Me = z.infer<typeof Me>;
export const PasswordChange = z
  .strictObject({
    current: z.string().max(1000),
    next: z.string().min(12, 'at least 12 characters').max(1000),
  })
  .meta({ id: 'PasswordChange' });

export const ApiKeyCreate = z
  .strictObject({
    name: z.string().min(1).max(100),
    scopes: z.array(Scope).min(1),
    expiresAt: Time.optional(),
  })
  .meta({ id: 'ApiKeyCreate' });
export const ApiKey = z
  .object({
    id: Id,
    name: z.string(),
    prefix: z.string(),
    scopes: z.array(Scope),
    createdAt: Time,
    lastUsedAt: Time.nullable(),
    expiresAt: Time.nullable(),
    revokedAt: Time.nullable(),
  })
  .meta({ id: 'ApiKey' });
export const ApiKeyCreated = ApiKey.extend({
  key: z.string().describe('Shown once. Only its SHA-256 is stored.'),
}).meta({ id: 'ApiKeyCreated' });
export const ApiKeyRotate = z
  .strictObject({
    overlapSeconds: z.int().min(0).max(604_800).default(86_400).describe('How long the old key still works.'),
  })
  .meta({ id: 'ApiKeyRotate' });
export type ApiKey = z.infer<typeof ApiKey>;
export type ApiKeyCreated = z.infer<typeof ApiKeyCreated>;
