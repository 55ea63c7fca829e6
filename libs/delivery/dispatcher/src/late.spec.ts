/**
 * What comes late: a record whose row has moved on meanwhile, and a mark that had to wait for its row. Rows and two functions, no
 * worker: how a worker gets there is the affair of deliver.spec.
 */
import { loadConfig, useConfig } from '@carillon/config';
import type { Status } from '@carillon/contracts';
import { Database, dayOf, ensurePartitions, newId } from '@carillon/database';
import { eventually, freshDatabase, type FreshDatabase } from '@carillon/testing';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import type { Claimed, Ready } from './claim.js';
import { markHandedOver } from './hand-over.js';
import { recordAttempts, type Attempted } from './record.js';

let fresh: FreshDatabase;
let owner: pg.Client;
let database: Database;
const workspaceId = newId();
const account = { id: newId(), provider: 'scripted', revision: 1 };

beforeAll(async () => {
  useConfig(loadConfig({ NODE_ENV: 'test' }));
  fresh = await freshDatabase();
  owner = new pg.Client({ connectionString: fresh.ownerUrl });
  await owner.connect();
  database = new Database({ url: fresh.appUrl, max: 2 });
  await ensurePartitions(database);
  await owner.query(`INSERT INTO workspaces (id, slug, name) VALUES ($1, 'w', 'W')`, [workspaceId]);
});
afterAll(async () => {
  await database.close();
  await owner.end();
  await fresh.drop();
});

const reasonOf: Partial<Record<Status, string>> = {
  failed: 'bounced',
  unknown: 'worker_lost',
  cancelled: 'cancelled_by_request',
  suppressed: 'unsubscribed',
  expired: 'expired_before_sending',
};
/** A row of attempt 1, as whoever holds that attempt knows it. */
async function put(status: Status, more: { attempt?: number; duplicate?: boolean } = {}): Promise<Claimed> {
  const id = newId();
  await owner.query(
    `INSERT INTO deliveries (day, id, workspace_id, message_id, channel, class, lane, source, status, reason, attempt, due_at, possible_duplicate)
     VALUES ($1, $2, $3, $2, 'email', 'transactional', 'transactional', 'api', $4, $5, $6, $7, $8)`,
    [
      dayOf(id),
      id,
      workspaceId,
      status,
      reasonOf[status] ?? null,
      more.attempt ?? 1,
      ['queued', 'scheduled', 'sending', 'unknown'].includes(status) ? new Date() : null,
      more.duplicate ?? false,
    ],
  );
  return {
    day: dayOf(id),
    id,
    workspaceId,
    messageId: id,
    channel: 'email',
    attempt: 1,
    tries: 0,
  } as Claimed;
}
const nextOf = {
  sent: { kind: 'done', status: 'sent', providerMessageId: 'p-1' },
  failed: { kind: 'giveUp', reason: 'rejected' },
  retry: { kind: 'retry', reason: 'retry', afterMs: 60_000, possibleDuplicate: false },
} as const;
const record = (delivery: Claimed, says: keyof typeof nextOf) =>
  database.inWorkspace(workspaceId, ({ last }) =>
    recordAttempts(last, workspaceId, [
      {
        delivery,
        account,
        handedOverAt: new Date(),
        attempts: [{ attemptId: delivery.id, address: 'ada@example.com', outcome: { kind: 'accepted' } }],
        outcome: { answer: {} },
        next: nextOf[says],
        nextStepId: null,
      } as unknown as Attempted,
    ]),
  );

describe('a record that comes when its row', () => {
  type Case = [
    string,
    Status,
    { attempt?: number; duplicate?: boolean },
    keyof typeof nextOf,
    Status,
    boolean,
  ];
  it.each<Case>([
    ['is still its own', 'sending', {}, 'sent', 'sent', true],
    ['is still its own', 'sending', {}, 'failed', 'failed', true],
    ['is still its own', 'sending', {}, 'retry', 'scheduled', true],
    ['was swept as unknown', 'unknown', {}, 'sent', 'sent', true],
    ['was swept as unknown', 'unknown', {}, 'failed', 'unknown', false],
    ['was swept to be tried again', 'scheduled', { duplicate: true }, 'sent', 'sent', true],
    ['was offered again', 'queued', { duplicate: true }, 'sent', 'sent', true],
    ['was offered again', 'queued', { duplicate: true }, 'retry', 'queued', false],
    ['has a newer attempt', 'sending', { attempt: 2 }, 'sent', 'sending', false],
    ['has a newer attempt', 'sent', { attempt: 2 }, 'failed', 'sent', false],
    ['has its receipt', 'delivered', {}, 'sent', 'delivered', true],
    ['has bounced', 'failed', {}, 'sent', 'failed', true],
    ['has its receipt', 'delivered', {}, 'failed', 'delivered', false],
    [
      'was stopped after a first try that may have left',
      'cancelled',
      { duplicate: true },
      'sent',
      'sent',
      true,
    ],
    [
      'was stopped after a first try that may have left',
      'suppressed',
      { duplicate: true },
      'sent',
      'sent',
      true,
    ],
    [
      'was stopped after a first try that may have left',
      'expired',
      { duplicate: true },
      'failed',
      'expired',
      false,
    ],
    ['was stopped before anything left', 'cancelled', {}, 'sent', 'cancelled', false],
  ])('%s (%s, %j) and says %s leaves it %s', async (_, status, more, says, expected, tells) => {
    const delivery = await put(status, more);
    await record(delivery, says);
    const { rows } = await owner.query<{ status: Status; lines: number }>(
      `SELECT d.status, (SELECT count(*)::int FROM delivery_events e WHERE e.delivery_id = d.id) AS lines FROM deliveries d WHERE d.id = $1`,
      [delivery.id],
    );
    expect(rows).toEqual([{ status: expected, lines: tells ? 2 : 0 }]);
  });
});

describe('a mark that waits for its row', () => {
  it('says when it was asked for: after its transaction began, before it got the row', async () => {
    const delivery = await put('sending');
    const ready = {
      delivery,
      targets: [{ address: 'ada@example.com', attemptId: delivery.id }],
      countingTopics: [],
      own: null,
    } as unknown as Ready;
    await owner.query('BEGIN');
    await owner.query('SELECT FROM deliveries WHERE id = $1 FOR UPDATE', [delivery.id]);
    let began: Date | undefined;
    const marking = database.inWorkspace(workspaceId, async (sql) => {
      [{ began }] = (await sql.query<{ began: Date }>('SELECT clock_timestamp() AS began')) as [
        { began: Date },
      ];
      return markHandedOver(sql.last, [ready]);
    });
    await eventually(async () => {
      // Who waits is remembered for as long as a transaction lasts.
      await owner.query('SELECT pg_stat_clear_snapshot()');
      const { rows } = await owner.query(
        `SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%handed_over_at%' AND datname = current_database()`,
      );
      return rows.length === 1;
    });
    const { rows: free } = await owner.query<{ at: Date }>('SELECT clock_timestamp() AS at');
    await owner.query('COMMIT');
    expect(await marking).toEqual(new Set([delivery.id]));
    const { rows } = await owner.query<{ at: Date }>(
      'SELECT handed_over_at AS at FROM deliveries WHERE id = $1',
      [delivery.id],
    );
    expect(rows[0]?.at.getTime()).toBeGreaterThanOrEqual(began!.getTime());
    expect(rows[0]?.at.getTime()).toBeLessThanOrEqual(free[0]!.at.getTime());
  });
});
