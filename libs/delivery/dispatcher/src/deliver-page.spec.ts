/** Runs on a real PostgreSQL, with a provider whose answers the test decides. Fairness as a rule: fair-share.spec.ts. */
import { loadConfig, useConfig } from '@carillon/config';
import { Database, ensurePartitions, newId } from '@carillon/database';
import { defineChannel, type Channel, type Outcome, type Outgoing } from '@carillon/delivery-rules';
import {
  applyReceipts,
  changeRun,
  DeliveryHints,
  links,
  planRun,
  Precedence,
  progressOf,
  releasePages,
  SendContexts,
  takeBackPages,
  takeDue,
  type NewRun,
} from '@carillon/delivery-service';
import type { Queues } from '@carillon/queue';
import { eventually, freshDatabase, lineTo, type FreshDatabase } from '@carillon/testing';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { AccountFlow } from './account-flow.js';
import { PageDeliverer, SMALL_SUB_BATCH, SUB_BATCH } from './deliver-page.js';
import { Deliverer } from './deliver.js';
import { Leases } from './leases.js';

let fresh: FreshDatabase;
let owner: pg.Client;
let database: Database;
let contexts: SendContexts;
let sent: Outgoing<string>[];
let answer: (message: Outgoing<string>) => Outcome | Promise<Outcome>;
let deliverer: PageDeliverer;
const workspaceId = newId();
const accountId = newId();
const { signal } = new AbortController();
const PEOPLE = 1200;

const channel = defineChannel<string>({
  channel: 'email',
  addresses: (r) => (r.email ? [{ address: r.email }] : []),
  render: ({ content, data, recipient }) =>
    recipient.attributes['unrenderable']
      ? { ok: false, reason: 'template_error', detail: 'cannot', pointer: '/email/text' }
      : { ok: true, rendered: `${content.email?.text} ${String(data['order'] ?? '')}`.trim(), warnings: [] },
  show: () => ({ channel: 'email' }),
  providers: [
    {
      name: 'scripted',
      title: 'Scripted',
      docs: 'https://carillon.example',
      settings: {} as never,
      send: async (batch) => {
        sent.push(...batch);
        return Promise.all(batch.map(async (m) => answer(m)));
      },
    },
  ],
  retry: { attempts: 3, windowMs: 3_600_000, backoffMs: 1000, maxBackoffMs: 1000 },
  batchSize: 100,
}) as Channel;
const accepted: Outcome = { kind: 'accepted', providerMessageId: 'p-1', answer: { code: 250 } };
const queues = {
  offer: () => Promise.resolve(true),
  send: () => Promise.resolve(),
} as unknown as Queues;
/** Messages that are rendered before nothing can be any more. */
let renderable = Infinity;
const renderer = {
  render: async (_: unknown, inputs: readonly Parameters<Channel['render']>[0][]) => {
    renderable -= inputs.length;
    if (renderable < 0) throw new Error('no process could be started');
    return Promise.resolve(inputs.map((input) => channel.render(input)));
  },
};
const aDeliverer = (
  stopping = () => false,
  flow: Pick<AccountFlow, 'take' | 'report'> = new AccountFlow(database),
  precedence?: Precedence,
  on = database,
) =>
  new PageDeliverer(
    channel,
    on,
    queues,
    contexts,
    new DeliveryHints(on),
    renderer,
    flow,
    () => 0,
    precedence,
    stopping,
  );

/** What works lists. */
const ordinary = () =>
  new Deliverer(
    channel,
    database,
    queues,
    new Leases(database),
    contexts,
    new DeliveryHints(database),
    renderer,
    new AccountFlow(database),
    () => 0,
  );

beforeAll(async () => {
  useConfig(loadConfig({ NODE_ENV: 'test' }));
  fresh = await freshDatabase();
  owner = new pg.Client({ connectionString: fresh.ownerUrl });
  await owner.connect();
  database = new Database({ url: fresh.appUrl, max: 8 });
  contexts = new SendContexts({
    links: links(),
    inboxFor: () => ({ store: () => Promise.resolve([]), find: () => Promise.resolve(new Map()) }),
    allowPrivateNetworks: false,
  });
  await ensurePartitions(database);
  await owner.query(`INSERT INTO workspaces (id, slug, name) VALUES ($1, 'w', 'W')`, [workspaceId]);
  await owner.query(
    `INSERT INTO provider_accounts (id, workspace_id, channel, provider, name) VALUES ($1, $2, 'email', 'scripted', 'First')`,
    [accountId, workspaceId],
  );
  await owner.query(
    `INSERT INTO profiles (id, workspace_id, external_id, email) SELECT gen_random_uuid(), $1, 'p' || n, 'p' || n || '@example.com' FROM generate_series(1, $2::int) AS n`,
    [workspaceId, PEOPLE],
  );
});
beforeEach(async () => {
  sent = [];
  answer = () => accepted;
  deliverer = aDeliverer();
  await owner.query('UPDATE provider_accounts SET paused_at = NULL');
});
afterEach(async () => {
  await owner.query(`UPDATE runs SET state = 'cancelled' WHERE state IN ('running', 'paused', 'planned')`);
  await owner.query('DELETE FROM consents');
  await owner.query('DELETE FROM suppressions');
});
afterAll(async () => {
  await contexts.close();
  await database.close();
  await owner.end();
  await fresh.drop();
});

const inWorkspace: Database['inWorkspace'] = (id, work) => database.inWorkspace(id, work);
const everybody = {
  query: {
    text: 'SELECT id AS profile_id, NULL::text AS key, NULL::jsonb AS data FROM profiles WHERE workspace_id = $1',
    params: [workspaceId],
  },
};
const start = async (more: Partial<NewRun> = {}) => {
  const run = await inWorkspace(workspaceId, async (sql) => {
    const planned = await planRun(sql, workspaceId, {
      source: { kind: 'campaign', id: 'spring' },
      channel: 'email',
      messageClass: 'marketing',
      content: { email: { subject: 's', text: 'Hello' } },
      audience: everybody,
      ...more,
    });
    await changeRun(sql, workspaceId, planned.id, 'start');
    return planned;
  });
  return run;
};
const release = (ahead?: number) =>
  database.acrossWorkspaces(async (sql) => {
    await takeBackPages(sql, 'email');
    return releasePages(sql, 'email', ahead);
  });
const progress = (id: string) => inWorkspace(workspaceId, (sql) => progressOf(sql, workspaceId, id));
const change = (id: string, step: 'pause' | 'resume' | 'cancel') =>
  inWorkspace(workspaceId, (sql) => changeRun(sql, workspaceId, id, step));
/** Works what is released until nothing is, as clock and queue would. */
const workAll = async () => {
  for (;;) {
    await release();
    const { rows } = await owner.query<{ id: string }>(
      `SELECT p.id FROM pages p JOIN runs r ON r.id = p.run_id WHERE p.state = 'released' AND r.state = 'running' ORDER BY p.no`,
    );
    if (rows.length === 0) return;
    for (const { id } of rows) await deliverer.deliver(id, signal);
  }
};
const passLeases = () =>
  owner.query(`UPDATE pages SET lease_until = now() - interval '1 second' WHERE lease_until IS NOT NULL`);
const statuses = async (messageId: string) =>
  Object.fromEntries(
    (
      await owner.query<{ status: string; n: number }>(
        'SELECT status, count(*)::int AS n FROM deliveries WHERE message_id = $1 GROUP BY 1',
        [messageId],
      )
    ).rows.map((r) => [r.status, r.n]),
  );
const tick = () =>
  database.acrossWorkspaces((sql) =>
    takeDue(
      sql,
      5000,
      () => channel.retry,
      () => 0,
    ),
  );
const addressesSent = () => sent.map((m) => m.address);

describe('planning a run', () => {
  it('freezes the audience densely, everybody once per key', async () => {
    const run = await start({
      audience: {
        query: {
          text: `SELECT id AS profile_id, k AS key, jsonb_build_object('order', k) AS data FROM profiles, unnest(ARRAY['a', 'b', 'a']) AS k WHERE workspace_id = $1`,
          params: [workspaceId],
        },
      },
    });
    expect(run).toMatchObject({ members: 2 * PEOPLE, pages: 3 });
    const { rows } = await owner.query(
      'SELECT min(seq) AS lo, max(seq) AS hi, count(DISTINCT seq)::int AS n FROM run_members WHERE run_id = $1',
      [run.id],
    );
    expect(rows[0]).toEqual({ lo: 1, hi: 2 * PEOPLE, n: 2 * PEOPLE });
    const pages = await owner.query('SELECT lo, hi FROM pages WHERE run_id = $1 ORDER BY no', [run.id]);
    expect(pages.rows).toEqual([
      { lo: 1, hi: 1001 },
      { lo: 1001, hi: 2001 },
      { lo: 2001, hi: 2 * PEOPLE + 1 },
    ]);
    expect(await progress(run.id)).toMatchObject({ pending: 2 * PEOPLE, logged: 0 });
  });

  it('takes nobody of another workspace', async () => {
    const other = newId();
    await owner.query(`INSERT INTO workspaces (id, slug, name) VALUES ($1, 'o', 'O')`, [other]);
    const { rows } = await owner.query<{ id: string }>('SELECT id FROM profiles LIMIT 3');
    const run = await inWorkspace(other, (sql) =>
      planRun(sql, other, {
        source: { kind: 'api', id: null },
        channel: 'email',
        messageClass: 'marketing',
        content: { email: { subject: 's', text: 't' } },
        audience: { profileIds: rows.map((r) => r.id) },
      }),
    );
    expect(run).toMatchObject({ members: 0, pages: 0 });
  });

  it('refuses a day that the log has no room for', async () => {
    await expect(start({ plannedAt: new Date(Date.now() + 30 * 86_400_000) })).rejects.toThrow(RangeError);
  });
});

describe('a run', () => {
  it('reaches everybody once, and is completed', async () => {
    const run = await start();
    await workAll();
    expect(new Set(addressesSent()).size).toBe(PEOPLE);
    expect(sent).toHaveLength(PEOPLE);
    expect(await statuses(run.messageId)).toEqual({ sent: PEOPLE });
    expect(await progress(run.id)).toEqual({
      state: 'completed',
      members: PEOPLE,
      logged: PEOPLE,
      pending: 0,
      counts: { sent: PEOPLE },
    });
  });

  it('waits, read already, while two others have a window open', async () => {
    const run = await start({
      audience: {
        query: {
          text: `SELECT id AS profile_id, k AS key, NULL::jsonb AS data FROM profiles, unnest(ARRAY['a', 'b']) AS k WHERE workspace_id = $1`,
          params: [workspaceId],
        },
      },
    });
    let go = () => {};
    const held = new Promise<void>((resolve) => (go = resolve));
    answer = async () => (await held, accepted);
    const ids = await release();
    const working = ids.map((id) => deliverer.deliver(id, signal));
    const pages = async () =>
      (
        await owner.query<{ state: string; open: boolean }>(
          'SELECT state, mark > cursor AS open FROM pages WHERE run_id = $1',
          [run.id],
        )
      ).rows;
    await eventually(
      async () => sent.length >= 2 * SUB_BATCH && (await pages()).every((p) => p.state === 'working'),
      30_000,
    );
    // Time enough for a third, if nothing held it.
    for (let look = 0; look < 20; look++) expect((await pages()).filter((p) => p.open)).toHaveLength(2);
    expect(sent).toHaveLength(2 * SUB_BATCH);
    go();
    await Promise.all(working);
    expect(await progress(run.id)).toMatchObject({ pending: 0, counts: { sent: 2 * PEOPLE } });
  });

  it('goes back from where it stands when its process stops, and goes on in another', async () => {
    const run = await start();
    deliverer = aDeliverer(() => sent.length > 0);
    const ids = await release();
    for (const id of ids) await deliverer.deliver(id, signal);
    // What was leaving has left, and nothing more.
    expect(sent).toHaveLength(SUB_BATCH);
    expect(await statuses(run.messageId)).toEqual({ sent: SUB_BATCH });
    deliverer = aDeliverer();
    await workAll();
    expect(new Set(addressesSent()).size).toBe(PEOPLE);
    expect(sent).toHaveLength(PEOPLE);
    expect(await statuses(run.messageId)).toEqual({ sent: PEOPLE });
  });

  it('leaves in smaller parts while a single message is under way, and reaches everybody once', async () => {
    const run = await start();
    const precedence = new Precedence();
    let end = () => {};
    const single = precedence.first(() => new Promise<void>((resolve) => (end = resolve)));
    deliverer = aDeliverer(() => sent.length > 0, undefined, precedence);
    for (const id of await release()) await deliverer.deliver(id, signal);
    expect(sent).toHaveLength(SMALL_SUB_BATCH);
    end();
    await single;
    deliverer = aDeliverer();
    await workAll();
    expect(sent).toHaveLength(PEOPLE);
    expect(await statuses(run.messageId)).toEqual({ sent: PEOPLE });
  });

  it('is worked again without harm', async () => {
    const run = await start();
    await workAll();
    await owner.query(
      `UPDATE pages SET state = 'released', lease_until = now() + interval '1 minute', cursor = lo, mark = lo, counts = '{}' WHERE run_id = $1`,
      [run.id],
    );
    await owner.query(`UPDATE runs SET state = 'running' WHERE id = $1`, [run.id]);
    const { rows } = await owner.query<{ id: string }>('SELECT id FROM pages WHERE run_id = $1', [run.id]);
    for (const { id } of rows) await deliverer.deliver(id, signal);
    expect(sent).toHaveLength(PEOPLE);
    expect(await progress(run.id)).toMatchObject({ pending: 0, counts: { sent: PEOPLE } });
  });

  it('does not write to who opted out after it was planned, up to the commit before', async () => {
    const run = await start();
    const gone: string[] = [];
    let asked = false;
    answer = async () => {
      if (asked) return accepted;
      asked = true;
      // Two of the coming sub-batches, while the first one is leaving.
      const { rows } = await owner.query<{ profile_id: string; email: string }>(
        `SELECT m.profile_id, p.email FROM run_members m JOIN profiles p ON p.id = m.profile_id WHERE m.run_id = $1 AND m.seq IN (300, 700)`,
        [run.id],
      );
      const [a, b] = rows;
      await owner.query(
        `INSERT INTO consents (workspace_id, channel, profile_id, topic, word, source) VALUES ($1, 'email', $2, 'marketing', 'out', 'page')`,
        [workspaceId, a?.profile_id],
      );
      await owner.query(
        `INSERT INTO suppressions (workspace_id, channel, address, reason, source) VALUES ($1, 'email', $2, 'hard_bounced', 'x')`,
        [workspaceId, b?.email],
      );
      gone.push(...rows.map((r) => r.email));
      return accepted;
    };
    await workAll();
    expect(gone).toHaveLength(2);
    expect(addressesSent().filter((a) => gone.includes(a))).toEqual([]);
    expect(await statuses(run.messageId)).toEqual({ sent: PEOPLE - 2, suppressed: 2 });
    expect(await progress(run.id)).toMatchObject({ pending: 0, counts: { sent: PEOPLE - 2, suppressed: 2 } });
  });

  it.each(['pause', 'cancel'] as const)('stops within a sub-batch on %s', async (step) => {
    const run = await start();
    let asked = false;
    answer = async () => {
      if (!asked) await change(run.id, step);
      asked = true;
      return accepted;
    };
    await workAll();
    expect(sent).toHaveLength(SUB_BATCH);
    expect(await progress(run.id)).toMatchObject({
      state: step === 'pause' ? 'paused' : 'cancelled',
      pending: PEOPLE - SUB_BATCH,
      counts: { sent: SUB_BATCH },
    });
    if (step === 'cancel') {
      expect(await change(run.id, 'resume')).toBe(false);
      return;
    }
    expect(await change(run.id, 'resume')).toBe(true);
    await passLeases();
    await workAll();
    expect(new Set(addressesSent()).size).toBe(PEOPLE);
    expect(sent).toHaveLength(PEOPLE);
  });

  it('leaves one sub-batch in doubt when its worker dies in it, and sends nobody a second one', async () => {
    const run = await start();
    // As if the process were killed while the second sub-batch is at the provider: nothing after it happens.
    let wake = () => {};
    const never = new Promise<void>((resolve) => (wake = resolve)).then(() => accepted);
    answer = () => (sent.length > SUB_BATCH ? never : accepted);
    const [first] = await release();
    const dead = deliverer.deliver(first ?? '', signal);
    await eventually(() => sent.length === 2 * SUB_BATCH);
    const left = new Set(addressesSent());
    answer = () => accepted;
    deliverer = aDeliverer();
    await passLeases();
    await workAll();
    await tick();
    expect(await statuses(run.messageId)).toEqual({ sent: PEOPLE - SUB_BATCH, unknown: SUB_BATCH });
    expect(sent).toHaveLength(PEOPLE);
    // What had left is inside what is unknown, or known.
    expect(new Set(addressesSent()).size).toBe(PEOPLE);
    expect(left.size).toBe(2 * SUB_BATCH);
    expect(await progress(run.id)).toMatchObject({
      pending: 0,
      counts: { sent: PEOPLE - SUB_BATCH, unknown: SUB_BATCH },
    });
    const { rows } = await owner.query<{ reason: string }>(
      `SELECT DISTINCT reason FROM deliveries WHERE message_id = $1 AND status = 'unknown'`,
      [run.messageId],
    );
    expect(rows).toEqual([{ reason: 'worker_lost' }]);
    wake();
    await expect(dead).rejects.toThrow('taken by another worker');
  });

  it('leaves nobody in doubt when PostgreSQL goes away while it leaves, and comes back', async () => {
    const line = await lineTo(fresh.appUrl);
    const behind = new Database({ url: line.url, max: 6 });
    deliverer = aDeliverer(undefined, undefined, undefined, behind);
    // In the first window, in one between, and in the last of a page.
    const cutAt = new Set([1, 600, 990]);
    let answered = 0;
    answer = () => {
      if (cutAt.has((answered += 1))) {
        const { turnedAway } = line.cut();
        void eventually(() => Promise.resolve(turnedAway() >= 2)).then(() => line.mend());
      }
      return accepted;
    };
    const run = await start();
    await workAll();
    expect(await statuses(run.messageId)).toEqual({ sent: PEOPLE });
    expect(sent).toHaveLength(PEOPLE);
    expect(await progress(run.id)).toMatchObject({ pending: 0, counts: { sent: PEOPLE } });
    await behind.close();
    await line.close();
  });

  it('fences off a worker that was believed dead: it writes nothing and sends no further', async () => {
    const run = await start();
    let wake = () => {};
    const asleep = new Promise<void>((resolve) => (wake = resolve));
    answer = async () => {
      await asleep;
      return accepted;
    };
    const [first] = await release();
    const stale = aDeliverer().deliver(first ?? '', signal);
    await eventually(() => sent.length === SUB_BATCH);
    answer = () => accepted;
    await passLeases();
    await workAll();
    await tick();
    const before = await statuses(run.messageId);
    wake();
    await expect(stale).rejects.toThrow('taken by another worker');
    expect(await statuses(run.messageId)).toEqual(before);
    expect(before).toEqual({ sent: PEOPLE - SUB_BATCH, unknown: SUB_BATCH });
    expect(sent).toHaveLength(PEOPLE);
  });

  it('hands over what is to be tried again to the ordinary path, with what is said to each', async () => {
    const run = await start({
      audience: {
        query: {
          text: `SELECT id AS profile_id, external_id AS key, jsonb_build_object('order', external_id) AS data FROM profiles WHERE workspace_id = $1 AND external_id IN ('p1', 'p2')`,
          params: [workspaceId],
        },
      },
    });
    answer = ({ address }) =>
      address.startsWith('p1@') ? { kind: 'deferred', answer: { code: 421 } } : accepted;
    await workAll();
    expect(await statuses(run.messageId)).toEqual({ sent: 1, scheduled: 1 });
    await owner.query(`UPDATE deliveries SET due_at = now() WHERE message_id = $1 AND status = 'scheduled'`, [
      run.messageId,
    ]);
    const { offer } = await tick();
    answer = () => accepted;
    await ordinary().deliver(
      offer.map((d) => d.id),
      signal,
    );
    expect(await statuses(run.messageId)).toEqual({ sent: 2 });
    expect(sent.map((m) => m.rendered).sort()).toEqual(['Hello p1', 'Hello p1', 'Hello p2']);
  });

  it('keeps the quota of a receiving domain while its account warms up, page or not; the others wait for tomorrow', async () => {
    const plan = {
      from: new Date(Date.now() - 86_400_000).toISOString().slice(0, 10),
      quotas: [1_000_000, 1_000_000, 1_000_000],
      domains: [{ domains: ['example.com'], quotas: [4, 4, 4] }],
    };
    await owner.query('UPDATE provider_accounts SET warm_up = $1', [JSON.stringify(plan)]);
    const those = (names: string[]) =>
      start({
        audience: {
          query: {
            text: `SELECT id AS profile_id, NULL::text AS key, NULL::jsonb AS data FROM profiles WHERE workspace_id = $1 AND external_id = ANY($2)`,
            params: [workspaceId, names],
          },
        },
      });
    const places = async () =>
      (await owner.query<{ used: number }>('SELECT used FROM domain_uses')).rows.map(({ used }) => used);
    // Places of those who are not written to in the end are given back.
    await owner.query(
      `INSERT INTO suppressions (workspace_id, channel, address, reason, source) VALUES ($1, 'email', 'p8@example.com', 'hard_bounced', 'x')`,
      [workspaceId],
    );
    await owner.query(`UPDATE profiles SET attributes = '{"unrenderable": true}' WHERE external_id = 'p9'`);
    const idle = await those(['p8', 'p9']);
    await workAll();
    expect(await statuses(idle.messageId)).toEqual({ suppressed: 1, failed: 1 });
    expect(await places()).toEqual([0]);
    await owner.query('DELETE FROM suppressions');
    await owner.query(`UPDATE profiles SET attributes = '{}'`);

    const run = await those(['p1', 'p2', 'p3', 'p4', 'p5', 'p6', 'p7', 'p8', 'p9']);
    await workAll();
    expect(await statuses(run.messageId)).toEqual({ sent: 4, scheduled: 5 });
    expect(await places()).toEqual([4]);
    const { rows } = await owner.query(
      `SELECT DISTINCT reason, due_at >= date_trunc('day', now() AT TIME ZONE 'UTC') + interval '1 day' AS tomorrow FROM deliveries WHERE message_id = $1 AND status = 'scheduled'`,
      [run.messageId],
    );
    expect(rows).toEqual([{ reason: 'account_rate', tomorrow: true }]);
    const again = async () => {
      await owner.query(
        `UPDATE deliveries SET due_at = now() WHERE message_id = $1 AND status = 'scheduled'`,
        [run.messageId],
      );
      const { offer } = await tick();
      await ordinary().deliver(
        offer.map((d) => d.id),
        signal,
      );
    };
    await again();
    expect(await statuses(run.messageId)).toEqual({ sent: 4, scheduled: 5 });
    await owner.query(`UPDATE domain_uses SET day = day - 1`);
    await again();
    expect(await statuses(run.messageId)).toEqual({ sent: 8, scheduled: 1 });
    await owner.query('UPDATE provider_accounts SET warm_up = NULL');
    await again();
    expect(await statuses(run.messageId)).toEqual({ sent: 9 });
  });

  it('loses no place of a receiving domain with a page that is taken away, or a commit that fails', async () => {
    const plan = {
      from: new Date(Date.now() - 86_400_000).toISOString().slice(0, 10),
      quotas: [1_000_000, 1_000_000],
      domains: [{ domains: ['example.com'], quotas: [PEOPLE, PEOPLE] }],
    };
    await owner.query('UPDATE provider_accounts SET warm_up = $1', [JSON.stringify(plan)]);
    await owner.query('DELETE FROM domain_uses');
    const used = async () =>
      (await owner.query<{ used: number }>('SELECT coalesce(sum(used), 0)::int AS used FROM domain_uses'))
        .rows[0]?.used;
    const run = await start();
    const flow = new AccountFlow(database);
    const robbed = aDeliverer(undefined, {
      take: async (...asked) => {
        await owner.query('UPDATE pages SET attempt = attempt + 1');
        return flow.take(...asked);
      },
      report: (...told) => flow.report(...told),
    });
    const [page] = await release();
    await expect(robbed.deliver(page!, signal)).rejects.toThrow('was taken by another worker');
    expect(await used()).toBe(0);

    await passLeases();
    await workAll();
    expect(await statuses(run.messageId)).toEqual({ sent: PEOPLE });
    expect(await used()).toBe(PEOPLE);
    await owner.query('UPDATE provider_accounts SET warm_up = NULL');
  });

  it('records refusals with the words of the provider, and what cannot be rendered', async () => {
    await owner.query(`UPDATE profiles SET attributes = '{"unrenderable": true}' WHERE external_id = 'p3'`);
    const run = await start();
    answer = ({ address }) =>
      address === 'p4@example.com'
        ? { kind: 'rejected', reason: 'recipient_unknown', answer: { code: 550 } }
        : accepted;
    await workAll();
    await owner.query(`UPDATE profiles SET attributes = '{}'`);
    expect(await statuses(run.messageId)).toEqual({ sent: PEOPLE - 2, failed: 2 });
    expect(await progress(run.id)).toMatchObject({ pending: 0, counts: { sent: PEOPLE - 2, failed: 2 } });
    const { rows } = await owner.query<{ reason: string; code: number | null }>(
      `SELECT d.reason, (e.detail->>'code')::int AS code FROM deliveries d JOIN delivery_events e ON e.delivery_id = d.id AND e.type = 'failed'
        WHERE d.message_id = $1 ORDER BY 1`,
      [run.messageId],
    );
    expect(rows).toEqual([
      { reason: 'recipient_unknown', code: 550 },
      { reason: 'template_error', code: null },
    ]);
  });

  it('sends what could be rendered when rendering ends, and the rest later: nobody twice, nobody in doubt', async () => {
    const run = await start();
    renderable = 150;
    try {
      await workAll();
    } finally {
      renderable = Infinity;
    }
    // A call of the provider takes a hundred: what was rendered for the second one did not leave. Nor did a second page of 200.
    expect(await statuses(run.messageId)).toEqual({ sent: 100, sending: SUB_BATCH - 100 + 200 });
    expect(await progress(run.id)).toMatchObject({ pending: PEOPLE - SUB_BATCH - 200, state: 'running' });
    await owner.query('UPDATE runs SET next_release_at = NULL WHERE id = $1', [run.id]);
    await workAll();
    const { offer } = await tick();
    await ordinary().deliver(
      offer.map((d) => d.id),
      signal,
    );
    expect(await statuses(run.messageId)).toEqual({ sent: PEOPLE });
    expect(new Set(addressesSent()).size).toBe(PEOPLE);
    expect(sent).toHaveLength(PEOPLE);
  });

  it('waits, and burns nobody, while its accounts are paused', async () => {
    const run = await start();
    await owner.query('UPDATE provider_accounts SET paused_at = now()');
    await workAll();
    expect(await statuses(run.messageId)).toEqual({});
    await owner.query('UPDATE provider_accounts SET paused_at = NULL');
    await owner.query('UPDATE runs SET next_release_at = NULL WHERE id = $1', [run.id]);
    await workAll();
    expect(await statuses(run.messageId)).toEqual({ sent: PEOPLE });
  });

  it('takes receipts like any other delivery', async () => {
    const run = await start();
    await workAll();
    const { rows } = await owner.query<{ id: string }>(
      'SELECT id FROM deliveries WHERE message_id = $1 ORDER BY id LIMIT 2',
      [run.messageId],
    );
    await inWorkspace(workspaceId, (sql) =>
      applyReceipts(sql, { id: accountId, workspaceId }, [
        { deliveryId: rows[0]?.id ?? '', eventId: 'e1', status: 'delivered', answer: {} },
        { deliveryId: rows[1]?.id ?? '', eventId: 'e2', status: 'failed', reason: 'bounced', answer: {} },
      ]),
    );
    expect(await statuses(run.messageId)).toEqual({ sent: PEOPLE - 2, delivered: 1, failed: 1 });
  });
});

describe('the bulk lane', () => {
  /** People who do not exist: nothing is sent, only turns are looked at. */
  const crowd = (n: number) => ({
    query: {
      text: 'SELECT gen_random_uuid() AS profile_id, NULL::text AS key, NULL::jsonb AS data FROM generate_series(1, $1::int)',
      params: [n],
    },
  });

  it('gives a workspace with a thousand people its turn beside one with a hundred thousand', async () => {
    const other = newId();
    await owner.query(`INSERT INTO workspaces (id, slug, name) VALUES ($1, 'small', 'Small')`, [other]);
    await start({ audience: crowd(100_000) });
    const order: string[] = [];
    const finish = async (ids: string[]) => {
      order.push(...ids);
      await owner.query(`UPDATE pages SET state = 'done', lease_until = NULL WHERE id = ANY($1)`, [ids]);
    };
    await finish(await release());
    const small = await inWorkspace(other, async (sql) => {
      const run = await planRun(sql, other, {
        source: { kind: 'campaign', id: null },
        channel: 'email',
        messageClass: 'marketing',
        content: { email: { subject: 's', text: 't' } },
        audience: crowd(1_000),
        pageSize: 250,
      });
      await changeRun(sql, other, run.id, 'start');
      return run;
    });
    const ahead = order.length;
    for (let ids = await release(); ids.length > 0; ids = await release()) await finish(ids);
    const { rows } = await owner.query<{ id: string }>('SELECT id FROM pages WHERE run_id = $1', [small.id]);
    const places = rows.map(({ id }) => order.indexOf(id) - ahead).sort((a, b) => a - b);
    // Every other page is the small one's until it is done.
    expect(places.at(-1)).toBeLessThanOrEqual(2 * rows.length);
    expect(order).toHaveLength(104);
  });

  it('keeps no more than a few pages waiting for a worker', async () => {
    await start({ audience: crowd(20_000) });
    expect(await release()).toHaveLength(4);
    expect(await release()).toHaveLength(0);
    await passLeases();
    expect(await release()).toHaveLength(4);
  });

  it('keeps to the rate of a run', async () => {
    await start({ audience: crowd(1_000), rate: 100 });
    expect(await release()).toHaveLength(1);
    await owner.query(`UPDATE pages SET state = 'done', lease_until = NULL WHERE state = 'released'`);
    expect(await release()).toHaveLength(0);
    await owner.query(`UPDATE runs SET next_release_at = next_release_at - interval '1 second'`);
    expect(await release()).toHaveLength(1);
  });

  it('stops a run whose page kills its workers', async () => {
    const run = await start({ audience: crowd(10) });
    for (let i = 0; i < 5; i++) {
      await release();
      await owner.query(
        `UPDATE pages SET state = 'working', attempt = attempt + 1 WHERE run_id = $1 AND state = 'released'`,
        [run.id],
      );
      await passLeases();
    }
    expect(await release()).toEqual([]);
    expect(await progress(run.id)).toMatchObject({ state: 'paused', pending: 10 });
  });
});
