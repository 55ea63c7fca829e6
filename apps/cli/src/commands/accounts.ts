/** `carillon accounts list|pause|resume|limit`: who carries the messages, how they do, and how fast they may go. */
import type { ProviderAccount } from '@carillon/sdk';
import { InvalidArgumentError, type Command } from 'commander';
import { type Context, examples } from '../command.js';
import { UsageError } from '../settings.js';

type Limit = ProviderAccount['rateLimit'];
const looks = {
  healthy: 'green',
  idle: 'dim',
  degraded: 'yellow',
  failing: 'red',
  paused: 'yellow',
} as const satisfies Record<ProviderAccount['health']['state'], string>;

export function accounts(root: Command, context: Context): void {
  const group = root
    .command('accounts')
    .summary('see, pause and limit provider accounts')
    .description('See, pause, resume and limit the provider accounts of the workspace.');

  examples(
    group
      .command('list')
      .summary('list accounts with their health')
      .description('List provider accounts: order, share, limit, what is left of it, and how they do.')
      .action(async () => {
        const found = await context.carillon.accounts.list({ signal: context.stop });
        if (context.json) return context.terminal.json(found);
        const roomy = context.terminal.width >= 120;
        context.terminal.table(
          [
            { title: 'NAME', narrow: 'cut' },
            { title: 'CHANNEL' },
            { title: 'ORDER' },
            { title: 'LIMIT' },
            { title: 'LEFT' },
            { title: 'STATE' },
            ...(roomy ? [{ title: 'ID' }] : []),
          ],
          found.map((account) => [
            account.name,
            `${account.channel} (${account.provider})`,
            account.weight === 1 ? `${account.position}` : `${account.position} ×${account.weight}`,
            limitWords(account.rateLimit),
            account.quota ? `${account.quota.headroom}` : '',
            {
              text:
                account.breaker.state === 'closed'
                  ? account.health.state
                  : `breaker ${account.breaker.state}`,
              style: looks[account.health.state],
            },
            ...(roomy ? [account.id] : []),
          ]),
        );
        for (const { name, health } of found)
          if (health.state === 'failing' || health.state === 'paused')
            context.terminal.say(`${name}: ${health.sentence}`);
      }),
    ['carillon accounts list', 'carillon accounts list --json'],
  );

  examples(
    group
      .command('pause')
      .summary('stop sending through an account')
      .description(
        'Pause an account. What is due takes another account of the channel, or waits and is not lost.',
      )
      .argument('<account>', 'name or id')
      .action(async (given: string) => {
        const account = await find(context, given);
        show(context, await context.carillon.accounts.pause(account.id, { signal: context.stop }), 'Paused');
      }),
    ['carillon accounts pause "Twilio Europe"'],
  );

  examples(
    group
      .command('resume')
      .summary('send through it again')
      .description(
        'Resume an account, and let its breaker try at once. What waited comes back within half a minute, transactional messages first.',
      )
      .argument('<account>', 'name or id')
      .action(async (given: string) => {
        const account = await find(context, given);
        show(
          context,
          await context.carillon.accounts.resume(account.id, { signal: context.stop }),
          'Resumed',
        );
      }),
    ['carillon accounts resume "Twilio Europe"'],
  );

  examples(
    group
      .command('limit')
      .summary('set how fast an account may go')
      .description(
        'Set the rate limit of an account, shared by all processes. It holds within a second; what is over waits its turn.',
      )
      .argument('<account>', 'name or id')
      .argument(
        '<rate>',
        'messages per second, minute, hour or day: 14/second, 2.5/s, 50000/day; or none',
        rate,
      )
      .option('--burst <count>', 'the most at once', (text) => {
        const burst = Number(text);
        if (!(burst >= 1)) throw new InvalidArgumentError('Write a number of at least 1.');
        return burst;
      })
      .action(async (given: string, limit: Limit, { burst }: { burst?: number }) => {
        if (!limit && burst !== undefined)
          throw new UsageError('Without a limit there is no burst.', 'Leave --burst out.');
        const account = await find(context, given);
        const rateLimit = limit && { ...limit, ...(burst !== undefined && { burst }) };
        const changed = await context.carillon.accounts.update(
          account.id,
          { rateLimit },
          { signal: context.stop },
        );
        show(context, changed, `Limit: ${limitWords(changed.rateLimit)}`);
      }),
    [
      'carillon accounts limit "Twilio Europe" 2.5/second',
      'carillon accounts limit Main 50000/day --burst 500',
      'carillon accounts limit Main none',
    ],
  );
}

const units = { s: 'second', m: 'minute', h: 'hour', d: 'day' } as const;
/** `14/s`, `2.5/second`, `50000/day`, `none`. */
function rate(text: string): Limit {
  if (text === 'none') return null;
  const [, count, unit] = /^(\d+(?:\.\d+)?)\/(s|m|h|d|second|minute|hour|day)$/.exec(text) ?? [];
  if (!count || !unit || Number(count) <= 0)
    throw new InvalidArgumentError('Write messages and a period, such as 14/second or 50000/day; or none.');
  return { count: Number(count), per: units[unit[0] as keyof typeof units] };
}
const limitWords = (limit: Limit): string => (limit ? `${limit.count}/${limit.per}` : 'none');

async function find({ carillon, stop }: Context, given: string): Promise<ProviderAccount> {
  const all = await carillon.accounts.list({ signal: stop });
  const found = all.filter(({ id, name }) => id === given || name.toLowerCase() === given.toLowerCase());
  const [only] = found;
  if (only && found.length === 1) return only;
  if (found.length > 1)
    throw new UsageError(
      `${found.length} accounts are called ${given}.`,
      'Give the id: see carillon accounts list --json',
    );
  throw new UsageError(
    `There is no account ${given}.`,
    all.length > 0 ? `There are: ${all.map(({ name }) => name).join(', ')}` : 'Make one in the dashboard.',
  );
}

function show({ terminal, json }: Context, account: ProviderAccount, done: string): void {
  if (json) return terminal.json(account);
  terminal.say(`${terminal.style('green', '✓')} ${account.name}: ${done}. ${account.health.sentence}`);
}
