import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ProfileState, type ProfileUpsert } from '@carillon/contracts';
import { audienceFixture, type AudienceFixture } from './audience.fixture.js';
import { upsertDevice } from './devices.js';
import { recipientsByIds, removeDevices, upsertProfiles } from './index.js';
import { mergeProfiles } from './merge-profiles.js';
import { stateReader } from './state.js';

let at: AudienceFixture;
beforeAll(async () => {
  at = await audienceFixture();
}, 60_000);
afterAll(() => at.close(), 30_000);

const upsert = (rows: ProfileUpsert[], workspaceId = at.here) =>
  at.database.inWorkspace(workspaceId, (sql) => upsertProfiles(sql, workspaceId, rows));
const stored = async (externalId: string, workspaceId = at.here) =>
  (
    await at.owner.query(
      `SELECT email, email_original, phone, phone_original, locale, timezone, attributes, version
       FROM profiles WHERE workspace_id = $1 AND external_id = $2`,
      [workspaceId, externalId],
    )
  ).rows[0] as Record<string, unknown>;

describe('upsertProfiles', () => {
  it('stores addresses so that they compare, and keeps what was written', async () => {
    const [result] = await upsert([
      {
        externalId: 'ana',
        email: ' Ana.Lee@EXAMPLE.com ',
        phone: '020 7183 8750',
        locale: 'fr-ca',
        timezone: 'europe/paris',
        attributes: { plan: 'pro', gone: null },
      },
    ]);
    expect(result).toMatchObject({ outcome: 'created' });
    expect(await stored('ana')).toEqual({
      email: 'ana.lee@example.com',
      email_original: expect.stringContaining('EXAMPLE'),
      phone: '+442071838750',
      phone_original: '020 7183 8750',
      locale: 'fr-CA',
      timezone: 'Europe/Paris',
      attributes: { plan: 'pro' },
      version: 1,
    });
  });

  it('changes only what is given: left out stays, null clears, attributes merge key by key', async () => {
    await upsert([
      {
        externalId: 'bo',
        email: 'bo@example.com',
        locale: 'de',
        attributes: { a: 1, b: { c: [1] }, d: 'x' },
      },
    ]);
    const [result] = await upsert([
      { externalId: 'bo', email: null, timezone: 'Asia/Tokyo', attributes: { b: { e: 2 }, d: null } },
    ]);
    expect(result?.outcome).toBe('updated');
    expect(await stored('bo')).toMatchObject({
      email: null,
      email_original: null,
      locale: 'de',
      timezone: 'Asia/Tokyo',
      attributes: { a: 1, b: { e: 2 } },
      version: 2,
    });
  });

  it('does not write what is known already', async () => {
    const row = { externalId: 'cy', email: 'cy@example.com', attributes: { tags: ['x', { y: 1 }] } };
    const [first] = await upsert([row]);
    const [second] = await upsert([row]);
    expect(second).toEqual({ outcome: 'updated', id: first?.id, changed: false });
    expect(await stored('cy')).toMatchObject({ version: 1 });
  });

  it('judges each row by itself and in order', async () => {
    const results = await upsert([
      { externalId: 'di', email: 'di@example.com' },
      { externalId: 'bad-1', email: 'not an address', phone: '12' },
      { externalId: 'bad-2', locale: 'this-is-no-locale!', timezone: 'Mars/Olympus' },
      { externalId: 'di', phone: '+442071838750' },
    ]);
    expect(results.map((r) => r.outcome)).toEqual(['created', 'failed', 'failed', 'updated']);
    expect(results[1]?.errors?.map((e) => e.pointer)).toEqual(['/email', '/phone']);
    expect(results[2]?.errors?.map((e) => e.pointer)).toEqual(['/locale', '/timezone']);
    for (const { message } of [...(results[1]?.errors ?? []), ...(results[2]?.errors ?? [])])
      expect(message).toMatch(/^[A-Z].*\.$/);
    expect(results[3]?.id).toBe(results[0]?.id);
    expect(await stored('di')).toMatchObject({ email: 'di@example.com', phone: '+442071838750' });
  });

  it('lets a later row of the same list undo an earlier one', async () => {
    await upsert([
      { externalId: 'ed', attributes: { a: 1, b: 1 } },
      { externalId: 'ed', attributes: { a: null, c: 1 } },
      { externalId: 'ed', attributes: { b: 2 } },
    ]);
    expect(await stored('ed')).toMatchObject({ attributes: { b: 2, c: 1 } });
  });

  it('keeps workspaces apart', async () => {
    const [here] = await upsert([{ externalId: 'shared', attributes: { where: 'here' } }]);
    const [elsewhere] = await upsert(
      [{ externalId: 'shared', attributes: { where: 'elsewhere' } }],
      at.elsewhere,
    );
    expect(elsewhere?.outcome).toBe('created');
    expect(elsewhere?.id).not.toBe(here?.id);
    expect(await stored('shared')).toMatchObject({ attributes: { where: 'here' } });
  });

  it('takes a thousand at once, and lists that overlap at the same moment', async () => {
    const rows = (mark: string) =>
      Array.from({ length: 1000 }, (_, i) => ({ externalId: `many-${i}`, attributes: { [mark]: i } }));
    const lists = await Promise.all([upsert(rows('a')), upsert(rows('b').reverse()), upsert(rows('c'))]);
    const created = lists.flat().filter((r) => r.outcome === 'created');
    expect(created).toHaveLength(1000);
    expect(lists.flat().filter((r) => r.outcome === 'failed')).toEqual([]);
    expect(await stored('many-7')).toMatchObject({ attributes: { a: 7, b: 7, c: 7 }, version: 3 });
  }, 30_000);

  it('refuses attributes beyond their size', async () => {
    const [result] = await upsert([{ externalId: 'fat', attributes: { text: 'x'.repeat(40_000) } }]);
    expect(result).toMatchObject({
      outcome: 'failed',
      errors: [{ pointer: '/attributes', code: 'too_large' }],
    });
  });
});

describe('recipientsByIds', () => {
  it('gives people with their devices, and nobody of another workspace', async () => {
    const [ana] = await upsert([{ externalId: 'push-ana', email: 'p@example.com', attributes: { x: 1 } }]);
    const [stranger] = await upsert([{ externalId: 'stranger' }], at.elsewhere);
    const ids = [ana?.id ?? '', stranger?.id ?? ''];
    await at.database.inWorkspace(at.here, async (sql) => {
      const device = await upsertDevice(sql, at.here, ids[0] ?? '', { token: 'token-0001', platform: 'ios' });
      expect(await recipientsByIds(sql, at.here, ids)).toEqual([
        {
          profileId: ids[0],
          externalId: 'push-ana',
          email: 'p@example.com',
          phone: null,
          locale: null,
          timezone: null,
          phoneCountry: null,
          attributes: { x: 1 },
          devices: [{ id: device.id, token: 'token-0001', platform: 'ios' }],
        },
      ]);
    });
  });
});

describe('devices', () => {
  it('move to whoever registers them last, are capped, and go when they are dead', async () => {
    const [a, b] = await upsert([{ externalId: 'dev-a' }, { externalId: 'dev-b' }]);
    await at.database.inWorkspace(at.here, async (sql) => {
      const devicesAt = async (id?: string) =>
        (await recipientsByIds(sql, at.here, [id ?? '']))[0]?.devices ?? [];
      const first = await upsertDevice(sql, at.here, a?.id ?? '', {
        token: 'moving-token',
        platform: 'android',
        app: 'shop',
      });
      const moved = await upsertDevice(sql, at.here, b?.id ?? '', {
        token: 'moving-token',
        platform: 'android',
      });
      expect(moved).toMatchObject({ id: first.id, app: 'shop' });
      expect(await devicesAt(a?.id)).toEqual([]);
      expect(await devicesAt(b?.id)).toHaveLength(1);

      for (let i = 0; i < 52; i++)
        await upsertDevice(sql, at.here, a?.id ?? '', { token: `many-tokens-${i}`, platform: 'web' });
      expect(await devicesAt(a?.id)).toHaveLength(50);

      expect(await removeDevices(sql, at.here, ['moving-token', 'never seen'])).toBe(1);
      expect(await devicesAt(b?.id)).toEqual([]);
    });
  });
});

describe('the state of a profile', () => {
  it('is what the contract says and nothing else, for each of those who are asked for together', async () => {
    const [full, gone] = await upsert([
      {
        externalId: 'st-full',
        email: 'st@example.com',
        phone: '+442071838750',
        timezone: 'Europe/Paris',
        attributes: { 'a "quoted" key': ['ü', { deep: null }], n: 1.5 },
      },
      { externalId: 'st-gone' },
      { externalId: 'st-bare' },
    ]);
    await upsert([{ externalId: 'st-elsewhere' }], at.elsewhere);
    const audience = '0197a3b0-0000-7000-8000-000000000001';
    await at.owner.query(
      `INSERT INTO audiences (id, workspace_id, key, name, kind) VALUES ('${audience}', '${at.here}', 'st-list', 'List', 'list')`,
    );
    await at.owner.query(
      `INSERT INTO audience_members (workspace_id, audience_id, profile_id, seq, since) VALUES ('${at.here}', '${audience}', '${full?.id}', 1, '2026-11-01T10:00:00.5Z')`,
    );
    await at.owner.query(
      `INSERT INTO consents (workspace_id, channel, address, profile_id, topic, word, source, at)
       SELECT $1, channel, address, profile, topic, word, 'spec', '2026-11-02T10:00:00Z' FROM (VALUES
         ('email', '', $2::uuid, 'news', 'in'), ('email', 'st@example.com', '00000000-0000-0000-0000-000000000000', 'marketing', 'out'),
         ('sms', '+442071838750', '00000000-0000-0000-0000-000000000000', '', 'pending'),
         ('sms', 'st@example.com', '00000000-0000-0000-0000-000000000000', '', 'out'),
         ('email', 'other@example.com', '00000000-0000-0000-0000-000000000000', '', 'out')) AS v(channel, address, profile, topic, word)`,
      [at.here, full?.id],
    );
    await at.owner.query(
      `INSERT INTO suppressions (workspace_id, channel, address, reason, source) VALUES
         ('${at.here}', 'email', 'st@example.com', 'complained', 'spec'), ('${at.elsewhere}', 'sms', '+442071838750', 'complained', 'spec')`,
    );
    await at.database.inWorkspace(at.here, async (sql) => {
      await upsertDevice(sql, at.here, full?.id ?? '', { token: 'st-token', platform: 'web' });
      await mergeProfiles(sql, at.here, 'st-full', 'st-gone', 'spec');
    });
    const read = stateReader(at.database);
    const names = ['st-gone', 'nobody', 'st-bare', 'st-full', 'st-elsewhere'];
    const states = await Promise.all(names.map((name) => read(at.here, name)));
    const [merged, nobody, bare, known, elsewhere] = states.map(
      (state) => state && (JSON.parse(state.text) as unknown),
    );
    expect([nobody, elsewhere]).toEqual([null, null]);
    const parts = { zone: ProfileState.shape.zone, activity: ProfileState.shape.activity };
    for (const state of [merged, bare, known]) {
      expect(ProfileState.strict().parse(state)).toEqual(state);
      for (const [name, part] of Object.entries(parts))
        expect(part.parse((state as ProfileState)[name as 'zone'])).toEqual(
          (state as ProfileState)[name as 'zone'],
        );
    }
    expect(merged).toEqual(known);
    expect(known).toMatchObject({
      id: full?.id,
      externalId: 'st-full',
      email: 'st@example.com',
      zone: { name: 'Europe/Paris', source: 'profile' },
      attributes: { 'a "quoted" key': ['ü', { deep: null }], n: 1.5 },
      consents: [
        {
          channel: 'email',
          topic: 'marketing',
          word: 'out',
          about: 'address',
          at: '2026-11-02T10:00:00.000Z',
        },
        { channel: 'email', topic: 'news', word: 'in', about: 'profile', at: '2026-11-02T10:00:00.000Z' },
        { channel: 'sms', topic: '', word: 'pending', about: 'address', at: '2026-11-02T10:00:00.000Z' },
      ],
      suppressed: [{ channel: 'email', reason: 'complained' }],
      audiences: [{ id: audience, key: 'st-list', since: '2026-11-01T10:00:00.500Z' }],
      devices: 1,
    });
    expect(bare).toMatchObject({
      externalId: 'st-bare',
      email: null,
      zone: { name: 'UTC', source: 'workspace' },
      consents: [],
      suppressed: [],
      audiences: [],
      devices: 0,
    });
    expect(gone?.id).not.toBe(full?.id);
  });
});
