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
  const url =
    options.url ?? (env['CARILLON_API_URL'] || undefined) ?? running?.url ?? 'http://127.0.0.1:3000';
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
  apiKey: string | undefined;
  sandboxUrl: string | undefined;
}

/** What `npm start` notes in its data folder: `{ apiKey, urls }`. */
function readRunning(env: Env, folder: string): Running | undefined {
  const data = path.resolve(folder, env['CARILLON_DATA_DIR'] || '.data');
  for (const name of ['running.json', 'development.json']) {
    const file = path.join(data, name);
    let text: string;
    try {
      text = fs.readFileSync(file, 'utf8');
    } catch {
      continue; // Nothing runs from this folder, or it is another user's: then settings must be given.
    }
    try {
      const { apiKey, urls = {} } = JSON.parse(text) as { apiKey?: string; urls?: Record<string, string> };
      const address = urls['api'] ?? urls['dashboard'];
      if (!address) continue;
      const shown = path.relative(folder, file);
      return { file: shown, url: new URL(address).origin, apiKey, sandboxUrl: urls['sandbox'] };
    } catch {
      throw new UsageError(
        `${file} cannot be read: it is not what \`npm start\` writes.`,
        'Stop Carillon and start it again.',
      );
    }
  }
  return undefined;
}

function sameOrigin(a: string, b: string): boolean {
  const origin = (text: string) =>
    URL.canParse(text) ? new URL(text).origin.replace('//localhost', '//127.0.0.1') : text;
  return origin(a) === origin(b);
}
