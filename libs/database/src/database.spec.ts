import { freshDatabase, type FreshDatabase } from '@carillon/testing';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import fc from 'fast-check';
import net from 'node:net';
import pg from 'pg';
import {
  Database,
  dayOf,
  ensurePartitions,
  isMissingPartition,
  kept,
  keptByDay,
  literal,
  newId,
  rowParameters,
  texts,
  timeOf,
  uuids,
  type Sql,
} from './index.js';

let fresh: FreshDatabase;
let database: Database;
let owner: pg.Client;
const a = newId();
const b = newId();
const profileOfA = newId();
const profileOfB = newId();

beforeAll(async () => {
  fresh = await freshDatabase();
  owner = new pg.Client({ connectionString: fresh.ownerUrl });
  await owner.connect();
  database = new Database({ url: fresh.appUrl, max: 4 });
  for (const [workspace, profile] of [
    [a, profileOfA],
    [b, profileOfB],
  ]) {
    await owner.query('INSERT INTO workspaces (id, slug, name) VALUES ($1::uuid, $2, $2)', [
      workspace,
      workspace,
    ]);
    await owner.query(`INSERT INTO profiles (id, workspace_id, external_id) VALUES ($1, $2, 'ada')`, [
      profile,
      workspace,
    ]);
  }
});
afterAll(async () => {
  await database.close();
  await owner.end();
  await fresh.drop();
});

describe('the second wall', () => {
  it('shows nothing to a transaction that names no workspace', async () => {
    const client = await database.pool.connect();
    try {
      expect((await client.query('SELECT * FROM profiles')).rows).toEqual([]);
      expect((await client.query('SELECT * FROM workspaces')).rows).toEqual([]);
      expect((await client.query('UPDATE profiles SET email = NULL')).rowCount).toBe(0);
      await expect(
        client.query(`INSERT INTO profiles (id, workspace_id, external_id) VALUES ($1, $2, 'eve')`, [
          newId(),
          a,
        ]),
      ).rejects.toThrow(/row-level security/);
    } finally {
      client.release();
    }
  });

  it('shows one workspace, even to a query that forgets to say which', async () => {
    const seen = await database.inWorkspace(a, (sql) => sql.query('SELECT id FROM profiles'));
    expect(seen).toEqual([{ id: profileOfA }]);
    const changed = await database.inWorkspace(a, (sql) =>
      sql.execute(`UPDATE profiles SET locale = 'fr' WHERE id = $1`, [profileOfB]),
    );
    expect(changed).toBe(0);
  });

  it('lets nobody write into another workspace', async () => {
    await expect(
      database.inWorkspace(a, (sql) =>
        sql.execute(`INSERT INTO profiles (id, workspace_id, external_id) VALUES ($1, $2, 'eve')`, [
          newId(),
          b,
        ]),
      ),
    ).rejects.toThrow(/row-level security/);
  });

  it('refuses a reference across workspaces, whoever writes it', async () => {
    const insert = `INSERT INTO devices (id, workspace_id, profile_id, token, platform) VALUES ($1, $2, $3, 'token-1', 'ios')`;
    await expect(owner.query(insert, [newId(), a, profileOfB])).rejects.toThrow(/foreign key/);
  });

  it('forgets the workspace with the transaction: a pooled connection carries nothing over', async () => {
    for (let i = 0; i < 8; i++) await database.inWorkspace(i % 2 ? a : b, (sql) => sql.query('SELECT 1'));
    const client = await database.pool.connect();
    try {
      expect((await client.query('SELECT * FROM profiles')).rows).toEqual([]);
    } finally {
      client.release();
    }
  });

  it('binds Prisma as well', async () => {
    const profiles = await database.prismaIn(b, (tx) => tx.profile.findMany());
    expect(profiles.map((p) => p.id)).toEqual([profileOfB]);
  });

  it('covers every table that has a workspace', async () => {
    const { rows } = await owner.query<{ relname: string }>(
      `SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relname <> '_prisma_migrations'
          AND NOT (c.relrowsecurity AND c.relforcerowsecurity)`,
    );
    expect(rows).toEqual([]);
  });

  it('gives the app role nothing to own and no way round', async () => {
    const { rows } = await owner.query<{ super: boolean; bypass: boolean; owned: number }>(
      `SELECT rolsuper AS super, rolbypassrls AS bypass, (SELECT count(*)::int FROM pg_class WHERE relowner = r.oid) AS owned FROM pg_roles r WHERE rolname = 'carillon_app'`,
    );
    expect(rows).toEqual([{ super: false, bypass: false, owned: 0 }]);
    // A partition is reached through its parent only, where the policy stands.
    await ensurePartitions(database);
    const today = `deliveries_${new Date().toISOString().slice(0, 10).replaceAll('-', '')}`;
    await expect(database.acrossWorkspaces((sql) => sql.query(`SELECT * FROM ${today}`))).rejects.toThrow(
      /permission denied/,
    );
    await expect(
      database.acrossWorkspaces((sql) => sql.query('DELETE FROM delivery_events')),
    ).rejects.toThrow(/permission denied/);
  });

  it('refuses a workspace that is no id', async () => {
    await expect(
      database.inWorkspace("'; DROP TABLE profiles; --", (sql) => sql.query('SELECT 1')),
    ).rejects.toThrow('not a workspace id');
  });
});

describe('transactions', () => {
  it('roll back as a whole', async () => {
    const before = await database.inWorkspace(a, (sql) => sql.query('SELECT count(*) AS n FROM profiles'));
    await expect(
      database.inWorkspace(a, async (sql) => {
        await sql.execute(`INSERT INTO profiles (id, workspace_id, external_id) VALUES ($1, $2, 'gone')`, [
          newId(),
          a,
        ]);
        throw new Error('stop');
      }),
    ).rejects.toThrow('stop');
    expect(await database.inWorkspace(a, (sql) => sql.query('SELECT count(*) AS n FROM profiles'))).toEqual(
      before,
    );
  });

  it('survive a connection that is cut while they hold it', async () => {
    await expect(
      database.inWorkspace(a, async (sql) => {
        const [row] = await sql.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
        await owner.query('SELECT pg_terminate_backend($1)', [row?.pid]);
        await sql.query('SELECT 1');
      }),
    ).rejects.toThrow();
    expect(await database.inWorkspace(a, (sql) => sql.query('SELECT 1 AS one'))).toEqual([{ one: 1 }]);
  });
});

describe('trips', () => {
  const add = `INSERT INTO profiles (id, workspace_id, external_id) VALUES ($1, $2, $3)`;
  const there = async (...names: string[]) =>
    database.inWorkspace(a, (sql) =>
      sql.query('SELECT external_id AS name FROM profiles WHERE external_id = ANY($1) ORDER BY 1', [names]),
    );

  it('carry what is asked in one breath, and each its own answer', async () => {
    const answers = await database.inWorkspace(a, (sql) =>
      Promise.all([
        sql.query('SELECT 1 AS one'),
        sql.execute(`UPDATE profiles SET locale = 'de' WHERE id = $1`, [profileOfA]),
        sql.query('SELECT $1::text AS word, $2::text[] AS words', ['a"b', ['x', null, 'y,{']]),
        sql.query('SELECT locale FROM profiles WHERE id = $1', [profileOfA]),
      ]),
    );
    expect(answers).toEqual([
      [{ one: 1 }],
      1,
      [{ word: 'a"b', words: ['x', null, 'y,{'] }],
      [{ locale: 'de' }],
    ]);
  });

  it('are one transaction, whether the last breath is the first or not', async () => {
    const [x, y, z] = [newId(), newId(), newId()];
    await database.inWorkspace(a, ({ last }) =>
      Promise.all([last.execute(add, [x, a, 'x']), last.execute(add, [y, a, 'y'])]),
    );
    await database.inWorkspace(a, async (sql) => {
      await sql.execute(add, [z, a, 'z']);
      await sql.last.query('SELECT 1');
    });
    expect(await there('x', 'y', 'z')).toHaveLength(3);

    const twice = (sql: Sql) =>
      Promise.all([sql.execute(add, [newId(), a, 'new']), sql.execute(add, [newId(), a, 'x'])]);
    await expect(database.inWorkspace(a, (sql) => twice(sql.last))).rejects.toThrow(/unique/);
    await expect(database.inWorkspace(a, twice)).rejects.toThrow(/unique/);
    await expect(
      database.inWorkspace(a, async (sql) => {
        await sql.execute(add, [newId(), a, 'new']);
        await twice(sql.last);
      }),
    ).rejects.toThrow(/unique/);
    expect(await there('new')).toEqual([]);
  });

  it('commit when the last statement is answered, and not before', async () => {
    await database.inWorkspace(a, async (sql) => {
      await sql.execute(add, [newId(), a, 'open']);
      expect(await there('open')).toEqual([]);
      await sql.last.query('SELECT 1');
      expect(await there('open')).toHaveLength(1);
      await expect(sql.query('SELECT 1')).rejects.toThrow(/last statement/);
      await expect(sql.last.query('SELECT 1')).rejects.toThrow(/last statement/);
    });
  });

  it('leave nothing behind when a value cannot be written, or work throws', async () => {
    const circle: Record<string, unknown> = {};
    circle['itself'] = circle;
    await expect(
      database.inWorkspace(a, ({ last }) =>
        Promise.all([last.execute(add, [newId(), a, 'no']), last.query('SELECT $1::jsonb', [circle])]),
      ),
    ).rejects.toThrow(/circular/i);
    await expect(
      database.inWorkspace(a, async (sql) => {
        await sql.execute(add, [newId(), a, 'no']);
        throw new Error('changed my mind');
      }),
    ).rejects.toThrow('changed my mind');
    expect(await there('no')).toEqual([]);
  });

  it('do not call a transaction committed in which a failure was swallowed', async () => {
    await expect(
      database.inWorkspace(a, async (sql) => {
        await sql.execute(add, [newId(), a, 'swallowed']);
        await sql.query('SELECT 1/0').catch(() => undefined);
      }),
    ).rejects.toThrow(/has failed/);
    expect(await there('swallowed')).toEqual([]);
  });

  it('read without a transaction, inside the wall, and write nothing', async () => {
    const [mine, everyone] = await database.reading(a, (sql) =>
      Promise.all([
        sql.query('SELECT id FROM profiles WHERE id = $1', [profileOfA]),
        sql.query('SELECT id FROM profiles WHERE id = $1', [profileOfB]),
      ]),
    );
    expect([mine, everyone]).toEqual([[{ id: profileOfA }], []]);
    await expect(database.reading(a, (sql) => sql.execute(add, [newId(), a, 'read']))).rejects.toThrow(
      /read-only/,
    );
    expect(await there('read')).toEqual([]);
  });
});

describe('kept statements', () => {
  const people = kept(
    'people',
    `SELECT id, 1 / $2::int AS share FROM profiles WHERE workspace_id = $1 AND external_id = 'ada'`,
  );
  const log = keptByDay(
    'log',
    (day) => `SELECT id, channel FROM deliveries d WHERE day = ${day} AND id = ANY($1::uuid[])`,
  );
  const add = `INSERT INTO deliveries (day, id, workspace_id, message_id, channel, class, lane, source, status) VALUES ($1, $2, $3, $2, 'sms', 'transactional', 'transactional', 'api', 'sent')`;
  const plans = (sql: Sql) =>
    sql.query(
      `SELECT name, custom_plans AS custom, generic_plans::int AS kept FROM pg_prepared_statements WHERE name !~ 'scope' ORDER BY name`,
    );
  let alone: Database;
  beforeEach(() => {
    alone = new Database({ url: fresh.appUrl, max: 1 });
  });
  afterEach(async () => {
    jest.restoreAllMocks();
    await alone.close();
  });

  it('are planned once, inside the wall, whoever asks, and go on after a failure', async () => {
    const ask = (workspace: string, ...values: unknown[]) =>
      alone.reading(workspace, (sql) => sql.query(people, values));
    await expect(ask(a, a, 0)).rejects.toThrow('division by zero');
    for (let i = 0; i < 8; i++)
      for (const [workspace, profile] of [
        [a, profileOfA],
        [b, profileOfB],
      ] as const)
        expect(await ask(workspace, workspace, 1)).toEqual([{ id: profile, share: 1 }]);
    // The wall holds for a plan that another workspace made.
    expect(await ask(b, a, 1)).toEqual([]);
    expect(await alone.acrossWorkspaces(plans)).toEqual([{ name: 'people', custom: 0, kept: 17 }]);
  });

  it('stand in a breath with others, which are planned for their values', async () => {
    await ensurePartitions(database);
    for (const last of [true, false])
      expect(
        await alone.inWorkspace(a, async (sql) => {
          const answers = await Promise.all([
            sql.query(`SELECT current_setting('plan_cache_mode') AS mode`),
            sql.query(people, [a, 1]),
            sql.query(`SELECT current_setting('enable_seqscan') AS scans`),
            sql.query(log(dayOf(profileOfA)), [[profileOfA]]),
          ]);
          const [people2, own] = await Promise.all(
            last
              ? [
                  sql.last.query(people, [a, 1]),
                  sql.last.query(`SELECT current_setting('enable_nestloop') AS loops`),
                ]
              : [sql.query(people, [a, 1]), sql.query(`SELECT current_setting('enable_nestloop') AS loops`)],
          );
          return [...answers, people2, own];
        }),
      ).toEqual([
        [{ mode: 'auto' }],
        [{ id: profileOfA, share: 1 }],
        [{ scans: 'on' }],
        [],
        [{ id: profileOfA, share: 1 }],
        [{ loops: 'on' }],
      ]);
    // What a transaction was told does not outlive it.
    expect(
      await alone.acrossWorkspaces((sql) => sql.query(`SELECT current_setting('enable_seqscan') AS scans`)),
    ).toEqual([{ scans: 'on' }]);
  });

  it('know their day, also one whose partition is made or dropped after they were planned', async () => {
    const [near, far] = [newId(), newId(new Date('2031-02-03T04:05:06Z'))];
    const ask = (id: string) => alone.reading(a, (sql) => sql.query(log(dayOf(id)), [[id]]));
    for (const id of [near, far]) expect(await ask(id)).toEqual([]);
    await owner.query(
      `CREATE TABLE deliveries_20310203 PARTITION OF deliveries FOR VALUES FROM ('2031-02-03') TO ('2031-02-04')`,
    );
    for (const id of [near, far])
      await alone.inWorkspace(a, (sql) => sql.last.execute(add, [dayOf(id), id, a]));
    for (const id of [near, far]) expect(await ask(id)).toEqual([{ id, channel: 'sms' }]);
    await owner.query('DROP TABLE deliveries_20310203');
    expect(await ask(far)).toEqual([]);
    expect(await alone.acrossWorkspaces(plans)).toEqual(
      [near, far].map((id) => ({ name: `log ${dayOf(id)}`, custom: 0, kept: id === near ? 2 : 3 })),
    );
    expect(() => log("2026-01-01' OR true --")).toThrow('not a day');
  });

  it('are forgotten by a connection after a minute', async () => {
    const now = performance.now();
    const clock = jest.spyOn(performance, 'now').mockReturnValue(now);
    const ask = () => alone.reading(a, (sql) => sql.query(people, [a, 1]));
    await ask();
    await ask();
    clock.mockReturnValue(now + 59_000);
    expect(await alone.acrossWorkspaces(plans)).toEqual([{ name: 'people', custom: 0, kept: 2 }]);
    clock.mockReturnValue(now + 61_000);
    expect(await alone.acrossWorkspaces(plans)).toEqual([]);
    await ask();
    expect(await alone.acrossWorkspaces(plans)).toEqual([{ name: 'people', custom: 0, kept: 1 }]);
  });

  it('have one name each', () => {
    expect(() => kept('people', 'SELECT 1')).toThrow('two kept statements are called people');
  });
});

describe('rows as parameters', () => {
  const list = rowParameters(2, {
    id: 'int',
    word: 'text',
    data: 'jsonb',
    yes: 'boolean',
    who: 'uuid',
    at: 'timestamptz',
  });
  const text = `SELECT id, word, data::text AS data, yes, who, at FROM ${list.text} AS r WHERE id > $1 ORDER BY id`;
  const word = fc.oneof(
    fc.constantFrom('', 'NULL', 'null', '{}', ',', '"', '\\', '\\"', ' ', "'", '\n', 'ü'),
    fc.string().map((s) => s.replaceAll('\0', '').toWellFormed()),
  );
  const row = fc.record({
    word: fc.option(word),
    data: fc.option(word.map((text) => JSON.stringify({ text }))),
    yes: fc.option(fc.boolean()),
    who: fc.option(fc.uuid()),
    at: fc.option(fc.date({ min: new Date(0), max: new Date(4e12), noInvalidDate: true })),
  });

  it('arrive as they were, whatever they say and have in common (150)', async () => {
    const rows = fc.oneof(
      fc.array(row, { minLength: 1, maxLength: 6 }),
      fc
        .tuple(row, fc.integer({ min: 1, max: 6 }))
        .map(([same, times]) => Array.from({ length: times }, () => ({ ...same }))),
    );
    await fc.assert(
      fc.asyncProperty(rows, async (given) => {
        const columns = {
          id: given.map((_, i) => i),
          word: given.map((r) => r.word),
          data: given.map((r) => r.data),
          yes: given.map((r) => r.yes),
          who: given.map((r) => r.who),
          at: given.map((r) => r.at),
        };
        const got = await database.reading(a, (sql) => sql.query(text, [-1, ...list.params(columns)]));
        expect(got).toEqual(
          given.map((r, id) => ({ id, ...r, data: r.data && r.data.replace('{"text":', '{"text": ') })),
        );
      }),
      { numRuns: 150 },
    );
  });

  it('lists of ids and of texts arrive as they were (150)', async () => {
    const id = fc.oneof(
      fc.uuid(),
      fc.uuid().map((s) => s.toUpperCase()),
      fc.uuid().map((s) => s.replaceAll('-', '')),
    );
    const lists = fc.record({ ids: fc.array(fc.option(id)), words: fc.array(fc.option(word)) });
    await fc.assert(
      fc.asyncProperty(lists, async ({ ids, words }) => {
        const got = await database.reading(a, (sql) =>
          sql.query(`SELECT $1::uuid[]::text[] AS ids, $2::text[] AS words, $3::text::text[] AS literal`, [
            uuids(ids),
            texts(words),
            literal(words),
          ]),
        );
        const plain = (one: string | null) => one && one.replaceAll('-', '').toLowerCase();
        const [row] = got as { ids: (string | null)[]; words: unknown; literal: unknown }[];
        expect({ ...row, ids: row!.ids.map(plain) }).toEqual({ ids: ids.map(plain), words, literal: words });
      }),
      { numRuns: 150 },
    );
  });

  const good = newId();
  it.each([
    ['too short', good.slice(1)],
    ['a letter that is no digit', `g${good.slice(1)}`],
    ['the second of two digits', `${good.slice(0, 1)}g${good.slice(2)}`],
    ['what is no ASCII', `${good.slice(0, -1)}\u0661`],
    ['a quote', `${good.slice(0, -1)}"`],
    ['a digit in place of a dash', `${good.slice(0, 23)}0${good.slice(24)}`],
  ])('an id that is none is refused: %s', async (_, wrong) => {
    const asked = database.reading(a, (sql) => sql.query('SELECT $1::uuid[]', [uuids([good, wrong])]));
    await expect(asked).rejects.toMatchObject({ code: '22P02' });
  });
});

describe('a connection that is ended in the packet that greets it', () => {
  it('fails the statement, and not the process', async () => {
    const url = new URL(fresh.appUrl);
    const { port, hostname } = url;
    const greeted = Buffer.from('Z\0\0\0\x05I');
    const said = Buffer.from('SFATAL\0VFATAL\0C57P01\0Mterminating connection\0\0');
    const length = Buffer.alloc(4);
    length.writeInt32BE(said.length + 4);
    const relay = net.createServer((caller) => {
      const server = net.connect(Number(port), hostname);
      caller.on('error', () => server.destroy()).pipe(server);
      server.on('error', () => caller.destroy());
      server.on('data', (chunk) =>
        chunk.subarray(-greeted.length).equals(greeted)
          ? caller.end(Buffer.concat([chunk, Buffer.from('E'), length, said]))
          : caller.write(chunk),
      );
    });
    await new Promise<void>((resolve) => relay.listen(0, '127.0.0.1', resolve));
    url.hostname = '127.0.0.1';
    url.port = String((relay.address() as net.AddressInfo).port);
    const through = new Database({ url: String(url) });
    try {
      for (let n = 0; n < 3; n++)
        await expect(through.inWorkspace(a, (sql) => sql.query('SELECT 1'))).rejects.toThrow();
    } finally {
      await through.close();
      await new Promise((resolve) => relay.close(resolve));
    }
  });
});

describe('ids', () => {
  it('tell their time and rise', () => {
    const ids = Array.from({ length: 10_000 }, () => newId());
    expect([...ids].sort()).toEqual(ids);
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids[0]).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    const planned = new Date('2027-03-04T23:59:59.999Z');
    expect(timeOf(newId(planned))).toEqual(planned);
    expect(dayOf(newId(planned))).toBe('2027-03-04');
  });
});

describe('partitions', () => {
  it('are made by several processes at once without harm, and a missing one is recognised', async () => {
    await Promise.all([1, 2, 3].map(() => ensurePartitions(database, 9)));
    expect(await ensurePartitions(database, 9)).toBe(0);
    const id = newId(new Date('2020-01-01T00:00:00Z'));
    const failure = await database
      .inWorkspace(a, (sql) =>
        sql.execute(
          `INSERT INTO delivery_events (day, delivery_id, workspace_id, type) VALUES ($1::date, $2, $3, 'accepted')`,
          [dayOf(id), id, a],
        ),
      )
      .catch((e: unknown) => e);
    expect(isMissingPartition(failure)).toBe(true);
  });
});
