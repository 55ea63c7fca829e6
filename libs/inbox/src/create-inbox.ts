/**
 * The inbox of one person, live, without any framework: load it, subscribe, mark. The server's rows are the truth; the
 * stream says what is new since the last `seq` we know, so that a lost connection loses nothing, and items are kept by
 * id, so that nothing stands there twice.
 */
import type { InboxMarked, InboxPage, InboxStreamEvent, InboxWord } from './item.js';
import { InboxError, Requests, type RequestOptions } from './requests.js';
import { emptyState, withItems, withMark, type InboxState } from './state.js';
import { eventsOf } from './stream.js';

export interface InboxOptions extends RequestOptions {
  /** Items per page, at most 200. Default 20. */
  pageSize?: number;
  /** Waits between attempts grow from the first to the second, in milliseconds. Default 500 to 30,000. */
  reconnectMs?: readonly [number, number];
}

/** Methods may be handed around without their object. All promises reject with an InboxError. */
export interface Inbox {
  getState(): InboxState;
  /** @returns the way to stop */
  subscribe(listener: () => void): () => void;
  /**
   * Loads the first page and stays live from then on. Resolves when the page is there, however often it must try;
   * called again while it waits between attempts, it tries at once.
   */
  load(): Promise<void>;
  loadMore(): Promise<void>;
  /** Nothing given: all. Seen means that it was on the screen; the badge counts what is unread. */
  markSeen(ids?: string | readonly string[]): Promise<void>;
  markRead(ids: string | readonly string[]): Promise<void>;
  markUnread(ids: string | readonly string[]): Promise<void>;
  markAllRead(): Promise<void>;
  archive(ids: string | readonly string[]): Promise<void>;
  unarchive(ids: string | readonly string[]): Promise<void>;
  /** Ends the connection. `load` takes it up again. */
  close(): void;
}

const MOST_IDS = 200;
const MOST_PER_PAGE = 200;
/** Whoever was away for more than this finds the rest behind `loadMore`. */
const MOST_READ = 1000;
/** A connection that lasted this long was a good one: the next waits are short again. */
const LASTED_MS = 5000;
/** The word of our own marks comes back on the stream; within this time, equal counts mean that it is only that. */
const ECHO_MS = 2000;

/** @param options see InboxOptions; `token` may be a function, which is called again when a token has expired */
export function createInbox(options: InboxOptions): Inbox {
  const inbox = new LiveInbox(options);
  return {
    getState: () => inbox.state,
    subscribe: (listener) => inbox.subscribe(listener),
    load: () => inbox.load(),
    loadMore: () => inbox.loadMore(),
    markSeen: (ids) => inbox.mark('seen', ids),
    markRead: (ids) => inbox.mark('read', ids),
    markUnread: (ids) => inbox.mark('unread', ids),
    markAllRead: () => inbox.mark('read'),
    archive: (ids) => inbox.mark('archived', ids),
    unarchive: (ids) => inbox.mark('unarchived', ids),
    close: () => inbox.close(),
  };
}

class LiveInbox {
  state: InboxState = emptyState;
  readonly #requests: Requests;
  readonly #pageSize: number;
  readonly #reconnectMs: readonly [number, number];
  readonly #listeners = new Set<() => void>();
  /** Of the present connection; undefined while there is none. */
  #stop: AbortController | undefined;
  #loading: Promise<void> | undefined;
  /** The server has told everything up to here; null until it has said where that is. */
  #upTo: number | null = null;
  #cursor: string | null = null;
  #marksUnderWay = 0;
  #lastMark = -ECHO_MS;
  #refreshing: Promise<void> | undefined;
  #stale = false;
  /** Ends the wait between two attempts. */
  #wake: () => void = () => undefined;

  constructor({ pageSize = 20, reconnectMs = [500, 30_000], ...options }: InboxOptions) {
    this.#requests = new Requests(options);
    this.#pageSize = Math.min(pageSize, MOST_PER_PAGE);
    this.#reconnectMs = reconnectMs;
  }

  subscribe(listener: () => void): () => void {
    // Wrapped, so that one function may subscribe twice.
    const own = () => listener();
    this.#listeners.add(own);
    return () => this.#listeners.delete(own);
  }

  load(): Promise<void> {
    this.#wake();
    if (this.#stop && this.#loading) return this.#loading;
    const stop = (this.#stop = new AbortController());
    this.#set({ status: 'connecting', error: null });
    this.#loading = new Promise((resolve, reject) => {
      this.#run(stop.signal, resolve).then(
        () => reject(new InboxError('The inbox was closed.', 'closed', false)),
        (error: InboxError) => {
          this.#stop = undefined;
          this.#set({ status: 'refused', error });
          reject(error);
        },
      );
    });
    // Whoever did not wait for it reads the state instead.
    this.#loading.catch(() => undefined);
    return this.#loading;
  }

  close(): void {
    this.#stop?.abort();
    this.#stop = undefined;
    this.#set({ status: 'closed' });
  }

  async loadMore(): Promise<void> {
    if (this.#cursor === null || this.state.loadingMore) return;
    this.#set({ loadingMore: true });
    try {
      for (let cursor: string | null = null; cursor !== this.#cursor && this.#cursor !== null;) {
        cursor = this.#cursor;
        const page = await this.#page(this.#pageSize, cursor);
        // A refresh that came between has moved the end of the list: then once more, from there.
        if (this.#cursor !== cursor) continue;
        cursor = this.#cursor = page.nextCursor;
        const items = withItems(page.items, this.state.items);
        this.#set({ items, hasMore: cursor !== null, error: null });
      }
    } catch (error) {
      this.#set({ error: error as InboxError });
      throw error;
    } finally {
      this.#set({ loadingMore: false });
    }
  }

  /** Shows the change at once; when the server does not take it, what the server has is shown again. */
  async mark(as: InboxWord, which?: string | readonly string[]): Promise<void> {
    const ids = which === undefined ? null : typeof which === 'string' ? [which] : which;
    if (ids?.length === 0) return;
    this.#marksUnderWay++;
    // Answers may come in another order than the server worked in: the counts of neither can be trusted then.
    if (this.#marksUnderWay > 1) this.#stale = true;
    this.#set(withMark(this.state, ids && new Set(ids), as, new Date().toISOString()));
    try {
      const marked: InboxMarked[] = [];
      for (let i = 0; i < (ids?.length ?? 1); i += MOST_IDS) {
        const body = ids ? { as, ids: ids.slice(i, i + MOST_IDS) } : { as };
        marked.push(await this.#requests.post<InboxMarked>('/v1/inbox/mark', body));
      }
      const last = marked.at(-1);
      if (this.#marksUnderWay === 1 && last)
        this.#set({ unread: last.unread, unseen: last.unseen, error: null });
      if (as === 'unarchived') this.#refreshSoon();
    } catch (error) {
      this.#set({ error: error as InboxError });
      this.#refreshSoon();
      throw error;
    } finally {
      this.#lastMark = performance.now();
      this.#marksUnderWay--;
      if (this.#stale && this.#marksUnderWay === 0) this.#refreshSoon();
    }
    // Everything on the screen was archived: the next page moves up.
    if (this.state.items.length === 0) await this.loadMore();
  }

  /** Until `signal` aborts. @throws InboxError that does not pass */
  async #run(signal: AbortSignal, loaded: () => void): Promise<void> {
    let connections = 0;
    for (let failures = 0; !signal.aborted; failures++) {
      const started = performance.now();
      let retryAfterMs: number | null = null;
      try {
        if (!this.state.loaded) await this.#refresh(signal);
        loaded();
        await this.#listen(signal, connections++ > 0 || this.#upTo === null);
      } catch (error) {
        if (signal.aborted) return;
        // Whatever is not a refusal is a connection that broke.
        const known = error instanceof InboxError ? error : null;
        if (known && !known.passing) throw known;
        ({ retryAfterMs } = known ?? { retryAfterMs });
        this.#set({ error: known ?? new InboxError('The connection was lost.', 'network', true) });
      }
      if (signal.aborted) return;
      this.#set({ status: 'reconnecting' });
      if (performance.now() - started > LASTED_MS) failures = 0;
      await this.#pause(Math.max(this.#waitMs(failures), retryAfterMs ?? 0), signal);
    }
  }

  /** @param unsure whether something may have changed that the stream does not replay */
  async #listen(signal: AbortSignal, unsure: boolean): Promise<void> {
    const { ticket } = await this.#requests.post<{ ticket: string }>('/v1/inbox/ticket', undefined, signal);
    const response = await this.#requests.stream(ticket, this.#upTo, signal);
    this.#set({ status: 'live', error: null });
    let opening: 'sure' | 'unsure' | null = unsure ? 'unsure' : 'sure';
    for await (const { seq, event } of eventsOf(response)) {
      if (signal.aborted) return;
      this.#take(seq, event, opening);
      opening = null;
    }
  }

  #take(seq: number, event: InboxStreamEvent, opening: 'sure' | 'unsure' | null): void {
    const { unread, unseen } = event;
    const same = unread === this.state.unread && unseen === this.state.unseen;
    this.#upTo = seq;
    if (event.type === 'item') {
      const known = this.state.items.some(({ id }) => id === event.item.id);
      this.#set({
        items: known ? this.state.items : withItems(this.state.items, [event.item]),
        unread,
        unseen,
      });
    }
    const ownEcho = same && performance.now() - this.#lastMark < ECHO_MS;
    const nothingNew = event.type === 'item' || ownEcho || (same && opening === 'sure');
    if (opening === 'unsure' || !nothingNew) this.#refreshSoon();
  }

  /** One refresh at a time; one more when something changed meanwhile. Waits for marks, which it would undo. */
  #refreshSoon(): void {
    const signal = this.#stop?.signal;
    if (!signal) return;
    this.#stale = true;
    if (this.#refreshing || this.#marksUnderWay > 0) return;
    this.#refreshing = (async () => {
      try {
        while (this.#stale && this.#marksUnderWay === 0 && !signal.aborted) {
          this.#stale = false;
          await this.#refresh(signal);
        }
      } catch (error) {
        // The stream notices the same and connects again, which refreshes.
        if (!signal.aborted && error instanceof InboxError) this.#set({ error });
      } finally {
        this.#refreshing = undefined;
      }
    })();
  }

  /** Reads down to the oldest item that is shown, at least a page. */
  async #refresh(signal: AbortSignal): Promise<void> {
    const shown = this.state.items;
    const newest = shown[0]?.seq ?? 0;
    const oldest = shown.at(-1)?.seq ?? Infinity;
    const marksBefore = this.#lastMark;
    const limit = Math.min(Math.max(this.#pageSize, shown.length), MOST_PER_PAGE);
    let page = await this.#page(limit, null, signal);
    const { unread, unseen } = page;
    const items = [...page.items];
    while (page.nextCursor !== null && (items.at(-1)?.seq ?? 0) > oldest && items.length < MOST_READ) {
      page = await this.#page(limit, page.nextCursor, signal);
      items.push(...page.items);
    }
    // A mark began or ended meanwhile: what was read may be from before it.
    if (this.#marksUnderWay > 0 || marksBefore !== this.#lastMark) {
      this.#stale = true;
      if (this.state.loaded) return;
    }
    const known = Math.max(newest, items[0]?.seq ?? 0);
    const arrived = this.state.items.filter(({ seq }) => seq > known);
    this.#cursor = page.nextCursor;
    this.#upTo ??= items[0]?.seq ?? null;
    this.#set({
      loaded: true,
      items: withItems(items, arrived),
      unread: unread + arrived.filter(({ readAt }) => readAt === null).length,
      unseen: unseen + arrived.filter(({ seenAt }) => seenAt === null).length,
      hasMore: page.nextCursor !== null,
      error: null,
    });
  }

  #page(limit: number, cursor: string | null, signal?: AbortSignal): Promise<InboxPage> {
    const query = new URLSearchParams({ limit: String(limit), ...(cursor === null ? {} : { cursor }) });
    return this.#requests.get<InboxPage>(`/v1/inbox/items?${query}`, signal);
  }

  /** Full jitter: many pages that lost one server must not come back as one. */
  #waitMs(failures: number): number {
    const [least, most] = this.#reconnectMs;
    return least / 2 + Math.random() * Math.min(most, least * 2 ** failures);
  }

  /** Ends early when the machine is online again, on `retry` and on `close`. */
  async #pause(ms: number, signal: AbortSignal): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
      signal.addEventListener('abort', this.#wake, { once: true });
      globalThis.addEventListener?.('online', this.#wake, { once: true });
    });
    globalThis.removeEventListener?.('online', this.#wake);
    signal.removeEventListener('abort', this.#wake);
    this.#wake = () => undefined;
  }

  #set(change: Partial<InboxState>): void {
    this.state = { ...this.state, ...change };
    for (const listener of this.#listeners) listener();
  }
}
