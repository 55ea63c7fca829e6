/**
 * The caller's side, as a process of its own: sends by the SDK at a steady rate on all channels, and writes down what
 * was promised to it (ledger A, each line on disk before it counts). Asks again with the same key until it has an
 * answer, as a careful caller does. Ends by itself; its plan comes from the seed.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Database } from '@carillon/database';
import { changeRun, planRun } from '@carillon/delivery-service';
import pg from 'pg';
import { Carillon } from '@carillon/sdk';
import { openLedger } from './ledger.mjs';
import { between, randomFrom } from './random.mjs';

const [settings] = process.argv.slice(2).map((text) => JSON.parse(text));
const { url, apiKey, databaseUrl, run, seed, rate, seconds, ledger: file, whenClaimed, burst } = settings;
const PATIENCE_MS = 120_000;
const MOST_UNDER_WAY = 300;
const PROFILES = 40;
/** Messages to many: so many members each, one every so often. Every third is cancelled on its way. */
const MEMBERS = 150;
const RUN_EVERY_MS = 3000;

const random = randomFrom(seed);
const ledger = openLedger(file, { durable: true });
const carillon = new Carillon({ apiKey, baseUrl: url, maxRetries: 0, timeoutMs: 10_000 });
const channels = ['email', 'sms', 'push', 'in-app'];
const over = Date.now() + seconds * 1000 + PATIENCE_MS;
const content = (key) => ({
  email: { subject: `chaos ${key}`, html: `<p>chaos ${key}</p>` },
  sms: { body: `chaos ${key}` },
  push: { title: `chaos ${key}`, body: 'chaos' },
  'in-app': { title: `chaos ${key}`, body: 'chaos' },
});
const addressOf = (channel, n) =>
  ({
    email: { email: `${run}-${n}@example.com` },
    sms: {
      phone: `+1555${String((seed % 1000) * 10_000 + n)
        .padStart(7, '0')
        .slice(-7)}`,
    },
    push: { deviceToken: `token-${run}-${n}` },
    'in-app': { profile: `chaos-${n % PROFILES}` },
  })[channel];

/** What is done with the n-th message besides sending it. */
const kinds = [
  ['plain', 56],
  ['again', 8],
  ['later', 8],
  ['cancel', 10],
  ['suppress-before', 4],
  ['suppress-after', 6],
  ['expire', 8],
];
function kindOf(at) {
  for (const [kind, share] of kinds) if ((at -= share / 100) < 0) return kind;
  return 'plain';
}

function planOf(n) {
  const channel = channels[n % channels.length];
  const key = `${run}-${n}`;
  let kind = kindOf(random());
  if (channel === 'in-app' && kind.startsWith('suppress')) kind = 'plain';
  const message = {
    to: addressOf(channel, n),
    channels: [channel],
    content: { [channel]: content(key)[channel] },
    class: settings.messageClass ?? (random() < 0.5 ? 'transactional' : 'marketing'),
    metadata: { run, key },
    idempotencyKey: key,
  };
  const now = Date.now();
  const at = (ms) => new Date(now + ms).toISOString();
  if (kind === 'later') message.sendAt = at(between(random, 500, 3000));
  if (kind === 'cancel' && random() < 0.5) message.sendAt = at(between(random, 200, 1000));
  if (kind === 'expire') {
    const planned = between(random, 300, 2500);
    Object.assign(message, { sendAt: at(planned), expiresAt: at(planned + between(random, 1, 400)) });
  }
  return { key, kind, channel, message, wait: between(random, 0, 400) };
}

/** Until it is answered. Undefined when it was refused, or nobody answered in time. */
async function insist(ask) {
  while (Date.now() < over) {
    try {
      return await ask();
    } catch (error) {
      if (error.status >= 400 && error.status < 500 && error.status !== 429 && error.status !== 409) {
        ledger.add({ kind: 'refused', status: error.status, code: error.code });
        return undefined;
      }
      await sleep(100 + Math.random() * 300);
    }
  }
  return undefined;
}

function accepted({ key, kind, message }, answer) {
  ledger.add({
    kind: 'accepted',
    at: Date.now(),
    key,
    plan: kind,
    message: answer.id,
    class: message.class,
    deliveries: answer.deliveries.map(({ id, channel }) => ({ id, channel })),
    ...(message.expiresAt ? { expiresAt: Date.parse(message.expiresAt) } : {}),
  });
}

const database = new pg.Pool({ connectionString: databaseUrl, max: 4 });
database.on('error', () => {});
const column = { email: 'email', sms: 'phone', push: 'deviceToken' };
/** An operator's own word. Its time is the database's, and later than its commit. */
async function suppress({ channel, message }) {
  const address = message.to[column[channel]];
  await insist(async () => {
    await database.query(
      `INSERT INTO suppressions (workspace_id, channel, address, reason, source) SELECT id, $1, $2, 'suppressed_manually', 'chaos' FROM workspaces LIMIT 1 ON CONFLICT DO NOTHING`,
      [channel, address],
    );
    const { rows } = await database.query('SELECT extract(epoch FROM clock_timestamp()) * 1000 AS at');
    ledger.add({ kind: 'suppressed', channel, address, at: Number(rows[0].at) });
  });
}

/** In the drill the change of mind comes in the worst moment: claimed and judged, and not yet handed over. */
async function worstMoment({ deliveries: [first] }) {
  for (let n = 0; n < 500; n++) {
    const { rows } = await database.query('SELECT status FROM deliveries WHERE id = $1', [first.id]);
    if (rows[0] && !['scheduled', 'queued'].includes(rows[0].status)) return sleep(150);
    await sleep(20);
  }
}

async function one(plan) {
  if (plan.kind === 'suppress-before') await suppress(plan);
  const answer = await insist(() => carillon.messages.send(plan.message));
  if (!answer) return;
  accepted(plan, answer);
  if (plan.kind === 'suppress-after') {
    await (whenClaimed ? worstMoment(answer) : sleep(plan.wait));
    await suppress(plan);
  }
  if (plan.kind === 'again') {
    await sleep(plan.wait);
    const repeated = await insist(() => carillon.messages.send(plan.message));
    if (repeated) accepted(plan, repeated);
  }
  if (plan.kind === 'cancel') {
    await (whenClaimed ? worstMoment(answer) : sleep(plan.wait));
    const result = await insist(() => carillon.messages.cancel(answer.id));
    if (result) ledger.add({ kind: 'cancelled', at: Date.now(), message: answer.id, ...result });
  }
}

async function batch(plans) {
  const answer = await insist(() => carillon.messages.sendBatch(plans.map((p) => p.message)));
  for (const result of answer?.results ?? []) if (result.ok) accepted(plans[result.index], result.message);
}

/** Not the plan's, which must be the same however fast the runs go. */
const ofRuns = randomFrom(seed + 7);
const bulk = new Database({ url: process.env.DATABASE_URL, max: 2 });
let members = [];
/** People of this run alone: what becomes of their addresses disturbs no other. */
async function makeMembers(count) {
  const made = Array.from({ length: count }, (_, n) => ({
    externalId: `${run}-m${n}`,
    email: `${run}-m${n}@example.com`,
    phone: `+1556${String((seed % 1000) * 10_000 + n)
      .padStart(7, '0')
      .slice(-7)}`,
  }));
  for (let at = 0; at < count; at += 1000)
    await insist(() => carillon.profiles.bulkUpsert(made.slice(at, at + 1000)));
  const { rows } = await database.query(
    `SELECT id, external_id AS "externalId", workspace_id AS "workspaceId" FROM profiles WHERE external_id LIKE $1 || '-m%'`,
    [run],
  );
  members = rows;
}

/** Planned by the library, as a campaign does it: it exists whole or not at all. */
async function toMany(n, { channel = ['email', 'sms', 'in-app'][n % 3], cancel = n % 3 === 2 } = {}) {
  const { workspaceId } = members[0];
  const profiles = members.map((m) => m.id);
  let tries = 0;
  const planned = await insist(async () => {
    const key = `${run}-run${n}.${tries++}`;
    const made = await bulk.inWorkspace(workspaceId, async (sql) => {
      const one = await planRun(sql, workspaceId, {
        source: { kind: 'campaign', id: null },
        channel,
        messageClass: n % 2 ? 'transactional' : 'marketing',
        content: { [channel]: content(key)[channel] },
        options: { metadata: { run, key } },
        audience: { profileIds: profiles },
      });
      await changeRun(sql, workspaceId, one.id, 'start');
      return one;
    });
    ledger.add({ kind: 'run', at: Date.now(), key, message: made.messageId, channel, profiles });
    return made;
  });
  if (!planned || !cancel) return;
  await sleep(between(ofRuns, 0, 600));
  await insist(async () => {
    const was = await bulk.inWorkspace(workspaceId, (sql) =>
      changeRun(sql, workspaceId, planned.id, 'cancel'),
    );
    const { rows } = await database.query('SELECT extract(epoch FROM clock_timestamp()) * 1000 AS at');
    if (was) ledger.add({ kind: 'runCancelled', at: Number(rows[0].at), message: planned.messageId });
  });
}

/**
 * A campaign as people start it, by the SDK: on three channels, slowly, with a test whose winner goes to the rest. Its
 * messages are marked as this run's from outside, all of a channel with one key: whoever gets two of them is doubled.
 */
async function toAnAudience() {
  const says = (name) => ({
    email: { subject: `chaos ${name}`, text: `chaos ${run} {{ unsubscribe_url }}` },
    sms: { body: `chaos ${run}` },
    'in-app': { title: `chaos ${name}`, body: 'chaos' },
  });
  const made = await insist(() =>
    carillon.campaigns.create({
      name: run,
      definition: {
        audience: { profiles: members.map((m) => m.externalId) },
        channels: ['email', 'sms', 'in-app'],
        rate: 50,
        stopWhen: { failedPercent: 100, complainedPercent: 100, after: 1_000_000 },
        variants: ['a', 'b'].map((name) => ({ name, weight: 1, content: says(name) })),
        test: { portion: 40, metric: { kind: 'delivered' }, decideAfter: '10s' },
      },
    }),
  );
  if (!made) return;
  const { id } = made;
  await insist(() => carillon.campaigns.prepare(id));
  // Its answer may be lost as any other.
  await insist(async () => {
    const { state } = await carillon.campaigns.get(id);
    if (state === 'prepared') await carillon.campaigns.start(id);
  });
  await insist(async () => {
    const { rows } = await database.query(
      `WITH parts AS (SELECT r.message_id AS message, r.channel FROM campaign_parts p JOIN runs r ON r.id = p.run_id WHERE p.campaign_id = $1),
       marked AS (UPDATE messages m SET options = m.options || jsonb_build_object('metadata', jsonb_build_object('run', $2::text, 'key', $2 || '-campaign')) FROM parts WHERE m.id = parts.message)
       SELECT channel, array_agg(message) AS messages FROM parts GROUP BY channel`,
      [id, run],
    );
    if (rows.length === 0) throw new Error('It has not begun.');
    for (const { channel, messages } of rows)
      ledger.add({
        kind: 'run',
        at: Date.now(),
        key: `${run}-campaign`,
        message: messages[0],
        messages,
        channel,
        profiles: members.map((m) => m.id),
      });
  });
  await insist(async () => {
    const { state, reason } = await carillon.campaigns.get(id);
    if (state !== 'completed') throw new Error(`It is ${state}: ${reason}`);
    ledger.add({ kind: 'campaignOver', at: Date.now(), id });
  });
}

/** How many people begin the journey. */
const TRAVELLERS = 240;
/**
 * A journey as people write it, by the SDK, and what begins it: an event each for so many people, over the time of the load.
 * Some events are told twice, under their key and without one; half of the people do what the journey listens for. What it
 * sends is known by its own name (messages.source_id), so that nothing has to be marked.
 */
async function toTravellers() {
  const key = run.toLowerCase();
  const says = (name) => ({
    email: { subject: `chaos ${name}`, text: `chaos ${key}-${name}` },
    sms: { body: `chaos ${key}-${name}` },
    'in-app': { title: `chaos ${key}-${name}`, body: 'chaos' },
  });
  const send = (name, channel, next) => ({
    kind: 'send',
    channels: [channel],
    content: { [channel]: says(name)[channel] },
    ...(next ? { next } : {}),
  });
  const definition = {
    entry: { kind: 'event', event: `${key}.began` },
    perKey: 'n',
    reentry: { kind: 'never' },
    start: 'hello',
    steps: {
      hello: send('hello', 'email', 'rest'),
      rest: { kind: 'wait', for: '2s', next: 'fork' },
      fork: {
        kind: 'split',
        shares: [
          { name: 'a', percent: 50, next: 'note' },
          { name: 'b', percent: 50, next: 'hear' },
        ],
      },
      note: { kind: 'update', attributes: { seen: true }, next: 'hear' },
      hear: {
        kind: 'listen',
        within: '5s',
        for: [{ on: { event: `${key}.went` }, next: 'went' }],
        otherwise: 'late',
      },
      went: send('went', 'sms'),
      late: send('late', 'in-app'),
    },
  };
  const travellers = Array.from({ length: TRAVELLERS }, (_, n) => ({
    externalId: `${run}-t${n}`,
    email: `${run}-t${n}@example.com`,
    phone: `+1557${String((seed % 1000) * 10_000 + n)
      .padStart(7, '0')
      .slice(-7)}`,
  }));
  const ready = await insist(async () => {
    await carillon.profiles.bulkUpsert(travellers);
    await carillon.journeys.save({ key, name: key, definition });
    return carillon.journeys.goLive(key);
  });
  if (!ready) return;
  const tell = (profile, name, n, eventKey) =>
    insist(() =>
      carillon.events.track({ profile, name, properties: { n }, ...(eventKey ? { key: eventKey } : {}) }),
    );
  const one = async (n) => {
    const profile = `${run}-t${n}`;
    if (!(await tell(profile, `${key}.began`, n, `${key}-${n}`))) return;
    ledger.add({ kind: 'began', at: Date.now(), journey: key, key: String(n), goes: n % 2 === 0 });
    if (n % 3 === 0) await tell(profile, `${key}.began`, n, `${key}-${n}`);
    if (n % 5 === 0) await tell(profile, `${key}.began`, n);
    if (n % 2 > 0) return;
    await sleep(between(ofRuns, 1500, 6000));
    await tell(profile, `${key}.went`, n);
  };
  const travelling = [];
  for (let n = 0; n < TRAVELLERS; n++) {
    travelling.push(one(n));
    await sleep((seconds * 800) / TRAVELLERS);
  }
  await Promise.all(travelling);
}

/** As much at once as batches carry, so that more is under way than one fault may leave in doubt. */
async function atOnce({ channel, count }) {
  const plans = Array.from({ length: count }, (_, i) => {
    const key = `${run}-burst${i}`;
    return {
      key,
      kind: 'plain',
      channel,
      message: {
        to: addressOf(channel, 100_000 + i),
        channels: [channel],
        content: { [channel]: content(key)[channel] },
        class: 'transactional',
        metadata: { run, key },
        idempotencyKey: key,
      },
    };
  });
  while (plans.length > 0) await batch(plans.splice(0, 500));
}

await insist(() =>
  carillon.profiles.bulkUpsert(Array.from({ length: PROFILES }, (_, n) => ({ externalId: `chaos-${n}` }))),
);
if (settings.runs) await makeMembers(settings.members ?? MEMBERS);
const tell = (message) => process.connected && process.send(message);
// Whoever started us is gone: nobody would read the ledger.
process.on('disconnect', () => process.exit(1));
tell({ started: Date.now() });

const underWay = new Set();
const track = (work) => {
  underWay.add(work);
  work.catch((error) => console.error(error)).finally(() => underWay.delete(work));
};
const started = performance.now();
let n = 0;
let lot = [];
let runsMade = 0;
if (burst) track(atOnce(burst));
if (settings.campaign) track(toAnAudience());
if (settings.journey) track(toTravellers());
while (performance.now() - started < seconds * 1000) {
  const plan = planOf(n++);
  if (settings.runs && performance.now() - started > (runsMade + 0.4) * RUN_EVERY_MS)
    track(toMany(runsMade++));
  // Every fifth plain one goes by batch.
  if (plan.kind === 'plain' && n % 5 === 0) {
    lot.push(plan);
    if (lot.length === 20) track(batch(lot.splice(0)));
  } else track(one(plan));
  const early = started + (n * 1000) / rate - performance.now();
  if (early > 1) await sleep(early);
  while (underWay.size >= MOST_UNDER_WAY) await Promise.race(underWay);
}
if (lot.length > 0) track(batch(lot));
tell({ sent: n });
await Promise.all(underWay);
await database.end();
await bulk.close();
ledger.close();
process.exit(0);
