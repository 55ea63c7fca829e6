#!/usr/bin/env node
/**
 * Brings a database to the state this version needs: the role the services act as, the migrations in
 * `prisma/migrations`, and BullMQ's schema when the queues live in PostgreSQL.
 * Applied under a lock, each migration in its own transaction, and written down in Prisma's own table, so that
 * `prisma migrate status` agrees. Called by start.mjs and test.mjs, and by hand: `node tools/migrate.mjs`.
 *
 * A migration that cannot run in a transaction (CREATE INDEX CONCURRENTLY) begins with the line
 * `-- no transaction` and holds one statement.
 */
import { randomUUID } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import pg from 'pg';
import { Problem, root, sha256 } from './data-folder.mjs';

/** The role whose rights every service connection has. Owns nothing and is bound by row-level security. */
export const APP_ROLE = 'carillon_app';
const OLDEST_POSTGRES = 15;
/** The key Prisma's native engine locks with, so that the two exclude each other. */
const LOCK = 72707369;
/** How long to wait for another process that migrates. */
const LOCK_WAIT = '5min';
/** How long one statement may wait for a table lock: everybody else queues behind it meanwhile. */
const TABLE_LOCK_WAIT = '2s';
const TABLE_LOCK_ATTEMPTS = 5;

/**
 * @param {{ ownerUrl: string, appUrl?: string, queueUrl?: string | null, migrations?: string }} options
 * `ownerUrl`: who owns the tables. `appUrl`: what the services connect with (default: the same), so that its user may
 * act as the app role. `queueUrl`: where the queues live (default: the same database; null: nowhere yet).
 * `migrations`: their folder.
 * @returns {Promise<string[]>} names of the migrations applied now
 * @throws {Problem} with a sentence for a person
 */
export async function migrate({
  ownerUrl,
  appUrl = ownerUrl,
  queueUrl = ownerUrl,
  migrations = path.join(root, 'prisma/migrations'),
}) {
  const applied = await locked(ownerUrl, async (client) => {
    await ensureAppRole(client, appUrl);
    const names = await applyMigrations(client, migrations);
    if (queueUrl === ownerUrl) await ensureQueues(client, ownerUrl);
    return names;
  });
  // Queues may live in a PostgreSQL of their own; in Redis there is nothing to prepare.
  if (queueUrl && queueUrl !== ownerUrl && /^postgres/.test(queueUrl)) {
    await locked(queueUrl, async (client) => {
      await ensureAppRole(client, queueUrl);
      await ensureQueues(client, queueUrl);
    });
  }
  return applied;
}

/** Does the work on one connection while nobody else migrates that database. */
async function locked(url, work) {
  const client = await connect(url);
  try {
    await refuseOldServer(client);
    await lock(client);
    return await work(client);
  } finally {
    await client.end(); // Releases the lock.
  }
}

async function connect(url) {
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: 10_000,
    application_name: 'carillon migrate',
  });
  try {
    await client.connect();
    return client;
  } catch (error) {
    const { host, pathname } = new URL(url);
    throw new Problem(`No connection to PostgreSQL at ${host}${pathname}: ${error.message || error.code}`, {
      cause: error,
    });
  }
}

async function refuseOldServer(client) {
  const { rows } = await client.query(
    "SELECT current_setting('server_version') AS version, current_setting('server_version_num')::int AS number",
  );
  if (rows[0].number < OLDEST_POSTGRES * 10_000) {
    throw new Problem(
      `This PostgreSQL is ${rows[0].version}, and Carillon needs ${OLDEST_POSTGRES} or newer.`,
    );
  }
}

async function lock(client) {
  await client.query(`SET lock_timeout = '${LOCK_WAIT}'`);
  try {
    await client.query('SELECT pg_advisory_lock($1)', [LOCK]);
  } catch (error) {
    if (error.code !== LOCK_NOT_AVAILABLE) throw error;
    throw new Problem(
      `Another process has been migrating this database for ${LOCK_WAIT}. Try again when it is done.`,
      { cause: error },
    );
  }
}

/** SQLSTATEs: https://www.postgresql.org/docs/current/errcodes-appendix.html */
const LOCK_NOT_AVAILABLE = '55P03';
const INSUFFICIENT_PRIVILEGE = '42501';
const DUPLICATE_OBJECT = '42710';
const UNIQUE_VIOLATION = '23505';

/**
 * Makes the app role, and lets the user of `appUrl` act as it. Roles belong to the whole server, so it may be there
 * already; migrations grant it the tables.
 */
async function ensureAppRole(client, appUrl) {
  const { username, password } = new URL(appUrl);
  const user = decodeURIComponent(username) || client.user;
  const secret = decodeURIComponent(password);
  const login = user === APP_ROLE;
  const { rows } = await client.query(
    `SELECT rolcanlogin, rolsuper, rolbypassrls,
            pg_has_role($2, oid, 'MEMBER') AS member,
            EXISTS (SELECT FROM pg_class WHERE relowner = r.oid) AS owner
       FROM pg_roles r WHERE rolname = $1`,
    [APP_ROLE, login ? client.user : user],
  );
  const role = rows[0];
  const loginClause = login ? `LOGIN PASSWORD ${client.escapeLiteral(secret)}` : 'NOLOGIN';
  const wanted = [];
  if (!role) wanted.push(`CREATE ROLE ${APP_ROLE} ${loginClause}`);
  else if (role.rolsuper || role.rolbypassrls || role.owner) {
    throw new Problem(
      `The role ${APP_ROLE} may pass row-level security or owns tables, so it cannot keep workspaces apart. ` +
        `Run: ALTER ROLE ${APP_ROLE} NOSUPERUSER NOBYPASSRLS; and REASSIGN OWNED BY ${APP_ROLE} TO CURRENT_USER;`,
    );
  } else if (login && !(await canLogIn(appUrl))) wanted.push(`ALTER ROLE ${APP_ROLE} ${loginClause}`);
  if (!login && !role?.member) wanted.push(`GRANT ${APP_ROLE} TO ${client.escapeIdentifier(user)}`);
  for (const statement of wanted) await runAsAdministrator(client, statement);
  await client.query(`GRANT USAGE ON SCHEMA public TO ${APP_ROLE}`);
}

async function runAsAdministrator(client, statement) {
  try {
    await client.query(statement);
  } catch (error) {
    // Roles are the whole server's: another database's migration may have made it this instant.
    if (error.code === DUPLICATE_OBJECT || error.code === UNIQUE_VIOLATION) return;
    if (error.code !== INSUFFICIENT_PRIVILEGE) throw error;
    throw new Problem(
      `${client.user} may not prepare the role ${APP_ROLE}. Let an administrator of this PostgreSQL run, once: ` +
        statement.replace(/PASSWORD '.*'/, "PASSWORD '…'"),
      { cause: error },
    );
  }
}

async function canLogIn(url) {
  const client = new pg.Client({ connectionString: url });
  try {
    await client.connect();
    return true;
  } catch {
    return false; // For whatever reason: setting the password again does no harm.
  } finally {
    await client.end().catch(() => {});
  }
}

async function applyMigrations(client, folder) {
  await client.query(`CREATE TABLE IF NOT EXISTS _prisma_migrations (
    id varchar(36) PRIMARY KEY, checksum varchar(64) NOT NULL, finished_at timestamptz, migration_name varchar(255) NOT NULL,
    logs text, rolled_back_at timestamptz, started_at timestamptz NOT NULL DEFAULT now(), applied_steps_count integer NOT NULL DEFAULT 0)`);
  const { rows } = await client.query('SELECT * FROM _prisma_migrations WHERE rolled_back_at IS NULL');
  const broken = rows.find((row) => !row.finished_at);
  if (broken) {
    throw new Problem(
      `The migration ${broken.migration_name} failed earlier: ${broken.logs ?? 'it was cut short'}. Mend the database, then run: ` +
        `npm run prisma -- migrate resolve --rolled-back ${broken.migration_name}`,
    );
  }
  const done = new Map(rows.map((row) => [row.migration_name, row.checksum]));
  const applied = [];
  for (const migration of readMigrations(folder)) {
    const checksum = done.get(migration.name);
    if (checksum && checksum !== migration.checksum) {
      throw new Problem(
        `The migration ${migration.name} was edited after it was applied. Restore its text, and write the change as a new migration.`,
      );
    }
    if (checksum) continue;
    await applyOne(client, migration);
    applied.push(migration.name);
  }
  return applied;
}

function readMigrations(folder) {
  const names = fs.existsSync(folder)
    ? fs.readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory())
    : [];
  return names
    .map((entry) => entry.name)
    .sort()
    .map((name) => {
      const sql = fs.readFileSync(path.join(folder, name, 'migration.sql'), 'utf8');
      return {
        name,
        sql,
        checksum: sha256(sql),
        transaction: !/^-- no transaction\b/.test(sql),
      };
    });
}

const BEGUN = 'INSERT INTO _prisma_migrations (id, checksum, migration_name) VALUES ($1, $2, $3)';
const FINISHED =
  'UPDATE _prisma_migrations SET finished_at = clock_timestamp(), applied_steps_count = 1 WHERE id = $1';

async function applyOne(client, { name, sql, checksum, transaction }) {
  const id = randomUUID();
  await client.query(`SET lock_timeout = '${TABLE_LOCK_WAIT}'`);
  for (let attempt = 1; ; attempt++) {
    try {
      if (transaction) await client.query('BEGIN');
      await client.query(BEGUN, [id, checksum, name]);
      await client.query(sql); // Without parameters, so many statements travel as one message.
      await client.query(FINISHED, [id]);
      if (transaction) await client.query('COMMIT');
      return;
    } catch (error) {
      if (transaction) await client.query('ROLLBACK');
      // Without a transaction something may have stayed behind, which only a person can judge.
      else await client.query('UPDATE _prisma_migrations SET logs = $2 WHERE id = $1', [id, error.message]);
      const busy = error.code === LOCK_NOT_AVAILABLE;
      if (busy && transaction && attempt < TABLE_LOCK_ATTEMPTS) {
        await sleep(attempt * 1000);
        continue;
      }
      const advice = busy ? ' A long transaction holds a table it changes: end it and try again.' : '';
      throw new Problem(`The migration ${name} could not be applied: ${error.message}.${advice}`, {
        cause: error,
      });
    }
  }
}

/**
 * BullMQ's own schema, which libs/queue makes and opens to the app role. The schema's comment remembers what made
 * it, so that a start with nothing to do need not load BullMQ.
 */
async function ensureQueues(client, url) {
  const entry = path.join(root, 'libs/queue/dist/index.js');
  const { version } = JSON.parse(
    fs.readFileSync(path.join(root, 'node_modules/bullmq/package.json'), 'utf8'),
  );
  const stamp = `BullMQ ${version}, ${sha256(fs.readFileSync(path.join(path.dirname(entry), 'migrate.js'))).slice(0, 12)}`;
  const { rows } = await client.query(
    "SELECT obj_description(to_regnamespace('bullmq'), 'pg_namespace') AS stamp",
  );
  if (rows[0].stamp === stamp) return;
  const { migrateQueues } = await import(pathToFileURL(entry).href);
  await migrateQueues(url, APP_ROLE);
  await client.query(`COMMENT ON SCHEMA bullmq IS ${client.escapeLiteral(stamp)}`);
}

/**
 * A connection address from the environment, or from the file that NAME_FILE names, as container secrets come.
 */
export function address(name) {
  const file = process.env[`${name}_FILE`];
  return process.env[name] || (file && fs.readFileSync(file, 'utf8').trim()) || undefined;
}

if (process.argv[1] && import.meta.url === pathToFileURL(fs.realpathSync(process.argv[1])).href) {
  try {
    const appUrl = address('DATABASE_URL');
    const ownerUrl = address('DATABASE_OWNER_URL') ?? appUrl;
    if (!ownerUrl) {
      throw new Problem(
        'Say which database: DATABASE_URL, and DATABASE_OWNER_URL when another user owns the tables.',
      );
    }
    const applied = await migrate({ ownerUrl, appUrl, queueUrl: address('QUEUE_URL') });
    console.log(applied.length ? `Applied ${applied.join(', ')}.` : 'The database is up to date.');
  } catch (error) {
    console.error(error instanceof Problem ? error.message : error);
    process.exitCode = 1;
  }
}
