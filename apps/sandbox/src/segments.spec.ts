import { describe, expect, it } from '@jest/globals';
import { countSegments } from './segments.js';

describe('countSegments', () => {
  it.each([
    ['nothing', '', 'GSM-7', 0, 1],
    ['160 letters', 'a'.repeat(160), 'GSM-7', 160, 1],
    ['161 letters', 'a'.repeat(161), 'GSM-7', 161, 2],
    ['306 letters', 'a'.repeat(306), 'GSM-7', 306, 2],
    ['307 letters', 'a'.repeat(307), 'GSM-7', 307, 3],
    ['letters of the basic table', 'Größe à Ñ Ω', 'GSM-7', 11, 1],
    ['escaped characters count twice', '€[]', 'GSM-7', 6, 1],
    ['an escape is not split', `${'a'.repeat(152)}€${'a'.repeat(152)}`, 'GSM-7', 306, 3],
    ['one letter outside the table', 'ç', 'UCS-2', 1, 1],
    ['70 of another script', 'я'.repeat(70), 'UCS-2', 70, 1],
    ['71 of another script', 'я'.repeat(71), 'UCS-2', 71, 2],
    ['a picture is two units', '🎉'.repeat(35), 'UCS-2', 70, 1],
    ['a picture is not split', `${'я'.repeat(66)}🎉${'я'.repeat(66)}`, 'UCS-2', 134, 3],
  ])('%s', (_name, text, encoding, units, segments) => {
    expect(countSegments(text)).toEqual({ encoding, units, segments });
  });
});
