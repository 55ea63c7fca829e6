/** Imports on a real database: what a file may be, what becomes of its rows, and that a worker may die at any moment. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { loadConfig, useConfig } from '@carillon/config';
import { AudienceSave, ImportCreate } from '@carillon/contracts';
import { Database, type Sql } from '@carillon/database';
import { eventually } from '@carillon/testing';
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { audienceFixture, type AudienceFixture } from './audience.fixture.js';
import { eraseAddresses } from './erase-addresses.js';
import { cancelImport, createImport, offerImports, readImport, startImport, storePart } from './imports.js';
import { mergeProfiles } from './merge-profiles.js';
import { AudienceRefresher } from './refresh-audiences.js';
import { ImportWorker } from './run-import.js';
import { archiveAudience, saveAudience } from './save-audience.js';
import { withoutWriters } from './stale.js';

let at: AudienceFixture;
beforeAll(async () => {
  at = await audienceFixture();
  useConfig(
    loadConfig({
      NODE_ENV: 'test',
      DATABASE_URL: at.appUrl,
      LOG_LEVEL: 'error',
      IMPORT_MAX_BYTES: '50000000',
    }),
  );
}, 60_000);
afterAll(() => at.close(), 30_000);

const here = <T>(work: (sql: Sql) => Promise<T>) => at.database.inWorkspace(at.here, work);
const signal = new AbortController().signal;
const errorsOf = async (id: string) =>
  (
    await at.owner.query(`SELECT line, reason FROM import_errors WHERE import_id = $1 ORDER BY line`, [id])
  ).rows.map((row: { line: string; reason: string }) => [Number(row.line), row.reason]);

/** Uploads a file. @returns its id */
async function uploaded(bytes: Buffer, wish: Partial<ImportCreate> = {}, size = 1_000): Promise<string> {
  const { id } = await here((sql) =>
    createImport(sql, at.here, ImportCreate.parse({ name: 'people.csv', ...wish }), 'spec'),
  );
  for (let [no, from] = [0, 0]; from < bytes.length; from += size)
    expect(
      await here((sql) => storePart(sql, at.here, id, no++, bytes.subarray(from, from + size), 50_000_000)),
    ).toBe('stored');
  await here((sql) => startImport(sql, at.here, id));
  return id;
}
async function imported(text: string | Buffer, wish: Partial<ImportCreate> = {}, size?: number) {
  const id = await uploaded(Buffer.from(text as string), wish, size);
  await new ImportWorker(at.database).run(id, signal);
  return (await here((sql) => readImport(sql, at.here, id)))!;
}
const person = async (externalId: string) =>
  (
    await at.owner.query(
      'SELECT email, phone, attributes FROM profiles WHERE workspace_id = $1 AND external_id = $2',
      [at.here, externalId],
    )
  ).rows[0];

describe('an import', () => {
  it('makes people of rows, tells bad ones by line, and says again what changed nothing', async () => {
    const file = [
      'id;e-mail;phone;plan;note',
      'i1;Ann@Example.COM;020 7183 8750;pro;"a; ""b"""',
      'i2;not an address;;;',
      ';x@example.com;;;',
      'i3;i3@example.com;;;;too many',
      'i4;i4@example.com;+447911123456;;',
      '',
    ].join('\r\n');
    const done = await imported(file);
    expect(done).toMatchObject({ state: 'done', rows: 5, created: 2, failed: 3, problem: null });
    expect(await person('i1')).toEqual({
      email: 'ann@example.com',
      phone: '+442071838750',
      attributes: { plan: 'pro', note: 'a; "b"' },
    });
    expect(await errorsOf(done.id)).toEqual([
      [3, expect.stringMatching(/^email: /)],
      [4, expect.stringMatching(/^id: Give every row an id/)],
      [5, expect.stringMatching(/^It has 6 cells, the first line has 5/)],
    ]);
    expect(await imported(file)).toMatchObject({ created: 0, updated: 0, unchanged: 2, failed: 3 });
    expect((await at.owner.query('SELECT FROM import_chunks')).rowCount).toBe(0);
  });

  it('applies rows about one person in the order of the file', async () => {
    const done = await imported('id,email,plan\nd1,a@example.com,free\nd1,,pro\nd1,b@example.com,\n');
    expect(done).toMatchObject({ created: 1, failed: 0, rows: 3 });
    expect(await person('d1')).toMatchObject({ email: 'b@example.com', attributes: { plan: 'pro' } });
  });

  // Past the first of them, live audiences are not asked about each: a batch then looks at nothing that the one ahead writes.
  it.each([
    ['its first people', 's', 0],
    ['later ones', 't', 20_000],
  ])(
    'commits batches in the order of the file, also where one is written before the one ahead of it: %s',
    async (_which, s, before) => {
      const rows = Array.from({ length: 3_500 }, (_, i) => `${s}${i},first,free\n`);
      // The same person in three batches, each over the one before.
      for (const [i, plan] of [
        [1_500, 'pro'],
        [2_500, 'team'],
        [3_499, 'top'],
      ] as const)
        rows[i] = `${s}-same,,${plan}\n`;
      const id = await uploaded(Buffer.from(`id,name,plan\n${rows.join('')}`), {}, 20_000);
      await at.owner.query('UPDATE imports SET created = $2 WHERE id = $1', [id, before]);
      // Somebody else makes one of the first batch, which waits for what becomes of it.
      await at.owner.query('BEGIN');
      await at.owner.query(
        `INSERT INTO profiles (id, workspace_id, external_id) VALUES (gen_random_uuid(), $1, $2)`,
        [at.here, `${s}700`],
      );
      const [owner] = (await at.owner.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')).rows;
      const work = new ImportWorker(at.database).run(id, signal);
      const seen = (text: string) => at.database.acrossWorkspaces((sql) => sql.query(text));
      // The second one is written and waits for its turn, not only for its next statement; after a while it begins again.
      const others = `SELECT FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle in transaction' AND backend_xid IS NOT NULL AND pid <> ${owner?.pid} AND state_change < clock_timestamp() - interval '1 second'`;
      await eventually(async () => (await seen(others)).length === 1, 20_000);
      expect(await here((sql) => readImport(sql, at.here, id))).toMatchObject({ state: 'running', rows: 0 });
      expect(await seen(`SELECT FROM profiles WHERE external_id IN ('${s}1', '${s}1001')`)).toHaveLength(0);
      await at.owner.query('COMMIT');
      await work;
      expect(await here((sql) => readImport(sql, at.here, id))).toMatchObject({
        state: 'done',
        rows: 3_500,
        created: before + 3_497,
        failed: 0,
      });
      expect(await person(`${s}-same`)).toMatchObject({ attributes: { plan: 'top' } });
      expect(await person(`${s}700`)).toMatchObject({ attributes: { name: 'first' } });
    },
  );

  it.each<[string, Buffer, string]>([
    ['UTF-8 with its mark', Buffer.from('\ufeffid,name\ne1,Zoë\n'), 'Zoë'],
    ['UTF-16 with its mark', Buffer.from('\ufeffid,name\ne1,Zoë\n', 'utf16le'), 'Zoë'],
    ['UTF-16 without', Buffer.from('id,name\ne1,Zoë\n', 'utf16le'), 'Zoë'],
    ['Windows-1252', Buffer.from('id,name\ne1,Zo\xeb \x80\n', 'latin1'), 'Zoë €'],
    ['gzip', gzipSync('id,name\ne1,Zoë gz\n'), 'Zoë gz'],
    ['JSON lines', Buffer.from('{"externalId":"e1","attributes":{"name":"Zoë json"}}\n'), 'Zoë json'],
  ])('reads %s', async (_what, bytes, name) => {
    // Cut in the middle of everything.
    const done = await imported(bytes, {}, 5);
    expect(done).toMatchObject({ state: 'done', rows: 1, failed: 0 });
    expect(await person('e1')).toMatchObject({ attributes: { name } });
  });

  it('reaches who stayed by the id of who became part of them, and who is there already among the new', async () => {
    await imported('id,email\nm-kept,kept@example.com\nm-gone,gone@example.com\n');
    await here((sql) => mergeProfiles(sql, at.here, 'm-kept', 'm-gone', 'spec'));
    const done = await imported('id,plan\nm-new1,free\nm-gone,pro\nm-new2,free\n');
    expect(done).toMatchObject({ state: 'done', created: 2, updated: 1, unchanged: 0, failed: 0 });
    expect(await person('m-gone')).toBeUndefined();
    expect(await person('m-kept')).toMatchObject({ email: 'kept@example.com', attributes: { plan: 'pro' } });
    await here((sql) => sql.execute(`DELETE FROM identities WHERE workspace_id = $1`, [at.here]));
    const again = await imported('id,plan\nm-new3,free\nm-new1,free\nm-new2,pro\n');
    expect(again).toMatchObject({ state: 'done', created: 1, updated: 1, unchanged: 1, failed: 0 });
  });

  it('tells the lines that are in another encoding than the file, and NUL', async () => {
    const done = await imported(
      Buffer.concat([
        Buffer.from('id,name\nm1,Zoë\nm2,'),
        Buffer.from('Zo\xeb\n', 'latin1'),
        Buffer.from('m3,a\0b\nm4,Renée\n'),
      ]),
    );
    expect(done).toMatchObject({ created: 2, failed: 2 });
    expect(await errorsOf(done.id)).toEqual([
      [3, expect.stringMatching(/bytes that are not of the encoding/)],
      [4, expect.stringMatching(/NUL/)],
    ]);
  });

  it.each<[string, () => Buffer, RegExp]>([
    ['a zip archive', () => Buffer.from('PK\x03\x04rest'), /zip archive/],
    [
      'a bomb',
      () => gzipSync(`id,name\n${`b,${'x'.repeat(2_000)}\n`.repeat(10_000)}`),
      /larger than 50 MB|unpacks to far more/,
    ],
    [
      'gzip that was cut short',
      () => gzipSync(`id\n${'x'.repeat(1000)}`).subarray(0, 30),
      /damaged or was cut short/,
    ],
    [
      'one line that never ends',
      () => Buffer.from(`id,name\nl1,${'x'.repeat(2_100_000)}`),
      /Line 2 begins a row of more than 1 MB/,
    ],
    ['a file without ids', () => Buffer.from('name,city\nA,B\n'), /No column says who/],
    ['an empty file', () => Buffer.from('  \n'), /empty/],
    ['two columns of one name', () => Buffer.from('id,a,a\n1,2,3\n'), /Two columns are called "a"/],
    [
      'a file of a thousand columns',
      () => Buffer.from(`id,${Array.from({ length: 999 }, (_, i) => `c${i}`).join()}\n`),
      /at most 500 columns/,
    ],
  ])('refuses %s with a sentence', async (_what, bytes, sentence) => {
    const done = await imported(bytes(), {}, 500_000);
    expect(done).toMatchObject({ state: 'failed', problem: expect.stringMatching(sentence) });
  });

  it('takes no reserved name from JSON, and judges each line', async () => {
    const done = await imported(
      [
        '{"externalId":"j1","attributes":{"__proto__":{"x":1}}}',
        'nonsense',
        '{"externalId":"j2","nope":1}',
        '{"externalId":"j3"}',
        '',
      ].join('\n'),
      { format: 'jsonl' },
    );
    expect(done).toMatchObject({ created: 1, failed: 3 });
    expect((await errorsOf(done.id)).map(([line]) => line)).toEqual([1, 2, 3]);
  });

  it('of suppressions takes addresses, numbers and domains', async () => {
    const done = await imported(
      'Address,Reason\nx1@example.com,complained\n+447911123456,\n@x1.example,nonsense\n@x2.example,\nnonsense,\n',
      {
        kind: 'suppressions',
      },
    );
    expect(done).toMatchObject({ created: 3, failed: 2 });
    const { rows } = await at.owner.query(
      `SELECT channel, address, reason FROM suppressions WHERE source = 'import' ORDER BY address`,
    );
    expect(rows).toEqual([
      { channel: 'sms', address: '+447911123456', reason: 'suppressed_manually' },
      { channel: 'email', address: '@x2.example', reason: 'suppressed_manually' },
      { channel: 'email', address: 'x1@example.com', reason: 'complained' },
    ]);
  });
});

describe('an import into a list', () => {
  const saved = (key: string, more: object = {}) =>
    here((sql) => saveAudience(sql, at.here, key, AudienceSave.parse({ name: key, version: 0, ...more })));
  const entered = async () =>
    (
      await at.owner.query(
        `SELECT p.external_id AS who, c.cause FROM audience_changes c JOIN audiences a ON a.id = c.audience_id AND a.key = 'fair'
           JOIN profiles p ON p.id = c.profile_id ORDER BY c.seq`,
      )
    ).rows.map(({ who, cause }: { who: string; cause: string }) => `${who} ${cause}`);

  it('takes who is made, changed and known, each once, and no bad row', async () => {
    await saved('fair');
    await saved('guests', { live: true, definition: { where: { audience: 'fair' } } });
    await imported('id,plan\nli1,pro\nli2,free\n');
    const file = 'id,plan\nli1,pro\nli2,pro\nli3,free\nli3,pro\n,none\n';
    expect(await imported(file, { audience: 'fair' })).toMatchObject({
      state: 'done',
      audience: 'fair',
      joined: 3,
      failed: 1,
    });
    expect((await entered()).sort()).toEqual(['li1 import', 'li2 import', 'li3 import']);
    expect(await imported(file, { audience: 'fair' })).toMatchObject({ state: 'done', joined: 0 });
    expect(await entered()).toHaveLength(3);
    const refresher = new AudienceRefresher(at.database);
    while ((await refresher.evaluateDue()) + (await refresher.refreshStale()) > 0);
    const { rows } = await at.owner.query(
      `SELECT key, size FROM audiences WHERE key IN ('fair', 'guests') ORDER BY key`,
    );
    expect(rows).toEqual([
      { key: 'fair', size: 3 },
      { key: 'guests', size: 3 },
    ]);
  });

  it('that was archived meanwhile fails with a sentence', async () => {
    await saved('short-lived');
    const id = await uploaded(Buffer.from('id\nli9\n'), { audience: 'short-lived' });
    await here((sql) => archiveAudience(sql, at.here, 'short-lived'));
    await new ImportWorker(at.database).run(id, signal);
    expect(await here((sql) => readImport(sql, at.here, id))).toMatchObject({
      state: 'failed',
      joined: 0,
      problem: expect.stringMatching(/short-lived is archived/),
    });
    expect(await person('li9')).toBeUndefined();
  });
});

describe('an import of many', () => {
  it('asks live audiences about the first of them, and evaluates them as a whole at its end', async () => {
    const refresher = new AudienceRefresher(at.database);
    const settle = async (): Promise<void> => {
      while ((await refresher.evaluateDue()) + (await refresher.refreshStale()) > 0);
    };
    await here((sql) =>
      saveAudience(
        sql,
        at.here,
        'newcomers',
        AudienceSave.parse({
          name: 'Newcomers',
          live: true,
          version: 0,
          definition: { where: { attribute: 'wave', is: 'one' } },
        }),
      ),
    );
    await settle();
    const rows = Array.from({ length: 11_000 }, (_, i) => `w${i},${i % 2 ? 'one' : 'two'}`);
    await imported(`id,wave\n${rows.join('\n')}\n`, {}, 100_000);
    const stale = (await at.owner.query('SELECT FROM stale_profiles')).rowCount;
    expect(stale).toBe(10_000);
    await settle();
    const { rows: audiences } = await at.owner.query(
      `SELECT size, (SELECT count(*)::int FROM audience_members m WHERE m.audience_id = a.id) AS members FROM audiences a WHERE key = 'newcomers'`,
    );
    expect(audiences).toEqual([{ size: 5_500, members: 5_500 }]);
  }, 60_000);
});

describe('a person who is erased while a file is on its way', () => {
  it('is not brought back by it, nor named by its bad rows; a later file may', async () => {
    await imported('id,email\ner1,er1@example.com\n');
    const file = 'id,email\ner1,er1@example.com\ner1,er1 at example.com\ner2,er2@example.com\n';
    const id = await uploaded(Buffer.from(file));
    await here(async (sql) => {
      await withoutWriters(sql, at.here);
      const [person] = await sql.query<Parameters<typeof eraseAddresses>[2]>(
        `SELECT id, external_id AS "externalId", email, email_original AS "emailOriginal", phone, phone_original AS "phoneOriginal"
         FROM profiles WHERE workspace_id = $1 AND external_id = 'er1'`,
        [at.here],
      );
      await eraseAddresses(sql, at.here, person!);
      await sql.execute('DELETE FROM profiles WHERE workspace_id = $1 AND id = $2', [at.here, person!.id]);
    });
    await new ImportWorker(at.database).run(id, signal);
    expect(await here((sql) => readImport(sql, at.here, id))).toMatchObject({ created: 1, failed: 2 });
    expect(await person('er1')).toBeUndefined();
    const { rows } = await at.owner.query('SELECT reason, cells FROM import_errors WHERE import_id = $1', [
      id,
    ]);
    expect(JSON.stringify(rows)).not.toContain('er1');
    expect(await imported(file)).toMatchObject({ created: 1, failed: 1 });
    expect(await person('er1')).toMatchObject({ email: 'er1@example.com' });
    expect((await at.owner.query(`SELECT FROM erased_addresses WHERE kind = 'person'`)).rowCount).toBe(0);
  });
});

describe('an upload', () => {
  it('may be repeated and gone on with, has no holes, and is no larger than announced', async () => {
    const { id } = await here((sql) =>
      createImport(sql, at.here, ImportCreate.parse({ name: 'x', bytes: 6 }), 'spec'),
    );
    const put = (no: number, text: string) =>
      here((sql) => storePart(sql, at.here, id, no, Buffer.from(text), 1_000));
    expect(await put(1, 'b')).toBe('gap');
    expect(await put(0, 'abc')).toBe('stored');
    expect(await put(0, 'abc')).toBe('stored');
    expect(await put(0, 'abd')).toBe('other_bytes');
    expect(await put(1, 'defg')).toBe('too_large');
    expect(await put(1, 'def')).toBe('stored');
    expect(await here((sql) => readImport(sql, at.here, id))).toMatchObject({
      parts: 2,
      bytes: { received: 6 },
    });
    expect(
      await at.database.inWorkspace(at.elsewhere, (sql) =>
        storePart(sql, at.elsewhere, id, 2, Buffer.from(''), 9),
      ),
    ).toBe('gone');
    await here((sql) => cancelImport(sql, at.here, id));
    expect(await put(2, '')).toBe('not_uploading');
  });
});

const shownOf = async (id: string) => (await here((sql) => readImport(sql, at.here, id)))!;
/** A process that works one import and nothing else. */
const WORKER = `
  import { loadConfig, useConfig } from '@carillon/config';
  import { Database } from '@carillon/database';
  import { ImportWorker } from './dist/run-import.js';
  const [, url, id] = process.argv;
  useConfig(loadConfig({ NODE_ENV: 'test', DATABASE_URL: url, LOG_LEVEL: 'error', IMPORT_MAX_BYTES: '50000000' }));
  await new ImportWorker(new Database({ url })).run(id, new AbortController().signal);
  process.exit();
`;

describe('a worker that dies', () => {
  const ROWS = 3_500;
  const file = (of: string) =>
    Buffer.from(
      `id,email\n${Array.from({ length: ROWS }, (_, i) => `${of}${i},${of}${i}@example.com`).join('\n')}\nbad,nonsense\n`,
    );

  it.each([
    ['plain', file('plain')],
    ['gzip', gzipSync(file('gzip'))],
  ])('in the middle of a batch leaves nothing of it, and the next one goes on: %s', async (kind, bytes) => {
    const id = await uploaded(bytes, {}, 10_000);
    /** Dies after some statements of its n-th transaction, as a process does: nothing is caught, nothing tidied. */
    let written = 0;
    const dying = Object.create(at.database) as Database;
    dying.inWorkspace = ((workspaceId: string, work: (sql: Sql) => Promise<unknown>) =>
      at.database.inWorkspace(workspaceId, (sql) =>
        work(
          Object.assign(Object.create(sql) as Sql, {
            execute: async (text: string, params?: readonly unknown[]) => {
              if (text.includes('SET cursor') && ++written === 3) throw new Error('killed');
              return sql.execute(text, params);
            },
          }),
        ),
      )) as typeof dying.inWorkspace;
    await expect(new ImportWorker(dying).run(id, signal)).rejects.toThrow('killed');
    const stored = async () =>
      (
        await at.owner.query(`SELECT FROM profiles WHERE workspace_id = $1 AND external_id LIKE $2 || '%'`, [
          at.here,
          kind,
        ])
      ).rowCount;
    expect(await stored()).toBe(2_000);
    expect(await here((sql) => readImport(sql, at.here, id))).toMatchObject({
      state: 'running',
      rows: 2_000,
      created: 2_000,
    });

    // Its lease is not over yet: nobody takes it from a worker that may live.
    expect(await at.database.acrossWorkspaces((sql) => offerImports(sql))).toEqual([]);
    await new ImportWorker(at.database).run(id, signal);
    expect(await stored()).toBe(2_000);
    await at.owner.query(`UPDATE imports SET due_at = now() WHERE id = $1`, [id]);
    expect(await at.database.acrossWorkspaces((sql) => offerImports(sql))).toEqual([id]);
    await new ImportWorker(at.database).run(id, signal);

    expect(await here((sql) => readImport(sql, at.here, id))).toMatchObject({
      state: 'done',
      rows: ROWS + 1,
      created: ROWS,
      updated: 0,
      unchanged: 0,
      failed: 1,
    });
    expect(await stored()).toBe(ROWS);
    expect(await errorsOf(id)).toEqual([[ROWS + 2, expect.stringMatching(/^email/)]]);
  });

  it('by kill -9 of its process loses and doubles nothing', async () => {
    const rows = 20_000;
    await here((sql) =>
      saveAudience(sql, at.here, 'killed', AudienceSave.parse({ name: 'Killed', version: 0 })),
    );
    const id = await uploaded(
      Buffer.from(
        `id,email\n${Array.from({ length: rows }, (_, i) => `z${i},z${i}@example.com`).join('\n')}\n`,
      ),
      { audience: 'killed' },
      100_000,
    );
    const worker = spawn(process.execPath, ['--input-type=module', '-e', WORKER, at.appUrl, id], {
      cwd: fileURLToPath(new URL('..', import.meta.url)),
      stdio: 'inherit',
    });
    const ended = new Promise((resolve) => worker.once('exit', (_, by) => resolve(by)));
    await eventually(async () => (await shownOf(id)).rows > 4_000, 30_000);
    worker.kill('SIGKILL');
    expect(await ended).toBe('SIGKILL');
    const killed = await shownOf(id);
    expect(killed.state).toBe('running');
    expect(killed.rows).toBeLessThan(rows);
    const stored = async () =>
      (await at.owner.query(`SELECT FROM profiles WHERE external_id LIKE 'z%'`)).rowCount;
    // PostgreSQL may need a moment to see that nobody is there.
    await eventually(async () => (await stored()) === (await shownOf(id)).created);
    await at.owner.query(`UPDATE imports SET due_at = now() WHERE id = $1`, [id]);
    expect(await at.database.acrossWorkspaces((sql) => offerImports(sql))).toEqual([id]);
    await new ImportWorker(at.database).run(id, signal);
    expect(await shownOf(id)).toMatchObject({
      state: 'done',
      rows,
      created: rows,
      updated: 0,
      unchanged: 0,
      failed: 0,
      joined: rows,
    });
    expect(await stored()).toBe(rows);
    const { rows: lists } = await at.owner.query(
      `SELECT a.size, a.last_seq::int AS last, (SELECT count(DISTINCT profile_id)::int FROM audience_changes c WHERE c.audience_id = a.id AND change = 'enter') AS entered
       FROM audiences a WHERE key = 'killed'`,
    );
    expect(lists).toEqual([{ size: rows, last: rows, entered: rows }]);
  }, 90_000);

  it('and comes back late writes nothing more, nor does one whose import was cancelled', async () => {
    const id = await uploaded(file('late'), {}, 10_000);
    let batches = 0;
    const slow = Object.create(at.database) as Database;
    slow.inWorkspace = (async (workspaceId: string, work: (sql: Sql) => Promise<unknown>) => {
      const result = await at.database.inWorkspace(workspaceId, work);
      const { rows } = (await here((sql) => readImport(sql, at.here, id)))!;
      if (rows >= 2_000 && batches++ === 0) await here((sql) => cancelImport(sql, at.here, id));
      return result;
    }) as typeof slow.inWorkspace;
    await new ImportWorker(slow).run(id, signal);
    const shown = (await here((sql) => readImport(sql, at.here, id)))!;
    expect(shown).toMatchObject({ state: 'cancelled', rows: 2_000 });
    expect((await at.owner.query(`SELECT FROM profiles WHERE external_id LIKE 'late%'`)).rowCount).toBe(
      2_000,
    );
  });
});
