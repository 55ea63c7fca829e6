#!/usr/bin/env node
/**
 * Stand-in for Prisma's native schema engine, which its CLI would download: the same engine compiled to WASM
 * (npm: @prisma/schema-engine-wasm), speaking the CLI's line-delimited JSON-RPC on stdin and stdout.
 * Started by the Prisma CLI through PRISMA_SCHEMA_ENGINE_BINARY (see prisma.mjs). Takes no advisory lock, so it
 * serves authoring and checks, not start-up.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import readline from 'node:readline';
import { PrismaPg } from '@prisma/adapter-pg';
import { bindMigrationAwareSqlAdapterFactory } from '@prisma/driver-adapter-utils';
import pg from 'pg';

/** PostgreSQL's type `"char"`, and what the adapter calls it: its own map does not know the type. */
const CHAR_OID = 18;
const TEXT_OID = 25;
const COLUMN_TYPE_CHARACTER = 6;
/** What the CLI expects as JSON-RPC error code of a failed command. */
const COMMAND_FAILED = 4466;

const argv = process.argv.slice(2);
const option = (name) => argv.flatMap((word, i) => (word === name ? [argv[i + 1]] : []));
if (argv.includes('--version')) {
  console.log('schema-engine-wasm');
  process.exit(0);
}
const url = JSON.parse(option('--datasource')[0] ?? '{}').url ?? process.env.DATABASE_URL;

/** A connection string as separate fields: a `connectionString` would override the shadow database's name. */
function connection(address) {
  const u = new URL(address);
  return {
    host: u.hostname || undefined,
    port: Number(u.port || 5432),
    user: decodeURIComponent(u.username),
    password: decodeURIComponent(u.password),
    database: decodeURIComponent(u.pathname.slice(1)),
  };
}

if (argv.includes('cli')) await answerCliQuestion(argv.includes('create-database'));

/** `cli can-connect-to-database` and `cli create-database`: exit 0, or 1 with the code Prisma knows. */
async function answerCliQuestion(create) {
  const settings = connection(url);
  const client = new pg.Client(create ? { ...settings, database: 'postgres' } : settings);
  try {
    await client.connect();
    if (create) await client.query(`CREATE DATABASE ${client.escapeIdentifier(settings.database)}`);
    await client.end();
    process.exit(0);
  } catch (error) {
    const code = { '3D000': 'P1003', '28P01': 'P1000' }[error.code] ?? 'P1001';
    const fields = { message: error.message, error_code: code };
    const line = {
      timestamp: new Date().toISOString(),
      level: 'ERROR',
      fields,
      target: 'schema_engine::logger',
    };
    process.stderr.write(`\n${JSON.stringify(line)}\n`);
    process.exit(1);
  }
}

/**
 * Mends what adapter-pg lacks for migrations: it knows no `"char"`, and it splits scripts at every `;`, which
 * breaks function bodies.
 */
function mend(queryable) {
  const performIO = queryable.performIO.bind(queryable);
  const queryRaw = queryable.queryRaw.bind(queryable);
  const charColumns = new WeakMap();
  queryable.performIO = async (query) => {
    const result = await performIO(query);
    const isChar = (result.fields ?? []).map((field) => field.dataTypeID === CHAR_OID);
    (result.fields ?? []).forEach((field, i) => isChar[i] && (field.dataTypeID = TEXT_OID));
    charColumns.set(result.rows ?? {}, isChar);
    return result;
  };
  queryable.queryRaw = async (query) => {
    const result = await queryRaw(query);
    charColumns
      .get(result.rows)
      ?.forEach((isChar, i) => isChar && (result.columnTypes[i] = COLUMN_TYPE_CHARACTER));
    return result;
  };
  if (queryable.startTransaction) {
    const startTransaction = queryable.startTransaction.bind(queryable);
    queryable.startTransaction = async (level) => mend(await startTransaction(level));
    queryable.executeScript = async (sql) => {
      try {
        await queryable.underlyingDriver().query(sql);
      } catch (error) {
        queryable.onError(error);
      }
    };
  }
  return queryable;
}

class MigrationAdapter extends PrismaPg {
  async connect() {
    return mend(await super.connect());
  }

  async connectToShadowDb() {
    const admin = await this.connect();
    const database = `prisma_shadow_${process.pid}_${Date.now()}`;
    await admin.executeScript(`CREATE DATABASE "${database}"`);
    const shadow = await new MigrationAdapter({ ...this.config, database }).connect();
    const dispose = shadow.dispose.bind(shadow);
    // The adapter's own way drops the database before its pool is closed, which PostgreSQL refuses.
    shadow.dispose = async () => {
      await dispose();
      await admin.executeScript(`DROP DATABASE "${database}" WITH (FORCE)`);
      await admin.dispose();
    };
    return shadow;
  }
}

let panic;
globalThis.PRISMA_WASM_PANIC_REGISTRY = {
  set_message: (message) => {
    panic = message;
  },
};

async function startEngine() {
  const entry = createRequire(import.meta.url).resolve('@prisma/schema-engine-wasm');
  const glue = await import('@prisma/schema-engine-wasm/schema_engine_bg');
  const code = readFileSync(path.join(path.dirname(entry), 'schema_engine_bg.wasm'));
  const { instance } = await WebAssembly.instantiate(code, { './schema_engine_bg.js': glue });
  glue.__wbg_set_wasm(instance.exports);
  instance.exports.__wbindgen_start();
  const datamodels = option('--datamodels').map((file) => [file, readFileSync(file, 'utf8')]);
  const adapter = new MigrationAdapter(url ? connection(url) : { host: '127.0.0.1', port: 1 });
  return glue.SchemaEngine.new(
    { datamodels: datamodels.length ? datamodels : undefined },
    (line) => process.stderr.write(`${line}\n`),
    bindMigrationAwareSqlAdapterFactory(adapter),
  );
}

const send = (message) => process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
let engine;
let printId = 1_000_000;

async function run(method, params) {
  engine ??= await startEngine();
  if (method === 'getDatabaseVersion') return engine.version(params);
  if (method !== 'diff') return (await engine[method](params)) ?? {};
  const { stdout, exitCode } = await engine.diff(params);
  if (stdout != null) send({ id: printId++, method: 'print', params: { content: stdout } });
  return { exitCode };
}

async function answer({ id, method, params }) {
  try {
    send({ id, result: await run(method, params) });
  } catch (error) {
    const message = panic ?? error?.message ?? String(error);
    const data = {
      is_panic: Boolean(panic),
      message,
      error_code: error?.code ?? null,
      meta: error?.meta ?? {},
    };
    send({
      id,
      error: { code: COMMAND_FAILED, message: 'An error happened. Check the data field for details.', data },
    });
  }
}

let queue = Promise.resolve();
const requests = readline.createInterface({ input: process.stdin });
requests.on('line', (line) => {
  const request = JSON.parse(line);
  // Lines without a method answer our own `print` requests.
  if (request.method) queue = queue.then(() => answer(request));
});
requests.on('close', () => queue.then(() => process.exit(0)));
