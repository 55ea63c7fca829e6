/** Audiences kept in rows: lists, live rules, what others are told, and that nothing is lost, doubled or done by halves. */
import { evaluateAudience, type Person } from '@carillon/audience-rules';
import {
  AudienceDefinition,
  AudienceSave,
  channels,
  type AudienceDefinitionInput,
  type Channel,
} from '@carillon/contracts';
import { Database, newId } from '@carillon/database';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { audienceFixture, type AudienceFixture } from './audience.fixture.js';
import { audienceByKey } from './audience-rows.js';
import { asAWhole, membersQuery, previewAudience, reachOf } from './evaluate.js';
import { changesAfter, membersAfter } from './members.js';
import { AudienceRefresher } from './refresh-audiences.js';
import { archiveAudience, saveAudience } from './save-audience.js';
import { withoutWriters } from './stale.js';
import { upsertProfiles } from './upsert-profiles.js';

let at: AudienceFixture;
let refresher: AudienceRefresher;
beforeAll(async () => {
  at = await audienceFixture();
  refresher = new AudienceRefresher(at.database);
});
afterAll(() => at.close());
beforeEach(async () => {
  await at.owner.query('DELETE FROM profiles');
  await at.owner.query('DELETE FROM audience_changes');
  await at.owner.query('DELETE FROM audiences');
  await at.owner.query('DELETE FROM stale_profiles');
  await at.owner.query('DELETE FROM webhook_messages');
  await at.owner.query('DELETE FROM webhook_endpoints');
});

const save = (
  key: string,
  where: AudienceDefinitionInput['where'],
  more: Partial<AudienceDefinitionInput> & { live?: boolean; version?: number } = {},
) => {
  const { live = true, version, ...definition } = more;
  return at.database.inWorkspace(at.here, (sql) =>
    saveAudience(
      sql,
      at.here,
      key,
      AudienceSave.parse({ name: key, live, version, definition: { where, ...definition } }),
    ),
  );
};
const people = (...rows: { externalId: string; attributes?: Record<string, unknown>; email?: string }[]) =>
  at.database.inWorkspace(at.here, (sql) =>
    upsertProfiles(sql, at.here, rows as Parameters<typeof upsertProfiles>[2]),
  );
const settle = async (): Promise<void> => {
  while ((await refresher.evaluateDue()) + (await refresher.refreshStale()) > 0);
};
const row = async (key: string) => {
  const found = await at.database.inWorkspace(at.here, (sql) => audienceByKey(sql, at.here, key));
  if (!found) throw new Error(`no ${key}`);
  return found;
};
const members = async (key: string): Promise<string[]> => {
  const { id } = await row(key);
  const found = await at.database.inWorkspace(at.here, (sql) => membersAfter(sql, at.here, id, 0, 10_000));
  return found.map(({ externalId }) => externalId).sort();
};
const changes = async (key: string, after = 0) => {
  const { id } = await row(key);
  return at.database.inWorkspace(at.here, (sql) => changesAfter(sql, at.here, id, after, 10_000));
};

/** What members, changes and counters say must be one story. */
async function consistent(key: string): Promise<void> {
  const { id, size, lastSeq } = await row(key);
  const told = await changes(key);
  expect(told.map(({ seq }) => seq)).toEqual([...new Set(told.map(({ seq }) => seq))].sort((a, b) => a - b));
  expect(lastSeq).toBeGreaterThanOrEqual(told.at(-1)?.seq ?? 0);
  const inside = new Map<string, number>();
  for (const { change, profile, seq } of told)
    if (change === 'enter') {
      expect(inside.has(profile.id)).toBe(false);
      inside.set(profile.id, seq);
    } else expect(inside.delete(profile.id)).toBe(true);
  const { rows } = await at.owner.query<{ profile_id: string; seq: string }>(
    'SELECT profile_id, seq FROM audience_members WHERE audience_id = $1',
    [id],
  );
  expect(new Map(rows.map((member) => [member.profile_id, Number(member.seq)]))).toEqual(inside);
  expect(size).toBe(inside.size);
}

describe('a live rule', () => {
  it('holds whom it held when it was saved, and follows each change of theirs', async () => {
    await people(
      { externalId: 'ana', attributes: { plan: 'pro' } },
      { externalId: 'bo', attributes: { plan: 'free' } },
    );
    await save('pros', { attribute: 'plan', is: 'pro' });
    await settle();
    expect(await members('pros')).toEqual(['ana']);
    await people(
      { externalId: 'bo', attributes: { plan: 'pro' } },
      { externalId: 'cy', attributes: { plan: 'pro' } },
    );
    await people({ externalId: 'ana', attributes: { plan: 'free' } });
    await settle();
    expect(await members('pros')).toEqual(['bo', 'cy']);
    expect(
      (await changes('pros')).map(({ change, cause, profile }) => [change, cause, profile.externalId]),
    ).toEqual(
      expect.arrayContaining([
        ['enter', 'definition', 'ana'],
        ['enter', 'profile', 'bo'],
        ['enter', 'profile', 'cy'],
        ['leave', 'profile', 'ana'],
      ]),
    );
    expect(await row('pros')).toMatchObject({ size: 2, problem: null, dueAt: null });
    await consistent('pros');
  });

  it('is asked only when what it mentions has changed', async () => {
    await people({ externalId: 'ana', attributes: { plan: 'free' } });
    await save('pros', { attribute: 'plan', is: 'pro' });
    await settle();
    await people({ externalId: 'ana', attributes: { visits: 3 } });
    const { rows } = await at.owner.query('SELECT FROM stale_profiles');
    expect(rows).toHaveLength(0);
  });

  it('edited, is evaluated again; switched off, keeps nobody', async () => {
    await people(
      { externalId: 'ana', attributes: { plan: 'pro' } },
      { externalId: 'bo', attributes: { plan: 'free' } },
    );
    await save('some', { attribute: 'plan', is: 'pro' });
    await settle();
    await save('some', { attribute: 'plan', is: 'free' });
    await settle();
    expect(await members('some')).toEqual(['bo']);
    await consistent('some');
    await save('some', { attribute: 'plan', is: 'free' }, { live: false });
    await settle();
    expect(await members('some')).toEqual([]);
    expect(await row('some')).toMatchObject({ size: 1, live: false });
  });

  it('over another one moves with it, and rules may not lead back to themselves', async () => {
    await people({ externalId: 'ana', attributes: { plan: 'pro', age: 20 } });
    await save('pros', { attribute: 'plan', is: 'pro' });
    await save('plain', { attribute: 'age', atLeast: 18 }, { live: false });
    await save('young-pros', { and: [{ audience: 'pros' }, { audience: 'plain' }] });
    await settle();
    expect(await members('young-pros')).toEqual(['ana']);
    await people({ externalId: 'ana', attributes: { plan: 'free' } });
    await settle();
    expect(await members('young-pros')).toEqual([]);
    await people({ externalId: 'ana', attributes: { plan: 'pro' } });
    await settle();
    expect(await members('young-pros')).toEqual(['ana']);
    // What it names and keeps no members is looked through.
    await people({ externalId: 'ana', attributes: { age: 3 } });
    await settle();
    expect(await members('young-pros')).toEqual([]);
    await save('plain', { attribute: 'age', atLeast: 1 }, { live: false });
    await settle();
    expect(await members('young-pros')).toEqual(['ana']);
    await expect(save('pros', { not: { audience: 'young-pros' } })).rejects.toThrow(
      /leads back to pros itself \(pros → young-pros → pros\)/,
    );
    await expect(save('x', { audience: 'nowhere' })).rejects.toThrow(/no audience nowhere/);
    await expect(
      at.database.inWorkspace(at.here, (sql) => archiveAudience(sql, at.here, 'pros')),
    ).rejects.toThrow(/rules of young-pros/);
    await consistent('young-pros');
  });

  it('that time moves is evaluated again on schedule', async () => {
    await people({
      externalId: 'ana',
      attributes: { trialEnds: new Date(Date.now() + 86_400_000).toISOString() },
    });
    await save('ending', { attribute: 'trialEnds', withinNext: '2d' });
    await settle();
    expect(await members('ending')).toEqual(['ana']);
    expect((await row('ending')).dueAt).not.toBeNull();
    // Time goes by: the value is moved past the profile's writers, and the schedule comes.
    await at.owner.query(`UPDATE profiles SET attributes = '{"trialEnds": "2020-01-01"}'`);
    await at.owner.query(`UPDATE audiences SET due_at = now()`);
    await settle();
    expect(await members('ending')).toEqual([]);
    expect((await changes('ending')).at(-1)).toMatchObject({ change: 'leave', cause: 'time' });
    await consistent('ending');
  });

  it('with a limit is evaluated as a whole', async () => {
    await people(...[1, 2, 3].map((n) => ({ externalId: `p${n}`, attributes: { score: n } })));
    await save(
      'best',
      { and: [] },
      { order: [{ by: { attribute: 'score' }, direction: 'descending' }], limit: 2 },
    );
    await settle();
    expect(await members('best')).toEqual(['p2', 'p3']);
    await people({ externalId: 'p4', attributes: { score: 9 } });
    await at.owner.query(`UPDATE audiences SET due_at = now()`);
    await settle();
    expect(await members('best')).toEqual(['p3', 'p4']);
    await consistent('best');
  });

  it('loses whoever is deleted', async () => {
    await people(
      { externalId: 'ana', attributes: { plan: 'pro' } },
      { externalId: 'bo', attributes: { plan: 'pro' } },
    );
    await save('pros', { attribute: 'plan', is: 'pro' });
    await settle();
    await at.owner.query(`DELETE FROM profiles WHERE external_id = 'ana'`);
    expect(await members('pros')).toEqual(['bo']);
    await consistent('pros');
  });

  it('refuses a version that has moved', async () => {
    await save('pros', { attribute: 'plan', is: 'pro' }, { version: 0 });
    await save('pros', { attribute: 'plan', is: 'Pro' }, { version: 1 });
    await expect(save('pros', { attribute: 'plan', is: 'x' }, { version: 1 })).rejects.toThrow(
      /at version 2 now/,
    );
    await expect(save('pros', { attribute: 'plan', is: 'x' }, { version: 0 })).rejects.toThrow(
      /at version 2 now/,
    );
    await expect(save('none', { attribute: 'plan', is: 'x' }, { version: 4 })).rejects.toThrow(
      /no such audience yet/,
    );
  });
});

describe('what others are told', () => {
  it('webhooks come only to endpoints that ask for them', async () => {
    const endpoint = async (types: string[]): Promise<string> => {
      const id = newId();
      await at.owner.query(
        `INSERT INTO webhook_endpoints (id, workspace_id, url, types, secrets, enabled) VALUES ($1, $2, 'http://x', $3, '[]', true)`,
        [id, at.here, types],
      );
      return id;
    };
    const wants = await endpoint(['audience.entered', 'audience.left']);
    await endpoint([]);
    await people({ externalId: 'ana', attributes: { plan: 'pro' } });
    await save('pros', { attribute: 'plan', is: 'pro' });
    await settle();
    await people({ externalId: 'ana', attributes: { plan: 'free' } });
    await settle();
    const { rows } = await at.owner.query<{ endpoint_id: string; type: string; payload: object }>(
      'SELECT endpoint_id, type, payload FROM webhook_messages ORDER BY created_at, event_id',
    );
    expect(rows.map((r) => [r.endpoint_id, r.type])).toEqual([
      [wants, 'audience.entered'],
      [wants, 'audience.left'],
    ]);
    expect(rows[0]?.payload).toMatchObject({
      audience: { key: 'pros' },
      seq: 1,
      profile: { externalId: 'ana' },
    });
  });
});

describe('whatever happens', () => {
  /** A person's row as the naive evaluator sees it; rules here look at attributes and lists only. */
  const personOf = (r: { id: string; external_id: string; attributes: Record<string, unknown> }): Person => ({
    id: r.id,
    externalId: r.external_id,
    email: null,
    phone: null,
    locale: null,
    timezone: null,
    phoneZone: null,
    createdAt: new Date(),
    updatedAt: new Date(),
    attributes: r.attributes,
    activity: {},
    events: [],
    messages: [],
    consents: [],
    suppressions: [],
    devices: [],
    memberOf: new Set(),
  });
  const rules: Record<string, AudienceDefinitionInput['where']> = {
    one: { attribute: 'a', is: 1 },
    two: { and: [{ attribute: 'b', atLeast: 1 }, { not: { attribute: 'a', is: 2 } }] },
    three: {
      or: [
        { attribute: 'a', exists: false },
        { attribute: 'b', is: 0 },
      ],
    },
    nested: { and: [{ audience: 'two' }, { not: { audience: 'one' } }] },
  };
  const who = fc.constantFrom('p0', 'p1', 'p2', 'p3', 'p4', 'p5');
  const key = fc.constantFrom('one', 'two', 'three', 'nested');
  const step = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        do: fc.constant('set' as const),
        who,
        a: fc.option(fc.nat(2)),
        b: fc.option(fc.nat(2)),
      }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('delete' as const), who }) },
    {
      weight: 3,
      arbitrary: fc.record({ do: fc.constant('refresh' as const), workers: fc.integer({ min: 1, max: 3 }) }),
    },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('crash' as const) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('edit' as const), key, from: key }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('sweep' as const) }) },
  );

  it('members are those of a full evaluation, and each change was told once', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 30 }), async (steps) => {
        await at.owner.query('DELETE FROM profiles');
        await at.owner.query('DELETE FROM audience_changes');
        await at.owner.query('DELETE FROM audiences');
        await at.owner.query('DELETE FROM stale_profiles');
        const current = { ...rules };
        for (const [name, where] of Object.entries(rules)) await save(name, where);
        const others = [new AudienceRefresher(at.database), new AudienceRefresher(at.database)];
        for (const s of steps)
          if (s.do === 'set') await people({ externalId: s.who, attributes: { a: s.a, b: s.b } });
          else if (s.do === 'delete')
            await at.database.inWorkspace(at.here, async (sql) => {
              await withoutWriters(sql, at.here);
              await sql.execute('DELETE FROM profiles WHERE external_id = $1 AND workspace_id = $2', [
                s.who,
                at.here,
              ]);
            });
          else if (s.do === 'sweep') await at.owner.query('UPDATE audiences SET due_at = now()');
          else if (s.do === 'edit') {
            // Nested stays on top, so that nothing leads back to itself.
            if (s.from === 'nested' || s.key === 'nested') continue;
            current[s.key] = rules[s.from] ?? { and: [] };
            await save(s.key, current[s.key]!);
          } else if (s.do === 'crash')
            await withoutCommits(() =>
              Promise.allSettled([refresher.refreshStale(), refresher.evaluateDue()]),
            );
          else
            await Promise.all(
              [refresher, ...others].slice(0, s.workers).flatMap((r) => [r.refreshStale(), r.evaluateDue()]),
            );
        await at.owner.query('UPDATE audiences SET due_at = now() WHERE due_at IS NOT NULL');
        await settle();
        const { rows } = await at.owner.query<Parameters<typeof personOf>[0]>(
          'SELECT id, external_id, attributes FROM profiles WHERE workspace_id = $1',
          [at.here],
        );
        const world = {
          now: new Date(),
          zone: 'UTC',
          zones: new Set<string>(),
          audiences: new Map(
            Object.entries(current).map(([name, where]) => [
              name,
              { id: name, definition: AudienceDefinition.parse({ where }) },
            ]),
          ),
        };
        for (const [name, where] of Object.entries(current)) {
          const expected = evaluateAudience(AudienceDefinition.parse({ where }), rows.map(personOf), world);
          const names = rows.filter(({ id }) => expected.has(id)).map((r) => r.external_id);
          expect([name, await members(name)]).toEqual([name, names.sort()]);
          await consistent(name);
        }
        expect((await at.owner.query('SELECT FROM stale_profiles')).rows).toHaveLength(0);
      }),
      { numRuns: 12 },
    );
  }, 300_000);

  /** Every transaction of the services fails at its end, as if the process or the connection had died there. */
  async function withoutCommits(work: () => Promise<unknown>): Promise<void> {
    await at.owner.query(
      `CREATE OR REPLACE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'died before the commit'; END $$;
       CREATE CONSTRAINT TRIGGER die AFTER UPDATE ON audiences DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
         WHEN (OLD.last_seq <> NEW.last_seq OR OLD.evaluated_at IS DISTINCT FROM NEW.evaluated_at) EXECUTE FUNCTION die()`,
    );
    await work();
    await at.owner.query('DROP TRIGGER die ON audiences');
  }

  it('a writer that is under way while a rule goes live is not missed', async () => {
    const writer = new Database({ url: at.appUrl, max: 1 });
    await people({ externalId: 'ana', attributes: { plan: 'free' } });
    let saved: Promise<unknown> | undefined;
    await writer.inWorkspace(at.here, async (sql) => {
      await upsertProfiles(sql, at.here, [{ externalId: 'ana', attributes: { plan: 'pro' } }] as Parameters<
        typeof upsertProfiles
      >[2]);
      // It must wait for us: it does not end before we do.
      saved = save('pros', { attribute: 'plan', is: 'pro' });
      expect(
        await Promise.race([saved.then(() => 'live'), sql.query('SELECT pg_sleep(0.3)').then(() => 'waits')]),
      ).toBe('waits');
    });
    await saved;
    await settle();
    expect(await members('pros')).toEqual(['ana']);
    await writer.close();
  });

  it('a change that comes while the rule is evaluated as a whole is not missed', async () => {
    await people({ externalId: 'ana', attributes: { plan: 'free' } });
    await save('pros', { attribute: 'plan', is: 'pro' });
    await settle();
    const { id } = await row('pros');
    const ana =
      (await at.owner.query<{ id: string }>(`SELECT id FROM profiles WHERE external_id = 'ana'`)).rows[0]
        ?.id ?? '';
    // Somebody evaluates it: its lock is taken.
    await at.owner.query('BEGIN');
    await at.owner.query('SELECT pg_advisory_xact_lock(72707373, hashtext($1))', [id]);
    await people({ externalId: 'ana', attributes: { plan: 'pro' } });
    await refresher.refreshStale();
    expect(await members('pros')).toEqual([]);
    await at.owner.query('COMMIT');
    await settle();
    expect(await members('pros')).toEqual(['ana']);
    expect(ana).not.toBe('');
  });
});

describe('an evaluation', () => {
  it('counts, samples and tells who can be reached', async () => {
    await people(
      { externalId: 'ana', email: 'ana@example.com' },
      { externalId: 'bo', email: 'bo@example.com' },
      { externalId: 'cy', email: 'cy@example.com' },
      { externalId: 'di' },
    );
    await at.owner.query(
      `INSERT INTO consents (workspace_id, channel, address, profile_id, topic, word, source)
       VALUES ($1, 'email', 'bo@example.com', '00000000-0000-0000-0000-000000000000', '', 'out', 'spec')`,
      [at.here],
    );
    await at.owner.query(
      `INSERT INTO suppressions (workspace_id, channel, address, reason, source) VALUES ($1, 'email', 'cy@example.com', 'complained', 'spec')`,
      [at.here],
    );
    await at.owner.query(
      `INSERT INTO devices (id, workspace_id, profile_id, token, platform)
       SELECT gen_random_uuid(), $1, id, 't', 'ios' FROM profiles WHERE workspace_id = $1 AND external_id = 'ana'`,
      [at.here],
    );
    const preview = await at.database.inWorkspace(at.here, (sql) =>
      previewAudience(sql, at.here, AudienceDefinition.parse({ where: { and: [] } })),
    );
    expect(preview.total).toBe(4);
    expect(preview.sample.map(({ externalId }) => externalId).sort()).toEqual(['ana', 'bo', 'cy', 'di']);
    expect(preview.reach[0]).toEqual({
      channel: 'email',
      reachable: 1,
      noAddress: 1,
      optedOut: 1,
      suppressed: 1,
    });
    expect(preview.reach[1]).toMatchObject({ channel: 'sms', reachable: 0, noAddress: 4 });
    expect(preview.reach[2]).toMatchObject({ channel: 'push', reachable: 1, noAddress: 3 });
    const some: Channel[][] = [...channels.map((channel) => [channel]), ['sms', 'push']];
    for (const on of some)
      expect(
        await at.database.inWorkspace(at.here, (sql) =>
          reachOf(sql, at.here, AudienceDefinition.parse({ where: { and: [] } }), on),
        ),
      ).toEqual(preview.reach.filter(({ channel }) => on.includes(channel)));
  });

  it('is given as a statement for whoever freezes it', async () => {
    await people({ externalId: 'ana', attributes: { plan: 'pro' } }, { externalId: 'bo' });
    await save('pros', { attribute: 'plan', is: 'pro' }, { live: false });
    const found = await at.database.inWorkspace(at.here, async (sql) => {
      await asAWhole(sql, 5000);
      const { text, params } = await membersQuery(sql, at.here, await row('pros'));
      return sql.query(text, params);
    });
    expect(found).toHaveLength(1);
  });

  it('of another workspace meets nobody of this one', async () => {
    await people({ externalId: 'ana', attributes: { plan: 'pro' } });
    const preview = await at.database.inWorkspace(at.elsewhere, (sql) =>
      previewAudience(sql, at.elsewhere, AudienceDefinition.parse({ where: { and: [] } })),
    );
    expect(preview.total).toBe(0);
  });
});
