#!/usr/bin/env node
/**
 * What is published: `dist/esm` and `dist/cjs`, each a few files of code (the client, the outbox's relay, ready journeys, and a
 * world for tests) beside their declarations, with no import that leaves the folder. Runs after `tsc -b`, by `npm run build` and by the spec that plays the consumer.
 */
import { build } from 'esbuild';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { contractDeclarations } from './declarations.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const dist = path.join(here, 'dist');
/** Each a bundle of its own: `.`, `./outbox`, `./ready`; and for tests, under Node with the rules in it, `./testing`. */
const entries = ['index', 'outbox-relay', 'ready'];
const forTests = 'testing';

for (const [format, type] of [
  ['esm', 'module'],
  ['cjs', 'commonjs'],
]) {
  const folder = path.join(dist, format);
  fs.rmSync(folder, { recursive: true, force: true });
  fs.mkdirSync(folder, { recursive: true });
  fs.writeFileSync(path.join(folder, 'package.json'), JSON.stringify({ type }));
  await build({
    entryPoints: entries.map((name) => path.join(here, `src/${name}.ts`)),
    outdir: folder,
    bundle: true,
    format,
    target: 'es2022',
    // No node: modules, no browser's globals taken for granted: it must run on edge runtimes.
    platform: 'neutral',
    mainFields: ['module', 'main'],
    sourcemap: true,
    sourcesContent: true,
    logLevel: 'warning',
  });
  await build({
    entryPoints: [path.join(here, `src/${forTests}.ts`)],
    outdir: folder,
    bundle: true,
    format,
    target: 'es2022',
    platform: 'node',
    mainFields: ['module', 'main'],
    // The engine's rules as they are, read from their sources.
    conditions: ['@carillon/source'],
    // Its module for bundlers exports otherwise than what Node runs.
    alias: { rrule: createRequire(import.meta.url).resolve('rrule') },
    legalComments: 'none',
    minifySyntax: true,
    logLevel: 'warning',
  });
  writeDeclarations(folder);
}

/** Copies the compiler's declarations, with contracts' types put beside them instead of imported from a package. */
function writeDeclarations(folder) {
  const known = new Set();
  const needed = new Set();
  const copy = (name) => {
    if (known.has(name)) return;
    known.add(name);
    const text = fs
      .readFileSync(path.join(dist, `${name}.d.ts`), 'utf8')
      .replace(/\n?\/\/# sourceMappingURL=.*\n?$/, '\n')
      .replaceAll("'@carillon/contracts'", "'./contracts.js'");
    fs.writeFileSync(path.join(folder, `${name}.d.ts`), text);
    for (const [, names] of text.matchAll(/(?:import|export) type \{([^}]*)\} from '\.\/contracts\.js'/g))
      for (const one of names.split(',')) if (one.trim()) needed.add(one.trim());
    for (const [, next] of text.matchAll(/from '\.\/([\w-]+)\.js'/g)) if (next !== 'contracts') copy(next);
  };
  [...entries, forTests].forEach(copy);
  fs.writeFileSync(path.join(folder, 'contracts.d.ts'), contractDeclarations([...needed].sort()));
}
