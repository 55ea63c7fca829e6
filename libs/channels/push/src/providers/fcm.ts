/**
 * Push by Firebase Cloud Messaging (Android, iOS through APNs, web) with firebase-admin; its HTTP goes out by
 * `context.http`. One attempt per device: `address` is the registration token. A duplicate replaces the first on the
 * device, because both carry the delivery's id as their tag.
 */
import { HttpOutError } from '@carillon/http-out';
import {
  defineProvider,
  impersonal,
  retryAfter,
  unanswered,
  whileAwaited,
  type HttpPort,
  type Outcome,
  type Outgoing,
  type ProviderAnswer,
  type SendContext,
} from '@carillon/delivery-rules';
import type { Message, Messaging } from 'firebase-admin/messaging';
import { z } from 'zod';
import type { RenderedPush } from '../render.js';
import { NoToken, readJson, ServiceAccount, tokenSource, type TokenSource } from './google-token.js';

const Settings = z.object({
  serviceAccount: z
    .string()
    .max(10_000)
    .refine(
      (text) => readKey(text) !== undefined,
      'paste the whole JSON file of the key, of type service_account',
    )
    .meta({
      title: 'Service account key',
      description: 'The JSON file from the Firebase console: Project settings, Service accounts.',
      placeholder: '{ "type": "service_account", … }',
      secret: true,
    }),
  endpoint: z
    .url({ protocol: /^https?$/ })
    .optional()
    .meta({
      title: 'Endpoint',
      description: "Instead of https://fcm.googleapis.com and Google's token address: a proxy, the sandbox.",
      placeholder: 'http://127.0.0.1:3100',
      operatorOnly: true,
    }),
});
type Settings = z.infer<typeof Settings>;
type Context = SendContext<Settings>;

function readKey(text: string): ServiceAccount | undefined {
  try {
    return ServiceAccount.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined; // not JSON: the schema's sentence says what is wanted
  }
}

/** FCM's own error codes, https://firebase.google.com/docs/reference/fcm/rest/v1/ErrorCode */
const errors: Record<string, (answer: ProviderAnswer, hint: { retryAfterMs?: number }) => Outcome> = {
  UNREGISTERED: (answer) => ({ kind: 'rejected', reason: 'device_unregistered', answer }),
  // With a field named, that field is wrong; without one it is the token
  // (https://firebase.google.com/docs/cloud-messaging/error-codes, examples 1 and 2).
  INVALID_ARGUMENT: (answer) => ({
    kind: 'rejected',
    reason: (answer.field ?? 'message.token') === 'message.token' ? 'recipient_unknown' : 'content_refused',
    answer,
  }),
  // The token belongs to another project. Tokens come from apps, so that one stray token must not pause the account.
  SENDER_ID_MISMATCH: (answer) => ({ kind: 'rejected', reason: 'recipient_unreachable', answer }),
  QUOTA_EXCEEDED: (answer, hint) => ({ kind: 'rateLimited', ...hint, answer }),
  UNAVAILABLE: (answer, hint) => ({ kind: 'deferred', ...hint, answer }),
  // "An unknown internal error occurred": nothing says whether before or after the message was taken.
  INTERNAL: (answer) => ({ kind: 'unknown', answer }),
  // The APNs key or web push key kept in the Firebase project.
  THIRD_PARTY_AUTH_ERROR: (answer) => ({ kind: 'misconfigured', answer }),
};

const Problem = z.object({
  error: z.object({
    message: z.string().optional(),
    status: z.string().optional(),
    details: z
      .array(
        z.object({
          errorCode: z.string().optional(),
          fieldViolations: z.array(z.object({ field: z.string().optional() })).optional(),
        }),
      )
      .optional(),
  }),
});

/** FCM answered, and the answer is no. */
class Refusal extends Error {
  override name = 'Refusal';
  constructor(
    readonly status: number,
    readonly problem: z.infer<typeof Problem>['error'] | undefined,
    readonly hint: { retryAfterMs?: number },
  ) {
    super(problem?.message ?? '');
  }
}

function outcomeOf(error: unknown, address: string, tokens: TokenSource): Outcome {
  if (error instanceof HttpOutError) return unanswered(error);
  if (error instanceof NoToken) return error.outcome;
  if (!(error instanceof Refusal)) {
    // firebase-admin checks a message before it goes out.
    if ((error as { code?: unknown }).code === 'messaging/invalid-payload') {
      const answer = {
        code: 'messaging/invalid-payload',
        message: impersonal((error as Error).message, address),
      };
      return { kind: 'rejected', reason: 'content_refused', answer };
    }
    throw error;
  }
  const { status, problem, hint } = error;
  const code = problem?.details?.find((d) => d.errorCode)?.errorCode;
  const field = problem?.details?.flatMap((d) => d.fieldViolations ?? []).find((v) => v.field)?.field;
  const answer: ProviderAnswer = {
    code: code ?? problem?.status ?? status,
    status,
    ...(field && { field: field.slice(0, 100) }),
    message: impersonal(error.message, address),
  };
  const known = errors[code ?? (field ? 'INVALID_ARGUMENT' : '')];
  if (known) return known(answer, hint);
  // No code of FCM's own: Google's front says it.
  if (status === 401) return { kind: tokens.forget() ? 'deferred' : 'misconfigured', answer };
  if (status === 403 || status === 404) return { kind: 'misconfigured', answer };
  if (status === 429) return { kind: 'rateLimited', ...hint, answer };
  if (status === 503) return { kind: 'deferred', ...hint, answer };
  if (status >= 500 || status < 300) return { kind: 'unknown', answer };
  if (status < 400) return { kind: 'misconfigured', answer };
  return { kind: 'rejected', reason: 'rejected', answer };
}

interface Client {
  messaging: Messaging;
  tokens: TokenSource;
  close(): Promise<void>;
}

const clientOf = (context: Context): Promise<Client> =>
  context.keep(
    `fcm ${context.account.id} ${context.account.revision}`,
    () => makeClient(context),
    async (client) => (await client).close(),
  );

let made = 0;
async function makeClient({ settings, http, account }: Context): Promise<Client> {
  const key = readKey(settings.serviceAccount);
  if (!key) throw new TypeError('The settings of an account are valid.');
  const endpoint = settings.endpoint?.replace(/\/$/, '');
  const tokens = tokenSource(key, http, endpoint);
  const [{ initializeApp, deleteApp }, { getMessaging }] = await Promise.all([
    import('firebase-admin/app'),
    import('firebase-admin/messaging'),
  ]);
  const credential = {
    getAccessToken: async () => ({ access_token: await tokens.token(), expires_in: 3600 }),
  };
  const app = initializeApp({ projectId: key.project_id, credential }, `${account.id} ${++made}`);
  const messaging = getMessaging(app);
  // There is no option for the HTTP client, and the built-in one tries up to four times more on 503 and broken
  // connections, which would hide duplicates from us. Hence this one private field; firebase-admin is pinned for it,
  // and the provider's spec counts requests.
  const inside = messaging as unknown as { messagingRequestHandler?: { httpClient?: HttpClient } };
  if (!inside.messagingRequestHandler?.httpClient) {
    throw new Error('This version of firebase-admin keeps its HTTP client elsewhere: see fcm.ts.');
  }
  inside.messagingRequestHandler.httpClient = httpClient(http, tokens, endpoint);
  return { messaging, tokens, close: () => deleteApp(app) };
}

interface HttpClient {
  send(request: {
    url: string;
    data: object;
    headers: Record<string, string>;
  }): Promise<{ status: number; data: unknown; isJson(): boolean }>;
}
const httpClient = (http: HttpPort, tokens: TokenSource, endpoint: string | undefined): HttpClient => ({
  async send(request) {
    const { origin, pathname } = new URL(request.url);
    const authorization = `Bearer ${await tokens.token()}`;
    const { status, headers, body } = await http.request({
      method: 'POST',
      url: (endpoint ?? origin) + pathname,
      headers: { ...request.headers, authorization, 'content-type': 'application/json' },
      body: JSON.stringify(request.data),
      deadlineMs: 15_000,
    });
    const data = readJson(body);
    if (status === 200 && data) return { status, data, isJson: () => true };
    throw new Refusal(
      status,
      Problem.safeParse(data).data?.error,
      retryAfter(headers['retry-after'], new Date()),
    );
  },
});

/** https://firebase.google.com/docs/reference/fcm/rest/v1/projects.messages */
function messageOf({ address, deliveryId, rendered }: Outgoing<RenderedPush>): Message {
  const { title, body, url, imageUrl, data, collapseKey } = rendered;
  const tag = collapseKey ?? deliveryId;
  return {
    token: address,
    notification: { title, body, ...(imageUrl && { imageUrl }) },
    data: { ...data, ...(url && { url }), deliveryId },
    android: {
      // The tag replaces on the device. A collapse key would also drop what waits at FCM, which keeps only four of
      // them per device: right when the message asks for it, wrong as a default.
      ...(collapseKey && { collapseKey }),
      notification: { tag },
    },
    apns: { headers: { 'apns-collapse-id': tag } },
    webpush: {
      notification: { tag },
      // FCM takes https links alone here.
      ...(url?.startsWith('https://') && { fcmOptions: { link: url } }),
    },
  };
}

async function sendOne(client: Client, message: Outgoing<RenderedPush>): Promise<Outcome> {
  try {
    const name = await client.messaging.send(messageOf(message));
    return { kind: 'accepted', providerMessageId: name, answer: { code: 200 } };
  } catch (error) {
    return outcomeOf(error, message.address, client.tokens);
  }
}

async function send(batch: readonly Outgoing<RenderedPush>[], context: Context): Promise<Outcome[]> {
  const client = await clientOf(context);
  return Promise.all(batch.map((message) => whileAwaited(context.signal, () => sendOne(client, message))));
}

/** A dry run to a topic: checks key, project and permission, and reaches nobody. */
async function test(context: Context): Promise<{ ok: boolean; sentence: string }> {
  const client = await clientOf(context);
  try {
    await client.messaging.send({ topic: 'credentials-test', notification: { title: 'Test' } }, true);
    return { ok: true, sentence: 'Firebase takes the key for this project.' };
  } catch (error) {
    const { message = 'no words', code = '' } = outcomeOf(error, '', client.tokens).answer;
    return { ok: false, sentence: `Firebase does not let us in: ${message} (${code})` };
  }
}

export const fcm = defineProvider<RenderedPush, Settings>({
  name: 'fcm',
  title: 'Firebase Cloud Messaging',
  docs: 'https://firebase.google.com/docs/cloud-messaging/send/v1-api',
  settings: Settings,
  send,
  test,
});
