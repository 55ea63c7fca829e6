/** Templates over the real API. */
import type { Preview, Problem, Template, TemplateDetail, TemplateVersion } from '@carillon/contracts';
import { newId } from '@carillon/database';
import { startTestApi, type TestApi } from '@carillon/testing/api';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
}, 60_000);
afterAll(() => api.close());

const save = async (key: string, body: object) => api.call(`/v1/templates/${key}`, { method: 'PUT', body });
const saved = async (key: string, body: object): Promise<TemplateDetail> => {
  const answer = await save(key, body);
  expect(answer.status).toBe(200);
  return (await answer.json()) as TemplateDetail;
};
const refused = async (key: string, body: object): Promise<Problem> => {
  const answer = await save(key, body);
  expect(answer.status).toBe(422);
  return (await answer.json()) as Problem;
};
const read = async <T>(path: string): Promise<T> => (await (await api.call(path)).json()) as T;
const preview = async (key: string, body: object): Promise<Preview> => {
  const answer = await api.call(`/v1/templates/${key}/preview`, { body });
  expect(answer.status).toBe(200);
  return (await answer.json()) as Preview;
};
const sms = (body: string) => ({ content: { sms: { body } } });

describe('saving', () => {
  it('writes versions that never change', async () => {
    const one = await saved('greeting', { name: 'Greeting', ...sms('Hello {{ name }}') });
    expect(one).toMatchObject({ key: 'greeting', name: 'Greeting', version: 1, channels: ['sms'] });
    const two = await saved('greeting', sms('Hi {{ name }}'));
    expect(two).toMatchObject({ version: 2, name: 'Greeting', versions: [{ version: 2 }, { version: 1 }] });
    const first = await read<TemplateVersion>('/v1/templates/greeting/versions/1');
    expect(first.content).toEqual({ sms: { body: 'Hello {{ name }}' } });
  });

  it('writes nothing when nothing changes, so that a save may be repeated', async () => {
    await saved('same', sms('Hello'));
    expect(await saved('same', sms('Hello'))).toMatchObject({ version: 1, versions: [{ version: 1 }] });
    expect(await saved('same', { name: 'Renamed', ...sms('Hello') })).toMatchObject({
      version: 1,
      name: 'Renamed',
    });
  });

  it('numbers versions without gaps when many save at once', async () => {
    await saved('race', sms('start'));
    await Promise.all(Array.from({ length: 20 }, (_, n) => saved('race', sms(`text ${n}`))));
    const { version, versions } = await read<TemplateDetail>('/v1/templates/race');
    expect(version).toBe(21);
    expect(versions.map((v) => v.version)).toEqual(Array.from({ length: 21 }, (_, n) => 21 - n));
  });

  it('says how messages will be rendered, and what keeps them from being rendered fast', async () => {
    const plain = {
      email: { subject: 'Hi {{ name }}', html: '<p>{% if vip %}Dear {% endif %}{{ name }}</p>' },
    };
    expect(await saved('fast', { content: plain })).toMatchObject({ rendering: 'fast', warnings: [] });
    const content = {
      sms: { body: 'a\n{{ name | replace: "a", "b" }}' },
      email: { subject: 'x', html: '<p class="{% if vip %}a{% endif %}">{{ name }}</p>' },
    };
    const slow = await saved('slow', {
      content,
      locales: { de: { sms: { body: '{% capture x %}{% endcapture %}' } } },
    });
    expect(slow).toMatchObject({
      rendering: 'sandboxed',
      warnings: [
        { pointer: '/content/email/html', message: expect.stringContaining('write a text') },
        { pointer: '/content/sms/body', message: expect.stringMatching(/replace.*line 2/) },
        { pointer: '/locales/de/sms/body', message: expect.stringContaining('capture') },
      ],
    });
    expect(await saved('slow', { content: plain })).toMatchObject({ rendering: 'fast', warnings: [] });
  });

  it('finds the variables in the Liquid', async () => {
    const { variables } = await saved('variables', {
      content: {
        email: {
          subject: 'Order {{ order.id }}',
          html: '{% for item in order.items %}<li>{{ item.name }}</li>{% endfor %}{{ order.items.size }} {{ total | default: "" }} {{ profile.attributes.name }} {{ list[0].x }}',
        },
      },
    });
    expect(variables).toEqual([
      { name: 'list', type: 'array', required: true },
      { name: 'order.id', type: 'unknown', required: true },
      { name: 'order.items', type: 'unknown', required: true },
      { name: 'total', type: 'unknown', required: false },
    ]);
  });

  it('lets the author say more about them', async () => {
    const { variables } = await saved('declared', {
      content: { sms: { body: '{{ order.id }} {{ code }}' } },
      variables: {
        order: { type: 'object', required: false },
        code: { type: 'string', example: '123456' },
      },
    });
    expect(variables).toEqual([
      { name: 'code', type: 'string', required: true, example: '123456' },
      { name: 'order', type: 'object', required: false },
      { name: 'order.id', type: 'unknown', required: false },
    ]);
  });

  it.each<[string, object, string, string, RegExp]>([
    [
      'a tag that is not closed',
      { content: { sms: { body: 'a\n{% if x %}b' } } },
      '/content/sms/body',
      'template_syntax',
      /line 2, column \d/,
    ],
    [
      'a filter that does not exist',
      { content: { push: { title: '{{ a | nope }}', body: 'b' } } },
      '/content/push/title',
      'template_syntax',
      /nope/,
    ],
    [
      'a link that runs code',
      { content: { email: { subject: 's', html: '<a href="javascript:alert(1)">x</a>' } } },
      '/content/email/html',
      'unsafe_url',
      /runs code/,
    ],
    [
      'a place that escaping cannot make safe',
      { content: { email: { subject: 's', html: '<script>{{ a }}</script>' } } },
      '/content/email/html',
      'template_unsafe',
      /./,
    ],
    [
      'MJML that is not valid',
      { content: { email: { subject: 's', html: '<mjml><mj-body><mj-nope/></mj-body></mjml>' } } },
      '/content/email/html',
      'mjml_invalid',
      /line 1/,
    ],
    [
      'a mistake in a translation',
      { ...sms('a'), locales: { de: { sms: { body: '{{ a' } } } },
      '/locales/de/sms/body',
      'template_syntax',
      /line 1/,
    ],
    [
      'a translation into no language',
      { ...sms('a'), locales: { 'not a tag': { sms: { body: 'b' } } } },
      '/locales/not a tag',
      'invalid_locale',
      /BCP 47/,
    ],
  ])('refuses %s, and says where', async (_name, body, pointer, code, message) => {
    const problem = await refused('refused', body);
    expect(problem).toMatchObject({ code: 'invalid_request', errors: [{ pointer, code }] });
    expect(problem.errors?.[0]?.message).toMatch(message);
    expect((await api.call('/v1/templates/refused')).status).toBe(404);
  });

  it('names every mistake at once', async () => {
    const { errors } = await refused('many', {
      content: { email: { subject: '{{ a', html: '{% if %}' }, sms: { body: '{{ | }}' } },
    });
    expect(errors?.map((e) => e.pointer).sort()).toEqual([
      '/content/email/html',
      '/content/email/subject',
      '/content/sms/body',
    ]);
  });

  it('makes MJML into HTML now, and keeps what was written', async () => {
    const html =
      '<mjml><mj-body><mj-section><mj-column><mj-text>Hi {{ name }}</mj-text></mj-column></mj-section></mj-body></mjml>';
    const { current } = await saved('mjml', { content: { email: { subject: 's', html } } });
    expect(current.content.email?.html).toBe(html);
    const { rendered } = await preview('mjml', { channel: 'email', data: { name: 'Ada' } });
    expect(rendered?.email?.html).toContain('Hi Ada');
    expect(rendered?.email?.html).toMatch(/^\s*<!doctype html>/i);
  });
});

describe('reading', () => {
  it('lists by key in pages, searches, and leaves archived ones out', async () => {
    for (const key of ['list-a', 'list-b', 'list-c'])
      await saved(key, { name: `Is_100% ${key}`, ...sms('x') });
    const page = await read<{ items: Template[]; nextCursor: string | null }>(
      '/v1/templates?search=list-&limit=2',
    );
    expect(page.items.map((t) => t.key)).toEqual(['list-a', 'list-b']);
    const rest = await read<typeof page>(`/v1/templates?search=list-&limit=2&cursor=${page.nextCursor}`);
    expect(rest).toMatchObject({ items: [{ key: 'list-c' }], nextCursor: null });
    expect((await read<typeof page>('/v1/templates?search=s_100%25')).items).toHaveLength(3);
    expect((await read<typeof page>('/v1/templates?search=sx100')).items).toHaveLength(0);

    expect((await api.call('/v1/templates/list-b', { method: 'DELETE' })).status).toBe(204);
    expect((await read<typeof page>('/v1/templates?search=list-')).items.map((t) => t.key)).toEqual([
      'list-a',
      'list-c',
    ]);
    expect((await read<TemplateDetail>('/v1/templates/list-b')).version).toBe(1);
    await saved('list-b', sms('back'));
    expect((await read<typeof page>('/v1/templates?search=list-b')).items).toMatchObject([{ version: 2 }]);
  });

  it.each([
    ['GET', '/v1/templates/nothing'],
    ['GET', '/v1/templates/greeting/versions/99'],
    ['DELETE', '/v1/templates/nothing'],
  ])('%s %s is not found', async (method, path) => {
    expect((await api.call(path, { method })).status).toBe(404);
  });
});

describe('preview', () => {
  const template = {
    content: { sms: { body: 'Hi {{ profile.attributes.firstName | default: "you" }}, {{ code }}' } },
    locales: { de: { sms: { body: 'Hallo, {{ code }}' } } },
    variables: { code: { type: 'string', example: '000000' } },
  };

  it('renders a stored version with the examples, and with data in their place', async () => {
    await saved('code', template);
    expect((await preview('code', { channel: 'sms' })).rendered?.sms?.body).toBe('Hi you, 000000');
    expect((await preview('code', { channel: 'sms', data: { code: '1' } })).rendered?.sms?.body).toBe(
      'Hi you, 1',
    );
  });

  it('renders for a profile, in its language', async () => {
    await saved('code', template);
    await api.owner.query(
      `INSERT INTO profiles (id, workspace_id, external_id, locale, attributes) VALUES ($1, $2, 'ada', 'en', '{"firstName":"Ada"}'), ($3, $2, 'emil', 'de-AT', '{}')`,
      [newId(), api.workspaceId, newId()],
    );
    expect((await preview('code', { channel: 'sms', profile: 'ada' })).rendered?.sms?.body).toBe(
      'Hi Ada, 000000',
    );
    expect((await preview('code', { channel: 'sms', profile: 'emil' })).rendered?.sms?.body).toBe(
      'Hallo, 000000',
    );
    expect(
      (await preview('code', { channel: 'sms', profile: 'ada', locale: 'de' })).rendered?.sms?.body,
    ).toBe('Hallo, 000000');
    const nobody = await api.call('/v1/templates/code/preview', {
      body: { channel: 'sms', profile: 'nobody' },
    });
    expect(await nobody.json()).toMatchObject({ errors: [{ pointer: '/profile', code: 'unknown_profile' }] });
  });

  it('renders content that is not saved, also of a template that does not exist yet', async () => {
    const { rendered } = await preview('not-yet', {
      channel: 'push',
      content: { push: { title: 'T {{ a }}', body: 'B' } },
      data: { a: 1 },
    });
    expect(rendered?.push).toMatchObject({ title: 'T 1', body: 'B' });
    expect((await api.call('/v1/templates/not-yet')).status).toBe(404);
  });

  it('says what is wrong instead of rendering', async () => {
    expect(await preview('not-yet', { channel: 'sms', content: { sms: { body: '{{ a' } } })).toMatchObject({
      rendered: null,
      errors: [{ pointer: '/content/sms/body', code: 'template_syntax' }],
    });
    expect(await preview('not-yet', sms2('{{ missing }}'))).toMatchObject({
      rendered: null,
      errors: [{ code: 'missing_variable' }],
    });
    expect(await preview('not-yet', { ...sms2('x'), channel: 'email' })).toMatchObject({
      rendered: null,
      errors: [{ pointer: '/content/email', code: 'template_error' }],
    });
    expect((await api.call('/v1/templates/not-yet/preview', { body: { channel: 'sms' } })).status).toBe(404);
  });

  const sms2 = (body: string) => ({ channel: 'sms', ...sms(body) });
});
