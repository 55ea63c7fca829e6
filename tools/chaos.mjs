#!/usr/bin/env node
/**
 * `npm run chaos`: proves that deliveries can be trusted. Builds an installation, puts load on it, makes it suffer, lets
 * it come to rest, and judges by ledgers that others keep: what was promised, what arrived, what the log says.
 *
 *   npm run chaos                     the whole matrix
 *   npm run chaos -- --quick          the sample that CI runs
 *   npm run chaos -- --drill          bugs on purpose: each must be caught
 *   --list  --scenario NAME  --queue postgres|redis  --seed N  --rate N  --json FILE (and the table beside it)  --keep (ledgers of failures)
 */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { build } from './build.mjs';
import { Problem } from './data-folder.mjs';
import { ensureInstalled } from './install.mjs';
import { runCommand } from './stack.mjs';

const { values: asked } = parseArgs({
  options: {
    quick: { type: 'boolean' },
    drill: { type: 'boolean' },
    list: { type: 'boolean' },
    keep: { type: 'boolean' },
    scenario: { type: 'string', multiple: true },
    queue: { type: 'string' },
    seed: { type: 'string' },
    rate: { type: 'string' },
    json: { type: 'string' },
  },
});
const say = (line) => console.log(line);

await runCommand(async ({ onStop, stopping }) => {
  await ensureInstalled(say);
  await build({ say });
  const { scenarios } = await import('./chaos/scenarios.mjs');
  const { drill } = await import('./chaos/drill.mjs');
  const { markdown, table } = await import('./chaos/table.mjs');
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
  const options = { seed, rate, say, onStop, stopping, keep: asked.keep };
  if (asked.drill) {
    const missed = await drill(options, asked.scenario);
    if (missed > 0) process.exitCode = 1;
    return;
  }
  const chosen = choose(scenarios);
  const { runAll } = await import('./chaos/matrix.mjs');
  const rows = await runAll(chosen, options);
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
  if (asked.json) {
    fs.mkdirSync(path.dirname(path.resolve(asked.json)), { recursive: true });
    fs.writeFileSync(
      asked.json,
      `${JSON.stringify(
        rows.map(({ ledgers: _ledgers, ...row }) => row),
        null,
        2,
      )}\n`,
    );
    fs.writeFileSync(asked.json.replace(/\.json$/, '') + '.md', `${markdown(rows)}\n`);
  }
  if (failed > 0) process.exitCode = 1;
});
// Node may otherwise spin for ever when it tidies up after sockets that were reset (v20, CleanupHandles).
process.exit();

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
