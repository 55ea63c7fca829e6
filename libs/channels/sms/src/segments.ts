/**
 * How many SMS a text is billed as, by 3GPP TS 23.038: GSM-7 when every character is in its alphabet, else UCS-2.
 * A part of a longer text loses room to the header that joins the parts (3GPP TS 23.040 section 9.2.3.24.1).
 */
export interface Segments {
  encoding: 'GSM-7' | 'UCS-2';
  segments: number;
}

const alphabet = new Set(
  '@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !"#¤%&\'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà',
);
/** The extension table: sent as an escape and a second septet. */
const extension = new Set('\f^{}\\[~]|€');

export function countSegments(text: string): Segments {
  const characters = Array.from(text);
  if (characters.every((c) => alphabet.has(c) || extension.has(c))) {
    return {
      encoding: 'GSM-7',
      segments: parts(
        characters.map((c) => (extension.has(c) ? 2 : 1)),
        160,
        153,
      ),
    };
  }
  return {
    encoding: 'UCS-2',
    segments: parts(
      characters.map((c) => c.length),
      70,
      67,
    ),
  };
}

/** `widths` per character; none is cut in two, so that a part may end one short. */
function parts(widths: readonly number[], alone: number, joined: number): number {
  if (widths.reduce((sum, width) => sum + width, 0) <= alone) return 1;
  let count = 1;
  let room = joined;
  for (const width of widths) {
    if (width > room) {
      count++;
      room = joined;
    }
    room -= width;
  }
  return count;
}
