/**
 * Installs the packages of package-lock.json when they are missing or others. Called first by start.mjs, test.mjs
 * and their like, so that a fresh clone needs one command. Node's own modules only.
 */
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { Problem, root } from './data-folder.mjs';

const OLDEST_NODE = [20, 19];
const HINT_EVERY_MS = 15_000;

/**
 * @param {(line: string) => void} say
 * @returns {Promise<boolean>} whether something was installed
 * @throws {Problem} when Node is too old or npm fails
 */
export async function ensureInstalled(say = console.log) {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major < OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor < OLDEST_NODE[1])) {
    throw new Problem(
      `This is Node ${process.versions.node}, and Carillon needs ${OLDEST_NODE.join('.')} or newer: https://nodejs.org`,
    );
  }
  if (isInstalled()) return false;
  // After a change of a few packages only those are installed. The mark of a whole installation goes first, so that one
  // that is cut short is seen as such.
  const mark = path.join(root, 'node_modules/.package-lock.json');
  const before = fs.existsSync(mark);
  if (before) fs.rmSync(mark);
  say(before ? 'Installing packages that are new.' : 'Installing packages: a minute or two the first time.');
  const started = Date.now();
  const hint = setInterval(
    () => say(`  still installing, ${Math.round((Date.now() - started) / 1000)} s`),
    HINT_EVERY_MS,
  );
  // Install scripts of packages never run: nothing here needs them, and they are how bad packages get hold of a machine.
  const { code, output } = await run('npm', [
    ...(before ? ['install', '--no-save'] : ['ci']),
    '--ignore-scripts',
    '--loglevel=error',
    '--no-fund',
    '--no-audit',
  ]);
  clearInterval(hint);
  if (code !== 0) throw new Problem(`npm ${before ? 'install' : 'ci'} failed:\n${gist(output)}`);
  say(`Installed in ${Math.round((Date.now() - started) / 1000)} s.`);
  return true;
}

/** npm's complaint without the page of usage it appends. */
function gist(output) {
  const lines = output.split('\n').map((line) => line.replace(/^npm error ?/, ''));
  const usage = lines.findIndex((line) => /^(Clean install a project|Usage:)/.test(line));
  return lines
    .slice(0, usage < 0 ? 40 : usage)
    .join('\n')
    .trim();
}

/**
 * npm leaves a lock of what it installed in node_modules. Whatever the project's lock asks for must be in it, except
 * packages for other machines.
 */
function isInstalled() {
  const read = (file) => JSON.parse(fs.readFileSync(path.join(root, file), 'utf8')).packages;
  try {
    const installed = read('node_modules/.package-lock.json');
    return Object.entries(read('package-lock.json')).every(([where, wanted]) => {
      if (!where.startsWith('node_modules/') && !where.includes('/node_modules/')) return true; // The projects themselves.
      const found = installed[where];
      if (!found) return Boolean(wanted.optional || wanted.devOptional || wanted.peer);
      return found.version === wanted.version && found.integrity === wanted.integrity;
    });
  } catch {
    return false; // Nothing installed, or an installation cut short.
  }
}

function run(command, args) {
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd: root,
      stdio: ['ignore', 'pipe', 'pipe'],
      shell: process.platform === 'win32',
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (output += text));
    child.on('error', (error) => resolve({ code: 1, output: error.message }));
    child.on('close', (code) => resolve({ code, output }));
  });
}
