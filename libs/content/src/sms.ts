/**
 * How an SMS text is cut and billed: the GSM 7 bit default alphabet with its extension table (3GPP TS 23.038 section 6.2.1)
 * or UCS-2, and the segment sizes of 3GPP TS 23.040 with a concatenation header. Also what may not stand in a text at all.
 */

export interface SmsSegments {
  encoding: 'GSM-7' | 'UCS-2';
  /** Messages the network carries, and what providers bill. 0 for an empty text. */
  segments: number;
  /** Septets for GSM-7, 16 bit units for UCS-2. */
  units: number;
  /** Units one segment holds at this length: 160 or 153, 70 or 67. */
  perSegment: number;
  /** The characters that force UCS-2, each once, in order of appearance. */
  unicodeCharacters: string[];
}

const BASIC = new Set(
  '@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !"#¤%&\'()*+,-./0123456789:;<=>?' +
    '¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà',
);
/** Each takes two septets: an escape and itself. */
const EXTENDED = new Set('\f^{}\\[~]|€');

/** Counts a text as networks do. */
export function smsSegments(text: string): SmsSegments {
  const characters = [...text];
  const unicodeCharacters = [...new Set(characters.filter((c) => !BASIC.has(c) && !EXTENDED.has(c)))];
  const gsm = unicodeCharacters.length === 0;
  const widths = characters.map((c) => (gsm ? (EXTENDED.has(c) ? 2 : 1) : c.length));
  const units = widths.reduce((sum, width) => sum + width, 0);
  const [single, joined] = gsm ? [160, 153] : [70, 67];
  const encoding = gsm ? 'GSM-7' : 'UCS-2';
  if (units <= single) {
    return { encoding, segments: units === 0 ? 0 : 1, units, perSegment: single, unicodeCharacters };
  }
  // An escape pair or a surrogate pair is never torn apart, so a segment may stay one unit short.
  let segments = 1;
  let filled = 0;
  for (const width of widths) {
    if (filled + width > joined) {
      segments += 1;
      filled = 0;
    }
    filled += width;
  }
  return { encoding, segments, units, perSegment: joined, unicodeCharacters };
}

export interface UnsafeCharacter {
  /** `U+202E`. */
  codePoint: string;
  /** Position in UTF-16 units. */
  index: number;
  kind: 'control' | 'bidi' | 'invalid';
}

/**
 * Characters that have no place in SMS, push or a sender name: control characters (line feed, carriage return and tab are
 * fine), the bidirectional overrides and isolates that make text read differently from what it is (CVE-2021-42574), and
 * halves of surrogate pairs. The plain direction marks that Arabic and Hebrew need are let through.
 */
export function unsafeTextCharacters(text: string): UnsafeCharacter[] {
  const found: UnsafeCharacter[] = [];
  let index = 0;
  for (const character of text) {
    const kind = unsafeKind(character.codePointAt(0) ?? 0);
    if (kind) found.push({ codePoint: codePointName(character), index, kind });
    index += character.length;
  }
  return found;
}

function unsafeKind(code: number): UnsafeCharacter['kind'] | undefined {
  if (code < 0x20) return code === 0x0a || code === 0x0d || code === 0x09 ? undefined : 'control';
  if (code >= 0x7f && code <= 0x9f) return 'control';
  if ((code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069)) return 'bidi';
  if (code >= 0xd800 && code <= 0xdfff) return 'invalid';
  return (code & 0xfffe) === 0xfffe ? 'invalid' : undefined;
}

function codePointName(character: string): string {
  return `U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}`;
}
