/** `carillon profiles import|get|upsert`. */
import type { Json } from '@carillon/sdk';
import type { Command } from 'commander';
import fs from 'node:fs';
import path from 'node:path';
import { type Context, examples, pairs, repeated, wholeNumber } from '../command.js';
import { importProfiles, type Imported } from '../import-profiles.js';
import { person } from './person.js';
import { type BadRow, csvLine, type Mapping, openProfiles } from '../profiles-csv.js';
import { UsageError } from '../settings.js';
import { clock, number, plural, type Terminal } from '../terminal.js';

interface ImportOptions {
  map?: string[];
  badRows?: string;
  dryRun?: true;
  batch: number;
}

export function profiles(root: Command, context: Context): void {
  const group = root
    .command('profiles')
    .summary('import, read and change profiles')
    .description('Import, read, change and merge profiles.');

  examples(
    group
      .command('import')
      .summary('create or change profiles from a CSV file')
      .description(
        'Create or change profiles from a CSV file. The first line names the columns: id, email, phone, locale and ' +
          'timezone are recognised by many names, other columns become attributes. Bad rows are listed with their ' +
          'line and reason and written to a file; good rows go on. Running it again changes nothing.',
      )
      .argument('<file>', 'CSV, in UTF-8 (- for standard input)')
      .option(
        '--map <column=field>',
        'what a column becomes: a field, attributes.<name>[:number|boolean], or -; repeat for more',
        repeated,
      )
      .option('--bad-rows <file>', 'where bad rows go (default: <file>.bad.csv)')
      .option('--dry-run', 'read and map, send nothing')
      .option('--batch <rows>', 'rows per request', wholeNumber(1, 1000), 500)
      .action((file: string, options: ImportOptions) => runImport(context, file, options)),
    [
      'carillon profiles import customers.csv --dry-run   # see what the columns become',
      'carillon profiles import customers.csv',
      'carillon profiles import crm.csv --map "Kundennr=externalId" --map "Seats=attributes.seats:number" --map "Notes=-"',
    ],
  );

  examples(
    group
      .command('get')
      .summary('show a profile')
      .description('Show a profile and its devices.')
      .argument('<externalId>', 'your id of the person')
      .action(async (externalId: string) => {
        const profile = await context.carillon.profiles.get(externalId, { signal: context.stop });
        if (context.json) return context.terminal.json(profile);
        showProfile(context.terminal, profile);
      }),
    ['carillon profiles get ada'],
  );

  examples(
    group
      .command('upsert')
      .summary('create or change a profile')
      .description('Create a profile, or change the fields that are given.')
      .argument('<externalId>', 'your id of the person')
      .option('--email <address>')
      .option('--phone <number>', 'international, e.g. +442079460123')
      .option('--locale <tag>', 'e.g. fr-CA')
      .option('--timezone <name>', 'e.g. Europe/Paris')
      .option('-a, --attribute <name=value>', 'an attribute; repeat for more; null removes it', repeated)
      .option('--device <platform:token>', 'register a push token, e.g. android:…')
      .action(async (externalId: string, options: UpsertOptions) => {
        const { terminal, carillon, stop } = context;
        const { attribute, device, ...changes } = options;
        let profile = await carillon.profiles.upsert(
          externalId,
          {
            ...changes,
            ...(attribute ? { attributes: pairs(attribute, '--attribute') as Record<string, Json> } : {}),
          },
          { signal: stop },
        );
        if (device !== undefined) {
          const [platform, token] = [
            device.slice(0, device.indexOf(':')),
            device.slice(device.indexOf(':') + 1),
          ];
          if (platform !== 'ios' && platform !== 'android' && platform !== 'web')
            throw new UsageError(`--device ${device}: write it as ios:…, android:… or web:…`);
          await carillon.profiles.addDevice(externalId, { platform, token }, { signal: stop });
          profile = await carillon.profiles.get(externalId, { signal: stop });
        }
        if (context.json) return terminal.json(profile);
        terminal.say(`${terminal.style('green', '✓')} Kept.`);
        showProfile(terminal, profile);
      }),
    [
      'carillon profiles upsert ada --email ada@example.com --locale en-GB -a plan=pro',
      'carillon profiles upsert ada --device android:token-of-the-app',
    ],
  );
  person(group, context);
}

interface UpsertOptions {
  email?: string;
  phone?: string;
  locale?: string;
  timezone?: string;
  attribute?: string[];
  device?: string;
}

function showProfile(
  terminal: Terminal,
  profile: Awaited<ReturnType<Context['carillon']['profiles']['get']>>,
): void {
  terminal.facts([
    ['externalId', { text: profile.externalId, style: 'bold' }],
    ['email', profile.email],
    ['phone', profile.phone],
    ['locale', profile.locale],
    ['timezone', profile.timezone],
    ...Object.entries(profile.attributes).map(([name, value]): [string, string] => [
      name,
      typeof value === 'string' ? value : JSON.stringify(value),
    ]),
    ...profile.identities.map(({ namespace, value }): [string, string] => [namespace, value]),
    ...profile.devices.map((device): [string, string] => [
      `${device.platform} device`,
      `${device.token}, seen ${clock(device.lastSeenAt)}`,
    ]),
    [
      'activity',
      `${plural(profile.activity.events, 'event')}, ${plural(profile.activity.sent, 'message')} sent`,
    ],
    ['changed', clock(profile.updatedAt)],
  ]);
}

async function runImport(context: Context, given: string, options: ImportOptions): Promise<void> {
  const { terminal } = context;
  const file = given === '-' ? '-' : path.resolve(context.folder, given);
  const source = await openProfiles(file, options.map ?? []);
  if (!context.json) showMapping(terminal, source.columns, source.mapping);

  // Asked for before the first row, so that a missing key is not found out in the middle.
  const carillon = options.dryRun ? undefined : context.carillon;
  const bar = context.json ? undefined : terminal.progress('rows', source.size ?? 0);
  let imported: Imported;
  try {
    imported = await importProfiles(carillon, source, {
      batch: options.batch,
      signal: context.stop,
      onProgress: ({ rows }) => bar?.to(source.position(), rows),
    });
  } finally {
    bar?.stop();
  }

  const { rows, created, updated, bad } = imported;
  const badFile =
    bad.length && !options.dryRun
      ? writeBadRows(context, given, options.badRows, source.columns, bad)
      : undefined;
  if (bad.length) context.exitCode = 1;
  if (context.json)
    return terminal.json({
      rows,
      created,
      updated,
      bad: bad.map(({ line, reason }) => ({ line, reason })),
      badFile,
    });
  showBadRows(terminal, bad);
  if (options.dryRun) {
    terminal.say(`${plural(rows - bad.length, 'row')} of ${number(rows)} can be sent. Nothing was sent.`);
    return;
  }
  const mark = bad.length ? terminal.style('yellow', '!') : terminal.style('green', '✓');
  terminal.say(
    `${mark} ${plural(rows, 'row')}: ${number(created)} created, ${number(updated)} changed, ${number(bad.length)} bad.`,
  );
  if (badFile) terminal.say(`  The bad rows are in ${badFile}: mend them there and import that file.`);
}

function showMapping(terminal: Terminal, columns: readonly string[], mapping: Mapping): void {
  const rows = columns.map((column) => {
    const target = mapping.get(column) ?? { ignored: true };
    return [
      column,
      'field' in target
        ? target.field
        : 'attribute' in target
          ? `attributes.${target.attribute}${target.type === 'text' ? '' : `:${target.type}`}`
          : { text: 'left out', style: 'dim' as const },
    ];
  });
  terminal.table(
    [
      { title: 'COLUMN', narrow: 'cut' },
      { title: 'BECOMES', narrow: 'cut' },
    ],
    rows,
    '  ',
  );
  terminal.say();
}

const SHOWN = 20;
export function showBadRows(terminal: Terminal, bad: readonly BadRow[]): void {
  if (bad.length === 0) return;
  terminal.say(terminal.style('yellow', plural(bad.length, 'bad row')));
  for (const { line, reason } of bad.slice(0, SHOWN))
    terminal.say(terminal.wrap(`  line ${String(line).padStart(5)}  ${reason}`, ' '.repeat(14)));
  if (bad.length > SHOWN) terminal.say(`  … and ${number(bad.length - SHOWN)} more`);
  terminal.say();
}

/** The rows as they were, with line and reason before them; both columns are left out when it is imported again. */
function writeBadRows(
  context: Context,
  given: string,
  wanted: string | undefined,
  columns: readonly string[],
  bad: readonly BadRow[],
): string {
  const name =
    wanted ?? (given === '-' ? 'profiles.bad.csv' : `${given.replace(/(\.bad)?\.csv$/i, '')}.bad.csv`);
  const kept = columns
    .map((column, i) => ({ column, i }))
    .filter(({ column }) => !column.startsWith('carillon '));
  const text = [csvLine(['carillon line', 'carillon reason', ...kept.map(({ column }) => column)])];
  for (const { line, reason, cells } of bad)
    text.push(
      csvLine([line, reason, ...kept.map(({ i }) => cells[i] ?? ''), ...cells.slice(columns.length)]),
    );
  fs.writeFileSync(path.resolve(context.folder, name), text.join(''));
  return name;
}
