/** The interface that `carillon types` writes is TypeScript, and says what a template needs. */
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { Template, TemplateVariable } from '@carillon/sdk';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { templateTypes } from './types.js';

const cli = path.join(import.meta.dirname, '../..');
let folder = '';
beforeAll(() => {
  fs.mkdirSync(path.join(cli, 'dist'), { recursive: true });
  folder = fs.mkdtempSync(path.join(cli, 'dist/types-'));
});
afterAll(() => fs.rmSync(folder, { recursive: true }));

const template = (key: string, variables: Partial<TemplateVariable>[]): Template => ({
  id: '0193a1b2-7c4d-7e5f-8a9b-0c1d2e3f4a5b',
  key,
  name: `Name of ${key} */ alert()`,
  version: 1,
  channels: ['email'],
  variables: variables.map((variable) => ({ name: '', type: 'unknown', required: true, ...variable })),
  createdAt: '2027-01-01T00:00:00Z',
  updatedAt: '2027-01-01T00:00:00Z',
});

it('compiles, and holds sends to it', () => {
  const text = templateTypes([
    template('z.last', []),
    template('order-shipped', [
      { name: 'order.id', type: 'string' },
      { name: 'order.items', type: 'array', required: false },
      { name: 'eta', type: 'string', required: false },
      { name: 'total', type: 'number' },
      { name: 'odd-name' },
    ]),
  ]);
  const use = `import { Carillon } from '@carillon/sdk';
import type { Templates } from './templates.js';
const { messages } = new Carillon<Templates>({ apiKey: 'ck_1' });
const to = { profile: 'ada' }, channels = ['email' as const];
void messages.send({ to, channels, template: 'z.last' });
void messages.send({ to, channels, template: 'order-shipped', data: { order: { id: '1' }, total: 3, 'odd-name': 1 } });
// @ts-expect-error order.id is missing
void messages.send({ to, channels, template: 'order-shipped', data: { order: {}, total: 3, 'odd-name': 1 } });
// @ts-expect-error total is a number
void messages.send({ to, channels, template: 'order-shipped', data: { order: { id: '1' }, total: '3', 'odd-name': 1 } });
// @ts-expect-error odd-name is missing
void messages.send({ to, channels, template: 'order-shipped', data: { order: { id: '1' }, total: 3 } });
`;
  fs.writeFileSync(path.join(folder, 'templates.ts'), text);
  fs.writeFileSync(path.join(folder, 'use.ts'), use);
  const compilerOptions = {
    module: 'nodenext',
    target: 'es2022',
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    types: ['node'],
    customConditions: ['@carillon/source'],
  };
  fs.writeFileSync(path.join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions }));
  const tsc = path.join(cli, '../../node_modules/typescript-7/bin/tsc');
  const { stdout } = spawnSync(process.execPath, [tsc, '-p', folder], { encoding: 'utf8' });
  expect(stdout).toBe('');
}, 60_000);

it('does not depend on the order in which templates come', () => {
  const [a, b] = [template('a', [{ name: 'y' }, { name: 'x' }]), template('b', [])];
  expect(templateTypes([a, b])).toBe(templateTypes([b, { ...a, variables: [...a.variables].reverse() }]));
});
