/** `carillon gate show|set|versions|try|reset-caps`: who may be written to when, and how often. */
import { channels, type Channel } from '@carillon/contracts';
import type { Gate, GateTried } from '@carillon/sdk';
import { Argument, Option, type Command } from 'commander';
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { type Context, examples, time } from '../command.js';
import { UsageError } from '../settings.js';

export function gate(root: Command, context: Context): void {
  const group = root
    .command('gate')
    .summary('set quiet hours, frequency caps and holdouts, and try them')
    .description('See and change the rules that every delivery passes, and try them on a person.');
  const signal = () => ({ signal: context.stop });
  const show = (document: Gate) => {
    if (context.json) return context.terminal.json(document);
    context.terminal.facts([
      [
        'version',
        document.version === 0
          ? '0: no rules are set'
          : `${document.version}, by ${document.by}, ${document.at}`,
      ],
      ...(document.note ? [['note', document.note] as [string, string]] : []),
      ...factsOf(document.rules),
    ]);
  };

  examples(
    group
      .command('show')
      .summary('show the rules')
      .description('Show the rules as they stand; with --json the document that `gate set` takes.')
      .action(async () => {
        const document = await context.carillon.gate.get(signal());
        if (context.json) return context.terminal.json(document.rules);
        show(document);
      }),
    ['carillon gate show', 'carillon gate show --json > gate.json'],
  );

  examples(
    group
      .command('set')
      .summary('set the rules from a file')
      .description('Set the whole document from a JSON file. It holds from the next claim on.')
      .argument('<file>', 'JSON, as `gate show --json` prints it')
      .option('--note <text>', 'why; kept with the version')
      .action(async (file: string, given: { note?: string }) => {
        const rules = await documentIn(resolve(context.folder, file));
        show(
          await context.carillon.gate.set(
            { ...rules, ...(given.note ? { note: given.note } : {}) },
            signal(),
          ),
        );
      }),
    ['carillon gate set gate.json --note "Nights are quiet"'],
  );

  examples(
    group
      .command('versions')
      .summary('list the rules as they stood')
      .description('List the versions of the rules, the newest first.')
      .action(async () => {
        const versions = await context.carillon.gate.versions(signal());
        if (context.json) return context.terminal.json(versions);
        context.terminal.table(
          [{ title: 'VERSION' }, { title: 'AT' }, { title: 'BY' }, { title: 'NOTE', narrow: 'cut' }],
          versions.map((v) => [String(v.version), v.at ?? '', v.by ?? '', v.note]),
        );
      }),
    ['carillon gate versions'],
  );

  examples(
    group
      .command('try')
      .summary('say what the rules would do to a message')
      .description('Ask every rule about a message to a person, without sending one.')
      .argument('<profile>', 'external id of the profile')
      .addArgument(new Argument('<channel>').choices(channels))
      .addOption(new Option('--class <class>').choices(['marketing', 'transactional']).default('marketing'))
      .option('--topic <topic>', 'what the message is about')
      .option('--at <time>', 'as if it were then', time)
      .option('--rules <file>', 'rules that are not saved, in a JSON file')
      .action(async (profile: string, channel: Channel, given: TryOptions) => {
        const tried = await context.carillon.gate.try(
          {
            profile,
            channel,
            class: given.class,
            ...(given.topic ? { topic: given.topic } : {}),
            ...(given.at ? { at: given.at } : {}),
            ...(given.rules ? { rules: await documentIn(resolve(context.folder, given.rules)) } : {}),
          },
          signal(),
        );
        if (context.json) return context.terminal.json(tried);
        showTried(context, tried);
      }),
    ['carillon gate try ada email --topic offers', 'carillon gate try ada sms --at 2026-12-24T22:00:00Z'],
  );

  examples(
    group
      .command('reset-caps')
      .summary('let nothing sent to a person count any more')
      .description('Forget what a person was sent, for frequency caps. Kept in the audit log.')
      .argument('<profile>', 'external id of the profile')
      .action(async (profile: string) => {
        const { forgotten } = await context.carillon.gate.resetCaps(profile, signal());
        if (context.json) return context.terminal.json({ forgotten });
        context.terminal.say(
          `${forgotten} ${forgotten === 1 ? 'message counts' : 'messages count'} no more.`,
        );
      }),
    ['carillon gate reset-caps ada'],
  );
}

interface TryOptions {
  class: 'marketing' | 'transactional';
  topic?: string;
  at?: string;
  rules?: string;
}

async function documentIn(path: string): Promise<Record<string, never>> {
  const text = await readFile(path, 'utf8').catch(() => {
    throw new UsageError(`There is no file ${path}.`, 'Begin with: carillon gate show --json > gate.json');
  });
  try {
    return JSON.parse(text) as Record<string, never>;
  } catch {
    throw new UsageError(`${path} is not JSON.`, 'Begin with: carillon gate show --json > gate.json');
  }
}

const named = (rules: readonly { key: string }[]) => rules.map((r) => r.key).join(', ') || 'none';
const factsOf = (rules: Gate['rules']): [string, string][] => [
  ['allow list', rules.allowList ? `on: ${rules.allowList.length} entries` : 'off'],
  ['quiet hours', named(rules.quietHours)],
  ['frequency caps', named(rules.caps)],
  ['holdouts', rules.holdouts.map((h) => `${h.key} (${h.percent} %)`).join(', ') || 'none'],
  ['test profiles', rules.testProfiles.join(', ') || 'none'],
  ['seeds', rules.seeds.join(', ') || 'none'],
];

function showTried({ terminal }: Context, tried: GateTried): void {
  terminal.facts([
    [
      'verdict',
      `${tried.verdict}${tried.reason ? ` (${tried.reason})` : ''}${tried.until ? ` until ${tried.until}` : ''}`,
    ],
    [
      'where',
      `${tried.zone.zone} (from the ${tried.zone.source})${tried.zone.candidates.length > 1 ? `, or ${tried.zone.candidates.length} other zones` : ''}`,
    ],
    ['rules', `version ${tried.version}`],
  ]);
  terminal.say();
  terminal.table(
    [{ title: 'RULE' }, { title: 'VERDICT' }, { title: 'WHY', narrow: 'cut' }],
    tried.rules.map((r) => [r.rule, `${r.verdict}${r.reason ? ` (${r.reason})` : ''}`, r.said ?? '']),
  );
}
