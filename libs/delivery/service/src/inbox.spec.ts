/** The inbox on a real PostgreSQL and the real API: storing, reading, marking, and the stream as bytes on a socket. */
import type { InboxPage, InboxStreamEvent } from '@carillon/contracts';
import { Database, newId } from '@carillon/database';
import { eventually } from '@carillon/testing';
import { startTestApi, type InboxItems, type TestApi } from '@carillon/testing/api';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { inboxPort } from './inbox.js';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
}, 60_000);
afterAll(() => api.close());

let people = 0;
/** A new profile with a token, and the calls a browser makes for it. */
async function person(ttlSeconds?: number) {
  const externalId = `person-${++people}`;
  const id = await api.profile(externalId);
  const token = await api.inboxToken(externalId, ttlSeconds);
  const headers = { authorization: `Bearer ${token}` };
  const read = async <T>(answer: Response): Promise<T> => {
    expect(answer.status).toBeLessThan(300);
    return (await answer.json()) as T;
  };
  return {
    id,
    externalId,
    token,
    headers,
    add: (...titles: string[]) => api.store(titles.map((title) => item(id, title))),
    list: async (query = '') => read<InboxPage>(await api.call(`/v1/inbox/items?${query}`, { headers })),
    mark: async (as: string, ids?: string[]) =>
      read<{ changed: number; unread: number; unseen: number }>(
        await api.call('/v1/inbox/mark', { headers, body: { as, ids } }),
      ),
    ticket: async () =>
      (await read<{ ticket: string }>(await api.call('/v1/inbox/ticket', { headers, method: 'POST' })))
        .ticket,
    async stream(lastEventId?: number) {
      return openStream(
        await this.ticket(),
        lastEventId === undefined ? {} : { 'last-event-id': `${lastEventId}` },
      );
    },
  };
}
const item = (profileId: string, title: string, deliveryId = newId()): InboxItems[number] => ({
  deliveryId,
  profileId,
  title,
  body: `About ${title}`,
  url: null,
  imageUrl: null,
  data: { title },
});

interface Streamed {
  id: number;
  event: string;
  data: InboxStreamEvent;
}
const streamAddress = (ticket: string) => `${api.url}/v1/inbox/stream?ticket=${encodeURIComponent(ticket)}`;

/** The stream as it stands on the wire; `events` grows as it is read. */
async function openStream(ticket: string, headers: Record<string, string> = {}) {
  const stop = new AbortController();
  const answer = await fetch(streamAddress(ticket), { headers, signal: stop.signal });
  expect(answer.status).toBe(200);
  expect(answer.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
  const events: Streamed[] = [];
  let text = '';
  const ended = (async () => {
    for await (const chunk of answer.body as unknown as AsyncIterable<Uint8Array>) {
      text += Buffer.from(chunk).toString();
      const frames = text.split('\n\n');
      text = frames.pop() ?? '';
      for (const frame of frames) {
        const field = (name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(frame)?.[1];
        const data = field('data');
        if (data !== undefined)
          events.push({
            id: Number(field('id')),
            event: field('event') ?? '',
            data: JSON.parse(data) as InboxStreamEvent,
          });
      }
    }
  })().catch(() => undefined);
  return {
    answer,
    events,
    ended,
    titles: () => events.flatMap(({ data }) => (data.type === 'item' ? [data.item.title] : [])),
    async close() {
      stop.abort();
      await ended;
    },
  };
}

describe('storing', () => {
  it('counts each feed by itself, from 1, in the order given', async () => {
    const [ada, bob] = [await person(), await person()];
    await api.store([item(ada.id, 'a1'), item(bob.id, 'b1'), item(ada.id, 'a2')]);
    await api.store([item(ada.id, 'a3')]);
    expect((await ada.list()).items.map(({ seq, title }) => [seq, title])).toEqual([
      [3, 'a3'],
      [2, 'a2'],
      [1, 'a1'],
    ]);
    expect((await bob.list()).items.map(({ seq }) => seq)).toEqual([1]);
  });

  it('keeps one item per delivery, whoever stores it again and with whatever else', async () => {
    const ada = await person();
    const [one, two, three] = [item(ada.id, 'one'), item(ada.id, 'two'), item(ada.id, 'three')];
    const [first] = await api.store([one]);
    const ids = await api.store([two, one, two]);
    expect(ids).toEqual([ids[0], first, ids[0]]);
    expect(await api.store([three, two])).toEqual([expect.any(String), ids[0]]);
    expect((await ada.list()).items.map(({ seq, title }) => [seq, title])).toEqual([
      [3, 'three'],
      [2, 'two'],
      [1, 'one'],
    ]);
  });

  it('loses no number and waits in no ring when batches that share people meet', async () => {
    const crowd: Awaited<ReturnType<typeof person>>[] = [];
    while (crowd.length < 8) crowd.push(await person());
    const processes = [1, 2, 3].map(
      () => new Database({ url: api.database.pool.options.connectionString ?? '', max: 4 }),
    );
    const shared = crowd.map(({ id }) => item(id, 'shared'));
    await Promise.all(
      Array.from({ length: 30 }, (_, n) => {
        const mine = crowd.map(({ id }) => item(id, `batch ${n}`));
        const batch = [...mine, ...shared].sort(() => Math.random() - 0.5);
        return inboxPort(processes[n % 3] as Database, api.workspaceId).store(batch);
      }),
    );
    for (const { list } of crowd) {
      const { items } = await list('limit=100');
      expect(items.map(({ seq }) => seq)).toEqual(Array.from({ length: 31 }, (_, n) => 31 - n));
      expect(new Set(items.map(({ title }) => title)).size).toBe(31);
    }
    for (const database of processes) await database.close();
  });
});

describe('listing', () => {
  it('pages from the newest, without gap or overlap, and counts all of it', async () => {
    const ada = await person();
    await ada.add(...Array.from({ length: 7 }, (_, n) => `n${n + 1}`));
    const seen: string[] = [];
    let cursor: string | null = '';
    let pages = 0;
    while (cursor !== null) {
      const page: InboxPage = await ada.list(`limit=3${cursor && `&cursor=${cursor}`}`);
      // What arrives meanwhile is newer than every cursor.
      await ada.add('late');
      seen.push(...page.items.map(({ title }) => title));
      cursor = page.nextCursor;
      pages++;
    }
    expect(pages).toBe(3);
    expect(seen).toEqual(['n7', 'n6', 'n5', 'n4', 'n3', 'n2', 'n1']);
    expect(await ada.list('limit=1')).toMatchObject({ unread: 10, unseen: 10 });
  });

  it('gives unread and archived apart', async () => {
    const ada = await person();
    const [a, b] = (await ada.add('a', 'b', 'c')) as [string, string];
    await ada.mark('read', [a]);
    await ada.mark('archived', [b]);
    const titles = async (filter: string) => (await ada.list(`filter=${filter}`)).items.map((i) => i.title);
    expect(await titles('all')).toEqual(['c', 'a']);
    expect(await titles('unread')).toEqual(['c']);
    expect(await titles('archived')).toEqual(['b']);
  });

  it('refuses a cursor that is none', async () => {
    const ada = await person();
    const answer = await api.call('/v1/inbox/items?cursor=abc', { headers: ada.headers });
    expect(answer.status).toBe(422);
    expect(await answer.json()).toMatchObject({ errors: [{ pointer: '?cursor' }] });
  });

  it("never shows or changes another person's items, or another workspace's", async () => {
    const [ada, eve] = [await person(), await person()];
    const [id] = (await ada.add('secret')) as [string];
    expect((await eve.list()).items).toEqual([]);
    expect(await eve.mark('archived', [id])).toMatchObject({ changed: 0 });
    expect(await eve.mark('read')).toMatchObject({ changed: 0 });
    expect((await ada.list()).items).toMatchObject([{ title: 'secret', readAt: null, archivedAt: null }]);
  });
});

describe('marking', () => {
  it('says how many changed, and counts again', async () => {
    const ada = await person();
    const ids = await ada.add('a', 'b', 'c');
    expect(await ada.mark('seen')).toEqual({ changed: 3, unread: 3, unseen: 0 });
    expect(await ada.mark('read', ids.slice(0, 1))).toEqual({ changed: 1, unread: 2, unseen: 0 });
    expect(await ada.mark('read')).toEqual({ changed: 2, unread: 0, unseen: 0 });
    expect(await ada.mark('read')).toEqual({ changed: 0, unread: 0, unseen: 0 });
    expect(await ada.mark('unread', ids.slice(0, 2))).toEqual({ changed: 2, unread: 2, unseen: 0 });
    expect(await ada.mark('archived', ids.slice(0, 1))).toEqual({ changed: 1, unread: 1, unseen: 0 });
    expect(await ada.mark('unarchived', ids)).toEqual({ changed: 1, unread: 2, unseen: 0 });
    expect(await ada.mark('read', [newId()])).toMatchObject({ changed: 0 });
  });

  it('reading has seen', async () => {
    const ada = await person();
    await ada.add('a');
    expect(await ada.mark('read')).toEqual({ changed: 1, unread: 0, unseen: 0 });
    expect((await ada.list()).items).toMatchObject([
      { seenAt: expect.any(String), readAt: expect.any(String) },
    ]);
  });

  it('leaves each line once in the timeline of the delivery, also when tabs race', async () => {
    const ada = await person();
    const answer = await api.call('/v1/messages', {
      body: {
        to: { profile: ada.externalId },
        channels: ['in-app'],
        content: { 'in-app': { title: 'Hello', body: 'There' } },
      },
    });
    expect(answer.status).toBe(202);
    const { deliveries } = (await answer.json()) as { deliveries: [{ id: string }] };
    const [{ id: deliveryId }] = deliveries;
    const [id] = (await api.store([item(ada.id, 'Hello', deliveryId)])) as [string];
    await Promise.all([ada.mark('seen', [id]), ada.mark('read'), ada.mark('read', [id]), ada.mark('seen')]);
    await ada.mark('unread', [id]);
    await ada.mark('read', [id]);
    await ada.mark('archived', [id]);
    await ada.mark('unarchived', [id]);
    await ada.mark('archived', [id]);
    const detail = await (await api.call(`/v1/deliveries/${deliveryId}`)).json();
    const lines = (detail as { timeline: { type: string }[] }).timeline.map(({ type }) => type);
    expect(lines.filter((type) => type !== 'accepted').sort()).toEqual(['archived', 'read', 'seen']);
  });

  it('marks what is so old that its delivery is no longer kept', async () => {
    const ada = await person();
    await api.store([item(ada.id, 'old', newId(new Date('2020-01-01')))]);
    expect(await ada.mark('read')).toMatchObject({ changed: 1 });
  });
});

describe('the stream', () => {
  it('gives what is stored from now on, with its seq as event id, and the counts', async () => {
    const ada = await person();
    await ada.add('before');
    const stream = await ada.stream();
    await eventually(() => stream.events.length > 0);
    await ada.add('one', 'two');
    await ada.add('three');
    await eventually(() => stream.titles().length === 3);
    expect(stream.events[0]).toEqual({
      id: 1,
      event: 'change',
      data: { type: 'change', unread: 1, unseen: 1 },
    });
    const items = stream.events.filter(({ event }) => event === 'item');
    expect(items.map(({ id }) => id)).toEqual([2, 3, 4]);
    expect(items.at(-1)?.data).toMatchObject({ unread: 4, unseen: 4, item: { body: 'About three', seq: 4 } });
    await stream.close();
  });

  it('goes on after Last-Event-ID', async () => {
    const ada = await person();
    await ada.add(...Array.from({ length: 120 }, (_, n) => `${n + 1}`));
    const stream = await ada.stream(2);
    await eventually(() => stream.titles().length === 118);
    expect(stream.titles()).toEqual(Array.from({ length: 118 }, (_, n) => `${n + 3}`));
    await stream.close();
  });

  it('tells other tabs that something was marked', async () => {
    const ada = await person();
    const stream = await ada.stream();
    await eventually(() => stream.events.length === 1);
    const ids = await ada.add('one');
    await eventually(() => stream.events.length === 2);
    await ada.mark('read', ids);
    await eventually(() => stream.events.length === 3);
    // The counts stay, and yet another tab must drop the item.
    await ada.mark('archived', ids);
    await eventually(() => stream.events.length === 4);
    expect(stream.events.map(({ id, data: { type, unread, unseen } }) => [id, type, unread, unseen])).toEqual(
      [
        [0, 'change', 0, 0],
        [1, 'item', 1, 1],
        [1, 'change', 0, 0],
        [1, 'change', 0, 0],
      ],
    );
    await stream.close();
  });

  it('hears only its own inbox', async () => {
    const [ada, eve] = [await person(), await person()];
    const stream = await eve.stream();
    await eventually(() => stream.events.length === 1);
    await ada.add('secret');
    await eve.add('mine');
    await eventually(() => stream.titles().length > 0);
    expect(stream.titles()).toEqual(['mine']);
    await stream.close();
  });

  it('misses nothing while its database connection is broken', async () => {
    const ada = await person();
    const stream = await ada.stream();
    await eventually(() => stream.events.length === 1);
    const { rowCount } = await api.owner.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'carillon api' AND query LIKE 'LISTEN%'`,
    );
    expect(rowCount).toBe(1);
    await ada.add('while deaf');
    await eventually(() => stream.titles().length === 1);
    expect(stream.titles()).toEqual(['while deaf']);
    await stream.close();
  });

  it('takes ten connections of one profile and gives a place back when one leaves', async () => {
    const ada = await person();
    const streams = [];
    for (let n = 0; n < 10; n++) streams.push(await ada.stream());
    const eleventh = await fetch(streamAddress(await ada.ticket()));
    expect(eleventh.status).toBe(429);
    expect(eleventh.headers.get('retry-after')).toBe('30');
    await streams.pop()?.close();
    const again = await eventually(async () => {
      const answer = await fetch(streamAddress(await ada.ticket()));
      return answer.status === 200 && answer;
    });
    await again.body?.cancel();
    for (const stream of streams) await stream.close();
  });

  it('waits for a reader that does not read, and leaves nothing out for it later', async () => {
    const ada = await person();
    const answer = await fetch(streamAddress(await ada.ticket()), { headers: { 'last-event-id': '0' } });
    const body = 'x'.repeat(20_000);
    const batch = (n: number) =>
      Array.from({ length: 10 }, (_, i) => ({ ...item(ada.id, `${n}.${i}`), body }));
    // More than the sockets between hold.
    for (let n = 0; n < 40; n++) await api.store(batch(n));
    const seqs: number[] = [];
    for await (const chunk of answer.body as unknown as AsyncIterable<Uint8Array>) {
      for (const [, seq] of Buffer.from(chunk)
        .toString()
        .matchAll(/"seq":(\d+),/g))
        seqs.push(Number(seq));
      if (seqs.length >= 400) break;
    }
    expect(seqs).toEqual(Array.from({ length: 400 }, (_, n) => n + 1));
  });

  it('says what is not a token, ticket or profile', async () => {
    const answer = await api.call('/v1/inbox/tokens', { body: { profile: 'nobody' } });
    expect(answer.status).toBe(422);
    expect(await answer.json()).toMatchObject({
      errors: [
        {
          pointer: '/profile',
          code: 'unknown_profile',
          message: expect.stringContaining('PUT /v1/profiles/nobody'),
        },
      ],
    });
    expect((await fetch(streamAddress('nonsense'))).status).toBe(401);
  });
});
