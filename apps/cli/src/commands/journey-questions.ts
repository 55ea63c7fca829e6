/** `carillon journeys explain|parked|retry|skip`: why something, or nothing, happened to somebody, and what could not be taken. Added to `journeys`. */
import type { Command } from 'commander';
import { type Context, examples } from '../command.js';
import { printable } from '../terminal.js';

export function journeyQuestions(group: Command, context: Context): void {
  const signal = () => ({ signal: context.stop });

  examples(
    group
      .command('explain')
      .summary('say why something, or nothing, happened to somebody')
      .description('Say what let somebody in or kept them out, where they are, and what happens next.')
      .argument('<journey>', 'its key')
      .argument('<profile>', 'external id of the person')
      .option('--event <id|name>', 'about this event of theirs, or the last of this name')
      .action(async (key: string, profile: string, { event }: { event?: string }) => {
        const { terminal, carillon } = context;
        const told = await carillon.journeys.explain(key, { profile, ...(event ? { event } : {}) }, signal());
        if (context.json) return terminal.json(told);
        terminal.say(terminal.style('bold', terminal.wrap(printable(told.verdict))));
        for (const { good, sentence, at } of told.because)
          terminal.say(
            terminal.wrap(`  ${good ? '✓' : '✗'} ${printable(sentence)}${at ? ` ${at}` : ''}`, '    '),
          );
        terminal.say(terminal.wrap(`→ ${printable(told.next)}${told.nextAt ? ` ${told.nextAt}` : ''}`, '  '));
      }),
    [
      'carillon journeys explain welcome ada',
      'carillon journeys explain abandoned-cart ada --event cart.updated',
    ],
  );
  examples(
    group
      .command('parked')
      .summary('list what could not be taken')
      .description(
        'List what happened to people and failed again and again when it was taken, the oldest first.',
      )
      .action(async () => {
        const { terminal, carillon } = context;
        const { items } = await carillon.journeys.parked({ limit: 50 }, signal()).page();
        if (context.json) return terminal.json(items);
        if (items.length === 0) return terminal.say('Nothing is set aside.');
        terminal.table(
          [{ title: 'ID' }, { title: 'PERSON' }, { title: 'WHAT' }, { title: 'REASON', narrow: 'cut' }],
          items.map(({ id, profile, kind, name, reason }) => [
            id,
            printable(profile.externalId),
            `${kind} ${printable(name)}`,
            printable(reason),
          ]),
        );
      }),
    ['carillon journeys parked'],
  );
  for (const [name, does, act] of [
    ['retry', 'Take it again.', (id: string) => context.carillon.journeys.retrySignal(id, signal())],
    [
      'skip',
      'Forget it: no journey learns of it.',
      (id: string) => context.carillon.journeys.skipSignal(id, signal()),
    ],
  ] as const)
    examples(
      group
        .command(name)
        .summary(does.toLowerCase().replace(/[.:].*/, ''))
        .description(does)
        .argument('<id>', 'as `journeys parked` lists it')
        .action(async (id: string) => {
          await act(id);
          if (!context.json)
            context.terminal.say(name === 'retry' ? 'It is taken again.' : 'It is forgotten.');
        }),
      [`carillon journeys ${name} 42`],
    );
}
