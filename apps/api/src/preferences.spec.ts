/** The preference page and the confirmation page, as people meet them: a link, a form, no script and no sign-in. */
import { unsubscribeUrl } from '@carillon/audience-service';
import type { PersonConsents, Profile } from '@carillon/contracts';
import { newId } from '@carillon/database';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { confirmUrl } from '@carillon/audience-service';
import { apiFixture, type ApiFixture } from './api.fixture.js';

let at: ApiFixture;
beforeAll(async () => {
  at = await apiFixture();
  const save = (key: string, body: object) => at.ask(at.here, 'saveTopic', { params: { key }, body });
  await save('news', {
    name: { en: 'News', de: 'Neuigkeiten' },
    description: { en: 'Once a month' },
    position: 1,
  });
  await save('news.daily', { name: { en: 'Daily <b>' }, parent: 'news', position: 2, byDefault: 'out' });
  await save('beta', {
    name: { en: 'Beta' },
    byDefault: 'out',
    position: 3,
    doubleOptIn: { template: 'confirm' },
  });
}, 60_000);
afterAll(() => at.close(), 30_000);

let made = 0;
async function person(locale = 'en') {
  const externalId = `p${++made}`;
  const answer = await at.ask(at.here, 'upsertProfile', {
    params: { externalId },
    body: { email: `${externalId}@example.com`, locale },
  });
  const profile = answer.json as Profile;
  const url = unsubscribeUrl(
    { publicUrl: at.url, signingKeys: [at.config.secrets.signingKey] },
    {
      workspaceId: at.here.id,
      deliveryId: newId(),
      channel: 'email',
      profileId: profile.id,
      address: profile.email,
      topic: 'news',
    },
  ).replace('/u/', '/p/');
  const consents = async () =>
    (await at.ask(at.here, 'getConsents', { params: { externalId } })).json as PersonConsents;
  const now = async () =>
    Object.fromEntries(
      (await consents()).consents.filter((c) => c.address === null).map((c) => [c.topic, c.word]),
    );
  return { externalId, profile, url, consents, now };
}
const post = (url: string, fields: [string, string][]) =>
  fetch(url, { method: 'POST', body: new URLSearchParams(fields) });
const ticked = (html: string) => [...html.matchAll(/value="([^"]+)" checked/g)].map(([, key]) => key);

describe('the preference page', () => {
  it('shows what holds, in a page without script, and changes nothing when it is opened', async () => {
    const { url, now } = await person();
    for (let i = 0; i < 20; i++) await fetch(url);
    const page = await (await fetch(url)).text();
    expect(page).toContain('<html lang="en">');
    expect(page).not.toContain('<script');
    expect(page).toContain('Daily &lt;b&gt;');
    expect(page).not.toContain('@example.com</b>@');
    expect(ticked(page)).toEqual(['news']);
    expect(await now()).toEqual({});
  });

  it('saves what is ticked, and what is not; a child may stay when its parent is left', async () => {
    const { url, now } = await person();
    const answer = await post(url, [
      ['action', 'save'],
      ['topic', 'news'],
      ['topic', 'news.daily'],
      ['topic', 'beta'],
    ]);
    expect(answer.status).toBe(200);
    const page = await answer.text();
    expect(page).toContain('role="status"');
    expect(ticked(page)).toEqual(['news', 'news.daily', 'beta']);
    // Who holds the link holds the address: no confirmation is asked for.
    expect(await now()).toEqual({ 'news.daily': 'in', beta: 'in' });
    expect(
      ticked(
        await (
          await post(url, [
            ['action', 'save'],
            ['topic', 'news.daily'],
          ])
        ).text(),
      ),
    ).toEqual(['news.daily']);
    expect(await now()).toEqual({ news: 'out', 'news.daily': 'in', beta: 'out' });
    expect(ticked(await (await post(url, [['action', 'none']])).text())).toEqual([]);
    expect(await now()).toEqual({ news: 'out', 'news.daily': 'out', beta: 'out', marketing: 'out' });
    expect(
      ticked(
        await (
          await post(url, [
            ['action', 'save'],
            ['topic', 'news'],
          ])
        ).text(),
      ),
    ).toEqual(['news']);
  });

  it('tells of a channel that is blocked as a whole, and opens it again', async () => {
    const { url, externalId, now } = await person();
    await at.ask(at.here, 'setConsents', {
      params: { externalId },
      body: { consents: [{ channel: 'email', word: 'out' }] },
    });
    expect(await (await fetch(url)).text()).toContain('Allow messages again');
    await post(url, [['action', 'unblock']]);
    expect(await now()).toEqual({ '': 'in' });
  });

  it.each([
    ['de-AT', 'Themen|Wählen Sie', 'Neuigkeiten'],
    ['fr', 'Choisissez', 'News'],
    ['es-MX', 'Elija', 'News'],
    ['pt', 'Choose', 'News'],
  ])('speaks %s', async (locale, words, name) => {
    const { url } = await person(locale);
    const page = await (await fetch(url)).text();
    expect(page).toMatch(new RegExp(words));
    expect(page).toContain(name);
  });

  it('is not there for a link that is not ours, and takes no other form', async () => {
    const { url, now } = await person();
    for (const wrong of [`${url}x`, url.slice(0, -3), `${at.url}/p/nothing`]) {
      expect((await fetch(wrong)).status).toBe(404);
      expect((await post(wrong, [['action', 'none']])).status).toBe(404);
    }
    expect((await post(url, [['topic', 'news']])).status).toBe(400);
    expect(await now()).toEqual({});
  });
});

describe('double opt-in', () => {
  it('counts only when it was confirmed, once, and never over a later "out"', async () => {
    const { externalId, now } = await person();
    const say = (word: string) =>
      at.ask(at.here, 'setConsents', {
        params: { externalId },
        body: { consents: [{ channel: 'email', topic: 'beta', word }] },
      });
    await say('in');
    await say('in');
    expect(await now()).toEqual({ beta: 'pending' });
    const { rows } = await at.owner.query<{ id: string }>(
      'SELECT id FROM consent_confirmations WHERE due_at IS NOT NULL',
    );
    expect(rows).toHaveLength(1);
    const url = confirmUrl({ workspaceId: at.here.id, id: rows[0]!.id }).replace(/^https?:\/\/[^/]+/, at.url);
    for (let i = 0; i < 5; i++) expect(await (await fetch(url)).text()).toContain('Yes, I want this');
    expect(await now()).toEqual({ beta: 'pending' });
    const answer = await post(url, [['action', 'confirm']]);
    expect(await answer.text()).toContain('is confirmed');
    expect(await now()).toEqual({ beta: 'in' });
    await say('out');
    await post(url, [['action', 'confirm']]);
    expect(await now()).toEqual({ beta: 'out' });
    expect((await post(`${url.slice(0, -2)}AA`, [['action', 'confirm']])).status).toBe(404);
  });
});
