/**
 * What a consumer gets: the bundles in an empty project outside the workspace, typechecked both ways against the
 * declarations alone and run both ways, with React and without.
 */
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { execFileSync, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

jest.setTimeout(60_000);

const inbox = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const root = path.join(inbox, '../..');
const tsc = path.join(root, 'node_modules/typescript-7/bin/tsc');
let consumer = '';

beforeAll(() => {
  execFileSync(process.execPath, [tsc, '-b', inbox]);
  execFileSync(process.execPath, [path.join(inbox, 'bundle.mjs')]);
  consumer = fs.mkdtempSync(path.join(os.tmpdir(), 'carillon-inbox-consumer-'));
  const installed = path.join(consumer, 'node_modules/@carillon/inbox');
  const { files } = JSON.parse(fs.readFileSync(path.join(inbox, 'package.json'), 'utf8')) as {
    files: string[];
  };
  for (const part of ['package.json', ...files])
    fs.cpSync(path.join(inbox, part), path.join(installed, part), { recursive: true });
}, 120_000);
afterAll(() => fs.rmSync(consumer, { recursive: true, force: true }));

/** Puts React, or takes it away. */
function withReact(wanted: boolean): void {
  for (const name of ['react', 'react-dom', 'scheduler', '@types/react', 'csstype']) {
    const link = path.join(consumer, 'node_modules', name);
    fs.rmSync(link, { force: true });
    if (!wanted) continue;
    fs.mkdirSync(path.dirname(link), { recursive: true });
    fs.symlinkSync(path.join(root, 'node_modules', name), link);
  }
}
function compile(files: Record<string, string>): string {
  for (const [name, text] of Object.entries(files)) fs.writeFileSync(path.join(consumer, name), text);
  const compilerOptions = {
    module: 'nodenext',
    target: 'es2022',
    lib: ['es2023', 'dom', 'dom.iterable'],
    types: [],
    jsx: 'react-jsx',
    strict: true,
    noEmit: true,
    exactOptionalPropertyTypes: true,
  };
  const config = { compilerOptions, files: Object.keys(files) };
  fs.writeFileSync(path.join(consumer, 'tsconfig.json'), JSON.stringify(config));
  return spawnSync(process.execPath, [tsc, '-p', consumer], { encoding: 'utf8' }).stdout;
}
function run(file: string, text: string): string {
  fs.writeFileSync(path.join(consumer, file), text);
  return execFileSync(process.execPath, [file], { cwd: consumer, encoding: 'utf8' }).trim();
}

const headless = `
const inbox = createInbox({ baseUrl: 'https://carillon.example.com', token: async () => 'a token' });
export const stop: () => void = inbox.subscribe(() => {
  const { items, unread, status, error } = inbox.getState();
  const links: (string | null)[] = items.map((item) => safeUrl(item.url));
  if (status === 'refused' && error instanceof InboxError) console.error(error.code, unread, links);
});
// @ts-expect-error an inbox needs a token
createInbox({ baseUrl: '' });
`;
const component = `
import { Inbox, InboxProvider, useInbox } from '@carillon/inbox/react';
const Count = () => <b>{useInbox().unread.toFixed()}</b>;
export const app = (
  <InboxProvider baseUrl="https://carillon.example.com" token={() => 'a token'}>
    <Count />
    <Inbox theme="dark" align="start" texts={{ title: 'Neues', bell: (n) => n + ' neu' }} onItemClick={(item, e) => item.url ?? e.preventDefault()} />
  </InboxProvider>
);
// @ts-expect-error either an inbox or the way to one
export const wrong = <InboxProvider />;
`;

describe('the published package', () => {
  it('typechecks and runs without React, in an ES module and in CommonJS', () => {
    withReact(false);
    expect(
      compile({
        'headless.mts': `import { createInbox, InboxError, safeUrl } from '@carillon/inbox';${headless}`,
        'headless.cts': `import { createInbox, InboxError, safeUrl } from '@carillon/inbox';${headless}`,
      }),
    ).toBe('');
    const use = `console.log(createInbox({ token: 'x' }).getState().status, safeUrl('javascript:1'))`;
    expect(run('a.mjs', `import { createInbox, safeUrl } from '@carillon/inbox'; ${use}`)).toBe('idle null');
    expect(run('a.cjs', `const { createInbox, safeUrl } = require('@carillon/inbox'); ${use}`)).toBe(
      'idle null',
    );
  });

  it('typechecks with React, and renders on a server', () => {
    withReact(true);
    expect(compile({ 'app.tsx': component })).toBe('');
    const render = `
      const element = createElement(InboxProvider, { token: 'x' }, createElement(Inbox));
      console.log(renderToStaticMarkup(element));`;
    const esm = run(
      'b.mjs',
      `import { createElement } from 'react'; import { renderToStaticMarkup } from 'react-dom/server';
       import { Inbox, InboxProvider } from '@carillon/inbox/react';${render}`,
    );
    const cjs = run(
      'b.cjs',
      `const { createElement } = require('react'); const { renderToStaticMarkup } = require('react-dom/server');
       const { Inbox, InboxProvider } = require('@carillon/inbox/react');${render}`,
    );
    expect(esm).toBe(cjs);
    expect(esm).toContain('aria-label="Notifications"');
    // A policy without inline styles would refuse it.
    expect(esm).not.toMatch(/style=|<style/);
  });

  it('brings nothing along, and holds no piece of React', () => {
    for (const format of ['esm', 'cjs']) {
      const of = (file: string) => fs.readFileSync(path.join(inbox, 'dist', format, file), 'utf8');
      const outside = (text: string) =>
        [
          ...new Set([...text.matchAll(/(?:from|require\() ?["']([^"']+)["']/g)].map(([, name]) => name)),
        ].sort();
      expect(outside(of('index.js'))).toEqual([]);
      expect(outside(of('react.js'))).toEqual(['./index.js', 'react', 'react/jsx-runtime']);
      expect(of('index.js').length).toBeLessThan(40_000);
    }
    expect(fs.statSync(path.join(inbox, 'dist/styles.css')).size).toBeGreaterThan(5000);
  });
});
