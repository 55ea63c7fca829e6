/** prisma/migrations and prisma/schema.prisma describe the same database. */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { freshDatabase } from '@carillon/testing';
import { root } from '../data-folder.mjs';

/** Prisma's exit code when the two differ. */
const DIFFERENT = 2;

describe('migrations and schema', () => {
  let database;
  let folder;
  beforeAll(async () => {
    database = await freshDatabase();
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'carillon-drift-'));
  });
  afterAll(async () => {
    await database.drop();
    fs.rmSync(folder, { recursive: true });
  });

  function diff(schema) {
    const args = [
      'migrate',
      'diff',
      '--from-migrations',
      'prisma/migrations',
      '--to-schema',
      schema,
      '--exit-code',
    ];
    const env = { ...process.env, NODE_OPTIONS: '', DATABASE_OWNER_URL: database.ownerUrl };
    const { status, stdout } = spawnSync(process.execPath, ['tools/prisma.mjs', ...args], {
      cwd: root,
      env,
      encoding: 'utf8',
    });
    return { status, stdout };
  }

  it('agree', () => {
    expect(diff('prisma/schema.prisma')).toMatchObject({
      status: 0,
      stdout: expect.stringContaining('No difference detected'),
    });
  });

  it('would be seen to differ', () => {
    const schema = path.join(folder, 'schema.prisma');
    const text = fs.readFileSync(path.join(root, 'prisma/schema.prisma'), 'utf8');
    fs.writeFileSync(schema, `${text}\nmodel Planted {\n  id String @id\n}\n`);
    expect(diff(schema)).toMatchObject({ status: DIFFERENT, stdout: expect.stringContaining('Planted') });
  });
});
