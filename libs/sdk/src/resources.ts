/**
 * What a caller sees: one small class per thing, one method per operation. They name the operation and shape the
 * arguments; everything about HTTP is in requests.ts.
 */
import type {
  AcceptedMessage,
  ApiKey,
  AttributeType,
  ApiKeyCreated,
  BatchResult,
  BodyInputOf,
  Channel,
  Counts,
  Delivery,
  DeliveryDetail,
  DeliveryFilter,
  Device,
  Explanation,
  FailureQuery,
  LaneState,
  Me,
  MergeResult,
  Message,
  Policies,
  Preview,
  Profile,
  ProfileBulkResult,
  ProfileState,
  ProviderAccount,
  UnreadBounce,
  ProviderInfo,
  QueueRebuilt,
  Redrive,
  RedriveFilter,
  RenderedContent,
  ResponseOf,
  Template,
  TemplateDetail,
  TemplateVersion,
  TimelineEntry,
  TrackBatchResult,
  TrackedEvent,
  WebhookEndpoint,
  WebhookEndpointCreated,
  WebhookMessage,
} from '@carillon/contracts';
import { List } from './pages.js';
import type { CallOptions, Requests } from './requests.js';
import { newKey, piecesOf } from './requests.js';
import { events } from './stream.js';
import type { AnyTemplates, Send } from './templates.js';

type OneOrMany<T> = T extends readonly (infer Item)[] ? Item | readonly Item[] : T;
/** Filters of the delivery log; lists may be given as one word, times as Date. */
export type DeliveryQuery = {
  [F in keyof DeliveryFilter]: F extends 'from' | 'to'
    ? string | Date | undefined
    : OneOrMany<DeliveryFilter[F]>;
};
/** Which failures; lists may be given as one word, times as Date. */
export type FailureFilter = {
  [F in keyof FailureQuery]: F extends 'from' | 'to' ? string | Date | undefined : OneOrMany<FailureQuery[F]>;
};
/** How a list is paged: `limit` items a page (1 to 200), from `cursor` on. */
export interface Paging {
  limit?: number;
  cursor?: string;
}
/**
 * What the stream tells: a delivery as it now stands, or `changed`, when many changed or some may have been missed:
 * then read the list again. A hint, never the record.
 */
export type DeliveryChange = { type: 'delivery'; delivery: Delivery } | { type: 'changed' };
/** What somebody did. `at` may be a Date; both it and `key` are set for you when they are left out. */
export type EventInput = Omit<BodyInputOf<'trackEvent'>, 'at'> & { at?: string | Date };
/** A profile in a bulk upsert. */
export type ProfileInput = { externalId: string } & BodyInputOf<'upsertProfile'>;

export class Messages<Templates = AnyTemplates> {
  /** @internal */
  constructor(private readonly requests: Requests) {}

  /**
   * Accepts a message: when this resolves it is committed and will be kept. Without an `idempotencyKey` one is made
   * for this call, so that a retry after a lost answer does not send twice.
   */
  async send(message: Send<Templates>, options?: CallOptions): Promise<AcceptedMessage> {
    const { idempotencyKey = newKey(), ...body } = message;
    return this.requests.call('sendMessage', {
      body: body as BodyInputOf<'sendMessage'>,
      idempotencyKey,
      options,
    });
  }

  /**
   * Up to 1,000 messages, each judged by itself: `results` answers by index, good ones go on beside bad ones. Each
   * message without an `idempotencyKey` is given one, so that the batch may be repeated safely.
   */
  async sendBatch(messages: readonly Send<Templates>[], options?: CallOptions): Promise<BatchResult> {
    const keyed = messages.map((message) => ({
      ...message,
      idempotencyKey: message.idempotencyKey ?? newKey(),
    }));
    return this.requests.call('sendBatch', { body: { messages: keyed }, repeatable: true, options });
  }

  /** A message and where its deliveries stand. */
  get(id: string, options?: CallOptions): Promise<Message> {
    return this.requests.call('getMessage', { params: { id }, options });
  }

  /** Cancels the deliveries that have not left; says how many, and how many had. */
  cancel(id: string, options?: CallOptions): Promise<ResponseOf<'cancelMessage'>> {
    return this.requests.call('cancelMessage', { params: { id }, options });
  }

  /** Erases what it said and to whom, for good; status, reason and times stay. What has not left is cancelled. */
  erase(id: string, options?: CallOptions): Promise<ResponseOf<'eraseMessage'>> {
    return this.requests.call('eraseMessage', { params: { id }, options });
  }

  /** Gives what has not left another time; a time in the past means now. */
  reschedule(
    id: string,
    sendAt: string | Date,
    options?: CallOptions,
  ): Promise<ResponseOf<'rescheduleMessage'>> {
    const body = { sendAt: sendAt instanceof Date ? sendAt.toISOString() : sendAt };
    return this.requests.call('rescheduleMessage', { params: { id }, body, options });
  }
}

export class Deliveries {
  /** @internal */
  constructor(private readonly requests: Requests) {}

  /** The delivery log, newest first. */
  list(query: DeliveryQuery & Paging = {}, options?: CallOptions): List<Delivery> {
    const { cursor: start, ...filter } = query;
    return new List(
      (cursor, o) =>
        this.requests.call('listDeliveries', {
          query: { ...filter, cursor },
          options: o,
        }),
      start,
      options,
    );
  }

  /** One delivery with its timeline and what the provider answered. */
  get(id: string, options?: CallOptions): Promise<DeliveryDetail> {
    return this.requests.call('getDelivery', { params: { id }, options });
  }

  /** What it says, rendered again from template and data. */
  content(id: string, options?: CallOptions): Promise<RenderedContent> {
    return this.requests.call('getDeliveryContent', { params: { id }, options });
  }

  /** Why it did or did not arrive, in sentences. */
  explain(id: string, options?: CallOptions): Promise<Explanation> {
    return this.requests.call('explainDelivery', { params: { id }, options });
  }

  /** Decides about one whose outcome is unknown: it was sent, it failed, or it is sent again and may arrive twice. */
  resolve(
    id: string,
    decision: BodyInputOf<'resolveDelivery'>,
    options?: CallOptions,
  ): Promise<DeliveryDetail> {
    return this.requests.call('resolveDelivery', { params: { id }, body: decision, options });
  }

  /** Counts by channel and status, in total and over time. */
  counts(
    query: { from?: string | Date; to?: string | Date; interval?: 'hour' | 'day' } = {},
    options?: CallOptions,
  ): Promise<Counts> {
    return this.requests.call('countDeliveries', { query, options });
  }

  /** The log as CSV, in pieces of text as they arrive: write each to a file or a response. */
  async *exportCsv(
    query: DeliveryQuery = {},
    options?: CallOptions,
  ): AsyncGenerator<string, void, undefined> {
    const response = await this.requests.open('exportDeliveries', {
      query,
      options,
      headers: { accept: 'text/csv' },
    });
    yield* piecesOf(response);
  }

  /**
   * Changes as they happen. Reconnects by itself; ends when `options.signal` aborts or the loop is left.
   */
  async *stream(
    query: DeliveryQuery = {},
    options?: CallOptions,
  ): AsyncGenerator<DeliveryChange, void, undefined> {
    const open = (headers: Record<string, string>) =>
      this.requests.open('streamDeliveries', { query, options, headers });
    for await (const { event, data } of events(open, options)) {
      if (event === 'delivery') yield { type: 'delivery', delivery: JSON.parse(data) as Delivery };
      else yield { type: 'changed' };
    }
  }
}

export class Failures {
  /** @internal */
  constructor(private readonly requests: Requests) {}

  /** What failed, is unknown or expired, grouped by cause; of the last 24 hours unless said. */
  list(query: FailureFilter = {}, options?: CallOptions): Promise<ResponseOf<'listFailures'>> {
    return this.requests.call('listFailures', { query, options });
  }
}

export class Redrives {
  /** @internal */
  constructor(private readonly requests: Requests) {}

  /** What would be sent again, and at what risk. Sends nothing: give its `fingerprint` to `start`. */
  preview(filter: RedriveFilter, options?: CallOptions & { includeUnknown?: boolean }): Promise<Redrive> {
    const body = { dryRun: true, filter, includeUnknown: options?.includeUnknown ?? false };
    return this.requests.call('redrive', { body, options });
  }

  /** Starts exactly what the preview showed. Starting it twice starts it once. */
  start(preview: string | Pick<Redrive, 'fingerprint'>, options?: CallOptions): Promise<Redrive> {
    const fingerprint = typeof preview === 'string' ? preview : preview.fingerprint;
    return this.requests.call('redrive', { body: { dryRun: false, fingerprint }, repeatable: true, options });
  }

  /** The latest ones, newest first. */
  async list(options?: CallOptions): Promise<Redrive[]> {
    return (await this.requests.call('listRedrives', { options })).items;
  }

  get(id: string, options?: CallOptions): Promise<Redrive> {
    return this.requests.call('getRedrive', { params: { id }, options });
  }

  /** Stops what has not been looked at yet. */
  cancel(id: string, options?: CallOptions): Promise<Redrive> {
    return this.requests.call('cancelRedrive', { params: { id }, options });
  }
}

export class WorkspacePolicies {
  /** @internal */
  constructor(private readonly requests: Requests) {}

  get(options?: CallOptions): Promise<Policies> {
    return this.requests.call('getPolicies', { options });
  }

  set(policies: Policies, options?: CallOptions): Promise<Policies> {
    return this.requests.call('setPolicies', { body: policies, options });
  }

  /** What the operator has set for all workspaces: how long things are kept, how much may wait. */
  installation(options?: CallOptions): Promise<ResponseOf<'getInstallation'>> {
    return this.requests.call('getInstallation', { options });
  }
}

export class Profiles {
  /** @internal */
  constructor(private readonly requests: Requests) {}

  /** Profiles; `search` takes an external id, email or phone, or the beginning of one. */
  list(query: Paging & { search?: string } = {}, options?: CallOptions): List<Profile> {
    const { cursor: start, ...rest } = query;
    return new List(
      (cursor, o) => this.requests.call('listProfiles', { query: { ...rest, cursor }, options: o }),
      start,
      options,
    );
  }

  get(externalId: string, options?: CallOptions): Promise<Profile> {
    return this.requests.call('getProfile', { params: { externalId }, options });
  }

  /** Creates the profile or changes the fields that are given. `attributes` merge key by key; null removes. */
  upsert(externalId: string, profile: BodyInputOf<'upsertProfile'>, options?: CallOptions): Promise<Profile> {
    return this.requests.call('upsertProfile', { params: { externalId }, body: profile, options });
  }

  /** Up to 1,000 profiles, each judged by itself: `results` answers by index. */
  bulkUpsert(profiles: readonly ProfileInput[], options?: CallOptions): Promise<ProfileBulkResult> {
    return this.requests.call('bulkUpsertProfiles', { body: { profiles: [...profiles] }, options });
  }

  /** Deletes the profile and its devices. */
  delete(externalId: string, options?: CallOptions): Promise<void> {
    return this.requests.call('deleteProfile', { params: { externalId }, options });
  }

  /** Registers a push token. A token that another profile had moves to this one. */
  addDevice(externalId: string, device: BodyInputOf<'addDevice'>, options?: CallOptions): Promise<Device> {
    return this.requests.call('addDevice', { params: { externalId }, body: device, options });
  }

  removeDevice(externalId: string, id: string, options?: CallOptions): Promise<void> {
    return this.requests.call('removeDevice', { params: { externalId, id }, options });
  }

  /** Attributes, activity, consents and memberships in one read. */
  state(externalId: string, options?: CallOptions): Promise<ProfileState> {
    return this.requests.call('getProfileState', { params: { externalId }, options });
  }

  /** What they did, what they were sent and what became of it, newest first. */
  timeline(
    externalId: string,
    query: Paging & { kind?: OneOrMany<readonly TimelineEntry['kind'][]> } = {},
    options?: CallOptions,
  ): List<TimelineEntry> {
    const { cursor: start, ...rest } = query;
    return new List(
      (cursor, o) =>
        this.requests.call('getTimeline', { params: { externalId }, query: { ...rest, cursor }, options: o }),
      start,
      options,
    );
  }

  /** Makes the profile `from` part of this one: its ids lead here from then on. Asking again changes nothing. */
  merge(externalId: string, from: string, options?: CallOptions): Promise<MergeResult> {
    return this.requests.call('mergeProfiles', {
      params: { externalId },
      body: { from },
      repeatable: true,
      options,
    });
  }

  /** Gives the profile another name, e.g. its id in another system. */
  addIdentity(
    externalId: string,
    { namespace, value }: { namespace: string; value: string },
    options?: CallOptions,
  ): Promise<Profile> {
    return this.requests.call('addIdentity', { params: { externalId, namespace, value }, options });
  }

  removeIdentity(
    externalId: string,
    { namespace, value }: { namespace: string; value: string },
    options?: CallOptions,
  ): Promise<void> {
    return this.requests.call('removeIdentity', { params: { externalId, namespace, value }, options });
  }
}

/** The optional types of attributes: what is written must be of the type. */
export class AttributeTypes {
  /** @internal */
  constructor(private readonly requests: Requests) {}

  async list(options?: CallOptions): Promise<AttributeType[]> {
    return (await this.requests.call('listAttributeTypes', { options })).items;
  }

  set(name: string, type: BodyInputOf<'setAttributeType'>, options?: CallOptions): Promise<AttributeType> {
    return this.requests.call('setAttributeType', { params: { name }, body: type, options });
  }

  /** The attribute may hold anything again. */
  delete(name: string, options?: CallOptions): Promise<void> {
    return this.requests.call('deleteAttributeType', { params: { name }, options });
  }
}

export class Events {
  /** @internal */
  constructor(private readonly requests: Requests) {}

  /**
   * Tells what somebody did: when this resolves it is committed. Time and key are set before the first try, so that a
   * retry after a lost answer records it once, and when it happened.
   */
  track(event: EventInput, options?: CallOptions): Promise<TrackedEvent> {
    return this.requests.call('trackEvent', { body: stamped(event), repeatable: true, options });
  }

  /** Up to 1,000 events, each judged by itself: `results` answers by index. */
  trackBatch(events: readonly EventInput[], options?: CallOptions): Promise<TrackBatchResult> {
    return this.requests.call('trackEvents', {
      body: { events: events.map(stamped) },
      repeatable: true,
      options,
    });
  }
}

const stamped = ({ at = new Date(), key = newKey(), ...event }: EventInput): BodyInputOf<'trackEvent'> => ({
  ...event,
  at: at instanceof Date ? at.toISOString() : at,
  key,
});

export class Templates {
  /** @internal */
  constructor(private readonly requests: Requests) {}

  list(query: Paging & { search?: string } = {}, options?: CallOptions): List<Template> {
    const { cursor: start, ...rest } = query;
    return new List(
      (cursor, o) => this.requests.call('listTemplates', { query: { ...rest, cursor }, options: o }),
      start,
      options,
    );
  }

  /** A template with its newest version. */
  get(key: string, options?: CallOptions): Promise<TemplateDetail> {
    return this.requests.call('getTemplate', { params: { key }, options });
  }

  /** One version; versions never change. */
  version(key: string, version: number, options?: CallOptions): Promise<TemplateVersion> {
    return this.requests.call('getTemplateVersion', { params: { key, version }, options });
  }

  /** Creates the template, or its next version. */
  save(key: string, template: BodyInputOf<'saveTemplate'>, options?: CallOptions): Promise<TemplateDetail> {
    return this.requests.call('saveTemplate', { params: { key }, body: template, options });
  }

  /** Renders without sending: a stored version, or `content` that is not saved yet. */
  preview(key: string, request: BodyInputOf<'previewTemplate'>, options?: CallOptions): Promise<Preview> {
    return this.requests.call('previewTemplate', { params: { key }, body: request, options });
  }

  /** Puts it away; its versions stay readable. */
  archive(key: string, options?: CallOptions): Promise<void> {
    return this.requests.call('archiveTemplate', { params: { key }, options });
  }
}

export class Lanes {
  /** @internal */
  constructor(private readonly requests: Requests) {}

  /** What waits in each channel and lane, how fast it goes, and the runs in it. */
  async list(options?: CallOptions): Promise<LaneState[]> {
    return (await this.requests.call('listLanes', { options })).items;
  }

  /** Offers everything that waits for a worker again: for queues that were lost. Harmless otherwise. */
  rebuild(options?: CallOptions): Promise<QueueRebuilt> {
    return this.requests.call('rebuildQueues', { options });
  }
}

export class Accounts {
  /** @internal */
  constructor(private readonly requests: Requests) {}

  /** The providers this installation knows, each with the JSON Schema of its settings. */
  async providers(options?: CallOptions): Promise<ProviderInfo[]> {
    return (await this.requests.call('listProviders', { options })).items;
  }

  /** Every provider account with its health. */
  async list(options?: CallOptions): Promise<ProviderAccount[]> {
    return (await this.requests.call('listAccounts', { options })).items;
  }

  /** The newest mails to return addresses that could not be read. */
  async unreadBounces(options?: CallOptions): Promise<UnreadBounce[]> {
    return (await this.requests.call('listUnreadBounces', { options })).items;
  }

  create(account: BodyInputOf<'createAccount'>, options?: CallOptions): Promise<ProviderAccount> {
    return this.requests.call('createAccount', { body: account, options });
  }

  get(id: string, options?: CallOptions): Promise<ProviderAccount> {
    return this.requests.call('getAccount', { params: { id }, options });
  }

  /** Changes the fields that are given; secrets that are left out stay. */
  update(id: string, changes: BodyInputOf<'updateAccount'>, options?: CallOptions): Promise<ProviderAccount> {
    return this.requests.call('updateAccount', { params: { id }, body: changes, options });
  }

  delete(id: string, options?: CallOptions): Promise<void> {
    return this.requests.call('deleteAccount', { params: { id }, options });
  }

  /** Tries the credentials; with `to`, sends one test message. */
  test(
    id: string,
    test: BodyInputOf<'testAccount'> = {},
    options?: CallOptions,
  ): Promise<ResponseOf<'testAccount'>> {
    return this.requests.call('testAccount', { params: { id }, body: test, options });
  }

  /** What is due waits, or takes another account. */
  pause(id: string, options?: CallOptions): Promise<ProviderAccount> {
    return this.requests.call('pauseAccount', { params: { id }, options });
  }

  resume(id: string, options?: CallOptions): Promise<ProviderAccount> {
    return this.requests.call('resumeAccount', { params: { id }, options });
  }

  /** How often and how long each channel tries again. */
  async retryPolicies(options?: CallOptions): Promise<ResponseOf<'listRetryPolicies'>['items']> {
    return (await this.requests.call('listRetryPolicies', { options })).items;
  }

  /** Changes parts of a channel's policy; null goes back to the default. */
  updateRetryPolicy(
    channel: Channel,
    changes: BodyInputOf<'updateRetryPolicy'>,
    options?: CallOptions,
  ): Promise<ResponseOf<'updateRetryPolicy'>> {
    return this.requests.call('updateRetryPolicy', { params: { channel }, body: changes, options });
  }
}

/** Endpoints of your own that are told what becomes of deliveries. Check what arrives with verifyWebhook(). */
export class Webhooks {
  /** @internal */
  constructor(private readonly requests: Requests) {}

  async list(options?: CallOptions): Promise<WebhookEndpoint[]> {
    return (await this.requests.call('listWebhookEndpoints', { options })).items;
  }

  /** `secret` is in this answer only: keep it where the endpoint verifies. */
  create(
    endpoint: BodyInputOf<'createWebhookEndpoint'>,
    options?: CallOptions,
  ): Promise<WebhookEndpointCreated> {
    return this.requests.call('createWebhookEndpoint', { body: endpoint, options });
  }

  get(id: string, options?: CallOptions): Promise<WebhookEndpoint> {
    return this.requests.call('getWebhookEndpoint', { params: { id }, options });
  }

  /** Changes the fields that are given; `enabled: true` lets a disabled one begin anew. */
  update(
    id: string,
    changes: BodyInputOf<'updateWebhookEndpoint'>,
    options?: CallOptions,
  ): Promise<WebhookEndpoint> {
    return this.requests.call('updateWebhookEndpoint', { params: { id }, body: changes, options });
  }

  delete(id: string, options?: CallOptions): Promise<void> {
    return this.requests.call('deleteWebhookEndpoint', { params: { id }, options });
  }

  /** A second secret: both sign until the overlap ends, so that the receiver can change over in between. */
  rotate(
    id: string,
    rotation: BodyInputOf<'rotateWebhookSecret'> = {},
    options?: CallOptions,
  ): Promise<WebhookEndpointCreated> {
    return this.requests.call('rotateWebhookSecret', { params: { id }, body: rotation, options });
  }

  /** Sends one test event and waits for the answer. */
  test(id: string, options?: CallOptions): Promise<WebhookMessage> {
    return this.requests.call('testWebhookEndpoint', { params: { id }, options });
  }

  /** Tells events of a time range again, or some by their ids; gives how many. */
  async replay(
    id: string,
    which: Omit<BodyInputOf<'replayWebhooks'>, 'from' | 'to'> & { from?: string | Date; to?: string | Date },
    options?: CallOptions,
  ): Promise<number> {
    const { from, to, ...rest } = which;
    const iso = (time: string | Date) => (time instanceof Date ? time.toISOString() : time);
    const body = { ...rest, ...(from && { from: iso(from) }), ...(to && { to: iso(to) }) };
    return (await this.requests.call('replayWebhooks', { params: { id }, body, options })).replayed;
  }

  /** What the endpoint was told, with every attempt, newest first. */
  messages(
    id: string,
    query: Paging & { status?: WebhookMessage['status'] } = {},
    options?: CallOptions,
  ): List<WebhookMessage> {
    const { cursor: start, ...rest } = query;
    return new List(
      (cursor, o) =>
        this.requests.call('listWebhookMessages', { params: { id }, query: { ...rest, cursor }, options: o }),
      start,
      options,
    );
  }
}

export class Inbox {
  /** @internal */
  constructor(private readonly requests: Requests) {}

  /** A short-lived token with which a page reads the inbox of one profile. Mint it on your server, per visit. */
  mintToken(
    profile: string,
    options?: CallOptions & { ttlSeconds?: number },
  ): Promise<ResponseOf<'mintInboxToken'>> {
    const body = { profile, ttlSeconds: options?.ttlSeconds };
    return this.requests.call('mintInboxToken', { body, options });
  }
}

export class Keys {
  /** @internal */
  constructor(private readonly requests: Requests) {}

  /** API keys by name and prefix; the keys themselves are never shown again. */
  async list(options?: CallOptions): Promise<ApiKey[]> {
    return (await this.requests.call('listKeys', { options })).items;
  }

  /** Makes a key. `key` in the answer is shown this once. */
  create(key: BodyInputOf<'createKey'>, options?: CallOptions): Promise<ApiKeyCreated> {
    return this.requests.call('createKey', { body: key, options });
  }

  /** A second live key with the same scopes; the old one ends after `overlapSeconds` (default a day). */
  rotate(id: string, rotation: BodyInputOf<'rotateKey'> = {}, options?: CallOptions): Promise<ApiKeyCreated> {
    return this.requests.call('rotateKey', { params: { id }, body: rotation, options });
  }

  /** Ends a key, everywhere within 5 seconds. */
  revoke(id: string, options?: CallOptions): Promise<void> {
    return this.requests.call('revokeKey', { params: { id }, options });
  }
}

/** The dashboard's session: a cookie that only the server reads, and a CSRF token that this client keeps. */
export class Session {
  /** @internal */
  constructor(private readonly requests: Requests) {}

  signIn(credentials: BodyInputOf<'signIn'>, options?: CallOptions): Promise<Me> {
    return this.requests.call('signIn', { body: credentials, options });
  }

  signOut(options?: CallOptions): Promise<void> {
    return this.requests.call('signOut', { options });
  }

  /** Ends all other sessions of the user. */
  changePassword(change: BodyInputOf<'changePassword'>, options?: CallOptions): Promise<void> {
    return this.requests.call('changePassword', { body: change, options });
  }
}
