/** The workspace's own rules on a real PostgreSQL: single messages and pages pass the same gate and share the same caps. */
import { loadConfig, useConfig } from '@carillon/config';
import { GateChange, SendMessage, type GateRules, type MessageClass } from '@carillon/contracts';
import { Database, ensurePartitions, newId } from '@carillon/database';
import { defineChannel, type Channel, type Outcome, type Outgoing } from '@carillon/delivery-rules';
import {
  Acceptance,
  capacityUses,
  changeRun,
  DeliveryHints,
  links,
  planRun,
  releasePages,
  resetCaps,
  SendContexts,
  tryGate,
  writeGate,
} from '@carillon/delivery-service';
import type { Queues } from '@carillon/queue';
import { freshDatabase, type FreshDatabase } from '@carillon/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { AccountFlow } from './account-flow.js';
import { PageDeliverer } from './deliver-page.js';
import { Deliverer } from './deliver.js';
import { Leases } from './leases.js';

let fresh: FreshDatabase;
let owner: pg.Client;
let database: Database;
let contexts: SendContexts;
let acceptance: Acceptance;
let sent: Outgoing<string>[];
let answer: (message: Outgoing<string>) => Outcome;
const workspaceId = newId();
const { signal } = new AbortController();
const accepted: Outcome = { kind: 'accepted', providerMessageId: 'p-1', answer: {} };
const queues = { offer: () => Promise.resolve(true), send: () => Promise.resolve() } as unknown as Queues;
const channel = defineChannel<string>({
  channel: 'email',
  addresses: (r) => (r.email ? [{ address: r.email }] : []),
  render: ({ content }) => ({ ok: true, rendered: content.email?.text ?? '', warnings: [] }),
  show: () => ({ channel: 'email' }),
  providers: [
    {
      name: 'scripted',
      title: 'Scripted',
      docs: 'https://carillon.example',
      settings: {} as never,
      send: (batch) => {
        sent.push(...batch);
        return Promise.resolve(batch.map((m) => answer(m)));
      },
    },
  ],
  retry: { attempts: 3, windowMs: 3_600_000, backoffMs: 1000, maxBackoffMs: 1000 },
  batchSize: 100,
}) as Channel;
const renderer = {
  render: (_: unknown, inputs: readonly Parameters<Channel['render']>[0][]) =>
    Promise.resolve(inputs.map((input) => channel.render(input))),
};
/** As another process would have its own. */
const aDeliverer = () =>
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
const aPageDeliverer = () =>
  new PageDeliverer(
    channel,
    database,
    queues,
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
  database = new Database({ url: fresh.appUrl, max: 10 });
  contexts = new SendContexts({
    links: links(),
    inboxFor: () => ({ store: () => Promise.resolve([]), find: () => Promise.resolve(new Map()) }),
    allowPrivateNetworks: false,
  });
  acceptance = new Acceptance(database, queues);
  await ensurePartitions(database);
  await owner.query(`INSERT INTO workspaces (id, slug, name) VALUES ($1, 'w', 'W')`, [workspaceId]);
  await owner.query(
    `INSERT INTO provider_accounts (id, workspace_id, channel, provider, name) VALUES ($1, $2, 'email', 'scripted', 'First')`,
    [newId(), workspaceId],
  );
  await owner.query(
    `INSERT INTO profiles (id, workspace_id, external_id, email, timezone) SELECT gen_random_uuid(), $1, 'p' || n, 'p' || n || '@example.com', 'Europe/Berlin' FROM generate_series(1, 600) AS n`,
    [workspaceId],
  );
}, 60_000);
beforeEach(async () => {
  sent = [];
  answer = () => accepted;
  await owner.query('DELETE FROM counted_sends');
  await owner.query('DELETE FROM capacity_uses');
  await owner.query('DELETE FROM capacity_waits');
});
afterAll(async () => {
  await contexts.close();
  await database.close();
  await owner.end();
  await fresh.drop();
});

const inWorkspace = <T>(work: Parameters<typeof database.inWorkspace<T>>[1]) =>
  database.inWorkspace(workspaceId, work);
const setRules = (rules: Partial<GateRules>) =>
  inWorkspace((sql) => writeGate(sql, workspaceId, GateChange.parse(rules), 'the spec'));
const cap = (limit: number) => ({ key: 'cap', limit, per: 'day' }) as GateRules['caps'][number];
const accept = async (
  profile: string | { email: string },
  more: { class?: MessageClass; topic?: string; priority?: number; sendAt?: string; test?: true } = {},
): Promise<string> => {
  const { test, ...rest } = { class: 'marketing', ...more };
  const result = await acceptance.accept(workspaceId, {
    message: SendMessage.parse({
      to: typeof profile === 'string' ? { profile } : profile,
      channels: ['email'],
      content: { email: { subject: 's', text: 'Hello' } },
      ...rest,
    }),
    idempotencyKey: null,
    ...(test ? { source: { kind: 'test' as const } } : {}),
  });
  if (!result.ok) throw new Error(result.detail);
  return result.message.deliveries[0]?.id ?? '';
};
interface Row {
  status: string;
  reason: string | null;
  gate_version: number | null;
  gate_said: string | null;
}
const rowsOf = async (ids: readonly string[]) =>
  (
    await owner.query<Row>(
      'SELECT status, reason, gate_version, gate_said FROM deliveries WHERE id = ANY($1::uuid[]) ORDER BY id',
      [ids],
    )
  ).rows;
/** Works what is queued until nothing is, as jobs and clock would. */
const workAll = async (ids: readonly string[], deliverers: readonly Deliverer[]) => {
  for (;;) {
    const { rows } = await owner.query<{ id: string }>(
      `SELECT id FROM deliveries WHERE id = ANY($1::uuid[]) AND status = 'queued'`,
      [ids],
    );
    if (rows.length === 0) return;
    await Promise.all(rows.map(({ id }, n) => deliverers[n % deliverers.length]!.deliver([id], signal)));
  }
};
const tally = (rows: readonly Row[]) => {
  const counts: Record<string, number> = {};
  for (const { status, reason } of rows) {
    const key = reason ? `${status} ${reason}` : status;
    counts[key] = (counts[key] ?? 0) + 1;
  }
  return counts;
};
const aRun = async (
  source: 'campaign' | 'api' = 'campaign',
  more: { priority?: number; people?: string } = {},
) => {
  const run = await inWorkspace(async (sql) => {
    const planned = await planRun(sql, workspaceId, {
      source: { kind: source, id: null },
      channel: 'email',
      messageClass: 'marketing',
      content: { email: { subject: 's', text: 'Hello' } },
      options: { priority: more.priority ?? 50 },
      audience: {
        query: {
          text: 'SELECT id AS profile_id, NULL::text AS key, NULL::jsonb AS data FROM profiles WHERE workspace_id = $1 AND external_id ~ $2',
          params: [workspaceId, more.people ?? '.'],
        },
      },
    });
    await changeRun(sql, workspaceId, planned.id, 'start');
    return planned;
  });
  const work = async () => {
    for (;;) {
      const ids = await database.acrossWorkspaces((sql) => releasePages(sql, 'email', 8));
      if (ids.length === 0) return;
      await Promise.all(ids.map((id) => aPageDeliverer().deliver(id, signal)));
    }
  };
  const rows = async () =>
    (
      await owner.query<Row & { profile_id: string }>(
        'SELECT profile_id, status, reason, gate_version, gate_said FROM deliveries WHERE message_id = $1',
        [run.messageId],
      )
    ).rows;
  return { work, rows };
};

const anHour = () => new Date(Date.now() + 3_600_000).toISOString();
const makeDue = (ids: readonly string[]) =>
  owner.query(
    `UPDATE deliveries SET status = 'queued', due_at = now() WHERE id = ANY($1::uuid[]) AND status = 'scheduled'`,
    [ids],
  );

describe('arbitration', () => {
  const ahead = (then: 'wait' | 'suppress' = 'wait') =>
    setRules({ caps: [cap(1)], arbitration: { lookAhead: '1d', then } });

  it('leaves the last place to what is of higher priority and comes later', async () => {
    await ahead('suppress');
    const higher = await accept('p40', { priority: 80, sendAt: anHour() });
    const lower = await accept('p40', { priority: 50 });
    const another = await accept('p41', { priority: 50 });
    await workAll([lower, another], [aDeliverer()]);
    expect(tally(await rowsOf([lower, another]))).toEqual({ 'suppressed outranked': 1, sent: 1 });
    await makeDue([higher]);
    await workAll([higher], [aDeliverer()]);
    expect(tally(await rowsOf([higher]))).toEqual({ sent: 1 });
    const [line] = (
      await owner.query<{ gate: string }>(
        `SELECT detail->>'gate' AS gate FROM delivery_events WHERE delivery_id = $1 AND type = 'suppressed'`,
        [lower],
      )
    ).rows;
    expect(line?.gate).toMatch(
      /arbitration: suppress \(outranked\) “cap” allows 1, .* \(priority 80; this one has 50\)/,
    );
  });

  it('lets it wait, and sends it when the other one did not go out after all', async () => {
    await ahead();
    const higher = await accept('p42', { priority: 80, sendAt: anHour() });
    const lower = await accept('p42');
    await workAll([lower], [aDeliverer()]);
    expect(tally(await rowsOf([lower]))).toEqual({ 'scheduled higher_priority': 1 });
    await owner.query(`UPDATE deliveries SET status = 'cancelled', due_at = NULL WHERE id = $1`, [higher]);
    await makeDue([lower]);
    await workAll([lower], [aDeliverer()]);
    expect(tally(await rowsOf([lower]))).toEqual({ sent: 1 });
  });

  it('is by the order of acceptance where the scores are equal, whoever is worked first', async () => {
    await ahead('suppress');
    const first = await accept('p43');
    const second = await accept('p43');
    await workAll([second], [aDeliverer()]);
    await workAll([first], [aDeliverer()]);
    expect((await rowsOf([first, second])).map((r) => r.reason ?? r.status)).toEqual(['sent', 'outranked']);
  });

  it('holds for pages: a mailing leaves the places of people whom a single message of higher priority is to reach', async () => {
    await ahead('suppress');
    const higher = await accept('p44', { priority: 80, sendAt: anHour() });
    const run = await aRun('campaign', { people: '^p4[4-7]$' });
    await run.work();
    expect(tally(await run.rows())).toEqual({ sent: 3, 'suppressed outranked': 1 });
    expect((await run.rows()).find((r) => r.status === 'suppressed')?.gate_said).toContain('priority 80');
    await owner.query(`UPDATE deliveries SET status = 'cancelled', due_at = NULL WHERE id = $1`, [higher]);
  });

  it('is asked by nobody who does not look ahead, and not about what is transactional', async () => {
    await setRules({ caps: [cap(1)] });
    const higher = await accept('p48', { priority: 80, sendAt: anHour() });
    const lower = await accept('p48', { priority: 50 });
    await workAll([lower], [aDeliverer()]);
    await ahead();
    const code = await accept('p48', { class: 'transactional' });
    await workAll([code], [aDeliverer()]);
    expect(tally(await rowsOf([lower, code]))).toEqual({ sent: 2 });
    await owner.query(`UPDATE deliveries SET status = 'cancelled', due_at = NULL WHERE id = $1`, [higher]);
  });
});

describe('capacity', () => {
  const calls = (limit: number) =>
    setRules({ capacities: [{ key: 'calls', channels: [], topics: [], limit, per: 'day', every: 1 }] });
  const used = async () =>
    (
      await owner.query<{ used: number }>('SELECT used FROM capacity_uses WHERE workspace_id = $1', [
        workspaceId,
      ])
    ).rows[0]?.used ?? 0;
  const nextDay = () => owner.query(`UPDATE capacity_uses SET period_at = period_at - interval '1 day'`);

  it('of seven lets exactly seven of sixty out, whoever sends them at the same moment', async () => {
    await calls(7);
    const ids = await Promise.all(Array.from({ length: 60 }, (_, n) => accept(`p${100 + n}`)));
    await workAll(ids, [aDeliverer(), aDeliverer(), aDeliverer()]);
    expect(tally(await rowsOf(ids))).toEqual({ sent: 7, 'scheduled capacity': 53 });
    expect([sent.length, await used()]).toEqual([7, 7]);
  });

  it('gives the places of the next period to those of higher priority first', async () => {
    await calls(3);
    const ids = [];
    for (const priority of [10, 90, 50, 90, 50, 10, 90, 10, 50])
      ids.push({ priority, id: await accept(`p${200 + ids.length}`, { priority }) });
    const all = ids.map((i) => i.id);
    await calls(0);
    await workAll(all, [aDeliverer()]);
    expect(tally(await rowsOf(all))).toEqual({ 'scheduled capacity': 9 });
    await calls(3);
    for (const expected of [90, 50, 10]) {
      await nextDay();
      // The lowest comes back first, and leaves the places to those that wait.
      for (const { id } of [...ids].sort((a, b) => a.priority - b.priority)) {
        await makeDue([id]);
        await workAll([id], [aDeliverer()]);
      }
      const { rows } = await owner.query<{ id: string }>(
        `SELECT id FROM deliveries WHERE id = ANY($1::uuid[]) AND status = 'sent'`,
        [all],
      );
      expect(rows.length).toBe({ 90: 3, 50: 6, 10: 9 }[expected]);
      expect(ids.filter((i) => i.priority >= expected).every((i) => rows.some((r) => r.id === i.id))).toBe(
        true,
      );
    }
  });

  it('holds for pages, which wait as pages; a mailing of higher priority goes first', async () => {
    await calls(10);
    const low = await aRun('campaign', { people: '^p3\\d\\d$', priority: 20 });
    const high = await aRun('campaign', { people: '^p[12]0\\d$', priority: 80 });
    await low.work();
    expect([tally(await low.rows()), tally(await high.rows())]).toEqual([{}, { sent: 10 }]);
    await nextDay();
    await owner.query('UPDATE runs SET next_release_at = NULL');
    await low.work();
    expect([tally(await low.rows()), tally(await high.rows())]).toEqual([{}, { sent: 20 }]);
    await nextDay();
    await owner.query('UPDATE runs SET next_release_at = NULL');
    await low.work();
    expect(tally(await low.rows())).toEqual({ sent: 10 });
    expect(await used()).toBe(10);
    const items = await inWorkspace((sql) => capacityUses(sql, workspaceId));
    expect(items).toMatchObject([{ key: 'calls', limit: 10, used: 10, waiting: 90 }]);
    await owner.query(`UPDATE runs SET state = 'cancelled'`);
  });

  it('keeps the place of what is tried again, and is not for transactional messages', async () => {
    await calls(1);
    answer = () => ({ kind: 'deferred', answer: {} });
    const later = await accept('p400');
    await workAll([later], [aDeliverer()]);
    answer = () => accepted;
    await makeDue([later]);
    await workAll([later], [aDeliverer()]);
    const code = await accept('p401', { class: 'transactional' });
    await workAll([code], [aDeliverer()]);
    expect(tally(await rowsOf([later, code]))).toEqual({ sent: 2 });
  });
});

describe('frequency caps', () => {
  it('count for an address without a person as well', async () => {
    await setRules({ caps: [cap(2)] });
    const ids = await Promise.all(Array.from({ length: 20 }, () => accept({ email: 'guest@example.com' })));
    const other = await accept({ email: 'other@example.com' });
    await workAll([...ids, other], [aDeliverer(), aDeliverer()]);
    expect(tally(await rowsOf(ids))).toEqual({ sent: 2, 'suppressed frequency_cap': 18 });
    expect(tally(await rowsOf([other]))).toEqual({ sent: 1 });
  });

  it('of three let exactly three of a hundred through, whoever sends them at the same moment', async () => {
    const { version } = await setRules({ caps: [cap(3)] });
    const ids = await Promise.all(Array.from({ length: 100 }, () => accept('p1')));
    await workAll(ids, [aDeliverer(), aDeliverer(), aDeliverer()]);
    const rows = await rowsOf(ids);
    expect(tally(rows)).toEqual({ sent: 3, 'suppressed frequency_cap': 97 });
    expect(sent).toHaveLength(3);
    expect(new Set(rows.map((r) => r.gate_version))).toEqual(new Set([version]));
  });

  it('count what goes out in one list as well', async () => {
    await setRules({ caps: [cap(3)] });
    const ids = await Promise.all(Array.from({ length: 20 }, () => accept('p2')));
    await aDeliverer().deliver(ids, signal);
    await workAll(ids, [aDeliverer()]);
    expect(tally(await rowsOf(ids))).toEqual({ sent: 3, 'suppressed frequency_cap': 17 });
  });

  it('do not count what did not go out in the end', async () => {
    await setRules({ caps: [cap(1)] });
    answer = () => ({ kind: 'rejected', reason: 'content_refused', answer: {} });
    const refused = await accept('p3');
    await workAll([refused], [aDeliverer()]);
    answer = () => accepted;
    const ids = [await accept('p3'), await accept('p3')];
    await workAll(ids, [aDeliverer()]);
    expect(tally(await rowsOf([refused, ...ids]))).toEqual({
      'failed content_refused': 1,
      sent: 1,
      'suppressed frequency_cap': 1,
    });
  });

  it('keep the place of what is tried again', async () => {
    await setRules({ caps: [cap(1)] });
    answer = () => ({ kind: 'deferred', answer: {} });
    const later = await accept('p4');
    await workAll([later], [aDeliverer()]);
    answer = () => accepted;
    const other = await accept('p4');
    await workAll([other], [aDeliverer()]);
    await owner.query(`UPDATE deliveries SET status = 'queued' WHERE id = $1`, [later]);
    await workAll([later], [aDeliverer()]);
    expect(tally(await rowsOf([later]))).toEqual({ sent: 1 });
    expect(tally(await rowsOf([other]))).toEqual({ 'suppressed frequency_cap': 1 });
  });

  it('leave alone, and do not count, tests and what is transactional', async () => {
    await setRules({ caps: [cap(1)], testProfiles: ['p6'] });
    const free = [
      ...(await Promise.all([1, 2].map(() => accept('p5', { test: true })))),
      ...(await Promise.all([1, 2].map(() => accept('p5', { class: 'transactional' })))),
      ...(await Promise.all([1, 2].map(() => accept('p6')))),
    ];
    await workAll(free, [aDeliverer()]);
    expect(tally(await rowsOf(free))).toEqual({ sent: 6 });
    const ids = [await accept('p5'), await accept('p5')];
    await workAll(ids, [aDeliverer()]);
    expect(tally(await rowsOf(ids))).toEqual({ sent: 1, 'suppressed frequency_cap': 1 });
  });

  it('count what they do not hold back, once however often it is tried, and forget what no window reaches', async () => {
    await setRules({ caps: [{ ...cap(3), class: 'all' }] });
    const { rows } = await owner.query<{ id: string }>(`SELECT id FROM profiles WHERE external_id = 'p8'`);
    const person = rows[0]!.id;
    const listOf = async () =>
      (
        await owner.query<{ id: string; topic: string | null; secondsAgo: number }>(
          `SELECT s->>1 AS id, s->>4 AS topic, round(extract(epoch FROM now()) - (s->>0)::numeric / 1000)::int AS "secondsAgo"
             FROM counted_sends, jsonb_array_elements(sends) AS s WHERE profile_id = $1`,
          [person],
        )
      ).rows;
    const day = 86_400_000;
    await owner.query(`INSERT INTO counted_sends (workspace_id, profile_id, sends) VALUES ($1, $2, $3)`, [
      workspaceId,
      person,
      JSON.stringify([95, 2].map((days) => [Date.now() - days * day, `${days}`, 'email', 'marketing', null])),
    ]);
    answer = () => ({ kind: 'deferred', answer: {} });
    const code = await accept('p8', { class: 'transactional', topic: 'codes' });
    await workAll([code], [aDeliverer()]);
    answer = () => accepted;
    await owner.query(`UPDATE deliveries SET status = 'queued' WHERE id = $1`, [code]);
    await workAll([code], [aDeliverer()]);
    const counted = await listOf();
    expect(counted.map(({ id, topic }) => ({ id, topic }))).toEqual([
      { id: '2', topic: null },
      { id: code, topic: 'codes' },
    ]);
    expect(Math.abs(counted[1]!.secondsAgo)).toBeLessThan(60);

    const more = await Promise.all(
      Array.from({ length: 10 }, (_, n) => accept('p8', { class: n < 5 ? 'transactional' : 'marketing' })),
    );
    await workAll(more, [aDeliverer(), aDeliverer()]);
    const codes = await rowsOf(more.slice(0, 5));
    expect(tally(codes)).toEqual({ sent: 5 });
    const others = tally(await rowsOf(more.slice(5)));
    expect((others['sent'] ?? 0) + (others['suppressed frequency_cap'] ?? 0)).toBe(5);
    expect(others['sent'] ?? 0).toBeLessThanOrEqual(2);
    const ids = (await listOf()).map(({ id }) => id);
    expect(ids).toEqual([...new Set(ids)]);
    expect(ids).toEqual(expect.arrayContaining(more.slice(0, 5)));
    const late = await accept('p8');
    await workAll([late], [aDeliverer()]);
    expect(tally(await rowsOf([late]))).toEqual({ 'suppressed frequency_cap': 1 });
  });

  it('stand and fall with the mark: what cannot be counted does not leave, and does later', async () => {
    await setRules({ caps: [{ ...cap(3), class: 'all' }] });
    const code = await accept('p9', { class: 'transactional' });
    await owner.query(
      `ALTER TABLE counted_sends ADD CONSTRAINT nothing_counts CHECK (sends = '[]') NOT VALID`,
    );
    await expect(aDeliverer().deliver([code], signal)).rejects.toThrow();
    await owner.query('ALTER TABLE counted_sends DROP CONSTRAINT nothing_counts');
    expect(sent).toEqual([]);
    expect(tally(await rowsOf([code]))).toEqual({ sending: 1 });
    await owner.query(`UPDATE deliveries SET status = 'queued' WHERE id = $1`, [code]);
    await workAll([code], [aDeliverer()]);
    expect(tally(await rowsOf([code]))).toEqual({ sent: 1 });
  });

  it('can be reset for a person', async () => {
    await setRules({ caps: [cap(1)] });
    const one = await accept('p7');
    await workAll([one], [aDeliverer()]);
    const { rows } = await owner.query<{ id: string }>(`SELECT id FROM profiles WHERE external_id = 'p7'`);
    expect(await inWorkspace((sql) => resetCaps(sql, workspaceId, [rows[0]!.id]))).toBe(1);
    const two = await accept('p7');
    await workAll([two], [aDeliverer()]);
    expect(tally(await rowsOf([one, two]))).toEqual({ sent: 2 });
  });

  it('hold for pages and single messages together, when they meet', async () => {
    await setRules({ caps: [cap(1)] });
    const [first, second] = [await aRun(), await aRun()];
    const singles = await Promise.all(Array.from({ length: 30 }, (_, n) => accept(`p${n + 1}`)));
    await Promise.all([first.work(), second.work(), workAll(singles, [aDeliverer(), aDeliverer()])]);
    await first.work();
    await second.work();
    const rows = [...(await first.rows()), ...(await second.rows()), ...(await rowsOf(singles))];
    expect(tally(rows)).toEqual({ sent: 600, 'suppressed frequency_cap': 630 });
    expect(new Set(sent.map((m) => m.address)).size).toBe(600);
    const stopped = (await second.rows()).find((r) => r.reason === 'frequency_cap');
    expect(stopped?.gate_said).toBe('frequency caps: suppress (frequency_cap) “cap” allows 1, 1 were sent');
  });
});

describe('rules that change', () => {
  const allDay = { key: 'always', periods: [{ from: '00:00', to: '24:00' }] };
  const nights = (hour: number) => {
    const clock = (h: number) => `${String((h + 24) % 24).padStart(2, '0')}:00`;
    return { key: 'now', zone: 'UTC', periods: [{ from: clock(hour - 1), to: clock(hour + 2) }] };
  };

  it('hold for the next claim, and say why', async () => {
    await setRules({});
    const before = await accept('p20');
    await workAll([before], [aDeliverer()]);
    const { version } = await setRules({
      quietHours: [nights(new Date().getUTCHours())] as unknown as GateRules['quietHours'],
    });
    const ids = [await accept('p20'), await accept('p20', { class: 'transactional' })];
    await workAll(ids, [aDeliverer()]);
    const [waiting, through] = await rowsOf(ids);
    expect(waiting).toMatchObject({ status: 'scheduled', reason: 'quiet_hours', gate_version: version });
    expect(through).toMatchObject({ status: 'sent', gate_version: version });
    const { rows } = await owner.query<{ detail: { gate: string; gateVersion: number } }>(
      `SELECT detail FROM delivery_events WHERE delivery_id = $1 AND type = 'deferred'`,
      [ids[0]],
    );
    expect(rows[0]?.detail).toEqual({
      gate: expect.stringContaining('quiet hours: wait (quiet_hours) “now”, it is'),
      gateVersion: version,
    });
  });

  it('let a whole run wait as rows, or discard it', async () => {
    await setRules({ quietHours: [nights(new Date().getUTCHours())] as unknown as GateRules['quietHours'] });
    const waits = await aRun();
    await waits.work();
    expect(tally(await waits.rows())).toEqual({ 'scheduled quiet_hours': 600 });
    const { version } = await setRules({ quietHours: [allDay] as unknown as GateRules['quietHours'] });
    const discarded = await aRun();
    await discarded.work();
    const rows = await discarded.rows();
    expect(tally(rows)).toEqual({ 'suppressed quiet_hours_discarded': 600 });
    expect(rows[0]).toMatchObject({ gate_version: version });
    expect(sent).toHaveLength(0);
  });

  it('are refused when somebody else was faster, or when a zone is none', async () => {
    const { version } = await setRules({});
    await setRules({});
    await expect(
      inWorkspace((sql) => writeGate(sql, workspaceId, GateChange.parse({ ifVersion: version }), 'x')),
    ).rejects.toThrow(`not ${version}`);
    await expect(
      setRules({ quietHours: [{ ...allDay, zone: 'Mars/Olympus' }] as unknown as GateRules['quietHours'] }),
    ).rejects.toThrow('/quietHours/0/zone');
  });

  it('can be tried before they are saved', async () => {
    await setRules({ caps: [cap(5)] });
    const asked = { profile: 'p30', channel: 'email', class: 'marketing', priority: 50 } as const;
    const tried = (rules?: Partial<GateRules>) =>
      inWorkspace((sql) =>
        tryGate(sql, workspaceId, { ...asked, ...(rules ? { rules: GateChange.parse(rules) } : {}) }),
      );
    expect(await tried()).toMatchObject({
      verdict: 'send',
      zone: { zone: 'Europe/Berlin', source: 'profile' },
    });
    expect(await tried({ caps: [cap(0)] })).toMatchObject({ verdict: 'suppress', reason: 'frequency_cap' });
    expect(await tried({ allowList: ['@else.example'] })).toMatchObject({ reason: 'not_on_allow_list' });
    expect((await tried())?.rules.map((r) => r.rule)).toContain('frequency caps');
    expect(sent).toHaveLength(0);
  });
});
