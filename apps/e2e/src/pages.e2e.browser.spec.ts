/** Every page a stranger may open, in a real browser: it works under its own policy (S18) and asks nobody else. */
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { chromium, type Browser } from 'playwright-core';
import { startStack, type Stack } from './stack.js';

let stack: Stack;
let browser: Browser;
beforeAll(async () => {
  stack = await startStack();
  browser = await chromium.launch({
    executablePath: process.env['TEST_CHROMIUM'] ?? '/usr/bin/chromium',
    args: ['--no-sandbox'],
  });
}, 120_000);
afterAll(async () => {
  await browser?.close();
  expect(await stack?.stop()).toBe(0);
}, 60_000);

it.each([
  ['the API documentation', () => `${stack.url}/docs`, '.opblock-summary-path'],
  ['signing in', () => `${stack.url}/sign-in`, 'role=button[name="Sign in"]'],
  ['a link from a mail that is none', () => `${stack.url}/u/forged`, 'role=heading'],
  ['the sandbox', () => stack.sandboxUrl, 'role=heading >> nth=0'],
])(
  '%s keeps to its policy',
  async (_name, address, landmark) => {
    const page = await browser.newPage();
    const refused: string[] = [];
    const asked = new Set<string>();
    page.on('console', (line) => {
      if (/content security policy/i.test(line.text())) refused.push(line.text());
    });
    page.on('pageerror', (error) => refused.push(String(error)));
    page.on('request', (request) => asked.add(new URL(request.url()).origin));
    await page.goto(address());
    await page.locator(landmark).first().waitFor();
    await page.waitForLoadState('load');
    expect(refused).toEqual([]);
    expect([...asked].filter((origin) => origin !== 'null')).toEqual([new URL(address()).origin]);
    await page.close();
  },
  60_000,
);
