#!/usr/bin/env node
/**
 * `npm run build`: the Prisma client, one `tsc -b` over all projects, then what a project builds beyond that (the
 * dashboard's pages, the published bundles, the services in few files). Each part is skipped while the files it is made from are unchanged.
 * Called by start.mjs, test.mjs and their like, which cannot afford a task runner's two seconds when there is
 * nothing to do. Node's own modules only.
 */
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { Problem, root, sha256 } from './data-folder.mjs';
import { ensureInstalled } from './install.mjs';
import { BUNDLES, projects, sourceFiles } from './projects.mjs';

const CACHE = path.join(root, 'node_modules/.cache/carillon');
const STAMPS = path.join(CACHE, 'build.json');
const TSC = 'node_modules/typescript-7/bin/tsc';
const SHARED_INPUTS = ['package-lock.json', 'tsconfig.json', 'tsconfig.base.json'];

/**
 * @param {{ say?: (line: string) => void }} [options]
 * @returns {Promise<boolean>} whether anything had to be built
 * @throws {Problem} with the compiler's words
 */
export async function build({ say = () => {} } = {}) {
  const all = projects();
  const stamps = fs.existsSync(STAMPS) ? JSON.parse(fs.readFileSync(STAMPS, 'utf8')) : {};
  const steps = buildSteps(all).map((step) => ({ ...step, stamp: fingerprint(step.inputs) }));
  const isDue = (step) =>
    stamps[step.name] !== step.stamp || !step.outputs.every((file) => fs.existsSync(path.join(root, file)));
  if (!steps.some(isDue)) return false;

  say('Building.');
  const started = Date.now();
  for (const stage of [0, 1, 2]) {
    const due = steps.filter((step) => step.stage === stage && isDue(step));
    await Promise.all(due.map((step) => run(step)));
    for (const step of due) stamps[step.name] = step.stamp;
    fs.mkdirSync(CACHE, { recursive: true });
    fs.writeFileSync(STAMPS, JSON.stringify(stamps));
  }
  say(`Built in ${((Date.now() - started) / 1000).toFixed(1)} s.`);
  return true;
}

function buildSteps(all) {
  const everything = all.flatMap((project) => sourceFiles(project.folder)).filter(isInput);
  const client = {
    stage: 0,
    name: 'Prisma client',
    inputs: ['prisma/schema.prisma', 'package-lock.json'],
    outputs: ['libs/database/src/generated'],
    command: [process.execPath, 'tools/prisma.mjs', 'generate'],
    folder: '.',
  };
  const compile = {
    stage: 1,
    name: 'tsc',
    inputs: [...SHARED_INPUTS, 'prisma/schema.prisma', ...everything],
    outputs: all.filter(isCompiled).map((project) => `${project.folder}/dist`),
    command: [process.execPath, TSC, '-b'],
    folder: '.',
  };
  const others = all
    .filter((project) => !isCompiledOnly(project) && project.manifest.scripts?.build)
    .map((project) => ({
      stage: 2,
      name: project.name,
      inputs: [
        ...SHARED_INPUTS,
        ...withDependencies(project, all)
          .flatMap(({ folder }) => sourceFiles(folder))
          .filter(isInput),
      ],
      outputs: [`${project.folder}/dist`],
      command: [project.manifest.scripts.build],
      folder: project.folder,
    }));
  const services = {
    stage: 2,
    name: 'services',
    inputs: ['tools/bundle.mjs', ...compile.inputs],
    outputs: [BUNDLES],
    command: [process.execPath, 'tools/bundle.mjs'],
    folder: '.',
  };
  return [
    ...(fs.existsSync(path.join(root, 'prisma/schema.prisma')) ? [client] : []),
    compile,
    services,
    ...others,
  ];
}

const isInput = (file) => !/\.spec\.tsx?$/.test(file);
const rootReferences = () =>
  JSON.parse(fs.readFileSync(path.join(root, 'tsconfig.json'), 'utf8')).references.map(
    ({ path: folder }) => folder,
  );
const isCompiled = ({ folder }) =>
  rootReferences().includes(folder) && sourceFiles(`${folder}/src`).length > 0;
const isCompiledOnly = (project) => /typescript-7\/bin\/tsc -b$/.test(project.manifest.scripts?.build ?? '');

function withDependencies(project, all, seen = new Set()) {
  if (seen.has(project)) return [...seen];
  seen.add(project);
  for (const name of project.dependencies)
    withDependencies(
      all.find((other) => other.name === name),
      all,
      seen,
    );
  return [...seen];
}

/** Names, sizes and times of files: reading them all would cost more than a start may take. */
function fingerprint(files) {
  const lines = files.map((file) => {
    const { size, mtimeMs } = fs.statSync(path.join(root, file), { throwIfNoEntry: false }) ?? {};
    return `${file} ${size} ${mtimeMs}`;
  });
  return sha256(lines.join('\n'));
}

async function run({ name, command, folder }) {
  const binaries = path.join(root, 'node_modules/.bin');
  const child = spawn(command[0], command.slice(1), {
    cwd: path.join(root, folder),
    shell: command.length === 1, // A script from a manifest, as npm would run it.
    env: { ...process.env, PATH: `${binaries}${path.delimiter}${process.env.PATH}`, NO_COLOR: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (output += text));
  const code = await new Promise((resolve, reject) => child.on('close', resolve).on('error', reject));
  if (code !== 0) throw new Problem(`The build failed (${name}):\n${output.trim()}`);
}

if (process.argv[1] && import.meta.url === pathToFileURL(fs.realpathSync(process.argv[1])).href) {
  try {
    await ensureInstalled();
    if (!(await build({ say: console.log }))) console.log('Nothing to build.');
  } catch (error) {
    console.error(error instanceof Problem ? error.message : error);
    process.exitCode = 1;
  }
}
