/**
 * `carillon types`: the workspace's templates, and with `--events` what has happened in it, as TypeScript interfaces, so that
 * a missing variable or a misspelt event does not compile.
 */
import type { AudienceVocabulary, Template, TemplateVariable } from '@carillon/sdk';
import type { Command } from 'commander';
import fs from 'node:fs';
import path from 'node:path';
import { type Context, examples } from '../command.js';
import { plural } from '../terminal.js';

export function types(root: Command, context: Context): void {
  const command = root
    .command('types')
    .summary('write TypeScript types of the templates')
    .description(
      'Write a TypeScript interface of all templates and the data they need, for new Carillon<Templates>() and journey<Templates>().',
    )
    .option(
      '--events',
      'also an interface of the events that have occurred, for journey<Templates, Events>()',
    )
    .option('--out <file>', 'write here (default: print)')
    .option('--check', 'with --out: change nothing, fail when the file is out of date (for CI)')
    .action(async (options: { out?: string; check?: true; events?: true }) => {
      const { terminal, carillon, stop } = context;
      const found: Template[] = [];
      for await (const template of carillon.templates.list({ limit: 200 }, { signal: stop }))
        found.push(template);
      const events = options.events && (await carillon.audiences.vocabulary({ signal: stop })).events;
      const text = templateTypes(found) + (events ? eventTypes(events) : '');
      if (options.out === undefined) return terminal.write(text);
      const file = path.resolve(context.folder, options.out);
      const before = fs.existsSync(file) ? fs.readFileSync(file, 'utf8') : undefined;
      if (options.check) {
        if (before === text)
          return terminal.say(`${terminal.style('green', '✓')} ${options.out} is up to date.`);
        context.exitCode = 1;
        return terminal.complain(
          `${terminal.style('red', '✗')} ${options.out} is out of date. Write it anew: carillon types --out ${options.out}`,
        );
      }
      fs.mkdirSync(path.dirname(file), { recursive: true });
      if (before !== text) fs.writeFileSync(file, text);
      if (context.json)
        return terminal.json({ file: options.out, templates: found.length, changed: before !== text });
      terminal.say(
        `${terminal.style('green', '✓')} ${options.out}: ${plural(found.length, 'template')}${before === text ? ', unchanged' : ''}.`,
      );
      if (before === undefined) terminal.say(`  Use it: new Carillon<Templates>({ apiKey })`);
    });
  examples(command, [
    'carillon types --out src/carillon-templates.ts',
    'carillon types --out src/carillon-templates.ts --check   # in CI',
    'carillon types --events --out src/carillon-types.ts',
  ]);
}

/** The text of the interface. Sorted, so that it changes only when a template does. */
export function templateTypes(found: readonly Template[]): string {
  const entries = [...found]
    .sort((a, b) => (a.key < b.key ? -1 : 1))
    .map((template) => {
      const about = `  /** ${comment(template.name)} (${template.channels.join(', ')}) */\n`;
      const fields = tree(template.variables).map((field) => `    ${field}\n`);
      return `${about}  ${property(template.key)}: {${fields.length ? `\n${fields.join('')}  ` : ''}};\n`;
    });
  return `// Written by \`carillon types\`. Do not edit: run it again when a template has changed.
export interface Templates {
${entries.join('\n')}}
`;
}

/** The text of their interface: as the newest of each were. */
export function eventTypes(found: AudienceVocabulary['events']): string {
  const entries = found.map(({ name, properties, types }) => {
    const fields = properties.map((one) => {
      const seen = types[one] ?? [];
      const type = seen.filter((word) => word !== 'missing').map((word) => jsonWords[word] ?? 'Json');
      const optional = seen.includes('missing') ? '?' : '';
      return `    ${property(one)}${optional}: ${type.join(' | ') || 'Json'};\n`;
    });
    return `  ${property(name)}: {${fields.length ? `\n${fields.join('')}  ` : ''}};\n`;
  });
  return `
import type { Json } from '@carillon/sdk';
/** What has occurred. Add to it what is still to come. */
export interface Events {
${entries.join('\n')}}
`;
}
const jsonWords: Record<string, string> = {
  string: 'string',
  number: 'number',
  boolean: 'boolean',
  null: 'null',
  array: 'Json[]',
  object: '{ [key: string]: Json }',
};

const words = {
  string: 'string',
  number: 'number',
  boolean: 'boolean',
  object: 'object',
  array: 'readonly unknown[]',
  unknown: 'unknown',
};

/** Variables as fields. `order.id` is a field of `order`. */
function tree(variables: readonly TemplateVariable[]): string[] {
  const roots = new Map<string, { own: TemplateVariable | undefined; below: TemplateVariable[] }>();
  for (const variable of variables) {
    const dot = variable.name.indexOf('.');
    const name = dot < 0 ? variable.name : variable.name.slice(0, dot);
    const root = roots.get(name) ?? { own: undefined, below: [] };
    if (dot < 0) root.own = variable;
    else root.below.push({ ...variable, name: variable.name.slice(dot + 1) });
    roots.set(name, root);
  }
  return [...roots]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, { own, below }]) => {
      const required = (own?.required ?? false) || below.some((variable) => variable.required);
      const type =
        below.length && (own === undefined || own.type === 'object' || own.type === 'unknown')
          ? `{ ${tree(below).join(' ')} }`
          : words[own?.type ?? 'unknown'];
      return `${property(name)}${required ? '' : '?'}: ${type};`;
    });
}

const property = (name: string) =>
  /^[A-Za-z_$][\w$]*$/.test(name) ? name : `'${name.replace(/['\\]/g, '\\$&')}'`;

const comment = (text: string) => text.replaceAll('*/', '* /').replace(/\s+/g, ' ');
