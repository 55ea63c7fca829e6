/**
 * The sandbox's own HTTP surface: the page that shows what arrived, and the routes behind it, which tests and the
 * CLI may use too. Not a protocol of any provider. It has no login, so it answers only to its own page and only under
 * names that lead to this machine or to `publicUrl`.
 */
import { problems, type ProblemCode, type ProblemError } from '@carillon/contracts';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { z } from 'zod';
import { reportBug } from './answering.js';
import type { ChangeStream } from './change-stream.js';
import { KnobsError, type KnobsChange, type KnobsPanel } from './knobs.js';
import { emailMagic, pushMagic, smsMagic } from './magic.js';
import { sandboxChannels, type Received, type ReceivedMessages } from './received.js';
import type { TwilioCallbacks } from './twilio-callbacks.js';

const types = { html: 'text/html', js: 'text/javascript', css: 'text/css', svg: 'image/svg+xml' } as const;
const files = [
  'index.html',
  'viewer.css',
  'favicon.svg',
  'viewer.js',
  'messages.js',
  'elements.js',
  'knobs.js',
  'help.js',
];

const pagePolicy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: http: https:; connect-src 'self'; frame-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'";
/** A mail brings its own styles and remote images, and may open links in a new tab; nothing of it may run. */
const mailPolicy =
  "default-src 'none'; img-src data: http: https:; style-src 'unsafe-inline' http: https:; font-src data: http: https:; form-action 'none'; frame-ancestors 'self'; sandbox allow-popups allow-popups-to-escape-sandbox";

const safe = { 'x-content-type-options': 'nosniff', 'referrer-policy': 'no-referrer' };

/** Twilio's own limit of a text. */
const Reply = z.object({ body: z.string().trim().min(1).max(1600) });
const Query = z.object({
  channel: z.enum(sandboxChannels).optional(),
  to: z.string().optional(),
  search: z.string().optional(),
  refused: z.enum(['true', 'false']).default('false'),
  limit: z.coerce.number().int().min(1).max(1000).default(50),
  view: z.enum(['full', 'list']).default('full'),
});

export interface ViewerParts {
  knobs: KnobsPanel;
  received: ReceivedMessages;
  changes: ChangeStream;
  callbacks: TwilioCallbacks;
  /** Forgets everything: messages, totals, and who was refused once. */
  clear: () => void;
  /** Host names that may appear in the Host header, besides IP addresses and localhost. */
  hosts: ReadonlySet<string>;
  smtpPort: number;
}

export function viewerRoutes(app: FastifyInstance, parts: ViewerParts): void {
  const { knobs, received } = parts;

  // A page of another site must neither turn knobs nor, by a name that it makes point here, read mails.
  app.addHook('onRequest', async (request, reply) => {
    const host = hostName(request.headers.host);
    if (!isIP(host) && host !== 'localhost' && !parts.hosts.has(host)) {
      return problem(reply, 'forbidden', 'Open the sandbox by the address that it printed at its start.');
    }
    const { origin } = request.headers;
    if (origin && hostName(origin.replace(/^https?:\/\//, '')) !== host) {
      return problem(reply, 'csrf', 'Only the page of the sandbox itself may call this.');
    }
  });
  app.setErrorHandler((error: Error & { statusCode?: number }, _request, reply) => {
    if (error instanceof KnobsError) return problem(reply, 'invalid_request', error.message, error.errors);
    if (error instanceof SyntaxError || error.statusCode === 400)
      return problem(reply, 'malformed_json', error.message);
    if (error.statusCode === 413) return problem(reply, 'body_too_large', error.message);
    if (error.statusCode === 415) return problem(reply, 'unsupported_media_type', 'Send application/json.');
    reportBug(error);
    return problem(reply, 'internal', 'The sandbox failed to answer.');
  });

  for (const name of files) {
    const content = readFileSync(new URL(`../public/${name}`, import.meta.url));
    const type = types[name.slice(name.indexOf('.') + 1) as keyof typeof types];
    app.get(name === 'index.html' ? '/' : `/${name}`, (_request, reply) =>
      reply
        .headers({
          ...safe,
          'content-type': `${type}; charset=utf-8`,
          'content-security-policy': pagePolicy,
          'cache-control': 'no-cache',
        })
        .send(content),
    );
  }

  app.get('/sandbox/received', async (request, reply) => {
    const query = Query.safeParse(request.query);
    if (!query.success) {
      const errors = query.error.issues.map((issue) => ({
        pointer: `?${String(issue.path[0])}`,
        code: issue.code,
        message: `${issue.message}.`,
      }));
      return problem(reply, 'invalid_request', 'The query is not valid.', errors);
    }
    const { view, refused, ...filter } = query.data;
    const found = await received.list({ ...filter, refused: refused === 'true' });
    const data = found.reverse();
    return { data: view === 'list' ? data.map(listed) : data, totals: received.totals };
  });

  app.get<{ Params: { id: string } }>('/sandbox/received/:id', async (request, reply) => {
    const item = await received.find(request.params.id);
    return (
      item ??
      problem(
        reply,
        'not_found',
        'This message is no longer kept. GET /sandbox/received lists the ones that are.',
      )
    );
  });

  app.get<{ Params: { id: string } }>('/sandbox/received/:id/html', async (request, reply) => {
    const mail = await received.find(request.params.id);
    if (mail?.channel !== 'email' || mail.html === null)
      return problem(reply, 'not_found', 'There is no such HTML mail.');
    return reply
      .headers({
        'content-type': 'text/html; charset=utf-8',
        'content-security-policy': mailPolicy,
        ...safe,
      })
      .send(`<base target="_blank">${mail.html}`);
  });

  app.get<{ Params: { id: string } }>('/sandbox/received/:id/raw', (request, reply) => {
    const raw = received.rawMail(request.params.id);
    return raw
      ? reply
          .headers({
            ...safe,
            'content-type': 'text/plain; charset=utf-8',
            'content-security-policy': mailPolicy,
          })
          .send(raw)
      : problem(reply, 'not_found', 'There is no such mail.');
  });

  app.post<{ Params: { id: string } }>('/sandbox/received/:id/replies', async (request, reply) => {
    const said = Reply.safeParse(request.body);
    if (!said.success)
      return problem(reply, 'invalid_request', 'Send {"body": "STOP"}: what the phone writes back.', [
        { pointer: '/body', code: 'invalid', message: 'Write a text of 1 to 1600 characters.' },
      ]);
    const sms = received.sms().find(({ id }) => id === request.params.id);
    if (!sms)
      return problem(reply, 'not_found', 'There is no such text message: only those can be answered.');
    const written = await parts.callbacks.reply(sms, said.data.body);
    return 'refused' in written ? problem(reply, 'conflict', written.refused) : reply.code(201).send(written);
  });

  app.get('/sandbox/knobs', () => knobs.current);
  app.put('/sandbox/knobs', (request) => knobs.set(request.body as KnobsChange)); // validated there
  app.delete('/sandbox/knobs', () => knobs.reset());
  app.post('/sandbox/clear', (_request, reply) => {
    parts.clear();
    return reply.code(204).send();
  });
  app.get('/sandbox/magic', () => ({
    smtpPort: parts.smtpPort,
    email: sentences(emailMagic, (local) => `${local}@example.com`),
    sms: sentences(smsMagic, (number) => number),
    push: sentences(pushMagic, (prefix) => `${prefix}…`),
  }));

  app.get('/sandbox/stream', (_request, reply) => {
    reply.hijack();
    parts.changes.join(reply.raw);
  });
}

function problem(reply: FastifyReply, code: ProblemCode, detail: string, errors?: ProblemError[]) {
  const { status, title } = problems[code];
  return reply
    .code(status)
    .type('application/problem+json')
    .send({ type: 'about:blank', title, status, code, detail, errors });
}

const hostName = (host: FastifyRequest['headers']['host'] = ''): string =>
  host
    .replace(/:\d+$/, '')
    .replace(/^\[|\]$/g, '')
    .toLowerCase();

const sentences = (table: Record<string, { sentence: string }>, show: (key: string) => string) =>
  Object.entries(table).map(([key, { sentence }]) => ({ address: show(key), sentence }));

/** A line of a list: enough to recognise the message, without its weight. */
function listed(item: Received): Record<string, unknown> {
  if (item.channel !== 'email') return { ...item };
  const { html, text, attachments, header: _header, ...line } = item;
  const snippet = (text || (html ?? '').replace(/<(style|script|head)[\s\S]*?<\/\1>|<[^>]*>|&\w+;/gi, ' '))
    .replace(/\s+/g, ' ')
    .trim()
    .slice(0, 140);
  return {
    ...line,
    hasHtml: html !== null,
    attachments: attachments.length,
    snippet,
  };
}
