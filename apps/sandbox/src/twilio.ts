/**
 * Twilio's REST API for messages as far as a sender needs it: create, fetch, list, and signed status callbacks.
 * Shapes and codes follow https://www.twilio.com/docs/messaging/api/message-resource and
 * https://www.twilio.com/docs/api/errors. Mounted by `startSandbox`; the official client does not see a difference.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { randomBytes } from 'node:crypto';
import { fallSilent, hangUp, reportBug, wait } from './answering.js';
import type { KnobsPanel } from './knobs.js';
import { type FirstTries, ordinaryReceipts, smsMagicFor, smsSenderMagic, type Receipt } from './magic.js';
import type { ReceivedMessages, ReceivedSms } from './received.js';
import { countSegments } from './segments.js';
import type { TwilioCallbacks } from './twilio-callbacks.js';

/** HTTP status and message by Twilio error code. `%` stands for the recipient. */
const errors: Record<number, [status: number, message: string]> = {
  20003: [401, 'Authentication Error - invalid username'],
  20404: [404, 'The requested resource was not found'],
  20429: [429, 'Too Many Requests'],
  20500: [500, 'Internal Server Error'],
  20503: [503, 'Service Unavailable'],
  21211: [400, "Invalid 'To' Phone Number: %"],
  21212: [400, "Invalid 'From' Number"],
  21266: [400, "'To' and 'From' number cannot be the same: %"],
  21408: [
    400,
    "Permission to send an SMS has not been enabled for the region indicated by the 'To' number: %",
  ],
  21602: [400, 'Message body is required.'],
  21603: [400, "A 'From' phone number is required."],
  21604: [400, "A 'To' phone number is required."],
  21606: [400, "The 'From' phone number provided is not a valid message-capable Twilio phone number."],
  21609: [400, "The 'StatusCallback' URL is not a valid URL"],
  21610: [400, 'Attempt to send to unsubscribed recipient'],
  21611: [400, "This 'From' number has exceeded the maximum number of queued messages"],
  21612: [400, "The 'To' phone number: % is not currently reachable using the 'From' phone number via SMS."],
  21614: [400, "'To' number: % is not a valid mobile number"],
  21617: [400, 'The concatenated message body exceeds the 1600 character limit'],
};

interface Account {
  sid: string;
  authToken: string;
}

export interface TwilioParts {
  knobs: KnobsPanel;
  received: ReceivedMessages;
  firstTries: FirstTries;
  callbacks: TwilioCallbacks;
}

export function twilioRoutes(
  app: FastifyInstance,
  { knobs, received, firstTries, callbacks }: TwilioParts,
): void {
  app.addContentTypeParser(
    'application/x-www-form-urlencoded',
    { parseAs: 'string' },
    (_request, body, done) => done(null, new URLSearchParams(body as string)),
  );

  app.setErrorHandler((error: Error & { statusCode?: number }, _request, reply) => {
    reportBug(error);
    const status = error.statusCode ?? 500;
    return reply.code(status).send({ code: 20001, message: error.message, status });
  });

  const refuse = (reply: FastifyReply, code: number, to = '') => {
    const [status, message] = errors[code] ?? [400, 'Bad Request'];
    if (status === 401) reply.header('WWW-Authenticate', 'Basic realm="Twilio API"');
    if (status === 429) reply.header('Retry-After', String(knobs.current.sms.retryAfterSeconds));
    return reply.code(status).send({
      code,
      message: message.replace('%', to),
      more_info: `https://www.twilio.com/docs/errors/${code}`,
      status,
    });
  };

  type Route = { Params: { account: string; sid: string }; Querystring: Record<string, string> };

  app.post<Route>('/:account/Messages.json', async (request, reply) => {
    const account = accountOf(request);
    if (!account) return refuse(reply, 20003);
    const form = request.body instanceof URLSearchParams ? request.body : new URLSearchParams();
    const to = form.get('To') ?? '';
    const { latencyMs, slowMs, failRate, errorCode, silentRate } = knobs.current.sms;
    if (latencyMs) await wait(latencyMs);

    const draft = { id: received.nextId(), account, form, to };
    const no = (code: number) => {
      received.add({ ...newMessage(draft), accepted: false, answer: `${errors[code]?.[0] ?? 400}, ${code}` });
      return refuse(reply, code, to);
    };
    const invalid = complaint(form);
    if (invalid) return no(invalid);
    const magic = smsMagicFor(to);
    if (magic && 'error' in magic && !(magic.once && !firstTries.isFirst(to))) return no(magic.error);
    if (failRate > 0 && Math.random() < failRate) return no(errorCode);

    const act = magic && 'act' in magic ? magic : undefined;
    if (act?.act === 'slow') await wait(slowMs);
    if (act?.act === 'reset' && !act.keep) {
      const answer = 'The connection was broken: nothing was taken.';
      received.add({ ...newMessage(draft), accepted: false, answer });
      return hangUp(reply);
    }
    const message = newMessage(draft);
    const silent = act?.act === 'silence' || (silentRate > 0 && Math.random() < silentRate);
    if (silent) message.answer = 'No answer was given.';
    if (act?.act === 'reset') message.answer = 'The connection was broken, no answer.';
    received.add(message);
    const callback = form.get('StatusCallback');
    callbacks.start({
      message,
      receipts: magic && 'receipts' in magic ? magic.receipts : receiptsFor(),
      url: callback || undefined,
      authToken: magic && 'forged' in magic ? `${account.authToken}-forged` : account.authToken,
    });
    if (silent) return fallSilent(reply);
    if (act?.act === 'reset') return hangUp(reply);
    return reply.code(201).send(asTwilio(message));
  });

  /** Also what an unlucky share of ordinary numbers gets. */
  const receiptsFor = (): readonly Receipt[] =>
    knobs.current.sms.undeliveredRate > 0 && Math.random() < knobs.current.sms.undeliveredRate
      ? [{ status: 'sent' }, { status: 'undelivered', errorCode: 30003 }]
      : ordinaryReceipts;

  app.get<Route>('/:account/Messages/:sid.json', (request, reply) => {
    const account = accountOf(request);
    if (!account) return refuse(reply, 20003);
    const message = received.sms().find((m) => m.sid === request.params.sid && m.accountSid === account.sid);
    return message?.accepted ? reply.send(asTwilio(message)) : refuse(reply, 20404);
  });

  app.get<Route>('/:account/Messages.json', (request, reply) => {
    const account = accountOf(request);
    if (!account) return refuse(reply, 20003);
    const { query } = request;
    const found = received
      .sms()
      .filter((m) => m.accepted && m.accountSid === account.sid && matches(m, query))
      .reverse();
    const page = Math.max(0, Number(query.Page) || 0);
    const size = Math.min(1000, Math.max(1, Number(query.PageSize) || 50));
    const rows = found.slice(page * size, (page + 1) * size);
    const pageUri = (n: number) => {
      const search = new URLSearchParams({ ...query, PageSize: String(size), Page: String(n) });
      return `/2010-04-01/Accounts/${account.sid}/Messages.json?${search}`;
    };
    return reply.send({
      messages: rows.map(asTwilio),
      page,
      page_size: size,
      start: page * size,
      end: page * size + Math.max(0, rows.length - 1),
      uri: pageUri(page),
      first_page_uri: pageUri(0),
      previous_page_uri: page > 0 ? pageUri(page - 1) : null,
      next_page_uri: found.length > (page + 1) * size ? pageUri(page + 1) : null,
    });
  });
}

/** Basic auth with the account's own sid or an API key (SK…); the password `wrong` is wrong. */
function accountOf(request: FastifyRequest<{ Params: { account: string } }>): Account | undefined {
  const [scheme, encoded = ''] = (request.headers.authorization ?? '').split(' ');
  const [user = '', ...rest] = Buffer.from(encoded, 'base64').toString().split(':');
  const authToken = rest.join(':');
  const { account } = request.params;
  const known = scheme?.toLowerCase() === 'basic' && (user === account || user.startsWith('SK'));
  return known && account.startsWith('AC') && authToken && authToken !== 'wrong'
    ? { sid: account, authToken }
    : undefined;
}

const e164 = /^\+[1-9]\d{6,14}$/;

/** The first thing Twilio would find wrong with the form, as its error code. */
function complaint(form: URLSearchParams): number | undefined {
  const to = form.get('To');
  const from = form.get('From');
  const body = form.get('Body');
  const callback = form.get('StatusCallback');
  if (!to) return 21604;
  if (!from && !form.get('MessagingServiceSid')) return 21603;
  if (!body && !form.has('MediaUrl')) return 21602;
  if (!e164.test(to)) return 21211;
  if (from && from === to) return 21266;
  if (from && !isSender(from)) return 21212;
  if (from && Object.hasOwn(smsSenderMagic, from)) return smsSenderMagic[from];
  if (body && body.length > 1600) return 21617;
  if (callback && !isHttpUrl(callback)) return 21609;
  return undefined;
}

/** A number, a short code, or an alphanumeric name of up to 11 characters with a letter in it. */
const isSender = (from: string): boolean =>
  from.startsWith('+') ? e164.test(from) : /^\d{3,8}$/.test(from) || /^(?=.*[a-z])[\w +-]{1,11}$/i.test(from);

function isHttpUrl(text: string): boolean {
  return URL.canParse(text) && ['http:', 'https:'].includes(new URL(text).protocol);
}

function matches(message: ReceivedSms, query: Record<string, string>): boolean {
  const day = message.at.slice(0, 10);
  return (
    (!query.To || query.To === message.to) &&
    (!query.From || query.From === message.from) &&
    (!query.DateSent || query.DateSent.slice(0, 10) === day) &&
    (!query['DateSent>'] || Date.parse(query['DateSent>']) <= Date.parse(message.at)) &&
    (!query['DateSent<'] || Date.parse(query['DateSent<']) >= Date.parse(message.at))
  );
}

interface Draft {
  id: string;
  account: Account;
  form: URLSearchParams;
  to: string;
}

function newMessage({ id, account, form, to }: Draft): ReceivedSms {
  const body = form.get('Body') ?? '';
  const sid = `SM${randomBytes(16).toString('hex')}`;
  const at = new Date().toISOString();
  const { segments, encoding } = countSegments(body);
  const messagingServiceSid = form.get('MessagingServiceSid');
  return {
    channel: 'sms',
    id,
    to,
    at,
    accepted: true,
    answer: `201, ${sid}`,
    from: form.get('From'),
    sid,
    accountSid: account.sid,
    messagingServiceSid,
    body,
    mediaUrls: form.getAll('MediaUrl'),
    segments,
    encoding,
    status: messagingServiceSid ? 'accepted' : 'queued',
    errorCode: null,
    sentAt: null,
    updatedAt: at,
    callbacks: [],
    replies: [],
  };
}

/** RFC 2822 as Twilio writes it: `Thu, 24 Aug 2023 05:01:45 +0000`. */
const rfc2822 = (iso: string): string => new Date(iso).toUTCString().replace('GMT', '+0000');

function asTwilio(message: ReceivedSms): Record<string, unknown> {
  const uri = `/2010-04-01/Accounts/${message.accountSid}/Messages/${message.sid}`;
  return {
    account_sid: message.accountSid,
    api_version: '2010-04-01',
    body: message.body,
    date_created: rfc2822(message.at),
    date_sent: message.sentAt && rfc2822(message.sentAt),
    date_updated: rfc2822(message.updatedAt),
    direction: 'outbound-api',
    error_code: message.errorCode,
    error_message: null,
    from: message.from,
    messaging_service_sid: message.messagingServiceSid,
    num_media: String(message.mediaUrls.length),
    num_segments: String(message.segments),
    price: null,
    price_unit: 'USD',
    sid: message.sid,
    status: message.status,
    subresource_uris: { media: `${uri}/Media.json` },
    to: message.to,
    uri: `${uri}.json`,
  };
}
