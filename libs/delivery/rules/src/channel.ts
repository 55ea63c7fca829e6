/**
 * What a channel and a provider supply. All channels share one dispatcher runtime; a provider is one file: settings
 * schema, error table, `send`, `parseWebhook`. No I/O here: the runtime hands everything in through `SendContext`.
 */
import type {
  Channel as ChannelName,
  ContentByChannel,
  MessageClass,
  RenderedContent,
} from '@carillon/contracts';
import type { TrackingMarks } from '@carillon/content';
import type { z } from 'zod';
import type { Finding, Outcome, Receipt } from './outcome.js';
import type { SenderIdentity } from './sender.js';
import type { RetryPolicy } from './after-attempt.js';

/** A profile as far as it decides where a message goes, and whether. */
export interface Addressee {
  profileId: string | null;
  externalId: string | null;
  email: string | null;
  phone: string | null;
  /** ISO 3166-1 alpha-2, or ZZ; not there where nobody has looked yet. */
  phoneCountry?: string | null;
  locale: string | null;
  timezone: string | null;
  devices: readonly { id: string; token: string; platform: 'ios' | 'android' | 'web' }[];
}
/** The same, as far as a channel needs it to render. */
export interface Recipient extends Addressee {
  attributes: Readonly<Record<string, unknown>>;
}

/** One message on its way out. `address` is the email address, E.164 number, device token or profile id. */
export interface Outgoing<Rendered> {
  deliveryId: string;
  /** For push: one attempt per device, so `attemptId` = device id; elsewhere the delivery id. */
  attemptId: string;
  address: string;
  messageClass: MessageClass;
  rendered: Rendered;
}

/**
 * HTTP as the providers see it; implemented by `@carillon/http-out` (deadlines, pooling, SSRF guard). Any status is an
 * answer; without one it throws an `HttpOutError`, whose `nothingSent` tells `deferred` from `unknown`.
 */
export interface HttpPort {
  request(options: {
    method: string;
    url: string;
    headers?: Record<string, string>;
    body?: string | Uint8Array;
    deadlineMs?: number;
    maxBytes?: number;
  }): Promise<{ status: number; headers: Record<string, string | string[] | undefined>; body: Uint8Array }>;
}

/** Where in-app messages go: implemented by the delivery service on the database. */
export interface InboxPort {
  /** Idempotent by `deliveryId`. Returns the ids of the items in the order given. */
  store(
    items: readonly {
      deliveryId: string;
      profileId: string;
      title: string;
      body: string;
      url: string | null;
      imageUrl: string | null;
      data: Record<string, unknown>;
    }[],
  ): Promise<string[]>;
  /** @returns the id of the item by delivery id, of those that are there */
  find(deliveryIds: readonly string[]): Promise<ReadonlyMap<string, string>>;
}

/** A message that was handed over and never answered for. */
export interface Missing {
  deliveryId: string;
  address: string | null;
  handedOverAt: Date;
  /** What it said, rendered again; null when that is no longer possible. */
  content: RenderedContent | null;
}

export interface SendContext<Settings> {
  /** Changes with each change of the settings: the key under which a provider may keep a client or a pool. */
  account: { id: string; revision: string; workspaceId: string; name: string };
  settings: Settings;
  /**
   * `http` and `net` have egress level `operator` when `settings.endpoint` is set (only an operator may set it),
   * else `untrusted`.
   */
  http: HttpPort;
  inbox: InboxPort;
  /** Guarded connection making for clients that bring their own sockets. See `@carillon/http-out`. */
  net: NetPort;
  /** Signed address for status callbacks of this delivery, or null when this installation has no public address. */
  callbackUrl(deliveryId: string): string | null;
  /** Aborted when nobody waits any longer: what has no answer by then is reported at once, as `unknown` if it may have left. */
  signal: AbortSignal;
  /**
   * For what the provider wants to keep between batches (pools, clients): the first call makes it, later ones return
   * it. Put `account.id` and `account.revision` into the key. Closed by the runtime at shutdown.
   */
  keep<T>(key: string, make: () => T, close: (value: T) => void | Promise<void>): T;
}
/** The parts of node:net / node:http that clients with sockets of their own need, already guarded. */
export interface NetPort {
  /** A connected TCP socket to a checked address (typed loosely: this library does no I/O). */
  connect(options: { host: string; port: number; deadlineMs: number }): Promise<unknown>;
  /** A node `http.Agent`/`https.Agent` whose look-ups are guarded. */
  agentFor(url: string): unknown;
}

export interface WebhookRequest {
  method: string;
  /** The exact public URL that was called, with its query. */
  url: string;
  headers: Readonly<Record<string, string | undefined>>;
  rawBody: Uint8Array;
}
/** What a person wrote back. */
export interface Inbound {
  /** The provider's id of it. */
  id: string;
  /** In E.164. */
  from: string;
  text: string;
  /** What the provider has understood, acted on and answered itself. */
  said: 'stop' | 'start' | 'help' | null;
}
/** Thrown by `parseWebhook` when the request is not authentic. The API answers the same 401 whatever the cause. */
export class WebhookRefused extends Error {
  override name = 'WebhookRefused';
}

/**
 * Thrown by `parseWebhook` when an authentic request tells of nothing that can be read. It is kept and shown, not guessed at.
 */
export class WebhookUnreadable extends Error {
  override name = 'WebhookUnreadable';
  constructor(
    /** A sentence. */
    readonly why: string,
    /** Its first characters, without addresses. */
    readonly head: string,
  ) {
    super(why);
  }
}

export interface Provider<Rendered = unknown, Settings = unknown> {
  name: string;
  title: string;
  /** Address of the provider's own documentation. */
  docs: string;
  /**
   * The dashboard draws its form from this: `.meta({ title, description, placeholder })` on every field,
   * `secret: true` on secrets, `operatorOnly: true` on `endpoint`, which every provider that calls out has.
   */
  settings: z.ZodType<Settings>;
  /** One outcome per message, in the order given. Must not throw for anything a provider can answer. */
  send(batch: readonly Outgoing<Rendered>[], context: SendContext<Settings>): Promise<Outcome[]>;
  /**
   * Asks the provider what became of messages whose answer was lost. Only where it can tell: SMTP and FCM cannot. One
   * finding per message, in the order given; must not throw for anything a provider can answer.
   */
  lookup?(batch: readonly Missing[], context: SendContext<Settings>): Promise<Finding[]>;
  /** Whose name stands on its messages, for those who look before many are sent. Pure. */
  sender?(settings: Settings): SenderIdentity | null;
  /** Tries the credentials without sending. */
  test?(context: SendContext<Settings>): Promise<{ ok: boolean; sentence: string }>;
  /** Verifies on the raw body, then translates. `deliveryId` is the one in the (signed) callback URL, if any. */
  parseWebhook?(
    request: WebhookRequest,
    settings: Settings,
    deliveryId: string | null,
  ): Receipt[] | Promise<Receipt[]>;
  /** The same for what people write back; null when the request tells of something else. Verifies as well. */
  parseInbound?(request: WebhookRequest, settings: Settings): Inbound | null | Promise<Inbound | null>;
  /** The answer to such a request, with what is to be said to the person; null says nothing. */
  inboundAnswer?(reply: string | null): { type: string; body: string };
}

export interface RenderInput {
  content: ContentByChannel;
  data: Readonly<Record<string, unknown>>;
  recipient: Recipient;
  messageClass: MessageClass;
  replyTo: string | null;
  /** Passed through as they are; while rendering, `content` may be left out. */
  attachments: readonly {
    filename: string;
    contentType: string;
    content: string;
    contentId?: string | undefined;
  }[];
  /** Stable per template version (or message): compiled templates are kept under it. */
  cacheKey: string;
  unsubscribeUrl: string;
  /** Where the mail can be read on a page; left out where there is none to show. */
  viewUrl?: string | undefined;
  /** How an email's opens and clicks are counted; left out: not at all. */
  tracking?: TrackingInput | undefined;
}
export interface TrackingInput extends TrackingMarks {
  /** Of this delivery alone. */
  token: string;
}
/** Rendering fails with data, not with an exception. */
export type RenderResult<Rendered> =
  | { ok: true; rendered: Rendered; warnings: string[] }
  | {
      ok: false;
      reason: 'template_error' | 'missing_variable' | 'too_large' | 'content_refused';
      detail: string;
      pointer: string;
    };

export interface Channel<Rendered = unknown> {
  channel: ChannelName;
  /** Every address of the recipient on this channel (push: one per device); empty means `no_address`. */
  addresses(recipient: Addressee): { address: string; attemptId?: string }[];
  /**
   * Pure. Runs in a process for rendering, where what comes out is plain data; or `here`, in the process of whoever asks:
   * then only compiled templates run, and nothing that reads what they wrote.
   * @throws NotHere when asked to stay here and it cannot
   */
  render(input: RenderInput, here?: boolean): RenderResult<Rendered>;
  /** What the dashboard shows for it. */
  show(rendered: Rendered, address: string | null): RenderedContent;
  /** Each has settings of its own, which nobody but itself looks into. */
  providers: readonly Provider<Rendered>[];
  retry: RetryPolicy;
  /** The most messages handed over between two commits. */
  batchSize: number;
}
/**
 * Makes sure that a provider only ever sees settings of its schema, defaults filled in: what is stored may be older than
 * the schema. Settings that no longer fit are `misconfigured`, with the name of the field.
 */
export function defineProvider<Rendered, Settings>(
  provider: Provider<Rendered, Settings>,
): Provider<Rendered, Settings> {
  const parsed = new WeakMap<object, z.ZodSafeParseResult<Settings>>();
  const read = (given: Settings) => {
    const known = parsed.get(given as object);
    const result = known ?? provider.settings.safeParse(given);
    if (!known) parsed.set(given as object, result);
    return result;
  };
  const wrong = ({ issues: [issue] }: z.ZodError) =>
    `The setting ${issue?.path.join('.') ?? ''} does not fit: ${issue?.message ?? 'unknown'}.`;
  const { sender, test, lookup, parseWebhook, parseInbound } = provider;
  return {
    ...provider,
    ...(sender && {
      sender(given) {
        const { data: settings } = read(given);
        return settings === undefined ? null : sender(settings);
      },
    }),
    async send(batch, context) {
      const { data: settings, error } = read(context.settings);
      if (!error) return provider.send(batch, { ...context, settings });
      return batch.map(() => ({ kind: 'misconfigured', answer: { message: wrong(error) } }));
    },
    ...(lookup && {
      async lookup(batch, context) {
        const { data: settings, error } = read(context.settings);
        if (!error) return lookup(batch, { ...context, settings });
        return batch.map(() => ({ kind: 'unclear', answer: { message: wrong(error) } }));
      },
    }),
    ...(test && {
      async test(context) {
        const { data: settings, error } = read(context.settings);
        return error ? { ok: false, sentence: wrong(error) } : test({ ...context, settings });
      },
    }),
    ...(parseWebhook && {
      async parseWebhook(request, given, deliveryId) {
        const { data: settings, error } = read(given);
        if (error) throw new WebhookRefused(wrong(error));
        return parseWebhook(request, settings, deliveryId);
      },
    }),
    ...(parseInbound && {
      async parseInbound(request, given) {
        const { data: settings, error } = read(given);
        if (error) throw new WebhookRefused(wrong(error));
        return parseInbound(request, settings);
      },
    }),
  };
}
export const defineChannel = <Rendered>(channel: Channel<Rendered>): Channel<Rendered> => channel;
