/**
 * The bytes of an upload as UTF-8 text, piece by piece: unpacked if it is gzip, and brought over from another encoding.
 * Holds one piece at a time. What it refuses, it refuses with a sentence for the person who sent the file.
 */
import { encodingOf, type Encoding } from '@carillon/audience-rules';
import { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';

/** The file cannot be taken as it is; the message says what to do. */
export class UnreadableFile extends Error {
  override name = 'UnreadableFile';
}

export interface ImportText {
  encoding: Encoding;
  /** Bytes of UTF-8, without a mark at the beginning. The first piece holds the headings. */
  pieces: AsyncGenerator<Buffer>;
}

/** Bytes of text per byte of gzip beyond which nobody has written it: deflate reaches 1,032, lists of people some 20. */
const MOST_RATIO = 200;
/** The first piece is at least so long, if the file is: it tells encoding, delimiter and headings. */
const HEAD_BYTES = 65_536;

/**
 * @param chunks as they were uploaded
 * @param mostBytes of text, once unpacked
 * @throws UnreadableFile from `pieces`, and when the first of them is no text at all
 */
export async function importText(
  chunks: AsyncIterable<Buffer>,
  mostBytes: number,
  given?: Encoding,
): Promise<ImportText> {
  const bytes = unpacked(chunks, mostBytes);
  const first: Buffer[] = [];
  for (let length = 0; length < HEAD_BYTES;) {
    const next = await bytes.next();
    if (next.done) break;
    first.push(next.value);
    length += next.value.length;
  }
  const head = Buffer.concat(first);
  if (head.length >= 4 && head.readUInt32LE(0) === 0x04034b50)
    throw new UnreadableFile(
      'This is a zip archive (or a spreadsheet): unpack it, or save it as CSV. gzip is taken as it is.',
    );
  const found = encodingOf(head.subarray(0, HEAD_BYTES));
  const encoding = given ?? found.encoding;
  const skip = found.encoding === encoding ? found.skip : 0;
  return { encoding, pieces: asUtf8(chain(head.subarray(skip), bytes), encoding) };
}

async function* chain(head: Buffer, rest: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  if (head.length > 0) yield head;
  yield* rest;
}

async function* unpacked(chunks: AsyncIterable<Buffer>, mostBytes: number): AsyncGenerator<Buffer> {
  const source = chunks[Symbol.asyncIterator]();
  const first = await source.next();
  if (first.done) return;
  const packed = first.value[0] === 0x1f && first.value[1] === 0x8b;
  let [given, out] = [0, 0];
  const all = (async function* () {
    for (let next: IteratorResult<Buffer> = first; !next.done; next = await source.next()) {
      given += next.value.length;
      yield next.value;
    }
  })();
  if (!packed) {
    yield* all;
    return;
  }
  const gunzip = createGunzip();
  const input = Readable.from(all, { objectMode: false });
  input.on('error', (error) => gunzip.destroy(error));
  input.pipe(gunzip);
  try {
    for await (const piece of gunzip as AsyncIterable<Buffer>) {
      out += piece.length;
      if (out > mostBytes)
        throw new UnreadableFile(
          `Unpacked, the file is larger than ${Math.round(mostBytes / 1_000_000)} MB: send it in pieces.`,
        );
      if (out > 4_000_000 && out > given * MOST_RATIO)
        throw new UnreadableFile('The file unpacks to far more than a list of people could: it is refused.');
      yield piece;
    }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code?.startsWith('Z_'))
      throw new UnreadableFile('The gzip file is damaged or was cut short: pack it again.');
    throw error;
  } finally {
    input.destroy();
    gunzip.destroy();
  }
}

async function* asUtf8(pieces: AsyncIterable<Buffer>, encoding: Encoding): AsyncGenerator<Buffer> {
  // As it is: bytes that are no UTF-8 are found by the row they stand in.
  if (encoding === 'utf-8') {
    yield* pieces;
    return;
  }
  const decoder = new TextDecoder(encoding);
  for await (const piece of pieces) {
    const text = decoder.decode(piece, { stream: true });
    if (text) yield Buffer.from(text);
  }
  const rest = decoder.decode();
  if (rest) yield Buffer.from(rest);
}
