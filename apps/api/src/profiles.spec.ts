import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Device, Problem, Profile, ProfileBulkResult } from '@carillon/contracts';
import { apiFixture, type ApiFixture, type AskOptions } from './api.fixture.js';

let at: ApiFixture;
beforeAll(async () => {
  at = await apiFixture();
}, 60_000);
afterAll(() => at.close(), 30_000);

const put = (externalId: string, body: unknown, headers?: AskOptions['headers']) =>
  at.ask(at.here, 'upsertProfile', { params: { externalId }, body, ...(headers ? { headers } : {}) });
const get = (externalId: string) => at.ask(at.here, 'getProfile', { params: { externalId } });

describe('profiles over HTTP', () => {
  it('are created, changed, read and deleted', async () => {
    const created = await put('ana/1 ü', { email: 'ana@example.com', attributes: { plan: 'pro' } });
    expect(created.status).toBe(200);
    expect(created.json).toMatchObject({
      externalId: 'ana/1 ü',
      email: 'ana@example.com',
      devices: [],
      attributes: { plan: 'pro' },
    });
    expect((await put('ana/1 ü', { locale: 'de', attributes: { plan: null } })).json).toMatchObject({
      locale: 'de',
      attributes: {},
    });
    expect((await get('ana/1 ü')).json).toMatchObject({ email: 'ana@example.com', locale: 'de' });
    expect((await at.ask(at.here, 'deleteProfile', { params: { externalId: 'ana/1 ü' } })).status).toBe(204);
    expect((await get('ana/1 ü')).status).toBe(404);
    expect((await at.ask(at.here, 'deleteProfile', { params: { externalId: 'ana/1 ü' } })).status).toBe(404);
  });

  it('say what is wrong and what to write', async () => {
    const answer = await put('bad', {
      email: 'nope',
      phone: '12',
      timezone: 'Mars/Olympus',
      locale: '!!',
      role: 'owner',
    });
    expect(answer.status).toBe(422);
    expect((answer.json as Problem).errors).toEqual([
      expect.objectContaining({ pointer: '/role', code: 'unknown_field' }),
    ]);
    const next = await put('bad', { email: 'nope', phone: '12', timezone: 'Mars/Olympus', locale: '!!' });
    expect(next.status).toBe(422);
    expect((next.json as Problem).errors?.map((e) => e.pointer)).toEqual([
      '/email',
      '/phone',
      '/locale',
      '/timezone',
    ]);
    expect((await get('bad')).status).toBe(404);
    expect((await put('line\nbreak', {})).status).toBe(422);
  });

  it('are written only at the version that was read, when the writer asks for it', async () => {
    await put('versioned', { locale: 'de' });
    const tag = (await get('versioned')).headers.get('etag') ?? '';
    expect(tag).toBe('"1"');
    expect((await put('versioned', { locale: 'fr' }, { 'if-match': tag })).headers.get('etag')).toBe('"2"');
    const late = await put('versioned', { locale: 'it' }, { 'if-match': tag });
    expect([late.status, (late.json as Problem).code]).toEqual([409, 'conflict']);
    expect((await get('versioned')).json).toMatchObject({ locale: 'fr' });
    expect((await put('nobody-yet', { locale: 'it' }, { 'if-match': '*' })).status).toBe(409);
  });

  it('come in bulk, each judged by itself', async () => {
    const answer = await at.ask(at.here, 'bulkUpsertProfiles', {
      body: {
        profiles: [
          { externalId: 'b1', email: 'b1@example.com' },
          { email: 'x@example.com' },
          'nonsense',
          { externalId: 'b2', phone: '1' },
          { externalId: 'b1' },
        ],
      },
    });
    expect(answer.status).toBe(200);
    const result = answer.json as ProfileBulkResult;
    expect(result).toMatchObject({ created: 1, updated: 1, failed: 3 });
    expect(result.results.map((r) => r.outcome)).toEqual([
      'created',
      'failed',
      'failed',
      'failed',
      'updated',
    ]);
    expect(result.results.map((r) => r.errors?.[0]?.pointer)).toEqual([
      undefined,
      '/externalId',
      '',
      '/phone',
      undefined,
    ]);
    expect(
      (await at.ask(at.here, 'bulkUpsertProfiles', { body: { profiles: Array(1001).fill({}) } })).status,
    ).toBe(422);
  });

  it('are listed newest first, page by page, and found by a prefix', async () => {
    await at.ask(at.here, 'bulkUpsertProfiles', {
      body: {
        profiles: Array.from({ length: 7 }, (_, i) => ({
          externalId: `list%_${i}`,
          email: `seek-${i}@example.com`,
          phone: `+44207183875${i}`,
        })),
      },
    });
    const seen: string[] = [];
    let cursor = '';
    do {
      const page = (await at.ask(at.here, 'listProfiles', { query: `?search=list%25_&limit=3${cursor}` }))
        .json as { items: Profile[]; nextCursor: string | null };
      seen.push(...page.items.map((p) => p.externalId));
      cursor = page.nextCursor ? `&cursor=${page.nextCursor}` : '';
    } while (cursor);
    expect(seen).toEqual([6, 5, 4, 3, 2, 1, 0].map((i) => `list%_${i}`));
    const found = async (search: string) =>
      (
        (await at.ask(at.here, 'listProfiles', { query: `?search=${encodeURIComponent(search)}` })).json as {
          items: Profile[];
        }
      ).items.length;
    expect(await found('seek-3')).toBe(1);
    expect(await found('SEEK-3')).toBe(1);
    expect(await found('+4420718387')).toBe(7);
    expect(await found('%')).toBe(0);
    expect((await at.ask(at.here, 'listProfiles', { query: '?cursor=bm9uc2Vuc2U' })).status).toBe(422);
  });

  it('have devices, which move to whoever registers them last', async () => {
    await put('phone-a', {});
    await put('phone-b', {});
    const add = (externalId: string, body: unknown) =>
      at.ask(at.here, 'addDevice', { params: { externalId }, body });
    const device = (await add('phone-a', { token: 'token-12345', platform: 'ios' })).json as Device;
    expect(device).toMatchObject({ token: 'token-12345', platform: 'ios', app: null });
    expect((await add('phone-b', { token: 'token-12345', platform: 'ios' })).json).toMatchObject({
      id: device.id,
    });
    expect((await get('phone-a')).json).toMatchObject({ devices: [] });
    const remove = (externalId: string) =>
      at.ask(at.here, 'removeDevice', { params: { externalId, id: device.id } });
    expect((await remove('phone-a')).status).toBe(404);
    expect((await remove('phone-b')).status).toBe(204);
    expect((await remove('phone-b')).status).toBe(404);
    expect((await add('nobody', { token: 'token-12345', platform: 'ios' })).status).toBe(404);
    expect((await add('phone-a', { token: 'short', platform: 'fridge' })).status).toBe(422);
  });
});
