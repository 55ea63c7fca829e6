/**
 * Where Carillon answers and with which key: options first, then the environment, then what a development stack in
 * the working folder says about itself. The last makes `npx carillon …` work beside `npm start` with nothing to set.
 */
import fs from 'node:fs';
import path from 'node:path';
import type { Env } from './terminal.js';

export interface Settings {
  url: string;
  key: string | undefined;
  /** Where the key was found, for sentences. */
  keyFrom: string;
  sandboxUrl: string | undefined;
}

/** Said as one sentence and a hint; ends with exit code 2. */
export class UsageError extends Error {
  constructor(
    message: string,
    readonly hint?: string,
  ) {
    super(message);
  }
}

export function readSettings(options: { url?: string; key?: string }, env: Env, folder: string): Settings {
  const running = readRunning(env, folder);
  // A key belongs to an installation: the development key is only for the development address.
  const url = options.url ?? (env['CARILLON_API_URL'] || undefined) ?? running?.url ?? LOCAL;
  const here = running !== undefined && sameOrigin(url, running.url);
  const [key, keyFrom] = options.key
    ? [options.key, '--key']
    : env['CARILLON_API_KEY']
      ? [env['CARILLON_API_KEY'], 'CARILLON_API_KEY']
      : here
        ? [running.apiKey, running.file]
        : [undefined, ''];
  const sandboxUrl = (env['CARILLON_SANDBOX_URL'] || undefined) ?? (here ? running.sandboxUrl : undefined);
  return { url, key, keyFrom, sandboxUrl };
}

interface Running {
  file: string;
  url: string;
  apiKey: string;
  sandboxUrl: string | undefined;
}

const LOCAL = 'http://127.0.0.1:3000';

/** What `npm start` notes in its data folder: `running.json` while it runs, `development.json` with the seeded key. */
function readRunning(env: Env, folder: string): Running | undefined {
  const data = path.resolve(folder, env['CARILLON_DATA_DIR'] || '.data');
  const running = readNote(path.join(data, 'running.json'));
  const seeded = readNote(path.join(data, 'development.json'));
  const apiKey = running?.apiKey ?? seeded?.apiKey;
  if (!apiKey) return undefined;
  const address = running?.urls?.['api'] ?? running?.urls?.['dashboard'] ?? seeded?.urls?.['api'] ?? LOCAL;
  const file = path.relative(folder, path.join(data, running?.apiKey ? 'running.json' : 'development.json'));
  return { file, url: new URL(address).origin, apiKey, sandboxUrl: running?.urls?.['sandbox'] };
}

function readNote(file: string): { apiKey?: string; urls?: Record<string, string> } | undefined {
  let text: string;
  try {
    text = fs.readFileSync(file, 'utf8');
  } catch {
    return undefined; // Nothing runs from this folder, or it is another user's: then settings must be given.
  }
  try {
    return JSON.parse(text) as { apiKey?: string; urls?: Record<string, string> };
  } catch {
    throw new UsageError(
      `${file} cannot be read: it is not what \`npm start\` writes.`,
      'Stop Carillon and start it again.',
    );
  }
}

function sameOrigin(a: string, b: string): boolean {
  const origin = (text: string) =>
    URL.canParse(text) ? new URL(text).origin.replace('//localhost', '//127.0.0.1') : text;
  return origin(a) === origin(b);
}
