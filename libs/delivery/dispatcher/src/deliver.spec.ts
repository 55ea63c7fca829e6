/** The runtime on a real PostgreSQL, with a provider whose answers the test decides. Providers themselves: channels/*. */
import { loadConfig, useConfig } from '@carillon/config';
import { SendMessage, type MessageClass } from '@carillon/contracts';
import { Database, ensurePartitions, newId } from '@carillon/database';
import {
  defineChannel,
  type Channel,
  type Finding,
  type Missing,
  type Outcome,
  type Outgoing,
} from '@carillon/delivery-rules';
import {
  Acceptance,
  cancelMessage,
  DeliveryHints,
  links,
  LocalDispatchers,
  takeDue,
  SendContexts,
} from '@carillon/delivery-service';
import type { Queues } from '@carillon/queue';
import { eventually, freshDatabase, lineTo, type FreshDatabase, type Line } from '@carillon/testing';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { AccountFlow } from './account-flow.js';
import { claim, judge } from './claim.js';
import { Deliverer } from './deliver.js';
import { DirectLane, directLimits } from './direct-lane.js';
import { Commits } from './commits.js';
import { markHandedOver } from './hand-over.js';
import { Leases } from './leases.js';
import { recordAttempts } from './record.js';

let fresh: FreshDatabase;
let owner: pg.Client;
let database: Database;
let acceptance: Acceptance;
let delivererOn: (database: Database) => Deliverer;
let deliverer: Deliverer;
let contexts: SendContexts;
let offered: string[];
let sent: Outgoing<string>[];
let answer: (message: Outgoing<string>) => Outcome | Promise<Outcome>;
let finding: (message: Missing) => Finding;
let asked: Missing[];
/** How many each call of the provider held. */
let calls: number[];
const workspaceId = newId();
const accountId = newId();
const { signal } = new AbortController();

const retry = { attempts: 3, windowMs: 3_600_000, backoffMs: 1000, maxBackoffMs: 1000 };
const channel = defineChannel<string>({
  channel: 'email',
  addresses: (r) => (r.email ? [{ address: r.email }] : []),
  render: ({ content }) =>
    content.email?.text === 'unrenderable'
      ? { ok: false, reason: 'template_error', detail: 'cannot', pointer: '/email/text' }
      : { ok: true, rendered: content.email?.text ?? '', warnings: [] },
  show: () => ({ channel: 'email' }),
  providers: [
    {
      name: 'scripted',
      title: 'Scripted',
      docs: 'https://carillon.example',
      settings: {} as never,
      send: async (batch) => {
        sent.push(...batch);
        calls.push(batch.length);
        return Promise.all(batch.map(async (m) => answer(m)));
      },
      lookup: (batch) => {
        asked.push(...batch);
        return Promise.resolve(batch.map((m) => finding(m)));
      },
    },
  ],
  retry,
  batchSize: 3,
});
const accepted: Outcome = { kind: 'accepted', providerMessageId: 'p-1', answer: { code: 250 } };

beforeAll(async () => {
  useConfig(loadConfig({ NODE_ENV: 'test' }));
  fresh = await freshDatabase();
  owner = new pg.Client({ connectionString: fresh.ownerUrl });
  await owner.connect();
  database = new Database({ url: fresh.appUrl, max: 6 });
  const queues = {
    offer: (_: string, ids: readonly string[]) => (offered.push(...ids), Promise.resolve(true)),
  } as unknown as Queues;
  acceptance = new Acceptance(database, queues);
  contexts = new SendContexts({
    links: links(),
    inboxFor: () => ({ store: () => Promise.resolve([]), find: () => Promise.resolve(new Map()) }),
    allowPrivateNetworks: false,
  });
  delivererOn = (database) =>
    new Deliverer(
      channel as Channel,
      database,
      queues,
      new Leases(database),
      contexts,
      new DeliveryHints(database),
      // Processes for rendering are the pool's own spec's affair; here a scripted channel renders.
      { render: (_, inputs) => Promise.resolve(inputs.map((input) => channel.render(input))) },
      new AccountFlow(database),
      () => 0,
      undefined,
      () => mayBegin(),
    );
  deliverer = delivererOn(database);
  await ensurePartitions(database);
  await owner.query(`INSERT INTO workspaces (id, slug, name) VALUES ($1, 'w', 'W')`, [workspaceId]);
  await owner.query(
    `INSERT INTO provider_accounts (id, workspace_id, channel, provider, name) VALUES ($1, $2, 'email', 'scripted', 'First')`,
    [accountId, workspaceId],
  );
});
/** Whether the process lives long enough for another hand-over. */
let mayBegin = () => true;
beforeEach(async () => {
  mayBegin = () => true;
  offered = [];
  sent = [];
  calls = [];
  answer = () => accepted;
  asked = [];
  finding = () => ({ kind: 'unclear', answer: {} });
  await owner.query('UPDATE provider_accounts SET paused_at = NULL');
  await owner.query('DELETE FROM account_flow');
});
afterAll(async () => {
  await contexts.close();
  await database.close();
  await owner.end();
  await fresh.drop();
});

const accept = async (
  to: string,
  more: { class?: MessageClass; text?: string; expiresAt?: string } = {},
): Promise<{ id: string; messageId: string }> => {
  const { text = 'Hello', ...rest } = more;
  const result = await acceptance.accept(workspaceId, {
    message: SendMessage.parse({
      to: { email: to },
      channels: ['email'],
      content: { email: { subject: 's', text } },
      ...rest,
    }),
    idempotencyKey: null,
  });
  if (!result.ok) throw new Error(result.detail);
  return { id: result.message.deliveries[0]?.id ?? '', messageId: result.message.id };
};
const row = async (id: string) =>
  (
    await owner.query(
      `SELECT status, reason, attempt, tries, crashes, due_at, possible_duplicate, provider_message_id FROM deliveries WHERE id = $1`,
      [id],
    )
  ).rows[0] as Record<string, unknown>;
const timeline = async (id: string) =>
  (
    await owner.query<{ type: string }>(
      'SELECT type FROM delivery_events WHERE delivery_id = $1 ORDER BY at, id',
      [id],
    )
  ).rows.map((r) => r.type);
/** As if that much time had passed for what waits or is leased. */
const passTime = (id: string) =>
  owner.query(
    `UPDATE deliveries SET due_at = now() - interval '1 second' WHERE id = $1 AND due_at IS NOT NULL`,
    [id],
  );
const tick = () =>
  database.acrossWorkspaces((sql) =>
    takeDue(
      sql,
      100,
      () => retry,
      () => 0,
      () => true,
    ),
  );
/** A worker as far as its claim, and no further. */
const claimOnly = async (id: string) => {
  const claimed = await database.acrossWorkspaces((sql) => claim(sql, [id]));
  return database.inWorkspace(workspaceId, (sql) => judge(sql, channel as Channel, workspaceId, claimed));
};

describe('a delivery', () => {
  it('goes with what other jobs bring at the same moment, each job waiting for its own', async () => {
    const ids = (await Promise.all(['a', 'b', 'c'].map((n) => accept(`job-${n}@example.com`)))).map(
      ({ id }) => id,
    );
    let first = () => {};
    const held = new Promise<void>((resolve) => (first = resolve));
    answer = async () => (await held, accepted);
    // The same id in two of them, and one of none.
    const jobs = [[ids[0]!], [ids[1]!, ids[0]!], [ids[2]!], []].map((job) => deliverer.deliver(job, signal));
    await jobs[3];
    await eventually(() => Promise.resolve(calls.length > 0));
    expect(calls).toEqual([3]);
    first();
    await Promise.all(jobs);
    for (const id of ids) expect(await row(id)).toMatchObject({ status: 'sent', attempt: 1, tries: 1 });
  });

  it('is claimed, handed over once and recorded, and a second job for it does nothing', async () => {
    const { id } = await accept('ada@example.com');
    await Promise.all([
      deliverer.deliver([id], signal),
      deliverer.deliver([id], signal),
      deliverer.deliver([id], signal),
    ]);
    await deliverer.deliver([id], signal);
    expect(sent).toHaveLength(1);
    expect(await row(id)).toMatchObject({
      status: 'sent',
      attempt: 1,
      tries: 1,
      due_at: null,
      provider_message_id: 'p-1',
    });
    expect(await timeline(id)).toEqual(['accepted', 'handed_over', 'sent']);
  });

  it('is given back unmarked by a process that stops, and goes out by another', async () => {
    const ids: string[] = [];
    for (const n of [1, 2, 3, 4, 5]) ids.push((await accept(`stop-${n}@example.com`)).id);
    // The stop comes while the first sub-batch is at its provider.
    mayBegin = () => sent.length === 0;
    await deliverer.deliver(ids, signal);
    expect(sent).toHaveLength(3);
    const [left, back] = [
      sent.map((m) => m.deliveryId),
      ids.filter((id) => !sent.some((m) => m.deliveryId === id)),
    ];
    for (const id of left) expect(await row(id)).toMatchObject({ status: 'sent', tries: 1 });
    for (const id of back) expect(await row(id)).toMatchObject({ status: 'queued', tries: 0 });
    mayBegin = () => true;
    // The clock finds them at once.
    expect((await tick()).offer.map(({ id }) => id).sort()).toEqual(back.sort());
    await deliverer.deliver(back, signal);
    for (const id of back) expect(await row(id)).toMatchObject({ status: 'sent', crashes: 0, tries: 1 });
    expect(await timeline(back[0]!)).toEqual(['accepted', 'handed_over', 'sent']);
  });

  it('goes its way beside others of its batch that go another', async () => {
    const to = [
      'ok-1@example.com',
      'no@example.com',
      'ok-2@example.com',
      'later@example.com',
      'ok-3@example.com',
    ];
    const ids = await Promise.all(to.map((address) => accept(address).then((a) => a.id)));
    ids.push((await accept('x@example.com', { text: 'unrenderable' })).id);
    answer = ({ address }) =>
      address.startsWith('no')
        ? { kind: 'rejected', reason: 'recipient_unknown', answer: { code: 550 } }
        : address.startsWith('later')
          ? { kind: 'deferred', answer: { code: 451 } }
          : accepted;
    await deliverer.deliver(ids, signal);
    const rows: Record<string, unknown>[] = [];
    for (const id of ids) rows.push(await row(id));
    expect(rows.map((r) => `${String(r['status'])} ${String(r['reason'])}`)).toEqual([
      'sent null',
      'failed recipient_unknown',
      'sent null',
      'scheduled retry',
      'sent null',
      'failed template_error',
    ]);
  });

  it('goes by every channel of `channels`, also after another has arrived: only a route has steps', async () => {
    const result = await acceptance.accept(workspaceId, {
      message: SendMessage.parse({
        to: { email: 'both@example.com', phone: '+442079460123' },
        channels: ['sms', 'email'],
        content: { sms: { body: 'Hello' }, email: { subject: 's', text: 'Hello' } },
      }),
      idempotencyKey: null,
    });
    if (!result.ok) throw new Error(result.detail);
    const [sms, email] = result.message.deliveries.map(({ id }) => id);
    await owner.query(`UPDATE deliveries SET status = 'delivered', due_at = NULL WHERE id = $1`, [sms]);
    await deliverer.deliver([email ?? ''], signal);
    expect(await row(email ?? '')).toMatchObject({ status: 'sent', reason: null });
  });

  it('is suppressed, not failed, when the provider knows of an opt-out, and the audience service is told', async () => {
    const { id } = await accept('stop@example.com');
    answer = () => ({ kind: 'rejected', reason: 'unsubscribed', answer: { code: 21610 } });
    offered = [];
    await deliverer.deliver([id], signal);
    expect(await row(id)).toMatchObject({ status: 'suppressed', reason: 'unsubscribed' });
    expect(await timeline(id)).toEqual(['accepted', 'handed_over', 'unsubscribed', 'suppressed']);
    expect(offered).toEqual([expect.stringMatching(new RegExp(`^${id}:\\d+$`))]);
  });

  it('is tried again by the clock, until it gives up', async () => {
    const { id } = await accept('later@example.com');
    answer = () => ({ kind: 'deferred', answer: { code: 451 } });
    for (let attempt = 1; attempt <= 3; attempt++) {
      await deliverer.deliver([id], signal);
      await passTime(id);
      await tick();
    }
    expect(await row(id)).toMatchObject({
      status: 'failed',
      reason: 'retries_exhausted',
      tries: 3,
      due_at: null,
    });
    expect(sent).toHaveLength(3);
  });

  it('does not leave when its credentials are refused, and loses no try by it', async () => {
    const { id } = await accept('ada@example.com');
    answer = () => ({ kind: 'misconfigured', answer: { code: 535, message: 'bad password' } });
    await deliverer.deliver([id], signal);
    expect(await row(id)).toMatchObject({ status: 'queued', tries: 0 });
    expect(offered.filter((o) => o === id)).toHaveLength(2);
    await deliverer.deliver([id], signal);
    expect(await row(id)).toMatchObject({ status: 'scheduled', reason: 'account_paused', tries: 0 });
    const { rows } = await owner.query<{ paused_reason: string }>(
      'SELECT paused_reason FROM provider_accounts WHERE paused_at IS NOT NULL',
    );
    expect(rows).toEqual([
      {
        paused_reason:
          'The provider refused the credentials or settings: 535 bad password. Correct them, then resume.',
      },
    ]);
    await owner.query('UPDATE provider_accounts SET paused_at = NULL');
    answer = () => accepted;
    await passTime(id);
    await tick();
    await deliverer.deliver([id], signal);
    expect(await row(id)).toMatchObject({ status: 'sent', tries: 1 });
  });

  it('fails over to another account when it is tried again', async () => {
    const second = newId();
    await owner.query(
      `INSERT INTO provider_accounts (id, workspace_id, channel, provider, name, position) VALUES ($1, $2, 'email', 'scripted', 'Second', 1)`,
      [second, workspaceId],
    );
    const { id } = await accept('ada@example.com');
    answer = () => ({ kind: 'deferred', answer: {} });
    await deliverer.deliver([id], signal);
    answer = () => accepted;
    await passTime(id);
    await tick();
    await deliverer.deliver([id], signal);
    const { rows } = await owner.query<{ provider_account_id: string }>(
      'SELECT provider_account_id FROM deliveries WHERE id = $1',
      [id],
    );
    expect(rows).toEqual([{ provider_account_id: second }]);
    await owner.query('DELETE FROM provider_accounts WHERE id = $1', [second]);
  });

  it('is unknown, not failed, when the provider code throws after the hand-over', async () => {
    const { id } = await accept('ada@example.com', { class: 'marketing' });
    answer = () => Promise.reject(new Error('bug'));
    await deliverer.deliver([id], signal);
    expect(await row(id)).toMatchObject({ status: 'unknown', reason: 'no_answer', due_at: expect.any(Date) });
  });
});

describe('a worker that dies', () => {
  it('before the hand-over mark costs a lease, nothing else', async () => {
    const { id } = await accept('ada@example.com');
    await claimOnly(id);
    await tick();
    expect(await row(id)).toMatchObject({ status: 'sending' });
    await passTime(id);
    expect((await tick()).offer).toContainEqual(expect.objectContaining({ id }));
    await deliverer.deliver([id], signal);
    expect(sent).toHaveLength(1);
    expect(await row(id)).toMatchObject({
      status: 'sent',
      attempt: 2,
      tries: 1,
      crashes: 1,
      possible_duplicate: false,
    });
  });

  it.each<[MessageClass, object]>([
    ['transactional', { status: 'scheduled', reason: 'retry', possible_duplicate: true }],
    ['marketing', { status: 'unknown', reason: 'worker_lost', due_at: expect.any(Date) }],
  ])('after the mark leaves a %s message in doubt, and says so', async (messageClass, expected) => {
    const { id } = await accept('ada@example.com', { class: messageClass });
    const { ready } = await claimOnly(id);
    await database.inWorkspace(workspaceId, (sql) => markHandedOver(sql, ready));
    await passTime(id);
    await tick();
    expect(await row(id)).toMatchObject(expected);
    expect((await timeline(id)).at(-1)).toBe(messageClass === 'marketing' ? 'unknown' : 'deferred');
  });

  it('again and again on the same delivery is not let near it any more', async () => {
    const { id } = await accept('ada@example.com');
    for (let i = 0; i < 5; i++) {
      await claimOnly(id);
      await passTime(id);
      await tick();
    }
    expect(await row(id)).toMatchObject({ status: 'failed', reason: 'poisonous' });
  });

  it('of a fault in judging is counted, although nothing of its claim was kept', async () => {
    const { id } = await accept('ada@example.com');
    await owner.query('ALTER TABLE messages RENAME COLUMN options TO options_away');
    await expect(deliverer.deliver([id], signal)).rejects.toThrow(/options/);
    await owner.query('ALTER TABLE messages RENAME COLUMN options_away TO options');
    expect(await row(id)).toMatchObject({ status: 'sending', attempt: 1 });
    await passTime(id);
    await tick();
    expect(await row(id)).toMatchObject({ status: 'queued', crashes: 1 });
  });

  it('but comes back cannot write over the one that took over', async () => {
    const { id } = await accept('ada@example.com');
    const { ready } = await claimOnly(id);
    const [stale] = ready;
    if (!stale) throw new Error('it was ready');
    await passTime(id);
    await tick();
    const taken = await claimOnly(id);
    const attempt = {
      delivery: stale.delivery,
      account: { id: accountId, provider: 'scripted', revision: 1 },
      handedOverAt: new Date(),
      attempts: [],
      outcome: accepted,
      next: { kind: 'giveUp' as const, reason: 'rejected' as const },
      nextStepId: null,
    };
    await database.inWorkspace(workspaceId, (sql) => recordAttempts(sql, workspaceId, [attempt]));
    expect(await row(id)).toMatchObject({ status: 'sending', attempt: 2 });
    expect(await timeline(id)).not.toContain('failed');
    expect(await database.inWorkspace(workspaceId, (sql) => markHandedOver(sql, taken.ready))).toEqual(
      new Set([id]),
    );
    expect(await database.inWorkspace(workspaceId, (sql) => markHandedOver(sql, ready))).toEqual(new Set());
  });
});

describe('between claim and hand-over', () => {
  const changes: [string, (id: string, messageId: string) => Promise<unknown>, object][] = [
    [
      'an opt-out',
      () =>
        owner.query(
          `INSERT INTO consents (workspace_id, channel, address, profile_id, topic, word, source) VALUES ($1, 'email', 'late@example.com', $2, '', 'out', 'test')`,
          [workspaceId, '00000000-0000-0000-0000-000000000000'],
        ),
      { status: 'suppressed', reason: 'unsubscribed' },
    ],
    [
      'a suppression',
      () =>
        owner.query(
          `INSERT INTO suppressions (workspace_id, channel, address, reason, source) VALUES ($1, 'email', 'late@example.com', 'complained', 'test')`,
          [workspaceId],
        ),
      { status: 'suppressed', reason: 'complained' },
    ],
    [
      'a cancellation',
      (id) =>
        owner.query(
          `UPDATE deliveries SET status = 'cancelled', reason = 'cancelled_by_request', due_at = NULL WHERE id = $1`,
          [id],
        ),
      { status: 'cancelled' },
    ],
    [
      'its expiry',
      (id) => owner.query(`UPDATE deliveries SET expires_at = now() WHERE id = $1`, [id]),
      { status: 'expired' },
    ],
  ];
  it.each(changes)('%s still stops it', async (_, change, expected) => {
    await owner.query('DELETE FROM consents');
    await owner.query('DELETE FROM suppressions');
    const { id, messageId } = await accept('late@example.com');
    const { ready } = await claimOnly(id);
    expect(ready).toHaveLength(1);
    await change(id, messageId);
    const commits = new Commits(database, () => undefined);
    const rendered = ready.map((r) => ({ ...r, rendered: null, account: r.accounts[0]! }));
    expect((await commits.mark(workspaceId, rendered)).marked).toEqual(new Set());
    await deliverer.deliver([id], signal);
    expect(sent).toEqual([]);
    expect(await row(id)).toMatchObject(expected);
    await owner.query('DELETE FROM consents');
    await owner.query('DELETE FROM suppressions');
  });
});

describe('a receipt that overtakes our own record', () => {
  it('keeps its higher status, and the record only adds what it knows', async () => {
    const { id } = await accept('ada@example.com');
    answer = async () => {
      await owner.query(
        `UPDATE deliveries SET status = 'delivered', delivered_at = now(), due_at = NULL WHERE id = $1`,
        [id],
      );
      return accepted;
    };
    await deliverer.deliver([id], signal);
    expect(await row(id)).toMatchObject({ status: 'delivered', due_at: null, provider_message_id: 'p-1' });
    expect(await timeline(id)).toEqual(['accepted', 'handed_over', 'sent']);
  });
});

describe('a lost job', () => {
  it('is offered again by the clock, on rows alone', async () => {
    const { id } = await accept('ada@example.com');
    // Other tests leave rows that wait; only this one is looked at.
    const offers = async () => (await tick()).offer.filter((o) => o.id === id).length;
    expect(await offers()).toBe(0);
    await passTime(id);
    expect(await offers()).toBe(1);
    expect(await offers()).toBe(0);
  });

  it('whose time is over ends instead', async () => {
    const { id } = await accept('ada@example.com', {
      expiresAt: new Date(Date.now() + 60_000).toISOString(),
    });
    await owner.query(`UPDATE deliveries SET expires_at = now() WHERE id = $1`, [id]);
    await passTime(id);
    await tick();
    expect(await row(id)).toMatchObject({
      status: 'expired',
      reason: 'expired_before_sending',
      due_at: null,
    });
  });
});

describe('an outcome that is unknown and held', () => {
  /** A newsletter whose answer was lost. */
  const held = async (address: string) => {
    const { id } = await accept(address, { class: 'marketing' });
    answer = () => ({ kind: 'unknown', answer: {} });
    await deliverer.deliver([id], signal);
    answer = () => accepted;
    expect(await row(id)).toMatchObject({ status: 'unknown', due_at: expect.any(Date) });
    return id;
  };
  /** The clock looks at it, and its dispatcher gets what the clock offers. */
  const look = async (id: string) => {
    await passTime(id);
    const { offer } = await tick();
    const ids = offer.map((o) => o.id).filter((one) => one === id);
    if (ids.length > 0) await deliverer.deliver(ids, signal);
    return ids.length;
  };

  it('is settled by what its provider finds, and not sent again', async () => {
    const id = await held('found@example.com');
    finding = () => ({ kind: 'found', status: 'delivered', providerMessageId: 'p-77', answer: { code: 1 } });
    expect(await look(id)).toBe(1);
    expect(await row(id)).toMatchObject({
      status: 'delivered',
      reason: null,
      due_at: null,
      provider_message_id: 'p-77',
    });
    expect(sent.filter((m) => m.deliveryId === id)).toHaveLength(1);
    expect(await timeline(id)).toEqual(['accepted', 'handed_over', 'unknown', 'delivered']);
    expect(asked).toEqual([
      expect.objectContaining({
        deliveryId: id,
        address: 'found@example.com',
        handedOverAt: expect.any(Date),
      }),
    ]);
  });

  it('is sent when its provider says for certain that nothing arrived, which is no duplicate', async () => {
    const id = await held('absent@example.com');
    finding = () => ({ kind: 'absent', answer: {} });
    await look(id);
    expect(await row(id)).toMatchObject({ status: 'scheduled', reason: 'retry', possible_duplicate: false });
    await passTime(id);
    await tick();
    await deliverer.deliver([id], signal);
    expect(await row(id)).toMatchObject({ status: 'sent', possible_duplicate: false });
  });

  it('stays unknown while nobody can tell, and is left to a person after a quarter of an hour', async () => {
    const id = await held('unclear@example.com');
    await look(id);
    expect(await row(id)).toMatchObject({ status: 'unknown', due_at: expect.any(Date) });
    expect((await timeline(id)).at(-1)).toBe('looked_up');
    await owner.query(`UPDATE deliveries SET handed_over_at = now() - interval '15 minutes' WHERE id = $1`, [
      id,
    ]);
    expect(await look(id)).toBe(0);
    expect(await row(id)).toMatchObject({ status: 'unknown', due_at: null });
    expect((await timeline(id)).slice(-2)).toEqual(['looked_up', 'looked_up']);
    expect(sent.filter((m) => m.deliveryId === id)).toHaveLength(1);
  });

  it('does not take for itself what is known to be another delivery', async () => {
    const { id: other } = await accept('twice@example.com');
    await deliverer.deliver([other], signal);
    expect(await row(other)).toMatchObject({ status: 'sent', provider_message_id: 'p-1' });
    const id = await held('twice@example.com');
    finding = () => ({ kind: 'found', status: 'sent', providerMessageId: 'p-1', answer: {} });
    await look(id);
    expect(await row(id)).toMatchObject({ status: 'unknown' });
  });

  it('does not leave from a copy of the database before a person has adopted it', async () => {
    const { id: waits } = await accept('copy@example.com');
    const { id: late } = await accept('late-copy@example.com');
    const { ready } = await claimOnly(late);
    await owner.query(`UPDATE installation SET database = 'where it was copied from'`);
    await deliverer.deliver([waits], signal);
    expect(await row(waits)).toMatchObject({ status: 'queued', attempt: 0 });
    expect(await database.inWorkspace(workspaceId, (sql) => markHandedOver(sql, ready))).toEqual(new Set());
    await owner.query('SELECT adopt_database(false)');
    await deliverer.deliver([waits], signal);
    expect(await row(waits)).toMatchObject({ status: 'sent', attempt: 1 });
    expect(await database.inWorkspace(workspaceId, (sql) => markHandedOver(sql, ready))).toEqual(
      new Set([late]),
    );
  });

  it('is not called cancelled while it is in doubt whether it has left', async () => {
    answer = () => ({ kind: 'unknown', answer: {} });
    const { id, messageId } = await accept('doubt@example.com');
    await deliverer.deliver([id], signal);
    expect(await row(id)).toMatchObject({ status: 'scheduled', possible_duplicate: true });
    // Asked again, as by a caller that got no answer, it says the same.
    for (const changed of [[id], []])
      expect(
        await database.inWorkspace(workspaceId, (sql) => cancelMessage(sql, workspaceId, messageId)),
      ).toEqual({ cancelled: [], changed, alreadyLeft: 1 });
    expect(await row(id)).toMatchObject({ status: 'cancelled', due_at: null });
  });

  it.each([
    ['transactional', 'hold', 'unknown'],
    ['marketing', 'retry', 'scheduled'],
  ] as const)('follows the word of its workspace: %s, %s', async (messageClass, policy, status) => {
    await owner.query('UPDATE workspaces SET settings = $2 WHERE id = $1', [
      workspaceId,
      { unknown: { [messageClass]: policy } },
    ]);
    try {
      answer = () => ({ kind: 'unknown', answer: {} });
      const { id } = await accept(`policy-${policy}@example.com`, { class: messageClass });
      await deliverer.deliver([id], signal);
      expect(await row(id)).toMatchObject({ status, possible_duplicate: policy === 'retry' });
      // The same when the worker dies.
      const { id: lost } = await accept(`lost-${policy}@example.com`, { class: messageClass });
      const { ready } = await claimOnly(lost);
      await database.inWorkspace(workspaceId, (sql) =>
        markHandedOver(sql, ready, { id: accountId, provider: 'scripted' }),
      );
      await passTime(lost);
      await tick();
      expect(await row(lost)).toMatchObject({ status });
    } finally {
      await owner.query(`UPDATE workspaces SET settings = '{}' WHERE id = $1`, [workspaceId]);
    }
  });

  it('can be asked about after its worker died: account and address are in the row before bytes leave', async () => {
    const { id } = await accept('died@example.com', { class: 'marketing' });
    const { ready } = await claimOnly(id);
    await database.inWorkspace(workspaceId, (sql) =>
      markHandedOver(sql, ready, { id: accountId, provider: 'scripted' }),
    );
    await passTime(id);
    await tick();
    expect(await row(id)).toMatchObject({ status: 'unknown', reason: 'worker_lost' });
    finding = () => ({ kind: 'found', status: 'sent', providerMessageId: 'p-died', answer: {} });
    await look(id);
    expect(await row(id)).toMatchObject({ status: 'sent', provider_message_id: 'p-died' });
  });
});

describe('what this process accepts and dispatches itself', () => {
  let dispatchers: LocalDispatchers;
  let direct: Acceptance;
  let lane: DirectLane;
  beforeEach(() => {
    dispatchers = new LocalDispatchers();
    leases = new Leases(database);
    direct = new Acceptance(
      database,
      {
        offer: (_: string, ids: readonly string[]) => (offered.push(...ids), Promise.resolve(true)),
      } as unknown as Queues,
      dispatchers,
    );
  });
  let leases: Leases;
  afterEach(async () => {
    await lane.close(50, 0);
    leases.stop();
  });
  const use = (limits?: typeof directLimits, instead?: Pick<Deliverer, 'deliverClaimed'>) => {
    lane = new DirectLane(instead ?? deliverer, leases, limits);
    dispatchers.register('email', lane);
  };
  const send = async (to: string, more: Record<string, unknown> = {}) => {
    const result = await direct.accept(workspaceId, {
      message: SendMessage.parse({
        to: { email: to },
        channels: ['email'],
        content: { email: { subject: 's', text: 'Hello' } },
        ...more,
      }),
      idempotencyKey: null,
    });
    if (!result.ok) throw new Error(result.detail);
    return { id: result.message.deliveries[0]?.id ?? '', messageId: result.message.id };
  };
  const settles = (check: () => unknown) => eventually(async () => (await check(), true));
  /** A dispatcher that takes and does nothing with it, as if its process had died. */
  const dead = { deliverClaimed: () => new Promise<void>(() => undefined) };
  /** One that waits until it is told. */
  const late = () => {
    let go = () => {};
    const gone = new Promise<void>((resolve) => (go = resolve));
    const deliverClaimed: Deliverer['deliverClaimed'] = async (...given) => {
      await gone;
      await deliverer.deliverClaimed(...given);
    };
    return { go: () => go(), deliverClaimed };
  };

  it('is committed as claimed and goes out without a job', async () => {
    use();
    const { id } = await send('direct@example.com');
    await settles(async () => expect(await row(id)).toMatchObject({ status: 'sent', attempt: 1, tries: 1 }));
    expect(offered).toEqual([]);
    expect(sent.map((m) => m.address)).toEqual(['direct@example.com']);
    expect(await timeline(id)).toEqual(['accepted', 'handed_over', 'sent']);
  });

  it('is judged by the same gate', async () => {
    use();
    await owner.query(
      `INSERT INTO suppressions (workspace_id, channel, address, reason, source) VALUES ($1, 'email', 'direct-stop@example.com', 'hard_bounced', 'spec')`,
      [workspaceId],
    );
    const { id } = await send('direct-stop@example.com');
    await settles(async () => expect(await row(id)).toMatchObject({ status: 'suppressed' }));
    expect(sent).toEqual([]);
  });

  it('is queued when too many are in hand, for a later time, and in the lane of campaigns', async () => {
    const { go, deliverClaimed } = late();
    use({ inHand: 2, subBatch: 2, parallel: 1 }, { deliverClaimed });
    const ids: string[] = [];
    for (const n of [1, 2, 3]) ids.push((await send(`full-${n}@example.com`)).id);
    expect(offered).toEqual([ids[2]]);
    expect(await row(ids[2] ?? '')).toMatchObject({ status: 'queued', attempt: 0 });
    expect(await row(ids[1] ?? '')).toMatchObject({ status: 'sending', attempt: 1 });
    go();
    await settles(() => expect(sent).toHaveLength(2));
    // There is room again.
    await settles(async () => {
      const { id } = await send('room@example.com');
      expect(offered).not.toContain(id);
    });
    const { id: bulk } = await send('bulk@example.com', { class: 'marketing' });
    expect(offered).toContain(bulk);
    const { id: later } = await send('later@example.com', {
      sendAt: new Date(Date.now() + 60_000).toISOString(),
    });
    expect(await row(later)).toMatchObject({ status: 'scheduled', attempt: 0 });
  });

  it('gathers while a list of its workspace is judged, and no longer', async () => {
    const lists: { addresses: (string | null)[]; judged: () => void; end: () => void }[] = [];
    const deliverClaimed: Deliverer['deliverClaimed'] = (_, handed, __, judged = () => undefined) =>
      new Promise<void>((end) => {
        lists.push({ addresses: handed.map((h) => h.delivery.address), judged, end });
      });
    use({ inHand: 100, subBatch: 3, parallel: 4 }, { deliverClaimed });
    const to = (n: number) => `gather-${n}@example.com`;
    await send(to(0));
    await settles(() => expect(lists).toHaveLength(1));
    await send(to(1));
    await send(to(2));
    expect(lists).toHaveLength(1);
    lists[0]?.judged();
    expect(lists[1]?.addresses).toEqual([to(1), to(2)]);
    // A full list need not wait for more.
    for (const n of [3, 4, 5]) await send(to(n));
    await settles(() => expect(lists[2]?.addresses).toEqual([to(3), to(4), to(5)]));
    // What ends without having been judged keeps nobody.
    await send(to(6));
    lists[1]?.end();
    await settles(() => expect(lists[3]?.addresses).toEqual([to(6)]));
  });

  it('is queued when the dispatcher is another process, or this one stops', async () => {
    lane = new DirectLane(deliverer, leases);
    const { id } = await send('elsewhere@example.com');
    expect(offered).toEqual([id]);
    use();
    await lane.close(1_000);
    const { id: stopping } = await send('stopping@example.com');
    expect(offered).toEqual([id, stopping]);
  });

  it('is swept by its lease when the process dies, and fenced if it was only slow', async () => {
    const { go, deliverClaimed } = late();
    use(directLimits, { deliverClaimed });
    const { id } = await send('slow@example.com');
    await passTime(id);
    await tick();
    expect(await row(id)).toMatchObject({ status: 'queued', attempt: 1, crashes: 1 });
    await deliverer.deliver([id], signal);
    expect(await row(id)).toMatchObject({ status: 'sent', attempt: 2 });
    go();
    await lane.close(5_000);
    expect(sent).toHaveLength(1);
    expect(await row(id)).toMatchObject({ status: 'sent', attempt: 2, tries: 1 });
  });

  it('gets no mark once another worker has claimed it, although neither has left', async () => {
    const { go, deliverClaimed } = late();
    use(directLimits, { deliverClaimed });
    const { id } = await send('stale@example.com');
    await passTime(id);
    await tick();
    const { ready } = await claimOnly(id);
    go();
    await lane.close(5_000);
    expect(sent).toEqual([]);
    expect(await row(id)).toMatchObject({ status: 'sending', attempt: 2, tries: 0 });
    expect(await database.inWorkspace(workspaceId, (sql) => markHandedOver(sql, ready))).toEqual(
      new Set([id]),
    );
  });

  it('can be cancelled until the mark', async () => {
    const { go, deliverClaimed } = late();
    use(directLimits, { deliverClaimed });
    const { id, messageId } = await send('cancel@example.com');
    const cancelled = await database.inWorkspace(workspaceId, (sql) =>
      cancelMessage(sql, workspaceId, messageId),
    );
    expect(cancelled).toMatchObject({ cancelled: [id] });
    go();
    await lane.close(5_000);
    expect(sent).toEqual([]);
    expect(await row(id)).toMatchObject({ status: 'cancelled' });
  });

  it('waits for nobody at a stop whose grace is over', async () => {
    use(directLimits, dead);
    const { id } = await send('grace@example.com');
    await lane.close(10, 10);
    expect(await row(id)).toMatchObject({ status: 'sending' });
  });

  it('is recorded when the grace was too short for its provider, before the stop goes on', async () => {
    let stopped: AbortSignal | undefined;
    use(directLimits, {
      deliverClaimed: (workspace, handed, stop) => {
        stopped = stop;
        return deliverer.deliverClaimed(workspace, handed, stop);
      },
    });
    // As a provider does that nobody waits for any longer.
    answer = () =>
      new Promise((resolve) =>
        stopped?.addEventListener('abort', () => resolve({ kind: 'unknown', answer: { code: 'aborted' } })),
      );
    const { id } = await send('cut-off@example.com');
    await settles(() => expect(sent).toHaveLength(1));
    await lane.close(10);
    expect(await row(id)).toMatchObject({ status: 'scheduled', reason: 'retry', possible_duplicate: true });
  });

  it('gives its room back when the transaction fails', async () => {
    use({ inHand: 1, subBatch: 1, parallel: 1 });
    await expect(
      direct.acceptAll(workspaceId, [
        {
          message: SendMessage.parse({
            to: { email: 'a@example.com' },
            channels: ['email'],
            content: { email: { subject: 's', text: 'Hello' } },
          }),
          idempotencyKey: null,
          source: { kind: 'api', id: 'not a text\u0000' },
        },
      ]),
    ).rejects.toThrow();
    const { id } = await send('after@example.com');
    await settles(async () => expect(await row(id)).toMatchObject({ status: 'sent' }));
    expect(offered).toEqual([]);
  });

  it('marks and records of several sub-batches share commits, and none is lost', async () => {
    use({ inHand: 100, subBatch: 3, parallel: 5 });
    const all = await Promise.all(Array.from({ length: 30 }, (_, n) => send(`many-${n}@example.com`)));
    await lane.close(10_000);
    expect(new Set(sent.map((m) => m.deliveryId))).toEqual(new Set(all.map(({ id }) => id)));
    for (const { id } of all) expect(await row(id)).toMatchObject({ status: 'sent', tries: 1 });
  });
});

describe('an outcome that is known', () => {
  let line: Line;
  let behind: Database;
  beforeEach(async () => {
    line = await lineTo(fresh.appUrl);
    behind = new Database({ url: line.url, max: 6 });
  });
  afterEach(async () => {
    await behind.close();
    await line.close();
  });

  it.each([
    ['accepted', accepted, { status: 'sent', provider_message_id: 'p-1' }, 'sent'],
    ['deferred', { kind: 'deferred', answer: { code: 421 } }, { status: 'scheduled', tries: 1 }, 'deferred'],
    ['rejected', { kind: 'rejected', reason: 'content_refused', answer: {} }, { status: 'failed' }, 'failed'],
  ] as const)(
    'is recorded when PostgreSQL is back, if it was away when the provider answered: %s',
    async (_, outcome, becomes, told) => {
      const { id } = await accept('away@example.com');
      answer = async () => {
        const { turnedAway } = line.cut();
        void eventually(() => Promise.resolve(turnedAway() >= 2)).then(() => line.mend());
        return Promise.resolve(outcome);
      };
      await delivererOn(behind).deliver([id], signal);
      expect(sent).toHaveLength(1);
      expect(await row(id)).toMatchObject({ ...becomes, attempt: 1, possible_duplicate: false });
      expect(await timeline(id)).toEqual(['accepted', 'handed_over', told]);
    },
  );

  it('settles what was swept meanwhile, for as long as nobody has begun anew', async () => {
    const { id } = await accept('swept@example.com', { class: 'marketing' });
    answer = async () => {
      const { turnedAway } = line.cut();
      void eventually(() => Promise.resolve(turnedAway() >= 2))
        .then(() => passTime(id))
        .then(() => tick())
        .then(() => line.mend());
      return Promise.resolve(accepted);
    };
    await delivererOn(behind).deliver([id], signal);
    expect(await timeline(id)).toEqual(['accepted', 'handed_over', 'unknown', 'sent']);
    expect(await row(id)).toMatchObject({ status: 'sent', provider_message_id: 'p-1' });
  });

  it('is told once, also when nobody heard that it had been written', async () => {
    const { id } = await accept('told@example.com');
    answer = () => {
      line.loseAnswer();
      return { ...accepted, delivered: true };
    };
    await delivererOn(behind).deliver([id], signal);
    expect(await timeline(id)).toEqual(['accepted', 'handed_over', 'delivered']);
    expect(await row(id)).toMatchObject({ status: 'delivered', tries: 1 });
  });

  it('is waited with no longer than its process lives, and in doubt then', async () => {
    const { id } = await accept('ends@example.com', { class: 'marketing' });
    let turnedAway = () => 0;
    answer = () => {
      turnedAway = line.cut().turnedAway;
      return accepted;
    };
    const working = delivererOn(behind).deliver([id], signal);
    await eventually(() => Promise.resolve(turnedAway() >= 2));
    const [ended] = await Promise.allSettled([working, behind.close()]);
    expect(ended).toMatchObject({
      status: 'rejected',
      reason: new Error('Cannot use a pool after calling end on the pool'),
    });
    await passTime(id);
    await tick();
    expect(await row(id)).toMatchObject({ status: 'unknown' });
  });
});
