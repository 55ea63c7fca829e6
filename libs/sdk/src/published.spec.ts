/**
 * What a consumer gets: packs the bundles into an empty project outside the workspace, typechecks it both ways
 * against the declarations alone, runs it both ways, and once in a bare context like an edge runtime's.
 */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { execFileSync, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import vm from 'node:vm';

const sdk = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const root = path.join(sdk, '../..');
const tsc = path.join(root, 'node_modules/typescript-7/bin/tsc');
let consumer = '';

beforeAll(() => {
  execFileSync(process.execPath, [tsc, '-b', sdk]);
  execFileSync(process.execPath, [path.join(sdk, 'bundle.mjs')]);
  consumer = fs.mkdtempSync(path.join(os.tmpdir(), 'carillon-sdk-consumer-'));
  const installed = path.join(consumer, 'node_modules/@carillon/sdk');
  for (const part of ['package.json', 'dist/esm', 'dist/cjs'])
    fs.cpSync(path.join(sdk, part), path.join(installed, part), { recursive: true });
  fs.symlinkSync(path.join(root, 'node_modules/@types'), path.join(consumer, 'node_modules/@types'));
  fs.symlinkSync(
    path.join(root, 'node_modules/undici-types'),
    path.join(consumer, 'node_modules/undici-types'),
  );
}, 120_000);
afterAll(() => fs.rmSync(consumer, { recursive: true, force: true }));

/** Compiles files of the consumer; gives what the compiler said, '' for nothing. */
function compile(files: Record<string, string>, options: object = {}): string {
  for (const [name, text] of Object.entries(files)) fs.writeFileSync(path.join(consumer, name), text);
  const compilerOptions = {
    module: 'nodenext',
    target: 'es2022',
    lib: ['es2023'],
    types: ['node'],
    strict: true,
    noEmit: true,
    skipLibCheck: false,
    exactOptionalPropertyTypes: true,
    ...options,
  };
  const config = { compilerOptions, files: Object.keys(files) };
  fs.writeFileSync(path.join(consumer, 'tsconfig.json'), JSON.stringify(config));
  const { stdout } = spawnSync(process.execPath, [tsc, '-p', consumer], { encoding: 'utf8' });
  return stdout;
}

const use = `
const carillon = new Carillon({ apiKey: 'ck_1', baseUrl: 'http://127.0.0.1:9' });
export async function main(): Promise<string[]> {
  const accepted = await carillon.messages.send({
    to: { profile: { externalId: 'ada', attributes: { plan: 'pro', seats: 3 } } },
    channels: ['email'], template: 'any', data: { orderId: '1', items: [{ n: 1 }] }, sendAt: new Date(),
  });
  const ids: string[] = accepted.deliveries.map((delivery) => delivery.id);
  for await (const delivery of carillon.deliveries.list({ status: ['failed', 'unknown'], channel: 'sms' }))
    if (delivery.reason === 'bounced' && delivery.address !== null) ids.push(delivery.address.toUpperCase());
  const detail = await carillon.deliveries.get(ids[0] ?? '');
  const lines: string[] = detail.timeline.map((line) => line.type + line.at);
  try { await carillon.me(); } catch (error) {
    if (error instanceof ApiProblem && error.code === 'rate_limited') return lines;
  }
  return lines;
}
`;

describe('the published package', () => {
  it('typechecks in an ES module and in CommonJS, without contracts and without zod', () => {
    expect(
      compile({
        'esm.mts': `import { ApiProblem, Carillon } from '@carillon/sdk';${use}`,
        'cjs.cts': `import { ApiProblem, Carillon } from '@carillon/sdk';${use}`,
        'required.cts': `import sdk = require('@carillon/sdk');\nexport const c = new sdk.Carillon({ session: true });`,
      }),
    ).toBe('');
  });

  it('typechecks under a bundler with the DOM', () => {
    const options = { module: 'esnext', moduleResolution: 'bundler', lib: ['es2023', 'dom'], types: [] };
    expect(
      compile({ 'page.ts': `import { ApiProblem, Carillon } from '@carillon/sdk';${use}` }, options),
    ).toBe('');
  });

  it('refuses at compile time what the API would refuse', () => {
    const lines = [
      `channels: ['fax'], content: { sms: { body: 'x' } }`,
      `content: { sms: { body: 'x' } }`,
      `channels: ['sms'], route: [{ channel: 'sms' }], content: { sms: { body: 'x' } }`,
      `channels: ['sms'], content: { sms: { body: 'x' } }, template: 'a'`,
      `channels: ['sms'], content: { sms: { text: 'x' } }`,
      `channels: ['sms'], class: 'promo', content: { sms: { body: 'x' } }`,
    ];
    const text = lines
      .map((line) => `// @ts-expect-error\nvoid carillon.messages.send({ to: { phone: '1' }, ${line} });`)
      .join('\n');
    const good = `void carillon.messages.send({ to: { phone: '1' }, channels: ['sms'], content: { sms: { body: 'x' } } });`;
    const head = `import { Carillon } from '@carillon/sdk';\nconst carillon = new Carillon({ apiKey: 'ck_1' });`;
    expect(compile({ 'refused.mts': `${head}\n${good}\n${text}` })).toBe('');
  });

  it('checks templates and their data against the interface of `carillon types`', () => {
    const good = [
      `template: 'order-shipped', data: { orderId: '1' }`,
      `template: 'order-shipped', data: { orderId: '1', eta: '3 pm' }`,
      `template: { key: 'order-shipped', version: 2 }, data: { orderId: '1' }`,
      `template: 'hello'`,
      `content: { sms: { body: '{{ a }}' } }, data: { a: 1 }`,
    ];
    const bad = [
      `template: 'order-shiped', data: { orderId: '1' }`,
      `template: 'order-shipped'`,
      `template: 'order-shipped', data: {}`,
      `template: 'order-shipped', data: { orderID: '1' }`,
      `template: 'order-shipped', data: { orderId: 7 }`,
      `template: 'order-shipped', data: { orderId: '1', colour: 'red' }`,
      `template: { key: 'nothing' }`,
    ];
    const call = (line: string) =>
      `void carillon.messages.send({ to: { profile: 'a' }, channels: ['sms'], ${line} });`;
    const text = `import { Carillon } from '@carillon/sdk';
export interface Templates { 'order-shipped': { orderId: string; eta?: string }; hello: {} }
const carillon = new Carillon<Templates>({ apiKey: 'ck_1' });
${good.map(call).join('\n')}
${bad.map((line) => `// @ts-expect-error\n${call(line)}`).join('\n')}`;
    expect(compile({ 'templates.mts': text })).toBe('');
  });

  it('typechecks journeys, and tests of them, both ways', () => {
    const test = `
const built = journey('hello').on(event('signed_up')).send({ channels: ['email'], template: 'hello' });
export async function main(): Promise<string[]> {
  const world = testWorld({
    journeys: [built, welcome],
    people: [{ externalId: 'ada', email: 'ada@example.com', devices: ['ios'], consents: [{ channel: 'email', word: 'in' }] }],
    templates: { hello: { email: { subject: 'Hello', text: 'Hello' } } },
    gate: { quietHours: [{ key: 'nights', periods: [{ from: '21:00', to: '08:00' }] }] },
    outcomes: { opened: 0.5, steps: { 'send-1': { failed: 1 } } },
  });
  await world.event('signed_up', { plan: 'pro' });
  await world.advance('7d');
  if (world.deliveries[0]?.reason === 'quiet_hours') await world.tell(world.messages[0], 'clicked');
  // @ts-expect-error
  await world.tell(world.messages[0], 'eaten');
  // @ts-expect-error
  testWorld({ journeys: [built], outcomes: { opend: 1 } });
  return world.visits.flatMap((visit) => visit.steps.map(({ step }) => step));
}`;
    const head = `import { event, journey } from '@carillon/sdk';
import { welcome } from '@carillon/sdk/ready';
import { testWorld } from '@carillon/sdk/testing';`;
    expect(compile({ 'tests.mts': head + test, 'tests.cts': head + test })).toBe('');
  });

  it('carries the shapes of contracts, type by type', () => {
    // Compiled inside the workspace, where contracts can be found; compared both ways without `any` passing for equal.
    const folder = fs.mkdtempSync(path.join(sdk, 'dist/compare-'));
    try {
      fs.writeFileSync(path.join(folder, 'compare.ts'), comparison());
      const flags = [
        '--ignoreConfig',
        '--module',
        'nodenext',
        '--strict',
        '--noEmit',
        '--skipLibCheck',
        '--target',
        'es2022',
      ];
      const { stdout } = spawnSync(process.execPath, [tsc, ...flags, path.join(folder, 'compare.ts')], {
        encoding: 'utf8',
      });
      expect(stdout).toBe('');
    } finally {
      fs.rmSync(folder, { recursive: true });
    }
  });

  it('loads with import and with require', () => {
    const run = (file: string, text: string) => {
      fs.writeFileSync(path.join(consumer, file), text);
      return execFileSync(process.execPath, [path.join(consumer, file)], { encoding: 'utf8' });
    };
    const print = `const error = new NotFoundProblem({ code: 'not_found', status: 404, detail: 'D.' });
console.log(typeof Carillon, error instanceof CarillonError, error.name);`;
    const names = '{ Carillon, CarillonError, NotFoundProblem }';
    expect(run('run.mjs', `import ${names} from '@carillon/sdk';\n${print}`)).toBe(
      'function true NotFoundProblem\n',
    );
    expect(run('run.cjs', `const ${names} = require('@carillon/sdk');\n${print}`)).toBe(
      'function true NotFoundProblem\n',
    );
  });

  it('plays journeys with import and with require, with no other package there', () => {
    const text = `
const world = testWorld({ journeys: [loginCode], people: [{ externalId: 'ada', email: 'ada@example.com', phone: '+4915112345678' }] });
world.event('login.code_requested', { code: '4711' })
  .then(() => world.advance('1d'))
  .then(() => console.log(world.messages.map(({ channel, text }) => channel + ': ' + text).join()));`;
    const run = (file: string, head: string) => {
      fs.writeFileSync(path.join(consumer, file), head + text);
      return execFileSync(process.execPath, [path.join(consumer, file)], { encoding: 'utf8' });
    };
    const said = 'sms: Your code: 4711\n';
    expect(
      run(
        'play.mjs',
        `import { testWorld } from '@carillon/sdk/testing';\nimport { loginCode } from '@carillon/sdk/ready';`,
      ),
    ).toBe(said);
    expect(
      run(
        'play.cjs',
        `const { testWorld } = require('@carillon/sdk/testing');\nconst { loginCode } = require('@carillon/sdk/ready');`,
      ),
    ).toBe(said);
  });

  it('runs with nothing but what edge runtimes offer, and stays small', async () => {
    const code = fs.readFileSync(path.join(sdk, 'dist/cjs/index.js'), 'utf8');
    expect(code).not.toMatch(/require\(|\bprocess\.|\bBuffer\b|zod|liquid/);
    expect(code.length).toBeLessThan(100_000);
    const calls: { url: string; headers: Record<string, string> }[] = [];
    const context = vm.createContext({
      module: { exports: {} },
      URL,
      URLSearchParams,
      AbortController,
      setTimeout,
      clearTimeout,
      TextDecoder,
      crypto: { getRandomValues: (bytes: Uint8Array<ArrayBuffer>) => crypto.getRandomValues(bytes) },
      fetch: (url: string, init: { headers: Record<string, string> }) => {
        calls.push({ url, headers: init.headers });
        return Promise.resolve(Response.json({ id: 'm1', deliveries: [] }, { status: 202 }));
      },
    });
    vm.runInContext(code, context);
    const answer: unknown = await vm.runInContext(
      `new module.exports.Carillon({ apiKey: 'ck_1', baseUrl: 'https://c.example' })
        .messages.send({ to: { phone: '+442071838750' }, channels: ['sms'], content: { sms: { body: 'x' } } })`,
      context,
    );
    expect(answer).toMatchObject({ id: 'm1' });
    expect(calls).toMatchObject([{ url: 'https://c.example/v1/messages' }]);
    expect(calls[0]?.headers['idempotency-key']).toMatch(/^[0-9a-f]{32}$/);
  });
});

/** A program that compiles only when the two sides agree on every operation. */
function comparison(): string {
  const declarations = path.join(sdk, 'dist/esm/contracts.js');
  return `import type * as ours from '${declarations}';
import type * as theirs from '@carillon/contracts';
type Same<A, B> = [A] extends [B] ? ([B] extends [A] ? true : 'contracts has more') : 'the client has more';
type IsAny<T> = 0 extends 1 & T ? true : false;
type Check<A, B> = IsAny<A> extends true ? 'any' : IsAny<B> extends true ? 'any in contracts' : Same<A, B>;
/** True, or a sentence per operation that differs: the compiler's message then names them. */
type None<T extends Record<string, string | true>> = [Differing<T>] extends [never] ? true : Differing<T>;
type Differing<T extends Record<string, string | true>> = {
  [K in keyof T & string]: T[K] extends string ? \`\${K}: \${T[K]}\` : never;
}[keyof T & string];
type Names = ours.OperationName | theirs.OperationName;
export const names: Check<ours.OperationName, theirs.OperationName> = true;
export const problems: Check<ours.ProblemCode, theirs.ProblemCode> = true;
export const responses: None<{ [N in Names]: Check<ours.ResponseOf<N>, theirs.ResponseOf<N>> }> = true;
export const bodies: None<{ [N in Names]: Check<ours.BodyInputOf<N>, theirs.BodyInputOf<N>> }> = true;
export const params: None<{ [N in Names]: Check<ours.ParamsOf<N>, theirs.ParamsOf<N>> }> = true;
export const queries: None<{ [N in Names]: Check<ours.Operations[N]['query'], theirs.QueryOf<N>> }> = true;
`;
}
