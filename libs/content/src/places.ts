/**
 * Places in HTML where no escaping makes a value safe, found when a template is saved. Deliberately simple patterns over
 * the source: they catch honest authors before the mistake ships, while the escaping in output.ts guards the rendering.
 * Each takes time in proportion to the source, whatever it is: nobody bounds it while a template is saved.
 */
import { TemplateError } from './errors.js';

const PLACES: readonly (readonly [firstOf: (source: string) => number | undefined, sentence: string])[] = [
  [
    endOf(/<[a-z][^<>]*[\s"'][a-z:-]+\s*=\s*\{\{/i),
    'Put quotes around an attribute that holds a variable: href="{{ … }}".',
  ],
  [
    endOf(/<[a-z][^<>]*[\s"']on[a-z]+\s*=\s*(?:"[^"]*\{\{|'[^']*\{\{)/i),
    'A variable may not stand inside an on… attribute.',
  ],
  [outputInScript, 'A variable may not stand inside <script>.'],
];

/** @throws TemplateError `template_unsafe` with the place */
export function refuseUnsafePlaces(source: string): void {
  for (const [firstOf, sentence] of PLACES) {
    const end = firstOf(source);
    if (end === undefined) continue;
    const before = source.slice(0, end).split('\n');
    throw new TemplateError('template_unsafe', sentence, {
      line: before.length,
      column: Math.max(1, (before.at(-1)?.length ?? 0) - 1),
    });
  }
}

/** Where the first match of a pattern ends. */
function endOf(pattern: RegExp): (source: string) => number | undefined {
  return (source) => {
    const match = pattern.exec(source);
    return match ? match.index + match[0].length : undefined;
  };
}

/** Scripts from their `<script>` to the next `</script`, but for data that mailboxes read (JSON-LD). */
function outputInScript(source: string): number | undefined {
  const open = /<script\b/gi;
  const close = /<\/script/gi;
  while (open.exec(source)) {
    const body = source.indexOf('>', open.lastIndex);
    if (body === -1) return undefined;
    close.lastIndex = body;
    const end = close.exec(source)?.index ?? source.length;
    const output = source.slice(body, end).indexOf('{{');
    const isData = /application\/ld\+json/i.test(source.slice(open.lastIndex, body));
    if (output !== -1 && !isData) return body + output + 2;
    open.lastIndex = end;
  }
  return undefined;
}
