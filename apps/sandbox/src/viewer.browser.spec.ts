/** The viewer in a real browser: nothing received runs, it is live, and it can be used without a mouse. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import nodemailer from 'nodemailer';
import { chromium, type Browser, type Page } from 'playwright-core';
import { startSandbox, type SandboxHandle } from './index.js';

jest.setTimeout(30_000);

let browser: Browser;
let sandbox: SandboxHandle;
let page: Page;
let noise: string[];
beforeAll(async () => {
  const executablePath = process.env.TEST_CHROMIUM ?? '/usr/bin/chromium';
  browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
});
afterAll(() => browser.close());
beforeEach(async () => {
  sandbox = await startSandbox({ port: 0, smtpPort: 0 });
  sandbox.knobs.set({ sms: { receiptMs: 0 } });
  page = await browser.newPage();
  page.setDefaultTimeout(30_000);
  noise = [];
  page.context().on('dialog', (dialog) => {
    noise.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on('pageerror', (error) => noise.push(String(error)));
});
afterEach(async () => {
  await page.close();
  await sandbox.close();
});

const mail = (to: string, subject: string, html = '<p>Hello</p>') =>
  nodemailer.createTransport({ host: '127.0.0.1', port: sandbox.smtpPort }).sendMail({
    from: 'Ada <a@shop.example>',
    to,
    subject,
    html,
    headers: { 'X-Test': '<img src=x onerror=alert(1)>' },
  });
const sms = (to: string, body: string) =>
  fetch(`${sandbox.url}/2010-04-01/Accounts/AC1/Messages.json`, {
    method: 'POST',
    headers: { authorization: `Basic ${btoa('AC1:token')}` },
    body: new URLSearchParams({ To: to, From: '+15005550006', Body: body }),
  });
const push = (message: object) =>
  fetch(`${sandbox.url}/v1/projects/shop/messages:send`, {
    method: 'POST',
    headers: { authorization: 'Bearer x', 'content-type': 'application/json' },
    body: JSON.stringify({ message }),
  });

const attack = `<script>parent.document.title = 'pwned'; alert(1)</script><img src=x onerror="alert(2)">
  <svg onload="alert(3)"></svg><iframe srcdoc="<script>alert(4)</script>"></iframe><meta http-equiv="refresh" content="0;url=javascript:alert(5)">
  <a id="link" href="javascript:alert(document.domain)">a link</a><form action="/sandbox/clear" method="post"><button>go</button></form><p>the end</p>`;

describe('what was received', () => {
  it('never runs, wherever it is shown', async () => {
    await mail('a@example.com', '<img src=x onerror=alert(6)>', attack);
    await sms('+12025550143', '<img src=x onerror=alert(7)>');
    await push({
      token: '<img src=x onerror=alert(8)>',
      notification: { title: attack, body: attack, image: 'javascript:alert(9)' },
    });
    await page.goto(sandbox.url);
    const frame = page.frameLocator('.part iframe');
    await frame.getByText('the end').waitFor();
    await frame.locator('#link').click();
    await frame.getByRole('button', { name: 'go' }).click();
    for (const part of ['Text', 'Headers', 'Source']) await page.getByRole('tab', { name: part }).click();
    for (const channel of ['SMS', 'Push']) {
      await page.getByRole('tab', { name: channel }).click();
      await page.locator('.phone').waitFor();
    }
    // The address itself, opened as a page: the policy holds without the frame too.
    const [received] = await sandbox.received('email');
    await page.goto(`${sandbox.url}/sandbox/received/${received?.id}/html`);
    await page.getByText('the end').waitFor();
    expect(await page.evaluate('window.origin').catch(() => 'null')).toBe('null');
    expect(noise).toEqual([]);
    expect(await sandbox.received()).toHaveLength(3);
  });

  it('appears by itself, and goes on clear', async () => {
    await page.goto(sandbox.url);
    await page.getByRole('heading', { name: 'No mail yet' }).waitFor();
    await mail('a@example.com', 'First');
    await page.getByRole('option', { name: /First/ }).waitFor();
    await page.getByRole('tab', { name: 'SMS' }).click();
    await page.getByRole('heading', { name: 'No text messages yet' }).waitFor();
    await sms('+12025550143', 'Your code is 1');
    await page.locator('.bubble', { hasText: 'Your code is 1' }).waitFor();
    await page.locator('.facts', { hasText: '✓ delivered' }).waitFor();
    await page.locator('.facts', { hasText: '1 segment, GSM-7' }).waitFor();
    // What somebody writes back stays while the phone is drawn anew.
    const text = page.getByRole('textbox', { name: 'Write back from +12025550143' });
    await text.fill('STO');
    await sms('+12025550143', 'Your code is 2');
    await page.locator('.bubble', { hasText: 'Your code is 2' }).waitFor();
    await page.keyboard.type('P');
    expect(await text.inputValue()).toBe('STOP');
    await page.keyboard.press('Enter');
    await page.getByRole('alert').filter({ hasText: 'named no status callback' }).waitFor();
    await page.getByRole('button', { name: 'Clear' }).click();
    await page.getByRole('heading', { name: 'No text messages yet' }).waitFor();
    expect(noise).toEqual([]);
  });
});

it('can be used from the keyboard', async () => {
  for (const subject of ['One', 'Two', 'Three']) await mail('a@example.com', subject);
  await page.goto(sandbox.url);
  await page.getByRole('heading', { name: 'Three' }).waitFor();
  await page.keyboard.press('j');
  await page.getByRole('heading', { name: 'Two' }).waitFor();
  await page.keyboard.press('ArrowDown');
  await page.getByRole('heading', { name: 'One' }).waitFor();
  await page.keyboard.press('/');
  await page.keyboard.type('thr');
  await page.getByRole('option', { name: /One/ }).waitFor({ state: 'detached' });
  expect(await page.getByRole('option').count()).toBe(1);
  await page.getByRole('tab', { name: /Mail/ }).first().focus();
  await page.keyboard.press('ArrowRight');
  await page.getByRole('heading', { name: 'No text messages yet' }).waitFor();
  expect(noise).toEqual([]);
});

it('turns knobs, and says so when one is refused', async () => {
  await page.goto(sandbox.url);
  await page.getByRole('button', { name: /Knobs/ }).click();
  await page.locator('#sms-failRate').fill('100');
  await page.locator('#knobs-turned', { hasText: '1' }).waitFor();
  expect(sandbox.knobs.current.sms.failRate).toBe(1);
  await page.locator('#email-latencyMs').fill('-1');
  await page.locator('#email-latencyMs').blur();
  await page.getByRole('alert').filter({ hasText: 'Write whole milliseconds' }).waitFor();
  await page.getByRole('button', { name: 'Accept everything again' }).click();
  await page.locator('#knobs-turned').waitFor({ state: 'hidden' });
  await page.keyboard.press('Escape');
  await page.getByRole('dialog').waitFor({ state: 'hidden' });
  expect(sandbox.knobs.current.sms.failRate).toBe(0);
});

it('shows one pane at a time on a phone, and nothing is wider than the screen', async () => {
  await page.setViewportSize({ width: 390, height: 844 });
  await mail(
    'a@example.com',
    'A subject that is rather long and has averyveryveryveryveryveryveryverylongword in it',
  );
  await page.goto(sandbox.url);
  await page.getByRole('option').click();
  await page.getByRole('heading', { name: /A subject/ }).waitFor();
  expect(await page.locator('.side').isVisible()).toBe(false);
  expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(390);
  await page.getByRole('button', { name: 'All messages' }).click();
  await page.getByRole('option').waitFor();
});
