/** `carillon send`: one message from options or a file, to one recipient. */
import {
  channels,
  endStatuses,
  type Channel,
  type ContentByChannel,
  type SendMessageInput,
} from '@carillon/contracts';
import type { AcceptedMessage, Carillon, Json, Send } from '@carillon/sdk';
import { Option, type Command } from 'commander';
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Context, examples, oneOf, pairs, repeated, time } from '../command.js';
import { showDelivery } from '../deliveries-view.js';
import { UsageError } from '../settings.js';
import { channelTitles, statusCell } from '../terminal.js';

interface SendOptions {
  to?: string;
  profile?: string;
  email?: string;
  phone?: string;
  deviceToken?: string;
  channel?: Channel[];
  route?: string;
  template?: string;
  data?: string[];
  subject?: string;
  title?: string;
  text?: string;
  html?: string;
  link?: string;
  class?: 'transactional' | 'marketing';
  topic?: string;
  at?: string;
  expires?: string;
  idempotencyKey?: string;
  file?: string;
  wait?: true;
}

export function send(root: Command, context: Context): void {
  const command = root
    .command('send')
    .summary('send a message')
    .description('Send one message. When it is accepted it is committed and will be kept.')
    .option('--to <who>', 'an email address, a phone number (+44…), or the external id of a profile')
    .option('--profile <id>', 'a profile, when --to would be misread')
    .option('--email <address>', 'an email address without a profile')
    .option('--phone <number>', 'a phone number without a profile')
    .option('--device-token <token>', 'a device without a profile')
    .option(
      '-c, --channel <names>',
      `one or several of ${channels.join(', ')}: send on all of them`,
      oneOf(channels),
    )
    .option(
      '--route <steps>',
      'try in this order, e.g. push,sms@5m: SMS 5 minutes later unless push was delivered',
    )
    .option('--template <key>', 'a stored template; its variables by --data')
    .option('-d, --data <name=value>', 'a variable of the template; repeat for more', repeated)
    .option('--subject <text>', 'subject of an email')
    .option('--title <text>', 'title of a push or in-app message (default: the subject)')
    .option('--text <text>', 'what it says, on every channel')
    .option('--html <text|@file>', 'HTML or MJML of an email')
    .option('--link <address>', 'opened when a push or in-app message is tapped')
    .addOption(new Option('--class <class>', 'which rules apply').choices(['transactional', 'marketing']))
    .option('--topic <topic>', 'what it is about, for opt-outs')
    .option('--at <time>', 'not before: a time, or +10m', time)
    .option('--expires <time>', 'not after: a time, or +1h', time)
    .option('--idempotency-key <key>', 'sends once, however often this is run')
    .option('--file <file>', 'the whole message as JSON (- for standard input); options add to it')
    .option('--wait', 'wait until it has ended and show the timeline')
    .action(async (options: SendOptions) => {
      const message = compose(options, context.folder);
      const { terminal, carillon } = context;
      const accepted = await carillon.messages.send(message, { signal: context.stop });
      if (context.json && !options.wait) return terminal.json(accepted);
      if (!context.json) showAccepted(context, accepted);
      if (options.wait) await waitAndShow(context, carillon, accepted);
      else if (accepted.deliveries[0]) {
        terminal.say();
        terminal.say(`What becomes of it: carillon explain ${accepted.deliveries[0].id}`);
      }
    });
  examples(command, [
    'carillon send --to ada@example.com --subject Hello --text "The first message." --wait',
    'carillon send --to +442079460123 --text "Your code is 123456" --expires +10m',
    'carillon send --to ada --channel email,in-app --template order-shipped -d orderId=1042',
    'carillon send --to ada --route push,sms@5m --title "At the door" --text "Your parcel is here."',
    'carillon send --file message.json --idempotency-key order-1042',
  ]);
}

/** Options into a message. Only what the options mean is decided here; the API judges the rest. */
export function compose(options: SendOptions, folder: string): Send {
  const given = options.file === undefined ? {} : readMessage(options.file, folder);
  const to = whoFrom(options) ?? given.to;
  if (!to)
    throw new UsageError(
      'Say who: --to with an email address, a phone number or a profile.',
      'For example: carillon send --to ada@example.com --subject Hello --text "The first message."',
    );
  const route = options.route === undefined ? given.route : routeFrom(options.route);
  const by = options.channel ?? (route ? undefined : (given.channels ?? defaultChannels(to)));
  const wanted = by ?? route?.map((step) => step.channel) ?? [];
  const says = options.template === undefined ? contentFrom(options, wanted, folder) : undefined;
  const data = options.data ? (pairs(options.data, '--data') as Record<string, Json>) : given.data;
  const message = {
    ...given,
    to,
    ...(by ? { channels: by, route: undefined } : { route, channels: undefined }),
    ...(options.template === undefined ? (says ? { content: says } : {}) : { template: options.template }),
    ...(data ? { data } : {}),
    ...(options.class ? { class: options.class } : {}),
    ...(options.topic ? { topic: options.topic } : {}),
    ...(options.at ? { sendAt: options.at } : {}),
    ...(options.expires ? { expiresAt: options.expires } : {}),
    ...(options.idempotencyKey ? { idempotencyKey: options.idempotencyKey } : {}),
  };
  if (!('content' in message && message.content) && !message.template)
    throw new UsageError(
      'Say what: --text (with --subject for an email), or --template.',
      'See: carillon send --help',
    );
  return message as Send;
}

function readMessage(file: string, folder: string): Partial<SendMessageInput> {
  const text = fs.readFileSync(file === '-' ? 0 : path.resolve(folder, file), 'utf8');
  try {
    return JSON.parse(text) as Partial<SendMessageInput>;
  } catch (error) {
    throw new UsageError(
      `${file} is not JSON: ${error instanceof Error ? error.message : ''}`,
      'It holds a message as in POST /v1/messages.',
    );
  }
}

function whoFrom(options: SendOptions): SendMessageInput['to'] | undefined {
  if (options.profile !== undefined) return { profile: options.profile };
  if (options.email !== undefined) return { email: options.email };
  if (options.phone !== undefined) return { phone: options.phone };
  if (options.deviceToken !== undefined) return { deviceToken: options.deviceToken };
  if (options.to === undefined) return undefined;
  if (options.to.includes('@')) return { email: options.to };
  if (/^\+[\d ().-]{6,}$/.test(options.to)) return { phone: options.to };
  return { profile: options.to };
}

function defaultChannels(to: SendMessageInput['to']): Channel[] {
  if (to.email !== undefined) return ['email'];
  if (to.phone !== undefined) return ['sms'];
  if (to.deviceToken !== undefined) return ['push'];
  throw new UsageError(
    'Say how: a profile may be reached in several ways.',
    `For example --channel email,push (of ${channels.join(', ')}), or --route push,sms@5m.`,
  );
}

/** `push,sms@5m`: each step but the first waits, and is skipped when the one before was delivered. */
function routeFrom(text: string): NonNullable<SendMessageInput['route']> {
  return text.split(',').map((step, i) => {
    const [name, after] = step.trim().split('@');
    const channel = channels.find((candidate) => candidate === name);
    if (!channel)
      throw new UsageError(
        `--route: there is no channel "${name}".`,
        `Write one of ${channels.join(', ')}, e.g. push,sms@5m.`,
      );
    return i === 0 ? { channel } : { channel, after: after ?? '5m', unless: 'delivered' as const };
  });
}

function contentFrom(
  options: SendOptions,
  wanted: readonly Channel[],
  folder: string,
): ContentByChannel | undefined {
  const { text } = options;
  const html = options.html?.startsWith('@')
    ? fs.readFileSync(path.resolve(folder, options.html.slice(1)), 'utf8')
    : options.html;
  if (text === undefined && html === undefined) return undefined;
  const subject = options.subject ?? options.title;
  const title = options.title ?? options.subject;
  const missing = (option: string, channel: Channel) =>
    new UsageError(
      `The message goes by ${channelTitles[channel]}, so give ${option}.`,
      'See: carillon send --help',
    );
  const content: ContentByChannel = {};
  for (const channel of wanted) {
    if (channel !== 'email' && text === undefined) throw missing('--text', channel);
    if (channel === 'email') {
      if (subject === undefined) throw missing('--subject', channel);
      content.email = {
        subject,
        ...(html === undefined ? {} : { html }),
        ...(text === undefined ? {} : { text }),
      };
    } else if (channel === 'sms') {
      content.sms = { body: text ?? '' };
    } else {
      if (title === undefined) throw missing('--title', channel);
      content[channel] = { title, body: text ?? '', ...(options.link ? { url: options.link } : {}) };
    }
  }
  return content;
}

function showAccepted({ terminal }: Context, accepted: AcceptedMessage): void {
  terminal.say(`${terminal.style('green', '✓')} Accepted. Message ${accepted.id}`);
  terminal.table(
    [{ title: 'CHANNEL' }, { title: 'STATUS' }, { title: 'REASON', narrow: 'cut' }, { title: 'DELIVERY' }],
    accepted.deliveries.map((d) => [channelTitles[d.channel], statusCell(d.status), d.reason ?? '', d.id]),
    '  ',
  );
}

const RECEIPT_MS = 3000;
const age = (time: string | null) => (time === null ? Infinity : Date.now() - Date.parse(time));

/** Looks until every delivery has ended, a minute at most: a message for later is not waited for. */
async function waitAndShow(context: Context, carillon: Carillon, accepted: AcceptedMessage): Promise<void> {
  const { terminal, stop } = context;
  const ended = new Set<string>(endStatuses);
  const until = Date.now() + 60_000;
  const shown = [];
  for (const { id } of accepted.deliveries) {
    let delivery = await carillon.deliveries.get(id, { signal: stop });
    const open = () => !ended.has(delivery.status) && Date.now() < until;
    // A receipt of an SMS comes within moments if it comes; `sent` alone does not tell whether it arrived.
    const receiptDue = () =>
      delivery.channel === 'sms' && delivery.status === 'sent' && age(delivery.sentAt) < RECEIPT_MS;
    while (open() || receiptDue()) {
      await sleep(200, undefined, { signal: stop });
      delivery = await carillon.deliveries.get(id, { signal: stop });
    }
    shown.push(delivery);
    if (context.json) continue;
    terminal.say();
    showDelivery(terminal, delivery);
  }
  if (context.json) terminal.json({ ...accepted, deliveries: shown });
  const gone = shown.every(({ status }) => status === 'sent' || status === 'delivered');
  if (!gone) context.exitCode = 1;
}
