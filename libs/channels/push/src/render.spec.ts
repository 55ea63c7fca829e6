import { describe, expect, it } from '@jest/globals';
import type { ContentByChannel } from '@carillon/contracts';
import type { RenderInput } from '@carillon/delivery-rules';
import { pushChannel } from './index.js';
import { render } from './render.js';

const recipient = {
  profileId: 'p',
  externalId: 'ada',
  email: null,
  phone: null,
  locale: null,
  timezone: null,
  attributes: {},
  devices: [
    { id: 'd1', token: 'token-one', platform: 'ios' as const },
    { id: 'd2', token: 'token-two', platform: 'web' as const },
  ],
};
const input = (push: Partial<ContentByChannel['push']>, data: Record<string, unknown> = {}): RenderInput => ({
  content: { push: { title: 'Hi', body: 'There', ...push } },
  data,
  recipient,
  messageClass: 'transactional',
  replyTo: null,
  attachments: [],
  cacheKey: JSON.stringify(push),
  unsubscribeUrl: 'https://carillon.test/u/1',
});

describe('rendering a push', () => {
  it('fills in the texts and links and leaves data as it is', () => {
    const content = {
      title: 'Parcel {{ id }}',
      url: 'https://acme.test/{{ id }}',
      data: { raw: '{{ id }}' },
    };
    expect(render(input(content, { id: 7 }))).toEqual({
      ok: true,
      rendered: {
        title: 'Parcel 7',
        body: 'There',
        url: 'https://acme.test/7',
        imageUrl: null,
        data: { raw: '{{ id }}' },
        collapseKey: null,
      },
      warnings: [],
    });
  });

  it.each(['javascript:alert(1)', 'data:text/html,x', 'acme.test/7', 'https://u:p@acme.test', '//acme.test'])(
    'refuses the link %j',
    (url) => {
      for (const field of ['url', 'imageUrl']) {
        expect(render(input({ [field]: '{{ url }}' }, { url }))).toMatchObject({
          ok: false,
          reason: 'content_refused',
          pointer: `/content/push/${field}`,
        });
      }
    },
  );

  it('keeps to what FCM and APNs carry', () => {
    expect(render(input({ body: '{{ x }}' }, { x: 'x'.repeat(3700) }))).toMatchObject({ ok: true });
    expect(render(input({ body: '{{ x }}' }, { x: 'x'.repeat(4000) }))).toMatchObject({
      reason: 'too_large',
    });
    expect(render(input({ body: '{{ x }}' }, { x: 'ж'.repeat(2000) }))).toMatchObject({
      reason: 'too_large',
    });
  });

  it.each(['from', 'google.x', 'gcm.y', 'message_type', 'deliveryId'])('refuses the data key %j', (key) => {
    expect(render(input({ data: { [key]: '1' } }))).toMatchObject({ pointer: `/content/push/data/${key}` });
  });

  it('refuses what cannot be seen, and what is empty', () => {
    expect(render(input({ title: '{{ t }}' }, { t: 'a\u202eb' }))).toMatchObject({
      pointer: '/content/push/title',
    });
    expect(render(input({ title: '{{ t }}', body: '{{ t }}' }, { t: '' }))).toMatchObject({
      reason: 'content_refused',
    });
  });

  it('goes to every device, each an attempt of its own', () => {
    expect(pushChannel.addresses(recipient)).toEqual([
      { address: 'token-one', attemptId: 'd1' },
      { address: 'token-two', attemptId: 'd2' },
    ]);
  });
});
