/**
 * The data folder of a checkout (`.data`, or CARILLON_DATA_DIR): development secrets, the embedded cluster, logs,
 * and what is running. Node's own modules only, because start.mjs needs it before anything is installed.
 */
import { createHash, randomBytes, randomInt } from 'node:crypto';
import fs from 'node:fs';
import { createServer } from 'node:net';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));

/** Something a person can mend: printed as its sentence, without a stack. */
export class Problem extends Error {
  name = 'Problem';
}

export const sha256 = (text) => createHash('sha256').update(text).digest('hex');

/** The data folder, made when missing. Only its owner may look inside: it holds keys and personal data. */
export function dataFolder() {
  const folder = path.resolve(root, process.env.CARILLON_DATA_DIR || '.data');
  try {
    fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
    fs.accessSync(folder, fs.constants.R_OK | fs.constants.W_OK | fs.constants.X_OK);
  } catch (error) {
    throw new Problem(
      `The data folder ${folder} cannot be used (${error.code}). If another user made it, give it back ` +
        '(sudo chown -R "$USER" …), or name another one in CARILLON_DATA_DIR.',
      { cause: error },
    );
  }
  return folder;
}

/**
 * Secrets generated once per data folder, in a file only its owner can read. For development: production takes its
 * own from the environment (see docs/configuration).
 * @param {string} folder the data folder
 * @returns {{ ownerPassword: string, appPassword: string, masterKey: string, signingKey: string }}
 * `masterKey` and `signingKey` are 32 bytes in base64.
 */
export function developmentSecrets(folder) {
  const file = path.join(folder, 'secrets.json');
  const known = fs.existsSync(file) ? JSON.parse(fs.readFileSync(file, 'utf8')) : {};
  const secrets = {
    ownerPassword: randomBytes(24).toString('base64url'),
    appPassword: randomBytes(24).toString('base64url'),
    masterKey: randomBytes(32).toString('base64'),
    signingKey: randomBytes(32).toString('base64'),
    ...known,
  };
  if (Object.keys(secrets).some((name) => !(name in known))) writePrivately(file, secrets);
  return secrets;
}

/** Writes JSON that only its owner can read, whole or not at all. */
export function writePrivately(file, value) {
  const draft = `${file}.${process.pid}`;
  fs.writeFileSync(draft, `${JSON.stringify(value, null, 2)}\n`, { mode: 0o600 });
  fs.renameSync(draft, file);
}

/** Whether nothing listens on this port of the loopback (nor on all addresses). */
export function isFree(port) {
  const tryListen = (host) =>
    new Promise((resolve) => {
      const server = createServer();
      server.once('error', (error) =>
        resolve(error.code === 'EADDRNOTAVAIL' || error.code === 'EAFNOSUPPORT'),
      );
      server.listen({ port, host, exclusive: true }, () => server.close(() => resolve(true)));
    });
  return tryListen('127.0.0.1').then((free) => free && tryListen('0.0.0.0'));
}

/** Below the range from which the system takes the ports of outgoing connections (32768 on Linux). */
const PORTS = [20_000, 32_000];
/** Whoever got one may not listen on it yet. */
const given = new Set();

/** The preferred port if it is free, else one chosen by chance, and none of these twice. */
export async function freePort(preferred) {
  if (preferred && (await isFree(preferred))) return preferred;
  for (;;) {
    const port = randomInt(...PORTS);
    if (given.has(port) || !(await isFree(port))) continue;
    given.add(port);
    return port;
  }
}
