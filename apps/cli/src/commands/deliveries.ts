/** `carillon deliveries list|get`: reading the delivery log. */
import {
  channels,
  reasons,
  sources,
  statuses,
  type Channel,
  type ReasonName,
  type Source,
  type Status,
} from '@carillon/contracts';
import type { DeliveryQuery } from '@carillon/sdk';
import type { Command } from 'commander';
import { type Context, examples, oneOf, time, wholeNumber } from '../command.js';
import { deliveriesTable, showDelivery } from '../deliveries-view.js';
import { plural } from '../terminal.js';

interface ListOptions {
  profile?: string;
  address?: string;
  channel?: Channel[];
  status?: Status[];
  reason?: ReasonName[];
  template?: string;
  source?: Source[];
  message?: string;
  since?: string;
  until?: string;
  limit: number;
  csv?: true;
}

export function deliveries(root: Command, context: Context): void {
  const group = root
    .command('deliveries')
    .summary('read the delivery log')
    .description('Read the delivery log.');
  const listing = group
    .command('list', { isDefault: false })
    .summary('search the log, newest first')
    .description('Search the delivery log, newest first.')
    .option('-c, --channel <names>', `of ${channels.join(', ')}`, oneOf(channels))
    .option('-s, --status <names>', `of ${statuses.join(', ')}`, oneOf(statuses))
    .option(
      '-r, --reason <names>',
      'for these reasons, e.g. bounced,no_consent',
      oneOf(Object.keys(reasons) as ReasonName[]),
    )
    .option('--profile <id>', 'to this profile (external id)')
    .option('--address <address>', 'to this address')
    .option('--template <key>', 'of this template')
    .option('--source <names>', `asked for by ${sources.join(', ')}`, oneOf(sources))
    .option('--message <id>', 'of this message')
    .option('--since <time>', 'accepted after: a time, or 2h for the last two hours', time)
    .option('--until <time>', 'accepted before', time)
    .option('-n, --limit <count>', 'how many', wholeNumber(1, 100_000), 20)
    .option('--csv', 'all of them as CSV')
    .action((options: ListOptions) => list(context, options));
  examples(listing, [
    'carillon deliveries list --status failed,unknown --since 1d',
    'carillon deliveries list --profile ada -n 5',
    'carillon deliveries list --since 7d --csv > last-week.csv',
  ]);
  const getting = group
    .command('get')
    .summary('show a delivery with its timeline')
    .description('Show a delivery with its timeline and what the provider answered.')
    .argument('<id>', 'id of the delivery')
    .action(async (id: string) => {
      const delivery = await context.carillon.deliveries.get(id, { signal: context.stop });
      if (context.json) context.terminal.json(delivery);
      else showDelivery(context.terminal, delivery);
    });
  examples(getting, ['carillon deliveries get 0193a1b2-7c4d-7e5f-8a9b-0c1d2e3f4a5b']);
}

async function list(context: Context, options: ListOptions): Promise<void> {
  const { terminal, carillon, stop } = context;
  const { since, until, message, limit, csv, ...rest } = options;
  const query: DeliveryQuery = {
    ...rest,
    ...(message ? { messageId: message } : {}),
    ...(since ? { from: since } : {}),
    ...(until ? { to: until } : {}),
  };
  if (csv) {
    let last = '\n';
    for await (const piece of carillon.deliveries.exportCsv(query, { signal: stop })) {
      terminal.write(piece);
      last = piece.at(-1) ?? last;
    }
    if (last !== '\n') terminal.say();
    return;
  }
  const found = [];
  let more = false;
  for await (const delivery of carillon.deliveries.list(
    { ...query, limit: Math.min(limit, 200) },
    { signal: stop },
  )) {
    if (found.length === limit) {
      more = true;
      break;
    }
    found.push(delivery);
  }
  if (context.json) return terminal.json(found);
  if (found.length === 0) {
    terminal.say('No delivery is like that.');
    terminal.say(
      '  Send one: carillon send --to ada@example.com --subject Hello --text "The first message."',
    );
    return;
  }
  deliveriesTable(terminal, found);
  if (more)
    terminal.complain(
      terminal.style(
        'dim',
        `The newest ${plural(limit, 'delivery', 'deliveries')}; for more: --limit ${limit * 5}`,
      ),
    );
}
