/**
 * The dashboard in a real browser, on fixtures: what only a browser can show. Run it after `npm run build`. The whole
 * system's browser suite (apps/e2e) drives the real stack.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { cpSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium, type Browser, type BrowserContext, type Page } from 'playwright-core';
import { startFixtureServer, type FixtureServer } from './fixture-server.js';
import * as who from './fixture-audiences.js';
import * as log from './fixture-deliveries.js';
import * as fixtures from './fixtures.js';

jest.setTimeout(60_000);

const built = fileURLToPath(new URL('../dist', import.meta.url));
/** A copy: a build that starts meanwhile would take the files from under an open page. */
const dist = mkdtempSync(path.join(tmpdir(), 'carillon-dashboard-'));
let browser: Browser;
let server: FixtureServer;
let context: BrowserContext;
let page: Page;
let noise: string[];

beforeAll(async () => {
  if (!existsSync(`${built}/index.html`))
    throw new Error('The dashboard is not built: run npm run build -w @carillon/dashboard first.');
  cpSync(built, dist, { recursive: true });
  const executablePath = process.env.TEST_CHROMIUM ?? '/usr/bin/chromium';
  browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
});
afterAll(async () => {
  await browser.close();
  rmSync(dist, { recursive: true });
});
beforeEach(async () => {
  server = await startFixtureServer({ dist });
  context = await browser.newContext({ viewport: { width: 1280, height: 900 }, reducedMotion: 'reduce' });
  noise = [];
  context.on('dialog', (dialog) => {
    noise.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page = await context.newPage();
  page.setDefaultTimeout(15_000);
  page.on('pageerror', (error) => noise.push(String(error)));
});
afterEach(async () => {
  await context.close();
  await server.close();
  expect(noise).toEqual([]);
});
const open = async (path: string, role = 'owner') => {
  await context.addCookies([{ name: 'session', value: role, url: server.url, httpOnly: true }]);
  await page.goto(server.url + path);
};
const pathNow = () => new URL(page.url()).pathname + new URL(page.url()).search;

describe('audiences', () => {
  it('are built of rows, counted while they change, explained and saved', async () => {
    await open('/audiences');
    await page.getByRole('link', { name: /Active pros/ }).waitFor();
    await page.getByRole('link', { name: 'New audience' }).first().click();
    await page.getByLabel('Name').fill('Big spenders');
    await page.getByText('Its key becomes big-spenders').waitFor();
    await page
      .getByRole('combobox', { name: 'Attribute' })
      .or(page.getByLabel('Attribute'))
      .first()
      .fill('plan');
    await page.getByLabel('Value').first().fill('pro');
    await page.keyboard.press('Tab');
    await page.getByText('12,430', { exact: true }).first().waitFor();
    await page.getByRole('button', { name: 'Condition', exact: true }).click();
    await page.getByRole('menuitem', { name: 'Event' }).click();
    await page.getByRole('combobox', { name: 'Event' }).fill('order.placed');
    await page.keyboard.press('Tab');
    await page.getByRole('button', { name: 'Create audience' }).click();
    await page.getByRole('heading', { name: 'Big spenders', level: 1 }).waitFor();
    expect(pathNow()).toBe('/audiences/big-spenders');
    expect(server.writes.find(({ operation }) => operation === 'saveAudience')).toMatchObject({
      operation: 'saveAudience',
      body: {
        version: 0,
        definition: {
          where: {
            and: [
              { attribute: 'plan', is: 'pro' },
              { event: 'order.placed', within: '30d' },
            ],
          },
        },
      },
    });
    await page.getByLabel('External id').fill('ada');
    await page.getByRole('button', { name: 'Explain' }).click();
    await page.getByText('It was so once.').waitFor();
  });
  it('that are lists take people by hand, and let them go', async () => {
    await open('/audiences/vips');
    await page.getByLabel('Add people').fill('ada, grace');
    await page.getByRole('button', { name: 'Add', exact: true }).click();
    await page.getByText('2 added; who was on it already stays.').waitFor();
    await page
      .getByRole('button', { name: /^Take .* off the list$/ })
      .first()
      .click();
    await page.getByText('Taken off the list.').waitFor();
    const changes = server.writes.filter(({ operation }) => operation === 'changeMembers');
    expect(changes.map(({ body }) => body)).toEqual([
      { add: ['ada', 'grace'], remove: [] },
      { add: [], remove: [who.members[0]?.externalId] },
    ]);
  });
  it('take sequences, the first of events, an order and a limit', async () => {
    await open('/audiences/new');
    await page.getByLabel('Name').fill('Cancelled soon');
    await page.getByRole('button', { name: 'Remove this condition' }).click();
    await page.getByRole('button', { name: 'Condition', exact: true }).click();
    await page.getByRole('menuitem', { name: 'Event' }).click();
    await page.getByRole('combobox', { name: 'Event' }).fill('order.placed');
    await page.keyboard.press('Tab');
    await page.getByRole('combobox', { name: 'Which of them' }).click();
    await page.getByRole('option', { name: 'followed by …' }).click();
    await page.getByRole('combobox', { name: 'Event that follows' }).fill('order.cancelled');
    await page.keyboard.press('Tab');
    await page.getByRole('button', { name: 'Order', exact: true }).click();
    await page.getByLabel('At most', { exact: true }).fill('500');
    await page.keyboard.press('Tab');
    await page.getByRole('button', { name: 'Create audience' }).click();
    await page.getByRole('heading', { name: 'Cancelled soon', level: 1 }).waitFor();
    expect(server.writes.find(({ operation }) => operation === 'saveAudience')?.body).toMatchObject({
      definition: {
        where: {
          and: [{ event: 'order.placed', within: '30d', then: { event: 'order.cancelled', within: '7d' } }],
        },
        order: [{ by: { activity: 'lastSeenAt' }, direction: 'descending' }],
        limit: 500,
      },
    });
  });
  it('show a rule of somebody who may not change it', async () => {
    await open('/audiences/active-pros', 'viewer');
    await page.getByRole('heading', { name: 'Active pros', level: 1 }).waitFor();
    expect(await page.getByRole('button', { name: 'Save' }).count()).toBe(0);
    expect(await page.getByRole('button', { name: 'Archive' }).count()).toBe(0);
    expect(await page.getByRole('link', { name: 'CSV' }).getAttribute('href')).toBe(
      '/v1/audiences/active-pros/members.csv',
    );
  });
});

describe('imports', () => {
  it('show a file before it is stored, map its columns, and send it', async () => {
    await open('/imports');
    await page.getByRole('list', { name: 'Imports' }).getByText('Running').waitFor();
    await page.getByLabel('File to import').setInputFiles({
      name: 'crm.csv',
      mimeType: 'text/csv',
      buffer: Buffer.from('Kundennr;E-Mail\nk-1;zoe@example.com\n'),
    });
    await page.getByText('1 of the first rows are bad').waitFor();
    await page.getByRole('combobox', { name: 'Notes becomes' }).click();
    await page.getByRole('option', { name: 'Left out' }).click();
    await page.getByRole('combobox', { name: 'Add everybody in the file to a list' }).click();
    await page.getByRole('option', { name: 'Our best' }).click();
    await page.getByRole('button', { name: 'Import', exact: true }).click();
    await page.getByText('Drop a file here').waitFor();
    expect(server.writes.find((each) => each.operation === 'createImport')?.body).toMatchObject({
      name: 'crm.csv',
      audience: 'vips',
      mapping: { externalId: 'Kundennr', email: 'E-Mail', attributes: { firstName: 'First name' } },
    });
  });
});

describe('suppression', () => {
  it('is searched, added to, and released by domain and dates after it was counted', async () => {
    await open('/suppression');
    const list = page.getByRole('table', { name: 'Suppressions' });
    await list.getByText('gone@example.com').waitFor();
    await page.getByRole('button', { name: 'Add', exact: true }).click();
    await page.getByLabel('Addresses').fill('a@example.com\n@spam.example\n');
    await page.getByRole('button', { name: 'Add 2' }).click();
    await page.getByText('2 added.').waitFor();
    await page.getByRole('button', { name: 'Release many' }).click();
    await page.getByLabel('Domain').fill('@example.com');
    await page.getByLabel('Added until').fill('2026-03-31');
    await page.getByRole('button', { name: 'Count', exact: true }).click();
    await page.getByText('214 match').waitFor();
    await page.getByRole('button', { name: 'Release 214' }).click();
    await page.getByText('214 released.').waitFor();
    expect(
      server.writes.filter(({ operation }) => operation === 'releaseSuppressions').map(({ body }) => body),
    ).toEqual([
      { channel: 'email', domain: 'example.com', to: expect.stringMatching(/^2026-0[34]-/), dryRun: true },
      { channel: 'email', domain: 'example.com', to: expect.stringMatching(/^2026-0[34]-/), dryRun: false },
    ]);
    await page.getByRole('combobox', { name: 'Reason' }).click();
    await page.getByRole('option', { name: 'Complained' }).click();
    await list.getByText('angry@mail.example').waitFor();
    expect(pathNow()).toBe('/suppression?reason=complained');
    expect(await page.getByRole('link', { name: 'CSV' }).getAttribute('href')).toBe(
      '/v1/suppressions.csv?reason=complained',
    );
    await list.getByRole('button', { name: 'Release' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Release' }).click();
    await page.getByRole('dialog').waitFor({ state: 'hidden' });
    expect(server.writes.at(-1)).toMatchObject({
      body: { dryRun: false, addresses: ['angry@mail.example'] },
    });
    await page.getByRole('link', { name: 'Import a list' }).click();
    await page.getByText('onto the suppression list').waitFor();
    expect(await page.getByRole('radio', { name: 'Addresses not to write to' }).isChecked()).toBe(true);
  });
});

describe('the audit log', () => {
  it('tells who did what, and whether it is as it was written', async () => {
    await open('/audit');
    const list = page.getByRole('table', { name: 'Audit log' });
    await list.getByText('Profile erased').waitFor();
    const [first, second] = await list
      .getByRole('row')
      .filter({ hasNot: page.locator('th') })
      .allInnerTexts();
    expect(first).toContain('Dana Bell (you)');
    expect(first).toContain('deliveries: 14 · messages: 12 · addresses: 2');
    expect(second).toContain('Key “shop backend”');
    await page.getByRole('button', { name: 'Check the log' }).click();
    await page.getByRole('alert').getByText('All 4 lines are as they were written.').waitFor();
  });
});

describe('a person', () => {
  it('is downloaded whole, and erased only by who writes their name', async () => {
    await open('/profiles/ada');
    await page.getByRole('button', { name: 'More actions' }).click();
    const download = page.getByRole('menuitem', { name: 'Download all that is kept' });
    expect(await download.getAttribute('href')).toBe('/v1/profiles/ada/export');
    await page.getByRole('menuitem', { name: 'Erase person' }).click();
    const dialog = page.getByRole('dialog');
    const erase = dialog.getByRole('button', { name: 'Erase the person' });
    expect(await erase.isDisabled()).toBe(true);
    await dialog.getByLabel('Write ada to go on').fill('grace');
    expect(await erase.isDisabled()).toBe(true);
    await dialog.getByLabel('Write ada to go on').fill('ada');
    await erase.click();
    await page.getByText('Messages emptied: 12.').waitFor();
    expect(pathNow()).toBe('/profiles');
    expect(server.writes.at(-1)).toMatchObject({ operation: 'erasePerson', body: { externalId: 'ada' } });
  });
  it('is only downloaded by somebody who may not change them', async () => {
    await open('/profiles/ada', 'viewer');
    await page.getByRole('button', { name: 'More actions' }).click();
    await page.getByRole('menuitem', { name: 'Download all that is kept' }).waitFor();
    expect(await page.getByRole('menuitem').count()).toBe(1);
  });
});

describe('topics', () => {
  it('stand in a tree, are named in languages, and say what silence means', async () => {
    await open('/topics');
    const list = page.getByRole('list', { name: 'Topics' });
    await list.getByText('The weekly letter').waitFor();
    await page.getByRole('button', { name: 'New topic' }).click();
    await page.getByLabel('Key').fill('news.books');
    await page.getByLabel('Name in en').fill('Books');
    await page.getByRole('button', { name: 'Another language' }).click();
    await page.getByLabel('Language').nth(1).fill('de');
    await page.getByLabel('Name in de').fill('Bücher');
    await page.getByRole('combobox', { name: 'Below' }).click();
    await page.getByRole('option', { name: 'News', exact: true }).click();
    await page.getByRole('combobox', { name: 'Silence means' }).click();
    await page.getByRole('option', { name: 'Out', exact: true }).click();
    await page.getByRole('button', { name: 'Create topic' }).click();
    await page.getByRole('dialog').waitFor({ state: 'hidden' });
    expect(server.writes.find(({ operation }) => operation === 'saveTopic')?.body).toMatchObject({
      name: { en: 'Books', de: 'Bücher' },
      parent: 'news',
      byDefault: 'out',
      doubleOptIn: null,
    });
    await page.getByText('May not', { exact: true }).click();
    await page.getByRole('button', { name: 'Save rules' }).click();
    await page.getByText('Saved. It holds from the next message.').waitFor();
    expect(server.writes.at(-1)).toMatchObject({
      operation: 'setConsentPolicy',
      body: { noConsentMeans: 'out', softBounce: { threshold: 5 } },
    });
  });
  it('are only read by somebody who may not change them', async () => {
    await open('/topics', 'viewer');
    await page.getByRole('list', { name: 'Topics' }).getByText('The weekly letter').waitFor();
    expect(await page.getByRole('button', { name: /Change|Archive|New topic/ }).count()).toBe(0);
  });
});

describe('signing in', () => {
  it('leads back to where one wanted to go, and only to places inside', async () => {
    await page.goto(`${server.url}/deliveries?status=failed`);
    await page.getByLabel('Email').fill('owner@example.com');
    await page.getByLabel('Password', { exact: true }).fill('wrong');
    await page.keyboard.press('Enter');
    await page.getByRole('alert').getByText('do not belong together').waitFor();
    await page.getByLabel('Password', { exact: true }).fill('bell-tower-bell');
    await page.keyboard.press('Enter');
    await page.getByRole('table', { name: 'Deliveries' }).waitFor();
    expect(pathNow()).toBe('/deliveries?status=failed');

    await context.clearCookies();
    await page.goto(`${server.url}/sign-in?next=${encodeURIComponent('//evil.example/x')}`);
    await page.getByLabel('Email').fill('owner@example.com');
    await page.getByLabel('Password', { exact: true }).fill('bell-tower-bell');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Home' }).waitFor();
    expect(page.url()).toBe(`${server.url}/`);
  });
  it('is asked for once when a session ends elsewhere', async () => {
    await open('/profiles');
    await page.getByRole('table', { name: 'Profiles' }).waitFor();
    await context.clearCookies();
    let asked = 0;
    page.on('request', (request) => (asked += Number(request.url().endsWith('/v1/me'))));
    await page.getByRole('link', { name: 'Templates' }).click();
    await page.getByRole('heading', { name: 'Sign in to Carillon' }).waitFor();
    expect(pathNow()).toContain('/sign-in?next=');
    expect(asked).toBeLessThan(4);
  });
});

describe('a profile', () => {
  it('has one history, whole or by kind, and other names', async () => {
    await open('/profiles/ada');
    const history = page.getByRole('list', { name: 'History' });
    await history.getByText('order.placed').waitFor();
    await history.getByText('Clicked').waitFor();
    expect(await history.getByRole('listitem').count()).toBe(fixtures.timeline.length);
    await page.getByText('Changes', { exact: true }).click();
    await history.getByText('became part of this profile').waitFor();
    await history.getByText('order.placed').waitFor({ state: 'detached' });
    await page.getByText('earlier profile').waitFor();
    await page.getByText('Suppressed: complained').waitFor();
    await page.getByText(/Opted out.*this address/).waitFor();
    await open('/profiles/no-address');
    await page.getByText('They never said anything').waitFor();
    await page.getByText('Nothing has happened yet').waitFor();
  });
  it('is merged with another one by name, and only by who may write', async () => {
    await open('/profiles/ada');
    await page.getByRole('button', { name: 'More actions' }).click();
    await page.getByRole('menuitem', { name: 'Merge another profile into it' }).click();
    await page.getByLabel(/External id of the profile/).fill(' old-ada ');
    await page.getByRole('button', { name: 'Merge for good' }).click();
    await page.getByText('Merged: 12 events, 1 device and 0 names came along.').waitFor();
    expect(server.writes.at(-1)).toMatchObject({ operation: 'mergeProfiles', body: { from: 'old-ada' } });
    await open('/profiles/ada', 'viewer');
    await page.getByText('Other names').waitFor();
    await page.getByRole('button', { name: 'More actions' }).click();
    await page.getByRole('menuitem', { name: 'Download all that is kept' }).waitFor();
    expect(await page.getByRole('menuitem', { name: /^Merge/ }).count()).toBe(0);
  });
});

describe('failures', () => {
  it('are sent again only after a look at the preview, and possible duplicates only when asked for', async () => {
    await open('/failures');
    await page.getByText('4.7.0 Try again later').waitFor();
    await page.getByRole('button', { name: 'Send again' }).first().click();
    await page.getByText('1,189 messages would be sent again.').waitFor();
    await page.getByText('15 may have arrived and are left out').waitFor();
    expect(server.writes.map((w) => (w.body as { dryRun: boolean }).dryRun)).toEqual([true]);
    await page.getByRole('checkbox', { name: /may have arrived already/ }).check();
    await page.getByText('15 of them may arrive twice').waitFor();
    await page.getByRole('button', { name: 'Send 1,204 messages again' }).click();
    await page.getByText('Running: retries exhausted').waitFor();
    expect(server.writes.at(-1)?.body).toMatchObject({ dryRun: false, fingerprint: 'with-unknown' });
    await page.getByRole('button', { name: 'Stop' }).click();
    await page.getByText('Cancelled').waitFor();
  });
  it('are read by whoever may read, and sent again by whoever may send', async () => {
    await open('/failures', 'viewer');
    await page.getByText('4.7.0 Try again later').waitFor();
    expect(await page.getByRole('button', { name: 'Send again' }).count()).toBe(0);
  });
  it('that are unknown are decided by a person, with a note', async () => {
    const unknown = log.deliveries.find((d) => d.status === 'unknown');
    await open(`/deliveries/${unknown?.id}`);
    await page.getByRole('button', { name: 'It did not arrive' }).click();
    await page.getByLabel('How do you know?').fill('she called');
    await page.getByRole('dialog').getByRole('button', { name: 'It did not arrive' }).click();
    await page.getByText('Recorded as failed.').waitFor();
    expect(server.writes.at(-1)).toMatchObject({
      operation: 'resolveDelivery',
      body: { as: 'failed', note: 'she called' },
    });
  });
});

describe('lanes', () => {
  it('say what stands still, who shares a lane, and how far its runs are', async () => {
    await open('/lanes');
    await page.getByText('SMS, transactional: nothing has left for a minute').waitFor();
    await page.getByRole('region', { name: 'Bulk' }).getByText('180.8K').waitFor();
    const sms = page.getByRole('table', { name: 'Lanes by channel' }).getByRole('row', { name: /SMS/ });
    expect((await sms.getByRole('cell').allInnerTexts()).map((text) => text.trim())).toEqual(
      expect.arrayContaining(['1,186', '4 min']),
    );
    await page.getByText('every third turn is yours').waitFor();
    const run = page.getByRole('listitem').filter({ hasText: 'spring-sale' });
    await run.getByText('68,600 of 240,000').waitFor();
    await run.getByText('75 % of your turns').waitFor();
    await page.getByText('The worker of one of its pages died 5 times.').waitFor();
    await run.getByRole('link', { name: 'Show deliveries' }).click();
    await page.waitForURL(/messageId=/);
  });
  it('are refilled only after the question what that does, and only by who may send', async () => {
    await open('/lanes');
    await page.getByRole('button', { name: 'Rebuild queues' }).click();
    const dialog = page.getByRole('dialog', { name: 'Rebuild the queues?' });
    // What waits, less what is still to come in the two running runs.
    await dialog.getByText('1,416 deliveries').waitFor();
    await dialog.getByText('2 runs').waitFor();
    expect(server.writes).toEqual([]);
    await dialog.getByRole('button', { name: 'Rebuild queues' }).click();
    await page.getByText('Offered again: 1,204 deliveries and 3 pages of runs.').waitFor();
    expect(server.writes.map(({ operation }) => operation)).toEqual(['rebuildQueues']);
    await open('/lanes', 'viewer');
    await page.getByText('every third turn is yours').waitFor();
    expect(await page.getByRole('button', { name: 'Rebuild queues' }).count()).toBe(0);
  });
  it('are asked again by themselves; when that fails, the last figures stay and are said to be old', async () => {
    await open('/lanes');
    await page.getByText('every third turn is yours').waitFor();
    server.broken.add('listLanes');
    await page.getByText('These figures are not up to date').waitFor();
    await page.getByText('every third turn is yours').waitFor();
    server.broken.delete('listLanes');
    await page.getByText('These figures are not up to date').waitFor({ state: 'detached' });
  });
});

describe('webhooks', () => {
  const [first] = fixtures.webhookEndpoints;
  it('are made with a secret that is shown once and kept by a click', async () => {
    await open('/webhooks');
    await page.getByRole('button', { name: 'New endpoint' }).click();
    const dialog = page.getByRole('dialog', { name: 'New webhook endpoint' });
    await dialog.getByRole('button', { name: 'Create endpoint' }).click();
    await dialog.getByText('Give the whole address').waitFor();
    await dialog.getByRole('textbox', { name: 'Address' }).fill('https://localhost/x');
    await dialog.getByRole('button', { name: 'Create endpoint' }).click();
    await dialog.getByText('not on the public internet').waitFor();
    await dialog.getByRole('textbox', { name: 'Address' }).fill('https://new.example.com/hooks');
    await dialog.getByLabel('Events').first().click();
    await page.getByRole('option', { name: 'delivery.failed' }).click();
    await page.keyboard.press('Tab');
    await dialog.getByRole('button', { name: 'Create endpoint' }).click();
    const once = page.getByRole('dialog', { name: 'The secret of this endpoint' });
    await once.getByText('whsec_').waitFor();
    expect(server.writes.at(-1)?.body).toEqual({
      url: 'https://new.example.com/hooks',
      description: '',
      types: ['delivery.failed'],
    });
    // Neither Escape nor a click beside it loses what cannot be shown again.
    await page.keyboard.press('Escape');
    await page.mouse.click(5, 5);
    await once.getByText('whsec_').waitFor();
    await once.getByRole('button', { name: 'I have kept it' }).click();
    await once.waitFor({ state: 'detached' });
    expect(await page.locator('body').innerText()).not.toContain('whsec_');
    await page.getByRole('link', { name: 'https://new.example.com/hooks' }).waitFor();
  });
  it('show what an endpoint was told and answered, attempt by attempt, and tell it again', async () => {
    await open(`/webhooks/${first?.id}`);
    const list = page.getByRole('list', { name: 'What it was told' });
    await list.getByRole('listitem').first().waitFor();
    await page.getByRole('radiogroup', { name: 'Show' }).getByText('Failed').click();
    const failed = list.getByRole('listitem').filter({ hasText: 'Failed' }).first();
    await failed.getByRole('button').first().click();
    const { eventId } = fixtures.webhookMessages.find(({ status }) => status === 'failed') ?? {};
    const [request] = await Promise.all([
      page.waitForRequest(/\/replay$/),
      failed.getByRole('button', { name: 'Tell it again' }).click(),
    ]);
    expect(request.postDataJSON()).toMatchObject({ eventIds: [eventId] });
  });
  it('are replayed by time, tested, and disabled after a question', async () => {
    await open(`/webhooks/${first?.id}`);
    await page.getByRole('button', { name: 'Send a test' }).click();
    await page.getByText(/It (took|did not take) the test event/).waitFor();
    const more = async (name: string) => {
      await page.getByRole('button', { name: 'More actions' }).click();
      await page.getByRole('menuitem', { name }).click();
    };
    await more('Replay');
    await page.getByRole('dialog').getByRole('button', { name: 'Replay' }).click();
    await page.getByText('12 events will be told again.').waitFor();
    expect(server.writes.at(-1)?.body).toMatchObject({ onlyFailed: true });
    await more('Disable');
    await page.getByRole('dialog').getByRole('button', { name: 'Disable' }).click();
    await page.getByText('It is told nothing', { exact: true }).waitFor();
    await page.getByRole('button', { name: 'Enable' }).click();
    await page.getByText('It is told nothing', { exact: true }).waitFor({ state: 'detached' });
  });
  it('are only read by who may not write', async () => {
    await open(`/webhooks/${first?.id}`, 'viewer');
    await page.getByRole('list', { name: 'What it was told' }).waitFor();
    expect(await page.getByRole('button', { name: /Send a test|More actions/ }).count()).toBe(0);
  });
});

describe('policies', () => {
  const row = (channel: string) =>
    page.getByRole('list', { name: 'Retry policies' }).getByRole('listitem').filter({ hasText: channel });
  it('tell how each channel tries, and what differs from its default', async () => {
    await open('/policies');
    await row('Email').getByText('instead of 40').waitFor();
    await row('SMS').getByText('Waits of at most 5 s, 10 s, 20 s … 30 min').waitFor();
    await page.getByText('90 days: messages, deliveries').waitFor();
    await page.getByText('is kept for 365 days').waitFor();
  });
  it('are changed in a dialog that says what they would do, and puts refusals at their field', async () => {
    await open('/policies');
    await row('SMS').getByRole('button', { name: 'Change' }).click();
    const dialog = page.getByRole('dialog', { name: 'SMS: trying again' });
    await dialog.getByRole('textbox', { name: 'Attempts' }).fill('3');
    await dialog.getByText('Waits of at most 5 s, 10 s: the last of 3 attempts').waitFor();
    await dialog.getByRole('textbox', { name: 'First wait' }).fill('2000');
    await dialog.getByRole('button', { name: 'Save' }).click();
    await dialog.getByText('the longest wait is not shorter than the first').waitFor();
    await dialog.getByRole('textbox', { name: 'First wait' }).fill('5');
    await dialog.getByRole('button', { name: 'Save' }).click();
    await row('SMS').getByText('instead of 40').waitFor();
    // What is left at its default stays with the default.
    expect(server.writes.at(-1)?.body).toEqual({
      attempts: 3,
      windowSeconds: null,
      backoffSeconds: null,
      maxBackoffSeconds: null,
    });
    await row('SMS').getByRole('button', { name: 'Change' }).click();
    await page.getByRole('button', { name: 'Back to the default' }).click();
    await row('SMS').getByText('instead of 40').waitFor({ state: 'detached' });
  });
  it('about silence are chosen per class, by who may', async () => {
    await open('/policies');
    const choice = page.getByRole('radiogroup', { name: 'Marketing: when a provider never answered' });
    await choice.getByText('Send again').click();
    await page.getByText('Saved. It counts from the next silence on.').waitFor();
    expect(server.writes.at(-1)?.body).toEqual({ unknown: { transactional: 'retry', marketing: 'retry' } });
    await open('/policies', 'viewer');
    await row('SMS').waitFor();
    expect(await page.getByRole('button', { name: 'Change' }).count()).toBe(0);
    expect(await choice.getByRole('radio', { name: 'Hold' }).isDisabled()).toBe(true);
  });
});

describe('campaigns', () => {
  const wrote = (operation: string) =>
    server.writes.filter((one) => one.operation === operation).at(-1)?.body;

  it('are written, prepared, started, and watched', async () => {
    await open('/campaigns');
    await page.getByRole('link', { name: /Winter sale/ }).waitFor();
    await page.getByRole('link', { name: 'New campaign' }).click();
    await page.getByRole('textbox', { name: 'Name' }).fill('Black Friday');
    await page.getByRole('combobox', { name: 'Audience' }).or(page.getByLabel('Audience')).first().click();
    await page.getByRole('option', { name: 'Active pros' }).click();
    await page.getByLabel('Template').first().click();
    await page.getByRole('option', { name: /Order shipped/ }).click();
    await page.getByRole('textbox', { name: 'Waves', exact: true }).fill('10, 90');
    await page.getByRole('textbox', { name: 'Held out' }).fill('10');
    await page.getByRole('textbox', { name: 'Measured by' }).fill('order.placed');
    await page
      .locator('input[type=file]')
      .setInputFiles({ name: 'logo.png', mimeType: 'image/png', buffer: Buffer.from('picture') });
    await page.getByRole('textbox', { name: 'Name of logo.png in the text' }).fill('logo');
    await page.getByRole('button', { name: 'Try variants' }).click();
    await page.getByRole('textbox', { name: 'Name of variant 2' }).fill('long');
    await page.getByLabel('The winner is who is most').first().click();
    await page.getByRole('option', { name: 'Clicked' }).click();
    await page.getByRole('button', { name: 'Save as draft' }).click();
    await page.getByRole('heading', { name: 'Black Friday' }).waitFor();
    // What the page shows of one person is asked for as well.
    expect(wrote('createCampaign')).toMatchObject({
      name: 'Black Friday',
      definition: {
        audience: 'active-pros',
        template: 'order-shipped',
        waves: { sizes: [10, 90] },
        holdout: { percent: 10, event: 'order.placed', within: '7d' },
        attachments: [
          { filename: 'logo.png', contentType: 'image/png', contentId: 'logo', content: 'cGljdHVyZQ==' },
        ],
        variants: [{ name: 'a' }, { name: 'long' }],
        test: { metric: { kind: 'clicked' }, portion: 20 },
      },
    });
    await page.getByRole('button', { name: 'Prepare' }).click();
    await page.getByText('12,480').waitFor();
    await page.getByRole('list', { name: 'Findings' }).getByText('All provider accounts for push').waitFor();
    await page.getByRole('table', { name: 'Samples' }).getByText('It is on its way.').waitFor();
    await page.getByText('812.40 EUR for 10,155 parts').waitFor();
    await page.getByRole('button', { name: 'Start' }).click();
    await page.getByText('It begins at').waitFor();
  });
  it('that run show how far they are, and can be paused and cancelled', async () => {
    await open(`/campaigns/${who.campaigns[1]?.id}`);
    // 15,960 when the page was asked for; the stream counts on.
    await page.getByText('17,194 of 24,960').waitFor();
    await page.getByRole('button', { name: 'Pause' }).click();
    await page.getByText('Somebody paused it.').waitFor();
    await page.getByRole('button', { name: 'Cancel', exact: true }).click();
    await page.getByRole('button', { name: 'Cancel it' }).click();
    await page.getByText('Cancelled', { exact: true }).first().waitFor();
    await open(`/campaigns/${who.campaigns[2]?.id}`);
    await page
      .getByRole('table', { name: 'Reasons' })
      .getByText('as many messages as the caps allow')
      .waitFor();
    await page.getByRole('table', { name: 'Runs' }).waitFor();
    await page.getByRole('table', { name: 'Changes' }).getByText('order-shipped, version 3').waitFor();
    await page.getByRole('textbox', { name: 'Counts as conversion' }).fill('order.placed');
    await page.getByRole('table', { name: 'Beside those held out' }).getByText('11,234').waitFor();
    await page.getByText('with 95 % between -0.07 and +1.48').waitFor();
  });
  it('keep who wrote what, and bring back what was written before', async () => {
    await open(`/campaigns/${who.campaigns[0]?.id}`);
    const edits = page.getByRole('list', { name: 'Edits' });
    await edits.getByText('Changed: start, waves.').waitFor();
    await edits.getByRole('button', { name: 'What version 3 changed' }).click();
    await edits.getByRole('table', { name: 'Changes' }).getByText('08:00').waitFor();
    await edits.getByRole('button', { name: 'Bring back version 2' }).click();
    await page.getByRole('heading', { name: 'Spring', exact: true }).waitFor();
    expect(wrote('saveCampaign')).toMatchObject({
      name: 'Spring',
      definition: { priority: 70 },
      ifVersion: 3,
    });
  });
  it('stand in a calendar on the days of their runs', async () => {
    await open('/campaigns');
    await page.getByText('Calendar', { exact: true }).click();
    // Each occurrence of what recurs, by the month that is asked for.
    await page.getByRole('button', { name: 'The month after' }).click();
    const next = page.getByRole('list', { name: 'Days' }).getByRole('link', { name: /Weekly digest/ });
    await next.nth(5).waitFor();
    await page.getByRole('button', { name: 'The month before' }).click();
    await page
      .getByRole('list', { name: 'Days' })
      .getByRole('link', { name: /Winter sale/ })
      .first()
      .click();
    await page.getByRole('heading', { name: 'Winter sale' }).waitFor();
    await page.getByRole('link', { name: 'CSV', exact: true }).waitFor();
  });
  it('with a test show how their variants do, and let somebody choose', async () => {
    await open(`/campaigns/${who.campaigns[1]?.id}`);
    const variants = page.getByRole('table', { name: 'Variants' });
    await variants.getByText('92.9 %').waitFor();
    await page.getByText('9,000 messages wait for the winner.').waitFor();
    await variants.getByRole('row', { name: /short/ }).getByRole('button', { name: 'Choose' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'End the test' }).click();
    await page.getByText(/“short” won at .* Dana Bell chose it/).waitFor();
    expect(wrote('chooseCampaignWinner')).toEqual({ variant: 'short' });
  });
  it('are only read by who may not write', async () => {
    await open(`/campaigns/${who.campaigns[0]?.id}`, 'viewer');
    await page.getByRole('heading', { name: 'Spring offers' }).waitFor();
    expect(await page.getByRole('button', { name: /Prepare|Start|Save|Cancel|Clone/ }).count()).toBe(0);
  });
});

describe('the gate', () => {
  it('shows its rules in sentences, changes them in a dialog, and says what it would decide', async () => {
    await open('/gate');
    await page.getByText('every day, 21:00 to 08:00 the next day').waitFor();
    await page.getByText('At most 2 marketing messages per day, counted back from now.').waitFor();
    await page.getByRole('button', { name: 'Change daily' }).click();
    const dialog = page.getByRole('dialog', { name: 'Frequency cap' });
    await dialog.getByRole('textbox', { name: 'At most' }).fill('4');
    await dialog.getByText('At most 4 marketing messages per day').waitFor();
    await dialog.getByRole('button', { name: 'Save' }).click();
    await page.getByText('Saved as version 8.').waitFor();
    expect(server.writes.at(-1)?.body).toMatchObject({ ifVersion: 7, caps: [{ key: 'daily', limit: 4 }] });
    await page.getByRole('button', { name: 'Add quiet hours' }).click();
    const quiet = page.getByRole('dialog', { name: 'Quiet hours' });
    await quiet.getByRole('textbox', { name: 'Name' }).fill('Sunday rest');
    await quiet.getByRole('button', { name: 'Save' }).click();
    await page.getByText('Saved as version 9.').waitFor();
    expect(server.writes.at(-1)?.body).toMatchObject({ quietHours: [{}, { key: 'sunday-rest' }] });
    await page.getByRole('textbox', { name: 'Profile', exact: true }).fill('ada');
    await page.getByRole('button', { name: 'Try' }).click();
    await page.getByText('It would wait until').waitFor();
    await page
      .getByRole('list', { name: 'What each rule says' })
      .getByText('it is 23:10 in Europe/London')
      .waitFor();
  });
  it('is only read by who may not write', async () => {
    await open('/gate', 'viewer');
    await page.getByText('At most 2 marketing messages').waitFor();
    expect(await page.getByRole('button', { name: /Change|Add|Save/ }).count()).toBe(0);
  });
});

describe('forms drawn from a schema', () => {
  it('ask for what the schema requires, send the right types, and put refusals at their field', async () => {
    await open('/accounts/new');
    await page.getByRole('link', { name: /SMTP server/ }).click();
    await page.getByRole('button', { name: 'Create account' }).click();
    await page.getByText('Host is needed.').waitFor();
    expect(server.writes).toEqual([]);

    await page.getByRole('textbox', { name: 'Host' }).fill('localhost');
    await page.getByRole('textbox', { name: 'Port' }).fill('99999');
    await page.getByRole('textbox', { name: 'From' }).fill('a@example.com');
    await page.getByRole('button', { name: 'Create account' }).click();
    await page.getByText('Must be 65535 or less.').waitFor();
    await page.getByRole('textbox', { name: 'Port' }).fill('2525');
    await page.getByRole('textbox', { name: 'Password' }).fill('s3cret');
    await page.getByRole('switch', { name: 'Verify certificate' }).uncheck();
    await page.getByRole('button', { name: 'Create account' }).click();
    await page.getByText('this one leads to this machine').waitFor();

    await page.getByRole('textbox', { name: 'Host' }).fill('mx.example.com');
    await page.getByRole('button', { name: 'Create account' }).click();
    await page.getByRole('heading', { name: 'SMTP server', level: 1 }).waitFor();
    expect(server.writes.at(-1)).toEqual({
      operation: 'createAccount',
      body: {
        channel: 'email',
        provider: 'smtp',
        name: 'SMTP server',
        position: 0,
        weight: 1,
        rateLimit: null,
        warmUp: null,
        prices: null,
        settings: {
          host: 'mx.example.com',
          port: 2525,
          security: 'starttls',
          username: null,
          password: 's3cret',
          from: 'a@example.com',
          maxConnections: 5,
          verifyCertificate: false,
        },
      },
    });
  });
  it('never show a secret, and keep it when its field stays empty', async () => {
    await open(`/accounts/${fixtures.accounts[0]?.id}`);
    const password = page.getByRole('textbox', { name: 'Password' });
    expect(await password.getAttribute('placeholder')).toBe('Set — leave empty to keep');
    expect(await password.inputValue()).toBe('');
    await page.getByRole('textbox', { name: 'Port' }).fill('465');
    await page.getByRole('button', { name: 'Save changes' }).click();
    await page.getByText('It counts from the next message on.').waitFor();
    expect(server.writes.at(-1)?.body).toMatchObject({ settings: { port: 465 } });
    expect(JSON.stringify(server.writes.at(-1))).not.toContain('password');
  });
});

describe('the delivery log', () => {
  it('keeps its filters in the address', async () => {
    await open('/deliveries');
    await page.getByRole('button', { name: 'Status', exact: true }).click();
    await page.getByRole('checkbox', { name: 'Failed' }).click();
    await page.getByRole('checkbox', { name: 'Unknown' }).click();
    await page.waitForURL(/status=failed,unknown/);
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: 'Time', exact: true }).click();
    await page.getByRole('radio', { name: 'Last 30 days' }).click();
    await page.waitForURL(/range=30d/);
    expect(pathNow()).toBe('/deliveries?status=failed,unknown&range=30d');

    await page.reload();
    await page.getByRole('button', { name: 'Status: Failed, Unknown' }).waitFor();
    const rows = page.getByRole('table', { name: 'Deliveries' }).getByRole('row');
    await rows.nth(1).waitFor();
    for (const text of (await rows.allInnerTexts()).slice(1)) expect(text).toMatch(/Failed|Unknown/);
    await page.goBack();
    await page.goBack();
    await page.getByRole('button', { name: 'Status: Failed', exact: true }).waitFor();
  });
  it('pages by cursor and comes back', async () => {
    await open('/deliveries');
    const first = page.getByRole('row').nth(1);
    const newest = await first.innerText();
    await page.getByRole('button', { name: 'Older' }).click();
    await page.waitForURL(/cursor=[-0]*50$/);
    await page.getByRole('button', { name: 'Older' }).click();
    await page.waitForURL(/cursor=[-0]*100$/);
    await page.getByRole('button', { name: 'Newer' }).click();
    await page.waitForURL(/cursor=[-0]*50$/);
    await page.getByRole('button', { name: 'Newer' }).click();
    await page.waitForURL((url) => !url.search);
    await page.getByText('Live', { exact: true }).waitFor();
    expect(await first.innerText()).toBe(newest);
  });
  it('shows what arrives without being asked', async () => {
    await open('/deliveries');
    await page.getByText('Live', { exact: true }).waitFor();
    server.arrive(log.makeDelivery(9, 0, { channel: 'email', address: 'fresh@example.com' }));
    await page.getByRole('cell', { name: /fresh@example.com/ }).waitFor();
  });
});

describe('the keyboard', () => {
  it('is enough: skip link, places, search, a row, help', async () => {
    await open('/');
    await page.getByRole('heading', { name: 'Home' }).waitFor();
    await page.keyboard.press('Tab');
    expect(await page.locator(':focus').innerText()).toBe('Skip to the content');
    await page.keyboard.press('Enter');
    await page.keyboard.press('g');
    await page.keyboard.press('d');
    await page.getByRole('table', { name: 'Deliveries' }).waitFor();
    expect(await page.locator(':focus').getAttribute('id')).toBe('main');
    await page.keyboard.press('/');
    await page.keyboard.type('ada@example.com');
    await page.keyboard.press('Enter');
    await page.waitForURL(/address=ada@example.com/);
    await page.getByRole('row').nth(1).getByRole('link').focus();
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: /to ada@example.com/ }).waitFor();
    await page.keyboard.press('?');
    await page.getByRole('dialog', { name: 'Keyboard shortcuts' }).waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
  });
  it('leaves the editor by Tab', async () => {
    await open('/templates/order-shipped');
    const editor = page.getByRole('textbox', { name: 'HTML' });
    await editor.focus();
    await page.keyboard.press('Tab');
    expect(await editor.evaluate((element) => element === document.activeElement)).toBe(false);
  });
});

describe('templates', () => {
  it('show an error at its field and line, and the result a moment after the last key', async () => {
    await open('/templates/order-shipped');
    const subject = page.getByRole('textbox', { name: 'Subject' });
    await subject.fill('Hello {{ name }}');
    await page.getByLabel('Preview').getByText('Hello Ada').waitFor();
    await page.getByRole('textbox', { name: 'HTML' }).fill('<p>one</p>\n<p>{{ name</p>');
    await page.getByText('(line 2, column 4)').waitFor();
    expect(await page.locator('.cm-lintRange-error').innerText()).toBe('{{ name</p>');
    await page.getByRole('link', { name: 'Profiles' }).click();
    await page
      .getByRole('dialog', { name: 'Leave without saving?' })
      .getByRole('button', { name: 'Stay here' })
      .click();
    await page.getByRole('textbox', { name: 'HTML' }).fill('<p>{{ name }}</p>');
    await page.keyboard.press('Control+s');
    await page.getByText('Saved as version 5').waitFor();
  });
});

describe('roles', () => {
  it('give a viewer nothing that writes', async () => {
    const writing = /New|Create|Save|Delete|Pause|Resume|Cancel it|Reschedule|Rotate|Revoke|Test|Remove/;
    for (const path of [
      '/accounts',
      `/accounts/${fixtures.accounts[3]?.id}`,
      '/templates',
      '/templates/order-shipped',
      '/profiles/maria.silva',
      `/deliveries/${log.waiting.id}`,
    ]) {
      await open(path, 'viewer');
      await page.getByRole('heading', { level: 1 }).waitFor();
      expect(await page.locator('#main').getByRole('button', { name: writing }).allInnerTexts()).toEqual([]);
      expect(await page.locator('#main').getByRole('link', { name: writing }).allInnerTexts()).toEqual([]);
    }
    expect(await page.getByRole('link', { name: 'API keys' }).count()).toBe(0);
  });
});

describe('what others wrote', () => {
  it('runs nowhere and reads nothing', async () => {
    await context.addCookies([{ name: 'readable', value: 'cookie', url: server.url }]);
    await open(`/deliveries/${log.hostile.id}`);
    await page.getByRole('heading', { name: /onerror=alert\(1\)/ }).waitFor();
    const frame = page.frameLocator('iframe[title^="Email:"]');
    await frame.getByRole('heading', { name: 'Attack' }).waitFor();
    expect(await page.locator('iframe[title^="Email:"]').getAttribute('sandbox')).toBe('');
    await frame.locator('#bait').click();
    await frame.getByRole('button', { name: 'go' }).click();
    await page.getByText('Text part').click();
    await page.getByText("alert('script')").waitFor();
    const reach = await page.evaluate(() => ({
      stolen: 'stolen' in window,
      owned: [...document.body.childNodes].some((node) => node.textContent === 'owned'),
      cookie: document.cookie,
    }));
    expect(reach).toEqual({ stolen: false, owned: false, cookie: 'readable=cookie' });
    expect(page.url()).toBe(`${server.url}/deliveries/${log.hostile.id}`);
    expect(page.context().pages()).toHaveLength(1);
    await page.goto(`${server.url}/deliveries`);
    await page.getByRole('cell', { name: /<script>alert\(2\)/ }).waitFor();
  });
  it('leaves the page within its content policy', async () => {
    for (const path of [
      '/',
      '/deliveries',
      `/deliveries/${log.showcase.id}`,
      '/lanes',
      '/policies',
      '/gate',
      '/campaigns',
      '/campaigns/new',
      `/campaigns/${who.campaigns[1]?.id}`,
      '/channels',
      `/accounts/${fixtures.accounts[0]?.id}`,
      '/templates/order-shipped',
      '/profiles/ada',
      '/audiences',
      '/audiences/active-pros',
      '/keys',
      '/webhooks',
      '/imports',
      '/topics',
      '/suppression',
      '/audit',
      `/webhooks/${fixtures.webhookEndpoints[0]?.id}`,
      '/accounts/new',
    ]) {
      await open(path);
      await page.getByRole('heading', { level: 1 }).waitFor();
      await page.waitForLoadState('load');
    }
    await page.goto(`${server.url}/keys`);
    await page.getByRole('button', { name: 'New key' }).click();
    await page.getByRole('dialog').waitFor();
    expect(server.violations).toEqual([]);
    // Every page is loaded from nothing.
  }, 240_000);
});
