/** Admission, through the real API on a real PostgreSQL: who is refused, with what, and who is not. */
import { loadConfig, useConfig } from '@carillon/config';
import type { BatchResult, Problem } from '@carillon/contracts';
import { newId } from '@carillon/database';
import { newApiKey, ProblemException } from '@carillon/server';
import { eventually } from '@carillon/testing';
import { startTestApi, type TestApi } from '@carillon/testing/api';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Admission, retrySeconds, type Space } from './admission.js';

let api: TestApi;
/** A key of another workspace. */
let elsewhere: string;

beforeAll(async () => {
  api = await startTestApi({ BACKLOG_LIMIT_WORKSPACE: '10', BACKLOG_LIMIT: '25' });
  elsewhere = await key();
});
afterAll(() => api.close());
beforeEach(() => api.owner.query('TRUNCATE deliveries, messages'));

async function key(): Promise<string> {
  const workspaceId = newId();
  await api.owner.query('INSERT INTO workspaces (id, slug, name) VALUES ($1::uuid, $1::text, $1::text)', [
    workspaceId,
  ]);
  const made = newApiKey();
  await api.owner.query(
    `INSERT INTO api_keys (id, workspace_id, name, prefix, hash, scopes) VALUES ($1, $2, 'spec', $3, $4, '{messages:write}')`,
    [newId(), workspaceId, made.prefix, made.hash],
  );
  return made.key;
}
const message = (more = {}) => ({
  to: { email: 'ada@example.com' },
  channels: ['email'],
  content: { email: { subject: 'Hi', text: 'Hi' } },
  ...more,
});
/** Does not add to the backlog, however often it is asked. */
const later = () => ({ sendAt: new Date(Date.now() + 3_600_000).toISOString() });
const send = (more = {}, as = api.key) =>
  api.call('/v1/messages', { body: message(more), headers: { authorization: `Bearer ${as}` } });
const batch = (count: number, as = api.key, more = {}) =>
  api.call('/v1/messages/batch', {
    body: { messages: Array.from({ length: count }, () => message(more)) },
    headers: { authorization: `Bearer ${as}` },
  });
const kept = async () =>
  Number((await api.owner.query<{ n: string }>('SELECT count(*) AS n FROM deliveries')).rows[0]?.n);
/** Asks until a sample has told it; what comes before is answered by the sample before. */
const refused = async (status: number, ask: () => Promise<Response>) => {
  const answer = await eventually(async () => {
    const got = await ask();
    return got.status === status && got;
  }, 10_000);
  expect(Number(answer.headers.get('retry-after'))).toBeGreaterThanOrEqual(5);
  return (await answer.json()) as Problem;
};
const taken = (ask: () => Promise<Response>) => eventually(async () => (await ask()).status === 202, 10_000);

describe('a backlog', () => {
  it('of one workspace refuses that workspace, single messages and batches, until it is worked off', async () => {
    await taken(() => batch(15));
    expect(await refused(429, () => send(later()))).toMatchObject({
      code: 'backlog_full',
      detail: expect.stringContaining('More than 10 deliveries of your workspace'),
    });
    expect((await refused(429, () => batch(1, api.key, later()))).code).toBe('backlog_full');
    const rows = await kept();
    expect((await send({}, elsewhere)).status).toBe(202);
    expect(await kept()).toBe(rows + 1);

    await api.owner.query(`UPDATE deliveries SET status = 'sent', due_at = NULL`);
    await taken(() => send());
  });

  it('of the whole installation refuses everybody', async () => {
    const others = await Promise.all([key(), key(), key()]);
    for (const other of others) await taken(() => batch(9, other));
    expect((await refused(503, () => send(later(), elsewhere))).code).toBe('overloaded');
  });

  it('does not hold what is planned for later, and holds what was planned and is late', async () => {
    await taken(() => send());
    expect((await batch(50, api.key, later())).status).toBe(202);
    // More than one sample is taken meanwhile.
    const { rows } = await api.owner.query<{ at: Date }>(`SELECT clock_timestamp() + interval '2.5 s' AS at`);
    await eventually(async () => {
      expect((await send({}, elsewhere)).status).toBe(202);
      await api.owner.query(`DELETE FROM deliveries WHERE status = 'queued'`);
      const now = await api.owner.query<{ late: boolean }>('SELECT clock_timestamp() > $1 AS late', [
        rows[0]?.at,
      ]);
      return now.rows[0]?.late;
    }, 10_000);
    await api.owner.query(`UPDATE deliveries SET due_at = now() - interval '1 min'`);
    await refused(429, () => send(later()));
  });
});

describe('PostgreSQL', () => {
  it.each([
    ['53100', 'storage_full', 30],
    ['53200', 'overloaded', 5],
    ['53300', 'overloaded', 5],
  ])('that refuses with %s is a 503 %s, and nothing is stored', async (errcode, code, seconds) => {
    await taken(() => send());
    await api.owner.query('TRUNCATE deliveries, messages');
    await api.owner.query(
      `CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '${errcode}'; END $$;
       CREATE TRIGGER refuse BEFORE INSERT ON deliveries FOR EACH ROW EXECUTE FUNCTION refuse()`,
    );
    try {
      for (const answer of [await send(), await batch(3)]) {
        expect(answer.status).toBe(503);
        expect(answer.headers.get('retry-after')).toBe(String(seconds));
        expect(await answer.json()).toMatchObject({ code });
      }
      expect(await kept()).toBe(0);
    } finally {
      await api.owner.query('DROP FUNCTION refuse CASCADE');
    }
    const after = (await (await batch(1)).json()) as BatchResult;
    expect(after.accepted).toBe(1);
  });
});

describe('a process', () => {
  const nobody = { acrossWorkspaces: () => Promise.resolve([] as never) };
  const workspaceId = newId();
  const codeOf = (error: unknown) => (error instanceof ProblemException ? error.code : String(error));

  it('has no more than 20,000 messages in hand, and takes more when they are answered', async () => {
    const admission = new Admission(nobody, () => Promise.resolve(null));
    let answer = () => {};
    const held = new Promise<void>((resolve) => (answer = resolve));
    const first = Array.from({ length: 20 }, () => admission.admit(workspaceId, 1_000, () => held));
    const other = () => admission.admit(workspaceId, 1, () => Promise.resolve('taken'));
    expect(await other().catch(codeOf)).toBe('overloaded');
    answer();
    await Promise.all(first);
    expect(await other()).toBe('taken');
    const failing = () => Promise.reject(new Error('no'));
    for (let i = 0; i < 30; i++) await admission.admit(workspaceId, 1_000, failing).catch(codeOf);
    expect(await other()).toBe('taken');
  });

  it.each<[string, Space | null, string]>([
    ['less than 200 MB of a large disk', { freeBytes: 150e6, sizeBytes: 1e12 }, 'storage_full'],
    ['less than 2 % of a small one', { freeBytes: 15e6, sizeBytes: 1e9 }, 'storage_full'],
    ['more than 2 % of a small one', { freeBytes: 25e6, sizeBytes: 1e9 }, 'taken'],
    ['more than 200 MB of a large one', { freeBytes: 250e6, sizeBytes: 1e12 }, 'taken'],
    ['a disk that is not ours to see', null, 'taken'],
  ])('with %s: %s', async (_, space, expected) => {
    const admission = new Admission(nobody, () => Promise.resolve(space));
    const ask = () => admission.admit(workspaceId, 1, () => Promise.resolve('taken')).catch(codeOf);
    await ask();
    await eventually(async () => (await ask()) === expected);
  });

  it('counts once for a thousand requests, and goes on accepting while it cannot', async () => {
    useConfig(loadConfig({ NODE_ENV: 'test' }));
    let counted = 0;
    const away = { acrossWorkspaces: () => (counted++, Promise.reject(new Error('away'))) };
    const admission = new Admission(away, () => Promise.resolve(null));
    for (let i = 0; i < 1_000; i++)
      expect(await admission.admit(workspaceId, 1, () => Promise.resolve('taken'))).toBe('taken');
    expect(counted).toBeLessThanOrEqual(2);
  });
});

describe('Retry-After', () => {
  it.each([
    ['the excess at the pace of the last samples', 5_000, 1_000, 1_000, 5],
    ['longer when it drains slowly', 5_000, 100, 1_000, 50],
    ['never under five seconds', 1, 1_000, 1_000, 5],
    ['never over five minutes', 100_000, 1, 1_000, 300],
    ['half a minute when nothing drains', 5_000, 0, 1_000, 30],
    ['half a minute when it grows', 5_000, -10, 1_000, 30],
  ])('is %s', (_, excess, left, withinMs, seconds) =>
    expect(retrySeconds(excess, left, withinMs)).toBe(seconds),
  );
});
