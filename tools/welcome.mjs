/**
 * The screen that `npm start` ends with: where everything is, how to sign in, and the one line that sends a first
 * message. Called by start.mjs and services.mjs.
 */
import path from 'node:path';
import { root } from './data-folder.mjs';

/**
 * @param {{ urls: { dashboard: string, docs: string, sandbox: string, smtp?: string }, apiKey: string,
 *   signIn: { email: string, password: string }, folder: string, milliseconds: number }} facts
 */
export function welcome({ urls, signIn, apiKey, folder, milliseconds }) {
  const bold = (text) => (process.stdout.isTTY ? `\x1b[1m${text}\x1b[22m` : text);
  // What the seed has made: apps/standalone/src/seed.ts
  const message = {
    to: { profile: 'ada' },
    channels: ['email', 'sms', 'push', 'in-app'],
    template: 'welcome',
  };
  const api = new URL(urls.dashboard).origin;
  return `
${bold('Carillon is running')} (ready in ${(milliseconds / 1000).toFixed(1)} s)

  Dashboard   ${urls.dashboard}
              sign in as ${signIn.email} with the password ${signIn.password}
  API docs    ${urls.docs}
  Sandbox     ${urls.sandbox}
              what you send arrives here, and nowhere else
  API key     ${apiKey}

Send a first message, on all four channels:

curl ${api}/v1/messages -H 'Authorization: Bearer ${apiKey}' -H 'Content-Type: application/json' -d '${JSON.stringify(message)}'

Everything is kept in ${path.relative(root, folder) || folder}. Ctrl-C stops.
`;
}
