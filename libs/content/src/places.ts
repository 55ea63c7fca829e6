/**
 * Places in HTML where no escaping makes a value safe, found when a template is saved. Deliberately simple patterns over
 * the source: they catch honest authors before the mistake ships, while the escaping in output.ts guards the rendering.
 */
import { TemplateError } from './errors.js';

const PLACES: readonly (readonly [pattern: RegExp, sentence: string])[] = [
  [
    /<[a-z][^<>]*[\s"'][a-z:-]+\s*=\s*\{\{/i,
    'Put quotes around an attribute that holds a variable: href="{{ … }}".',
  ],
  [
    /<[a-z][^<>]*[\s"']on[a-z]+\s*=\s*(?:"[^"]*\{\{|'[^']*\{\{)/i,
    'A variable may not stand inside an on… attribute.',
  ],
  [
    /<script\b(?![^>]*application\/ld\+json)[^>]*>(?:(?!<\/script)[^])*?\{\{/i,
    'A variable may not stand inside <script>.',
  ],
];

/** @throws TemplateError `template_unsafe` with the place */
export function refuseUnsafePlaces(source: string): void {
  for (const [pattern, sentence] of PLACES) {
    const match = pattern.exec(source);
    if (!match) continue;
    const before = source.slice(0, match.index + match[0].length).split('\n');
    throw new TemplateError('template_unsafe', sentence, {
      line: before.length,
      column: Math.max(1, (before.at(-1)?.length ?? 0) - 1),
    });
  }
}
