/** An admin's first minutes with the dashboard, in a real browser on the real stack. Details: apps/dashboard/test. */
import { Carillon } from '@carillon/sdk';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { chromium, type Browser, type Page } from 'playwright-core';
import { startStack, type Stack } from './stack.js';

let stack: Stack;
let browser: Browser;
let page: Page;
let carillon: Carillon;
const noise: string[] = [];

beforeAll(async () => {
  stack = await startStack();
  carillon = new Carillon({ apiKey: stack.apiKey, baseUrl: stack.url });
  browser = await chromium.launch({
    executablePath: process.env['TEST_CHROMIUM'] ?? '/usr/bin/chromium',
    args: ['--no-sandbox'],
  });
  page = await browser.newPage({ viewport: { width: 1440, height: 900 } });
  page.setDefaultTimeout(30_000);
  page.on('pageerror', (error) => noise.push(String(error)));
  page.on('console', (line) => line.type() === 'error' && noise.push(line.text()));
  page.on('dialog', (dialog) => (noise.push(dialog.message()), void dialog.dismiss()));
}, 120_000);
afterAll(async () => {
  await browser?.close();
  expect(await stack?.stop()).toBe(0);
}, 60_000);

describe('the dashboard', () => {
  it('signs in with what the start printed', async () => {
    await page.goto(stack.url);
    await page.getByLabel('Email').fill(stack.signIn.email);
    await page.getByLabel('Password', { exact: true }).fill(stack.signIn.password);
    // Asking who is signed in, before anybody is, answers 401: the browser calls that an error.
    noise.length = 0;
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Home' }).waitFor();
  }, 60_000);

  it('shows a message the moment it is sent, and its whole story', async () => {
    await page.goto(`${stack.url}/deliveries`);
    await page.getByText('Live', { exact: true }).waitFor();
    await carillon.messages.send({
      to: { profile: 'ada' },
      channels: ['email', 'sms', 'push', 'in-app'],
      template: 'welcome',
    });
    const row = page.getByRole('cell', { name: /ada@example\.com/ }).first();
    await row.waitFor();
    await row.click();
    await page.getByRole('heading', { name: /ada@example\.com/ }).waitFor();
    await page.getByText('Handed over to the provider').waitFor();
    await page.getByText('Welcome, Ada', { exact: true }).first().waitFor();
    // The mail itself stands in a frame that runs nothing.
    const frame = page.locator('iframe').first();
    await frame.waitFor();
    expect(await frame.getAttribute('sandbox')).not.toMatch(/allow-(scripts|same-origin)/);
  }, 90_000);

  it('keeps filters in the address, so that a view can be shared', async () => {
    await page.goto(`${stack.url}/deliveries?channel=sms&status=delivered`);
    await page.getByRole('cell', { name: '+447400123456' }).first().waitFor();
    expect(await page.getByRole('cell', { name: /ada@example\.com/ }).count()).toBe(0);
  }, 60_000);

  it('draws the form of a provider account from its settings, and keeps its secrets', async () => {
    await page.goto(`${stack.url}/accounts`);
    await page
      .getByRole('link', { name: /Sandbox/ })
      .first()
      .waitFor();
    const [sms] = (await carillon.accounts.list()).filter((a) => a.channel === 'sms');
    await page.goto(`${stack.url}/accounts/${sms?.id}`);
    await page.getByText('twilio', { exact: false }).first().waitFor();
    expect(await page.content()).not.toMatch(/[0-9a-f]{32}(?!\w)(?=[^<]*authToken)/);
  }, 60_000);

  it('has caused no error in the browser', () => {
    expect(noise).toEqual([]);
  });
});
