/** People under several names, what they did, and what is known of them: over HTTP. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { unsubscribeUrl } from '@carillon/audience-service';
import {
  operations,
  type AcceptedMessage,
  type MergeResult,
  type OperationName,
  type Page,
  type Profile,
  type ProfileState,
  type TimelineEntry,
} from '@carillon/contracts';
import { newId } from '@carillon/database';
import { gzipSync } from 'node:zlib';
import { apiFixture, type Answer, type ApiFixture, type AskOptions } from './api.fixture.js';

let at: ApiFixture;
beforeAll(async () => {
  at = await apiFixture();
}, 60_000);
afterAll(() => at.close(), 30_000);

const ask = (...args: Parameters<ApiFixture['ask']> extends [unknown, ...infer Rest] ? Rest : never) =>
  at.ask(at.here, ...args);
const put = (externalId: string, body: object = {}) => ask('upsertProfile', { params: { externalId }, body });
const get = async (externalId: string) =>
  (await ask('getProfile', { params: { externalId } })).json as Profile;
const merge = (externalId: string, from: string) =>
  ask('mergeProfiles', { params: { externalId }, body: { from } });
const track = (body: object) => ask('trackEvent', { body });
const timeline = async (externalId: string, query = '') =>
  (await ask('getTimeline', { params: { externalId }, query })).json as Page<TimelineEntry>;
const errorsOf = (answer: Answer) => (answer.json as { errors?: unknown }).errors;

describe('events', () => {
  it('are kept when the answer is there, once per key', async () => {
    const first = await track({ profile: 'eve', name: 'order.placed', key: 'k-1', properties: { total: 3 } });
    expect(first).toMatchObject({ status: 202, json: { outcome: 'accepted' } });
    const second = await track({ profile: 'eve', name: 'order.placed', key: 'k-1' });
    expect(second.json).toMatchObject({ outcome: 'duplicate', id: (first.json as { id: string }).id });
    expect((await get('eve')).activity).toMatchObject({ events: 1 });
  });

  it.each<[string, object, object]>([
    ['a reserved name', { name: 'message.opened' }, { pointer: '/name' }],
    ['a reserved name in other letters', { name: 'Audience.entered' }, { pointer: '/name' }],
    ['an odd name', { name: '<script>' }, { pointer: '/name' }],
    [
      'ten years ahead',
      { name: 'a', at: '2036-01-01T00:00:00Z' },
      { pointer: '/at', code: 'time_in_future' },
    ],
    ['long ago', { name: 'a', at: '2009-01-01T00:00:00Z' }, { pointer: '/at', code: 'too_old' }],
    ['NUL', { name: 'a', properties: { x: 'a\0b' } }, { pointer: '/properties/x', code: 'invalid_text' }],
    ['too much', { name: 'a', properties: { x: 'y'.repeat(70_000) } }, { code: 'too_large' }],
    ['a stranger', { name: 'a', unknownProfile: 'refuse' }, { pointer: '/profile', code: 'unknown_profile' }],
  ])('are refused with a pointer and a sentence: %s', async (_, event, error) => {
    const answer = await track({ profile: 'nobody-yet', ...event });
    expect({ status: answer.status, errors: errorsOf(answer) }).toMatchObject({
      status: 422,
      errors: [error],
    });
    expect((await ask('getProfile', { params: { externalId: 'nobody-yet' } })).status).toBe(404);
  });

  it('refuse keys that reach a prototype', async () => {
    const answer = await fetch(`${at.url}/v1/events`, {
      method: 'POST',
      headers: { authorization: `Bearer ${at.here.key}`, 'content-type': 'application/json' },
      body: '{"profile":"eve","name":"a","properties":{"__proto__":{"x":1}}}',
    });
    expect(answer.status).toBe(422);
  });

  it('come in batches, each judged by itself', async () => {
    const events = [
      { profile: 'eve', name: 'a', key: 'b-1' },
      { profile: 'eve', name: 'message.sent' },
      { profile: 'eve', name: 'a', key: 'b-1' },
      { profile: { namespace: 'anonymous', value: 'x1' }, name: 'a' },
      'nonsense',
    ];
    const answer = await ask('trackEvents', { body: { events } });
    expect(answer).toMatchObject({
      status: 202,
      json: {
        accepted: 2,
        duplicates: 1,
        failed: 2,
        results: [
          { index: 0, outcome: 'accepted' },
          { index: 1, outcome: 'failed', errors: [{ pointer: '/name' }] },
          { index: 2, outcome: 'duplicate' },
          { index: 3, outcome: 'accepted' },
          { index: 4, outcome: 'failed' },
        ],
      },
    });
  });
});

describe('bad input', () => {
  /** As no client of ours would send it. */
  const raw = async (name: OperationName, params: Record<string, string>, body: string | Buffer) => {
    const { method, path } = operations[name];
    const address = path.replace(/:(\w+)/g, (_, param: string) => params[param] ?? '');
    const answer = await fetch(`${at.url}${address}`, {
      method,
      headers: { authorization: `Bearer ${at.here.key}`, 'content-type': 'application/json' },
      body: new Uint8Array(Buffer.from(body as string)),
    });
    return { status: answer.status, json: (await answer.json()) as unknown };
  };
  const profile = (body: string | Buffer, externalId = 'bad-input') =>
    raw('upsertProfile', { externalId }, body);
  const preview = (where: string) => raw('previewAudience', {}, `{"definition":{"where":${where}}}`);
  const nested = (deep: number) =>
    `${'{"not":'.repeat(deep)}{"attribute":"plan","is":"pro"}${'}'.repeat(deep)}`;
  const event = (more: string) => raw('trackEvent', {}, `{"profile":"bad-input","name":"a",${more}}`);
  /** How the beginning of a file is told: its problem, or that of its first bad row. */
  const file = async (bytes: Buffer) => {
    const body = { head: bytes.toString('base64'), complete: true };
    const { status, json } = await ask('previewImport', { body });
    const { problem, bad } = json as { problem: string | null; bad: { line: number; reason: string }[] };
    return { status, json: { detail: problem ?? (bad[0] ? `line ${bad[0].line}: ${bad[0].reason}` : '') } };
  };
  const csv = (...rows: (string | Buffer)[]) =>
    Buffer.concat(['id,name\n', ...rows, '\n'].map((row) => Buffer.from(row as string)));
  const refused = (status: number, code: string, error: object | null, sentence: RegExp) => ({
    status,
    code,
    error,
    sentence,
  });
  const read = (sentence: RegExp) => ({ status: 200, code: undefined, error: null, sentence });
  type Row = [
    string,
    () => Promise<{ status: number; json: unknown }>,
    ReturnType<typeof refused> | ReturnType<typeof read>,
  ];

  it.each<Row>([
    [
      'a file of 10 GB',
      () => raw('createImport', {}, '{"name":"all.csv","bytes":10000000000}'),
      refused(
        413,
        'body_too_large',
        { pointer: '/bytes', code: 'too_large' },
        /at most 2,000,000,000 bytes here \(IMPORT_MAX_BYTES\): send it in pieces/,
      ),
    ],
    [
      'a part of more than was agreed',
      () => raw('createImport', {}, Buffer.alloc(3_000_000, 0x20)),
      refused(413, 'body_too_large', null, /larger than this server takes: split it/),
    ],
    [
      'a list that is not there',
      () => raw('createImport', {}, '{"name":"a.csv","audience":"nowhere"}'),
      refused(422, 'invalid_request', { pointer: '/audience', code: 'unknown_audience' }, /make it first/),
    ],
    [
      'NUL in an address',
      () => profile('{}', 'a%00b'),
      refused(422, 'invalid_request', { pointer: ':externalId' }, /NUL/),
    ],
    [
      'NUL in a value',
      () => profile('{"attributes":{"x":"a\\u0000b"}}'),
      refused(422, 'invalid_request', { pointer: '/attributes/x', code: 'invalid_text' }, /NUL.*remove it/),
    ],
    [
      'NUL in a name',
      () => profile('{"attributes":{"a\\u0000b":1}}'),
      refused(422, 'invalid_request', { code: 'invalid_text' }, /NUL.*remove it/),
    ],
    [
      'half a character',
      () => profile('{"attributes":{"x":"\\ud83d"}}'),
      refused(422, 'invalid_request', { pointer: '/attributes/x' }, /surrogate/),
    ],
    [
      'another encoding',
      () => profile(Buffer.from('{"attributes":{"x":"Zo\xeb"}}', 'latin1')),
      refused(400, 'malformed_json', null, /not UTF-8/),
    ],
    [
      'a compressed body',
      () => profile(gzipSync('{}')),
      refused(400, 'malformed_json', null, /compressed: send the JSON as it is/),
    ],
    [
      'half of a body',
      () => profile('{"locale":'),
      refused(400, 'malformed_json', null, /not complete JSON/),
    ],
    [
      '__proto__ in attributes',
      () => profile('{"attributes":{"__proto__":{"x":1}}}'),
      refused(
        422,
        'invalid_request',
        { pointer: '/attributes/__proto__', code: 'forbidden_key' },
        /choose another name/,
      ),
    ],
    [
      '__proto__ of the body',
      () => profile('{"__proto__":{"email":"a@b.example"}}'),
      refused(422, 'invalid_request', { pointer: '/__proto__' }, /choose another name/),
    ],
    [
      'constructor in an event',
      () => event('"properties":{"constructor":{"prototype":{}}}'),
      refused(422, 'invalid_request', { pointer: '/properties/constructor' }, /choose another name/),
    ],
    [
      '__proto__ in a rule',
      () => preview('{"__proto__":{"and":[]},"attribute":"a","is":1}'),
      refused(422, 'invalid_request', { code: 'forbidden_key' }, /choose another name/),
    ],
    [
      'an unknown zone',
      () => profile('{"timezone":"Mars/Olympus"}'),
      refused(422, 'invalid_request', { pointer: '/timezone', code: 'time_zone' }, /such as Europe\/Paris/),
    ],
    [
      'an event ten years ahead',
      () => event('"at":"2036-01-01T00:00:00Z"'),
      refused(422, 'invalid_request', { pointer: '/at', code: 'time_in_future' }, /write when it happened/),
    ],
    [
      'a rule nested 200 deep',
      () => preview(nested(200)),
      refused(
        422,
        'invalid_request',
        { pointer: expect.stringMatching(/^\/definition\/where\/not/) },
        /deeper than 64 levels: flatten it/,
      ),
    ],
    [
      'a rule nested 25 deep',
      () => preview(nested(25)),
      refused(
        422,
        'invalid_request',
        { pointer: expect.stringMatching(/^\/definition\/where\/not/) },
        /more than 20 deep in each other: flatten them/,
      ),
    ],
    [
      'a rule of 300 clauses',
      () => preview(`{"and":[${Array.from({ length: 300 }, () => nested(0)).join()}]}`),
      refused(
        422,
        'invalid_request',
        { pointer: expect.stringMatching(/^\/definition\/where\/and/) },
        /more than 200 clauses/,
      ),
    ],
    [
      'a rule over a huge expression',
      () => preview(`{"attribute":"plan","matches":"(${'a+'.repeat(10_000)})+$"}`),
      refused(
        422,
        'invalid_request',
        { pointer: '/definition/where/matches' },
        /no field "matches": allowed are/,
      ),
    ],
    [
      'a rule that leads to itself',
      () =>
        raw(
          'saveAudience',
          { key: 'ring' },
          '{"name":"R","definition":{"where":{"not":{"audience":"ring"}}}}',
        ),
      refused(
        422,
        'invalid_request',
        { pointer: '/definition/where/not/audience', code: 'cycle' },
        /leads back to ring itself/,
      ),
    ],
    [
      'somebody merged with themselves',
      () => raw('mergeProfiles', { externalId: 'lonely' }, '{"from":"lonely"}'),
      refused(
        422,
        'invalid_request',
        { pointer: '/from', code: 'same_profile' },
        /name the one that becomes part/,
      ),
    ],
    ['a file with a mark', () => file(Buffer.from('\ufeffid,name\n1,Zo\u00eb\n')), read(/^$/)],
    [
      'a file of mixed encodings',
      () => file(csv('1,Zo\u00eb\n2,', Buffer.from('Zo\xeb', 'latin1'))),
      read(/^line 3: .*not of the encoding/),
    ],
    ['a file with NUL', () => file(csv('1,a\0b')), read(/^line 2: .*NUL/)],
    ['a zip archive', () => file(Buffer.from('PK\x03\x04rest')), read(/zip archive.*unpack it/)],
    ['a bomb', () => file(gzipSync(Buffer.alloc(60_000_000, 'a'))), read(/unpacks to far more|larger than/)],
    [
      'a reserved name in a line of JSON',
      () => file(Buffer.from('{"externalId":"j1","attributes":{"__proto__":{"x":1}}}\n')),
      read(/^line 1: .*reserved: choose another/),
    ],
    [
      'an unknown zone in a file',
      () => file(Buffer.from('id,timezone\n1,Mars/Olympus\n')),
      read(/^line 2: .*such as Europe\/Paris/),
    ],
  ])('%s: a sentence that says what to write, and nothing half-done', async (_what, send, wanted) => {
    await put('lonely');
    const state = async () => {
      const tables = ['profiles', 'events', 'audiences', 'imports', 'identities'];
      const counts = tables.map((table) => `(SELECT count(*)::int FROM ${table}) AS ${table}`);
      return (await at.owner.query(`SELECT ${counts.join(', ')}`)).rows;
    };
    const before = await state();
    const { status, json } = await send();
    const { code, detail, errors } = json as { code?: string; detail: string; errors?: unknown[] };
    expect({ status, code, detail, error: errors?.[0] ?? null }).toEqual({
      status: wanted.status,
      code: wanted.code,
      detail: expect.stringMatching(wanted.sentence),
      error:
        wanted.error &&
        expect.objectContaining({ code: expect.any(String), message: expect.any(String), ...wanted.error }),
    });
    expect(await state()).toEqual(before);
  });
});

describe('profiles', () => {
  it('take 200 upserts of one person at once', async () => {
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, i) => put('crowded', { attributes: { [`a${i % 50}`]: i } })),
    );
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    expect(new Set(answers.map(({ json }) => (json as Profile).id)).size).toBe(1);
    expect(Object.keys((await get('crowded')).attributes)).toHaveLength(50);
  });

  it('hold attributes to their types, and say what to write', async () => {
    for (const [name, type] of [
      ['age', 'number'],
      ['tags', 'texts'],
      ['bornOn', 'date'],
    ])
      expect((await ask('setAttributeType', { params: { name: name ?? '' }, body: { type } })).status).toBe(
        200,
      );
    const bad = await put('typed', { attributes: { age: '7', tags: 'a', bornOn: '2027-02-31', other: {} } });
    expect(errorsOf(bad)).toEqual([
      {
        pointer: '/attributes/age',
        code: 'attribute_type',
        message: 'This attribute is declared as number: write a number without quotes, such as 12.5.',
      },
      expect.objectContaining({ pointer: '/attributes/tags', code: 'attribute_type' }),
      expect.objectContaining({ pointer: '/attributes/bornOn', code: 'attribute_type' }),
    ]);
    expect((await put('typed', { attributes: { age: 7, tags: ['a'], bornOn: '2027-02-28' } })).status).toBe(
      200,
    );
    expect((await put('typed', { attributes: { age: null } })).status).toBe(200);
    await ask('deleteAttributeType', { params: { name: 'age' } });
    expect((await put('typed', { attributes: { age: 'seven' } })).status).toBe(200);
  });

  it('have a zone: their own, else that of their phone, else the workspace’s', async () => {
    const zoneOf = async () =>
      ((await ask('getProfileState', { params: { externalId: 'zoe' } })).json as ProfileState).zone;
    await put('zoe');
    expect(await zoneOf()).toEqual({ name: 'UTC', source: 'workspace' });
    await put('zoe', { phone: '+33142685300' });
    expect(await zoneOf()).toEqual({ name: 'Europe/Paris', source: 'phone' });
    await put('zoe', { phone: '+34912345678' });
    expect(await zoneOf()).toEqual({ name: 'UTC', source: 'workspace' });
    await put('zoe', { timezone: 'Asia/Kolkata' });
    expect(await zoneOf()).toEqual({ name: 'Asia/Kolkata', source: 'profile' });
    const odd = await put('zoe', { timezone: 'Mars/Olympus' });
    expect(errorsOf(odd)).toMatchObject([{ pointer: '/timezone', code: 'time_zone' }]);
    const { rows } = await at.owner.query<{ timezone: string }>(
      `SELECT timezone FROM profiles WHERE external_id = 'zoe' AND now() AT TIME ZONE timezone IS NOT NULL`,
    );
    expect(rows).toHaveLength(1);
  });

  it('have other names, each of one profile', async () => {
    await put('ida');
    await put('ivo');
    const identity = { namespace: 'crm', value: '0042/ä b' };
    const named = await ask('addIdentity', { params: { externalId: 'ida', ...identity } });
    expect(named.json).toMatchObject({ externalId: 'ida', identities: [identity] });
    expect((await ask('addIdentity', { params: { externalId: 'ida', ...identity } })).status).toBe(200);
    expect(await ask('addIdentity', { params: { externalId: 'ivo', ...identity } })).toMatchObject({
      status: 409,
      json: { code: 'conflict' },
    });
    await track({ profile: identity, name: 'called' });
    expect((await get('ida')).activity.events).toBe(1);
    const reserved = { externalId: 'ida', namespace: 'external_id', value: 'ivo' };
    expect((await ask('addIdentity', { params: reserved })).status).toBe(422);
    expect((await ask('removeIdentity', { params: { externalId: 'ivo', ...identity } })).status).toBe(404);
    expect((await ask('removeIdentity', { params: { externalId: 'ida', ...identity } })).status).toBe(204);
    expect((await get('ida')).identities).toEqual([]);
  });
});

describe('merge', () => {
  it('keeps the values of who stays, fills what is missing, and brings along all that belongs', async () => {
    await put('kept', { email: 'kept@x.example', attributes: { plan: 'pro', a: 1 } });
    await put('gone', {
      email: 'gone@x.example',
      phone: '+442071838750',
      locale: 'fr',
      attributes: { plan: 'free', b: 2 },
    });
    await ask('addDevice', {
      params: { externalId: 'gone' },
      body: { token: 'gone-token', platform: 'ios' },
    });
    await ask('addIdentity', { params: { externalId: 'gone', namespace: 'crm', value: 'g' } });
    await track({ profile: 'kept', name: 'one' });
    await track({ profile: 'gone', name: 'two' });
    const sent = await ask('sendMessage', {
      body: {
        to: { profile: 'gone' },
        channels: ['in-app'],
        content: { 'in-app': { title: 'T', body: 'B' } },
      },
    });
    expect(sent.status).toBe(202);
    const gone = await get('gone');
    await at.owner.query(
      `INSERT INTO consents (workspace_id, channel, profile_id, topic, word, source)
       VALUES ($1, 'email', $2, 'news', 'in', 'api'), ($1, 'email', $3, 'news', 'out', 'api'), ($1, 'sms', $3, '', 'in', 'api')`,
      [at.here.id, (await get('kept')).id, gone.id],
    );

    const answer = await merge('kept', 'gone');
    expect(answer.json).toMatchObject({
      outcome: 'merged',
      rule: 'kept-wins',
      from: {
        email: 'kept',
        phone: 'merged',
        locale: 'merged',
        'attributes.plan': 'kept',
        'attributes.b': 'merged',
      },
      moved: { devices: 1, identities: 1, events: 1, consents: 2 },
      profile: {
        externalId: 'kept',
        email: 'kept@x.example',
        phone: '+442071838750',
        phoneZone: 'Europe/London',
        locale: 'fr',
        attributes: { plan: 'pro', a: 1, b: 2 },
        activity: { events: 2 },
        devices: [{ token: 'gone-token' }],
      },
    });
    // Every way in leads to who stayed.
    expect((await get('gone')).externalId).toBe('kept');
    expect((await put('gone', { attributes: { late: true } })).json).toMatchObject({ externalId: 'kept' });
    await track({ profile: 'gone', name: 'three' });
    await track({ profile: { namespace: 'crm', value: 'g' }, name: 'four' });
    expect((await get('kept')).activity.events).toBe(4);
    const state = (await ask('getProfileState', { params: { externalId: 'gone' } })).json as ProfileState;
    expect(state.consents).toEqual([
      expect.objectContaining({ channel: 'email', topic: 'news', word: 'out' }),
      expect.objectContaining({ channel: 'sms', topic: '', word: 'in' }),
    ]);
    const kinds = (await timeline('kept')).items.map((e) => (e.kind === 'event' ? e.name : e.kind));
    expect(kinds.filter((k) => k !== 'consent').sort()).toEqual(
      ['four', 'message', 'one', 'profile', 'profile', 'three', 'two'].sort(),
    );
    const { rows } = await at.owner.query(
      `SELECT merged_external_id, rule, detail->'moved'->>'events' AS events, by FROM profile_merges WHERE merged_id = $1`,
      [gone.id],
    );
    expect(rows).toEqual([
      { merged_external_id: 'gone', rule: 'kept-wins', events: '1', by: expect.stringMatching(/^key /) },
    ]);
    const minted = await ask('mintInboxToken', { body: { profile: 'gone' } });
    expect(minted.status).toBe(201);
    const again = await ask('sendMessage', {
      body: {
        to: { profile: 'gone' },
        channels: ['in-app'],
        content: { 'in-app': { title: 'T', body: 'B' } },
      },
    });
    expect(again.status).toBe(202);
    expect((again.json as AcceptedMessage).deliveries).toHaveLength(1);
  });

  it('is answered as who stayed, whatever is asked by the merged id', async () => {
    for (const externalId of ['was', 'is']) await put(externalId, { email: `${externalId}@x.example` });
    const was = await get('was');
    const { token } = (await ask('mintInboxToken', { body: { profile: 'was' } })).json as { token: string };
    const send = (profile: string) => ({
      to: { profile },
      channels: ['in-app'],
      content: { 'in-app': { title: 'T', body: 'B' } },
    });
    await ask('sendMessage', { body: send('was') });
    await ask('saveAudience', { params: { key: 'asked-list' }, body: { name: 'Asked' } });
    const account = await ask('createAccount', {
      body: { channel: 'in-app', provider: 'inbox', name: 'Inbox', settings: {} },
    });
    await ask('saveTemplate', {
      params: { key: 'asked-template' },
      body: { content: { 'in-app': { title: 'Hi {{ profile.externalId }}', body: 'B' } } },
    });
    const definition = {
      entry: { kind: 'api' },
      start: 'rest',
      steps: { rest: { kind: 'wait', for: '30d' } },
    };
    await ask('saveJourney', { params: { key: 'asked-journey' }, body: { name: 'Asked', definition } });
    await ask('goLiveJourney', { params: { key: 'asked-journey' }, body: {} });
    const campaign = await ask('createCampaign', {
      body: {
        name: 'Asked',
        definition: {
          audience: 'asked-list',
          channels: ['in-app'],
          content: { 'in-app': { title: 'T', body: 'B' } },
        },
      },
    });
    const device = await ask('addDevice', {
      params: { externalId: 'was' },
      body: { token: 'was-token', platform: 'ios' },
    });
    const idOf = ({ json }: Answer) => (json as { id: string }).id;
    const setTesters = (testProfiles: string[]) => ask('setGate', { body: { testProfiles } });
    const testers = async () =>
      (
        await at.owner.query<{ names: string[] }>(
          `SELECT settings -> 'gate' -> 'testProfiles' AS names FROM workspaces WHERE id = $1`,
          [at.here.id],
        )
      ).rows[0]?.names;
    await setTesters(['was', 'nobody']);
    await merge('is', 'was');
    expect(await testers()).toEqual(['is', 'nobody']);
    await setTesters(['is', 'was']);
    expect(await testers()).toEqual(['is']);
    await setTesters([]);

    const name = { params: { externalId: 'was' } };
    const identity = { params: { ...name.params, namespace: 'crm', value: 'asked' } };
    const one = (key: string, value: unknown) => expect.objectContaining({ [key]: value });
    const table: [OperationName, AskOptions, number, unknown?][] = [
      ['getProfile', name, 200, one('externalId', 'is')],
      ['upsertProfile', { ...name, body: { locale: 'fr' } }, 200, one('externalId', 'is')],
      [
        'bulkUpsertProfiles',
        { body: { profiles: [{ externalId: 'was', locale: 'de' }] } },
        200,
        one('created', 0),
      ],
      ['listProfiles', { query: '?search=was' }, 200, { items: [one('externalId', 'is')], nextCursor: null }],
      ['getProfileState', name, 200, one('externalId', 'is')],
      [
        'getTimeline',
        { ...name, query: '?kind=message' },
        200,
        { items: [one('kind', 'message')], nextCursor: null },
      ],
      ['mergeProfiles', { ...name, body: { from: 'is' } }, 200, one('outcome', 'already')],
      ['addIdentity', identity, 200, one('externalId', 'is')],
      ['removeIdentity', identity, 204],
      ['addDevice', { ...name, body: { token: 'later-token', platform: 'web' } }, 200],
      ['removeDevice', { params: { ...name.params, id: idOf(device) } }, 204],
      ['setConsents', { ...name, body: { consents: [{ channel: 'email', word: 'out' }] } }, 200],
      ['getConsents', name, 200, { consents: [one('word', 'out')], history: [one('word', 'out')] }],
      ['exportPerson', name, 200, one('profile', one('external_id', 'is'))],
      ['trackEvent', { body: { profile: 'was', name: 'a', unknownProfile: 'refuse' } }, 202],
      [
        'trackEvents',
        { body: { events: [{ profile: 'was', name: 'a', unknownProfile: 'refuse' }] } },
        202,
        one('accepted', 1),
      ],
      ['sendMessage', { body: send('was') }, 202],
      ['sendBatch', { body: { messages: [send('was')] } }, 202, one('accepted', 1)],
      [
        'listDeliveries',
        { query: '?profile=was' },
        200,
        one('items', expect.arrayContaining([one('profile', one('externalId', 'is'))])),
      ],
      [
        'changeMembers',
        { params: { key: 'asked-list' }, body: { add: ['was', 'is'] } },
        200,
        one('entered', 1),
      ],
      ['replaceMembers', { params: { key: 'asked-list' }, body: { profiles: ['was'] } }, 200, one('left', 0)],
      ['explainAudience', { params: { key: 'asked-list' }, query: '?profile=was' }, 200, one('member', true)],
      ['tryGate', { body: { profile: 'was', channel: 'email' } }, 200, one('reason', 'unsubscribed')],
      ['resetCaps', { body: { profile: 'was' } }, 200],
      [
        'previewTemplate',
        { params: { key: 'asked-template' }, body: { channel: 'in-app', profile: 'was' } },
        200,
        one('rendered', one('in-app', one('title', 'Hi is'))),
      ],
      ['testAccount', { params: { id: idOf(account) }, body: { to: 'was' } }, 200, one('ok', true)],
      [
        'enterJourney',
        { params: { key: 'asked-journey' }, body: { profile: 'was' } },
        202,
        one('signalled', 1),
      ],
      ['listEnrollments', { params: { key: 'asked-journey' }, query: '?profile=was' }, 200],
      ['proveCampaign', { params: { id: idOf(campaign) }, body: { profiles: ['was'] } }, 200],
      ['mintInboxToken', { body: { profile: 'was' } }, 201],
    ];
    const answers: unknown[] = [];
    for (const [operation, call, , said] of table) {
      const { status, json } = await ask(operation, call);
      answers.push([operation, status, said === undefined && status < 300 ? undefined : json]);
    }
    expect(answers).toEqual(table.map(([operation, , status, said]) => [operation, status, said]));
    // Whoever names a person by a path is in the table; deleting and erasing are told elsewhere.
    const named = Object.entries(operations).flatMap(([each, { path }]) =>
      path.includes(':externalId') ? [each] : [],
    );
    expect(named.filter((each) => !table.some(([known]) => known === each))).toEqual(['deleteProfile']);

    // An inbox opened before, and the link in a message that was sent before.
    const inbox = await fetch(`${at.url}/v1/inbox/items`, { headers: { authorization: `Bearer ${token}` } });
    expect(await inbox.json()).toMatchObject({ items: [{ title: 'A test from Carillon' }] });
    const link = unsubscribeUrl(
      { publicUrl: at.url, signingKeys: [at.config.secrets.signingKey] },
      {
        workspaceId: at.here.id,
        deliveryId: newId(),
        channel: 'email',
        profileId: was.id,
        address: 'was@x.example',
        topic: 'news',
      },
    );
    const left = await fetch(link, {
      method: 'POST',
      body: new URLSearchParams({ 'List-Unsubscribe': 'One-Click' }),
    });
    expect(left.status).toBe(200);
    const state = (await ask('getProfileState', name)).json as ProfileState;
    expect(state.consents).toContainEqual(
      expect.objectContaining({ topic: 'news', word: 'out', about: 'profile' }),
    );
  });

  it('done again, or the other way round, changes nothing: there is no ring', async () => {
    for (const name of ['r1', 'r2', 'r3']) await put(name);
    expect((await merge('r2', 'r1')).json).toMatchObject({ outcome: 'merged' });
    expect((await merge('r2', 'r1')).json).toMatchObject({ outcome: 'already' });
    expect((await merge('r1', 'r2')).json).toMatchObject({
      outcome: 'already',
      profile: { externalId: 'r2' },
    });
    expect((await merge('r3', 'r1')).json).toMatchObject({ outcome: 'merged' });
    for (const name of ['r1', 'r2', 'r3']) expect((await get(name)).externalId).toBe('r3');
    const { rows } = await at.owner.query(
      'SELECT count(*)::int AS lines FROM audit_log WHERE action = $1 AND subject = $2',
      ['profile.merged', (await get('r3')).id],
    );
    expect(rows).toEqual([{ lines: 1 }]);
    expect(errorsOf(await merge('r3', 'r3'))).toMatchObject([{ pointer: '/from', code: 'same_profile' }]);
    expect(errorsOf(await merge('r3', 'nobody'))).toMatchObject([
      { pointer: '/from', code: 'unknown_profile' },
    ]);
  });

  it('of many at once, in every direction and among writers, leaves one person and loses no event', async () => {
    const names = Array.from({ length: 6 }, (_, i) => `m${i}`);
    for (const name of names) await put(name);
    const calls: Promise<Answer>[] = [];
    let taken = 0;
    for (const [i, name] of names.entries()) {
      const next = names[(i + 1) % names.length] ?? '';
      calls.push(merge(name, next), merge(next, name));
      for (let n = 0; n < 8; n++)
        calls.push(track({ profile: name, name: `e${n}` }), put(name, { attributes: { n } }));
      taken += 8;
    }
    const answers = await Promise.all(calls);
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200, 202]));
    const people = await Promise.all(names.map(get));
    expect(new Set(people.map(({ id }) => id)).size).toBe(1);
    expect(people[0]?.activity.events).toBe(taken);
    const { rows } = await at.owner.query<{ count: string }>(
      'SELECT count(*) FROM events WHERE profile_id = $1',
      [people[0]?.id],
    );
    expect(Number(rows[0]?.count)).toBe(taken);
    expect((await at.owner.query(`SELECT FROM profiles WHERE external_id = ANY($1)`, [names])).rowCount).toBe(
      1,
    );
  });
});

describe('a profile that is deleted', () => {
  it('leaves no event behind, though some were on their way', async () => {
    await put('doomed');
    const { id } = await get('doomed');
    const calls = Array.from({ length: 40 }, () =>
      track({ profile: 'doomed', name: 'n', unknownProfile: 'refuse' }),
    );
    const gone = ask('deleteProfile', { params: { externalId: 'doomed' } });
    await Promise.all([...calls, gone]);
    for (const table of ['events', 'profile_activity'])
      expect((await at.owner.query(`SELECT FROM ${table} WHERE profile_id = $1`, [id])).rowCount).toBe(0);
    const { rows } = await at.owner.query('SELECT by, action, detail FROM audit_log WHERE subject = $1', [
      id,
    ]);
    expect(rows).toEqual([{ by: expect.stringMatching(/^key:/), action: 'profile.deleted', detail: {} }]);
  });
});

describe('a person that is erased', () => {
  it('goes under every name, with what was sent to any of them and what is on its way', async () => {
    await put('whole');
    await put('part');
    const body = {
      to: { profile: 'part' },
      channels: ['in-app'],
      content: { 'in-app': { title: 'T', body: 'B' } },
    };
    await ask('sendMessage', { body });
    const part = await get('part');
    await merge('whole', 'part');
    const { id } = await get('whole');
    const [erased] = await Promise.all([
      ask('erasePerson', { body: { externalId: 'part' } }),
      ...Array.from({ length: 30 }, () => track({ profile: 'whole', name: 'n', unknownProfile: 'refuse' })),
    ]);
    expect(erased.status).toBeLessThan(300);
    for (const name of ['whole', 'part'])
      expect((await ask('getProfile', { params: { externalId: name } })).status).toBe(404);
    const ids = [[id, part.id]];
    for (const table of ['events', 'profile_activity', 'deliveries', 'messages'])
      expect(
        (await at.owner.query(`SELECT FROM ${table} WHERE profile_id = ANY($1::uuid[])`, ids)).rowCount,
      ).toBe(0);
  });
});

describe('timeline', () => {
  it('gives everything once, newest first, in pages of any size', async () => {
    await put('tim', { email: 'tim@x.example' });
    const now = Date.now();
    const events = Array.from({ length: 30 }, (_, i) => ({
      profile: 'tim',
      name: `e${i}`,
      // Several at the same moment, and several months.
      at: new Date(now - Math.floor(i / 4) * 9 * 86_400_000).toISOString(),
    }));
    await ask('trackEvents', { body: { events } });
    for (let i = 0; i < 5; i++)
      await ask('sendMessage', {
        body: {
          to: { profile: 'tim' },
          channels: ['in-app'],
          content: { 'in-app': { title: 'T', body: 'B' } },
        },
      });
    const { items: all } = await timeline('tim', '?limit=200');
    expect(all).toHaveLength(36);
    const times = all.map((entry) => Date.parse(entry.at));
    expect(times).toEqual([...times].sort((a, b) => b - a));
    for (const limit of [1, 3, 7]) {
      const paged: TimelineEntry[] = [];
      let cursor: string | null = '';
      while (cursor !== null) {
        const page: Page<TimelineEntry> = await timeline(
          'tim',
          `?limit=${limit}${cursor ? `&cursor=${cursor}` : ''}`,
        );
        paged.push(...page.items);
        cursor = page.nextCursor;
      }
      expect(paged.map(({ id }) => id)).toEqual(all.map(({ id }) => id));
    }
    const messages = await timeline('tim', '?kind=message');
    expect(messages.items).toHaveLength(5);
    expect(messages.items[0]).toMatchObject({
      kind: 'message',
      channel: 'in-app',
      status: 'queued',
      outcomes: [],
    });
    const bad: AskOptions = { params: { externalId: 'tim' }, query: '?cursor=abc' };
    expect((await ask('getTimeline', bad)).status).toBe(422);
  });
});

describe('state', () => {
  it('says who somebody is, what they did, agreed to and belong to', async () => {
    await put('sam', { email: 'sam@x.example', attributes: { plan: 'pro' } });
    await track({ profile: 'sam', name: 'visited' });
    const { id } = await get('sam');
    const audience = '01993b00-0000-7000-8000-000000000001';
    await at.owner.query(
      `INSERT INTO audiences (id, workspace_id, key, name, kind, mentions) VALUES ($1, $2, 'vips', 'VIPs', 'list', '{}')`,
      [audience, at.here.id],
    );
    await at.owner.query(
      'INSERT INTO audience_members (workspace_id, audience_id, profile_id, seq) VALUES ($1, $2, $3, 1)',
      [at.here.id, audience, id],
    );
    await at.owner.query(
      `INSERT INTO suppressions (workspace_id, channel, address, reason, source) VALUES ($1, 'email', 'sam@x.example', 'hard_bounced', 'provider')`,
      [at.here.id],
    );
    // Said of the same words on another channel: nobody's mail address, as it happens a device's.
    await put('pam');
    await ask('setConsents', {
      params: { externalId: 'pam' },
      body: { consents: [{ channel: 'push', address: 'sam@x.example', word: 'out' }] },
    });
    await at.owner.query(
      `INSERT INTO suppressions (workspace_id, channel, address, reason, source) VALUES ($1, 'push', 'sam@x.example', 'suppressed_manually', 'api')`,
      [at.here.id],
    );
    const answer = await ask('getProfileState', { params: { externalId: 'sam' } });
    expect(answer.json).toMatchObject({
      id,
      externalId: 'sam',
      attributes: { plan: 'pro' },
      activity: { events: 1, sent: 0 },
      consents: [],
      suppressed: [{ channel: 'email', reason: 'hard_bounced' }],
      audiences: [{ id: audience, key: 'vips' }],
      devices: 0,
    });
    expect((await ask('getProfileState', { params: { externalId: 'no-sam' } })).status).toBe(404);
    expect((answer.json as MergeResult & ProfileState).zone.source).toBe('workspace');
  });
});
