/** The published client of Carillon. No dependency at run time; the shapes come from contracts and are bundled in. */
export { Carillon } from './carillon.js';
export type { CallOptions, CarillonOptions } from './requests.js';
export * from './problems.js';
export type { List } from './pages.js';
export type { AnyTemplates, Json, Send } from './templates.js';
export type { DeliveryChange, DeliveryQuery, Paging, ProfileInput } from './resources.js';
export type {
  Accounts,
  Deliveries,
  Inbox,
  Keys,
  Messages,
  Profiles,
  Session,
  Templates,
} from './resources.js';
export type {
  AcceptedMessage,
  AccountHealth,
  ApiKey,
  ApiKeyCreated,
  BatchResult,
  Channel,
  ContentByChannel,
  Counts,
  Delivery,
  DeliveryDetail,
  DeliveryEvent,
  DeliveryEventType,
  Device,
  Explanation,
  Me,
  Message,
  MessageClass,
  Page,
  Preview,
  Problem,
  ProblemCode,
  ProblemError,
  Profile,
  ProfileBulkResult,
  ProviderAccount,
  ProviderInfo,
  Reason,
  RenderedContent,
  Role,
  Scope,
  Source,
  Status,
  Template,
  TemplateDetail,
  TemplateVariable,
  TemplateVersion,
} from '@carillon/contracts';
