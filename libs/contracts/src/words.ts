/**
 * Schemas and types of the words that are closed lists (see lists.ts), used by code, API, database checks, dashboard
 * and docs. Adding a word is a contract change; nothing may invent one elsewhere.
 */
import { z } from 'zod';
import {
  channels,
  deliveryEventTypes,
  lanes,
  reasons,
  roles,
  scopes,
  sources,
  statuses,
  type ReasonName,
  type ScopeName,
} from './lists.js';

export * from './lists.js';

export const Channel = z
  .enum(channels)
  .meta({ id: 'Channel', description: 'How a message reaches a person.' });
export type Channel = z.infer<typeof Channel>;

export const Lane = z.enum(lanes);
export type Lane = z.infer<typeof Lane>;

/** Why the message exists; decides which rules of the gate apply. */
export const MessageClass = z.enum(['transactional', 'marketing']).meta({ id: 'MessageClass' });
export type MessageClass = z.infer<typeof MessageClass>;

export const Source = z.enum(sources);
export type Source = z.infer<typeof Source>;

export const Status = z.enum(statuses).meta({ id: 'Status', description: 'Where a delivery stands.' });
export type Status = z.infer<typeof Status>;

export const Reason = z
  .enum(Object.keys(reasons) as [ReasonName, ...ReasonName[]])
  .meta({ id: 'Reason', description: 'Why a delivery stands where it stands. A closed list.' });
export type Reason = z.infer<typeof Reason>;

export const DeliveryEventType = z.enum(deliveryEventTypes);
export type DeliveryEventType = z.infer<typeof DeliveryEventType>;

export const Role = z.enum(roles).meta({ id: 'Role' });
export type Role = z.infer<typeof Role>;

export const Scope = z.enum(Object.keys(scopes) as [ScopeName, ...ScopeName[]]).meta({ id: 'Scope' });
export type Scope = z.infer<typeof Scope>;

const reads: Scope[] = [
  'deliveries:read',
  'profiles:read',
  'events:read',
  'templates:read',
  'campaigns:read',
  'journeys:read',
  'accounts:read',
  'webhooks:read',
];
const edits: Scope[] = [
  ...reads,
  'messages:write',
  'profiles:write',
  'events:write',
  'templates:write',
  'campaigns:write',
  'journeys:write',
  'inbox:token',
];
/** Which scopes each role holds in the dashboard. */
export const roleScopes: Record<Role, readonly Scope[]> = {
  viewer: reads,
  editor: edits,
  owner: Object.keys(scopes) as Scope[],
};
