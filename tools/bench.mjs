#!/usr/bin/env node
/**
 * `npm run bench -- <name> [--services] [--profile <folder>]`: a measurement (tools/bench) on a fresh instance in a
 * temporary folder, with a database as durable as in production. It may also use that database directly, to measure
 * what lies beneath. `--services`: one process per service instead of one for all; `QUEUE_URL=redis://…`: queues in
 * Redis; `--profile`: each service (or, where there is none, the process that is measured) leaves a CPU profile there.
 * A measurement that exports `alone = true` needs no instance.
 */
import fs from 'node:fs';
import path from 'node:path';
import { readArguments } from './arguments.mjs';
import { Problem, root } from './data-folder.mjs';
import { onInstance, runCommand } from './stack.mjs';

const names = fs
  .readdirSync(path.join(root, 'tools/bench'))
  .filter((file) => file.endsWith('.mjs') && file !== 'harness.mjs')
  .map((file) => path.basename(file, '.mjs'));
const HELP = `npm run bench -- <name> [numbers]   measures on a fresh installation; docs/benchmarks.md tells what

  ${names.join(', ')}

  --services           one process per service instead of one for all
  --profile <folder>   a CPU profile of each service
  QUEUE_URL=redis://…  queues in Redis instead of PostgreSQL`;

// What is measured is not the limit that keeps one caller from crowding out the others.
process.env.RATE_LIMIT_PER_SECOND ??= '100000';
process.env.RATE_LIMIT_BURST ??= '1000000';

await runCommand(async (until) => {
  const { values, positionals } = readArguments(
    HELP,
    { services: { type: 'boolean', default: false }, profile: { type: 'string' } },
    Infinity,
  );
  const [name, ...more] = positionals;
  if (!names.includes(name)) throw new Problem(`Say which.\n\n${HELP}`);
  const file = `./bench/${name}.mjs`;
  const profile = values.profile && path.resolve(values.profile);
  if (/^export const alone = true/m.test(fs.readFileSync(path.join(import.meta.dirname, file), 'utf8'))) {
    const { build } = await import('./build.mjs');
    await build({ say: console.log });
    const { default: measure } = await import(file);
    return measure({ more, profile });
  }
  const instance = await onInstance(until, { services: values.services, profile });
  // After the packages are there, because it uses them.
  const { default: measure } = await import(file);
  const { QUEUE_URL: queueUrl } = process.env;
  await measure({
    url: instance.urls.dashboard,
    apiKey: instance.apiKey,
    ...instance.databases,
    pids: instance.pids,
    queueUrl,
    more,
    setting: `${values.services ? 'one process per service' : 'one process'}, queues in ${queueUrl ? 'Redis' : 'PostgreSQL'}`,
  });
});
