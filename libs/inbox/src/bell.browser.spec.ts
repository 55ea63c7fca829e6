/**
 * The bell on a page of another origin, in a real browser, against the real API: under a strict policy, without a
 * mouse, with hostile content, on a telephone, through an outage. `TEST_SCREENSHOTS=folder` keeps pictures.
 */
import { eventually } from '@carillon/testing';
import { startTestApi, type InboxItems, type TestApi } from '@carillon/testing/api';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { build } from 'esbuild';
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { chromium, type Browser, type BrowserContextOptions, type Page } from 'playwright-core';

jest.setTimeout(30_000);

let api: TestApi;
let shop: Server;
let shopUrl: string;
let browser: Browser;
let page: Page;
/** Whatever the browser complained of: must stay empty. */
let complaints: string[];

beforeAll(async () => {
  const script = await bundle();
  const styles = readFileSync(new URL('./styles.css', import.meta.url), 'utf8');
  shop = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '', 'http://shop');
    const send = (type: string, body: string) => response.writeHead(200, { 'content-type': type }).end(body);
    if (pathname === '/page.js') send('text/javascript', script);
    else if (pathname === '/styles.css') send('text/css', `${styles}\n${SHOP_LOOKS}`);
    else if (pathname === '/picture.svg') send('image/svg+xml', PICTURE);
    else if (pathname === '/inbox-token')
      void api.inboxToken(searchParams.get('person') ?? '').then((token) => send('text/plain', token));
    else if (pathname !== '/') send('text/plain', 'Another page.');
    else {
      response.setHeader(
        'content-security-policy',
        `default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self' ${api.url}; base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'`,
      );
      send('text/html', PAGE);
    }
  });
  await new Promise<void>((resolve) => shop.listen(0, '127.0.0.1', resolve));
  shopUrl = `http://127.0.0.1:${(shop.address() as AddressInfo).port}`;
  api = await startTestApi({ INBOX_ALLOWED_ORIGINS: shopUrl });
  const executablePath = process.env.TEST_CHROMIUM ?? '/usr/bin/chromium';
  browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
}, 120_000);
afterAll(async () => {
  await browser.close();
  await api.close();
  shop.closeAllConnections();
  await new Promise((resolve) => shop.close(resolve));
});

const PAGE = `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Shop</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="/picture.svg">
<link rel="stylesheet" href="/styles.css"></head><body><div id="root"></div><script type="module" src="/page.js"></script></body></html>`;
const SHOP_LOOKS = `:root { color-scheme: light dark } body { margin: 0; font: 16px/1.5 system-ui, sans-serif; background: light-dark(#fff, #121316); color: light-dark(#111, #eee) }
header { display: flex; align-items: center; gap: 1rem; padding: .5rem 1rem } header strong { flex: 1 } output { font-size: .75rem; opacity: .6 }`;
const PICTURE = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8"><path fill="#2f9e6e" d="M0 0h8v8H0z"/><path fill="#fff" d="M2 2h4v4H2z"/></svg>`;

async function bundle(): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL('./page.fixture.tsx', import.meta.url))],
    bundle: true,
    write: false,
    format: 'esm',
    jsx: 'automatic',
    define: { 'process.env.NODE_ENV': '"development"' },
    logLevel: 'warning',
  });
  return outputFiles[0]?.text ?? '';
}

let people = 0;
let person: { id: string; externalId: string };
beforeEach(async () => {
  const externalId = `person-${++people}`;
  person = { id: await api.profile(externalId), externalId };
});
afterEach(async () => {
  await page.context().close();
  expect(complaints).toEqual([]);
});

const add = (...items: Partial<InboxItems[number]>[]) =>
  api.store(
    items.map((item) => ({
      deliveryId: `01999999${randomUUID().slice(8, 14)}7${randomUUID().slice(15)}`,
      profileId: person.id,
      title: 'A title',
      body: '',
      url: null,
      imageUrl: null,
      data: {},
      ...item,
    })),
  );

async function visit(options: BrowserContextOptions & { theme?: string } = {}): Promise<void> {
  const { theme = 'auto', ...rest } = options;
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, ...rest });
  page = await context.newPage();
  page.setDefaultTimeout(30_000);
  complaints = [];
  page.on('console', (message) => {
    // A server that is away is a network error in the console, which nobody can prevent.
    const expected = /net::ERR_|Failed to load resource/.test(message.text());
    if (['error', 'warning'].includes(message.type()) && !expected) complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('dialog', (dialog) => {
    complaints.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  const query = new URLSearchParams({ person: person.externalId, api: api.url, theme });
  await page.goto(`${shopUrl}/?${query}`);
}
const live = () => page.getByText(/^live,/).waitFor();
const bell = () => page.getByRole('button', { name: /^Notifications/ });
const panel = () => page.getByRole('dialog', { name: 'Notifications' });
const focused = () => page.evaluate(() => document.activeElement?.textContent ?? '');
const unreadOnServer = async () => {
  const { rows } = await api.owner.query<{ n: number }>(
    'SELECT count(*)::int AS n FROM inbox_items WHERE profile_id = $1 AND read_at IS NULL AND archived_at IS NULL',
    [person.id],
  );
  return rows[0]?.n;
};

describe('the bell', () => {
  it('counts what arrives, says it aloud, and shows it without a reload', async () => {
    await visit();
    await live();
    expect(await bell().getAttribute('aria-label')).toBe('Notifications');
    await add({ title: 'Your order has shipped' });
    await page.getByRole('button', { name: 'Notifications, 1 unread' }).waitFor();
    await page
      .getByRole('status')
      .filter({ hasText: 'New: Your order has shipped' })
      .waitFor({ state: 'attached' });
    await bell().click();
    await panel()
      .getByRole('button', { name: /^Unread: Your order has shipped/ })
      .waitFor();
    await add({ title: 'And it has arrived' });
    await panel().getByRole('listitem').nth(1).waitFor();
    expect(await panel().getByRole('listitem').first().textContent()).toContain('And it has arrived');
    // Looked at is seen, and not yet read.
    await eventually(async () => {
      const { rows } = await api.owner.query(
        'SELECT 1 FROM inbox_items WHERE profile_id = $1 AND seen_at IS NULL',
        [person.id],
      );
      return rows.length === 0;
    });
    expect(await unreadOnServer()).toBe(2);
  });

  it('reads on a click, and follows a link', async () => {
    await add({ title: 'With a link', url: '/orders/1042' }, { title: 'Without' });
    await visit();
    await bell().click();
    await panel()
      .getByRole('button', { name: /Without/ })
      .first()
      .click();
    await eventually(async () => (await unreadOnServer()) === 1);
    await panel()
      .getByRole('link', { name: /With a link/ })
      .click();
    await page.waitForURL('**/orders/1042');
    await eventually(async () => (await unreadOnServer()) === 0);
  });

  it('reads, unreads and archives in place, and all at once', async () => {
    await add({ title: 'one' }, { title: 'two' }, { title: 'three' });
    await visit();
    await bell().click();
    await panel().getByRole('button', { name: 'Mark “two” as read' }).click();
    await page.getByRole('button', { name: 'Notifications, 2 unread' }).waitFor();
    await panel().getByRole('button', { name: 'Mark “two” as unread' }).click();
    await panel().getByRole('button', { name: 'Archive “one”' }).click();
    await page.getByRole('button', { name: 'Notifications, 2 unread' }).waitFor();
    expect(await panel().getByRole('listitem').count()).toBe(2);
    await panel().getByRole('button', { name: 'Mark all as read' }).click();
    await page.getByRole('button', { name: 'Notifications', exact: true }).waitFor();
    await eventually(async () => (await unreadOnServer()) === 0);
  });

  it('loads older ones on demand', async () => {
    await add(...Array.from({ length: 12 }, (_, n) => ({ title: `number ${n + 1}` })));
    await visit();
    await bell().click();
    await eventually(async () => (await panel().getByRole('listitem').count()) === 5);
    await panel().getByRole('button', { name: 'Load more' }).click();
    await eventually(async () => (await panel().getByRole('listitem').count()) === 10);
    await panel().getByRole('button', { name: 'Load more' }).click();
    await eventually(async () => (await panel().getByRole('listitem').count()) === 12);
    expect(await panel().getByRole('button', { name: 'Load more' }).count()).toBe(0);
  });

  it('says that it is loading, then that there is nothing', async () => {
    let answer: () => void = () => undefined;
    const held = new Promise<void>((resolve) => (answer = resolve));
    await visit();
    await page.route('**/v1/inbox/items*', async (route) => {
      await held;
      await route.continue();
    });
    await page.reload();
    await bell().click();
    await panel().getByText('Loading notifications').waitFor({ state: 'attached' });
    expect(await panel().getAttribute('aria-busy')).toBe('true');
    answer();
    await panel().getByText('You are all caught up').waitFor();
    expect(await panel().getAttribute('aria-busy')).toBe('false');
  });
});

describe('without a mouse', () => {
  it('opens, walks, reads, archives and closes', async () => {
    await add({ title: 'one' }, { title: 'two' }, { title: 'three' });
    await visit();
    await live();
    await page.keyboard.press('Tab');
    expect(await focused()).toBe('Elsewhere');
    await page.keyboard.press('Tab');
    expect(await bell().evaluate((b) => b === document.activeElement)).toBe(true);
    await page.keyboard.press('Enter');
    await panel().waitFor();
    await panel().getByRole('listitem').nth(2).waitFor();
    await page.keyboard.press('ArrowDown');
    expect(await focused()).toMatch(/three/);
    await page.keyboard.press('ArrowDown');
    expect(await focused()).toMatch(/two/);
    await page.keyboard.press('End');
    expect(await focused()).toMatch(/one/);
    await page.keyboard.press('Home');
    await page.keyboard.press('ArrowUp');
    expect(await focused()).toMatch(/three/);
    await page.keyboard.press('Enter');
    await eventually(async () => (await unreadOnServer()) === 2);
    // From the item to its two actions, and the second archives it; the next item has the focus then.
    await page.keyboard.press('Tab');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await eventually(async () => (await panel().getByRole('listitem').count()) === 2);
    expect(await focused()).toMatch(/two/);
    await page.keyboard.press('Escape');
    await panel().waitFor({ state: 'detached' });
    expect(await bell().evaluate((b) => b === document.activeElement)).toBe(true);
    expect(await bell().getAttribute('aria-expanded')).toBe('false');
  });

  it('closes when the focus leaves it, and on a click beside it', async () => {
    await visit();
    await live();
    await bell().click();
    await panel().getByText('You are all caught up').waitFor();
    await page.keyboard.press('Shift+Tab');
    await page.keyboard.press('Shift+Tab');
    await panel().waitFor({ state: 'detached' });
    expect(await focused()).toBe('Elsewhere');
    await bell().click();
    await panel().waitFor();
    await page.getByText('The page itself.').click();
    await panel().waitFor({ state: 'detached' });
  });
});

describe('hostile content', () => {
  it('is text, and no link', async () => {
    const urls = [
      'javascript:alert(1)',
      'JaVaScRiPt:alert(2)',
      ' \tjava\nscript:alert(3)',
      'data:text/html,<script>alert(4)</script>',
      'vbscript:msgbox(5)',
      'blob:https://evil.example/1',
      'file:///etc/passwd',
      'http://[',
    ];
    const html = '<img src=x onerror="alert(6)"><script>alert(7)</script><a href="javascript:alert(8)">x</a>';
    await add(...urls.map((url, n) => ({ title: `${n} ${html}`, body: html, url, imageUrl: url })));
    await visit();
    await bell().click();
    await panel().getByRole('button', { name: 'Load more' }).click();
    await eventually(async () => (await panel().getByRole('listitem').count()) === urls.length);
    expect(await panel().getByRole('link').count()).toBe(0);
    expect(await panel().locator('img, script').count()).toBe(0);
    expect(await panel().getByRole('listitem').first().textContent()).toContain(html);
    for (const open of await panel().locator('.carillon-inbox-open').all()) await open.click();
    expect(page.url()).toContain(shopUrl);
  });
});

describe('an outage', () => {
  it('is told, and what came meanwhile is there afterwards', async () => {
    await add({ title: 'before' });
    await visit();
    await live();
    await bell().click();
    await api.stop();
    try {
      await panel().getByRole('alert').filter({ hasText: 'Connecting again' }).waitFor();
      await add({ title: 'meanwhile' });
    } finally {
      await api.start();
    }
    const meanwhile = panel().getByRole('button', { name: /meanwhile/ });
    await eventually(async () => {
      // By itself it waits longer after each try.
      await page.evaluate(() => window.dispatchEvent(new Event('online')));
      return (await meanwhile.count()) > 0;
    });
    await panel().getByRole('alert').waitFor({ state: 'detached' });
  });
});

describe('looks', () => {
  const sizes = { wide: { width: 1440, height: 900 }, phone: { width: 390, height: 844 } };
  it.each(
    Object.keys(sizes).flatMap((size) =>
      (['light', 'dark'] as const).map((theme) => [size as keyof typeof sizes, theme] as const),
    ),
  )('fits a %s screen, %s', async (size, theme) => {
    await add(
      { title: 'Welcome to Corner Shop', body: 'We are glad that you are here.' },
      {
        title: 'Ihre Rechnung für den Leistungszeitraum September steht bereit',
        body: 'Rechnungsnummer-2026-09-000000000000000000000000000000000001042',
        url: 'https://shop.example/invoices/1042',
      },
      {
        title: 'Your order has shipped',
        body: 'It leaves our warehouse today and should be with you on Thursday, between nine and noon. You can follow the parcel all the way to your door, and change the day if it does not suit you.',
        url: '/orders/1042',
        imageUrl: '/picture.svg',
      },
      { title: 'Ada liked your review', imageUrl: '/gone.svg' },
    );
    await visit({
      viewport: sizes[size],
      colorScheme: theme,
      hasTouch: size === 'phone',
      isMobile: size === 'phone',
    });
    await bell().click();
    await panel().getByRole('button', { name: 'Mark “Welcome to Corner Shop” as read' }).click();
    await panel().getByRole('listitem').nth(3).waitFor();
    const box = (await panel().boundingBox()) ?? { x: -1, y: -1, width: 0, height: 0 };
    expect(box.x).toBeGreaterThanOrEqual(0);
    expect(box.x + box.width).toBeLessThanOrEqual(sizes[size].width);
    expect(box.y + box.height).toBeLessThanOrEqual(sizes[size].height);
    const sideways = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
    expect(sideways).toBe(false);
    await picture(`${size}-${theme}`);
  });

  it('takes the colours of a page that sets some, and a theme against the system', async () => {
    await visit({ colorScheme: 'light', theme: 'dark' });
    await bell().click();
    await panel().getByText('You are all caught up').waitFor();
    const background = () => panel().evaluate((e) => getComputedStyle(e).backgroundColor);
    expect(await background()).toBe('rgb(27, 29, 34)');
    await page.evaluate(() =>
      document.documentElement.style.setProperty('--carillon-inbox-background', 'rgb(1, 2, 3)'),
    );
    expect(await background()).toBe('rgb(1, 2, 3)');
    await picture('empty-dark');
  });

  it('is legible: text has a contrast of 4.5 and more', async () => {
    for (const colorScheme of ['light', 'dark'] as const) {
      await add({ title: 'unread', body: 'body' }, { title: 'read', body: 'body' });
      await visit({ colorScheme });
      await bell().click();
      await panel().getByRole('button', { name: 'Mark “read” as read' }).first().click();
      const texts = page.locator(
        '.carillon-inbox-badge, .carillon-inbox-item-title, .carillon-inbox-item-body, .carillon-inbox time, .carillon-inbox-quiet, .carillon-inbox h2',
      );
      const found = await texts.evaluateAll((elements) => {
        const parse = (c: string) => (c.match(/[\d.]+/g) ?? []).map(Number);
        const luminance = (c: number[]) => {
          const [r = 0, g = 0, b = 0] = c.map((v) => {
            const s = v / 255;
            return s <= 0.03928 ? s / 12.92 : ((s + 0.055) / 1.055) ** 2.4;
          });
          return 0.2126 * r + 0.7152 * g + 0.0722 * b;
        };
        const behind = (e: Element | null): number[] => {
          if (!e) return [255, 255, 255];
          const color = parse(getComputedStyle(e).backgroundColor);
          return color.length === 3 ? color : behind(e.parentElement);
        };
        return elements.map((e) => {
          const [a, b] = [luminance(parse(getComputedStyle(e).color)), luminance(behind(e))];
          return {
            what: e.className || e.tagName,
            contrast: (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05),
          };
        });
      });
      expect(found.length).toBeGreaterThan(7);
      expect(found.filter(({ contrast }) => contrast < 4.5)).toEqual([]);
      await page.context().close();
    }
    await visit();
  });
});

async function picture(name: string): Promise<void> {
  const folder = process.env.TEST_SCREENSHOTS;
  if (folder) await page.screenshot({ path: `${folder}/inbox-${name}.png` });
}
