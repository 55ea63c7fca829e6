/** `carillon import`: sends a file to the server, which works it there; shows how it will be read, and how far it is. */
import type { Import, ImportMapping, ImportPreview } from '@carillon/sdk';
import type { Command } from 'commander';
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Context, examples, repeated } from '../command.js';
import { UsageError } from '../settings.js';
import { number, plural } from '../terminal.js';

/** Looked at for the preview. */
const HEAD_BYTES = 131_072;
const POLL_MS = 500;
const SHOWN = 20;

interface Options {
  kind: 'profiles' | 'suppressions';
  map?: string[];
  audience?: string;
  badRows?: string;
  dryRun?: true;
}

export function importFile(root: Command, context: Context): void {
  examples(
    root
      .command('import')
      .summary('import a file of people, or of addresses not to write to')
      .description(
        'Import a CSV or JSONL file, plain or gzip, in any usual encoding. It is sent to the server and worked there, ' +
          'so that this command may be stopped once the file is sent. Bad rows are listed with their line and reason and ' +
          'written to a file; good rows go on. Running it again changes nothing.',
      )
      .argument('<file>', 'CSV or JSONL')
      .option('--kind <kind>', 'profiles or suppressions', 'profiles')
      .option(
        '--map <column=field>',
        'what a column becomes: externalId, email, phone, locale, timezone, attributes.<name>[:number|boolean|date] or -; repeat for more',
        repeated,
      )
      .option('--audience <key>', 'a list: everybody of the file enters it')
      .option('--bad-rows <file>', 'where bad rows go (default: <file>.bad.csv)')
      .option('--dry-run', 'show how it would be read, and send nothing')
      .action((file: string, options: Options) => run(context, file, options)),
    [
      'carillon import people.csv --dry-run   # see what the columns become, and the first bad rows',
      'carillon import people.csv.gz',
      'carillon import crm.csv --map "Kundennr=externalId" --map "Seats=attributes.seats:number" --map "Notes=-"',
      'carillon import fair.csv --audience autumn-fair   # a list, made with `carillon audience save`',
      'carillon import do-not-mail.csv --kind suppressions',
    ],
  );
}

async function run(context: Context, given: string, options: Options): Promise<void> {
  const { terminal, carillon, stop } = context;
  if (options.kind !== 'profiles' && options.kind !== 'suppressions')
    throw new UsageError(`--kind ${String(options.kind)}: write profiles or suppressions.`);
  const file = path.resolve(context.folder, given);
  const { size } = fs.statSync(file);
  const head = Buffer.alloc(Math.min(size, HEAD_BYTES));
  const handle = fs.openSync(file, 'r');
  fs.readSync(handle, head, 0, head.length, 0);
  fs.closeSync(handle);

  const request = { kind: options.kind, head: head.toString('base64'), complete: size <= HEAD_BYTES };
  let preview = await carillon.imports.preview(request, { signal: stop });
  let mapping: ImportMapping | undefined;
  if (options.map?.length) {
    mapping = mapped(preview, options.map);
    preview = await carillon.imports.preview({ ...request, mapping }, { signal: stop });
  }
  if (!context.json) show(context, preview);
  if (preview.problem !== null)
    throw new UsageError(preview.problem, 'Map columns with --map "Column=field".');
  if (options.dryRun) {
    if (context.json) return terminal.json(preview);
    terminal.say('Nothing was sent.');
    return;
  }

  const { kind, audience } = options;
  const wish = {
    kind,
    name: path.basename(file),
    bytes: size,
    ...(mapping && { mapping }),
    ...(audience !== undefined && { audience }),
  };
  const sending = context.json ? undefined : terminal.progress('bytes sent', size);
  let shown: Import;
  try {
    shown = await carillon.imports.upload(fs.createReadStream(file, { highWaterMark: 1_000_000 }), wish, {
      signal: stop,
      onProgress: (bytes) => sending?.to(bytes),
    });
  } finally {
    sending?.stop();
  }
  const working = context.json ? undefined : terminal.progress('rows', size);
  try {
    while (shown.state === 'queued' || shown.state === 'running') {
      await sleep(POLL_MS, undefined, { signal: stop });
      shown = await carillon.imports.get(shown.id, { signal: stop });
      working?.to(shown.state === 'done' ? size : shown.bytes.read, shown.rows);
    }
  } finally {
    working?.stop();
  }

  let badFile: string | undefined;
  if (shown.failed > 0) {
    badFile = options.badRows ?? `${given.replace(/\.(csv|jsonl)(\.gz)?$/i, '')}.bad.csv`;
    fs.writeFileSync(
      path.resolve(context.folder, badFile),
      await carillon.imports.errorsCsv(shown.id, { signal: stop }),
    );
  }
  if (shown.failed > 0 || shown.state !== 'done') context.exitCode = 1;
  if (context.json) return terminal.json({ ...shown, badFile });
  if (shown.problem) terminal.say(terminal.style('yellow', shown.problem));
  const { rows, created, updated, unchanged, failed, joined } = shown;
  const mark =
    shown.state === 'done' && failed === 0 ? terminal.style('green', '✓') : terminal.style('yellow', '!');
  terminal.say(
    `${mark} ${plural(rows, 'row')}: ${number(created)} created, ${number(updated)} changed, ${number(unchanged)} known, ${number(failed)} bad.`,
  );
  if (audience !== undefined) terminal.say(`  ${plural(joined, 'person', 'people')} entered ${audience}.`);
  if (badFile) terminal.say(`  The bad rows, with line and reason, are in ${badFile}.`);
}

/** The mapping that is suggested, with what the person says instead. */
function mapped(preview: ImportPreview, given: readonly string[]): ImportMapping {
  const { attributes = {}, ...fields } = preview.mapping ?? {};
  const mapping: Record<string, string | undefined> = { ...(fields as Record<string, string>) };
  const columns = new Map(Object.entries(attributes));
  const leave = (column: string) => {
    for (const [field, of] of Object.entries(mapping)) if (of === column) delete mapping[field];
    for (const [name, source] of columns)
      if ((typeof source === 'string' ? source : source.column) === column) columns.delete(name);
  };
  for (const one of given) {
    const at = one.lastIndexOf('=');
    const [column, target] = [one.slice(0, at), one.slice(at + 1)];
    if (at < 1 || !preview.headings.includes(column))
      throw new UsageError(
        `--map "${one}": the file has no such column.`,
        `It has ${preview.headings.join(', ')}.`,
      );
    leave(column);
    const attribute = /^attributes\.([^:]+)(?::(text|number|boolean|date))?$/.exec(target);
    if (attribute?.[1]) columns.set(attribute[1], { column, type: (attribute[2] ?? 'text') as 'text' });
    else if (['externalId', 'email', 'phone', 'locale', 'timezone', 'address', 'reason'].includes(target))
      mapping[target] = column;
    else if (target !== '-')
      throw new UsageError(
        `--map "${one}": a column becomes externalId, email, phone, locale, timezone, attributes.<name> or - (left out).`,
        'With a type: attributes.seats:number.',
      );
  }
  return {
    ...mapping,
    ...(columns.size > 0 && { attributes: Object.fromEntries(columns) }),
  } as ImportMapping;
}

function show({ terminal }: Context, preview: ImportPreview): void {
  const { attributes = {}, ...fields } = preview.mapping ?? {};
  const becomes = new Map<string, string>();
  for (const [field, column] of Object.entries(fields))
    if (typeof column === 'string') becomes.set(column, field);
  for (const [name, source] of Object.entries(attributes)) {
    const { column, type } = typeof source === 'string' ? { column: source, type: 'text' } : source;
    becomes.set(column, `attributes.${name}${type === 'text' ? '' : `:${type}`}`);
  }
  if (preview.headings.length > 0)
    terminal.table(
      [
        { title: 'COLUMN', narrow: 'cut' },
        { title: 'BECOMES', narrow: 'cut' },
      ],
      preview.headings.map((column) => [
        column,
        becomes.get(column) ?? { text: 'left out', style: 'dim' as const },
      ]),
      '  ',
    );
  terminal.say();
  for (const { line, reason } of preview.bad.slice(0, SHOWN))
    terminal.say(terminal.wrap(`  line ${String(line).padStart(5)}  ${reason}`, ' '.repeat(14)));
  if (preview.bad.length > 0) terminal.say();
}
