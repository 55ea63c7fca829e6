/**
 * `carillon demo`, which is `npm run demo`: the main job on real input. Imports the shipped profiles (some rows are bad
 * on purpose, some addresses are magic to the sandbox), sends to everybody on all four channels, waits until every
 * delivery has ended, and tells from the delivery log what became of them. Fails when the numbers do not add up.
 */
import {
  channels,
  endStatuses,
  reasons,
  statuses,
  type Channel,
  type Status,
  type TemplateSave,
} from '@carillon/contracts';
import type { Delivery, Send } from '@carillon/sdk';
import type { Command } from 'commander';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type Context, examples } from './command.js';
import { showBadRows } from './commands/profiles.js';
import { timeline } from './deliveries-view.js';
import { importProfiles } from './import-profiles.js';
import { isBad, openProfiles, type Row } from './profiles-csv.js';
import { type Cell, channelTitles, number, plural, printable, statusCell } from './terminal.js';

const SHIPPED = fileURLToPath(new URL('../data/profiles.csv', import.meta.url));
const TEMPLATE = 'demo-order-shipped';
const BATCH = 100;
/** Long enough for one retry of a greylisted mail; nothing in the shipped file needs longer. */
const PATIENCE_MS = 120_000;
/** How long to wait for receipts of what was sent: silence is a legal end. */
const RECEIPTS_MS = 5_000;

export function demo(root: Command, context: Context): void {
  const command = root
    .command('demo')
    .summary('see the whole of it, on 300 profiles')
    .description(
      'Import profiles from CSV, send to everybody on all four channels, and show what became of it. Meant for the sandbox: it really sends.',
    )
    .option('--file <csv>', 'other profiles (default: the 300 that are shipped)')
    .action((options: { file?: string }) => run(context, options.file));
  examples(command, ['npm run demo', 'carillon demo --file customers.csv']);
}

async function run(context: Context, given: string | undefined): Promise<void> {
  const { terminal, carillon, stop: signal } = context;
  const file = given === undefined ? SHIPPED : path.resolve(context.folder, given);
  const say = (line = '') => context.json || terminal.say(line);
  const done = (line: string) => say(terminal.wrap(`  ${terminal.style('green', '✓')} ${line}`, '    '));
  const step = (line: string) => say(`\n${terminal.style('bold', line)}`);
  const { workspace } = await carillon.me({ signal });
  say(`Carillon at ${context.settings.url}, workspace ${workspace.name}`);

  step(`Import ${path.basename(file)}`);
  const source = await openProfiles(file, []);
  const good: string[] = [];
  const imported = await importProfiles(
    carillon,
    { ...source, rows: noting(source.rows, good) },
    { batch: BATCH, signal },
  );
  const refused = new Set(imported.bad.map(({ line }) => line));
  const people = good.flatMap((id, line) => (refused.has(line) ? [] : [id]));
  if (!context.json) showBadRows(terminal, imported.bad);
  done(
    `${plural(imported.rows, 'row')}: ${number(imported.created)} created, ${number(imported.updated)} changed, ${number(imported.bad.length)} bad.`,
  );

  step('Register devices');
  const devices = people.flatMap(devicesOf);
  for (let i = 0; i < devices.length; i += 8)
    await Promise.all(
      devices
        .slice(i, i + 8)
        .map(({ externalId, ...device }) => carillon.profiles.addDevice(externalId, device, { signal })),
    );
  done(`${plural(devices.length, 'device')}, so that there is something to push to. The others have none.`);

  step(`Save the template ${TEMPLATE}`);
  const template = await carillon.templates.save(TEMPLATE, orderShipped, { signal });
  done(
    `Version ${template.version}, for ${template.channels.map((channel) => channelTitles[channel]).join(', ')}, in 4 languages.`,
  );

  step(`Send ${plural(people.length, 'message')} by email, SMS, push and in-app`);
  const sent = await sendAll(context, people);
  done(
    `${number(sent.messages.size)} accepted: ${plural(sent.targeted, 'delivery', 'deliveries')} in ${(sent.ms / 1000).toFixed(1)} s. Accepted is kept.`,
  );
  if (sent.replayed)
    done(
      `${plural(sent.replayed, 'message')} sent again with the same keys: recognised, nothing goes out twice.`,
    );

  step('Wait until each has ended');
  const started = performance.now();
  const pending = await settle(context, sent);
  if (pending === 0) done(`All ended within ${((performance.now() - started) / 1000).toFixed(1)} s.`);
  else
    say(
      `  ${terminal.style('red', '✗')} ${plural(pending, 'delivery', 'deliveries')} had not ended after ${PATIENCE_MS / 1000} s.`,
    );

  const log = await readLog(context, sent);
  const byChannel = tally(log);
  const sum = log.length;
  const shown = await carillon.deliveries.get(mostTelling(log)?.id ?? '', { signal });
  if (context.json) {
    terminal.json({
      rows: imported.rows,
      bad: imported.bad.length,
      targeted: sent.targeted,
      byChannel,
      pending,
    });
  } else {
    step('What the delivery log says');
    showTally(context, byChannel);
    say();
    showReasons(context, log);
    step(`One of them: ${channelTitles[shown.channel]} to ${shown.address ?? shown.profile?.externalId}`);
    say(terminal.wrap(`  ${printable(shown.sentence)}`, '  '));
    timeline(terminal, shown.timeline);
    say();
  }

  const adds = sum === sent.targeted && sent.refused === 0 && sent.messages.size === people.length;
  if (adds && pending === 0)
    done(
      `${number(sent.targeted)} targeted = ${statuses
        .filter((s) => log.some((d) => d.status === s))
        .map((s) => `${number(log.filter((d) => d.status === s).length)} ${s}`)
        .join(' + ')}`,
    );
  else {
    context.exitCode = 1;
    terminal.complain(
      `${terminal.style('red', '✗')} The numbers do not add up: ${number(people.length)} messages, ${number(sent.refused)} refused, ${number(sent.targeted)} deliveries targeted, ${number(sum)} in the log, ${number(pending)} pending.`,
    );
  }
  say(
    `  See them: ${context.settings.url}${context.settings.sandboxUrl ? `, and as the people do: ${context.settings.sandboxUrl}` : ''}`,
  );
}

/** Passes rows on and notes ids by line, for those that the API will have taken. */
async function* noting(rows: AsyncIterable<Row>, ids: string[]): AsyncGenerator<Row> {
  for await (const row of rows) {
    if (!isBad(row)) ids[row.line] = row.profile.externalId;
    yield row;
  }
}

/** Every second person has a device, some have two; three of the tokens are magic to the sandbox (docs/sandbox.md). */
function devicesOf(
  externalId: string,
  i: number,
): { externalId: string; token: string; platform: 'ios' | 'android' | 'web' }[] {
  const magic: Record<number, string> = {
    6: 'token-unregistered-',
    20: 'token-invalid-',
    34: 'token-unregistered-',
  };
  if (i % 2) return [];
  const token = `${magic[i] ?? 'demo-device-'}${externalId}`;
  const first = { externalId, token, platform: i % 4 ? ('ios' as const) : ('android' as const) };
  return i % 14 === 0
    ? [first, { externalId, token: `demo-browser-${externalId}`, platform: 'web' }]
    : [first];
}

interface Sent {
  messages: Set<string>;
  targeted: number;
  refused: number;
  replayed: number;
  since: string;
  ms: number;
}

async function sendAll(
  { carillon, terminal, stop: signal, json }: Context,
  people: readonly string[],
): Promise<Sent> {
  const run = Date.now().toString(36);
  const sent: Sent = {
    messages: new Set(),
    targeted: 0,
    refused: 0,
    replayed: 0,
    since: new Date(Date.now() - 300_000).toISOString(),
    ms: 0,
  };
  const batches: Send[][] = [];
  for (let i = 0; i < people.length; i += BATCH)
    batches.push(
      people.slice(i, i + BATCH).map((externalId, n) => ({
        to: { profile: externalId },
        channels: [...channels],
        template: TEMPLATE,
        data: {
          order: {
            id: String(10_000 + i + n),
            items: ['bell', 'rope', 'clapper'].slice(0, 1 + ((i + n) % 3)),
          },
        },
        idempotencyKey: `demo-${run}-${externalId}`,
      })),
    );
  const bar = json ? undefined : terminal.progress('messages', people.length);
  const started = performance.now();
  for (const batch of batches) {
    const { results } = await carillon.messages.sendBatch(batch, { signal });
    for (const result of results) {
      if (result.ok) {
        sent.messages.add(result.message.id);
        sent.targeted += result.message.deliveries.length;
      } else {
        sent.refused += 1;
        terminal.complain(`  refused: ${result.detail}`);
      }
    }
    bar?.to(sent.messages.size + sent.refused);
  }
  sent.ms = performance.now() - started;
  bar?.stop();
  const [first] = batches;
  if (first) {
    const { results } = await carillon.messages.sendBatch(first, { signal });
    sent.replayed = results.filter(
      (result) => result.ok && result.replayed && sent.messages.has(result.message.id),
    ).length;
  }
  return sent;
}

/** Waits for ends, then a little for receipts. Gives how many had not ended. */
async function settle(context: Context, sent: Sent): Promise<number> {
  const { terminal, stop: signal } = context;
  const open = statuses.filter((status) => !endStatuses.some((end) => end === status));
  const bar = context.json ? undefined : terminal.progress('ended', sent.targeted);
  const count = async (status: readonly Status[], channel?: Channel) =>
    (await readLog(context, sent, { status, ...(channel ? { channel } : {}) })).length;
  try {
    const until = Date.now() + PATIENCE_MS;
    let pending = await count(open);
    while (pending > 0 && Date.now() < until) {
      bar?.to(sent.targeted - pending);
      await sleep(250, undefined, { signal });
      pending = await count(open);
    }
    bar?.to(sent.targeted - pending);
    const receiptsUntil = Date.now() + RECEIPTS_MS;
    while (pending === 0 && Date.now() < receiptsUntil && (await count(['sent'], 'sms')) > 0)
      await sleep(250, undefined, { signal });
    return pending;
  } finally {
    bar?.stop();
  }
}

async function readLog(
  { carillon, stop: signal }: Context,
  sent: Sent,
  filter: { status?: readonly Status[]; channel?: Channel } = {},
): Promise<Delivery[]> {
  const found: Delivery[] = [];
  const query = { ...filter, template: TEMPLATE, from: sent.since, limit: 200 };
  for await (const delivery of carillon.deliveries.list(query, { signal }))
    if (sent.messages.has(delivery.messageId)) found.push(delivery);
  return found;
}

type Tally = Record<Channel, Partial<Record<Status, number>>>;

function tally(log: readonly Delivery[]): Tally {
  const counted: Tally = { email: {}, sms: {}, push: {}, 'in-app': {} };
  for (const { channel, status } of log) counted[channel][status] = (counted[channel][status] ?? 0) + 1;
  return counted;
}

function showTally({ terminal }: Context, byChannel: Tally): void {
  const seen = statuses.filter((status) => channels.some((channel) => byChannel[channel][status]));
  const total = (of: readonly Channel[], by: readonly Status[]) =>
    of.reduce(
      (sum, channel) => sum + by.reduce((part, status) => part + (byChannel[channel][status] ?? 0), 0),
      0,
    );
  const row = (title: Cell, of: readonly Channel[]): Cell[] => [
    title,
    ...seen.map((status): Cell => {
      const n = total(of, [status]);
      return n ? { ...statusCell(status), text: number(n) } : { text: '·', style: 'dim' };
    }),
    { text: number(total(of, seen)), style: 'bold' },
  ];
  terminal.table(
    [
      { title: 'CHANNEL' },
      ...seen.map((status) => ({ title: status.toUpperCase(), align: 'right' as const })),
      { title: 'TOTAL', align: 'right' },
    ],
    [
      ...channels.map((channel) => row(channelTitles[channel], [channel])),
      row({ text: 'all', style: 'bold' }, channels),
    ],
    '  ',
  );
}

function showReasons({ terminal }: Context, log: readonly Delivery[]): void {
  const counted = new Map<string, { count: number; channel: Channel; reason: keyof typeof reasons }>();
  for (const { channel, reason } of log) {
    if (!reason) continue;
    const one = counted.get(`${channel} ${reason}`) ?? { count: 0, channel, reason };
    one.count += 1;
    counted.set(`${channel} ${reason}`, one);
  }
  const rows = [...counted.values()]
    .sort((a, b) => channels.indexOf(a.channel) - channels.indexOf(b.channel) || b.count - a.count)
    .map(({ channel, reason, count }): Cell[] => [
      channelTitles[channel],
      number(count),
      reasons[reason].sentence,
    ]);
  if (rows.length)
    terminal.table(
      [{ title: 'CHANNEL' }, { title: '', align: 'right' }, { title: 'WHY NOT', narrow: 'break' }],
      rows,
      '  ',
    );
}

/** The delivery that went through most: a retry that succeeded, else a text with its receipts. */
const mostTelling = (log: readonly Delivery[]): Delivery | undefined =>
  [...log].sort(
    (a, b) =>
      Number(b.status === 'delivered' || b.status === 'sent') -
        Number(a.status === 'delivered' || a.status === 'sent') ||
      b.attempts - a.attempts ||
      Number(b.channel === 'sms') - Number(a.channel === 'sms') ||
      Number(b.status === 'delivered') - Number(a.status === 'delivered'),
  )[0];

const name = '{{ profile.attributes.first_name }}';
const orderShipped: TemplateSave = {
  name: 'Order shipped (demo)',
  content: {
    email: {
      subject: 'Order {{ order.id }} is on its way',
      html: `<p>Hello ${name},</p><p>order <b>{{ order.id }}</b> has left for {{ profile.attributes.city }}:</p><ul>{% for item in order.items %}<li>{{ item }}</li>{% endfor %}</ul>`,
    },
    sms: { body: `${name}, order {{ order.id }} is on its way.` },
    push: { title: 'On its way', body: 'Order {{ order.id }} has left.', data: { order: '{{ order.id }}' } },
    'in-app': {
      title: 'Order {{ order.id }} is on its way',
      body: `It has left for {{ profile.attributes.city }}, ${name}.`,
    },
  },
  locales: {
    fr: {
      email: {
        subject: 'La commande {{ order.id }} est en route',
        html: `<p>Bonjour ${name},</p><p>la commande <b>{{ order.id }}</b> est partie vers {{ profile.attributes.city }}.</p>`,
      },
      sms: { body: `${name}, la commande {{ order.id }} est en route.` },
    },
    de: {
      email: {
        subject: 'Bestellung {{ order.id }} ist unterwegs',
        html: `<p>Hallo ${name},</p><p>die Bestellung <b>{{ order.id }}</b> ist auf dem Weg nach {{ profile.attributes.city }}.</p>`,
      },
      sms: { body: `${name}, die Bestellung {{ order.id }} ist unterwegs.` },
    },
    ja: {
      email: {
        subject: 'ご注文 {{ order.id }} を発送しました',
        html: `<p>${name} 様</p><p>ご注文 <b>{{ order.id }}</b> を発送しました。</p>`,
      },
      sms: { body: `${name} 様、ご注文 {{ order.id }} を発送しました。` },
    },
  },
};
