/**
 * Workspaces never meet (S2), and nobody does what their scopes do not name (S1): walked over every operation of the
 * contract, so that a new one cannot be forgotten.
 */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  operations,
  scopes,
  type AcceptedMessage,
  type ApiKeyCreated,
  type Campaign,
  type Device,
  type Import,
  type JourneySimulation,
  type Operation,
  type OperationName,
  type ProviderAccount,
  type Redrive,
  type Scope,
  type WebhookEndpoint,
} from '@carillon/contracts';
import { newId } from '@carillon/database';
import { newApiKey } from '@carillon/server';
import { apiFixture, type ApiFixture, type AskOptions, type Tenant } from './api.fixture.js';

const table: [OperationName, Operation][] = Object.entries(operations) as [OperationName, Operation][];
const content = { 'in-app': { title: 'Hello', body: 'There' } };

let at: ApiFixture;
/** What the workspace `here` owns: the values of path parameters, by operation where they differ. */
let owned: {
  message: string;
  delivery: string;
  account: string;
  key: string;
  device: string;
  profile: string;
  template: string;
  redrive: string;
  audience: string;
  endpoint: string;
  import: string;
  campaign: string;
  journey: string;
  enrollment: string;
  simulation: string;
  signal: string;
};

beforeAll(async () => {
  at = await apiFixture();
  const make = async <T>(name: OperationName, call: AskOptions): Promise<T> => {
    const answer = await at.ask(at.here, name, call);
    if (answer.status >= 300) throw new Error(`${name}: ${answer.status} ${answer.text}`);
    return answer.json as T;
  };
  const profile = 'ana-of-here';
  await make('upsertProfile', { params: { externalId: profile }, body: { email: 'ana@here.example' } });
  const device = await make<Device>('addDevice', {
    params: { externalId: profile },
    body: { token: 'device-of-here', platform: 'ios' },
  });
  await make('addIdentity', {
    params: { externalId: profile, namespace: 'crm', value: 'ana-in-the-crm-of-here' },
  });
  await make('setAttributeType', { params: { name: 'attributeOfHere' }, body: { type: 'text' } });
  await make('trackEvent', { body: { profile, name: 'opened.of-here', properties: { of: 'here' } } });
  const template = 'welcome-of-here';
  await make('saveTemplate', { params: { key: template }, body: { content } });
  const account = await make<ProviderAccount>('createAccount', {
    body: { channel: 'in-app', provider: 'inbox', name: 'Inbox of here', settings: {} },
  });
  const key = await make<ApiKeyCreated>('createKey', {
    body: { name: 'key-of-here', scopes: ['profiles:read'] },
  });
  const endpoint = await make<WebhookEndpoint>('createWebhookEndpoint', {
    body: { url: 'http://127.0.0.1:9/of-here' },
  });
  await make('saveTopic', { params: { key: template }, body: { name: { en: 'Topic of here' } } });
  await make('addSuppressions', { body: { suppressions: [{ address: 'eve@of-here.example' }] } });
  const imported = await make<Import>('createImport', { body: { name: 'file-of-here.csv' } });
  const message = await make<AcceptedMessage>('sendMessage', {
    body: { to: { profile }, channels: ['in-app'], template, sendAt: '2099-01-01T00:00:00Z' },
  });
  const audience = 'list-of-here';
  await make('saveAudience', { params: { key: audience }, body: { name: 'A list of here' } });
  await make('changeMembers', { params: { key: audience }, body: { add: [profile] } });
  const campaign = await make<Campaign>('createCampaign', {
    body: { name: 'Campaign of here', definition: aCampaign },
  });
  const journey = 'journey-of-here';
  await make('saveJourney', { params: { key: journey }, body: { name: 'Of here', definition: aJourney } });
  await make('goLiveJourney', { params: { key: journey }, body: {} });
  const enrollment = newId();
  await at.owner.query(
    `INSERT INTO enrollments (workspace_id, id, journey_id, version, profile_id, step, phase, leave_by)
     SELECT $1, $2, j.id, 1, p.id, 'rest', 'waiting', now() + interval '1 year' FROM journeys j, profiles p
      WHERE j.workspace_id = $1 AND p.workspace_id = $1 AND p.external_id = $3`,
    [at.here.id, enrollment, profile],
  );
  const simulation = await make<JourneySimulation>('simulateJourney', { params: { key: journey }, body: {} });
  const signal = '987654321987654';
  await at.owner.query(
    `INSERT INTO journey_signals (id, workspace_id, profile_id, kind, name, ref, payload, held)
     SELECT $2, $1, id, 'event', 'set.aside', '', '{"problem": "none"}', true FROM profiles WHERE workspace_id = $1 AND external_id = $3`,
    [at.here.id, signal, profile],
  );
  const redrive = await make<Redrive>('redrive', { body: { filter: {} } });
  owned = {
    redrive: redrive.id,
    audience,
    message: message.id,
    delivery: message.deliveries[0]?.id ?? '',
    account: account.id,
    key: key.id,
    device: device.id,
    profile,
    template,
    endpoint: endpoint.id,
    import: imported.id,
    campaign: campaign.id,
    journey,
    enrollment,
    simulation: simulation.id,
    signal,
  };
}, 60_000);
afterAll(() => at.close(), 30_000);

/** The path parameters that name something of `here`. */
function namesOf({ path }: Operation): Record<string, string> {
  const id = path.includes('/devices/')
    ? owned.device
    : path.startsWith('/v1/messages')
      ? owned.message
      : path.startsWith('/v1/deliveries')
        ? owned.delivery
        : path.startsWith('/v1/provider-accounts')
          ? owned.account
          : path.startsWith('/v1/redrives')
            ? owned.redrive
            : path.startsWith('/v1/webhook-endpoints')
              ? owned.endpoint
              : path.startsWith('/v1/campaigns')
                ? owned.campaign
                : path.includes('/simulations/')
                  ? owned.simulation
                  : path.startsWith('/v1/journey-signals')
                    ? owned.signal
                    : path.startsWith('/v1/journeys')
                      ? owned.enrollment
                      : path.startsWith('/v1/imports')
                        ? owned.import
                        : owned.key;
  return {
    id,
    no: '0',
    externalId: owned.profile,
    key: path.startsWith('/v1/audiences')
      ? owned.audience
      : path.startsWith('/v1/journeys')
        ? owned.journey
        : owned.template,
    version: '1',
    channel: 'email',
    namespace: 'crm',
    value: 'ana-in-the-crm-of-here',
    name: 'attributeOfHere',
  };
}

const aCampaign = {
  audience: 'list-of-here',
  channels: ['in-app'],
  content,
  variants: [
    { name: 'a', weight: 1 },
    { name: 'b', weight: 1 },
  ],
  test: { metric: { kind: 'delivered' }, decideAfter: '1h' },
};
const aJourney = { entry: { kind: 'api' }, start: 'rest', steps: { rest: { kind: 'wait', for: '30d' } } };
/** A body each operation accepts, so that a refusal is about whose thing it is. */
const bodies: Partial<Record<OperationName, unknown>> = {
  rescheduleMessage: { sendAt: '2099-02-01T00:00:00Z' },
  cloneCampaign: {},
  upsertProfile: { locale: 'fr' },
  addDevice: { token: 'another-device', platform: 'web' },
  saveTopic: { name: { en: 'Taken' } },
  setConsents: { consents: [{ channel: 'email', word: 'out' }] },
  saveTemplate: { content },
  previewTemplate: { channel: 'in-app' },
  updateAccount: { name: 'Taken' },
  testAccount: {},
  updateWebhookEndpoint: { description: 'Taken' },
  rotateWebhookSecret: {},
  replayWebhooks: { from: '2020-01-01T00:00:00Z' },
  rotateKey: {},
  resolveDelivery: { as: 'sent' },
  updateRetryPolicy: { attempts: 3 },
  previewAudience: { definition: { where: { and: [] } } },
  saveAudience: { name: 'Taken' },
  changeMembers: { remove: ['ana-of-here'] },
  replaceMembers: { profiles: [] },
  mergeProfiles: { from: 'somebody-else' },
  saveCampaign: { name: 'Taken', definition: aCampaign },
  prepareCampaign: {},
  approveCampaign: {},
  rejectCampaign: { comment: 'No' },
  proveCampaign: { profiles: ['ana-of-here'] },
  startCampaign: {},
  pauseCampaign: {},
  resumeCampaign: {},
  cancelCampaign: {},
  chooseCampaignWinner: { variant: 'a' },
  setAttributeType: { type: 'number' },
  saveJourney: { name: 'Taken', definition: aJourney },
  goLiveJourney: {},
  pauseJourney: {},
  resumeJourney: {},
  closeJourney: {},
  stopJourney: {},
  enterJourney: { profile: 'ana-of-here' },
  endEnrollment: {},
  retryEnrollment: {},
  simulateJourney: {},
  skipEnrollment: {},
  moveInsiders: { from: 1 },
  retrySignal: {},
};
/** Queries without which an operation is not understood. */
const queries: Partial<Record<OperationName, string>> = {
  // Over the moment at which all of this is made.
  getCampaignCalendar: `?from=${new Date(Date.now() - 86_400_000).toISOString()}&to=${new Date(Date.now() + 86_400_000).toISOString()}`,
  explainAudience: '?profile=ana-of-here',
  explainJourney: '?profile=ana-of-here',
};
/** PUT makes what is not there, and a channel is everybody's: in the caller's own workspace. */
const makes: readonly OperationName[] = [
  'upsertProfile',
  'saveTopic',
  'saveTemplate',
  'saveAudience',
  'saveJourney',
  'updateRetryPolicy',
  'setAttributeType',
];

/** Everything `here` owns, as the database has it. */
async function stateOfHere(): Promise<unknown> {
  const tables = [
    'messages',
    'deliveries',
    'profiles',
    'devices',
    'topics',
    'consents',
    'suppressions',
    'identities',
    'profile_merges',
    'profile_activity',
    'attribute_types',
    'events',
    'event_keys',
    'imports',
    'import_chunks',
    'audit_log',
    'templates',
    'template_versions',
    'provider_accounts',
    'webhook_endpoints',
    'webhook_messages',
    'api_keys',
    'redrives',
    'gate_versions',
    'campaigns',
    'campaign_runs',
    'journeys',
    'journey_versions',
    'enrollments',
    'enrollment_steps',
    'journey_counts',
    'journey_signals',
    'journey_simulations',
    'simulated_people',
    'counted_sends',
    'upcoming_sends',
    'open_hours',
    'capacity_uses',
    'capacity_waits',
    'audiences',
    'audience_members',
    'audience_changes',
  ];
  const state: Record<string, unknown> = {};
  for (const name of tables)
    state[name] = (
      await at.owner.query(
        `SELECT (to_jsonb(t) - 'last_used_at')::text AS row FROM ${name} t WHERE workspace_id = $1 ORDER BY 1`,
        [at.here.id],
      )
    ).rows;
  return state;
}

describe('things of another workspace', () => {
  // What makes things comes last: after it, the names are there in both.
  const named = table
    .filter(([, operation]) => operation.params !== undefined)
    .sort(([a], [b]) => Number(makes.includes(a)) - Number(makes.includes(b)));

  it('are there for their owner: the walk below would notice', async () => {
    const readable = named.filter(
      ([, { method, produces }]) => method === 'GET' && produces !== 'text/event-stream',
    );
    expect(readable.length).toBeGreaterThan(6);
    for (const [name, operation] of readable) {
      const { status } = await at.ask(at.here, name, {
        params: namesOf(operation),
        query: queries[name] ?? '',
      });
      expect({ name, status }).toEqual({ name, status: 200 });
    }
  });

  it('are in no list, search, export or count', async () => {
    const lists = table.filter(
      ([, o]) =>
        o.method === 'GET' && !o.params && typeof o.auth === 'object' && o.produces !== 'text/event-stream',
    );
    expect(lists.map(([name]) => name)).toEqual(
      expect.arrayContaining(['listDeliveries', 'exportDeliveries', 'listProfiles', 'listKeys']),
    );
    const mine = Object.values(owned);
    for (const [name] of lists) {
      const theirs = await at.ask(at.elsewhere, name, { query: queries[name] ?? '' });
      expect({ name, status: theirs.status }).toEqual({ name, status: 200 });
      for (const thing of mine)
        expect({ name, found: theirs.text.includes(thing) }).toEqual({ name, found: false });
    }
    for (const query of [
      `?profile=${owned.profile}`,
      `?messageId=${owned.message}`,
      `?template=${owned.template}`,
    ]) {
      const found = await at.ask(at.elsewhere, 'listDeliveries', { query });
      expect(found.json).toMatchObject({ items: [] });
      expect((await at.ask(at.here, 'listDeliveries', { query })).json).toMatchObject({
        items: [{ id: owned.delivery }],
      });
    }
    expect((await at.ask(at.elsewhere, 'listProfiles', { query: '?search=ana' })).json).not.toMatchObject({
      items: [{ email: 'ana@here.example' }],
    });
  });

  it.each(named)('%s does not find them', async (name, operation) => {
    const before = await stateOfHere();
    const body = bodies[name];
    expect({ name, hasBody: body !== undefined }).toEqual({ name, hasBody: operation.body !== undefined });
    const answer = await at.ask(at.elsewhere, name, {
      params: namesOf(operation),
      query: queries[name] ?? '',
      ...(body === undefined ? {} : { body }),
    });
    expect({ name, status: answer.status }).toEqual({
      name,
      status: makes.includes(name) ? operation.status : 404,
    });
    expect(await stateOfHere()).toEqual(before);
  });

  it('are in no stream', async () => {
    const listen = async (who: Tenant) => {
      const answer = await fetch(`${at.url}/v1/deliveries/stream`, {
        headers: { authorization: `Bearer ${who.key}` },
      });
      return answer.body?.pipeThrough(new TextDecoderStream()).getReader();
    };
    const [theirs, mine] = [await listen(at.elsewhere), await listen(at.here)];
    const send = async (who: Tenant, name: string) => {
      const body = { to: { profile: { externalId: name } }, channels: ['in-app'], content };
      const answer = await at.ask(who, 'sendMessage', { body });
      return (answer.json as AcceptedMessage).deliveries[0]?.id ?? 'none';
    };
    /** All that is heard until an id is. */
    const until = async (reader: typeof mine, id: string) => {
      let heard = '';
      while (!heard.includes(id)) heard += (await reader?.read())?.value ?? '';
      return heard;
    };
    const secret = await send(at.here, 'heard-here');
    await until(mine, secret);
    // What is theirs comes later than what was not, so that the silence before it means something.
    const heard = await until(theirs, await send(at.elsewhere, 'heard-there'));
    expect(heard).not.toContain(secret);
    expect(heard).not.toContain('heard-here');
    await Promise.all([theirs?.cancel(), mine?.cancel()]);
  });

  it('cannot be named in a body', async () => {
    const send = (body: object) =>
      at.ask(at.elsewhere, 'sendMessage', { body: { channels: ['in-app'], ...body } });
    const before = await stateOfHere();
    await at.ask(at.elsewhere, 'deleteProfile', { params: { externalId: owned.profile } });
    expect((await send({ to: { profile: owned.profile }, content })).status).toBe(422);
    await at.ask(at.elsewhere, 'archiveTemplate', { params: { key: owned.template } });
    expect((await send({ to: { profile: { externalId: 'bo' } }, template: owned.template })).status).toBe(
      422,
    );
    const batch = await at.ask(at.elsewhere, 'sendBatch', {
      body: { messages: [{ to: { profile: owned.profile }, channels: ['in-app'], content }] },
    });
    expect(batch.json).toMatchObject({ accepted: 0, failed: 1 });
    const minted = await at.ask(at.elsewhere, 'mintInboxToken', { body: { profile: owned.profile } });
    expect(minted.status).toBe(422);
    expect(await stateOfHere()).toEqual(before);
  });

  it('stay apart when the same names are used in both', async () => {
    const body = { email: 'other@elsewhere.example' };
    await at.ask(at.elsewhere, 'upsertProfile', { params: { externalId: owned.profile }, body });
    expect(
      (await at.ask(at.here, 'getProfile', { params: { externalId: owned.profile } })).json,
    ).toMatchObject({ email: 'ana@here.example' });
    const device = { token: 'device-of-here', platform: 'android' };
    expect(
      (await at.ask(at.elsewhere, 'addDevice', { params: { externalId: owned.profile }, body: device }))
        .status,
    ).toBe(200);
    expect(
      (await at.ask(at.here, 'getProfile', { params: { externalId: owned.profile } })).json,
    ).toMatchObject({ devices: [{ id: owned.device }] });
    const idempotent = (who: Tenant) =>
      at.ask(who, 'sendMessage', {
        body: {
          to: { profile: { externalId: 'same' } },
          channels: ['in-app'],
          content,
          sendAt: '2099-01-01T00:00:00Z',
        },
        headers: { 'idempotency-key': 'one-key-for-both' },
      });
    const [a, b] = [await idempotent(at.here), await idempotent(at.elsewhere)];
    expect([a.status, b.status]).toEqual([202, 202]);
    expect((a.json as AcceptedMessage).id).not.toBe((b.json as AcceptedMessage).id);
  });
});

describe('cursors', () => {
  const lists = table.filter(
    ([, { query, auth }]) =>
      query && 'shape' in query && 'cursor' in (query.shape as object) && typeof auth === 'object',
  );

  it.each(lists)('%s says which ones are not its own', async (name, operation) => {
    const ask = (cursor: string) =>
      at.ask(at.here, name, {
        params: namesOf(operation),
        query: `${queries[name] ?? '?'}&cursor=${encodeURIComponent(cursor)}`,
      });
    const { status, json } = await ask('not a cursor');
    expect({ status, json }).toMatchObject({
      status: 422,
      json: { code: 'invalid_request', errors: [{ pointer: '?cursor' }] },
    });
    for (const cursor of [newId(), '9'.repeat(15), 'bm9uc2Vuc2U', 'a-key', ''])
      expect({ name, cursor, served: [200, 422].includes((await ask(cursor)).status) }).toEqual({
        name,
        cursor,
        served: true,
      });
  });
});

describe('scopes', () => {
  const scoped = table.flatMap(([name, operation]) =>
    typeof operation.auth === 'object' ? [{ name, operation, scope: operation.auth.scope }] : [],
  );
  const keyWith = async (granted: readonly Scope[]): Promise<Tenant> => {
    const { key, prefix, hash } = newApiKey();
    await at.owner.query(
      'INSERT INTO api_keys (id, workspace_id, name, prefix, hash, scopes) VALUES ($1, $2, $3, $4, $5, $6)',
      [newId(), at.here.id, 'spec', prefix, hash, granted],
    );
    return { id: at.here.id, key };
  };
  const everyScope = Object.keys(scopes) as Scope[];

  it('keep every operation from a key without its own, and from nobody at all', async () => {
    const before = await stateOfHere();
    for (const scope of new Set(scoped.map((s) => s.scope))) {
      const who = await keyWith(everyScope.filter((s) => s !== scope));
      for (const { name, operation } of scoped.filter((s) => s.scope === scope)) {
        const call = { params: namesOf(operation), ...(operation.body ? { body: bodies[name] ?? {} } : {}) };
        expect({ name, status: (await at.ask(who, name, call)).status }).toEqual({ name, status: 403 });
        expect({ name, status: (await at.ask(null, name, call)).status }).toEqual({ name, status: 401 });
      }
    }
    const { api_keys: _now, ...rest } = (await stateOfHere()) as Record<string, unknown>;
    const { api_keys: _then, ...restBefore } = before as Record<string, unknown>;
    expect(rest).toEqual(restBefore);
  });
});

describe('fields a caller may not set', () => {
  const withBody = table.filter(([, { body, auth }]) => body !== undefined && auth !== 'inbox-token');

  it.each(withBody)('%s takes none that it does not name', async (name, operation) => {
    const before = await stateOfHere();
    for (const field of ['workspaceId', 'workspace_id', 'role', 'status', 'id', 'hash']) {
      const answer = await at.ask(at.here, name, { params: namesOf(operation), body: { [field]: newId() } });
      // What needs a person refuses a key before it reads.
      if (operation.auth === 'session') expect(answer.status).toBe(403);
      else {
        expect({ name, field, status: answer.status }).toEqual({ name, field, status: 422 });
        expect(answer.json).toMatchObject({
          errors: expect.arrayContaining([
            expect.objectContaining({ pointer: `/${field}`, code: 'unknown_field' }),
          ]),
        });
      }
    }
    expect(await stateOfHere()).toEqual(before);
  });

  it('stand in no row of a list either', async () => {
    const own = { externalId: 'm', workspaceId: at.elsewhere.id };
    const bulk = await at.ask(at.here, 'bulkUpsertProfiles', { body: { profiles: [own] } });
    expect(bulk.json).toMatchObject({ created: 0, failed: 1 });
    const message = { to: { profile: owned.profile }, channels: ['in-app'], content, workspaceId: newId() };
    const batch = await at.ask(at.here, 'sendBatch', { body: { messages: [message] } });
    expect(batch.json).toMatchObject({ accepted: 0, failed: 1 });
  });

  it.each<[OperationName, AskOptions]>([
    ['upsertProfile', { params: { externalId: 'm' }, body: { workspaceId: newId() } }],
    ['createKey', { body: { name: 'x', scopes: ['keys:read'], workspaceId: newId() } }],
    ['createKey', { body: { name: 'x', scopes: ['keys:read'], hash: 'x' } }],
    [
      'sendMessage',
      { body: { to: { profile: { externalId: 'm', id: newId() } }, channels: ['in-app'], content } },
    ],
    [
      'sendMessage',
      { body: { to: { profile: 'ana-of-here' }, channels: ['in-app'], content, status: 'delivered' } },
    ],
    [
      'createAccount',
      { body: { channel: 'in-app', provider: 'inbox', name: 'x', settings: {}, paused: true } },
    ],
  ])('%s refuses them by name', async (name, call) => {
    const answer = await at.ask(at.here, name, call);
    expect(answer.status).toBe(422);
    expect(answer.json).toMatchObject({ code: 'invalid_request', errors: [{ code: 'unknown_field' }] });
  });
});
