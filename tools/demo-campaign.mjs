/**
 * `npm run demo -- campaign [people]`: one campaign to 100,000 made-up people (tools/people.mjs) on all four channels, at
 * each person's own time, under frequency caps, with a test of two variants whose winner goes to the rest; what became of
 * them is told by the API, and counted again in the database. Fails when the two do not agree. On an instance of its own.
 */
import pg from 'pg';
import { setTimeout as sleep } from 'node:timers/promises';
import { makePeople, progressBar } from './people.mjs';

/** A third of the people has a phone with the app. */
const DEVICES = `INSERT INTO devices (id, workspace_id, profile_id, token, platform)
  SELECT gen_random_uuid(), workspace_id, id, 'demo-' || external_id, 'android' FROM profiles WHERE workspace_id = $1 AND hashtext(external_id) % 3 = 0`;
/** Where the day begins last of the zones that the people live in: everybody else is past a time of its clock. */
const LAST_ZONE = 'America/Los_Angeles';
const EVENT = 'order.placed';
/** How many of a hundred buy, by what they were told: the demo's people are made up, and so is what they do. */
const BUYING = { plain: 6, warm: 14 };
const PATIENCE_MS = 1_800_000;

/** @param {{ urls: Record<string, string>, apiKey: string, databases: { ownerUrl: string } }} instance */
export async function demoCampaign({ urls, apiKey, databases }, count = 100_000) {
  const { Carillon } = await import('@carillon/sdk');
  const carillon = new Carillon({ baseUrl: urls.dashboard, apiKey });
  const owner = new pg.Client({ connectionString: databases.ownerUrl });
  await owner.connect();
  try {
    const { workspace } = await carillon.me();
    await makePeople(owner, workspace.id, { people: count, events: 0, progress: progressBar() });
    await owner.query(DEVICES, [workspace.id]);
    // The sandbox plays the providers; what it would keep to look at is not what this is about.
    if (urls.sandbox) await keep(urls.sandbox, 200);
    await carillon.audiences.save('made-up', {
      name: 'Made-up people',
      definition: { where: { attribute: 'country', exists: true } },
    });
    await carillon.gate.set({
      caps: [{ key: 'daily', limit: 3, per: 'day' }],
      quietHours: [],
      holdouts: [{ key: 'demo', percent: 2 }],
    });
    const campaign = await carillon.campaigns.create({ name: 'Spring', definition: spring() });
    const { report } = await carillon.campaigns.prepare(campaign.id);
    for (const finding of report?.findings ?? []) console.log(`${finding.level}: ${finding.message}`);
    console.log(
      `\nPrepared: ${whole(report?.audience ?? 0)} people in ${report?.byZone.length} zones; ${(report?.byChannel ?? []).map((c) => `${whole(c.reachable)} by ${c.channel}`).join(', ')}.`,
    );
    const from = performance.now();
    await carillon.campaigns.start(campaign.id);
    await watch(carillon, owner, workspace.id, campaign.id);
    const seconds = (performance.now() - from) / 1000;
    const numbers = await carillon.campaigns.numbers(campaign.id, { reasons: true });
    show(numbers, await carillon.campaigns.test(campaign.id), seconds);
    const wrong = await reconcile(owner, numbers);
    if (wrong.length === 0) {
      console.log('Counted again in the database: the same, nobody twice.');
      return 0;
    }
    for (const line of wrong) console.error(line);
    return 1;
  } finally {
    await owner.end();
  }
}

/** At a time that comes in half a minute where the day begins last, and is over everywhere else. */
function spring() {
  const wall = new Intl.DateTimeFormat('sv-SE', {
    timeZone: LAST_ZONE,
    dateStyle: 'short',
    timeStyle: 'short',
  }).format(new Date(Date.now() + 60_000));
  const [date, time] = wall.split(' ');
  const says = (opening) => ({
    email: {
      subject: `${opening}, {{ profile.attributes.firstName }}`,
      html: `<p>${opening} {{ profile.attributes.firstName }}, the new season is here.</p><p><a href="{{ unsubscribe_url }}">No more of this</a></p>`,
    },
    sms: { body: `${opening} {{ profile.attributes.firstName }}: the new season is here.` },
    push: { title: opening, body: 'The new season is here.' },
    'in-app': { title: opening, body: 'The new season is here.' },
  });
  return {
    audience: 'made-up',
    channels: ['email', 'sms', 'push', 'in-app'],
    start: { kind: 'local', date, time },
    variants: [
      { name: 'plain', weight: 50, content: says('Hello') },
      { name: 'warm', weight: 50, content: says('Good to see you') },
    ],
    test: {
      portion: 20,
      metric: { kind: 'converted', event: EVENT },
      within: '1h',
      decideAfter: '10m',
      confidence: 95,
      atLeast: 20,
    },
  };
}

/** Draws how far it is; once the variants are out, some of their people buy. */
async function watch(carillon, owner, workspaceId, id) {
  const bar = progressBar();
  const until = Date.now() + PATIENCE_MS;
  let bought = false;
  for (;;) {
    const now = await carillon.campaigns.numbers(id);
    const over = ['completed', 'cancelled', 'failed', 'paused'].includes(now.state);
    if (now.targeted > 0) bar('messages', now.targeted - now.pending, now.targeted);
    if (over && now.state === 'completed') return;
    if (over) throw new Error(`It ${now.state}: ${(await carillon.campaigns.get(id)).reason}`);
    if (Date.now() > until) throw new Error('It did not end in half an hour.');
    // How the variants do is asked until their people have bought: it counts all of them each time.
    const { waiting } = now.no > 0 && !bought ? await carillon.campaigns.test(id) : { waiting: 0 };
    if (!bought && waiting > 0 && now.pending <= waiting) {
      bought = true;
      console.log('\nBoth variants are out; their people buy, some of them.');
      await buy(carillon, owner, workspaceId, id);
    }
    await sleep(500);
  }
}

async function buy(carillon, owner, workspaceId, id) {
  const { rows } = await owner.query(
    `SELECT DISTINCT p.external_id AS profile, c.variant FROM campaign_parts c
       JOIN deliveries d ON d.source_id = c.run_id::text AND d.sent_at IS NOT NULL JOIN profiles p ON p.id = d.profile_id AND p.workspace_id = $1
      WHERE c.workspace_id = $1 AND c.campaign_id = $2 AND NOT c.rest ORDER BY 1`,
    [workspaceId, id],
  );
  const buyers = rows.filter(({ profile, variant }) => Number(profile.split('-')[1]) % 100 < BUYING[variant]);
  for (let at = 0; at < buyers.length; at += 500)
    await carillon.events.trackBatch(
      buyers.slice(at, at + 500).map(({ profile }) => ({ profile, name: EVENT, properties: { total: 40 } })),
    );
}

function show(numbers, test, seconds) {
  const columns = ['targeted', 'sent', 'suppressed', 'failed', 'expired', 'cancelled', 'unknown', 'pending'];
  const rows = [
    ...numbers.parts.map((part) => [
      `${part.channel} ${part.variant ?? ''}${part.rest ? ', the rest' : ''}`,
      ...columns.map((name) => part[name]),
    ]),
    ['all', ...columns.map((name) => numbers[name])],
  ].map((row) => row.map((cell) => (typeof cell === 'number' ? whole(cell) : cell)));
  const table = [['', ...columns], ...rows];
  const widths = table[0].map((_, n) => Math.max(...table.map((row) => row[n].length)));
  console.log(
    `\n${table.map((row) => row.map((cell, n) => (n === 0 ? cell.padEnd(widths[n]) : cell.padStart(widths[n]))).join('  ')).join('\n')}\n`,
  );
  for (const { status, reason, count } of numbers.reasons)
    console.log(`${whole(count).padStart(9)}  ${status}: ${reason}`);
  console.log();
  for (const v of test.variants)
    console.log(
      `Variant ${v.variant}: ${whole(v.successes)} of ${whole(v.people)} bought, ${((v.rate ?? 0) * 100).toFixed(1)} % (${(v.low * 100).toFixed(1)} to ${(v.high * 100).toFixed(1)} %), the best with ${(v.best * 100).toFixed(1)} %.`,
    );
  console.log(
    `${test.decision?.winner} won by ${test.decision?.why}. ${whole(numbers.targeted)} messages in ${seconds.toFixed(0)} s.\n`,
  );
}

/** The sum, and the log against what the API says, and nobody twice on one channel. @returns what is wrong */
async function reconcile(owner, numbers) {
  const wrong = [];
  const sum =
    numbers.pending +
    numbers.sent +
    numbers.suppressed +
    numbers.failed +
    numbers.cancelled +
    numbers.expired +
    numbers.unknown;
  if (sum !== numbers.targeted) wrong.push(`The parts make ${sum}, not ${numbers.targeted}.`);
  const { rows } = await owner.query(
    `SELECT count(*)::int AS all, count(*) FILTER (WHERE status IN ('sent', 'delivered'))::int AS sent, (count(*) - count(DISTINCT (channel, profile_id)))::int AS twice
       FROM deliveries WHERE source_id = ANY($1)`,
    [numbers.parts.map((part) => part.runId)],
  );
  const [log] = rows;
  if (log.all !== numbers.targeted) wrong.push(`The log has ${log.all} rows, not ${numbers.targeted}.`);
  if (log.sent !== numbers.sent) wrong.push(`The log has ${log.sent} sent, not ${numbers.sent}.`);
  if (log.twice !== 0) wrong.push(`${log.twice} people have two rows on one channel.`);
  return wrong;
}

/** How many messages of a channel the sandbox keeps. */
async function keep(sandbox, most) {
  const response = await fetch(`${sandbox}/sandbox/knobs`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ keep: most }),
  });
  if (!response.ok) throw new Error(`The sandbox: ${response.status} ${await response.text()}`);
}

const whole = (n) => n.toLocaleString('en');
