#!/usr/bin/env node
/**
 * `npm run bench -- <name>`: a measurement (tools/bench) on a fresh instance in a temporary folder, with a database as
 * durable as in production. It may also use that database directly, to measure what lies beneath.
 */
import fs from 'node:fs';
import path from 'node:path';
import { Problem, root } from './data-folder.mjs';
import { onStandalone, runCommand } from './stack.mjs';

const [name] = process.argv.slice(2);
// What is measured is not the limit that keeps one caller from crowding out the others.
process.env.RATE_LIMIT_PER_SECOND ??= '100000';
process.env.RATE_LIMIT_BURST ??= '1000000';

await runCommand(async (until) => {
  const names = fs.readdirSync(path.join(root, 'tools/bench')).map((file) => path.basename(file, '.mjs'));
  if (!names.includes(name)) throw new Problem(`Say which: npm run bench -- ${names.join(' | ')}`);
  const { urls, apiKey, databases } = await onStandalone(until);
  // After the packages are there, because it uses them.
  const { default: measure } = await import(`./bench/${name}.mjs`);
  await measure({ url: urls.dashboard, apiKey, ...databases, queueUrl: process.env.QUEUE_URL });
});
