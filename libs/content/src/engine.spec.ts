import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { compileTemplate, LIMITS, TemplateError, variablesOf, missingVariables } from './index.js';
import type { RenderContext } from './index.js';

type Data = Record<string, unknown>;
const html = (source: string, data: Data = {}, context?: RenderContext) =>
  compileTemplate(source, { html: true }).render(data, context);
const text = (source: string, data: Data = {}, context?: RenderContext) =>
  compileTemplate(source, { html: false }).render(data, context);

function refusal(run: () => unknown): TemplateError {
  try {
    run();
  } catch (error) {
    if (error instanceof TemplateError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

describe('rendering', () => {
  it.each<[source: string, data: Data, result: string]>([
    ['Hi {{ name }}', { name: 'Ana' }, 'Hi Ana'],
    ['{{ a.b[1].c }}', { a: { b: [0, { c: 'x' }] } }, 'x'],
    ['{% for i in items %}{{ i.n }};{% endfor %}', { items: [{ n: 1 }, { n: 2 }] }, '1;2;'],
    ['{% if vip %}A{% else %}B{% endif %}', {}, 'B'],
    ['{{ name | default: "friend" }}', {}, 'friend'],
    ['{{ name | default: "friend" }}', { name: null }, 'friend'],
    ['[{{ name }}]', { name: null }, '[]'],
    ['{{ list | join: "-" }} {{ list.size }} {{ list.first }}', { list: ['a', 'b'] }, 'a-b 2 a'],
    ['{{ yes }} {{ n }} {{ list }}', { yes: false, n: 0, list: ['a', ['b', null]] }, 'false 0 ab'],
    ['{{ o }}', { o: { toString: 'evil' } }, '[object]'],
    ['{% assign x = n | plus: 1 %}{{ x }}', { n: 1 }, '2'],
    ['{% raw %}{{ x }}{% endraw %}', {}, '{{ x }}'],
    ['grüße 👋 {{ name }}', { name: '你好' }, 'grüße 👋 你好'],
  ])('%s', (source, data, result) => expect(text(source, data)).toBe(result));

  it('leaves its data alone', () => {
    const data = Object.freeze({ x: 5 });
    expect(text('{% increment x %}{% assign x = 9 %}{{ x }}', data)).toBe('59');
    expect(data).toEqual({ x: 5 });
  });

  it('renders the same twice', () => {
    const compiled = compileTemplate('{% increment n %}{% cycle "a", "b" %}{{ name }}', { html: true });
    expect(compiled.render({ name: '<', n: 0 })).toBe(compiled.render({ name: '<', n: 0 }));
  });
});

describe('escaping in HTML', () => {
  it.each([
    ['{{ x }}', '&lt;b a=&#34;&#39;&#34;&gt;&amp;'],
    ['{{ x | upcase }}', '&lt;B A=&#34;&#39;&#34;&gt;&amp;'],
    ['{{ x | raw }}', `<b a="'">&`],
    ['{{ x | escape }}', '&lt;b a=&#34;&#39;&#34;&gt;&amp;'],
    ['{{ x | raw | upcase }}', '&lt;B A=&#34;&#39;&#34;&gt;&amp;'],
    [
      '{{ x | escape | append: x }}',
      '&amp;lt;b a=&amp;#34;&amp;#39;&amp;#34;&amp;gt;&amp;amp;&lt;b a=&#34;&#39;&#34;&gt;&amp;',
    ],
    ['{% echo x %}', '&lt;b a=&#34;&#39;&#34;&gt;&amp;'],
    ['{% assign y = x %}{{ y }}', '&lt;b a=&#34;&#39;&#34;&gt;&amp;'],
    ['{% cycle x %}', '&lt;b a=&#34;&#39;&#34;&gt;&amp;'],
    ['{{ x | strip_html }}', '&amp;'],
  ])('%s', (source, result) => expect(html(source, { x: `<b a="'">&` })).toBe(result));

  it('keeps the line breaks it was asked to make', () => {
    expect(html('{{ x | newline_to_br }}', { x: 'a<\nb' })).toBe('a&lt;<br />\nb');
  });

  it('lets no data make markup, whatever the filter', () => {
    const filters = [
      'upcase',
      'strip',
      'escape',
      'escape_once',
      'newline_to_br',
      'append: x',
      'url_decode',
      'json',
    ];
    fc.assert(
      fc.property(
        fc.string().map((x) => x.replaceAll('%', '')),
        fc.subarray(filters),
        (x, chosen) => {
          const source = `[{{ ${['x', ...chosen].join(' | ')} }}]`;
          const rendered = html(source, { x: `<script>"'${x}` }).replaceAll('<br />', '');
          expect(rendered).not.toMatch(/[<>"']/);
        },
      ),
    );
  });

  it('does not escape text', () => expect(text('{{ x }}', { x: '<&>' })).toBe('<&>'));
});

describe('URLs in HTML', () => {
  const link = '<a href="{{ u }}">x</a>';
  it.each([
    ['javascript:alert(1)'],
    ['JaVaScRiPt:alert(1)'],
    ['  javascript:alert(1)'],
    ['java\tscript:alert(1)'],
    ['java\nscript:alert(1)'],
    ['\u0001javascript:alert(1)'],
    ['vbscript:x'],
    ['data:text/html,<script>alert(1)</script>'],
    ['blob:https://x/y'],
    ['file:///etc/passwd'],
  ])('%j becomes #', (u) => {
    expect(html(link, { u })).toBe('<a href="#">x</a>');
    expect(html(`<a href='{{ u }}'>x</a>`, { u })).toBe(`<a href='#'>x</a>`);
    expect(html('<form\n action = "{{ u }}">', { u })).toBe('<form\n action = "#">');
    expect(html('{% capture l %}{{ u }}{% endcapture %}<a href="{{ l }}">', { u })).toBe('<a href="#">');
    expect(html('<a href="{% if u %}{{ u }}{% endif %}">', { u })).toBe('<a href="#">');
  });

  it.each([
    'https://x.y/?a=1',
    'mailto:a@b.c',
    'tel:+1',
    '/path',
    '#top',
    'shop://order/7',
    '',
    'a/javascript:b',
  ])('%j stays', (u) => expect(html(link, { u })).toBe(`<a href="${u}">x</a>`));

  it('does not let two values form a scheme together', () => {
    expect(html('<a href="{{ a }}{{ b }}">', { a: 'java', b: 'script:alert(1)' })).toBe('<a href="java#">');
  });

  it('leaves a URL alone that only contains a value', () => {
    expect(html('<a href="https://x/?to={{ u }}">', { u: 'javascript:1' })).toBe(
      '<a href="https://x/?to=javascript:1">',
    );
  });

  it('reads plain text as what it is', () => {
    expect(html('href: {{ u }}', { u: 'javascript:1' })).toBe('href: javascript:1');
  });

  it.each([
    ['<a href={{ u }}>', /quotes/],
    ['<div class=a\n title={{ u }}>', /quotes/],
    ['<a onclick="go({{ u }})">', /on…/],
    [`<a class="x" onload='{{ u }}'>`, /on…/],
    ['<script>var a = "{{ u }}"</script>', /script/],
    ['<SCRIPT type="text/javascript">\n{{ u }}</SCRIPT>', /script/],
    ['<script>1</script><script>2\n{{ u }}', /script/],
  ])('refuses a place that escaping cannot protect: %s', (source, sentence) => {
    const error = refusal(() => compileTemplate(source, { html: true }));
    expect(error).toMatchObject({ code: 'template_unsafe', line: source.split('\n').length });
    expect(error.sentence).toMatch(sentence);
    expect(refusal(() => variablesOf(source, { html: true })).code).toBe('template_unsafe');
    expect(() => compileTemplate(source, { html: false })).not.toThrow();
  });

  it.each([
    '<p>a={{ u }}</p>',
    '<script type="application/ld+json">{"a":"{{ u }}"}</script>',
    '<script>let a = 1</script>{{ u }}',
    '<a data-on="{{ u }}">',
  ])('accepts %s', (source) => expect(() => compileTemplate(source, { html: true })).not.toThrow());

  it.each(['<script>', '<script ', '<a ', '<a onx="', ' onx=', '<!--'])('soon reads many %j', (piece) => {
    const source = piece.repeat(LIMITS.source / 10);
    variablesOf(source.slice(0, LIMITS.source), { html: true });
    // In proportion to the square of the length, some of them took minutes.
  });
});

describe('errors', () => {
  it('names the missing variable, its place, and where it belongs', () => {
    expect(refusal(() => text('Hi\n  {{ order.items[0].id }}', { order: { items: [{}] } }))).toMatchObject({
      code: 'missing_variable',
      line: 2,
      column: 6,
      variable: 'order.items[0].id',
      pointer: '/order/items/0/id',
      sentence: expect.stringContaining('{{ order.items[0].id | default: "" }}'),
    });
  });

  it.each([
    ['a\n{% if x %}', 2, /not closed/],
    ['{{ x | shout }}', 1, /no filter \| shout/],
    ['{% include "x" %}', 1, /no tag {% include %}/],
    ['{% render "x" %}', 1, /no tag {% render %}/],
    ['{% layout "x" %}', 1, /no tag {% layout %}/],
    ['{{ x | where_exp: "i", "i" }}', 1, /no filter/],
    ['{{ x', 1, /not closed/],
  ])('%s', (source, line, sentence) => {
    const error = refusal(() => compileTemplate(source, { html: true }));
    expect(error).toMatchObject({ code: 'template_syntax', line });
    expect(error.sentence).toMatch(sentence);
  });

  it('never quotes data', () => {
    const error = refusal(() =>
      text('{{ secret | date: fmt }}{{ missing }}', { secret: 'S3CRET', fmt: 'x' }),
    );
    expect(error.message).not.toContain('S3CRET');
  });

  it('reads any text or refuses it with a TemplateError', () => {
    const piece = fc.constantFrom(
      '{{',
      '}}',
      '{%',
      '%}',
      'if',
      'for',
      'x',
      ' ',
      '|',
      '"',
      'in',
      '(1..3)',
      '<a href="',
      '\n',
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 20 }), fc.boolean(), (pieces, asHtml) => {
        try {
          compileTemplate(pieces.join(''), { html: asHtml }).render({ x: [1] });
        } catch (error) {
          expect(error).toBeInstanceOf(TemplateError);
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe('what a template cannot reach', () => {
  const probes = [
    '__proto__',
    'constructor',
    'constructor.constructor',
    'x.__proto__',
    'x.constructor',
    'x.constructor.name',
    's.constructor',
    'list.constructor',
    'list.map',
    's.toString',
    'x["__proto__"]["polluted"]',
    'process',
    'process.env',
    'global',
    'globalThis',
    'require',
    'this',
    'forloop',
    'toString',
    'hasOwnProperty',
  ];
  const data = { x: {}, s: 'text', list: [1] };

  it.each(probes)('{{ %s }}', (probe) => {
    expect(refusal(() => text(`{{ ${probe} }}`, data)).code).toBe('missing_variable');
    expect(text(`{{ ${probe} | default: "" }}`, data)).toBe('');
    expect(text(`{% if ${probe} %}reached{% endif %}`, data)).toBe('');
  });

  it('changes no prototype', () => {
    const evil = JSON.parse(
      '{"__proto__":{"polluted":1},"a":{"constructor":{"prototype":{"polluted":1}}}}',
    ) as Data;
    text(
      '{% assign __proto__ = a %}{% assign x = a.constructor %}{% capture constructor %}1{% endcapture %}',
      evil,
    );
    expect(({} as Data).polluted).toBeUndefined();
  });

  it('ignores what data inherits', () => {
    const inherited = Object.create({ secret: 'x' }) as Data;
    expect(text('{{ a.secret | default: "" }}', { a: inherited })).toBe('');
    expect(refusal(() => text('{{ a.secret }}', { a: inherited })).code).toBe('missing_variable');
    expect(refusal(() => text('{{ secret }}', inherited)).code).toBe('missing_variable');
  });
});

describe('limits', () => {
  // First: collecting what the others leave behind takes the processor of this process.
  it('does not hold it against a template that the machine was busy', () => {
    const data = {
      get slow() {
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LIMITS.milliseconds * 1.5);
        return 'x';
      },
    };
    expect(text('{{ d.slow }}{% if d.slow %}{{ d.slow | upcase }}{% endif %}', { d: data })).toBe('xX');
  });

  const double = (times: number, step: string) => '{% assign a = "0123456789" %}' + step.repeat(times);
  it.each([
    ['a huge range', '{% for i in (1..100000000) %}x{% endfor %}'],
    ['loops in loops', '{% for i in (1..9999) %}{% for j in (1..9999) %}{% endfor %}{% endfor %}'],
    ['a long text', `{% for i in (1..40000) %}${'x'.repeat(100)}{% endfor %}`],
    ['doubling by append', `${double(30, '{% assign a = a | append: a %}')}{{ a }}`],
    ['doubling by capture', `${double(30, '{% capture a %}{{ a }}{{ a }}{% endcapture %}')}{{ a }}`],
    [
      'doubling by raw',
      // Never printed, and short of what a string can hold: only counting what is captured stops it.
      double(24, '{% capture a %}{{ a | raw }}{{ a | raw }}{% endcapture %}'),
    ],
    ['doubling a list', `{% assign l = "a" | split: "" %}${'{% assign l = l | concat: l %}'.repeat(40)}`],
    ['padding in a date', '{{ "now" | date: "%99999999d" }}'],
    ['a table of nothing', '{% tablerow i in (1..5000000) %}{% endtablerow %}'],
    ['replacing', `${double(12, '{% assign a = a | append: a %}')}{{ a | replace: "", a }}`],
  ])('stops %s, in text and in HTML', (_name, source) => {
    for (const asHtml of [true, false]) {
      const error = refusal(() => compileTemplate(source, { html: asHtml }).render({}));
      expect(error.code).toBe('template_limit');
    }
  });

  it('refuses a source that is too long', () => {
    expect(refusal(() => compileTemplate('x'.repeat(LIMITS.source + 1), { html: true })).code).toBe(
      'template_limit',
    );
  });

  it('renders a long but honest mail', () => {
    const rows = Array.from({ length: 500 }, (_, i) => ({ name: `Item ${i}`, price: i }));
    const source =
      '{% for r in rows %}<tr><td>{{ r.name }}</td><td>{{ r.price | currency: "EUR" }}</td></tr>{% endfor %}';
    expect(html(source, { rows }).length).toBeGreaterThan(20_000);
  });
});

describe('dates, numbers and money', () => {
  const at = '2026-11-23T23:30:00Z';
  it.each<[source: string, context: RenderContext, result: string]>([
    [`{{ "${at}" | date }}`, {}, 'November 23, 2026'],
    [`{{ "${at}" | date }}`, { locale: 'de', timeZone: 'Europe/Berlin' }, '24. November 2026'],
    [`{{ "${at}" | date: "%d.%m.%Y %H:%M" }}`, { timeZone: 'Europe/Berlin' }, '24.11.2026 00:30'],
    [`{{ "${at}" | date: "%d.%m.%Y %H:%M" }}`, { timeZone: 'America/New_York' }, '23.11.2026 18:30'],
    [`{{ "${at}" | date: "%d %H:%M", "Asia/Tokyo" }}`, { timeZone: 'America/New_York' }, '24 08:30'],
    [`{{ "${at}" | time }}`, { locale: 'en-GB', timeZone: 'Europe/Paris' }, '00:30'],
    ['{{ 1795476600 | date: "%Y-%m-%d %H:%M" }}', { timeZone: 'UTC' }, '2026-11-23 23:30'],
    ['{{ "2026-07-01T12:00:00+02:00" | date: "%H:%M" }}', { timeZone: 'Europe/Berlin' }, '12:00'],
    [
      '{{ "2026-11-23" | date: "short" }}',
      { locale: 'en-GB', timeZone: 'America/Los_Angeles' },
      '23/11/2026',
    ],
    ['{{ "2026-11-23 08:00" | date: "%d %H:%M" }}', { timeZone: 'America/Los_Angeles' }, '23 08:00'],
    ['{{ "not a date" | date }}', {}, 'not a date'],
    ['[{{ nil | date }}]', {}, '[]'],
    ['{{ "now" | date: "%Y-%m-%d" }}', { now: new Date('2031-02-03T04:05:06Z') }, '2031-02-03'],
    ['{{ 1234567.5 | number }}', { locale: 'de' }, '1.234.567,5'],
    ['{{ "3" | number: 2 }}', { locale: 'fr' }, '3,00'],
    ['{{ "x" | number }}', {}, 'x'],
    ['{{ 12.5 | currency: "EUR" }}', { locale: 'en' }, '€12.50'],
    ['{{ 1200 | currency: "JPY" }}', { locale: 'ja' }, '￥1,200'],
  ])('%s %j', (source, context, result) => expect(text(source, {}, context)).toBe(result));

  it('does not depend on the clock of the machine', () => {
    const source = '{{ "2026-03-29T01:30:00" | date: "%d %H:%M" }} {{ "2026-01-01" | date: "%d %m" }}';
    expect(text(source, {}, { timeZone: 'Pacific/Kiritimati' })).toBe('29 01:30 01 01');
  });

  it.each([
    ['{{ 1 | currency: "EURO" }}', /three letter/],
    ['{{ 1 | currency }}', /three letter/],
    ['{{ 1 | date: "pretty" }}', /knows short/],
    ['{{ 1 | number: 200 }}', /Intl/],
    ['{{ 1 | date: "short", "Mars/Base" }}', /Intl/],
  ])('%s is refused with a sentence', (source, sentence) => {
    const error = refusal(() => text(source));
    expect(error).toMatchObject({ code: 'template_filter', line: 1 });
    expect(error.sentence).toMatch(sentence);
  });
});

describe('variables', () => {
  it('tells what is read, and what cannot be left out', () => {
    const source = `{{ a.b }}{% if c %}{{ d }}{% endif %}
      {% for i in e.items %}{{ i.n }}{{ forloop.index }}{{ j }}{% endfor %}
      {% assign q = r | append: s %}{{ q }}{{ f | default: "" }}{{ g["x y"][0] }}
      {% capture k %}{{ l }}{% endcapture %}{% case m %}{% when "1" %}{{ n }}{% endcase %}{% assign o = p | default: 1 %}`;
    const found = variablesOf(source);
    const names = (required: boolean) => found.filter((v) => v.required === required).map(({ path }) => path);
    expect(names(true)).toEqual(['a.b', 'e.items', 'g["x y"][0]', 'l']);
    expect(names(false)).toEqual(['c', 'd', 'f', 'j', 'm', 'n', 'p', 'r', 's']);
    const compiled = compileTemplate(source, { html: true });
    expect(compiled.variables).toEqual(found.map(({ path }) => path));
    expect(compiled.required).toEqual(names(true));
  });

  it('what is called required is what rendering fails without', () => {
    const sources = [
      '{{ x }}',
      '{{ x | upcase }}',
      '{% if x %}{% endif %}',
      '{% unless x %}{% endunless %}',
      '{{ x | default: 1 }}',
      '{% for i in x %}{% endfor %}',
      '{% case x %}{% when 1 %}{% endcase %}',
      '{% assign y = x %}',
      '{% assign y = x | default: 1 %}',
      '{% capture y %}{{ x }}{% endcapture %}',
      '{% if true %}{{ x }}{% endif %}',
      '{% echo x %}',
      '{% cycle x, "b" %}',
      '{{ "a" | append: x }}',
      '{% tablerow i in x %}{% endtablerow %}',
      '{% for i in (1..x) %}{% endfor %}',
      '{{ x.size }}',
      '{{ x[0] }}',
      '{% liquid echo x %}',
    ];
    for (const source of sources) {
      const required = variablesOf(source).some((variable) => variable.required);
      let fails = false;
      try {
        text(source);
      } catch {
        fails = true;
      }
      // Never cry wolf: what is called required must fail. The other way round, conditions that always hold are not known.
      if (required) expect([source, fails]).toEqual([source, true]);
      else if (fails) expect(source).toBe('{% if true %}{{ x }}{% endif %}');
    }
  });

  it('knows the line of each, in time that grows with the length alone', () => {
    const lines = Array.from({ length: 15_000 }, (_, i) => `{{ a.b${i} }} é`);
    const found = variablesOf(lines.join('\n'));
    // Counting from the start for each of them took half a minute.
    expect(found.map(({ line }) => line).sort((a, b) => a - b)).toEqual(lines.map((_, i) => i + 1));
  });

  it('finds what data lacks, with pointers', () => {
    const variables = variablesOf(
      '{{ a.b }}{{ a["x/y"] }}{{ l.size }}{{ s.first }}{{ l[1] }}{{ n }}{% if z %}{% endif %}',
    );
    expect(missingVariables(variables, { a: { b: null }, l: ['0', '1'], s: [], n: 0 })).toEqual([
      { path: 'a["x/y"]', pointer: '/a/x~1y' },
    ]);
    expect(missingVariables(variables, {}).map(({ pointer }) => pointer)).toEqual([
      '/a/b',
      '/a/x~1y',
      '/l/size',
      '/l/1',
      '/n',
      '/s/first',
    ]);
  });
});
