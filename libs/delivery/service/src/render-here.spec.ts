/** Rendering without a process: what may be, what it gives, and what it never does. With real processes beside it. */
import type { RenderInput } from '@carillon/delivery-rules';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { channelShapes } from './channels.js';
import { RenderHere } from './render-here.js';
import { RenderPool } from './render-pool.js';

jest.setTimeout(60_000);
Logger.overrideLogger(false);

const html =
  '<html><body><p>Hi {{ profile.name }}, {{ order.id }}</p>{% for i in order.items %}<p>{{ i.name }} {{ i.price | currency: "EUR" }}</p>{% endfor %}' +
  '<a href="{{ order.url }}">Look</a> <a href="{{ unsubscribe_url }}">Stop</a></body></html>';
let key = 0;
const input = (more: Partial<RenderInput> = {}): RenderInput => ({
  content: { email: { subject: 'Order {{ order.id }} für Sie', html, preheader: 'Soon: {{ order.id }}' } },
  data: {
    order: {
      id: 'N<1>',
      url: 'javascript:alert(1)',
      items: [
        { name: 'Tea & "more"', price: 3.5 },
        { name: '🙂', price: 2 },
      ],
    },
  },
  recipient: {
    ...{
      profileId: null,
      externalId: 'ada',
      email: null,
      phone: null,
      locale: 'de',
      timezone: null,
      devices: [],
    },
    attributes: { name: 'Łukasz', empty: null },
  },
  messageClass: 'marketing',
  replyTo: null,
  attachments: [],
  cacheKey: `here ${++key}`,
  unsubscribeUrl: 'https://carillon.test/u/1?a=b&c=d',
  ...more,
});
const plain = (result: unknown): unknown => JSON.parse(JSON.stringify(result));

let pool: RenderPool | undefined;
afterEach(async () => {
  await pool?.close();
});
/** A pool whose processes are counted by what they were asked. */
function start(): { pool: RenderPool; here: string[]; apart: string[] } {
  const seen = { here: [] as string[], apart: [] as string[] };
  const real = new RenderHere();
  pool = new RenderPool(1, undefined, {
    knows: (channel, given) => real.knows(channel, given),
    learn(channel, given) {
      seen.apart.push(given.cacheKey);
      real.learn(channel, given);
    },
    render(channel, given) {
      const result = real.render(channel, given);
      if (result) seen.here.push(given.cacheKey);
      return result;
    },
  });
  return { pool, ...seen };
}

describe('a compiled template', () => {
  it('is rendered by a process once, then here, to the same message', async () => {
    const { pool: p, here, apart } = start();
    const given = input();
    const [apartFirst] = await p.render('email', [given]);
    const [hereThen] = await p.render('email', [given]);
    expect([apart.length, here.length]).toEqual([1, 1]);
    expect(plain(hereThen)).toEqual(plain(apartFirst));
    expect(plain(hereThen)).toEqual(plain(channelShapes.email.render(given)));
    expect(hereThen).toMatchObject({ ok: true, warnings: [] });
  });

  it.each([
    ['{{ profile.name }} {{ profile.externalId }} {{ profile.locale }} {{ profile.attributes.name }}', true],
    ['{{ profile.phone }}', false],
    ['{{ profile.phone | default: "none" }}{% if profile.phone %}!{% endif %}', true],
    ['{% for field in profile %}{{ field[0] }} {% endfor %}{{ profile.size }}', true],
    ['{% for field in profile.attributes %}{{ field[0] }} {% endfor %}{{ profile.attributes.size }}', true],
    [
      '{{ profile.email | default: "none" }} {{ unsubscribe_url }} {{ profile.gone | default: "gone" }}',
      true,
    ],
  ])('knows of a person what a process knows: %s', (text, here) => {
    const { recipient } = input();
    const attributes = [
      { name: 'Ada' },
      { name: 'Ada', gone: null },
      { name: 'Ada', email: 'x', phone: null },
    ];
    const data = [{}, { profile: { name: 'Eve' }, unsubscribe_url: 'https://evil.test' }];
    let rendered = 0;
    for (const own of attributes)
      for (const given of data) {
        const asked = input({
          content: { email: { subject: 'x', text } },
          recipient: { ...recipient, attributes: own },
          data: given,
        });
        const expected = plain(channelShapes.email.render(asked));
        const result = new RenderHere().render('email', asked);
        if (result) expect(plain(result)).toEqual(expected);
        if (result) rendered++;
      }
    expect(rendered > 0).toBe(here);
  });

  it('of a page sends one message ahead and keeps the rest, in order', async () => {
    const { pool: p, here, apart } = start();
    const cacheKey = 'page';
    const page = Array.from({ length: 200 }, (_, n) =>
      input({ cacheKey, data: { order: { id: n, url: '/', items: [] } } }),
    );
    const results = await p.render('email', page);
    expect([apart.length, here.length]).toEqual([1, 199]);
    expect(results.map((r) => r.ok && (r.rendered as { subject: string }).subject)).toEqual(
      page.map((_, n) => `Order ${n} für Sie`),
    );
  });

  it('leaves to a process what the data makes unusual, with its words', async () => {
    const { pool: p, apart } = start();
    const good = input({ cacheKey: 'mixed' });
    await p.render('email', [good]);
    const results = await p.render('email', [good, { ...good, data: { order: { id: 1 } } }, good]);
    expect(results).toMatchObject([
      { ok: true },
      { ok: false, reason: 'missing_variable', pointer: '/data/order/items' },
      { ok: true },
    ]);
    expect(apart.length).toBe(2);
  });

  it('never is one with what is not compiled', async () => {
    const { pool: p, here } = start();
    const given = input({ content: { email: { subject: 'x', text: '{{ order.id | replace: "N", "M" }}' } } });
    for (let n = 0; n < 3; n++) expect(await p.render('email', [given])).toMatchObject([{ ok: true }]);
    expect(here).toEqual([]);
  });

  it('gives way to others', async () => {
    const { pool: p } = start();
    const cacheKey = 'long page';
    const page = Array.from({ length: 3000 }, () => input({ cacheKey }));
    await p.render('email', page.slice(0, 1));
    let turns = 0;
    const others = setInterval(() => turns++, 0);
    await p.render('email', page);
    clearInterval(others);
    expect(turns).toBeGreaterThan(2);
  });
});
