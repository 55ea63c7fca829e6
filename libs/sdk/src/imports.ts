/** Imports, as a caller sees them: a file goes up in parts, and is worked in the background. */
import type { BodyInputOf, Import, ImportPreview } from '@carillon/contracts';
import { List } from './pages.js';
import type { CallOptions, Requests } from './requests.js';
import type { Paging } from './resources.js';

/** What a file may be given as: a File or Blob of a page, bytes, or a stream of Node. */
export type ImportFile = Blob | Uint8Array | AsyncIterable<Uint8Array>;
const PART_BYTES = 1_000_000;

export class Imports {
  /** @internal */
  constructor(private readonly requests: Requests) {}

  /**
   * Sends a file and starts it. When this resolves the file is stored and will be worked; `wait` says when it is done.
   * @param options.onProgress bytes that are stored so far
   */
  async upload(
    file: ImportFile,
    wish: BodyInputOf<'createImport'>,
    options: CallOptions & { onProgress?: (bytes: number) => void } = {},
  ): Promise<Import> {
    const { onProgress, ...call } = options;
    const bytes = file instanceof Blob ? file.size : file instanceof Uint8Array ? file.length : undefined;
    const made = await this.create({ ...(bytes === undefined ? {} : { bytes }), ...wish }, call);
    let [no, sent] = [0, 0];
    for await (const part of partsOf(file)) {
      await this.putPart(made.id, no++, part, call);
      onProgress?.((sent += part.length));
    }
    return this.start(made.id, call);
  }

  /** Only says what is coming; then send the parts and start it. Too large a file is refused here. */
  create(wish: BodyInputOf<'createImport'>, options?: CallOptions): Promise<Import> {
    return this.requests.call('createImport', { body: wish, options });
  }

  /** Sends a part of up to 1,000,000 bytes; the first has number 0. Sending it again changes nothing. */
  putPart(id: string, no: number, bytes: Uint8Array<ArrayBuffer>, options?: CallOptions): Promise<Import> {
    return this.requests.call('putImportPart', { params: { id, no }, bytes, options });
  }

  start(id: string, options?: CallOptions): Promise<Import> {
    return this.requests.call('startImport', { params: { id }, repeatable: true, options });
  }

  /** How the beginning of a file would be read: headings, mapping, ten rows, bad rows. */
  preview(request: BodyInputOf<'previewImport'>, options?: CallOptions): Promise<ImportPreview> {
    return this.requests.call('previewImport', { body: request, repeatable: true, options });
  }

  get(id: string, options?: CallOptions): Promise<Import> {
    return this.requests.call('getImport', { params: { id }, options });
  }

  /** Newest first. */
  list(query: Paging & { kind?: Import['kind'] } = {}, options?: CallOptions): List<Import> {
    const { cursor: start, ...rest } = query;
    return new List(
      (cursor, o) => this.requests.call('listImports', { query: { ...rest, cursor }, options: o }),
      start,
      options,
    );
  }

  /** Stops it; what is stored stays. */
  cancel(id: string, options?: CallOptions): Promise<Import> {
    return this.requests.call('cancelImport', { params: { id }, options });
  }

  /** The rows that could not be taken, as CSV: line, reason and the row as it was. */
  async errorsCsv(id: string, options?: CallOptions): Promise<string> {
    const response = await this.requests.open('exportImportErrors', {
      params: { id },
      options,
      headers: { accept: 'text/csv' },
    });
    return response.text();
  }
}

/** The file in pieces of one size, whatever pieces it comes in. */
async function* partsOf(file: ImportFile): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  if (file instanceof Blob) {
    for (let at = 0; at < file.size; at += PART_BYTES)
      yield new Uint8Array(await file.slice(at, at + PART_BYTES).arrayBuffer());
    return;
  }
  if (file instanceof Uint8Array) {
    for (let at = 0; at < file.length; at += PART_BYTES) yield file.slice(at, at + PART_BYTES);
    return;
  }
  const part = new Uint8Array(PART_BYTES);
  let filled = 0;
  for await (const piece of file)
    for (let at = 0; at < piece.length;) {
      const some = piece.subarray(at, at + PART_BYTES - filled);
      part.set(some, filled);
      filled += some.length;
      at += some.length;
      if (filled === PART_BYTES) {
        yield part.slice();
        filled = 0;
      }
    }
  if (filled > 0) yield part.slice(0, filled);
}
