import { describe, expect, it } from '@jest/globals';
import { compileTemplate } from '@carillon/content';
import fc from 'fast-check';
import { addressOf, headerLine, rawMail, writtenMail, type WireMail } from './mime.js';

const bytesOf = (mail: WireMail): string => {
  // Filled, so that nothing is taken for written that was not.
  const slab = Buffer.alloc(mail.bound + 10, 0xff);
  const end = mail.write(slab, 0);
  expect(end).toBeLessThanOrEqual(mail.bound);
  return slab.toString('latin1', 0, end);
};
const bodyOf = (wire: string): string => wire.slice(wire.indexOf('\r\n\r\n') + 4, -'\r\n.\r\n'.length);
const decoded = (body: string): string =>
  Buffer.from(
    body
      .replace(/=\r\n/g, '')
      .replace(/=([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(parseInt(hex, 16))),
    'latin1',
  ).toString();
const lines = (text: string): string => text.replace(/\r\n|\r|\n/g, '\r\n');

/** What makes a text dangerous or easy to lose on the way. */
const text = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        '.',
        '..',
        '\n',
        '\r\n',
        ' ',
        '\t',
        '=',
        '=\r\n',
        '--=_carillon',
        '\n.\r\n',
        'ü',
        '🙂',
        'x'.repeat(74),
        'x'.repeat(75),
        'x'.repeat(76),
        ' '.repeat(80),
        '\0',
      ),
      fc.string({ unit: 'grapheme' }),
    ),
    { maxLength: 12 },
  )
  .map((parts) => parts.join(''));

describe('a mail on the wire', () => {
  const safe = (wire: string) => {
    const body = wire.slice(0, -3);
    for (const line of body.split('\r\n')) {
      expect(line.length).toBeLessThanOrEqual(76);
      expect(line).not.toMatch(/^\.|[ \t]$|[^\x20-\x7e\t]/);
    }
    expect(wire.endsWith('\r\n.\r\n')).toBe(true);
  };

  it('says what was written, in short lines of ASCII, none of them a dot (600)', () => {
    fc.assert(
      fc.property(text, (written) => {
        const wire = bytesOf(writtenMail('', written, null));
        safe(wire);
        expect(decoded(bodyOf(wire))).toBe(lines(written));
      }),
      { numRuns: 600 },
    );
  });

  it('is the same from pieces as from whole texts (300)', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(text, text), { maxLength: 6 }), (pairs) => {
        // A template made of the first texts, with the second as values.
        const source = pairs
          .map(([fixed], i) => `${fixed.replace(/[{}%]/g, '').toWellFormed()}{{ v${i} }}`)
          .join('');
        const data = Object.fromEntries(pairs.map(([, value], i) => [`v${i}`, value]));
        const template = compileTemplate(source, { html: false });
        const segments = template.segments(data);
        if (!segments) return;
        const wire = bytesOf(writtenMail('', segments, null));
        safe(wire);
        // A line break may come apart only where one text ends in CR and the next begins with LF.
        const whole = template.render(data);
        if (!/\r$/m.test(pairs.flat().join('|'))) expect(decoded(bodyOf(wire))).toBe(lines(whole));
      }),
      { numRuns: 300 },
    );
  });

  it('keeps text and HTML apart', () => {
    const wire = bytesOf(writtenMail('Subject: x\r\n', '--=_carillon--\r\n.', '<p title="=">ü</p>'));
    expect(wire.split('\r\n--=_carillon').length).toBe(4);
    expect(wire).toContain('<p title=3D"=3D">=C3=BC</p>');
  });

  it('doubles dots of a message made elsewhere', async () => {
    expect(bytesOf(await rawMail(Buffer.from('a\n.\n..b\r\nc')))).toBe('a\r\n..\r\n...b\r\nc\r\n.\r\n');
  });
});

describe('headers', () => {
  it.each([
    ['Hello', 'Subject: Hello\r\n'],
    ['Grüße', 'Subject: =?UTF-8?B?R3LDvMOfZQ==?=\r\n'],
    ['=?utf-8?Q?=0D=0ABcc:?=', /^Subject: =\?UTF-8\?B\?[\w+/=]+\?=\r\n$/],
    ['a\r\nBcc: eve@evil.test', /^Subject: =\?UTF-8\?B\?[\w+/=]+\?=\r\n$/],
  ])('%j', (given, line) => {
    const made = headerLine('Subject', given);
    if (typeof line === 'string') expect(made).toBe(line);
    else expect(made).toMatch(line);
  });

  it('stay one header whatever they say, and say it (400)', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.string(), fc.string({ unit: 'grapheme', maxLength: 200 }), fc.lorem({ maxCount: 60 })),
        (given) => {
          const made = headerLine('Subject', given);
          expect(made).toMatch(/^Subject: (?:[\x20-\x7e]|\r\n )*\r\n$/);
          for (const line of made.split('\r\n')) expect(line.length).toBeLessThanOrEqual(998);
          const unfolded = made.slice('Subject: '.length, -2);
          const words = [...unfolded.matchAll(/=\?UTF-8\?B\?([\w+/=]*)\?=/g)];
          const read =
            words.length > 0
              ? words.map(([, word = '']) => Buffer.from(word, 'base64').toString()).join('')
              : unfolded.replace(/\r\n/g, '');
          expect(read).toBe(given);
        },
      ),
      { numRuns: 400 },
    );
  });

  it.each([
    ['Ada Lovelace', 'Ada Lovelace <a@b.test>'],
    ['Lovelace, Ada "the first"', '"Lovelace, Ada \\"the first\\"" <a@b.test>'],
    ['Łukasz', '=?UTF-8?B?xYF1a2Fzeg==?= <a@b.test>'],
    ['', 'a@b.test'],
  ])('name an address: %j', (name, header) => {
    expect(addressOf({ name, address: 'a@b.test' })).toBe(header);
  });
});
