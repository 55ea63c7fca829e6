import { describe, expect, it } from '@jest/globals';
import type { RenderInput } from '@carillon/delivery-rules';
import { parseMailbox } from './mailbox.js';
import { render } from './render.js';

const recipient = {
  profileId: null,
  externalId: 'ada',
  email: 'ada@example.test',
  phone: null,
  locale: null,
  timezone: null,
  attributes: { firstName: 'Ada' },
  devices: [],
};
let key = 0;
const input = (email: Record<string, string>, more: Partial<RenderInput> = {}): RenderInput => ({
  content: { email: { subject: 'Hello', ...email } },
  data: {},
  recipient,
  messageClass: 'transactional',
  replyTo: null,
  attachments: [],
  cacheKey: `test ${++key}`,
  unsubscribeUrl: 'https://carillon.test/u/1?a=b&c=d',
  ...more,
});
const rendered = (given: RenderInput) => {
  const result = render(given);
  if (!result.ok) throw new Error(`${result.reason} at ${result.pointer}: ${result.detail}`);
  return result;
};

describe('rendering an email', () => {
  it('fills in data and profile, escaped in HTML and plain in subject and text', () => {
    const { rendered: mail } = rendered(
      input(
        {
          subject: 'For {{ profile.firstName }} & {{ partner }}',
          html: '<p>Dear {{ partner }}</p><a href="{{ link }}">Go</a>',
        },
        { data: { partner: 'Tom & <Jerry>', link: 'https://acme.test/?a=1&b=2' } },
      ),
    );
    expect(mail.subject).toBe('For Ada & Tom & <Jerry>');
    expect(mail.html).toBe(
      '<p>Dear Tom &amp; &lt;Jerry&gt;</p><a href="https://acme.test/?a=1&amp;b=2">Go</a>',
    );
    expect(mail.text).toBe('Dear Tom & <Jerry>\n\nGo [https://acme.test/?a=1&b=2]');
  });

  it('lets neither data replace what is known of the profile nor the profile hide what is missing', () => {
    const content = { text: '{{ profile.externalId }} {{ unsubscribe_url }}' };
    const data = { profile: { externalId: 'eve' }, unsubscribe_url: 'https://evil.test' };
    expect(rendered(input(content, { data })).rendered.text).toBe('ada https://carillon.test/u/1?a=b&c=d');
    expect(render(input({ text: '{{ profile.phone }}' }))).toMatchObject({
      ok: false,
      reason: 'missing_variable',
      pointer: '/profile/phone',
    });
  });

  it('names a missing variable and points at it', () => {
    expect(render(input({ html: '<p>{{ order.id }}</p>' }, { data: { order: {} } }))).toMatchObject({
      ok: false,
      reason: 'missing_variable',
      pointer: '/data/order/id',
      detail: expect.stringContaining('order.id'),
    });
  });

  it('points at the field whose template is broken', () => {
    expect(render(input({ text: 'a\n{% if x %}' }))).toMatchObject({
      ok: false,
      reason: 'template_error',
      pointer: '/content/email/text',
      detail: expect.stringMatching(/line 2/),
    });
  });

  it.each([
    ['subject', 'a\r\nBcc: eve@evil.test'],
    ['subject', 'a\nb'],
    ['subject', 'a\0b'],
    ['from', 'Acme <a@acme.test>\r\nBcc: eve@evil.test'],
  ])('refuses %j when data brings a line break or NUL', (field, value) => {
    expect(render(input({ text: 'x', [field]: '{{ value }}' }, { data: { value } }))).toMatchObject({
      ok: false,
      reason: 'content_refused',
      pointer: `/content/email/${field}`,
    });
  });

  it.each([
    'a@acme.test, eve@evil.test',
    'no address',
    'A <a@acme.test> <eve@evil.test>',
    '<a@b@c>',
    '"a@b.test" x',
  ])('refuses the sender and reply address %j', (value) => {
    expect(render(input({ text: 'x', from: value }))).toMatchObject({ pointer: '/content/email/from' });
    expect(render(input({ text: 'x' }, { replyTo: value }))).toMatchObject({ pointer: '/replyTo' });
  });

  it('refuses an attachment name that would break its header', () => {
    const attachments = [{ filename: 'a\r\nb.pdf', contentType: 'application/pdf', content: '' }];
    expect(render(input({ text: 'x' }, { attachments }))).toMatchObject({
      pointer: '/attachments/0/filename',
    });
  });

  it('refuses URLs that run code, the author’s and those of data', () => {
    expect(render(input({ html: '<a href="java&#115;cript:alert(1)">x</a>' }))).toMatchObject({
      ok: false,
      reason: 'content_refused',
    });
    const { rendered: mail } = rendered(
      input({ html: '<a href="{{ url }}">x</a>' }, { data: { url: 'javascript:alert(1)' } }),
    );
    expect(mail.html).toBe('<a href="#">x</a>');
  });

  it('hides the preheader at the beginning of the body', () => {
    const { rendered: mail } = rendered(
      input(
        { html: '<html><body class="a"><p>Hi</p></body></html>', preheader: 'For {{ name }}' },
        { data: { name: '<A>' } },
      ),
    );
    expect(mail.html).toMatch(
      /<body class="a"><div style="display:none[^"]*">For &lt;A&gt;<\/div><p>Hi<\/p>/,
    );
    expect(mail.text).toBe('Hi');
  });

  it.each([
    ['loops around rows', '<table>{% for i in list %}<tr><td>{{ i }}</td></tr>{% endfor %}</table>', /1\s+2/],
    [
      'conditions in attributes',
      '<p class="{% if list %}a{% else %}b{% endif %}">x {{ list[0] }}</p>',
      /^x 1$/,
    ],
    ['entities in expressions', '<p>{{ "&quot;" | append: list[1] }}</p>', /2/],
  ])('makes the text part whatever Liquid does to the HTML: %s', (_name, html, text) => {
    expect(rendered(input({ html }, { data: { list: [1, 2] } })).rendered.text).toMatch(text);
  });

  it('keeps to a size, and warns of what mailboxes cut off', () => {
    const long = (n: number) => ({ data: { long: 'x'.repeat(n) } });
    expect(render(input({ text: '{{ long }}' }, long(1_000_001)))).toMatchObject({
      ok: false,
      reason: 'too_large',
    });
    expect(rendered(input({ text: '{{ long }}' }, long(110_000))).warnings).toHaveLength(1);
    expect(rendered(input({ text: '{{ long }}' }, long(10_000))).warnings).toHaveLength(0);
  });

  it('misses the way out of marketing', () => {
    const marketing = { messageClass: 'marketing' } as const;
    expect(rendered(input({ html: '<p>Sale</p>' }, marketing)).warnings).toEqual([
      expect.stringContaining('unsubscribe_url'),
    ]);
    const html = '<a href="{{ unsubscribe_url }}">Enough</a>';
    expect(rendered(input({ html }, marketing)).warnings).toEqual([]);
  });

  it('does not mix up templates that share a key', () => {
    const cacheKey = 'the same';
    expect(rendered(input({ text: 'one {{ a }}' }, { cacheKey, data: { a: 1 } })).rendered.text).toBe(
      'one 1',
    );
    expect(rendered(input({ text: 'two {{ a }}' }, { cacheKey, data: { a: 1 } })).rendered.text).toBe(
      'two 1',
    );
  });

  it('wants MJML to be compiled before', () => {
    expect(render(input({ html: '<mjml><mj-body></mj-body></mjml>' }))).toMatchObject({
      reason: 'template_error',
    });
  });
});

describe('a mailbox', () => {
  it.each([
    ['ada@example.test', { name: '', address: 'ada@example.test' }],
    [' <ada@example.test> ', { name: '', address: 'ada@example.test' }],
    ['Ada Lovelace <ada@example.test>', { name: 'Ada Lovelace', address: 'ada@example.test' }],
    ['"Lovelace, Ada" <ada@example.test>', { name: 'Lovelace, Ada', address: 'ada@example.test' }],
    ['Łukasz <łukasz@exämple.test>', { name: 'Łukasz', address: 'łukasz@exämple.test' }],
  ])('%j is read', (text, mailbox) => expect(parseMailbox(text)).toEqual(mailbox));

  it.each([
    '',
    'a',
    'a@',
    '@b',
    'a b@c.test',
    'a@b@c.test',
    'a..b@c.test',
    '.a@c.test',
    'a@c.test.',
    'A <a@c.test>, b@d.test',
    'a@c.test\n',
  ])('%j is not one', (text) => expect(parseMailbox(text)).toBeUndefined());
});
