/** `carillon audience list|show|save|preview|explain|members|add|remove|changes|export|archive`. */
import type { Audience, AudienceDefinitionInput, AudiencePreview, ClauseExplanation } from '@carillon/sdk';
import type { Command } from 'commander';
import fs from 'node:fs';
import path from 'node:path';
import { type Context, examples, wholeNumber } from '../command.js';
import { UsageError } from '../settings.js';
import { channelTitles, clock, printable, type Terminal } from '../terminal.js';

const RULE = `'{"where": {"attribute": "plan", "is": "pro"}}'`;

export function audience(root: Command, context: Context): void {
  const group = root
    .command('audience')
    .summary('make audiences, and see who is in them')
    .description('Save, preview, explain and read audiences.');
  const signal = () => ({ signal: context.stop });

  examples(
    group
      .command('list')
      .summary('list audiences')
      .description('List audiences with their counts.')
      .option('--search <text>', 'whose key or name holds this')
      .action(async ({ search }: { search?: string }) => {
        const { terminal, carillon } = context;
        const found: Audience[] = [];
        for await (const one of carillon.audiences.list(search ? { search } : {}, signal())) found.push(one);
        if (context.json) return terminal.json(found);
        if (found.length === 0)
          return terminal.say('There is no audience yet. Save one: carillon audience save --help');
        terminal.table(
          [
            { title: 'KEY' },
            { title: 'PEOPLE', align: 'right' },
            { title: 'KIND' },
            { title: 'STATE' },
            { title: 'RULE', narrow: 'cut' },
          ],
          found.map((one) => [
            one.key,
            one.size === null ? '…' : one.size.toLocaleString('en'),
            one.live ? 'live rule' : one.kind,
            one.state === 'failed' ? { text: 'failed', style: 'red' } : one.state,
            printable(one.sentence),
          ]),
        );
      }),
    ['carillon audience list'],
  );

  examples(
    group
      .command('show')
      .summary('print an audience with its rule')
      .description('Print an audience as JSON: what save reads back.')
      .argument('<key>', 'key of the audience')
      .action(async (key: string) =>
        context.terminal.say(JSON.stringify(await context.carillon.audiences.get(key, signal()), null, 2)),
      ),
    ['carillon audience show pros'],
  );

  examples(
    group
      .command('save')
      .summary('create or change an audience')
      .description('Create or change an audience: with --rule a rule, without one a list.')
      .argument('<key>', 'its key')
      .option('--name <name>', 'what people call it')
      .option('--rule <json|file>', 'the definition as JSON, or a file with it')
      .option('--live', 'keep its members up to date', false)
      .action(async (key: string, { name, rule, live }: { name?: string; rule?: string; live: boolean }) => {
        const { terminal, carillon } = context;
        const saved = await carillon.audiences.save(
          key,
          { name: name ?? key, live, ...(rule && { definition: ruleOf(rule, context.folder) }) },
          signal(),
        );
        if (context.json) return terminal.json(saved);
        terminal.say(`Saved ${saved.key}, version ${saved.version}. ${printable(saved.sentence)}`);
      }),
    [`carillon audience save pros --rule ${RULE} --live`, 'carillon audience save vips --name "Our best"'],
  );

  examples(
    group
      .command('preview')
      .summary('find how many a rule holds for')
      .description('Count a rule without saving it: how many, ten of them, and how they can be reached.')
      .argument('<json|file>', 'the definition as JSON, or a file with it')
      .action(async (rule: string) => {
        const { terminal, carillon } = context;
        const preview = await carillon.audiences.preview(ruleOf(rule, context.folder), signal());
        if (context.json) return terminal.json(preview);
        showPreview(terminal, preview);
      }),
    [`carillon audience preview ${RULE}`],
  );

  examples(
    group
      .command('explain')
      .summary('say why somebody is in it, or not')
      .description('Why a person is or is not in an audience, clause by clause.')
      .argument('<key>', 'key of the audience')
      .argument('<profile>', 'external id of the person')
      .action(async (key: string, profile: string) => {
        const { terminal, carillon } = context;
        const explained = await carillon.audiences.explain(key, profile, signal());
        if (context.json) return terminal.json(explained);
        terminal.say(
          `${terminal.style(explained.member ? 'green' : 'yellow', explained.member ? 'in' : 'out')}  ${explained.sentence}`,
        );
        if (explained.rule) showClause(terminal, explained.rule, '  ');
      }),
    ['carillon audience explain pros ada'],
  );

  examples(
    group
      .command('members')
      .summary('list who is in it')
      .description('List members; with --after, those who entered by a later change.')
      .argument('<key>', 'key of the audience')
      .option('--after <seq>', 'only who entered after this seq', wholeNumber(0, Number.MAX_SAFE_INTEGER))
      .option('--limit <n>', 'how many', wholeNumber(1, 1000), 50)
      .action(async (key: string, { after, limit }: { after?: number; limit: number }) => {
        const { terminal, carillon } = context;
        const { items } = await carillon.audiences
          .members(key, { limit, ...(after !== undefined && { after }) }, signal())
          .page();
        if (context.json) return terminal.json(items);
        terminal.table(
          [{ title: 'PROFILE' }, { title: 'EMAIL' }, { title: 'SINCE' }, { title: 'SEQ', align: 'right' }],
          items.map((one) => [
            printable(one.externalId),
            printable(one.email ?? ''),
            one.since === null ? '' : clock(one.since),
            one.seq === null ? '' : String(one.seq),
          ]),
        );
      }),
    ['carillon audience members vips', 'carillon audience members vips --after 120'],
  );

  for (const [name, field, what] of [
    ['add', 'add', 'Put people on a list.'],
    ['remove', 'remove', 'Take people off a list.'],
  ] as const)
    examples(
      group
        .command(name)
        .summary(what.toLowerCase().replace(/\.$/, ''))
        .description(what)
        .argument('<key>', 'key of the list')
        .argument('<profiles...>', 'external ids')
        .action(async (key: string, profiles: string[]) => {
          const { terminal, carillon } = context;
          const done = await carillon.audiences.changeMembers(key, { [field]: profiles }, signal());
          if (context.json) return terminal.json(done);
          terminal.say(`${done.entered} entered, ${done.left} left; ${done.size} are on it.`);
          if (done.unknown.length > 0)
            terminal.complain(
              `There is nobody called ${done.unknown.map((name) => printable(name)).join(', ')}.`,
            );
        }),
      [`carillon audience ${name} vips ada bo`],
    );

  examples(
    group
      .command('changes')
      .summary('list who entered and left')
      .description('Who entered and left after a seq, in order.')
      .argument('<key>', 'key of the audience')
      .option('--after <seq>', 'the seq you have read up to', wholeNumber(0, Number.MAX_SAFE_INTEGER), 0)
      .option('--limit <n>', 'how many', wholeNumber(1, 1000), 100)
      .action(async (key: string, query: { after: number; limit: number }) => {
        const { terminal, carillon } = context;
        const found = await carillon.audiences.changes(key, query, signal());
        if (context.json) return terminal.json(found);
        terminal.table(
          [
            { title: 'SEQ', align: 'right' },
            { title: 'CHANGE' },
            { title: 'PROFILE' },
            { title: 'CAUSE' },
            { title: 'AT' },
          ],
          found.items.map((one) => [
            String(one.seq),
            { text: one.change, style: one.change === 'enter' ? 'green' : 'yellow' },
            printable(one.profile.externalId),
            one.cause,
            clock(one.at),
          ]),
        );
      }),
    ['carillon audience changes pros --after 120'],
  );

  examples(
    group
      .command('export')
      .summary('write everybody in it to a file')
      .description('Write everybody in it as CSV or JSON lines.')
      .argument('<key>', 'key of the audience')
      .option('--format <csv|jsonl>', 'csv or jsonl', 'csv')
      .option('--out <file>', 'where to write; the terminal unless said')
      .action(async (key: string, { format, out }: { format: string; out?: string }) => {
        if (format !== 'csv' && format !== 'jsonl') throw new UsageError('--format is csv or jsonl.');
        const file = out === undefined ? undefined : fs.createWriteStream(path.resolve(context.folder, out));
        for await (const piece of context.carillon.audiences.export(key, format, signal())) {
          if (!file) context.terminal.say(piece.replace(/\r?\n$/, ''));
          else if (!file.write(piece))
            await new Promise<void>((resolve) => file.once('drain', () => resolve()));
        }
        if (file) await new Promise<void>((resolve) => file.end(() => resolve()));
      }),
    ['carillon audience export pros --out pros.csv', 'carillon audience export pros --format jsonl'],
  );

  examples(
    group
      .command('archive')
      .summary('stop using it: put it away')
      .description('Put an audience away; it keeps no members from then on.')
      .argument('<key>', 'key of the audience')
      .action(async (key: string) => {
        await context.carillon.audiences.archive(key, signal());
        if (!context.json) context.terminal.say(`Archived ${printable(key)}.`);
      }),
    ['carillon audience archive pros'],
  );
}

/** JSON as it is, or a file that holds it. */
function ruleOf(given: string, folder: string): AudienceDefinitionInput {
  const text = given.trimStart().startsWith('{') ? given : read(path.resolve(folder, given));
  try {
    return JSON.parse(text) as AudienceDefinitionInput;
  } catch {
    throw new UsageError(`This is no JSON. A rule looks like ${RULE}.`);
  }
}
function read(file: string): string {
  try {
    return fs.readFileSync(file, 'utf8');
  } catch {
    throw new UsageError(`There is no file ${file} to read the rule from.`);
  }
}

function showPreview(terminal: Terminal, { total, sample, reach, ms }: AudiencePreview): void {
  terminal.say(`${total.toLocaleString('en')} people (counted in ${ms} ms)`);
  terminal.table(
    [
      { title: 'CHANNEL' },
      { title: 'CAN GET IT', align: 'right' },
      { title: 'NO ADDRESS', align: 'right' },
      { title: 'OPTED OUT', align: 'right' },
      { title: 'SUPPRESSED', align: 'right' },
    ],
    reach.map((one) => [
      channelTitles[one.channel],
      one.reachable.toLocaleString('en'),
      one.noAddress.toLocaleString('en'),
      one.optedOut.toLocaleString('en'),
      one.suppressed.toLocaleString('en'),
    ]),
  );
  if (sample.length > 0)
    terminal.say(`Among them: ${sample.map((one) => printable(one.externalId)).join(', ')}`);
}

function showClause(terminal: Terminal, clause: ClauseExplanation, indent: string): void {
  const mark = clause.holds ? terminal.style('green', '✓') : terminal.style('red', '✗');
  terminal.say(
    `${indent}${mark} ${printable(clause.asks)}${clause.seen === null ? '' : ` ${printable(clause.seen)}`}`,
  );
  for (const inner of clause.clauses) showClause(terminal, inner, `${indent}  `);
}
