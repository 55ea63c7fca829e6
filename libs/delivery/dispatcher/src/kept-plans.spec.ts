/** The plans that connections keep: made on an empty day, they must be those of a full one. */
import { loadConfig, useConfig } from '@carillon/config';
import { Database, dayOf, ensurePartitions, newId, type Sql } from '@carillon/database';
import { defineChannel, type Channel } from '@carillon/delivery-rules';
import { freshDatabase, type FreshDatabase } from '@carillon/testing';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import pg from 'pg';
import { membersOf, type PageInHand } from './claim-page.js';
import { claim, judge, type Claimed, type Ready } from './claim.js';
import { markHandedOver, unclaim } from './hand-over.js';
import { recordAttempts } from './record.js';

let fresh: FreshDatabase;
let owner: pg.Client;
let database: Database;
const workspaceId = newId();
const [id, messageId, profileId, accountId, nextStepId] = [newId(), newId(), newId(), newId(), newId()];
const day = dayOf(id);
const delivery = {
  day,
  id,
  workspaceId,
  messageId,
  profileId,
  channel: 'email',
  messageClass: 'marketing',
  lane: 'transactional',
  topic: 'news',
  attempt: 1,
  tries: 0,
  routeStep: 0,
} as Claimed;
const channel = defineChannel<string>({
  channel: 'email',
  addresses: (r) => (r.email ? [{ address: r.email }] : []),
  render: () => ({ ok: true, rendered: '', warnings: [] }),
  show: () => ({ channel: 'email' }),
  providers: [],
  retry: { attempts: 1, windowMs: 1, backoffMs: 1, maxBackoffMs: 1 },
  batchSize: 3,
}) as Channel;

beforeAll(async () => {
  useConfig(loadConfig({ NODE_ENV: 'test' }));
  fresh = await freshDatabase();
  owner = new pg.Client({ connectionString: fresh.ownerUrl });
  await owner.connect();
  database = new Database({ url: fresh.appUrl, max: 1 });
  await ensurePartitions(database);
});
afterAll(async () => {
  await database.close();
  await owner.end();
  await fresh.drop();
});

const page = { workspaceId, day, runId: newId(), messageId, channel: 'email' } as PageInHand;

/** All that a delivery asks on its way, of which no row needs to be there. */
async function walk(sql: Sql): Promise<void> {
  const ready = {
    delivery,
    targets: [{ address: 'ada@example.com', attemptId: id }],
    countingTopics: ['news'],
  } as unknown as Ready;
  await membersOf(sql, page, 0, 250);
  await claim(sql, [id]);
  await judge(sql, channel, workspaceId, [delivery]).catch(() => undefined);
  await markHandedOver(sql, [ready], { id: accountId, provider: 'smtp' });
  await unclaim(sql, [ready]);
  await recordAttempts(sql, workspaceId, [
    {
      delivery,
      account: { id: accountId, provider: 'smtp', revision: 1 },
      handedOverAt: new Date(),
      attempts: [],
      outcome: { kind: 'rejected', reason: 'rejected', answer: {} },
      next: { kind: 'giveUp', reason: 'rejected' },
      nextStepId,
    } as never,
  ]);
}

interface Node {
  'Node Type': string;
  'Relation Name'?: string;
  'Index Name'?: string;
  'Index Cond'?: string;
  'Recheck Cond'?: string;
  Plans?: Node[];
}
const nodes = (node: Node): Node[] => [node, ...(node.Plans ?? []).flatMap(nodes)];
const scans = (node: Node): Node[] =>
  nodes(node).filter((n) => n['Relation Name'] && n['Node Type'].endsWith('Scan'));

/** What this connection's plans scan: `<statement>: <table> by <condition>`, and the indexes by which they find rows of the log. */
async function kept(): Promise<{ plans: string[]; indexes: Set<string> }> {
  return database.inWorkspace(workspaceId, async (sql) => {
    await walk(sql);
    const all = await sql.query<{ name: string; params: number }>(
      `SELECT name, cardinality(parameter_types) AS params FROM pg_prepared_statements WHERE name !~ '^scope' AND generic_plans > 0 ORDER BY name`,
    );
    const plans: string[] = [];
    const indexes = new Set<string>();
    for (const { name, params } of all) {
      // The plan that is there; or, when statistics came a moment ago and took it away, the one its next user would make.
      await sql.query(
        `SELECT set_config(n, v, true) FROM unnest(ARRAY['plan_cache_mode', 'enable_seqscan', 'enable_mergejoin', 'enable_nestloop'], $1::text[]) AS t(n, v)`,
        [['force_generic_plan', 'off', 'off', name.endsWith(day) ? 'off' : 'on']],
      );
      const [row] = await sql.query<{ 'QUERY PLAN': [{ Plan: Node }] }>(
        `EXPLAIN (FORMAT JSON) EXECUTE "${name}" (${Array.from({ length: params }, () => 'NULL').join()})`,
      );
      const { Plan } = row!['QUERY PLAN'][0];
      for (const scan of scans(Plan))
        plans.push(
          `${name.replace(` ${day}`, '')}: ${scan['Node Type']} of ${scan['Relation Name']?.replace(/_\d+$/, '')} by ${scan['Index Cond'] ?? scan['Recheck Cond']}`,
        );
      for (const { 'Index Name': index } of nodes(Plan))
        if (index?.startsWith('deliveries_')) indexes.add(index.replace(/_\d+_/, ' '));
    }
    return { plans, indexes };
  });
}

const expectIndexes = ({ plans, indexes }: Awaited<ReturnType<typeof kept>>) => {
  // `installation` has one row, by its constraint.
  expect(plans.filter((plan) => /Seq Scan of (?!installation )/.test(plan))).toEqual([]);
  const log = plans.filter((plan) => /of (deliveries|messages|delivery_events) /.test(plan));
  expect(new Set(log.map((plan) => plan.split(':')[0]))).toEqual(
    new Set(['bring-forward', 'claim', 'mark', 'messages', 'record', 'unclaim']),
  );
  expect(log.filter((plan) => !/\bid = ANY/.test(plan))).toEqual([]);
  // That of people ends in an id as well, behind everybody of the workspace.
  expect([...indexes].filter((index) => !/pkey|workspace_id_id/.test(index))).toEqual([]);
  expect(indexes.size).toBeGreaterThan(0);
  const people = plans.filter((plan) => /of profiles /.test(plan));
  expect(people.map((plan) => plan.split(':')[0])).toContain('people-of-page');
  expect(people.filter((plan) => !/\bid = /.test(plan))).toEqual([]);
  const words = plans.filter((plan) => /of (suppressions|consents) /.test(plan));
  expect(words.length).toBeGreaterThan(4);
  expect(words.filter((plan) => !/address|profile_id/.test(plan))).toEqual([]);
};

const write = (rows: number) =>
  owner.query(
    `INSERT INTO deliveries (day, id, workspace_id, message_id, profile_id, channel, class, lane, source, status)
     SELECT $1, gen_random_uuid(), $2, gen_random_uuid(), gen_random_uuid(), 'email', 'marketing', 'bulk', 'api', 'sent' FROM generate_series(1, $3::int)`,
    [day, workspaceId, rows],
  );
const people = (count: number) =>
  owner.query(
    `INSERT INTO profiles (id, workspace_id, external_id) SELECT uuidv7(), $1, uuidv7() FROM generate_series(1, $2::int)`,
    [workspaceId, count],
  );
/** As a connection does once a minute. */
const forget = () => database.pool.query('DISCARD PLANS');

it('go by the ids and addresses that are given, whatever their tables held when they were made', async () => {
  expectIndexes(await kept());
  // Many rows, and PostgreSQL has not looked at them: it takes each workspace for a small one.
  await owner.query(`INSERT INTO workspaces (id, slug, name) VALUES ($1, 'w', 'W')`, [workspaceId]);
  await write(5_000);
  await people(60);
  await forget();
  expectIndexes(await kept());
  // A few rows, and PostgreSQL knows how few: scanning them all would look cheap.
  await owner.query('TRUNCATE deliveries');
  await people(5_000);
  await write(60);
  await owner.query(
    `INSERT INTO messages (day, id, workspace_id, class, lane, source) SELECT $1, gen_random_uuid(), $2, 'marketing', 'bulk', 'api' FROM generate_series(1, 60)`,
    [day, workspaceId],
  );
  await owner.query(
    `INSERT INTO suppressions (workspace_id, channel, address, reason, source) SELECT $1, 'email', n || '@example.com', 'manual', 'api' FROM generate_series(1, 60) n`,
    [workspaceId],
  );
  await owner.query('ANALYZE deliveries, messages, suppressions, profiles');
  expectIndexes(await kept());
});
