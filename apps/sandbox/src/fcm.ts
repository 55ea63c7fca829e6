/**
 * Firebase Cloud Messaging, HTTP v1, and Google's token endpoint. HTTP/1.1 is enough: firebase-admin comes with
 * `enableLegacyHttpTransport()` and an agent that connects here. Shapes and codes follow
 * https://firebase.google.com/docs/reference/fcm/rest/v1/ErrorCode and
 * https://developers.google.com/identity/protocols/oauth2/service-account. Mounted by `startSandbox`.
 */
import type { FastifyInstance, FastifyReply } from 'fastify';
import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import { fallSilent, hangUp, reportBug, wait } from './answering.js';
import type { KnobsPanel } from './knobs.js';
import { type FirstTries, pushMagicFor, type PushError } from './magic.js';
import type { ReceivedMessages, ReceivedPush } from './received.js';

/** HTTP status, google.rpc status and message by FCM error code. */
const errors: Record<PushError, [code: number, status: string, message: string]> = {
  UNREGISTERED: [404, 'NOT_FOUND', 'Requested entity was not found.'],
  INVALID_ARGUMENT: [400, 'INVALID_ARGUMENT', 'The registration token is not a valid FCM registration token'],
  SENDER_ID_MISMATCH: [403, 'PERMISSION_DENIED', 'SenderId mismatch'],
  QUOTA_EXCEEDED: [429, 'RESOURCE_EXHAUSTED', 'Quota exceeded for quota metric.'],
  UNAVAILABLE: [503, 'UNAVAILABLE', 'The service is currently unavailable.'],
  INTERNAL: [500, 'INTERNAL', 'Internal error encountered.'],
  THIRD_PARTY_AUTH_ERROR: [401, 'UNAUTHENTICATED', 'Auth error from APNS or Web Push Service'],
};
const fcmErrorType = 'type.googleapis.com/google.firebase.fcm.v1.FcmError';

const text = z.string();
const either = (camel: string, snake: string) => ({
  [camel]: z.record(text, z.unknown()).optional(),
  [snake]: z.record(text, z.unknown()).optional(),
});
/** JSON of protocol buffers: unknown fields are errors, names may be camelCase or snake_case. */
const SendRequest = z.strictObject({
  validate_only: z.boolean().optional(),
  validateOnly: z.boolean().optional(),
  message: z.strictObject({
    name: text.optional(),
    token: text.optional(),
    topic: text.optional(),
    condition: text.optional(),
    data: z.record(text, text).optional(),
    notification: z
      .strictObject({ title: text.optional(), body: text.optional(), image: text.optional() })
      .optional(),
    android: z.record(text, z.unknown()).optional(),
    webpush: z.record(text, z.unknown()).optional(),
    apns: z.record(text, z.unknown()).optional(),
    ...either('fcmOptions', 'fcm_options'),
  }),
});
type Message = z.infer<typeof SendRequest>['message'];

export interface FcmParts {
  knobs: KnobsPanel;
  received: ReceivedMessages;
  firstTries: FirstTries;
}

export function fcmRoutes(app: FastifyInstance, { knobs, received, firstTries }: FcmParts): void {
  app.setErrorHandler((error: Error & { statusCode?: number }, _request, reply) => {
    reportBug(error);
    const code = error.statusCode ?? 500;
    const status = code < 500 ? 'INVALID_ARGUMENT' : 'INTERNAL';
    return reply.code(code).send({ error: { code, message: error.message, status } });
  });

  const refuse = (reply: FastifyReply, errorCode: PushError, message?: string) => {
    const [code, status, usual] = errors[errorCode];
    if (code === 429 || code === 503)
      reply.header('Retry-After', String(knobs.current.push.retryAfterSeconds));
    const details = [{ '@type': fcmErrorType, errorCode }];
    return reply.code(code).send({ error: { code, message: message ?? usual, status, details } });
  };

  app.post<{ Params: { project: string } }>(
    '/v1/projects/:project/messages::send',
    async (request, reply) => {
      const [scheme, accessToken] = (request.headers.authorization ?? '').split(' ');
      if (scheme !== 'Bearer' || !accessToken || accessToken.startsWith('wrong')) {
        const message =
          'Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication credential.';
        return reply.code(401).send({ error: { code: 401, message, status: 'UNAUTHENTICATED' } });
      }
      const { latencyMs, slowMs, failRate, errorCode, silentRate } = knobs.current.push;
      if (latencyMs) await wait(latencyMs);

      const parsed = SendRequest.safeParse(request.body);
      if (!parsed.success) {
        const [issue] = parsed.error.issues;
        return refuse(
          reply,
          'INVALID_ARGUMENT',
          `Invalid JSON payload received. ${issue ? sentence(issue) : ''}`,
        );
      }
      const { message } = parsed.data;
      const targets = [message.token, message.topic, message.condition].filter(
        (target) => target !== undefined,
      );
      const [target] = targets;
      if (targets.length !== 1 || !target) {
        const problem = targets.length
          ? 'Recipient of the message is set more than once or empty.'
          : 'Recipient of the message is not set.';
        return refuse(reply, 'INVALID_ARGUMENT', problem);
      }
      const { project } = request.params;
      const record = newPush(received.nextId(), project, target, message);
      const no = (code: PushError, why?: string) => {
        received.add({ ...record, accepted: false, answer: `${errors[code][0]}, ${code}` });
        return refuse(reply, code, why);
      };
      if (tooLarge(message))
        return no('INVALID_ARGUMENT', 'Message is too big: the payload may have 4096 bytes.');

      const magic = pushMagicFor(target);
      if (magic && 'error' in magic && !(magic.once && !firstTries.isFirst(target))) return no(magic.error);
      if (failRate > 0 && Math.random() < failRate) return no(errorCode);
      if (parsed.data.validate_only ?? parsed.data.validateOnly) {
        return { name: `projects/${project}/messages/fake_message_id` };
      }

      const act = magic && 'act' in magic ? magic : undefined;
      if (act?.act === 'slow') await wait(slowMs);
      const silent = act?.act === 'silence' || (silentRate > 0 && Math.random() < silentRate);
      if (silent) record.answer = 'No answer was given.';
      if (act?.act === 'reset') {
        record.accepted = Boolean(act.keep);
        record.answer = 'The connection was broken, no answer.';
      }
      received.add(record);
      if (silent) return fallSilent(reply);
      if (act?.act === 'reset') return hangUp(reply);
      return { name: record.name };
    },
  );

  app.addContentTypeParser(
    'application/x-www-form-urlencoded',
    { parseAs: 'string' },
    (_request, body, done) => done(null, Object.fromEntries(new URLSearchParams(body as string))),
  );

  /** The signature of the assertion is not checked: the sandbox does not know the key, and needs no secret. */
  app.post('/token', (request, reply) => {
    const grant = z.object({ grant_type: text, assertion: text }).safeParse(request.body);
    if (!grant.success || grant.data.grant_type !== 'urn:ietf:params:oauth:grant-type:jwt-bearer') {
      return reply
        .code(400)
        .send({ error: 'unsupported_grant_type', error_description: 'Invalid grant_type' });
    }
    const claims = claimsOf(grant.data.assertion);
    if (!claims || claims.exp * 1000 < Date.now() || claims.iss.startsWith('wrong')) {
      return reply
        .code(400)
        .send({ error: 'invalid_grant', error_description: 'Invalid JWT: check its iss, iat and exp.' });
    }
    return reply.send({
      access_token: `sandbox.${randomBytes(24).toString('base64url')}`,
      expires_in: 3599,
      token_type: 'Bearer',
    });
  });
}

const Claims = z.object({ iss: text, exp: z.number(), scope: text.optional() });

function claimsOf(jwt: string): z.infer<typeof Claims> | undefined {
  const parts = jwt.split('.');
  if (parts.length !== 3) return undefined;
  try {
    return Claims.safeParse(JSON.parse(Buffer.from(parts[1] ?? '', 'base64url').toString())).data;
  } catch {
    return undefined; // not JSON: the same answer as any other bad assertion
  }
}

/** FCM's limit for notification and data together. */
const tooLarge = ({ notification, data }: Message): boolean =>
  Buffer.byteLength(JSON.stringify({ notification, data })) > 4096;

/** In the words that Google uses for bad JSON. */
function sentence(issue: z.core.$ZodIssue): string {
  const field = issue.path.map(String).join('.');
  if (issue.code === 'unrecognized_keys')
    return `Unknown name "${issue.keys[0]}" at '${field}': Cannot find field.`;
  return `Invalid value at '${field}': ${issue.message}`;
}

function newPush(id: string, project: string, to: string, message: Message): ReceivedPush {
  const unique = `0:${Date.now()}${randomBytes(2).readUInt16BE() % 1000}%${randomBytes(8).toString('hex')}`;
  const name = `projects/${project}/messages/${unique}`;
  return {
    channel: 'push',
    id,
    to,
    at: new Date().toISOString(),
    accepted: true,
    answer: `200, ${name}`,
    project,
    name,
    title: message.notification?.title ?? null,
    body: message.notification?.body ?? null,
    image: message.notification?.image ?? null,
    data: message.data ?? {},
    message,
  };
}
