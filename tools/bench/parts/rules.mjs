/** What audiences cost over everybody that the bench `audience` made: a preview, a snapshot, and how far live members lag. */
import { costCells, costHead, measure, median, quantiles, round, sleep, table } from '../harness.mjs';

const lib = (name) => import(`../../../libs/${name}/dist/index.js`);
const LIVE = 200;
const RATE = 500;
const SECONDS = 20;

const TYPICAL = {
  where: {
    and: [
      { attribute: 'plan', in: ['pro', 'team'] },
      { field: 'locale', startsWith: 'en' },
      { event: 'order.placed', atLeast: 3, within: '30d' },
    ],
  },
};

async function asked({ url, apiKey }, method, path, body) {
  const answer = await fetch(`${url}${path}`, {
    method,
    headers: { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' },
    body: body && JSON.stringify(body),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text.slice(0, 300)}`);
  return text ? JSON.parse(text) : undefined;
}

/** Two attributes and one event count, with sample and reach: whole answers over HTTP. */
export async function previews(bench) {
  const { owner, workspaceId } = bench;
  await owner.query('VACUUM (ANALYZE) events');
  await owner.query('VACUUM (ANALYZE) profiles');
  const ms = { whole: [], count: [], floor: [] };
  let preview;
  for (let i = 0; i < 7; i++) {
    const from = performance.now();
    preview = await asked(bench, 'POST', '/v1/audiences/preview', { definition: TYPICAL });
    ms.whole.push(performance.now() - from);
    ms.count.push(preview.ms);
    const floorFrom = performance.now();
    const { rows } = await owner.query(
      `SELECT count(*)::integer AS n FROM profiles p
        JOIN (SELECT profile_id FROM events WHERE workspace_id = $1 AND name = 'order.placed' AND at > now() - interval '30 days'
               GROUP BY profile_id HAVING count(*) >= 3) e ON e.profile_id = p.id
       WHERE p.workspace_id = $1 AND p.attributes->>'plan' IN ('pro', 'team') AND p.locale LIKE 'en%'`,
      [workspaceId],
    );
    ms.floor.push(performance.now() - floorFrom);
    if (Math.abs(rows[0].n - preview.total) > 3)
      throw new Error(`${preview.total} people, by hand ${rows[0].n}`);
  }
  table([
    [`Preview: two fields and an event count, ${round(preview.total)} people`, 'ms, median of 7', 'worst'],
    ['POST /v1/audiences/preview: count, sample, reach', ...figures(ms.whole)],
    ['of it in the database', ...figures(ms.count)],
    ['floor: the count alone, written by hand', ...figures(ms.floor)],
  ]);
}
const figures = (list) => [round(median(list)), round(Math.max(...list))];

/** Everybody with an address, frozen into a run as campaigns do it. */
export async function snapshots({ owner, appUrl, workspaceId, people, watched }) {
  const { Database } = await lib('database');
  const { asAWhole, audienceByKey, membersQuery } = await lib('audience/service');
  const { planRun } = await lib('delivery/service');
  const database = new Database({ url: appUrl, max: 2 });
  await owner.query(
    `INSERT INTO audiences (id, workspace_id, key, name, kind, definition, mentions)
     VALUES (gen_random_uuid(), $1, 'bench-everybody', 'Everybody', 'rule', $2, '{}') ON CONFLICT DO NOTHING`,
    [workspaceId, JSON.stringify({ where: { attribute: 'plan', exists: true } })],
  );
  let planned;
  const seconds = [];
  let cost;
  for (let i = 0; i < 3; i++) {
    cost = await measure(watched, async () => {
      const from = performance.now();
      planned = await database.inWorkspace(workspaceId, async (sql) => {
        const audience = await audienceByKey(sql, workspaceId, 'bench-everybody');
        await asAWhole(sql, 60_000);
        const { text, params } = await membersQuery(sql, workspaceId, audience);
        return planRun(sql, workspaceId, {
          source: { kind: 'campaign', id: 'bench' },
          channel: 'in-app',
          messageClass: 'marketing',
          content: { 'in-app': { title: 'Hello', body: 'There' } },
          audience: {
            query: {
              text: `SELECT profile_id, NULL::text AS key, NULL::jsonb AS data FROM (${text}) AS chosen`,
              params,
            },
          },
        });
      });
      seconds.push((performance.now() - from) / 1000);
      return planned.members;
    });
    await owner.query('DELETE FROM runs WHERE id = $1', [planned.id]);
    await owner.query('DELETE FROM run_members WHERE run_id = $1', [planned.id]);
  }
  const floorFrom = performance.now();
  await owner.query(
    `CREATE TEMP TABLE floor AS SELECT row_number() OVER (ORDER BY id) AS seq, id FROM profiles WHERE workspace_id = $1`,
    [workspaceId],
  );
  const floor = (performance.now() - floorFrom) / 1000;
  await owner.query('DROP TABLE floor');
  await database.close();
  table([
    [
      `Evaluate and freeze ${round(planned.members)} of ${round(people)} people`,
      's, median of 3',
      'worst',
      ...costHead,
    ],
    [
      'a run with its members and pages, one transaction',
      median(seconds).toFixed(1),
      Math.max(...seconds).toFixed(1),
      ...costCells(cost),
    ],
    ['floor: their ids, numbered, into a temporary table', floor.toFixed(1), '', '', '', '', ''],
  ]);
}

/** Live audiences over events that come steadily: from the event's receipt to the committed change of membership. */
export async function liveLag(bench) {
  const { owner, workspaceId, people, watched } = bench;
  const names = Array.from({ length: 20 }, (_, i) => `bench.step-${i}`);
  const began = performance.now();
  for (let i = 0; i < LIVE; i++)
    await asked(bench, 'PUT', `/v1/audiences/bench-live-${i}`, {
      name: `Live ${i}`,
      live: true,
      definition: {
        where: {
          and: [
            { event: names[i % names.length], atLeast: 1 + (i % 3), ...(i % 2 && { within: '30d' }) },
            ...(i % 4 ? [{ attribute: 'plan', isNot: i % 8 > 4 ? 'free' : 'enterprise' }] : []),
          ],
        },
      },
    });
  for (;;) {
    const { rows } = await owner.query(
      `SELECT count(*)::integer AS n FROM audiences WHERE workspace_id = $1 AND live AND evaluated_at IS NULL`,
      [workspaceId],
    );
    if (rows[0].n === 0) break;
    await sleep(500);
  }
  const live = (performance.now() - began) / 1000;
  const { rows: starts } = await owner.query('SELECT now() AS at');
  let sent = 0;
  const cost = await measure(watched, async () => {
    const from = performance.now();
    const answers = [];
    for (let tick = 0; tick < SECONDS * 10; tick++) {
      const wait = from + tick * 100 - performance.now();
      if (wait > 1) await sleep(wait);
      const events = Array.from({ length: RATE / 10 }, () => ({
        profile: `person-${1 + Math.floor(people * Math.random())}`,
        name: names[sent++ % names.length],
        key: crypto.randomUUID(),
      }));
      answers.push(asked(bench, 'POST', '/v1/events/batch', { events }));
    }
    await Promise.all(answers);
    return sent;
  });
  for (let left = 1; left > 0; await sleep(100))
    left = (await owner.query('SELECT count(*)::integer AS n FROM stale_profiles')).rows[0].n;
  const { rows } = await owner.query(
    `SELECT extract(epoch FROM c.at - (SELECT max(e.received_at) FROM events e WHERE e.workspace_id = $1 AND e.profile_id = c.profile_id AND e.received_at <= c.at)) * 1000 AS ms
       FROM audience_changes c JOIN audiences a ON a.id = c.audience_id
      WHERE c.workspace_id = $1 AND a.key LIKE 'bench-live-%' AND c.cause = 'event' AND c.at >= $2`,
    [workspaceId, starts[0].at],
  );
  const lags = rows.map(({ ms }) => Number(ms)).sort((a, b) => a - b);
  table([
    [
      `${LIVE} live audiences, ${RATE} events/s for ${SECONDS} s`,
      'changes',
      'lag p50 ms',
      'p95',
      'p99',
      ...costHead,
    ],
    [
      'from the receipt of an event to the change of membership',
      round(lags.length),
      ...quantiles(lags),
      ...costCells(cost),
    ],
    [
      `${LIVE} rules saved and evaluated for the first time: ${live.toFixed(0)} s`,
      '',
      '',
      '',
      '',
      '',
      '',
      '',
      '',
    ],
  ]);
  await owner.query(
    `UPDATE audiences SET live = false, due_at = NULL, archived_at = now() WHERE workspace_id = $1 AND key LIKE 'bench-live-%'`,
    [workspaceId],
  );
}
