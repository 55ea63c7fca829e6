/** Records come out as they went in, however the bytes are cut into pieces, and tell where each ended. */
import { describe, expect, it } from '@jest/globals';
import { CsvRecords, MOST_RECORD_BYTES, RecordTooLong, type Record } from './csv-records.js';

const read = (text: string, size: number, from = { end: 0, line: 1 }): Record[] => {
  const bytes = Buffer.from(text);
  const cutter = new CsvRecords(',', from);
  const found: Record[] = [];
  for (let at = from.end; at < bytes.length; at += size)
    found.push(...cutter.feed(bytes.subarray(at, at + size)));
  return [...found, ...cutter.finish()];
};
const cells = (text: string, size = 7) => read(text, size).map((r) => r.cells);

/** Deterministic: mulberry32. */
function random(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

describe('records of CSV', () => {
  it.each<[string, string, string[][]]>([
    [
      'plain',
      'a,b\n1,2\n',
      [
        ['a', 'b'],
        ['1', '2'],
      ],
    ],
    [
      'no line break at the end',
      'a,b\n1,2',
      [
        ['a', 'b'],
        ['1', '2'],
      ],
    ],
    [
      'CRLF, and empty lines',
      'a,b\r\n\r\n1,2\r\n\n',
      [
        ['a', 'b'],
        ['1', '2'],
      ],
    ],
    ['quotes, quotes in quotes, line breaks in quotes', '"a ""b""","x\ny,z"\n', [['a "b"', 'x\ny,z']]],
    ['a quote in the middle of a cell is text', 'a 5" pipe,b\n', [['a 5" pipe', 'b']]],
    ['what follows a closing quote is text', '"a"b,c\n', [['ab', 'c']]],
    [
      'empty cells',
      ',,\n"",\n',
      [
        ['', '', ''],
        ['', ''],
      ],
    ],
    ['a quote that is never closed', 'a\n"b,c\nd', [['a'], ['b,c\nd']]],
    ['letters of several bytes', 'é,ü,漢字,😀\n', [['é', 'ü', '漢字', '😀']]],
  ])('%s', (_what, text, expected) => {
    for (const size of [1, 2, 3, 7, 1000]) expect(cells(text, size)).toEqual(expected);
  });

  it('come out as they went in, and reading goes on from any of them', () => {
    const next = random(20261126);
    const alphabet = ['a', 'é', '"', ',', '\n', ' ', '漢', '1', ''];
    for (let round = 0; round < 300; round++) {
      const width = 1 + Math.floor(next() * 4);
      const rows = Array.from({ length: 1 + Math.floor(next() * 6) }, (_, i) => [
        `r${i}`,
        ...Array.from({ length: width }, () =>
          Array.from(
            { length: Math.floor(next() * 6) },
            () => alphabet[Math.floor(next() * alphabet.length)],
          ).join(''),
        ),
      ]);
      const text = rows
        .map((row) =>
          row.map((c) => (/[",\n]/.test(c) || next() < 0.2 ? `"${c.replaceAll('"', '""')}"` : c)).join(','),
        )
        .join(next() < 0.5 ? '\n' : '\r\n');
      const found = read(text, 1 + Math.floor(next() * 20));
      expect(found.map((r) => r.cells)).toEqual(rows);
      const from = found[Math.floor(next() * found.length)]!;
      const after = found.filter((r) => r.end > from.end);
      const nextLine = after[0]?.line ?? 1;
      expect(read(text, 5, { end: from.end, line: nextLine })).toEqual(after);
    }
  });

  it('longer than any row are refused by their line, in little memory', () => {
    const piece = Buffer.alloc(100_000, 'x');
    const feed = () => {
      const cutter = new CsvRecords(',');
      expect([...cutter.feed(Buffer.from('a,b\n'))]).toHaveLength(1);
      for (let sent = 0; sent < MOST_RECORD_BYTES * 2; sent += piece.length) [...cutter.feed(piece)];
    };
    expect(feed).toThrow(RecordTooLong);
    expect(feed).toThrow(/Line 2 begins a row of more than 1 MB/);
  });
});
