/** The headless client against the real API: live, in step with other tabs, and whole again after whatever broke. */
import type * as contracts from '@carillon/contracts';
import { eventually } from '@carillon/testing';
import { startTestApi, type InboxItems, type TestApi } from '@carillon/testing/api';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { createInbox, InboxError, type Inbox, type InboxOptions } from './index.js';
import type * as own from './item.js';
import { eventsOf } from './stream.js';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
}, 60_000);
afterAll(() => api.close());

const opened: Inbox[] = [];
afterEach(() => {
  for (const inbox of opened.splice(0)) inbox.close();
});

let people = 0;
async function person() {
  const externalId = `person-${++people}`;
  const id = await api.profile(externalId);
  const token = await api.inboxToken(externalId);
  return {
    externalId,
    token,
    add: (...titles: string[]) => api.store(titles.map((title) => item(id, title))),
    /** A tab of theirs. */
    open(options: Partial<InboxOptions> = {}) {
      const inbox = createInbox({ baseUrl: api.url, token, reconnectMs: [20, 200], ...options });
      opened.push(inbox);
      return inbox;
    },
    async live(options: Partial<InboxOptions> = {}) {
      const inbox = this.open(options);
      await inbox.load();
      await eventually(() => inbox.getState().status === 'live');
      return inbox;
    },
  };
}
const item = (profileId: string, title: string): InboxItems[number] => ({
  deliveryId: `01999999${randomUUID().slice(8, 14)}7${randomUUID().slice(15)}`,
  profileId,
  title,
  body: '',
  url: null,
  imageUrl: null,
  data: {},
});
const titles = (inbox: Inbox) => inbox.getState().items.map(({ title }) => title);
const counts = (inbox: Inbox) => [inbox.getState().unread, inbox.getState().unseen];
const idOf = (inbox: Inbox, title: string) =>
  inbox.getState().items.find((i) => i.title === title)?.id ?? 'none';
/** A fetch that tells what it was asked. */
function watched() {
  const asked: string[] = [];
  const watching: typeof fetch = (input, init) => {
    asked.push(`${init?.method ?? 'GET'} ${new URL(String(input)).pathname}`);
    return fetch(input, init);
  };
  return { asked, fetch: watching };
}

describe('an inbox', () => {
  it('loads what is there, and shows what arrives without being asked', async () => {
    const ada = await person();
    await ada.add('one', 'two');
    const inbox = await ada.live();
    expect(titles(inbox)).toEqual(['two', 'one']);
    await ada.add('three');
    await eventually(() => titles(inbox).length === 3);
    expect(titles(inbox)).toEqual(['three', 'two', 'one']);
    expect(counts(inbox)).toEqual([3, 3]);
  });

  it('misses nothing that arrives between its first page and its stream, also when it was empty', async () => {
    for (const before of [[], ['old']]) {
      const ada = await person();
      await ada.add(...before);
      let added = false;
      const inbox = await ada.live({
        fetch: async (input, init) => {
          if (String(input).includes('/stream') && !added) {
            added = true;
            await ada.add('between');
          }
          return fetch(input, init);
        },
      });
      await eventually(() => titles(inbox).includes('between'));
      expect(titles(inbox)).toEqual(['between', ...before]);
      expect(counts(inbox)).toEqual([1 + before.length, 1 + before.length]);
    }
  });

  it('pages back without gap or overlap while new ones arrive', async () => {
    const ada = await person();
    await ada.add(...Array.from({ length: 11 }, (_, n) => `${n + 1}`));
    const inbox = await ada.live({ pageSize: 4 });
    expect(titles(inbox)).toEqual(['11', '10', '9', '8']);
    await ada.add('12');
    await inbox.loadMore();
    await Promise.all([inbox.loadMore(), inbox.loadMore()]);
    await eventually(() => titles(inbox).length === 12);
    expect(titles(inbox)).toEqual(Array.from({ length: 12 }, (_, n) => `${12 - n}`));
    expect(inbox.getState()).toMatchObject({ hasMore: false, loadingMore: false, unread: 12 });
    await inbox.loadMore();
  });

  it('gives a new state for every change and tells whoever subscribed', async () => {
    const ada = await person();
    const inbox = ada.open();
    const states = new Set([inbox.getState()]);
    const stop = inbox.subscribe(() => states.add(inbox.getState()));
    await inbox.load();
    expect([...states].map(({ status, loaded }) => [status, loaded])).toContainEqual(['connecting', true]);
    const before = inbox.getState();
    expect(Object.is(before, inbox.getState())).toBe(true);
    stop();
    const size = states.size;
    await inbox.markAllRead();
    expect(states.size).toBe(size);
  });
});

describe('marking', () => {
  it('shows at once what the server then has, whatever is marked in whatever order', async () => {
    const ada = await person();
    await ada.add(...Array.from({ length: 6 }, (_, n) => `${n}`));
    const inbox = await ada.live();
    const all = inbox.getState().items.map(({ id }) => id);
    const some = () => all.filter(() => Math.random() < 0.4);
    const words = ['markSeen', 'markRead', 'markUnread', 'archive'] as const;
    for (let round = 0; round < 25; round++) {
      const word = words[Math.floor(Math.random() * words.length)] ?? 'markRead';
      const ids = some();
      const marking = Math.random() < 0.1 ? inbox.markAllRead() : inbox[word](ids);
      const shown = inbox.getState();
      await marking;
      const other = ada.open();
      await other.load();
      const { items, unread, unseen } = other.getState();
      other.close();
      const marks = (list: typeof items) => list.map((i) => [i.title, i.readAt !== null, i.seenAt !== null]);
      expect({ word, ids, unread: shown.unread, unseen: shown.unseen, items: marks(shown.items) }).toEqual({
        word,
        ids,
        unread,
        unseen,
        items: marks(items),
      });
    }
  }, 20_000);

  it('reaches the other tabs, also when no count changes', async () => {
    const ada = await person();
    await ada.add('one', 'two', 'three');
    const [left, right] = [await ada.live(), await ada.live()];
    await left.markRead(idOf(left, 'one'));
    await eventually(() => counts(right)[0] === 2);
    expect(right.getState().items.find(({ title }) => title === 'one')?.readAt).not.toBeNull();
    await left.archive(idOf(left, 'one'));
    await eventually(() => titles(right).length === 2);
    await right.markUnread([]);
    const archived = idOf(right, 'two');
    await right.archive(archived);
    await eventually(() => titles(left).length === 1);
    await left.unarchive(archived);
    await eventually(() => titles(right).length === 2);
    await eventually(() => titles(left).length === 2);
    expect(counts(left)).toEqual(counts(right));
  });

  it('does not read the list again for the word of its own marks', async () => {
    const ada = await person();
    await ada.add('one', 'two');
    const { asked, fetch } = watched();
    const inbox = await ada.live({ fetch });
    const second = await ada.live();
    await inbox.markRead(idOf(inbox, 'one'));
    // By then the word has gone round to both.
    await eventually(() => counts(second)[0] === 1);
    await ada.add('three');
    await eventually(() => titles(inbox).length === 3);
    expect(asked.filter((a) => a === 'GET /v1/inbox/items')).toHaveLength(1);
  });

  it('counts as the server does when marks are answered in another order', async () => {
    const ada = await person();
    await ada.add('one', 'two', 'three');
    let release = (): void => {};
    const released = new Promise<void>((resolve) => (release = resolve));
    let marks = 0;
    const inbox = await ada.live({
      fetch: async (input, init) => {
        const answer = await fetch(input, init);
        if (String(input).endsWith('/mark') && ++marks === 2) await released;
        return answer;
      },
    });
    const second = await ada.live();
    const [one, two] = [idOf(inbox, 'one'), idOf(inbox, 'two')];
    await inbox.markUnread([one, two]);
    const first = inbox.markRead(one);
    await eventually(() => counts(second)[0] === 2);
    await inbox.markRead(two);
    await eventually(() => counts(second)[0] === 1);
    release();
    await first;
    await eventually(() => counts(inbox)[0] === 1);
  });

  it('moves the next page up when everything shown was archived', async () => {
    const ada = await person();
    await ada.add('1', '2', '3', '4');
    const inbox = await ada.live({ pageSize: 2 });
    await inbox.archive(inbox.getState().items.map(({ id }) => id));
    expect(titles(inbox)).toEqual(['2', '1']);
  });

  it('says when it did not work, and shows again what the server has', async () => {
    const ada = await person();
    await ada.add('one');
    let broken = false;
    const inbox = await ada.live({
      fetch: (input, init) =>
        broken && String(input).endsWith('/mark')
          ? Promise.reject(new TypeError('Failed to fetch'))
          : fetch(input, init),
    });
    broken = true;
    const marking = inbox.markAllRead();
    expect(counts(inbox)).toEqual([0, 0]);
    await expect(marking).rejects.toMatchObject({ name: 'InboxError', code: 'network', passing: true });
    await eventually(() => counts(inbox)[0] === 1);
    expect(inbox.getState().items[0]?.readAt).toBeNull();
  });
});

describe('the token', () => {
  it('is asked for again when it has expired, once for all who notice', async () => {
    const ada = await person();
    await ada.add('one');
    const given: string[] = [];
    const inbox = ada.open({
      token: async () => {
        given.push(given.length === 0 ? 'expired.expired.expired' : ada.token);
        return given.at(-1) ?? '';
      },
    });
    await Promise.all([inbox.load(), inbox.markAllRead(), inbox.markSeen()]);
    await eventually(() => inbox.getState().status === 'live');
    expect(given).toHaveLength(2);
    expect(counts(inbox)).toEqual([0, 0]);
  });

  it('that is refused ends it, with a sentence, until it is loaded again', async () => {
    const ada = await person();
    let good = false;
    const { asked, fetch } = watched();
    const inbox = ada.open({ token: () => (good ? ada.token : 'not.a.token'), fetch });
    const error = await inbox.load().catch((e: unknown) => e);
    expect(error).toBeInstanceOf(InboxError);
    expect(error).toMatchObject({
      code: 'unauthenticated',
      passing: false,
      message: expect.stringMatching(/mint/),
    });
    expect(inbox.getState()).toMatchObject({ status: 'refused', error });
    expect(asked).toEqual(['GET /v1/inbox/items', 'GET /v1/inbox/items']);
    good = true;
    await inbox.load();
    await eventually(() => inbox.getState().status === 'live');
  });

  it('that cannot be had now is asked for until it can', async () => {
    const ada = await person();
    let asked = 0;
    const inbox = ada.open({
      token: async () => {
        if (++asked < 4) throw new Error('the server of the page is restarting');
        return ada.token;
      },
    });
    await inbox.load();
    expect(asked).toBe(4);
  });
});

describe('the connection', () => {
  it('loses and doubles nothing when the server dies again and again while items arrive', async () => {
    const ada = await person();
    const inbox = await ada.live({ pageSize: 30 });
    const doubled: string[] = [];
    let backwards = 0;
    inbox.subscribe(() => {
      const { items } = inbox.getState();
      if (new Set(items.map(({ id }) => id)).size < items.length) doubled.push('in one state');
      if (items.some(({ seq }, n) => n > 0 && seq >= (items[n - 1]?.seq ?? 0))) backwards++;
    });
    const stored: string[] = [];
    let storing = true;
    const sending = (async () => {
      for (let n = 0; storing; n++) {
        stored.push(...(await ada.add(`${n}`, `${n}b`)));
        await new Promise(setImmediate);
      }
    })();
    for (let death = 0; death < 5; death++) {
      const enough = stored.length + 30;
      await eventually(() => inbox.getState().status === 'live' && stored.length > enough, 10_000);
      await api.stop();
      const away = stored.length + 10;
      await eventually(() => stored.length > away);
      await api.start();
    }
    await eventually(() => inbox.getState().status === 'live', 10_000);
    storing = false;
    await sending;
    await eventually(() => inbox.getState().items.length >= stored.length, 10_000);
    expect(inbox.getState().items.map(({ id }) => id)).toEqual(stored.toReversed());
    expect(counts(inbox)).toEqual([stored.length, stored.length]);
    expect({ doubled, backwards }).toEqual({ doubled: [], backwards: 0 });
  }, 60_000);

  it('waits between attempts, and tries at once when asked', async () => {
    const ada = await person();
    let away = true;
    let attempts = 0;
    const inbox = ada.open({
      reconnectMs: [600_000, 600_000],
      fetch: (input, init) => {
        attempts++;
        return away ? Promise.reject(new TypeError('Failed to fetch')) : fetch(input, init);
      },
    });
    const loading = inbox.load();
    await eventually(() => inbox.getState().status === 'reconnecting');
    expect(inbox.getState().error).toMatchObject({ code: 'network' });
    expect(attempts).toBe(1);
    away = false;
    await inbox.load();
    await loading;
    expect(inbox.getState()).toMatchObject({ loaded: true, error: null });
  });

  it('is taken for dead when it is silent for too long', async () => {
    const silent = new Response(
      new ReadableStream({ start: (c) => c.enqueue(new TextEncoder().encode(':\n\n')) }),
    );
    const reading = (async () => {
      for await (const event of eventsOf(silent, 30)) return event;
      return 'ended';
    })();
    await expect(reading).rejects.toThrow('silent');
  });

  it('ends on close, and is taken up again by load', async () => {
    const ada = await person();
    await ada.add('one');
    const { asked, fetch } = watched();
    const inbox = await ada.live({ fetch });
    inbox.close();
    expect(inbox.getState()).toMatchObject({ status: 'closed', items: [{ title: 'one' }] });
    const before = asked.length;
    await ada.add('two');
    const other = await ada.live();
    await eventually(() => titles(other).length === 2);
    expect(asked).toHaveLength(before);
    await inbox.load();
    await eventually(() => titles(inbox).length === 2);
    expect(titles(inbox)).toEqual(['two', 'one']);
  });
});

/** Compiles only while the shapes written out in item.ts are those of the contracts. */
type Same<A, B> = [A, B] extends [B, A] ? true : never;
const same: {
  item: Same<contracts.InboxItem, own.InboxItem>;
  page: Same<contracts.InboxPage, own.InboxPage>;
  event: Same<contracts.InboxStreamEvent, own.InboxStreamEvent>;
  word: Same<contracts.InboxMark['as'], own.InboxWord>;
} = { item: true, page: true, event: true, word: true };
it('has the shapes of the contracts', () => expect(Object.values(same)).not.toContain(false));
