/** The pool with a worker whose behaviour the test decides: order, turns, deaths, second tries, ends. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import type { RenderInput, RenderResult } from '@carillon/delivery-rules';
import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { RenderPool } from './render-pool.js';

jest.setTimeout(60_000);

/** Does what the data of a message says, and leaves a line per message begun. */
const WORKER = `
import { appendFileSync, existsSync, rmSync, writeFileSync } from 'node:fs';
const folder = new URL('.', import.meta.url);
const unable = new URL('unable', folder);
if (existsSync(unable)) { rmSync(unable); throw new Error('no memory for another process'); }
const cpuMs = () => { const { user, system } = process.cpuUsage(); return (user + system) / 1000; };
const acts = {
  echo: ({ value }) => value,
  bytes: (_, attachments) => attachments[0].content.length,
  pid: () => process.pid,
  env: () => Object.keys(process.env).filter((name) => !name.startsWith('NODE_CHANNEL_')),
  eval: () => { try { return eval('1 + 1'); } catch (error) { return error.name; } },
  spin: ({ ms, value }) => { for (const end = cpuMs() + ms; cpuMs() < end; ); return value; },
  nap: ({ ms, value }) => { Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms); return value; },
  grow: () => { const all = []; for (;;) all.push(new Array(1e6).fill(all.length + 0.5)); },
  leap: () => new Array(1e8).fill({}).length,
  die: () => process.kill(process.pid, 'SIGKILL'),
  dieOnce: ({ value }) => { const mark = new URL('died', folder); if (!existsSync(mark)) { writeFileSync(mark, ''); process.kill(process.pid, 'SIGKILL'); } return value; },
};
process.on('disconnect', () => process.exit());
process.on('message', async ({ inputs }) => {
  for (const { data, attachments } of inputs) {
    appendFileSync(new URL('begun', folder), data.act + '\\n');
    const answer = data.act === 'bug' ? { bug: 'TypeError: of ours' } : { ok: true, rendered: { value: acts[data.act](data, attachments), attachments }, warnings: [] };
    await new Promise((sent) => process.send(answer, undefined, undefined, sent));
  }
});
process.send('ready');
`;

/** Nothing is compiled. */
const NOBODY_HERE = { knows: () => false, learn: () => undefined, render: () => undefined };

let folder: string;
let pool: RenderPool | undefined;
beforeAll(() => Logger.overrideLogger(false));
afterEach(async () => {
  await pool?.close();
  rmSync(folder, { recursive: true });
});
afterAll(() => Logger.overrideLogger(undefined as never));

function start(most: number): RenderPool {
  folder = mkdtempSync(path.join(tmpdir(), 'carillon-render-'));
  writeFileSync(path.join(folder, 'worker.mjs'), WORKER);
  pool = new RenderPool(most, pathToFileURL(path.join(folder, 'worker.mjs')), NOBODY_HERE);
  return pool;
}
type Act = { act: string; ms?: number; value?: unknown };
const message = (data: Act): RenderInput => ({
  content: {},
  data: { ...data },
  recipient: {
    profileId: null,
    externalId: null,
    email: null,
    phone: null,
    locale: null,
    timezone: null,
    attributes: {},
    devices: [],
  },
  messageClass: 'transactional',
  replyTo: null,
  attachments: [],
  cacheKey: 'key',
  unsubscribeUrl: '',
});
const echo = (value: unknown) => message({ act: 'echo', value });
const render = (...acts: Act[]) => (pool as RenderPool).render('sms', acts.map(message));
const valueOf = (result: RenderResult<unknown> | undefined) =>
  result?.ok ? (result.rendered as { value: unknown }).value : result?.detail;
const begun = (act: string) =>
  readFileSync(path.join(folder, 'begun'), 'utf8')
    .split('\n')
    .filter((line) => line === act).length;
const numbers = (n: number) => Array.from({ length: n }, (_, i) => i);

describe('batches', () => {
  it('come back in order, whoever rendered what', async () => {
    start(2);
    const results = await Promise.all(
      [300, 1, 70].map((n) => (pool as RenderPool).render('sms', numbers(n).map(echo))),
    );
    expect(results.map((r) => r.map(valueOf))).toEqual([numbers(300), numbers(1), numbers(70)]);
    expect(await pool?.render('sms', [])).toEqual([]);
  });

  it('take turns: a code does not wait for the page that came before it', async () => {
    start(1);
    const order: string[] = [];
    const page = render(...numbers(200).map(() => ({ act: 'spin', ms: 5 }))).then(() => order.push('page'));
    const code = render({ act: 'echo' }).then(() => order.push('code'));
    await Promise.all([page, code]);
    expect(order).toEqual(['code', 'page']);
  });

  it('do not carry the bytes of attachments, and have them in the end', async () => {
    const attachments = [{ filename: 'a.pdf', contentType: 'application/pdf', content: 'QUJD' }];
    const results = await start(1).render('email', [{ ...message({ act: 'bytes' }), attachments }, echo(2)]);
    expect(results).toMatchObject([
      { rendered: { value: 0, attachments } },
      { rendered: { attachments: [] } },
    ]);
  });
});

describe('a message that takes too long', () => {
  it('is given up, with a sentence; what is around it is not affected', async () => {
    start(2);
    const [batch, other] = await Promise.all([
      render({ act: 'echo', value: 1 }, { act: 'spin', ms: 60_000 }, { act: 'echo', value: 3 }),
      render(...numbers(60).map((value) => ({ act: 'echo', value }))),
    ]);
    expect(batch.map(valueOf)).toEqual([1, expect.stringMatching(/^It took more than 250 ms/), 3]);
    expect(batch[1]).toMatchObject({ ok: false, reason: 'template_error', pointer: '/content/sms' });
    expect(other.map(valueOf)).toEqual(numbers(60));
    // Once in a process that had done other things, once as the first of a new one.
    expect(begun('spin')).toBe(2);
    expect((await render({ act: 'echo', value: 'next' })).map(valueOf)).toEqual(['next']);
  });

  it('is tried once when nothing else can have been the cause', async () => {
    start(1);
    const results = await render(
      { act: 'spin', ms: 60_000 },
      { act: 'spin', ms: 60_000 },
      { act: 'echo', value: 3 },
    );
    expect(results.map(valueOf)).toEqual([
      expect.stringContaining('250 ms'),
      expect.stringContaining('250 ms'),
      3,
    ]);
    expect(begun('spin')).toBe(2);
  });

  it('is one that used the processor: waiting for it is not held against a message', async () => {
    start(1);
    const pids = await render({ act: 'pid' });
    const results = await render({ act: 'nap', ms: 1_500, value: 'slept' }, { act: 'pid' });
    expect(results.map(valueOf)).toEqual(['slept', valueOf(pids[0])]);
  });
});

describe('a message that takes too much memory', () => {
  it.each(['grow', 'leap'])('is given up (%s)', async (act) => {
    start(2);
    const results = await render({ act: 'echo', value: 1 }, { act }, { act: 'echo', value: 3 });
    expect(results.map(valueOf)).toEqual([1, expect.stringMatching(/too much memory|250 ms/), 3]);
  });
});

describe('a process that dies', () => {
  it('takes nobody with it who can be rendered by another', async () => {
    start(1);
    const results = await render(
      { act: 'echo', value: 1 },
      { act: 'dieOnce', value: 2 },
      { act: 'echo', value: 3 },
    );
    expect(results.map(valueOf)).toEqual([1, 2, 3]);
  });

  it('is replaced, and who ends two is given up', async () => {
    start(1);
    const results = await render({ act: 'die' }, { act: 'echo', value: 2 });
    expect(results.map(valueOf)).toEqual([expect.stringContaining('ended the process'), 2]);
    expect(begun('die')).toBe(2);
  });

  it('while idle is not noticed', async () => {
    start(1);
    const [pid] = (await render({ act: 'pid' })).map(valueOf);
    process.kill(pid as number, 'SIGKILL');
    const results = await render({ act: 'echo', value: 1 }, { act: 'pid' });
    expect(valueOf(results[0])).toBe(1);
    expect(valueOf(results[1])).not.toBe(pid);
  });
});

describe('what goes wrong elsewhere', () => {
  it('a bug of ours fails its message alone', async () => {
    start(1);
    const results = await render({ act: 'bug' }, { act: 'echo', value: 2 });
    expect(results.map(valueOf)).toEqual(['Rendering failed on our side.', 2]);
  });

  it('data that cannot be handed over fails its message alone', async () => {
    start(1);
    let deep: unknown = 1;
    for (let i = 0; i < 100_000; i++) deep = [deep];
    const results = await render(...[1, deep, 3].map((value) => ({ act: 'echo', value })));
    expect(results.map(valueOf)).toEqual([1, expect.stringContaining('nested too deeply'), 3]);
  });

  it('a machine without room for a process is asked again', async () => {
    start(1);
    writeFileSync(path.join(folder, 'unable'), '');
    expect((await render({ act: 'echo', value: 1 })).map(valueOf)).toEqual([1]);
  });
});

describe('the process', () => {
  it('has no environment, and makes no code from strings', async () => {
    start(1);
    const results = await render({ act: 'env' }, { act: 'eval' });
    expect(results.map(valueOf)).toEqual([[], 'EvalError']);
  });

  it('is gone soon after close, whatever it was doing', async () => {
    start(1);
    const [pid] = (await render({ act: 'pid' })).map(valueOf);
    const endless = render({ act: 'nap', ms: 60_000 });
    const waiting = render({ act: 'echo' });
    const rejected = Promise.all([endless, waiting].map((r) => expect(r).rejects.toThrow('shut down')));
    const started = performance.now();
    await pool?.close();
    expect(performance.now() - started).toBeLessThan(3_000);
    await rejected;
    await expect(render({ act: 'echo' })).rejects.toThrow('shut down');
    expect(() => process.kill(pid as number, 0)).toThrow('ESRCH');
  });
});
