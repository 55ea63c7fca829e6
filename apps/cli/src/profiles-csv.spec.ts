/** Reading profiles from CSV: what columns become, what makes a row bad, and on which line. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { csvLine, isBad, mapColumns, openProfiles, type Row } from './profiles-csv.js';

let folder = '';
beforeAll(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'carillon-csv-'));
});
afterAll(() => fs.rmSync(folder, { recursive: true }));

async function read(content: string | Buffer, map: string[] = []) {
  const file = path.join(folder, 'profiles.csv');
  fs.writeFileSync(file, content);
  const rows: Row[] = [];
  const opened = await openProfiles(file, map);
  for await (const row of opened.rows) rows.push(row);
  return rows;
}
const profiles = (rows: Row[]) => rows.flatMap((row) => (isBad(row) ? [] : [row.profile]));
const bad = (rows: Row[]) => rows.flatMap((row) => (isBad(row) ? [[row.line, row.reason]] : []));

describe('what columns become', () => {
  const become = (columns: string[], map: string[] = []) => Object.fromEntries(mapColumns(columns, map));

  it.each([
    ['externalId', 'externalId'],
    ['customer_id', 'externalId'],
    ['E-Mail Address', 'email'],
    ['Mobile Number', 'phone'],
    ['Language', 'locale'],
    ['time zone', 'timezone'],
  ])('%s is the field %s', (column, field) => {
    expect(become([column, 'uid'])[column]).toEqual({ field });
  });

  it('others are attributes, and a second id is one too', () => {
    expect(become(['id', 'externalId', 'Vorname', ''])).toEqual({
      externalId: { field: 'externalId' },
      id: { attribute: 'id', type: 'text' },
      Vorname: { attribute: 'Vorname', type: 'text' },
      '': { ignored: true },
    });
  });

  it('--map says otherwise', () => {
    expect(
      become(
        ['id', 'Kundennr', 'Seats', 'Mail', 'Notes'],
        ['kundennr=externalId', 'Seats=attributes.seats:number', 'Notes=-'],
      ),
    ).toEqual({
      Kundennr: { field: 'externalId' },
      Seats: { attribute: 'seats', type: 'number' },
      Notes: { ignored: true },
      Mail: { field: 'email' },
      id: { attribute: 'id', type: 'text' },
    });
  });

  it.each([
    [['name', 'mail'], [], /No column says who a row is about/],
    [['id'], ['nr=externalId'], /no such column/],
    [['id', 'a'], ['a=mail'], /a column becomes externalId, email/],
    [['id', 'a', 'b'], ['a=email', 'b=email'], /Two columns would become email/],
    [['id', 'a'], ['a=attributes.n:date'], /a column becomes/],
  ])('%j with %j is refused', (columns, map, sentence) => {
    expect(() => mapColumns(columns, map)).toThrow(sentence);
  });
});

describe('rows', () => {
  it('keep empty cells unsaid and text as text', async () => {
    const rows = await read('id,email,phone,plan,zip\n1,ada@example.com,,pro,01067\n');
    expect(profiles(rows)).toEqual([
      { externalId: '1', email: 'ada@example.com', attributes: { plan: 'pro', zip: '01067' } },
    ]);
  });

  it('take types from --map and refuse what does not fit', async () => {
    const rows = await read('id,seats,vip\n1,3,yes\n2,three,no\n3,4.5,0\n', [
      'seats=attributes.seats:number',
      'vip=attributes.vip:boolean',
    ]);
    expect(profiles(rows)).toEqual([
      { externalId: '1', attributes: { seats: 3, vip: true } },
      { externalId: '3', attributes: { seats: 4.5, vip: false } },
    ]);
    expect(bad(rows)).toEqual([[3, 'seats: "three" is not a number']]);
  });

  it('are bad by line, the others go on', async () => {
    const text = [
      'id,email',
      '1,a@example.com',
      ',b@example.com',
      '3',
      '4,d@example.com,extra',
      '1,e@example.com',
      '',
      '"6\n",f@example.com',
      '7,g@example.com',
      '',
    ].join('\r\n');
    const rows = await read(text);
    expect(profiles(rows).map(({ externalId }) => externalId)).toEqual(['1', '6', '7']);
    expect(bad(rows)).toEqual([
      [3, 'id is empty: nothing says who it is about'],
      [4, expect.stringContaining('it has 1 cells, the first line has 2')],
      [5, expect.stringContaining('it has 3 cells')],
      [6, 'the id "1" is on line 2 already; that one counts'],
    ]);
  });

  it('survive a quote that is never closed', async () => {
    const rows = await read('id,email\n1,a@example.com\n2,"b@example.com\n3,c@example.com\n');
    expect(profiles(rows)).toEqual([{ externalId: '1', email: 'a@example.com' }]);
    expect(bad(rows)).toEqual([[expect.any(Number), expect.stringContaining('never closed')]]);
  });

  it('do not let names reach a prototype', async () => {
    const [profile] = profiles(await read('id,__proto__,constructor\n1,x,y\n'));
    expect(({} as Record<string, unknown>)['x']).toBeUndefined();
    expect(Object.getPrototypeOf(profile?.attributes)).toBe(Object.prototype);
  });
});

describe('files', () => {
  it.each([',', ';', '\t', '|'])('with the separator %j', async (sign) => {
    const rows = await read(
      ['id', 'name', 'email'].join(sign) + '\n' + ['1', '"Öl, & Co; KG"', 'a@example.com'].join(sign) + '\n',
    );
    expect(profiles(rows)).toEqual([
      { externalId: '1', email: 'a@example.com', attributes: { name: 'Öl, & Co; KG' } },
    ]);
  });

  it.each([
    ['UTF-8 with its mark', Buffer.from('\ufeffid,name\n1,さくら\n')],
    ['UTF-16 as spreadsheets write it', Buffer.from('\ufeffid\tname\n1\tさくら\n', 'utf16le')],
  ])('in %s', async (_, content) => {
    expect(profiles(await read(content))).toEqual([{ externalId: '1', attributes: { name: 'さくら' } }]);
  });

  it('in another encoding are refused rather than garbled', async () => {
    await expect(read(Buffer.from('id,name\n1,J\xfcrgen\n', 'latin1'))).rejects.toThrow(
      /neither UTF-8 nor UTF-16/,
    );
  });

  it('without a first line are refused', async () => {
    await expect(read('')).rejects.toThrow(/first line must name the columns/);
  });

  it('that do not exist are named', async () => {
    await expect(openProfiles(path.join(folder, 'none.csv'), [])).rejects.toThrow(/none\.csv/);
  });
});

it('writes cells so that they read back as they were', async () => {
  const cells = ['1', 'a "quoted", cell', 'two\nlines', ''];
  const rows = await read(csvLine(['id', 'a', 'b', 'c']) + csvLine(cells));
  expect(profiles(rows)).toEqual([{ externalId: '1', attributes: { a: cells[1], b: cells[2] } }]);
});

it('ships 300 rows, eight of them bad in different ways', async () => {
  const opened = await openProfiles(path.join(import.meta.dirname, '../data/profiles.csv'), []);
  const rows: Row[] = [];
  for await (const row of opened.rows) rows.push(row);
  expect(rows).toHaveLength(300);
  expect(bad(rows)).toHaveLength(4); // The other four are for the API to find: an email, a phone, a zone, a locale.
  const emails = profiles(rows).flatMap(({ email }) => email ?? []);
  expect(emails.filter((email) => !/@example\.(com|org|net)$/.test(email))).toEqual([]);
});
