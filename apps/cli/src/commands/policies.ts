/** `carillon policies show|retry|unknown`: how often and how long things are tried, and how long they are kept. */
import { channels, type Channel } from '@carillon/contracts';
import type { ChannelRetry, Policies } from '@carillon/sdk';
import { Argument, Option, type Command } from 'commander';
import { type Context, examples, seconds, wholeNumber } from '../command.js';
import { UsageError } from '../settings.js';
import { channelTitles, duration } from '../terminal.js';

export function policies(root: Command, context: Context): void {
  const group = root
    .command('policies')
    .summary('see and change retries, see retention')
    .description('See and change how often and how long things are tried again.');
  const signal = () => ({ signal: context.stop });

  examples(
    group
      .command('show')
      .summary('show all policies')
      .description(
        'Show how each channel tries again, what follows an unknown outcome, and how long things are kept.',
      )
      .action(async () => {
        const { carillon, terminal } = context;
        const [retries, { unknown }, installation] = await Promise.all([
          carillon.accounts.retryPolicies(signal()),
          carillon.policies.get(signal()),
          carillon.policies.installation(signal()),
        ]);
        if (context.json) return terminal.json({ retries, unknown, installation });
        showRetries(context, retries);
        terminal.say();
        terminal.facts([
          ['unknown, transactional', unknownWords[unknown.transactional]],
          ['unknown, marketing', unknownWords[unknown.marketing]],
          ['log is kept', `${installation.retentionDays} days`],
          ['events are kept', `${installation.eventRetentionDays} days`],
          ['idempotency keys', `remembered for ${installation.idempotencyHours} hours`],
        ]);
      }),
    ['carillon policies show', 'carillon policies show --json'],
  );

  examples(
    group
      .command('retry')
      .summary('set how a channel tries again')
      .description(
        'Change how often and how long a channel tries again. It holds from the next attempt; what is left out stays. A hint of the provider counts when it is longer.',
      )
      .addArgument(new Argument('<channel>').choices(channels))
      .option('--attempts <n>', 'attempts in all, the first included', wholeNumber(1, 50))
      .option('--window <duration>', 'nothing is tried later than this: 1h, 2d', seconds)
      .option('--backoff <duration>', 'the first wait, doubled with each attempt', seconds)
      .option('--max-backoff <duration>', 'the longest wait', seconds)
      .option('--default', 'go back to what the channel does by itself')
      .action(async (channel: Channel, given: RetryOptions) => {
        const changes = {
          attempts: given.attempts,
          windowSeconds: given.window,
          backoffSeconds: given.backoff,
          maxBackoffSeconds: given.maxBackoff,
        };
        const asked = Object.values(changes).some((value) => value !== undefined);
        if (asked === (given.default === true))
          throw new UsageError(
            asked ? '--default goes alone.' : 'Nothing is to be changed.',
            'Give --attempts, --window, --backoff or --max-backoff; or --default alone.',
          );
        const changed = await context.carillon.accounts.updateRetryPolicy(
          channel,
          given.default
            ? { attempts: null, windowSeconds: null, backoffSeconds: null, maxBackoffSeconds: null }
            : changes,
          signal(),
        );
        if (context.json) return context.terminal.json(changed);
        showRetries(context, [changed]);
      }),
    [
      'carillon policies retry sms --attempts 3 --window 10m',
      'carillon policies retry email --backoff 30s --max-backoff 2h',
      'carillon policies retry sms --default',
    ],
  );

  const onUnknown = (flag: string, what: string) => new Option(flag, what).choices(['retry', 'hold']);
  examples(
    group
      .command('unknown')
      .summary('set what follows when nobody answered')
      .description(
        'Choose what follows when a provider never answered: retry sends again, marked as a possible duplicate; hold waits for a receipt, a look-up or a person.',
      )
      .addOption(onUnknown('--transactional <policy>', 'for codes, receipts and the like'))
      .addOption(onUnknown('--marketing <policy>', 'for everything else'))
      .action(async (given: Partial<Policies['unknown']>) => {
        if (!given.transactional && !given.marketing)
          throw new UsageError('Nothing is to be changed.', 'Give --transactional or --marketing.');
        const { unknown } = await context.carillon.policies.get(signal());
        const changed = await context.carillon.policies.set({ unknown: { ...unknown, ...given } }, signal());
        if (context.json) return context.terminal.json(changed);
        context.terminal.facts([
          ['transactional', unknownWords[changed.unknown.transactional]],
          ['marketing', unknownWords[changed.unknown.marketing]],
        ]);
      }),
    ['carillon policies unknown --marketing retry'],
  );
}

interface RetryOptions {
  attempts?: number;
  window?: number;
  backoff?: number;
  maxBackoff?: number;
  default?: true;
}

const unknownWords: Record<Policies['unknown']['marketing'], string> = {
  retry: 'retry: sent again, marked as a possible duplicate',
  hold: 'hold: waits for a receipt, a look-up or a person',
};

function showRetries({ terminal }: Context, retries: readonly ChannelRetry[]): void {
  terminal.table(
    [
      { title: 'CHANNEL' },
      { title: 'ATTEMPTS' },
      { title: 'WITHIN' },
      { title: 'FIRST WAIT' },
      { title: 'LONGEST WAIT' },
      { title: 'CHANGED', narrow: 'cut' },
    ],
    retries.map((retry) => [
      channelTitles[retry.channel],
      String(retry.attempts),
      duration(retry.windowSeconds),
      duration(retry.backoffSeconds),
      duration(retry.maxBackoffSeconds),
      { text: retry.changed.join(', ') || 'no: the default', style: 'dim' },
    ]),
  );
}
