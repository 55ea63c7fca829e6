/** Limits and breakers as several processes share them: each `AccountFlow` stands for a process, the row is real. */
import type { RateLimit } from '@carillon/contracts';
import { Database, newId } from '@carillon/database';
import { BREAKER_PROBES, burstOf, perMs, type Outcome } from '@carillon/delivery-rules';
import { usableAccounts } from '@carillon/delivery-service';
import { eventually, freshDatabase, type FreshDatabase } from '@carillon/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { AccountFlow } from './account-flow.js';

let fresh: FreshDatabase;
let owner: pg.Client;
let database: Database;
let flows: AccountFlow[];
const workspaceId = newId();
const id = newId();

beforeAll(async () => {
  fresh = await freshDatabase();
  owner = new pg.Client({ connectionString: fresh.ownerUrl });
  await owner.connect();
  database = new Database({ url: fresh.appUrl, max: 8 });
  await owner.query(`INSERT INTO workspaces (id, slug, name) VALUES ($1, 'w', 'W')`, [workspaceId]);
  await owner.query(
    `INSERT INTO provider_accounts (id, workspace_id, channel, provider, name) VALUES ($1, $2, 'sms', 'twilio', 'First')`,
    [id, workspaceId],
  );
});
afterAll(async () => {
  await database.close();
  await owner.end();
  await fresh.drop();
});
beforeEach(async () => {
  flows = [new AccountFlow(database, () => 0), new AccountFlow(database, () => 0)];
  await owner.query('DELETE FROM account_flow');
  await limitTo(null);
});

const limitTo = (limit: RateLimit | null) =>
  owner.query('UPDATE provider_accounts SET rate_limit = $1', [limit && JSON.stringify(limit)]);
/** As a claim reads it. */
const account = async () => {
  const [found] = await database.inWorkspace(workspaceId, (sql) => usableAccounts(sql, workspaceId, 'sms'));
  if (!found) throw new Error('there is an account');
  return found;
};
const row = async () => (await owner.query<Record<string, unknown>>('SELECT * FROM account_flow')).rows[0];
const away: Outcome = { kind: 'deferred', answer: { message: 'nobody there' } };
const ok: Outcome = { kind: 'accepted', providerMessageId: '1', answer: {} };
const [one, two] = [0, 1].map((n) => () => flows[n] as AccountFlow) as [() => AccountFlow, () => AccountFlow];

describe('a rate limit', () => {
  it('holds for two processes together, whatever each of them asks for', async () => {
    const limit: RateLimit = { count: 200, per: 'second' };
    await limitTo(limit);
    const given = await account();
    const started = performance.now();
    let sent = 0;
    const ask = async (flow: AccountFlow, want: number) => {
      while (performance.now() - started < 1500) {
        const { granted, waitMs } = await flow.take(given, 'bulk', want);
        sent += granted;
        if (granted === 0) await new Promise((resolve) => setTimeout(resolve, Math.min(waitMs, 20)));
      }
    };
    await Promise.all([ask(one(), 50), ask(one(), 1), ask(two(), 7), ask(two(), 1)]);
    const elapsed = performance.now() - started;
    expect(sent).toBeLessThanOrEqual(burstOf(limit) + elapsed * perMs(limit));
    expect(sent).toBeGreaterThan(0.6 * elapsed * perMs(limit));
    // What was leased and not needed went back.
    await Promise.all(flows.map((flow) => flow.stop()));
    await eventually(async () => Number((await row())?.['used']) <= quota(limit));
  });
  const quota = (limit: RateLimit) => Math.ceil(limit.count);

  it('asks for slices, not for messages', async () => {
    await limitTo({ count: 100_000, per: 'second' });
    const given = await account();
    let transactions = 0;
    const counting = {
      inWorkspace: (...args: Parameters<Database['inWorkspace']>) => {
        transactions++;
        return database.inWorkspace(...args);
      },
    } as Database;
    const flow = new AccountFlow(counting);
    for (let i = 0; i < 1000; i++) expect((await flow.take(given, 'transactional', 1)).granted).toBe(1);
    await flow.stop();
    expect(transactions).toBeLessThan(200);
  });

  it('that is changed holds for the next slice', async () => {
    await limitTo({ count: 1000, per: 'second', burst: 100 });
    const given = await account();
    expect((await one().take(given, 'transactional', 10)).granted).toBe(10);
    await limitTo({ count: 1, per: 'day' });
    await new Promise((resolve) => setTimeout(resolve, 120));
    // The account as it was read before: the lease reads the limit itself.
    expect((await one().take(given, 'transactional', 50)).granted).toBe(1);
    expect(await one().take(given, 'transactional', 1)).toMatchObject({ granted: 0, why: 'account_rate' });
  });

  it('gives way to the quota of the day while the account warms up, whatever account was read before', async () => {
    const today = new Date().toISOString().slice(0, 10);
    const before = await account();
    await limitTo({ count: 1000, per: 'second' });
    const warmUp = (plan: object | null) =>
      owner.query('UPDATE provider_accounts SET warm_up = $1', [plan && JSON.stringify(plan)]);
    await warmUp({ from: today, quotas: [24, 100] });
    const given = await account();
    expect(given.rateLimit).toEqual({ count: 24, per: 'day', burst: 1 });
    expect((await one().take(given, 'transactional', 50)).granted).toBe(1);
    expect(
      (await two().take({ ...given, rateLimit: { count: 1000, per: 'second' } }, 'transactional', 50))
        .granted,
    ).toBe(0);
    expect(before.rateLimit).toBeNull();
    // Over: the limit of the account holds again.
    await warmUp({ from: '2020-01-01', quotas: [24, 100] });
    expect((await account()).rateLimit).toEqual({ count: 1000, per: 'second' });
    await warmUp(null);
  });

  it('spreads rows that found no token', async () => {
    await limitTo({ count: 10, per: 'second' });
    const given = await account();
    const permit = await one().take(given, 'bulk', 1000);
    const waits = await one().waits(given, 'bulk', 100, permit);
    expect(waits.at(-1)).toBeGreaterThan(9_000);
    const later = await two().waits(given, 'bulk', 10, permit);
    expect(later[0]).toBeGreaterThan(9_000);
  });

  it('of no account costs nothing', async () => {
    const given = await account();
    expect(await one().take(given, 'bulk', 1000)).toMatchObject({ granted: 1000 });
    await one().report(given, [ok, ok]);
    expect(await row()).toBeUndefined();
  });
});

describe('a breaker', () => {
  it('opens by the failures of two processes, and is seen by both', async () => {
    const given = await account();
    await Promise.all([one().report(given, [away, away, away]), two().report(given, [away, away, away])]);
    const seen = await account();
    expect(seen.blockedMs).toBeGreaterThan(0);
    expect(await two().take(seen, 'transactional', 1)).toMatchObject({
      granted: 0,
      why: 'account_unavailable',
    });
  });

  it('lets few probes out in all, and closes with their success', async () => {
    await one().report(
      await account(),
      Array.from({ length: 5 }, () => away),
    );
    await owner.query(`UPDATE account_flow SET open_until = now() - interval '1 second'`);
    const given = await account();
    const permits = await Promise.all(
      [one(), two(), one(), two()].map((flow) => flow.take(given, 'transactional', 10)),
    );
    expect(permits.reduce((sum, { granted }) => sum + granted, 0)).toBe(BREAKER_PROBES);
    await one().report(given, [ok]);
    expect(await row()).toMatchObject({ open_until: null, trips: 0, failures_in_row: 0 });
    expect(await one().take(await account(), 'transactional', 10)).toMatchObject({ granted: 10 });
  });

  it('keeps quiet about successes until there are failures, and weighs them then', async () => {
    const given = await account();
    await one().report(
      given,
      Array.from({ length: 100 }, () => ok),
    );
    await one().report(
      given,
      Array.from({ length: 4 }, () => away),
    );
    expect(await row()).toMatchObject({ window_ok: 100, window_failed: 4, open_until: null });
  });
});

describe('a 429', () => {
  it('holds the account in every process until its time is over', async () => {
    await one().report(await account(), [{ kind: 'rateLimited', retryAfterMs: 60_000, answer: {} }]);
    const seen = await account();
    expect(seen.blockedMs).toBeGreaterThan(50_000);
    expect((await two().take(seen, 'transactional', 1)).granted).toBe(0);
  });
});
