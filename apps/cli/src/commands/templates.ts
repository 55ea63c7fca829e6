/** `carillon templates list|get|push|preview`. */
import { channels, type Channel, type TemplateSave } from '@carillon/contracts';
import type { Json, RenderedContent } from '@carillon/sdk';
import { Argument, type Command } from 'commander';
import fs from 'node:fs';
import path from 'node:path';
import { type Context, examples, pairs, repeated, wholeNumber } from '../command.js';
import { UsageError } from '../settings.js';
import { channelTitles, clock, printable, type Terminal } from '../terminal.js';

export function templates(root: Command, context: Context): void {
  const group = root
    .command('templates')
    .summary('list, save and preview templates')
    .description('List, read, save and preview templates.');

  examples(
    group
      .command('list')
      .summary('list templates')
      .description('List templates with the variables they need.')
      .option('--search <text>', 'whose key or name holds this')
      .action(async ({ search }: { search?: string }) => {
        const { terminal, carillon, stop } = context;
        const found = [];
        for await (const template of carillon.templates.list(search ? { search } : {}, { signal: stop }))
          found.push(template);
        if (context.json) return terminal.json(found);
        if (found.length === 0)
          return terminal.say('There is no template yet. Save one: carillon templates push --help');
        terminal.table(
          [
            { title: 'KEY' },
            { title: 'VERSION', align: 'right' },
            { title: 'CHANNELS' },
            { title: 'VARIABLES', narrow: 'cut' },
            { title: 'CHANGED' },
          ],
          found.map((template) => [
            template.key,
            String(template.version),
            template.channels.join(', '),
            template.variables.map((variable) => variable.name + (variable.required ? '' : '?')).join(', '),
            { text: clock(template.updatedAt).replace(/\.\d+$/, ''), style: 'dim' },
          ]),
        );
      }),
    ['carillon templates list'],
  );

  examples(
    group
      .command('get')
      .summary('print a template as a file')
      .description('Print a template as JSON, as templates push reads it.')
      .argument('<key>', 'key of the template')
      .option('--version <number>', 'an older version', wholeNumber(1, 1_000_000))
      .action(async (key: string, { version }: { version?: number }) => {
        const { terminal, carillon, stop } = context;
        const template = await carillon.templates.get(key, { signal: stop });
        if (context.json && version === undefined) return terminal.json(template);
        const shown =
          version === undefined
            ? template.current
            : await carillon.templates.version(key, version, { signal: stop });
        if (context.json) return terminal.json(shown);
        const file = {
          name: template.name,
          content: shown.content,
          ...(Object.keys(shown.locales).length ? { locales: shown.locales } : {}),
        };
        terminal.say(JSON.stringify(file, null, 2));
      }),
    ['carillon templates get order-shipped > order-shipped.json'],
  );

  examples(
    group
      .command('push')
      .summary('save a template from a file')
      .description(
        'Save a template, or its next version, from a JSON file: { "name": …, "content": { "email": { "subject": …, "html": … }, "sms": { "body": … } } }.',
      )
      .argument('<key>', 'key of the template, e.g. order-shipped')
      .argument('<file>', 'JSON file (- for standard input)')
      .action(async (key: string, file: string) => {
        const { terminal, carillon, stop } = context;
        const saved = await carillon.templates.save(key, readTemplate(file, context.folder), {
          signal: stop,
        });
        if (context.json) return terminal.json(saved);
        terminal.say(
          `${terminal.style('green', '✓')} Saved ${saved.key} as version ${saved.version}, for ${saved.channels.map((c) => channelTitles[c]).join(', ')}.`,
        );
        const names = saved.variables.map(
          (variable) => variable.name + (variable.required ? '' : ' (optional)'),
        );
        terminal.say(names.length ? `  It needs ${names.join(', ')}.` : '  It needs no data.');
      }),
    [
      'carillon templates push order-shipped order-shipped.json',
      'carillon types --out src/carillon-templates.ts   # then let the compiler know',
    ],
  );

  examples(
    group
      .command('preview')
      .summary('render without sending')
      .description('Render a template for one channel without sending.')
      .argument('<key>', 'key of the template')
      .addArgument(new Argument('<channel>', 'for which channel').choices(channels))
      .option('-d, --data <name=value>', 'a variable; repeat for more', repeated)
      .option('--profile <id>', 'render for this profile')
      .option('--locale <tag>', 'in this language, e.g. fr-CA')
      .option('--version <number>', 'an older version', wholeNumber(1, 1_000_000))
      .option('--html', 'print the HTML of an email')
      .action(async (key: string, channel: Channel, options: PreviewOptions) => {
        const { terminal, carillon, stop } = context;
        const preview = await carillon.templates.preview(
          key,
          {
            channel,
            data: pairs(options.data ?? [], '--data') as Record<string, Json>,
            ...(options.profile ? { profile: options.profile } : {}),
            ...(options.locale ? { locale: options.locale } : {}),
            ...(options.version ? { version: options.version } : {}),
          },
          { signal: stop },
        );
        if (preview.errors.length) context.exitCode = 1;
        if (context.json) return terminal.json(preview);
        for (const error of preview.errors)
          terminal.complain(`${terminal.style('red', '✗')} ${error.pointer} ${error.message}`);
        for (const warning of preview.warnings)
          terminal.complain(`${terminal.style('yellow', '!')} ${warning}`);
        if (preview.rendered) show(terminal, preview.rendered, options.html === true);
      }),
    [
      'carillon templates preview order-shipped sms -d orderId=1042',
      'carillon templates preview order-shipped email --profile ada --html > preview.html',
    ],
  );
}

interface PreviewOptions {
  data?: string[];
  profile?: string;
  locale?: string;
  version?: number;
  html?: true;
}

function readTemplate(file: string, folder: string): TemplateSave {
  const text = fs.readFileSync(file === '-' ? 0 : path.resolve(folder, file), 'utf8');
  try {
    return JSON.parse(text) as TemplateSave;
  } catch (error) {
    throw new UsageError(
      `${file} is not JSON: ${error instanceof Error ? error.message : ''}`,
      'See an example: carillon templates get <key>',
    );
  }
}

function show(terminal: Terminal, rendered: RenderedContent, html: boolean): void {
  const { email, sms } = rendered;
  if (email && html) return terminal.say(email.html ?? email.text);
  if (email) {
    terminal.facts(
      [
        ['from', email.from],
        ['to', email.to],
        ['subject', { text: email.subject, style: 'bold' }],
      ],
      '',
    );
    terminal.say();
    terminal.say(printable(email.text, true));
  }
  if (sms) {
    terminal.say(printable(sms.body, true));
    terminal.say(
      terminal.style(
        'dim',
        `${sms.encoding}, ${sms.segments} ${sms.segments === 1 ? 'segment' : 'segments'}`,
      ),
    );
  }
  const card = rendered.push ?? rendered['in-app'];
  if (card) {
    terminal.say(terminal.style('bold', printable(card.title)));
    terminal.say(printable(card.body, true));
    if (card.url) terminal.say(terminal.style('cyan', printable(card.url)));
  }
}
