#!/usr/bin/env node
/**
 * `npm run bench -- <name>`: a measurement (apps/cli/src/bench) on a fresh instance in a temporary folder, with a
 * database as durable as in production. It may also use that database directly, to measure what lies beneath.
 */
import fs from 'node:fs';
import path from 'node:path';
import { Problem, root } from './data-folder.mjs';
import { onStandalone, runCommand, runProgram } from './stack.mjs';

const [name, ...rest] = process.argv.slice(2);

await runCommand(async (until) => {
  const folder = path.join(root, 'apps/cli/src/bench');
  const known = fs.existsSync(folder)
    ? fs.readdirSync(folder).filter((file) => /^[\w-]+\.ts$/.test(file))
    : [];
  const names = known.filter((file) => !/\.spec\.ts$/.test(file)).map((file) => file.slice(0, -3));
  if (!names.includes(name))
    throw new Problem(`Say which: npm run bench -- ${names.join(' | ') || '<name>'}`);
  const { urls, apiKey, databases } = await onStandalone(until);
  const env = {
    CARILLON_API_URL: urls.dashboard,
    CARILLON_API_KEY: apiKey,
    CARILLON_SANDBOX_URL: urls.sandbox,
    DATABASE_URL: databases.appUrl,
    DATABASE_OWNER_URL: databases.ownerUrl,
  };
  process.exitCode = await runProgram(`apps/cli/dist/bench/${name}.js`, rest, env);
});
