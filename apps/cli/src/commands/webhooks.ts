/** `carillon webhooks listen|list|create|attempts|test|replay|rotate|enable|disable|delete`. A secret is printed once. */
import { allWebhookTypes, type WebhookType } from '@carillon/contracts';
import type { WebhookEndpointCreated, WebhookMessage } from '@carillon/sdk';
import type { Command } from 'commander';
import { type Context, examples, list, oneOf, seconds, time, wholeNumber } from '../command.js';
import { clock, shortTime } from '../terminal.js';
import { listen } from './webhooks-listen.js';

export function webhooks(root: Command, context: Context): void {
  const group = root
    .command('webhooks')
    .summary('make, test and replay webhook endpoints')
    .description('List, make, test and replay webhook endpoints.');
  const signal = () => ({ signal: context.stop });
  listen(group, context);

  examples(
    group
      .command('list')
      .summary('list endpoints')
      .description('List webhook endpoints and how they fare.')
      .action(async () => {
        const found = await context.carillon.webhooks.list(signal());
        if (context.json) return context.terminal.json(found);
        context.terminal.table(
          [{ title: 'URL', narrow: 'cut' }, { title: 'STATE' }, { title: 'PENDING' }, { title: 'ID' }],
          found.map((one) => [
            one.url,
            !one.enabled
              ? { text: 'disabled', style: 'red' }
              : one.failingSince
                ? { text: `failing since ${shortTime(one.failingSince)}`, style: 'yellow' }
                : { text: 'live', style: 'green' },
            String(one.pending),
            one.id,
          ]),
        );
      }),
    ['carillon webhooks list'],
  );

  examples(
    group
      .command('create')
      .summary('make an endpoint')
      .description(
        `Make an endpoint. Its secret is shown once.\n\nTypes:\n${allWebhookTypes.map((type) => `  ${type}`).join('\n')}`,
      )
      .argument('<url>', 'where events are posted')
      .option('--type <names>', 'only these events', oneOf(allWebhookTypes))
      .option('--description <text>', 'what it is for', '')
      .action(async (url: string, { type, description }: { type?: WebhookType[]; description: string }) => {
        showSecret(
          context,
          await context.carillon.webhooks.create({ url, description, types: type ?? [] }, signal()),
        );
      }),
    [
      'carillon webhooks create https://shop.example.com/carillon',
      'carillon webhooks create https://shop.example.com/carillon --type delivery.failed,delivery.complained',
    ],
  );

  examples(
    group
      .command('attempts')
      .summary('show what an endpoint was told')
      .description('What an endpoint was told, newest first, and what it answered.')
      .argument('<id>', 'see webhooks list')
      .option('--status <status>', 'pending, sent or failed')
      .option('--limit <n>', 'how many', wholeNumber(1, 200), 20)
      .action(async (id: string, { status, limit }: { status?: WebhookMessage['status']; limit: number }) => {
        const page = await context.carillon.webhooks
          .messages(id, { limit, ...(status ? { status } : {}) }, signal())
          .page();
        if (context.json) return context.terminal.json(page.items);
        context.terminal.table(
          [
            { title: 'HAPPENED' },
            { title: 'TYPE' },
            { title: 'STATUS' },
            { title: 'LAST ANSWER', narrow: 'cut' },
            { title: 'EVENT' },
          ],
          page.items.map((message) => [
            { text: shortTime(message.happenedAt), style: 'dim' },
            message.type,
            {
              text: message.status,
              style: ({ sent: 'green', pending: 'yellow', failed: 'red' } as const)[message.status],
            },
            lastAnswer(message),
            message.eventId,
          ]),
        );
      }),
    ['carillon webhooks attempts 0193a1b2-7c4d-7e5f-8a9b-0c1d2e3f4a5b --status failed'],
  );

  examples(
    group
      .command('test')
      .summary('send a test event')
      .description('Send one test event and show what the endpoint answered.')
      .argument('<id>', 'see webhooks list')
      .action(async (id: string) => {
        const message = await context.carillon.webhooks.test(id, signal());
        if (message.status !== 'sent') context.exitCode = 1;
        if (context.json) return context.terminal.json(message);
        const good = message.status === 'sent';
        context.terminal.say(
          `${context.terminal.style(good ? 'green' : 'red', good ? '✓' : '✗')} ${lastAnswer(message)}`,
        );
      }),
    ['carillon webhooks test 0193a1b2-7c4d-7e5f-8a9b-0c1d2e3f4a5b'],
  );

  examples(
    group
      .command('replay')
      .summary('tell events again')
      .description('Tell events of a time range again, or some by their ids. Their ids stay the same.')
      .argument('<id>', 'see webhooks list')
      .option('--from <time>', 'since when: a time, or 2h', time)
      .option('--to <time>', 'until when', time)
      .option('--type <names>', 'only these events', oneOf(allWebhookTypes))
      .option('--only-failed', 'leave out what the endpoint has taken')
      .option('--event <ids>', 'these events, instead of a time range', list)
      .action(async (id: string, given: ReplayOptions) => {
        const replayed = await context.carillon.webhooks.replay(
          id,
          {
            ...(given.from ? { from: given.from } : {}),
            ...(given.to ? { to: given.to } : {}),
            ...(given.type ? { types: given.type } : {}),
            ...(given.event ? { eventIds: given.event } : {}),
            onlyFailed: given.onlyFailed === true,
          },
          signal(),
        );
        if (context.json) return context.terminal.json({ id, replayed });
        context.terminal.say(
          `${context.terminal.style('green', '✓')} ${replayed} ${replayed === 1 ? 'event' : 'events'} will be told again.`,
        );
      }),
    [
      'carillon webhooks replay 0193a1b2-7c4d-7e5f-8a9b-0c1d2e3f4a5b --from 2h --only-failed',
      'carillon webhooks replay 0193a1b2-7c4d-7e5f-8a9b-0c1d2e3f4a5b --event <event id>',
    ],
  );

  examples(
    group
      .command('rotate')
      .summary('make a second secret; the old one ends later')
      .description('Make a second secret. Both sign every call until the overlap ends.')
      .argument('<id>', 'see webhooks list')
      .option('--overlap <duration>', 'how long the old secret signs as well', seconds, 86_400)
      .action(async (id: string, { overlap }: { overlap: number }) => {
        showSecret(
          context,
          await context.carillon.webhooks.rotate(id, { overlapSeconds: overlap }, signal()),
        );
      }),
    ['carillon webhooks rotate 0193a1b2-7c4d-7e5f-8a9b-0c1d2e3f4a5b --overlap 2h'],
  );

  for (const [name, enabled] of [
    ['enable', true],
    ['disable', false],
  ] as const)
    examples(
      group
        .command(name)
        .summary(enabled ? 'tell an endpoint events again' : 'tell an endpoint nothing')
        .description(
          enabled
            ? 'Enable an endpoint: it gets what was waiting. For what happened in between, replay.'
            : 'Disable an endpoint. Events that happen meanwhile are not kept for it.',
        )
        .argument('<id>', 'see webhooks list')
        .action(async (id: string) => {
          const endpoint = await context.carillon.webhooks.update(id, { enabled }, signal());
          if (context.json) return context.terminal.json(endpoint);
          context.terminal.say(
            `${context.terminal.style('green', '✓')} ${enabled ? 'Enabled.' : 'Disabled.'}`,
          );
        }),
      [`carillon webhooks ${name} 0193a1b2-7c4d-7e5f-8a9b-0c1d2e3f4a5b`],
    );

  examples(
    group
      .command('delete')
      .summary('delete an endpoint')
      .description('Delete an endpoint and what it has still to be told.')
      .argument('<id>', 'see webhooks list')
      .action(async (id: string) => {
        await context.carillon.webhooks.delete(id, signal());
        if (context.json) context.terminal.json({ id, deleted: true });
        else context.terminal.say(`${context.terminal.style('green', '✓')} Deleted.`);
      }),
    ['carillon webhooks delete 0193a1b2-7c4d-7e5f-8a9b-0c1d2e3f4a5b'],
  );
}

interface ReplayOptions {
  from?: string;
  to?: string;
  type?: WebhookType[];
  onlyFailed?: true;
  event?: string[];
}

function lastAnswer({ attempts }: WebhookMessage): string {
  const last = attempts.at(-1);
  if (!last) return 'not tried yet';
  return last.error ?? `It answered ${last.status} in ${last.ms} ms.`;
}

function showSecret({ terminal, json }: Context, endpoint: WebhookEndpointCreated): void {
  if (json) return terminal.json(endpoint);
  terminal.say(`${terminal.style('green', '✓')} ${terminal.style('bold', endpoint.secret)}`);
  terminal.say('  Keep it now: it is not shown again. Verify with verifyWebhook() of @carillon/sdk.');
  const before = endpoint.secrets.find(({ endsAt }) => endsAt !== null)?.endsAt;
  terminal.facts([
    ['url', endpoint.url],
    ['types', endpoint.types.join(', ') || 'all'],
    ['old secret', before ? `ends ${clock(before)}` : null],
    ['id', endpoint.id],
  ]);
}
