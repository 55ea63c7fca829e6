import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { getCountries, getCountryCallingCode, getExampleNumber } from 'libphonenumber-js/max';
import examples from 'libphonenumber-js/mobile/examples';
import {
  EXPORT_COLUMNS,
  localeChain,
  mappingErrors,
  normalizeEmail,
  normalizePhone,
  rowReader,
  suggestMapping,
  validLocale,
  validTimeZone,
  zoneOf,
  zonesOfCountry,
} from './index.js';
import type { RowMapping } from './index.js';

describe('normalizeEmail', () => {
  it.each([
    ['ana@example.com', 'ana@example.com'],
    ['  Ana.B+tag@Example.COM \n', 'ana.b+tag@example.com'],
    ['ana@exämple.com', 'ana@xn--exmple-cua.com'],
    ['ana@EXÄMPLE.com', 'ana@xn--exmple-cua.com'],
    ['ana@例え。jp', 'ana@xn--r8jz45g.jp'],
    ["o'hara@example.co.uk", "o'hara@example.co.uk"],
    ['{x}!#$%&*/=?^_`|~-@a-b.museum', '{x}!#$%&*/=?^_`|~-@a-b.museum'],
    ['1@1.de', '1@1.de'],
    [`${'a'.repeat(64)}@example.com`, `${'a'.repeat(64)}@example.com`],
    [`a@${'b'.repeat(63)}.com`, `a@${'b'.repeat(63)}.com`],
  ])('%j', (text, value) => expect(normalizeEmail(text)).toEqual({ ok: true, value, original: text }));

  it.each([
    ['', 'empty'],
    [' \t\n', 'empty'],
    ['ana', 'not_an_email'],
    ['@example.com', 'not_an_email'],
    ['ana@', 'not_an_email'],
    ['a@b@example.com', 'not_an_email'],
    ['ana@example.com,bob@example.com', 'not_an_email'],
    ['Ana <ana@example.com>', 'display_name'],
    ['ana@example.com\r\nBcc: x@y.z', 'control_character'],
    ['ana\u0000@example.com', 'control_character'],
    ['ana@exam\u2028ple.com', 'control_character'],
    ['.ana@example.com', 'local_part'],
    ['ana.@example.com', 'local_part'],
    ['a..b@example.com', 'local_part'],
    ['a b@example.com', 'local_part'],
    ['"a b"@example.com', 'local_part'],
    ['ana(comment)@example.com', 'local_part'],
    ['аna@example.com', 'local_part'],
    ['ana@example', 'domain'],
    ['ana@localhost', 'domain'],
    ['ana@[127.0.0.1]', 'domain'],
    ['ana@127.0.0.1', 'domain'],
    ['ana@127.1', 'domain'],
    ['ana@%41.com', 'domain'],
    ['ana@a/b.com', 'domain'],
    ['ana@a_b.com', 'domain'],
    ['ana@-a.com', 'domain'],
    ['ana@a-.com', 'domain'],
    ['ana@a..com', 'domain'],
    ['ana@.com', 'domain'],
    ['ana@example.com.', 'domain'],
    ['ana@(c)example.com', 'domain'],
    ['ana@xn--a.com', 'domain'],
    ['ana@exam\u00adple.com', 'domain'],
    [`${'a'.repeat(65)}@example.com`, 'too_long'],
    [`a@${'b'.repeat(64)}.com`, 'domain'],
    [`${'a'.repeat(64)}@${'b.'.repeat(100)}com`, 'too_long'],
    ['a'.repeat(100_000), 'too_long'],
  ])('refuses %j', (text, code) => {
    expect(normalizeEmail(text)).toEqual({
      ok: false,
      code,
      sentence: expect.stringMatching(/^[A-Z].*\.$/s),
    });
  });

  it('is settled after one time, and safe in a header and an envelope', () => {
    fc.assert(
      fc.property(fc.oneof(fc.emailAddress(), fc.string({ unit: 'binary' }), fc.webUrl()), (text) => {
        const result = normalizeEmail(text);
        if (!result.ok) return;
        expect(result.value).toMatch(/^[!-~]+@[a-z0-9.-]+$/);
        expect(result.value.length).toBeLessThanOrEqual(254);
        expect(normalizeEmail(result.value)).toEqual({ ...result, original: result.value });
      }),
      { numRuns: 500 },
    );
  });

  it('takes what others take for an address', () => {
    fc.assert(fc.property(fc.emailAddress(), (text) => expect(normalizeEmail(text).ok).toBe(true)));
  });
});

describe('normalizePhone', () => {
  it.each([
    ['+442071838750', undefined, '+442071838750', 'GB'],
    [' +44 (0)20 7183-8750 ', undefined, '+442071838750', 'GB'],
    ['tel:+44 20 7183 8750', undefined, '+442071838750', 'GB'],
    ['020 7183 8750', 'GB', '+442071838750', 'GB'],
    ['020 7183 8750', 'gb', '+442071838750', 'GB'],
    ['0044 20 7183 8750', 'DE', '+442071838750', 'GB'],
    ['0151 23456789', 'DE', '+4915123456789', 'DE'],
    ['+1 202 555 0143', undefined, '+12025550143', 'US'],
    ['+1 (876) 555-1234', undefined, '+18765551234', 'JM'],
    ['+39 06 1234 5678', undefined, '+390612345678', 'IT'],
    ['＋４４ ２０ ７１８３ ８７５０', undefined, '+442071838750', 'GB'],
    ['+800 1234 5678', undefined, '+80012345678', undefined],
  ])('%j in %s', (text, country, value, belongs) => {
    expect(normalizePhone(text, country)).toEqual({
      ok: true,
      value,
      original: text,
      country: belongs,
    });
  });

  it('accepts numbers for films and examples', () => {
    expect(normalizePhone('+44 7700 900123')).toMatchObject({ ok: true, value: '+447700900123' });
    expect(normalizePhone('+1 555 555 0100')).toMatchObject({ ok: true, value: '+15555550100' });
  });

  it.each([
    ['', undefined, 'empty'],
    ['020 7183 8750', undefined, 'no_country'],
    ['0044 20 7183 8750', undefined, 'no_country'],
    ['+999 1234567', undefined, 'no_country'],
    ['020 7183 8750', 'ZZ', 'no_country'],
    ['call +442071838750', undefined, 'not_a_phone'],
    ['abc', undefined, 'not_a_phone'],
    ['+1 800 FLOWERS', undefined, 'not_a_phone'],
    ['+44 20', undefined, 'not_a_phone'],
    ['+1202555014', undefined, 'not_a_phone'],
    ['+1202555014399', undefined, 'not_a_phone'],
    ['112', 'DE', 'not_a_phone'],
    ['+49 30 123456 ext. 5', undefined, 'extension'],
    ['+44207183\n8750', undefined, 'control_character'],
    ['9'.repeat(1000), undefined, 'too_long'],
  ])('refuses %j in %s', (text, country, code) => {
    expect(normalizePhone(text, country)).toEqual({
      ok: false,
      code,
      sentence: expect.stringMatching(/^[A-Z].*\.$/),
    });
  });

  it('says of a number that is written in full what parsing says', () => {
    // A blank makes it take the long way.
    const fields = (text: string, country?: string) => {
      const checked = normalizePhone(text, country);
      return checked.ok ? { ...checked, original: text.trim() } : checked;
    };
    const code = fc.oneof(
      fc.constantFrom(...getCountries()).map((country) => String(getCountryCallingCode(country))),
      fc.constantFrom('0', '800', '870', '979', '999'),
    );
    const number = fc
      .tuple(code, fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 3, maxLength: 14 }))
      .map(([code, digits]) => `+${code}${digits.join('')}`);
    // Also with what is dialled before them inside their country, which has to be taken off.
    const known = fc
      .tuple(fc.constantFrom(...getCountries()), fc.constantFrom('', '', '1', '8', '80', '9', '15', '044'))
      .map(([country, before]) => {
        const example = getExampleNumber(country, examples);
        return example ? `+${example.countryCallingCode}${before}${example.nationalNumber}` : '+1';
      });
    fc.assert(
      fc.property(fc.oneof(number, known), fc.constantFrom(undefined, 'DE', 'us', 'ZZ'), (text, country) => {
        expect(fields(text, country)).toEqual(fields(`${text} `, country));
      }),
      { numRuns: 3000 },
    );
  });

  it('gives E.164 or a refusal for any text, and is settled after one time', () => {
    const text = fc.oneof(
      fc.string(),
      fc
        .array(fc.constantFrom(...'+0123456789 ()-./x'), { maxLength: 25 })
        .map((letters) => letters.join('')),
      fc.bigInt({ min: 10_000_000n, max: 999_999_999_999_999n }).map((digits) => `+${digits}`),
    );
    fc.assert(
      fc.property(text, fc.constantFrom(undefined, 'DE', 'US', 'GB'), (given, country) => {
        const result = normalizePhone(given, country);
        if (!result.ok) return;
        expect(result.value).toMatch(/^\+[1-9]\d{1,14}$/);
        expect(normalizePhone(result.value)).toMatchObject({ ok: true, value: result.value });
      }),
      { numRuns: 500 },
    );
  });
});

describe('zones', () => {
  it.each([
    ['Europe/Paris', 'Europe/Paris'],
    [' europe/PARIS ', 'Europe/Paris'],
    ['UTC', 'UTC'],
    ['America/Argentina/Buenos_Aires', undefined],
    ['Asia/Kolkata', 'Asia/Kolkata'],
    ['US/Eastern', 'US/Eastern'],
    ['Etc/GMT+5', 'Etc/GMT+5'],
  ])('%j', (name, value = name) => expect(validTimeZone(name)).toMatchObject({ ok: true, value }));

  it.each([
    '',
    'Paris',
    'Europe/Nowhere',
    '+02:00',
    '-0500',
    'Europe/Paris; DROP',
    'Europe/Paris\n1',
    'x'.repeat(500),
  ])('refuses %j', (name) => expect(validTimeZone(name)).toMatchObject({ ok: false, code: 'time_zone' }));

  it('gives names that Intl and PostgreSQL know', () => {
    for (const name of Intl.supportedValuesOf('timeZone')) {
      expect(validTimeZone(name.toLowerCase())).toMatchObject({ ok: true, value: name });
    }
  });

  it('knows which countries have one clock', () => {
    expect(zonesOfCountry('DE')).toEqual(['Europe/Berlin']);
    expect(zonesOfCountry('gb')).toEqual(['Europe/London']);
    expect(zonesOfCountry('ES')).toHaveLength(2);
    expect(zonesOfCountry('US').length).toBeGreaterThan(5);
    expect(zonesOfCountry('ZZ')).toEqual([]);
    expect(zonesOfCountry('../x')).toEqual([]);
  });

  it.each([
    ['the profile', { timezone: 'Asia/Tokyo', phoneCountry: 'DE' }, 'Asia/Tokyo', 'profile', 1],
    ['the phone', { timezone: null, phoneCountry: 'DE' }, 'Europe/Berlin', 'phone', 1],
    ['the workspace', {}, 'Europe/Paris', 'workspace', 1],
    [
      'a zone that is none is passed over',
      { timezone: 'Moon/Base', phoneCountry: 'GB' },
      'Europe/London',
      'phone',
      1,
    ],
    ['a country of many clocks leaves doubt', { phoneCountry: 'ES' }, 'Europe/Paris', 'workspace', 2],
    ['an unknown country', { phoneCountry: 'ZZ' }, 'Europe/Paris', 'workspace', 1],
  ])('%s', (_name, profile, zone, source, candidates) => {
    const assumed = zoneOf(profile, 'Europe/Paris');
    expect(assumed).toMatchObject({ zone, source });
    expect(assumed.candidates).toHaveLength(candidates);
  });
});

describe('locales', () => {
  it.each([
    ['fr_ca', 'fr-CA', ['fr-CA', 'fr']],
    ['EN', 'en', ['en']],
    ['zh-hant-tw', 'zh-Hant-TW', ['zh-Hant-TW', 'zh-Hant', 'zh']],
    ['de-DE-u-co-phonebk', 'de-DE-u-co-phonebk', ['de-DE-u-co-phonebk', 'de-DE-u-co', 'de-DE', 'de']],
    ['es-419', 'es-419', ['es-419', 'es']],
    ['iw', 'he', ['he']],
  ])('%s', (tag, value, chain) => {
    expect(validLocale(tag)).toEqual({ ok: true, value, original: tag });
    expect(localeChain(tag)).toEqual(chain);
  });

  it.each(['', 'e', 'english please', 'fr-', '-fr', 'fr--CA', '*', 'x'.repeat(100)])('refuses %j', (tag) => {
    expect(validLocale(tag)).toMatchObject({ ok: false, code: 'locale' });
    expect(localeChain(tag)).toEqual([]);
  });
});

describe('rows', () => {
  const mapping: RowMapping = {
    externalId: 'id',
    email: 'E-Mail',
    phone: 'Mobile',
    locale: 'Lang',
    timezone: 'Zone',
    attributes: {
      firstName: 'First name',
      age: { column: 'Age', type: 'number' },
      vip: { column: 'VIP', type: 'boolean' },
      born: { column: 'Born', type: 'date' },
    },
    allAttributes: 'More',
  };
  const columns = ['id', 'E-Mail', 'Mobile', 'Lang', 'Zone', 'First name', 'Age', 'VIP', 'Born', 'More'];
  /** A row of a file with these columns; the others are blank. */
  const read = (row: Record<string, string>) =>
    rowReader([...columns, 'Ignored'], mapping)([...columns, 'Ignored'].map((name) => row[name] ?? ''));

  it('becomes a profile', () => {
    const row = {
      id: ' p1 ',
      'E-Mail': 'ana@example.com',
      Mobile: '020 7183 8750',
      Lang: 'en_gb',
      Zone: 'europe/london',
      'First name': ' Ana ',
      Age: '41',
      VIP: 'Yes',
      Born: '1985-02-28',
      More: '{"plan":"pro","age":7}',
      Ignored: 'x',
    };
    expect(read(row)).toEqual({
      ok: true,
      profile: {
        externalId: 'p1',
        email: 'ana@example.com',
        phone: '020 7183 8750',
        locale: 'en_gb',
        timezone: 'europe/london',
        attributes: { plan: 'pro', firstName: 'Ana', age: 41, vip: true, born: '1985-02-28' },
      },
    });
  });

  it('leaves alone what has no cell', () => {
    expect(read({ id: 'p1', 'E-Mail': '  ', Age: '' })).toMatchObject({
      ok: true,
      profile: { externalId: 'p1', attributes: {} },
    });
  });

  it.each([
    ['id', '', 'empty'],
    ['id', 'x'.repeat(201), 'value'],
    ['Age', 'old', 'value'],
    ['VIP', 'maybe', 'value'],
    ['Born', '2026-02-31', 'value'],
    ['More', 'pro', 'value'],
    ['More', '["pro"]', 'value'],
    ['More', '{"__proto__":{"plan":"pro"}}', 'value'],
    ['More', '{"constructor":1}', 'value'],
  ])('names a mistake with its column: %s %s', (column, cell, code) => {
    expect(read({ id: 'p1', [column]: cell })).toMatchObject({ ok: false, errors: [{ column, code }] });
  });

  it.each([
    ["'+442071838750", '+442071838750'],
    ['+442071838750', '+442071838750'],
    ["''=1", "'=1"],
  ])('reads what a spreadsheet had to be kept from: %s', (Mobile, phone) => {
    expect(read({ id: '1', Mobile })).toMatchObject({ ok: true, profile: { phone } });
  });

  it.each(['1,5', '0x10', 'Infinity', 'NaN', '1e999', '--1', '1 000'])('%s is no number', (Age) => {
    expect(read({ id: '1', Age })).toMatchObject({ ok: false, errors: [{ column: 'Age' }] });
  });

  it.each([
    ['2024-02-29', true],
    ['2023-02-29', false],
    ['2026-11-23T10:00:00Z', true],
    ['2026-11-23T10:00', true],
    ['2026-11-23T25:00', false],
    ['23.11.2026', false],
    ['2026-1-1', false],
  ])('%s is a date: %s', (Born, ok) => expect(read({ id: '1', Born }).ok).toBe(ok));

  it('touches no prototype, whatever headings and cells are', () => {
    const name = fc.constantFrom('__proto__', 'constructor', 'toString', 'id', 'x');
    fc.assert(
      fc.property(name, name, fc.string(), (attribute, column, value) => {
        const attributes = JSON.parse(`{${JSON.stringify(attribute)}:${JSON.stringify(column)}}`) as Record<
          string,
          string
        >;
        const result = rowReader(['key', column], { externalId: 'key', attributes })(['1', value]);
        const made = result.ok ? result.profile.attributes : {};
        expect(Object.getPrototypeOf(made)).toBe(Object.prototype);
        expect(({} as Record<string, unknown>)['x']).toBeUndefined();
      }),
    );
  });

  it('checks a mapping against the headings of a file', () => {
    const attributes = JSON.parse('{"__proto__":"id","city":"Town"}') as Record<string, string>;
    expect(
      mappingErrors(['id', 'mail'], { externalId: 'id', email: 'email', attributes }).map(
        ({ field, code }) => [field, code],
      ),
    ).toEqual([
      ['email', 'no_such_column'],
      ['attributes.city', 'no_such_column'],
      ['attributes.__proto__', 'name_not_allowed'],
    ]);
    expect(mappingErrors(['id'], { externalId: 'id' })).toEqual([]);
  });

  it('finds a mapping by the usual headings', () => {
    expect(
      suggestMapping([
        'External ID',
        'E-Mail',
        'Mobile Phone',
        'language',
        'Time zone',
        'First name',
        'Plan',
        'LTV',
      ]),
    ).toEqual({
      externalId: 'External ID',
      email: 'E-Mail',
      phone: 'Mobile Phone',
      locale: 'language',
      timezone: 'Time zone',
      attributes: { firstName: 'First name', plan: 'Plan', ltv: 'LTV' },
    });
    expect(suggestMapping(['name', 'email'])).toBeUndefined();
    // Carillon's own export.
    expect(suggestMapping([...EXPORT_COLUMNS, 'Town'])).toEqual({
      externalId: 'externalId',
      email: 'email',
      phone: 'phone',
      locale: 'locale',
      timezone: 'timezone',
      allAttributes: 'attributes',
      attributes: { town: 'Town' },
    });
  });
});
