#!/usr/bin/env node
/**
 * The entry of the container image: `role.mjs <role>` runs one role of the installation in this process.
 * `init` makes the secrets of a compose installation, `migrate`, `seed`, `rebuild-queues` and `adopt-copy` run once, the others are
 * services.
 * Node's own modules only.
 */
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { root } from './data-folder.mjs';

const services = [
  'api',
  'audience',
  'scheduling',
  'dispatcher-email',
  'dispatcher-sms',
  'dispatcher-push',
  'dispatcher-in-app',
  'sandbox',
  'standalone',
];
const [role] = process.argv.slice(2);

if (role === 'init') init(process.env.CARILLON_SECRETS_DIR || '/secrets');
else if (role === 'migrate') run('tools/migrate.mjs');
else if (role === 'seed') run('apps/standalone/dist/seed-once.js');
else if (role === 'rebuild-queues') run('tools/rebuild-queues.mjs');
else if (role === 'adopt-copy') run('tools/adopt-copy.mjs');
else if (services.includes(role)) run(`apps/${role}/dist/main.js`);
else {
  console.error(
    `${role ? `There is no role ${JSON.stringify(role)}` : 'Say which role'}: init, migrate, seed, rebuild-queues, adopt-copy, ${services.join(', ')}.`,
  );
  process.exitCode = 1;
}

/** As if that file had been started: it finds itself as the main module. */
function run(file) {
  process.argv.splice(1, 2, path.join(root, file));
  void import(`../${file}`);
}

/**
 * Writes what is missing into the secrets volume, and never changes what is there: each start finds the same secrets.
 * Readable by the group of the containers that mount it, and by nobody else.
 */
function init(folder) {
  fs.mkdirSync(folder, { recursive: true });
  const postgres = process.env.POSTGRES_ADDRESS || 'postgres:5432';
  const valkey = process.env.VALKEY_ADDRESS || 'valkey:6379';
  const secret = (name, make) => {
    const file = path.join(folder, name);
    if (!fs.existsSync(file)) {
      fs.writeFileSync(file, make(), { mode: 0o444, flag: 'wx' });
      console.log(`Made ${name}.`);
    }
    return fs.readFileSync(file, 'utf8');
  };
  const password = () => randomBytes(24).toString('base64url');
  const owner = secret('postgres-owner-password', password);
  const app = secret('postgres-app-password', password);
  const queue = secret('valkey-password', password);
  secret('master-key', () => randomBytes(32).toString('base64'));
  secret('signing-key', () => randomBytes(32).toString('base64'));
  secret('database-owner-url', () => `postgresql://carillon:${owner}@${postgres}/carillon`);
  secret('database-url', () => `postgresql://carillon_app:${app}@${postgres}/carillon`);
  secret('queue-url', () => `redis://:${queue}@${valkey}`);
  secret(
    'valkey.conf',
    () => `requirepass ${queue}\nappendonly yes\nappendfsync everysec\nmaxmemory-policy noeviction\n`,
  );
}
