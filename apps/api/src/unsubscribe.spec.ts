import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { unsubscribeUrl, type UnsubscribeSubject } from '@carillon/audience-service';
import { dayOf, newId } from '@carillon/database';
import { apiFixture, type ApiFixture } from './api.fixture.js';

let at: ApiFixture;
beforeAll(async () => {
  at = await apiFixture();
}, 60_000);
afterAll(() => at.close(), 30_000);

/** A link as it stands in a mail that was sent. */
async function link(more: Partial<UnsubscribeSubject> = {}) {
  const subject: UnsubscribeSubject = {
    workspaceId: at.here.id,
    deliveryId: newId(),
    channel: 'email',
    profileId: newId(),
    address: `ana-${newId()}@example.com`,
    topic: 'news',
    ...more,
  };
  await at.owner.query(
    `INSERT INTO deliveries (day, id, workspace_id, message_id, channel, class, lane, source, status)
     VALUES ($1, $2, $3, $4, 'email', 'marketing', 'bulk', 'api', 'sent')`,
    [dayOf(subject.deliveryId), subject.deliveryId, subject.workspaceId, newId()],
  );
  return {
    subject,
    url: unsubscribeUrl({ publicUrl: at.url, signingKeys: [at.config.secrets.signingKey] }, subject),
  };
}
const words = async ({ address, profileId }: UnsubscribeSubject) =>
  (
    await at.owner.query(
      `SELECT topic, word, source, address <> '' AS by_address FROM consents WHERE address = $1 OR profile_id = $2 ORDER BY topic, by_address`,
      [address, profileId],
    )
  ).rows as unknown[];
const timeline = async ({ deliveryId }: UnsubscribeSubject) =>
  (await at.owner.query(`SELECT type, detail FROM delivery_events WHERE delivery_id = $1`, [deliveryId]))
    .rows as unknown[];
const form = (body: Record<string, string>) => ({ method: 'POST', body: new URLSearchParams(body) });

describe('the unsubscribe page', () => {
  it('asks, and changes nothing however often a scanner opens it', async () => {
    const { url, subject } = await link();
    for (let i = 0; i < 100; i++) {
      const answer = await fetch(url, i % 2 ? { method: 'HEAD' } : {});
      expect(answer.status).toBe(200);
    }
    const page = await (await fetch(url)).text();
    expect(page).toContain('The here shop');
    expect(page).toContain('“news”');
    expect(page).toContain('<form method="post">');
    expect(page).not.toContain('<script');
    expect(page).not.toContain(subject.address ?? '');
    expect(await words(subject)).toEqual([]);
  });

  it('names the topic as the person is to read it', async () => {
    const { url } = await link();
    const put = { params: { key: 'news' }, body: { name: { en: 'Our letters', de: 'Unsere Briefe' } } };
    expect((await at.ask(at.here, 'saveTopic', put)).status).toBe(200);
    const read = async (language: string) =>
      (await fetch(url, { headers: { 'accept-language': language } })).text();
    expect(await read('en')).toContain('“Our letters”');
    expect(await read('de')).toContain('Unsere Briefe');
    await at.ask(at.here, 'archiveTopic', { params: { key: 'news' } });
  });

  it('takes the answer of its form, and shows that it is done', async () => {
    const { url, subject } = await link();
    const answer = await fetch(url, form({ unsubscribe: 'topic' }));
    expect(answer.status).toBe(200);
    expect(await answer.text()).toContain('You are unsubscribed');
    expect(await words(subject)).toEqual([
      { topic: 'news', word: 'out', source: 'page', by_address: false },
      { topic: 'news', word: 'out', source: 'page', by_address: true },
    ]);
    expect(await timeline(subject)).toEqual([
      { type: 'unsubscribed', detail: { topic: 'news', source: 'page' } },
    ]);
  });

  it('may end all marketing at once', async () => {
    const { url, subject } = await link({ profileId: null });
    await fetch(url, form({ unsubscribe: 'all' }));
    expect(await words(subject)).toEqual([
      { topic: 'marketing', word: 'out', source: 'page', by_address: true },
    ]);
  });

  it.each<[string, () => RequestInit]>([
    ['urlencoded', () => form({ 'List-Unsubscribe': 'One-Click' })],
    [
      'multipart',
      () => {
        const body = new FormData();
        body.set('List-Unsubscribe', 'One-Click');
        return { method: 'POST', body };
      },
    ],
  ])('takes one click of a mail program (RFC 8058), %s, as often as it comes', async (_how, request) => {
    const { url, subject } = await link();
    for (let i = 0; i < 3; i++) expect((await fetch(url, request())).status).toBe(200);
    expect(await words(subject)).toHaveLength(2);
    expect(await timeline(subject)).toHaveLength(1);
  });

  it('does nothing on a POST that is neither', async () => {
    const { url, subject } = await link();
    for (const request of [
      { method: 'POST' },
      form({}),
      form({ unsubscribe: 'everybody' }),
      { method: 'POST', body: '{"List-Unsubscribe":"One-Click"}' },
    ])
      expect((await fetch(url, request)).status).toBe(400);
    expect(await words(subject)).toEqual([]);
  });

  it('is not found under a forged or cut link', async () => {
    const { url, subject } = await link();
    const stranger = unsubscribeUrl({ publicUrl: at.url, signingKeys: [Buffer.alloc(32, 7)] }, subject);
    for (const forged of [
      stranger,
      url.slice(0, -2),
      `${url}AA`,
      `${at.url}/u/x`,
      url.replace(/\/u\/(.{40}).{6}/, '/u/$1AAAAAA'),
    ]) {
      expect((await fetch(forged)).status).toBe(404);
      expect((await fetch(forged, form({ 'List-Unsubscribe': 'One-Click' }))).status).toBe(404);
    }
    expect(await words(subject)).toEqual([]);
  });

  it('shows what came from outside as text', async () => {
    await at.owner.query(`UPDATE workspaces SET name = '<img src=x onerror=alert(1)>' WHERE id = $1`, [
      at.elsewhere.id,
    ]);
    const { url } = await link({ workspaceId: at.elsewhere.id, topic: '"><script>alert(1)</script>' });
    const page = await (await fetch(url)).text();
    expect(page).not.toMatch(/<script|<img/);
    expect(page).toContain('&lt;script&gt;');
  });

  it('allows no script and no frame, and is not to be indexed', async () => {
    const { url } = await link();
    const answer = await fetch(url);
    expect(answer.headers.get('content-security-policy')).toContain("frame-ancestors 'none'");
    expect(answer.headers.get('x-robots-tag')).toBe('noindex');
    expect(answer.headers.get('referrer-policy')).toBe('same-origin');
  });
});
