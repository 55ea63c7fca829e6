/**
 * The real worker, as it was built: the same results as in this thread, and templates made to hurt. Needs
 * `dist/render-worker.js`, which `npm test` builds; without it everything here fails.
 */
import type { Channel as ChannelName } from '@carillon/contracts';
import type { RenderInput, RenderResult } from '@carillon/delivery-rules';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { channelShapes } from './channels.js';
import { RenderPool } from './render-pool.js';
import { RenderProcess } from './render-process.js';

jest.setTimeout(120_000);

let pool: RenderPool;
beforeAll(() => {
  Logger.overrideLogger(false);
  pool = new RenderPool();
});
afterAll(() => pool.close());

const input = (more: Partial<RenderInput>): RenderInput => ({
  content: {},
  data: {},
  recipient: {
    profileId: '0193',
    externalId: 'ada',
    email: 'ada@example.com',
    phone: '+4930123456',
    locale: 'de',
    timezone: 'Europe/Berlin',
    attributes: { name: 'Ada <&>', born: '1815-12-10', tags: ['a', 'b'] },
    devices: [{ id: 'd', token: 't', platform: 'ios' }],
  },
  messageClass: 'marketing',
  replyTo: null,
  attachments: [],
  cacheKey: JSON.stringify(more.content ?? null).slice(0, 200),
  unsubscribeUrl: 'https://example.com/u?a=1&b=2',
  ...more,
});
const sms = (body: string, data: Record<string, unknown> = {}) => input({ content: { sms: { body } }, data });
const detailOf = (result: RenderResult<unknown> | undefined) =>
  result && !result.ok ? result.detail : 'rendered';

const order = {
  total: 12.5,
  items: [{ name: 'Träume & "Quotes"' }, { name: '你好 \ud83d' }],
  at: '2026-11-23T23:30:00Z',
};
const page = `<html><body class="x">{% for i in order.items %}<p>{{ i.name }}</p>{% endfor %}
  {{ order.total | currency: "EUR" }} {{ order.at | date: "short" }} {{ profile.name }}
  <a href="{{ link }}">x</a><a href="{{ unsubscribe_url }}">bye</a></body></html>`;
const attachments = [{ filename: 'a.pdf', contentType: 'application/pdf', content: 'QUJD'.repeat(1000) }];

const GOLDEN: [ChannelName, RenderInput][] = [
  [
    'email',
    input({
      content: { email: { subject: 'Hi {{ profile.name }}', html: page, preheader: '{{ order.total }}' } },
      data: { order, link: 'javascript:alert(1)' },
      attachments,
      replyTo: 'Help <help@example.com>',
    }),
  ],
  [
    'email',
    input({
      content: {
        email: { subject: 'Plain', text: '{{ order.total | number: 2 }}', from: 'Ada <ada@example.com>' },
      },
      data: { order },
      messageClass: 'transactional',
    }),
  ],
  [
    'email',
    input({
      content: { email: { subject: 'Hi {{ name }}', text: 'x' } },
      data: { name: 'a\r\nBcc: b@example.com' },
    }),
  ],
  ['email', input({ content: { email: { subject: 'Hi {{ order.gone }}', text: 'x' } }, data: { order } })],
  [
    'email',
    input({
      content: { email: { subject: 'x', text: 'x' } },
      attachments: [{ ...(attachments[0] as (typeof attachments)[0]), filename: 'a\nb' }],
    }),
  ],
  ['email', input({ content: { email: { subject: '{{ x | nothing }}', text: 'x' } } })],
  ['sms', sms('Grüße {{ profile.name }}, {{ n }} 你', { n: -0 })],
  ['sms', sms('{{ x }}'.repeat(100), { x: 'long text, ' })],
  [
    'push',
    input({
      content: {
        push: {
          title: '{{ t }}',
          body: '\ud800{{ t }}',
          url: 'https://example.com/{{ t }}',
          data: { a: '1' },
          collapseKey: 'k',
        },
      },
      data: { t: 'T' },
    }),
  ],
  ['push', input({ content: { push: { title: '{{ t }}', body: '\u202e' } }, data: { t: 'T' } })],
  [
    'in-app',
    input({
      content: {
        'in-app': { title: '{{ t }}', body: 'b', url: '{{ u }}', data: { deep: { list: [1, null, 'x'] } } },
      },
      data: { t: 'T', u: 'https://example.com' },
    }),
  ],
  [
    'in-app',
    input({
      content: { 'in-app': { title: '{{ t }}', body: 'b', url: '{{ u }}' } },
      data: { t: 'T', u: 'javascript:1' },
    }),
  ],
];

describe('a result', () => {
  it.each(GOLDEN)('is the one that this thread would have come to: %s %#', async (channel, one) => {
    const [pooled] = await pool.render(channel, [one]);
    expect(pooled).toEqual(channelShapes[channel].render(one));
  });

  it('stays the same when its template is known', async () => {
    const inputs = GOLDEN.filter(([channel]) => channel === 'email').map(([, one]) => one);
    const first = await pool.render('email', [...inputs, ...inputs]);
    expect(first.slice(inputs.length)).toEqual(first.slice(0, inputs.length));
  });
});

/** `x` becomes 2^n characters long, within what liquidjs counts. */
const grown = (n: number) => `{% assign x = "ba" %}${'{% assign x = x | append: x %}'.repeat(n - 1)}`;
const objects = Array.from({ length: 100_000 }, () => ({ a: 1 }));
const nested = (n: number) =>
  Array.from({ length: n }, () => '{% for i in (1..1000) %}').join('') + 'x' + '{% endfor %}'.repeat(n);

const manyFilters = `{{ x ${'| where: "a" '.repeat(45)}| size }}`;

/** What liquidjs stops by itself, and what only the end of its process does. */
const BOMBS: Record<string, [body: string, data?: Record<string, unknown>]> = {
  'loops in loops': [nested(4)],
  'a huge range': ['{% for i in (1..100000000) %}{% endfor %}'],
  'an endless range': ['{% for i in (1..9007199254740991) %}x{% endfor %}'],
  'a text that doubles by append': [
    '{% assign a = "xy" %}{% for i in (1..60) %}{% assign a = a | append: a %}{% endfor %}{{ a }}',
  ],
  'a text that doubles by capture': [
    '{% assign a = "xy" %}{% for i in (1..60) %}{% capture a %}{{ a }}{{ a }}{% endcapture %}{% endfor %}{{ a }}',
  ],
  'a list that doubles': [
    '{% assign l = "a,b" | split: "," %}{% for i in (1..60) %}{% assign l = l | concat: l %}{% endfor %}{{ l.size }}',
  ],
  'a long text, split': [`${grown(22)}{% assign l = x | split: "" %}{{ l | join: x }}`],
  'a long text, replaced': [`${grown(20)}{{ x | replace: "b", x }}`],
  'a list that fills the heap, sorted': [
    `${grown(20)}{% assign l = x | split: "" | sort_natural %}{{ l.size }}`,
  ],
  'many filters in one step': [manyFilters, { x: objects }],
  'recursion in the source': [`${'{% if true %}'.repeat(20_000)}x${'{% endif %}'.repeat(20_000)}`],
  'recursion in a value': [`{{ x${'[x'.repeat(50_000)}${']'.repeat(50_000)} }}`, { x: 'x' }],
  'a wide date': ['{{ "now" | date: "%999999999d" }}'],
  'a long source': ['x{{ y }}'.repeat(100_000), { y: 1 }],
};

describe('a template made to hurt', () => {
  it.each(Object.keys(BOMBS))('is stopped, and nothing else is: %s', async (name) => {
    const [body, data] = BOMBS[name] ?? [''];
    const honest = (n: number) => sms('Hi {{ n }}', { n });
    const [batch, other] = await Promise.all([
      pool.render('sms', [honest(1), sms(body, data), honest(3)]),
      pool.render('sms', [honest(4), honest(5)]),
    ]);
    expect(batch[1]).toMatchObject({ ok: false, reason: 'template_error' });
    expect([...batch, ...other].map((r) => (r.ok ? (r.rendered as { body: string }).body : '-'))).toEqual([
      'Hi 1',
      '-',
      'Hi 3',
      'Hi 4',
      'Hi 5',
    ]);
  });

  it('is told what it took too much of', async () => {
    const [result] = await pool.render('sms', [sms(manyFilters, { x: objects })]);
    expect(detailOf(result)).toMatch(/^It took more than 250 ms to render/);
  });
});

describe('a template that looks for what is not its own', () => {
  const probes = [
    '__proto__',
    'constructor',
    'prototype',
    'process',
    'process.env',
    'globalThis',
    'require',
    'this',
    'global',
    'module',
    'x.__proto__',
    'x.constructor',
    'x.constructor.constructor',
    'x["__proto__"]',
    'x["constructor"]["name"]',
    'x.toString',
    'l.constructor',
    'l.__proto__.length',
    'l.map',
    's.constructor',
    's.__proto__',
    'n.constructor',
    'profile.__proto__',
    'profile.constructor',
    'profile.attributes.constructor',
    'unsubscribe_url.constructor',
    'forloop',
    'liquid',
    'context',
    'opts',
    'x.valueOf',
  ];
  it.each(probes)('finds nothing at %s', async (probe) => {
    const data = { x: { a: 1 }, l: [1], s: 'text', n: 1 };
    const results = await pool.render('sms', [
      sms(`[{{ ${probe} }}]`, data),
      sms(`[{{ ${probe} | default: "" }}]`, data),
      sms(`{% assign y = ${probe} %}[{{ y | default: "" }}]`, data),
    ]);
    for (const result of results) {
      if (result.ok) expect((result.rendered as { body: string }).body).toBe('[]');
      else expect(result.reason).toMatch(/^(missing_variable|template_error)$/);
    }
    expect(results[1]).toMatchObject({ ok: true });
  });

  it('leaves nothing behind for the next', async () => {
    const polluted = JSON.parse(
      '{"__proto__":{"polluted":"yes"},"constructor":{"prototype":{"polluted":"yes"}}}',
    ) as Record<string, unknown>;
    const results = await pool.render('sms', [
      sms(
        '{% assign __proto__ = x %}{% assign polluted = "yes" %}{% capture constructor %}yes{% endcapture %}-',
        { x: polluted },
      ),
      input({ content: { sms: { body: '-' } }, data: polluted }),
      sms('{{ polluted | default: "clean" }} {{ x.polluted | default: "clean" }}', { x: {} }),
    ]);
    expect(results[2]).toMatchObject({ ok: true, rendered: { body: 'clean clean' } });
    expect(({} as { polluted?: string }).polluted).toBeUndefined();
  });
});

it('keeps no more templates than there is memory for', async () => {
  const process = new RenderProcess(new URL('../dist/render-worker.js', import.meta.url));
  try {
    await process.ready;
    for (let n = 0; n < 24; n++) {
      const inputs = Array.from({ length: 25 }, (_, i) =>
        sms(`${n} ${i}${'{{ a }}'.repeat(120)}`, { a: '' }),
      );
      const results: unknown[] = [];
      expect(await process.render({ channel: 'sms', inputs }, (answer) => results.push(answer))).toBeNull();
      expect(results).toHaveLength(25);
    }
  } finally {
    process.kill();
    await process.gone;
  }
});
