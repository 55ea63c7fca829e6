/** Ledger C: what the database says of a run, read as its owner by plain SQL. Waits for it to come to rest. */
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';

/** A journey of a run has its name: what it sends says so itself. */
const OF_RUN = `FROM deliveries d JOIN messages m ON m.day = d.day AND m.id = d.message_id WHERE (m.options->'metadata'->>'run' = $1 OR m.source = 'journey' AND m.source_id = lower($1))`;
const JOURNEY = `FROM journeys j JOIN enrollments e ON e.workspace_id = j.workspace_id AND e.journey_id = j.id WHERE j.key = lower($1)`;
const RUNS = `FROM runs r JOIN messages m ON m.day = r.day AND m.id = r.message_id WHERE m.options->'metadata'->>'run' = $1`;

/** Waits until nothing of the run is under way. @returns whether it came to that in time */
export async function untilAtRest(ownerUrl, run, patienceMs, onWait = () => {}) {
  const deadline = Date.now() + patienceMs;
  for (;;) {
    const open = await ask(
      ownerUrl,
      `SELECT (SELECT count(*) ${OF_RUN} AND d.status IN ('scheduled', 'queued', 'sending'))::int
            + (SELECT count(*) ${RUNS} AND r.state NOT IN ('completed', 'cancelled'))::int
            + (SELECT count(*) ${JOURNEY} AND e.state NOT IN ('ended', 'parked'))::int + (SELECT count(*) FROM journey_signals WHERE NOT held)::int AS n`,
      [run],
    ).then(
      ([row]) => row.n,
      () => undefined,
    );
    if (open === 0) return true;
    if (Date.now() > deadline) return false;
    onWait(open);
    await sleep(500);
  }
}

/**
 * Waits until every receipt that came before its row is applied, and every webhook that is due soon has come. One that was
 * refused waits for minutes: its line is untold.
 */
export async function untilTold(ownerUrl, patienceMs) {
  const deadline = Date.now() + patienceMs;
  while (Date.now() < deadline) {
    const [{ n }] = await ask(
      ownerUrl,
      `SELECT (SELECT count(*) FROM webhook_messages WHERE due_at < now() + interval '1 minute')::int
            + (SELECT count(*) FROM receipts r WHERE applied_at IS NULL AND EXISTS (SELECT FROM deliveries d WHERE d.day = r.day AND d.id = r.delivery_id))::int AS n`,
      [],
    );
    if (n === 0) return;
    await sleep(250);
  }
}

/** One entry per delivery of the run, with its timeline; its runs to many; and what lies in inboxes, which is where in-app arrives. */
export async function dumpLog(ownerUrl, run) {
  const rows = await ask(
    ownerUrl,
    `SELECT concat_ws(':', m.options->'metadata'->>'key', m.data->'journey'->>'enrollment', m.data->'journey'->>'step', CASE WHEN r.id IS NOT NULL THEN d.profile_id END) AS key,
            m.data->'journey' AS journey, r.id IS NOT NULL AS "inRun", d.profile_id AS profile,
            m.id AS message, d.id AS delivery, d.channel, d.lane, d.class, d.status, d.reason, d.attempt, d.tries, d.crashes,
            d.possible_duplicate AS "possibleDuplicate", d.address, ms(d.handed_over_at) AS "handedOverAt",
            (SELECT json_agg(json_build_object('id', e.id, 'at', ms(e.at), 'type', e.type, 'attempt', e.attempt, 'reason', e.reason, 'detail', e.detail) ORDER BY e.at, e.id)
               FROM delivery_events e WHERE e.day = d.day AND e.delivery_id = d.id) AS timeline,
            (SELECT ms(i.created_at) FROM inbox_items i WHERE i.workspace_id = d.workspace_id AND i.delivery_id = d.id) AS "inboxAt"
       ${OF_RUN.replace(' WHERE', ' LEFT JOIN runs r ON r.workspace_id = m.workspace_id AND r.message_id = m.id WHERE')}`.replaceAll(
      /ms\(([^)]+)\)/g,
      'round(extract(epoch FROM $1) * 1000)::float8',
    ),
    [run],
  );
  for (const row of rows) row.timeline = (row.timeline ?? []).map(lineOf);
  return {
    log: rows,
    runs: await ask(ownerUrl, `SELECT r.message_id AS message, r.state ${RUNS}`, [run]),
    enrollments: await ask(
      ownerUrl,
      `SELECT e.id, e.key, e.state, e.no, e.step, e.outcome, e.reason,
              (SELECT json_agg(json_build_object('no', s.no, 'step', s.step, 'kind', s.kind, 'way', s.way, 'next', s.next) ORDER BY s.no) FROM enrollment_steps s WHERE s.workspace_id = e.workspace_id AND s.enrollment_id = e.id) AS lines
         ${JOURNEY}`,
      [run],
    ),
    counts: await ask(
      ownerUrl,
      `SELECT c.step, c.way, c.count::int FROM journeys j JOIN journey_counts c ON c.workspace_id = j.workspace_id AND c.journey_id = j.id WHERE j.key = lower($1)`,
      [run],
    ),
    inbox: rows
      .filter((row) => row.inboxAt !== null)
      .map((row) => ({ at: row.inboxAt, channel: 'in-app', delivery: row.delivery, key: row.key })),
  };
}

const lineOf = ({ id, at, type, attempt, reason, detail }) => ({
  id,
  at,
  type,
  ...(attempt === null ? {} : { attempt }),
  ...(reason ? { reason } : {}),
  ...(detail?.dueAt ? { plannedAt: Date.parse(detail.dueAt) } : {}),
  ...(detail?.retryInMs ? { plannedAt: at + detail.retryInMs } : {}),
  ...(/died after the hand-over/.test(detail?.message ?? '') ? { lostAfterMark: true } : {}),
});

async function ask(url, text, params) {
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: 3000,
    query_timeout: 30_000,
  });
  client.on('error', () => {});
  try {
    await client.connect();
    return (await client.query(text, params)).rows;
  } finally {
    await client.end().catch(() => {});
  }
}
