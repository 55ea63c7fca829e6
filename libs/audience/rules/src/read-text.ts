/** What a file is written in: its encoding and its delimiter, by its beginning. Pure. */

export type Encoding = 'utf-8' | 'utf-16le' | 'utf-16be' | 'windows-1252';

/**
 * By the mark at the beginning; without one UTF-8 if it can be that, UTF-16 if every other byte is zero, and else
 * Windows-1252, in which any bytes are text.
 * @returns `skip`, the bytes of the mark
 */
export function encodingOf(head: Uint8Array): { encoding: Encoding; skip: number } {
  if (head[0] === 0xef && head[1] === 0xbb && head[2] === 0xbf) return { encoding: 'utf-8', skip: 3 };
  if (head[0] === 0xff && head[1] === 0xfe) return { encoding: 'utf-16le', skip: 2 };
  if (head[0] === 0xfe && head[1] === 0xff) return { encoding: 'utf-16be', skip: 2 };
  const zeros = [0, 0];
  const looked = Math.min(head.length, 4096);
  for (let i = 0; i < looked; i++) if (head[i] === 0) zeros[i % 2]!++;
  if (zeros[1]! > looked / 4 && zeros[0]! < looked / 16) return { encoding: 'utf-16le', skip: 0 };
  if (zeros[0]! > looked / 4 && zeros[1]! < looked / 16) return { encoding: 'utf-16be', skip: 0 };
  try {
    // A character that is cut at the end is no mistake.
    new TextDecoder('utf-8', { fatal: true }).decode(head, { stream: true });
    return { encoding: 'utf-8', skip: 0 };
  } catch {
    // Not UTF-8. One line of another encoding in a file that is UTF-8 elsewhere is told by its line, not by the file.
    return { encoding: mostlyUtf8(head) ? 'utf-8' : 'windows-1252', skip: 0 };
  }
}

/**
 * At least as many characters of several bytes that are right as wrong ones: other encodings hardly ever make one by chance,
 * and a bad row that is told is better than a name that is stored wrong.
 */
function mostlyUtf8(head: Uint8Array): boolean {
  const text = new TextDecoder('utf-8').decode(head);
  let [right, wrong] = [0, 0];
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 0xfffd) wrong++;
    else if (code > 0x7f) right++;
  }
  return right > 0 && right >= wrong;
}

/** Comma, semicolon, tab or bar: whichever the first line has most of, outside quotes. */
export function delimiterOf(head: string): ',' | ';' | '\t' | '|' {
  const line = (head.split(/\r?\n/, 1)[0] ?? '').replace(/"(?:[^"]|"")*"/g, '');
  const signs = [',', ';', '\t', '|'] as const;
  return signs.reduce<(typeof signs)[number]>(
    (best, sign) => (line.split(sign).length > line.split(best).length ? sign : best),
    ',',
  );
}

/** Profiles one a line, as JSON: the first thing in the file is a brace. */
export const looksLikeJsonLines = (head: string): boolean => /^\s*\{/.test(head);
