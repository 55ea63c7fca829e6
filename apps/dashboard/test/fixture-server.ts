/**
 * Serves the built dashboard with the real content policy, and the API's operations from fixtures held in memory. For
 * browser specs and screenshots only; the whole system's browser suite drives the real stack instead.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import {
  operations,
  problems,
  roleScopes,
  type Delivery,
  type Me,
  type OperationName,
  type Operation,
  type Preview,
  type PreviewRequest,
  type ProblemCode,
  type ProblemError,
  type ProviderAccount,
  type Role,
  type TemplateDetail,
  type TemplateSave,
} from '@carillon/contracts';
import type { z } from 'zod';
import * as fixtures from './fixtures.js';

class Refusal extends Error {
  constructor(
    readonly code: ProblemCode,
    readonly detail: string,
    readonly errors: ProblemError[] = [],
  ) {
    super(detail);
  }
}
const refuse = (code: ProblemCode, detail: string, errors?: ProblemError[]): never => {
  throw new Refusal(code, detail, errors);
};
interface Call {
  params: Record<string, string>;
  query: Record<string, unknown>;
  body: Record<string, unknown>;
  role: Role;
  response: ServerResponse;
}

export interface FixtureServer {
  url: string;
  /** What the pages did against the content policy. */
  violations: string[];
  /** Operations that answer 500 until taken out again. */
  broken: Set<OperationName>;
  /** Bodies of the unsafe requests, newest last. */
  writes: { operation: OperationName; body: unknown }[];
  /** Tells the live streams that something changed. */
  arrive(delivery: Delivery): void;
  close(): Promise<void>;
}
/** `dist`: the built dashboard. `empty`: a workspace in which nothing was ever sent. */
export const startFixtureServer = async ({
  dist,
  empty = false,
}: {
  dist: string;
  empty?: boolean;
}): Promise<FixtureServer> => {
  const { profiles, providers, templates, keys } = fixtures;
  let accounts = fixtures.accounts.map((account) => ({ ...account }));
  const deliveries = empty ? [] : [...fixtures.deliveries];
  const streams = new Set<ServerResponse>();
  const violations: string[] = [];
  const broken = new Set<OperationName>();
  const writes: FixtureServer['writes'] = [];

  const find = <T>(items: readonly T[], test: (item: T) => boolean): T =>
    items.find(test) ?? refuse('not_found', 'Nothing here goes by that name.');
  const me = (role: Role): Me => ({
    user: {
      id: fixtures.newId(),
      email: `${role}@example.com`,
      name: role === 'owner' ? 'Dana Bell' : 'Vic Ewer',
      role,
    },
    workspace: { id: fixtures.newId(), name: 'Bell Street Shop', slug: 'bell-street' },
    scopes: [...roleScopes[role]],
    csrfToken: 'csrf',
  });
  const paged = <T>(items: readonly T[], query: Record<string, unknown>) => {
    const from = Number(query.cursor ?? 0);
    const limit = Number(query.limit);
    return {
      items: items.slice(from, from + limit),
      nextCursor: from + limit < items.length ? String(from + limit) : null,
    };
  };
  const filtered = (query: Record<string, unknown>) =>
    deliveries.filter(
      (each) =>
        (['channel', 'status', 'reason', 'source'] as const).every(
          (name) => !query[name] || (query[name] as unknown[]).includes(each[name]),
        ) &&
        (!query.profile || each.profile?.externalId === query.profile) &&
        (!query.address || each.address === query.address) &&
        (!query.template || each.template?.key === query.template) &&
        (!query.messageId || each.messageId === query.messageId) &&
        (!query.class || each.class === query.class) &&
        (!query.from || Date.parse(each.createdAt) >= Date.parse(String(query.from))) &&
        (!query.to || Date.parse(each.createdAt) < Date.parse(String(query.to))),
    );
  const setAccount = (id: string, change: (account: ProviderAccount) => ProviderAccount) => {
    const changed = change(find(accounts, (each) => each.id === id));
    accounts = accounts.map((each) => (each.id === id ? changed : each));
    return changed;
  };
  const split = (channel: string, provider: string, settings: Record<string, unknown>) => {
    const info = find(providers, (each) => each.channel === channel && each.name === provider);
    const properties = info.settings.properties as Record<string, Record<string, unknown>>;
    const errors: ProblemError[] = [];
    const open: ProviderAccount['settings'] = {};
    const secrets: string[] = [];
    const cleared: string[] = [];
    for (const [name, value] of Object.entries(settings)) {
      if (!properties[name])
        errors.push({
          pointer: `/settings/${name}`,
          code: 'unknown',
          message: 'This provider has no such setting.',
        });
      else if (properties[name]['x-secret']) (value === null ? cleared : secrets).push(name);
      else open[name] = value as ProviderAccount['settings'][string];
    }
    if (settings.host === 'localhost')
      errors.push({
        pointer: '/settings/host',
        code: 'private_address',
        message: 'Must be reachable from outside: this one leads to this machine.',
      });
    if (errors.length) refuse('invalid_request', 'The settings are not valid.', errors);
    return { open, secrets, cleared };
  };
  const preview = (request: z.infer<typeof PreviewRequest>, stored?: TemplateDetail): Preview => {
    const content = request.content?.[request.channel] ?? stored?.current.content[request.channel];
    if (!content)
      return {
        rendered: null,
        errors: [
          {
            pointer: `/content/${request.channel}`,
            code: 'missing',
            message: `There is no content for ${request.channel}.`,
          },
        ],
        warnings: [],
      };
    const profile = profiles.find((each) => each.externalId === request.profile);
    const data = { ...profile?.attributes, ...request.data };
    const errors: Preview['errors'] = [];
    const texts: Record<string, string> = {};
    for (const [name, value] of Object.entries(content)) {
      if (typeof value !== 'string') continue;
      const pointer = `/content/${request.channel}/${name}`;
      const open = value.lastIndexOf('{{');
      if (open >= 0 && value.indexOf('}}', open) < 0) {
        const before = value.slice(0, open).split('\n');
        errors.push({
          pointer,
          code: 'template_error',
          message: `This output is never closed: write }} after it (line ${before.length}, column ${(before.at(-1)?.length ?? 0) + 1}).`,
        });
      }
      const { text, missing } = fixtures.fill(value, data);
      if (missing)
        errors.push({
          pointer,
          code: 'missing_variable',
          message: `“${missing}” is not given: add it to the data.`,
        });
      texts[name] = text;
    }
    if (errors.length) return { rendered: null, errors, warnings: [] };
    const { title = '', body = '', subject = '', html, text } = texts;
    const card = { title, body, url: texts.url ?? null, imageUrl: texts.imageUrl ?? null };
    const rendered: Preview['rendered'] =
      request.channel === 'email'
        ? {
            channel: 'email',
            email: {
              from: texts.from ?? null,
              to: profile?.email ?? null,
              subject,
              html: html ?? null,
              text: text ?? (html ?? '').replace(/<style[\s\S]*?<\/style>|<[^>]+>/g, '').trim(),
            },
          }
        : request.channel === 'sms'
          ? {
              channel: 'sms',
              sms: {
                body,
                encoding: /^[\x20-\x7e\n]*$/.test(body) ? 'GSM-7' : 'UCS-2',
                segments: Math.ceil(body.length / 153),
              },
            }
          : { channel: request.channel, [request.channel]: card };
    return {
      rendered,
      errors: [],
      warnings:
        request.channel === 'sms' && body.length > 153
          ? ['It takes more than one segment: each is paid for.']
          : [],
    };
  };
  const counts = (query: Record<string, unknown>) => {
    const step = query.interval === 'day' ? 86_400_000 : 3_600_000;
    const to = Date.parse(String(query.to ?? new Date().toISOString()));
    const from = Date.parse(String(query.from ?? new Date(to - 86_400_000).toISOString()));
    const series: { at: string; channel: Delivery['channel']; status: Delivery['status']; count: number }[] =
      [];
    if (!empty)
      for (let at = Math.floor(from / step) * step; at < to; at += step)
        for (const channel of ['email', 'sms', 'push', 'in-app'] as const) {
          const hour = new Date(at).getUTCHours();
          const wave =
            step === 3_600_000
              ? 0.35 + Math.max(0, Math.sin(((hour - 5) / 24) * 2 * Math.PI))
              : 0.6 + ((at / step) % 7) * 0.13;
          const size =
            { email: 900, sms: 260, push: 420, 'in-app': 310 }[channel] *
            wave *
            (step === 3_600_000 ? 1 : 18);
          const shares = {
            delivered: channel === 'email' ? 0.2 : 0.72,
            sent: channel === 'email' ? 0.7 : 0.2,
            failed: 0.021,
            suppressed: 0.034,
            unknown: 0.0008,
            cancelled: 0.002,
            scheduled: at > to - 2 * step ? 0.06 : 0,
          };
          for (const [status, share] of Object.entries(shares)) {
            const count = Math.round(size * share);
            if (count)
              series.push({
                at: new Date(at).toISOString(),
                channel,
                status: status as Delivery['status'],
                count,
              });
          }
        }
    const totals = new Map<
      string,
      { channel: Delivery['channel']; status: Delivery['status']; count: number }
    >();
    for (const { channel, status, count } of series) {
      const name = `${channel} ${status}`;
      totals.set(name, { channel, status, count: (totals.get(name)?.count ?? 0) + count });
    }
    return {
      from: new Date(from).toISOString(),
      to: new Date(to).toISOString(),
      totals: [...totals.values()],
      series,
    };
  };

  const handlers: Partial<Record<OperationName, (call: Call) => unknown>> = {
    me: ({ role }) => me(role),
    signIn: ({ body, response }) => {
      const role = (['owner', 'editor', 'viewer'] as const).find(
        (name) => body.email === `${name}@example.com`,
      );
      if (!role || body.password !== 'bell-tower-bell')
        return refuse('unauthenticated', 'This email address and password do not belong together.');
      response.setHeader('set-cookie', `session=${role}; Path=/; HttpOnly; SameSite=Lax`);
      return me(role);
    },
    signOut: ({ response }) => void response.setHeader('set-cookie', 'session=; Path=/; Max-Age=0'),
    changePassword: ({ body }) =>
      body.current === 'bell-tower-bell'
        ? undefined
        : refuse('unauthenticated', 'Email or password is wrong.'),
    listDeliveries: ({ query }) => paged(filtered(query), query),
    countDeliveries: ({ query }) => counts(query),
    getDelivery: ({ params }) => fixtures.detailOf(find(deliveries, (each) => each.id === params.id)),
    getDeliveryContent: ({ params }) => fixtures.contentOf(find(deliveries, (each) => each.id === params.id)),
    explainDelivery: ({ params }) => {
      const it = fixtures.detailOf(find(deliveries, (each) => each.id === params.id));
      return {
        id: it.id,
        verdict: it.status === 'delivered' ? 'Yes, it arrived.' : 'Not as far as we know.',
        because: [
          it.sentence,
          'The address is not suppressed.',
          'Transactional messages pass quiet hours and frequency caps.',
        ],
        next: it.dueAt
          ? 'It goes on by itself at the time in the timeline.'
          : 'Nothing more happens by itself.',
      };
    },
    getMessage: ({ params }) => {
      const it = find(deliveries, (each) => each.messageId === params.id);
      return {
        id: it.messageId,
        class: it.class,
        source: it.source,
        topic: null,
        template: it.template,
        sendAt: it.dueAt,
        expiresAt: null,
        metadata: {},
        createdAt: it.createdAt,
        deliveries: [it, it].map(({ id, channel, status, reason }) => ({ id, channel, status, reason })),
      };
    },
    cancelMessage: ({ params }) => {
      const at = deliveries.findIndex((each) => each.messageId === params.id);
      const it = deliveries[at];
      if (it) deliveries[at] = { ...it, status: 'cancelled', reason: 'cancelled_by_request', dueAt: null };
      return { id: params.id, cancelled: 1, alreadyLeft: 0 };
    },
    rescheduleMessage: ({ params, body }) => ({
      id: params.id,
      rescheduled: 1,
      alreadyLeft: 0,
      sendAt: body.sendAt,
    }),
    listProfiles: ({ query }) =>
      paged(
        empty
          ? []
          : profiles.filter(
              (each) =>
                !query.search ||
                [each.externalId, each.email, each.phone].some((text) =>
                  text?.startsWith(String(query.search)),
                ),
            ),
        query,
      ),
    getProfile: ({ params }) => find(profiles, (each) => each.externalId === params.externalId),
    deleteProfile: () => undefined,
    removeDevice: () => undefined,
    listTemplates: ({ query }) =>
      paged(
        empty
          ? []
          : templates.filter(
              (each) =>
                !query.search ||
                `${each.key} ${each.name.toLowerCase()}`.includes(String(query.search).toLowerCase()),
            ),
        query,
      ),
    getTemplate: ({ params }) => find(templates, (each) => each.key === params.key),
    getTemplateVersion: ({ params }) => ({
      ...find(templates, (each) => each.key === params.key).current,
      version: Number(params.version),
    }),
    saveTemplate: ({ params, body }) => {
      const saved = body as z.infer<typeof TemplateSave>;
      const before = templates.find((each) => each.key === params.key);
      const version = (before?.version ?? 0) + 1;
      const now = new Date().toISOString();
      const current = {
        version,
        content: saved.content,
        locales: saved.locales ?? {},
        variables: before?.variables ?? [],
        createdAt: now,
      };
      const detail: TemplateDetail = {
        id: before?.id ?? fixtures.newId(),
        key: String(params.key),
        name: saved.name ?? String(params.key),
        version,
        channels: (['email', 'sms', 'push', 'in-app'] as const).filter((channel) => saved.content[channel]),
        variables: current.variables,
        createdAt: now,
        updatedAt: now,
        current,
        versions: [...(before?.versions ?? []), { version, createdAt: now }],
      };
      if (before) templates.splice(templates.indexOf(before), 1, detail);
      else templates.push(detail);
      return detail;
    },
    previewTemplate: ({ params, body }) =>
      preview(
        body as z.infer<typeof PreviewRequest>,
        templates.find((each) => each.key === params.key),
      ),
    archiveTemplate: () => undefined,
    listProviders: () => ({ items: providers }),
    listAccounts: () => ({ items: empty ? [] : accounts }),
    getAccount: ({ params }) => find(accounts, (each) => each.id === params.id),
    createAccount: ({ body }) => {
      const { channel, provider, name, position, settings } = body as {
        channel: Delivery['channel'];
        provider: string;
        name: string;
        position: number;
        settings: Record<string, unknown>;
      };
      const { open, secrets } = split(channel, provider, settings);
      const base = fixtures.accounts[1] as ProviderAccount;
      const made: ProviderAccount = {
        ...base,
        id: fixtures.newId(),
        channel,
        provider,
        name,
        position,
        settings: open,
        secretsSet: secrets,
      };
      accounts.push(made);
      return made;
    },
    updateAccount: ({ params, body }) =>
      setAccount(String(params.id), (account) => {
        const { open, secrets, cleared } = split(
          account.channel,
          account.provider,
          (body.settings ?? {}) as Record<string, unknown>,
        );
        return {
          ...account,
          name: String(body.name ?? account.name),
          position: Number(body.position ?? account.position),
          settings: { ...account.settings, ...open },
          secretsSet: [...new Set([...account.secretsSet, ...secrets])].filter(
            (name) => !cleared.includes(name),
          ),
        };
      }),
    deleteAccount: ({ params }) => void (accounts = accounts.filter((each) => each.id !== params.id)),
    testAccount: ({ body }) =>
      body.to === 'bad@example.com'
        ? { ok: false, sentence: '550 5.1.1 The server does not know this recipient.' }
        : {
            ok: true,
            sentence: body.to
              ? 'The server took the test message: 250 2.0.0 Ok.'
              : 'Signed in to smtp.example.com:587 with STARTTLS.',
          },
    pauseAccount: ({ params }) =>
      setAccount(String(params.id), (account) => ({
        ...account,
        paused: true,
        health: { ...account.health, state: 'paused', sentence: 'Paused by a person.' },
      })),
    resumeAccount: ({ params }) =>
      setAccount(String(params.id), (account) => ({
        ...account,
        paused: false,
        pausedReason: null,
        health: {
          ...account.health,
          state: 'idle',
          sentence: 'Nothing was sent through it in the last hour.',
        },
      })),
    listKeys: () => ({ items: empty ? [] : keys }),
    createKey: ({ body }) => ({
      ...(keys[0] as (typeof keys)[0]),
      id: fixtures.newId(),
      name: String(body.name),
      scopes: body.scopes,
      lastUsedAt: null,
      key: 'ck_live_7fQ2mXo0bE1rT5uYpA8sD3gH6jK9lZ4xC',
    }),
    rotateKey: ({ params }) => ({
      ...find(keys, (each) => each.id === params.id),
      key: 'ck_live_9pL3kJ7hG2fD6sA1qW5eR8tY4uI0oP',
    }),
    revokeKey: ({ params }) =>
      void (find(keys, (each) => each.id === params.id).revokedAt = new Date().toISOString()),
    streamDeliveries: ({ response }) => {
      response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
      response.write(': hello\n\n');
      streams.add(response);
      response.on('close', () => streams.delete(response));
    },
    exportDeliveries: ({ response }) =>
      void response.writeHead(200, { 'content-type': 'text/csv' }).end('id,channel\n'),
  };

  const table = (Object.entries(operations) as [OperationName, Operation][])
    .map(([name, operation]) => ({
      name,
      operation,
      pattern: new RegExp(`^${operation.path.replace('.', '\\.').replace(/:(\w+)/g, '(?<$1>[^/]+)')}$`),
    }))
    // Fixed words before placeholders: /deliveries/stream is not a delivery.
    .sort((a, b) => Number(a.operation.path.includes(':')) - Number(b.operation.path.includes(':')));

  const answer = async (request: IncomingMessage, response: ServerResponse, url: URL) => {
    const found = table.find(
      ({ operation, pattern }) => operation.method === request.method && pattern.test(url.pathname),
    );
    if (!found) return refuse('not_found', `There is no ${request.method} ${url.pathname}.`);
    const { name, operation, pattern } = found;
    const role = /session=(owner|editor|viewer)/.exec(request.headers.cookie ?? '')?.[1] as Role | undefined;
    if (operation.auth !== 'none' && !role) return refuse('unauthenticated', 'Your session has ended.');
    if (typeof operation.auth === 'object' && role && !roleScopes[role].includes(operation.auth.scope))
      return refuse('forbidden', `Your role does not have the scope ${operation.auth.scope}.`);
    if (broken.has(name)) return refuse('internal', 'The fixture was told to fail.');
    const check = (schema: z.ZodType | undefined, value: unknown, prefix: string) => {
      const read = schema?.safeParse(value);
      if (read && !read.success)
        return refuse(
          'invalid_request',
          'Some fields are not valid.',
          read.error.issues.map((issue) => ({
            pointer: `${prefix}${issue.path.map((part) => `/${String(part)}`).join('')}`,
            code: issue.code,
            message: issue.message,
          })),
        );
      return (read?.data ?? value) as Record<string, unknown>;
    };
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString();
    const body = text ? check(operation.body, JSON.parse(text), '') : {};
    const query = check(operation.query, Object.fromEntries(url.searchParams), '?');
    if (request.method !== 'GET') {
      writes.push({ operation: name, body });
      if (name !== 'signIn' && request.headers['x-csrf-token'] !== 'csrf')
        return refuse('csrf', 'The token is missing.');
    }
    const handler = handlers[name] ?? (() => refuse('not_found', `The fixtures have no ${name}.`));
    const params = Object.fromEntries(
      Object.entries(pattern.exec(url.pathname)?.groups ?? {}).map(([key, value]) => [
        key,
        decodeURIComponent(value),
      ]),
    );
    const result = handler({ params, query, body, role: role ?? 'viewer', response });
    if (operation.produces) return;
    response.writeHead(operation.status, { 'content-type': 'application/json' });
    response.end(operation.response ? JSON.stringify(operation.response.parse(result)) : undefined);
  };
  const types: Record<string, string> = {
    '.js': 'text/javascript',
    '.css': 'text/css',
    '.svg': 'image/svg+xml',
    '.html': 'text/html; charset=utf-8',
  };
  const serveFile = async (response: ServerResponse, url: URL) => {
    const name = /\.(js|css|svg)$/.test(url.pathname)
      ? path.join(dist, path.normalize(url.pathname))
      : path.join(dist, 'index.html');
    const file = await readFile(name).catch(() => refuse('not_found', 'No such file.'));
    const extension = path.extname(name);
    response.setHeader('content-type', types[extension] ?? 'application/octet-stream');
    if (extension !== '.html') return void response.end(file);
    const nonce = randomBytes(16).toString('base64url');
    response.setHeader('content-security-policy', dashboardPolicy(nonce));
    response.end(file.toString().replaceAll('__CSP_NONCE__', nonce));
  };
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://fixtures');
    const work =
      url.pathname === '/csp'
        ? (async () => {
            let text = '';
            for await (const chunk of request) text += String(chunk);
            violations.push(text);
            response.writeHead(204).end();
          })()
        : url.pathname === '/mail-frame'
          ? (async () => {
              let text = '';
              for await (const chunk of request) text += String(chunk);
              const form = new URLSearchParams(text);
              response.setHeader('content-security-policy', mailPolicy(form.get('images') === '1'));
              response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end(form.get('html'));
            })()
          : url.pathname.startsWith('/v1/')
            ? answer(request, response, url)
            : serveFile(response, url);
    work.catch((error: unknown) => {
      const refusal = error instanceof Refusal ? error : new Refusal('internal', String(error));
      const { status, title } = problems[refusal.code];
      response.writeHead(status, { 'content-type': 'application/problem+json' });
      response.end(
        JSON.stringify({
          type: 'about:blank',
          title,
          status,
          code: refusal.code,
          detail: refusal.detail,
          requestId: 'req_fixture',
          errors: refusal.errors,
        }),
      );
    });
  });
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    violations,
    broken,
    writes,
    arrive: (delivery) => {
      deliveries.unshift(delivery);
      for (const stream of streams)
        stream.write(`event: delivery\nid: ${delivery.id}\ndata: ${JSON.stringify(delivery)}\n\n`);
    },
    close: () =>
      new Promise((closed) => {
        for (const stream of streams) stream.destroy();
        server.close(() => closed());
        server.closeAllConnections();
      }),
  };
};

/** As the API sends it for its pages, plus an address for reports. */
export const dashboardPolicy = (nonce: string): string =>
  [
    "default-src 'none'",
    `script-src 'self' 'nonce-${nonce}'`,
    `style-src 'self' 'nonce-${nonce}'`,
    "img-src 'self' data:",
    "font-src 'self'",
    "connect-src 'self'",
    "frame-src 'self'",
    "manifest-src 'self'",
    "base-uri 'none'",
    "form-action 'self'",
    "frame-ancestors 'none'",
    'report-uri /csp',
  ].join('; ');
/** As the API sends it for mail. */
const mailPolicy = (pictures: boolean): string =>
  `sandbox allow-popups; default-src 'none'; style-src 'unsafe-inline'; img-src data:${pictures ? ' https: http:' : ''}; font-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'`;
