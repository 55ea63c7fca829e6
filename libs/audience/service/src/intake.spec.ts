import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { loadConfig, useConfig } from '@carillon/config';
import type { TrackEvent } from '@carillon/contracts';
import { audienceFixture, type AudienceFixture } from './audience.fixture.js';
import { Intake, keepEvents, upsertProfiles, type EventResult } from './index.js';

const DAY = 86_400_000;
const ago = (ms: number) => new Date(Date.now() - ms).toISOString();

let at: AudienceFixture;
let intake: Intake;
beforeAll(async () => {
  useConfig(loadConfig({ NODE_ENV: 'test', EVENT_RETENTION_DAYS: '90' }));
  at = await audienceFixture();
  intake = new Intake(at.database);
}, 60_000);
afterAll(() => at.close(), 30_000);

const take = (events: TrackEvent[], workspaceId = at.here) => intake.takeAll(workspaceId, events);
const idOf = (result: EventResult | undefined) => (result && 'id' in result ? result.id : 'none');
const rows = async <T>(text: string, params: unknown[] = []): Promise<T[]> =>
  (await at.owner.query(text, [at.here, ...params])).rows as T[];
const eventsOf = (externalId: string) =>
  rows<{ id: string; name: string; at: Date; properties: unknown }>(
    `SELECT e.id, e.name, e.at, e.properties FROM events e JOIN profiles p ON p.id = e.profile_id
     WHERE e.workspace_id = $1 AND p.external_id = $2 ORDER BY e.at, e.id`,
    [externalId],
  );
const activityOf = async (externalId: string) =>
  (
    await rows<Record<string, unknown>>(
      `SELECT a.events, a.first_seen_at, a.last_seen_at FROM profile_activity a JOIN profiles p ON p.id = a.profile_id
       WHERE a.workspace_id = $1 AND p.external_id = $2`,
      [externalId],
    )
  )[0];

describe('intake', () => {
  it('keeps what is told, makes the person and the month, and folds it into their activity', async () => {
    const [old, young] = [ago(70 * DAY), ago(1000)];
    const results = await take([
      { profile: 'ana', name: 'signed.up', at: young, properties: { plan: 'pro' } },
      { profile: 'ana', name: 'page.viewed', at: old },
    ]);
    expect(results.map((r) => r.outcome)).toEqual(['accepted', 'accepted']);
    expect(await eventsOf('ana')).toMatchObject([
      { name: 'page.viewed', at: new Date(old), properties: {} },
      { name: 'signed.up', at: new Date(young), properties: { plan: 'pro' } },
    ]);
    expect(await activityOf('ana')).toEqual({
      events: 2,
      first_seen_at: new Date(old),
      last_seen_at: new Date(young),
    });
  });

  it('takes an event once, however often and in how many transactions its key comes', async () => {
    const event = { profile: 'bo', name: 'order.placed', key: 'order-7' };
    const lists = await Promise.all(
      Array.from({ length: 20 }, (_, i) => take([{ ...event, at: ago(i * DAY) }, event])),
    );
    const results = lists.flat();
    expect(results.filter((r) => r.outcome === 'accepted')).toHaveLength(1);
    expect(results.filter((r) => r.outcome === 'duplicate')).toHaveLength(39);
    expect(new Set(results.map(idOf)).size).toBe(1);
    expect(await eventsOf('bo')).toHaveLength(1);
    expect(await activityOf('bo')).toMatchObject({ events: 1 });
    const [elsewhere] = await take([event], at.elsewhere);
    expect(elsewhere?.outcome).toBe('accepted');
  });

  it('judges each by itself: the future, the past, the size, and who is not known', async () => {
    const results = await take([
      { profile: 'cy', name: 'a', at: new Date(Date.now() + 10 * 365 * DAY).toISOString() },
      { profile: 'cy', name: 'b', at: ago(91 * DAY) },
      { profile: 'cy', name: 'c', properties: { text: 'x'.repeat(66_000) } },
      { profile: 'nobody', name: 'd', unknownProfile: 'refuse' },
      { profile: 'cy', name: 'e', at: new Date(Date.now() + 60_000).toISOString() },
    ]);
    expect(results.slice(0, 4)).toMatchObject([
      { outcome: 'failed', errors: [{ pointer: '/at', code: 'time_in_future' }] },
      { outcome: 'failed', errors: [{ pointer: '/at', code: 'too_old' }] },
      { outcome: 'failed', errors: [{ pointer: '/properties', code: 'too_large' }] },
      { outcome: 'failed', errors: [{ pointer: '/profile', code: 'unknown_profile' }] },
    ]);
    const [corrected] = await eventsOf('cy');
    expect(corrected).toMatchObject({ name: 'e' });
    expect((corrected?.at ?? new Date(0)).getTime()).toBeLessThanOrEqual(Date.now());
    expect(await rows(`SELECT id FROM profiles WHERE workspace_id = $1 AND external_id = 'nobody'`)).toEqual(
      [],
    );
  });

  it('knows people by other identities, and makes one for an identity that is not known', async () => {
    const profile = { namespace: 'device', value: 'd-1' };
    const lists = await Promise.all(Array.from({ length: 10 }, () => take([{ profile, name: 'opened' }])));
    expect(new Set(lists.flat().map((r) => ('profileId' in r ? r.profileId : 'none'))).size).toBe(1);
    expect(await eventsOf('device:d-1')).toHaveLength(10);
  });

  it('shares a transaction between those that arrive together, and answers each', async () => {
    const results = await Promise.all(
      Array.from({ length: 300 }, (_, i) =>
        intake.take(at.here, { profile: `crowd-${i % 7}`, name: 'n', key: `k${i}` }),
      ),
    );
    expect(results.every((r) => r.outcome === 'accepted')).toBe(true);
    const [{ count } = { count: 0 }] = await rows<{ count: number }>(
      `SELECT count(DISTINCT xmin::text)::int AS count FROM events WHERE workspace_id = $1 AND name = 'n'`,
    );
    expect(count).toBeLessThan(20);
  });
});

describe('live audiences', () => {
  it('have people to look at again when they mention what changed, and only then', async () => {
    await at.owner.query(
      `INSERT INTO audiences (id, workspace_id, key, name, kind, definition, mentions, live)
       VALUES (gen_random_uuid(), $1, 'live', 'Live', 'rule', '{}', '{"event:order.placed",attribute:plan}', true)`,
      [at.elsewhere],
    );
    const [di] = await at.database.inWorkspace(at.elsewhere, (sql) =>
      upsertProfiles(sql, at.elsewhere, [{ externalId: 'di', attributes: { age: 4 } }]),
    );
    const stale = async () =>
      (
        await at.owner.query(
          'DELETE FROM stale_profiles WHERE workspace_id = $1 RETURNING profile_id AS id, mentions',
          [at.elsewhere],
        )
      ).rows as unknown[];
    expect(await stale()).toEqual([{ id: di?.id, mentions: ['*'] }]);
    await take([{ profile: 'di', name: 'page.viewed' }], at.elsewhere);
    expect(await stale()).toEqual([]);
    await take([{ profile: 'di', name: 'order.placed' }], at.elsewhere);
    expect(await stale()).toEqual([{ id: di?.id, mentions: ['event:order.placed'] }]);
    await at.database.inWorkspace(at.elsewhere, (sql) =>
      upsertProfiles(sql, at.elsewhere, [{ externalId: 'di', locale: 'de', attributes: { age: 5 } }]),
    );
    expect(await stale()).toEqual([]);
    await at.database.inWorkspace(at.elsewhere, (sql) =>
      upsertProfiles(sql, at.elsewhere, [{ externalId: 'di', attributes: { plan: 'pro', age: null } }]),
    );
    expect(await stale()).toEqual([{ id: di?.id, mentions: ['attribute:plan'] }]);
  });
});

describe('keepEvents', () => {
  it('forgets keys after their window and months after their retention, and makes the month to come', async () => {
    await at.owner.query(`SELECT ensure_event_months('2025-01-01', '2025-01-02')`);
    await take([{ profile: 'ed', name: 'kept', key: 'old' }]);
    await take([{ profile: 'ed', name: 'kept', key: 'new' }]);
    const { rows: keys } = await at.owner.query(
      `SELECT key FROM event_keys ORDER BY created_at DESC LIMIT 2`,
    );
    expect(keys.map(({ key }) => key)).not.toContain('new');
    await at.owner.query(
      `UPDATE event_keys SET created_at = now() - interval '8 days' WHERE key = encode(sha256(convert_to(workspace_id || ':old', 'UTF8')), 'hex')`,
    );
    expect(await keepEvents(at.database, 90)).toEqual({ months: 1, keys: 1 });
    expect((await take([{ profile: 'ed', name: 'kept', key: 'old' }]))[0]?.outcome).toBe('accepted');
    expect((await take([{ profile: 'ed', name: 'kept', key: 'new' }]))[0]?.outcome).toBe('duplicate');
    expect(await keepEvents(at.database, 90)).toEqual({ months: 0, keys: 0 });
  });
});
