#!/usr/bin/env node
/**
 * `npm test`: installs if needed, builds, starts one temporary PostgreSQL, runs one jest over the workspace, and ends
 * with the line `N passed, N failed, N skipped`.
 *
 * Suites that need what Node and npm do not bring (`*.redis.spec.ts`, `*.browser.spec.ts`) are left out when it is
 * missing, named with the line that installs it, and counted as skipped. `npm run test:full` fails instead.
 *   --rest    only what the last run left out
 * Other arguments go to jest: `npm test -- libs/queue`. Node's own modules only, until packages are there.
 */
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { build } from './build.mjs';
import { Problem, root } from './data-folder.mjs';
import { ensureInstalled } from './install.mjs';
import { tally } from './jest-tally.mjs';
import { projects, sourceFiles } from './projects.mjs';

const CACHE = path.join(root, 'node_modules/.cache/carillon');
const LEFT_OUT = path.join(CACHE, 'left-out.json');
const COUNTS = path.join(CACHE, `tally-${process.pid}.json`);

const REQUIREMENTS = [
  {
    suites: /\.redis\.spec\.tsx?$/,
    name: 'redis-server',
    install: 'apt-get install redis-server',
    variable: 'TEST_REDIS_SERVER',
    programs: ['redis-server', 'valkey-server'],
  },
  {
    suites: /\.browser\.spec\.tsx?$/,
    name: 'Chromium',
    install: 'apt-get install chromium',
    variable: 'TEST_CHROMIUM',
    programs: ['chromium', 'chromium-browser', 'google-chrome'],
  },
];

/** Every spec file loads its modules anew; a worker that has grown is replaced. */
const MEMORY = ['--maxWorkers=2', '--workerIdleMemoryLimit=1GB'];

const own = ['--full', '--rest'];
const full = process.argv.includes('--full');
const rest = process.argv.includes('--rest');
const jestArguments = process.argv.slice(2).filter((argument) => !own.includes(argument));

let cluster;
for (const signal of ['SIGINT', 'SIGTERM']) {
  // jest gets the signal as well, and ends; the cluster is stopped after it.
  process.on(signal, () => {});
}
try {
  process.exitCode = await main();
} catch (error) {
  console.error(error instanceof Problem ? error.message : error);
  console.log(tally({ passed: 0, failed: 1, skipped: 0 }));
  process.exitCode = 1;
} finally {
  await cluster?.stop();
  fs.rmSync(COUNTS, { force: true });
}

async function main() {
  await ensureInstalled();
  fs.mkdirSync(CACHE, { recursive: true });
  const compiles = await buildOrExplain();

  const suites = projects()
    .flatMap(({ folder }) => sourceFiles(folder))
    .filter((file) => /\.spec\.tsx?$/.test(file));
  const { env, missing } = findPrograms(suites);
  const withoutPrograms = missing.flatMap(({ files }) => files);
  const withoutBuild = compiles ? [] : suites.filter((file) => /\.e2e\./.test(file));
  const leftOut = [...new Set([...withoutPrograms, ...withoutBuild])];

  const only = rest
    ? JSON.parse(fs.existsSync(LEFT_OUT) ? fs.readFileSync(LEFT_OUT, 'utf8') : '[]')
    : undefined;
  const counts = await runJest({ leftOut, only, env });
  counts.failed += compiles ? 0 : 1;
  explain(missing);
  if (full) counts.failed += leftOut.length;
  else counts.skipped += leftOut.length;
  if (jestArguments.length === 0) fs.writeFileSync(LEFT_OUT, JSON.stringify(leftOut));
  console.log(tally(counts));
  return counts.failed === 0 ? 0 : 1;
}

/** A workspace that does not compile is one failure; the suites that need no build still say what they know. */
async function buildOrExplain() {
  try {
    await build({ say: console.log });
    return true;
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    console.error(error.message);
    return false;
  }
}

function findPrograms(suites) {
  const env = {};
  const missing = [];
  for (const requirement of REQUIREMENTS) {
    const files = suites.filter((file) => requirement.suites.test(file));
    const program = process.env[requirement.variable] ?? requirement.programs.map(which).find(Boolean);
    if (program) env[requirement.variable] = program;
    else if (files.length) missing.push({ ...requirement, files });
  }
  return { env, missing };
}

function which(program) {
  const folders = (process.env.PATH ?? '').split(path.delimiter);
  return folders.map((folder) => path.join(folder, program)).find((file) => fs.existsSync(file));
}

function explain(missing) {
  for (const { name, install, files } of missing) {
    console.log(`\n${full ? 'Failed' : 'Left out'}, because ${name} is not installed (${install}):`);
    for (const file of files) console.log(`  ${file}`);
  }
}

/** @returns {Promise<{ passed: number, failed: number, skipped: number }>} */
async function runJest({ leftOut, only, env }) {
  const none = { passed: 0, failed: 0, skipped: 0 };
  const chosen = only?.filter((file) => !leftOut.includes(file));
  if (chosen?.length === 0) return none;

  const { startTestCluster } = await import('./test-cluster.mjs');
  cluster = await startTestCluster();
  // Giving any pattern replaces jest's own, which leaves packages out.
  const ignored = ['/node_modules/', ...leftOut].flatMap((file) => [
    '--testPathIgnorePatterns',
    `/${file.replaceAll('.', '\\.')}$`,
  ]);
  const patterns = chosen ? ['--runTestsByPath', ...chosen] : jestArguments;
  // Nest is ESM only, which jest runs through an API of Node's that still calls itself experimental.
  const nodeOptions = '--experimental-vm-modules --disable-warning=ExperimentalWarning';
  const jest = path.join(root, 'node_modules/jest/bin/jest.js');
  const args = [
    jest,
    '--config',
    'jest.config.mjs',
    '--ci',
    '--passWithNoTests',
    ...MEMORY,
    ...patterns,
    ...ignored,
  ];
  const child = spawn(process.execPath, args, {
    cwd: root,
    stdio: 'inherit',
    env: {
      ...process.env,
      NODE_ENV: 'test',
      NODE_OPTIONS: nodeOptions,
      ...cluster.env,
      ...env,
      CARILLON_TALLY_FILE: COUNTS,
    },
  });
  const code = await new Promise((resolve, reject) =>
    child.once('exit', (status) => resolve(status)).once('error', reject),
  );
  if (!fs.existsSync(COUNTS)) return { ...none, failed: 1 }; // jest itself fell over, or was ended.
  const counts = JSON.parse(fs.readFileSync(COUNTS, 'utf8'));
  // jest may fail for a reason that no test stands for, such as a broken setting.
  if (code !== 0 && counts.failed === 0) counts.failed = 1;
  return counts;
}
