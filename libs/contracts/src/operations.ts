/**
 * Every HTTP operation, written once: the API mounts them, OpenAPI is made from them, the SDK calls them, and the
 * isolation and scope tests walk them. `auth` says who may call; a session needs the same scope through its role.
 */
import { z } from 'zod';
import * as accounts from './accounts.js';
import * as deliveries from './deliveries.js';
import * as inbox from './inbox.js';
import * as messages from './messages.js';
import { Id, pageOf, PageQuery } from './page.js';
import * as profiles from './profiles.js';
import * as templates from './templates.js';
import type { Scope } from './words.js';
import * as workspace from './workspace.js';

export type Auth = { scope: Scope } | 'session' | 'inbox-token' | 'any' | 'none';
export interface Operation {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  path: string;
  tag: string;
  summary: string;
  auth: Auth;
  params?: z.ZodObject;
  query?: z.ZodObject;
  body?: z.ZodType;
  /** Success status and its body; `null` for none. `text/event-stream` and CSV are described by `produces`. */
  status: 200 | 201 | 202 | 204;
  response: z.ZodType | null;
  produces?: 'text/event-stream' | 'text/csv';
  idempotencyKey?: true;
}
const op = <const O extends Operation>(o: O): O => o;
const id = z.object({ id: Id });
const externalId = z.object({ externalId: profiles.ExternalId });
const key = z.object({ key: z.string() });

export const operations = {
  sendMessage: op({
    method: 'POST',
    path: '/v1/messages',
    tag: 'Messages',
    summary: 'Send a message',
    auth: { scope: 'messages:write' },
    body: messages.SendMessage,
    status: 202,
    response: messages.AcceptedMessage,
    idempotencyKey: true,
  }),
  sendBatch: op({
    method: 'POST',
    path: '/v1/messages/batch',
    tag: 'Messages',
    summary: 'Send up to 1,000 messages, each judged by itself',
    auth: { scope: 'messages:write' },
    body: messages.SendBatch,
    status: 202,
    response: messages.BatchResult,
  }),
  getMessage: op({
    method: 'GET',
    path: '/v1/messages/:id',
    tag: 'Messages',
    summary: 'Read a message',
    auth: { scope: 'deliveries:read' },
    params: id,
    status: 200,
    response: messages.Message,
  }),
  cancelMessage: op({
    method: 'POST',
    path: '/v1/messages/:id/cancel',
    tag: 'Messages',
    summary: 'Cancel what has not left',
    auth: { scope: 'messages:write' },
    params: id,
    status: 200,
    response: messages.CancelResult,
  }),
  rescheduleMessage: op({
    method: 'POST',
    path: '/v1/messages/:id/reschedule',
    tag: 'Messages',
    summary: 'Give what has not left another time',
    auth: { scope: 'messages:write' },
    params: id,
    body: messages.Reschedule,
    status: 200,
    response: messages.RescheduleResult,
  }),

  listDeliveries: op({
    method: 'GET',
    path: '/v1/deliveries',
    tag: 'Deliveries',
    summary: 'Search the delivery log, newest first',
    auth: { scope: 'deliveries:read' },
    query: deliveries.DeliveryList,
    status: 200,
    response: pageOf(deliveries.Delivery),
  }),
  exportDeliveries: op({
    method: 'GET',
    path: '/v1/deliveries.csv',
    tag: 'Deliveries',
    summary: 'The same as CSV',
    auth: { scope: 'deliveries:read' },
    query: deliveries.DeliveryFilter,
    status: 200,
    response: null,
    produces: 'text/csv',
  }),
  streamDeliveries: op({
    method: 'GET',
    path: '/v1/deliveries/stream',
    tag: 'Deliveries',
    summary: 'Changes of deliveries as they happen (hints: read the rows)',
    auth: { scope: 'deliveries:read' },
    query: deliveries.DeliveryFilter,
    status: 200,
    response: null,
    produces: 'text/event-stream',
  }),
  countDeliveries: op({
    method: 'GET',
    path: '/v1/deliveries/counts',
    tag: 'Deliveries',
    summary: 'Counts by channel and status over time',
    auth: { scope: 'deliveries:read' },
    query: deliveries.CountsQuery,
    status: 200,
    response: deliveries.Counts,
  }),
  getDelivery: op({
    method: 'GET',
    path: '/v1/deliveries/:id',
    tag: 'Deliveries',
    summary: 'A delivery with its timeline',
    auth: { scope: 'deliveries:read' },
    params: id,
    status: 200,
    response: deliveries.DeliveryDetail,
  }),
  getDeliveryContent: op({
    method: 'GET',
    path: '/v1/deliveries/:id/content',
    tag: 'Deliveries',
    summary: 'What it says, rendered again',
    auth: { scope: 'deliveries:read' },
    params: id,
    status: 200,
    response: deliveries.RenderedContent,
  }),
  explainDelivery: op({
    method: 'GET',
    path: '/v1/deliveries/:id/explain',
    tag: 'Deliveries',
    summary: 'Why it did or did not arrive, in sentences',
    auth: { scope: 'deliveries:read' },
    params: id,
    status: 200,
    response: deliveries.Explanation,
  }),

  listProfiles: op({
    method: 'GET',
    path: '/v1/profiles',
    tag: 'Profiles',
    summary: 'List profiles',
    auth: { scope: 'profiles:read' },
    query: profiles.ProfileList,
    status: 200,
    response: pageOf(profiles.Profile),
  }),
  upsertProfile: op({
    method: 'PUT',
    path: '/v1/profiles/:externalId',
    tag: 'Profiles',
    summary: 'Create or change a profile',
    auth: { scope: 'profiles:write' },
    params: externalId,
    body: profiles.ProfilePatch,
    status: 200,
    response: profiles.Profile,
  }),
  bulkUpsertProfiles: op({
    method: 'POST',
    path: '/v1/profiles/bulk',
    tag: 'Profiles',
    summary: 'Up to 1,000 profiles, each judged by itself',
    auth: { scope: 'profiles:write' },
    body: profiles.ProfileBulk,
    status: 200,
    response: profiles.ProfileBulkResult,
  }),
  getProfile: op({
    method: 'GET',
    path: '/v1/profiles/:externalId',
    tag: 'Profiles',
    summary: 'Read a profile',
    auth: { scope: 'profiles:read' },
    params: externalId,
    status: 200,
    response: profiles.Profile,
  }),
  deleteProfile: op({
    method: 'DELETE',
    path: '/v1/profiles/:externalId',
    tag: 'Profiles',
    summary: 'Delete a profile and its devices',
    auth: { scope: 'profiles:write' },
    params: externalId,
    status: 204,
    response: null,
  }),
  addDevice: op({
    method: 'POST',
    path: '/v1/profiles/:externalId/devices',
    tag: 'Profiles',
    summary: 'Register a device token',
    auth: { scope: 'profiles:write' },
    params: externalId,
    body: profiles.DeviceUpsert,
    status: 200,
    response: profiles.Device,
  }),
  removeDevice: op({
    method: 'DELETE',
    path: '/v1/profiles/:externalId/devices/:id',
    tag: 'Profiles',
    summary: 'Remove a device',
    auth: { scope: 'profiles:write' },
    params: externalId.extend(id.shape),
    status: 204,
    response: null,
  }),

  listTemplates: op({
    method: 'GET',
    path: '/v1/templates',
    tag: 'Templates',
    summary: 'List templates',
    auth: { scope: 'templates:read' },
    query: templates.TemplateList,
    status: 200,
    response: pageOf(templates.Template),
  }),
  saveTemplate: op({
    method: 'PUT',
    path: '/v1/templates/:key',
    tag: 'Templates',
    summary: 'Create a template or its next version',
    auth: { scope: 'templates:write' },
    params: z.object({ key: templates.TemplateKey }),
    body: templates.TemplateSave,
    status: 200,
    response: templates.TemplateDetail,
  }),
  getTemplate: op({
    method: 'GET',
    path: '/v1/templates/:key',
    tag: 'Templates',
    summary: 'Read a template',
    auth: { scope: 'templates:read' },
    params: key,
    status: 200,
    response: templates.TemplateDetail,
  }),
  getTemplateVersion: op({
    method: 'GET',
    path: '/v1/templates/:key/versions/:version',
    tag: 'Templates',
    summary: 'Read one version',
    auth: { scope: 'templates:read' },
    params: key.extend({ version: z.coerce.number().int().min(1) }),
    status: 200,
    response: templates.TemplateVersion,
  }),
  previewTemplate: op({
    method: 'POST',
    path: '/v1/templates/:key/preview',
    tag: 'Templates',
    summary: 'Render it without sending',
    auth: { scope: 'templates:read' },
    params: key,
    body: templates.PreviewRequest,
    status: 200,
    response: templates.Preview,
  }),
  archiveTemplate: op({
    method: 'DELETE',
    path: '/v1/templates/:key',
    tag: 'Templates',
    summary: 'Archive a template; its versions stay readable',
    auth: { scope: 'templates:write' },
    params: key,
    status: 204,
    response: null,
  }),

  listProviders: op({
    method: 'GET',
    path: '/v1/providers',
    tag: 'Provider accounts',
    summary: 'The providers this installation knows, with their settings schemas',
    auth: { scope: 'accounts:read' },
    status: 200,
    response: z.object({ items: z.array(accounts.ProviderInfo) }),
  }),
  listAccounts: op({
    method: 'GET',
    path: '/v1/provider-accounts',
    tag: 'Provider accounts',
    summary: 'List accounts with their health',
    auth: { scope: 'accounts:read' },
    status: 200,
    response: z.object({ items: z.array(accounts.ProviderAccount) }),
  }),
  createAccount: op({
    method: 'POST',
    path: '/v1/provider-accounts',
    tag: 'Provider accounts',
    summary: 'Create an account',
    auth: { scope: 'accounts:write' },
    body: accounts.ProviderAccountCreate,
    status: 201,
    response: accounts.ProviderAccount,
  }),
  getAccount: op({
    method: 'GET',
    path: '/v1/provider-accounts/:id',
    tag: 'Provider accounts',
    summary: 'Read an account',
    auth: { scope: 'accounts:read' },
    params: id,
    status: 200,
    response: accounts.ProviderAccount,
  }),
  updateAccount: op({
    method: 'PATCH',
    path: '/v1/provider-accounts/:id',
    tag: 'Provider accounts',
    summary: 'Change an account',
    auth: { scope: 'accounts:write' },
    params: id,
    body: accounts.ProviderAccountPatch,
    status: 200,
    response: accounts.ProviderAccount,
  }),
  deleteAccount: op({
    method: 'DELETE',
    path: '/v1/provider-accounts/:id',
    tag: 'Provider accounts',
    summary: 'Delete an account',
    auth: { scope: 'accounts:write' },
    params: id,
    status: 204,
    response: null,
  }),
  testAccount: op({
    method: 'POST',
    path: '/v1/provider-accounts/:id/test',
    tag: 'Provider accounts',
    summary: 'Try the credentials',
    auth: { scope: 'accounts:write' },
    params: id,
    body: accounts.AccountTest,
    status: 200,
    response: accounts.AccountTestResult,
  }),
  pauseAccount: op({
    method: 'POST',
    path: '/v1/provider-accounts/:id/pause',
    tag: 'Provider accounts',
    summary: 'Pause: what is due waits or takes another account',
    auth: { scope: 'accounts:write' },
    params: id,
    status: 200,
    response: accounts.ProviderAccount,
  }),
  resumeAccount: op({
    method: 'POST',
    path: '/v1/provider-accounts/:id/resume',
    tag: 'Provider accounts',
    summary: 'Resume',
    auth: { scope: 'accounts:write' },
    params: id,
    status: 200,
    response: accounts.ProviderAccount,
  }),

  mintInboxToken: op({
    method: 'POST',
    path: '/v1/inbox/tokens',
    tag: 'Inbox',
    summary: 'Mint a short-lived token for one profile (server side)',
    auth: { scope: 'inbox:token' },
    body: inbox.InboxTokenRequest,
    status: 201,
    response: inbox.InboxToken,
  }),
  listInbox: op({
    method: 'GET',
    path: '/v1/inbox/items',
    tag: 'Inbox',
    summary: 'The items of the profile, newest first',
    auth: 'inbox-token',
    query: inbox.InboxList,
    status: 200,
    response: inbox.InboxPage,
  }),
  markInbox: op({
    method: 'POST',
    path: '/v1/inbox/mark',
    tag: 'Inbox',
    summary: 'Mark items seen, read, unread, archived',
    auth: 'inbox-token',
    body: inbox.InboxMark,
    status: 200,
    response: inbox.InboxMarked,
  }),
  inboxTicket: op({
    method: 'POST',
    path: '/v1/inbox/ticket',
    tag: 'Inbox',
    summary: 'A one-use ticket for the stream',
    auth: 'inbox-token',
    status: 201,
    response: inbox.InboxTicket,
  }),
  streamInbox: op({
    method: 'GET',
    path: '/v1/inbox/stream',
    tag: 'Inbox',
    summary: 'New items as they arrive; resumes after Last-Event-ID',
    auth: 'none',
    query: z.object({ ticket: z.string().max(2000) }),
    status: 200,
    response: null,
    produces: 'text/event-stream',
  }),

  signIn: op({
    method: 'POST',
    path: '/v1/session',
    tag: 'Session',
    summary: 'Sign in',
    auth: 'none',
    body: workspace.SignIn,
    status: 200,
    response: workspace.Me,
  }),
  signOut: op({
    method: 'DELETE',
    path: '/v1/session',
    tag: 'Session',
    summary: 'Sign out',
    auth: 'session',
    status: 204,
    response: null,
  }),
  me: op({
    method: 'GET',
    path: '/v1/me',
    tag: 'Session',
    summary: 'Who is calling',
    auth: 'any',
    status: 200,
    response: workspace.Me,
  }),
  changePassword: op({
    method: 'POST',
    path: '/v1/session/password',
    tag: 'Session',
    summary: 'Change the password; ends all other sessions',
    auth: 'session',
    body: workspace.PasswordChange,
    status: 204,
    response: null,
  }),
  listKeys: op({
    method: 'GET',
    path: '/v1/api-keys',
    tag: 'API keys',
    summary: 'List keys',
    auth: { scope: 'keys:read' },
    status: 200,
    response: z.object({ items: z.array(workspace.ApiKey) }),
  }),
  createKey: op({
    method: 'POST',
    path: '/v1/api-keys',
    tag: 'API keys',
    summary: 'Create a key',
    auth: { scope: 'keys:write' },
    body: workspace.ApiKeyCreate,
    status: 201,
    response: workspace.ApiKeyCreated,
  }),
  rotateKey: op({
    method: 'POST',
    path: '/v1/api-keys/:id/rotate',
    tag: 'API keys',
    summary: 'A second live key; the old one ends after the overlap',
    auth: { scope: 'keys:write' },
    params: id,
    body: workspace.ApiKeyRotate,
    status: 201,
    response: workspace.ApiKeyCreated,
  }),
  revokeKey: op({
    method: 'DELETE',
    path: '/v1/api-keys/:id',
    tag: 'API keys',
    summary: 'Revoke a key, effective within 5 seconds',
    auth: { scope: 'keys:write' },
    params: id,
    status: 204,
    response: null,
  }),
} as const satisfies Record<string, Operation>;

export type OperationName = keyof typeof operations;
type Op<N extends OperationName> = (typeof operations)[N];
export type ParamsOf<N extends OperationName> =
  Op<N> extends { params: infer P extends z.ZodType } ? z.infer<P> : undefined;
export type QueryOf<N extends OperationName> =
  Op<N> extends { query: infer Q extends z.ZodType } ? z.infer<Q> : undefined;
export type QueryInputOf<N extends OperationName> =
  Op<N> extends { query: infer Q extends z.ZodType } ? z.input<Q> : undefined;
export type BodyOf<N extends OperationName> =
  Op<N> extends { body: infer B extends z.ZodType } ? z.infer<B> : undefined;
export type BodyInputOf<N extends OperationName> =
  Op<N> extends { body: infer B extends z.ZodType } ? z.input<B> : undefined;
export type ResponseOf<N extends OperationName> = Op<N>['response'] extends infer R extends z.ZodType
  ? z.infer<R>
  : void;
