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
import { createHash, randomUUID } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import pg from 'pg';
import { Problem, root } from './data-folder.mjs';

/** The role whose rights every service connection has. Owns nothing and is bound by row-level security. */
export const APP_ROLE = 'carillon_app';
const OLDEST_POSTGRES = 15;
/** The key Prisma's native engine locks with, so that the two exclude each other. */
const LOCK = 72707369;
/** How long to wait for another process that migrates. */
const LOCK_WAIT = '5min';
/** How long one statement may wait for a table lock: everybody else queues behind it meanwhile. */
const TABLE_LOCK_WAIT = '5s';
const TABLE_LOCK_ATTEMPTS = 5;

/**
 * @param {{ ownerUrl: string, appUrl?: string, queues?: boolean, migrations?: string }} options
 * `ownerUrl`: who owns the tables. `appUrl`: what the services connect with (default: the same), so that its user may
 * act as the app role. `queues`: whether the queues live in this database. `migrations`: their folder.
 * @returns {Promise<string[]>} names of the migrations applied now
 * @throws {Problem} with a sentence for a person
 */
export async function migrate({
  ownerUrl,
  appUrl = ownerUrl,
  queues = true,
  migrations = path.join(root, 'prisma/migrations'),
}) {
  const client = await connect(ownerUrl);
  try {
    await refuseOldServer(client);
    await lock(client);
    await ensureAppRole(client, appUrl);
    const applied = await applyMigrations(client, migrations);
    if (queues) await ensureQueues(client, ownerUrl);
    return applied;
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
        checksum: createHash('sha256').update(sql).digest('hex'),
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
 * BullMQ's own schema and the app role's rights in it. The schema's comment remembers the version it was made by, so
 * that a start with nothing to do need not load BullMQ.
 */
async function ensureQueues(client, ownerUrl) {
  const manifest = JSON.parse(fs.readFileSync(path.join(root, 'node_modules/bullmq/package.json'), 'utf8'));
  const stamp = `BullMQ ${manifest.version}, opened to ${APP_ROLE}`;
  const { rows } = await client.query(
    "SELECT obj_description(to_regnamespace('bullmq'), 'pg_namespace') AS stamp",
  );
  if (rows[0].stamp === stamp) return;

  // Only libs/queue may know BullMQ.
  const { migrateQueues } = await import(pathToFileURL(path.join(root, 'libs/queue/dist/index.js')).href);
  await migrateQueues(ownerUrl);
  await client.query(`
    GRANT USAGE ON SCHEMA bullmq TO ${APP_ROLE};
    GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA bullmq TO ${APP_ROLE};
    GRANT USAGE, SELECT, UPDATE ON ALL SEQUENCES IN SCHEMA bullmq TO ${APP_ROLE};
    -- BullMQ makes a sequence per queue when the first job comes, and drops it with the queue. Doing so as the owner
    -- keeps the app role from owning anything.
    ALTER FUNCTION bullmq.next_job_id(text) SECURITY DEFINER;
    ALTER FUNCTION bullmq.obliterate(text, integer, boolean) SECURITY DEFINER;
    REVOKE EXECUTE ON FUNCTION bullmq.next_job_id(text), bullmq.obliterate(text, integer, boolean) FROM PUBLIC;
    GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA bullmq TO ${APP_ROLE};
    COMMENT ON SCHEMA bullmq IS ${client.escapeLiteral(stamp)};`);
}

if (process.argv[1] && import.meta.url === pathToFileURL(fs.realpathSync(process.argv[1])).href) {
  const { DATABASE_URL, DATABASE_OWNER_URL = DATABASE_URL, QUEUE_URL } = process.env;
  try {
    if (!DATABASE_OWNER_URL)
      throw new Problem(
        'Say which database: DATABASE_URL, and DATABASE_OWNER_URL when another user owns the tables.',
      );
    const applied = await migrate({ ownerUrl: DATABASE_OWNER_URL, appUrl: DATABASE_URL, queues: !QUEUE_URL });
    console.log(applied.length ? `Applied ${applied.join(', ')}.` : 'The database is up to date.');
  } catch (error) {
    console.error(error instanceof Problem ? error.message : error);
    process.exitCode = 1;
  }
}
