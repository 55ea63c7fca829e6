/** `carillon tail`: the delivery log as it grows. Live by the stream; by asking again where a proxy breaks streams. */
import { channels, statuses, type Channel, type Status } from '@carillon/contracts';
import {
  AuthenticationProblem,
  ForbiddenProblem,
  ValidationProblem,
  type Delivery,
  type DeliveryQuery,
} from '@carillon/sdk';
import type { Command } from 'commander';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Context, examples, oneOf, wholeNumber } from '../command.js';
import { deliveryLine, standsSince } from '../deliveries-view.js';

const ASK_EVERY_MS = 2000;

interface TailOptions {
  channel?: Channel[];
  status?: Status[];
  profile?: string;
  template?: string;
  lines: number;
}

export function tail(root: Command, context: Context): void {
  const command = root
    .command('tail')
    .summary('watch deliveries as they happen')
    .description('Show the newest deliveries, then every change as it happens, until Ctrl-C.')
    .option('-c, --channel <names>', 'only these channels', oneOf(channels))
    .option('-s, --status <names>', 'only when they come to stand so', oneOf(statuses))
    .option('--profile <id>', 'only to this profile')
    .option('--template <key>', 'only of this template')
    .option('-n, --lines <count>', 'how many to show first', wholeNumber(0, 200), 10)
    .action(({ lines, ...query }: TailOptions) => watch(context, query, lines));
  examples(command, [
    'carillon tail',
    'carillon tail --channel sms --status failed,unknown',
    "carillon tail --json | jq -r 'select(.reason) | .reason'",
  ]);
}

async function watch(context: Context, query: DeliveryQuery, lines: number): Promise<void> {
  const { terminal, carillon, stop } = context;
  const seen = new Map<string, string>();
  /** True when this is news: its state is not the one that was seen last. */
  const note = (delivery: Delivery): boolean => {
    const state = `${delivery.status} ${delivery.reason} ${delivery.attempts}`;
    if (seen.get(delivery.id) === state) return false;
    seen.set(delivery.id, state);
    if (seen.size > 10_000) seen.delete(seen.keys().next().value ?? '');
    return true;
  };
  const show = (delivery: Delivery, since: string) => {
    if (context.json) terminal.say(JSON.stringify(delivery));
    else deliveryLine(terminal, delivery, since);
  };
  const newest = async () =>
    (await carillon.deliveries.list({ ...query, limit: 200 }, { signal: stop }).page()).items.reverse();
  const showNews = async () => {
    for (const delivery of await newest()) if (note(delivery)) show(delivery, new Date().toISOString());
  };

  try {
    // All are noted, so that reading the list again later shows only what has changed since.
    const known = (await newest()).filter(note);
    for (const delivery of known.slice(known.length - lines)) show(delivery, standsSince(delivery));
    if (!context.json && terminal.interactive)
      terminal.complain(terminal.style('dim', 'Watching. Ctrl-C stops.'));
    try {
      for await (const change of carillon.deliveries.stream(query, { signal: stop })) {
        if (change.type === 'changed') await showNews();
        else if (note(change.delivery)) show(change.delivery, new Date().toISOString());
      }
    } catch (error) {
      const meant = [AuthenticationProblem, ForbiddenProblem, ValidationProblem];
      if (stop.aborted || meant.some((kind) => error instanceof kind)) throw error;
      terminal.complain(
        `There is no live stream here (${error instanceof Error ? error.message : ''}) Asking every ${ASK_EVERY_MS / 1000} s instead.`,
      );
      for (;;) {
        await sleep(ASK_EVERY_MS, undefined, { signal: stop });
        await showNews();
      }
    }
  } catch (error) {
    // Ctrl-C is how a tail ends well.
    if (!stop.aborted) throw error;
  }
}
