import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { compileTemplate, TemplateError, type Compiled } from './index.js';

/** What liquidjs says, with our filters, limits and escaping. */
function judged(template: Compiled, data: Record<string, unknown>): string | TemplateError {
  try {
    return template.render(data, { now });
  } catch (error) {
    if (error instanceof TemplateError) return error;
    throw error;
  }
}
/** Undefined for what nobody can save: an attribute without quotes. */
function readable(source: string, html: boolean): Compiled | undefined {
  try {
    return compileTemplate(source, { html });
  } catch (error) {
    if (error instanceof TemplateError && error.code === 'template_unsafe') return undefined;
    throw error;
  }
}
const now = new Date('2026-03-01T12:00:00Z');

function same(source: string, html: boolean, data: Record<string, unknown>): 'compiled' | 'left' {
  const template = readable(source, html);
  const segments = template?.segments(data, { now });
  const expected = template && judged(template, data);
  if (segments === undefined) return 'left';
  expect(String(segments)).toBe(expected);
  expect(segments.toBytes().equals(Buffer.from(expected as string))).toBe(true);
  expect(segments.byteLength()).toBe(Buffer.byteLength(expected as string));
  return 'compiled';
}

describe('a compiled template says what liquidjs says', () => {
  const path = fc.constantFrom(
    ...['a', 's', 'n', 'list', 'a.b', 'a.b.c', 'list.size', 'list.first', 'list[0]', 'list[-1]', 's.size'],
    ...[
      'gone',
      'a.gone',
      'nothing',
      'nothing.deep',
      'yes',
      'url',
      'markup',
      'item',
      'item.x',
      'two',
      'a["b"]',
    ],
    ...['forloop.index', 'forloop.last', 'rows', 'rows[0].x', 'a.size', 'x', 'emoji', 's[0]', 's.length'],
  );
  const literal = fc.constantFrom('"lit"', '3', '-1.5', 'true', 'false', 'nil', 'empty', 'blank', "' <&> '");
  const filter = fc.constantFrom(
    ...['upcase', 'downcase', 'capitalize', 'strip', 'escape', 'escape_once', 'newline_to_br', 'url_encode'],
    ...['append: "x"', 'prepend: s', 'append: gone', 'truncate: 5', 'truncate: 3, "…"', 'default: "none"'],
    ...[
      'default: s',
      'default: gone',
      'default: false, allow_false: true',
      'plus: 1',
      'times: n',
      'divided_by: 3',
    ],
    ...['round: 1', 'abs', 'at_most: 4', 'date', 'date: "%d.%m.%Y"', 'date: "nonsense"', 'number: 2', 'raw'],
    ...['currency: "EUR"', 'currency', 'time', 'lstrip', 'rstrip', 'strip_newlines', 'modulo: 2'],
  );
  const value = fc.oneof({ weight: 5, arbitrary: path }, { weight: 1, arbitrary: literal });
  const output = fc
    .tuple(value, fc.array(filter, { maxLength: 2 }), fc.boolean())
    .map(([v, filters, trim]) => `{{${trim ? '-' : ''} ${[v, ...filters].join(' | ')} ${trim ? '-' : ''}}}`);
  const fixed = fc.constantFrom(
    ...[
      ' ',
      'text ',
      '<b>',
      '</b>',
      '\n',
      '  \n',
      'ünï',
      '🙂',
      '<a href="',
      '<a href=',
      '">',
      "<img src='",
      "'>",
    ],
    ...[
      '=',
      '"',
      'src',
      ' href',
      '<p title="',
      '{% comment %}x{% endcomment %}',
      '{% raw %}{{ x }}{% endraw %}',
    ],
    ...['a long stretch of text between two places, longer than what is looked back at ', ' href="', '/'],
  );
  const operator = fc.constantFrom('==', '!=', '<', '>', '<=', '>=', 'contains', 'and', 'or');
  const condition = fc.oneof(
    value,
    fc.tuple(value, operator, value).map((parts) => parts.join(' ')),
    fc.tuple(value, operator, value, operator, value).map((parts) => parts.join(' ')),
    value.map((v) => `not ${v}`),
  );
  const { template } = fc.letrec<{ template: string; piece: string }>((tie) => ({
    template: fc.array(tie('piece'), { maxLength: 7 }).map((pieces) => pieces.join('')),
    piece: fc.oneof(
      { maxDepth: 3, depthIdentifier: 'tags' },
      fixed,
      output,
      output,
      fc
        .tuple(condition, tie('template'), condition, tie('template'), tie('template'), fc.boolean())
        .map(([c, t, d, u, e, trim]) =>
          trim
            ? `{%- if ${c} -%}${t}{%- else -%}${e}{%- endif -%}`
            : `{% if ${c} %}${t}{% elsif ${d} %}${u}{% else %}${e}{% endif %}`,
        ),
      fc
        .tuple(condition, tie('template'), tie('template'))
        .map(([c, t, e]) => `{% unless ${c} %}${t}{% else %}${e}{% endunless %}`),
      fc
        .tuple(value, value, tie('template'), value, tie('template'), tie('template'))
        .map(
          ([v, w, t, x, u, e]) =>
            `{% case ${v} %}{% when ${w}, "lit" %}${t}{% when ${x} %}${u}{% else %}${e}{% endcase %}`,
        ),
      fc
        .tuple(
          fc.constantFrom('item', 'x', 's'),
          fc.oneof(path, fc.constantFrom('(1..3)', '(n..two)', 'rows')),
          fc.constantFrom(
            '',
            ' limit:2',
            ' offset:1',
            ' reversed',
            ' limit:two offset:1 reversed',
            ' limit:gone',
          ),
          tie('template'),
          tie('template'),
        )
        .map(([i, l, m, t, e]) => `{% for ${i} in ${l}${m} %}${t}{% else %}${e}{% endfor %}`),
      fc
        .tuple(fc.constantFrom('x', 's', 'a'), value, fc.array(filter, { maxLength: 1 }))
        .map(([k, v, f]) => `{% assign ${k} = ${[v, ...f].join(' | ')} %}`),
    ),
  }));
  const scalar: fc.Arbitrary<unknown> = fc.oneof(
    fc.string(),
    fc.string({ unit: 'binary', maxLength: 5 }),
    fc.double(),
    fc.integer(),
    fc.boolean(),
    fc.constant(null),
    fc.constantFrom(
      '<&>"\'',
      ' href=',
      'href="',
      'x=',
      'javascript:',
      'https://a.test/?q=1&r=2',
      '',
      ' ',
      0,
      -0,
      '2026-02-03',
      '\ud83d',
      'ß',
      1760000000,
      '12.5',
    ),
  );
  const data = fc.record(
    {
      a: fc.oneof(fc.record({ b: fc.oneof(fc.record({ c: scalar }), scalar) }), scalar, fc.constant([])),
      s: fc.oneof(fc.string(), scalar),
      n: fc.oneof(fc.integer({ min: -2, max: 5 }), scalar),
      two: fc.constant(2),
      yes: fc.boolean(),
      nothing: fc.constant(null),
      url: fc.constantFrom('javascript:alert(1)', 'https://acme.test/?a=1&b=2', 'java', 'script:x', '/x y'),
      markup: fc.constantFrom('<b>', '<a href="', ' href="javascript:', '">', "' src='"),
      emoji: fc.constantFrom('🙂', '👩‍👩‍👧', '\ud83d', '\ude42', 'e\u0301'),
      item: scalar,
      x: scalar,
      rows: fc.array(fc.record({ x: scalar, y: scalar }), { maxLength: 3 }),
      list: fc.oneof(fc.array(scalar, { maxLength: 3 }), fc.record({ size: scalar, first: scalar })),
    },
    { requiredKeys: ['two'] },
  );

  it('for templates of all it knows, in HTML and in text (3,000)', () => {
    let compiled = 0;
    fc.assert(
      fc.property(template, data, fc.boolean(), (source, values, html) => {
        if (same(source, html, values as Record<string, unknown>) === 'compiled') compiled++;
      }),
      { numRuns: 3000 },
    );
    // The others lacked a variable, printed a list, or used a filter wrongly.
    // About 800 of these; the bound only says that the property is about compiled templates at all.
    expect(compiled).toBeGreaterThan(500);
  }, 120_000);
});

describe('what is compiled', () => {
  const data = {
    s: 'Ada <&> "Grace"',
    n: 1234.5,
    nothing: null,
    list: [{ x: 1 }, { x: 'zwei' }, { x: null }],
    words: ['a', 'b', 'c', 'd'],
    hollow: '',
    none_here: null,
    url: 'javascript:alert(1)',
    ok: 'https://acme.test/?a=1&b=2',
    at: '2026-02-03',
    emoji: '👩‍👩‍👧 ünï',
    of: { 'odd key': { deep: [1, [2, 3]] } },
  };
  it.each([
    ['{{ s }} {{ n }} {{ nothing }}|{{ hollow }}|{{ emoji }}'],
    ['{{ of["odd key"].deep[1][0] }} {{ of.size }} {{ s.size }} {{ words.last }} {{ words[-2] }}'],
    ['<a href="{{ url }}">{{ url }}</a><a href="{{ ok }}">{{ ok }}</a><a href="/{{ s }}" title="{{ url }}">'],
    ['<a href="{{ hollow }}{{ url }}">'],
    ['{{ s | raw }}{{ s | escape }}{{ s | upcase }}{{ "x\ny" | newline_to_br }}'],
    [
      '{{ gone | default: "none" }}{{ hollow | default: s }}{{ n | default: 1 }}{{ nothing | default: "nix" }}',
    ],
    [
      '{{ n | number: 2 }} {{ n | currency: "EUR" }} {{ at | date: "short" }} {{ at | date: "%e. %B" }} {{ "now" | time }}',
    ],
    [
      '{% if s == "x" or n > 3 and words contains "b" %}y{% else %}n{% endif %}{% unless gone %}u{% endunless %}',
    ],
    [
      '{% if gone == nil %}1{% endif %}{% if hollow == blank %}2{% endif %}{% if words == empty %}3{% endif %}',
    ],
    ['{% case n %}{% when 1, 1234.5 %}a{% when "x" %}b{% else %}c{% endcase %}'],
    [
      '{% for r in list %}{{ forloop.index }}/{{ forloop.length }} {{ r.x }}{% unless forloop.last %}, {% endunless %}{% endfor %}',
    ],
    [
      '{% for a in words limit: 2 offset: 1 reversed %}{{ a }}{% for b in words %}{{ forloop.rindex0 }}{{ a }}{{ b }}{% endfor %}{% endfor %}',
    ],
    ['{% for i in (1..3) %}{{ i }}{% endfor %}{% for x in none_here.y %}{% else %}{% endfor %}'],
    ['{% for pair in of %}{{ pair[0] }}{% endfor %}{% for c in s %}{{ c }}{% endfor %}'],
    ['{% assign s = "new" %}{{ s }}{% if n == 0 %}{% assign n = 9 %}{% endif %}{{ n }}'],
    [
      ' {%- if s -%}  x  {%- endif -%} {{- n -}}  y {% comment %}{{ x }}{% endcomment %}{% raw %}{{ no }}{% endraw %}',
    ],
    ['.{% for w in words %}.{{ w }}\r\n.{% endfor %}'],
  ])('%s', (source) => {
    for (const html of [true, false]) expect(same(source, html, data)).toBe('compiled');
  });

  it.each([
    ['{% capture x %}{% endcapture %}', /capture/],
    ['a\n{% cycle "a", "b" %}', /cycle/],
    ['{{ s | replace: "a", "b" }}', /replace/],
    ['{{ s | split: "" | join: "-" }}', /split/],
    ['{{ list[n] }}', /index/],
    ['{{ at | date: "%100000000d" }}', /pattern/],
    ['{{ at | date: s }}', /pattern/],
    ['{% for x in list %}{% break %}{% endfor %}', /break/],
    ['{% for x in list %}{{ forloop }}{% endfor %}', /forloop/],
    ['{% for x in list offset: continue %}{% endfor %}', /continue/],
  ])('leaves %s to liquidjs and says why', (source, what) => {
    const template = compileTemplate(source, { html: false });
    expect(template.outside?.what).toMatch(what);
    expect(template.outside?.line).toBe(source.startsWith('a') ? 2 : 1);
    expect(template.segments(data)).toBeUndefined();
  });

  it.each([
    ['a missing variable', '{{ of.gone.deep }}'],
    ['a list to be printed', '{{ words }}'],
    ['an object for a filter', '{{ of | upcase }}'],
    ['a filter used wrongly', '{{ n | currency: "euro" }}'],
    ['a missing list', '{% for x in gone %}{% endfor %}'],
    ['half a character', '{{ half }}'],
  ])('says nothing about %s', (_name, source) => {
    const template = compileTemplate(source, { html: true });
    expect(template.outside).toBeUndefined();
    expect(template.segments({ ...data, half: '\ud83d' })).toBeUndefined();
  });

  it('calls nothing that data brings along', () => {
    const trap = () => {
      throw new Error('called');
    };
    const hostile = { f: trap, o: { toString: trap, valueOf: trap, toLiquid: trap, size: trap } };
    for (const source of [
      '{{ f }}',
      '{{ o }}',
      '{{ o.size }}',
      '{{ o | append: "x" }}',
      '{% if o < 1 %}{% endif %}',
    ])
      expect(compileTemplate(source, { html: true }).segments(hostile)).toBeUndefined();
  });
});

/** What stands here would keep the caller's own process busy or fill its memory. */
describe('templates made to hurt end early', () => {
  const long = 'x'.repeat(1_000_000);
  const many = Array.from({ length: 5000 }, (_, i) => i);
  const blanks = `a${' '.repeat(500_000)}b`;
  it.each([
    [
      'loops in loops',
      '{% for a in many %}{% for b in many %}{% for c in many %}.{% endfor %}{% endfor %}{% endfor %}',
    ],
    ['empty loops in loops', '{% for a in many %}{% for b in many %}{% endfor %}{% endfor %}'],
    ['a long range', '{% for a in (1..900000000) %}{% endfor %}'],
    ['ranges in a loop', '{% for a in (1..30000) %}{% for b in (1..30000) %}{% endfor %}{% endfor %}'],
    [
      'a text that doubles',
      '{% assign s = "xx" %}{% for a in many %}{% assign s = s | append: s %}{% endfor %}{{ s }}',
    ],
    ['a text printed again and again', '{% for a in many %}{{ long }}{% endfor %}'],
    [
      'comparing long texts',
      '{% for a in many %}{% if long == other %}{% endif %}{% if long contains "y" %}{% endif %}{% endfor %}',
    ],
    ['stripping blanks', '{% for a in many %}{{ blanks | strip | rstrip | strip_newlines }}{% endfor %}'],
    ['formatting', '{% for a in many %}{{ a | currency: "EUR" }}{{ a | date: "full" }}{% endfor %}'],
    ['searching lists', '{% for a in many %}{% if many contains "x" %}{% endif %}{% endfor %}'],
    ['counting keys', '{% for a in many %}{{ wide.size }}{% endfor %}'],
    ['entries of an object', '{% for a in many %}{% for b in wide %}{% endfor %}{% endfor %}'],
    ['reversing', '{% for a in many %}{% for b in many limit: 1 reversed %}{% endfor %}{% endfor %}'],
    [
      'output without end',
      '{% for a in many %}{% for b in many %}0123456789012345678901234567890123456789{% endfor %}{% endfor %}',
    ],
  ])('%s', (_name, source) => {
    const wide = Object.fromEntries(many.map((n) => [`k${n}`, n]));
    const template = compileTemplate(source, { html: true });
    expect(template.outside).toBeUndefined();
    const before = process.cpuUsage();
    expect(template.segments({ many, long, other: `${long.slice(1)}y`, blanks, wide })).toBeUndefined();
    const { user, system } = process.cpuUsage(before);
    // Processor time, not the clock's: what a busy machine does is not the template's fault.
    expect((user + system) / 1000).toBeLessThan(500);
  });
});
