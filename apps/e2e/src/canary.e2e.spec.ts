/**
 * A whole story told with words that must not be repeated (S27): an address, a name, a text, keys, tokens, passwords.
 * Afterwards none of them stands in what the product printed, in its log files or in its queues, and no secret stands
 * readable in its database (S1, S28). Things go wrong in the story, because it is then that logs talk.
 */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Carillon } from '@carillon/sdk';
import { eventually } from '@carillon/testing';
import { randomBytes } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import pg from 'pg';
import { startStack, type Stack } from './stack.js';

const word = () => `canary${randomBytes(6).toString('hex')}`;
/** What belongs to people, and stands in the ledger, but nowhere else. */
const personal = {
  email: `${word()}@example.com`,
  lostEmail: `${word()}@example.com`,
  phone: `+4474${String(randomBytes(4).readUInt32BE() % 1e8).padStart(8, '0')}`,
  name: `${word()}\r\n00:00:00 standalone Forged line of ${word()}`,
  externalId: word(),
  deviceToken: `token-${word()}`,
  deadToken: `token-unregistered-${word()}`,
  body: word(),
  attribute: word(),
  search: word(),
};
/** What nobody may read anywhere, the ledger included. */
const secrets: Record<string, string> = {
  authToken: randomBytes(16).toString('hex'),
  smtpPassword: word(),
  wrongPassword: word(),
  wrongKey: `ck_dev_${randomBytes(6).toString('hex')}_${randomBytes(32).toString('base64url')}`,
  wrongCookie: randomBytes(32).toString('base64url'),
  wrongTicket: word(),
  wrongSignature: word(),
};

let stack: Stack;
let owner: pg.Client;
let dump = '';
let queues = '';
let logs = '';
beforeAll(async () => {
  stack = await startStack({ env: { LOG_LEVEL: 'debug' } });
  owner = new pg.Client({ connectionString: stack.databaseUrl });
  await owner.connect();
  await story(new Carillon({ apiKey: stack.apiKey, baseUrl: stack.url }));
  dump = await rowsOf('public');
  queues = await rowsOf('bullmq');
  // Before it is stopped, because that clears the folder away.
  logs = readdirSync(stack.dataDir)
    .filter((name) => name.endsWith('.log'))
    .map((name) => readFileSync(path.join(stack.dataDir, name), 'utf8'))
    .join('\n');
  await owner.end();
  expect(await stack.stop()).toBe(0);
}, 240_000);
afterAll(async () => {
  // For a story that broke off; otherwise both have ended.
  await owner?.end();
  await stack?.stop();
}, 60_000);

async function story(carillon: Carillon): Promise<void> {
  const call = (where: string, init: RequestInit & { body?: string } = {}) =>
    fetch(`${stack.url}${where}`, {
      ...init,
      headers: {
        authorization: `Bearer ${stack.apiKey}`,
        'content-type': 'application/json',
        ...(init.headers as Record<string, string>),
      },
    });
  const post = (where: string, body: unknown, headers: Record<string, string> = {}) =>
    call(where, { method: 'POST', body: typeof body === 'string' ? body : JSON.stringify(body), headers });

  // Somebody signs in, after a typing error, and makes a key.
  await post('/v1/session', { email: personal.email, password: secrets['wrongPassword'] });
  const signedIn = await post('/v1/session', {
    email: stack.signIn.email,
    password: stack.signIn.password,
  });
  const cookie = (signedIn.headers.get('set-cookie') ?? '').split(';')[0] ?? '';
  const { csrfToken } = (await signedIn.json()) as { csrfToken: string };
  secrets['cookie'] = cookie.split('=')[1] ?? '';
  const made = await fetch(`${stack.url}/v1/api-keys`, {
    method: 'POST',
    headers: { cookie, 'x-csrf-token': csrfToken, 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'canary', scopes: ['messages:write', 'deliveries:read', 'inbox:token'] }),
  });
  const { key } = (await made.json()) as { key: string };
  secrets['apiKey'] = key.slice(-43);

  // A person with every kind of address, and a message on every channel.
  await carillon.profiles.upsert(personal.externalId, {
    email: personal.email,
    phone: personal.phone,
    attributes: { name: personal.name, note: personal.attribute },
  });
  for (const token of [personal.deviceToken, personal.deadToken])
    await carillon.profiles.addDevice(personal.externalId, { token, platform: 'ios' });
  const text = `Hello {{ profile.attributes.name | default: "you" }} ${personal.body}`;
  const content = {
    email: { subject: 'Hello', text },
    sms: { body: personal.body },
    push: { title: personal.body, body: personal.body },
    'in-app': { title: personal.body, body: personal.body },
  };
  const mine = new Carillon({ apiKey: key, baseUrl: stack.url });
  const settle = async (sent: { deliveries: { id: string }[] }, statuses: readonly string[]) => {
    for (const { id } of sent.deliveries)
      await eventually(async () => statuses.includes((await mine.deliveries.get(id)).status), 30_000);
  };
  const ends = ['sent', 'delivered', 'failed', 'suppressed', 'unknown'];
  await settle(
    await mine.messages.send({
      to: { profile: personal.externalId },
      channels: ['email', 'sms', 'push', 'in-app'],
      content,
    }),
    ends,
  );

  // The inbox, with a token and a ticket.
  const inbox = await mine.inbox.mintToken(personal.externalId);
  secrets['inboxToken'] = inbox.token.split('.').at(-1) ?? '';
  const withToken = { authorization: `Bearer ${inbox.token}` };
  const ticketAnswer = await call('/v1/inbox/ticket', { method: 'POST', headers: withToken });
  const { ticket } = (await ticketAnswer.json()) as { ticket: string };
  secrets['ticket'] = ticket.split('.').at(-1) ?? '';
  const stream = await fetch(`${stack.url}/v1/inbox/stream?ticket=${encodeURIComponent(ticket)}`);
  await stream.body?.cancel();
  await fetch(`${stack.url}/v1/inbox/stream?ticket=${secrets['wrongTicket']}`);

  // Accounts that do not work: credentials that are refused, and a server that is not there.
  const sms = await carillon.accounts.create({
    channel: 'sms',
    provider: 'twilio',
    name: 'Refused',
    position: 0,
    settings: {
      accountSid: `AC${'9'.repeat(32)}`,
      authToken: secrets['authToken'] ?? '',
      from: '+15017122661',
      endpoint: `${stack.sandboxUrl}/nowhere`,
    },
  });
  const email = await carillon.accounts.create({
    channel: 'email',
    provider: 'smtp',
    name: 'Away',
    position: 0,
    settings: {
      endpoint: 'smtp://127.0.0.1:1',
      from: 'x@acme.test',
      username: 'x',
      password: secrets['smtpPassword'] ?? '',
    },
  });
  for (const account of [sms, email]) await carillon.accounts.test(account.id, {});
  const failing = await mine.messages.send({
    to: { email: personal.lostEmail, phone: personal.phone },
    channels: ['email', 'sms'],
    content: { email: content.email, sms: content.sms },
  });
  await settle(failing, [...ends, 'scheduled']);
  for (const account of [sms, email]) await carillon.accounts.delete(account.id);

  // Requests that are wrong in every place a word can stand.
  for (const [where, body, headers] of [
    ['/v1/messages', `{"to": {"email": "${personal.email}"`],
    ['/v1/messages', { to: { email: `${personal.email} ${personal.body}` }, channels: ['email'], content }],
    ['/v1/messages', { [personal.body]: personal.attribute }],
    ['/v1/messages', {}, { authorization: `Bearer ${secrets['wrongKey']}` }],
    ['/v1/messages', {}, { authorization: '', cookie: `__Host-carillon=${secrets['wrongCookie']}` }],
    ['/v1/messages', `"${personal.body}${'x'.repeat(2_000_000)}"`],
    ['/v1/profiles/bulk', { profiles: [{ externalId: personal.body, email: personal.body }] }],
    [
      `/v1/webhooks/sms/twilio/${sms.id}?d=${personal.body}`,
      'x',
      { 'x-twilio-signature': secrets['wrongSignature'] ?? '' },
    ],
    [`/u/${personal.body}`, 'List-Unsubscribe=One-Click'],
    [`/v1/${personal.body}`, {}],
  ] as [string, unknown, Record<string, string>?][])
    await post(where, body, headers);
  for (const where of [
    `/v1/profiles?search=${personal.search}`,
    `/v1/deliveries?address=${encodeURIComponent(personal.email)}`,
    `/v1/deliveries.csv?profile=${personal.externalId}`,
    `/v1/profiles/${personal.externalId}`,
    `/${personal.body}?token=${personal.body}`,
    `/v1/%zz${personal.body}`,
  ])
    await (await call(where)).text();
  await eventually(
    async () => (await call('/v1/me', { headers: { 'x-a': 'y'.repeat(20_000) } })).status === 431,
  );

  // The database breaks off in the middle of it, and comes back.
  const send = () =>
    mine.messages.send({ to: { profile: personal.externalId }, channels: ['in-app'], content });
  const during = Promise.allSettled(Array.from({ length: 20 }, send));
  await owner.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'carillon_app'`);
  await during;
  await owner.query('ALTER ROLE carillon_app SET search_path = nowhere');
  await owner.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'carillon_app'`);
  await eventually(
    async () =>
      (await post('/v1/profiles/bulk', { profiles: [{ externalId: personal.externalId }] })).status === 500,
  );
  await owner.query('ALTER ROLE carillon_app RESET search_path');
  await owner.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'carillon_app'`);
  await settle(await eventually(send, 20_000), ends);
}

/** Every row of every table of a schema, as text; what is encoded in bytes as well. */
async function rowsOf(schema: string): Promise<string> {
  const { rows: tables } = await owner.query<{ name: string }>(
    `SELECT quote_ident(table_schema) || '.' || quote_ident(table_name) AS name
     FROM information_schema.tables WHERE table_schema = $1 AND table_type = 'BASE TABLE'`,
    [schema],
  );
  expect(tables.length).toBeGreaterThan(3);
  let text = '';
  for (const { name } of tables) {
    const { rows } = await owner.query<{ row: string }>(`SELECT to_jsonb(t)::text AS row FROM ${name} t`);
    text += `${name}\n${rows.map(({ row }) => row).join('\n')}\n`;
  }
  return text;
}

/** The ways a word may be written on its way somewhere. */
const spellings = (value: string): string[] => [
  value,
  encodeURIComponent(value),
  JSON.stringify(value).slice(1, -1),
  Buffer.from(value).toString('base64').replace(/=+$/, ''),
  Buffer.from(value).toString('hex'),
];
/** The names of those words that stand in a text. Lines and cases do not hide them. */
const heard = (text: string, words: Record<string, string>): string[] => {
  const lower = text.toLowerCase();
  return Object.entries(words)
    .filter(([, value]) =>
      // A name of several lines counts as soon as one of its words does.
      [...value.split(/\s+/).filter((part) => part.includes('canary')), value]
        .flatMap(spellings)
        .some((spelling) => lower.includes(spelling.toLowerCase())),
    )
    .map(([name]) => name);
};

describe('what was told in confidence', () => {
  it('was told, and is kept in the ledger alone', () => {
    // What was only asked for, and a device that is no more.
    const { search: _asked, deadToken: _gone, ...kept } = personal;
    expect(heard(dump, kept).sort()).toEqual(Object.keys(kept).sort());
  });

  it('is printed nowhere, whatever goes wrong', () => {
    const output = stack.output();
    // It did talk: of requests, of what broke.
    expect(output).toMatch(/POST \/v1\/messages 202/);
    expect(output).toMatch(/PUT \/v1\/profiles\/:externalId 200/);
    expect(output).toMatch(/POST \/v1\/profiles\/bulk failed, request \S+: PostgreSQL 42P01/);
    expect(logs).toContain('terminating connection');
    for (const text of [output, logs])
      expect({ personal: heard(text, personal), secrets: heard(text, secrets) }).toEqual({
        personal: [],
        secrets: [],
      });
    expect(output).not.toContain('Forged line');
  });

  it('travels in no queue', () => {
    expect(queues).toContain('bullmq.');
    expect({ personal: heard(queues, personal), secrets: heard(queues, secrets) }).toEqual({
      personal: [],
      secrets: [],
    });
  });

  it('stands in no row that somebody could read a secret from', () => {
    expect(Object.values(secrets).every((secret) => secret.length >= 16)).toBe(true);
    expect(heard(dump, secrets)).toEqual([]);
    expect(dump).not.toContain(stack.signIn.password);
    expect(dump).not.toContain(stack.apiKey.slice(-43));
  });
});
