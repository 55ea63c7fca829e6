/**
 * `npm run demo -- journey [people]`: all six ready journeys for some hundred made-up people on a real stack, against the sandbox,
 * with waits of seconds. What became of everybody is told by the API and counted again in the database: entered = inside
 * + all outcomes, of each journey and of each of its steps. Fails when they do not agree. On an instance of its own.
 */
import pg from 'pg';
import { setTimeout as sleep } from 'node:timers/promises';
import { makePeople, progressBar } from './people.mjs';

const DEVICES = `INSERT INTO devices (id, workspace_id, profile_id, token, platform)
  SELECT gen_random_uuid(), workspace_id, id, 'demo-' || external_id, 'android' FROM profiles WHERE workspace_id = $1 AND hashtext(external_id) % 3 = 0`;
const PATIENCE_MS = 300_000;
/** How long waits are here: what takes an hour or a week in life is over in seconds. */
const SHORT = '4s';

/** @param {{ urls: Record<string, string>, apiKey: string, databases: { ownerUrl: string } }} instance */
export async function demoJourney({ urls, apiKey, databases }, count = 300) {
  const { Carillon } = await import('@carillon/sdk');
  const { readyJourneys } = await import('@carillon/sdk/ready');
  const carillon = new Carillon({ baseUrl: urls.dashboard, apiKey });
  const owner = new pg.Client({ connectionString: databases.ownerUrl });
  await owner.connect();
  try {
    const { workspace } = await carillon.me();
    await makePeople(owner, workspace.id, { people: count, events: 0, progress: progressBar() });
    await owner.query(DEVICES, [workspace.id]);
    const people = (
      await owner.query(
        'SELECT external_id AS id FROM profiles WHERE workspace_id = $1 ORDER BY external_id',
        [workspace.id],
      )
    ).rows.map(({ id }) => id);
    await carillon.audiences.save('lapsed', { name: 'Lapsed people' });
    for (const { key, name, definition } of readyJourneys) {
      await carillon.journeys.save(key, { name, definition: shortened(definition) });
      await carillon.journeys.goLive(key);
    }
    console.log(`\nSix journeys are live; ${whole(people.length)} people set out on each of them.`);
    const from = performance.now();
    const expected = await setOut(carillon, people);
    await watch(carillon, readyJourneys, expected);
    const numbers = await Promise.all(
      readyJourneys.map(async ({ key, name }) => ({ key, name, ...(await carillon.journeys.numbers(key)) })),
    );
    const messages = await messagesOf(owner, workspace.id);
    show(numbers, messages, (performance.now() - from) / 1000);
    const wrong = await reconcile(owner, workspace.id, numbers, expected, messages);
    if (wrong.length === 0) {
      console.log('Counted again in the database: the same, nobody lost and nobody twice.');
      return 0;
    }
    for (const line of wrong) console.error(line);
    return 1;
  } finally {
    await owner.end();
  }
}

/** The same journey with waits of seconds. A morning comes at once, and an appointment is told with its own times. */
function shortened(definition) {
  const steps = Object.entries(definition.steps).map(([key, step]) => {
    if (step.kind === 'wait' && step.for) return [key, { ...step, for: SHORT }];
    if (step.kind === 'wait' && step.until?.shift)
      return [key, { ...step, until: { ...step.until, shift: step.until.shift === '-1d' ? '-10s' : '-2s' } }];
    if (step.kind === 'wait') return [key, { ...step, until: undefined, for: '1s' }];
    if (step.kind === 'listen') return [key, { ...step, within: SHORT }];
    if (step.kind === 'send' && step.channels.length > 1) return [key, { ...step, patience: '3s' }];
    return [key, step];
  });
  return JSON.parse(JSON.stringify({ ...definition, steps: Object.fromEntries(steps) }));
}

/** What happens to the people: to each of them on every journey, and to every few something that turns them off. */
async function setOut(carillon, people) {
  const some = (n) => people.filter((_, at) => at % n === 0);
  const now = Date.now();
  const happen = async (name, who, properties = () => ({})) => {
    for (let at = 0; at < who.length; at += 500)
      await carillon.events.trackBatch(
        who
          .slice(at, at + 500)
          .map((profile, n) => ({ profile, name, properties: properties(profile, at + n) })),
      );
  };
  await happen('user.signed_up', people);
  await happen('cart.updated', people, (_, n) => ({ total: 20 + (n % 10) * 15 }));
  await happen('login.code_requested', people, (_, n) => ({ code: String(100_000 + n) }));
  await happen('order.placed', some(2), (profile) => ({ orderId: `order-${profile}` }));
  await happen('appointment.booked', people, (profile) => ({
    appointmentId: `appointment-${profile}`,
    at: new Date(now + 20_000).toISOString(),
  }));
  for (let at = 0; at < people.length; at += 500)
    await carillon.audiences.changeMembers('lapsed', { add: people.slice(at, at + 500) });
  await happen('project.created', some(5));
  await happen('cart.emptied', some(7));
  await happen('order.shipped', some(4), (profile) => ({ orderId: `order-${profile}` }));
  await happen('appointment.cancelled', some(6));
  return {
    welcome: people.length,
    'abandoned-cart': people.length,
    'login-code': people.length,
    'win-back': people.length,
    'order-updates': some(2).length,
    appointment: people.length,
  };
}

/** Draws how many have left, until nobody is inside and everybody has come in. */
async function watch(carillon, ready, expected) {
  const all = Object.values(expected).reduce((sum, n) => sum + n, 0);
  const bar = progressBar();
  const until = Date.now() + PATIENCE_MS;
  for (;;) {
    const numbers = await Promise.all(ready.map(({ key }) => carillon.journeys.numbers(key)));
    const entered = numbers.reduce((sum, one) => sum + one.entered, 0);
    const inside = numbers.reduce((sum, one) => sum + one.inside, 0);
    bar('ways', entered - inside, all);
    if (entered >= all && inside === 0) return;
    if (Date.now() > until)
      throw new Error(`After five minutes ${entered} of ${all} have entered, and ${inside} are inside.`);
    await sleep(500);
  }
}

/** By journey, channel and status, once nothing is on its way. */
async function messagesOf(owner, workspaceId) {
  const until = Date.now() + PATIENCE_MS;
  for (;;) {
    const { rows } = await owner.query(
      `SELECT source_id AS journey, channel, status, reason, count(*)::int AS count FROM deliveries
        WHERE workspace_id = $1 AND source = 'journey' GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4`,
      [workspaceId],
    );
    const open = rows.filter(({ status }) => ['scheduled', 'queued', 'sending'].includes(status));
    if (open.length === 0) return rows;
    if (Date.now() > until) throw new Error(`Messages are still on their way: ${JSON.stringify(open)}`);
    await sleep(500);
  }
}

function show(numbers, messages, seconds) {
  const rows = numbers.map(({ name, entered, inside, outcomes }) => [
    name,
    whole(entered),
    whole(inside),
    outcomes.map(({ outcome, count }) => `${outcome} ${whole(count)}`).join(', '),
  ]);
  table([['', 'entered', 'inside', 'left'], ...rows]);
  table([
    ['messages of', 'channel', 'status', 'count'],
    ...messages.map(({ journey, channel, status, reason, count }) => [
      journey,
      channel,
      reason ? `${status}: ${reason}` : status,
      whole(count),
    ]),
  ]);
  console.log(
    `${whole(messages.reduce((sum, { count }) => sum + count, 0))} messages in ${seconds.toFixed(0)} s.\n`,
  );
}
function table(rows) {
  const widths = rows[0].map((_, n) => Math.max(...rows.map((row) => row[n].length)));
  console.log(
    `\n${rows
      .map((row) =>
        row
          .map((cell, n) => cell.padEnd(widths[n]))
          .join('  ')
          .trimEnd(),
      )
      .join('\n')}\n`,
  );
}

/** The sums, the rows and the log against what the API says, and nobody twice. @returns what is wrong */
async function reconcile(owner, workspaceId, numbers, expected, messages) {
  const wrong = [];
  for (const { key, entered, inside, outcomes, steps } of numbers) {
    const left = outcomes.reduce((sum, { count }) => sum + count, 0);
    if (entered !== inside + left)
      wrong.push(`${key}: ${entered} entered, ${inside} are inside and ${left} have left.`);
    if (entered !== expected[key]) wrong.push(`${key}: ${entered} entered, not ${expected[key]}.`);
    for (const one of steps) {
      const ways = one.ways.reduce((sum, { count }) => sum + count, 0);
      if (one.entered !== one.waiting + ways)
        wrong.push(`${key}, ${one.step}: ${one.entered} came, ${one.waiting} wait, ${ways} went.`);
    }
  }
  const { rows } = await owner.query(
    `SELECT j.key, count(*)::int AS all, (count(*) - count(DISTINCT (e.profile_id, e.key)))::int AS twice, count(*) FILTER (WHERE e.state <> 'ended')::int AS inside
       FROM enrollments e JOIN journeys j ON j.workspace_id = e.workspace_id AND j.id = e.journey_id WHERE e.workspace_id = $1 GROUP BY 1`,
    [workspaceId],
  );
  for (const { key, entered, inside } of numbers) {
    const row = rows.find((one) => one.key === key) ?? { all: 0, twice: 0, inside: 0 };
    if (row.all !== entered) wrong.push(`${key}: there are ${row.all} rows, not ${entered}.`);
    if (row.inside !== inside) wrong.push(`${key}: ${row.inside} rows are inside, not ${inside}.`);
    if (row.twice !== 0) wrong.push(`${key}: ${row.twice} people have entered twice.`);
  }
  const sends = await owner.query(
    `SELECT count(*)::int AS all FROM enrollment_steps s WHERE s.workspace_id = $1 AND s.kind = 'send' AND s.way = 'next'`,
    [workspaceId],
  );
  const accepted = await owner.query(
    `SELECT count(*)::int AS all FROM messages WHERE workspace_id = $1 AND source = 'journey'`,
    [workspaceId],
  );
  if (sends.rows[0].all !== accepted.rows[0].all)
    wrong.push(`Steps have sent ${sends.rows[0].all} messages, and the log has ${accepted.rows[0].all}.`);
  if (messages.some(({ status }) => status === 'unknown'))
    wrong.push('What became of some messages is not known.');
  return wrong;
}

const whole = (n) => n.toLocaleString('en');
