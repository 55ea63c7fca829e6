/** Campaigns from draft to reconciled numbers, with their clock and the real bulk lane; the provider's answers are the test's. */
import { loadConfig, useConfig } from '@carillon/config';
import {
  CampaignCalendarQuery,
  GateChange,
  CampaignSave,
  type Campaign,
  type CampaignDefinition,
  type CampaignNumbers,
} from '@carillon/contracts';
import { Database, ensurePartitions, newId } from '@carillon/database';
import { PageDeliverer } from '@carillon/delivery-dispatcher';
import { defineChannel, type Channel, type Outcome, type Outgoing } from '@carillon/delivery-rules';
import {
  applyReceipts,
  DeliveryHints,
  links,
  releasePages,
  SendContexts,
  writeGate,
  type AcceptResult,
  type SendRequest,
} from '@carillon/delivery-service';
import type { Queues } from '@carillon/queue';
import {
  approveCampaign,
  chooseWinner,
  showTest,
  CampaignClock,
  campaignCalendar,
  campaignChanges,
  campaignEdits,
  campaignFunnel,
  campaignNumbers,
  cancelCampaign,
  campaignsBefore,
  cloneCampaign,
  createCampaign,
  pauseCampaign,
  prepareCampaign,
  rejectCampaign,
  resumeCampaign,
  saveCampaign,
  showCampaign,
  startCampaign,
} from './index.js';
import { freshDatabase, type FreshDatabase } from '@carillon/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import pg from 'pg';

let fresh: FreshDatabase;
let owner: pg.Client;
let database: Database;
let contexts: SendContexts;
let clock: CampaignClock;
let sent: Outgoing<string>[];
let answer: (message: Outgoing<string>) => Outcome;
const workspaceId = newId();
const { signal } = new AbortController();
const PEOPLE = 300;
const content = {
  email: { subject: 'Spring', text: 'Hello {{ profile.externalId }} {{ unsubscribe_url }}' },
};

const channel = defineChannel<string>({
  channel: 'email',
  addresses: (r) => (r.email ? [{ address: r.email }] : []),
  render: ({ content: said }) => ({ ok: true, rendered: said.email?.subject ?? '', warnings: [] }),
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
const queues = { offer: () => Promise.resolve(true), send: () => Promise.resolve() } as unknown as Queues;

/** What seeds are sent: that they arrive is accepting's own affair. */
let seeded: (string | null)[] = [];
const seedsTo = {
  acceptAll: (_: string, requests: readonly SendRequest[]) => {
    seeded.push(...requests.map((r) => r.idempotencyKey));
    return Promise.resolve(requests.map((): AcceptResult => ({ ok: false, detail: '' }) as AcceptResult));
  },
};
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
  clock = new CampaignClock(database, seedsTo);
  await ensurePartitions(database);
  await owner.query(`INSERT INTO workspaces (id, slug, name) VALUES ($1, 'w', 'W')`, [workspaceId]);
  await owner.query(
    `INSERT INTO provider_accounts (id, workspace_id, channel, provider, name) VALUES ($1, $2, 'email', 'scripted', 'First')`,
    [newId(), workspaceId],
  );
  await owner.query(
    `INSERT INTO profiles (id, workspace_id, external_id, email, timezone)
     SELECT gen_random_uuid(), $1, 'p' || n, 'p' || n || '@example.com', CASE n % 3 WHEN 0 THEN 'Asia/Tokyo' WHEN 1 THEN 'Europe/Berlin' END FROM generate_series(1, $2::int) AS n`,
    [workspaceId, PEOPLE],
  );
  await owner.query(
    `INSERT INTO audiences (id, workspace_id, key, name, kind, mentions) VALUES ($1, $3, 'everybody', 'Everybody', 'list', '{}'), ($2, $3, 'nobody', 'Nobody', 'list', '{}')`,
    [newId(), newId(), workspaceId],
  );
  await owner.query(
    `INSERT INTO audience_members (workspace_id, audience_id, profile_id, seq)
     SELECT $1, a.id, p.id, row_number() OVER () FROM profiles p, audiences a WHERE a.key = 'everybody'`,
    [workspaceId],
  );
}, 60_000);
beforeEach(async () => {
  await owner.query('DELETE FROM suppressions');
  sent = [];
  answer = () => ({ kind: 'accepted', providerMessageId: 'x', answer: {} });
});
afterAll(async () => {
  await contexts.close();
  await database.close();
  await owner.end();
  await fresh.drop();
});

const within = <T>(work: Parameters<typeof database.inWorkspace<T>>[1]) =>
  database.inWorkspace(workspaceId, work);
const write = (more: Partial<CampaignDefinition> = {}): Promise<Campaign> =>
  within((sql) => createCampaign(sql, workspaceId, saved(more), { name: 'Ada', actor: 'user:a' }));
const saved = (more: Partial<CampaignDefinition>) =>
  CampaignSave.parse({
    name: 'Spring',
    definition: { audience: 'everybody', channels: ['email'], content, ...more },
  });
const prepared = (id: string) => within((sql) => prepareCampaign(sql, workspaceId, id, {}));
const started = (id: string) => within((sql) => startCampaign(sql, workspaceId, id, {}));
const shown = async (id: string) => (await within((sql) => showCampaign(sql, workspaceId, id)))!;
const tick = async () => {
  await owner.query(
    "UPDATE campaigns SET due_at = now() - interval '1 second' WHERE due_at < now() + interval '5 seconds'",
  );
  return clock.tick();
};
const numbers = async (id: string, no?: number): Promise<CampaignNumbers> => {
  const found = await within((sql) => campaignNumbers(sql, workspaceId, id, { no, reasons: true }));
  const { targeted, pending, sent: out, suppressed, failed, cancelled, expired, unknown } = found!;
  expect(pending + out + suppressed + failed + cancelled + expired + unknown).toBe(targeted);
  return found!;
};
const aPageDeliverer = () =>
  new PageDeliverer(
    channel,
    database,
    queues,
    contexts,
    new DeliveryHints(database),
    { render: (_, inputs) => Promise.resolve(inputs.map((input) => channel.render(input))) },
    {
      take: (_: unknown, __: unknown, want: number) => Promise.resolve({ granted: want, waitMs: 0 }),
      report: () => Promise.resolve(),
    } as never,
    () => 0,
  );
/** Works pages as clock, queue and dispatcher would, at most so many. */
const workPages = async (most = Infinity) => {
  for (let n = 0; ;) {
    await owner.query(`UPDATE runs SET next_release_at = NULL`);
    await database.acrossWorkspaces((sql) => releasePages(sql, 'email'));
    const { rows } = await owner.query<{ id: string }>(
      `SELECT p.id FROM pages p JOIN runs r ON r.id = p.run_id WHERE p.state = 'released' AND r.state = 'running' ORDER BY p.no`,
    );
    if (rows.length === 0) return;
    for (const { id } of rows) {
      if (n >= most) return;
      await aPageDeliverer().deliver(id, signal);
      n += 1;
    }
  }
};
const toTheEnd = async (id: string) => {
  await prepared(id);
  await started(id);
  await tick();
  await workPages();
  await tick();
  return shown(id);
};

describe('a campaign', () => {
  it('is prepared, started, sent once to everybody, and ends with numbers that add up', async () => {
    const draft = await write();
    expect(draft).toMatchObject({ state: 'draft', version: 1, runs: [] });
    await expect(started(draft.id)).rejects.toThrow('prepare it');
    const ready = await prepared(draft.id);
    expect(ready).toMatchObject({ state: 'prepared', report: { audience: PEOPLE, findings: [] } });
    expect(ready.report?.byChannel).toEqual([
      { channel: 'email', reachable: PEOPLE, noAddress: 0, optedOut: 0, suppressed: 0 },
    ]);
    expect(ready.report?.byZone).toEqual([
      { zone: 'Asia/Tokyo', people: 100 },
      { zone: 'Europe/Berlin', people: 100 },
      { zone: 'UTC', people: 100 },
    ]);
    expect(await started(draft.id)).toMatchObject({ state: 'scheduled' });
    // Two clocks at once.
    await Promise.all([tick(), new CampaignClock(database, seedsTo).tick()]);
    expect(await numbers(draft.id)).toMatchObject({ state: 'running', targeted: PEOPLE, pending: PEOPLE });
    await workPages();
    await tick();
    expect(await shown(draft.id)).toMatchObject({
      state: 'completed',
      runs: [{ no: 1, state: 'completed', targeted: PEOPLE }],
    });
    expect(await numbers(draft.id)).toMatchObject({ sent: PEOPLE, pending: 0 });
    expect(new Set(sent.map((m) => m.address)).size).toBe(PEOPLE);
    expect(sent).toHaveLength(PEOPLE);
  });

  it('that would go wrong says so, and does not start', async () => {
    const { id } = await write({
      audience: 'nobody',
      channels: ['email', 'sms'],
      content: { email: { subject: 's', text: 'No way out' } },
    });
    const { state, report } = await prepared(id);
    expect(state).toBe('draft');
    expect(report?.findings.map((f) => f.code).sort()).toEqual([
      'empty_audience',
      'no_account',
      'no_content',
      'no_unsubscribe_link',
    ]);
    await expect(started(id)).rejects.toThrow('has not been prepared');
    const missing = await prepared(
      (await write({ audience: 'gone', content: undefined, template: 'gone' })).id,
    );
    expect(missing.report?.findings.map((f) => f.code)).toEqual(['unknown_template', 'unknown_audience']);
  });

  it('that was changed is a draft again, and a change of an older version is refused', async () => {
    const { id } = await write();
    await prepared(id);
    const change = (ifVersion: number) =>
      within((sql) =>
        saveCampaign(
          sql,
          workspaceId,
          id,
          { ...saved({ rate: 5 }), ifVersion },
          { name: 'Ada', actor: 'user:a' },
        ),
      );
    expect(await change(1)).toMatchObject({ state: 'draft', version: 2, report: null });
    await expect(change(1)).rejects.toThrow('at version 2, not 1');
    const edits = await within((sql) => campaignEdits(sql, workspaceId, id, { limit: 10 }));
    expect(edits).toMatchObject({
      items: [
        { version: 2, by: 'Ada', changes: [{ at: '/rate', before: null, after: 5 }] },
        { version: 1, by: 'Ada', changes: [] },
      ],
      next: null,
    });
    const [last] = (await within((sql) => campaignEdits(sql, workspaceId, id, { limit: 1 })))!.items;
    expect(last).toEqual(edits!.items[0]);
  });

  it('is approved of by somebody else, where that is the policy', async () => {
    const policy = (approvals: string) =>
      owner.query(`UPDATE workspaces SET settings = settings || jsonb_build_object('approvals', $1::text)`, [
        approvals,
      ]);
    await policy('another_person');
    const { id } = await write();
    await prepared(id);
    const approve = (actor: string) =>
      within((sql) => approveCampaign(sql, workspaceId, id, { comment: 'Fine' }, { name: 'Grace', actor }));
    await expect(started(id)).rejects.toThrow('approved of by somebody who did not write it');
    await expect(approve('user:a')).rejects.toThrow('You wrote it');
    expect(await approve('user:g')).toMatchObject({ approval: { by: 'Grace', comment: 'Fine' } });
    expect(await prepared(id)).toMatchObject({ approval: null });
    await approve('user:g');
    expect(await started(id)).toMatchObject({ state: 'scheduled' });
    await within((sql) => cancelCampaign(sql, workspaceId, id, {}));
    await policy('none');
  });

  it('is approved of by whom the rules name, and sent back with what is to be changed', async () => {
    await owner.query(`UPDATE workspaces SET settings = settings || $1`, [
      { approvals: [{ when: { morePeopleThan: PEOPLE - 1 }, by: { roles: ['owner'] } }] },
    ]);
    const small = await write({ audience: { profiles: ['p1'] } });
    expect(await prepared(small.id)).toMatchObject({ approvalBy: null });
    expect(await started(small.id)).toMatchObject({ state: 'scheduled' });
    await within((sql) => cancelCampaign(sql, workspaceId, small.id, {}));

    const { id } = await write();
    expect(await prepared(id)).toMatchObject({ approvalBy: { roles: ['owner'] } });
    await expect(started(id)).rejects.toThrow('approved of by an owner');
    const approve = (role: 'owner' | 'editor') =>
      within((sql) =>
        approveCampaign(sql, workspaceId, id, { comment: '' }, { name: 'Grace', actor: 'user:g', role }),
      );
    await expect(approve('editor')).rejects.toThrow('approved of by an owner');
    const sentBack = await within((sql) =>
      rejectCampaign(sql, workspaceId, id, { comment: 'No' }, { name: 'Grace', actor: 'user:g' }),
    );
    expect(sentBack).toMatchObject({ state: 'draft', reason: 'Grace asks for changes: No' });
    expect(await prepared(id)).toMatchObject({ state: 'prepared', reason: null });
    await approve('owner');
    expect(await started(id)).toMatchObject({ state: 'scheduled' });
    await within((sql) => cancelCampaign(sql, workspaceId, id, {}));
    await owner.query(`UPDATE workspaces SET settings = settings - 'approvals'`);
  });

  it('goes to those that were looked at, and tells what is not as it was', async () => {
    const rule = (zone: string, version: number) =>
      owner.query(
        `INSERT INTO audiences (id, workspace_id, key, name, kind, definition, version, mentions) VALUES ($1, $2, 'zoned', 'Zoned', 'rule', $3, $4, '{}')
         ON CONFLICT (workspace_id, key) DO UPDATE SET definition = EXCLUDED.definition, version = EXCLUDED.version`,
        [newId(), workspaceId, { where: { field: 'timezone', is: zone } }, version],
      );
    await rule('Asia/Tokyo', 1);
    // By way of another, whose members are kept, and would follow from the new rule.
    await owner.query(
      `INSERT INTO audiences (id, workspace_id, key, name, kind, definition, live, mentions) VALUES ($1, $2, 'outer', 'Outer', 'rule', '{"where": {"audience": "zoned"}}', true, '{}')`,
      [newId(), workspaceId],
    );
    const follow = () =>
      owner.query(
        `INSERT INTO audience_members (workspace_id, audience_id, profile_id, seq)
         SELECT p.workspace_id, a.id, p.id, row_number() OVER () FROM profiles p, audiences a, audiences z WHERE a.key = 'outer' AND z.key = 'zoned' AND p.timezone = z.definition->'where'->>'is'`,
      );
    await follow();
    const first = await write({ audience: 'outer' });
    await prepared(first.id);
    await rule('Europe/Berlin', 2);
    await owner.query(
      `DELETE FROM audience_members USING audiences a WHERE a.id = audience_id AND a.key = 'outer'`,
    );
    await follow();
    await started(first.id);
    await tick();
    await workPages();
    await tick();
    const zones = await owner.query(
      `SELECT DISTINCT p.timezone FROM deliveries d JOIN profiles p ON p.id = d.profile_id JOIN runs r ON r.id::text = d.source_id WHERE r.source_id = $1`,
      [first.id],
    );
    expect(zones.rows).toEqual([{ timezone: 'Asia/Tokyo' }]);

    const changes = (id: string) => within((sql) => campaignChanges(sql, workspaceId, id, {}));
    expect(await changes(first.id)).toMatchObject({ no: null, against: { no: 1 }, changes: [] });
    const copy = await within((sql) =>
      cloneCampaign(sql, workspaceId, first.id, {}, { name: 'Ada', actor: 'user:a' }),
    );
    const { name, definition } = copy;
    await within((sql) =>
      saveCampaign(
        sql,
        workspaceId,
        copy.id,
        { name, definition: { ...definition, priority: 70 } },
        { name: 'Ada', actor: 'user:a' },
      ),
    );
    await prepared(copy.id);
    expect(await changes(copy.id)).toMatchObject({
      no: null,
      against: { campaignId: first.id, no: 1 },
      changes: [
        { at: '/audiences/zoned/where/is', before: 'Asia/Tokyo', after: 'Europe/Berlin' },
        { at: '/people/zones/Asia~1Tokyo', after: null },
        { at: '/people/zones/Europe~1Berlin', before: null },
        { at: '/priority', before: 50, after: 70 },
      ],
    });
    const fresh = await write();
    expect(await changes(fresh.id)).toEqual({ no: null, against: null, changes: [] });
  });

  it('foretells what texts cost by the beginning of numbers', async () => {
    await owner.query(
      `UPDATE profiles SET phone = '+4915' || (10000000 + substr(external_id, 2)::int) WHERE external_id IN ('p1', 'p2')`,
    );
    await owner.query(`UPDATE profiles SET phone = '+15005550006' WHERE external_id = 'p3'`);
    await owner.query(`UPDATE profiles SET phone = '+447911123456' WHERE external_id = 'p4'`);
    await owner.query(
      `INSERT INTO provider_accounts (id, workspace_id, channel, provider, name, prices) VALUES ($1, $2, 'sms', 'scripted', 'Texts', $3)`,
      [
        newId(),
        workspaceId,
        {
          currency: 'EUR',
          byPrefix: [
            { prefix: '+1', price: 0.01 },
            { prefix: '+49', price: 0.2 },
            { prefix: '+4915', price: 0.1 },
          ],
        },
      ],
    );
    const { id } = await write({ channels: ['sms'], content: { sms: { body: 'x'.repeat(200) } } });
    const { report } = await prepared(id);
    // Two parts each: two Germans, one American, and one whose number has no price.
    expect(report?.cost).toEqual({ channel: 'sms', currency: 'EUR', amount: 0.42, parts: 8, unpriced: 1 });
    await owner.query(`DELETE FROM provider_accounts WHERE channel = 'sms'`);
    await owner.query('UPDATE profiles SET phone = NULL');
  });

  it('can be paused, resumed and cancelled at any moment; nobody is lost or gets it twice', async () => {
    const { id } = await write({ rate: 20 });
    await prepared(id);
    await started(id);
    await tick();
    await workPages(3);
    await within((sql) => pauseCampaign(sql, workspaceId, id, { reason: 'Wait' }));
    await workPages();
    expect(await numbers(id)).toMatchObject({ state: 'paused', sent: 60, pending: PEOPLE - 60 });
    expect(await within((sql) => resumeCampaign(sql, workspaceId, id, {}))).toMatchObject({
      state: 'running',
    });
    await workPages(2);
    await within((sql) => cancelCampaign(sql, workspaceId, id, {}));
    await workPages();
    expect(await numbers(id)).toMatchObject({
      state: 'cancelled',
      sent: 100,
      cancelled: PEOPLE - 100,
      pending: 0,
    });
    expect(new Set(sent.map((m) => m.deliveryId)).size).toBe(100);
    await expect(within((sql) => resumeCampaign(sql, workspaceId, id, {}))).rejects.toThrow('is cancelled');
  });

  it('goes out at each person’s own time', async () => {
    const tomorrow = new Date(Date.now() + 2 * 86_400_000).toISOString().slice(0, 10);
    const { id } = await write({
      start: { kind: 'local', date: tomorrow, time: '09:00' },
      sendWithin: '12h',
    });
    await prepared(id);
    await started(id);
    await owner.query(
      `UPDATE campaigns SET starts_at = now() - interval '1 second', due_at = now() - interval '1 second' WHERE id = $1`,
      [id],
    );
    await clock.tick();
    await workPages();
    expect(sent).toHaveLength(0);
    const { rows } = await owner.query<{ at: Date; people: number; zone: string }>(
      `SELECT p.lease_until AS at, sum(p.hi - p.lo)::int AS people, min(coalesce(f.timezone, 'UTC')) AS zone
         FROM pages p JOIN campaign_parts c ON c.run_id = p.run_id JOIN run_members m ON m.run_id = p.run_id AND m.seq = p.lo JOIN profiles f ON f.id = m.profile_id
        WHERE c.campaign_id = $1 GROUP BY 1 ORDER BY 1`,
      [id],
    );
    expect(rows.map((r) => [r.zone, r.people])).toEqual([
      ['Asia/Tokyo', 100],
      ['Europe/Berlin', 100],
      ['UTC', 100],
    ]);
    expect(rows[0]?.at).toEqual(new Date(`${tomorrow}T00:00:00Z`));
    expect(rows[2]?.at).toEqual(new Date(`${tomorrow}T09:00:00Z`));
    // As if Tokyo's morning had come.
    await owner.query(`UPDATE pages SET lease_until = now() - interval '1 second' WHERE lease_until = $1`, [
      rows[0]?.at,
    ]);
    await workPages();
    expect(await numbers(id)).toMatchObject({ state: 'running', sent: 100, pending: 200 });
    // As if Berlin’s had, and twelve hours more.
    await owner.query(
      `UPDATE pages SET lease_until = now() - interval '1 second', expires_at = expires_at - (lease_until - now()) - interval '12 hours' WHERE lease_until = $1`,
      [rows[1]?.at],
    );
    await workPages();
    expect(await numbers(id)).toMatchObject({ sent: 100, expired: 100, pending: 100 });
    await within((sql) => cancelCampaign(sql, workspaceId, id, {}));
  });

  it('foretells its end by what its account may send while it warms up, and warns when that is too late', async () => {
    const day = (ms: number) => new Date(ms).toISOString().slice(0, 10);
    await owner.query(`UPDATE provider_accounts SET warm_up = $1 WHERE channel = 'email'`, [
      JSON.stringify({
        from: day(Date.now()),
        quotas: [1_000_000, 1_000_000, 1_000_000, 1_000_000],
        domains: [{ domains: ['example.com'], quotas: [50, 100, 140, 200] }],
      }),
    ]);
    const { report } = await prepared((await write({ sendWithin: '1d' })).id);
    await owner.query(`UPDATE provider_accounts SET warm_up = NULL`);
    expect(day(Date.parse(report!.endsAt!))).toBe(day(Date.parse(report!.at) + 3 * 86_400_000));
    expect(report!.findings).toMatchObject([{ level: 'warning', code: 'too_slow', at: '/sendWithin' }]);
    const quick = await prepared((await write({ sendWithin: '1d' })).id);
    expect(quick.report).toMatchObject({ endsAt: quick.report!.startsAt, findings: [] });
  });

  it('goes out at the hour that suits each person, where they are, within the hours that are allowed', async () => {
    const day = new Date(Date.now() + 3 * 86_400_000).toISOString().slice(0, 10);
    const profiles = ['p1', 'p2', 'p3', 'p4', 'p5', 'p6'];
    const opens = (externalId: string, hours: Record<number, number>) =>
      owner.query(
        `INSERT INTO open_hours (workspace_id, profile_id, hours) SELECT $1, id, $3 FROM profiles WHERE external_id = $2`,
        [workspaceId, externalId, Array.from({ length: 24 }, (_, n) => hours[n] ?? 0)],
      );
    // Hours of UTC. p1 and p4 live in Berlin, p3 and p6 in Tokyo, the others nowhere in particular.
    await opens('p1', { 16: 5, 8: 1 });
    await opens('p2', { 13: 4, 3: 9 });
    await opens('p3', { 6: 3 });
    await opens('p4', { 16: 2 });
    await opens('p5', { 12: 3, 9: 3 });
    const { id } = await write({
      audience: { profiles },
      start: { kind: 'best', date: day, from: 8, to: 20, otherwise: 10 },
    });
    await prepared(id);
    await started(id);
    await owner.query(
      `UPDATE campaigns SET starts_at = now() - interval '1 second', due_at = now() - interval '1 second' WHERE id = $1`,
      [id],
    );
    await clock.tick();
    const { rows } = await owner.query<{ who: string; at: Date; zone: string }>(
      `SELECT f.external_id AS who, p.lease_until AS at, coalesce(f.timezone, 'UTC') AS zone FROM campaign_parts c JOIN pages p ON p.run_id = c.run_id
         JOIN run_members m ON m.run_id = p.run_id AND m.seq >= p.lo AND m.seq < p.hi JOIN profiles f ON f.id = m.profile_id WHERE c.campaign_id = $1 ORDER BY 1`,
      [id],
    );
    const clockOf = (at: Date, timeZone: string) =>
      new Intl.DateTimeFormat('sv-SE', { timeZone, dateStyle: 'short', timeStyle: 'short' }).format(at);
    const berlin = new Intl.DateTimeFormat('en', {
      timeZone: 'Europe/Berlin',
      hour: 'numeric',
      hourCycle: 'h23',
    });
    const inBerlin = berlin.format(new Date(`${day}T16:00:00Z`));
    expect(rows.map(({ who, at, zone }) => [who, clockOf(at, zone)])).toEqual([
      ['p1', `${day} ${inBerlin}:00`],
      // At three in the morning is not allowed, and it is the second best that counts.
      ['p2', `${day} 13:00`],
      ['p3', `${day} 15:00`],
      // Twice says nothing.
      ['p4', `${day} 10:00`],
      // Of equal ones the nearest to the usual hour.
      ['p5', `${day} 09:00`],
      ['p6', `${day} 10:00`],
    ]);
    await within((sql) => cancelCampaign(sql, workspaceId, id, {}));
  });

  it('says one thing for each of several, once each, with what each was about', async () => {
    const order = (who: string, orderId: string | null, total: number, ago: string) =>
      owner.query(
        `INSERT INTO events (workspace_id, profile_id, at, id, name, properties) SELECT $1, id, now() - $3::interval, gen_random_uuid(), 'order.placed', $4 FROM profiles WHERE external_id = $2`,
        [workspaceId, who, ago, JSON.stringify({ ...(orderId ? { orderId } : {}), total })],
      );
    await owner.query(`SELECT ensure_event_months((now() - interval '20 days')::date, now()::date)`);
    await order('p1', 'a', 10, '2 days');
    await order('p1', 'a', 11, '1 day');
    await order('p1', 'b', 20, '1 day');
    await order('p2', 'a', 30, '1 day');
    await order('p2', 'old', 40, '9 days');
    await order('p3', null, 50, '3 days');
    const draft = await write({
      each: { event: 'order.placed', key: 'orderId', within: '7d' },
      content: { email: { subject: '{{ each.orderId }}', text: '{{ each.total }} {{ unsubscribe_url }}' } },
    });
    expect((await prepared(draft.id)).report).toMatchObject({ findings: [], messages: 3 });
    expect(await toTheEnd(draft.id)).toMatchObject({ state: 'completed' });
    expect(await numbers(draft.id)).toMatchObject({ targeted: 3, sent: 3 });
    const { rows } = await owner.query<{ key: string; data: unknown; who: string }>(
      `SELECT m.key, m.data, f.external_id AS who FROM run_members m JOIN campaign_parts c ON c.run_id = m.run_id JOIN profiles f ON f.id = m.profile_id
        WHERE c.campaign_id = $1 ORDER BY 3, 1`,
      [draft.id],
    );
    expect(rows).toEqual([
      { who: 'p1', key: 'a', data: { each: { orderId: 'a', total: 11 } } },
      { who: 'p1', key: 'b', data: { each: { orderId: 'b', total: 20 } } },
      { who: 'p2', key: 'a', data: { each: { orderId: 'a', total: 30 } } },
    ]);
    const nobody = await write({ each: { event: 'order.placed', key: 'seat', within: '7d' } });
    expect((await prepared(nobody.id)).report?.findings).toMatchObject([
      { code: 'empty_audience', at: '/each' },
    ]);
  });

  it('can be kept as a template, which is never sent itself', async () => {
    const { id } = await write({ priority: 77 });
    const clone = (from: string, template: boolean) =>
      within((sql) => cloneCampaign(sql, workspaceId, from, { template }, { name: 'Eve', actor: 'user:e' }));
    const template = await clone(id, true);
    expect(template).toMatchObject({
      template: true,
      state: 'draft',
      name: 'Spring',
      definition: { priority: 77 },
    });
    await expect(prepared(template.id)).rejects.toThrow('never sent itself');
    const begun = await clone(template.id, false);
    expect(begun).toMatchObject({
      template: false,
      name: 'Spring',
      createdBy: 'Eve',
      definition: { priority: 77 },
    });
    expect(await prepared(begun.id)).toMatchObject({ state: 'prepared' });
    const listed = (only: boolean) =>
      within((sql) => campaignsBefore(sql, workspaceId, { limit: 500, template: only })).then((rows) =>
        rows.map((r) => r.id),
      );
    expect(await listed(true)).toEqual([template.id]);
    expect(await listed(false)).not.toContain(template.id);
  });

  it('goes out in waves; who is beyond the last of them gets nothing', async () => {
    const wave = async (waves: CampaignDefinition['waves']) => {
      const { id } = await write({ waves });
      await prepared(id);
      await started(id);
      await tick();
      await workPages();
      const first = await numbers(id);
      await owner.query(
        `UPDATE pages SET lease_until = now() - interval '1 second' WHERE state = 'open' AND lease_until > now()`,
      );
      await workPages();
      await tick();
      return [first.sent, (await numbers(id)).sent, (await numbers(id)).targeted];
    };
    expect(await wave({ sizes: [10, 90], unit: 'percent', every: '1h' })).toEqual([30, 300, 300]);
    expect(await wave({ sizes: [1, 1, 1], unit: 'parts', every: '1h' })).toEqual([100, 300, 300]);
    const beyond: CampaignDefinition['waves'] = { sizes: [50, 20], unit: 'people', every: '1h' };
    expect(await wave(beyond)).toEqual([50, 70, 70]);
    expect((await prepared((await write({ waves: beyond })).id)).report?.findings).toMatchObject([
      { level: 'warning', code: 'beyond_waves', message: '230 are beyond the last wave and get nothing.' },
    ]);
    const { rows } = await owner.query(
      `SELECT profile_id FROM deliveries d WHERE source = 'campaign' AND NOT EXISTS (SELECT FROM run_members m WHERE m.run_id::text = d.source_id AND m.key IS NOT NULL)
        GROUP BY message_id, profile_id HAVING count(*) > 1`,
    );
    expect(rows).toEqual([]);
  });

  it('gives each person one variant, the same in every run', async () => {
    const variants = [
      { name: 'a', weight: 50, content: { email: { subject: 'A', text: '{{ unsubscribe_url }}' } } },
      { name: 'b', weight: 30, content: { email: { subject: 'B', text: '{{ unsubscribe_url }}' } } },
      { name: 'none', weight: 20, content: { email: { subject: 'C', text: '{{ unsubscribe_url }}' } } },
    ];
    const { id } = await write({
      content: undefined,
      variants,
      start: { kind: 'recurring', rule: 'FREQ=DAILY', from: '2026-01-01T09:00', zone: 'Europe/Berlin' },
    });
    await prepared(id);
    await started(id);
    const once = async () => {
      sent = [];
      await owner.query(
        `UPDATE campaigns SET starts_at = now() - interval '1 second', due_at = now() - interval '1 second' WHERE id = $1`,
        [id],
      );
      await clock.tick();
      await workPages();
      await tick();
      return new Map(sent.map((m) => [m.address, m.rendered]));
    };
    const first = await once();
    const after = await shown(id);
    expect(after).toMatchObject({ state: 'scheduled', runs: [{ no: 1, state: 'completed' }] });
    expect(new Date(after.startsAt!).getTime()).toBeGreaterThan(Date.now());
    expect(first.size).toBe(PEOPLE);
    const count = (name: string) => [...first.values()].filter((said) => said === name).length;
    expect(count('A')).toBeGreaterThan(110);
    expect(count('B')).toBeGreaterThan(55);
    expect(count('C')).toBeGreaterThan(30);
    expect(await once()).toEqual(first);
    expect(await numbers(id, 1)).toMatchObject({ sent: PEOPLE });
    expect((await numbers(id, 2)).parts.map((p) => p.variant)).toEqual(['a', 'b', 'none']);
    await within((sql) => cancelCampaign(sql, workspaceId, id, {}));
  });

  it('keeps some from it, the same ones each time, and tells what it brought about beside them', async () => {
    await owner.query(`SELECT ensure_event_months((now() - interval '20 days')::date, now()::date)`);
    const { id } = await write({
      holdout: { percent: 20, event: 'booked', within: '1h' },
      start: {
        kind: 'recurring',
        rule: '0 9 * * MON-FRI',
        from: '2026-01-01T00:00',
        until: '2126-01-01T00:00',
        zone: 'Asia/Tokyo',
      },
    });
    const out = (await prepared(id)).report!.heldOut!;
    expect(out).toBeGreaterThan(15);
    expect(out).toBeLessThan(120);
    await started(id);
    const once = async () => {
      sent = [];
      await owner.query(
        `UPDATE campaigns SET starts_at = now() - interval '1 second', due_at = now() - interval '1 second' WHERE id = $1`,
        [id],
      );
      await clock.tick();
      await workPages();
      await tick();
      return new Set(sent.map((m) => m.address));
    };
    const told = await once();
    expect(told.size).toBe(PEOPLE - out);
    expect(await once()).toEqual(told);
    expect(await shown(id)).toMatchObject({ state: 'scheduled' });
    expect(await numbers(id)).toMatchObject({ no: 2, targeted: PEOPLE - out, heldOut: out });

    const lift = async (event?: string) =>
      (await within((sql) => campaignFunnel(sql, workspaceId, id, { event })))!.lift;
    expect(await lift()).toMatchObject({ told: { converted: 0 }, heldOut: { converted: 0 }, lift: null });
    // Of those who were told every other one, of the others one in ten; what was before, or comes too late, is nobody’s.
    await owner.query(
      `INSERT INTO events (workspace_id, profile_id, at, id, name)
       SELECT p.workspace_id, p.id, r.started_at + CASE WHEN told.row THEN interval '1 minute' ELSE interval '2 minutes' END, gen_random_uuid(), 'booked'
         FROM (SELECT *, row_number() OVER (PARTITION BY email = ANY($3) ORDER BY id) AS n FROM profiles WHERE workspace_id = $1) p
         JOIN campaign_runs r ON r.campaign_id = $2 AND r.no = 2, LATERAL (SELECT p.email = ANY($3) AS row) AS told
        WHERE (told.row AND p.n % 2 = 0) OR (NOT told.row AND p.n % 10 = 0)
        UNION ALL SELECT p.workspace_id, p.id, r.started_at + u.after, gen_random_uuid(), 'booked' FROM profiles p
         JOIN campaign_runs r ON r.campaign_id = $2 AND r.no = 2, unnest(ARRAY[interval '-1 minute', interval '61 minutes']) AS u(after) WHERE p.workspace_id = $1`,
      [workspaceId, id, [...told]],
    );
    const found = (await lift())!;
    expect(found).toMatchObject({
      told: { people: PEOPLE - out, converted: Math.floor((PEOPLE - out) / 2) },
      heldOut: { people: out, converted: Math.floor(out / 10) },
    });
    expect(found.better).toBeGreaterThan(0.99);
    expect(found.difference.low).toBeGreaterThan(0);
    expect(await lift('never')).toMatchObject({ told: { converted: 0 } });
    await within((sql) => cancelCampaign(sql, workspaceId, id, {}));
  });

  it('that is to come keeps its people’s places under caps from what is of lower priority', async () => {
    const setRules = (rules: object) =>
      within((sql) => writeGate(sql, workspaceId, GateChange.parse(rules), 'the spec'));
    await setRules({
      caps: [{ key: 'one', topics: ['offers'], limit: 1, per: 'day' }],
      arbitration: { lookAhead: '1d', then: 'suppress' },
    });
    const inAnHour = new Date(Date.now() + 3_600_000).toISOString();
    const high = await write({ priority: 90, topic: 'offers', start: { kind: 'at', at: inAnHour } });
    await prepared(high.id);
    await started(high.id);
    await tick();
    expect(await shown(high.id)).toMatchObject({ state: 'scheduled' });
    const low = await toTheEnd((await write({ priority: 10, topic: 'offers' })).id);
    expect((await numbers(low.id)).reasons).toEqual([
      { status: 'suppressed', reason: 'outranked', count: PEOPLE },
    ]);
    // It begins, and stands before the people whom it has not reached yet.
    await owner.query(
      `UPDATE campaigns SET starts_at = now() - interval '1 second', due_at = now() - interval '1 second' WHERE id = $1`,
      [high.id],
    );
    await tick();
    const again = await write({ priority: 89, topic: 'offers' });
    await prepared(again.id);
    await started(again.id);
    await tick();
    await workPages();
    await tick();
    expect(await numbers(high.id)).toMatchObject({ state: 'completed', sent: PEOPLE });
    expect(await numbers(again.id)).toMatchObject({ state: 'completed', suppressed: PEOPLE });
    expect((await owner.query('SELECT FROM upcoming_sends')).rows).toHaveLength(0);
    await setRules({});
  });

  it('tells why some did not get it', async () => {
    answer = (m) =>
      m.address === 'p1@example.com'
        ? { kind: 'rejected', reason: 'recipient_unknown', answer: {} }
        : { kind: 'accepted', providerMessageId: 'x', answer: {} };
    await owner.query(
      `INSERT INTO suppressions (workspace_id, channel, address, reason, source) VALUES ($1, 'email', 'p2@example.com', 'complained', 'spec')`,
      [workspaceId],
    );
    const { id } = await write();
    expect(await toTheEnd(id)).toMatchObject({ state: 'completed' });
    const said = await numbers(id);
    expect(said).toMatchObject({ sent: PEOPLE - 2, failed: 1, suppressed: 1 });
    expect(said.reasons).toEqual(
      expect.arrayContaining([
        { status: 'failed', reason: 'recipient_unknown', count: 1 },
        { status: 'suppressed', reason: 'complained', count: 1 },
      ]),
    );
  });

  it('pauses by itself when too much goes wrong, and goes on when somebody says so', async () => {
    answer = () => ({ kind: 'rejected', reason: 'content_refused', answer: {} });
    const { id } = await write({
      rate: 20,
      stopWhen: { failedPercent: 30, complainedPercent: 1, after: 40 },
    });
    await prepared(id);
    await started(id);
    await tick();
    await workPages(1);
    await tick();
    expect(await shown(id)).toMatchObject({ state: 'running' });
    await workPages(1);
    await tick();
    const paused = await shown(id);
    expect(paused).toMatchObject({
      state: 'paused',
      reason: expect.stringContaining('of 40 handed over 40 failed'),
    });
    await workPages();
    expect(await numbers(id)).toMatchObject({ failed: 40, pending: PEOPLE - 40 });
    answer = () => ({ kind: 'accepted', providerMessageId: 'x', answer: {} });
    await within((sql) => resumeCampaign(sql, workspaceId, id, {}));
    await workPages();
    await tick();
    expect(await numbers(id)).toMatchObject({ state: 'completed', failed: 40, sent: PEOPLE - 40 });
  });

  it.each([
    [1, null],
    [2, 'of 20 sent 2 were reported as spam (10.00 %; the limit is 10 %)'],
  ])('as a canary, of whose 20 people %i report it as spam, says %s', async (complaints, reason) => {
    answer = ({ deliveryId }) => ({ kind: 'accepted', providerMessageId: deliveryId, answer: {} });
    const { id } = await write({
      waves: { sizes: [20, PEOPLE - 20], unit: 'people', every: '1h' },
      stopWhen: { failedPercent: 50, complainedPercent: 10, after: 20 },
    });
    await prepared(id);
    await started(id);
    await tick();
    await workPages();
    expect(await numbers(id)).toMatchObject({ sent: 20, pending: PEOPLE - 20 });
    const { rows } = await owner.query<{ id: string }>(
      `SELECT d.id FROM campaign_parts c JOIN deliveries d ON d.source_id = c.run_id::text WHERE c.campaign_id = $1 LIMIT $2`,
      [id, complaints],
    );
    const { rows: accounts } = await owner.query<{ id: string }>('SELECT id FROM provider_accounts LIMIT 1');
    await within((sql) =>
      applyReceipts(
        sql,
        { id: accounts[0]!.id, workspaceId },
        rows.map((row) => ({
          deliveryId: row.id,
          eventId: `spam ${row.id}`,
          status: 'complained',
          answer: {},
        })),
      ),
    );
    await tick();
    expect(await shown(id)).toMatchObject({
      state: reason === null ? 'running' : 'paused',
      reason: reason === null ? null : expect.stringContaining(reason),
    });
    // An hour later the others get it, or nobody does.
    await owner.query(
      `UPDATE pages SET lease_until = now() - interval '1 second' WHERE state = 'open' AND lease_until > now()`,
    );
    await workPages();
    await tick();
    expect((await numbers(id)).sent).toBe(reason === null ? PEOPLE : 20);
  });

  it('goes to the seeds too, once a run and outside its numbers', async () => {
    await within((sql) => writeGate(sql, workspaceId, GateChange.parse({ seeds: ['p7', 'p8'] }), 'the spec'));
    seeded = [];
    const { id } = await write();
    expect(await toTheEnd(id)).toMatchObject({ state: 'completed' });
    expect(seeded).toEqual([`seed ${id} 1 p7 email`, `seed ${id} 1 p8 email`]);
    expect(await numbers(id)).toMatchObject({ targeted: PEOPLE, sent: PEOPLE });
    await within((sql) => writeGate(sql, workspaceId, GateChange.parse({}), 'the spec'));
  });

  it('whose template went meanwhile fails with a sentence', async () => {
    const { id } = await write();
    await prepared(id);
    await started(id);
    await owner.query(
      `UPDATE campaigns SET definition = (definition || '{"template": "gone"}'::jsonb) - 'content'::text WHERE id = $1`,
      [id],
    );
    await tick();
    expect(await shown(id)).toMatchObject({
      state: 'failed',
      reason: 'There is no template “gone” in that version. (/template)',
      runs: [],
    });
  });

  it('whose list went meanwhile fails too: nobody gets it who was to be left out', async () => {
    await owner.query(
      `INSERT INTO audiences (id, workspace_id, key, name, kind, mentions) VALUES ($1, $2, 'without', 'Without', 'list', '{}')`,
      [newId(), workspaceId],
    );
    const { id } = await write({ exclude: ['without'] });
    await prepared(id);
    await started(id);
    await owner.query(`UPDATE audiences SET archived_at = now() WHERE key = 'without'`);
    await tick();
    expect(await shown(id)).toMatchObject({
      state: 'failed',
      reason: 'The audience “without” is not there any more.',
      runs: [],
    });
  });
});

describe('a test of variants', () => {
  const said = (subject: string) => ({ content: { email: { ...content.email, subject } } });
  const tested = (more: object = {}) =>
    write({
      variants: [
        { name: 'a', weight: 1, ...said('A') },
        { name: 'b', weight: 1, ...said('B') },
      ],
      test: {
        portion: 40,
        metric: { kind: 'clicked' },
        within: '1d',
        decideAfter: '1h',
        atLeast: 20,
        ...more,
      },
    });
  const triedOut = async (id: string) => {
    await prepared(id);
    await started(id);
    await tick();
    await workPages();
    return sent.length;
  };
  const results = async (id: string) => (await within((sql) => showTest(sql, workspaceId, id)))!;
  /** Everybody who was told so has clicked. */
  const click = (id: string, variant: string) =>
    owner.query(
      `INSERT INTO delivery_events (day, delivery_id, workspace_id, type)
       SELECT d.day, d.id, d.workspace_id, 'clicked' FROM campaign_parts p JOIN deliveries d ON d.source_id = p.run_id::text WHERE p.campaign_id = $1 AND p.variant = $2 AND d.sent_at IS NOT NULL`,
      [id, variant],
    );
  const later = async (id: string) => {
    await owner.query(
      "UPDATE campaign_runs SET started_at = started_at - interval '2 hours' WHERE campaign_id = $1",
      [id],
    );
    await owner.query(
      "UPDATE campaigns SET due_at = now() - interval '1 second' WHERE id = $1 AND due_at IS NOT NULL",
      [id],
    );
  };
  const toldOnce = () => {
    expect(sent).toHaveLength(PEOPLE);
    expect(new Set(sent.map((m) => m.address)).size).toBe(PEOPLE);
  };

  it.each([
    ['a', { email: 'now', push: 'cancelled' }],
    ['b', { email: 'later', push: 'later' }],
  ])(
    'tries out a channel and a time too; when %s wins the rest gets it there and then',
    async (winner, rest) => {
      const both = { ...content, push: { title: 'Spring', body: 'Now' } };
      await owner.query(
        `INSERT INTO provider_accounts (id, workspace_id, channel, provider, name) VALUES ($1, $2, 'push', 'scripted', 'Push')`,
        [newId(), workspaceId],
      );
      const { id } = await write({
        channels: ['email', 'push'],
        content: both,
        variants: [
          { name: 'a', weight: 1, channels: ['email'] },
          { name: 'b', weight: 1, delay: '2h' },
        ],
        test: { portion: 40, metric: { kind: 'clicked' }, within: '1d', decideAfter: '1h', atLeast: 20 },
      });
      await prepared(id);
      await started(id);
      await tick();
      const parts = async (which: 'rest' | 'tried') => {
        const { rows } = await owner.query<{
          channel: string;
          variant: string;
          state: string;
          later: boolean;
        }>(
          `SELECT p.channel, p.variant, r.state, bool_and(coalesce(g.lease_until > now() + interval '115 minutes', false)) AS later
           FROM campaign_parts p JOIN runs r ON r.id = p.run_id JOIN pages g ON g.run_id = r.id
          WHERE p.campaign_id = $1 AND p.rest = $2 GROUP BY 1, 2, 3 ORDER BY 2, 1`,
          [id, which === 'rest'],
        );
        return rows;
      };
      expect(await parts('tried')).toEqual([
        { variant: 'a', channel: 'email', state: 'running', later: false },
        { variant: 'b', channel: 'email', state: 'running', later: true },
        { variant: 'b', channel: 'push', state: 'running', later: true },
      ]);
      await within((sql) => chooseWinner(sql, workspaceId, id, { variant: winner }, 'Ada'));
      const seen = (await parts('rest')).map((p) => [
        p.channel,
        p.state === 'cancelled' ? p.state : p.later ? 'later' : 'now',
      ]);
      expect(Object.fromEntries(seen)).toEqual(rest);
      await numbers(id);
      await within((sql) => cancelCampaign(sql, workspaceId, id, {}));
      await owner.query(`DELETE FROM provider_accounts WHERE channel = 'push'`);
    },
  );

  it('tells a portion, waits, and tells the rest what did best, whatever number of clocks looks', async () => {
    const { id } = await tested();
    const tried = await triedOut(id);
    expect(tried).toBeGreaterThan(60);
    expect(tried).toBeLessThan(200);
    await click(id, 'b');
    await tick();
    expect(await numbers(id)).toMatchObject({ state: 'running', sent: tried, pending: PEOPLE - tried });
    const open = await results(id);
    expect(open).toMatchObject({ waiting: PEOPLE - tried, decision: null });
    expect(open.variants.map((v) => v.people).reduce((a, b) => a + b)).toBe(tried);
    expect(open.variants).toMatchObject([
      { variant: 'a', successes: 0, rate: 0 },
      { variant: 'b', rate: 1 },
    ]);
    expect(open.variants[1]!.best).toBeGreaterThan(0.999);
    await later(id);
    await Promise.all([tick(), new CampaignClock(database, seedsTo).tick()]);
    expect((await results(id)).decision).toMatchObject({ winner: 'b', why: 'time', by: null });
    await workPages();
    await tick();
    expect(await numbers(id)).toMatchObject({ state: 'completed', sent: PEOPLE, pending: 0 });
    toldOnce();
    expect(new Set(sent.slice(tried).map((m) => m.rendered))).toEqual(new Set(['B']));
    // What the winner was told to later does not change what the test has shown.
    expect((await results(id)).variants).toEqual(open.variants);
  });

  it('ends early when one is sure enough; a failure in the middle of deciding changes nothing', async () => {
    const { id } = await tested({ confidence: 99 });
    const tried = await triedOut(id);
    await click(id, 'a');
    await owner.query(
      `CREATE FUNCTION fall() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'the power went'; END $$`,
    );
    await owner.query(
      `CREATE TRIGGER fall BEFORE UPDATE OF decision ON campaign_runs FOR EACH ROW WHEN (NEW.decision IS NOT NULL) EXECUTE FUNCTION fall()`,
    );
    await tick();
    await workPages();
    expect(await results(id)).toMatchObject({ waiting: PEOPLE - tried, decision: null });
    expect(sent).toHaveLength(tried);
    await owner.query('DROP TRIGGER fall ON campaign_runs');
    await owner.query("UPDATE campaigns SET due_at = now() - interval '1 second' WHERE id = $1", [id]);
    await tick();
    expect((await results(id)).decision).toMatchObject({ winner: 'a', why: 'confidence' });
    await workPages();
    await tick();
    expect(await numbers(id)).toMatchObject({ state: 'completed', sent: PEOPLE });
    toldOnce();
  });

  it('is ended by a person, also while it is paused: the rest waits until it goes on', async () => {
    const { id } = await tested({ metric: { kind: 'converted', event: 'bought' } });
    const tried = await triedOut(id);
    await owner.query(`SELECT ensure_event_months(current_date - 2, current_date + 3)`);
    await owner.query(
      `INSERT INTO events (workspace_id, profile_id, at, id, name)
       SELECT d.workspace_id, d.profile_id, d.sent_at + u.after, gen_random_uuid(), 'bought'
         FROM (SELECT d.*, row_number() OVER (ORDER BY d.id) AS n FROM campaign_parts p JOIN deliveries d ON d.source_id = p.run_id::text
                WHERE p.campaign_id = $1 AND d.sent_at IS NOT NULL AND p.variant = 'a') AS d
         JOIN (VALUES (1, interval '1 minute'), (2, interval '-1 minute'), (3, interval '25 hours')) AS u(n, after) ON u.n = d.n`,
      [id],
    );
    // Of three who bought, one did it after it was sent and in time.
    expect((await results(id)).variants).toMatchObject([{ successes: 1 }, { successes: 0 }]);
    await within((sql) => pauseCampaign(sql, workspaceId, id, {}));
    const choose = (variant: string) =>
      within((sql) => chooseWinner(sql, workspaceId, id, { variant }, 'Ada'));
    await expect(choose('c')).rejects.toThrow('choose a or b');
    expect((await choose('b'))?.decision).toMatchObject({ winner: 'b', why: 'person', by: 'Ada' });
    await expect(choose('a')).rejects.toThrow('Nobody waits');
    await workPages();
    expect(sent).toHaveLength(tried);
    await within((sql) => resumeCampaign(sql, workspaceId, id, {}));
    await workPages();
    await tick();
    expect(await numbers(id)).toMatchObject({ state: 'completed', sent: PEOPLE });
    toldOnce();
  });

  it('is cancelled with its campaign: the rest gets nothing', async () => {
    const { id } = await tested();
    const tried = await triedOut(id);
    await within((sql) => cancelCampaign(sql, workspaceId, id, {}));
    await later(id);
    await tick();
    await workPages();
    expect(await numbers(id)).toMatchObject({ sent: tried, cancelled: PEOPLE - tried, pending: 0 });
  });
});

describe('the calendar', () => {
  const place = newId();
  const month = { from: new Date('2027-03-01T00:00:00Z'), to: new Date('2027-04-01T00:00:00Z') };
  const calendar = (asked: Parameters<typeof campaignCalendar>[2] = month, whose = place) =>
    database.inWorkspace(whose, (sql) => campaignCalendar(sql, whose, asked));
  const put = async (
    name: string,
    start: object,
    {
      state = 'draft',
      startsAt = null as string | null,
      whose = place,
      runs = [] as [string, string | null][],
    } = {},
  ) => {
    const id = newId();
    const definition = JSON.stringify({ ...saved({}).definition, start });
    await owner.query(
      `INSERT INTO campaigns (id, workspace_id, name, state, definition, starts_at, created_by, author) VALUES ($1, $2, $3, $4, $5, $6, 'a', 'b')`,
      [id, whose, name, state, definition, startsAt],
    );
    for (const [n, [startedAt, endedAt]] of runs.entries())
      await owner.query(
        `INSERT INTO campaign_runs (workspace_id, campaign_id, no, state, definition, started_at, ended_at) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
        [whose, id, n + 1, endedAt ? 'completed' : 'running', definition, startedAt, endedAt],
      );
  };
  const stands = async (name: string, asked = month) =>
    (await calendar(asked)).filter((one) => one.name === name).map(({ at, local }) => local ?? at);
  beforeAll(async () => {
    await owner.query(`INSERT INTO workspaces (id, slug, name) VALUES ($1, 'calendar', 'C')`, [place]);
  });

  it('shows every occurrence of what recurs, at nine through the change of clocks, to its end', async () => {
    const weekly = {
      kind: 'recurring',
      rule: 'FREQ=WEEKLY;BYDAY=SU',
      from: '2027-02-01T09:00',
      zone: 'Europe/Berlin',
    };
    await put('weekly', weekly, { state: 'scheduled', startsAt: '2027-03-07T08:00:00Z' });
    const sundays = ['07T08', '14T08', '21T08', '28T07'].map((day) => `2027-03-${day}:00:00.000Z`);
    expect(await stands('weekly')).toEqual(sundays);
    await put('ends', { ...weekly, until: '2027-03-14T09:00' });
    expect(await stands('ends')).toEqual(sundays.slice(0, 2));
    await put('cron', { ...weekly, rule: '0 9 * * SUN' }, { state: 'prepared' });
    expect(await stands('cron')).toEqual(sundays);
    await put('under way', weekly, {
      state: 'running',
      startsAt: '2027-03-07T08:00:00Z',
      runs: [['2026-03-01T08:00:00Z', null]],
    });
    expect(await stands('under way')).toEqual(sundays);
    await put('stopped', weekly, { state: 'cancelled' });
    expect(await stands('stopped')).toEqual([]);
  });

  it('shows runs that were and one that is, and what goes by people’s own clocks as those show it', async () => {
    await put(
      'was',
      { kind: 'now' },
      {
        state: 'running',
        runs: [
          ['2027-03-02T10:00:00Z', '2027-03-02T11:00:00Z'],
          ['2027-03-03T10:00:00Z', null],
        ],
      },
    );
    const was = (await calendar()).filter((one) => one.name === 'was');
    expect(was).toMatchObject([
      { no: 1, runState: 'completed', at: '2027-03-02T10:00:00.000Z', endedAt: '2027-03-02T11:00:00.000Z' },
      { no: 2, runState: 'running', at: '2027-03-03T10:00:00.000Z', endedAt: null },
    ]);
    const local = { kind: 'local', date: '2027-04-01', time: '00:30' };
    await put('own', local, { state: 'scheduled', startsAt: '2027-03-31T10:30:00Z' });
    expect(await stands('own')).toEqual(['2027-04-01T00:30']);
    await put('own under way', local, { state: 'running', runs: [['2027-03-31T10:30:00Z', null]] });
    expect(await stands('own under way')).toEqual(['2027-04-01T00:30']);
    await put('own, late', local, {
      state: 'completed',
      runs: [
        ['2027-03-30T00:00:00Z', '2027-03-30T00:00:00Z'],
        ['2027-04-20T00:00:00Z', '2027-04-20T00:00:00Z'],
      ],
    });
    const april = { from: new Date('2027-04-10T00:00:00Z'), to: new Date('2027-05-01T00:00:00Z') };
    expect(await stands('own, late', april)).toEqual(['2027-04-20T00:00:00.000Z']);
    await put('best', { kind: 'best', date: '2027-03-20', from: 8, to: 20, otherwise: 9 });
    expect(await stands('best')).toEqual(['2027-03-20T09:00']);
    await put('at', { kind: 'at', at: '2027-03-31T23:59:59Z' });
    await put('after', { kind: 'at', at: '2027-04-01T00:00:00Z' });
    expect([...(await stands('at')), ...(await stands('after'))]).toEqual(['2027-03-31T23:59:59.000Z']);
  });

  it('shows more than 200 campaigns, and none of another workspace', async () => {
    const before = await calendar();
    await put('theirs', { kind: 'at', at: '2027-03-10T00:00:00Z' }, { whose: workspaceId });
    for (let n = 0; n < 250; n++) await put('many', { kind: 'at', at: '2027-03-10T09:00:00Z' });
    const after = await calendar();
    expect(after).toHaveLength(before.length + 250);
    expect(after.filter((one) => one.name === 'theirs')).toEqual([]);
    expect((await calendar(month, workspaceId)).map((one) => one.name)).toEqual(['theirs']);
    const times = after.map(({ at, local }) => Date.parse(at ?? `${local}:00Z`));
    expect(times).toEqual(times.toSorted((a, b) => a - b));
  });

  it('refuses what is too much, and says how to ask for less', async () => {
    const hourly = { kind: 'recurring', rule: 'FREQ=HOURLY', from: '2027-02-01T00:00', zone: 'UTC' };
    for (let n = 0; n < 3; n++) await put('hourly', hourly, { state: 'prepared' });
    await expect(calendar()).rejects.toThrow('ask for a shorter time, or for campaigns in one state');
    expect((await calendar({ ...month, state: 'draft' })).length).toBeGreaterThan(250);
    const day = { from: new Date('2027-03-10T00:00:00Z'), to: new Date('2027-03-11T00:00:00Z') };
    expect((await calendar({ ...day, state: 'prepared' })).length).toBe(72);
    const asked = (from: string, to: string) =>
      CampaignCalendarQuery.safeParse({ from, to }).error?.issues[0];
    expect(asked('2027-03-01T00:00:00Z', '2027-05-01T00:00:00Z')).toBeUndefined();
    expect(asked('2027-03-01T00:00:00Z', '2027-05-03T00:00:00Z')?.message).toContain('at most 62 days');
    expect(asked('2027-03-01T00:00:00Z', '2027-03-01T00:00:00Z')?.message).toContain('after `from`');
    expect(asked('March', '2027-03-01T00:00:00Z')?.path).toEqual(['from']);
  });
});
