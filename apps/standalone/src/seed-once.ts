/**
 * Seeds and ends: for installations that run one process per service. In development the sandbox is where the
 * configuration says; in production there is none, and the first owner gets a workspace, a password and a key, once.
 */
import { config } from '@carillon/config';
import { Database, ensurePartitions } from '@carillon/database';
import { seed } from './seed.js';

const { database: place, mode, sandbox } = config();
const database = new Database({ url: place.url, max: 2, name: 'carillon seed' });
try {
  await ensurePartitions(database);
  const smtpHost = new URL(sandbox.url).hostname;
  const development = await seed(
    database,
    mode === 'production' ? null : { url: sandbox.url, smtpUrl: `smtp://${smtpHost}:${sandbox.smtpPort}` },
  );
  process.send?.({
    ready: true,
    signIn: { email: development.email, password: development.password },
    apiKey: development.apiKey,
  });
  if (!process.send)
    process.stdout.write(
      `Sign in: ${development.email}  ${development.password}\nAPI key: ${development.apiKey}\n`,
    );
} finally {
  await database.close();
}
if (process.connected) process.disconnect();
