/** The canvas of journeys in a real browser, on fixtures: drawn, changed by keyboard alone, watched, and let go live. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, it, jest } from '@jest/globals';
import { cpSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium, type Browser, type BrowserContext, type Page } from 'playwright-core';
import { startFixtureServer, type FixtureServer } from './fixture-server.js';

jest.setTimeout(60_000);

const built = fileURLToPath(new URL('../dist', import.meta.url));
/** A copy: a build that starts meanwhile would take the files from under an open page. */
const dist = mkdtempSync(path.join(tmpdir(), 'carillon-journeys-'));
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
  context = await browser.newContext({ viewport: { width: 1440, height: 900 }, reducedMotion: 'reduce' });
  noise = [];
  page = await context.newPage();
  page.setDefaultTimeout(20_000);
  page.on('pageerror', (error) => noise.push(String(error)));
});
afterEach(async () => {
  await context.close();
  await server.close();
  expect(noise).toEqual([]);
});
const open = async (where: string, { role = 'owner', empty = false } = {}) => {
  server = await startFixtureServer({ dist, empty });
  await context.addCookies([{ name: 'session', value: role, url: server.url, httpOnly: true }]);
  await page.goto(server.url + where);
};
const step = (key: string) => page.locator(`button[data-step="${key}"]`);
const focusedOn = (key: string) => page.locator(`button[data-step="${key}"]:focus`).waitFor();
const saved = () =>
  server.writes.filter(({ operation }) => operation === 'saveJourney').at(-1)?.body as {
    ifRevision: number;
    definition: { start: string; steps: Record<string, { kind: string; next?: string }> };
  };

it('begins with a ready journey, and changes it by keyboard alone', async () => {
  await open('/journeys', { empty: true });
  await page.getByRole('button', { name: /^Welcome/ }).click();
  await page.getByText('Its key becomes welcome').waitFor();
  await page.getByRole('button', { name: 'Create the draft' }).click();
  await page.getByRole('heading', { name: 'Welcome', level: 1 }).waitFor();
  expect(saved()).toMatchObject({ ifRevision: 0, definition: { start: 'welcome' } });

  await step(':entry').waitFor();
  await step(':entry').focus();
  await page.keyboard.press('ArrowDown');
  await focusedOn('welcome');
  await page.keyboard.press('ArrowDown');
  await focusedOn('two-days');
  await page.keyboard.press('ArrowUp');
  await focusedOn('welcome');

  await page.keyboard.press('i');
  await page
    .getByRole('dialog')
    .getByRole('button', { name: /^Emit an event:/ })
    .focus();
  await page.keyboard.press('Enter');
  await step('emit').waitFor();
  await focusedOn('emit');
  // What is wrong with it stands at the step.
  await step('emit').getByText('say which event').waitFor();
  expect(await page.getByRole('button', { name: 'Go live' }).isDisabled()).toBe(true);
  await page.keyboard.press('Enter');
  await page.getByLabel('Event', { exact: true }).fill('welcome.sent');
  await step('emit').getByText('say which event').waitFor({ state: 'detached' });
  await page.keyboard.press('Escape');
  await focusedOn('emit');

  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Delete');
  await step('two-days').waitFor({ state: 'detached' });
  await page.keyboard.press('Control+z');
  await step('two-days').waitFor();
  await page.keyboard.press('Control+Shift+z');
  await step('two-days').waitFor({ state: 'detached' });
  await page.keyboard.press('Control+s');
  await page.getByRole('status').getByText('Saved.').waitFor();
  const { steps } = saved().definition;
  expect(saved().ifRevision).toBe(1);
  expect(steps.welcome?.next).toBe('emit');
  expect(steps.emit).toMatchObject({ kind: 'emit', event: 'welcome.sent', next: 'morning' });
  expect(Object.keys(steps)).not.toContain('two-days');

  await page.getByRole('button', { name: 'Go live' }).click();
  const question = page.getByRole('dialog');
  await question.getByText('From now on people enter by its rules', { exact: false }).waitFor();
  await question.getByRole('button', { name: 'Go live' }).click();
  await page.getByText('Live', { exact: true }).waitFor();
  expect(server.violations).toEqual([]);
});

it('shows what is live with its counts, who is at a step, and how one of them went', async () => {
  await open('/journeys');
  await page.getByRole('link', { name: /Abandoned cart/ }).click();
  await page.goto(`${server.url}/journeys/abandoned-cart?version=2`);
  await step('remind')
    .getByText('24,105 entered, 0 waiting, 24,105 exited, 3 errors')
    .waitFor({ state: 'attached' });
  await step('remind').click();
  const panel = page.getByRole('region', { name: 'Remind' });
  await panel.getByText('Parked').waitFor();
  const person = panel.getByRole('list', { name: 'People' }).getByRole('link');
  expect(await person.getAttribute('href')).toMatch(/^\/profiles\//);
  // Nothing of a version can be changed.
  expect(await panel.getByRole('button', { name: 'Take out' }).count()).toBe(0);
  await page.getByRole('button', { name: /^Show the way of/ }).click();
  await page.getByRole('list', { name: 'Step by step' }).getByText('settle').waitFor();
  await page.locator('button[data-step="settle"][data-walked]').waitFor();

  await page.goto(`${server.url}/journeys/abandoned-cart?as=people`);
  await page.getByLabel('External id').fill('ada');
  await page.getByRole('button', { name: 'Find' }).click();
  await page
    .getByRole('list', { name: 'What is so' })
    .getByText('They are inside, at step “a-day”', { exact: false })
    .waitFor();
  const aside = page.getByRole('list', { name: 'Could not be taken' });
  await aside.getByRole('button', { name: 'Try again' }).click();
  await aside.waitFor({ state: 'detached' });
  expect(server.writes.some(({ operation }) => operation === 'retrySignal')).toBe(true);

  await page.getByRole('button', { name: 'Pause' }).click();
  await page.getByRole('dialog').getByLabel('Discarded').check();
  await page.getByRole('button', { name: 'Pause it' }).click();
  await page.getByText('Who comes to a step leaves', { exact: false }).waitFor();
  expect(server.writes.find(({ operation }) => operation === 'pauseJourney')?.body).toMatchObject({
    insiders: 'discard',
  });
});

it('has people of an old version go over, each to the step that stands for theirs', async () => {
  await open('/journeys/abandoned-cart?version=1');
  await page.getByRole('button', { name: 'Move its people …' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByText('For 1 of them nothing stands there: they finish version 1.').waitFor();
  await dialog.getByRole('button', { name: 'Move 12 people' }).waitFor();
  await dialog.getByLabel('Where people at old-offer go').click();
  await page.getByRole('option', { name: /\(discount\)/ }).click();
  await dialog.getByRole('button', { name: 'Move 13 people' }).click();
  await page.getByText('13 people go over to version 2.').waitFor();
  const asked = server.writes.filter(({ operation }) => operation === 'moveInsiders');
  expect(asked.map(({ body }) => body)).toContainEqual(
    expect.objectContaining({ from: 1, to: 2, steps: { 'old-offer': 'discount' }, apply: true }),
  );
});

it('plays a journey: counts at the steps, who came there, and what one of them was told', async () => {
  await open('/journeys/abandoned-cart?as=simulation');
  await page.getByText('It has not been played yet.').waitFor();
  await page.getByRole('button', { name: 'Play' }).click();
  await page.getByText('played in 412 ms', { exact: false }).waitFor();
  const body = server.writes.find(({ operation }) => operation === 'simulateJourney')?.body;
  expect(body).toMatchObject({ random: 1000, within: '30d', outcomes: { delivered: 0.98, opened: 0.4 } });
  await step('remind').getByText('900 entered', { exact: false }).waitFor({ state: 'attached' });
  await step('remind').click();
  await page.getByText('Who came to remind').waitFor();
  await page.getByRole('list', { name: 'Simulated people' }).getByRole('button').first().click();
  await page.locator('summary', { hasText: 'You left something' }).click();
  await page.getByText('Your cart waits for you.').waitFor();
  await page.locator('button[data-step="settle"][data-walked]').waitFor();
  expect(server.violations).toEqual([]);
});

it('compares a draft with what is live, drawn and as JSON, and takes JSON', async () => {
  await open('/journeys/abandoned-cart?version=draft&with=2');
  await page.locator('button[data-step="call-shop"][data-mark="added"]').waitFor();
  expect(await step('discount').getAttribute('data-mark')).toBe('removed');
  expect(await step('a-day').getAttribute('data-mark')).toBe('changed');
  expect(await step('remind').getAttribute('data-mark')).toBeNull();
  await page.goto(`${server.url}/journeys/abandoned-cart?version=draft&with=2&as=json`);
  const told = page.getByRole('figure');
  await told
    .getByText('gone: "for": "1d"', { exact: false })
    .or(told.getByText('"for": "2d"', { exact: false }))
    .first()
    .waitFor();

  await page.goto(`${server.url}/journeys/welcome?as=json`);
  const editor = page.getByRole('textbox', { name: 'Journey as JSON' });
  await editor.waitFor();
  await editor.fill(
    JSON.stringify({
      entry: { kind: 'api' },
      reentry: { kind: 'after' },
      zone: 'person',
      mostStay: '30d',
      priority: 50,
      start: 'only',
      steps: { only: { kind: 'wait', for: '3d' } },
    }),
  );
  // Another view of the same draft: nothing is asked, nothing is lost.
  await page.getByText('Canvas', { exact: true }).click();
  await step('only').waitFor();
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByRole('status').getByText('Saved.').waitFor();
  expect(saved().definition).toMatchObject({ start: 'only', steps: { only: { kind: 'wait', for: '3d' } } });
});
