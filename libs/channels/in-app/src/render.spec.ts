import { describe, expect, it } from '@jest/globals';
import type { ContentByChannel } from '@carillon/contracts';
import type { RenderInput } from '@carillon/delivery-rules';
import { render } from './render.js';

const input = (
  content: Partial<ContentByChannel['in-app']>,
  data: Record<string, unknown> = {},
): RenderInput => ({
  content: { 'in-app': { title: 'Hi', body: 'There', ...content } },
  data,
  recipient: {
    profileId: 'p',
    externalId: 'ada',
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
  cacheKey: JSON.stringify(content),
  unsubscribeUrl: 'https://carillon.test/u/1',
});

describe('rendering an inbox item', () => {
  it('is text, so that nothing is escaped twice', () => {
    expect(render(input({ body: 'Dear {{ name }}', data: { n: { m: 1 } } }, { name: 'Tom & <b>' }))).toEqual({
      ok: true,
      rendered: { title: 'Hi', body: 'Dear Tom & <b>', url: null, imageUrl: null, data: { n: { m: 1 } } },
      warnings: [],
    });
  });

  it.each(['javascript:alert(1)', ' JaVaScript:alert(1)', 'data:text/html,x', '/relative', 'shop://order/7'])(
    'refuses the link %j',
    (url) => {
      expect(render(input({ url: '{{ url }}' }, { url }))).toMatchObject({
        ok: false,
        reason: 'content_refused',
        pointer: '/content/in-app/url',
      });
    },
  );

  it('has a size', () => {
    expect(render(input({ body: '{{ x }}' }, { x: 'x'.repeat(33_000) }))).toMatchObject({
      reason: 'too_large',
    });
  });
});
