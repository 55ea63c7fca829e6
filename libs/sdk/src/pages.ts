/**
 * Lists that go on over pages: `for await` over the items of all pages, or `.pages()`, or one `.page()` for a screen
 * that keeps the cursor itself. Fetches a page only when it is asked for.
 */
import type { Page } from '@carillon/contracts';
import type { CallOptions } from './requests.js';

export class List<Item> implements AsyncIterable<Item> {
  readonly #fetchPage: (cursor: string | undefined, options: CallOptions | undefined) => Promise<Page<Item>>;
  readonly #cursor: string | undefined;
  readonly #options: CallOptions | undefined;

  /** @internal */
  constructor(
    fetchPage: (cursor: string | undefined, options: CallOptions | undefined) => Promise<Page<Item>>,
    cursor: string | undefined,
    options: CallOptions | undefined,
  ) {
    this.#fetchPage = fetchPage;
    this.#cursor = cursor;
    this.#options = options;
  }

  /** The one page at the cursor that was given to the list (the first without one). */
  page(): Promise<Page<Item>> {
    return this.#fetchPage(this.#cursor, this.#options);
  }

  /** Every page from there on. */
  async *pages(): AsyncGenerator<Page<Item>, void, undefined> {
    let cursor = this.#cursor;
    do {
      const page = await this.#fetchPage(cursor, this.#options);
      yield page;
      cursor = page.nextCursor ?? undefined;
    } while (cursor !== undefined);
  }

  /** Every item of every page. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Item, void, undefined> {
    for await (const page of this.pages()) yield* page.items;
  }
}
