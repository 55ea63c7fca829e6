/** `carillon campaign list|show|create|save|prepare|changes|approve|reject|start|watch|pause|resume|cancel|clone|numbers|test|choose`. */
import type { Campaign, CampaignChanges, CampaignNumbers, CampaignTestResult } from '@carillon/sdk';
import type { Command } from 'commander';
import fs from 'node:fs';
import path from 'node:path';
import { type Context, examples } from '../command.js';
import { UsageError } from '../settings.js';
import { printable, type Terminal } from '../terminal.js';

export function campaign(root: Command, context: Context): void {
  const group = root
    .command('campaign')
    .summary('send to an audience, and watch it')
    .description('Write, prepare, start, watch, pause and cancel campaigns.');
  const signal = () => ({ signal: context.stop });
  const show = (one: Campaign) =>
    context.json ? context.terminal.json(one) : showOne(context.terminal, one);

  examples(
    group
      .command('list')
      .summary('list campaigns')
      .description('List campaigns, the newest first.')
      .action(async () => {
        const { terminal, carillon } = context;
        const { items } = await carillon.campaigns.list({ limit: 50 }, signal()).page();
        if (context.json) return terminal.json(items);
        if (items.length === 0)
          return terminal.say('There is no campaign yet. Write one: carillon campaign create --help');
        terminal.table(
          [
            { title: 'ID' },
            { title: 'STATE' },
            { title: 'PEOPLE', align: 'right' },
            { title: 'NAME', narrow: 'cut' },
          ],
          items.map((one) => [
            one.id,
            one.state,
            (one.runs[0]?.targeted ?? one.report?.audience ?? 0).toLocaleString('en'),
            printable(one.name),
          ]),
        );
      }),
    ['carillon campaign list'],
  );
  examples(
    group
      .command('create')
      .summary('write a draft from a file')
      .description('Write a campaign: its definition as JSON, or a file with it.')
      .argument('<json|file>', 'the definition')
      .requiredOption('--name <name>', 'what people call it')
      .action(async (given: string, { name }: { name: string }) => {
        show(
          await context.carillon.campaigns.create(
            { name, definition: definitionOf(given, context.folder) },
            signal(),
          ),
        );
      }),
    [
      `carillon campaign create --name "Spring" '{"audience": "pros", "channels": ["email"], "template": "spring"}'`,
      'carillon campaign create --name "Spring" spring.json',
    ],
  );
  examples(
    group
      .command('save')
      .summary('put another definition in its place')
      .description('Change a campaign that has not begun; it becomes a draft again.')
      .argument('<id>', 'id of the campaign')
      .argument('<json|file>', 'the definition')
      .option('--name <name>', 'what people call it')
      .action(async (id: string, given: string, { name }: { name?: string }) => {
        const now = await context.carillon.campaigns.get(id, signal());
        const definition = definitionOf(given, context.folder);
        show(
          await context.carillon.campaigns.save(
            id,
            { name: name ?? now.name, definition, ifVersion: now.version },
            signal(),
          ),
        );
      }),
    ['carillon campaign save 0193a1b2-7c4d-7e5f-8a9b-0c1d2e3f4a5b spring.json'],
  );
  for (const [name, summary, description] of steps)
    examples(
      group
        .command(name)
        .summary(summary)
        .description(description)
        .argument('<id>', 'id of the campaign')
        .action(async (id: string) => {
          const { campaigns } = context.carillon;
          const done =
            name === 'show'
              ? campaigns.get(id, signal())
              : name === 'clone'
                ? campaigns.clone(id, {}, signal())
                : campaigns[name](id, {}, signal());
          show(await done);
        }),
      [`carillon campaign ${name} 0193a1b2-7c4d-7e5f-8a9b-0c1d2e3f4a5b`],
    );
  examples(
    group
      .command('reject')
      .summary('send it back with what is to be changed')
      .description('Ask for changes of a campaign that was prepared: it is a draft again.')
      .argument('<id>', 'id of the campaign')
      .argument('<comment>', 'what is to be changed')
      .action(async (id: string, comment: string) => {
        show(await context.carillon.campaigns.reject(id, { comment }, signal()));
      }),
    ['carillon campaign reject 0193a1b2-7c4d-7e5f-8a9b-0c1d2e3f4a5b "The second link is dead"'],
  );
  examples(
    group
      .command('changes')
      .summary('see what is not as it was the last time')
      .description('Compare a campaign with its last run, or with that of the campaign it was cloned from.')
      .argument('<id>', 'id of the campaign')
      .action(async (id: string) => {
        const told = await context.carillon.campaigns.changes(id, {}, signal());
        if (context.json) return context.terminal.json(told);
        showChanges(context.terminal, told);
      }),
    ['carillon campaign changes 0193a1b2-7c4d-7e5f-8a9b-0c1d2e3f4a5b'],
  );
  examples(
    group
      .command('edits')
      .summary('see who wrote what')
      .description('List the versions of a campaign: who wrote what, and when.')
      .argument('<id>', 'id of the campaign')
      .action(async (id: string) => {
        const { items } = await context.carillon.campaigns.edits(id, {}, signal()).page();
        if (context.json) return context.terminal.json(items);
        context.terminal.table(
          [
            { title: 'VERSION', align: 'right' },
            { title: 'AT' },
            { title: 'BY' },
            { title: 'CHANGED', narrow: 'cut' },
          ],
          items.map(({ version, at, by, changes }) => [
            String(version),
            at,
            printable(by),
            changes.map((change) => change.at).join(', '),
          ]),
        );
      }),
    ['carillon campaign edits 0193a1b2-7c4d-7e5f-8a9b-0c1d2e3f4a5b'],
  );
  examples(
    group
      .command('prove')
      .summary('send it to a few people to look at')
      .description('Send what a campaign says to a few people; it counts for nothing.')
      .argument('<id>', 'id of the campaign')
      .argument('<profiles...>', 'external ids')
      .action(async (id: string, profiles: string[]) => {
        const { sent, refused } = await context.carillon.campaigns.prove(id, profiles, signal());
        if (context.json) return context.terminal.json({ sent, refused });
        context.terminal.say(
          `${sent.length} ${sent.length === 1 ? 'message is' : 'messages are'} on the way.`,
        );
        for (const one of refused)
          context.terminal.say(`${one.profile}, ${one.channel}: ${printable(one.message)}`);
      }),
    ['carillon campaign prove 0193a1b2-7c4d-7e5f-8a9b-0c1d2e3f4a5b ada grace'],
  );
  examples(
    group
      .command('numbers')
      .summary('show what became of it')
      .description('Show what became of those who were to get it, with reasons.')
      .argument('<id>', 'id of the campaign')
      .action(async (id: string) => {
        const numbers = await context.carillon.campaigns.numbers(id, { reasons: true }, signal());
        if (context.json) return context.terminal.json(numbers);
        showNumbers(context.terminal, numbers);
      }),
    ['carillon campaign numbers 0193a1b2-7c4d-7e5f-8a9b-0c1d2e3f4a5b'],
  );
  examples(
    group
      .command('test')
      .summary('see how its variants do')
      .description('Print how the variants of a campaign’s test do, and which one won.')
      .argument('<id>', 'id of the campaign')
      .action(async (id: string) => {
        const result = await context.carillon.campaigns.test(id, {}, signal());
        if (context.json) return context.terminal.json(result);
        showTest(context.terminal, result);
      }),
    ['carillon campaign test 0193a1b2-7c4d-7e5f-8a9b-0c1d2e3f4a5b'],
  );
  examples(
    group
      .command('choose')
      .summary('end its test')
      .description('End the test of a running campaign: this variant goes to the rest.')
      .argument('<id>', 'id of the campaign')
      .argument('<variant>', 'its name')
      .action(async (id: string, variant: string) => {
        const result = await context.carillon.campaigns.choose(id, variant, {}, signal());
        if (context.json) return context.terminal.json(result);
        showTest(context.terminal, result);
      }),
    ['carillon campaign choose 0193a1b2-7c4d-7e5f-8a9b-0c1d2e3f4a5b short'],
  );
  examples(
    group
      .command('watch')
      .summary('watch its numbers until it is over')
      .description('Watch the numbers of a campaign until it is over.')
      .argument('<id>', 'id of the campaign')
      .action(async (id: string) => {
        const { terminal, carillon } = context;
        for await (const numbers of carillon.campaigns.watch(id, signal())) {
          if (context.json) terminal.json(numbers);
          else terminal.say(lineOf(numbers));
        }
      }),
    ['carillon campaign watch 0193a1b2-7c4d-7e5f-8a9b-0c1d2e3f4a5b'],
  );
}

const steps = [
  ['show', 'print a campaign', 'Print a campaign, its report and its runs.'],
  ['prepare', 'see what it would do', 'Count its audience and look for what would go wrong.'],
  ['start', 'let it go', 'Start a campaign, or schedule it for its time. It must have been prepared.'],
  ['approve', 'let somebody else start it', 'Approve of a campaign that was prepared; not of your own.'],
  ['pause', 'stop handing over', 'Stop handing over; what is leaving leaves.'],
  ['resume', 'let it go on', 'Go on from where it stands.'],
  ['cancel', 'end it', 'End a campaign: nobody else gets it.'],
  ['clone', 'make a draft that says the same', 'Make a new draft that says the same.'],
] as const;

function definitionOf(given: string, folder: string): Campaign['definition'] {
  const file = given.trimStart().startsWith('{') ? null : path.resolve(folder, given);
  if (file && !fs.existsSync(file))
    throw new UsageError(`There is no file ${file}.`, 'Give JSON, or a file with it.');
  try {
    return JSON.parse(file ? fs.readFileSync(file, 'utf8') : given) as Campaign['definition'];
  } catch {
    throw new UsageError('The definition is not JSON.', 'See docs/campaigns.md.');
  }
}

function showOne(terminal: Terminal, one: Campaign): void {
  terminal.facts([
    ['campaign', `${printable(one.name)} (${one.id})`],
    ['state', one.reason ? `${one.state}: ${printable(one.reason)}` : one.state],
    ['version', String(one.version)],
    ...(one.startsAt ? [['starts', one.startsAt] as [string, string]] : []),
    ...(one.report
      ? [
          ['audience', one.report.audience.toLocaleString('en')] as [string, string],
          ...(one.report.endsAt ? [['ends about', one.report.endsAt] as [string, string]] : []),
          ...(one.report.cost
            ? [
                [
                  'texts cost',
                  `at most ${one.report.cost.amount.toFixed(2)} ${one.report.cost.currency} for ${one.report.cost.parts.toLocaleString('en')} parts`,
                ] as [string, string],
              ]
            : []),
        ]
      : []),
  ]);
  const { report } = one;
  if (!report) return;
  for (const { profile, channel, variant, says, problem } of report.samples ?? [])
    terminal.say(
      `${printable([profile, channel, variant].filter(Boolean).join(', '))}: ${printable(says ?? problem ?? '')}`,
    );
  for (const { level, at, message } of report.findings)
    terminal.say(`${terminal.style(level === 'error' ? 'red' : 'yellow', level)}  ${message} (${at})`);
}

function showChanges(terminal: Terminal, { against, changes }: CampaignChanges): void {
  if (!against) return terminal.say('There is no earlier run to compare it with.');
  terminal.say(
    `${changes.length === 0 ? 'Nothing has changed since' : 'Beside'} ${printable(against.name)}, run ${against.no}, of ${against.at}.`,
  );
  const text = (value: unknown) =>
    value === null ? '' : printable(typeof value === 'string' ? value : JSON.stringify(value));
  if (changes.length > 0)
    terminal.table(
      [{ title: 'WHAT' }, { title: 'BEFORE', narrow: 'cut' }, { title: 'NOW', narrow: 'cut' }],
      changes.map(({ at, before, after }) => [at, text(before), text(after)]),
    );
}

function lineOf(n: CampaignNumbers): string {
  const rest = [
    [n.suppressed, 'suppressed'],
    [n.failed, 'failed'],
    [n.cancelled, 'cancelled'],
    [n.expired, 'expired'],
    [n.unknown, 'unknown'],
  ] as const;
  return [
    n.state.padEnd(9),
    `${(n.targeted - n.pending).toLocaleString('en')} of ${n.targeted.toLocaleString('en')}`,
    `${n.sent.toLocaleString('en')} sent`,
    ...rest.flatMap(([count, name]) => (count > 0 ? [`${count.toLocaleString('en')} ${name}`] : [])),
  ].join('  ');
}

function showNumbers(terminal: Terminal, numbers: CampaignNumbers): void {
  terminal.say(lineOf(numbers));
  terminal.table(
    [
      { title: 'CHANNEL' },
      { title: 'VARIANT' },
      { title: 'TARGETED', align: 'right' },
      { title: 'PENDING', align: 'right' },
      { title: 'SENT', align: 'right' },
      { title: 'OTHER', align: 'right' },
    ],
    numbers.parts.map((p) => [
      p.channel,
      `${p.variant ?? ''}${p.rest ? ' (rest)' : ''}`,
      String(p.targeted),
      String(p.pending),
      String(p.sent),
      String(p.targeted - p.pending - p.sent),
    ]),
  );
  if (numbers.reasons.length > 0)
    terminal.table(
      [{ title: 'STATUS' }, { title: 'REASON' }, { title: 'PEOPLE', align: 'right' }],
      numbers.reasons.map((r) => [r.status, r.reason, String(r.count)]),
    );
}

function showTest(
  terminal: Terminal,
  { metric, variants, decision, waiting, decidesAt }: CampaignTestResult,
): void {
  const percent = (share: number) => `${(share * 100).toFixed(1)} %`;
  terminal.table(
    [
      { title: 'VARIANT' },
      { title: 'REACHED', align: 'right' },
      { title: (metric.kind === 'converted' ? metric.event : metric.kind).toUpperCase(), align: 'right' },
      { title: 'RATE', align: 'right' },
      { title: 'BETWEEN (95 %)', align: 'right' },
      { title: 'IS BEST', align: 'right' },
    ],
    variants.map((v) => [
      printable(v.variant),
      v.people.toLocaleString('en'),
      v.successes.toLocaleString('en'),
      v.rate === null ? '' : percent(v.rate),
      v.people === 0 ? '' : `${percent(v.low)} – ${percent(v.high)}`,
      percent(v.best),
    ]),
  );
  if (decision) terminal.say(`${printable(decision.winner)} won (${decision.why}) at ${decision.at}.`);
  else if (waiting > 0)
    terminal.say(
      `${waiting.toLocaleString('en')} wait for the winner${decidesAt ? `, until ${decidesAt}` : ''}.`,
    );
}
