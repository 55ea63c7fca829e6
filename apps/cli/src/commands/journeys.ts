/** `carillon journeys list|save|live|move|pause|resume|close|stop|happened|numbers|simulate`: what people go through, and what they would. */
import type { JourneySimulation, SimulatedWay } from '@carillon/sdk';
import type { Command } from 'commander';
import fs from 'node:fs';
import path from 'node:path';
import { type Context, examples, pairs, repeated, seconds, time, wholeNumber } from '../command.js';
import { UsageError } from '../settings.js';
import { channelTitles, printable, type Terminal } from '../terminal.js';
import { journeyQuestions } from './journey-questions.js';

const whole = (n: number): string => n.toLocaleString('en');

export function journeys(root: Command, context: Context): void {
  const group = root
    .command('journeys')
    .summary('see journeys, and play them without sending')
    .description('List, save and let journeys go live; play them on a clock of their own.');
  const signal = () => ({ signal: context.stop });
  journeyQuestions(group, context);

  examples(
    group
      .command('list')
      .summary('list journeys')
      .description('List journeys by key.')
      .action(async () => {
        const { terminal, carillon } = context;
        const { items } = await carillon.journeys.list({ limit: 100 }, signal()).page();
        if (context.json) return terminal.json(items);
        if (items.length === 0)
          return terminal.say('There is no journey yet. Save one: carillon journeys save --help');
        terminal.table(
          [
            { title: 'KEY' },
            { title: 'STATE' },
            { title: 'VERSION', align: 'right' },
            { title: 'INSIDE', align: 'right' },
            { title: 'NAME', narrow: 'cut' },
          ],
          items.map((one) => [
            one.key,
            one.changed && one.version !== null ? `${one.state}, changed` : one.state,
            one.version === null ? '' : String(one.version),
            whole(one.inside),
            printable(one.name),
          ]),
        );
      }),
    ['carillon journeys list'],
  );

  examples(
    group
      .command('save')
      .summary('save a draft from a file')
      .description('Save a journey, or change its draft: its definition as JSON. Says what would go wrong.')
      .argument('<key>', 'its key')
      .argument('<file>', 'JSON')
      .option('--name <name>', 'what people call it; its key unless said')
      .action(async (key: string, file: string, given: { name?: string }) => {
        const { carillon, terminal } = context;
        const definition = documentIn(context, file);
        const saved = await carillon.journeys.save(key, { name: given.name ?? key, definition }, signal());
        const findings = await carillon.journeys.lint(definition, signal());
        if (context.json) return terminal.json({ ...saved, findings });
        terminal.say(`${saved.key} is saved: revision ${saved.revision}.`);
        for (const one of findings)
          terminal.say(terminal.wrap(`  ${one.level} ${one.at || '/'}: ${printable(one.message)}`, '    '));
      }),
    ['carillon journeys save welcome welcome.json --name Welcome'],
  );

  examples(
    group
      .command('live')
      .summary('let a draft go live')
      .description('Newcomers take the draft, or an earlier version; who is inside finishes theirs.')
      .argument('<key>', 'its key')
      .option('--version <n>', 'an earlier version again', wholeNumber(1, 1_000_000))
      .option('--note <text>', 'why')
      .action(async (key: string, given: { version?: number; note?: string }) => {
        const live = await context.carillon.journeys.goLive(key, given, signal());
        if (context.json) return context.terminal.json(live);
        context.terminal.say(`${live.key} is live: version ${live.version}.`);
      }),
    ['carillon journeys live welcome --note "A shorter wait"'],
  );

  examples(
    group
      .command('move')
      .summary('let people inside go over to what newcomers take')
      .description(
        'People of an older version go over, each to the step of the same key or the one that is named for it. Without --apply it only says where they would go; who has no place finishes the old version.',
      )
      .argument('<key>', 'its key')
      .requiredOption('--from <n>', 'the version in which they are', wholeNumber(1, 1_000_000))
      .option('--to <n>', 'where they go; what newcomers take unless said', wholeNumber(1, 1_000_000))
      .option('--step <old=new>', 'what stands for a step of the old version; may be repeated', repeated)
      .option('--apply', 'do it')
      .action(async (key: string, given: { from: number; to?: number; step?: string[]; apply?: true }) => {
        const { terminal, carillon } = context;
        const { step, ...how } = given;
        const steps = Object.fromEntries((step ?? []).map(standsFor));
        const moved = await carillon.journeys.moveInsiders(key, { ...how, steps }, signal());
        if (context.json) return terminal.json(moved);
        if (moved.steps.length === 0) return terminal.say(`Nobody is inside version ${moved.from}.`);
        terminal.table(
          [
            { title: `VERSION ${moved.from}` },
            { title: 'PEOPLE', align: 'right' },
            { title: `VERSION ${moved.to}` },
          ],
          moved.steps.map((one) => [
            one.step,
            whole(one.people),
            one.to ?? `(they finish version ${moved.from})`,
          ]),
        );
        terminal.say(moved.moving ? 'They are being moved.' : 'Nothing is done yet: add --apply.');
      }),
    [
      'carillon journeys move welcome --from 1',
      'carillon journeys move welcome --from 1 --step help=offer-help --apply',
    ],
  );

  for (const [name, summary, does, said] of [
    ['pause', 'stop it for a while', 'Nobody enters and nobody moves until it is resumed.', 'is paused'],
    [
      'resume',
      'let it go on',
      'It goes on, with whoever was held and what happened meanwhile.',
      'is live again',
    ],
    ['close', 'let nobody enter any more', 'Nobody enters any more; who is inside finishes.', 'is closed'],
    ['stop', 'end it, and have everybody leave', 'Everybody leaves at once.', 'is stopped'],
  ] as const) {
    const command = group.command(name).summary(summary).description(does);
    command.argument('<key>', 'its key');
    if (name === 'pause')
      command.option('--discard', 'who comes to a step meanwhile leaves, and what happens is not kept');
    if (name !== 'resume') command.option('--reason <text>', 'why');
    command.action(async (key: string, given: { discard?: true; reason?: string }) => {
      const { terminal, carillon } = context;
      const { reason } = given;
      const journey =
        name === 'pause'
          ? await carillon.journeys.pause(
              key,
              { insiders: given.discard ? 'discard' : 'hold', ...(reason ? { reason } : {}) },
              signal(),
            )
          : name === 'resume'
            ? await carillon.journeys.resume(key, signal())
            : await carillon.journeys[name](key, reason, signal());
      if (context.json) return terminal.json(journey);
      terminal.say(`${journey.key} ${said}. Inside: ${whole(journey.inside)}.`);
    });
    examples(command, [`carillon journeys ${name} welcome`]);
  }

  examples(
    group
      .command('happened')
      .summary('tell what happened to nobody in particular')
      .description(
        'Journeys that are entered by it let their audiences in. With a key of your own it may be told again, and counts once.',
      )
      .argument('<event>', 'what happened, e.g. price.dropped')
      .option('-p, --property <name=value>', 'a property; repeat for more', repeated)
      .option('--event-key <key>', 'your own id of it')
      .action(async (event: string, given: { property?: string[]; eventKey?: string }) => {
        const { terminal, carillon } = context;
        const journeys = await carillon.journeys.happened(
          event,
          {
            properties: pairs(given.property ?? [], '--property'),
            ...(given.eventKey ? { key: given.eventKey } : {}),
          },
          signal(),
        );
        if (context.json) return terminal.json({ journeys });
        terminal.say(
          journeys.length === 0
            ? 'No live journey is entered by it, or it was told before.'
            : `Audiences are let into ${journeys.join(', ')}.`,
        );
      }),
    ['carillon journeys happened price.dropped -p product=7 -p price=9.90'],
  );

  examples(
    group
      .command('numbers')
      .summary('say how many are where')
      .description('How many entered, are inside and left, by step.')
      .argument('<key>', 'its key')
      .action(async (key: string) => {
        const numbers = await context.carillon.journeys.numbers(key, {}, signal());
        if (context.json) return context.terminal.json(numbers);
        show(context.terminal, numbers);
      }),
    ['carillon journeys numbers welcome'],
  );

  examples(
    group
      .command('simulate')
      .summary('say what a journey would do, without sending')
      .description(
        'Play a journey for people of yours on a clock of its own, with every rule of the gate. Nothing is sent.',
      )
      .argument('<key>', 'its key')
      .option('--file <file>', 'a definition that is not saved, as JSON; the draft unless said')
      .option('--version <n>', 'a version that was live', wholeNumber(1, 1_000_000))
      .option('--profile <id>', 'this person; may be repeated', repeated)
      .option('--audience <key>', 'people of this audience')
      .option('--random <n>', 'so many, drawn at random: 100 unless said', wholeNumber(1, 20_000))
      .option('--at <time>', 'when the first comes in; now unless said', time)
      .option('--over <span>', 'they come in within this time', span)
      .option('--for <span>', 'how long the clock runs', span, '30d')
      .option('--data <name=value>', 'a property of what lets them in; may be repeated', repeated)
      .option('--event <name@span>', 'happens to each so long after; may be repeated', repeated)
      .option(
        '--chance <what=share>',
        'delivered, opened, clicked, failed …: 0 to 1; may be repeated',
        repeated,
      )
      .option('--seed <text>', 'another one draws other people and chances')
      .action(async (key: string, given: SimulateOptions) => {
        const { carillon, terminal } = context;
        const run = await carillon.journeys.simulate(
          key,
          {
            ...(given.file === undefined ? {} : { definition: documentIn(context, given.file) }),
            ...(given.version === undefined ? {} : { version: given.version }),
            ...(given.profile === undefined ? {} : { profiles: given.profile }),
            ...(given.audience === undefined ? {} : { audience: given.audience }),
            ...(given.random === undefined ? {} : { random: given.random }),
            ...(given.at === undefined ? {} : { startAt: given.at }),
            ...(given.over === undefined ? {} : { over: given.over }),
            within: given.for,
            data: pairs(given.data ?? [], '--data'),
            events: (given.event ?? []).map(happening),
            outcomes: pairs(given.chance ?? [], '--chance') as Record<string, number>,
            ...(given.seed === undefined ? {} : { seed: given.seed }),
          },
          signal(),
        );
        // Of a person who was named the way is what is asked for.
        const ways =
          given.profile === undefined
            ? []
            : await Promise.all(
                given.profile
                  .slice(0, 10)
                  .map((_, no) => carillon.journeys.simulatedWay(key, run.id, no, signal())),
              );
        if (context.json) return terminal.json(ways.length === 0 ? run : { ...run, ways });
        show(terminal, run);
        for (const way of ways) showWay(terminal, way);
      }),
    [
      'carillon journeys simulate welcome --random 1000 --chance opened=0.4 --chance clicked=0.1',
      'carillon journeys simulate abandoned-cart --profile ada --data total=120 --event order.placed@5h',
      'carillon journeys simulate welcome --file welcome.json --at 2026-12-24T20:00:00Z --json',
    ],
  );
}

interface SimulateOptions {
  file?: string;
  version?: number;
  profile?: string[];
  audience?: string;
  random?: number;
  at?: string;
  over?: string;
  for: string;
  data?: string[];
  event?: string[];
  chance?: string[];
  seed?: string;
}

/** As it is written, once it is seen to be one. */
function span(text: string): string {
  seconds(text);
  return text;
}
function standsFor(text: string): [string, string] {
  const [old, fresh, more] = text.split('=');
  if (!old || !fresh || more !== undefined)
    throw new UsageError(`--step ${text}: write it as old=new, such as help=offer-help.`);
  return [old, fresh];
}
function happening(text: string): { event: string; after: string } {
  const at = text.lastIndexOf('@');
  if (at < 1) throw new UsageError(`--event ${text}: write it as name@span, such as order.placed@2h.`);
  return { event: text.slice(0, at), after: span(text.slice(at + 1)) };
}
function documentIn({ folder }: Context, file: string) {
  try {
    // Whether it is a journey, the API says.
    return JSON.parse(fs.readFileSync(path.resolve(folder, file), 'utf8')) as JourneySimulation['definition'];
  } catch (error) {
    throw new UsageError(`${file} cannot be read as JSON: ${(error as Error).message}`);
  }
}

type Shown = Pick<JourneySimulation, 'entered' | 'inside' | 'outcomes' | 'refused' | 'steps'> &
  Partial<JourneySimulation>;
function show(terminal: Terminal, run: Shown): void {
  const counts = (some: readonly { count: number }[], word: 'outcome' | 'reason') =>
    some.map((one) => `${(one as unknown as Record<string, string>)[word]} ${whole(one.count)}`).join(', ');
  terminal.facts([
    ...(run.people === undefined
      ? []
      : ([
          [
            'people',
            `${whole(run.people)}, from ${run.startAt} to ${run.until} (played in ${whole(run.ms ?? 0)} ms)`,
          ],
          ['id', run.id ?? ''],
        ] as [string, string][])),
    ['entered', whole(run.entered)],
    ['inside', whole(run.inside)],
    ...(run.outcomes.length > 0 ? [['left', counts(run.outcomes, 'outcome')] as [string, string]] : []),
    ...(run.refused.length > 0 ? [['not in', counts(run.refused, 'reason')] as [string, string]] : []),
  ]);
  terminal.say();
  terminal.table(
    [
      { title: 'STEP' },
      { title: 'ENTERED', align: 'right' },
      { title: 'WAITING', align: 'right' },
      { title: 'WAYS', narrow: 'cut' },
    ],
    run.steps.map((one) => [
      one.step,
      whole(one.entered),
      whole(one.waiting),
      one.ways.map(({ way, count }) => `${printable(way)} ${whole(count)}`).join(', '),
    ]),
  );
  if (!run.messages) return;
  terminal.say();
  terminal.table(
    [
      { title: 'MESSAGES OF' },
      { title: 'CHANNEL' },
      { title: 'STATUS' },
      { title: 'REASON' },
      { title: 'COUNT', align: 'right' },
    ],
    run.messages.map((one) => [
      one.step,
      channelTitles[one.channel],
      one.status,
      one.reason ?? '',
      whole(one.count),
    ]),
  );
}

function showWay(terminal: Terminal, { person, visits, refused }: SimulatedWay): void {
  terminal.say();
  terminal.say(terminal.style('bold', printable(person.profile)));
  for (const { lines, messages, outcome, step } of visits) {
    const told = [
      ...lines.map(({ at, step: left, way, next }) => ({
        at,
        text: `${left}: ${way} → ${next ?? 'the end'}`,
      })),
      ...messages.map((one) => ({
        at: one.sentAt ?? one.acceptedAt,
        text: `  ${channelTitles[one.channel]} ${one.status}${one.reason ? ` (${one.reason})` : ''} ${saying(one.content)}`,
      })),
    ].sort((a, b) => (a.at < b.at ? -1 : 1));
    for (const { at, text } of told)
      terminal.say(`  ${at.slice(0, 16).replace('T', ' ')}  ${printable(text)}`);
    terminal.say(`  ${outcome === null ? `still at ${step}` : `left: ${outcome}`}`);
  }
  for (const { at, reason } of refused)
    terminal.say(`  ${at.slice(0, 16).replace('T', ' ')}  not let in: ${reason}`);
}
const saying = (content: SimulatedWay['visits'][number]['messages'][number]['content']): string =>
  content?.email?.subject ?? content?.sms?.body ?? content?.push?.title ?? content?.['in-app']?.title ?? '';
