/** What the list of failures costs, on a real PostgreSQL: rows read, never time. What it tells: desk.spec.ts. */
import { Database, ensurePartitions, newId, type Kept, type Sql } from '@carillon/database';
import { freshDatabase, type FreshDatabase } from '@carillon/testing';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { listFailures, MOST_FAILURES } from './failures.js';
import { previewRedrive } from './redrive.js';

let fresh: FreshDatabase;
let owner: pg.Client;
let database: Database;
const workspaceId = newId();
const FAILURES = MOST_FAILURES + 4_000;
const EVERY = 3;
/** What a merge of partitions and a sort of equal keys look at beyond what they give. */
const AHEAD = 100;

beforeAll(async () => {
  fresh = await freshDatabase();
  owner = new pg.Client({ connectionString: fresh.ownerUrl });
  await owner.connect();
  database = new Database({ url: fresh.appUrl, max: 2 });
  await ensurePartitions(database);
  await owner.query(`INSERT INTO workspaces (id, slug, name) VALUES ($1, 'w', 'W')`, [workspaceId]);
  // One a millisecond until now, every third a failure; ids as newId makes them, so that they rise with time.
  await owner.query(
    `CREATE TEMP TABLE seeded AS
     SELECT n, n % $2::int = 0 AS failed, (at AT TIME ZONE 'UTC')::date AS day,
            (left(ms, 8) || '-' || right(ms, 4) || '-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid AS id
       FROM generate_series(1, $1::int) AS n, LATERAL (SELECT now() - make_interval(secs => ($1::int - n) / 1000.0) AS at) AS t,
            LATERAL (SELECT lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') AS ms) AS hex`,
    [FAILURES * EVERY, EVERY],
  );
  await owner.query(
    `INSERT INTO deliveries (day, id, workspace_id, message_id, channel, lane, class, source, address, status, reason, provider)
     SELECT day, id, $1::uuid, id, 'email', 'transactional', 'transactional', 'api', 'p' || n || '@example.com',
            CASE WHEN failed THEN 'failed' ELSE 'sent' END, CASE WHEN failed THEN 'recipient_unknown' END, 'smtp' FROM seeded ORDER BY id`,
    [workspaceId],
  );
  await owner.query(
    `INSERT INTO delivery_events (day, delivery_id, workspace_id, type, reason, detail)
     SELECT day, id, $1::uuid, type, reason, detail FROM seeded, LATERAL (VALUES
       ('accepted', NULL, '{}'::jsonb),
       (CASE WHEN failed THEN 'failed' ELSE 'sent' END, CASE WHEN failed THEN 'recipient_unknown' END,
        jsonb_build_object('code', 550 + n % 2, 'message', '<p' || n || '@example.com>: no such user'))) AS line (type, reason, detail) ORDER BY id`,
    [workspaceId],
  );
  await owner.query('ANALYZE deliveries, delivery_events');
}, 120_000);
afterAll(async () => {
  await database.close();
  await owner.end();
  await fresh.drop();
});

interface Node {
  'Node Type': string;
  'Relation Name'?: string;
  'Actual Rows': number;
  'Actual Loops': number;
  'Rows Removed by Filter'?: number;
  Plans?: Node[];
}
/** Rows that the nodes over a table's partitions read, and by which kinds of node. */
function read(root: Node, table: string): { rows: number; kinds: Set<string> } {
  const found = { rows: 0, kinds: new Set<string>() };
  const walk = (node: Node) => {
    const rows = (node['Actual Rows'] + (node['Rows Removed by Filter'] ?? 0)) * node['Actual Loops'];
    // The partitions of days without rows are not worth a kind.
    if (node['Relation Name']?.startsWith(table) && rows > 0) {
      found.rows += rows;
      found.kinds.add(node['Node Type']);
    }
    node.Plans?.forEach(walk);
  };
  walk(root);
  return found;
}
/** Runs `work`, and gives the plan of its statement over failures, as it was executed. */
async function planOf(work: (sql: Sql) => Promise<unknown>): Promise<Node> {
  let plan: Node | undefined;
  await database.inWorkspace(workspaceId, (sql) =>
    work(
      Object.assign(Object.create(sql) as Sql, {
        query: async (statement: string | Kept, params?: readonly unknown[]) => {
          const text = typeof statement === 'string' ? statement : statement.text;
          if (text.includes('delivery_events e')) {
            const [row] = await sql.query<{ 'QUERY PLAN': [{ Plan: Node }] }>(
              `EXPLAIN (ANALYZE, FORMAT JSON) ${text}`,
              params,
            );
            plan = row?.['QUERY PLAN'][0].Plan;
          }
          return sql.query(statement, params);
        },
      }),
    ),
  );
  if (!plan) throw new Error('there was no such statement');
  return plan;
}

describe('the list of failures', () => {
  it('counts the newest, and says that there were more', async () => {
    const { total, truncated, groups } = await database.inWorkspace(workspaceId, (sql) =>
      listFailures(sql, workspaceId, {}, new Date()),
    );
    expect({ total, truncated }).toEqual({ total: MOST_FAILURES, truncated: true });
    expect(groups.map(({ code, words, count }) => ({ code, words, count }))).toEqual(
      ['550', '551'].map((code) => ({ code, words: '<…>: no such user', count: MOST_FAILURES / 2 })),
    );
    const { rows } = await owner.query<{ id: string }>(
      `SELECT id FROM deliveries WHERE status = 'failed' ORDER BY id DESC LIMIT 10`,
    );
    const samples = groups.flatMap(({ sampleIds }) => sampleIds);
    expect(samples.sort().reverse()).toEqual(rows.map(({ id }) => id));
  });

  it('follows the index, and reads no more lines and deliveries than it counts', async () => {
    const plan = await planOf((sql) => listFailures(sql, workspaceId, {}, new Date()));
    const lines = read(plan, 'delivery_events');
    expect([...lines.kinds]).toEqual(['Index Scan']);

    expect(lines.rows).toBeLessThanOrEqual(MOST_FAILURES + AHEAD);
    const deliveries = read(plan, 'deliveries');
    expect([...deliveries.kinds]).toEqual(['Index Scan']);
    expect(deliveries.rows).toBeLessThanOrEqual(MOST_FAILURES + AHEAD);
  });
});

describe('the preview of a re-drive', () => {
  it('reads what it would take, and no more', async () => {
    const plan = await planOf((sql) =>
      previewRedrive(
        sql,
        workspaceId,
        { dryRun: true, includeUnknown: false, filter: {} },
        'spec',
        new Date(),
      ),
    );
    const lines = read(plan, 'delivery_events');
    expect([...lines.kinds]).toEqual(['Index Scan']);
    expect(lines.rows).toBeLessThanOrEqual(MOST_FAILURES + AHEAD);
    expect([...read(plan, 'deliveries').kinds]).toEqual(['Index Scan']);
  });

  it('of some ids reads only those', async () => {
    const { rows } = await owner.query<{ id: string }>(
      `SELECT id FROM deliveries WHERE status = 'failed' ORDER BY id LIMIT 3`,
    );
    const filter = { ids: rows.map(({ id }) => id) };
    const plan = await planOf(async (sql) => {
      const { preview } = await previewRedrive(
        sql,
        workspaceId,
        { dryRun: true, includeUnknown: false, filter },
        'spec',
        new Date(),
      );
      expect(preview.total).toBe(3);
    });
    expect(read(plan, 'delivery_events').rows).toBe(3);
  });
});
