#!/usr/bin/env node
/**
 * `npm run prisma -- <command>`: the Prisma CLI with the WASM schema engine in place of the binary it would
 * download (see schema-engine.mjs). For authoring and for the drift check. At start-up migrations are applied
 * by migrate.mjs, because this engine takes no lock.
 *
 * With no DATABASE_OWNER_URL or DATABASE_URL, commands that need a database use the development cluster in
 * `.data`, which is started for the command if `npm start` is not running.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const here = path.dirname(fileURLToPath(import.meta.url));
const root = path.dirname(here);
const cli = path.join(
  path.dirname(createRequire(import.meta.url).resolve('prisma/package.json')),
  'build/index.js',
);
const args = process.argv.slice(2);

const env = {
  ...process.env,
  PRISMA_SCHEMA_ENGINE_BINARY:
    process.env.PRISMA_SCHEMA_ENGINE_BINARY ?? path.join(here, 'schema-engine.mjs'),
  CHECKPOINT_DISABLE: '1',
  PRISMA_HIDE_UPDATE_MESSAGE: '1',
};

const needsDatabase = (args[0] === 'migrate' || args[0] === 'db') && !args.includes('--help');
let cluster;
if (
  needsDatabase &&
  !env.DATABASE_OWNER_URL &&
  !env.DATABASE_URL &&
  existsSync(path.join(here, 'postgres.mjs'))
) {
  const { developmentCluster } = await import('./postgres.mjs');
  cluster = await developmentCluster();
  env.DATABASE_OWNER_URL = cluster.ownerUrl;
}
const result = spawnSync(process.execPath, [cli, ...args], { cwd: root, stdio: 'inherit', env });
await cluster?.stop();
process.exitCode = result.status ?? 1;
