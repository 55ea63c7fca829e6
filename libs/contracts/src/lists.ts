/**
 * The closed lists themselves, as plain data: whoever only shows or compares words (the dashboard, the CLI) gets them
 * without zod. Their schemas and types stand in words.ts, which gives these on.
 */

export const channels = ['email', 'sms', 'push', 'in-app'] as const;

/** Separate lanes keep a login code from waiting behind a campaign. */
export const lanes = ['transactional', 'journey', 'bulk'] as const;

/** Who asked for the message. */
export const sources = ['api', 'campaign', 'journey', 'test'] as const;

export const statuses = [
  'scheduled',
  'queued',
  'sending',
  'sent',
  'delivered',
  'failed',
  'suppressed',
  'cancelled',
  'expired',
  'unknown',
] as const;

/** Statuses after which nothing more happens by itself. `sent` may still become `delivered` by a receipt. */
export const endStatuses = [
  'sent',
  'delivered',
  'failed',
  'suppressed',
  'cancelled',
  'expired',
  'unknown',
] as const satisfies readonly (typeof statuses)[number][];

/**
 * The closed list of reasons. Each carries the sentence that the dashboard, the CLI and `explain` show.
 * `ends` names the status that the reason may stand beside.
 */
export const reasons = {
  // waiting
  send_later: { ends: 'scheduled', sentence: 'It waits for the time it was planned for.' },
  retry: {
    ends: 'scheduled',
    sentence: 'The last attempt failed in a way that may pass; it will be tried again.',
  },
  rate_limited: { ends: 'scheduled', sentence: 'The provider asked to slow down; it will be tried again.' },
  account_paused: { ends: 'scheduled', sentence: 'Every provider account of this channel is paused.' },
  account_unavailable: {
    ends: 'scheduled',
    sentence: 'No provider account of this channel can be used right now; it waits and loses no try by it.',
  },
  account_rate: {
    ends: 'scheduled',
    sentence: 'The rate limit of the provider account is used up; it waits for its turn.',
  },
  campaign_paused: { ends: 'scheduled', sentence: 'Its campaign is paused.' },
  capacity: {
    ends: 'scheduled',
    sentence:
      'The capacity of its channel is used up for now; it waits for a place, the higher priority first.',
  },
  higher_priority: {
    ends: 'scheduled',
    sentence:
      'A message of higher priority is coming that would find no room after it; it lets that one go first.',
  },
  quiet_hours: { ends: 'scheduled', sentence: 'It waits for the end of quiet hours.' },
  redriven: { ends: 'scheduled', sentence: 'Somebody asked for it to be sent again.' },
  fallback: {
    ends: 'scheduled',
    sentence: 'It is a later step of a route and waits to see whether the earlier step succeeds.',
  },
  // suppressed: decided by us before anything left
  no_address: { ends: 'suppressed', sentence: 'The profile has no address on this channel.' },
  invalid_address: { ends: 'suppressed', sentence: 'The address is not valid on this channel.' },
  not_on_allow_list: { ends: 'suppressed', sentence: 'The workspace sends only to its allow list.' },
  hard_bounced: { ends: 'suppressed', sentence: 'The address bounced for good earlier.' },
  soft_bounced: {
    ends: 'suppressed',
    sentence: 'The address failed to take several messages, one after the other.',
  },
  complained: { ends: 'suppressed', sentence: 'The person reported an earlier message as spam.' },
  suppressed_manually: { ends: 'suppressed', sentence: 'The address is on the suppression list.' },
  unsubscribed: { ends: 'suppressed', sentence: 'The person has opted out of this.' },
  no_consent: {
    ends: 'suppressed',
    sentence: 'There is no consent on record and the workspace requires one.',
  },
  frequency_cap: { ends: 'suppressed', sentence: 'The person has had as many messages as the caps allow.' },
  holdout: { ends: 'suppressed', sentence: 'The person is in a holdout group.' },
  outranked: { ends: 'suppressed', sentence: 'A message of higher priority took its place.' },
  quiet_hours_discarded: {
    ends: 'suppressed',
    sentence: 'It fell into quiet hours and the policy is to discard.',
  },
  not_needed: { ends: 'suppressed', sentence: 'An earlier step of the route already succeeded.' },
  // failed
  bounced: { ends: 'failed', sentence: 'The receiving side returned it after accepting it.' },
  rejected: { ends: 'failed', sentence: 'The provider refused this message for good.' },
  recipient_unknown: { ends: 'failed', sentence: 'The provider says that this recipient does not exist.' },
  recipient_unreachable: { ends: 'failed', sentence: 'The recipient cannot be reached on this channel.' },
  device_unregistered: {
    ends: 'failed',
    sentence: 'The app was removed from the device, or its token is no longer valid.',
  },
  content_refused: { ends: 'failed', sentence: 'The provider refused the content.' },
  too_large: { ends: 'failed', sentence: 'The message is larger than the channel allows.' },
  carrier_blocked: { ends: 'failed', sentence: 'The carrier or mailbox operator blocked the message.' },
  template_error: { ends: 'failed', sentence: 'The template could not be rendered.' },
  missing_variable: { ends: 'failed', sentence: 'The template needs a variable that was not given.' },
  no_account: { ends: 'failed', sentence: 'The workspace has no provider account for this channel.' },
  retries_exhausted: { ends: 'failed', sentence: 'Every attempt within the retry window failed.' },
  decided_by_person: { ends: 'failed', sentence: 'A person decided that it did not arrive.' },
  poisonous: { ends: 'failed', sentence: 'Handling it stopped a worker several times; it was set aside.' },
  // other ends
  cancelled_by_request: { ends: 'cancelled', sentence: 'Somebody cancelled it before it left.' },
  expired_before_sending: { ends: 'expired', sentence: 'It was not sent before its expiry time.' },
  no_answer: {
    ends: 'unknown',
    sentence: 'The bytes left, but the provider never answered: it may or may not have arrived.',
  },
  worker_lost: {
    ends: 'unknown',
    sentence: 'The process that was sending it died after the hand-over: it may or may not have arrived.',
  },
  restored: {
    ends: 'unknown',
    sentence:
      'The database was restored from a copy while this waited: it may have been sent before, or not at all.',
  },
} as const satisfies Record<string, { ends: (typeof statuses)[number]; sentence: string }>;

/** The lines a delivery's timeline may hold. */
export const deliveryEventTypes = [
  'accepted',
  'scheduled',
  'queued',
  'claimed',
  'handed_over',
  'sent',
  'delivered',
  'deferred',
  'failed',
  'suppressed',
  'cancelled',
  'rescheduled',
  'expired',
  'unknown',
  'device_sent',
  'device_failed',
  'receipt',
  'looked_up',
  'resolved',
  'redriven',
  'opened',
  'clicked',
  'seen',
  'read',
  'archived',
  'replied',
  'complained',
  'unsubscribed',
] as const;

/**
 * What webhooks tell of: the lines of a timeline that somebody outside may act on. The database collects by the same
 * list (function collect_webhooks); `webhook.test` is sent on request only.
 */
export const webhookTypes = [
  'delivery.accepted',
  'delivery.rescheduled',
  'delivery.deferred',
  'delivery.sent',
  'delivery.delivered',
  'delivery.failed',
  'delivery.suppressed',
  'delivery.cancelled',
  'delivery.expired',
  'delivery.unknown',
  'delivery.resolved',
  'delivery.redriven',
  'delivery.opened',
  'delivery.clicked',
  'delivery.seen',
  'delivery.read',
  'delivery.archived',
  'delivery.replied',
  'delivery.complained',
  'delivery.unsubscribed',
] as const;

/**
 * Told only to endpoints that name them: who entered or left a live audience or a list. A mailing to a million people must
 * not become a million calls because somebody wants to hear of everything else.
 */
export const audienceWebhookTypes = ['audience.entered', 'audience.left'] as const;

/** Everything that an endpoint may ask for. */
export const allWebhookTypes = [...webhookTypes, ...audienceWebhookTypes] as const;

/** Where the telling of one event to one endpoint stands. */
export const webhookStatuses = ['pending', 'sent', 'failed'] as const;

/** What a profile's timeline holds. Of two at the same moment the one that stands first here comes first. */
export const timelineKinds = ['message', 'event', 'membership', 'consent', 'profile'] as const;
export type TimelineKind = (typeof timelineKinds)[number];

/** What an attribute may be declared to hold. */
export const attributeTypes = [
  'text',
  'number',
  'boolean',
  'date',
  'datetime',
  'texts',
  'numbers',
  'json',
] as const;
export type AttributeTypeName = (typeof attributeTypes)[number];

/** Why an address is on the suppression list. */
export const suppressionReasons = [
  'hard_bounced',
  'soft_bounced',
  'complained',
  'suppressed_manually',
  'unsubscribed',
] as const;

/** Where a person said a word of consent. */
export const consentSources = [
  'api',
  'dashboard',
  'import',
  'page',
  'one-click',
  'keyword',
  'confirmation',
  'provider',
  'form',
  'paper',
  'phone',
] as const;

/** What rules of audiences may ask of messages; the `not…` ones: sent, and that has not come. */
export const messageOutcomes = [
  'sent',
  'delivered',
  'opened',
  'notOpened',
  'clicked',
  'notClicked',
  'seen',
  'read',
  'replied',
  'failed',
  'bounced',
  'suppressed',
  'unknown',
  'complained',
  'unsubscribed',
] as const;

/** What became of a message, as far as a journey waits for it. Lines of a delivery's timeline. */
export const journeyOutcomes = [
  'sent',
  'delivered',
  'failed',
  'suppressed',
  'opened',
  'clicked',
  'seen',
  'read',
  'replied',
  'complained',
  'unsubscribed',
] as const satisfies readonly (typeof deliveryEventTypes)[number][];

export const weekdays = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;

export const roles = ['owner', 'editor', 'viewer'] as const;

export type ReasonName = keyof typeof reasons;

/** What an API key may do. A session's role grants a set of the same scopes. */
export const scopes = {
  'messages:write': 'send, cancel and reschedule messages',
  'deliveries:read': 'read the delivery log',
  'profiles:read': 'read profiles and devices',
  'profiles:write': 'create, change and delete profiles and devices',
  'events:read': 'read what people did: events and the timeline of a profile',
  'events:write': 'tell what people did: track events',
  'templates:read': 'read templates',
  'templates:write': 'create and change templates',
  'campaigns:read': 'read campaigns and their numbers',
  'campaigns:write': 'write, prepare, start, pause and cancel campaigns',
  'journeys:read': 'read journeys, who is inside, and their numbers',
  'journeys:write': 'write journeys, let them go live, pause and stop them, let people in',
  'accounts:read': 'read provider accounts (never their secrets)',
  'accounts:write': 'create, change, test and pause provider accounts',
  'webhooks:read': 'read webhook endpoints and their attempts (never their secrets)',
  'webhooks:write': 'create, change, test, replay and delete webhook endpoints',
  'inbox:token': 'mint short-lived inbox tokens for profiles',
  'keys:read': 'list API keys (never the keys themselves)',
  'keys:write': 'create, rotate and revoke API keys',
} as const;
export type ScopeName = keyof typeof scopes;
