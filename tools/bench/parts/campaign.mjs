/** What `bulk`, `queue` and `http` send, mails of 34 KB with 99 slots or texts, to people with twenty attributes; and the floor beneath it. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import pg from 'pg';
import { SERVICE_FLAGS } from '../../service-process.mjs';
import { prepare } from '../../stack.mjs';
import { costCells, measure, round, sleep, startPart } from '../harness.mjs';

const lib = (name) => import(`../../../libs/${name}/dist/index.js`);
const PEOPLE = 100_000;
/** Sent before anything is measured: V8 goes on compiling for some seconds. */
export const WARM = 50_000;

/** A fresh database with an installation's worth of people, whose ids rise as they do where the product makes them. */
export async function withPeople(work, count = PEOPLE) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'carillon-bench-'));
  const stack = await prepare({ folder, say: console.log });
  Object.assign(process.env, stack.env);
  const owner = new pg.Client({ connectionString: stack.databases.ownerUrl });
  try {
    await owner.connect();
    const { Database, ensurePartitions, newId } = await lib('database');
    const database = new Database({ url: stack.databases.appUrl, max: 2 });
    await ensurePartitions(database);
    const workspaceId = newId();
    await owner.query(`INSERT INTO workspaces (id, slug, name) VALUES ($1, 'bench', 'Bench')`, [workspaceId]);
    await owner.query(
      `INSERT INTO provider_accounts (id, workspace_id, channel, provider, name) VALUES ($1, $2, 'email', 'sink', 'Sink')`,
      [newId(), workspaceId],
    );
    await owner.query(
      `INSERT INTO profiles (id, workspace_id, external_id, email, phone, phone_country, locale, attributes)
       SELECT uuidv7(), $1, 'p' || n, 'p' || n || '@example.com', '+1500' || lpad(n::text, 7, '0'), 'ZZ', 'en', (SELECT jsonb_object_agg('a' || i, 'value ' || i || ' of ' || n) FROM generate_series(0, 19) AS i)
         FROM generate_series(1, $2::int) AS n`,
      [workspaceId, count],
    );
    await owner.query('VACUUM ANALYZE profiles');
    await work({ owner, database, workspaceId });
    await database.close();
  } finally {
    await owner.end();
    await stack.stop();
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

const filler =
  '<td style="padding:0 24px;font-family:Helvetica,Arial,sans-serif;font-size:15px;line-height:22px">';
const html = `<html><body>${Array.from(
  { length: 99 },
  (_, i) =>
    `<table><tr>${filler}Your offer of the week, chosen for {{ profile.a${i % 20} }}: ${'x'.repeat(180)}</td></tr></table>`,
).join('\n')}<a href="{{ unsubscribe_url }}">Unsubscribe</a></body></html>`;
export const mailBytes = html.length;

export const CONTENT = {
  email: { subject: 'For {{ profile.a0 }}', html, text: 'For {{ profile.a0 }}' },
  sms: { body: 'For {{ profile.a0 }}: your order is on its way.' },
};

/** Plans a run, starts it and waits for its end. @returns how many, and how long the planning took */
export async function campaign(
  { owner, database, workspaceId },
  count,
  { channel = 'email', every = () => {} } = {},
) {
  const { planRun, changeRun } = await lib('delivery/service');
  const from = performance.now();
  const run = await database.inWorkspace(workspaceId, async (sql) => {
    const planned = await planRun(sql, workspaceId, {
      source: { kind: 'campaign', id: 'bench' },
      channel,
      messageClass: 'marketing',
      topic: 'offers',
      content: { [channel]: CONTENT[channel] },
      audience: {
        query: {
          text: `SELECT p.id AS profile_id, k::text AS key, NULL::jsonb AS data FROM profiles p, generate_series(1, greatest(1, $2::int / ${PEOPLE})) AS k WHERE p.workspace_id = $1 LIMIT $2::int`,
          params: [workspaceId, count],
        },
      },
    });
    await changeRun(sql, workspaceId, planned.id, 'start');
    return planned;
  });
  const planSeconds = (performance.now() - from) / 1000;
  for (let n = 0; ; n++) {
    const { rows } = await owner.query('SELECT state, paused_reason FROM runs WHERE id = $1', [run.id]);
    if (rows[0].state === 'paused') throw new Error(rows[0].paused_reason);
    if (rows[0].state === 'completed') break;
    if (n % 50 === 0) await every();
    await sleep(20);
  }
  const { rows } = await owner.query(
    `SELECT count(*) FILTER (WHERE status = 'sent')::int AS sent, count(*)::int AS all, extract(epoch FROM max(sent_at) - min(handed_over_at))::float8 AS seconds FROM deliveries WHERE message_id = $1`,
    [run.messageId],
  );
  if (rows[0].sent !== run.members || rows[0].all !== run.members)
    throw new Error(`${rows[0].sent} of ${run.members} were sent, ${rows[0].all} are in the log`);
  return { members: run.members, planSeconds, seconds: rows[0].seconds };
}

/** The rows that the run writes, with their indexes, by unnest, 1,000 a commit, on one connection. @returns rows per second */
export async function rowsFloor(owner, count = 50_000) {
  await owner.query('DROP TABLE IF EXISTS bench_log');
  await owner.query('CREATE TABLE bench_log (LIKE deliveries INCLUDING ALL)');
  const { newId, dayOf } = await lib('database');
  const message = newId();
  const started = performance.now();
  for (let at = 0; at < count; at += 1000) {
    const ids = Array.from({ length: 1000 }, () => newId());
    await owner.query(
      `INSERT INTO bench_log (day, id, workspace_id, message_id, profile_id, channel, class, lane, source, source_id, topic, address, status, attempt, tries, handed_over_at, provider_account_id, provider, provider_message_id, created_at, sent_at)
       SELECT $1::date, u.id, $2::uuid, $2::uuid, u.profile_id, 'email', 'marketing', 'bulk', 'campaign', $3::text, 'offers', u.address, 'sent', 1, 1, now(), $2::uuid, 'sink', u.provider_message_id, now(), now()
         FROM unnest($4::uuid[], $5::uuid[], $6::text[], $7::text[]) AS u(id, profile_id, address, provider_message_id)`,
      [
        dayOf(message),
        message,
        message,
        ids,
        Array.from({ length: 1000 }, () => newId()),
        ids.map((_, i) => `p${at + i}@example.com`),
        ids,
      ],
    );
  }
  const seconds = (performance.now() - started) / 1000;
  await owner.query('DROP TABLE bench_log');
  return count / seconds;
}

/**
 * Starts the dispatcher, warms it, and measures a run beside the floor.
 * @param {{ queueUrl?: string, profile?: string }} [options] `profile`: folder for the dispatcher's CPU profile
 */
export async function measured(people, name, count, { queueUrl, profile } = {}) {
  if (queueUrl) process.env.QUEUE_URL = queueUrl;
  else delete process.env.QUEUE_URL;
  const worker = await startPart('bulk', {}, SERVICE_FLAGS);
  const memory = [];
  try {
    await campaign(people, WARM);
    const floor = await rowsFloor(people.owner);
    let plan = 0;
    let went = 0;
    if (profile) await worker.ask({ profile });
    const cost = await measure({ owner: people.owner, processes: { dispatcher: worker.pid } }, async () => {
      const { members, planSeconds, seconds } = await campaign(people, count, {
        every: async () => memory.push((await worker.ask({ rss: true })).rss),
      });
      plan = planSeconds;
      went = seconds;
      return members;
    });
    if (profile) await worker.ask({ profiled: 'dispatcher' });
    const perSecond = cost.messages / went;
    const rss = memory.slice(1).map((b) => Math.round(b / 1e6));
    return {
      perSecond,
      floor,
      row: [
        name,
        round(perSecond),
        (perSecond / floor).toFixed(2),
        ...costCells(cost),
        plan.toFixed(2),
        rss.length ? `${rss[0]} → ${Math.max(...rss)} → ${rss.at(-1)}` : '–',
      ],
    };
  } finally {
    await worker.stop();
  }
}
export const head = [
  'run',
  'messages/s',
  'of the floor',
  'CPU µs/message: all',
  'by process',
  'WAL bytes',
  'steal',
  'planned in s',
  'RSS MB: first → most → last',
];
