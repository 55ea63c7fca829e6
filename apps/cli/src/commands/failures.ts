/** `carillon failures`: what went wrong, by cause. `carillon redrive`: sending it again, after a look at the preview. */
import { channels, reasons, type Channel, type ReasonName } from '@carillon/contracts';
import type { FailureGroup, Redrive, RedriveFilter } from '@carillon/sdk';
import type { Command } from 'commander';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Context, examples, list, oneOf, time } from '../command.js';
import { UsageError } from '../settings.js';
import { channelTitles, number, plural, printable, type Terminal } from '../terminal.js';

const failing = ['failed', 'unknown', 'expired'] as const;
const POLL_MS = 500;

interface FailuresOptions {
  channel?: Channel[];
  status?: (typeof failing)[number][];
  since?: string;
  until?: string;
}

export function failures(root: Command, context: Context): void {
  const command = root
    .command('failures')
    .summary('show what failed, by cause')
    .description('Show what failed, is unknown or expired, grouped by what the providers said.')
    .option('-c, --channel <names>', `of ${channels.join(', ')}`, oneOf(channels))
    .option('-s, --status <names>', `of ${failing.join(', ')}`, oneOf(failing))
    .option('--since <time>', 'accepted after: a time, or 2h for the last two hours (default: 24h)', time)
    .option('--until <time>', 'accepted before', time)
    .action(async ({ since, until, ...rest }: FailuresOptions) => {
      const { terminal, carillon, stop } = context;
      const found = await carillon.failures.list(
        { ...rest, ...(since && { from: since }), ...(until && { to: until }) },
        { signal: stop },
      );
      if (context.json) return terminal.json(found);
      if (found.total === 0) return terminal.say('Nothing failed.');
      const of = found.truncated ? `the newest ${number(found.total)}` : number(found.total);
      terminal.say(terminal.style('bold', `${of} failed, for ${plural(found.groups.length, 'cause')}:`));
      for (const group of found.groups) showGroup(terminal, group);
      terminal.say();
      terminal.say('To send them again, look at what that would do: carillon redrive --reason <reason>');
    });
  examples(command, ['carillon failures --since 2h', 'carillon failures --channel sms --status unknown']);
}

function showGroup(terminal: Terminal, group: FailureGroup): void {
  const { reason, count, code, words, provider } = group;
  const on = group.channels.map((channel) => channelTitles[channel]).join(', ');
  terminal.say();
  terminal.say(
    `${terminal.style('red', String(count).padStart(6))}  ${terminal.style('bold', reason)}  ${terminal.style('dim', [on, provider].filter(Boolean).join(', '))}`,
  );
  const said = [code, words].filter(Boolean).join(' ');
  terminal.say(terminal.wrap(`        ${printable(said || reasons[reason].sentence)}`, '        '));
  terminal.say(terminal.wrap(`        → ${group.advice}`, '          '));
  const [sample] = group.sampleIds;
  if (sample) terminal.say(terminal.style('dim', `        carillon explain ${sample}`));
}

interface RedriveOptions {
  channel?: Channel[];
  reason?: ReasonName[];
  cause?: string;
  template?: string;
  account?: string;
  since?: string;
  until?: string;
  id?: string[];
  includeUnknown?: true;
  yes?: true;
}

export function redrive(root: Command, context: Context): void {
  const command = root
    .command('redrive')
    .summary('send failed messages again')
    .description('Show what sending failed messages again would do; with --yes, do it.')
    .option(
      '-r, --reason <names>',
      'that failed for these reasons',
      oneOf(Object.keys(reasons) as ReasonName[]),
    )
    .option('--cause <cause>', 'of one group of `carillon failures --json`')
    .option('-c, --channel <names>', `of ${channels.join(', ')}`, oneOf(channels))
    .option('--template <key>', 'of this template')
    .option('--account <id>', 'that went through this provider account')
    .option('--id <ids>', 'these deliveries', list)
    .option('--since <time>', 'accepted after: a time, or 2h for the last two hours (default: 7 days)', time)
    .option('--until <time>', 'accepted before', time)
    .option('--include-unknown', 'also what may have arrived: people may get it twice')
    .option('-y, --yes', 'start it after the preview, and wait until it is done')
    .action((options: RedriveOptions) => run(context, options));
  examples(command, [
    'carillon redrive --reason retries_exhausted --since 2h',
    'carillon redrive --reason retries_exhausted --since 2h --yes',
  ]);
}

async function run(context: Context, options: RedriveOptions): Promise<void> {
  const { terminal, carillon, stop } = context;
  const { since, until, id, account, includeUnknown, yes, ...rest } = options;
  const filter: RedriveFilter = {
    ...rest,
    ...(id && { ids: id }),
    ...(account && { accountId: account }),
    ...(since && { from: since }),
    ...(until && { to: until }),
  };
  if (Object.keys(filter).length === 0)
    throw new UsageError(
      'Say what is to be sent again.',
      'For example: carillon redrive --reason retries_exhausted',
    );
  const preview = await carillon.redrives.preview(filter, {
    signal: stop,
    includeUnknown: includeUnknown === true,
  });
  if (!yes || preview.preview.total === 0) {
    if (context.json) return terminal.json(preview);
    showPreview(terminal, preview);
    if (preview.preview.total > 0)
      terminal.say('\nNothing was sent. To do it, give the same line with --yes.');
    return;
  }
  if (!context.json) showPreview(terminal, preview);
  let going = await carillon.redrives.start(preview, { signal: stop });
  while (going.state === 'running') {
    await sleep(POLL_MS, undefined, { signal: stop });
    going = await carillon.redrives.get(going.id, { signal: stop });
  }
  if (context.json) return terminal.json(going);
  terminal.say(
    `\n${plural(going.redriven, 'message')}: ${number(going.redriven)} are on their way again${going.skipped ? `; ${number(going.skipped)} had changed meanwhile and were left alone` : ''}.`,
  );
  terminal.say('  See how they fare: carillon tail');
}

function showPreview(terminal: Terminal, { preview, includeUnknown }: Redrive): void {
  const { total, leftOut, risky, suppressedNow, byCause, truncated } = preview;
  terminal.say(terminal.style('bold', `${plural(total, 'message')} would be sent again.`));
  for (const { count, reason, words } of byCause)
    terminal.say(
      terminal.wrap(`${String(count).padStart(6)}  ${reason}  ${printable(words ?? '')}`, '        '),
    );
  const notes: [number, string][] = [
    [risky, 'of them may have arrived already and may come twice'],
    [suppressedNow, 'have opted out or been suppressed since, and will not get it'],
    [
      leftOut.unknown,
      `may have arrived and are left out${includeUnknown ? '' : ' (--include-unknown takes them)'}`,
    ],
    [leftOut.delivered, 'had arrived and are left out'],
    [leftOut.reached, 'were reached by another step of their route and are left out'],
    [leftOut.expired, 'are past their expiry and are left out'],
  ];
  for (const [count, note] of notes)
    if (count > 0) terminal.say(terminal.style('yellow', `  ! ${number(count)} ${note}`));
  if (truncated) terminal.say('  ! There are more: do these, then look again.');
}
