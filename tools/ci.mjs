/**
 * Continuous integration, called by .ci/run: installs the programs that some suites need, runs the README's
 * `npm test`, then what that left out, lint, the demo and the sample of the chaos matrix, each of whose rows counts as one
 * test. Every other step that is not a test run counts as one.
 */
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { root } from './data-folder.mjs';
import { tally } from './jest-tally.mjs';

const MINUTE = 60_000;
/** From asking a step to end until ending it: a test run has a database to stop. */
const GRACE_MS = 20_000;
const LEFT_OUT = path.join(root, 'node_modules/.cache/carillon/left-out.json');
/** What the rows came to, for whoever looks into a failure; the seeds are in it. */
const CHAOS = path.join(root, 'node_modules/.cache/carillon/chaos-quick.json');
const TALLY = /^(\d+) passed, (\d+) failed, (\d+) skipped$/;

const total = { passed: 0, failed: 0, skipped: 0 };
const add = ({ passed, failed, skipped }) => {
  total.passed += passed;
  total.failed += failed;
  total.skipped += skipped;
};

await installPrograms(['redis-server', 'chromium']);

add(await testRun('npm test'));
const leftOut = fs.existsSync(LEFT_OUT) ? JSON.parse(fs.readFileSync(LEFT_OUT, 'utf8')).length : 0;
if (leftOut > 0) {
  total.skipped -= leftOut;
  add(await testRun('npm run test:full -- --rest'));
}
for (const command of ['npm run lint', 'npm run demo']) {
  const { code } = await run(command);
  add(code === 0 ? { passed: 1, failed: 0, skipped: 0 } : { passed: 0, failed: 1, skipped: 0 });
}
add(await chaosSample());

console.log(tally(total));
process.exitCode = total.failed === 0 ? 0 : 1;

/** Missing ones only. A failure shows later, in the suites that need them. */
async function installPrograms(programs) {
  const missing = [];
  for (const program of programs)
    if ((await run(`command -v ${program}`, { quiet: true })).code !== 0) missing.push(program);
  if (missing.length === 0) return;
  const apt = `${process.getuid() === 0 ? '' : 'sudo '}env DEBIAN_FRONTEND=noninteractive apt-get -qq`;
  await run(`${apt} update && ${apt} install -y --no-install-recommends ${missing.join(' ')}`);
}

/** A run that ends with a tally. One that ends otherwise is a failure, whatever it printed. */
async function testRun(command) {
  const { code, lastLine } = await run(command);
  const [, passed, failed, skipped] = TALLY.exec(lastLine) ?? [undefined, 0, 1, 0];
  const counts = { passed: Number(passed), failed: Number(failed), skipped: Number(skipped) };
  return code !== 0 && counts.failed === 0 ? { ...counts, failed: 1 } : counts;
}

/** A row that the machine cannot play is skipped, and names what it needs. */
async function chaosSample() {
  fs.rmSync(CHAOS, { force: true });
  const { code } = await run(`npm run chaos -- --quick --json ${CHAOS}`);
  const rows = fs.existsSync(CHAOS) ? JSON.parse(fs.readFileSync(CHAOS, 'utf8')) : [];
  const skipped = rows.filter((row) => row.skipped).length;
  const failed = rows.filter((row) => !row.ok).length;
  if (rows.length > 0) console.log(`  its rows as JSON: ${path.relative(root, CHAOS)}`);
  return { passed: rows.length - failed - skipped, failed: failed || Number(code !== 0), skipped };
}

async function run(command, { quiet = false, limit = 25 * MINUTE } = {}) {
  if (!quiet) console.log(`\n▸ ${command}`);
  const started = Date.now();
  // Its own group, so that a step that hangs can be ended with all it has started.
  const child = spawn('/bin/sh', ['-c', command], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  });
  let hard;
  const late = setTimeout(() => {
    console.log(`It took longer than ${limit / MINUTE} minutes.`);
    process.kill(-child.pid, 'SIGTERM');
    hard = setTimeout(() => process.kill(-child.pid, 'SIGKILL'), GRACE_MS);
  }, limit);
  let text = '';
  child.stdout.on('data', (chunk) => {
    if (!quiet) process.stdout.write(chunk);
    text = (text + chunk).slice(-2000);
  });
  const code = await new Promise((resolve, reject) =>
    child.once('close', (status) => resolve(status ?? 1)).once('error', reject),
  );
  clearTimeout(late);
  clearTimeout(hard);
  if (!quiet)
    console.log(
      `  ${code === 0 ? 'done' : `failed (${code})`} after ${Math.round((Date.now() - started) / 1000)} s`,
    );
  return { code, lastLine: text.trimEnd().split('\n').at(-1) ?? '' };
}
