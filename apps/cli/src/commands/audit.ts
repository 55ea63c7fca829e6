/** `carillon audit list|verify`: who did what to the data of people, and that nobody has changed the record since. */
import type { Command } from 'commander';
import { type Context, examples, wholeNumber } from '../command.js';
import { clock, number, plural } from '../terminal.js';

export function audit(root: Command, context: Context): void {
  const group = root
    .command('audit')
    .summary('see who did what, and whether the record is whole')
    .description(
      'See who erased, exported, released and changed what, and verify that the record is as it was written.',
    );
  const signal = { signal: context.stop };

  examples(
    group
      .command('list')
      .summary('show who did what')
      .description('Show the newest lines of the audit log.')
      .option('-n, --lines <count>', 'how many to show', wholeNumber(1, 200), 20)
      .action(async ({ lines }: { lines: number }) => {
        const { terminal, carillon } = context;
        const page = await carillon.privacy.audit({ limit: lines }, signal).page();
        if (context.json) return terminal.json(page);
        if (page.items.length === 0) return terminal.say('Nothing has been done yet that is written down.');
        terminal.table(
          [
            { title: 'WHEN' },
            { title: 'WHAT' },
            { title: 'BY', narrow: 'cut' },
            { title: 'OF', narrow: 'cut' },
          ],
          page.items.map((line) => [
            { text: clock(line.at), style: 'dim' as const },
            line.action,
            line.by,
            line.subject,
          ]),
        );
      }),
    ['carillon audit list'],
  );

  examples(
    group
      .command('verify')
      .summary('find out whether anybody changed the record')
      .description(
        'Compute the hash chain of the audit log anew. Fails when a line was changed, put in or taken out. ' +
          'Keep the head that it prints elsewhere and give it next time: then a record that was cut off at its end is found as well.',
      )
      .option(
        '--lines-then <count>',
        'how many lines there were when you last looked',
        wholeNumber(0, 1_000_000_000),
      )
      .action(async ({ linesThen = 0 }: { linesThen?: number }) => {
        const { terminal, carillon } = context;
        const found = await carillon.privacy.verifyAudit(signal);
        const cut = (found.head?.seq ?? 0) < linesThen;
        if (!found.intact || cut) context.exitCode = 1;
        if (context.json) return terminal.json(found);
        if (!found.intact)
          return terminal.complain(
            `${terminal.style('red', '✗')} The record was changed: line ${number(found.brokenAt ?? 0)} does not follow from the one before it.`,
          );
        if (cut)
          return terminal.complain(
            `${terminal.style('red', '✗')} There were ${number(linesThen)} lines, and now there are ${number(found.lines)}: the end was cut off.`,
          );
        terminal.say(`${terminal.style('green', '✓')} ${plural(found.lines, 'line')}, as they were written.`);
        if (found.head) terminal.facts([['head', `${found.head.seq} ${found.head.hash}`]]);
      }),
    ['carillon audit verify', 'carillon audit verify --lines-then 1042'],
  );
}
