import { describe, expect, it } from '@jest/globals';
import type { RenderInput } from '@carillon/delivery-rules';
import { render } from './render.js';

const input = (body: string, data: Record<string, unknown> = {}): RenderInput => ({
  content: { sms: { body } },
  data,
  recipient: {
    profileId: null,
    externalId: null,
    email: null,
    phone: '+447700900123',
    locale: null,
    timezone: null,
    attributes: {},
    devices: [],
  },
  messageClass: 'transactional',
  replyTo: null,
  attachments: [],
  cacheKey: `sms ${body}`,
  unsubscribeUrl: 'https://carillon.test/u/1',
});

describe('rendering an SMS', () => {
  // Lengths of 3GPP TS 23.038 and 23.040: 160/153 septets, 70/67 UCS-2 units; € and the like take two.
  it.each([
    ['a'.repeat(160), 'GSM-7', 1],
    ['a'.repeat(161), 'GSM-7', 2],
    ['€'.repeat(80), 'GSM-7', 1],
    ['€'.repeat(81), 'GSM-7', 2],
    ['ж'.repeat(70), 'UCS-2', 1],
    ['ж'.repeat(71), 'UCS-2', 2],
    ['😀'.repeat(35), 'UCS-2', 1],
    ['😀'.repeat(67), 'UCS-2', 3],
  ])('counts %j as %s in %i', (text, encoding, segments) => {
    expect(render(input('{{ text }}', { text }))).toMatchObject({
      ok: true,
      rendered: { body: text, encoding, segments },
    });
  });

  it('says which characters make a text dear', () => {
    const result = render(input('{{ text }}', { text: `${'a'.repeat(100)}č` }));
    expect(result).toMatchObject({ ok: true, warnings: [expect.stringContaining('č')] });
  });

  it('does not escape, and makes no tab or line end dear', () => {
    expect(render(input('{{ a }}\r\nb\tc', { a: '<&>' }))).toMatchObject({
      rendered: { body: '<&>\nb c', encoding: 'GSM-7' },
    });
  });

  it.each([
    ['too many segments', 'a'.repeat(1531), 'too_large'],
    ['a control character', 'a\u0007b', 'content_refused'],
    ['a hidden change of direction', 'code \u202e4321', 'content_refused'],
    ['nothing', ' \n ', 'content_refused'],
  ])('refuses %s', (_what, text, reason) => {
    expect(render(input('{{ text }}', { text }))).toMatchObject({
      ok: false,
      reason,
      pointer: '/content/sms/body',
    });
  });

  it('lets the marks through that Arabic and Hebrew need', () => {
    expect(render(input('{{ text }}', { text: 'שלום\u200f 7' }))).toMatchObject({ ok: true });
  });

  it('names a missing variable', () => {
    expect(render(input('Code {{ code }}'))).toMatchObject({
      ok: false,
      reason: 'missing_variable',
      pointer: '/data/code',
    });
  });
});
