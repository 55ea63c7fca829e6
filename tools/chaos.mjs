#!/usr/bin/env node
/**
 * `npm run chaos`: proves that deliveries can be trusted. Builds an installation, puts load on it, makes it suffer, lets
 * it come to rest, and judges by ledgers that others keep: what was promised, what arrived, what the log says.
 */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { readArguments } from './arguments.mjs';
import { build } from './build.mjs';
import { Problem, root } from './data-folder.mjs';
import { ensureInstalled } from './install.mjs';
import { markdown, table } from './chaos/table.mjs';
import { runCommand } from './stack.mjs';

const HELP = `npm run chaos              the whole matrix
npm run chaos -- --quick   a sample, in minutes
npm run chaos -- --drill   bugs on purpose: each must be caught

  --list                     what there is to play
  --scenario <name>          only this one; may be given several times
  --queue postgres|redis     only those on this queue
  --seed <n>  --rate <n>     the same again, with so many messages a second
  --json <file>              the rows, and the table beside it; rows of others that are in it stay
  --keep                     the ledgers of what failed`;
const say = (line) => console.log(line);
let asked;

await runCommand(async ({ onStop, stopping }) => {
  asked = readArguments(HELP, {
    quick: { type: 'boolean' },
    drill: { type: 'boolean' },
    list: { type: 'boolean' },
    keep: { type: 'boolean' },
    scenario: { type: 'string', multiple: true },
    queue: { type: 'string' },
    seed: { type: 'string' },
    rate: { type: 'string' },
    json: { type: 'string' },
  }).values;
  await ensureInstalled(say);
  await build({ say });
  const { scenarios } = await import('./chaos/scenarios.mjs');
  const { drill } = await import('./chaos/drill.mjs');

  const seed = asked.seed ? Number(asked.seed) : Math.floor(Math.random() * 1e9);
  if (!Number.isSafeInteger(seed)) throw new Problem('--seed takes a whole number.');
  const rate = asked.rate ? Number(asked.rate) : 40;

  if (asked.list) {
    for (const one of scenarios)
      say(
        `${one.quick ? '*' : ' '} ${one.name.padEnd(46)} ${one.queue ?? 'postgres'}${one.apart ? ', one process per service' : ''}`,
      );
    return say('\n* in the sample of --quick');
  }
  const started = Date.now();
  const options = { seed, rate, commit: commit(), say, onStop, stopping, keep: asked.keep };
  if (asked.drill) {
    const missed = await drill(options, asked.scenario);
    if (missed > 0) process.exitCode = 1;
    return;
  }
  const chosen = choose(scenarios);
  const { runAll } = await import('./chaos/matrix.mjs');
  // After each row: a run that is ended early has not been for nothing.
  const onRow = (row) => asked.json && writeRows(asked.json, [row], scenarios);
  const rows = await runAll(chosen, { ...options, onRow, sample: asked.quick });
  say(`\n${table(rows)}`);
  for (const row of rows.filter((r) => !r.ok && !r.skipped)) {
    say(`\n${row.scenario} (${row.queue}): ${row.why.join('; ')}`);
    for (const [name, ids] of Object.entries(row.examples ?? {})) say(`  ${name}: ${ids.join(', ')}`);
    if (asked.keep) say(`  ledgers: ${row.ledgers}`);
  }
  const failed = rows.filter((row) => !row.ok).length;
  say(
    `\n${rows.length - failed} of ${rows.length} rows hold${rows.some((r) => r.skipped) ? `, ${rows.filter((r) => r.skipped).length} of them left out` : ''}; seed ${seed}; ${Math.round((Date.now() - started) / 1000)} s.`,
  );
  if (asked.json) writeRows(asked.json, rows, scenarios);
  if (failed > 0) process.exitCode = 1;
});
// Node may otherwise spin for ever when it tidies up after sockets that were reset (v20, CleanupHandles).
process.exit();

/** What is played; nothing outside a clone. */
function commit() {
  const { status, stdout } = spawnSync('git', ['describe', '--always', '--dirty=+'], {
    cwd: root,
    encoding: 'utf8',
  });
  return status === 0 ? stdout.trim() : undefined;
}

/** As JSON and as a table. A file that is there keeps its rows of other scenarios: one row can be had again by itself. */
function writeRows(file, rows, scenarios) {
  const before = fs.existsSync(file) ? JSON.parse(fs.readFileSync(file, 'utf8')) : [];
  const called = (row) => `${row.scenario} ${row.queue}`;
  const known = new Map([...before, ...rows].map(({ ledgers: _ledgers, ...row }) => [called(row), row]));
  const order = scenarios.map((one) => called({ scenario: one.name, queue: one.queue ?? 'postgres' }));
  const all = order.flatMap((name) => known.get(name) ?? []);
  fs.mkdirSync(path.dirname(path.resolve(file)), { recursive: true });
  fs.writeFileSync(file, `${JSON.stringify(all, null, 2)}\n`);
  fs.writeFileSync(`${file.replace(/\.json$/, '')}.md`, `${markdown(all)}\n`);
}

function choose(scenarios) {
  const names = asked.scenario;
  const found = scenarios.filter(
    (one) =>
      (!names || names.some((name) => one.name === name)) &&
      (!asked.quick || one.quick) &&
      (!asked.queue || (one.queue ?? 'postgres') === asked.queue),
  );
  if (found.length === 0) throw new Problem('There is no such scenario: see npm run chaos -- --list');
  if (found.some((one) => one.queue === 'redis') && spawnSync('redis-server', ['--version']).error)
    for (const one of found)
      if (one.queue === 'redis') one.skip = () => 'needs redis-server (apt-get install redis-server)';
  return found;
}
