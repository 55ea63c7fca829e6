/**
 * `carillon journeys explain|parked|retry|skip`: why something, or nothing, happened to somebody, who stands still, and what could not be taken.
 * Added to `journeys`.
 */
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
      .summary('list who stands still, and what could not be taken')
      .description(
        'With a journey: its people whose step failed again and again. Without: what happened to people and could not be taken, the oldest first.',
      )
      .argument('[journey]', 'its key')
      .action(async (key?: string) => {
        const { terminal, carillon } = context;
        const said = (id: string, who: string, what: string, reason: string | null) => [
          id,
          printable(who),
          printable(what),
          printable(reason ?? ''),
        ];
        const title = [{ title: 'ID' }, { title: 'PERSON' }, { title: key === undefined ? 'WHAT' : 'STEP' }];
        const show = (items: unknown[], rows: string[][]) => {
          if (context.json) return terminal.json(items);
          if (rows.length === 0)
            return terminal.say(key === undefined ? 'Nothing is set aside.' : 'Nobody stands still.');
          terminal.table([...title, { title: 'REASON', narrow: 'cut' }], rows);
        };
        if (key === undefined) {
          const { items } = await carillon.journeys.parked({ limit: 50 }, signal()).page();
          return show(
            items,
            items.map((one) => said(one.id, one.profile.externalId, `${one.kind} ${one.name}`, one.reason)),
          );
        }
        const { items } = await carillon.journeys
          .enrollments(key, { state: 'parked', limit: 50 }, signal())
          .page();
        show(
          items,
          items.map((one) => said(one.id, one.profile.externalId, one.step ?? '', one.reason)),
        );
      }),
    ['carillon journeys parked', 'carillon journeys parked welcome'],
  );
  for (const [name, does, done] of [
    [
      'retry',
      'Try again: the step at which somebody stands still, or what could not be taken.',
      'tried again',
    ],
    [
      'skip',
      'Leave out: somebody goes on after the step at which they stand still; what could not be taken is forgotten.',
      'left out',
    ],
  ] as const)
    examples(
      group
        .command(name)
        .summary(name === 'retry' ? 'take up again what is set aside' : 'forget what is set aside, and go on')
        .description(does)
        .argument('<id>', 'as `journeys parked` lists it')
        .option('--journey <key>', 'of somebody who stands still in it; `all` as id is everybody who does')
        .action(async (id: string, { journey }: { journey?: string }) => {
          const { terminal, carillon } = context;
          if (journey === undefined) {
            await (name === 'retry'
              ? carillon.journeys.retrySignal(id, signal())
              : carillon.journeys.skipSignal(id, signal()));
            if (!context.json) terminal.say(`It is ${done}.`);
            return;
          }
          // Listed first: who stands still again meanwhile is not tried for ever.
          const ids = id === 'all' ? [] : [id];
          if (id === 'all')
            for await (const one of carillon.journeys.enrollments(journey, { state: 'parked' }, signal()))
              ids.push(one.id);
          for (const one of ids)
            await (name === 'retry'
              ? carillon.journeys.retry(journey, one, signal())
              : carillon.journeys.skip(journey, one, signal()));
          if (context.json) return terminal.json({ [name === 'retry' ? 'retried' : 'skipped']: ids.length });
          terminal.say(
            ids.length === 0
              ? 'Nobody stands still.'
              : `${ids.length === 1 ? 'One step is' : `${ids.length} steps are`} ${done}.`,
          );
        }),
      [`carillon journeys ${name} 42`, `carillon journeys ${name} all --journey welcome`],
    );
}
