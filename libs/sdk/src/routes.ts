/**
 * Method and path of every operation, and nothing else: the whole table of contracts would bring zod into the
 * client. It cannot drift: `satisfies` compares each line with contracts at compile time.
 */
import type { OperationName, operations } from '@carillon/contracts';

type Operations = typeof operations;

export const routes = {
  sendMessage: 'POST /v1/messages',
  sendBatch: 'POST /v1/messages/batch',
  getMessage: 'GET /v1/messages/:id',
  cancelMessage: 'POST /v1/messages/:id/cancel',
  rescheduleMessage: 'POST /v1/messages/:id/reschedule',
  listDeliveries: 'GET /v1/deliveries',
  exportDeliveries: 'GET /v1/deliveries.csv',
  streamDeliveries: 'GET /v1/deliveries/stream',
  countDeliveries: 'GET /v1/deliveries/counts',
  getDelivery: 'GET /v1/deliveries/:id',
  getDeliveryContent: 'GET /v1/deliveries/:id/content',
  explainDelivery: 'GET /v1/deliveries/:id/explain',
  listProfiles: 'GET /v1/profiles',
  upsertProfile: 'PUT /v1/profiles/:externalId',
  bulkUpsertProfiles: 'POST /v1/profiles/bulk',
  getProfile: 'GET /v1/profiles/:externalId',
  deleteProfile: 'DELETE /v1/profiles/:externalId',
  addDevice: 'POST /v1/profiles/:externalId/devices',
  removeDevice: 'DELETE /v1/profiles/:externalId/devices/:id',
  listTemplates: 'GET /v1/templates',
  saveTemplate: 'PUT /v1/templates/:key',
  getTemplate: 'GET /v1/templates/:key',
  getTemplateVersion: 'GET /v1/templates/:key/versions/:version',
  previewTemplate: 'POST /v1/templates/:key/preview',
  archiveTemplate: 'DELETE /v1/templates/:key',
  listProviders: 'GET /v1/providers',
  listAccounts: 'GET /v1/provider-accounts',
  createAccount: 'POST /v1/provider-accounts',
  getAccount: 'GET /v1/provider-accounts/:id',
  updateAccount: 'PATCH /v1/provider-accounts/:id',
  deleteAccount: 'DELETE /v1/provider-accounts/:id',
  testAccount: 'POST /v1/provider-accounts/:id/test',
  pauseAccount: 'POST /v1/provider-accounts/:id/pause',
  resumeAccount: 'POST /v1/provider-accounts/:id/resume',
  mintInboxToken: 'POST /v1/inbox/tokens',
  listInbox: 'GET /v1/inbox/items',
  markInbox: 'POST /v1/inbox/mark',
  inboxTicket: 'POST /v1/inbox/ticket',
  streamInbox: 'GET /v1/inbox/stream',
  signIn: 'POST /v1/session',
  signOut: 'DELETE /v1/session',
  me: 'GET /v1/me',
  changePassword: 'POST /v1/session/password',
  listKeys: 'GET /v1/api-keys',
  createKey: 'POST /v1/api-keys',
  rotateKey: 'POST /v1/api-keys/:id/rotate',
  revokeKey: 'DELETE /v1/api-keys/:id',
} as const satisfies {
  [N in OperationName]: `${Operations[N]['method']} ${Operations[N]['path']}`;
};
