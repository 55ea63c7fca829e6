import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  assertHeaderSafe,
  compileTemplate,
  HeaderUnsafe,
  htmlToText,
  isHttpUrl,
  isMjml,
  isSafeUrl,
  mjmlToHtml,
  rejectDangerousKeys,
  smsSegments,
  TemplateError,
  unsafeTextCharacters,
  unsafeUrls,
  withoutUnsafeUrls,
} from './index.js';

describe('htmlToText', () => {
  it('keeps words, links and Liquid, and leaves decoration out', () => {
    const text = htmlToText(`<html><head><title>T</title><style>p{}</style></head><body>
      <div style="display:none">preheader</div><h1>Hello {{ name }}</h1>
      <p>See <a href="{{ url }}">your order</a> at <a href="https://x.y">https://x.y</a> &amp; more<br>Bye</p>
      <img src="a.png" alt="logo"><table><tr><td>Tea</td><td>2 €</td></tr></table>
      {% for i in list %}<li>{{ i | upcase }}</li>{% endfor %}</body></html>`);
    expect(text).toBe(
      'Hello {{ name }}\n\nSee your order [{{ url }}] at https://x.y & more\nBye\n\nTea 2 €\n\n{% for i in list %}{{ i | upcase }}{% endfor %}',
    );
  });

  it('does not break long lines, since encodings do that', () => {
    expect(htmlToText(`<p>${'word '.repeat(100)}</p>`).split('\n')).toHaveLength(1);
  });
});

describe('MJML', () => {
  const mjml = (body: string) =>
    `<mjml><mj-head><mj-preview>Pre {{ a }}</mj-preview></mj-head><mj-body><mj-section><mj-column>${body}</mj-column></mj-section></mj-body></mjml>`;

  it('becomes HTML with its Liquid untouched, and that HTML compiles', async () => {
    const html = await mjmlToHtml(
      mjml(
        '<mj-text>Hi {{ name | upcase }} {% if vip %}!{% endif %}</mj-text><mj-button href="{{ url }}?a=1&b=2">Go</mj-button>',
      ),
    );
    expect(html).toContain('<!doctype html>');
    const rendered = compileTemplate(html, { html: true }).render({
      a: 'p',
      name: '<ana>',
      url: 'https://x.y/',
      vip: true,
    });
    expect(rendered).toContain('Hi &lt;ANA&gt; !');
    expect(rendered).toContain('href="https://x.y/?a=1');
    expect(htmlToText(html)).toBe(
      'Hi {{ name | upcase }} {% if vip %}!{% endif %}\n\nGo [{{ url }}?a=1&b=2]',
    );
  });

  it.each([
    ['an unknown element', mjml('<mj-foo></mj-foo>'), /mj-foo/, 1],
    ['an include', mjml('<mj-include path="/etc/passwd" />'), /mj-include/, 0],
    ['no MJML at all', '<p>', /valid MJML/, 0],
  ])('refuses %s', async (_name, source, sentence, line) => {
    const error = await mjmlToHtml(source).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(TemplateError);
    expect(error).toMatchObject({ code: 'mjml_invalid', line, message: expect.stringMatching(sentence) });
  });

  it.each([
    ['<mjml>', true],
    ['\n <!-- c --> <mjml lang="de">', true],
    ['<p><mjml></p>', false],
    ['<mjmlx>', false],
    ['', false],
  ])('knows %j', (source, is) => expect(isMjml(source)).toBe(is));
});

describe('SMS segments', () => {
  it.each<[name: string, text: string, encoding: string, units: number, segments: number]>([
    ['nothing', '', 'GSM-7', 0, 0],
    ['one letter', 'a', 'GSM-7', 1, 1],
    ['a full single', 'a'.repeat(160), 'GSM-7', 160, 1],
    ['one more', 'a'.repeat(161), 'GSM-7', 161, 2],
    ['two full', 'a'.repeat(306), 'GSM-7', 306, 2],
    ['two and one', 'a'.repeat(307), 'GSM-7', 307, 3],
    ['euro signs, two each', '€'.repeat(80), 'GSM-7', 160, 1],
    ['an extension pair is not torn', 'a'.repeat(152) + '€' + 'a'.repeat(152), 'GSM-7', 306, 3],
    ['all of the alphabet', '@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ ¤¡ÄÖÑÜ§¿äöñüà', 'GSM-7', 45, 1],
    ['all of the extension', '\f^{}\\[~]|€', 'GSM-7', 20, 1],
    ['a c with cedilla is not in it', 'ç', 'UCS-2', 1, 1],
    ['a backtick is not in it', '`', 'UCS-2', 1, 1],
    ['a full Unicode single', 'я'.repeat(70), 'UCS-2', 70, 1],
    ['one more Unicode', 'я'.repeat(71), 'UCS-2', 71, 2],
    ['emoji, two units each', '😀'.repeat(35), 'UCS-2', 70, 1],
    ['an emoji is not torn', '😀'.repeat(67), 'UCS-2', 134, 3],
    ['a typographic quote costs the alphabet', 'it’s', 'UCS-2', 4, 1],
  ])('%s', (_name, text, encoding, units, segments) => {
    expect(smsSegments(text)).toMatchObject({ encoding, units, segments });
  });

  it('has the 127 characters of the alphabet and the 10 of its extension', () => {
    const letters = Array.from({ length: 0x2fff }, (_, code) => String.fromCharCode(code));
    const units = letters.map((letter) => smsSegments(letter)).filter(({ encoding }) => encoding === 'GSM-7');
    expect(units.filter((counted) => counted.units === 1)).toHaveLength(127);
    expect(units.filter((counted) => counted.units === 2)).toHaveLength(10);
  });

  it('names the characters that cost the alphabet, once each', () => {
    expect(smsSegments('a’b’c😀ç').unicodeCharacters).toEqual(['’', '😀', 'ç']);
  });

  it('counts as many segments as it takes, and not one more than tearing pairs would', () => {
    const letter = fc.constantFrom('a', '€', '\n', 'é', '{');
    const other = fc.constantFrom('a', '😀', 'я', '\u200d');
    for (const [alphabet, single, joined] of [
      [letter, 160, 153],
      [other, 70, 67],
    ] as const) {
      fc.assert(
        fc.property(fc.array(alphabet, { maxLength: 700 }), (letters) => {
          const { segments, units, perSegment, encoding } = smsSegments(letters.join(''));
          if (encoding === 'UCS-2') expect(units).toBe(letters.join('').length);
          const limit = encoding === 'GSM-7' ? [160, 153] : [70, 67];
          if (units <= (limit[0] as number))
            expect([segments, perSegment]).toEqual([units ? 1 : 0, limit[0]]);
          else {
            expect(segments * perSegment).toBeGreaterThanOrEqual(units);
            expect(segments).toBeLessThanOrEqual(Math.ceil(units / ((limit[1] as number) - 1)));
          }
          expect([single, joined, 160, 153]).toContain(perSegment);
        }),
      );
    }
  });
});

describe('characters that may not be in a text', () => {
  it.each([
    ['a\u202eb', [{ codePoint: 'U+202E', index: 1, kind: 'bidi' }]],
    [
      '\u2066x\u2069',
      [
        { codePoint: 'U+2066', index: 0, kind: 'bidi' },
        { codePoint: 'U+2069', index: 2, kind: 'bidi' },
      ],
    ],
    ['😀\u0000', [{ codePoint: 'U+0000', index: 2, kind: 'control' }]],
    ['\u001b[31m', [{ codePoint: 'U+001B', index: 0, kind: 'control' }]],
    ['\u0085', [{ codePoint: 'U+0085', index: 0, kind: 'control' }]],
    ['\ud83d', [{ codePoint: 'U+D83D', index: 0, kind: 'invalid' }]],
    ['\uffff', [{ codePoint: 'U+FFFF', index: 0, kind: 'invalid' }]],
    ['line\nbreak\ttab\r\n', []],
    ['שלום\u200f 👨‍👩‍👧 مرحبا', []],
  ])('%j', (text, found) => expect(unsafeTextCharacters(text)).toEqual(found));
});

describe('URLs', () => {
  it.each([
    'javascript:1',
    'JAVASCRIPT:1',
    '\tjava\nscript:1',
    'data:text/html,x',
    'vbscript:x',
    '\u00a0javascript:1',
  ])('%j is not safe', (url) => expect(isSafeUrl(url)).toBe(false));
  it.each(['https://x', '/a', '#', '', 'mailto:a@b.c', 'shop://x', 'javascript', '?a=javascript:1'])(
    '%j is safe',
    (url) => expect(isSafeUrl(url)).toBe(true),
  );
  it.each([
    ['https://x.y/p', true],
    ['HTTP://x', true],
    ['https://user:pw@x.y', false],
    ['//x.y', false],
    ['https:\\\\x.y', false],
    ['javascript:1', false],
    ['https://', false],
    ['x', false],
  ])('%j is an http URL: %s', (url, is) => expect(isHttpUrl(url)).toBe(is));

  it('finds unsafe ones in HTML behind entities, odd spellings and odd elements', () => {
    const html = `<a class="x" HREF="&#106;avascript:alert(1)">a</a><form action=vbscript:x></form>
      <img src="data:image/png;base64,AA"><img src="data:image/svg+xml,<svg>"><iframe src='data:text/html,x'></iframe>
      <svg><a xlink:href="javascript:1"/></svg><a href="https://ok">javascript:</a>`;
    expect(unsafeUrls(html).map(({ element, attribute }) => `${element} ${attribute}`)).toEqual([
      'a href',
      'form action',
      'img src',
      'iframe src',
      'a xlink:href',
    ]);
    expect(unsafeUrls(withoutUnsafeUrls(html))).toEqual([]);
    expect(withoutUnsafeUrls(html)).toContain('<img src="data:image/png;base64,AA">');
  });

  it('cleans exactly the attribute, and nothing else', () => {
    expect(withoutUnsafeUrls(`<a b=1 href='javascript:x' c>y</a><a href=data:x>`)).toBe(
      '<a b=1 href="#" c>y</a><a href="#">',
    );
    const clean = '<p>fine <a href="/x">y</a>';
    expect(withoutUnsafeUrls(clean)).toBe(clean);
  });

  it('lets no unsafe URL through, whatever stands around it', () => {
    const junk = fc.constantFrom(
      '<',
      '>',
      '"',
      "'",
      ' ',
      'a',
      '=',
      '/',
      '<a ',
      'href=',
      'javascript:',
      '&colon;',
      '\n',
      '<!--',
      '-->',
      '</a>',
    );
    fc.assert(
      fc.property(fc.array(junk, { maxLength: 30 }), (pieces) => {
        expect(unsafeUrls(withoutUnsafeUrls(pieces.join('')))).toEqual([]);
      }),
      { numRuns: 500 },
    );
  });
});

describe('what comes from outside', () => {
  it.each(['a\r\nBcc: x', 'a\nb', 'a\rb', 'a\0b'])('%j is no header', (value) => {
    expect(() => assertHeaderSafe(value, 'subject')).toThrow(HeaderUnsafe);
    expect(() => assertHeaderSafe(value, 'subject')).toThrow('The subject holds a line break or NUL.');
  });
  it('other text is', () => expect(assertHeaderSafe('Grüße 👋')).toBe('Grüße 👋'));

  it('finds dangerous keys, dotted ones too, with pointers', () => {
    const json: unknown = JSON.parse(
      '{"a":{"__proto__":{"x":1}},"b":[{"x.constructor.y":1}],"c~/":{"prototype":1},"ok":{"constructors":1,"proto":"__proto__"}}',
    );
    expect(rejectDangerousKeys(json)).toEqual(['/a/__proto__', '/b/0/x.constructor.y', '/c~0~1/prototype']);
    expect(rejectDangerousKeys(null)).toEqual([]);
    expect(rejectDangerousKeys('__proto__')).toEqual([]);
  });

  it('finds a dangerous key at any depth', () => {
    const key = fc.constantFrom('__proto__', 'constructor', 'prototype');
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.string(), fc.constant([])), { maxLength: 50 }),
        key,
        (path, dangerous) => {
          let json: unknown = JSON.parse(`{${JSON.stringify(dangerous)}:1}`);
          for (const step of path) json = Array.isArray(step) ? [json] : { ['k' + step]: json };
          expect(rejectDangerousKeys(json)).toHaveLength(1);
        },
      ),
    );
  });

  it('survives JSON that is deeply nested', () => {
    let json: unknown = JSON.parse('{"__proto__":1}');
    for (let i = 0; i < 20_000; i++) json = [json];
    expect(rejectDangerousKeys(json)).toHaveLength(1);
  });
});
