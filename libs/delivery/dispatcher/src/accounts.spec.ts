/** Accounts in trouble, and steps of a route: two processes on one real PostgreSQL, a provider whose answers are scripted. */
import { loadConfig, useConfig } from '@carillon/config';
import { SendMessage, type RouteStep } from '@carillon/contracts';
import { Database, ensurePartitions, newId } from '@carillon/database';
import { defineChannel, type Channel, type Outcome, type Outgoing } from '@carillon/delivery-rules';
import { Acceptance, DeliveryHints, links, SendContexts, takeDue } from '@carillon/delivery-service';
import type { Queues } from '@carillon/queue';
import { freshDatabase, type FreshDatabase } from '@carillon/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { AccountFlow } from './account-flow.js';
import { Deliverer } from './deliver.js';
import { Leases } from './leases.js';

let fresh: FreshDatabase;
let owner: pg.Client;
let database: Database;
let acceptance: Acceptance;
let contexts: SendContexts;
let flows: AccountFlow[];
let deliverers: [Deliverer, Deliverer];
/** What each account was asked, by its name. */
let asked: { account: string; message: Outgoing<string> }[];
let answer: (account: string, message: Outgoing<string>) => Outcome | Promise<Outcome>;
const workspaceId = newId();
const { signal } = new AbortController();
const retry = { attempts: 3, windowMs: 3_600_000, backoffMs: 1000, maxBackoffMs: 1000 };

const channel = defineChannel<string>({
  channel: 'sms',
  addresses: (r) => (r.phone ? [{ address: r.phone }] : []),
  render: ({ content }) => ({ ok: true, rendered: content.sms?.body ?? '', warnings: [] }),
  show: () => ({ channel: 'sms' }),
  providers: [
    {
      name: 'scripted',
      title: 'Scripted',
      docs: 'https://carillon.example',
      settings: {} as never,
      send: (batch, { account }) => {
        asked.push(...batch.map((message) => ({ account: account.name, message })));
        return Promise.all(batch.map(async (m) => answer(account.name, m)));
      },
    },
  ],
  retry,
  batchSize: 50,
});
const accepted: Outcome = { kind: 'accepted', providerMessageId: 'p-1', answer: {} };
const away: Outcome = { kind: 'deferred', answer: { code: 'ECONNREFUSED', message: 'nobody there' } };

beforeAll(async () => {
  useConfig(loadConfig({ NODE_ENV: 'test' }));
  fresh = await freshDatabase();
  owner = new pg.Client({ connectionString: fresh.ownerUrl });
  await owner.connect();
  database = new Database({ url: fresh.appUrl, max: 8 });
  const queues = { offer: () => Promise.resolve(true) } as unknown as Queues;
  acceptance = new Acceptance(database, queues);
  contexts = new SendContexts({
    links: links(),
    inboxFor: () => ({ store: () => Promise.resolve([]), find: () => Promise.resolve(null) }) as never,
    allowPrivateNetworks: false,
  });
  const hints = new DeliveryHints(database);
  flows = [new AccountFlow(database), new AccountFlow(database)];
  deliverers = flows.map(
    (flow) =>
      new Deliverer(
        channel as Channel,
        database,
        queues,
        new Leases(database),
        contexts,
        hints,
        { render: (_, inputs) => Promise.resolve(inputs.map((input) => channel.render(input))) },
        flow,
      ),
  ) as typeof deliverers;
  await ensurePartitions(database);
  await owner.query(`INSERT INTO workspaces (id, slug, name) VALUES ($1, 'w', 'W')`, [workspaceId]);
});
afterAll(async () => {
  await contexts.close();
  await database.close();
  await owner.end();
  await fresh.drop();
});
beforeEach(async () => {
  asked = [];
  answer = () => accepted;
  await owner.query('DELETE FROM account_flow');
  await owner.query('DELETE FROM provider_accounts');
  await owner.query(`UPDATE workspaces SET settings = '{}'`);
  // What other tests leave behind is not looked at.
  await owner.query(
    `UPDATE deliveries SET status = 'cancelled', reason = 'cancelled_by_request', due_at = NULL WHERE due_at IS NOT NULL`,
  );
});

const account = (name: string, more: { position?: number; weight?: number; rateLimit?: object } = {}) =>
  owner.query(
    `INSERT INTO provider_accounts (id, workspace_id, channel, provider, name, position, weight, rate_limit) VALUES ($1, $2, 'sms', 'scripted', $3, $4, $5, $6)`,
    [
      newId(),
      workspaceId,
      name,
      more.position ?? 0,
      more.weight ?? 1,
      more.rateLimit && JSON.stringify(more.rateLimit),
    ],
  );
const accept = async (count: number, more: object = {}): Promise<string[]> => {
  const results = await acceptance.acceptAll(
    workspaceId,
    Array.from({ length: count }, () => ({
      message: SendMessage.parse({
        to: { phone: '+442079460123' },
        channels: ['sms'],
        content: { sms: { body: 'Hello' } },
        ...more,
      }),
      idempotencyKey: null,
    })),
  );
  return results.flatMap((r) => (r.ok ? r.message.deliveries.map((d) => d.id) : []));
};
const rows = async (ids: readonly string[]) =>
  (
    await owner.query<{ status: string; reason: string | null; tries: number; waitMs: number | null }>(
      `SELECT status, reason, tries, (extract(epoch FROM due_at - now()) * 1000)::float8 AS "waitMs" FROM deliveries WHERE id = ANY($1)`,
      [ids],
    )
  ).rows;
const tally = async (ids: readonly string[]) => {
  const counts: Record<string, number> = {};
  for (const { status, reason, tries } of await rows(ids)) {
    const key = [status, reason ?? '', `${tries} tries`].filter(Boolean).join(' ');
    counts[key] = (counts[key] ?? 0) + 1;
  }
  return counts;
};
const passTime = async () => {
  await owner.query(`UPDATE deliveries SET due_at = now() - interval '1 second' WHERE due_at IS NOT NULL`);
  await database.acrossWorkspaces((sql) =>
    takeDue(
      sql,
      10_000,
      () => retry,
      () => 0,
    ),
  );
};
const names = () => asked.map((a) => a.account);
const times = (name: string) => names().filter((n) => n === name).length;

describe('several accounts', () => {
  it('share messages by weight, and a lower position goes first', async () => {
    await account('heavy', { weight: 3 });
    await account('light', { weight: 1 });
    await account('spare', { position: 1 });
    await deliverers[0].deliver(await accept(400), signal);
    expect(times('spare')).toBe(0);
    expect(times('heavy')).toBeGreaterThan(240);
    expect(times('light')).toBeGreaterThan(60);
  });

  it('carry on for one whose provider is away: its breaker opens, in every process, and no try is lost by it', async () => {
    await account('first');
    await account('second', { position: 1 });
    answer = (name) => (name === 'first' ? away : accepted);
    const failed = await accept(5);
    await deliverers[0].deliver(failed, signal);
    expect(await tally(failed)).toEqual({ 'scheduled retry 1 tries': 5 });
    // Both processes know.
    const later = await accept(40);
    await deliverers[0].deliver(later.slice(0, 20), signal);
    await deliverers[1].deliver(later.slice(20), signal);
    expect(times('first')).toBe(5);
    expect(await tally(later)).toEqual({ 'sent 1 tries': 40 });
    await passTime();
    await deliverers[1].deliver(failed, signal);
    expect(await tally(failed)).toEqual({ 'sent 2 tries': 5 });
  });

  it('are not opened by recipients who are refused', async () => {
    await account('only');
    answer = () => ({ kind: 'rejected', reason: 'recipient_unknown', answer: {} });
    await deliverers[0].deliver(await accept(100), signal);
    answer = () => ({ kind: 'deferred', blames: 'recipient', answer: { code: 450 } });
    await deliverers[0].deliver(await accept(100), signal);
    answer = () => accepted;
    const ids = await accept(10);
    await deliverers[0].deliver(ids, signal);
    expect(await tally(ids)).toEqual({ 'sent 1 tries': 10 });
  });
});

describe('the only account', () => {
  it('behind an open breaker lets rows wait, apart from each other, and lets few probes out when its time is over', async () => {
    await account('only');
    answer = () => away;
    await deliverers[0].deliver(await accept(5), signal);
    const waiting = await accept(200);
    asked = [];
    await Promise.all([
      deliverers[0].deliver(waiting.slice(0, 100), signal),
      deliverers[1].deliver(waiting.slice(100), signal),
    ]);
    expect(asked).toEqual([]);
    expect(await tally(waiting)).toEqual({ 'scheduled account_unavailable 0 tries': 200 });
    const waits = (await rows(waiting)).map((r) => r.waitMs ?? 0).sort((a, b) => a - b);
    expect((waits.at(-1) ?? 0) - (waits[0] ?? 0)).toBeGreaterThan(500);

    await owner.query(`UPDATE account_flow SET open_until = now() - interval '1 second'`);
    await passTime();
    // The probe takes a while: the others do not crowd in behind it.
    let release = () => {};
    const probing = new Promise<void>((resolve) => (release = resolve));
    answer = async () => (await probing, accepted);
    const going = Promise.all([
      deliverers[0].deliver(waiting.slice(0, 100), signal),
      deliverers[1].deliver(waiting.slice(100), signal),
    ]);
    release();
    await going;
    const counts = await tally(waiting);
    expect(counts['sent 1 tries']).toBeGreaterThan(0);
    expect((counts['sent 1 tries'] ?? 0) + (counts['scheduled account_unavailable 0 tries'] ?? 0)).toBe(200);
    await passTime();
    await deliverers[0].deliver(waiting, signal);
    expect(await tally(waiting)).toEqual({ 'sent 1 tries': 200 });
  });

  it('that is told to wait by a 429 is not called before, by no process', async () => {
    await account('only');
    answer = () => ({ kind: 'rateLimited', retryAfterMs: 60_000, answer: { code: 429 } });
    await deliverers[0].deliver(await accept(1), signal);
    asked = [];
    const ids = await accept(60);
    await Promise.all([
      deliverers[0].deliver(ids.slice(0, 30), signal),
      deliverers[1].deliver(ids.slice(30), signal),
    ]);
    expect(asked).toEqual([]);
    expect(await tally(ids)).toEqual({ 'scheduled account_unavailable 0 tries': 60 });
    for (const { waitMs } of await rows(ids)) expect(waitMs).toBeGreaterThan(50_000);
  });

  it('whose key is revoked in the middle of a run burns no message, and the run ends well after a person mended it', async () => {
    await account('only');
    const ids = await accept(200);
    let calls = 0;
    answer = () =>
      ++calls > 60 ? { kind: 'misconfigured', answer: { code: 401, message: 'revoked' } } : accepted;
    await deliverers[0].deliver(ids.slice(0, 120), signal);
    await deliverers[1].deliver(ids.slice(120), signal);
    for (let i = 0; i < 3; i++) {
      await passTime();
      await deliverers[i % 2 ? 0 : 1].deliver(ids, signal);
    }
    const during = await tally(ids);
    expect(during['sent 1 tries']).toBe(60);
    expect(during['scheduled account_paused 0 tries']).toBe(140);
    expect(times('only')).toBeLessThanOrEqual(60 + 2 * channel.batchSize);
    answer = () => accepted;
    await owner.query('UPDATE provider_accounts SET paused_at = NULL, paused_reason = NULL');
    await passTime();
    await deliverers[0].deliver(ids, signal);
    expect(await tally(ids)).toEqual({ 'sent 1 tries': 200 });
  });

  it('that a person pauses between claim and hand-over is not called', async () => {
    await account('only');
    const ids = await accept(1);
    const [id] = ids;
    const working = deliverers[0] as unknown as { render: (...args: unknown[]) => Promise<unknown> };
    const render = working.render.bind(deliverers[0]);
    working.render = async (...args) => {
      await owner.query('UPDATE provider_accounts SET paused_at = now()');
      return render(...args);
    };
    await deliverers[0].deliver(ids, signal).finally(() => Reflect.deleteProperty(working, 'render'));
    expect(asked).toEqual([]);
    expect(await rows([id ?? ''])).toMatchObject([{ status: 'queued', tries: 0 }]);
  });

  it('sends no more than its limit in two processes; what is over waits its turn and loses no try', async () => {
    await account('only', { rateLimit: { count: 60, per: 'minute', burst: 20 } });
    const ids = await accept(200);
    const started = performance.now();
    await Promise.all([
      deliverers[0].deliver(ids.slice(0, 100), signal),
      deliverers[1].deliver(ids.slice(100), signal),
    ]);
    expect(asked.length).toBeLessThanOrEqual(20 + (performance.now() - started) / 1000);
    expect(asked.length).toBeGreaterThanOrEqual(20);
    expect(await tally(ids)).toEqual({
      'sent 1 tries': asked.length,
      'scheduled account_rate 0 tries': 200 - asked.length,
    });
    const waits = (await rows(ids)).flatMap((r) => r.waitMs ?? []).sort((a, b) => a - b);
    // More than a hundred rows, one a second.
    expect((waits.at(-1) ?? 0) - (waits[0] ?? 0)).toBeGreaterThan(60_000);
  });

  it('with its day used up leaves the rest to another', async () => {
    await account('small', { rateLimit: { count: 10, per: 'day', burst: 10 } });
    await account('large', { position: 1 });
    const ids = await accept(50);
    await deliverers[0].deliver(ids, signal);
    expect(times('small')).toBe(10);
    expect(times('large')).toBe(40);
  });
});

describe('the retry policy of a workspace', () => {
  it('goes before that of the channel, from the next attempt on', async () => {
    await account('only');
    answer = () => ({ kind: 'deferred', blames: 'recipient', answer: {} });
    await owner.query(`UPDATE workspaces SET settings = '{"retry":{"sms":{"attempts":1}}}' WHERE id = $1`, [
      workspaceId,
    ]);
    const ids = await accept(1);
    await deliverers[0].deliver(ids, signal);
    expect(await tally(ids)).toEqual({ 'failed retries_exhausted 1 tries': 1 });
  });

  it('never waits past the expiry: what would come too late ends when its time is over', async () => {
    await account('only');
    answer = () => ({ kind: 'deferred', blames: 'recipient', retryAfterMs: 600_000, answer: {} });
    const expiresAt = new Date(Date.now() + 60_000).toISOString();
    const ids = await accept(1, { expiresAt });
    await deliverers[0].deliver(ids, signal);
    const [{ waitMs } = { waitMs: null }] = await rows(ids);
    expect(waitMs).toBeLessThanOrEqual(60_000);
  });
});

describe('a later step of a route', () => {
  type Earlier = { status: string; read?: boolean };
  const cases: [NonNullable<RouteStep['unless']> | undefined, Earlier, 'sent' | 'not_needed'][] = [
    [undefined, { status: 'sent' }, 'not_needed'],
    [undefined, { status: 'failed' }, 'sent'],
    ['sent', { status: 'sent' }, 'not_needed'],
    ['sent', { status: 'failed' }, 'sent'],
    ['sent', { status: 'unknown' }, 'sent'],
    ['delivered', { status: 'sent' }, 'sent'],
    ['delivered', { status: 'delivered' }, 'not_needed'],
    ['delivered', { status: 'suppressed' }, 'sent'],
    ['read', { status: 'delivered' }, 'sent'],
    ['read', { status: 'delivered', read: true }, 'not_needed'],
    ['read', { status: 'failed' }, 'sent'],
  ];
  it('is decided by how far the step before got, one query for a whole batch', async () => {
    await account('only');
    const made: { id: string; expected: string; name: string }[] = [];
    for (const [unless, before, expected] of cases) {
      const [first = '', second = ''] = await accept(1, {
        to: { profile: { externalId: `p${made.length}`, phone: '+442079460123' } },
        channels: undefined,
        route: [{ channel: 'in-app' }, { channel: 'sms', after: '5m', ...(unless && { unless }) }],
        content: { 'in-app': { title: 'Hello', body: 'There' }, sms: { body: 'Hello' } },
      });
      await owner.query(
        `UPDATE deliveries SET status = $2, reason = CASE WHEN $2 IN ('sent', 'delivered') THEN NULL ELSE 'rejected' END, due_at = NULL WHERE id = $1`,
        [first, before.status],
      );
      if (before.read)
        await owner.query(
          `INSERT INTO delivery_events (day, delivery_id, workspace_id, type) SELECT day, id, workspace_id, 'read' FROM deliveries WHERE id = $1`,
          [first],
        );
      made.push({
        id: second,
        expected,
        name: `${unless ?? 'nothing said'} after ${JSON.stringify(before)}`,
      });
    }
    const ids = made.map((m) => m.id);
    expect(await tally(ids)).toEqual({ 'scheduled fallback 0 tries': cases.length });
    await passTime();
    await deliverers[0].deliver(ids, signal);
    for (const { id, expected, name } of made) {
      const [after] = await rows([id]);
      expect({ name, after: after?.reason ?? after?.status }).toEqual({ name, after: expected });
    }
  });

  it('comes forward when the step before has failed', async () => {
    await account('only');
    answer = () => ({ kind: 'rejected', reason: 'recipient_unknown', answer: {} });
    const [first = '', second = ''] = await accept(1, {
      to: { profile: { externalId: 'forward', phone: '+442079460123' } },
      channels: undefined,
      route: [{ channel: 'sms' }, { channel: 'in-app', after: '1h' }],
      content: { 'in-app': { title: 'Hello', body: 'There' }, sms: { body: 'Hello' } },
    });
    await deliverers[0].deliver([first], signal);
    const [{ waitMs } = { waitMs: null }] = await rows([second]);
    expect(waitMs).toBeLessThanOrEqual(0);
  });
});
