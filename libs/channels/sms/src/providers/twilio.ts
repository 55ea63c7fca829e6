/**
 * SMS by Twilio's Messages API, through the official client; its HTTP goes out by `context.http`, so that deadlines,
 * the egress guard and "how far did it come" are ours, and nothing is retried behind our back.
 */
import { HttpOutError } from '@carillon/http-out';
import {
  defineProvider,
  impersonal,
  retryAfter,
  unanswered,
  WebhookRefused,
  whileAwaited,
  type Finding,
  type Inbound,
  type Missing,
  type Outcome,
  type Outgoing,
  type ProviderAnswer,
  type Receipt,
  type SendContext,
  type WebhookRequest,
} from '@carillon/delivery-rules';
import { reasons, type ReasonName } from '@carillon/contracts';
import type { Twilio } from 'twilio';
import { z } from 'zod';
import type { RenderedSms } from '../render.js';

const e164 = /^\+[1-9]\d{6,14}$/;

const Settings = z
  .object({
    accountSid: z
      .string()
      .regex(/^AC[0-9a-f]{32}$/i, 'starts with AC, then 32 digits and letters a to f')
      .meta({
        title: 'Account SID',
        description: 'On the first page of the Twilio console.',
        placeholder: 'AC…',
      }),
    authToken: z.string().min(1).max(200).meta({
      title: 'Auth token',
      description: 'Beside the account SID. Also proves that status callbacks come from Twilio.',
      secret: true,
    }),
    from: z
      .string()
      // A name of letters that only look Latin would pass for somebody else's: plain ASCII alone.
      .regex(
        /^(\+[1-9]\d{6,14}|\d{3,8}|(?=.*[A-Za-z])[A-Za-z0-9 &_+-]{1,11})$/,
        'a number, short code or name',
      )
      .optional()
      .meta({
        title: 'Sender',
        description:
          'A number in international form, a short code, or a name of up to 11 letters and digits.',
        placeholder: '+15017122661',
      }),
    messagingServiceSid: z
      .string()
      .regex(/^MG[0-9a-f]{32}$/i, 'starts with MG, then 32 digits and letters a to f')
      .optional()
      .meta({
        title: 'Messaging service SID',
        description: 'Lets Twilio pick the sender. Replaces it.',
        placeholder: 'MG…',
      }),
    maxSegments: z
      .int()
      .min(1)
      .max(10)
      .default(10)
      .meta({ title: 'Most segments', description: 'A longer text is refused: each segment is paid for.' }),
    endpoint: z
      .url({ protocol: /^https?$/ })
      .optional()
      .meta({
        title: 'Endpoint',
        description: 'Instead of https://api.twilio.com: a region, a proxy, the sandbox.',
        placeholder: 'https://api.ie1.twilio.com',
        operatorOnly: true,
      }),
  })
  .refine((s) => s.from ?? s.messagingServiceSid, {
    path: ['from'],
    message: 'give a sender or a messaging service',
  });
type Settings = z.infer<typeof Settings>;
type Context = SendContext<Settings>;

/**
 * What Twilio's codes mean: https://www.twilio.com/docs/api/errors. A code that is not listed is judged by the HTTP
 * status of the answer. Codes from 30000 come with receipts.
 */
const codes: Record<number, ReasonName | 'misconfigured' | 'rateLimited'> = {
  14107: 'rateLimited', // send rate limit exceeded
  20003: 'misconfigured', // authentication
  20005: 'misconfigured', // account not active
  20404: 'misconfigured', // on create: no such account
  20429: 'rateLimited',
  21211: 'recipient_unknown', // invalid To
  21212: 'misconfigured', // invalid From
  21219: 'recipient_unreachable', // trial accounts: To not verified
  21265: 'recipient_unreachable', // To is a short code
  21266: 'recipient_unreachable', // To is our own From
  21408: 'recipient_unreachable', // the country is not enabled: says nothing about the others
  21602: 'content_refused', // no body
  21603: 'misconfigured', // no From
  21604: 'recipient_unknown', // no To
  21606: 'misconfigured', // From cannot send SMS
  21608: 'recipient_unreachable', // trial accounts: To not verified
  21609: 'misconfigured', // status callback URL not valid
  21610: 'unsubscribed', // the person replied STOP
  21611: 'rateLimited', // the queue of this From is full
  21612: 'recipient_unreachable', // no route from From to To
  21614: 'recipient_unknown', // not a mobile number
  21617: 'too_large', // over 1,600 characters
  21635: 'recipient_unreachable', // a landline
  21659: 'misconfigured', // From is not Twilio's; for a short code see `outcomeOf`
  21660: 'misconfigured', // From belongs to another account
  21661: 'misconfigured', // From cannot send SMS
  21701: 'misconfigured', // no such messaging service
  21703: 'misconfigured', // the messaging service has no sender
  21705: 'misconfigured', // messaging service SID not valid
  30001: 'rejected', // queue overflow
  30002: 'rejected', // account suspended meanwhile
  30003: 'recipient_unreachable', // handset off or out of reach
  30004: 'carrier_blocked', // blocked, often by the recipient
  30005: 'recipient_unknown', // no such handset
  30006: 'recipient_unreachable', // landline or unreachable carrier
  30007: 'carrier_blocked', // filtered
  30008: 'rejected', // no reason given
  30010: 'rejected', // dearer than the price limit
  30032: 'carrier_blocked', // toll-free number not verified
  30034: 'carrier_blocked', // US number without registered campaign
};

/** Twilio answered, and the answer is no. */
class Refusal extends Error {
  override name = 'Refusal';
  constructor(
    readonly status: number,
    readonly code: number | undefined,
    sentence: string,
    readonly hint: { retryAfterMs?: number },
  ) {
    super(sentence);
  }
}
const Problem = z.object({ code: z.number().optional(), message: z.string().optional() });

const jsonOf = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // a proxy's page: the status must do
  }
};

/** The part of twilio's `RequestClient` that its API classes call. Any answer but a good 2xx is thrown as `Refusal`. */
function requestClient({ http, settings }: Context) {
  const bases = new Map<string, string>();
  /** The same few addresses again and again. */
  const baseOf = (uri: string): string => {
    let base = bases.get(uri);
    if (base === undefined) {
      const { origin, pathname } = new URL(uri);
      base = (settings.endpoint?.replace(/\/$/, '') ?? origin) + pathname;
      if (bases.size < 10) bases.set(uri, base);
    }
    return base;
  };
  return {
    async request(options: {
      method: string;
      uri: string;
      username?: string;
      password?: string;
      headers?: Record<string, string>;
      params?: object;
      data?: object;
    }) {
      const query = options.params ? `?${form(options.params)}` : '';
      const login = Buffer.from(`${options.username}:${options.password}`).toString('base64');
      const { status, headers, body } = await http.request({
        method: options.method.toUpperCase(),
        url: baseOf(options.uri) + query,
        headers: { ...options.headers, authorization: `Basic ${login}` },
        ...(options.data && { body: form(options.data) }),
        deadlineMs: 15_000,
      });
      const text = Buffer.from(body).toString();
      const json = jsonOf(text);
      if (status >= 200 && status < 300 && json) return { statusCode: status, body: text, headers };
      const problem = Problem.safeParse(json).data;
      const hint = retryAfter(headers['retry-after'], new Date());
      throw new Refusal(status, problem?.code, problem?.message ?? '', hint);
    },
  };
}

/** Twilio repeats the name for a list. */
function form(fields: object): string {
  const pairs = Object.entries(fields).flatMap(([key, value]) =>
    [value].flat().map((one): [string, string] => [key, String(one)]),
  );
  return new URLSearchParams(pairs).toString();
}

const clientOf = (context: Context): Promise<Twilio> =>
  context.keep(
    `twilio ${context.account.id} ${context.account.revision}`,
    async () => {
      const { accountSid, authToken } = context.settings;
      const { default: twilio } = await import('twilio');
      const httpClient = requestClient(context) as never;
      return twilio(accountSid, authToken, { httpClient, autoRetry: false });
    },
    () => undefined,
  );

/** The outcome of a call that threw; what is not expected stays an exception. */
function outcomeOf(error: unknown, address: string, from: string | undefined): Outcome {
  if (error instanceof HttpOutError) return unanswered(error);
  if (!(error instanceof Refusal)) throw error;
  const { status, code, hint } = error;
  const answer = { code: code ?? status, status, message: impersonal(error.message, address) };
  // Short codes work in one country: 21659 is then about where this message goes.
  const abroad = code === 21659 && from !== undefined && !from.startsWith('+');
  const known = abroad ? 'recipient_unreachable' : codes[code ?? 0];
  if (known === 'misconfigured') return { kind: known, answer };
  if (known === 'rateLimited' || status === 429) return { kind: 'rateLimited', ...hint, answer };
  if (known) return { kind: 'rejected', reason: known, answer };
  // Twilio's own refusals carry a code; without one, somebody else stands at this address.
  if (status === 401 || status === 403 || (status >= 300 && status < 500 && code === undefined))
    return { kind: 'misconfigured', answer };
  // 503 says that the request was turned away. Any other 5xx may come from behind the point where the message was
  // created, and create has no idempotency key: whether it was taken is not known.
  if (status === 503) return { kind: 'deferred', ...hint, answer };
  if (status >= 500 || status < 300) return { kind: 'unknown', answer };
  return { kind: 'rejected', reason: 'rejected', answer };
}

async function sendOne(client: Twilio, message: Outgoing<RenderedSms>, context: Context): Promise<Outcome> {
  const { settings } = context;
  const { body, segments } = message.rendered;
  if (!e164.test(message.address)) {
    const answer = { message: 'Not a number in international form (E.164).' };
    return { kind: 'rejected', reason: 'invalid_address', answer };
  }
  if (segments > settings.maxSegments) {
    const answer = { segments, message: `The account sends at most ${settings.maxSegments} segments.` };
    return { kind: 'rejected', reason: 'too_large', answer };
  }
  const statusCallback = context.callbackUrl(message.deliveryId);
  try {
    const taken = await client.messages.create({
      to: message.address,
      ...(settings.messagingServiceSid
        ? { messagingServiceSid: settings.messagingServiceSid }
        : { from: settings.from }),
      body,
      ...(statusCallback && { statusCallback }),
    });
    return {
      kind: 'accepted',
      providerMessageId: taken.sid,
      answer: { code: 201, status: taken.status, segments: Number(taken.numSegments) },
    };
  } catch (error) {
    return outcomeOf(error, message.address, settings.from);
  }
}

async function send(batch: readonly Outgoing<RenderedSms>[], context: Context): Promise<Outcome[]> {
  const client = await clientOf(context);
  return Promise.all(
    batch.map((message) => whileAwaited(context.signal, () => sendOne(client, message, context))),
  );
}

/** Its words about a message that was found; `sent` stands for every state on the way. */
const foundStatus: Record<string, 'delivered' | 'failed'> = {
  delivered: 'delivered',
  read: 'delivered',
  undelivered: 'failed',
  failed: 'failed',
  canceled: 'failed',
};
/** Twilio tells whole seconds, and its clock is not ours. Milliseconds. */
const LOOKUP_SKEW_MS = 10_000;
/** Later than this after the hand-over, a message is not of that attempt. Milliseconds. */
const LOOKUP_LATEST_MS = 150_000;

/**
 * The list of messages tells neither our id nor our callback address, so a message is ours when it is the only one with
 * this recipient, sender and text, made within the two minutes after the hand-over. Two alike say nothing. None says
 * nothing either: the list may lag, so only a receipt or a person can settle that.
 */
async function lookup(batch: readonly Missing[], context: Context): Promise<Finding[]> {
  const client = await clientOf(context);
  return Promise.all(batch.map((message) => lookupOne(client, message, context)));
}

async function lookupOne(client: Twilio, message: Missing, { settings }: Context): Promise<Finding> {
  const body = message.content?.sms?.body;
  const unclear = (sentence: string): Finding => ({ kind: 'unclear', answer: { message: sentence } });
  if (!message.address || body === undefined) return unclear('What it said cannot be rendered again.');
  const began = message.handedOverAt.getTime() - LOOKUP_SKEW_MS;
  const ended = message.handedOverAt.getTime() + LOOKUP_LATEST_MS;
  try {
    const listed = await client.messages.list({ to: message.address, limit: 100 });
    const alike = listed.filter(
      (m) =>
        m.direction.startsWith('outbound') &&
        m.body === body &&
        (settings.messagingServiceSid
          ? m.messagingServiceSid === settings.messagingServiceSid
          : m.from === settings.from) &&
        m.dateCreated.getTime() >= began &&
        m.dateCreated.getTime() <= ended,
    );
    const [found] = alike;
    if (!found) return unclear('Twilio lists no such message.');
    if (alike.length > 1) return unclear(`Twilio lists ${alike.length} messages like it.`);
    const status = foundStatus[found.status] ?? 'sent';
    return {
      kind: 'found',
      status,
      ...(status === 'failed' && { reason: reasonOf(found.errorCode ?? undefined) }),
      providerMessageId: found.sid,
      answer: { status: found.status, ...(found.errorCode && { code: found.errorCode }) },
    };
  } catch (error) {
    if (error instanceof HttpOutError) return unclear(error.message);
    if (error instanceof Refusal) return unclear(impersonal(error.message, message.address));
    throw error;
  }
}

async function test(context: Context): Promise<{ ok: boolean; sentence: string }> {
  try {
    const client = await clientOf(context);
    await client.messages.list({ limit: 1 });
    return { ok: true, sentence: 'Twilio takes the credentials.' };
  } catch (error) {
    const { message = 'no words', code = '' } = outcomeOf(error, '', context.settings.from).answer;
    return { ok: false, sentence: `Twilio does not let us in: ${message} (${code})` };
  }
}

/** https://www.twilio.com/docs/messaging/api/message-resource#message-status-values */
const statuses: Record<string, Receipt['status']> = {
  sent: 'sent',
  delivered: 'delivered',
  undelivered: 'failed',
  failed: 'failed',
};

/**
 * A status callback, signed over the exact URL and every parameter:
 * https://www.twilio.com/docs/usage/security#validating-requests
 */
async function parseWebhook(
  request: WebhookRequest,
  settings: Settings,
  deliveryId: string | null,
): Promise<Receipt[]> {
  const fields = await verified(request, settings);
  const { MessageSid: sid, MessageStatus: word, ErrorCode: code } = fields;
  if (deliveryId === null || typeof sid !== 'string' || typeof word !== 'string') return [];
  const status = Object.hasOwn(statuses, word) ? statuses[word] : undefined;
  const errorCode = typeof code === 'string' && /^\d{1,9}$/.test(code) ? Number(code) : undefined;
  const answer: ProviderAnswer = { status: word.slice(0, 50), ...(errorCode && { code: errorCode }) };
  return [
    {
      deliveryId,
      // Twilio repeats a callback word for word when we do not answer.
      eventId: [sid, word, ...(errorCode ? [errorCode] : [])].join(':').slice(0, 200),
      status: status ?? 'other',
      ...(status === 'failed' && { reason: reasonOf(errorCode) }),
      answer,
    },
  ];
}

/** What Advanced Opt-Out has understood: https://www.twilio.com/docs/messaging/tutorials/advanced-opt-out */
const optOutTypes: Record<string, Inbound['said']> = { STOP: 'stop', START: 'start', HELP: 'help' };

/**
 * A message that a person wrote to our number:
 * https://www.twilio.com/docs/messaging/guides/webhook-request
 */
async function parseInbound(request: WebhookRequest, settings: Settings): Promise<Inbound | null> {
  const fields = await verified(request, settings);
  const { MessageSid: sid, From: from, Body: body, MessageStatus: word, OptOutType: said } = fields;
  if (word !== undefined || typeof sid !== 'string' || typeof from !== 'string' || typeof body !== 'string')
    return null;
  // Without Advanced Opt-Out Twilio tells nothing, and handles its own keywords all the same; to say it again does no harm.
  return {
    id: sid.slice(0, 200),
    from,
    text: body.slice(0, 1_600),
    said: typeof said === 'string' && Object.hasOwn(optOutTypes, said) ? (optOutTypes[said] ?? null) : null,
  };
}

/** TwiML: https://www.twilio.com/docs/messaging/twiml */
const inboundAnswer = (reply: string | null): { type: string; body: string } => {
  const text = reply?.replace(/[&<>]/g, (c) => ({ '&': '&amp;', '<': '&lt;' })[c] ?? '&gt;');
  return {
    type: 'text/xml; charset=utf-8',
    body: `<?xml version="1.0" encoding="UTF-8"?><Response>${text === undefined ? '' : `<Message>${text}</Message>`}</Response>`,
  };
};

/** The fields of a request that is signed with the account's token. @throws WebhookRefused */
async function verified(
  request: WebhookRequest,
  settings: Settings,
): Promise<Record<string, string | string[]>> {
  const fields: Record<string, string | string[]> = {};
  for (const [key, value] of new URLSearchParams(Buffer.from(request.rawBody).toString())) {
    const before = fields[key];
    fields[key] = before === undefined ? value : [before, value].flat();
  }
  const { validateRequest } = await import('twilio/lib/webhooks/webhooks.js');
  const signature = request.headers['x-twilio-signature'];
  if (!signature || !validateRequest(settings.authToken, signature, request.url, fields)) {
    throw new WebhookRefused('The signature is not of this account.');
  }
  return fields;
}

function reasonOf(errorCode: number | undefined): ReasonName {
  const known = errorCode === undefined ? undefined : codes[errorCode];
  if (known === undefined || known === 'misconfigured' || known === 'rateLimited') return 'rejected';
  return reasons[known].ends === 'failed' ? known : 'rejected';
}

export const twilio = defineProvider<RenderedSms, Settings>({
  name: 'twilio',
  title: 'Twilio',
  docs: 'https://www.twilio.com/docs/messaging/api/message-resource',
  settings: Settings,
  send,
  lookup,
  test,
  parseWebhook,
  parseInbound,
  inboundAnswer,
});
