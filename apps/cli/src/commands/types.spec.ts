/** The interface that `carillon types` writes is TypeScript, and says what a template needs. */
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { Template, TemplateVariable } from '@carillon/sdk';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { eventTypes, templateTypes } from './types.js';

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
  expect(compiled()).toBe('');
}, 60_000);

it('holds journeys to what templates ask for and to the events that occur', () => {
  const text =
    templateTypes([
      template('cart', [
        { name: 'event.total', type: 'number' },
        { name: 'shop', type: 'string' },
      ]),
      template('plain', []),
    ]) +
    eventTypes([
      {
        name: 'cart.updated',
        properties: ['id', 'note', 'total'],
        types: { id: ['string'], note: ['string', 'missing'], total: ['number'] },
      },
      { name: 'order.placed', properties: ['id'], types: { id: ['number', 'string'] } },
    ]);
  fs.writeFileSync(path.join(folder, 'types.ts'), text);
  fs.writeFileSync(
    path.join(folder, 'use.ts'),
    `import { enters, event, from, journey, message, outcome, property } from '@carillon/sdk';
import type { Events, Templates } from './types.js';
const channels = ['email' as const];
const cart = () => journey<Templates, Events>('cart').on(event('cart.updated').with(property('total').above(0)));
void cart().perKey('id').exitWhen('ordered', event('order.placed')).goal('g', { event: 'order.placed' })
  .listen('1d', [{ on: event('order.placed').with(property('id').is('1')), then: (j) => j.emit('order.placed', { id: from('event', 'id') }) }, { on: outcome('clicked') }, { on: message('opened') }])
  .send({ channels, template: 'cart', data: { shop: 'a' } })
  .send({ channels, template: 'plain' })
  .send({ channels, content: { email: { subject: 'a', text: 'b' } }, onError: (j) => j.end('no') });
void journey<Templates, Events>('b').onBusiness(event('order.placed'), 'vip').send({ channels, template: 'plain' });
void journey('any').on(event('whatever').with(property('x').is(1), property(['a', 'b']).exists())).perKey('x').emit('y', { z: 1 }).send({ channels, template: 'free', data: { a: 1 } });
// @ts-expect-error no such event
void journey<Templates, Events>('a').on(event('cart.changed'));
// @ts-expect-error no such event
void journey<Templates, Events>('a').on({ event: 'cart.changed' });
// @ts-expect-error no such property
void journey<Templates, Events>('a').on(event('cart.updated').with(property('totl').above(0)));
// @ts-expect-error no such property
void cart().perKey('cartId');
// @ts-expect-error no such event
void cart().exitWhen('ordered', event('order.paid'));
// @ts-expect-error no such event to listen for
void cart().listen('1d', { on: event('order.paid') });
// @ts-expect-error no such event to emit
void cart().emit('order.paid');
// @ts-expect-error a property of another type
void cart().emit('cart.updated', { total: 'ten' });
// @ts-expect-error no such template
void cart().send({ channels, template: 'basket' });
// @ts-expect-error shop is missing
void cart().send({ channels, template: 'cart' });
// @ts-expect-error shop is a text
void cart().send({ channels, template: 'cart', data: { shop: 1 } });
// @ts-expect-error an order has no total, which the template asks for
void journey<Templates, Events>('a').on(event('order.placed')).send({ channels, template: 'cart', data: { shop: 'a' } });
// @ts-expect-error nor in a branch
void cart().wait({ date: 'd' }, { otherwise: (j) => j.send({ channels, template: 'basket' }) });
void enters('vip');
`,
  );
  fs.rmSync(path.join(folder, 'templates.ts'), { force: true });
  expect(compiled()).toBe('');
}, 60_000);

/** What the compiler says about the folder; nothing when all is well. */
function compiled(): string {
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
  return spawnSync(process.execPath, [tsc, '-p', folder], { encoding: 'utf8' }).stdout;
}

it('does not depend on the order in which templates come', () => {
  const [a, b] = [template('a', [{ name: 'y' }, { name: 'x' }]), template('b', [])];
  expect(templateTypes([a, b])).toBe(templateTypes([b, { ...a, variables: [...a.variables].reverse() }]));
});
