/**
 * `npm run bench -- campaign [count]`: a campaign to `count` people (100,000) as people start it, with every rule of the gate
 * on: allow list, holdout, consent, quiet hours, two frequency caps. A mail of 34 KB rendered per person, an in-process
 * provider, clock and dispatcher in one process of their own. Measures, on three runs beside the INSERT of the same rows:
 * how soon the first is handed over, the whole of it, what login codes wait meanwhile, how soon a pause holds, and how
 * old the numbers are. Checks that each run is whole and nobody got it twice.
 */
import { SERVICE_FLAGS } from '../service-process.mjs';
import { CONTENT, WARM, campaign as bulkRun, mailBytes, rowsFloor, withPeople } from './parts/campaign.mjs';
import {
  costCells,
  costHead,
  handOffMs,
  machine,
  measure,
  pointAccount,
  quantiles,
  round,
  sleep,
  startPart,
  table,
} from './harness.mjs';

export const alone = true;
const TEXTS = 150;
const lib = (name) => import(`../../libs/${name}/dist/index.js`);

export default async function campaign({ more: [given = '100000'], profile }) {
  const count = Number(given);
  await withPeople(async (people) => {
    delete process.env.QUEUE_URL;
    const { owner, workspaceId } = people;
    const sink = await startPart('sink');
    const worker = await startPart('bulk', {}, SERVICE_FLAGS);
    try {
      await owner.query(
        `INSERT INTO provider_accounts (id, workspace_id, channel, provider, name) VALUES (gen_random_uuid(), $1, 'sms', 'bare-http', 'Sink')`,
        [workspaceId],
      );
      await pointAccount(owner, 'sms', sink.ready.url);
      console.log(`\nwarming up, then three runs to ${round(count)} people`);
      await bulkRun(people, Math.min(WARM, count));
      // Only now: what warms up is checked to be sent to everybody.
      await prepareGate(people);
      // As in a database that is in use: segments of WAL are there to be used again.
      await owner.query('CHECKPOINT');
      const texts = async () => {
        const { rows } = await owner.query('SELECT now() AS now');
        await worker.ask({ texts: TEXTS, workspaceId });
        return quantiles(await handOffMs(owner, 'sms', rows[0].now));
      };
      await texts();
      const idle = await texts();
      const floor = await rowsFloor(owner);
      const memory = [];
      if (profile) await worker.ask({ profile });
      let whole;
      const cost = await measure({ owner, processes: { dispatcher: worker.pid } }, async () => {
        whole = await run(people, { each: async () => memory.push((await worker.ask({ rss: true })).rss) });
        return whole.members;
      });
      await check(people, whole);
      if (profile) await worker.ask({ profiled: 'dispatcher' });
      let busy;
      await check(people, await run(people, { once: async () => (busy = await texts()) }));
      const paused = await run(people, { pause: true });
      await check(people, paused);
      const perSecond = cost.messages / whole.seconds;
      const mb = memory.map((b) => Math.round(b / 1e6));
      console.log(`one process, queues in PostgreSQL; mail of ${round(mailBytes)} bytes; ${machine()}`);
      console.log(`floor: ${round(floor)} rows/s of the same log by unnest, one connection\n`);
      table([
        [
          'campaign',
          'messages/s',
          'of the floor',
          ...costHead,
          'first after s',
          'RSS MB: first → most → last',
        ],
        [
          `${round(count)} people, every rule on`,
          round(perSecond),
          (perSecond / floor).toFixed(2),
          ...costCells(cost),
          whole.firstSeconds.toFixed(2),
          `${mb[0]} → ${Math.max(...mb)} → ${mb.at(-1)}`,
        ],
      ]);
      console.log();
      table([
        ['login codes while it runs: acceptance → hand-over', 'p50 ms', 'p95', 'p99', 'p95 of idle'],
        ['idle', ...idle, ''],
        [
          'a campaign runs',
          ...(busy ? [...busy, `${(busy[1] / idle[1]).toFixed(1)} ×`] : ['it was over too soon', '', '', '']),
        ],
      ]);
      console.log();
      table([
        ['control', 'ms'],
        ['pause: answered after', paused.pause ? paused.pause.answeredMs.toFixed(0) : 'it was over too soon'],
        ['pause: last hand-over after the answer', paused.pause ? paused.pause.lastMs.toFixed(0) : '–'],
        ['numbers while it runs, asked each second: slowest answer', Math.max(...whole.looks).toFixed(0)],
        [
          'numbers: share of its time',
          `${(whole.looks.reduce((a, b) => a + b, 0) / whole.seconds / 10).toFixed(1)} %`,
        ],
      ]);
    } finally {
      await worker.stop();
      await sink.stop();
    }
  }, count);
}

/** Everybody in an audience, and each rule asked of each of them. */
async function prepareGate({ owner, database, workspaceId }) {
  const { writeGate } = await lib('delivery/service');
  const { GateChange } = await lib('contracts');
  await owner.query(`UPDATE workspaces SET settings = settings || '{"timezone": "UTC"}' WHERE id = $1`, [
    workspaceId,
  ]);
  await owner.query(
    `WITH made AS (INSERT INTO audiences (id, workspace_id, key, name, kind, mentions) VALUES (gen_random_uuid(), $1, 'everybody', 'Everybody', 'list', '{}') RETURNING id)
     INSERT INTO audience_members (workspace_id, audience_id, profile_id, seq) SELECT $1, made.id, p.id, row_number() OVER () FROM profiles p, made WHERE p.workspace_id = $1`,
    [workspaceId],
  );
  await owner.query('VACUUM ANALYZE audience_members');
  const hour = (from) => `${String((new Date().getUTCHours() + from) % 24).padStart(2, '0')}:00`;
  const rules = GateChange.parse({
    // Everybody, and the numbers that login codes go to (parts/bulk.mjs).
    allowList: [
      '@example.com',
      ...Array.from({ length: TEXTS }, (_, n) => `+1500555${String(n).padStart(4, '0')}`),
    ],
    holdouts: [{ key: 'bench', percent: 1 }],
    // Asked of everybody, and over for hours.
    quietHours: [{ key: 'nights', periods: [{ from: hour(8), to: hour(14) }] }],
    caps: [
      { key: 'daily', limit: 50, per: 'day' },
      { key: 'monthly', limit: 500, per: 'month', window: 'calendar' },
    ],
  });
  await database.inWorkspace(workspaceId, (sql) => writeGate(sql, workspaceId, rules, 'bench'));
}

/** Starts a campaign as the API does and sees it to its end. */
async function run({ owner, database, workspaceId }, { each = async () => {}, once, pause = false }) {
  const steps = await lib('scheduling/service');
  const { CampaignSave } = await lib('contracts');
  const within = (work) => database.inWorkspace(workspaceId, work);
  const saved = CampaignSave.parse({
    name: 'Bench',
    definition: {
      audience: 'everybody',
      channels: ['email'],
      content: { email: CONTENT.email },
      topic: 'offers',
    },
  });
  const { id } = await within((sql) =>
    steps.createCampaign(sql, workspaceId, saved, { name: 'bench', actor: 'key:bench' }),
  );
  const { report } = await within((sql) => steps.prepareCampaign(sql, workspaceId, id, {}));
  const fault = report.findings.find((f) => f.level === 'error');
  if (fault) throw new Error(fault.message);
  const { rows: begun } = await owner.query('SELECT clock_timestamp() AS now');
  await within((sql) => steps.startCampaign(sql, workspaceId, id, {}));
  const looks = [];
  let paused = null;
  let asked;
  for (;;) {
    const from = performance.now();
    const numbers = await within((sql) => steps.campaignNumbers(sql, workspaceId, id));
    const took = performance.now() - from;
    const { targeted, pending, sent, suppressed, state } = numbers;
    if (
      pending + sent + suppressed + numbers.failed + numbers.cancelled + numbers.expired + numbers.unknown !==
      targeted
    )
      throw new Error('the numbers do not add up');
    if (state === 'paused' || state === 'failed') throw new Error(`it is ${state}`);
    if (state === 'completed') break;
    if (targeted > 0) looks.push(took);
    const under = targeted > 0 && pending < targeted * 0.9;
    if (under && once && !asked) asked = once();
    if (under && pause && !paused) paused = await pauseAndResume({ owner, within, steps, workspaceId, id });
    await each();
    await sleep(1000);
  }
  await asked;
  return { id, begun: begun[0].now, members: report.audience, looks, pause: paused };
}

/** That everybody is in the log, once, and sent to or held out; adds when the first was handed over, and how long all took. */
async function check({ owner, workspaceId }, whole) {
  const { rows } = await owner.query(
    `SELECT count(*)::int AS all, count(DISTINCT d.profile_id)::int AS people, count(*) FILTER (WHERE status = 'sent')::int AS sent, count(*) FILTER (WHERE reason = 'holdout')::int AS held,
            extract(epoch FROM max(sent_at) - min(handed_over_at))::float8 AS seconds, extract(epoch FROM min(handed_over_at) - $3)::float8 AS first
       FROM campaign_parts c JOIN deliveries d ON d.source_id = c.run_id::text WHERE c.workspace_id = $1 AND c.campaign_id = $2`,
    [workspaceId, whole.id, whole.begun],
  );
  const [log] = rows;
  if (log.all !== whole.members || log.people !== log.all || log.sent + log.held !== log.all)
    throw new Error(
      `${log.sent} sent and ${log.held} held out of ${whole.members}; ${log.people} people in ${log.all} rows`,
    );
  whole.seconds = log.seconds;
  whole.firstSeconds = log.first;
}

/** @returns how long pausing took, and how long after its answer the last was handed over */
async function pauseAndResume({ owner, within, steps, workspaceId, id }) {
  const from = performance.now();
  await within((sql) => steps.pauseCampaign(sql, workspaceId, id, {}));
  const answeredMs = performance.now() - from;
  const { rows: at } = await owner.query('SELECT clock_timestamp() AS now');
  await sleep(3000);
  const { rows } = await owner.query(
    `SELECT greatest(0, extract(epoch FROM max(d.handed_over_at) - $3) * 1000)::float8 AS ms
       FROM campaign_parts c JOIN deliveries d ON d.source_id = c.run_id::text WHERE c.workspace_id = $1 AND c.campaign_id = $2`,
    [workspaceId, id, at[0].now],
  );
  await within((sql) => steps.resumeCampaign(sql, workspaceId, id, {}));
  return { answeredMs, lastMs: rows[0].ms };
}
