/** Runs on a real PostgreSQL. That lanes never wait for each other, and fairness as a rule: fair-share.spec.ts. */
import type { Channel, Lane, LaneState, Status } from '@carillon/contracts';
import { Database, dayOf, ensurePartitions, newId } from '@carillon/database';
import { freshDatabase, type FreshDatabase } from '@carillon/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { lanesOf, rebuildQueues } from './lanes.js';
import { planRun } from './plan-run.js';
import { releasePages } from './release-pages.js';
import { changeRun } from './runs.js';

let fresh: FreshDatabase;
let owner: pg.Client;
let database: Database;
const [here, elsewhere, third] = [newId(), newId(), newId()];
const MINUTE_MS = 60_000;

beforeAll(async () => {
  fresh = await freshDatabase();
  owner = new pg.Client({ connectionString: fresh.ownerUrl });
  await owner.connect();
  database = new Database({ url: fresh.appUrl, max: 4 });
  await ensurePartitions(database);
  for (const id of [here, elsewhere, third]) {
    await owner.query('INSERT INTO workspaces (id, slug, name) VALUES ($1::uuid, $2, $2)', [id, id]);
    await owner.query(
      `INSERT INTO profiles (id, workspace_id, external_id, email)
       SELECT gen_random_uuid(), $1::uuid, 'p' || n, 'p' || n || '@example.com' FROM generate_series(1, 40) AS n`,
      [id],
    );
  }
});
beforeEach(async () => {
  await owner.query('TRUNCATE deliveries, messages, runs, run_members, pages, lane_turns');
});
afterAll(async () => {
  await database.close();
  await owner.end();
  await fresh.drop();
});

const startRun = (
  workspaceId: string,
  more: { weight?: number; channel?: Channel; pageSize?: number } = {},
) =>
  database.inWorkspace(workspaceId, async (sql) => {
    const run = await planRun(sql, workspaceId, {
      source: { kind: 'campaign', id: 'spring' },
      channel: 'email',
      messageClass: 'marketing',
      content: { email: { subject: 's', text: 'Hello' } },
      audience: {
        query: {
          text: 'SELECT id AS profile_id, NULL::text AS key, NULL::jsonb AS data FROM profiles WHERE workspace_id = $1',
          params: [workspaceId],
        },
      },
      ...more,
    });
    await changeRun(sql, workspaceId, run.id, 'start');
    return run;
  });
/** @param due seconds from now */
const putDelivery = async (
  workspaceId: string,
  status: Status,
  {
    lane = 'transactional',
    planned = new Date(),
    due = 20,
  }: { lane?: Lane; planned?: Date; due?: number } = {},
): Promise<string> => {
  const id = newId(planned);
  await owner.query(
    `INSERT INTO deliveries (day, id, workspace_id, message_id, channel, lane, class, source, address, status, due_at, sent_at)
     VALUES ($1::date, $2, $3, $2, 'email', $4, 'transactional', 'api', 'a@example.com', $5,
             CASE WHEN $5 IN ('queued', 'scheduled', 'sending') THEN now() + make_interval(secs => $6) END, CASE WHEN $5 = 'sent' THEN now() END)`,
    [dayOf(id), id, workspaceId, lane, status, due],
  );
  return id;
};
const lane = (lanes: LaneState[], name: Lane): LaneState | undefined =>
  lanes.find((one) => one.lane === name);

describe('the lanes of a workspace', () => {
  it('tell what waits, what is being sent, and since when, and nothing of other workspaces', async () => {
    await putDelivery(here, 'queued', { planned: new Date(Date.now() - 5 * MINUTE_MS) });
    await putDelivery(here, 'queued');
    await putDelivery(here, 'sending');
    await putDelivery(here, 'scheduled', { due: 600 });
    await putDelivery(here, 'sent');
    await putDelivery(here, 'queued', { lane: 'journey' });
    await putDelivery(elsewhere, 'queued', { planned: new Date(Date.now() - 60 * MINUTE_MS) });
    const lanes = await lanesOf(database, here);
    expect(lanes.map((one) => one.lane)).toEqual(['journey', 'transactional']);
    const first = lane(lanes, 'transactional');
    expect(first).toMatchObject({ queued: 2, scheduled: 1, sending: 1, perMinute: 1, share: null, runs: [] });
    expect(first?.oldestWaitSeconds).toBeGreaterThanOrEqual(300);
    expect(first?.oldestWaitSeconds).toBeLessThan(3000);
  });

  it('count from the time it was planned for, not from when it was asked for', async () => {
    // Asked for an hour ago, to be sent now.
    const id = await putDelivery(here, 'queued');
    await owner.query(`UPDATE deliveries SET created_at = now() - interval '1 hour' WHERE id = $1`, [id]);
    const [only] = await lanesOf(database, here);
    expect(only?.oldestWaitSeconds).toBeLessThan(1800);
  });

  it('tell the share of the workspace and of each of its runs', async () => {
    const big = await startRun(here, { weight: 3, pageSize: 10 });
    const small = await startRun(here);
    const other = await startRun(here, { channel: 'sms' });
    expect(lane(await lanesOf(database, here), 'bulk')?.share).toBe(1);
    await startRun(elsewhere);
    await startRun(third);
    await database.acrossWorkspaces((sql) => releasePages(sql, 'email'));
    const lanes = await lanesOf(database, here);
    const email = lanes.find((one) => one.channel === 'email');
    expect(email).toMatchObject({ lane: 'bulk', queued: 80, share: 1 / 3 });
    expect(email?.runs).toMatchObject([
      {
        id: big.id,
        messageId: big.messageId,
        title: 's',
        state: 'running',
        members: 40,
        pending: 40,
        share: 0.75,
      },
      { id: small.id, sourceId: 'spring', share: 0.25, pausedReason: null, rate: null },
    ]);
    expect(email?.runs.reduce((sum, run) => sum + run.pagesInFlight, 0)).toBe(2);
    expect(lanes.find((one) => one.channel === 'sms')).toMatchObject({ share: 1, runs: [{ id: other.id }] });
  });

  it('show a paused run with its reason, and count none of it as ready', async () => {
    const run = await startRun(here);
    await database.inWorkspace(here, (sql) => changeRun(sql, here, run.id, 'pause', 'the sums were wrong'));
    const [only] = await lanesOf(database, here);
    expect(only).toMatchObject({ queued: 0, share: null });
    expect(only?.runs).toMatchObject([
      { state: 'paused', pausedReason: 'the sums were wrong', pending: 40, share: null },
    ]);
  });
});

describe('rebuilding the queues', () => {
  it('makes due what waits for a worker: nothing a worker holds, nothing planned for later, nothing of others', async () => {
    const mine = await putDelivery(here, 'queued');
    await putDelivery(here, 'scheduled', { due: 600 });
    await putDelivery(here, 'sending');
    await putDelivery(elsewhere, 'queued');
    await startRun(here);
    await database.acrossWorkspaces((sql) => releasePages(sql, 'email'));
    const rebuilt = await database.inWorkspace(here, (sql) => rebuildQueues(sql, here));
    expect(rebuilt).toEqual({ deliveries: 1, pages: 1 });
    const due = await owner.query('SELECT id FROM deliveries WHERE due_at <= now()');
    expect(due.rows).toEqual([{ id: mine }]);
    expect(await database.inWorkspace(here, (sql) => rebuildQueues(sql, here))).toEqual({
      deliveries: 0,
      pages: 0,
    });
    expect(await database.acrossWorkspaces((sql) => rebuildQueues(sql, null))).toEqual({
      deliveries: 1,
      pages: 0,
    });
  });
});
