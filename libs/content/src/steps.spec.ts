import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Liquid } from 'liquidjs';
import { compileTemplate } from './index.js';

/** liquidjs by itself, without our shortcut, is the judge. */
const judges = [true, false].map(
  (html) =>
    new Liquid({
      strictVariables: true,
      strictFilters: true,
      ownPropertyOnly: true,
      lenientIf: true,
      ...(html && { outputEscape: 'escape' as const }),
    }),
);

describe('the shortcut for fixed text and plain paths', () => {
  const piece = fc.constantFrom(
    ...[
      'text ',
      '<b>',
      '{{ a }}',
      '{{a.b}}',
      '{{ a.b.c }}',
      '{{- n -}}',
      '{{ list }}',
      '{{ list.size }}',
      '{{ list[0] }}',
      '{{ list.first }}',
    ],
    ...[
      '{{ s.size }}',
      '{{ gone }}',
      '{{ a.gone }}',
      '{{ nothing }}',
      '{{ nothing.deep }}',
      '{{ yes }}',
      '{{ s | upcase }}',
      '{{ gone | default: s }}',
    ],
    ...[
      '{% assign s = "new" %}',
      '{% assign a = s %}',
      '{% capture n %}<{{ s }}>{% endcapture %}',
      '{% increment n %}',
      '{% decrement up %}{{ up }}',
    ],
    ...[
      '{% if yes %}{{ s }}{% endif %}',
      '{% for i in list %}{{ i }}{{ s }}{% endfor %}',
      '{% break %}',
      '{% continue %}',
      '{{ "lit" }}',
      '{{ 3 }}',
    ],
    ...[
      '{{ a["b"].c }}',
      '{{ a[s] }}',
      '{{ true }}',
      '{{ nil }}',
      '{{ empty }}',
      '{{ blank }}',
      '{{ constructor }}',
      '{{ a.__proto__ }}',
    ],
  );
  const scalar = fc.oneof(fc.string(), fc.double(), fc.boolean(), fc.constantFrom('<&>"\'', 'x', '', 0, -0));
  const data = fc.record({
    a: fc.oneof(fc.record({ b: fc.oneof(fc.record({ c: scalar }), scalar) }), scalar, fc.constant([])),
    s: scalar,
    n: scalar,
    yes: fc.boolean(),
    nothing: fc.constant(null),
    list: fc.oneof(fc.array(scalar, { maxLength: 3 }), fc.record({ size: scalar, first: scalar })),
  });

  it('gives what liquidjs gives, text and HTML, or fails where it fails', () => {
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), data, fc.boolean(), (pieces, values, html) => {
        const source = pieces.join('');
        const judge = judges[html ? 0 : 1] as Liquid;
        let expected: string | undefined;
        try {
          expected = judge.parseAndRenderSync(source, structuredClone(values)) as string;
        } catch {
          expected = undefined;
        }
        let result: string | undefined;
        try {
          result = compileTemplate(source, { html }).render(values);
        } catch {
          result = undefined;
        }
        // Objects are the one difference we want: no data decides how it is printed.
        if (expected?.includes('[object Object]'))
          expected = expected.replaceAll('[object Object]', '[object]');
        expect(result).toBe(expected);
      }),
      { numRuns: 1500 },
    );
  });
});
