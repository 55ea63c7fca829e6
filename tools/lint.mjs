#!/usr/bin/env node
/**
 * `npm run lint`: formatting, types of everything including specs, and promises nobody waits for. Prints what each
 * finds and fails if any does. The import rules are specs (tools/checks) and run with `npm test`.
 */
import { spawn } from 'node:child_process';
import { Problem, root } from './data-folder.mjs';
import { ensureInstalled } from './install.mjs';

const CHECKS = [
  {
    name: 'Formatting',
    command: ['node_modules/prettier/bin/prettier.cjs', '--check', '--log-level=warn', '.'],
  },
  { name: 'Types', command: ['node_modules/typescript-7/bin/tsc', '-p', 'tsconfig.lint.json'] },
  { name: 'Promises', command: ['node_modules/eslint/bin/eslint.js', '--quiet', '.'] },
];

async function run({ name, command }) {
  const child = spawn(process.execPath, command, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
  const code = await new Promise((resolve, reject) => child.once('exit', resolve).once('error', reject));
  console.log(`${name}: ${code === 0 ? 'clean' : 'see above'}`);
  return code === 0;
}

try {
  await ensureInstalled();
  let clean = true;
  for (const check of CHECKS) clean = (await run(check)) && clean;
  process.exitCode = clean ? 0 : 1;
} catch (error) {
  console.error(error instanceof Problem ? error.message : error);
  process.exitCode = 1;
}
